/* The text layer of pages: what poppler prints about real documents, and XML that it would never print. */
#include <stdio.h>
#include <time.h>

#include "pdf_internal.h"
#include "stream_fixture.h"

#define HEAD "<!DOCTYPE html><html>\n<head>\n<title>a&lt;doc&gt;</title>\n</head>\n<body>\n<doc>\n"
#define TAIL "</doc>\n</body>\n</html>\n"
#define PAGE "  <page width=\"300.000000\" height=\"200.000000\">\n"
#define BOX " xMin=\"10.000000\" yMin=\"20.000000\" xMax=\"30.500000\" yMax=\"40.000000\">"
#define BOX2 " xMin=\"40.000000\" yMin=\"21.000000\" xMax=\"60.000000\" yMax=\"41.000000\">"
#define BESIDE " xMin=\"-40.000000\" yMin=\"21.000000\" xMax=\"-1.000000\" yMax=\"41.000000\">"

static const char whole[] = HEAD PAGE "    <flow>\n      <block" BOX "\n        <line" BOX "\n"
                            "          <word" BOX "A&amp;B</word>\n          <word" BOX2 "&lt;\xc3\xa9&gt;</word>\n"
                            "        </line>\n      </block>\n    </flow>\n  </page>\n" TAIL;

static tsr_status parse(tsr_page_text *t, const char *xml, size_t len, tsr_error *e)
{
    *t = (tsr_page_text){.width = 300, .height = 200};
    return tsri_page_text_parse(t, xml, len, "x.pdf", 7, e);
}

static void words_lines_and_blocks_are_read(void **state)
{
    tsr_page_text t;
    tsr_error e = {0};
    (void)state;
    if (parse(&t, whole, sizeof whole - 1, &e) != TSR_OK)
        fail_msg("%s", e.text);
    assert_int_equal(t.n_words, 2);
    assert_int_equal(t.n_lines, 1);
    assert_int_equal(t.n_blocks, 1);
    assert_string_equal(t.words[0].text, "A&B");
    assert_string_equal(t.words[1].text, "<\xc3\xa9>");
    assert_int_equal(t.words[1].len, 4);
    assert_true(t.words[0].box.x1 == 30.5 && t.words[0].box.y0 == 20);
    assert_true(t.lines[0].box.x0 == 10 && t.lines[0].box.x1 == 60 && t.lines[0].box.y1 == 41);
    assert_int_equal(t.lines[0].n, 2);
    assert_int_equal(t.blocks[0].n, 1);
    tsr_page_text_deinit(&t);
    assert_null(t.words);
}

static void a_page_may_have_no_text(void **state)
{
    static const char xml[] = HEAD PAGE "  </page>\n" TAIL;
    static const char empty_flow[] = HEAD PAGE "<flow></flow>\n  </page>\n" TAIL;
    tsr_page_text t;
    (void)state;
    assert_int_equal(parse(&t, xml, sizeof xml - 1, NULL), TSR_OK);
    assert_int_equal(t.n_words + t.n_lines + t.n_blocks, 0);
    tsr_page_text_deinit(&t);
    assert_int_equal(parse(&t, empty_flow, sizeof empty_flow - 1, NULL), TSR_OK);
    tsr_page_text_deinit(&t);
}

/* What lies beside the page, or holds nothing to read, is no word; nor is a line of such words a line. */
static void what_nobody_sees_is_left_out(void **state)
{
    static const char xml[] = HEAD PAGE "<flow><block" BOX "<line" BOX "<word" BESIDE "hidden</word></line><line" BOX
                                        "<word" BOX "\x01\xc2\x85</word><word" BOX "s\x02" "een\xff</word></line></block>"
                                        "<block" BOX "<line" BOX "<word" BESIDE "hidden</word></line></block></flow>\n"
                                        "<flow><block" BOX "<line" BOX "<word" BOX "next</word></line></block></flow></page>" TAIL;
    tsr_page_text t;
    (void)state;
    assert_int_equal(parse(&t, xml, sizeof xml - 1, NULL), TSR_OK);
    assert_int_equal(t.n_words, 2);
    assert_int_equal(t.n_lines, 2);
    assert_int_equal(t.n_blocks, 2);
    assert_string_equal(t.words[0].text, "seen?");
    assert_int_equal(t.blocks[0].flow, 0);
    assert_int_equal(t.blocks[1].flow, 1);
    tsr_page_text_deinit(&t);
}

static void boxes_are_put_in_order_and_on_the_page(void **state)
{
    static const char xml[] = HEAD PAGE "<flow><block" BOX "<line" BOX
                                        "<word xMin=\"310\" yMin=\"50.5\" xMax=\"290\" yMax=\"-3.25\">x</word></line></block></flow></page>" TAIL;
    tsr_page_text t;
    (void)state;
    assert_int_equal(parse(&t, xml, sizeof xml - 1, NULL), TSR_OK);
    assert_true(t.words[0].box.x0 == 290 && t.words[0].box.x1 == 300 && t.words[0].box.y0 == 0 && t.words[0].box.y1 == 50.5);
    tsr_page_text_deinit(&t);
}

static void another_form_is_refused_with_its_place(void **state)
{
    static const char *const bad[] = {
        "", "<html>", HEAD, HEAD TAIL, HEAD PAGE TAIL, HEAD "<page width=\"1\">", HEAD PAGE "<flow></page>" TAIL,
        HEAD PAGE "<block" BOX "</block></page>" TAIL, HEAD PAGE "<flow><word" BOX "x</word></flow></page>" TAIL,
        HEAD PAGE "<flow><block><line" BOX "</line></block></flow></page>" TAIL,
        HEAD PAGE "<flow><block" BOX "<line" BOX "<word xMin=\"nan\" yMin=\"0\" xMax=\"1\" yMax=\"1\">x</word></line></block></flow></page>" TAIL,
        HEAD PAGE "<flow><block" BOX "<line" BOX "<word xMin=\"1e5\" yMin=\"0\" xMax=\"1\" yMax=\"1\">x</word></line></block></flow></page>" TAIL,
        HEAD PAGE "<flow><block" BOX "<line" BOX "<word xMin=\"1234567890\" yMin=\"0\" xMax=\"1\" yMax=\"1\">x</word></line></block></flow></page>" TAIL,
        HEAD PAGE "<flow><block" BOX "<line" BOX "<word" BOX "&#65;</word></line></block></flow></page>" TAIL,
        HEAD PAGE "<flow><block" BOX "<line" BOX "<word" BOX "a<b</word></line></block></flow></page>" TAIL,
        HEAD PAGE "<flow><block" BOX "<line" BOX "text</line></block></flow></page>" TAIL,
        HEAD PAGE "</page>" PAGE "</page>" TAIL};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tsr_page_text t;
        tsr_error e = {0};
        assert_int_equal(parse(&t, bad[i], strlen(bad[i]), &e), TSR_ERR_DATA);
        assert_error(&e, TSR_ERR_DATA, "x.pdf: page 7", "byte");
        assert_null(t.words);
    }
}

static void cut_and_flipped_xml_does_no_harm(void **state)
{
    char copy[sizeof whole];
    const char *end = strstr(whole, "</doc>") + strlen("</doc>");
    (void)state;
    for (size_t n = 0; n < (size_t)(end - whole); n++) {
        tsr_page_text t;
        char *p = malloc(n ? n : 1); /* so that reading past its end is seen */
        assert_non_null(p);
        memcpy(p, whole, n);
        assert_int_equal(parse(&t, p, n, NULL), TSR_ERR_DATA);
        free(p);
    }
    for (size_t i = 0; i < sizeof whole - 1; i++)
        for (int bit = 0; bit < 8; bit++) {
            tsr_page_text t;
            memcpy(copy, whole, sizeof whole);
            copy[i] = (char)(copy[i] ^ (1 << bit));
            tsr_status st = parse(&t, copy, sizeof whole - 1, NULL);
            assert_true(st == TSR_OK || st == TSR_ERR_DATA);
            tsr_page_text_deinit(&t);
        }
}

static void a_huge_layer_is_read_in_time(void **state)
{
    static const char begin[] = HEAD PAGE "<flow><block" BOX "<line" BOX, word[] = "<word" BOX "word</word>\n",
                      end[] = "</line></block></flow></page>" TAIL;
    enum { N = 100000 };
    size_t len = sizeof begin + N * (sizeof word - 1) + sizeof end - 2;
    char *xml = malloc(len + 1), *at = xml;
    tsr_page_text t;
    (void)state;
    assert_non_null(xml);
    memcpy(at, begin, sizeof begin - 1);
    at += sizeof begin - 1;
    for (size_t i = 0; i < N; i++, at += sizeof word - 1)
        memcpy(at, word, sizeof word - 1);
    memcpy(at, end, sizeof end);
    clock_t from = clock();
    assert_int_equal(parse(&t, xml, len, NULL), TSR_OK);
    assert_int_equal(t.n_words, N);
    assert_int_equal(t.lines[0].n, N);
    assert_true((clock() - from) / CLOCKS_PER_SEC < 20);
    tsr_page_text_deinit(&t);
    free(xml);
}

/* ---- with poppler ---- */

static tsr_pdf *open_pdf(tsr_source *s)
{
    tsr_pdf *d;
    tsr_error e = {0};
    if (tsr_pdf_open(&d, s, NULL, &e) != TSR_OK)
        fail_msg("%s", e.text);
    return d;
}

static void read_page(tsr_pdf *d, size_t page, tsr_page_text *t)
{
    tsr_error e = {0};
    if (tsr_pdf_page_text(d, page, t, &e) != TSR_OK)
        fail_msg("%s", e.text);
}

static void the_invoice_has_its_words_where_they_are(void **state)
{
    tsr_source *s;
    tsr_page_text t;
    (void)state;
    assert_int_equal(tsr_source_open(&s, TSR_SOURCE_DIR "/samples/invoice.pdf", 0, NULL), TSR_OK);
    tsr_pdf *d = open_pdf(s);
    read_page(d, 1, &t);
    assert_true(t.width == 595 && t.height == 842);
    assert_true(t.n_words > 20 && t.n_blocks > 4);
    assert_string_equal(t.words[0].text, "The");
    assert_true(t.words[0].box.x0 == 50 && t.words[0].box.y0 > 27 && t.words[0].box.y1 < 50);
    assert_int_equal(t.lines[0].n, 3);
    for (size_t i = 0; i < t.n_words; i++) {
        const tsr_page_box *b = &t.words[i].box;
        assert_true(b->x0 >= 0 && b->x0 < b->x1 && b->x1 <= t.width && b->y0 >= 0 && b->y0 < b->y1 && b->y1 <= t.height);
    }
    tsr_page_text_deinit(&t);
    read_page(d, 2, &t);
    assert_true(t.n_words > 10);
    tsr_page_text_deinit(&t);
    tsr_error e = {0};
    assert_int_equal(tsr_pdf_page_text(d, 3, &t, &e), TSR_ERR_USAGE);
    assert_error(&e, TSR_ERR_USAGE, "invoice.pdf", "no page 3");
    tsr_pdf_close(d);
    tsr_source_close(s);
}

/* pages.pdf has three pages of color and one with a word; its third is turned. owner.pdf opens without a password. */
static void pages_without_text_and_documents_with_an_owner(void **state)
{
    static const char *const names[] = {"pages.pdf", "owner.pdf"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        tsr_source *s = open_fixture(names[i]);
        tsr_pdf *d = open_pdf(s);
        tsr_page_text t;
        read_page(d, 1, &t);
        assert_int_equal(t.n_words, 0);
        tsr_page_text_deinit(&t);
        read_page(d, 4, &t);
        assert_int_equal(t.n_words, 1);
        assert_string_equal(t.words[0].text, "Seven");
        tsr_page_text_deinit(&t);
        tsr_pdf_close(d);
        tsr_source_close(s);
    }
}

/* One page of 300 x 200 points with a word at 60, 150 from below, and what is given about the page. */
static tsr_source *make_document(const char *about_the_page, char *buf, size_t size)
{
    int n = snprintf(buf, size,
                     "%%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n2 0 obj\n<</Type/Pages/Kids[3 0 R]/Count 1>>\nendobj\n"
                     "3 0 obj\n<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]%s/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>\nendobj\n"
                     "4 0 obj\n<</Length 38>>stream\nBT /F1 20 Tf 60 150 Td (A <&> B) Tj ET  \nendstream\nendobj\n"
                     "5 0 obj\n<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>\nendobj\ntrailer<</Size 6/Root 1 0 R>>\n%%%%EOF\n",
                     about_the_page);
    assert_true(n > 0 && (size_t)n < size);
    return open_bytes(buf, (size_t)n, "made.pdf");
}

/* Boxes are of the page as it is shown. */
static void cropped_and_turned_pages_have_their_boxes(void **state)
{
    static const struct {
        const char *about;
        double width, height, x, y;
    } rows[] = {{"", 300, 200, 60, 35}, {"/Rotate 90", 200, 300, 145, 60}, {"/CropBox[50 100 250 200]", 200, 100, 10, 35}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char buf[2048];
        tsr_source *s = make_document(rows[i].about, buf, sizeof buf);
        tsr_pdf *d = open_pdf(s);
        tsr_page_text t;
        read_page(d, 1, &t);
        assert_true(t.width == rows[i].width && t.height == rows[i].height);
        assert_int_equal(t.n_words, 3);
        assert_string_equal(t.words[1].text, "<&>");
        assert_true(t.words[0].box.x0 >= rows[i].x && t.words[0].box.x0 < rows[i].x + 1);
        assert_true(t.words[0].box.y0 >= rows[i].y && t.words[0].box.y0 < rows[i].y + 1);
        tsr_page_text_deinit(&t);
        tsr_pdf_close(d);
        tsr_source_close(s);
    }
}

static void memory_may_run_short_anywhere(void **state)
{
    tsr_source *s = open_fixture("pages.pdf");
    size_t live = tsr_alloc_live();
    (void)state;
    for (size_t k = 1;; k++) {
        tsr_pdf *d;
        tsr_page_text t = {0};
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_pdf_open(&d, s, NULL, NULL);
        if (st == TSR_OK)
            st = tsr_pdf_page_text(d, 4, &t, NULL);
        tsr_alloc_fail_at(0);
        assert_true((t.words != NULL) == (st == TSR_OK));
        tsr_page_text_deinit(&t);
        tsr_pdf_close(d);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK) {
            assert_true(k > 8);
            break;
        }
        assert_int_equal(st, TSR_ERR_NOMEM);
    }
    tsr_source_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_lines_and_blocks_are_read),
        cmocka_unit_test(a_page_may_have_no_text),
        cmocka_unit_test(what_nobody_sees_is_left_out),
        cmocka_unit_test(boxes_are_put_in_order_and_on_the_page),
        cmocka_unit_test(another_form_is_refused_with_its_place),
        cmocka_unit_test(cut_and_flipped_xml_does_no_harm),
        cmocka_unit_test(a_huge_layer_is_read_in_time),
        cmocka_unit_test(the_invoice_has_its_words_where_they_are),
        cmocka_unit_test(pages_without_text_and_documents_with_an_owner),
        cmocka_unit_test(cropped_and_turned_pages_have_their_boxes),
        cmocka_unit_test(memory_may_run_short_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
