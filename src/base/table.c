// SPDX-License-Identifier: Apache-2.0
//
// Tables and their copy-before-write barrier.
//
// A page goes FROZEN -> BUSY -> FROZEN each time the owner saves a record of it, and FROZEN -> BUSY
// -> DONE when the copier copies it. Whoever moves it to BUSY has it for the length of one memcpy,
// so the other spins; and pauses when that takes longer: the one that has it then waits for a
// processor, which the copier, who gives way to others, gets from a pause alone. The copier takes
// saved records from their images and reads none of them in place, where the owner may be writing.
#include "base/table.h"

#include "os/memory.h"
#include "os/thread.h"

#define SPINS_MAX 2000u // Several times as long as a copy.
#define PAUSE_NS  (20 * NS_PER_US)

static u64 capacity_pages(const struct table *table)
{
    return (table->capacity * table->record_size + PAGE_SIZE - 1) / PAGE_SIZE;
}

static size_t dirty_size(const struct table *table)
{
    return (capacity_pages(table) / 64 + 1) * sizeof(u64);
}

enum status table_init(struct table *table, u64 record_size, u64 capacity, struct failure *failure)
{
    assert(record_size > 0 && PAGE_SIZE % record_size == 0);
    assert(PAGE_SIZE / record_size <= TABLE_PAGE_RECORDS_MAX && capacity < U32_MAX);
    memset(table, 0, sizeof *table);
    table->record_size = record_size;
    table->page_records = PAGE_SIZE / record_size;
    table->capacity = capacity;
    u64 bytes = capacity_pages(table) * PAGE_SIZE;
    void *memory[5] = {0};
    const size_t sizes[5] = {bytes, bytes, capacity * sizeof *table->image_heads,
                             capacity_pages(table) * sizeof *table->pages, dirty_size(table)};
    for (u32 i = 0; i < ARRAY_COUNT(sizes); i++) {
        enum status status = memory_reserve(sizes[i], i < 2, &memory[i], failure);
        if (status != STATUS_OK) {
            for (u32 j = 0; j < i; j++) memory_release(memory[j], sizes[j]);
            return status;
        }
    }
    table->memory = memory[0];
    table->images = memory[1];
    table->image_heads = memory[2];
    table->pages = memory[3];
    table->dirty = memory[4];
    return STATUS_OK;
}

void table_free(struct table *table)
{
    u64 bytes = capacity_pages(table) * PAGE_SIZE;
    memory_release(table->memory, bytes);
    memory_release(table->images, bytes);
    memory_release(table->image_heads, table->capacity * sizeof *table->image_heads);
    memory_release(table->pages, capacity_pages(table) * sizeof *table->pages);
    memory_release(table->dirty, dirty_size(table));
    memset(table, 0, sizeof *table);
}

static u64 page_word(const struct table *table, enum table_page_state state)
{
    return table->freezes * 4 + state;
}

// Waits while the other thread has a page. Returns what its word is then.
static u64 page_await(const struct table_page *page, u64 busy)
{
    for (u32 i = 0;; i++) {
        const u64 word = atomic_load_explicit(&page->word, memory_order_acquire);
        if (word != busy) return word;
        if (i >= SPINS_MAX) thread_pause(PAUSE_NS);
    }
}

// Takes a page for one copy, once the other thread does not have it. Returns false when it is done.
static bool page_claim(struct table *table, struct table_page *page)
{
    const u64 busy = page_word(table, TABLE_PAGE_BUSY);
    for (;;) {
        u64 word = page_await(page, busy);
        if (word == page_word(table, TABLE_PAGE_DONE)) return false;
        if (!atomic_compare_exchange_weak_explicit(&page->word, &word, busy, memory_order_acquire,
                                                   memory_order_relaxed)) {
            continue;
        }
        if (word != page_word(table, TABLE_PAGE_FROZEN)) { // What it says is of an older freeze.
            page->saved = 0;
            page->newest = 0;
        }
        return true;
    }
}

static void page_release(struct table *table, struct table_page *page, enum table_page_state state)
{
    atomic_store_explicit(&page->word, page_word(table, state), memory_order_release);
}

void table_touch_frozen(struct table *table, u64 row)
{
    if (row >= table->frozen_count) return; // Born since: not part of the image.
    struct table_page *page = &table->pages[row * table->record_size / PAGE_SIZE];
    u32 record = (u32)(row & (table->page_records - 1));
    // Of a page that the owner released last, the copier changes nothing that is asked here.
    bool ours = atomic_load_explicit(&page->word, memory_order_relaxed) ==
                page_word(table, TABLE_PAGE_FROZEN);
    if (ours && (page->saved >> record) & 1) return;
    if (!page_claim(table, page)) return;
    u64 at = table->image_count++;
    memcpy(table->images + at * table->record_size, table_record(table, row), table->record_size);
    table->image_heads[at] = (struct table_image){.record = record, .previous = (u32)page->newest};
    page->newest = at + 1;
    page->saved |= 1ull << record;
    page_release(table, page, TABLE_PAGE_FROZEN);
}

void table_freeze(struct table *table)
{
    assert(!table->frozen);
    table->frozen_count = table->count;
    table->freezes++; // No page has this number yet, so each is frozen.
    table->image_count = 0;
    table->frozen = true;
}

void table_frozen_page(struct table *table, u64 page, u8 out[PAGE_SIZE])
{
    assert(page < table_frozen_page_count(table));
    struct table_page *state = &table->pages[page];
    bool claimed = page_claim(table, state);
    assert(claimed);
    // Records past the frozen count, which may have been born since on the last page, are zero.
    u64 records = MIN(table->frozen_count - page * table->page_records, table->page_records);
    const u8 *source = table->memory + page * PAGE_SIZE;
    u64 size = table->record_size;
    memset(out + records * size, 0, PAGE_SIZE - records * size);
    if (state->saved == 0) {
        memcpy(out, source, records * size);
    } else {
        for (u64 i = 0; i < records; i++) {
            if (((state->saved >> i) & 1) == 0) memcpy(out + i * size, source + i * size, size);
        }
    }
    for (u64 at = state->newest; at != 0; at = table->image_heads[at - 1].previous) {
        memcpy(out + table->image_heads[at - 1].record * size, table->images + (at - 1) * size,
               size);
    }
    page_release(table, state, TABLE_PAGE_DONE);
}

void table_frozen_done(struct table *table)
{
    // Nobody adds an image any more: every page is done.
    memory_decommit(table->images, table->image_count * table->record_size);
    memory_decommit(table->image_heads, table->image_count * sizeof *table->image_heads);
    table->image_count = 0;
}

void table_thaw(struct table *table)
{
    assert(table->frozen);
    table->frozen = false;
    table_frozen_done(table); // Of a copy that was given up.
}
