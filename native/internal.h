/* Shared by the sampler's C files; nothing here is seen from Python. */
#ifndef FLAME_INTERNAL_H
#define FLAME_INTERNAL_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "flame_sampler.h"
#include "native_frames.h"

enum {
    MAX_DEPTH = 4096,
    MAX_PATH = MAX_DEPTH + MAX_NATIVE_DEPTH + 1,
    MAX_STOPS = 4,
    MAX_EVENTS = 4096,
    MAX_THREADS = 4096,
    ERROR_BYTES = 512
};

typedef enum { RECORDED, UNWINDABLE, OVERFLOWED } outcome;

/* --- stack_table.c: functions and the tree of stacks, fixed size, written from the handler under the lock --- */
typedef struct {
    flame_code *codes;
    flame_node *nodes;
    flame_line *lines;
    char *text;
    uint32_t *code_slots, *node_slots, *line_slots; /* open addressing, index + 1 */
    uint32_t max_codes, max_nodes, max_lines, text_bytes;
    uint32_t code_count, node_count, line_count, text_used;
    uint32_t *path_codes, *path_nodes; /* of the last stack, root first */
    uint32_t path_root, path_depth;
} stack_table;

bool table_init(stack_table *table, uint32_t max_nodes, uint32_t max_codes, uint32_t text_bytes);
void table_free(stack_table *table);
void table_clear(stack_table *table);
/* Index of the function, or -1 when it is not in the table. */
int64_t table_find_code(const stack_table *table, const flame_code *key);
/* Adds `code`, whose text offsets are already set. -1 when full. */
int64_t table_add_code(stack_table *table, const flame_code *code);
/* Child of `parent` for `code`, made when missing. -1 when full. */
int64_t table_child(stack_table *table, uint32_t parent, uint32_t code);
/* Place of the instruction in the function, made when missing. -1 when full. */
int64_t table_line(stack_table *table, uint32_t code, uint32_t offset);
void table_count_line(stack_table *table, int64_t line, uint32_t samples, uint64_t weight_ns);
/* splitmix64's finaliser (Steele, Lea, Flood 2014). */
uint64_t mix(uint64_t x);
/* Node of a whole stack below `root`; `codes` leaf first. -1 when full. */
int64_t table_path(stack_table *table, uint32_t root, const uint32_t *codes, uint32_t depth);

/* --- pystack.c: the Python frames of the current thread --- */
enum { FRAME_BYTES = 80 }; /* the least an interpreter frame has, in every version */

/* One run of the eval loop: codes[first] up to the next segment's first, none when its only frame is still being set
 * up. `anchor` is an address inside the loop's own frame on the C stack; 0 where that is not known. */
typedef struct {
    uintptr_t anchor;
    uint32_t first;
} python_segment;

/* Leaf first. When the stack is cut, the last segment is the one that holds the stop; from 3.13 on its anchor is looked
 * for only where native frames are on. */
typedef struct {
    uint32_t depth, segment_count;
    bool cut, truncated;
    int64_t line; /* of the leaf, in the table; -1 where it is not known */
    uint32_t codes[MAX_DEPTH];
    python_segment segments[MAX_DEPTH];
} python_stack;

/* --- thread_states.c --- */
enum { MAX_STATES = 2 };
/* The calling thread's PyThreadStates that have frames, the innermost first: in a subinterpreter its own and the one
 * that called it, else one; none without Python. Async-signal-safe. */
uint32_t thread_states(const flame_sampler *s, uintptr_t sp, uintptr_t states[MAX_STATES]);

/* `sp` bounds the live C stack from below; 0 where it is not known. Async-signal-safe; the caller holds the lock. */
outcome walk_python(flame_sampler *s, uintptr_t tstate, uintptr_t sp);

/* --- merge.c: native frames between the Python ones --- */
typedef struct native_stack native_stack;

typedef struct {
    bool guessed;    /* some caller was found without unwind information */
    bool incomplete; /* native frames are missing towards the root, or could not be placed */
} native_quality;

/* `places`: frames are known by their instruction, not by their function. */
native_stack *native_stack_new(bool places);
/* The merged stack, leaf first. */
uint32_t native_stack_depth(const native_stack *stack);
const uint32_t *native_stack_codes(const native_stack *stack);
/* Merges what walk_python() found with the native frames of the interrupted thread; the caller holds the lock. */
outcome merge_native(flame_sampler *s, const void *context, native_quality *quality);

/* --- kernel_frames.c: what ticks interrupted inside the kernel; everything below `take` under the lock --- */
typedef struct kernel_frames kernel_frames;

kernel_frames *kernel_frames_new(void);
void kernel_frames_free(kernel_frames *kernel);
/* Reads which CPUs there are; then each gets an event of every thread, attached to the CPU's ring. */
int kernel_frames_open(flame_sampler *s);
uint32_t kernel_frames_cpus(const flame_sampler *s);
int kernel_frames_cpu(const flame_sampler *s, uint32_t index);
int kernel_frames_attach(flame_sampler *s, uint32_t index, int fd);
void kernel_frames_close(flame_sampler *s);
/* Counts the calling thread's ticks below `onto`, the node of its Python frames, or as what `found` says of those. */
void kernel_frames_take(flame_sampler *s, outcome found, uint32_t onto);
/* The calling thread's ticks so far go to its next sample, without kernel frames: it was not interrupted there. */
void kernel_frames_leave_out(flame_sampler *s);
/* What no thread came back for is counted without a caller. */
void kernel_frames_settle(flame_sampler *s);
void kernel_frames_forget(flame_sampler *s);

/* --- the sampler --- */
typedef struct {
    pid_t tid;                    /* 0: free */
    atomic_bool pending;          /* a signal is on its way */
    atomic_uint_fast64_t owed_ns; /* CPU no sample stands for yet */
    uint64_t last_cpu_ns;         /* under threads_lock */
    uint64_t born_ns;             /* likewise; 0: before it was noticed */
    atomic_uint rest;             /* ticks to leave out, see record_paced() */
    uint64_t slow_ns;             /* only the thread itself, in its handler; see record_paced() */
} thread_slot;

/* What the helper's signals carry: generation, mark, slot. */
enum { TICKET_MARK = 0x71a30000, TICKET_MARK_BITS = 0x7fff0000, TICKET_SLOT_BITS = 0xffff };

/* A program may close every descriptor it finds and get the same numbers for files of its own: before anything is done
 * with one, it has to be the event it was, by the kernel's own number for that. */
typedef struct {
    int fd;
    uint64_t id;
} perf_descriptor;

struct flame_sampler {
    flame_layout layout;
    stack_table table;
    python_stack *stack;
    native_stack *native; /* NULL: Python frames only */
    thread_slot *threads; /* timer rung only */
    atomic_flag lock;
    atomic_bool enabled;
    _Atomic uint32_t generation;
    _Atomic uint32_t region;
    uint64_t sig_data;
    atomic_uint_fast64_t taken, unwindable, lost, overflowed, late, truncated, weight_ns, guessed, incomplete;
    uintptr_t stops[MAX_STOPS];
    uint32_t stop_count;
    bool careful; /* nothing is read that could crash, whatever the layout says: the self-check */
    uintptr_t main_stack_end;

    int rung, event, signal_number, kernel_part, precise_level;
    bool started;
    uint64_t period;
    kernel_frames *kernel;

    perf_descriptor *events;
    uint32_t event_count, events_lost; /* the latter: descriptors that the program closed */

    pthread_t helper;
    bool helper_running;
    atomic_bool helper_stop;
    _Atomic pid_t helper_tid;
    pthread_mutex_t threads_lock; /* never taken in the handler */
    _Atomic uint32_t thread_count;
    uint64_t random_state, last_look_ns;
    double used_ns, sure_ns, unsure_ns; /* CPU used; weights of threads that had a CPU, and of those that may have */
    uint64_t young_seed;
    atomic_uint_fast64_t helper_cpu_ns;

    char error[ERROR_BYTES];
};

int fail(flame_sampler *s, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Takes one sample of the calling thread, interrupted at `context`; `weight_ns` is what it stands for. */
void record_sample(flame_sampler *s, const void *context, uint64_t weight_ns);
uint64_t clock_ns(clockid_t clock);
/* As record_sample(), and says how many ticks to leave out after it: walking a very deep stack can outlast a period,
 * and a program that is interrupted again at once would never get on; the next sample stands for them. The wall clock
 * costs little to read but includes what other programs took: when by it a sample was too long, `slow_ns` remembers,
 * and the next ones are timed on the CPU clock. Of two of those the shorter counts: where a machine stands still for a
 * moment, its clock runs on. */
unsigned record_paced(flame_sampler *s, const void *context, uint64_t weight_ns, uint64_t wall_ns, uint64_t *slow_ns);
/* Calls `visit` for each thread of the process; stops at its first non-zero result and returns it; -errno. */
int each_thread(int (*visit)(flame_sampler *s, pid_t tid), flame_sampler *s);
/* Who traces this process (a debugger, strace); 0 for nobody. */
pid_t tracer_pid(void);

int perf_open_all(flame_sampler *s);
int perf_set_enabled(flame_sampler *s, bool enabled);
void perf_close_all(flame_sampler *s);
/* An event of the calling thread alone, still disabled. 0 or -errno. */
int perf_open_own(const flame_sampler *s, uint64_t period, uint64_t sig_data, perf_descriptor *opened);
/* Of the event behind a descriptor; 0 where there is none. Async-signal-safe. */
uint64_t perf_event_id(int fd);

/* --- young_threads.c --- */
/* The upper halves of our events' sig_data; below it is the generation. */
static const uint64_t PERF_MARK = 0x666c616d, YOUNG_MARK = 0x666c7967;
/* Gives the calling thread ticks from its beginning on. 0 or -errno. */
int young_adopt(flame_sampler *s);
/* In the handler: whether a tick of the thread's own event, or of the inherited one, is to be counted. */
bool young_tick_counts(const flame_sampler *s, bool own);
void young_close_all(void);
/* Records of ticks, and how many there were, are read from rings; without, the handler reckons. */
static inline bool perf_has_rings(const flame_sampler *s) {
    return s->rung == FLAME_PERF && s->kernel_part == FLAME_KERNEL_FRAMES && s->event_count > 0;
}

int timer_start(flame_sampler *s, uint64_t seed);
int timer_resume(flame_sampler *s);
/* The calling thread has just begun: the helper shall not have to find it. */
int timer_adopt(flame_sampler *s);
void timer_pause(flame_sampler *s);
/* The handler's part. */
void timer_tick(flame_sampler *s, uint32_t slot, const void *context);
void timer_join(flame_sampler *s);

#endif
