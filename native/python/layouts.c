/* One row per version, chosen at run time: one binary reads the frames of any of them, in its own process or another.
 *
 * Rows come from CPython's headers: Include/cpython/ and, for frames before 3.13, Include/internal/pycore_frame.h. From
 * 3.13 on the interpreter itself says where it keeps its frames: `_PyRuntime` begins with a table of offsets,
 * `_Py_DebugOffsets` (Include/internal/pycore_debug_offsets.h), whose own layout differs per minor version. Row and
 * table must agree, and the start-up self-check has the last word. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "python/layouts.h"

/* Which 8-byte word of `_Py_DebugOffsets` holds which offset; 0: the table does not have it. */
typedef struct {
    uint32_t tstate_current_frame, tstate_base_frame, tstate_datastack_chunk;
    uint32_t frame_previous, frame_executable, frame_instr, frame_owner;
    uint32_t code_filename, code_qualname, code_linetable, code_firstlineno, code_adaptive;
    uint32_t object_type, str_state, str_length, str_ascii_size, str_compact_size;
} table_words;

/* What the interpreter's table provides is 0 in `layout`; a version without a table has no words. */
typedef struct {
    flame_layout layout;
    table_words words;
} version_row;

static const version_row rows[] = {
    {
        .layout =
            {
                .version = 0x030b,
                .tstate_cframe = 56,
                .tstate_root_cframe = 336,
                .tstate_datastack_chunk = 296,
                .tstate_datastack_top = 304,
                .cframe_current_frame = 8,
                .cframe_previous = 16,
                .frame_code = 32,
                .frame_previous = 48,
                .frame_instr = 56,
                .frame_is_entry = 68,
                .frame_owner = 69,
                .code_qualname = 128,
                .code_filename = 112,
                .code_linetable = 136,
                .code_firstlineno = 72,
                .code_adaptive = 184,
                .code_firsttraceable = 168,
                .chunk_previous = 0,
                .chunk_size = 8,
                .object_type = 8,
                .bytes_size = 16,
                .bytes_data = 32,
                .str_length = 16,
                .str_state = 32,
                .str_ascii_data = 48,
                .str_compact_data = 72,
            },
    },
    {
        .layout =
            {
                .version = 0x030c,
                .tstate_cframe = 56,
                .tstate_root_cframe = 272,
                .tstate_datastack_chunk = 232,
                .tstate_datastack_top = 240,
                .cframe_current_frame = 0,
                .cframe_previous = 8,
                .frame_code = 0,
                .frame_previous = 8,
                .frame_instr = 56,
                .frame_owner = 70,
                .code_qualname = 128,
                .code_filename = 112,
                .code_linetable = 136,
                .code_firstlineno = 68,
                .code_adaptive = 192,
                .code_firsttraceable = 176,
                .chunk_previous = 0,
                .chunk_size = 8,
                .object_type = 8,
                .bytes_size = 16,
                .bytes_data = 32,
                .str_length = 16,
                .str_state = 32,
                .str_ascii_data = 40,
                .str_compact_data = 56,
            },
    },
    {
        .layout =
            {
                .version = 0x030d,
                .tstate_datastack_chunk = 232,
                .tstate_datastack_top = 240,
                .code_qualname = 128,
                .code_filename = 112,
                .code_linetable = 136,
                .code_firstlineno = 68,
                .code_adaptive = 200,
                .code_firsttraceable = 184,
                .chunk_previous = 0,
                .chunk_size = 8,
                .object_type = 8,
                .bytes_size = 16,
                .bytes_data = 32,
                .str_length = 16,
                .str_state = 32,
                .str_ascii_data = 40,
                .str_compact_data = 56,
            },
        .words =
            {
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
    },
    {
        .layout =
            {
                .version = 0x030e,
                .tstate_datastack_chunk = 232,
                .tstate_datastack_top = 240,
                .code_qualname = 128,
                .code_filename = 112,
                .code_linetable = 136,
                .code_firstlineno = 68,
                .code_adaptive = 208,
                .code_firsttraceable = 192,
                .chunk_previous = 0,
                .chunk_size = 8,
                .object_type = 8,
                .bytes_size = 16,
                .bytes_data = 32,
                .str_length = 16,
                .str_state = 32,
                .str_ascii_data = 40,
                .str_compact_data = 56,
            },
        .words =
            {
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
    },
    {
        .layout =
            {
                .version = 0x030f,
                .tstate_datastack_chunk = 256,
                .tstate_datastack_top = 264,
                .code_qualname = 128,
                .code_filename = 112,
                .code_linetable = 136,
                .code_firstlineno = 68,
                .code_adaptive = 208,
                .code_firsttraceable = 192,
                .chunk_previous = 0,
                .chunk_size = 8,
                .object_type = 8,
                .bytes_size = 16,
                .bytes_data = 32,
                .str_length = 16,
                .str_state = 32,
                .str_ascii_data = 40,
                .str_compact_data = 56,
            },
        .words =
            {
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
    },
};

enum { COOKIE_WORD = 0, VERSION_WORD = 1, FREE_THREADED_WORD = 2, TSTATE_BYTES = 4096 };

static int refuse(char *error, uint32_t error_bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int refuse(char *error, uint32_t error_bytes, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, error_bytes, format, arguments);
    va_end(arguments);
    return -ENOTSUP;
}

/* Reads what the row leaves to the interpreter's own table. */
static int read_table(const table_words *at, const uint64_t *table, flame_layout *l, char *error,
                      uint32_t error_bytes) {
    if (!table || memcmp(&table[COOKIE_WORD], "xdebugpy", 8) != 0)
        return refuse(error, error_bytes, "the interpreter has no table of debugging offsets");
    if (table[FREE_THREADED_WORD])
        return refuse(error, error_bytes,
                      "the interpreter is free-threaded: other threads could free what a sample is reading");
    if (table[VERSION_WORD] >> 16 != l->version)
        return refuse(error, error_bytes, "the interpreter's table of debugging offsets is that of another version");

    const struct {
        uint32_t word, offset;
    } known[] = {
        {at->tstate_datastack_chunk, l->tstate_datastack_chunk},
        {at->code_filename, l->code_filename},
        {at->code_qualname, l->code_qualname},
        {at->code_linetable, l->code_linetable},
        {at->code_firstlineno, l->code_firstlineno},
        {at->code_adaptive, l->code_adaptive},
        {at->object_type, l->object_type},
        {at->str_state, l->str_state},
        {at->str_length, l->str_length},
        {at->str_ascii_size, l->str_ascii_data},
        {at->str_compact_size, l->str_compact_data},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].word && table[known[i].word] != known[i].offset)
            return refuse(error, error_bytes,
                          "the interpreter's table of debugging offsets and its version's headers disagree");

    const struct {
        uint32_t word, limit, *offset;
    } told[] = {
        {at->tstate_current_frame, TSTATE_BYTES, &l->tstate_current_frame},
        {at->tstate_base_frame, TSTATE_BYTES, &l->tstate_base_frame},
        {at->frame_previous, FRAME_BYTES - sizeof(void *), &l->frame_previous},
        {at->frame_executable, FRAME_BYTES - sizeof(void *), &l->frame_code},
        {at->frame_instr, FRAME_BYTES - sizeof(void *), &l->frame_instr},
        {at->frame_owner, FRAME_BYTES - 1, &l->frame_owner},
    };
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        if (!told[i].word) continue;
        uint64_t offset = table[told[i].word];
        if (offset > told[i].limit)
            return refuse(error, error_bytes, "the interpreter's table of debugging offsets cannot be right: %llu",
                          (unsigned long long)offset);
        *told[i].offset = (uint32_t)offset;
    }
    return 0;
}

int read_layout(uint32_t version, const uint64_t *table, flame_layout *layout, char *error, uint32_t error_bytes) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].layout.version != version >> 16) continue;
        flame_layout l = rows[i].layout;
        int result = rows[i].words.frame_owner ? read_table(&rows[i].words, table, &l, error, error_bytes) : 0;
        if (!result) *layout = l;
        return result;
    }
    return refuse(error, error_bytes, "where CPython %u.%u keeps its frames is not known", version >> 24,
                  version >> 16 & 0xff);
}
