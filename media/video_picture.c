/* video_picture.c: a decoded frame becomes upright RGB with square pixels. swscale converts at the
 * stored size; pixels that are not square are then scaled by tsr_image_resize. */
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <string.h>

#include "tsr_alloc.h"
#include "video_ff_internal.h"

enum { HD_LINES = 720, ROW_ALIGN = 64, ROW_SLACK = 64 };

/* swscale's old "full range" formats are the plain ones with the range said. */
static int plain_format(int format, bool *is_full)
{
    switch (format) {
    case AV_PIX_FMT_YUVJ420P: *is_full = true; return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P: *is_full = true; return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P: *is_full = true; return AV_PIX_FMT_YUV444P;
    case AV_PIX_FMT_YUVJ440P: *is_full = true; return AV_PIX_FMT_YUV440P;
    case AV_PIX_FMT_YUVJ411P: *is_full = true; return AV_PIX_FMT_YUV411P;
    default: return format;
    }
}

/* The matrix by swscale's number, -1 for one that it does not know. */
static int matrix_of(const AVFrame *f)
{
    switch (f->colorspace) {
    case AVCOL_SPC_BT709: return SWS_CS_ITU709;
    case AVCOL_SPC_FCC: return SWS_CS_FCC;
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M: return SWS_CS_ITU601;
    case AVCOL_SPC_SMPTE240M: return SWS_CS_SMPTE240M;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL: return SWS_CS_BT2020;
    case AVCOL_SPC_UNSPECIFIED:
    case AVCOL_SPC_RGB:
    case AVCOL_SPC_RESERVED: return f->height < HD_LINES ? SWS_CS_ITU601 : SWS_CS_ITU709;
    default: return -1;
    }
}

/* Where chroma lies between luma, in 1/256 of a pixel: unmarked film has it beside the left one of
 * two, JPEG in the middle. */
static void chroma_place(const AVFrame *f, bool is_full, int *h, int *v)
{
    enum AVChromaLocation l = f->chroma_location;
    if (l == AVCHROMA_LOC_UNSPECIFIED)
        l = is_full ? AVCHROMA_LOC_CENTER : AVCHROMA_LOC_LEFT;
    *h = l == AVCHROMA_LOC_CENTER || l == AVCHROMA_LOC_TOP || l == AVCHROMA_LOC_BOTTOM ? 128 : 0;
    *v = l == AVCHROMA_LOC_TOPLEFT || l == AVCHROMA_LOC_TOP          ? 0
         : l == AVCHROMA_LOC_BOTTOMLEFT || l == AVCHROMA_LOC_BOTTOM ? 256
                                                                     : 128;
}

static tsr_status set_up(tsri_picture_maker *m, const AVFrame *f, const char *name, tsr_error *err)
{
    bool is_full = f->color_range == AVCOL_RANGE_JPEG;
    int format = plain_format(f->format, &is_full), matrix = matrix_of(f), h, v;
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
    if (m->sws && m->format == f->format && m->width == f->width && m->height == f->height && m->matrix == matrix &&
        m->range == is_full && m->location == (int)f->chroma_location)
        return TSR_OK;
    sws_freeContext(m->sws);
    m->sws = NULL;
    if (!d || !sws_isSupportedInput(format))
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: pixels of type '%s' are not read", name, d ? d->name : "?");
    if (matrix < 0)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: colours in '%s' are not read", name,
                        av_color_space_name(f->colorspace));
    struct SwsContext *s = sws_alloc_context();
    if (!s)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", name);
    av_opt_set_int(s, "srcw", f->width, 0);
    av_opt_set_int(s, "srch", f->height, 0);
    av_opt_set_int(s, "src_format", format, 0);
    av_opt_set_int(s, "src_range", is_full, 0);
    av_opt_set_int(s, "dstw", f->width, 0);
    av_opt_set_int(s, "dsth", f->height, 0);
    av_opt_set_int(s, "dst_format", AV_PIX_FMT_RGB24, 0);
    av_opt_set_int(s, "dst_range", 1, 0);
    /* No flag more: the plain converter then gives the bits that the field's readers (the ffmpeg program,
     * PyAV, torchcodec), and so the reference, feed their models. Interpolated chroma would look smoother
     * and differ at every coloured edge. */
    av_opt_set_int(s, "sws_flags", SWS_BICUBIC, 0);
    if (d->log2_chroma_w == 1 && d->log2_chroma_h <= 1 && !(d->flags & AV_PIX_FMT_FLAG_RGB)) {
        chroma_place(f, is_full, &h, &v);
        av_opt_set_int(s, "src_h_chr_pos", h, 0);
        if (d->log2_chroma_h == 1)
            av_opt_set_int(s, "src_v_chr_pos", v, 0);
    }
    const int *c = sws_getCoefficients(matrix);
    if (sws_init_context(s, NULL, NULL) < 0 ||
        (!(d->flags & AV_PIX_FMT_FLAG_RGB) && d->nb_components >= 3 &&
         sws_setColorspaceDetails(s, c, is_full, sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16) < 0)) {
        sws_freeContext(s);
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: pixels of type '%s' (%d x %d) cannot be converted", name,
                        d->name, f->width, f->height);
    }
    m->sws = s;
    m->format = f->format;
    m->width = f->width;
    m->height = f->height;
    m->matrix = matrix;
    m->range = is_full;
    m->location = (int)f->chroma_location;
    return TSR_OK;
}

static tsr_status convert(tsri_picture_maker *m, const AVFrame *f, size_t stride, const char *name, tsr_error *err)
{
    size_t bytes;
    if (!tsr_mul_size(&bytes, stride, (size_t)f->height))
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: a frame of %d x %d is too large", name, f->width, f->height);
    if (bytes + ROW_SLACK > m->rgb_cap) {
        tsr_free(m->rgb);
        m->rgb_cap = 0;
        tsr_status st = tsr_alloc_array(&m->rgb, bytes + ROW_SLACK, 1, "a frame as RGB", err);
        if (st != TSR_OK)
            return st;
        m->rgb_cap = bytes + ROW_SLACK;
    }
    uint8_t *dst[4] = {m->rgb, NULL, NULL, NULL};
    const int strides[4] = {(int)stride, 0, 0, 0};
    if (sws_scale(m->sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, dst, strides) != f->height)
        return tsr_fail(err, TSR_ERR_BUG, "%s: a frame could not be converted to RGB", name);
    return TSR_OK;
}

tsr_status tsri_picture_make(tsri_picture_maker *m, tsr_image *out, const AVFrame *f, const char *name, tsr_error *err)
{
    tsr_image upright = {0, 0, NULL};
    if (f->width <= 0 || f->height <= 0 || (size_t)f->height > m->max_pixels / (size_t)f->width || f->width > 1 << 20)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: a frame of %d x %d pixels, the limit is %zu", name, f->width,
                        f->height, m->max_pixels);
    size_t w = (size_t)f->width, h = (size_t)f->height;
    size_t stride = (w * 3 + ROW_ALIGN - 1) / ROW_ALIGN * ROW_ALIGN;
    tsr_status st = set_up(m, f, name, err);
    if (st == TSR_OK)
        st = convert(m, f, stride, name, err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&upright.rgb, w * h, 3, "a frame as RGB", err);
    if (st != TSR_OK)
        return st;
    upright.width = m->turn.transpose ? h : w;
    upright.height = m->turn.transpose ? w : h;
    tsri_turn_rgb(upright.rgb, m->rgb, w, h, stride, m->turn);
    if (upright.width == m->square_width && upright.height == m->square_height) {
        *out = upright;
        return TSR_OK;
    }
    st = tsr_image_resize(out, &upright, m->square_width, m->square_height, err);
    tsr_image_deinit(&upright);
    return st;
}

void tsri_picture_maker_deinit(tsri_picture_maker *m)
{
    sws_freeContext(m->sws);
    m->sws = NULL;
    tsr_free(m->rgb);
    m->rgb = NULL;
    m->rgb_cap = 0;
}
