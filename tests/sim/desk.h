// SPDX-License-Identifier: Apache-2.0
//
// A world of modules: what clients of the tael port ask there, what must come of it, and what must
// hold after every step.
//
// The commands are those of the random generators that the tests of models have, each kind in a
// *lane* of its own, on ids and ledger numbers that no other lane uses: entities, books, entries,
// limits and raw accounts; names; principals; effects; loans with their jobs. Each lane has its
// naive model, which is told of a command when its frame is known to be durable. A client whose
// command was lost with a crash gives it again, the same bytes under the same id, and some give it
// again after it was answered.
//
// Time stands nearly still (a microsecond a frame) but for leaps of DESK_LEAP_S, behind which
// everything that may expire has: models of holds know no more of time.
#ifndef TAEL_SIM_DESK_H
#define TAEL_SIM_DESK_H

#include "follower.h"
#include "machine/book_compare.h"
#include "machine/name_compare.h"
#include "modules/accrual/accrual_model.h"
#include "modules/book/book_random.h"
#include "modules/effect/effect_random.h"
#include "modules/principal/principal_model.h"

#define DESK_SENT_MAX     64u
#define DESK_SETUP_MAX    40u
#define DESK_RECORDS_MAX  128u
#define DESK_OWNERS_MAX   1024u
#define DESK_IMPORTS_MAX  1024u
#define DESK_PAST_MAX     64u
#define DESK_FRAME_NS     1000u
#define DESK_LEAP_S       BOOK_RANDOM_EXPIRY_S
#define DESK_REPEATED_MAX 16384u // A longer command is not given again.

// Ledger numbers of accounts that are not the model of books': the sample module's and the loans'.
#define DESK_FOREIGN_FIRST 1000u
#define DESK_FOREIGN_END   2000u

struct world;
struct world_job;

// What is promised and looked at by itself after each frame that became durable.
enum desk_check {
    CHECK_L1,  // Debits equal credits on every ledger number, posted and held.
    CHECK_L2,  // No account is beyond its limit; what it holds is the sum of its open holds.
    CHECK_L3,  // No posting's id took effect twice; a repeated command has its first reply.
    CHECK_L4,  // An acknowledged frame is in the log, which replays to the live state.
    CHECK_L6,  // A machine that only follows the log is in the same state.
    CHECK_L8,  // A refusal has a sentence, and the value and limit that the model says.
    CHECK_L10, // Loans sum to their control accounts.
    CHECK_L11, // Postings are on accounts of the module, and of the principal, that asked.
    CHECK_REPLIES,
    CHECK_BOOKS,
    CHECK_CELLS,
    CHECK_NAMES,
    CHECK_PRINCIPALS,
    CHECK_EFFECTS,
    CHECK_JOBS,
    CHECK_PAST,    // What was asked once is answered so for ever, by its position.
    CHECK_CHANGES, // The change stream folds into the balances.
    DESK_CHECKS,
};

struct desk_command {
    u128 id;
    u64 principal;
    u64 delegate; // Who acts in that name; 0: nobody.
    u64 expires_at;
    u32 count;
    u32 size;
    u16 record;
    u8 *body;
};

// A command on its way.
struct sent {
    bool is_used;
    bool is_flying; // In a frame that is not durable yet.
    struct desk_command command;
};

// A command that was carried out, and its reply.
struct answered {
    struct desk_command command;
    u8 *reply;
    u32 reply_size;
    u64 position;
    u64 timestamp;
};

// What the model says of a command: a reply for each record, or for each raw event.
struct desk_expected {
    u32 count;
    bool is_raw;
    bool is_silent; // The model does not say which value and limit a refusal tells.
    struct book_reply replies[BOOK_MODEL_RECORDS_MAX];
};

struct desk_tally {
    u32 record;
    u64 applied;
    u64 refused;
    u64 repeated; // The same command again.
};

// Whose an account of a book is, as it was opened.
struct desk_owner {
    u32 book;
    u128 account_id;
    u64 owner;
};

// An import, and what its job will make of it.
struct desk_import {
    u128 id;
    u64 principal;
    u64 rows;
    u64 refused; // Of those.
    u32 line;    // Of the first one that is.
    u8 status;   // enum import_status.
    bool is_whole;
};

// An account as it was behind a command.
struct desk_past {
    u64 position;
    struct account account;
};

// Ids that took effect.
struct desk_ids {
    u128 *ids;
    u32 room; // A power of two.
    u32 count;
};

struct desk {
    struct random random;
    struct node *node; // Whose frames these are.
    struct sent sent[DESK_SENT_MAX];
    struct answered *answered; // Of the whole log.
    u32 answered_count;
    u32 answered_room;
    struct desk_command setup[DESK_SETUP_MAX]; // In this order, before anything else.
    u32 setup_count;
    u32 setup_given;
    u32 setup_done;
    u128 next_id;
    bool leaps;       // The next frame is a tick behind a leap of time.
    bool has_leapt;   // Time has leapt, and no tick has told it yet.
    bool gives_one;   // A frame has one command.
    u64 timestamp;    // The last that a reply had.
    u64 time;         // Of the last frame that is durable.
    u64 frame_row;    // Rows of history below are of frames that were looked at.
    u32 lane_percent; // Of the commands, that are not of books.

    struct book_model *books;
    struct book_random book_random;
    struct book_step step;
    struct name_model names;
    struct principal_model principals;
    struct effect_model effects;
    struct effect_random effect_random;
    u128 held; // Of what the sample module sends, and what it has posted.
    u128 posted;
    struct accrual_model loans;
    struct desk_import imports[DESK_IMPORTS_MAX];
    u32 import_count;
    u128 next_row; // Ids for the model of books, of rows that are carried out.
    u8 *tick_body; // COMMIT_TICK_SIZE_MAX bytes, of the tick being made.
    u32 loans_max; // That the world may open,
    u32 run_max;   // and in one command.

    struct follower follower; // Not when the node is one itself.
    struct node_ask ask;
    struct book_compare compare;
    struct name_compare name_compare;
    struct desk_ids ids;
    struct desk_owner owners[DESK_OWNERS_MAX];
    u32 owner_count;
    struct desk_past past[DESK_PAST_MAX]; // A ring.
    u64 past_count;
    struct desk_tally tallies[DESK_RECORDS_MAX];
    u32 tally_count;
    u64 checks[DESK_CHECKS];
};

// Models of an empty log, and a follower of it. Before anything is logged; world->genesis is set.
void desk_init(struct world *world);
// The same for a log that another world makes and `node` follows. Of `world` nothing is used but
// seed, genesis, random numbers, counts and the oracle's position. Time goes on there as it likes,
// so holds of books never expire, and nobody makes it leap.
void desk_init_over(struct world *world, struct node *node);
void desk_free(struct world *world);

// The next command of any lane, its body to be freed: of the beginning, each once all before it are
// acknowledged, then one that was answered before, or a new one. False when there is none just now.
bool desk_next(struct world *world, struct desk_command *out);
// A command of the log by its id, or NULL.
const struct answered *desk_answered(const struct desk *desk, u128 id);

// What clients give in the next frame, at most `most` commands, whose bodies last until it is
// acknowledged or lost: returns how many. `*leap_ns` is how far time leaps before it. In `slots`
// where each was sent, for desk_acknowledge.
u32 desk_fill(struct world *world, struct frame_command *entries, const u8 **bodies, u32 *slots,
              u32 most, u64 *leap_ns);
// A frame is known to be durable: the models are told, replies compared. `is_answered`: its clients
// got their replies.
void desk_acknowledge(struct world *world, const struct world_job *job, bool is_answered);
// The node was opened again and everything that is durable was acknowledged: clients give again
// what was lost.
void desk_return(struct world *world);
// The follower takes over what is durable, and everything that is cheap is looked at.
void desk_follow(struct world *world);
// Compares the models with the node as it is: what is cheap, or everything.
void desk_compare(struct world *world, bool is_whole);
// Looks at everything there is, on the world's own node, which must be at rest. Without history
// when it lies on a disk that lied.
void desk_check_all(struct world *world);

// Names of checks, as failures have them in front.
const char *desk_check_name(enum desk_check check);

#endif
