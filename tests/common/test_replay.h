/* test_replay.h: a fuzzer's corpus goes through its entry once more. */
#ifndef TEST_REPLAY_H
#define TEST_REPLAY_H

#include <stddef.h>
#include <stdint.h>

/* Call `one` with each file of the folder (but those that begin with a dot), in memory of exactly its length. Returns
 * how many there are. */
size_t test_replay(const char *dir, int (*one)(const uint8_t *data, size_t len));

#endif
