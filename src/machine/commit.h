// SPDX-License-Identifier: Apache-2.0
//
// Commands of modules: looked up, decided, and their plans committed, in one way for all.
//
// A command is one record or several of one kind, each at a multiple of COMMAND_RECORD_ALIGNMENT
// from the body's start. Each is decided by itself, in order; one that is refused hinders no other.
//
// Guarantees
//   P1 A plan is committed whole or nothing is changed but the note of its refusal.
//   P2 The same command id with the same bytes gets the same reply as long as its note is kept
//      (COMMAND_NOTES_MAX commands); with other bytes it is refused.
#ifndef TAEL_MACHINE_COMMIT_H
#define TAEL_MACHINE_COMMIT_H

#include "machine/machine.h"

#define COMMAND_RECORD_ALIGNMENT 16u
#define COMMAND_RECORDS_MAX      LEDGER_BATCH_EVENTS_MAX
// A record's plan has at most a posting for each so many bytes of the record, or as many as the
// record's description says (postings_max), so that a command bounds what it leaves in history.
#define COMMAND_POSTING_BYTES 32u
#define COMMIT_TICK_SIZE_MAX  (256u * KIB)
// Rows of history that a command of a record, of so many of them and bytes, may leave: those of its
// postings, one a record, and one more of evidence. One with more than HISTORY_COMMANDS_ROWS_MAX is
// not accepted.
static inline u64 command_rows_max(const struct schema_record *record, u32 count, u32 size)
{
    const u32 each = record == NULL ? 1 : MAX(record->postings_max, 1u);
    const u64 postings = MAX((u64)count * each, size / COMMAND_POSTING_BYTES);
    return 2ull * count + HISTORY_POSTING_ROWS_MAX * postings;
}

// What is kept of a module's command. What became of its records is in its rows of history.
struct command_note {
    u128 command_id;
    u128 content; // Checksum of the body.
    u64 position;
    u64 timestamp; // Of its last record.
    u64 principal;
    u64 first_row;
    u64 end_row;
    u32 record;
    u32 body_size;
    u8 has_results; // Of raw events that were decided: their rows are those of accounts, transfers.
    u8 reserved[47];
};
static_assert(sizeof(struct command_note) == 128, "command note v2");

// The answer to one record of a module's command; to one that is not whole, there is one in all.
struct command_reply {
    u32 result;
    u32 posting;        // That the ledger refused; of MODULE_CONSTRAINT_BROKEN the constraint.
    u32 posting_result; // Why the ledger refused it.
    u32 reserved;
    u64 position;
    u64 timestamp;
    u128 evidence[2];
};
static_assert(sizeof(struct command_reply) == 64, "command reply v1");

// The description of a command that this log accepts, or NULL.
const struct schema_record *commit_record(const struct machine *machine, u32 number);
// Checks that a body is `count` whole records and nothing else; for the port, before it logs.
// STATUS_INVALID names record, field, value and rule.
MUST_USE enum status commit_check(const struct schema_record *record, const u8 *body, u32 size,
                                  u32 count, struct failure *failure);
// The same by the record's number, raw accounts and transfers too, which break no rule of the
// description here: the ledger tells. STATUS_NOT_FOUND when this log accepts no such command.
MUST_USE enum status commit_command_check(const struct machine *machine, u32 number, const u8 *body,
                                          u32 size, u32 count, struct failure *failure);
// Applies a module's command, or one of raw accounts or transfers. The status is the environment's;
// refusals are in the reply.
MUST_USE enum status commit_command(struct machine *machine, const struct frame_command *command,
                                    const u8 *body, u64 place, struct applied_frame *frame,
                                    struct applied_command *applied, struct failure *failure);
// The description of a question that this log answers, or NULL.
const struct schema_record *commit_question(const struct machine *machine, u32 number);
// Whether it may be one that history answers: then `task` must be there when it is asked.
bool commit_looks(const struct schema_record *question);
// Answers a question whose body was checked (record_binary_check), from the state as it is now.
// Returns MODULE_DONE or a refusal of its module. When the answer is unfinished it is called again
// with the same one for the next turn, also in another state. When answer->looks is set, history
// has to say the rest (past_look).
u32 commit_ask(const struct machine *machine, const struct schema_record *question,
               const void *body, struct module_answer *answer);
// Lets every module of the log do what is due.
MUST_USE enum status commit_pulse(struct machine *machine, u64 place, struct applied_frame *frame,
                                  struct applied_command *applied, struct failure *failure);
// When the next tick has something to do for a module, in nanoseconds; U64_MAX for never.
u64 commit_next_due(const struct machine *machine);
// Advances the job that waits longest by one slice, or concludes it; nothing when none is running.
// `body`, of `size` bytes at `body_place` in the log, is what the tick has brought along.
MUST_USE enum status commit_slice(struct machine *machine, u64 place, const u8 *body, u32 size,
                                  u64 body_place, struct applied_frame *frame,
                                  struct applied_command *applied, struct failure *failure);
// Whether commands of modules wait: an import is being carried out whole. Whoever logs commands
// holds them back meanwhile, from the tick on that begins it; what comes all the same is refused
// (MODULE_HELD_UP).
bool commit_holds_up(const struct machine *machine);
// The next tick, and whether it is to be alone in its frame. One that carries out records has them
// in its body, at most COMMIT_TICK_SIZE_MAX bytes, and is in the name of whose they are.
struct frame_command commit_tick(struct machine *machine, bool *alone);
// Its body, from the log: as many bytes as it says. The status is that of reading.
MUST_USE enum status commit_tick_body(struct machine *machine, u8 *out, struct failure *failure);
// The context of a module as it is now.
struct module_context commit_context(const struct machine *machine, const struct module *module);

#endif
