/* test_run.c: whole requests through the public header: equal answers by every road, refusals by
 * name, and no allocation whose failure is not survived. */
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hash_model.h"
#include "recipes.h"
#include "tessera.h"
#include "test_main.h"
#include "test_tmp.h"
#include "tiny_model.h"
#include "tsr_alloc.h"
#include "tsr_cpu.h"

static char *root;
static char picture[512], sound[512], film[512], pages[512];

static tessera_model *open_model(const char *name, unsigned threads)
{
    char dir[512];
    struct stat sb;
    tsr_error err = {TSR_OK, ""};
    tessera_error perr = {TESSERA_OK, ""};
    tessera_model *m;
    snprintf(dir, sizeof dir, "%s", test_path(root, name));
    if (stat(test_path(dir, "config.json"), &sb) != 0 && oracle_model_write(dir, name, &err) != TSR_OK)
        fail_msg("%s: %s", name, err.text);
    tessera_model_opts o = {.threads = threads};
    if (tessera_model_open(&m, dir, &o, &perr) != TESSERA_OK)
        fail_msg("%s: %s", name, perr.text);
    return m;
}

static tessera_result *must_run(tessera_model *m, const tessera_request *rq)
{
    tessera_error err = {TESSERA_OK, ""};
    tessera_result *r;
    if (tessera_run(m, rq, NULL, NULL, &r, &err) != TESSERA_OK)
        fail_msg("%s", err.text);
    return r;
}

static void expect(tessera_model *m, const tessera_request *rq, tessera_status want, const char *named)
{
    tessera_error err = {TESSERA_OK, ""};
    tessera_result *r = (void *)1;
    tessera_status st = tessera_run(m, rq, NULL, NULL, &r, &err);
    if (st != want || !strstr(err.text, named))
        fail_msg("wanted %d with '%s', got %d: %s", (int)want, named, (int)st, err.text);
    assert_null(r);
}

#define TEXT(t) {.kind = TESSERA_PART_TEXT, .text = (t)}

static tessera_part file_part(tessera_part_kind kind, const char *path)
{
    return (tessera_part){.kind = kind, .path = path};
}

static void assert_same_file(const char *a, const char *b, const char *name)
{
    size_t la, lb;
    char pa[600], pb[600];
    snprintf(pa, sizeof pa, "%s/%s", a, name);
    snprintf(pb, sizeof pb, "%s/%s", b, name);
    unsigned char *x = test_read_file(pa, &la), *y = test_read_file(pb, &lb);
    if (la != lb || memcmp(x, y, la) != 0)
        fail_msg("%s differs between %s and %s", name, a, b);
    free(x);
    free(y);
}

/* Everything at once: two pictures, a film with sound, a clip, in an order of their own. */
static size_t everything(tessera_part *parts)
{
    size_t n = 0;
    parts[n++] = (tessera_part)TEXT("First ");
    parts[n++] = file_part(TESSERA_PART_FILE, picture);
    parts[n++] = (tessera_part)TEXT(" then ");
    parts[n++] = file_part(TESSERA_PART_VIDEO, film);
    parts[n++] = (tessera_part){.kind = TESSERA_PART_SYSTEM, .text = "Be brief."};
    parts[n++] = file_part(TESSERA_PART_IMAGE, picture);
    parts[n++] = file_part(TESSERA_PART_AUDIO, sound);
    parts[n++] = (tessera_part)TEXT("What is it?");
    return n;
}

static void one_and_many_threads_give_the_same_bits(void **state)
{
    static const char *const files[] = {"prompt_ids.npy", "part0_rows.npy", "part1_rows.npy", "part2_rows.npy",
                                        "part4_rows.npy", "logits.npy",     "token_ids.npy"};
    (void)state;
    char a[512], b[512];
    snprintf(a, sizeof a, "%s", test_path(root, "dump-1"));
    snprintf(b, sizeof b, "%s", test_path(root, "dump-3"));
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        tessera_model *m = open_model("e2b", threads);
        tessera_part parts[8];
        tessera_request rq = greedy_request(parts, everything(parts));
        rq.with_sound = 1;
        rq.frames = 3;
        rq.dump = threads == 1 ? a : b;
        rq.dump_all_logits = 1;
        tessera_result_free(must_run(m, &rq));
        tessera_model_close(m);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_same_file(a, b, files[i]);
}

static void layers_skipped_where_no_logits_are_wanted_change_nothing(void **state)
{
    (void)state;
    tessera_model *m = open_model("e2b", 1);
    tessera_part parts[8];
    tessera_request rq = greedy_request(parts, everything(parts));
    rq.frames = 3;
    tessera_result *a = must_run(m, &rq);
    rq.skip_unneeded = -1;
    tessera_result *b = must_run(m, &rq);
    size_t na, nb;
    const int32_t *ia = tessera_result_token_ids(a, &na), *ib = tessera_result_token_ids(b, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(ia, ib, na * sizeof *ia);
    tessera_result_free(a);
    tessera_result_free(b);
    tessera_model_close(m);
}

/* "TYPE BYTES" of the kv_cache in a result. */
static void told_cache(const tessera_result *r, char type[8], size_t *bytes)
{
    tessera_error err = {0};
    char *json;
    assert_int_equal(tessera_result_json(r, &json, &err), TESSERA_OK);
    const char *at = strstr(json, "\"kv_cache\"");
    assert_non_null(at);
    assert_non_null(strstr(at, "\"type\""));
    assert_int_equal(sscanf(strstr(at, "\"type\"") + 6, "%*[ :\"]%7[a-z0-9]", type), 1);
    assert_int_equal(sscanf(strstr(at, "\"bytes\"") + 7, "%*[ :]%zu", bytes), 1);
    tessera_free(json);
}

static void the_cache_is_of_the_type_asked_for_and_is_told(void **state)
{
    static const char *const types[] = {NULL, "f32", "f16", "bf16", "q8"};
    (void)state;
    for (int bf16 = 0; bf16 < 2; bf16++) {
        tessera_model *m = open_model(bf16 ? "e2b-bf16" : "e2b", 1);
        tessera_part parts[] = {TEXT("What is this?")};
        tessera_request rq = greedy_request(parts, 1);
        tessera_error err = {0};
        size_t bytes[5];
        char *info, *at;
        for (size_t i = 0; i < 5; i++) {
            char type[8];
            rq.kv = types[i];
            tessera_result *r = must_run(m, &rq);
            told_cache(r, type, &bytes[i]);
            assert_string_equal(type, types[i] ? types[i] : bf16 ? "f16" : "f32");
            tessera_result_free(r);
        }
        assert_int_equal(bytes[0], bytes[bf16 ? 2 : 1]);
        assert_int_equal(bytes[1], 2 * bytes[2]);
        assert_int_equal(bytes[3], bytes[2]);
        assert_true(bytes[4] < bytes[3]);
        rq.kv = "q4";
        expect(m, &rq, TESSERA_ERR_USAGE, "known are f32, f16, bf16, q8");
        assert_int_equal(tessera_model_info(m, 1, &info, &err), TESSERA_OK);
        at = strstr(info, "\"kv_cache\"");
        assert_non_null(at);
        assert_non_null(strstr(at, bf16 ? "\"type\": \"f16\"" : "\"type\": \"f32\""));
        tessera_free(info);
        tessera_model_close(m);
    }
}

static void bytes_and_paths_give_the_same_answer(void **state)
{
    (void)state;
    size_t len;
    unsigned char *bytes = test_read_file(picture, &len);
    tessera_model *m = open_model("31b", 1);
    tessera_part by_path[] = {{.kind = TESSERA_PART_FILE, .path = picture}, TEXT("What?")};
    tessera_part by_bytes[] = {{.kind = TESSERA_PART_IMAGE, .data = bytes, .len = len}, TEXT("What?")};
    tessera_request rq = greedy_request(by_path, 2);
    tessera_result *a = must_run(m, &rq);
    rq.parts = by_bytes;
    tessera_result *b = must_run(m, &rq);
    assert_string_equal(tessera_result_text(a), tessera_result_text(b));
    tessera_result_free(a);
    tessera_result_free(b);
    tessera_model_close(m);
    free(bytes);
}

static void a_seed_repeats_and_another_differs(void **state)
{
    (void)state;
    tessera_model *m = open_model("e4b", 1);
    tessera_part parts[] = {TEXT("Tell me something.")};
    tessera_request rq = greedy_request(parts, 1);
    size_t n[3];
    int32_t ids[3][32];
    rq.temperature = 1;
    rq.max_tokens = 32;
    rq.seed_set = 1;
    for (int i = 0; i < 3; i++) {
        rq.seed = i == 2 ? 8 : 7;
        tessera_result *r = must_run(m, &rq);
        const int32_t *at = tessera_result_token_ids(r, &n[i]);
        memcpy(ids[i], at, n[i] * sizeof *at);
        tessera_result_free(r);
    }
    assert_int_equal(n[0], n[1]);
    assert_memory_equal(ids[0], ids[1], n[0] * sizeof(int32_t));
    assert_true(n[2] != n[0] || memcmp(ids[0], ids[2], n[0] * sizeof(int32_t)) != 0);
    tessera_model_close(m);
}

static void a_stop_string_ends_the_text_before_it(void **state)
{
    (void)state;
    tessera_model *m = open_model("e2b", 1);
    tessera_part parts[] = {TEXT("Count.")};
    tessera_request rq = greedy_request(parts, 1);
    rq.max_tokens = 24;
    tessera_result *whole = must_run(m, &rq);
    const char *text = tessera_result_text(whole);
    size_t at = strlen(text) / 2;
    while (text[at] && ((unsigned char)text[at] & 0xc0) == 0x80)
        at++;
    const char *stop = text + at; /* all the rest of what would come */
    assert_true(strlen(stop) > 0);
    rq.stop = &stop;
    rq.n_stop = 1;
    tessera_result *cut = must_run(m, &rq);
    const char *first = strstr(text, stop);
    assert_int_equal(strlen(tessera_result_text(cut)), first - text);
    assert_memory_equal(tessera_result_text(cut), text, (size_t)(first - text));
    assert_string_equal(tessera_result_finish_reason(cut), "stop");
    tessera_result_free(cut);
    tessera_result_free(whole);
    tessera_model_close(m);
}

/* ---- refusals ---- */

static void what_a_model_cannot_take_is_refused_by_name(void **state)
{
    (void)state;
    tessera_model *m = open_model("31b", 1);
    tessera_part hear[] = {{.kind = TESSERA_PART_FILE, .path = sound}, TEXT("What?")};
    tessera_request rq = greedy_request(hear, 2);
    expect(m, &rq, TESSERA_ERR_UNSUPPORTED, "cannot hear");
    expect(m, &rq, TESSERA_ERR_UNSUPPORTED, sound);
    assert_int_equal(tessera_model_senses(m), TESSERA_SENSE_PICTURES);
    tessera_model_close(m);
    m = open_model("text", 1);
    tessera_part see[] = {{.kind = TESSERA_PART_FILE, .path = picture}, TEXT("What?")};
    rq = greedy_request(see, 2);
    expect(m, &rq, TESSERA_ERR_UNSUPPORTED, "cannot see");
    tessera_model_close(m);
}

static void bad_requests_are_refused_by_name(void **state)
{
    (void)state;
    tessera_model *m = open_model("e2b", 1);
    char path[512];
    snprintf(path, sizeof path, "%s", test_path(root, "notes.txt"));
    test_write_file(path, "just some text\n", 15);
    tessera_part parts[] = {{.kind = TESSERA_PART_FILE, .path = path}, TEXT("What?")};
    tessera_request rq = greedy_request(parts, 2);
    expect(m, &rq, TESSERA_ERR_DATA, path);
    test_write_file(path, "", 0);
    expect(m, &rq, TESSERA_ERR_DATA, path);
    parts[0].path = "/nowhere/at-all.png";
    expect(m, &rq, TESSERA_ERR_NOINPUT, "/nowhere/at-all.png");
    parts[0] = file_part(TESSERA_PART_IMAGE, sound);
    expect(m, &rq, TESSERA_ERR_DATA, "is a sound, not a picture");
    parts[0] = file_part(TESSERA_PART_FILE, picture);
    rq.budget = 100;
    expect(m, &rq, TESSERA_ERR_USAGE, "100");
    rq.budget = 280;
    rq.ctx = 64;
    expect(m, &rq, TESSERA_ERR_LIMIT, "context");
    rq.ctx = 100;
    expect(m, &rq, TESSERA_ERR_LIMIT, "a budget of 70");
    rq.ctx = 0;
    rq.raw = 1;
    parts[1].text = "<|audio|> what?";
    expect(m, &rq, TESSERA_ERR_USAGE, "audio");
    rq.raw = 0;
    rq.n_parts = 0;
    expect(m, &rq, TESSERA_ERR_USAGE, "no part");
    tessera_model_close(m);
}

static void a_film_too_long_for_the_context_is_refused_with_what_would_fit(void **state)
{
    (void)state;
    tessera_model *m = open_model("e2b", 1);
    tessera_part parts[] = {{.kind = TESSERA_PART_FILE, .path = film}, TEXT("What?")};
    tessera_request rq = greedy_request(parts, 2);
    rq.ctx = 256;
    expect(m, &rq, TESSERA_ERR_LIMIT, "frames would fit");
    tessera_model_close(m);
}

static int stop_at_once(void *user, const tessera_event *ev)
{
    (void)ev;
    return ++*(size_t *)user >= 1;
}

static int stop_at_text(void *user, const tessera_event *ev)
{
    (void)user;
    return ev->kind == TESSERA_EVENT_TEXT;
}

static void a_callback_stops_the_work(void **state)
{
    (void)state;
    tessera_model *m = open_model("e2b", 1);
    tessera_part parts[] = {{.kind = TESSERA_PART_FILE, .path = picture}, TEXT("What?")};
    tessera_request rq = greedy_request(parts, 2);
    tessera_error err = {TESSERA_OK, ""};
    tessera_result *r;
    size_t n = 0;
    rq.max_tokens = 50;
    assert_int_equal(tessera_run(m, &rq, stop_at_once, &n, &r, &err), TESSERA_ERR_CANCELLED);
    assert_null(r);
    assert_int_equal(n, 1);
    assert_int_equal(tessera_run(m, &rq, stop_at_text, NULL, &r, &err), TESSERA_OK);
    assert_string_equal(tessera_result_finish_reason(r), "cancelled");
    tessera_result_free(r);
    tessera_model_close(m);
}

/* ---- damage ---- */

/* One request on damaged bytes ends in an answer, or in a refusal that names the file. */
static bool survives(tessera_model *m, const unsigned char *bytes, size_t len, const char *what, size_t at)
{
    tessera_part parts[] = {{.kind = TESSERA_PART_FILE, .path = "damaged", .data = bytes, .len = len}, TEXT("What?")};
    tessera_request rq = greedy_request(parts, 2);
    tessera_error err = {TESSERA_OK, ""};
    tessera_result *r = NULL;
    size_t live = tsr_alloc_live();
    rq.max_tokens = 1;
    rq.frames = 2;
    tessera_status st = tessera_run(m, &rq, NULL, NULL, &r, &err);
    if (st != TESSERA_OK && (!strstr(err.text, "damaged") || st == TESSERA_ERR_BUG || st == TESSERA_ERR_NOMEM))
        fail_msg("%s at byte %zu: %d: %s", what, at, (int)st, err.text);
    tessera_result_free(r);
    assert_true(tsr_alloc_live() <= live + 8); /* scratch that a model keeps may grow */
    return st == TESSERA_OK;
}

static const char *const samples[] = {"ball.mp4",   "chart.webp",   "house.jpg",       "invoice.pdf", "left_right.opus",
                                      "lights.mkv", "morning_de.flac", "numbers.wav", "shapes.png",  "train.mp3"};
enum { N_SAMPLES = sizeof samples / sizeof *samples };

static void files_cut_at_every_kilobyte_are_read_or_refused(void **state)
{
    (void)state;
    tessera_model *m = open_model("e2b", 1);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        char path[512];
        size_t len, n_read = 0, n_cuts = 0;
        snprintf(path, sizeof path, TSR_SOURCE_DIR "/samples/%s", samples[i]);
        unsigned char *bytes = test_read_file(path, &len);
        assert_true(survives(m, bytes, len, samples[i], len));
        size_t step = len > 100 * 1024 ? len / 100 : 1024;
        for (size_t cut = 0; cut < len; cut += step, n_cuts++) {
            unsigned char *part = malloc(cut ? cut : 1); /* exactly as long, so that a read beyond shows */
            memcpy(part, bytes, cut);
            n_read += survives(m, part, cut, samples[i], cut);
            free(part);
        }
        print_message("%s: %zu of %zu cuts still gave an answer\n", samples[i], n_read, n_cuts);
        bool stream = strstr(samples[i], ".mp3") || strstr(samples[i], ".opus") || strstr(samples[i], ".mkv");
        assert_true(stream || n_read == 0); /* a stream may end anywhere between two packets */
        free(bytes);
    }
    tessera_model_close(m);
}

static void files_with_a_flipped_header_byte_are_read_or_refused(void **state)
{
    (void)state;
    tessera_model *m = open_model("e2b", 1);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        char path[512];
        size_t len;
        snprintf(path, sizeof path, TSR_SOURCE_DIR "/samples/%s", samples[i]);
        unsigned char *bytes = test_read_file(path, &len);
        for (size_t at = 0; at < 160 && at < len; at += strstr(samples[i], ".pdf") ? 16 : 3) {
            bytes[at] ^= 0xff;
            (void)survives(m, bytes, len, samples[i], at);
            bytes[at] ^= 0xff;
        }
        free(bytes);
    }
    tessera_model_close(m);
}

/* ---- memory ---- */

static void run_survives_every_failed_allocation(void **state)
{
    (void)state;
    tessera_model *m = open_model("e2b", 1);
    tessera_part parts[] = {{.kind = TESSERA_PART_FILE, .path = picture},
                            {.kind = TESSERA_PART_FILE, .path = sound},
                            TEXT("What is it, and is it <|image|>?")};
    tessera_request rq = greedy_request(parts, 3);
    rq.max_tokens = 3;
    rq.tools = "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":"
               "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\"]}}}]";
    tessera_result_free(must_run(m, &rq)); /* scratch that a model keeps is there now */
    for (size_t k = 1;; k += k < 200 ? 1 : 1 + k % 5) {
        tessera_error err = {TESSERA_OK, ""};
        tessera_result *r = NULL;
        char *json = NULL;
        size_t live = tsr_alloc_live();
        tsr_alloc_fail_at(k);
        tessera_status st = tessera_run(m, &rq, NULL, NULL, &r, &err);
        if (st == TESSERA_OK)
            st = tessera_result_json(r, &json, &err);
        tsr_alloc_fail_at(0);
        tessera_result_free(r);
        tessera_free(json);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TESSERA_OK)
            break;
        if (st != TESSERA_ERR_NOMEM || !err.text[0])
            fail_msg("allocation %zu: %d: %s", k, (int)st, err.text);
    }
    tessera_model_close(m);
}

static int setup(void **state)
{
    (void)state;
    tsr_error err = {TSR_OK, ""};
    root = test_tmp_make();
    snprintf(picture, sizeof picture, "%s", test_path(root, "picture.ppm"));
    snprintf(sound, sizeof sound, "%s", test_path(root, "sound.wav"));
    snprintf(film, sizeof film, "%s", TSR_SOURCE_DIR "/samples/ball.mp4");
    snprintf(pages, sizeof pages, "%s", TSR_SOURCE_DIR "/samples/invoice.pdf");
    uint32_t seeds[] = {5, 6};
    if (oracle_picture_write(picture, 200, 120, 3, 16, &err) != TSR_OK ||
        oracle_sound_write(sound, 9000, seeds, 2, &err) != TSR_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_tmp_remove(root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_and_many_threads_give_the_same_bits),
        cmocka_unit_test(layers_skipped_where_no_logits_are_wanted_change_nothing),
        cmocka_unit_test(the_cache_is_of_the_type_asked_for_and_is_told),
        cmocka_unit_test(bytes_and_paths_give_the_same_answer),
        cmocka_unit_test(a_seed_repeats_and_another_differs),
        cmocka_unit_test(a_stop_string_ends_the_text_before_it),
        cmocka_unit_test(what_a_model_cannot_take_is_refused_by_name),
        cmocka_unit_test(bad_requests_are_refused_by_name),
        cmocka_unit_test(a_film_too_long_for_the_context_is_refused_with_what_would_fit),
        cmocka_unit_test(a_callback_stops_the_work),
        cmocka_unit_test(files_cut_at_every_kilobyte_are_read_or_refused),
        cmocka_unit_test(files_with_a_flipped_header_byte_are_read_or_refused),
        cmocka_unit_test(run_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
