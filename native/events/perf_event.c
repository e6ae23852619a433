/* One perf event per existing thread; the threads it starts inherit the event (perf_event_open(2)). */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "events/perf_attributes.h"
#include "process/process.h"
#include "sampler/sampler.h"
#include "unwind/modules.h"

enum { NOT_YET = -1, MOST_PRECISE = 3 };

static perf_attributes attributes(const flame_sampler *s) {
    perf_attributes a;
    memset(&a, 0, sizeof a);
    a.size = sizeof a;
    if (s->event == FLAME_TASK_CLOCK) {
        a.type = PERF_TYPE_SOFTWARE;
        a.config = PERF_COUNT_SW_TASK_CLOCK;
    } else {
        a.type = PERF_TYPE_HARDWARE;
        a.config = s->event == FLAME_CYCLES ? PERF_COUNT_HW_CPU_CYCLES : PERF_COUNT_HW_INSTRUCTIONS;
    }
    a.sample_period = s->period;
    a.disabled = 1;
    a.pinned = a.type == PERF_TYPE_HARDWARE; /* without a free counter: no samples, instead of only some */
    a.inherit = 1;
    a.inherit_thread = 1;
    a.remove_on_exec = 1;
    a.sigtrap = 1;
    a.exclude_kernel = s->kernel_part == FLAME_KERNEL_OFF;
    a.exclude_hv = 1;
    a.sig_data = s->sig_data;
    if (s->kernel_part == FLAME_KERNEL_FRAMES) {
        a.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_CALLCHAIN;
        a.exclude_callchain_user = 1;
    }
    return a;
}

/* Hardware events are requested with the highest precision the processor has; the first event decides for all. */
static int open_event(flame_sampler *s, pid_t tid, int cpu) {
    perf_attributes a = attributes(s);
    int level = s->precise_level, fd;
    if (level == NOT_YET) level = s->event == FLAME_TASK_CLOCK ? 0 : MOST_PRECISE;
    for (;; level--) {
        a.precise_ip = (unsigned)level & 3u;
        fd = (int)syscall(SYS_perf_event_open, &a, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
        bool too_precise = fd < 0 && (errno == EINVAL || errno == EOPNOTSUPP || errno == ENOENT);
        if (!too_precise || !level || s->precise_level != NOT_YET) break;
    }
    if (fd >= 0) s->precise_level = level;
    return fd;
}

int flame_precise_level(const flame_sampler *s) { return s->precise_level > 0 ? s->precise_level : 0; }

/* With kernel frames a thread has an event on each CPU: an inherited event can be mapped only that way. */
static int open_thread(flame_sampler *s, pid_t tid) {
    if (tid == modules_watcher()) return 0;
    bool mapped = s->kernel_part == FLAME_KERNEL_FRAMES;
    uint32_t count = mapped ? kernel_frames_cpus(s) : 1;
    for (uint32_t i = 0; i < count; i++) {
        if (s->event_count == MAX_EVENTS)
            return fail(s, EMFILE, "more than %d events: threads%s", MAX_EVENTS, mapped ? " × CPUs" : "");
        int fd = open_event(s, tid, mapped ? kernel_frames_cpu(s, i) : -1);
        if (fd < 0) {
            if (errno == ESRCH) return 0; /* the thread has ended meanwhile */
            return fail(s, errno, "perf_event_open: %s", strerror(errno));
        }
        s->events[s->event_count++] = (perf_descriptor){fd, perf_event_id(fd)};
        int result = mapped ? kernel_frames_attach(s, i, fd) : 0;
        if (result) return result;
    }
    return 0;
}

/* Only a file without a type (an anonymous inode) can be an event: to others the request may mean something else. */
uint64_t perf_event_id(int fd) {
    struct stat file;
    uint64_t id = 0;
    if (fstat(fd, &file) != 0 || (file.st_mode & S_IFMT) || ioctl(fd, PERF_EVENT_IOC_ID, &id) < 0) return 0;
    return id;
}

static bool is_ours(const perf_descriptor *event) { return event->id && perf_event_id(event->fd) == event->id; }

int perf_open_own(const flame_sampler *s, uint64_t period, uint64_t sig_data, perf_descriptor *opened) {
    perf_attributes a = attributes(s);
    a.sample_period = period;
    a.sig_data = sig_data;
    a.inherit = a.inherit_thread = 0;
    int fd = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) return -errno;
    *opened = (perf_descriptor){fd, perf_event_id(fd)};
    return 0;
}

int perf_open_all(flame_sampler *s) {
    s->event_count = s->events_lost = 0;
    s->precise_level = NOT_YET;
    s->error[0] = 0;
    int result = s->kernel_part == FLAME_KERNEL_FRAMES ? kernel_frames_open(s) : 0;
    if (!result) result = each_thread(open_thread, s);
    if (result < 0 && !s->error[0]) result = fail(s, EIO, "/proc/self/task: %s", strerror(-result));
    if (result < 0) perf_close_all(s);
    return result;
}

int perf_set_enabled(flame_sampler *s, bool enabled) {
    unsigned long request = enabled ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;
    for (uint32_t i = 0; i < s->event_count;) {
        if (!is_ours(&s->events[i])) { /* the program closed it, and the event with it */
            s->events[i] = s->events[--s->event_count];
            s->events_lost++;
        } else if (ioctl(s->events[i++].fd, request, 0) < 0) {
            return fail(s, errno, "perf event ioctl: %s", strerror(errno));
        }
    }
    return 0;
}

bool perf_has_rings(const flame_sampler *s) {
    return s->rung == FLAME_PERF && s->kernel_part == FLAME_KERNEL_FRAMES && s->event_count > 0;
}

void perf_close_all(flame_sampler *s) {
    kernel_frames_close(s);
    for (uint32_t i = 0; i < s->event_count; i++) {
        if (is_ours(&s->events[i]))
            close(s->events[i].fd);
        else
            s->events_lost++;
    }
    s->event_count = 0;
}
