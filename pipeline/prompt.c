/* prompt.c: parts become turns, turns become the rendered prompt. The media parts stand where they were
 * given; system texts are one turn at the front, wherever they were given. */
#include "prompt.h"

#include <stdio.h>
#include <string.h>

#include "budget.h"
#include "tsr_alloc.h"

typedef struct builder {
    const tsri_media_list *media;
    const tessera_request *rq;
    tsr_chat_part *parts; /* of all turns, [n_parts] */
    size_t n_parts;
    size_t next_part, next_media; /* of the request and of the list: the first that no turn has taken yet */
    tsr_prompt_media *expansions; /* [media->n] */
    tsr_text system;
    bool has_system;
    tsr_json *tools_doc;
    tsr_chat_message *messages;
    size_t n_messages;
} builder;

static void deinit(builder *b)
{
    tsr_free(b->parts);
    tsr_free(b->expansions);
    tsr_text_deinit(&b->system);
    tsr_json_free(b->tools_doc);
    tsr_free(b->messages);
}

static size_t text_len(const tessera_part *p)
{
    return p->text_len ? p->text_len : p->text ? strlen(p->text) : 0;
}

static tsr_part_kind kind_of(const tsri_media *m)
{
    switch (m->kind) {
    case TSRI_VIDEO: return TSR_PART_VIDEO;
    case TSRI_AUDIO: return TSR_PART_AUDIO;
    case TSRI_IMAGE:
    case TSRI_PAGE: break;
    }
    return TSR_PART_IMAGE;
}

static tsr_status add_system(builder *b, const tessera_part *p, tsr_error *err)
{
    tsr_status st = b->has_system ? tsr_text_add(&b->system, "\n", 1, err) : TSR_OK;
    b->has_system = true;
    return st == TSR_OK ? tsr_text_add(&b->system, p->text ? p->text : "", text_len(p), err) : st;
}

/* The next n parts of the request become a turn's. The list of media parts is in the order of the request's parts. */
static tsr_status take_parts(builder *b, size_t n, tsr_chat_message *turn, tsr_error *err)
{
    tsr_status st = TSR_OK;
    turn->parts = b->parts + b->n_parts;
    for (size_t i = b->next_part; i < b->next_part + n && st == TSR_OK; i++) {
        const tessera_part *p = &b->rq->parts[i];
        if (p->kind == TESSERA_PART_SYSTEM) {
            st = add_system(b, p, err);
        } else if (p->kind == TESSERA_PART_TEXT) {
            b->parts[b->n_parts++] =
                (tsr_chat_part){.kind = TSR_PART_TEXT, .text = p->text ? p->text : "", .len = text_len(p)};
        } else {
            for (; b->next_media < b->media->n && b->media->at[b->next_media].part == i; b->next_media++)
                b->parts[b->n_parts++] = (tsr_chat_part){.kind = kind_of(&b->media->at[b->next_media])};
        }
    }
    b->next_part += n;
    turn->n_parts = (size_t)(b->parts + b->n_parts - turn->parts);
    return st;
}

/* Earlier messages, then the user's turn, which may be left out after them. messages[0] stays free for a system text. */
static tsr_status collect_turns(builder *b, tsr_error *err)
{
    static const tsri_messages none;
    const tsri_messages *earlier = b->media->earlier ? b->media->earlier : &none;
    size_t room;
    if (!tsr_add_size(&room, b->rq->n_parts, b->media->n))
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: parts");
    tsr_status st = tsr_alloc_array(&b->parts, room, sizeof *b->parts, "parts", err);
    if (st == TSR_OK)
        st = tsr_alloc_array(&b->messages, earlier->n + 2, sizeof *b->messages, "messages", err);
    for (size_t i = 0; i < earlier->n && st == TSR_OK; i++) {
        tsr_chat_message *turn = &b->messages[1 + b->n_messages++];
        tsri_message_show(turn, &earlier->at[i]);
        st = take_parts(b, earlier->at[i].parts.n, turn, err);
    }
    if (st != TSR_OK)
        return st;
    tsr_chat_message *turn = &b->messages[1 + b->n_messages];
    *turn = (tsr_chat_message){.role = TSR_ROLE_USER};
    st = take_parts(b, b->rq->n_parts - b->next_part, turn, err);
    b->n_messages += turn->n_parts || earlier->n == 0;
    if (st == TSR_OK && b->has_system && tsri_messages_have_system(earlier))
        st = tsr_fail(err, TSR_ERR_USAGE, "the earlier messages have a system turn, and a system text is given too");
    return st;
}

static tsr_status collect_expansions(builder *b, tsr_error *err)
{
    tsr_status st = tsr_alloc_array(&b->expansions, b->media->n, sizeof *b->expansions, "media parts", err);
    for (size_t i = 0; i < b->media->n && st == TSR_OK; i++) {
        const tsri_media *m = &b->media->at[i];
        bool film = m->kind == TSRI_VIDEO;
        b->expansions[i] = (tsr_prompt_media){.kind = kind_of(m),
                                              .n_tokens = film ? m->tokens_each : m->n_tokens,
                                              .n_frames = film ? m->n_pictures : 0,
                                              .frame_times = m->times};
    }
    return st;
}

/* JSON that a user wrote is bad data, not a bad model. */
static tsr_status parse_user_json(tsr_json **out, const char *text, const char *what, tsr_error *err)
{
    tsr_error why = {TSR_OK, ""};
    tsr_status st = tsr_json_parse(out, text, strlen(text), what, &why);
    if (st == TSR_OK && !tsr_json_is_array(*out))
        return tsr_fail(err, TSR_ERR_DATA, "%s: is no JSON list", what);
    return st == TSR_OK ? st : tsr_fail(err, st == TSR_ERR_MODEL ? TSR_ERR_DATA : st, "%s", why.text);
}

static tsr_status build_chat(builder *b, tsr_prompt *out, const tsr_media_ids *ids, tsr_error *err)
{
    const tsr_text_config *c = tsri_model_config(b->media->model);
    tsr_chat_opts o = tsr_chat_opts_default();
    tsr_chat_part system = {.kind = TSR_PART_TEXT, .text = b->system.at, .len = b->system.len};
    tsr_segments *segments = NULL;
    tsr_status st = b->rq->tools ? parse_user_json(&b->tools_doc, b->rq->tools, "tools", err) : TSR_OK;
    b->messages[0] = (tsr_chat_message){.role = TSR_ROLE_SYSTEM, .parts = &system, .n_parts = 1};
    o.thinking = b->rq->think != 0;
    o.empty_thought = c->empty_thought;
    o.generation_prompt = true;
    o.tools = b->tools_doc;
    if (st == TSR_OK)
        st = tsr_chat_render(&segments, b->messages + !b->has_system, b->n_messages + b->has_system, &o, err);
    if (st == TSR_OK)
        st = tsr_prompt_build(out, b->media->model->tokenizer, ids, segments, b->expansions, b->media->n, err);
    tsr_segments_free(segments);
    return st;
}

static tsr_status check_raw(const builder *b, tsr_error *err)
{
    if (b->has_system)
        return tsr_fail(err, TSR_ERR_USAGE, "a raw prompt has no system turn");
    if (b->media->earlier || b->rq->tools)
        return tsr_fail(err, TSR_ERR_USAGE, "a raw prompt takes no messages and no tools");
    if (b->rq->think)
        return tsr_fail(err, TSR_ERR_USAGE, "a raw prompt has no thinking switch");
    return TSR_OK;
}

tsr_status tsri_prompt_build(tsr_prompt *out, const tsri_media_list *media, tsr_error *err)
{
    builder b = {.media = media, .rq = media->rq};
    const tsr_tokenizer *t = media->model->tokenizer;
    tsr_media_ids ids = tsr_media_ids_find(t);
    ids.video = media->model->ids.video;
    tsr_status st = collect_turns(&b, err);
    if (st == TSR_OK)
        st = collect_expansions(&b, err);
    if (st == TSR_OK && b.rq->raw) {
        st = check_raw(&b, err);
        if (st == TSR_OK)
            st = tsr_prompt_build_raw(out, t, &ids, b.parts, b.n_parts, b.expansions, media->n, err);
    } else if (st == TSR_OK) {
        st = build_chat(&b, out, &ids, err);
    }
    deinit(&b);
    return st;
}

/* ---- does it fit? ---- */

/* The largest budget at which all pictures together need at most `room` soft tokens; 0: none. */
static size_t budget_that_fits(size_t n_pictures, size_t room)
{
    size_t best = 0;
    for (size_t i = 0; i < TSRI_N_BUDGETS; i++)
        if (n_pictures && tsri_budgets[i] <= room / n_pictures)
            best = tsri_budgets[i];
    return best;
}

enum { ADVICE_BYTES = 200, FRAME_OVERHEAD = 8 /* time stamp, markers, space */ };

static void advise(char *out, const tsr_prompt *p, const tsri_media_list *l, size_t ctx)
{
    size_t n_films = 0, n_pictures = 0, per_frame = 0;
    for (size_t i = 0; i < l->n; i++) {
        n_films += l->at[i].kind == TSRI_VIDEO;
        n_pictures += l->at[i].kind == TSRI_IMAGE || l->at[i].kind == TSRI_PAGE;
        if (l->at[i].kind == TSRI_VIDEO && l->at[i].tokens_each > per_frame)
            per_frame = l->at[i].tokens_each;
    }
    size_t fixed = p->ids.n + 1 - p->n_video; /* all but the film's soft tokens */
    for (size_t i = 0; i < l->n; i++)
        if (l->at[i].kind == TSRI_VIDEO)
            fixed -= fixed > l->at[i].n_pictures * FRAME_OVERHEAD ? l->at[i].n_pictures * FRAME_OVERHEAD : 0;
    out[0] = '\0';
    if (n_films && fixed < ctx && (ctx - fixed) / (n_films * (per_frame + FRAME_OVERHEAD)) > 0) {
        snprintf(out, ADVICE_BYTES, "; about %zu frames%s would fit",
                 (ctx - fixed) / (n_films * (per_frame + FRAME_OVERHEAD)), n_films > 1 ? " for each film" : "");
        return;
    }
    fixed = p->ids.n + 1 - p->n_image;
    size_t budget = fixed < ctx ? budget_that_fits(n_pictures, ctx - fixed) : 0;
    if (budget)
        snprintf(out, ADVICE_BYTES, "; a budget of %zu per picture would fit", budget);
}

tsr_status tsri_prompt_check_fit(const tsr_prompt *p, const tsri_media_list *l, size_t ctx, tsr_error *err)
{
    char advice[ADVICE_BYTES], more[ADVICE_BYTES] = "";
    size_t most = tsri_model_config(l->model)->max_positions;
    if (p->ids.n < ctx)
        return TSR_OK;
    advise(advice, p, l, ctx);
    if (ctx < most)
        snprintf(more, sizeof more, "; up to %zu can be asked for (ctx)", most);
    return tsr_fail(err, TSR_ERR_LIMIT,
                    "the prompt has %zu positions (soft tokens: %zu of pictures, %zu of films, %zu of sound), the context "
                    "%zu%s%s",
                    p->ids.n, p->n_image, p->n_video, p->n_audio, ctx, advice, more);
}
