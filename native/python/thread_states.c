/* Which Python frames belong to the interrupted thread, which may be running in a subinterpreter. */
#define _GNU_SOURCE
#include <Python.h>
#include <stdbool.h>

#include "python/thread_states.h"

#if PY_VERSION_HEX >= 0x030D0000
#define CURRENT_STATE PyThreadState_GetUnchecked
#else
#define CURRENT_STATE _PyThreadState_UncheckedGet
#endif

static bool newest_cframe(const flame_layout *l, const memory_reader *memory, uintptr_t state, uintptr_t *cframe) {
    return read_memory(memory, state + l->tstate_cframe, cframe, sizeof *cframe);
}

/* CPython 3.11 has one current state per process, whichever thread runs with it, and it may be about to be freed. It
 * belongs to this thread if its eval loop runs on this thread's C stack, called from the eval loop of the thread's own
 * state. From 3.12 on the current state is thread-local. */
static bool runs_here(const flame_layout *l, const memory_reader *memory, uintptr_t current, uintptr_t own,
                      uintptr_t sp) {
    if (l->version != 0x030b) return true;
    uintptr_t inner, outer;
    return own && newest_cframe(l, memory, current, &inner) && newest_cframe(l, memory, own, &outer) && sp < inner &&
           inner < outer;
}

uint32_t thread_states(const flame_layout *l, const memory_reader *memory, uintptr_t sp, uintptr_t states[MAX_STATES]) {
    uint32_t count = 0;
    uintptr_t own = (uintptr_t)PyGILState_GetThisThreadState();
    if (PyInterpreterState_Head() != PyInterpreterState_Main()) { /* the head is the newest: there are others */
        uintptr_t current = (uintptr_t)CURRENT_STATE();
        if (current && current != own && runs_here(l, memory, current, own, sp)) states[count++] = current;
    }
    if (own) states[count++] = own;
    return count;
}
