/* Life cycle of a sampler and the signal handler. */
#define _GNU_SOURCE
#include <Python.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "internal.h"

#define TIMER_SIGNAL (SIGRTMAX - 3)
enum {
    TRAP_PERF_CODE = 6,
    TRAP_PERF_ASYNC = 1,
    SPINS = 1 << 10,
    YIELDS = 1 << 8,
    UNITS_PER_NS = 3,
    READ_EVERY = 16,
    JUST_SLOW = 1
};

/* The one thing a signal handler cannot be handed: which sampler is started in this process. */
static _Atomic(flame_sampler *) active;
/* Handlers that are inside; flame_stop() waits for them before anything is taken away. */
static atomic_int inside;
/* What SIGTRAP and the timer rung's signal did before: a handler that had to stay still passes them on. */
static struct sigaction previous_trap, previous_timer;
/* Of all samplers of the process: a tick or a thread's memory of one must never be taken for another's. */
static atomic_uint generations, regions;

/* When this thread's next tick is due on its CPU clock. initial-exec: the first touch in a handler must not
 * allocate. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
    uint32_t region;
    unsigned unread; /* ticks since the clock was read */
    uint64_t due_ns;
    uint64_t cpu_ns, wall_ns; /* when it was read */
    int64_t left_ns;          /* at the end of the last region */
} next_tick;
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
    uint32_t generation;
    unsigned rest;
    uint64_t slow_ns; /* see record_paced() */
    uint64_t left_out;
} pace;

/* 0 where another handler was interrupted on the alternate signal stack (sigaltstack(2)): its address says nothing of
 * where the thread's own stack has got to. */
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

/* The node of the stack that was walked, or -1: a table is full. */
static int64_t stack_node(flame_sampler *s) {
    const python_stack *stack = s->stack;
    const uint32_t *codes = s->native ? native_stack_codes(s->native) : stack->codes;
    uint32_t depth = s->native ? native_stack_depth(s->native) : stack->depth;
    stack_table *t = &s->table;
    int64_t node = stack->cut ? FLAME_ROOT_CUT : FLAME_ROOT_UNCUT;
    if (stack->truncated) node = table_child(t, (uint32_t)node, FLAME_CODE_TRUNCATED);
    return node < 0 ? node : table_path(t, (uint32_t)node, codes, depth);
}

/* The holder is another thread's handler: a few microseconds, unless it was preempted. */
static bool lock(flame_sampler *s) {
    for (int yields = 0; yields < YIELDS; yields++, sched_yield())
        for (int spins = 0; spins < SPINS; spins++)
            if (!atomic_flag_test_and_set_explicit(&s->lock, memory_order_acquire)) return true;
    return false;
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

void record_sample(flame_sampler *s, const void *context, uint64_t weight_ns) {
    bool ring_counts = perf_has_rings(s);
    if (!lock(s)) {
        if (!ring_counts) atomic_fetch_add(&s->lost, 1); /* its ticks stay in the ring for the next sample */
        return;
    }
    outcome o = RECORDED;
    python_stack *stack = s->stack;
    stack->depth = stack->segment_count = 0;
    stack->cut = stack->truncated = false;
    stack->line = -1;
    uintptr_t sp = stack_pointer(context), states[MAX_STATES];
    uint32_t count = thread_states(s, sp, states);
    for (uint32_t i = 0; i < count && o == RECORDED && !stack->cut && !stack->truncated; i++)
        o = walk_python(s, states[i], sp);
    if (o == RECORDED && !stack->depth && !stack->cut) stack->codes[stack->depth++] = FLAME_CODE_NATIVE_THREAD;
    native_quality quality = {false, false};
    if (o == RECORDED && s->native) o = merge_native(s, context, &quality);
    int64_t node = o == RECORDED ? stack_node(s) : 0;
    if (node < 0) o = OVERFLOWED;
    if (o == RECORDED && stack->truncated) atomic_fetch_add(&s->truncated, 1);
    if (o == RECORDED && quality.guessed) atomic_fetch_add(&s->guessed, 1);
    if (o == RECORDED && quality.incomplete) atomic_fetch_add(&s->incomplete, 1);
    if (ring_counts)
        kernel_frames_take(s, o, (uint32_t)node);
    else
        count_sample(s, o, (uint32_t)node, weight_ns);
    atomic_flag_clear_explicit(&s->lock, memory_order_release);
}

/* Near enough to keep the asked rate. */
static uint64_t units_per_ns(const flame_sampler *s) { return s->event == FLAME_TASK_CLOCK ? 1 : UNITS_PER_NS; }

static bool ticks_in_kernel(const flame_sampler *s) {
    return s->rung == FLAME_PERF && s->kernel_part == FLAME_KERNEL_TIME && s->event == FLAME_TASK_CLOCK;
}

static void read_cpu_clock(uint64_t wall_ns) {
    next_tick.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    next_tick.wall_ns = wall_ns;
    next_tick.unread = 0;
}

/* A tick inside the kernel is delivered on the way out, and those of one long system call arrive as one: the
 * thread's CPU clock tells how many this sample stands for. Reading it is a system call, more expensive than walking
 * the stack; it is left out while even a thread that never paused since the last reading would be due no second tick.
 * The ticks' own clock runs slightly apart from it (interrupts, stolen time). No tick comes early, so an early one
 * sets the reckoning right at once; a late one, which is mostly late for good reason, only pulls at it. */
static uint64_t ticks_until_now(const flame_sampler *s, uint64_t wall_ns) {
    if (!ticks_in_kernel(s)) return 1;
    if (next_tick.region == s->region && ++next_tick.unread < READ_EVERY &&
        next_tick.cpu_ns + (wall_ns - next_tick.wall_ns) < next_tick.due_ns + s->period) {
        next_tick.due_ns += s->period;
        return 1;
    }
    read_cpu_clock(wall_ns);
    uint64_t now = next_tick.cpu_ns, ticks = 1;
    if (next_tick.region != s->region || now < next_tick.due_ns) {
        next_tick.region = s->region;
        next_tick.due_ns = now + s->period;
    } else {
        uint64_t behind = now - next_tick.due_ns;
        ticks += behind / s->period;
        next_tick.due_ns += ticks * s->period + behind % s->period / 8;
    }
    return ticks;
}

/* Only for the thread that calls flame_resume() and flame_pause(); the others start again in each region. */
static void reckon_from_here(const flame_sampler *s) {
    next_tick.region = s->region;
    int64_t period = (int64_t)s->period, left = next_tick.left_ns;
    if (left < -period || left > period) left = period; /* flame_start() was called by another thread */
    read_cpu_clock(clock_ns(CLOCK_MONOTONIC));
    next_tick.due_ns = next_tick.cpu_ns + (uint64_t)left;
}

static void reckon_until_here(const flame_sampler *s) {
    int64_t left = (int64_t)(next_tick.due_ns - clock_ns(CLOCK_THREAD_CPUTIME_ID));
    next_tick.left_ns = next_tick.region == s->region ? left : (int64_t)s->period;
}

static unsigned ticks_to_rest(const flame_sampler *s, uint64_t took_ns) {
    uint64_t period_ns = s->period / units_per_ns(s);
    return took_ns < period_ns / 4 ? 0 : (unsigned)(4 * took_ns / period_ns);
}

static void leave_out(flame_sampler *s) {
    if (!lock(s)) return;
    kernel_frames_leave_out(s);
    atomic_flag_clear_explicit(&s->lock, memory_order_release);
}

unsigned record_paced(flame_sampler *s, const void *context, uint64_t weight_ns, uint64_t wall_ns, uint64_t *slow_ns) {
    bool timed = *slow_ns;
    uint64_t began = timed ? clock_ns(CLOCK_THREAD_CPUTIME_ID) : wall_ns;
    record_sample(s, context, weight_ns);
    uint64_t took = clock_ns(timed ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC) - began;
    unsigned rest = timed ? ticks_to_rest(s, took < *slow_ns ? took : *slow_ns) : 0;
    *slow_ns = !ticks_to_rest(s, took) ? 0 : timed ? took : JUST_SLOW;
    return rest;
}

static void take_tick(flame_sampler *s, const void *context, bool held_back) {
    uint64_t wall_ns = clock_ns(CLOCK_MONOTONIC), ticks = ticks_until_now(s, wall_ns);
    if (pace.generation != s->generation) {
        pace.generation = s->generation;
        pace.rest = 0;
        pace.slow_ns = 0;
        pace.left_out = 0;
    }
    bool ring_counts = perf_has_rings(s);
    if (pace.rest) {
        pace.rest--;
        pace.left_out += ticks;
        if (ring_counts) leave_out(s);
        return;
    }
    if (ring_counts && held_back) leave_out(s);
    ticks += pace.left_out;
    pace.left_out = 0;
    if (!ring_counts) atomic_fetch_add(&s->late, ticks - 1);
    pace.rest = record_paced(s, context, ticks * s->period, wall_ns, &pace.slow_ns);
}

/* What C libraries do not name yet: it follows si_addr (asm-generic/siginfo.h). */
typedef struct {
    uint64_t data;
    uint32_t type, flags; /* TRAP_PERF_FLAG_ASYNC: the thread had blocked the signal */
} perf_siginfo;

static perf_siginfo perf_info(const siginfo_t *info) {
    perf_siginfo perf;
    memcpy(&perf, (const char *)&info->si_addr + sizeof(void *), sizeof perf);
    return perf;
}

static struct sigaction *previous_of(int number) { return number == SIGTRAP ? &previous_trap : &previous_timer; }

static void chain(int number, siginfo_t *info, void *context) {
    const struct sigaction *previous = previous_of(number);
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(number, info, context);
    } else if (previous->sa_handler == SIG_DFL) {
        sigaction(number, previous, NULL);
        raise(number);
    } else if (previous->sa_handler != SIG_IGN) {
        previous->sa_handler(number);
    }
}

static void on_signal(int number, siginfo_t *info, void *context) {
    int saved_errno = errno;
    atomic_fetch_add(&inside, 1);
    flame_sampler *s = atomic_load(&active);
    bool ours;
    if (number == SIGTRAP) {
        perf_siginfo perf = perf_info(info);
        bool young = perf.data >> 32 == YOUNG_MARK;
        ours = info->si_code == TRAP_PERF_CODE && (young || perf.data >> 32 == PERF_MARK);
        if (s && ours && s->rung == FLAME_PERF && (uint32_t)perf.data == s->generation && atomic_load(&s->enabled) &&
            young_tick_counts(s, young))
            take_tick(s, context, perf.flags & TRAP_PERF_ASYNC);
    } else {
        uint64_t ticket = (uint64_t)(uintptr_t)info->si_value.sival_ptr;
        ours = info->si_code == SI_QUEUE && (ticket & TICKET_MARK_BITS) == TICKET_MARK;
        if (s && ours && s->rung == FLAME_TIMER && ticket >> 32 == s->generation)
            timer_tick(s, (uint32_t)(ticket & TICKET_SLOT_BITS), context);
    }
    atomic_fetch_sub(&inside, 1);
    if (!ours) chain(number, info, context);
    errno = saved_errno;
}

static bool is_ours(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_signal;
}

/* `previous` is what the program had, unless that was ours. */
static int take_signal(int number) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    struct sigaction previous;
    if (sigaction(number, &action, &previous) != 0) return -errno;
    if (!is_ours(&previous)) *previous_of(number) = previous;
    return 0;
}

static int install_handler(flame_sampler *s) {
    int result = take_signal(s->signal_number);
    return result ? fail(s, -result, "sigaction: %s", strerror(-result)) : 0;
}

int flame_timer_signal(void) { return TIMER_SIGNAL; }

int flame_handles(int number) {
    struct sigaction current;
    return (number == SIGTRAP || number == TIMER_SIGNAL) && sigaction(number, NULL, &current) == 0 && is_ours(&current);
}

int flame_pass_on(int number, int ignored) {
    if (!flame_handles(number)) return -EINVAL;
    struct sigaction *previous = previous_of(number);
    memset(previous, 0, sizeof *previous);
    previous->sa_handler = ignored ? SIG_IGN : SIG_DFL;
    return 0;
}

int flame_take_back(int number) { return take_signal(number); }

int flame_hold(int hold) {
    flame_sampler *s = atomic_load(&active);
    if (!s || s->rung != FLAME_PERF || !atomic_load(&s->enabled)) return 0;
    return perf_set_enabled(s, !hold);
}

/* The helper, joined, can still be listed for a moment. */
static int is_another_thread(flame_sampler *s, pid_t tid) {
    return tid != (pid_t)syscall(SYS_gettid) && tid != s->helper_tid && tid != modules_watcher();
}

/* A tick that was on its way to another thread when the events closed still arrives, and with the default
 * action it would kill the process: the handler, inert now, is only taken away where no other thread exists. */
static int remove_handler(flame_sampler *s) {
    struct sigaction current;
    if (sigaction(s->signal_number, NULL, &current) != 0) return fail(s, errno, "sigaction: %s", strerror(errno));
    if (s->events_lost)
        fail(s, EBADF, "%u descriptors of the sampler were closed by the program: samples are missing", s->events_lost);
    if (!is_ours(&current))
        return fail(s, EBUSY, "something replaced the handler of signal %d while sampling: samples are missing",
                    s->signal_number);
    if (each_thread(is_another_thread, s) == 0 && sigaction(s->signal_number, previous_of(s->signal_number), NULL) != 0)
        return fail(s, errno, "sigaction: %s", strerror(errno));
    return s->events_lost ? -EBADF : 0;
}

/* A child has no events and no helper, but descriptors that could switch its parent's events. */
static void let_go_in_child(void) {
    const int numbers[] = {SIGTRAP, TIMER_SIGNAL};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction current;
        if (sigaction(numbers[i], NULL, &current) == 0 && is_ours(&current))
            sigaction(numbers[i], previous_of(numbers[i]), NULL);
    }
    flame_sampler *s = atomic_exchange(&active, NULL);
    atomic_store(&inside, 0);
    young_close_all();
    if (!s) return;
    perf_close_all(s);
    modules_forget_watcher();
    atomic_store(&s->enabled, false);
    atomic_flag_clear(&s->lock);
    s->started = s->helper_running = false;
    s->helper_tid = 0;
    pthread_mutex_init(&s->threads_lock, NULL); /* somebody may have held it */
}

static void watch_forks(void) { pthread_atfork(NULL, NULL, let_go_in_child); }

flame_sampler *flame_new(const flame_layout *layout, uint32_t max_nodes, uint32_t max_codes, uint32_t text_bytes,
                         char *error, uint32_t error_bytes) {
    uint32_t probe = 0, expected = 0x666c616d;
    if (!safe_read(&probe, (uintptr_t)&expected, sizeof probe) || probe != expected) {
        snprintf(error, error_bytes, "process_vm_readv on the own process: %s", strerror(errno));
        return NULL;
    }
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    flame_sampler *s = calloc(1, sizeof *s);
    if (s) {
        pthread_mutex_init(&s->threads_lock, NULL);
        s->stack = calloc(1, sizeof *s->stack);
        s->threads = calloc(MAX_THREADS, sizeof *s->threads);
        s->events = calloc(MAX_EVENTS, sizeof *s->events);
        s->kernel = kernel_frames_new();
    }
    if (!s || !s->stack || !s->threads || !s->events || !s->kernel ||
        !table_init(&s->table, max_nodes, max_codes, text_bytes)) {
        snprintf(error, error_bytes, "no memory for the sample tables (sizes must be powers of two, 4 or more)");
        flame_free(s);
        return NULL;
    }
    s->layout = *layout;
    s->main_stack_end = getauxval(AT_RANDOM);
    atomic_flag_clear(&s->lock);
    return s;
}

void flame_free(flame_sampler *s) {
    if (!s) return;
    flame_stop(s);
    pthread_mutex_destroy(&s->threads_lock);
    table_free(&s->table);
    kernel_frames_free(s->kernel);
    free(s->events);
    free(s->threads);
    free(s->native);
    free(s->stack);
    free(s);
}

const char *flame_error(const flame_sampler *s) { return s->error; }

int flame_set_stops(flame_sampler *s, const uintptr_t *codes, uint32_t count) {
    if (count > MAX_STOPS) return fail(s, EINVAL, "at most %d stop codes", MAX_STOPS);
    memcpy(s->stops, codes, count * sizeof *codes);
    s->stop_count = count;
    return 0;
}

int flame_set_native(flame_sampler *s, int detail) {
    if (s->started) return fail(s, EALREADY, "the sampler is already started");
#if !defined __x86_64__
    if (detail) return fail(s, ENOTSUP, "native frames: x86-64 only");
#endif
    free(s->native);
    s->native = detail ? native_stack_new(detail == FLAME_NATIVE_PLACES) : NULL;
    return detail && !s->native ? fail(s, ENOMEM, "no memory for native frames") : 0;
}

/* Before any event exists: the watcher is not sampled. */
static int prepare_native(flame_sampler *s) {
    if (!s->native) return 0;
    int result = modules_refresh();
    if (!result) result = modules_watch();
    return result ? fail(s, -result, "unwind tables of the loaded libraries: %s", strerror(-result)) : 0;
}

/* Uses up a part of the first period, so that ticks fall on no fixed place of what is measured. The events keep
 * what is left of it while they are switched off. */
static int spend_phase(flame_sampler *s, uint64_t seed) {
    uint64_t phase = seed % s->period;
    phase /= units_per_ns(s);
    next_tick.left_ns = (int64_t)(s->period - phase);
    if (!phase) return 0;
    int result = perf_set_enabled(s, true);
    uint64_t until = clock_ns(CLOCK_THREAD_CPUTIME_ID) + phase;
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until) continue;
    int disabled = perf_set_enabled(s, false);
    return result ? result : disabled;
}

static int open_rung(flame_sampler *s, uint64_t seed) {
    if (s->rung == FLAME_TIMER) return timer_start(s, seed);
    int result = perf_open_all(s);
    if (!result) {
        result = spend_phase(s, seed);
        if (result) perf_close_all(s);
    }
    return result;
}

int flame_start(flame_sampler *s, int rung, int event, int kernel, uint64_t period, uint64_t seed) {
    if (s->started) return fail(s, EALREADY, "the sampler is already started");
    if (period < 1000) return fail(s, EINVAL, "a period of %lu is too short", (unsigned long)period);
    pid_t traced_by = rung == FLAME_PERF ? tracer_pid() : 0;
    if (traced_by) return fail(s, EBUSY, "the process is being traced (debugger or strace, pid %d)", (int)traced_by);
    flame_sampler *nobody = NULL;
    if (!atomic_compare_exchange_strong(&active, &nobody, s))
        return fail(s, EBUSY, "another sampler is started in this process");
    s->rung = rung;
    s->event = event;
    s->kernel_part = kernel;
    s->period = period;
    s->signal_number = rung == FLAME_PERF ? SIGTRAP : TIMER_SIGNAL;
    s->generation = atomic_fetch_add(&generations, 1) + 1;
    s->helper_tid = 0;
    s->sig_data = PERF_MARK << 32 | s->generation;
    s->young_seed = mix(seed);
    int result = install_handler(s);
    if (!result) {
        result = prepare_native(s);
        if (!result) result = open_rung(s, seed);
        if (result) {
            modules_unwatch();
            char why[ERROR_BYTES];
            memcpy(why, s->error, sizeof why);
            remove_handler(s);
            memcpy(s->error, why, sizeof why);
        }
    }
    if (result) {
        atomic_store(&active, NULL);
        return result;
    }
    s->started = true;
    return 0;
}

/* Outside the handler. */
static void under_lock(flame_sampler *s, void (*action)(flame_sampler *)) {
    while (!lock(s)) sched_yield();
    action(s);
    atomic_flag_clear_explicit(&s->lock, memory_order_release);
}

int flame_resume(flame_sampler *s) {
    if (!s->started) return fail(s, EINVAL, "the sampler is not started");
    if (s->native && modules_refresh() != 0) return fail(s, ENOMEM, "no memory for unwind tables");
    /* The default action would end the process at the first tick. */
    if (!flame_handles(s->signal_number))
        return fail(s, EBUSY, "something replaced the handler of signal %d", s->signal_number);
    if (s->rung == FLAME_TIMER) return timer_resume(s);
    under_lock(s, kernel_frames_forget);
    s->region = atomic_fetch_add(&regions, 1) + 1;
    reckon_from_here(s);
    atomic_store(&s->enabled, true);
    return perf_set_enabled(s, true);
}

int flame_adopt_thread(void) {
    atomic_fetch_add(&inside, 1); /* flame_stop() may be called meanwhile */
    flame_sampler *s = atomic_load(&active);
    int result = 0;
    if (s && s->rung == FLAME_TIMER) {
        result = timer_adopt(s);
    } else if (s && s->event == FLAME_TASK_CLOCK && !perf_has_rings(s) && atomic_load(&s->enabled)) {
        result = young_adopt(s);
    }
    atomic_fetch_sub(&inside, 1);
    return result;
}

int flame_pause(flame_sampler *s) {
    if (!s->started) return fail(s, EINVAL, "the sampler is not started");
    if (s->rung == FLAME_TIMER) {
        timer_pause(s);
        return 0;
    }
    int result = perf_set_enabled(s, false);
    if (atomic_exchange(&s->enabled, false)) {
        reckon_until_here(s);
        under_lock(s, kernel_frames_settle);
    }
    return result;
}

int flame_stop(flame_sampler *s) {
    if (!s->started) return 0;
    int result = flame_pause(s);
    timer_join(s);
    modules_unwatch();
    under_lock(s, kernel_frames_close); /* a handler may still be reading the rings */
    perf_close_all(s);
    atomic_store(&active, NULL);
    while (atomic_load(&inside)) sched_yield();
    young_close_all();
    s->started = false;
    int removed = remove_handler(s);
    return result ? result : removed;
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
    s->careful = true;
    record_sample(s, &here, 1);
    s->careful = false;
    return s->taken == before + 1 ? 0 : fail(s, EFAULT, "the calling thread's own stack could not be read");
}

uint64_t flame_helper_cpu_ns(flame_sampler *s) {
    uint64_t total = atomic_load(&s->helper_cpu_ns) + (s->native ? modules_watcher_cpu_ns() : 0);
    clockid_t clock;
    if (s->helper_running && pthread_getcpuclockid(s->helper, &clock) == 0) total += clock_ns(clock);
    return total;
}

void flame_clear(flame_sampler *s) {
    kernel_frames_forget(s);
    table_clear(&s->table);
    s->taken = s->unwindable = s->lost = s->overflowed = s->late = s->truncated = s->weight_ns = 0;
    s->guessed = s->incomplete = 0;
}

flame_counts flame_get_counts(const flame_sampler *s) {
    return (flame_counts){s->taken,     s->unwindable, s->lost,    s->overflowed, s->late,
                          s->truncated, s->weight_ns,  s->guessed, s->incomplete};
}

uint32_t flame_node_count(const flame_sampler *s) { return s->table.node_count; }
const flame_node *flame_nodes(const flame_sampler *s) { return s->table.nodes; }
uint32_t flame_code_count(const flame_sampler *s) { return s->table.code_count; }
const flame_code *flame_codes(const flame_sampler *s) { return s->table.codes; }
const char *flame_text(const flame_sampler *s) { return s->table.text; }
uint32_t flame_line_count(const flame_sampler *s) { return s->table.line_count; }
const flame_line *flame_lines(const flame_sampler *s) { return s->table.lines; }
