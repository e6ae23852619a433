/* Where the running CPython keeps what the walker reads.
 *
 * From 3.13 on the interpreter says so itself: `_PyRuntime` begins with a table of offsets, `_Py_DebugOffsets`
 * (Include/internal/pycore_debug_offsets.h), whose own layout differs per minor version. What the table leaves out, and
 * all of 3.11 and 3.12, comes from the public headers; frames before 3.13 are internal: their rows are facts of
 * Include/internal/pycore_frame.h. What two of the three tell must agree, and the start-up self-check has the last
 * word. */
#define _GNU_SOURCE
#include <Python.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static int refuse(char *error, uint32_t error_bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int refuse(char *error, uint32_t error_bytes, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, error_bytes, format, arguments);
    va_end(arguments);
    return -ENOTSUP;
}

static flame_layout public_layout(void) {
    return (flame_layout){
        .version = PY_VERSION_HEX >> 16,
        .tstate_datastack_chunk = offsetof(PyThreadState, datastack_chunk),
        .tstate_datastack_top = offsetof(PyThreadState, datastack_top),
        .code_qualname = offsetof(PyCodeObject, co_qualname),
        .code_filename = offsetof(PyCodeObject, co_filename),
        .code_linetable = offsetof(PyCodeObject, co_linetable),
        .code_firstlineno = offsetof(PyCodeObject, co_firstlineno),
        .code_adaptive = offsetof(PyCodeObject, co_code_adaptive),
        .code_firsttraceable = offsetof(PyCodeObject, _co_firsttraceable),
        .chunk_previous = offsetof(_PyStackChunk, previous),
        .chunk_size = offsetof(_PyStackChunk, size),
        .bytes_size = offsetof(PyVarObject, ob_size),
        .bytes_data = offsetof(PyBytesObject, ob_sval),
        .str_length = offsetof(PyASCIIObject, length),
        .str_state = offsetof(PyASCIIObject, state),
        .str_ascii_data = sizeof(PyASCIIObject),
        .str_compact_data = sizeof(PyCompactUnicodeObject),
    };
}

#if PY_VERSION_HEX < 0x030d0000

int flame_read_layout(const uint64_t *table, flame_layout *layout, char *error, uint32_t error_bytes) {
    (void)table;
    if (Py_Version >> 16 != PY_VERSION_HEX >> 16)
        return refuse(error, error_bytes, "the sampler was built for another CPython");
    flame_layout l = public_layout();
    l.tstate_cframe = offsetof(PyThreadState, cframe);
    l.tstate_root_cframe = offsetof(PyThreadState, root_cframe);
    l.cframe_current_frame = offsetof(_PyCFrame, current_frame);
    l.cframe_previous = offsetof(_PyCFrame, previous);
    l.frame_instr = 56;
#if PY_VERSION_HEX < 0x030c0000
    l.frame_code = 32;
    l.frame_previous = 48;
    l.frame_is_entry = 68;
    l.frame_owner = 69;
#else
    l.frame_code = 0;
    l.frame_previous = 8;
    l.frame_owner = 70;
#endif
    *layout = l;
    return 0;
}

#else

/* Which 8-byte word of the table holds what; 0: the table does not tell. */
typedef struct {
    uint32_t version;
    uint32_t tstate_current_frame, tstate_base_frame, tstate_datastack_chunk;
    uint32_t frame_previous, frame_executable, frame_instr, frame_owner;
    uint32_t code_filename, code_qualname, code_linetable, code_firstlineno, code_adaptive;
    uint32_t object_type, str_state, str_length, str_ascii_size, str_compact_size;
} table_words;

static const table_words tables[] = {
    {
        .version = 0x030d,
        .tstate_current_frame = 23,
        .tstate_datastack_chunk = 26,
        .frame_previous = 29,
        .frame_executable = 30,
        .frame_instr = 31,
        .frame_owner = 33,
        .code_filename = 35,
        .code_qualname = 37,
        .code_linetable = 38,
        .code_firstlineno = 39,
        .code_adaptive = 43,
        .object_type = 45,
        .str_state = 68,
        .str_length = 69,
        .str_ascii_size = 70,
    },
    {
        .version = 0x030e,
        .tstate_current_frame = 26,
        .tstate_datastack_chunk = 29,
        .frame_previous = 32,
        .frame_executable = 33,
        .frame_instr = 34,
        .frame_owner = 36,
        .code_filename = 40,
        .code_qualname = 42,
        .code_linetable = 43,
        .code_firstlineno = 44,
        .code_adaptive = 48,
        .object_type = 51,
        .str_state = 78,
        .str_length = 79,
        .str_ascii_size = 80,
    },
    {
        .version = 0x030f,
        .tstate_current_frame = 26,
        .tstate_base_frame = 27,
        .tstate_datastack_chunk = 32,
        .frame_previous = 40,
        .frame_executable = 41,
        .frame_instr = 42,
        .frame_owner = 44,
        .code_filename = 48,
        .code_qualname = 50,
        .code_linetable = 51,
        .code_firstlineno = 52,
        .code_adaptive = 56,
        .object_type = 59,
        .str_state = 90,
        .str_length = 91,
        .str_ascii_size = 92,
        .str_compact_size = 93,
    },
};

extern const uint64_t interpreter_runtime[] __asm__("_PyRuntime") __attribute__((weak));
enum { COOKIE_WORD = 0, VERSION_WORD = 1, FREE_THREADED_WORD = 2, TSTATE_BYTES = 4096 };

int flame_read_layout(const uint64_t *table, flame_layout *layout, char *error, uint32_t error_bytes) {
    if (!table) table = interpreter_runtime;
    if (!table || memcmp(&table[COOKIE_WORD], "xdebugpy", 8) != 0)
        return refuse(error, error_bytes, "the interpreter has no table of debugging offsets");
    if (table[FREE_THREADED_WORD])
        return refuse(error, error_bytes,
                      "the interpreter is free-threaded: other threads could free what a sample is reading");
    uint64_t version = table[VERSION_WORD] >> 16;
    const table_words *at = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (tables[i].version == version) at = &tables[i];
    if (!at) return refuse(error, error_bytes, "no decoder for this version's table of debugging offsets");
    flame_layout l = public_layout();
    if (version != l.version || Py_Version >> 16 != version)
        return refuse(error, error_bytes, "the sampler was built for another CPython");

    const struct {
        uint32_t word;
        uint64_t offset;
    } known[] = {
        {at->tstate_datastack_chunk, l.tstate_datastack_chunk},
        {at->code_filename, l.code_filename},
        {at->code_qualname, l.code_qualname},
        {at->code_linetable, l.code_linetable},
        {at->code_firstlineno, l.code_firstlineno},
        {at->code_adaptive, l.code_adaptive},
        {at->object_type, offsetof(PyObject, ob_type)},
        {at->str_state, l.str_state},
        {at->str_length, l.str_length},
        {at->str_ascii_size, l.str_ascii_data},
        {at->str_compact_size, l.str_compact_data},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].word && table[known[i].word] != known[i].offset)
            return refuse(error, error_bytes, "the interpreter and the headers the sampler was built with disagree");

    const struct {
        uint32_t word, limit, *offset;
    } told[] = {
        {at->tstate_current_frame, TSTATE_BYTES, &l.tstate_current_frame},
        {at->tstate_base_frame, TSTATE_BYTES, &l.tstate_base_frame},
        {at->frame_previous, FRAME_BYTES - sizeof(void *), &l.frame_previous},
        {at->frame_executable, FRAME_BYTES - sizeof(void *), &l.frame_code},
        {at->frame_instr, FRAME_BYTES - sizeof(void *), &l.frame_instr},
        {at->frame_owner, FRAME_BYTES - 1, &l.frame_owner},
    };
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        if (!told[i].word) continue;
        uint64_t offset = table[told[i].word];
        if (offset > told[i].limit)
            return refuse(error, error_bytes, "the interpreter's table of debugging offsets cannot be right: %llu",
                          (unsigned long long)offset);
        *told[i].offset = (uint32_t)offset;
    }
    *layout = l;
    return 0;
}

#endif
