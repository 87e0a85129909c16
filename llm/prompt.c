/* prompt.c: ids and spans of a prompt.
 *
 * The reference prints the whole conversation and then cuts it at control tokens, so text between
 * two of them is encoded at once: a film's "00:05 " merges with the user's words before it. */
#include "tsr_prompt.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"

static const double MAX_FRAME_TIME = 6e6; /* seconds: four digits of minutes and more */

typedef struct builder {
    const tsr_tokenizer *t;
    const tsr_media_ids *ids;
    tsr_prompt *out;
    tsr_encode_mode mode;
    tsr_text run; /* text since the last control token */
    tsr_error *err;
} builder;

void tsr_prompt_deinit(tsr_prompt *p)
{
    tsr_ids_deinit(&p->ids);
    tsr_free(p->spans);
    *p = (tsr_prompt){0};
}

tsr_part_kind tsr_prompt_kind_at(const tsr_prompt *p, size_t at)
{
    size_t low = 0, high = p->n_spans;
    while (low < high) { /* the last span that starts at or before `at` */
        size_t mid = low + (high - low) / 2;
        if (p->spans[mid].start <= at) low = mid + 1;
        else high = mid;
    }
    if (low == 0 || at - p->spans[low - 1].start >= p->spans[low - 1].len) return TSR_PART_TEXT;
    return p->spans[low - 1].kind;
}

tsr_media_ids tsr_media_ids_find(const tsr_tokenizer *t)
{
    return (tsr_media_ids){
        .begin_image = tsr_tokenizer_id_of(t, "<|image>"),
        .image = tsr_tokenizer_id_of(t, "<|image|>"),
        .end_image = tsr_tokenizer_id_of(t, "<image|>"),
        .begin_audio = tsr_tokenizer_id_of(t, "<|audio>"),
        .audio = tsr_tokenizer_id_of(t, "<|audio|>"),
        .end_audio = tsr_tokenizer_id_of(t, "<audio|>"),
        .video = tsr_tokenizer_id_of(t, "<|video|>"),
    };
}

/* ---- Pieces ---- */

static tsr_status flush(builder *b)
{
    tsr_status st = TSR_OK;
    if (b->run.len) st = tsr_tokenizer_encode(b->t, b->run.at, b->run.len, b->mode, &b->out->ids, b->err);
    b->run.len = 0;
    return st;
}

static tsr_status add_control(builder *b, int32_t id, const char *name)
{
    tsr_status st = flush(b);
    if (st != TSR_OK) return st;
    if (id < 0) return tsr_fail(b->err, TSR_ERR_MODEL, "prompt: the tokenizer has no token %s", name);
    return tsr_ids_add(&b->out->ids, id, b->err);
}

static tsr_status add_span(builder *b, tsr_prompt_span span, int32_t id, size_t *total)
{
    tsr_prompt *p = b->out;
    tsr_status st;
    span.start = p->ids.n;
    if (p->n_spans == p->cap_spans) {
        size_t cap = p->cap_spans ? 2 * p->cap_spans : 16, bytes;
        tsr_prompt_span *grown = tsr_mul_size(&bytes, cap, sizeof *grown) ? tsr_realloc(p->spans, bytes) : NULL;
        if (!grown) return tsr_fail(b->err, TSR_ERR_NOMEM, "out of memory: prompt");
        p->spans = grown;
        p->cap_spans = cap;
    }
    st = tsr_ids_fill(&p->ids, id, span.len, b->err);
    if (st != TSR_OK) return st;
    p->spans[p->n_spans++] = span;
    *total += span.len;
    return TSR_OK;
}

/* One image, or one frame of a film. */
static tsr_status add_picture(builder *b, tsr_prompt_span span)
{
    bool film = span.kind == TSR_PART_VIDEO;
    int32_t id = film ? b->ids->video : b->ids->image;
    tsr_status st = add_control(b, b->ids->begin_image, "<|image>");
    if (st == TSR_OK && id < 0)
        st = tsr_fail(b->err, TSR_ERR_MODEL, "prompt: the tokenizer has no token %s", film ? "<|video|>" : "<|image|>");
    if (st == TSR_OK) st = add_span(b, span, id, film ? &b->out->n_video : &b->out->n_image);
    return st == TSR_OK ? add_control(b, b->ids->end_image, "<image|>") : st;
}

static tsr_status add_clip(builder *b, tsr_prompt_span span)
{
    tsr_status st = add_control(b, b->ids->begin_audio, "<|audio>");
    if (st == TSR_OK && b->ids->audio < 0)
        st = tsr_fail(b->err, TSR_ERR_MODEL, "prompt: the tokenizer has no token <|audio|>");
    if (st == TSR_OK) st = add_span(b, span, b->ids->audio, &b->out->n_audio);
    return st == TSR_OK ? add_control(b, b->ids->end_audio, "<audio|>") : st;
}

static tsr_status add_film(builder *b, const tsr_prompt_media *m, tsr_prompt_span span)
{
    tsr_status st = TSR_OK;
    char stamp[32];
    for (size_t i = 0; i < m->n_frames && st == TSR_OK; i++) {
        double t = m->frame_times[i];
        int n;
        if (!(t >= 0 && t < MAX_FRAME_TIME)) return tsr_fail(b->err, TSR_ERR_USAGE, "prompt: frame %zu at %g s", i, t);
        n = snprintf(stamp, sizeof stamp, "%s%02ld:%02ld ", i ? " " : "", (long)floor(t / 60), (long)fmod(t, 60));
        st = tsr_text_add(&b->run, stamp, (size_t)n, b->err);
        span.frame = i;
        if (st == TSR_OK) st = add_picture(b, span);
    }
    return st;
}

static tsr_status add_media(builder *b, tsr_part_kind kind, size_t part, const tsr_prompt_media *media, size_t n_media)
{
    const tsr_prompt_media *m = media + part;
    tsr_prompt_span span = {.kind = kind, .part = part};
    if (part >= n_media) return tsr_fail(b->err, TSR_ERR_USAGE, "prompt: no media for part %zu", part);
    if (m->kind != kind)
        return tsr_fail(b->err, TSR_ERR_USAGE, "prompt: part %zu is %s, its media %s", part, tsr_part_kind_name(kind),
                        tsr_part_kind_name(m->kind));
    span.len = m->n_tokens;
    if (kind == TSR_PART_IMAGE) return add_picture(b, span);
    if (kind == TSR_PART_AUDIO) return add_clip(b, span);
    return add_film(b, m, span);
}

static tsr_status finish(builder *b, tsr_status st)
{
    if (st == TSR_OK) st = flush(b);
    tsr_text_deinit(&b->run);
    if (st != TSR_OK) tsr_prompt_deinit(b->out);
    return st;
}

/* ---- From a conversation ---- */

tsr_status tsr_prompt_build(tsr_prompt *out, const tsr_tokenizer *t, const tsr_media_ids *ids, const tsr_segments *s,
                            const tsr_prompt_media *media, size_t n_media, tsr_error *err)
{
    builder b = {.t = t, .ids = ids, .out = out, .mode = TSR_ENCODE_PLAIN, .err = err};
    tsr_status st = TSR_OK;

    *out = (tsr_prompt){0};
    if (tsr_segments_media(s) != n_media)
        return tsr_fail(err, TSR_ERR_USAGE, "prompt: %zu media parts, but %zu given", tsr_segments_media(s), n_media);
    for (size_t i = 0; i < tsr_segments_count(s) && st == TSR_OK; i++) {
        const tsr_segment *g = tsr_segments_at(s, i);
        if (g->kind == TSR_SEGMENT_TEXT) st = tsr_text_add(&b.run, g->text, g->len, err);
        else if (g->kind == TSR_SEGMENT_CONTROL) st = add_control(&b, tsr_tokenizer_id_of(t, g->text), g->text);
        else st = add_media(&b, g->media, g->media_index, media, n_media);
    }
    return finish(&b, st);
}

/* ---- Without a template ---- */

static const char *const placeholders[] = {"", "<|image|>", "<|audio|>", "<|video|>"};

typedef struct raw_state {
    const tsr_prompt_media *media;
    size_t n_media;
    size_t typed[TSR_PART_VIDEO + 1]; /* placeholders of each kind in the texts */
    size_t next[TSR_PART_VIDEO + 1];  /* the media part that the next one of the kind stands for */
} raw_state;

/* The first placeholder in the text; *kind TEXT when there is none. */
static const char *find_placeholder(const char *s, size_t len, tsr_part_kind *kind)
{
    for (; len; s++, len--) {
        for (int k = TSR_PART_IMAGE; k <= TSR_PART_VIDEO && *s == '<'; k++) {
            size_t n = strlen(placeholders[k]);
            if (len < n || memcmp(s, placeholders[k], n) != 0) continue;
            *kind = (tsr_part_kind)k;
            return s;
        }
    }
    *kind = TSR_PART_TEXT;
    return s;
}

static tsr_status count_placeholders(raw_state *r, const tsr_chat_part *parts, size_t n_parts, tsr_error *err)
{
    size_t given[TSR_PART_VIDEO + 1] = {0}, n_given = 0;
    for (size_t i = 0; i < n_parts; i++) {
        const char *s = parts[i].text, *end = s ? s + parts[i].len : NULL, *hit;
        tsr_part_kind kind;
        if (parts[i].kind != TSR_PART_TEXT) {
            given[parts[i].kind]++;
            n_given++;
            continue;
        }
        while (s < end && (hit = find_placeholder(s, (size_t)(end - s), &kind), kind != TSR_PART_TEXT)) {
            r->typed[kind]++;
            s = hit + strlen(placeholders[kind]);
        }
    }
    if (n_given != r->n_media) return tsr_fail(err, TSR_ERR_USAGE, "prompt: %zu media parts, but %zu given", n_given, r->n_media);
    for (int k = TSR_PART_IMAGE; k <= TSR_PART_VIDEO; k++)
        if (r->typed[k] && r->typed[k] != given[k])
            return tsr_fail(err, TSR_ERR_USAGE, "prompt: the text holds %s %zu times, for %zu parts", placeholders[k],
                            r->typed[k], given[k]);
    return TSR_OK;
}

/* The next media part of the kind takes its place. */
static tsr_status place_media(builder *b, raw_state *r, tsr_part_kind kind)
{
    size_t k = r->next[kind];
    while (k < r->n_media && r->media[k].kind != kind) k++;
    r->next[kind] = k + 1;
    return add_media(b, kind, k, r->media, r->n_media);
}

static tsr_status add_raw_text(builder *b, raw_state *r, const char *s, size_t len)
{
    const char *end = s + len;
    tsr_status st = TSR_OK;
    while (s < end && st == TSR_OK) {
        tsr_part_kind kind;
        const char *hit = find_placeholder(s, (size_t)(end - s), &kind);
        st = tsr_text_add(&b->run, s, (size_t)(hit - s), b->err);
        if (kind == TSR_PART_TEXT) break;
        if (st == TSR_OK) st = place_media(b, r, kind);
        s = hit + strlen(placeholders[kind]);
    }
    return st;
}

/* One BOS in front, however many the text had. */
static tsr_status set_bos(builder *b)
{
    tsr_ids *ids = &b->out->ids;
    int32_t bos = tsr_tokenizer_id_of(b->t, "<bos>");
    size_t had = 0;
    tsr_status st;

    if (bos < 0) return tsr_fail(b->err, TSR_ERR_MODEL, "prompt: the tokenizer has no token <bos>");
    while (had < ids->n && ids->at[had] == bos) had++;
    st = had ? TSR_OK : tsr_ids_add(ids, bos, b->err);
    if (st != TSR_OK) return st;
    if (had) memmove(ids->at + 1, ids->at + had, (ids->n - had) * sizeof *ids->at);
    else memmove(ids->at + 1, ids->at, (ids->n - 1) * sizeof *ids->at);
    ids->at[0] = bos;
    ids->n = had ? ids->n - had + 1 : ids->n;
    for (size_t i = 0; i < b->out->n_spans; i++) b->out->spans[i].start = b->out->spans[i].start + 1 - had;
    return TSR_OK;
}

tsr_status tsr_prompt_build_raw(tsr_prompt *out, const tsr_tokenizer *t, const tsr_media_ids *ids,
                                const tsr_chat_part *parts, size_t n_parts, const tsr_prompt_media *media,
                                size_t n_media, tsr_error *err)
{
    builder b = {.t = t, .ids = ids, .out = out, .mode = TSR_ENCODE_CONTROL, .err = err};
    raw_state r = {.media = media, .n_media = n_media};
    tsr_status st;

    *out = (tsr_prompt){0};
    st = count_placeholders(&r, parts, n_parts, err);
    for (size_t i = 0; i < n_parts && st == TSR_OK; i++) {
        if (parts[i].kind == TSR_PART_TEXT) st = add_raw_text(&b, &r, parts[i].text, parts[i].len);
        else if (!r.typed[parts[i].kind]) st = place_media(&b, &r, parts[i].kind);
    }
    if (st == TSR_OK) st = flush(&b);
    if (st == TSR_OK) st = set_bos(&b);
    return finish(&b, st);
}
