/* Life cycle of a sampler and the signal handler. */
#define _GNU_SOURCE
#include <Python.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "internal.h"

enum { TRAP_PERF_CODE = 6, SPIN_LIMIT = 1 << 16 };

/* The one thing a signal handler cannot be handed: which sampler is started in this process. */
static _Atomic(flame_sampler *) active;
/* Handlers that are inside; flame_stop() waits for them before anything is taken away. */
static atomic_int inside;

/* initial-exec: the first touch in a handler must not allocate. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
    uint32_t region;
    uint64_t cpu_ns;
} last_sample;

int fail(flame_sampler *s, int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->error, sizeof s->error, format, arguments);
    va_end(arguments);
    return -code;
}

uint64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int each_thread(int (*visit)(flame_sampler *, pid_t), flame_sampler *s) {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return fail(s, errno, "/proc/self/task: %s", strerror(errno));
    int result = 0;
    for (struct dirent *entry; !result && (entry = readdir(tasks));)
        if (entry->d_name[0] != '.') result = visit(s, (pid_t)atoi(entry->d_name));
    closedir(tasks);
    return result;
}

static uintptr_t stack_pointer(const void *context) {
    const ucontext_t *c = context;
#if defined __x86_64__
    return (uintptr_t)c->uc_mcontext.gregs[REG_RSP];
#elif defined __aarch64__
    return (uintptr_t)c->uc_mcontext.sp;
#else
#error "pytest-flame samples x86-64 and aarch64; other machines install the package without the sampler"
#endif
}

static outcome store_stack(flame_sampler *s, uint64_t weight_ns) {
    const python_stack *stack = s->stack;
    stack_table *t = &s->table;
    uint32_t node = stack->cut ? FLAME_ROOT_CUT : FLAME_ROOT_UNCUT;
    if (stack->truncated) {
        int64_t child = table_child(t, node, FLAME_CODE_TRUNCATED);
        if (child < 0) return OVERFLOWED;
        node = (uint32_t)child;
    }
    for (uint32_t i = stack->depth; i-- > 0;) {
        int64_t child = table_child(t, node, stack->codes[i]);
        if (child < 0) return OVERFLOWED;
        node = (uint32_t)child;
    }
    t->nodes[node].count++;
    t->nodes[node].weight_ns += weight_ns;
    return RECORDED;
}

static bool lock(flame_sampler *s) {
    for (int i = 0; i < SPIN_LIMIT; i++)
        if (!atomic_flag_test_and_set_explicit(&s->lock, memory_order_acquire)) return true;
    return false;
}

void record_sample(flame_sampler *s, uintptr_t sp, uint64_t weight_ns) {
    if (!lock(s)) { /* another thread's handler was preempted while it held the table */
        atomic_fetch_add(&s->lost, 1);
        return;
    }
    outcome o;
    PyThreadState *tstate = PyGILState_GetThisThreadState();
    if (tstate) {
        o = walk_python(s, (uintptr_t)tstate, sp);
    } else {
        s->stack->depth = 1;
        s->stack->codes[0] = FLAME_CODE_NATIVE_THREAD;
        s->stack->cut = s->stack->truncated = false;
        o = RECORDED;
    }
    bool truncated = s->stack->truncated;
    if (o == RECORDED) o = store_stack(s, weight_ns);
    atomic_flag_clear_explicit(&s->lock, memory_order_release);

    switch (o) {
        case RECORDED:
            atomic_fetch_add(&s->taken, 1);
            atomic_fetch_add(&s->weight_ns, weight_ns);
            if (truncated) atomic_fetch_add(&s->truncated, 1);
            break;
        case UNWINDABLE: atomic_fetch_add(&s->unwindable, 1); break;
        case OVERFLOWED: atomic_fetch_add(&s->overflowed, 1); break;
    }
}

/* A tick inside the kernel is delivered on the way out, and those of one long system call arrive as one: the
 * thread's CPU clock tells how many periods this sample stands for. Without kernel samples each stands for one. */
static uint64_t perf_weight(flame_sampler *s) {
    if (!s->with_kernel || s->event != FLAME_TASK_CLOCK) return s->period;
    uint64_t now = clock_ns(CLOCK_THREAD_CPUTIME_ID), region = s->region, periods = 1;
    if (last_sample.region == region) periods = (now - last_sample.cpu_ns + s->period / 2) / s->period;
    last_sample.region = (uint32_t)region;
    last_sample.cpu_ns = now;
    if (periods < 1) periods = 1;
    if (periods > 1) atomic_fetch_add(&s->late, periods - 1);
    return periods * s->period;
}

static void chain(int number, siginfo_t *info, void *context, const struct sigaction *previous) {
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
    bool ours = number == SIGTRAP ? info->si_code == TRAP_PERF_CODE : info->si_code == SI_QUEUE;
    if (s && ours && s->signal_number == number && atomic_load(&s->enabled)) {
        if (number == SIGTRAP) {
            record_sample(s, stack_pointer(context), perf_weight(s));
        } else {
            uintptr_t value = (uintptr_t)info->si_value.sival_ptr;
            uint32_t index = (uint32_t)value;
            if (value >> 32 == s->generation && index < s->thread_count) {
                uint64_t weight = atomic_exchange(&s->threads[index].weight_ns, 0);
                atomic_store(&s->threads[index].pending, 0);
                if (weight) record_sample(s, stack_pointer(context), weight);
            }
        }
    } else if (s && ours && number != SIGTRAP) {
        uint32_t index = (uint32_t)(uintptr_t)info->si_value.sival_ptr;
        if (index < s->thread_count) atomic_store(&s->threads[index].pending, 0);
    } else if (s && !ours && s->signal_number == number) {
        chain(number, info, context, &s->previous_action);
    }
    atomic_fetch_sub(&inside, 1);
    errno = saved_errno;
}

static int install_handler(flame_sampler *s) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigfillset(&action.sa_mask);
    struct sigaction previous;
    if (sigaction(s->signal_number, &action, &previous) != 0)
        return fail(s, errno, "sigaction: %s", strerror(errno));
    if (!((previous.sa_flags & SA_SIGINFO) && previous.sa_sigaction == on_signal)) s->previous_action = previous;
    return 0;
}

static bool only_thread(void) {
    int threads = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return false;
    for (struct dirent *entry; (entry = readdir(tasks));) threads += entry->d_name[0] != '.';
    closedir(tasks);
    return threads == 1;
}

/* A tick that was on its way to another thread when the events closed still arrives, and with the default
 * action it would kill the process: the handler, inert now, is only taken away where no other thread exists. */
static int remove_handler(flame_sampler *s) {
    struct sigaction current;
    if (sigaction(s->signal_number, NULL, &current) != 0) return fail(s, errno, "sigaction: %s", strerror(errno));
    if (!(current.sa_flags & SA_SIGINFO) || current.sa_sigaction != on_signal)
        return fail(s, EBUSY, "something replaced the handler of signal %d while sampling: samples are missing",
                    s->signal_number);
    if (only_thread() && sigaction(s->signal_number, &s->previous_action, NULL) != 0)
        return fail(s, errno, "sigaction: %s", strerror(errno));
    return 0;
}

static pid_t tracer(void) {
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    const char *line = strstr(text, "TracerPid:");
    return line ? (pid_t)atoi(line + strlen("TracerPid:")) : 0;
}

flame_sampler *flame_new(const flame_layout *layout, uint32_t max_nodes, uint32_t max_codes, uint32_t text_bytes,
                         char *error, uint32_t error_bytes) {
    uint32_t probe = 0, expected = 0x666c616d;
    if (!safe_read(&probe, (uintptr_t)&expected, sizeof probe) || probe != expected) {
        snprintf(error, error_bytes, "process_vm_readv on the own process: %s", strerror(errno));
        return NULL;
    }
    flame_sampler *s = calloc(1, sizeof *s);
    if (s) {
        s->stack = calloc(1, sizeof *s->stack);
        s->threads = calloc(MAX_THREADS, sizeof *s->threads);
        s->events = calloc(MAX_EVENTS, sizeof *s->events);
    }
    if (!s || !s->stack || !s->threads || !s->events || !table_init(&s->table, max_nodes, max_codes, text_bytes)) {
        snprintf(error, error_bytes, "no memory for the sample tables (sizes must be powers of two)");
        flame_free(s);
        return NULL;
    }
    s->layout = *layout;
    s->pid = getpid();
    atomic_flag_clear(&s->lock);
    return s;
}

void flame_free(flame_sampler *s) {
    if (!s) return;
    flame_stop(s);
    table_free(&s->table);
    free(s->events);
    free(s->threads);
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

int flame_start(flame_sampler *s, int rung, int event, int with_kernel, uint64_t period) {
    if (s->started) return fail(s, EALREADY, "the sampler is already started");
    if (period < 1000) return fail(s, EINVAL, "a period of %lu is too short", (unsigned long)period);
    if (rung == FLAME_PERF && tracer())
        return fail(s, EBUSY, "the process is being traced (debugger or strace, pid %d)", (int)tracer());
    flame_sampler *nobody = NULL;
    if (!atomic_compare_exchange_strong(&active, &nobody, s))
        return fail(s, EBUSY, "another sampler is started in this process");
    s->rung = rung;
    s->event = event;
    s->with_kernel = with_kernel;
    s->period = period;
    s->signal_number = rung == FLAME_PERF ? SIGTRAP : SIGRTMAX - 3;
    s->generation++;
    s->region++;
    atomic_store(&s->enabled, false);
    int result = install_handler(s);
    if (!result) {
        result = rung == FLAME_PERF ? perf_open_all(s) : timer_start(s);
        if (result) {
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

int flame_resume(flame_sampler *s) {
    if (!s->started) return fail(s, EINVAL, "the sampler is not started");
    s->region++;
    atomic_store(&s->enabled, true);
    return s->rung == FLAME_PERF ? perf_set_enabled(s, true) : 0;
}

int flame_pause(flame_sampler *s) {
    if (!s->started) return fail(s, EINVAL, "the sampler is not started");
    int result = s->rung == FLAME_PERF ? perf_set_enabled(s, false) : 0;
    atomic_store(&s->enabled, false);
    return result;
}

int flame_stop(flame_sampler *s) {
    if (!s->started) return 0;
    if (getpid() != s->pid) { /* a forked child inherits the description, not the events or the helper */
        perf_close_all(s);
        atomic_store(&active, NULL);
        s->started = s->helper_running = false;
        return 0;
    }
    int result = flame_pause(s);
    timer_join(s);
    perf_close_all(s);
    atomic_store(&active, NULL);
    while (atomic_load(&inside)) sched_yield();
    s->started = false;
    int removed = remove_handler(s);
    return result ? result : removed;
}

int flame_sample_here(flame_sampler *s) {
    uint64_t before = s->taken;
    record_sample(s, (uintptr_t)__builtin_frame_address(0), 1);
    return s->taken == before + 1 ? 0 : fail(s, EFAULT, "the calling thread's own stack could not be read");
}

uint64_t flame_helper_cpu_ns(flame_sampler *s) {
    uint64_t total = atomic_load(&s->helper_cpu_ns);
    clockid_t clock;
    if (s->helper_running && pthread_getcpuclockid(s->helper, &clock) == 0) total += clock_ns(clock);
    return total;
}

void flame_clear(flame_sampler *s) {
    table_clear(&s->table);
    s->taken = s->unwindable = s->lost = s->overflowed = s->late = s->truncated = s->weight_ns = 0;
}

flame_counts flame_get_counts(const flame_sampler *s) {
    return (flame_counts){s->taken, s->unwindable, s->lost, s->overflowed, s->late, s->truncated, s->weight_ns};
}

uint32_t flame_node_count(const flame_sampler *s) { return s->table.node_count; }
const flame_node *flame_nodes(const flame_sampler *s) { return s->table.nodes; }
uint32_t flame_code_count(const flame_sampler *s) { return s->table.code_count; }
const flame_code *flame_codes(const flame_sampler *s) { return s->table.codes; }
const char *flame_text(const flame_sampler *s) { return s->table.text; }
