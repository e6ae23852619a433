/* Puts native frames between the Python ones. The native frame of an eval loop is recognised by address: it contains
 * the anchor of its segment, whatever the function is called in this build. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "sampler/merge.h"
#include "unwind/unwind.h"

enum { CACHE_LINE = 64, CODE_STEP = 16 }; /* functions and linkage stubs start at multiples of it */

_Static_assert(MAX_DEPTH + MAX_NATIVE_DEPTH < MAX_PATH, "a merged stack has room");

struct native_stack {
    unwinder unwinder;
    bool places;
    uint32_t depth;
    uint32_t codes[MAX_PATH]; /* leaf first, including the Python ones */
    uintptr_t anchors[MAX_DEPTH];
};

native_stack *native_stack_new(bool places) {
    size_t bytes = (sizeof(native_stack) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    native_stack *n = aligned_alloc(CACHE_LINE, bytes);
    if (!n) return NULL;
    memset(n, 0, bytes);
    n->places = places;
    return n;
}

uint32_t native_stack_depth(const native_stack *n) { return n->depth; }
const uint32_t *native_stack_codes(const native_stack *n) { return n->codes; }

/* A stub of the procedure linkage table: all stubs of a library are one function in its unwind information. They jump
 * through a table next to them, or push a number and jump to the first; their rule is that of a function that has saved
 * nothing, or an expression. Most code has neither and is not worth a system call. */
static bool is_linkage_stub(uint32_t rule, uintptr_t start) {
    enum { NOTHING_SAVED = ROW_FROM_SP | 8 << ROW_OFFSET_SHIFT };
    if ((rule & ROW_KIND_BITS) != ROW_FULL && (rule & ~(uint32_t)ROW_BEGINS) != NOTHING_SAVED) return false;
    uint8_t b[CODE_STEP];
    if (!read_memory(&own_memory, start, b, sizeof b)) return false;
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    const uint8_t *i = memcmp(b, endbr64, sizeof endbr64) == 0 ? b + sizeof endbr64 : b;
    if (*i == 0xf2) i++; /* bnd */
    return (i[0] == 0xff && i[1] == 0x25) || (i[0] == 0x68 && (i[5] == 0xe9 || i[5] == 0xf2));
}

/* Index of the frame's function in the table; -1 if that is full. */
static int64_t native_code(native_stack *n, stack_table *t, const native_frame *f) {
    unwinder *u = &n->unwinder;
    known_pc *k = look_up(u, f->pc - !f->interrupted);
    if (k->code) return k->code;
    uintptr_t step = k->pc & ~(uintptr_t)(CODE_STEP - 1), start = step;
    bool described = (k->rule & ROW_KIND_BITS) != ROW_NONE;
    if (k->range) {
        uintptr_t function = function_start(k->range->table, &k->range->table->rows[k->row]);
        bool stub = described && f->interrupted && step > function && is_linkage_stub(k->rule, step);
        if (described ? !stub : function > step) start = function;
        if (described && n->places) start = k->pc;
    }
    flame_code key = {.address = start,
                      .qualname_object = k->range ? k->range->module + 1 : 0,
                      .filename_object = !described,
                      .kind = FLAME_KIND_NATIVE};
    int64_t code = table_find_code(t, &key);
    if (code < 0) code = table_add_code(t, &key);
    if (code > 0) k->code = (uint32_t)code;
    return code;
}

static void append_python(native_stack *n, const python_stack *p, uint32_t segment) {
    uint32_t end = segment + 1 < p->segment_count ? p->segments[segment + 1].first : p->depth;
    uint32_t begin = p->segment_count ? p->segments[segment].first : 0;
    memcpy(n->codes + n->depth, p->codes + begin, (end - begin) * sizeof *n->codes);
    n->depth += end - begin;
}

outcome merge_native(native_stack *n, const python_stack *p, stack_table *table, const void *context,
                     native_quality *quality) {
    unwinder *u = &n->unwinder;
    *quality = (native_quality){false, false};
    n->depth = 0;
    uint32_t segments = p->segment_count ? p->segment_count : p->depth > 0, next = 0, kept = 0;
    for (uint32_t i = 0; i < p->segment_count; i++) n->anchors[i] = p->segments[i].anchor;
    registers r = registers_of(context);
    const module_map *map = modules_enter();
    bool to_anchor = p->cut || p->truncated;
    walk_end end = BROKE_OFF;
    if (map) end = walk_native(u, map, &r, own_stack_view(r.value[SP]), n->anchors, p->segment_count, to_anchor);
    for (uint32_t i = 0; map && i < u->depth && !(to_anchor && next == segments); i++) {
        const native_frame *f = &u->frames[i];
        uint32_t before = next;
        for (uint32_t j = next; j < p->segment_count && n->anchors[j] < f->cfa; j++)
            if (n->anchors[j] >= f->sp) /* together with those that no frame contains */
                while (next <= j) append_python(n, p, next++);
        quality->guessed |= f->guessed;
        if (next > before) {
            kept = n->depth;
            continue;
        }
        int64_t code = native_code(n, table, f);
        if (code < 0) {
            modules_leave();
            return OVERFLOWED;
        }
        n->codes[n->depth++] = (uint32_t)code;
    }
    modules_leave();
    bool by_anchor = next == p->segment_count;
    if (!by_anchor && end != BROKE_OFF) n->depth = kept; /* the walk went past where the Python frames belong */
    while (next < segments) append_python(n, p, next++);
    quality->incomplete = !by_anchor || end == BROKE_OFF;
    return RECORDED;
}
