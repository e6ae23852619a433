/* Memory is read through a reader: this process's, or another's. */
#ifndef FLAME_MEMORY_H
#define FLAME_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    /* Copies `bytes` bytes from `address`; false if not all of them can be read. Async-signal-safe. */
    bool (*read)(const void *context, uintptr_t address, void *into, size_t bytes);
    const void *context;
    /* The memory is the caller's own, and what is known to be mapped may be read in place. */
    bool in_place;
} memory_reader;

static inline bool read_memory(const memory_reader *memory, uintptr_t address, void *into, size_t bytes) {
    return memory->read(memory->context, address, into, bytes);
}

/* This process's. Copied: nothing is read in place, so a wrong address cannot crash. */
extern const memory_reader own_memory, own_memory_copied;

#endif
