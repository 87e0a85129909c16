/* test_guide.c: masks against trying each token and the end behind it alone, answers that end in time whatever the limit,
 * thoughts before them, and no allocation on the way. */
#include <stdio.h>

#include "big_vocab.h"
#include "common/test_main.h"
#include "grammar_run_internal.h"
#include "grammar_vocab_internal.h"
#include "tsr_alloc.h"
#include "tsr_grammar.h"
#include "tsr_sampler.h"

enum { N_VOCAB = 2500, END = 1, CHANNEL_OPEN = 4, CHANNEL_CLOSE = 5 };

static tsr_tokenizer *tokenizer;
static tsr_vocab *vocab;

static const char *const schemas[] = {
    "true",
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":12},\"n\":{\"type\":\"integer\","
    "\"minimum\":-5,\"maximum\":1200},\"tags\":{\"type\":\"array\",\"items\":{\"enum\":[\"the\",\"then\",\"other\"]},\"maxItems\":3}},"
    "\"required\":[\"name\",\"n\"],\"additionalProperties\":{\"type\":\"boolean\"}}",
    "{\"type\":\"string\",\"pattern\":\"^[^a-m]{3,40}(x|.{2,4})$\",\"maxLength\":30}",
    "{\"anyOf\":[{\"type\":\"string\",\"maxLength\":3},{\"type\":\"string\",\"pattern\":\"^[ -~]*!$\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#\"}}]}",
};
static const char *const grammars[] = {
    "root ::= (\"- \" [^\\n]{1,30} \"\\n\")+",
    "root ::= s\ns ::= \"(\" s \")\" s | \"[\" s \"]\" | word\nword ::= [a-z ]*",
    "root ::= word (\" \" word)*\nword ::= [a-zA-Z]+ [.,;]? | [^a-z]{2,5}",
    "root ::= \"<\" ([^>]{1,9} \">\" | \"a\" . [^b]* \"]\")",
    "root ::= ((\"a\" | \"ab\" | [b-d]){2,9} . [^\"\\\\\\x7F\\x00-\\x1F]*)+ \"\\xe9\"",
};
enum { N_SCHEMAS = sizeof schemas / sizeof *schemas, N_ALL = N_SCHEMAS + sizeof grammars / sizeof *grammars };

static tsr_grammar *compile(size_t i)
{
    tsr_error err = {0};
    tsr_grammar *g;
    const char *text = i < N_SCHEMAS ? schemas[i] : grammars[i - N_SCHEMAS];
    tsr_status st = i < N_SCHEMAS ? tsr_grammar_from_schema(&g, text, strlen(text), "test", &err)
                                  : tsr_grammar_from_gbnf(&g, text, strlen(text), "test", &err);
    if (st != TSR_OK)
        fail_msg("%s", err.text);
    return g;
}

static uint32_t next_random(uint32_t *r)
{
    *r = *r * 1664525 + 1013904223;
    return *r >> 8;
}

/* Text tokens seldom, the others often, so that walks go through structure and not through strings alone. */
static int32_t pick(const uint32_t *mask, uint32_t *random)
{
    for (int tries = 0; tries < 200; tries++) {
        uint32_t id = next_random(random) % (tries % 2 ? 400 : N_VOCAB);
        if (tsri_bit(mask, id) && (id != END || tries > 100))
            return (int32_t)id;
    }
    for (int32_t id = N_VOCAB - 1; id >= 0; id--)
        if (tsri_bit(mask, (size_t)id))
            return id;
    fail_msg("the mask is empty");
    return -1;
}

static tsr_guide *open_guide(const tsr_grammar *g, size_t max_tokens, bool thinks)
{
    tsr_error err = {0};
    tsr_guide *guide;
    tsr_guide_opts o = {.max_tokens = max_tokens, .thinks = thinks, .channel_open = CHANNEL_OPEN, .channel_close = CHANNEL_CLOSE};
    if (tsr_guide_open(&guide, g, vocab, &o, &err) != TSR_OK)
        fail_msg("%s", err.text);
    return guide;
}

static const uint32_t *mask_of(tsr_guide *guide)
{
    tsr_error err = {0};
    const uint32_t *mask;
    if (tsr_guide_mask(guide, &mask, &err) != TSR_OK)
        fail_msg("%s", err.text);
    return mask;
}

static void push(tsr_guide *guide, int32_t id)
{
    tsr_error err = {0};
    if (tsr_guide_push(guide, id, &err) != TSR_OK)
        fail_msg("%s", err.text);
}

static void assert_is_text(const tsr_grammar *g, const tsr_ids *ids)
{
    tsr_text text = {0};
    bool ok;
    assert_int_equal(tsr_tokenizer_decode(tokenizer, ids->at, ids->n, false, &text, NULL), TSR_OK);
    assert_int_equal(tsr_grammar_matches(g, text.at ? text.at : "", text.len, &ok, NULL), TSR_OK);
    if (!ok)
        fail_msg("not a text of the grammar: %.*s", (int)text.len, text.at ? text.at : "");
    tsr_text_deinit(&text);
}

/* ---- masks ---- */

/* The place behind one token, byte by byte. */
static uint32_t place_behind(tsri_run *r, uint32_t from, int32_t id)
{
    uint32_t place = from;
    const size_t one = 1;
    uint32_t at = vocab->text_at[id], end = vocab->text_at[id + 1];
    tsri_run_keep(r, 1, &place, &one);
    for (uint32_t i = at; i < end && place != TSRI_DEAD; i++)
        place = tsri_run_step(r, &place, (uint8_t)vocab->texts[i]);
    tsri_run_keep(r, 1, NULL, NULL);
    return at < end ? place : TSRI_DEAD;
}

/* Tokens of the shortest end, by the lowest bytes, cut into the longest tokens. */
static size_t tokens_to_end(tsri_run *r, uint32_t from)
{
    uint8_t text[4096];
    uint32_t place = from, dist = tsri_run_place(r, from)->dist;
    const size_t one = 1;
    size_t n = 0;
    assert_true(dist <= sizeof text);
    tsri_run_keep(r, 1, &place, &one);
    for (uint32_t left = dist; left; left--)
        for (unsigned b = 0; b < 256; b++) {
            uint32_t next = tsri_run_step(r, &place, (uint8_t)b);
            if (tsri_run_place(r, next)->dist != left - 1)
                continue;
            text[dist - left] = (uint8_t)b;
            place = next;
            break;
        }
    tsri_run_keep(r, 1, NULL, NULL);
    for (size_t at = 0, len; at < dist; at += len, n++)
        assert_true(tsri_vocab_longest(vocab, text + at, dist - at, &len) >= 0);
    return n;
}

typedef struct needs { /* what was counted for a place already; -1: nothing */
    int32_t of_place[1 << 15];
} needs;

/* `left`: tokens that may still come, this one and the end among them. */
static bool should_come(tsri_run *r, needs *known, uint32_t from, int32_t id, size_t left)
{
    if (id == END)
        return tsri_run_place(r, from)->can_end;
    uint32_t place = place_behind(r, from, id);
    if (place == TSRI_DEAD)
        return false;
    assert_true(place < sizeof known->of_place / sizeof *known->of_place);
    if (known->of_place[place] < 0)
        known->of_place[place] = (int32_t)tokens_to_end(r, place);
    return (size_t)known->of_place[place] + 2 <= left;
}

static void compare_masks(const tsr_grammar *g, uint32_t seed, size_t max_tokens)
{
    enum { STEPS = 14 };
    static needs known;
    tsr_guide *guide = open_guide(g, max_tokens, false);
    tsri_run *r;
    const size_t one = 1;
    assert_int_equal(tsri_run_open(&r, g, UINT32_MAX / 2, NULL), TSR_OK);
    uint32_t place = tsri_run_start(r);
    tsri_run_keep(r, 0, &place, &one);
    memset(&known, 0xFF, sizeof known);
    for (size_t step = 0; step < STEPS && step < max_tokens; step++) {
        const uint32_t *mask = mask_of(guide);
        for (int32_t id = 0; id < N_VOCAB; id++) {
            bool want = should_come(r, &known, place, id, max_tokens - step);
            if (tsri_bit(mask, (size_t)id) != want)
                fail_msg("step %zu of %zu: token %d (%.*s) should be %d", step, max_tokens, (int)id,
                         (int)(vocab->text_at[id + 1] - vocab->text_at[id]), vocab->texts + vocab->text_at[id], want);
        }
        int32_t id = pick(mask, &seed);
        push(guide, id);
        if (id == END)
            break;
        for (uint32_t i = vocab->text_at[id]; i < vocab->text_at[id + 1]; i++)
            place = tsri_run_step(r, &place, (uint8_t)vocab->texts[i]);
        if (tsri_run_age(r) > 0) /* numbers of places have changed */
            break;
    }
    tsri_run_close(r);
    tsr_guide_close(guide);
}

/* The least limit that a grammar can be opened with. */
static size_t least_limit(const tsr_grammar *g)
{
    for (size_t n = 1;; n++) {
        tsr_guide *guide;
        tsr_guide_opts o = {.max_tokens = n};
        if (tsr_guide_open(&guide, g, vocab, &o, NULL) != TSR_OK)
            continue;
        tsr_guide_close(guide);
        return n;
    }
}

static void a_mask_holds_each_token_that_can_come_and_no_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ALL; i++) {
        tsr_grammar *g = compile(i);
        size_t least = least_limit(g);
        for (uint32_t seed = 1; seed <= 3; seed++)
            compare_masks(g, seed * 77, 4000);
        for (size_t more = 0; more < 8; more++) /* few tokens are left: what would leave no room for the end doesn't come */
            compare_masks(g, (uint32_t)more, least + more);
        tsr_grammar_close(g);
    }
}

static void control_tokens_never_come(void **state)
{
    tsr_grammar *g;
    const char *text = "root ::= .*";
    (void)state;
    assert_int_equal(tsr_grammar_from_gbnf(&g, text, strlen(text), "test", NULL), TSR_OK);
    tsr_guide *guide = open_guide(g, 100, false);
    const uint32_t *mask = mask_of(guide);
    for (size_t id = 0; id < 6; id++)
        assert_int_equal(tsri_bit(mask, id), id == END);
    tsr_guide_close(guide);
    tsr_grammar_close(g);
}

/* ---- ends ---- */

/* The tokens of an answer with this limit, the end among them; 0: the limit is too small for any. */
static size_t walk(const tsr_grammar *g, size_t max_tokens, uint32_t seed)
{
    tsr_guide *guide;
    tsr_error err = {0};
    tsr_guide_opts o = {.max_tokens = max_tokens};
    tsr_ids ids = {0};
    if (tsr_guide_open(&guide, g, vocab, &o, &err) != TSR_OK) {
        assert_error(&err, TSR_ERR_USAGE, "the shortest answer", NULL);
        return 0;
    }
    for (int32_t id = -1; id != END;) {
        assert_true(ids.n < max_tokens);
        id = pick(mask_of(guide), &seed);
        push(guide, id);
        assert_int_equal(tsr_ids_add(&ids, id, NULL), TSR_OK);
    }
    assert_is_text(g, &ids);
    size_t n = ids.n;
    tsr_ids_deinit(&ids);
    tsr_guide_close(guide);
    return n;
}

static void an_answer_ends_whatever_the_limit(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ALL; i++) {
        tsr_grammar *g = compile(i);
        size_t least = 1;
        while (walk(g, least, 1) == 0)
            least++;
        assert_true(least < 40);
        for (size_t max = least; max < least + 10; max++)
            assert_true(walk(g, max, (uint32_t)max * 3) > 0);
        walk(g, 60, 9);
        tsr_grammar_close(g);
    }
}

static void what_is_cut_is_told(void **state)
{
    float logits[N_VOCAB] = {0};
    tsr_grammar *g;
    const char *text = "root ::= [a-z]* \"!\"";
    (void)state;
    assert_int_equal(tsr_grammar_from_gbnf(&g, text, strlen(text), "test", NULL), TSR_OK);
    tsr_guide *guide = open_guide(g, 4, false);
    int32_t a = tsr_tokenizer_id_of(tokenizer, "a"), mark = tsr_tokenizer_id_of(tokenizer, "!");
    logits[a] = 1;
    for (int i = 0; i < 2; i++) {
        mask_of(guide);
        assert_false(tsr_guide_cuts(guide, logits));
        push(guide, a);
    }
    const uint32_t *mask = mask_of(guide);
    assert_true(tsr_guide_cuts(guide, logits));
    assert_true(tsri_bit(mask, (size_t)mark));
    logits[mark] = 2;
    assert_false(tsr_guide_cuts(guide, logits));
    push(guide, mark);
    mask = mask_of(guide);
    assert_true(tsri_bit(mask, END));
    tsr_guide_close(guide);
    tsr_grammar_close(g);
}

/* ---- thoughts ---- */

static void the_grammar_begins_behind_the_thought(void **state)
{
    const char *text = "root ::= \"yes\" | \"no\"";
    tsr_grammar *g;
    tsr_ids answer = {0};
    (void)state;
    assert_int_equal(tsr_grammar_from_gbnf(&g, text, strlen(text), "test", NULL), TSR_OK);
    tsr_guide *guide = open_guide(g, 40, true);
    const uint32_t *mask = mask_of(guide);
    int32_t x = tsr_tokenizer_id_of(tokenizer, "x"), y = tsr_tokenizer_id_of(tokenizer, "y");
    assert_true(tsri_bit(mask, CHANNEL_OPEN) && tsri_bit(mask, (size_t)y) && !tsri_bit(mask, (size_t)x));
    push(guide, CHANNEL_OPEN);
    size_t n = 1;
    for (;; n++) { /* it thinks as long as it may */
        mask = mask_of(guide);
        assert_true(tsri_bit(mask, CHANNEL_CLOSE) && !tsri_bit(mask, END) && !tsri_bit(mask, CHANNEL_OPEN));
        if (!tsri_bit(mask, (size_t)x))
            break;
        push(guide, x);
    }
    assert_true(n > 25);
    push(guide, CHANNEL_CLOSE);
    uint32_t seed = 5;
    for (int32_t id = -1; id != END;) {
        mask = mask_of(guide);
        assert_false(tsri_bit(mask, CHANNEL_OPEN));
        id = pick(mask, &seed);
        push(guide, id);
        assert_int_equal(tsr_ids_add(&answer, id, NULL), TSR_OK);
        assert_true(n + answer.n < 40);
    }
    assert_is_text(g, &answer);
    tsr_ids_deinit(&answer);
    tsr_guide_close(guide);
    tsr_grammar_close(g);
}

/* ---- memory ---- */

static void choosing_allocates_nothing(void **state)
{
    tsr_grammar *g = compile(1);
    tsr_guide *guide = open_guide(g, 200, false);
    tsr_sampler *s;
    float logits[N_VOCAB];
    uint32_t random = 3;
    int32_t id = -1;
    (void)state;
    assert_int_equal(tsr_sampler_open(&s, &(tsr_sampler_opts){.temperature = 1, .top_p = 1, .repetition_penalty = 1}, N_VOCAB,
                                      NULL), TSR_OK);
    size_t before = tsr_alloc_count();
    for (int i = 0; i < 60 && id != END; i++) {
        for (size_t k = 0; k < N_VOCAB; k++)
            logits[k] = (float)(next_random(&random) % 100) / 10;
        const uint32_t *mask = mask_of(guide);
        tsr_sampler_allow(s, mask);
        assert_int_equal(tsr_sampler_next(s, logits, &id, NULL), TSR_OK);
        assert_true(tsri_bit(mask, (size_t)id));
        push(guide, id);
    }
    assert_int_equal(tsr_alloc_count(), before);
    tsr_sampler_close(s);
    tsr_guide_close(guide);
    tsr_grammar_close(g);
}

static void each_failed_allocation_is_told(void **state)
{
    tsr_grammar *g = compile(1);
    const int32_t end = END;
    (void)state;
    for (size_t k = 1;; k++) {
        tsr_error err = {0};
        tsr_vocab *v = NULL;
        tsr_guide *guide = NULL;
        size_t live = tsr_alloc_live();
        tsr_alloc_fail_at(k);
        tsr_status st = tsr_vocab_open(&v, tokenizer, &(tsr_vocab_opts){.n_vocab = N_VOCAB, .ends = &end, .n_ends = 1}, &err);
        if (st == TSR_OK)
            st = tsr_guide_open(&guide, g, v, &(tsr_guide_opts){.max_tokens = 99}, &err);
        tsr_alloc_fail_at(0);
        tsr_guide_close(guide);
        tsr_vocab_close(v);
        assert_int_equal(tsr_alloc_live(), live);
        if (st == TSR_OK)
            break;
        assert_int_equal(st, TSR_ERR_NOMEM);
    }
    tsr_grammar_close(g);
}

static void a_vocabulary_without_ends_or_bytes_is_refused(void **state)
{
    tsr_error err = {0};
    tsr_vocab *v;
    tsr_guide *guide;
    tsr_grammar *g = compile(0);
    const int32_t end = END, byte = tsr_tokenizer_id_of(tokenizer, "<0xE2>");
    (void)state;
    tsr_vocab_open(&v, tokenizer, &(tsr_vocab_opts){.n_vocab = N_VOCAB}, &err);
    assert_error(&err, TSR_ERR_UNSUPPORTED, "no token that ends", NULL);
    tsr_error_clear(&err);
    assert_int_equal(tsr_vocab_open(&v, tokenizer, &(tsr_vocab_opts){.n_vocab = N_VOCAB, .ends = &end, .n_ends = 1, .never = &byte,
                                                                     .n_never = 1}, &err), TSR_OK);
    tsr_guide_open(&guide, g, v, &(tsr_guide_opts){.max_tokens = 99}, &err);
    assert_error(&err, TSR_ERR_UNSUPPORTED, "no token for the byte 0xE2", NULL);
    tsr_vocab_close(v);
    tsr_grammar_close(g);
}

static int open_all(void **state)
{
    const int32_t end = END;
    tsr_error err = {0};
    (void)state;
    tokenizer = big_vocab_open(N_VOCAB, &err);
    return tokenizer && tsr_vocab_open(&vocab, tokenizer, &(tsr_vocab_opts){.n_vocab = N_VOCAB, .ends = &end, .n_ends = 1},
                                       &err) == TSR_OK ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    tsr_vocab_close(vocab);
    tsr_tokenizer_close(tokenizer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mask_holds_each_token_that_can_come_and_no_other),
        cmocka_unit_test(control_tokens_never_come),
        cmocka_unit_test(an_answer_ends_whatever_the_limit),
        cmocka_unit_test(what_is_cut_is_told),
        cmocka_unit_test(the_grammar_begins_behind_the_thought),
        cmocka_unit_test(choosing_allocates_nothing),
        cmocka_unit_test(each_failed_allocation_is_told),
        cmocka_unit_test(a_vocabulary_without_ends_or_bytes_is_refused),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
