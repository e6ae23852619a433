/* The part of the calling thread's stack that can be read directly. */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/uio.h>
#include <unistd.h>

#include "process/thread_local.h"
#include "unwind/stack_view.h"

enum { PAGE = 4096, PROBES = 64, MAX_READS = 512 };
static const uintptr_t FARTHEST_TOP = 1ul << 30;

/* What is known of this thread's own stack. */
static HANDLER_LOCAL struct {
    uintptr_t low, high;
} own_stack;

/* Whether every page of [low, high) can be read; both are page-aligned. */
static bool readable(uintptr_t low, uintptr_t high) {
    char bytes[PROBES];
    struct iovec local = {bytes, 0}, remote[PROBES];
    while (low < high) {
        size_t n = 0;
        for (; n < PROBES && low < high; n++, low += PAGE) remote[n] = (struct iovec){(void *)low, 1};
        local.iov_len = n;
        if (process_vm_readv(getpid(), &local, 1, remote, n, 0) != (ssize_t)n) return false;
    }
    return true;
}

/* C libraries put a thread's control block, which pthread_self() points to, at the top of its stack's mapping; the
 * kernel puts the program's name at the top of the first thread's stack. */
static uintptr_t top_above(uintptr_t sp) {
    uintptr_t block = (uintptr_t)pthread_self(), name = getauxval(AT_EXECFN);
    if (block > sp && block - sp < FARTHEST_TOP) return block;
    return name > sp && name - sp < FARTHEST_TOP ? name : 0;
}

static stack_view view_of(uintptr_t low, uintptr_t high) {
    return (stack_view){
        .memory = &own_memory, .bytes = (const char *)low, .low = low, .high = high, .reads_left = MAX_READS};
}

stack_view own_stack_view(uintptr_t sp) {
    uintptr_t page = sp & ~(uintptr_t)(PAGE - 1);
    if (sp < own_stack.low || sp >= own_stack.high) {
        uintptr_t top = top_above(sp);
        bool deeper = own_stack.high == top && sp < own_stack.low;
        /* A stack that is not the thread's own (sigaltstack, a coroutine library's) has a gap below the top. */
        if (!top || !readable(page, deeper ? own_stack.low : top & ~(uintptr_t)(PAGE - 1))) return view_of(0, 0);
        own_stack.low = page;
        own_stack.high = top;
    }
    return view_of(page, own_stack.high);
}

bool read_stack(stack_view *view, uintptr_t address, uintptr_t *value) {
    if (address >= view->low && address < view->high && view->high - address >= sizeof *value) {
        memcpy(value, view->bytes + (address - view->low), sizeof *value);
        return true;
    }
    if (!view->reads_left) return false;
    view->reads_left--;
    return read_memory(view->memory, address, value, sizeof *value);
}
