/* A manifest from lines to answers, with answers from a script in place of a model's: both forms, lines that are wrong,
 * files of answers that are torn, foreign or taken, and shards. */
#include "test_main.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "batch.h"
#include "batch_line.h"
#include "feed.h"
#include "id_set.h"
#include "result_internal.h"
#include "test_tmp.h"
#include "tiny_model.h"
#include "tsr_alloc.h"
#include "tsr_json.h"

static char *root;

typedef struct script {
    size_t n_asked, stop_after; /* requests after which the work is stopped; 0: never */
    size_t n_done;              /* as the events told */
    char last[4096];            /* the last request: its parts and some options */
    char notes[8192];
    const char *const *env; /* NAME, VALUE, ..., NULL */
    tsr_status fails;       /* of every request; TSR_OK: none */
} script;

static script *asked; /* the request's own user is the batch */

static int on_event(void *user, const tessera_event *ev)
{
    script *s = user;
    size_t at = strlen(s->notes);
    if (ev->kind == TESSERA_EVENT_NOTE)
        snprintf(s->notes + at, sizeof s->notes - at, "%.*s\n", (int)ev->len, ev->text);
    else
        s->n_done = ev->done;
    return s->stop_after && s->n_asked > s->stop_after;
}

static void describe(script *s, const tessera_request *rq)
{
    static const char *const kinds[] = {"text", "system", "file", "image", "audio", "video", "pdf"};
    size_t at = 0;
    s->last[0] = '\0';
    for (size_t i = 0; i < rq->n_parts && at < sizeof s->last; i++) {
        const tessera_part *p = &rq->parts[i];
        const char *slash = p->path ? strrchr(p->path, '/') : NULL;
        at += (size_t)snprintf(s->last + at, sizeof s->last - at, "%s:%s%.*s|", kinds[p->kind],
                               p->text   ? p->text
                               : p->data ? "="
                                         : slash + 1,
                               p->data ? (int)p->len : 0, p->data ? (const char *)p->data : "");
    }
    at += (size_t)snprintf(s->last + at, sizeof s->last - at, "n=%zu t=%g", rq->max_tokens, rq->temperature);
    if (rq->n_stop)
        at += (size_t)snprintf(s->last + at, sizeof s->last - at, " stop=%s", rq->stop[rq->n_stop - 1]);
    if (rq->schema)
        at += (size_t)snprintf(s->last + at, sizeof s->last - at, " schema=%s", rq->schema);
    if (rq->messages)
        snprintf(s->last + at, sizeof s->last - at, " earlier=%s", rq->messages);
}

static tsr_status ask(tessera_model *m, const tessera_request *rq, const tsr_image *given, tessera_event_fn fn,
                      void *user, tessera_result **out, tsr_error *err)
{
    script *s = asked;
    (void)m, (void)given;
    s->n_asked++;
    describe(s, rq);
    if (s->fails)
        return tsr_fail(err, s->fails, "the script says no");
    if (fn(user, &(tessera_event){.kind = TESSERA_EVENT_STAGE, .text = "answer", .len = 6}))
        return tsr_fail(err, TSR_ERR_CANCELLED, "stopped");
    tsr_status st = scripted_result(out, "yes", NULL, err);
    if (st == TSR_OK)
        (*out)->greedy = true;
    return st;
}

static const char *variable(void *user, const char *name)
{
    const char *const *env = user;
    for (size_t i = 0; env && env[i]; i += 2)
        if (strcmp(env[i], name) == 0)
            return env[i + 1];
    return NULL;
}

typedef struct outcome {
    tsr_status st;
    tsr_error err;
    tessera_batch_facts facts;
} outcome;

static outcome work(script *s, const char *manifest, const char *out, const tessera_batch_opts *o)
{
    char a[512], b[512];
    outcome r = {.err = {TSR_OK, ""}};
    tessera_request settings = tessera_request_default();
    tessera_part system = {.kind = TESSERA_PART_SYSTEM, .text = "Be brief."};
    settings.parts = &system;
    settings.n_parts = 1;
    asked = s;
    snprintf(a, sizeof a, "%s", test_path(root, manifest));
    snprintf(b, sizeof b, "%s", test_path(root, out));
    r.st =
        tsri_batch(NULL, a, b, &settings, o, ask, variable, (void *)(uintptr_t)s->env, on_event, s, &r.facts, &r.err);
    return r;
}

static void write_text(const char *name, const char *text)
{
    test_write_file(test_path(root, name), text, strlen(text));
}

static char *read_text(const char *name)
{
    size_t len;
    return (char *)test_read_file(test_path(root, name), &len);
}

static void expect_file(const char *name, const char *text)
{
    char *got = read_text(name);
    assert_string_equal(got, text);
    free(got);
}

/* One line through a batch of its own; its answer is the caller's. */
static char *one(script *s, const char *line)
{
    write_text("one.jsonl", line);
    outcome r = work(s, "one.jsonl", "one.out", &(tessera_batch_opts){.restart = 1});
    if (r.st != TSR_OK)
        fail_msg("%s: %s", line, r.err.text);
    return read_text("one.out");
}

static void expect_request(const char *line, const char *wanted)
{
    script s = {0};
    char *got = one(&s, line);
    if (strstr(got, "\"error\":{") || strcmp(s.last, wanted) != 0)
        fail_msg("%s: wanted %s, got %s: %s", line, wanted, s.last, got);
    free(got);
}

#define OPENAI(body) "{\"custom_id\":\"c\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":" body "}"

static void both_forms_become_requests(void **state)
{
    (void)state;
    write_text("x.bin", "RIFF");
    expect_request("{\"id\":1,\"prompt\":\"Why?\"}", "system:Be brief.|text:Why?|n=0 t=-1");
    expect_request(
        "{\"id\":1,\"text\":\"Why?\",\"system\":\"S\",\"max_tokens\":7,\"temperature\":0.5,\"stop\":[\"a\",\"b\"]}",
        "system:S|text:Why?|n=7 t=0.5 stop=b");
    expect_request("{\"id\":1,\"audio\":\"b.wav\",\"image\":[\"a.png\",\"/c/d.png\"],\"prompt\":\"P\",\"top_k\":null}",
                   "system:Be brief.|image:a.png|image:d.png|text:P|audio:b.wav|n=0 t=-1");
    expect_request(
        "{\"id\":1,\"image\":\"data:image/png;base64,aGVsbG8=\",\"prompt\":\"P\",\"schema\":{\"type\":\"object\"}}",
        "system:Be brief.|image:=hello|text:P|n=0 t=-1 schema={\"type\":\"object\"}");
    expect_request("{\"id\":1,\"pdf\":\"file:///a/b%20c.pdf\",\"prompt\":\"P\"}",
                   "system:Be brief.|pdf:b c.pdf|text:P|n=0 t=-1");
    expect_request(
        OPENAI("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_completion_tokens\":3,"
               "\"n\":1,\"stream\":false,\"seed\":5}"),
        "system:Be brief.|text:Hi|n=3 t=-1");
    expect_request(OPENAI("{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":["
                          "{\"type\":\"text\",\"text\":\"T\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"a.png\","
                          "\"detail\":\"auto\"}},"
                          "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"aGk=\",\"format\":\"wav\"}}]}]}"),
                   "text:T|image:a.png|audio:=hi|n=0 t=-1 earlier=[{\"role\":\"system\",\"content\":\"S\"}]");
    expect_request(
        OPENAI("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"response_format\":{\"type\":\"json_schema\","
               "\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"null\"}}}}"),
        "system:Be brief.|text:a|n=0 t=-1 schema={\"type\":\"null\"}");
}

static void both_forms_are_answered_in_kind(void **state)
{
    script s = {0};
    (void)state;
    char *got = one(&s, "{\"id\":\"x\",\"prompt\":\"P\"}\n");
    assert_string_equal(
        got, "{\"id\":\"x\",\"text\":\"yes\",\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":0,\"cached_tokens\":0,"
             "\"image_tokens\":0,\"audio_tokens\":0,\"video_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0},"
             "\"media\":[]}\n");
    free(got);
    got = one(&s, OPENAI("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}"));
    assert_non_null(strstr(got, "\"custom_id\":\"c\",\"response\":{\"status_code\":200,\"request_id\":\"req_"));
    assert_non_null(strstr(got, "\"object\":\"chat.completion\",\"created\":"));
    assert_non_null(strstr(
        got, "\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"yes\""));
    assert_non_null(strstr(got, "}}},\"error\":null}\n"));
    free(got);
}

static void what_is_wrong_with_a_line_is_told_in_its_answer(void **state)
{
    static const char *const cases[][2] = {
        {"{\"id\":1", "is no JSON: column 7"},
        {"[1]", "is no JSON object"},
        {"{\"id\":1,\"prompt\":\"a\",\"prompt\":\"b\"}", "duplicate object key"},
        {"{\"id\":1,\"prompt\":\"\xff\"}", "unable to decode byte 0xff"},
        {"{\"prompt\":\"a\"}", "\\\"id\\\" is missing"},
        {"{\"id\":\"\",\"prompt\":\"a\"}", "1 to 1024 bytes"},
        {"{\"id\":\"a\\u0000b\",\"prompt\":\"a\"}", "no NUL"},
        {"{\"id\":1.5,\"prompt\":\"a\"}", "must be a string or an integer"},
        {"{\"id\":1}", "\\\"prompt\\\" is missing"},
        {"{\"id\":1,\"prompt\":\"a\",\"text\":\"b\"}", "give one of them"},
        {"{\"id\":1,\"prompt\":[]}", "\\\"prompt\\\" must be a string"},
        {"{\"id\":1,\"prompt\":\"a\\u0000\"}", "holds a NUL character"},
        {"{\"id\":1,\"prompt\":\"a\",\"max_token\":1}", "the key \\\"max_token\\\" is not known"},
        {"{\"id\":1,\"prompt\":\"a\",\"max_tokens\":0}", "\\\"max_tokens\\\" must be an integer from 1"},
        {"{\"id\":1,\"prompt\":\"a\",\"max_tokens\":1.5}", "must be an integer"},
        {"{\"id\":1,\"prompt\":\"a\",\"frames\":\"all\"}", "\\\"frames\\\" must be an integer from 1"},
        {"{\"id\":1,\"prompt\":\"a\",\"temperature\":\"hot\"}", "must be a number from 0 to 100"},
        {"{\"id\":1,\"prompt\":\"a\",\"think\":1}", "must be true or false"},
        {"{\"id\":1,\"prompt\":\"a\",\"stop\":[\"\"]}", "holds an empty string"},
        {"{\"id\":1,\"prompt\":\"a\",\"seed\":-1}", "\\\"seed\\\" must be"},
        {"{\"id\":1,\"prompt\":\"a\",\"schema\":3}", "must be a JSON Schema"},
        {"{\"id\":1,\"prompt\":\"a\",\"schema\":{},\"grammar\":\"root ::= \\\"a\\\"\"}", "exclude each other"},
        {"{\"id\":1,\"prompt\":\"a\",\"image\":7}", "\\\"image\\\" must be a string"},
        {"{\"id\":1,\"prompt\":\"a\",\"image\":\"\"}", "an empty file name"},
        {"{\"id\":1,\"prompt\":\"a\",\"image\":\"https://h/x.png?secret\"}", "https://h/x.png: URLs are not fetched"},
        {"{\"id\":1,\"prompt\":\"a\",\"image\":\"S3://b/x\"}", "URLs are not fetched"},
        {"{\"id\":1,\"prompt\":\"a\",\"image\":\"file://host/x\"}", "is not file:///PATH"},
        {"{\"id\":1,\"prompt\":\"a\",\"image\":\"file:///x%00\"}", "two digits that are not 00"},
        {"{\"id\":1,\"prompt\":\"a\",\"image\":\"data:image/png;base64,abc\"}", "are no base64"},
        {"{\"id\":1,\"prompt\":\"a\",\"image\":\"data:image/png;base64,ab=c\"}", "character 2 is not of base64"},
        {"{\"id\":1,\"prompt\":\"a\",\"image\":\"data:image/png,abc\"}", "that is not ;base64"},
        {"{\"id\":1,\"prompt\":\"a\",\"files\":[\"gone.bin\"]}", "gone.bin: cannot be opened"},
        {"{\"custom_id\":1,\"method\":\"POST\"}", "\\\"custom_id\\\" must be a string"},
        {"{\"custom_id\":\"c\",\"method\":\"GET\",\"url\":\"/v1/chat/completions\",\"body\":{}}",
         "must be \\\"POST\\\""},
        {"{\"custom_id\":\"c\",\"method\":\"POST\",\"url\":\"/v1/embeddings\",\"body\":{}}",
         "only \\\"/v1/chat/completions\\\""},
        {"{\"custom_id\":\"c\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":[]}",
         "\\\"body\\\" must be an object"},
        {"{\"custom_id\":\"c\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{},\"x\":1}",
         "the key \\\"x\\\""},
        {OPENAI("{}"), "\\\"messages\\\" must be a list"},
        {OPENAI("{\"messages\":[{\"role\":\"king\"}]}"), "message 0: \\\"role\\\" must be"},
        {OPENAI("{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"}]}"), "the last message must be"},
        {OPENAI("{\"messages\":[{\"role\":\"user\",\"content\":[]}]}"), "is empty"},
        {OPENAI("{\"messages\":[{\"role\":\"user\",\"content\":\"a\",\"x\":1}]}"), "message 0: the key \\\"x\\\""},
        {OPENAI("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":\"a.png\"}]}]}"),
         "must be an object with"},
        {OPENAI("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"smell\"}]}]}"), "the type \\\"smell\\\""},
        {OPENAI("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"http:/"
                "/x\"}}]},"
                "{\"role\":\"user\",\"content\":\"a\"}]}"),
         "message 0: http://x: URLs are not fetched"},
        {OPENAI("{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"a."
                "png\"}}]},"
                "{\"role\":\"user\",\"content\":\"a\"}]}"),
         "message 0: a part of the type \\\"image_url\\\" can stand in a user's message alone"},
        {OPENAI("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"n\":2}"), "\\\"n\\\" can only be 1"},
        {OPENAI("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"stream\":true}"), "can only be false"},
        {OPENAI("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"logit_bias\":{}}"),
         "\\\"logit_bias\\\" of \\\"body\\\""},
        {OPENAI("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"response_format\":{\"type\":\"xml\"}}"),
         "\\\"xml\\\""},
        {OPENAI("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],\"max_tokens\":1,\"max_completion_tokens\":1}"),
         "the same"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        script s = {0};
        char *got = one(&s, cases[i][0]);
        if (!strstr(got, cases[i][1]) || !strstr(got, "\"error\":{\"code\":\"") || s.n_asked || strchr(got, '\n')[1])
            fail_msg("%s: wanted '%s', got %s", cases[i][0], cases[i][1], got);
        free(got);
    }
}

static void bad_lines_do_not_stop_the_others(void **state)
{
    script s = {0};
    (void)state;
    /* a NUL byte, a byte order mark, a carriage return, blank lines, a line that is too long, no last newline */
    static const char text[] =
        "\xef\xbb\xbf{\"id\":\"a\",\"prompt\":\"1\"}\r\n\n{\"id\":\"b\"\0}\n \t\n{\"id\":\"c\",\"prompt\":\"0123456789"
        "0123456789012345678901234567890\"}\n{\"id\":\"d\",\"prompt\":\"2\"}";
    test_write_file(test_path(root, "m"), text, sizeof text - 1);
    outcome r = work(&s, "m", "bad.out", &(tessera_batch_opts){.max_line_bytes = 40});
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.facts.lines, 4);
    assert_int_equal(r.facts.done, 4);
    assert_int_equal(r.facts.failed, 2);
    assert_int_equal(s.n_asked, 2);
    char *got = read_text("bad.out");
    assert_non_null(strstr(got, "{\"id\":null,\"line\":3,\"error\":{\"code\":\"bad_data\""));
    assert_non_null(strstr(got, "{\"id\":null,\"line\":5,\"error\":{\"code\":\"limit_reached\",\"message\":\"longer "
                                "than the limit of 40 bytes\"}}"));
    free(got);
    s = (script){0}; /* all is known again */
    r = work(&s, "m", "bad.out", &(tessera_batch_opts){.max_line_bytes = 40});
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.facts.before, 4);
    assert_int_equal(r.facts.failed, 2);
    assert_int_equal(r.facts.done, 0);
}

static const char five[] =
    "{\"id\":\"a\",\"prompt\":\"p\"}\n{\"id\":\"b\",\"prompt\":\"p\"}\n{\"id\":3,\"prompt\":\"p\"}\n"
    "{\"id\":\"3\",\"prompt\":\"p\"}\n{\"id\":\"e\"}\n";

/* Whatever the file was cut to, the end is the same and nothing is asked twice. Each try waits for the disk, so that of
 * the long line in the middle every 16th byte has to do. */
static void work_goes_on_after_a_tear_at_any_byte(void **state)
{
    script s = {0};
    (void)state;
    write_text("three", "{\"id\":\"a\"}\n{\"id\":\"b\",\"prompt\":\"p\"}\n{\"id\"\n");
    outcome r = work(&s, "three", "whole.out", NULL);
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.facts.failed, 2);
    char *whole = read_text("whole.out");
    size_t len = strlen(whole);
    size_t first = (size_t)(strchr(whole, '\n') - whole), last = (size_t)(strstr(whole, "{\"id\":null") - whole);
    for (size_t cut = 0; cut <= len; cut += cut > first + 1 && cut + 17 < last ? 16 : 1) {
        size_t n_whole = 0;
        for (size_t i = 0; i < cut; i++)
            n_whole += whole[i] == '\n';
        s = (script){0};
        test_write_file(test_path(root, "torn.out"), whole, cut);
        r = work(&s, "three", "torn.out", NULL);
        if (r.st != TSR_OK || r.facts.before != n_whole || r.facts.done != 3 - n_whole || r.facts.failed != 2)
            fail_msg("cut at %zu: %zu before, %zu done, %zu failed: %s", cut, r.facts.before, r.facts.done,
                     r.facts.failed, r.err.text);
        assert_int_equal(s.n_done, 3);
        expect_file("torn.out", whole);
    }
    free(whole);
}

/* What a power cut leaves where blocks were not written. */
static void lost_blocks_are_cut_off(void **state)
{
    script s = {0};
    (void)state;
    write_text("five", five);
    work(&s, "five", "full.out", NULL);
    char *whole = read_text("full.out");
    size_t len = strlen(whole), second = (size_t)(strchr(whole, '\n') - whole) + 1;
    char *torn = must_realloc(NULL, len);
    memcpy(torn, whole, len);
    memset(torn + second + 10, 0, 20);
    test_write_file(test_path(root, "lost.out"), torn, len);
    s = (script){0};
    outcome r = work(&s, "five", "lost.out", NULL);
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.facts.before, 1);
    assert_non_null(strstr(s.notes, "not whole are cut off"));
    expect_file("lost.out", whole);
    free(torn);
    free(whole);
}

static void foreign_files_are_refused_and_stay(void **state)
{
    static const char *const cases[][2] = {
        {"Dear diary,\n", "line 1 is no answer of a batch"},
        {"a note without an end", "line 1 is no answer of a batch"},
        {"{\"id\":\"z\",\"text\":\"\"}\n", "answers \"z\", which is not in this manifest"},
        {"{\"id\":\"a\",\"text\":\"\"}\n{\"id\":\"a\",\"text\":\"\"}\n",
         "line 2 answers \"a\", which was answered before"},
        {"{\"id\":null,\"line\":2,\"error\":{}}\n", "is not in this manifest"}, /* line 2 has an id now */
        {"{\"id\":null}\n", "is no answer of a batch"},
        {"{\"id\": \"a\"}\n\n", "line 2 is no answer"},
    };
    (void)state;
    write_text("five", five);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        script s = {0};
        write_text("foreign.out", cases[i][0]);
        outcome r = work(&s, "five", "foreign.out", NULL);
        assert_true(r.st == TSR_ERR_USAGE || r.st == TSR_ERR_DATA);
        assert_error(&r.err, r.st, cases[i][1], "--restart");
        expect_file("foreign.out", cases[i][0]);
        assert_int_equal(s.n_asked, 0);
        r = work(&s, "five", "foreign.out", &(tessera_batch_opts){.restart = 1});
        assert_int_equal(r.st, TSR_OK);
        assert_int_equal(r.facts.done, 5);
    }
    script s = {0};
    outcome r = work(&s, "five", "five", NULL);
    assert_error(&r.err, TSR_ERR_USAGE, "is the manifest itself", NULL);
    r = work(&s, "five", "no/such/folder", NULL);
    assert_int_equal(r.st, TSR_ERR_NOINPUT);
    r = work(&s, "gone", "gone.out", NULL);
    assert_error(&r.err, TSR_ERR_NOINPUT, "gone", NULL);
}

static void an_id_that_is_there_twice_is_refused_by_its_line(void **state)
{
    script s = {0};
    (void)state;
    write_text("twice", "{\"id\":\"a\",\"prompt\":\"p\"}\n\n{\"custom_id\":\"a\",\"body\":{}}\n");
    outcome r = work(&s, "twice", "twice.out", NULL);
    assert_error(&r.err, TSR_ERR_DATA, "line 3 has the id of line 1", "\"a\"");
    assert_int_equal(s.n_asked, 0);
    assert_int_not_equal(access(test_path(root, "twice.out"), F_OK), 0);
}

static void a_second_writer_is_refused(void **state)
{
    script s = {0};
    int ready[2], end[2];
    char byte = 0;
    (void)state;
    write_text("five", five);
    write_text("taken.out", "");
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(end), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) { /* holds the lock until it is told, then dies without giving it back */
        int fd = open(test_path(root, "taken.out"), O_RDWR);
        if (fd < 0 || flock(fd, LOCK_EX) != 0 || write(ready[1], &byte, 1) != 1 || read(end[0], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    outcome r = work(&s, "five", "taken.out", NULL);
    assert_error(&r.err, TSR_ERR_BUSY, "another process is writing to it", "taken.out");
    r = work(&s, "five", "taken.out", &(tessera_batch_opts){.restart = 1});
    assert_int_equal(r.st, TSR_ERR_BUSY);
    assert_int_equal(write(end[1], &byte, 1), 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    r = work(&s, "five", "taken.out", NULL);
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.facts.done, 5);
    for (size_t i = 0; i < 2; i++) {
        close(ready[i]);
        close(end[i]);
    }
}

static void work_that_is_stopped_goes_on_at_the_same_line(void **state)
{
    script s = {.stop_after = 2};
    (void)state;
    write_text("five", five);
    outcome r = work(&s, "five", "stopped.out", NULL);
    assert_int_equal(r.st, TSR_OK);
    assert_true(r.facts.cancelled);
    assert_int_equal(r.facts.done, 2);
    s = (script){0};
    r = work(&s, "five", "stopped.out", NULL);
    assert_int_equal(r.facts.before, 2);
    assert_int_equal(r.facts.done, 3);
    s = (script){.fails = TSR_ERR_BUSY};
    r = work(&s, "five", "stopped.out", &(tessera_batch_opts){.restart = 1});
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.facts.failed, 5);
    assert_non_null(strstr(s.notes, "line 1: the script says no"));
}

static void shards_are_a_partition(void **state)
{
    char manifest[4096] = "", shard[32];
    size_t at = 0, total = 0;
    (void)state;
    for (size_t i = 0; i < 23; i++)
        at += (size_t)snprintf(manifest + at, sizeof manifest - at, "%s{\"id\":\"i%zu\",\"prompt\":\"p\"}\n",
                               i % 5 ? "" : "\n", i);
    write_text("many", manifest);
    bool seen[23] = {false};
    for (size_t i = 0; i < 12; i++) {
        script s = {0};
        char name[64];
        snprintf(shard, sizeof shard, "%zu/12", i);
        snprintf(name, sizeof name, "part-%02zu-of-12.out", i);
        outcome r = work(&s, "many", "part-{shard}.out", &(tessera_batch_opts){.shard = shard});
        assert_int_equal(r.st, TSR_OK);
        total += r.facts.done;
        char *got = read_text(name);
        for (size_t k = 0; k < 23; k++) {
            char id[32];
            snprintf(id, sizeof id, "{\"id\":\"i%zu\",", k);
            if (strstr(got, id)) {
                assert_false(seen[k]);
                seen[k] = true;
            }
        }
        free(got);
    }
    assert_int_equal(total, 23);
    script s = {0};
    outcome r =
        work(&s, "many", "part-01-of-12.out", &(tessera_batch_opts){.shard = "2/12"}); /* one file for two shards */
    assert_error(&r.err, TSR_ERR_USAGE, "is no line of shard 2/12", NULL);
}

typedef const char *env[16];

static void the_shard_is_found_or_its_lack_is_told(void **state)
{
    static const struct {
        const char *text, *wanted; /* "I/N", or a part of the error */
        env env;
    } cases[] = {
        {"3/8", "3/8", {NULL}},
        {"8/8", "counted from 0", {NULL}},
        {"0/0", "counted from 0", {NULL}},
        {"a/8", "must be I/N", {NULL}},
        {"-1/8", "must be I/N", {NULL}},
        {"automatic", "must be I/N", {NULL}},
        {"auto", "none of SLURM_ARRAY_TASK_ID", {NULL}},
        {"auto", "2/4", {"SLURM_ARRAY_TASK_ID", "3", "SLURM_ARRAY_TASK_COUNT", "4", "SLURM_ARRAY_TASK_MIN", "1"}},
        {"auto",
         "2/4",
         {"SLURM_ARRAY_TASK_ID", "20", "SLURM_ARRAY_TASK_COUNT", "4", "SLURM_ARRAY_TASK_MIN", "0",
          "SLURM_ARRAY_TASK_STEP", "10"}},
        {"auto",
         "without gaps",
         {"SLURM_ARRAY_TASK_ID", "7", "SLURM_ARRAY_TASK_COUNT", "3", "SLURM_ARRAY_TASK_MIN", "1"}},
        {"auto/8", "5/8", {"SLURM_ARRAY_TASK_ID", "5", "SLURM_ARRAY_TASK_COUNT", "1", "SLURM_ARRAY_TASK_MIN", "5"}},
        {"auto",
         "5/6",
         {"SLURM_ARRAY_TASK_ID", "2", "SLURM_ARRAY_TASK_COUNT", "3", "SLURM_ARRAY_TASK_MIN", "0", "SLURM_PROCID", "1",
          "SLURM_NTASKS", "2"}},
        {"auto", "1/4", {"SLURM_PROCID", "1", "SLURM_NTASKS", "4"}},
        {"auto",
         "1/4",
         {"OMPI_COMM_WORLD_RANK", "1", "OMPI_COMM_WORLD_SIZE", "4", "SLURM_PROCID", "0", "SLURM_NTASKS", "1"}},
        {"auto", "1/4", {"PMI_RANK", "1", "PMI_SIZE", "4", "SLURM_PROCID", "1", "SLURM_NTASKS", "4"}},
        {"auto",
         "say --shard I/N",
         {"OMPI_COMM_WORLD_RANK", "1", "OMPI_COMM_WORLD_SIZE", "4", "SLURM_PROCID", "0", "SLURM_NTASKS", "4"}},
        {"auto", "JOB_COMPLETIONS is not", {"JOB_COMPLETION_INDEX", "2"}},
        {"auto", "2/5", {"JOB_COMPLETION_INDEX", "2", "JOB_COMPLETIONS", "5"}},
        {"auto/5", "2/5", {"JOB_COMPLETION_INDEX", "2"}},
        {"auto/6", "JOB_COMPLETIONS is 5", {"JOB_COMPLETION_INDEX", "2", "JOB_COMPLETIONS", "5"}},
        {"auto", "0/3", {"AWS_BATCH_JOB_ARRAY_INDEX", "0", "AWS_BATCH_JOB_ARRAY_SIZE", "3"}},
        {"auto", "which is no number", {"AWS_BATCH_JOB_ARRAY_INDEX", "x", "AWS_BATCH_JOB_ARRAY_SIZE", "3"}},
        {"auto", "0/1", {"SLURM_PROCID", "0", "SLURM_NTASKS", "1"}},
        {"auto/4", "says 0/1", {"SLURM_PROCID", "0", "SLURM_NTASKS", "1"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsr_error err = {TSR_OK, ""};
        tsri_shard shard;
        char got[32] = "";
        if (tsri_shard_find(&shard, cases[i].text, variable, (void *)(uintptr_t)cases[i].env, &err) == TSR_OK)
            snprintf(got, sizeof got, "%zu/%zu", shard.index, shard.count);
        if (got[0] ? strcmp(got, cases[i].wanted) != 0 : !strstr(err.text, cases[i].wanted))
            fail_msg("case %zu, %s: wanted %s, got %s%s", i, cases[i].text, cases[i].wanted, got, err.text);
    }
    write_text("five", five);
    const env slurm = {"SLURM_PROCID", "0", "SLURM_NTASKS", "2"};
    script s = {.env = slurm};
    outcome r = work(&s, "five", "auto-%s.out", &(tessera_batch_opts){.shard = "auto"});
    assert_int_equal(r.st, TSR_OK);
    assert_int_equal(r.facts.lines, 3);
    assert_non_null(strstr(s.notes, "shard 0/2, by SLURM_PROCID, SLURM_NTASKS; answers go to "));
    assert_non_null(strstr(s.notes, "SLURM_STEP_ID is not set"));
    assert_int_equal(access(test_path(root, "auto-0-of-2.out"), F_OK), 0);
}

/* The published vectors of SipHash-2-4 with 128 bits: key 00 01 .. 0f, nothing and one zero byte. */
static void ids_are_hashed_as_siphash_says(void **state)
{
    static const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    uint64_t h[2];
    (void)state;
    tsri_siphash(h, key, "", 0);
    assert_int_equal(h[0], 0xe6a825ba047f81a3u);
    assert_int_equal(h[1], 0x930255c71472f66du);
    tsri_siphash(h, key, "\0", 1);
    assert_int_equal(h[0], 0x44af996bd8c187dau);
    assert_int_equal(h[1], 0x45fc229b11597634u);
}

static void the_set_knows_the_line_of_each_id(void **state)
{
    tsri_id_set set = tsri_id_set_begin();
    tsr_error err = {TSR_OK, ""};
    size_t other;
    (void)state;
    for (size_t i = 1; i <= 5000; i++) {
        assert_int_equal(tsri_id_set_add(&set, &i, sizeof i, i, &other, &err), TSR_OK);
        assert_int_equal(other, 0);
    }
    for (size_t i = 1; i <= 5000; i++)
        assert_int_equal(tsri_id_set_find(&set, &i, sizeof i), i);
    size_t i = 5001;
    assert_int_equal(tsri_id_set_find(&set, &i, sizeof i), 0);
    i = 77;
    assert_int_equal(tsri_id_set_add(&set, &i, sizeof i, 9999, &other, &err), TSR_OK);
    assert_int_equal(other, 77);
    tsri_id_set_deinit(&set);
}

/* Memory for lines is that of the longest that is allowed. */
static void lines_longer_than_the_limit_are_not_kept(void **state)
{
    enum { LONG = 3 << 20 };
    char *text = must_realloc(NULL, LONG + 8);
    tsr_error err = {TSR_OK, ""};
    tsri_feed_line line;
    bool got;
    (void)state;
    memset(text, 'x', LONG);
    memcpy(text + LONG, "\nshort\n", 7);
    test_write_file(test_path(root, "long"), text, LONG + 7);
    int fd = open(test_path(root, "long"), O_RDONLY);
    tsri_feed feed = tsri_feed_begin(fd, "long", 1000);
    size_t before = tsr_alloc_live_bytes();
    assert_int_equal(tsri_feed_next(&feed, &line, &got, &err), TSR_OK);
    assert_true(got && line.too_long && line.number == 1 && line.len == 0);
    assert_int_equal(tsri_feed_next(&feed, &line, &got, &err), TSR_OK);
    assert_true(got && !line.too_long && line.number == 2 && line.len == 5 && line.offset == LONG + 1 && line.has_end);
    assert_true(tsr_alloc_live_bytes() - before < 512 << 10);
    assert_int_equal(tsri_feed_next(&feed, &line, &got, &err), TSR_OK);
    assert_false(got);
    tsri_feed_deinit(&feed);
    close(fd);
    free(text);
}

/* Whatever a line has become, it is a request or is refused with a reason; and nothing stays allocated. */
static void try_line(const char *text, size_t len)
{
    tsr_error why = {TSR_OK, ""}, err = {TSR_OK, ""};
    tessera_request settings = tessera_request_default();
    size_t live = tsr_alloc_live();
    tsri_batch_line l;
    assert_int_equal(tsri_batch_line_open(&l, 1, text, len, &why, &err), TSR_OK);
    assert_true(l.key.len > 1);
    if (why.status == TSR_OK)
        assert_int_equal(tsri_batch_line_read(&l, &settings, root, &why, &err), TSR_OK);
    assert_true(why.status == TSR_OK ? l.rq.n_parts > 0 || l.rq.messages : why.text[0] != '\0');
    tsri_batch_line_deinit(&l);
    assert_int_equal(tsr_alloc_live(), live);
}

static void lines_cut_or_changed_anywhere_are_requests_or_refused(void **state)
{
    static const char *const lines[] = {
        "{\"id\":1,\"files\":[\"a.png\"],\"prompt\":\"p\",\"stop\":[\"x\"],\"schema\":{},\"seed\":1}",
        "{\"id\":\"a\",\"image\":[\"data:;base64,aGk=\",\"file:///a%20\"],\"text\":\"p\",\"think\":true}",
        OPENAI(
            "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":[{\"type\":\"file\","
            "\"file\":{\"file_data\":\"data:;base64,aGk=\",\"filename\":\"f\"}},{\"type\":\"text\",\"text\":\"t\"}]}],"
            "\"response_format\":{\"type\":\"json_object\"},\"tools\":[{}]}"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        size_t len = strlen(lines[i]);
        for (size_t at = 0; at < len; at++) {
            char *exact = must_realloc(NULL, len); /* a byte beyond its end would be noticed */
            memcpy(exact, lines[i], len);
            for (unsigned bit = 0; bit < 8; bit++) {
                exact[at] = (char)(lines[i][at] ^ 1 << bit);
                try_line(exact, len);
            }
            exact[at] = lines[i][at];
            exact = must_realloc(exact, at + 1);
            try_line(exact, at + 1);
            free(exact);
        }
    }
}

/* A failure is told, nothing stays allocated, and what was written is whole, so that work goes on. */
static void memory_may_run_short_anywhere(void **state)
{
    (void)state;
    write_text(
        "short",
        "{\"id\":\"a\",\"image\":\"data:;base64,aGk=\",\"prompt\":\"p\",\"stop\":[\"x\"],\"schema\":{}}\n" OPENAI(
            "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":[{\"type\":\"input_"
            "audio\","
            "\"input_audio\":{\"data\":\"aGk=\",\"format\":\"wav\"}}]}]}") "\n{\"id\":\n");
    size_t live = tsr_alloc_live();
    for (size_t k = 1;; k++) {
        script s = {0};
        unlink(test_path(root, "short.out"));
        tsr_alloc_fail_at(k);
        outcome r = work(&s, "short", "short.out", NULL);
        tsr_alloc_fail_at(0);
        assert_int_equal(tsr_alloc_live(), live);
        if (r.st == TSR_OK) {
            assert_int_equal(r.facts.done, 3);
            assert_true(k > 50);
            break;
        }
        assert_int_equal(r.st, TSR_ERR_NOMEM);
        assert_true(r.err.text[0]);
        s = (script){0};
        r = work(&s, "short", "short.out", NULL);
        assert_int_equal(r.st, TSR_OK);
        assert_int_equal(r.facts.before + r.facts.done, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_become_requests),
        cmocka_unit_test(both_forms_are_answered_in_kind),
        cmocka_unit_test(what_is_wrong_with_a_line_is_told_in_its_answer),
        cmocka_unit_test(bad_lines_do_not_stop_the_others),
        cmocka_unit_test(work_goes_on_after_a_tear_at_any_byte),
        cmocka_unit_test(lost_blocks_are_cut_off),
        cmocka_unit_test(foreign_files_are_refused_and_stay),
        cmocka_unit_test(an_id_that_is_there_twice_is_refused_by_its_line),
        cmocka_unit_test(a_second_writer_is_refused),
        cmocka_unit_test(work_that_is_stopped_goes_on_at_the_same_line),
        cmocka_unit_test(shards_are_a_partition),
        cmocka_unit_test(the_shard_is_found_or_its_lack_is_told),
        cmocka_unit_test(ids_are_hashed_as_siphash_says),
        cmocka_unit_test(the_set_knows_the_line_of_each_id),
        cmocka_unit_test(lines_longer_than_the_limit_are_not_kept),
        cmocka_unit_test(lines_cut_or_changed_anywhere_are_requests_or_refused),
        cmocka_unit_test(memory_may_run_short_anywhere),
    };
    root = test_tmp_make();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_tmp_remove(root);
    return failed;
}
