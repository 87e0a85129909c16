/* stream_fixture.h: files of fixtures_streams/ and sounds made on the spot, for the tests of sound, film
 * and pages. What goes wrong here fails the test. */
#ifndef STREAM_FIXTURE_H
#define STREAM_FIXTURE_H

#include <stdint.h>
#include <stdio.h>

#include "test_main.h"
#include "test_tmp.h"
#include "tsr_alloc.h"
#include "tsr_source.h"

/* The fixture's path, in a static buffer that lives until the fourth call after this one. */
static inline const char *fixture_path(const char *name)
{
    return test_path(TSR_TEST_DIR "/fixtures_streams", name);
}

static inline tsr_source *open_fixture(const char *name)
{
    tsr_source *s;
    tsr_error e = {0};
    if (tsr_source_open(&s, fixture_path(name), 1 << 20, &e) != TSR_OK)
        fail_msg("%s", e.text);
    return s;
}

static inline tsr_source *open_bytes(const void *data, size_t len, const char *name)
{
    tsr_source *s;
    assert_int_equal(tsr_source_open_memory(&s, data, len, name, NULL), TSR_OK);
    return s;
}

static inline void put_le(unsigned char *p, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

/* A WAV file around n_bytes of samples, which the caller has put behind the first WAV_HEAD bytes of p. */
enum { WAV_HEAD = 44 };
static inline void put_wav_head(unsigned char *p, unsigned format, unsigned channels, unsigned rate, unsigned bits,
                                size_t n_bytes)
{
    unsigned frame = channels * bits / 8;
    memcpy(p, "RIFF....WAVEfmt \x10\0\0\0", 20);
    put_le(p + 4, (uint32_t)(n_bytes + 36), 4);
    put_le(p + 20, format, 2);
    put_le(p + 22, channels, 2);
    put_le(p + 24, rate, 4);
    put_le(p + 28, rate * frame, 4);
    put_le(p + 32, frame, 2);
    put_le(p + 34, bits, 2);
    memcpy(p + 36, "data", 4);
    put_le(p + 40, (uint32_t)n_bytes, 4);
}

#endif
