/* config.c: single values of a configuration object, checked. */
#include "config_internal.h"

#include <math.h>
#include <string.h>

tsr_status tsri_enc_config_size(const tsr_json *cfg, const char *part, const char *key, size_t fallback, size_t min,
                                size_t max, size_t *out, tsr_error *err)
{
    const tsr_json *v = tsr_json_get_set(cfg, key);
    size_t n = fallback;
    if (v && !tsr_json_to_size(v, &n))
        return tsr_fail(err, TSR_ERR_MODEL, "%s: %s is not a whole number", part, key);
    if (n < min || n > max)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: %s is %zu, allowed are %zu to %zu", part, key, n, min, max);
    *out = n;
    return TSR_OK;
}

tsr_status tsri_enc_config_double(const tsr_json *cfg, const char *part, const char *key, double fallback, double *out,
                                  tsr_error *err)
{
    const tsr_json *v = tsr_json_get_set(cfg, key);
    double x = fallback;
    if (v && !tsr_json_to_double(v, &x))
        return tsr_fail(err, TSR_ERR_MODEL, "%s: %s is not a number", part, key);
    if (!isfinite(x))
        return tsr_fail(err, TSR_ERR_MODEL, "%s: %s is not finite", part, key);
    *out = x;
    return TSR_OK;
}

tsr_status tsri_enc_config_bool(const tsr_json *cfg, const char *part, const char *key, bool fallback, bool *out,
                                tsr_error *err)
{
    const tsr_json *v = tsr_json_get_set(cfg, key);
    *out = fallback;
    if (v && !tsr_json_to_bool(v, out))
        return tsr_fail(err, TSR_ERR_MODEL, "%s: %s is neither true nor false", part, key);
    return TSR_OK;
}

tsr_status tsri_enc_config_eps(const tsr_json *cfg, const char *part, float *out, tsr_error *err)
{
    double eps = 0.0;
    tsr_status st = tsri_enc_config_double(cfg, part, "rms_norm_eps", 1e-6, &eps, err);
    if (st == TSR_OK && !(eps > 0.0 && eps < 1.0))
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: rms_norm_eps is %g", part, eps);
    *out = (float)eps;
    return st;
}

tsr_status tsri_enc_config_require(const tsr_json *cfg, const char *part, const char *key, const char *a, const char *b,
                                   tsr_error *err)
{
    const tsr_json *v = tsr_json_get_set(cfg, key);
    if (!v)
        return TSR_OK;
    const char *s = tsr_json_string(v, NULL);
    if (!s)
        return tsr_fail(err, TSR_ERR_MODEL, "%s: %s is not a string", part, key);
    if (strcmp(s, a) == 0 || (b && strcmp(s, b) == 0))
        return TSR_OK;
    return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: %s is \"%.64s\", only \"%s\" is supported", part, key, s, a);
}

tsr_status tsri_enc_config_agree(const tsr_json *cfg, const char *part, const char *key, const tsr_weights *w,
                                 const char *tensor, bool *present, tsr_error *err)
{
    *present = tsr_weights_find(w, tensor) != NULL;
    bool stated = *present;
    tsr_status st = tsri_enc_config_bool(cfg, part, key, *present, &stated, err);
    if (st == TSR_OK && stated != *present)
        st = tsr_fail(err, TSR_ERR_MODEL, "%s: %s is %s but tensor %s is %s", part, key, stated ? "true" : "false", tensor,
                      *present ? "there" : "missing");
    return st;
}
