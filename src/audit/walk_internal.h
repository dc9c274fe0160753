// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the walk share: rows are taken in walk.c, applied in apply.c.
#ifndef TAEL_AUDIT_WALK_INTERNAL_H
#define TAEL_AUDIT_WALK_INTERNAL_H

#include "audit/walk.h"

// The row taken last: its number in history.
static inline u64 walk_row_number(const struct audit_walk *walk)
{
    return walk->rows.next - 1;
}
// Tells a difference of the row taken last.
#define walk_differ(walk, promise, ...)                                       \
    do {                                                                      \
        const struct audit_place place_ =                                     \
            audit_place_row(walk_row_number(walk), (walk)->header->sequence); \
        (void)audit_differ((walk)->report, promise, &place_, __VA_ARGS__);    \
    } while (0)

// Applies the row taken last: of an account and a raw transfer that took effect, with its event; of
// an expiry; of a module's posting and account. `references` is what the posting's record begins
// with, or NULL.
void apply_account(struct audit_walk *walk, const struct audit_row *row,
                   const struct audit_account_record *event);
void apply_transfer(struct audit_walk *walk, const struct audit_row *row,
                    const struct audit_transfer_record *event);
void apply_expiry(struct audit_walk *walk, const struct audit_row *row);
void apply_posting(struct audit_walk *walk, const struct audit_row *row,
                   const struct audit_references *references);
void apply_planned_account(struct audit_walk *walk, const struct audit_row *row);
// Applies a snapshot of which both rows were taken.
void apply_snapshot(struct audit_walk *walk, const struct audit_row *debits,
                    const struct audit_row *credits);
// Whether an account of the row taken last was due for a snapshot that did not come.
void apply_snapshots_end(struct audit_walk *walk, const struct audit_row *row);
// The limits of the accounts that a plan touched (L2), when all of it is in.
void apply_plan_end(struct audit_walk *walk);

#endif
