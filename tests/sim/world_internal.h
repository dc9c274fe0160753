// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the world share.
#ifndef TAEL_SIM_WORLD_INTERNAL_H
#define TAEL_SIM_WORLD_INTERNAL_H

#include "world.h"

// A line of the trace.
void world_note(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3);
// Reports and aborts.
void world_fail(struct world *world, const char *format, ...) PRINTF_LIKE(2, 3)
    __attribute__((noreturn));
static inline u64 below(struct world *world, u64 bound)
{
    return random_below(&world->random, bound);
}
static inline bool chance(struct world *world, u32 percent)
{
    return random_chance(&world->random, percent);
}
static inline u128 world_log_id(const struct world *world)
{
    return (u128)world->seed << 64 | 0x7ae1;
}
// Tells the oracle of a frame that is durable and compares what it knows with what was answered
// (`answered`: by a machine that lives; else the frame was found after a crash).
void world_acknowledge(struct world *world, struct world_job *job, bool answered);
void world_job_free(struct world_job *job);
// Frees all frames on their way.
void world_jobs_forget(struct world *world);

// The next frame, of what clients ask; decided; written, which is not yet acknowledged. False when
// it died and recovered, or met what a lie left.
struct world_job *world_job_make(struct world *world);
bool world_job_decide(struct world *world, struct world_job *job);
bool world_job_write(struct world *world, struct world_job *job);
// Steps: a frame, upkeep, bringing every frame to rest (false as above).
void world_frame(struct world *world);
void world_upkeep(struct world *world);
bool world_flush(struct world *world);

// A command ends the process after its frame is durable, and every recovery, until an owner makes
// it a refusal. Everything must be at rest.
void world_poison(struct world *world);

// Verifies the folder of a node that is closed, and replays all of its log. The disk must not fail.
void world_verify(struct world *world);

// Opens the node from the disk as it is, through crashes, and compares it with what must be there.
void world_recover(struct world *world);
// Sessions answer their last requests again.
void world_check_sessions(struct world *world);
// Every account, and the invariants of both.
void world_check_accounts(struct world *world);
// Somebody outside has heads and rows proved. Everything must be at rest.
void world_witness(struct world *world);
// One random question to both. Everything must be at rest.
void world_question(struct world *world);
// Makes or continues a backup, while the world goes on, and restores a folder from it.
void world_backup(struct world *world);
// The state behind a frame, which was acknowledged, is world->state_durable.
void world_backup_note(struct world *world, u64 sequence);
// Flips a bit of a file while the node is closed, and opens it. The node must be open and at rest.
void world_rot(struct world *world);

#endif
