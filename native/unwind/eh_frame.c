/* `.eh_frame` (Linux Standard Base, 10.6; DWARF 5, 6.4) compiled into rows sorted by address: every change of the rules
 * for unwinding a frame gives one row, so that the handler looks up a row instead of running the section's programs. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/call_frames.h"

enum { POINTER_FORMAT = 0x0f, POINTER_BASE = 0x70, POINTER_PC_RELATIVE = 0x10, POINTER_INDIRECT = 0x80 };

uint64_t take(cursor *c, size_t bytes) {
    uint64_t value = 0;
    if (c->bad || (size_t)(c->end - c->at) < bytes) {
        c->bad = true;
        return 0;
    }
    memcpy(&value, c->at, bytes);
    c->at += bytes;
    return value;
}

void skip(cursor *c, uint64_t bytes) {
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

uint64_t take_unsigned(cursor *c) { return take_leb(c, false); }
int64_t take_signed(cursor *c) { return (int64_t)take_leb(c, true); }

uint64_t take_pointer(cursor *c, uint8_t encoding) {
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

/* The body of the entry at *at, which moves on to the next one; its second word, which selects the CIE, has been read.
 * False at the end of the section. */
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
            break; /* the rest is not needed here, and `bytes` says where it ends */
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

static void compile_function(compiler *compile, const function_entry *f, common_entry *common) {
    unwind_table *t = compile->table;
    uint32_t rows_before = t->row_count;
    rule_set s = {.cfa = {.how = UNDEFINED}}, initial;
    bool ok = read_common(compile, f->common, common) && run_program(compile, common, common->program, &s, NULL, NULL);
    initial = s;
    if (!ok || !run_program(compile, common, f->program, &s, &initial, f)) {
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
