tsr_test(test_tokenizer SOURCES test_tokenizer.c text_recipe.c fuzz_tokenizer.c LINKS tsr_llm)
tsr_test(test_tokenizer_gguf SOURCES test_tokenizer_gguf.c text_recipe.c fuzz_tokenizer.c LINKS tsr_llm tsr_test_common)
tsr_test(test_tokenizer_export SOURCES test_tokenizer_export.c text_recipe.c LINKS tsr_llm tsr_test_common)
tsr_test(test_chat SOURCES test_chat.c conversation.c LINKS tsr_llm)
tsr_test(test_sampler SOURCES test_sampler.c LINKS tsr_llm)
tsr_test(test_output SOURCES test_output.c LINKS tsr_llm)
# Skips itself without a vocabulary: tools/real_vocab.sh.
tsr_test(test_real_vocab SOURCES test_real_vocab.c text_recipe.c LINKS tsr_llm tsr_test_common LABELS real-vocab)
set_tests_properties(test_real_vocab PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: TSR_REAL_VOCAB isn't set")

# As tests/base/CMakeLists.txt says, and then: fuzz_tokenizer NEW tests/llm/corpus_tokenizer
if(TSR_FUZZ)
  add_executable(fuzz_tokenizer ${CMAKE_CURRENT_LIST_DIR}/fuzz_tokenizer.c)
  target_link_libraries(fuzz_tokenizer PRIVATE tsr_llm)
  target_link_options(fuzz_tokenizer PRIVATE -fsanitize=fuzzer)
endif()
