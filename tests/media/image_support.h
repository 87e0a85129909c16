/* image_support.h: what the picture tests share: fixtures in exact-size memory, and CRC-32. */
#ifndef IMAGE_SUPPORT_H
#define IMAGE_SUPPORT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline uint32_t crc32_of(const void *data, size_t len)
{
    const unsigned char *p = data;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
    }
    return ~crc;
}

/* A block of exactly n bytes (malloc, so that a sanitizer sees a read past it). */
static inline unsigned char *exact_copy(const void *data, size_t n)
{
    if (n > SIZE_MAX / 2)
        abort();
    unsigned char *p = malloc(n ? n : 1);
    if (!p)
        abort();
    if (n)
        memcpy(p, data, n);
    return p;
}

static inline unsigned char *fixture_read(const char *file, size_t *len)
{
    static unsigned char room[1 << 16];
    char path[512];
    int n = snprintf(path, sizeof path, "%s/fixtures/%s", TSR_TEST_DIR, file);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "rb") : NULL;
    if (!f) {
        fprintf(stderr, "no fixture %s\n", file);
        abort();
    }
    *len = fread(room, 1, sizeof room, f);
    fclose(f);
    return exact_copy(room, *len);
}

static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

#endif
