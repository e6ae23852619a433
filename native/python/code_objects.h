/* What a sample needs from code objects, copied when first seen: they may be gone when the samples are read. */
#ifndef FLAME_CODE_OBJECTS_H
#define FLAME_CODE_OBJECTS_H

#include "process/memory.h"
#include "python/layouts.h"
#include "stacks/stack_table.h"

/* Adds a function that is not in the table. `key` has everything except the names, which are read. */
outcome add_code_object(const flame_layout *layout, const memory_reader *memory, stack_table *table, flame_code *key,
                        uint32_t *index);
/* Index of the line for an instruction of the function; -1 if there is no room or the line table cannot be read. */
int64_t find_line(const flame_layout *layout, const memory_reader *memory, stack_table *table, uint32_t index,
                  uintptr_t instruction);

#endif
