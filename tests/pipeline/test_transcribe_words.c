/* Words of transcripts: reading, telling that a model has got stuck, joining what two windows heard of the same. */
#include "test_main.h"

#include <stdio.h>

#include "transcribe_words.h"
#include "tsr_alloc.h"

static tsri_words read_words(const char *text)
{
    tsri_words w = {0};
    assert_int_equal(tsri_words_read(&w, text, strlen(text), NULL), TSR_OK);
    return w;
}

static void expect_words(const char *text, size_t n, const char *const *want)
{
    tsri_words w = read_words(text);
    if (w.n != n)
        fail_msg("'%s': %zu words, wanted %zu", text, w.n, n);
    for (size_t i = 0; i < n; i++)
        if (w.at[i].to - w.at[i].from != strlen(want[i]) || memcmp(w.text.at + w.at[i].from, want[i], strlen(want[i])) != 0)
            fail_msg("'%s': word %zu is '%.*s', wanted '%s'", text, i, (int)(w.at[i].to - w.at[i].from),
                     w.text.at + w.at[i].from, want[i]);
    tsri_words_deinit(&w);
}

#define WORDS(text, ...) \
    expect_words(text, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

static void words_are_what_stands_between_white_space(void **state)
{
    (void)state;
    WORDS("one two", "one", "two");
    WORDS("  Well,\n\tthat's\x01it. ", "Well,", "that's", "it.");
    WORDS("don't (really) stop", "don't", "(really)", "stop");
    WORDS("Zürich – schön", "Zürich", "–", "schön");
    tsri_words w = read_words(" \n ");
    assert_int_equal(w.n, 0);
    assert_int_equal(w.text.len, 0);
    tsri_words_deinit(&w);
    w = read_words("a\xff z");
    assert_memory_equal(w.text.at, "a\xef\xbf\xbd z", 6);
    tsri_words_deinit(&w);
}

static void scripts_without_spaces_have_a_word_for_each_character(void **state)
{
    (void)state;
    WORDS("今日は。OK です", "今", "日", "は。", "OK", "で", "す");
    WORDS("ที่", "ที่"); /* a consonant and two marks */
}

static void case_and_punctuation_do_not_count(void **state)
{
    (void)state;
    tsri_words a = read_words("Hello, WORLD! É"), b = read_words("hello world é");
    for (size_t i = 0; i < 3; i++)
        assert_true(a.at[i].key == b.at[i].key && a.at[i].key != 0);
    tsri_words_deinit(&a);
    tsri_words_deinit(&b);
    a = read_words("- ... \"");
    for (size_t i = 0; i < a.n; i++)
        assert_true(a.at[i].key == 0);
    tsri_words_deinit(&a);
}

static void ends_can_be_taken_off(void **state)
{
    (void)state;
    tsri_words w = read_words("one two three four");
    tsri_words_keep_front(&w, 3);
    tsri_words_drop_front(&w, 1);
    assert_int_equal(w.n, 2);
    assert_int_equal(w.text.len, 9);
    assert_memory_equal(w.text.at, "two three", 9);
    assert_int_equal(w.at[1].from, 4);
    tsri_words_drop_front(&w, 7);
    assert_int_equal(w.n, 0);
    assert_int_equal(w.text.len, 0);
    tsri_words_deinit(&w);
}

/* ---- stuck ---- */

static void expect_stuck(const char *text, double seconds, const char *why)
{
    tsri_words w = read_words(text);
    const char *got = tsri_words_stuck(&w, seconds);
    if ((got == NULL) != (why == NULL) || (why && !strstr(got, why)))
        fail_msg("'%.60s': %s, wanted %s", text, got ? got : "not stuck", why ? why : "not stuck");
    tsri_words_deinit(&w);
}

static void loops_are_found(void **state)
{
    char text[4096] = "";
    (void)state;
    expect_stuck("the cat sat on the the the the the the the the", 10, "again");
    expect_stuck("so it goes and goes. So it goes and goes, so it goes and goes; so it goes and goes so it goes", 20, "again");
    expect_stuck("a b a b a b a b a b", 20, "again");
    expect_stuck("one two three four five six seven eight one two three four five six seven eight one two three four five "
                 "six seven eight", 30, "again");
    expect_stuck("哈哈哈哈哈哈哈哈哈哈", 10, "again");
    for (size_t i = 0; i < 100; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "la");
    expect_stuck(text, 30, "without an end");
    text[0] = '\0';
    for (size_t i = 0; i < 120; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "w%zu ", i * 7919 % 1000);
    expect_stuck(text, 5, "more words");
    expect_stuck(text, 30, NULL);
}

static void what_people_do_say_is_no_loop(void **state)
{
    (void)state;
    expect_stuck("", 10, NULL);
    expect_stuck("no, no, no, no, no! not again", 5, NULL);
    expect_stuck("one two three one two three four", 5, NULL);
    expect_stuck("row, row, row your boat, gently down the stream, merrily merrily merrily merrily, life is but a dream", 12,
                 NULL);
    expect_stuck("the sun is up and the day is warm, the sun is up and the day is long", 9, NULL);
    expect_stuck("Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", 6, NULL);
    expect_stuck("7 7 3 7 1 7 7 2", 6, NULL);
}

/* ---- seams ---- */

/* Join a and b where n_a and n_b words are expected to be the same, and compare. */
static void expect_joined(const char *a, size_t n_a, const char *b, size_t n_b, bool aligned, const char *want)
{
    tsri_words x = read_words(a), y = read_words(b);
    size_t keep, skip;
    bool got = tsri_words_seam(&x, 0, n_a, &y, n_b, &keep, &skip);
    char text[1024];
    tsri_words_keep_front(&x, keep);
    tsri_words_drop_front(&y, skip);
    snprintf(text, sizeof text, "%.*s%s%.*s", (int)x.text.len, x.text.len ? x.text.at : "",
             x.n && tsri_words_want_space(&y) ? " " : "", (int)y.text.len, y.text.len ? y.text.at : "");
    if (got != aligned || strcmp(text, want) != 0)
        fail_msg("'%s' + '%s' gives '%s' (%s), wanted '%s'", a, b, text, got ? "aligned" : "estimated", want);
    tsri_words_deinit(&x);
    tsri_words_deinit(&y);
}

static void common_words_stand_once(void **state)
{
    (void)state;
    expect_joined("the door is open go to", 3, "is open go to the garden", 4, true, "the door is open go to the garden");
    expect_joined("we met in Paris", 1, "Paris is large", 1, true, "we met in Paris is large");
    expect_joined("A B C D E F", 3, "D, e. F G", 3, true, "A B C D E F G"); /* the seam is within D, E, F */
}

static void words_cut_at_an_edge_do_not_hinder(void **state)
{
    (void)state;
    expect_joined("the door is open go ta", 3, "en go to the garden", 3, true, "the door is open go to the garden");
    expect_joined("one two three for", 3, "woo three four five six", 3, true, "one two three four five six");
    expect_joined("one two three", 3, "to three four five", 3, true, "one two three four five");
}

static void a_word_that_one_of_them_missed_is_kept_or_left_by_its_half(void **state)
{
    (void)state;
    expect_joined("a b c d e f g", 5, "c d x e f g h", 5, true, "a b c d e f g h"); /* x is in the half of a */
    expect_joined("a b c d e f g", 5, "c d e f x g h", 5, true, "a b c d e f x g h");
    expect_joined("a b c d x e f g", 5, "c d e f g h", 5, true, "a b c d x e f g h");
}

static void repeated_words_are_joined_by_how_many_are_expected(void **state)
{
    (void)state;
    expect_joined("one go go go", 3, "go go go two", 3, true, "one go go go two");
    expect_joined("one go go", 1, "go go two", 1, true, "one go go go two");
    expect_joined("one go go go go go go go go", 3, "go go go go go go go go two", 3, true,
                  "one go go go go go go go go go go go go go two");
    expect_joined("4 7 7 1 7 2 7", 3, "7 2 7 7 5", 3, true, "4 7 7 1 7 2 7 7 5");
}

static void without_common_words_the_middle_is_taken(void **state)
{
    (void)state;
    expect_joined("a b c d", 2, "x y z", 2, false, "a b c y z");
    expect_joined("", 0, "x y", 0, false, "x y");
    expect_joined("a b", 0, "", 0, false, "a b");
    expect_joined("a b ...", 1, "- x y", 1, false, "a b ... - x y"); /* signs alone are nothing in common */
}

static void scripts_without_spaces_are_joined_too(void **state)
{
    (void)state;
    expect_joined("今日は天気が", 3, "天気がいい", 3, true, "今日は天気がいい");
}

static void what_is_told_already_stays(void **state)
{
    (void)state;
    tsri_words a = read_words("a b c d e f"), b = read_words("a b c d e f g");
    size_t keep, skip;
    assert_true(tsri_words_seam(&a, 4, 2, &b, 2, &keep, &skip));
    assert_true(keep >= 4);
    tsri_words_deinit(&a);
    tsri_words_deinit(&b);
}

static void reading_survives_every_failed_allocation(void **state)
{
    (void)state;
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        tsri_words w = {0};
        tsr_alloc_fail_at(k);
        tsr_status st = tsri_words_read(&w, "One, two three", 14, NULL);
        tsr_alloc_fail_at(0);
        tsri_words_deinit(&w);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK)
            break;
        assert_int_equal(st, TSR_ERR_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_what_stands_between_white_space),
        cmocka_unit_test(scripts_without_spaces_have_a_word_for_each_character),
        cmocka_unit_test(case_and_punctuation_do_not_count),
        cmocka_unit_test(ends_can_be_taken_off),
        cmocka_unit_test(loops_are_found),
        cmocka_unit_test(what_people_do_say_is_no_loop),
        cmocka_unit_test(common_words_stand_once),
        cmocka_unit_test(words_cut_at_an_edge_do_not_hinder),
        cmocka_unit_test(a_word_that_one_of_them_missed_is_kept_or_left_by_its_half),
        cmocka_unit_test(repeated_words_are_joined_by_how_many_are_expected),
        cmocka_unit_test(without_common_words_the_middle_is_taken),
        cmocka_unit_test(scripts_without_spaces_are_joined_too),
        cmocka_unit_test(what_is_told_already_stays),
        cmocka_unit_test(reading_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
