// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the walk share: frames are taken in walk_frame.c, the rows of their commands in
// walk.c, applied in apply.c, and what adds up behind the last one is in walk_end.c.
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

// The next row, or NULL behind the last one, when the walk is lost, and when reading failed.
const struct audit_row *walk_row_peek(struct audit_walk *walk);
// Rows and events no longer meet: what lies behind cannot be applied, and is not guessed at.
void walk_lost(struct audit_walk *walk, const char *what);
// Takes the rows that a command of the frame left.
void walk_command_take(struct audit_walk *walk, const struct audit_command *command);

// A refusal burns the id when it might be otherwise later (FORMAT.md, 3).
static inline bool walk_result_burns(u8 result)
{
    return result == 21 || result == 22 || result == 25 || result == 54 || result == 55 ||
           result == 65 || result == 66;
}
// Under which hash an account is the only one: plain clients' by their id, others by ledger and id.
static inline u64 walk_account_hash(const struct audit_walk *walk, u16 owner_class, u32 ledger,
                                    u128 id)
{
    const u64 hash = audit_ids_hash(&walk->account_ids, id);
    return owner_class == 0 ? hash : hash_u64(&walk->account_ids.key, hash, ledger);
}

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
// Applies a snapshot of which both rows were taken; it stands behind the row that caused it.
void apply_snapshot(struct audit_walk *walk, const struct audit_row *cause,
                    const struct audit_row *debits, const struct audit_row *credits);
// Whether an account of the row taken last was due for a snapshot that did not come.
void apply_snapshots_end(struct audit_walk *walk, const struct audit_row *row);
// When all of a plan is in: the limits of the accounts that it touched (L2), and that their owner
// is the module (L11); AUDIT_NONE where that is not known.
void apply_plan_end(struct audit_walk *walk, u64 module);

#endif
