/* compare.h: .npy files and the comparison of a rung with its reference. */
#ifndef ORACLE_COMPARE_H
#define ORACLE_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

enum { ORACLE_NPY_MAX_DIMS = 6 };

typedef enum oracle_npy_type { ORACLE_F32, ORACLE_I32, ORACLE_U8 } oracle_npy_type;

typedef struct oracle_npy {
    oracle_npy_type type;
    size_t n_dims;
    size_t shape[ORACLE_NPY_MAX_DIMS];
    size_t n; /* elements in all */
    void *data;
} oracle_npy;

/* Read a little-endian C-order array of f32, i32 or u8 (format versions 1 and 2). */
tsr_status oracle_npy_read(oracle_npy *out, const char *path, tsr_error *err);
void oracle_npy_free(oracle_npy *a); /* zeroed is fine */
size_t oracle_npy_row_len(const oracle_npy *a); /* elements of one entry of the first axis */

/* How far `got` is from `want`. Values that are not finite are counted and keep out of the rest;
 * a result with any of them never passes. */
typedef struct oracle_diff {
    size_t n;
    size_t n_not_finite;
    size_t worst;     /* index of the largest difference, or of the first value that isn't finite */
    double got, want; /* the values there */
    double max_abs;   /* largest difference */
    double max_rel;   /* max_abs over the largest magnitude of `want` */
    double rms;       /* root of the mean squared difference */
    double cosine;    /* 1 when both are all zero, 0 when one is */
} oracle_diff;

void oracle_diff_f32(oracle_diff *out, const float *got, const float *want, size_t n);
bool oracle_diff_within_abs(const oracle_diff *d, double limit);
bool oracle_diff_within_rel(const oracle_diff *d, double limit);
bool oracle_diff_cosine_over(const oracle_diff *d, double limit);

/* The index of the largest value, the first of equals. n > 0. */
size_t oracle_argmax(const float *v, size_t n);

/* CRC-32 as in zlib. */
uint32_t oracle_crc32(const void *data, size_t n);

#endif
