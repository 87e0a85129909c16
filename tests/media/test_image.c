/* test_image.c: picture files against the reference's pixels, and against damage of every sort. */
#include "test_main.h"

#include "image_expected.h"
#include "image_internal.h"
#include "image_support.h"
#include "tsr_alloc.h"
#include "tsr_image.h"

enum { N_FILES = sizeof expected / sizeof *expected };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static tsr_status decode(tsr_image *img, const void *data, size_t len, tsr_error *err)
{
    tsr_error_clear(err);
    return tsr_image_decode(img, data, len, "some.file", NULL, err);
}

static uint32_t crc_of(const tsr_image *img)
{
    return crc32_of(img->rgb, img->width * img->height * 3);
}

static bool is_expected(const tsr_image *img, size_t i)
{
    return img->width == expected[i].width && img->height == expected[i].height && crc_of(img) == expected[i].crc;
}

static void decodes_every_fixture_to_the_pixels_of_pillow(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        size_t len;
        tsr_image img;
        tsr_error err;
        unsigned char *data = fixture_read(expected[i].file, &len);
        if (decode(&img, data, len, &err) != TSR_OK)
            fail_msg("%s: %s", expected[i].file, err.text);
        if (!is_expected(&img, i))
            fail_msg("%s: %zux%zu with crc %08x", expected[i].file, img.width, img.height, (unsigned)crc_of(&img));
        tsr_image_deinit(&img);
        free(data);
    }
}

/* Where a format itself cannot tell: the last number of a text file may lose digits without a trace,
 * and a Truevision file without its footer is whole, only that its alpha then counts. */
static size_t ambiguous_tail(const char *file)
{
    if (strcmp(file, "tga_void_alpha.tga") == 0)
        return 495 + 26;
    return strncmp(file, "pnm_p2", 6) == 0 || strncmp(file, "pnm_p3", 6) == 0 ? 6 : 0;
}

static void cut_at_every_byte_is_refused_or_the_same_picture(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        size_t len, n_same = 0;
        unsigned char *data = fixture_read(expected[i].file, &len);
        for (size_t cut = 0; cut + ambiguous_tail(expected[i].file) < len; cut++) {
            tsr_image img;
            tsr_error err;
            unsigned char *part = exact_copy(data, cut);
            tsr_status st = decode(&img, part, cut, &err);
            if (st == TSR_OK && !is_expected(&img, i))
                fail_msg("%s cut at %zu gives another picture", expected[i].file, cut);
            if (st == TSR_OK)
                n_same++;
            else if (err.status != st || !strstr(err.text, "some.file: ") || img.rgb)
                fail_msg("%s cut at %zu: status %d, '%s'", expected[i].file, cut, (int)st, err.text);
            tsr_image_deinit(&img);
            free(part);
        }
        if (n_same > len / 2 && !strstr(expected[i].file, "void") && !strstr(expected[i].file, "anim"))
            fail_msg("%s: %zu of %zu cuts were taken", expected[i].file, n_same, len);
        free(data);
    }
}

static void formats_with_an_end_mark_are_refused_without_it(void **state)
{
    static const char *const files[] = {"jpeg_420.jpg", "jpeg_420_prog.jpg", "jpeg_cmyk.jpg", "png_rgb8.png",
                                        "png_exif5_be_after.png", "webp_lossy.webp", "webp_lossless_alpha.webp"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t len;
        tsr_image img;
        tsr_error err;
        unsigned char *data = fixture_read(files[i], &len), *part = exact_copy(data, len - 1);
        assert_int_equal(decode(&img, part, len - 1, &err), TSR_ERR_DATA);
        assert_non_null(strstr(err.text, "truncated"));
        free(part);
        free(data);
    }
}

static void flipped_bytes_never_crash_and_errors_name_the_file(void **state)
{
    static const unsigned char masks[] = {0xff, 0x80, 0x01};
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        size_t len;
        unsigned char *data = fixture_read(expected[i].file, &len);
        for (size_t at = 0; at < len && at < 160; at++) {
            for (size_t m = 0; m < sizeof masks; m++) {
                const tsr_image_limits limits = {8192, 1 << 22};
                tsr_image img;
                tsr_error err;
                tsr_error_clear(&err);
                data[at] ^= masks[m];
                if (tsr_image_decode(&img, data, len, "some.file", &limits, &err) != TSR_OK &&
                    !strstr(err.text, "some.file: "))
                    fail_msg("%s flipped at %zu: '%s'", expected[i].file, at, err.text);
                tsr_image_deinit(&img);
                data[at] ^= masks[m];
            }
        }
        free(data);
    }
}

/* A picture that comes back after a failed request must still be the right one. */
static tsr_status decode_and_resize(const unsigned char *data, size_t len, size_t i)
{
    tsr_image img, small = {0, 0, NULL};
    tsr_status st = tsr_image_decode(&img, data, len, "some.file", NULL, NULL);
    if (st == TSR_OK)
        assert_true(is_expected(&img, i));
    if (st == TSR_OK)
        st = tsr_image_resize(&small, &img, 48, 96, NULL);
    if (st != TSR_OK)
        assert_null(small.rgb);
    tsr_image_deinit(&small);
    tsr_image_deinit(&img);
    return st;
}

static void decode_and_resize_survive_every_failed_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        size_t len, live = tsr_alloc_live();
        unsigned char *data = fixture_read(expected[i].file, &len);
        for (size_t k = 1;; k++) {
            tsr_alloc_fail_at(k);
            tsr_status st = decode_and_resize(data, len, i);
            tsr_alloc_fail_at(0);
            assert_int_equal(tsr_alloc_live(), live);
            if (st == TSR_OK)
                break;
            if (st != TSR_ERR_NOMEM)
                fail_msg("%s, request %zu: status %d", expected[i].file, k, (int)st);
        }
        free(data);
    }
}

static void limits_hold_and_are_named(void **state)
{
    size_t len;
    tsr_image img;
    tsr_error err;
    unsigned char *data = fixture_read("png_exif6_le.png", &len); /* stored as 9x7 */
    tsr_image_limits limits = tsr_image_limits_default();
    (void)state;
    assert_int_equal(limits.max_pixels, 178956970);
    limits.max_side = 8;
    tsr_error_clear(&err);
    assert_int_equal(tsr_image_decode(&img, data, len, "a.png", &limits, &err), TSR_ERR_LIMIT);
    assert_error(&err, TSR_ERR_LIMIT, "a.png: png: 9x7", "8 pixels a side");
    limits.max_side = 9;
    limits.max_pixels = 62;
    tsr_error_clear(&err);
    assert_int_equal(tsr_image_decode(&img, data, len, "a.png", &limits, &err), TSR_ERR_LIMIT);
    assert_error(&err, TSR_ERR_LIMIT, "62 pixels", NULL);
    limits.max_pixels = 63;
    assert_int_equal(tsr_image_decode(&img, data, len, "a.png", &limits, NULL), TSR_OK);
    assert_int_equal(img.width, 7);
    tsr_image_deinit(&img);
    free(data);
}

/* The last place of `n` bytes; the fixtures are known to hold them. */
static unsigned char *find(unsigned char *data, size_t len, const char *bytes, size_t n)
{
    for (size_t at = len - n; at > 0; at--)
        if (memcmp(data + at, bytes, n) == 0)
            return data + at;
    abort();
}

static void state_8192_square(const char *file, unsigned char *data, size_t len)
{
    switch (file[0]) {
    case 'j': memcpy(find(data, len, "\xff\xc0\0\x0b\x08", 5) + 5, "\x20\0\x20\0", 4); break;
    case 'g': memcpy(find(data, len, ",\0\0\0\0\x09\0\x0d\0", 9) + 5, "\0\x20\0\x20", 4); break;
    case 't': memcpy(data + 12, "\0\x20\0\x20", 4); break;
    case 'b': memcpy(data + 18, "\0\x20\0\0\0\x20\0\0", 8); break;
    default: memcpy(data, "P6\n 8192 8192 255", 17);
    }
}

static void a_header_that_promises_too_much_costs_no_memory(void **state)
{
    static const char *const files[] = {"jpeg_grey.jpg", "gif_interlaced.gif", "tga_rle_rgb.tga", "tga_2_24.tga",
                                        "bmp_24.bmp",    "pnm_p6_255.ppm",     "pnm_p3_65535.ppm"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t len;
        tsr_image img;
        tsr_error err;
        unsigned char *data = fixture_read(files[i], &len);
        state_8192_square(files[i], data, len);
        assert_int_equal(decode(&img, data, len, &err), TSR_ERR_DATA);
        assert_error(&err, TSR_ERR_DATA, "truncated", NULL);
        free(data);
    }
    assert_true(tsr_alloc_peak_bytes() < (size_t)4 << 20);
}

static void other_kinds_are_refused_by_name(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        tsr_status st;
        const char *says;
    } cases[] = {
        {"", 0, TSR_ERR_DATA, "empty"},
        {"hello\n", 6, TSR_ERR_DATA, "text"},
        {"%PDF-1.7\n%\xe2\xe3", 12, TSR_ERR_DATA, "pdf"},
        {"\1\2\3\4\5\6\7\10\11\12\13\14", 12, TSR_ERR_DATA, "not a picture"},
        {"\0\0\0\x18" "ftypheic\0\0\0\0mif1heic", 24, TSR_ERR_UNSUPPORTED, "heic"},
        {"\0\0\0\x1c" "ftypmif1\0\0\0\0mif1avifmiaf", 28, TSR_ERR_UNSUPPORTED, "avif"},
        {"II*\0\10\0\0\0", 8, TSR_ERR_UNSUPPORTED, "tiff"},
        {"\xff\x0a\0\0", 4, TSR_ERR_UNSUPPORTED, "jpeg-xl"},
        {"\0\0\0\x0cjP  \r\n\x87\n", 12, TSR_ERR_UNSUPPORTED, "jpeg-2000"},
        {"<svg xmlns='x'/>", 16, TSR_ERR_UNSUPPORTED, "svg"},
        {"8BPS\0\1", 6, TSR_ERR_UNSUPPORTED, "psd"},
        {"Pf\n1 1\n-1\n", 10, TSR_ERR_UNSUPPORTED, "pfm"},
        {"RIFF\0\0\0\0WAVEfmt ", 16, TSR_ERR_DATA, "wav"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_image img;
        tsr_error err;
        unsigned char *data = exact_copy(cases[i].bytes, cases[i].len);
        assert_int_equal(decode(&img, data, cases[i].len, &err), cases[i].st);
        assert_error(&err, cases[i].st, "some.file", cases[i].says);
        free(data);
    }
}

static void exif_reader_stays_inside_and_takes_only_integers(void **state)
{
    static const unsigned char good[] = {'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0};
    unsigned char bad[sizeof good];
    (void)state;
    assert_int_equal(tsri_exif_orientation(good, sizeof good), 6);
    for (size_t cut = 0; cut < sizeof good; cut++) {
        unsigned char *part = exact_copy(good, cut);
        assert_int_equal(tsri_exif_orientation(part, cut), 0);
        free(part);
    }
    for (size_t at = 0; at < sizeof good; at++) {
        for (unsigned v = 0; v < 256; v++) {
            memcpy(bad, good, sizeof good);
            bad[at] = (unsigned char)v;
            assert_true(tsri_exif_orientation(bad, sizeof bad) <= 8);
        }
    }
    memcpy(bad, good, sizeof good);
    bad[13] = 1; /* a byte instead of a short */
    assert_int_equal(tsri_exif_orientation(bad, sizeof bad), 1);
    bad[13] = 3;
    bad[4] = bad[5] = bad[6] = bad[7] = 0xff; /* the directory far outside */
    assert_int_equal(tsri_exif_orientation(bad, sizeof bad), 0);
}

static void xmp_reader_takes_both_notations(void **state)
{
    static const struct {
        const char *text;
        unsigned want;
    } cases[] = {{"<a tiff:Orientation=\"8\"/>", 8}, {"<tiff:Orientation>3</tiff:Orientation>", 3},
                 {"tiff:Orientation", 0},           {"tiff:Orientation=\"", 0},
                 {"tiff:Orientation='6'", 0},       {"tiff:Orientation=x tiff:Orientation>5", 5},
                 {"tiff:Orientation=\"9\"", 1},     {"", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].text);
        unsigned char *data = exact_copy(cases[i].text, n);
        assert_int_equal(tsri_xmp_orientation(data, n), cases[i].want);
        free(data);
    }
}

/* PIL.Image.Transpose, checked on a picture of 3x2 whose pixels are numbered. */
static void orientations_turn_as_pillow_does(void **state)
{
    static const unsigned char want[9][6] = {{0}, {0, 1, 2, 3, 4, 5}, {2, 1, 0, 5, 4, 3}, {5, 4, 3, 2, 1, 0},
                                             {3, 4, 5, 0, 1, 2}, {0, 3, 1, 4, 2, 5}, {3, 0, 4, 1, 5, 2},
                                             {5, 2, 4, 1, 3, 0}, {2, 5, 1, 4, 0, 3}};
    (void)state;
    for (unsigned o = 1; o <= 8; o++) {
        tsr_image img = {3, 2, tsr_alloc(18)};
        assert_non_null(img.rgb);
        for (size_t i = 0; i < 18; i++)
            img.rgb[i] = (unsigned char)(i / 3);
        assert_int_equal(tsri_image_orient(&img, o, NULL), TSR_OK);
        assert_int_equal(img.width, o < 5 ? 3 : 2);
        for (size_t i = 0; i < 18; i++)
            assert_int_equal(img.rgb[i], want[o][i / 3]);
        tsr_image_deinit(&img);
    }
}

static void assert_refused(const unsigned char *data, size_t len, const char *says)
{
    tsr_image img;
    tsr_error err;
    assert_int_equal(decode(&img, data, len, &err), TSR_ERR_DATA);
    assert_error(&err, TSR_ERR_DATA, "some.file: ", says);
    assert_null(img.rgb);
}

/* libjpeg only warns in these cases and goes on with grey, or with what it can guess. */
static void a_warning_of_libjpeg_is_an_error(void **state)
{
    static const char *const files[] = {"jpeg_420.jpg", "jpeg_grey.jpg", "jpeg_cmyk.jpg", "jpeg_420_prog.jpg"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t len;
        unsigned char *data = fixture_read(files[i], &len), *more = exact_copy(data, len);
        memcpy(more + len - 42, "\xff\xd9", 2); /* the end mark comes early */
        assert_refused(more, len - 40, "jpeg: Corrupt JPEG data: premature end");
        free(more);
        more = malloc(len + 3);
        assert_non_null(more);
        memcpy(more, data, 20); /* the start and one segment */
        memcpy(more + 20, "abc", 3);
        memcpy(more + 23, data + 20, len - 20);
        if (strcmp(files[i], "jpeg_cmyk.jpg") != 0) /* whose segment is shorter */
            assert_refused(more, len + 3, "jpeg: Corrupt JPEG data: 3 extraneous bytes");
        free(more);
        free(data);
    }
}

/* Each scan costs a pass over the picture: a small file must not buy any number of them. */
static void scans_without_end_are_refused(void **state)
{
    enum { TIMES = 600 };
    size_t len, at, n;
    tsr_image img;
    tsr_error err;
    unsigned char *data = fixture_read("jpeg_scans.jpg", &len), *more;
    (void)state;
    for (at = len - 2; data[at] != 0xff || data[at + 1] != 0xda; at--) { /* the last scan */
    }
    n = len - 2 - at;
    more = malloc(at + TIMES * n + 2);
    assert_non_null(more);
    memcpy(more, data, at);
    for (size_t k = 0; k < TIMES; k++)
        memcpy(more + at + k * n, data + at, n);
    memcpy(more + at + TIMES * n, "\xff\xd9", 2);
    assert_int_equal(decode(&img, more, at + TIMES * n + 2, &err), TSR_ERR_LIMIT);
    assert_error(&err, TSR_ERR_LIMIT, "more than 500 scans", NULL);
    free(more);
    free(data);
}

static void a_checksum_that_does_not_match_is_an_error(void **state)
{
    static const char *const files[] = {"png_pal8.png", "png_pal8_trns.png", "png_rgb8_trns.png", "png_exif6_le.png"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t len;
        unsigned char *data = fixture_read(files[i], &len);
        data[43] ^= 1; /* inside the first chunk after the header: PLTE, tRNS or eXIf */
        assert_refused(data, len, "png: ");
        free(data);
    }
}

static void a_tga_run_past_the_end_of_its_row_is_refused(void **state)
{
    static const unsigned char good[] = {0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 0, 8, 32, 0x81, 5, 0x01, 6, 7};
    unsigned char bad[sizeof good];
    tsr_image img;
    (void)state;
    assert_int_equal(tsr_image_decode(&img, good, sizeof good, "a.tga", NULL, NULL), TSR_OK);
    assert_int_equal(img.rgb[3], 5);
    assert_int_equal(img.rgb[9], 7);
    tsr_image_deinit(&img);
    memcpy(bad, good, sizeof good);
    bad[18] = 0x82;
    assert_refused(bad, sizeof bad, "tga: a run passes the end of its row");
}

static void fuzz_entry_survives_mutated_fixtures(void **state)
{
    uint32_t seed = 0x1234567;
    (void)state;
    for (size_t i = 0; i < N_FILES; i++) {
        size_t len;
        unsigned char *data = fixture_read(expected[i].file, &len);
        LLVMFuzzerTestOneInput(data, len);
        for (int round = 0; round < 30; round++) {
            unsigned char *copy = exact_copy(data, len);
            for (uint32_t n = 1 + next_random(&seed) % 6; n > 0; n--) {
                size_t at = next_random(&seed) % (round % 2 ? len : len < 64 ? len : 64);
                copy[at] = (unsigned char)(next_random(&seed) >> 9);
            }
            LLVMFuzzerTestOneInput(copy, len);
            free(copy);
        }
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_every_fixture_to_the_pixels_of_pillow),
        cmocka_unit_test(a_header_that_promises_too_much_costs_no_memory),
        cmocka_unit_test(cut_at_every_byte_is_refused_or_the_same_picture),
        cmocka_unit_test(formats_with_an_end_mark_are_refused_without_it),
        cmocka_unit_test(flipped_bytes_never_crash_and_errors_name_the_file),
        cmocka_unit_test(decode_and_resize_survive_every_failed_allocation),
        cmocka_unit_test(limits_hold_and_are_named),
        cmocka_unit_test(other_kinds_are_refused_by_name),
        cmocka_unit_test(exif_reader_stays_inside_and_takes_only_integers),
        cmocka_unit_test(xmp_reader_takes_both_notations),
        cmocka_unit_test(orientations_turn_as_pillow_does),
        cmocka_unit_test(a_warning_of_libjpeg_is_an_error),
        cmocka_unit_test(scans_without_end_are_refused),
        cmocka_unit_test(a_checksum_that_does_not_match_is_an_error),
        cmocka_unit_test(a_tga_run_past_the_end_of_its_row_is_refused),
        cmocka_unit_test(fuzz_entry_survives_mutated_fixtures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
