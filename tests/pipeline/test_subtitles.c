/* Cues: two lines of 42 columns at most, in order, with the times of what was cut; and the files made of them. */
#include "test_main.h"

#include <stdio.h>

#include "subtitles.h"
#include "tsr_alloc.h"

typedef struct made {
    tsri_cue at[64];
    char lines[64][2][256];
    size_t n;
} made;

static tsr_status take(void *user, const tsri_cue *c, tsr_error *err)
{
    made *m = user;
    (void)err;
    assert_true(m->n < 64);
    m->at[m->n] = *c;
    for (size_t i = 0; i < 2; i++)
        snprintf(m->lines[m->n][i], sizeof m->lines[0][0], "%.*s", (int)c->lens[i], c->lens[i] ? c->lines[i] : "");
    m->n++;
    return TSR_OK;
}

/* Of the characters that occur here: an accent of two bytes, wide ones of three. */
static size_t columns(const char *s)
{
    size_t n = 0;
    for (size_t i = 0; s[i]; i++) {
        unsigned char c = (unsigned char)s[i];
        bool begins = (c & 0xc0) != 0x80 && c != 0xcc;
        n += !begins ? 0 : c >= 0xe3 && c < 0xf0 ? 2 : 1;
    }
    return n;
}

static const tsri_window second = {.from = 50, .to = 150, .voiced = {{50, 150}}, .n_voiced = 1};

static made make(const char *text, const tsri_window *w, double offset, int64_t *last)
{
    static made m;
    tsri_words words = {0};
    int64_t none = 0;
    m.n = 0;
    assert_int_equal(tsri_words_read(&words, text, strlen(text), NULL), TSR_OK);
    assert_int_equal(tsri_cues_make(&words, w, offset, last ? last : &none, take, &m, NULL), TSR_OK);
    tsri_words_deinit(&words);
    for (size_t i = 0; i < m.n; i++) {
        assert_true(columns(m.lines[i][0]) > 0 && columns(m.lines[i][0]) <= 42 && columns(m.lines[i][1]) <= 42);
        assert_true(m.at[i].from_ms < m.at[i].to_ms);
        assert_true(i == 0 || m.at[i].from_ms >= m.at[i - 1].to_ms);
    }
    return m;
}

static void a_short_text_is_one_line_with_the_times_of_speech(void **state)
{
    (void)state;
    made m = make("The door is open.", &second, 0, NULL);
    assert_int_equal(m.n, 1);
    assert_string_equal(m.lines[0][0], "The door is open.");
    assert_int_equal(m.at[0].from_ms, 1000);
    assert_int_equal(m.at[0].to_ms, 3000);
    assert_false(m.at[0].from_is_guess || m.at[0].to_is_guess);
    m = make("The door is open.", &second, 2.5, NULL);
    assert_int_equal(m.at[0].from_ms, 3500);
    assert_int_equal(make("", &second, 0, NULL).n, 0);
}

static void two_lines_are_of_like_length(void **state)
{
    (void)state;
    made m = make("When the door is open at night you can hear the river", &second, 0, NULL);
    assert_int_equal(m.n, 1);
    assert_string_equal(m.lines[0][0], "When the door is open at");
    assert_string_equal(m.lines[0][1], "night you can hear the river");
}

static void long_texts_are_several_cues_whose_inner_times_are_guesses(void **state)
{
    (void)state;
    const tsri_window w = {.from = 0, .to = 1000, .voiced = {{0, 300}, {400, 1000}}, .n_voiced = 2};
    made m = make("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
                  "eighteen nineteen twenty twentyone twentytwo twentythree twentyfour twentyfive twentysix", &w, 0, NULL);
    assert_int_equal(m.n, 3);
    assert_false(m.at[0].from_is_guess);
    assert_true(m.at[0].to_is_guess && m.at[1].from_is_guess && m.at[1].to_is_guess && m.at[2].from_is_guess);
    assert_false(m.at[2].to_is_guess);
    assert_int_equal(m.at[0].from_ms, 0);
    assert_int_equal(m.at[2].to_ms, 20000);
}

static void sentences_end_cues(void **state)
{
    (void)state;
    made m = make("Good morning to you all. The sun is up. It is warm, and so we go to the garden.", &second, 0, NULL);
    assert_int_equal(m.n, 2);
    assert_string_equal(m.lines[0][0], "Good morning to you all.");
}

static void a_window_cut_in_speech_has_guesses_at_that_end(void **state)
{
    (void)state;
    tsri_window w = second;
    w.ends = TSRI_CUT_OVERLAP;
    made m = make("hello", &w, 0, NULL);
    assert_true(!m.at[0].from_is_guess && m.at[0].to_is_guess);
    w = second;
    w.begins = TSRI_CUT_OVERLAP;
    m = make("hello", &w, 0, NULL);
    assert_true(m.at[0].from_is_guess && !m.at[0].to_is_guess);
}

static void words_too_long_for_a_line_are_cut(void **state)
{
    (void)state;
    char text[200];
    memset(text, 'x', 100);
    text[100] = '\0';
    made m = make(text, &second, 0, NULL);
    assert_int_equal(m.n, 2);
    assert_int_equal(strlen(m.lines[0][0]), 42);
    assert_int_equal(strlen(m.lines[0][1]), 42);
    assert_int_equal(strlen(m.lines[1][0]), 16);
}

static void wide_characters_take_two_columns(void **state)
{
    (void)state;
    made m = make("今日は天気がいいですから公園に行きましょうと言いましたそして帰りました", &second, 0, NULL);
    assert_int_equal(m.n, 1);
    assert_true(strlen(m.lines[0][1]) > 0);
}

static void cues_never_go_back(void **state)
{
    (void)state;
    int64_t last = 0;
    make("hello there", &second, 0, &last);
    assert_int_equal(last, 3000);
    made m = make("and here", &second, 0, &last); /* the same place again */
    assert_int_equal(m.at[0].from_ms, 3000);
    assert_int_equal(m.at[0].to_ms, 3001);
    assert_int_equal(last, 3001);
}

/* Hundreds of texts of odd words: the checks of make() hold for each. */
static void limits_hold_for_any_text(void **state)
{
    (void)state;
    static const char *const parts[] = {"a", "of", "house", "extraordinary", "。", "天", "e\xcc\x81", "x.", "!",
                                        "0123456789012345", "ÄÖÜ", "https://example.org/a/very/long/path/that/never/ends/at/all?x=1"};
    uint32_t seed = 5;
    for (size_t round = 0; round < 300; round++) {
        char text[2000] = "";
        for (size_t i = 0; i < 1 + round % 60; i++) {
            seed = seed * 1664525u + 1013904223u;
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", seed >> 31 ? " " : "",
                     parts[(seed >> 20) % 12]);
        }
        make(text, &second, 0, NULL);
    }
}

/* ---- files ---- */

static void expect_form(tsri_cue_form form, const char *head, const char *want)
{
    const tsri_cue c = {.from_ms = 3723004, .to_ms = 36000000, .lines = {"a <b> & c --> d", "two"}, .lens = {15, 3}};
    tsr_text out = {0};
    assert_string_equal(tsri_cue_head(form), head);
    assert_int_equal(tsri_cue_write(&out, form, 7, &c, NULL), TSR_OK);
    assert_int_equal(out.len, strlen(want));
    assert_memory_equal(out.at, want, out.len);
    tsr_text_deinit(&out);
}

static void files_are_as_others_read_them(void **state)
{
    (void)state;
    expect_form(TSRI_CUE_SRT, "", "7\n01:02:03,004 --> 10:00:00,000\na <b> & c -> d\ntwo\n\n");
    expect_form(TSRI_CUE_VTT, "WEBVTT\n\n", "01:02:03.004 --> 10:00:00.000\na &lt;b&gt; &amp; c --&gt; d\ntwo\n\n");
    expect_form(TSRI_CUE_TSV, "start\tend\ttext\n", "3723004\t36000000\ta <b> & c --> d two\n");
}

static void cues_survive_every_failed_allocation(void **state)
{
    (void)state;
    tsri_words words = {0};
    const char *text = "some words that are made into a cue";
    assert_int_equal(tsri_words_read(&words, text, strlen(text), NULL), TSR_OK);
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        made m = {.n = 0};
        int64_t last = 0;
        tsr_alloc_fail_at(k);
        tsr_status st = tsri_cues_make(&words, &second, 0, &last, take, &m, NULL);
        tsr_alloc_fail_at(0);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK)
            break;
        assert_int_equal(st, TSR_ERR_NOMEM);
    }
    tsri_words_deinit(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_text_is_one_line_with_the_times_of_speech),
        cmocka_unit_test(two_lines_are_of_like_length),
        cmocka_unit_test(long_texts_are_several_cues_whose_inner_times_are_guesses),
        cmocka_unit_test(sentences_end_cues),
        cmocka_unit_test(a_window_cut_in_speech_has_guesses_at_that_end),
        cmocka_unit_test(words_too_long_for_a_line_are_cut),
        cmocka_unit_test(wide_characters_take_two_columns),
        cmocka_unit_test(cues_never_go_back),
        cmocka_unit_test(limits_hold_for_any_text),
        cmocka_unit_test(files_are_as_others_read_them),
        cmocka_unit_test(cues_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
