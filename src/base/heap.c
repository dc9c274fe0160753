// SPDX-License-Identifier: Apache-2.0
//
// The heap of due rows.
#include "base/heap.h"

#include "os/memory.h"

enum status heap_init(struct heap *heap, u64 capacity, struct failure *failure)
{
    memset(heap, 0, sizeof *heap);
    heap->capacity = capacity;
    void *items = NULL;
    void *places = NULL;
    enum status status = memory_reserve(capacity * sizeof *heap->items, false, &items, failure);
    if (status != STATUS_OK) return status;
    status = memory_reserve(capacity * sizeof *heap->places, false, &places, failure);
    if (status != STATUS_OK) {
        memory_release(items, capacity * sizeof *heap->items);
        return status;
    }
    heap->items = items;
    heap->places = places;
    return STATUS_OK;
}

void heap_free(struct heap *heap)
{
    memory_release(heap->items, heap->capacity * sizeof *heap->items);
    memory_release(heap->places, heap->capacity * sizeof *heap->places);
    memset(heap, 0, sizeof *heap);
}

static bool earlier(const struct heap_item *a, const struct heap_item *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void place(struct heap *heap, u64 index, struct heap_item item)
{
    heap->items[index] = item;
    heap->places[item.row] = (u32)(index + 1);
}

static void sift_up(struct heap *heap, u64 index, struct heap_item item)
{
    while (index > 0) {
        u64 parent = (index - 1) / 2;
        if (!earlier(&item, &heap->items[parent])) break;
        place(heap, index, heap->items[parent]);
        index = parent;
    }
    place(heap, index, item);
}

static void sift_down(struct heap *heap, u64 index, struct heap_item item)
{
    for (;;) {
        u64 child = 2 * index + 1;
        if (child >= heap->count) break;
        if (child + 1 < heap->count && earlier(&heap->items[child + 1], &heap->items[child]))
            child++;
        if (!earlier(&heap->items[child], &item)) break;
        place(heap, index, heap->items[child]);
        index = child;
    }
    place(heap, index, item);
}

void heap_insert(struct heap *heap, u64 due, u64 order, u64 row)
{
    assert(row < heap->capacity && heap->count < heap->capacity);
    assert(heap->places[row] == 0);
    heap->count++;
    sift_up(heap, heap->count - 1, (struct heap_item){.due = due, .order = order, .row = row});
}

void heap_remove(struct heap *heap, u64 row)
{
    assert(row < heap->capacity && heap->places[row] != 0);
    u64 index = heap->places[row] - 1;
    assert(heap->items[index].row == row);
    heap->places[row] = 0;
    heap->count--;
    if (index == heap->count) return;
    struct heap_item last = heap->items[heap->count];
    if (index > 0 && earlier(&last, &heap->items[(index - 1) / 2])) {
        sift_up(heap, index, last);
    } else {
        sift_down(heap, index, last);
    }
}

void heap_clear(struct heap *heap)
{
    for (u64 i = 0; i < heap->count; i++) heap->places[heap->items[i].row] = 0;
    heap->count = 0;
}
