/* batch.c: every line of a manifest answered once, whatever stops the work in between.
 *
 * The manifest is read twice: first for its ids, so that the file of answers can be told to belong to it and no id is
 * there twice; then for its requests. Of a line that is done a bit is kept, of each line the hash of its id. */
#include "batch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch_answer.h"
#include "batch_line.h"
#include "batch_out.h"
#include "feed.h"
#include "film.h"
#include "id_set.h"
#include "model_internal.h"
#include "tsr_alloc.h"

enum { MAX_LINE_BYTES = 64 << 20, MOST_TOLD = 20 };

typedef struct batch {
    tessera_model *m;
    const char *manifest;
    const tessera_request *settings;
    const tessera_batch_opts *o;
    tsri_answer_fn *ask;
    tessera_event_fn fn;
    void *user;
    tessera_batch_facts *facts;
    tsri_shard shard;
    char *dir, *out_path;
    int fd; /* of the manifest */
    tsri_id_set ids;
    unsigned char *done; /* a bit for each line */
    size_t n_lines;      /* of the file, blank ones too */
    tsri_batch_out out;
    tsr_text line; /* an answer */
    size_t n_told;
    bool cancelled;
    tsr_error *err;
} batch;

/* ---- telling ---- */

static void tell(batch *b, const char *fmt, ...) TSR_PRINTF(2, 3);

static void tell(batch *b, const char *fmt, ...)
{
    char text[1200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tessera_event ev = {.kind = TESSERA_EVENT_NOTE, .text = text, .len = strlen(text)};
    if (b->fn && b->fn(b->user, &ev))
        b->cancelled = true;
}

/* Also asked while a request runs, so that work can be stopped inside it. */
static int progress(batch *b)
{
    tessera_event ev = {.kind = TESSERA_EVENT_STAGE,
                        .text = "batch",
                        .len = 5,
                        .done = b->facts->before + b->facts->done,
                        .total = b->facts->lines};
    if (b->fn && b->fn(b->user, &ev))
        b->cancelled = true;
    return b->cancelled;
}

static int on_event(void *user, const tessera_event *ev)
{
    (void)ev; /* notes are in the answer */
    return progress(user);
}

static void tell_failure(batch *b, size_t line, const tsr_error *why)
{
    if (b->n_told < MOST_TOLD)
        tell(b, "%s: line %zu: %s", b->manifest, line, why->text);
    else if (b->n_told == MOST_TOLD)
        tell(b, "more lines failed; %s tells of each", b->out_path);
    b->n_told++;
}

/* ---- the manifest ---- */

static tsr_status open_manifest(batch *b)
{
    struct stat sb;
    const char *slash = strrchr(b->manifest, '/');
    b->fd = open(b->manifest, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (b->fd < 0)
        return tsr_fail(b->err, tsr_status_from_errno(errno), "%s: cannot be opened (errno %d)", b->manifest, errno);
    if (fstat(b->fd, &sb) != 0 || !S_ISREG(sb.st_mode))
        return tsr_fail(b->err, TSR_ERR_USAGE, "%s: a manifest is read twice, so it must be a regular file",
                        b->manifest);
    b->dir =
        slash ? tsr_strndup(b->manifest, slash == b->manifest ? 1 : (size_t)(slash - b->manifest)) : tsr_strdup(".");
    return b->dir ? TSR_OK : tsr_fail(b->err, TSR_ERR_NOMEM, "out of memory: %s", b->manifest);
}

static bool is_ours(const batch *b, size_t number)
{
    return (number - 1) % b->shard.count == b->shard.index;
}

static size_t line_limit(const batch *b)
{
    return b->o->max_line_bytes ? b->o->max_line_bytes : MAX_LINE_BYTES;
}

static tsr_status open_line(batch *b, tsri_batch_line *l, const tsri_feed_line *line, tsr_error *why)
{
    size_t bom = line->number == 1 && line->len >= 3 && memcmp(line->at, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (line->too_long)
        return tsri_batch_line_too_long(l, line->number, line_limit(b), why, b->err);
    return tsri_batch_line_open(l, line->number, line->at + bom, line->len - bom, why, b->err);
}

static tsr_status take_id(batch *b, const tsri_feed_line *line)
{
    tsri_batch_line l;
    tsr_error why = {TSR_OK, ""};
    size_t other = 0;
    tsr_status st = open_line(b, &l, line, &why);
    if (st == TSR_OK)
        st = tsri_id_set_add(&b->ids, l.key.at, l.key.len, line->number, &other, b->err);
    if (st == TSR_OK && other)
        st = tsr_fail(b->err, TSR_ERR_DATA, "%s: line %zu has the id of line %zu: \"%.*s\"", b->manifest, line->number,
                      other, (int)(l.key.len - 1 < 100 ? l.key.len - 1 : 100), l.key.at + 1);
    tsri_batch_line_deinit(&l);
    return st;
}

/* Walk the lines that hold something. */
static tsr_status each_line(batch *b, tsr_status (*each)(batch *b, const tsri_feed_line *line))
{
    tsri_feed feed = tsri_feed_begin(b->fd, b->manifest, line_limit(b));
    tsri_feed_line line;
    bool got;
    tsr_status st = tsri_feed_next(&feed, &line, &got, b->err);
    while (st == TSR_OK && got && !b->cancelled) {
        if (!tsri_feed_is_blank(&line))
            st = each(b, &line);
        if (st == TSR_OK)
            st = tsri_feed_next(&feed, &line, &got, b->err);
    }
    tsri_feed_deinit(&feed);
    return st;
}

static tsr_status scan_line(batch *b, const tsri_feed_line *line)
{
    b->n_lines = line->number;
    b->facts->lines += is_ours(b, line->number);
    return take_id(b, line);
}

static tsr_status scan_manifest(batch *b)
{
    b->ids = tsri_id_set_begin();
    tsr_status st = each_line(b, scan_line);
    if (st == TSR_OK && !(b->done = tsr_calloc(b->n_lines / 8 + 1, 1)))
        st = tsr_fail(b->err, TSR_ERR_NOMEM, "out of memory: %s", b->manifest);
    return st;
}

static bool is_done(const batch *b, size_t number)
{
    return b->done[number / 8] >> number % 8 & 1;
}

static void mark_done(batch *b, size_t number)
{
    b->done[number / 8] |= (unsigned char)(1u << number % 8);
}

/* ---- answers that are there ---- */

static tsr_status not_ours(batch *b, size_t number, const char *what)
{
    return tsr_fail(b->err, TSR_ERR_USAGE, "%s: line %zu %s: give another file, or --restart to begin anew",
                    b->out_path, number, what);
}

static tsr_status on_answer(void *user, const tsr_json *answer, size_t number, tsr_error *err)
{
    batch *b = user;
    const tsr_json *id = tsr_json_get(answer, "custom_id");
    tsr_text key = {0};
    size_t line = 0;
    char what[160];
    id = id ? id : tsr_json_get(answer, "id");
    bool has_id = tsr_json_is_string(id) || tsr_json_is_integer(id);
    if (!has_id && !tsr_json_to_size(tsr_json_get(answer, "line"), &line))
        return not_ours(b, number, "is no answer of a batch");
    tsr_status st = tsri_batch_key(&key, has_id ? id : NULL, line, err);
    line = st == TSR_OK ? tsri_id_set_find(&b->ids, key.at, key.len) : 0;
    snprintf(what, sizeof what, "answers \"%.*s\", which",
             st == TSR_OK ? (int)(key.len - 1 < 80 ? key.len - 1 : 80) : 0, st == TSR_OK ? key.at + 1 : "");
    size_t at = strlen(what);
    if (st == TSR_OK && !line)
        snprintf(what + at, sizeof what - at, " is not in this manifest");
    else if (st == TSR_OK && !is_ours(b, line))
        snprintf(what + at, sizeof what - at, " is no line of shard %zu/%zu", b->shard.index, b->shard.count);
    else if (st == TSR_OK && is_done(b, line))
        snprintf(what + at, sizeof what - at, " was answered before");
    else
        what[0] = '\0';
    tsr_text_deinit(&key);
    if (st != TSR_OK || what[0])
        return st != TSR_OK ? st : not_ours(b, number, what);
    mark_done(b, line);
    b->facts->before++;
    b->facts->failed += tsr_json_get_set(answer, "error") != NULL;
    return TSR_OK;
}

static tsr_status open_answers(batch *b)
{
    int64_t n_cut = 0;
    tsr_status st = tsri_batch_out_open(&b->out, b->out_path, b->fd, b->o->restart != 0, b->err);
    if (st == TSR_OK)
        st = tsri_batch_out_read(&b->out, on_answer, b, &n_cut, b->err);
    if (st == TSR_OK && n_cut)
        tell(b, "%s: %lld bytes of answers that were not whole are cut off", b->out_path, (long long)n_cut);
    if (st == TSR_OK && b->facts->before)
        tell(b, "%s: goes on after %zu of %zu lines", b->out_path, b->facts->before, b->facts->lines);
    return st;
}

/* ---- requests ---- */

/* The answer to one line in b->line; *why is set when it is a refusal. */
static tsr_status answer(batch *b, tsri_batch_line *l, tsr_error *why)
{
    tessera_result *r = NULL;
    tsr_status st = TSR_OK, asked = TSR_OK;
    if (why->status == TSR_OK)
        st = tsri_batch_line_read(l, b->settings, b->dir, why, b->err);
    if (st == TSR_OK && why->status == TSR_OK)
        asked = b->ask(b->m, &l->rq, NULL, on_event, b, &r, why);
    if (asked != TSR_OK && why->status == TSR_OK)
        tsr_fail(why, asked, "%s", tsr_status_name(asked));
    b->cancelled = b->cancelled || why->status == TSR_ERR_CANCELLED;
    b->line.len = 0;
    if (st == TSR_OK && !b->cancelled)
        st = why->status == TSR_OK ? tsri_batch_answer(&b->line, l, r, b->err) : tsri_batch_refusal(&b->line, l, why, b->err);
    tessera_result_free(r);
    return st;
}

static tsr_status answer_line(batch *b, const tsri_feed_line *line)
{
    tsri_batch_line l;
    tsr_error why = {TSR_OK, ""};
    if (line->number > b->n_lines || !is_ours(b, line->number) || is_done(b, line->number))
        return TSR_OK;
    tsr_status st = open_line(b, &l, line, &why);
    if (st == TSR_OK && tsri_id_set_find(&b->ids, l.key.at, l.key.len) != line->number)
        st = tsr_fail(b->err, TSR_ERR_DATA, "%s: line %zu has changed since the work began", b->manifest, line->number);
    if (st == TSR_OK)
        st = answer(b, &l, &why);
    if (st == TSR_OK && !b->cancelled)
        st = tsri_batch_out_add(&b->out, b->line.at, b->line.len, b->err);
    if (st == TSR_OK && !b->cancelled) {
        mark_done(b, line->number);
        b->facts->done++;
        b->facts->failed += why.status != TSR_OK;
        if (why.status != TSR_OK)
            tell_failure(b, line->number, &why);
        progress(b);
    }
    tsri_batch_line_deinit(&l);
    return st;
}

/* ---- the whole ---- */

static tsr_status check_settings(const batch *b)
{
    const tessera_request *rq = b->settings;
    for (size_t i = 0; i < rq->n_parts; i++)
        if (rq->parts[i].kind != TESSERA_PART_SYSTEM)
            return tsr_fail(b->err, TSR_ERR_USAGE, "a batch has its parts in its lines; part %zu is no system text", i);
    if (rq->messages || rq->raw || rq->dump)
        return tsr_fail(b->err, TSR_ERR_USAGE, "a batch takes no messages, no raw prompt and no dump");
    return TSR_OK;
}

static tsr_status find_shard(batch *b, const char *out, tsri_env_fn *env, void *env_user)
{
    tsr_status st = tsri_shard_find(&b->shard, b->o->shard, env, env_user, b->err);
    if (st == TSR_OK && !(b->out_path = tsri_shard_name(out, &b->shard)))
        st = tsr_fail(b->err, TSR_ERR_NOMEM, "out of memory: a path");
    if (st != TSR_OK)
        return st;
    b->facts->shard = b->shard.index;
    b->facts->n_shards = b->shard.count;
    if (b->shard.source[0])
        tell(b, "shard %zu/%zu, by %s; answers go to %s", b->shard.index, b->shard.count, b->shard.source, b->out_path);
    if (b->shard.warning)
        tell(b, "%s", b->shard.warning);
    return TSR_OK;
}

static tsr_status work(batch *b, const char *out, tsri_env_fn *env, void *env_user)
{
    tsr_status st = check_settings(b);
    if (st == TSR_OK)
        st = find_shard(b, out, env, env_user);
    if (st == TSR_OK)
        st = open_manifest(b);
    if (st == TSR_OK)
        st = scan_manifest(b);
    if (st == TSR_OK && !b->cancelled)
        st = open_answers(b);
    if (st == TSR_OK && !progress(b))
        st = each_line(b, answer_line);
    tsr_status closed = tsri_batch_out_close(&b->out, b->err);
    return st == TSR_OK ? closed : st;
}

tsr_status tsri_batch(tessera_model *m, const char *manifest, const char *out, const tessera_request *settings,
                      const tessera_batch_opts *opts, tsri_answer_fn *ask, tsri_env_fn *env, void *env_user,
                      tessera_event_fn fn, void *user, tessera_batch_facts *facts, tsr_error *err)
{
    static const tessera_batch_opts none;
    tsr_error first = {TSR_OK, ""}; /* its text is needed whatever the caller gave */
    batch b = {.m = m,
               .manifest = manifest,
               .settings = settings,
               .o = opts ? opts : &none,
               .ask = ask,
               .fn = fn,
               .user = user,
               .facts = facts,
               .fd = -1,
               .out = {.fd = -1},
               .err = &first};
    *facts = (tessera_batch_facts){.n_shards = 1};
    tsr_status st = work(&b, out, env, env_user);
    facts->cancelled = b.cancelled;
    if (b.fd >= 0)
        close(b.fd);
    tsri_id_set_deinit(&b.ids);
    tsr_text_deinit(&b.line);
    tsr_free(b.done);
    tsr_free(b.dir);
    tsr_free(b.out_path);
    return st == TSR_OK ? st : tsr_fail(err, st, "%s", first.text);
}

static const char *system_variable(void *user, const char *name)
{
    (void)user;
    return getenv(name);
}

tessera_status tessera_batch(tessera_model *m, const char *manifest, const char *out, const tessera_request *settings,
                             const tessera_batch_opts *opts, tessera_event_fn fn, void *user,
                             tessera_batch_facts *facts, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tessera_batch_facts unseen;
    return tsri_public(perr,
                       tsri_batch(m, manifest, out, settings, opts, tsri_watch, system_variable, NULL, fn, user,
                                  facts ? facts : &unseen, &err),
                       &err);
}
