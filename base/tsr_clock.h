/* tsr_clock.h: time that never goes back, for spans and deadlines. */
#ifndef TSR_CLOCK_H
#define TSR_CLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nanoseconds since some moment before; 0 where the system has no such clock. Any thread. */
int64_t tsr_clock_ns(void);

/* The same in seconds. */
double tsr_clock_s(void);

#ifdef __cplusplus
}
#endif

#endif
