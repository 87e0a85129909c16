list(APPEND TSR_LLM_SOURCES
  utf8.c utf8_case.c
  tokenizer.c tokenizer_build.c tokenizer_load.c tokenizer_json.c tokenizer_gguf.c tokenizer_export.c
  tokenizer_decode.c
  chat.c chat_value.c chat_tool.c chat_parse.c
  prompt.c output.c output_call.c sampler.c)
