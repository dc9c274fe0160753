// SPDX-License-Identifier: Apache-2.0
//
// What proves a row of history: its place in its frame, and the frame's in the tree over all
// outcomes (RFC 9162, section 2.1.3; docs/PROOFS.md).
//
// Any thread, over a view (history_query.h). Cost: the rows of one frame are read and hashed, and
// at most forty pages of the tree are read.
#ifndef TAEL_LEDGER_HISTORY_PROOF_H
#define TAEL_LEDGER_HISTORY_PROOF_H

#include "ledger/history_query.h"

#define HISTORY_ROW_PATH_MAX 20u
static_assert(HISTORY_FRAME_ROWS_MAX <= 1u << HISTORY_ROW_PATH_MAX, "a path in a frame");

struct history_inclusion {
    struct outcome outcome; // Its first OUTCOME_LEAF_SIZE bytes are what is proved.
    u32 row_index;          // Among the rows of its frame, from 0.
    u32 row_count;
    u32 row_path_count;
    struct digest row_path[HISTORY_ROW_PATH_MAX];
    u64 leaf; // The frame among those that have rows, from 0.
    u32 leaf_path_count;
    struct digest leaf_path[OUTCOME_PATH_MAX];
};

// How many leaves the tree has up to the view's last row.
MUST_USE enum status history_tree_size(const struct history_view *view, u64 *out,
                                       struct failure *failure);
// The leaf of the frame that has a row below the view's last one.
MUST_USE enum status history_tree_leaf(const struct history_view *view, u64 row, u64 *leaf,
                                       struct failure *failure);
// Proves a row in the tree of the first `size` leaves, among which its frame must be, and which are
// no more than the view's. STATUS_CORRUPT when tree and rows contradict each other.
MUST_USE enum status history_include(const struct history_view *view, u64 row, u64 size,
                                     struct history_inclusion *out, struct failure *failure);
// The row of history in which an account was made, plus one; 0 when it is not among those of the
// view.
MUST_USE enum status history_account_made(const struct history_view *view, u32 account_row,
                                          u64 *row, struct failure *failure);

#endif
