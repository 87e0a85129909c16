/* recipes.c: pictures and sounds in integer arithmetic; recipes.py must stay in step, line by line. */
#include "recipes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tsr_alloc.h"
#include "tsr_file.h"

uint32_t oracle_mix32(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    x ^= x >> 16;
    return x;
}

/* A triangle wave 0 .. period / 2 - 1 of t >= 0. */
static int64_t fold(int64_t t, int64_t period)
{
    t %= period;
    return t < period / 2 ? t : period - 1 - t;
}

static int64_t clip(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* numpy's // for a positive divisor. */
static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

typedef struct canvas {
    int64_t w, h, s; /* width, height, seed */
} canvas;

static void waves(int64_t px[3], const canvas *c, int64_t x, int64_t y)
{
    px[0] = fold(x * (3 + c->s % 5) + y * 2 + c->s * 17, 512);
    px[1] = fold(x * 2 + y * (5 + c->s % 3) + c->s * 29, 512);
    px[2] = fold((x * y) / (8 + c->s) + c->s * 41, 512);
}

static void shapes(int64_t px[3], const canvas *c, int64_t x, int64_t y)
{
    int64_t dx = x * 16 - c->w * 11, dy = y * 16 - c->h * 6;
    int64_t r = (c->w < c->h ? c->w : c->h) * 4;
    if (x * 8 >= c->w && x * 8 < c->w * 3 && y * 8 >= c->h * 3 && y * 8 < c->h * 6) {
        px[0] = 240;
        px[1] = 30 + c->s;
        px[2] = 60;
    }
    if (dx * dx + dy * dy < r * r) {
        px[0] = 20;
        px[1] = 90;
        px[2] = 250 - c->s;
    }
}

void oracle_picture(uint8_t *rgb, size_t width, size_t height, uint32_t seed, uint32_t noise)
{
    canvas c = {(int64_t)width, (int64_t)height, (int64_t)seed};
    for (int64_t y = 0; y < c.h; y++) {
        for (int64_t x = 0; x < c.w; x++) {
            int64_t px[3];
            waves(px, &c, x, y);
            shapes(px, &c, x, y);
            for (int64_t k = 0; k < 3; k++) {
                int64_t i = (y * c.w + x) * 3 + k;
                if (noise > 0) {
                    px[k] += oracle_mix32((uint32_t)(uint64_t)(i + (c.s << 24))) & (noise - 1);
                }
                rgb[i] = (uint8_t)clip(px[k], 0, 255);
            }
        }
    }
}

static int64_t tri(uint64_t phase)
{
    return fold((int64_t)((phase & 0xFFFFFFFFu) >> 15), 131072) - 32768;
}

int16_t oracle_sound_sample(uint32_t seed, uint64_t i)
{
    uint64_t s = seed;
    int64_t glide = tri(i * (40000000 + s * 9000000) + i * i * (700 + 13 * s));
    int64_t steady = tri(i * (118111601 + s * 31000000));
    int64_t swell = floor_div(tri(i * (700000 + s * 90000)) + 32768, 16);
    int64_t noise = (int64_t)(oracle_mix32((uint32_t)(i + (s << 20))) >> 23) - 256;
    int64_t v = floor_div(glide * swell, 16384) + floor_div(steady, 12) + noise;
    return (int16_t)clip(v, -32768, 32767);
}

tsr_status oracle_picture_write(const char *path, size_t width, size_t height, uint32_t seed, uint32_t noise,
                                tsr_error *err)
{
    char head[64];
    unsigned char *file = NULL;
    size_t n_head = (size_t)snprintf(head, sizeof head, "P6\n%zu %zu\n255\n", width, height);
    tsr_status st = tsr_alloc_array(&file, n_head + width * height * 3, 1, "a picture", err);
    if (st == TSR_OK) {
        memcpy(file, head, n_head);
        oracle_picture(file + n_head, width, height, seed, noise);
        st = tsr_file_replace(path, file, n_head + width * height * 3, err);
    }
    tsr_free(file);
    return st;
}

static unsigned char *put_le(unsigned char *p, uint32_t v, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        *p++ = (unsigned char)(v >> (8 * i));
    }
    return p;
}

static unsigned char *put_wav_head(unsigned char *p, uint32_t n_ch, uint32_t n_bytes)
{
    memcpy(p, "RIFF", 4);
    p = put_le(p + 4, 36 + n_bytes, 4);
    memcpy(p, "WAVEfmt ", 8);
    p = put_le(p + 8, 16, 4);
    p = put_le(p, 1, 2);
    p = put_le(p, n_ch, 2);
    p = put_le(p, 16000, 4);
    p = put_le(p, 32000 * n_ch, 4);
    p = put_le(p, 2 * n_ch, 2);
    p = put_le(p, 16, 2);
    memcpy(p, "data", 4);
    return put_le(p + 4, n_bytes, 4);
}

tsr_status oracle_sound_write(const char *path, size_t n_samples, const uint32_t *seeds, size_t n_channels,
                              tsr_error *err)
{
    unsigned char *file = NULL, *p;
    size_t n_bytes = n_samples * n_channels * 2;
    tsr_status st = tsr_alloc_array(&file, 44 + n_bytes, 1, "a sound", err);
    if (st == TSR_OK) {
        p = put_wav_head(file, (uint32_t)n_channels, (uint32_t)n_bytes);
        for (size_t i = 0; i < n_samples; i++) {
            for (size_t c = 0; c < n_channels; c++) {
                p = put_le(p, (uint16_t)oracle_sound_sample(seeds[c], i), 2);
            }
        }
        st = tsr_file_replace(path, file, 44 + n_bytes, err);
    }
    tsr_free(file);
    return st;
}
