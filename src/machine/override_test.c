// SPDX-License-Identifier: Apache-2.0
//
// Overrides of the fixture's commands. In its log, command 5 is in a frame that names its own
// outcomes; command 7 makes account 3, and only the frame behind its own names what became of it.
#include "machine/log_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static enum status override(struct log_fixture *fixture, u64 position)
{
    return override_append(&fixture->disk.disk, position, 1, &fixture->failure);
}

static void test_a_command_without_a_known_outcome_becomes_a_refusal(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_cut(&fixture->disk, 7);
    log_fixture_must(override(fixture, 7), fixture);
    log_fixture_start(fixture);
    assert_int_equal(fixture->node.machine.position, 8);
    assert_int_equal(fixture->node.machine.ledger.accounts.count, 2);
    assert_true(machine_is_overridden(&fixture->node.machine, 7));
    // Of the sessions 2, 4 and 6 the last one asked for it: its client must not repeat it.
    bool is_there[7] = {0};
    for (u32 row = 0; row < MACHINE_SESSIONS_MAX; row++) {
        u64 number = machine_session_at(&fixture->node.machine, row)->number;
        assert_true(number < ARRAY_COUNT(is_there));
        is_there[number] = true;
    }
    assert_true(is_there[2] && is_there[4] && !is_there[6]);
    node_free(&fixture->node);
    struct disk_memory scratch;
    struct verify_report report;
    disk_memory_init(&scratch, 2);
    log_fixture_must(verify_folder(&fixture->disk.disk, NULL, &report, &fixture->failure), fixture);
    log_fixture_must(
        verify_replay(&fixture->disk.disk, &scratch.disk, NULL, &report, &fixture->failure),
        fixture);
    disk_memory_free(&scratch);
}

static void test_a_position_outside_the_log_is_refused(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_cut(&fixture->disk, 7);
    static const u64 positions[] = {0, 1, 8, U64_MAX}; // 1 is the genesis.
    for (u32 i = 0; i < ARRAY_COUNT(positions); i++) {
        fixture->failure.message[0] = 0;
        assert_int_equal(override(fixture, positions[i]), STATUS_INVALID);
        assert_non_null(strstr(fixture->failure.message, "commands 2 to 7"));
    }
}

// Each behind the first is one of the override before it, which has no outcome either.
static void test_more_overrides_than_a_checkpoint_holds_are_refused(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_cut(&fixture->disk, 7);
    for (u32 i = 0; i < MACHINE_OVERRIDES_MAX; i++) {
        log_fixture_must(override(fixture, 7 + i), fixture);
    }
    assert_int_equal(override(fixture, 7), STATUS_INVALID);
    assert_non_null(strstr(fixture->failure.message, "the log has 64 overrides"));
    log_fixture_start(fixture); // All of them were taken in.
    assert_int_equal(fixture->node.machine.override_count, MACHINE_OVERRIDES_MAX);
    assert_int_equal(fixture->node.machine.position, 7 + MACHINE_OVERRIDES_MAX);
    node_free(&fixture->node);
}

static void test_a_log_without_commands_is_refused(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_cut(&fixture->disk, 1);
    assert_int_equal(override(fixture, 2), STATUS_INVALID);
    assert_non_null(strstr(fixture->failure.message, "nothing to override: the log has its first"));
    struct disk_memory empty;
    disk_memory_init(&empty, 1);
    assert_int_equal(override_append(&empty.disk, 2, 1, &fixture->failure), STATUS_INVALID);
    assert_non_null(strstr(fixture->failure.message, "nothing to override: there is no log"));
    disk_memory_free(&empty);
}

static void test_a_known_outcome_stays(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_cut(&fixture->disk, 8);
    assert_int_equal(override(fixture, 5), STATUS_INVALID); // Its own frame names it.
    assert_int_equal(override(fixture, 7), STATUS_INVALID); // The frame of command 8 does.
    assert_non_null(strstr(fixture->failure.message, "its outcome is known"));
    log_fixture_start(fixture);
    assert_int_equal(fixture->node.machine.ledger.accounts.count, 3);
    node_free(&fixture->node);
}

static void test_what_a_checkpoint_covers_stays(void **state)
{
    struct log_fixture *fixture = *state;
    struct node *node = &fixture->node;
    log_fixture_cut(&fixture->disk, 7);
    log_fixture_start(fixture);
    history_rotate(&node->machine.history);
    log_fixture_must(node_seal_all(node, &fixture->failure), fixture);
    log_fixture_checkpoint(fixture);
    assert_int_equal(override(fixture, 7), STATUS_INVALID);
    assert_non_null(strstr(fixture->failure.message, "its outcome is known"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_fixture_setup, log_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_command_without_a_known_outcome_becomes_a_refusal),
        TEST(test_a_position_outside_the_log_is_refused),
        TEST(test_more_overrides_than_a_checkpoint_holds_are_refused),
        TEST(test_a_log_without_commands_is_refused),
        TEST(test_a_known_outcome_stays),
        TEST(test_what_a_checkpoint_covers_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
