// SPDX-License-Identifier: Apache-2.0
//
// Random commands for entity, book and entry from one seed, with raw batches and starts between.
//
// Made to break every rule often: few ids that come again and again, names and places that are
// wrong, records damaged in a byte that counts, commands that are repeated, changed or another
// principal's, entries that balance, almost balance and overflow, or that were there before. The
// generator does not see the log: the same seed gives the same steps, whatever the answers.
#ifndef TAEL_MODULES_BOOK_BOOK_RANDOM_H
#define TAEL_MODULES_BOOK_BOOK_RANDOM_H

#include "base/random.h"
#include "modules/book/book_model.h"

#define BOOK_RANDOM_BODY_MAX     (128 * KIB)
#define BOOK_RANDOM_RECENT_MAX   16u
#define BOOK_RANDOM_RECENT_SIZE  4096u // A longer command is not repeated.
#define BOOK_RANDOM_ACCOUNTS_MAX 4u
#define BOOK_RANDOM_HOLDS_MAX    8u
#define BOOK_RANDOM_EXPIRY_S     100u // Behind them every hold has expired that may.

enum book_step_kind {
    BOOK_STEP_COMMAND,
    BOOK_STEP_RAW_ACCOUNTS,
    BOOK_STEP_RAW_TRANSFER,
    BOOK_STEP_RESTART,
    BOOK_STEP_CHECKPOINT,
    BOOK_STEP_EXPIRE, // BOOK_RANDOM_EXPIRY_S go by.
};

// One step. Only the fields of its kind are set.
struct book_step {
    enum book_step_kind kind;
    struct book_command command; // Its body lasts until the next step.
    u32 account_count;
    struct account accounts[BOOK_RANDOM_ACCOUNTS_MAX];
    struct transfer transfer;
};

struct book_recent {
    struct book_command command;
    _Alignas(16) u8 body[BOOK_RANDOM_RECENT_SIZE];
};

// What the generator remembers; about 200 KiB, to be treated as opaque but for the seed.
struct book_random {
    u64 seed;
    struct random random;
    u64 steps;
    u32 numbers_max;                   // Books are on ledger numbers up to it.
    u32 ids_max;                       // Accounts have ids up to it.
    u32 large_percent;                 // Of the amounts, that are near the limits.
    bool never_expires;                // Holds have no timeouts; false at first.
    u128 next_id;                      // Of commands and transfers.
    u128 next_entry;                   // The id of the next new entry.
    u128 holds[BOOK_RANDOM_HOLDS_MAX]; // The last ones, a ring.
    u32 hold_count;
    u128 reversed_id;                                  // What was reversed last.
    u32 next_constraint;                               // The number of the last new constraint.
    struct book_recent recent[BOOK_RANDOM_RECENT_MAX]; // A ring.
    u32 recent_count;
    _Alignas(16) u8 body[BOOK_RANDOM_BODY_MAX];
};

// The same seed gives the same steps.
void book_random_init(struct book_random *random, u64 seed);
void book_random_next(struct book_random *random, struct book_step *step);
// The beginning, in which more is opened than posted, is over.
void book_random_grow_up(struct book_random *random);

#endif
