// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the ledger share: records by row, the scope that takes a chain back, rows of
// history. Not for other folders.
#ifndef TAEL_LEDGER_LEDGER_INTERNAL_H
#define TAEL_LEDGER_LEDGER_INTERNAL_H

#include "ledger/ledger_cell.h"

#define ROW_NONE U32_MAX

enum undo_kind {
    UNDO_ACCOUNT,        // An account changed.
    UNDO_ACCOUNT_CREATE, // An account was added.
    UNDO_HOLD_OPEN,
    UNDO_HOLD_CLOSE,
    UNDO_KEY, // An id slot was taken.
};

struct undo_entry {
    enum undo_kind kind;
    u32 row; // Or the slot.
    union {
        struct account account;
        struct hold hold;
    };
};

// A transfer changes at most two accounts and one hold and takes two keys.
#define UNDO_ENTRIES_MAX (5u * LEDGER_EVENTS_MAX)

struct ledger_undo {
    bool active;
    u32 count;
    // Where things stood when the scope began.
    u64 account_timestamp_max;
    u64 transfer_timestamp_max;
    u64 next_row;
    u32 row_count;
    u64 latest_transfer; // Of the rows around the end; expiries are never part of a chain.
    u64 timestamp_min;
    u64 timestamp_max;
    u128 id_max; // Of the active segment.
    u32 resolved_count;
    struct undo_entry entries[UNDO_ENTRIES_MAX];
};

// The record of a row that exists (asserted).
static inline struct account *account_at(const struct ledger *ledger, u32 row)
{
    assert(row < ledger->accounts.count);
    return (struct account *)ledger->accounts.memory + row;
}
static inline struct hold *hold_at(const struct ledger *ledger, u32 row)
{
    assert(row < ledger->holds.count);
    return (struct hold *)ledger->holds.memory + row;
}

// The scope of a chain: after its beginning every change is noted; a commit keeps the changes, a
// rollback takes them back in reverse order, those noted in `resolved` too.
void scope_begin(struct ledger *ledger, const struct ledger_resolved *resolved);
void scope_commit(struct ledger *ledger);
void scope_rollback(struct ledger *ledger, struct ledger_resolved *resolved);

// The next note of the open scope.
static inline struct undo_entry *undo_push(struct ledger *ledger, enum undo_kind kind, u32 row)
{
    struct ledger_undo *undo = ledger->undo;
    assert(undo->active && undo->count < UNDO_ENTRIES_MAX);
    struct undo_entry *entry = &undo->entries[undo->count++];
    entry->kind = kind;
    entry->row = row;
    return entry;
}

// Must come before every change of an account.
static inline void account_touch(struct ledger *ledger, u32 row)
{
    table_touch(&ledger->accounts, row);
    if (UNLIKELY(ledger->undo->active)) {
        undo_push(ledger, UNDO_ACCOUNT, row)->account = *account_at(ledger, row);
    }
}

// Takes the slot of a key for the row appended last.
static inline void key_put(struct ledger *ledger, u64 hash, u32 slot)
{
    struct history_live *live = ledger->history->active->live;
    history_live_put(live, hash, slot, live->row_count - 1);
    if (UNLIKELY(ledger->undo->active)) (void)undo_push(ledger, UNDO_KEY, slot);
}
// Appends the rows that tell the balances of an account, and begins to count its postings anew.
void balances_snapshot(struct ledger *ledger, u32 account_row, u64 timestamp);
// Counts a posting of the account; its balances follow it when that is due.
static inline void posting_count(struct ledger *ledger, u32 account_row, u64 timestamp)
{
    u16 *postings = account_postings(account_at(ledger, account_row));
    if (UNLIKELY(++*postings >= HISTORY_BALANCE_INTERVAL)) {
        balances_snapshot(ledger, account_row, timestamp);
    }
}

// What a posting does to two accounts, for the cells that they are in.
struct cell_posting {
    u32 debit_row;
    u32 credit_row;
    u128 posted;
    u128 held;     // Of a hold that is opened.
    u128 released; // Of one that ends.
};
// What becomes of one cell's sums, modulo 2^128.
struct cell_change {
    u128 posted;
    u128 debits_pending;
    u128 credits_pending;
};
// Changes the cells of the two accounts, or refuses as an overflow and changes nothing. Comes
// before the accounts change.
enum create_transfer_result cells_post(struct ledger *ledger, const struct cell_posting *posting);
// Takes an account's change back in its cells: from `now` to `before`.
void cells_take_back(struct ledger *ledger, u32 account_row, const struct account *before,
                     const struct account *now);
// The cell of a row, about to be changed.
struct ledger_cell *cell_touch(struct ledger *ledger, u32 row);
// Whether a cell's sums are within this magnitude.
bool cell_fits(const struct ledger_cell *cell, u128 sum_max);
// Makes a cell, adds an account to one, removes it; what adding and removing make of the cell's
// sums. Whoever calls has looked that it is possible.
u32 cell_open(struct ledger *ledger, u32 number);
MUST_USE enum status cell_add(struct ledger *ledger, u32 cell, u32 account_row,
                              struct failure *failure);
void cell_remove(struct ledger *ledger, u32 cell, u32 account_row);
struct cell_change cell_change_of_member(const struct ledger *ledger, u32 account_row,
                                         bool is_added);
// The sidecar of an account, about to be changed; made when there is none.
MUST_USE enum status sidecar_take(struct ledger *ledger, u32 account_row,
                                  struct account_sidecar **out, struct failure *failure);
// The constraints that changed since the last of these two: whether none of them was made worse and
// is below its bound; `refusal` names the first. Then either opens and cures breaches, or forgets
// them when all was taken back.
bool constraints_hold(const struct ledger *ledger, struct ledger_refusal *refusal);
void constraints_settle(struct ledger *ledger, u64 timestamp);
void constraints_forget(struct ledger *ledger);
// What a term measures of a cell.
static inline u128 cell_measure(u128 posted, u128 debits_pending, u128 credits_pending,
                                i64 coefficient)
{
    return coefficient > 0 ? posted - credits_pending : posted + debits_pending;
}
// Adds to the constraints of a cell what its change makes of them.
void constraints_move(struct ledger *ledger, const struct ledger_cell *cell,
                      const struct cell_change *change);
// Whether every account that the postings of a plan touched keeps its limit; `refusal` names the
// first posting whose account does not. Returns the posting's result.
enum create_transfer_result limits_check(const struct ledger *ledger,
                                         const struct ledger_rows *rows, u32 count,
                                         struct ledger_refusal *refusal);

// Make and free what cells and constraints are kept in; rebuild the index after a load.
MUST_USE enum status cells_init(struct ledger *ledger, const struct ledger_limits *limits,
                                struct failure *failure);
MUST_USE enum status constraints_init(struct ledger *ledger, struct failure *failure);
void cells_free(struct ledger *ledger);
void constraints_free(struct ledger *ledger);
MUST_USE enum status cells_load(struct ledger *ledger, struct failure *failure);

// Opens a hold; `hold` is complete but for next_free and open.
MUST_USE enum status hold_open(struct ledger *ledger, const struct hold *hold,
                               struct failure *failure);
void hold_close(struct ledger *ledger, u32 row);
// Row of the open hold with this id, or ROW_NONE.
u32 hold_find(const struct ledger *ledger, u128 id, u64 hash);
// Whether an account has exactly this timestamp (G2).
bool ledger_account_has_timestamp(const struct ledger *ledger, u64 timestamp);
// Takes the key of a resolved pending transfer for the row appended last.
void resolution_put(struct ledger *ledger, u128 pending_id);

#endif
