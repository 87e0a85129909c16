/* options.c: words become options, with strict numbers; the help is made from the table. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "option_table.h"

enum { MAX_OPTIONS = 128 };

static void print_overview(FILE *f)
{
    fprintf(f, "tessera %s: see, hear and read with Gemma 4 models on your own machine\n\nUsage:\n", tessera_version());
    for (size_t i = 0; i < n_verbs; i++)
        fprintf(f, "  tessera %-10s %s\n                     %s\n", verb_table[i].name, verb_table[i].usage, verb_table[i].help);
    fprintf(f, "\nA FILE's kind is found from its bytes; '-' is standard input.\n"
               "'tessera COMMAND --help' lists the options of a command.\n\n"
               "Exit codes: %s\n", exit_codes);
}

/* The part that belongs to the program alone and may lack; the library's say so where they are used. */
static void print_version(void)
{
    printf("tessera %s\nlines of chat: %s\n", tessera_version(), TSR_CHAT_EDITOR);
}

static void print_help(const verb *v)
{
    printf("Usage: tessera %s %s\n\n%s\n\nOptions:\n", v->name, v->usage, v->help);
    for (size_t i = 0; i < n_options; i++) {
        char left[48];
        if (!(option_table[i].commands & (int)v->cmd))
            continue;
        int n = snprintf(left, sizeof left, "%c%c%c --%s %s", option_table[i].letter ? '-' : ' ',
                         option_table[i].letter ? option_table[i].letter : ' ', option_table[i].letter ? ',' : ' ', option_table[i].name,
                         option_table[i].arg ? option_table[i].arg : "");
        printf("  %-32s%s%s\n", left, n > 31 ? " " : "", option_table[i].help);
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
    if (strcmp(s, "auto") == 0) {
        *out = TESSERA_BUDGET_AUTO;
        return true;
    }
    if (!parse_count(s, 1, 1120, out))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (*out == known[i])
            return true;
    return false;
}

static bool parse_tiles(const char *s, size_t *out)
{
    if (strcmp(s, "auto") != 0)
        return parse_count(s, 2, 64, out);
    *out = TESSERA_TILES_AUTO;
    return true;
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

/* It keeps its place among the parts; main.c reads it. */
static bool set_prompt_file(options *o, const char *path)
{
    if (o->prompt_file)
        return false;
    o->prompt_file = path;
    o->prompt_at = o->n_parts;
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
    case OPT_PROMPT_FILE: ok = set_prompt_file(o, v); break;
    case OPT_RAW: rq->raw = 1; break;
    case OPT_TOOLS: rq->tools = v; break;
    case OPT_MESSAGES: rq->messages = v; break;
    case OPT_SCHEMA: rq->schema = v; break; /* main.c reads the files */
    case OPT_GRAMMAR: rq->grammar = v; break;
    case OPT_BUDGET: ok = parse_budget(v, &rq->budget); break;
    case OPT_VIDEO_BUDGET: ok = parse_budget(v, &rq->video_budget) && rq->video_budget != TESSERA_BUDGET_AUTO; break;
    case OPT_FPS: ok = parse_real(v, 1e-6, 1000, &rq->fps); break;
    case OPT_FRAMES:
        rq->frames = TESSERA_FRAMES_AUTO;
        ok = strcmp(v, "auto") == 0 || parse_count(v, 1, 1000000, &rq->frames);
        break;
    case OPT_START: ok = parse_time(v, &rq->start); break;
    case OPT_END: ok = parse_time(v, &rq->end) && rq->end > 0; break;
    case OPT_SAMPLER:
        ok = choose(v, "time", TESSERA_FRAMES_BY_TIME, "hf", TESSERA_FRAMES_HF, &n);
        rq->sampler = (tessera_sampler)n;
        break;
    case OPT_WITH_SOUND: rq->with_sound = 1; break;
    case OPT_PLAN: o->plan = true; break;
    case OPT_CHAPTERS: o->chapters = true; break;
    case OPT_CONTACT_SHEET: rq->contact_sheet = v; break;
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
    case OPT_FORMAT:
        ok = choose_form(o, v);
        o->form_set = true;
        break;
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
    case OPT_TILES: return parse_tiles(v, &o->tiles) ? 1 : -1;
    case OPT_MIN_AREA: return parse_count(v, 1, SIZE_MAX / 16, &o->min_area) ? 1 : -1;
    default: return 0;
    }
    return 1;
}

/* Options of read. As apply_general. */
static int apply_read(tessera_read_opts *r, int id, const char *v)
{
    switch (id) {
    case OPT_PAGE_FORMAT: r->format = v; break;
    case OPT_PAGE_OUT: r->path = v; break;
    case OPT_MAX_LAYER: return parse_count(v, 1, (size_t)1 << 30, &r->max_layer) ? 1 : -1;
    case OPT_NO_LAYER: r->no_layer = 1; break;
    default: return 0;
    }
    return 1;
}

/* Options of batch. As apply_general. */
static int apply_batch(options *o, int id, const char *v)
{
    switch (id) {
    case OPT_OUT: o->out = v; break;
    case OPT_SHARD: o->batch.shard = v; break;
    case OPT_RESUME: o->resume = true; break;
    case OPT_RESTART: o->batch.restart = 1; break;
    case OPT_MAX_LINE: return parse_count(v, 1, (size_t)1 << 40, &o->batch.max_line_bytes) ? 1 : -1;
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
    for (size_t i = 0; i < n_options; i++) {
        if (!(option_table[i].commands & (int)v->cmd))
            continue;
        longs[n++] = (struct option){option_table[i].name, option_table[i].arg ? required_argument : no_argument, NULL, option_table[i].id};
        if (option_table[i].letter) {
            *shorts++ = option_table[i].letter;
            if (option_table[i].arg)
                *shorts++ = ':';
        }
    }
    longs[n] = (struct option){NULL, 0, NULL, 0};
    *shorts = '\0';
}

static const opt *opt_of(const verb *v, int id)
{
    for (size_t i = 0; i < n_options; i++)
        if ((option_table[i].commands & (int)v->cmd) && (option_table[i].id == id || (option_table[i].letter && option_table[i].letter == id)))
            return &option_table[i];
    return NULL;
}

static int parse_options(options *o, const verb *v, int argc, char **argv)
{
    struct option longs[MAX_OPTIONS + 1];
    char shorts[3 * MAX_OPTIONS + 2];
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
            print_version();
            return 1;
        }
        int taken = apply_media(o, t->id, optarg);
        if (taken == 0)
            taken = apply_transcribe(o, t->id, optarg);
        if (taken == 0)
            taken = apply_detect(o, t->id, optarg);
        if (taken == 0)
            taken = apply_read(&o->read, t->id, optarg);
        if (taken == 0)
            taken = apply_batch(o, t->id, optarg);
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
    if (o->cmd == CMD_BATCH && (o->n_words != 1 || !o->out))
        return usage_error(v->name, "batch takes one MANIFEST and -o OUT", NULL);
    if (o->resume && o->batch.restart)
        return usage_error(v->name, "--resume and --restart exclude each other", NULL);
    if (o->rq.schema && o->rq.grammar)
        return usage_error(v->name, "--schema and --grammar exclude each other", NULL);
    if (o->cmd == CMD_CAPTION && o->form_set && !o->chapters)
        return usage_error(v->name, "--format is of --chapters", NULL);
    if (o->rq.end > 0 && o->rq.end <= o->rq.start)
        return usage_error(v->name, "--end must lie after --start", NULL);
    if (o->rq.frames && o->rq.frames != TESSERA_FRAMES_AUTO && o->rq.fps > 0)
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
    o->rq.budget = TESSERA_BUDGET_AUTO;
    if (argc < 2) {
        print_overview(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_overview(stdout);
        return 1;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        print_version();
        return 1;
    }
    const verb *v = NULL;
    for (size_t i = 0; i < n_verbs; i++)
        if (strcmp(argv[1], verb_table[i].name) == 0)
            v = &verb_table[i];
    if (!v) {
        fprintf(stderr, "tessera: unknown command '%s'; known are", argv[1]);
        for (size_t i = 0; i < n_verbs; i++)
            fprintf(stderr, " %s", verb_table[i].name);
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
