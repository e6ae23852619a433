#include <Python.h>

#include "python/layouts.h"
#include "python/running.h"

extern const uint64_t interpreter_runtime[] __asm__("_PyRuntime") __attribute__((weak));

uintptr_t running_code_type(void) { return (uintptr_t)&PyCode_Type; }

int flame_read_layout(uint32_t version, const uint64_t *table, flame_layout *layout, char *error,
                      uint32_t error_bytes) {
    if (version) return read_layout(version, table, layout, error, error_bytes);
    return read_layout((uint32_t)Py_Version, table ? table : interpreter_runtime, layout, error, error_bytes);
}
