// SPDX-License-Identifier: Apache-2.0
//
// The newest checkpoint: its head, pages and digests, and its tables against the auditor's books.
#ifndef TAEL_AUDIT_CHECKPOINT_H
#define TAEL_AUDIT_CHECKPOINT_H

#include "audit/books.h"
#include "audit/folder.h"
#include "audit/report.h"

struct audit_checkpoint {
    struct audit_report *report;
    int file;
    bool is_found; // And its head can be gone by.
    char name[40];
    struct audit_checkpoint_head head;
};

// Called now and then; false ends the comparison with STATUS_CANCELLED.
struct audit_progress {
    void *context;
    // `part` is "log" or "checkpoint"; both in bytes.
    bool (*report)(void *context, const char *part, u64 done, u64 total);
};

// Finds and opens the newest one. A head that is damaged goes to the report. Give it to
// audit_checkpoint_close.
MUST_USE enum status audit_checkpoint_open(struct audit_checkpoint *checkpoint,
                                           const struct audit_folder *folder,
                                           struct audit_report *report, struct failure *failure);
void audit_checkpoint_close(struct audit_checkpoint *checkpoint);
// A table by its id, or NULL when the checkpoint has none of it.
const struct audit_table *audit_checkpoint_table(const struct audit_checkpoint *checkpoint, u32 id);
// What the table of accounts has in a row; zeroes when it has no such row.
MUST_USE enum status audit_checkpoint_account(const struct audit_checkpoint *checkpoint, u64 row,
                                              struct audit_account_record *out,
                                              struct failure *failure);
// Where that is.
struct audit_place audit_checkpoint_account_place(const struct audit_checkpoint *checkpoint,
                                                  u64 row);
// What the log gave as of the checkpoint.
struct audit_given {
    struct audit_books *books;
    const struct audit_tree *tree;
    const u64 *segments; // The first row behind each segment of history.
    u64 segment_count;
};
// Checks every page, digest and root, and the sums of sub-ledgers, and, with `given`, compares
// accounts, holds, controls, segments and the tree of outcomes with it. The holds of the books are
// taken out. `given` and `progress` may be NULL.
MUST_USE enum status audit_checkpoint_compare(struct audit_checkpoint *checkpoint,
                                              const struct audit_given *given,
                                              const struct audit_progress *progress,
                                              struct failure *failure);

#endif
