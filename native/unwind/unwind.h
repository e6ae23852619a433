/* Native frames, independent of Python: the walk along the unwind tables of the loaded modules. x86-64. */
#ifndef FLAME_UNWIND_H
#define FLAME_UNWIND_H

#include "unwind/modules.h"
#include "unwind/registers.h"
#include "unwind/stack_view.h"

typedef struct {
    uintptr_t pc, sp, cfa; /* the frame is [sp, cfa); pc: the next instruction to run in it */
    bool interrupted;      /* pc is no return address: the frame is the leaf, or a signal interrupted it */
    bool guessed;          /* its caller was found without unwind information */
} native_frame;

typedef enum {
    REACHED_ROOT,   /* the outermost frame of the thread */
    REACHED_ANCHOR, /* the frame that contains the last anchor, where the walk was to end */
    BROKE_OFF,      /* no caller was found, or deeper than MAX_NATIVE_DEPTH */
} walk_end;

enum { MAX_NATIVE_DEPTH = 8192, KNOWN_PCS = 2048 };

/* What a pc means, kept from sample to sample: all that a walk needs of it lies in one cache line. */
enum { NO_CALL = 1, A_CALL = 2 };
typedef struct {
    uintptr_t pc;
    const text_range *range; /* NULL: in no module, the rule is ROW_NONE */
    uint32_t rule, row;      /* the row's and its index */
    uint32_t code;           /* for the unwinder's user; 0 at first */
    uint32_t after_call;     /* of the byte before a possible return address: does a call end here? 0: not checked */
} known_pc;

typedef struct {
    known_pc known[KNOWN_PCS];
    const module_map *map;
    uint32_t generation; /* of the map that `known` was filled from */
    uint32_t depth;
    native_frame frames[MAX_NATIVE_DEPTH]; /* leaf first */
} unwinder;

/* The registers of the interrupted instruction. */
registers registers_of(const void *context);
/* The stack is read through `view`, code through its reader. `anchors` (ascending) are addresses known to lie in
 * frames: they confirm guesses. With `to_anchor` the walk ends at the frame that contains the last. `map` must stay
 * valid during the walk: between modules_enter() and modules_leave(). */
walk_end walk_native(unwinder *u, const module_map *map, const registers *from, stack_view view,
                     const uintptr_t *anchors, uint32_t anchor_count, bool to_anchor);
/* For a frame that made a call, `pc` is the byte before its return address. */
known_pc *look_up(unwinder *u, uintptr_t pc);

#endif
