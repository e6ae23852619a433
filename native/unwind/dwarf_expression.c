/* The part of DWARF expressions (DWARF 5, sections 2.5 and 7.7.1) that call frame information uses: arithmetic on
 * registers and memory. Async-signal-safe. */
#include <string.h>

#include "unwind/dwarf_expression.h"

enum {
    OP_ADDR = 0x03,
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08,
    OP_CONST8S = 0x0f,
    OP_CONSTU = 0x10,
    OP_CONSTS = 0x11,
    OP_DUP = 0x12,
    OP_DROP = 0x13,
    OP_OVER = 0x14,
    OP_SWAP = 0x16,
    OP_AND = 0x1a,
    OP_MINUS = 0x1c,
    OP_MUL = 0x1e,
    OP_NEG = 0x1f,
    OP_NOT = 0x20,
    OP_OR = 0x21,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_SHR = 0x25,
    OP_SHRA = 0x26,
    OP_XOR = 0x27,
    OP_BRA = 0x28,
    OP_EQ = 0x29,
    OP_GE = 0x2a,
    OP_GT = 0x2b,
    OP_LE = 0x2c,
    OP_LT = 0x2d,
    OP_NE = 0x2e,
    OP_SKIP = 0x2f,
    OP_LIT0 = 0x30,
    OP_LIT31 = 0x4f,
    OP_BREG0 = 0x70,
    OP_BREG31 = 0x8f,
    OP_NOP = 0x96,
    DEPTH = 32,
    MAX_STEPS = 256
};

typedef struct {
    uintptr_t values[DEPTH];
    uint32_t count;
} value_stack;

/* The constant `width` bytes wide at `p`, sign-extended if requested. */
static uintptr_t constant(const uint8_t *p, size_t width, bool is_signed) {
    uint64_t value = 0;
    memcpy(&value, p, width);
    unsigned unused = 64 - 8 * (unsigned)width;
    return is_signed ? (uintptr_t)((int64_t)(value << unused) >> unused) : value;
}

static uintptr_t binary(uint8_t op, uintptr_t a, uintptr_t b) {
    intptr_t sa = (intptr_t)a, sb = (intptr_t)b;
    switch (op) {
    case OP_AND: return a & b;
    case OP_MINUS: return a - b;
    case OP_MUL: return a * b;
    case OP_OR: return a | b;
    case OP_PLUS: return a + b;
    case OP_SHL: return b < 64 ? a << b : 0;
    case OP_SHR: return b < 64 ? a >> b : 0;
    case OP_SHRA: return (uintptr_t)(sa >> (b < 63 ? b : 63));
    case OP_XOR: return a ^ b;
    case OP_EQ: return sa == sb;
    case OP_GE: return sa >= sb;
    case OP_GT: return sa > sb;
    case OP_LE: return sa <= sb;
    case OP_LT: return sa < sb;
    default: return sa != sb; /* OP_NE */
    }
}

static bool is_binary(uint8_t op) {
    return op == OP_AND || op == OP_MINUS || op == OP_MUL || op == OP_OR || op == OP_PLUS ||
           (op >= OP_SHL && op <= OP_XOR) || (op >= OP_EQ && op <= OP_NE);
}

/* LEB128 (DWARF 5, 7.6). */
static bool leb(const uint8_t **p, const uint8_t *end, bool is_signed, uintptr_t *value) {
    *value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        if (*p == end || shift > 63) return false;
        byte = *(*p)++;
        *value |= (uintptr_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (is_signed && shift < 64 && (byte & 0x40)) *value |= ~(uintptr_t)0 << shift;
    return true;
}

/* Operations that need more than the value stack: operands, registers, memory. False if it is none of these or not
 * possible. */
static bool load(uint8_t op, const uint8_t **p, const uint8_t *end, const registers *r, stack_view *view,
                 value_stack *s) {
    uintptr_t *top = s->count ? &s->values[s->count - 1] : NULL, value;
    if (op == OP_DEREF) return top && read_stack(view, *top, top);
    if (op == OP_PLUS_UCONST) {
        if (!top || !leb(p, end, false, &value)) return false;
        *top += value;
        return true;
    }
    if (op >= OP_LIT0 && op <= OP_LIT31) {
        value = op - OP_LIT0;
    } else if (op >= OP_BREG0 && op <= OP_BREG31) {
        unsigned number = op - OP_BREG0;
        if (!leb(p, end, true, &value) || number >= REGISTERS || !(r->known >> number & 1)) return false;
        value += r->value[number];
    } else if (op == OP_CONSTU || op == OP_CONSTS) {
        if (!leb(p, end, op == OP_CONSTS, &value)) return false;
    } else if (op == OP_ADDR || (op >= OP_CONST1U && op <= OP_CONST8S)) {
        size_t width = op == OP_ADDR ? sizeof value : (size_t)1 << ((op - OP_CONST1U) / 2);
        if ((size_t)(end - *p) < width) return false;
        value = constant(*p, width, op != OP_ADDR && (op - OP_CONST1U) % 2);
        *p += width;
    } else {
        return false;
    }
    if (s->count == DEPTH) return false;
    s->values[s->count++] = value;
    return true;
}

static bool jump(const uint8_t *begin, const uint8_t **p, const uint8_t *end, bool taken) {
    if (end - *p < 2) return false;
    intptr_t distance = (intptr_t)constant(*p, 2, true);
    *p += 2;
    if (!taken) return true;
    if (distance < begin - *p || distance > end - *p) return false;
    *p += distance;
    return true;
}

bool evaluate(const uint8_t *expression, size_t bytes, const registers *r, stack_view *view, const uintptr_t *pushed,
              uintptr_t *result) {
    const uint8_t *p = expression, *end = expression + bytes;
    value_stack s = {.count = 0};
    if (pushed) s.values[s.count++] = *pushed;
    for (int steps = 0; p < end; steps++) {
        if (steps == MAX_STEPS) return false;
        uint8_t op = *p++;
        if (is_binary(op)) {
            if (s.count < 2) return false;
            s.count--;
            s.values[s.count - 1] = binary(op, s.values[s.count - 1], s.values[s.count]);
        } else if (op == OP_DUP || op == OP_OVER) {
            uint32_t back = op == OP_DUP ? 1 : 2;
            if (s.count < back || s.count == DEPTH) return false;
            s.values[s.count] = s.values[s.count - back];
            s.count++;
        } else if (op == OP_SWAP) {
            if (s.count < 2) return false;
            uintptr_t held = s.values[s.count - 1];
            s.values[s.count - 1] = s.values[s.count - 2];
            s.values[s.count - 2] = held;
        } else if (op == OP_DROP || op == OP_NEG || op == OP_NOT || op == OP_BRA) {
            if (!s.count) return false;
            uintptr_t top = s.values[s.count - 1];
            if (op == OP_NEG) s.values[s.count - 1] = -top;
            if (op == OP_NOT) s.values[s.count - 1] = ~top;
            if (op == OP_DROP || op == OP_BRA) s.count--;
            if (op == OP_BRA && !jump(expression, &p, end, top != 0)) return false;
        } else if (op == OP_SKIP) {
            if (!jump(expression, &p, end, true)) return false;
        } else if (op != OP_NOP && !load(op, &p, end, r, view, &s)) {
            return false;
        }
    }
    if (!s.count) return false;
    *result = s.values[s.count - 1];
    return true;
}
