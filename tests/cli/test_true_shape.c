/* The writer of random models: its tiny form is a model that the program checks and runs. */
#include "test_main.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "program.h"
#include "test_tmp.h"

static char *root;

static outcome run(char **argv)
{
    char out[4200], err[4200];
    snprintf(out, sizeof out, "%s/stdout", root);
    snprintf(err, sizeof err, "%s/stderr", root);
    int in = open("/dev/null", O_RDONLY);
    pid_t pid = program_start(argv, root, in, out, err);
    close(in);
    return program_finish(pid, root);
}

static void must(char **argv, const char *says)
{
    outcome o = run(argv);
    if (o.code != 0 || (says && !strstr(o.out, says)))
        fail_msg("%s %s: exit %d, %s%s", argv[0], argv[1], o.code, o.out, o.err);
    forget(&o);
}

static void check_with(char *type, char *mmproj_type)
{
    must((char *[]){TRUE_SHAPE, "gguf", "tiny", "tiny.gguf", "--type", type, "--head", "q8_0", "--mmproj",
                    "mmproj.gguf", "--mmproj-type", mmproj_type, NULL}, "tiny.gguf: ");
    must((char *[]){TSR_PROGRAM, "info", "tiny.gguf", "--check", NULL}, "every value is finite");
    must((char *[]){TSR_PROGRAM, "info", "mmproj.gguf", "--check", NULL}, "every value is finite");
}

static void files_of_two_types_pass_the_check(void **state)
{
    (void)state;
    check_with("q4_0", "bf16");
}

static void wrong_arguments_write_nothing(void **state)
{
    (void)state;
    size_t before = test_tmp_count(root);
    outcome o = run((char *[]){TRUE_SHAPE, "gguf", "e3b", "out.gguf", "--type", "q4_0", NULL});
    assert_int_equal(o.code, 64);
    assert_non_null(strstr(o.err, "usage: true_shape"));
    forget(&o);
    assert_true(test_tmp_count(root) <= before + 2); /* stdout and stderr */
}

static int make_root(void **state)
{
    (void)state;
    root = test_tmp_make();
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    test_tmp_remove(root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_arguments_write_nothing),
        cmocka_unit_test(files_of_two_types_pass_the_check),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
