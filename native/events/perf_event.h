/* One perf event per existing thread; the threads it starts inherit the event. */
#ifndef FLAME_PERF_EVENT_H
#define FLAME_PERF_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "flame_sampler.h"

/* A program may close every descriptor it finds and then get the same numbers for its own files: before a descriptor is
 * used, the kernel's id of the event behind it must be the one that was opened. */
typedef struct {
    int fd;
    uint64_t id;
} perf_descriptor;

enum { MAX_EVENTS = 4096 };

/* The upper half of our events' sig_data; the lower half is the generation. */
static const uint64_t PERF_MARK = 0x666c616d;

int perf_open_all(flame_sampler *s);
int perf_set_enabled(flame_sampler *s, bool enabled);
void perf_close_all(flame_sampler *s);
/* An event of the calling thread alone, still disabled. 0 or -errno. */
int perf_open_own(const flame_sampler *s, uint64_t period, uint64_t sig_data, perf_descriptor *opened);
/* The id of the event behind a descriptor; 0 if there is none. Async-signal-safe. */
uint64_t perf_event_id(int fd);
/* Whether the ticks, and their number, are read from rings; otherwise the handler calculates the number. */
bool perf_has_rings(const flame_sampler *s);

#endif
