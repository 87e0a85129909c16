/* kind.c: finds out what a file is from its first bytes. Fixed signatures stand in one table; what
 * needs arithmetic (brands, frame headers, packet grids) has a function of its own. The order is
 * from sure to weak, so that a weak test never takes a file from a sure one. */
#include "tsr_kind.h"

#include <stdint.h>
#include <string.h>

typedef struct view {
    const unsigned char *p;
    size_t n;
} view;

/* ---- names ---- */

typedef struct kind_row {
    const char *name;
    tsr_kind_class cls;
    bool is_read;
} kind_row;

static const kind_row rows[TSR_KIND_COUNT_] = {
    [TSR_KIND_UNKNOWN] = {"unknown", TSR_CLASS_OTHER, false},
    [TSR_KIND_EMPTY] = {"empty", TSR_CLASS_OTHER, false},
    [TSR_KIND_TEXT] = {"text", TSR_CLASS_OTHER, false},
    [TSR_KIND_ARCHIVE] = {"archive", TSR_CLASS_OTHER, false},
    [TSR_KIND_PDF] = {"pdf", TSR_CLASS_PDF, false},
    [TSR_KIND_JPEG] = {"jpeg", TSR_CLASS_IMAGE, true},
    [TSR_KIND_PNG] = {"png", TSR_CLASS_IMAGE, true},
    [TSR_KIND_WEBP] = {"webp", TSR_CLASS_IMAGE, true},
    [TSR_KIND_BMP] = {"bmp", TSR_CLASS_IMAGE, true},
    [TSR_KIND_TGA] = {"tga", TSR_CLASS_IMAGE, true},
    [TSR_KIND_GIF] = {"gif", TSR_CLASS_IMAGE, true},
    [TSR_KIND_PNM] = {"pnm", TSR_CLASS_IMAGE, true},
    [TSR_KIND_HEIC] = {"heic", TSR_CLASS_IMAGE, false},
    [TSR_KIND_AVIF] = {"avif", TSR_CLASS_IMAGE, false},
    [TSR_KIND_TIFF] = {"tiff", TSR_CLASS_IMAGE, false},
    [TSR_KIND_JXL] = {"jpeg-xl", TSR_CLASS_IMAGE, false},
    [TSR_KIND_JP2] = {"jpeg-2000", TSR_CLASS_IMAGE, false},
    [TSR_KIND_SVG] = {"svg", TSR_CLASS_IMAGE, false},
    [TSR_KIND_PSD] = {"psd", TSR_CLASS_IMAGE, false},
    [TSR_KIND_ICO] = {"ico", TSR_CLASS_IMAGE, false},
    [TSR_KIND_QOI] = {"qoi", TSR_CLASS_IMAGE, false},
    [TSR_KIND_DDS] = {"dds", TSR_CLASS_IMAGE, false},
    [TSR_KIND_EXR] = {"openexr", TSR_CLASS_IMAGE, false},
    [TSR_KIND_HDR] = {"radiance-hdr", TSR_CLASS_IMAGE, false},
    [TSR_KIND_PFM] = {"pfm", TSR_CLASS_IMAGE, false},
    [TSR_KIND_PAM] = {"pam", TSR_CLASS_IMAGE, false},
    [TSR_KIND_WAV] = {"wav", TSR_CLASS_AUDIO, false},
    [TSR_KIND_AIFF] = {"aiff", TSR_CLASS_AUDIO, false},
    [TSR_KIND_MP3] = {"mp3", TSR_CLASS_AUDIO, false},
    [TSR_KIND_FLAC] = {"flac", TSR_CLASS_AUDIO, false},
    [TSR_KIND_OGG] = {"ogg", TSR_CLASS_AUDIO, false},
    [TSR_KIND_AAC] = {"aac", TSR_CLASS_AUDIO, false},
    [TSR_KIND_AMR] = {"amr", TSR_CLASS_AUDIO, false},
    [TSR_KIND_AU] = {"au", TSR_CLASS_AUDIO, false},
    [TSR_KIND_CAF] = {"caf", TSR_CLASS_AUDIO, false},
    [TSR_KIND_APE] = {"ape", TSR_CLASS_AUDIO, false},
    [TSR_KIND_WAVPACK] = {"wavpack", TSR_CLASS_AUDIO, false},
    [TSR_KIND_AC3] = {"ac3", TSR_CLASS_AUDIO, false},
    [TSR_KIND_MP4] = {"mp4", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_M4A] = {"m4a", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_MOV] = {"mov", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_3GP] = {"3gp", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_MKV] = {"mkv", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_WEBM] = {"webm", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_AVI] = {"avi", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_MPEGTS] = {"mpeg-ts", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_MPEGPS] = {"mpeg-ps", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_FLV] = {"flv", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_ASF] = {"asf", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_OGV] = {"ogv", TSR_CLASS_CONTAINER, false},
    [TSR_KIND_IVF] = {"ivf", TSR_CLASS_CONTAINER, false},
};

static const kind_row *row_of(tsr_kind kind)
{
    size_t k = (size_t)kind;
    return &rows[k < TSR_KIND_COUNT_ ? k : TSR_KIND_UNKNOWN];
}

const char *tsr_kind_name(tsr_kind kind)
{
    return row_of(kind)->name;
}

tsr_kind_class tsr_kind_class_of(tsr_kind kind)
{
    return row_of(kind)->cls;
}

bool tsr_kind_is_read(tsr_kind kind)
{
    return row_of(kind)->is_read;
}

/* ---- reading ---- */

static bool has(view v, size_t at, const char *bytes, size_t n)
{
    return at <= v.n && n <= v.n - at && memcmp(v.p + at, bytes, n) == 0;
}

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t le32(const unsigned char *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static unsigned le16(const unsigned char *p)
{
    return (unsigned)p[1] << 8 | p[0];
}

/* Whether `bytes` occurs within the first `limit` bytes. */
static bool contains(view v, size_t limit, const char *bytes, size_t n)
{
    size_t end = v.n < limit ? v.n : limit;
    for (size_t i = 0; i + n <= end; i++)
        if (memcmp(v.p + i, bytes, n) == 0)
            return true;
    return false;
}

/* ---- fixed signatures ---- */

typedef struct signature {
    tsr_kind kind;
    unsigned char len;
    const char *bytes;
} signature;

static const signature signatures[] = {
    {TSR_KIND_JPEG, 3, "\xff\xd8\xff"},
    {TSR_KIND_PNG, 8, "\x89PNG\r\n\x1a\n"},
    {TSR_KIND_GIF, 6, "GIF87a"},
    {TSR_KIND_GIF, 6, "GIF89a"},
    {TSR_KIND_TIFF, 4, "II*\0"},
    {TSR_KIND_TIFF, 4, "MM\0*"},
    {TSR_KIND_TIFF, 4, "II+\0"},
    {TSR_KIND_TIFF, 4, "MM\0+"},
    {TSR_KIND_JXL, 2, "\xff\x0a"},
    {TSR_KIND_JXL, 12, "\0\0\0\x0cJXL \r\n\x87\n"},
    {TSR_KIND_JP2, 12, "\0\0\0\x0cjP  \r\n\x87\n"},
    {TSR_KIND_JP2, 4, "\xff\x4f\xff\x51"},
    {TSR_KIND_PSD, 4, "8BPS"},
    {TSR_KIND_QOI, 4, "qoif"},
    {TSR_KIND_DDS, 4, "DDS "},
    {TSR_KIND_EXR, 4, "\x76\x2f\x31\x01"},
    {TSR_KIND_HDR, 10, "#?RADIANCE"},
    {TSR_KIND_HDR, 6, "#?RGBE"},
    {TSR_KIND_PDF, 5, "%PDF-"},
    {TSR_KIND_FLAC, 4, "fLaC"},
    {TSR_KIND_AMR, 6, "#!AMR\n"},
    {TSR_KIND_AMR, 9, "#!AMR-WB\n"},
    {TSR_KIND_AU, 4, ".snd"},
    {TSR_KIND_CAF, 4, "caff"},
    {TSR_KIND_APE, 4, "MAC "},
    {TSR_KIND_WAVPACK, 4, "wvpk"},
    {TSR_KIND_FLV, 4, "FLV\x01"},
    {TSR_KIND_ASF, 8, "\x30\x26\xb2\x75\x8e\x66\xcf\x11"},
    {TSR_KIND_IVF, 4, "DKIF"},
    {TSR_KIND_MPEGPS, 4, "\0\0\x01\xba"},
    {TSR_KIND_MPEGPS, 4, "\0\0\x01\xb3"},
    {TSR_KIND_ARCHIVE, 4, "PK\x03\x04"},
    {TSR_KIND_ARCHIVE, 4, "PK\x05\x06"},
    {TSR_KIND_ARCHIVE, 3, "\x1f\x8b\x08"},
    {TSR_KIND_ARCHIVE, 6, "7z\xbc\xaf\x27\x1c"},
    {TSR_KIND_ARCHIVE, 6, "\xfd" "7zXZ\0"},
    {TSR_KIND_ARCHIVE, 4, "\x28\xb5\x2f\xfd"},
    {TSR_KIND_ARCHIVE, 4, "BZh9"},
    {TSR_KIND_ARCHIVE, 6, "Rar!\x1a\x07"},
};

static tsr_kind by_signature(view v)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (has(v, 0, signatures[i].bytes, signatures[i].len))
            return signatures[i].kind;
    return TSR_KIND_UNKNOWN;
}

/* ---- families with a second word ---- */

static tsr_kind by_riff(view v)
{
    if ((has(v, 0, "RF64", 4) || has(v, 0, "BW64", 4)) && has(v, 8, "WAVE", 4))
        return TSR_KIND_WAV;
    if (has(v, 0, "FORM", 4) && (has(v, 8, "AIFF", 4) || has(v, 8, "AIFC", 4)))
        return TSR_KIND_AIFF;
    if (!has(v, 0, "RIFF", 4))
        return TSR_KIND_UNKNOWN;
    if (has(v, 8, "WAVE", 4))
        return TSR_KIND_WAV;
    if (has(v, 8, "WEBP", 4))
        return TSR_KIND_WEBP;
    return has(v, 8, "AVI ", 4) ? TSR_KIND_AVI : TSR_KIND_UNKNOWN;
}

/* The kind that one ISO-BMFF brand stands for; UNKNOWN for brands that say nothing by themselves. */
static tsr_kind by_brand(const unsigned char *b)
{
    static const struct {
        char brand[5];
        tsr_kind kind;
    } known[] = {
        {"avif", TSR_KIND_AVIF}, {"avis", TSR_KIND_AVIF}, {"heic", TSR_KIND_HEIC}, {"heix", TSR_KIND_HEIC},
        {"heim", TSR_KIND_HEIC}, {"heis", TSR_KIND_HEIC}, {"hevc", TSR_KIND_HEIC}, {"hevx", TSR_KIND_HEIC},
        {"hevm", TSR_KIND_HEIC}, {"hevs", TSR_KIND_HEIC}, {"M4A ", TSR_KIND_M4A},  {"M4B ", TSR_KIND_M4A},
        {"M4P ", TSR_KIND_M4A},  {"F4A ", TSR_KIND_M4A},  {"qt  ", TSR_KIND_MOV},  {"jp2 ", TSR_KIND_JP2},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (memcmp(b, known[i].brand, 4) == 0)
            return known[i].kind;
    if (memcmp(b, "3gp", 3) == 0 || memcmp(b, "3g2", 3) == 0)
        return TSR_KIND_3GP;
    return TSR_KIND_UNKNOWN;
}

/* "mif1" and "msf1" only say "a picture"; the compatible brands say of which coding. */
static tsr_kind by_ftyp(view v)
{
    if (v.n < 16 || !has(v, 4, "ftyp", 4))
        return TSR_KIND_UNKNOWN;
    tsr_kind major = by_brand(v.p + 8);
    if (major != TSR_KIND_UNKNOWN)
        return major;
    if (!has(v, 8, "mif1", 4) && !has(v, 8, "msf1", 4))
        return TSR_KIND_MP4;
    size_t end = be32(v.p) < v.n ? be32(v.p) : v.n;
    for (size_t at = 16; at + 4 <= end; at += 4) {
        tsr_kind k = by_brand(v.p + at);
        if (k == TSR_KIND_AVIF || k == TSR_KIND_HEIC)
            return k;
    }
    return TSR_KIND_HEIC;
}

/* QuickTime files older than "ftyp" start with any top-level atom. */
static tsr_kind by_old_atom(view v)
{
    static const char atoms[][5] = {"moov", "mdat", "wide", "free", "skip", "pnot"};
    if (v.n < 8 || (be32(v.p) < 8 && be32(v.p) != 1))
        return TSR_KIND_UNKNOWN;
    for (size_t i = 0; i < sizeof atoms / sizeof *atoms; i++)
        if (has(v, 4, atoms[i], 4))
            return TSR_KIND_MOV;
    return TSR_KIND_UNKNOWN;
}

static tsr_kind by_ebml(view v)
{
    if (!has(v, 0, "\x1a\x45\xdf\xa3", 4))
        return TSR_KIND_UNKNOWN;
    if (contains(v, 64, "webm", 4))
        return TSR_KIND_WEBM;
    return contains(v, 64, "matroska", 8) ? TSR_KIND_MKV : TSR_KIND_UNKNOWN;
}

static tsr_kind by_ogg(view v)
{
    if (!has(v, 0, "OggS", 4))
        return TSR_KIND_UNKNOWN;
    bool film = contains(v, 512, "\x80theora", 7) || contains(v, 512, "\x01video", 6) ||
                contains(v, 512, "BBCD\0", 5);
    return film ? TSR_KIND_OGV : TSR_KIND_OGG;
}

static tsr_kind by_pnm(view v)
{
    if (v.n < 3 || v.p[0] != 'P')
        return TSR_KIND_UNKNOWN;
    bool space = v.p[2] == ' ' || (v.p[2] >= '\t' && v.p[2] <= '\r');
    if (!space)
        return TSR_KIND_UNKNOWN;
    if (v.p[1] >= '1' && v.p[1] <= '6')
        return TSR_KIND_PNM;
    if (v.p[1] == '7')
        return TSR_KIND_PAM;
    return v.p[1] == 'f' || v.p[1] == 'F' ? TSR_KIND_PFM : TSR_KIND_UNKNOWN;
}

static tsr_kind by_bmp(view v)
{
    if (!has(v, 0, "BM", 2) || v.n < 18)
        return TSR_KIND_UNKNOWN;
    switch (le32(v.p + 14)) {
    case 12:
    case 40:
    case 52:
    case 56:
    case 64:
    case 108:
    case 124: return TSR_KIND_BMP;
    default: return TSR_KIND_UNKNOWN;
    }
}

static tsr_kind by_ico(view v)
{
    if (v.n < 22 || v.p[0] != 0 || v.p[1] != 0 || (v.p[2] != 1 && v.p[2] != 2) || v.p[3] != 0)
        return TSR_KIND_UNKNOWN;
    unsigned count = le16(v.p + 4);
    size_t at = le32(v.p + 18);
    return count > 0 && count < 256 && v.p[9] == 0 && at >= 6 + 16u * (size_t)count ? TSR_KIND_ICO
                                                                                    : TSR_KIND_UNKNOWN;
}

/* ---- frame headers ---- */

/* Length of the MPEG audio frame whose 4-byte header is at p, 0 when it is none. */
static size_t mpeg_frame_len(const unsigned char *p)
{
    static const unsigned short rate_v1[4][16] = {
        {0},
        {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0},   /* layer 3 */
        {0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0},  /* layer 2 */
        {0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448, 0} /* layer 1 */
    };
    static const unsigned short rate_v2[4][16] = {
        {0},
        {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0},
        {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0},
        {0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256, 0}};
    static const unsigned short hz_v1[3] = {44100, 48000, 32000};
    if (p[0] != 0xff || (p[1] & 0xe0) != 0xe0)
        return 0;
    unsigned version = p[1] >> 3 & 3, layer = p[1] >> 1 & 3, rate = p[2] >> 4, hz = p[2] >> 2 & 3;
    if (version == 1 || layer == 0 || hz == 3)
        return 0;
    size_t kbps = version == 3 ? rate_v1[layer][rate] : rate_v2[layer][rate];
    if (kbps == 0)
        return 0;
    size_t rate_hz = hz_v1[hz] >> (version == 3 ? 0 : version == 2 ? 1 : 2), pad = p[2] >> 1 & 1;
    if (layer == 3)
        return (12000 * kbps / rate_hz + pad) * 4;
    size_t per = layer == 1 && version != 3 ? 72000 : 144000;
    return per * kbps / rate_hz + pad;
}

/* The same for an ADTS header, which takes 7 bytes. */
static size_t adts_frame_len(const unsigned char *p)
{
    if (p[0] != 0xff || (p[1] & 0xf6) != 0xf0 || (p[2] >> 2 & 15) > 12)
        return 0;
    size_t n = (size_t)(p[3] & 3) << 11 | (size_t)p[4] << 3 | p[5] >> 5;
    return n >= 7 ? n : 0;
}

/* One header may be chance; the next frame must follow where the first ends, or the file end there. */
static tsr_kind by_audio_frame(view v)
{
    if (v.n < 8)
        return TSR_KIND_UNKNOWN;
    size_t n = adts_frame_len(v.p);
    if (n != 0 && (n + 7 > v.n || adts_frame_len(v.p + n) != 0))
        return TSR_KIND_AAC;
    n = mpeg_frame_len(v.p);
    bool alone = n + 4 > v.n && v.p[1] != 0xfe; /* ff fe is the mark of UTF-16 text, too */
    if (n != 0 && (alone || (n + 4 <= v.n && mpeg_frame_len(v.p + n) != 0)))
        return TSR_KIND_MP3;
    if (v.p[0] == 0x0b && v.p[1] == 0x77 && (v.p[4] >> 6) != 3 && (v.p[4] & 63) < 38 && (v.p[5] >> 3) <= 16)
        return TSR_KIND_AC3;
    return TSR_KIND_UNKNOWN;
}

/* An ID3v2 tag stands before MP3 mostly, before FLAC and AAC at times. */
static tsr_kind by_id3(view v)
{
    if (!has(v, 0, "ID3", 3) || v.n < 10)
        return TSR_KIND_UNKNOWN;
    size_t tag = 10 + ((size_t)(v.p[6] & 127) << 21 | (size_t)(v.p[7] & 127) << 14 |
                       (size_t)(v.p[8] & 127) << 7 | (size_t)(v.p[9] & 127));
    if (tag < v.n) {
        view rest = {v.p + tag, v.n - tag};
        if (has(rest, 0, "fLaC", 4))
            return TSR_KIND_FLAC;
        if (by_audio_frame(rest) == TSR_KIND_AAC)
            return TSR_KIND_AAC;
    }
    return TSR_KIND_MP3;
}

/* Sync bytes on the packet grid: 188 bytes, or 192 with a time stamp before each packet. */
static tsr_kind by_ts(view v)
{
    static const struct {
        size_t first, step;
    } grids[] = {{0, 188}, {4, 192}};
    for (size_t g = 0; g < 2; g++) {
        size_t seen = 0;
        for (size_t at = grids[g].first; at < v.n && seen < 5; at += grids[g].step, seen++)
            if (v.p[at] != 0x47)
                break;
        if (seen >= 3)
            return TSR_KIND_MPEGTS;
    }
    return TSR_KIND_UNKNOWN;
}

/* ---- weak kinds ---- */

/* Length of the UTF-8 character at p (n bytes left), 0 when invalid. One cut off by the end counts as whole. */
static size_t utf8_len(const unsigned char *p, size_t n)
{
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 :
                 p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < len && i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

static bool is_text(view v)
{
    if (has(v, 0, "\xff\xfe", 2) || has(v, 0, "\xfe\xff", 2))
        return v.n % 2 == 0 || v.n > 512;
    size_t end = v.n < 4096 ? v.n : 4096;
    for (size_t i = 0; i < end;) {
        unsigned char c = v.p[i];
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b)
            return false;
        size_t n = utf8_len(v.p + i, end - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

/* The first place at or after `at` that is past `mark`; the end when there is none. */
static size_t past(view v, size_t at, const char *mark, size_t n)
{
    for (; at + n <= v.n; at++)
        if (memcmp(v.p + at, mark, n) == 0)
            return at + n;
    return v.n;
}

/* The root element decides: pages of HTML hold drawings too. */
static bool is_svg(view v)
{
    size_t at = has(v, 0, "\xef\xbb\xbf", 3) ? 3 : 0;
    if (v.n > 4096)
        v.n = 4096;
    for (;;) {
        while (at < v.n && (v.p[at] == ' ' || (v.p[at] >= '\t' && v.p[at] <= '\r')))
            at++;
        if (has(v, at, "<?", 2))
            at = past(v, at, "?>", 2);
        else if (has(v, at, "<!--", 4))
            at = past(v, at, "-->", 3);
        else if (has(v, at, "<!DOCTYPE svg", 13))
            return true;
        else
            return has(v, at, "<svg", 4);
    }
}

/* Truevision files have a footer at most; without it every header field must make sense together. */
static bool is_tga(view v)
{
    if (v.n < 18)
        return false;
    const unsigned char *p = v.p;
    unsigned map = p[1], type = p[2], map_len = le16(p + 5), map_bits = p[7], depth = p[16];
    bool indexed = type == 1 || type == 9, colour = type == 2 || type == 10, grey = type == 3 || type == 11;
    if (map > 1 || (p[17] & 0xc0) != 0 || (p[17] & 15) > 8 || le16(p + 12) == 0 || le16(p + 14) == 0)
        return false;
    if (map == 0 && (le16(p + 3) != 0 || map_len != 0 || map_bits != 0))
        return false;
    if (map == 1 && (map_len == 0 || (map_bits != 16 && map_bits != 24 && map_bits != 32)))
        return false;
    if (indexed)
        return map == 1 && depth == 8;
    if (colour)
        return depth == 16 || depth == 24 || depth == 32;
    return grey && (depth == 1 || depth == 8 || depth == 16);
}

static bool has_tga_footer(view v)
{
    return v.n >= 44 && has(v, v.n - 18, "TRUEVISION-XFILE.\0", 18);
}

tsr_kind tsr_kind_of(const void *data, size_t len)
{
    static tsr_kind (*const tests[])(view) = {by_signature, by_riff,  by_ftyp,        by_ebml, by_ogg,
                                              by_bmp,       by_id3,   by_audio_frame, by_ts,   by_old_atom,
                                              by_pnm,       by_ico};
    view v = {data, len};
    if (len == 0)
        return TSR_KIND_EMPTY;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        tsr_kind k = tests[i](v);
        if (k != TSR_KIND_UNKNOWN)
            return k;
    }
    if (is_text(v))
        return is_svg(v) ? TSR_KIND_SVG : TSR_KIND_TEXT;
    if (contains(v, 1024, "%PDF-", 5)) /* readers allow junk before it */
        return TSR_KIND_PDF;
    return has_tga_footer(v) || is_tga(v) ? TSR_KIND_TGA : TSR_KIND_UNKNOWN;
}
