/* tokenizer_same.h: two tokenizers that must be one, whatever they were opened from. */
#ifndef TOKENIZER_SAME_H
#define TOKENIZER_SAME_H

#include "text_recipe.h"
#include "tsr_gguf.h"

#define ORACLE TSR_SOURCE_DIR "/tests/oracle/tokenizer"

static inline tsr_gguf *open_gguf(const char *path)
{
    tsr_gguf *g;
    tsr_error err = {0};
    if (tsr_gguf_open(&g, path, &err) != TSR_OK) fail_msg("%s", err.text);
    return g;
}

static inline tsr_tokenizer *open_tokenizer(const tsr_gguf *g)
{
    tsr_tokenizer *t;
    tsr_error err = {0};
    if (tsr_tokenizer_open_gguf(&t, g, &err) != TSR_OK) fail_msg("%s", err.text);
    return t;
}

static inline void assert_same_tokens(const tsr_tokenizer *a, const tsr_tokenizer *b)
{
    assert_int_equal(tsr_tokenizer_count(a), tsr_tokenizer_count(b));
    for (int32_t id = 0; id < (int32_t)tsr_tokenizer_count(a); id++) {
        size_t a_len, b_len;
        const char *s = tsr_tokenizer_piece(a, id, &a_len), *r = tsr_tokenizer_piece(b, id, &b_len);
        assert_int_equal(a_len, b_len);
        assert_true(!s == !r);
        if (s) assert_memory_equal(s, r, a_len);
        assert_int_equal(tsr_tokenizer_is_control(a, id), tsr_tokenizer_is_control(b, id));
        assert_int_equal(tsr_tokenizer_byte_of(a, id), tsr_tokenizer_byte_of(b, id));
    }
}

static inline void assert_same_text(const tsr_tokenizer *a, const tsr_tokenizer *b, const tsr_ids *ids)
{
    for (int control = 0; control < 2; control++) {
        tsr_text x = {0}, y = {0};
        assert_int_equal(tsr_tokenizer_decode(a, ids->at, ids->n, control, &x, NULL), TSR_OK);
        assert_int_equal(tsr_tokenizer_decode(b, ids->at, ids->n, control, &y, NULL), TSR_OK);
        assert_int_equal(x.len, y.len);
        if (x.len) assert_memory_equal(x.at, y.at, x.len);
        tsr_text_deinit(&x);
        tsr_text_deinit(&y);
    }
}

/* Every token, and the ids and texts of 10,000 strings. */
static inline void assert_same(const tsr_tokenizer *a, const tsr_tokenizer *b)
{
    tsr_text text = {0};
    tsr_ids x = {0}, y = {0};
    assert_same_tokens(a, b);
    for (uint64_t i = 0; i < 10000; i++) {
        tsr_encode_mode mode = i % 2 ? TSR_ENCODE_CONTROL : TSR_ENCODE_PLAIN;
        x.n = y.n = 0;
        make_text(&text, a, i);
        assert_int_equal(tsr_tokenizer_encode(a, text.at, text.len, mode, &x, NULL), TSR_OK);
        assert_int_equal(tsr_tokenizer_encode(b, text.at, text.len, mode, &y, NULL), TSR_OK);
        if (x.n != y.n || (x.n && memcmp(x.at, y.at, x.n * sizeof *x.at))) fail_msg("string %d differs", (int)i);
        assert_same_text(a, b, &x);
    }
    tsr_text_deinit(&text);
    tsr_ids_deinit(&x);
    tsr_ids_deinit(&y);
}

#endif
