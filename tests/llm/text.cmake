# tests of tokenizer, chat, sampling
