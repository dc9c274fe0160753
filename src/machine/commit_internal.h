// SPDX-License-Identifier: Apache-2.0
//
// What committing a command and advancing a job share. Private.
//
//   commit.c         commands, plans
//   commit_slice.c   slices of jobs
//   commit_import.c  those of imports
#ifndef TAEL_MACHINE_COMMIT_INTERNAL_H
#define TAEL_MACHINE_COMMIT_INTERNAL_H

#include "machine/commit.h"

// What a plan was made for.
struct source {
    u128 command_id;
    u64 place; // Of the record in the log.
    u32 index; // Of the record in its command.
    u32 size;  // Of it.
    const u8 *record;
    u16 number; // Of the record; 0: nobody asked.
    u16 module;
    u16 owner_class; // Of the accounts that it may touch.
    bool is_fact;    // Of a row of an import: it happened, whatever constraints say of it.
};

// What a tick has brought along; size 0: nothing.
struct tick {
    const u8 *body;
    u32 size;
    u64 place; // Of the body in the log.
};

// Commits a plan whole (P1), or says in the reply why not: result and evidence are set, which were
// 0.
MUST_USE enum status plan_commit(struct machine *machine, const struct module *module,
                                 const struct plan *plan, const struct source *source,
                                 struct command_reply *reply, struct applied_frame *frame,
                                 struct applied_command *applied, struct failure *failure);

// Whether everything of a plan that could lack room has it.
bool plan_fits(const struct machine *machine, const struct module *module, const struct plan *plan);
// When a record with the plan's unique id was carried out before: tells in the reply whether it was
// this very one, and when. Else the reply stays as it is.
MUST_USE enum status exists_tell(struct machine *machine, const struct plan *plan,
                                 const struct source *source, struct command_reply *reply,
                                 struct failure *failure);
// Makes a record of a table as it shall be, or a new one behind the last, and moves its row in the
// orders and the index of its table to where it belongs then.
MUST_USE enum status record_write(struct machine *machine, const struct module *module, u32 number,
                                  u64 row, const void *image, struct failure *failure);
// Decides and commits a record that an import carries out, and leaves what became of it in history.
MUST_USE enum status commit_row(struct machine *machine, u32 record, u64 principal,
                                const struct source *source, struct command_reply *reply,
                                struct applied_frame *frame, struct applied_command *applied,
                                struct failure *failure);
// The job whose turn it is, or NULL: an import that others wait for before any other.
const struct job_record *commit_job_next(const struct machine *machine);
// Advances the job of an import.
MUST_USE enum status commit_import_slice(struct machine *machine, const struct job_record *job,
                                         const struct tick *tick, struct applied_frame *frame,
                                         struct applied_command *applied, struct failure *failure);

#endif
