/* test_kind.c: what a file is, told by its bytes. */
#include "test_main.h"

#include "image_expected.h"
#include "image_support.h"
#include "tsr_kind.h"

#define BYTES(s) s, sizeof s - 1

static const struct {
    const char *bytes;
    size_t len;
    tsr_kind kind;
} cases[] = {
    {"", 0, TSR_KIND_EMPTY},
    {BYTES("What is on the picture?\n"), TSR_KIND_TEXT},
    {BYTES("caf\xc3\xa9"), TSR_KIND_TEXT},
    {BYTES("\xef\xbb\xbf{}"), TSR_KIND_TEXT},
    {BYTES("\xff\xfeh\0i\0"), TSR_KIND_TEXT},
    {BYTES("\xff\xfeH\0e\0l\0l\0o\0"), TSR_KIND_TEXT}, /* its first four bytes could head an MPEG frame */
    {BYTES("<!DOCTYPE html><html><svg/></html>"), TSR_KIND_TEXT},
    {BYTES("<?xml version='1.0'?>\n<!-- a -->\n<svg/>"), TSR_KIND_SVG},
    {BYTES("<!DOCTYPE svg PUBLIC \"\">\n<svg/>"), TSR_KIND_SVG},
    {BYTES("#EXTM3U\nhttp://x/a.ts\n"), TSR_KIND_TEXT},
    {BYTES("<!DOCTYPE html><html></html>"), TSR_KIND_TEXT},
    {BYTES("P9 is not a picture"), TSR_KIND_TEXT},
    {BYTES("BM is short for business model"), TSR_KIND_TEXT},
    {BYTES("\x80\x81\x82\x83\x84"), TSR_KIND_UNKNOWN},
    {BYTES("PK\3\4abcd"), TSR_KIND_ARCHIVE},
    {BYTES("%PDF-1.4\n"), TSR_KIND_PDF},
    {BYTES("\x80junk\n%PDF-1.4\n"), TSR_KIND_PDF},
    {BYTES("\xff\xd8\xff\xe0\0\x10JFIF"), TSR_KIND_JPEG},
    {BYTES("\x89PNG\r\n\x1a\n"), TSR_KIND_PNG},
    {BYTES("\x89PNG\n\x1a\n\0"), TSR_KIND_UNKNOWN},
    {BYTES("GIF89a\1\0\1\0"), TSR_KIND_GIF},
    {BYTES("RIFF\0\0\0\0WEBPVP8 "), TSR_KIND_WEBP},
    {BYTES("P6\n1 1\n255\nabc"), TSR_KIND_PNM},
    {BYTES("P7\nWIDTH 1\n"), TSR_KIND_PAM},
    {BYTES("\0\0\0\x18" "ftypheic\0\0\0\0mif1heic"), TSR_KIND_HEIC},
    {BYTES("\0\0\0\x18" "ftypmif1\0\0\0\0mif1heic"), TSR_KIND_HEIC},
    {BYTES("\0\0\0\x18" "ftypmif1\0\0\0\0miafavif"), TSR_KIND_AVIF},
    {BYTES("\0\0\0\x18" "ftypavif\0\0\0\0mif1miaf"), TSR_KIND_AVIF},
    {BYTES("MM\0*\0\0\0\10"), TSR_KIND_TIFF},
    {BYTES("\0\0\0\x0cJXL \r\n\x87\n"), TSR_KIND_JXL},
    {BYTES("<?xml version='1.0'?>\n<svg/>"), TSR_KIND_SVG},
    {BYTES("\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0\x68\4\0\0\x16\0\0\0"), TSR_KIND_ICO},
    {BYTES("RIFF\x24\0\0\0WAVEfmt "), TSR_KIND_WAV},
    {BYTES("RF64\xff\xff\xff\xffWAVEds64"), TSR_KIND_WAV},
    {BYTES("FORM\0\0\0\x2e" "AIFFCOMM"), TSR_KIND_AIFF},
    {BYTES("FORM\0\0\0\x2e" "AIFCFVER"), TSR_KIND_AIFF},
    {BYTES("ID3\4\0\0\0\0\0\0"), TSR_KIND_MP3},
    {BYTES("ID3\4\0\0\0\0\0\2abfLaC\0\0\0\x22"), TSR_KIND_FLAC},
    {BYTES("\xff\xfb\x90\x64\0\0\0\0"), TSR_KIND_MP3},
    {BYTES("\xff\xfb\xf0\x64\0\0\0\0"), TSR_KIND_UNKNOWN}, /* no such bit rate */
    {BYTES("\xff\xf1\x50\x80\x02\x1f\xfc\0"), TSR_KIND_AAC},
    {BYTES("fLaC\0\0\0\x22"), TSR_KIND_FLAC},
    {BYTES("OggS\0\2\0\0\0\0\0\0\0\0abcd\0\0\0\0\0\0\0\0\1\x13OpusHead"), TSR_KIND_OGG},
    {BYTES("OggS\0\2\0\0\0\0\0\0\0\0abcd\0\0\0\0\0\0\0\0\1\x2a\x80theora\3"), TSR_KIND_OGV},
    {BYTES("#!AMR\n<"), TSR_KIND_AMR},
    {BYTES("#!AMR-WB\n<"), TSR_KIND_AMR},
    {BYTES("\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9"), TSR_KIND_ASF},
    {BYTES("\0\0\0\x20" "ftypisom\0\0\2\0isomiso2"), TSR_KIND_MP4},
    {BYTES("\0\0\0\x20" "ftypM4A \0\0\2\0isomiso2"), TSR_KIND_M4A},
    {BYTES("\0\0\0\x14" "ftypqt  \0\0\2\0qt  "), TSR_KIND_MOV},
    {BYTES("\0\0\0\x14" "ftyp3gp5\0\0\2\0isom"), TSR_KIND_3GP},
    {BYTES("\0\0\0\10wide\0\0\1\0mdat"), TSR_KIND_MOV},
    {BYTES("\x1a\x45\xdf\xa3\x9f\x42\x86\x81\1\x42\x82\x84webm"), TSR_KIND_WEBM},
    {BYTES("\x1a\x45\xdf\xa3\xa3\x42\x86\x81\1\x42\x82\x88matroska"), TSR_KIND_MKV},
    {BYTES("RIFF\0\0\0\0AVI LIST"), TSR_KIND_AVI},
    {BYTES("RIFF\0\0\0\0ABCD"), TSR_KIND_UNKNOWN},
    {BYTES("\0\0\1\xba\x44"), TSR_KIND_MPEGPS},
    {BYTES("FLV\1\5"), TSR_KIND_FLV},
};

static void kinds_are_told_by_their_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *data = exact_copy(cases[i].bytes, cases[i].len);
        tsr_kind k = tsr_kind_of(data, cases[i].len);
        if (k != cases[i].kind)
            fail_msg("case %zu: %s, not %s", i, tsr_kind_name(k), tsr_kind_name(cases[i].kind));
        free(data);
    }
}

static void a_transport_stream_needs_its_grid(void **state)
{
    unsigned char data[188 * 4];
    (void)state;
    memset(data, 0xff, sizeof data);
    for (size_t i = 0; i < sizeof data; i += 188)
        data[i] = 0x47;
    assert_int_equal(tsr_kind_of(data, sizeof data), TSR_KIND_MPEGTS);
    data[188] = 0x46;
    assert_int_equal(tsr_kind_of(data, sizeof data), TSR_KIND_UNKNOWN);
}

/* One MPEG header may be chance: the frame after it must be one too. */
static void an_mp3_header_without_a_second_frame_is_nothing(void **state)
{
    unsigned char data[900];
    (void)state;
    memset(data, 0x80, sizeof data);
    memcpy(data, "\xff\xfb\x90\x64", 4); /* 417 bytes long */
    assert_int_equal(tsr_kind_of(data, sizeof data), TSR_KIND_UNKNOWN);
    memcpy(data + 417, "\xff\xfb\x90\x64", 4);
    assert_int_equal(tsr_kind_of(data, sizeof data), TSR_KIND_MP3);
}

static void every_fixture_has_the_kind_of_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        size_t len, n;
        unsigned char *data = fixture_read(expected[i].file, &len);
        const char *name = tsr_kind_name(tsr_kind_of(data, len));
        n = strlen(name);
        if (strncmp(expected[i].file, name, n) != 0 || expected[i].file[n] != '_')
            fail_msg("%s is taken for %s", expected[i].file, name);
        free(data);
    }
}

static void prefixes_are_read_inside_their_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t n = 0; n < cases[i].len; n++) {
            unsigned char *data = exact_copy(cases[i].bytes, n);
            assert_non_null(tsr_kind_name(tsr_kind_of(data, n)));
            free(data);
        }
    }
}

static void every_kind_has_a_name_of_its_own_and_a_class(void **state)
{
    (void)state;
    for (int a = 0; a < TSR_KIND_COUNT_; a++) {
        const char *name = tsr_kind_name((tsr_kind)a);
        assert_non_null(name);
        for (int b = 0; b < a; b++)
            assert_string_not_equal(name, tsr_kind_name((tsr_kind)b));
        if (tsr_kind_is_read((tsr_kind)a))
            assert_int_equal(tsr_kind_class_of((tsr_kind)a), TSR_CLASS_IMAGE);
    }
    assert_int_equal(tsr_kind_class_of(TSR_KIND_MP4), TSR_CLASS_CONTAINER);
    assert_int_equal(tsr_kind_class_of(TSR_KIND_WAV), TSR_CLASS_AUDIO);
    assert_int_equal(tsr_kind_class_of(TSR_KIND_HEIC), TSR_CLASS_IMAGE);
    assert_false(tsr_kind_is_read(TSR_KIND_HEIC));
    assert_int_equal(tsr_kind_class_of(TSR_KIND_TEXT), TSR_CLASS_OTHER);
    assert_string_equal(tsr_kind_name((tsr_kind)9999), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_told_by_their_bytes),
        cmocka_unit_test(a_transport_stream_needs_its_grid),
        cmocka_unit_test(an_mp3_header_without_a_second_frame_is_nothing),
        cmocka_unit_test(every_fixture_has_the_kind_of_its_name),
        cmocka_unit_test(prefixes_are_read_inside_their_bounds),
        cmocka_unit_test(every_kind_has_a_name_of_its_own_and_a_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
