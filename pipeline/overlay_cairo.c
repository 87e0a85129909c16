/* overlay_cairo.c: boxes and labels drawn by cairo; the only file that knows it. The file's bytes are collected in
 * memory and written at once, so that it is whole or not there. */
#include <cairo.h>
#include <cairo-svg.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "overlay_internal.h"
#include "tsr_alloc.h"
#include "tsr_file.h"

enum { MAX_SIDE = 32767 }; /* of cairo's image surfaces */

bool tsri_overlay_can_draw(void)
{
    return true;
}

/* ---- what is drawn ---- */

typedef struct drawing {
    cairo_t *cr;
    const tsri_box *boxes;
    size_t n;
    size_t width, height;
    size_t *number;     /* of each box's label, [n] */
    tsri_label *labels; /* [n] */
    tsri_overlay_style style;
    double ascent;      /* of a line of text */
} drawing;

static void set_color(cairo_t *cr, tsri_rgb c)
{
    cairo_set_source_rgb(cr, c.r / 255.0, c.g / 255.0, c.b / 255.0);
}

/* A line between a box's edges and the picture's, so that it is seen whole at the border too. */
static double held(double x, double edge, double most)
{
    return most <= 2 * edge ? most / 2 : x < edge ? edge : x > most - edge ? most - edge : x;
}

static void trace_box(const drawing *d, const tsri_box *b)
{
    double half = d->style.line / 2 + d->style.casing, w = (double)d->width, h = (double)d->height;
    double x1 = held((double)b->xyxy[0], half, w), x2 = held((double)b->xyxy[2], half, w);
    double y1 = held((double)b->xyxy[1], half, h), y2 = held((double)b->xyxy[3], half, h);
    cairo_rectangle(d->cr, x1, y1, x2 - x1, y2 - y1);
}

static void trace_point(const drawing *d, const tsri_box *b)
{
    double r = 3.5 * d->style.line, x = (double)b->xyxy[0] + 0.5, y = (double)b->xyxy[1] + 0.5;
    cairo_new_sub_path(d->cr);
    cairo_arc(d->cr, x, y, r, 0, 6.283185307179586);
    cairo_move_to(d->cr, x - 1.6 * r, y);
    cairo_line_to(d->cr, x + 1.6 * r, y);
    cairo_move_to(d->cr, x, y - 1.6 * r);
    cairo_line_to(d->cr, x, y + 1.6 * r);
}

/* The casing first, which lets the line stand out from any ground, also between dashes. */
static void stroke(const drawing *d, size_t number, double width)
{
    unsigned dashes;
    tsri_rgb c = tsri_overlay_color(number, &dashes);
    double on = dashes == 1 ? 4 * width : 1.5 * width, pattern[] = {on, dashes == 1 ? 2 * width : 1.5 * width};
    set_color(d->cr, tsri_overlay_contrast(c));
    cairo_set_dash(d->cr, NULL, 0, 0);
    cairo_set_line_width(d->cr, width + 2 * d->style.casing);
    cairo_stroke_preserve(d->cr);
    set_color(d->cr, c);
    cairo_set_dash(d->cr, pattern, dashes ? 2 : 0, 0);
    cairo_set_line_width(d->cr, width);
    cairo_stroke(d->cr);
}

static void draw_lines(const drawing *d)
{
    for (size_t i = 0; i < d->n; i++) {
        if (d->boxes[i].is_point)
            trace_point(d, &d->boxes[i]);
        else
            trace_box(d, &d->boxes[i]);
        stroke(d, d->number[i], d->style.line);
    }
}

static void measure(drawing *d)
{
    cairo_font_extents_t font;
    cairo_font_extents(d->cr, &font);
    d->ascent = font.ascent;
    for (size_t i = 0; i < d->n; i++) {
        char text[TSRI_OVERLAY_TEXT];
        cairo_text_extents_t ext;
        tsri_overlay_text(text, &d->boxes[i]);
        if (!*text)
            continue;
        cairo_text_extents(d->cr, text, &ext);
        d->labels[i].width = ceil(ext.x_advance + 2 * d->style.pad);
        d->labels[i].height = ceil(font.ascent + font.descent + d->style.pad);
    }
}

/* From a label that stands apart to its box. */
static void draw_leader(const drawing *d, size_t i)
{
    const tsri_label *l = &d->labels[i];
    if (!l->is_far || l->width <= 0)
        return;
    cairo_move_to(d->cr, l->x + l->width / 2, l->y + l->height / 2);
    cairo_line_to(d->cr, held((double)d->boxes[i].xyxy[0], 1, (double)d->width),
                  held((double)d->boxes[i].xyxy[1], 1, (double)d->height));
    stroke(d, d->number[i], d->style.line / 2);
}

static void draw_label(const drawing *d, size_t i)
{
    const tsri_label *l = &d->labels[i];
    char text[TSRI_OVERLAY_TEXT];
    unsigned dashes;
    tsri_rgb ground = tsri_overlay_color(d->number[i], &dashes);
    if (l->width <= 0)
        return;
    tsri_overlay_text(text, &d->boxes[i]);
    cairo_rectangle(d->cr, l->x, l->y, l->width, l->height);
    set_color(d->cr, ground);
    cairo_fill(d->cr);
    set_color(d->cr, tsri_overlay_contrast(ground));
    cairo_move_to(d->cr, l->x + d->style.pad, l->y + d->style.pad / 2 + d->ascent);
    cairo_show_text(d->cr, text);
    cairo_new_path(d->cr);
}

static tsr_status draw_boxes(drawing *d, tsr_error *err)
{
    tsr_status st = tsr_alloc_array(&d->number, d->n, sizeof *d->number, "labels", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&d->labels, d->n, sizeof *d->labels, "labels", err);
    if (st != TSR_OK)
        return st;
    memset(d->labels, 0, d->n * sizeof *d->labels);
    tsri_overlay_number_labels(d->number, d->boxes, d->n);
    cairo_select_font_face(d->cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
    cairo_set_font_size(d->cr, d->style.letters);
    cairo_set_line_join(d->cr, CAIRO_LINE_JOIN_MITER);
    measure(d);
    st = tsri_overlay_place(d->labels, d->boxes, d->n, d->width, d->height, &d->style, err);
    if (st != TSR_OK)
        return st;
    draw_lines(d);
    for (size_t i = 0; i < d->n; i++)
        draw_leader(d, i);
    for (size_t i = 0; i < d->n; i++)
        draw_label(d, i);
    return TSR_OK;
}

/* ---- cairo's surfaces ---- */

typedef struct sink {
    unsigned char *at;
    size_t len, cap;
} sink;

static cairo_status_t collect(void *user, const unsigned char *bytes, unsigned n)
{
    sink *s = user;
    if (n > s->cap - s->len) {
        size_t cap = s->cap ? s->cap : 65536;
        while (cap - s->len < n)
            if (!tsr_mul_size(&cap, cap, 2))
                return CAIRO_STATUS_NO_MEMORY;
        unsigned char *grown = tsr_realloc(s->at, cap);
        if (!grown)
            return CAIRO_STATUS_NO_MEMORY;
        s->at = grown;
        s->cap = cap;
    }
    memcpy(s->at + s->len, bytes, n);
    s->len += n;
    return CAIRO_STATUS_SUCCESS;
}

static tsr_status told_by(cairo_status_t cs, const char *path, tsr_error *err)
{
    if (cs == CAIRO_STATUS_SUCCESS)
        return TSR_OK;
    return tsr_fail(err, cs == CAIRO_STATUS_NO_MEMORY ? TSR_ERR_NOMEM : TSR_ERR_UNSUPPORTED, "%s: drawing failed: %s",
                    path, cairo_status_to_string(cs));
}

/* Pixels as cairo has them: 0x00RRGGBB in words of the machine. */
static cairo_surface_t *surface_of(const tsr_image *img)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)img->width, (int)img->height);
    if (cairo_surface_status(s) != CAIRO_STATUS_SUCCESS)
        return s;
    unsigned char *rows = cairo_image_surface_get_data(s);
    size_t stride = (size_t)cairo_image_surface_get_stride(s);
    cairo_surface_flush(s);
    for (size_t y = 0; y < img->height; y++) {
        const unsigned char *p = img->rgb + y * img->width * 3;
        for (size_t x = 0; x < img->width; x++, p += 3) {
            uint32_t word = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
            memcpy(rows + y * stride + x * sizeof word, &word, sizeof word);
        }
    }
    cairo_surface_mark_dirty(s);
    return s;
}

static cairo_surface_t *svg_surface(sink *s, size_t width, size_t height)
{
    cairo_surface_t *svg = cairo_svg_surface_create_for_stream(collect, s, (double)width, (double)height);
    if (cairo_surface_status(svg) == CAIRO_STATUS_SUCCESS)
        cairo_svg_surface_set_document_unit(svg, CAIRO_SVG_UNIT_PX);
    return svg;
}

/* The picture and what is drawn on it, onto `target`. */
static tsr_status draw(drawing *d, cairo_surface_t *target, cairo_surface_t *picture, const char *path, tsr_error *err)
{
    d->cr = cairo_create(target);
    if (target != picture) {
        cairo_set_source_surface(d->cr, picture, 0, 0);
        cairo_paint(d->cr);
    }
    tsr_status st = told_by(cairo_status(d->cr), path, err);
    if (st == TSR_OK)
        st = draw_boxes(d, err);
    if (st == TSR_OK)
        st = told_by(cairo_status(d->cr), path, err);
    cairo_destroy(d->cr);
    tsr_free(d->number);
    tsr_free(d->labels);
    return st;
}

tsr_status tsri_overlay_write(const char *path, const tsr_image *img, const tsri_box *boxes, size_t n, tsr_error *err)
{
    sink out = {0};
    drawing d = {.boxes = boxes, .n = n, .width = img->width, .height = img->height,
                 .style = tsri_overlay_style_for(img->width, img->height)};
    tsr_status st = tsri_overlay_check(path, err);
    if (st == TSR_OK && (img->width > MAX_SIDE || img->height > MAX_SIDE))
        st = tsr_fail(err, TSR_ERR_LIMIT, "%s: %zu x %zu pixels, an overlay has at most %d a side", path, img->width,
                      img->height, MAX_SIDE);
    if (st != TSR_OK)
        return st;
    bool is_svg = tsri_overlay_kind_of(path) == TSRI_OVERLAY_SVG;
    cairo_surface_t *picture = surface_of(img);
    cairo_surface_t *target = is_svg ? svg_surface(&out, img->width, img->height) : cairo_surface_reference(picture);
    st = told_by(cairo_surface_status(picture), path, err);
    if (st == TSR_OK)
        st = told_by(cairo_surface_status(target), path, err);
    if (st == TSR_OK)
        st = draw(&d, target, picture, path, err);
    if (st == TSR_OK && !is_svg)
        st = told_by(cairo_surface_write_to_png_stream(picture, collect, &out), path, err);
    if (is_svg)
        cairo_surface_finish(target);
    if (st == TSR_OK)
        st = told_by(cairo_surface_status(target), path, err);
    if (st == TSR_OK)
        st = tsr_file_replace(path, out.at, out.len, err);
    cairo_surface_destroy(target);
    cairo_surface_destroy(picture);
    tsr_free(out.at);
    return st;
}

/* ---- captions ---- */

static void draw_captions(cairo_t *cr, const tsri_caption *captions, size_t n)
{
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
    cairo_set_source_rgb(cr, 0.94, 0.94, 0.94);
    for (size_t i = 0; i < n; i++) {
        cairo_set_font_size(cr, captions[i].letters);
        cairo_move_to(cr, captions[i].x, captions[i].y);
        cairo_show_text(cr, captions[i].text);
    }
}

tsr_status tsri_captions_write(const char *path, const tsr_image *img, const tsri_caption *captions, size_t n,
                               tsr_error *err)
{
    sink out = {0};
    if (img->width > MAX_SIDE || img->height > MAX_SIDE)
        return tsr_fail(err, TSR_ERR_LIMIT, "%s: %zu x %zu pixels, at most %d a side can be drawn", path, img->width,
                        img->height, MAX_SIDE);
    cairo_surface_t *picture = surface_of(img);
    tsr_status st = told_by(cairo_surface_status(picture), path, err);
    if (st == TSR_OK) {
        cairo_t *cr = cairo_create(picture);
        draw_captions(cr, captions, n);
        st = told_by(cairo_status(cr), path, err);
        cairo_destroy(cr);
    }
    if (st == TSR_OK)
        st = told_by(cairo_surface_write_to_png_stream(picture, collect, &out), path, err);
    if (st == TSR_OK)
        st = tsr_file_replace(path, out.at, out.len, err);
    cairo_surface_destroy(picture);
    tsr_free(out.at);
    return st;
}
