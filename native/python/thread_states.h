/* Which Python frames belong to the calling thread. */
#ifndef FLAME_THREAD_STATES_H
#define FLAME_THREAD_STATES_H

#include "process/memory.h"
#include "python/layouts.h"

enum { MAX_STATES = 2 };
/* The calling thread's PyThreadStates that have frames, the innermost first: in a subinterpreter its own and its
 * caller's, otherwise one; none without Python. `sp` is where its live C stack begins. Async-signal-safe. */
uint32_t thread_states(const flame_layout *layout, const memory_reader *memory, uintptr_t sp,
                       uintptr_t states[MAX_STATES]);

#endif
