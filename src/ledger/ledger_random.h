// SPDX-License-Identifier: Apache-2.0
//
// Random steps for the ledger from one seed: batches of accounts and transfers, expiries,
// questions.
//
// Made to break every rule often, not to look like business: a window of few accounts that moves on
// slowly (so that full, closed and missing ones come and go), transfers that repeat, post, void or
// damage ones of the recent past, amounts of nothing, a few, half of everything and everything,
// chains that hold, break and stay open, imports that fit and that do not. The generator does not
// see the ledger: the same seed and configuration give the same steps, whatever the answers.
#ifndef TAEL_LEDGER_LEDGER_RANDOM_H
#define TAEL_LEDGER_LEDGER_RANDOM_H

#include "base/random.h"
#include "ledger/ledger_types.h"

#define LEDGER_RANDOM_BATCH_MAX  64
#define LEDGER_RANDOM_RECENT_MAX 256

struct ledger_random_config {
    u64 timestamp_start; // Near LEDGER_TIMESTAMP_MAX timeouts can overflow.
    u32 batch_max;       // Events of a batch, 1 to LEDGER_RANDOM_BATCH_MAX.
    u32 accounts_window; // Accounts in use at a time.
    u32 invalid_percent; // Of the events, that are damaged on purpose.
    u32 imported_percent;
    u32 chain_percent;
    u32 question_percent; // Of the steps, that are lookups and queries.
};

// Good for coverage of all rules in some thousand steps.
struct ledger_random_config ledger_random_config_default(void);

enum ledger_step_kind {
    LEDGER_STEP_CREATE_ACCOUNTS,
    LEDGER_STEP_CREATE_TRANSFERS,
    LEDGER_STEP_EXPIRE,
    LEDGER_STEP_LOOKUP_ACCOUNTS,
    LEDGER_STEP_LOOKUP_TRANSFERS,
    LEDGER_STEP_GET_ACCOUNT_TRANSFERS,
    LEDGER_STEP_GET_ACCOUNT_BALANCES,
    LEDGER_STEP_QUERY_ACCOUNTS,
    LEDGER_STEP_QUERY_TRANSFERS,
    LEDGER_STEP_GET_CHANGE_EVENTS,
};

// One step. Only the fields of its kind are set.
struct ledger_step {
    enum ledger_step_kind kind;
    u64 timestamp; // Of a batch's last event; the now of an expiry, whose events follow.
    u32 count;     // Events of a batch, or ids to look up.
    u32 limit;     // Of an expiry; limit_max of a query.
    union {
        struct account accounts[LEDGER_RANDOM_BATCH_MAX];
        struct transfer transfers[LEDGER_RANDOM_BATCH_MAX];
        u128 ids[LEDGER_RANDOM_BATCH_MAX];
        struct account_filter account_filter;
        struct query_filter query_filter;
        struct change_events_filter change_events_filter;
    };
};

// What the generator remembers; about 40 KiB, to be treated as opaque but for the seed.
struct ledger_random {
    u64 seed;
    struct ledger_random_config config;
    struct random random;
    u64 now;                     // The last timestamp that was given out.
    u64 account_timestamp_last;  // Bounds of what accounts and transfers have as their last.
    u64 transfer_timestamp_last; // Imports are aimed at them.
    u64 steps;
    u64 accounts_first; // The window of account ids: [first, first + config.accounts_window).
    u64 transfers_next; // The next transfer id that was never used.
    struct transfer recent[LEDGER_RANDOM_RECENT_MAX]; // A ring of transfers as they were asked for.
    u64 recent_timestamps[LEDGER_RANDOM_RECENT_MAX];  // When they were asked for.
    u32 recent_count;
    u32 aimed; // 1 + the slot of a hold that is about to expire, else 0.
};

// The same seed and configuration give the same steps.
void ledger_random_init(struct ledger_random *random, u64 seed, struct ledger_random_config config);

// The next step. Timestamps grow from step to step and leave room for every event.
void ledger_random_next(struct ledger_random *random, struct ledger_step *step);

// All account ids that were ever asked for are below this.
u128 ledger_random_accounts_end(const struct ledger_random *random);

#endif
