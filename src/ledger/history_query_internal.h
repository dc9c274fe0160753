// SPDX-License-Identifier: Apache-2.0
//
// What the questions share: scratch memory, selections, transfers of rows, balances as they were.
// Private to:
//
//   history_query.c      transfers and accounts
//   history_selection.c  the walk over segments; chunks of rows, read ahead
//   history_transfer.c   the transfer of a row, whole
//   history_balance.c    balances as they were
//   history_past.c       balances and statements at any past row, time or effective day
//   history_changes.c    change events
#ifndef TAEL_LEDGER_HISTORY_QUERY_INTERNAL_H
#define TAEL_LEDGER_HISTORY_QUERY_INTERNAL_H

#include "ledger/history_cursor.h"
#include "ledger/history_query.h"

#define CURSORS_MAX 8u
#define CHUNK_ROWS  1024u
// Rows this far apart are worth the look for a snapshot between them.
#define SNAPSHOT_SEARCH_ROWS 8192u

// At least twice the accounts of an answer.
#define STATES_COUNT 16384u

// The conditions of a query: lists that must be joined, and what the record must say.
struct condition {
    enum history_section section;
    u32 key;
    bool or_next; // This condition or the next one.
};

struct selection {
    struct condition conditions[CURSORS_MAX];
    u32 condition_count;
    bool reversed;
    enum history_order order; // By which times bound the rows; ORDER_COUNT: judged one by one.
    u64 timestamp_min;
    u64 timestamp_max;
    // Where the walk stands. The join runs in the segment that has the next row.
    bool begun;
    u64 next;      // The next row; backwards, one past it.
    u64 set_open;  // Number of the set that the join's segment is of; 0: none is open.
    u64 first_row; // Of the join's segment; what is below end_row of it is seen.
    u64 end_row;
    struct history_join join;
    bool ended;   // There are no more rows.
    u64 work;     // Rows and leaps so far,
    u64 work_max; // and after how many it stops for others to have their turn; 0: never.
};

// A row that is part of an answer of change events.
struct event_row {
    u64 row;
    struct outcome outcome;
};

// The transfers, or the expiries, of a period, a chunk at a time.
struct event_stream {
    struct selection selection;
    struct event_row events[CHUNK_ROWS];
    u32 count;
    u32 at;
};

struct history_query {
    struct history_cursor cursors[CURSORS_MAX];
    u32 *matches[CURSORS_MAX];
    u64 rows[CHUNK_ROWS];
    struct outcome outcomes[CHUNK_ROWS];
    // What is in memory is just read. Once anything had to be waited for, the question is cold: the
    // reads of a chunk are then all started before the first is waited for, so that it costs a few
    // turns of the device and not one a row.
    bool cold;
    u64 major_faults; // Of this thread when the question began.
    struct event_stream streams[ORDER_COUNT];
    struct event_row events[LEDGER_CHANGE_EVENTS_MAX];
    // Balances on the way, of the accounts of an answer of change events: open addressing by row.
    struct account_state *states;
};

// --- selections (history_selection.c) ---

// Asks for rows with this key in a section; with `or_next`, in it or in that of the next condition.
void history_condition_add(struct selection *selection, enum history_section section, u32 key,
                           bool or_next);
// The same by value; 0 asks for nothing.
void history_condition_add_value(struct selection *selection, const struct history *history,
                                 enum history_section section, u128 value);
// Bounds the selection to a period, both ends included, in ns; 0 leaves an end open.
void history_selection_period(struct selection *selection, u64 min, u64 max);
static inline bool in_period(const struct selection *selection, u64 timestamp)
{
    return timestamp >= selection->timestamp_min && timestamp <= selection->timestamp_max;
}
// Goes on where the last turn ended, or begins; `turn` may be NULL. Returns what was found already.
u32 history_selection_turn_begin(struct selection *selection, const struct history_turn *turn);
// Keeps where the selection stands. `whole` when the answer has all that it may.
void history_selection_turn_end(const struct selection *selection, struct history_turn *turn,
                                u32 found, bool whole);
// Fills the chunk, `query->rows`, with the next rows that may match, `limit` at most. `*count` is 0
// at the end of the rows or of the turn.
MUST_USE enum status history_selection_next(struct history_query *query, struct history_view *view,
                                            struct selection *selection, u32 limit, u32 *count,
                                            struct failure *failure);
// Begins a question: nothing had to be waited for yet.
void history_temperature_begin(struct history_query *query);
// Loads the outcome of each of the `count` rows of the chunk.
MUST_USE enum status history_chunk_load(struct history_query *query,
                                        const struct history_view *view, u32 count,
                                        struct failure *failure);
// Keeps the rows of the chunk that are transfers of the period; returns how many.
u32 history_chunk_keep(struct history_query *query, const struct selection *selection, u32 count);
// Called before the request of row `index` of the chunk is read: brings those behind it nearer.
// `*advised` is false at first and kept from call to call.
void history_chunk_requests_ahead(struct history_query *query, const struct history_view *view,
                                  u32 index, u32 count, bool *advised);

// Whether a row of what was done is the view's business: by the class of its (debit) account.
static inline bool history_view_sees(const struct history_view *view, const struct outcome *outcome)
{
    return view->sees_modules || account_class(&view->accounts[outcome->debit_row]) == 0;
}

// --- transfers (history_transfer.c, history_query.c) ---

// The pending transfer that a post, a void or an expiry in `row` refers to: its row and outcome.
MUST_USE enum status history_pending(const struct history_view *view, u64 row,
                                     const struct outcome *outcome, u128 pending_id, u64 *out_row,
                                     struct outcome *out, struct failure *failure);
// Reads the request of a row that took effect from the log, which must hold that transfer there:
// STATUS_CORRUPT when it says anything else than the row. User data, and the timeout of a pending
// transfer, are in no row.
MUST_USE enum status history_request_read(const struct history_view *view, u64 row,
                                          const struct outcome *outcome, struct transfer *out,
                                          struct failure *failure);
// What the records of a selection must say, beyond the keys of the lists. 0: anything.
struct wanted {
    u128 user_data_128;
    u64 user_data_64;
    u32 user_data_32;
    u32 ledger;
    u16 code;
};
// The transfers of an account as its filter asks for them, and what they must say.
struct selection history_account_selection(const struct history_view *view,
                                           const struct account_filter *filter, u32 account_row);
struct wanted history_account_wanted(const struct account_filter *filter);
// Collects whole transfers, with `rows` the row of each in place of its id, behind the `*out_count`
// that are there, until the limit or the end of the turn.
MUST_USE enum status
history_transfers_collect(struct history_query *query, struct history_view *view,
                          struct selection *selection, const struct wanted *wanted, bool rows,
                          u32 limit, struct transfer *out, u32 *out_count, struct failure *failure);

// --- balances as they were (history_balance.c) ---

// Applies one posting to the state of one of its accounts.
MUST_USE enum status history_account_state_apply(const struct history_view *view,
                                                 struct account_state *state, u64 row,
                                                 const struct outcome *outcome, bool debit,
                                                 struct failure *failure);
// The state of an account right after row `row`.
MUST_USE enum status history_account_state_at(struct history_query *query,
                                              const struct history_view *view, u32 account_row,
                                              u64 row, struct account_state *state,
                                              struct failure *failure);

#endif
