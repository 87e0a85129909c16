/* test_buffer.h: bytes that grow, for the writers of test files. */
#ifndef TEST_BUFFER_H
#define TEST_BUFFER_H

#include <string.h>

#include "test_tmp.h"

typedef struct buffer {
    unsigned char *at; /* the caller's (free) */
    size_t len, cap;
} buffer;

static inline void append(buffer *b, const void *p, size_t n)
{
    if (n > b->cap - b->len) {
        b->cap = 2 * (b->len + n) + 64;
        b->at = must_realloc(b->at, b->cap);
    }
    if (n)
        memcpy(b->at + b->len, p, n);
    b->len += n;
}

#endif
