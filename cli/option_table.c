/* option_table.c: every command and option, once. */
#include "option_table.h"

#define QUANTIZE_TYPES \
    "f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k_s q3_k_m q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m q6_k iq4_nl iq4_xs mxfp4"

const opt option_table[] = {
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
    {"tools", 0, "F", OPT_TOOLS, CMD_RUN | CMD_ASK | CMD_BATCH, "JSON file of tool declarations (OpenAI's shape)"},
    {"messages", 0, "F", OPT_MESSAGES, CMD_RUN | CMD_ASK, "JSON file of earlier messages (OpenAI's shape, text only)"},
    {"labels", 0, "A,B", OPT_LABELS, CMD_DETECT, "what to look for (default: everything)"},
    {"point", 0, "THING", OPT_POINT, CMD_DETECT, "the point to press or look at instead of boxes"},
    {"min-area", 0, "N", OPT_MIN_AREA, CMD_DETECT, "leave out boxes of fewer than N pixels"},
    {"format", 0, "F", OPT_BOX_FORMAT, CMD_DETECT, "json, jsonl, coco, csv, or yolo, which needs --output-dir (json)"},
    {"output-dir", 'o', "DIR", OPT_OUTPUT_DIR, CMD_DETECT, "yolo: write DIR/NAME.txt for each picture and DIR/classes.txt"},
    {"overlay", 0, "F", OPT_OVERLAY, CMD_DETECT, "F.png or F.svg: the picture with its boxes (several: F-1.png, ...)"},
    {"format", 0, "F", OPT_PAGE_FORMAT, CMD_READ, "md, txt, or json, which needs --schema (md; with --schema json)"},
    {"output", 'o', "F", OPT_PAGE_OUT, CMD_READ, "write the result into F, whole or not at all, not to stdout"},
    {"max-layer", 0, "N", OPT_MAX_LAYER, CMD_READ, "bytes of a page's text layer that the model gets (16384)"},
    {"no-layer", 0, NULL, OPT_NO_LAYER, CMD_READ, "the model gets the pictures of the pages alone"},
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
    {"budget", 0, "N", OPT_BUDGET, PICTURES, "soft tokens per picture or page: 70, 140, 280, 560, 1120 (auto: by its size)"},
    {"video-budget", 0, "N", OPT_VIDEO_BUDGET, MEDIA, "soft tokens per film frame (70)"},
    {"fps", 0, "X", OPT_FPS, MEDIA, "film frames per second (1)"},
    {"frames", 0, "N", OPT_FRAMES, MEDIA, "N evenly spaced film frames instead"},
    {"start", 0, "S", OPT_START, MEDIA | CMD_TRANSCRIBE, "first second of the film or sound (0)"},
    {"end", 0, "S", OPT_END, MEDIA | CMD_TRANSCRIBE, "end of the part of it that is used"},
    {"sampler", 0, "NAME", OPT_SAMPLER, MEDIA, "time, or hf: the reference's 32 even frames"},
    {"with-sound", 0, NULL, OPT_WITH_SOUND, MEDIA & ~CMD_DETECT, "the film's sound too, directly after its frames"},
    {"contact-sheet", 0, "F.png", OPT_CONTACT_SHEET, CMD_RUN | CMD_ASK | CMD_CAPTION, "write the film frames that are used, with their times"},
    {"pages", 0, "LIST", OPT_PAGES, PICTURES, "pages of a document, e.g. 1-3,7 (all)"},
    {"dpi", 0, "N", OPT_DPI, PICTURES, "dots per inch of pages (chosen from the budget)"},
    {"think", 0, NULL, OPT_THINK, PICTURES, "let the model think first"},
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
    {"schema", 0, "F|JSON", OPT_SCHEMA, CMD_READ | CMD_RUN | CMD_ASK | CMD_CAPTION | CMD_BATCH, "the answer is JSON that satisfies this JSON Schema"},
    {"grammar", 0, "F", OPT_GRAMMAR, CMD_RUN | CMD_ASK | CMD_CAPTION | CMD_BATCH, "the answer is a text of this GBNF grammar"},
    {"max-tokens", 'n', "N", OPT_MAX_TOKENS, GENERATE, "new tokens at most (1024; transcribe: by the seconds of a window)"},
    {"ctx", 'c', "N", OPT_CTX, GENERATE, "positions at most (as many as needed, up to the model's)"},
    {"kv", 0, "TYPE", OPT_KV, GENERATE, "of the key/value cache: f32, f16, bf16, q8 (f16; f32 with F32 weights)"},
    {"exact", 0, NULL, OPT_EXACT, GENERATE, "the exact product for every weight type"},
    {"output", 'o', "F", OPT_OUT, CMD_BATCH, "the file of answers, which grows by whole lines; {shard} in it becomes 3-of-8"},
    {"shard", 0, "I/N", OPT_SHARD, CMD_BATCH, "every N-th line, I from 0; auto, auto/N: by Slurm, MPI, Kubernetes, AWS Batch"},
    {"resume", 0, NULL, OPT_RESUME, CMD_BATCH, "go on behind the answers that are there (the default)"},
    {"restart", 0, NULL, OPT_RESTART, CMD_BATCH, "throw away the answers that are there"},
    {"max-line", 0, "N", OPT_MAX_LINE, CMD_BATCH, "limit of bytes per line of the manifest (67108864)"},
    {"type", 0, "T", OPT_TYPE, CMD_QUANTIZE, QUANTIZE_TYPES},
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
    {"dump", 0, "DIR", OPT_DUMP, PICTURES & ~CMD_BATCH, "write every rung as .npy into DIR"},
    {"dump-logits", 0, "WHICH", OPT_DUMP_LOGITS, PICTURES & ~CMD_BATCH, "last (default) or all"},
    {"no-skip", 0, NULL, OPT_NO_SKIP, PICTURES, "all layers for all prompt positions, wanted or not"},
    {"max-pixels", 0, "N", OPT_MAX_PIXELS, PICTURES, "limit per picture or frame (178956970)"},
    {"max-bytes", 0, "N", OPT_MAX_BYTES, GENERATE, "limit per file that is read whole (2147483648)"},
    {"max-seconds", 0, "X", OPT_MAX_SECONDS, MEDIA, "limit per sound (30)"},
    {"max-frames", 0, "N", OPT_MAX_FRAMES, MEDIA, "limit per film (512)"},
    {"max-film-seconds", 0, "X", OPT_MAX_FILM_SECONDS, GENERATE & ~CMD_READ, "limit of the length of a film or a sound to transcribe (86400)"},
    {"max-packets", 0, "N", OPT_MAX_PACKETS, GENERATE & ~CMD_READ, "limit of packets per film or sound (4000000)"},
    {"max-pages", 0, "N", OPT_MAX_PAGES, PICTURES, "limit per document (200)"},
    {"deadline", 0, "S", OPT_DEADLINE, GENERATE, "seconds that decoding one file may take (120)"},
    {"help", 'h', NULL, OPT_HELP, ALL, "this help"},
    {"version", 'V', NULL, OPT_VERSION, ALL, "the version"},
};
const size_t n_options = sizeof option_table / sizeof *option_table;

static const struct {
    int id;
    const char *values;
} closed[] = {
    {OPT_BOX_FORMAT, "json jsonl coco csv yolo"},
    {OPT_PAGE_FORMAT, "md txt json"},
    {OPT_FORMAT, "txt srt vtt tsv json"},
    {OPT_BUDGET, "auto 70 140 280 560 1120"},
    {OPT_VIDEO_BUDGET, "70 140 280 560 1120"},
    {OPT_SAMPLER, "time hf"},
    {OPT_KV, "f32 f16 bf16 q8"},
    {OPT_TYPE, QUANTIZE_TYPES},
    {OPT_MMPROJ_TYPE, "f32 f16 bf16 q8_0"},
    {OPT_ONLY, "text mmproj"},
    {OPT_CPU, "c avx2 avx512"},
    {OPT_PROGRESS, "auto none json"},
    {OPT_DUMP_LOGITS, "last all"},
};

const char *option_values(const opt *o)
{
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        if (closed[i].id == o->id)
            return closed[i].values;
    return NULL;
}

const verb verb_table[] = {
    {"caption", CMD_CAPTION, "-m MODEL FILE...", "describe pictures, films, sounds or documents (all files in one prompt)"},
    {"ask", CMD_ASK, "-m MODEL [FILE...] \"question\"", "answer a question, about files or not ('-': the question from stdin)"},
    {"transcribe", CMD_TRANSCRIBE, "-m MODEL FILE... [--format F] [-o DIR]",
     "write down what is said, of any length ('-': while it comes in)"},
    {"detect", CMD_DETECT, "-m MODEL FILE... [--labels a,b] [--format F] [--overlay F]",
     "boxes in pictures, pages and frames of films: JSON, COCO, CSV, YOLO"},
    {"read", CMD_READ, "-m MODEL FILE... [--format md|txt|json] [--schema F] [-o FILE]",
     "PDFs and pictures of pages become Markdown, text, or JSON by a schema"},
    {"pdf", CMD_READ, "-m MODEL FILE...", "another name of read"},
    {"run", CMD_RUN, "-m MODEL (--text T | --image F | --audio F | --video F | --pdf F | --system T)...",
     "a prompt of parts, kept in the order given"},
    {"batch", CMD_BATCH, "-m MODEL MANIFEST.jsonl -o OUT.jsonl [--shard I/N]",
     "answer every line of a manifest; goes on after a kill where it was"},
    {"info", CMD_INFO, "-m MODEL | FILE [--check]",
     "of a model: variant, sizes, modalities, budgets, memory; of a FILE of weights: all that it holds"},
    {"models", CMD_MODELS, "[FOLDER...]", "the model files there are on this machine, or in the folders"},
    {"quantize", CMD_QUANTIZE, "IN OUT --type T", "GGUF files of a model, or of GGUF files, in another type"},
    {"completions", CMD_COMPLETIONS, "bash|zsh|fish|man", "completions for a shell, or the manual page"},
    {"tokenize", CMD_TOKENIZE, "-m MODEL [--raw] TEXT", "token ids of a text ('-': from stdin)"},
};
const size_t n_verbs = sizeof verb_table / sizeof *verb_table;

const char exit_codes[] = "0 done, 2 usage, 65 bad data, 66 no such input, 69 something needed is missing,\n"
                          "70 a bug of ours, 74 input/output, 75 try later, 77 not permitted, 78 bad model, 130 interrupted.";
