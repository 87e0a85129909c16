/* st_edit.h: a safetensors file in memory whose header can be broken on purpose. */
#ifndef ST_EDIT_H
#define ST_EDIT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct st_edit {
    unsigned char *file; /* the whole, untouched file */
    size_t len;
    char *header; /* NUL-terminated copy of its JSON */
    size_t header_len;
} st_edit;

bool st_edit_read(st_edit *e, const char *path);
void st_edit_free(st_edit *e);

/* The i-th tensor's name, false beyond the last. */
bool st_edit_name(const st_edit *e, size_t i, char *name, size_t cap);

/* Write the file with the text `from`, searched behind the tensor's name and first of its kind there,
 * replaced by `to`. False when it does not occur in that tensor's object. */
bool st_edit_write(const st_edit *e, const char *path, const char *name, const char *from, const char *to);

/* Write the file with the tensor's name changed. */
bool st_edit_rename(const st_edit *e, const char *path, const char *name, const char *to);

#endif
