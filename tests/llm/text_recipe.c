/* text_recipe.c: see the header; tables and steps must stay those of fixtures_text/recipe.py. */
#include "text_recipe.h"

enum { N_BLOCKS = 100, BLOCK = 100 };

static const uint32_t ranges[][2] = {
    {0x20, 0x7E},       {0x20, 0x7E},     {0x61, 0x7A},       {0xA0, 0x17F},     {0x370, 0x3FF},   {0x400, 0x45F},
    {0x5D0, 0x5EA},     {0x620, 0x64A},   {0x905, 0x939},     {0xE01, 0xE3A},    {0x1780, 0x17B3}, {0x3041, 0x30FE},
    {0x4E00, 0x4FFF},   {0xAC00, 0xADFF}, {0x1F300, 0x1F64F}, {0x20000, 0x200FF}, {0x1, 0x1F},     {0x2000, 0x206F},
    {0xE000, 0xE0FF},   {0x10000, 0x100FF}, {0xFFF0, 0xFFFD}, {0x300, 0x36F}};
static const struct {
    const char *s;
    size_t len;
} phrases[] = {
#define PHRASE(s) {s, sizeof s - 1}
    PHRASE("Hello"),       PHRASE(" world"),    PHRASE("the "),     PHRASE("user\n"),
    PHRASE("model\n"),     PHRASE("00:05 "),    PHRASE("don't"),    PHRASE("<0x0A>"),
    PHRASE("\r\n"),        PHRASE("<"),         PHRASE("|>"),       PHRASE("<|"),
    PHRASE("thought\n"),   PHRASE("\xE2\x96\x81"), PHRASE("\xE2\x96\x81\xE2\x96\x81"), PHRASE("e\xCC\x81"),
    PHRASE("\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7"), PHRASE("3.14"), PHRASE("\t"),
    PHRASE("  \n  "),      PHRASE("<start>"),   PHRASE("<|tur"),    PHRASE("n>"),
    PHRASE("[multimodal]"), PHRASE("<table>"),  PHRASE("\xC2\xA0"), PHRASE("\xEF\xBB\xBF"),
    PHRASE("x\0y"),
};

static void add_str(tsr_text *t, const char *s, size_t n)
{
    assert_int_equal(tsr_text_add(t, s, n, NULL), TSR_OK);
}

/* An entry's text, its U+2581 as spaces when `spaces`. */
static void add_entry(tsr_text *out, const tsr_tokenizer *t, int32_t id, bool spaces)
{
    size_t len;
    const char *s = tsr_tokenizer_piece(t, id, &len);
    for (size_t i = 0; i < len; i++) {
        if (spaces && len - i >= 3 && memcmp(s + i, "\xE2\x96\x81", 3) == 0) {
            add_str(out, " ", 1);
            i += 2;
        } else {
            add_str(out, s + i, 1);
        }
    }
}

void make_text(tsr_text *out, const tsr_tokenizer *t, uint64_t seed)
{
    rng r = {seed};
    out->len = 0;
    for (uint64_t n = below(&r, 13); n > 0; n--) {
        uint64_t kind = below(&r, 10);
        if (kind < 3) {
            const uint32_t *range = ranges[below(&r, sizeof ranges / sizeof *ranges)];
            for (uint64_t k = 1 + below(&r, 6); k > 0; k--) {
                char c[TSR_UTF8_MAX];
                uint32_t cp = range[0] + (uint32_t)below(&r, range[1] - range[0] + 1);
                add_str(out, c, tsr_utf8_write(c, cp));
            }
        } else if (kind < 6) {
            int32_t id = (int32_t)below(&r, tsr_tokenizer_count(t));
            add_entry(out, t, id, below(&r, 2) != 0);
        } else if (kind < 8) {
            for (uint64_t k = 1 + below(&r, 20); k > 0; k--) add_str(out, kind == 6 ? "\n" : " ", 1);
        } else {
            uint64_t k = below(&r, sizeof phrases / sizeof *phrases);
            add_str(out, phrases[k].s, phrases[k].len);
        }
    }
}

void check_recipe(const tsr_tokenizer *t, const tsr_json *blocks, const tsr_json *first, tsr_encode_mode mode)
{
    tsr_text text = {0};
    tsr_ids ids = {0};
    assert_int_equal(tsr_json_len(blocks), N_BLOCKS);
    for (size_t b = 0; b < N_BLOCKS; b++) {
        uint64_t h = HASH_START;
        for (size_t i = b * BLOCK; i < b * BLOCK + BLOCK; i++) {
            char what[32];
            ids.n = 0;
            make_text(&text, t, i);
            assert_int_equal(tsr_tokenizer_encode(t, text.at, text.len, mode, &ids, NULL), TSR_OK);
            snprintf(what, sizeof what, "string %zu", i);
            if (i < tsr_json_len(first)) assert_ids(&ids, tsr_json_at(first, i), what);
            for (size_t k = 0; k < ids.n; k++) h = hash_number(h, (uint32_t)ids.at[k]);
            h = hash_number(h, 0xFFFFFFFFu);
        }
        assert_hash(h, tsr_json_at(blocks, b));
    }
    tsr_text_deinit(&text);
    tsr_ids_deinit(&ids);
}
