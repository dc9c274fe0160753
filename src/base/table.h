// SPDX-License-Identifier: Apache-2.0
//
// A table of fixed-size records in reserved address space, with a barrier that lets a checkpoint
// copy it page by page while its owner goes on writing. The owner saves the image of a record, and
// not of its page, before the first write: at the start of a checkpoint of millions of records each
// write is such a first one.
//
// Guarantees: addresses never move; a frozen table is seen by `table_frozen_page` exactly as it was
// when `table_freeze` was called; one owner thread writes, one other thread may copy.
// Costs: one predictable branch and one bit for each write while no checkpoint runs; the first
// write to a record during one copies the record.
#ifndef TAEL_BASE_TABLE_H
#define TAEL_BASE_TABLE_H

#include "base/base.h"

#include <stdatomic.h>

#define TABLE_PAGE_RECORDS_MAX 64u

// What the barrier knows of a page in the freeze of this number.
enum table_page_state {
    TABLE_PAGE_FROZEN = 0, // Still to be copied. So is a page whose freeze is an older one.
    TABLE_PAGE_BUSY = 1,   // One of the two threads has it this moment.
    TABLE_PAGE_DONE = 2,   // Copied: write at will.
};
struct table_page {
    _Atomic u64 word; // Number of the freeze * 4 + enum table_page_state.
    u64 saved;        // A bit a record: its image is among the images.
    u64 newest;       // Image of this page that was saved last, plus one; 0 none.
};

struct table {
    u8 *memory;
    u64 record_size;  // A power of two that divides PAGE_SIZE into 64 records at most.
    u64 page_records; // Records in a page.
    u64 capacity;     // Records; a guard rail.
    u64 count;        // Records in use, from the first.
    u64 *dirty;       // A bit a page: written since the digest was last taken.
    bool frozen;      // The owner's word; the copier never writes it.
    u64 freezes;      // Number of the freeze.
    u64 frozen_count;
    struct table_page *pages;
    // Images of records as they were at the freeze, in the order of their first writes.
    u8 *images;
    struct table_image *image_heads;
    u64 image_count;
};

// Which record of its page an image is of, and the image of the same page saved before it.
struct table_image {
    u32 record;
    u32 previous; // Plus one; 0 none.
};

// Reserves the table, of fewer than 2^32 records. Returns STATUS_FULL when the address space is not
// to be had.
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

// The slow path of table_touch: saves the frozen image of a record before its first write.
void table_touch_frozen(struct table *table, u64 row);

// Must come before every write to a record: saves the frozen image, marks the page dirty.
static inline void table_touch(struct table *table, u64 row)
{
    u64 page = row * table->record_size / PAGE_SIZE;
    if (UNLIKELY(table->frozen)) table_touch_frozen(table, row);
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
// Gives the memory of the images back, once every page was copied; the copier may call it, so that
// the owner does not wait for it at the thaw.
void table_frozen_done(struct table *table);
// Ends the freeze, whether every page was copied or not. The owner calls it.
void table_thaw(struct table *table);

#endif
