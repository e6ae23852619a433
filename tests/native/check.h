/* Shared by the unit tests of the C sources. A test is a program that ends with status 0, says what did not hold, or
 * ends with SKIPPED and says why. */
#ifndef FLAME_CHECK_H
#define FLAME_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SKIPPED = 77 };

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);                              \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* xorshift64 (Marsaglia 2003): the same numbers in every run. */
static inline uint64_t draw(uint64_t *state) {
    uint64_t x = *state;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return *state = x;
}

#endif
