/* tsr_prompt.h: rendered segments and media become the token ids that the decoder reads, and the
 * list of places where rows of an encoder take the place of embeddings. Any thread. */
#ifndef TSR_PROMPT_H
#define TSR_PROMPT_H

#include <stddef.h>
#include <stdint.h>

#include "tsr_chat.h"
#include "tsr_status.h"
#include "tsr_tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a media part becomes: an image or clip n_tokens soft tokens between its two markers, a film
 * "MM:SS " and n_tokens soft tokens between image markers for each frame, joined by a space. */
typedef struct tsr_prompt_media {
    tsr_part_kind kind;        /* must be that of the part */
    size_t n_tokens;           /* soft tokens; of a film: of each frame */
    size_t n_frames;           /* VIDEO only */
    const double *frame_times; /* VIDEO only: [n_frames] seconds, >= 0 and below 6e6 */
} tsr_prompt_media;

/* Ids of the media tokens, -1 where the tokenizer has none; a caller may fill those in from the
 * model's configuration. */
typedef struct tsr_media_ids {
    int32_t begin_image, image, end_image, begin_audio, audio, end_audio, video;
} tsr_media_ids;

tsr_media_ids tsr_media_ids_find(const tsr_tokenizer *t);

/* Soft tokens that follow each other: positions [start, start + len) take the rows of media part
 * `part`; of a film, of its frame `frame` (rows of one film are one list, frame after frame). */
typedef struct tsr_prompt_span {
    tsr_part_kind kind;
    size_t part, frame, start, len;
} tsr_prompt_span;

typedef struct tsr_prompt {
    tsr_ids ids;
    tsr_prompt_span *spans; /* in the order of their positions */
    size_t n_spans, cap_spans;
    size_t n_image, n_audio, n_video; /* soft tokens of each kind */
} tsr_prompt;

void tsr_prompt_deinit(tsr_prompt *p); /* zeroed is fine */

/* What stands at position `at`: TEXT, or the kind of its soft token. */
tsr_part_kind tsr_prompt_kind_at(const tsr_prompt *p, size_t at);

/* From a rendered conversation. media: [n_media], one for each media part in the order given.
 * TSR_ERR_USAGE when their number or kinds don't fit; TSR_ERR_MODEL when the tokenizer lacks a
 * token that is needed. *out is the caller's (tsr_prompt_deinit), empty on failure. */
tsr_status tsr_prompt_build(tsr_prompt *out, const tsr_tokenizer *t, const tsr_media_ids *ids, const tsr_segments *s,
                            const tsr_prompt_media *media, size_t n_media, tsr_error *err);

/* Without a template: control tokens in the texts are control, and one BOS stands in front. A media
 * part stands where it is given, unless the texts hold placeholders of its kind ("<|image|>"): then
 * these are its places, and there must be as many as parts. */
tsr_status tsr_prompt_build_raw(tsr_prompt *out, const tsr_tokenizer *t, const tsr_media_ids *ids,
                                const tsr_chat_part *parts, size_t n_parts, const tsr_prompt_media *media,
                                size_t n_media, tsr_error *err);

#ifdef __cplusplus
}
#endif
#endif
