/* What is loaded into this process, and its unwind tables. */
#ifndef FLAME_MODULES_H
#define FLAME_MODULES_H

#include <sys/types.h>

#include "unwind/unwind_table.h"

typedef struct {
    uintptr_t start, end;
    const unwind_table *table;
    uint32_t module; /* index for module_at() */
} text_range;

typedef struct {
    uint32_t generation, range_count;
    text_range ranges[]; /* ascending */
} module_map;

/* Compiles what was loaded since the last call and forgets what was unloaded. Not async-signal-safe. 0 or -errno. */
int modules_refresh(void);
/* Between these two calls the map stays valid; async-signal-safe. NULL before the first refresh. */
const module_map *modules_enter(void);
void modules_leave(void);
const text_range *find_range(const module_map *map, uintptr_t address);

/* Keeps the tables up to date while sampling: a thread that waits for modules_wanted(). */
int modules_watch(void);
void modules_unwatch(void);
/* Its thread id, also for a while after its end; 0 if there is none. Its CPU time so far, nanoseconds. */
pid_t modules_watcher(void);
uint64_t modules_watcher_cpu_ns(void);
/* Called in a forked child, where it does not exist. */
void modules_forget_watcher(void);
/* Reports a pc that is in no known module. Async-signal-safe. */
void modules_wanted(void);

#endif
