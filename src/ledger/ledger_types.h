// SPDX-License-Identifier: Apache-2.0
//
// The ledger's records as structs, and its flags and results as enumerations, made from ledger.def.
#ifndef TAEL_LEDGER_LEDGER_TYPES_H
#define TAEL_LEDGER_LEDGER_TYPES_H

#include "base/base.h"

#include "schema/pass_struct.h"

#include "ledger/ledger.def"

#include "schema/pass_end.h"

// A batch of the compat port carries at most this many events, or results of a query.
#define LEDGER_BATCH_EVENTS_MAX   8189u
#define LEDGER_EVENTS_MAX         32768u // In one batch: a frame full of transfers.
#define LEDGER_PULSE_POSTINGS_MAX 5888u  // Planned in one tick, by all modules and one job.
#define LEDGER_CHANGE_EVENTS_MAX  2730u
// Timestamps are nanoseconds in [1, 2^63 - 1].
#define LEDGER_TIMESTAMP_MIN 1ull
#define LEDGER_TIMESTAMP_MAX ((1ull << 63) - 1)

#define ACCOUNT_HAS_CELLS ((u32)1 << 31) // A bit of an account's `reserved`.
#define ACCOUNT_CLASS_MAX 0x7fffu

// The two halves of an account's `reserved`, which is zero outside: above, its class, which never
// changes and may be read by any thread, with the bit of cells; below, how many postings came since
// the last snapshot of its balances.
static inline u16 account_class(const struct account *account)
{
    const u16 *half = (const u16 *)(const void *)&account->reserved + 1;
    return __atomic_load_n(half, __ATOMIC_RELAXED) & ACCOUNT_CLASS_MAX;
}
static inline void account_set_class(struct account *account, u16 owner_class)
{
    assert(owner_class <= ACCOUNT_CLASS_MAX);
    ((u16 *)(void *)&account->reserved)[1] = owner_class;
}
// Whether it is in a cell.
static inline bool account_has_cells(const struct account *account)
{
    return (account->reserved & ACCOUNT_HAS_CELLS) != 0;
}
// The class stays what it is, for whoever reads it meanwhile.
static inline void account_set_has_cells(struct account *account, bool has_cells)
{
    u16 *half = (u16 *)(void *)&account->reserved + 1;
    const u16 bit = (u16)(ACCOUNT_HAS_CELLS >> 16);
    const u16 value = has_cells ? (u16)(*half | bit) : (u16)(*half & ~bit);
    __atomic_store_n(half, value, __ATOMIC_RELAXED);
}
static inline u16 *account_postings(struct account *account)
{
    return (u16 *)(void *)&account->reserved;
}

// What the postings of a module's record refer to: the record begins with it. It is found again by
// what a transfer's user data is found by: order_id by user_data_128, scenario by user_data_64,
// purpose by user_data_32.
struct posting_references {
    u128 id;       // The record's own, unique in its module for ever.
    u128 order_id; // Of the client; 0 none.
    u64 scenario;  // 0 none.
    u32 purpose;   // A code; 0 none.
    i32 day;       // Effective day, days since 1970-01-01; 0: the day that was open.
};
static_assert(sizeof(struct posting_references) == 48, "as records begin");

#endif
