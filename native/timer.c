/* The rung for machines that refuse perf events: a helper thread wakes on the clock and signals only the threads
 * whose CPU clock advanced enough; what they used since their last sample is the sample's weight. Threads that sleep
 * are left alone. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* A thread that only wakes now and then is interrupted once it has used a quarter of a period: else the handler's own
 * CPU would bring the next signal, and every wait of such a thread would end early. */
enum { SCAN_EVERY = 8, WORTH_A_SIGNAL = 4 };

/* The kernel's encoding of another thread's CPU clock (clock_getcpuclockid(3), include/linux/posix-timers.h). */
static clockid_t cpu_clock_of(pid_t tid) { return (clockid_t)(~(unsigned)tid << 3 | 6u); }

static bool thread_cpu_ns(pid_t tid, uint64_t *ns) {
    struct timespec t;
    if (clock_gettime(cpu_clock_of(tid), &t) != 0) return false;
    *ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    return true;
}

static uint64_t draw(flame_sampler *s) { /* xorshift64 (Marsaglia 2003) */
    uint64_t x = s->random_state;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    return s->random_state = x;
}

/* Uniform in [0.5, 1.5) periods: a fixed beat would alias with the program's own. */
static uint64_t draw_gap(flame_sampler *s) { return s->period / 2 + draw(s) % s->period; }

/* Threads that appear while sampling is on have used all their CPU since; the others start from here. */
static int note_thread(flame_sampler *s, pid_t tid) {
    if (tid == s->helper_tid || tid == modules_watcher()) return 0;
    uint32_t free_slot = s->thread_count;
    for (uint32_t i = 0; i < s->thread_count; i++) {
        if (s->threads[i].tid == tid) return 0;
        if (!s->threads[i].tid) free_slot = i;
    }
    uint64_t cpu;
    if (free_slot == MAX_THREADS || !thread_cpu_ns(tid, &cpu)) return 0;
    thread_slot *slot = &s->threads[free_slot];
    slot->tid = tid;
    slot->last_cpu_ns = atomic_load(&s->enabled) ? 0 : cpu;
    atomic_store(&slot->pending, false);
    atomic_store(&slot->owed_ns, 0);
    atomic_store(&slot->rest, 0);
    slot->slow = false;
    if (free_slot == s->thread_count) s->thread_count++;
    return 0;
}

/* CPU since the last look; the slot is freed when the thread has ended. */
static uint64_t advance(thread_slot *slot) {
    uint64_t cpu, before = slot->last_cpu_ns;
    if (!slot->tid) return 0;
    if (!thread_cpu_ns(slot->tid, &cpu)) {
        slot->tid = 0;
        return 0;
    }
    slot->last_cpu_ns = cpu;
    return cpu >= before ? cpu - before : cpu; /* less: another thread got the number of an ended one */
}

static void signal_thread(flame_sampler *s, uint32_t index) {
    thread_slot *slot = &s->threads[index];
    unsigned rest = atomic_load(&slot->rest);
    if (atomic_load(&slot->pending) || rest) {
        if (rest) atomic_store(&slot->rest, rest - 1);
        atomic_fetch_add(&s->late, 1); /* its next sample stands for this tick, too */
        return;
    }
    atomic_store(&slot->pending, true);
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = SI_QUEUE;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)((uintptr_t)s->generation << 32 | TICKET_MARK | index);
    if (syscall(SYS_rt_tgsigqueueinfo, info.si_pid, slot->tid, s->signal_number, &info) != 0) {
        atomic_store(&slot->pending, false);
        if (errno == ESRCH) {
            slot->tid = 0;
        } else {
            atomic_fetch_add(&s->late, 1); /* too many signals are queued: what it used stays owed */
        }
    }
}

void timer_tick(flame_sampler *s, uint32_t index, const void *context) {
    if (index >= s->thread_count) return;
    thread_slot *slot = &s->threads[index];
    uint64_t weight = atomic_load(&s->enabled) ? atomic_exchange(&slot->owed_ns, 0) : 0;
    if (weight) {
        atomic_store(&slot->rest, record_paced(s, context, weight, clock_ns(CLOCK_MONOTONIC), &slot->slow));
    }
    atomic_store(&slot->pending, false);
}

/* Changes with the number of threads, and costs a third of reading the directory. */
static nlink_t thread_links(void) {
    struct stat tasks;
    return stat("/proc/self/task", &tasks) == 0 ? tasks.st_nlink : 0;
}

static void *helper_main(void *argument) {
    flame_sampler *s = argument;
    s->helper_tid = (pid_t)syscall(SYS_gettid);
    uint64_t next = clock_ns(CLOCK_MONOTONIC) + s->first_gap_ns;
    nlink_t links_before = 0;
    for (uint32_t tick = 0; !atomic_load(&s->helper_stop); tick++) {
        struct timespec until = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        pthread_mutex_lock(&s->threads_lock);
        if (atomic_load(&s->enabled)) {
            nlink_t links = thread_links();
            if (links != links_before || tick % SCAN_EVERY == 0) each_thread(note_thread, s);
            links_before = links;
            for (uint32_t i = 0; i < s->thread_count; i++) {
                uint64_t used = advance(&s->threads[i]);
                uint64_t owed = atomic_fetch_add(&s->threads[i].owed_ns, used) + used;
                if (used && owed >= s->period / WORTH_A_SIGNAL) signal_thread(s, i);
            }
        }
        pthread_mutex_unlock(&s->threads_lock);
        next += draw_gap(s);
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        if (now > next) next = now;
    }
    atomic_fetch_add(&s->helper_cpu_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID));
    return NULL;
}

/* Sampling joins a beat that is under way: the gap it falls into is drawn in proportion to its length, and the part
 * of it that has passed counts for the first sample, as what passes after the last one counts for none. */
static uint64_t join_beat(flame_sampler *s) {
    uint64_t gap;
    do gap = draw_gap(s);
    while (draw(s) % (s->period * 3 / 2) >= gap);
    s->first_gap_ns = draw(s) % gap;
    return gap - s->first_gap_ns;
}

int timer_start(flame_sampler *s, uint64_t seed) {
    s->thread_count = 0;
    s->random_state = seed ? seed : 1;
    for (int i = 0; i < 8; i++) draw(s); /* small seeds start with small numbers */
    s->first_gap_ns = draw_gap(s);
    uint64_t passed = seed ? join_beat(s) : 0;
    atomic_store(&s->helper_stop, false);
    pthread_mutex_init(&s->threads_lock, NULL);
    int result = each_thread(note_thread, s);
    if (result < 0) return fail(s, -result, "/proc/self/task: %s", strerror(-result));
    pid_t self = (pid_t)syscall(SYS_gettid);
    for (uint32_t i = 0; i < s->thread_count; i++)
        if (s->threads[i].tid == self) atomic_store(&s->threads[i].owed_ns, passed);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&s->helper, NULL, helper_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) return fail(s, error, "the sampling thread could not be started: %s", strerror(error));
    s->helper_running = true;
    while (!s->helper_tid) sched_yield(); /* else it could be taken for a thread to sample */
    return 0;
}

int timer_resume(flame_sampler *s) {
    pthread_mutex_lock(&s->threads_lock);
    int result = each_thread(note_thread, s);
    for (uint32_t i = 0; i < s->thread_count; i++) advance(&s->threads[i]);
    atomic_store(&s->enabled, true);
    pthread_mutex_unlock(&s->threads_lock);
    return result < 0 ? fail(s, -result, "/proc/self/task: %s", strerror(-result)) : 0;
}

/* What was used since the last tick belongs to the next region's first sample. */
void timer_pause(flame_sampler *s) {
    pthread_mutex_lock(&s->threads_lock);
    if (atomic_exchange(&s->enabled, false))
        for (uint32_t i = 0; i < s->thread_count; i++)
            atomic_fetch_add(&s->threads[i].owed_ns, advance(&s->threads[i]));
    pthread_mutex_unlock(&s->threads_lock);
}

void timer_join(flame_sampler *s) {
    if (!s->helper_running) return;
    atomic_store(&s->helper_stop, true);
    pthread_join(s->helper, NULL);
    s->helper_running = false;
    pthread_mutex_destroy(&s->threads_lock);
}
