// SPDX-License-Identifier: Apache-2.0
//
// The parts of `tael bench`: what is sent, who sends it, whose server it is, and the probe.
#ifndef TAEL_CLI_BENCH_INTERNAL_H
#define TAEL_CLI_BENCH_INTERNAL_H

#include "cli/cli.h"
#include "ledger/ledger_types.h"
#include "server/compat_client.h"

#include <sys/types.h>

#define BENCH_CLIENTS_MAX 60u // A server keeps 64 sessions; some are for the work around the load.
#define BENCH_WINDOWS_MAX 1000u
#define BENCH_LEDGER      2u
#define BENCH_NONE        U64_MAX // What was not measured.

// --- What is sent: a function of seed and index, so that any transfer can be checked later ---

struct bench_content {
    u64 seed;
    u64 accounts; // Their ids are 1 to this.
    u64 id_base;  // Ordered ids go on from those of earlier runs.
    u32 batch;
    bool is_random_ids;
    bool is_two_phase; // Batches are pending and post by turns.
};
// The transfer or account of that index: the same for every run with the same content.
void bench_transfer(const struct bench_content *content, u64 index, struct transfer *out);
void bench_account(u64 index, struct account *out);
// Whether a look-up of the transfer gives what was sent (a post is filled in by the server).
static inline bool bench_is_verbatim(const struct bench_content *content, u64 index)
{
    return !content->is_two_phase || index / content->batch % 2 == 0;
}

// --- Latencies ---

struct bench_latencies {
    u32 *values; // In units of 100 ns, which are 4 decimals of ms, as they came.
    size_t count, capacity;
};
// In units of 100 ns.
struct bench_quantiles {
    u64 p50, p99, max;
};
// Adds one latency, or frees all. Memory that cannot be had ends the process.
void bench_latencies_add(struct bench_latencies *latencies, u64 ns);
void bench_latencies_free(struct bench_latencies *latencies);
// Sorts the values.
struct bench_quantiles bench_latencies_quantiles(struct bench_latencies *latencies);

// --- Who sends it ---

enum bench_kind {
    BENCH_ACCOUNTS,          // Creates accounts.
    BENCH_TRANSFERS,         // Creates transfers.
    BENCH_LOOKUPS,           // Looks one random transfer up.
    BENCH_ACCOUNT_TRANSFERS, // Asks for the transfers of a random account.
};

// Indexes that actors take in turn.
struct bench_source {
    u64 next, end;
};

struct bench_body {
    u8 *data;
    u32 size;
    u32 count;
    u64 first; // Index of the first event.
    u128 checksum;
    u8 operation;
    bool is_ready;
};

// One client that sends one request after another.
struct bench_actor {
    enum bench_kind kind;
    const struct bench_content *content;
    struct bench_source *source; // What is created; of questions, how many.
    u64 seen;                    // Of questions: transfers below this index exist.
    u32 batch;
    u64 take; // Of a two-phase actor: indexes to post before it takes others.
    u64 take_next;
    bool is_background;  // Goes on until the others are done.
    const char *forgets; // A folder whose cached files are forgotten before each question, or NULL.
    struct compat_client client;
    struct bench_body bodies[2];
    u32 current; // The body in flight or next to be sent.
    u64 random;
    u64 last_timestamp;
    u64 acknowledged; // Events.
    u64 last_index;   // Of the last event acknowledged.
    u64 late_ns;      // How long after its time the request in flight was sent, at a given rate.
    struct bench_latencies latencies;
    size_t reported; // Latencies that are in a window already.
};

struct bench_progress {
    bool is_shown;
    bool is_drawn;
    u64 began_at, drawn_at;
    const char *what;
};

struct bench_loop {
    struct bench_actor *const *actors;
    u32 count;
    u64 until; // Actors in the background stop now, even without others; U64_MAX for never.
    struct bench_progress *progress;
    void (*tick)(void *context); // Called about ten times a second; may be NULL.
    void *context;
    u64 rate;                     // Events a second that are sent, at most; 0: no limit.
    struct bench_window *windows; // Out: as many equal parts of the run; NULL for none.
    u32 window_count;
    u64 (*rss)(void *context); // Of the server, at the end of a window; NULL when windows is.
    u64 elapsed_ns; // Out: from the first submit to the last answer of those not in the background.
};

// Takes memory for the batches of an actor and connects it; bench_actor_close undoes both, also
// after a failure.
MUST_USE enum status bench_actor_open(struct bench_actor *actor,
                                      const struct compat_client_options *options,
                                      struct failure *failure);
void bench_actor_close(struct bench_actor *actor);
// Runs the actors until all that are not in the background are done. STATUS_CANCELLED when a result
// is not what it must be (a refusal) or the server ended a session, STATUS_IO when interrupted.
MUST_USE enum status bench_loop_run(struct bench_loop *loop, struct failure *failure);
void bench_progress_clear(struct bench_progress *progress);
// Sends one more request and does not wait for its answer.
MUST_USE enum status bench_actor_fire(struct bench_actor *actor, struct failure *failure);

// --- Whose server it is ---

struct bench_server {
    pid_t process; // 0: not started by us.
    int output;    // Of the process.
    char folder[4096];
    struct address address;
};

struct bench_status {
    u64 position, durable, indexed, checkpoints, merges;
    bool is_idle;
    u64 written_at; // Realtime clock.
    bool is_fresh;  // Written after the moment asked for.
};

// Makes a fresh folder in `parent`. What the server says on standard error goes to a file of the
// same name with ".log".
MUST_USE enum status bench_folder_make(struct bench_server *server, const char *parent,
                                       struct failure *failure);
// Removes the folder with everything in it, and the log beside it.
void bench_folder_remove(const char *folder);
// Prints the end of the log on standard error.
void bench_server_print_log(const struct bench_server *server);
// Starts `tael serve` in the folder and waits until it is ready. STATUS_TIMEOUT after five minutes,
// STATUS_IO when it ends before that, or when interrupted; then it does not run.
MUST_USE enum status bench_server_start(struct bench_server *server, struct failure *failure);
// Sends a signal and waits for the end. `*code` is the exit code, or 128 + the signal.
void bench_server_stop(struct bench_server *server, int signal_number, int *code);
// Anonymous resident memory in bytes; 0 when it cannot be told.
u64 bench_server_rss(const struct bench_server *server);
// What a hypervisor kept from this machine's processors since its start, in milliseconds added up
// over all of them (the eighth number of /proc/stat, proc_stat(5)); BENCH_NONE when it cannot be
// told. The same from the first line of that file.
u64 bench_machine_stolen_ms(void);
u64 bench_stolen_parse(const char *line);
// By how much it grew. The kernel may take some of it back, which is 0; BENCH_NONE when one of the
// two is.
u64 bench_stolen_between(u64 before_ms, u64 after_ms);
u64 bench_folder_size(const char *folder);
// Asks the kernel to forget what it has cached of the folder's files.
void bench_folder_forget(const char *folder);
// Reads DIR/status. False when there is none. `after` is nanoseconds of the realtime clock.
bool bench_status_read(const char *folder, u64 after, struct bench_status *out);

// --- The probe ---

// Applies transfers of this content in memory with a plain loop: look both accounts up, check that
// the id is new, add to both balances, append to history; nothing durable. Returns transfers a
// second; generation is not counted.
u64 bench_probe(const struct bench_content *content, u64 transfers);

// --- A run ---

enum bench_shape {
    BENCH_LOAD,  // Clients that create transfers.
    BENCH_QUERY, // The same, then questions: idle, under load, with a cold cache.
    BENCH_MIXED, // One bulk client alone, then beside clients that send one transfer at a time.
};

struct bench_plan {
    struct bench_workload workload; // Its own numbers.
    enum bench_shape shape;
    bool is_random_ids, is_two_phase;
};
// The workload of this name; NULL when there is none. By number; NULL behind the last.
const struct bench_plan *bench_plan_find(const char *name);
const struct bench_plan *bench_plan_at(u32 index);

struct bench_run {
    struct bench_options options; // With the workload's own numbers where none were given.
    const struct bench_plan *plan;
    struct bench_content content;
    struct compat_client_options client_options;
    struct bench_server server;
    struct bench_progress progress;
    struct bench_source source; // Transfers created.
    u64 rss_max;
    u64 loaded_at; // Realtime clock, when the last answer was here.
    bool is_own;   // The server is ours.
    struct {       // A whole record: what follows the head follows it in memory.
        struct bench_report head;
        struct bench_window windows[BENCH_WINDOWS_MAX];
    } report;
};

// The parts of the load, in their order. Each fills in its part of the report, and fails as
// bench_loop_run does.
MUST_USE enum status bench_accounts_create(struct bench_run *run, struct failure *failure);
MUST_USE enum status bench_transfers_load(struct bench_run *run, struct failure *failure);
MUST_USE enum status bench_mixed_load(struct bench_run *run, struct failure *failure);
// Both kinds of questions: idle, under load, and with a cold cache when the folder is known.
MUST_USE enum status bench_questions_ask(struct bench_run *run, struct failure *failure);
// Loads for a moment and kills the server with a request in flight. `*last` is the index of the
// last transfer that was acknowledged.
MUST_USE enum status bench_burst_and_kill(struct bench_run *run, u64 *last,
                                          struct failure *failure);

// Waits until the server's status says that nothing is left to do.
void bench_drain_await(struct bench_run *run);
// Stops the own server, starts it again after a clean stop and after a kill, and looks up what was
// acknowledged.
MUST_USE enum status bench_restarts_measure(struct bench_run *run, struct failure *failure);

// What ends a part when the program is interrupted. It is STATUS_IO, because STATUS_CANCELLED,
// which stands for what the server refused or lost, has another exit code.
MUST_USE enum status bench_interrupted_set(struct failure *failure);

// Milliseconds by the monotonic clock, which are 3 decimals of seconds.
u64 bench_ms_since(u64 began_at);

// Everything is none but what is known beforehand.
void bench_report_init(struct bench_run *run);
void bench_report_print(const struct bench_run *run, enum cli_form form);

#endif
