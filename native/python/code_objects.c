#include <string.h>

#include "python/code_objects.h"

enum { MAX_NAME_BYTES = 4096, STRING_BYTES = 80 };

static bool copy_text(const flame_layout *l, const memory_reader *memory, stack_table *t, uintptr_t object,
                      uint32_t *offset, uint32_t *bytes, uint8_t *kind) {
    char head[STRING_BYTES];
    if (!read_memory(memory, object, head, l->str_compact_data)) return false;
    uint32_t state;
    uint64_t length;
    memcpy(&state, head + l->str_state, sizeof state);
    memcpy(&length, head + l->str_length, sizeof length);
    uint32_t width = state >> 2 & 7, compact = state >> 5 & 1, ascii = state >> 6 & 1;
    if (!compact || (width != 1 && width != 2 && width != 4)) return false;
    uint64_t size = length * width;
    if (size > MAX_NAME_BYTES) size = MAX_NAME_BYTES / width * width;
    if (size > t->text_bytes - t->text_used) return false;
    uintptr_t data = object + (ascii ? l->str_ascii_data : l->str_compact_data);
    if (!read_memory(memory, data, t->text + t->text_used, size)) return false;
    *offset = t->text_used;
    *bytes = (uint32_t)size;
    *kind = (uint8_t)width;
    t->text_used += (uint32_t)size;
    return true;
}

outcome add_code_object(const flame_layout *l, const memory_reader *memory, stack_table *t, flame_code *key,
                        uint32_t *index) {
    uint32_t rollback = t->text_used;
    if (t->code_count == t->max_codes || t->text_bytes - rollback < 2 * MAX_NAME_BYTES) return OVERFLOWED;
    if (!copy_text(l, memory, t, key->qualname_object, &key->qualname, &key->qualname_bytes, &key->qualname_kind) ||
        !copy_text(l, memory, t, key->filename_object, &key->filename, &key->filename_bytes, &key->filename_kind)) {
        t->text_used = rollback;
        return UNWINDABLE;
    }
    int64_t added = table_add_code(t, key);
    if (added < 0) return OVERFLOWED;
    *index = (uint32_t)added;
    return RECORDED;
}

/* The line table is copied with a function's first line, while it exists; names have priority if room is short. */
int64_t find_line(const flame_layout *l, const memory_reader *memory, stack_table *t, uint32_t index,
                  uintptr_t instruction) {
    flame_code *code = &t->codes[index];
    if (!code->linetable_bytes) {
        uint64_t size;
        if (!read_memory(memory, code->linetable_object + l->bytes_size, &size, sizeof size)) return -1;
        if (!size || size > t->text_bytes / 2 || t->text_used > t->text_bytes / 2 - size) return -1;
        if (!read_memory(memory, code->linetable_object + l->bytes_data, t->text + t->text_used, size)) return -1;
        code->linetable = t->text_used;
        code->linetable_bytes = (uint32_t)size;
        t->text_used += (uint32_t)size;
    }
    uintptr_t offset = instruction - (code->address + l->code_adaptive);
    return offset < UINT32_MAX ? table_line(t, index, (uint32_t)offset) : -1;
}
