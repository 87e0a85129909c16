/* utf8_case_internal.h: the two case tables of utf8_case.c. */
#ifndef TSRI_UTF8_CASE_H
#define TSRI_UTF8_CASE_H

#include <stddef.h>
#include <stdint.h>

/* Each `step`-th character of [first, last] becomes itself + delta, followed by `more` (0: none).
 * Rows are sorted and don't overlap. */
typedef struct tsri_case_row {
    uint32_t first, last;
    int32_t delta;
    uint16_t step, more[2];
} tsri_case_row;

extern const tsri_case_row tsri_case_upper[], tsri_case_lower[];
extern const size_t tsri_case_upper_n, tsri_case_lower_n;

#endif
