/* batch.h: the verb "batch": progress on stderr, a summary, the exit code. */
#ifndef TSR_CLI_BATCH_H
#define TSR_CLI_BATCH_H

#include "options.h"
#include "terminal.h"

/* o->rq holds the settings for every line but the system texts, which are o->parts. 65 when lines failed. */
int batch_run(tessera_model *m, options *o, terminal *t);

#endif
