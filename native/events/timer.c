/* The rung for machines that refuse perf events: a helper thread looks at random moments and signals the threads that
 * are running at that moment. The gaps are exponential: the time since the last look says nothing about the next one
 * (Poisson arrivals see time averages, Wolff 1982), even in a program whose system calls are interrupted by the signal
 * and which therefore runs in step with it. So each look represents one period of a running thread, and a sleeping
 * thread is never disturbed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "process/process.h"
#include "sampler/sampler.h"
#include "unwind/modules.h"

/* A thread that used all but a sixteenth of the time between two looks is assumed to have run until the second. */
enum { SCAN_EVERY = 8, NEARLY_ALL = 16, FEW = 8 };

/* The kernel's encoding of another thread's CPU clock (clock_getcpuclockid(3), include/linux/posix-timers.h). */
static clockid_t cpu_clock_of(pid_t tid) { return (clockid_t)(~(unsigned)tid << 3 | 6u); }

typedef enum { RESTS, RUNS, MAY_RUN } activity;

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

/* Exponential, with a mean of one period. */
static uint64_t draw_gap(flame_sampler *s) {
    double uniform = ((double)(draw(s) >> 11) + 0.5) * 0x1p-53;
    return (uint64_t)(-log(uniform) * (double)s->period);
}

/* Threads that appear while sampling is on have used all of their CPU since then; others count from here on. */
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
    slot->born_ns = 0;
    atomic_store(&slot->pending, false);
    atomic_store(&slot->owed_ns, 0);
    atomic_store(&slot->rest, 0);
    slot->slow_ns = 0;
    if (free_slot == s->thread_count) s->thread_count++;
    return 0;
}

/* Whether the thread is running or ready to run (state R, proc_pid_stat(5)). */
static bool is_runnable(pid_t tid) {
    char path[48], text[128];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    const char *name_end = strrchr(text, ')');
    return name_end && name_end[1] && name_end[2] == 'R';
}

/* The CPU used since the last call. Frees the slot if the thread has ended. */
static uint64_t advance(thread_slot *slot) {
    uint64_t cpu, before = slot->last_cpu_ns;
    if (!slot->tid) return 0;
    if (!thread_cpu_ns(slot->tid, &cpu)) {
        slot->tid = 0;
        return 0;
    }
    slot->last_cpu_ns = cpu;
    return cpu >= before ? cpu - before : cpu; /* less: a new thread got the id of one that has ended */
}

static activity doing(thread_slot *slot, uint64_t used_ns, uint64_t since_ns) {
    if (!used_ns) return RESTS;
    if (advance(slot)) return RUNS; /* its clock moves */
    /* Its clock stands still: the helper has just taken its CPU, or it waits for one, or it sleeps. */
    if (used_ns >= since_ns - since_ns / NEARLY_ALL) return RUNS;
    return slot->tid && is_runnable(slot->tid) ? MAY_RUN : RESTS;
}

/* The share of the threads that may have had a CPU that really had one: the share with which the weights add up to the
 * CPU used. It starts as if the first few had. */
static double share_of_unsure(const flame_sampler *s) {
    double few = FEW * (double)s->period, share = (s->used_ns - s->sure_ns + few) / (s->unsure_ns + few);
    return share < 0 ? 0 : share > 1 ? 1 : share;
}

static void signal_thread(flame_sampler *s, uint32_t index) {
    thread_slot *slot = &s->threads[index];
    unsigned rest = atomic_load(&slot->rest);
    if (atomic_load(&slot->pending) || rest) {
        if (rest) atomic_store(&slot->rest, rest - 1);
        atomic_fetch_add(&s->late, 1); /* its next sample also represents this tick */
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
            atomic_fetch_add(&s->late, 1); /* too many signals are queued: what it used is still owed */
        }
    }
}

void timer_tick(flame_sampler *s, uint32_t index, const void *context) {
    if (index >= s->thread_count) return;
    thread_slot *slot = &s->threads[index];
    uint64_t weight = atomic_load(&s->enabled) ? atomic_exchange(&slot->owed_ns, 0) : 0;
    if (weight) {
        atomic_store(&slot->rest, record_paced(s, context, weight, clock_ns(CLOCK_MONOTONIC), &slot->slow_ns));
    }
    atomic_store(&slot->pending, false);
}

/* Changes with the number of threads, and costs a third of what reading the directory costs. */
static nlink_t thread_links(void) {
    struct stat tasks;
    return stat("/proc/self/task", &tasks) == 0 ? tasks.st_nlink : 0;
}

/* `looks` is more than one if the helper was late: a thread that ran meanwhile is owed the others, too. */
static void look(flame_sampler *s, uint64_t now, unsigned looks) {
    uint64_t since = now > s->last_look_ns ? now - s->last_look_ns : 1;
    s->last_look_ns = now;
    for (uint32_t i = 0; i < s->thread_count; i++) {
        thread_slot *slot = &s->threads[i];
        uint64_t used = advance(slot);
        s->used_ns += (double)used;
        uint64_t lived = slot->born_ns && slot->born_ns < now ? now - slot->born_ns : since;
        activity does = doing(slot, used, lived < since ? lived : since);
        if (does == RESTS) continue;
        double ran = used < since ? (double)used / (double)since : 1;
        double weight = (double)s->period * (1 + (looks - 1) * ran);
        *(does == RUNS ? &s->sure_ns : &s->unsure_ns) += weight;
        if (does == MAY_RUN) weight *= share_of_unsure(s);
        atomic_fetch_add(&slot->owed_ns, (uint64_t)weight);
        signal_thread(s, i);
    }
}

static void *helper_main(void *argument) {
    flame_sampler *s = argument;
    own_descriptors();
    s->helper_tid = (pid_t)syscall(SYS_gettid);
    prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul); /* of this thread; otherwise each look is 50 microseconds late */
    uint64_t next = clock_ns(CLOCK_MONOTONIC) + draw_gap(s);
    nlink_t links_before = 0;
    for (uint32_t tick = 0; !atomic_load(&s->helper_stop); tick++) {
        struct timespec until = {.tv_sec = (time_t)(next / 1000000000u), .tv_nsec = (long)(next % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        unsigned looks = 0;
        pthread_mutex_lock(&s->threads_lock);
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        for (; next <= now; looks++) next += draw_gap(s);
        if (atomic_load(&s->enabled) && looks) {
            nlink_t links = thread_links();
            if (links != links_before || tick % SCAN_EVERY == 0) each_thread(note_thread, s);
            links_before = links;
            look(s, now, looks);
        }
        pthread_mutex_unlock(&s->threads_lock);
    }
    atomic_fetch_add(&s->helper_cpu_ns, clock_ns(CLOCK_THREAD_CPUTIME_ID));
    return NULL;
}

int timer_start(flame_sampler *s, uint64_t seed) {
    s->thread_count = 0;
    s->used_ns = s->sure_ns = s->unsure_ns = 0;
    s->random_state = seed ? seed : 1;
    for (int i = 0; i < 8; i++) draw(s); /* small seeds start with small numbers */
    atomic_store(&s->helper_stop, false);
    int result = each_thread(note_thread, s);
    if (result < 0) return fail(s, EIO, "/proc/self/task: %s", strerror(-result));
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&s->helper, NULL, helper_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) return fail(s, error, "the sampling thread could not be started: %s", strerror(error));
    s->helper_running = true;
    while (!s->helper_tid) sched_yield(); /* otherwise it could be sampled itself */
    return 0;
}

int timer_adopt(flame_sampler *s) {
    pthread_mutex_lock(&s->threads_lock);
    pid_t tid = (pid_t)syscall(SYS_gettid);
    int result = note_thread(s, tid);
    for (uint32_t i = 0; i < s->thread_count; i++)
        if (s->threads[i].tid == tid) s->threads[i].born_ns = clock_ns(CLOCK_MONOTONIC);
    pthread_mutex_unlock(&s->threads_lock);
    return result;
}

int timer_resume(flame_sampler *s) {
    pthread_mutex_lock(&s->threads_lock);
    int result = each_thread(note_thread, s);
    for (uint32_t i = 0; i < s->thread_count; i++) advance(&s->threads[i]);
    s->last_look_ns = clock_ns(CLOCK_MONOTONIC);
    atomic_store(&s->enabled, true);
    pthread_mutex_unlock(&s->threads_lock);
    return result < 0 ? fail(s, EIO, "/proc/self/task: %s", strerror(-result)) : 0;
}

void timer_pause(flame_sampler *s) {
    pthread_mutex_lock(&s->threads_lock);
    if (atomic_exchange(&s->enabled, false))
        for (uint32_t i = 0; i < s->thread_count; i++) s->used_ns += (double)advance(&s->threads[i]);
    pthread_mutex_unlock(&s->threads_lock);
}

void timer_join(flame_sampler *s) {
    if (!s->helper_running) return;
    atomic_store(&s->helper_stop, true);
    pthread_join(s->helper, NULL);
    s->helper_running = false;
}
