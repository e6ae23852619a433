/* What ticks interrupted inside the kernel. */
#ifndef FLAME_KERNEL_FRAMES_H
#define FLAME_KERNEL_FRAMES_H

#include <stdint.h>

#include "flame_sampler.h"
#include "stacks/stack_table.h"

typedef struct kernel_frames kernel_frames;

kernel_frames *kernel_frames_new(void);
void kernel_frames_free(kernel_frames *kernel);
/* Reads which CPUs there are; then each gets an event of every thread, attached to the CPU's ring. */
int kernel_frames_open(flame_sampler *s);
uint32_t kernel_frames_cpus(const flame_sampler *s);
int kernel_frames_cpu(const flame_sampler *s, uint32_t index);
int kernel_frames_attach(flame_sampler *s, uint32_t index, int fd);

/* --- the rest under the sampler's lock --- */

void kernel_frames_close(flame_sampler *s);
/* Counts the calling thread's ticks below `onto`, the node of its Python frames, or as what `found` says of those. */
void kernel_frames_take(flame_sampler *s, outcome found, uint32_t onto);
/* The calling thread's ticks so far go to its next sample, without kernel frames: it was not interrupted there. */
void kernel_frames_leave_out(flame_sampler *s);
/* What no thread came back for is counted without a caller. */
void kernel_frames_settle(flame_sampler *s);
void kernel_frames_forget(flame_sampler *s);

#endif
