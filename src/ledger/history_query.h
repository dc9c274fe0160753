// SPDX-License-Identifier: Apache-2.0
//
// Questions to history: rows by what they say, transfers whole, balances at a past moment.
//
// A query walks the segments in order of rows. In each it intersects the sorted lists of its
// conditions by leaping from one to the next, so it reads in proportion to the shortest list, and
// stops at its limit. Keys are hashes of 32 bits: the record decides. Reads that would wait for the
// device are all started before the first is waited for.
//
// Threads: any, each with its own `struct history_query`; nothing here stops the machine. Only rows
// below `row_end`, which the caller makes sure are durable and indexed, are seen. What is held of
// history is renewed on the way: the memory of a live segment that was sealed meanwhile goes back
// to what comes in, however long the question takes.
#ifndef TAEL_LEDGER_HISTORY_QUERY_H
#define TAEL_LEDGER_HISTORY_QUERY_H

#include "ledger/history.h"

struct history_query; // Scratch memory, some tens of MiB of address space.

// One question at a time uses it. STATUS_FULL when there is no address space.
MUST_USE enum status history_query_new(struct history_query **out, struct failure *failure);
void history_query_free(struct history_query *query);

// What a reader needs to know of accounts. `accounts` may be written meanwhile; only what never
// changes (id, ledger, code, user_data, timestamp, flags but `closed`) is read.
struct history_view {
    struct history *history;
    struct history_set *set;
    const struct account *accounts;
    u64 row_end;
    bool sees_modules; // Accounts of modules, too, and what was posted to them; else only raw ones.
};

// A view of the segments as they are now; closing it lets go of them. Those of `accounts` that rows
// below `row_end` name stay where they are meanwhile.
struct history_view history_view_open(struct history *history, const struct account *accounts,
                                      u64 row_end);
void history_view_close(struct history_view *view);
// Holds the segments as they are now and no longer those of before. The rows are the same.
void history_view_renew(struct history_view *view);

// Where a question that takes long stands when others are to have their turn. All zero before the
// first turn; while `more` is set after one, the question is asked again, with the same arguments,
// and goes on. An answer that is asked for without one (NULL) is made in one go.
struct history_turn {
    bool more;
    u32 found; // In the answer already.
    bool begun;
    u64 next; // As of struct selection.
};

// What a posting of a module refers to; zero when nothing.
MUST_USE enum status history_references_read(const struct history_view *view,
                                             const struct outcome *outcome,
                                             struct posting_references *out,
                                             struct failure *failure);
// The final form of the transfer of a row: its request from the log with amount, timestamp and
// inherited fields as they became. The row must be a created transfer.
MUST_USE enum status history_transfer(const struct history_view *view, u64 row,
                                      const struct outcome *outcome, struct transfer *out,
                                      struct failure *failure);
// The transfer that a row tells of, in its final form; of an expiry, the pending transfer. What
// posts, voids or expires one: `*held_row` is the row of the pending transfer, and `*released` its
// amount, all of which the hold gives back; else U64_MAX and 0. The row must be a created transfer
// or an expiry.
MUST_USE enum status history_change(const struct history_view *view, u64 row,
                                    const struct outcome *outcome, struct transfer *out,
                                    u64 *held_row, u128 *released, struct failure *failure);
// Transfers by id; an id that is not found is passed over. `out` has room for `count`.
MUST_USE enum status history_lookup_transfers(struct history_view *view, const u128 *ids, u32 count,
                                              struct transfer *out, u32 *out_count,
                                              struct failure *failure);
// Transfers of an account (row `account_row`; U32_MAX when there is none). The filter must be
// valid.
MUST_USE enum status history_account_transfers(struct history_query *query,
                                               struct history_view *view,
                                               const struct account_filter *filter, u32 account_row,
                                               u32 limit, struct transfer *out, u32 *out_count,
                                               struct history_turn *turn, struct failure *failure);
// Balances of an account after each of the transfers that history_account_transfers selects.
MUST_USE enum status history_account_balances(struct history_query *query,
                                              struct history_view *view,
                                              const struct account_filter *filter, u32 account_row,
                                              u32 limit, struct account_balance *out,
                                              u32 *out_count, struct history_turn *turn,
                                              struct failure *failure);
MUST_USE enum status history_query_transfers(struct history_query *query, struct history_view *view,
                                             const struct query_filter *filter, u32 limit,
                                             struct transfer *out, u32 *out_count,
                                             struct history_turn *turn, struct failure *failure);
// Rows of accounts, in order of creation; balances are the machine's to fill in.
MUST_USE enum status history_query_accounts(struct history_query *query, struct history_view *view,
                                            const struct query_filter *filter, u32 limit,
                                            u32 *out_rows, u32 *out_count,
                                            struct history_turn *turn, struct failure *failure);
MUST_USE enum status history_change_events(struct history_query *query, struct history_view *view,
                                           const struct change_events_filter *filter, u32 limit,
                                           struct change_event *out, u32 *out_count,
                                           struct failure *failure);

// --- the past (history_past.c) ---

// The balances of an account at some moment.
struct account_state {
    u32 account_row_plus_one;
    bool closed;
    u128 debits_pending;
    u128 debits_posted;
    u128 credits_pending;
    u128 credits_posted;
};

// The row behind the last transfer or expiry at or before `timestamp`, or 0: what had happened by
// then. An imported transfer counts by the time that it was given.
MUST_USE enum status history_row_by_time(const struct history_view *view, u64 timestamp,
                                         u64 *row_end, struct failure *failure);

// Which postings count: all below a row, and behind it those dated back.
struct history_moment {
    u64 row_end;
    u64 dated_end; // Of rows from row_end on, below this one, the postings with an effective day
    i32 day;       // up to this one, and of this very day
    u64 day_row;   // those up to this row.
};
// Every posting below a row and no other.
static inline struct history_moment history_moment_of(u64 row_end)
{
    return (struct history_moment){.row_end = row_end, .dated_end = row_end};
}
// The balances of an account at a moment.
MUST_USE enum status history_state_at(struct history_query *query, struct history_view *view,
                                      u32 account_row, const struct history_moment *moment,
                                      struct account_state *out, struct failure *failure);

// The sum of transfers, on the way.
struct history_sum {
    u64 next;    // The row to go on from; 0 at the beginning.
    u128 amount; // One that would pass 2^128-1 stays there.
    u64 count;
    bool ended;
};
// Adds the single and posted transfers that a valid filter selects, forwards, looking at some more
// than `rows_max` rows at most. Of the filter `limit` and `flags` do not matter.
MUST_USE enum status history_sum_transfers(struct history_query *query, struct history_view *view,
                                           const struct query_filter *filter, u32 rows_max,
                                           struct history_sum *sum, struct failure *failure);

// A page of transfers: their rows.
struct history_page {
    u64 next;   // The row to go on from; 0 at the beginning.
    u32 limit;  // Room for so many rows.
    u32 count;  // Out.
    u64 *rows;  // Out.
    bool ended; // Out: there are no more. A page may be empty before.
};
// The rows of the transfers that a valid filter selects, forwards. Of the filter `limit` and
// `flags` do not matter.
MUST_USE enum status history_page_transfers(struct history_query *query, struct history_view *view,
                                            const struct query_filter *filter,
                                            struct history_page *page, struct failure *failure);

// What changed an account, and how it was then.
struct history_line {
    u64 row;
    i32 day; // Effective; 0 when it is not known.
    bool is_debit;
    struct outcome outcome;   // Of an expiry and of a void, `amount` is what was held.
    u128 id;                  // The entry's, the transfer's.
    struct transfer transfer; // What it refers to, as user data.
    struct account_state after;
};

// A business day that was closed: rows from the one before it up to row_end are of it.
struct history_day {
    u64 row_end;
    i32 day;
    u32 reserved;
};

// A statement on the way: the lines of one account in order of rows, or of effective days and then
// of rows. Made by the caller, who keeps `at` from page to page.
struct history_statement {
    u32 account_row;
    bool by_day;
    const struct history_day *days; // In order; rows behind the last one are of the open day.
    u32 day_count;
    i32 open_day; // 0: the rows behind have no day that is known.
    i32 day_min;  // By day: the days that it is of.
    i32 day_max;
    u64 dated_end; // By day: no posting of those days lies at or behind this row.
    u64 row_end;   // By row: where it ends.
    struct {
        u64 row;       // The next one that is in its order of days.
        u64 dated_row; // The last one given that was dated back,
        i32 dated_day; // and its day; 0: none yet.
        bool ended;
    } at;
};
// The next lines, `limit` at most and at most HISTORY_LINES_MAX. `*count` may be 0 before the end:
// statement->at.ended tells. The state before the first of them is in `*before`.
#define HISTORY_LINES_MAX 1024u
MUST_USE enum status history_statement_next(struct history_query *query, struct history_view *view,
                                            struct history_statement *statement, u32 limit,
                                            struct account_state *before,
                                            struct history_line *lines, u32 *count,
                                            struct failure *failure);

// Whether a filter is valid (reference: an invalid one has an empty answer).
bool account_filter_valid(const struct account_filter *filter);
bool query_filter_valid(const struct query_filter *filter);
bool change_events_filter_valid(const struct change_events_filter *filter);
// Whether a valid filter selects an account, whoever's it is.
bool query_filter_takes(const struct query_filter *filter, const struct account *account);

#endif
