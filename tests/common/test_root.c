/* test_root.c: see the header. */
#include "test_root.h"

#include <stddef.h>

#include "test_tmp.h"
#include "tsr_alloc.h"

char *test_root;

int test_root_make(void **state)
{
    (void)state;
    test_root = test_tmp_make();
    return 0;
}

int test_root_remove(void **state)
{
    (void)state;
    tsr_alloc_fail_at(0);
    test_tmp_remove(test_root);
    test_root = NULL;
    return 0;
}
