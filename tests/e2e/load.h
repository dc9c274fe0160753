// SPDX-License-Identifier: Apache-2.0
//
// A real server and a load of which the truth is known, for tests that kill the one or starve it.
//
// Transfers move 1 + id modulo 97 from account 1 to account 2, with ids that count up. The balances
// are the sums over all ids so far if and only if each id took effect once. Whatever is not as it
// must be ends the process with a message.
#ifndef TAEL_TESTS_E2E_LOAD_H
#define TAEL_TESTS_E2E_LOAD_H

#include "base/random.h"
#include "ledger/ledger_types.h"
#include "server/compat_client.h"

#include <sys/types.h>

#define LOAD_TIMEOUT_NS (60 * NS_PER_S)

struct load {
    const char *program;
    const char *folder;
    const char *space_reserve; // Bytes, as the server's option.
    const char *port;          // Address of the tael port, or NULL for none.
    const char *flags[4];      // More of the server's, up to a NULL.
    void (*child)(void *);     // Called in the server's process before it becomes the server;
    void *child_context;       // NULL: nothing is.
    struct random random;
    pid_t server;
    int status;        // Of its end, when load_server_try or load_server_ended saw it.
    const char *trace; // The file that its standard error is appended to; NULL: this process's.
    char address[64];  // Of the first start; later ones take the same port.
    struct compat_client *client; // For checks.
    u8 *body;                     // Of its requests.
    u64 next_id;                  // Ids below exist.
    u32 in_flight;                // Transfers from next_id on whose fate is not known.
    u128 moved;                   // The sum over ids below next_id.
    u64 timestamp;                // The last that a transfer was given.
    u64 resent;                   // Batches that were in flight when the server died,
    u64 found_whole;              // and were there,
    u64 found_absent;             // or were not.
};

// Ends the test.
_Noreturn void load_die(const char *what, const struct failure *failure);

// `program` serves `folder`; both strings stay the caller's.
void load_init(struct load *load, const char *program, const char *folder, u64 seed);
// Gives its memory back; the server and clients have ended.
void load_free(struct load *load);

// Starts the server and waits until it is ready; false when it ended instead.
bool load_server_try(struct load *load);
// The same for one that must start.
void load_server_start(struct load *load);
// Whether it has ended by itself; `status` tells how, and `server` is 0 from then on.
bool load_server_ended(struct load *load);
// Waits for it to end, and returns how it did (wait(2)). One that does not within LOAD_TIMEOUT_NS
// ends the process, which tells what the server's threads wait for; so does one that does not
// become ready.
int load_server_wait(struct load *load);
// Ends it with SIGKILL, or cleanly with SIGTERM.
void load_server_end(struct load *load, int number);
// Sends batches of up to `batch_max` transfers, `batches` of them, or until `until`, and takes the
// answers. `step`, unless NULL, is called meanwhile with `context`. Returns false, the last batch
// in flight, when `until` came or the server ended before.
bool load_batches_run(struct load *load, u32 batches, u32 batch_max, u64 until,
                      void (*step)(void *context), void *context);
// Goes on with the batch that is in flight, submitted by the same client: as load_batches_run.
bool load_batch_finish(struct load *load, u64 until, void (*step)(void *context), void *context);
// Whether the server's trace has these words in a line.
bool load_trace_has(const struct load *load, const char *words);
// Registers a session.
void load_client_open(const struct load *load, struct compat_client *client);

// Creates the two accounts, once.
void load_accounts_make(struct load *load);
// The same; false when `until` came, or the server ended, before it was answered.
bool load_accounts_try(struct load *load, u64 until);
// Makes the next batch of transfers; returns the size of the body.
u32 load_batch_make(const struct load *load, u8 *body, u32 count);
// Takes the answer to the next batch. One that was sent `again` may exist, but whole or not at all.
void load_batch_note(struct load *load, const struct compat_answer *answer, u32 count, bool again);
// Sends the batch in flight again, under the same ids, by a client that does not know of it.
void load_batch_again(struct load *load);

// Compares both accounts with what was acknowledged.
void load_balances_check(struct load *load);
// Looks ids up that were acknowledged at any time.
void load_ids_check(struct load *load);

#endif
