/* Where each version of CPython keeps what the walk reads. */
#ifndef FLAME_LAYOUTS_H
#define FLAME_LAYOUTS_H

#include <stdint.h>

#include "flame_sampler.h"

enum {
    FRAME_BYTES = 80,         /* the smallest interpreter frame */
    MAX_CODE_BYTES = 256,     /* the largest code object, without its instructions */
    DEBUG_OFFSETS_WORDS = 94, /* what is read from an interpreter's own table of offsets */
};

/* Like flame_read_layout(), for any interpreter. */
int read_layout(uint32_t version, const uint64_t *table, flame_layout *layout, char *error, uint32_t error_bytes);

#endif
