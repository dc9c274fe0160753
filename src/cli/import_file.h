// SPDX-License-Identifier: Apache-2.0
//
// The rows of a file that is imported: CSV whose first row names the columns, or JSON objects one a
// line, as the records that they mean. A row that is none does not keep the others back.
//
// Costs: the file is kept in memory, 4 GiB of it at most.
#ifndef TAEL_CLI_IMPORT_FILE_H
#define TAEL_CLI_IMPORT_FILE_H

#include "schema/schema.h"

#define IMPORT_RECORD_SIZE_MAX (64u + 255u * 48u) // An entry of as many legs as one may have.

enum import_file_kind {
    IMPORT_FILE_ACCOUNTS,  // struct book_account_open.
    IMPORT_FILE_ENTRIES,   // struct entry_post; in CSV a leg a line (struct import_leg).
    IMPORT_FILE_TRANSFERS, // struct import_transfer, each an entry of two legs.
    IMPORT_FILE_BALANCES,  // struct import_balance, each an entry that makes the balance so.
};

struct import_file;

struct import_file_options {
    enum import_file_kind kind;
    const char *path; // "-" is standard input.
    u32 book;         // Of rows that do not say theirs; 0: they must.
    u128 against;     // Of balances: the account of each book that takes the other side.
};

// What stands on a line, or from it on.
struct import_file_row {
    u32 line;
    bool is_bad;
    struct failure failure; // Of one that is none: place, value and rule.
    u32 size;
    _Alignas(16) u8 record[IMPORT_RECORD_SIZE_MAX];
};

// Opens a file; STATUS_INVALID when its first row does not name columns that there are. What was
// opened is given back by import_file_close.
MUST_USE enum status import_file_open(struct import_file **out,
                                      const struct import_file_options *options,
                                      struct failure *failure);
void import_file_close(struct import_file *file);
// The next row; false behind the last.
bool import_file_next(struct import_file *file, struct import_file_row *row);
// How much of it is read, for a bar: bytes, of as many.
void import_file_progress(const struct import_file *file, u64 *done, u64 *total);

#endif
