/* model_find.h: what stands after -m becomes paths. */
#ifndef TSR_MODEL_FIND_H
#define TSR_MODEL_FIND_H

#include "tsr_status.h"

/* The files that `spec` means; nothing is ever downloaded.
 *
 *   hf:ORG/REPO[@REVISION]   of the Hugging Face cache: the safetensors model when it is whole, else the only GGUF
 *                            text model, else TSR_ERR_USAGE that lists the types there are
 *   hf:ORG/REPO[@REVISION]:QUANT   the GGUF whose name carries that type (Q4_K_M, q8_0, UD-Q4_K_XL) or that has it
 *                            as its name
 *   a folder without safetensors but with GGUF files: the only text model among them, chosen as above
 *   anything else            is the path itself
 *
 * *path is a folder, .safetensors or .gguf (of a split file the first part); *mmproj the towers' file that belongs to
 * a GGUF of the cache or a folder, or NULL: for a path to a single file tsri_find_mmproj looks beside it. Both are
 * the caller's (tsr_free). TSR_ERR_NOINPUT when it isn't there or not whole: the text names what is missing and the
 * command that downloads it. On failure both are NULL. */
tsr_status tsri_find_model(const char *spec, char **path, char **mmproj, tsr_error *err);

/* The mmproj that stands beside the text model GGUF and belongs to it (tsri_folder_mmproj); NULL when there is none.
 * *path is the caller's. */
tsr_status tsri_find_mmproj(const char *gguf, char **path, tsr_error *err);
/* Where there is none: a sentence on one that stands there but does not fit (tsri_folder_unfit_mmproj), or NULL. */
tsr_status tsri_find_unfit_mmproj(const char *gguf, char **text, tsr_error *err);

#endif
