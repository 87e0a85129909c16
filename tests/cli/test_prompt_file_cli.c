/* test_prompt_file_cli.c: a prompt in a file is the prompt of the same parts, and what is wrong with it is told by line. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "program.h"
#include "test_main.h"
#include "test_tmp.h"

static char *root;

#define NANO TSR_SOURCE_DIR "/models/nano"
#define SHAPES TSR_SOURCE_DIR "/samples/shapes.png"

static void put(const char *name, const char *text)
{
    test_write_file(test_path(root, name), text, strlen(text));
}

/* Words behind the command and the model, cut at '|'; standard input is the file `in` of root, or nothing. */
static outcome run(const char *command, const char *words, const char *in)
{
    char line[2048], out[512], *argv[MAX_ARGS + 1];
    snprintf(line, sizeof line, "%s|-m|%s|--temperature|0|--max-tokens|8|%s", command, NANO, words);
    program_words(line, '|', argv);
    snprintf(out, sizeof out, "%s", test_path(root, "stdout"));
    int from = open(in ? test_path(root, in) : "/dev/null", O_RDONLY);
    outcome o = program_finish(program_start(argv, root, from, out, test_path(root, "stderr")), root);
    close(from);
    return o;
}

static unsigned char *prompt_ids(const char *words, size_t *len)
{
    char line[1024];
    snprintf(line, sizeof line, "--dump|ids|%s", words);
    outcome o = run("run", line, NULL);
    if (o.code != 0)
        fail_msg("%s: %s", words, o.err);
    forget(&o);
    return test_read_file(test_path(root, "ids/prompt_ids.npy"), len);
}

static void it_is_the_prompt_of_its_parts(void **state)
{
    static const struct {
        const char *text, *parts;
    } cases[] = {
        {"Look: {{image:pics/a.png}} and say\nwhat it is.\n", "--text|Look: |--image|pics/a.png|--text| and say\nwhat it is."},
        {"{{file:a.png}}{{image:" SHAPES "}}", "--image|pics/a.png|--image|pics/a.png"},
        {"{{ name }} \\{{image:x}} {{x", "--text|{{ name }} |--text|{{image:x}} {{x"},
        {"{{{image:a.png}}}", "--text|{|--image|pics/a.png|--text|}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n, wanted_n;
        const char *name = i == 0 ? "p.txt" : "pics/p.txt"; /* paths start where the prompt lies */
        char words[64];
        put(name, cases[i].text);
        snprintf(words, sizeof words, "--prompt-file|%s", name);
        unsigned char *ids = prompt_ids(words, &n), *wanted = prompt_ids(cases[i].parts, &wanted_n);
        if (n != wanted_n || memcmp(ids, wanted, n) != 0)
            fail_msg("not the same prompt: %s", cases[i].text);
        free(ids);
        free(wanted);
    }
}

static void it_keeps_its_place_among_the_parts(void **state)
{
    size_t n, wanted_n;
    (void)state;
    put("p.txt", "two {{image:pics/a.png}}");
    unsigned char *ids = prompt_ids("--text|one|--prompt-file|p.txt|--text|three", &n);
    unsigned char *wanted = prompt_ids("--text|one|--text|two |--image|pics/a.png|--text|three", &wanted_n);
    assert_int_equal(n, wanted_n);
    assert_memory_equal(ids, wanted, n);
    free(ids);
    free(wanted);
}

static void it_is_the_question_of_ask(void **state)
{
    (void)state;
    put("p.txt", "Is there a circle?");
    outcome a = run("ask", "--prompt-file|p.txt|pics/a.png", NULL), b = run("ask", "--prompt-file|-|pics/a.png", "p.txt");
    outcome c = run("ask", "pics/a.png|Is there a circle?", NULL);
    assert_int_equal(a.code, 0);
    assert_int_equal(b.code, 0);
    assert_string_equal(a.out, c.out);
    assert_string_equal(b.out, c.out);
    forget(&a);
    forget(&b);
    forget(&c);
}

static void what_is_wrong_is_told_by_line(void **state)
{
    static const struct {
        const char *text, *words;
        int code;
        const char *told;
    } cases[] = {
        {"a\nb {{imgae:a.png}}", "--prompt-file|p.txt", 2, "p.txt: line 2: {{imgae:: known are image, audio"},
        {"a {{image:a.png\n}}", "--prompt-file|p.txt", 2, "p.txt: line 1: {{image:: does not end with }} on its line"},
        {"{{image:}}", "--prompt-file|p.txt", 2, "p.txt: line 1: a mark: has no path"},
        {"\n\n{{audio:none.wav}}", "--prompt-file|p.txt", 66, "p.txt: line 3: ./none.wav: No such file"},
        {"\n\n", "--prompt-file|p.txt", 2, "p.txt: line 1: the prompt: is empty"},
        {"x", "--prompt-file|p.txt|--prompt-file|p.txt", 2, "--prompt-file: 'p.txt' is not usable here"},
        {"x", "--prompt-file|nowhere.txt", 66, "nowhere.txt: No such file"},
        {"{{image:p.txt}}", "--prompt-file|p.txt", 65, "./p.txt"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("p.txt", cases[i].text);
        outcome o = run("run", cases[i].words, NULL);
        if (o.code != cases[i].code || !strstr(o.err, cases[i].told) || *o.out)
            fail_msg("case %zu: code %d, told: %s", i, o.code, o.err);
        forget(&o);
    }
}

static int set_up(void **state)
{
    size_t n;
    (void)state;
    root = test_tmp_make();
    unsigned char *shapes = test_read_file(SHAPES, &n);
    if (mkdir(test_path(root, "pics"), 0777) != 0)
        return -1;
    test_write_file(test_path(root, "pics/a.png"), shapes, n);
    free(shapes);
    return 0;
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
        cmocka_unit_test(it_is_the_prompt_of_its_parts),
        cmocka_unit_test(it_keeps_its_place_among_the_parts),
        cmocka_unit_test(it_is_the_question_of_ask),
        cmocka_unit_test(what_is_wrong_is_told_by_line),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
