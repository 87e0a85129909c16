/* shard.c: I/N, and the environments of Slurm, MPI, Kubernetes and AWS Batch. */
#include "shard.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tsr_alloc.h"

enum { MOST_SHARDS = 1000000 };

static bool read_count(const char *s, size_t len, size_t *out)
{
    size_t n = 0;
    if (len == 0 || len > 9)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        n = n * 10 + (size_t)(s[i] - '0');
    }
    *out = n;
    return true;
}

static tsr_status read_told(tsri_shard *out, const char *text, tsr_error *err)
{
    const char *slash = strchr(text, '/');
    size_t index, count;
    if (!slash || !read_count(text, (size_t)(slash - text), &index) ||
        !read_count(slash + 1, strlen(slash + 1), &count))
        return tsr_fail(err, TSR_ERR_USAGE, "--shard %.60s: must be I/N, auto or auto/N", text);
    if (count == 0 || count > MOST_SHARDS || index >= count)
        return tsr_fail(err, TSR_ERR_USAGE,
                        "--shard %.60s: shards are counted from 0, so I is less than N (at most %d)", text,
                        MOST_SHARDS);
    out->index = index;
    out->count = count;
    return TSR_OK;
}

/* ---- the environment ---- */

/* One way to be told: INDEX, and COUNT, which may be missing where N is given. */
static const struct source {
    const char *index, *count;
    const char *least; /* the first index, where it isn't 0 */
} sources[] = {
    {"SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN"},
    {"SLURM_PROCID", "SLURM_NTASKS", NULL},
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", NULL},
    {"PMI_RANK", "PMI_SIZE", NULL},
    {"JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", NULL},
    {"AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", NULL},
};
enum { N_SOURCES = sizeof sources / sizeof *sources, SLURM_ARRAY = 0, SLURM_TASK = 1 };

typedef struct finder {
    tsri_env_fn *env;
    void *user;
    size_t given; /* N of auto/N; 0: none */
    tsri_shard found[N_SOURCES];
    tsr_error *err;
} finder;

static tsr_status read_variable(const finder *f, const char *name, size_t *out)
{
    const char *text = f->env(f->user, name);
    if (text && read_count(text, strlen(text), out))
        return TSR_OK;
    return tsr_fail(f->err, TSR_ERR_USAGE, "--shard auto: %s is %s%.40s%s, which is no number", name,
                    text ? "'" : "not set", text ? text : "", text ? "'" : "");
}

/* Jumps in an array (--array=0-30:10) are not in the environment of every Slurm; the ones there are tell by their step.
 */
static tsr_status take_steps(const finder *f, size_t *index)
{
    const char *name = "SLURM_ARRAY_TASK_STEP";
    size_t step = 1;
    if (!f->env(f->user, name))
        return TSR_OK;
    tsr_status st = read_variable(f, name, &step);
    if (st == TSR_OK && (step == 0 || *index % step))
        st = tsr_fail(f->err, TSR_ERR_USAGE, "--shard auto: %s is %zu, which the index doesn't fit", name, step);
    if (st == TSR_OK)
        *index /= step;
    return st;
}

static tsr_status read_count_of(const finder *f, const struct source *s, tsri_shard *out)
{
    bool is_set = f->env(f->user, s->count) != NULL;
    if (f->given &&
        s == &sources[SLURM_ARRAY]) { /* an array may be run again in part: its own count says little then */
        out->count = f->given;
        return TSR_OK;
    }
    if (!is_set && f->given) {
        out->count = f->given;
        return TSR_OK;
    }
    if (!is_set)
        return tsr_fail(f->err, TSR_ERR_USAGE, "--shard auto: %s is set and %s is not: set it, or say --shard auto/N",
                        s->index, s->count);
    tsr_status st = read_variable(f, s->count, &out->count);
    if (st == TSR_OK && f->given && out->count != f->given && out->count > 1)
        st = tsr_fail(f->err, TSR_ERR_USAGE, "--shard auto/%zu: %s is %zu", f->given, s->count, out->count);
    return st;
}

static tsr_status read_source(finder *f, size_t which)
{
    const struct source *s = &sources[which];
    tsri_shard *out = &f->found[which];
    size_t least = 0;
    if (!f->env(f->user, s->index))
        return TSR_OK;
    tsr_status st = read_variable(f, s->index, &out->index);
    if (st == TSR_OK)
        st = read_count_of(f, s, out);
    if (st == TSR_OK && s->least && !f->given && f->env(f->user, s->least))
        st = read_variable(f, s->least, &least);
    if (st == TSR_OK && least <= out->index) {
        out->index -= least;
        st = s->least && !f->given ? take_steps(f, &out->index) : TSR_OK;
    }
    if (st == TSR_OK && (out->index >= out->count || out->count > MOST_SHARDS))
        st = tsr_fail(f->err, TSR_ERR_USAGE,
                      "--shard auto: %s makes shard %zu of %zu: an array must be without gaps, at most %d", s->index,
                      out->index, out->count, MOST_SHARDS);
    snprintf(out->source, sizeof out->source, "%s, %s", s->index, f->given ? "--shard auto/N" : s->count);
    return st;
}

/* Tasks of each member of a Slurm array. */
static void join_slurm(finder *f)
{
    tsri_shard *array = &f->found[SLURM_ARRAY], *task = &f->found[SLURM_TASK];
    if (f->given || array->count <= 1 || task->count <= 1)
        return;
    array->index = array->index * task->count + task->index;
    array->count *= task->count;
    snprintf(array->source, sizeof array->source, "%s and %s", sources[SLURM_ARRAY].index, sources[SLURM_TASK].index);
    task->count = 0;
}

/* Of those that speak of several shards all must say the same; one shard is what everybody says who has nothing to say.
 */
static tsr_status find_auto(tsri_shard *out, finder *f)
{
    const tsri_shard *best = NULL;
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < N_SOURCES && st == TSR_OK; i++)
        st = read_source(f, i);
    if (st != TSR_OK)
        return st;
    join_slurm(f);
    for (size_t i = 0; i < N_SOURCES; i++) {
        const tsri_shard *s = &f->found[i];
        if (s->count == 0 || (best && s->count == 1))
            continue;
        if (best && best->count > 1 && (best->index != s->index || best->count != s->count))
            return tsr_fail(f->err, TSR_ERR_USAGE, "--shard auto: %s says %zu/%zu, %s says %zu/%zu: say --shard I/N",
                            best->source, best->index, best->count, s->source, s->index, s->count);
        best = s;
    }
    if (!best)
        return tsr_fail(f->err, TSR_ERR_USAGE,
                        "--shard auto: none of SLURM_ARRAY_TASK_ID, SLURM_PROCID, OMPI_COMM_WORLD_RANK, PMI_RANK, "
                        "JOB_COMPLETION_INDEX and AWS_BATCH_JOB_ARRAY_INDEX is set");
    if (f->given && best->count != f->given)
        return tsr_fail(f->err, TSR_ERR_USAGE, "--shard auto/%zu: %s says %zu/%zu", f->given, best->source, best->index,
                        best->count);
    *out = *best;
    if (best->count > 1 && f->found[SLURM_TASK].count != 1 && f->env(f->user, "SLURM_PROCID") &&
        !f->env(f->user, "SLURM_STEP_ID"))
        out->warning = "SLURM_STEP_ID is not set: was this started by srun, once for each task?";
    return TSR_OK;
}

tsr_status tsri_shard_find(tsri_shard *out, const char *text, tsri_env_fn *env, void *user, tsr_error *err)
{
    finder f = {.env = env, .user = user, .err = err};
    *out = (tsri_shard){.index = 0, .count = 1};
    if (!text)
        return TSR_OK;
    if (strncmp(text, "auto", 4) != 0)
        return read_told(out, text, err);
    if (text[4] &&
        (text[4] != '/' || !read_count(text + 5, strlen(text + 5), &f.given) || f.given == 0 || f.given > MOST_SHARDS))
        return tsr_fail(err, TSR_ERR_USAGE, "--shard %.60s: must be I/N, auto or auto/N", text);
    return find_auto(out, &f);
}

/* ---- names ---- */

static size_t mark_len(const char *s)
{
    return strncmp(s, "{shard}", 7) == 0 ? 7 : strncmp(s, "%s", 2) == 0 ? 2 : 0;
}

char *tsri_shard_name(const char *pattern, const tsri_shard *shard)
{
    char name[64], last[32];
    int width = snprintf(last, sizeof last, "%zu", shard->count - 1);
    size_t n = (size_t)snprintf(name, sizeof name, "%0*zu-of-%zu", width, shard->index, shard->count), len = 0,
           marks = 0;
    for (const char *s = pattern; *s; s++)
        marks += mark_len(s) > 0;
    len = strlen(pattern);
    char *out = tsr_alloc(len + marks * n + 1), *to = out;
    for (const char *s = pattern; out && *s;) {
        size_t mark = mark_len(s);
        memcpy(to, mark ? name : s, mark ? n : 1);
        to += mark ? n : 1;
        s += mark ? mark : 1;
    }
    if (out)
        *to = '\0';
    return out;
}
