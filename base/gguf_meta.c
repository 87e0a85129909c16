/* gguf_meta.c: metadata values as numbers, strings and lists. The bytes were checked when the file was
 * opened; here only kinds, ranges and counts can be wrong. */
#include "gguf_internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "tsr_alloc.h"

static const struct {
    const char *name;
    unsigned char n_bytes;
} types[TSR_GGUF_N_TYPES] = {
    [TSR_GGUF_U8] = {"u8", 1},   [TSR_GGUF_I8] = {"i8", 1},     [TSR_GGUF_U16] = {"u16", 2},
    [TSR_GGUF_I16] = {"i16", 2}, [TSR_GGUF_U32] = {"u32", 4},   [TSR_GGUF_I32] = {"i32", 4},
    [TSR_GGUF_F32] = {"f32", 4}, [TSR_GGUF_BOOL] = {"bool", 1}, [TSR_GGUF_STR] = {"string", 0},
    [TSR_GGUF_ARRAY] = {"array", 0}, [TSR_GGUF_U64] = {"u64", 8}, [TSR_GGUF_I64] = {"i64", 8},
    [TSR_GGUF_F64] = {"f64", 8},
};

const char *tsr_gguf_type_name(tsr_gguf_type t)
{
    return types[t].name;
}

size_t tsri_gguf_type_bytes(tsr_gguf_type t)
{
    return types[t].n_bytes;
}

static uint64_t load(const unsigned char *p, size_t n)
{
    uint64_t u = 0;
    for (size_t i = 0; i < n; i++)
        u |= (uint64_t)p[i] << 8 * i;
    return u;
}

static uint64_t element(const tsr_gguf_value *v, size_t i)
{
    size_t n = types[v->type].n_bytes;
    return load(v->data + i * n, n);
}

/* The two's complement number in the low n bytes of u, without a conversion that C leaves open. */
static int64_t extend(uint64_t u, size_t n)
{
    uint64_t sign = (uint64_t)1 << (8 * n - 1);
    return u & sign ? -(int64_t)(sign - 1 - (u & (sign - 1))) - 1 : (int64_t)u;
}

bool tsr_gguf_value_i64(const tsr_gguf_value *v, size_t i, int64_t *out)
{
    *out = 0;
    switch (v->type) {
    case TSR_GGUF_U8:
    case TSR_GGUF_U16:
    case TSR_GGUF_U32:
    case TSR_GGUF_U64:
        if (element(v, i) > INT64_MAX)
            return false;
        *out = (int64_t)element(v, i);
        return true;
    case TSR_GGUF_I8:
    case TSR_GGUF_I16:
    case TSR_GGUF_I32:
    case TSR_GGUF_I64:
        *out = extend(element(v, i), types[v->type].n_bytes);
        return true;
    default:
        return false;
    }
}

bool tsr_gguf_value_u64(const tsr_gguf_value *v, size_t i, uint64_t *out)
{
    int64_t n;
    *out = 0;
    if (v->type == TSR_GGUF_U64) {
        *out = element(v, i);
        return true;
    }
    if (!tsr_gguf_value_i64(v, i, &n) || n < 0)
        return false;
    *out = (uint64_t)n;
    return true;
}

bool tsr_gguf_value_f64(const tsr_gguf_value *v, size_t i, double *out)
{
    *out = 0;
    if (v->type == TSR_GGUF_F32) {
        uint32_t u = (uint32_t)element(v, i);
        float f;
        memcpy(&f, &u, sizeof f);
        *out = (double)f;
        return true;
    }
    if (v->type == TSR_GGUF_F64) {
        uint64_t u = element(v, i);
        memcpy(out, &u, sizeof *out);
        return true;
    }
    return false;
}

bool tsr_gguf_value_bool(const tsr_gguf_value *v, size_t i, bool *out)
{
    *out = v->type == TSR_GGUF_BOOL && v->data[i] != 0;
    return v->type == TSR_GGUF_BOOL;
}

tsr_gguf_strs tsr_gguf_strs_begin(const tsr_gguf_value *v)
{
    return (tsr_gguf_strs){.at = v->data, .left = v->type == TSR_GGUF_STR ? v->n : 0};
}

bool tsr_gguf_strs_next(tsr_gguf_strs *it, tsr_gguf_str *out)
{
    *out = (tsr_gguf_str){.data = "", .len = 0};
    if (it->left == 0)
        return false;
    out->len = (size_t)load(it->at, 8);
    out->data = (const char *)it->at + 8;
    it->at += 8 + out->len;
    it->left--;
    return true;
}

/* One element as what a getter wants; false when it isn't that or doesn't fit. */
typedef bool (*convert_fn)(const tsr_gguf_value *v, size_t i, void *out);

typedef struct kind {
    const char *wanted; /* "a whole number from 0 to 4294967295" */
    convert_fn convert;
    size_t size; /* of one result */
} kind;

static bool to_u32(const tsr_gguf_value *v, size_t i, void *out)
{
    uint64_t n;
    if (!tsr_gguf_value_u64(v, i, &n) || n > UINT32_MAX)
        return false;
    *(uint32_t *)out = (uint32_t)n;
    return true;
}

static bool to_i32(const tsr_gguf_value *v, size_t i, void *out)
{
    int64_t n;
    if (!tsr_gguf_value_i64(v, i, &n) || n < INT32_MIN || n > INT32_MAX)
        return false;
    *(int32_t *)out = (int32_t)n;
    return true;
}

static bool to_u64(const tsr_gguf_value *v, size_t i, void *out)
{
    uint64_t n;
    if (!tsr_gguf_value_u64(v, i, &n))
        return false;
    *(uint64_t *)out = n;
    return true;
}

/* Whole numbers up to 2^24 have an f32 of their own. */
static bool to_f32(const tsr_gguf_value *v, size_t i, void *out)
{
    double d;
    int64_t n;
    if (tsr_gguf_value_i64(v, i, &n)) {
        if (n < -(1 << 24) || n > 1 << 24)
            return false;
        *(float *)out = (float)n;
        return true;
    }
    if (!tsr_gguf_value_f64(v, i, &d) || !(fabs(d) <= (double)FLT_MAX))
        return false;
    *(float *)out = (float)d;
    return true;
}

static bool to_bool(const tsr_gguf_value *v, size_t i, void *out)
{
    bool b;
    if (!tsr_gguf_value_bool(v, i, &b))
        return false;
    *(bool *)out = b;
    return true;
}

static bool to_str(const tsr_gguf_value *v, size_t i, void *out)
{
    tsr_gguf_strs it = tsr_gguf_strs_begin(v);
    tsr_gguf_str s;
    (void)i; /* of single strings alone */
    if (!tsr_gguf_strs_next(&it, &s))
        return false;
    *(tsr_gguf_str *)out = s;
    return true;
}

static const kind u32 = {"a whole number from 0 to 4294967295", to_u32, sizeof(uint32_t)};
static const kind i32 = {"a whole number from -2147483648 to 2147483647", to_i32, sizeof(int32_t)};
static const kind u64 = {"a whole number from 0 to 18446744073709551615", to_u64, sizeof(uint64_t)};
static const kind f32 = {"a finite number that fits a float", to_f32, sizeof(float)};
static const kind boolean = {"a bool", to_bool, sizeof(bool)};
static const kind string = {"a string", to_str, sizeof(tsr_gguf_str)};

/* What the value is, for the error. */
static void describe(char *buf, size_t cap, const tsr_gguf_value *v, size_t i)
{
    const char *type = types[v->type].name;
    uint64_t u;
    int64_t n;
    double d;
    if (tsr_gguf_value_i64(v, i, &n))
        snprintf(buf, cap, "%s %lld", type, (long long)n);
    else if (tsr_gguf_value_u64(v, i, &u))
        snprintf(buf, cap, "%s %llu", type, (unsigned long long)u);
    else if (tsr_gguf_value_f64(v, i, &d))
        snprintf(buf, cap, "%s %g", type, d);
    else
        snprintf(buf, cap, "%s", type);
}

static tsr_status look_up(const tsr_gguf *g, const char *key, tsr_gguf_need need, const tsr_gguf_value **out,
                          tsr_error *err)
{
    *out = tsr_gguf_find(g, key);
    if (!*out && need == TSR_GGUF_REQUIRED)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s: is missing", tsr_gguf_path(g), key);
    return TSR_OK;
}

static tsr_status convert(const tsr_gguf *g, const char *key, const tsr_gguf_value *v, size_t i, const kind *k,
                          void *out, tsr_error *err)
{
    char is[64];
    if (k->convert(v, i, out))
        return TSR_OK;
    describe(is, sizeof is, v, i);
    if (!v->is_array)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s at byte %zu: %s, wanted %s", tsr_gguf_path(g), key, v->at, is,
                        k->wanted);
    return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s at byte %zu: element %zu is %s, wanted %s", tsr_gguf_path(g), key,
                    v->at, i, is, k->wanted);
}

static tsr_status get_one(const tsr_gguf *g, const char *key, tsr_gguf_need need, const kind *k, void *out,
                          tsr_error *err)
{
    const tsr_gguf_value *v;
    tsr_status st = look_up(g, key, need, &v, err);
    if (st != TSR_OK || !v)
        return st;
    if (v->is_array)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s at byte %zu: an array of %zu %s, wanted %s", tsr_gguf_path(g),
                        key, v->at, v->n, types[v->type].name, k->wanted);
    return convert(g, key, v, 0, k, out, err);
}

static tsr_status get_list(const tsr_gguf *g, const char *key, tsr_gguf_need need, const kind *k, void *dst, size_t n,
                           tsr_error *err)
{
    const tsr_gguf_value *v;
    tsr_status st = look_up(g, key, need, &v, err);
    if (st != TSR_OK || !v)
        return st;
    if (v->is_array && v->n != n)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s at byte %zu: an array of %zu, wanted %zu", tsr_gguf_path(g),
                        key, v->at, v->n, n);
    for (size_t i = 0; i < n && st == TSR_OK; i++)
        st = convert(g, key, v, v->is_array ? i : 0, k, (unsigned char *)dst + i * k->size, err);
    return st;
}

tsr_status tsr_gguf_get_u32(const tsr_gguf *g, const char *key, tsr_gguf_need need, uint32_t *out, tsr_error *err)
{
    return get_one(g, key, need, &u32, out, err);
}

tsr_status tsr_gguf_get_i32(const tsr_gguf *g, const char *key, tsr_gguf_need need, int32_t *out, tsr_error *err)
{
    return get_one(g, key, need, &i32, out, err);
}

tsr_status tsr_gguf_get_u64(const tsr_gguf *g, const char *key, tsr_gguf_need need, uint64_t *out, tsr_error *err)
{
    return get_one(g, key, need, &u64, out, err);
}

tsr_status tsr_gguf_get_f32(const tsr_gguf *g, const char *key, tsr_gguf_need need, float *out, tsr_error *err)
{
    return get_one(g, key, need, &f32, out, err);
}

tsr_status tsr_gguf_get_bool(const tsr_gguf *g, const char *key, tsr_gguf_need need, bool *out, tsr_error *err)
{
    return get_one(g, key, need, &boolean, out, err);
}

tsr_status tsr_gguf_get_str(const tsr_gguf *g, const char *key, tsr_gguf_need need, tsr_gguf_str *out, tsr_error *err)
{
    return get_one(g, key, need, &string, out, err);
}

tsr_status tsr_gguf_get_u32s(const tsr_gguf *g, const char *key, tsr_gguf_need need, uint32_t *dst, size_t n,
                             tsr_error *err)
{
    return get_list(g, key, need, &u32, dst, n, err);
}

tsr_status tsr_gguf_get_i32s(const tsr_gguf *g, const char *key, tsr_gguf_need need, int32_t *dst, size_t n,
                             tsr_error *err)
{
    return get_list(g, key, need, &i32, dst, n, err);
}

tsr_status tsr_gguf_get_f32s(const tsr_gguf *g, const char *key, tsr_gguf_need need, float *dst, size_t n,
                             tsr_error *err)
{
    return get_list(g, key, need, &f32, dst, n, err);
}

tsr_status tsr_gguf_get_bools(const tsr_gguf *g, const char *key, tsr_gguf_need need, bool *dst, size_t n,
                              tsr_error *err)
{
    return get_list(g, key, need, &boolean, dst, n, err);
}

tsr_status tsr_gguf_get_strs(const tsr_gguf *g, const char *key, tsr_gguf_need need, tsr_gguf_str **out, size_t *n,
                             tsr_error *err)
{
    const tsr_gguf_value *v;
    *out = NULL;
    *n = 0;
    tsr_status st = look_up(g, key, need, &v, err);
    if (st != TSR_OK || !v)
        return st;
    if (!v->is_array || v->type != TSR_GGUF_STR)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key %s at byte %zu: %s%s, wanted an array of strings",
                        tsr_gguf_path(g), key, v->at, v->is_array ? "an array of " : "", types[v->type].name);
    st = tsr_alloc_array(out, v->n, sizeof **out, key, err);
    if (st != TSR_OK)
        return st;
    tsr_gguf_strs it = tsr_gguf_strs_begin(v);
    for (tsr_gguf_str s; tsr_gguf_strs_next(&it, &s);)
        (*out)[(*n)++] = s;
    return TSR_OK;
}
