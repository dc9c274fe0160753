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

#endif
