// SPDX-License-Identifier: Apache-2.0
//
// The change stream is followed, with libtael: what took effect from a row on, then what comes.
//   cc -o follow_changes follow_changes.c $(pkg-config --cflags --libs tael)
//   ./follow_changes unix:data/socket 0 100
// prints the first hundred changes; a program that keeps its row goes on there after a restart.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tael.h>

enum { TRANSFER = 0x0102 };
// As the reference prints it; behind these fields are others.
struct transfer {
    struct tael_u128 id;
    struct tael_u128 debit_account_id;
    struct tael_u128 credit_account_id;
    struct tael_u128 amount;
};

static void change_print(const struct tael_change *change)
{
    (void)printf("row %llu, position %llu: kind %u, record 0x%04x", (unsigned long long)change->row,
                 (unsigned long long)change->position, (unsigned)change->kind,
                 (unsigned)change->record);
    if (change->record == TRANSFER && change->payload_size >= sizeof(struct transfer)) {
        struct transfer transfer;
        memcpy(&transfer, change + 1, sizeof transfer);
        (void)printf(", amount %llu", (unsigned long long)transfer.amount.low);
    }
    (void)printf("\n");
}

int main(int argc, char **argv)
{
    const struct tael_options options = {.address = argc > 1 ? argv[1] : "unix:data/socket"};
    unsigned long long left = argc > 3 ? strtoull(argv[3], NULL, 10) : 100;
    struct tael_changes changes = {.wait_ms = 10000};
    struct tael_client *client = tael_open(&options);
    if (client == NULL) return 1;
    changes.row = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    while (left > 0) {
        struct tael_answer answer;
        const enum tael_error error = tael_changes(client, &changes, 0, &answer);
        if (error != TAEL_OK || answer.result != TAEL_RESULT_DONE) {
            (void)fprintf(stderr, "%s %s\n", tael_problem(client), answer.text);
            tael_close(client);
            return 1;
        }
        for (const struct tael_change *change = tael_change_next(&answer, NULL);
             change != NULL && left > 0; change = tael_change_next(&answer, change)) {
            change_print(change);
            left--;
        }
        changes.row = tael_changes_next(&answer); // What a program would keep.
    }
    tael_close(client);
    return 0;
}
