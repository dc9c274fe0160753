// SPDX-License-Identifier: Apache-2.0
//
// The book module: assets, charts of accounts, books, and what a book knows of its accounts.
//
// A book has the ledger number that it is opened with. Its first account is its suspense account,
// which holds what cannot be posted where it belongs (BOOK_SUSPENSE_ID); with it the number belongs
// to modules for ever.
//
// Invariants
//   K1 The accounts of a book are those of the ledger with its number, each known once.
//   K2 Every account has a code of its book's chart, but for the suspense account.
//   K3 A closed account has no balance and no holds.
#ifndef TAEL_MODULES_BOOK_BOOK_H
#define TAEL_MODULES_BOOK_BOOK_H

#include "modules/module.h"

#include "schema/pass_struct.h"

#include "modules/book/book.def"

#include "schema/pass_end.h"

#define SCHEMA_MODULE book
#include "schema/pass_extern.h"

#include "modules/book/book.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

// The class of accounts in books that principals own: book makes them, entry posts to them.
#define BOOK_ACCOUNT_CLASS 0x03u
#define BOOK_SUSPENSE_ID   (U128_MAX - 1)
#define BOOK_SUSPENSE_CODE 65535u
// The owner of accounts to which only rules post (entry.h).
#define BOOK_OWNER_RULES U64_MAX

// From the context of any module. NULL when there is none.
const struct book *book_find(const struct module_context *context, u32 number);
const struct asset *book_asset_find(const struct module_context *context, const char asset[16]);
const struct chart_code *book_code_find(const struct module_context *context, u32 chart, u16 code);
// What its book knows of the account of this row in the ledger.
const struct book_account *book_account_find(const struct module_context *context, u32 row);
// Whether postings of our choice may debit (or else credit) the account: it is neither closed nor
// frozen on this side.
bool book_account_is_open(const struct book_account *known, bool is_debit);
// The accounts of a book, from the newest (book->account_last) to the oldest (`previous`): the one
// in a row of the module's table. `own` is the module's context.
const struct book_account *book_account_at(const struct module_context *own, u64 row);

// The months of a question about turnover, within those in which anything of its book may be, as
// turnover_month counts them.
struct book_period {
    u32 first; // Of the book.
    u32 open;  // Of its open day; nothing is behind it.
    u32 from;  // From `first` to one behind `open`.
    u32 to;    // Included, `open` at most; before `from` when there is no such month.
};

// The months of these days, both included; a day that is 0 is not given. From the context of any
// module.
struct book_period book_period_of(const struct module_context *context, const struct book *book,
                                  i32 from_day, i32 to_day);
// MODULE_DONE, BOOK_RANGE_REVERSED or BOOK_DAY_OUT_OF_RANGE, with the days as evidence.
u32 book_period_check(i32 from_day, i32 to_day, u128 evidence[2]);

// What accounts turned over in a period, and their balances before and behind: of those that are
// debits and of those that are credits the sums. A sum that would pass 2^128-1 stays there.
struct book_turned {
    u128 opening_debit;
    u128 opening_credit;
    u128 closing_debit;
    u128 closing_credit;
    u128 debits;
    u128 credits;
    u64 count; // Postings, each on both of its sides.
};

// Adds the account of this row in the ledger, one of a book that the period is of. Costs so many
// look-ups at most as book_turned_looks says. book_turned_fetch hides their misses, some accounts
// ahead and once more when the account is near (ledger/turnover.h).
void book_turned_add(const struct module_context *context, const struct book_period *period,
                     u32 account_row, struct book_turned *turned);
u32 book_turned_looks(const struct book_period *period);
void book_turned_fetch(const struct module_context *context, const struct book_period *period,
                       u32 account_row, bool is_near);
// Takes the smaller of two balances from both, so that one side is left.
void book_net(u128 *debit, u128 *credit);

#endif
