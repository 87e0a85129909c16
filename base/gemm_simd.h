/* gemm_simd.h: the microkernel of gemm_internal.h, for a file that has said what a vector is: acc (sums), step (what a step
 * multiplies), word (a step of x in memory); LANES of a vector, OUTS = 2 LANES outputs and ROWS of x; acc_zero, acc_load,
 * acc_store, acc_add, acc_fma(w, x, a), step_load (aligned) and step_set. Counts of rows are constants at every call, so
 * that the accumulators live in registers. */
#ifndef TSR_GEMM_SIMD_H
#define TSR_GEMM_SIMD_H

#include "gemm_internal.h"
#include "registers_internal.h"

#define INLINED static inline __attribute__((always_inline))

/* Three rows of x share a pointer: so many, and the stride, are what addresses can say. */
INLINED void rows(float *y, size_t ldy, bool add, const uint32_t *panel, const word *x, size_t ldx, size_t n, size_t steps)
{
    acc a[ROWS][2];
    const word *three[ROWS / 3];
    IN_REGISTERS
    for (size_t i = 0; i < n; i++)
        a[i][0] = a[i][1] = acc_zero();
    for (size_t i = 0; i < n; i += 3)
        three[i / 3] = x + i * ldx;
    for (size_t s = 0; s < steps; s++, panel += OUTS) {
        step w0 = step_load(panel), w1 = step_load(panel + LANES);
        IN_REGISTERS
        for (size_t i = 0; i < n; i++) {
            step xi = step_set(three[i / 3][i % 3 * ldx + s]);
            a[i][0] = acc_fma(w0, xi, a[i][0]);
            a[i][1] = acc_fma(w1, xi, a[i][1]);
        }
    }
    IN_REGISTERS
    for (size_t i = 0; i < n; i++, y += ldy)
        for (size_t v = 0; v < 2; v++)
            acc_store(y + LANES * v, add ? acc_add(acc_load(y + LANES * v), a[i][v]) : a[i][v]);
}

/* A count that the file doesn't take is no case at run time, and its code goes. */
static void multiply(float *y, size_t ldy, bool add, const uint32_t *panel, const void *x, size_t ldx, size_t n,
                     size_t steps)
{
#define CASE(count)                                                                  \
    case count:                                                                      \
        if (count <= ROWS)                                                           \
            rows(y, ldy, add, panel, x, ldx, count <= ROWS ? count : ROWS, steps);   \
        break
    switch (n) {
        CASE(12);
        CASE(11);
        CASE(10);
        CASE(9);
        CASE(8);
        CASE(7);
        CASE(6);
        CASE(5);
        CASE(4);
        CASE(3);
        CASE(2);
        CASE(1);
    default: break;
    }
#undef CASE
}

#endif
