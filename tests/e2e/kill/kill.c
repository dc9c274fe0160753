// SPDX-License-Identifier: Apache-2.0
//
// A real server, killed with SIGKILL at random moments under load: everything that was acknowledged
// is there exactly once, and what was in flight is there whole or not at all.
//
//   kill TAEL FOLDER [ROUNDS] [SEED]
//
// After each restart the batch that was in flight is sent again under the same ids: each transfer
// must be created now or exist as it was sent.
#include "../load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH_MAX 2000u

// Sends batches until `until`, and leaves the last one in flight.
static void load_until(struct load *load, u64 until)
{
    struct failure failure;
    u8 wire = COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS;
    while (compat_client_now() < until) {
        u32 count = 1 + (u32)random_below(&load->random, BATCH_MAX);
        u32 size = load_batch_make(load, load->body, count);
        load->in_flight = count;
        if (compat_client_submit(load->client, wire, load->body, size,
                                 compat_client_now() + LOAD_TIMEOUT_NS, &failure) != STATUS_OK) {
            load_die("submitting", &failure);
        }
        const struct compat_answer *answer = NULL;
        while ((answer = compat_client_answer(load->client)) == NULL) {
            if (compat_client_now() >= until) return;
            compat_client_wait(&load->client, 1, until);
            if (compat_client_step(load->client, &failure) != STATUS_OK) load_die("load", &failure);
        }
        load_batch_note(load, answer, count, false);
        compat_client_release(load->client);
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
    struct load load;
    load_init(&load, argv[1], argv[2], seed);
    for (u32 round = 0; round <= rounds; round++) {
        load_server_start(&load);
        load_client_open(&load, load.client);
        if (round == 0) load_accounts_make(&load);
        if (load.in_flight > 0) load_batch_again(&load);
        load_balances_check(&load);
        load_ids_check(&load);
        bool last = round == rounds;
        if (!last) {
            load_until(&load, compat_client_now() + random_below(&load.random, 250 * NS_PER_MS));
        }
        if (!last) load_server_end(&load, SIGKILL);
        compat_client_close(load.client);
        if (last) load_server_end(&load, SIGTERM);
    }
    (void)printf(
        "%u kills, seed %llu: %llu transfers acknowledged, each there once; of %llu batches "
        "in flight %llu were there and %llu were not\n",
        rounds, (unsigned long long)seed, (unsigned long long)load.next_id - 1,
        (unsigned long long)load.resent, (unsigned long long)load.found_whole,
        (unsigned long long)load.found_absent);
    load_free(&load);
    return 0;
}
