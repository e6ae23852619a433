/* `.eh_frame` (Linux Standard Base, 10.6; DWARF 5, 6.4) compiled into rows sorted by address: every change of the
 * rules that undo a frame gives one row, so that the handler looks one up instead of running the section's programs. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "native_frames.h"

enum { REMEMBERED = 16, MAX_FP_SLOT = ROW_FP_BITS, LARGEST_OFFSET = (1 << 23) - 1 };
enum { POINTER_FORMAT = 0x0f, POINTER_BASE = 0x70, POINTER_PC_RELATIVE = 0x10, POINTER_INDIRECT = 0x80 };

typedef struct {
    const uint8_t *at, *end;
    bool bad; /* read beyond the end, or something unknown */
} cursor;

typedef struct {
    const uint8_t *at; /* where it was read, to know it again */
    cursor program;
    uint64_t code_align;
    int64_t data_align;
    uint8_t pointers; /* encoding of addresses in its FDEs */
    bool augmented, signal;
} common_entry;

typedef struct {
    uintptr_t start, end;
    const uint8_t *common;
    cursor program;
} function_entry;

typedef struct {
    register_rule cfa, of[REGISTERS];
} rule_set;

typedef struct {
    unwind_table *table;
    const uint8_t *section, *limit;
    uint32_t row_room, full_room, expression_room;
    bool no_memory;
} compiler;

static uint64_t take(cursor *c, size_t bytes) {
    uint64_t value = 0;
    if (c->bad || (size_t)(c->end - c->at) < bytes) {
        c->bad = true;
        return 0;
    }
    memcpy(&value, c->at, bytes);
    c->at += bytes;
    return value;
}

static void skip(cursor *c, uint64_t bytes) {
    if (c->bad || (uint64_t)(c->end - c->at) < bytes)
        c->bad = true;
    else
        c->at += bytes;
}

static uint64_t take_leb(cursor *c, bool is_signed) {
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = (uint8_t)take(c, 1);
        if (shift < 64) value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (!c->bad && byte & 0x80);
    if (is_signed && shift < 64 && (byte & 0x40)) value |= ~(uint64_t)0 << shift;
    return value;
}

static uint64_t take_unsigned(cursor *c) { return take_leb(c, false); }
static int64_t take_signed(cursor *c) { return (int64_t)take_leb(c, true); }

static uint64_t take_pointer(cursor *c, uint8_t encoding) {
    uintptr_t field = (uintptr_t)c->at;
    uint64_t value = 0;
    switch (encoding & POINTER_FORMAT) {
    case 0x00: value = take(c, 8); break;
    case 0x01: value = take_unsigned(c); break;
    case 0x02: value = take(c, 2); break;
    case 0x03: value = take(c, 4); break;
    case 0x04: value = take(c, 8); break;
    case 0x09: value = (uint64_t)take_signed(c); break;
    case 0x0a: value = (uint64_t)(int16_t)take(c, 2); break;
    case 0x0b: value = (uint64_t)(int32_t)take(c, 4); break;
    case 0x0c: value = take(c, 8); break;
    default: c->bad = true;
    }
    uint8_t base = encoding & POINTER_BASE;
    if (base == POINTER_PC_RELATIVE)
        value += field;
    else if (base)
        c->bad = true;
    return value;
}

/* The body of the entry at *at, which moves on to the next one; its second word (which CIE) is taken. False at the
 * end of the section. */
static bool next_entry(const uint8_t **at, const uint8_t *limit, cursor *body, const uint8_t **id_field, uint32_t *id) {
    cursor c = {*at, limit, false};
    uint64_t length = take(&c, 4);
    if (length == 0xffffffff) length = take(&c, 8);
    if (c.bad || length < 4 || length > (uint64_t)(c.end - c.at)) return false;
    c.end = c.at + length;
    *at = c.end;
    *id_field = c.at;
    *id = (uint32_t)take(&c, 4);
    *body = c;
    return true;
}

static bool read_augmentation(cursor *c, const char *letters, common_entry *out) {
    uint64_t bytes = take_unsigned(c);
    const uint8_t *data = c->at;
    for (const char *l = letters + 1; *l && !c->bad; l++) {
        if (*l == 'R')
            out->pointers = (uint8_t)take(c, 1);
        else if (*l == 'L')
            skip(c, 1);
        else if (*l == 'P')
            take_pointer(c, (uint8_t)take(c, 1) & ~POINTER_INDIRECT);
        else if (*l == 'S')
            out->signal = true;
        else
            break; /* what follows is of no use here, and `bytes` says where it ends */
    }
    if (c->bad) return false;
    c->at = data;
    skip(c, bytes);
    return !c->bad;
}

static bool read_common(const compiler *compile, const uint8_t *at, common_entry *out) {
    if (out->at == at) return true;
    cursor c;
    const uint8_t *next = at, *id_field;
    uint32_t id;
    if (at < compile->section || at >= compile->limit || !next_entry(&next, compile->limit, &c, &id_field, &id) || id)
        return false;
    *out = (common_entry){.at = NULL};
    uint64_t version = take(&c, 1);
    const char *letters = (const char *)c.at;
    while (take(&c, 1)) continue;
    if (c.bad || (version != 1 && version != 3) || (letters[0] && letters[0] != 'z')) return false;
    out->code_align = take_unsigned(&c);
    out->data_align = take_signed(&c);
    uint64_t return_address = version == 1 ? take(&c, 1) : take_unsigned(&c);
    out->augmented = letters[0] == 'z';
    if (out->augmented && !read_augmentation(&c, letters, out)) return false;
    if (c.bad || return_address != PC) return false;
    out->program = c;
    out->at = at;
    return true;
}

static bool read_function(const compiler *compile, const uint8_t *id_field, uint32_t id, cursor c, common_entry *common,
                          function_entry *out) {
    if (id > (uint64_t)(id_field - compile->section) || !read_common(compile, id_field - id, common)) return false;
    out->common = common->at;
    out->start = take_pointer(&c, common->pointers);
    out->end = out->start + take_pointer(&c, common->pointers & POINTER_FORMAT);
    if (common->augmented) skip(&c, take_unsigned(&c));
    out->program = c;
    const unwind_table *t = compile->table;
    return !c.bad && out->start >= t->base && out->end > out->start && out->end <= t->end;
}

static void *grown(compiler *c, void *memory, uint32_t needed, uint32_t *room, size_t size) {
    if (needed <= *room || c->no_memory) return memory;
    uint32_t more = needed + needed / 2 + 64;
    void *moved = realloc(memory, more * size);
    if (!moved) {
        c->no_memory = true;
        return memory;
    }
    *room = more;
    return moved;
}

/* Rules of one row are often those of the row before or of a like function: expressions are kept once. */
static bool keep_expression(compiler *c, cursor *from, register_rule *rule) {
    uint64_t bytes = take_unsigned(from);
    const uint8_t *text = from->at;
    skip(from, bytes);
    if (from->bad || !bytes || bytes > UINT16_MAX) return false;
    unwind_table *t = c->table;
    const uint8_t *found = t->expression_bytes ? memmem(t->expressions, t->expression_bytes, text, bytes) : NULL;
    if (!found) {
        uint32_t needed = t->expression_bytes + (uint32_t)bytes;
        t->expressions = grown(c, t->expressions, needed, &c->expression_room, 1);
        if (c->no_memory) return false;
        found = memcpy(t->expressions + t->expression_bytes, text, bytes);
        t->expression_bytes = needed;
    }
    rule->offset = (int32_t)(found - t->expressions);
    rule->expression_bytes = (uint16_t)bytes;
    return true;
}

static void add_row(compiler *c, uintptr_t address, uint32_t rule) {
    unwind_table *t = c->table;
    uint32_t start = (uint32_t)(address - t->base);
    if (t->row_count) {
        unwind_row *last = &t->rows[t->row_count - 1];
        if (last->start == start) {
            last->rule = rule | (last->rule & ROW_BEGINS);
            return;
        }
        if ((last->rule | ROW_BEGINS) == (rule | ROW_BEGINS) && !(rule & ROW_BEGINS)) return;
    }
    t->rows = grown(c, t->rows, t->row_count + 1, &c->row_room, sizeof *t->rows);
    if (!c->no_memory) t->rows[t->row_count++] = (unwind_row){start, rule};
}

static uint32_t short_rule(const rule_set *s) {
    if (s->cfa.how != IN_REGISTER || (s->cfa.in != SP && s->cfa.in != FP)) return ROW_NONE;
    if (s->cfa.offset < -LARGEST_OFFSET || s->cfa.offset > LARGEST_OFFSET) return ROW_NONE;
    if (s->of[PC].how != SAVED_AT || s->of[PC].offset != -8) return ROW_NONE;
    const register_rule *fp = &s->of[FP];
    uint32_t slot = 0;
    if (fp->how == SAVED_AT && fp->offset < 0 && fp->offset % 8 == 0 && fp->offset >= -8 * MAX_FP_SLOT)
        slot = (uint32_t)(-fp->offset / 8);
    else if (fp->how != UNCHANGED)
        return ROW_NONE;
    return (s->cfa.in == SP ? ROW_FROM_SP : ROW_FROM_FP) | slot << ROW_FP_SHIFT |
           (uint32_t)s->cfa.offset << ROW_OFFSET_SHIFT;
}

static void add_rules(compiler *c, uintptr_t address, const rule_set *s, bool signal, bool begins) {
    uint32_t rule = signal ? ROW_NONE : short_rule(s), flag = begins ? ROW_BEGINS : 0;
    unwind_table *t = c->table;
    if (rule == ROW_NONE) {
        full_rule full;
        memset(&full, 0, sizeof full); /* compared as bytes */
        full.cfa = s->cfa;
        memcpy(full.of, s->of, sizeof full.of);
        full.signal = signal;
        if (!t->full_count || memcmp(&t->full[t->full_count - 1], &full, sizeof full) != 0) {
            t->full = grown(c, t->full, t->full_count + 1, &c->full_room, sizeof *t->full);
            if (c->no_memory || t->full_count == LARGEST_OFFSET) return;
            t->full[t->full_count++] = full;
        }
        rule = ROW_FULL | (t->full_count - 1) << ROW_OFFSET_SHIFT;
    }
    add_row(c, address, rule | flag);
}

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

/* Call frame instructions (DWARF 5, 6.4.2 and 7.24) that advance the location: by how much, 0 for the others. */
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
    if (op == 0x0e || op == 0x13) { /* def_cfa_offset, _sf: the register stays */
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
    case 0x0d:                                                          /* def_cfa_register: the offset stays */
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

/* Runs a program; with `function` every change of place gives the row before it. */
static bool run(compiler *compile, const common_entry *common, cursor c, rule_set *s, const rule_set *initial,
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

static void compile_function(compiler *compile, const function_entry *f, common_entry *common) {
    unwind_table *t = compile->table;
    uint32_t rows_before = t->row_count;
    rule_set s = {.cfa = {.how = UNDEFINED}}, initial;
    bool ok = read_common(compile, f->common, common) && run(compile, common, common->program, &s, NULL, NULL);
    initial = s;
    if (!ok || !run(compile, common, f->program, &s, &initial, f)) {
        t->row_count = rows_before;
        t->rejected++;
        add_row(compile, f->start, ROW_NONE | ROW_BEGINS);
    }
}

static int by_start(const void *a, const void *b) {
    const function_entry *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static function_entry *read_functions(compiler *c, uint32_t *count) {
    function_entry *functions = NULL;
    common_entry common = {.at = NULL};
    uint32_t room = 0;
    const uint8_t *at = c->section, *id_field;
    cursor body;
    uint32_t id;
    *count = 0;
    while (next_entry(&at, c->limit, &body, &id_field, &id)) {
        function_entry f;
        if (!id) continue;
        c->table->functions++;
        if (!read_function(c, id_field, id, body, &common, &f)) {
            c->table->rejected++;
            continue;
        }
        functions = grown(c, functions, *count + 1, &room, sizeof *functions);
        if (c->no_memory) break;
        functions[(*count)++] = f;
    }
    if (*count) qsort(functions, *count, sizeof *functions, by_start);
    return functions;
}

static void fill_buckets(compiler *c) {
    unwind_table *t = c->table;
    uint32_t count = (uint32_t)((t->end - t->base) >> BUCKET_SHIFT) + 2, row = 0;
    t->buckets = c->no_memory ? NULL : malloc(count * sizeof *t->buckets);
    if (!t->buckets) {
        c->no_memory = true;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        while (row + 1 < t->row_count && t->rows[row + 1].start <= (uint64_t)i << BUCKET_SHIFT) row++;
        t->buckets[i] = row;
    }
}

int compile_eh_frame(unwind_table *table, const uint8_t *section, const uint8_t *limit, uintptr_t base, uintptr_t end) {
    *table = (unwind_table){.base = base, .end = end};
    compiler c = {.table = table, .section = section, .limit = limit};
    uint32_t count = 0;
    function_entry *functions = section ? read_functions(&c, &count) : NULL;
    common_entry common = {.at = NULL};
    uintptr_t covered = base;
    add_row(&c, base, ROW_NONE | ROW_BEGINS);
    for (uint32_t i = 0; i < count && !c.no_memory; i++) {
        function_entry f = functions[i];
        if (f.start < covered) { /* described twice */
            table->rejected++;
            continue;
        }
        if (i + 1 < count && functions[i + 1].start > f.start && functions[i + 1].start < f.end)
            f.end = functions[i + 1].start;
        compile_function(&c, &f, &common);
        covered = f.end;
        if (covered < end) add_row(&c, covered, ROW_NONE | ROW_BEGINS);
    }
    free(functions);
    fill_buckets(&c);
    if (c.no_memory) free_unwind_table(table);
    return c.no_memory ? -ENOMEM : 0;
}

void free_unwind_table(unwind_table *table) {
    free(table->rows);
    free(table->buckets);
    free(table->full);
    free(table->expressions);
    *table = (unwind_table){.base = 0};
}

const unwind_row *find_row(const unwind_table *t, uintptr_t address) {
    if (address < t->base || address >= t->end || !t->row_count) return NULL;
    uint32_t at = (uint32_t)(address - t->base), low = t->buckets[at >> BUCKET_SHIFT];
    uint32_t high = t->buckets[(at >> BUCKET_SHIFT) + 1] + 1;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (t->rows[middle].start <= at)
            low = middle;
        else
            high = middle;
    }
    return &t->rows[low];
}

uintptr_t function_start(const unwind_table *t, const unwind_row *row) {
    while (row > t->rows && !(row->rule & ROW_BEGINS)) row--;
    return t->base + row->start;
}
