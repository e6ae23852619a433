/* Native frames between the Python ones. */
#ifndef FLAME_MERGE_H
#define FLAME_MERGE_H

#include "python/frames.h"
#include "stacks/stack_table.h"

typedef struct native_stack native_stack;

typedef struct {
    bool guessed;    /* some caller was found without unwind information */
    bool incomplete; /* native frames are missing towards the root, or could not be placed */
} native_quality;

/* `places`: frames are identified by their instruction, not by their function. Freed with free(). */
native_stack *native_stack_new(bool places);
/* The merged stack, leaf first. */
uint32_t native_stack_depth(const native_stack *stack);
const uint32_t *native_stack_codes(const native_stack *stack);
/* Merges what walk_python() found with the native frames of the calling thread, interrupted at `context`. */
outcome merge_native(native_stack *stack, const python_stack *python, stack_table *table, const void *context,
                     native_quality *quality);

#endif
