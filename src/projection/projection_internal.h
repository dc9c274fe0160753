// SPDX-License-Identifier: Apache-2.0
//
// What the files of the projection share. Private.
//
//   projection.c         the file: opening, transactions, what was reached
//   projection_table.c   a table a record: its columns, its rows
//   projection_views.c   views and indexes
#ifndef TAEL_PROJECTION_PROJECTION_INTERNAL_H
#define TAEL_PROJECTION_PROJECTION_INTERNAL_H

#include "codec/text.h"
#include "projection/projection.h"

#include <sqlite3.h>

#define PROJECTION_TABLES_MAX 256u
#define PROJECTION_SQL_MAX    65536u

// The rows of a record; those of its array are in a second table.
struct projection_table {
    const struct schema_record *record;
    const struct schema_field *array; // NULL: none.
    sqlite3_stmt *insert;
    sqlite3_stmt *insert_item;
};

struct projection {
    sqlite3 *database;
    char path[4096];
    struct projection_table tables[PROJECTION_TABLES_MAX];
    u32 table_count;
    sqlite3_stmt *begin;
    sqlite3_stmt *commit;
    sqlite3_stmt *reach;
    u64 row;   // Of history, as committed.
    u64 count; // Changes, the open transaction's included.
    u64 open_count;
    bool is_open; // A transaction.
};

// STATUS_IO (or FULL, BUSY) with what SQLite says.
enum status projection_failure(const struct projection *projection, const char *what,
                               struct failure *failure);
// Runs statements that answer nothing.
MUST_USE enum status projection_run(const struct projection *projection, const char *sql,
                                    struct failure *failure);
MUST_USE enum status projection_prepare(const struct projection *projection, const char *sql,
                                        sqlite3_stmt **out, struct failure *failure);
// Runs a statement to its end once, and makes it ready for the next time.
MUST_USE enum status projection_step(const struct projection *projection, sqlite3_stmt *statement,
                                     struct failure *failure);
// Runs a question to its next row. `*is_row` is false when there is none, and on failure.
MUST_USE enum status projection_read(const struct projection *projection, sqlite3_stmt *statement,
                                     bool *is_row, struct failure *failure);

// Sees that the file has the tables of a record, with its columns, and prepares their statements.
MUST_USE enum status projection_table_open(struct projection *projection,
                                           const struct schema_record *record,
                                           struct failure *failure);
void projection_table_close(struct projection_table *table);
// The table of a record's number, or NULL.
struct projection_table *projection_table_of(struct projection *projection, u32 number);
// Writes the rows of a change.
MUST_USE enum status projection_table_add(struct projection *projection,
                                          const struct projection_table *table,
                                          const struct change *change, struct failure *failure);

// Makes the views anew.
MUST_USE enum status projection_views_make(const struct projection *projection,
                                           struct failure *failure);

#endif
