/* tsr_cpu.h: what this processor can do, found once; tests and users may cap it. */
#ifndef TSR_CPU_H
#define TSR_CPU_H

#include <stdbool.h>

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Levels grow: each implies all before it, but AVX-VNNI, which some that have higher ones lack. They are those of the processor's kind. */
typedef enum tsr_cpu_level {
    TSR_CPU_C,
#if defined(__aarch64__)
    TSR_CPU_NEON,
    TSR_CPU_NEON_DOTPROD, /* dot products of int8 */
    TSR_CPU_NEON_I8MM,    /* products of small matrices of int8 */
#else
    TSR_CPU_AVX2,        /* with FMA and F16C */
    TSR_CPU_AVX_VNNI,    /* dot products of int8 in vectors of 256 bits */
    TSR_CPU_AVX512,      /* F, BW, DQ, VL */
    TSR_CPU_AVX512_VNNI, /* dot products of int8 */
    TSR_CPU_AVX512_BF16, /* dot products of BF16 */
    TSR_CPU_AMX,         /* products of tiles of BF16 */
#endif
    TSR_N_CPU_LEVELS
} tsr_cpu_level;

/* Whether this machine and this build have a level. */
bool tsr_cpu_has(tsr_cpu_level l);

/* The highest level that this machine and this build have. On Linux tiles must be asked for: this does so, for the whole process. */
tsr_cpu_level tsr_cpu_detect(void);
const char *tsr_cpu_level_name(tsr_cpu_level l); /* "c", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16", "amx"; "neon", "dotprod", "i8mm" */

/* Parse a name; TSR_ERR_USAGE lists the known ones, TSR_ERR_UNSUPPORTED when the machine lacks it. */
tsr_status tsr_cpu_parse(tsr_cpu_level *out, const char *name, tsr_error *err);

/* The level that kernels are chosen by from now on: the only mutable global of the library. Called
 * once before the first model opens (and by tests); not while work runs. Of a level that the machine
 * lacks the next lower one is set that it has. */
void tsr_cpu_set(tsr_cpu_level l);
tsr_cpu_level tsr_cpu_get(void);

#ifdef __cplusplus
}
#endif
#endif
