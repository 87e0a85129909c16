/* config_internal.h: reading single values of a configuration object. A missing value or an explicit
 * null gives the fallback; a value of the wrong kind or out of range is a TSR_ERR_MODEL that names
 * `part` and key. `cfg` may be NULL. */
#ifndef TSRI_ENC_CONFIG_INTERNAL_H
#define TSRI_ENC_CONFIG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "tsr_json.h"
#include "tsr_status.h"
#include "tsr_weights.h"

/* The most that is believed of any model, so that sizes made of these don't overflow. */
enum { TSRI_ENC_MAX_WIDTH = 1 << 16, TSRI_ENC_MAX_LAYERS = 1024, TSRI_ENC_MAX_POOL = 64 };

tsr_status tsri_enc_config_size(const tsr_json *cfg, const char *part, const char *key, size_t fallback, size_t min,
                            size_t max, size_t *out, tsr_error *err);
/* Finite numbers only. */
tsr_status tsri_enc_config_double(const tsr_json *cfg, const char *part, const char *key, double fallback, double *out,
                              tsr_error *err);
tsr_status tsri_enc_config_bool(const tsr_json *cfg, const char *part, const char *key, bool fallback, bool *out,
                            tsr_error *err);

/* A norm's epsilon: 0 < eps < 1. */
tsr_status tsri_enc_config_eps(const tsr_json *cfg, const char *part, float *out, tsr_error *err);

/* TSR_ERR_UNSUPPORTED unless the string is missing or one of a and b (b may be NULL). */
tsr_status tsri_enc_config_require(const tsr_json *cfg, const char *part, const char *key, const char *a, const char *b,
                               tsr_error *err);

/* A property that a tensor decides by being there (*present): where the configuration states it, it has to
 * agree, else TSR_ERR_MODEL names both. */
tsr_status tsri_enc_config_agree(const tsr_json *cfg, const char *part, const char *key, const tsr_weights *w,
                                 const char *tensor, bool *present, tsr_error *err);

#endif
