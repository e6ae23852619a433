/* The row of the version whose headers this is compiled with, compared with those headers, including the internal ones.
 * Built with: python/layouts.c */
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>

#include <internal/pycore_frame.h>
#if PY_VERSION_HEX >= 0x030e0000
#include <internal/pycore_debug_offsets.h>
#include <internal/pycore_interpframe_structs.h>
#elif PY_VERSION_HEX >= 0x030d0000
#include <internal/pycore_runtime.h>
#endif

#include "python/layouts.h"

#include "check.h"

#define HAS_TABLE (PY_VERSION_HEX >= 0x030d0000)

static const flame_layout expected = {
    .version = PY_VERSION_HEX >> 16,
#if HAS_TABLE
    .tstate_current_frame = offsetof(PyThreadState, current_frame),
    .frame_code = offsetof(_PyInterpreterFrame, f_executable),
    .frame_instr = offsetof(_PyInterpreterFrame, instr_ptr),
#else
    .tstate_cframe = offsetof(PyThreadState, cframe),
    .tstate_root_cframe = offsetof(PyThreadState, root_cframe),
    .cframe_current_frame = offsetof(_PyCFrame, current_frame),
    .cframe_previous = offsetof(_PyCFrame, previous),
    .frame_code = offsetof(_PyInterpreterFrame, f_code),
    .frame_instr = offsetof(_PyInterpreterFrame, prev_instr),
#endif
#if PY_VERSION_HEX >= 0x030f0000
    .tstate_base_frame = offsetof(PyThreadState, base_frame),
#endif
#if PY_VERSION_HEX < 0x030c0000
    .frame_is_entry = offsetof(_PyInterpreterFrame, is_entry),
#endif
    .frame_previous = offsetof(_PyInterpreterFrame, previous),
    .frame_owner = offsetof(_PyInterpreterFrame, owner),
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
    .object_type = offsetof(PyObject, ob_type),
    .bytes_size = offsetof(PyVarObject, ob_size),
    .bytes_data = offsetof(PyBytesObject, ob_sval),
    .str_length = offsetof(PyASCIIObject, length),
    .str_state = offsetof(PyASCIIObject, state),
    .str_ascii_data = sizeof(PyASCIIObject),
    .str_compact_data = sizeof(PyCompactUnicodeObject),
};

_Static_assert(FRAME_BYTES <= sizeof(_PyInterpreterFrame), "no more is read than there is");
_Static_assert(offsetof(PyCodeObject, co_code_adaptive) <= MAX_CODE_BYTES, "a copy has room");

typedef union {
#if HAS_TABLE
    _Py_DebugOffsets named;
#endif
    uint64_t words[DEBUG_OFFSETS_WORDS];
} offsets_table;

/* What an interpreter of this version says of itself; what the rows do not use has absurd values. */
static void fill(offsets_table *table) {
    memset(table, 0xff, sizeof *table);
#if HAS_TABLE
    _Py_DebugOffsets *t = &table->named;
    memcpy(t->cookie, "xdebugpy", sizeof t->cookie);
    t->version = PY_VERSION_HEX;
    t->free_threaded = 0;
    t->thread_state.current_frame = expected.tstate_current_frame;
    t->thread_state.datastack_chunk = expected.tstate_datastack_chunk;
#if PY_VERSION_HEX >= 0x030f0000
    t->thread_state.base_frame = expected.tstate_base_frame;
    t->unicode_object.compactunicodeobject_size = expected.str_compact_data;
#endif
    t->interpreter_frame.previous = expected.frame_previous;
    t->interpreter_frame.executable = expected.frame_code;
    t->interpreter_frame.instr_ptr = expected.frame_instr;
    t->interpreter_frame.owner = expected.frame_owner;
    t->code_object.filename = expected.code_filename;
    t->code_object.qualname = expected.code_qualname;
    t->code_object.linetable = expected.code_linetable;
    t->code_object.firstlineno = expected.code_firstlineno;
    t->code_object.co_code_adaptive = expected.code_adaptive;
    t->pyobject.ob_type = expected.object_type;
    t->unicode_object.state = expected.str_state;
    t->unicode_object.length = expected.str_length;
    t->unicode_object.asciiobject_size = expected.str_ascii_data;
#endif
}

int main(void) {
    offsets_table table;
    fill(&table);
    flame_layout read;
    char error[256] = "";
    if (read_layout(PY_VERSION_HEX, table.words, &read, error, sizeof error)) fprintf(stderr, "%s\n", error);
    CHECK(!*error);
    const uint32_t *is = (const uint32_t *)&read, *should = (const uint32_t *)&expected;
    for (size_t i = 0; i < sizeof read / sizeof *is; i++)
        if (is[i] != should[i])
            fprintf(stderr, "field %zu of the layout is %u, in the headers %u\n", i, is[i], should[i]);
    CHECK(memcmp(&read, &expected, sizeof read) == 0);
}
