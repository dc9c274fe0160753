// SPDX-License-Identifier: Apache-2.0
//
// Audits of folders that the real machine made: whole ones, and ones with one thing wrong at a
// time.
//
// Damage is a bit or a file; forgeries have every checksum, digest and root around them made right
// again (forge.h), so that nothing but recomputing finds them.
#include "audit/audit.h"
#include "audit/forge.h"
#include "audit/ids.h"
#include "base/checksum.h"
#include "codec/json.h"
#include "machine/command_world.h"
#include "modules/accrual/accrual.h"
#include "os/disk_copy.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT 50u

// --- worlds --------------------------------------------------------------------------------------

static struct command_world *world_make(void)
{
    struct command_world *world = malloc(sizeof *world);
    assert_non_null(world);
    const struct genesis genesis = command_world_genesis();
    command_world_init(world, &genesis);
    return world;
}

static void world_end(struct command_world *world)
{
    command_world_free(world);
    free(world);
}

static struct transfer transfer_of(u128 id, u128 debit, u128 credit, u128 amount, u16 flags)
{
    return (struct transfer){.id = id,
                             .debit_account_id = debit,
                             .credit_account_id = credit,
                             .amount = amount,
                             .ledger = debit == 4 ? 8 : 7,
                             .code = 1,
                             .flags = flags};
}

#define PLAIN_COUNT 40u

// Rows of every kind that plain clients cause: snapshots, refusals, holds that were posted in part,
// voided, expired, and one that is open.
static void world_fill(struct command_world *world)
{
    struct create_result results[64];
    const struct account accounts[] = {
        {.id = 1, .ledger = 7, .code = 1},
        {.id = 2, .ledger = 7, .code = 1, .user_data_64 = 22},
        {.id = 3, .ledger = 7, .code = 1, .flags = ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS},
        {.id = 4, .ledger = 8, .code = 1},
        {.id = 5, .ledger = 8, .code = 1},
    };
    command_world_create(world, COMPAT_CREATE_ACCOUNTS, accounts, ARRAY_COUNT(accounts), results);
    struct transfer plain[PLAIN_COUNT];
    for (u32 i = 0; i < PLAIN_COUNT; i++) plain[i] = transfer_of(100 + i, 1, 2, 100 + i, 0);
    command_world_create(world, COMPAT_CREATE_TRANSFERS, plain, PLAIN_COUNT, results);
    struct transfer some[] = {
        transfer_of(10, 2, 3, 50, 0),
        transfer_of(11, 3, 1, 30, 0),
        transfer_of(12, 3, 1, 1000, 0), // Exceeds credits.
        transfer_of(13, 3, 1, U128_MAX, TRANSFER_BALANCING_DEBIT),
        transfer_of(20, 1, 2, 60, TRANSFER_PENDING),
        transfer_of(21, 0, 0, 40, TRANSFER_POST_PENDING),
        transfer_of(22, 1, 2, 7, TRANSFER_PENDING | TRANSFER_CLOSING_CREDIT),
        transfer_of(23, 0, 0, 0, TRANSFER_VOID_PENDING),
        transfer_of(24, 1, 2, 9, TRANSFER_PENDING),
        transfer_of(25, 1, 2, 15, TRANSFER_PENDING),
        transfer_of(30, 4, 5, 1, 0),
        transfer_of(31, 1, 2, 1, TRANSFER_LINKED), // A chain that fails.
        transfer_of(32, 1, 9, 1, 0),
    };
    some[5].pending_id = 20;
    some[5].ledger = 0;
    some[5].code = 0;
    some[7].pending_id = 22;
    some[7].ledger = 0;
    some[7].code = 0;
    some[8].timeout = 1;
    command_world_create(world, COMPAT_CREATE_TRANSFERS, some, ARRAY_COUNT(some), results);
    assert_int_equal(results[2].status, CREATE_TRANSFER_EXCEEDS_CREDITS);
    assert_true(results[7].status == U32_MAX && results[10].status == U32_MAX);
    command_world_tick(world, 100);
}

static void module_must(struct command_world *world, u128 id, u16 record, const void *body,
                        u32 size)
{
    (void)command_world_run(world, id, record, body, size, 1);
    assert_int_equal(command_world_reply(world, 0).result, MODULE_DONE);
}

// Loans, whose sum a control account has, and a job that adds interest.
static void world_fill_modules(struct command_world *world)
{
    const struct accrual_group group = {.group_id = 1, .product = 1, .entity = 1, .book = 700};
    const struct accrual_open open = {.loan_id = 1,
                                      .group_id = 1,
                                      .principal = 1000000,
                                      .count = 1,
                                      .rate_numerator = 1,
                                      .rate_denominator = 10,
                                      .day = 20000};
    const struct accrual_run run = {.job_id = 3, .day = 20030};
    module_must(world, 1, 0x7e01, &group, sizeof group);
    module_must(world, 2, 0x7e02, &open, sizeof open);
    module_must(world, 3, 0x7e04, &run, sizeof run);
    for (u32 i = 0; i < 3; i++) command_world_slice(world);
    const struct transfer behind = transfer_of(600, 1, 2, 1, 0);
    struct create_result result;
    command_world_create(world, COMPAT_CREATE_TRANSFERS, &behind, 1, &result);
    assert_int_equal(result.status, U32_MAX);
}

// Takes a checkpoint and closes the node.
static void world_close(struct command_world *world)
{
    assert_true(command_world_restart_from_checkpoint(world));
    command_world_close(world);
}

// A state of each group: the files of two worlds, to be copied afresh for each test.
struct worlds {
    struct command_world *plain;
    struct command_world *modules;
};

static int worlds_setup(void **state)
{
    struct worlds *worlds = malloc(sizeof *worlds);
    assert_non_null(worlds);
    worlds->plain = world_make();
    world_fill(worlds->plain);
    world_close(worlds->plain);
    worlds->modules = world_make();
    world_fill(worlds->modules);
    world_fill_modules(worlds->modules);
    world_close(worlds->modules);
    *state = worlds;
    return 0;
}

static int worlds_teardown(void **state)
{
    struct worlds *worlds = *state;
    world_end(worlds->plain);
    world_end(worlds->modules);
    free(worlds);
    return 0;
}

// --- audits --------------------------------------------------------------------------------------

static void audit(const char *path, struct audit_report *report)
{
    struct failure failure = {0};
    audit_report_init(report, LIMIT);
    const enum status status = audit_run(path, NULL, report, &failure);
    if (status != STATUS_OK) print_error("%s\n", failure.message);
    assert_int_equal(status, STATUS_OK);
}

static void differences_print(const struct audit_report *report)
{
    for (u64 i = 0; i < report->kept_count; i++) {
        print_error("[%s] %s: %s\n", audit_promise_name(report->kept[i].promise),
                    report->kept[i].place.file, report->kept[i].what);
    }
}

static void is_clean(const struct audit_report *report)
{
    differences_print(report);
    assert_int_equal(report->difference_count, 0);
    assert_true(report->compared);
}

// That a difference of this promise says this, and names a place.
static void is_told(const struct audit_report *report, enum audit_promise promise, const char *what)
{
    for (u64 i = 0; i < report->kept_count; i++) {
        const struct audit_difference *kept = &report->kept[i];
        if (kept->promise != promise || strstr(kept->what, what) == NULL) continue;
        assert_true(kept->place.file[0] != 0);
        return;
    }
    differences_print(report);
    fail_msg("nothing says [%s] %s", audit_promise_name(promise), what);
}

static void test_the_fixture_is_clean(void **state)
{
    (void)state;
    struct audit_report report;
    audit(TAEL_SOURCE_DIRECTORY "/tests/fixtures/log-0.1", &report);
    is_clean(&report);
    // What the machine itself says of it: see log_fixture_test.c.
    assert_int_equal(report.frames, 41);
    assert_int_equal(report.roots, 40);
    assert_int_equal(report.expiries, 1);
    assert_int_equal(report.frames_ahead, 0);
    audit_report_free(&report);
}

static void test_what_plain_clients_did_is_clean(void **state)
{
    const struct worlds *worlds = *state;
    struct disk_copy copy;
    struct audit_report report;
    disk_copy_make(&copy, &worlds->plain->disk.disk, "index-");
    audit(copy.path, &report);
    is_clean(&report);
    assert_int_equal(report.accounts, 5);
    assert_int_equal(report.transfers, PLAIN_COUNT + 10);
    assert_int_equal(report.transfers_refused, 3);
    assert_int_equal(report.ids, PLAIN_COUNT + 12); // And two that were burned.
    assert_int_equal(report.holds, 1);
    assert_int_equal(report.expiries, 1);
    assert_int_equal(report.snapshots, 2);
    assert_int_equal(report.ledgers, 2);
    audit_report_free(&report);
    disk_copy_remove(&copy);
}

static void test_what_modules_did_is_clean(void **state)
{
    const struct worlds *worlds = *state;
    struct disk_copy copy;
    struct audit_report report;
    disk_copy_make(&copy, &worlds->modules->disk.disk, "index-");
    audit(copy.path, &report);
    is_clean(&report);
    assert_true(report.postings > 0 && report.records >= 3 && report.controls > 0);
    assert_true(report.accounts_of_modules > 0);
    audit_report_free(&report);
    disk_copy_remove(&copy);
}

// --- one thing wrong -----------------------------------------------------------------------------

enum seal { SEAL_NOT, SEAL_ROWS, SEAL_CHECKPOINT, SEAL_ALL };

struct plant {
    const char *name;
    void (*plant)(struct forge *forge);
    enum seal seal;
    enum audit_promise promise;
    const char *what;
};

static struct audit_row *plain_row(struct forge *forge, u128 id)
{
    return forge_row_of(forge, AUDIT_ROW_TRANSFER, id, true);
}

static void plant_header_bit(struct forge *forge)
{
    forge_header(forge, 2)->timestamp ^= 1;
}
static void header_seal(struct audit_header *header)
{
    header->checksum = checksum(&header->magic, sizeof *header - 16);
}
static void plant_header_chain(struct forge *forge)
{
    forge_header(forge, 3)->previous.bytes[0] ^= 1;
    header_seal(forge_header(forge, 3));
}
static void plant_header_time(struct forge *forge)
{
    forge_header(forge, 3)->timestamp = forge_header(forge, 2)->timestamp;
    header_seal(forge_header(forge, 3));
}
static void plant_header_root(struct forge *forge)
{
    forge_header(forge, 3)->outcome_root.bytes[0] ^= 1;
    header_seal(forge_header(forge, 3));
}
static void plant_header_zero(struct forge *forge)
{
    forge_header(forge, 3)->reserved[47] = 1;
    header_seal(forge_header(forge, 3));
}
static void plant_body_bit(struct forge *forge)
{
    forge_event(forge, plain_row(forge, 110))->user_data_32 ^= 1;
}
static void plant_frame_lost(struct forge *forge)
{
    memset(forge_header(forge, 2), 0, 256);
}
static void plant_log_cut(struct forge *forge)
{
    const struct audit_header *last = forge_header(forge, forge->head->sequence - 1);
    memset(forge->log.bytes + last->place, 0, 256 + last->body_size);
}
static void plant_row_bit(struct forge *forge)
{
    plain_row(forge, 110)->code ^= 2;
}
static void plant_rows_page_moved(struct forge *forge)
{
    ((struct audit_rows_page *)(void *)forge->rows.bytes)->first_row += 63;
}
static void plant_amount_of_row(struct forge *forge)
{
    plain_row(forge, 110)->amount++;
}
static void plant_amount_of_event(struct forge *forge)
{
    forge_event(forge, plain_row(forge, 110))->amount++;
}
static void plant_both_amounts(struct forge *forge)
{
    plant_amount_of_row(forge);
    plant_amount_of_event(forge);
}
static void plant_limit_broken(struct forge *forge)
{
    struct audit_row *row = plain_row(forge, 11);
    row->amount = 51;
    forge_event(forge, row)->amount = 51;
}
static void plant_id_twice(struct forge *forge)
{
    struct audit_row *row = plain_row(forge, 110);
    row->id = 111;
    forge_event(forge, row)->id = 111;
}
static void plant_burned_id_used(struct forge *forge)
{
    struct audit_row *row = plain_row(forge, 30);
    row->id = 12;
    forge_event(forge, row)->id = 12;
}
static void plant_id_of_row(struct forge *forge)
{
    plain_row(forge, 110)->id = 999;
}
static void plant_other_ledger(struct forge *forge)
{
    plain_row(forge, 110)->credit_row = 3;
}
static void plant_other_account(struct forge *forge)
{
    plain_row(forge, 110)->credit_row = 2;
}
static void plant_no_account(struct forge *forge)
{
    plain_row(forge, 110)->credit_row = 77;
}
static void plant_flags(struct forge *forge)
{
    plain_row(forge, 110)->flags = AUDIT_TRANSFER_PENDING;
}
static void plant_time(struct forge *forge)
{
    plain_row(forge, 110)->timestamp++;
}
static void plant_refusal_forgiven(struct forge *forge)
{
    struct audit_row *row = forge_row_of(forge, AUDIT_ROW_TRANSFER, 12, false);
    row->result = AUDIT_CREATED;
    row->amount = 1000;
    row->debit_row = 2;
    row->credit_row = 0;
    row->code = 1;
}
static void plant_row_lost(struct forge *forge)
{
    plain_row(forge, 110)->kind = AUDIT_ROW_EXPIRY;
}
static void plant_snapshot(struct forge *forge)
{
    forge_row_of(forge, AUDIT_ROW_DEBITS, 0, true)->amount++;
}
static void plant_post_amount(struct forge *forge)
{
    struct audit_row *row = plain_row(forge, 21);
    row->amount = 61;
    forge_event(forge, row)->amount = 61;
}
static void plant_post_of_nothing(struct forge *forge)
{
    plain_row(forge, 21)->pending_distance = 2;
}
static void plant_post_of_another(struct forge *forge)
{
    forge_event(forge, plain_row(forge, 21))->pending_id = 22;
}
static void plant_expiry_early(struct forge *forge)
{
    forge_event(forge, plain_row(forge, 24))->timeout = 100000;
}
static void plant_expiry_amount(struct forge *forge)
{
    forge_row_of(forge, AUDIT_ROW_EXPIRY, 24, true)->amount++;
}
static struct audit_account_record *account_record(struct forge *forge, u64 row)
{
    return forge_record(forge, AUDIT_TABLE_ACCOUNTS, row, sizeof(struct audit_account_record));
}
static void plant_checkpoint_sum(struct forge *forge)
{
    account_record(forge, 0)->debits_posted++;
}
static void plant_checkpoint_pending(struct forge *forge)
{
    account_record(forge, 1)->credits_pending++;
}
static void plant_checkpoint_data(struct forge *forge)
{
    account_record(forge, 1)->user_data_64++;
}
static void plant_checkpoint_count(struct forge *forge)
{
    forge->head->account_count++;
}
static struct audit_hold_record *hold_record(struct forge *forge)
{
    for (u64 i = 0; i < forge->head->hold_count; i++) {
        struct audit_hold_record *record =
            forge_record(forge, AUDIT_TABLE_HOLDS, i, sizeof(struct audit_hold_record));
        if (record->open) return record;
    }
    fail();
    return NULL;
}
static void plant_hold_amount(struct forge *forge)
{
    hold_record(forge)->amount++;
}
static void plant_hold_closed(struct forge *forge)
{
    hold_record(forge)->open = 0;
}
static void plant_hold_row(struct forge *forge)
{
    hold_record(forge)->row++;
}
static void plant_checkpoint_bit(struct forge *forge)
{
    account_record(forge, 0)->debits_posted ^= 4;
}
static void plant_head_bit(struct forge *forge)
{
    forge->head->position ^= 1;
}
static void plant_head_table_long(struct forge *forge)
{
    forge->head->tables[forge->head->table_count - 1].page_count += 1000;
    forge->head->digests_page += 1000;
    forge->head->checksum = checksum(&forge->head->magic, sizeof *forge->head - 16);
}
static void plant_head_tail(struct forge *forge)
{
    forge->head->previous.bytes[0] ^= 1;
}
static void plant_head_outcomes(struct forge *forge)
{
    forge->head->outcomes.count++;
}
static void plant_head_genesis(struct forge *forge)
{
    forge->head->genesis[0] ^= 1;
}
static void plant_snapshot_of_none(struct forge *forge)
{
    forge_row_of(forge, AUDIT_ROW_DEBITS, 0, true)->debit_row = 77;
}
static void plant_snapshot_half(struct forge *forge)
{
    forge_row_of(forge, AUDIT_ROW_CREDITS, 0, true)->kind = AUDIT_ROW_DEBITS;
}
static void plant_row_of_account(struct forge *forge)
{
    forge_row_of(forge, AUDIT_ROW_ACCOUNT, 2, true)->debit_row = 3;
}
static void plant_account_with_balance(struct forge *forge)
{
    const struct audit_row *row = forge_row_of(forge, AUDIT_ROW_ACCOUNT, 2, true);
    ((struct audit_account_record *)(void *)forge_event(forge, row))->debits_posted = 1;
}
static void plant_event_ledger(struct forge *forge)
{
    forge_event(forge, plain_row(forge, 110))->ledger = 8;
}
static void plant_account_closed(struct forge *forge)
{
    // The void that opens the account again becomes a post.
    struct audit_row *row = plain_row(forge, 23);
    row->flags = AUDIT_TRANSFER_POST;
    forge_event(forge, row)->flags = AUDIT_TRANSFER_POST;
    forge_event(forge, row)->amount = U128_MAX;
}
static void plant_hold_expired(struct forge *forge)
{
    // So short that the post, later in the same batch, comes too late.
    forge_event(forge, plain_row(forge, 20))->timeout = 1;
    plain_row(forge, 21)->timestamp += 2 * NS_PER_S;
}
static void plant_post_elsewhere(struct forge *forge)
{
    plain_row(forge, 21)->debit_row = 2;
}
static void plant_expiry_time(struct forge *forge)
{
    forge_row_of(forge, AUDIT_ROW_EXPIRY, 24, true)->timestamp++;
}
static void plant_entry_field(struct forge *forge)
{
    ((u8 *)forge_header(forge, 2))[256 + 255] = 1;
}
static struct audit_command *create_of(struct forge *forge)
{
    for (u64 i = 0;; i++) {
        u8 *header = (u8 *)forge_header(forge, i);
        struct audit_command *command = (struct audit_command *)(void *)(header + 256);
        if (command->record == AUDIT_COMMAND_COMPAT) return command;
    }
}
static void plant_entry_body(struct forge *forge)
{
    create_of(forge)->body_offset = 1u << 20;
}
static void plant_entry_operation(struct forge *forge)
{
    create_of(forge)->operation = 140;
}
static void plant_sum_too_large(struct forge *forge)
{
    struct audit_row *row = plain_row(forge, 110);
    row->amount = U128_MAX;
    forge_event(forge, row)->amount = U128_MAX;
}
static void plant_genesis_root(struct forge *forge)
{
    forge_header(forge, 0)->outcome_root.bytes[0] = 1;
    header_seal(forge_header(forge, 0));
}
static void plant_root_far(struct forge *forge)
{
    forge_header(forge, 3)->outcome_sequence = 4;
    header_seal(forge_header(forge, 3));
}
static void plant_hold_count(struct forge *forge)
{
    forge->head->hold_count++;
}
static void plant_table_root(struct forge *forge)
{
    forge->head->tables[0].root.bytes[0] ^= 1;
    forge->head->checksum = checksum(&forge->head->magic, sizeof *forge->head - 16);
}
static void plant_state(struct forge *forge)
{
    forge->head->state.bytes[0] ^= 1;
    forge->head->checksum = checksum(&forge->head->magic, sizeof *forge->head - 16);
}
static void plant_segments(struct forge *forge)
{
    forge->checkpoint.bytes[forge->head->segments_page * PAGE_SIZE] ^= 1;
}
static void plant_rows_more(struct forge *forge)
{
    forge->head->next_row += 63;
}

static const struct plant plain_plants[] = {
    {"a bit of a header", plant_header_bit, SEAL_NOT, AUDIT_L5, "the header's checksum"},
    {"another header's hash", plant_header_chain, SEAL_NOT, AUDIT_L5, "it does not hang on"},
    {"a header's time", plant_header_time, SEAL_NOT, AUDIT_L5, "its time does not grow"},
    {"a header's root", plant_header_root, SEAL_NOT, AUDIT_L5, "do not give the outcome root"},
    {"a header's zeroes", plant_header_zero, SEAL_NOT, AUDIT_L5, "a field that must be zero"},
    {"a bit of a body", plant_body_bit, SEAL_NOT, AUDIT_L5, "its body does not have the digest"},
    {"a frame that is gone", plant_frame_lost, SEAL_NOT, AUDIT_L5, "a frame is missing"},
    {"a log cut short", plant_log_cut, SEAL_NOT, AUDIT_L5, "the log ends here, but"},
    {"a bit of a row", plant_row_bit, SEAL_NOT, AUDIT_BYTES, "the checksum of a page of rows"},
    {"a sealed bit of a row", plant_row_bit, SEAL_ROWS, AUDIT_L5, "do not give the outcome root"},
    {"a page of rows elsewhere", plant_rows_page_moved, SEAL_ROWS, AUDIT_BYTES, "another one's"},
    {"an amount of a row", plant_amount_of_row, SEAL_ALL, AUDIT_OUTCOME,
     "transfer 110 moves 110 by its event, 111 in history"},
    {"an amount of an event", plant_amount_of_event, SEAL_ALL, AUDIT_OUTCOME,
     "transfer 110 moves 111 by its event, 110 in history"},
    {"both amounts", plant_both_amounts, SEAL_ALL, AUDIT_CHECKPOINT,
     "account 1 of ledger 7: debits_posted is"},
    {"a limit", plant_limit_broken, SEAL_ALL, AUDIT_L2, "account 3 of ledger 7 breaks its limit"},
    {"an id twice", plant_id_twice, SEAL_ALL, AUDIT_L3, "transfer id 111 was used before"},
    {"a burned id", plant_burned_id_used, SEAL_ALL, AUDIT_L3, "transfer id 12 was used before"},
    {"an id of a row", plant_id_of_row, SEAL_ALL, AUDIT_OUTCOME, "another id than event 10"},
    {"another ledger", plant_other_ledger, SEAL_ALL, AUDIT_L1, "account 4 of ledger 8"},
    {"another account", plant_other_account, SEAL_ALL, AUDIT_OUTCOME, "of 1 and 3 in history"},
    {"an account that is not", plant_no_account, SEAL_ALL, AUDIT_OUTCOME, "account row 77"},
    {"flags", plant_flags, SEAL_ALL, AUDIT_OUTCOME, "the flags are 0 by the event, 2 in history"},
    {"a time", plant_time, SEAL_ALL, AUDIT_OUTCOME, "the time is"},
    {"a refusal forgiven", plant_refusal_forgiven, SEAL_ALL, AUDIT_L2, "account 3 of ledger 7"},
    {"a row that is gone", plant_row_lost, SEAL_ALL, AUDIT_OUTCOME, "the row of event 10"},
    {"a snapshot", plant_snapshot, SEAL_ALL, AUDIT_OUTCOME, "in this snapshot"},
    {"a post of more than is held", plant_post_amount, SEAL_ALL, AUDIT_OUTCOME,
     "transfer 21 ends hold 20 with another amount"},
    {"a post of nothing", plant_post_of_nothing, SEAL_ALL, AUDIT_OUTCOME,
     "21 ends a hold that is not open"},
    {"a post of another hold", plant_post_of_another, SEAL_ALL, AUDIT_OUTCOME,
     "transfer 21 ends hold 22 by its event, 20 in history"},
    {"an early expiry", plant_expiry_early, SEAL_ALL, AUDIT_OUTCOME, "hold 24 expired before"},
    {"an expiry's amount", plant_expiry_amount, SEAL_ALL, AUDIT_OUTCOME, "the expiry of 24"},
    {"a sum", plant_checkpoint_sum, SEAL_ALL, AUDIT_CHECKPOINT,
     "account 1 of ledger 7: debits_posted is"},
    {"a pending sum", plant_checkpoint_pending, SEAL_ALL, AUDIT_CHECKPOINT,
     "account 2 of ledger 7: credits_pending is 15 by the log, 16"},
    {"user data", plant_checkpoint_data, SEAL_ALL, AUDIT_CHECKPOINT, "user_data_64 is 22"},
    {"a count", plant_checkpoint_count, SEAL_ALL, AUDIT_CHECKPOINT, "5 accounts by the log"},
    {"a hold's amount", plant_hold_amount, SEAL_ALL, AUDIT_CHECKPOINT, "another amount"},
    {"a hold closed", plant_hold_closed, SEAL_ALL, AUDIT_CHECKPOINT,
     "hold 25 of account 1 is open by the log"},
    {"a hold elsewhere", plant_hold_row, SEAL_ALL, AUDIT_CHECKPOINT,
     "hold 25 of account 1 is open in the checkpoint"},
    {"a bit of a table", plant_checkpoint_bit, SEAL_NOT, AUDIT_BYTES, "does not have the digest"},
    {"a bit of a head", plant_head_bit, SEAL_NOT, AUDIT_BYTES, "the checksum of the head"},
    {"a table too long", plant_head_table_long, SEAL_NOT, AUDIT_BYTES, "shorter than its head"},
    {"a position", plant_head_bit, SEAL_CHECKPOINT, AUDIT_CHECKPOINT, "another position"},
    {"a tail", plant_head_tail, SEAL_CHECKPOINT, AUDIT_CHECKPOINT, "another last header"},
    {"outcomes", plant_head_outcomes, SEAL_CHECKPOINT, AUDIT_CHECKPOINT, "tree of outcomes"},
    {"a genesis", plant_head_genesis, SEAL_CHECKPOINT, AUDIT_CHECKPOINT, "another genesis"},
    {"a snapshot of none", plant_snapshot_of_none, SEAL_ALL, AUDIT_OUTCOME, "a snapshot of two"},
    {"half a snapshot", plant_snapshot_half, SEAL_ALL, AUDIT_OUTCOME, "half a snapshot"},
    {"an account's row", plant_row_of_account, SEAL_ALL, AUDIT_OUTCOME, "account 2 has row 3"},
    {"a gift", plant_account_with_balance, SEAL_ALL, AUDIT_OUTCOME, "an event with balances"},
    {"an event's ledger", plant_event_ledger, SEAL_ALL, AUDIT_OUTCOME, "another ledger or code"},
    {"a closed account", plant_account_closed, SEAL_ALL, AUDIT_OUTCOME, "is of a closed account"},
    {"an expired hold", plant_hold_expired, SEAL_ALL, AUDIT_OUTCOME, "20, which had expired"},
    {"a post elsewhere", plant_post_elsewhere, SEAL_ALL, AUDIT_OUTCOME, "21 names other accounts"},
    {"an expiry's time", plant_expiry_time, SEAL_ALL, AUDIT_OUTCOME, "the time is"},
    {"an entry's zeroes", plant_entry_field, SEAL_ALL, AUDIT_BYTES, "a version or field"},
    {"a body elsewhere", plant_entry_body, SEAL_ALL, AUDIT_BYTES, "is not in the frame"},
    {"an operation", plant_entry_operation, SEAL_ALL, AUDIT_OUTCOME, "is not well-formed"},
    {"a sum too large", plant_sum_too_large, SEAL_ALL, AUDIT_L1, "pass 2^128-1"},
    {"a root of nothing", plant_genesis_root, SEAL_NOT, AUDIT_L5, "where none is due"},
    {"a root of later", plant_root_far, SEAL_NOT, AUDIT_L5, "within 64 frames"},
    {"a count of holds", plant_hold_count, SEAL_CHECKPOINT, AUDIT_CHECKPOINT, "records of holds"},
    {"a root of a table", plant_table_root, SEAL_NOT, AUDIT_BYTES, "the root that the head names"},
    {"a state digest", plant_state, SEAL_NOT, AUDIT_BYTES, "the state digest"},
    {"a segment", plant_segments, SEAL_NOT, AUDIT_BYTES, "the list of segments"},
    {"rows of nothing", plant_rows_more, SEAL_CHECKPOINT, AUDIT_OUTCOME, "belong to no event"},
};

static void plant_control(struct forge *forge)
{
    struct audit_control_record *record =
        forge_record(forge, AUDIT_TABLE_CONTROLS, 0, sizeof *record);
    record->sum += (i128)record->scale;
}
static void plant_posting_astray(struct forge *forge)
{
    forge_row_of(forge, AUDIT_ROW_POSTING, 0, true)->debit_row = 0;
}
static void plant_raw_astray(struct forge *forge)
{
    // The first account behind those of plain clients is a module's.
    plain_row(forge, 600)->credit_row = 5;
}
static void plant_posting_amount(struct forge *forge)
{
    forge_row_of(forge, AUDIT_ROW_POSTING, 0, true)->amount++;
}
static void plant_record_index(struct forge *forge)
{
    forge_row_of(forge, AUDIT_ROW_RECORD, 2, true)->amount++;
}
static void plant_no_principal(struct forge *forge)
{
    const struct audit_row *row = forge_row_of(forge, AUDIT_ROW_RECORD, 2, true);
    for (u64 i = 0;; i++) {
        u8 *header = (u8 *)forge_header(forge, i);
        struct audit_command *command = (struct audit_command *)(void *)(header + 256);
        if (command->command_id != row->id || command->record < 256) continue;
        command->principal = 0;
        return;
    }
}

static const struct plant module_plants[] = {
    {"a control's sum", plant_control, SEAL_ALL, AUDIT_L10, "its sub-ledger sums to"},
    {"a posting to a client", plant_posting_astray, SEAL_ALL, AUDIT_L11, "a module uses accounts"},
    {"a client's to a module", plant_raw_astray, SEAL_ALL, AUDIT_L11,
     "transfer 600 of a plain client is of an account of a module"},
    {"a posting's amount", plant_posting_amount, SEAL_ALL, AUDIT_CHECKPOINT, "by the log"},
    {"a record's place", plant_record_index, SEAL_ALL, AUDIT_OUTCOME, "does not name record 0"},
    {"nobody asked", plant_no_principal, SEAL_ALL, AUDIT_L11, "no principal asked"},
};

static void plant_audit(struct command_world *world, const struct plant *plant,
                        struct audit_report *report)
{
    struct disk_copy copy;
    struct forge forge;
    disk_copy_make(&copy, &world->disk.disk, "index-");
    forge_load(&forge, copy.path);
    if (plant->plant != NULL) plant->plant(&forge);
    if (plant->seal == SEAL_ROWS) forge_seal_rows(&forge);
    if (plant->seal == SEAL_CHECKPOINT) forge_seal_checkpoint(&forge);
    if (plant->seal == SEAL_ALL) forge_seal(&forge);
    forge_save(&forge);
    audit(copy.path, report);
    disk_copy_remove(&copy);
}

static void plants_audit(struct command_world *world, const struct plant *plants, u32 count)
{
    struct audit_report report;
    for (u32 i = 0; i < count; i++) {
        plant_audit(world, &plants[i], &report);
        if (report.difference_count == 0) fail_msg("not found: %s", plants[i].name);
        is_told(&report, plants[i].promise, plants[i].what);
        audit_report_free(&report);
    }
}

// The forger's own hand leaves no trace: what is told below is what was planted.
static void test_what_is_sealed_again_is_clean(void **state)
{
    const struct worlds *worlds = *state;
    struct audit_report report;
    const struct plant nothing = {.seal = SEAL_ALL};
    plant_audit(worlds->plain, &nothing, &report);
    is_clean(&report);
    audit_report_free(&report);
    plant_audit(worlds->modules, &nothing, &report);
    is_clean(&report);
    audit_report_free(&report);
}

static void test_each_thing_wrong_is_told(void **state)
{
    const struct worlds *worlds = *state;
    plants_audit(worlds->plain, plain_plants, ARRAY_COUNT(plain_plants));
}

static void test_each_thing_wrong_of_modules_is_told(void **state)
{
    const struct worlds *worlds = *state;
    plants_audit(worlds->modules, module_plants, ARRAY_COUNT(module_plants));
}

// --- the log's end -------------------------------------------------------------------------------

static void file_write(const char *folder, const char *name, u64 offset, const void *bytes,
                       size_t size)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    const int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, bytes, size, (off_t)offset), size);
    assert_int_equal(close(file), 0);
}

// Behind the checkpoint there are frames, but no rows.
static void test_what_is_not_in_history_yet_is_counted(void **state)
{
    (void)state;
    struct command_world *world = world_make();
    struct disk_copy copy;
    struct audit_report report;
    struct create_result result;
    world_fill(world);
    assert_true(command_world_restart_from_checkpoint(world));
    const struct transfer more = transfer_of(500, 1, 2, 3, 0);
    command_world_create(world, COMPAT_CREATE_TRANSFERS, &more, 1, &result);
    command_world_tick(world, 1);
    command_world_close(world);
    disk_copy_make(&copy, &world->disk.disk, "index-");
    audit(copy.path, &report);
    is_clean(&report);
    assert_true(report.frames_ahead >= 2 && report.commands_ahead >= 2);
    const u64 end = report.log_bytes;
    const u64 frames = report.frames;
    audit_report_free(&report);
    // A frame that was never whole is no damage.
    file_write(copy.path, "log-00000000", end, "TAEFRAME", 8);
    audit(copy.path, &report);
    is_clean(&report);
    assert_true(report.torn && report.frames == frames);
    audit_report_free(&report);
    // A byte of a body behind the checkpoint: of the transfer, before the frame of the tick.
    const u8 byte = 0xff;
    file_write(copy.path, "log-00000000", end - 2 * PAGE_SIZE, &byte, 1);
    audit(copy.path, &report);
    is_told(&report, AUDIT_L5, "its body does not have the digest");
    assert_int_equal(report.difference_count, 1);
    audit_report_free(&report);
    disk_copy_remove(&copy);
    world_end(world);
}

static void test_a_log_without_a_checkpoint_is_chained(void **state)
{
    (void)state;
    struct command_world *world = world_make();
    struct disk_copy copy;
    struct audit_report report;
    world_fill(world);
    command_world_close(world);
    disk_copy_make(&copy, &world->disk.disk, "index-");
    audit(copy.path, &report);
    assert_int_equal(report.difference_count, 0);
    assert_false(report.has_checkpoint || report.compared);
    assert_true(report.frames > 3 && report.frames_ahead == report.frames);
    audit_report_free(&report);
    disk_copy_remove(&copy);
    world_end(world);
}

// --- the environment -----------------------------------------------------------------------------

static bool progress_stop(void *context, const char *part, u64 done, u64 total)
{
    (void)part;
    assert_true(done <= total);
    ++*(u32 *)context;
    return false;
}

static void test_the_environment_is_no_difference(void **state)
{
    const struct worlds *worlds = *state;
    struct disk_memory empty;
    struct disk_copy copy;
    struct audit_report report;
    struct failure failure = {0};
    char lock[512];
    u32 calls = 0;
    const struct audit_progress progress = {.context = &calls, .report = progress_stop};
    audit_report_init(&report, LIMIT);
    assert_int_equal(audit_run("/nowhere/at/all", NULL, &report, &failure), STATUS_NOT_FOUND);
    disk_memory_init(&empty, 1);
    disk_copy_make(&copy, &empty.disk, NULL);
    assert_int_equal(audit_run(copy.path, &progress, &report, &failure), STATUS_NOT_FOUND);
    disk_copy_remove(&copy);
    disk_memory_free(&empty);
    disk_copy_make(&copy, &worlds->plain->disk.disk, "index-");
    (void)snprintf(lock, sizeof lock, "%s/lock", copy.path);
    const int file = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0);
    assert_int_equal(audit_run(copy.path, NULL, &report, &failure), STATUS_BUSY);
    assert_int_equal(close(file), 0);
    assert_int_equal(audit_run(copy.path, &progress, &report, &failure), STATUS_CANCELLED);
    assert_int_equal(calls, 1);
    disk_copy_remove(&copy);
    audit_report_free(&report);
}

static void test_files_that_are_gone_are_told(void **state)
{
    const struct worlds *worlds = *state;
    struct disk_copy copy;
    struct audit_report report;
    disk_copy_make(&copy, &worlds->plain->disk.disk, "rows-");
    audit(copy.path, &report);
    is_told(&report, AUDIT_BYTES, "the file is missing");
    assert_false(report.compared);
    audit_report_free(&report);
    disk_copy_remove(&copy);
    disk_copy_make(&copy, &worlds->plain->disk.disk, "log-");
    audit(copy.path, &report);
    is_told(&report, AUDIT_L5, "the log ends here, but");
    assert_false(report.compared);
    audit_report_free(&report);
    disk_copy_remove(&copy);
}

// --- reports -------------------------------------------------------------------------------------

static void test_what_is_beyond_the_limit_is_counted(void **state)
{
    (void)state;
    struct audit_report report;
    audit_report_init(&report, 2);
    const struct audit_place place = audit_place_row(64, 7);
    assert_string_equal(place.file, "rows-00000000");
    assert_int_equal(place.offset, 4096 + 2 * 64);
    for (u32 i = 0; i < 5; i++) {
        audit_differ_account(&report, &place, U128_MAX, 7, "debits_posted", i, i + 1);
    }
    char buffer[16384];
    assert_true(audit_report_size(&report) <= sizeof buffer);
    struct text lines = text_init(buffer, sizeof buffer - 1);
    audit_report_lines(&report, 12, &lines);
    assert_false(text_overflowed(&lines));
    buffer[lines.size] = 0;
    assert_non_null(strstr(buffer, "differs [checkpoint] rows-00000000 offset 4224 frame 7 row 64: "
                                   "account 340282366920938463463374607431768211455 of ledger 7: "
                                   "debits_posted is 1 by the log, 2 in the checkpoint\n"));
    assert_non_null(strstr(buffer, "differs: 3 more that are not shown\n"));
    struct json_writer writer = json_writer_init(buffer, sizeof buffer);
    audit_report_json(&report, 12, &writer);
    struct json_reader reader = json_reader_init(buffer, writer.text.size, 1);
    struct json_value value;
    struct failure failure;
    u32 objects = 0;
    do {
        assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
        objects += value.token == JSON_OBJECT_BEGIN;
    } while (value.token != JSON_END);
    assert_int_equal(objects, 3);
    audit_report_free(&report);
}

// --- ids -----------------------------------------------------------------------------------------

// As many runs as there may be, with one pair within a run and one over runs.
static void test_ids_that_come_twice_are_found(void **state)
{
    (void)state;
    const u64 key[4] = {1, 22, 333, 4444};
    for (u32 round = 0; round < 3; round++) {
        const u64 run_max = round == 0 ? 1000000 : round == 1 ? 512 : 70000;
        struct audit_ids ids;
        struct failure failure;
        u64 suspects[AUDIT_SUSPECTS_MAX];
        u32 count = 0;
        audit_ids_init(&ids, key, run_max);
        for (u64 i = 0; i < 200000; i++) {
            const u128 id = i == 77 ? 78 : i == 150000 ? 3 : i;
            assert_int_equal(audit_ids_add(&ids, id, &failure), STATUS_OK);
        }
        assert_int_equal(ids.total, 200000);
        const u64 pairs[2] = {audit_ids_hash(&ids, 78), audit_ids_hash(&ids, 3)};
        assert_int_equal(audit_ids_suspects(&ids, suspects, &count, &failure), STATUS_OK);
        assert_int_equal(count, 2);
        assert_true(suspects[0] == MIN(pairs[0], pairs[1]));
        assert_true(suspects[1] == MAX(pairs[0], pairs[1]));
        assert_true((ids.run_count > 0) == (round > 0));
        audit_ids_free(&ids);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_fixture_is_clean),
        cmocka_unit_test(test_what_plain_clients_did_is_clean),
        cmocka_unit_test(test_what_modules_did_is_clean),
        cmocka_unit_test(test_what_is_sealed_again_is_clean),
        cmocka_unit_test(test_each_thing_wrong_is_told),
        cmocka_unit_test(test_each_thing_wrong_of_modules_is_told),
        cmocka_unit_test(test_what_is_not_in_history_yet_is_counted),
        cmocka_unit_test(test_a_log_without_a_checkpoint_is_chained),
        cmocka_unit_test(test_the_environment_is_no_difference),
        cmocka_unit_test(test_files_that_are_gone_are_told),
        cmocka_unit_test(test_what_is_beyond_the_limit_is_counted),
        cmocka_unit_test(test_ids_that_come_twice_are_found),
    };
    return cmocka_run_group_tests(tests, worlds_setup, worlds_teardown);
}
