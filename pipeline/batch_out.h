/* batch_out.h: the file of answers. Lines are appended whole; what a kill or a power cut tore is cut off when work goes
 * on. */
#ifndef TSR_BATCH_OUT_H
#define TSR_BATCH_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tsr_json.h"
#include "tsr_status.h"

typedef struct tsri_batch_out {
    int fd;           /* -1: none */
    const char *path; /* borrowed */
    int64_t size;     /* bytes of whole lines */
    double synced_at; /* seconds; when bytes were last made to last */
    bool dirty;
} tsri_batch_out;

/* Open or make the file and take its lock, which lasts until the file is closed or the process ends however it does.
 * restart: what it holds is thrown away. TSR_ERR_BUSY: another process has it; TSR_ERR_USAGE: it is `in`, or no regular
 * file; also IO, PERM, NOINPUT. */
tsr_status tsri_batch_out_open(tsri_batch_out *o, const char *path, int in, bool restart, tsr_error *err);

/* One call for each answer that stands there, with its line number; TSR_OK goes on. */
typedef tsr_status tsri_batch_seen_fn(void *user, const tsr_json *answer, size_t number, tsr_error *err);

/* Read what is there. A torn end is cut off (*n_cut bytes); what is no answer of a batch is TSR_ERR_DATA, and stays. */
tsr_status tsri_batch_out_read(tsri_batch_out *o, tsri_batch_seen_fn *fn, void *user, int64_t *n_cut, tsr_error *err);

/* Append one line (its newline is its last byte) whole or not at all; every few seconds it is made to last. */
tsr_status tsri_batch_out_add(tsri_batch_out *o, const char *line, size_t len, tsr_error *err);

/* Make all last and close. A file of which nothing came stays, empty. */
tsr_status tsri_batch_out_close(tsri_batch_out *o, tsr_error *err);

#endif
