/* media_part.h: the media of a request, from named files to rows of soft tokens.
 *
 * Three steps, each for all parts before the next begins: plan (what is it, how many soft tokens will
 * it be; films and sound are not decoded yet), load (pixels and features in memory), encode (rows).
 * A request part gives one media part, but a PDF gives one per page, and a film with its sound two. */
#ifndef TSR_MEDIA_PART_H
#define TSR_MEDIA_PART_H

#include "message.h"
#include "model_internal.h"
#include "tsr_audio.h"
#include "tsr_image.h"
#include "tsr_pdf.h"
#include "tsr_source.h"
#include "tsr_video.h"

typedef enum tsri_media_kind { TSRI_IMAGE, TSRI_PAGE, TSRI_VIDEO, TSRI_AUDIO } tsri_media_kind;

const char *tsri_media_kind_name(tsri_media_kind k); /* "image", "page", "video", "audio" */

typedef struct tsri_media {
    tsri_media_kind kind;
    size_t part;     /* its index in the request */
    uint64_t serial; /* of a session: what has the same one has the same rows; 0: none */
    size_t page;     /* 1-based; pages only */
    double dpi;      /* and their resolution */
    size_t source_width, source_height; /* upright, square pixels */
    size_t width, height;               /* after the resize */
    size_t budget;                      /* of soft tokens, for one picture */
    size_t tokens_each;                 /* soft tokens of one picture */
    tsr_image *pictures;                /* [n_pictures], fitted; films have one per frame */
    size_t n_pictures;
    double *times;              /* films: seconds of each frame, [n_pictures] */
    double seconds, begin, end; /* sound and films: whole length (0: unknown) and the part that is covered */
    float *features;            /* sound: [n_features, feature_width] */
    size_t n_features, feature_width;
    size_t n_tokens; /* in all; for sound an estimate until it is loaded */
    float *rows;     /* [n_tokens, hidden] once encoded */
    tsr_video *film; /* until it is loaded */
} tsri_media;

/* The bytes behind a request part; kept open from plan to load. The caller closes source and pdf. */
typedef struct tsri_input {
    tsr_source *source;
    tsr_pdf *pdf; /* documents */
    tsr_media_facts facts; /* of a container, once has_facts */
    bool has_facts;
    const char *name;
} tsri_input;

typedef struct tsri_media_list {
    tessera_model *model;
    const tessera_request *rq;
    const tsri_messages *earlier; /* NULL, or the messages whose parts stand in front of the request's own in rq->parts */
    const tsr_image *given; /* NULL, or what the one picture part shows: it is not read from a file */
    const tsr_audio *given_sound; /* NULL, or what the one sound part holds, at the model's rate: likewise */
    tsri_input *inputs; /* [rq->n_parts] */
    tsri_media *at;
    size_t n, cap;
    size_t n_kept;       /* of `at`: encoded already, and somebody else's; nothing is done for their parts */
    size_t n_kept_parts; /* request parts that they and the texts among them take up */
    tessera_event_fn fn; /* progress; NULL: none */
    void *user;
    tsr_json *notes; /* borrowed */
    bool changed;    /* loading found another number of soft tokens than planned */
} tsri_media_list;

/* Open every file, find its kind, plan its soft tokens. */
tsr_status tsri_media_plan(tsri_media_list *l, tsr_error *err);
/* Decode what is not decoded yet. n_tokens is exact afterwards; `changed` tells whether it was not before. */
tsr_status tsri_media_load(tsri_media_list *l, tsr_error *err);
/* Fill in rows. */
tsr_status tsri_media_encode(tsri_media_list *l, tsr_error *err);
void tsri_media_deinit(tsri_media_list *l); /* zeroed is fine */
void tsri_media_free(tsri_media *m);        /* what one entry holds */

/* One object about a part, for the result. */
tsr_json *tsri_media_json(const tsri_media_list *l, const tsri_media *m);

/* Steps that stand in files of their own. */
tsri_media *tsri_media_add(tsri_media_list *l, tsri_media_kind kind, size_t part, tsr_error *err);
tsr_status tsri_media_report(const tsri_media_list *l, const char *stage, size_t done, size_t total, tsr_error *err);
tsr_status tsri_media_note(const tsri_media_list *l, tsr_error *err, const char *fmt, ...) TSR_PRINTF(3, 4);
tsr_status tsri_media_fit(const tsri_media_list *l, tsri_media *m, size_t budget, tsr_error *err);

/* Open a part's bytes and find what they are: IMAGE, AUDIO, VIDEO or PDF, which must go with the part's own kind. */
tsr_status tsri_input_open(tsri_input *in, const tessera_part *part, size_t max_spool, tessera_part_kind *kind,
                           tsr_error *err);
/* A document and the pages that are asked for, [*n], the caller's (tsr_free). */
tsr_status tsri_input_open_pdf(tsri_input *in, const tessera_request *rq, size_t **pages, size_t *n, tsr_error *err);
/* What is asked for, or what suits the budget of soft tokens. */
tsr_status tsri_page_dpi(double *dpi, const tsri_input *in, size_t page, const tessera_request *rq,
                         const tessera_model *m, tsr_error *err);
tsr_status tsri_input_decode(tsr_image *out, const tsri_input *in, const tessera_request *rq, tsr_error *err);
tsr_video_opts tsri_video_opts(const tessera_request *rq);
/* TSR_ERR_UNSUPPORTED, naming the file, when the model has no vision, or no audio. */
tsr_status tsri_need_vision(const tessera_model *m, const char *name, tsr_error *err);
tsr_status tsri_need_hearing(const tessera_model *m, const char *name, tsr_error *err);

enum { TSRI_DEFAULT_BUDGET = 280, TSRI_DEFAULT_VIDEO_BUDGET = 70, TSRI_MAX_SOUND_SECONDS = 30 };
#define TSRI_DEFAULT_MAX_FILE_BYTES ((size_t)1 << 31)

/* TSR_ERR_USAGE when `what` ("the result"), which is written to path, would take the place of a file that the request reads. */
tsr_status tsri_spare_inputs(const tessera_request *rq, const char *path, const char *what, tsr_error *err);

/* The request's value, or the default where it is 0. */
double tsri_or(double value, double otherwise);
size_t tsri_or_size(size_t value, size_t otherwise);
unsigned tsri_deadline_ms(const tessera_request *rq);

#endif
