/* Interrupts the program many times a second and walks its native stack three ways at the same instruction: with the
 * sampler's tables, with libgcc's _Unwind_Backtrace() and, where it is installed, with libunwind. Counts what agrees.
 * Built by unwind_truth.py together with native/{memory,modules,eh_frame,dwarf_expression,unwind}.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>
#ifdef WITH_LIBUNWIND
#define UNW_LOCAL_ONLY
#include <libunwind.h>
#endif

#include "../../native/native_frames.h"

enum { MAX_SAMPLES = 200000, KEPT_DIFFERENCES = 16, KEPT_FRAMES = 256 };

typedef struct {
    uint32_t depth;
    uintptr_t pcs[MAX_NATIVE_DEPTH];
} chain;

typedef struct {
    uint64_t samples, at_root, broke_off, guessed, frames;
    uint64_t like_libgcc, like_libunwind, libgcc_at_root, libunwind_at_root;
    uint64_t differences;
} witness_counts;

static witness_counts counts;
static uint32_t times_ns[3][MAX_SAMPLES]; /* of ours, libgcc's, libunwind's walk */
static uintptr_t kept[KEPT_DIFFERENCES][2][KEPT_FRAMES];
static unwinder ours;
static chain libgcc, libunwind;
static timer_t timer;
static bool skip_libraries;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

typedef struct {
    chain *into;
    uintptr_t interrupted;
    bool seen;
} libgcc_state;

static _Unwind_Reason_Code one_frame(struct _Unwind_Context *context, void *data) {
    libgcc_state *state = data;
    int before;
    uintptr_t pc = _Unwind_GetIPInfo(context, &before);
    if (!state->seen && !(before && pc == state->interrupted)) return _URC_NO_REASON;
    state->seen = true;
    if (state->into->depth == MAX_NATIVE_DEPTH) return _URC_END_OF_STACK;
    if (pc) state->into->pcs[state->into->depth++] = pc;
    return _URC_NO_REASON;
}

static void walk_libgcc(const ucontext_t *context) {
    libgcc.depth = 0;
    libgcc_state state = {&libgcc, (uintptr_t)context->uc_mcontext.gregs[REG_RIP], false};
    _Unwind_Backtrace(one_frame, &state);
}

static void walk_libunwind(ucontext_t *context) {
    libunwind.depth = 0;
#ifdef WITH_LIBUNWIND
    unw_cursor_t cursor;
    unw_word_t pc;
    if (unw_init_local2(&cursor, context, UNW_INIT_SIGNAL_FRAME) != 0) return;
    do {
        if (libunwind.depth == MAX_NATIVE_DEPTH || unw_get_reg(&cursor, UNW_REG_IP, &pc) != 0 || !pc) return;
        libunwind.pcs[libunwind.depth++] = pc;
    } while (unw_step(&cursor) > 0);
#else
    (void)context;
#endif
}

static bool same(const chain *theirs) {
    if (theirs->depth != ours.depth) return false;
    for (uint32_t i = 0; i < ours.depth; i++)
        if (theirs->pcs[i] != ours.frames[i].pc) return false;
    return true;
}

static void keep_difference(void) {
    uint32_t n = (uint32_t)counts.differences++;
    if (n >= KEPT_DIFFERENCES) return;
    for (uint32_t i = 0; i < KEPT_FRAMES - 1; i++) {
        kept[n][0][i] = i < ours.depth ? ours.frames[i].pc : 0;
        kept[n][1][i] = i < libgcc.depth ? libgcc.pcs[i] : 0;
    }
}

/* Where a library's walk ends says whether it went the whole way: at the frame below which there is none. */
static uintptr_t outermost;

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    int saved_errno = errno;
    const module_map *map = modules_enter();
    if (counts.samples < MAX_SAMPLES && map) {
        uint64_t start = now_ns();
        registers r = registers_of(context);
        walk_end end = walk_native(&ours, map, &r, NULL, 0, false);
        uint64_t between = now_ns();
        bool guessed = false;
        for (uint32_t i = 0; i < ours.depth; i++) guessed |= ours.frames[i].guessed;
        counts.at_root += end == REACHED_ROOT;
        counts.broke_off += end == BROKE_OFF;
        counts.guessed += guessed;
        counts.frames += ours.depth;
        times_ns[0][counts.samples] = (uint32_t)(between - start);
        if (end == REACHED_ROOT) outermost = ours.frames[ours.depth - 1].pc;
        if (!skip_libraries) {
            uint64_t began = now_ns();
            walk_libgcc(context);
            between = now_ns();
            walk_libunwind(context);
            times_ns[1][counts.samples] = (uint32_t)(between - began);
            times_ns[2][counts.samples] = (uint32_t)(now_ns() - between);
            counts.libgcc_at_root += libgcc.depth && libgcc.pcs[libgcc.depth - 1] == outermost;
            counts.libunwind_at_root += libunwind.depth && libunwind.pcs[libunwind.depth - 1] == outermost;
            bool like_libgcc = same(&libgcc), like_libunwind = same(&libunwind);
            counts.like_libgcc += like_libgcc;
            counts.like_libunwind += like_libunwind;
            if (!like_libgcc && !like_libunwind) keep_difference();
        }
        counts.samples++;
    }
    modules_leave();
    errno = saved_errno;
}

/* Interrupts the calling thread; `libraries` 0 leaves the two libraries out. 0 or -errno. */
int witness_start(uint64_t period_ns, int libraries) {
    int result = modules_refresh();
    if (result) return result;
    memset(&counts, 0, sizeof counts);
    skip_libraries = !libraries;
    _Unwind_Backtrace(one_frame, &(libgcc_state){&libgcc, 0, false}); /* its own initialisation allocates */
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    int number = SIGRTMIN + 5;
    if (sigaction(number, &action, NULL) != 0) return -errno;
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = number;
    event._sigev_un._tid = (int)syscall(SYS_gettid);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return -errno;
    struct timespec period = {.tv_sec = 0, .tv_nsec = (long)period_ns};
    struct itimerspec spec = {period, period};
    return timer_settime(timer, 0, &spec, NULL) == 0 ? 0 : -errno;
}

int witness_stop(void) { return timer_delete(timer) == 0 ? 0 : -errno; }

witness_counts witness_get(void) { return counts; }

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Median time of a walk, nanoseconds; `which` 0: ours, 1: libgcc's, 2: libunwind's. */
uint32_t witness_median_ns(int which) {
    if (!counts.samples) return 0;
    qsort(times_ns[which], counts.samples, sizeof times_ns[which][0], by_size);
    return times_ns[which][counts.samples / 2];
}

/* Return addresses of a stack that neither library agreed with, leaf first, 0 behind the last. */
const uintptr_t *witness_difference(uint32_t index, int side) {
    return index < counts.differences && index < KEPT_DIFFERENCES ? kept[index][side] : NULL;
}
