/* recipes.h: the cases' pictures and sounds, by the integer recipes of recipes.py. */
#ifndef ORACLE_RECIPES_H
#define ORACLE_RECIPES_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

enum { ORACLE_MAX_CHANNELS = 2 };

/* The 32-bit mixer that pictures, sounds and weights share. */
uint32_t oracle_mix32(uint32_t x);

/* rgb: uint8 [height, width, 3], the caller's. noise is 0 or a power of 2. */
void oracle_picture(uint8_t *rgb, size_t width, size_t height, uint32_t seed, uint32_t noise);

/* One sample of the sound `seed` at 16 kHz. */
int16_t oracle_sound_sample(uint32_t seed, uint64_t i);

tsr_status oracle_picture_write(const char *path, size_t width, size_t height, uint32_t seed, uint32_t noise,
                                tsr_error *err); /* PPM */

/* A 16 kHz, 16-bit WAV with one channel per seed (1 or 2). */
tsr_status oracle_sound_write(const char *path, size_t n_samples, const uint32_t *seeds, size_t n_channels,
                              tsr_error *err);

#endif
