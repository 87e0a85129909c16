/* machine: what this machine can do at most, measured: shares of it are what a kernel is judged by.
 *
 * usage: machine [THREADS]
 *
 * CSV of reading (a buffer far beyond the caches, all threads; by loads alone, or with memory asked for ahead where that is
 * faster) and of multiply-adds by loops that touch registers only, at the CPU's own level: F32, BF16 (dot products of pairs, or
 * tiles of them) and int8 (of fours). A level that has no such instruction reports the way around it: int8 at AVX2 by maddubs and
 * madd. Each line is the median of RUNS; an operation is one multiplication or one addition. */
#define _GNU_SOURCE /* sched_getaffinity, syscall */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

enum { RUNS = 7, MAX_THREADS = 256, ROUNDS = 4 << 20, CHAINS = 12, LINE = 64, AHEAD = 4096 };

static const size_t READ_LEAST = 256u << 20, READ_MOST = 1u << 30; /* bytes: four times the last cache, within these */

typedef void loop(const unsigned char *bytes, size_t n); /* reads n bytes; or goes n times round, and bytes are NULL */

typedef struct job {
    loop *run;
    const unsigned char *bytes;
    size_t n;
    pthread_barrier_t *start;
    double seconds;
} job;

static volatile uint64_t sink; /* keeps results alive */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- loops ---- */

static inline __attribute__((always_inline)) void read_words(const unsigned char *bytes, size_t n, size_t ahead)
{
    const uint64_t *p = (const uint64_t *)(const void *)bytes;
    uint64_t s[8] = {0};
    for (size_t i = 0; i < n / 8; i += 8) {
        if (ahead)
            __builtin_prefetch(bytes + 8 * i + ahead);
        for (size_t j = 0; j < 8; j++)
            s[j] += p[i + j];
    }
    sink = s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
}

static void read_plain(const unsigned char *bytes, size_t n)
{
    read_words(bytes, n, 0);
}

static void read_plain_ahead(const unsigned char *bytes, size_t n)
{
    read_words(bytes, n, AHEAD);
}

static void fma_plain(const unsigned char *bytes, size_t n)
{
    volatile float one = 1.0f;
    float a = one, s[CHAINS] = {0};
    (void)bytes;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < CHAINS; j++)
            s[j] = s[j] * a + a;
    for (size_t j = 0; j < CHAINS; j++)
        sink += (uint64_t)(s[j] > 0);
}

#if defined(__x86_64__)
/* CHAINS sums, each with a name of its own: an array of them would live in memory, and the loop would measure that. They
 * are enough to hide an instruction's latency at two a cycle. The empty asm keeps the compiler from folding or dropping them. */
#define EACH(do_one) \
    do_one(s0) do_one(s1) do_one(s2) do_one(s3) do_one(s4) do_one(s5) do_one(s6) do_one(s7) do_one(s8) do_one(s9) do_one(s10) \
        do_one(s11)
#define START(s) s = zero;
#define LOOP(vector, one)                                                                                              \
    do {                                                                                                               \
        vector s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11;                                                       \
        (void)bytes;                                                                                                   \
        EACH(START)                                                                                                    \
        for (size_t i = 0; i < n; i++) {                                                                               \
            EACH(one)                                                                                                  \
        }                                                                                                              \
    } while (0)
#define STEP(s, next)             \
    s = next;                     \
    __asm__ volatile("" : "+v"(s));

__attribute__((target("avx2"), always_inline)) static inline void read_vectors(const unsigned char *bytes, size_t n, size_t ahead)
{
    const __m256i *p = (const __m256i *)(const void *)bytes;
    __m256i s[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
    for (size_t i = 0; i < n / 32; i += 4) {
        for (size_t j = 0; ahead && j < 4 * sizeof *p; j += LINE)
            __builtin_prefetch((const unsigned char *)(p + i) + ahead + j);
        for (size_t j = 0; j < 4; j++)
            s[j] = _mm256_xor_si256(s[j], _mm256_load_si256(p + i + j));
    }
    __m256i all = _mm256_xor_si256(_mm256_xor_si256(s[0], s[1]), _mm256_xor_si256(s[2], s[3]));
    sink += (uint64_t)_mm256_extract_epi64(all, 0);
}

__attribute__((target("avx2"))) static void read_avx2(const unsigned char *bytes, size_t n)
{
    read_vectors(bytes, n, 0);
}

__attribute__((target("avx2"))) static void read_avx2_ahead(const unsigned char *bytes, size_t n)
{
    read_vectors(bytes, n, AHEAD);
}

#define FMA_256(s) STEP(s, _mm256_fmadd_ps(s, a, a))
#define FMA_512(s) STEP(s, _mm512_fmadd_ps(s, a, a))
#define BF16_512(s) STEP(s, _mm512_dpbf16_ps(s, a, a))
#define INT8_512(s) STEP(s, _mm512_dpbusd_epi32(s, a, a))
/* The xor makes the inner products depend on the sum, or they would be taken out of the loop. */
#define INT8_256(s) \
    STEP(s, _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_xor_si256(s, a), a), ones)))

__attribute__((target("avx2,fma"))) static void fma_avx2(const unsigned char *bytes, size_t n)
{
    const __m256 a = _mm256_set1_ps(0.5f), zero = _mm256_setzero_ps();
    LOOP(__m256, FMA_256);
}

__attribute__((target("avx2"))) static void int8_avx2(const unsigned char *bytes, size_t n)
{
    const __m256i a = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1), zero = _mm256_setzero_si256();
    LOOP(__m256i, INT8_256);
}

__attribute__((target("avx512f"))) static void fma_avx512(const unsigned char *bytes, size_t n)
{
    const __m512 a = _mm512_set1_ps(0.5f), zero = _mm512_setzero_ps();
    LOOP(__m512, FMA_512);
}

__attribute__((target("avx512f,avx512vnni"))) static void int8_vnni(const unsigned char *bytes, size_t n)
{
    const __m512i a = _mm512_set1_epi8(1), zero = _mm512_setzero_si512();
    LOOP(__m512i, INT8_512);
}

#define INT8_256_VNNI(s) STEP(s, _mm256_dpbusd_avx_epi32(s, a, a))
__attribute__((target("avx2,avxvnni"))) static void int8_avx_vnni(const unsigned char *bytes, size_t n)
{
    const __m256i a = _mm256_set1_epi8(1), zero = _mm256_setzero_si256();
    LOOP(__m256i, INT8_256_VNNI);
}

static bool has_avx_vnni(void)
{
    unsigned a, b, c, d;
    return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}

__attribute__((target("avx512f,avx512bf16"))) static void bf16_avx512(const unsigned char *bytes, size_t n)
{
    const __m512bh a = (__m512bh)_mm512_set1_epi16(0x3f00);
    const __m512 zero = _mm512_setzero_ps();
    LOOP(__m512, BF16_512);
}

/* Linux keeps the tiles of a process that has asked for them. */
static bool has_amx(void)
{
    enum { BF16 = 1u << 22, TILES = 1u << 24, ASK = 0x1023, TILE_DATA = 18 };
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & (BF16 | TILES)) == (BF16 | TILES) &&
           syscall(SYS_arch_prctl, ASK, TILE_DATA) == 0;
}

/* Four tiles of sums, n products of 16 x 16 x 32 for each. The numbers are not round ones, which would cost less power. */
__attribute__((target("amx-tile,amx-bf16"))) static void bf16_amx(const unsigned char *bytes, size_t n)
{
    struct {
        uint8_t palette, none[15];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shapes = {.palette = 1};
    uint16_t numbers[4][512];
    (void)bytes;
    for (size_t t = 0; t < 8; t++) {
        shapes.row_bytes[t] = 64;
        shapes.rows[t] = 16;
    }
    for (size_t i = 0; i < 4 * 512; i++)
        numbers[i / 512][i % 512] = (uint16_t)(0x3c00 + i * 2654435761u % 0x1ff + (i * 40503u & 0x8000));
    __asm__ volatile("ldtilecfg %0" : : "m"(shapes), "m"(numbers) : "memory");
    _tile_loadd(4, numbers[0], 64);
    _tile_loadd(5, numbers[1], 64);
    _tile_loadd(6, numbers[2], 64);
    _tile_loadd(7, numbers[3], 64);
    for (size_t i = 0; i < n; i++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
}
#endif

/* ---- measuring ---- */

static void *work(void *arg)
{
    job *j = arg;
    pthread_barrier_wait(j->start);
    double t0 = now_s();
    j->run(j->bytes, j->n);
    j->seconds = now_s() - t0;
    return NULL;
}

/* Seconds of the slowest of `threads`, each with its own part of the bytes where there are any. */
static double run_once(loop *run, unsigned threads, const unsigned char *bytes, size_t n)
{
    pthread_t id[MAX_THREADS];
    job jobs[MAX_THREADS];
    pthread_barrier_t start;
    double slowest = 0;
    pthread_barrier_init(&start, NULL, threads);
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (job){run, bytes ? bytes + i * n : NULL, n, &start, 0};
        if (pthread_create(&id[i], NULL, work, &jobs[i]) != 0) {
            fputs("machine: no thread could be made\n", stderr);
            exit(71);
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(id[i], NULL);
        slowest = jobs[i].seconds > slowest ? jobs[i].seconds : slowest;
    }
    pthread_barrier_destroy(&start);
    return slowest;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Sorted seconds of RUNS runs, after one that isn't counted. */
static void measure(double s[RUNS], loop *run, unsigned threads, const unsigned char *bytes, size_t n)
{
    run_once(run, threads, bytes, n);
    for (int i = 0; i < RUNS; i++)
        s[i] = run_once(run, threads, bytes, n);
    qsort(s, RUNS, sizeof *s, by_value);
}

static void print_rates(const char *what, const char *how, const char *unit, double amount, unsigned threads, const double s[RUNS])
{
    printf("%s,%s,%u,%s,%.1f,%.1f,%.1f\n", what, how, threads, unit, 1e-9 * amount * threads / s[RUNS / 2],
           1e-9 * amount * threads / s[RUNS - 1], 1e-9 * amount * threads / s[0]);
    fflush(stdout);
}

static void report(const char *what, const char *how, const char *unit, double amount, loop *run, unsigned threads)
{
    double s[RUNS];
    measure(s, run, threads, NULL, ROUNDS);
    print_rates(what, how, unit, amount, threads, s);
}

/* By loads alone, or with memory asked for ahead. */
static void report_reading(const char *how, loop *const ways[2], unsigned threads, const unsigned char *bytes, size_t n)
{
    double s[2][RUNS];
    char name[16];
    measure(s[0], ways[0], threads, bytes, n);
    measure(s[1], ways[1], threads, bytes, n);
    bool ahead = s[1][RUNS / 2] < s[0][RUNS / 2];
    snprintf(name, sizeof name, "%s%s", how, ahead ? " ahead" : "");
    print_rates("read", name, "GB/s", (double)n, threads, s[ahead]);
}

/* Bytes to read: far beyond the last cache, and no more than a quarter of the memory. */
static size_t bytes_to_read(void)
{
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE), pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t want = cache > 0 ? 4 * (size_t)cache : 0, quarter = pages > 0 && page > 0 ? (size_t)pages / 4 * (size_t)page : READ_LEAST;
    want = want < READ_LEAST ? READ_LEAST : want > READ_MOST ? READ_MOST : want;
    return want > quarter ? quarter / AHEAD * AHEAD : want;
}

static unsigned allowed_cpus(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : allowed_cpus();
    if (threads < 1 || threads > MAX_THREADS) {
        fputs("usage: machine [THREADS]\n", stderr);
        return 64;
    }
    size_t all = bytes_to_read(), part = all / threads / AHEAD * AHEAD;
    unsigned char *bytes = aligned_alloc(AHEAD, all);
    if (!bytes) {
        fprintf(stderr, "machine: no memory of %zu bytes to read\n", all);
        return 71;
    }
    memset(bytes, 1, all); /* pages of its own, not the kernel's one page of zeros */
    loop *const words[2] = {read_plain, read_plain_ahead};
    puts("what,how,threads,unit,median,min,max");
#if defined(__x86_64__)
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = __builtin_cpu_supports("avx512f"), vnni = __builtin_cpu_supports("avx512vnni");
    bool bf16 = __builtin_cpu_supports("avx512bf16");
    const double rounds = (double)ROUNDS * CHAINS * 2;
    loop *const vectors[2] = {read_avx2, read_avx2_ahead};
    report_reading(avx2 ? "avx2" : "c", avx2 ? vectors : words, threads, bytes, part);
    if (avx512)
        report("f32", "avx512", "GFLOP/s", rounds * 16, fma_avx512, threads);
    else
        report("f32", avx2 ? "avx2" : "c", "GFLOP/s", rounds * (avx2 ? 8 : 1), avx2 ? fma_avx2 : fma_plain, threads);
    if (has_amx())
        report("bf16", "amx", "GFLOP/s", (double)ROUNDS * 4 * 2 * 16 * 16 * 32, bf16_amx, threads);
    else if (bf16)
        report("bf16", "avx512bf16", "GFLOP/s", rounds * 32, bf16_avx512, threads);
    if (vnni)
        report("int8", "avx512vnni", "GOP/s", rounds * 64, int8_vnni, threads);
    else if (has_avx_vnni())
        report("int8", "avxvnni", "GOP/s", rounds * 32, int8_avx_vnni, threads);
    else if (avx2)
        report("int8", "avx2", "GOP/s", rounds * 32, int8_avx2, threads);
#else
    report_reading("c", words, threads, bytes, part);
    report("f32", "c", "GFLOP/s", (double)ROUNDS * CHAINS * 2, fma_plain, threads);
#endif
    free(bytes);
    return EXIT_SUCCESS;
}
