/* tensor.c: type facts, exact conversions, and views of views. */
#include "tsr_tensor.h"

#include <assert.h>

#include "tensor_internal.h"
#include "tsr_alloc.h"

static const tsr_type_traits traits[TSR_N_TYPES] = {
    [TSR_F32] = {"F32", 1, 4, true},   [TSR_F16] = {"F16", 1, 2, true},  [TSR_BF16] = {"BF16", 1, 2, true},
    [TSR_I64] = {"I64", 1, 8, false},  [TSR_I32] = {"I32", 1, 4, false}, [TSR_U8] = {"U8", 1, 1, false},
    [TSR_BOOL] = {"BOOL", 1, 1, false},
    [TSR_Q8_0] = {"Q8_0", 32, 34, true},       [TSR_Q4_0] = {"Q4_0", 32, 18, true},
    [TSR_Q4_1] = {"Q4_1", 32, 20, true},       [TSR_Q5_0] = {"Q5_0", 32, 22, true},
    [TSR_Q5_1] = {"Q5_1", 32, 24, true},       [TSR_Q2_K] = {"Q2_K", 256, 84, true},
    [TSR_Q3_K] = {"Q3_K", 256, 110, true},     [TSR_Q4_K] = {"Q4_K", 256, 144, true},
    [TSR_Q5_K] = {"Q5_K", 256, 176, true},     [TSR_Q6_K] = {"Q6_K", 256, 210, true},
    [TSR_IQ4_NL] = {"IQ4_NL", 32, 18, true},   [TSR_IQ4_XS] = {"IQ4_XS", 256, 136, true},
    [TSR_MXFP4] = {"MXFP4", 32, 17, true},
};

const tsr_type_traits *tsr_type_info(tsr_type t)
{
    return &traits[t];
}

bool tsr_type_from_name(const char *name, tsr_type *out)
{
    for (int t = 0; t < TSR_N_TYPES; t++)
        if (strcmp(name, traits[t].name) == 0) {
            *out = (tsr_type)t;
            return true;
        }
    return false;
}

size_t tsr_view_row_bytes(const tsr_view *v)
{
    const tsr_type_traits *t = &traits[v->type];
    return tsr_view_cols(v) / t->block_elems * t->block_bytes;
}

tsr_view tsr_view_slice(const tsr_view *v, size_t i)
{
    assert(v->n_dims >= 2 && i < v->shape[0]);
    tsr_view s = *v;
    s.n_dims = v->n_dims - 1;
    s.n_elems = v->n_elems / v->shape[0];
    s.n_bytes = v->n_bytes / v->shape[0];
    for (unsigned d = 0; d < s.n_dims; d++)
        s.shape[d] = v->shape[d + 1];
    for (unsigned d = s.n_dims; d < TSR_MAX_DIMS; d++)
        s.shape[d] = 1;
    s.data = (const unsigned char *)v->data + i * s.n_bytes;
    return s;
}

tsr_view tsr_view_take_rows(const tsr_view *v, size_t first, size_t n)
{
    assert(v->n_dims == 2 && first <= v->shape[0] && n <= v->shape[0] - first);
    tsr_view s = *v;
    size_t row = tsr_view_row_bytes(v);
    s.data = (const unsigned char *)v->data + first * row;
    s.shape[0] = n;
    s.n_elems = n * v->shape[1];
    s.n_bytes = n * row;
    return s;
}

tsr_view tsr_view_of_f32(const float *data, size_t rows, size_t cols)
{
    tsr_view v = {.data = data, .type = TSR_F32, .n_dims = 2, .shape = {rows, cols, 1, 1}};
    v.n_elems = rows * cols;
    v.n_bytes = v.n_elems * sizeof *data;
    return v;
}

tsr_status tsri_view_measure(tsr_view *v, const tsr_type_traits *t, unsigned n_dims, const size_t *shape,
                             const char *what, tsr_error *err)
{
    *v = (tsr_view){.type = TSR_N_TYPES, .n_dims = n_dims, .shape = {1, 1, 1, 1}, .n_elems = 1};
    if (n_dims > TSR_MAX_DIMS)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: has %u dimensions, at most %d are known", what, n_dims, TSR_MAX_DIMS);
    for (unsigned d = 0; d < n_dims; d++)
        v->shape[d] = shape[d];
    for (unsigned d = 0; d < v->n_dims; d++) {
        if (v->shape[d] == 0)
            return tsr_fail(err, TSR_ERR_MODEL, "%s: dimension %u of %u is 0", what, d + 1, v->n_dims);
        if (!tsr_mul_size(&v->n_elems, v->n_elems, v->shape[d]))
            return tsr_fail(err, TSR_ERR_MODEL, "%s: the shape overflows", what);
    }
    if (tsr_view_cols(v) % t->block_elems != 0)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: rows of %zu elements are not whole blocks of %zu, as %s needs", what,
                        tsr_view_cols(v), t->block_elems, t->name);
    if (!tsr_mul_size(&v->n_bytes, v->n_elems / t->block_elems, t->block_bytes))
        return tsr_fail(err, TSR_ERR_MODEL, "%s: the shape overflows", what);
    return TSR_OK;
}

tsr_status tsr_view_make(tsr_view *out, tsr_type type, unsigned n_dims, const size_t *shape, const void *data,
                         size_t len_bytes, const char *what, tsr_error *err)
{
    tsr_view v;
    memset(out, 0, sizeof *out);
    tsr_status st = tsri_view_measure(&v, &traits[type], n_dims, shape, what, err);
    if (st != TSR_OK)
        return st;
    if (v.n_bytes > len_bytes)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: its shape and type %s need %zu bytes, %zu are there", what,
                        traits[type].name, v.n_bytes, len_bytes);
    if (!tsr_type_is_block(type) && (uintptr_t)data % traits[type].block_bytes != 0)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: its data is not aligned to its type %s", what, traits[type].name);
    v.type = type;
    v.data = data;
    *out = v;
    return TSR_OK;
}

float tsr_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exp = (h >> 10) & 31u, man = h & 0x3ffu, u;
    if (exp == 31) {
        u = sign | 0x7f800000u | man << 13;
    } else if (exp) {
        u = sign | (exp + 112) << 23 | man << 13;
    } else {
        float tiny = (float)man * 0x1p-24f; /* subnormal or zero, exact */
        memcpy(&u, &tiny, sizeof u);
        u |= sign;
    }
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

uint16_t tsr_f32_to_bf16(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

uint16_t tsr_f32_to_f16(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    uint32_t sign = u >> 16 & 0x8000u, abs = u & 0x7fffffffu;
    if (abs > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (abs >= 0x477ff000u) /* rounds to 2^16 or beyond */
        return (uint16_t)(sign | 0x7c00u);
    if (abs < 0x38800000u) { /* below 2^-14: adding 0.5 lets the FPU round at 2^-24 */
        float a;
        memcpy(&a, &abs, sizeof a);
        a += 0.5f;
        memcpy(&abs, &a, sizeof abs);
        return (uint16_t)(sign | (abs - 0x3f000000u));
    }
    uint32_t rounded = abs + 0xfffu + (abs >> 13 & 1u);
    return (uint16_t)(sign | (rounded - 0x38000000u) >> 13);
}
