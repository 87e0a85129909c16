/* options.h: argv becomes one struct. All options stand in one table (options.c), which also makes
 * the help texts, so that no option can be undocumented. */
#ifndef TSR_CLI_OPTIONS_H
#define TSR_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "tessera.h"

typedef enum command {
    CMD_CAPTION = 1 << 0,
    CMD_ASK = 1 << 1,
    CMD_TRANSCRIBE = 1 << 2,
    CMD_DETECT = 1 << 3,
    CMD_RUN = 1 << 4,
    CMD_INFO = 1 << 5,
    CMD_TOKENIZE = 1 << 6,
    CMD_MODELS = 1 << 7,
    CMD_QUANTIZE = 1 << 8,
    CMD_COMPLETIONS = 1 << 9,
    CMD_BATCH = 1 << 10,
    CMD_READ = 1 << 11,
    CMD_CHAT = 1 << 12
} command;

typedef enum progress_mode { PROGRESS_AUTO, PROGRESS_NONE, PROGRESS_JSON } progress_mode;

typedef struct options {
    command cmd;
    const char *model;
    const char *mmproj;
    const char *cpu;
    unsigned threads;
    bool json, quiet, verbose;
    bool check, full; /* info */
    bool plan, chapters; /* ask, caption; detect has plan */
    bool form_set;
    progress_mode progress;
    const char *labels, *point, *overlay, *box_format; /* detect */
    size_t min_area, tiles;
    const char *output_dir; /* detect, transcribe */
    const char *language, *translate, *prompt; /* transcribe */
    tessera_transcript_form form;
    size_t rate;
    double window, overlap, pause;
    bool all_sound;
    tessera_quantize_opts quantize;
    tessera_read_opts read;
    const char *out; /* batch */
    tessera_batch_opts batch;
    bool resume;
    tessera_request rq;   /* parts point into `parts`, stop strings into `stops` */
    tessera_part *parts;  /* run: in the order given; the others: their files. Room for argc entries */
    size_t n_parts;
    const char **stops;
    const char *prompt_file; /* NULL: none; where it stands among the parts */
    size_t prompt_at;
    const char **words; /* positional arguments, [n_words] */
    size_t n_words;
    bool temperature_set;
} options;

/* 0: go on. 1: help or the version was printed, end with 0. 2: bad usage, told on stderr. */
int options_parse(options *o, int argc, char **argv);
void options_free(options *o);

#endif
