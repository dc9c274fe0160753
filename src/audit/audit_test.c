// SPDX-License-Identifier: Apache-2.0
//
// Audits of folders that the real machine made and that are whole, ends in the middle of things, or
// cannot be read. Those in which something is wrong are lies_test.c's.
#include "audit/audit.h"
#include "audit/books.h"
#include "audit/ids.h"
#include "audit/worlds_test.h"
#include "base/checksum.h"
#include "codec/json.h"
#include "machine/command_world.h"
#include "machine/log_fixture.h"
#include "modules/effect/effect.h"
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

static void test_the_fixture_is_clean(void **state)
{
    (void)state;
    struct audit_report report;
    struct disk_memory disk;
    struct disk_copy copy;
    // As it is kept its log ends with the last frame.
    audit_folder_whole(TAEL_SOURCE_DIRECTORY "/tests/fixtures/log-0.1", &report);
    audit_is_told(&report, AUDIT_L5, "the file ends here, or is gone", "log-00000000");
    assert_int_equal(report.difference_count, 1);
    audit_report_free(&report);
    disk_memory_init(&disk, 1);
    log_fixture_load(&disk, true);
    disk_copy_make(&copy, &disk.disk, NULL);
    audit_folder_whole(copy.path, &report);
    disk_copy_remove(&copy);
    disk_memory_free(&disk);
    audit_is_clean(&report);
    // What the machine itself says of it: see log_fixture_test.c.
    assert_int_equal(report.frames, 41);
    assert_int_equal(report.roots, 40);
    assert_int_equal(report.expiries, 1);
    assert_int_equal(report.frames_ahead, 0);
    audit_report_free(&report);
}

static void test_what_plain_clients_did_is_clean(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct disk_copy copy;
    struct audit_report report;
    disk_copy_make(&copy, &worlds->plain->disk.disk, "index-");
    audit_folder_whole(copy.path, &report);
    audit_is_clean(&report);
    assert_int_equal(report.accounts, 6);
    assert_int_equal(report.transfers, AUDIT_PLAIN_COUNT + 14);
    assert_int_equal(report.transfers_refused, 3);
    assert_int_equal(report.ids, AUDIT_PLAIN_COUNT + 16); // And two that were burned.
    assert_int_equal(report.holds, 1);
    assert_int_equal(report.expiries, 3);
    assert_int_equal(report.snapshots, 2);
    assert_int_equal(report.ledgers, 2);
    audit_report_free(&report);
    disk_copy_remove(&copy);
}

static void test_what_modules_did_is_clean(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct disk_copy copy;
    struct audit_report report;
    disk_copy_make(&copy, &worlds->modules->disk.disk, "index-");
    audit_folder_whole(copy.path, &report);
    audit_is_clean(&report);
    assert_true(report.postings > 0 && report.records >= 3 && report.controls > 0);
    assert_true(report.accounts_of_modules > 0);
    audit_report_free(&report);
    disk_copy_remove(&copy);
}

static void effect_command(struct command_world *world, u64 principal, u16 record, const void *body,
                           u32 size)
{
    const u64 before = world->principal;
    world->principal = principal;
    (void)command_world_run(world, 900 + record, record, body, size, 1);
    assert_int_equal(command_world_reply(world, 0).result, MODULE_DONE);
    world->principal = before;
}

// A server that serves a copy disarms it first, and nobody has asked for that.
static void copy_serve(struct command_world *world, bool is_copy, bool says_so, bool is_first)
{
    const struct effect_arm arm = {.reason = 1};
    const struct effect_disarm disarm = {.reason = 1, .copied = says_so};
    if (is_first) effect_command(world, 5, 0x0908, &arm, sizeof arm);
    if (is_copy) {
        world->node.wal.tail.log_id++;
        world->node.wal.tail.epoch++;
        command_world_tick(world, 1); // Time may pass before it.
    }
    if (!is_first) effect_command(world, 5, 0x0908, &arm, sizeof arm);
    effect_command(world, 0, AUDIT_COMMAND_DISARM, &disarm, sizeof disarm);
}

static void test_what_a_copy_says_first_is_asked_by_nobody(void **state)
{
    static const struct {
        bool is_copy, says_so, is_first;
        u32 told;
    } rows[] = {{true, true, true, 0},
                {true, true, false, 1},
                {true, false, true, 1},
                {false, true, true, 1}};
    (void)state;
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        struct command_world *world = audit_world_make();
        struct disk_copy copy;
        struct audit_report report;
        audit_world_fill(world);
        copy_serve(world, rows[i].is_copy, rows[i].says_so, rows[i].is_first);
        audit_world_close(world);
        disk_copy_make(&copy, &world->disk.disk, "index-");
        audit_folder_whole(copy.path, &report);
        if (rows[i].told == 0) audit_is_clean(&report);
        else audit_is_told(&report, AUDIT_L11, "asked for by nobody: 0", "rows-00000000");
        assert_int_equal(report.difference_count, rows[i].told);
        audit_report_free(&report);
        disk_copy_remove(&copy);
        audit_world_end(world);
    }
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
    struct command_world *world = audit_world_make();
    struct disk_copy copy;
    struct audit_report report;
    struct create_result result;
    audit_world_fill(world);
    assert_true(command_world_restart_from_checkpoint(world));
    const struct transfer more = {.id = 500,
                                  .debit_account_id = 1,
                                  .credit_account_id = 2,
                                  .amount = 3,
                                  .ledger = 7,
                                  .code = 1};
    command_world_create(world, COMPAT_CREATE_TRANSFERS, &more, 1, &result);
    command_world_tick(world, 1);
    command_world_close(world);
    disk_copy_make(&copy, &world->disk.disk, "index-");
    audit_folder_whole(copy.path, &report);
    audit_is_clean(&report);
    assert_true(report.frames_ahead >= 2 && report.commands_ahead >= 2);
    const u64 end = report.log_bytes;
    const u64 frames = report.frames;
    audit_report_free(&report);
    // A frame that was never whole is no damage.
    file_write(copy.path, "log-00000000", end, "TAEFRAME", 8);
    audit_folder_whole(copy.path, &report);
    audit_is_clean(&report);
    assert_true(report.torn && report.frames == frames);
    audit_report_free(&report);
    // A byte of a body behind the checkpoint: of the transfer, before the frame of the tick.
    const u8 byte = 0xff;
    file_write(copy.path, "log-00000000", end - 2 * PAGE_SIZE, &byte, 1);
    audit_folder_whole(copy.path, &report);
    audit_is_told(&report, AUDIT_L5, "its body does not have the digest", "log-00000000");
    assert_int_equal(report.difference_count, 1);
    audit_report_free(&report);
    disk_copy_remove(&copy);
    audit_world_end(world);
}

static void test_a_log_without_a_checkpoint_is_chained(void **state)
{
    (void)state;
    struct command_world *world = audit_world_make();
    struct disk_copy copy;
    struct audit_report report;
    audit_world_fill(world);
    command_world_close(world);
    disk_copy_make(&copy, &world->disk.disk, "index-");
    audit_folder_whole(copy.path, &report);
    assert_int_equal(report.difference_count, 0);
    assert_false(report.has_checkpoint || report.compared);
    assert_true(report.frames > 3 && report.frames_ahead == report.frames);
    audit_report_free(&report);
    disk_copy_remove(&copy);
    audit_world_end(world);
}

// --- the environment -----------------------------------------------------------------------------

struct stop {
    const char *part; // In which the audit is stopped.
    u32 calls;        // Of that part.
};

static bool progress_stop(void *context, const char *part, u64 done, u64 total)
{
    struct stop *stop = context;
    assert_true(done <= total);
    if (strcmp(part, stop->part) != 0) return true;
    stop->calls++;
    return false;
}

static void test_the_environment_is_no_difference(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct disk_memory empty;
    struct disk_copy copy;
    struct audit_report report;
    struct failure failure = {0};
    char lock[512];
    struct stop stop = {.part = "log"};
    const struct audit_progress progress = {.context = &stop, .report = progress_stop};
    audit_report_init(&report, LIMIT);
    assert_int_equal(audit_run("/nowhere/at/all", NULL, NULL, &report, &failure), STATUS_NOT_FOUND);
    disk_memory_init(&empty, 1);
    disk_copy_make(&copy, &empty.disk, NULL);
    assert_int_equal(audit_run(copy.path, NULL, &progress, &report, &failure), STATUS_NOT_FOUND);
    disk_copy_remove(&copy);
    disk_memory_free(&empty);
    disk_copy_make(&copy, &worlds->plain->disk.disk, "index-");
    (void)snprintf(lock, sizeof lock, "%s/lock", copy.path);
    const int file = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0);
    assert_int_equal(audit_run(copy.path, NULL, NULL, &report, &failure), STATUS_BUSY);
    assert_int_equal(close(file), 0);
    assert_int_equal(audit_run(copy.path, NULL, &progress, &report, &failure), STATUS_CANCELLED);
    assert_int_equal(stop.calls, 1);
    stop.part = "checkpoint";
    assert_int_equal(audit_run(copy.path, NULL, &progress, &report, &failure), STATUS_CANCELLED);
    assert_int_equal(stop.calls, 2);
    disk_copy_remove(&copy);
    audit_report_free(&report);
}

static void test_files_that_are_gone_are_told(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct disk_copy copy;
    struct audit_report report;
    disk_copy_make(&copy, &worlds->plain->disk.disk, "rows-");
    audit_folder_whole(copy.path, &report);
    audit_is_told(&report, AUDIT_BYTES, "the file is missing", "rows-00000000");
    assert_false(report.compared);
    audit_report_free(&report);
    disk_copy_remove(&copy);
    disk_copy_make(&copy, &worlds->plain->disk.disk, "log-");
    audit_folder_whole(copy.path, &report);
    audit_is_told(&report, AUDIT_L5, "the log ends here, but", "log-00000000");
    assert_false(report.compared);
    audit_report_free(&report);
    disk_copy_remove(&copy);
    // A checkpoint that is cut off within its head, and newer than any.
    disk_copy_make(&copy, &worlds->plain->disk.disk, "index-");
    file_write(copy.path, "checkpoint-ffffffffffffffff", 0, "", 1);
    audit_folder_whole(copy.path, &report);
    audit_is_told(&report, AUDIT_BYTES, "the head is not whole: no balance was compared",
                  "checkpoint-ffffffffffffffff");
    assert_false(report.compared);
    audit_report_free(&report);
    disk_copy_remove(&copy);
}

// The rows behind the last one are zeroes; a file without them is not whole all the same.
static void test_rows_that_end_within_a_page_are_told(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct disk_memory disk;
    struct disk_copy copy;
    struct audit_report report;
    u64 size = 0;
    disk_memory_init(&disk, 1);
    disk_memory_copy(&disk, &worlds->plain->disk);
    assert_true(disk_memory_has(&disk, "rows-00000000", &size) && size % PAGE_SIZE == 0);
    assert_int_equal(disk_memory_byte(&disk, "rows-00000000", size - 1), 0);
    disk_memory_resize(&disk, "rows-00000000", size - 1);
    disk_copy_make(&copy, &disk.disk, "index-");
    audit_folder_whole(copy.path, &report);
    audit_is_told(&report, AUDIT_BYTES, "the file ends within a page of rows", "rows-00000000");
    assert_int_equal(report.difference_count, 1);
    assert_int_equal(report.kept[0].place.offset, size - PAGE_SIZE);
    audit_report_free(&report);
    disk_copy_remove(&copy);
    disk_memory_free(&disk);
}

// A page of the tree of outcomes: the second one, with a byte at an offset turned over, and sealed
// again or not.
static void tree_page_lie(const char *path, u32 offset, bool is_sealed)
{
    struct audit_tree_page page;
    char name[512];
    (void)snprintf(name, sizeof name, "%s/tree-00000000", path);
    const int file = open(name, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(pread(file, &page, sizeof page, PAGE_SIZE), sizeof page);
    assert_int_equal(close(file), 0);
    ((u8 *)&page)[offset] ^= 1;
    if (is_sealed) page.checksum = checksum(&page.magic, sizeof page - 16);
    file_write(path, "tree-00000000", PAGE_SIZE, &page, sizeof page);
}

static void test_lies_of_the_tree_are_told(void **state)
{
    (void)state;
    static const char damaged[] = "the checksum of a page of the tree of outcomes does not hold";
    static const char other[] = "is not that of the rows in history";
    static const struct {
        u32 offset; // Of number, first row, zeroes, a node, a leaf's root, its row, its place.
        bool is_sealed;
        const char *what;
    } lies[] = {{40, false, damaged},
                {24, true, other},
                {33, true, other},
                {45, true, other},
                {64, true, other},
                {1024 + 48, true, other},
                {1024 + 48 + 32, true, other},
                {1024 + 48 + 41, true, other},
                {4095, true, other}};
    struct command_world *world = audit_world_make();
    struct create_result result;
    struct disk_copy copy;
    struct audit_report report;
    audit_world_fill(world);
    for (u32 i = 0; i < 2 * AUDIT_TREE_LEAVES; i++) {
        const struct transfer more = {.id = 5000 + i,
                                      .debit_account_id = 1,
                                      .credit_account_id = 2,
                                      .amount = 3,
                                      .ledger = 7,
                                      .code = 1};
        command_world_create(world, COMPAT_CREATE_TRANSFERS, &more, 1, &result);
    }
    audit_world_close(world);
    disk_copy_make(&copy, &world->disk.disk, "index-");
    audit_folder_whole(copy.path, &report);
    audit_is_clean(&report);
    audit_report_free(&report);
    disk_copy_remove(&copy);
    for (u32 i = 0; i < ARRAY_COUNT(lies); i++) {
        disk_copy_make(&copy, &world->disk.disk, "index-");
        tree_page_lie(copy.path, lies[i].offset, lies[i].is_sealed);
        audit_folder_whole(copy.path, &report);
        audit_is_told(&report, AUDIT_BYTES, lies[i].what, "tree-00000000");
        assert_int_equal(report.difference_count, 1);
        audit_report_free(&report);
        disk_copy_remove(&copy);
    }
    disk_copy_make(&copy, &world->disk.disk, "tree-");
    audit_folder_whole(copy.path, &report);
    audit_is_told(&report, AUDIT_BYTES, "the file is missing", "tree-00000000");
    audit_report_free(&report);
    file_write(copy.path, "tree-00000000", 0, "", 1);
    audit_folder_whole(copy.path, &report);
    audit_is_told(&report, AUDIT_BYTES, "a page of the tree of outcomes is missing",
                  "tree-00000000");
    audit_report_free(&report);
    disk_copy_remove(&copy);
    audit_world_end(world);
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
    const struct hash_key key = {{1, 22, 333, 4444}};
    for (u32 round = 0; round < 3; round++) {
        const u64 run_max = round == 0 ? 1000000 : round == 1 ? 512 : 70000;
        struct audit_ids ids;
        struct failure failure;
        u64 suspects[AUDIT_SUSPECTS_MAX];
        u32 count = 0;
        audit_ids_init(&ids, &key, run_max);
        for (u64 i = 0; i < 200000; i++) {
            const u128 id = i == 77 ? 78 : i == 150000 ? 3 : i;
            assert_int_equal(audit_ids_add(&ids, audit_ids_hash(&ids, id), &failure), STATUS_OK);
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

// An id that comes often takes the place of two in each run, however long the runs are.
static void test_an_id_that_comes_always_takes_no_room(void **state)
{
    (void)state;
    const struct hash_key key = {{1, 22, 333, 4444}};
    struct audit_ids ids;
    struct failure failure;
    u64 suspects[AUDIT_SUSPECTS_MAX];
    u32 count = 0;
    audit_ids_init(&ids, &key, 512);
    const u64 hash = audit_ids_hash(&ids, 5);
    for (u32 i = 0; i < 100000; i++) {
        assert_int_equal(audit_ids_add(&ids, hash, &failure), STATUS_OK);
    }
    assert_true(ids.written <= 2 * (u64)ids.run_count);
    assert_int_equal(audit_ids_suspects(&ids, suspects, &count, &failure), STATUS_OK);
    assert_int_equal(count, 1);
    assert_true(suspects[0] == hash && ids.capacity <= 512);
    audit_ids_free(&ids);
}

// --- holds from afar -----------------------------------------------------------------------------

// Farther back than a distance can say, a hold is found by its id, or the oldest one by its
// accounts; and nearer than that by neither.
static void test_holds_from_afar(void **state)
{
    (void)state;
    const struct hash_key key = {{1, 22, 333, 4444}};
    const u64 far = AUDIT_DISTANCE_FAR;
    struct audit_books books;
    audit_books_init(&books, &key);
    for (u32 i = 0; i < 3000; i++) {
        const struct audit_hold hold = {
            .id = 100 + i, .row = 1 + 10 + i, .debit_row = i % 2, .credit_row = 7};
        audit_hold_add(&books, &hold);
    }
    assert_null(audit_hold_far(&books, far - 1, 0, 7, 100));
    assert_null(audit_hold_far(&books, far + 9, 0, 7, 100)); // Of row 10.
    assert_int_equal(audit_hold_far(&books, far + 10, 0, 7, 100)->row, 11);
    assert_null(audit_hold_far(&books, far + 10, 1, 7, 100)); // Of other accounts.
    assert_null(audit_hold_far(&books, far + 10, 0, 8, 100));
    assert_int_equal(audit_hold_far(&books, far + 5000, 1, 7, 0)->id, 101);
    assert_int_equal(audit_hold_far(&books, far + 5000, 1, 7, 2001)->id, 2001);
    for (u32 i = 0; i < 3000; i++) audit_hold_remove(&books, 10 + i);
    assert_int_equal(books.hold_count, 0);
    assert_null(audit_hold_far(&books, far + 5000, 1, 7, 0));
    audit_books_free(&books);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_fixture_is_clean),
        cmocka_unit_test(test_what_plain_clients_did_is_clean),
        cmocka_unit_test(test_what_modules_did_is_clean),
        cmocka_unit_test(test_what_a_copy_says_first_is_asked_by_nobody),
        cmocka_unit_test(test_what_is_not_in_history_yet_is_counted),
        cmocka_unit_test(test_a_log_without_a_checkpoint_is_chained),
        cmocka_unit_test(test_the_environment_is_no_difference),
        cmocka_unit_test(test_files_that_are_gone_are_told),
        cmocka_unit_test(test_rows_that_end_within_a_page_are_told),
        cmocka_unit_test(test_lies_of_the_tree_are_told),
        cmocka_unit_test(test_what_is_beyond_the_limit_is_counted),
        cmocka_unit_test(test_ids_that_come_twice_are_found),
        cmocka_unit_test(test_an_id_that_comes_always_takes_no_room),
        cmocka_unit_test(test_holds_from_afar),
    };
    return cmocka_run_group_tests(tests, audit_worlds_setup, audit_worlds_teardown);
}
