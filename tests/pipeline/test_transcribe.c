/* Transcripts from sound to document with a scripted ear in place of a model: it knows which word is said when, and
 * hears those that are whole in the samples it is given; a word that is cut it hears wrong. */
#include "test_main.h"

#include <math.h>
#include <stdio.h>

#include "transcribe.h"
#include "tsr_alloc.h"
#include "tsr_json.h"

enum { RATE = 16000, MOST_SECONDS = 200, MOST_WORDS = 800 };

static unsigned char wav[44 + 2 * MOST_SECONDS * RATE];
static int16_t *const sound = (int16_t *)(void *)(wav + 44);
static size_t n_samples;

typedef struct said {
    double from, to;
    char word[16];
} said;

static said words[MOST_WORDS];
static size_t n_words;

typedef struct ear {
    size_t n_asked;
    double longest;      /* seconds that were heard at once */
    double stuck_beyond; /* windows longer than this make it repeat itself; 0: never */
    double stuck_at;     /* and those that hold this moment, whatever their length, while colder than stuck_below */
    double stuck_below;
    size_t stop_at, fail_at, cut_at; /* the n-th question, from 1: stopped half way, an error, no end of the answer */
    bool translates, forgets;        /* the answer has a translation; but not the first time */
} ear;

typedef struct listener {
    char text[20000], notes[4000];
    size_t n_pieces, n_events;
    int say;        /* what the event function gives back */
    size_t say_at;  /* from this document piece on; 0: from the first event */
    tessera_span spans[400];
    size_t n_spans;
    char span_text[20000];
    size_t last_done;
    bool has_no_memory;
} listener;

/* ---- sound ---- */

static void put_le(unsigned char *p, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static void begin_sound(void)
{
    memset(wav, 0, sizeof wav);
    n_samples = n_words = 0;
}

static void end_sound(double seconds)
{
    n_samples = (size_t)(seconds * RATE);
    memcpy(wav, "RIFF....WAVEfmt \x10\0\0\0", 20);
    put_le(wav + 4, (uint32_t)(2 * n_samples + 36), 4);
    put_le(wav + 20, 1, 2);
    put_le(wav + 22, 1, 2);
    put_le(wav + 24, RATE, 4);
    put_le(wav + 28, 2 * RATE, 4);
    put_le(wav + 32, 2, 2);
    put_le(wav + 34, 16, 2);
    memcpy(wav + 36, "data", 4);
    put_le(wav + 40, (uint32_t)(2 * n_samples), 4);
}

/* A burst of noise, which is as broad as speech. */
static void say(double from, double to, const char *word)
{
    uint32_t seed = (uint32_t)n_words;
    assert_true(n_words < MOST_WORDS && to < MOST_SECONDS);
    for (size_t i = (size_t)(from * RATE); i < (size_t)(to * RATE); i++) {
        seed = seed * 1664525u + 1013904223u;
        sound[i] = (int16_t)((int32_t)(seed >> 16) - 32768) / 6;
    }
    words[n_words].from = from;
    words[n_words].to = to;
    snprintf(words[n_words++].word, sizeof words[0].word, "%s", word);
}

/* Words one after the other, a short gap between; gives where it ends. */
static double say_all(double from, size_t n, const char *stem)
{
    for (size_t i = 0; i < n; i++) {
        char word[16];
        snprintf(word, sizeof word, "%s%zu", stem, n_words);
        say(from, from + 0.3, word);
        from += 0.38;
    }
    return from - 0.08;
}

/* ---- the ear ---- */

static tsr_status add_text(tsr_text *t, const char *s, tsr_error *err)
{
    tsr_status st = t->len ? tsr_text_add(t, " ", 1, err) : TSR_OK;
    return st == TSR_OK ? tsr_text_add(t, s, strlen(s), err) : st;
}

static tsr_status hear_words(const tsri_hearing *what, const char *tail, tsr_text *out, tsr_error *err)
{
    double from = what->from_s, to = from + (double)what->n / RATE;
    tsr_status st = TSR_OK;
    for (size_t i = 0; i < n_words && st == TSR_OK; i++) {
        double a = fmax(from, words[i].from), b = fmin(to, words[i].to), part = (b - a) / (words[i].to - words[i].from);
        char word[32];
        snprintf(word, sizeof word, "%s%s", words[i].word, tail);
        if (part > 0.8)
            st = add_text(out, word, err);
        else if (part > 0.2)
            st = add_text(out, "hm", err);
    }
    return st;
}

static bool is_stuck(const ear *e, const tsri_hearing *what)
{
    double from = what->from_s, to = from + (double)what->n / RATE;
    if (e->stuck_beyond > 0 && to - from > e->stuck_beyond)
        return true;
    return e->stuck_at > 0 && from < e->stuck_at && to > e->stuck_at && what->temperature < e->stuck_below;
}

static tsr_status hear(void *hearer, const tsri_hearing *what, tessera_event_fn fn, void *user, tsri_heard *out,
                       tsr_error *err)
{
    ear *e = hearer;
    tessera_event ev = {.kind = TESSERA_EVENT_STAGE, .text = "answer", .len = 6, .done = 1, .total = 2};
    size_t at = (size_t)(what->from_s * RATE + 0.5);
    e->n_asked++;
    e->longest = fmax(e->longest, (double)what->n / RATE);
    for (size_t i = 0; i < what->n; i++) /* these very samples, and silence behind the end */
        if (what->samples[i] != (at + i < n_samples ? (float)sound[at + i] / 32768.0f : 0))
            fail_msg("sample %zu of the window at %.3f s is another", i, what->from_s);
    bool stop = fn(user, &ev) != 0;
    out->prompt_tokens = 10;
    out->audio_tokens = what->n / 640;
    out->completion_tokens = 5;
    if (e->fail_at && e->n_asked >= e->fail_at)
        return tsr_fail(err, TSR_ERR_MODEL, "the model is broken");
    if (is_stuck(e, what))
        return tsr_text_add(&out->text, "and so and so and so and so and so and so and so", 48, err);
    tsr_status st = hear_words(what, "", &out->text, err);
    if (st == TSR_OK && e->translates && !(e->forgets && what->attempt == 0)) {
        tsr_text other = {0};
        st = hear_words(what, "x", &other, err);
        if (st == TSR_OK)
            st = tsr_text_add(&out->text, "\nGerman: ", 9, err);
        if (st == TSR_OK && other.len)
            st = tsr_text_add(&out->text, other.at, other.len, err);
        tsr_text_deinit(&other);
    }
    out->is_cut = e->cut_at && e->n_asked == e->cut_at;
    out->is_stopped = stop || (e->stop_at && e->n_asked >= e->stop_at);
    return st;
}

/* ---- running ---- */

static int on_event(void *user, const tessera_event *ev)
{
    listener *l = user;
    l->n_events++;
    if (ev->kind == TESSERA_EVENT_TEXT) {
        size_t at = strlen(l->text);
        assert_true(at + ev->len < sizeof l->text);
        memcpy(l->text + at, ev->text, ev->len);
        l->n_pieces++;
    } else if (ev->kind == TESSERA_EVENT_NOTE) {
        size_t at = strlen(l->notes);
        snprintf(l->notes + at, sizeof l->notes - at, "%.*s\n", (int)ev->len, ev->text);
    } else {
        assert_memory_equal(ev->text, "sound", 5);
        assert_true(ev->done >= l->last_done);
        l->last_done = ev->done;
    }
    return l->n_pieces >= l->say_at ? l->say : TESSERA_GO_ON;
}

static void on_span(void *user, const tessera_span *s)
{
    listener *l = user;
    assert_true(l->n_spans < 400);
    double before = l->n_spans ? l->spans[l->n_spans - 1].to : 0;
    if (!l->has_no_memory && (fabs(s->from - before) > 1e-9 || s->to <= s->from))
        fail_msg("span %zu is from %.3f to %.3f, the one before ends at %.3f", l->n_spans, s->from, s->to, before);
    if (s->text && *s->text)
        snprintf(l->span_text + strlen(l->span_text), sizeof l->span_text - strlen(l->span_text), "%s%s",
                 l->span_text[0] ? " " : "", s->text);
    l->spans[l->n_spans++] = *s;
}

typedef struct outcome {
    tsr_status st;
    tsr_error err;
    tessera_transcript facts;
    char *text;
} outcome;

static outcome run(ear *e, listener *l, tessera_transcribe_opts o)
{
    const tessera_request rq = tessera_request_default();
    const tessera_sound s = {.path = "made.wav", .data = wav, .len = 44 + 2 * n_samples};
    outcome r = {.err = {TSR_OK, ""}};
    o.span = on_span;
    o.span_user = l;
    r.st = tsri_transcribe(&s, &rq, &o, hear, e, on_event, l, &r.facts, &r.text, &r.err);
    if (r.text)
        assert_string_equal(r.text, l->text);
    return r;
}

static void expect_ok(const outcome *r)
{
    if (r->st != TSR_OK)
        fail_msg("%d: %s", (int)r->st, r->err.text);
    double sum = r->facts.speech + r->facts.silence + r->facts.failed;
    if (!r->facts.cancelled && fabs(sum - r->facts.seconds) > 1e-6)
        fail_msg("%.3f s of %.3f are accounted for", sum, r->facts.seconds);
}

/* Every word once and in order, and the spans reach the end. */
static void expect_all_words(const listener *l)
{
    char want[20000] = "";
    for (size_t i = 0; i < n_words; i++)
        snprintf(want + strlen(want), sizeof want - strlen(want), "%s%s", i ? " " : "", words[i].word);
    assert_string_equal(l->span_text, want);
    assert_true(fabs(l->spans[l->n_spans - 1].to - (double)n_samples / RATE) < 1e-6);
}

static tsr_json *parse(const char *text)
{
    tsr_json *v;
    tsr_error e = {TSR_OK, ""};
    if (tsr_json_parse(&v, text, strlen(text), "output", &e) != TSR_OK)
        fail_msg("%s: %s", text, e.text);
    return v;
}

/* ---- the promises ---- */

static void stretches_are_lines_and_silence_is_told(void **state)
{
    static listener l;
    ear e = {0};
    (void)state;
    begin_sound();
    say_all(1, 5, "a");
    say_all(6, 3, "b");
    end_sound(10.01);
    l = (listener){0};
    outcome r = run(&e, &l, (tessera_transcribe_opts){0});
    expect_ok(&r);
    assert_string_equal(r.text, "a0 a1 a2 a3 a4\nb5 b6 b7\n");
    assert_int_equal(l.n_pieces, 2);
    assert_int_equal(e.n_asked, 2);
    assert_int_equal(l.n_spans, 5);
    assert_int_equal(l.spans[0].kind, TESSERA_SPAN_SILENCE);
    assert_int_equal(l.spans[1].kind, TESSERA_SPAN_SPEECH);
    assert_true(fabs(l.spans[1].from - 0.8) < 0.1 && fabs(l.spans[1].to - 3.1) < 0.2);
    expect_all_words(&l);
    tessera_free(r.text);
}

static void silence_asks_nobody(void **state)
{
    static listener l;
    ear e = {0};
    (void)state;
    begin_sound();
    end_sound(40);
    outcome r = run(&e, &l, (tessera_transcribe_opts){0});
    expect_ok(&r);
    assert_string_equal(r.text, "");
    assert_int_equal(e.n_asked, 0);
    assert_true(fabs(r.facts.silence - 40) < 1e-6);
    tessera_free(r.text);
    l = (listener){0};
    r = run(&e, &l, (tessera_transcribe_opts){.all_sound = 1}); /* unless it shall */
    expect_ok(&r);
    assert_true(e.n_asked >= 2);
    assert_true(fabs(r.facts.speech - 40) < 1e-6);
    tessera_free(r.text);
}

static void talk_without_pauses_is_joined_without_loss(void **state)
{
    static listener l;
    (void)state;
    begin_sound();
    double end = say_all(0.5, 260, "w");
    end_sound(end + 1);
    static const double windows[] = {30, 12, 5};
    for (size_t i = 0; i < 3; i++) {
        ear e = {0};
        l = (listener){0};
        outcome r = run(&e, &l, (tessera_transcribe_opts){.window = windows[i], .overlap = windows[i] / 5});
        expect_ok(&r);
        assert_true(e.n_asked > 3 && e.longest <= windows[i] + 1e-9);
        expect_all_words(&l);
        assert_true(l.n_pieces > 3); /* words go out before the next window is heard */
        l.text[strlen(l.text) - 1] = '\0';
        assert_string_equal(l.text, l.span_text); /* one line */
        tessera_free(r.text);
    }
}

static void any_talk_is_written_down_whole(void **state)
{
    static listener l;
    uint32_t seed = 9;
    (void)state;
    for (size_t round = 0; round < 3; round++) {
        double at = 0;
        begin_sound();
        while (at < 50) {
            seed = seed * 1664525u + 1013904223u;
            at = say_all(at + (double)(seed >> 24) / 80, 1 + (seed >> 16) % (round ? 60 : 20), "t");
        }
        end_sound(at + 0.7);
        ear e = {0};
        l = (listener){0};
        outcome r = run(&e, &l, (tessera_transcribe_opts){.window = 6 + 5 * (double)round, .overlap = 2});
        expect_ok(&r);
        expect_all_words(&l);
        tessera_free(r.text);
    }
}

static void a_stuck_model_is_asked_again_about_halves(void **state)
{
    static listener l;
    ear e = {.stuck_beyond = 8};
    (void)state;
    begin_sound();
    double end = say_all(0.5, 70, "h");
    end_sound(end + 1);
    l = (listener){0};
    outcome r = run(&e, &l, (tessera_transcribe_opts){0});
    expect_ok(&r);
    expect_all_words(&l);
    assert_int_equal(r.facts.n_failed, 0);
    assert_int_equal(r.facts.windows, 1);
    assert_int_equal(r.facts.tries, e.n_asked);
    assert_true(e.n_asked >= 7 && e.n_asked <= 15); /* the whole, two halves, four quarters, perhaps eighths */
    tessera_free(r.text);
}

static void a_short_window_is_asked_again_warmer(void **state)
{
    static listener l;
    ear e = {.stuck_at = 2, .stuck_below = 0.5};
    (void)state;
    begin_sound();
    double end = say_all(1, 8, "c");
    end_sound(end + 1);
    l = (listener){0};
    outcome r = run(&e, &l, (tessera_transcribe_opts){0});
    expect_ok(&r);
    expect_all_words(&l);
    assert_int_equal(e.n_asked, 3);
    tessera_free(r.text);
}

static void what_cannot_be_trusted_is_set_aside_and_told(void **state)
{
    static listener l;
    ear e = {.stuck_at = 10, .stuck_below = 99};
    (void)state;
    begin_sound();
    say_all(0.5, 40, "f");
    double end = say_all(20, 10, "g");
    end_sound(end + 1);
    l = (listener){0};
    outcome r = run(&e, &l, (tessera_transcribe_opts){.form = TESSERA_TRANSCRIPT_JSON});
    expect_ok(&r);
    assert_true(r.facts.n_failed == 1 || r.facts.n_failed == 2); /* two, where both hear that moment */
    assert_true(r.facts.failed > 2 && r.facts.failed < 8); /* the rest of that window was saved */
    assert_non_null(strstr(l.notes, "made.wav: "));
    assert_non_null(strstr(l.notes, "again and again"));
    assert_non_null(strstr(l.span_text, "f0 f1 f2"));
    assert_non_null(strstr(l.span_text, "g49"));
    tsr_json *v = parse(r.text);
    const tsr_json *spans = tsr_json_get(v, "spans");
    size_t n_failed = 0;
    for (size_t i = 0; i < tsr_json_len(spans); i++) {
        const tsr_json *s = tsr_json_at(spans, i);
        if (strcmp(tsr_json_string(tsr_json_get(s, "kind"), NULL), "failed") != 0)
            continue;
        n_failed++;
        assert_non_null(strstr(tsr_json_string(tsr_json_get(s, "heard"), NULL), "and so and so"));
        assert_non_null(tsr_json_string(tsr_json_get(s, "reason"), NULL));
        assert_null(tsr_json_get(s, "text"));
    }
    assert_int_equal(n_failed, r.facts.n_failed);
    tsr_json_free(v);
    tessera_free(r.text);
}

static void an_answer_without_an_end_is_asked_for_again(void **state)
{
    static listener l;
    ear e = {.cut_at = 1};
    (void)state;
    begin_sound();
    double end = say_all(1, 6, "e");
    end_sound(end + 1);
    l = (listener){0};
    outcome r = run(&e, &l, (tessera_transcribe_opts){0});
    expect_ok(&r);
    expect_all_words(&l);
    assert_int_equal(e.n_asked, 2);
    tessera_free(r.text);
}

static void translations_are_shown_and_joined(void **state)
{
    static listener l;
    (void)state;
    begin_sound();
    double end = say_all(0.5, 100, "s");
    end_sound(end + 1);
    for (size_t i = 0; i < 2; i++) {
        ear e = {.translates = true, .forgets = i == 1};
        l = (listener){0};
        outcome r = run(&e, &l, (tessera_transcribe_opts){.translate = "German", .window = i ? 5 : 30});
        expect_ok(&r);
        expect_all_words(&l); /* of what was said */
        char want[20000] = "";
        for (size_t k = 0; k < n_words; k++)
            snprintf(want + strlen(want), sizeof want - strlen(want), "%s%sx", k ? " " : "", words[k].word);
        snprintf(want + strlen(want), sizeof want - strlen(want), "\n");
        assert_string_equal(r.text, want);
        tessera_free(r.text);
    }
    ear e = {0}; /* never translates */
    l = (listener){0};
    outcome r = run(&e, &l, (tessera_transcribe_opts){.translate = "German"});
    expect_ok(&r);
    assert_true(r.facts.n_failed > 0);
    assert_non_null(strstr(l.notes, "no translation"));
    tessera_free(r.text);
}

/* ---- forms ---- */

static void every_form_has_its_document(void **state)
{
    static listener l;
    static const struct {
        tessera_transcript_form form;
        const char *head;
    } forms[] = {{TESSERA_TRANSCRIPT_TXT, "d0 d1"},
                 {TESSERA_TRANSCRIPT_SRT, "1\n00:00:01,0"},
                 {TESSERA_TRANSCRIPT_VTT, "WEBVTT\n\n00:00:01.0"},
                 {TESSERA_TRANSCRIPT_TSV, "start\tend\ttext\n10"},
                 {TESSERA_TRANSCRIPT_JSON, "{\"file\":\"made.wav\",\"duration\":"}};
    (void)state;
    begin_sound();
    double end = say_all(1, 40, "d");
    end_sound(end + 1);
    for (size_t i = 0; i < 5; i++) {
        ear e = {0};
        l = (listener){0};
        outcome r = run(&e, &l, (tessera_transcribe_opts){.form = forms[i].form});
        expect_ok(&r);
        if (strncmp(r.text, forms[i].head, strlen(forms[i].head)) != 0)
            fail_msg("form %zu begins '%.60s'", i, r.text);
        assert_int_equal(r.text[strlen(r.text) - 1], '\n');
        tessera_free(r.text);
    }
}

static void json_accounts_for_every_moment(void **state)
{
    static listener l;
    ear e = {0};
    (void)state;
    begin_sound();
    say_all(1, 60, "j");
    double end = say_all(40, 20, "k");
    end_sound(end + 2);
    outcome r = run(&e, &l, (tessera_transcribe_opts){.form = TESSERA_TRANSCRIPT_JSON, .window = 10});
    expect_ok(&r);
    tsr_json *v = parse(r.text);
    const tsr_json *spans = tsr_json_get(v, "spans"), *cues = tsr_json_get(v, "cues");
    double at = 0, from, to, duration;
    for (size_t i = 0; i < tsr_json_len(spans); i++) {
        const tsr_json *s = tsr_json_at(spans, i);
        assert_true(tsr_json_to_double(tsr_json_get(s, "from"), &from));
        assert_true(tsr_json_to_double(tsr_json_get(s, "to"), &to));
        assert_true(from == at && to > from);
        at = to;
    }
    assert_true(tsr_json_to_double(tsr_json_get(v, "duration"), &duration) && fabs(duration - at) < 0.001);
    size_t n_guesses = 0;
    at = 0;
    for (size_t i = 0; i < tsr_json_len(cues); i++) {
        const tsr_json *c = tsr_json_at(cues, i);
        bool guess = false;
        assert_true(tsr_json_to_double(tsr_json_get(c, "from"), &from));
        assert_true(tsr_json_to_double(tsr_json_get(c, "to"), &to));
        assert_true(from >= at && to > from && to <= duration + 0.01);
        assert_true(tsr_json_to_bool(tsr_json_get(c, "from_interpolated"), &guess));
        n_guesses += guess;
        at = to;
    }
    assert_true(n_guesses > 0 && n_guesses < tsr_json_len(cues));
    assert_non_null(strstr(r.text, "\"seam\":\"aligned\""));
    assert_string_equal(tsr_json_string(tsr_json_get(v, "text"), NULL), l.span_text);
    tsr_json_free(v);
    tessera_free(r.text);
}

/* ---- ends ---- */

static void stopping_soon_writes_down_what_was_read(void **state)
{
    static listener l;
    ear e = {0};
    (void)state;
    begin_sound();
    for (size_t i = 0; i < 20; i++)
        say_all(1 + 5 * (double)i, 4, "q");
    end_sound(110);
    l = (listener){.say = TESSERA_STOP_SOON, .say_at = 3};
    outcome r = run(&e, &l, (tessera_transcribe_opts){.form = TESSERA_TRANSCRIPT_JSON});
    tessera_free(r.text);
    e = (ear){0};
    l = (listener){.say = TESSERA_STOP_SOON, .say_at = 3};
    r = run(&e, &l, (tessera_transcribe_opts){0});
    expect_ok(&r);
    assert_true(r.facts.cancelled);
    assert_int_equal(l.n_pieces, 3);
    assert_true(r.facts.seconds < 20);
    assert_int_equal(l.spans[l.n_spans - 1].kind, TESSERA_SPAN_FAILED); /* what was not read */
    assert_string_equal(l.spans[l.n_spans - 1].reason, "not read");
    assert_true(fabs(l.spans[l.n_spans - 1].to - 110) < 0.01);
    tessera_free(r.text);
}

static void stopping_at_once_keeps_what_is_done(void **state)
{
    static listener l;
    ear e = {.stop_at = 3};
    (void)state;
    begin_sound();
    for (size_t i = 0; i < 10; i++)
        say_all(1 + 5 * (double)i, 4, "r");
    end_sound(60);
    l = (listener){.say = TESSERA_STOP, .say_at = 2};
    outcome r = run(&e, &l, (tessera_transcribe_opts){0});
    expect_ok(&r);
    assert_true(r.facts.cancelled);
    assert_string_equal(r.text, "r0 r1 r2 r3\nr4 r5 r6 r7\n");
    tessera_free(r.text);
    l = (listener){.say = TESSERA_STOP}; /* before anything */
    r = run(&e, &l, (tessera_transcribe_opts){0});
    expect_ok(&r);
    assert_string_equal(r.text, "");
    tessera_free(r.text);
}

static void a_model_that_fails_leaves_what_was_done(void **state)
{
    static listener l;
    ear e = {.fail_at = 3};
    (void)state;
    begin_sound();
    for (size_t i = 0; i < 10; i++)
        say_all(1 + 5 * (double)i, 4, "m");
    end_sound(60);
    l = (listener){0};
    outcome r = run(&e, &l, (tessera_transcribe_opts){.form = TESSERA_TRANSCRIPT_JSON});
    assert_error(&r.err, TSR_ERR_MODEL, "the model is broken", NULL);
    tsr_json *v = parse(r.text);
    assert_string_equal(tsr_json_string(tsr_json_get(v, "text"), NULL), "m0 m1 m2 m3 m4 m5 m6 m7");
    assert_non_null(strstr(tsr_json_string(tsr_json_get(v, "error"), NULL), "broken"));
    assert_int_equal(l.spans[l.n_spans - 1].kind, TESSERA_SPAN_FAILED);
    assert_true(fabs(l.spans[l.n_spans - 1].to - 60) < 0.01);
    tsr_json_free(v);
    tessera_free(r.text);
}

/* ---- sound that comes in ---- */

typedef struct pipe_script {
    const unsigned char *at;
    size_t left;
    ptrdiff_t at_end;
    listener *l;
    size_t told_before_end; /* document pieces while bytes were still to come */
} pipe_script;

static ptrdiff_t read_pipe(void *user, void *buf, size_t n)
{
    pipe_script *p = user;
    if (p->left == 0)
        return p->at_end;
    n = n < 3000 ? n : 3000;
    n = p->left < n ? p->left : n;
    memcpy(buf, p->at, n);
    p->at += n;
    p->left -= n;
    p->told_before_end = p->l->n_pieces;
    return (ptrdiff_t)n;
}

static outcome run_pipe(ear *e, listener *l, pipe_script *p, unsigned rate)
{
    const tessera_request rq = tessera_request_default();
    const tessera_sound s = {.path = "pipe", .read = read_pipe, .read_user = p, .rate = rate};
    const tessera_transcribe_opts o = {.span = on_span, .span_user = l};
    outcome r = {.err = {TSR_OK, ""}};
    p->l = l;
    r.st = tsri_transcribe(&s, &rq, &o, hear, e, on_event, l, &r.facts, &r.text, &r.err);
    return r;
}

static void words_come_while_sound_comes(void **state)
{
    static listener l;
    (void)state;
    begin_sound();
    for (size_t i = 0; i < 6; i++)
        say_all(1 + 5 * (double)i, 5, "p");
    end_sound(32);
    for (size_t i = 0; i < 2; i++) {
        pipe_script p = {.at = i ? wav + 44 : wav, .left = 2 * n_samples + (i ? 0 : 44)};
        ear e = {0};
        l = (listener){0};
        outcome r = run_pipe(&e, &l, &p, i ? RATE : 0);
        expect_ok(&r);
        expect_all_words(&l);
        assert_int_equal(p.told_before_end, 6); /* each as soon as a second of silence has followed */
        tessera_free(r.text);
    }
}

static void damage_comes_after_what_was_whole(void **state)
{
    static listener l;
    (void)state;
    begin_sound();
    say_all(1, 5, "n");
    end_sound(32);
    static const ptrdiff_t ends[] = {0, TESSERA_READ_FAILED, TESSERA_READ_STOPPED};
    for (size_t i = 0; i < 3; i++) {
        pipe_script p = {.at = wav, .left = 44 + 2 * RATE * 10, .at_end = ends[i]};
        ear e = {0};
        l = (listener){0};
        outcome r = run_pipe(&e, &l, &p, 0);
        assert_int_equal(r.st, i == 0 ? TSR_ERR_DATA : i == 1 ? TSR_ERR_IO : TSR_OK);
        assert_string_equal(r.text, "n0 n1 n2 n3 n4\n");
        assert_true(fabs(r.facts.seconds - 10) < 1e-6);
        tessera_free(r.text);
    }
}

/* ---- options and memory ---- */

static void bad_options_are_refused(void **state)
{
    static listener l;
    ear e = {0};
    (void)state;
    static const tessera_transcribe_opts bad[] = {
        {.window = 31}, {.window = 0.5}, {.overlap = -1}, {.pause = 100}, {.form = 9}};
    begin_sound();
    end_sound(1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        outcome r = run(&e, &l, bad[i]);
        assert_int_equal(r.st, TSR_ERR_USAGE);
        assert_null(r.text);
    }
    const tessera_request rq = tessera_request_default();
    const tessera_sound s = {.path = "/no/such.wav"};
    tsr_error err = {TSR_OK, ""};
    assert_int_equal(tsri_transcribe(&s, &rq, &bad[4], hear, &e, NULL, NULL, NULL, NULL, NULL), TSR_ERR_USAGE);
    const tessera_transcribe_opts none = {0};
    assert_int_equal(tsri_transcribe(&s, &rq, &none, hear, &e, NULL, NULL, NULL, NULL, &err), TSR_ERR_NOINPUT);
    assert_non_null(strstr(err.text, "/no/such.wav"));
}

static void a_part_of_the_sound_can_be_chosen(void **state)
{
    static listener l;
    ear e = {0};
    (void)state;
    begin_sound();
    say_all(1, 4, "u");
    say_all(11, 4, "v");
    say_all(21, 4, "z");
    end_sound(30);
    tessera_request rq = tessera_request_default();
    const tessera_sound s = {.path = "made.wav", .data = wav, .len = 44 + 2 * n_samples};
    const tessera_transcribe_opts o = {.form = TESSERA_TRANSCRIPT_SRT};
    tessera_transcript facts;
    char *text;
    rq.start = 9;
    rq.end = 19;
    assert_int_equal(tsri_transcribe(&s, &rq, &o, hear, &e, on_event, &l, &facts, &text, NULL), TSR_OK);
    assert_memory_equal(text, "1\n00:00:11,0", 12);
    assert_non_null(strstr(text, "v4 v5 v6 v7"));
    assert_null(strstr(text, "z"));
    assert_true(fabs(facts.seconds - 10) < 0.001);
    tessera_free(text);
}

static void transcripts_survive_every_failed_allocation(void **state)
{
    static listener l;
    (void)state;
    begin_sound();
    double end = say_all(0.1, 24, "y");
    end_sound(end + 0.1);
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k += k > 60 ? 7 : 1) {
        ear e = {.translates = true};
        l = (listener){.has_no_memory = true};
        tsr_alloc_fail_at(k);
        const tessera_transcribe_opts o = {.form = TESSERA_TRANSCRIPT_JSON, .translate = "German", .window = 5};
        outcome r = run(&e, &l, o);
        tsr_alloc_fail_at(0);
        tessera_free(r.text);
        assert_int_equal(tsr_alloc_live(), live);
        if (r.st == TSR_OK)
            break;
        assert_int_equal(r.st, TSR_ERR_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stretches_are_lines_and_silence_is_told),
        cmocka_unit_test(silence_asks_nobody),
        cmocka_unit_test(talk_without_pauses_is_joined_without_loss),
        cmocka_unit_test(any_talk_is_written_down_whole),
        cmocka_unit_test(a_stuck_model_is_asked_again_about_halves),
        cmocka_unit_test(a_short_window_is_asked_again_warmer),
        cmocka_unit_test(what_cannot_be_trusted_is_set_aside_and_told),
        cmocka_unit_test(an_answer_without_an_end_is_asked_for_again),
        cmocka_unit_test(translations_are_shown_and_joined),
        cmocka_unit_test(every_form_has_its_document),
        cmocka_unit_test(json_accounts_for_every_moment),
        cmocka_unit_test(stopping_soon_writes_down_what_was_read),
        cmocka_unit_test(stopping_at_once_keeps_what_is_done),
        cmocka_unit_test(a_model_that_fails_leaves_what_was_done),
        cmocka_unit_test(words_come_while_sound_comes),
        cmocka_unit_test(damage_comes_after_what_was_whole),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(a_part_of_the_sound_can_be_chosen),
        cmocka_unit_test(transcripts_survive_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
