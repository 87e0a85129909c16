/* gguf_towers_config.c: the keys of an mmproj file as vision_config, audio_config and feature_extractor.
 *
 * What the keys leave out is taken from the tensors (head width, channels, kernel) or left to the defaults of the
 * family, which the towers know. Their other checks work unchanged on what is made here. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "config_internal.h"
#include "gguf_towers_internal.h"

enum { KEY_BYTES = 128, DEFAULT_POOL = 3 };

/* ---- which towers ---- */

static bool str_is(tsr_gguf_str s, const char *word)
{
    return s.len == strlen(word) && memcmp(s.data, word, s.len) == 0;
}

/* As much of it as a message should hold. */
static int shown(tsr_gguf_str s)
{
    return s.len < 64 ? (int)s.len : 64;
}

static bool has_key_of(const tsr_gguf *g, const char *prefix)
{
    for (size_t i = 0; i < tsr_gguf_n_keys(g); i++)
        if (strncmp(tsr_gguf_key(g, i), prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

tsr_status tsr_gguf_towers_refuse_inline(const tsr_gguf *g, tsr_error *err)
{
    static const char *const prefixes[] = {"gemma4.vision.", "gemma4.audio."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (has_key_of(g, prefixes[i]))
            return tsr_fail(err, TSR_ERR_UNSUPPORTED,
                            "%s: keys %s* mean Ollama's layout, text, vision and sound in one file, which is not "
                            "supported: use a text file and its mmproj file",
                            tsr_gguf_path(g), prefixes[i]);
    return TSR_OK;
}

static tsr_status check_architecture(const tsr_gguf *g, tsr_error *err)
{
    tsr_gguf_str name = {0};
    tsr_status st = tsr_gguf_towers_refuse_inline(g, err);
    if (st == TSR_OK)
        st = tsr_gguf_get_str(g, "general.architecture", TSR_GGUF_REQUIRED, &name, err);
    if (st == TSR_OK && !str_is(name, "clip"))
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED,
                      "%s: general.architecture is \"%.*s\", vision and sound parts have \"clip\"", tsr_gguf_path(g),
                      shown(name), name.data);
    return st;
}

/* One sense's tower, if the file says that it has one. The projector's name may stand without the sense. */
static tsr_status find_tower(unsigned *towers, const tsr_gguf *g, const char *sense, tsr_gguf_tower a, tsr_gguf_tower b,
                             tsr_error *err)
{
    char key[KEY_BYTES];
    bool has = false;
    tsr_gguf_str name = {0};
    snprintf(key, sizeof key, "clip.has_%s_encoder", sense);
    tsr_status st = tsr_gguf_get_bool(g, key, TSR_GGUF_OPTIONAL, &has, err);
    if (st != TSR_OK || !has)
        return st;
    snprintf(key, sizeof key, "clip.%s.projector_type", sense);
    if (!tsr_gguf_find(g, key) && tsr_gguf_find(g, "clip.projector_type"))
        snprintf(key, sizeof key, "clip.projector_type");
    st = tsr_gguf_get_str(g, key, TSR_GGUF_REQUIRED, &name, err);
    if (st != TSR_OK)
        return st;
    if (str_is(name, tsr_gguf_tower_name(a)))
        *towers |= (unsigned)a;
    else if (str_is(name, tsr_gguf_tower_name(b)))
        *towers |= (unsigned)b;
    else
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: key %s: projector \"%.*s\" is not supported, only %s and %s are",
                      tsr_gguf_path(g), key, shown(name), name.data, tsr_gguf_tower_name(a), tsr_gguf_tower_name(b));
    return st;
}

tsr_status tsri_gguf_towers_in(unsigned *towers, const tsr_gguf *g, tsr_error *err)
{
    *towers = 0;
    tsr_status st = check_architecture(g, err);
    if (st == TSR_OK)
        st = find_tower(towers, g, "vision", TSR_GGUF_GEMMA4V, TSR_GGUF_GEMMA4UV, err);
    if (st == TSR_OK)
        st = find_tower(towers, g, "audio", TSR_GGUF_GEMMA4A, TSR_GGUF_GEMMA4UA, err);
    if (st == TSR_OK && *towers == 0)
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: neither clip.has_vision_encoder nor clip.has_audio_encoder is true",
                      tsr_gguf_path(g));
    return st;
}

/* ---- single values ---- */

/* `need` OPTIONAL: *out holds the default. */
static tsr_status get_size(const tsr_gguf *g, const char *sense, const char *name, tsr_gguf_need need, size_t min,
                           size_t max, size_t *out, tsr_error *err)
{
    char key[KEY_BYTES];
    uint64_t n = *out;
    snprintf(key, sizeof key, "clip.%s.%s", sense, name);
    tsr_status st = tsr_gguf_get_u64(g, key, need, &n, err);
    if (st == TSR_OK && (n < min || n > max))
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: key %s: %llu, allowed are %zu to %zu", tsr_gguf_path(g), key,
                      (unsigned long long)n, min, max);
    if (st == TSR_OK)
        *out = (size_t)n;
    return st;
}

tsr_status tsri_gguf_towers_size(const tsr_gguf *g, const char *sense, const char *key, size_t min, size_t max,
                                 size_t *out, tsr_error *err)
{
    return get_size(g, sense, key, TSR_GGUF_REQUIRED, min, max, out, err);
}

tsr_status tsri_gguf_towers_n_layers(const tsr_gguf *g, tsr_gguf_tower tower, size_t *out, tsr_error *err)
{
    return tsri_gguf_towers_size(g, tower == TSR_GGUF_GEMMA4V ? "vision" : "audio", "block_count", 1,
                                 TSRI_ENC_MAX_LAYERS, out, err);
}

/* A tensor that the configuration is read from, of n_dims dimensions. */
static tsr_status find_tensor(const tsr_gguf *g, const char *name, unsigned n_dims, const tsr_view **out,
                              tsr_error *err)
{
    const tsr_gguf_tensor *t = tsr_gguf_find_tensor(g, name);
    if (!t)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s is missing", tsr_gguf_path(g), name);
    if (t->view.n_dims != n_dims)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s: %u dimensions, expected %u", tsr_gguf_path(g), name,
                        t->view.n_dims, n_dims);
    *out = &t->view;
    return TSR_OK;
}

/* ---- building ---- */

/* An object that is filled until something fails; that is reported once, by finish. */
typedef struct builder {
    tsr_json *object;
    bool ok;
} builder;

static builder begin(void)
{
    builder b = {tsr_json_new_object(), true};
    return b;
}

static void put_size(builder *b, const char *key, size_t n)
{
    b->ok = b->ok && tsr_json_set(b->object, key, tsr_json_new_i64((int64_t)n));
}

static void put_double(builder *b, const char *key, double x)
{
    b->ok = b->ok && tsr_json_set(b->object, key, tsr_json_new_double(x));
}

static void put_pair(builder *b, const char *key, size_t first, size_t second)
{
    tsr_json *list = tsr_json_new_array();
    b->ok = b->ok && tsr_json_append(list, tsr_json_new_i64((int64_t)first)) &&
            tsr_json_append(list, tsr_json_new_i64((int64_t)second));
    b->ok = tsr_json_set(b->object, key, list) && b->ok; /* takes the list over in any case */
}

static tsr_status finish(builder *b, tsr_status st, tsr_json *config, const char *key, tsr_error *err)
{
    if (st == TSR_OK && b->ok && b->object) {
        if (tsr_json_set(config, key, b->object))
            return TSR_OK;
    } else {
        tsr_json_free(b->object);
    }
    return st != TSR_OK ? st : tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", key);
}

/* ---- vision ---- */

/* Pictures go in as they are: the towers know how to centre them. */
static tsr_status check_pixels(const tsr_gguf *g, tsr_error *err)
{
    static const struct {
        const char *key;
        float wanted;
    } facts[] = {{"clip.vision.image_mean", 0.0f}, {"clip.vision.image_std", 1.0f}};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        float x[3] = {facts[i].wanted, facts[i].wanted, facts[i].wanted};
        tsr_status st = tsr_gguf_get_f32s(g, facts[i].key, TSR_GGUF_OPTIONAL, x, 3, err);
        if (st != TSR_OK)
            return st;
        for (size_t c = 0; c < 3; c++)
            if (x[c] != facts[i].wanted)
                return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: key %s: %g, only %g is supported", tsr_gguf_path(g),
                                facts[i].key, (double)x[c], (double)facts[i].wanted);
    }
    return TSR_OK;
}

/* The reference's activation is tanh GELU, which use_gelu means too, and no key at all. */
static tsr_status check_activation(const tsr_gguf *g, tsr_error *err)
{
    bool silu = false;
    tsr_status st = tsr_gguf_get_bool(g, "clip.use_silu", TSR_GGUF_OPTIONAL, &silu, err);
    if (st == TSR_OK && silu)
        st = tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: key clip.use_silu: true, only tanh GELU is supported",
                      tsr_gguf_path(g));
    return st;
}

static tsr_status check_std_pair(const tsr_gguf *g, tsr_error *err)
{
    static const char *const names[] = {"v.std_bias", "v.std_scale"};
    bool has[2] = {tsr_gguf_find_tensor(g, names[0]) != NULL, tsr_gguf_find_tensor(g, names[1]) != NULL};
    if (has[0] == has[1])
        return TSR_OK;
    return tsr_fail(err, TSR_ERR_MODEL, "%s: tensor %s is missing, %s is there", tsr_gguf_path(g), names[has[0]],
                    names[has[1]]);
}

static tsr_status put_eps(builder *b, const tsr_gguf *g, tsr_error *err)
{
    static const char key[] = "clip.vision.attention.layer_norm_epsilon";
    float eps = 0.0f;
    tsr_status st = tsr_gguf_get_f32(g, key, TSR_GGUF_REQUIRED, &eps, err);
    if (st == TSR_OK && !(eps > 0.0f && eps < 1.0f))
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: key %s: %g", tsr_gguf_path(g), key, (double)eps);
    if (st == TSR_OK)
        put_double(b, "rms_norm_eps", (double)eps);
    return st;
}

/* Both kinds: the patch, how many make a soft token, the norms' epsilon, the pixels. */
static tsr_status put_patches(builder *b, const tsr_gguf *g, tsr_error *err)
{
    size_t patch = 0, pool = DEFAULT_POOL;
    tsr_status st = tsri_gguf_towers_size(g, "vision", "patch_size", 1, 256, &patch, err);
    if (st == TSR_OK)
        st = get_size(g, "vision", "projector.scale_factor", TSR_GGUF_OPTIONAL, 1, TSRI_ENC_MAX_POOL, &pool, err);
    if (st == TSR_OK)
        st = put_eps(b, g, err);
    if (st == TSR_OK)
        st = check_pixels(g, err);
    put_size(b, "patch_size", patch);
    put_size(b, "pooling_kernel_size", pool);
    return st;
}

/* The towers refuse this too, but can't name file and key. */
static tsr_status check_heads(const tsr_gguf *g, const char *sense, size_t whole, size_t parts, tsr_error *err)
{
    if (whole % parts == 0)
        return TSR_OK;
    return tsr_fail(err, TSR_ERR_MODEL, "%s: key clip.%s.attention.head_count: %zu is no multiple of %zu",
                    tsr_gguf_path(g), sense, whole, parts);
}

/* A head is as wide as its norm; key heads are as many as fill the rows of attn_k. */
static tsr_status put_heads(builder *b, const tsr_gguf *g, tsr_error *err)
{
    const tsr_view *norm = NULL, *key = NULL;
    size_t n_heads = 0, n_kv = 0;
    tsr_status st = tsri_gguf_towers_size(g, "vision", "attention.head_count", 1, TSRI_ENC_MAX_WIDTH, &n_heads, err);
    if (st == TSR_OK)
        st = find_tensor(g, "v.blk.0.attn_q_norm.weight", 1, &norm, err);
    if (st == TSR_OK)
        st = find_tensor(g, "v.blk.0.attn_k.weight", 2, &key, err);
    if (st != TSR_OK)
        return st;
    size_t head_dim = norm->n_elems, found = key->shape[0] / head_dim;
    if (head_dim % 4 != 0)
        return tsr_fail(err, TSR_ERR_MODEL,
                        "%s: tensor v.blk.0.attn_q_norm.weight: %zu values, two axes need a multiple of 4",
                        tsr_gguf_path(g), head_dim);
    n_kv = found > 0 ? found : 1; /* where it doesn't divide, the tower names the tensor */
    st = get_size(g, "vision", "attention.head_count_kv", TSR_GGUF_OPTIONAL, 1, TSRI_ENC_MAX_WIDTH, &n_kv, err);
    if (st == TSR_OK)
        st = check_heads(g, "vision", n_heads, n_kv, err);
    put_size(b, "num_attention_heads", n_heads);
    put_size(b, "num_key_value_heads", n_kv);
    put_size(b, "head_dim", head_dim);
    return st;
}

static tsr_status put_vision_tower(builder *b, const tsr_gguf *g, tsr_error *err)
{
    size_t hidden = 0, ffn = 0, n_layers = 0;
    tsr_status st = tsri_gguf_towers_size(g, "vision", "embedding_length", 4, TSRI_ENC_MAX_WIDTH, &hidden, err);
    if (st == TSR_OK)
        st = tsri_gguf_towers_size(g, "vision", "feed_forward_length", 1, TSRI_ENC_MAX_WIDTH, &ffn, err);
    if (st == TSR_OK)
        st = tsri_gguf_towers_n_layers(g, TSR_GGUF_GEMMA4V, &n_layers, err);
    if (st == TSR_OK)
        st = put_heads(b, g, err);
    if (st == TSR_OK)
        st = check_activation(g, err);
    if (st == TSR_OK)
        st = check_std_pair(g, err);
    put_size(b, "hidden_size", hidden);
    put_size(b, "intermediate_size", ffn);
    put_size(b, "num_hidden_layers", n_layers);
    return st;
}

/* Layers, heads and the width of a feed-forward stand in the file as 0 and mean nothing. */
static tsr_status put_vision_unified(builder *b, const tsr_gguf *g, tsr_error *err)
{
    size_t hidden = 0;
    tsr_status st = tsri_gguf_towers_size(g, "vision", "embedding_length", 1, TSRI_ENC_MAX_WIDTH, &hidden, err);
    put_size(b, "mm_embed_dim", hidden);
    return st;
}

/* ---- sound ---- */

/* attention.layer_norm_epsilon is not asked: some files hold a wrong one, and all models have this. */
static const double SOUND_EPS = 1e-6;

static tsr_status put_convolutions(builder *b, const tsr_gguf *g, tsr_error *err)
{
    const tsr_view *first = NULL, *second = NULL, *output = NULL;
    const tsr_gguf_tensor *depthwise = tsr_gguf_find_tensor(g, "a.blk.0.conv_dw.weight");
    tsr_status st = find_tensor(g, "a.conv1d.0.weight", 4, &first, err);
    if (st == TSR_OK)
        st = find_tensor(g, "a.conv1d.1.weight", 4, &second, err);
    if (st == TSR_OK)
        st = find_tensor(g, "a.pre_encode.out.weight", 2, &output, err);
    if (st == TSR_OK && !depthwise)
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: tensor a.blk.0.conv_dw.weight is missing", tsr_gguf_path(g));
    if (st != TSR_OK)
        return st;
    put_pair(b, "subsampling_conv_channels", first->shape[0], second->shape[0]);
    put_size(b, "conv_kernel_size", tsr_view_cols(&depthwise->view));
    put_size(b, "output_proj_dims", output->shape[0]);
    return TSR_OK;
}

static tsr_status put_sound_tower(builder *b, const tsr_gguf *g, tsr_error *err)
{
    size_t hidden = 0, ffn = 0, n_layers = 0, n_heads = 0;
    tsr_status st = tsri_gguf_towers_size(g, "audio", "embedding_length", 2, TSRI_ENC_MAX_WIDTH, &hidden, err);
    if (st == TSR_OK)
        st = tsri_gguf_towers_size(g, "audio", "feed_forward_length", 4 * hidden, 4 * hidden, &ffn, err);
    if (st == TSR_OK)
        st = tsri_gguf_towers_n_layers(g, TSR_GGUF_GEMMA4A, &n_layers, err);
    if (st == TSR_OK)
        st = tsri_gguf_towers_size(g, "audio", "attention.head_count", 1, hidden, &n_heads, err);
    if (st == TSR_OK)
        st = check_heads(g, "audio", hidden, n_heads, err);
    if (st == TSR_OK)
        st = put_convolutions(b, g, err);
    put_size(b, "hidden_size", hidden);
    put_size(b, "num_hidden_layers", n_layers);
    put_size(b, "num_attention_heads", n_heads);
    put_double(b, "rms_norm_eps", SOUND_EPS);
    return st;
}

/* num_mel_bins says 128 or 640 here and means nothing. */
static tsr_status put_sound_unified(builder *b, const tsr_gguf *g, tsr_error *err)
{
    size_t frame = 0;
    tsr_status st = tsri_gguf_towers_size(g, "audio", "embedding_length", 1, TSRI_ENC_MAX_WIDTH, &frame, err);
    put_size(b, "audio_embed_dim", frame);
    put_double(b, "rms_norm_eps", SOUND_EPS);
    return st;
}

static tsr_status put_extractor(builder *b, const tsr_gguf *g, tsr_error *err)
{
    size_t n_mels = 0;
    tsr_status st = tsri_gguf_towers_size(g, "audio", "num_mel_bins", 1, 1024, &n_mels, err);
    put_size(b, "feature_size", n_mels);
    return st;
}

/* ---- all of it ---- */

/* The width that rows get, as the key, the projector and the text model have it. */
static tsr_status check_projection(const tsr_json *config, const tsr_gguf *g, const char *sense, const char *tensor,
                                   tsr_error *err)
{
    size_t width = 0, text = 0;
    const tsr_view *projector = NULL;
    tsr_status st = tsri_gguf_towers_size(g, sense, "projection_dim", 1, TSRI_ENC_MAX_WIDTH, &width, err);
    if (st == TSR_OK)
        st = find_tensor(g, tensor, 2, &projector, err);
    if (st != TSR_OK)
        return st;
    if (projector->shape[0] != width)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: key clip.%s.projection_dim: %zu, tensor %s has %zu rows",
                        tsr_gguf_path(g), sense, width, tensor, projector->shape[0]);
    if (tsr_json_to_size(tsr_json_get(tsr_json_get(config, "text_config"), "hidden_size"), &text) && text != width)
        return tsr_fail(err, TSR_ERR_MODEL,
                        "%s: key clip.%s.projection_dim: %zu, the text model's width is %zu: the file belongs to "
                        "another model",
                        tsr_gguf_path(g), sense, width, text);
    return TSR_OK;
}

static tsr_status add_vision(tsr_json *config, const tsr_gguf *g, bool is_tower, tsr_error *err)
{
    builder b = begin();
    tsr_status st = check_projection(config, g, "vision", "mm.input_projection.weight", err);
    if (st == TSR_OK)
        st = put_patches(&b, g, err);
    if (st == TSR_OK)
        st = is_tower ? put_vision_tower(&b, g, err) : put_vision_unified(&b, g, err);
    return finish(&b, st, config, "vision_config", err);
}

static tsr_status add_sound(tsr_json *config, const tsr_gguf *g, bool is_tower, tsr_error *err)
{
    builder b = begin(), extractor;
    tsr_status st = check_projection(config, g, "audio", "mm.a.input_projection.weight", err);
    if (st == TSR_OK)
        st = is_tower ? put_sound_tower(&b, g, err) : put_sound_unified(&b, g, err);
    st = finish(&b, st, config, "audio_config", err);
    if (st != TSR_OK || !is_tower)
        return st;
    extractor = begin();
    st = put_extractor(&extractor, g, err);
    return finish(&extractor, st, config, "feature_extractor", err);
}

tsr_status tsr_gguf_towers_config(tsr_json *config, const tsr_gguf *g, tsr_error *err)
{
    unsigned towers = 0;
    tsr_status st = tsri_gguf_towers_in(&towers, g, err);
    if (st == TSR_OK && (towers & TSRI_GGUF_VISION_TOWERS))
        st = add_vision(config, g, (towers & TSR_GGUF_GEMMA4V) != 0, err);
    if (st == TSR_OK && (towers & TSRI_GGUF_SOUND_TOWERS))
        st = add_sound(config, g, (towers & TSR_GGUF_GEMMA4A) != 0, err);
    return st;
}
