/* cpu.c: CPU levels. __builtin_cpu_supports asks CPUID and the operating system's saved state. */
#define _DEFAULT_SOURCE /* syscall */
#include "tsr_cpu.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#if defined(TSR_HAVE_X86_SIMD)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(TSR_HAVE_ARM_SIMD)
#include <sys/auxv.h>
#endif

static atomic_int chosen = -1;

#if defined(__aarch64__)
#define KNOWN "c, neon, dotprod, i8mm"
static const char *const names[TSR_N_CPU_LEVELS] = {[TSR_CPU_C] = "c",
                                                    [TSR_CPU_NEON] = "neon",
                                                    [TSR_CPU_NEON_DOTPROD] = "dotprod",
                                                    [TSR_CPU_NEON_I8MM] = "i8mm"};
#else
#define KNOWN "c, avx2, avxvnni, avx512, avx512vnni, avx512bf16, amx"
static const char *const names[TSR_N_CPU_LEVELS] = {[TSR_CPU_C] = "c",
                                                    [TSR_CPU_AVX2] = "avx2",
                                                    [TSR_CPU_AVX_VNNI] = "avxvnni",
                                                    [TSR_CPU_AVX512] = "avx512",
                                                    [TSR_CPU_AVX512_VNNI] = "avx512vnni",
                                                    [TSR_CPU_AVX512_BF16] = "avx512bf16",
                                                    [TSR_CPU_AMX] = "amx"};
#endif

#if defined(TSR_HAVE_X86_SIMD)
/* Not all compilers know this one by name. The system side is that of AVX. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

/* Likewise. */
static bool has_avx_vnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}

/* Linux keeps the tiles of a process that has asked for them, in all its threads. */
static bool has_amx(void)
{
#if defined(__linux__)
    enum { BF16 = 1u << 22, TILES = 1u << 24, ASK = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & (BF16 | TILES)) == (BF16 | TILES) &&
           syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
#else
    return false;
#endif
}
#endif

tsr_cpu_level tsr_cpu_detect(void)
{
#if defined(TSR_HAVE_X86_SIMD)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c())
        return TSR_CPU_C;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vl"))
        return has_avx_vnni() ? TSR_CPU_AVX_VNNI : TSR_CPU_AVX2;
    if (!__builtin_cpu_supports("avx512vnni"))
        return TSR_CPU_AVX512;
    if (!__builtin_cpu_supports("avx512bf16"))
        return TSR_CPU_AVX512_VNNI;
    return has_amx() ? TSR_CPU_AMX : TSR_CPU_AVX512_BF16;
#elif defined(TSR_HAVE_ARM_SIMD)
    const unsigned long dotprod = 1ul << 20, i8mm = 1ul << 13; /* of the kernel's two words */
    if (!(getauxval(AT_HWCAP) & dotprod))
        return TSR_CPU_NEON;
    return getauxval(AT_HWCAP2) & i8mm ? TSR_CPU_NEON_I8MM : TSR_CPU_NEON_DOTPROD;
#else
    return TSR_CPU_C;
#endif
}

bool tsr_cpu_has(tsr_cpu_level l)
{
#if defined(TSR_HAVE_X86_SIMD)
    if (l == TSR_CPU_AVX_VNNI)
        return tsr_cpu_detect() >= l && has_avx_vnni();
#endif
    return l <= tsr_cpu_detect();
}

const char *tsr_cpu_level_name(tsr_cpu_level l)
{
    return names[l];
}

tsr_status tsr_cpu_parse(tsr_cpu_level *out, const char *name, tsr_error *err)
{
    for (int l = TSR_CPU_C; l < TSR_N_CPU_LEVELS; l++) {
        if (strcmp(name, names[l]) != 0)
            continue;
        if (l > (int)tsr_cpu_detect())
            return tsr_fail(err, TSR_ERR_UNSUPPORTED, "cpu level %s: this processor or build has at most %s", name,
                            names[tsr_cpu_detect()]);
        if (!tsr_cpu_has((tsr_cpu_level)l))
            return tsr_fail(err, TSR_ERR_UNSUPPORTED, "cpu level %s: this processor lacks it, though it has %s", name,
                            names[tsr_cpu_detect()]);
        *out = (tsr_cpu_level)l;
        return TSR_OK;
    }
    return tsr_fail(err, TSR_ERR_USAGE, "cpu level '%s': known are " KNOWN, name);
}

void tsr_cpu_set(tsr_cpu_level l)
{
    while (!tsr_cpu_has(l))
        l--;
    atomic_store(&chosen, (int)l);
}

tsr_cpu_level tsr_cpu_get(void)
{
    int l = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (l < 0) { /* two threads may both ask the processor; they hear the same */
        l = (int)tsr_cpu_detect();
        atomic_store_explicit(&chosen, l, memory_order_relaxed);
    }
    return (tsr_cpu_level)l;
}
