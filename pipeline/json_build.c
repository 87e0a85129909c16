/* json_build.c: sticky-failure builders over tsr_json. */
#include "json_build.h"

#include <string.h>

tsri_build tsri_build_object(void)
{
    tsr_json *v = tsr_json_new_object();
    return (tsri_build){v, v == NULL};
}

tsri_build tsri_build_list(void)
{
    tsr_json *v = tsr_json_new_array();
    return (tsri_build){v, v == NULL};
}

tsr_json *tsri_build_end(tsri_build *b)
{
    tsr_json *v = b->v;
    b->v = NULL;
    if (!b->failed)
        return v;
    tsr_json_free(v);
    return NULL;
}

void tsri_put(tsri_build *b, const char *key, tsr_json *v)
{
    if (!tsr_json_set(b->v, key, v))
        b->failed = true;
}

void tsri_put_text(tsri_build *b, const char *key, const char *s)
{
    tsri_put(b, key, tsr_json_new_string(s, strlen(s)));
}

void tsri_put_size(tsri_build *b, const char *key, size_t n)
{
    tsri_put(b, key, tsr_json_new_i64((int64_t)n));
}

void tsri_put_real(tsri_build *b, const char *key, double x)
{
    tsri_put(b, key, tsr_json_new_double(x));
}

void tsri_put_bool(tsri_build *b, const char *key, bool x)
{
    tsri_put(b, key, tsr_json_new_bool(x));
}

void tsri_add(tsri_build *b, tsr_json *v)
{
    if (!tsr_json_append(b->v, v))
        b->failed = true;
}

void tsri_add_text(tsri_build *b, const char *s)
{
    tsri_add(b, tsr_json_new_string(s, strlen(s)));
}

void tsri_add_size(tsri_build *b, size_t n)
{
    tsri_add(b, tsr_json_new_i64((int64_t)n));
}
