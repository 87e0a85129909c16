/* tiny_model.c: see the header. */
#include "tiny_model.h"

#include <string.h>

#include "hash_model.h"
#include "result_internal.h"
#include "test_main.h"
#include "test_root.h"
#include "test_tmp.h"

tessera_model *tiny_model;

int tiny_model_open(void **state)
{
    tsr_error err = {TSR_OK, ""};
    tessera_error perr = {TESSERA_OK, ""};
    test_root_make(state);
    if (oracle_model_write(test_path(test_root, "model"), "e2b", &err) != TSR_OK ||
        tessera_model_open(&tiny_model, test_path(test_root, "model"), NULL, &perr) != TESSERA_OK)
        fail_msg("%s%s", err.text, perr.text);
    return 0;
}

int tiny_model_close(void **state)
{
    tessera_model_close(tiny_model);
    tiny_model = NULL;
    return test_root_remove(state);
}

tsr_status scripted_result(tessera_result **out, const char *text, const char *finish, tsr_error *err)
{
    if (!(*out = tsri_result_new()))
        return tsr_fail(err, TSR_ERR_NOMEM, "no memory for an answer");
    (*out)->cache.type = "f32";
    if (finish)
        (*out)->finish = finish;
    tsr_status st = tsr_text_add(&(*out)->text, text, strlen(text), err);
    if (st == TSR_OK)
        st = tsri_result_seal(*out, err);
    if (st != TSR_OK) {
        tessera_result_free(*out);
        *out = NULL;
    }
    return st;
}

tessera_request greedy_request(const tessera_part *parts, size_t n)
{
    tessera_request rq = tessera_request_default();
    rq.parts = parts;
    rq.n_parts = n;
    rq.temperature = 0;
    rq.max_tokens = 8;
    rq.budget = 70;
    return rq;
}
