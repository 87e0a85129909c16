/* result_internal.h: what a request gave, filled by run.c and told by result.c. */
#ifndef TSR_RESULT_INTERNAL_H
#define TSR_RESULT_INTERNAL_H

#include "tessera.h"
#include "tsr_json.h"
#include "tsr_tokenizer.h"

typedef struct tsri_timings {
    double open_media_s, encode_s, prefill_s, decode_s;
} tsri_timings;

typedef struct tsri_cache_facts {
    const char *type; /* static */
    size_t positions, bytes;
} tsri_cache_facts;

typedef struct tsri_grammar_facts {
    const char *kind; /* static; NULL: none */
    char *name;
    bool closed_early; /* it was brought to its end for want of tokens */
} tsri_grammar_facts;

struct tessera_result {
    tsr_text text, thought; /* NUL-terminated by tsri_result_seal */
    tsr_json *tool_calls;   /* array, NULL: none */
    tsr_json *media;        /* array of objects, one per media part */
    tsr_json *notes;        /* array of strings */
    tsr_json *film;         /* object: plan and windows of films; NULL: none was planned */
    tsr_ids ids;
    const char *finish; /* static */
    size_t prompt_tokens, image_tokens, audio_tokens, video_tokens;
    size_t cached_tokens; /* of prompt_tokens: not computed again */
    tsri_cache_facts cache;
    const char *products; /* "exact" or "fast"; static */
    tsri_grammar_facts grammar;
    tsri_timings timings;
    uint64_t seed;
    bool greedy;
};

/* Zeroed but for empty lists; NULL when memory is short. */
tessera_result *tsri_result_new(void);

/* What tessera_result_json writes, the caller's; NULL when memory is short. */
tsr_json *tsri_result_json(const tessera_result *r, tsr_error *err);

/* Terminate the texts. */
tsr_status tsri_result_seal(tessera_result *r, tsr_error *err);

#endif
