// SPDX-License-Identifier: Apache-2.0
//
// The simulated world: one node on a disk in memory, clients with sessions, a virtual clock, and
// the oracle that knows what must come of it. Everything follows from the seed.
//
// A step is a frame of random commands (decided before it is written, as in the server), or a
// question, or upkeep: sealing, merging, a checkpoint in the middle of which the machine goes on, a
// clean restart, a crash within any operation of the disk, recovery (in which it may crash again),
// a flipped bit, a command that ends the process and every recovery until an owner overrides it. A
// world ends with a disk that lies: a write that is said to be durable is lost or lands elsewhere.
//
// A world is one of plain clients, whose sessions give batches of raw accounts and transfers, or
// one of modules (desk.h). Both live on the same node and disk and go through the same.
//
// What is asserted: each reply equals the oracle's byte for byte; after every crash no acknowledged
// frame is missing, one that was being written is there whole or not at all, and the state digest
// and the outcome root are those of the live machine at that frame; sessions answer their last
// request again with the same bytes; accounts, invariants and questions agree with the model;
// damage is named as such and never taken for data; a lie of the disk is named by verify or at the
// start, or changed nothing, and no answer after it differs from the model's.
#ifndef TAEL_SIM_WORLD_H
#define TAEL_SIM_WORLD_H

#include "desk.h"
#include "ledger/ledger_ask.h"
#include "ledger/ledger_compare.h"
#include "machine/recovery.h"
#include "oracle.h"
#include "os/disk_memory.h"
#include "witness.h"

#include <stdio.h>

#define WORLD_CLIENTS_MAX 96u
#define WORLD_JOBS_MAX    4u
#define WORLD_TRACE_LINES 40u
#define WORLD_LIES_MAX    256u // Frames of the time in which the disk lies.

struct world_client {
    u128 id;
    u64 session;   // 0: not registered.
    u32 request;   // Number of the last one given.
    u64 displaces; // Registering: the session that goes when there is no place, or 0.
    bool waiting;  // Its last request was not answered yet.
    bool retry;    // ... and must be given again.
    u16 record;
    u8 operation;
    u8 *body; // Of the last request.
    u32 body_size;
};

// One frame from its making until it is durable, answered and indexed.
struct world_job {
    u8 *memory; // Head and bodies, as in the log.
    u64 size;
    u64 head_size;
    struct frame_view view;
    const u8 *bodies[FRAME_COMMANDS_MAX];
    u32 clients[FRAME_COMMANDS_MAX]; // Or where modules have it as sent; U32_MAX: nobody's.
    struct applied_frame *applied;
    struct digest state; // The machine's, after it.
    bool decided;
    bool durable;
    bool indexed;
    bool checkpoint;
};

enum world_count {
    WORLD_FRAMES,
    WORLD_COMMANDS,
    WORLD_EVENTS,
    WORLD_SEAL_FRAMES,
    WORLD_TICKS,
    WORLD_QUESTIONS,
    WORLD_ROTATED,
    WORLD_SEALED,
    WORLD_MERGED,
    WORLD_SPARES_REMOVED,
    WORLD_SET_ASIDE,
    WORLD_CHECKPOINTS,
    WORLD_RESTARTS,
    WORLD_CRASHES,
    WORLD_CRASHES_IN_RECOVERY,
    WORLD_RECOVERED_FROM_CHECKPOINT,
    WORLD_TORN,       // Tails that were cut.
    WORLD_FRAME_KEPT, // A frame that was being written and was there after the crash.
    WORLD_FRAME_LOST,
    WORLD_REPLIED_AGAIN,
    WORLD_RETRIED,
    WORLD_FULL,
    WORLD_ENVIRONMENT_FAILED, // An error of writing or sync ended the process.
    WORLD_ROT_NAMED,
    WORLD_ROT_HARMLESS,
    WORLD_POISONED, // Commands that ended the process and each recovery.
    WORLD_OVERRIDDEN,
    WORLD_VERIFIED,
    WORLD_BACKUPS,
    WORLD_BACKUPS_ENDED, // By their own disk.
    WORLD_RESTORED,
    WORLD_EPOCHS, // Of worlds of modules alone, up to WORLD_JOBS_ENDED.
    WORLD_COPIES, // Epochs in which the log has another id.
    WORLD_IMPORTED,
    WORLD_JOBS_ENDED, // With their principal.
    WORLD_LIES,       // Worlds whose disk said that a write was durable, and lost or misplaced it.
    WORLD_LIES_MET,
    WORLD_LIES_NAMED,
    WORLD_LIES_REFUSED,
    WORLD_LIES_CUT, // The last write of the log: the window that FORMAT.md states.
    WORLD_LIES_HARMLESS,
    WORLD_QUESTIONS_REFUSED,
    WORLD_PROVED,
    WORLD_COUNT_KINDS,
};

struct world {
    u64 seed;
    u64 steps;
    struct random random;
    struct ledger_random events;
    struct disk_memory disk;
    struct genesis genesis;
    struct node node;
    bool open;
    struct oracle oracle;
    struct ledger_ask ask; // The context of `executor`.
    struct ledger_executor executor;
    struct ledger_executor model_executor;
    struct ledger_step *step;
    struct ledger_reply *replies[2];
    struct world_client clients[WORLD_CLIENTS_MAX];
    u32 client_count;
    struct world_job jobs[WORLD_JOBS_MAX]; // A ring, in order.
    u32 job_first;
    u32 job_count;
    struct transfer *resolved[WORLD_JOBS_MAX];
    u64 next_sequence;
    u64 next_place;
    u64 written;                 // Frames that an append was begun for: up to this sequence.
    u64 place_before;            // Of the last durable frame.
    struct digest state_durable; // After the last durable frame.
    struct digest root_durable;
    bool checkpoint_active;
    bool checkpoint_ready; // Its frame is durable and indexed.
    struct outcome_edge checkpoint_outcomes;
    struct history_segment *sealable[HISTORY_LIVE_SEGMENTS_MAX];
    u32 sealable_count;
    u64 poison; // Position of the command that ends the process; 0 none.
    u64 overrides;
    bool lying;    // The disk lies, or has lied.
    u64 lies;      // How often.
    bool lie_met;  // What it left was read and named.
    u64 lie_first; // The first frame acknowledged since, with the states from the one before it on.
    struct digest lie_states[WORLD_LIES_MAX];
    struct disk_memory vault; // Where backups go,
    u64 vault_frames;         // and how many frames the one there is whole with.
    struct digest *states;    // Behind each acknowledged frame; zero of others.
    u64 states_capacity;
    enum plant_bug bug;
    struct witness witness;
    struct desk *desk; // Of a world of modules; NULL of one of plain clients.
    u64 counts[WORLD_COUNT_KINDS];
    char trace[WORLD_TRACE_LINES][160];
    u64 trace_count;
    bool verbose;
};

struct world_options {
    u64 seed;
    bool is_of_modules;
    bool verbose;       // What happens is printed as it happens.
    enum plant_bug bug; // That the machines of a world of modules have.
};

// A new log on an empty disk, for plain clients or for those of modules.
void world_init(struct world *world, const struct world_options *options);
void world_free(struct world *world);
// One step. Aborts when something is not as it must be, after world_report. What is random in it
// follows from the seed and its number: what comes behind is much the same without it.
void world_step(struct world *world);
// A step in which nothing happens.
void world_skip(struct world *world);
// Brings everything to rest and compares all of it once more.
void world_finish(struct world *world);
// Lets the disk lie, works on, and judges what verify, the start and questions make of it. After
// world_finish; nothing but world_free may follow.
void world_lie(struct world *world);
// A digest over the state, for comparing two runs of one seed.
void world_digest(struct world *world, struct digest *out);
// Seed, step and the last things that happened.
void world_report(const struct world *world, FILE *out);
const char *world_count_name(enum world_count kind);

#endif
