list(APPEND TSR_LLM_SOURCES
  utf8.c utf8_case.c
  tokenizer.c tokenizer_build.c tokenizer_load.c tokenizer_json.c tokenizer_gguf.c tokenizer_export.c
  tokenizer_decode.c
  chat.c chat_value.c chat_tool.c
  prompt.c output.c output_call.c sampler.c)
# what an answer must look like
list(APPEND TSR_LLM_SOURCES
  grammar_net.c grammar_chars.c grammar_finish.c grammar_gbnf.c grammar_store.c grammar_run.c grammar_plain.c grammar_vocab.c grammar_guide.c
  schema.c schema_ref.c schema_goal.c schema_value.c schema_write.c schema_regex.c schema_string.c schema_number.c)
