/* container.c: one row per container that we let FFmpeg open, and a walk over the outermost structure
 * of each: a chunk, box, element or page that reaches beyond the end of the file shows that the file
 * was cut, which demuxers mostly pass over. */
#include "container_internal.h"

#include <string.h>

typedef struct probe {
    const tsr_source *src;
    const char *name;
    uint64_t size;
    tsr_error *err;
} probe;

typedef tsr_status (*check_fn)(const probe *p);

static tsr_status check_wav(const probe *p);
static tsr_status check_aiff(const probe *p);
static tsr_status check_caf(const probe *p);
static tsr_status check_au(const probe *p);
static tsr_status check_avi(const probe *p);
static tsr_status check_mov(const probe *p);
static tsr_status check_matroska(const probe *p);
static tsr_status check_ogg(const probe *p);
static tsr_status check_mp3(const probe *p);

typedef struct row {
    tsr_kind kind;
    const char *demuxer;
    check_fn check; /* NULL: nothing to see from outside */
} row;

static const row rows[] = {
    {TSR_KIND_WAV, "wav", check_wav},        {TSR_KIND_AIFF, "aiff", check_aiff},
    {TSR_KIND_CAF, "caf", check_caf},        {TSR_KIND_AU, "au", check_au},
    {TSR_KIND_MP3, "mp3", check_mp3},        {TSR_KIND_FLAC, "flac", NULL},
    {TSR_KIND_OGG, "ogg", check_ogg},        {TSR_KIND_OGV, "ogg", check_ogg},
    {TSR_KIND_AAC, "aac", NULL},             {TSR_KIND_AMR, "amr", NULL},
    {TSR_KIND_MP4, "mov", check_mov},        {TSR_KIND_M4A, "mov", check_mov},
    {TSR_KIND_MOV, "mov", check_mov},        {TSR_KIND_3GP, "mov", check_mov},
    {TSR_KIND_MKV, "matroska", check_matroska}, {TSR_KIND_WEBM, "matroska", check_matroska},
    {TSR_KIND_AVI, "avi", check_avi},        {TSR_KIND_MPEGTS, "mpegts", NULL},
};

/* Bytes of the ID3v2 tag that these 10 bytes start, 0 when they start none. */
static uint64_t id3_bytes(const unsigned char b[10])
{
    if (memcmp(b, "ID3", 3) != 0)
        return 0;
    return 10 + ((uint64_t)(b[6] & 0x7f) << 21 | (uint64_t)(b[7] & 0x7f) << 14 | (uint64_t)(b[8] & 0x7f) << 7 |
                 (b[9] & 0x7fu)) + (b[5] & 0x10 ? 10 : 0);
}

static const row *row_of(tsr_kind kind)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].kind == kind)
            return &rows[i];
    return NULL;
}

/* A tag with a cover picture can be longer than what is looked at first. */
static tsr_status kind_behind_tag(tsr_kind *kind, const tsr_source *src, const unsigned char *head, size_t n,
                                  tsr_error *err)
{
    unsigned char b[4096];
    size_t got;
    uint64_t at = n >= 10 ? id3_bytes(head) : 0;
    if (at <= n)
        return TSR_OK;
    tsr_status st = tsr_source_read(src, at, b, sizeof b, &got, err);
    tsr_kind inner = st == TSR_OK && got > 0 ? tsr_kind_of(b, got) : TSR_KIND_UNKNOWN;
    if (inner == TSR_KIND_FLAC || inner == TSR_KIND_AAC)
        *kind = inner;
    return st;
}

tsr_status tsri_container_find(tsri_container *out, const tsr_source *src, tsr_error *err)
{
    unsigned char head[16384];
    size_t n;
    const char *name = tsr_source_name(src);
    memset(out, 0, sizeof *out);
    tsr_status st = tsr_source_read(src, 0, head, sizeof head, &n, err);
    if (st != TSR_OK)
        return st;
    if (n == 0)
        return tsr_fail(err, TSR_ERR_DATA, "%s: is empty", name);
    tsr_kind kind = tsr_kind_of(head, n);
    st = kind_behind_tag(&kind, src, head, n, err);
    if (st != TSR_OK)
        return st;
    const row *r = row_of(kind);
    if (!r && kind == TSR_KIND_UNKNOWN)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: is of no kind of sound or film that is known", name);
    if (!r)
        return tsr_fail(err, TSR_ERR_UNSUPPORTED, "%s: a file of kind %s is not read as sound or film", name,
                        tsr_kind_name(kind));
    out->kind = kind;
    out->name = tsr_kind_name(kind);
    out->demuxer = r->demuxer;
    return TSR_OK;
}

tsr_status tsri_container_check_whole(const tsri_container *c, const tsr_source *src, tsr_error *err)
{
    const row *r = row_of(c->kind);
    const probe p = {src, tsr_source_name(src), tsr_source_size(src), err};
    return r && r->check ? r->check(&p) : TSR_OK;
}

/* ---- reading numbers ---- */

/* All n bytes or false; the status tells a failed read from a short one. */
static bool get(const probe *p, uint64_t at, void *buf, size_t n, tsr_status *st)
{
    size_t got;
    *st = tsr_source_read(p->src, at, buf, n, &got, p->err);
    return *st == TSR_OK && got == n;
}

static uint32_t be32(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint32_t le32(const unsigned char *b)
{
    return (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

static uint64_t be64(const unsigned char *b)
{
    return (uint64_t)be32(b) << 32 | be32(b + 4);
}

static tsr_status cut_short(const probe *p, const char *what, uint64_t at, uint64_t says)
{
    return tsr_fail(p->err, TSR_ERR_DATA,
                    "%s: is cut short: %s at byte %llu says %llu bytes follow, there are %llu", p->name, what,
                    (unsigned long long)at, (unsigned long long)says, (unsigned long long)(p->size - at));
}

/* ---- chunks: RIFF, FORM, CAF ---- */

/* Writers that cannot go back leave a size near 2^31 or 2^32 (or 0): it means "to the end". */
static bool is_open_ended(uint64_t size)
{
    return size >= 0x7ffff000u && size <= 0xffffffffu;
}

/* Walk chunks of a 4-byte name and a 4-byte size from `at` up to the one named `last`; what lies behind
 * that one does no harm. */
static tsr_status check_chunks(const probe *p, uint64_t at, bool big_endian, const char *last)
{
    tsr_status st = TSR_OK;
    unsigned char h[8];
    while (get(p, at, h, sizeof h, &st)) {
        uint64_t size = big_endian ? be32(h + 4) : le32(h + 4), body = at + 8;
        char what[40] = "the chunk '....'";
        memcpy(what + 11, h, 4);
        for (size_t i = 11; i < 15; i++)
            if (what[i] < 0x20 || what[i] > 0x7e)
                what[i] = '?';
        bool is_last = memcmp(h, last, 4) == 0;
        if (is_last && (size == 0 || is_open_ended(size)))
            return TSR_OK;
        if (size > p->size - body)
            return cut_short(p, what, body, size);
        if (is_last)
            return TSR_OK;
        at = body + size + (size & 1);
    }
    return st;
}

/* RF64 and BW64 keep the size of 'data' in their 'ds64' chunk, which comes first. */
static tsr_status check_rf64(const probe *p)
{
    unsigned char h[8], ds64[24];
    tsr_status st;
    if (!get(p, 12, h, sizeof h, &st) || memcmp(h, "ds64", 4) != 0 || !get(p, 20, ds64, sizeof ds64, &st))
        return st != TSR_OK ? st : tsr_fail(p->err, TSR_ERR_DATA, "%s: its 'ds64' chunk is missing", p->name);
    uint64_t at = 20 + (uint64_t)le32(h + 4), data = (uint64_t)le32(ds64 + 12) << 32 | le32(ds64 + 8);
    while (get(p, at, h, sizeof h, &st)) {
        if (memcmp(h, "data", 4) == 0) {
            uint64_t size = le32(h + 4) == 0xffffffffu ? data : le32(h + 4);
            return size <= p->size - at - 8 ? TSR_OK : cut_short(p, "the chunk 'data'", at + 8, size);
        }
        at += 8 + (uint64_t)le32(h + 4) + (le32(h + 4) & 1);
    }
    return st;
}

static tsr_status check_wav(const probe *p)
{
    unsigned char h[4];
    tsr_status st;
    if (!get(p, 0, h, sizeof h, &st))
        return st;
    if (memcmp(h, "RIFF", 4) != 0 && memcmp(h, "RIFX", 4) != 0)
        return check_rf64(p);
    return check_chunks(p, 12, h[3] == 'X', "data");
}

static tsr_status check_aiff(const probe *p)
{
    return check_chunks(p, 12, true, "SSND");
}

static tsr_status check_caf(const probe *p)
{
    tsr_status st = TSR_OK;
    unsigned char h[12];
    for (uint64_t at = 8; get(p, at, h, sizeof h, &st);) {
        uint64_t size = be64(h + 4), body = at + 12;
        if (memcmp(h, "data", 4) == 0 && size == UINT64_MAX)
            return TSR_OK;
        if (size > p->size - body)
            return cut_short(p, "a chunk", body, size);
        at = body + size;
    }
    return st;
}

static tsr_status check_au(const probe *p)
{
    unsigned char h[12];
    tsr_status st;
    if (!get(p, 0, h, sizeof h, &st))
        return st;
    uint64_t at = be32(h + 4), size = be32(h + 8);
    if (is_open_ended(size) || (at <= p->size && size <= p->size - at))
        return TSR_OK;
    return cut_short(p, "the sound", at <= p->size ? at : p->size, size);
}

/* An AVI file beyond a gigabyte is a row of RIFF lists. */
static tsr_status check_avi(const probe *p)
{
    tsr_status st = TSR_OK;
    unsigned char h[12];
    for (uint64_t at = 0; get(p, at, h, sizeof h, &st) && memcmp(h, "RIFF", 4) == 0;) {
        uint64_t size = le32(h + 4), body = at + 8;
        if (size == 0 || is_open_ended(size))
            return TSR_OK;
        if (size > p->size - body)
            return cut_short(p, "a RIFF list", body, size);
        at = body + size + (size & 1);
    }
    return st;
}

/* ---- boxes: MOV, MP4, 3GP ---- */

static tsr_status check_mov(const probe *p)
{
    tsr_status st = TSR_OK;
    unsigned char h[16];
    bool has_index = false;
    uint64_t at = 0;
    while (get(p, at, h, 8, &st)) {
        uint64_t size = be32(h), head = 8;
        has_index = has_index || memcmp(h + 4, "moov", 4) == 0;
        if (size == 1) {
            if (!get(p, at, h, 16, &st))
                break;
            size = be64(h + 8);
            head = 16;
        }
        if (size == 0) { /* to the end; zero bytes behind the last box look the same */
            at = p->size;
            break;
        }
        if (size < head)
            return tsr_fail(p->err, TSR_ERR_DATA, "%s: is damaged: a box of %llu bytes at byte %llu", p->name,
                            (unsigned long long)size, (unsigned long long)at);
        if (size > p->size - at)
            return cut_short(p, "a box", at, size);
        at += size;
    }
    if (st == TSR_OK && !has_index)
        return tsr_fail(p->err, TSR_ERR_DATA,
                        "%s: its index ('moov') is missing: the file is cut short or was never finished", p->name);
    return st;
}

/* ---- elements: Matroska, WebM ---- */

/* A variable-length number of 1 to 8 bytes; *bits all set means "unknown". 0 when it is not one. */
static size_t take_vint(const unsigned char *b, size_t n, bool keep_marker, uint64_t *value, bool *unknown)
{
    size_t len = 1;
    while (len <= 8 && n > 0 && !(b[0] & 0x80 >> (len - 1)))
        len++;
    if (len > 8 || len > n)
        return 0;
    uint64_t v = keep_marker ? b[0] : b[0] & (0xffu >> len);
    for (size_t i = 1; i < len; i++)
        v = v << 8 | b[i];
    *value = v;
    *unknown = v == (UINT64_C(1) << (7 * len)) - 1;
    return len;
}

static tsr_status check_matroska(const probe *p)
{
    const uint64_t id_segment = 0x18538067;
    tsr_status st = TSR_OK;
    for (uint64_t at = 0; at < p->size;) {
        unsigned char h[12] = {0};
        size_t n;
        uint64_t id, size;
        bool unknown;
        st = tsr_source_read(p->src, at, h, sizeof h, &n, p->err);
        if (st != TSR_OK)
            return st;
        size_t a = take_vint(h, n, true, &id, &unknown);
        size_t b = a ? take_vint(h + a, n - a, false, &size, &unknown) : 0;
        if (!b || unknown)
            return TSR_OK;
        uint64_t body = at + a + b;
        if (size > p->size - body)
            return cut_short(p, id == id_segment ? "the segment" : "an element", body, size);
        if (id == id_segment)
            return TSR_OK;
        at = body + size;
    }
    return st;
}

/* ---- pages: Ogg ---- */

/* The last page must end inside the file. Its end-of-stream mark is not asked for: many recorders
 * never set it. */
static tsr_status check_ogg(const probe *p)
{
    enum { TAIL = 27 + 255 + 255 * 255, HEAD = 27 };
    static const char magic[5] = "OggS";
    unsigned char b[4096 + 4];
    tsr_status st = TSR_OK;
    uint64_t low = p->size > TAIL ? p->size - TAIL : 0;
    for (uint64_t end = p->size; end > low;) {
        uint64_t from = end > low + 4096 ? end - 4096 : low;
        size_t want = (size_t)(end - from) + 3, got;
        st = tsr_source_read(p->src, from, b, want, &got, p->err);
        if (st != TSR_OK)
            return st;
        for (size_t i = got; i-- > 0;) {
            if (got - i < 4 || memcmp(b + i, magic, 4) != 0)
                continue;
            unsigned char h[HEAD + 255];
            size_t n;
            st = tsr_source_read(p->src, from + i, h, sizeof h, &n, p->err);
            if (st != TSR_OK)
                return st;
            size_t n_segments = n >= HEAD ? h[26] : 0, body = 0;
            if (n < HEAD || n < HEAD + n_segments)
                return cut_short(p, "the last page", from + i, HEAD + n_segments);
            for (size_t k = 0; k < n_segments; k++)
                body += h[HEAD + k];
            uint64_t start = from + i + HEAD + n_segments;
            return body <= p->size - start ? TSR_OK : cut_short(p, "the last page", start, body);
        }
        end = from;
    }
    return st;
}

/* ---- frames: MP3 ---- */

size_t tsri_mpeg_audio_frame_bytes(const unsigned char h[4])
{
    /* kbit/s by [layer III or II or I, MPEG 1 first][index] */
    static const unsigned short rates[5][15] = {
        {0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448}, /* 1, layer I */
        {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},    /* 1, layer II */
        {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},     /* 1, layer III */
        {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},    /* 2, layer I */
        {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},         /* 2, layers II and III */
    };
    static const unsigned hz[3] = {44100, 48000, 32000};
    unsigned version = h[1] >> 3 & 3, layer = 4 - (h[1] >> 1 & 3), rate = h[2] >> 4, freq = h[2] >> 2 & 3;
    size_t padding = h[2] >> 1 & 1;
    if (h[0] != 0xff || (h[1] & 0xe0) != 0xe0 || version == 1 || layer == 4 || rate == 0 || rate == 15 || freq == 3)
        return 0;
    bool v1 = version == 3;
    size_t bits = 1000u * (size_t)rates[v1 ? layer - 1 : layer == 1 ? 3 : 4][rate];
    size_t sample_rate = hz[freq] >> (v1 ? 0 : version == 2 ? 1 : 2);
    if (layer == 1)
        return (12 * bits / sample_rate + padding) * 4;
    return (layer == 3 && !v1 ? 72 : 144) * bits / sample_rate + padding;
}

static size_t xing_offset(const unsigned char h[4])
{
    bool v1 = (h[1] >> 3 & 3) == 3, mono = h[3] >> 6 == 3;
    return 4 + (v1 ? (mono ? 17u : 32u) : (mono ? 9u : 17u));
}

/* A Xing (or Info) header in the first frame tells the length in bytes of all frames. */
static tsr_status check_mp3(const probe *p)
{
    unsigned char b[64];
    tsr_status st;
    if (!get(p, 0, b, 10, &st))
        return st;
    uint64_t at = id3_bytes(b);
    if (at > p->size)
        return cut_short(p, "the ID3 tag", 0, at);
    if (!get(p, at, b, sizeof b, &st) || tsri_mpeg_audio_frame_bytes(b) == 0)
        return st;
    const unsigned char *x = b + xing_offset(b);
    if (memcmp(x, "Xing", 4) != 0 && memcmp(x, "Info", 4) != 0)
        return TSR_OK;
    uint32_t flags = be32(x + 4);
    uint64_t bytes = flags & 2 ? be32(x + (flags & 1 ? 12 : 8)) : 0;
    return bytes <= p->size - at ? TSR_OK : cut_short(p, "the first frame's table", at, bytes);
}
