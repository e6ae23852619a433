/* The Python frames of the interrupted thread, read at the interrupted instruction.
 *
 * The thread is stopped in its own signal handler, so its frames do not change while they are read; but it can
 * be stopped in the middle of pushing or popping one. CPython 3.11 publishes `tstate->cframe = &cframe` a few
 * instructions before it fills the structure, and compilers may do the like anywhere: what is found is checked before
 * it is believed, and memory that is not known to be mapped is read through process_vm_readv(2). A stack that fails a
 * check is counted. */
#define _GNU_SOURCE
#include <Python.h>
#include <string.h>

#include "internal.h"

enum {
    OWNED_BY_THREAD = 0,
    OWNED_BY_GENERATOR = 1,
    OWNED_BY_EVAL_LOOP = 3,
    INSTRUCTION_BYTES = 2,
    USUAL_CODE_BYTES = 1 << 16
};
enum { CFRAME_BYTES = 24, MAX_NAME_BYTES = 4096, MAX_CHUNKS = 256, MAX_RUN = 1 << 20 };
enum { CODE_BYTES = offsetof(PyCodeObject, co_code_adaptive) }; /* the least a code object has */
static const uintptr_t FARTHEST_STACK = 1ul << 30, REFERENCE_TAGS = 3;

static uintptr_t word(const void *base, uint32_t offset) {
    uintptr_t value;
    memcpy(&value, (const char *)base + offset, sizeof value);
    return value;
}

static uintptr_t word_at(uintptr_t base, uint32_t offset) { return word((const void *)base, offset); }

/* Frames of running functions live in the thread's data stack: those can be read directly. Callers lie in the same
 * chunk or in an older one, so `chunk`, the one found last, is where the next search starts. */
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

/* Whether the leaf can be believed as it stands: it lies in the part of the data stack that is in use, and what it says
 * of itself fits together as it would not by chance. Frames that run keep their code and their callers alive. */
static bool is_running(const flame_layout *l, uintptr_t tstate, uintptr_t frame) {
    uintptr_t chunk = word_at(tstate, l->tstate_datastack_chunk), top = word_at(tstate, l->tstate_datastack_top);
    if (!chunk || frame <= chunk || frame + FRAME_BYTES > top) return false;
    const char *f = (const char *)frame;
    uintptr_t code = word(f, l->frame_code) & ~REFERENCE_TAGS;
    uintptr_t before_first = code + l->code_adaptive - INSTRUCTION_BYTES;
    bool entry_known = !l->frame_is_entry || (f[l->frame_is_entry] & ~1) == 0;
    return f[l->frame_owner] == OWNED_BY_THREAD && entry_known &&
           word(f, l->frame_instr) - before_first < USUAL_CODE_BYTES;
}

/* Where the stack that holds `sp` is known to reach: the thread's control block lies above its stack, what the kernel
 * passed to the program above the main thread's (getauxval(3)). `sp` itself where neither does. */
static uintptr_t stack_end(const flame_sampler *s, uintptr_t sp) {
    uintptr_t thread = (uintptr_t)__builtin_thread_pointer();
    if (thread > sp && thread - sp < FARTHEST_STACK) return thread;
    return s->main_stack_end > sp && s->main_stack_end - sp < FARTHEST_STACK ? s->main_stack_end : sp;
}

static bool copy_text(flame_sampler *s, uintptr_t object, uint32_t *offset, uint32_t *bytes, uint8_t *kind) {
    const flame_layout *l = &s->layout;
    char head[80];
    if (!safe_read(head, object, l->str_compact_data)) return false;
    uint32_t state;
    memcpy(&state, head + l->str_state, sizeof state);
    uint32_t width = state >> 2 & 7, compact = state >> 5 & 1, ascii = state >> 6 & 1;
    uint64_t length = word(head, l->str_length);
    if (!compact || (width != 1 && width != 2 && width != 4)) return false;
    uint64_t size = length * width;
    if (size > MAX_NAME_BYTES) size = MAX_NAME_BYTES / width * width;
    stack_table *t = &s->table;
    if (size > t->text_bytes - t->text_used) return false;
    uintptr_t data = object + (ascii ? l->str_ascii_data : l->str_compact_data);
    if (!safe_read(t->text + t->text_used, data, size)) return false;
    *offset = t->text_used;
    *bytes = (uint32_t)size;
    *kind = (uint8_t)width;
    t->text_used += (uint32_t)size;
    return true;
}

/* Names are copied at first sight: the code object may be gone when the samples are read. */
static outcome intern_code(flame_sampler *s, uintptr_t address, const char *code, uint32_t *index) {
    const flame_layout *l = &s->layout;
    flame_code key = {
        .address = address,
        .qualname_object = word(code, l->code_qualname),
        .filename_object = word(code, l->code_filename),
        .linetable_object = word(code, l->code_linetable),
    };
    memcpy(&key.firstlineno, code + l->code_firstlineno, sizeof key.firstlineno);
    int64_t found = table_find_code(&s->table, &key);
    if (found < 0) {
        uint32_t rollback = s->table.text_used;
        if (s->table.code_count == s->table.max_codes) return OVERFLOWED;
        if (s->table.text_bytes - rollback < 2 * MAX_NAME_BYTES) return OVERFLOWED;
        if (!copy_text(s, key.qualname_object, &key.qualname, &key.qualname_bytes, &key.qualname_kind) ||
            !copy_text(s, key.filename_object, &key.filename, &key.filename_bytes, &key.filename_kind)) {
            s->table.text_used = rollback;
            return UNWINDABLE;
        }
        found = table_add_code(&s->table, &key);
        if (found < 0) return OVERFLOWED;
    }
    *index = (uint32_t)found;
    return RECORDED;
}

/* The line table is copied with a function's first line, while it is there; names go first where room is short. */
static void note_line(flame_sampler *s, uint32_t index, uintptr_t instruction) {
    const flame_layout *l = &s->layout;
    stack_table *t = &s->table;
    flame_code *code = &t->codes[index];
    if (!code->linetable_bytes) {
        uint64_t size;
        if (!safe_read(&size, code->linetable_object + l->bytes_size, sizeof size)) return;
        if (!size || size > t->text_bytes / 2 || t->text_used > t->text_bytes / 2 - size) return;
        if (!safe_read(t->text + t->text_used, code->linetable_object + l->bytes_data, size)) return;
        code->linetable = t->text_used;
        code->linetable_bytes = (uint32_t)size;
        t->text_used += (uint32_t)size;
    }
    uintptr_t offset = instruction - (code->address + l->code_adaptive);
    if (offset < UINT32_MAX) s->stack->line = table_line(t, index, (uint32_t)offset);
}

typedef struct {
    flame_sampler *s;
    uintptr_t tstate, sp, chunk;
    uintptr_t cframe, root_cframe; /* up to 3.12 */
    uintptr_t above;               /* from 3.13 on: the last shim; those of callers lie above it on the C stack */
    bool newest;                   /* in the newest run of the eval loop, the one that can be half set up */
    bool believed, first;          /* the frame is the first since it was asked whether it runs, and it does */
    bool running;                  /* a run of the eval loop was found complete: its callers run, wherever they lie */
    char frame_held[FRAME_BYTES], code_held[CODE_BYTES];
} python_walk;

static bool read_word(const python_walk *w, uintptr_t address, bool mapped, uintptr_t *value) {
    if (!mapped || w->s->careful) return safe_read(value, address, sizeof *value);
    *value = word_at(address, 0);
    return true;
}

/* The frame's bytes, copied where they may not be mapped; NULL where they are not. */
static const char *frame_bytes(python_walk *w, uintptr_t frame) {
    const flame_sampler *s = w->s;
    if (!s->careful) {
        if (w->running || in_datastack(&s->layout, &w->chunk, frame)) return (const char *)frame;
        if (frame > w->sp && frame + FRAME_BYTES <= stack_end(s, w->sp)) return (const char *)frame;
    }
    return safe_read(w->frame_held, frame, FRAME_BYTES) ? w->frame_held : NULL;
}

static void believe_or_not(python_walk *w, uintptr_t frame) {
    w->believed = !w->s->careful && is_running(&w->s->layout, w->tstate, frame);
    w->first = true;
}

static bool above_on_stack(uintptr_t candidate, uintptr_t address) {
    return candidate > address && (!address || candidate - address < FARTHEST_STACK) && candidate % sizeof(void *) == 0;
}

/* Records what the frame runs, unless the stack is cut here or the frame is not there yet. */
static outcome take_frame(python_walk *w, const char *f) {
    flame_sampler *s = w->s;
    const flame_layout *l = &s->layout;
    python_stack *out = s->stack;
    uintptr_t code = word(f, l->frame_code) & ~REFERENCE_TAGS;

    /* Only a leaf that does not run can hold a code object that is gone; it alone is read with care. */
    const char *c = (const char *)code;
    if (f == w->frame_held || (w->first && !w->believed) || s->careful) {
        if (!safe_read(w->code_held, code, CODE_BYTES)) return UNWINDABLE;
        c = w->code_held;
    }
    if (word(c, offsetof(PyObject, ob_type)) != (uintptr_t)&PyCode_Type) return UNWINDABLE;

    for (uint32_t i = 0; i < s->stop_count; i++)
        if (code == s->stops[i]) out->cut = true;
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
        outcome o = intern_code(s, code, c, &out->codes[out->depth]);
        if (o != RECORDED) return o;
        if (!out->depth++) note_line(s, out->codes[0], word(f, l->frame_instr));
    }
    return RECORDED;
}

typedef enum { LEFT, STAYED, BROKEN } crossing;

/* The frame below an entry frame was current in the C frame below: both must agree. Not so for a generator that only
 * passes throw() on to the one it delegates to: 3.11 puts it on top of its caller's C frame, and it is still marked as
 * the entry it was when it ran. */
static crossing cross_cframe(const python_walk *w, const char *f, uintptr_t previous, uintptr_t *below) {
    const flame_layout *l = &w->s->layout;
    if (w->cframe == w->root_cframe) return BROKEN;
    uintptr_t current_below;
    if (!read_word(w, w->cframe + l->cframe_previous, true, below)) return BROKEN;
    if (*below != w->root_cframe && !above_on_stack(*below, w->cframe)) return BROKEN;
    bool mapped = !w->newest || *below == w->root_cframe || *below + CFRAME_BYTES <= stack_end(w->s, w->sp);
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
    w->running = !w->s->careful;
    return LEFT;
}

static bool is_shim(const flame_layout *l, const char *f) {
    return !l->frame_is_entry && (uint8_t)f[l->frame_owner] >= OWNED_BY_EVAL_LOOP;
}

static bool is_end(const flame_layout *l, const char *f) {
    return is_shim(l, f) || (l->frame_is_entry && f[l->frame_is_entry]);
}

/* Frames above the top of the data stack are those of calls that have returned. */
static bool may_run(const python_walk *w, uintptr_t frame) {
    const flame_layout *l = &w->s->layout;
    uintptr_t newest = word_at(w->tstate, l->tstate_datastack_chunk), top = word_at(w->tstate, l->tstate_datastack_top);
    uintptr_t size;
    if (!newest || frame <= newest) return true;
    if (!read_word(w, newest + l->chunk_size, true, &size)) return false;
    return frame >= newest + size || frame + FRAME_BYTES <= top;
}

/* Up to 3.12 a run is announced before it is written down which frame is its own and who called that: what stands there
 * is an earlier call's, or an earlier caller, and may go round in a circle (Brent 1980). The frames of a run that is
 * set up lead to where it was entered. */
static bool run_is_complete(python_walk *w, uintptr_t frame) {
    const flame_layout *l = &w->s->layout;
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

/* A shim is a variable of the eval loop: it lies on the C stack, above those of its callees. */
static bool leave_shim(python_walk *w, uintptr_t shim, uintptr_t previous) {
    python_stack *out = w->s->stack;
    if (!above_on_stack(shim, w->above)) return false;
    out->segments[out->segment_count - 1].anchor = w->above = shim;
    if (w->newest) {
        believe_or_not(w, previous);
        w->running = w->believed;
    }
    w->newest = false;
    return true;
}

outcome walk_python(flame_sampler *s, uintptr_t tstate, uintptr_t sp) {
    const flame_layout *l = &s->layout;
    python_stack *out = s->stack;
    python_walk w = {.s = s, .tstate = tstate, .sp = sp, .above = sp, .newest = true};
    w.chunk = word_at(tstate, l->tstate_datastack_chunk);

    uintptr_t frame, base = 0;
    if (l->tstate_cframe) {
        w.root_cframe = tstate + l->tstate_root_cframe;
        w.cframe = word_at(tstate, l->tstate_cframe);
        if (w.cframe != w.root_cframe && !above_on_stack(w.cframe, sp)) return UNWINDABLE;
        if (!read_word(&w, w.cframe + l->cframe_current_frame, true, &frame)) return UNWINDABLE;
    } else {
        frame = word_at(tstate, l->tstate_current_frame);
        if (l->tstate_base_frame) base = word_at(tstate, l->tstate_base_frame);
    }

    believe_or_not(&w, frame);
    if (l->tstate_cframe && frame && !run_is_complete(&w, frame)) return UNWINDABLE;
    for (bool enters = true; frame != base;) {
        const char *f = frame_bytes(&w, frame);
        if (!f) return UNWINDABLE;
        uintptr_t previous = word(f, l->frame_previous);
        bool shim = is_shim(l, f), ends = is_end(l, f);
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
        if (out->cut && (!s->native || out->segments[out->segment_count - 1].anchor)) return RECORDED;
        enters = ends;
        frame = previous;
        if (frame == base) return ends ? RECORDED : UNWINDABLE; /* a generator that is being resumed or left */
        if (!frame) return UNWINDABLE;
    }
    return w.cframe == w.root_cframe ? RECORDED : UNWINDABLE;
}
