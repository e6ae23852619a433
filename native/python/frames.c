/* The Python frames of a thread, read where it was stopped.
 *
 * It was stopped by its own signal handler or by a debugger: its frames do not change while they are read, but it may
 * be in the middle of pushing or popping one. CPython 3.11 publishes `tstate->cframe = &cframe` a few instructions
 * before it fills the structure, and compilers may reorder other stores in the same way: what is found is checked
 * before it is believed, and memory that is not known to be mapped is read through the reader. A stack that fails a
 * check is counted. */
#include <string.h>

#include "python/code_objects.h"
#include "python/frames.h"

enum {
    OWNED_BY_THREAD = 0,
    OWNED_BY_GENERATOR = 1,
    OWNED_BY_EVAL_LOOP = 3,
    INSTRUCTION_BYTES = 2,
    USUAL_CODE_BYTES = 1 << 16
};
enum { CFRAME_BYTES = 24, EVAL_LOOP_BYTES = 4096, MAX_CHUNKS = 256, MAX_RUN = 1 << 20 };
static const uintptr_t FARTHEST_STACK = 1ul << 30, REFERENCE_TAGS = 3;

static uintptr_t word(const void *base, uint32_t offset) {
    uintptr_t value;
    memcpy(&value, (const char *)base + offset, sizeof value);
    return value;
}

static uintptr_t word_at(uintptr_t base, uint32_t offset) { return word((const void *)base, offset); }

typedef struct {
    const python_interpreter *of;
    const flame_layout *layout;
    const memory_reader *memory;
    stack_table *table;
    python_stack *stack;
    uintptr_t state, sp, stack_end, chunk;
    uintptr_t cframe, root_cframe; /* up to 3.12 */
    uintptr_t above;               /* from 3.13 on: the last shim; those of callers lie above it on the C stack */
    bool in_place;                 /* what is known to be mapped is read in place */
    bool newest;                   /* in the newest run of the eval loop, the one that may be incomplete */
    bool believed, first;          /* the frame runs, as far as can be seen; it is the first since that was checked */
    bool running; /* a run of the eval loop was found complete: its callers are running, wherever they lie */
    char *frame_held, *code_held; /* room for copies */
} python_walk;

static bool read_word(const python_walk *w, uintptr_t address, bool mapped, uintptr_t *value) {
    if (!mapped || !w->in_place) return read_memory(w->memory, address, value, sizeof *value);
    *value = word_at(address, 0);
    return true;
}

/* Frames of running functions live in the thread's data stack and can be read directly. Callers lie in the same chunk
 * or in an older one, so `chunk`, the one found last, is where the next search starts. */
static bool in_datastack(const flame_layout *l, uintptr_t *chunk, uintptr_t address) {
    uintptr_t at = *chunk;
    for (int i = 0; at && i < MAX_CHUNKS; i++) {
        if (address > at && address + FRAME_BYTES <= at + word_at(at, l->chunk_size)) {
            *chunk = at;
            return true;
        }
        at = word_at(at, l->chunk_previous);
    }
    return false;
}

/* Whether the leaf can be believed as it is: it lies in the part of the data stack that is in use, and its fields agree
 * in a way that would not happen by chance. Running frames keep their code and their callers alive. */
static bool is_running(const flame_layout *l, uintptr_t state, uintptr_t frame) {
    uintptr_t chunk = word_at(state, l->tstate_datastack_chunk), top = word_at(state, l->tstate_datastack_top);
    if (!chunk || frame <= chunk || frame + FRAME_BYTES > top) return false;
    const char *f = (const char *)frame;
    uintptr_t code = word(f, l->frame_code) & ~REFERENCE_TAGS;
    uintptr_t before_first = code + l->code_adaptive - INSTRUCTION_BYTES;
    bool entry_known = !l->frame_is_entry || (f[l->frame_is_entry] & ~1) == 0;
    return f[l->frame_owner] == OWNED_BY_THREAD && entry_known &&
           word(f, l->frame_instr) - before_first < USUAL_CODE_BYTES;
}

/* The frame's bytes, copied if they may not be mapped; NULL if they are not. */
static const char *frame_bytes(python_walk *w, uintptr_t frame) {
    if (w->in_place) {
        if (w->running || in_datastack(w->layout, &w->chunk, frame)) return (const char *)frame;
        if (frame > w->sp && frame + FRAME_BYTES <= w->stack_end) return (const char *)frame;
    }
    return read_memory(w->memory, frame, w->frame_held, FRAME_BYTES) ? w->frame_held : NULL;
}

static void believe_or_not(python_walk *w, uintptr_t frame) {
    w->believed = w->in_place && is_running(w->layout, w->state, frame);
    w->first = true;
}

static bool above_on_stack(uintptr_t candidate, uintptr_t address) {
    return candidate > address && (!address || candidate - address < FARTHEST_STACK) && candidate % sizeof(void *) == 0;
}

/* Index of the function in the table. */
static outcome find_code(const python_walk *w, uintptr_t address, const char *code, uint32_t *index) {
    const flame_layout *l = w->layout;
    flame_code key = {
        .address = address,
        .qualname_object = word(code, l->code_qualname),
        .filename_object = word(code, l->code_filename),
        .linetable_object = word(code, l->code_linetable),
    };
    memcpy(&key.firstlineno, code + l->code_firstlineno, sizeof key.firstlineno);
    int64_t found = table_find_code(w->table, &key);
    if (found < 0) return add_code_object(l, w->memory, w->table, &key, index);
    *index = (uint32_t)found;
    return RECORDED;
}

/* Records the frame's function, unless the stack is cut here or the frame is not complete yet. */
static outcome take_frame(python_walk *w, const char *f) {
    const flame_layout *l = w->layout;
    python_stack *out = w->stack;
    uintptr_t code = word(f, l->frame_code) & ~REFERENCE_TAGS;

    /* Only a leaf that does not run can refer to a code object that is gone; only there is the code object copied. */
    const char *c = (const char *)code;
    if (f == w->frame_held || (w->first && !w->believed)) {
        if (!read_memory(w->memory, code, w->code_held, l->code_adaptive)) return UNWINDABLE;
        c = w->code_held;
    }
    if (word(c, l->object_type) != w->of->code_type) return UNWINDABLE;

    for (uint32_t i = 0; i < w->of->stop_count; i++)
        if (code == w->of->stops[i]) out->cut = true;
    if (out->cut) return RECORDED;

    int32_t first_traceable;
    memcpy(&first_traceable, c + l->code_firsttraceable, sizeof first_traceable);
    bool incomplete =
        f[l->frame_owner] != OWNED_BY_GENERATOR &&
        word(f, l->frame_instr) < code + l->code_adaptive + INSTRUCTION_BYTES * (uintptr_t)first_traceable;
    if (l->fault == 1 && out->depth == 1) {
        out->codes[1] = out->codes[0];
        out->depth++;
    } else if (!incomplete) {
        if (out->depth == MAX_DEPTH) {
            out->truncated = true;
            return RECORDED;
        }
        outcome o = find_code(w, code, c, &out->codes[out->depth]);
        if (o != RECORDED) return o;
        if (!out->depth++) out->line = find_line(l, w->memory, w->table, out->codes[0], word(f, l->frame_instr));
    }
    return RECORDED;
}

typedef enum { LEFT, STAYED, BROKEN } crossing;

/* The frame below an entry frame was the current frame of the cframe below: both must agree. The exception is a
 * generator that only passes throw() on to the one it delegates to: 3.11 puts it on top of its caller's cframe, and it
 * is still marked as the entry frame it was when it ran. */
static crossing cross_cframe(const python_walk *w, const char *f, uintptr_t previous, uintptr_t *below) {
    const flame_layout *l = w->layout;
    if (w->cframe == w->root_cframe) return BROKEN;
    uintptr_t current_below;
    if (!read_word(w, w->cframe + l->cframe_previous, true, below)) return BROKEN;
    if (*below != w->root_cframe && !above_on_stack(*below, w->cframe)) return BROKEN;
    bool mapped = !w->newest || *below == w->root_cframe || *below + CFRAME_BYTES <= w->stack_end;
    if (!read_word(w, *below + l->cframe_current_frame, mapped, &current_below)) return BROKEN;
    if (previous != current_below) return previous && f[l->frame_owner] == OWNED_BY_GENERATOR ? STAYED : BROKEN;
    return LEFT;
}

static crossing leave_cframe(python_walk *w, const char *f, uintptr_t previous) {
    uintptr_t below;
    crossing c = cross_cframe(w, f, previous, &below);
    if (c != LEFT) return c;
    w->cframe = below;
    w->newest = false;
    w->running = w->in_place;
    return LEFT;
}

static bool is_shim(const flame_layout *l, const char *f) {
    return !l->frame_is_entry && (uint8_t)f[l->frame_owner] >= OWNED_BY_EVAL_LOOP;
}

static bool is_end(const flame_layout *l, const char *f) {
    return is_shim(l, f) || (l->frame_is_entry && f[l->frame_is_entry]);
}

/* Frames above the top of the data stack belong to calls that have returned. */
static bool may_run(const python_walk *w, uintptr_t frame) {
    const flame_layout *l = w->layout;
    uintptr_t newest, top, size;
    if (!read_word(w, w->state + l->tstate_datastack_chunk, true, &newest) ||
        !read_word(w, w->state + l->tstate_datastack_top, true, &top))
        return false;
    if (!newest || frame <= newest) return true;
    if (!read_word(w, newest + l->chunk_size, true, &size)) return false;
    return frame >= newest + size || frame + FRAME_BYTES <= top;
}

/* Up to 3.12 a run is published before its frame and that frame's caller are set: until then they are those of an
 * earlier call, and may form a cycle (found as in Brent 1980). The frames of a complete run lead to its entry frame. */
static bool run_is_complete(python_walk *w, uintptr_t frame) {
    const flame_layout *l = w->layout;
    uintptr_t chunk = w->chunk, passed = 0;
    crossing c = BROKEN;
    for (uint32_t i = 1; frame && frame != passed && i < MAX_RUN; i++) {
        if ((i & (i - 1)) == 0) passed = frame;
        const char *f = may_run(w, frame) ? frame_bytes(w, frame) : NULL;
        if (!f) break;
        uintptr_t previous = word(f, l->frame_previous), below;
        if (is_end(l, f) && (c = cross_cframe(w, f, previous, &below)) != STAYED) break;
        frame = previous;
    }
    w->chunk = chunk;
    return c == LEFT;
}

/* A shim is a local variable of the eval loop: it lies on the C stack, above the shims of its callees. */
static bool leave_shim(python_walk *w, uintptr_t shim, uintptr_t previous) {
    python_stack *out = w->stack;
    if (!above_on_stack(shim, w->above)) return false;
    out->segments[out->segment_count - 1].anchor = w->above = shim;
    if (w->newest) {
        believe_or_not(w, previous);
        w->running = w->believed;
    }
    w->newest = false;
    return true;
}

/* Where the end of the thread's stack is not known, the cframe shows where the eval loop's own variables lie. */
static bool on_c_stack(const python_walk *w, uintptr_t frame) {
    if (frame > w->sp && frame < w->stack_end) return true;
    return w->cframe != w->root_cframe && frame + EVAL_LOOP_BYTES > w->cframe && frame < w->cframe + EVAL_LOOP_BYTES;
}

/* Where the walk begins, and (from 3.15 on) the frame at which it must end. */
static bool find_ends(python_walk *w, uintptr_t *frame, uintptr_t *base) {
    const flame_layout *l = w->layout;
    *base = 0;
    if (!read_word(w, w->state + l->tstate_datastack_chunk, true, &w->chunk)) return false;
    if (!l->tstate_cframe)
        return read_word(w, w->state + l->tstate_current_frame, true, frame) &&
               (!l->tstate_base_frame || read_word(w, w->state + l->tstate_base_frame, true, base));
    w->root_cframe = w->state + l->tstate_root_cframe;
    if (!read_word(w, w->state + l->tstate_cframe, true, &w->cframe)) return false;
    if (w->cframe != w->root_cframe && !above_on_stack(w->cframe, w->sp)) return false;
    return read_word(w, w->cframe + l->cframe_current_frame, true, frame);
}

void python_stack_clear(python_stack *stack) {
    stack->depth = stack->segment_count = 0;
    stack->cut = stack->truncated = false;
    stack->line = -1;
}

outcome walk_python(const python_interpreter *interpreter, const memory_reader *memory, const python_thread *thread,
                    stack_table *table, python_stack *out) {
    const flame_layout *l = &interpreter->layout;
    char frame_held[FRAME_BYTES], code_held[MAX_CODE_BYTES];
    python_walk w = {
        .of = interpreter,
        .layout = l,
        .memory = memory,
        .table = table,
        .stack = out,
        .state = thread->state,
        .sp = thread->sp,
        .stack_end = thread->stack_end,
        .above = thread->sp,
        .in_place = memory->in_place,
        .newest = true,
        .frame_held = frame_held,
        .code_held = code_held,
    };
    uintptr_t frame, base;
    if (!find_ends(&w, &frame, &base)) return UNWINDABLE;
    believe_or_not(&w, frame);
    if (l->tstate_cframe && frame && !run_is_complete(&w, frame)) return UNWINDABLE;
    bool enters = true;
    for (uint32_t steps = 0; frame != base; steps++) {
        if (steps == MAX_RUN) return UNWINDABLE; /* another process's frames may form a cycle */
        const char *f = frame_bytes(&w, frame);
        if (!f) return UNWINDABLE;
        uintptr_t previous = word(f, l->frame_previous);
        bool shim = is_shim(l, f), ends = is_end(l, f);
        /* Only shims lie on the C stack: this one is being set up, and its owner field still has an old value. */
        if (!shim && on_c_stack(&w, frame)) return UNWINDABLE;
        if (enters) {
            if (out->segment_count == MAX_DEPTH) out->truncated = true;
            if (out->truncated) return RECORDED;
            out->segments[out->segment_count++] = (python_segment){w.cframe, out->depth};
        }
        if (!shim && !out->cut) {
            outcome o = take_frame(&w, f);
            if (o != RECORDED || out->truncated) return o;
        }
        w.first = false;
        if (ends && l->tstate_cframe) {
            crossing c = leave_cframe(&w, f, previous);
            if (c == BROKEN) return UNWINDABLE;
            ends = c == LEFT;
        } else if (ends && !leave_shim(&w, frame, previous)) {
            return UNWINDABLE;
        }
        if (out->cut && (!interpreter->stop_anchored || out->segments[out->segment_count - 1].anchor)) return RECORDED;
        enters = ends;
        frame = previous;
        if (frame == base) return ends ? RECORDED : UNWINDABLE; /* a generator that is being resumed or left */
        if (!frame) return UNWINDABLE;
    }
    return w.cframe == w.root_cframe ? RECORDED : UNWINDABLE;
}
