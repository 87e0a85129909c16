/* exif.c: the one fact that we take from metadata, the orientation, read from untrusted EXIF (a TIFF
 * block) and XMP. What cannot be read counts as absent: a damaged note never costs the picture. */
#include <string.h>

#include "image_internal.h"

typedef struct tiff {
    const unsigned char *p;
    size_t n;
    bool big_endian;
} tiff;

enum { TAG_ORIENTATION = 0x0112, ENTRY_BYTES = 12 };

static unsigned u16_at(const tiff *t, size_t at)
{
    return t->big_endian ? tsri_be16(t->p + at) : tsri_le16(t->p + at);
}

static uint32_t u32_at(const tiff *t, size_t at)
{
    return t->big_endian ? tsri_be32(t->p + at) : tsri_le32(t->p + at);
}

/* The first value of an entry of integers: *value is 0 for all other types, and false comes back for
 * an entry without data. Values of more than 4 bytes in all stand elsewhere. */
static bool entry_value(const tiff *t, size_t at, uint32_t *value)
{
    enum { SHORT = 3, LONG = 4, SIGNED_SHORT = 8, SIGNED_LONG = 9 };
    unsigned type = u16_at(t, at + 2);
    bool is_short = type == SHORT || type == SIGNED_SHORT, is_long = type == LONG || type == SIGNED_LONG;
    size_t count = u32_at(t, at + 4), room = is_short ? 2 : 1, place = at + 8;
    *value = 0;
    if (count == 0 || count > t->n)
        return false;
    if (!is_short && !is_long)
        return true;
    if (count > room) {
        size_t n_bytes = count * (is_short ? 2 : 4);
        place = u32_at(t, at + 8);
        if (place > t->n || n_bytes > t->n - place)
            return false;
    }
    *value = is_short ? u16_at(t, place) : u32_at(t, place);
    return true;
}

static bool open_tiff(tiff *t, const unsigned char *data, size_t len)
{
    for (int k = 0; k < 2 && len >= 6 && memcmp(data, "Exif\0\0", 6) == 0; k++) {
        data += 6;
        len -= 6;
    }
    t->p = data;
    t->n = len;
    if (len < 8)
        return false;
    t->big_endian = memcmp(data, "MM\0*", 4) == 0;
    return t->big_endian || memcmp(data, "II*\0", 4) == 0;
}

unsigned tsri_exif_orientation(const unsigned char *data, size_t len)
{
    tiff t;
    unsigned found = 0;
    if (!open_tiff(&t, data, len))
        return 0;
    size_t at = u32_at(&t, 4);
    if (at > t.n || t.n - at < 2)
        return 0;
    size_t n_entries = u16_at(&t, at);
    at += 2;
    for (size_t i = 0; i < n_entries && t.n - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES) {
        if (u16_at(&t, at) != TAG_ORIENTATION)
            continue;
        uint32_t v;
        if (entry_value(&t, at, &v)) /* the last entry wins, as a dictionary would have it */
            found = v >= 1 && v <= 8 ? (unsigned)v : 1;
    }
    return found;
}

unsigned tsri_xmp_orientation(const unsigned char *data, size_t len)
{
    static const char key[] = "tiff:Orientation";
    const size_t n = sizeof key - 1;
    for (size_t i = 0; i + n < len; i++) {
        if (data[i] != 't' || memcmp(data + i, key, n) != 0)
            continue;
        size_t at = i + n;
        if (data[at] == '>')
            at += 1;
        else if (len - at >= 2 && data[at] == '=' && data[at + 1] == '"')
            at += 2;
        else
            continue;
        if (at < len && data[at] >= '0' && data[at] <= '9') {
            unsigned v = (unsigned)(data[at] - '0');
            return v >= 1 && v <= 8 ? v : 1;
        }
    }
    return 0;
}
