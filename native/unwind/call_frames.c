/* Call frame programs (DWARF 5, 6.4.2 and 7.24): what changes from instruction to instruction, row by row. */
#include "unwind/call_frames.h"

enum { REMEMBERED = 16 };

static void set(rule_set *s, uint64_t number, recovery how, int64_t offset, cursor *c) {
    if (offset != (int32_t)offset) c->bad = true;
    if (number < REGISTERS) s->of[number] = (register_rule){.how = how, .offset = (int32_t)offset};
}

static void set_expression(compiler *compile, rule_set *s, uint64_t number, recovery how, cursor *c) {
    register_rule rule = {.how = how};
    if (!keep_expression(compile, c, &rule)) c->bad = true;
    if (number < REGISTERS) s->of[number] = rule;
}

static void set_cfa(rule_set *s, uint64_t number, int64_t offset, cursor *c) {
    if (number >= PC || offset != (int32_t)offset)
        c->bad = true;
    else
        s->cfa = (register_rule){.how = IN_REGISTER, .in = (uint8_t)number, .offset = (int32_t)offset};
}

/* Call frame instructions (DWARF 5, 6.4.2 and 7.24) that advance the location: by how much; 0 for others. */
static uint64_t advance(uint8_t op, cursor *c, const common_entry *common) {
    if (op >> 6 == 1) return (op & 0x3fu) * common->code_align;
    switch (op) {
    case 0x02: return take(c, 1) * common->code_align;
    case 0x03: return take(c, 2) * common->code_align;
    case 0x04: return take(c, 4) * common->code_align;
    default: return 0;
    }
}

/* All the others. */
static void change(compiler *compile, uint8_t op, cursor *c, const common_entry *common, rule_set *s,
                   const rule_set *initial) {
    int64_t scale = common->data_align;
    uint64_t number = op & 0x3f;
    switch (op >> 6) {
    case 2: set(s, number, SAVED_AT, (int64_t)take_unsigned(c) * scale, c); return;
    case 3:
        if (initial && number < REGISTERS) s->of[number] = initial->of[number];
        return;
    default: break;
    }
    if (op == 0x00) return;                        /* nop */
    if (op == 0x2e) return (void)take_unsigned(c); /* GNU_args_size */
    if (op == 0x0f) {                              /* def_cfa_expression */
        s->cfa = (register_rule){.how = IS_EXPR};
        if (!keep_expression(compile, c, &s->cfa)) c->bad = true;
        return;
    }
    if (op == 0x0e || op == 0x13) { /* def_cfa_offset, _sf: keeps the register */
        int64_t offset = op == 0x0e ? (int64_t)take_unsigned(c) : take_signed(c) * scale;
        if (s->cfa.how != IN_REGISTER) c->bad = true;
        return set_cfa(s, s->cfa.in, offset, c);
    }
    number = take_unsigned(c);
    switch (op) {
    case 0x05: return set(s, number, SAVED_AT, (int64_t)take_unsigned(c) * scale, c); /* offset_extended */
    case 0x06:                                                                        /* restore_extended */
        if (initial && number < REGISTERS) s->of[number] = initial->of[number];
        return;
    case 0x07: return set(s, number, UNDEFINED, 0, c);
    case 0x08: return set(s, number, UNCHANGED, 0, c);
    case 0x09: { /* register */
        uint64_t other = take_unsigned(c);
        if (other >= PC) c->bad = true;
        if (number < REGISTERS) s->of[number] = (register_rule){.how = IN_REGISTER, .in = (uint8_t)other};
        return;
    }
    case 0x0c: return set_cfa(s, number, (int64_t)take_unsigned(c), c); /* def_cfa */
    case 0x0d:                                                          /* def_cfa_register: keeps the offset */
        if (s->cfa.how != IN_REGISTER) c->bad = true;
        return set_cfa(s, number, s->cfa.offset, c);
    case 0x10: return set_expression(compile, s, number, SAVED_AT_EXPR, c);              /* expression */
    case 0x11: return set(s, number, SAVED_AT, take_signed(c) * scale, c);               /* offset_extended_sf */
    case 0x12: return set_cfa(s, number, take_signed(c) * scale, c);                     /* def_cfa_sf */
    case 0x14: return set(s, number, IS_CFA_PLUS, (int64_t)take_unsigned(c) * scale, c); /* val_offset */
    case 0x15: return set(s, number, IS_CFA_PLUS, take_signed(c) * scale, c);            /* val_offset_sf */
    case 0x16: return set_expression(compile, s, number, IS_EXPR, c);                    /* val_expression */
    case 0x2f: return set(s, number, SAVED_AT, -(int64_t)take_unsigned(c) * scale, c);   /* GNU_negative_offset_ext. */
    default: c->bad = true;
    }
}

bool run_program(compiler *compile, const common_entry *common, cursor c, rule_set *s, const rule_set *initial,
                 const function_entry *function) {
    rule_set remembered[REMEMBERED];
    uint32_t depth = 0;
    uintptr_t at = function ? function->start : 0;
    bool begins = true;
    while (c.at < c.end && !c.bad && !compile->no_memory) {
        uint8_t op = (uint8_t)take(&c, 1);
        uintptr_t before = at;
        if (op == 0x0a || op == 0x0b) { /* remember_state, restore_state */
            if (op == 0x0a ? depth == REMEMBERED : depth == 0) return false;
            if (op == 0x0a)
                remembered[depth++] = *s;
            else
                *s = remembered[--depth];
        } else if (op == 0x01) { /* set_loc */
            at = take_pointer(&c, common->pointers);
        } else if (op >> 6 == 1 || (op >= 0x02 && op <= 0x04)) {
            at += advance(op, &c, common);
        } else {
            change(compile, op, &c, common, s, initial);
        }
        if (at == before || !function) continue;
        if (at < before || at >= function->end) return !c.bad && at >= before;
        add_rules(compile, before, s, common->signal, begins);
        begins = false;
    }
    if (function && !c.bad) add_rules(compile, at, s, common->signal, begins);
    return !c.bad;
}
