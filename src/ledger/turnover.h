// SPDX-License-Identifier: Apache-2.0
//
// Turnover: what was debited and credited in each month of the effective day, by account and by the
// code of accounts in a book.
//
// It is kept with every posting of a plan that has a day, so that a sum over 100,000 accounts, a
// balance at the end of a month or the closing of a year reads some records and no history.
//
// Invariants
//   U1 The turnovers of an account over all months sum to its posted debits and credits, if all its
//      postings have days; those of a code in a book to those of its accounts.
// Cost: 64 bytes, and 8 to 16 of index, for each account or code and month in which it moved; two
// look-ups and four writes a posting, nothing for raw transfers.
#ifndef TAEL_LEDGER_TURNOVER_H
#define TAEL_LEDGER_TURNOVER_H

#include "ledger/ledger.h"

struct turnover {
    u128 key;
    u128 debits;
    u128 credits;
    u64 count; // Postings.
    // Sums that would pass 2^128-1 stay there: a bit for debits, and one for credits.
    u32 saturated;
    u32 reserved;
};
static_assert(sizeof(struct turnover) == 64, "turnover v1");

enum { TURNOVER_DEBITS_SATURATED = 1 << 0, TURNOVER_CREDITS_SATURATED = 1 << 1 };

#define TURNOVER_RECENT 64u
struct turnovers {
    const struct history *history; // Whose key hashes.
    struct table table;
    struct index index;
    // The rows, plus one, of codes that were looked for: codes are few and come again and again.
    u32 recent[TURNOVER_RECENT];
    i32 day; // The last one, and its month.
    u32 month;
};

// No turnover yet, with room for so many records. STATUS_FULL when there is no address space.
MUST_USE enum status turnovers_init(struct turnovers *turnovers, const struct history *history,
                                    u64 capacity, struct failure *failure);
void turnovers_free(struct turnovers *turnovers);
// Takes over what the table's memory was filled with.
MUST_USE enum status turnovers_loaded(struct turnovers *turnovers, struct failure *failure);

// Months of the proleptic Gregorian calendar since 0000-01.
u32 turnover_month(i32 day);
static inline u128 turnover_account_key(u32 account_row, u32 month)
{
    return (u128)(account_row + 1ull) << 32 | month;
}
static inline u128 turnover_code_key(u32 book, u16 code, u32 month)
{
    return (u128)1 << 127 | (u128)book << 48 | (u128)code << 32 | month;
}

// Adds a posting to both accounts and to their codes. There must be room for
// TURNOVER_RECORDS_OF_POSTING more (asserted); STATUS_FULL when the index cannot grow.
#define TURNOVER_RECORDS_OF_POSTING 4u
MUST_USE enum status turnover_add(struct turnovers *turnovers, const struct ledger *ledger,
                                  u32 debit_row, u32 credit_row, u128 amount, i32 day,
                                  struct failure *failure);
// The turnover under a key, or NULL when nothing moved.
const struct turnover *turnover_find(const struct turnovers *turnovers, u128 key);
// The sums over so many months from that of a key on, of its account or code.
struct turnover turnover_sum(const struct turnovers *turnovers, u128 key_of_first, u32 months);
// Asks for the cache lines that such a sum reads: far ahead of it for those where look-ups begin,
// then, nearer, for the records that are found there.
void turnover_fetch(const struct turnovers *turnovers, u128 key_of_first, u32 months, bool is_near);

// Asserts U1 for the accounts of a class all of whose postings have days; for tests and the
// simulator.
void turnovers_check(const struct turnovers *turnovers, const struct ledger *ledger,
                     u16 owner_class);

#endif
