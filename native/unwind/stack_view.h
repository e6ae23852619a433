/* A thread's C stack, never read beyond what is mapped. */
#ifndef FLAME_STACK_VIEW_H
#define FLAME_STACK_VIEW_H

#include "process/memory.h"

typedef struct {
    const memory_reader *memory;
    const char *bytes; /* of [low, high): in place, or a copy */
    uintptr_t low, high;
    unsigned reads_left; /* outside it */
} stack_view;

/* Of the calling thread, whose live stack begins at `sp`. Async-signal-safe. */
stack_view own_stack_view(uintptr_t sp);
/* Reads directly inside the view, elsewhere through the reader; false if nothing is mapped, or after too many of the
 * latter. */
bool read_stack(stack_view *view, uintptr_t address, uintptr_t *value);

#endif
