/* The sampler's whole interface: included by the C sources and read by cffi as its declarations, so that there is one
 * copy. It may have no other preprocessor line than this one; <stdint.h> must be included first. Functions that can
 * fail return 0 or -errno and leave a message in flame_error(). */
#pragma once

/* Where a CPython minor version keeps what the walk reads: byte offsets into the named structure, 0 if the version has
 * no such field. Up to 3.12 C structures, `cframe`, chain the runs of the eval loop; from 3.12 on each run begins with
 * a frame of the loop itself, the shim. */
typedef struct {
    uint32_t version; /* 0x030b for 3.11 */
    uint32_t tstate_cframe, tstate_root_cframe, tstate_current_frame, tstate_base_frame;
    uint32_t tstate_datastack_chunk, tstate_datastack_top;
    uint32_t cframe_current_frame, cframe_previous;
    uint32_t frame_code, frame_previous, frame_instr, frame_is_entry, frame_owner;
    uint32_t code_qualname, code_filename, code_linetable, code_firstlineno, code_adaptive, code_firsttraceable;
    uint32_t chunk_previous, chunk_size;
    uint32_t object_type;
    uint32_t bytes_size, bytes_data;
    uint32_t str_length, str_state, str_ascii_data, str_compact_data;
    uint32_t fault; /* 0; 1 makes the walk name each leaf's caller wrongly, to show that the comparison with the true
                       stacks notices */
} flame_layout;

/* One function as seen in the handler. Python: text is raw unicode storage, of kind 1, 2 or 4 bytes per character.
 * Native: `address` is its first byte (without unwind information, rounded down to 16 bytes), `qualname_object` is its
 * index for flame_module_at() + 1, or 0 for code in no module; `filename_object` is 1 if its caller had to be guessed.
 * Kernel: only `address`, of its first byte. */
typedef struct {
    uint64_t address, qualname_object, filename_object, linetable_object;
    uint32_t qualname, qualname_bytes, filename, filename_bytes; /* offsets into flame_text() */
    uint32_t linetable, linetable_bytes; /* copied with its first line; empty if there was no room */
    int32_t firstlineno;
    uint8_t qualname_kind, filename_kind, kind, reserved1;
} flame_code;

/* One node of the stack tree: a function below its caller. Costs are the node's own (self). */
typedef struct {
    uint32_t parent, code;
    uint64_t weight_ns;
    uint32_t count, reserved;
} flame_node;

/* A place in a function that samples found as the innermost Python function: the instruction's offset from the
 * function's first one, in bytes. */
typedef struct {
    uint32_t code, offset;
    uint64_t weight_ns;
    uint32_t count, reserved;
} flame_line;

typedef struct {
    uint64_t taken, unwindable, lost, overflowed, late, truncated;
    uint64_t weight_ns; /* of all taken samples */
    /* Of the taken samples with native frames: those with a guessed caller; those whose native frames end before the
     * root or the stop. */
    uint64_t guessed, incomplete;
} flame_counts;

/* A library or program that is or was loaded. Its code lies in [start, end); `bias` is what is added to its file's
 * addresses. */
typedef struct {
    const char *path;
    uint64_t bias, start, end;
    uint32_t loaded, functions, rejected; /* in its unwind table; of those, left out as unreadable */
} flame_module;

typedef struct flame_sampler flame_sampler;

enum { FLAME_PERF = 1, FLAME_TIMER = 2 };
enum { FLAME_TASK_CLOCK = 1, FLAME_CYCLES = 2, FLAME_INSTRUCTIONS = 3 };
/* How much of the kernel is sampled: nothing; its time, charged to the system call's caller; also its frames. */
enum { FLAME_KERNEL_OFF = 0, FLAME_KERNEL_TIME = 1, FLAME_KERNEL_FRAMES = 2 };
/* What a flame_code is. */
enum { FLAME_KIND_PYTHON = 0, FLAME_KIND_NATIVE = 1, FLAME_KIND_KERNEL = 2 };

/* Nodes 0 and 1 are the two roots: stacks cut at a stop code, and stacks that contain none. */
enum { FLAME_ROOT_CUT = 0, FLAME_ROOT_UNCUT = 1 };
/* Codes 0 to 2 represent threads without Python, stacks deeper than the walk records, and the kernel time of threads
 * that never returned from the kernel. */
enum { FLAME_CODE_NATIVE_THREAD = 0, FLAME_CODE_TRUNCATED = 1, FLAME_CODE_IN_KERNEL = 2 };

/* The layout of an interpreter of this version (PY_VERSION_HEX), 0 for the running one. `table` is the interpreter's
 * own table of offsets, which from 3.13 on is at its `_PyRuntime`; NULL if it has none, and for the running one's.
 * -ENOTSUP: there is none that can be trusted; `error` then holds a message. */
int flame_read_layout(uint32_t version, const uint64_t *table, flame_layout *layout, char *error, uint32_t error_bytes);

/* NULL if there is no memory, or safe reads of the process's own memory are refused; `error` then holds a message. */
flame_sampler *flame_new(const flame_layout *layout, uint32_t max_nodes, uint32_t max_codes, uint32_t text_bytes,
                         char *error, uint32_t error_bytes);
void flame_free(flame_sampler *sampler);
const char *flame_error(const flame_sampler *sampler);

/* Stacks end below the first frame that runs one of these code objects (at most 4). */
int flame_set_stops(flame_sampler *sampler, const uintptr_t *codes, uint32_t count);

/* Native frames in addition to Python's: none, one for each function, or one for each place in a function, where other
 * functions may have been inlined (many more; only on request). */
enum { FLAME_NATIVE_OFF = 0, FLAME_NATIVE_FUNCTIONS = 1, FLAME_NATIVE_PLACES = 2 };
/* `detail` is FLAME_NATIVE_…, effective from the next flame_start(). -ENOTSUP except on x86-64, -ENOMEM. */
int flame_set_native(flame_sampler *sampler, int detail);
/* The modules loaded so far; the list grows while a sampler with native frames is started. */
uint32_t flame_module_count(void);
flame_module flame_module_at(uint32_t index);

/* The addresses at which the kernel's functions start, ascending (/proc/kallsyms): they identify kernel frames. Without
 * them, the whole kernel is one function that starts at 0. */
int flame_set_kernel_functions(flame_sampler *sampler, const uint64_t *starts, uint32_t count);

/* Opens events for all threads of the process, present and future; nothing is sampled before flame_resume(). `period`
 * is in the event's unit: nanoseconds, cycles or instructions. `kernel` is FLAME_KERNEL_…. `seed` decides how much of
 * the first period is left when the call returns (the call itself spends the rest as CPU time) and the timer's random
 * gaps; 0: the whole period. Only one sampler per process can be started; in a forked child it is stopped. */
int flame_start(flame_sampler *sampler, int rung, int event, int kernel, uint64_t period, uint64_t seed);
/* The precision of a started hardware event: perf_event_attr.precise_ip. */
int flame_precise_level(const flame_sampler *sampler);
int flame_resume(flame_sampler *sampler);
int flame_pause(flame_sampler *sampler);
/* Called by a thread at its start. On the perf rung the thread gets ticks with a random phase from its beginning,
 * whereas an inherited event first ticks after a whole period; this takes a descriptor during the thread's first
 * periods. On the timer rung the helper knows the thread immediately. 0, or -errno: the thread is then sampled like any
 * other. */
int flame_adopt_thread(void);
/* Ends sampling and joins the threads it started. Also reports a handler that was replaced. */
int flame_stop(flame_sampler *sampler);

/* What the program does with a signal that the sampler handles: the disposition stays the sampler's, and signals that
 * are not ticks are treated as the program has set. `number` is SIGTRAP or the timer rung's signal. flame_handles(): 1
 * if the disposition is the sampler's. flame_pass_on(): other signals of that number get the default action, or none if
 * `ignored`. flame_take_back(): called after the program has installed its own handler; other signals go to it. Between
 * flame_hold(1) and flame_hold(0) no tick is sent. */
int flame_handles(int number);
int flame_pass_on(int number, int ignored);
int flame_take_back(int number);
int flame_hold(int hold);
/* The timer rung's signal. */
int flame_timer_signal(void);

/* Records the calling thread's stack once, without a signal: the start-up self-check. 0, or -EFAULT. */
int flame_sample_here(flame_sampler *sampler);

/* CPU time of the sampler's own helper thread since flame_new(), nanoseconds. */
uint64_t flame_helper_cpu_ns(flame_sampler *sampler);

/* Results; stable while no sampler is started. flame_clear() drops samples but keeps functions. */
void flame_clear(flame_sampler *sampler);
flame_counts flame_get_counts(const flame_sampler *sampler);
uint32_t flame_node_count(const flame_sampler *sampler);
const flame_node *flame_nodes(const flame_sampler *sampler);
uint32_t flame_code_count(const flame_sampler *sampler);
const flame_code *flame_codes(const flame_sampler *sampler);
const char *flame_text(const flame_sampler *sampler);
uint32_t flame_line_count(const flame_sampler *sampler);
const flame_line *flame_lines(const flame_sampler *sampler);
