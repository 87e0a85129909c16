/* manual.h: the manual page and the shells' completions, made from the table of options. */
#ifndef TSR_CLI_MANUAL_H
#define TSR_CLI_MANUAL_H

#include <stdbool.h>

/* Print the completions for bash, zsh or fish, or the manual page ("man") in roff's form to stdout. False: there is nothing
 * of that name. */
bool manual_print(const char *what);

#endif
