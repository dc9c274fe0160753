// SPDX-License-Identifier: Apache-2.0
//
// What the parts of a world of ports share.
#ifndef TAEL_SIM_HARBOUR_INTERNAL_H
#define TAEL_SIM_HARBOUR_INTERNAL_H

#include "harbour.h"

#define HARBOUR_COMPAT_PATH "harbour-compat"
#define HARBOUR_TAEL_PATH   "harbour-tael"

// Random numbers below a bound, and chances, of the world.
static inline u64 below(struct harbour *harbour, u64 bound)
{
    return random_below(&harbour->random, bound);
}
// So many times in a hundred.
static inline bool chance(struct harbour *harbour, u32 percent)
{
    return random_chance(&harbour->random, percent);
}
// The steady clock.
static inline u64 now_of(const struct harbour *harbour)
{
    return harbour->system.host.steady;
}
// The wall clock, nanoseconds UTC.
static inline u64 wall_of(const struct harbour *harbour)
{
    return (u64)((i64)now_of(harbour) + harbour->system.host.wall_apart);
}

// A line of the report.
void harbour_note(struct harbour *harbour, const char *format, ...) PRINTF_LIKE(2, 3);
// Something is not as it must be. `check` is what found it.
void harbour_fail(struct harbour *harbour, const char *check, const char *format, ...)
    PRINTF_LIKE(3, 4) __attribute__((noreturn));

// --- the server (harbour.c) ---

// Operations of the disk that take time, or end the process, when the process asks for them.
void harbour_disk_wrap(struct harbour *harbour);
// The process's first thread.
void *harbour_serve(void *context);
// What ends the process: it asked for it, lost its power, or is killed.
void harbour_crash(struct harbour *harbour, enum disk_memory_crash how);

// Somebody was answered who asked at this moment; 0: it does not matter when. In fair weather it
// must be soon.
void harbour_fair_answer(struct harbour *harbour, u64 asked_at);

// --- clients (harbour_clients.c) ---

// Chooses how many there are.
void harbour_clients_init(struct harbour *harbour);
// They are gone.
void harbour_clients_free(struct harbour *harbour);
// Lets one client go on that has something to do. False when none has.
bool harbour_clients_step(struct harbour *harbour);
// When one has something to do by the clock; U64_MAX never.
u64 harbour_clients_wake_at(const struct harbour *harbour);
// Whether nobody waits for an answer, and whoever follows has seen all.
bool harbour_clients_are_answered(const struct harbour *harbour);
// The answer to a command says when it was: as the log has it, or later when it was repeated.
void harbour_ask_dated(struct harbour *harbour, const struct tael_answer *answer, u64 position,
                       u64 timestamp);
// What the log has for plain clients: the answer to this command.
void harbour_plain_expect(struct harbour *harbour, const struct frame_command *command,
                          const struct oracle_answer *answer);

// --- who behaves badly (harbour_pirates.c) ---

// As those of clients.
void harbour_pirates_init(struct harbour *harbour);
// As harbour_clients_free.
void harbour_pirates_free(struct harbour *harbour);
// As harbour_clients_step.
bool harbour_pirates_step(struct harbour *harbour);
// As harbour_clients_wake_at.
u64 harbour_pirates_wake_at(const struct harbour *harbour);
// They leave for good.
void harbour_pirates_leave(struct harbour *harbour);

// --- commands and questions of modules (harbour_modules.c) ---

// Makes it a world of modules. Before anything is logged.
void harbour_modules_init(struct harbour *harbour);
void harbour_modules_free(struct harbour *harbour);
// The models are told of the frame that the follower just took over.
void harbour_modules_follow(struct harbour *harbour);
// Everything is compared, the server being at rest, and counted.
void harbour_modules_check(struct harbour *harbour);
// Whether a command was carried out under this id.
bool harbour_modules_is_in_log(const struct harbour *harbour, u128 id);
// The next command of a caller, who keeps its place. False when there is none just now.
bool harbour_modules_command(struct harbour *harbour, struct ask *ask);
// In whose name a command is given, and through whom.
void harbour_modules_name(const struct harbour *harbour, const struct buffer *body,
                          struct frame_command *entry);
// A caller was answered: as the log says.
void harbour_modules_answered(struct harbour *harbour, const struct ask *ask,
                              const struct tael_answer *answer);
// A random question, its body written; it may break its description.
const struct schema_record *harbour_modules_question(struct harbour *harbour, u8 *body);
// The answer that the server gives to a question: as the follower gives it, if it is as far.
void harbour_modules_view(struct harbour *harbour, const struct pipeline_query *query);

// --- planted bugs (harbour_plants.c) ---

// An answer to a command, and one to a question, before the port has it; a command before the
// pipeline has it: with a bug, they may be changed.
void harbour_plant_reply(struct harbour *harbour, struct pipeline_command *command);
void harbour_plant_answer(struct harbour *harbour, struct pipeline_query *query);
void harbour_plant_command(struct harbour *harbour, struct frame_command *entry);

// --- checks (harbour_check.c) ---

// Whether a command of the tael port is in the log under this id, as far as it was followed.
bool harbour_is_in_log(const struct harbour *harbour, u128 id);

// The oracle and the follower go on with the log up to the command at this position, which the
// server calls durable.
void harbour_follow(struct harbour *harbour, u64 position);
// The server was started and serves nobody yet, or stopped cleanly: its machine has everything that
// was acknowledged, in the state that following the log gives.
void harbour_check_state(struct harbour *harbour);
// The checksum of a question: of what sort, and its body.
u128 harbour_question_key(u32 sort, const u8 *body, u32 size);
// The server gives an answer that shows this position.
void harbour_told_note(struct harbour *harbour, u128 question, const u8 *answer, u32 size,
                       u64 position);
// A client got an answer: it is one that was given to such a question, and shows that position.
void harbour_told_check(struct harbour *harbour, u128 question, const u8 *answer, u32 size,
                        u64 position);
// A client was told that its session is over.
void harbour_session_over(struct harbour *harbour, u128 client);
// An answer to a question of a plain client, as the server gives it.
void harbour_check_question(struct harbour *harbour, const struct pipeline_query *query);
// Accounts as the changes up to this row, of the command at this position, told of them: they are
// those of the ledger, if nothing came behind it.
void harbour_check_told(struct harbour *harbour, const struct account *told, u32 count, u64 row,
                        u64 position);
// A page of changes from this row on: each of them is the follower's, byte for byte.
void harbour_check_page(struct harbour *harbour, const struct follow *follow, u64 row,
                        const struct tael_answer *answer);
// Every account; the folder verified and replayed.
void harbour_check_all(struct harbour *harbour);

#endif
