/* Unwind tables of this program's own C library, whole, cut short and damaged: every read stays inside the section.
 * Built with: unwind/eh_frame.c unwind/call_frames.c unwind/unwind_table.c */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <string.h>

#include "unwind/unwind_table.h"

#include "check.h"

typedef struct {
    const uint8_t *section;
    size_t bytes;
    uintptr_t base, end;
} library;

static size_t section_bytes(const uint8_t *section) {
    const uint8_t *at = section;
    for (uint32_t length; memcpy(&length, at, 4), length; at += 4 + length) CHECK(length < 1u << 20);
    return (size_t)(at - section) + 4;
}

static int find_libc(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    library *found = data;
    if (!strstr(info->dlpi_name, "libc.so") && !strstr(info->dlpi_name, "ld-musl")) return 0;
    *found = (library){.base = UINTPTR_MAX};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + p->p_vaddr;
        if (p->p_type == PT_LOAD && p->p_flags & PF_X) {
            if (start < found->base) found->base = start;
            if (start + p->p_memsz > found->end) found->end = start + p->p_memsz;
        } else if (p->p_type == PT_GNU_EH_FRAME) {
            int32_t distance;
            memcpy(&distance, (const uint8_t *)start + 4, sizeof distance);
            found->section = (const uint8_t *)start + 4 + distance;
        }
    }
    found->bytes = section_bytes(found->section);
    return 1;
}

/* A copy with nothing after it; the code moves with it, since the section's pointers are relative to themselves. */
static unwind_table compiled_copy(const library *l, const uint8_t *content, size_t bytes) {
    uint8_t *copy = malloc(bytes ? bytes : 1);
    CHECK(copy);
    memcpy(copy, content, bytes);
    uintptr_t moved = (uintptr_t)copy - (uintptr_t)l->section;
    unwind_table table;
    CHECK(compile_eh_frame(&table, copy, copy + bytes, l->base + moved, l->end + moved) == 0);
    free(copy);
    return table;
}

static void rows_are_in_order_and_cover_the_code(const unwind_table *t) {
    CHECK(t->row_count && t->rows[0].start == 0);
    for (uint32_t i = 1; i < t->row_count; i++) CHECK(t->rows[i - 1].start < t->rows[i].start);
    for (uint32_t i = 0; i < t->row_count; i++) {
        CHECK(t->base + t->rows[i].start < t->end);
        CHECK((t->rows[i].rule & 3) != ROW_FULL || t->rows[i].rule >> ROW_OFFSET_SHIFT < t->full_count);
    }
    uint64_t random = 7;
    for (int i = 0; i < 200; i++) {
        uintptr_t address = t->base + draw(&random) % (t->end - t->base);
        const unwind_row *row = find_row(t, address);
        CHECK(row && t->base + row->start <= address);
        CHECK(row + 1 == t->rows + t->row_count || address < t->base + row[1].start);
        CHECK(function_start(t, row) <= address);
    }
    CHECK(!find_row(t, t->base - 1) && !find_row(t, t->end));
}

static void a_whole_section_describes_its_code(const library *l) {
    unwind_table t = compiled_copy(l, l->section, l->bytes);
    CHECK(t.functions > 1000 && t.rejected < t.functions / 100 && t.row_count > t.functions);
    rows_are_in_order_and_cover_the_code(&t);
    free_unwind_table(&t);
    unwind_table none;
    CHECK(compile_eh_frame(&none, NULL, NULL, l->base, l->end) == 0);
    CHECK(none.row_count == 1 && (find_row(&none, l->base)->rule & 3) == ROW_NONE);
    free_unwind_table(&none);
}

static void what_lies_before_the_damage_is_kept(const library *l) {
    unwind_table whole = compiled_copy(l, l->section, l->bytes);
    uint64_t random = 3;
    for (int i = 0; i < 60; i++) {
        unwind_table t = compiled_copy(l, l->section, draw(&random) % l->bytes);
        CHECK(t.functions <= whole.functions);
        rows_are_in_order_and_cover_the_code(&t);
        free_unwind_table(&t);
    }
    free_unwind_table(&whole);
}

static void damage_is_never_followed_out_of_the_section(const library *l) {
    enum { PART = 1 << 14, TURNS = 1500 };
    static uint8_t part[PART];
    uint64_t random = 11;
    size_t bytes = l->bytes < PART ? l->bytes : PART;
    for (int turn = 0; turn < TURNS; turn++) {
        memcpy(part, l->section, bytes);
        for (uint64_t n = 1 + draw(&random) % 40; n > 0; n--) {
            static const uint8_t worst[] = {0x00, 0xff, 0x7f, 0x80, 0x0c, 0x0f, 0x10, 0x16};
            size_t at = draw(&random) % (draw(&random) % 4 ? bytes : 200);
            part[at] = draw(&random) % 2 ? (uint8_t)draw(&random) : worst[draw(&random) % sizeof worst];
        }
        unwind_table t = compiled_copy(l, part, bytes - draw(&random) % 64);
        rows_are_in_order_and_cover_the_code(&t);
        free_unwind_table(&t);
    }
}

int main(void) {
    library l;
    CHECK(dl_iterate_phdr(find_libc, &l));
    a_whole_section_describes_its_code(&l);
    what_lies_before_the_damage_is_kept(&l);
    damage_is_never_followed_out_of_the_section(&l);
}
