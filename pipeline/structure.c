/* structure.c: see the header. */
#include "structure.h"

#include <string.h>

#include "tsr_alloc.h"

/* A stop string could cut the answer anywhere, and a tool call is no answer. */
static tsr_status check_company(const tessera_request *rq, tsr_error *err)
{
    const char *what = rq->schema ? "a schema" : "a grammar";
    if (rq->schema && rq->grammar)
        return tsr_fail(err, TSR_ERR_USAGE, "a schema and a grammar exclude each other");
    if (rq->n_stop)
        return tsr_fail(err, TSR_ERR_USAGE, "%s and stop strings exclude each other", what);
    if (rq->tools)
        return tsr_fail(err, TSR_ERR_USAGE, "%s and tools exclude each other", what);
    return TSR_OK;
}

tsr_status tsri_structure_read(tsri_structure *s, const tessera_request *rq, tsri_grammar_facts *facts, tsr_error *err)
{
    const char *text = rq->schema ? rq->schema : rq->grammar;
    const char *name = rq->grammar_name ? rq->grammar_name : rq->schema ? "schema" : "grammar";
    if (!text)
        return TSR_OK;
    tsr_status st = check_company(rq, err);
    if (st != TSR_OK)
        return st;
    facts->kind = rq->schema ? "json-schema" : "gbnf";
    if (!(facts->name = tsr_strdup(name)))
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: the name of a grammar");
    if (rq->schema)
        return tsr_grammar_from_schema(&s->grammar, text, strlen(text), name, err);
    return tsr_grammar_from_gbnf(&s->grammar, text, strlen(text), name, err);
}

static tsr_status add_end(tsr_ids *ends, const tessera_model *m, int32_t id, tsr_error *err)
{
    /* What asks for a tool's answer is no end of ours. */
    return id < 0 || id == m->ids.tool_response ? TSR_OK : tsr_ids_add(ends, id, err);
}

static tsr_status read_vocab(tessera_model *m, tsr_error *err)
{
    const tsri_generation *g = &m->generation;
    tsr_ids never = {0}, ends = {0};
    const int32_t media[] = {m->ids.image, m->ids.audio, m->ids.video};
    tsr_status st = TSR_OK;
    if (m->vocab)
        return st;
    for (size_t i = 0; i < sizeof media / sizeof *media && st == TSR_OK; i++)
        st = tsr_ids_add(&never, media[i], err);
    for (size_t i = 0; i < g->n_suppress && st == TSR_OK; i++)
        st = tsr_ids_add(&never, g->suppress[i], err);
    if (st == TSR_OK)
        st = add_end(&ends, m, m->ids.eos, err);
    if (st == TSR_OK)
        st = add_end(&ends, m, m->ids.turn_end, err);
    for (size_t i = 0; i < g->n_eos && st == TSR_OK; i++)
        st = add_end(&ends, m, g->eos[i], err);
    if (st == TSR_OK)
        st = tsr_vocab_open(&m->vocab, m->tokenizer,
                            &(tsr_vocab_opts){.n_vocab = tsri_model_config(m)->vocab, .never = never.at, .n_never = never.n,
                                              .ends = ends.at, .n_ends = ends.n}, err);
    tsr_ids_deinit(&never);
    tsr_ids_deinit(&ends);
    return st;
}

tsr_status tsri_structure_begin(tsri_structure *s, tessera_model *m, const tessera_request *rq, size_t max_tokens,
                                tsr_error *err)
{
    if (!s->grammar)
        return TSR_OK;
    tsr_guide_opts o = {.max_tokens = max_tokens,
                        .channel_open = tsr_tokenizer_id_of(m->tokenizer, "<|channel>"),
                        .channel_close = tsr_tokenizer_id_of(m->tokenizer, "<channel|>")};
    o.thinks = rq->think && o.channel_open >= 0 && o.channel_close >= 0;
    tsr_status st = read_vocab(m, err);
    return st == TSR_OK ? tsr_guide_open(&s->guide, s->grammar, m->vocab, &o, err) : st;
}

void tsri_structure_deinit(tsri_structure *s)
{
    tsr_guide_close(s->guide);
    tsr_grammar_close(s->grammar);
    memset(s, 0, sizeof *s);
}
