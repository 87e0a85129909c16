/* fuzz_tokenizer.c: any bytes as a tokenizer.json, or as a GGUF file when they begin like one.
 *
 * With clang: -fsanitize=fuzzer,address,undefined (target fuzz_tokenizer, present when TSR_FUZZ is on).
 * Without it test_tokenizer feeds broken files to the same code. */
#include "fuzz_tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "gguf_internal.h"
#include "tokenizer_internal.h"
#include "tsr_alloc.h"

static void use(const tsr_tokenizer *t, const char *text, size_t len)
{
    for (int mode = TSR_ENCODE_PLAIN; mode <= TSR_ENCODE_CONTROL; mode++) {
        tsr_ids ids = {0};
        tsr_text out = {0};
        if (tsr_tokenizer_encode(t, text, len, (tsr_encode_mode)mode, &ids, NULL) != TSR_OK) abort();
        for (size_t i = 0; i < ids.n; i++) {
            if (ids.at[i] < 0 || (size_t)ids.at[i] >= tsr_tokenizer_count(t)) abort();
            if (mode == TSR_ENCODE_PLAIN && ids.at[i] != t->unk && tsr_tokenizer_is_control(t, ids.at[i])) abort();
        }
        if (tsr_tokenizer_decode(t, ids.at, ids.n, true, &out, NULL) != TSR_OK) abort();
        if (!tsr_utf8_valid(out.at, out.len)) abort();
        tsr_ids_deinit(&ids);
        tsr_text_deinit(&out);
    }
}

static tsr_status open_bytes(tsr_tokenizer **t, const uint8_t *data, size_t len, tsr_error *err)
{
    tsr_gguf *g;
    tsr_status st;
    if (len < 4 || memcmp(data, "GGUF", 4) != 0) return tsr_tokenizer_open_bytes(t, data, len, "fuzz", err);
    st = tsri_gguf_open_bytes(&g, (tsr_bytes){.data = data, .len = len}, "fuzz", err);
    if (st == TSR_OK) st = tsr_tokenizer_open_gguf(t, g, err);
    tsr_gguf_close(g);
    return st;
}

tsr_status fuzz_tokenizer(const uint8_t *data, size_t len)
{
    tsr_error err = {0};
    tsr_tokenizer *t = NULL;
    size_t live = tsr_alloc_live();
    tsr_status st = open_bytes(&t, data, len, &err);
    if (st == TSR_OK) {
        use(t, "a ab\n\n<eos> \xC3\xA9\xF0\x9F\x98\x80\xFF<|turn>", 27);
        use(t, (const char *)data, len < 512 ? len : 512);
    } else if (st != TSR_ERR_MODEL && st != TSR_ERR_UNSUPPORTED && st != TSR_ERR_LIMIT) {
        abort();
    }
    if (st != err.status) abort();
    tsr_tokenizer_close(t);
    if (tsr_alloc_live() != live) abort();
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_tokenizer(data, len);
    return 0;
}
