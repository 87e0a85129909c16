/* fuzz_image.c: the picture decoders as a fuzzer drives them. The normal tests replay the fixtures and
 * mutations of them through this entry; a fuzzer links it as it is. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "tsr_image.h"
#include "tsr_kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const tsr_image_limits limits = {4096, 1 << 20};
    tsr_image img, small;
    tsr_error err;
    tsr_error_clear(&err);
    tsr_status st = tsr_image_decode(&img, data, len, "fuzz", &limits, &err);
    if (st == TSR_OK) {
        if (!img.rgb || img.width == 0 || img.height == 0 || img.width * img.height > limits.max_pixels)
            abort();
        if (tsr_image_resize(&small, &img, 48, 48, NULL) == TSR_OK)
            tsr_image_deinit(&small);
        tsr_image_deinit(&img);
    } else if (img.rgb || err.status != st || err.text[0] == '\0') {
        abort();
    }
    return 0;
}
