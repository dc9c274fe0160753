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
#define LEDGER_PULSE_POSTINGS_MAX 4096u  // Planned in one tick, by all modules.
#define LEDGER_CHANGE_EVENTS_MAX  2730u
// Timestamps are nanoseconds in [1, 2^63 - 1].
#define LEDGER_TIMESTAMP_MIN 1ull
#define LEDGER_TIMESTAMP_MAX ((1ull << 63) - 1)

// The two halves of an account's `reserved`, which is zero outside: its class, which never changes
// and may be read by any thread; how many postings came since the last snapshot of its balances.
static inline u16 account_class(const struct account *account)
{
    return ((const u16 *)(const void *)&account->reserved)[1];
}
static inline void account_set_class(struct account *account, u16 owner_class)
{
    ((u16 *)(void *)&account->reserved)[1] = owner_class;
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
