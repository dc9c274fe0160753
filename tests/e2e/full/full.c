// SPDX-License-Identifier: Apache-2.0
//
// A real server whose disk fills up: it says so and lets creates wait, answers questions, survives
// SIGKILL and starts again while there is no space, and goes on when there is.
//
//   full TAEL FOLDER TRACE RESERVE
//
// FOLDER is on a small file system that nobody else uses (run.sh); TRACE is the file that standard
// error goes to; RESERVE is the server's --space-reserve: 0 runs into the end of the disk.
#include "../load.h"

#include "ledger/history.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH 8000u
// More than what is owed when the disk is full, which is written before anything new is taken: a
// file of the log, and rows and indexes of the segments in memory. Those are 56 MiB a segment of
// the usual size; HISTORY_LIVE_SEGMENTS_MAX may be in memory, each twice as large, when the machine
// has so much else to do that sealing falls behind.
#define BALLAST_SIZE  ((64 + HISTORY_LIVE_SEGMENTS_MAX * 2 * 56 + 64) * MIB)
#define UNANSWERED_NS (2 * NS_PER_S)
#define BATCHES_AFTER 20u

struct test {
    struct load load;
    struct compat_client writer;
    u8 *body; // Of the writer's request; it stays until that is answered.
    char ballast[256];
    const char *trace;
};

// Whether the trace has said that storage is full.
static bool full_was_said(const struct test *test)
{
    char line[1024];
    FILE *trace = fopen(test->trace, "r");
    bool said = false;
    if (trace == NULL) return false; // Then the test ends when it gives up.
    while (!said && fgets(line, sizeof line, trace) != NULL) {
        said = strstr(line, "request dropped: storage is full") != NULL;
    }
    (void)fclose(trace);
    return said;
}

static void writer_submit(struct test *test)
{
    struct failure failure;
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS;
    u32 size = load_batch_make(&test->load, test->body, BATCH);
    if (compat_client_submit(&test->writer, wire, test->body, size,
                             compat_client_now() + 10 * LOAD_TIMEOUT_NS, &failure) != STATUS_OK) {
        load_die("submitting", &failure);
    }
}

// Waits for the answer to the batch, which must have been created whole. False when none came in
// time.
static bool writer_await(struct test *test, u64 until)
{
    struct compat_client *writer = &test->writer;
    const struct compat_answer *answer = NULL;
    struct failure failure;
    while ((answer = compat_client_answer(writer)) == NULL) {
        if (compat_client_now() >= until) return false;
        compat_client_wait(&writer, 1, until);
        if (compat_client_step(writer, &failure) != STATUS_OK) load_die("waiting", &failure);
    }
    load_batch_note(&test->load, answer, BATCH, false);
    compat_client_release(writer);
    return true;
}

// Writes until the server says that there is no space and the batch in flight is not answered.
static void fill(struct test *test)
{
    u64 give_up = compat_client_now() + 3 * LOAD_TIMEOUT_NS;
    for (;;) {
        writer_submit(test);
        while (!writer_await(test, compat_client_now() + UNANSWERED_NS)) {
            if (full_was_said(test)) return;
            if (compat_client_now() > give_up) load_die("the server does not say what is", NULL);
        }
    }
}

static void ballast_make(const struct test *test)
{
    int fd = open(test->ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || posix_fallocate(fd, 0, (off_t)BALLAST_SIZE) != 0) {
        load_die("making the ballast", NULL);
    }
    (void)close(fd);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        (void)fprintf(stderr, "usage: full TAEL FOLDER TRACE RESERVE\n");
        return 2;
    }
    struct test *test = calloc(1, sizeof *test);
    assert(test != NULL);
    struct load *load = &test->load;
    load_init(load, argv[1], argv[2], 1);
    load->space_reserve = argv[4];
    test->trace = argv[3];
    (void)snprintf(test->ballast, sizeof test->ballast, "%s.ballast", argv[2]);
    test->body = aligned_alloc(PAGE_SIZE, 2 * MIB);
    assert(test->body != NULL);
    ballast_make(test);
    load_server_start(load);
    load_client_open(load, load->client);
    load_client_open(load, &test->writer);
    load_accounts_make(load);
    fill(test);
    u64 acknowledged = load->next_id - 1;
    // Both clients find the server at the same port. Without a reserve it may refuse to start.
    bool started = true;
    for (u32 round = 0; round < 3 && started; round++) {
        load_balances_check(load);
        load_ids_check(load);
        load_server_end(load, SIGKILL);
        started = load_server_try(load);
        if (!started && strcmp(load->space_reserve, "0") != 0) load_die("no start", NULL);
    }
    if (started) load_balances_check(load);
    if (unlink(test->ballast) != 0) load_die("removing the ballast", NULL);
    if (!started) load_server_start(load);
    if (!writer_await(test, compat_client_now() + LOAD_TIMEOUT_NS)) {
        load_die("the server does not go on when there is space", NULL);
    }
    for (u32 i = 0; i < BATCHES_AFTER; i++) {
        writer_submit(test);
        if (!writer_await(test, compat_client_now() + LOAD_TIMEOUT_NS)) {
            load_die("the server stops again", NULL);
        }
    }
    load_balances_check(load);
    load_ids_check(load);
    compat_client_close(&test->writer);
    compat_client_close(load->client);
    load_server_end(load, SIGTERM);
    (void)printf("full after %llu transfers, %llu in the end, each there once\n",
                 (unsigned long long)acknowledged, (unsigned long long)load->next_id - 1);
    load_free(load);
    free(test->body);
    free(test);
    return 0;
}
