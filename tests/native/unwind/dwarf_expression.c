/* DWARF expressions: those that C libraries use, and thousands that nobody would write.
 * Built with: unwind/dwarf_expression.c unwind/stack_view.c process/memory.c */
#include <string.h>

#include "unwind/dwarf_expression.h"

#include "check.h"

static uintptr_t words[4] = {11, 22, 33, 44};

static bool value_of(const uint8_t *expression, size_t bytes, uintptr_t *result) {
    registers r = {.known = 1u << SP | 1u << FP};
    r.value[SP] = (uintptr_t)words;
    r.value[FP] = 1000;
    stack_view view = {
        .memory = &own_memory,
        .bytes = (const char *)words,
        .low = (uintptr_t)words,
        .high = (uintptr_t)(words + 4),
        .reads_left = 100,
    };
    uint8_t *exact = malloc(bytes ? bytes : 1);
    CHECK(exact);
    memcpy(exact, expression, bytes);
    bool known = evaluate(exact, bytes, &r, &view, NULL, result);
    free(exact);
    return known;
}

#define VALUE(expected, ...)                                                                                           \
    do {                                                                                                               \
        const uint8_t expression[] = {__VA_ARGS__};                                                                    \
        uintptr_t result;                                                                                              \
        CHECK(value_of(expression, sizeof expression, &result) && result == (uintptr_t)(expected));                    \
    } while (0)

#define REFUSED(...)                                                                                                   \
    do {                                                                                                               \
        const uint8_t expression[] = {__VA_ARGS__};                                                                    \
        uintptr_t result;                                                                                              \
        CHECK(!value_of(expression, sizeof expression, &result));                                                      \
    } while (0)

static void arithmetic_is_right(void) {
    VALUE(5, 0x35);                                           /* lit5 */
    VALUE(998, 0x76, 0x7e);                                   /* breg6 -2 */
    VALUE(22, 0x77, 0x08, 0x06);                              /* breg7 8; deref */
    VALUE(11 + 33, 0x77, 0x00, 0x06, 0x77, 0x10, 0x06, 0x22); /* plus */
    VALUE(7, 0x3a, 0x33, 0x1c);                               /* lit10 lit3 minus */
    VALUE(-1, 0x09, 0xff);                                    /* const1s */
    VALUE(255, 0x08, 0xff);                                   /* const1u */
    VALUE(-2, 0x11, 0x7e);                                    /* consts */
    VALUE(48, 0x33, 0x34, 0x24);                              /* lit3 lit4 shl */
    /* The procedure linkage table's (binutils, elf_x86_64_eh_frame_plt): rsp + 8 + (((rip & 15) >= 11) << 3). */
    VALUE((uintptr_t)words + 8 + 8, 0x77, 0x08, 0x3f, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22);
    VALUE(1, 0x31, 0x2f, 0x01, 0x00, 0x96); /* lit1 skip 1 */
}

static void what_is_not_known_is_refused(void) {
    uintptr_t result;
    CHECK(!value_of((const uint8_t *)"", 0, &result));
    REFUSED(0x22);                               /* plus on an empty stack */
    REFUSED(0x13);                               /* drop */
    REFUSED(0x70, 0x00);                         /* breg0: not known */
    REFUSED(0x8f, 0x00);                         /* breg31: no such register */
    REFUSED(0x08);                               /* const1u without its byte */
    REFUSED(0x10, 0xff, 0xff);                   /* a number that does not end */
    REFUSED(0x30, 0x06);                         /* deref of 0 */
    REFUSED(0x2f, 0xfd, 0xff);                   /* skip to itself, forever */
    REFUSED(0x30, 0x2f, 0x40, 0x00);             /* skip out of the expression */
    REFUSED(0x31, 0x28, 0xfa, 0xff, 0x30, 0x30); /* bra before the beginning */
}

static void nothing_is_read_or_written_beyond_the_ends(void) {
    static const uint8_t operations[] = {0x06, 0x08, 0x09, 0x0e, 0x10, 0x11, 0x12, 0x14, 0x16, 0x1a, 0x1c, 0x1e, 0x1f,
                                         0x20, 0x22, 0x23, 0x24, 0x25, 0x26, 0x28, 0x2a, 0x2f, 0x30, 0x3f, 0x76, 0x77};
    uint64_t random = 5;
    int known = 0;
    for (int turn = 0; turn < 300000; turn++) {
        uint8_t expression[80];
        size_t bytes = draw(&random) % sizeof expression;
        for (size_t i = 0; i < bytes; i++)
            expression[i] = draw(&random) % 3 ? operations[draw(&random) % sizeof operations] : (uint8_t)draw(&random);
        uintptr_t result;
        known += value_of(expression, bytes, &result);
    }
    CHECK(known > 1000);
}

int main(void) {
    arithmetic_is_right();
    what_is_not_known_is_refused();
    nothing_is_read_or_written_beyond_the_ends();
}
