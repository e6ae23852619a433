/* The table of functions and stacks compared with a linear search. Built with: stacks/stack_table.c */
#include <string.h>

#include "stacks/stack_table.h"

#include "check.h"

enum { NODES = 1 << 10, CODES = 1 << 6, TEXT = 4096 };

static void sizes_that_do_not_fit_are_refused(void) {
    stack_table t;
    CHECK(!table_init(&t, 0, CODES, TEXT));
    CHECK(!table_init(&t, 2, CODES, TEXT));
    CHECK(!table_init(&t, NODES + 1, CODES, TEXT));
    CHECK(!table_init(&t, NODES, CODES - 1, TEXT));
    CHECK(!table_init(&t, NODES, CODES, 0));
    table_free(&t);
}

static flame_code code_at(uint64_t address, int32_t line) {
    return (flame_code){.address = address, .firstlineno = line};
}

static void every_part_of_a_key_tells_functions_apart(void) {
    stack_table t;
    CHECK(table_init(&t, NODES, CODES, TEXT));
    flame_code keys[7];
    for (int i = 0; i < 7; i++) keys[i] = code_at(4096, 1);
    keys[1].address++;
    keys[2].qualname_object++;
    keys[3].filename_object++;
    keys[4].linetable_object++;
    keys[5].firstlineno++;
    keys[6].kind++;
    int64_t found[7];
    for (int i = 0; i < 7; i++) {
        CHECK(table_find_code(&t, &keys[i]) == -1);
        found[i] = table_add_code(&t, &keys[i]);
        CHECK(found[i] >= 0);
    }
    for (int i = 0; i < 7; i++) CHECK(table_find_code(&t, &keys[i]) == found[i]);
    table_free(&t);
}

static void a_full_table_says_so_and_keeps_what_it_has(void) {
    stack_table t;
    CHECK(table_init(&t, NODES, CODES, TEXT));
    uint32_t added = 0;
    flame_code code = code_at(16, 0);
    for (; table_add_code(&t, &code) >= 0; added++) code.address += 16;
    CHECK(t.code_count == CODES && added > CODES / 2);
    for (uint64_t i = 0; i < added; i++) {
        flame_code key = code_at(16 + 16 * i, 0);
        CHECK(table_find_code(&t, &key) >= 0);
    }
    int64_t parent = FLAME_ROOT_CUT, child;
    while ((child = table_child(&t, (uint32_t)parent, 3)) >= 0) parent = child;
    CHECK(t.node_count == NODES);
    CHECK(table_child(&t, FLAME_ROOT_CUT, 3) == 2); /* the first that was made */
    uint32_t path[3] = {7, 8, 9};
    CHECK(table_path(&t, FLAME_ROOT_UNCUT, path, 3) == -1);
    table_free(&t);
}

/* Child by child, without the path that table_path() remembers. */
static int64_t followed(stack_table *t, uint32_t root, const uint32_t *codes, uint32_t depth) {
    int64_t node = root;
    for (uint32_t i = depth; i-- > 0 && node >= 0;) node = table_child(t, (uint32_t)node, codes[i]);
    return node;
}

static void paths_lead_where_their_children_do(void) {
    stack_table t;
    CHECK(table_init(&t, 1 << 14, CODES, TEXT));
    uint64_t random = 88172645463325252u;
    uint32_t codes[24] = {0};
    int full = 0;
    for (int turn = 0; turn < 200000; turn++) {
        uint32_t depth = (uint32_t)(draw(&random) % 24), from = (uint32_t)(draw(&random) % 24);
        for (uint32_t i = from; i < 24; i++) codes[i] = (uint32_t)(draw(&random) % 3);
        uint32_t root = draw(&random) % 8 ? FLAME_ROOT_CUT : FLAME_ROOT_UNCUT;
        int64_t node = table_path(&t, root, codes, depth);
        CHECK(node == followed(&t, root, codes, depth));
        uint32_t at = (uint32_t)node;
        for (uint32_t i = 0; node >= 0 && i < depth; i++, at = t.nodes[at].parent) CHECK(t.nodes[at].code == codes[i]);
        CHECK(node < 0 || at == root);
        full += node < 0;
        if (draw(&random) % 50000 == 0) {
            table_clear(&t);
            CHECK(t.node_count == 2);
        }
    }
    CHECK(full); /* otherwise the full table was not tested */
    table_free(&t);
}

static void clearing_forgets_samples_and_keeps_functions(void) {
    stack_table t;
    CHECK(table_init(&t, NODES, CODES, TEXT));
    flame_code code = code_at(32, 5);
    int64_t index = table_add_code(&t, &code);
    uint32_t path[2] = {(uint32_t)index, (uint32_t)index};
    int64_t node = table_path(&t, FLAME_ROOT_CUT, path, 2);
    t.nodes[node].count = 4;
    table_clear(&t);
    CHECK(table_find_code(&t, &code) == index);
    CHECK(table_path(&t, FLAME_ROOT_CUT, path, 2) == 3 && t.nodes[3].count == 0 && t.nodes[3].parent == 2);
    table_free(&t);
}

int main(void) {
    sizes_that_do_not_fit_are_refused();
    every_part_of_a_key_tells_functions_apart();
    a_full_table_says_so_and_keeps_what_it_has();
    paths_lead_where_their_children_do();
    clearing_forgets_samples_and_keeps_functions();
}
