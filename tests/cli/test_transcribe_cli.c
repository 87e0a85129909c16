/* test_transcribe_cli.c: transcribe as people run it, with the small model: files, folders, pipes, interrupts. What
 * the model hears is its own affair; that it is the same by every way is checked. */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "program.h"
#include "test_main.h"
#include "test_tmp.h"
#include "tsr_json.h"

#define MODEL TSR_SOURCE_DIR "/models/nano"
#define NUMBERS TSR_SOURCE_DIR "/samples/numbers.wav"

#define run(...) program_run(root, __VA_ARGS__)

static char *root;
static char *whole; /* what is heard in NUMBERS */
static pid_t writer; /* into the last pipe */

/* Words are separated by '|'. in: a descriptor for standard input. */
static pid_t start(int in, const char *arguments)
{
    char line[4096], *argv[MAX_ARGS + 1], out[512];
    snprintf(line, sizeof line, "%s", arguments);
    program_words(line, '|', argv);
    snprintf(out, sizeof out, "%s", test_path(root, "stdout"));
    return program_start(argv, NULL, in, out, test_path(root, "stderr"));
}

static outcome finish(pid_t pid)
{
    return program_finish(pid, root);
}

static void wrong_usage_is_told_before_anything_is_opened(void **state)
{
    static const struct {
        const char *line, *says;
    } rows[] = {
        {"transcribe|-m|/no/such", "at least one FILE"},
        {"transcribe|-m|/no/such|-|-", "once"},
        {"transcribe|-m|/no/such|a.wav|--rate|16000", "--rate"},
        {"transcribe|-m|/no/such|a.wav|b.wav|--format|srt", "--output-dir"},
        {"transcribe|-m|/no/such|a.wav|--format|doc", "--format"},
        {"transcribe|-m|/no/such|a.wav|--window|31", "--window"},
        {"transcribe|-m|/no/such|a.wav|--think", "--think"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        outcome o = run("%s", rows[i].line);
        program_expect(&o, 2, rows[i].says);
        assert_string_equal(o.out, "");
        forget(&o);
    }
}

/* One load, several files: lines under headings; a file that is not there is told, and the others are heard. */
static void several_files_stand_under_headings(void **state)
{
    (void)state;
    outcome o = run("transcribe|-m|" MODEL "|--progress|json|" NUMBERS "|/no/such.wav|" NUMBERS);
    program_expect(&o, 66, "/no/such.wav");
    char want[2048];
    snprintf(want, sizeof want, "==> %s <==\n%s\n==> /no/such.wav <==\n\n==> %s <==\n%s", NUMBERS, whole, NUMBERS, whole);
    assert_string_equal(o.out, want);
    assert_non_null(strstr(o.err, "{\"stage\":\"sound\",\"done\":4,\"total\":5,\"seconds_left\":"));
    forget(&o);
}

static void json_is_one_line_for_each_file(void **state)
{
    (void)state;
    outcome o = run("transcribe|-m|" MODEL "|--json|--language|English|" NUMBERS);
    program_expect(&o, 0, "");
    tsr_error e = {TSR_OK, ""};
    tsr_json *v;
    assert_int_equal(o.out[strlen(o.out) - 1], '\n');
    assert_ptr_equal(strchr(o.out, '\n'), o.out + strlen(o.out) - 1);
    if (tsr_json_parse(&v, o.out, strlen(o.out), "output", &e) != TSR_OK)
        fail_msg("%s", e.text);
    static const char *const keys[] = {"file", "duration", "text", "spans", "cues", "seconds", "usage", "timings", "notes"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null(tsr_json_get(v, keys[i]));
    double duration = 0;
    assert_true(tsr_json_to_double(tsr_json_get(v, "duration"), &duration) && fabs(duration - 4.591) < 0.01);
    assert_string_equal(tsr_json_string(tsr_json_get(v, "language"), NULL), "English");
    tsr_json_free(v);
    forget(&o);
}

/* Two files that would have one name keep their extensions; nothing half-written stays. */
static void a_folder_gets_a_file_for_each(void **state)
{
    (void)state;
    char dir[512], other[512];
    size_t n;
    snprintf(dir, sizeof dir, "%s", test_path(root, "subs"));
    snprintf(other, sizeof other, "%s", test_path(root, "numbers.sound"));
    unsigned char *bytes = test_read_file(NUMBERS, &n);
    test_write_file(other, bytes, n);
    free(bytes);
    outcome o = run("transcribe|-m|" MODEL "|--format|srt|-o|%s|" NUMBERS "|%s|/no/such.wav", dir, other);
    program_expect(&o, 66, "/no/such.wav");
    assert_string_equal(o.out, "");
    forget(&o);
    assert_int_equal(test_tmp_count(dir), 2);
    char *a = (char *)test_read_file(test_path(dir, "numbers.wav.srt"), &n);
    char *b = (char *)test_read_file(test_path(dir, "numbers.sound.srt"), &n);
    assert_memory_equal(a, "1\n00:00:00,", 11);
    assert_string_equal(a, b);
    free(a);
    free(b);
    o = run("transcribe|-m|" MODEL "|-o|/proc/none|" NUMBERS);
    assert_true(o.code == 74 || o.code == 66 || o.code == 77);
    assert_non_null(strstr(o.err, "/proc/none"));
    forget(&o);
}

/* ---- standard input ---- */

static int pipe_of(const unsigned char *bytes, size_t n, int *end)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(fcntl(fds[1], F_SETFD, FD_CLOEXEC), 0);
    *end = fds[1];
    writer = fork(); /* more than a pipe holds: a writer of its own */
    if (writer == 0) {
        close(fds[0]);
        while (n > 0) {
            ssize_t k = write(fds[1], bytes, n);
            if (k <= 0)
                _exit(1);
            bytes += k;
            n -= (size_t)k;
        }
        _exit(0);
    }
    assert_true(writer > 0);
    return fds[0];
}

static void a_pipe_is_heard_as_the_file_is(void **state)
{
    (void)state;
    size_t n;
    int end;
    unsigned char *bytes = test_read_file(NUMBERS, &n);
    for (size_t i = 0; i < 2; i++) { /* a WAV; its bare samples */
        int in = pipe_of(i ? bytes + 44 : bytes, i ? n - 44 : n, &end);
        pid_t pid = start(in, i ? "transcribe|-m|" MODEL "|--rate|16000|-" : "transcribe|-m|" MODEL "|-");
        close(in);
        close(end);
        outcome o = finish(pid);
        program_expect(&o, 0, "");
        assert_string_equal(o.out, whole);
        forget(&o);
    }
    free(bytes);
}

/* Until the program has taken all out of the pipe. */
static void wait_until_read(int in)
{
    int left = 1;
    assert_int_equal(waitpid(writer, NULL, 0), writer);
    for (int i = 0; i < 12000 && left > 0; i++) {
        assert_int_equal(ioctl(in, FIONREAD, &left), 0);
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    assert_int_equal(left, 0);
}

static bool wait_for(const char *name, const char *what)
{
    for (int i = 0; i < 12000; i++) { /* two minutes at most */
        size_t n;
        char *text = (char *)test_read_file(test_path(root, name), &n);
        bool found = strstr(text, what) != NULL;
        free(text);
        if (found)
            return true;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    return false;
}

/* The pipe stays open, as a microphone's does. What was said last is heard when the interrupt comes; and what was
 * followed by silence is there before. */
static void an_interrupt_writes_down_what_was_said(void **state)
{
    (void)state;
    size_t n;
    int end;
    unsigned char *bytes = test_read_file(NUMBERS, &n), *all = calloc(1, 2 * n + 64000);
    assert_non_null(all);
    memcpy(all, bytes + 44, n - 44);
    memcpy(all + n - 44 + 48000, bytes + 44, n - 44); /* a second and a half of silence between */
    for (size_t i = 0; i < 2; i++) {
        int in = pipe_of(all, i ? 2 * (n - 44) + 48000 : n - 44, &end);
        pid_t pid = start(in, "transcribe|-m|" MODEL "|--rate|16000|--progress|json|-");
        assert_true(wait_for(i ? "stdout" : "stderr", i ? whole : "\"sound\""));
        wait_until_read(in);
        close(in);
        kill(pid, SIGINT);
        outcome o = finish(pid);
        close(end);
        program_expect(&o, 130, "");
        size_t len = strlen(whole);
        assert_true(strncmp(o.out, whole, len) == 0);
        if (i) /* it may be heard otherwise there, but it is heard */
            assert_true(strlen(o.out + len) > len / 2);
        else
            assert_string_equal(o.out, whole);
        forget(&o);
    }
    free(bytes);
    free(all);
}

static int setup(void **state)
{
    (void)state;
    root = test_tmp_make();
    signal(SIGPIPE, SIG_IGN);
    outcome o = run("transcribe|-m|" MODEL "|" NUMBERS);
    program_expect(&o, 0, "");
    assert_true(strlen(o.out) > 3);
    whole = o.out;
    free(o.err);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_tmp_remove(root);
    free(whole);
    while (waitpid(-1, NULL, WNOHANG) > 0) /* the writers */
        continue;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_is_told_before_anything_is_opened),
        cmocka_unit_test(several_files_stand_under_headings),
        cmocka_unit_test(json_is_one_line_for_each_file),
        cmocka_unit_test(a_folder_gets_a_file_for_each),
        cmocka_unit_test(a_pipe_is_heard_as_the_file_is),
        cmocka_unit_test(an_interrupt_writes_down_what_was_said),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
