/* Reads of stacks: whole inside, refused outside, on the first thread, another one and an alternate signal stack.
 * Built with: memory.c */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "native_frames.h"

#include "check.h"

static void the_own_stack_is_read_plainly(void) {
    uintptr_t here = 0x1234567;
    stack_view view = stack_view_from((uintptr_t)&here);
    uintptr_t value = 0;
    CHECK(view.low <= (uintptr_t)&here && (uintptr_t)&here < view.high);
    CHECK(read_stack(&view, (uintptr_t)&here, &value) && value == 0x1234567);
    CHECK(view.slow_reads == 0);
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
    stack_view view = stack_view_from((uintptr_t)&here);
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
    CHECK(safe_read(bytes, (uintptr_t)pages, sizeof bytes));
    CHECK(!safe_read(bytes, (uintptr_t)pages + 4096 - 8, sizeof bytes));
    CHECK(!safe_read(bytes, 0, sizeof bytes) && !safe_read(bytes, UINTPTR_MAX - 7, sizeof bytes));
    stack_view view = {.low = (uintptr_t)pages, .high = (uintptr_t)pages + 4096};
    uintptr_t value;
    CHECK(read_stack(&view, (uintptr_t)pages + 4096 - 8, &value) && view.slow_reads == 0);
    CHECK(!read_stack(&view, (uintptr_t)pages + 4096 - 4, &value)); /* half of it beyond the end */
    CHECK(!read_stack(&view, UINTPTR_MAX - 3, &value) && !read_stack(&view, 0, &value));
    CHECK(read_stack(&view, (uintptr_t)pages + 2 * 4096, &value)); /* outside, and mapped */
    unsigned before = 0;
    while (read_stack(&view, (uintptr_t)pages + 2 * 4096, &value)) CHECK(++before < 100000); /* not without end */
}

int main(void) {
    the_own_stack_is_read_plainly();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, in_a_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    an_alternate_stack_is_read_with_care();
    what_is_not_mapped_is_refused();
}
