// SPDX-License-Identifier: Apache-2.0
//
// One interface to whatever behaves like the ledger, so that the same tables and the same random
// steps run against the model and against the real one.
//
// The operations, their order of checks and their results are those of ledger.def. Timestamps come
// from the caller and grow from call to call; a batch of n events uses up n nanoseconds.
#ifndef TAEL_LEDGER_LEDGER_EXECUTOR_H
#define TAEL_LEDGER_LEDGER_EXECUTOR_H

#include "ledger/ledger_types.h"

struct ledger_executor {
    const char *name; // For traces.
    void *context;    // First argument of every function; owned by whoever made the executor.

    // Forgets everything: an empty ledger.
    void (*reset)(void *context);

    // Event i of n has timestamp - n + i + 1. Writes one result an event.
    void (*create_accounts)(void *context, u64 timestamp, const struct account *events, u32 count,
                            struct create_result *results);
    void (*create_transfers)(void *context, u64 timestamp, const struct transfer *events, u32 count,
                             struct create_result *results);

    // Expires at most `limit` pending transfers that are due at or before `now`, in order of
    // (expiry, timestamp of the pending transfer); expiry i happens at now + 1 + i, so none before
    // it is due. Returns how many.
    u32 (*expire)(void *context, u64 now, u32 limit);

    // Return whether there is one; if not, `out` is unchanged.
    bool (*lookup_account)(void *context, u128 id, struct account *out);
    bool (*lookup_transfer)(void *context, u128 id, struct transfer *out);

    // Answer at most min(limit of the filter, limit_max) rows; an invalid filter answers none.
    // Return the number of rows.
    u32 (*get_account_transfers)(void *context, const struct account_filter *filter, u32 limit_max,
                                 struct transfer *out);
    u32 (*get_account_balances)(void *context, const struct account_filter *filter, u32 limit_max,
                                struct account_balance *out);
    u32 (*query_accounts)(void *context, const struct query_filter *filter, u32 limit_max,
                          struct account *out);
    u32 (*query_transfers)(void *context, const struct query_filter *filter, u32 limit_max,
                           struct transfer *out);
    u32 (*get_change_events)(void *context, const struct change_events_filter *filter,
                             u32 limit_max, struct change_event *out);

    // Asserts the invariants of the implementation; may be NULL.
    void (*check)(void *context);
};

#endif
