/* int8_avx2.c: AVX2. vpmaddubsw adds two products of unsigned and signed bytes in 16 bits, which must hold them: numbers up to
 * 63 fit (2 * 63 * 127), and the smaller they are the more steps may be added before their sums become 32 bits wide. Larger
 * numbers all have the zero 128, and are taken as signed ones: by tiles as words of 16 bits, by rows with their sign on the other
 * side, since as at most 128 they fit as well (2 * 128 * 127). */
enum { AT_ONCE = 2, SIGNED_APART = 1 };

#include "counts_internal.h"
#include "int8_256.h"

/* ---- tiles ---- */

INLINE void group_sums(__m256i s[AT_ONCE][LANES], size_t n, size_t group, size_t steps, const int32_t *begin, const uint8_t *q,
                       const int8_t *p, size_t ldp)
{
    const __m256i ones = _mm256_set1_epi16(1);
    for (size_t e = 0; e < group; e += 4 * steps) {
        __m256i few[AT_ONCE][LANES];
        IN_REGISTERS
        for (size_t t = 0; t < steps; t++) {
            __m256i four[AT_ONCE];
            IN_REGISTERS
            for (size_t i = 0; i < n; i++)
                four[i] = _mm256_set1_epi32(four_numbers(p + i * ldp + e + 4 * t));
            IN_REGISTERS
            for (size_t l = 0; l < LANES; l++) {
                __m256i w = load32(q + (e + 4 * t) * TSRI_INT8_OUT + 32 * l);
                IN_REGISTERS
                for (size_t i = 0; i < n; i++) {
                    __m256i v = _mm256_maddubs_epi16(w, four[i]);
                    few[i][l] = t ? _mm256_add_epi16(few[i][l], v) : v;
                    HOLD(few[i][l]); /* of trees there would be more sums than registers */
                }
            }
        }
        IN_REGISTERS
        for (size_t i = 0; i < n; i++) {
            IN_REGISTERS
            for (size_t l = 0; l < LANES; l++)
                s[i][l] = _mm256_add_epi32(e ? s[i][l] : _mm256_set1_epi32(begin[i]), _mm256_madd_epi16(few[i][l], ones));
        }
    }
}

/* ---- tiles of signed numbers ----
 *
 * vpmaddwd adds two products of words as 32 bits: twice as many products as with bytes, but no sign has to change sides, nor do sums
 * have to become wider, and fine inputs are words as they are. Of each four bytes of either side the even ones and the odd ones
 * become two words. */

enum { WIDE_K = 256, WIDE_PAIRS = WIDE_K / 4 }; /* elements of a panel that are wide at once: they stay in the first cache */

/* Words of bytes of either parity; of fours, in which the outputs of a panel lie. */
typedef struct wide_panel {
    _Alignas(32) int32_t even[WIDE_PAIRS][TSRI_INT8_OUT], odd[WIDE_PAIRS][TSRI_INT8_OUT];
} wide_panel;

typedef struct wide_numbers {
    _Alignas(32) int32_t even[8], odd[8];
} wide_numbers;

INLINE __m256i even_bytes(__m256i v)
{
    return _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8);
}

INLINE __m256i odd_bytes(__m256i v)
{
    return _mm256_srai_epi16(v, 8);
}

static void widen_panel(wide_panel *to, const uint8_t *q, size_t k)
{
    for (size_t t = 0; t < k / 4; t++)
        for (size_t l = 0; l < TSRI_INT8_OUT; l += 8) {
            __m256i v = _mm256_xor_si256(load32(q + (t * TSRI_INT8_OUT + l) * 4), _mm256_set1_epi8((char)0x80));
            _mm256_store_si256((void *)(to->even[t] + l), even_bytes(v));
            _mm256_store_si256((void *)(to->odd[t] + l), odd_bytes(v));
        }
}

/* A block of input. */
INLINE void widen_numbers(wide_numbers *to, const int8_t *p, const int8_t *lo)
{
    __m256i v = load32(p), even = even_bytes(v), odd = odd_bytes(v);
    if (lo) {
        __m256i low = load32(lo);
        even = _mm256_add_epi16(_mm256_slli_epi16(v, 8), even_bytes(low));
        odd = _mm256_add_epi16(_mm256_slli_epi16(odd, 8), odd_bytes(low));
    }
    _mm256_store_si256((void *)to->even, even);
    _mm256_store_si256((void *)to->odd, odd);
}

/* s[i] += products of one vector of words for each 8 outputs with two numbers of each of n rows. */
INLINE void add_words(__m256i s[AT_ONCE][LANES], size_t n, const int32_t *w, const int32_t *const x[AT_ONCE], size_t t)
{
    __m256i two[AT_ONCE];
    IN_REGISTERS
    for (size_t i = 0; i < n; i++)
        two[i] = _mm256_set1_epi32(x[i][t]);
    IN_REGISTERS
    for (size_t l = 0; l < LANES; l++) {
        __m256i v = load32(w + 8 * l);
        HOLD(v);
        IN_REGISTERS
        for (size_t i = 0; i < n; i++) {
            s[i][l] = _mm256_add_epi32(s[i][l], _mm256_madd_epi16(v, two[i]));
            HOLD(s[i][l]);
        }
    }
}

/* As tile_rows, over k <= WIDE_K elements of the panel from its element `at` on. */
INLINE void wide_rows(size_t n, float y[AT_ONCE][TSRI_INT8_OUT], const wide_panel *w, const tsri_int8_panel *panel, size_t at,
                      const tsri_int8_input *x, size_t first, size_t k0, size_t k)
{
    const float *a = panel->a + at / TSRI_INT8_BLOCK * TSRI_INT8_OUT;
    for (size_t g = 0; g < k / TSRI_INT8_BLOCK; g++, a += TSRI_INT8_OUT) {
        __m256i s[AT_ONCE][LANES];
        wide_numbers numbers[AT_ONCE];
        const int32_t *even[AT_ONCE], *odd[AT_ONCE];
        size_t e = k0 + at + g * TSRI_INT8_BLOCK;
        IN_REGISTERS
        for (size_t i = 0; i < n; i++) {
            const int8_t *p = x->p + (first + i) * x->ldp + e;
            widen_numbers(&numbers[i], p, x->lo ? x->lo + (p - x->p) : NULL);
            even[i] = numbers[i].even;
            odd[i] = numbers[i].odd;
            READ_AGAIN(even[i]);
            READ_AGAIN(odd[i]);
            IN_REGISTERS
            for (size_t l = 0; l < LANES; l++)
                s[i][l] = _mm256_setzero_si256();
        }
        IN_REGISTERS
        for (size_t t = 0; t < 8; t++) {
            add_words(s, n, w->even[8 * g + t], even, t);
            add_words(s, n, w->odd[8 * g + t], odd, t);
        }
        IN_REGISTERS
        for (size_t i = 0; i < n; i++) {
            __m256 by = _mm256_set1_ps(x->xs[(first + i) * x->lds + e / TSRI_INT8_BLOCK]);
            IN_REGISTERS
            for (size_t l = 0; l < LANES; l++)
                _mm256_storeu_ps(y[i] + 8 * l, _mm256_fmadd_ps(_mm256_cvtepi32_ps(s[i][l]), _mm256_mul_ps(_mm256_loadu_ps(a + 8 * l), by),
                                                               _mm256_loadu_ps(y[i] + 8 * l)));
        }
    }
}

/* What the next rows need. */
INLINE void ask_for(const tsri_int8_input *x, size_t row, size_t k, size_t n, const float *from)
{
    for (size_t i = 0; i < n; i += 64) {
        _mm_prefetch((const char *)(x->p + row * x->ldp + k + i), _MM_HINT_T0);
        if (x->lo)
            _mm_prefetch((const char *)(x->lo + row * x->ldp + k + i), _MM_HINT_T0);
    }
    if (from) {
        _mm_prefetch((const char *)from, _MM_HINT_T0);
        _mm_prefetch((const char *)(from + 16), _MM_HINT_T0);
    }
}

static void wide_tile(float *y, size_t ldy, const float *from, size_t ldf, const tsri_int8_panel *panel, const tsri_int8_input *x,
                      size_t first, size_t n, size_t k0, size_t k, size_t n_out)
{
    wide_panel w;
    for (size_t at = 0, some; at < k; at += some, from = y, ldf = ldy) {
        some = tsri_least(WIDE_K, k - at);
        widen_panel(&w, panel->q + at * TSRI_INT8_OUT, some);
        for (size_t i = 0, now; i < n; i += now) {
            float sums[AT_ONCE][TSRI_INT8_OUT] = {{0}};
            now = rows_of_tile(n - i);
            for (size_t r = i + now; r < n && r < i + 2 * AT_ONCE; r++)
                ask_for(x, first + r, k0 + at, some, from ? from + r * ldf : NULL);
            for (size_t r = 0; from && r < now; r++)
                copy_outputs(sums[r], from + (i + r) * ldf, n_out);
            if (now == AT_ONCE)
                wide_rows(AT_ONCE, sums, &w, panel, at, x, first + i, k0, some);
            else
                wide_rows(1, sums, &w, panel, at, x, first + i, k0, some);
            for (size_t r = 0; r < now; r++)
                copy_outputs(y + (i + r) * ldy, sums[r], n_out);
        }
    }
}

static void tile_of_any(float *y, size_t ldy, const float *from, size_t ldf, const tsri_int8_panel *panel, tsri_int8_form form,
                        const tsri_int8_input *x, size_t first, size_t n, size_t k0, size_t k, size_t n_out)
{
    if (form.zero == 128)
        wide_tile(y, ldy, from, ldf, panel, x, first, n, k0, k, n_out);
    else
        tile(y, ldy, from, ldf, panel, form, x, first, n, k0, k, n_out);
}

/* ---- rows ---- */

/* Of bytes, unsigned and signed, or both signed: sums of four products times 1 or, of the upper halves of fine inputs, 256. */
INLINE __m256i sums_times(__m256i q, __m256i p, bool is_signed, short by)
{
    __m256i sizes = is_signed ? _mm256_abs_epi8(q) : q;
    return _mm256_madd_epi16(_mm256_maddubs_epi16(sizes, is_signed ? _mm256_sign_epi8(p, q) : p), _mm256_set1_epi16(by));
}

INLINE __m256i sums_of(const tsri_int8_row *x, size_t at, __m256i q, unsigned zero)
{
    __m256i s = sums_times(q, load32(x->p + at), zero > 0, x->lo ? 256 : 1);
    return x->lo ? _mm256_add_epi32(s, sums_times(q, load32(x->lo + at), zero > 0, 1)) : s;
}

/* Twice two products of at most 31 * 127 fit 16 bits. */
INLINE __m256i two_sums_times(const int8_t *p, const size_t at[2], const __m256i q[2], short by)
{
    __m256i s = _mm256_add_epi16(_mm256_maddubs_epi16(q[0], load32(p + at[0])), _mm256_maddubs_epi16(q[1], load32(p + at[1])));
    return _mm256_madd_epi16(s, _mm256_set1_epi16(by));
}

INLINE __m256i sums_of_two(const tsri_int8_row *x, const size_t at[2], const __m256i q[2], unsigned zero)
{
    if (zero > 0)
        return _mm256_add_epi32(sums_of(x, at[0], q[0], zero), sums_of(x, at[1], q[1], zero));
    __m256i s = two_sums_times(x->p, at, q, x->lo ? 256 : 1);
    return x->lo ? _mm256_add_epi32(s, two_sums_times(x->lo, at, q, 1)) : s;
}

void tsri_int8_init_avx2(tsri_int8_kernels *k)
{
    *k = (tsri_int8_kernels){.round = round_blocks, .round_fine = round_fine, .pack = tsri_int8_pack_rows, .tile = tile_of_any, .rows = rows,
                             .by_nibbles = true};
}
