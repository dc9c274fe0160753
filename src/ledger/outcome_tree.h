// SPDX-License-Identifier: Apache-2.0
//
// The tree over all outcomes (L5): the roots of frames, each of them the root over the rows of one
// frame, as the leaves of one Merkle tree that grows for ever (RFC 9162, section 2.1).
//
// Kept are the leaves, in pages of 64, and in each page every larger complete subtree that ends
// with it. A subtree of 2^k leaves, k at least 6, ends with one page and is found in it, so a path
// of a proof reads one page a level and hashes 63 nodes at most at each end of the page.
//
// Guarantees
//   O1 A page in its file is full, checksummed and never changed.
//   O2 Every file here is a function of the log and can be made anew from it.
//   O3 A reader sees every leaf below a size that outcome_tree_size gave, whatever is written
//      meanwhile.
// Costs: 64 bytes a frame that has rows, on disk; in memory the pages that are not written yet.
//
// Threads: one appends, in order of frames; one writes; any number read.
#ifndef TAEL_LEDGER_OUTCOME_TREE_H
#define TAEL_LEDGER_OUTCOME_TREE_H

#include "base/sha256.h"
#include "os/disk.h"

#include <stdatomic.h>

#define OUTCOME_PAGE_LEVEL      6u
#define OUTCOME_PAGE_LEAVES     (1u << OUTCOME_PAGE_LEVEL)
#define OUTCOME_PAGE_NODES      30u
#define OUTCOME_TREE_MAGIC      0x454552544c454154ull // "TAELTREE"
#define OUTCOME_TREE_PREFIX     "tree-"               // Of a file's name.
#define OUTCOME_TREE_FILE_PAGES 65536u
#define OUTCOME_TREE_FILES_MAX  4096u
#define OUTCOME_TREE_LEAVES_MAX \
    ((u64)OUTCOME_TREE_FILES_MAX * OUTCOME_TREE_FILE_PAGES * OUTCOME_PAGE_LEAVES)
// Pages in memory: more than can wait to be written, one row a frame (history.h).
#define OUTCOME_TREE_RING (1u << 17)
// Digests of the longest path: the log has fewer than 2^36 frames (docs/FORMAT.md, section 1).
#define OUTCOME_PATH_MAX   (OUTCOME_PAGE_LEVEL + OUTCOME_PAGE_NODES)
#define OUTCOME_GROWTH_MAX (OUTCOME_PATH_MAX + 1) // Of a consistency proof.

// One frame that has rows.
struct outcome_leaf {
    struct digest root; // Over its rows.
    u64 end_row;        // Behind its last row. Its first is where the leaf before ends, or behind
                        // the padding there.
    u64 place;          // Of the frame in the log.
};
static_assert(sizeof(struct outcome_leaf) == 48, "no padding");

struct outcome_page {
    u8 checksum[16]; // Over the rest.
    u64 magic;
    u64 number;
    u64 first_row; // Where the leaf before the first one ends.
    u8 reserved[24];
    struct digest nodes[OUTCOME_PAGE_NODES]; // [i]: of 2^(6+i) leaves that end here; else zero.
    struct outcome_leaf leaves[OUTCOME_PAGE_LEAVES];
};
static_assert(sizeof(struct outcome_page) == PAGE_SIZE, "one page");

// Whether a page that was read is that page, as it was written.
bool outcome_page_holds(const struct outcome_page *page, u64 number);

// The right edge of the tree: what is needed to let it grow. All zero is the edge of an empty one.
struct outcome_edge {
    struct merkle_range range;
    u64 page_row;             // Where the leaf before the first one of the open page ends.
    struct outcome_page open; // Its first range.count % 64 leaves mean something.
};

// Appends a leaf. True when that makes the open page a full one: it is sealed, and stays in `open`
// until the next leaf begins another.
bool outcome_edge_append(struct outcome_edge *edge, const struct outcome_leaf *leaf);

struct outcome_tree {
    struct disk *disk;
    struct outcome_page *ring; // Pages that are not in their files yet, by number.
    _Atomic u64 size;          // Leaves.
    _Atomic u64 written;       // Pages below are in their files.
    _Atomic disk_handle files[OUTCOME_TREE_FILES_MAX]; // Plus one; 0: not open.
};

// An empty tree. STATUS_FULL when there is no address space.
MUST_USE enum status outcome_tree_init(struct outcome_tree *tree, struct disk *disk,
                                       struct failure *failure);
void outcome_tree_free(struct outcome_tree *tree);
// Begins with what a checkpoint knows; nothing was appended yet. Full pages are in their files.
void outcome_tree_start(struct outcome_tree *tree, const struct outcome_edge *edge);
// Takes the leaf that was just appended to the edge.
void outcome_tree_grow(struct outcome_tree *tree, const struct outcome_edge *edge);
// Makes all full pages durable whose rows lie below `row_end`. One thread. STATUS_FULL leaves it to
// be tried again.
MUST_USE enum status outcome_tree_write(struct outcome_tree *tree, u64 row_end,
                                        struct failure *failure);

// The name of a file of OUTCOME_TREE_FILE_PAGES pages.
void outcome_tree_file_name(u64 file, char out[DISK_NAME_SIZE_MAX]);

// --- reading, any thread -------------------------------------------------------------------------

// How many leaves there are; it only grows.
static inline u64 outcome_tree_size(const struct outcome_tree *tree)
{
    return atomic_load_explicit(&tree->size, memory_order_acquire);
}
// A leaf, and where the one before it ends. `index` is below the size.
MUST_USE enum status outcome_tree_leaf(struct outcome_tree *tree, u64 index,
                                       struct outcome_leaf *out, u64 *first_row,
                                       struct failure *failure);
// How many leaves end at or below a row.
MUST_USE enum status outcome_tree_size_at(struct outcome_tree *tree, u64 row_end, u64 *out,
                                          struct failure *failure);
// The root over the first `size` leaves; of none SHA-256 of nothing.
MUST_USE enum status outcome_tree_root(struct outcome_tree *tree, u64 size, struct digest *out,
                                       struct failure *failure);
// The inclusion proof of a leaf in the tree of the first `size` (RFC 9162, section 2.1.3.1), from
// the leaf's sibling to the root's child. `index` < `size`.
MUST_USE enum status outcome_tree_path(struct outcome_tree *tree, u64 index, u64 size,
                                       struct digest path[OUTCOME_PATH_MAX], u32 *count,
                                       struct failure *failure);
// The consistency proof between the trees of the first `from` and of the first `to` leaves (section
// 2.1.4.1): empty when they are equal or `from` is 0. `from` <= `to`.
MUST_USE enum status outcome_tree_growth(struct outcome_tree *tree, u64 from, u64 to,
                                         struct digest path[OUTCOME_GROWTH_MAX], u32 *count,
                                         struct failure *failure);

#endif
