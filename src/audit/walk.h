// SPDX-License-Identifier: Apache-2.0
//
// The walk: the rows of history beside the frames of the log, applied to the auditor's books.
//
// Each row must be what became of its event: the walk takes amounts, accounts and flags from the
// request, works out what moved and whether it was allowed to, and tells where the row says
// otherwise. Whether a refusal was right, and what a module posts, are the row's word.
#ifndef TAEL_AUDIT_WALK_H
#define TAEL_AUDIT_WALK_H

#include "audit/books.h"
#include "audit/checkpoint.h"
#include "audit/heads.h"
#include "audit/ids.h"
#include "audit/log.h"
#include "audit/principals.h"
#include "audit/rows.h"
#include "audit/tree.h"

// What a record of a module, or a tick besides its records, has posted and made so far.
struct audit_plan {
    u32 *touched; // Rows of accounts.
    u64 touched_count;
    u64 touched_capacity;
    u64 created; // Postings and accounts that took effect, and that did not.
    u64 refused;
};

struct audit_walk {
    struct audit_report *report;
    const struct audit_checkpoint *checkpoint;
    struct audit_heads *heads;             // NULL: none are held.
    const struct audit_progress *progress; // NULL: none.
    struct failure *failure;
    enum status status; // Of reading; not STATUS_OK ends the walk.
    struct audit_genesis genesis;
    struct audit_books books;
    struct audit_rows rows;
    struct audit_ids ids;         // Of transfers.
    struct audit_ids account_ids; // Of plain clients' accounts; of modules', with the ledger.
    struct audit_principals principals;
    bool is_copy_new;  // The log's id is another one, and nobody has given a command since.
    bool is_delegated; // Who gives the command may act in the name that it is in.
    bool is_lost;      // Rows and events no longer meet: no row behind is applied.
    // Of the frame.
    const struct audit_frame *frame;
    const struct audit_header *header;
    u64 time;     // The last one given.
    u64 position; // Of the command.
    struct audit_row *taken;
    struct digest *leaves;
    u64 taken_count;
    u64 taken_capacity;
    struct audit_plan plan;
    // Latest times, of all that was given, and of accounts and transfers that took effect.
    u64 time_max;
    u64 account_time_max;
    u64 transfer_time_max;
    u64 expired_through; // Every hold that was due by this time has expired.
    u64 expiry_due;      // The last expiry of the tick: when it was due, and its hold's time.
    u64 expiry_time;
    u64 overrides; // Bits of those in the checkpoint that the log has.
    // Outcomes.
    struct audit_tree tree;
    struct digest roots[AUDIT_OUTCOME_LAG_MAX];
    u64 roots_known;   // Frames whose cumulative root is known: those before this sequence.
    u64 roots_agreed;  // The last sequence whose root a header named as it was derived, plus one.
    bool roots_differ; // Told once: every later root differs, too.
    u64 *segments;     // The first row behind each segment.
    u64 segment_count;
    u64 segment_capacity;
};

// A walk from frame 0. What it is given must outlive it. Give it to audit_walk_free, after a
// failure too.
MUST_USE enum status audit_walk_init(struct audit_walk *walk, const struct audit_folder *folder,
                                     const struct audit_checkpoint *checkpoint,
                                     struct audit_heads *heads,
                                     const struct audit_progress *progress,
                                     struct audit_report *report, struct failure *failure);
void audit_walk_free(struct audit_walk *walk);
// Takes the next frame of the log. What does not hold goes to the report.
MUST_USE enum status audit_walk_frame(struct audit_walk *walk, const struct audit_frame *frame);
// Behind the last frame: rows that no event has, ids that were used twice, holds that should have
// expired, books that do not balance or have owners of two kinds. Reads the rows once more when
// there is a suspicion of an id.
MUST_USE enum status audit_walk_end(struct audit_walk *walk);

#endif
