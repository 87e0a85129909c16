/* quantize.h: one GGUF file on its way from a source's tensors to the disk, and what is told about it. */
#ifndef TSR_QUANTIZE_H_PIPELINE
#define TSR_QUANTIZE_H_PIPELINE

#include "json_build.h"
#include "quantize_rows.h"
#include "quantize_source.h"

typedef struct tsri_gguf_out {
    tsri_half half;
    char *path;
    const tsri_mixture *mix;
    tsr_weights *tensors;      /* under GGUF names */
    size_t n;                  /* of them */
    size_t *order;             /* [n] indices into `tensors`, in the file's order */
    tsri_type_choice *choices; /* [n], in the file's order */
    tsr_gguf_writer *writer;
} tsri_gguf_out;

/* The name of the i-th tensor in the file's order, and what it is made of. */
const char *tsri_gguf_out_name(const tsri_gguf_out *o, size_t i);
const tsr_view *tsri_gguf_out_view(const tsri_gguf_out *o, size_t i);
uint64_t tsri_gguf_out_bytes(const tsri_gguf_out *o, size_t i);

/* "mmproj-NAME-TYPE.gguf" beside OUT, where NAME is OUT's without the type that it carries. *path is the caller's. */
tsr_status tsri_mmproj_name(char **path, const char *out, const tsri_mixture *mix, tsr_error *err);

/* The report on finished files: JSON or lines. *out is the caller's (tsr_free). */
tsr_status tsri_quantize_report(char **out, const tsri_gguf_out *files, size_t n_files, double seconds, bool as_json,
                                tsr_error *err);

#endif
