/* The error record: the first cause is kept, stays one line, and no call minds a NULL. */
#include "test_main.h"

#include <errno.h>

#include "tsr_log.h"

static void first_failure_wins(void **state)
{
    (void)state;
    tsr_error e = {0};
    assert_int_equal(tsr_fail(&e, TSR_ERR_DATA, "wav: %d channels", 0), TSR_ERR_DATA);
    assert_int_equal(tsr_fail(&e, TSR_ERR_IO, "later"), TSR_ERR_IO);
    assert_int_equal(e.status, TSR_ERR_DATA);
    assert_string_equal(e.text, "wav: 0 channels");
    tsr_error_clear(&e);
    assert_int_equal(e.status, TSR_OK);
    assert_string_equal(e.text, "");
}

static void null_error_is_fine(void **state)
{
    (void)state;
    assert_int_equal(tsr_fail(NULL, TSR_ERR_IO, "unseen"), TSR_ERR_IO);
    tsr_error_clear(NULL);
}

static void text_stays_one_line_and_terminated(void **state)
{
    (void)state;
    char name[2 * TSR_ERROR_TEXT];
    tsr_error e = {0};
    tsr_fail(&e, TSR_ERR_DATA, "a\nb\r\x1b[31m\tc");
    assert_string_equal(e.text, "a?b??[31m?c");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    tsr_error_clear(&e);
    tsr_fail(&e, TSR_ERR_DATA, "%s", name);
    assert_int_equal(strlen(e.text), TSR_ERROR_TEXT - 1);
}

static void text_is_valid_utf8_whatever_a_name_holds(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xff\xfe|\xc3|\x80", "??|?|?"},
        {"\xc0\xaf|\xe0\x80\xaf|\xed\xa0\x80|\xf4\x90\x80\x80", "??|???|???|????"},
        {"cut \xe2\x82", "cut ??"},
        {"c1 \xc2\x9b[31m", "c1 ??[31m"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_error e = {0};
        tsr_fail(&e, TSR_ERR_DATA, "%s", cases[i][0]);
        assert_string_equal(e.text, cases[i][1]);
    }
}

static void every_status_has_its_own_name(void **state)
{
    (void)state;
    for (int a = TSR_ERR_CANCELLED; a <= TSR_OK; a++) {
        assert_string_not_equal(tsr_status_name((tsr_status)a), "unknown status");
        for (int b = TSR_ERR_CANCELLED; b < a; b++)
            assert_string_not_equal(tsr_status_name((tsr_status)a), tsr_status_name((tsr_status)b));
    }
    assert_string_equal(tsr_status_name((tsr_status)-1000), "unknown status");
}

static void errno_maps_as_documented(void **state)
{
    (void)state;
    assert_int_equal(tsr_status_from_errno(ENOENT), TSR_ERR_NOINPUT);
    assert_int_equal(tsr_status_from_errno(ENOTDIR), TSR_ERR_NOINPUT);
    assert_int_equal(tsr_status_from_errno(EACCES), TSR_ERR_PERM);
    assert_int_equal(tsr_status_from_errno(EPERM), TSR_ERR_PERM);
    assert_int_equal(tsr_status_from_errno(ENOMEM), TSR_ERR_NOMEM);
    assert_int_equal(tsr_status_from_errno(EIO), TSR_ERR_IO);
    assert_int_equal(tsr_status_from_errno(ENOSPC), TSR_ERR_IO);
}

typedef struct heard {
    int n;
    char last[2048];
} heard;

static void listen(void *user, tsr_log_level level, const char *text)
{
    heard *h = user;
    (void)level;
    h->n++;
    strncpy(h->last, text, sizeof h->last - 1);
}

static void log_drops_what_is_too_detailed_and_keeps_one_line(void **state)
{
    (void)state;
    heard h = {0};
    tsr_log log = {.fn = listen, .user = &h, .max_level = TSR_LOG_WARN}, silent = {0};
    char name[3000];
    tsr_log_write(&log, TSR_LOG_INFO, "not heard");
    assert_int_equal(h.n, 0);
    tsr_log_write(&log, TSR_LOG_WARN, "odd\nname %d", 7);
    assert_int_equal(h.n, 1);
    assert_string_equal(h.last, "odd?name 7");
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    tsr_log_write(&log, TSR_LOG_ERROR, "%s", name);
    assert_int_equal(strlen(h.last), 1023);
    tsr_log_write(&silent, TSR_LOG_ERROR, "nobody listens");
    tsr_log_write(NULL, TSR_LOG_ERROR, "nobody listens");
    assert_int_equal(h.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_failure_wins),
        cmocka_unit_test(null_error_is_fine),
        cmocka_unit_test(text_stays_one_line_and_terminated),
        cmocka_unit_test(text_is_valid_utf8_whatever_a_name_holds),
        cmocka_unit_test(every_status_has_its_own_name),
        cmocka_unit_test(errno_maps_as_documented),
        cmocka_unit_test(log_drops_what_is_too_detailed_and_keeps_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
