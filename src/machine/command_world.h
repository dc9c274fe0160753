// SPDX-License-Identifier: Apache-2.0
//
// For tests: a machine with its log and history on a disk in memory, driven command by command.
//
// Every command is logged in a frame of its own, applied, indexed, and the whole machine is checked
// behind it (machine_check), so a world is for small states. A restart reads the folder as a server
// does and tells whether the state is the one from before.
//
// Guarantees: the same calls give the same log and state. What the environment refuses (there is no
// fault on this disk unless a test asks for one) ends the process with the failure's message.
#ifndef TAEL_MACHINE_COMMAND_WORLD_H
#define TAEL_MACHINE_COMMAND_WORLD_H

#include "machine/commit.h"
#include "machine/node_ask.h"
#include "os/disk_memory.h"

#define COMMAND_WORLD_SPACE        (2 * MIB) // Of the bodies of a frame, of a reply, of an answer.
#define COMMAND_WORLD_COMMANDS_MAX 8u        // Of a frame.

struct command_world {
    struct disk_memory disk;
    struct node node;
    struct genesis genesis;       // That the log is made from.
    struct applied_frame applied; // What became of the last frame.
    u8 *head;                     // Scratch for the frame.
    u8 *pack;                     // Scratch for the body.
    u8 *reply;                    // Of the last frame's commands, COMMAND_WORLD_SPACE each.
    struct node_ask ask;          // For questions.
    u8 *views;                    // Of the last answer: those of `ask`.
    u8 *tick;                     // What a tick brings along.
    void *resolved;
    u64 timestamp;   // Of the last frame; the next is 1,000 ns later, or more.
    u32 frame_flags; // Of the frames to come.
    u64 principal;   // Who gives the commands to come,
    u64 delegate;    // and who acts in that name; 0: nobody.
    u64 expires_at;  // Of the commands to come; 0 is never.
    u64 session;     // Of the raw client; 0 before its first batch.
    u32 request;     // Its last one.
};

// A log made for tests: 4,096 accounts and holds, the sample module's commands accepted.
struct genesis command_world_genesis(void);
// A world over an empty disk, its node open; the principal is 5. To be given to command_world_free,
// its node open or closed. `world` is large: not for the stack.
void command_world_init(struct command_world *world, const struct genesis *genesis);
void command_world_free(struct command_world *world);

// Ends the process unless `status` is STATUS_OK.
void command_world_must(enum status status, const struct failure *failure);

// Closes the node, as a process that dies does; opens the folder again, from checkpoint and log.
void command_world_close(struct command_world *world);
void command_world_open(struct command_world *world);
// Closes and opens. Whether the state digest is what it was.
MUST_USE bool command_world_restart(struct command_world *world);
// The same, from a checkpoint behind a frame that rotates: a tick, so that time passes.
MUST_USE bool command_world_restart_from_checkpoint(struct command_world *world);

// Logs and applies a frame of one command: `entry` but for where its body is, and `body` of
// entry->body_size bytes. What became of it is in world->applied.commands[0], the reply in
// world->reply.
void command_world_frame(struct command_world *world, const struct frame_command *entry,
                         const void *body);
// The same with several commands in one frame, COMMAND_WORLD_COMMANDS_MAX at most.
void command_world_frame_of(struct command_world *world, const struct frame_command *entries,
                            const void *const *bodies, u32 count);
// Lets so many seconds pass and logs a tick: what is due happens.
void command_world_tick(struct command_world *world, u64 seconds);
// A frame of one tick: a job is advanced by a slice, and what is due happens.
void command_world_slice(struct command_world *world);
// Runs a module's command of `count` records as the world's principal. Returns how many replies
// there are; they are in world->reply.
u32 command_world_run(struct command_world *world, u128 command_id, u16 record, const void *body,
                      u32 size, u32 count);
// How many replies the last frame's command `index` of a module got, and reply `i` of them; there
// must be that many (asserted). command_world_reply is of the first command, mostly the only one.
u32 command_world_reply_count(const struct command_world *world, u32 index);
struct command_reply command_world_reply_of(const struct command_world *world, u32 index, u32 i);
struct command_reply command_world_reply(const struct command_world *world, u32 i);
// Runs a batch of raw accounts (struct account) or transfers as a plain client does; `operation` is
// COMPAT_CREATE_ACCOUNTS or COMPAT_CREATE_TRANSFERS. At most 8,189 events. Writes `count` results.
void command_world_create(struct command_world *world, enum compat_operation_number operation,
                          const void *events, u32 count, struct create_result *results);
// As node_ask, node_ask_accounts and node_ask_postings; the views are in world->views.
static inline u32 command_world_ask(struct command_world *world,
                                    const struct schema_record *question, const void *body,
                                    u32 room, struct module_answer *answer)
{
    return node_ask(&world->ask, question, body, room, answer);
}
static inline u32 command_world_accounts(struct command_world *world, u32 number, u32 limit,
                                         u32 *rows)
{
    return node_ask_accounts(&world->ask, number, limit, rows);
}
static inline u32 command_world_postings(struct command_world *world, u32 number, u16 code,
                                         u32 limit, struct transfer *out)
{
    return node_ask_postings(&world->ask, number, code, limit, out);
}

#endif
