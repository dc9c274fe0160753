// SPDX-License-Identifier: Apache-2.0
//
// The machine: applies frames, in order, to the ledger, the sessions and the modules.
//
// It sees no clock, file, random number, thread or float: time is in the frame, and what it reads
// of the past are immutable facts (L6). Live, replayed and following machines run this one
// function.
//
// Guarantees
//   M1 The state after a frame is a function of the frames up to it.
//   M2 A command applies whole or not at all; an event of a batch likewise.
//   M3 A command that was applied is not applied again: a repeated request gets the stored reply.
//   M4 The orders of modules' tables have the rows that belong in them, and no others.
//
// A frame with the flag FRAME_ROTATE ends a segment of history, so segments too are a function of
// the log.
#ifndef TAEL_MACHINE_MACHINE_H
#define TAEL_MACHINE_MACHINE_H

#include "ledger/history_query.h"
#include "ledger/ledger.h"
#include "ledger/turnover.h"
#include "machine/compat.h"
#include "machine/sub_ledger.h"
#include "modules/module.h"
#include "wal/frame.h"

#define MACHINE_SESSIONS_MAX  64u
#define MACHINE_OVERRIDES_MAX 64u
#define MACHINE_MODULES_MAX   22u
#define COMMAND_NOTES_MAX     65536u // Commands of modules whose replies are kept.
#define TURNOVERS_MAX         (1u << 28)
static_assert((MACHINE_MODULES_MAX + 1) * PLAN_POSTINGS_MAX <= LEDGER_PULSE_POSTINGS_MAX,
              "a tick's rows");

// Body of COMMAND_GENESIS: what the whole log depends on.
struct genesis {
    u64 hash_key[4]; // Secret of this log; keeps chosen ids from colliding in its tables.
    u128 cluster;
    u64 created_at; // Nanoseconds UTC.
    u32 accounts_max;
    u32 holds_max;
    u32 flags; // enum genesis_flags.
    u8 reserved[60];
};
static_assert(sizeof(struct genesis) == 128, "genesis v1");

enum genesis_flags {
    GENESIS_SAMPLE = 1 << 0, // The sample module's commands are accepted: a log made for tests.
    GENESIS_ARMED = 1 << 1,  // Effects may be claimed from the beginning: a server made the log.
};

// What the machine keeps beside its tables; part of a checkpoint.
struct machine_state {
    u64 note_count; // Of all commands of modules ever decided.
};

// A compat client's session; 64 at most. When one more registers, the one that its command names
// goes, or else the one whose last logged command is oldest.
struct session {
    u128 client;           // 0: the record is free.
    u128 request_checksum; // Of the last logged request.
    u64 number;            // The position of its registration.
    u64 position;          // Of its last logged command.
    u64 timestamp;         // Of its last logged command.
    u64 place;             // Of that command's body in the log.
    u64 first_row;         // Of its outcomes.
    u32 request;           // Its number.
    u32 operation;         // Its wire byte.
    u32 body_size;
    u32 release; // The client's; 0 is not known.
    u8 reserved[40];
};
static_assert(sizeof(struct session) == 128, "session v1");
static_assert(offsetof(struct session, reserved) + 40 == 128, "no padding: it is hashed");

// The postings of a plan as the ledger takes them.
struct plan_chain {
    struct transfer transfers[PLAN_POSTINGS_MAX];
    struct ledger_rows rows[PLAN_POSTINGS_MAX];
};

struct machine {
    struct history history;
    struct ledger ledger;
    struct table sessions; // struct session.
    struct genesis genesis;
    u64 position;       // Of the last command applied.
    u64 sequence;       // Of the last frame applied.
    u64 timestamp;      // The latest given.
    u128 log_id;        // Of the last frame applied.
    u64 epoch;          // Likewise.
    struct table notes; // struct command_note, a ring.
    struct turnovers turnovers;
    struct sub_ledgers sub_ledgers;
    struct index note_index;
    struct module_tables module_tables[MACHINE_MODULES_MAX];
    struct machine_state state;
    u64 overrides[MACHINE_OVERRIDES_MAX]; // Positions whose commands are refused.
    u32 override_count;
    // Where the position being applied is noted, in memory that outlives the process; or NULL.
    volatile u64 *applying;
    struct create_result *results; // Scratch where a reply is not wanted or not dense.
    u8 *body;                      // Scratch for a request read back.
    struct plan *plan;             // Scratch for the plan being made,
    struct plan *settled_plan;     // and for that of the module whose effect ends by it.
    struct plan_chain *chain;      // Scratch for its postings as transfers.
};

// What became of a command, for its reply and for the history thread.
enum command_result {
    COMMAND_DONE,
    COMMAND_NO_SESSION, // Its session was evicted before it was applied.
    COMMAND_OVERRIDDEN, // An operator made it a refusal; its session has ended.
};

struct applied_command {
    enum command_result result;
    u64 position;
    u64 timestamp;
    u64 first_row;
    u8 *reply; // In: room for COMPAT_BODY_SIZE_MAX, or NULL when no reply is wanted.
    u32 reply_size;
    bool has_results; // The reply is of raw events: struct create_result each.
};

struct applied_frame {
    struct history_segment *segment; // Holds all rows of the frame.
    u64 first_row;
    u64 end_row;
    struct ledger_resolved resolved; // In: room for LEDGER_EVENTS_MAX; out: for the history thread.
    struct applied_command commands[FRAME_COMMANDS_MAX];
    bool rotated; // `segment` has ended behind it. Not so when it is still empty.
};

// Creates the machine from a genesis. `log` is how history reads requests.
MUST_USE enum status machine_init(struct machine *machine, struct disk *disk,
                                  const struct genesis *genesis, const struct history_log *log,
                                  struct failure *failure);
void machine_free(struct machine *machine);

// Applies the next frame. A status other than STATUS_OK is the environment's (a fact could not be
// read, a table is full): the machine must not be used any more.
MUST_USE enum status machine_apply(struct machine *machine, const struct frame_view *frame,
                                   struct applied_frame *applied, struct failure *failure);

// Makes the command at a position a refusal, whenever it is applied. Called ahead of the replay
// with the overrides found in the log.
void machine_override(struct machine *machine, u64 position);
bool machine_is_overridden(const struct machine *machine, u64 position);

// The session of a client, or NULL.
const struct session *machine_session(const struct machine *machine, u128 client);
// One of the MACHINE_SESSIONS_MAX records of sessions, for walking over them.
const struct session *machine_session_at(const struct machine *machine, u32 row);
// Writes the reply of a session's last logged request again. `*size` is its body's size.
MUST_USE enum status machine_reply_again(struct machine *machine, const struct session *session,
                                         u8 *reply, u32 *size, struct failure *failure);

// Indexes an applied frame: lists of its segment, the outcome root of the frame. In order of
// frames, one thread.
struct machine_indexer {
    struct outcome_edge outcomes; // The tree over the roots of frames.
    struct digest *leaves;        // Scratch for a frame's rows.
    u64 sequence;                 // Of the last frame indexed.
    u64 end_row;                  // Rows below are indexed.
    u64 root_first;               // Frames from here to `sequence` have their root in the ring.
    struct digest roots[FRAME_OUTCOME_LAG_MAX]; // Cumulative, by sequence modulo the size.
};
MUST_USE enum status machine_indexer_init(struct machine_indexer *indexer, struct failure *failure);
// The cumulative outcome root up to a frame of the ring.
static inline struct digest *machine_indexer_root(struct machine_indexer *indexer, u64 sequence)
{
    return &indexer->roots[sequence % FRAME_OUTCOME_LAG_MAX];
}
void machine_indexer_free(struct machine_indexer *indexer);
void machine_index(struct machine *machine, struct machine_indexer *indexer,
                   const struct frame_view *frame, const struct applied_frame *applied);

// The most records that a valid create may add to its table, as the tables are now: accounts whose
// id is not there, or open pending transfers.
u32 machine_records_needed(const struct machine *machine, const struct compat_operation *operation,
                           const u8 *body, u32 size);

// Executes one lookup or query that is not logged. Account questions are the machine's thread's;
// history questions any thread's (see machine_query_is_live).
static inline bool machine_query_is_live(const struct compat_operation *operation)
{
    return operation->kind == COMPAT_KIND_LOOKUP_ACCOUNTS;
}
u32 machine_lookup_accounts(const struct machine *machine, const struct compat_operation *operation,
                            const struct compat_batches *batches, u8 *reply);

// Every table of the state, in the order of checkpoints, each with the number by which it is known
// for ever: a module's is its number * 256 + the table's. Returns how many.
#define MACHINE_TABLES_MAX (16u + MACHINE_MODULES_MAX * MODULE_TABLES_MAX)
struct machine_table {
    struct table *table;
    u32 id;
};
u32 machine_tables(struct machine *machine, struct machine_table tables[MACHINE_TABLES_MAX]);
// When time has something to do: a hold expires, or something of a module is due; U64_MAX never.
u64 machine_next_due(const struct machine *machine);
// When the next tick is due: U64_MAX never, 0 at once since a job is running (docs/JOBS.md).
u64 machine_next_tick(const struct machine *machine);
// Rebuilds what is not saved, once the tables and the state were loaded.
MUST_USE enum status machine_loaded(struct machine *machine, struct failure *failure);

// Asserts the invariants of the machine and its ledger. Walks every record.
void machine_check(const struct machine *machine);

#endif
