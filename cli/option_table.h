/* option_table.h: the one table of commands and their options. The parser, the help, the manual page and the shells'
 * completions are made from it. */
#ifndef TSR_CLI_OPTION_TABLE_H
#define TSR_CLI_OPTION_TABLE_H

#include <stddef.h>

#include "options.h"

enum {
    MEDIA = CMD_CAPTION | CMD_ASK | CMD_DETECT | CMD_RUN | CMD_BATCH | CMD_CHAT,
    PICTURES = MEDIA | CMD_READ,
    GENERATE = PICTURES | CMD_TRANSCRIBE,
    WITH_MODEL = GENERATE | CMD_INFO | CMD_TOKENIZE,
    ALL = WITH_MODEL | CMD_MODELS | CMD_QUANTIZE | CMD_COMPLETIONS
};

typedef enum opt_id {
    OPT_MODEL = 256, OPT_TEXT, OPT_SYSTEM, OPT_IMAGE, OPT_AUDIO, OPT_VIDEO, OPT_PDF, OPT_RAW, OPT_LABELS, OPT_OVERLAY, OPT_LANGUAGE,
    OPT_TOOLS, OPT_MESSAGES, OPT_PROMPT_FILE, OPT_BUDGET, OPT_VIDEO_BUDGET, OPT_FPS, OPT_FRAMES, OPT_START, OPT_END, OPT_SAMPLER,
    OPT_WITH_SOUND, OPT_PAGES, OPT_DPI, OPT_THINK, OPT_NO_THINK, OPT_TEMPERATURE, OPT_TOP_K, OPT_TOP_P, OPT_MIN_P,
    OPT_REPETITION, OPT_PRESENCE, OPT_FREQUENCY, OPT_SEED, OPT_STOP, OPT_MAX_TOKENS, OPT_CTX, OPT_KV, OPT_EXACT, OPT_THREADS,
    OPT_CPU, OPT_MMPROJ, OPT_JSON, OPT_QUIET, OPT_VERBOSE, OPT_PROGRESS, OPT_DUMP, OPT_DUMP_LOGITS, OPT_NO_SKIP, OPT_MAX_PIXELS,
    OPT_MAX_BYTES, OPT_MAX_SECONDS, OPT_MAX_FRAMES, OPT_MAX_FILM_SECONDS, OPT_MAX_PACKETS, OPT_MAX_PAGES, OPT_DEADLINE, OPT_CHECK,
    OPT_TRANSLATE, OPT_PROMPT, OPT_FORMAT, OPT_OUTPUT_DIR, OPT_RATE, OPT_WINDOW, OPT_OVERLAP, OPT_PAUSE, OPT_ALL_SOUND,
    OPT_POINT, OPT_MIN_AREA, OPT_TILES, OPT_BOX_FORMAT, OPT_SCHEMA, OPT_GRAMMAR, OPT_CONTACT_SHEET, OPT_PLAN, OPT_CHAPTERS,
    OPT_PAGE_FORMAT, OPT_PAGE_OUT, OPT_MAX_LAYER, OPT_NO_LAYER,
    OPT_OUT, OPT_SHARD, OPT_RESUME, OPT_RESTART, OPT_MAX_LINE,
    OPT_FULL, OPT_TYPE, OPT_MMPROJ_TYPE, OPT_MMPROJ_OUT, OPT_ONLY, OPT_FORCE, OPT_REQUANTIZE,
    OPT_HELP, OPT_VERSION
} opt_id;

typedef struct opt {
    const char *name;
    char letter;     /* 0: none */
    const char *arg; /* its name in the help; NULL: takes none */
    int id;
    int commands; /* a mask of command */
    const char *help;
} opt;

extern const opt option_table[]; /* [n_options], in the order of the help */
extern const size_t n_options;

/* All that the option may be, between spaces; NULL: anything. */
const char *option_values(const opt *o);

typedef struct verb {
    const char *name;
    command cmd;
    const char *usage, *help;
} verb;

extern const verb verb_table[]; /* [n_verbs] */
extern const size_t n_verbs;

/* The exit codes, as the help and the manual tell them. */
extern const char exit_codes[];

#endif
