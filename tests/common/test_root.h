/* test_root.h: the folder of a test program's own, for cmocka's set-up and tear-down of a test or of all. */
#ifndef TEST_ROOT_H
#define TEST_ROOT_H

extern char *test_root; /* NULL outside of set-up and tear-down */

int test_root_make(void **state);
int test_root_remove(void **state); /* and no allocation is to fail any more: a failed assertion leaves that armed */

#endif
