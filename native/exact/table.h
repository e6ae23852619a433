/* A hash table from 64-bit keys other than 0 to 64-bit values: pointers to numbers, edges to counts. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t key;
    uint64_t value;
} TableEntry;

typedef struct {
    TableEntry *entries; /* NULL until the first one */
    size_t capacity;     /* a power of two, or 0 */
    size_t used;
} Table;

/* The value of `key`, which is entered with 0 when it is new; NULL without memory. Valid until the next call. */
uint64_t *table_value(Table *table, uint64_t key);

/* The value of `key`, or 0. */
uint64_t table_get(const Table *table, uint64_t key);

void table_free(Table *table);
