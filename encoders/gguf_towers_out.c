/* gguf_towers_out.c: names, layouts and configuration of the towers as an mmproj file has them.
 *
 * Numbers come from the tensors wherever they stand there, so that file and tensors can't contradict. */
#include "tsr_gguf_towers_out.h"

#include <stdio.h>
#include <string.h>

#include "config_internal.h"
#include "tsr_gguf_name.h"
#include "tsr_gguf_towers.h"

enum { NAME_BYTES = 96, DUMMY_IMAGE_SIZE = 224, DEFAULT_PATCH = 16, DEFAULT_POOL = 3, DEFAULT_MELS = 128 };

/* ---- tensors ---- */

static tsr_status rename_one(tsr_weights *out, const tsr_gguf_tower_tensor *row, size_t layer, const char *name,
                             const tsr_view *v, tsr_error *err)
{
    char renamed[NAME_BYTES];
    void *memory;
    tsr_view turned;
    tsr_gguf_name_print(renamed, sizeof renamed, row->gguf, layer); /* patterns are short */
    tsr_status st = tsr_gguf_tower_to_file(&turned, &memory, row, v, name, err);
    if (st != TSR_OK)
        return st;
    return memory ? tsr_weights_add_owned(out, renamed, &turned, memory, err)
                  : tsr_weights_add(out, renamed, &turned, err);
}

tsr_status tsr_gguf_towers_rename(tsr_weights *out, const tsr_weights *from, tsr_error *err)
{
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < tsr_weights_count(from) && st == TSR_OK; i++) {
        size_t layer;
        const tsr_gguf_tower_tensor *row = tsr_gguf_tower_find_hf(tsr_weights_name(from, i), &layer);
        if (row)
            st = rename_one(out, row, layer, tsr_weights_name(from, i), tsr_weights_view(from, i), err);
    }
    return st;
}

static const char VISION_PROJECTOR[] = "mm.input_projection.weight";
static const char SOUND_PROJECTOR[] = "mm.a.input_projection.weight";

bool tsr_gguf_towers_any(const tsr_weights *renamed)
{
    return tsr_weights_find(renamed, VISION_PROJECTOR) || tsr_weights_find(renamed, SOUND_PROJECTOR);
}

/* ---- what such a file can't say ---- */

static const struct {
    const char *object, *key;
    double taken; /* by readers */
} UNSAID[] = {
    {"audio_config", "rms_norm_eps", 1e-6}, /* there is a key, and files that hold a wrong one */
    {"audio_config", "attention_chunk_size", 12},
    {"audio_config", "attention_context_left", 13},
    {"audio_config", "attention_context_right", 0},
    {"audio_config", "attention_logit_cap", 50},
    {"audio_config", "attention_invalid_logits_value", -1e9},
    {"audio_config", "residual_weight", 0.5},
    {"audio_config", "gradient_clipping", 1e10},
    {"vision_config", "rope_theta", 100},
    {"vision_config.rope_parameters", "rope_theta", 100},
    {"feature_extractor", "sampling_rate", 16000},
    {"feature_extractor", "min_frequency", 0},
    {"feature_extractor", "max_frequency", 8000},
    {"feature_extractor", "mel_floor", 0.001},
    {"feature_extractor", "frame_length_ms", 20},
    {"feature_extractor", "hop_length_ms", 10},
    {"feature_extractor", "fft_overdrive", 0},
};

static bool to_number(const tsr_json *v, double *out)
{
    bool b = false;
    if (tsr_json_to_double(v, out))
        return true;
    if (!tsr_json_to_bool(v, &b))
        return false;
    *out = b;
    return true;
}

static tsr_status check_unsaid(const tsr_json *vision, const tsr_json *audio, const tsr_json *extractor,
                               const char *file, tsr_error *err)
{
    for (size_t i = 0; i < sizeof UNSAID / sizeof *UNSAID; i++) {
        const char *object = UNSAID[i].object;
        const tsr_json *o = object[0] == 'a' ? audio : object[0] == 'f' ? extractor : vision;
        if (strchr(object, '.'))
            o = tsr_json_get_set(o, strchr(object, '.') + 1);
        double x;
        if (to_number(tsr_json_get_set(o, UNSAID[i].key), &x) && (float)x != (float)UNSAID[i].taken)
            return tsr_fail(err, TSR_ERR_UNSUPPORTED,
                            "%s: %s.%s is %g, which a GGUF file cannot say: its readers take %g", file, object,
                            UNSAID[i].key, x, UNSAID[i].taken);
    }
    return TSR_OK;
}

/* ---- keys ---- */

typedef struct facts {
    tsr_gguf_writer *w;
    const tsr_weights *renamed;
    const char *sense; /* "vision" or "audio" */
    const char *file;
    tsr_error *err;
    tsr_status st;
} facts;

/* A tensor of at least n_dims dimensions; a view of zeros once something is missing. */
static tsr_view view_of(facts *f, const char *name, unsigned n_dims)
{
    const tsr_view *v = tsr_weights_find(f->renamed, name);
    if (v && v->n_dims >= n_dims)
        return *v;
    if (f->st == TSR_OK)
        f->st = tsr_fail(f->err, TSR_ERR_MODEL, "%s: what becomes the tensor %s is %s", f->file, name,
                         v ? "of another shape" : "missing");
    return (tsr_view){.shape = {1, 1, 1, 1}, .n_dims = TSR_MAX_DIMS};
}

static const char *key_of(const facts *f, const char *name, char key[NAME_BYTES])
{
    snprintf(key, NAME_BYTES, "clip.%s.%s", f->sense, name);
    return key;
}

static void put_size(facts *f, const char *name, size_t v)
{
    char key[NAME_BYTES];
    tsr_gguf_put_u32(f->w, key_of(f, name, key), (uint32_t)v);
}

static void put_eps(facts *f, double eps)
{
    char key[NAME_BYTES];
    tsr_gguf_put_f32(f->w, key_of(f, "attention.layer_norm_epsilon", key), (float)eps);
}

static void put_kind(facts *f, tsr_gguf_tower tower, size_t width)
{
    char key[NAME_BYTES];
    const char *name = tsr_gguf_tower_name(tower);
    snprintf(key, sizeof key, "clip.has_%s_encoder", f->sense);
    tsr_gguf_put_bool(f->w, key, true);
    tsr_gguf_put_str(f->w, key_of(f, "projector_type", key), name, strlen(name));
    put_size(f, "projection_dim", width);
}

static size_t n_layers(const facts *f, const char *letter)
{
    char prefix[NAME_BYTES];
    for (size_t n = 0;; n++) {
        snprintf(prefix, sizeof prefix, "%s.blk.%zu.", letter, n);
        if (!tsr_weights_has_prefix(f->renamed, prefix))
            return n;
    }
}

static void put_sizes(facts *f, size_t hidden, size_t ffn, size_t layers, size_t heads)
{
    put_size(f, "embedding_length", hidden);
    put_size(f, "feed_forward_length", ffn);
    put_size(f, "block_count", layers);
    put_size(f, "attention.head_count", heads);
}

/* The picture's own numbers: every reader asks for them, none of these projectors looks at the first. */
static void put_pictures(facts *f, size_t patch, size_t pool)
{
    static const float mean[3] = {0, 0, 0}, std[3] = {1, 1, 1};
    put_size(f, "image_size", DUMMY_IMAGE_SIZE);
    put_size(f, "patch_size", patch);
    if (pool != DEFAULT_POOL)
        put_size(f, "projector.scale_factor", pool);
    tsr_gguf_put_array(f->w, "clip.vision.image_mean", TSR_GGUF_F32, mean, 3);
    tsr_gguf_put_array(f->w, "clip.vision.image_std", TSR_GGUF_F32, std, 3);
}

static tsr_status put_vision(facts *f, const tsr_json *config)
{
    tsr_view patches = view_of(f, "v.patch_embd.weight", 2), projector = view_of(f, VISION_PROJECTOR, 2);
    bool is_tower = patches.n_dims == 4;
    size_t patch = DEFAULT_PATCH, pool = DEFAULT_POOL;
    float eps = 0.0f;
    if (f->st == TSR_OK)
        f->st = tsri_enc_config_size(config, "vision_config", "patch_size", DEFAULT_PATCH, 1, 256, &patch, f->err);
    if (f->st == TSR_OK)
        f->st = tsri_enc_config_size(config, "vision_config", "pooling_kernel_size", DEFAULT_POOL, 1, 64, &pool, f->err);
    if (f->st == TSR_OK)
        f->st = tsri_enc_config_eps(config, "vision_config", &eps, f->err);
    put_kind(f, is_tower ? TSR_GGUF_GEMMA4V : TSR_GGUF_GEMMA4UV, projector.shape[0]);
    if (is_tower) {
        size_t q_rows = view_of(f, "v.blk.0.attn_q.weight", 2).shape[0];
        size_t head_dim = view_of(f, "v.blk.0.attn_q_norm.weight", 1).shape[0];
        put_sizes(f, patches.shape[0], view_of(f, "v.blk.0.ffn_gate.weight", 2).shape[0], n_layers(f, "v"),
                  q_rows / head_dim);
        tsr_gguf_put_bool(f->w, "clip.use_gelu", true); /* tanh GELU; without it llama.cpp takes the quick one */
    } else {
        put_sizes(f, patches.shape[0], 0, 0, 0);
    }
    put_pictures(f, patch, pool);
    put_eps(f, (double)eps);
    return f->st;
}

/* The second convolution leaves a quarter of the mel bands for each of its channels. */
static tsr_status put_sound(facts *f)
{
    tsr_view projector = view_of(f, SOUND_PROJECTOR, 2);
    bool is_tower = tsr_weights_find(f->renamed, "a.input_projection.weight") != NULL;
    size_t n_mels = DEFAULT_MELS;
    put_kind(f, is_tower ? TSR_GGUF_GEMMA4A : TSR_GGUF_GEMMA4UA, projector.shape[0]);
    if (is_tower) {
        tsr_view input = view_of(f, "a.input_projection.weight", 2);
        size_t head_dim = view_of(f, "a.blk.0.per_dim_scale.weight", 1).shape[0];
        n_mels = 4 * input.shape[1] / view_of(f, "a.conv1d.1.weight", 4).shape[0];
        put_sizes(f, input.shape[0], view_of(f, "a.blk.0.ffn_up.weight", 2).shape[0], n_layers(f, "a"),
                  input.shape[0] / head_dim);
    } else {
        put_sizes(f, projector.shape[1], 0, 0, 0);
    }
    put_size(f, "num_mel_bins", n_mels);
    put_eps(f, 1e-6);
    return f->st;
}

tsr_status tsr_gguf_towers_put_config(tsr_gguf_writer *w, const tsr_weights *renamed, const tsr_json *vision,
                                      const tsr_json *audio, const tsr_json *extractor, const char *file,
                                      tsr_error *err)
{
    facts f = {.w = w, .renamed = renamed, .sense = "vision", .file = file, .err = err, .st = TSR_OK};
    tsr_status st = check_unsaid(vision, audio, extractor, file, err);
    if (st == TSR_OK && tsr_weights_find(renamed, VISION_PROJECTOR))
        st = put_vision(&f, vision);
    f.sense = "audio";
    if (st == TSR_OK && tsr_weights_find(renamed, SOUND_PROJECTOR))
        st = put_sound(&f);
    return st;
}
