/* made_up_vocab.c: 262,144 entries with the true ids of the control tokens (MODEL.md section 1.4), the newlines,
 * spaces and bytes of the published vocabulary, and made-up words of lower-case letters. */
#include "made_up_vocab.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { VOCAB = 262144 };

static const struct { int id; const char *text; } controls[] = {
    {0, "<pad>"}, {1, "<eos>"}, {2, "<bos>"}, {3, "<unk>"}, {4, "<mask>"},
    {46, "<|tool>"}, {47, "<tool|>"}, {48, "<|tool_call>"}, {49, "<tool_call|>"},
    {50, "<|tool_response>"}, {51, "<tool_response|>"}, {52, "<|\\\"|>"}, {98, "<|think|>"},
    {100, "<|channel>"}, {101, "<channel|>"}, {105, "<|turn>"}, {106, "<turn|>"},
    {255999, "<|image>"}, {256000, "<|audio>"}, {258880, "<|image|>"}, {258881, "<|audio|>"},
    {258882, "<image|>"}, {258883, "<audio|>"}, {258884, "<|video|>"},
};
enum { N_CONTROLS = sizeof controls / sizeof *controls, NEWLINE = 107, SPACES = 138, BYTES = 238, CHARS = 494 };
#define SPACE "\xE2\x96\x81" /* U+2581 */

static const char *control_of(int id)
{
    for (int i = 0; i < N_CONTROLS; i++)
        if (controls[i].id == id)
            return controls[i].text;
    return NULL;
}

/* Ordinary words: all strings of 2 and 3 letters, then those of 1, 2 and 3 behind a space, then of 4. */
typedef struct words { int stage; long k; } words;

static void next_word(words *w, char *out)
{
    static const struct { int space, letters; long n; } stage[] = {
        {0, 2, 676}, {0, 3, 17576}, {1, 1, 26}, {1, 2, 676}, {1, 3, 17576}, {0, 4, 456976}};
    if (w->k == stage[w->stage].n) {
        w->stage++;
        w->k = 0;
    }
    long k = w->k++;
    int n = stage[w->stage].letters;
    size_t at = stage[w->stage].space ? sizeof SPACE - 1 : 0;
    memcpy(out, SPACE, at);
    for (int i = n - 1; i >= 0; i--, k /= 26)
        out[at + (size_t)i] = (char)('a' + k % 26);
    out[at + (size_t)n] = '\0';
}

static void repeat(FILE *f, const char *s, int n)
{
    for (int i = 0; i < n; i++)
        fputs(s, f);
}

static void entry(FILE *f, int id, words *w)
{
    char word[16];
    if (control_of(id))
        fputs(control_of(id), f);
    else if (id >= NEWLINE && id < SPACES)
        repeat(f, "\\n", id - NEWLINE + 1);
    else if (id >= SPACES && id < SPACES + 31)
        repeat(f, SPACE, id - SPACES + 2);
    else if (id >= BYTES && id < CHARS)
        fprintf(f, "<0x%02X>", (unsigned)(id - BYTES));
    else if (id < CHARS)
        fprintf(f, "<unused%d>", id);
    else if (id == CHARS)
        fputs(SPACE, f);
    else if (id <= CHARS + 94) { /* '!' to '~' */
        int c = '!' + id - CHARS - 1;
        fprintf(f, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    } else {
        next_word(w, word);
        fputs(word, f);
    }
}

static void write_merges(FILE *f, long n_words)
{
    words w = {0};
    char word[16];
    for (int i = 1; i < 31; i++) {
        fputs(i > 1 ? ",\n[\"" : "[\"", f);
        repeat(f, "\\n", i);
        fputs("\", \"\\n\"]", f);
    }
    for (int i = 1; i < 32; i++) {
        fputs(",\n[\"", f);
        repeat(f, SPACE, i);
        fputs("\", \"" SPACE "\"]", f);
    }
    for (long i = 0; i < n_words; i++) {
        next_word(&w, word);
        size_t n = strlen(word) - 1;
        fprintf(f, ",\n[\"%.*s\", \"%c\"]", (int)n, word, word[n]);
        size_t first = word[0] == SPACE[0] ? sizeof SPACE - 1 : 1;
        if (n > first) /* a second way to the same word, so that there are as many merges as in the published one */
            fprintf(f, ",\n[\"%.*s\", \"%s\"]", (int)first, word, word + first);
    }
}

void made_up_vocab_write(FILE *f)
{
    words w = {0};
    long n_words = 0;
    fputs("{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [\n", f);
    for (int i = 0; i < N_CONTROLS; i++)
        fprintf(f, "{\"id\": %d, \"content\": \"%s\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                   "\"normalized\": false, \"special\": true}%s\n", controls[i].id, controls[i].text,
                i + 1 < N_CONTROLS ? "," : "],");
    fputs("\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" SPACE "\"},\n"
          "\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \" \"}, \"behavior\": "
          "\"MergedWithPrevious\", \"invert\": false},\n"
          "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<bos>\", "
          "\"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"pair\": [{\"Sequence\": {\"id\": "
          "\"A\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}}], \"special_tokens\": {\"<bos>\": "
          "{\"id\": \"<bos>\", \"ids\": [2], \"tokens\": [\"<bos>\"]}}},\n"
          "\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": "
          "\"" SPACE "\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}]},\n"
          "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": \"<unk>\", "
          "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": true, "
          "\"byte_fallback\": true, \"ignore_merges\": false, \"vocab\": {\n", f);
    for (int id = 0; id < VOCAB; id++) {
        fputs(id ? ",\n\"" : "\"", f);
        entry(f, id, &w);
        fprintf(f, "\": %d", id);
        n_words += id > CHARS + 94 && !control_of(id);
    }
    fputs("},\n\"merges\": [\n", f);
    write_merges(f, n_words);
    fputs("]}}\n", f);
}
