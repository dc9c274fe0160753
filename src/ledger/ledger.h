// SPDX-License-Identifier: Apache-2.0
//
// The ledger: accounts, transfers, holds and chains, exactly as ledger.def states them.
//
// Invariants
//   L1 Debits equal credits on every ledger, posted and pending apart, after every batch.
//   L2 An account's own limit is never broken by a transfer.
//   L3 A transfer id takes effect at most once, for ever.
//   G1 debits_pending and credits_pending of an account are the sums of its open holds.
//   G2 Accounts lie in order of their timestamps.
// An event, or a chain of linked events, applies whole or not at all.
//
// A module's plan is such a chain, with two rules of its own. The limits of accounts are looked at
// once, when all its postings are in; and so are the constraints that it touches (ledger_cell.h).
//
// Accounts have a class. Class 0 is raw: a plain client's, who makes accounts and transfers by
// batches of his own. Any other class is the module's that owns the account (L11): it makes and
// posts to accounts by plans. The two never meet: an id of one is not found by the other, and a
// ledger number belongs to one or the other, whichever had the first account on it.
//
// The ledger is deterministic: the same batches with the same timestamps give the same results,
// balances, rows of history and bytes of its tables. It reads immutable facts (old rows, old
// requests) through history; a failure to read one is returned as a status and the process must not
// go on, because the batch is then half decided.
//
// Costs: two cache misses for each account and one for the id of a transfer, all prefetched;
// nothing is allocated.
#ifndef TAEL_LEDGER_LEDGER_H
#define TAEL_LEDGER_LEDGER_H

#include "base/heap.h"
#include "base/index.h"
#include "base/table.h"
#include "ledger/history.h"

struct ledger_limits {
    u32 accounts_max;
    u32 holds_max;
};

struct ledger_undo;    // How a chain is taken back.
struct ledger_touched; // The constraints that changed in it.

struct ledger {
    // struct account. `reserved`: the class and the bit of cells above, and below how many postings
    // came since the last snapshot of its balances.
    struct table accounts;
    struct table holds; // struct hold.
    struct index account_index;
    struct index number_index; // Of each ledger number, the row of its first account.
    struct index hold_index;
    struct heap expiries; // Rows of holds.
    u32 hold_free;        // First free record plus one.
    u64 account_timestamp_max;
    u64 transfer_timestamp_max;
    struct history *history;
    struct ledger_undo *undo;
    struct table sidecars;    // struct account_sidecar.
    struct table cells;       // struct ledger_cell.
    struct table constraints; // struct ledger_constraint.
    struct table breaches;    // struct ledger_breach.
    struct table spans;       // struct ledger_span.
    struct index sidecar_index;
    struct ledger_touched *touched;
    u64 position; // Of the command being applied, for what breaches tell; its owner sets it.
};

// What outlives the process of a ledger, beside its tables; part of a checkpoint.
struct ledger_state {
    u64 account_timestamp_max;
    u64 transfer_timestamp_max;
    u64 account_count;
    u64 hold_count;
    u32 hold_free;
    u32 reserved;
};

// Posts and voids with the fields that they inherited, in order, for whoever indexes the batch.
// Caller-owned; room for one a transfer of the batch.
struct ledger_resolved {
    struct transfer *items;
    u32 count;
};

// Of a transfer of a plan: the rows of its accounts; whether its effective day is an earlier one
// than is open.
struct ledger_rows {
    u32 debit;
    u32 credit;
    bool is_dated;
};

// Why a plan was refused when all its postings were in.
struct ledger_refusal {
    u32 posting;    // The first one whose account breaks its limit; U32_MAX: none.
    u32 constraint; // The first one that is broken: its row; U32_MAX: none.
    u128 value;     // The account's debits or credits; the constraint's value (signed).
    u128 limit;     // The account's credits or debits; the constraint's bound (signed).
};

struct ledger_batch {
    const void *events;            // struct account or struct transfer.
    u32 count;                     // At most LEDGER_EVENTS_MAX.
    u64 timestamp;                 // Of the last event; event i has timestamp - count + i + 1.
    u64 place;                     // Of the first event in the log; 16-byte aligned.
    struct create_result *results; // Room for `count`.
    struct ledger_resolved *resolved;
    // Of a module's plan: its class, or 0 of a client's batch. `place` is then that of the record
    // that was decided, for all events. An account that is made by a plan must not exist.
    u16 owner_class;
    // Of transfers of a plan: the rows of their accounts, whose ids are not looked at. A chain in
    // one class.
    const struct ledger_rows *rows;
    bool has_references; // The record at `place` begins with struct posting_references.
    // Of a plan: it tells what happened, and no constraint refuses it.
    bool is_fact;
    // Of a plan's transfers: where to say why it was refused as a whole. Set when it was.
    struct ledger_refusal *refusal;
};

// An empty ledger over `history`, which it does not own. STATUS_FULL when there is no address space
// for the limits; ledger_free gives all back.
MUST_USE enum status ledger_init(struct ledger *ledger, const struct ledger_limits *limits,
                                 struct history *history, struct failure *failure);
void ledger_free(struct ledger *ledger);

// Decides and applies a batch; results[i] tells what became of event i. One row of history an
// event, more for balance snapshots. A refusal is a result, never a status.
MUST_USE enum status ledger_create_accounts(struct ledger *ledger, const struct ledger_batch *batch,
                                            struct failure *failure);
MUST_USE enum status ledger_create_transfers(struct ledger *ledger,
                                             const struct ledger_batch *batch,
                                             struct failure *failure);

// Whether the tables take this many more accounts and open holds.
bool ledger_has_room(const struct ledger *ledger, u64 accounts, u64 holds);

// The open hold of this id, or NULL.
const struct hold *ledger_hold(const struct ledger *ledger, u128 id);
// When the next hold expires; U64_MAX when none will.
u64 ledger_next_expiry(const struct ledger *ledger);
// Expires at most `limit` holds that are due at or before `now`, in order of (expiry, timestamp).
// The first happens at now + 1, the next a nanosecond later; `place` is where the log says so.
// Returns how many.
u32 ledger_expire(struct ledger *ledger, u64 now, u64 place, u32 limit);

// Row of a raw account, or U32_MAX.
u32 ledger_account_row(const struct ledger *ledger, u128 id);
// Row of an account of a ledger number that belongs to modules, or U32_MAX. Ids are unique within
// each such number.
u32 ledger_class_account_row(const struct ledger *ledger, u32 number, u128 id);
// The class of the first account on a ledger number; LEDGER_NUMBER_FREE when there is none.
#define LEDGER_NUMBER_FREE U32_MAX
u32 ledger_number_class(const struct ledger *ledger, u32 number);
static inline const struct account *ledger_account(const struct ledger *ledger, u32 row)
{
    return (const struct account *)ledger->accounts.memory + row;
}
// Copies an account as the outside sees it.
static inline void ledger_account_view(const struct ledger *ledger, u32 row, struct account *out)
{
    *out = *ledger_account(ledger, row);
    out->reserved = 0;
}
// Accounts by id; an id that is not found is passed over. Returns how many.
u32 ledger_lookup_accounts(const struct ledger *ledger, const u128 *ids, u32 count,
                           struct account *out);

// Whether a refusal of a transfer burns its id (create_transfer results only).
bool ledger_result_is_transient(u32 result);

// Copies what a checkpoint keeps beside the tables.
void ledger_save(const struct ledger *ledger, struct ledger_state *out);
// Takes the state over after the tables' memory has been filled; rebuilds indexes and expiries.
MUST_USE enum status ledger_load(struct ledger *ledger, const struct ledger_state *state,
                                 struct failure *failure);
// Asserts every invariant by the plainest means; for tests and the simulator.
void ledger_check(const struct ledger *ledger);

#endif
