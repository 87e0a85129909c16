/* detect_look.h: one picture is looked at, whole and, if so wished, in tiles; the answers become its boxes. */
#ifndef TSR_DETECT_LOOK_H
#define TSR_DETECT_LOOK_H

#include "boxes.h"
#include "detect.h"
#include "views.h"

/* What it takes; all borrowed. */
typedef struct tsri_looker {
    tessera_model *m;
    const tessera_request *rq; /* settings; its parts are not used */
    tessera_part *parts;       /* what is asked: system texts, the picture, the question, [n_parts] */
    size_t n_parts, picture;   /* which of them is the picture */
    const tessera_detect_opts *o;
    tsri_ask_fn *ask;
    tessera_event_fn fn; /* NULL: none */
    void *user;
} tsri_looker;

typedef struct tsri_look {
    tsri_boxes boxes;
    tsr_json *facts; /* object: the run's own result, of the whole picture; "plan" and "tiles" where there are tiles. NULL:
                      * nothing was answered */
    size_t prompts, soft_tokens; /* that the picture takes: counted with a plan or with tiles, else 0 */
    char plan[640];      /* the same for people, with the picture's name; "" where nothing is counted */
    size_t n_failed;     /* tiles that can't be used: told, and boxes may lack */
} tsri_look;

/* Ask about a picture and read the boxes; tiles are asked about where the options want them, and their boxes merged into
 * the whole picture's. `plan_only`: nothing is asked, *out has the plan alone. Statuses of the answers, with the picture's
 * name; TSR_ERR_CANCELLED. A tile whose answer is no list of boxes is told and counted; the whole picture's is an error.
 * Also on failure the caller deinits *out. */
tsr_status tsri_look_at(tsri_look *out, const tsri_looker *l, const tsri_view *v, bool plan_only, tsr_error *err);
void tsri_look_deinit(tsri_look *look); /* zeroed is fine */

/* A line for people goes to the event function. */
void tsri_looker_tell(const tsri_looker *l, const char *line);

#endif
