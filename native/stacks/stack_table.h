/* Functions and the tree of stacks, of a fixed size: written from the handler under the sampler's lock. */
#ifndef FLAME_STACK_TABLE_H
#define FLAME_STACK_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "flame_sampler.h"

enum { MAX_PATH = 1 << 14 }; /* frames per stack */

/* The result for a stack: it is in the table, it could not be walked, or the table is full. */
typedef enum { RECORDED, UNWINDABLE, OVERFLOWED } outcome;

typedef struct {
    flame_code *codes;
    flame_node *nodes;
    flame_line *lines;
    char *text;
    uint32_t *code_slots, *node_slots, *line_slots; /* open addressing, index + 1 */
    uint32_t max_codes, max_nodes, max_lines, text_bytes;
    uint32_t code_count, node_count, line_count, text_used;
    uint32_t *path_codes, *path_nodes; /* of the last stack, root first */
    uint32_t path_root, path_depth;
} stack_table;

bool table_init(stack_table *table, uint32_t max_nodes, uint32_t max_codes, uint32_t text_bytes);
void table_free(stack_table *table);
void table_clear(stack_table *table);
/* Index of the function; -1 if it is not in the table. */
int64_t table_find_code(const stack_table *table, const flame_code *key);
/* Adds `code`, whose text offsets are already set. -1 if full. */
int64_t table_add_code(stack_table *table, const flame_code *code);
/* Child of `parent` for `code`, added if missing. -1 if full. */
int64_t table_child(stack_table *table, uint32_t parent, uint32_t code);
/* Line for the instruction at `offset` of the function, added if missing. -1 if full. */
int64_t table_line(stack_table *table, uint32_t code, uint32_t offset);
void table_count_line(stack_table *table, int64_t line, uint32_t samples, uint64_t weight_ns);
/* splitmix64's finaliser (Steele, Lea, Flood 2014). */
uint64_t mix(uint64_t x);
/* Node of a whole stack below `root`; `codes` leaf first. -1 if full. */
int64_t table_path(stack_table *table, uint32_t root, const uint32_t *codes, uint32_t depth);

#endif
