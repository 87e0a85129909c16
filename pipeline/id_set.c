/* id_set.c: SipHash and a table with open addresses, at most three quarters full. */
#include "id_set.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "tsr_alloc.h"

/* ---- SipHash-2-4-128 (Aumasson, Bernstein: "SipHash: a fast short-input PRF") ---- */

static uint64_t turn(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = turn(v[1], 13) ^ v[0];
    v[0] = turn(v[0], 32);
    v[2] += v[3];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = turn(v[1], 17) ^ v[2];
    v[2] = turn(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

static uint64_t sip_end(uint64_t v[4])
{
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t little_endian(const unsigned char *p, size_t n)
{
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)p[i] << 8 * i;
    return word;
}

void tsri_siphash(uint64_t out[2], const uint64_t key[2], const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du ^ 0xeeu, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
    size_t i = 0;
    for (; len - i >= 8; i += 8)
        sip_word(v, little_endian(p + i, 8));
    sip_word(v, (len - i ? little_endian(p + i, len - i) : 0) | (uint64_t)len << 56);
    v[2] ^= 0xeeu;
    out[0] = sip_end(v);
    v[1] ^= 0xddu;
    out[1] = sip_end(v);
}

/* ---- the set ---- */

tsri_id_set tsri_id_set_begin(void)
{
    tsri_id_set s = {.cap = 0};
    if (getrandom(s.key, sizeof s.key, 0) != (ssize_t)sizeof s.key) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        s.key[0] = (uint64_t)t.tv_nsec * 0x9e3779b97f4a7c15u;
        s.key[1] = (uint64_t)t.tv_sec;
    }
    return s;
}

void tsri_id_set_deinit(tsri_id_set *s)
{
    tsr_free(s->slots);
    *s = (tsri_id_set){.cap = 0};
}

/* The slot that holds the hash, or the empty one where it would stand. cap > n. */
static tsri_id_slot *slot_of(tsri_id_slot *slots, size_t cap, const uint64_t hash[2])
{
    size_t i = (size_t)hash[0] & (cap - 1);
    while (slots[i].line && (slots[i].hash[0] != hash[0] || slots[i].hash[1] != hash[1]))
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

size_t tsri_id_set_find(const tsri_id_set *s, const void *id, size_t len)
{
    uint64_t hash[2];
    if (s->cap == 0)
        return 0;
    tsri_siphash(hash, s->key, id, len);
    return (size_t)slot_of(s->slots, s->cap, hash)->line;
}

static tsr_status grow(tsri_id_set *s, tsr_error *err)
{
    size_t cap = s->cap ? 2 * s->cap : 256;
    tsri_id_slot *slots = tsr_calloc(cap, sizeof *slots);
    if (!slots)
        return tsr_fail(err, TSR_ERR_NOMEM, "out of memory: %zu ids", s->n + 1);
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i].line)
            *slot_of(slots, cap, s->slots[i].hash) = s->slots[i];
    tsr_free(s->slots);
    s->slots = slots;
    s->cap = cap;
    return TSR_OK;
}

tsr_status tsri_id_set_add(tsri_id_set *s, const void *id, size_t len, size_t line, size_t *other, tsr_error *err)
{
    uint64_t hash[2];
    tsr_status st = s->n + 1 > s->cap / 4 * 3 ? grow(s, err) : TSR_OK;
    *other = 0;
    if (st != TSR_OK)
        return st;
    tsri_siphash(hash, s->key, id, len);
    tsri_id_slot *slot = slot_of(s->slots, s->cap, hash);
    *other = (size_t)slot->line;
    if (slot->line)
        return TSR_OK;
    *slot = (tsri_id_slot){{hash[0], hash[1]}, line};
    s->n++;
    return TSR_OK;
}
