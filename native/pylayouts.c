/* One row per CPython minor version. Offsets are facts of its headers (Include/cpython/pystate.h,
 * Include/internal/pycore_frame.h, Include/cpython/code.h); the start-up self-check refuses an interpreter
 * that disagrees with its row. */
#include "internal.h"

static const flame_layout layouts[] = {
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
        .str_length = 16,
        .str_state = 32,
        .str_ascii_data = 48,
        .str_compact_data = 72,
    },
};

flame_layout flame_layout_for(uint32_t version_hex) {
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++)
        if (layouts[i].version == version_hex >> 16) return layouts[i];
    return (flame_layout){0};
}
