# list(APPEND TSR_LLM_SOURCES decoder.c ...)
