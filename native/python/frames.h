/* The Python frames of a thread, of this process or another. */
#ifndef FLAME_FRAMES_H
#define FLAME_FRAMES_H

#include "process/memory.h"
#include "python/layouts.h"
#include "stacks/stack_table.h"

enum { MAX_DEPTH = 4096, MAX_STOPS = 4 };

/* Whose stacks are walked, and where they end. */
typedef struct {
    flame_layout layout;
    uintptr_t code_type; /* the address of PyCode_Type there */
    uintptr_t stops[MAX_STOPS];
    uint32_t stop_count;
    bool stop_anchored; /* also find the anchor of a cut stack's last segment */
} python_interpreter;

typedef struct {
    uintptr_t state;     /* its PyThreadState */
    uintptr_t sp;        /* bounds its live C stack from below; 0 if not known */
    uintptr_t stack_end; /* from `sp` up to here the C stack is known to be mapped */
} python_thread;

/* One run of the eval loop: codes[first] up to the next segment's first, none if its only frame is still being set up.
 * `anchor` is an address inside the loop's own frame on the C stack; 0 if not known. */
typedef struct {
    uintptr_t anchor;
    uint32_t first;
} python_segment;

/* Leaf first. If the stack is cut, the last segment is the one that contains the stop; from 3.13 on its anchor is found
 * only with `stop_anchored`. */
typedef struct {
    uint32_t depth, segment_count;
    bool cut, truncated;
    int64_t line; /* of the leaf, in the table; -1 if not known */
    uint32_t codes[MAX_DEPTH];
    python_segment segments[MAX_DEPTH];
} python_stack;

/* An empty stack. */
void python_stack_clear(python_stack *stack);
/* Adds the thread's frames to `stack`, their functions to `table`. Async-signal-safe. */
outcome walk_python(const python_interpreter *interpreter, const memory_reader *memory, const python_thread *thread,
                    stack_table *table, python_stack *stack);

#endif
