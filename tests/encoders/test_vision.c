/* test_vision.c: both vision kinds against their plain f64 computation, and what must not change their bits. */
#include "test_main.h"

#include <math.h>
#include <stdio.h>

#include "enc_model.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_vision.h"

typedef struct bench {
    enc_model model;
    char *dir;
    tsr_weights *w;
    tsr_json *config;
    tsr_pool *pool;
    tsr_vision *v;
} bench;

static tsr_status try_open(bench *b, enc_model model, unsigned n_threads, tsr_error *err)
{
    *b = (bench){.model = model, .dir = test_tmp_make()};
    b->w = enc_open(&model, b->dir);
    b->config = enc_config(&model);
    assert_int_equal(tsr_pool_open(&b->pool, n_threads, NULL), TSR_OK);
    return tsr_vision_open(&b->v, b->w, b->config, ENC_TEXT_HIDDEN, b->pool, err);
}

static void close_all(bench *b)
{
    tsr_vision_close(b->v);
    tsr_pool_close(b->pool);
    tsr_json_free(b->config);
    tsr_weights_close(b->w);
    test_tmp_remove(b->dir);
    enc_model_free(&b->model);
}

static void open_all(bench *b, enc_model model, unsigned n_threads)
{
    tsr_error err = {0};
    if (try_open(b, model, n_threads, &err) != TSR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(tsr_weights_check_unclaimed(b->w, &err), TSR_OK);
}

/* Rows of pictures in one call, the caller's (free). */
static float *encode(bench *b, const tsr_image *images, size_t n_images, size_t *n_rows)
{
    tsr_error err = {0};
    size_t need = 0;
    for (size_t i = 0; i < n_images; i++) {
        size_t n = 0;
        assert_int_equal(tsr_vision_tokens_for(b->v, images[i].width, images[i].height, &n, NULL), TSR_OK);
        need += n;
    }
    float *rows = must_realloc(NULL, (need + 1) * ENC_TEXT_HIDDEN * sizeof *rows);
    if (tsr_vision_encode(b->v, images, n_images, rows, need, n_rows, &err) != TSR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(*n_rows, need);
    return rows;
}

static const size_t SIZES[][2] = {{48, 48}, {96, 48}, {48, 192}, {192, 48}, {144, 96}};

static void compare(enc_model model, double *(*reference)(const tsr_weights *, const tsr_image *), double limit)
{
    bench b;
    open_all(&b, model, 1);
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        tsr_image img = enc_picture(SIZES[i][0], SIZES[i][1], (unsigned)i);
        size_t n = 0;
        float *got = encode(&b, &img, 1, &n);
        double *want = reference(b.w, &img), diff = enc_difference(got, want, n * ENC_TEXT_HIDDEN);
        if (!(diff <= limit))
            fail_msg("%zu x %zu: %g", img.width, img.height, diff);
        free(got);
        free(want);
        free(img.rgb);
    }
    close_all(&b);
}

static double *tower_reference(const tsr_weights *w, const tsr_image *img)
{
    return enc_ref_vision_tower(w, img, true);
}

static void tower_with_limits_equals_f64(void **state)
{
    (void)state;
    compare(enc_vision_tower(true), tower_reference, 1e-5); /* observed 2e-6 */
}

static void tower_with_standardisation_equals_f64(void **state)
{
    (void)state;
    compare(enc_vision_tower(false), tower_reference, 1e-5); /* observed 2e-6 */
}

static void unified_equals_f64_under_both_names(void **state)
{
    (void)state;
    compare(enc_vision_unified(false), enc_ref_vision_unified, 1e-5); /* observed 1e-6 */
    compare(enc_vision_unified(true), enc_ref_vision_unified, 1e-5);
}

static void tower_of_16_bit_weights_computes_with_their_exact_values(void **state)
{
    static const tsr_type types[] = {TSR_BF16, TSR_F16};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        enc_model m = enc_vision_tower(true);
        m.type = types[i];
        compare(m, tower_reference, 1e-5);
    }
}

static void limits_bite(void **state)
{
    bench b;
    tsr_image img = enc_picture(96, 96, 3);
    size_t n = 0;
    (void)state;
    open_all(&b, enc_vision_tower(true), 1);
    float *got = encode(&b, &img, 1, &n);
    double *want = enc_ref_vision_tower(b.w, &img, false);
    assert_true(enc_difference(got, want, n * ENC_TEXT_HIDDEN) > 1e-2);
    free(got);
    free(want);
    free(img.rgb);
    close_all(&b);
}

static void a_batch_gives_the_bits_of_its_pictures(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        bench b;
        tsr_image images[4];
        size_t n = 0, at = 0;
        open_all(&b, kind ? enc_vision_unified(false) : enc_vision_tower(true), 1);
        for (size_t i = 0; i < 4; i++)
            images[i] = enc_picture(SIZES[i][0], SIZES[i][1], (unsigned)i + 9);
        float *together = encode(&b, images, 4, &n);
        for (size_t i = 4; i-- > 0;) { /* backwards: what stood in the scratch before must not matter */
            size_t one = 0;
            float *alone = encode(&b, &images[i], 1, &one);
            at += one;
            assert_memory_equal(alone, together + (n - at) * ENC_TEXT_HIDDEN, one * ENC_TEXT_HIDDEN * sizeof *alone);
            free(alone);
            free(images[i].rgb);
        }
        assert_int_equal(at, n);
        free(together);
        close_all(&b);
    }
}

static void any_number_of_threads_gives_the_same_bits(void **state)
{
    static const unsigned threads[] = {2, 3, 5};
    tsr_image img = enc_picture(192, 144, 4);
    (void)state;
    for (size_t kind = 0; kind < 3; kind++) {
        float *first = NULL;
        for (size_t i = 0; i < 4; i++) {
            bench b;
            size_t n = 0;
            open_all(&b, kind == 2 ? enc_vision_unified(false) : enc_vision_tower(kind == 0), i ? threads[i - 1] : 1);
            float *rows = encode(&b, &img, 1, &n);
            if (first) {
                assert_memory_equal(rows, first, n * ENC_TEXT_HIDDEN * sizeof *rows);
                free(rows);
            } else {
                first = rows;
            }
            close_all(&b);
        }
        free(first);
    }
    free(img.rgb);
}

static void tokens_are_cells_and_positions_end_at_the_table(void **state)
{
    bench b;
    size_t n = 7;
    tsr_error err = {0};
    (void)state;
    open_all(&b, enc_vision_tower(true), 1);
    tsr_vision_info info = tsr_vision_describe(b.v);
    assert_int_equal(info.max_positions, ENC_POSITIONS);
    assert_int_equal(info.patch * info.pool, 48);
    assert_false(info.is_unified);
    assert_int_equal(tsr_vision_tokens_for(b.v, 192, 96, &n, NULL), TSR_OK); /* positions 0 .. 11 */
    assert_int_equal(n, 8);
    assert_int_equal(tsr_vision_tokens_for(b.v, 240, 48, &n, &err), TSR_ERR_LIMIT);
    assert_error(&err, TSR_ERR_LIMIT, "position 14", "12");
    assert_int_equal(n, 0);
    assert_int_equal(tsr_vision_tokens_for(b.v, 48, 240, &n, NULL), TSR_ERR_LIMIT);
    assert_int_equal(tsr_vision_tokens_for(b.v, SIZE_MAX / 48 * 48, SIZE_MAX / 48 * 48, &n, NULL), TSR_ERR_LIMIT);
    assert_int_equal(tsr_vision_tokens_for(b.v, 0, 48, &n, NULL), TSR_ERR_USAGE);
    assert_int_equal(tsr_vision_tokens_for(b.v, 48, 47, &n, NULL), TSR_ERR_USAGE);
    close_all(&b);
    open_all(&b, enc_vision_unified(false), 1); /* counts in cells: 12 x 48 = 576 pixels */
    assert_int_equal(tsr_vision_tokens_for(b.v, 576, 48, &n, NULL), TSR_OK);
    assert_int_equal(tsr_vision_tokens_for(b.v, 624, 48, &n, NULL), TSR_ERR_LIMIT);
    close_all(&b);
}

static void nothing_is_written_when_the_request_is_refused(void **state)
{
    bench b;
    tsr_image ok = enc_picture(96, 48, 1);
    tsr_image images[2] = {ok, {240, 48, NULL}}; /* the second has no pixels: it must not be read */
    float rows[3 * ENC_TEXT_HIDDEN];
    size_t n = 0;
    tsr_error err = {0};
    (void)state;
    open_all(&b, enc_vision_tower(true), 1);
    for (size_t i = 0; i < 3 * ENC_TEXT_HIDDEN; i++)
        rows[i] = 42.0f;
    assert_int_equal(tsr_vision_encode(b.v, images, 2, rows, 3, &n, NULL), TSR_ERR_LIMIT);
    assert_int_equal(n, 0);
    assert_int_equal(tsr_vision_encode(b.v, images, 1, rows, 1, &n, &err), TSR_ERR_LIMIT);
    assert_error(&err, TSR_ERR_LIMIT, "2 rows", "1");
    assert_int_equal(n, 2);
    for (size_t i = 0; i < 3 * ENC_TEXT_HIDDEN; i++)
        assert_true(rows[i] == 42.0f);
    assert_int_equal(tsr_vision_encode(b.v, images, 1, rows, 3, &n, NULL), TSR_OK);
    assert_true(rows[2 * ENC_TEXT_HIDDEN] == 42.0f); /* nothing past the rows */
    assert_int_equal(tsr_vision_encode(b.v, NULL, 0, NULL, 0, &n, NULL), TSR_OK);
    assert_int_equal(n, 0);
    free(ok.rgb);
    close_all(&b);
}

/* Opens a model that a test has spoilt. */
static void assert_refused(enc_model m, const char *a, const char *b)
{
    bench t;
    tsr_error err = {0};
    assert_true(try_open(&t, m, 1, &err) != TSR_OK);
    assert_null(t.v);
    if (!strstr(err.text, a) || (b && !strstr(err.text, b)))
        fail_msg("wanted '%s' and '%s' in: %s", a, b ? b : "", err.text);
    close_all(&t);
}

static void every_missing_tensor_is_named(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 3; kind++)
        for (size_t i = 0;; i++) {
            enc_model m = kind == 2 ? enc_vision_unified(false) : enc_vision_tower(kind == 0);
            if (i == m.n) {
                enc_model_free(&m);
                break;
            }
            char name[128];
            snprintf(name, sizeof name, "%s", m.tensors[i].name);
            enc_remove(&m, name);
            if (strstr(name, "layers.0.self_attn.q_proj.input_min"))
                assert_refused(m, "use_clipped_linears", NULL); /* the tensor that tells the kind */
            else
                assert_refused(m, name, "missing");
        }
}

static void every_wrong_shape_is_named(void **state)
{
    (void)state;
    for (size_t kind = 0; kind < 3; kind++)
        for (size_t i = 0;; i++) {
            enc_model m = kind == 2 ? enc_vision_unified(true) : enc_vision_tower(kind == 0);
            if (i == m.n) {
                enc_model_free(&m);
                break;
            }
            enc_tensor *t = &m.tensors[i];
            if (t->n_dims == 0)
                t->n_dims = 1, t->shape[0] = 2;
            else
                t->shape[t->n_dims - 1]++;
            assert_refused(m, t->name, "shape");
        }
}

static void configuration_and_weights_must_agree(void **state)
{
    static const struct {
        const char *key, *value;
    } cases[] = {
        {"use_clipped_linears", "false"}, {"standardize", "true"},      {"position_embedding_size", "10240"},
        {"hidden_size", "24"},            {"num_hidden_layers", "3"},   {"hidden_size", "\"wide\""},
        {"head_dim", "6"},                {"num_hidden_layers", "-1"},  {"num_attention_heads", "0"},
        {"rms_norm_eps", "0"},            {"patch_size", "1000000"},    {"hidden_activation", "\"gelu\""},
        {"rope_theta", "-1"},             {"rope_type", "\"yarn\""},    {"use_clipped_linears", "1"},
        {"num_hidden_layers", "1e9"},     {"intermediate_size", "null"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enc_model m = enc_vision_tower(true);
        enc_set_config(&m, cases[i].key, cases[i].value);
        assert_refused(m, "", NULL);
    }
    enc_model m = enc_vision_unified(false);
    enc_set_config(&m, "mm_posemb_size", "1120");
    assert_refused(m, "mm_posemb_size", "12");
}

static void a_limit_that_is_no_number_is_refused(void **state)
{
    (void)state;
    enc_model m = enc_vision_tower(true);
    enc_find(&m, "model.vision_tower.encoder.layers.1.mlp.up_proj.output_max")->hi = NAN;
    assert_refused(m, "layers.1.mlp.up_proj", "limit");
}

static void rows_that_are_not_finite_are_an_error_that_names_the_step(void **state)
{
    static const struct {
        bool is_unified;
        const char *tensor, *step;
        float value;
    } cases[] = {
        {false, "model.vision_tower.patch_embedder.input_proj.weight", "\"embed\" 0", NAN},
        {false, "model.vision_tower.encoder.layers.0.mlp.down_proj.linear.weight", "\"layer\" 0", NAN},
        {false, "model.vision_tower.encoder.layers.1.self_attn.k_norm.weight", "\"layer\" 1", NAN},
        {false, "model.vision_tower.std_scale", "\"pooled\" 0", NAN},
        {false, "model.embed_vision.embedding_projection.weight", "\"rows\" 0", 3e38f},
        {true, "model.vision_embedder.patch_dense.bias", "\"dense\" 0", NAN},
        {true, "model.vision_embedder.pos_norm.weight", "\"embed\" 0", NAN},
    };
    tsr_image images[2] = {enc_picture(48, 48, 1), enc_picture(96, 48, 2)};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench b;
        tsr_error err = {0};
        float rows[3 * ENC_TEXT_HIDDEN];
        size_t n = 7;
        enc_model m = cases[i].is_unified ? enc_vision_unified(false) : enc_vision_tower(false);
        enc_find(&m, cases[i].tensor)->lo = enc_find(&m, cases[i].tensor)->hi = cases[i].value;
        open_all(&b, m, 1);
        assert_int_equal(tsr_vision_encode(b.v, images, 2, rows, 3, &n, &err), TSR_ERR_MODEL);
        assert_error(&err, TSR_ERR_MODEL, "vision: picture 0: row 0 is not finite", cases[i].step);
        assert_int_equal(n, 0);
        close_all(&b);
    }
    free(images[0].rgb);
    free(images[1].rgb);
}

static void a_third_layer_stays_unclaimed(void **state)
{
    bench b;
    tsr_error err = {0};
    enc_model m = enc_vision_tower(false);
    (void)state;
    enc_set_config(&m, "num_hidden_layers", "1");
    assert_int_equal(try_open(&b, m, 1, &err), TSR_OK);
    assert_int_equal(tsr_weights_check_unclaimed(b.w, &err), TSR_ERR_MODEL);
    assert_error(&err, TSR_ERR_MODEL, "layers.1.", NULL);
    close_all(&b);
}

static void open_and_encode_survive_every_failed_allocation(void **state)
{
    tsr_image img = enc_picture(96, 48, 1);
    float rows[2 * ENC_TEXT_HIDDEN];
    (void)state;
    for (size_t kind = 0; kind < 2; kind++) {
        bench b;
        open_all(&b, kind ? enc_vision_unified(false) : enc_vision_tower(true), 1);
        tsr_vision_close(b.v);
        b.v = NULL;
        size_t live = tsr_alloc_live(), k = 0, n = 0;
        for (tsr_status st = TSR_ERR_NOMEM; st != TSR_OK;) {
            tsr_alloc_fail_at(++k);
            st = tsr_vision_open(&b.v, b.w, b.config, ENC_TEXT_HIDDEN, b.pool, NULL);
            assert_true((st == TSR_OK) == (b.v != NULL));
            if (st == TSR_OK)
                st = tsr_vision_encode(b.v, &img, 1, rows, 2, &n, NULL);
            tsr_alloc_fail_at(0);
            assert_true(st == TSR_OK || st == TSR_ERR_NOMEM);
            assert_int_equal(n, st == TSR_OK ? 2 : 0);
            tsr_vision_close(b.v);
            b.v = NULL;
            assert_int_equal(tsr_alloc_live(), live);
        }
        assert_true(k > 5);
        close_all(&b);
    }
    free(img.rgb);
}

static void a_second_picture_of_the_same_size_allocates_nothing(void **state)
{
    bench b;
    tsr_image img = enc_picture(96, 96, 1);
    float rows[4 * ENC_TEXT_HIDDEN];
    size_t n = 0;
    (void)state;
    open_all(&b, enc_vision_tower(true), 1);
    assert_int_equal(tsr_vision_encode(b.v, &img, 1, rows, 4, &n, NULL), TSR_OK);
    size_t before = tsr_alloc_count();
    assert_int_equal(tsr_vision_encode(b.v, &img, 1, rows, 4, &n, NULL), TSR_OK);
    assert_int_equal(tsr_alloc_count(), before);
    free(img.rgb);
    close_all(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tower_with_limits_equals_f64),
        cmocka_unit_test(tower_with_standardisation_equals_f64),
        cmocka_unit_test(unified_equals_f64_under_both_names),
        cmocka_unit_test(tower_of_16_bit_weights_computes_with_their_exact_values),
        cmocka_unit_test(limits_bite),
        cmocka_unit_test(a_batch_gives_the_bits_of_its_pictures),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(tokens_are_cells_and_positions_end_at_the_table),
        cmocka_unit_test(nothing_is_written_when_the_request_is_refused),
        cmocka_unit_test(every_missing_tensor_is_named),
        cmocka_unit_test(every_wrong_shape_is_named),
        cmocka_unit_test(configuration_and_weights_must_agree),
        cmocka_unit_test(a_limit_that_is_no_number_is_refused),
        cmocka_unit_test(rows_that_are_not_finite_are_an_error_that_names_the_step),
        cmocka_unit_test(a_third_layer_stays_unclaimed),
        cmocka_unit_test(open_and_encode_survive_every_failed_allocation),
        cmocka_unit_test(a_second_picture_of_the_same_size_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
