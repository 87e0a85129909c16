/* The C helpers make the bytes that the Python scripts make (checksums.json). */
#include "test_tmp.h" /* before cmocka, which takes one of its names */
#include "test_main.h"

#include <stdio.h>

#include "compare.h"
#include "hash_model.h"
#include "recipes.h"
#include "tsr_json.h"

typedef struct sums {
    tsr_json *doc;
} sums;

static int open_sums(void **state)
{
    static sums s;
    *state = &s;
    return tsr_json_parse_file(&s.doc, TSR_ORACLE_DIR "/checksums.json", 1 << 20, NULL) == TSR_OK ? 0 : -1;
}

static int close_sums(void **state)
{
    tsr_json_free(((sums *)*state)->doc);
    return 0;
}

static void assert_crc(const sums *s, const char *key, const void *data, size_t n)
{
    const char *want = tsr_json_string(tsr_json_get(s->doc, key), NULL);
    char got[16];
    snprintf(got, sizeof got, "%08x", (unsigned)oracle_crc32(data, n));
    if (want == NULL || strcmp(want, got) != 0)
        fail_msg("%s: crc %s, not %s", key, got, want ? want : "known");
}

static void crc32_is_the_usual_one(void **state)
{
    (void)state;
    assert_int_equal(oracle_crc32("123456789", 9), 0xCBF43926u);
    assert_int_equal(oracle_crc32("", 0), 0);
}

static void bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    assert_int_equal(oracle_bf16_from_f32(1.0f), 0x3F80);
    assert_int_equal(oracle_bf16_from_f32(1.00390625f), 0x3F80); /* a tie, even below */
    assert_int_equal(oracle_bf16_from_f32(1.01171875f), 0x3F82); /* a tie, even above */
    assert_int_equal(oracle_bf16_from_f32(-1.005f), 0xBF81);
}

static void values_fill_their_range(void **state)
{
    (void)state;
    double sum = 0.0, lo = 1.0, hi = -1.0;
    uint32_t seed = oracle_hash_seed("model.some.weight");
    for (uint64_t i = 0; i < 100000; i++) {
        double v = (double)oracle_hash_value(seed, i, 0.5, 0.25);
        sum += v;
        lo = v < lo ? v : lo;
        hi = v > hi ? v : hi;
    }
    assert_true(lo >= 0.25 && lo < 0.2505 && hi < 0.75 && hi > 0.7495);
    assert_true(sum / 100000.0 > 0.498 && sum / 100000.0 < 0.502);
}

static void every_model_file_has_the_python_bytes(void **state)
{
    const sums *s = *state;
    char *dir = test_tmp_make(), done[64] = "";
    size_t n_files = 0;
    for (void *it = tsr_json_first(s->doc); it; it = tsr_json_next(s->doc, it)) {
        const char *key = tsr_json_key(it), *slash = strchr(key, '/');
        char model[64];
        size_t len = 0;
        tsr_error err = {0};
        if (!slash)
            continue;
        snprintf(model, sizeof model, "%.*s", (int)(slash - key), key);
        if (strcmp(model, done) != 0 && oracle_model_write(test_path(dir, model), model, &err) != TSR_OK)
            fail_msg("%s: %s", model, err.text);
        memcpy(done, model, sizeof done);
        unsigned char *file = test_read_file(test_path(dir, key), &len);
        assert_crc(s, key, file, len);
        free(file);
        n_files++;
    }
    assert_true(n_files > 60);
    test_tmp_remove(dir);
}

static void unknown_model_is_refused(void **state)
{
    (void)state;
    char *dir = test_tmp_make();
    tsr_error err = {0};
    assert_int_not_equal(oracle_model_write(test_path(dir, "m"), "70b", &err), TSR_OK);
    assert_non_null(strstr(err.text, "70b"));
    test_tmp_remove(dir);
}

static void pictures_and_sounds_have_the_python_bytes(void **state)
{
    const sums *s = *state;
    static uint8_t rgb[150 * 90 * 3], pcm[40000];
    oracle_picture(rgb, 150, 90, 3, 16);
    assert_crc(s, "picture 150x90 seed 3 noise 16", rgb, sizeof rgb);
    for (uint32_t seed = 1; seed <= 5; seed += 4) {
        char key[64];
        for (uint32_t i = 0; i < 20000; i++) {
            uint16_t v = (uint16_t)oracle_sound_sample(seed, i);
            pcm[2 * i] = (uint8_t)(v & 0xFF);
            pcm[2 * i + 1] = (uint8_t)(v >> 8);
        }
        snprintf(key, sizeof key, "sound 20000 seed %u", (unsigned)seed);
        assert_crc(s, key, pcm, sizeof pcm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32_is_the_usual_one),
        cmocka_unit_test(bf16_rounds_to_nearest_even),
        cmocka_unit_test(values_fill_their_range),
        cmocka_unit_test(every_model_file_has_the_python_bytes),
        cmocka_unit_test(unknown_model_is_refused),
        cmocka_unit_test(pictures_and_sounds_have_the_python_bytes),
    };
    return cmocka_run_group_tests(tests, open_sums, close_sums);
}
