/* test_oracle.c: runs the program on the cases of cases.json and compares every rung with the reference.
 *
 * usage: test_oracle PROGRAM [--model M] [--case PREFIX] [--slow | --fast] [--keep DIR]
 *
 * Models, pictures and sounds are made in a folder of their own first. The program is run as a user
 * would, with --dump; its parts stand in the order of the case. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hash_model.h"
#include "recipes.h"
#include "rungs.h"
#include "test_tmp.h"
#include "tsr_json.h"

enum { PATH_BYTES = 1024, MAX_ARGS = 96, ARG_BYTES = 65536, MAX_SPEC_BYTES = 1 << 22 };

typedef struct options {
    const char *program, *model, *prefix, *keep;
    bool only_slow, only_fast;
} options;

typedef struct args {
    char *v[MAX_ARGS + 1];
    size_t n;
    char text[ARG_BYTES]; /* arguments that are made here */
    size_t used;
} args;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "test_oracle: %s: %s\n", what, why);
    exit(2);
}

static void arg(args *a, const char *s)
{
    size_t n = strlen(s) + 1;
    if (a->n == MAX_ARGS || n > sizeof a->text - a->used) {
        die("a case", "too many arguments");
    }
    memcpy(a->text + a->used, s, n);
    a->v[a->n++] = a->text + a->used;
    a->v[a->n] = NULL;
    a->used += n;
}

static void arg2(args *a, const char *flag, const char *value)
{
    arg(a, flag);
    arg(a, value);
}

static size_t size_or(const tsr_json *object, const char *key, size_t fallback)
{
    size_t v = fallback;
    (void)tsr_json_to_size(tsr_json_get(object, key), &v);
    return v;
}

static bool flag_of(const tsr_json *object, const char *key)
{
    bool v = false;
    (void)tsr_json_to_bool(tsr_json_get(object, key), &v);
    return v;
}

static const char *string_of(const tsr_json *object, const char *key)
{
    const char *s = tsr_json_string(tsr_json_get(object, key), NULL);
    if (s == NULL) {
        die("cases.json: missing string", key);
    }
    return s;
}

/* The file of one medium, made on its first use. */
static void media_path(char path[PATH_BYTES], const char *dir, const tsr_json *media, const char *name)
{
    const tsr_json *m = tsr_json_get(media, name);
    tsr_error err;
    tsr_status st = TSR_OK;
    tsr_error_clear(&err);
    if (tsr_json_get(m, "file") != NULL) {
        (void)snprintf(path, PATH_BYTES, "%s/%s", TSR_ORACLE_DIR, string_of(m, "file"));
        return;
    }
    bool sound = strcmp(string_of(m, "recipe"), "sound") == 0;
    (void)snprintf(path, PATH_BYTES, "%s/%s.%s", dir, name, sound ? "wav" : "ppm");
    if (access(path, F_OK) == 0) {
        return;
    }
    if (sound) {
        const tsr_json *list = tsr_json_get(m, "seeds");
        uint32_t seeds[ORACLE_MAX_CHANNELS] = {0};
        size_t n = tsr_json_len(list), v = 0;
        for (size_t i = 0; i < n && i < ORACLE_MAX_CHANNELS; i++) {
            (void)tsr_json_to_size(tsr_json_at(list, i), &v);
            seeds[i] = (uint32_t)v;
        }
        st = oracle_sound_write(path, size_or(m, "samples", 0), seeds, n, &err);
    } else {
        st = oracle_picture_write(path, size_or(m, "width", 0), size_or(m, "height", 0),
                                  (uint32_t)size_or(m, "seed", 0), (uint32_t)size_or(m, "noise", 0), &err);
    }
    if (st != TSR_OK) {
        die(path, err.text);
    }
}

/* Models "gguf-..." are committed files by another writer, the others are made in dir. */
static bool is_gguf(const char *model)
{
    return strncmp(model, "gguf-", 5) == 0;
}

static void model_path(char path[PATH_BYTES], const char *dir, const char *model)
{
    char config[PATH_BYTES + 16];
    tsr_error err;
    tsr_error_clear(&err);
    if (is_gguf(model)) {
        (void)snprintf(path, PATH_BYTES, "%s/gguf/%s.gguf", TSR_ORACLE_DIR, model);
        return;
    }
    (void)snprintf(path, PATH_BYTES, "%s/model-%s", dir, model);
    (void)snprintf(config, sizeof config, "%s/config.json", path);
    if (access(config, F_OK) != 0 && oracle_model_write(path, model, &err) != TSR_OK) {
        die(path, err.text);
    }
}

static void part_args(args *a, const char *dir, const tsr_json *media, const tsr_json *part)
{
    char flag[32], path[PATH_BYTES];
    const char *kind = string_of(part, "kind");
    (void)snprintf(flag, sizeof flag, "--%s", kind);
    if (tsr_json_get(part, "media") != NULL) {
        media_path(path, dir, media, string_of(part, "media"));
        arg2(a, flag, path);
    } else {
        arg2(a, flag, string_of(part, "text"));
    }
}

static void case_args(args *a, const options *o, const char *dir, const char *dump, const tsr_json *media,
                      const tsr_json *c)
{
    char path[PATH_BYTES], number[32];
    const tsr_json *parts = tsr_json_get(c, "parts"), *extra = tsr_json_get(c, "video_args");
    memset(a, 0, sizeof *a);
    arg2(a, o->program, "run");
    model_path(path, dir, string_of(c, "model"));
    arg2(a, "-m", path);
    if (is_gguf(string_of(c, "model"))) {
        (void)snprintf(path, sizeof path, "%s/gguf/mmproj-%s.gguf", TSR_ORACLE_DIR, string_of(c, "model"));
        arg2(a, "--mmproj", path);
    }
    arg2(a, "--kv", "f32"); /* as the reference */
    for (size_t i = 0; i < tsr_json_len(parts); i++) {
        part_args(a, dir, media, tsr_json_at(parts, i));
    }
    for (size_t i = 0; i < tsr_json_len(extra); i++) {
        arg(a, tsr_json_string(tsr_json_at(extra, i), NULL));
    }
    if (tsr_json_get(c, "budget") != NULL) {
        (void)snprintf(number, sizeof number, "%zu", size_or(c, "budget", 280));
        arg2(a, "--budget", number);
    }
    if (flag_of(c, "raw")) {
        arg(a, "--raw");
    } else {
        arg(a, flag_of(c, "think") ? "--think" : "--no-think");
    }
    (void)snprintf(number, sizeof number, "%zu", size_or(c, "max_tokens", 10));
    arg2(a, "--max-tokens", number);
    arg2(a, "--temperature", "0");
    arg(a, "--exact");
    arg2(a, "--threads", "1");
    arg2(a, "--dump", dump);
    arg2(a, "--dump-logits", string_of(c, "logits"));
    arg(a, "--quiet");
}

/* Runs in the child and never returns. */
static void become(const args *a, const char *out, const char *errs)
{
    int o = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0666), e = open(errs, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (o >= 0 && e >= 0 && dup2(o, STDOUT_FILENO) >= 0 && dup2(e, STDERR_FILENO) >= 0) {
        (void)execv(a->v[0], a->v);
    }
    _exit(127);
}

static void show(const char *path)
{
    char line[512];
    FILE *f = fopen(path, "r");
    for (int i = 0; f != NULL && i < 12 && fgets(line, sizeof line, f) != NULL; i++) {
        printf("    | %s%s", line, strchr(line, '\n') != NULL ? "" : "\n");
    }
    if (f != NULL) {
        (void)fclose(f);
    }
}

static bool run_program(const args *a, const char *dir)
{
    char out[PATH_BYTES], errs[PATH_BYTES];
    int status = 0;
    (void)snprintf(out, sizeof out, "%s/stdout", dir);
    (void)snprintf(errs, sizeof errs, "%s/stderr", dir);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        become(a, out, errs);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return true;
    }
    printf("  FAIL the program: %s %d\n", WIFSIGNALED(status) ? "signal" : "exit code",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    show(errs);
    return false;
}

static bool wanted(const options *o, const tsr_json *c)
{
    bool slow = flag_of(c, "slow");
    return (o->model == NULL || strcmp(o->model, string_of(c, "model")) == 0) &&
           (o->prefix == NULL || strncmp(o->prefix, string_of(c, "name"), strlen(o->prefix)) == 0) &&
           !(o->only_slow && !slow) && !(o->only_fast && slow);
}

static size_t run_case(const options *o, const char *dir, const tsr_json *media, const tsr_json *c)
{
    static args a;
    char dump[PATH_BYTES];
    const char *name = string_of(c, "name");
    (void)snprintf(dump, sizeof dump, "%s/dump-%s", dir, name);
    printf("%s\n", name);
    case_args(&a, o, dir, dump, media, c);
    return run_program(&a, dir) ? oracle_rungs_check(name, dump, strstr(string_of(c, "model"), "-bf16") != NULL) : 1;
}

static void parse_options(options *o, int argc, char **argv)
{
    memset(o, 0, sizeof *o);
    if (argc < 2) {
        die("usage", "test_oracle PROGRAM [--model M] [--case PREFIX] [--slow | --fast] [--keep DIR]");
    }
    o->program = argv[1];
    for (int i = 2; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--slow") == 0) {
            o->only_slow = true;
        } else if (strcmp(argv[i], "--fast") == 0) {
            o->only_fast = true;
        } else if (strcmp(argv[i], "--model") == 0 && more) {
            o->model = argv[++i];
        } else if (strcmp(argv[i], "--case") == 0 && more) {
            o->prefix = argv[++i];
        } else if (strcmp(argv[i], "--keep") == 0 && more) {
            o->keep = argv[++i];
        } else {
            die("unknown option", argv[i]);
        }
    }
}

int main(int argc, char **argv)
{
    options o;
    tsr_json *doc = NULL;
    tsr_error err;
    size_t n_run = 0, n_bad_cases = 0;

    tsr_error_clear(&err);
    parse_options(&o, argc, argv);
    if (tsr_json_parse_file(&doc, TSR_ORACLE_DIR "/cases.json", MAX_SPEC_BYTES, &err) != TSR_OK) {
        die("cases.json", err.text);
    }
    char *own = o.keep == NULL ? test_tmp_make() : NULL;
    const char *dir = o.keep != NULL ? o.keep : own;
    if (o.keep != NULL && mkdir(o.keep, 0777) != 0 && errno != EEXIST) {
        die(o.keep, strerror(errno));
    }
    const tsr_json *cases = tsr_json_get(doc, "cases"), *media = tsr_json_get(doc, "media");
    for (size_t i = 0; i < tsr_json_len(cases); i++) {
        const tsr_json *c = tsr_json_at(cases, i);
        if (wanted(&o, c)) {
            n_run++;
            n_bad_cases += run_case(&o, dir, media, c) > 0 ? 1 : 0;
        }
    }
    printf("%zu of %zu cases failed\n", n_bad_cases, n_run);
    test_tmp_remove(own);
    tsr_json_free(doc);
    return n_run == 0 || n_bad_cases > 0 ? 1 : 0;
}
