/* test_ability.c: what the shipped model gets right on a small fixed set of held-out files (cases.json, made by
 * tools/train/make_ability_set.py), through the library as its users call it. A case scores 0 to 1; for each ability the
 * mean must reach the floor that stands in the file. The whole measure is `make accuracy`. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/test_main.h"
#include "tessera.h"
#include "tsr_json.h"

enum { MAX_PARTS = 8, MAX_UNITS = 2048, MAX_BOXES = 64, MAX_ABILITIES = 16 };

/* ---- scores: 1 is right ---- */

/* Borders of the units of a text: characters (bytes; the texts are ASCII) or words. */
static size_t split(const char *s, int words, const char *starts[], size_t lens[])
{
    size_t n = 0;
    while (*s && n < MAX_UNITS) {
        size_t len = words ? strcspn(s, " ") : 1;
        if (len) {
            starts[n] = s;
            lens[n++] = len;
        }
        s += len;
        if (words)
            s += strspn(s, " ");
    }
    return n;
}

/* 1 less the edits for each wanted unit, not below 0. Nothing wanted: nothing may come. */
static double edit_score(const char *got, const char *want, int words)
{
    static const char *a[MAX_UNITS], *b[MAX_UNITS];
    static size_t al[MAX_UNITS], bl[MAX_UNITS], row[MAX_UNITS + 1];
    size_t n = split(got, words, a, al), m = split(want, words, b, bl);
    if (m == 0)
        return n == 0;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            int same = al[i - 1] == bl[j - 1] && memcmp(a[i - 1], b[j - 1], al[i - 1]) == 0;
            size_t best = corner + !same;
            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m] >= m ? 0 : 1 - (double)row[m] / (double)m;
}

/* The JSON inside a ```json fence; NULL when it is none. */
static tsr_json *fenced(const char *text)
{
    static const char open[] = "```json";
    tsr_json *doc = NULL;
    tsr_error err;
    text += strspn(text, " \n");
    if (strncmp(text, open, sizeof open - 1) != 0)
        return NULL;
    text += sizeof open - 1;
    const char *close = strstr(text, "```");
    if (!close || tsr_json_parse(&doc, text, (size_t)(close - text), "answer", &err) != TSR_OK)
        return NULL;
    return doc;
}

typedef struct box {
    double at[4];
    const char *label;
    int taken;
} box;

/* Boxes of an answer; -1 when it isn't a list of them. */
static int read_boxes(const tsr_json *doc, box out[MAX_BOXES])
{
    if (!tsr_json_is_array(doc))
        return -1;
    size_t n = tsr_json_len(doc);
    for (size_t i = 0; i < n && i < MAX_BOXES; i++) {
        const tsr_json *row = tsr_json_at(doc, i), *at = tsr_json_get(row, "box_2d");
        out[i].label = tsr_json_string(tsr_json_get(row, "label"), NULL);
        out[i].taken = 0;
        if (!out[i].label || !tsr_json_is_array(at) || tsr_json_len(at) != 4)
            return -1;
        for (size_t k = 0; k < 4; k++)
            if (!tsr_json_to_double(tsr_json_at(at, k), &out[i].at[k]))
                return -1;
    }
    return (int)(n < MAX_BOXES ? n : MAX_BOXES);
}

static double overlap(const box *a, const box *b)
{
    double h = fmin(a->at[2], b->at[2]) - fmax(a->at[0], b->at[0]);
    double w = fmin(a->at[3], b->at[3]) - fmax(a->at[1], b->at[1]);
    double shared = fmax(0, h) * fmax(0, w);
    double all = (a->at[2] - a->at[0]) * (a->at[3] - a->at[1]) + (b->at[2] - b->at[0]) * (b->at[3] - b->at[1]) - shared;
    return all > 0 ? shared / all : 0;
}

/* The mean overlap of each wanted box with its best free one of the same label; boxes too many count as 0. */
static double box_score(const char *got, const char *want)
{
    static box a[MAX_BOXES], b[MAX_BOXES];
    tsr_json *g = fenced(got), *w = fenced(want);
    int n = g ? read_boxes(g, a) : -1, m = read_boxes(w, b);
    double sum = 0;
    for (int j = 0; j < m; j++) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (!a[i].taken && strcmp(a[i].label, b[j].label) == 0 &&
                (best < 0 || overlap(&a[i], &b[j]) > overlap(&a[best], &b[j])))
                best = i;
        if (best >= 0) {
            sum += overlap(&a[best], &b[j]);
            a[best].taken = 1;
        }
    }
    double score = n < 0 ? 0 : (n > m ? n : m) == 0 ? 1 : sum / (n > m ? n : m);
    tsr_json_free(g);
    tsr_json_free(w);
    return score;
}

/* The share of the wanted fields that are there to the letter. */
static double field_score(const char *got, const char *want)
{
    static const char *const names[] = {"title", "number", "total"};
    tsr_json *g = fenced(got), *w = fenced(want);
    size_t right = 0, n = sizeof names / sizeof *names;
    for (size_t i = 0; i < n; i++) {
        const char *a = tsr_json_string(tsr_json_get(g, names[i]), NULL), *b = tsr_json_string(tsr_json_get(w, names[i]), NULL);
        right += a && b && strcmp(a, b) == 0;
    }
    tsr_json_free(g);
    tsr_json_free(w);
    return (double)right / (double)n;
}

static double score(const char *how, const char *got, const char *want)
{
    if (strcmp(how, "boxes") == 0)
        return box_score(got, want);
    if (strcmp(how, "fields") == 0)
        return field_score(got, want);
    if (strcmp(how, "characters") == 0 || strcmp(how, "words") == 0)
        return edit_score(got, want, *how == 'w');
    assert_string_equal(how, "exact");
    return strcmp(got, want) == 0;
}

/* The scores themselves, so that a model can't pass by a wrong measure. */
static void scores_tell_right_from_wrong(void **state)
{
    (void)state;
    static const char one[] = "```json\n[{\"box_2d\": [0, 0, 100, 100], \"label\": \"red star\"}]\n```";
    static const char half[] = "```json\n[{\"box_2d\": [0, 0, 100, 50], \"label\": \"red star\"}]\n```";
    static const char other[] = "```json\n[{\"box_2d\": [0, 0, 100, 100], \"label\": \"red cross\"}]\n```";
    static const char none[] = "```json\n[]\n```";
    assert_true(box_score(one, one) == 1 && box_score(none, none) == 1);
    assert_true(fabs(box_score(half, one) - 0.5) < 1e-12);
    assert_true(box_score(other, one) == 0 && box_score(none, one) == 0 && box_score(one, none) == 0);
    assert_true(box_score("red star", one) == 0);
    assert_true(edit_score("one two", "one two", 1) == 1 && edit_score("one", "one two", 1) == 0.5);
    assert_true(edit_score("", "", 1) == 1 && edit_score("one", "", 1) == 0 && edit_score("a b c d", "x", 1) == 0);
    assert_true(fabs(edit_score("abd", "abcd", 0) - 0.75) < 1e-12);
    static const char page[] = "```json\n{\"title\": \"Bill\", \"number\": \"12\", \"total\": \"1.50\"}\n```";
    static const char wrong[] = "```json\n{\"title\": \"Bill\", \"number\": \"13\", \"total\": \"1.50\"}\n```";
    assert_true(field_score(page, page) == 1 && fabs(field_score(wrong, page) - 2.0 / 3) < 1e-12);
    assert_true(field_score("{}", page) == 0);
}

/* ---- the cases ---- */

typedef struct ability {
    const char *name, *how;
    double floor, sum;
    size_t n;
} ability;

static const char *text_of(const tsr_json *object, const char *key)
{
    return tsr_json_string(tsr_json_get(object, key), NULL);
}

static void fill_part(tessera_part *p, const tsr_json *from, char *path, size_t size)
{
    static const struct {
        const char *key;
        tessera_part_kind kind;
    } kinds[] = {{"image", TESSERA_PART_IMAGE}, {"audio", TESSERA_PART_AUDIO}, {"video", TESSERA_PART_VIDEO}};
    *p = (tessera_part){.kind = TESSERA_PART_TEXT, .text = text_of(from, "text")};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !p->text && !p->path; i++) {
        const char *name = text_of(from, kinds[i].key);
        if (name) {
            snprintf(path, size, "%s/files/%s", TSR_TEST_DIR, name);
            p->kind = kinds[i].kind;
            p->path = path;
        }
    }
    assert_true(p->text || p->path);
}

static double run_case(tessera_model *m, const tsr_json *c, const char *how)
{
    tessera_part parts[MAX_PARTS];
    static char paths[MAX_PARTS][1024];
    tessera_request rq = tessera_request_default();
    tessera_result *result = NULL;
    tessera_error err;
    const tsr_json *list = tsr_json_get(c, "parts");
    int64_t budget = 0;
    size_t n = 0;
    if (text_of(c, "system"))
        parts[n++] = (tessera_part){.kind = TESSERA_PART_SYSTEM, .text = text_of(c, "system")};
    for (size_t i = 0; i < tsr_json_len(list) && n < MAX_PARTS; i++, n++)
        fill_part(&parts[n], tsr_json_at(list, i), paths[n], sizeof paths[n]);
    assert_true(tsr_json_to_i64(tsr_json_get(c, "budget"), &budget));
    rq.parts = parts;
    rq.n_parts = n;
    rq.budget = (size_t)budget;
    bool raw = false, think = false; /* absent: false */
    tsr_json_to_bool(tsr_json_get(c, "raw"), &raw);
    tsr_json_to_bool(tsr_json_get(c, "think"), &think);
    rq.raw = raw;
    rq.think = think;
    rq.tools = text_of(c, "tools");
    rq.temperature = 0;
    rq.max_tokens = 200;
    if (tessera_run(m, &rq, NULL, NULL, &result, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    char *json = NULL;
    const char *got = tessera_result_text(result), *want = text_of(c, "answer");
    if (text_of(c, "call")) { /* the whole result then holds the call */
        assert_int_equal(tessera_result_json(result, &json, &err), TESSERA_OK);
        got = json && strstr(json, text_of(c, "call")) ? want : json;
    }
    double s = score(how, got, want);
    if (s < 0.999)
        printf("  %s %.2f: wanted \"%s\", got \"%s\"\n", text_of(c, "id"), s, want, got);
    tessera_free(json);
    tessera_result_free(result);
    return s;
}

static void the_model_reaches_its_floors(void **state)
{
    (void)state;
    static ability abilities[MAX_ABILITIES];
    tsr_json *doc = NULL;
    tsr_error err;
    tessera_error terr;
    tessera_model *m = NULL;
    if (tsr_json_parse_file(&doc, TSR_TEST_DIR "/cases.json", 4 << 20, &err) != TSR_OK)
        fail_msg("%s", err.text);
    if (tessera_model_open(&m, TSR_SOURCE_DIR "/models/nano", NULL, &terr) != TESSERA_OK)
        fail_msg("%s", terr.text);
    const tsr_json *kinds = tsr_json_get(doc, "abilities"), *cases = tsr_json_get(doc, "cases");
    size_t n = tsr_json_len(kinds);
    assert_in_range(n, 1, MAX_ABILITIES);
    for (size_t i = 0; i < n; i++) {
        const tsr_json *k = tsr_json_at(kinds, i);
        abilities[i] = (ability){.name = text_of(k, "name"), .how = text_of(k, "score")};
        assert_true(tsr_json_to_double(tsr_json_get(k, "floor"), &abilities[i].floor));
    }
    for (size_t i = 0; i < tsr_json_len(cases); i++) {
        const tsr_json *c = tsr_json_at(cases, i);
        size_t k = 0;
        while (k < n && strcmp(abilities[k].name, text_of(c, "ability")) != 0)
            k++;
        assert_true(k < n);
        abilities[k].sum += run_case(m, c, abilities[k].how);
        abilities[k].n++;
    }
    int low = 0;
    for (size_t i = 0; i < n; i++) {
        double mean = abilities[i].n ? abilities[i].sum / (double)abilities[i].n : 0;
        printf("%-10s %3zu cases, score %.3f, floor %.3f\n", abilities[i].name, abilities[i].n, mean, abilities[i].floor);
        low += mean < abilities[i].floor;
    }
    tessera_model_close(m);
    tsr_json_free(doc);
    assert_int_equal(low, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_tell_right_from_wrong),
        cmocka_unit_test(the_model_reaches_its_floors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
