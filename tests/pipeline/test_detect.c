/* detect from files to JSON and overlays, with answers from a script in place of a model's: pictures, pages, frames. */
#include "test_main.h"

#include <stdio.h>

#include "detect.h"
#include "overlay_internal.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tiles.h"
#include "tiny_model.h"
#include "tsr_alloc.h"
#include "tsr_file.h"

typedef struct script {
    const char *answers[8]; /* in the order of the pictures; the last one stays */
    const char *finish;
    size_t n; /* pictures asked about */
    size_t sizes[8][2], budgets[8];
    char names[8][64], question[512];
    char notes[2048];
    size_t stop_at; /* pictures after which the work is stopped; 0: never */
} script;

static int on_event(void *user, const tessera_event *ev)
{
    script *s = user;
    size_t at = strlen(s->notes);
    if (ev->kind == TESSERA_EVENT_NOTE)
        snprintf(s->notes + at, sizeof s->notes - at, "%.*s\n", (int)ev->len, ev->text);
    return ev->kind == TESSERA_EVENT_STAGE && s->stop_at && ev->done == s->stop_at;
}

static tsr_status ask(tessera_model *m, const tessera_request *rq, const tsr_image *given, tessera_event_fn fn, void *user,
                      tessera_result **out, tsr_error *err)
{
    script *s = user;
    const char *text = s->answers[0];
    (void)m, (void)fn;
    assert_true(s->n < 8);
    for (size_t i = 0; i <= s->n && s->answers[i]; i++)
        text = s->answers[i];
    s->sizes[s->n][0] = given->width;
    s->sizes[s->n][1] = given->height;
    s->budgets[s->n] = rq->budget;
    assert_int_equal(rq->parts[rq->n_parts - 2].kind, TESSERA_PART_IMAGE);
    snprintf(s->names[s->n++], sizeof s->names[0], "%s", strrchr(rq->parts[rq->n_parts - 2].path, '/') + 1);
    snprintf(s->question, sizeof s->question, "%.*s", (int)rq->parts[rq->n_parts - 1].text_len,
             rq->parts[rq->n_parts - 1].text);
    return scripted_result(out, text, s->finish, err);
}

static const char *sample(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/samples/%s", TSR_SOURCE_DIR, name);
    return p;
}

typedef struct outcome {
    tsr_status st;
    tsr_error err;
    char *text;
    size_t n_failed;
} outcome;

static outcome detect(script *s, const tessera_detect_opts *o, const tessera_request *settings, size_t n,
                      const char *const *files)
{
    tessera_part parts[8];
    tessera_request rq = settings ? *settings : tessera_request_default();
    outcome r = {.err = {TSR_OK, ""}};
    assert_true(n <= 8);
    for (size_t i = 0; i < n; i++)
        parts[i] = (tessera_part){.kind = TESSERA_PART_FILE, .path = files[i]};
    rq.parts = parts;
    rq.n_parts = n;
    r.st = tsri_detect(tiny_model, &rq, o, ask, on_event, s, &r.text, &r.n_failed, &r.err);
    return r;
}

static tsr_json *parse(const char *text)
{
    tsr_json *v;
    tsr_error e = {TSR_OK, ""};
    if (tsr_json_parse(&v, text, strlen(text), "output", &e) != TSR_OK)
        fail_msg("%s: %s", text, e.text);
    return v;
}

#define CAT "```json\n[{\"box_2d\": [100, 250, 500, 750], \"label\": \"cat\"}]\n```"

static void one_picture_gives_the_bare_list(void **state)
{
    script s = {.answers = {CAT}};
    (void)state;
    outcome r = detect(&s, NULL, NULL, 1, (const char *const[]){sample("house.jpg")});
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.n_failed, 0);
    assert_string_equal(r.text, "[\n {\"label\":\"cat\",\"box_2d\":[100,250,500,750],\"xyxy\":[120,36,360,180]}\n]");
    assert_int_equal(s.sizes[0][0], 480); /* upright */
    assert_non_null(strstr(s.question, "Detect all objects in the image. Answer with a JSON list"));
    tessera_free(r.text);
    s = (script){.answers = {"[]"}};
    r = detect(&s, &(tessera_detect_opts){.labels = "cat,dog"}, NULL, 1, (const char *const[]){sample("house.jpg")});
    assert_string_equal(r.text, "[]");
    assert_non_null(strstr(s.question, "Detect these objects in the image: cat,dog. Answer"));
    tessera_free(r.text);
}

static void the_whole_result_has_text_corrections_and_sizes(void **state)
{
    script s = {.answers = {"[{\"box_2d\": [500, 0, 100, 1500], \"label\": \"a\"}]"}};
    (void)state;
    outcome r = detect(&s, &(tessera_detect_opts){.as_json = 1}, NULL, 1, (const char *const[]){sample("scene.png")});
    assert_int_equal(r.st, TSR_OK);
    tsr_json *v = parse(r.text);
    const tsr_json *p = tsr_json_at(tsr_json_get(v, "pictures"), 0), *size = tsr_json_get(p, "source_size");
    size_t n = 0;
    assert_int_equal(tsr_json_len(tsr_json_get(v, "boxes")), 1);
    assert_string_equal(tsr_json_string(tsr_json_get(p, "text"), NULL), s.answers[0]);
    assert_int_equal(tsr_json_len(tsr_json_get(p, "boxes")), 1);
    assert_int_equal(tsr_json_len(tsr_json_get(p, "corrections")), 2);
    assert_true(tsr_json_to_size(tsr_json_at(size, 0), &n) && n == 420);
    assert_true(tsr_json_to_size(tsr_json_at(size, 1), &n) && n == 280);
    assert_non_null(strstr(s.notes, "entry 1 (a): y1 and y2 were swapped"));
    tsr_json_free(v);
    tessera_free(r.text);
}

static void tiles_are_asked_about_and_merged(void **state)
{
    /* The whole picture shows a thing; the first tile shows it larger, the second one of its own, the third nonsense. */
    script s = {.answers = {"[{\"box_2d\": [100, 100, 400, 400], \"label\": \"cat\"}]",
                            "[{\"box_2d\": [180, 180, 718, 718], \"label\": \"cat\"}]",
                            "[{\"box_2d\": [500, 500, 600, 600], \"label\": \"dog\"}]", "no boxes here", "[]"}};
    (void)state;
    outcome r = detect(&s, &(tessera_detect_opts){.as_json = 1, .tiles = 4}, NULL, 1, (const char *const[]){sample("scene.png")});
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(s.n, 5);
    assert_int_equal(s.sizes[0][0], 420);
    assert_int_equal(s.sizes[1][0], 234);
    assert_int_equal(s.sizes[1][1], 156);
    assert_string_equal(s.names[4], "scene.png, tile 4 of 4");
    assert_int_equal(r.n_failed, 1); /* the picture counts, and keeps what is good */
    assert_non_null(strstr(s.notes, "seen whole and in 4 tiles (2 x 2 of 234x156): 5 prompts"));
    assert_non_null(strstr(s.notes, "tile 3 of 4: "));
    tsr_json *v = parse(r.text);
    const tsr_json *p = tsr_json_at(tsr_json_get(v, "pictures"), 0), *boxes = tsr_json_get(p, "boxes");
    const tsr_json *tiles = tsr_json_get(p, "tiles");
    size_t n = 0;
    assert_int_equal(tsr_json_len(boxes), 2);
    assert_string_equal(tsr_json_string(tsr_json_get(tsr_json_at(boxes, 1), "label"), NULL), "dog");
    assert_true(tsr_json_to_size(tsr_json_get(tsr_json_at(boxes, 1), "tile"), &n) && n == 2);
    assert_int_equal(tsr_json_len(tiles), 4);
    assert_non_null(tsr_json_get(tsr_json_at(tiles, 2), "error"));
    assert_null(tsr_json_get(tsr_json_at(tiles, 3), "error"));
    assert_true(tsr_json_to_size(tsr_json_get(tsr_json_get(p, "plan"), "prompts"), &n) && n == 5);
    tsr_json_free(v);
    tessera_free(r.text);
}

static void a_plan_asks_nothing(void **state)
{
    script s = {.answers = {CAT}};
    (void)state;
    outcome r = detect(&s, &(tessera_detect_opts){.plan = 1, .tiles = 4}, NULL, 2,
                       (const char *const[]){sample("scene.png"), sample("shapes.png")});
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(s.n, 0);
    assert_non_null(strstr(r.text, "scene.png: 420x280, seen whole and in 4 tiles"));
    assert_non_null(strstr(r.text, "in all 10 prompts, "));
    tessera_free(r.text);
    r = detect(&s, &(tessera_detect_opts){.plan = 1, .overlay = "x.png"}, NULL, 1, (const char *const[]){sample("scene.png")});
    assert_int_equal(r.st, TSR_ERR_USAGE);
    assert_null(r.text);
    r = detect(&s, &(tessera_detect_opts){.tiles = TSRI_TILES_MOST + 1}, NULL, 1, (const char *const[]){sample("scene.png")});
    assert_int_equal(r.st, TSR_ERR_USAGE);
    assert_non_null(strstr(r.err.text, "65 tiles are more than 64"));
}

static void pages_and_frames_and_files_are_told_apart(void **state)
{
    script s = {.answers = {CAT}};
    tessera_request rq = tessera_request_default();
    (void)state;
    rq.frames = 2;
    rq.dpi = 72;
    outcome r = detect(&s, NULL, &rq, 3,
                       (const char *const[]){sample("invoice.pdf"), sample("shapes.png"), sample("ball.mp4")});
    if (r.st != TSR_OK)
        fail_msg("%s", r.err.text);
    assert_int_equal(s.n, 5);
    tsr_json *v = parse(r.text);
    assert_int_equal(tsr_json_len(v), 5);
    size_t page = 0;
    double time = -1;
    assert_true(tsr_json_to_size(tsr_json_get(tsr_json_at(v, 1), "page"), &page) && page == 2);
    assert_true(tsr_json_to_double(tsr_json_get(tsr_json_at(v, 4), "time"), &time) && time > 2.9 && time < 3.1);
    assert_null(tsr_json_get(tsr_json_at(v, 2), "page"));
    assert_non_null(strstr(tsr_json_string(tsr_json_get(tsr_json_at(v, 2), "file"), NULL), "shapes.png"));
    assert_int_equal(s.sizes[0][0], 595); /* A4 at 72 dpi */
    assert_int_equal(s.sizes[2][0], 360);
    assert_int_equal(s.sizes[4][0], 320);
    assert_int_equal(s.budgets[2], 0);
    assert_int_equal(s.budgets[4], 70);
    assert_string_equal(s.names[1], "invoice.pdf, page 2");
    tsr_json_free(v);
    tessera_free(r.text);
}

static void a_bad_answer_is_told_and_the_others_stay(void **state)
{
    script s = {.answers = {CAT, "I see nothing.", CAT}};
    const char *const files[] = {sample("scene.png"), sample("shapes.png"), sample("house.jpg")};
    (void)state;
    outcome r = detect(&s, &(tessera_detect_opts){.as_json = 1}, NULL, 3, files);
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.n_failed, 1);
    tsr_json *v = parse(r.text);
    assert_int_equal(tsr_json_len(tsr_json_get(v, "boxes")), 2);
    const tsr_json *p = tsr_json_at(tsr_json_get(v, "pictures"), 1);
    assert_non_null(strstr(tsr_json_string(tsr_json_get(p, "error"), NULL), "I see nothing."));
    assert_string_equal(tsr_json_string(tsr_json_get(p, "text"), NULL), "I see nothing.");
    assert_non_null(strstr(s.notes, "shapes.png: the model's answer is no list of boxes"));
    tsr_json_free(v);
    tessera_free(r.text);
    s = (script){.answers = {"[{\"box_2d\": [1"}, .finish = "length"};
    r = detect(&s, NULL, NULL, 1, files);
    assert_error(&r.err, TSR_ERR_DATA, "cut off at --max-tokens", "[{\"box_2d\": [1");
    assert_null(r.text);
}

static void a_damaged_file_is_told_and_the_others_stay(void **state)
{
    char bad[512];
    script s = {.answers = {CAT}};
    (void)state;
    snprintf(bad, sizeof bad, "%s", test_path(test_root, "bad.png"));
    test_write_file(bad, "\x89PNG\r\n\x1a\n....", 12);
    outcome r = detect(&s, NULL, NULL, 2, (const char *const[]){bad, sample("scene.png")});
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.n_failed, 1);
    assert_non_null(strstr(r.text, "scene.png"));
    assert_non_null(strstr(s.notes, "bad.png"));
    tessera_free(r.text);
    r = detect(&s, NULL, NULL, 1, (const char *const[]){bad});
    assert_error(&r.err, TSR_ERR_DATA, "bad.png", NULL);
    r = detect(&s, NULL, NULL, 2, (const char *const[]){sample("scene.png"), "/no/such.png"});
    assert_error(&r.err, TSR_ERR_NOINPUT, "/no/such.png", NULL);
    r = detect(&s, NULL, NULL, 1, (const char *const[]){sample("train.mp3")});
    assert_error(&r.err, TSR_ERR_DATA, "train.mp3", "is a sound");
    r = detect(&s, NULL, NULL, 0, NULL);
    assert_int_equal(r.st, TSR_ERR_USAGE);
}

static void overlays_are_numbered_and_refused_early(void **state)
{
    char path[512];
    script s = {.answers = {CAT}};
    tessera_detect_opts o = {.overlay = path};
    (void)state;
    snprintf(path, sizeof path, "%s", test_path(test_root, "o.jpeg"));
    outcome r = detect(&s, &o, NULL, 1, (const char *const[]){sample("scene.png")});
    assert_error(&r.err, TSR_ERR_USAGE, "o.jpeg", ".svg");
    assert_int_equal(s.n, 0);
    snprintf(path, sizeof path, "%s", test_path(test_root, "o.png"));
    r = detect(&s, &o, NULL, 2, (const char *const[]){sample("scene.png"), sample("shapes.png")});
    if (r.st == TSR_ERR_UNSUPPORTED) {
        assert_error(&r.err, TSR_ERR_UNSUPPORTED, "no cairo", "o.png");
        skip();
    }
    assert_int_equal(r.st, TSR_OK);
    assert_true(tsr_file_exists(test_path(test_root, "o-1.png")));
    assert_true(tsr_file_exists(test_path(test_root, "o-2.png")));
    assert_false(tsr_file_exists(path));
    tessera_free(r.text);
    s.n = 0; /* what was drawn is now a picture to look at, and would be drawn over */
    snprintf(path, sizeof path, "%s", test_path(test_root, "./o-1.png"));
    r = detect(&s, &o, NULL, 1, (const char *const[]){test_path(test_root, "o-1.png")});
    assert_error(&r.err, TSR_ERR_USAGE, "o-1.png", "over a file that is read");
    assert_int_equal(s.n, 0);
}

static void stopped_work_gives_what_is_done(void **state)
{
    const char *const files[] = {sample("scene.png"), sample("shapes.png"), sample("house.jpg")};
    script s = {.answers = {CAT}, .stop_at = 2};
    (void)state;
    outcome r = detect(&s, &(tessera_detect_opts){.as_json = 1}, NULL, 3, files);
    assert_int_equal(r.st, TSR_OK);
    assert_non_null(strstr(r.text, "\"cancelled\":true"));
    tsr_json *v = parse(r.text);
    assert_int_equal(tsr_json_len(tsr_json_get(v, "boxes")), 2);
    tsr_json_free(v);
    tessera_free(r.text);
    s = (script){.answers = {CAT}, .finish = "cancelled"};
    r = detect(&s, NULL, NULL, 3, files);
    assert_int_equal(r.st, TSR_ERR_CANCELLED);
    assert_int_equal(s.n, 1);
    assert_null(r.text);
}

#define TWO                                                                                                            \
    "[{\"box_2d\": [100, 250, 500, 750], \"label\": \"cat\"}, {\"box_2d\": [0, 0, 10, 20], \"label\": \"a \\\"b\\\"\"}]"

static void other_tools_read_lines_csv_and_coco(void **state)
{
    script s = {.answers = {TWO, CAT}};
    const char *const files[] = {sample("house.jpg"), sample("scene.png")};
    (void)state;
    outcome r = detect(&s, &(tessera_detect_opts){.format = "jsonl", .min_area = 100}, NULL, 1, files);
    assert_int_equal(r.st, TSR_OK);
    assert_non_null(strstr(r.text, "house.jpg\",\"source_size\":[480,360],\"label\":\"cat\",\"box_2d\":[100,250,500,750],"
                                   "\"xyxy\":[120,36,360,180]}\n"));
    assert_null(strstr(r.text, "a \\\"b")); /* 10 x 4 pixels */
    assert_non_null(strstr(s.notes, "box 2 (a \"b\"): left out, its area is below --min-area"));
    tessera_free(r.text);
    s = (script){.answers = {TWO, CAT}};
    r = detect(&s, &(tessera_detect_opts){.format = "csv"}, NULL, 2, files);
    assert_int_equal(r.st, TSR_OK);
    assert_ptr_equal(strstr(r.text, "file,page,time,width,height,label,x1,y1,x2,y2\r\n"), r.text);
    assert_non_null(strstr(r.text, "house.jpg\",,,480,360,\"a \"\"b\"\"\",0,0,10,4\r\n"));
    assert_non_null(strstr(r.text, "scene.png\",,,420,280,\"cat\",105,28,315,140\r\n"));
    tessera_free(r.text);
    s = (script){.answers = {TWO, CAT}};
    r = detect(&s, &(tessera_detect_opts){.format = "coco", .labels = "dog, cat"}, NULL, 2, files);
    assert_int_equal(r.st, TSR_OK);
    tsr_json *v = parse(r.text);
    const tsr_json *third = tsr_json_at(tsr_json_get(v, "annotations"), 2);
    size_t n = 0;
    assert_int_equal(tsr_json_len(tsr_json_get(v, "images")), 2);
    assert_int_equal(tsr_json_len(tsr_json_get(v, "categories")), 3); /* dog and cat in the order asked for, a "b" */
    assert_true(tsr_json_to_size(tsr_json_get(third, "category_id"), &n) && n == 2);
    assert_true(tsr_json_to_size(tsr_json_get(third, "image_id"), &n) && n == 2);
    assert_true(tsr_json_to_size(tsr_json_at(tsr_json_get(third, "bbox"), 2), &n) && n == 210); /* a width, no edge */
    assert_true(tsr_json_to_size(tsr_json_get(third, "area"), &n) && n == 210 * 112);
    tsr_json_free(v);
    tessera_free(r.text);
}

static void yolo_has_a_file_for_each_picture(void **state)
{
    char folder[512];
    size_t len;
    script s = {.answers = {TWO, "[]"}};
    tessera_detect_opts o = {.format = "yolo"};
    const char *const files[] = {sample("house.jpg"), sample("scene.png"), sample("house.jpg")};
    (void)state;
    outcome r = detect(&s, &o, NULL, 1, files);
    assert_error(&r.err, TSR_ERR_USAGE, "need a folder", NULL);
    assert_int_equal(s.n, 0);
    snprintf(folder, sizeof folder, "%s", test_path(test_root, "labels"));
    o.folder = folder;
    r = detect(&s, &o, NULL, 2, files);
    assert_int_equal(r.st, TSR_OK);
    assert_non_null(strstr(r.text, "labels/house.txt\n"));
    char *text = (char *)test_read_file(test_path(folder, "house.txt"), &len);
    assert_string_equal(text, "0 0.500000 0.300000 0.500000 0.400000\n1 0.010417 0.005556 0.020833 0.011111\n");
    free(text);
    text = (char *)test_read_file(test_path(folder, "classes.txt"), &len);
    assert_string_equal(text, "cat\na \"b\"\n");
    free(text);
    free(test_read_file(test_path(folder, "scene.txt"), &len));
    assert_int_equal(len, 0); /* looked at, nothing found */
    tessera_free(r.text);
    s.n = 0;
    r = detect(&s, &o, NULL, 3, files);
    assert_error(&r.err, TSR_ERR_USAGE, "house.txt", "two pictures");
    r = detect(&s, &(tessera_detect_opts){.format = "xml"}, NULL, 1, files);
    assert_error(&r.err, TSR_ERR_USAGE, "'xml'", "coco");
}

static void a_thing_may_be_pointed_to(void **state)
{
    script s = {.answers = {"[{\"point\": [500, 250], \"label\": \"save\"}]"}};
    (void)state;
    outcome r = detect(&s, &(tessera_detect_opts){.point = "the button that saves"}, NULL, 1,
                       (const char *const[]){sample("house.jpg")});
    assert_string_equal(r.text, "[\n {\"label\":\"save\",\"point\":[500,250],\"xy\":[120,180]}\n]");
    assert_non_null(strstr(s.question, "Point to this in the image: the button that saves. Answer with a JSON list of "
                                       "objects {\"point\": [y, x]"));
    tessera_free(r.text);
    s.n = 0;
    r = detect(&s, &(tessera_detect_opts){.point = "x", .format = "coco"}, NULL, 1,
               (const char *const[]){sample("house.jpg")});
    assert_non_null(strstr(r.text, "\"bbox\":[120,180,1,1],\"area\":1,\"iscrowd\":0,\"keypoints\":[120,180,2],\"num_keypoints\":1"));
    tessera_free(r.text);
}

static void memory_may_run_short_anywhere(void **state)
{
    char path[512];
    const char *const files[] = {sample("line.png"), sample("line.png")}; /* small: it is read and drawn often */
    size_t live = tsr_alloc_live(), k = 0;
    outcome r;
    (void)state;
    snprintf(path, sizeof path, "%s", test_path(test_root, "short.png"));
    tessera_detect_opts o = {.overlay = tsri_overlay_can_draw() ? path : NULL, .as_json = 1};
    do {
        script s = {.answers = {"[{\"box_2d\": [500, 0, 100, 1500], \"label\": \"a\"}]"}};
        tsr_alloc_fail_at(++k);
        r = detect(&s, &o, NULL, 2, files);
        tsr_alloc_fail_at(0);
        if (r.st != TSR_OK && r.st != TSR_ERR_NOMEM)
            fail_msg("request %zu: %s", k, r.err.text);
        assert_true((r.text != NULL) == (r.st == TSR_OK));
        tessera_free(r.text);
        assert_int_equal(tsr_alloc_live(), live);
    } while (r.st != TSR_OK);
    assert_int_equal(r.n_failed, 0);
    assert_true(k > 50);
}

static void memory_may_run_short_in_every_form(void **state)
{
    static const char *const forms[] = {"coco", "yolo"};
    char folder[512];
    size_t live = tsr_alloc_live();
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_path(test_root, "short"));
    for (size_t i = 0; i < 2; i++) {
        size_t k = 0;
        outcome r;
        do {
            script s = {.answers = {TWO}};
            tessera_detect_opts o = {.format = forms[i], .folder = i == 1 ? folder : NULL, .min_area = 1};
            tsr_alloc_fail_at(++k);
            r = detect(&s, &o, NULL, 1, (const char *const[]){sample("line.png")});
            tsr_alloc_fail_at(0);
            if (r.st != TSR_OK && r.st != TSR_ERR_NOMEM)
                fail_msg("%s, request %zu: %s", forms[i], k, r.err.text);
            assert_true((r.text != NULL) == (r.st == TSR_OK));
            tessera_free(r.text);
            assert_int_equal(tsr_alloc_live(), live);
        } while (r.st != TSR_OK);
        assert_true(k > 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_picture_gives_the_bare_list),
        cmocka_unit_test(the_whole_result_has_text_corrections_and_sizes),
        cmocka_unit_test(tiles_are_asked_about_and_merged),
        cmocka_unit_test(a_plan_asks_nothing),
        cmocka_unit_test(pages_and_frames_and_files_are_told_apart),
        cmocka_unit_test(a_bad_answer_is_told_and_the_others_stay),
        cmocka_unit_test(a_damaged_file_is_told_and_the_others_stay),
        cmocka_unit_test(overlays_are_numbered_and_refused_early),
        cmocka_unit_test(stopped_work_gives_what_is_done),
        cmocka_unit_test(other_tools_read_lines_csv_and_coco),
        cmocka_unit_test(yolo_has_a_file_for_each_picture),
        cmocka_unit_test(a_thing_may_be_pointed_to),
        cmocka_unit_test(memory_may_run_short_anywhere),
        cmocka_unit_test(memory_may_run_short_in_every_form),
    };
    return cmocka_run_group_tests(tests, tiny_model_open, tiny_model_close);
}
