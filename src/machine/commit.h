// SPDX-License-Identifier: Apache-2.0
//
// Commands of modules: looked up, decided, and their plans committed, in one way for all.
//
// Guarantees
//   P1 A plan is committed whole or nothing is changed but the note of its refusal.
//   P2 The same command id with the same bytes gets the same reply as long as its note is kept
//      (COMMAND_NOTES_MAX commands); with other bytes it is refused.
#ifndef TAEL_MACHINE_COMMIT_H
#define TAEL_MACHINE_COMMIT_H

#include "machine/machine.h"

// What is kept of a module's command.
struct command_note {
    u128 command_id;
    u8 content[16]; // The first bytes of the SHA-256 of record, principal and body.
    u128 evidence[2];
    u64 position;
    u64 timestamp;
    u64 principal;
    u32 record;
    u32 result;
    u32 posting;        // Of MODULE_POSTING_REFUSED: which one,
    u32 posting_result; // and the ledger's number of the refusal.
    u8 reserved[24];
};
static_assert(sizeof(struct command_note) == 128, "command note v1");

// The answer to a module's command.
struct command_reply {
    u32 result;
    u32 posting;
    u32 posting_result;
    u32 reserved;
    u64 position;
    u64 timestamp;
    u128 evidence[2];
};
static_assert(sizeof(struct command_reply) == 64, "command reply v1");

// Something asked of the outside. Claiming and settling come with the gateways.
enum effect_status {
    EFFECT_PENDING = 1,
};
struct effect {
    u64 number; // Counts from 1.
    u64 position;
    u64 timestamp;
    u16 module;
    u16 kind;
    u32 status;
    u8 body[EFFECT_BODY_SIZE];
    u8 reserved[32];
};
static_assert(sizeof(struct effect) == 128, "effect v1");

// Applies a module's command. The status is the environment's; refusals are in the reply.
MUST_USE enum status commit_command(struct machine *machine, const struct frame_command *command,
                                    const u8 *body, u64 place, struct applied_frame *frame,
                                    struct applied_command *applied, struct failure *failure);
// Lets every module of the log do what is due.
MUST_USE enum status commit_pulse(struct machine *machine, u64 place, struct applied_frame *frame,
                                  struct applied_command *applied, struct failure *failure);
// The context of a module as it is now.
struct module_context commit_context(const struct machine *machine, const struct module *module);

#endif
