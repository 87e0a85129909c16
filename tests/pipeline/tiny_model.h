/* tiny_model.h: the tiny E2B model, open for all tests of a program, requests to it, and answers that a script gives in its place. */
#ifndef TINY_MODEL_H
#define TINY_MODEL_H

#include "tessera.h"
#include "tsr_status.h"

extern tessera_model *tiny_model; /* NULL outside of set-up and tear-down */

/* For cmocka: test_root with the model in it. */
int tiny_model_open(void **state);
int tiny_model_close(void **state);

/* A short greedy answer to parts, pictures at 70 soft tokens. */
tessera_request greedy_request(const tessera_part *parts, size_t n);

/* The result of a run that answered `text` and ended for `finish` ("stop" where it is NULL); on failure NULL. */
tsr_status scripted_result(tessera_result **out, const char *text, const char *finish, tsr_error *err);

#endif
