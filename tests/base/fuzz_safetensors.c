/* fuzz_safetensors.c: any bytes as a weight file.
 *
 * With clang: -fsanitize=fuzzer,address,undefined together with tsr_base (target fuzz_safetensors,
 * present when TSR_FUZZ is on). Without it the test replays corpus_safetensors through the same code. */
#include "fuzz_safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "safetensors_internal.h"
#include "tsr_alloc.h"

typedef struct walk {
    size_t n, stop_at;
    unsigned sum;
} walk;

static tsr_status touch(void *user, const char *name, const tsr_view *v, tsr_error *err)
{
    walk *w = user;
    const unsigned char *p = v->data;
    if (w->n++ == w->stop_at)
        return tsr_fail(err, TSR_ERR_CANCELLED, "stopped at %s", name);
    if (v->n_bytes == 0 || v->n_elems == 0)
        abort();
    w->sum += p[0] + (unsigned)p[v->n_bytes - 1];
    return TSR_OK;
}

tsr_status fuzz_safetensors(const uint8_t *data, size_t len, size_t stop_at)
{
    walk w = {.stop_at = stop_at};
    tsr_error err = {0};
    size_t live = tsr_alloc_live();
    tsr_status st = tsri_safetensors_read((tsr_bytes){.data = data, .len = len}, "fuzz", touch, &w, &err);
    if (tsr_alloc_live() != live || (st != TSR_OK && st != TSR_ERR_MODEL && st != TSR_ERR_CANCELLED) || err.status != st)
        abort();
    return st;
}

/* The same bytes with a header length that fits, since few mutations hit one. */
static void with_fitting_header(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len);
    if (!copy)
        return;
    memcpy(copy, data, len);
    size_t header = (data[0] | (size_t)data[1] << 8) % (len - 8 + 1);
    for (int i = 0; i < 8; i++)
        copy[i] = (uint8_t)((uint64_t)header >> 8 * i);
    fuzz_safetensors(copy, len, SIZE_MAX);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_safetensors(data, len, SIZE_MAX);
    if (len > 8)
        with_fitting_header(data, len);
    return 0;
}
