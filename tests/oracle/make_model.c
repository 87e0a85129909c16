/* make_model: write one of the tiny random-weight models. usage: make_model OUT_DIR NAME[-bf16] */
#include <stdio.h>

#include "hash_model.h"

int main(int argc, char **argv)
{
    tsr_error err = {TSR_OK, ""};
    if (argc != 3) {
        fprintf(stderr, "usage: make_model OUT_DIR e2b|e4b|31b|26b|12b|text[-bf16]\n");
        return 2;
    }
    if (oracle_model_write(argv[1], argv[2], &err) != TSR_OK) {
        fprintf(stderr, "make_model: %s\n", err.text);
        return 74;
    }
    return 0;
}
