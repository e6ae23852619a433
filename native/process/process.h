/* What the other parts ask of the process and its clocks. */
#ifndef FLAME_PROCESS_H
#define FLAME_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

#include "flame_sampler.h"

uint64_t clock_ns(clockid_t clock);
/* Calls `visit` for each thread of the process; stops at its first non-zero result and returns it; -errno. */
int each_thread(int (*visit)(flame_sampler *s, pid_t tid), flame_sampler *s);
/* Who traces this process (a debugger, strace); 0 for nobody. */
pid_t tracer_pid(void);
/* The calling thread, one of ours, shares no descriptors with the program's any more, and has none to begin with:
 * system calls on descriptors are more expensive while threads share them (fdget in fs/file.c counts references then),
 * and what is measured shall not pay for us. Where it fails it only costs. */
void own_descriptors(void);

#endif
