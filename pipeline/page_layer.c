/* page_layer.c: see the header. */
#include "page_layer.h"

#include <math.h>
#include <string.h>

#include "json_build.h"

/* The words of a line, between spaces, and the end of the line. */
static tsr_status add_line(tsr_text *out, const tsr_page_text *t, const tsr_page_line *l, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = l->first; i < l->first + l->n && st == TSR_OK; i++) {
        st = tsr_text_add(out, t->words[i].text, t->words[i].len, err);
        if (st == TSR_OK)
            st = tsr_text_add(out, i + 1 < l->first + l->n ? " " : "\n", 1, err);
    }
    return st;
}

static size_t line_bytes(const tsr_page_text *t, const tsr_page_line *l)
{
    size_t n = 0;
    for (size_t i = l->first; i < l->first + l->n; i++)
        n += t->words[i].len + 1;
    return n;
}

tsr_status tsri_layer_text(tsr_text *out, const tsr_page_text *t, size_t max_bytes, size_t *n_whole, tsr_error *err)
{
    tsr_status st = TSR_OK;
    bool full = false;
    *n_whole = 0;
    for (size_t b = 0; b < t->n_blocks && st == TSR_OK; b++)
        for (size_t i = 0; i < t->blocks[b].n && st == TSR_OK; i++) {
            const tsr_page_line *l = &t->lines[t->blocks[b].first + i];
            bool gap = b > 0 && i == 0;
            *n_whole += line_bytes(t, l) + gap;
            full = full || *n_whole > max_bytes;
            if (!full && gap)
                st = tsr_text_add(out, "\n", 1, err);
            if (!full && st == TSR_OK)
                st = add_line(out, t, l, err);
        }
    return st;
}

static void add_coordinate(tsri_build *list, double points)
{
    tsri_add(list, tsr_json_new_double(round(100 * points) / 100));
}

tsr_json *tsri_page_box_json(const tsr_page_box *box)
{
    tsri_build list = tsri_build_list();
    add_coordinate(&list, box->x0);
    add_coordinate(&list, box->y0);
    add_coordinate(&list, box->x1);
    add_coordinate(&list, box->y1);
    return tsri_build_end(&list);
}

static tsr_json *block_json(const tsr_page_text *t, const tsr_page_block *b)
{
    tsr_text text = {0};
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < b->n && st == TSR_OK; i++)
        st = add_line(&text, t, &t->lines[b->first + i], NULL);
    tsri_build o = tsri_build_object();
    tsri_put(&o, "box", tsri_page_box_json(&b->box));
    tsri_put(&o, "text", st == TSR_OK ? tsr_json_new_string(text.at, text.len - 1) : NULL);
    tsr_text_deinit(&text);
    return tsri_build_end(&o);
}

tsr_json *tsri_layer_json(const tsr_page_text *t, size_t n_whole, size_t n_given)
{
    tsri_build o = tsri_build_object(), blocks = tsri_build_list();
    for (size_t i = 0; i < t->n_blocks; i++)
        tsri_add(&blocks, block_json(t, &t->blocks[i]));
    tsri_put_size(&o, "words", t->n_words);
    tsri_put_size(&o, "bytes", n_whole);
    tsri_put_size(&o, "given_bytes", n_given);
    tsri_put(&o, "blocks", tsri_build_end(&blocks));
    return tsri_build_end(&o);
}
