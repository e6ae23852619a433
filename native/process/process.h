/* What the other parts need from the process and its clocks. */
#ifndef FLAME_PROCESS_H
#define FLAME_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "flame_sampler.h"

uint64_t clock_ns(clockid_t clock);
/* Calls `visit` for each thread of the process; stops at the first non-zero result and returns it. -errno if the
 * threads cannot be listed. */
int each_thread(int (*visit)(flame_sampler *s, pid_t tid), flame_sampler *s);
/* The process that traces this one (a debugger, strace); 0 if there is none. */
pid_t tracer_pid(void);
/* Gives the calling thread, one of the sampler's, an empty table of descriptors that it shares with no thread of the
 * program: system calls on descriptors are more expensive while threads share them (fdget in fs/file.c then counts
 * references), and what is measured must not pay for the sampler. A failure only costs time. */
void own_descriptors(void);

#endif
