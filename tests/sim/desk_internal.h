// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the world of modules share.
#ifndef TAEL_SIM_DESK_INTERNAL_H
#define TAEL_SIM_DESK_INTERNAL_H

#include "desk.h"
#include "world_internal.h"

// A check fails: the report begins with its name.
void desk_fail(struct world *world, enum desk_check check, const char *format, ...)
    PRINTF_LIKE(3, 4) __attribute__((noreturn));

// --- lanes ---

// Models and generators, and the commands that come before all others.
void desk_lanes_init(struct world *world);
void desk_lanes_free(struct desk *desk);
// The next command of some lane, its body to be freed. False when there is none just now.
bool desk_lanes_next(struct world *world, struct desk_command *out);
// What the models say of a command that nobody gave before; they go on.
void desk_lanes_expect(struct world *world, const struct desk_command *command, u64 now,
                       struct desk_expected *out);
// A tick told that it is `now`.
void desk_lanes_tick(struct world *world, u64 now);
// Compares models with a node at rest at the same frame: what is cheap, or everything. With
// `has_history` also what must be read from the disk.
void desk_lanes_compare(struct world *world, struct node *node, bool is_whole, bool has_history);

// Keeps an account of the model as it is behind what was acknowledged, to be asked for later.
void desk_lanes_remember(struct world *world);

// --- lanes beside that of books ---

// A command with an id of its own, one record, given by the first owner; the body is copied.
void desk_command_set(struct desk *desk, struct desk_command *out, u16 record, const void *body,
                      u32 size);
// Adds to the commands that come before all others.
struct desk_command *desk_setup_add(struct desk *desk, u16 record, const void *body, u32 size);
// Models of names, principals, effects and loans, and what each needs in the beginning.
void desk_models_init(struct world *world);
// The next command of one of them. False when there is none just now.
bool desk_models_next(struct world *world, struct desk_command *out);
// What the model of a command's module says: one record, checked before.
void desk_models_expect(struct world *world, const struct desk_command *command, u64 now,
                        struct desk_expected *out);
// Entries and raw transfers were posted: names sum what is theirs.
void desk_models_posted(struct desk *desk, const struct desk_command *command,
                        const struct desk_expected *expected);
void desk_models_tick(struct desk *desk, u64 now);
void desk_models_compare(struct world *world, bool is_whole);

// Folds the change stream of a node at rest into balances, and compares them with its ledger.
void desk_changes_compare(struct world *world, struct node *node);

// --- imports ---

// The next command on imports. False when there is none just now.
bool desk_import_next(struct desk *desk, struct desk_command *out);
void desk_import_expect(struct desk *desk, const struct desk_command *command,
                        struct desk_expected *out);
// A tick advances the job of an import; `context` is the desk.
void desk_import_slice(void *context, struct job_record *job);
// A tick carried out the rows in its body, in the name of this principal.
void desk_import_carried(struct world *world, const u8 *body, u32 size, u64 principal);
// Two accounts of a book that names are of. Returns the book.
u32 desk_named_pair(struct desk *desk, u128 ids[2]);
// An entry_post of such accounts was carried out.
void desk_named_post(struct desk *desk, const u8 *body);

// --- checks ---

// Of a machine, whatever frame it is at.
void desk_check_machine(struct world *world, const struct machine *machine);
// Of the rows that a command of a frame that became durable left (L3, L11).
void desk_check_rows(struct world *world, const struct world_job *job, u32 index);
// Of one refusal (L8). `is_silent`: the model does not know its value and limit.
void desk_check_refusal(struct world *world, const struct desk_command *command, u32 index,
                        const struct command_reply *reply, const struct book_reply *expected,
                        bool is_silent);
// A command was carried out: who owns what it opened.
void desk_note_owner(struct desk *desk, const struct desk_command *command,
                     const struct desk_expected *expected);

#endif
