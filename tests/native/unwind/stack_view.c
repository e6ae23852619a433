/* Reads of stacks: whole inside, refused outside, on the first thread, another one and an alternate signal stack.
 * Built with: unwind/stack_view.c process/memory.c */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "unwind/stack_view.h"

#include "check.h"

static void the_own_stack_is_read_plainly(void) {
    uintptr_t here = 0x1234567;
    stack_view view = own_stack_view((uintptr_t)&here);
    uintptr_t value = 0;
    CHECK(view.low <= (uintptr_t)&here && (uintptr_t)&here < view.high);
    view.reads_left = 0; /* through the reader */
    CHECK(read_stack(&view, (uintptr_t)&here, &value) && value == 0x1234567);
}

static void *in_a_thread(void *unused) {
    the_own_stack_is_read_plainly();
    the_own_stack_is_read_plainly(); /* from what was remembered */
    return unused;
}

static volatile sig_atomic_t handled;

static void on_alternate_stack(int number) {
    (void)number;
    uintptr_t here = 77, value = 0;
    stack_view view = own_stack_view((uintptr_t)&here);
    CHECK(read_stack(&view, (uintptr_t)&here, &value) && value == 77);
    handled = 1;
}

static void an_alternate_stack_is_read_with_care(void) {
    stack_t alternate = {.ss_size = 1 << 16};
    alternate.ss_sp = mmap(NULL, alternate.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(alternate.ss_sp != MAP_FAILED && sigaltstack(&alternate, NULL) == 0);
    struct sigaction action = {.sa_handler = on_alternate_stack, .sa_flags = SA_ONSTACK};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0 && handled);
}

static void what_is_not_mapped_is_refused(void) {
    char *pages = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED && munmap(pages + 4096, 4096) == 0);
    char bytes[16];
    CHECK(read_memory(&own_memory, (uintptr_t)pages, bytes, sizeof bytes));
    CHECK(!read_memory(&own_memory, (uintptr_t)pages + 4096 - 8, bytes, sizeof bytes));
    CHECK(!read_memory(&own_memory, 0, bytes, sizeof bytes));
    CHECK(!read_memory(&own_memory, UINTPTR_MAX - 7, bytes, sizeof bytes));
    enum { READS = 8 };
    stack_view view = {
        .memory = &own_memory,
        .bytes = pages,
        .low = (uintptr_t)pages,
        .high = (uintptr_t)pages + 4096,
        .reads_left = READS,
    };
    uintptr_t value;
    CHECK(read_stack(&view, (uintptr_t)pages + 4096 - 8, &value) && view.reads_left == READS);
    CHECK(!read_stack(&view, (uintptr_t)pages + 4096 - 4, &value)); /* half of it beyond the end */
    CHECK(!read_stack(&view, UINTPTR_MAX - 3, &value) && !read_stack(&view, 0, &value));
    CHECK(read_stack(&view, (uintptr_t)pages + 2 * 4096, &value)); /* outside, and mapped */
    unsigned more = 0;
    while (read_stack(&view, (uintptr_t)pages + 2 * 4096, &value)) more++;
    CHECK(more == READS - 4 && !view.reads_left); /* not without limit */
}

static bool read_nothing(const void *count, uintptr_t address, void *into, size_t bytes) {
    (void)address, (void)into, (void)bytes;
    ++*(unsigned *)(uintptr_t)count;
    return false;
}

/* Another process's: its addresses are not this one's. */
static void a_copied_stack_is_read_from_the_copy(void) {
    unsigned asked = 0;
    const memory_reader another = {.read = read_nothing, .context = &asked};
    const uintptr_t copy[] = {1, 2, 3};
    stack_view view = {
        .memory = &another, .bytes = (const char *)copy, .low = 4096, .high = 4096 + sizeof copy, .reads_left = 2};
    uintptr_t value = 0;
    CHECK(read_stack(&view, 4096 + 8, &value) && value == 2 && asked == 0);
    CHECK(!read_stack(&view, 4096 + sizeof copy, &value) && asked == 1);
}

int main(void) {
    the_own_stack_is_read_plainly();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, in_a_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    an_alternate_stack_is_read_with_care();
    what_is_not_mapped_is_refused();
    a_copied_stack_is_read_from_the_copy();
}
