/* int8.c: forms of the block types, and the tables of kernels. */
#include "int8_internal.h"

#include <pthread.h>

tsri_int8_form tsri_int8_form_of(tsr_type type)
{
    static const tsri_int8_form forms[TSR_N_TYPES] = {
        [TSR_Q8_0] = {32, 128, false, 255, false},   [TSR_Q4_0] = {32, 8, false, 15, true},  [TSR_Q4_1] = {32, 0, true, 15, true},
        [TSR_Q5_0] = {32, 16, false, 31, true},      [TSR_Q5_1] = {32, 0, true, 31, true},   [TSR_Q2_K] = {16, 0, true, 3, false},
        [TSR_Q3_K] = {16, 4, false, 7, false},       [TSR_Q4_K] = {32, 0, true, 15, false},  [TSR_Q5_K] = {32, 0, true, 31, false},
        [TSR_Q6_K] = {16, 32, false, 63, false},     [TSR_IQ4_NL] = {32, 128, false, 241, true},
        [TSR_IQ4_XS] = {32, 128, false, 241, false}, [TSR_MXFP4] = {32, 12, false, 24, false},
    };
    return forms[type];
}

void tsri_int8_init(tsri_int8_kernels *k, tsr_cpu_level level)
{
    tsri_int8_init_c(k);
#if defined(TSR_HAVE_X86_SIMD)
    if (level >= TSR_CPU_AVX2)
        tsri_int8_init_avx2(k);
    if (level >= TSR_CPU_AVX_VNNI && tsr_cpu_has(TSR_CPU_AVX_VNNI))
        tsri_int8_init_avxvnni(k);
    if (level >= TSR_CPU_AVX512_VNNI)
        tsri_int8_init_vnni(k);
#elif defined(TSR_HAVE_ARM_SIMD)
    if (level >= TSR_CPU_NEON_DOTPROD)
        tsri_int8_init_dotprod(k);
    if (level >= TSR_CPU_NEON_I8MM)
        tsri_int8_init_i8mm(k);
#else
    (void)level;
#endif
}

static tsri_int8_kernels tables[TSR_N_CPU_LEVELS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_tables(void)
{
    for (int l = TSR_CPU_C; l <= (int)tsr_cpu_detect(); l++)
        tsri_int8_init(&tables[l], (tsr_cpu_level)l);
}

const tsri_int8_kernels *tsri_int8_get(void)
{
    pthread_once(&once, init_tables);
    return &tables[tsr_cpu_get()];
}
