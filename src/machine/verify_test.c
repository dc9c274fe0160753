// SPDX-License-Identifier: Apache-2.0
//
// Verification of the fixture's log with a checkpoint: whole, and with differences planted that
// only a replay can find, since every digest and checksum around them is right.
#include "base/checksum.h"
#include "ledger/history_file.h"
#include "machine/command_world.h"
#include "machine/log_fixture.h"
#include "machine/verify.h"
#include "modules/accrual/accrual.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// Opens the folder and takes a checkpoint behind its last frame, which rotates. `lie` is added to
// what account 1 was debited, before the checkpoint is taken.
static void checkpoint_take(struct log_fixture *fixture, u64 lie)
{
    struct node *node = &fixture->node;
    log_fixture_start(fixture);
    struct ledger *ledger = &node->machine.ledger;
    u32 row = ledger_account_row(ledger, 1);
    assert_true(row != U32_MAX);
    table_touch(&ledger->accounts, row);
    ((struct account *)(void *)ledger->accounts.memory)[row].debits_posted += lie;
    log_fixture_checkpoint(fixture);
}

static enum status verify(struct log_fixture *fixture, const struct verify_progress *progress)
{
    return verify_folder(&fixture->disk.disk, progress, &fixture->report, &fixture->failure);
}

static enum status replay(struct log_fixture *fixture, const struct verify_progress *progress)
{
    return verify_replay(&fixture->disk.disk, &fixture->scratch.disk, progress, &fixture->report,
                         &fixture->failure);
}

static void test_a_whole_folder_holds(void **state)
{
    struct log_fixture *fixture = *state;
    const struct verify_report *report = &fixture->report;
    checkpoint_take(fixture, 0);
    log_fixture_must(verify(fixture, NULL), fixture);
    log_fixture_must(replay(fixture, NULL), fixture);
    assert_true(report->frames > 0 && report->replayed_frames == report->frames);
    // Every frame but the genesis names a root, and both ways compare it.
    assert_true(report->roots == report->frames - 1);
    assert_true(report->replayed_roots == report->frames - 1);
    assert_true(report->replayed_checkpoint);
    assert_true(report->checkpoint_sequence == report->frames); // The next one.
    assert_memory_equal(&report->replayed_state, &report->state, sizeof report->state);
}

static void test_a_log_without_a_checkpoint_is_replayed(void **state)
{
    struct log_fixture *fixture = *state;
    log_fixture_must(verify(fixture, NULL), fixture);
    log_fixture_must(replay(fixture, NULL), fixture);
    assert_false(fixture->report.replayed_checkpoint);
    assert_true(fixture->report.roots == 0);
    assert_true(fixture->report.replayed_roots == fixture->report.frames - 1);
}

// That a message names a checkpoint by the number that the report has.
static void checkpoint_is_named(const struct log_fixture *fixture, u64 number)
{
    char name[64];
    (void)snprintf(name, sizeof name, "checkpoint %llu ", (unsigned long long)number);
    assert_non_null(strstr(fixture->failure.message, name));
}

static void test_a_balance_that_no_transfer_made_is_found(void **state)
{
    struct log_fixture *fixture = *state;
    checkpoint_take(fixture, 1);
    log_fixture_must(verify(fixture, NULL), fixture);
    assert_int_equal(replay(fixture, NULL), STATUS_CORRUPT);
    assert_non_null(strstr(fixture->failure.message, "its state differs"));
    checkpoint_is_named(fixture, fixture->report.checkpoint_sequence);
}

static void root_change(struct frame_header *header)
{
    header->outcome_root.bytes[0] ^= 1;
    frame_header_seal(header);
}

static void header_clear(struct frame_header *header)
{
    memset(header, 0, sizeof *header);
}

static void last_header_change(struct log_fixture *fixture,
                               void (*change)(struct frame_header *header))
{
    struct disk *disk = &fixture->disk.disk;
    struct failure *failure = &fixture->failure;
    struct frame_header header;
    disk_handle handle = -1;
    log_fixture_must(disk_open(disk, "log-00000000", 0, &handle, failure), fixture);
    u64 last = 0;
    for (u64 place = 0;;) {
        log_fixture_must(disk_read(disk, handle, place, &header, sizeof header, failure), fixture);
        if (!frame_header_valid(&header)) break;
        last = place;
        place += frame_size(&header);
    }
    log_fixture_must(disk_read(disk, handle, last, &header, sizeof header, failure), fixture);
    change(&header);
    log_fixture_must(disk_write_one(disk, handle, last, &header, sizeof header, failure), fixture);
    disk_close(disk, handle);
}

static void test_a_log_that_ends_before_its_checkpoint_is_found(void **state)
{
    struct log_fixture *fixture = *state;
    checkpoint_take(fixture, 0);
    log_fixture_must(verify(fixture, NULL), fixture);
    const u64 frames = fixture->report.frames;
    last_header_change(fixture, header_clear);
    assert_int_equal(verify(fixture, NULL), STATUS_CORRUPT);
    checkpoint_is_named(fixture, frames);
    assert_non_null(strstr(fixture->failure.hint, "restore the log's files from a backup"));
    assert_int_equal(replay(fixture, NULL), STATUS_CORRUPT);
    checkpoint_is_named(fixture, frames);
    // Nor does it start: the checkpoint alone is no truth.
    struct recovery_report report;
    assert_int_equal(
        node_open(&fixture->node, &fixture->disk.disk, NULL, 0, NULL, &report, &fixture->failure),
        STATUS_CORRUPT);
    assert_non_null(strstr(fixture->failure.message, "/log-00000000, before offset "));
    assert_non_null(strstr(fixture->failure.message, " is not there, or its header is damaged"));
}

// Writes the head of the newest checkpoint, with a checksum that is right.
static void head_write(struct log_fixture *fixture, struct checkpoint_head head)
{
    struct disk *disk = &fixture->disk.disk;
    struct failure *failure = &fixture->failure;
    char name[DISK_NAME_SIZE_MAX];
    disk_handle handle = -1;
    const u128 sum = checksum(&head.magic, sizeof head - sizeof head.checksum);
    memcpy(head.checksum, &sum, sizeof head.checksum);
    (void)snprintf(name, sizeof name, "checkpoint-%016llx", (unsigned long long)head.tail.sequence);
    log_fixture_must(disk_open(disk, name, 0, &handle, failure), fixture);
    log_fixture_must(disk_write_one(disk, handle, 0, &head, sizeof head, failure), fixture);
    disk_close(disk, handle);
}

// Each place from which something is counted or read; the head as it was is accepted.
static void test_a_head_that_contradicts_itself_is_refused(void **state)
{
    struct log_fixture *fixture = *state;
    struct checkpoint_head head;
    struct checkpoint_head found;
    struct recovery_report report;
    checkpoint_take(fixture, 0);
    log_fixture_must(checkpoint_find(&fixture->disk.disk, &head, &fixture->failure), fixture);
    struct checkpoint_head heads[9];
    for (size_t i = 0; i < ARRAY_COUNT(heads); i++) heads[i] = head;
    heads[0].table_count = CHECKPOINT_TABLES_MAX + 1;
    heads[1].override_count = MACHINE_OVERRIDES_MAX + 1;
    heads[2].tables[0].page_first = U64_MAX;
    heads[3].tables[0].page_count = 1u << 20;
    heads[4].digests_page = 1u << 20;
    heads[5].lists_page = 1u << 20;
    heads[6].position++;
    heads[7].tables[0].root.bytes[0] ^= 1;
    heads[8].outcomes.count = head.next_row + 1;
    for (size_t i = 0; i < ARRAY_COUNT(heads); i++) {
        head_write(fixture, heads[i]);
        assert_int_equal(checkpoint_find(&fixture->disk.disk, &found, &fixture->failure),
                         STATUS_CORRUPT);
        assert_non_null(strstr(fixture->failure.message, "contradicts itself"));
        assert_int_equal(node_open(&fixture->node, &fixture->disk.disk, NULL, 0, NULL, &report,
                                   &fixture->failure),
                         STATUS_CORRUPT);
    }
    head_write(fixture, head);
    log_fixture_must(verify(fixture, NULL), fixture);
}

// The state digest that a head must have to be what it says (docs/FORMAT.md).
static void head_seal(struct checkpoint_head *head)
{
    struct {
        u64 position, timestamp, next_row;
        struct ledger_state ledger;
        struct machine_state machine;
        struct {
            u64 id;
            struct digest root;
        } tables[CHECKPOINT_TABLES_MAX];
    } state;
    memset(&state, 0, sizeof state);
    state.position = head->position;
    state.timestamp = head->timestamp;
    state.next_row = head->next_row;
    state.ledger = head->ledger;
    state.machine = head->machine;
    for (u32 i = 0; i < head->table_count; i++) {
        state.tables[i].id = head->tables[i].id;
        state.tables[i].root = head->tables[i].root;
    }
    const size_t unused = (CHECKPOINT_TABLES_MAX - head->table_count) * sizeof state.tables[0];
    sha256(&state, sizeof state - unused, &head->state);
}

// Heads that agree with themselves, and with nothing else: a start refuses each, and says why.
static void test_a_head_that_cannot_be_loaded_is_refused(void **state)
{
    struct log_fixture *fixture = *state;
    struct checkpoint_head head;
    struct recovery_report report;
    checkpoint_take(fixture, 0);
    log_fixture_must(checkpoint_find(&fixture->disk.disk, &head, &fixture->failure), fixture);
    struct {
        struct checkpoint_head head;
        enum status status;
        const char *text;
    } rows[11];
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        rows[i].head = head;
        rows[i].status = STATUS_CORRUPT;
    }
    rows[0].head.magic++;
    rows[0].text = " is damaged";
    rows[1].head.format = 99;
    rows[1].status = STATUS_UNSUPPORTED;
    rows[1].text = " has format 99; this binary reads ";
    rows[2].head.tables[1].id = 9999;
    rows[2].status = STATUS_UNSUPPORTED;
    rows[2].text = " has a table 9999, which this binary does not know";
    rows[3].head.tables[0].record_count = 0;
    rows[3].text = " has an impossible size";
    rows[4].head.tables[0].record_count = U64_MAX;
    rows[4].text = " has an impossible size";
    rows[5].head.tables[0].record_count += 10ull * PAGE_SIZE;
    rows[5].text = " has an impossible size";
    rows[6].head.tables[0].root.bytes[31] ^= 1;
    rows[6].text = ": the digests of table ";
    rows[7].head.segment_count = HISTORY_SEGMENTS_MAX + 1;
    rows[7].text = " lists too many segments";
    rows[8].head.lists_digest.bytes[0] ^= 1;
    rows[8].text = ": its lists are damaged";
    for (u32 i = 0; i < OUTCOME_PAGE_LEVEL; i++) rows[9].head.outcomes.peaks[i].bytes[0] ^= 1;
    rows[9].text = ": its tree of outcomes contradicts itself";
    rows[10].head.next_row = head.outcomes.count;
    rows[10].text = ": its tree of outcomes contradicts itself";
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        head_seal(&rows[i].head);
        head_write(fixture, rows[i].head);
        const enum status status = node_open(&fixture->node, &fixture->disk.disk, NULL, 0, NULL,
                                             &report, &fixture->failure);
        if (status != rows[i].status || strstr(fixture->failure.message, rows[i].text) == NULL) {
            fail_msg("row %zu: %d, %s", i, status, fixture->failure.message);
        }
    }
    head_write(fixture, head);
    log_fixture_must(verify(fixture, NULL), fixture);
}

// Heads that agree with themselves, of another log than this one: a replay says in what.
static void test_a_head_of_something_else_is_found(void **state)
{
    struct log_fixture *fixture = *state;
    struct checkpoint_head head;
    checkpoint_take(fixture, 0);
    log_fixture_must(checkpoint_find(&fixture->disk.disk, &head, &fixture->failure), fixture);
    struct {
        struct checkpoint_head head;
        const char *verified; // NULL: verifying does not see it.
        const char *replayed;
    } rows[11];
    static const char place[] = ": its place in the log differs";
    static const char other[] = " does not continue this log";
    static const char tree[] = ": its tree of outcomes differs";
    static const char rooted[] = " has another tree of outcomes than history gives";
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        rows[i].head = head;
        rows[i].verified = i < 3 ? other : i < 6 ? rooted : NULL;
        rows[i].replayed = i < 3 ? place : tree;
    }
    rows[0].head.tail.log_id++;
    rows[1].head.tail.place += PAGE_SIZE;
    rows[2].head.tail.previous.bytes[31] ^= 1;
    rows[3].head.outcomes.count--;
    rows[4].head.outcomes_row++;
    for (u32 i = 0; i < ARRAY_COUNT(head.outcomes.peaks); i++) {
        rows[5].head.outcomes.peaks[i].bytes[0] ^= 1;
    }
    rows[6].head.tail.epoch++;
    rows[6].replayed = place;
    rows[7].head.position++;
    rows[7].replayed = ": its position differs";
    rows[8].head.timestamp++;
    rows[8].replayed = ": its time differs";
    rows[9].head.genesis.created_at++;
    rows[9].replayed = ": its genesis differs";
    rows[10].head.machine.note_count++;
    rows[10].replayed = ": its state differs";
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        head_seal(&rows[i].head);
        head_write(fixture, rows[i].head);
        const enum status verified = verify(fixture, NULL);
        if (rows[i].verified == NULL ? verified != STATUS_OK
                                     : verified != STATUS_CORRUPT ||
                                           !strstr(fixture->failure.message, rows[i].verified)) {
            fail_msg("row %zu verified: %d, %s", i, verified, fixture->failure.message);
        }
        disk_memory_free(&fixture->scratch);
        disk_memory_init(&fixture->scratch, 3);
        if (replay(fixture, NULL) != STATUS_CORRUPT ||
            strstr(fixture->failure.message, rows[i].replayed) == NULL) {
            fail_msg("row %zu replayed: %s", i, fixture->failure.message);
        }
        assert_string_equal(fixture->failure.hint, HISTORY_DAMAGE_HINT);
    }
}

// A checkpoint that comes behind the first file of the log, which was cut: a start reads nothing
// of that file, and refuses nevertheless.
static void test_a_file_of_the_log_that_was_cut_is_noticed_by_a_start(void **state)
{
    struct log_fixture *fixture = *state;
    struct checkpoint_head head;
    struct recovery_report report;
    checkpoint_take(fixture, 0);
    log_fixture_must(checkpoint_find(&fixture->disk.disk, &head, &fixture->failure), fixture);
    head.tail.place += WAL_FILE_SIZE;
    head_seal(&head);
    head_write(fixture, head);
    for (u32 i = 0; i < 2; i++) {
        if (i == 1) disk_memory_resize(&fixture->disk, "log-00000000", WAL_FILE_SIZE - 1);
        assert_int_equal(node_open(&fixture->node, &fixture->disk.disk, NULL, 0, NULL, &report,
                                   &fixture->failure),
                         STATUS_CORRUPT);
        const char *words = i == 0 ? "/log-00000001, before offset " // There is no such file.
                                   : "/log-00000000 ends at offset 67108863, or is gone";
        if (strstr(fixture->failure.message, words) == NULL) {
            fail_msg("%s", fixture->failure.message);
        }
        assert_non_null(strstr(fixture->failure.hint, "restore this file from a backup"));
    }
}

// What no root says of a frame, under digests that are right: where it is, and where its rows end.
static void test_a_list_of_other_frames_is_found(void **state)
{
    struct log_fixture *fixture = *state;
    struct disk *disk = &fixture->disk.disk;
    struct checkpoint_head head;
    struct checkpoint_segment *lists = NULL;
    char name[DISK_NAME_SIZE_MAX];
    disk_handle handle = -1;
    checkpoint_take(fixture, 0);
    log_fixture_must(checkpoint_find(disk, &head, &fixture->failure), fixture);
    checkpoint_file_name(name, head.tail.sequence);
    log_fixture_must(disk_open(disk, name, 0, &handle, &fixture->failure), fixture);
    log_fixture_must(checkpoint_lists_read(disk, handle, name, &head, &lists, &fixture->failure),
                     fixture);
    assert_true(head.outcomes.count % OUTCOME_PAGE_LEAVES > 1);
    struct outcome_leaf *leaf = (void *)(lists + head.segment_count);
    for (u32 i = 0; i < 3; i++) {
        if (i == 1) leaf->place -= PAGE_SIZE;
        leaf->place += i == 0 ? PAGE_SIZE : 0;
        leaf->end_row += i == 1 ? 1 : i == 2 ? U64_MAX : 0;
        const size_t size = checkpoint_lists_size(&head);
        sha256(lists, size, &head.lists_digest);
        log_fixture_must(disk_write_one(disk, handle, head.lists_page * PAGE_SIZE, lists, size,
                                        &fixture->failure),
                         fixture);
        head_write(fixture, head);
        if (i == 2) break; // As it was.
        assert_int_equal(verify(fixture, NULL), STATUS_CORRUPT);
        assert_non_null(strstr(fixture->failure.message, "its list of frames is not what history"));
        assert_string_equal(fixture->failure.hint, HISTORY_DAMAGE_HINT);
    }
    log_fixture_must(verify(fixture, NULL), fixture);
    disk_close(disk, handle);
    free(lists);
}

static void test_an_outcome_root_that_the_log_does_not_give_is_found(void **state)
{
    struct log_fixture *fixture = *state;
    last_header_change(fixture, root_change);
    log_fixture_must(verify(fixture, NULL), fixture);
    assert_int_equal(replay(fixture, NULL), STATUS_CORRUPT);
    assert_non_null(strstr(fixture->failure.message, "names other outcomes"));
}

struct progress {
    u32 calls;
    u32 until; // Stop at this call.
    u64 done;
    u64 total;
};

static bool progress_take(void *context, const char *part, u64 done, u64 total)
{
    struct progress *progress = context;
    assert_string_equal(part, "replay");
    assert_true(done >= progress->done && done <= total);
    progress->done = done;
    progress->total = total;
    return ++progress->calls < progress->until;
}

static void test_a_replay_tells_how_far_it_is_and_stops_when_asked(void **state)
{
    struct log_fixture *fixture = *state;
    struct progress progress = {.until = U32_MAX};
    const struct verify_progress to = {.context = &progress, .report = progress_take};
    log_fixture_must(verify(fixture, NULL), fixture);
    log_fixture_must(replay(fixture, &to), fixture);
    assert_true(progress.calls > 0 && progress.total == fixture->report.log_bytes);
    progress = (struct progress){.until = 1};
    disk_memory_free(&fixture->scratch);
    disk_memory_init(&fixture->scratch, 3);
    assert_int_equal(replay(fixture, &to), STATUS_CANCELLED);
}

static void test_a_folder_without_a_log_is_no_log(void **state)
{
    struct log_fixture *fixture = *state;
    disk_memory_free(&fixture->disk);
    disk_memory_init(&fixture->disk, 4);
    assert_int_equal(replay(fixture, NULL), STATUS_NOT_FOUND);
    // Nor does it start without being told what to make.
    struct recovery_report report;
    assert_int_equal(
        node_open(&fixture->node, &fixture->disk.disk, NULL, 0, NULL, &report, &fixture->failure),
        STATUS_NOT_FOUND);
    assert_non_null(strstr(fixture->failure.message, "holds no log: no frame begins log-00000000"));
}

// Stops in the part that the context names.
static bool part_stop(void *context, const char *part, u64 done, u64 total)
{
    assert_true(done <= total);
    return strcmp(part, context) != 0;
}

static void test_verifying_stops_when_asked(void **state)
{
    struct log_fixture *fixture = *state;
    static char log[] = "log";
    static char index[] = "index";
    log_fixture_load(&fixture->disk, true);
    const struct verify_progress in_log = {.context = log, .report = part_stop};
    const struct verify_progress in_index = {.context = index, .report = part_stop};
    assert_int_equal(verify(fixture, &in_log), STATUS_CANCELLED);
    assert_true(fixture->report.segments == 0);
    assert_int_equal(verify(fixture, &in_index), STATUS_CANCELLED);
    log_fixture_must(verify(fixture, NULL), fixture);
    assert_true(fixture->report.segments > 0);
}

// A checkpoint that is cancelled leaves nothing that counts, and the next one is whole.
static void test_a_checkpoint_that_is_cancelled(void **state)
{
    struct log_fixture *fixture = *state;
    struct node *node = &fixture->node;
    const _Atomic bool cancelled = true;
    struct checkpoint_head head;
    log_fixture_start(fixture);
    log_fixture_must(node_seal_all(node, &fixture->failure), fixture);
    checkpoint_begin(&node->checkpoint, &node->machine, &node->wal.tail);
    assert_int_equal(checkpoint_write(&node->checkpoint, &node->machine, &node->indexer.outcomes,
                                      &cancelled, &fixture->failure),
                     STATUS_CANCELLED);
    checkpoint_end(&node->checkpoint);
    assert_int_equal(checkpoint_find(&fixture->disk.disk, &head, &fixture->failure),
                     STATUS_NOT_FOUND);
    log_fixture_checkpoint(fixture);
    log_fixture_must(verify(fixture, NULL), fixture);
    log_fixture_must(replay(fixture, NULL), fixture);
    assert_true(fixture->report.replayed_checkpoint);
}

// --- ticks ---------------------------------------------------------------------------------------

static void world_make(struct command_world *world)
{
    const struct genesis genesis = command_world_genesis();
    command_world_init(world, &genesis);
}

// Takes a checkpoint, and verifies the folder in both ways.
static void world_verify(struct command_world *world)
{
    struct disk_memory scratch;
    struct verify_report report;
    struct failure failure;
    assert_true(command_world_restart_from_checkpoint(world));
    command_world_close(world);
    disk_memory_init(&scratch, 5);
    command_world_must(verify_folder(&world->disk.disk, NULL, &report, &failure), &failure);
    command_world_must(verify_replay(&world->disk.disk, &scratch.disk, NULL, &report, &failure),
                       &failure);
    assert_true(report.roots == report.frames - 1 && report.replayed_checkpoint);
    disk_memory_free(&scratch);
    command_world_free(world);
    free(world);
}

// Their rows lie one behind the other, and only their places tell whose they are.
static void test_expiries_of_two_ticks_are_told_apart(void **state)
{
    (void)state;
    struct command_world *world = malloc(sizeof *world);
    assert_non_null(world);
    world_make(world);
    const struct account accounts[2] = {{.id = 1, .ledger = 7, .code = 1},
                                        {.id = 2, .ledger = 7, .code = 1}};
    struct transfer holds[3];
    struct create_result results[3];
    command_world_create(world, COMPAT_CREATE_ACCOUNTS, accounts, 2, results);
    for (u32 i = 0; i < 3; i++) {
        holds[i] = (struct transfer){.id = 10 + i,
                                     .debit_account_id = 1,
                                     .credit_account_id = 2,
                                     .amount = 5,
                                     .timeout = 1 + 100 * i,
                                     .ledger = 7,
                                     .code = 1,
                                     .flags = TRANSFER_PENDING};
    }
    command_world_create(world, COMPAT_CREATE_TRANSFERS, holds, 3, results);
    for (u32 i = 0; i < 3; i++) command_world_tick(world, 100);
    assert_true(world->node.machine.ledger.hold_index.count == 0);
    world_verify(world);
}

static void must(struct command_world *world, u128 id, u16 record, const void *body, u32 size)
{
    (void)command_world_run(world, id, record, body, size, 1);
    assert_int_equal(command_world_reply(world, 0).result, MODULE_DONE);
}

static void test_what_the_end_of_a_job_posts_is_the_tick_s(void **state)
{
    (void)state;
    struct command_world *world = malloc(sizeof *world);
    assert_non_null(world);
    world_make(world);
    const struct accrual_group group = {.group_id = 1, .product = 1, .entity = 1, .book = 700};
    const struct accrual_open open = {.loan_id = 1,
                                      .group_id = 1,
                                      .principal = 1000000,
                                      .count = 1,
                                      .rate_numerator = 1,
                                      .rate_denominator = 10,
                                      .day = 20000};
    struct accrual_run run = {.job_id = 3, .day = 20030};
    must(world, 1, 0x7e01, &group, sizeof group);
    must(world, 2, 0x7e02, &open, sizeof open);
    for (u32 i = 0; i < 2; i++) {
        run.job_id += i;
        run.day += (i32)i;
        must(world, 3 + i, 0x7e04, &run, sizeof run);
        for (u32 j = 0; j < 3; j++) command_world_slice(world);
    }
    world_verify(world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, log_fixture_setup, log_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_whole_folder_holds),
        TEST(test_a_log_without_a_checkpoint_is_replayed),
        TEST(test_a_balance_that_no_transfer_made_is_found),
        TEST(test_a_log_that_ends_before_its_checkpoint_is_found),
        TEST(test_a_head_that_contradicts_itself_is_refused),
        TEST(test_a_head_that_cannot_be_loaded_is_refused),
        TEST(test_a_head_of_something_else_is_found),
        TEST(test_a_file_of_the_log_that_was_cut_is_noticed_by_a_start),
        TEST(test_a_list_of_other_frames_is_found),
        TEST(test_an_outcome_root_that_the_log_does_not_give_is_found),
        TEST(test_a_replay_tells_how_far_it_is_and_stops_when_asked),
        TEST(test_a_folder_without_a_log_is_no_log),
        TEST(test_verifying_stops_when_asked),
        TEST(test_a_checkpoint_that_is_cancelled),
        cmocka_unit_test(test_expiries_of_two_ticks_are_told_apart),
        cmocka_unit_test(test_what_the_end_of_a_job_posts_is_the_tick_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
