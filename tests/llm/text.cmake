tsr_test(test_tokenizer SOURCES test_tokenizer.c LINKS tsr_llm)
tsr_test(test_chat SOURCES test_chat.c LINKS tsr_llm)
tsr_test(test_sampler SOURCES test_sampler.c LINKS tsr_llm)
tsr_test(test_output SOURCES test_output.c LINKS tsr_llm)
