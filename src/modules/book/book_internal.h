// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the book module share. Private to:
//
//   book.c           assets, charts, books; lists, invariants
//   book_account.c   accounts
//   book_past.c      balances, trial balances, statements
//   book_turnover.c  turnover by month, and by reference
#ifndef TAEL_MODULES_BOOK_BOOK_INTERNAL_H
#define TAEL_MODULES_BOOK_BOOK_INTERNAL_H

#include "modules/book/book.h"

enum { TABLE_ASSETS, TABLE_CODES, TABLE_BOOKS, TABLE_ACCOUNTS };
// The orders of TABLE_CODES; each begins with the chart and ends with the code.
enum { CODES_BY_CODE, CODES_BY_KIND, CODES_BY_LINE };

// Accounts: commands and the list.
u32 book_account_decide(const struct module_context *context, const struct schema_record *record,
                        const void *body, struct plan *plan);
u32 book_account_ask(const struct module_context *context, const struct account_list *list,
                     struct module_answer *answer);
// Plans an account of a book, and the book as it is with it.
void book_account_plan(const struct module_context *context, const struct book_account *template,
                       u128 account_id, u16 flags, struct book *book, u64 book_row,
                       struct plan *plan);
// Questions about balances: `ask` and `look` of the module (struct module).
u32 book_past_ask(const struct module_context *context, const struct schema_record *question,
                  const void *body, struct module_answer *answer);
u32 book_turnover_ask(const struct module_context *context, const struct schema_record *question,
                      const void *body, struct module_answer *answer);
MUST_USE enum status book_turnover_look(struct history_query *query, struct history_view *view,
                                        const void *body, struct module_answer *answer,
                                        struct failure *failure);
MUST_USE enum status book_past_look(struct history_query *query, struct history_view *view,
                                    const struct schema_record *question, const void *body,
                                    struct module_answer *answer, struct failure *failure);

#endif
