/* Kernel frames: what a tick interrupted inside the kernel.
 *
 * Each tick leaves a record in the ring of its CPU: the thread and the kernel functions (perf_event_open(2),
 * PERF_SAMPLE_CALLCHAIN without the user part). The thread's handler runs when the thread returns to user mode: it
 * takes the records of its own ticks and puts their kernel frames below the Python frames it finds. The handler that
 * drains a ring keeps the records of other threads for them. Rings are per CPU because an inherited event can be mapped
 * only that way. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sampler/sampler.h"

/* 256 KiB per CPU hold about 1,600 ticks; kernel.perf_event_mlock_kb allows 516 KiB per CPU and user. */
enum { RING_BYTES = 1 << 18, MAX_RECORD_BYTES = 1 << 13, MAX_WAITING = 1 << 12 };

typedef struct {
    int cpu, fd; /* of the event that owns the ring; -1 before the first event */
    struct perf_event_mmap_page *control;
} ring;

/* Ticks with the same kernel frames from which their thread has not yet returned to user mode. */
typedef struct {
    pid_t tid;
    uint32_t node, ticks;
} waiting_ticks;

struct kernel_frames {
    ring *rings;
    uint32_t ring_count, waiting_count, function_count;
    uint64_t *functions;
    waiting_ticks waiting[MAX_WAITING]; /* oldest first */
    uint32_t path[MAX_RECORD_BYTES / sizeof(uint64_t)];
    char record[MAX_RECORD_BYTES] __attribute__((aligned(8)));
};

/* Sets up one ring for each CPU in a list such as "0-3,8" (/sys/devices/system/cpu/online), as far as there is room;
 * returns the number of CPUs. */
static uint32_t cpus_of(const char *list, ring *rings, uint32_t room) {
    uint32_t count = 0;
    for (const char *at = list; *at >= '0' && *at <= '9';) {
        char *end;
        long first = strtol(at, &end, 10), last = first;
        if (*end == '-') last = strtol(end + 1, &end, 10);
        for (long cpu = first; cpu <= last; cpu++, count++)
            if (count < room) rings[count] = (ring){.cpu = (int)cpu, .fd = -1};
        at = *end == ',' ? end + 1 : end;
    }
    return count;
}

static size_t map_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE) + RING_BYTES; }

int kernel_frames_open(flame_sampler *s) {
    kernel_frames *k = s->kernel;
    char list[4096] = "";
    FILE *file = fopen("/sys/devices/system/cpu/online", "re");
    if (!file || !fgets(list, sizeof list, file)) list[0] = 0;
    if (file) fclose(file);
    uint32_t count = cpus_of(list, NULL, 0);
    if (!count) return fail(s, EIO, "/sys/devices/system/cpu/online: no list of CPUs");
    k->rings = calloc(count, sizeof *k->rings);
    if (!k->rings) return fail(s, ENOMEM, "no memory for %u rings", count);
    k->ring_count = cpus_of(list, k->rings, count);
    k->waiting_count = 0;
    return 0;
}

uint32_t kernel_frames_cpus(const flame_sampler *s) { return s->kernel->ring_count; }
int kernel_frames_cpu(const flame_sampler *s, uint32_t i) { return s->kernel->rings[i].cpu; }

int kernel_frames_attach(flame_sampler *s, uint32_t i, int fd) {
    ring *r = &s->kernel->rings[i];
    if (r->control) {
        if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, r->fd) < 0)
            return fail(s, errno, "PERF_EVENT_IOC_SET_OUTPUT: %s", strerror(errno));
        return 0;
    }
    void *memory = mmap(NULL, map_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) /* EPERM means perf_event_open was refused */
        return fail(s, errno == EPERM ? ENOBUFS : errno, "mmap of a perf ring: %s", strerror(errno));
    r->control = memory;
    r->fd = fd;
    return 0;
}

/* A forked child has no such mapping (the kernel does not copy it), and nothing can be mapped there yet. */
void kernel_frames_close(flame_sampler *s) {
    kernel_frames *k = s->kernel;
    for (uint32_t i = 0; i < k->ring_count; i++)
        if (k->rings[i].control) munmap(k->rings[i].control, map_bytes());
    free(k->rings);
    k->rings = NULL;
    k->ring_count = k->waiting_count = 0;
}

/* Index of the function that contains the address; -1 if the table is full. */
static int64_t function_code(flame_sampler *s, uint64_t address) {
    const kernel_frames *k = s->kernel;
    uint32_t low = 0, high = k->function_count; /* functions[low - 1] <= address < functions[high] */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (k->functions[middle] <= address)
            low = middle + 1;
        else
            high = middle;
    }
    flame_code key = {.address = low ? k->functions[low - 1] : 0, .kind = FLAME_KIND_KERNEL};
    int64_t found = table_find_code(&s->table, &key);
    return found < 0 ? table_add_code(&s->table, &key) : found;
}

static int64_t top_node(flame_sampler *s) { return table_child(&s->table, FLAME_ROOT_UNCUT, FLAME_CODE_IN_KERNEL); }

/* The frames of one tick, stored as a path below `top_node`. Addresses are leaf first; all but the leaf's are return
 * addresses, which point past the call. Without symbols all functions have one code, and one frame is kept. */
static int64_t chain_node(flame_sampler *s, const uint64_t *addresses, uint64_t count) {
    int64_t node = top_node(s), last = -1;
    bool in_kernel = false;
    uint64_t first = 0, end = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (addresses[i] < (uint64_t)PERF_CONTEXT_MAX) {
            if (in_kernel) end = i + 1;
            continue;
        }
        in_kernel = addresses[i] == (uint64_t)PERF_CONTEXT_KERNEL;
        if (in_kernel) first = end = i + 1;
    }
    for (uint64_t i = end; node >= 0 && i-- > first;) {
        int64_t code = function_code(s, i == first ? addresses[i] : addresses[i] - 1);
        if (code < 0) return -1;
        if (code != last || s->kernel->function_count) node = table_child(&s->table, (uint32_t)node, (uint32_t)code);
        last = code;
    }
    return node;
}

static void put_aside(flame_sampler *s, pid_t tid, uint32_t node) {
    kernel_frames *k = s->kernel;
    for (uint32_t i = k->waiting_count; i-- > 0;) {
        waiting_ticks *w = &k->waiting[i];
        if (w->tid != tid) continue;
        if (w->node != node) break;
        w->ticks++;
        return;
    }
    if (k->waiting_count == MAX_WAITING) {
        atomic_fetch_add(&s->lost, 1);
        return;
    }
    k->waiting[k->waiting_count++] = (waiting_ticks){tid, node, 1};
}

static void read_record(flame_sampler *s, const char *record, size_t bytes) {
    struct perf_event_header header;
    memcpy(&header, record, sizeof header);
    struct {
        uint32_t pid, tid;
        uint64_t count;
    } sample;
    struct {
        uint64_t id, count;
    } lost;
    const char *body = record + sizeof header;
    if (header.type == PERF_RECORD_LOST && bytes >= sizeof header + sizeof lost) {
        memcpy(&lost, body, sizeof lost);
        atomic_fetch_add(&s->lost, lost.count);
    } else if (header.type == PERF_RECORD_SAMPLE && bytes >= sizeof header + sizeof sample) {
        memcpy(&sample, body, sizeof sample);
        if (sample.count > (bytes - sizeof header - sizeof sample) / sizeof(uint64_t)) return;
        int64_t node = chain_node(s, (const uint64_t *)(const void *)(body + sizeof sample), sample.count);
        if (node >= 0)
            put_aside(s, (pid_t)sample.tid, (uint32_t)node);
        else
            atomic_fetch_add(&s->overflowed, 1);
    }
}

static void drain_ring(flame_sampler *s, ring *r) {
    const char *data = (const char *)r->control + sysconf(_SC_PAGESIZE);
    char *record = s->kernel->record;
    uint64_t head = __atomic_load_n(&r->control->data_head, __ATOMIC_ACQUIRE), tail = r->control->data_tail;
    while (tail < head) {
        struct perf_event_header header; /* records are multiples of 8 bytes: a header never wraps */
        memcpy(&header, data + tail % RING_BYTES, sizeof header);
        size_t bytes = header.size, until_wrap = RING_BYTES - tail % RING_BYTES;
        if (bytes < sizeof header ||
            bytes > head - tail) { /* not a record that the kernel wrote: nothing after it can be trusted */
            atomic_fetch_add(&s->lost, 1);
            tail = head;
            break;
        }
        if (bytes <= MAX_RECORD_BYTES) {
            size_t before = bytes < until_wrap ? bytes : until_wrap;
            memcpy(record, data + tail % RING_BYTES, before);
            memcpy(record + before, data, bytes - before);
            read_record(s, record, bytes);
        } else {
            atomic_fetch_add(&s->lost, 1);
        }
        tail += bytes;
    }
    __atomic_store_n(&r->control->data_tail, tail, __ATOMIC_RELEASE);
}

static void drain_rings(flame_sampler *s) {
    for (uint32_t i = 0; i < s->kernel->ring_count; i++)
        if (s->kernel->rings[i].control) drain_ring(s, &s->kernel->rings[i]);
}

void kernel_frames_forget(flame_sampler *s) {
    drain_rings(s);
    s->kernel->waiting_count = 0;
}

static void add_ticks(flame_sampler *s, uint32_t node, uint32_t ticks) {
    s->table.nodes[node].count += ticks;
    s->table.nodes[node].weight_ns += ticks * s->period;
    atomic_fetch_add(&s->taken, ticks);
    atomic_fetch_add(&s->weight_ns, ticks * s->period);
}

/* Copies the path from `top` to `kernel_node` below `onto`. -1 if the table is full. */
static int64_t graft(flame_sampler *s, uint32_t onto, uint32_t kernel_node, uint32_t top) {
    uint32_t *path = s->kernel->path, depth = 0;
    for (uint32_t at = kernel_node; at != top; at = s->table.nodes[at].parent) path[depth++] = s->table.nodes[at].code;
    int64_t node = onto;
    while (node >= 0 && depth-- > 0) node = table_child(&s->table, (uint32_t)node, path[depth]);
    return node;
}

/* A tick in user mode is delivered immediately. Ticks recorded before one were therefore held back (no sample could be
 * taken), and their kernel frames do not belong to the frames found now: they are counted at `onto` itself. */
void kernel_frames_take(flame_sampler *s, outcome found, uint32_t onto) {
    kernel_frames *k = s->kernel;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    drain_rings(s);
    int64_t top = top_node(s);
    uint32_t held_back = 0, kept = 0;
    for (uint32_t i = 0; i < k->waiting_count; i++)
        if (k->waiting[i].tid == tid && k->waiting[i].node == top) held_back = i + 1;
    for (uint32_t i = 0; i < k->waiting_count; i++) {
        waiting_ticks w = k->waiting[i];
        if (w.tid != tid) {
            k->waiting[kept++] = w;
        } else if (found != RECORDED) {
            atomic_fetch_add(found == UNWINDABLE ? &s->unwindable : &s->overflowed, w.ticks);
        } else {
            int64_t node = i < held_back ? onto : graft(s, onto, w.node, (uint32_t)top);
            if (node >= 0) {
                add_ticks(s, (uint32_t)node, w.ticks);
                table_count_line(&s->table, s->stack->line, w.ticks, w.ticks * s->period);
            } else {
                atomic_fetch_add(&s->overflowed, w.ticks);
            }
        }
    }
    k->waiting_count = kept;
}

void kernel_frames_leave_out(flame_sampler *s) {
    kernel_frames *k = s->kernel;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    drain_rings(s);
    int64_t top = top_node(s);
    for (uint32_t i = 0; top >= 0 && i < k->waiting_count; i++)
        if (k->waiting[i].tid == tid) k->waiting[i].node = (uint32_t)top;
}

void kernel_frames_settle(flame_sampler *s) {
    kernel_frames *k = s->kernel;
    drain_rings(s);
    for (uint32_t i = 0; i < k->waiting_count; i++) add_ticks(s, k->waiting[i].node, k->waiting[i].ticks);
    k->waiting_count = 0;
}

int flame_set_kernel_functions(flame_sampler *s, const uint64_t *starts, uint32_t count) {
    if (s->started) return fail(s, EBUSY, "the kernel's functions are set before sampling starts");
    uint64_t *copy = malloc((count ? count : 1) * sizeof *copy);
    if (!copy) return fail(s, ENOMEM, "no memory for %u kernel functions", count);
    for (uint32_t i = 0; i < count; i++) {
        if (i && starts[i] <= starts[i - 1]) {
            free(copy);
            return fail(s, EINVAL, "the starts of kernel functions are not ascending");
        }
        copy[i] = starts[i];
    }
    free(s->kernel->functions);
    s->kernel->functions = copy;
    s->kernel->function_count = count;
    return 0;
}

kernel_frames *kernel_frames_new(void) { return calloc(1, sizeof(kernel_frames)); }

void kernel_frames_free(kernel_frames *k) {
    if (k) free(k->functions);
    free(k);
}
