/* Times the sampler's signal handler from outside, so that the handler is the shipped one, and finds the gaps that
 * interrupts leave in a loop that only reads the time. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

typedef struct {
    uint64_t began, ended;
} span;

static struct sigaction handler;
static span *handled;
static uint32_t most;
static atomic_uint count;

/* Ticks of the finest clock that user mode can read. */
uint64_t ticks(void) {
#if defined __x86_64__
    unsigned aux;
    return __builtin_ia32_rdtscp(&aux);
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

/* The smallest difference between two readings. */
uint64_t reading_costs(void) {
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 1000; i++) {
        uint64_t before = ticks(), between = ticks() - before;
        if (between < least) least = between;
    }
    return least;
}

static void timed(int number, siginfo_t *info, void *context) {
    uint64_t began = ticks();
    handler.sa_sigaction(number, info, context);
    uint64_t ended = ticks();
    uint32_t i = atomic_fetch_add(&count, 1);
    if (i < most) handled[i] = (span){began, ended};
}

/* Installs itself in front of the handler of signal `number`; `into` has room for `room` spans. -errno if there is
 * none. */
int clock_install(int number, span *into, uint32_t room) {
    if (sigaction(number, NULL, &handler) != 0) return -errno;
    if (!(handler.sa_flags & SA_SIGINFO)) return -ENOENT;
    handled = into;
    most = room;
    atomic_store(&count, 0);
    struct sigaction action = handler;
    action.sa_sigaction = timed;
    return sigaction(number, &action, NULL) == 0 ? 0 : -errno;
}

/* Restores the handler; returns how many spans were written. */
uint32_t clock_restore(int number) {
    sigaction(number, &handler, NULL);
    uint32_t taken = atomic_load(&count);
    return taken < most ? taken : most;
}

/* Reads the time until `until`; writes gaps of `least` ticks or more and returns how many there were. */
uint32_t find_gaps(uint64_t until, uint64_t least, span *into, uint32_t room) {
    uint32_t found = 0;
    uint64_t before = ticks();
    while (before < until) {
        uint64_t now = ticks();
        if (now - before >= least && found < room) into[found++] = (span){before, now};
        before = now;
    }
    return found;
}
