// SPDX-License-Identifier: Apache-2.0
//
// Cells, constraints and breaches a second time, as short and obvious as possible: lists in the
// order in which things were made, and every sum made anew from the accounts whenever it is asked.
// A part of the model of books (book/book_model.h), whose accounts it reads. Tests only.
//
// Does not model: time, limits of tables.
#ifndef TAEL_MODULES_CONSTRAINT_CONSTRAINT_MODEL_H
#define TAEL_MODULES_CONSTRAINT_CONSTRAINT_MODEL_H

#include "modules/book/book_model.h"

struct constraint_model;

// An empty model over the accounts of `books`; never NULL; to be given to constraint_model_free.
struct constraint_model *constraint_model_new(const struct book_model *books);
void constraint_model_free(struct constraint_model *model);

// The bytes of the record 0x0601 to 0x0607 that begins there; 0 when it is not whole.
u32 constraint_model_record_size(u16 record, const u8 *body, u32 left);
// Runs such a record, but for breach_settle.
struct book_reply constraint_model_run(struct constraint_model *model, u16 record, const u8 *body);

// The account that a breach is of and its amount, or why it cannot be settled; then that it was.
struct book_reply constraint_model_breach(const struct constraint_model *model, const u8 *body,
                                          u32 *account_row, u128 *amount);
void constraint_model_settled(struct constraint_model *model, const u8 *body);

// Before the postings of a plan: how the constraints stand.
void constraint_model_begin(struct constraint_model *model);
// Whether the cells of an account take what is posted and held on one side.
bool constraint_model_takes(const struct constraint_model *model, u32 row, bool is_debit,
                            u128 posted, u128 held);
// Behind them: whether none is broken by them (done), or which one is; then what becomes of
// breaches when the plan stands.
struct book_reply constraint_model_judge(const struct constraint_model *model);
void constraint_model_end(struct constraint_model *model);
// What a fact could not post to an account.
void constraint_model_shortfall(struct constraint_model *model, u32 row, u128 amount, i128 value);

// View `i` without times and positions, but for 1 as the time of a breach's cure. False when there
// are not so many.
bool constraint_model_cell(const struct constraint_model *model, u32 i, struct cell_view *out);
bool constraint_model_constraint(const struct constraint_model *model, u32 i,
                                 struct constraint_view *out);
bool constraint_model_breach_view(const struct constraint_model *model, u32 i,
                                  struct breach_view *out);

#endif
