/* fuzz_gguf.c: any bytes as a GGUF file.
 *
 * With clang: -fsanitize=fuzzer,address,undefined together with tsr_base (target fuzz_gguf, present when
 * TSR_FUZZ is on). Without it the test replays corpus_gguf through the same code. */
#include "fuzz_gguf.h"

#include <stdlib.h>
#include <string.h>

#include "gguf_internal.h"
#include "tsr_alloc.h"

static void promise(bool kept)
{
    if (!kept)
        abort();
}

static bool inside(const void *at, size_t n, const uint8_t *data, size_t len)
{
    const uint8_t *p = at;
    return p >= data && p <= data + len && n <= (size_t)(data + len - p);
}

static void walk_strings(const tsr_gguf_value *v, const uint8_t *data, size_t len)
{
    tsr_gguf_strs it = tsr_gguf_strs_begin(v);
    tsr_gguf_str s;
    size_t n = 0, bytes = 0;
    while (tsr_gguf_strs_next(&it, &s)) {
        promise(inside(s.data, s.len, data, len));
        bytes += 8 + s.len;
        n++;
    }
    promise(n == (v->type == TSR_GGUF_STR ? v->n : 0));
    promise(v->type != TSR_GGUF_STR || bytes == v->n_bytes);
}

static void walk_numbers(const tsr_gguf_value *v)
{
    for (size_t i = 0; i < v->n; i++) {
        uint64_t u;
        int64_t s;
        double d;
        bool b;
        bool is_u = tsr_gguf_value_u64(v, i, &u), is_s = tsr_gguf_value_i64(v, i, &s);
        int kinds = (is_u || is_s) + tsr_gguf_value_f64(v, i, &d) + tsr_gguf_value_bool(v, i, &b);
        promise(kinds == (v->type != TSR_GGUF_STR));
        promise(!is_u || !is_s || (uint64_t)s == u);
    }
}

static void get_all(const tsr_gguf *g, const char *key, const tsr_gguf_value *v)
{
    uint32_t u32[4];
    int32_t i32[4];
    uint64_t u64;
    float f32[4];
    bool b[4];
    tsr_gguf_str s, *strs;
    size_t n;
    unsigned good = 0;
    good += tsr_gguf_get_u32(g, key, TSR_GGUF_REQUIRED, u32, NULL) == TSR_OK;
    good += tsr_gguf_get_i32(g, key, TSR_GGUF_REQUIRED, i32, NULL) == TSR_OK;
    good += tsr_gguf_get_u64(g, key, TSR_GGUF_REQUIRED, &u64, NULL) == TSR_OK;
    good += tsr_gguf_get_f32(g, key, TSR_GGUF_REQUIRED, f32, NULL) == TSR_OK;
    good += tsr_gguf_get_bool(g, key, TSR_GGUF_REQUIRED, b, NULL) == TSR_OK;
    good += tsr_gguf_get_str(g, key, TSR_GGUF_REQUIRED, &s, NULL) == TSR_OK;
    promise(!v->is_array || good == 0);
    tsr_gguf_get_u32s(g, key, TSR_GGUF_REQUIRED, u32, 4, NULL);
    tsr_gguf_get_i32s(g, key, TSR_GGUF_REQUIRED, i32, 4, NULL);
    tsr_gguf_get_f32s(g, key, TSR_GGUF_REQUIRED, f32, 4, NULL);
    tsr_gguf_get_bools(g, key, TSR_GGUF_REQUIRED, b, 4, NULL);
    tsr_status st = tsr_gguf_get_strs(g, key, TSR_GGUF_REQUIRED, &strs, &n, NULL);
    promise((st == TSR_OK) == (v->is_array && v->type == TSR_GGUF_STR));
    promise(st != TSR_OK || n == v->n);
    tsr_free(strs);
}

void fuzz_gguf_walk(const tsr_gguf *g, const uint8_t *data, size_t len)
{
    unsigned sum = 0;
    for (size_t i = 0; i < tsr_gguf_n_keys(g); i++) {
        const tsr_gguf_value *v = tsr_gguf_value_at(g, i);
        promise(tsr_gguf_find(g, tsr_gguf_key(g, i)) == v);
        promise(inside(v->data, v->n_bytes, data, len) && v->at < len);
        walk_strings(v, data, len);
        walk_numbers(v);
        get_all(g, tsr_gguf_key(g, i), v);
    }
    for (size_t i = 0; i < tsr_gguf_n_tensors(g); i++) {
        const tsr_gguf_tensor *t = tsr_gguf_tensor_at(g, i);
        const unsigned char *p = t->view.data;
        promise(tsr_gguf_find_tensor(g, t->name) == t);
        promise(t->view.n_bytes > 0 && t->at < len && t->offset <= len && t->view.n_bytes <= len - t->offset);
        promise(t->view.n_elems / t->traits->block_elems * t->traits->block_bytes == t->view.n_bytes);
        if (t->view.type == TSR_N_TYPES) {
            promise(!p);
            continue;
        }
        promise(p == data + t->offset && t->traits == tsr_type_info(t->view.type));
        promise(tsr_view_rows(&t->view) * tsr_view_row_bytes(&t->view) == t->view.n_bytes);
        sum += p[0] + (unsigned)p[t->view.n_bytes - 1];
    }
    promise(sum < UINT32_MAX);
}

typedef tsr_status opener(tsr_gguf **out, tsr_bytes file, const char *path, tsr_error *err);

static tsr_status open_and_walk(opener *open, const uint8_t *data, size_t len)
{
    tsr_gguf *g;
    tsr_error err = {0};
    size_t live = tsr_alloc_live();
    tsr_status st = open(&g, (tsr_bytes){.data = data, .len = len}, "fuzz", &err);
    promise((st == TSR_OK || st == TSR_ERR_MODEL) && err.status == st && (g != NULL) == (st == TSR_OK));
    if (g)
        fuzz_gguf_walk(g, data, len);
    tsr_gguf_close(g);
    promise(tsr_alloc_live() == live);
    return st;
}

tsr_status fuzz_gguf(const uint8_t *data, size_t len)
{
    tsr_status opened = open_and_walk(tsri_gguf_open_bytes, data, len);
    tsr_status looked_at = open_and_walk(tsri_gguf_look_bytes, data, len);
    promise(opened != TSR_OK || looked_at == TSR_OK);
    return opened;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_gguf(data, len);
    return 0;
}
