/* Documents through poppler, held to limits; page ranges; resolutions. */
#include <math.h>
#include <time.h>
#include <unistd.h>

#include "run_program.h"
#include "stream_fixture.h"
#include "tsr_pdf.h"

static tsr_pdf *open_pdf(tsr_source *s)
{
    tsr_pdf *d;
    tsr_error e = {0};
    if (tsr_pdf_open(&d, s, NULL, &e) != TSR_OK)
        fail_msg("%s", e.text);
    return d;
}

static void check_pages(tsr_source *s)
{
    static const struct {
        double w, h;
        int r, g, b;
    } pages[] = {{200, 100, 255, 0, 0}, {200, 100, 0, 255, 0}, {150, 100, 0, 0, 255}, {200, 100, 255, 255, 255}};
    tsr_pdf *d = open_pdf(s);
    assert_int_equal(tsr_pdf_n_pages(d), 4);
    for (size_t i = 0; i < 4; i++) {
        double w, h;
        tsr_image img = {0, 0, NULL};
        tsr_error e = {0};
        assert_int_equal(tsr_pdf_page_size(d, i + 1, &w, &h, &e), TSR_OK);
        assert_true(w == pages[i].w && h == pages[i].h);
        if (tsr_pdf_render(d, i + 1, 144, &img, &e) != TSR_OK)
            fail_msg("%s", e.text);
        assert_int_equal(img.width, (size_t)(2 * w));
        assert_int_equal(img.height, (size_t)(2 * h));
        assert_int_equal(img.rgb[3], pages[i].r);
        assert_int_equal(img.rgb[4], pages[i].g);
        assert_int_equal(img.rgb[5], pages[i].b);
        size_t dark = 0; /* text was drawn on the last page only */
        for (size_t k = 0; k < img.width * img.height * 3; k++)
            dark += i == 3 && img.rgb[k] < 64;
        assert_true(i != 3 || dark > 1000);
        tsr_image_deinit(&img);
    }
    tsr_pdf_close(d);
}

static void pages_become_pictures(void **state)
{
    (void)state;
    tsr_source *s = open_fixture("pages.pdf");
    check_pages(s);
    tsr_source_close(s);
}

static void pages_come_from_memory_too(void **state)
{
    (void)state;
    size_t len;
    unsigned char *p = test_read_file(fixture_path("pages.pdf"), &len);
    tsr_source *s = open_bytes(p, len, "-x $(reboot).pdf");
    check_pages(s);
    tsr_source_close(s);
    free(p);
}

static void a_document_without_a_password_opens(void **state)
{
    (void)state;
    tsr_source *s = open_fixture("owner.pdf");
    check_pages(s);
    tsr_source_close(s);
}

/* File names are no options: the name never reaches the program. */
static void a_name_like_an_option_is_harmless(void **state)
{
    (void)state;
    size_t len;
    char *dir = test_tmp_make();
    unsigned char *p = test_read_file(fixture_path("pages.pdf"), &len);
    test_write_file(test_path(dir, "-listenc"), p, len);
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(dir), 0);
    tsr_source *s;
    assert_int_equal(tsr_source_open(&s, "-listenc", 0, NULL), TSR_OK);
    tsr_pdf *d = open_pdf(s);
    assert_int_equal(tsr_pdf_n_pages(d), 4);
    tsr_pdf_close(d);
    tsr_source_close(s);
    assert_int_equal(chdir(here), 0);
    free(p);
    test_tmp_remove(dir);
}

static void refused(tsr_source *s, tsr_status want, const char *a, const char *b)
{
    tsr_pdf *d;
    tsr_error e = {0};
    assert_int_equal(tsr_pdf_open(&d, s, NULL, &e), want);
    assert_null(d);
    assert_error(&e, want, a, b);
    tsr_source_close(s);
}

static void encrypted_empty_and_damaged_are_told_apart(void **state)
{
    (void)state;
    static const char no_objects[] = "%PDF-1.4\nnothing here at all\n%%EOF\n";
    refused(open_fixture("locked.pdf"), TSR_ERR_DATA, "locked.pdf", "encrypted");
    refused(open_fixture("none.pdf"), TSR_ERR_DATA, "none.pdf", "empty: it has no pages");
    refused(open_bytes("", 0, "zero.pdf"), TSR_ERR_DATA, "zero.pdf", "is empty");
    refused(open_bytes("hello", 5, "text.pdf"), TSR_ERR_DATA, "text.pdf", "no PDF");
    refused(open_bytes(no_objects, sizeof no_objects - 1, "bad.pdf"), TSR_ERR_DATA, "bad.pdf", "damaged");
}

static void a_cut_document_is_damaged(void **state)
{
    (void)state;
    size_t len;
    unsigned char *p = test_read_file(fixture_path("pages.pdf"), &len);
    for (size_t n = 16; n + 8 < len; n += 50)
        refused(open_bytes(p, n, "cut.pdf"), TSR_ERR_DATA, "cut.pdf", "damaged");
    free(p);
}

/* Whatever a byte turns into: pictures or a reason, never anything else. */
static void flipped_bytes_do_no_harm(void **state)
{
    (void)state;
    size_t len;
    unsigned char *p = test_read_file(fixture_path("pages.pdf"), &len);
    for (size_t i = 0; i < len; i += 61) {
        tsr_pdf *d;
        tsr_image img = {0, 0, NULL};
        tsr_error e = {0};
        p[i] ^= 0xff;
        tsr_source *s = open_bytes(p, len, "flip.pdf");
        tsr_status st = tsr_pdf_open(&d, s, NULL, &e);
        if (st == TSR_OK)
            st = tsr_pdf_render(d, 1, 50, &img, &e);
        if (st != TSR_OK)
            assert_error(&e, TSR_ERR_DATA, "flip.pdf", NULL);
        else
            assert_non_null(img.rgb);
        tsr_image_deinit(&img);
        tsr_pdf_close(d);
        tsr_source_close(s);
        p[i] ^= 0xff;
    }
    free(p);
}

static void limits_hold(void **state)
{
    (void)state;
    tsr_source *s = open_fixture("pages.pdf");
    tsr_pdf_opts o = tsr_pdf_opts_default();
    tsr_pdf *d;
    tsr_image img = {0, 0, NULL};
    tsr_error e = {0};
    o.max_pixels = 201 * 101;
    assert_int_equal(tsr_pdf_open(&d, s, &o, &e), TSR_OK);
    assert_int_equal(tsr_pdf_render(d, 1, 72, &img, &e), TSR_OK);
    tsr_image_deinit(&img);
    assert_int_equal(tsr_pdf_render(d, 1, 73, &img, &e), TSR_ERR_LIMIT);
    assert_error(&e, TSR_ERR_LIMIT, "pages.pdf", "page 1");
    assert_int_equal(tsr_pdf_render(d, 5, 72, &img, NULL), TSR_ERR_USAGE);
    assert_int_equal(tsr_pdf_render(d, 0, 72, &img, NULL), TSR_ERR_USAGE);
    assert_int_equal(tsr_pdf_render(d, 1, NAN, &img, NULL), TSR_ERR_USAGE);
    assert_int_equal(tsr_pdf_render(d, 1, 1e9, &img, NULL), TSR_ERR_USAGE);
    tsr_pdf_close(d);
    o = tsr_pdf_opts_default();
    o.max_bytes = 100;
    assert_int_equal(tsr_pdf_open(&d, s, &o, NULL), TSR_ERR_LIMIT);
    tsr_source_close(s);
}

static void a_missing_program_is_named_with_its_package(void **state)
{
    (void)state;

    const char *path = getenv("PATH");
    char keep[4096];
    snprintf(keep, sizeof keep, "%s", path ? path : "");
    assert_int_equal(setenv("PATH", "/nowhere::.:relative", 1), 0);
    refused(open_fixture("pages.pdf"), TSR_ERR_UNSUPPORTED, "pdfinfo", "poppler-utils");
    assert_int_equal(setenv("PATH", keep, 1), 0);

}

/* ---- the runner ---- */

static tsr_status run_shell(const char *script, const tsri_run_limits *l, tsri_run_result *r, tsr_error *e)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    int p[2];
    assert_int_equal(pipe(p), 0);
    tsr_status st = tsri_run_program(r, "/bin/sh", argv, p[0], l, "sh", e);
    close(p[0]);
    close(p[1]);
    return st;
}

static const tsri_run_limits plenty = {1 << 20, UINT64_C(4) << 30, 60, 60000};

static void a_program_is_run_and_heard(void **state)
{
    (void)state;
    tsri_run_result r;
    assert_int_equal(run_shell("printf out; printf err >&2; exit 7", &plenty, &r, NULL), TSR_OK);
    assert_int_equal(r.out_len, 3);
    assert_memory_equal(r.out, "out", 3);
    assert_string_equal(r.errors, "err");
    assert_int_equal(r.exit_code, 7);
    tsr_free(r.out);
    assert_int_equal(run_shell("kill -SEGV $$", &plenty, &r, NULL), TSR_OK);
    assert_int_equal(r.exit_code, -1);
    assert_int_equal(r.signal, 11);
    tsr_free(r.out);
}

static void a_slow_program_is_killed(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "sleep 60", "sleep 60 & wait", "exec >/dev/null 2>&1; sleep 60", "while :; do :; done"};
    for (size_t i = 0; i < 4; i++) {
        tsri_run_result r;
        tsri_run_limits l = plenty;
        tsr_error e = {0};
        struct timespec a, b;
        l.timeout_ms = 200;
        clock_gettime(CLOCK_MONOTONIC, &a);
        assert_int_equal(run_shell(scripts[i], &l, &r, &e), TSR_ERR_BUSY);
        clock_gettime(CLOCK_MONOTONIC, &b);
        assert_true(b.tv_sec - a.tv_sec < 20);
        assert_null(r.out);
        assert_error(&e, TSR_ERR_BUSY, "sh", "200 ms");
    }
}

static void a_talkative_program_is_killed(void **state)
{
    (void)state;
    tsri_run_result r;
    tsri_run_limits l = plenty;
    l.max_output = 1000;
    assert_int_equal(run_shell("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done", &l, &r, NULL), TSR_ERR_LIMIT);
    assert_null(r.out);
    assert_int_equal(run_shell("head -c 1000 /dev/zero", &l, &r, NULL), TSR_OK);
    assert_int_equal(r.out_len, 1000);
    tsr_free(r.out);
    /* Much on standard error is read, and all but its beginning dropped. */
    assert_int_equal(run_shell("head -c 300000 /dev/zero | tr '\\0' x >&2", &plenty, &r, NULL), TSR_OK);
    assert_int_equal(strlen(r.errors), TSRI_RUN_ERRORS - 1);
    tsr_free(r.out);
}

static void a_program_cannot_write_files_and_sees_none_of_ours(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    char script[512];
    tsri_run_result r;
    snprintf(script, sizeof script, "(echo x > %s/f) 2>/dev/null; wc -c < %s/f; ls /proc/self/fd | tr '\\n' ' '", dir, dir);
    assert_int_equal(run_shell(script, &plenty, &r, NULL), TSR_OK);
    assert_true(r.out_len >= 10);
    /* 0 bytes; then 0 to 3, and the descriptor through which ls itself reads the list */
    assert_memory_equal(r.out, "0\n0 1 2 3 4 ", r.out_len);
    tsr_free(r.out);
    test_tmp_remove(dir);
}

static void processor_time_is_bounded(void **state)
{
    (void)state;
    tsri_run_result r;
    tsri_run_limits l = plenty;
    tsr_error e = {0};
    l.cpu_seconds = 1;
    assert_int_equal(run_shell("while :; do :; done", &l, &r, &e), TSR_ERR_BUSY);
    assert_error(&e, TSR_ERR_BUSY, "processor time", NULL);
}

/* ---- arithmetic ---- */

static void the_resolution_gives_at_least_the_target(void **state)
{
    (void)state;
    static const size_t targets[] = {70 * 2304, 280 * 2304, 560 * 2304, 1120 * 2304};
    static const double sizes[][2] = {{612, 792}, {595.3, 841.9}, {842, 595}, {300, 1000}, {1684, 2384}};
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 5; k++) {
            double w = sizes[k][0], h = sizes[k][1], dpi = tsr_pdf_dpi_for(w, h, targets[i]);
            double pixels = w * h * dpi * dpi / (72 * 72);
            assert_true(dpi == floor(dpi) && dpi >= 50 && dpi <= 600);
            assert_true(pixels >= (double)targets[i]);
            assert_true(dpi == 50 || pixels <= 4 * (double)targets[i]);
        }
    assert_true(tsr_pdf_dpi_for(1, 1, 1000000) == 600);
    assert_true(tsr_pdf_dpi_for(14400, 14400, 1000) == 50);
    assert_true(tsr_pdf_dpi_for(0, 100, 1000) == 50);
    assert_true(tsr_pdf_dpi_for(NAN, 100, 1000) == 50);
}

static void page_ranges_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n, pages[8];
    } rows[] = {{"1-3,7", 4, {1, 2, 3, 7}}, {"7,1-3", 4, {7, 1, 2, 3}}, {"8-", 2, {8, 9}}, {"9-", 1, {9}},
                {"2", 1, {2}},              {"2,2", 2, {2, 2}},         {"3-3", 1, {3}},    {"007", 1, {7}}};
    size_t *p, n;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(tsr_pdf_pages_parse(&p, &n, rows[i].text, 9, 100, NULL), TSR_OK);
        assert_int_equal(n, rows[i].n);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(p[k], rows[i].pages[k]);
        tsr_free(p);
    }
    assert_int_equal(tsr_pdf_pages_parse(&p, &n, NULL, 9, 9, NULL), TSR_OK);
    assert_int_equal(n, 9);
    assert_int_equal(p[8], 9);
    tsr_free(p);
}

static void bad_page_ranges_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } rows[] = {{"0", "from 1"},      {"0-2", "from 1"},   {"3-1", "backwards"}, {"10", "no page 10"},
                {"1-10", "page 10"},  {"12-", "page 12"},  {"a", "missing"},     {"1,", "missing"},
                {",1", "missing"},    {"-3", "missing"},   {"1--3", "missing"},  {"1 - 3", "understood"},
                {"1;2", "understood"}, {"99999999999999999999999", "no page"},   {"1-2-3", "understood"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t *p, n;
        tsr_error e = {0};
        assert_int_equal(tsr_pdf_pages_parse(&p, &n, rows[i].text, 9, 100, &e), TSR_ERR_USAGE);
        assert_null(p);
        assert_error(&e, TSR_ERR_USAGE, rows[i].text, rows[i].why);
    }
    size_t *p, n;
    assert_int_equal(tsr_pdf_pages_parse(&p, &n, "1-9", 9, 8, NULL), TSR_ERR_LIMIT);
    assert_int_equal(tsr_pdf_pages_parse(&p, &n, "1-4,1-5", 9, 8, NULL), TSR_ERR_LIMIT);
    assert_int_equal(tsr_pdf_pages_parse(&p, &n, "", 9, 8, NULL), TSR_ERR_LIMIT);
}

static void pages_survive_every_failed_allocation(void **state)
{
    (void)state;
    tsr_source *s = open_fixture("pages.pdf");
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        tsr_pdf *d;
        tsr_image img = {0, 0, NULL};
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_pdf_open(&d, s, NULL, NULL);
        if (st == TSR_OK)
            st = tsr_pdf_render(d, 1, 72, &img, NULL);
        tsr_alloc_fail_at(0);
        tsr_image_deinit(&img);
        tsr_pdf_close(d);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK) {
            assert_true(k > 6);
            break;
        }
        assert_int_equal(st, TSR_ERR_NOMEM);
    }
    tsr_source_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_become_pictures),
        cmocka_unit_test(pages_come_from_memory_too),
        cmocka_unit_test(a_document_without_a_password_opens),
        cmocka_unit_test(a_name_like_an_option_is_harmless),
        cmocka_unit_test(encrypted_empty_and_damaged_are_told_apart),
        cmocka_unit_test(a_cut_document_is_damaged),
        cmocka_unit_test(flipped_bytes_do_no_harm),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(a_missing_program_is_named_with_its_package),
        cmocka_unit_test(a_program_is_run_and_heard),
        cmocka_unit_test(a_slow_program_is_killed),
        cmocka_unit_test(a_talkative_program_is_killed),
        cmocka_unit_test(a_program_cannot_write_files_and_sees_none_of_ours),
        cmocka_unit_test(processor_time_is_bounded),
        cmocka_unit_test(the_resolution_gives_at_least_the_target),
        cmocka_unit_test(page_ranges_are_read),
        cmocka_unit_test(bad_page_ranges_are_refused),
        cmocka_unit_test(pages_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
