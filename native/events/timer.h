/* The rung for machines that refuse perf events. */
#ifndef FLAME_TIMER_H
#define FLAME_TIMER_H

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "flame_sampler.h"

#define TIMER_SIGNAL (SIGRTMAX - 3)
enum { MAX_THREADS = 4096 };
/* The contents of the helper's signals: generation, mark, slot. */
enum { TICKET_MARK = 0x71a30000, TICKET_MARK_BITS = 0x7fff0000, TICKET_SLOT_BITS = 0xffff };

typedef struct {
    pid_t tid;                    /* 0: free */
    atomic_bool pending;          /* a signal is on its way */
    atomic_uint_fast64_t owed_ns; /* CPU that no sample represents yet */
    uint64_t last_cpu_ns;         /* under threads_lock */
    uint64_t born_ns;             /* likewise; 0: not known */
    atomic_uint rest;             /* ticks to leave out, see record_paced() */
    uint64_t slow_ns;             /* only for the thread itself, in its handler; see record_paced() */
} thread_slot;

int timer_start(flame_sampler *s, uint64_t seed);
int timer_resume(flame_sampler *s);
/* Announces the calling thread, which has just begun, so that the helper need not find it. */
int timer_adopt(flame_sampler *s);
void timer_pause(flame_sampler *s);
/* Called by the handler. */
void timer_tick(flame_sampler *s, uint32_t slot, const void *context);
void timer_join(flame_sampler *s);

#endif
