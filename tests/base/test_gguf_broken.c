/* test_gguf_broken.c: broken GGUF files by the hundred, made from a good one. Each is refused with a message that
 * names file, place and reason, in little time and without memory that the file's size does not warrant. */
#include "test_main.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "ggml_types_internal.h"
#include "gguf_internal.h"
#include "gguf_writer.h"
#include "test_root.h"
#include "test_tmp.h"
#include "tsr_alloc.h"

enum { F32 = 0, F16 = 1, Q4_0 = 2, Q8_0 = 8, Q4_K = 12, BF16 = 30 }; /* ggml's numbers */
enum { MOST_BYTES = 256 << 10 };
static const double most_seconds = 0.1; /* of this process, which may have to wait for others */

static size_t n_cases;
static const unsigned char zeros[8192];

static double seconds(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What opening gave must be a refusal with `why` that names `named`; NULL why: any reason. */
static void check(tsr_status st, const tsr_gguf *g, const tsr_error *e, const char *named, const char *why,
                  const char *label)
{
    if (st == TSR_OK)
        fail_msg("%s: was opened", label);
    if (st != TSR_ERR_MODEL || !strstr(e->text, named) || (why && !strstr(e->text, why)))
        fail_msg("%s: wanted '%s' of %s, got %d: %s", label, why ? why : "", named, (int)st, e->text);
    assert_null(g);
    n_cases++;
}

/* Memory before and seconds at the start; what opening took of both. */
typedef struct meter {
    size_t live, bytes;
    double start;
} meter;

static meter meter_start(void)
{
    return (meter){tsr_alloc_live(), tsr_alloc_live_bytes(), seconds()};
}

static void meter_check(const meter *m, const char *label, const tsr_error *e)
{
    double took = seconds() - m->start;
    assert_int_equal(tsr_alloc_live(), m->live);
    if (tsr_alloc_peak_bytes() > m->bytes + MOST_BYTES)
        fail_msg("%s: up to %zu bytes: %s", label, tsr_alloc_peak_bytes(), e->text);
    if (took > most_seconds)
        fail_msg("%s: took %f seconds: %s", label, took, e->text);
}

static void refuse_path(const char *path, const char *named, const char *why, const char *label)
{
    tsr_gguf *g;
    tsr_error e = {0};
    meter m = meter_start();
    tsr_status st = tsr_gguf_open(&g, path, &e);
    meter_check(&m, label, &e);
    check(st, g, &e, named, why, label);
}

/* In a block of exactly this length, so that ASan sees any step beyond it. */
static void refuse(const unsigned char *bytes, size_t len, const char *why, const char *label)
{
    tsr_gguf *g;
    tsr_error e = {0};
    unsigned char *exact = must_realloc(NULL, len);
    if (len)
        memcpy(exact, bytes, len);
    meter m = meter_start();
    tsr_status st = tsri_gguf_open_bytes(&g, (tsr_bytes){.data = exact, .len = len}, "broken.gguf", &e);
    meter_check(&m, label, &e);
    check(st, g, &e, "broken.gguf: ", why, label);
    free(exact);
}

static void refuse_writer(gg_writer *w, const char *why, const char *label)
{
    size_t len;
    unsigned char *bytes = gg_bytes(w, &len, NULL, NULL, NULL);
    refuse(bytes, len, why, label);
    free(bytes);
    gg_free(w);
}

/* Keys of every type and tensors of several, with sizes that leave no room for one element more. */
static gg_writer *good_writer(void)
{
    static const char *const words[] = {"<pad>", "", "the", "\xe2\x96\x81z"};
    static const int32_t ids[] = {-1, 7, 9};
    static const float scores[] = {0.5f, -1};
    static const unsigned char flags[] = {1, 0, 1};
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "gemma4");
    gg_str(w, "general.name", "a name of some length");
    gg_u32(w, "general.alignment", 32);
    gg_f32(w, "t.eps", 1e-6f);
    gg_scalar(w, "t.u8", TSR_GGUF_U8, "\7", 1);
    gg_scalar(w, "t.i16", TSR_GGUF_I16, "\7\7", 2);
    gg_scalar(w, "t.yes", TSR_GGUF_BOOL, "\1", 1);
    gg_scalar(w, "t.u64", TSR_GGUF_U64, zeros, 8);
    gg_scalar(w, "t.f64", TSR_GGUF_F64, zeros, 8);
    gg_strs(w, "t.words", 4, words);
    gg_array(w, "t.ids", TSR_GGUF_I32, 3, ids, sizeof ids);
    gg_array(w, "t.scores", TSR_GGUF_F32, 2, scores, sizeof scores);
    gg_array(w, "t.flags", TSR_GGUF_BOOL, 3, flags, sizeof flags);
    gg_tensor(w, "a.weight", F32, 2, (const size_t[]){4, 8}, zeros, 128);
    gg_tensor(w, "b.weight", BF16, 3, (const size_t[]){2, 2, 16}, zeros, 128);
    gg_tensor(w, "c.weight", Q8_0, 2, (const size_t[]){16, 32}, zeros, 544);
    gg_tensor(w, "d.weight", Q4_K, 2, (const size_t[]){2, 256}, zeros, 288);
    gg_tensor(w, "e.scale", F32, 1, (const size_t[]){8}, zeros, 32);
    return w;
}

static void set_number(unsigned char *at, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        at[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t number(const unsigned char *at, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)at[i] << 8 * i;
    return v;
}

static void the_good_file_is_good(void **state)
{
    (void)state;
    tsr_gguf *g;
    tsr_error e = {0};
    gg_writer *w = good_writer();
    gg_write(w, test_path(test_root, "good.gguf"));
    gg_free(w);
    if (tsr_gguf_open(&g, test_path(test_root, "good.gguf"), &e) != TSR_OK)
        fail_msg("%s", e.text);
    assert_int_equal(tsr_gguf_n_keys(g), 13);
    assert_int_equal(tsr_gguf_n_tensors(g), 5);
    tsr_gguf_close(g);
}

static void magic_and_version(void **state)
{
    (void)state;
    static const uint32_t versions[] = {0, 1, 4, 5, 100, 0x7fffffff, UINT32_MAX};
    static const uint32_t swapped[] = {0x02000000, 0x03000000, 0x00030000};
    size_t len;
    gg_writer *w = good_writer();
    unsigned char *bytes = gg_bytes(w, &len, NULL, NULL, NULL);
    for (size_t i = 0; i < 4; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] = (unsigned char)(bytes[i] ^ 1u << bit);
            refuse(bytes, len, "header at byte 0: the file does not begin with GGUF", "magic");
            bytes[i] = (unsigned char)(bytes[i] ^ 1u << bit);
        }
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        char why[64];
        snprintf(why, sizeof why, "header at byte 4: version %u is not supported", (unsigned)versions[i]);
        set_number(bytes + 4, versions[i], 4);
        refuse(bytes, len, why, "version");
    }
    for (size_t i = 0; i < sizeof swapped / sizeof *swapped; i++) {
        set_number(bytes + 4, swapped[i], 4);
        refuse(bytes, len, "header at byte 4: a big-endian file", "version");
    }
    free(bytes);
    gg_free(w);
}

static void cut_at_every_byte(void **state)
{
    (void)state;
    size_t len, header;
    gg_writer *w = good_writer();
    unsigned char *bytes = gg_bytes(w, &len, &header, NULL, NULL);
    assert_true(header > 600);
    for (size_t n = 0; n < len; n += n < header ? 1 : 7)
        refuse(bytes, n, " at byte ", "cut");
    free(bytes);
    gg_free(w);
}

/* Every count, length, dimension, type and offset, one more and one less, and absurd. What one less of a dimension
 * makes is a good file, and so is one more or less of a type where that is a type. */
static void numbers_off_by_one_and_absurd(void **state)
{
    (void)state;
    static const uint64_t absurd[] = {UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, ((uint64_t)1 << 63) - 1,
                                      (uint64_t)1 << 61, (uint64_t)1 << 32 | 1, UINT32_MAX, 1 << 20};
    size_t len, n;
    const gg_mark *marks;
    gg_writer *w = good_writer();
    unsigned char *bytes = gg_bytes(w, &len, NULL, &marks, &n);
    assert_true(n > 60);
    for (size_t i = 0; i < n; i++) {
        const gg_mark *m = &marks[i];
        uint64_t was = number(bytes + m->at, m->n_bytes);
        for (size_t k = 0; k < sizeof absurd / sizeof *absurd; k++) {
            if (m->n_bytes == 4 && absurd[k] > UINT32_MAX)
                continue;
            set_number(bytes + m->at, absurd[k], m->n_bytes);
            refuse(bytes, len, " at byte ", m->what);
        }
        for (int by = -1; by <= 1; by += 2) {
            if (strstr(m->what, "type") || (by < 0 && (was == 0 || strcmp(m->what, "dimension") == 0)) ||
                strcmp(m->what, "dimensions") == 0)
                continue;
            set_number(bytes + m->at, was + (uint64_t)by, m->n_bytes);
            refuse(bytes, len, " at byte ", m->what);
        }
        set_number(bytes + m->at, was, m->n_bytes);
    }
    free(bytes);
    gg_free(w);
}

/* One tensor with n bytes of data. */
static void refuse_tensor(uint32_t type, unsigned n_dims, const size_t *shape, uint64_t offset, size_t n,
                          const char *why, const char *label)
{
    gg_writer *w = gg_new();
    gg_tensor_at(w, "t", type, n_dims, shape, offset);
    gg_data(w, zeros, n);
    refuse_writer(w, why, label);
}

static void types_and_blocks(void **state)
{
    (void)state;
    static const size_t one_block[] = {256}, other[] = {100, 255, 256, 1 << 16, 1u << 31, UINT32_MAX};
    for (uint32_t id = 0; id < 64; id++) {
        char why[64];
        tsr_type type;
        const char *name = tsri_ggml_type_name(id);
        if (tsri_ggml_type_find(id, &type))
            continue;
        if (name)
            snprintf(why, sizeof why, "tensor t at byte 24: type %s is not supported", name);
        else
            snprintf(why, sizeof why, "tensor t at byte 24: type %u is unknown", (unsigned)id);
        refuse_tensor(id, 1, one_block, 0, 2048, why, "type");
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        refuse_tensor((uint32_t)other[i], 1, one_block, 0, 2048, "is unknown", "type");
    for (uint32_t id = 0; id < 64; id++) {
        tsr_type type;
        if (!tsri_ggml_type_find(id, &type) || !tsr_type_is_block(type))
            continue;
        size_t block = tsr_type_info(type)->block_elems;
        const size_t widths[] = {1, block / 2, block - 1, block + 1, 3 * block / 2};
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
            char why[128];
            const size_t shape[] = {block, widths[i]}; /* the first dimension can't make up for it */
            snprintf(why, sizeof why, "tensor t at byte 24: rows of %zu elements are not whole blocks of %zu, as %s needs",
                     widths[i], block, tsr_type_info(type)->name);
            refuse_tensor(id, 2, shape, 0, sizeof zeros, why, "block");
        }
    }
}

static void shapes(void **state)
{
    (void)state;
    static const uint32_t n_dims[] = {5, 6, 255, 65536, UINT32_MAX};
    static const size_t overflows[][4] = {
        {(size_t)1 << 32, (size_t)1 << 32, 1, 1}, {65536, 65536, 65536, 65536},
        {(size_t)1 << 63, 2, 1, 1},               {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX},
        {(size_t)1 << 62, 1, 1, 1},               {1, 1, 1, SIZE_MAX},
        {3, (size_t)1 << 61, 1, 1},               {SIZE_MAX / 4 + 1, 1, 1, 1}};
    for (size_t i = 0; i < sizeof n_dims / sizeof *n_dims; i++) {
        size_t len, n;
        const gg_mark *marks;
        gg_writer *w = gg_new();
        gg_tensor(w, "t", F32, 2, (const size_t[]){2, 2}, zeros, 16);
        unsigned char *bytes = gg_bytes(w, &len, NULL, &marks, &n);
        for (size_t k = 0; k < n; k++)
            if (strcmp(marks[k].what, "dimensions") == 0)
                set_number(bytes + marks[k].at, n_dims[i], 4);
        refuse(bytes, len, "dimensions, at most 4 are possible", "dimensions");
        free(bytes);
        gg_free(w);
    }
    for (unsigned n = 1; n <= 4; n++)
        for (unsigned d = 0; d < n; d++) {
            char why[64];
            size_t shape[4] = {2, 2, 2, 2};
            shape[d] = 0;
            snprintf(why, sizeof why, "tensor t at byte 24: dimension %u of %u is 0", d + 1, n);
            refuse_tensor(F32, n, shape, 0, 256, why, "dimension 0");
        }
    for (size_t i = 0; i < sizeof overflows / sizeof *overflows; i++)
        refuse_tensor(F32, 4, overflows[i], 0, 256, "tensor t at byte 24: the shape overflows", "overflow");
    refuse_tensor(F32, 1, (const size_t[]){(size_t)1 << 61}, 0, 256, "its data lies at bytes 0 to 9223372036854775808",
                  "size");
}

static void offsets(void **state)
{
    (void)state;
    static const size_t eight[] = {8}, nine[] = {9};
    for (uint64_t at = 1; at < 32; at++)
        refuse_tensor(F32, 1, eight, at, 256, "is no multiple of the alignment 32", "offset");
    for (uint64_t at = 32; at <= 1024; at *= 2)
        refuse_tensor(F32, 1, nine, at, (size_t)at + 35, "its data lies at bytes", "offset");
    for (unsigned k = 6; k < 64; k++)
        refuse_tensor(F32, 1, eight, (uint64_t)1 << k, 32, "its data lies at bytes", "offset");
    for (uint64_t back = 32; back <= 1024; back += 32)
        refuse_tensor(F32, 1, (const size_t[]){512}, (uint64_t)0 - back, 2048, "overflows", "offset");
    for (uint64_t at = 0; at < 96; at += 32) { /* 96 bytes at 0, 32 of another within */
        gg_writer *w = gg_new();
        gg_tensor_at(w, "t", F32, 1, (const size_t[]){24}, 0);
        gg_tensor_at(w, "u", F32, 1, eight, at);
        gg_data(w, zeros, 96);
        refuse_writer(w, "overlaps that of tensor t", "overlap");
        w = gg_new();
        gg_tensor_at(w, "u", F32, 1, eight, at);
        gg_tensor_at(w, "t", F32, 1, (const size_t[]){24}, 0);
        gg_data(w, zeros, 96);
        refuse_writer(w, "overlaps that of tensor", "overlap");
    }
    for (unsigned byte = 0; byte < 24; byte += 4) { /* the padding between records and data: 57 to 64 */
        size_t len;
        gg_writer *w = gg_new();
        gg_tensor(w, "t", F32, 1, eight, zeros, 32);
        unsigned char *bytes = gg_bytes(w, &len, NULL, NULL, NULL);
        bytes[57 + byte % 7] = 1;
        refuse(bytes, len, "between the last record and the data", "padding");
        free(bytes);
        gg_free(w);
    }
    refuse_tensor(F32, 1, eight, 0, 64, "padding at byte 96: 32 bytes follow that belong to no tensor", "tail");
    refuse_tensor(F32, 1, eight, 0, 4096, "4064 bytes follow", "tail");
}

static void alignments(void **state)
{
    (void)state;
    static const uint32_t odd[] = {0, 3, 5, 6, 7, 9, 12, 24, 31, 33, 48, 100, 4095, 0x80000001u, UINT32_MAX};
    static const size_t one[] = {1};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char why[96];
        gg_writer *w = gg_new();
        gg_u32(w, "general.alignment", odd[i]);
        gg_tensor(w, "t", F32, 1, one, zeros, 4);
        snprintf(why, sizeof why, "key general.alignment at byte 24: %u is no power of two", (unsigned)odd[i]);
        refuse_writer(w, why, "alignment");
    }
    for (uint32_t type = 0; type < TSR_GGUF_N_TYPES; type++) {
        gg_writer *w = gg_new();
        if (type == TSR_GGUF_ARRAY)
            gg_array(w, "general.alignment", TSR_GGUF_U32, 1, "\x20\0\0\0", 4);
        else
            gg_scalar(w, "general.alignment", type, zeros, 8); /* for shorter types the rest is rubbish */
        refuse_writer(w, NULL, "alignment of another type");
    }
    gg_writer *w = gg_new();
    gg_scalar(w, "general.alignment", TSR_GGUF_U64, "\0\0\0\0\1\0\0\0", 8);
    refuse_writer(w, "4294967296 is no power of two", "alignment of 2^32");
}

static void strings_near_2_64(void **state)
{
    (void)state;
    static const char *const words[] = {"one", "two"};
    size_t len, n;
    const gg_mark *marks;
    gg_writer *w = gg_new();
    gg_str(w, "general.name", "x");
    gg_strs(w, "t.words", 2, words);
    gg_tensor(w, "t", F32, 1, (const size_t[]){1}, zeros, 4);
    unsigned char *bytes = gg_bytes(w, &len, NULL, &marks, &n);
    for (size_t i = 0; i < n; i++) {
        uint64_t was = number(bytes + marks[i].at, marks[i].n_bytes);
        if (!strstr(marks[i].what, "length") || marks[i].n_bytes != 8)
            continue;
        for (uint64_t back = 0; back <= 64; back += 4) {
            set_number(bytes + marks[i].at, UINT64_MAX - back, 8);
            refuse(bytes, len, " are left", marks[i].what);
        }
        set_number(bytes + marks[i].at, len, 8); /* one step beyond the end */
        refuse(bytes, len, " are left", marks[i].what);
        set_number(bytes + marks[i].at, was, 8);
    }
    free(bytes);
    gg_free(w);
}

static void keys_that_stand_twice(void **state)
{
    (void)state;
    for (uint32_t type = 0; type < TSR_GGUF_N_TYPES; type++)
        for (size_t between = 0; between < 3; between++) {
            gg_writer *w = gg_new();
            gg_str(w, "t.twice", "first");
            for (size_t i = 0; i < between; i++)
                gg_u32(w, (const char *[]){"a", "z"}[i], 1);
            if (type == TSR_GGUF_ARRAY)
                gg_array(w, "t.twice", TSR_GGUF_U8, 1, "\1", 1);
            else if (type == TSR_GGUF_STR)
                gg_str(w, "t.twice", "second");
            else
                gg_scalar(w, "t.twice", type, zeros, (const size_t[]){1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}[type]);
            refuse_writer(w, "stands in the file twice", "key");
        }
    for (size_t between = 0; between < 3; between++) {
        gg_writer *w = gg_new();
        gg_tensor(w, "twice", F32, 1, (const size_t[]){8}, zeros, 32);
        for (size_t i = 0; i < between; i++)
            gg_tensor(w, (const char *[]){"a", "z"}[i], F32, 1, (const size_t[]){8}, zeros, 32);
        gg_tensor(w, "twice", F16, 1, (const size_t[]){16}, zeros, 32);
        refuse_writer(w, "tensor twice at byte ", "tensor");
    }
}

static void value_types_and_arrays(void **state)
{
    (void)state;
    static const uint32_t unknown[] = {13, 14, 15, 16, 64, 255, 256, 1 << 16, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        char why[64];
        snprintf(why, sizeof why, "key k at byte 24: value type %u is unknown", (unsigned)unknown[i]);
        gg_writer *w = gg_new();
        gg_scalar(w, "k", unknown[i], zeros, 16);
        refuse_writer(w, why, "type");
        w = gg_new();
        gg_array(w, "k", unknown[i], 1, zeros, 16);
        refuse_writer(w, why, "element type");
    }
    for (uint64_t n = 0; n < 8; n++) { /* whatever is inside */
        gg_writer *w = gg_new();
        gg_array(w, "k", TSR_GGUF_ARRAY, n, zeros, 512);
        refuse_writer(w, "key k at byte 24: an array of arrays", "nested");
    }
    for (size_t depth = 2; depth < 60; depth += 9) { /* an array in an array in an array ... */
        unsigned char nested[12 * 60] = {0};
        for (size_t i = 0; i < depth; i++) {
            set_number(nested + 12 * i, TSR_GGUF_ARRAY, 4);
            set_number(nested + 12 * i + 4, 1, 8);
        }
        gg_writer *w = gg_new();
        gg_scalar(w, "k", TSR_GGUF_ARRAY, nested, 12 * depth);
        refuse_writer(w, "an array of arrays", "recursion");
    }
    for (uint32_t type = 0; type < TSR_GGUF_N_TYPES; type++) {
        static const unsigned char sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 1, 8, 8, 8};
        const uint64_t size = sizes[type];
        const uint64_t counts[] = {UINT64_MAX / size, UINT64_MAX / size - 1, UINT64_MAX, UINT64_MAX - 1, (uint64_t)1 << 63,
                                   ((uint64_t)1 << 63) / size + 1, 256 / size + 1};
        for (size_t i = 0; i < sizeof counts / sizeof *counts && type != TSR_GGUF_ARRAY; i++) {
            gg_writer *w = gg_new();
            gg_array(w, "k", type, counts[i], zeros, 256);
            refuse_writer(w, "elements, 256 bytes are left", "count");
        }
    }
    for (unsigned v = 2; v < 256; v += 23) {
        unsigned char flags[] = {1, 0, (unsigned char)v};
        gg_writer *w = gg_new();
        gg_scalar(w, "k", TSR_GGUF_BOOL, flags + 2, 1);
        refuse_writer(w, "key k at byte 24: a bool of value", "bool");
        w = gg_new();
        gg_array(w, "k", TSR_GGUF_BOOL, 3, flags, 3);
        refuse_writer(w, "key k at byte 24: a bool of value", "bools");
    }
}

static void names(void **state)
{
    (void)state;
    for (unsigned c = 1; c < 256; c++) {
        char why[64], name[] = {'a', (char)c, 'b', 0};
        if (c >= 0x20 && c <= 0x7e)
            continue;
        snprintf(why, sizeof why, "its name holds the byte 0x%02x", c);
        gg_writer *w = gg_new();
        if (c % 2)
            gg_u32(w, name, 1);
        else
            gg_tensor(w, name, F32, 1, (const size_t[]){8}, zeros, 32);
        refuse_writer(w, why, "name");
    }
    char longer[300];
    for (size_t n = 256; n < sizeof longer; n += 10) {
        memset(longer, 'x', n);
        longer[n] = '\0';
        gg_writer *w = gg_new();
        gg_tensor(w, longer, F32, 1, (const size_t[]){8}, zeros, 32);
        refuse_writer(w, "1 to 255 are allowed", "long name");
    }
    gg_writer *w = gg_new();
    gg_tensor(w, "", F32, 1, (const size_t[]){8}, zeros, 32);
    refuse_writer(w, "a name of 0 bytes", "no name");
}

static bool can_be_mapped(const char *path, size_t n)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    void *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return p != MAP_FAILED && munmap(p, n) == 0;
}

/* A file is made long at no cost by a hole, and every value in the hole is a good one. */
static void metadata_that_would_take_long_to_walk(void **state)
{
    (void)state;
    static const uint32_t types[] = {TSR_GGUF_STR, TSR_GGUF_BOOL};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const off_t vast = (off_t)1 << 36;
        const char *path = test_path(test_root, "broken.gguf");
        gg_writer *w = gg_new();
        gg_array(w, "k", types[i], (uint64_t)1 << 32, zeros, 8);
        gg_write(w, path);
        gg_free(w);
        if (truncate(path, vast) != 0 || !can_be_mapped(path, (size_t)vast))
            skip(); /* a file system without holes or large files, an emulator with little room for addresses */
        refuse_path(path, "/broken.gguf: ", "key k at byte 24: 4294967296 elements, the metadata may have", "walk");
        w = gg_new();
        gg_str(w, "long", "x");
        gg_u32(w, "k", 1);
        size_t len, n;
        const gg_mark *marks;
        unsigned char *bytes = gg_bytes(w, &len, NULL, &marks, &n);
        for (size_t k = 0; k < n; k++)
            if (strcmp(marks[k].what, "string length") == 0)
                set_number(bytes + marks[k].at, (uint64_t)1 << 35, 8);
        test_write_file(path, bytes, len);
        assert_int_equal(truncate(path, vast), 0);
        refuse_path(path, "/broken.gguf: ", "key long at byte 24: ends at byte 34359738", "walk");
        free(bytes);
        gg_free(w);
    }
    remove(test_path(test_root, "broken.gguf"));
}

/* ---- split files ---- */

static const char *part_path(unsigned part, unsigned count)
{
    char name[64];
    snprintf(name, sizeof name, "s-%05u-of-%05u.gguf", part, count);
    return test_path(test_root, name);
}

/* What part `part` (from 1) of `count` says of itself. */
static void write_part(unsigned part, unsigned count, unsigned no, unsigned says_count, unsigned n_tensors,
                       const char *tensor)
{
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "gemma4");
    gg_split(w, no, says_count, n_tensors);
    gg_tensor(w, tensor, F32, 1, (const size_t[]){8}, zeros, 32);
    gg_write(w, part_path(part, count));
    gg_free(w);
}

static const char *const letters[] = {"a", "b", "c", "d", "e", "f"};

static void write_good_parts(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        write_part(i + 1, count, i, count, count, letters[i]);
}

static void refuse_parts(unsigned count, unsigned named, const char *why, const char *label)
{
    char name[64];
    snprintf(name, sizeof name, "/s-%05u-of-%05u.gguf: ", named, count);
    refuse_path(part_path(1, count), name, why, label);
}

static void split_files(void **state)
{
    (void)state;
    for (unsigned count = 2; count <= 5; count++)
        for (unsigned bad = 1; bad <= count; bad++) {
            tsr_gguf *g;
            tsr_error e = {0};
            write_good_parts(count);
            assert_int_equal(tsr_gguf_open(&g, part_path(1, count), NULL), TSR_OK);
            tsr_gguf_close(g);
            assert_int_equal(remove(part_path(bad, count)), 0);
            assert_int_equal(tsr_gguf_open(&g, part_path(1, count), &e), TSR_ERR_NOINPUT);
            assert_error(&e, TSR_ERR_NOINPUT, strrchr(part_path(bad, count), '/'), NULL);
            n_cases++;
            write_part(bad, count, bad % count, count, count, letters[bad - 1]); /* the number of the next one */
            refuse_parts(count, bad, "key split.no at byte 70: ", "no");
            write_part(bad, count, 65535, count, count, letters[bad - 1]);
            refuse_parts(count, bad, "key split.no at byte 70: not below split.count", "no");
            write_part(bad, count, bad - 1, count + 1, count, letters[bad - 1]);
            refuse_parts(count, bad, "key split.count at byte 92: differs", "count");
            write_part(bad, count, bad - 1, count, count + 1, letters[bad - 1]);
            refuse_parts(count, bad == 1 ? 2 : bad, "key split.tensors.count at byte 117: differs", "tensors");
            write_part(bad, count, bad - 1, count, 0, letters[bad - 1]);
            refuse_parts(count, bad, "key split.tensors.count at byte 117: does not fit", "no tensors");
            write_part(bad, count, bad - 1, count, count, letters[bad % count]); /* another part's tensor */
            refuse_parts(count, bad == count ? count : bad + 1, "stands in the parts twice", "doubled");
            test_write_file(part_path(bad, count), zeros, 64);
            refuse_parts(count, bad, "header at byte 0: the file does not begin with GGUF", "other");
            test_write_file(part_path(bad, count), "GGUF\3\0\0\0\0\0\0\0", 12);
            refuse_parts(count, bad, "header at byte 4: the file ends inside it", "cut");
            if (bad > 1) {
                write_good_parts(count);
                tsr_error_clear(&e);
                assert_int_equal(tsr_gguf_open(&g, part_path(bad, count), &e), TSR_ERR_MODEL);
                assert_error(&e, TSR_ERR_MODEL, "this is not the first part", strrchr(part_path(bad, count), '/'));
                n_cases++;
            }
        }
    for (unsigned i = 0; i < 3; i++) /* fewer tensors named than the parts hold */
        write_part(i + 1, 3, i, 3, 2, letters[i]);
    refuse_parts(3, 3, "key split.tensors.count at byte 117: is less than the parts up to this one hold", "tensors");
}

static void there_were_several_hundred(void **state)
{
    (void)state;
    print_message("%zu broken files\n", n_cases);
    assert_true(n_cases > 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_good_file_is_good),
        cmocka_unit_test(magic_and_version),
        cmocka_unit_test(cut_at_every_byte),
        cmocka_unit_test(numbers_off_by_one_and_absurd),
        cmocka_unit_test(types_and_blocks),
        cmocka_unit_test(shapes),
        cmocka_unit_test(offsets),
        cmocka_unit_test(alignments),
        cmocka_unit_test(strings_near_2_64),
        cmocka_unit_test(keys_that_stand_twice),
        cmocka_unit_test(value_types_and_arrays),
        cmocka_unit_test(names),
        cmocka_unit_test(metadata_that_would_take_long_to_walk),
        cmocka_unit_test(split_files),
        cmocka_unit_test(there_were_several_hundred),
    };
    return cmocka_run_group_tests(tests, test_root_make, test_root_remove);
}
