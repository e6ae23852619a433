#ifndef FLAME_DWARF_EXPRESSION_H
#define FLAME_DWARF_EXPRESSION_H

#include "unwind/registers.h"
#include "unwind/stack_view.h"

/* Evaluates a DWARF expression (DWARF 5, 2.5) over registers and memory. `pushed`, if not NULL, is on its stack at
 * first. False if something is not known, mapped or supported. Async-signal-safe. */
bool evaluate(const uint8_t *expression, size_t bytes, const registers *r, stack_view *view, const uintptr_t *pushed,
              uintptr_t *result);

#endif
