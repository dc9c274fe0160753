// SPDX-License-Identifier: Apache-2.0
//
// A table of fixed-size records in reserved address space, with a barrier that lets a checkpoint
// copy it page by page while its owner goes on writing.
//
// Guarantees: addresses never move; a frozen table is seen by `table_frozen_page` exactly as it was
// when `table_freeze` was called; one owner thread writes, one other thread may copy.
// Costs: one predictable branch and one bit for each write while no checkpoint runs; the first
// write to a page during one copies 4 KiB.
#ifndef TAEL_BASE_TABLE_H
#define TAEL_BASE_TABLE_H

#include "base/base.h"

#include <stdatomic.h>

// What the barrier knows of a page while the table is frozen.
enum table_page {
    TABLE_PAGE_DONE = 0,   // Saved, or not part of the frozen image: write at will.
    TABLE_PAGE_FROZEN = 1, // Still to be saved; the memory holds the image.
    TABLE_PAGE_BUSY = 2,   // Somebody copies it this moment.
    TABLE_PAGE_COPIED = 3, // The owner moved the image to the shadow and writes at will.
};

struct table {
    u8 *memory;
    u64 record_size; // A power of two that divides PAGE_SIZE.
    u64 capacity;    // Records; a guard rail.
    u64 count;       // Records in use, from the first.
    u64 *dirty;      // A bit a page: written since the digest was last taken.
    bool frozen;     // The owner's word; the copier never writes it.
    u64 frozen_count;
    _Atomic u8 *page_states;
    u8 *shadow; // Same shape as memory.
};

// Reserves the table. Returns STATUS_FULL when the address space is not to be had.
MUST_USE enum status table_init(struct table *table, u64 record_size, u64 capacity,
                                struct failure *failure);
void table_free(struct table *table);

// The record of a row, which must be below the capacity; its address never changes.
static inline void *table_record(const struct table *table, u64 row)
{
    return table->memory + row * table->record_size;
}
static inline u64 table_page_count(const struct table *table)
{
    return (table->count * table->record_size + PAGE_SIZE - 1) / PAGE_SIZE;
}

// The slow path of table_touch: saves the frozen image of a page before its first write.
void table_touch_frozen(struct table *table, u64 page);

// Must come before every write to a record: saves the frozen image, marks the page dirty.
static inline void table_touch(struct table *table, u64 row)
{
    u64 page = row * table->record_size / PAGE_SIZE;
    if (UNLIKELY(table->frozen)) table_touch_frozen(table, page);
    table->dirty[page / 64] |= 1ull << (page % 64);
}

// Freezes the image as it is now. The owner calls it, with no freeze in force.
void table_freeze(struct table *table);
// Copies one page of the frozen image, once for each page; any one thread, not the owner's needs.
void table_frozen_page(struct table *table, u64 page, u8 out[PAGE_SIZE]);
static inline u64 table_frozen_page_count(const struct table *table)
{
    return (table->frozen_count * table->record_size + PAGE_SIZE - 1) / PAGE_SIZE;
}
// Ends the freeze, after every page was copied. The owner calls it.
void table_thaw(struct table *table);

#endif
