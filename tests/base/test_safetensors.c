/* The safetensors header is hostile until checked: cut, flipped, lying or absurd files are refused
 * with their name and the reason, and a view never leaves the file. */
#include "test_main.h"

#include <stdio.h>

#include "fuzz_safetensors.h"
#include "safetensors_internal.h"
#include "st_writer.h"
#include "test_replay.h"
#include "test_tmp.h"
#include "tsr_alloc.h"

typedef struct seen {
    size_t n;
    char names[16][32];
    tsr_view views[16];
    tsr_bytes file;
} seen;

static tsr_status note(void *user, const char *name, const tsr_view *v, tsr_error *err)
{
    seen *s = user;
    (void)err;
    const unsigned char *p = v->data;
    assert_true(p >= s->file.data && v->n_bytes <= s->file.len &&
                p - s->file.data <= (ptrdiff_t)(s->file.len - v->n_bytes));
    if (s->n < 16) {
        strncpy(s->names[s->n], name, sizeof s->names[0] - 1);
        s->views[s->n] = *v;
    }
    s->n++;
    return TSR_OK;
}

/* Read from a block of exactly the file's length, so that ASan sees any step beyond it. */
static tsr_status read_bytes(const unsigned char *bytes, size_t len, seen *s, tsr_error *err)
{
    unsigned char *copy = must_realloc(NULL, len);
    size_t live = tsr_alloc_live();
    if (len)
        memcpy(copy, bytes, len);
    memset(s, 0, sizeof *s);
    s->file = (tsr_bytes){.data = copy, .len = len};
    tsr_status st = tsri_safetensors_read(s->file, "w.safetensors", note, s, err);
    assert_int_equal(tsr_alloc_live(), live);
    if (st != TSR_OK && err)
        assert_error(err, st, st == TSR_ERR_NOMEM ? "w.safetensors" : "w.safetensors: ", NULL);
    free(copy);
    return st;
}

static unsigned char *sample(size_t *len)
{
    static const float f[6] = {1, 2, 3, 4, 5, 6};
    static const int64_t i[2] = {-1, 7};
    static const unsigned char u[8] = {1, 0, 1, 0, 1, 0, 1, 0};
    st_writer *w = st_new();
    st_add_f32(w, "a.weight", TSR_F32, 2, (const size_t[]){2, 3}, f);
    st_add(w, "steps", TSR_I64, 1, (const size_t[]){2}, i);
    st_add_f32(w, "b", TSR_BF16, 3, (const size_t[]){1, 2, 2}, f);
    st_add_f32(w, "c", TSR_F16, 4, (const size_t[]){1, 1, 2, 2}, f);
    st_add_f32(w, "scalar", TSR_F32, 0, NULL, f);
    st_add(w, "mask", TSR_BOOL, 1, (const size_t[]){8}, u);
    unsigned char *bytes = st_bytes(w, len);
    st_free(w);
    return bytes;
}

static void good_file_gives_every_tensor(void **state)
{
    (void)state;
    size_t len;
    seen s;
    unsigned char *bytes = sample(&len);
    assert_int_equal(read_bytes(bytes, len, &s, NULL), TSR_OK);
    assert_int_equal(s.n, 6);
    assert_string_equal(s.names[0], "a.weight");
    assert_int_equal(s.views[0].n_dims, 2);
    assert_int_equal(s.views[0].shape[0], 2);
    assert_int_equal(s.views[0].shape[1], 3);
    assert_int_equal(s.views[0].shape[2], 1);
    assert_int_equal(s.views[0].n_bytes, 24);
    assert_int_equal(s.views[1].type, TSR_I64);
    assert_int_equal(s.views[2].type, TSR_BF16);
    assert_int_equal(s.views[3].n_dims, 4);
    assert_int_equal(s.views[4].n_dims, 0);
    assert_int_equal(s.views[4].n_elems, 1);
    assert_int_equal(s.views[5].type, TSR_BOOL);
    free(bytes);
}

static void file_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    size_t len;
    seen s;
    unsigned char *bytes = sample(&len);
    for (size_t n = 0; n < len; n++) {
        tsr_error e = {0};
        assert_int_equal(read_bytes(bytes, n, &s, &e), TSR_ERR_MODEL);
    }
    free(bytes);
}

static void byte_after_the_data_is_refused(void **state)
{
    (void)state;
    size_t len;
    seen s;
    tsr_error e = {0};
    unsigned char *bytes = sample(&len);
    bytes = must_realloc(bytes, len + 1);
    bytes[len] = 0;
    assert_int_equal(read_bytes(bytes, len + 1, &s, &e), TSR_ERR_MODEL);
    assert_error(&e, TSR_ERR_MODEL, "1 bytes follow the last tensor", NULL);
    free(bytes);
}

/* Some flips leave a good file (a letter of a name); none may crash or leave the file (note checks). */
static void header_with_any_bit_or_byte_changed_is_survived(void **state)
{
    (void)state;
    size_t len, refused = 0, tried = 0;
    seen s;
    unsigned char *bytes = sample(&len);
    size_t header = 8 + bytes[0] + ((size_t)bytes[1] << 8);
    for (size_t at = 0; at < header; at++)
        for (int change = 0; change < 12; change++) {
            static const unsigned char values[4] = {0, 0xff, '"', '9'};
            unsigned char keep = bytes[at];
            tsr_error e = {0};
            bytes[at] = (unsigned char)(change < 8 ? keep ^ 1u << change : values[change - 8]);
            tsr_status st = read_bytes(bytes, len, &s, &e);
            assert_true(st == TSR_OK || st == TSR_ERR_MODEL);
            refused += st != TSR_OK;
            tried++;
            bytes[at] = keep;
        }
    assert_true(refused > tried * 8 / 10);
    free(bytes);
}

typedef struct lie {
    const char *header;
    size_t n_data;
    const char *why; /* NULL: a good file */
} lie; /* the header is padded with spaces to 8 bytes, unless `why` is about alignment */

static void lying_headers_are_refused_with_the_reason(void **state)
{
    (void)state;
#define T(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
    static const lie lies[] = {
        {"{\"t\":" T("F32", "[2]", "[0,8]") "}", 8, NULL},
        {"{\"t\":" T("F32", "[2]", "[0,8]") ",\"__metadata__\":{\"format\":\"pt\"}}", 8, NULL},
        {"{}", 0, NULL},
        {"{\"__metadata__\":{}}", 0, NULL},
        {"{\"__metadata__\":{}}", 4, "4 bytes follow"},
        /* offsets */
        {"{\"t\":" T("F32", "[2]", "[8,16]") "}", 8, "tensor t: bytes 8 to 16 lie outside the 8 bytes"},
        {"{\"t\":" T("F32", "[2]", "[0,9]") "}", 8, "lie outside"},
        {"{\"t\":" T("F32", "[2]", "[8,0]") "}", 8, "lie outside"},
        {"{\"t\":" T("F32", "[2]", "[-8,0]") "}", 8, "data_offsets"},
        {"{\"t\":" T("F32", "[2]", "[0,18446744073709551615]") "}", 8, "data_offsets"},
        {"{\"t\":" T("F32", "[2]", "[0,9223372036854775807]") "}", 8, "lie outside"},
        {"{\"t\":" T("F32", "[2]", "[0.0,8.0]") "}", 8, "data_offsets"},
        {"{\"t\":" T("F32", "[2]", "[0,8,8]") "}", 8, "data_offsets"},
        {"{\"t\":" T("F32", "[2]", "[]") "}", 8, "data_offsets"},
        {"{\"t\":" T("F32", "[2]", "{\"0\":0,\"1\":8}") "}", 8, "data_offsets"},
        {"{\"t\":" T("F32", "[2]", "null") "}", 8, "data_offsets"},
        {"{\"t\":" T("F32", "[2]", "[0,4]") "}", 4, "its shape and type F32 need 8 bytes, 4 are there"},
        {"{\"t\":" T("F32", "[2]", "[0,0]") "}", 0, "0 are there"},
        /* the data as a whole */
        {"{\"t\":" T("F32", "[1]", "[0,4]") ",\"u\":" T("F32", "[1]", "[0,4]") "}", 4, "overlaps"},
        {"{\"t\":" T("F32", "[2]", "[0,8]") ",\"u\":" T("F32", "[1]", "[4,8]") "}", 8, "overlaps"},
        {"{\"t\":" T("F32", "[1]", "[0,4]") ",\"u\":" T("F32", "[1]", "[8,12]") "}", 12, "hole"},
        {"{\"t\":" T("F32", "[1]", "[4,8]") "}", 8, "hole"},
        {"{\"t\":" T("F32", "[1]", "[0,4]") "}", 8, "4 bytes follow"},
        /* shapes */
        {"{\"t\":" T("F32", "[4294967296,4294967296]", "[0,8]") "}", 8, "overflows"},
        {"{\"t\":" T("F32", "[4611686018427387904]", "[0,8]") "}", 8, "overflows"},
        {"{\"t\":" T("F32", "[65536,65536,65536,65536]", "[0,0]") "}", 0, "overflows"},
        {"{\"t\":" T("F32", "[9223372036854775807,2]", "[0,8]") "}", 8, "overflows"},
        {"{\"t\":" T("F32", "[18446744073709551617]", "[0,4]") "}", 4, "dimension"},
        {"{\"t\":" T("F32", "[0]", "[0,0]") "}", 0, " is 0"},
        {"{\"t\":" T("F32", "[-1]", "[0,4]") "}", 4, "dimension"},
        {"{\"t\":" T("F32", "[1.0]", "[0,4]") "}", 4, "dimension"},
        {"{\"t\":" T("F32", "[\"1\"]", "[0,4]") "}", 4, "dimension"},
        {"{\"t\":" T("F32", "[1,1,1,1,1]", "[0,4]") "}", 4, "4 dimensions"},
        {"{\"t\":" T("F32", "1", "[0,4]") "}", 4, "shape"},
        {"{\"t\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "shape"},
        /* types */
        {"{\"t\":" T("F64", "[1]", "[0,8]") "}", 8, "type F64 is not supported"},
        {"{\"t\":" T("f32", "[1]", "[0,4]") "}", 4, "type f32 is not supported"},
        {"{\"t\":" T("Q8_0", "[32]", "[0,34]") "}", 34, "type Q8_0 is not supported"}, /* read from GGUF only */
        {"{\"t\":" T("MXFP4", "[32]", "[0,17]") "}", 17, "type MXFP4 is not supported"},
        {"{\"t\":" T("F32\\u0000", "[1]", "[0,4]") "}", 4, "dtype"},
        {"{\"t\":" T("", "[1]", "[0,4]") "}", 4, "is not supported"},
        {"{\"t\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype"},
        {"{\"t\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype"},
        /* not what a header is */
        {"{\"t\":7}", 0, "tensor t: is no object"},
        {"{\"t\":null}", 0, "is no object"},
        {"[]", 0, "no JSON object"},
        {"7", 0, "no JSON object"},
        {"", 0, "empty"},
        {"   ", 0, "line 1"},
        {"{\"t\":" T("F32", "[1]", "[0,4]") ",\"t\":" T("F32", "[1]", "[4,8]") "}", 8, "duplicate"},
        {"{\"t\":" T("F32", "[1]", "[0,4]"), 4, "line 1"},
        {"{\"t\":" T("F32", "[1]", "[0,4]") "} x", 4, "line 1"},
        {"{\"\xff\":" T("F32", "[1]", "[0,4]") "}", 4, "unable to decode"},
        {"{\"a\\u0000b\":" T("F32", "[1]", "[0,4]") "}", 4, "line 1"},
        /* data that begins where its type can't stand */
        {"{\"t\":" T("F32", "[1]", "[0,4]") "}", 4, "not aligned"},
        {"{\"u\":" T("U8", "[1]", "[0,1]") ",\"t\":" T("BF16", "[1]", "[1,3]") "}     ", 3, "not aligned"},
    };
    static const unsigned char data[64];
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        size_t len;
        seen s;
        tsr_error e = {0};
        char header[256];
        size_t n = strlen(lies[i].header);
        memcpy(header, lies[i].header, n);
        while (n % 8 && !(lies[i].why && strstr(lies[i].why, "aligned")))
            header[n++] = ' ';
        unsigned char *bytes = st_raw(header, n, data, lies[i].n_data, &len);
        tsr_status st = read_bytes(bytes, len, &s, &e);
        if (!lies[i].why && st != TSR_OK)
            fail_msg("%s: refused: %s", lies[i].header, e.text);
        if (lies[i].why && (st != TSR_ERR_MODEL || !strstr(e.text, lies[i].why)))
            fail_msg("%s: wanted '%s', got %d: %s", lies[i].header, lies[i].why, (int)st, e.text);
        free(bytes);
    }
}

static void absurd_header_lengths_are_refused(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, (uint64_t)101 << 20, 1000, 17};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char bytes[24] = {0};
        seen s;
        tsr_error e = {0};
        for (int b = 0; b < 8; b++)
            bytes[b] = (unsigned char)(lengths[i] >> 8 * b);
        assert_int_equal(read_bytes(bytes, sizeof bytes, &s, &e), TSR_ERR_MODEL);
        assert_error(&e, TSR_ERR_MODEL, "header of ", "the file has 24 bytes");
    }
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 200000 };
    char *header = must_realloc(NULL, DEPTH);
    seen s;
    size_t len;
    tsr_error e = {0};
    memset(header, '[', DEPTH);
    unsigned char *bytes = st_raw(header, DEPTH, NULL, 0, &len);
    assert_int_equal(read_bytes(bytes, len, &s, &e), TSR_ERR_MODEL);
    free(bytes);
    free(header);
}

static void callback_may_stop_the_reading(void **state)
{
    (void)state;
    size_t len;
    unsigned char *bytes = sample(&len);
    size_t live = tsr_alloc_live();
    assert_int_equal(fuzz_safetensors(bytes, len, 3), TSR_ERR_CANCELLED);
    assert_int_equal(tsr_alloc_live(), live);
    free(bytes);
}

static void read_survives_every_failed_allocation(void **state)
{
    (void)state;
    size_t len;
    seen s;
    unsigned char *bytes = sample(&len);
    for (size_t k = 1;; k++) {
        tsr_error e = {0};
        tsr_alloc_fail_at(k);
        tsr_status st = read_bytes(bytes, len, &s, &e);
        tsr_alloc_fail_at(0);
        if (st == TSR_OK) {
            assert_int_equal(s.n, 6);
            assert_true(k > 10);
            break;
        }
        if (st != TSR_ERR_NOMEM)
            fail_msg("allocation %zu: %d: %s", k, (int)st, e.text);
    }
    free(bytes);
}

/* The corpus that the fuzzer began with and what it has found since. */
static void corpus_is_survived(void **state)
{
    (void)state;
    assert_true(test_replay(TSR_TEST_DIR "/corpus_safetensors", LLVMFuzzerTestOneInput) >= 10);
}

static int disarm(void **state)
{
    (void)state;
    tsr_alloc_fail_at(0); /* a failed assertion leaves it armed */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_file_gives_every_tensor),
        cmocka_unit_test(file_cut_at_any_byte_is_refused),
        cmocka_unit_test(byte_after_the_data_is_refused),
        cmocka_unit_test(header_with_any_bit_or_byte_changed_is_survived),
        cmocka_unit_test(lying_headers_are_refused_with_the_reason),
        cmocka_unit_test(absurd_header_lengths_are_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(callback_may_stop_the_reading),
        cmocka_unit_test_teardown(read_survives_every_failed_allocation, disarm),
        cmocka_unit_test(corpus_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
