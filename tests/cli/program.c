/* program.c: see the header. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_main.h"
#include "test_tmp.h"

void forget(outcome *o)
{
    free(o->out);
    free(o->err);
}

size_t program_words(char *line, char separator, char **argv)
{
    static char program[] = TSR_PROGRAM;
    size_t n = 0;
    argv[n++] = program;
    for (char *word = line; word;) {
        char *end = strchr(word, separator);
        assert_true(n < MAX_ARGS);
        argv[n++] = word;
        if (end)
            *end++ = '\0';
        word = end;
    }
    argv[n] = NULL;
    return n;
}

/* In the child: folder and streams in place, then the program. */
static void become(char **argv, const char *dir, int in, const char *out, const char *err)
{
    int o = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0666), e = open(err, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (in < 0 || o < 0 || e < 0 || dup2(in, 0) < 0 || dup2(o, 1) < 0 || dup2(e, 2) < 0 || (dir && chdir(dir) != 0))
        _exit(126);
    execv(argv[0], argv);
    _exit(127);
}

pid_t program_start(char **argv, const char *dir, int in, const char *out, const char *err)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become(argv, dir, in, out, err);
    assert_true(pid > 0);
    return pid;
}

int program_wait(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

outcome program_finish(pid_t pid, const char *root)
{
    outcome o = {.code = program_wait(pid)};
    size_t n;
    o.out = (char *)test_read_file(test_path(root, "stdout"), &o.out_len);
    o.err = (char *)test_read_file(test_path(root, "stderr"), &n);
    return o;
}

outcome program_run(const char *root, const char *fmt, ...)
{
    char line[4096], *argv[MAX_ARGS + 1], out[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    assert_true(n > 0 && (size_t)n < sizeof line);
    program_words(line, '|', argv);
    snprintf(out, sizeof out, "%s", test_path(root, "stdout"));
    int in = open("/dev/null", O_RDONLY);
    outcome o = program_finish(program_start(argv, NULL, in, out, test_path(root, "stderr")), root);
    close(in);
    return o;
}

void program_expect(const outcome *o, int code, const char *in_err)
{
    if (o->code != code || !strstr(o->err, in_err))
        fail_msg("wanted exit code %d and '%s', got %d: %s", code, in_err, o->code, o->err);
}
