/* How much CPU a tick represents, and which ticks are left out. */
#include "process/process.h"
#include "process/thread_local.h"
#include "sampler/sampler.h"

enum { UNITS_PER_NS = 3, READ_EVERY = 16, JUST_SLOW = 1 };

/* Numbers regions across all samplers of the process: what a thread keeps from one must never be used in another. */
static atomic_uint regions;

/* When this thread's next tick is due on its CPU clock. */
static HANDLER_LOCAL struct {
    uint32_t region;
    unsigned unread; /* ticks since the clock was read */
    uint64_t due_ns;
    uint64_t cpu_ns, wall_ns; /* when it was read */
    int64_t left_ns;          /* at the end of the last region */
} next_tick;
static HANDLER_LOCAL struct {
    uint32_t generation;
    unsigned rest;
    uint64_t slow_ns; /* see record_paced() */
    uint64_t left_out;
} pace;

/* Close enough to keep the requested rate. */
static uint64_t units_per_ns(const flame_sampler *s) { return s->event == FLAME_TASK_CLOCK ? 1 : UNITS_PER_NS; }

static bool ticks_in_kernel(const flame_sampler *s) {
    return s->rung == FLAME_PERF && s->kernel_part == FLAME_KERNEL_TIME && s->event == FLAME_TASK_CLOCK;
}

static void read_cpu_clock(uint64_t wall_ns) {
    next_tick.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    next_tick.wall_ns = wall_ns;
    next_tick.unread = 0;
}

/* A tick inside the kernel is delivered on return to user mode, and the ticks of one long system call arrive as one:
 * the thread's CPU clock tells how many this sample represents. Reading it is a system call, more expensive than
 * walking the stack; it is skipped while no second tick could be due even if the thread had not paused since the last
 * reading. The clock that drives the ticks differs slightly from it (interrupts, stolen time). No tick comes early, so
 * one that seems early corrects the calculation completely; a late one, usually late for a good reason, corrects it
 * only in part. */
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
void begin_region(flame_sampler *s) {
    s->region = atomic_fetch_add(&regions, 1) + 1;
    next_tick.region = s->region;
    int64_t period = (int64_t)s->period, left = next_tick.left_ns;
    if (left < -period || left > period) left = period; /* flame_start() was called by another thread */
    read_cpu_clock(clock_ns(CLOCK_MONOTONIC));
    next_tick.due_ns = next_tick.cpu_ns + (uint64_t)left;
}

void end_region(const flame_sampler *s) {
    int64_t left = (int64_t)(next_tick.due_ns - clock_ns(CLOCK_THREAD_CPUTIME_ID));
    next_tick.left_ns = next_tick.region == s->region ? left : (int64_t)s->period;
}

static unsigned ticks_to_rest(const flame_sampler *s, uint64_t took_ns) {
    uint64_t period_ns = s->period / units_per_ns(s);
    return took_ns < period_ns / 4 ? 0 : (unsigned)(4 * took_ns / period_ns);
}

static void leave_out(flame_sampler *s) {
    if (!sampler_lock(s)) return;
    kernel_frames_leave_out(s);
    sampler_unlock(s);
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

void take_tick(flame_sampler *s, const void *context, bool held_back) {
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

/* Uses up a part of the first period, so that ticks fall on no fixed place in the measured code. Disabled events keep
 * the rest of their period. */
int spend_phase(flame_sampler *s, uint64_t seed) {
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
