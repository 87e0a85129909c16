/* transcribe.h: sounds of any length become text, lines, cues or JSON; in files or on standard output. */
#ifndef TSR_CLI_TRANSCRIBE_H
#define TSR_CLI_TRANSCRIBE_H

#include "options.h"
#include "terminal.h"

/* Is what was asked for possible? 0, or 2 with the reason on stderr; for before the model is opened. */
int transcribe_check(const options *o);

/* All files, one after the other. The exit code: of the first file that failed; 65 where a stretch has no
 * transcript; 130 when interrupted. */
int transcribe_files(tessera_model *m, options *o, terminal *t);

#endif
