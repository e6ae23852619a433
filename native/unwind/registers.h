/* Registers of an x86-64 thread. */
#ifndef FLAME_REGISTERS_H
#define FLAME_REGISTERS_H

#include <stdint.h>

/* DWARF's numbers (System V ABI, figure 3.36); PC represents the return address. */
enum { BX = 3, FP = 6, SP = 7, R12 = 12, R15 = 15, PC = 16, REGISTERS = 17 };

typedef struct {
    uintptr_t value[REGISTERS];
    uint32_t known; /* bit per register */
} registers;

#endif
