/* transcribe_words.c: words are compared by what people hear of them: case and punctuation don't count. */
#include "transcribe_words.h"

#include <math.h>
#include <string.h>

#include "tsr_alloc.h"

enum {
    MOST_OVERLAP = 96, /* words that a seam looks at on each side */
    UNEXPECTED = 8,    /* beside twice those that are expected */
    LONGEST_WORD = 120, /* bytes; a longer one is a model that has got stuck within a word */
    MOST_PER_SECOND = 10, /* words */
    MOST_PERIOD = 24
};

/* ---- characters ---- */

typedef struct range {
    uint32_t from, to;
} range;

static bool is_in(uint32_t c, const range *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].from && c <= r[i].to)
            return true;
    return false;
}

/* Scripts without spaces between words: Thai, Lao, Myanmar, Khmer, kana, Han. */
static bool is_unspaced(uint32_t c)
{
    static const range scripts[] = {{0x0e00, 0x0eff}, {0x1000, 0x109f}, {0x1780, 0x17ff}, {0x3040, 0x30ff},
                                    {0x3400, 0x4dbf}, {0x4e00, 0x9fff}, {0xf900, 0xfaff}, {0xff66, 0xff9f},
                                    {0x20000, 0x3ffff}};
    return is_in(c, scripts, sizeof scripts / sizeof *scripts);
}

/* Marks that stand with the character before them. */
static bool is_mark(uint32_t c)
{
    static const range marks[] = {{0x0300, 0x036f}, {0x0e31, 0x0e31}, {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e},
                                  {0x0eb1, 0x0eb1}, {0x0eb4, 0x0ebc}, {0x0ec8, 0x0ece}, {0x102b, 0x103e},
                                  {0x17b4, 0x17d3}, {0x200c, 0x200d}, {0x3099, 0x309a}, {0xfe00, 0xfe0f}};
    return is_in(c, marks, sizeof marks / sizeof *marks);
}

static bool is_punctuation(uint32_t c)
{
    static const range signs[] = {{0x21, 0x2f},     {0x3a, 0x40},     {0x5b, 0x60},     {0x7b, 0xbf},
                                  {0x2010, 0x205e}, {0x3001, 0x3003}, {0x3008, 0x3011}, {0x3014, 0x301f},
                                  {0x30fb, 0x30fb}, {0xff01, 0xff0f}, {0xff1a, 0xff20}, {0xff3b, 0xff40},
                                  {0xff5b, 0xff65}};
    return is_in(c, signs, sizeof signs / sizeof *signs) && c != 0xaa && c != 0xb5 && c != 0xba;
}

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* ---- reading ---- */

/* Runs of white space and control characters become one space; none at the ends. */
static tsr_status clean(tsr_text *out, const char *s, size_t len, tsr_error *err)
{
    tsr_status st = TSR_OK;
    bool space = false;
    for (size_t i = 0; i < len && st == TSR_OK;) {
        uint32_t c;
        bool ok;
        size_t k = tsr_utf8_read(s + i, len - i, &c, &ok);
        if (tsr_utf8_is_space(c) || is_control(c)) {
            space = out->len > 0;
        } else {
            char bytes[TSR_UTF8_MAX];
            if (space)
                st = tsr_text_add(out, " ", 1, err);
            if (st == TSR_OK)
                st = tsr_text_add(out, bytes, tsr_utf8_write(bytes, c), err);
            space = false;
        }
        i += k;
    }
    return st;
}

static tsr_status make_key(uint64_t *key, const char *s, size_t len, tsr_error *err)
{
    tsr_text lower = {0};
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    bool any = false;
    tsr_status st = tsr_utf8_lower(&lower, s, len, err);
    for (size_t i = 0; st == TSR_OK && i < lower.len;) {
        uint32_t c;
        bool ok;
        size_t k = tsr_utf8_read(lower.at + i, lower.len - i, &c, &ok);
        if (!is_punctuation(c)) {
            h = (h ^ c) * 1099511628211u;
            any = true;
        }
        i += k;
    }
    tsr_text_deinit(&lower);
    *key = !any ? 0 : h ? h : 1;
    return st;
}

static tsr_status add_word(tsri_words *w, size_t from, size_t to, bool is_spaced, tsr_error *err)
{
    if (w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 64, bytes;
        tsri_word *grown = tsr_mul_size(&bytes, cap, sizeof *grown) ? tsr_realloc(w->at, bytes) : NULL;
        if (!grown)
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu words", cap);
        w->at = grown;
        w->cap = cap;
    }
    uint64_t key;
    tsr_status st = make_key(&key, w->text.at + from, to - from, err);
    if (st == TSR_OK)
        w->at[w->n++] = (tsri_word){from, to, key, is_spaced};
    return st;
}

/* The end of the word that begins at `from`: at white space, and around each character of a script without;
 * punctuation and marks stay with what is before them. */
static size_t word_end(const tsr_text *t, size_t from)
{
    uint32_t c, next;
    bool ok;
    size_t at = from + tsr_utf8_read(t->at + from, t->len - from, &c, &ok);
    bool alone = is_unspaced(c);
    while (at < t->len) {
        size_t k = tsr_utf8_read(t->at + at, t->len - at, &next, &ok);
        bool trails = is_mark(next) || (is_punctuation(next) && next != '(' && next != '[');
        if (next == ' ' || (!trails && (alone || is_unspaced(next))))
            break;
        at += k;
    }
    return at;
}

tsr_status tsri_words_read(tsri_words *w, const char *text, size_t len, tsr_error *err)
{
    w->text.len = w->n = 0;
    tsr_status st = clean(&w->text, text, len, err);
    for (size_t at = 0; at < w->text.len && st == TSR_OK;) {
        bool spaced = w->text.at[at] == ' ';
        at += spaced;
        size_t end = word_end(&w->text, at);
        st = add_word(w, at, end, spaced, err);
        at = end;
    }
    return st;
}

void tsri_words_deinit(tsri_words *w)
{
    tsr_text_deinit(&w->text);
    tsr_free(w->at);
    memset(w, 0, sizeof *w);
}

void tsri_words_drop_front(tsri_words *w, size_t first)
{
    if (first == 0)
        return;
    size_t bytes = first < w->n ? w->at[first].from : w->text.len;
    w->text.len -= bytes;
    if (w->text.len)
        memmove(w->text.at, w->text.at + bytes, w->text.len);
    w->n = first < w->n ? w->n - first : 0;
    for (size_t i = 0; i < w->n; i++) {
        w->at[i] = w->at[i + first];
        w->at[i].from -= bytes;
        w->at[i].to -= bytes;
    }
}

void tsri_words_keep_front(tsri_words *w, size_t n)
{
    if (n >= w->n)
        return;
    w->n = n;
    w->text.len = n ? w->at[n - 1].to : 0;
}

bool tsri_words_want_space(const tsri_words *w)
{
    uint32_t c;
    bool ok;
    if (w->n == 0)
        return false;
    tsr_utf8_read(w->text.at, w->text.len, &c, &ok);
    return w->at[0].is_spaced || !is_unspaced(c);
}

/* ---- stuck ---- */

/* How often the longest run that repeats itself every `period` words does so. */
static size_t repeats(const tsri_words *w, size_t period)
{
    size_t run = 0, most = 0;
    for (size_t i = period; i < w->n; i++) {
        run = w->at[i].key == w->at[i - period].key ? run + 1 : 0;
        most = run > most ? run : most;
    }
    return most / period + 1;
}

/* People do say "no, no, no, no"; the longer a phrase, the fewer times. */
static size_t too_often(size_t period)
{
    return period == 1 ? 8 : period < 4 ? 5 : period < 8 ? 4 : 3;
}

/* One endless word: "lalalalala". */
static bool is_endless(const tsri_words *w, const tsri_word *x)
{
    const char *s = w->text.at + x->from;
    size_t len = x->to - x->from;
    if (len <= LONGEST_WORD)
        return false;
    for (size_t period = 1; period <= MOST_PERIOD; period++) {
        size_t same = 0;
        for (size_t i = period; i < len; i++)
            same += s[i] == s[i - period];
        if (same >= (len - period) * 9 / 10)
            return true;
    }
    return false;
}

const char *tsri_words_stuck(const tsri_words *w, double seconds)
{
    for (size_t period = 1; period <= MOST_PERIOD && period < w->n; period++)
        if (repeats(w, period) >= too_often(period))
            return "the same words again and again";
    for (size_t i = 0; i < w->n; i++)
        if (is_endless(w, &w->at[i]))
            return "one word without an end";
    if ((double)w->n > 12 + MOST_PER_SECOND * seconds)
        return "more words than can be said in that time";
    return NULL;
}

/* ---- seams ---- */

enum { MATCH = 16, MISMATCH = -6, SKIP = -5 };

/* What one match says for it that both heard the same: much for a word that stands once in each, next to nothing for
 * one that is there all the time. */
static int weight_of(uint64_t key, const tsri_word *a, size_t n, const tsri_word *b, size_t m)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += a[i].key == key;
    for (size_t j = 0; j < m; j++)
        count += b[j].key == key;
    double all = (double)(n + m), rare = all > 2 ? log(all / (double)count) / log(all / 2) : 1;
    int weight = (int)(MATCH * rare * rare + 0.5);
    return weight < 1 ? 1 : weight > MATCH ? MATCH : weight;
}

typedef struct grid {
    int weight[MOST_OVERLAP]; /* of the words of a */
    int score[MOST_OVERLAP + 1][MOST_OVERLAP + 1];
    unsigned char step[MOST_OVERLAP + 1][MOST_OVERLAP + 1]; /* 0 begin, 1 both, 2 a alone, 3 b alone */
} grid;

static int distance(size_t a, size_t b)
{
    return (int)(a > b ? a - b : b - a);
}

/* The best way to lay the head of b over the tail of a: it may begin at any word of a, and must reach a's end. */
static void fill(grid *g, const tsri_word *a, size_t n, size_t n_a, const tsri_word *b, size_t m)
{
    for (size_t i = 0; i < n; i++)
        g->weight[i] = weight_of(a[i].key, a, n, b, m);
    for (size_t i = 0; i <= n; i++) {
        g->score[i][0] = -distance(n - i, n_a); /* an overlap as long as expected is likelier */
        g->step[i][0] = 0;
    }
    for (size_t j = 1; j <= m; j++) {
        g->score[0][j] = g->score[0][j - 1] + SKIP;
        g->step[0][j] = 3;
    }
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            bool same = a[i - 1].key == b[j - 1].key && a[i - 1].key != 0;
            int both = g->score[i - 1][j - 1] + (same ? g->weight[i - 1] : MISMATCH);
            int of_a = g->score[i - 1][j] + SKIP, of_b = g->score[i][j - 1] + SKIP;
            g->step[i][j] = both >= of_a && both >= of_b ? 1 : of_a >= of_b ? 2 : 3;
            g->score[i][j] = g->step[i][j] == 1 ? both : g->step[i][j] == 2 ? of_a : of_b;
        }
}

/* The words that match on the best way, last first; how many. */
static size_t trace(const grid *g, const tsri_word *a, size_t n, const tsri_word *b, size_t end, size_t pairs[][2])
{
    size_t i = n, j = end, k = 0;
    while (j > 0) {
        unsigned step = g->step[i][j];
        if (step == 1 && a[i - 1].key == b[j - 1].key && a[i - 1].key != 0) {
            pairs[k][0] = i - 1;
            pairs[k++][1] = j - 1;
        }
        i -= step != 3;
        j -= step != 2;
    }
    return k;
}

static size_t least_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

bool tsri_words_seam(const tsri_words *a, size_t first, size_t n_a, const tsri_words *b, size_t n_b, size_t *keep,
                     size_t *skip)
{
    size_t free_words = a->n > first ? a->n - first : 0;
    size_t n = least_of(least_of(free_words, 2 * n_a + UNEXPECTED), MOST_OVERLAP), start = a->n - n, end = 0;
    size_t m = least_of(least_of(b->n, 2 * n_b + UNEXPECTED), MOST_OVERLAP);
    size_t pairs[MOST_OVERLAP][2];
    *keep = a->n - least_of(n_a / 2, free_words);
    *skip = least_of(n_b / 2, b->n);
    grid *g = tsr_alloc(sizeof *g);
    if (!g || n == 0 || m == 0) { /* without memory it stays an estimate */
        tsr_free(g);
        return false;
    }
    fill(g, a->at + start, n, n_a, b->at, m);
    int best = 0;
    for (size_t j = 1; j <= m; j++) {
        int score = g->score[n][j] - distance(j, n_b);
        if (score > best) {
            best = score;
            end = j;
        }
    }
    size_t k = end ? trace(g, a->at + start, n, b->at, end, pairs) : 0;
    tsr_free(g);
    if (k == 0)
        return false;
    *keep = start + pairs[k / 2][0] + 1;
    *skip = pairs[k / 2][1] + 1;
    return true;
}
