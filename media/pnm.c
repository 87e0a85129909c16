/* pnm.c: portable bitmaps, graymaps and pixmaps, P1 to P6, text and binary, any maxval up to 65535, as
 * Pillow scales them: round(v / maxval * 255) with ties to even. Gray of more than 8 bits is scaled
 * to 16 and keeps its high byte (Pillow would clip it), as with PNG. */
#include <math.h>
#include <string.h>

#include "image_internal.h"

enum { MAX_TOKEN = 10 };

typedef struct pnm {
    tsri_source *src;
    size_t at;
    unsigned digit; /* 1-6 */
    size_t width, height, channels;
    unsigned maxval;
} pnm;

static tsr_status truncated(const pnm *f)
{
    return tsri_source_fail(f->src, TSR_ERR_DATA, "truncated: the file ends inside the picture, at byte %zu",
                            f->src->len);
}

static bool is_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next character that is no comment; false at the end. */
static bool next_char(pnm *f, unsigned char *c)
{
    const tsri_source *src = f->src;
    while (f->at < src->len) {
        *c = src->data[f->at++];
        if (*c != '#')
            return true;
        while (f->at < src->len && src->data[f->at] != '\n' && src->data[f->at] != '\r')
            f->at++;
        f->at += f->at < src->len;
    }
    return false;
}

/* A decimal number and the one space after it. */
static tsr_status read_number(pnm *f, size_t *out)
{
    unsigned char c;
    size_t n = 0, v = 0;
    while (next_char(f, &c)) {
        if (is_space(c)) {
            if (n == 0)
                continue;
            break;
        }
        if (c < '0' || c > '9' || ++n > MAX_TOKEN)
            return tsri_source_fail(f->src, TSR_ERR_DATA, "no number at byte %zu", f->at - 1);
        v = v * 10 + (size_t)(c - '0');
    }
    *out = v;
    return n > 0 ? TSR_OK : truncated(f);
}

static unsigned char scale(const pnm *f, size_t v)
{
    bool wide_grey = f->channels == 1 && f->maxval > 255;
    double top = wide_grey ? 65535.0 : 255.0, s = rint((double)v / (double)f->maxval * top);
    if (s > top)
        s = top;
    return (unsigned char)(wide_grey ? (unsigned)s >> 8 : (unsigned)s);
}

static tsr_status read_header(pnm *f)
{
    size_t maxval = 1;
    f->digit = (unsigned)(f->src->data[1] - '0'); /* the kind test saw "P1" to "P6" and a space */
    f->at = 3;
    f->channels = f->digit == 3 || f->digit == 6 ? 3 : 1;
    tsr_status st = read_number(f, &f->width);
    if (st == TSR_OK)
        st = read_number(f, &f->height);
    if (st == TSR_OK && f->digit != 1 && f->digit != 4)
        st = read_number(f, &maxval);
    if (st == TSR_OK && (maxval == 0 || maxval > 65535))
        st = tsri_source_fail(f->src, TSR_ERR_DATA, "a maxval of %zu", maxval);
    f->maxval = (unsigned)maxval;
    return st == TSR_OK ? tsri_source_check_size(f->src, f->width, f->height) : st;
}

static void put(const pnm *f, unsigned char *dst, const unsigned char *v)
{
    if (f->channels == 3)
        memcpy(dst, v, 3);
    else
        memset(dst, v[0], 3);
}

/* ---- text ---- */

static tsr_status read_bit(pnm *f, unsigned char *v)
{
    unsigned char c;
    do {
        if (!next_char(f, &c))
            return truncated(f);
    } while (is_space(c));
    if (c != '0' && c != '1')
        return tsri_source_fail(f->src, TSR_ERR_DATA, "neither 0 nor 1 at byte %zu", f->at - 1);
    *v = c == '1' ? 0 : 255;
    return TSR_OK;
}

static tsr_status read_sample(pnm *f, unsigned char *v)
{
    size_t n;
    tsr_status st = read_number(f, &n);
    if (st != TSR_OK)
        return st;
    if (n > f->maxval)
        return tsri_source_fail(f->src, TSR_ERR_DATA, "%zu is over the maxval of %u, before byte %zu", n, f->maxval,
                                f->at);
    *v = scale(f, n);
    return TSR_OK;
}

static tsr_status decode_text(pnm *f, tsr_image *out)
{
    size_t n = f->width * f->height;
    if (n > f->src->len - f->at) /* a sample takes a character at the least */
        return truncated(f);
    tsr_status st = tsri_source_begin(f->src, out, f->width, f->height);
    for (size_t i = 0; st == TSR_OK && i < n; i++) {
        unsigned char v[3] = {0, 0, 0};
        for (size_t c = 0; st == TSR_OK && c < f->channels; c++)
            st = f->digit == 1 ? read_bit(f, v + c) : read_sample(f, v + c);
        put(f, out->rgb + 3 * i, v);
    }
    return st;
}

/* ---- binary ---- */

static void put_bits(const pnm *f, unsigned char *dst, const unsigned char *s)
{
    for (size_t x = 0; x < f->width; x++)
        memset(dst + 3 * x, s[x / 8] >> (7 - x % 8) & 1 ? 0 : 255, 3);
}

static void put_samples(const pnm *f, unsigned char *dst, const unsigned char *s)
{
    for (size_t x = 0; x < f->width; x++, dst += 3) {
        unsigned char v[3] = {0, 0, 0};
        for (size_t c = 0; c < f->channels; c++) {
            if (f->maxval > 255) {
                v[c] = scale(f, tsri_be16(s));
                s += 2;
            } else {
                v[c] = f->maxval == 255 ? *s : scale(f, *s);
                s += 1;
            }
        }
        put(f, dst, v);
    }
}

static tsr_status decode_binary(pnm *f, tsr_image *out)
{
    size_t sample = f->maxval > 255 ? 2 : 1;
    size_t row = f->digit == 4 ? (f->width + 7) / 8 : f->width * f->channels * sample;
    if (row * f->height > f->src->len - f->at)
        return truncated(f);
    tsr_status st = tsri_source_begin(f->src, out, f->width, f->height);
    for (size_t y = 0; st == TSR_OK && y < f->height; y++) {
        const unsigned char *s = f->src->data + f->at + y * row;
        unsigned char *dst = out->rgb + y * f->width * 3;
        if (f->digit == 4)
            put_bits(f, dst, s);
        else
            put_samples(f, dst, s);
    }
    return st;
}

tsr_status tsri_pnm_decode(tsri_source *src, tsr_image *out)
{
    pnm f;
    memset(&f, 0, sizeof f);
    f.src = src;
    tsr_status st = read_header(&f);
    if (st != TSR_OK)
        return st;
    return f.digit <= 3 ? decode_text(&f, out) : decode_binary(&f, out);
}
