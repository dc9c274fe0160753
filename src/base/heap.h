// SPDX-License-Identifier: Apache-2.0
//
// A binary heap of (due, order, row) with removal from the middle: the order in which holds
// expire. `due` then `order` decide, both unique together, so the sequence of pops does not depend
// on the history of inserts and the heap need not be part of a checkpoint.
//
// Costs 24 bytes an item and 4 a row; an insert that is later than all others touches one line.
#ifndef TAEL_BASE_HEAP_H
#define TAEL_BASE_HEAP_H

#include "base/base.h"

struct heap_item {
    u64 due;
    u64 order;
    u64 row;
};

struct heap {
    struct heap_item *items;
    u32 *places; // Of each row, its place in items plus one; 0 when absent.
    u64 count;
    u64 capacity;
};

// Reserves room for `capacity` rows; STATUS_FULL when there is no address space. heap_free gives it
// back.
MUST_USE enum status heap_init(struct heap *heap, u64 capacity, struct failure *failure);
void heap_free(struct heap *heap);
// `row` must be absent and below the capacity.
void heap_insert(struct heap *heap, u64 due, u64 order, u64 row);
// `row` must be present.
void heap_remove(struct heap *heap, u64 row);
static inline bool heap_has(const struct heap *heap, u64 row)
{
    return heap->places[row] != 0;
}
// The earliest item, or NULL.
static inline const struct heap_item *heap_first(const struct heap *heap)
{
    return heap->count == 0 ? NULL : &heap->items[0];
}
void heap_clear(struct heap *heap);

#endif
