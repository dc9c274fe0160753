// SPDX-License-Identifier: Apache-2.0
//
// The auditor's own books: every account with its balances, and every open hold.
//
// An account costs 128 bytes, an open hold 112 in a table that is at most half full and doubles: so
// up to 448 bytes at worst, 224 at best. Nothing here knows files or frames.
#ifndef TAEL_AUDIT_BOOKS_H
#define TAEL_AUDIT_BOOKS_H

#include "audit/format.h"
#include "base/hash.h"

struct audit_account {
    u128 id;
    u128 debits_pending;
    u128 debits_posted;
    u128 credits_pending;
    u128 credits_posted;
    u128 user_data_128;
    u64 user_data_64;
    u64 timestamp;
    u32 user_data_32;
    u32 ledger;
    u16 code;
    u16 flags;
    u16 postings;    // Since the last snapshot.
    u16 owner_class; // 0: of plain clients; else that of the module that owns it.
};
static_assert(sizeof(struct audit_account) == 128, "as its header says");

struct audit_hold {
    u128 id;
    u128 amount;
    u128 user_data_128;
    u64 user_data_64;
    u64 row; // Of history, plus one; 0: the slot is free.
    u64 timestamp;
    u64 expires_at; // 0: never.
    u32 user_data_32;
    u32 debit_row;
    u32 credit_row;
    u16 code;
    u16 flags;
    bool is_planned; // A module's posting: when it expires is not in the log.
};

struct audit_books {
    struct hash_key key;            // Of nobody else: who makes a folder cannot choose slots.
    struct audit_account *accounts; // Each in two cache lines of its own.
    u64 account_count;
    u64 account_capacity;
    struct audit_hold *slots; // By row of history; linear probing.
    u64 slot_count;           // A power of two.
    u64 hold_count;
};

// Empty books; audit_books_free gives their memory back.
void audit_books_init(struct audit_books *books, const struct hash_key *key);
void audit_books_free(struct audit_books *books);
// Appends an account of zeroes. Those of before may have moved.
struct audit_account *audit_account_add(struct audit_books *books);
// The account of a row, or NULL when there is none.
static inline struct audit_account *audit_account_at(const struct audit_books *books, u32 row)
{
    return row < books->account_count ? &books->accounts[row] : NULL;
}
// Adds an open hold under hold->row (plus one), which no other has.
void audit_hold_add(struct audit_books *books, const struct audit_hold *hold);
// The open hold of a row of history; NULL when there is none. Valid until the next change.
const struct audit_hold *audit_hold_at(const struct audit_books *books, u64 row);
// The one between two accounts that lies farther back from a row than a distance can say; `id` is
// its id, or 0 where only its accounts are known: then the oldest one. Looks at all open holds, but
// at none where no row lies so far back. NULL, and valid, as above.
const struct audit_hold *audit_hold_far(const struct audit_books *books, u64 row, u32 debit_row,
                                        u32 credit_row, u128 id);
// Takes the hold of a row out, which must be there.
void audit_hold_remove(struct audit_books *books, u64 row);

// Adds to a sum, or takes from it. False when it would pass 2^128 - 1, or fall below 0: then it
// stays.
MUST_USE static inline bool audit_sum_add(u128 *sum, u128 amount)
{
    const u128 before = *sum;
    if (before + amount < before) return false;
    *sum = before + amount;
    return true;
}
MUST_USE static inline bool audit_sum_subtract(u128 *sum, u128 amount)
{
    const u128 before = *sum;
    if (before < amount) return false;
    *sum = before - amount;
    return true;
}
// Whether what is held and posted on either side is a sum that an account can have.
static inline bool audit_account_fits(const struct audit_account *account)
{
    return account->debits_posted + account->debits_pending >= account->debits_posted &&
           account->credits_posted + account->credits_pending >= account->credits_posted;
}
// Whether the account is within its own limit (L2): what is held counts as if it were posted.
bool audit_account_within_limit(const struct audit_account *account);

#endif
