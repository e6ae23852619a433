/* Functions and the tree of stacks. Everything is mapped before sampling starts: the handler only writes. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "stacks/stack_table.h"

enum { LINES_PER_CODE = 2 };

static void *map_zeroed(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void unmap(void *memory, size_t bytes) {
    if (memory) munmap(memory, bytes);
}

static bool usable_size(uint32_t n) { return n >= 4 && n <= 1u << 30 && !(n & (n - 1)); }

bool table_init(stack_table *t, uint32_t max_nodes, uint32_t max_codes, uint32_t text_bytes) {
    memset(t, 0, sizeof *t);
    if (!usable_size(max_nodes) || !usable_size(max_codes) || !text_bytes) return false;
    t->max_nodes = max_nodes;
    t->max_codes = max_codes;
    t->max_lines = LINES_PER_CODE * max_codes;
    t->text_bytes = text_bytes;
    t->codes = map_zeroed(max_codes * sizeof *t->codes);
    t->nodes = map_zeroed(max_nodes * sizeof *t->nodes);
    t->lines = map_zeroed(t->max_lines * sizeof *t->lines);
    t->text = map_zeroed(text_bytes);
    t->code_slots = map_zeroed(2ul * max_codes * sizeof *t->code_slots);
    t->node_slots = map_zeroed(2ul * max_nodes * sizeof *t->node_slots);
    t->line_slots = map_zeroed(2ul * t->max_lines * sizeof *t->line_slots);
    t->path_codes = map_zeroed(MAX_PATH * sizeof *t->path_codes);
    t->path_nodes = map_zeroed(MAX_PATH * sizeof *t->path_nodes);
    if (!t->codes || !t->nodes || !t->lines || !t->line_slots || !t->text || !t->code_slots || !t->node_slots ||
        !t->path_codes || !t->path_nodes) {
        table_free(t);
        return false;
    }
    t->code_count = 3; /* FLAME_CODE_NATIVE_THREAD, FLAME_CODE_TRUNCATED, FLAME_CODE_IN_KERNEL */
    t->node_count = 2; /* FLAME_ROOT_CUT, FLAME_ROOT_UNCUT */
    return true;
}

void table_free(stack_table *t) {
    unmap(t->codes, t->max_codes * sizeof *t->codes);
    unmap(t->nodes, t->max_nodes * sizeof *t->nodes);
    unmap(t->lines, t->max_lines * sizeof *t->lines);
    unmap(t->text, t->text_bytes);
    unmap(t->code_slots, 2ul * t->max_codes * sizeof *t->code_slots);
    unmap(t->node_slots, 2ul * t->max_nodes * sizeof *t->node_slots);
    unmap(t->line_slots, 2ul * t->max_lines * sizeof *t->line_slots);
    unmap(t->path_codes, MAX_PATH * sizeof *t->path_codes);
    unmap(t->path_nodes, MAX_PATH * sizeof *t->path_nodes);
    memset(t, 0, sizeof *t);
}

void table_clear(stack_table *t) {
    memset(t->nodes, 0, t->node_count * sizeof *t->nodes);
    memset(t->node_slots, 0, 2ul * t->max_nodes * sizeof *t->node_slots);
    t->node_count = 2;
    t->path_depth = 0;
    memset(t->lines, 0, t->line_count * sizeof *t->lines);
    memset(t->line_slots, 0, 2ul * t->max_lines * sizeof *t->line_slots);
    t->line_count = 0;
}

uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Code objects are freed and their addresses reused: the whole key is hashed and compared. Multilinear, so that the
 * parts need not wait for each other (Lemire, Kaser 2014), then mixed into the low bits. */
static uint64_t code_hash(const flame_code *c) {
    return mix(c->address * 0x9e3779b97f4a7c15u + c->qualname_object * 0xc2b2ae3d27d4eb4fu +
               c->filename_object * 0x165667b19e3779f9u + c->linetable_object * 0xd6e8feb86659fd93u +
               ((uint64_t)c->kind << 32 | (uint32_t)c->firstlineno) * 0xa0761d6478bd642fu);
}

static bool same_code(const flame_code *a, const flame_code *b) {
    return a->address == b->address && a->qualname_object == b->qualname_object &&
           a->filename_object == b->filename_object && a->linetable_object == b->linetable_object &&
           a->firstlineno == b->firstlineno && a->kind == b->kind;
}

int64_t table_find_code(const stack_table *t, const flame_code *key) {
    uint32_t mask = 2 * t->max_codes - 1;
    for (uint32_t i = (uint32_t)code_hash(key) & mask; t->code_slots[i]; i = (i + 1) & mask)
        if (same_code(&t->codes[t->code_slots[i] - 1], key)) return t->code_slots[i] - 1;
    return -1;
}

int64_t table_add_code(stack_table *t, const flame_code *code) {
    if (t->code_count == t->max_codes) return -1;
    uint32_t mask = 2 * t->max_codes - 1;
    uint32_t i = (uint32_t)code_hash(code) & mask;
    while (t->code_slots[i]) i = (i + 1) & mask;
    t->codes[t->code_count] = *code;
    t->code_slots[i] = ++t->code_count;
    return t->code_count - 1;
}

int64_t table_child(stack_table *t, uint32_t parent, uint32_t code) {
    uint32_t mask = 2 * t->max_nodes - 1;
    uint32_t i = (uint32_t)mix((uint64_t)parent << 32 | code) & mask;
    for (; t->node_slots[i]; i = (i + 1) & mask) {
        const flame_node *node = &t->nodes[t->node_slots[i] - 1];
        if (node->parent == parent && node->code == code) return t->node_slots[i] - 1;
    }
    if (t->node_count == t->max_nodes) return -1;
    t->nodes[t->node_count] = (flame_node){.parent = parent, .code = code};
    t->node_slots[i] = ++t->node_count;
    return t->node_count - 1;
}

int64_t table_line(stack_table *t, uint32_t code, uint32_t offset) {
    uint32_t mask = 2 * t->max_lines - 1;
    uint32_t i = (uint32_t)mix((uint64_t)code << 32 | offset) & mask;
    for (; t->line_slots[i]; i = (i + 1) & mask) {
        const flame_line *line = &t->lines[t->line_slots[i] - 1];
        if (line->code == code && line->offset == offset) return t->line_slots[i] - 1;
    }
    if (t->line_count == t->max_lines) return -1;
    t->lines[t->line_count] = (flame_line){.code = code, .offset = offset};
    t->line_slots[i] = ++t->line_count;
    return t->line_count - 1;
}

void table_count_line(stack_table *t, int64_t line, uint32_t samples, uint64_t weight_ns) {
    if (line < 0) return;
    t->lines[line].count += samples;
    t->lines[line].weight_ns += weight_ns;
}

/* Consecutive stacks share most of their path: that part is compared, not looked up. */
int64_t table_path(stack_table *t, uint32_t root, const uint32_t *codes, uint32_t depth) {
    uint32_t known = 0, common = t->path_root == root ? t->path_depth : 0;
    if (common > depth) common = depth;
    while (known < common && t->path_codes[known] == codes[depth - 1 - known]) known++;
    int64_t node = known ? t->path_nodes[known - 1] : root;
    t->path_root = root;
    for (; known < depth; known++) {
        uint32_t code = codes[depth - 1 - known];
        node = table_child(t, (uint32_t)node, code);
        if (node < 0) break;
        t->path_codes[known] = code;
        t->path_nodes[known] = (uint32_t)node;
    }
    t->path_depth = known;
    return node;
}
