/* The signal handler, and what the program itself does with the signals it handles. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "events/young_threads.h"
#include "process/process.h"
#include "sampler/sampler.h"
#include "unwind/modules.h"

enum { TRAP_PERF_CODE = 6, TRAP_PERF_ASYNC = 1 };

/* The sampler that is started in this process: a signal handler cannot get it as an argument. */
static _Atomic(flame_sampler *) active;
/* Number of running handlers; flame_stop() waits for them before it frees anything. */
static atomic_int inside;
/* What SIGTRAP and the timer rung's signal did before: a handler that had to stay passes them on. */
static struct sigaction previous_trap, previous_timer;

bool make_active(flame_sampler *s) {
    flame_sampler *nobody = NULL;
    return atomic_compare_exchange_strong(&active, &nobody, s);
}

void make_inactive(void) {
    atomic_store(&active, NULL);
    while (atomic_load(&inside)) sched_yield();
}

flame_sampler *enter_active(void) {
    atomic_fetch_add(&inside, 1);
    return atomic_load(&active);
}

void leave_active(void) { atomic_fetch_sub(&inside, 1); }

/* Fields that C libraries do not name yet; they follow si_addr (asm-generic/siginfo.h). */
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
    flame_sampler *s = enter_active();
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
    leave_active();
    if (!ours) chain(number, info, context);
    errno = saved_errno;
}

static bool is_ours(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == on_signal;
}

/* `previous` becomes the program's disposition, unless that is ours. */
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

int install_handler(flame_sampler *s) {
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

/* The helper may still be listed for a moment after it was joined. */
static int is_another_thread(flame_sampler *s, pid_t tid) {
    return tid != (pid_t)syscall(SYS_gettid) && tid != s->helper_tid && tid != modules_watcher();
}

/* A tick that was on its way to another thread when the events closed still arrives, and with the default action it
 * would kill the process: the handler, now inert, is removed only if no other thread exists. */
int remove_handler(flame_sampler *s) {
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

/* A child has no events and no helper, but it has descriptors that could enable or disable its parent's events. */
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
    pthread_mutex_init(&s->threads_lock, NULL); /* another thread may have held it */
}

void watch_forks(void) { pthread_atfork(NULL, NULL, let_go_in_child); }
