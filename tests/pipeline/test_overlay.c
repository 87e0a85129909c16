/* Overlays: names, colors and places of labels; and, where this build has cairo, what is in the files. */
#include "test_main.h"

#include <stdio.h>

#include "overlay_internal.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"

static tsri_box box(const char *label, size_t x1, size_t y1, size_t x2, size_t y2)
{
    tsri_box b = {.label_len = strlen(label), .xyxy = {x1, y1, x2, y2}};
    b.label = tsr_strdup(label);
    assert_non_null(b.label);
    return b;
}

static void forget(tsri_box *boxes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tsr_free(boxes[i].label);
}

static tsr_image plain(size_t width, size_t height, unsigned char grey)
{
    tsr_image img = {width, height, tsr_alloc(width * height * 3)};
    assert_non_null(img.rgb);
    memset(img.rgb, grey, width * height * 3);
    return img;
}

/* ---- without drawing ---- */

static void several_pictures_get_numbers_before_the_ending(void **state)
{
    static const struct {
        const char *path;
        size_t i, n;
        const char *want;
    } t[] = {{"a.png", 0, 1, "a.png"}, {"a.png", 0, 2, "a-1.png"}, {"d.x/a.b.SVG", 11, 12, "d.x/a.b-12.SVG"}};
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char *have = tsri_overlay_path(t[i].path, t[i].i, t[i].n);
        assert_string_equal(have, t[i].want);
        tsr_free(have);
    }
}

static void other_endings_are_refused_by_name(void **state)
{
    static const char *const bad[] = {"a.jpg", "png", ".png", "a.png.txt", ""};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsr_error e = {TSR_OK, ""};
        assert_int_equal(tsri_overlay_check(bad[i], &e), TSR_ERR_USAGE);
        assert_error(&e, TSR_ERR_USAGE, bad[i], ".png or .svg");
    }
}

static void labels_share_a_color_only_with_their_own(void **state)
{
    tsri_box b[] = {box("a", 0, 0, 1, 1), box("b", 0, 0, 1, 1), box("a", 2, 2, 3, 3), box("", 0, 0, 1, 1)};
    size_t number[4];
    (void)state;
    tsri_overlay_number_labels(number, b, 4);
    assert_int_equal(number[0], 0);
    assert_int_equal(number[1], 1);
    assert_int_equal(number[2], 0);
    assert_int_equal(number[3], 2);
    for (size_t i = 0; i < 21; i++)
        for (size_t j = 0; j < i; j++) {
            unsigned di, dj;
            tsri_rgb ci = tsri_overlay_color(i, &di), cj = tsri_overlay_color(j, &dj);
            assert_true(di != dj || memcmp(&ci, &cj, sizeof ci) != 0);
        }
    forget(b, 4);
}

static void texts_lose_what_moves_the_pen_and_are_cut(void **state)
{
    static const struct {
        const char *label, *want;
    } t[] = {{"<b>&amp;</b>", "<b>&amp;</b>"},
             {"a\n\033[31mb\x7f", "a  [31mb "},
             {"\xe2\x80\xaex", " x"},
             {"\xc3\xa9\xff!", "\xc3\xa9\xef\xbf\xbd!"},
             {"0123456789012345678901234567890123456789", "0123456789012345678901234567890123456789"},
             {"0123456789012345678901234567890123456789x", "0123456789012345678901234567890123456789\xe2\x80\xa6"}};
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char text[TSRI_OVERLAY_TEXT];
        tsri_box b = box(t[i].label, 0, 0, 1, 1);
        tsri_overlay_text(text, &b);
        assert_string_equal(text, t[i].want);
        forget(&b, 1);
    }
    char text[TSRI_OVERLAY_TEXT], wide[400];
    for (size_t i = 0; i < 100; i++)
        memcpy(wide + 4 * i, "\xf0\x9f\x90\x88", 4);
    tsri_box b = {.label = wide, .label_len = sizeof wide};
    tsri_overlay_text(text, &b);
    assert_int_equal(strlen(text), 40 * 4 + 3);
}

static bool overlap(const tsri_label *a, const tsri_label *b)
{
    return a->x < b->x + b->width - 0.01 && b->x < a->x + a->width - 0.01 && a->y < b->y + b->height - 0.01 &&
           b->y < a->y + a->height - 0.01;
}

static void expect_clear(const tsri_label *l, size_t n, double width, double height)
{
    for (size_t i = 0; i < n; i++) {
        assert_true(l[i].x >= 0 && l[i].y >= 0 && l[i].x + l[i].width <= width && l[i].y + l[i].height <= height + 0.01);
        for (size_t j = 0; j < i; j++)
            if (overlap(&l[i], &l[j]))
                fail_msg("labels %zu and %zu cover each other", i, j);
    }
}

static void labels_do_not_cover_each_other_where_there_is_room(void **state)
{
    enum { N = 12 };
    tsri_box same[N], grid[N], edge[4];
    tsri_label l[N];
    tsr_error e = {TSR_OK, ""};
    tsri_overlay_style s = tsri_overlay_style_for(640, 480);
    (void)state;
    for (size_t i = 0; i < N; i++) { /* all of the same box; all side by side, narrower than their labels */
        same[i] = (tsri_box){.label = (char *)"", .xyxy = {300, 200, 340, 240}};
        grid[i] = (tsri_box){.label = (char *)"", .xyxy = {100 + 30 * i, 200, 125 + 30 * i, 220}};
    }
    edge[0] = (tsri_box){.xyxy = {0, 0, 640, 480}};
    edge[1] = (tsri_box){.xyxy = {0, 0, 5, 5}};
    edge[2] = (tsri_box){.xyxy = {635, 475, 640, 480}};
    edge[3] = (tsri_box){.is_point = true, .xyxy = {639, 479}};
    const tsri_box *sets[] = {same, grid, edge};
    for (size_t k = 0; k < 3; k++) {
        size_t n = k == 2 ? 4 : N;
        for (size_t i = 0; i < n; i++)
            l[i] = (tsri_label){.width = 70, .height = 22};
        assert_int_equal(tsri_overlay_place(l, sets[k], n, 640, 480, &s, &e), TSR_OK);
        expect_clear(l, n, 640, 480);
    }
    for (size_t i = 0; i < N; i++) /* no room at all: still within the picture */
        l[i] = (tsri_label){.width = 70, .height = 22};
    s = tsri_overlay_style_for(80, 24);
    assert_int_equal(tsri_overlay_place(l, edge, 4, 80, 24, &s, &e), TSR_OK);
    for (size_t i = 0; i < 4; i++)
        assert_true(l[i].x >= 0 && l[i].x <= 10 && l[i].y >= 0 && l[i].y <= 2.01);
}

/* ---- drawn ---- */

static tsr_image read_picture(const char *path)
{
    size_t len;
    tsr_image img = {0};
    tsr_error e = {TSR_OK, ""};
    unsigned char *bytes = test_read_file(path, &len);
    if (tsr_image_decode(&img, bytes, len, path, NULL, &e) != TSR_OK)
        fail_msg("%s", e.text);
    free(bytes);
    return img;
}

static void expect_pixel(const tsr_image *img, size_t x, size_t y, tsri_rgb want)
{
    const unsigned char *p = img->rgb + (y * img->width + x) * 3;
    if (p[0] != want.r || p[1] != want.g || p[2] != want.b)
        fail_msg("%zu,%zu: wanted %u %u %u, got %u %u %u", x, y, want.r, want.g, want.b, p[0], p[1], p[2]);
}

/* Before anything is made: without cairo the refusal is what is tested. */
static void need_cairo(void)
{
    tsr_error e = {TSR_OK, ""};
    tsr_image none = {0};
    if (tsri_overlay_can_draw())
        return;
    assert_int_equal(tsri_overlay_write("a.png", &none, NULL, 0, &e), TSR_ERR_UNSUPPORTED);
    assert_error(&e, TSR_ERR_UNSUPPORTED, "no cairo", "a.png");
    skip();
}

static void write_overlay(const char *path, const tsr_image *img, const tsri_box *b, size_t n)
{
    tsr_error e = {TSR_OK, ""};
    if (tsri_overlay_write(path, img, b, n, &e) != TSR_OK)
        fail_msg("%s", e.text);
}

static void a_png_is_the_picture_with_lines_at_the_edges(void **state)
{
    need_cairo();
    unsigned d;
    tsri_rgb grey = {90, 90, 90};
    tsr_image img = plain(420, 280, 90);
    tsri_box b[] = {box("one", 100, 80, 200, 180), box("two", 250, 100, 380, 240), box("rim", 0, 0, 420, 280)};
    char path[512];
    (void)state;
    snprintf(path, sizeof path, "%s", test_path(test_root, "o.png"));
    write_overlay(path, &img, b, 3);
    tsr_image out = read_picture(path);
    assert_int_equal(out.width, 420);
    assert_int_equal(out.height, 280);
    for (size_t i = 0; i < 2; i++) { /* the line is two pixels wide, one to each side of the edge; a casing around it */
        const size_t *p = b[i].xyxy;
        tsri_rgb c = tsri_overlay_color(i, &d), casing = tsri_overlay_contrast(c);
        size_t x = (p[0] + p[2]) / 2, y = (p[1] + p[3]) / 2;
        const size_t on[][2] = {{p[0] - 1, y}, {p[0], y}, {p[2] - 1, y}, {p[2], y},
                                {x, p[1] - 1}, {x, p[1]}, {x, p[3] - 1}, {x, p[3]}};
        for (size_t k = 0; k < 8; k++)
            expect_pixel(&out, on[k][0], on[k][1], c);
        expect_pixel(&out, p[0] + 1, y, casing);
        expect_pixel(&out, p[0] - 2, y, casing);
        expect_pixel(&out, p[0] + 2, y, grey);
        expect_pixel(&out, x, y, grey);
    }
    expect_pixel(&out, 1, 140, tsri_overlay_color(2, &d)); /* whole at the border, with its casing outermost */
    expect_pixel(&out, 418, 140, tsri_overlay_color(2, &d));
    expect_pixel(&out, 0, 140, tsri_overlay_contrast(tsri_overlay_color(2, &d)));
    tsr_image_deinit(&out);
    tsr_image_deinit(&img);
    forget(b, 3);
}

static void without_boxes_the_picture_is_as_it_was(void **state)
{
    need_cairo();
    tsr_image img = plain(33, 17, 0);
    char path[512];
    (void)state;
    for (size_t i = 0; i < img.width * img.height * 3; i++)
        img.rgb[i] = (unsigned char)(i * 7);
    snprintf(path, sizeof path, "%s", test_path(test_root, "none.png"));
    write_overlay(path, &img, NULL, 0);
    tsr_image out = read_picture(path);
    assert_int_equal(out.width, 33);
    assert_memory_equal(out.rgb, img.rgb, 33 * 17 * 3);
    tsr_image_deinit(&out);
    tsr_image_deinit(&img);
}

/* Elements open and close in pairs; names and text hold no stray < or &. Enough for what cairo writes. */
static void expect_well_formed(const char *s)
{
    enum { DEEPEST = 64 };
    const char *open[DEEPEST];
    size_t depth = 0, n_roots = 0;
    for (s = strchr(s, '<'); s; s = strchr(s, '<')) {
        const char *end = strchr(s, '>');
        assert_non_null(end);
        size_t n = strcspn(s + 1, " \n/>");
        if (s[1] == '/') {
            n = strcspn(s + 2, " >");
            assert_true(depth > 0 && strncmp(open[--depth], s + 2, n) == 0);
        } else if (s[1] != '?' && s[1] != '!' && end[-1] != '/') {
            n_roots += depth == 0;
            assert_true(n > 0 && depth < DEEPEST);
            open[depth++] = s + 1;
        }
        s = end + 1;
    }
    assert_int_equal(depth, 0);
    assert_int_equal(n_roots, 1);
}

static void an_svg_is_well_formed_whatever_the_labels_hold(void **state)
{
    need_cairo();
    tsr_image img = plain(420, 280, 200);
    tsri_box b[] = {box("</svg><script>&\"'", 10, 60, 100, 180), box("\033[31m\xff\n", 200, 100, 280, 240),
                    {.is_point = true, .xyxy = {300, 20}}};
    char path[512];
    size_t len;
    (void)state;
    b[2].label = tsr_strdup("p");
    b[2].label_len = 1;
    snprintf(path, sizeof path, "%s", test_path(test_root, "o.svg"));
    write_overlay(path, &img, b, 3);
    unsigned char *svg = test_read_file(path, &len);
    assert_int_equal(strlen((char *)svg), len);
    assert_non_null(strstr((char *)svg, "width=\"420px\" height=\"280px\""));
    assert_null(strstr((char *)svg, "script"));
    assert_non_null(strstr((char *)svg, "data:image/png;base64,"));
    expect_well_formed((char *)svg);
    free(svg);
    tsr_image_deinit(&img);
    forget(b, 3);
}

static void odd_sizes_are_drawn(void **state)
{
    need_cairo();
    static const size_t sizes[][2] = {{1, 1}, {2, 3}, {3000, 3}, {3, 3000}, {17, 400}};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tsr_image img = plain(sizes[i][0], sizes[i][1], 10);
        tsri_box b[] = {box("a label that is long", 0, 0, img.width, img.height), box("x", 0, 0, 1, 1)};
        char path[512];
        snprintf(path, sizeof path, "%s", test_path(test_root, "odd.png"));
        write_overlay(path, &img, b, 2);
        tsr_image out = read_picture(path);
        assert_int_equal(out.width, img.width);
        assert_int_equal(out.height, img.height);
        tsr_image_deinit(&out);
        tsr_image_deinit(&img);
        forget(b, 2);
    }
}

static void a_thousand_boxes_take_no_long_time(void **state)
{
    need_cairo();
    enum { N = 1000 };
    static tsri_box b[N];
    tsr_image img = plain(1280, 960, 128);
    char path[512], label[32];
    (void)state;
    for (size_t i = 0; i < N; i++) {
        snprintf(label, sizeof label, "thing %zu", i);
        size_t x = i * 37 % 1200, y = i * 91 % 900;
        b[i] = box(label, x, y, x + 60, y + 50);
    }
    snprintf(path, sizeof path, "%s", test_path(test_root, "many.png"));
    write_overlay(path, &img, b, N);
    tsr_image_deinit(&img);
    forget(b, N);
}

static void a_failure_leaves_no_file(void **state)
{
    need_cairo();
    tsr_image img = plain(20, 20, 1);
    tsr_error e = {TSR_OK, ""};
    (void)state;
    assert_int_equal(tsri_overlay_write("/no/such/folder/a.png", &img, NULL, 0, &e), TSR_ERR_NOINPUT);
    assert_error(&e, TSR_ERR_NOINPUT, "/no/such/folder/a.png", NULL);
    tsr_image_deinit(&img);
    e = (tsr_error){TSR_OK, ""};
    img = plain(40000, 1, 1);
    assert_int_equal(tsri_overlay_write(test_path(test_root, "wide.png"), &img, NULL, 0, &e), TSR_ERR_LIMIT);
    assert_error(&e, TSR_ERR_LIMIT, "40000 x 1", "32767");
    tsr_image_deinit(&img);
    size_t live = tsr_alloc_live(), k = 0;
    tsr_status st;
    img = plain(64, 48, 1);
    tsri_box b = box("cat", 5, 5, 30, 30);
    do {
        e = (tsr_error){TSR_OK, ""};
        tsr_alloc_fail_at(++k);
        st = tsri_overlay_write(test_path(test_root, "short.svg"), &img, &b, 1, &e);
        tsr_alloc_fail_at(0);
        assert_true(st == TSR_OK || st == TSR_ERR_NOMEM);
        assert_int_equal(tsr_alloc_live(), live + 2);
    } while (st != TSR_OK);
    tsr_image_deinit(&img);
    forget(&b, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_pictures_get_numbers_before_the_ending),
        cmocka_unit_test(other_endings_are_refused_by_name),
        cmocka_unit_test(labels_share_a_color_only_with_their_own),
        cmocka_unit_test(texts_lose_what_moves_the_pen_and_are_cut),
        cmocka_unit_test(labels_do_not_cover_each_other_where_there_is_room),
        cmocka_unit_test(a_png_is_the_picture_with_lines_at_the_edges),
        cmocka_unit_test(without_boxes_the_picture_is_as_it_was),
        cmocka_unit_test(an_svg_is_well_formed_whatever_the_labels_hold),
        cmocka_unit_test(odd_sizes_are_drawn),
        cmocka_unit_test(a_thousand_boxes_take_no_long_time),
        cmocka_unit_test(a_failure_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
