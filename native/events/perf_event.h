/* One perf event per thread that exists; threads they start inherit it. */
#ifndef FLAME_PERF_EVENT_H
#define FLAME_PERF_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "flame_sampler.h"

/* A program may close every descriptor it finds and get the same numbers for files of its own: before anything is done
 * with one, it has to be the event it was, by the kernel's own number for that. */
typedef struct {
    int fd;
    uint64_t id;
} perf_descriptor;

enum { MAX_EVENTS = 4096 };

/* The upper half of our events' sig_data; below it is the generation. */
static const uint64_t PERF_MARK = 0x666c616d;

int perf_open_all(flame_sampler *s);
int perf_set_enabled(flame_sampler *s, bool enabled);
void perf_close_all(flame_sampler *s);
/* An event of the calling thread alone, still disabled. 0 or -errno. */
int perf_open_own(const flame_sampler *s, uint64_t period, uint64_t sig_data, perf_descriptor *opened);
/* Of the event behind a descriptor; 0 where there is none. Async-signal-safe. */
uint64_t perf_event_id(int fd);
/* Records of ticks, and how many there were, are read from rings; without, the handler reckons. */
bool perf_has_rings(const flame_sampler *s);

#endif
