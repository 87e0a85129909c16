/* gguf_model.h: the text model of a Hugging Face folder as a GGUF file with llama.cpp's keys and names, for tests, and
 * places in its bytes to break it. What goes wrong here ends the program. */
#ifndef GGUF_MODEL_H
#define GGUF_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gm_form {
    bool split_experts; /* gate and up in a tensor each */
    bool drop_shared;   /* no k, v and k_norm where a layer reads another one's */
    bool output;        /* an output matrix of its own, equal to the embedding */
} gm_form;

void gm_write(const char *path, const char *dir, gm_form form);
/* The same in two parts. */
void gm_write_split(const char *first, const char *second, const char *dir);

/* A drafter for a model of width 64: two layers, all of zeros. */
void gm_write_drafter(const char *path);

/* Where the string `s` stands with its length before it, as keys and tensor names do; the program ends when it
 * doesn't. */
size_t gm_find(const unsigned char *bytes, size_t len, const char *s);

#endif
