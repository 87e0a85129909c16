/* tsr_gguf_towers_out.h: the vision and sound parts written as an mmproj file (GGUF, architecture "clip"): the
 * reverse of tsr_gguf_towers.h, with its table of names and turns. Keys and their forms are those of
 * llama.cpp's converter. */
#ifndef TSR_GGUF_TOWERS_OUT_H
#define TSR_GGUF_TOWERS_OUT_H

#include "tsr_gguf_write.h"
#include "tsr_json.h"
#include "tsr_weights.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Add to `out` under GGUF names and in that file's layout every tensor of `from` (Hugging Face names) that the
 * table knows; what it doesn't know is left to others. What lies in another order is copied into memory that
 * `out` owns, as tsr_gguf_towers_weights does. `from` must outlive `out`. TSR_ERR_MODEL names a tensor of a
 * shape that can't be turned. */
tsr_status tsr_gguf_towers_rename(tsr_weights *out, const tsr_weights *from, tsr_error *err);

/* True when such a table holds anything of the senses. */
bool tsr_gguf_towers_any(const tsr_weights *renamed);

/* The keys "clip.*" for the renamed tensors. The objects are vision_config, audio_config and the feature
 * extractor's, each NULL where there is none; `file` stands in errors. TSR_ERR_UNSUPPORTED names a setting
 * that such a file can't say and its readers would take otherwise; TSR_ERR_MODEL a tensor that is missing. */
tsr_status tsr_gguf_towers_put_config(tsr_gguf_writer *w, const tsr_weights *renamed, const tsr_json *vision,
                                      const tsr_json *audio, const tsr_json *extractor, const char *file,
                                      tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
