/* Shared by the files that compile `.eh_frame`; nothing here is used while sampling. */
#ifndef FLAME_CALL_FRAMES_H
#define FLAME_CALL_FRAMES_H

#include "unwind/unwind_table.h"

typedef struct {
    const uint8_t *at, *end;
    bool bad; /* read beyond the end, or something unknown */
} cursor;

/* A common information entry: what the entries of several functions share. */
typedef struct {
    const uint8_t *at; /* where it was read, to recognise it */
    cursor program;
    uint64_t code_align;
    int64_t data_align;
    uint8_t pointers; /* encoding of addresses in its FDEs */
    bool augmented, signal;
} common_entry;

/* A frame description entry. */
typedef struct {
    uintptr_t start, end;
    const uint8_t *common;
    cursor program;
} function_entry;

/* How to unwind a frame, as far as a program has run. */
typedef struct {
    register_rule cfa, of[REGISTERS];
} rule_set;

/* A table that grows. */
typedef struct {
    unwind_table *table;
    const uint8_t *section, *limit;
    uint32_t row_room, full_room, expression_room;
    bool no_memory;
} compiler;

/* --- eh_frame.c: reading; beyond the end everything is 0 and the cursor is bad --- */
uint64_t take(cursor *c, size_t bytes);
uint64_t take_unsigned(cursor *c);
int64_t take_signed(cursor *c);
uint64_t take_pointer(cursor *c, uint8_t encoding);
void skip(cursor *c, uint64_t bytes);

/* --- call_frames.c: programs --- */

/* Runs a program; with `function`, each advance of the location adds the row that ends there. */
bool run_program(compiler *compile, const common_entry *common, cursor c, rule_set *s, const rule_set *initial,
                 const function_entry *function);

/* --- unwind_table.c: rows --- */

/* `memory` with room for `needed` elements; unchanged if there is no memory, and `no_memory` is set. */
void *grown(compiler *c, void *memory, uint32_t needed, uint32_t *room, size_t size);
/* Takes a length and an expression, which is stored once for all rules that have it. */
bool keep_expression(compiler *c, cursor *from, register_rule *rule);
/* Replaces the last row if that begins at the same address. */
void add_row(compiler *c, uintptr_t address, uint32_t rule);
void add_rules(compiler *c, uintptr_t address, const rule_set *s, bool signal, bool begins);
/* Called once, after the last row. */
void fill_buckets(compiler *c);

#endif
