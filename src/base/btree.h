// SPDX-License-Identifier: Apache-2.0
//
// A B+tree: the rows of a table in an order that the caller gives them, for ranges and neighbours.
//
// It holds 32-bit rows and no keys of its own: a row stands where the content of its record puts
// it. Beside each row lies its record's *head*, a number of 64 bits that rises with the order, so
// that a search reads records only where heads are equal. An integer key of up to 64 bits (day and
// row, account and month) is its own head, and searching it reads the tree alone; of a path the
// head is its first eight bytes, and the whole of it need not be copied. Rows whose records are
// equal stand in the order of their numbers.
//
// The memory is reserved at once and touched as it is needed; nothing is allocated and nothing
// moves. The order of what is in depends on the set of rows alone, the shape of the nodes on the
// sequence of inserts and removes too; nobody sees it, and a tree is made anew from its table at a
// start.
//
//   T1 Entries rise through a node, and from node to node of a level.
//   T2 An inner node's entry is the first entry of its child, as it is now.
//   T3 A node is at least half full, but for the last one of its level, which has one entry at
//      least (the root may be an empty leaf).
//   T4 All leaves have the same depth.
//
// Not safe for a reader beside a writer.
//
// Cost. 12 bytes an entry in a leaf of 512: 13 bytes a row after ascending inserts, about 19 after
// random ones, 27 at most, inner nodes included. A search of n rows passes log(n) / log(20) nodes,
// two or three cache lines of each (the upper ones are near: among a million rows two misses are
// left), and one record's line more for each entry with the head that is looked for, binary:
// among a million paths that begin alike some twenty. Among a million random numbers a look-up is
// 0.2 us (a binary search in a sorted array 0.17, the keyed hash 0.04), an insert 0.14 us, an
// ascending one 0.04, a step to the next entry 0.01.
#ifndef TAEL_BASE_BTREE_H
#define TAEL_BASE_BTREE_H

#include "base/base.h"

#define BTREE_ROW_NONE   U32_MAX
#define BTREE_ROW_MAX    (U32_MAX - 2)
#define BTREE_LEVELS_MAX 10u

// How records are ordered.
struct btree_order {
    // A number that is never smaller for a later record.
    u64 (*head)(const void *record);
    // Below, above or 0, of records whose heads are equal. NULL: then the records are equal.
    int (*compare)(const void *a, const void *b);
};

struct btree {
    const struct btree_order *order;
    const u8 *records; // The table's memory, which must not move.
    u64 record_size;
    u8 *nodes;
    u64 node_max;
    u32 node_count; // Ever used; the first is 1.
    u32 node_free;  // The first of those given back; 0 none.
    u32 root;
    u32 height; // Levels: 1 is a leaf alone.
    u64 count;  // Rows in it.
};

// A place between entries: before entry `index` of a leaf; node 0 is the end. Invalid after any
// insert or remove.
struct btree_cursor {
    u32 node;
    u32 index;
};

// Makes an empty tree for rows below `row_max` of the records of `record_size` bytes at `records`.
// STATUS_FULL when there is no address space; then nothing is held.
MUST_USE enum status btree_init(struct btree *tree, const struct btree_order *order,
                                const void *records, u64 record_size, u64 row_max,
                                struct failure *failure);
// Gives the memory back. A tree of zeroes may be freed.
void btree_free(struct btree *tree);

// Puts a row in, or takes it out. Its record is as it is to be found, and is left so as long as the
// row is in. A row that is in must not be put in again, nor one taken out that is not in
// (asserted as far as it is seen).
void btree_insert(struct btree *tree, u32 row);
void btree_remove(struct btree *tree, u32 row);

// The place before the first entry that is not below `probe`, a record of which only what the
// order looks at is read; before the first one above it; before the first of all; the end.
struct btree_cursor btree_lower(const struct btree *tree, const void *probe);
struct btree_cursor btree_upper(const struct btree *tree, const void *probe);
struct btree_cursor btree_first(const struct btree *tree);
struct btree_cursor btree_end(void);
// The first row whose record equals `probe`, or BTREE_ROW_NONE.
u32 btree_find(const struct btree *tree, const void *probe);

// The row behind the cursor, or BTREE_ROW_NONE at the end.
u32 btree_row(const struct btree *tree, struct btree_cursor cursor);
// Moves over the entry behind the cursor; at the end there is none, and it stays.
void btree_next(const struct btree *tree, struct btree_cursor *cursor);
// Moves over the entry before the cursor. False when there is none.
bool btree_previous(const struct btree *tree, struct btree_cursor *cursor);
static inline bool btree_cursor_equal(struct btree_cursor a, struct btree_cursor b)
{
    return a.node == b.node && a.index == b.index;
}
// The rows from the cursor to the end of its leaf, in order, and how many: for walking over many
// while records are fetched ahead. None at the end.
const u32 *btree_run(const struct btree *tree, struct btree_cursor cursor, u32 *count);

// Asserts T1 to T4. Walks every node and compares every record.
void btree_check(const struct btree *tree);

#endif
