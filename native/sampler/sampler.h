/* The sampler itself: the state its parts work on, and the steps of a sample. Nothing here is visible to Python. */
#ifndef FLAME_SAMPLER_H
#define FLAME_SAMPLER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "events/kernel_frames.h"
#include "events/perf_event.h"
#include "events/timer.h"
#include "flame_sampler.h"
#include "python/frames.h"
#include "sampler/merge.h"
#include "stacks/stack_table.h"

enum { ERROR_BYTES = 512 };

struct flame_sampler {
    python_interpreter interpreter;
    stack_table table;
    python_stack *stack;
    native_stack *native; /* NULL: Python frames only */
    thread_slot *threads; /* timer rung only */
    atomic_flag lock;
    atomic_bool enabled;
    _Atomic uint32_t generation;
    _Atomic uint32_t region;
    uint64_t sig_data;
    atomic_uint_fast64_t taken, unwindable, lost, overflowed, late, truncated, weight_ns, guessed, incomplete;
    uintptr_t main_stack_end;

    int rung, event, signal_number, kernel_part, precise_level;
    bool started;
    uint64_t period;
    kernel_frames *kernel;

    perf_descriptor *events;
    uint32_t event_count, events_lost; /* the latter: descriptors that the program closed */

    pthread_t helper;
    bool helper_running;
    atomic_bool helper_stop;
    _Atomic pid_t helper_tid;
    pthread_mutex_t threads_lock; /* never taken in the handler */
    _Atomic uint32_t thread_count;
    uint64_t random_state, last_look_ns;
    double used_ns, sure_ns, unsure_ns; /* CPU used; weights of threads that had a CPU, and of those that may have */
    uint64_t young_seed;
    atomic_uint_fast64_t helper_cpu_ns;

    char error[ERROR_BYTES];
};

int fail(flame_sampler *s, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* --- sample.c --- */
/* False if another thread's handler holds it for too long. Async-signal-safe. */
bool sampler_lock(flame_sampler *s);
void sampler_unlock(flame_sampler *s);
/* Takes one sample of the calling thread, interrupted at `context`; `weight_ns` is the CPU it represents. */
void record_sample(flame_sampler *s, const void *context, uint64_t weight_ns);

/* --- pacing.c --- */
/* A tick of the calling thread's perf event; `held_back`: the thread had blocked the signal. */
void take_tick(flame_sampler *s, const void *context, bool held_back);
/* Like record_sample(), and returns how many ticks to leave out afterwards: walking a very deep stack can take longer
 * than a period, and a program that is interrupted again immediately would make no progress; the next sample represents
 * them. The wall clock is cheap to read but includes the time of other programs: if a sample took too long by it,
 * `slow_ns` remembers that, and the next ones are timed on the CPU clock. Of two such times the shorter counts: if the
 * machine pauses for a moment, the clock keeps running. */
unsigned record_paced(flame_sampler *s, const void *context, uint64_t weight_ns, uint64_t wall_ns, uint64_t *slow_ns);
/* Uses up a part of the first period, so that ticks fall on no fixed place in the measured code. */
int spend_phase(flame_sampler *s, uint64_t seed);
/* The calling thread's ticks are calculated from the first call to the second. */
void begin_region(flame_sampler *s);
void end_region(const flame_sampler *s);

/* --- signals.c --- */
/* Makes this the process's active sampler; false while there is another. */
bool make_active(flame_sampler *s);
/* Makes none active; returns once no handler is running. */
void make_inactive(void);
/* Between these two calls the active sampler (NULL if there is none) is not stopped. */
flame_sampler *enter_active(void);
void leave_active(void);
int install_handler(flame_sampler *s);
int remove_handler(flame_sampler *s);
/* Stops the sampler in every forked child. */
void watch_forks(void);

#endif
