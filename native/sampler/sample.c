/* One sample of the calling thread: its frames are walked, merged, and counted in the tree of stacks. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <ucontext.h>

#include "python/thread_states.h"
#include "sampler/sampler.h"
#include "unwind/modules.h"

enum { SPINS = 1 << 10, YIELDS = 1 << 8 };
static const uintptr_t FARTHEST_STACK = 1ul << 30;

/* 0 if another handler was interrupted on the alternate signal stack (sigaltstack(2)): its address says nothing about
 * the thread's own stack. */
static uintptr_t stack_pointer(const void *context) {
    const ucontext_t *c = context;
#if defined __x86_64__
    uintptr_t sp = (uintptr_t)c->uc_mcontext.gregs[REG_RSP];
#elif defined __aarch64__
    uintptr_t sp = (uintptr_t)c->uc_mcontext.sp;
#else
#error "pytest-flame samples x86-64 and aarch64; other machines install the package without the sampler"
#endif
    return sp - (uintptr_t)c->uc_stack.ss_sp < c->uc_stack.ss_size ? 0 : sp;
}

/* How far the stack that contains `sp` is known to reach: a thread's control block lies above its stack, and what the
 * kernel passed to the program lies above the main thread's (getauxval(3)). `sp` itself if neither does. */
static uintptr_t stack_end(const flame_sampler *s, uintptr_t sp) {
    uintptr_t thread = (uintptr_t)__builtin_thread_pointer();
    if (thread > sp && thread - sp < FARTHEST_STACK) return thread;
    return s->main_stack_end > sp && s->main_stack_end - sp < FARTHEST_STACK ? s->main_stack_end : sp;
}

/* The holder is another thread's handler, which takes a few microseconds unless it was preempted. */
bool sampler_lock(flame_sampler *s) {
    for (int yields = 0; yields < YIELDS; yields++, sched_yield())
        for (int spins = 0; spins < SPINS; spins++)
            if (!atomic_flag_test_and_set_explicit(&s->lock, memory_order_acquire)) return true;
    return false;
}

void sampler_unlock(flame_sampler *s) { atomic_flag_clear_explicit(&s->lock, memory_order_release); }

/* The node of the walked stack; -1 if a table is full. */
static int64_t stack_node(flame_sampler *s) {
    const python_stack *stack = s->stack;
    const uint32_t *codes = s->native ? native_stack_codes(s->native) : stack->codes;
    uint32_t depth = s->native ? native_stack_depth(s->native) : stack->depth;
    stack_table *t = &s->table;
    int64_t node = stack->cut ? FLAME_ROOT_CUT : FLAME_ROOT_UNCUT;
    if (stack->truncated) node = table_child(t, (uint32_t)node, FLAME_CODE_TRUNCATED);
    return node < 0 ? node : table_path(t, (uint32_t)node, codes, depth);
}

static void count_sample(flame_sampler *s, outcome o, uint32_t node, uint64_t weight_ns) {
    switch (o) {
    case RECORDED:
        s->table.nodes[node].count++;
        s->table.nodes[node].weight_ns += weight_ns;
        table_count_line(&s->table, s->stack->line, 1, weight_ns);
        atomic_fetch_add(&s->taken, 1);
        atomic_fetch_add(&s->weight_ns, weight_ns);
        break;
    case UNWINDABLE: atomic_fetch_add(&s->unwindable, 1); break;
    case OVERFLOWED: atomic_fetch_add(&s->overflowed, 1); break;
    }
}

static void record(flame_sampler *s, const memory_reader *memory, const void *context, uint64_t weight_ns) {
    bool ring_counts = perf_has_rings(s);
    if (!sampler_lock(s)) {
        if (!ring_counts) atomic_fetch_add(&s->lost, 1); /* its ticks stay in the ring for the next sample */
        return;
    }
    outcome o = RECORDED;
    python_stack *stack = s->stack;
    python_stack_clear(stack);
    uintptr_t sp = stack_pointer(context), end = stack_end(s, sp), states[MAX_STATES];
    uint32_t count = thread_states(&s->interpreter.layout, memory, sp, states);
    for (uint32_t i = 0; i < count && o == RECORDED && !stack->cut && !stack->truncated; i++) {
        python_thread thread = {.state = states[i], .sp = sp, .stack_end = end};
        o = walk_python(&s->interpreter, memory, &thread, &s->table, stack);
    }
    if (o == RECORDED && !stack->depth && !stack->cut) stack->codes[stack->depth++] = FLAME_CODE_NATIVE_THREAD;
    native_quality quality = {false, false};
    if (o == RECORDED && s->native) o = merge_native(s->native, stack, &s->table, context, &quality);
    int64_t node = o == RECORDED ? stack_node(s) : 0;
    if (node < 0) o = OVERFLOWED;
    if (o == RECORDED && stack->truncated) atomic_fetch_add(&s->truncated, 1);
    if (o == RECORDED && quality.guessed) atomic_fetch_add(&s->guessed, 1);
    if (o == RECORDED && quality.incomplete) atomic_fetch_add(&s->incomplete, 1);
    if (ring_counts)
        kernel_frames_take(s, o, (uint32_t)node);
    else
        count_sample(s, o, (uint32_t)node, weight_ns);
    sampler_unlock(s);
}

void record_sample(flame_sampler *s, const void *context, uint64_t weight_ns) {
    record(s, &own_memory, context, weight_ns);
}

int flame_sample_here(flame_sampler *s) {
    ucontext_t here;
    memset(&here, 0, sizeof here);
#if defined __x86_64__
    greg_t *r = here.uc_mcontext.gregs;
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2"
                     : "=&r"(r[REG_RIP]), "=&r"(r[REG_RSP]), "=&r"(r[REG_RBP]));
#else
    here.uc_mcontext.sp = (uintptr_t)__builtin_frame_address(0);
#endif
    if (s->native && modules_refresh() != 0) return fail(s, ENOMEM, "no memory for unwind tables");
    uint64_t before = s->taken;
    record(s, &own_memory_copied, &here, 1); /* even a wrong layout does not crash */
    return s->taken == before + 1 ? 0 : fail(s, EFAULT, "the calling thread's own stack could not be read");
}
