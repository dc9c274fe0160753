// SPDX-License-Identifier: Apache-2.0
//
// The tree over all outcomes: growing it, writing its pages, and reading what proofs need.
#include "ledger/outcome_tree.h"

#include "base/checksum.h"
#include "ledger/history_file.h"
#include "os/memory.h"

#include <stdio.h>

#define RING_SIZE (OUTCOME_TREE_RING * sizeof(struct outcome_page))

// --- the edge ------------------------------------------------------------------------------------

static u128 page_sum(const struct outcome_page *page)
{
    return checksum((const u8 *)page + sizeof page->checksum, sizeof *page - sizeof page->checksum);
}

bool outcome_page_holds(const struct outcome_page *page, u64 number)
{
    const u128 sum = page_sum(page);
    return memcmp(&sum, page->checksum, sizeof page->checksum) == 0 &&
           page->magic == OUTCOME_TREE_MAGIC && page->number == number;
}

bool outcome_edge_append(struct outcome_edge *edge, const struct outcome_leaf *leaf)
{
    struct outcome_page *page = &edge->open;
    const u64 index = edge->range.count;
    const u64 place = index % OUTCOME_PAGE_LEAVES;
    if (place == 0) {
        memset(page, 0, sizeof *page);
        page->first_row = edge->page_row;
    }
    page->leaves[place] = *leaf;
    struct digest completed[64];
    merkle_range_append(&edge->range, &leaf->root, completed);
    if (place + 1 < OUTCOME_PAGE_LEAVES) return false;
    const u32 levels = (u32)__builtin_ctzll(edge->range.count) + 1;
    assert(levels <= OUTCOME_PATH_MAX);
    page->magic = OUTCOME_TREE_MAGIC;
    page->number = index / OUTCOME_PAGE_LEAVES;
    memcpy(page->nodes, completed + OUTCOME_PAGE_LEVEL,
           (levels - OUTCOME_PAGE_LEVEL) * sizeof *completed);
    const u128 sum = page_sum(page);
    memcpy(page->checksum, &sum, sizeof page->checksum);
    edge->page_row = leaf->end_row;
    return true;
}

// --- in memory -----------------------------------------------------------------------------------

static struct outcome_page *slot(const struct outcome_tree *tree, u64 number)
{
    return &tree->ring[number % OUTCOME_TREE_RING];
}

enum status outcome_tree_init(struct outcome_tree *tree, struct disk *disk, struct failure *failure)
{
    memset(tree, 0, sizeof *tree);
    tree->disk = disk;
    void *memory = NULL;
    enum status status = memory_reserve(RING_SIZE, false, &memory, failure);
    tree->ring = memory;
    return status;
}

void outcome_tree_free(struct outcome_tree *tree)
{
    for (u32 i = 0; i < OUTCOME_TREE_FILES_MAX && tree->ring != NULL; i++) {
        if (tree->files[i] != 0) disk_close(tree->disk, tree->files[i] - 1);
    }
    if (tree->ring != NULL) memory_release(tree->ring, RING_SIZE);
    tree->ring = NULL;
}

void outcome_tree_start(struct outcome_tree *tree, const struct outcome_edge *edge)
{
    const u64 pages = edge->range.count / OUTCOME_PAGE_LEAVES;
    if (edge->range.count % OUTCOME_PAGE_LEAVES != 0) *slot(tree, pages) = edge->open;
    atomic_store(&tree->written, pages);
    atomic_store(&tree->size, edge->range.count);
}

void outcome_tree_grow(struct outcome_tree *tree, const struct outcome_edge *edge)
{
    const u64 size = edge->range.count;
    const u64 number = (size - 1) / OUTCOME_PAGE_LEAVES;
    const u64 place = (size - 1) % OUTCOME_PAGE_LEAVES;
    assert(size == outcome_tree_size(tree) + 1);
    assert(number - atomic_load(&tree->written) < OUTCOME_TREE_RING);
    // Of what readers may be copying nothing is written again.
    struct outcome_page *page = slot(tree, number);
    if (place == 0) page->first_row = edge->open.first_row;
    page->leaves[place] = edge->open.leaves[place];
    if (place + 1 == OUTCOME_PAGE_LEAVES) {
        memcpy(page->checksum, edge->open.checksum, sizeof page->checksum);
        page->magic = edge->open.magic;
        page->number = edge->open.number;
        memcpy(page->nodes, edge->open.nodes, sizeof page->nodes);
    }
    atomic_store_explicit(&tree->size, size, memory_order_release);
}

// --- files ---------------------------------------------------------------------------------------

void outcome_tree_file_name(u64 file, char out[DISK_NAME_SIZE_MAX])
{
    (void)snprintf(out, DISK_NAME_SIZE_MAX, OUTCOME_TREE_PREFIX "%08llx", (unsigned long long)file);
}

// The handle of a file, which is opened when nobody has yet. Any thread.
static enum status file_open(struct outcome_tree *tree, u64 file, bool create, disk_handle *out,
                             struct failure *failure)
{
    assert(file < OUTCOME_TREE_FILES_MAX);
    disk_handle known = atomic_load_explicit(&tree->files[file], memory_order_acquire);
    if (known == 0) {
        char name[DISK_NAME_SIZE_MAX];
        outcome_tree_file_name(file, name);
        disk_handle opened = -1;
        enum status status =
            disk_open(tree->disk, name, create ? DISK_CREATE : 0, &opened, failure);
        if (status != STATUS_OK) return status;
        if (atomic_compare_exchange_strong(&tree->files[file], &known, opened + 1)) {
            known = opened + 1;
        } else {
            disk_close(tree->disk, opened); // Another thread was quicker.
        }
    }
    *out = known - 1;
    return STATUS_OK;
}

// Writes pages of one file whose slots lie behind one another, and lets readers take them from it.
static enum status pages_write(struct outcome_tree *tree, u64 first, u64 count,
                               struct failure *failure)
{
    disk_handle file = -1;
    enum status status = file_open(tree, first / OUTCOME_TREE_FILE_PAGES, true, &file, failure);
    if (status == STATUS_OK) {
        status = disk_write_one(tree->disk, file, first % OUTCOME_TREE_FILE_PAGES * PAGE_SIZE,
                                slot(tree, first), count * PAGE_SIZE, failure);
    }
    if (status == STATUS_OK) status = disk_sync(tree->disk, file, failure);
    if (status != STATUS_OK) return failure_wrap(failure, "the tree of outcomes");
    atomic_store_explicit(&tree->written, first + count, memory_order_release);
    return STATUS_OK;
}

enum status outcome_tree_write(struct outcome_tree *tree, u64 row_end, struct failure *failure)
{
    const u64 full = outcome_tree_size(tree) / OUTCOME_PAGE_LEAVES;
    u64 next = atomic_load(&tree->written);
    u64 end = next;
    while (end < full && slot(tree, end)->leaves[OUTCOME_PAGE_LEAVES - 1].end_row <= row_end) end++;
    while (next < end) {
        const u64 in_file = OUTCOME_TREE_FILE_PAGES - next % OUTCOME_TREE_FILE_PAGES;
        const u64 in_ring = OUTCOME_TREE_RING - next % OUTCOME_TREE_RING;
        const u64 count = MIN(MIN(in_file, in_ring), end - next);
        enum status status = pages_write(tree, next, count, failure);
        if (status != STATUS_OK) return status;
        memory_decommit(slot(tree, next), count * PAGE_SIZE);
        next += count;
    }
    return STATUS_OK;
}

// --- reading -------------------------------------------------------------------------------------

static enum status page_read(struct outcome_tree *tree, u64 number, struct outcome_page *out,
                             struct failure *failure)
{
    const u64 file = number / OUTCOME_TREE_FILE_PAGES;
    const u64 offset = number % OUTCOME_TREE_FILE_PAGES * PAGE_SIZE;
    disk_handle handle = -1;
    char name[DISK_NAME_SIZE_MAX];
    outcome_tree_file_name(file, name);
    enum status status = file_open(tree, file, false, &handle, failure);
    if (status == STATUS_OK) {
        status = disk_read(tree->disk, handle, offset, out, sizeof *out, failure);
    }
    if (status != STATUS_OK) return failure_wrap(failure, "the tree of outcomes: %s", name);
    if (outcome_page_holds(out, number)) return STATUS_OK;
    (void)failure_set(failure, STATUS_CORRUPT, "the tree of outcomes: %s, offset %llu is damaged",
                      name, (unsigned long long)offset);
    failure_hint(failure, HISTORY_DAMAGE_HINT);
    return STATUS_CORRUPT;
}

// The first `count` leaves of a page, all of them below the tree's size, and its nodes when those
// are all.
static enum status page_load(struct outcome_tree *tree, u64 number, u64 count,
                             struct outcome_page *out, struct failure *failure)
{
    if (number >= atomic_load_explicit(&tree->written, memory_order_acquire)) {
        const struct outcome_page *from = slot(tree, number);
        out->first_row = from->first_row;
        memcpy(out->leaves, from->leaves, count * sizeof *out->leaves);
        if (count == OUTCOME_PAGE_LEAVES) memcpy(out->nodes, from->nodes, sizeof out->nodes);
        // A page that was written meanwhile may have left the ring.
        atomic_thread_fence(memory_order_acquire);
        if (number >= atomic_load_explicit(&tree->written, memory_order_acquire)) return STATUS_OK;
    }
    return page_read(tree, number, out, failure);
}

// The root of the complete subtree of 2^level leaves that begins with leaf index * 2^level.
static enum status node_load(struct outcome_tree *tree, u32 level, u64 index, struct digest *out,
                             struct failure *failure)
{
    struct outcome_page page;
    const u64 end = (index + 1) << level;
    const u64 number = (end - 1) / OUTCOME_PAGE_LEAVES;
    const u64 count = (end - 1) % OUTCOME_PAGE_LEAVES + 1;
    enum status status = page_load(tree, number, count, &page, failure);
    if (status != STATUS_OK) return status;
    if (level >= OUTCOME_PAGE_LEVEL) {
        *out = page.nodes[level - OUTCOME_PAGE_LEVEL];
        return STATUS_OK;
    }
    struct digest leaves[OUTCOME_PAGE_LEAVES];
    const u64 width = 1ull << level;
    for (u64 i = 0; i < width; i++) leaves[i] = page.leaves[count - width + i].root;
    merkle_root(leaves, width, out);
    return STATUS_OK;
}

// The root over the leaves from `start` to `end`, where `start` is a multiple of the smallest power
// of two that is not less than their number: as all subtrees of a tree are.
static enum status range_root(struct outcome_tree *tree, u64 start, u64 end, struct digest *out,
                              struct failure *failure)
{
    assert(start < end);
    // Larger complete subtrees lie to the left of smaller ones.
    struct merkle_range range = {.count = end - start};
    u64 at = start;
    for (u32 level = 63; level < 64; level--) {
        if ((range.count >> level & 1) == 0) continue;
        enum status status = node_load(tree, level, at >> level, &range.peaks[level], failure);
        if (status != STATUS_OK) return status;
        at += 1ull << level;
    }
    merkle_range_root(&range, out);
    return STATUS_OK;
}

// The largest power of two smaller than `count`, which is at least 2.
static u64 left_size(u64 count)
{
    return 1ull << (63 - __builtin_clzll(count - 1));
}

static void reverse(struct digest *digests, u32 count)
{
    for (u32 i = 0; i < count / 2; i++) {
        const struct digest last = digests[count - 1 - i];
        digests[count - 1 - i] = digests[i];
        digests[i] = last;
    }
}

enum status outcome_tree_leaf(struct outcome_tree *tree, u64 index, struct outcome_leaf *out,
                              u64 *first_row, struct failure *failure)
{
    assert(index < outcome_tree_size(tree));
    struct outcome_page page;
    const u64 place = index % OUTCOME_PAGE_LEAVES;
    enum status status = page_load(tree, index / OUTCOME_PAGE_LEAVES, place + 1, &page, failure);
    if (status != STATUS_OK) return status;
    *out = page.leaves[place];
    // NOLINTNEXTLINE: the page has as many leaves as were asked for.
    *first_row = place == 0 ? page.first_row : page.leaves[place - 1].end_row;
    return STATUS_OK;
}

enum status outcome_tree_size_at(struct outcome_tree *tree, u64 row_end, u64 *out,
                                 struct failure *failure)
{
    u64 low = 0;
    u64 high = outcome_tree_size(tree);
    while (low < high) {
        const u64 middle = low + (high - low) / 2;
        struct outcome_leaf leaf;
        u64 first_row = 0;
        enum status status = outcome_tree_leaf(tree, middle, &leaf, &first_row, failure);
        if (status != STATUS_OK) return status;
        if (leaf.end_row <= row_end) low = middle + 1;
        else high = middle;
    }
    *out = low;
    return STATUS_OK;
}

enum status outcome_tree_root(struct outcome_tree *tree, u64 size, struct digest *out,
                              struct failure *failure)
{
    assert(size <= outcome_tree_size(tree));
    if (size > 0) return range_root(tree, 0, size, out, failure);
    sha256(NULL, 0, out);
    return STATUS_OK;
}

enum status outcome_tree_path(struct outcome_tree *tree, u64 index, u64 size,
                              struct digest path[OUTCOME_PATH_MAX], u32 *count,
                              struct failure *failure)
{
    assert(index < size && size <= outcome_tree_size(tree));
    u64 start = 0;
    u64 end = size;
    *count = 0;
    while (end - start > 1) {
        const u64 middle = start + left_size(end - start);
        const bool is_left = index < middle;
        assert(*count < OUTCOME_PATH_MAX);
        enum status status = is_left ? range_root(tree, middle, end, &path[*count], failure)
                                     : range_root(tree, start, middle, &path[*count], failure);
        if (status != STATUS_OK) return status;
        ++*count;
        if (is_left) end = middle;
        else start = middle;
    }
    reverse(path, *count);
    return STATUS_OK;
}

enum status outcome_tree_growth(struct outcome_tree *tree, u64 from, u64 to,
                                struct digest path[OUTCOME_GROWTH_MAX], u32 *count,
                                struct failure *failure)
{
    assert(from <= to && to <= outcome_tree_size(tree));
    *count = 0;
    if (from == 0) return STATUS_OK;
    u64 start = 0;
    u64 end = to;
    // Who checks it knows the root of the old tree, which is left out where it is a subtree of the
    // new one.
    bool is_known = true;
    while (from != end) {
        const u64 middle = start + left_size(end - start);
        const bool is_left = from <= middle;
        assert(*count < OUTCOME_PATH_MAX);
        enum status status = is_left ? range_root(tree, middle, end, &path[*count], failure)
                                     : range_root(tree, start, middle, &path[*count], failure);
        if (status != STATUS_OK) return status;
        ++*count;
        if (is_left) {
            end = middle;
        } else {
            start = middle;
            is_known = false;
        }
    }
    if (!is_known) {
        enum status status = range_root(tree, start, end, &path[(*count)++], failure);
        if (status != STATUS_OK) return status;
    }
    reverse(path, *count);
    return STATUS_OK;
}
