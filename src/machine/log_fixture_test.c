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

// What the server that wrote the log had in the end: `tael verify` prints both.
#define LOG_FIXTURE_STATE "b74fd84ea128f341b695cd89b54cca65c0a630f7e1f01434ee1c7f3ccf65cb9f"
#define LOG_FIXTURE_ROOT  "8957ebe80694f300ff3b4153e0a4014ecb5b4ef4c9b329ad88789f273175d480"

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

static void test_the_digests_are_those_of_then(void **state)
{
    struct node *node = *state;
    struct digest digest;
    char state_text[65];
    char root_text[65];
    machine_state_digest(&node->machine, &digest);
    hex(&digest, state_text);
    hex(machine_indexer_root(&node->indexer, node->indexer.sequence), root_text);
    if (getenv("BLESS") != NULL) print_message("state %s\nroot  %s\n", state_text, root_text);
    assert_string_equal(state_text, LOG_FIXTURE_STATE);
    assert_string_equal(root_text, LOG_FIXTURE_ROOT);
}

int main(void)
{
    static struct node node;
    struct disk_memory disk;
    struct recovery_report report;
    struct failure failure;
    disk_memory_init(&disk, 1);
    log_fixture_load(&disk);
    if (node_open(&node, &disk.disk, NULL, 0, NULL, &report, &failure) != STATUS_OK) {
        (void)fprintf(stderr, "%s\n", failure.message);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_the_balances_are_those_of_then, &node),
        cmocka_unit_test_prestate(test_the_digests_are_those_of_then, &node),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    node_free(&node);
    disk_memory_free(&disk);
    return result;
}
