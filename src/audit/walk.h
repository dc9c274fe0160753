// SPDX-License-Identifier: Apache-2.0
//
// The walk: the rows of history beside the frames of the log, applied to the auditor's books.
//
// Each row must be what became of its event: the walk takes amounts, accounts and flags from the
// request, works out what moved, and tells where the row says otherwise. It decides nothing that it
// is not told: whether a refusal was right, and what a module posts, are the row's word.
#ifndef TAEL_AUDIT_WALK_H
#define TAEL_AUDIT_WALK_H

#include "audit/books.h"
#include "audit/checkpoint.h"
#include "audit/ids.h"
#include "audit/log.h"
#include "audit/rows.h"

struct audit_walk {
    struct audit_report *report;
    const struct audit_checkpoint *checkpoint;
    struct failure *failure;
    enum status status; // Of reading; not STATUS_OK ends the walk.
    struct audit_genesis genesis;
    struct audit_books books;
    struct audit_rows rows;
    struct audit_ids ids;
    bool is_lost; // Rows and events no longer meet: no row behind is applied.
    // Of the frame.
    const struct audit_frame *frame;
    const struct audit_header *header;
    u64 time; // The last one given.
    struct audit_row *taken;
    struct digest *leaves;
    u64 taken_count;
    u64 taken_capacity;
    // Accounts that a module's plan touched so far.
    u32 *touched;
    u64 touched_count;
    u64 touched_capacity;
    // Outcomes.
    struct merkle_range outcomes;
    struct digest roots[AUDIT_OUTCOME_LAG_MAX];
    u64 roots_known;    // Frames whose cumulative root is known: those before this sequence.
    u64 roots_agreed;   // The last sequence whose root a header named as it was derived, plus one.
    bool roots_differ;  // Told once: every later root differs, too.
    u64 segment_begin;  // First row of the segment that the walk is in.
    u64 position;       // Of the last command before the checkpoint.
    u64 timestamp_last; // The last time given before the checkpoint.
};

// A walk from frame 0. The checkpoint must outlive it. Give it to audit_walk_free.
void audit_walk_init(struct audit_walk *walk, const struct audit_folder *folder,
                     const struct audit_checkpoint *checkpoint, struct audit_report *report,
                     struct failure *failure);
void audit_walk_free(struct audit_walk *walk);
// Takes the next frame of the log. What does not hold goes to the report.
MUST_USE enum status audit_walk_frame(struct audit_walk *walk, const struct audit_frame *frame);
// Behind the last frame: rows that no event has, ids that were used twice, books that do not
// balance. Reads the rows once more when there is a suspicion of an id.
MUST_USE enum status audit_walk_end(struct audit_walk *walk);

#endif
