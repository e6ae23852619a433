/* Native frames, without anything of Python: unwind tables of the loaded modules and the walk along them. x86-64. */
#ifndef FLAME_NATIVE_FRAMES_H
#define FLAME_NATIVE_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* DWARF's numbers of the x86-64 registers (System V ABI, figure 3.36); PC stands for the return address. */
enum { BX = 3, FP = 6, SP = 7, R12 = 12, R15 = 15, PC = 16, REGISTERS = 17 };

typedef struct {
    uintptr_t value[REGISTERS];
    uint32_t known; /* bit per register */
} registers;

/* --- memory.c: the stack of the calling thread, never beyond what is mapped --- */
bool safe_read(void *into, uintptr_t from, size_t bytes);

typedef struct {
    uintptr_t low, high; /* known to be readable */
    unsigned slow_reads;
} stack_view;

/* Async-signal-safe. `sp` is where the thread's live stack begins. */
stack_view stack_view_from(uintptr_t sp);
/* Inside the view a plain read, elsewhere a system call; false where nothing is mapped or after too many of those. */
bool read_stack(stack_view *view, uintptr_t address, uintptr_t *value);

/* --- process.c --- */
/* The calling thread, one of ours, shares no descriptors with the program's any more, and has none to begin with:
 * system calls on descriptors are more expensive while threads share them (fdget in fs/file.c counts references then),
 * and what is measured shall not pay for us. Where it fails it only costs. */
void own_descriptors(void);

/* --- dwarf_expression.c --- */
/* Evaluates a DWARF expression (DWARF 5, 2.5) over registers and memory. `pushed`, where not NULL, lies on its stack at
 * first. False for what is not known, mapped or supported. */
bool evaluate(const uint8_t *expression, size_t bytes, const registers *r, stack_view *view, const uintptr_t *pushed,
              uintptr_t *result);

/* --- eh_frame.c: call frame information compiled into rows that are quick to follow --- */
typedef enum {
    UNCHANGED,     /* the caller's value is still in the register */
    UNDEFINED,     /* it has none; for PC: the outermost frame */
    SAVED_AT,      /* in memory at CFA + offset */
    IS_CFA_PLUS,   /* CFA + offset */
    IN_REGISTER,   /* another register + offset (for the CFA: this is what it is) */
    SAVED_AT_EXPR, /* in memory where the expression points */
    IS_EXPR        /* the expression's value */
} recovery;

typedef struct {
    uint8_t how, in;
    uint16_t expression_bytes;
    int32_t offset; /* from the CFA or the register; of the expression in the table's pool */
} register_rule;

/* One of the few rows that do not fit into 32 bits. */
typedef struct {
    register_rule cfa, of[REGISTERS];
    bool signal; /* interrupted, not calling: the pc is the next instruction, not the one after a call */
} full_rule;

/* Rows are valid from `start` to the next one's. A rule is: 2 bits `row_kind`; 1 bit, whether a function begins
 * here; 5 bits, where the caller's frame pointer is saved (0: still in its register; n: at CFA - 8n); 24 bits signed,
 * CFA = register + these, or which full rule. The return address is at CFA - 8. */
typedef struct {
    uint32_t start, rule; /* bytes from the table's base */
} unwind_row;

typedef enum { ROW_NONE, ROW_FROM_SP, ROW_FROM_FP, ROW_FULL } row_kind;
enum { BUCKET_SHIFT = 8, BUCKET = 1 << BUCKET_SHIFT };
enum { ROW_KIND_BITS = 3, ROW_BEGINS = 4, ROW_FP_SHIFT = 3, ROW_FP_BITS = 31, ROW_OFFSET_SHIFT = 8 };

typedef struct {
    uintptr_t base, end; /* addresses: rows cover [base, end) */
    unwind_row *rows;
    uint32_t *buckets; /* of each BUCKET bytes: the row that covers the first; one more at the end */
    full_rule *full;
    uint8_t *expressions;
    uint32_t row_count, full_count, expression_bytes;
    uint32_t functions, rejected; /* described by the section; of those, left out because they could not be read */
} unwind_table;

/* Reads `.eh_frame` at [section, limit) for code in [base, end). 0 or -ENOMEM; a damaged section gives the rows before
 * the damage. */
int compile_eh_frame(unwind_table *table, const uint8_t *section, const uint8_t *limit, uintptr_t base, uintptr_t end);
void free_unwind_table(unwind_table *table);
/* The row that covers the address, NULL for none. */
const unwind_row *find_row(const unwind_table *table, uintptr_t address);
/* First address of the function (the stretch of one FDE, or of code without any) that `row` belongs to. */
uintptr_t function_start(const unwind_table *table, const unwind_row *row);

/* --- modules.c: what is loaded into the process --- */
typedef struct {
    uintptr_t start, end;
    const unwind_table *table;
    uint32_t module; /* index for module_at() */
} text_range;

typedef struct {
    uint32_t generation, range_count;
    text_range ranges[]; /* ascending */
} module_map;

/* Compiles what was loaded since the last call and forgets what was unloaded. Not async-signal-safe. 0 or -errno. */
int modules_refresh(void);
/* Between these two the map stays; async-signal-safe. NULL before the first refresh. */
const module_map *modules_enter(void);
void modules_leave(void);
const text_range *find_range(const module_map *map, uintptr_t address);

/* Keeps the tables up to date while sampling: a thread that waits for modules_wanted(). */
int modules_watch(void);
void modules_unwatch(void);
/* Its thread number, also for a while after its end; 0 for none. Its CPU time so far, nanoseconds. */
pid_t modules_watcher(void);
uint64_t modules_watcher_cpu_ns(void);
/* In a forked child it does not exist. */
void modules_forget_watcher(void);
/* A pc in no known module was met. Async-signal-safe. */
void modules_wanted(void);

/* --- unwind.c: the walk --- */
typedef struct {
    uintptr_t pc, sp, cfa; /* the frame is [sp, cfa); pc: the next instruction to run in it */
    bool interrupted;      /* pc was not called from: it is the leaf's or a signal's */
    bool guessed;          /* its caller was found without unwind information */
} native_frame;

typedef enum {
    REACHED_ROOT,   /* the outermost frame of the thread */
    REACHED_ANCHOR, /* the frame that holds the last anchor: enough was asked for */
    BROKE_OFF,      /* no way further, or deeper than MAX_NATIVE_DEPTH */
} walk_end;

enum { MAX_NATIVE_DEPTH = 8192, KNOWN_PCS = 2048 };

/* What a pc means, kept from sample to sample: all that a walk needs of it lies in one cache line. */
enum { NO_CALL = 1, A_CALL = 2 };
typedef struct {
    uintptr_t pc;
    const text_range *range; /* NULL: in no module, the rule is ROW_NONE */
    uint32_t rule, row;      /* the row's and its index */
    uint32_t code;           /* the caller's use; 0 at first */
    uint32_t after_call;     /* of the byte before a possible return address: a call ends here; 0: not looked yet */
} known_pc;

typedef struct {
    known_pc known[KNOWN_PCS];
    const module_map *map;
    uint32_t generation; /* of the map that `known` was filled from */
    uint32_t depth;
    native_frame frames[MAX_NATIVE_DEPTH]; /* leaf first */
} unwinder;

/* The registers of the interrupted instruction. */
registers registers_of(const void *context);
/* `anchors` (ascending) are addresses of which it is known that a frame holds them: they confirm guesses. With
 * `to_anchor` the walk ends at the frame that holds the last. Between modules_enter() and modules_leave(). */
walk_end walk_native(unwinder *u, const module_map *map, const registers *from, const uintptr_t *anchors,
                     uint32_t anchor_count, bool to_anchor);
/* `pc` of a frame that called is the return address: what it means is asked of the byte before. */
known_pc *look_up(unwinder *u, uintptr_t pc);

#endif
