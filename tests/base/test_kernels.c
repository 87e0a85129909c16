/* The kernel check: walks the CPU levels upward through tsri_kernels_init and checks every pointer
 * that changed against f64, so that a new variant is tested without editing a list.
 *
 * Every buffer stands in one page between two unreadable ones, once at its end (a read too far ends
 * the process) and once at its start (so does one before); the rest of the page holds a pattern that
 * must survive. Faults planted below show that the check itself can fail.
 *
 * test_kernels [--seed N]    the check
 * test_kernels --bench       the same calls, timed, as CSV */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "test_main.h"

#include <fcntl.h>
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernels_internal.h"
#include "test_tmp.h"
#include "tsr_tensor.h"

enum { MAX_N = 600, PATTERN = 0xc5 };

/* ---- kernels as subjects ---------------------------------------------------------------- */

typedef enum kind {
    DOT_F32, DOT_BF16, DOT_F16, DOT_Q8_0, DOT4_BF16, TILE_BF16, AXPY_F32, AXPY_BF16, AXPY_F16, AXPY_Q8_0, DECODE_BF16,
    DECODE_F16, DECODE_Q8_0, EXP_SUM, GELU_MUL, SIGMOID_MUL, MAX_F32, CLAMP, RMS_NORM,
    SOFT_CAP, N_KERNELS
} kind;

/* In step with tsri_kernels: a kernel added there without a check here does not compile. */
_Static_assert(sizeof(tsri_kernels) == N_KERNELS * sizeof(void (*)(void)), "every kernel has a check");

static const char *const kernel_names[N_KERNELS] = {
    "dot_f32",   "dot_bf16", "dot_f16",   "dot_q8_0",    "dot4_bf16",  "tile_bf16",   "axpy_f32", "axpy_bf16",
    "axpy_f16", "axpy_q8_0", "decode_bf16", "decode_f16", "decode_q8_0", "exp_sum",  "gelu_mul",
    "sigmoid_mul", "max_f32", "clamp", "rms_norm", "soft_cap"};

/* Whether kernel k differs between two tables. */
static bool changed(const tsri_kernels *a, const tsri_kernels *b, kind k)
{
    switch (k) {
    case DOT_F32: return a->dot_f32 != b->dot_f32;
    case DOT_BF16: return a->dot_bf16 != b->dot_bf16;
    case DOT_F16: return a->dot_f16 != b->dot_f16;
    case DOT_Q8_0: return a->dot_q8_0 != b->dot_q8_0;
    case DOT4_BF16: return a->dot4_bf16 != b->dot4_bf16;
    case TILE_BF16: return a->tile_bf16 != b->tile_bf16;
    case AXPY_F32: return a->axpy_f32 != b->axpy_f32;
    case AXPY_BF16: return a->axpy_bf16 != b->axpy_bf16;
    case AXPY_F16: return a->axpy_f16 != b->axpy_f16;
    case AXPY_Q8_0: return a->axpy_q8_0 != b->axpy_q8_0;
    case DECODE_BF16: return a->decode_bf16 != b->decode_bf16;
    case DECODE_F16: return a->decode_f16 != b->decode_f16;
    case DECODE_Q8_0: return a->decode_q8_0 != b->decode_q8_0;
    case EXP_SUM: return a->exp_sum != b->exp_sum;
    case GELU_MUL: return a->gelu_mul != b->gelu_mul;
    case SIGMOID_MUL: return a->sigmoid_mul != b->sigmoid_mul;
    case MAX_F32: return a->max_f32 != b->max_f32;
    case CLAMP: return a->clamp != b->clamp;
    case RMS_NORM: return a->rms_norm != b->rms_norm;
    case SOFT_CAP: return a->soft_cap != b->soft_cap;
    default: return true;
    }
}

/* ---- pages ------------------------------------------------------------------------------ */

typedef struct guarded {
    unsigned char *page; /* `size` readable bytes between two unreadable pages */
    size_t size;
    unsigned char *at; /* the buffer in it */
    size_t len;
} guarded;

static guarded page_w, page_x, page_y;

static void guard_init(guarded *g)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *p = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p, page, PROT_NONE), 0);
    assert_int_equal(mprotect(p + 2 * page, page, PROT_NONE), 0);
    g->page = p + page;
    g->size = page;
}

/* A buffer of len bytes that ends (or begins) at an unreadable page, the rest a pattern. */
static void *guard_place(guarded *g, size_t len, bool at_end)
{
    memset(g->page, PATTERN, g->size);
    g->at = at_end ? g->page + g->size - len : g->page;
    g->len = len;
    return g->at;
}

/* The first byte outside the buffer that lost the pattern, as an offset from the buffer's start. */
static bool guard_hurt(const guarded *g, long *where)
{
    static unsigned char *whole; /* a page of the pattern: comparing blocks is quick under every sanitizer */
    size_t before = (size_t)(g->at - g->page), after = g->size - before - g->len;
    if (!whole)
        memset(whole = must_realloc(NULL, g->size), PATTERN, g->size);
    if (memcmp(g->page, whole, before) == 0 && memcmp(g->at + g->len, whole, after) == 0)
        return false;
    for (unsigned char *p = g->page; p < g->page + g->size; p++)
        if ((p < g->at || p >= g->at + g->len) && *p != PATTERN) {
            *where = (long)(p - g->at);
            return true;
        }
    return false;
}

/* ---- values ----------------------------------------------------------------------------- */

typedef enum range { ORDINARY, TINY, HUGE_VALUES, DENORMAL, ZERO, NEGATIVE, MIXED, N_RANGES } range;

static uint64_t rng;

static uint32_t next_u32(void)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng >> 32);
}

static float unit(void) /* -1 .. 1 */
{
    return (float)(int32_t)next_u32() * 0x1p-31f;
}

/* Weights have the narrower range of their type; sums of products stay finite in f32. */
static float value(range r, bool is_half)
{
    switch (r) {
    case TINY: return unit() * (is_half ? 0x1p-14f : 1e-18f);
    case HUGE_VALUES: return unit() * (is_half ? 6e4f : 1e16f);
    case DENORMAL: return unit() * (is_half ? 0x1p-15f : 0x1p-127f);
    case ZERO: return next_u32() % 2 ? 0.0f : -0.0f;
    case NEGATIVE: return -fabsf(unit()) - 0x1p-20f;
    case MIXED: return ldexpf(unit(), (int)(next_u32() % 24) - 12);
    default: return unit();
    }
}

/* What the kernel reads beside plain f32. */
static tsr_type type_of(kind k)
{
    switch (k) {
    case DOT_BF16:
    case DOT4_BF16:
    case TILE_BF16:
    case AXPY_BF16:
    case DECODE_BF16: return TSR_BF16;
    case DOT_F16:
    case AXPY_F16:
    case DECODE_F16: return TSR_F16;
    case DOT_Q8_0:
    case AXPY_Q8_0:
    case DECODE_Q8_0: return TSR_Q8_0;
    default: return TSR_F32;
    }
}

static bool is_half(kind k)
{
    return type_of(k) == TSR_F16 || type_of(k) == TSR_Q8_0;
}

static float decoded(kind k, const void *w, size_t i)
{
    const unsigned char *block = (const unsigned char *)w + i / TSRI_Q8_ELEMS * TSRI_Q8_BYTES;
    uint16_t h;
    float f;
    switch (type_of(k)) {
    case TSR_F32: memcpy(&f, (const unsigned char *)w + 4 * i, 4); return f;
    case TSR_Q8_0:
        memcpy(&h, block, 2);
        return tsr_f16_to_f32(h) * (float)(int8_t)block[2 + i % TSRI_Q8_ELEMS];
    default:
        memcpy(&h, (const unsigned char *)w + 2 * i, 2);
        return type_of(k) == TSR_BF16 ? tsr_bf16_to_f32(h) : tsr_f16_to_f32(h);
    }
}

static size_t row_bytes(kind k, size_t n)
{
    if (type_of(k) == TSR_Q8_0)
        return (n + TSRI_Q8_ELEMS - 1) / TSRI_Q8_ELEMS * TSRI_Q8_BYTES;
    return type_of(k) == TSR_F32 ? 4 * n : 2 * n;
}

/* Of q8_0 the value becomes the block's scale, whose numbers are any. */
static void put_weight(kind k, void *w, size_t i, float f)
{
    unsigned char *block = (unsigned char *)w + i / TSRI_Q8_ELEMS * TSRI_Q8_BYTES;
    uint16_t h = type_of(k) == TSR_BF16 ? tsr_f32_to_bf16(f) : tsr_f32_to_f16(f);
    switch (type_of(k)) {
    case TSR_F32: memcpy((unsigned char *)w + 4 * i, &f, 4); break;
    case TSR_Q8_0:
        memcpy(block, &h, 2);
        for (size_t j = 0; j < TSRI_Q8_ELEMS; j++)
            block[2 + j] = (unsigned char)next_u32();
        break;
    default: memcpy((unsigned char *)w + 2 * i, &h, 2); break;
    }
}

static void put_weights(kind k, void *w, size_t n, range r)
{
    for (size_t i = 0; i < n; i += type_of(k) == TSR_Q8_0 ? TSRI_Q8_ELEMS : 1)
        put_weight(k, w, i, value(r, is_half(k)));
}

/* ---- one call against f64 ---------------------------------------------------------------- */

typedef struct outcome {
    bool ok;
    char why[256];
} outcome;

static outcome good(void)
{
    return (outcome){.ok = true};
}

static outcome __attribute__((format(printf, 1, 2))) bad(const char *fmt, ...)
{
    outcome o = {.ok = false};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(o.why, sizeof o.why, fmt, ap);
    va_end(ap);
    return o;
}

static outcome check_pages(size_t n, range r)
{
    long at;
    if (guard_hurt(&page_w, &at))
        return bad("n %zu range %d: weights changed at byte %ld", n, r, at);
    if (guard_hurt(&page_x, &at))
        return bad("n %zu range %d: input changed at byte %ld", n, r, at);
    if (guard_hurt(&page_y, &at))
        return bad("n %zu range %d: wrote at byte %ld of the output", n, r, at);
    return good();
}

/* dot4 is checked with its four rows overlapping: row r begins r elements after w, so the buffer holds
 * n + 3 of them. Which row's sum comes back rotates. */
static size_t extra_elems(kind k)
{
    return k == DOT4_BF16 ? 3 : 0;
}

static float call_dot(const tsri_kernels *t, kind k, const void *w, size_t row, const float *x, size_t n)
{
    if (k == DOT4_BF16) {
        float out[4] = {NAN, NAN, NAN, NAN};
        t->dot4_bf16(out, w, 1, x, n);
        return out[row];
    }
    if (k == DOT_F32)
        return t->dot_f32(w, x, n);
    if (k == DOT_Q8_0)
        return t->dot_q8_0(w, x, n);
    return k == DOT_BF16 ? t->dot_bf16(w, x, n) : t->dot_f16(w, x, n);
}

/* The bound: every order of summing n products with at least 8 partial sums stays within
 * (n / 8 + 12) roundings of half an epsilon, which is below 4 sqrt(n) epsilons for n <= 600; each
 * product may lose the smallest denormal. */
static outcome check_dot(const tsri_kernels *t, kind k, size_t n, range r, bool at_end)
{
    size_t row = k == DOT4_BF16 ? next_u32() % 4 : 0;
    void *w = guard_place(&page_w, row_bytes(k, n + extra_elems(k)), at_end);
    float *x = guard_place(&page_x, n * sizeof *x, at_end);
    double want = 0, mag = 0;
    guard_place(&page_y, 0, at_end);
    put_weights(k, w, n + extra_elems(k), r);
    for (size_t i = 0; i < n; i++) {
        x[i] = value(r == DENORMAL ? ORDINARY : r, false);
        double p = (double)decoded(k, w, i + row) * (double)x[i];
        want += p;
        mag += fabs(p);
    }
    double got = (double)call_dot(t, k, w, row, x, n);
    double tol = 4.0 * (double)FLT_EPSILON * sqrt((double)n) * mag + (double)n * 0x1p-149;
    if (!(fabs(got - want) <= tol)) /* NaN fails */
        return bad("n %zu range %d: got %.9g, want %.9g within %.3g", n, r, got, want, tol);
    return check_pages(n, r);
}

/* One NaN anywhere must come through. */
static outcome check_dot_nan(const tsri_kernels *t, kind k, size_t n)
{
    void *w = guard_place(&page_w, row_bytes(k, n + extra_elems(k)), true);
    float *x = guard_place(&page_x, n * sizeof *x, true);
    for (size_t i = 0; i < n + extra_elems(k); i++)
        put_weight(k, w, i, 1.0f);
    for (size_t i = 0; i < n; i++)
        x[i] = 1.0f;
    size_t at = next_u32() % n;
    if (next_u32() % 2)
        x[at] = NAN;
    else
        put_weight(k, w, at, NAN);
    if (!isnan(call_dot(t, k, w, 0, x, n)))
        return bad("n %zu: a NaN at %zu is lost", n, at);
    return good();
}

enum { TILE_ROWS = 15, TILE_LDY = 7 };

/* Rows of w and of x overlap, each one element after the last, so that short pages hold many; the
 * three floats between the rows of y must keep what they held. */
static outcome check_tile(const tsri_kernels *t, size_t n, range r, bool at_end)
{
    size_t rows = 1 + next_u32() % TILE_ROWS, n_y = (rows - 1) * TILE_LDY + 4;
    bool add = next_u32() % 2;
    uint16_t *w = guard_place(&page_w, (n + 3) * sizeof *w, at_end);
    float *x = guard_place(&page_x, (n + rows - 1) * sizeof *x, at_end);
    float *y = guard_place(&page_y, n_y * sizeof *y, at_end), before[TILE_ROWS * TILE_LDY];
    for (size_t i = 0; i < n + 3; i++)
        put_weight(TILE_BF16, w, i, value(r, false));
    for (size_t i = 0; i < n + rows - 1; i++)
        x[i] = value(r == DENORMAL ? ORDINARY : r, false);
    for (size_t i = 0; i < n_y; i++)
        y[i] = before[i] = value(r, false);
    t->tile_bf16(y, TILE_LDY, add, w, 1, x, 1, rows, n);
    for (size_t i = 0; i < n_y; i++) {
        size_t o = i % TILE_LDY, row = i / TILE_LDY;
        double want = o >= 4 || add ? (double)before[i] : 0.0, mag = fabs(want), tol = 0;
        for (size_t p = 0; o < 4 && p < n; p++) {
            double q = (double)decoded(TILE_BF16, w, p + o) * (double)x[p + row];
            want += q;
            mag += fabs(q);
        }
        if (o < 4)
            tol = 4.0 * (double)FLT_EPSILON * sqrt((double)n) * mag + (double)n * 0x1p-149;
        if (!(fabs((double)y[i] - want) <= tol))
            return bad("n %zu rows %zu range %d: [%zu, %zu] got %.9g, want %.9g within %.3g", n, rows, r, row, o,
                       (double)y[i], want, tol);
    }
    return check_pages(n, r);
}

static void call_axpy(const tsri_kernels *t, kind k, float *y, float a, const void *x, size_t n)
{
    switch (k) {
    case AXPY_BF16: t->axpy_bf16(y, a, x, n); break;
    case AXPY_F16: t->axpy_f16(y, a, x, n); break;
    case AXPY_Q8_0: t->axpy_q8_0(y, a, x, n); break;
    default: t->axpy_f32(y, a, x, n); break;
    }
}

static outcome check_axpy(const tsri_kernels *t, kind k, size_t n, range r, bool at_end)
{
    void *w = guard_place(&page_w, row_bytes(k, n), at_end);
    float *y = guard_place(&page_y, n * sizeof *y, at_end);
    float before[MAX_N + 1], a = value(r == DENORMAL ? ORDINARY : r, false);
    guard_place(&page_x, 0, at_end);
    put_weights(k, w, n, r);
    for (size_t i = 0; i < n; i++)
        y[i] = before[i] = value(r, false);
    call_axpy(t, k, y, a, w, n);
    for (size_t i = 0; i < n; i++) {
        double p = (double)a * (double)decoded(k, w, i), want = (double)before[i] + p;
        double tol = (double)FLT_EPSILON * (fabs(p) + fabs((double)before[i])) + 0x1p-149;
        if (!(fabs((double)y[i] - want) <= tol))
            return bad("n %zu range %d: [%zu] got %.9g, want %.9g within %.3g", n, r, i, (double)y[i], want, tol);
    }
    return check_pages(n, r);
}

/* A value that is not a number comes through, also with the factor 0. */
static outcome check_axpy_nan(const tsri_kernels *t, kind k, size_t n)
{
    void *w = guard_place(&page_w, row_bytes(k, n), true);
    float *y = guard_place(&page_y, n * sizeof *y, true);
    size_t at = next_u32() % n;
    guard_place(&page_x, 0, true);
    for (size_t i = 0; i < n; i++)
        y[i] = 1.0f;
    put_weights(k, w, n, ORDINARY);
    put_weight(k, w, at, NAN);
    call_axpy(t, k, y, 0.0f, w, n);
    if (!isnan(y[at]))
        return bad("n %zu: a NaN at %zu is lost", n, at);
    return good();
}

static void call_decode(const tsri_kernels *t, kind k, float *dst, const void *src, size_t n)
{
    switch (k) {
    case DECODE_BF16: t->decode_bf16(dst, src, n); break;
    case DECODE_F16: t->decode_f16(dst, src, n); break;
    default: t->decode_q8_0(dst, src, n); break;
    }
}

/* Bit for bit, but for the payload of half NaNs, which hardware makes quiet. */
static outcome check_decode(const tsri_kernels *t, kind k, size_t n, range r, bool at_end)
{
    unsigned char *w = guard_place(&page_w, row_bytes(k, n), at_end);
    float *y = guard_place(&page_y, n * sizeof *y, at_end);
    guard_place(&page_x, 0, at_end);
    if (r != ORDINARY)
        put_weights(k, w, n, r);
    for (size_t i = 0; r == ORDINARY && i < row_bytes(k, n); i++)
        w[i] = (unsigned char)next_u32(); /* any bits: NaN, infinity, denormals */
    call_decode(t, k, y, w, n);
    for (size_t i = 0; i < n; i++) {
        float want = decoded(k, w, i);
        if (memcmp(&want, &y[i], sizeof want) != 0 && !(k != DECODE_BF16 && isnan(want) && isnan(y[i])))
            return bad("n %zu range %d: [%zu] got %a, want %a", n, r, i, (double)y[i], (double)want);
    }
    return check_pages(n, r);
}

/* Arguments of a softmax: at most the largest, which is one of them; some far below, some -INFINITY. */
static outcome check_exp_sum(const tsri_kernels *t, size_t n, range r, bool at_end)
{
    float *x = guard_place(&page_x, n * sizeof *x, at_end);
    float before[MAX_N + 1], top = 4 * value(r == HUGE_VALUES ? ORDINARY : r, false);
    double sum = 0;
    guard_place(&page_w, 0, at_end);
    guard_place(&page_y, 0, at_end);
    for (size_t i = 0; i < n; i++) {
        float below = fabsf(value(r, false)) * (r == ORDINARY ? 100.0f : r == MIXED ? 0.01f : 1.0f);
        x[i] = before[i] = i == n / 2 ? top : next_u32() % 16 == 0 ? -INFINITY : top - below;
    }
    double got_sum = t->exp_sum(x, top, n);
    for (size_t i = 0; i < n; i++) {
        float arg = before[i] - top; /* rounded once, as by the kernel */
        double want = exp((double)arg), tol = 3 * (double)FLT_EPSILON * want + 1e-37;
        sum += (double)x[i];
        if (!(fabs((double)x[i] - want) <= tol))
            return bad("n %zu range %d: [%zu] exp(%a) got %.9g, want %.9g within %.3g", n, r, i, (double)arg,
                       (double)x[i], want, tol);
    }
    if (!(fabs(got_sum - sum) <= 1e-12 * sum))
        return bad("n %zu range %d: sum got %.17g, want %.17g", n, r, got_sum, sum);
    return check_pages(n, r);
}

static double gelu_f64(double x)
{
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static outcome check_gelu_mul(const tsri_kernels *t, size_t n, range r, bool at_end)
{
    bool has_u = next_u32() % 4 != 0;
    float *g = guard_place(&page_y, n * sizeof *g, at_end);
    float *u = guard_place(&page_x, has_u ? n * sizeof *u : 0, at_end);
    float before[MAX_N + 1];
    guard_place(&page_w, 0, at_end);
    for (size_t i = 0; i < n; i++) {
        g[i] = before[i] = value(r, false) * (r == ORDINARY ? 12.0f : 1.0f);
        if (has_u)
            u[i] = value(r == HUGE_VALUES ? ORDINARY : r, false);
    }
    t->gelu_mul(g, has_u ? u : NULL, n);
    for (size_t i = 0; i < n; i++) {
        double factor = has_u ? (double)u[i] : 1.0, want = gelu_f64((double)before[i]) * factor;
        double tol = 4 * (double)FLT_EPSILON * fabs((double)before[i] * factor) + 0x1p-126;
        if (!(fabs((double)g[i] - want) <= tol))
            return bad("n %zu range %d: [%zu] gelu(%a) got %.9g, want %.9g within %.3g", n, r, i, (double)before[i],
                       (double)g[i], want, tol);
    }
    return check_pages(n, r);
}

/* A softmax or an activation of values that are not numbers must not look like one that is. */
/* In place of a, of b or apart; what is not a number comes through. */
static outcome check_sigmoid_mul(const tsri_kernels *t, size_t n, range r, bool at_end)
{
    float *a = guard_place(&page_w, n * sizeof *a, at_end), *b = guard_place(&page_x, n * sizeof *b, at_end);
    float *apart = guard_place(&page_y, n * sizeof *apart, at_end), *const to[] = {a, b, apart};
    float *y = to[next_u32() % 3], a0[MAX_N + 1], b0[MAX_N + 1];
    for (size_t i = 0; i < n; i++) {
        a[i] = a0[i] = value(r == HUGE_VALUES ? ORDINARY : r, false);
        b[i] = b0[i] = next_u32() % 64 == 0 ? NAN : value(r, false) * (r == ORDINARY ? 100.0f : 1.0f);
    }
    t->sigmoid_mul(y, a, b, n);
    for (size_t i = 0; i < n; i++) {
        double want = (double)a0[i] / (1.0 + exp(-(double)b0[i]));
        double tol = 4 * (double)FLT_EPSILON * fabs(want) + 0x1p-125 * fabs((double)a0[i]) + 0x1p-149;
        if (isnan(b0[i]) ? !isnan(y[i]) : !(fabs((double)y[i] - want) <= tol))
            return bad("n %zu range %d: [%zu] sigmoid(%a) got %.9g, want %.9g within %.3g", n, r, i, (double)b0[i],
                       (double)y[i], want, tol);
    }
    return check_pages(n, r);
}

static outcome check_max(const tsri_kernels *t, size_t n, range r, bool at_end)
{
    float *x = guard_place(&page_x, n * sizeof *x, at_end), want = -INFINITY;
    guard_place(&page_w, 0, at_end);
    guard_place(&page_y, 0, at_end);
    for (size_t i = 0; i < n; i++) {
        x[i] = next_u32() % 8 == 0 ? NAN : next_u32() % 64 == 0 ? -INFINITY : value(r, false);
        want = x[i] > want ? x[i] : want;
    }
    float got = t->max_f32(x, n);
    if (!(got == want))
        return bad("n %zu range %d: got %.9g, want %.9g", n, r, (double)got, (double)want);
    return check_pages(n, r);
}

static outcome check_clamp(const tsri_kernels *t, size_t n, range r, bool at_end)
{
    float *x = guard_place(&page_x, n * sizeof *x, at_end), *apart = guard_place(&page_y, n * sizeof *x, at_end);
    float *y = next_u32() % 2 ? x : apart, x0[MAX_N + 1];
    float min = next_u32() % 8 == 0 ? -INFINITY : value(r, false), max = next_u32() % 8 == 0 ? INFINITY : value(r, false);
    guard_place(&page_w, 0, at_end);
    for (size_t i = 0; i < n; i++)
        x[i] = x0[i] = next_u32() % 32 == 0 ? NAN : value(r, false);
    t->clamp(y, x, min, max, n);
    for (size_t i = 0; i < n; i++) {
        float want = x0[i] < min ? min : x0[i];
        want = want > max ? max : want;
        if (isnan(want) ? !isnan(y[i]) : !(y[i] == want))
            return bad("n %zu range %d: [%zu] %a within %a and %a got %a", n, r, i, (double)x0[i], (double)min,
                       (double)max, (double)y[i]);
    }
    return check_pages(n, r);
}

/* With weights and without, in place and apart; now and then one value is not finite. */
static outcome check_rms_norm(const tsri_kernels *t, size_t n, range r, bool at_end)
{
    bool has_w = next_u32() % 4 != 0, is_finite = next_u32() % 8 != 0 || n == 0;
    float *w = guard_place(&page_w, has_w ? n * sizeof *w : 0, at_end), *x = guard_place(&page_x, n * sizeof *x, at_end);
    float *apart = guard_place(&page_y, n * sizeof *x, at_end), *y = next_u32() % 2 ? x : apart, x0[MAX_N + 1];
    double sum = 0.0, eps = 1e-6;
    for (size_t i = 0; i < n; i++) {
        x[i] = x0[i] = value(r, false);
        sum += (double)x[i] * (double)x[i];
        if (has_w)
            w[i] = value(r == HUGE_VALUES ? ORDINARY : r, false);
    }
    if (!is_finite)
        x[next_u32() % n] = next_u32() % 2 ? NAN : INFINITY;
    bool got = t->rms_norm(y, x, has_w ? w : NULL, n, (float)eps);
    if (n > 0 && got != is_finite)
        return bad("n %zu range %d: finite is %d", n, r, got);
    for (size_t i = 0; i < n && is_finite; i++) {
        double want = (double)x0[i] / sqrt(sum / (double)n + (double)(float)eps) * (has_w ? (double)w[i] : 1.0);
        double tol = 3 * (double)FLT_EPSILON * fabs(want) + 0x1p-148;
        if (!(fabs((double)y[i] - want) <= tol))
            return bad("n %zu range %d: [%zu] got %.9g, want %.9g within %.3g", n, r, i, (double)y[i], want, tol);
    }
    return check_pages(n, r);
}

/* What is not finite comes out as NaN; small values keep their digits. */
static outcome check_soft_cap(const tsri_kernels *t, size_t n, range r, bool at_end)
{
    float *x = guard_place(&page_x, n * sizeof *x, at_end), x0[MAX_N + 1], cap = next_u32() % 2 ? 30.0f : 0.75f;
    guard_place(&page_w, 0, at_end);
    guard_place(&page_y, 0, at_end);
    for (size_t i = 0; i < n; i++) {
        x[i] = value(r, false) * (r == ORDINARY ? 100.0f : 1.0f);
        if (next_u32() % 32 == 0)
            x[i] = next_u32() % 2 ? NAN : next_u32() % 2 ? INFINITY : -INFINITY;
        x0[i] = x[i];
    }
    t->soft_cap(x, cap, n);
    for (size_t i = 0; i < n; i++) {
        double want = (double)cap * tanh((double)x0[i] / (double)cap);
        double tol = 4 * (double)FLT_EPSILON * fabs(want) + (double)cap * 0x1p-148;
        if (!isfinite(x0[i]) ? !isnan(x[i]) : !(fabs((double)x[i] - want) <= tol))
            return bad("n %zu range %d: [%zu] %a got %.9g, want %.9g within %.3g", n, r, i, (double)x0[i], (double)x[i],
                       want, tol);
    }
    return check_pages(n, r);
}

static outcome check_exp_nan(const tsri_kernels *t, kind k, size_t n)
{
    size_t at = next_u32() % n;
    float *x = guard_place(&page_x, n * sizeof *x, true);
    guard_place(&page_w, 0, true);
    guard_place(&page_y, 0, true);
    for (size_t i = 0; i < n; i++)
        x[i] = -1.0f;
    x[at] = NAN;
    double sum = NAN;
    if (k == EXP_SUM)
        sum = t->exp_sum(x, 0.0f, n);
    else
        t->gelu_mul(x, NULL, n);
    if (!isnan(x[at]) || !isnan(sum))
        return bad("n %zu: a NaN at %zu is lost", n, at);
    return good();
}

static outcome check_once(const tsri_kernels *t, kind k, size_t n, range r, bool at_end)
{
    switch (k) {
    case TILE_BF16: return check_tile(t, n, r, at_end);
    case AXPY_F32:
    case AXPY_BF16:
    case AXPY_F16:
    case AXPY_Q8_0: return check_axpy(t, k, n, r, at_end);
    case DECODE_BF16:
    case DECODE_F16:
    case DECODE_Q8_0: return check_decode(t, k, n, r, at_end);
    case EXP_SUM: return check_exp_sum(t, n, r, at_end);
    case GELU_MUL: return check_gelu_mul(t, n, r, at_end);
    case SIGMOID_MUL: return check_sigmoid_mul(t, n, r, at_end);
    case MAX_F32: return check_max(t, n, r, at_end);
    case CLAMP: return check_clamp(t, n, r, at_end);
    case RMS_NORM: return check_rms_norm(t, n, r, at_end);
    case SOFT_CAP: return check_soft_cap(t, n, r, at_end);
    default: return check_dot(t, k, n, r, at_end);
    }
}

/* Every length, both ends, every range. */
static outcome check_kernel(const tsri_kernels *t, kind k, uint64_t seed)
{
    rng = seed ^ (uint64_t)k << 32;
    for (size_t n = 0; n <= MAX_N; n++)
        for (int r = 0; r < N_RANGES; r++)
            for (int at_end = 0; at_end < 2; at_end++) {
                outcome o = check_once(t, k, n, (range)r, at_end);
                if (!o.ok)
                    return o;
            }
    for (size_t n = 1; n <= MAX_N && k <= DOT4_BF16; n++) {
        outcome o = check_dot_nan(t, k, n);
        if (!o.ok)
            return o;
    }
    for (size_t n = 1; n <= MAX_N && k >= AXPY_F32 && k <= AXPY_Q8_0; n++) {
        outcome o = check_axpy_nan(t, k, n);
        if (!o.ok)
            return o;
    }
    for (size_t n = 1; n <= MAX_N && (k == EXP_SUM || k == GELU_MUL); n++) {
        outcome o = check_exp_nan(t, k, n);
        if (!o.ok)
            return o;
    }
    return good();
}

static uint64_t seed = 1;

static void every_variant_of_every_level_is_right(void **state)
{
    (void)state;
    tsri_kernels below = {0}, t;
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        tsri_kernels_init(&t, (tsr_cpu_level)l);
        for (int k = 0; k < N_KERNELS; k++) {
            if (!changed(&below, &t, (kind)k))
                continue;
            print_message("[   seed   ] %s_%s: %llu\n", kernel_names[k], tsr_cpu_level_name((tsr_cpu_level)l),
                          (unsigned long long)seed);
            outcome o = check_kernel(&t, (kind)k, seed);
            if (!o.ok)
                fail_msg("%s_%s: %s", kernel_names[k], tsr_cpu_level_name((tsr_cpu_level)l), o.why);
        }
        below = t;
    }
}

/* ---- planted faults ---------------------------------------------------------------------- */

static tsri_kernels right; /* the C variants, under the faults */

#define FAULTY_DOTS(type, dot)                                                                               \
    static float dot##_drops_tail(const type *w, const float *x, size_t n) { return right.dot(w, x, n & ~(size_t)7); } \
    static float dot##_scales(const type *w, const float *x, size_t n) { return 1.0001f * right.dot(w, x, n); } \
    static float dot##_gives_nan(const type *w, const float *x, size_t n)                                    \
    {                                                                                                        \
        return n == 77 ? NAN : right.dot(w, x, n);                                                           \
    }                                                                                                        \
    static float dot##_hides_nan(const type *w, const float *x, size_t n)                                    \
    {                                                                                                        \
        float f = right.dot(w, x, n);                                                                        \
        return isnan(f) ? 0.0f : f;                                                                          \
    }

#define DOT_READS_FAR(type, dot)                                                         \
    static float dot##_reads_far(const type *w, const float *x, size_t n)                \
    {                                                                                    \
        volatile type beyond = w[n];                                                     \
        (void)beyond;                                                                    \
        return right.dot(w, x, n);                                                       \
    }

FAULTY_DOTS(float, dot_f32)
FAULTY_DOTS(uint16_t, dot_bf16)
FAULTY_DOTS(uint16_t, dot_f16)
FAULTY_DOTS(uint8_t, dot_q8_0)
DOT_READS_FAR(float, dot_f32)
DOT_READS_FAR(uint16_t, dot_bf16)
DOT_READS_FAR(uint16_t, dot_f16)

static void dot4_bf16_drops_tail(float out[4], const uint16_t *w, size_t stride, const float *x, size_t n)
{
    right.dot4_bf16(out, w, stride, x, n & ~(size_t)7);
}

static void dot4_bf16_reads_far(float out[4], const uint16_t *w, size_t stride, const float *x, size_t n)
{
    volatile float beyond = x[n];
    (void)beyond;
    right.dot4_bf16(out, w, stride, x, n);
}

static void dot4_bf16_scales(float out[4], const uint16_t *w, size_t stride, const float *x, size_t n)
{
    right.dot4_bf16(out, w, stride, x, n);
    out[2] *= 1.0001f;
}

static void dot4_bf16_gives_nan(float out[4], const uint16_t *w, size_t stride, const float *x, size_t n)
{
    right.dot4_bf16(out, w, stride, x, n);
    if (n == 77)
        for (int r = 0; r < 4; r++)
            out[r] = NAN;
}

static void dot4_bf16_mixes_rows(float out[4], const uint16_t *w, size_t stride, const float *x, size_t n)
{
    right.dot4_bf16(out, w, stride, x, n);
    out[3] = out[0];
}

#define TILE_ARGS                                                                                           \
    float *y, size_t ldy, bool add, const uint16_t *w, size_t ldw, const float *x, size_t ldx, size_t n, size_t k

static void tile_bf16_drops_tail(TILE_ARGS)
{
    right.tile_bf16(y, ldy, add, w, ldw, x, ldx, n, k & ~(size_t)7);
}

static void tile_bf16_reads_far(TILE_ARGS)
{
    volatile uint16_t beyond = w[3 * ldw + k];
    (void)beyond;
    right.tile_bf16(y, ldy, add, w, ldw, x, ldx, n, k);
}

static void tile_bf16_scales(TILE_ARGS)
{
    right.tile_bf16(y, ldy, add, w, ldw, x, ldx, n, k);
    y[2] *= 1.0001f;
}

static void tile_bf16_gives_nan(TILE_ARGS)
{
    right.tile_bf16(y, ldy, add, w, ldw, x, ldx, n, k);
    if (k == 77)
        y[(n - 1) * ldy + 3] = NAN;
}

static void tile_bf16_never_adds(TILE_ARGS)
{
    (void)add;
    right.tile_bf16(y, ldy, false, w, ldw, x, ldx, n, k);
}

static void tile_bf16_fills_gaps(TILE_ARGS)
{
    right.tile_bf16(y, ldy, add, w, ldw, x, ldx, n, k);
    if (n > 1)
        y[4] = 0.0f;
}

#define FAULTY_AXPYS(type, axpy)                                                                             \
    static void axpy##_drops_tail(float *y, float a, const type *x, size_t n) { right.axpy(y, a, x, n & ~(size_t)7); } \
    static void axpy##_writes_far(float *y, float a, const type *x, size_t n)                                \
    {                                                                                                        \
        right.axpy(y, a, x, n);                                                                              \
        y[n] = 0.0f;                                                                                         \
    }                                                                                                        \
    static void axpy##_scales(float *y, float a, const type *x, size_t n) { right.axpy(y, 1.0001f * a, x, n); } \
    static void axpy##_gives_nan(float *y, float a, const type *x, size_t n)                                 \
    {                                                                                                        \
        right.axpy(y, a, x, n);                                                                              \
        if (n == 77)                                                                                         \
            y[76] = NAN;                                                                                     \
    }                                                                                                        \
    static void axpy##_skips_zero(float *y, float a, const type *x, size_t n)                                \
    {                                                                                                        \
        if (a != 0.0f)                                                                                       \
            right.axpy(y, a, x, n);                                                                          \
    }

#define AXPY_READS_FAR(type, axpy)                                                       \
    static void axpy##_reads_far(float *y, float a, const type *x, size_t n)             \
    {                                                                                    \
        volatile type beyond = x[n];                                                     \
        (void)beyond;                                                                    \
        right.axpy(y, a, x, n);                                                          \
    }

FAULTY_AXPYS(float, axpy_f32)
FAULTY_AXPYS(uint16_t, axpy_bf16)
FAULTY_AXPYS(uint16_t, axpy_f16)
FAULTY_AXPYS(uint8_t, axpy_q8_0)
AXPY_READS_FAR(float, axpy_f32)
AXPY_READS_FAR(uint16_t, axpy_bf16)
AXPY_READS_FAR(uint16_t, axpy_f16)

/* One byte beyond the last whole block. */
static uint8_t beyond_q8(const uint8_t *w, size_t n)
{
    volatile uint8_t beyond = w[row_bytes(DOT_Q8_0, n)];
    return beyond;
}

static float dot_q8_0_reads_far(const uint8_t *w, const float *x, size_t n)
{
    (void)beyond_q8(w, n);
    return right.dot_q8_0(w, x, n);
}

static void axpy_q8_0_reads_far(float *y, float a, const uint8_t *x, size_t n)
{
    (void)beyond_q8(x, n);
    right.axpy_q8_0(y, a, x, n);
}

static void decode_q8_0_reads_far(float *d, const uint8_t *s, size_t n)
{
    (void)beyond_q8(s, n);
    right.decode_q8_0(d, s, n);
}

static double exp_sum_drops_tail(float *x, float top, size_t n)
{
    return right.exp_sum(x, top, n & ~(size_t)7);
}

static double exp_sum_writes_far(float *x, float top, size_t n)
{
    double sum = right.exp_sum(x, top, n);
    x[n] = 0.0f;
    return sum;
}

static double exp_sum_scales(float *x, float top, size_t n)
{
    double sum = right.exp_sum(x, top, n);
    if (n)
        x[n - 1] *= 1.0001f;
    return sum;
}

static double exp_sum_sums_less(float *x, float top, size_t n)
{
    return 0.9999 * right.exp_sum(x, top, n);
}

static void sigmoid_drops_tail(float *y, const float *a, const float *b, size_t n)
{
    right.sigmoid_mul(y, a, b, n & ~(size_t)7);
}

static void sigmoid_scales(float *y, const float *a, const float *b, size_t n)
{
    right.sigmoid_mul(y, a, b, n);
    if (n)
        y[n - 1] *= 1.0001f;
}

static void sigmoid_writes_far(float *y, const float *a, const float *b, size_t n)
{
    right.sigmoid_mul(y, a, b, n);
    y[n] = 0.0f;
}

static float max_drops_tail(const float *x, size_t n)
{
    return right.max_f32(x, n & ~(size_t)7);
}

static float max_reads_far(const float *x, size_t n)
{
    return right.max_f32(x, n + 1);
}

static float max_of_nothing(const float *x, size_t n)
{
    return n ? right.max_f32(x, n) : 0.0f;
}

static void clamp_drops_tail(float *y, const float *x, float min, float max, size_t n)
{
    right.clamp(y, x, min, max, n & ~(size_t)7);
}

static void clamp_hides_nan(float *y, const float *x, float min, float max, size_t n)
{
    right.clamp(y, x, min, max, n);
    for (size_t i = 0; i < n; i++)
        y[i] = isnan(y[i]) ? max : y[i];
}

static void clamp_lets_min_win(float *y, const float *x, float min, float max, size_t n)
{
    right.clamp(y, x, min, max < min ? min : max, n);
}

static bool rms_drops_tail(float *y, const float *x, const float *w, size_t n, float eps)
{
    return right.rms_norm(y, x, w, n & ~(size_t)7, eps);
}

static bool rms_scales(float *y, const float *x, const float *w, size_t n, float eps)
{
    bool ok = right.rms_norm(y, x, w, n, eps);
    if (n)
        y[0] *= 1.0001f;
    return ok;
}

static bool rms_is_content(float *y, const float *x, const float *w, size_t n, float eps)
{
    right.rms_norm(y, x, w, n, eps);
    return true;
}

static bool rms_forgets_w(float *y, const float *x, const float *w, size_t n, float eps)
{
    (void)w;
    return right.rms_norm(y, x, NULL, n, eps);
}

static void cap_drops_tail(float *x, float cap, size_t n)
{
    right.soft_cap(x, cap, n & ~(size_t)7);
}

static void cap_scales(float *x, float cap, size_t n)
{
    right.soft_cap(x, cap, n);
    if (n)
        x[n - 1] *= 1.0001f;
}

static void cap_writes_far(float *x, float cap, size_t n)
{
    right.soft_cap(x, cap, n);
    x[n] = 0.0f;
}

static void cap_hides_infinity(float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = tanhf(x[i] / cap) * cap;
}

static void gelu_drops_tail(float *g, const float *u, size_t n)
{
    right.gelu_mul(g, u, n & ~(size_t)7);
}

static void gelu_reads_far(float *g, const float *u, size_t n)
{
    volatile float beyond = u ? u[n] : g[n];
    (void)beyond;
    right.gelu_mul(g, u, n);
}

static void gelu_scales(float *g, const float *u, size_t n)
{
    right.gelu_mul(g, u, n);
    if (n)
        g[0] *= 1.0001f;
}

static void gelu_gives_nan(float *g, const float *u, size_t n)
{
    right.gelu_mul(g, u, n);
    if (n == 77)
        g[5] = NAN;
}

static void gelu_forgets_u(float *g, const float *u, size_t n)
{
    (void)u;
    right.gelu_mul(g, NULL, n);
}

#define FAULTY_DECODES(type, decode)                                                                           \
    static void decode##_drops_tail(float *d, const type *s, size_t n) { right.decode(d, s, n & ~(size_t)7); } \
    static void decode##_writes_before(float *d, const type *s, size_t n)                                      \
    {                                                                                                          \
        right.decode(d, s, n);                                                                                 \
        if (n)                                                                                                 \
            d[-1] = 0.0f;                                                                                      \
    }                                                                                                          \
    static void decode##_scales(float *d, const type *s, size_t n)                                             \
    {                                                                                                          \
        right.decode(d, s, n);                                                                                 \
        if (n)                                                                                                 \
            d[n - 1] *= 1.0001f;                                                                               \
    }                                                                                                          \
    static void decode##_gives_nan(float *d, const type *s, size_t n)                                          \
    {                                                                                                          \
        right.decode(d, s, n);                                                                                 \
        if (n == 77)                                                                                           \
            d[3] = NAN;                                                                                        \
    }

#define DECODE_READS_FAR(decode)                                                         \
    static void decode##_reads_far(float *d, const uint16_t *s, size_t n)                \
    {                                                                                    \
        volatile uint16_t beyond = s[n];                                                 \
        (void)beyond;                                                                    \
        right.decode(d, s, n);                                                           \
    }

FAULTY_DECODES(uint16_t, decode_bf16)
FAULTY_DECODES(uint16_t, decode_f16)
FAULTY_DECODES(uint8_t, decode_q8_0)
DECODE_READS_FAR(decode_bf16)
DECODE_READS_FAR(decode_f16)

/* In a child, since a read too far ends it. True when the check found the fault, in either way. */
static bool is_caught(const tsri_kernels *t, kind k)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        signal(SIGSEGV, SIG_DFL); /* cmocka would report it as a failed test */
        signal(SIGBUS, SIG_DFL);
        _exit(check_kernel(t, k, seed).ok ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void planted_faults_are_caught(void **state)
{
    (void)state;
    tsri_kernels_init_c(&right);
    for (int k = 0; k < N_KERNELS; k++)
        assert_false(is_caught(&right, (kind)k));
#define PLANT(kernel, field, fault)                       \
    do {                                                  \
        tsri_kernels t = right;                           \
        t.field = fault;                                  \
        if (!is_caught(&t, kernel))                       \
            fail_msg("%s is not caught", #fault);         \
    } while (0)
#define PLANT_DOTS(kernel, dot)              \
    PLANT(kernel, dot, dot##_drops_tail);    \
    PLANT(kernel, dot, dot##_reads_far);     \
    PLANT(kernel, dot, dot##_scales);        \
    PLANT(kernel, dot, dot##_gives_nan);     \
    PLANT(kernel, dot, dot##_hides_nan)
    PLANT_DOTS(DOT_F32, dot_f32);
    PLANT_DOTS(DOT_BF16, dot_bf16);
    PLANT_DOTS(DOT_F16, dot_f16);
    PLANT_DOTS(DOT_Q8_0, dot_q8_0);
    PLANT(DOT4_BF16, dot4_bf16, dot4_bf16_drops_tail);
    PLANT(DOT4_BF16, dot4_bf16, dot4_bf16_reads_far);
    PLANT(DOT4_BF16, dot4_bf16, dot4_bf16_scales);
    PLANT(DOT4_BF16, dot4_bf16, dot4_bf16_gives_nan);
    PLANT(DOT4_BF16, dot4_bf16, dot4_bf16_mixes_rows);
    PLANT(TILE_BF16, tile_bf16, tile_bf16_drops_tail);
    PLANT(TILE_BF16, tile_bf16, tile_bf16_reads_far);
    PLANT(TILE_BF16, tile_bf16, tile_bf16_scales);
    PLANT(TILE_BF16, tile_bf16, tile_bf16_gives_nan);
    PLANT(TILE_BF16, tile_bf16, tile_bf16_never_adds);
    PLANT(TILE_BF16, tile_bf16, tile_bf16_fills_gaps);
#define PLANT_AXPYS(kernel, axpy)             \
    PLANT(kernel, axpy, axpy##_drops_tail);   \
    PLANT(kernel, axpy, axpy##_reads_far);    \
    PLANT(kernel, axpy, axpy##_writes_far);   \
    PLANT(kernel, axpy, axpy##_scales);       \
    PLANT(kernel, axpy, axpy##_gives_nan);    \
    PLANT(kernel, axpy, axpy##_skips_zero)
    PLANT_AXPYS(AXPY_F32, axpy_f32);
    PLANT_AXPYS(AXPY_BF16, axpy_bf16);
    PLANT_AXPYS(AXPY_F16, axpy_f16);
    PLANT_AXPYS(AXPY_Q8_0, axpy_q8_0);
    PLANT(EXP_SUM, exp_sum, exp_sum_drops_tail);
    PLANT(EXP_SUM, exp_sum, exp_sum_writes_far);
    PLANT(EXP_SUM, exp_sum, exp_sum_scales);
    PLANT(EXP_SUM, exp_sum, exp_sum_sums_less);
    PLANT(GELU_MUL, gelu_mul, gelu_drops_tail);
    PLANT(GELU_MUL, gelu_mul, gelu_reads_far);
    PLANT(GELU_MUL, gelu_mul, gelu_scales);
    PLANT(GELU_MUL, gelu_mul, gelu_gives_nan);
    PLANT(GELU_MUL, gelu_mul, gelu_forgets_u);
    PLANT(SIGMOID_MUL, sigmoid_mul, sigmoid_drops_tail);
    PLANT(SIGMOID_MUL, sigmoid_mul, sigmoid_scales);
    PLANT(SIGMOID_MUL, sigmoid_mul, sigmoid_writes_far);
    PLANT(MAX_F32, max_f32, max_drops_tail);
    PLANT(MAX_F32, max_f32, max_reads_far);
    PLANT(MAX_F32, max_f32, max_of_nothing);
    PLANT(CLAMP, clamp, clamp_drops_tail);
    PLANT(CLAMP, clamp, clamp_hides_nan);
    PLANT(CLAMP, clamp, clamp_lets_min_win);
    PLANT(RMS_NORM, rms_norm, rms_drops_tail);
    PLANT(RMS_NORM, rms_norm, rms_scales);
    PLANT(RMS_NORM, rms_norm, rms_is_content);
    PLANT(RMS_NORM, rms_norm, rms_forgets_w);
    PLANT(SOFT_CAP, soft_cap, cap_drops_tail);
    PLANT(SOFT_CAP, soft_cap, cap_scales);
    PLANT(SOFT_CAP, soft_cap, cap_writes_far);
    PLANT(SOFT_CAP, soft_cap, cap_hides_infinity);
#define PLANT_DECODES(kernel, decode)              \
    PLANT(kernel, decode, decode##_drops_tail);    \
    PLANT(kernel, decode, decode##_reads_far);     \
    PLANT(kernel, decode, decode##_writes_before); \
    PLANT(kernel, decode, decode##_scales);        \
    PLANT(kernel, decode, decode##_gives_nan)
    PLANT_DECODES(DECODE_BF16, decode_bf16);
    PLANT_DECODES(DECODE_F16, decode_f16);
    PLANT_DECODES(DECODE_Q8_0, decode_q8_0);
}

/* ---- bench ------------------------------------------------------------------------------- */

enum { BENCH_BYTES = 256 << 20, BENCH_RUNS = 9 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* leaves out what other programs took */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Go once over `bytes` of weights in rows of n; returns seconds. */
static double pass(const tsri_kernels *t, kind k, unsigned char *w, size_t bytes, float *x, float *y, size_t n)
{
    size_t row = row_bytes(k, n), step = k == DOT4_BF16 || k == TILE_BF16 ? 4 : 1;
    size_t rows = bytes / row / step * step;
    volatile float keep;
    double t0 = now_s();
    for (size_t r = 0; r < rows; r += step) {
        void *p = w + r * row;
        if (k == DOT4_BF16)
            t->dot4_bf16(y, p, n, x, n);
        else if (k == TILE_BF16) /* one row of x six times over */
            t->tile_bf16(y, 4, false, p, n, x, 0, 6, n);
        else if (k <= DOT_Q8_0)
            keep = call_dot(t, k, p, 0, x, n);
        else if (k >= AXPY_F32 && k <= AXPY_Q8_0)
            call_axpy(t, k, y, 0.5f, p, n);
        else if (k == EXP_SUM) /* what the pass before left is at most 1 */
            keep = (float)t->exp_sum(y, 1.0f, n);
        else if (k == GELU_MUL)
            t->gelu_mul(y, p, n);
        else if (k == SIGMOID_MUL)
            t->sigmoid_mul(y, p, p, n);
        else if (k == MAX_F32)
            keep = t->max_f32(p, n);
        else if (k == CLAMP)
            t->clamp(y, p, -1.0f, 1.0f, n);
        else if (k == RMS_NORM)
            keep = (float)t->rms_norm(y, p, x, n, 1e-6f);
        else if (k == SOFT_CAP)
            t->soft_cap(y, 30.0f, n);
        else
            call_decode(t, k, y, p, n);
    }
    (void)keep;
    return now_s() - t0;
}

static void bench_one(const tsri_kernels *t, const char *level, kind k, unsigned char *w, float *x, float *y, size_t n,
                      bool in_cache)
{
    double s[BENCH_RUNS];
    size_t bytes = in_cache ? (size_t)256 << 10 : BENCH_BYTES, repeat = in_cache ? 400 : 1;
    for (int i = -1; i < BENCH_RUNS; i++) { /* the first one warms up */
        double sum = 0;
        for (size_t j = 0; j < repeat; j++)
            sum += pass(t, k, w, bytes, x, y, n);
        if (i >= 0)
            s[i] = sum / (double)repeat;
    }
    qsort(s, BENCH_RUNS, sizeof *s, by_value);
    printf("%s,%s,%zu,%s,%.2f,%.2f,%.2f\n", kernel_names[k], level, n, in_cache ? "L2" : "memory",
           1e-9 * (double)bytes / s[BENCH_RUNS / 2], 1e-9 * (double)bytes / s[BENCH_RUNS - 1], 1e-9 * (double)bytes / s[0]);
    fflush(stdout);
}

static int bench(void)
{
    static const size_t lengths[] = {2560, 10240};
    unsigned char *w = malloc(BENCH_BYTES);
    float *x = calloc(16384, sizeof *x), *y = calloc(16384, sizeof *y);
    tsri_kernels below = {0}, t;
    if (!w || !x || !y)
        return EXIT_FAILURE;
    memset(w, 0x3c, BENCH_BYTES);
    puts("kernel,level,n,weights_in,GB_per_s_median,GB_per_s_min,GB_per_s_max");
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++) {
        tsri_kernels_init(&t, (tsr_cpu_level)l);
        for (int k = 0; k < N_KERNELS; k++)
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths && changed(&below, &t, (kind)k); i++)
                for (int in_cache = 0; in_cache < 2; in_cache++)
                    bench_one(&t, tsr_cpu_level_name((tsr_cpu_level)l), (kind)k, w, x, y, lengths[i], in_cache);
        below = t;
    }
    free(w);
    free(x);
    free(y);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_of_every_level_is_right),
        cmocka_unit_test(planted_faults_are_caught),
    };
    if (argc == 2 && strcmp(argv[1], "--bench") == 0)
        return bench();
    if (argc == 3 && strcmp(argv[1], "--seed") == 0)
        seed = strtoull(argv[2], NULL, 0);
    guard_init(&page_w);
    guard_init(&page_x);
    guard_init(&page_y);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
