/* The native stack of another process, a forked child's, through a second reader: the same that the child found itself.
 * Built with: unwind/unwind.c unwind/modules.c unwind/eh_frame.c unwind/call_frames.c unwind/unwind_table.c
 * unwind/dwarf_expression.c unwind/stack_view.c process/memory.c process/process.c */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "unwind/unwind.h"

#include "check.h"

#if defined __x86_64__

enum { DEEP = 20, MOST = 200, COPIED = 512, READS = 4000 };

typedef struct {
    registers at;
    walk_end end;
    uint32_t depth;
    uintptr_t pc[MOST], sp[MOST];
} found;

static unwinder walker;

static void walk(found *f, stack_view view) {
    const module_map *map = modules_enter();
    CHECK(map);
    f->end = walk_native(&walker, map, &f->at, view, NULL, 0, false);
    modules_leave();
    CHECK(walker.depth <= MOST);
    f->depth = walker.depth;
    for (uint32_t i = 0; i < f->depth; i++) {
        f->pc[i] = walker.frames[i].pc;
        f->sp[i] = walker.frames[i].sp;
    }
}

static __attribute__((noinline)) int descend(int left, found *own, int ready) {
    volatile int more = left; /* something to do after the call: no tail call */
    if (left) return descend(left - 1, own, ready) + more;
    ucontext_t here;
    memset(&here, 0, sizeof here);
    greg_t *r = here.uc_mcontext.gregs;
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2"
                     : "=&r"(r[REG_RIP]), "=&r"(r[REG_RSP]), "=&r"(r[REG_RBP]));
    own->at = registers_of(&here);
    walk(own, own_stack_view(own->at.value[SP]));
    CHECK(write(ready, "", 1) == 1);
    for (;;) pause();
}

static bool read_child(const void *context, uintptr_t address, void *into, size_t bytes) {
    struct iovec local = {into, bytes}, remote = {(void *)address, bytes};
    return process_vm_readv(*(const pid_t *)context, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

static void same(const found *own, stack_view view) {
    found seen = {.at = own->at};
    walk(&seen, view);
    CHECK(seen.end == REACHED_ROOT && seen.depth == own->depth);
    CHECK(memcmp(seen.pc, own->pc, seen.depth * sizeof *seen.pc) == 0);
    CHECK(memcmp(seen.sp, own->sp, seen.depth * sizeof *seen.sp) == 0);
}

int main(void) {
    CHECK(modules_refresh() == 0);
    found *own = mmap(NULL, sizeof *own, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ready[2];
    CHECK(own != MAP_FAILED && pipe(ready) == 0);
    pid_t parent = getpid(), child = fork();
    CHECK(child >= 0);
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* if a check fails, the child is not left behind */
        return getppid() == parent ? descend(DEEP, own, ready[1]) : 1;
    }
    close(ready[1]);
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    CHECK(own->end == REACHED_ROOT && own->depth > DEEP);

    const memory_reader memory = {.read = read_child, .context = &child};
    stack_view word_by_word = {.memory = &memory, .reads_left = READS};
    same(own, word_by_word);
    char copy[COPIED];
    uintptr_t low = own->at.value[SP];
    CHECK(read_memory(&memory, low, copy, sizeof copy));
    stack_view copied = {.memory = &memory, .bytes = copy, .low = low, .high = low + COPIED, .reads_left = READS};
    same(own, copied);
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
}

#else

int main(void) {
    fprintf(stderr, "native frames: x86-64 only\n");
    return SKIPPED;
}

#endif
