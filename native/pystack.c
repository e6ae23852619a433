/* The Python frames of the interrupted thread, read at the interrupted instruction.
 *
 * The thread is stopped in its own signal handler, so its frames do not change while they are read; but it can
 * be stopped in the middle of pushing or popping one. CPython 3.11 publishes `tstate->cframe = &cframe` a few
 * instructions before it fills the structure: what is found there is checked before it is believed, and memory
 * that is not known to be mapped is read through process_vm_readv(2). A stack that fails a check is counted. */
#define _GNU_SOURCE
#include <Python.h>
#include <string.h>

#include "internal.h"

enum { OWNED_BY_THREAD = 0, OWNED_BY_GENERATOR = 1, INSTRUCTION_BYTES = 2, USUAL_CODE_BYTES = 1 << 16 };
enum { FRAME_BYTES = 72, CODE_BYTES = 192, CFRAME_BYTES = 24, MAX_NAME_BYTES = 4096, MAX_CHUNKS = 256 };
static const uintptr_t FARTHEST_STACK = 1ul << 30;

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
    uintptr_t code = word(f, l->frame_code), before_first = code + l->code_adaptive - INSTRUCTION_BYTES;
    return f[l->frame_owner] == OWNED_BY_THREAD && (f[l->frame_is_entry] & ~1) == 0 &&
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

static bool plausible_cframe(uintptr_t candidate, uintptr_t above, uintptr_t root) {
    return candidate == root ||
           (candidate > above && candidate - above < FARTHEST_STACK && candidate % sizeof(void *) == 0);
}

outcome walk_python(flame_sampler *s, uintptr_t tstate, uintptr_t sp) {
    const flame_layout *l = &s->layout;
    python_stack *out = s->stack;

    uintptr_t root = tstate + l->tstate_root_cframe;
    uintptr_t cframe = word_at(tstate, l->tstate_cframe);
    if (!plausible_cframe(cframe, sp, root)) return UNWINDABLE;
    uintptr_t frame = word_at(cframe, l->cframe_current_frame);
    uintptr_t chunk = word_at(tstate, l->tstate_datastack_chunk);
    bool leaf = true, newest_cframe = true, enters = true, believed = is_running(l, tstate, frame);

    while (frame) {
        char held[FRAME_BYTES];
        const char *f = (const char *)frame;
        if (!believed && !in_datastack(l, &chunk, frame)) {
            if (!safe_read(held, frame, FRAME_BYTES)) return UNWINDABLE;
            f = held;
        }
        uintptr_t code = word(f, l->frame_code), previous = word(f, l->frame_previous);
        bool is_entry = f[l->frame_is_entry];

        /* Only a leaf that does not run can hold a code object that is gone; it alone is read with care. */
        char code_held[CODE_BYTES];
        const char *c = (const char *)code;
        if (!believed && (leaf || f == held)) {
            if (!safe_read(code_held, code, CODE_BYTES)) return UNWINDABLE;
            c = code_held;
        }
        if (word(c, offsetof(PyObject, ob_type)) != (uintptr_t)&PyCode_Type) return UNWINDABLE;

        if (enters) {
            if (out->segment_count == MAX_DEPTH) {
                out->truncated = true;
                return RECORDED;
            }
            out->segments[out->segment_count++] = (python_segment){cframe, out->depth};
        }

        for (uint32_t i = 0; i < s->stop_count; i++)
            if (code == s->stops[i]) out->cut = true;

        int32_t first_traceable;
        memcpy(&first_traceable, c + l->code_firsttraceable, sizeof first_traceable);
        bool incomplete = f[l->frame_owner] != OWNED_BY_GENERATOR &&
                          word(f, l->frame_instr) < code + l->code_adaptive + 2 * (uintptr_t)first_traceable;
        bool skipped = l->fault == 1 && out->depth == 1;
        if (!incomplete && !skipped && !out->cut) {
            if (out->depth == MAX_DEPTH) {
                out->truncated = true;
                return RECORDED;
            }
            outcome o = intern_code(s, code, c, &out->codes[out->depth]);
            if (o != RECORDED) return o;
            out->depth++;
        } else if (skipped) {
            out->codes[out->depth] = out->codes[out->depth - 1];
            out->depth++;
        }

        if (is_entry) {
            /* The frame below an entry frame was current in the C frame below: both must agree. */
            if (cframe == root) return UNWINDABLE;
            uintptr_t below = word_at(cframe, l->cframe_previous);
            if (!plausible_cframe(below, cframe, root)) return UNWINDABLE;
            uintptr_t current_below;
            if (!newest_cframe || below == root || (below > sp && below + CFRAME_BYTES <= stack_end(s, sp))) {
                current_below = word_at(below, l->cframe_current_frame);
            } else if (!safe_read(&current_below, below + l->cframe_current_frame, sizeof current_below)) {
                return UNWINDABLE; /* only the newest can be half filled */
            }
            if (previous != current_below) return UNWINDABLE;
            cframe = below;
            newest_cframe = false;
        }
        if (out->cut) return RECORDED;
        leaf = false;
        enters = is_entry;
        frame = previous;
    }
    return RECORDED;
}
