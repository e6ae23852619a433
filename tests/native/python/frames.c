/* Python frames as CPython up to 3.12 leaves them in the few instructions between publishing a run of the eval loop and
 * setting its frame: until then the frame is an earlier call's, whose code may be gone.
 * Built with: python/frames.c python/code_objects.c process/memory.c stacks/stack_table.c */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "python/frames.h"

#include "check.h"

/* All the walk knows of PyCode_Type: its address. */
static const char code_type;

enum { OWNED_BY_THREAD, OWNED_BY_GENERATOR, OWNED_BY_C_STACK = 3 };
enum { WORDS = 16, FRAMES = 64 };
enum { CURRENT = 0, PREVIOUS = 1 }; /* words of a cframe */

/* Invented, except for the order of a frame's fields: 3.11's has `is_entry`, 3.12's runs begin with a shim. */
typedef struct {
    uintptr_t words[WORDS];
} block;

enum { FRAME_CODE = 0, FRAME_PREVIOUS = 8, FRAME_INSTRUCTION = 56, FRAME_ENTRY = 68, FRAME_OWNER = 69 };

static const flame_layout made_up = {
    .tstate_cframe = 0,
    .tstate_root_cframe = 16,
    .tstate_datastack_chunk = 64,
    .tstate_datastack_top = 72,
    .cframe_current_frame = 8 * CURRENT,
    .cframe_previous = 8 * PREVIOUS,
    .frame_code = FRAME_CODE,
    .frame_previous = FRAME_PREVIOUS,
    .frame_instr = FRAME_INSTRUCTION,
    .frame_owner = FRAME_OWNER,
    .code_qualname = 16,
    .code_filename = 24,
    .code_linetable = 32,
    .code_firstlineno = 40,
    .code_firsttraceable = 44,
    .code_adaptive = 192,
    .object_type = 8,
    .chunk_previous = 0,
    .chunk_size = 8,
    .bytes_size = 16,
    .bytes_data = 32,
    .str_length = 16,
    .str_state = 32,
    .str_ascii_data = 40,
    .str_compact_data = 56,
};

static struct {
    uintptr_t words[2];
    char text[128];
} name = {.text = {0}};

/* A thread whose data stack holds frames 0, 1, 2 ... in the order of their addresses. */
typedef struct {
    python_interpreter interpreter;
    stack_table table;
    python_stack stack;
    char code[2][1024];
    block tstate;
    block chunk[1 + FRAMES];
    char *gone; /* nothing is mapped there */
} thread;

static char *frame(thread *t, int i) { return (char *)t->chunk[1 + i].words; }

static void set_frame(thread *t, int i, const char *code, const void *previous, int owner) {
    char *f = frame(t, i);
    memset(f, 0, sizeof(block));
    const char *instruction = code + made_up.code_adaptive + 8;
    memcpy(f + FRAME_CODE, &code, sizeof code);
    memcpy(f + FRAME_PREVIOUS, &previous, sizeof previous);
    memcpy(f + FRAME_INSTRUCTION, &instruction, sizeof instruction);
    f[FRAME_OWNER] = (char)owner;
}

static void set_shim(char *f, const void *previous) {
    memset(f, 0, FRAME_BYTES);
    memcpy(f + FRAME_PREVIOUS, &previous, sizeof previous);
    f[FRAME_OWNER] = OWNED_BY_C_STACK;
}

static thread *new_thread(bool entries) {
    thread *t = calloc(1, sizeof *t);
    CHECK(t);
    t->interpreter.layout = made_up;
    if (entries) t->interpreter.layout.frame_is_entry = FRAME_ENTRY;
    t->interpreter.layout.tstate_cframe = 8; /* 0 means that a version has none */
    t->interpreter.layout.tstate_root_cframe = 16;
    t->interpreter.code_type = (uintptr_t)&code_type;
    CHECK(table_init(&t->table, 1024, 256, 1 << 16));
    memset(&name, 0, sizeof name);
    uint64_t length = 1;
    uint32_t state = 1 << 2 | 1 << 5 | 1 << 6; /* one byte per character, compact, ASCII */
    memcpy((char *)&name + 16, &length, sizeof length);
    memcpy((char *)&name + 32, &state, sizeof state);
    const void *type = &code_type, *text = &name;
    for (int i = 0; i < 2; i++) {
        memcpy(t->code[i] + made_up.object_type, &type, sizeof type);
        memcpy(t->code[i] + 16, &text, sizeof text);
        memcpy(t->code[i] + 24, &text, sizeof text);
    }
    t->chunk[0].words[1] = sizeof t->chunk;
    uintptr_t chunk = (uintptr_t)t->chunk;
    memcpy((char *)&t->tstate + made_up.tstate_datastack_chunk, &chunk, sizeof chunk);
    t->gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(t->gone != MAP_FAILED);
    return t;
}

static void free_thread(thread *t) {
    munmap(t->gone, 4096);
    table_free(&t->table);
    free(t);
}

/* Frames of the data stack in use; the cframe that runs. */
static void announce(thread *t, int used, const uintptr_t *cframe) {
    uintptr_t top = (uintptr_t)frame(t, used), current = (uintptr_t)cframe;
    memcpy((char *)&t->tstate + made_up.tstate_datastack_top, &top, sizeof top);
    memcpy((char *)&t->tstate + t->interpreter.layout.tstate_cframe, &current, sizeof current);
}

static uintptr_t *root_cframe(thread *t) {
    return (uintptr_t *)((char *)&t->tstate + t->interpreter.layout.tstate_root_cframe);
}

/* What 3.11 and 3.12 have on the C stack for one run of the eval loop. */
typedef struct {
    uintptr_t cframe[2];
    char shim[FRAME_BYTES];
} run;

/* The frame is the first of the run; its caller is `previous`. */
static void enter(thread *t, run *r, int i, const void *previous, const uintptr_t *below, bool entries) {
    char *f = frame(t, i);
    const void *caller = previous;
    if (entries) {
        f[FRAME_ENTRY] = 1;
    } else {
        set_shim(r->shim, previous);
        caller = r->shim;
    }
    memcpy(f + FRAME_PREVIOUS, &caller, sizeof caller);
    r->cframe[CURRENT] = (uintptr_t)f;
    r->cframe[PREVIOUS] = (uintptr_t)below;
}

static outcome walked(thread *t, uintptr_t sp) {
    python_thread at = {.state = (uintptr_t)&t->tstate, .sp = sp, .stack_end = sp};
    python_stack_clear(&t->stack);
    return walk_python(&t->interpreter, &own_memory, &at, &t->table, &t->stack);
}

/* Frames 0 and 1 are a run, 2 and 3 the newest one, called from 1. */
static void run_two(thread *t, run runs[2], bool entries) {
    for (int i = 0; i < 4; i++) set_frame(t, i, t->code[i % 2], i ? frame(t, i - 1) : NULL, OWNED_BY_THREAD);
    enter(t, &runs[1], 0, NULL, root_cframe(t), entries);
    enter(t, &runs[0], 2, frame(t, 1), runs[1].cframe, entries);
    runs[1].cframe[CURRENT] = (uintptr_t)frame(t, 1);
    runs[0].cframe[CURRENT] = (uintptr_t)frame(t, 3);
    announce(t, 4, runs[0].cframe);
}

static void a_stack_is_walked(bool entries) {
    run runs[2] = {0};
    thread *t = new_thread(entries);
    run_two(t, runs, entries);
    CHECK(walked(t, (uintptr_t)runs - sizeof(uintptr_t)) == RECORDED);
    CHECK(t->stack.depth == 4 && t->stack.segment_count == 2);
    free_thread(t);
}

static void a_thread_that_runs_no_function_has_an_empty_stack(bool entries) {
    thread *t = new_thread(entries);
    announce(t, 0, root_cframe(t));
    uintptr_t here = 0;
    CHECK(walked(t, (uintptr_t)&here) == RECORDED);
    CHECK(t->stack.depth == 0);
    free_thread(t);
}

/* The frames of the newest run are an earlier call's, above the part of the data stack that is in use; the code of its
 * callers is gone. They lead to the entry of that call: from the caller that runs again, or from another one. */
static void an_earlier_leaf_is_not_believed(bool entries, int caller) {
    run runs[2] = {0};
    thread *t = new_thread(entries);
    run_two(t, runs, entries);
    set_frame(t, 2, t->gone, frame(t, 1), OWNED_BY_THREAD);
    enter(t, &runs[0], 2, frame(t, caller), runs[1].cframe, entries);
    runs[0].cframe[CURRENT] = (uintptr_t)frame(t, 3);
    announce(t, 2, runs[0].cframe);
    CHECK(walked(t, (uintptr_t)runs - sizeof(uintptr_t)) == UNWINDABLE);
    free_thread(t);
}

/* The new call's frame lies where the earlier one's did: it runs, but its caller is not set yet. */
static void an_earlier_caller_is_not_believed(bool entries) {
    run runs[2] = {0};
    thread *t = new_thread(entries);
    run_two(t, runs, entries);
    set_frame(t, 1, t->gone, frame(t, 0), OWNED_BY_THREAD);
    set_frame(t, 2, t->gone, frame(t, 1), OWNED_BY_THREAD);
    CHECK(walked(t, (uintptr_t)runs - sizeof(uintptr_t)) == UNWINDABLE);
    free_thread(t);
}

/* 3.12: the cframe and the shim of a new run still have an earlier run's callee, caller and owner. */
static void a_shim_that_is_being_set_up_is_no_function(int owner) {
    run runs[2] = {0};
    thread *t = new_thread(false);
    run_two(t, runs, false);
    char *shim = runs[0].shim;
    const char *code = t->code[0], *instruction = code + made_up.code_adaptive;
    set_shim(shim, frame(t, 1));
    memcpy(shim + FRAME_CODE, &code, sizeof code);
    memcpy(shim + FRAME_INSTRUCTION, &instruction, sizeof instruction);
    shim[FRAME_OWNER] = (char)owner;
    runs[0].cframe[CURRENT] = (uintptr_t)shim;
    runs[0].cframe[PREVIOUS] = (uintptr_t)root_cframe(t);
    announce(t, 2, runs[0].cframe);
    CHECK(walked(t, (uintptr_t)runs - sizeof(uintptr_t)) == UNWINDABLE);
    free_thread(t);
}

/* Frames of an earlier call that call each other. */
static void a_cycle_ends_the_walk(bool entries, int length) {
    run runs[2] = {0};
    thread *t = new_thread(entries);
    run_two(t, runs, entries);
    for (int i = 4; i < 4 + length; i++)
        set_frame(t, i, t->code[0], frame(t, i + 1 < 4 + length ? i + 1 : 4), OWNED_BY_GENERATOR);
    runs[0].cframe[CURRENT] = (uintptr_t)frame(t, 4);
    announce(t, 4 + length, runs[0].cframe);
    CHECK(walked(t, (uintptr_t)runs - sizeof(uintptr_t)) == UNWINDABLE);
    CHECK(t->stack.depth == 0);
    free_thread(t);
}

/* The walk ends, whatever words are in the frames of a run that is being set up. */
static void any_words_are_walked(bool entries, uint64_t seed) {
    for (int turn = 0; turn < 20000; turn++) {
        run runs[2] = {0};
        thread *t = new_thread(entries);
        run_two(t, runs, entries);
        const void *plausible[] = {t->code[0],  t->gone,      t->gone + 2048, frame(t, 0),    frame(t, 2), frame(t, 5),
                                   frame(t, 6), runs[0].shim, runs[1].shim,   runs[0].cframe, &name,       NULL};
        enum { KINDS = sizeof plausible / sizeof *plausible };
        for (int i = 4; i < 8; i++) {
            set_frame(t, i, plausible[draw(&seed) % KINDS], plausible[draw(&seed) % KINDS], draw(&seed) % 5);
            if (entries) frame(t, i)[FRAME_ENTRY] = draw(&seed) % 2;
        }
        set_shim(runs[0].shim, plausible[draw(&seed) % KINDS]);
        runs[0].cframe[CURRENT] = (uintptr_t)frame(t, 4 + draw(&seed) % 4);
        walked(t, (uintptr_t)runs - sizeof(uintptr_t));
        CHECK(t->stack.depth <= MAX_DEPTH);
        free_thread(t);
    }
}

int main(void) {
    for (int entries = 0; entries < 2; entries++) {
        a_stack_is_walked(entries);
        a_thread_that_runs_no_function_has_an_empty_stack(entries);
        an_earlier_leaf_is_not_believed(entries, 1);
        an_earlier_leaf_is_not_believed(entries, 0);
        an_earlier_caller_is_not_believed(entries);
        for (int length = 1; length < 9; length++) a_cycle_ends_the_walk(entries, length);
        any_words_are_walked(entries, 1);
    }
    a_shim_that_is_being_set_up_is_no_function(OWNED_BY_THREAD);
    a_shim_that_is_being_set_up_is_no_function(OWNED_BY_GENERATOR);
    return 0;
}
