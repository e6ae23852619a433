/* A module's rows: added in the order of their addresses, then only looked up. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "unwind/call_frames.h"

enum { MAX_FP_SLOT = ROW_FP_BITS, LARGEST_OFFSET = (1 << 23) - 1 };

void *grown(compiler *c, void *memory, uint32_t needed, uint32_t *room, size_t size) {
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

/* Rules of one row are often those of the row before or of a similar function: expressions are kept once. */
bool keep_expression(compiler *c, cursor *from, register_rule *rule) {
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

void add_row(compiler *c, uintptr_t address, uint32_t rule) {
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

void add_rules(compiler *c, uintptr_t address, const rule_set *s, bool signal, bool begins) {
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

void fill_buckets(compiler *c) {
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
