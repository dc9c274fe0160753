// SPDX-License-Identifier: Apache-2.0
//
// The change stream as relational tables: a table a record, written by ordinary code over the
// descriptors, into a file of SQLite.
//
// Guarantees
//   1 Exactly once: the row of history that is reached stands in the same transaction as what was
//     read up to it. Whoever goes on from projection_row, after whatever kill, makes the same file.
//   2 A file belongs to one log; one of another log, or of something else, is refused.
//   3 No number is written so that it reads as another one: what an INTEGER of SQLite (63 bits)
//     does not hold is TEXT (README.md).
// Does not guarantee: that the last commits survive a loss of power; they are made again then.
// Costs: a prepared INSERT a change; with indexes, one more an index.
//
// Threads: one at a time. A second process that writes to the same file is noticed and refused.
#ifndef TAEL_PROJECTION_PROJECTION_H
#define TAEL_PROJECTION_PROJECTION_H

#include "machine/changes.h"

struct projection;

struct projection_options {
    const char *path;
    u128 log_id;
};

// Opens or makes the file: tables of every record, columns that have come since, views. The options
// are not kept. STATUS_INVALID: the file is not a projection of this log, or was made with a
// description that this program does not have. STATUS_IO, STATUS_FULL: the file.
MUST_USE enum status projection_open(struct projection **out,
                                     const struct projection_options *options,
                                     struct failure *failure);
// Ends a transaction that is open without it. NULL is allowed.
void projection_close(struct projection *projection);

// The row of history to go on from, and the changes that are in the file.
u64 projection_row(const struct projection *projection);
u64 projection_count(const struct projection *projection);
// Adds a change; begins a transaction when none is open. Changes come in order; those of records
// that this program does not know are refused with STATUS_UNSUPPORTED.
MUST_USE enum status projection_add(struct projection *projection, const struct change *change,
                                    struct failure *failure);
// Makes durable what was added, and that everything below row `next` is in. `position` is what the
// changes show.
MUST_USE enum status projection_commit(struct projection *projection, u64 next, u64 position,
                                       struct failure *failure);
// Changes that are added and not committed.
u64 projection_open_count(const struct projection *projection);
// Makes the indexes, if they are not there.
MUST_USE enum status projection_index(struct projection *projection, struct failure *failure);

#endif
