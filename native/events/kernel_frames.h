/* What ticks interrupted inside the kernel. */
#ifndef FLAME_KERNEL_FRAMES_H
#define FLAME_KERNEL_FRAMES_H

#include <stdint.h>

#include "flame_sampler.h"
#include "stacks/stack_table.h"

typedef struct kernel_frames kernel_frames;

kernel_frames *kernel_frames_new(void);
void kernel_frames_free(kernel_frames *kernel);
/* Reads the list of CPUs. Each CPU then gets an event of every thread, attached to the CPU's ring. */
int kernel_frames_open(flame_sampler *s);
uint32_t kernel_frames_cpus(const flame_sampler *s);
int kernel_frames_cpu(const flame_sampler *s, uint32_t index);
int kernel_frames_attach(flame_sampler *s, uint32_t index, int fd);

/* --- called under the sampler's lock --- */

void kernel_frames_close(flame_sampler *s);
/* Counts the calling thread's ticks below `onto`, the node of its Python frames, or as `found` if these were not
 * recorded. */
void kernel_frames_take(flame_sampler *s, outcome found, uint32_t onto);
/* Leaves the calling thread's ticks to its next sample, without kernel frames: that sample interrupts it elsewhere. */
void kernel_frames_leave_out(flame_sampler *s);
/* Counts ticks whose thread never returned to user mode, without a caller. */
void kernel_frames_settle(flame_sampler *s);
void kernel_frames_forget(flame_sampler *s);

#endif
