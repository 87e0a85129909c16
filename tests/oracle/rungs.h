/* rungs.h: what the program dumped against what the reference gave. */
#ifndef ORACLE_RUNGS_H
#define ORACLE_RUNGS_H

#include <stdbool.h>
#include <stddef.h>

/* Compare every rung of refs/CASE_NAME with the .npy files in dump_dir and print one line each: what was
 * observed beside its limit. `bf16` chooses the limits of a BF16 model. Gives the number of failures. */
size_t oracle_rungs_check(const char *case_name, const char *dump_dir, bool bf16);

#endif
