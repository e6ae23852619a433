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
    const uint8_t *at; /* where it was read, to know it again */
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

/* How to undo a frame, while a program runs. */
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

/* Runs a program; with `function` every change of place gives the row before it. */
bool run_program(compiler *compile, const common_entry *common, cursor c, rule_set *s, const rule_set *initial,
                 const function_entry *function);

/* --- unwind_table.c: rows --- */

/* `memory` with room for `needed` elements; as it was when there is none left, and `no_memory` set. */
void *grown(compiler *c, void *memory, uint32_t needed, uint32_t *room, size_t size);
/* Takes an expression and its length, kept once for all rules that have it. */
bool keep_expression(compiler *c, cursor *from, register_rule *rule);
/* The last row, if it begins at the same address, is replaced. */
void add_row(compiler *c, uintptr_t address, uint32_t rule);
void add_rules(compiler *c, uintptr_t address, const rule_set *s, bool signal, bool begins);
/* Once, when all rows are there. */
void fill_buckets(compiler *c);

#endif
