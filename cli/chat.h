/* chat.h: a talk with the model, turn by turn. */
#ifndef TSR_CLI_CHAT_H
#define TSR_CLI_CHAT_H

#include "options.h"
#include "terminal.h"

/* Lines of standard input are said to the model until they end; the files of o->parts go with the first one, system parts are
 * the system text, o->rq.messages what was said before. Gives the exit code: of a pipe's first turn that failed, else 0. */
int chat_run(tessera_model *m, const options *o, terminal *t);

#endif
