/* status_internal.h: texts that may hold file names, made fit to be shown. */
#ifndef TSR_STATUS_INTERNAL_H
#define TSR_STATUS_INTERNAL_H

/* Put '?' for every control character and every byte that is no part of valid UTF-8 (a name may hold
 * anything, and cutting a text may cut a character). */
void tsri_text_clean(char *s);

#endif
