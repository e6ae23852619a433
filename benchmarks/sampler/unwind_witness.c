/* Interrupts the program many times a second and walks its native stack three ways at the same instruction: with the
 * sampler's tables, with libgcc's _Unwind_Backtrace() and, where it is installed, with libunwind. Counts what agrees. A
 * guessed caller is verified: the word that was guessed to be the return address is replaced by a stub's address, and
 * the function must return there. Built by unwind_truth.py together with native/unwind/. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
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

#include "flame_sampler.h"
#include "unwind/unwind.h"

enum { MAX_SAMPLES = 200000, KEPT_DIFFERENCES = 16, KEPT_FRAMES = 256 };

typedef struct {
    uint32_t depth;
    uintptr_t pcs[MAX_NATIVE_DEPTH];
} chain;

typedef struct {
    uint64_t samples, at_root, broke_off, guessed, frames;
    uint64_t like_libgcc, like_libunwind, libgcc_at_root, libunwind_at_root;
    uint64_t differences;     /* of the stacks without a guess, those that match neither library's */
    uint64_t proven, refuted; /* guesses that were verified */
} witness_counts;

static witness_counts counts;
static uint32_t times_ns[3][MAX_SAMPLES]; /* of ours, libgcc's, libunwind's walk */
static uintptr_t kept[KEPT_DIFFERENCES][2][KEPT_FRAMES];
static unwinder ours;
static chain libgcc, libunwind;
static timer_t timer;
static struct sigaction previous;
static bool prove;

/* --- verifying a guess --- */

__attribute__((visibility("hidden"))) uintptr_t proof_original, proof_returned;
static uintptr_t proof_slot; /* 0: no proof is in progress */

__attribute__((visibility("hidden"))) void proof_stub(void), proof_stub_end(void);
__asm__(".text\n"
        "proof_stub:\n" /* entered by a return instruction: every register may hold a result */
        "    subq $8, %rsp\n"
        "    pushq %rax\n"
        "    movq proof_original(%rip), %rax\n"
        "    movq %rax, 8(%rsp)\n"
        "    leaq 8(%rsp), %rax\n"
        "    movq %rax, proof_returned(%rip)\n"
        "    popq %rax\n"
        "    ret\n"
        "proof_stub_end:\n");

/* Whether a proof is in progress: nothing can unwind past the stub. */
static bool follow_proof(const registers *r) {
    if (!proof_slot) return false;
    bool returning = r->value[PC] >= (uintptr_t)proof_stub && r->value[PC] < (uintptr_t)proof_stub_end;
    if (proof_returned) {
        counts.proven += proof_returned == proof_slot;
        counts.refuted += proof_returned != proof_slot;
    } else if (!returning && r->value[SP] > proof_slot) {
        counts.refuted++; /* the stack was unwound past it */
    } else {
        return true;
    }
    proof_slot = proof_returned = 0;
    return returning;
}

static void begin_proof(void) {
    for (uint32_t i = 0; i < ours.depth; i++) {
        if (!ours.frames[i].guessed) continue;
        uintptr_t *slot = (uintptr_t *)ours.frames[i].cfa - 1;
        proof_original = *slot;
        proof_slot = (uintptr_t)slot;
        *slot = (uintptr_t)proof_stub;
        return;
    }
}

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

/* Where a library's walk ends shows whether it is complete: it is if it ends at the outermost frame. */
static uintptr_t outermost;

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    int saved_errno = errno;
    const module_map *map = modules_enter();
    registers r = registers_of(context);
    if (counts.samples < MAX_SAMPLES && map && !follow_proof(&r)) {
        uint64_t start = now_ns();
        walk_end end = walk_native(&ours, map, &r, own_stack_view(r.value[SP]), NULL, 0, false);
        uint64_t between = now_ns();
        bool guessed = false;
        for (uint32_t i = 0; i < ours.depth; i++) guessed |= ours.frames[i].guessed;
        counts.at_root += end == REACHED_ROOT;
        counts.broke_off += end == BROKE_OFF;
        counts.guessed += guessed;
        counts.frames += ours.depth;
        times_ns[0][counts.samples] = (uint32_t)(between - start);
        if (end == REACHED_ROOT) outermost = ours.frames[ours.depth - 1].pc;
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
        if (!guessed && !like_libgcc && !like_libunwind) keep_difference();
        if (guessed && prove) begin_proof();
        counts.samples++;
    }
    modules_leave();
    errno = saved_errno;
}

/* Interrupts the calling thread; `proofs`: verify guesses. 0 or -errno. */
int witness_start(uint64_t period_ns, int proofs) {
    int result = modules_refresh();
    if (result) return result;
    memset(&counts, 0, sizeof counts);
    prove = proofs;
    _Unwind_Backtrace(one_frame, &(libgcc_state){&libgcc, 0, false}); /* its own initialisation allocates */
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    int number = SIGRTMIN + 5;
    if (sigaction(number, &action, &previous) != 0) return -errno;
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

/* Undoes what is left of a proof: the calling thread's stack is then as the program made it. */
int witness_stop(void) {
    int result = timer_delete(timer) == 0 && sigaction(SIGRTMIN + 5, &previous, NULL) == 0 ? 0 : -errno;
    if (proof_slot && proof_returned) counts.proven += proof_returned == proof_slot;
    proof_slot = proof_returned = 0;
    return result;
}

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

/* Return addresses of such a stack, leaf first, 0 after the last. */
const uintptr_t *witness_difference(uint32_t index, int side) {
    return index < counts.differences && index < KEPT_DIFFERENCES ? kept[index][side] : NULL;
}

/* --- tables, for tests --- */

typedef struct {
    int kind, fp_slot, cfa_offset; /* row_kind, and what its short rule holds */
    uint64_t start, function;      /* of the row, of the function */
} witness_rule;

/* What the tables say about an address; kind -1: in no module. */
witness_rule witness_rule_at(uint64_t address) {
    witness_rule rule = {.kind = -1};
    const module_map *map = modules_enter();
    const text_range *range = map ? find_range(map, address) : NULL;
    const unwind_row *row = range ? find_row(range->table, address) : NULL;
    if (row) {
        rule.kind = (int)(row->rule & ROW_KIND_BITS);
        rule.fp_slot = (int)(row->rule >> ROW_FP_SHIFT & ROW_FP_BITS);
        rule.cfa_offset = (int32_t)row->rule >> ROW_OFFSET_SHIFT;
        rule.start = range->table->base + row->start;
        rule.function = function_start(range->table, row);
    }
    modules_leave();
    return rule;
}

/* Makes every frame that is measured from the stack pointer longer by `bytes`: an error that a test must notice. */
void witness_disturb(int bytes) {
    const module_map *map = modules_enter();
    for (uint32_t i = 0; map && i < map->range_count; i++) {
        const unwind_table *t = map->ranges[i].table;
        for (uint32_t j = 0; j < t->row_count; j++)
            if ((t->rows[j].rule & ROW_KIND_BITS) == ROW_FROM_SP)
                t->rows[j].rule += (uint32_t)bytes << ROW_OFFSET_SHIFT;
    }
    modules_leave();
    memset(ours.known, 0, sizeof ours.known);
}
