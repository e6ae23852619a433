/* The unwind tables of everything that is loaded, kept up to date. Tables belong to the process, not to a sampler: they
 * are compiled once and serve all later samplers. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "flame_sampler.h"
#include "process/process.h"
#include "unwind/modules.h"

/* Code that is in no module (compiled at run time) must not keep the watcher busy. */
static const struct timespec WATCH_REST = {.tv_nsec = 50 * 1000 * 1000};
enum { FINGERPRINT_BYTES = 4096 };

typedef struct {
    char *path;
    uintptr_t bias, start, end;
    uint64_t fingerprint;
    bool loaded, seen;
    unwind_table table;
} module;

static module **modules; /* every module ever seen: indices stay valid */
static uint32_t module_count, module_room;
static unsigned long long adds_seen, subs_seen;
static uint32_t generations;
/* Held while the tables change and while the process forks: a child must not begin with the loader's lock held. */
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(module_map *) current;
static atomic_int readers;

/* --- reading one module --- */

static uint64_t hashed(uint64_t h, const void *bytes, size_t count) { /* FNV-1a (Fowler, Noll, Vo) */
    for (size_t i = 0; i < count; i++) h = (h ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
    return h;
}

/* The end of the loaded segment that contains an address: from there up to it, memory may be read. */
static const uint8_t *segment_end(const struct dl_phdr_info *info, uintptr_t address) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && address >= start && address < start + p->p_filesz)
            return (const uint8_t *)start + p->p_filesz;
    }
    return NULL;
}

/* `.eh_frame_hdr` (Linux Standard Base, 10.6.2) says where `.eh_frame` is, here always relative to the field. */
static const uint8_t *find_section(const struct dl_phdr_info *info, const uint8_t **header) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_GNU_EH_FRAME || p->p_filesz < 8) continue;
        const uint8_t *h = (const uint8_t *)(info->dlpi_addr + p->p_vaddr);
        int32_t distance;
        memcpy(&distance, h + 4, sizeof distance);
        *header = h;
        return h[0] == 1 && h[1] == 0x1b ? h + 4 + distance : NULL; /* version; pc-relative, signed 4 bytes */
    }
    return NULL;
}

static char *path_of(const struct dl_phdr_info *info) {
    if (info->dlpi_name && info->dlpi_name[0]) return strdup(info->dlpi_name);
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    return strdup(path);
}

static bool describe(const struct dl_phdr_info *info, module *m, const uint8_t **section) {
    const uint8_t *header = NULL;
    m->bias = info->dlpi_addr;
    m->start = UINTPTR_MAX;
    m->fingerprint = hashed(0xcbf29ce484222325u, info->dlpi_phdr, info->dlpi_phnum * sizeof *info->dlpi_phdr);
    if (info->dlpi_name) m->fingerprint = hashed(m->fingerprint, info->dlpi_name, strlen(info->dlpi_name));
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + p->p_vaddr;
        const uint8_t *limit = p->p_type == PT_NOTE ? segment_end(info, start) : NULL;
        if (limit && p->p_filesz <= (size_t)(limit - (const uint8_t *)start)) /* the build-id */
            m->fingerprint = hashed(m->fingerprint, (const void *)start, p->p_filesz);
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X)) continue;
        if (start < m->start) m->start = start;
        if (start + p->p_memsz > m->end) m->end = start + p->p_memsz;
    }
    *section = find_section(info, &header);
    if (header) {
        size_t readable = (size_t)(segment_end(info, (uintptr_t)header) - header);
        m->fingerprint = hashed(m->fingerprint, header, readable < FINGERPRINT_BYTES ? readable : FINGERPRINT_BYTES);
    }
    return m->start < m->end && m->end - m->start <= UINT32_MAX;
}

static module *known_module(const module *like) {
    for (uint32_t i = 0; i < module_count; i++) {
        module *m = modules[i];
        if (m->loaded && m->start == like->start && m->end == like->end && m->fingerprint == like->fingerprint)
            return m;
    }
    return NULL;
}

static int add_module(const module *described, const uint8_t *section, const uint8_t *limit, char *path) {
    if (module_count == module_room) {
        uint32_t room = 2 * module_room + 64;
        module **moved = realloc(modules, room * sizeof *modules);
        if (!moved) return -ENOMEM;
        modules = moved;
        module_room = room;
    }
    module *m = malloc(sizeof *m);
    if (!m) return -ENOMEM;
    *m = *described;
    m->path = path;
    m->loaded = m->seen = true;
    int result = compile_eh_frame(&m->table, section, limit, m->start, m->end);
    if (result) {
        free(m);
        return result;
    }
    modules[module_count++] = m;
    return 0;
}

typedef struct {
    bool changed;
    int error;
} visit_state;

static int visit(struct dl_phdr_info *info, size_t size, void *data) {
    visit_state *state = data;
    if (!state->changed) {
        bool counted = size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs;
        if (counted && info->dlpi_adds == adds_seen && info->dlpi_subs == subs_seen) return 1;
        state->changed = true;
        adds_seen = counted ? info->dlpi_adds : 0;
        subs_seen = counted ? info->dlpi_subs : 0;
        for (uint32_t i = 0; i < module_count; i++) modules[i]->seen = false;
    }
    module described = {.path = NULL};
    const uint8_t *section;
    if (!describe(info, &described, &section)) return 0;
    module *known = known_module(&described);
    if (known) {
        known->seen = true;
        return 0;
    }
    char *path = path_of(info);
    const uint8_t *limit = section ? segment_end(info, (uintptr_t)section) : NULL;
    state->error = path ? add_module(&described, limit ? section : NULL, limit, path) : -ENOMEM;
    if (state->error) free(path);
    return state->error;
}

/* --- the map that handlers read --- */

static int by_range(const void *a, const void *b) {
    const text_range *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static int publish(void) {
    module_map *map = malloc(sizeof *map + module_count * sizeof map->ranges[0]);
    if (!map) return -ENOMEM;
    map->generation = ++generations;
    map->range_count = 0;
    for (uint32_t i = 0; i < module_count; i++)
        if (modules[i]->seen)
            map->ranges[map->range_count++] = (text_range){modules[i]->start, modules[i]->end, &modules[i]->table, i};
    qsort(map->ranges, map->range_count, sizeof map->ranges[0], by_range);
    module_map *before = atomic_exchange(&current, map);
    while (atomic_load(&readers)) sched_yield();
    free(before);
    for (uint32_t i = 0; i < module_count; i++) {
        if (modules[i]->loaded && !modules[i]->seen) free_unwind_table(&modules[i]->table);
        modules[i]->loaded = modules[i]->seen;
    }
    return 0;
}

static void before_fork(void) { pthread_mutex_lock(&changing); }
static void after_fork(void) { pthread_mutex_unlock(&changing); }
static void after_fork_in_child(void) {
    atomic_store(&readers, 0);
    pthread_mutex_unlock(&changing);
}
static void guard_forks(void) { pthread_atfork(before_fork, after_fork, after_fork_in_child); }

int modules_refresh(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, guard_forks);
    pthread_mutex_lock(&changing);
    visit_state state = {false, 0};
    dl_iterate_phdr(visit, &state);
    if (state.changed && !state.error) state.error = publish();
    if (state.error) adds_seen = 0; /* the next call tries again */
    pthread_mutex_unlock(&changing);
    return state.error;
}

const module_map *modules_enter(void) {
    atomic_fetch_add(&readers, 1);
    return atomic_load(&current);
}

void modules_leave(void) { atomic_fetch_sub(&readers, 1); }

const text_range *find_range(const module_map *map, uintptr_t address) {
    uint32_t low = 0, high = map->range_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (map->ranges[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < map->range_count && address >= map->ranges[low].start ? &map->ranges[low] : NULL;
}

uint32_t flame_module_count(void) { return module_count; }

flame_module flame_module_at(uint32_t index) {
    if (index >= module_count) return (flame_module){.path = ""};
    const module *m = modules[index];
    return (flame_module){m->path, m->bias, m->start, m->end, m->loaded, m->table.functions, m->table.rejected};
}

/* --- while sampling --- */

static struct {
    pthread_t thread;
    sem_t wanted;
    bool running;
    atomic_bool stop, asked;
    _Atomic pid_t tid;
    uint64_t cpu_ns; /* of those that have ended */
} watcher;

static void *watch(void *unused) {
    own_descriptors();
    watcher.tid = (pid_t)syscall(SYS_gettid);
    while (!atomic_load(&watcher.stop)) {
        if (sem_wait(&watcher.wanted) != 0 || atomic_load(&watcher.stop)) continue;
        modules_refresh(); /* what failed for lack of memory is tried again at the next unknown pc */
        clock_nanosleep(CLOCK_MONOTONIC, 0, &WATCH_REST, NULL);
        atomic_store(&watcher.asked, false);
    }
    return unused;
}

int modules_watch(void) {
    if (watcher.running) return 0;
    if (sem_init(&watcher.wanted, 0, 0) != 0) return -errno;
    atomic_store(&watcher.stop, false);
    atomic_store(&watcher.asked, false);
    watcher.tid = 0;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = pthread_create(&watcher.thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) {
        sem_destroy(&watcher.wanted);
        return -error;
    }
    watcher.running = true;
    while (!watcher.tid) sched_yield();
    return 0;
}

pid_t modules_watcher(void) { return watcher.tid; }

static uint64_t watcher_clock_ns(void) {
    clockid_t clock;
    struct timespec t;
    if (pthread_getcpuclockid(watcher.thread, &clock) != 0 || clock_gettime(clock, &t) != 0) return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t modules_watcher_cpu_ns(void) { return watcher.cpu_ns + (watcher.running ? watcher_clock_ns() : 0); }

void modules_unwatch(void) {
    if (!watcher.running) return;
    watcher.cpu_ns += watcher_clock_ns();
    atomic_store(&watcher.stop, true);
    sem_post(&watcher.wanted);
    pthread_join(watcher.thread, NULL);
    sem_destroy(&watcher.wanted);
    watcher.running = false;
}

void modules_forget_watcher(void) { watcher.running = false; }

void modules_wanted(void) {
    if (watcher.running && !atomic_exchange(&watcher.asked, true)) sem_post(&watcher.wanted);
}
