/* The beginning of a thread. An inherited event first ticks after one whole period of its thread's CPU, then after two,
 * and so on: threads that live shorter are never seen, and many threads that do the same are always seen in the same
 * places. A young thread therefore also gets an event of its own, whose first tick comes after a random part of a
 * period; as long as that event ticks, ticks of the inherited one are not counted.
 *
 * Until the handler has set the whole period, the event ticks again after the same part. If that part is shorter than
 * the kernel takes for a tick, the thread would make no progress: with a short part the tick disables the event
 * (PERF_EVENT_IOC_REFRESH), and the handler enables it again. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "events/young_threads.h"
#include "process/thread_local.h"
#include "sampler/sampler.h"

enum { MAX_YOUNG = 4096, YOUNG_TICKS = 16, FD_BITS = 24, FD_MASK = (1 << FD_BITS) - 1 };
enum { SHORT_NS = 60000 }; /* several times what the kernel takes for a tick on a virtual machine */

/* The event's id << FD_BITS | descriptor + 1; 0: free. Ids are never reused, and the bits kept are enough to recognise
 * one. The thread itself, its end, flame_stop() and a forked child may all try to close a descriptor: the one that
 * clears its place does. */
static atomic_uint_fast64_t places[MAX_YOUNG];
static _Atomic uint32_t seeds, next_place;

static HANDLER_LOCAL struct {
    uint32_t generation, place;
    uint64_t ticket;
    unsigned left;            /* ticks of its own event until that is closed */
    unsigned missed;          /* inherited ticks before the first own one */
    bool first, once, passed; /* the next tick is the first; it disables the event; the inherited tick after the last
                                 own one has been left out */
} young;

static pthread_key_t at_thread_end;
static bool has_key;

static int descriptor_of(uint64_t ticket) { return (int)(ticket & FD_MASK) - 1; }

/* The program may have closed it and have another file under its number. */
static bool is_ours(uint64_t ticket) {
    uint64_t id = perf_event_id(descriptor_of(ticket));
    return id && id << FD_BITS == (ticket & ~(uint64_t)FD_MASK);
}

static void close_place(uint32_t place, uint64_t ticket) {
    uint64_t taken = ticket;
    if (ticket && atomic_compare_exchange_strong(&places[place], &taken, 0) && is_ours(ticket))
        close(descriptor_of(ticket));
}

static void thread_ends(void *unused) {
    (void)unused;
    close_place(young.place, young.ticket);
}

static void make_key(void) { has_key = pthread_key_create(&at_thread_end, thread_ends) == 0; }

static bool keep(const perf_descriptor *event) {
    if (!event->id || event->fd >= FD_MASK) return false;
    uint64_t ticket = event->id << FD_BITS | (uint64_t)(event->fd + 1);
    uint32_t from = atomic_fetch_add(&next_place, 1);
    for (uint32_t i = 0; i < MAX_YOUNG; i++) {
        uint32_t place = (from + i) % MAX_YOUNG;
        uint64_t nothing = 0;
        if (!atomic_compare_exchange_strong(&places[place], &nothing, ticket)) continue;
        young.place = place;
        young.ticket = ticket;
        return true;
    }
    return false;
}

int young_adopt(flame_sampler *s) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    if (!has_key || pthread_setspecific(at_thread_end, &young) != 0) return -ENOMEM;
    close_place(young.place, young.ticket);
    uint64_t first_period = 1 + mix(s->young_seed + atomic_fetch_add(&seeds, 1)) % s->period;
    perf_descriptor event;
    int opened = perf_open_own(s, first_period, YOUNG_MARK << 32 | s->generation, &event);
    if (opened < 0) return opened;
    if (!keep(&event)) {
        close(event.fd);
        return -ENFILE;
    }
    young.left = YOUNG_TICKS;
    young.missed = 0;
    young.first = true;
    young.once = s->event == FLAME_TASK_CLOCK && first_period < SHORT_NS;
    young.passed = false;
    atomic_signal_fence(memory_order_seq_cst);
    young.generation = s->generation; /* the handler may run from here on */
    atomic_signal_fence(memory_order_seq_cst);
    if (ioctl(event.fd, young.once ? PERF_EVENT_IOC_REFRESH : PERF_EVENT_IOC_ENABLE, young.once ? 1 : 0) < 0) {
        int error = errno;
        young.generation = 0;
        close_place(young.place, young.ticket);
        return -error;
    }
    return 0;
}

bool young_tick_counts(const flame_sampler *s, bool own) {
    if (young.generation != s->generation) return !own;
    if (own) {
        if (!young.left) return false; /* was on its way when the event was closed */
        uint64_t period = s->period;
        if (young.first && is_ours(young.ticket)) {
            ioctl(descriptor_of(young.ticket), PERF_EVENT_IOC_PERIOD, &period);
            if (young.once) ioctl(descriptor_of(young.ticket), PERF_EVENT_IOC_ENABLE, 0);
        }
        young.first = false;
        if (!--young.left) close_place(young.place, young.ticket);
        return true;
    }
    if (young.left && young.first && ++young.missed > 1) { /* the first own tick was lost: it is due within a period */
        young.left = 0;
        young.passed = true;
        close_place(young.place, young.ticket);
    }
    if (young.left) return false;
    bool counts = young.passed;
    young.passed = true;
    return counts;
}

void young_close_all(void) {
    for (uint32_t i = 0; i < MAX_YOUNG; i++) close_place(i, atomic_load(&places[i]));
}
