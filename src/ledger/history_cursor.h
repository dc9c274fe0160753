// SPDX-License-Identifier: Apache-2.0
//
// Sorted lists of rows as cursors: one condition of a query in one segment, sealed or live,
// forwards or backwards. Used by history_selection.c and history_balance.c only.
//
// A cursor yields *values*: the row itself when it runs forwards and its complement when it runs
// backwards, so that every algorithm above sees ascending numbers.
#ifndef TAEL_LEDGER_HISTORY_CURSOR_H
#define TAEL_LEDGER_HISTORY_CURSOR_H

#include "ledger/history_file.h"

struct history_cursor {
    struct history *history;
    const struct history_segment *segment;
    enum history_section section;
    bool reversed;
    const u32 *matches; // Of a live segment: the rows, ascending. NULL for a sealed one.
    u64 low;            // Of a sealed segment: the first entry.
    u64 count;
    u64 position;    // The next value's; count when there is none.
    u64 page_loaded; // Plus one.
    struct history_index_page page;
};

// Opens a cursor over the rows with `key`. `matches` is scratch for HISTORY_LIVE_ROWS_MAX rows,
// used when the segment is live; rows from `row_end` on are left out.
MUST_USE enum status history_cursor_open(struct history_cursor *cursor, struct history *history,
                                         const struct history_segment *segment,
                                         enum history_section section, u32 key, bool reversed,
                                         u64 row_end, u32 *matches, struct failure *failure);
// Moves to the first value that is at least `target`; never back. `*done` when there is none.
MUST_USE enum status history_cursor_seek(struct history_cursor *cursor, u32 target, u32 *value,
                                         bool *done, struct failure *failure);

// The conditions of one query in one segment: all groups must hold; a group holds when one of its
// (at most two) cursors does.
#define HISTORY_GROUPS_MAX 7u
struct history_group {
    struct history_cursor *cursors[2];
    u32 count;
};

struct history_join {
    struct history_group groups[HISTORY_GROUPS_MAX];
    u32 count;
    u32 next;  // The next value asked for.
    u32 limit; // The first value past the range.
    bool done;
};

// Sets the range of rows within the segment, [low, high); then groups are added by the caller.
void history_join_range(struct history_join *join, bool reversed, u64 low, u64 high);
// Leaps after which a join stops for a moment: milliseconds when each one waits for the device.
#define HISTORY_JOIN_LEAPS_MAX 64u
// The next row within the segment for which every group holds. `*found` is false at the end, when
// the join is done, and after so many leaps on a long way to the next row.
MUST_USE enum status history_join_next(struct history_join *join, bool reversed, u32 *row,
                                       bool *found, struct failure *failure);

#endif
