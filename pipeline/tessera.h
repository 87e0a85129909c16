/* tessera.h: see, hear and read with Gemma 4 models. The one public header.
 *
 *   tessera_model *m;
 *   tessera_error err = {0};
 *   if (tessera_model_open(&m, "path/to/model", NULL, &err) != TESSERA_OK) ...
 *   tessera_part parts[] = {{.kind = TESSERA_PART_FILE, .path = "photo.jpg"},
 *                           {.kind = TESSERA_PART_TEXT, .text = "What is this?"}};
 *   tessera_request rq = tessera_request_default();
 *   rq.parts = parts; rq.n_parts = 2;
 *   tessera_result *r;
 *   if (tessera_run(m, &rq, NULL, NULL, &r, &err) == TESSERA_OK)
 *       puts(tessera_result_text(r));
 *   tessera_result_free(r);
 *   tessera_model_close(m);
 *
 * Rules for all functions. A fallible one returns TESSERA_OK or a negative status, sets its
 * outputs only as said, and writes the first cause into *err (may be NULL). Strings are UTF-8 and
 * NUL-terminated unless a length stands beside them; invalid UTF-8 in text counts as U+FFFD.
 * A model is read-only after opening, but owns one thread pool: one call of tessera_run at a time
 * for each model; different models may run on different threads. Nothing is printed and the
 * process is never ended. */
#ifndef TESSERA_H
#define TESSERA_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TESSERA_API __attribute__((visibility("default")))
#else
#define TESSERA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define TESSERA_VERSION "0.1.0"

/* The version of the library that is linked, as TESSERA_VERSION. */
TESSERA_API const char *tessera_version(void);

typedef enum tessera_status {
    TESSERA_OK = 0,
    TESSERA_ERR_USAGE = -1,       /* the request contradicts itself or an option is out of range */
    TESSERA_ERR_DATA = -2,        /* a media file is damaged or not what it says */
    TESSERA_ERR_NOINPUT = -3,     /* a named file is not there */
    TESSERA_ERR_UNSUPPORTED = -4, /* a program, codec, format or modality is missing */
    TESSERA_ERR_BUG = -5,         /* a promise of ours was broken: please report it */
    TESSERA_ERR_IO = -6,          /* reading or writing failed */
    TESSERA_ERR_BUSY = -7,        /* a deadline passed: try later */
    TESSERA_ERR_PERM = -8,        /* the system does not permit it */
    TESSERA_ERR_MODEL = -9,       /* a model, tokenizer or configuration file is bad */
    TESSERA_ERR_NOMEM = -10,      /* memory could not be had */
    TESSERA_ERR_LIMIT = -11,      /* a documented limit would be passed */
    TESSERA_ERR_CANCELLED = -12   /* the event callback stopped the work before there was an answer */
} tessera_status;

/* Zero it before first use; after a failure it holds status and one line of text. */
typedef struct tessera_error {
    tessera_status status;
    char text[1024];
} tessera_error;

/* The fixed text of a status ("bad data"), safe to show to a stranger. */
TESSERA_API const char *tessera_status_name(tessera_status st);

/* The exit code of a program that ends with this status (sysexits.h): 0, 2, 65, 66, 69, 70, 74, 75, 77, 78. */
TESSERA_API int tessera_exit_code(tessera_status st);

/* ---- models ---- */

typedef struct tessera_model tessera_model;

typedef enum tessera_log_level { TESSERA_LOG_ERROR, TESSERA_LOG_WARN, TESSERA_LOG_INFO, TESSERA_LOG_DEBUG } tessera_log_level;

typedef struct tessera_model_opts {
    unsigned threads; /* 0: as many as affinity and cgroup quota allow; the bits of results do not depend on it */
    const char *cpu;  /* cap of the kernels' CPU level: "c", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16", "amx", on aarch64
                       * "neon", "dotprod", "i8mm"; NULL: the best there is. Process-wide: the last model opened decides. */
    void (*log)(void *user, tessera_log_level level, const char *line); /* NULL: silent */
    void *log_user;
    const char *mmproj; /* vision and sound of a GGUF model; NULL: the file beside it that belongs to it, if any */
} tessera_model_opts;

/* Open a model: a folder as Hugging Face publishes it (config.json, tokenizer.json, safetensors) or its
 * .safetensors; a GGUF text model (of a split one the first part), or a folder that holds one; or
 * "hf:ORG/REPO[@REVISION][:QUANT]" for what is in the Hugging Face cache on disk: nothing is downloaded.
 * Weights stay mapped from the files, which must not change while the model is open. opts may be
 * NULL. On failure *out is NULL. TESSERA_ERR_MODEL, NOINPUT, PERM, NOMEM, USAGE, UNSUPPORTED. */
TESSERA_API tessera_status tessera_model_open(tessera_model **out, const char *path, const tessera_model_opts *opts,
                                              tessera_error *err);
TESSERA_API void tessera_model_close(tessera_model *m); /* NULL is fine */

/* Facts about the model: variant, sizes, modalities, budgets, resident and mapped bytes, cpu. As
 * one JSON object, or as lines for people. *out is the caller's (tessera_free). */
TESSERA_API tessera_status tessera_model_info(const tessera_model *m, int as_json, char **out, tessera_error *err);
TESSERA_API void tessera_free(void *p); /* for what this header says to free with it */

typedef enum tessera_sense { TESSERA_SENSE_PICTURES = 1, TESSERA_SENSE_SOUND = 2 } tessera_sense;
/* A mask of tessera_sense: what the model can take beside text. */
TESSERA_API unsigned tessera_model_senses(const tessera_model *m);

/* Token ids of a text. parse_control: control tokens written out ("<|turn>") become their ids and
 * one BOS stands in front, as in a raw prompt; else they are plain text and no BOS is added. *ids is
 * the caller's (tessera_free), [*n]. */
TESSERA_API tessera_status tessera_tokenize(const tessera_model *m, const char *text, size_t len, int parse_control,
                                            int32_t **ids, size_t *n, tessera_error *err);

/* The same for people and scripts: the ids in one line, or {"token_ids": [...], "tokens": [...]}.
 * *out is the caller's (tessera_free). */
TESSERA_API tessera_status tessera_tokenize_text(const tessera_model *m, const char *text, size_t len,
                                                 int parse_control, int as_json, char **out, tessera_error *err);

/* ---- files of weights ---- */

/* The models on this machine, told from names and headers: in the Hugging Face cache, in those of llama.cpp and LM
 * Studio, in tessera's own folders and those of TESSERA_MODELS (docs/formats.md says which paths); or, where folders
 * are given (or single files), in these alone, six levels deep. For each: the name to open it by, variant, type, size,
 * whether it sees and hears, and what is wrong with it. As one JSON object, or as a table (color: with ANSI
 * sequences), which says where it looked when there is nothing. *out is the caller's (tessera_free). A folder given
 * that isn't there is TESSERA_ERR_NOINPUT. */
TESSERA_API tessera_status tessera_models_list(const char *const *folders, size_t n_folders, int as_json, int color,
                                               char **out, size_t *n_models, tessera_error *err);

typedef struct tessera_file_opts {
    int as_json;
    int full;  /* nothing is shortened; else of long arrays the first elements and how many, of long strings (in
                * the text for people) the beginning */
    int check; /* read every weight, and try whether the file opens */
    int color; /* ANSI sequences in the text for people */
} tessera_file_opts;

/* What a GGUF file of any architecture, a .safetensors or a model folder (or hf:ORG/REPO...) holds: header, metadata,
 * tensors with type (also one that is not supported), shape, bytes and offset, sums for each type. opts may be NULL.
 * *out is the caller's (tessera_free). *n_problems counts what `check` found: tensors with values that are not finite,
 * and a file that doesn't open as a model (or a mmproj that doesn't open). A file that is broken is an error:
 * TESSERA_ERR_MODEL, NOINPUT, PERM, NOMEM. */
TESSERA_API tessera_status tessera_file_info(const char *path, const tessera_file_opts *opts, char **out,
                                             size_t *n_problems, tessera_error *err);

/* ---- requests ---- */

typedef enum tessera_part_kind {
    TESSERA_PART_TEXT,   /* text, text_len */
    TESSERA_PART_SYSTEM, /* text of the system turn, wherever it stands in the list; several are joined by newlines */
    TESSERA_PART_FILE,   /* its kind is found from its bytes: picture, sound, film or PDF */
    TESSERA_PART_IMAGE,
    TESSERA_PART_AUDIO,
    TESSERA_PART_VIDEO,
    TESSERA_PART_PDF     /* one picture per page, in order */
} tessera_part_kind;

/* Where a part stands in the user's turn is where it stands in the list. A file is named by path,
 * or given as bytes: data, len, borrowed until tessera_run returns, with path as its name in
 * messages (may be NULL). The path "-" is standard input, which can be read once: a program that
 * also wants to tessera_sniff it reads it itself and gives the bytes. */
typedef struct tessera_part {
    tessera_part_kind kind;
    const char *text;
    size_t text_len; /* 0: text is NUL-terminated */
    const char *path;
    const void *data;
    size_t len;
} tessera_part;

/* What a file part is, found from its bytes: IMAGE, AUDIO, VIDEO or PDF. A kind that is not known
 * is TESSERA_ERR_DATA or UNSUPPORTED, naming the file. Nothing is decoded. */
TESSERA_API tessera_status tessera_sniff(const tessera_part *part, tessera_part_kind *kind, tessera_error *err);

#define TESSERA_BUDGET_AUTO ((size_t)-1)
#define TESSERA_FRAMES_AUTO ((size_t)-1)

typedef enum tessera_sampler { TESSERA_FRAMES_BY_TIME, TESSERA_FRAMES_HF } tessera_sampler;

/* Numbers below that are negative, and 0 where said, mean "the default". */
typedef struct tessera_request {
    const tessera_part *parts;
    size_t n_parts;
    int raw;              /* no chat template: the texts one after the other behind one BOS, control tokens parsed */
    int think;            /* the model may think first */
    const char *tools;    /* JSON list of tool declarations in OpenAI's shape, or NULL */
    const char *messages; /* messages in OpenAI's form that come before the parts, a JSON list or one on each line; NULL: none */
    const char *messages_dir;  /* where paths in them start ("." is this folder); NULL: they hold media as data: URLs alone */
    const char *messages_name; /* of them in errors; NULL: "messages" */

    size_t budget;       /* soft tokens per picture or page: 70, 140, 280, 560, 1120; 0: 280; TESSERA_BUDGET_AUTO: the
                          * smallest that keeps the picture's size, at most max_budget and what the model was made for;
                          * pictures reduced to less than half are told in a note */
    size_t max_budget;   /* of TESSERA_BUDGET_AUTO: one of the five; 0: 280 for pictures, 560 for pages */
    size_t video_budget; /* per frame; 0: 70 */
    double fps;          /* frames per second of film; 0: 1 */
    size_t frames;       /* N evenly spaced frames instead; 0: by fps; TESSERA_FRAMES_AUTO: as many as by fps, but where scenes
                          * begin: no gap, also to the end, is longer than twice the step */
    double start, end;   /* seconds of the film; end 0: to its end */
    tessera_sampler sampler;
    int with_sound;    /* the film's sound as an audio part directly after its frames */
    const char *contact_sheet; /* FILE.png for the frames that are used, with their times (needs cairo); NULL: none */
    const char *pages; /* "1-3,7"; NULL: all */
    unsigned dpi;      /* 0: chosen from the budget */

    size_t ctx;        /* positions at most; 0: as many as this request needs, up to the model's */
    const char *kv;    /* what the key/value cache holds: "f32", "f16", "bf16" or "q8"; NULL: f16, and f32 where the
                        * weights are F32 (docs/numerics.md has the error of each) */
    size_t max_tokens; /* new tokens at most; 0: 1,024 */
    double temperature; /* 0: greedy; negative: the model's generation_config */
    long top_k;         /* 0: off; negative: the model's */
    double top_p;       /* 1: off; negative: the model's */
    double min_p;       /* 0: off; negative: the model's */
    double repetition_penalty; /* 1: off; negative: the model's */
    double presence_penalty, frequency_penalty; /* 0: off */
    uint64_t seed;
    int seed_set; /* 0: a seed from the system, told in the result */
    const char *const *stop; /* strings that end the text and are not part of it */
    size_t n_stop;

    /* What the answer must look like (docs/structured-output.md): a JSON Schema as JSON text, or a GBNF grammar; NULL:
     * anything. One of them at most, and without `tools` and `stop`. A thought is not held to it. */
    const char *schema, *grammar;
    const char *grammar_name; /* of either, in errors and in the result; NULL: "schema", "grammar" */

    int exact; /* the exact product for every weight type, and a cache of F32 unless `kv` says otherwise. 0: inputs of block
                * types are rounded to int8, and of BF16 to BF16 where that is faster (docs/SPEED.md) */

    /* Limits on what files may ask for; 0: the default. */
    size_t max_file_bytes;    /* 2 GiB; films are read piecewise and not held to it */
    size_t max_pixels;        /* 178,956,970 per picture or frame */
    double max_audio_seconds; /* 30 per clip */
    size_t max_frames;        /* 512 per film */
    double max_film_seconds;  /* 86,400: length of a film, whatever part of it is used */
    uint64_t max_packets;     /* 4,000,000 per film or sound */
    size_t max_pages;         /* 200 per document */
    double media_deadline;    /* 120 seconds to decode one file */

    const char *dump;    /* folder for .npy files of every rung, or NULL */
    int dump_all_logits; /* logits of all prompt positions, not of the last alone */
    int skip_unneeded;   /* 0: default, prompt positions whose logits nobody wants stop after the last
                          * layer that makes keys and values; negative: never stop early */
} tessera_request;

TESSERA_API tessera_request tessera_request_default(void);

typedef enum tessera_event_kind {
    TESSERA_EVENT_STAGE,   /* text names the stage ("image 2/3", "prefill"); done of total units */
    TESSERA_EVENT_TEXT,    /* a piece of the answer: whole UTF-8 characters */
    TESSERA_EVENT_THOUGHT, /* a piece of the thought */
    TESSERA_EVENT_NOTE     /* something that the user should know; also in the result's notes */
} tessera_event_kind;

typedef struct tessera_event {
    tessera_event_kind kind;
    const char *text; /* borrowed for the call */
    size_t len;
    size_t done, total;
} tessera_event;

/* Called on the thread of tessera_run. Non-zero stops the work as soon as it can be. */
typedef int (*tessera_event_fn)(void *user, const tessera_event *ev);

/* ---- results ---- */

typedef struct tessera_result tessera_result;

/* Run one request from file bytes to answer. fn may be NULL. When the callback stops the work after
 * the prompt was read, the result is what there is so far with finish_reason "cancelled" and the
 * status is TESSERA_OK; before that it is TESSERA_ERR_CANCELLED. On failure *out is NULL. */
TESSERA_API tessera_status tessera_run(tessera_model *m, const tessera_request *rq, tessera_event_fn fn, void *user,
                                       tessera_result **out, tessera_error *err);
TESSERA_API void tessera_result_free(tessera_result *r); /* NULL is fine */

TESSERA_API const char *tessera_result_text(const tessera_result *r);          /* the answer without thought */
TESSERA_API const char *tessera_result_finish_reason(const tessera_result *r); /* "stop", "length", "tool_calls", "cancelled" */
typedef struct tessera_usage {
    size_t prompt_tokens, cached_tokens; /* of the prompt, those that were known from before */
    size_t completion_tokens;            /* with the thought and the stop token */
    double encode_s, prefill_s, decode_s; /* seconds: media to soft tokens, the prompt, the answer */
} tessera_usage;

TESSERA_API tessera_usage tessera_result_usage(const tessera_result *r);
TESSERA_API const int32_t *tessera_result_token_ids(const tessera_result *r, size_t *n); /* with the stop token */

/* The whole result: text, thought, tool_calls, token_ids, finish_reason, usage, media, film, kv_cache, timings, notes, seed, grammar.
 * *out is the caller's (tessera_free). */
TESSERA_API tessera_status tessera_result_json(const tessera_result *r, char **out, tessera_error *err);

/* ---- talks ---- */

/* A talk: its messages, and what the model has computed for them, so that a turn costs what is new in it. One turn at a time,
 * and none beside tessera_run on the same model. */
typedef struct tessera_chat tessera_chat;

enum { TESSERA_CHAT_CTX = 32768 }; /* positions of a talk where a request's ctx is 0, as far as the model has them */

/* m must outlive the talk. On failure *out is NULL. */
TESSERA_API tessera_status tessera_chat_open(tessera_chat **out, tessera_model *m, tessera_error *err);
TESSERA_API void tessera_chat_close(tessera_chat *c); /* NULL is fine */

/* Say something and have it answered: rq holds the parts of the user's turn and how it is to be answered; without parts
 * the last message is answered (again, after tessera_chat_undo). Question and answer become messages; a thought does not,
 * as the template has it. Parts are copied; pictures, films and sounds are read now and stay as they were now.
 *
 * What the prompt has in common with what the model has read already is not read again: usage.cached_tokens of the result.
 * An answer can be taken back at that cost up to its max_tokens; a change further back, of the system text, or of `think`
 * has the model read all from there, and where its sliding layers have gone on too far, all from the beginning.
 *
 * Status as of tessera_run; TESSERA_ERR_LIMIT, saying how much there is, when the talk no longer fits. After a failure, and
 * when fn stops the work before there is an answer, the talk is as it was. An answer that was stopped stays as far as it
 * came. No system parts, messages, raw prompt, dump or contact sheet here. */
TESSERA_API tessera_status tessera_chat_turn(tessera_chat *c, const tessera_request *rq, tessera_event_fn fn, void *user,
                                             tessera_result **out, tessera_error *err);

/* The system text, in place of what there was; NULL: none. */
TESSERA_API tessera_status tessera_chat_system(tessera_chat *c, const char *text, tessera_error *err);

/* How many messages there are, the system text among them. */
TESSERA_API size_t tessera_chat_count(const tessera_chat *c);

/* Take back the last question of the user with all that followed; keep_question: only what followed. TESSERA_ERR_USAGE when
 * there is none. */
TESSERA_API tessera_status tessera_chat_undo(tessera_chat *c, int keep_question, tessera_error *err);

/* Take back all but the system text. */
TESSERA_API void tessera_chat_clear(tessera_chat *c);

/* The messages in OpenAI's form, a JSON list, the caller's (tessera_free): media as the paths they were given by (or
 * data: URLs of their bytes). */
TESSERA_API tessera_status tessera_chat_messages(const tessera_chat *c, char **out, tessera_error *err);

/* These messages (as of a request: text, folder for paths, name in errors) in place of those there are, or, if so, behind
 * them: the answer of a tool. What they have in common with those before is still known, also media given as bytes. Media
 * are read with the next turn. On failure the talk is as it was. */
TESSERA_API tessera_status tessera_chat_load(tessera_chat *c, const char *messages, const char *dir, const char *name,
                                             int append, tessera_error *err);

/* ---- films of any length ---- */

/* tessera_run for films of any length: what doesn't fit the context whole, a frame a second, goes in with fewer frames, one
 * every 4 seconds at least; else the model takes notes on windows of it and the answer is made from the notes, which the
 * result then holds ("film" in its JSON, with the plan that was made). Requests without films, and those that say which
 * frames to use (frames, the reference's sampler; not fps) or are raw, are run as they are. Contact sheets of windows are
 * numbered: FILE-1.png and so on. Status as of tessera_run; TESSERA_ERR_LIMIT where not even notes fit. When a window
 * fails, or the answer from the notes, or fn stops the work (TESSERA_ERR_CANCELLED), *out is a result with the notes that there
 * are as its text, finish_reason "failed" or "cancelled", and the failure as "error" of "film"; NULL where there are none. */
TESSERA_API tessera_status tessera_watch(tessera_model *m, const tessera_request *rq, tessera_event_fn fn, void *user,
                                         tessera_result **out, tessera_error *err);

/* The plan that tessera_watch (or, if so, tessera_chapters) would follow, as a JSON object or as lines for people: which frames, in how many prompts, of
 * which sizes. Neither films nor sounds are decoded (but for TESSERA_FRAMES_AUTO, whose moments it then tells), and the model
 * computes nothing. *out is the caller's (tessera_free).
 * TESSERA_ERR_USAGE where there is nothing to plan. */
TESSERA_API tessera_status tessera_film_plan(tessera_model *m, const tessera_request *rq, int chapters, int as_json,
                                             tessera_event_fn fn, void *user, char **out, tessera_error *err);

/* ---- boxes ---- */

#define TESSERA_TILES_AUTO ((size_t)-1)

typedef struct tessera_detect_opts {
    const char *labels;  /* what to look for, "car,bicycle"; NULL: everything */
    const char *point;   /* a thing to point to instead, "the button that saves"; NULL: none */
    const char *overlay; /* FILE.png or FILE.svg: the picture with its boxes drawn on it; several pictures: FILE-1.png,
                          * FILE-2.png and so on, in their order. NULL: none */
    const char *format;  /* json (NULL), jsonl, coco, csv, or yolo, which needs `folder` */
    const char *folder;  /* yolo: its files go here; made when it isn't there */
    size_t min_area;     /* leave out boxes of fewer pixels, 0: none */
    size_t tiles;        /* also look at each picture in tiles that overlap by a fifth: at most this many, 64 at most, or
                          * TESSERA_TILES_AUTO: as many as it takes to see pictures at half their size and pages at 200 dpi,
                          * 16 at most. What several of them see is merged into one box (docs/detect.md). 0: whole alone */
    int plan;            /* ask nothing: *out is a line for each picture, how many prompts and soft tokens it takes, or as
                          * the whole result {"pictures": [{"file", "source_size", "plan": {"prompts", "soft_tokens",
                          * "tiles", "columns", "rows", "tile_width", "tile_height"}}], "prompts", "soft_tokens"} */
    int as_json;         /* the whole result, else the boxes alone in their format */
} tessera_detect_opts;

/* Find things in the pictures of a request: its files, pages of its documents, frames of its films (chosen as in a run), each
 * in a prompt of its own that detect writes; `rq` has file parts and system texts alone. opts may be NULL.
 *
 * *out is JSON, the caller's (tessera_free): (in the format json) a list of {"label", "box_2d": [y1, x1, y2, x2] in thousandths as the model
 * gave it, "xyxy": [x1, y1, x2, y2] in pixels of the picture as it is shown (of a page at its dpi)}, or of a point
 * {"label", "point", "xy"}; with "file" where there are several files, "page" for documents and "time" (seconds) for
 * films, and "tile" (from 1) for what a tile has seen; box_2d is then the picture's too. As the whole result: {"boxes": that list, "pictures": for each the keys of tessera_result_json ("text" is the raw
 * answer), "file", "page", "dpi", "time", "source_size", "boxes", "corrections" (what was put right or left out, also told
 * as notes), "overlay", "warning" (a
 * page may lack something), or "error", with tiles "plan" (as below) and "tiles": for each the same keys, "xyxy" its place,
 * or "error"; "failed", "cancelled"}.
 *
 * A picture that can't be read, or an answer that is no list of boxes, is told and counted in *n_failed while the others
 * go on; when there is none that is good, it is the error. A picture with a tile of which that is true keeps its boxes and is
 * counted as well. Work that is stopped gives what is done, and
 * TESSERA_ERR_CANCELLED when that is nothing. The status is else as of tessera_run; TESSERA_ERR_UNSUPPORTED also for an
 * overlay in a build without cairo. */
TESSERA_API tessera_status tessera_detect(tessera_model *m, const tessera_request *rq, const tessera_detect_opts *opts,
                                          tessera_event_fn fn, void *user, char **out, size_t *n_failed,
                                          tessera_error *err);

/* ---- pages ---- */

/* NULL and 0 are the defaults. */
typedef struct tessera_read_opts {
    const char *format; /* md, txt, or json, by the request's schema (json where there is one, else md) */
    size_t max_layer;   /* bytes of a page's text layer that the model gets, cut between lines, which is told (16,384) */
    int no_layer;       /* the model gets the pictures alone */
    const char *path;   /* the result is also written into this file, whole or not at all */
    int as_json;        /* the whole result */
} tessera_read_opts;

/* Read pages: those of the request's documents, and its pictures, each in a prompt of its own: the picture, the text that the
 * file holds for the page, and a question that read writes; `rq` has file parts and system texts alone. Its budget 0 is
 * TESSERA_BUDGET_AUTO, max_budget 0 is 1,120, max_tokens 0 is 4,096 for each page. opts may be NULL.
 *
 * *out is the caller's (tessera_free): Markdown, in which a rule and a comment that names the page stand before each where there
 * are several; plain text with form feeds between pages; or a JSON list of {"page", "value": what the schema describes} or
 * {"page", "error"}, with "file" where there are several files. As the whole result: {"format", "pages": for each the keys of
 * tessera_result_json ("text" is the page's), "file", "page", "dpi", "source_size", "size_pt" (points), "layer": null or
 * {"words", "bytes", "given_bytes", "blocks": [{"box", "text"}]}, "cut" (tokens ran out), with a schema "value" and
 * "fields": [{"path", "value", "page", "box", "match", "occurrences"}] (docs/read.md), "warning", or "error"; "failed",
 * "cancelled"}. Boxes are [x0, y0, x1, y1] in points of 1/72 inch from the upper left corner.
 *
 * A page that can't be read, that is empty, or whose answer is not whole, is told and counted in *n_failed while the others go
 * on; when there is none that is good, it is the error. Work that is stopped gives what is done, and TESSERA_ERR_CANCELLED
 * when that is nothing. Where `path` can't be written *out is there all the same. The status is else as of tessera_run. */
TESSERA_API tessera_status tessera_read(tessera_model *m, const tessera_request *rq, const tessera_read_opts *opts,
                                        tessera_event_fn fn, void *user, char **out, size_t *n_failed, tessera_error *err);

/* ---- transcripts ---- */

/* A sound of any length: a file, bytes, or bytes that come in. */
typedef struct tessera_sound {
    const char *path; /* a sound, or a film with sound; with bytes or `read` its name in messages (may be NULL) */
    const void *data; /* NULL: the file is read */
    size_t len;
    /* Bytes that are still coming in: wait for at least one and put up to n > 0 into buf; gives how many, 0 at the end,
     * TESSERA_READ_FAILED, or TESSERA_READ_STOPPED when no more are wanted. A WAV (whatever size its header claims) and
     * bare samples are heard while they come, other files once they are whole. NULL: not so. */
    ptrdiff_t (*read)(void *user, void *buf, size_t n);
    void *read_user;
    unsigned rate; /* of bare samples of `read`: 16 bits, little-endian, mono; 0: it is a file */
} tessera_sound;

enum { TESSERA_READ_FAILED = -1, TESSERA_READ_STOPPED = -2 };

typedef enum tessera_transcript_form {
    TESSERA_TRANSCRIPT_TXT,  /* a line for each stretch of speech */
    TESSERA_TRANSCRIPT_SRT,  /* cues of at most two lines of 42 columns */
    TESSERA_TRANSCRIPT_VTT,
    TESSERA_TRANSCRIPT_TSV,  /* start and end in milliseconds, text */
    TESSERA_TRANSCRIPT_JSON  /* one object */
} tessera_transcript_form;

typedef enum tessera_span_kind {
    TESSERA_SPAN_SPEECH,  /* the model heard it; the text may be empty, where it was no speech after all */
    TESSERA_SPAN_SILENCE, /* nobody speaks: the model was not asked */
    TESSERA_SPAN_FAILED   /* no text that can be trusted, or none since the work was stopped */
} tessera_span_kind;

/* Spans touch: together they are the whole sound. Seconds from its beginning, of a film from its first picture. */
typedef struct tessera_span {
    tessera_span_kind kind;
    double from, to;
    const char *text, *translation; /* speech: borrowed for the call; translation NULL where none was asked for */
    const char *reason;             /* failed: why */
} tessera_span;

/* NULL and 0 are the defaults. */
typedef struct tessera_transcribe_opts {
    const char *language;  /* that is spoken, by its English name; NULL: the model finds out */
    const char *translate; /* also translate into this language; lines and cues then hold the translation */
    const char *prompt;    /* names and words that may occur, as they are to be written */
    tessera_transcript_form form;
    double window;  /* seconds that the model hears at once, at most: 1 to 30 (30) */
    double overlap; /* seconds that two windows share where no pause is found (3) */
    double pause;   /* seconds of silence that end a window whatever its length (1) */
    int all_sound;  /* hear everything, not only where somebody may be speaking */
    void (*span)(void *user, const tessera_span *span); /* called for each span once it is certain; NULL: not */
    void *span_user;
} tessera_transcribe_opts;

typedef struct tessera_transcript {
    double seconds;                 /* that were read */
    double speech, silence, failed; /* of these; `failed` may also count what was not read */
    size_t windows, tries;          /* stretches that the model heard, and answers that it was asked for */
    size_t n_failed;                /* spans */
    int cancelled;
} tessera_transcript;

/* What an event function may give back; tessera_transcribe knows the third. */
enum {
    TESSERA_GO_ON = 0,
    TESSERA_STOP = 1,     /* as soon as can be */
    TESSERA_STOP_SOON = 2 /* read no more, but write down what was read */
};

/* Write down what is said in a sound, in memory that does not grow with it. It is cut where nobody speaks, or into windows
 * that share some seconds and are joined by the words they have in common; answers in which the model repeats itself without
 * end are asked for again, in smaller pieces and at a higher temperature, and set aside if that fails (TESSERA_SPAN_FAILED).
 * `settings`: how the model is asked (its parts: system texts alone; think is ignored; max_tokens of a window, 0: by its
 * length; temperature negative: greedy); start and end are the part of the sound; limits as of a film.
 *
 * fn gets the document in pieces as it becomes certain (TESSERA_EVENT_TEXT), JSON at the end; the stage "sound" tells whole
 * seconds done and in all (0: unknown). *out is the whole document, the caller's (tessera_free); out, facts, opts and fn may
 * be NULL. Stopped on request it gives what is done, TESSERA_OK, and facts->cancelled. When the sound turns out to be damaged,
 * or the model fails, what was done before is in the document all the same (*out too, where there is any), *facts is filled,
 * and the status is the failure's: as of tessera_run. */
TESSERA_API tessera_status tessera_transcribe(tessera_model *m, const tessera_sound *sound, const tessera_request *settings,
                                              const tessera_transcribe_opts *opts, tessera_event_fn fn, void *user,
                                              tessera_transcript *facts, char **out, tessera_error *err);

/* ---- chapters of films ---- */

/* Timed captions: the notes that the model takes on windows of at most 60 frames, a frame a second, of the films of a
 * request, in the forms of transcripts; a line of TXT is "MM:SS what happens". Texts among the parts say what the notes are
 * for. A chapter begins at the time that the model wrote, as far as it lies in its window (else it is moved into it; JSON
 * counts these), or where the window begins, where it wrote none ("timed" in JSON), and ends where the next one begins.
 * JSON also has the plan and the windows with the model's own text. *out is the caller's (tessera_free); when fn stops the
 * work, or a window fails, what there is (after a failure NULL for nothing; JSON has it as "error", and the status is its).
 * TESSERA_ERR_USAGE also: no film, several films in another form than JSON. */
TESSERA_API tessera_status tessera_chapters(tessera_model *m, const tessera_request *rq, tessera_transcript_form form,
                                            tessera_event_fn fn, void *user, char **out, tessera_error *err);

/* ---- batches ---- */

/* NULL and 0 are the defaults. */
typedef struct tessera_batch_opts {
    const char *shard; /* "I/N": every N-th line, from line I + 1 on; "auto": by the variables that Slurm, MPI, Kubernetes or AWS
                        * Batch set; "auto/N": only I by these; NULL: all lines */
    int restart;       /* throw away the answers that are there; else only lines without an answer are asked */
    size_t max_line_bytes; /* of a request (64 MiB); a longer one is answered by an error */
} tessera_batch_opts;

/* Of the shard. Kept up to date, so that the event function may look. */
typedef struct tessera_batch_facts {
    size_t lines;  /* requests */
    size_t before; /* answered when the work began */
    size_t done;   /* answered since */
    size_t failed; /* of both: by an error */
    size_t shard, n_shards;
    int cancelled;
} tessera_batch_facts;

/* Answer every line of a manifest, a file of JSON lines (docs/scale-out.md has both forms: OpenAI's batches, and a shorter one),
 * by a line of `out`, in which {shard} and %s become "3-of-8". What is said in a line takes the place of what `settings` say
 * (options, and system texts as their only parts). Paths in a manifest start at its folder; nothing is fetched.
 *
 * A line that is wrong, or whose files are, is answered by an error, told in a note (the first 20) and counted, and the work
 * goes on. Lines of `out` are appended whole, so that a process killed at any moment loses the request it was at and nothing
 * else: called again, it goes on behind them. It is refused when `out` holds anything but answers to lines of this manifest
 * and shard, when two lines of the manifest have one id, and when another process writes to `out` (TESSERA_ERR_BUSY). Memory
 * is that of the longest line and 64 bytes for each.
 *
 * fn hears the stage "batch", lines done and in all, often, also while a request runs, and can stop the work: then
 * facts->cancelled is set, the request it was at has no answer, and the status is TESSERA_OK. opts, fn and facts may be
 * NULL. Other failures are of the manifest or of `out`: what was answered stays. */
TESSERA_API tessera_status tessera_batch(tessera_model *m, const char *manifest, const char *out, const tessera_request *settings,
                                         const tessera_batch_opts *opts, tessera_event_fn fn, void *user,
                                         tessera_batch_facts *facts, tessera_error *err);

/* ---- making GGUF files ---- */

/* NULL and 0 are the defaults. */
typedef struct tessera_quantize_opts {
    const char *type;        /* of the text model: "q4_k_m"; needed where one is written. f32 f16 bf16 q8_0 q4_0 q4_1 q5_0
                              * q5_1 q2_k q3_k_s q3_k_m q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m q6_k iq4_nl iq4_xs mxfp4 */
    const char *mmproj_type; /* of vision and sound: f32, f16, bf16 (the default) or q8_0; written alone, they take `type` */
    const char *mmproj;      /* the towers' file of a GGUF text model, written anew as well */
    const char *mmproj_out;  /* place of the second file; default: mmproj-NAME-TYPE.gguf beside the first */
    const char *only;        /* "text" or "mmproj": that file alone, at `out` */
    int force;               /* replace files that exist */
    int allow_requantize;    /* round weights again that are rounded to blocks already */
    unsigned threads;        /* 0: as many as affinity and cgroup quota allow; the bytes do not depend on it */
    int as_json;             /* the report */
} tessera_quantize_opts;

/* Make GGUF files of a model (`in` as in tessera_model_open) or of GGUF files: the text model at `out` and, where there
 * are vision and sound, a mmproj. Each is written whole beside its place and put there when all are complete: after any
 * failure old files are as they were. event (may be NULL) hears of each tensor and of each whose rows its type does not
 * divide, and can stop the work. *report is the caller's (tessera_free). TESSERA_ERR_USAGE, NOINPUT, PERM, IO, NOMEM,
 * CANCELLED; MODEL for what is wrong in `in`, a weight that is not finite among it; UNSUPPORTED for what a GGUF file or
 * the type cannot say. */
TESSERA_API tessera_status tessera_quantize(const char *in, const char *out, const tessera_quantize_opts *opts,
                                            tessera_event_fn event, void *user,
                                            char **report, tessera_error *err);

#ifdef __cplusplus
}
#endif
#endif
