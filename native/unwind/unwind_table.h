/* Call frame information compiled into rows that are quick to look up. x86-64. */
#ifndef FLAME_UNWIND_TABLE_H
#define FLAME_UNWIND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind/registers.h"

typedef enum {
    UNCHANGED,     /* the caller's value is still in the register */
    UNDEFINED,     /* it has none; for PC: the outermost frame */
    SAVED_AT,      /* in memory at CFA + offset */
    IS_CFA_PLUS,   /* CFA + offset */
    IN_REGISTER,   /* another register + offset (for the CFA: this is what it is) */
    SAVED_AT_EXPR, /* in memory where the expression points */
    IS_EXPR        /* the expression's value */
} recovery;

typedef struct {
    uint8_t how, in;
    uint16_t expression_bytes;
    int32_t offset; /* from the CFA or the register; of the expression in the table's pool */
} register_rule;

/* One of the few rows that do not fit into 32 bits. */
typedef struct {
    register_rule cfa, of[REGISTERS];
    bool signal; /* interrupted, not calling: the pc is the next instruction, not the one after a call */
} full_rule;

/* A row is valid from `start` to the next row's. A rule is: 2 bits `row_kind`; 1 bit, whether a function begins here; 5
 * bits, where the caller's frame pointer is saved (0: still in its register; n: at CFA - 8n); 24 bits signed, the CFA's
 * offset from the register, or the index of a full rule. The return address is at CFA - 8. */
typedef struct {
    uint32_t start, rule; /* bytes from the table's base */
} unwind_row;

typedef enum { ROW_NONE, ROW_FROM_SP, ROW_FROM_FP, ROW_FULL } row_kind;
enum { BUCKET_SHIFT = 8, BUCKET = 1 << BUCKET_SHIFT };
enum { ROW_KIND_BITS = 3, ROW_BEGINS = 4, ROW_FP_SHIFT = 3, ROW_FP_BITS = 31, ROW_OFFSET_SHIFT = 8 };

typedef struct {
    uintptr_t base, end; /* addresses: rows cover [base, end) */
    unwind_row *rows;
    uint32_t *buckets; /* of each BUCKET bytes: the row that covers the first; one more at the end */
    full_rule *full;
    uint8_t *expressions;
    uint32_t row_count, full_count, expression_bytes;
    uint32_t functions, rejected; /* described by the section; of those, left out because they could not be read */
} unwind_table;

/* Reads `.eh_frame` at [section, limit) for code in [base, end). 0 or -ENOMEM; a damaged section gives the rows before
 * the damage. */
int compile_eh_frame(unwind_table *table, const uint8_t *section, const uint8_t *limit, uintptr_t base, uintptr_t end);
void free_unwind_table(unwind_table *table);
/* The row that covers the address, NULL for none. */
const unwind_row *find_row(const unwind_table *table, uintptr_t address);
/* First address of the function (the range of one FDE, or of code without any) that `row` belongs to. */
uintptr_t function_start(const unwind_table *table, const unwind_row *row);

#endif
