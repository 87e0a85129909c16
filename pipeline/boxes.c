/* boxes.c: from the answer's text to JSON values, from those to boxes, from thousandths to pixels. */
#include "boxes.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "json_build.h"
#include "text_build.h"
#include "tsr_alloc.h"

enum { MAX_DEPTH = 4, SHOWN_LABEL = 60, SHOWN_ANSWER = 500 };
static const double SAME_BOX = 0.9; /* of the area that two boxes cover, what they have in common */

typedef struct reader {
    tsri_boxes *out;
    const char *answer; /* all of it, for messages */
    size_t answer_len;
    size_t width, height;
    size_t n_values;  /* JSON values found */
    size_t n_entries; /* what may be boxes, counted from 1 in corrections */
    size_t n_boxes;   /* entries that have coordinates, good ones or not */
    bool has_prose;   /* text beside the JSON */
    uint64_t *hashes; /* of labels, [out->cap] */
    tsr_error *err;
} reader;

/* ---- telling ---- */

static tsr_status complain(const reader *r, const char *why)
{
    char *line;
    tsri_lines l = tsri_lines_begin(false, r->err);
    tsri_print_escaped(&l, r->answer, r->answer_len, SHOWN_ANSWER);
    tsr_status st = tsri_lines_end(&l, &line);
    if (st == TSR_OK)
        st = tsr_fail(r->err, TSR_ERR_DATA, "the model's answer is no list of boxes: %s; it is: %s", why,
                      r->answer_len ? line : "(nothing)");
    tsr_free(line);
    return st;
}

tsr_status tsri_boxes_tell(tsri_boxes *out, const char *thing, const char *label, size_t label_len, const char *what,
                           tsr_error *err)
{
    char *line;
    tsri_lines l = tsri_lines_begin(false, err);
    tsri_print(&l, "%s", thing);
    if (label && label_len) {
        tsri_print(&l, " (");
        tsri_print_escaped(&l, label, label_len, SHOWN_LABEL);
        tsri_print(&l, ")");
    }
    tsri_print(&l, ": %s", what);
    tsr_status st = tsri_lines_end(&l, &line);
    if (st == TSR_OK && !tsr_json_append(out->corrections, tsr_json_new_string(line, strlen(line))))
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: corrections of boxes");
    tsr_free(line);
    return st;
}

/* One line about an entry; label NULL: it has none. */
static tsr_status tell(reader *r, const tsr_json *label, const char *what)
{
    size_t len = 0;
    char thing[32];
    const char *name = tsr_json_string(label, &len);
    snprintf(thing, sizeof thing, "entry %zu", r->n_entries);
    return tsri_boxes_tell(r->out, thing, name, len, what, r->err);
}

/* ---- boxes ---- */

static uint64_t hash_of(const char *s, size_t n)
{
    uint64_t h = 1469598103934665603u; /* FNV-1a */
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 1099511628211u;
    return h;
}

double tsri_box_area(const size_t b[4])
{
    return (double)(b[2] - b[0]) * (double)(b[3] - b[1]);
}

double tsri_box_common(const size_t a[4], const size_t b[4])
{
    size_t x1 = a[0] > b[0] ? a[0] : b[0], y1 = a[1] > b[1] ? a[1] : b[1];
    size_t x2 = a[2] < b[2] ? a[2] : b[2], y2 = a[3] < b[3] ? a[3] : b[3];
    return x1 < x2 && y1 < y2 ? tsri_box_area((const size_t[]){x1, y1, x2, y2}) : 0;
}

static bool have_most_in_common(const size_t a[4], const size_t b[4])
{
    double common = tsri_box_common(a, b);
    return common > 0 && common >= SAME_BOX * (tsri_box_area(a) + tsri_box_area(b) - common);
}

static bool is_repeated(const reader *r, const tsri_box *b, uint64_t hash)
{
    for (size_t i = 0; i < r->out->n; i++) {
        const tsri_box *o = &r->out->at[i];
        if (r->hashes[i] == hash && o->is_point == b->is_point && o->label_len == b->label_len &&
            have_most_in_common(o->xyxy, b->xyxy) && memcmp(o->label, b->label, b->label_len) == 0)
            return true;
    }
    return false;
}

static tsr_status grow(reader *r)
{
    tsri_boxes *out = r->out;
    if (out->n < out->cap)
        return TSR_OK;
    if (out->n == TSRI_MAX_BOXES)
        return tsr_fail(r->err, TSR_ERR_LIMIT, "the model's answer has more than %d boxes", TSRI_MAX_BOXES);
    size_t cap = out->cap ? 2 * out->cap : 16;
    cap = cap < TSRI_MAX_BOXES ? cap : TSRI_MAX_BOXES;
    tsri_box *at = tsr_realloc(out->at, cap * sizeof *at);
    out->at = at ? at : out->at;
    uint64_t *hashes = at ? tsr_realloc(r->hashes, cap * sizeof *hashes) : NULL;
    if (!hashes)
        return tsr_fail(r->err, TSR_ERR_NOMEM, "out of memory: %zu boxes", cap);
    r->hashes = hashes;
    out->cap = cap;
    return TSR_OK;
}

/* The box with its label; `b` has no label yet. */
static tsr_status keep(reader *r, tsri_box b, const tsr_json *label)
{
    const char *name = tsr_json_string(label, &b.label_len);
    tsr_status st = grow(r);
    if (st != TSR_OK)
        return st;
    if (!name) {
        name = "";
        b.label_len = 0;
    }
    if (!(b.label = tsr_strndup(name, b.label_len)))
        return tsr_fail(r->err, TSR_ERR_NOMEM, "out of memory: the label of a box");
    uint64_t hash = hash_of(name, b.label_len);
    if (is_repeated(r, &b, hash)) {
        tsr_free(b.label);
        return tell(r, label, "left out, it repeats an earlier one");
    }
    r->hashes[r->out->n] = hash;
    r->out->at[r->out->n++] = b;
    return b.label_len ? TSR_OK : tell(r, NULL, "has no label");
}

static bool take_numbers(const tsr_json *list, double *v, size_t n)
{
    if (tsr_json_len(list) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!tsr_json_to_double(tsr_json_at(list, i), &v[i]) || !isfinite(v[i]))
            return false;
    return true;
}

static bool clamp(double *v, size_t n)
{
    bool changed = false;
    for (size_t i = 0; i < n; i++) {
        double x = v[i] < 0 ? 0 : v[i] > TSRI_BOX_SCALE ? TSRI_BOX_SCALE : v[i];
        changed = changed || x != v[i];
        v[i] = x;
    }
    return changed;
}

static bool put_in_order(double *a, double *b)
{
    double t = *a;
    if (*a <= *b)
        return false;
    *a = *b;
    *b = t;
    return true;
}

/* Thousandths of `size` to the nearest edge between pixels; a box keeps one pixel at least. */
static void edges(double from, double to, size_t size, size_t *a, size_t *b)
{
    *a = (size_t)(from * (double)size / TSRI_BOX_SCALE + 0.5);
    *b = (size_t)(to * (double)size / TSRI_BOX_SCALE + 0.5);
    if (*a >= size)
        *a = size - 1;
    if (*b <= *a)
        *b = *a + 1;
}

static tsr_status add_box(reader *r, const tsr_json *list, const tsr_json *label)
{
    tsri_box b = {0};
    double v[4];
    tsr_status st = TSR_OK;
    r->n_boxes++;
    if (!take_numbers(list, v, 4))
        return tell(r, label, "left out, box_2d is no list of four numbers");
    memcpy(b.given, v, sizeof v);
    bool y = put_in_order(&v[0], &v[2]), x = put_in_order(&v[1], &v[3]);
    if (x || y)
        st = tell(r, label, x && y ? "y1 and y2, x1 and x2 were swapped"
                            : y    ? "y1 and y2 were swapped"
                                   : "x1 and x2 were swapped");
    if (st == TSR_OK && clamp(v, 4))
        st = tell(r, label, "clamped, it reaches beyond the picture");
    if (st == TSR_OK && (v[0] >= v[2] || v[1] >= v[3]))
        return tell(r, label, "left out, it has no area");
    if (st != TSR_OK)
        return st;
    edges(v[1], v[3], r->width, &b.xyxy[0], &b.xyxy[2]);
    edges(v[0], v[2], r->height, &b.xyxy[1], &b.xyxy[3]);
    return keep(r, b, label);
}

static tsr_status add_point(reader *r, const tsr_json *list, const tsr_json *label)
{
    tsri_box b = {.is_point = true};
    double v[2];
    tsr_status st = TSR_OK;
    r->n_boxes++;
    if (!take_numbers(list, v, 2))
        return tell(r, label, "left out, point is no list of two numbers");
    memcpy(b.given, v, sizeof v);
    if (clamp(v, 2))
        st = tell(r, label, "clamped, it lies beyond the picture");
    if (st != TSR_OK)
        return st;
    edges(v[1], v[1], r->width, &b.xyxy[0], &b.xyxy[2]);
    edges(v[0], v[0], r->height, &b.xyxy[1], &b.xyxy[3]);
    return keep(r, b, label);
}

/* ---- entries ---- */

static tsr_status read_value(reader *r, const tsr_json *v, size_t depth);

/* Several boxes may share a label: "box_2d": [[...], [...]]. */
static tsr_status read_box(reader *r, const tsr_json *box, const tsr_json *label)
{
    tsr_status st = TSR_OK;
    if (!tsr_json_is_array(tsr_json_at(box, 0)))
        return add_box(r, box, label);
    for (size_t i = 0; i < tsr_json_len(box) && st == TSR_OK; i++)
        st = add_box(r, tsr_json_at(box, i), label);
    return st;
}

/* {"objects": [...]}: an object around the list. */
static tsr_status read_wrapper(reader *r, const tsr_json *o, size_t depth)
{
    tsr_status st = TSR_OK;
    bool found = false;
    for (void *it = tsr_json_first(o); it && st == TSR_OK; it = tsr_json_next(o, it))
        if (tsr_json_is_array(tsr_json_value(it))) {
            found = true;
            st = read_value(r, tsr_json_value(it), depth + 1);
        }
    if (found)
        return st;
    r->n_entries++;
    return tell(r, tsr_json_get(o, "label"), "left out, it has neither box_2d nor point");
}

static tsr_status read_object(reader *r, const tsr_json *o, size_t depth)
{
    const tsr_json *box = tsr_json_get_set(o, "box_2d"), *point = tsr_json_get_set(o, "point");
    if (!box && !point)
        return read_wrapper(r, o, depth);
    r->n_entries++;
    return box ? read_box(r, box, tsr_json_get(o, "label")) : add_point(r, point, tsr_json_get(o, "label"));
}

static tsr_status read_value(reader *r, const tsr_json *v, size_t depth)
{
    tsr_status st = TSR_OK;
    if (tsr_json_is_object(v) && depth < MAX_DEPTH)
        return read_object(r, v, depth);
    if (tsr_json_is_array(v) && depth < MAX_DEPTH) {
        for (size_t i = 0; i < tsr_json_len(v) && st == TSR_OK; i++)
            st = read_value(r, tsr_json_at(v, i), depth + 1);
        return st;
    }
    r->n_entries++;
    return tell(r, NULL, "left out, it is no object");
}

/* ---- JSON in text ---- */

/* Bytes of the value that begins at s[0], which is [ or {; all of them when it does not end. */
static size_t value_len(const char *s, size_t len)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < len; i++) {
        if (quoted && s[i] == '\\')
            i++;
        else if (s[i] == '"')
            quoted = !quoted;
        else if (!quoted && (s[i] == '[' || s[i] == '{'))
            depth++;
        else if (!quoted && (s[i] == ']' || s[i] == '}') && --depth == 0)
            return i + 1;
    }
    return len;
}

static tsr_status read_json(reader *r, const char *s, size_t len)
{
    tsr_error why = {TSR_OK, ""};
    tsr_json *v;
    tsr_status st = tsr_json_parse(&v, s, len, "JSON", &why);
    if (st == TSR_ERR_NOMEM)
        return tsr_fail(r->err, st, "%s", why.text);
    if (st != TSR_OK)
        return complain(r, why.text);
    r->n_values++;
    st = read_value(r, v, 0);
    tsr_json_free(v);
    return st;
}

static bool is_filler(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',';
}

/* All values in a stretch of text, and whether there is anything else. */
static tsr_status read_stretch(reader *r, const char *s, size_t len)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < len && st == TSR_OK;) {
        if (s[i] == '[' || s[i] == '{') {
            size_t n = value_len(s + i, len - i);
            st = read_json(r, s + i, n);
            i += n;
        } else {
            r->has_prose = r->has_prose || !is_filler(s[i]);
            i++;
        }
    }
    return st;
}

static const char *find_fence(const char *s, size_t len)
{
    for (size_t i = 0; i + 3 <= len; i++)
        if (memcmp(s + i, "```", 3) == 0)
            return s + i;
    return NULL;
}

static void skip_prose(reader *r, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        r->has_prose = r->has_prose || !is_filler(s[i]);
}

/* What stands between fences; without a fence, all of it. */
static tsr_status read_text(reader *r, const char *s, size_t len)
{
    const char *end = s + len, *fence = find_fence(s, len);
    tsr_status st = TSR_OK;
    if (!fence)
        return read_stretch(r, s, len);
    while (fence && st == TSR_OK) {
        skip_prose(r, s, (size_t)(fence - s));
        s = fence + 3;
        while (s < end && ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'z')) /* ```json */
            s++;
        fence = find_fence(s, (size_t)(end - s));
        const char *close = fence ? fence : end;
        st = read_stretch(r, s, (size_t)(close - s));
        s = fence ? fence + 3 : end;
        fence = find_fence(s, (size_t)(end - s));
    }
    skip_prose(r, s, (size_t)(end - s));
    return st;
}

tsr_status tsri_boxes_parse(tsri_boxes *out, const char *text, size_t len, size_t width, size_t height, tsr_error *err)
{
    memset(out, 0, sizeof *out);
    reader r = {.out = out, .answer = text, .answer_len = len, .width = width, .height = height, .err = err};
    tsr_status st = TSR_OK;
    if (!(out->corrections = tsr_json_new_array()))
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: corrections of boxes");
    if (st == TSR_OK)
        st = read_text(&r, text, len);
    if (st == TSR_OK && r.n_values == 0)
        st = complain(&r, "it holds no JSON");
    if (st == TSR_OK && r.n_entries && r.n_boxes == 0)
        st = complain(&r, "nothing in it has a box_2d");
    if (st == TSR_OK && r.has_prose &&
        !tsr_json_append(out->corrections, tsr_json_new_string("text beside the JSON was left out", 33)))
        st = tsr_fail(err, TSR_ERR_NOMEM, "out of memory: corrections of boxes");
    tsr_free(r.hashes);
    if (st != TSR_OK)
        tsri_boxes_deinit(out);
    return st;
}

tsr_status tsri_boxes_leave_small(tsri_boxes *b, size_t least, tsr_error *err)
{
    tsr_status st = TSR_OK;
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        tsri_box *one = &b->at[i];
        char thing[32];
        if (one->is_point || tsri_box_area(one->xyxy) >= (double)least) {
            b->at[n++] = *one;
            continue;
        }
        snprintf(thing, sizeof thing, "box %zu", i + 1);
        if (st == TSR_OK)
            st = tsri_boxes_tell(b, thing, one->label, one->label_len, "left out, its area is below --min-area", err);
        tsr_free(one->label);
    }
    b->n = n;
    return st;
}

void tsri_boxes_deinit(tsri_boxes *b)
{
    for (size_t i = 0; i < b->n; i++)
        tsr_free(b->at[i].label);
    tsr_free(b->at);
    tsr_json_free(b->corrections);
    memset(b, 0, sizeof *b);
}

/* Whole numbers without a fraction, as the model mostly writes them. */
static tsr_json *number(double x)
{
    return x == floor(x) && fabs(x) < 1e15 ? tsr_json_new_i64((int64_t)x) : tsr_json_new_double(x);
}

tsr_json *tsri_box_json(const tsri_box *b)
{
    tsri_build o = tsri_build_object(), given = tsri_build_list(), pixels = tsri_build_list();
    size_t n = b->is_point ? 2 : 4;
    for (size_t i = 0; i < n; i++) {
        tsri_add(&given, number(b->given[i]));
        tsri_add_size(&pixels, b->xyxy[i]);
    }
    tsri_put(&o, "label", tsr_json_new_string(b->label, b->label_len));
    tsri_put(&o, b->is_point ? "point" : "box_2d", tsri_build_end(&given));
    tsri_put(&o, b->is_point ? "xy" : "xyxy", tsri_build_end(&pixels));
    if (b->tile)
        tsri_put_size(&o, "tile", b->tile);
    return tsri_build_end(&o);
}
