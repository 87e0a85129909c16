/* batch_line.h: one line of a manifest as a request. Every key is known or refused by its name. */
#ifndef TSR_BATCH_LINE_H
#define TSR_BATCH_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "part_list.h"
#include "tessera.h"
#include "tsr_json.h"
#include "tsr_utf8.h"

typedef struct tsri_batch_line {
    size_t number;         /* from 1 */
    tsr_json *doc;         /* NULL: the line is no JSON */
    bool is_openai;        /* it has a key of OpenAI's batch form */
    const tsr_json *id;    /* a string or an integer; NULL: there is none that can be used */
    tsr_text key;          /* the id as the set of ids knows it; without one, the line's number */
    const tsr_json *model; /* that OpenAI's form names; NULL: none */
    tessera_request rq;    /* after tsri_batch_line_read; borrows from here and from the settings */
    tsri_parts parts;      /* of the request, and what it borrows */
} tsri_batch_line;

/* Read the line's JSON as far as its form and its id; `text` is not needed afterwards. When it has none of these, *why
 * says it (all that a line can do wrong), and the answer to the line is that. The status is of what isn't the line's
 * fault: TSR_ERR_NOMEM. `l` is to be deinited in any case. */
tsr_status tsri_batch_line_open(tsri_batch_line *l, size_t number, const char *text, size_t len, tsr_error *why,
                                tsr_error *err);

/* The same for a line that is too long. */
tsr_status tsri_batch_line_too_long(tsri_batch_line *l, size_t number, size_t max_bytes, tsr_error *why,
                                    tsr_error *err);

/* Read all of it: l->rq is `settings` with what the line says instead. Relative paths start at `dir`. *why and status
 * as above. */
tsr_status tsri_batch_line_read(tsri_batch_line *l, const tessera_request *settings, const char *dir, tsr_error *why,
                                tsr_error *err);
void tsri_batch_line_deinit(tsri_batch_line *l);

/* The key of an answer's id (a string or an integer) or, with id NULL, of the line's number; appended to *key. */
tsr_status tsri_batch_key(tsr_text *key, const tsr_json *id, size_t number, tsr_error *err);

/* ---- shared by the files that read a line ---- */

typedef enum tsri_batch_form { TSRI_FORM_SHORT = 1, TSRI_FORM_OPENAI = 2 } tsri_batch_form;

/* An option of the request by its key. *known: it is one of the form. An explicit null is as good as no key. */
tsr_status tsri_batch_option(tsri_batch_line *l, const char *key, const tsr_json *v, tsri_batch_form form, bool *known,
                             tsr_error *err);

/* Parts and the rest of a request from OpenAI's "body". */
tsr_status tsri_batch_read_openai(tsri_batch_line *l, const tessera_request *settings, const char *dir, tsr_error *err);

/* The system texts of the settings: for lines that have none of their own. */
tsr_status tsri_batch_add_system(tsri_batch_line *l, const tessera_request *settings, tsr_error *err);

#endif
