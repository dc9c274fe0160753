// SPDX-License-Identifier: Apache-2.0
//
// The log that a server of format 0.1 wrote is replayed to what it was (tests/fixtures/README.md).
#include "machine/log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void hex(const struct digest *digest, char out[65])
{
    for (size_t i = 0; i < sizeof digest->bytes; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", digest->bytes[i]);
    }
}

static void balance_check(const struct ledger *ledger, u128 id, u64 debits_posted,
                          u64 credits_posted)
{
    u32 row = ledger_account_row(ledger, id);
    assert_true(row != U32_MAX);
    const struct account *account = ledger_account(ledger, row);
    assert_true(account->debits_pending == 0 && account->credits_pending == 0);
    assert_true(account->debits_posted == debits_posted);
    assert_true(account->credits_posted == credits_posted);
}

// By hand from tests/fixtures/make. Transfers 1 (100), 3 (50) and 6 (20, of the hold of 30) debit
// account 1; transfer 4 gives back the 50 that account 3 has left. 2 is refused and its id burned.
// Of the chains of four from 100 to 179, the one with transfer 150 (148 to 151) fails whole;
// transfer 141 moves nothing, which is allowed. The others sum to (100 + 179) * 40 - (148 + 149 +
// 150 + 151) - 141 = 10,421.
static void test_the_balances_are_those_of_then(void **state)
{
    const struct node *node = *state;
    const struct ledger *ledger = &node->machine.ledger;
    assert_int_equal(ledger->accounts.count, 3);
    balance_check(ledger, 1, 100 + 50 + 20 + 10421, 50);
    balance_check(ledger, 2, 0, 100 + 20 + 10421);
    balance_check(ledger, 3, 50, 50);
    machine_check(&node->machine);
}

static void digests_check(struct node *node)
{
    struct digest digest;
    char text[65];
    char expected[65];
    machine_state_digest(&node->machine, &digest);
    hex(&digest, text);
    log_fixture_expected("state", expected);
    assert_string_equal(text, expected);
    hex(machine_indexer_root(&node->indexer, node->indexer.sequence), text);
    log_fixture_expected("root", expected);
    assert_string_equal(text, expected);
}

// `expected` is what verify_format.py makes of the folder, not what the server does.
static void test_the_digests_are_those_of_then(void **state)
{
    digests_check(*state);
}

static void test_the_checkpoint_and_history_of_then_are_taken_up(void **state)
{
    static struct node node;
    struct disk_memory disk;
    struct recovery_report report;
    struct failure failure;
    (void)state;
    disk_memory_init(&disk, 2);
    log_fixture_load(&disk, true);
    if (node_open(&node, &disk.disk, NULL, 0, NULL, &report, &failure) != STATUS_OK) {
        fail_msg("%s", failure.message);
    }
    assert_true(report.checkpoint_sequence > 0);
    assert_int_equal(report.frames, 0);
    digests_check(&node);
    node_free(&node);
    disk_memory_free(&disk);
}

// Takes a checkpoint behind the last frame, which rotates, and renews what is made from the log.
static enum status fixture_renew(struct node *node, struct disk_memory *disk,
                                 struct failure *failure)
{
    checkpoint_begin(&node->checkpoint, &node->machine, &node->wal.tail);
    enum status status =
        checkpoint_write(&node->checkpoint, &node->machine, &node->indexer.outcomes, NULL, failure);
    checkpoint_end(&node->checkpoint);
    if (status == STATUS_OK) log_fixture_save(disk);
    return status;
}

int main(void)
{
    static struct node node;
    struct disk_memory disk;
    struct recovery_report report;
    struct failure failure;
    disk_memory_init(&disk, 1);
    log_fixture_load(&disk, false);
    enum status status = node_open(&node, &disk.disk, NULL, 0, NULL, &report, &failure);
    if (status == STATUS_OK && getenv("BLESS") != NULL) {
        status = fixture_renew(&node, &disk, &failure);
    }
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "%s\n", failure.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_the_balances_are_those_of_then, &node),
        cmocka_unit_test_prestate(test_the_digests_are_those_of_then, &node),
        cmocka_unit_test(test_the_checkpoint_and_history_of_then_are_taken_up),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    node_free(&node);
    disk_memory_free(&disk);
    return result;
}
