/* audio_live.c: samples out of bytes that are still coming in: bare 16-bit samples, or a WAV, whose header is read here
 * so that nothing waits for an end. What is no WAV of plain samples is collected and then read as a file.
 *
 * Writers into a pipe don't know the length beforehand: a size of 0 or of about 2 or 4 GiB means "until the end". */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "audio_internal.h"
#include "tsr_alloc.h"

enum {
    PIECE = 1 << 15,
    MAX_HEAD = 1 << 20,       /* bytes before a WAV's samples */
    OPEN_SIZE = 0x7f000000,   /* sizes from here on are no promise */
    FORMAT_INT = 1, FORMAT_FLOAT = 3, FORMAT_EXTENSIBLE = 0xfffe
};

typedef struct bytes {
    unsigned char *at;
    size_t len, cap;
} bytes;

typedef struct live {
    tsr_audio_reader reader;
    tsr_audio_opts opts;
    tsri_resampler *resampler;
    unsigned format, bits, channels, rate;
    uint64_t left;     /* bytes of samples to come; UINT64_MAX: until the end */
    bytes head;        /* what was read before the samples; at the start it is handed to a file's reader if need be */
    bool stopped;      /* the reader said that no more are wanted */
    bool at_end;
    unsigned char buf[PIECE];
    size_t n_buf;      /* a part of a frame that is not whole yet */
    float mono[PIECE];
    uint64_t n_frames, max_frames;
    tsr_source *source; /* of what was collected */
    tsri_sound_maker file;
} live;

/* ---- bytes ---- */

/* As many as come, up to n; 0 at the end. */
static tsr_status take_some(live *s, void *buf, size_t n, size_t *got, tsr_error *err)
{
    ptrdiff_t r = s->at_end ? 0 : s->reader.read(s->reader.user, buf, n);
    *got = 0;
    if (r == TSR_READ_FAILED)
        return tsr_fail(err, TSR_ERR_IO, "%s: cannot be read", s->reader.name);
    if (r < 0 || (size_t)r > n) {
        s->stopped = r == TSR_READ_STOPPED;
        if (!s->stopped)
            return tsr_fail(err, TSR_ERR_BUG, "%s: its reader gave %td of %zu bytes", s->reader.name, r, n);
        r = 0;
    }
    s->at_end = r == 0;
    *got = (size_t)r;
    return TSR_OK;
}

static tsr_status add_bytes(live *s, const void *p, size_t n, tsr_error *err)
{
    bytes *b = &s->head;
    size_t need;
    if (!tsr_add_size(&need, b->len, n) || need > SIZE_MAX / 2)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", s->reader.name);
    if (need > b->cap) {
        size_t cap = need > 2 * b->cap ? need : 2 * b->cap;
        unsigned char *grown = tsr_realloc(b->at, cap);
        if (!grown)
            return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s needs %zu bytes", s->reader.name, cap);
        b->at = grown;
        b->cap = cap;
    }
    if (n > 0)
        memcpy(b->at + b->len, p, n);
    b->len = need;
    return TSR_OK;
}

/* n more bytes at the end of the head; *whole is false where the end comes first. */
static tsr_status extend_head(live *s, size_t n, bool *whole, tsr_error *err)
{
    unsigned char piece[4096];
    tsr_status st = TSR_OK;
    while (n > 0 && st == TSR_OK && !s->at_end) {
        size_t got;
        st = take_some(s, piece, n < sizeof piece ? n : sizeof piece, &got, err);
        if (st == TSR_OK)
            st = add_bytes(s, piece, got, err);
        n -= got;
    }
    *whole = n == 0;
    return st;
}

static uint32_t le(const void *at, size_t n)
{
    const unsigned char *p = at;
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint32_t)p[i] << (8 * i);
    return v;
}

/* ---- the header of a WAV ---- */

typedef enum verdict { IS_PLAIN, IS_OTHER } verdict;

/* The fmt chunk's bytes: plain samples that are read here, or not. */
static verdict read_format(live *s, const unsigned char *p, size_t n)
{
    if (n < 16)
        return IS_OTHER;
    s->format = le(p, 2);
    s->channels = le(p + 2, 2);
    s->rate = le(p + 4, 4);
    s->bits = le(p + 14, 2);
    if (s->format == FORMAT_EXTENSIBLE && n >= 40)
        s->format = le(p + 24, 2);
    bool is_int = s->format == FORMAT_INT && (s->bits == 8 || s->bits == 16 || s->bits == 24 || s->bits == 32);
    bool is_float = s->format == FORMAT_FLOAT && (s->bits == 32 || s->bits == 64);
    bool is_sane = s->channels > 0 && s->channels <= TSRI_MAX_CHANNELS && s->rate > 0 && s->rate <= TSRI_MAX_RATE &&
                   le(p + 12, 2) == s->channels * s->bits / 8;
    return (is_int || is_float) && is_sane ? IS_PLAIN : IS_OTHER;
}

/* Read up to the first sample. IS_OTHER: the file's reader shall have it, from s->head on. */
static tsr_status read_head(live *s, verdict *v, tsr_error *err)
{
    bool whole, has_format = false;
    *v = IS_OTHER;
    tsr_status st = extend_head(s, 12, &whole, err);
    if (st != TSR_OK || !whole || (memcmp(s->head.at, "RIFF", 4) != 0 && memcmp(s->head.at, "RF64", 4) != 0) ||
        memcmp(s->head.at + 8, "WAVE", 4) != 0)
        return st;
    while (s->head.len < MAX_HEAD) {
        size_t at = s->head.len;
        st = extend_head(s, 8, &whole, err);
        if (st != TSR_OK || !whole)
            return st;
        uint32_t size = le(s->head.at + at + 4, 4);
        if (memcmp(s->head.at + at, "data", 4) == 0) {
            s->left = size == 0 || size >= OPEN_SIZE ? UINT64_MAX : size;
            *v = has_format ? IS_PLAIN : IS_OTHER;
            return TSR_OK;
        }
        bool is_format = memcmp(s->head.at + at, "fmt ", 4) == 0;
        if (size > MAX_HEAD)
            return TSR_OK;
        st = extend_head(s, (size_t)size + size % 2, &whole, err);
        if (st != TSR_OK || !whole || (is_format && read_format(s, s->head.at + at + 8, size) == IS_OTHER))
            return st;
        has_format = has_format || is_format;
    }
    return TSR_OK;
}

/* ---- samples ---- */

static double sample_at(const live *s, const unsigned char *p)
{
    float f;
    double d;
    switch (s->bits) {
    case 8: return ((double)*p - 128.0) / 128.0;
    case 16: return (double)(int16_t)le(p, 2) / 32768.0;
    case 24: return (double)(int32_t)(le(p, 3) << 8) / 2147483648.0;
    case 64: memcpy(&d, p, sizeof d); return d;
    default: break;
    }
    if (s->format != FORMAT_FLOAT)
        return (double)(int32_t)le(p, 4) / 2147483648.0;
    memcpy(&f, p, sizeof f);
    return (double)f;
}

/* The mean of the channels of n whole frames. */
static tsr_status mix(live *s, size_t n, tsr_error *err)
{
    const unsigned char *p = s->buf;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (unsigned c = 0; c < s->channels; c++, p += s->bits / 8)
            sum += sample_at(s, p);
        s->mono[i] = (float)(sum / (double)s->channels);
        if (!isfinite(s->mono[i]))
            return tsr_fail(err, TSR_ERR_DATA, "%s: sample %llu is not a finite number", s->reader.name,
                            (unsigned long long)(s->n_frames + i));
    }
    return TSR_OK;
}

static tsr_status use_buf(live *s, tsri_samples *out, tsr_error *err)
{
    size_t frame = s->channels * s->bits / 8, n = s->n_buf / frame;
    tsr_status st = mix(s, n, err);
    if (st == TSR_OK && s->n_frames + n > s->max_frames)
        st = tsri_audio_too_long(s->reader.name, s->opts.max_seconds, false, s->opts.max_seconds, err);
    if (st == TSR_OK)
        st = tsri_resampler_push(s->resampler, s->mono, n, out, err);
    s->n_frames += n;
    s->n_buf -= n * frame;
    memmove(s->buf, s->buf + n * frame, s->n_buf);
    return st;
}

static tsr_status end_of_samples(live *s, tsri_samples *out, tsr_error *err)
{
    bool is_short = s->left != 0 && s->left != UINT64_MAX && !s->stopped;
    tsr_status st = tsri_resampler_finish(s->resampler, out, err);
    if (st == TSR_OK && is_short)
        st = tsr_fail(err, TSR_ERR_DATA, "%s: is cut short: %llu bytes of its samples are missing", s->reader.name,
                      (unsigned long long)s->left);
    if (st == TSR_OK && s->n_frames == 0 && !s->stopped)
        st = tsr_fail(err, TSR_ERR_DATA, "%s: holds no sound", s->reader.name);
    return st;
}

static tsr_status more(void *self, tsri_samples *out, bool *end, tsr_error *err)
{
    live *s = self;
    size_t room = sizeof s->buf - s->n_buf, got = 0;
    if (s->left < room)
        room = (size_t)s->left;
    tsr_status st = room ? take_some(s, s->buf + s->n_buf, room, &got, err) : TSR_OK;
    s->n_buf += got;
    if (s->left != UINT64_MAX)
        s->left -= got;
    if (st == TSR_OK)
        st = use_buf(s, out, err);
    *end = got == 0;
    return st == TSR_OK && *end ? end_of_samples(s, out, err) : st;
}

static void close_live(void *self)
{
    live *s = self;
    if (s->file.self)
        s->file.close(s->file.self);
    tsr_source_close(s->source);
    tsri_resampler_close(s->resampler);
    tsr_free(s->head.at);
    tsr_free(s);
}

/* ---- what is read as a file ---- */

static tsr_status more_of_file(void *self, tsri_samples *out, bool *end, tsr_error *err)
{
    live *s = self;
    return s->file.more(s->file.self, out, end, err);
}

/* All that comes, then a file's reader over it. */
static tsr_status collect(live *s, tsr_audio_facts *facts, size_t max_spool, tsr_error *err)
{
    tsr_status st = TSR_OK;
    while (st == TSR_OK && !s->at_end) {
        size_t got;
        st = take_some(s, s->buf, sizeof s->buf, &got, err);
        if (st == TSR_OK && got > max_spool - (s->head.len < max_spool ? s->head.len : max_spool))
            st = tsr_fail(err, TSR_ERR_LIMIT, "%s: more than the limit of %zu bytes", s->reader.name, max_spool);
        if (st == TSR_OK)
            st = add_bytes(s, s->buf, got, err);
    }
    if (st == TSR_OK)
        st = tsr_source_open_memory(&s->source, s->head.at ? s->head.at : (const unsigned char *)"", s->head.len,
                                    s->reader.name, err);
    return st == TSR_OK ? tsri_sound_from_file(&s->file, facts, s->source, &s->opts, true, err) : st;
}

/* ---- opening ---- */

static tsr_status start_samples(live *s, tsr_audio_facts *facts, bool is_raw, tsr_error *err)
{
    uint64_t frame = s->channels * s->bits / 8;
    s->max_frames = (uint64_t)floor(s->opts.max_seconds * s->rate + 1e-6);
    *facts = (tsr_audio_facts){.sample_rate = s->rate, .channels = s->channels, .duration_us = -1};
    if (s->left != UINT64_MAX)
        facts->duration_us = (int64_t)(s->left / frame * 1000000 / s->rate);
    snprintf(facts->container, sizeof facts->container, "%s", is_raw ? "raw" : "wav");
    const char *kind = s->format == FORMAT_FLOAT ? "f" : s->bits == 8 ? "u" : "s";
    snprintf(facts->codec, sizeof facts->codec, "pcm_%s%u%s", kind, s->bits, s->bits == 8 ? "" : "le");
    if (facts->duration_us >= 0 && (double)facts->duration_us / 1e6 > s->opts.max_seconds + 0.1)
        return tsri_audio_too_long(s->reader.name, (double)facts->duration_us / 1e6, true, s->opts.max_seconds, err);
    return tsri_resampler_open(&s->resampler, s->rate, s->opts.sample_rate, TSRI_ENGINE_BEST, s->reader.name, err);
}

static tsr_status open_live(live *s, tsr_audio_facts *facts, unsigned raw_rate, size_t max_spool, tsr_error *err)
{
    verdict v = IS_PLAIN;
    s->left = UINT64_MAX;
    if (s->opts.start_us > 0 || s->opts.end_us >= 0)
        return tsr_fail(err, TSR_ERR_USAGE, "%s: a part cannot be chosen of sound that comes in", s->reader.name);
    if (raw_rate > TSRI_MAX_RATE || (raw_rate > 0 && raw_rate < 1000))
        return tsr_fail(err, TSR_ERR_USAGE, "%s: a sample rate of %u Hz is outside 1,000 to %d", s->reader.name,
                        raw_rate, TSRI_MAX_RATE);
    s->format = FORMAT_INT;
    s->bits = 16;
    s->channels = 1;
    s->rate = raw_rate;
    tsr_status st = raw_rate ? TSR_OK : read_head(s, &v, err);
    if (st != TSR_OK)
        return st;
    return v == IS_PLAIN ? start_samples(s, facts, raw_rate > 0, err) : collect(s, facts, max_spool, err);
}

tsr_status tsri_sound_from_reader(tsri_sound_maker *m, tsr_audio_facts *facts, const tsr_audio_reader *reader,
                                  unsigned raw_rate, size_t max_spool, const tsr_audio_opts *opts, tsr_error *err)
{
    memset(m, 0, sizeof *m);
    live *s = tsr_calloc(1, sizeof *s);
    if (!s)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %s", reader->name);
    s->reader = *reader;
    s->opts = *opts;
    tsr_status st = open_live(s, facts, raw_rate, max_spool, err);
    if (st == TSR_OK)
        *m = (tsri_sound_maker){.more = s->source ? more_of_file : more, .close = close_live, .self = s,
                                .hold = s->file.hold};
    else
        close_live(s);
    return st;
}
