// SPDX-License-Identifier: Apache-2.0
//
// A real server, killed with SIGKILL at random moments under load: everything that was acknowledged
// is there exactly once, and what was in flight is there whole or not at all.
//
//   kill TAEL FOLDER [ROUNDS] [SEED]
//
// Transfers move 1 + id modulo 97 from account 1 to account 2, with ids that count up. After each
// restart the batch that was in flight is sent again under the same ids: each transfer must be
// created now or exist as it was sent. Then the balances must be the sums over all ids so far,
// which they are if and only if each id took effect once.
#include "base/random.h"
#include "ledger/ledger_types.h"
#include "server/compat_client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH_MAX  2000u
#define TIMEOUT_NS (60 * NS_PER_S)

struct test {
    const char *program;
    const char *folder;
    struct random random;
    pid_t server;
    char address[64];
    struct compat_client *client;
    u8 *body;
    u64 next_id;      // Ids below exist.
    u32 in_flight;    // Transfers from next_id on whose fate is not known.
    u128 moved;       // The sum over ids below next_id.
    u64 resent;       // Batches that were in flight when the server died,
    u64 found_whole;  // and were there,
    u64 found_absent; // or were not.
};

static void die(const char *what, const struct failure *failure)
{
    (void)fprintf(stderr, "kill: %s: %s\n", what, failure == NULL ? "" : failure->message);
    exit(1);
}

static u64 amount_of(u64 id)
{
    return 1 + id % 97;
}

// --- the server
// -----------------------------------------------------------------------------------

static void server_start(struct test *test)
{
    int output[2];
    if (pipe2(output, O_CLOEXEC) != 0) die("pipe", NULL);
    test->server = fork();
    if (test->server < 0) die("fork", NULL);
    if (test->server == 0) {
        (void)dup2(output[1], STDOUT_FILENO);
        // A small interval, so that kills fall into checkpoints too.
        (void)execl(test->program, test->program, "serve", "--data", test->folder, "--compat-port",
                    "0", "--checkpoint-bytes", "4000000", "--space-reserve", "0", (char *)NULL);
        _exit(127);
    }
    (void)close(output[1]);
    char line[256] = {0};
    size_t length = 0;
    while (length + 1 < sizeof line && strchr(line, '\n') == NULL) {
        ssize_t got = read(output[0], line + length, sizeof line - length - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) die("the server did not become ready", NULL);
        length += (size_t)got;
    }
    (void)close(output[0]);
    const char *at = strstr(line, "compat=");
    if (at == NULL || sscanf(at, "compat=%63s", test->address) != 1) die("no address", NULL);
}

static void server_end(struct test *test, int number)
{
    int status = 0;
    (void)kill(test->server, number);
    if (waitpid(test->server, &status, 0) != test->server) die("waiting for the server", NULL);
    bool expected = number == SIGKILL ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                                      : WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!expected) {
        (void)fprintf(stderr, "kill: the server ended with status %x\n", (unsigned)status);
        exit(1);
    }
}

static void client_open(struct test *test)
{
    struct compat_client_options options = {0};
    struct failure failure;
    enum status status = compat_address_parse(test->address, &options.address, &failure);
    if (status == STATUS_OK) {
        status = compat_client_connect(test->client, &options, TIMEOUT_NS, &failure);
    }
    if (status != STATUS_OK) die("connecting", &failure);
}

// --- requests
// -------------------------------------------------------------------------------------

static void accounts_make(struct test *test)
{
    struct account *accounts = (void *)test->body;
    memset(accounts, 0, 2 * sizeof *accounts);
    for (u32 i = 0; i < 2; i++) {
        accounts[i] = (struct account){.id = i + 1, .ledger = 1, .code = 1};
    }
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_CREATE_ACCOUNTS;
    const struct compat_answer *answer = NULL;
    struct failure failure;
    u32 size = compat_body_finish(wire, test->body, 2);
    if (compat_client_call(test->client, wire, test->body, size, TIMEOUT_NS, &answer, &failure) !=
        STATUS_OK) {
        die("creating accounts", &failure);
    }
}

static u32 batch_make(struct test *test, u32 count)
{
    struct transfer *transfers = (void *)test->body;
    for (u32 i = 0; i < count; i++) {
        u64 id = test->next_id + i;
        transfers[i] = (struct transfer){.id = id,
                                         .debit_account_id = 1,
                                         .credit_account_id = 2,
                                         .amount = amount_of(id),
                                         .user_data_64 = id * 3,
                                         .ledger = 1,
                                         .code = 1};
    }
    return compat_body_finish(COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS, test->body, count);
}

static void batch_note(struct test *test, const struct compat_answer *answer, u32 count, bool again)
{
    const struct create_result *results = (const void *)answer->batches.events;
    u32 created = 0;
    if (answer->batches.event_count != count) die("a reply has another count", NULL);
    for (u32 i = 0; i < count; i++) {
        bool is_created = results[i].status == U32_MAX;
        created += is_created;
        if (is_created || (again && results[i].status == CREATE_TRANSFER_EXISTS)) continue;
        (void)fprintf(stderr, "kill: transfer %llu: result %u\n",
                      (unsigned long long)test->next_id + i, results[i].status);
        exit(1);
    }
    // A command applies as one frame: all of a batch survived, or nothing.
    if (again && created != 0 && created != count) die("half a batch survived", NULL);
    if (again) test->resent++;
    if (again && created == 0) test->found_whole++;
    if (again && created == count) test->found_absent++;
    for (u32 i = 0; i < count; i++) test->moved += amount_of(test->next_id + i);
    test->next_id += count;
    test->in_flight = 0;
}

static void batch_send_whole(struct test *test, u32 count, bool again)
{
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS;
    const struct compat_answer *answer = NULL;
    struct failure failure;
    u32 size = batch_make(test, count);
    if (compat_client_call(test->client, wire, test->body, size, TIMEOUT_NS, &answer, &failure) !=
        STATUS_OK) {
        die("sending a batch again", &failure);
    }
    batch_note(test, answer, count, again);
}

// Sends batches until `until`, and leaves the last one in flight.
static void load_until(struct test *test, u64 until)
{
    struct failure failure;
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS;
    while (compat_client_now() < until) {
        u32 count = 1 + (u32)random_below(&test->random, BATCH_MAX);
        u32 size = batch_make(test, count);
        test->in_flight = count;
        if (compat_client_submit(test->client, wire, test->body, size,
                                 compat_client_now() + TIMEOUT_NS, &failure) != STATUS_OK) {
            die("submitting", &failure);
        }
        const struct compat_answer *answer = NULL;
        while ((answer = compat_client_answer(test->client)) == NULL) {
            if (compat_client_now() >= until) return;
            compat_client_wait(&test->client, 1, until);
            if (compat_client_step(test->client, &failure) != STATUS_OK) die("load", &failure);
        }
        batch_note(test, answer, count, false);
        compat_client_release(test->client);
    }
}

static void balances_check(struct test *test)
{
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_LOOKUP_ACCOUNTS;
    struct failure failure;
    const struct compat_answer *answer = NULL;
    store_u128(test->body, 1);
    store_u128(test->body + 16, 2);
    u32 size = compat_body_finish(wire, test->body, 2);
    if (compat_client_call(test->client, wire, test->body, size, TIMEOUT_NS, &answer, &failure) !=
        STATUS_OK) {
        die("looking up accounts", &failure);
    }
    const struct account *accounts = (const void *)answer->batches.events;
    if (answer->batches.event_count != 2 || accounts[0].debits_posted != test->moved ||
        accounts[1].credits_posted != test->moved) {
        (void)fprintf(stderr, "kill: after transfer %llu the balance is %llu, not %llu\n",
                      (unsigned long long)test->next_id - 1,
                      (unsigned long long)accounts[0].debits_posted,
                      (unsigned long long)test->moved);
        exit(1);
    }
}

// Looks ids up that were acknowledged at any time.
static void ids_check(struct test *test)
{
    enum { COUNT = 500 };
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_LOOKUP_TRANSFERS;
    struct failure failure;
    const struct compat_answer *answer = NULL;
    u64 ids[COUNT];
    for (u32 i = 0; i < COUNT; i++) {
        ids[i] = 1 + random_below(&test->random, test->next_id - 1);
        store_u128(test->body + (size_t)i * 16, ids[i]);
    }
    u32 size = compat_body_finish(wire, test->body, COUNT);
    if (compat_client_call(test->client, wire, test->body, size, TIMEOUT_NS, &answer, &failure) !=
        STATUS_OK) {
        die("looking up transfers", &failure);
    }
    const struct transfer *transfers = (const void *)answer->batches.events;
    if (answer->batches.event_count != COUNT) die("an acknowledged transfer is missing", NULL);
    for (u32 i = 0; i < COUNT; i++) {
        if (transfers[i].id != ids[i] || transfers[i].amount != amount_of(ids[i]) ||
            transfers[i].user_data_64 != ids[i] * 3) {
            die("an acknowledged transfer changed", NULL);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: kill TAEL FOLDER [ROUNDS] [SEED]\n");
        return 2;
    }
    u32 rounds = argc > 3 ? (u32)strtoul(argv[3], NULL, 10) : 100;
    u64 seed = argc > 4 ? strtoull(argv[4], NULL, 10) : compat_client_now();
    struct test test = {.program = argv[1], .folder = argv[2], .next_id = 1};
    random_init(&test.random, seed);
    test.client = calloc(1, sizeof *test.client);
    test.body = aligned_alloc(PAGE_SIZE, 2 * MIB);
    assert(test.client != NULL && test.body != NULL);
    for (u32 round = 0; round < rounds; round++) {
        server_start(&test);
        client_open(&test);
        if (round == 0) accounts_make(&test);
        if (test.in_flight > 0) batch_send_whole(&test, test.in_flight, true);
        balances_check(&test);
        if (test.next_id > 1) ids_check(&test);
        load_until(&test, compat_client_now() + random_below(&test.random, 250 * NS_PER_MS));
        server_end(&test, SIGKILL);
        compat_client_close(test.client);
    }
    server_start(&test);
    client_open(&test);
    if (test.in_flight > 0) batch_send_whole(&test, test.in_flight, true);
    balances_check(&test);
    ids_check(&test);
    compat_client_close(test.client);
    server_end(&test, SIGTERM);
    (void)printf(
        "%u kills, seed %llu: %llu transfers acknowledged, each there once; of %llu batches "
        "in flight %llu were there and %llu were not\n",
        rounds, (unsigned long long)seed, (unsigned long long)test.next_id - 1,
        (unsigned long long)test.resent, (unsigned long long)test.found_whole,
        (unsigned long long)test.found_absent);
    free(test.body);
    free(test.client);
    return 0;
}
