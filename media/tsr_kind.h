/* tsr_kind.h: what a file is, judged by its bytes alone and never by its name.
 *
 * Everything here is pure: no globals, any thread, nothing but the arguments. */
#ifndef TSR_KIND_H
#define TSR_KIND_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What can be done with a file. */
typedef enum tsr_kind_class {
    TSR_CLASS_OTHER,     /* nothing we take: empty, text, archives, unknown */
    TSR_CLASS_IMAGE,     /* one picture: tsr_image.h, or refused by name (tsr_kind_is_read) */
    TSR_CLASS_AUDIO,     /* sound only */
    TSR_CLASS_CONTAINER, /* may hold sound, moving pictures or both; its tracks decide */
    TSR_CLASS_PDF
} tsr_kind_class;

typedef enum tsr_kind {
    TSR_KIND_UNKNOWN,
    TSR_KIND_EMPTY,
    TSR_KIND_TEXT, /* UTF-8 or UTF-16 text of any sort, playlists and HTML too */
    TSR_KIND_ARCHIVE,
    TSR_KIND_PDF,
    /* pictures that tsr_image_decode reads */
    TSR_KIND_JPEG,
    TSR_KIND_PNG,
    TSR_KIND_WEBP,
    TSR_KIND_BMP,
    TSR_KIND_TGA, /* no magic number: only where nothing else fits and the whole header is sane */
    TSR_KIND_GIF,
    TSR_KIND_PNM, /* P1 to P6 */
    /* pictures that are known and refused by name */
    TSR_KIND_HEIC,
    TSR_KIND_AVIF,
    TSR_KIND_TIFF,
    TSR_KIND_JXL,
    TSR_KIND_JP2,
    TSR_KIND_SVG,
    TSR_KIND_PSD,
    TSR_KIND_ICO,
    TSR_KIND_QOI,
    TSR_KIND_DDS,
    TSR_KIND_EXR,
    TSR_KIND_HDR,
    TSR_KIND_PFM,
    TSR_KIND_PAM,
    /* sound */
    TSR_KIND_WAV, /* RF64 and BW64 too */
    TSR_KIND_AIFF,
    TSR_KIND_MP3, /* layers 1 and 2 too */
    TSR_KIND_FLAC,
    TSR_KIND_OGG,
    TSR_KIND_AAC, /* ADTS */
    TSR_KIND_AMR,
    TSR_KIND_AU,
    TSR_KIND_CAF,
    TSR_KIND_APE,
    TSR_KIND_WAVPACK,
    TSR_KIND_AC3,
    /* containers */
    TSR_KIND_MP4,
    TSR_KIND_M4A,
    TSR_KIND_MOV,
    TSR_KIND_3GP,
    TSR_KIND_MKV,
    TSR_KIND_WEBM,
    TSR_KIND_AVI,
    TSR_KIND_MPEGTS,
    TSR_KIND_MPEGPS,
    TSR_KIND_FLV,
    TSR_KIND_ASF, /* wma, wmv */
    TSR_KIND_OGV, /* Ogg whose first stream is a picture stream */
    TSR_KIND_IVF,
    TSR_KIND_COUNT_ /* not a kind */
} tsr_kind;

/* The kind of the file that starts with these bytes. A few kilobytes are enough for all kinds but
 * one (a TGA file that only its footer gives away); the whole file is welcome. */
tsr_kind tsr_kind_of(const void *data, size_t len);

/* A short fixed name in lower case ("jpeg", "mpeg-ts"), fit for messages. Never NULL. */
const char *tsr_kind_name(tsr_kind kind);

tsr_kind_class tsr_kind_class_of(tsr_kind kind);

/* Whether a picture of this kind can be decoded here, not only named. False for all that is no picture. */
bool tsr_kind_is_read(tsr_kind kind);

#ifdef __cplusplus
}
#endif
#endif
