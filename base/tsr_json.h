/* tsr_json.h: reading and writing JSON; the only place that knows the library behind it.
 *
 * A document owns every value reached through it. Values are borrowed pointers; all readers take
 * NULL (a missing value) and then give "no". Objects keep the order of their keys. */
#ifndef TSR_JSON_H
#define TSR_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tsr_json tsr_json; /* one value, owned by its document or its parent */

/* Parse one JSON text (UTF-8, one value, nesting at most 2,048, no duplicate keys). Integers beyond
 * int64_t (Python writes them) are read as doubles. `name` is the file or part named in errors, which
 * also give line and column; TSR_ERR_MODEL when it is bad, TSR_ERR_NOMEM when memory is short.
 * The caller owns *out (tsr_json_free). */
tsr_status tsr_json_parse(tsr_json **out, const void *text, size_t len, const char *name, tsr_error *err);
tsr_status tsr_json_parse_file(tsr_json **out, const char *path, size_t max_bytes, tsr_error *err);
void tsr_json_free(tsr_json *doc); /* NULL is fine; only for what parse or new gave */

bool tsr_json_is_object(const tsr_json *v);
bool tsr_json_is_array(const tsr_json *v);
bool tsr_json_is_string(const tsr_json *v);
bool tsr_json_is_number(const tsr_json *v); /* integer or real */
bool tsr_json_is_integer(const tsr_json *v);
bool tsr_json_is_bool(const tsr_json *v);
bool tsr_json_is_null(const tsr_json *v); /* an explicit null; a missing value is not null */

/* The member of an object, NULL when there is none. A key of explicit null is a value. */
const tsr_json *tsr_json_get(const tsr_json *object, const char *key);
/* As above, but an explicit null counts as missing. */
const tsr_json *tsr_json_get_set(const tsr_json *object, const char *key);

size_t tsr_json_len(const tsr_json *v); /* elements or members; 0 for anything else */
const tsr_json *tsr_json_at(const tsr_json *array, size_t i);

/* Walk an object in its order: it = tsr_json_first(o); it; it = tsr_json_next(o, it). */
void *tsr_json_first(const tsr_json *object);
void *tsr_json_next(const tsr_json *object, void *it);
const char *tsr_json_key(void *it);
const tsr_json *tsr_json_value(void *it);

/* The text of a string, terminated; *len (may be NULL) counts its bytes, which may hold NUL.
 * NULL when v is no string. */
const char *tsr_json_string(const tsr_json *v, size_t *len);

/* False, and *out untouched, when v is missing or of another type (an integer is also a double). */
bool tsr_json_to_i64(const tsr_json *v, int64_t *out);
bool tsr_json_to_size(const tsr_json *v, size_t *out); /* integers >= 0 only */
bool tsr_json_to_double(const tsr_json *v, double *out);
bool tsr_json_to_bool(const tsr_json *v, bool *out);

/* Building. tsr_json_new_* give NULL when memory is short; set/append take over `v`, accept NULL
 * for it and then return false, so that a chain is tested once at its end. Strings must be UTF-8. */
tsr_json *tsr_json_new_object(void);
tsr_json *tsr_json_new_array(void);
tsr_json *tsr_json_new_string(const char *s, size_t len);
tsr_json *tsr_json_new_i64(int64_t n);
tsr_json *tsr_json_new_double(double x); /* NULL for NaN and infinities, which JSON lacks */
tsr_json *tsr_json_new_bool(bool b);
tsr_json *tsr_json_new_null(void);
bool tsr_json_set(tsr_json *object, const char *key, tsr_json *v);
bool tsr_json_append(tsr_json *array, tsr_json *v);

/* One line of compact JSON (indent 0) or indented text; the caller's (tsr_free). */
tsr_status tsr_json_dump(char **out, const tsr_json *v, unsigned indent, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
