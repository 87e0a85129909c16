/* text_support.h: what the tests of text handling share: recipe.py's generator, hashes, fixtures. */
#ifndef TEXT_SUPPORT_H
#define TEXT_SUPPORT_H

/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

#include "tsr_alloc.h"
#include "tsr_json.h"
#include "tsr_tokenizer.h"

#define FIXTURES TSR_TEST_DIR "/fixtures_text/"

typedef struct rng {
    uint64_t s;
} rng;

static inline uint64_t below(rng *r, uint64_t n)
{
    r->s = r->s * 6364136223846793005u + 1442695040888963407u;
    return (r->s >> 33) % n;
}

#define HASH_START 0xCBF29CE484222325u

static inline uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++) h = (h ^ ((const unsigned char *)p)[i]) * 0x100000001B3u;
    return h;
}

static inline uint64_t hash_number(uint64_t h, uint32_t x)
{
    unsigned char b[4] = {(unsigned char)x, (unsigned char)(x >> 8), (unsigned char)(x >> 16), (unsigned char)(x >> 24)};
    return hash_bytes(h, b, 4);
}

static inline void assert_hash(uint64_t h, const tsr_json *want)
{
    char hex[17];
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)h);
    assert_non_null(tsr_json_string(want, NULL));
    assert_string_equal(hex, tsr_json_string(want, NULL));
}

static inline tsr_json *load_json(const char *path)
{
    tsr_json *v;
    tsr_error err = {0};
    if (tsr_json_parse_file(&v, path, 1 << 24, &err) != TSR_OK) fail_msg("%s", err.text);
    return v;
}

static inline tsr_tokenizer *load_tokenizer(const char *path)
{
    tsr_tokenizer *t;
    tsr_error err = {0};
    if (tsr_tokenizer_open(&t, path, &err) != TSR_OK) fail_msg("%s", err.text);
    return t;
}

static inline void assert_ids(const tsr_ids *ids, const tsr_json *want, const char *what)
{
    if (ids->n != tsr_json_len(want)) fail_msg("%s: %zu ids, not %zu", what, ids->n, tsr_json_len(want));
    for (size_t i = 0; i < ids->n; i++) {
        int64_t id = -1;
        tsr_json_to_i64(tsr_json_at(want, i), &id);
        if (ids->at[i] != id) fail_msg("%s: id %zu is %d, not %d", what, i, (int)ids->at[i], (int)id);
    }
}

static inline void assert_text(const tsr_text *t, const char *want)
{
    if (t->len != strlen(want) || (t->len && memcmp(t->at, want, t->len) != 0))
        fail_msg("\"%.*s\", not \"%s\"", (int)t->len, t->at ? t->at : "", want);
}

#endif
