/* big_vocab.c: see the header. The pieces are written as a tokenizer.json without merges, which decoding doesn't need. */
#include "big_vocab.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_json.h"
#include "tsr_utf8.h"

static const char *const control[] = {"<pad>", "<eos>", "<bos>", "<unk>", "<|channel>", "<channel|>"};
enum { N_CONTROL = sizeof control / sizeof *control, PIECE_MOST = 64 };

typedef struct maker {
    uint64_t random;
    tsr_text json;
    char *seen; /* pieces so far, in a table of fixed places */
    size_t n_slots, n;
    tsr_error *err;
} maker;

static uint32_t below(maker *m, uint32_t n)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(m->random >> 33) % n;
}

static bool is_new(maker *m, const char *piece)
{
    uint64_t h = 1469598103934665603u;
    for (const char *p = piece; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    for (size_t i = (size_t)(h % m->n_slots);; i = (i + 1) % m->n_slots) {
        char *slot = m->seen + i * PIECE_MOST;
        if (strcmp(slot, piece) == 0)
            return false;
        if (!*slot) {
            strncpy(slot, piece, PIECE_MOST - 1);
            return true;
        }
    }
}

static void put(maker *m, const char *s)
{
    tsr_text_add(&m->json, s, strlen(s), m->err);
}

static void add_piece(maker *m, const char *piece)
{
    char id[32];
    if (!*piece || strlen(piece) >= PIECE_MOST || !is_new(m, piece))
        return;
    tsr_json *text = tsr_json_new_string(piece, strlen(piece));
    char *quoted;
    if (tsr_json_dump(&quoted, text, 0, m->err) == TSR_OK) {
        put(m, m->n ? "," : "");
        put(m, quoted);
        snprintf(id, sizeof id, ":%zu", m->n++);
        put(m, id);
        tsr_free(quoted);
    }
    tsr_json_free(text);
}

static void put_char(char *piece, size_t *n, uint32_t ch)
{
    *n += tsr_utf8_write(piece + *n, ch);
    piece[*n] = '\0';
}

/* Words as languages have them: short ones often, a space (U+2581) before half of them. */
static void word(maker *m, char *piece, size_t *n)
{
    static const char letters[] = "eeeeettttaaaooiinnsshhrrddllcumwfgypbvkjxqz";
    size_t len = 2 + below(m, 4) + below(m, 4) + below(m, 4);
    bool capital = below(m, 6) == 0;
    for (size_t i = 0; i < len; i++) {
        char c = letters[below(m, sizeof letters - 1)];
        put_char(piece, n, (uint32_t)(i == 0 && capital ? c - 32 : c));
    }
}

static void other_script(maker *m, char *piece, size_t *n)
{
    static const uint32_t starts[] = {0x430, 0x3B1, 0x5D0, 0x627, 0x905, 0xE01, 0x3042, 0x30A2, 0x4E00, 0xAC00, 0x1F600, 0xE0};
    static const uint32_t spans[] = {32, 24, 26, 40, 60, 50, 80, 80, 20000, 11000, 80, 30};
    size_t script = below(m, 12), len = 1 + below(m, script == 8 || script == 9 ? 3 : 6);
    for (size_t i = 0; i < len; i++)
        put_char(piece, n, starts[script] + below(m, spans[script]));
}

static void signs(maker *m, char *piece, size_t *n)
{
    static const char set[] = "\"\"\"',.:;()[]{}<>/\\-_=+*&%$#@!?|~`\n\t0123456789";
    size_t len = 1 + below(m, 5);
    for (size_t i = 0; i < len; i++)
        put_char(piece, n, (uint32_t)set[below(m, sizeof set - 1)]);
}

static void make_piece(maker *m, char *piece)
{
    size_t n = 0;
    uint32_t kind = below(m, 100);
    piece[0] = '\0';
    if (below(m, 2))
        put_char(piece, &n, 0x2581);
    if (kind < 68)
        word(m, piece, &n);
    else if (kind < 90)
        other_script(m, piece, &n);
    else
        signs(m, piece, &n);
    if (kind < 5)
        signs(m, piece, &n);
}

static void add_runs(maker *m)
{
    static const char *const units[] = {"\n", "\t", "\xE2\x96\x81", "-", "="};
    for (size_t u = 0; u < 5; u++)
        for (size_t len = 1; len <= 16; len++) {
            char piece[PIECE_MOST] = "";
            for (size_t i = 0; i < len && strlen(piece) + 3 < PIECE_MOST; i++)
                strncat(piece, units[u], 4);
            add_piece(m, piece);
        }
}

static void write_vocab(maker *m, size_t n)
{
    char piece[PIECE_MOST * 4];
    for (size_t i = 0; i < N_CONTROL; i++)
        add_piece(m, control[i]);
    for (unsigned b = 0; b < 256; b++) {
        snprintf(piece, sizeof piece, "<0x%02X>", b);
        add_piece(m, piece);
    }
    for (uint32_t c = 0x21; c < 0x7F; c++) {
        size_t len = 0;
        put_char(piece, &len, c);
        add_piece(m, piece);
    }
    add_runs(m);
    while (m->n < n) {
        make_piece(m, piece);
        add_piece(m, piece);
    }
}

static void write_json(maker *m, size_t n)
{
    put(m, "{\"added_tokens\":[");
    for (size_t i = 0; i < N_CONTROL; i++) {
        char line[200];
        snprintf(line, sizeof line, "%s{\"id\":%zu,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                 "\"normalized\":false,\"special\":true}", i ? "," : "", i, control[i]);
        put(m, line);
    }
    put(m, "],\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xE2\x96\x81\"},"
           "\"pre_tokenizer\":null,\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":"
           "{\"String\":\"\xE2\x96\x81\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}]},"
           "\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,\"fuse_unk\":true,\"unk_token\":\"<unk>\",\"merges\":[],"
           "\"vocab\":{");
    write_vocab(m, n);
    put(m, "}}}");
}

tsr_tokenizer *big_vocab_open(size_t n, tsr_error *err)
{
    maker m = {.random = 42, .n_slots = 4 * n, .err = err};
    tsr_tokenizer *t = NULL;
    m.seen = calloc(m.n_slots, PIECE_MOST);
    if (!m.seen)
        return NULL;
    write_json(&m, n);
    if (tsr_tokenizer_open_bytes(&t, m.json.at, m.json.len, "big_vocab", err) != TSR_OK)
        t = NULL;
    free(m.seen);
    tsr_text_deinit(&m.json);
    return t;
}
