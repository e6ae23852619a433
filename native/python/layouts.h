/* Where each version of CPython keeps what the walk reads. */
#ifndef FLAME_LAYOUTS_H
#define FLAME_LAYOUTS_H

#include <stdint.h>

#include "flame_sampler.h"

enum {
    FRAME_BYTES = 80,         /* the least an interpreter frame has */
    MAX_CODE_BYTES = 256,     /* the most a code object has before its instructions */
    DEBUG_OFFSETS_WORDS = 94, /* what is read of an interpreter's own table of offsets */
};

/* As flame_read_layout(), of any interpreter. */
int read_layout(uint32_t version, const uint64_t *table, flame_layout *layout, char *error, uint32_t error_bytes);

#endif
