/* test_batch_cli.c: batch as people run it, with the small model: exit codes, streams, a kill, an interrupt. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "program.h"
#include "test_main.h"
#include "test_tmp.h"

enum { N_LINES = 12 };

static char *root;
static char *calm; /* the answers of a run that nobody disturbed */

/* tessera batch -m MODEL and these words, in the test's folder. */
static pid_t start(const char *words)
{
    static char verb[] = "batch", m[] = "-m", model[] = TSR_SOURCE_DIR "/models/nano";
    char line[1024], out[512], *given[MAX_ARGS + 1], *argv[MAX_ARGS + 4];
    snprintf(line, sizeof line, "%s", words);
    size_t n = program_words(line, ' ', given);
    memcpy(argv, (char *[]){given[0], verb, m, model}, 4 * sizeof *argv);
    memcpy(argv + 4, given + 1, n * sizeof *argv); /* the NULL at the end too */
    snprintf(out, sizeof out, "%s", test_path(root, "stdout"));
    int in = open("/dev/null", O_RDONLY);
    pid_t pid = program_start(argv, root, in, out, test_path(root, "stderr"));
    close(in);
    return pid;
}

static outcome finish(pid_t pid)
{
    return program_finish(pid, root);
}

static void expect(const char *words, int code, const char *on_stdout, const char *on_stderr)
{
    outcome o = finish(start(words));
    if (o.code != code || !strstr(o.out, on_stdout) || !strstr(o.err, on_stderr))
        fail_msg("%s: wanted %d, '%s', '%s'; got %d, '%s', '%s'", words, code, on_stdout, on_stderr, o.code, o.out,
                 o.err);
    forget(&o);
}

static void expect_calm(const char *name)
{
    size_t len;
    char *got = (char *)test_read_file(test_path(root, name), &len);
    assert_string_equal(got, calm);
    free(got);
}

static void write_manifest(const char *name, bool has_bad)
{
    char text[4096];
    size_t at = 0;
    for (int i = 0; i < N_LINES; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "{\"id\":\"q%d\",\"prompt\":\"What is this?\",\"%s\":%d}\n",
                               i, has_bad && i == 3 ? "max_token" : "max_tokens", 6 + i % 3);
    test_write_file(test_path(root, name), text, at);
}

static void a_batch_is_summed_up(void **state)
{
    size_t len;
    (void)state;
    expect("good -o calm --temperature 0", 0, "", "12 of 12 lines answered, 12 of them now; 0 failed");
    calm = (char *)test_read_file(test_path(root, "calm"), &len);
    expect("good -o calm --json", 0,
           "{\"lines\":12,\"before\":12,\"done\":0,\"failed\":0,\"shard\":0,\"shards\":1,\"cancelled\":false}",
           "goes on after 12 of 12 lines");
    expect("bad -o bad.out --temperature 0 --progress json", 65, "",
           "{\"stage\":\"batch\",\"done\":12,\"total\":12,\"failed\":1,");
    expect("bad -o bad.out --resume", 65, "", "12 of 12 lines answered, 0 of them now; 1 failed");
}

/* As `ask` would: notes on windows where a film is too long for the context, frames where scenes begin. */
static void films_are_watched(void **state)
{
    char text[1024];
    size_t len;
    snprintf(text, sizeof text,
             "{\"id\":1,\"video\":\"%s/samples/crossing.mp4\",\"prompt\":\"What happens?\",\"fps\":1}\n"
             "{\"id\":2,\"video\":\"%s/samples/lights.mkv\",\"prompt\":\"What?\",\"fps\":0.5,\"frames\":\"auto\"}\n",
             TSR_SOURCE_DIR, TSR_SOURCE_DIR);
    (void)state;
    test_write_file(test_path(root, "films"), text, strlen(text));
    expect("films -o films.out --temperature 0 --ctx 640", 0, "", "2 of 2 lines answered");
    char *got = (char *)test_read_file(test_path(root, "films.out"), &len), *second = strstr(got, "{\"id\":2,");
    assert_non_null(strstr(got, "\"film\":{\"plan\":{\"mode\":\"windows\",\"fps\":1.0,\"frames\":7,\"windows\":3,"));
    assert_non_null(strstr(got, "\"from\":6.0,\"to\":7.0,\"text\":\""));
    assert_non_null(second);
    assert_non_null(strstr(second, "\"frame_times\":[0.0,1.5,3.0]"));
    free(got);
}

static void wrong_usage_is_told(void **state)
{
    (void)state;
    expect("good", 2, "", "batch takes one MANIFEST and -o OUT");
    expect("good -o x --resume --restart", 2, "", "exclude each other");
    expect("good -o x --shard 2/2", 2, "", "shards are counted from 0");
    expect("good -o good", 2, "", "is the manifest itself");
    expect("gone -o x", 66, "", "gone: cannot be opened");
    expect("bad -o calm --shard 0/2", 2, "", "is no line of shard 0/2");
}

/* Until the file holds a line, so that something is there to be kept. */
static void wait_for_a_line(const char *name)
{
    struct stat sb;
    for (int i = 0; i < 30000 && (stat(test_path(root, name), &sb) != 0 || sb.st_size == 0); i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void a_kill_loses_and_doubles_nothing(void **state)
{
    (void)state;
    pid_t pid = start("good -o killed --temperature 0");
    wait_for_a_line("killed");
    kill(pid, SIGKILL);
    outcome o = finish(pid);
    assert_true(o.code == 128 + SIGKILL || o.code == 0); /* 0: it was faster */
    forget(&o);
    expect("good -o killed --temperature 0", 0, "", "12 of 12 lines answered");
    expect_calm("killed");
}

static void an_interrupt_ends_it_in_order(void **state)
{
    (void)state;
    pid_t pid = start("good -o stopped --temperature 0");
    wait_for_a_line("stopped");
    kill(pid, SIGTERM);
    outcome o = finish(pid);
    assert_true(o.code == 130 || o.code == 0);
    assert_non_null(strstr(o.err, "of 12 lines answered"));
    forget(&o);
    expect("good -o stopped --temperature 0", 0, "", "12 of 12 lines answered");
    expect_calm("stopped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_summed_up),
        cmocka_unit_test(films_are_watched),
        cmocka_unit_test(wrong_usage_is_told),
        cmocka_unit_test(a_kill_loses_and_doubles_nothing),
        cmocka_unit_test(an_interrupt_ends_it_in_order),
    };
    root = test_tmp_make();
    write_manifest("good", false);
    write_manifest("bad", true);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(calm);
    test_tmp_remove(root);
    return failed;
}
