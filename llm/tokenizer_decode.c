/* tokenizer_decode.c: ids become text. The reference's decoder is: U+2581 to a space, runs of
 * byte tokens to the characters they spell, all joined. */
#include <string.h>

#include "tokenizer_internal.h"

void tsr_detok_init(tsr_detok *d, const tsr_tokenizer *t, bool with_control)
{
    *d = (tsr_detok){.t = t, .with_control = with_control};
}

void tsr_detok_deinit(tsr_detok *d)
{
    tsr_text_deinit(&d->run);
}

tsr_status tsr_detok_finish(tsr_detok *d, tsr_text *out, tsr_error *err)
{
    tsr_status st = TSR_OK;
    if (tsr_utf8_valid(d->run.at, d->run.len)) {
        st = tsr_text_add(out, d->run.at, d->run.len, err);
    } else {
        for (size_t i = 0; i < d->run.len && st == TSR_OK; i++) st = tsr_text_add(out, "\xEF\xBF\xBD", 3, err);
    }
    d->run.len = 0;
    return st;
}

static tsr_status add_piece(tsr_text *out, const char *s, size_t len, tsr_error *err)
{
    tsr_status st = TSR_OK;
    size_t from = 0, at = 0;
    while (at < len && st == TSR_OK) {
        if (len - at >= TSRI_SPACE_LEN && memcmp(s + at, TSRI_SPACE, TSRI_SPACE_LEN) == 0) {
            st = tsr_text_add(out, s + from, at - from, err);
            if (st == TSR_OK) st = tsr_text_add(out, " ", 1, err);
            at += TSRI_SPACE_LEN;
            from = at;
        } else {
            at++;
        }
    }
    return st == TSR_OK ? tsr_text_add(out, s + from, len - from, err) : st;
}

tsr_status tsr_detok_push(tsr_detok *d, int32_t id, tsr_text *out, tsr_error *err)
{
    size_t len;
    const char *s = tsr_tokenizer_piece(d->t, id, &len);
    int byte = tsr_tokenizer_byte_of(d->t, id);
    tsr_status st;
    char b;

    if (!s || (!d->with_control && tsr_tokenizer_is_control(d->t, id))) return TSR_OK;
    if (byte >= 0) {
        b = (char)byte;
        return tsr_text_add(&d->run, &b, 1, err);
    }
    st = tsr_detok_finish(d, out, err);
    return st == TSR_OK ? add_piece(out, s, len, err) : st;
}

tsr_status tsr_tokenizer_decode(const tsr_tokenizer *t, const int32_t *ids, size_t n, bool with_control,
                                tsr_text *out, tsr_error *err)
{
    tsr_detok d;
    tsr_status st = TSR_OK;
    tsr_detok_init(&d, t, with_control);
    for (size_t i = 0; i < n && st == TSR_OK; i++) st = tsr_detok_push(&d, ids[i], out, err);
    if (st == TSR_OK) st = tsr_detok_finish(&d, out, err);
    tsr_detok_deinit(&d);
    return st;
}
