/* json_build.h: JSON objects and lists built without a test at every step: the first failure
 * sticks, and the end gives NULL. Every put takes its value over, failed or not. */
#ifndef TSR_JSON_BUILD_H
#define TSR_JSON_BUILD_H

#include "tsr_json.h"

typedef struct tsri_build {
    tsr_json *v;
    bool failed;
} tsri_build;

tsri_build tsri_build_object(void);
tsri_build tsri_build_list(void);
tsr_json *tsri_build_end(tsri_build *b); /* the caller's; NULL when anything failed */

void tsri_put(tsri_build *b, const char *key, tsr_json *v);
void tsri_put_text(tsri_build *b, const char *key, const char *s);
void tsri_put_size(tsri_build *b, const char *key, size_t n);
void tsri_put_real(tsri_build *b, const char *key, double x);
void tsri_put_bool(tsri_build *b, const char *key, bool x);

void tsri_add(tsri_build *b, tsr_json *v);
void tsri_add_text(tsri_build *b, const char *s);
void tsri_add_size(tsri_build *b, size_t n);

#endif
