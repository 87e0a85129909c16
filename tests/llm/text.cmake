tsr_test(test_tokenizer SOURCES test_tokenizer.c LINKS tsr_llm)
