/* result.c: the answer and everything about it, as values and as one JSON object. */
#include "result_internal.h"

#include <string.h>

#include "json_build.h"
#include "model_internal.h"
#include "tsr_alloc.h"

tessera_result *tsri_result_new(void)
{
    tessera_result *r = tsr_calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->media = tsr_json_new_array();
    r->notes = tsr_json_new_array();
    r->finish = "stop";
    if (!r->media || !r->notes) {
        tessera_result_free(r);
        return NULL;
    }
    return r;
}

tsr_status tsri_result_seal(tessera_result *r, tsr_error *err)
{
    tsr_status st = tsr_text_add(&r->text, "", 1, err);
    if (st == TSR_OK)
        st = tsr_text_add(&r->thought, "", 1, err);
    return st;
}

void tessera_result_free(tessera_result *r)
{
    if (!r)
        return;
    tsr_text_deinit(&r->text);
    tsr_text_deinit(&r->thought);
    tsr_ids_deinit(&r->ids);
    tsr_json_free(r->tool_calls);
    tsr_json_free(r->media);
    tsr_json_free(r->notes);
    tsr_json_free(r->film);
    tsr_free(r->grammar.name);
    tsr_free(r);
}

const char *tessera_result_text(const tessera_result *r)
{
    return r->text.at;
}

tessera_usage tessera_result_usage(const tessera_result *r)
{
    return (tessera_usage){.prompt_tokens = r->prompt_tokens, .cached_tokens = r->cached_tokens, .completion_tokens = r->ids.n,
                           .encode_s = r->timings.encode_s, .prefill_s = r->timings.prefill_s, .decode_s = r->timings.decode_s};
}

const char *tessera_result_finish_reason(const tessera_result *r)
{
    return r->finish;
}

const int32_t *tessera_result_token_ids(const tessera_result *r, size_t *n)
{
    *n = r->ids.n;
    return r->ids.at;
}

static tsr_json *id_list(const tsr_ids *ids)
{
    tsri_build list = tsri_build_list();
    for (size_t i = 0; i < ids->n; i++)
        tsri_add(&list, tsr_json_new_i64(ids->at[i]));
    return tsri_build_end(&list);
}

static tsr_json *usage(const tessera_result *r)
{
    tsri_build u = tsri_build_object();
    tsri_put_size(&u, "prompt_tokens", r->prompt_tokens);
    tsri_put_size(&u, "cached_tokens", r->cached_tokens);
    tsri_put_size(&u, "image_tokens", r->image_tokens);
    tsri_put_size(&u, "audio_tokens", r->audio_tokens);
    tsri_put_size(&u, "video_tokens", r->video_tokens);
    tsri_put_size(&u, "completion_tokens", r->ids.n);
    tsri_put_size(&u, "total_tokens", r->prompt_tokens + r->ids.n);
    return tsri_build_end(&u);
}

/* The key/value cache that was in use. */
static tsr_json *cache(const tessera_result *r)
{
    tsri_build o = tsri_build_object();
    tsri_put_text(&o, "type", r->cache.type);
    tsri_put_size(&o, "positions", r->cache.positions);
    tsri_put_size(&o, "bytes", r->cache.bytes);
    return tsri_build_end(&o);
}

/* What the answer was held to. */
static tsr_json *grammar(const tessera_result *r)
{
    tsri_build o = tsri_build_object();
    tsri_put_text(&o, "kind", r->grammar.kind);
    tsri_put_text(&o, "name", r->grammar.name);
    tsri_put_bool(&o, "closed_early", r->grammar.closed_early);
    return tsri_build_end(&o);
}

/* Per second, 0 where nothing was timed. */
static double rate(size_t n, double seconds)
{
    return seconds > 0 ? (double)n / seconds : 0;
}

static tsr_json *timings(const tessera_result *r)
{
    const tsri_timings *t = &r->timings;
    tsri_build o = tsri_build_object();
    tsri_put_real(&o, "media_s", t->open_media_s);
    tsri_put_real(&o, "encode_s", t->encode_s);
    tsri_put_real(&o, "prefill_s", t->prefill_s);
    tsri_put_real(&o, "decode_s", t->decode_s);
    tsri_put_real(&o, "prefill_tokens_per_s", rate(r->prompt_tokens - r->cached_tokens, t->prefill_s));
    tsri_put_real(&o, "decode_tokens_per_s", r->ids.n > 1 ? rate(r->ids.n - 1, t->decode_s) : 0);
    return tsri_build_end(&o);
}

/* tsr_json has no shared values, so a kept one is copied; it is short beside the work of a run. */
static tsr_json *copy_of(const tsr_json *v, tsr_error *err)
{
    char *text;
    tsr_json *copy = NULL;
    if (tsr_json_dump(&text, v, 0, err) != TSR_OK)
        return NULL;
    if (tsr_json_parse(&copy, text, strlen(text), "result", err) != TSR_OK)
        copy = NULL;
    tsr_free(text);
    return copy;
}

tsr_json *tsri_result_json(const tessera_result *r, tsr_error *err)
{
    tsri_build o = tsri_build_object();
    tsri_put(&o, "text", tsr_json_new_string(r->text.at, r->text.len - 1));
    if (r->thought.len > 1)
        tsri_put(&o, "thought", tsr_json_new_string(r->thought.at, r->thought.len - 1));
    if (r->tool_calls)
        tsri_put(&o, "tool_calls", copy_of(r->tool_calls, err));
    tsri_put(&o, "token_ids", id_list(&r->ids));
    tsri_put_text(&o, "finish_reason", r->finish);
    tsri_put(&o, "usage", usage(r));
    tsri_put(&o, "media", copy_of(r->media, err));
    if (r->film)
        tsri_put(&o, "film", copy_of(r->film, err));
    tsri_put(&o, "kv_cache", cache(r));
    if (r->products)
        tsri_put_text(&o, "products", r->products);
    if (r->grammar.kind)
        tsri_put(&o, "grammar", grammar(r));
    tsri_put(&o, "timings", timings(r));
    if (!r->greedy)
        tsri_put_size(&o, "seed", r->seed);
    tsri_put(&o, "notes", copy_of(r->notes, err));
    return tsri_build_end(&o);
}

tessera_status tessera_result_json(const tessera_result *r, char **out, tessera_error *perr)
{
    tsr_error err = {TSR_OK, ""};
    tsr_json *o = tsri_result_json(r, &err);
    *out = NULL;
    tsr_status st = o ? TSR_OK : tsr_fail(&err, TSR_ERR_NOMEM, "out of memory: the result as JSON");
    if (st == TSR_OK)
        st = tsr_json_dump(out, o, 0, &err);
    tsr_json_free(o);
    return tsri_public(perr, st, &err);
}
