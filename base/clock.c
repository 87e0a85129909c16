/* clock.c: see the header. */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "tsr_clock.h"

#include <time.h>

enum { NS_PER_S = 1000000000 };

int64_t tsr_clock_ns(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_MONOTONIC, &t) == 0 ? (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec : 0;
}

double tsr_clock_s(void)
{
    return (double)tsr_clock_ns() / NS_PER_S;
}
