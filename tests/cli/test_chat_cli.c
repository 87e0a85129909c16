/* test_chat_cli.c: chat as people use it: lines of a pipe as turns, and a person at a terminal who interrupts. */
#define _XOPEN_SOURCE 700 /* pseudo terminals */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hash_model.h"
#include "program.h"
#include "test_main.h"
#include "test_tmp.h"
#include "tsr_json.h"

static char *root;
static char random_model[512]; /* says nonsense, and goes on */

#define NANO TSR_SOURCE_DIR "/models/nano"
#define SAMPLES TSR_SOURCE_DIR "/samples/"

/* ---- a pipe ---- */

static outcome talk(const char *words, const char *lines)
{
    char line[1024], in[512], out[512], *argv[MAX_ARGS + 1];
    snprintf(line, sizeof line, "chat|-m|%s%s", NANO, words);
    program_words(line, '|', argv);
    snprintf(in, sizeof in, "%s", test_path(root, "lines"));
    snprintf(out, sizeof out, "%s", test_path(root, "stdout"));
    test_write_file(in, lines, strlen(lines));
    int from = open(in, O_RDONLY);
    pid_t pid = program_start(argv, root, from, out, test_path(root, "stderr"));
    close(from);
    return program_finish(pid, root);
}

static size_t count_lines(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += *s == '\n';
    return n;
}

static void every_line_is_answered(void **state)
{
    (void)state;
    outcome o = talk("|--temperature|0|" SAMPLES "shapes.png", "How many objects are there?\n\n  \nIs there a circle?\n");
    assert_int_equal(o.code, 0);
    assert_int_equal(count_lines(o.out), 2);
    assert_string_equal(o.err, "");
    forget(&o);
}

static size_t usage_of(const char *json, const char *key)
{
    tsr_json *v;
    tsr_error e = {TSR_OK, ""};
    size_t n = 0;
    if (tsr_json_parse(&v, json, strcspn(json, "\n"), "output", &e) != TSR_OK)
        fail_msg("%s: %s", json, e.text);
    tsr_json_to_size(tsr_json_get(tsr_json_get(v, "usage"), key), &n);
    tsr_json_free(v);
    return n;
}

static void a_second_turn_reads_what_is_new(void **state)
{
    (void)state;
    outcome o = talk("|--temperature|0|--json|" SAMPLES "shapes.png", "How many objects are there?\nIs there a circle?\n");
    assert_int_equal(o.code, 0);
    assert_int_equal(count_lines(o.out), 2);
    const char *second = strchr(o.out, '\n') + 1;
    assert_int_equal(usage_of(o.out, "cached_tokens"), 0);
    assert_true(usage_of(second, "cached_tokens") >= usage_of(o.out, "prompt_tokens"));
    assert_true(usage_of(second, "prompt_tokens") - usage_of(second, "cached_tokens") < 40);
    forget(&o);
}

static void what_goes_wrong_is_told_and_the_talk_goes_on(void **state)
{
    (void)state;
    outcome o = talk("|--temperature|0", "/image nowhere.png\n/frobnicate\n/undo\n/think maybe\n/stats x\nhello\n");
    assert_int_equal(o.code, 66); /* of what came first */
    assert_int_equal(count_lines(o.out), 1);
    assert_non_null(strstr(o.err, "nowhere.png: "));
    assert_non_null(strstr(o.err, "unknown command; /help lists them: frobnicate"));
    assert_non_null(strstr(o.err, "nothing was asked yet"));
    assert_non_null(strstr(o.err, "/think takes on or off"));
    assert_non_null(strstr(o.err, "takes no argument: stats"));
    forget(&o);
    o = talk("|nowhere.png", "hello\n"); /* on the command line it ends the chat */
    assert_int_equal(o.code, 66);
    assert_string_equal(o.out, "");
    forget(&o);
}

static void options_are_of_the_first_turn(void **state)
{
    (void)state;
    outcome words = talk("|--temperature|0|--json|" SAMPLES "shapes.png", "/system Be brief.\nIs there a circle?\n");
    outcome o = talk("|--temperature|0|--json|--system|Be brief.|--image|" SAMPLES "shapes.png", "Is there a circle?\n");
    assert_int_equal(o.code, 0);
    assert_int_equal(usage_of(o.out, "prompt_tokens"), usage_of(words.out, "prompt_tokens"));
    assert_true(usage_of(o.out, "image_tokens") > 0);
    forget(&o);
    forget(&words);
    o = talk("|--audio|nowhere.wav", "hello\n");
    assert_int_equal(o.code, 66);
    assert_string_equal(o.out, "");
    forget(&o);
}

static void a_full_context_is_told_and_nothing_is_dropped(void **state)
{
    (void)state;
    outcome o = talk("|--temperature|0|--ctx|32|--json",
                     "hello\nA question of so many words that it can't have a place in thirty-two positions, whatever it asks for.\n/undo\nhello\n");
    assert_int_equal(o.code, 65);
    assert_int_equal(count_lines(o.out), 2); /* of what fits, and again of that */
    assert_non_null(strstr(o.err, "the context 32; up to 32768 can be asked for (ctx)"));
    assert_int_equal(usage_of(strchr(o.out, '\n') + 1, "prompt_tokens"), usage_of(o.out, "prompt_tokens"));
    forget(&o);
    o = talk("|--temperature|0|--max-tokens|2|" SAMPLES "shapes.png", "Describe this image.\n");
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.err, "(cut: as long as --max-tokens permits)"));
    forget(&o);
    o = talk("|--temperature|0|--ctx|80|" SAMPLES "shapes.png", "Describe this image.\n");
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.err, "(cut: the context is full; --ctx raises it"));
    forget(&o);
}

static void what_is_saved_is_answered_alike(void **state)
{
    char line[1024], out[512], *argv[MAX_ARGS + 1];
    (void)state;
    outcome o = talk("|--temperature|0|" SAMPLES "shapes.png", "How many objects are there?\n/save talk.json\nIs there a circle?\n");
    assert_int_equal(o.code, 0);
    char *last = strdup(strchr(o.out, '\n') + 1);
    forget(&o);
    snprintf(line, sizeof line, "ask|-m|%s|--temperature|0|--history|talk.json|Is there a circle?", NANO);
    program_words(line, '|', argv);
    snprintf(out, sizeof out, "%s", test_path(root, "stdout"));
    int none = open("/dev/null", O_RDONLY);
    o = program_finish(program_start(argv, root, none, out, test_path(root, "stderr")), root);
    close(none);
    assert_int_equal(o.code, 0);
    assert_string_equal(o.out, last);
    forget(&o);
    o = talk("|--temperature|0", "/load talk.json\nIs there a circle?\n/save talk.json\n"); /* its own: may be replaced */
    assert_int_equal(o.code, 0);
    assert_string_equal(o.out, last);
    forget(&o);
    o = talk("", "/save talk.json\n/save! talk.json\n");
    assert_int_equal(o.code, 2);
    assert_non_null(strstr(o.err, "talk.json: is there already"));
    forget(&o);
    free(last);
}

static void lines_go_on_and_slashes_can_be_said(void **state)
{
    size_t n;
    (void)state;
    outcome o = talk("|--temperature|0", "/system Be\\\nbrief.\none\\\ntwo\n//three\n/save said.json\n");
    assert_int_equal(o.code, 0);
    char *said = (char *)test_read_file(test_path(root, "said.json"), &n);
    assert_non_null(strstr(said, "\"Be\\nbrief.\""));
    assert_non_null(strstr(said, "\"one\\ntwo\""));
    assert_non_null(strstr(said, "\"/three\""));
    free(said);
    forget(&o);
}

/* ---- a terminal ---- */

typedef struct person {
    int fd;
    pid_t pid;
    char seen[1 << 16]; /* all that came so far */
    size_t n;
} person;

static void become(const char *line, char **argv)
{
    setsid();
    int fd = open(line, O_RDWR); /* becomes the terminal of the session */
    if (fd < 0 || dup2(fd, 0) < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(126);
    setenv("TERM", "vt100", 1);
    setenv("XDG_STATE_HOME", root, 1);
    execv(argv[0], argv);
    _exit(127);
}

static person sit_down(const char *model, const char *words)
{
    char line[1024], *argv[MAX_ARGS + 1];
    person p = {.fd = posix_openpt(O_RDWR | O_NOCTTY)};
    snprintf(line, sizeof line, "chat|-m|%s%s", model, words);
    program_words(line, '|', argv);
    if (p.fd < 0 || grantpt(p.fd) != 0 || unlockpt(p.fd) != 0)
        skip(); /* a system without pseudo terminals */
    assert_int_equal(fcntl(p.fd, F_SETFD, FD_CLOEXEC), 0);
    fflush(NULL);
    p.pid = fork();
    if (p.pid == 0)
        become(ptsname(p.fd), argv);
    assert_true(p.pid > 0);
    return p;
}

/* Read until `what` has come `times` times in all; false: the program has ended. */
static bool wait_for(person *p, const char *what, size_t times)
{
    for (;;) {
        size_t n = 0;
        for (const char *at = p->seen; (at = strstr(at, what)); at += strlen(what))
            n++;
        if (n >= times)
            return true;
        struct pollfd poll_fd = {.fd = p->fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 60000) <= 0)
            fail_msg("'%s' didn't come; seen: %s", what, p->seen);
        if (p->n + 1 >= sizeof p->seen) { /* nonsense of a long answer */
            memmove(p->seen, p->seen + p->n / 2, p->n - p->n / 2);
            p->n -= p->n / 2;
        }
        ssize_t got = read(p->fd, p->seen + p->n, sizeof p->seen - 1 - p->n);
        if (got <= 0)
            return false;
        p->n += (size_t)got;
        p->seen[p->n] = '\0';
    }
}

static void type(person *p, const char *keys)
{
    assert_int_equal(write(p->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

static int stand_up(person *p)
{
    wait_for(p, "\001 never", 1);
    int code = program_wait(p->pid);
    close(p->fd);
    return code;
}

static void ctrl_d_ends_it(void **state)
{
    struct stat st;
    (void)state;
    person p = sit_down(NANO, "|--temperature|0|" SAMPLES "shapes.png");
    assert_true(wait_for(&p, "> ", 1));
    type(&p, "How many objects are there?\r");
    assert_true(wait_for(&p, "there?", 1));
    assert_true(wait_for(&p, "> ", 2));
    type(&p, "\004");
    assert_int_equal(stand_up(&p), 0);
    if (stat(test_path(root, "tessera/history"), &st) == 0) /* a build with libedit */
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void ctrl_c_drops_a_line_and_twice_ends_it(void **state)
{
    (void)state;
    person p = sit_down(NANO, "");
    assert_true(wait_for(&p, "> ", 1));
    type(&p, "half a line\003");
    assert_true(wait_for(&p, "(again, or Ctrl-D, to end)", 1));
    type(&p, "/nope\r"); /* something else in between */
    assert_true(wait_for(&p, "unknown command", 1));
    type(&p, "\003");
    assert_true(wait_for(&p, "(again, or Ctrl-D, to end)", 2));
    type(&p, "\003");
    assert_int_equal(stand_up(&p), 130);
}

static void ctrl_c_stops_an_answer_and_the_talk_goes_on(void **state)
{
    (void)state;
    person p = sit_down(random_model, "|--temperature|0|--max-tokens|20000|--stop|never-said");
    assert_true(wait_for(&p, "> ", 1));
    type(&p, "go\r");
    assert_true(wait_for(&p, "go", 1));
    size_t before = p.n;
    while (p.n < before + 200) { /* the answer is coming */
        assert_true(p.n + 100 < sizeof p.seen);
        ssize_t got = read(p.fd, p.seen + p.n, 100);
        assert_true(got > 0);
        p.n += (size_t)got;
        p.seen[p.n] = '\0';
    }
    type(&p, "\003");
    assert_true(wait_for(&p, "(stopped)", 1));
    type(&p, "/stats\r");
    assert_true(wait_for(&p, "2 messages", 1)); /* what was said stays */
    type(&p, "/quit\r");
    assert_int_equal(stand_up(&p), 0);
}

static int set_up(void **state)
{
    tsr_error e = {TSR_OK, ""};
    (void)state;
    root = test_tmp_make();
    snprintf(random_model, sizeof random_model, "%s", test_path(root, "model"));
    return oracle_model_write(random_model, "e2b", &e) == TSR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    test_tmp_remove(root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_answered),
        cmocka_unit_test(a_second_turn_reads_what_is_new),
        cmocka_unit_test(what_goes_wrong_is_told_and_the_talk_goes_on),
        cmocka_unit_test(options_are_of_the_first_turn),
        cmocka_unit_test(a_full_context_is_told_and_nothing_is_dropped),
        cmocka_unit_test(what_is_saved_is_answered_alike),
        cmocka_unit_test(lines_go_on_and_slashes_can_be_said),
        cmocka_unit_test(ctrl_d_ends_it),
        cmocka_unit_test(ctrl_c_drops_a_line_and_twice_ends_it),
        cmocka_unit_test(ctrl_c_stops_an_answer_and_the_talk_goes_on),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
