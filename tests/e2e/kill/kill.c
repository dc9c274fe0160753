// SPDX-License-Identifier: Apache-2.0
//
// A real server, killed with SIGKILL at random moments under a load on both ports, raw transfers on
// one and entries in a book on the other: everything that was acknowledged is there exactly once,
// and what was in flight is there whole or not at all.
//
//   kill TAEL FOLDER [ROUNDS] [SEED]
//
// After each restart the batch that was in flight is sent again under the same ids, by a client
// that knows nothing of it: each transfer must be created now or exist as it was sent. libtael
// sends what was not answered by itself; every entry must be posted once.
#include "../books_load.h"
#include "base/words.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH_MAX 2000u

static void books_step(void *context)
{
    books_load_step(context);
}

int main(int argc, char **argv)
{
    static const char usage[] = "kill TAEL FOLDER [ROUNDS] [SEED]";
    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s\n", usage);
        return 2;
    }
    u32 rounds = (u32)word_number(argc, argv, 3, 100, usage);
    u64 seed = word_number(argc, argv, 4, compat_client_now(), usage);
    struct load load;
    struct books_load books;
    char address[120];
    (void)snprintf(address, sizeof address, "unix:%s.port", argv[2]);
    load_init(&load, argv[1], argv[2], seed);
    load.port = address;
    books_load_init(&books, address);
    u64 entries_in_flight = 0;
    for (u32 round = 0; round <= rounds; round++) {
        load_server_start(&load);
        load_client_open(&load, load.client);
        if (round == 0) load_accounts_make(&load);
        if (load.in_flight > 0) load_batch_again(&load);
        books_load_set_up(&books);
        books_load_check(&books);
        load_balances_check(&load);
        load_ids_check(&load);
        bool last = round == rounds;
        if (!last) {
            u64 until = compat_client_now() + random_below(&load.random, 250 * NS_PER_MS);
            (void)load_batches_run(&load, U32_MAX, BATCH_MAX, until, books_step, &books);
        }
        entries_in_flight += books.submitted - books.answered;
        if (!last) load_server_end(&load, SIGKILL);
        compat_client_close(load.client);
        if (last) load_server_end(&load, SIGTERM);
    }
    (void)printf(
        "%u kills, seed %llu: %llu transfers acknowledged, each there once; of %llu batches "
        "in flight %llu were there and %llu were not; %llu entries, %llu in flight at a kill\n",
        rounds, (unsigned long long)seed, (unsigned long long)load.next_id - 1,
        (unsigned long long)load.resent, (unsigned long long)load.found_whole,
        (unsigned long long)load.found_absent, (unsigned long long)books.submitted,
        (unsigned long long)entries_in_flight);
    books_load_free(&books);
    load_free(&load);
    return 0;
}
