list(APPEND TSR_LLM_SOURCES text_config.c gguf_text_names.c gguf_text_out.c decoder.c context.c context_open.c rows.c rope.c attention.c ffn.c moe.c ple.c kv_cache.c)
