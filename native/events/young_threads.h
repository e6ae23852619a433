/* Ticks from the beginning of a thread. */
#ifndef FLAME_YOUNG_THREADS_H
#define FLAME_YOUNG_THREADS_H

#include <stdbool.h>
#include <stdint.h>

#include "flame_sampler.h"

/* Like PERF_MARK, for a young thread's own event. */
static const uint64_t YOUNG_MARK = 0x666c7967;

/* Gives the calling thread ticks from its beginning. 0 or -errno. */
int young_adopt(flame_sampler *s);
/* In the handler: whether a tick of the thread's own event, or of the inherited one, counts. */
bool young_tick_counts(const flame_sampler *s, bool own);
void young_close_all(void);

#endif
