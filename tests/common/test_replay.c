/* test_replay.c: see the header. */
#define _POSIX_C_SOURCE 200809L /* opendir */
#include "test_replay.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_tmp.h"

size_t test_replay(const char *dir, int (*one)(const uint8_t *data, size_t len))
{
    size_t n = 0;
    DIR *d = opendir(dir);
    if (!d) {
        perror(dir);
        exit(EXIT_FAILURE);
    }
    for (struct dirent *f; (f = readdir(d));) {
        size_t len;
        if (f->d_name[0] == '.')
            continue;
        unsigned char *bytes = test_read_file(test_path(dir, f->d_name), &len); /* one byte longer */
        unsigned char *exact = must_realloc(NULL, len);
        memcpy(exact, bytes, len);
        one(exact, len);
        free(exact);
        free(bytes);
        n++;
    }
    closedir(d);
    return n;
}
