/* The walk from an interrupted instruction to the thread's outermost frame, along the compiled tables; where there are
 * none, by a guess that must be confirmed. Async-signal-safe. */
#define _GNU_SOURCE
#include <string.h>
#include <ucontext.h>

#include "unwind/dwarf_expression.h"
#include "unwind/unwind.h"

enum {
    ALL_KNOWN = (1 << REGISTERS) - 1,
    KEPT_KNOWN = 1 << FP | 1 << SP | 1 << PC, /* what a short rule restores */
    SCANNED_WORDS = 1024,
    SCANNED_FROM_REGISTER = 64,
    PUSHED_BELOW = 12, /* registers a function without unwind information may have saved below its return address */
    STEPS_FOR_GUESSES = 1024
};

typedef struct {
    unwinder *u;
    stack_view view;
    const uintptr_t *anchors;
    uint32_t anchor_count, next_anchor; /* the first above the frames so far */
    uint32_t steps_left;                /* of all guesses of this walk */
} walk_state;

registers registers_of(const void *context) {
    registers r = {.known = 0};
#if defined __x86_64__
    static const int order[REGISTERS] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
                                         REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    const ucontext_t *c = context;
    for (int i = 0; i < REGISTERS; i++) r.value[i] = (uintptr_t)c->uc_mcontext.gregs[order[i]];
    r.known = ALL_KNOWN;
#else
    (void)context;
#endif
    return r;
}

static known_pc *slot_of(unwinder *u, uintptr_t pc) { return &u->known[(pc ^ pc >> 11) % KNOWN_PCS]; }

known_pc *look_up(unwinder *u, uintptr_t pc) {
    known_pc *k = slot_of(u, pc);
    if (k->pc != pc) {
        const text_range *range = find_range(u->map, pc);
        const unwind_row *row = range ? find_row(range->table, pc) : NULL;
        *k = (known_pc){.pc = pc, .range = row ? range : NULL};
        if (row) {
            k->rule = row->rule;
            k->row = (uint32_t)(row - range->table->rows);
        }
    }
    return k;
}

static uintptr_t described_pc(const registers *r, bool interrupted) { return r->value[PC] - !interrupted; }

static bool recover(const unwind_table *t, const register_rule *rule, int number, const registers *r, stack_view *view,
                    uintptr_t cfa, uintptr_t *value) {
    const uint8_t *expression = t->expressions + rule->offset;
    switch (rule->how) {
    case UNCHANGED: *value = r->value[number]; return r->known >> number & 1;
    case SAVED_AT: return read_stack(view, cfa + (intptr_t)rule->offset, value);
    case IS_CFA_PLUS: *value = cfa + (intptr_t)rule->offset; return true;
    case IN_REGISTER: *value = r->value[rule->in] + (intptr_t)rule->offset; return r->known >> rule->in & 1;
    case SAVED_AT_EXPR:
        return evaluate(expression, rule->expression_bytes, r, view, &cfa, value) && read_stack(view, *value, value);
    case IS_EXPR: return evaluate(expression, rule->expression_bytes, r, view, &cfa, value);
    default: return false;
    }
}

typedef enum { STEPPED, AT_ROOT, NO_RULE } step_result;

static step_result full_step(walk_state *w, const unwind_table *t, const full_rule *rule, registers *r,
                             uintptr_t *cfa) {
    registers caller = {.known = 0};
    const register_rule *c = &rule->cfa;
    bool ok = c->how == IS_EXPR ? evaluate(t->expressions + c->offset, c->expression_bytes, r, &w->view, NULL, cfa)
                                : c->how == IN_REGISTER && recover(t, c, 0, r, &w->view, 0, cfa);
    if (!ok) return NO_RULE;
    if (rule->of[PC].how == UNDEFINED) return AT_ROOT;
    for (int i = 0; i < REGISTERS; i++) {
        /* A register without a rule keeps its value across a call only if it is callee-saved. */
        bool promised = rule->of[i].how != UNCHANGED || i == BX || i == FP || (i >= R12 && i <= R15) || rule->signal;
        if (promised && i != SP && recover(t, &rule->of[i], i, r, &w->view, *cfa, &caller.value[i]))
            caller.known |= 1u << i;
    }
    caller.value[SP] = *cfa;
    caller.known |= 1 << SP;
    if (rule->of[SP].how != UNCHANGED && !recover(t, &rule->of[SP], SP, r, &w->view, *cfa, &caller.value[SP]))
        return NO_RULE;
    if (!(caller.known >> PC & 1)) return NO_RULE;
    *r = caller;
    return STEPPED;
}

/* Unwinds one frame. `interrupted` says whether the frame was interrupted, and afterwards whether its caller was. */
static step_result step(walk_state *w, registers *r, bool *interrupted, uintptr_t *cfa) {
    const known_pc *k = look_up(w->u, described_pc(r, *interrupted));
    uint32_t rule = k->rule, kind = rule & ROW_KIND_BITS;
    int32_t offset = (int32_t)rule >> ROW_OFFSET_SHIFT;
    if (kind == ROW_NONE) return NO_RULE;
    if (kind == ROW_FULL) {
        const full_rule *full = &k->range->table->full[offset];
        *interrupted = full->signal;
        return full_step(w, k->range->table, full, r, cfa);
    }
    int base = kind == ROW_FROM_SP ? SP : FP;
    uintptr_t top = r->value[base] + (intptr_t)offset, pc, fp = r->value[FP];
    uint32_t slot = rule >> ROW_FP_SHIFT & ROW_FP_BITS, known = r->known & KEPT_KNOWN;
    if (!(r->known >> base & 1) || top <= r->value[SP] || !read_stack(&w->view, top - 8, &pc)) return NO_RULE;
    if (slot) {
        if (!read_stack(&w->view, top - 8 * (uintptr_t)slot, &fp)) return NO_RULE;
        known |= 1 << FP;
    }
    r->value[PC] = pc;
    r->value[FP] = fp;
    r->value[SP] = *cfa = top;
    r->known = known;
    *interrupted = false;
    return STEPPED;
}

/* --- where there is no unwind information --- */

static bool holds(uintptr_t sp, uintptr_t cfa, uintptr_t anchor) { return sp <= anchor && anchor < cfa; }

/* A guess is confirmed if unwind information leads from it to the next address that is known to lie in a frame, or to
 * the outermost frame. */
static bool is_confirmed(walk_state *w, registers r) {
    bool interrupted = false;
    while (w->steps_left) {
        w->steps_left--;
        uintptr_t sp = r.value[SP], cfa = 0;
        step_result result = step(w, &r, &interrupted, &cfa);
        if (result == NO_RULE) return false;
        if (result == AT_ROOT || r.value[PC] == 0) return w->next_anchor == w->anchor_count;
        if (w->next_anchor < w->anchor_count && holds(sp, cfa, w->anchors[w->next_anchor])) return true;
    }
    return false;
}

/* Whether a call instruction ends at `pc`: e8 rel32, or ff /2 in its forms of 2 to 8 bytes. */
static bool follows_a_call(const memory_reader *memory, uintptr_t pc) {
    uint8_t b[8];
    if (!read_memory(memory, pc - sizeof b, b, sizeof b)) return false;
    if (b[3] == 0xe8) return true;
    for (int length = 2; length <= 7; length++) {
        const uint8_t *i = b + 8 - length;
        if (i[0] != 0xff || (i[1] & 0x38) != 0x10) continue;
        int mode = i[1] >> 6, rm = i[1] & 7;
        int expected = 2 + (mode != 3 && rm == 4) + (mode == 1 ? 1 : mode == 2 || (mode == 0 && rm == 5) ? 4 : 0);
        if (mode == 0 && rm == 4 && length == 7 && (i[2] & 7) == 5) expected = 7;
        if (expected == length) return true;
    }
    return false;
}

static bool could_return_to(walk_state *w, uintptr_t pc) {
    if (pc < sizeof(uint64_t) || !find_range(w->u->map, pc - 1)) return false;
    known_pc *k = look_up(w->u, pc - 1);
    if ((k->rule & ROW_KIND_BITS) == ROW_NONE) return false;
    if (!k->after_call) k->after_call = follows_a_call(w->view.memory, pc) ? A_CALL : NO_CALL;
    return k->after_call == A_CALL;
}

/* Tries the word at `slot` as the return address: the caller's frame pointer is unchanged, or saved just below. */
static bool try_slot(walk_state *w, const registers *r, uintptr_t slot, registers *caller) {
    uintptr_t pc;
    if (!read_stack(&w->view, slot, &pc) || !could_return_to(w, pc)) return false;
    *caller = (registers){.known = KEPT_KNOWN};
    caller->value[PC] = pc;
    caller->value[SP] = slot + sizeof pc;
    caller->value[FP] = r->value[FP];
    if ((r->known >> FP & 1) && is_confirmed(w, *caller)) return true;
    for (uintptr_t below = 1; below <= PUSHED_BELOW && slot - 8 * below >= r->value[SP]; below++) {
        uintptr_t fp;
        if (!read_stack(&w->view, slot - 8 * below, &fp) || fp <= slot || fp >= w->view.high || fp % 8) continue;
        caller->value[FP] = fp;
        if (is_confirmed(w, *caller)) return true;
    }
    return false;
}

static bool scan(walk_state *w, const registers *r, uintptr_t from, uint32_t words, registers *caller) {
    for (uint32_t i = 0; i < words && w->steps_left; i++) {
        uintptr_t slot = from + 8 * (uintptr_t)i;
        if (slot >= w->view.high) return false;
        if (try_slot(w, r, slot, caller)) return true;
    }
    return false;
}

/* The caller of a frame without unwind information: by the frame pointer, if the code keeps one; then from registers in
 * which hand-written code keeps the old stack pointer; then from the stack pointer upwards. */
static bool guess(walk_state *w, registers *r, uintptr_t *cfa) {
    static const int keepers[] = {BX, R12, R12 + 1, R12 + 2, R15};
    registers caller;
    uintptr_t sp = (r->value[SP] + 7) & ~(uintptr_t)7, fp = r->value[FP], above;
    bool found = false;
    if ((r->known >> FP & 1) && fp >= sp && fp % 8 == 0 && read_stack(&w->view, fp, &above) && above > fp) {
        registers frame = *r;
        frame.value[FP] = above;
        found = try_slot(w, &frame, fp + 8, &caller);
    }
    for (size_t i = 0; !found && i < sizeof keepers / sizeof keepers[0]; i++) {
        uintptr_t kept = r->value[keepers[i]];
        if ((r->known >> keepers[i] & 1) && kept >= sp && kept < w->view.high && kept % 8 == 0)
            found = scan(w, r, kept, SCANNED_FROM_REGISTER, &caller);
    }
    if (!found && !scan(w, r, sp, SCANNED_WORDS, &caller)) return false;
    *cfa = caller.value[SP];
    *r = caller;
    return true;
}

/* --- the walk --- */

/* No frame contained the anchor, and none will; addresses of different stacks cannot be compared. */
static bool passed(const stack_view *view, uintptr_t anchor, uintptr_t sp) {
    return anchor < sp && anchor >= view->low && sp < view->high;
}

walk_end walk_native(unwinder *u, const module_map *map, const registers *from, stack_view view,
                     const uintptr_t *anchors, uint32_t anchor_count, bool to_anchor) {
    walk_state w = {
        .u = u, .view = view, .anchors = anchors, .anchor_count = anchor_count, .steps_left = STEPS_FOR_GUESSES};
    if (u->generation != map->generation) {
        memset(u->known, 0, sizeof u->known);
        u->generation = map->generation;
    }
    u->map = map;
    u->depth = 0;
    registers r = *from;
    bool interrupted = true;
    while (u->depth < MAX_NATIVE_DEPTH) {
        native_frame *f = &u->frames[u->depth++];
        *f = (native_frame){.pc = r.value[PC], .sp = r.value[SP], .cfa = r.value[SP], .interrupted = interrupted};
        step_result result = step(&w, &r, &interrupted, &f->cfa);
        if (result == NO_RULE) {
            if (!look_up(u, described_pc(&r, f->interrupted))->range) modules_wanted();
            f->guessed = guess(&w, &r, &f->cfa);
            if (!f->guessed) return BROKE_OFF;
            interrupted = false;
        }
        bool last = false;
        while (w.next_anchor < anchor_count && passed(&w.view, anchors[w.next_anchor], f->sp)) w.next_anchor++;
        while (w.next_anchor < anchor_count && holds(f->sp, f->cfa, anchors[w.next_anchor]))
            last = ++w.next_anchor == anchor_count;
        if (last && to_anchor) return REACHED_ANCHOR;
        if (result == AT_ROOT || r.value[PC] == 0) return REACHED_ROOT;
    }
    return BROKE_OFF;
}
