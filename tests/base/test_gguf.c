/* A GGUF file is hostile until checked: cut, flipped, lying or absurd files are refused with their name,
 * the place and the reason; what another program wrote is found as that program finds it. */
#include "test_main.h"

#include <math.h>
#include <stdio.h>

#include "fuzz_gguf.h"
#include "gguf_internal.h"
#include "gguf_writer.h"
#include "test_replay.h"
#include "test_tmp.h"
#include "tsr_alloc.h"

enum { F32 = 0, F16 = 1, Q4_0 = 2, Q8_0 = 8, Q4_K = 12, IQ2_XXS = 16, I8 = 24, I32 = 26, F64 = 28, BF16 = 30 }; /* ggml's numbers */

static const unsigned char zeros[4096];

/* Open a block of exactly the file's length, so that ASan sees any step beyond it; *g when st is OK. */
static tsr_status open_copy(tsr_gguf **g, unsigned char **copy, const unsigned char *bytes, size_t len, tsr_error *err)
{
    *copy = must_realloc(NULL, len);
    if (len)
        memcpy(*copy, bytes, len);
    return tsri_gguf_open_bytes(g, (tsr_bytes){.data = *copy, .len = len}, "w.gguf", err);
}

static tsr_status read_bytes(const unsigned char *bytes, size_t len, tsr_error *err)
{
    tsr_gguf *g;
    unsigned char *copy;
    size_t live = tsr_alloc_live();
    tsr_status st = open_copy(&g, &copy, bytes, len, err);
    if (st == TSR_OK)
        fuzz_gguf_walk(g, copy, len);
    else
        assert_null(g);
    tsr_gguf_close(g);
    assert_int_equal(tsr_alloc_live(), live);
    free(copy);
    if (st == TSR_ERR_MODEL)
        assert_error(err, st, "w.gguf: ", " at byte ");
    return st;
}

static gg_writer *sample_writer(void)
{
    static const char *const words[] = {"<pad>", "", "the"};
    static const int32_t ids[] = {-1, 7};
    static const unsigned char flags[] = {1, 0, 1};
    static const float f[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", "test");
    gg_u32(w, "general.alignment", 32);
    gg_f32(w, "t.eps", 1e-6f);
    gg_strs(w, "t.words", 3, words);
    gg_array(w, "t.ids", TSR_GGUF_I32, 2, ids, sizeof ids);
    gg_array(w, "t.flags", TSR_GGUF_BOOL, 3, flags, sizeof flags);
    gg_tensor(w, "a.weight", F32, 2, (const size_t[]){2, 3}, f, 24);
    gg_tensor(w, "b", F16, 3, (const size_t[]){1, 2, 4}, f, 16);
    gg_tensor(w, "c", Q8_0, 2, (const size_t[]){2, 32}, zeros, 68);
    gg_tensor(w, "scalar", F32, 0, NULL, f, 4);
    return w;
}

static unsigned char *sample(size_t *len, size_t *header_len)
{
    gg_writer *w = sample_writer();
    unsigned char *bytes = gg_bytes(w, len, header_len, NULL, NULL);
    gg_free(w);
    return bytes;
}

static void assert_str(tsr_gguf_str s, const char *want)
{
    assert_int_equal(s.len, strlen(want));
    assert_memory_equal(s.data, want, s.len);
}

static void good_file_gives_keys_and_tensors(void **state)
{
    (void)state;
    size_t len;
    tsr_gguf *g;
    unsigned char *copy, *bytes = sample(&len, NULL);
    assert_int_equal(open_copy(&g, &copy, bytes, len, NULL), TSR_OK);
    assert_int_equal(tsr_gguf_version(g), 3);
    assert_int_equal(tsr_gguf_alignment(g), 32);
    assert_int_equal(tsr_gguf_n_parts(g), 1);
    assert_int_equal(tsr_gguf_n_keys(g), 6);
    assert_string_equal(tsr_gguf_key(g, 3), "t.words");
    assert_int_equal(tsr_gguf_n_tensors(g), 4);
    const tsr_gguf_tensor *a = tsr_gguf_find_tensor(g, "a.weight"), *c = tsr_gguf_find_tensor(g, "c");
    assert_ptr_equal(a, tsr_gguf_tensor_at(g, 0));
    assert_int_equal(a->view.type, TSR_F32);
    assert_int_equal(a->view.n_dims, 2);
    assert_int_equal(a->view.shape[0], 2);
    assert_int_equal(a->view.shape[1], 3);
    assert_int_equal(a->view.shape[2], 1);
    assert_int_equal(a->view.n_bytes, 24);
    assert_false(a->view.in_file); /* but memory of ours */
    assert_true(((const float *)a->view.data)[5] == 6.0f);
    assert_int_equal(c->view.type, TSR_Q8_0);
    assert_int_equal(c->view.n_elems, 64);
    assert_int_equal(c->view.n_bytes, 68);
    assert_int_equal(tsr_gguf_find_tensor(g, "scalar")->view.n_elems, 1);
    assert_null(tsr_gguf_find_tensor(g, "d"));
    assert_null(tsr_gguf_find(g, "t.word"));
    tsr_gguf_close(g);
    free(copy);
    free(bytes);
}

static void version_2_is_read_and_others_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        uint32_t version;
        const char *why;
    } cases[] = {{2, NULL}, {3, NULL}, {0, "version 0"}, {1, "version 1"}, {4, "version 4"}, {0x03000000u, "big-endian"},
                 {UINT32_MAX, "version 4294967295"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gg_writer *w = sample_writer();
        size_t len;
        tsr_error e = {0};
        gg_set_version(w, cases[i].version);
        unsigned char *bytes = gg_bytes(w, &len, NULL, NULL, NULL);
        tsr_status st = read_bytes(bytes, len, &e);
        assert_int_equal(st, cases[i].why ? TSR_ERR_MODEL : TSR_OK);
        if (cases[i].why)
            assert_error(&e, TSR_ERR_MODEL, cases[i].why, "at byte 4");
        free(bytes);
        gg_free(w);
    }
}

static void file_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    size_t len;
    unsigned char *bytes = sample(&len, NULL);
    for (size_t n = 0; n < len; n++) {
        tsr_error e = {0};
        assert_int_equal(read_bytes(bytes, n, &e), TSR_ERR_MODEL);
    }
    free(bytes);
}

/* Some flips leave a good file (a letter of a name); none may crash or leave the file (the walk checks). */
static void header_with_any_bit_or_byte_changed_is_survived(void **state)
{
    (void)state;
    size_t len, header, refused = 0, tried = 0;
    unsigned char *bytes = sample(&len, &header);
    for (size_t at = 0; at < header; at++)
        for (int change = 0; change < 12; change++) {
            static const unsigned char values[4] = {0, 0xff, 9, 1};
            unsigned char keep = bytes[at];
            tsr_error e = {0};
            bytes[at] = (unsigned char)(change < 8 ? keep ^ 1u << change : values[change - 8]);
            tsr_status st = read_bytes(bytes, len, &e);
            assert_true(st == TSR_OK || st == TSR_ERR_MODEL);
            refused += st != TSR_OK;
            tried++;
            bytes[at] = keep;
        }
    assert_true(refused > tried / 2 && refused < tried);
    free(bytes);
}

static void put(unsigned char *at, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        at[i] = (unsigned char)(v >> 8 * i);
}

/* Every number that a reader must distrust, made absurd: refused, and with no more memory taken than the
 * file's own size warrants. */
static void absurd_numbers_are_refused_without_memory(void **state)
{
    (void)state;
    static const uint64_t absurd[] = {UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, ((uint64_t)1 << 63) - 1,
                                      (uint64_t)1 << 61, (uint64_t)1 << 32 | 1, UINT32_MAX, 1 << 20, 100000};
    gg_writer *w = sample_writer();
    size_t len, n;
    const gg_mark *marks;
    unsigned char *bytes = gg_bytes(w, &len, NULL, &marks, &n);
    assert_true(n > 40);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof absurd / sizeof *absurd; k++) {
            unsigned char keep[8];
            tsr_error e = {0};
            if (marks[i].n_bytes == 4 && absurd[k] > UINT32_MAX)
                continue;
            memcpy(keep, bytes + marks[i].at, marks[i].n_bytes);
            put(bytes + marks[i].at, absurd[k], marks[i].n_bytes);
            size_t before = tsr_alloc_live_bytes();
            tsr_status st = read_bytes(bytes, len, &e);
            if (st != TSR_ERR_MODEL)
                fail_msg("%s at byte %zu as %llu: status %d", marks[i].what, marks[i].at,
                         (unsigned long long)absurd[k], (int)st);
            assert_true(tsr_alloc_peak_bytes() < before + (1 << 20));
            memcpy(bytes + marks[i].at, keep, marks[i].n_bytes);
        }
    free(bytes);
    gg_free(w);
}

static void expect(gg_writer *w, const char *why)
{
    size_t len;
    tsr_error e = {0};
    unsigned char *bytes = gg_bytes(w, &len, NULL, NULL, NULL);
    tsr_status st = read_bytes(bytes, len, &e);
    if (!why && st != TSR_OK)
        fail_msg("refused: %s", e.text);
    if (why && (st != TSR_ERR_MODEL || !strstr(e.text, why)))
        fail_msg("wanted '%s', got %d: %s", why, (int)st, e.text);
    free(bytes);
    gg_free(w);
}

typedef struct tensor_lie {
    uint32_t type;
    unsigned n_dims;
    size_t shape[5];
    uint64_t offset;
    size_t n_data;
    const char *why; /* NULL: a good file */
} tensor_lie;

static void lying_tensors_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const tensor_lie lies[] = {
        {F32, 1, {2}, 0, 8, NULL},
        {F32, 1, {2}, 32, 40, NULL},
        {F32, 4, {1, 1, 1, 2}, 0, 8, NULL},
        {I32, 1, {2}, 0, 8, NULL},
        {BF16, 2, {2, 2}, 0, 8, NULL},
        {Q4_K, 2, {2, 512}, 0, 4 * 144, NULL},
        {F32, 1, {2}, 0, 7, "tensor t at byte 24: its data lies at bytes 0 to 8 behind byte 64, the file has 71"},
        {F32, 1, {2}, 0, 0, "its data lies"},
        {F32, 1, {2}, 32, 8, "its data lies"},
        {F32, 1, {9}, UINT64_MAX - 31, 8, "its offset 18446744073709551584 overflows"},
        {F32, 1, {2}, (uint64_t)1 << 63, 8, "its data lies"},
        {F32, 1, {2}, 4, 64, "its offset 4 is no multiple of the alignment 32"},
        {F32, 1, {2}, 31, 64, "no multiple"},
        {F32, 5, {1, 1, 1, 1, 1}, 0, 64, "5 dimensions"},
        {F32, 1, {0}, 0, 64, "dimension 1 of 1 is 0"},
        {F32, 2, {0, 4}, 0, 64, "dimension 1 of 2 is 0"},
        {F32, 2, {(size_t)1 << 32, (size_t)1 << 32}, 0, 64, "overflow"},
        {F32, 1, {(size_t)1 << 62}, 0, 64, "overflow"},
        {F32, 4, {65536, 65536, 65536, 65536}, 0, 64, "overflow"},
        {F32, 1, {SIZE_MAX}, 0, 64, "overflow"},
        {F32, 1, {(size_t)1 << 61}, 0, 64, "its data lies"},
        {Q8_0, 1, {33}, 0, 64, "rows of 33 elements are not whole blocks of 32, as Q8_0 needs"},
        {Q8_0, 2, {32, 2}, 0, 128, "rows of 2 elements"},
        {Q8_0, 0, {0}, 0, 64, "rows of 1 elements"},
        {Q4_K, 2, {2, 128}, 0, 144, "rows of 128 elements"},
        {F64, 1, {1}, 0, 64, "type F64 is not supported"},
        {16, 1, {256}, 0, 512, "type IQ2_XXS is not supported"},
        {9, 1, {32}, 0, 64, "type Q8_1 is not supported"},
        {34, 1, {256}, 0, 64, "type TQ1_0 is not supported"},
        {24, 1, {4}, 0, 64, "type I8 is not supported"},
        {999, 1, {4}, 0, 64, "type 999 is unknown"},
        {UINT32_MAX, 1, {4}, 0, 64, "type 4294967295 is unknown"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        gg_writer *w = gg_new();
        gg_tensor_at(w, "t", lies[i].type, lies[i].n_dims, lies[i].shape, lies[i].offset);
        gg_data(w, zeros, lies[i].n_data);
        expect(w, lies[i].why);
    }
}

/* IQ2_XXS has blocks of 256 elements in 66 bytes. */
static gg_writer *with_other_types(size_t cols, size_t n_data)
{
    gg_writer *w = gg_new();
    gg_tensor_at(w, "a", IQ2_XXS, 2, (const size_t[]){3, cols}, 0);
    gg_tensor_at(w, "b", F32, 1, (const size_t[]){2}, 224);
    gg_tensor_at(w, "c", I8, 1, (const size_t[]){5}, 256);
    gg_data(w, zeros, n_data);
    return w;
}

static tsr_status look(gg_writer *w, tsr_gguf **g, unsigned char **bytes, tsr_error *err)
{
    size_t len;
    *bytes = gg_bytes(w, &len, NULL, NULL, NULL);
    gg_free(w);
    tsr_status st = tsri_gguf_look_bytes(g, (tsr_bytes){.data = *bytes, .len = len}, "w.gguf", err);
    if (st == TSR_OK)
        fuzz_gguf_walk(*g, *bytes, len);
    return st;
}

static void types_that_are_not_supported_can_be_looked_at(void **state)
{
    (void)state;
    tsr_gguf *g;
    tsr_error e = {0};
    unsigned char *bytes;
    expect(with_other_types(512, 261), "tensor a at byte 24: type IQ2_XXS is not supported");
    assert_int_equal(look(with_other_types(256, 261), &g, &bytes, &e), TSR_OK);
    const tsr_gguf_tensor *a = tsr_gguf_find_tensor(g, "a"), *b = tsr_gguf_find_tensor(g, "b");
    assert_int_equal(tsr_gguf_n_tensors(g), 3);
    assert_string_equal(a->traits->name, "IQ2_XXS");
    assert_int_equal(a->view.type, TSR_N_TYPES);
    assert_null(a->view.data);
    assert_int_equal(a->view.shape[0], 3);
    assert_int_equal(a->view.shape[1], 256);
    assert_int_equal(a->view.n_elems, 768);
    assert_int_equal(a->view.n_bytes, 3 * 66);
    assert_string_equal(b->traits->name, "F32");
    assert_int_equal(b->view.type, TSR_F32);
    assert_ptr_equal(b->view.data, bytes + b->offset);
    assert_int_equal(b->offset, a->offset + 224);
    assert_int_equal(tsr_gguf_find_tensor(g, "c")->view.n_bytes, 5);
    tsr_gguf_close(g);
    free(bytes);
    static const struct {
        size_t cols, n_data;
        const char *why;
    } bad[] = {
        {255, 261, "tensor a at byte 24: rows of 255 elements are not whole blocks of 256, as IQ2_XXS needs"},
        {512, 400, "tensor b at byte 65: its data overlaps that of tensor a"},
        {256, 260, "tensor c at byte 98: its data lies at bytes 256 to 261"},
        {256, 300, "bytes follow that belong to no tensor"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e = (tsr_error){0};
        assert_int_equal(look(with_other_types(bad[i].cols, bad[i].n_data), &g, &bytes, &e), TSR_ERR_MODEL);
        assert_error(&e, TSR_ERR_MODEL, bad[i].why, NULL);
        assert_null(g);
        free(bytes);
    }
    static const struct {
        uint32_t type;
        const char *why;
    } none[] = {{4, "type Q4_2 is not supported"}, {9, "type Q8_1 is not supported"}, {999, "type 999 is unknown"}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        gg_writer *w = gg_new();
        gg_tensor_at(w, "t", none[i].type, 1, (const size_t[]){256}, 0);
        gg_data(w, zeros, 512);
        e = (tsr_error){0};
        assert_int_equal(look(w, &g, &bytes, &e), TSR_ERR_MODEL);
        assert_error(&e, TSR_ERR_MODEL, none[i].why, NULL);
        free(bytes);
    }
}

static void tensors_that_clash_are_refused(void **state)
{
    (void)state;
    static const size_t eight[] = {8}, nine[] = {9};
    gg_writer *w = gg_new();
    gg_tensor_at(w, "t", F32, 1, eight, 0);
    gg_tensor_at(w, "u", F32, 1, eight, 0);
    gg_data(w, zeros, 64);
    expect(w, "tensor u at byte 57: its data overlaps that of tensor t");
    w = gg_new();
    gg_tensor_at(w, "t", F32, 1, eight, 32);
    gg_tensor_at(w, "u", F32, 1, nine, 0);
    gg_data(w, zeros, 128);
    expect(w, "tensor t at byte 24: its data overlaps that of tensor u");
    w = gg_new();
    gg_tensor(w, "t", F32, 1, eight, zeros, 32);
    gg_tensor(w, "t", F32, 1, eight, zeros, 32);
    expect(w, "tensor t at byte 57: stands in the file twice");
    w = gg_new(); /* in another order than their records, and with a hole between */
    gg_tensor_at(w, "t", F32, 1, eight, 96);
    gg_tensor_at(w, "u", F32, 1, nine, 0);
    gg_data(w, zeros, 128);
    expect(w, NULL);
}

static void names_that_cannot_be_shown_are_refused(void **state)
{
    (void)state;
    char longer[300];
    static const size_t one[] = {1};
    gg_writer *w = gg_new();
    memset(longer, 'x', sizeof longer);
    longer[299] = 0;
    gg_tensor(w, longer, F32, 1, one, zeros, 4);
    expect(w, "tensor 0 at byte 24: a name of 299 bytes, 1 to 255");
    w = gg_new();
    gg_tensor(w, "", F32, 1, one, zeros, 4);
    expect(w, "a name of 0 bytes");
    w = gg_new();
    gg_tensor(w, "a\nb", F32, 1, one, zeros, 4);
    expect(w, "tensor 0 at byte 24: its name holds the byte 0x0a");
    w = gg_new();
    gg_u32(w, "", 1);
    expect(w, "key 0 at byte 24: a name of 0 bytes");
    w = gg_new();
    gg_u32(w, "a", 1);
    gg_u32(w, "k\xc3\xa9y", 1);
    expect(w, "key 1 at byte 41: its name holds the byte 0xc3");
}

static void lying_values_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const unsigned char two[] = {2}, mixed[] = {0, 1, 0xff};
    gg_writer *w = gg_new();
    gg_u32(w, "k", 1);
    gg_str(w, "k", "x");
    expect(w, "key k at byte 41: stands in the file twice");
    w = gg_new();
    gg_scalar(w, "k", 13, zeros, 8);
    expect(w, "key k at byte 24: value type 13 is unknown");
    w = gg_new();
    gg_scalar(w, "k", TSR_GGUF_BOOL, two, 1);
    expect(w, "key k at byte 24: a bool of value 2");
    w = gg_new();
    gg_array(w, "k", TSR_GGUF_BOOL, 3, mixed, 3);
    expect(w, "a bool of value 255");
    w = gg_new();
    gg_array(w, "k", TSR_GGUF_ARRAY, 1, zeros, 64);
    expect(w, "key k at byte 24: an array of arrays");
    w = gg_new();
    gg_array(w, "k", 77, 1, zeros, 64);
    expect(w, "value type 77 is unknown");
    w = gg_new();
    gg_array(w, "k", TSR_GGUF_U64, 3, zeros, 23);
    expect(w, "3 elements, 23 bytes are left");
    w = gg_new();
    gg_array(w, "k", TSR_GGUF_STR, 9, zeros, 71);
    expect(w, "9 elements, 71 bytes are left");
    w = gg_new();
    gg_array(w, "k", TSR_GGUF_STR, 1, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    expect(w, "string 0 has 18446744073709551615 bytes, 0 are left");
    w = gg_new();
    gg_array(w, "k", TSR_GGUF_U32, 0, zeros, 0);
    expect(w, NULL);
}

static void alignments_must_be_powers_of_two(void **state)
{
    (void)state;
    static const size_t one[] = {1};
    static const struct {
        uint32_t alignment;
        const char *why;
    } cases[] = {{1, NULL}, {8, NULL}, {64, NULL}, {4096, NULL}, {0, "key general.alignment at byte 24: 0 is no power"},
                 {24, "24 is no power of two"}, {UINT32_MAX, "no power"}, {1u << 31, "no multiple of the alignment 2147483648"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gg_writer *w = gg_new();
        gg_set_alignment(w, cases[i].why ? 32 : cases[i].alignment);
        gg_u32(w, "general.alignment", cases[i].alignment);
        gg_tensor(w, "t.", F16, 1, one, zeros, 2); /* even */
        gg_tensor(w, "u", F16, 1, one, zeros, 2);
        if (cases[i].alignment == 1)
            gg_str(w, "p", "odd"); /* brings the data to an even byte */
        expect(w, cases[i].why);
    }
    gg_writer *w = gg_new();
    gg_str(w, "general.alignment", "32");
    expect(w, "key general.alignment at byte 24: is no whole number");
    w = gg_new();
    gg_set_alignment(w, 1);
    gg_u32(w, "general.alignment", 1);
    gg_tensor(w, "t", F32, 1, one, zeros, 4);
    gg_str(w, "p", "");
    expect(w, "its data is not aligned to its type F32");
}

static void numbers_convert_where_they_fit_and_nowhere_else(void **state)
{
    (void)state;
    static const double tenth = 0.1, vast = 1e300;
    static const float inf = HUGE_VALF;
    static const unsigned char yes[] = {1};
    size_t len;
    tsr_gguf *g;
    unsigned char *copy;
    gg_writer *w = gg_new();
    gg_u32(w, "u32", 4000000000u);
    gg_scalar(w, "u64", TSR_GGUF_U64, "\5\0\0\0\0\0\0\0", 8);
    gg_scalar(w, "max", TSR_GGUF_U64, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    gg_scalar(w, "i8", TSR_GGUF_I8, "\x80", 1);
    gg_scalar(w, "min", TSR_GGUF_I64, "\0\0\0\0\0\0\0\x80", 8);
    gg_scalar(w, "f64", TSR_GGUF_F64, &tenth, 8);
    gg_scalar(w, "vast", TSR_GGUF_F64, &vast, 8);
    gg_scalar(w, "inf", TSR_GGUF_F32, &inf, 4);
    gg_scalar(w, "yes", TSR_GGUF_BOOL, yes, 1);
    gg_str(w, "str", "text");
    gg_array(w, "ids", TSR_GGUF_I16, 2, "\1\0\xff\xff", 4);
    unsigned char *bytes = gg_bytes(w, &len, NULL, NULL, NULL);
    assert_int_equal(open_copy(&g, &copy, bytes, len, NULL), TSR_OK);
    uint32_t u = 7, us[3];
    uint64_t u64 = 7;
    int32_t i = 7, is[2];
    int64_t i64;
    float f = 7;
    bool b = false;
    tsr_gguf_str s = {"kept", 4}, *strs;
    size_t n;
#define GOOD(kind, key, out) assert_int_equal(tsr_gguf_get_##kind(g, key, TSR_GGUF_REQUIRED, out, NULL), TSR_OK)
#define BAD(kind, key, out, why)                                                                   \
    do {                                                                                           \
        tsr_error e = {0};                                                                         \
        assert_int_equal(tsr_gguf_get_##kind(g, key, TSR_GGUF_REQUIRED, out, &e), TSR_ERR_MODEL); \
        assert_error(&e, TSR_ERR_MODEL, "w.gguf: key " key, why);                                  \
    } while (0)
    BAD(u32, "max", &u, "u64 18446744073709551615, wanted a whole number from 0 to 4294967295");
    BAD(u32, "i8", &u, "at byte 89: i8 -128, wanted");
    BAD(u32, "yes", &u, "bool, wanted");
    BAD(u32, "f64", &u, "f64 0.1, wanted");
    BAD(u32, "ids", &u, "an array of 2 i16, wanted");
    BAD(u32, "none", &u, "is missing");
    BAD(i32, "u32", &i, "u32 4000000000");
    BAD(i32, "min", &i, "i64 -9223372036854775808");
    BAD(u64, "i8", &u64, "i8 -128");
    BAD(f32, "vast", &f, "1e+300, wanted a finite number");
    BAD(f32, "inf", &f, "inf, wanted a finite number");
    BAD(f32, "u32", &f, "u32 4000000000");
    BAD(f32, "str", &f, "string, wanted");
    BAD(bool, "u64", &b, "wanted a bool");
    BAD(str, "yes", &s, "bool, wanted a string");
    assert_int_equal(tsr_gguf_get_u32(g, "none", TSR_GGUF_OPTIONAL, &u, NULL), TSR_OK);
    assert_int_equal(tsr_gguf_get_str(g, "none", TSR_GGUF_OPTIONAL, &s, NULL), TSR_OK);
    assert_true(u == 7 && u64 == 7 && i == 7 && f == 7 && !b); /* failures leave what was there */
    assert_str(s, "kept");
    GOOD(u32, "u32", &u);
    assert_true(u == 4000000000u);
    GOOD(u32, "u64", &u);
    assert_true(u == 5);
    GOOD(u64, "max", &u64);
    assert_true(u64 == UINT64_MAX);
    GOOD(i32, "i8", &i);
    assert_true(i == -128);
    assert_true(tsr_gguf_value_i64(tsr_gguf_find(g, "min"), 0, &i64) && i64 == INT64_MIN);
    assert_false(tsr_gguf_value_i64(tsr_gguf_find(g, "max"), 0, &i64));
    GOOD(f32, "f64", &f);
    assert_true(f == 0.1f);
    GOOD(f32, "u64", &f);
    assert_true(f == 5.0f);
    GOOD(bool, "yes", &b);
    assert_true(b);
    GOOD(str, "str", &s);
    assert_str(s, "text");
    assert_int_equal(tsr_gguf_get_u32s(g, "u64", TSR_GGUF_REQUIRED, us, 3, NULL), TSR_OK);
    assert_true(us[0] == 5 && us[1] == 5 && us[2] == 5);
    assert_int_equal(tsr_gguf_get_i32s(g, "ids", TSR_GGUF_REQUIRED, is, 2, NULL), TSR_OK);
    assert_true(is[0] == 1 && is[1] == -1);
    tsr_error e = {0};
    assert_int_equal(tsr_gguf_get_u32s(g, "ids", TSR_GGUF_REQUIRED, us, 2, &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "element 1 is i16 -1", NULL);
    tsr_error_clear(&e);
    assert_int_equal(tsr_gguf_get_u32s(g, "ids", TSR_GGUF_REQUIRED, us, 3, &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "an array of 2, wanted 3", NULL);
    tsr_error_clear(&e);
    assert_int_equal(tsr_gguf_get_strs(g, "str", TSR_GGUF_REQUIRED, &strs, &n, &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "string, wanted an array of strings", NULL);
    assert_null(strs);
    tsr_gguf_close(g);
    free(copy);
    free(bytes);
    gg_free(w);
}

static void a_vocabulary_is_given_as_spans_in_the_file(void **state)
{
    (void)state;
    enum { N = 262144 };
    size_t len, n, live = tsr_alloc_live_bytes();
    char *text = must_realloc(NULL, (size_t)N * 8);
    const char **words = must_realloc(NULL, N * sizeof *words);
    tsr_gguf *g;
    tsr_gguf_str *spans;
    for (size_t i = 0; i < N; i++) {
        snprintf(text + 8 * i, 8, "w%zu", i);
        words[i] = text + 8 * i;
    }
    gg_writer *w = gg_new();
    gg_strs(w, "tokenizer.ggml.tokens", N, words);
    unsigned char *copy, *bytes = gg_bytes(w, &len, NULL, NULL, NULL);
    assert_int_equal(open_copy(&g, &copy, bytes, len, NULL), TSR_OK);
    assert_true(tsr_alloc_live_bytes() < live + 4096);
    assert_int_equal(tsr_gguf_get_strs(g, "tokenizer.ggml.tokens", TSR_GGUF_REQUIRED, &spans, &n, NULL), TSR_OK);
    assert_int_equal(n, N);
    assert_true(tsr_alloc_live_bytes() < live + N * sizeof *spans + 8192);
    for (size_t i = 0; i < N; i += 1000)
        assert_str(spans[i], words[i]);
    assert_str(spans[N - 1], words[N - 1]);
    tsr_free(spans);
    tsr_gguf_close(g);
    free(copy);
    free(bytes);
    free(words);
    free(text);
    gg_free(w);
}

static void mixtures_have_llama_cpps_numbers(void **state)
{
    (void)state;
    uint32_t id = 77;
    size_t named = 0;
    assert_string_equal(tsr_gguf_file_type_name(15), "Q4_K_M");
    assert_string_equal(tsr_gguf_file_type_name(32), "BF16");
    assert_null(tsr_gguf_file_type_name(4));    /* retired */
    assert_null(tsr_gguf_file_type_name(1024)); /* guessed */
    assert_null(tsr_gguf_file_type_name(UINT32_MAX));
    assert_true(tsr_gguf_file_type_find("q8_0", &id) && id == 7);
    assert_false(tsr_gguf_file_type_find("Q4_K", &id) || tsr_gguf_file_type_find("", &id));
    assert_int_equal(id, 7);
    for (uint32_t i = 0; i < 100; i++)
        if (tsr_gguf_file_type_name(i)) {
            assert_true(tsr_gguf_file_type_find(tsr_gguf_file_type_name(i), &id) && id == i);
            named++;
        }
    assert_int_equal(named, 35);
}

static void open_survives_every_failed_allocation(void **state)
{
    (void)state;
    size_t len;
    unsigned char *bytes = sample(&len, NULL);
    for (size_t k = 1;; k++) {
        tsr_gguf *g;
        unsigned char *copy;
        tsr_error e = {0};
        size_t live = tsr_alloc_live();
        tsr_alloc_fail_at(k);
        tsr_status st = open_copy(&g, &copy, bytes, len, &e);
        tsr_alloc_fail_at(0);
        tsr_gguf_close(g);
        assert_int_equal(tsr_alloc_live(), live);
        free(copy);
        if (st == TSR_OK) {
            assert_true(k > 15);
            break;
        }
        if (st != TSR_ERR_NOMEM || g)
            fail_msg("allocation %zu: %d: %s", k, (int)st, e.text);
    }
    free(bytes);
}

/* Split files ------------------------------------------------------------------------------------- */

static const char *split_path(const char *dir, unsigned part, unsigned count)
{
    char name[64];
    snprintf(name, sizeof name, "m-%05u-of-%05u.gguf", part, count);
    return test_path(dir, name);
}

/* Part `no` (from 0) with one tensor of its own, as part `as` (from 1) of `named`. */
static void write_part(const char *dir, unsigned no, unsigned count, unsigned total, unsigned as, unsigned named,
                       const char *architecture, const char *tensor)
{
    static const size_t two[] = {2};
    float f[2] = {(float)no, 1};
    gg_writer *w = gg_new();
    gg_str(w, "general.architecture", architecture);
    gg_split(w, no, count, total);
    gg_tensor(w, tensor, F32, 1, two, f, sizeof f);
    gg_write(w, split_path(dir, as, named));
    gg_free(w);
}

static void write_three(const char *dir)
{
    write_part(dir, 0, 3, 3, 1, 3, "test", "a");
    write_part(dir, 1, 3, 3, 2, 3, "test", "b");
    write_part(dir, 2, 3, 3, 3, 3, "test", "c");
}

static void expect_split(const char *dir, const char *first, tsr_status want, const char *file, const char *why)
{
    tsr_gguf *g;
    tsr_error e = {0};
    size_t live = tsr_alloc_live();
    tsr_status st = tsr_gguf_open(&g, test_path(dir, first), &e);
    assert_null(g);
    assert_int_equal(tsr_alloc_live(), live);
    if (st != want || !strstr(e.text, file) || !strstr(e.text, why))
        fail_msg("wanted '%s' and '%s', got %d: %s", file, why, (int)st, e.text);
}

static void split_file_is_opened_by_its_first_part(void **state)
{
    const char *dir = *state;
    tsr_gguf *g;
    write_three(dir);
    assert_int_equal(tsr_gguf_open(&g, split_path(dir, 1, 3), NULL), TSR_OK);
    assert_int_equal(tsr_gguf_n_parts(g), 3);
    assert_int_equal(tsr_gguf_n_tensors(g), 3);
    assert_int_equal(tsr_gguf_n_keys(g), 4);
    for (size_t i = 0; i < 3; i++) {
        const tsr_gguf_tensor *t = tsr_gguf_tensor_at(g, i);
        assert_int_equal(t->part, i);
        assert_true(((const float *)t->view.data)[0] == (float)i);
        assert_true(t->view.in_file);
    }
    assert_string_equal(tsr_gguf_part_path(g, 2), split_path(dir, 3, 3));
    tsr_gguf_close(g);
}

static void parts_that_do_not_belong_together_are_refused(void **state)
{
    const char *dir = *state;
    const char *one = "m-00001-of-00003.gguf", *two = "m-00002-of-00003.gguf", *three = "m-00003-of-00003.gguf";
    write_three(dir);
    expect_split(dir, two, TSR_ERR_MODEL, two, "key split.no at byte 68: this is not the first part");
    remove(test_path(dir, two));
    expect_split(dir, one, TSR_ERR_NOINPUT, two, "");
    write_part(dir, 2, 3, 3, 2, 3, "test", "b");
    expect_split(dir, one, TSR_ERR_MODEL, two, "split.no at byte 68: differs from the number in the file's name");
    write_part(dir, 1, 4, 3, 2, 3, "test", "b");
    expect_split(dir, one, TSR_ERR_MODEL, two, "split.count at byte 90: differs");
    write_part(dir, 1, 3, 4, 2, 3, "test", "b");
    expect_split(dir, one, TSR_ERR_MODEL, two, "split.tensors.count at byte 115: differs");
    write_part(dir, 1, 3, 3, 2, 3, "tess", "b");
    expect_split(dir, one, TSR_ERR_MODEL, two, "general.architecture at byte 24: differs");
    write_part(dir, 1, 3, 3, 2, 3, "test", "a");
    expect_split(dir, one, TSR_ERR_MODEL, two, "tensor a at byte 150: stands in the parts twice");
    test_write_file(test_path(dir, two), "GGUF", 4);
    expect_split(dir, one, TSR_ERR_MODEL, two, "the file ends inside it");
    write_three(dir);
    write_part(dir, 2, 3, 3, 1, 3, "test", "a");
    expect_split(dir, one, TSR_ERR_MODEL, one, "split.no at byte 68: differs from the number in the file's name");
    write_part(dir, 0, 2, 3, 1, 3, "test", "a");
    expect_split(dir, one, TSR_ERR_MODEL, one, "split.count at byte 90: differs from the number of parts");
    write_part(dir, 3, 3, 3, 1, 3, "test", "a");
    expect_split(dir, one, TSR_ERR_MODEL, one, "split.no at byte 68: not below split.count");
    write_part(dir, 0, 3, 0, 1, 3, "test", "a");
    expect_split(dir, one, TSR_ERR_MODEL, one, "split.tensors.count at byte 115: does not fit");
    for (unsigned i = 0; i < 3; i++)
        write_part(dir, i, 3, 4, i + 1, 3, "test", (const char *[]){"a", "b", "c"}[i]);
    expect_split(dir, one, TSR_ERR_MODEL, one, "says 4, the parts hold 3 tensors");
    write_part(dir, 0, 60000, 3, 1, 60000, "test", "a");
    expect_split(dir, "m-00001-of-60000.gguf", TSR_ERR_MODEL, "m-00001-of-60000", "more than 1024 parts");
    write_three(dir);
    assert_int_equal(rename(test_path(dir, one), test_path(dir, "m.gguf")), 0);
    expect_split(dir, "m.gguf", TSR_ERR_MODEL, "m.gguf", "not named NAME-00001-of-0000N.gguf");
    gg_writer *w = sample_writer();
    gg_write(w, test_path(dir, one));
    gg_free(w);
    expect_split(dir, one, TSR_ERR_MODEL, one, "named as one of 3 parts");
    expect_split(dir, three, TSR_ERR_MODEL, three, "this is not the first part");
}

static void split_open_survives_every_failed_allocation(void **state)
{
    const char *dir = *state;
    write_three(dir);
    for (size_t k = 1;; k++) {
        tsr_gguf *g;
        tsr_error e = {0};
        size_t live = tsr_alloc_live();
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_gguf_open(&g, split_path(dir, 1, 3), &e);
        tsr_alloc_fail_at(0);
        tsr_gguf_close(g);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK) {
            assert_true(k > 30);
            break;
        }
        if (st != TSR_ERR_NOMEM || g)
            fail_msg("allocation %zu: %d: %s", k, (int)st, e.text);
    }
}

static void files_that_are_not_there_or_empty_are_refused(void **state)
{
    const char *dir = *state;
    test_write_file(test_path(dir, "empty.gguf"), "", 0);
    expect_split(dir, "empty.gguf", TSR_ERR_MODEL, "empty.gguf", "does not begin with GGUF");
    expect_split(dir, "none.gguf", TSR_ERR_NOINPUT, "none.gguf", "");
}

/* What another program wrote ---------------------------------------------------------------------- */

static void print_element(FILE *f, const tsr_gguf_value *v, size_t i)
{
    uint64_t u;
    int64_t s;
    double d;
    bool b;
    if (tsr_gguf_value_u64(v, i, &u))
        fprintf(f, " %llu", (unsigned long long)u);
    else if (tsr_gguf_value_i64(v, i, &s))
        fprintf(f, " %lld", (long long)s);
    else if (tsr_gguf_value_bool(v, i, &b))
        fprintf(f, b ? " true" : " false");
    else if (tsr_gguf_value_f64(v, i, &d)) {
        memcpy(&u, &d, sizeof u);
        fprintf(f, " %016llx", (unsigned long long)u);
    }
}

static void print_value(FILE *f, const char *key, const tsr_gguf_value *v)
{
    tsr_gguf_strs it = tsr_gguf_strs_begin(v);
    tsr_gguf_str s;
    fprintf(f, v->is_array ? "key %s [%s]" : "key %s %s", key, tsr_gguf_type_name(v->type));
    while (tsr_gguf_strs_next(&it, &s)) {
        fprintf(f, s.len ? " " : " -");
        for (size_t k = 0; k < s.len; k++)
            fprintf(f, "%02x", (unsigned)(unsigned char)s.data[k]);
    }
    for (size_t i = 0; i < v->n && v->type != TSR_GGUF_STR; i++)
        print_element(f, v, i);
    fprintf(f, "\n");
}

static void print_tensor(FILE *f, const tsr_gguf_tensor *t)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < t->view.n_bytes; i++)
        h = (h ^ ((const unsigned char *)t->view.data)[i]) * 0x100000001b3u;
    fprintf(f, "tensor %s %s [", t->name, tsr_type_info(t->view.type)->name);
    for (unsigned d = 0; d < t->view.n_dims; d++)
        fprintf(f, d ? " %zu" : "%zu", t->view.shape[d]);
    fprintf(f, "] %016llx\n", (unsigned long long)h);
}

static void assert_listed(const char *dir, const char *file, const char *listing)
{
    const char *fixtures = TSR_TEST_DIR "/fixtures_gguf";
    size_t want_len, got_len;
    tsr_gguf *g;
    tsr_error e = {0};
    if (tsr_gguf_open(&g, test_path(fixtures, file), &e) != TSR_OK)
        fail_msg("%s", e.text);
    FILE *f = fopen(test_path(dir, listing), "w");
    assert_non_null(f);
    for (size_t i = 0; i < tsr_gguf_n_keys(g); i++)
        print_value(f, tsr_gguf_key(g, i), tsr_gguf_value_at(g, i));
    for (size_t i = 0; i < tsr_gguf_n_tensors(g); i++)
        print_tensor(f, tsr_gguf_tensor_at(g, i));
    assert_int_equal(fclose(f), 0);
    unsigned char *got = test_read_file(test_path(dir, listing), &got_len);
    unsigned char *want = test_read_file(test_path(fixtures, listing), &want_len);
    assert_true(want_len > 500);
    assert_string_equal((const char *)got, (const char *)want);
    free(got);
    free(want);
    tsr_gguf_close(g);
}

static void first_bytes_tell_what_a_file_is(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t n;
        bool is_gguf;
    } files[] = {
        {"a.gguf", "GGUF\3\0\0\0", 8, true},          {"a.safetensors", "GGUF", 4, true},
        {"b.gguf", "\2\0\0\0\0\0\0\0{}", 10, false}, {"c.gguf", "FGUG\3\0\0\0", 8, true},
        {"c.bin", "FGUG\3\0\0\0", 8, false},           {"d.gguf", "", 0, true},
        {"d", "", 0, false},
    };
    const char *dir = *state;
    bool is;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = test_path(dir, files[i].name);
        test_write_file(path, files[i].bytes, files[i].n);
        is = !files[i].is_gguf;
        assert_int_equal(tsr_gguf_sniff(&is, path, NULL), TSR_OK);
        if (is != files[i].is_gguf)
            fail_msg("%s", files[i].name);
    }
    assert_int_equal(tsr_gguf_sniff(&is, dir, NULL), TSR_OK);
    assert_false(is);
    assert_int_equal(tsr_gguf_sniff(&is, test_path(dir, "none.gguf"), NULL), TSR_ERR_NOINPUT);
}

static void files_of_the_gguf_package_are_found_as_it_finds_them(void **state)
{
    assert_listed(*state, "whole.gguf", "whole.txt");
    assert_listed(*state, "padded.gguf", "padded.txt");
    assert_listed(*state, "split-00001-of-00003.gguf", "split.txt");
}

/* The corpus that the fuzzer began with and what it has found since. */
static void corpus_is_survived(void **state)
{
    (void)state;
    assert_true(test_replay(TSR_TEST_DIR "/corpus_gguf", LLVMFuzzerTestOneInput) >= 30);
}

static int make_dir(void **state)
{
    *state = test_tmp_make();
    return 0;
}

static int remove_dir(void **state)
{
    tsr_alloc_fail_at(0); /* a failed assertion leaves it armed */
    test_tmp_remove(*state);
    return 0;
}

static int disarm(void **state)
{
    (void)state;
    tsr_alloc_fail_at(0);
    return 0;
}

#define WITH_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_file_gives_keys_and_tensors),
        cmocka_unit_test(version_2_is_read_and_others_are_refused_by_name),
        cmocka_unit_test(file_cut_at_any_byte_is_refused),
        cmocka_unit_test(header_with_any_bit_or_byte_changed_is_survived),
        cmocka_unit_test(absurd_numbers_are_refused_without_memory),
        cmocka_unit_test(lying_tensors_are_refused_with_the_reason),
        cmocka_unit_test(types_that_are_not_supported_can_be_looked_at),
        cmocka_unit_test(tensors_that_clash_are_refused),
        cmocka_unit_test(names_that_cannot_be_shown_are_refused),
        cmocka_unit_test(lying_values_are_refused_with_the_reason),
        cmocka_unit_test(alignments_must_be_powers_of_two),
        cmocka_unit_test(numbers_convert_where_they_fit_and_nowhere_else),
        cmocka_unit_test(a_vocabulary_is_given_as_spans_in_the_file),
        cmocka_unit_test(mixtures_have_llama_cpps_numbers),
        cmocka_unit_test_teardown(open_survives_every_failed_allocation, disarm),
        WITH_DIR(split_file_is_opened_by_its_first_part),
        WITH_DIR(parts_that_do_not_belong_together_are_refused),
        WITH_DIR(split_open_survives_every_failed_allocation),
        WITH_DIR(files_that_are_not_there_or_empty_are_refused),
        WITH_DIR(first_bytes_tell_what_a_file_is),
        WITH_DIR(files_of_the_gguf_package_are_found_as_it_finds_them),
        cmocka_unit_test(corpus_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
