#include "exact/table.h"

#include <stdlib.h>

#define FIRST_CAPACITY 1024

static size_t position_of(const Table *table, uint64_t key) {
    uint64_t mixed = key * UINT64_C(0x9E3779B97F4A7C15);
    size_t i = (mixed ^ mixed >> 32) & (table->capacity - 1);
    while (table->entries[i].key && table->entries[i].key != key) i = (i + 1) & (table->capacity - 1);
    return i;
}

static int grow(Table *table) {
    Table larger = {.capacity = table->capacity ? table->capacity * 2 : FIRST_CAPACITY, .used = table->used};
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries) return -1;
    for (size_t i = 0; i < table->capacity; i++)
        if (table->entries[i].key) larger.entries[position_of(&larger, table->entries[i].key)] = table->entries[i];
    free(table->entries);
    *table = larger;
    return 0;
}

uint64_t *table_value(Table *table, uint64_t key) {
    if (table->capacity) {
        TableEntry *found = &table->entries[position_of(table, key)];
        if (found->key) return &found->value;
    }
    if (table->used * 2 >= table->capacity && grow(table) < 0) return NULL;
    TableEntry *new = &table->entries[position_of(table, key)];
    new->key = key;
    table->used++;
    return &new->value;
}

uint64_t table_get(const Table *table, uint64_t key) {
    return table->capacity ? table->entries[position_of(table, key)].value : 0;
}

void table_free(Table *table) {
    free(table->entries);
    *table = (Table){0};
}
