// SPDX-License-Identifier: Apache-2.0
//
// What committing a command and advancing a job share. Private.
//
//   commit.c        commands, plans
//   commit_slice.c  slices of jobs
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
};

// Commits a plan whole (P1), or says in the reply why not: result and evidence are set, which were
// 0.
MUST_USE enum status plan_commit(struct machine *machine, const struct module *module,
                                 const struct plan *plan, const struct source *source,
                                 struct command_reply *reply, struct applied_frame *frame,
                                 struct applied_command *applied, struct failure *failure);

#endif
