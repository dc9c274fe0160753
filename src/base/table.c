// SPDX-License-Identifier: Apache-2.0
//
// Tables and their copy-before-write barrier.
//
// Each page goes FROZEN -> BUSY -> DONE when the copier is first and FROZEN -> BUSY -> COPIED ->
// DONE when the owner is. Whoever moves it to BUSY has it for the length of one memcpy, so the
// other may spin.
#include "base/table.h"

#include "os/memory.h"

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
    memset(table, 0, sizeof *table);
    table->record_size = record_size;
    table->capacity = capacity;
    u64 bytes = capacity_pages(table) * PAGE_SIZE;
    void *memory[4] = {0};
    const size_t sizes[4] = {bytes, bytes, capacity_pages(table), dirty_size(table)};
    for (u32 i = 0; i < 4; i++) {
        enum status status = memory_reserve(sizes[i], i == 0, &memory[i], failure);
        if (status != STATUS_OK) {
            for (u32 j = 0; j < i; j++) memory_release(memory[j], sizes[j]);
            return status;
        }
    }
    table->memory = memory[0];
    table->shadow = memory[1];
    table->page_states = memory[2];
    table->dirty = memory[3];
    return STATUS_OK;
}

void table_free(struct table *table)
{
    u64 bytes = capacity_pages(table) * PAGE_SIZE;
    memory_release(table->memory, bytes);
    memory_release(table->shadow, bytes);
    memory_release((void *)(uintptr_t)table->page_states, capacity_pages(table));
    memory_release(table->dirty, dirty_size(table));
    memset(table, 0, sizeof *table);
}

// Takes the page for one copy. Returns false when it is no longer frozen.
static bool page_claim(struct table *table, u64 page)
{
    for (;;) {
        u8 state = TABLE_PAGE_FROZEN;
        if (atomic_compare_exchange_weak_explicit(&table->page_states[page], &state,
                                                  TABLE_PAGE_BUSY, memory_order_acquire,
                                                  memory_order_acquire)) {
            return true;
        }
        if (state == TABLE_PAGE_DONE || state == TABLE_PAGE_COPIED) return false;
    }
}

void table_touch_frozen(struct table *table, u64 page)
{
    if (page >= table_frozen_page_count(table)) return;
    if (!page_claim(table, page)) return;
    memcpy(table->shadow + page * PAGE_SIZE, table->memory + page * PAGE_SIZE, PAGE_SIZE);
    atomic_store_explicit(&table->page_states[page], TABLE_PAGE_COPIED, memory_order_release);
}

void table_freeze(struct table *table)
{
    assert(!table->frozen);
    table->frozen_count = table->count;
    u64 pages = table_frozen_page_count(table);
    for (u64 page = 0; page < pages; page++) {
        atomic_store_explicit(&table->page_states[page], TABLE_PAGE_FROZEN, memory_order_relaxed);
    }
    atomic_thread_fence(memory_order_release);
    table->frozen = true;
}

void table_frozen_page(struct table *table, u64 page, u8 out[PAGE_SIZE])
{
    assert(page < table_frozen_page_count(table));
    const u8 *source = page_claim(table, page) ? table->memory : table->shadow;
    memcpy(out, source + page * PAGE_SIZE, PAGE_SIZE);
    atomic_store_explicit(&table->page_states[page], TABLE_PAGE_DONE, memory_order_release);
    // Records past the frozen count may have been born since on the last page.
    u64 end = table->frozen_count * table->record_size;
    if ((page + 1) * PAGE_SIZE > end)
        memset(out + (end - page * PAGE_SIZE), 0, (page + 1) * PAGE_SIZE - end);
}

void table_thaw(struct table *table)
{
    assert(table->frozen);
    table->frozen = false;
    memory_decommit(table->shadow, table_frozen_page_count(table) * PAGE_SIZE);
}
