/* jpeg.c: JPEG through libjpeg-turbo, decoded as Pillow does: accurate integer DCT, fancy upsampling,
 * four-component files taken as inverted (Adobe's convention) and brought from CMYK to RGB. Every
 * warning of the library ends the decoding: it would otherwise go on with grey. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "image_internal.h"
#include "tsr_alloc.h"

/* A progressive file may hold any number of scans over the whole picture; real ones hold about ten. */
enum { MAX_SCANS = 500, SOF_COMPONENTS_CMYK = 4 };

/* All state lives here and not in locals, since errors leave through longjmp. */
typedef struct reader {
    struct jpeg_error_mgr errors; /* first: the library's pointer to it leads back to the reader */
    struct jpeg_decompress_struct jpeg;
    struct jpeg_source_mgr bytes;
    struct jpeg_progress_mgr progress;
    jmp_buf out_of_library;
    tsri_source *src;
    tsr_image *out;
    unsigned char *row; /* [width, 4] for CMYK */
    tsr_status status;
} reader;

/* ---- what the library calls ---- */

static reader *reader_of(j_common_ptr jpeg)
{
    return (reader *)(void *)jpeg->err;
}

static _Noreturn void leave(reader *r, tsr_status st, const char *reason)
{
    size_t left = r->bytes.bytes_in_buffer;
    r->status = tsri_source_fail(r->src, st, "%s, near byte %zu", reason, r->src->len - left);
    longjmp(r->out_of_library, 1);
}

static tsr_status status_of(int code)
{
    switch (code) {
    case JERR_OUT_OF_MEMORY: return TSR_ERR_NOMEM;
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_ARITH_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOT_COMPILED: return TSR_ERR_UNSUPPORTED;
    default: return TSR_ERR_DATA;
    }
}

static _Noreturn void on_error(j_common_ptr jpeg)
{
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    leave(reader_of(jpeg), status_of(jpeg->err->msg_code), text);
}

static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0) /* a warning: the data is damaged */
        on_error(jpeg);
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
    reader *r = reader_of(jpeg);
    if (r->jpeg.input_scan_number > MAX_SCANS)
        leave(r, TSR_ERR_LIMIT, "more than 500 scans");
}

static void source_init(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static boolean source_fill(j_decompress_ptr jpeg)
{
    leave(reader_of((j_common_ptr)jpeg), TSR_ERR_DATA, "truncated: the file ends inside the picture");
}

static void source_skip(j_decompress_ptr jpeg, long n)
{
    if (n <= 0)
        return;
    if ((unsigned long)n > jpeg->src->bytes_in_buffer)
        (void)source_fill(jpeg);
    jpeg->src->next_input_byte += n;
    jpeg->src->bytes_in_buffer -= (size_t)n;
}

/* ---- metadata ---- */

static bool starts_with(const struct jpeg_marker_struct *m, const char *tag, size_t n)
{
    return m->data_length >= n && memcmp(m->data, tag, n) == 0;
}

/* EXIF decides; XMP only where EXIF has no such tag. Of several XMP packets the last counts. */
static unsigned orientation_of(const struct jpeg_marker_struct *m)
{
    static const char xmp_tag[] = "http://ns.adobe.com/xap/1.0/";
    unsigned exif = 0, xmp = 0;
    bool seen = false;
    for (; m; m = m->next) {
        if (m->marker != JPEG_APP0 + 1)
            continue;
        if (starts_with(m, "Exif\0\0", 6) && !seen) {
            seen = true;
            exif = tsri_exif_orientation(m->data, m->data_length);
        } else if (starts_with(m, xmp_tag, sizeof xmp_tag)) {
            xmp = tsri_xmp_orientation(m->data + sizeof xmp_tag, m->data_length - sizeof xmp_tag);
        }
    }
    return exif ? exif : xmp ? xmp : 1;
}

/* ---- pixels ---- */

/* Inverted CMYK: the file stores 255 - ink, and ink x leaves (255 - k) * (1 - x / 255), rounded. */
static void cmyk_row(unsigned char *dst, const unsigned char *src, size_t n)
{
    for (size_t i = 0; i < n; i++, dst += 3, src += 4) {
        int light = src[3];
        for (int c = 0; c < 3; c++) {
            int t = (255 - src[c]) * light + 128;
            int v = light - (((t >> 8) + t) >> 8);
            dst[c] = (unsigned char)(v < 0 ? 0 : v);
        }
    }
}

static void grey_row(unsigned char *row, size_t n)
{
    for (size_t i = n; i-- > 0;)
        memset(row + 3 * i, row[i], 3);
}

static void read_rows(reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    while (jpeg->output_scanline < jpeg->output_height) {
        unsigned char *dst = r->out->rgb + (size_t)jpeg->output_scanline * r->out->width * 3;
        JSAMPROW target = r->row ? r->row : dst;
        if (jpeg_read_scanlines(jpeg, &target, 1) != 1)
            leave(r, TSR_ERR_DATA, "a row is missing");
        if (r->row)
            cmyk_row(dst, r->row, r->out->width);
        else if (jpeg->out_color_space == JCS_GRAYSCALE)
            grey_row(dst, r->out->width);
    }
}

static void stop_on(reader *r, tsr_status st)
{
    if (st != TSR_OK) {
        r->status = st;
        longjmp(r->out_of_library, 1);
    }
}

/* Huffman codes take a bit per 8x8 block at the least; a header that promises more costs no memory. */
static bool is_too_short(const reader *r)
{
    size_t area = (size_t)r->jpeg.image_width * r->jpeg.image_height;
    return !r->jpeg.arith_code && area / 512 > r->src->len;
}

static void decode(reader *r)
{
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->src = &r->bytes;
    jpeg->progress = &r->progress;
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    (void)jpeg_read_header(jpeg, TRUE);
    r->src->orientation = orientation_of(jpeg->marker_list);

    switch (jpeg->num_components) {
    case 1: jpeg->out_color_space = JCS_GRAYSCALE; break;
    case 3: jpeg->out_color_space = JCS_RGB; break;
    case SOF_COMPONENTS_CMYK: jpeg->out_color_space = JCS_CMYK; break;
    default: leave(r, TSR_ERR_UNSUPPORTED, "neither 1, 3 nor 4 components");
    }
    stop_on(r, tsri_source_check_size(r->src, jpeg->image_width, jpeg->image_height));
    if (is_too_short(r))
        leave(r, TSR_ERR_DATA, "truncated: the file is too short for its size in pixels");
    stop_on(r, tsri_source_begin(r->src, r->out, jpeg->image_width, jpeg->image_height));
    if (jpeg->num_components == SOF_COMPONENTS_CMYK)
        stop_on(r, tsr_alloc_array(&r->row, jpeg->image_width, 4, "jpeg row", r->src->err));
    (void)jpeg_start_decompress(jpeg);
    read_rows(r);
    (void)jpeg_finish_decompress(jpeg);
}

static void protect(reader *r)
{
    if (setjmp(r->out_of_library) == 0)
        decode(r);
}

tsr_status tsri_jpeg_decode(tsri_source *src, tsr_image *out)
{
    reader r;
    memset(&r, 0, sizeof r);
    r.src = src;
    r.out = out;
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_message;
    r.errors.output_message = on_output;
    r.progress.progress_monitor = on_progress;
    r.bytes.init_source = source_init;
    r.bytes.fill_input_buffer = source_fill;
    r.bytes.skip_input_data = source_skip;
    r.bytes.resync_to_restart = jpeg_resync_to_restart;
    r.bytes.term_source = source_init;
    r.bytes.next_input_byte = src->data;
    r.bytes.bytes_in_buffer = src->len;

    protect(&r);
    jpeg_destroy_decompress(&r.jpeg); /* safe on a reader that never got beyond zero */
    tsr_free(r.row);
    return r.status;
}
