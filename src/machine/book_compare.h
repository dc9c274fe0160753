// SPDX-License-Identifier: Apache-2.0
//
// For tests: what a node has and answers of entities, books, entries and limits, beside the model
// of them (book/book_model.h).
//
// The first difference is told to the caller, who must not return. Records that differ are printed
// before.
#ifndef TAEL_MACHINE_BOOK_COMPARE_H
#define TAEL_MACHINE_BOOK_COMPARE_H

#include "base/random.h"
#include "machine/node_ask.h"
#include "modules/book/book_model.h"

#define BOOK_COMPARE_ENTRIES 12u // That are drawn.

struct book_compare {
    struct node_ask *ask;
    const struct book_model *model;
    struct random *random; // Draws what is asked.
    // Accounts on ledger numbers from `foreign_first` up to `foreign_end` are not the model's.
    u32 foreign_first;
    u32 foreign_end;
    void (*differs)(void *context, const char *what); // Does not return.
    void *context;
};

// Every account with its balances. Walks them; nothing is read from the disk.
void book_compare_accounts(struct book_compare *compare);
// Cells with their sums. Likewise.
void book_compare_cells(struct book_compare *compare);
// The answers to every question that lists things, books with their trial balances and accounts;
// of cells, constraints and breaches too. Nothing is read from the disk.
void book_compare_answers(struct book_compare *compare);
// Some entries, from their postings to what reversed them. Every row must be indexed.
void book_compare_entries(struct book_compare *compare);
// What history's lists have on a ledger number. Likewise.
void book_compare_history(struct book_compare *compare, u32 number);
// Whatever a client gives as a cursor, the answer comes to an end and is of what was asked.
void book_compare_cursors(struct book_compare *compare);

// Prints a record to standard error, as JSON without fields that are zero.
void book_compare_print(const struct schema_record *record, const void *body);

#endif
