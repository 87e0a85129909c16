/* webp.c: WebP through libwebp, lossy and lossless, with alpha. An animated file gives its first
 * frame, on a canvas that is transparent black (black, where the file has no alpha), as Pillow's. */
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "image_internal.h"
#include "tsr_alloc.h"

typedef struct reader {
    tsri_source *src;
    WebPDemuxer *demux;
    WebPIterator frame;
    bool has_frame, has_alpha;
    size_t width, height; /* of the canvas */
    unsigned char *rgba;  /* [frame height, frame width, 4] */
} reader;

static unsigned chunk_orientation(const reader *r, const char *name,
                                  unsigned (*read)(const unsigned char *data, size_t len))
{
    WebPChunkIterator it;
    unsigned v = 0;
    if (WebPDemuxGetChunk(r->demux, name, 1, &it)) {
        v = read(it.chunk.bytes, it.chunk.size);
        WebPDemuxReleaseChunkIterator(&it);
    }
    return v;
}

static unsigned orientation_of(const reader *r)
{
    unsigned v = chunk_orientation(r, "EXIF", tsri_exif_orientation);
    if (v == 0)
        v = chunk_orientation(r, "XMP ", tsri_xmp_orientation);
    return v ? v : 1;
}

static tsr_status fail_code(const reader *r, VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY: return tsri_source_fail(r->src, TSR_ERR_NOMEM, "out of memory");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return tsri_source_fail(r->src, TSR_ERR_DATA, "truncated: the data ends inside the picture");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return tsri_source_fail(r->src, TSR_ERR_UNSUPPORTED, "a feature that libwebp does not have");
    default: return tsri_source_fail(r->src, TSR_ERR_DATA, "damaged picture data (libwebp code %d)", (int)code);
    }
}

static tsr_status open_frame(reader *r)
{
    WebPBitstreamFeatures whole;
    WebPData data = {r->src->data, r->src->len};
    VP8StatusCode code = WebPGetFeatures(data.bytes, data.size, &whole);
    if (code != VP8_STATUS_OK)
        return fail_code(r, code);
    tsr_status st = tsri_source_check_size(r->src, (size_t)whole.width, (size_t)whole.height);
    if (st != TSR_OK)
        return st;
    r->has_alpha = whole.has_alpha;
    r->demux = WebPDemux(&data);
    if (!r->demux)
        return tsri_source_fail(r->src, TSR_ERR_DATA, "truncated or damaged: the chunks do not fit together in %zu bytes",
                                r->src->len);
    r->width = WebPDemuxGetI(r->demux, WEBP_FF_CANVAS_WIDTH);
    r->height = WebPDemuxGetI(r->demux, WEBP_FF_CANVAS_HEIGHT);
    r->has_frame = WebPDemuxGetFrame(r->demux, 1, &r->frame);
    if (!r->has_frame || !r->frame.complete)
        return tsri_source_fail(r->src, TSR_ERR_DATA, "no complete frame");
    return tsri_source_check_size(r->src, r->width, r->height);
}

static tsr_status decode_frame(reader *r)
{
    WebPDecoderConfig config;
    size_t width = (size_t)r->frame.width, height = (size_t)r->frame.height;
    size_t x = (size_t)r->frame.x_offset, y = (size_t)r->frame.y_offset;
    if (x > r->width || width > r->width - x || y > r->height || height > r->height - y)
        return tsri_source_fail(r->src, TSR_ERR_DATA, "a frame outside the canvas");
    tsr_status st = tsr_alloc_array(&r->rgba, height, width * 4, "webp frame", r->src->err);
    if (st != TSR_OK)
        return st;
    if (!WebPInitDecoderConfig(&config))
        return tsri_source_fail(r->src, TSR_ERR_BUG, "libwebp of another version");
    config.output.colorspace = MODE_RGBA;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = r->rgba;
    config.output.u.RGBA.stride = (int)(width * 4);
    config.output.u.RGBA.size = width * 4 * height;
    VP8StatusCode code = WebPDecode(r->frame.fragment.bytes, r->frame.fragment.size, &config);
    return code == VP8_STATUS_OK ? TSR_OK : fail_code(r, code);
}

static tsr_status compose(reader *r, tsr_image *out)
{
    size_t width = (size_t)r->frame.width, height = (size_t)r->frame.height;
    tsr_status st = tsri_source_begin(r->src, out, r->width, r->height);
    if (st != TSR_OK)
        return st;
    if (width != r->width || height != r->height)
        memset(out->rgb, r->has_alpha ? 255 : 0, r->width * r->height * 3);
    for (size_t y = 0; y < height; y++) {
        const unsigned char *s = r->rgba + y * width * 4;
        unsigned char *dst = out->rgb + (((size_t)r->frame.y_offset + y) * r->width + (size_t)r->frame.x_offset) * 3;
        for (size_t x = 0; x < width; x++, s += 4, dst += 3)
            tsri_put_rgba(dst, s[0], s[1], s[2], r->has_alpha ? s[3] : 255);
    }
    return TSR_OK;
}

tsr_status tsri_webp_decode(tsri_source *src, tsr_image *out)
{
    reader r;
    memset(&r, 0, sizeof r);
    r.src = src;
    tsr_status st = open_frame(&r);
    if (st == TSR_OK)
        src->orientation = orientation_of(&r);
    if (st == TSR_OK)
        st = decode_frame(&r);
    if (st == TSR_OK)
        st = compose(&r, out);
    if (r.has_frame)
        WebPDemuxReleaseIterator(&r.frame);
    WebPDemuxDelete(r.demux); /* NULL is fine */
    tsr_free(r.rgba);
    return st;
}
