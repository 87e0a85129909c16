# list(APPEND TSR_LLM_SOURCES tokenizer.c ...)
