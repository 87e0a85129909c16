/* options.c: the one table of options, strict number parsing, and the help made from the table. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MEDIA = CMD_CAPTION | CMD_ASK | CMD_DETECT | CMD_RUN,
    GENERATE = MEDIA | CMD_TRANSCRIBE,
    WITH_MODEL = GENERATE | CMD_INFO | CMD_TOKENIZE,
    ALL = WITH_MODEL | CMD_MODELS | CMD_QUANTIZE
};

typedef enum opt_id {
    OPT_MODEL = 256, OPT_TEXT, OPT_SYSTEM, OPT_IMAGE, OPT_AUDIO, OPT_VIDEO, OPT_PDF, OPT_RAW, OPT_LABELS, OPT_OVERLAY, OPT_LANGUAGE,
    OPT_TOOLS, OPT_MESSAGES, OPT_BUDGET, OPT_VIDEO_BUDGET, OPT_FPS, OPT_FRAMES, OPT_START, OPT_END, OPT_SAMPLER,
    OPT_WITH_SOUND, OPT_PAGES, OPT_DPI, OPT_THINK, OPT_NO_THINK, OPT_TEMPERATURE, OPT_TOP_K, OPT_TOP_P, OPT_MIN_P,
    OPT_REPETITION, OPT_PRESENCE, OPT_FREQUENCY, OPT_SEED, OPT_STOP, OPT_MAX_TOKENS, OPT_CTX, OPT_KV, OPT_EXACT, OPT_THREADS,
    OPT_CPU, OPT_MMPROJ, OPT_JSON, OPT_QUIET, OPT_VERBOSE, OPT_PROGRESS, OPT_DUMP, OPT_DUMP_LOGITS, OPT_NO_SKIP, OPT_MAX_PIXELS,
    OPT_MAX_BYTES, OPT_MAX_SECONDS, OPT_MAX_FRAMES, OPT_MAX_FILM_SECONDS, OPT_MAX_PACKETS, OPT_MAX_PAGES, OPT_DEADLINE, OPT_CHECK,
    OPT_TRANSLATE, OPT_PROMPT, OPT_FORMAT, OPT_OUTPUT_DIR, OPT_RATE, OPT_WINDOW, OPT_OVERLAP, OPT_PAUSE, OPT_ALL_SOUND,
    OPT_POINT, OPT_MIN_AREA, OPT_BOX_FORMAT,
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

static const opt table[] = {
    {"model", 'm', "MODEL", OPT_MODEL, WITH_MODEL, "folder as Hugging Face publishes it, .gguf file, or hf:ORG/REPO[:QUANT]"},
    {"mmproj", 0, "F", OPT_MMPROJ, WITH_MODEL | CMD_QUANTIZE,
     "vision and sound of a GGUF model (the file beside it; quantize: none)"},
    {"text", 0, "T", OPT_TEXT, CMD_RUN, "a text part ('-' reads standard input)"},
    {"image", 0, "F", OPT_IMAGE, CMD_RUN, "a picture part"},
    {"audio", 0, "F", OPT_AUDIO, CMD_RUN, "a sound part"},
    {"video", 0, "F", OPT_VIDEO, CMD_RUN, "a film part"},
    {"pdf", 0, "F", OPT_PDF, CMD_RUN | CMD_ASK | CMD_CAPTION, "a document: one picture per page"},
    {"system", 0, "T", OPT_SYSTEM, GENERATE, "text of the system turn"},
    {"raw", 0, NULL, OPT_RAW, CMD_RUN | CMD_TOKENIZE, "no chat template: one BOS, control tokens are parsed"},
    {"tools", 0, "F", OPT_TOOLS, CMD_RUN | CMD_ASK, "JSON file of tool declarations (OpenAI's shape)"},
    {"messages", 0, "F", OPT_MESSAGES, CMD_RUN | CMD_ASK, "JSON file of earlier messages (OpenAI's shape, text only)"},
    {"labels", 0, "A,B", OPT_LABELS, CMD_DETECT, "what to look for (default: everything)"},
    {"point", 0, "THING", OPT_POINT, CMD_DETECT, "the point to press or look at instead of boxes"},
    {"min-area", 0, "N", OPT_MIN_AREA, CMD_DETECT, "leave out boxes of fewer than N pixels"},
    {"format", 0, "F", OPT_BOX_FORMAT, CMD_DETECT, "json, jsonl, coco, csv, or yolo, which needs --output-dir (json)"},
    {"output-dir", 'o', "DIR", OPT_OUTPUT_DIR, CMD_DETECT, "yolo: write DIR/NAME.txt for each picture and DIR/classes.txt"},
    {"overlay", 0, "F", OPT_OVERLAY, CMD_DETECT, "F.png or F.svg: the picture with its boxes (several: F-1.png, ...)"},
    {"language", 0, "NAME", OPT_LANGUAGE, CMD_TRANSCRIBE, "language spoken, e.g. German (default: its original one)"},
    {"translate", 0, "NAME", OPT_TRANSLATE, CMD_TRANSCRIBE, "also translate into this language, and show the translation"},
    {"prompt", 0, "T", OPT_PROMPT, CMD_TRANSCRIBE, "names and words that may occur, as they are to be written"},
    {"format", 0, "F", OPT_FORMAT, CMD_TRANSCRIBE, "txt, srt, vtt, tsv, or json, which is --json (txt)"},
    {"output-dir", 'o', "DIR", OPT_OUTPUT_DIR, CMD_TRANSCRIBE, "write DIR/NAME.txt (.srt, ...) for each file, not to stdout"},
    {"rate", 0, "N", OPT_RATE, CMD_TRANSCRIBE, "'-' is bare samples: 16 bits, little-endian, mono, N a second"},
    {"window", 0, "S", OPT_WINDOW, CMD_TRANSCRIBE, "seconds heard at once, at most: 1 to 30 (30)"},
    {"overlap", 0, "S", OPT_OVERLAP, CMD_TRANSCRIBE, "seconds that two windows share where no pause is found (3)"},
    {"pause", 0, "S", OPT_PAUSE, CMD_TRANSCRIBE, "silence that ends a window whatever its length (1)"},
    {"all-sound", 0, NULL, OPT_ALL_SOUND, CMD_TRANSCRIBE, "hear everything, not only where somebody may be speaking"},
    {"budget", 0, "N", OPT_BUDGET, MEDIA, "soft tokens per picture or page: 70, 140, 280, 560, 1120 (280)"},
    {"video-budget", 0, "N", OPT_VIDEO_BUDGET, MEDIA, "soft tokens per film frame (70)"},
    {"fps", 0, "X", OPT_FPS, MEDIA, "film frames per second (1)"},
    {"frames", 0, "N", OPT_FRAMES, MEDIA, "N evenly spaced film frames instead"},
    {"start", 0, "S", OPT_START, MEDIA | CMD_TRANSCRIBE, "first second of the film or sound (0)"},
    {"end", 0, "S", OPT_END, MEDIA | CMD_TRANSCRIBE, "end of the part of it that is used"},
    {"sampler", 0, "NAME", OPT_SAMPLER, MEDIA, "time, or hf: the reference's 32 even frames"},
    {"with-sound", 0, NULL, OPT_WITH_SOUND, MEDIA & ~CMD_DETECT, "the film's sound too, directly after its frames"},
    {"pages", 0, "LIST", OPT_PAGES, MEDIA, "pages of a document, e.g. 1-3,7 (all)"},
    {"dpi", 0, "N", OPT_DPI, MEDIA, "dots per inch of pages (chosen from the budget)"},
    {"think", 0, NULL, OPT_THINK, MEDIA, "let the model think first"},
    {"no-think", 0, NULL, OPT_NO_THINK, GENERATE, "don't (the default)"},
    {"temperature", 0, "X", OPT_TEMPERATURE, GENERATE, "0 is greedy (the model's generation_config)"},
    {"top-k", 0, "N", OPT_TOP_K, GENERATE, "sample among the N best; 0 is off (the model's)"},
    {"top-p", 0, "X", OPT_TOP_P, GENERATE, "sample within this probability mass; 1 is off (the model's)"},
    {"min-p", 0, "X", OPT_MIN_P, GENERATE, "drop what is less likely than X times the best; 0 is off"},
    {"repetition-penalty", 0, "X", OPT_REPETITION, GENERATE, "1 is off (the model's)"},
    {"presence-penalty", 0, "X", OPT_PRESENCE, GENERATE, "0 is off"},
    {"frequency-penalty", 0, "X", OPT_FREQUENCY, GENERATE, "0 is off"},
    {"seed", 0, "N", OPT_SEED, GENERATE, "seed of sampling (from the system)"},
    {"stop", 0, "T", OPT_STOP, GENERATE, "a string that ends the answer; repeatable"},
    {"max-tokens", 'n', "N", OPT_MAX_TOKENS, GENERATE, "new tokens at most (1024; transcribe: by the seconds of a window)"},
    {"ctx", 'c', "N", OPT_CTX, GENERATE, "positions at most (as many as needed, up to the model's)"},
    {"kv", 0, "TYPE", OPT_KV, GENERATE, "of the key/value cache: f32, f16, bf16, q8 (f16; f32 with F32 weights)"},
    {"exact", 0, NULL, OPT_EXACT, GENERATE, "the exact product for every weight type"},
    {"type", 0, "T", OPT_TYPE, CMD_QUANTIZE,
     "f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k_s q3_k_m q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m q6_k iq4_nl iq4_xs mxfp4"},
    {"mmproj-type", 0, "T", OPT_MMPROJ_TYPE, CMD_QUANTIZE, "of vision and sound: f32 f16 bf16 q8_0 (bf16)"},
    {"mmproj-out", 0, "F", OPT_MMPROJ_OUT, CMD_QUANTIZE, "their file (mmproj-NAME-TYPE.gguf beside OUT)"},
    {"only", 0, "text|mmproj", OPT_ONLY, CMD_QUANTIZE, "write this file alone, at OUT"},
    {"force", 'f', NULL, OPT_FORCE, CMD_QUANTIZE, "replace files that exist"},
    {"allow-requantize", 0, NULL, OPT_REQUANTIZE, CMD_QUANTIZE, "round weights that are rounded to blocks already"},
    {"threads", 't', "N", OPT_THREADS, WITH_MODEL | CMD_QUANTIZE, "threads (all processors that may be used)"},
    {"cpu", 0, "LEVEL", OPT_CPU, WITH_MODEL, "cap of the CPU level: c, avx2, avx512"},
    {"check", 0, NULL, OPT_CHECK, CMD_INFO, "read every weight of FILE: are all finite, does it open?"},
    {"full", 0, NULL, OPT_FULL, CMD_INFO, "shorten nothing of FILE: all elements of long arrays"},
    {"json", 'j', NULL, OPT_JSON, ALL, "one JSON object on stdout"},
    {"quiet", 'q', NULL, OPT_QUIET, ALL, "nothing on stderr but errors"},
    {"verbose", 'v', NULL, OPT_VERBOSE, ALL, "say more on stderr"},
    {"progress", 0, "MODE", OPT_PROGRESS, GENERATE | CMD_QUANTIZE, "auto (on a terminal), none, json (lines on stderr)"},
    {"dump", 0, "DIR", OPT_DUMP, MEDIA, "write every rung as .npy into DIR"},
    {"dump-logits", 0, "WHICH", OPT_DUMP_LOGITS, MEDIA, "last (default) or all"},
    {"no-skip", 0, NULL, OPT_NO_SKIP, MEDIA, "all layers for all prompt positions, wanted or not"},
    {"max-pixels", 0, "N", OPT_MAX_PIXELS, MEDIA, "limit per picture or frame (178956970)"},
    {"max-bytes", 0, "N", OPT_MAX_BYTES, GENERATE, "limit per file that is read whole (2147483648)"},
    {"max-seconds", 0, "X", OPT_MAX_SECONDS, MEDIA, "limit per sound (30)"},
    {"max-frames", 0, "N", OPT_MAX_FRAMES, MEDIA, "limit per film (512)"},
    {"max-film-seconds", 0, "X", OPT_MAX_FILM_SECONDS, GENERATE, "limit of the length of a film or a sound to transcribe (86400)"},
    {"max-packets", 0, "N", OPT_MAX_PACKETS, GENERATE, "limit of packets per film or sound (4000000)"},
    {"max-pages", 0, "N", OPT_MAX_PAGES, MEDIA, "limit per document (200)"},
    {"deadline", 0, "S", OPT_DEADLINE, GENERATE, "seconds that decoding one file may take (120)"},
    {"help", 'h', NULL, OPT_HELP, ALL, "this help"},
    {"version", 'V', NULL, OPT_VERSION, ALL, "the version"},
};
enum { N_OPTS = sizeof table / sizeof *table };

typedef struct verb {
    const char *name;
    command cmd;
    const char *usage, *help;
} verb;

static const verb verbs[] = {
    {"caption", CMD_CAPTION, "-m MODEL FILE...", "describe pictures, films, sounds or documents (all files in one prompt)"},
    {"ask", CMD_ASK, "-m MODEL [FILE...] \"question\"", "answer a question, about files or not ('-': the question from stdin)"},
    {"transcribe", CMD_TRANSCRIBE, "-m MODEL FILE... [--format F] [-o DIR]",
     "write down what is said, of any length ('-': while it comes in)"},
    {"detect", CMD_DETECT, "-m MODEL FILE... [--labels a,b] [--format F] [--overlay F]",
     "boxes in pictures, pages and frames of films: JSON, COCO, CSV, YOLO"},
    {"run", CMD_RUN, "-m MODEL (--text T | --image F | --audio F | --video F | --pdf F | --system T)...",
     "a prompt of parts, kept in the order given"},
    {"info", CMD_INFO, "-m MODEL | FILE [--check]",
     "of a model: variant, sizes, modalities, budgets, memory; of a FILE of weights: all that it holds"},
    {"models", CMD_MODELS, "[FOLDER...]", "the model files there are on this machine, or in the folders"},
    {"quantize", CMD_QUANTIZE, "IN OUT --type T", "GGUF files of a model, or of GGUF files, in another type"},
    {"tokenize", CMD_TOKENIZE, "-m MODEL [--raw] TEXT", "token ids of a text ('-': from stdin)"},
};
enum { N_VERBS = sizeof verbs / sizeof *verbs };

static void print_overview(FILE *f)
{
    fprintf(f, "tessera %s: see, hear and read with Gemma 4 models on your own machine\n\nUsage:\n", tessera_version());
    for (size_t i = 0; i < N_VERBS; i++)
        fprintf(f, "  tessera %-10s %s\n                     %s\n", verbs[i].name, verbs[i].usage, verbs[i].help);
    fprintf(f, "\nA FILE's kind is found from its bytes; '-' is standard input.\n"
               "'tessera COMMAND --help' lists the options of a command.\n\n"
               "Exit codes: 0 done, 2 usage, 65 bad data, 66 no such input, 69 something needed is missing,\n"
               "70 a bug of ours, 74 input/output, 75 try later, 77 not permitted, 78 bad model, 130 interrupted.\n");
}

static void print_help(const verb *v)
{
    printf("Usage: tessera %s %s\n\n%s\n\nOptions:\n", v->name, v->usage, v->help);
    for (size_t i = 0; i < N_OPTS; i++) {
        char left[48];
        if (!(table[i].commands & (int)v->cmd))
            continue;
        int n = snprintf(left, sizeof left, "%c%c%c --%s %s", table[i].letter ? '-' : ' ',
                         table[i].letter ? table[i].letter : ' ', table[i].letter ? ',' : ' ', table[i].name,
                         table[i].arg ? table[i].arg : "");
        printf("  %-32s%s%s\n", left, n > 31 ? " " : "", table[i].help);
    }
}

static int usage_error(const char *verb_name, const char *what, const char *value)
{
    fprintf(stderr, "tessera: %s%s%s\n", what, value ? ": " : "", value ? value : "");
    if (verb_name)
        fprintf(stderr, "'tessera %s --help' lists the options\n", verb_name);
    return 2;
}

static bool parse_real(const char *s, double least, double most, double *out)
{
    char *end;
    errno = 0;
    double x = strtod(s, &end);
    if (end == s || *end || errno == ERANGE || !isfinite(x) || x < least || x > most)
        return false;
    *out = x;
    return true;
}

static bool parse_count(const char *s, size_t least, size_t most, size_t *out)
{
    char *end;
    errno = 0;
    if (*s < '0' || *s > '9')
        return false;
    unsigned long long x = strtoull(s, &end, 10);
    if (*end || errno == ERANGE || x < least || x > most)
        return false;
    *out = (size_t)x;
    return true;
}

/* Seconds, or MM:SS(.s), or H:MM:SS(.s). */
static bool parse_time(const char *s, double *out)
{
    double total = 0, part;
    for (int colons = 0; colons < 3; colons++) {
        const char *colon = strchr(s, ':');
        if (!colon) {
            if (!parse_real(s, 0, colons ? 60 : 1e7, &part))
                return false;
            *out = total + part;
            return true;
        }
        size_t whole, len = (size_t)(colon - s);
        char digits[8];
        if (len == 0 || len >= sizeof digits)
            return false;
        memcpy(digits, s, len);
        digits[len] = '\0';
        if (!parse_count(digits, 0, 9999, &whole))
            return false;
        total = (total + (double)whole) * 60;
        s = colon + 1;
    }
    return false;
}

static bool parse_budget(const char *s, size_t *out)
{
    static const size_t known[] = {70, 140, 280, 560, 1120};
    if (!parse_count(s, 1, 1120, out))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (*out == known[i])
            return true;
    return false;
}

static bool add_part(options *o, tessera_part_kind kind, const char *value)
{
    tessera_part *p = &o->parts[o->n_parts++];
    *p = (tessera_part){.kind = kind};
    if (kind == TESSERA_PART_TEXT || kind == TESSERA_PART_SYSTEM)
        p->text = value;
    else
        p->path = value;
    return true;
}

static bool choose(const char *s, const char *a, int va, const char *b, int vb, int *out)
{
    if (strcmp(s, a) == 0)
        *out = va;
    else if (strcmp(s, b) == 0)
        *out = vb;
    else
        return false;
    return true;
}

static bool set_progress(options *o, const char *v)
{
    if (strcmp(v, "auto") == 0)
        o->progress = PROGRESS_AUTO;
    else if (strcmp(v, "none") == 0)
        o->progress = PROGRESS_NONE;
    else if (strcmp(v, "json") == 0)
        o->progress = PROGRESS_JSON;
    else
        return false;
    return true;
}

/* Options that say what goes in and how media are read. 1: taken, 0: not here, -1: bad value. */
static int apply_media(options *o, int id, const char *v)
{
    tessera_request *rq = &o->rq;
    int n = 0;
    bool ok = true;
    switch (id) {
    case OPT_TEXT: ok = add_part(o, TESSERA_PART_TEXT, v); break;
    case OPT_SYSTEM: ok = add_part(o, TESSERA_PART_SYSTEM, v); break;
    case OPT_IMAGE: ok = add_part(o, TESSERA_PART_IMAGE, v); break;
    case OPT_AUDIO: ok = add_part(o, TESSERA_PART_AUDIO, v); break;
    case OPT_VIDEO: ok = add_part(o, TESSERA_PART_VIDEO, v); break;
    case OPT_PDF: ok = add_part(o, TESSERA_PART_PDF, v); break;
    case OPT_RAW: rq->raw = 1; break;
    case OPT_TOOLS: rq->tools = v; break;
    case OPT_MESSAGES: rq->messages = v; break;
    case OPT_BUDGET: ok = parse_budget(v, &rq->budget); break;
    case OPT_VIDEO_BUDGET: ok = parse_budget(v, &rq->video_budget); break;
    case OPT_FPS: ok = parse_real(v, 1e-6, 1000, &rq->fps); break;
    case OPT_FRAMES: ok = parse_count(v, 1, 1000000, &rq->frames); break;
    case OPT_START: ok = parse_time(v, &rq->start); break;
    case OPT_END: ok = parse_time(v, &rq->end) && rq->end > 0; break;
    case OPT_SAMPLER:
        ok = choose(v, "time", TESSERA_FRAMES_BY_TIME, "hf", TESSERA_FRAMES_HF, &n);
        rq->sampler = (tessera_sampler)n;
        break;
    case OPT_WITH_SOUND: rq->with_sound = 1; break;
    case OPT_PAGES: rq->pages = v; break;
    case OPT_DPI: {
        size_t dpi = 0;
        ok = parse_count(v, 10, 2400, &dpi);
        rq->dpi = (unsigned)dpi;
        break;
    }
    case OPT_MAX_PIXELS: ok = parse_count(v, 1, SIZE_MAX / 16, &rq->max_pixels); break;
    case OPT_MAX_BYTES: ok = parse_count(v, 1, SIZE_MAX / 16, &rq->max_file_bytes); break;
    case OPT_MAX_SECONDS: ok = parse_real(v, 1e-3, 30, &rq->max_audio_seconds); break;
    case OPT_MAX_FRAMES: ok = parse_count(v, 1, 1000000, &rq->max_frames); break;
    case OPT_MAX_FILM_SECONDS: ok = parse_real(v, 1e-3, 1e8, &rq->max_film_seconds); break;
    case OPT_MAX_PACKETS: {
        size_t packets = 0;
        ok = parse_count(v, 1, SIZE_MAX / 16, &packets);
        rq->max_packets = packets;
        break;
    }
    case OPT_MAX_PAGES: ok = parse_count(v, 1, 1000000, &rq->max_pages); break;
    case OPT_DEADLINE: ok = parse_real(v, 1e-3, 1e6, &rq->media_deadline); break;
    default: return 0;
    }
    return ok ? 1 : -1;
}

static bool choose_form(options *o, const char *v)
{
    static const char *const names[] = {[TESSERA_TRANSCRIPT_TXT] = "txt", [TESSERA_TRANSCRIPT_SRT] = "srt",
                                        [TESSERA_TRANSCRIPT_VTT] = "vtt", [TESSERA_TRANSCRIPT_TSV] = "tsv",
                                        [TESSERA_TRANSCRIPT_JSON] = "json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(v, names[i]) == 0) {
            o->form = (tessera_transcript_form)i;
            return true;
        }
    return false;
}

/* Options of transcribe. As apply_general. */
static int apply_transcribe(options *o, int id, const char *v)
{
    bool ok = true;
    switch (id) {
    case OPT_LANGUAGE: o->language = v; break;
    case OPT_TRANSLATE: o->translate = v; break;
    case OPT_PROMPT: o->prompt = v; break;
    case OPT_FORMAT: ok = choose_form(o, v); break;
    case OPT_OUTPUT_DIR: o->output_dir = v; break;
    case OPT_RATE: ok = parse_count(v, 1000, 768000, &o->rate); break;
    case OPT_WINDOW: ok = parse_real(v, 1, 30, &o->window); break;
    case OPT_OVERLAP: ok = parse_real(v, 0.1, 10, &o->overlap); break;
    case OPT_PAUSE: ok = parse_real(v, 0.1, 60, &o->pause); break;
    case OPT_ALL_SOUND: o->all_sound = true; break;
    default: return 0;
    }
    return ok ? 1 : -1;
}

/* Options of detect. As apply_general. */
static int apply_detect(options *o, int id, const char *v)
{
    switch (id) {
    case OPT_LABELS: o->labels = v; break;
    case OPT_OVERLAY: o->overlay = v; break;
    case OPT_POINT: o->point = v; break;
    case OPT_BOX_FORMAT: o->box_format = v; break;
    case OPT_MIN_AREA: return parse_count(v, 1, SIZE_MAX / 16, &o->min_area) ? 1 : -1;
    default: return 0;
    }
    return 1;
}

/* Options of quantize. As apply_general. */
static int apply_quantize(tessera_quantize_opts *q, int id, const char *v)
{
    switch (id) {
    case OPT_TYPE: q->type = v; break;
    case OPT_MMPROJ_TYPE: q->mmproj_type = v; break;
    case OPT_MMPROJ_OUT: q->mmproj_out = v; break;
    case OPT_ONLY: q->only = v; break;
    case OPT_FORCE: q->force = 1; break;
    case OPT_REQUANTIZE: q->allow_requantize = 1; break;
    default: return 0;
    }
    return 1;
}

/* Options of generation and of the program. 1: taken, 0: not here, -1: bad value. */
static int apply_general(options *o, int id, const char *v)
{
    tessera_request *rq = &o->rq;
    size_t n = 0;
    bool ok = true;
    switch (id) {
    case OPT_MODEL: o->model = v; break;
    case OPT_THINK: rq->think = 1; break;
    case OPT_NO_THINK: rq->think = 0; break;
    case OPT_TEMPERATURE:
        ok = parse_real(v, 0, 100, &rq->temperature);
        o->temperature_set = true;
        break;
    case OPT_TOP_K:
        ok = parse_count(v, 0, 1000000, &n);
        rq->top_k = (long)n;
        break;
    case OPT_TOP_P: ok = parse_real(v, 0, 1, &rq->top_p); break;
    case OPT_MIN_P: ok = parse_real(v, 0, 1, &rq->min_p); break;
    case OPT_REPETITION: ok = parse_real(v, 1e-3, 100, &rq->repetition_penalty); break;
    case OPT_PRESENCE: ok = parse_real(v, -100, 100, &rq->presence_penalty); break;
    case OPT_FREQUENCY: ok = parse_real(v, -100, 100, &rq->frequency_penalty); break;
    case OPT_SEED:
        ok = parse_count(v, 0, INT64_MAX, &n);
        rq->seed = n;
        rq->seed_set = 1;
        break;
    case OPT_STOP:
        ok = *v != '\0';
        o->stops[rq->n_stop++] = v;
        break;
    case OPT_MAX_TOKENS: ok = parse_count(v, 1, 10000000, &rq->max_tokens); break;
    case OPT_CTX: ok = parse_count(v, 1, 100000000, &rq->ctx); break;
    case OPT_KV: rq->kv = v; break;
    case OPT_EXACT: rq->exact = 1; break;
    case OPT_THREADS:
        ok = parse_count(v, 1, 256, &n);
        o->threads = (unsigned)n;
        break;
    case OPT_CPU: o->cpu = v; break;
    case OPT_MMPROJ: o->mmproj = v; break;
    case OPT_CHECK: o->check = true; break;
    case OPT_FULL: o->full = true; break;
    case OPT_JSON: o->json = true; break;
    case OPT_QUIET: o->quiet = true; break;
    case OPT_VERBOSE: o->verbose = true; break;
    case OPT_PROGRESS: ok = set_progress(o, v); break;
    case OPT_DUMP: rq->dump = v; break;
    case OPT_DUMP_LOGITS: ok = choose(v, "last", 0, "all", 1, &rq->dump_all_logits); break;
    case OPT_NO_SKIP: rq->skip_unneeded = -1; break;
    default: return 0;
    }
    return ok ? 1 : -1;
}

static int bad_value(const verb *v, const opt *o, const char *value)
{
    fprintf(stderr, "tessera: --%s: '%s' is not usable here (%s)\n", o->name, value ? value : "", o->help);
    fprintf(stderr, "'tessera %s --help' lists the options\n", v->name);
    return 2;
}

/* getopt's two tables, holding the options of this command only. */
static void make_getopt(const verb *v, struct option *longs, char *shorts)
{
    size_t n = 0;
    *shorts++ = ':'; /* tell a missing value from an unknown option */
    for (size_t i = 0; i < N_OPTS; i++) {
        if (!(table[i].commands & (int)v->cmd))
            continue;
        longs[n++] = (struct option){table[i].name, table[i].arg ? required_argument : no_argument, NULL, table[i].id};
        if (table[i].letter) {
            *shorts++ = table[i].letter;
            if (table[i].arg)
                *shorts++ = ':';
        }
    }
    longs[n] = (struct option){NULL, 0, NULL, 0};
    *shorts = '\0';
}

static const opt *opt_of(const verb *v, int id)
{
    for (size_t i = 0; i < N_OPTS; i++)
        if ((table[i].commands & (int)v->cmd) && (table[i].id == id || (table[i].letter && table[i].letter == id)))
            return &table[i];
    return NULL;
}

static int parse_options(options *o, const verb *v, int argc, char **argv)
{
    struct option longs[N_OPTS + 1];
    char shorts[3 * N_OPTS + 2];
    int id;
    make_getopt(v, longs, shorts);
    opterr = 0;
    optind = 1;
    while ((id = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const opt *t = id == '?' || id == ':' ? NULL : opt_of(v, id);
        if (id == ':')
            return usage_error(v->name, "a value is missing after", argv[optind - 1]);
        if (!t)
            return usage_error(v->name, "unknown or ambiguous option", argv[optind - 1]);
        if (t->id == OPT_HELP) {
            print_help(v);
            return 1;
        }
        if (t->id == OPT_VERSION) {
            printf("tessera %s\n", tessera_version());
            return 1;
        }
        int taken = apply_media(o, t->id, optarg);
        if (taken == 0)
            taken = apply_transcribe(o, t->id, optarg);
        if (taken == 0)
            taken = apply_detect(o, t->id, optarg);
        if (taken == 0)
            taken = apply_quantize(&o->quantize, t->id, optarg);
        if (taken == 0)
            taken = apply_general(o, t->id, optarg);
        if (taken < 0)
            return bad_value(v, t, optarg);
    }
    if (o->json)
        o->form = TESSERA_TRANSCRIPT_JSON;
    while (optind < argc)
        o->words[o->n_words++] = argv[optind++];
    return 0;
}

static int check(const options *o, const verb *v)
{
    bool is_file = o->cmd == CMD_INFO && o->n_words == 1 && !o->model;
    if (!o->model && !is_file && (o->cmd & WITH_MODEL))
        return usage_error(v->name, "-m MODEL is missing", NULL);
    if (o->cmd == CMD_RUN && o->n_words)
        return usage_error(v->name, "run takes its parts as options, not as words", o->words[0]);
    if (o->cmd == CMD_INFO && o->n_words && !is_file)
        return usage_error(v->name, "info takes -m MODEL or one FILE", o->words[0]);
    if (o->cmd == CMD_QUANTIZE && o->n_words != 2)
        return usage_error(v->name, "quantize takes IN and OUT", NULL);
    if (o->rq.end > 0 && o->rq.end <= o->rq.start)
        return usage_error(v->name, "--end must lie after --start", NULL);
    if (o->rq.frames && o->rq.fps > 0)
        return usage_error(v->name, "--frames and --fps exclude each other", NULL);
    if (o->rq.sampler == TESSERA_FRAMES_HF && (o->rq.frames || o->rq.fps > 0))
        return usage_error(v->name, "--sampler hf has its own number of frames", NULL);
    if (o->quiet && o->verbose)
        return usage_error(v->name, "--quiet and --verbose exclude each other", NULL);
    return 0;
}

int options_parse(options *o, int argc, char **argv)
{
    memset(o, 0, sizeof *o);
    o->rq = tessera_request_default();
    if (argc < 2) {
        print_overview(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_overview(stdout);
        return 1;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("tessera %s\n", tessera_version());
        return 1;
    }
    const verb *v = NULL;
    for (size_t i = 0; i < N_VERBS; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            v = &verbs[i];
    if (!v) {
        fprintf(stderr, "tessera: unknown command '%s'; known are", argv[1]);
        for (size_t i = 0; i < N_VERBS; i++)
            fprintf(stderr, " %s", verbs[i].name);
        fprintf(stderr, "\n");
        return 2;
    }
    size_t room = (size_t)argc + 4; /* each word makes at most one entry, a command at most two more */
    o->cmd = v->cmd;
    o->parts = calloc(room, sizeof *o->parts);
    o->stops = calloc(room, sizeof *o->stops);
    o->words = calloc(room, sizeof *o->words);
    if (!o->parts || !o->stops || !o->words) {
        fprintf(stderr, "tessera: out of memory\n");
        return 75;
    }
    int rc = parse_options(o, v, argc - 1, argv + 1);
    if (rc == 0)
        rc = check(o, v);
    o->rq.stop = o->stops;
    return rc;
}

void options_free(options *o)
{
    free(o->parts);
    free(o->stops);
    free(o->words);
}
