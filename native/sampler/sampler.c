/* Life cycle of a sampler, and its results. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "events/young_threads.h"
#include "process/process.h"
#include "python/running.h"
#include "sampler/sampler.h"
#include "unwind/modules.h"

/* Numbers the samplers of the process: a tick of one must never be counted for another. */
static atomic_uint generations;

int fail(flame_sampler *s, int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->error, sizeof s->error, format, arguments);
    va_end(arguments);
    return -code;
}

flame_sampler *flame_new(const flame_layout *layout, uint32_t max_nodes, uint32_t max_codes, uint32_t text_bytes,
                         char *error, uint32_t error_bytes) {
    uint32_t probe = 0, expected = 0x666c616d;
    if (!read_memory(&own_memory, (uintptr_t)&expected, &probe, sizeof probe) || probe != expected) {
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
    s->interpreter.layout = *layout;
    s->interpreter.code_type = running_code_type();
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
    memcpy(s->interpreter.stops, codes, count * sizeof *codes);
    s->interpreter.stop_count = count;
    return 0;
}

int flame_set_native(flame_sampler *s, int detail) {
    if (s->started) return fail(s, EALREADY, "the sampler is already started");
#if !defined __x86_64__
    if (detail) return fail(s, ENOTSUP, "native frames: x86-64 only");
#endif
    free(s->native);
    s->native = detail ? native_stack_new(detail == FLAME_NATIVE_PLACES) : NULL;
    s->interpreter.stop_anchored = s->native;
    return detail && !s->native ? fail(s, ENOMEM, "no memory for native frames") : 0;
}

/* Called before any event exists, so that the watcher is not sampled. */
static int prepare_native(flame_sampler *s) {
    if (!s->native) return 0;
    int result = modules_refresh();
    if (!result) result = modules_watch();
    return result ? fail(s, -result, "unwind tables of the loaded libraries: %s", strerror(-result)) : 0;
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
    if (!make_active(s)) return fail(s, EBUSY, "another sampler is started in this process");
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
        make_inactive();
        return result;
    }
    s->started = true;
    return 0;
}

/* Called outside the handler. */
static void under_lock(flame_sampler *s, void (*action)(flame_sampler *)) {
    while (!sampler_lock(s)) sched_yield();
    action(s);
    sampler_unlock(s);
}

int flame_resume(flame_sampler *s) {
    if (!s->started) return fail(s, EINVAL, "the sampler is not started");
    if (s->native && modules_refresh() != 0) return fail(s, ENOMEM, "no memory for unwind tables");
    /* The default action would end the process at the first tick. */
    if (!flame_handles(s->signal_number))
        return fail(s, EBUSY, "something replaced the handler of signal %d", s->signal_number);
    if (s->rung == FLAME_TIMER) return timer_resume(s);
    under_lock(s, kernel_frames_forget);
    begin_region(s);
    atomic_store(&s->enabled, true);
    return perf_set_enabled(s, true);
}

int flame_adopt_thread(void) {
    flame_sampler *s = enter_active(); /* flame_stop() may be called meanwhile */
    int result = 0;
    if (s && s->rung == FLAME_TIMER) {
        result = timer_adopt(s);
    } else if (s && s->event == FLAME_TASK_CLOCK && !perf_has_rings(s) && atomic_load(&s->enabled)) {
        result = young_adopt(s);
    }
    leave_active();
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
        end_region(s);
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
    make_inactive();
    young_close_all();
    s->started = false;
    int removed = remove_handler(s);
    return result ? result : removed;
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
