/* test_main.h: cmocka with the headers that it wants before it. */
#ifndef TEST_MAIN_H
#define TEST_MAIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tsr_status.h"

/* The error `e` has this status and its text holds each of the given parts (NULL ends them). */
static inline void assert_error(const tsr_error *e, tsr_status st, const char *a, const char *b)
{
    if (e->status != st || (a && !strstr(e->text, a)) || (b && !strstr(e->text, b)))
        fail_msg("wanted status %d with '%s' and '%s', got %d: %s", (int)st, a ? a : "", b ? b : "", (int)e->status,
                 e->text);
}

#endif
