/* transcribe_words.h: the text of a window as words: joining it with its neighbor's, and telling when a model has
 * got stuck. A word is what stands between white space; of scripts that are written without, each character. */
#ifndef TSR_TRANSCRIBE_WORDS_H
#define TSR_TRANSCRIBE_WORDS_H

#include "tsr_utf8.h"

typedef struct tsri_word {
    size_t from, to; /* bytes of the text */
    uint64_t key;    /* of what counts when words are compared: letters and digits, lower case; 0: none */
    bool is_spaced;  /* white space stands before it */
} tsri_word;

typedef struct tsri_words {
    tsr_text text; /* well-formed UTF-8, single spaces, no control characters */
    tsri_word *at; /* [n] */
    size_t n, cap;
} tsri_words;

/* Zeroed is empty. *w is replaced. */
tsr_status tsri_words_read(tsri_words *w, const char *text, size_t len, tsr_error *err);
void tsri_words_deinit(tsri_words *w);

/* Drop all before word `first`, or all from word n on. */
void tsri_words_drop_front(tsri_words *w, size_t first);
void tsri_words_keep_front(tsri_words *w, size_t n);

/* Whether a space belongs before the first word, where other words stand before it. */
bool tsri_words_want_space(const tsri_words *w);

/* NULL, or why this cannot be what was said in so many seconds: the same again and again, or too much of it. A
 * static text. */
const char *tsri_words_stuck(const tsri_words *w, double seconds);

/* a and b heard the same for a while: the last words of a (none before `first`) are the first of b, each with errors
 * at its cut edge. About n_a and n_b of them are expected. *keep of a and from *skip on of b make the whole: the
 * seam is in the middle of what both heard. False where they have nothing in common; *keep is then all but half of
 * n_a, *skip half of n_b: an estimate. */
bool tsri_words_seam(const tsri_words *a, size_t first, size_t n_a, const tsri_words *b, size_t n_b, size_t *keep,
                     size_t *skip);

#endif
