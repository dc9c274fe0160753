// SPDX-License-Identifier: Apache-2.0
//
// A world of ports: a server as it is (both ports, connections, the pipeline with all its threads,
// recovery and a clean stop) on a simulated machine, disk and network, with the clients that the
// project ships, and some that behave badly, from one seed.
//
// The server turns the rounds of server/ports.h; clients of plain sessions are those of
// server/compat_client.h, the others libtael. A second node follows the log, and an oracle decides
// every command of it anew. What is answered must be what the oracle says, whatever happened on the
// way; who asks again under the same id is answered the same; and when nothing fails any more
// everybody is answered.
#ifndef TAEL_SIM_HARBOUR_H
#define TAEL_SIM_HARBOUR_H

#include "../follower.h"
#include "../oracle.h"
#include "ledger/ledger_random.h"
#include "server/compat_client.h"
#include "server/ports.h"
#include "system.h"
#include "tael.h"

#include <stdio.h>

#define HARBOUR_PLAIN_MAX     88u // More than there are sessions.
#define HARBOUR_CALLERS_MAX   6u
#define HARBOUR_ASKS_MAX      64u // Of one caller.
#define HARBOUR_FOLLOWS_MAX   3u
#define HARBOUR_PIRATES_MAX   300u
#define HARBOUR_ACCOUNTS_MAX  16384u
#define HARBOUR_PLACES        (4 * HARBOUR_ACCOUNTS_MAX)
#define HARBOUR_TRACE_LINES   60u
#define HARBOUR_TOLD_MAX      8192u
#define HARBOUR_EXPECTED_SIZE (4 * (u32)MIB)
#define HARBOUR_QUESTIONS_MAX 96u
#define HARBOUR_QUESTION_MAX  512u

enum harbour_count {
    HARBOUR_ANSWERS,
    HARBOUR_EVENTS,
    HARBOUR_FRAMES,
    HARBOUR_QUESTIONS,
    HARBOUR_QUESTIONS_COMPARED,
    HARBOUR_REPEATED,  // Answered before, asked again.
    HARBOUR_REUSED,    // Ids with other bytes.
    HARBOUR_EXPIRED,   // Commands whose time was over.
    HARBOUR_TIMED_OUT, // Calls whose deadline passed; answered later.
    HARBOUR_GIVEN_UP,
    HARBOUR_CROWDED,      // Calls for which a client had no place left.
    HARBOUR_EVICTED,      // Sessions.
    HARBOUR_CLIENTS_GONE, // That went without a word, and came back.
    HARBOUR_PAGES,        // Of the change stream.
    HARBOUR_CHANGES,
    HARBOUR_TOLD_COMPARED, // Balances by the changes with those of the ledger.
    HARBOUR_TICKS,         // From here to HARBOUR_BROKEN: of worlds of modules.
    HARBOUR_RECORDS_DONE,
    HARBOUR_RECORDS_REFUSED,
    HARBOUR_JOBS,
    HARBOUR_PLANNED_EFFECTS,
    HARBOUR_MODULES_COMPARED, // Models with the follower.
    HARBOUR_VIEWS_COMPARED,   // Answers to questions of modules.
    HARBOUR_VIEWS_REFUSED,
    HARBOUR_BROKEN,  // Commands that the port refused.
    HARBOUR_PIRATES, // Connections of those who behave badly,
    HARBOUR_GUESTS,  // and of those among them who are let in, if they know how.
    HARBOUR_FLOODED, // Worlds with more connections than there are places.
    HARBOUR_STARTS,
    HARBOUR_STOPS,      // Clean ones.
    HARBOUR_KILLS,      // Of the process between two turns.
    HARBOUR_POWER_LOST, // Within an operation of the disk, or between two turns.
    HARBOUR_START_DIED,
    HARBOUR_STRUCK_UP,          // Faults that befell a server at work.
    HARBOUR_ENVIRONMENT_FAILED, // An error of the disk ended the process.
    HARBOUR_FULL,               // The disk was full for a while.
    HARBOUR_SLOW,               // Operations of the disk that took more than 100 ms.
    HARBOUR_ALL_CUT,            // All connections at once.
    HARBOUR_CHECKPOINTS,
    HARBOUR_SEALS,
    HARBOUR_MERGES,
    HARBOUR_VERIFIED,
    HARBOUR_COUNT_KINDS,
};

// An answer to a question, as the server gave it.
struct told {
    u128 question; // Checksums.
    u128 answer;
    u64 position;
};

// A client of plain sessions.
struct plain {
    struct compat_client client;
    bool is_open;
    u64 open_at;
    u64 ask_at;
    u8 *body; // Of what is in flight, or was last.
    bool is_question;
    // What the log says that the request in flight is answered with.
    u8 *reply;
    u32 reply_size;
    u32 reply_request;
    bool has_reply;
    u64 reply_position;
    u64 asked_at;
    u128 question; // Its checksum.
    u64 told;      // The highest position that it was told.
};

// A command of a caller.
struct ask {
    struct caller *caller;
    bool is_used;
    bool is_open; // Submitted to the caller's client.
    bool is_answered;
    u64 asked_at;
    u64 ticket;
    u128 id;
    u64 principal; // In whose name; of a command of a module,
    u64 delegate;  // and through whom.
    u32 record;
    u32 count;
    u32 size;
    u8 *body;
    u64 expires_at;
};

struct harbour;
struct world;

// A client of the tael port that gives commands.
struct caller {
    struct harbour *harbour;
    struct tael_client *client; // NULL: gone.
    u64 open_at;
    u64 ask_at;
    struct ask asks[HARBOUR_ASKS_MAX];
    bool is_asking; // A question of a module,
    u64 ticket;
    u128 asked;                                     // its checksum,
    u64 seen;                                       // what the answer must show at least.
    _Alignas(16) u8 question[HARBOUR_QUESTION_MAX]; // which is this.
};

// A client of the tael port that follows the change stream.
struct follow {
    struct harbour *harbour;
    struct tael_client *client; // NULL: gone.
    u64 open_at;
    u64 ask_at;
    struct tael_changes changes; // `row` is where it stands.
    u64 ticket;
    bool is_asking;
    u64 position;
    struct account *accounts; // As the changes told of them, in that order.
    u32 account_count;
    u32 *places; // Where each is among them, plus one: a table of HARBOUR_PLACES.
};

// Who connects and behaves badly.
struct pirate {
    int fd; // -1: not connected.
    bool is_tael;
    u64 act_at;
    u64 leave_at;
    u8 *bytes; // What is left to be sent,
    u32 size;
    u32 sent;
};

enum harbour_state {
    HARBOUR_DOWN,
    HARBOUR_STARTING,
    HARBOUR_UP,
    HARBOUR_STOPPING,
    HARBOUR_STOPPED,
};

struct harbour {
    struct simulated system;
    u64 seed;
    u64 steps; // Answers so far.
    struct random random;
    struct disk_memory disk;
    const struct disk_operations *disk_real;
    struct disk_operations disk_operations;
    struct genesis genesis;
    u128 log_id;

    // The process's.
    struct node node;
    struct ports ports;
    struct listener listeners[2];
    enum harbour_state state;
    bool is_stopping;
    struct failure failure; // Why it ended.
    u64 start_at;

    bool is_fair; // Nothing fails any more.
    bool is_calm; // Nor is anything asked any more.
    u64 fair_at;
    bool is_flooded;
    u32 asks_max; // Commands of a caller at once.
    u64 fault_at;
    u64 fault_turn; // The same, by the turns that the server has had.
    u32 deaths;     // Of starts, one after the other.
    u64 steps_seen; // Answers that the watchdog knows of,
    u64 seen_turns; // the turns of the world
    u64 seen_at;    // and the time since.
    u64 turns;
    u64 space_at; // When there is space again; 0: there is.
    u32 slow_percent;
    struct disk_memory_faults disk_faults; // But for starts that died too often.

    struct oracle oracle;
    struct ledger_executor model;
    struct follower follower;
    struct changes_reader *reader; // Of the follower's log.
    struct wal log;                // The server's, to read from.
    // Of a world of modules, whose clients give those commands and no others; else NULL.
    struct world *modules;
    void *replies; // Of the follower.
    const struct schema_record *questions[HARBOUR_QUESTIONS_MAX];
    u32 question_count;
    struct ledger_random events;
    struct ledger_step *step;
    u8 *expected;                       // An answer to a question.
    struct told told[HARBOUR_TOLD_MAX]; // The last ones, a ring.
    u64 told_count;
    u128 *gone; // Clients that were told that their session is over.
    u32 gone_count;
    u32 gone_room;
    u128 next_id;
    u32 user; // Whose the server is.

    struct plain plains[HARBOUR_PLAIN_MAX];
    u32 plain_count;
    struct caller callers[HARBOUR_CALLERS_MAX];
    u32 caller_count;
    struct follow follows[HARBOUR_FOLLOWS_MAX];
    u32 follow_count;
    struct pirate pirates[HARBOUR_PIRATES_MAX];
    u32 pirate_count;

    enum harbour_bug {
        HARBOUR_NO_BUG,
        HARBOUR_BUG_BUFFERED,  // Writes of the log are not durable when they return.
        HARBOUR_BUG_ASLEEP,    // Now and then nobody is woken by a condition.
        HARBOUR_BUG_CUT_SHORT, // What a socket did not take is taken for sent.
        HARBOUR_BUG_SWAPPED,   // A plain client is told another client's results.
        HARBOUR_BUG_AGAIN,     // A command that comes again is carried out again.
        HARBOUR_BUG_LEAK,      // A clean stop leaves memory behind.
        HARBOUR_BUG_FLIPPED,   // A bit of an answer to a question is another.
        HARBOUR_BUG_DATED,     // An answer says that it was one position earlier.
        HARBOUR_BUG_SKIPPED,   // A page of changes says that the next one begins a row later.
        HARBOUR_BUGS,
    } bug;
    u64 counts[HARBOUR_COUNT_KINDS];
    char trace[HARBOUR_TRACE_LINES][200];
    u64 trace_count;
    bool verbose;
};

struct harbour_options {
    u64 seed;
    bool verbose;
    enum harbour_bug bug;
};

// A new log on an empty disk, nobody connected. One harbour at a time.
void harbour_init(struct harbour *harbour, const struct harbour_options *options);
void harbour_free(struct harbour *harbour);
// Lives until so many more answers were given.
void harbour_live(struct harbour *harbour, u64 answers);
// Nothing fails any more: clients go on until so many more answers were given, each of them soon.
void harbour_rest(struct harbour *harbour, u64 answers);
// Then everybody is answered, the server stops, all is compared and verified.
void harbour_finish(struct harbour *harbour);
void harbour_report(const struct harbour *harbour, FILE *out);
const char *harbour_count_name(enum harbour_count kind);
const char *harbour_bug_name(enum harbour_bug bug);
// The bug of a name; HARBOUR_BUGS when there is none.
enum harbour_bug harbour_bug_named(const char *name);
// Whether a failure of this check is how the bug is to be found.
bool harbour_bug_is_found_by(enum harbour_bug bug, const char *check);

#endif
