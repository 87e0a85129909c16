/* mmproj_towers.c: towers from folders and from mmproj files. */
#include "test_main.h"

#include <math.h>
#include <stdio.h>

#include "mmproj_towers.h"
#include "test_tmp.h"
#include "tsr_gguf_towers.h"

void mm_close(mm_towers *t)
{
    tsr_vision_close(t->v);
    tsr_hearing_close(t->a);
    tsr_pool_close(t->pool);
    tsr_json_free(t->config);
    tsr_weights_close(t->w);
    *t = (mm_towers){0};
}

static tsr_status open_parts(mm_towers *t, const tsr_json *extractor, tsr_error *err)
{
    tsr_status st = tsr_pool_open(&t->pool, 1, err);
    if (st == TSR_OK && tsr_vision_present(t->w))
        st = tsr_vision_open(&t->v, t->w, tsr_json_get(t->config, "vision_config"), t->text_hidden, t->pool, err);
    if (st == TSR_OK && tsr_hearing_present(t->w))
        st = tsr_hearing_open(&t->a, t->w, tsr_json_get_set(t->config, "audio_config"), extractor, t->text_hidden,
                              t->pool, err);
    return st;
}

tsr_status mm_try_file(mm_towers *t, mm_model *m, size_t text_hidden, tsr_error *err)
{
    char text[64];
    const tsr_gguf *g = mm_open(m);
    *t = (mm_towers){.text_hidden = text_hidden};
    snprintf(text, sizeof text, "{\"text_config\": {\"hidden_size\": %zu}}", text_hidden);
    tsr_status st = tsr_json_parse(&t->config, text, strlen(text), "config", err);
    if (st == TSR_OK)
        st = tsr_weights_new(&t->w, "text.gguf", err);
    if (st == TSR_OK)
        st = tsr_gguf_towers_config(t->config, g, err);
    if (st == TSR_OK)
        st = tsr_gguf_towers_weights(t->w, g, err);
    if (st == TSR_OK)
        st = open_parts(t, tsr_json_get(t->config, "feature_extractor"), err);
    if (st == TSR_OK)
        st = tsr_weights_check_unclaimed(t->w, err);
    return st;
}

void mm_open_file(mm_towers *t, mm_model *m, size_t text_hidden)
{
    tsr_error err = {0};
    if (mm_try_file(t, m, text_hidden, &err) != TSR_OK)
        fail_msg("%s", err.text);
}

void mm_open_folder(mm_towers *t, const char *dir)
{
    tsr_error err = {0};
    *t = (mm_towers){0};
    if (tsr_json_parse_file(&t->config, test_path(dir, "config.json"), 1 << 20, &err) != TSR_OK)
        fail_msg("%s", err.text);
    assert_true(tsr_json_to_size(tsr_json_get(tsr_json_get(t->config, "text_config"), "hidden_size"), &t->text_hidden));
    if (tsr_weights_open(&t->w, dir, &err) != TSR_OK || open_parts(t, NULL, &err) != TSR_OK)
        fail_msg("%s", err.text);
}

void mm_open_small(mm_towers *t, enc_model *m, const char *sense)
{
    char key[32];
    tsr_error err = {0};
    char *dir = test_tmp_make();
    *t = (mm_towers){.text_hidden = ENC_TEXT_HIDDEN, .w = enc_open(m, dir), .config = tsr_json_new_object()};
    test_tmp_remove(dir);
    snprintf(key, sizeof key, "%s_config", sense);
    assert_true(tsr_json_set(t->config, key, enc_config(m)));
    if (open_parts(t, NULL, &err) != TSR_OK)
        fail_msg("%s", err.text);
}

mm_model mm_file_of(const mm_towers *t)
{
    return mm_from(t->w, tsr_json_get_set(t->config, "vision_config"), tsr_json_get_set(t->config, "audio_config"),
                   t->text_hidden);
}

/* Rows of a picture and of a sound, whatever of it these mm_towers can take; the caller's (free). */
static float *rows_of(const mm_towers *t, size_t *n_values)
{
    enum { N_SAMPLES = 5000 };
    float *rows = NULL;
    tsr_error err = {0};
    size_t seen = 0, heard = 0, n;
    tsr_image img = enc_picture(96, 48, 5);
    float *sound = enc_sound(N_SAMPLES, 6);
    if (t->v)
        assert_int_equal(tsr_vision_tokens_for(t->v, img.width, img.height, &seen, &err), TSR_OK);
    if (t->a)
        heard = tsr_hearing_tokens_for(t->a, N_SAMPLES);
    *n_values = (seen + heard) * t->text_hidden;
    assert_true(*n_values > 0);
    rows = must_realloc(NULL, *n_values * sizeof *rows);
    if (t->v && tsr_vision_encode(t->v, &img, 1, rows, seen, &n, &err) != TSR_OK)
        fail_msg("%s", err.text);
    if (t->a) {
        size_t frames = tsr_hearing_frames_for(t->a, N_SAMPLES);
        float *features = must_realloc(NULL, frames * tsr_hearing_describe(t->a).feature_width * sizeof *features);
        tsr_hearing_features(t->a, sound, N_SAMPLES, features);
        if (tsr_hearing_encode(t->a, features, frames, rows + seen * t->text_hidden, heard, &n, &err) != TSR_OK)
            fail_msg("%s", err.text);
        free(features);
    }
    free(img.rgb);
    free(sound);
    return rows;
}

double mm_row_difference(const mm_towers *a, const mm_towers *b)
{
    size_t n = 0, m = 0;
    double most = 0.0, largest = 0.0;
    float *x = rows_of(a, &n), *y = rows_of(b, &m);
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++) {
        assert_true(isfinite(x[i]) && isfinite(y[i]));
        most = fmax(most, fabs((double)x[i] - (double)y[i]));
        largest = fmax(largest, fabs((double)x[i]));
    }
    free(x);
    free(y);
    return most / largest;
}

void assert_same_rows(const mm_towers *a, const mm_towers *b)
{
    size_t n = 0, m = 0;
    float *x = rows_of(a, &n), *y = rows_of(b, &m);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n * sizeof *x);
    free(x);
    free(y);
}

const char *mm_sense(size_t kind)
{
    return kind >= MM_SOUND ? "audio" : "vision";
}

enc_model mm_small_model(size_t kind)
{
    switch (kind) {
    case MM_CLIPPED: return enc_vision_tower(true);
    case MM_PLAIN: return enc_vision_tower(false);
    case MM_UNIFIED: return enc_vision_unified(false);
    case MM_MODULES: return enc_vision_unified(true);
    case MM_SOUND: return enc_sound_tower(true);
    case MM_SOUND_PLAIN: return enc_sound_tower(false);
    default: return enc_sound_unified();
    }
}

mm_model mm_small_file(size_t kind)
{
    mm_towers t;
    enc_model e = mm_small_model(kind);
    mm_open_small(&t, &e, mm_sense(kind));
    mm_model m = mm_file_of(&t);
    mm_close(&t);
    enc_model_free(&e);
    return m;
}

void assert_rows(mm_model *a, mm_model *b, bool same)
{
    mm_towers x, y;
    mm_open_file(&x, a, ENC_TEXT_HIDDEN);
    mm_open_file(&y, b, ENC_TEXT_HIDDEN);
    if (same)
        assert_same_rows(&x, &y);
    else
        assert_true(mm_row_difference(&x, &y) > 0.0);
    mm_close(&x);
    mm_close(&y);
}

bool mm_is_limit(const char *name)
{
    return strstr(name, "put_m") != NULL;
}
