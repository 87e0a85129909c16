/* page_fields.c: the words of a page as one folded text without white space, in which values are looked for. */
#include "page_fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "json_build.h"
#include "page_layer.h"
#include "tsr_alloc.h"
#include "tsr_utf8.h"

typedef enum match { NOT_FOUND, BY_NUMBER, PART, FOLDED, EXACT } match; /* the later the better */

static const char *const match_names[] = {[BY_NUMBER] = "number", [PART] = "part", [FOLDED] = "folded", [EXACT] = "exact"};

typedef struct finder {
    const tsr_page_text *layer;
    tsr_text folded;
    size_t *begins;   /* [n_words + 1]: where each word begins in it */
    size_t *block_of; /* [n_words] */
    size_t page;
    tsri_build list;
    tsr_text path;
    tsr_error *err;
} finder;

typedef struct place {
    match how;
    size_t first, last; /* words */
    size_t n;
} place;

/* ---- folding ---- */

static const char *fold_char(uint32_t c)
{
    static const char *const ligatures[] = {"ff", "fi", "fl", "ffi", "ffl", "st", "st"};
    if (c >= 0xfb00 && c <= 0xfb06)
        return ligatures[c - 0xfb00];
    if (c == 0xad)
        return "";
    if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212)
        return "-";
    if (c == 0x2018 || c == 0x2019 || c == 0x201a || c == 0xb4 || c == '`')
        return "'";
    return c >= 0x201c && c <= 0x201e ? "\"" : NULL;
}

static tsr_status fold(tsr_text *out, const char *s, size_t len, tsr_error *err)
{
    tsr_text plain = {0};
    tsr_status st = TSR_OK;
    for (size_t at = 0, n; at < len && st == TSR_OK; at += n) {
        uint32_t c;
        bool ok;
        n = tsr_utf8_read(s + at, len - at, &c, &ok);
        const char *other = fold_char(c);
        if (!tsr_utf8_is_space(c))
            st = other ? tsr_text_add(&plain, other, strlen(other), err) : tsr_text_add(&plain, s + at, n, err);
    }
    if (st == TSR_OK && plain.len)
        st = tsr_utf8_lower(out, plain.at, plain.len, err);
    tsr_text_deinit(&plain);
    return st;
}

static tsr_status read_layer(finder *f)
{
    const tsr_page_text *t = f->layer;
    tsr_status st = tsr_alloc_array(&f->begins, t->n_words + 1, sizeof *f->begins, "the words of a page", f->err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&f->block_of, t->n_words, sizeof *f->block_of, "the words of a page", f->err);
    for (size_t b = 0; b < t->n_blocks && st == TSR_OK; b++)
        for (size_t l = t->blocks[b].first; l < t->blocks[b].first + t->blocks[b].n; l++)
            for (size_t w = 0; w < t->lines[l].n; w++)
                f->block_of[t->lines[l].first + w] = b;
    for (size_t w = 0; w < t->n_words && st == TSR_OK; w++) {
        f->begins[w] = f->folded.len;
        st = fold(&f->folded, t->words[w].text, t->words[w].len, f->err);
    }
    if (st == TSR_OK)
        f->begins[t->n_words] = f->folded.len;
    return st;
}

/* ---- texts ---- */

/* The word that holds a byte of the folded text. */
static size_t word_at(const finder *f, size_t at)
{
    size_t low = 0, high = f->layer->n_words;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (f->begins[mid] <= at)
            low = mid;
        else
            high = mid;
    }
    return low;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(const char *s, size_t len)
{
    uint32_t c;
    bool ok;
    tsr_utf8_read(s, len, &c, &ok);
    return c < 0x80 ? (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') : c >= 0xc0 && !(c >= 0x2000 && c < 0x2c00);
}

/* May a value begin or end between the bytes at - 1 and at of one word? */
static bool may_cut(const finder *f, size_t at)
{
    const char *s = f->folded.at;
    size_t before = at - 1, len = f->folded.len;
    while (before > 0 && ((unsigned char)s[before] & 0xc0) == 0x80)
        before--;
    if (is_letter(s + before, at - before) && is_letter(s + at, len - at))
        return false;
    bool dot_before = s[at - 1] == '.' || s[at - 1] == ',', dot = s[at] == '.' || s[at] == ',';
    return !(dot_before && at >= 2 && is_digit(s[at - 2]) && is_digit(s[at])) &&
           !(dot && is_digit(s[at - 1]) && at + 1 < len && is_digit(s[at + 1]));
}

/* The words as they are, between single spaces, are the value, white space at its ends aside. */
static bool is_exact(const finder *f, size_t first, size_t last, const char *s, size_t len)
{
    tsr_utf8_strip(&s, &len);
    for (size_t w = first; w <= last; w++) {
        const tsr_page_word *word = &f->layer->words[w];
        size_t n = word->len + (w < last);
        if (n > len || memcmp(s, word->text, word->len) != 0 || (w < last && s[word->len] != ' ' && s[word->len] != '\n'))
            return false;
        s += n;
        len -= n;
    }
    return len == 0;
}

static void judge(const finder *f, size_t at, size_t n, const char *value, size_t len, place *best)
{
    size_t end = at + n, first = word_at(f, at), last = word_at(f, end - 1);
    bool whole_begin = f->begins[first] == at, whole_end = f->begins[last + 1] == end;
    if (f->block_of[first] != f->block_of[last] || (!whole_begin && !may_cut(f, at)) || (!whole_end && !may_cut(f, end)))
        return;
    match how = !whole_begin || !whole_end ? PART : is_exact(f, first, last, value, len) ? EXACT : FOLDED;
    if (how > best->how)
        *best = (place){how, first, last, 0};
    best->n += how == best->how;
}

static tsr_status find_text(const finder *f, const char *value, size_t len, place *best)
{
    tsr_text wanted = {0};
    tsr_status st = fold(&wanted, value, len, f->err);
    const char *s = f->folded.at;
    for (size_t at = 0; st == TSR_OK && wanted.len && wanted.len <= f->folded.len - at; at++) {
        const char *hit = memchr(s + at, wanted.at[0], f->folded.len - at - wanted.len + 1);
        if (!hit)
            break;
        at = (size_t)(hit - s);
        if (memcmp(hit, wanted.at, wanted.len) == 0)
            judge(f, at, wanted.len, value, len, best);
    }
    tsr_text_deinit(&wanted);
    return st;
}

/* ---- numbers ---- */

/* Read n digits with separators, of which the one at `point` (n: none) begins the fraction. */
static double read_number(const char *s, size_t n, size_t point)
{
    double x = 0, unit = 1;
    for (size_t i = 0; i < n; i++)
        if (is_digit(s[i])) {
            x = x * 10 + (s[i] - '0');
            unit *= i > point ? 10 : 1;
        }
    return x / unit;
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fabs(b);
}

/* "1,234.50", "1.234,50", "-7%", "(74.74)": one number, with what surrounds numbers but no letters. A single separator before
 * three digits may be either kind. */
static bool is_number(const char *s, size_t len, double x)
{
    size_t first = 0, end = len, n_separators = 0, last = 0, n_kinds = 0;
    while (first < end && !is_digit(s[first]))
        first++;
    while (end > first && !is_digit(s[end - 1]))
        end--;
    if (first == end)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((i < first || i >= end) && is_letter(s + i, len - i) && ((unsigned char)s[i] & 0xc0) != 0x80)
            return false;
    bool minus = first > 0 && (s[first - 1] == '-' || (first > 1 && s[0] == '-'));
    const char *digits = s + first;
    size_t n = end - first;
    for (size_t i = 0; i < n; i++) {
        if (is_digit(digits[i]))
            continue;
        if (digits[i] != '.' && digits[i] != ',' && digits[i] != '\'')
            return false;
        n_kinds += n_separators == 0 || digits[i] != digits[last];
        n_separators++;
        last = i;
    }
    x = minus ? -x : x;
    if (n_separators == 0)
        return is_near(read_number(digits, n, n), x);
    bool may_be_group = n - last - 1 == 3 && n_kinds == 1;
    bool may_be_point = (n_separators == 1 || n_kinds == 2) && digits[last] != '\'';
    return (may_be_group && is_near(read_number(digits, n, n), x)) || (may_be_point && is_near(read_number(digits, n, last), x));
}

static void find_number(const finder *f, double x, place *best)
{
    if (best->how != NOT_FOUND || f->folded.len == 0)
        return;
    for (size_t w = 0; w < f->layer->n_words; w++) {
        if (!is_number(f->folded.at + f->begins[w], f->begins[w + 1] - f->begins[w], x))
            continue;
        if (best->how == NOT_FOUND)
            *best = (place){BY_NUMBER, w, w, 0};
        best->n++;
    }
}

/* ---- fields ---- */

static tsr_json *place_box(const finder *f, const place *p)
{
    tsr_page_box box = f->layer->words[p->first].box;
    for (size_t w = p->first + 1; w <= p->last; w++) {
        const tsr_page_box *b = &f->layer->words[w].box;
        box = (tsr_page_box){fmin(box.x0, b->x0), fmin(box.y0, b->y0), fmax(box.x1, b->x1), fmax(box.y1, b->y1)};
    }
    return tsri_page_box_json(&box);
}

/* `copy` is handed over. */
static void add_field(finder *f, tsr_json *copy, const place *p)
{
    tsri_build o = tsri_build_object();
    tsri_put(&o, "path", tsr_json_new_string(f->path.len ? f->path.at : "", f->path.len));
    tsri_put(&o, "value", copy);
    if (f->page)
        tsri_put_size(&o, "page", f->page);
    tsri_put(&o, "box", p->how ? place_box(f, p) : tsr_json_new_null());
    tsri_put(&o, "match", p->how ? tsr_json_new_string(match_names[p->how], strlen(match_names[p->how])) : tsr_json_new_null());
    tsri_put_size(&o, "occurrences", p->n);
    tsri_add(&f->list, tsri_build_end(&o));
}

static tsr_status find_leaf(finder *f, const tsr_json *v)
{
    char number[64];
    size_t len;
    int64_t i = 0;
    double x = 0;
    place p = {NOT_FOUND, 0, 0, 0};
    bool is_int = tsr_json_to_i64(v, &i), is_real = tsr_json_to_double(v, &x);
    const char *text = tsr_json_string(v, &len);
    if (!text && !is_real)
        return TSR_OK;
    if (!text) {
        int n = is_int ? snprintf(number, sizeof number, "%lld", (long long)i) : snprintf(number, sizeof number, "%.15g", x);
        len = (size_t)n;
    }
    tsr_status st = f->layer ? find_text(f, text ? text : number, len, &p) : TSR_OK;
    if (st == TSR_OK && f->layer && !text)
        find_number(f, x, &p);
    if (st == TSR_OK)
        add_field(f, text ? tsr_json_new_string(text, len) : is_int ? tsr_json_new_i64(i) : tsr_json_new_double(x), &p);
    return st;
}

/* "/a~1b" behind the path. */
static tsr_status enter(finder *f, const char *key)
{
    tsr_status st = tsr_text_add(&f->path, "/", 1, f->err);
    for (; *key && st == TSR_OK; key++)
        st = *key == '~'   ? tsr_text_add(&f->path, "~0", 2, f->err)
             : *key == '/' ? tsr_text_add(&f->path, "~1", 2, f->err)
                           : tsr_text_add(&f->path, key, 1, f->err);
    return st;
}

/* Depth is bounded by the JSON reader's. */
static tsr_status find_all(finder *f, const tsr_json *v)
{
    char number[32];
    size_t n_path = f->path.len;
    tsr_status st = TSR_OK;
    if (!tsr_json_is_array(v) && !tsr_json_is_object(v))
        return find_leaf(f, v);
    for (size_t i = 0; tsr_json_is_array(v) && i < tsr_json_len(v) && st == TSR_OK; i++, f->path.len = n_path) {
        snprintf(number, sizeof number, "%zu", i);
        st = enter(f, number);
        if (st == TSR_OK)
            st = find_all(f, tsr_json_at(v, i));
    }
    for (void *it = tsr_json_first(v); it && st == TSR_OK; it = tsr_json_next(v, it), f->path.len = n_path) {
        st = enter(f, tsr_json_key(it));
        if (st == TSR_OK)
            st = find_all(f, tsr_json_value(it));
    }
    return st;
}

tsr_status tsri_fields_find(tsr_json **out, const tsr_json *value, const tsr_page_text *layer, size_t page, tsr_error *err)
{
    finder f = {.layer = layer && layer->n_words ? layer : NULL, .page = page, .list = tsri_build_list(), .err = err};
    *out = NULL;
    tsr_status st = f.layer ? read_layer(&f) : TSR_OK;
    if (st == TSR_OK)
        st = find_all(&f, value);
    tsr_json *list = tsri_build_end(&f.list);
    if (st == TSR_OK && !list)
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: the fields of a page");
    if (st == TSR_OK)
        *out = list;
    else
        tsr_json_free(list);
    tsr_text_deinit(&f.folded);
    tsr_text_deinit(&f.path);
    tsr_free(f.begins);
    tsr_free(f.block_of);
    return st;
}
