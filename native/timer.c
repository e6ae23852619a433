/* The rung for machines that refuse perf events: a helper thread wakes on the clock and signals only the threads
 * whose CPU clock advanced; the advance is the sample's weight. Threads that sleep are left alone. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

enum { SCAN_EVERY = 8 };

/* The kernel's encoding of another thread's CPU clock (clock_getcpuclockid(3), include/linux/posix-timers.h). */
static clockid_t cpu_clock_of(pid_t tid) { return (clockid_t)(~(unsigned)tid << 3 | 6u); }

static bool thread_cpu_ns(pid_t tid, uint64_t *ns) {
    struct timespec t;
    if (clock_gettime(cpu_clock_of(tid), &t) != 0) return false;
    *ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    return true;
}

static int note_thread(flame_sampler *s, pid_t tid) {
    if (tid == (pid_t)syscall(SYS_gettid)) return 0;
    for (uint32_t i = 0; i < s->thread_count; i++)
        if (s->threads[i].tid == tid) {
            s->threads[i].seen = true;
            return 0;
        }
    if (s->thread_count == MAX_THREADS) return 0;
    thread_slot *slot = &s->threads[s->thread_count];
    uint64_t cpu;
    if (!thread_cpu_ns(tid, &cpu)) return 0;
    slot->tid = tid;
    slot->seen = true;
    slot->last_cpu_ns = cpu;
    atomic_store(&slot->pending, 0);
    atomic_store(&slot->weight_ns, 0);
    s->thread_count++;
    return 0;
}

static void signal_thread(flame_sampler *s, uint32_t index, uint64_t advance) {
    thread_slot *slot = &s->threads[index];
    atomic_store(&slot->weight_ns, advance);
    atomic_store(&slot->pending, 1);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = SI_QUEUE;
    info.si_pid = s->pid;
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)((uintptr_t)s->generation << 32 | index);
    if (syscall(SYS_rt_tgsigqueueinfo, s->pid, slot->tid, s->signal_number, &info) != 0) {
        atomic_store(&slot->pending, 0);
        if (errno != ESRCH) atomic_fetch_add(&s->lost, 1);
        slot->tid = 0;
    }
}

static void *helper_main(void *argument) {
    flame_sampler *s = argument;
    uint64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    uint64_t state = s->period * 0x9e3779b97f4a7c15u ^ (uint64_t)s->generation;
    uint64_t next = clock_ns(CLOCK_MONOTONIC);
    for (uint32_t tick = 0; !atomic_load(&s->helper_stop); tick++) {
        /* Uniform in [0.5, 1.5) periods: a fixed beat would alias with the program's own. */
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        next += s->period / 2 + state % s->period;
        struct timespec until = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        if (now > next + s->period) next = now;
        if (tick % SCAN_EVERY == 0) each_thread(note_thread, s);
        if (!atomic_load(&s->enabled)) continue;
        for (uint32_t i = 0; i < s->thread_count; i++) {
            thread_slot *slot = &s->threads[i];
            uint64_t cpu;
            if (!slot->tid || atomic_load(&slot->pending)) continue; /* its advance waits for the next tick */
            if (!thread_cpu_ns(slot->tid, &cpu)) {
                slot->tid = 0;
                continue;
            }
            if (cpu == slot->last_cpu_ns) continue;
            uint64_t advance = cpu - slot->last_cpu_ns;
            slot->last_cpu_ns = cpu;
            signal_thread(s, i, advance);
        }
    }
    atomic_fetch_add(&s->helper_cpu_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID) - before);
    return NULL;
}

int timer_start(flame_sampler *s) {
    s->thread_count = 0;
    atomic_store(&s->helper_stop, false);
    int result = each_thread(note_thread, s);
    if (result < 0) return result;
    /* note_thread leaves its caller out, so that the helper never samples itself: add this thread by hand. */
    if (s->thread_count == MAX_THREADS) return fail(s, EMFILE, "the process has more than %d threads", MAX_THREADS);
    thread_slot *self = &s->threads[s->thread_count];
    self->tid = (pid_t)syscall(SYS_gettid);
    self->last_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    atomic_store(&self->pending, 0);
    s->thread_count++;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&s->helper, NULL, helper_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) return fail(s, error, "the sampling thread could not be started: %s", strerror(error));
    s->helper_running = true;
    return 0;
}

void timer_join(flame_sampler *s) {
    if (!s->helper_running) return;
    atomic_store(&s->helper_stop, true);
    pthread_join(s->helper, NULL);
    s->helper_running = false;
}
