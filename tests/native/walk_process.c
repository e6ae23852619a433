/* The Python stack of a thread of another process, of any version of CPython, read without stopping it.
 *   walk_process PID VERSION RUNTIME STATE CODE_TYPE
 * Addresses are of `_PyRuntime` (0 up to 3.12), the PyThreadState and PyCode_Type. Prints a line for each frame, the
 * innermost first: its first line, and width of a character and bytes (hexadecimal) of its function's qualified name
 * and file; then the innermost one's offset and line table. Built with: python/frames.c python/code_objects.c
 * python/layouts.c stacks/stack_table.c */
#define _GNU_SOURCE
#include <sys/types.h>
#include <sys/uio.h>

#include "python/frames.h"

#include "check.h"

static bool read_process(const void *context, uintptr_t address, void *into, size_t bytes) {
    struct iovec local = {into, bytes}, remote = {(void *)address, bytes};
    return process_vm_readv(*(const pid_t *)context, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

static void print_bytes(const stack_table *t, uint32_t offset, uint32_t bytes) {
    putchar(' ');
    for (uint32_t i = 0; i < bytes; i++) printf("%02x", (uint8_t)t->text[offset + i]);
}

int main(int count, char **arguments) {
    CHECK(count == 6);
    pid_t pid = (pid_t)strtol(arguments[1], NULL, 0);
    uint32_t version = (uint32_t)strtoul(arguments[2], NULL, 0);
    uintptr_t runtime = strtoul(arguments[3], NULL, 0);
    python_thread thread = {.state = strtoul(arguments[4], NULL, 0)};
    python_interpreter interpreter = {.code_type = strtoul(arguments[5], NULL, 0)};

    const memory_reader memory = {.read = read_process, .context = &pid};
    uint64_t offsets[DEBUG_OFFSETS_WORDS];
    char error[256] = "";
    if (runtime && !read_memory(&memory, runtime, offsets, sizeof offsets)) perror("process_vm_readv");
    if (read_layout(version, runtime ? offsets : NULL, &interpreter.layout, error, sizeof error))
        fprintf(stderr, "%s\n", error);
    CHECK(interpreter.layout.version == version >> 16);

    stack_table table;
    static python_stack stack;
    CHECK(table_init(&table, 4, 1024, 1 << 20));
    python_stack_clear(&stack);
    CHECK(walk_python(&interpreter, &memory, &thread, &table, &stack) == RECORDED);
    CHECK(stack.depth && !stack.truncated && stack.line >= 0);
    for (uint32_t i = 0; i < stack.depth; i++) {
        const flame_code *code = &table.codes[stack.codes[i]];
        printf("%d %d", code->firstlineno, code->qualname_kind);
        print_bytes(&table, code->qualname, code->qualname_bytes);
        printf(" %d", code->filename_kind);
        print_bytes(&table, code->filename, code->filename_bytes);
        putchar('\n');
    }
    const flame_code *leaf = &table.codes[stack.codes[0]];
    printf("%u", table.lines[stack.line].offset);
    print_bytes(&table, leaf->linetable, leaf->linetable_bytes);
    putchar('\n');
    table_free(&table);
}
