/* One perf event per thread that exists; threads they start inherit it (perf_event_open(2)). */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

static struct perf_event_attr attributes(const flame_sampler *s) {
    struct perf_event_attr a;
    memset(&a, 0, sizeof a);
    a.size = sizeof a;
    if (s->event == FLAME_CYCLES) {
        a.type = PERF_TYPE_HARDWARE;
        a.config = PERF_COUNT_HW_CPU_CYCLES;
    } else {
        a.type = PERF_TYPE_SOFTWARE;
        a.config = PERF_COUNT_SW_TASK_CLOCK;
    }
    a.sample_period = s->period;
    a.disabled = 1;
    a.inherit = 1;
    a.inherit_thread = 1;
    a.remove_on_exec = 1;
    a.sigtrap = 1;
    a.exclude_kernel = !s->with_kernel;
    a.exclude_hv = 1;
    a.sig_data = s->sig_data;
    return a;
}

static int open_thread(flame_sampler *s, pid_t tid) {
    if (s->event_count == MAX_EVENTS) return fail(s, EMFILE, "the process has more than %d threads", MAX_EVENTS);
    struct perf_event_attr a = attributes(s);
    int fd = (int)syscall(SYS_perf_event_open, &a, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) {
        if (errno == ESRCH) return 0; /* the thread has ended meanwhile */
        return fail(s, errno, "perf_event_open: %s", strerror(errno));
    }
    s->events[s->event_count++] = fd;
    return 0;
}

int perf_open_own(const flame_sampler *s, uint64_t period, uint64_t sig_data) {
    struct perf_event_attr a = attributes(s);
    a.sample_period = period;
    a.sig_data = sig_data;
    a.inherit = a.inherit_thread = 0;
    int fd = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int perf_open_all(flame_sampler *s) {
    s->event_count = 0;
    s->error[0] = 0;
    int result = each_thread(open_thread, s);
    if (result < 0 && !s->error[0]) fail(s, -result, "/proc/self/task: %s", strerror(-result));
    if (result < 0) perf_close_all(s);
    return result;
}

int perf_set_enabled(flame_sampler *s, bool enabled) {
    unsigned long request = enabled ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;
    for (uint32_t i = 0; i < s->event_count; i++)
        if (ioctl(s->events[i], request, 0) < 0) return fail(s, errno, "perf event ioctl: %s", strerror(errno));
    return 0;
}

void perf_close_all(flame_sampler *s) {
    for (uint32_t i = 0; i < s->event_count; i++) close(s->events[i]);
    s->event_count = 0;
}
