/* film_time.h: places in films as people write them: MM:SS, and H:MM:SS past an hour. */
#ifndef TSR_FILM_TIME_H
#define TSR_FILM_TIME_H

#include <stdbool.h>
#include <stddef.h>

enum { TSRI_FILM_TIME = 24 };

/* Whole seconds, rounded down, or with a tenth ("01:02.5"). Negative and not finite counts as 0. */
void tsri_film_time_write(char out[TSRI_FILM_TIME], double seconds, bool tenths);

/* Read MM:SS, H:MM:SS, either with a fraction, at the beginning of `s`; minutes may be more than 59 where no hours
 * stand before them, as in the time stamps of prompts. Gives the bytes that were read; 0: there is no time. */
size_t tsri_film_time_read(const char *s, size_t len, double *seconds);

#endif
