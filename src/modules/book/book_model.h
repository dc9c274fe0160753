// SPDX-License-Identifier: Apache-2.0
//
// Entities, books, entries and constraints a second time, as short and obvious as possible, to test
// the modules against, with as much of commands and of raw accounts as meets them.
//
// Written from the .def files and the headers: arrays in the order in which things were made, loops
// over all of them, a copy of all accounts to take an entry back. Of the modules' code it has the
// structs of the records; of other code the list of ISO 4217. Good to some thousand accounts and
// commands. It allocates with malloc and aborts when there is no memory. Tests only.
//
// Does not model: time but for what book_model_expire is told, limits of tables other than that of
// accounts. When an entry was carried out, it tells by the command.
#ifndef TAEL_MODULES_BOOK_BOOK_MODEL_H
#define TAEL_MODULES_BOOK_BOOK_MODEL_H

#include "modules/book/book.h"
#include "modules/constraint/constraint.h"
#include "modules/entity/entity.h"
#include "modules/entry/entry.h"

#define BOOK_MODEL_ALIGNMENT   16u // Of the records of a command.
#define BOOK_MODEL_RECORDS_MAX 16u // Of one command.

struct book_model;

// A command as a principal gives it.
struct book_command {
    u128 id;
    u64 principal;
    u16 record;
    u32 count; // As it is claimed.
    u32 size;
    const u8 *body;
};

// What becomes of one record, or of a command that is not whole.
struct book_reply {
    u32 result; // enum module_result, or the module's own.
    u32 posting;
    u32 posting_result;
    u128 evidence[2];
    // Of an entry that exists: the limit is when this record of this command was carried out.
    bool is_then;
    u128 then_command;
    u32 then_record;
};

// An empty log with room for so many accounts, to be given to book_model_free. Never NULL.
struct book_model *book_model_new(u32 accounts_max);
void book_model_free(struct book_model *model);
// A principal that is open, beside 1 and whoever gives a command: it may own accounts.
void book_model_principal(struct book_model *model, u64 principal);

// Runs a command of at most BOOK_MODEL_RECORDS_MAX records. Returns how many replies were written.
// `*is_repeated` tells whether they are those of an earlier command.
u32 book_model_command(struct book_model *model, const struct book_command *command,
                       struct book_reply replies[BOOK_MODEL_RECORDS_MAX], bool *is_repeated);
// Makes raw accounts: a chain of linked events, or single ones. Writes create_account results.
void book_model_raw_accounts(struct book_model *model, const struct account *events, u32 count,
                             u32 *results);
// Posts one raw transfer of a single phase. Returns a create_transfer result.
u32 book_model_raw_transfer(struct book_model *model, const struct transfer *event);

// So much time has passed that every hold that expires, and is open, has expired.
void book_model_expire(struct book_model *model);

// Accounts in the order in which they were made, as the ledger has them but for the timestamp.
u32 book_model_account_count(const struct book_model *model);
struct account book_model_account(const struct book_model *model, u32 row);
// The row of an account in a book, or U32_MAX; whether there is such a book.
u32 book_model_account_row(const struct book_model *model, u32 book, u128 account_id);
bool book_model_has_book(const struct book_model *model, u32 book);
// How many accounts there is still room for.
u32 book_model_room(const struct book_model *model);

// Posting `i` on a ledger number from the newest, raw ones too: accounts, amount, references,
// ledger, code, flags.
// False when there are not so many.
bool book_model_posting(const struct book_model *model, u32 number, u32 i, struct transfer *out);

// The answers to the questions without a condition, to those about one calendar or entity, and to
// the trial balance of a book: record `i` as the view has it, without times, rows of history and
// reserved fields. False when there are not so many.
bool book_model_entity(const struct book_model *model, u32 i, struct entity *out);
bool book_model_calendar(const struct book_model *model, u32 i, struct calendar *out);
bool book_model_calendar_day(const struct book_model *model, const char calendar[16], u32 i,
                             struct calendar_exception *out);
bool book_model_closed_day(const struct book_model *model, u128 entity_id, u32 i,
                           struct business_day *out);
bool book_model_asset(const struct book_model *model, u32 i, struct asset *out);
bool book_model_chart_code(const struct book_model *model, u32 i, struct chart_code *out);
bool book_model_book(const struct book_model *model, u32 i, struct book *out);
bool book_model_trial_balance(const struct book_model *model, u32 book, u32 i,
                              struct trial_balance_row *out);
// The accounts of a book; all holds; all rules; with 1 for times.
bool book_model_account_row_view(const struct book_model *model, u32 book, bool only_stopped, u32 i,
                                 struct account_row *out);
bool book_model_hold(const struct book_model *model, u32 i, struct hold_row *out);
bool book_model_rule(const struct book_model *model, u32 i, struct rule_row *out);
// Some entry, hold, reversal, ... that was carried out, by a number that was drawn; 0 when there is
// none. Then its posting `i`.
u128 book_model_entry_any(const struct book_model *model, u64 draw);
bool book_model_entry_posting(const struct book_model *model, u128 entry_id, u32 i,
                              struct entry_posting *out);
// What it has of cells, constraints and breaches.
const struct constraint_model *book_model_constraints(const struct book_model *model);

#endif
