// SPDX-License-Identifier: Apache-2.0
//
// Audits of folders by their files: logs of which a file was cut, is gone or is there too early,
// judged by the machine too; backups, finished, continued, interrupted, damaged.
#include "audit/audit.h"
#include "audit/worlds_test.h"
#include "base/checksum.h"
#include "machine/backup.h"
#include "machine/command_world.h"
#include "machine/verify.h"
#include "os/disk_copy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void must(enum status status, const struct failure *failure)
{
    if (status != STATUS_OK) fail_msg("%s", failure->message);
}

static void disk_audit(struct disk_memory *disk, struct audit_report *report)
{
    struct disk_copy copy;
    disk_copy_make(&copy, &disk->disk, "index-");
    audit_folder_whole(copy.path, report);
    disk_copy_remove(&copy);
}

// --- files of the log ----------------------------------------------------------------------------

#define FRAMES 40u // Of the largest size, sixteen a file: they end in log-00000002.
#define GONE   U64_MAX
#define ASIS   (U64_MAX - 1)

struct file_case {
    const char *name;
    u64 sizes[7];     // Of the first files.
    const char *file; // Which is told; NULL: none.
    u64 offset;
    const char *what;
    bool is_of_auditor; // The machine sees nothing: no frame can be missing.
};

#define SHORT   "the file ends here, or is gone"
#define MISSING "a frame is missing"
#define LATER   "a frame is missing: later ones follow"

static const struct file_case file_cases[] = {
    {"whole", {ASIS, ASIS, ASIS, ASIS, ASIS, ASIS, GONE}, NULL, 0, NULL, false},
    {"none made ahead", {ASIS, ASIS, ASIS, GONE, GONE, GONE, GONE}, NULL, 0, NULL, false},
    {"the last one as it was made", {ASIS, ASIS, ASIS, ASIS, ASIS, 5, GONE}, NULL, 0, NULL, false},
    {"one made ahead, empty", {ASIS, ASIS, ASIS, 0, GONE, GONE, GONE}, NULL, 0, NULL, false},
    {"two empty", {ASIS, ASIS, ASIS, ASIS, 0, 0, GONE}, NULL, 0, NULL, false},
    {"a fourth ahead, empty", {ASIS, ASIS, ASIS, ASIS, ASIS, ASIS, 0}, NULL, 0, NULL, false},
    {"the tail's, behind its frames",
     {ASIS, ASIS, 63 * MIB, ASIS, ASIS, ASIS, GONE},
     "log-00000002",
     63 * MIB,
     SHORT,
     false},
    {"the tail's, behind its frames, and nothing else",
     {ASIS, ASIS, 63 * MIB, GONE, GONE, GONE, GONE},
     "log-00000002",
     63 * MIB,
     SHORT,
     false},
    {"the tail's, between frames",
     {ASIS, ASIS, 8 * MIB, ASIS, ASIS, ASIS, GONE},
     "log-00000002",
     8 * MIB,
     SHORT,
     false},
    {"the tail's, within a frame",
     {ASIS, ASIS, 9 * MIB, ASIS, ASIS, ASIS, GONE},
     "log-00000002",
     9 * MIB,
     SHORT,
     false},
    {"the tail's, gone",
     {ASIS, ASIS, GONE, ASIS, ASIS, ASIS, GONE},
     "log-00000002",
     0,
     SHORT,
     false},
    {"one with frames behind it, gone",
     {ASIS, GONE, ASIS, ASIS, ASIS, ASIS, GONE},
     "log-00000001",
     0,
     SHORT,
     false},
    {"one with frames behind it, empty",
     {ASIS, 0, ASIS, ASIS, ASIS, ASIS, GONE},
     "log-00000001",
     0,
     SHORT,
     false},
    {"one with frames behind it, cut",
     {ASIS, 32 * MIB, ASIS, ASIS, ASIS, ASIS, GONE},
     "log-00000001",
     32 * MIB,
     LATER,
     false},
    {"the first one, gone",
     {GONE, ASIS, ASIS, ASIS, ASIS, ASIS, GONE},
     "log-00000000",
     0,
     SHORT,
     false},
    {"one before the tail's, behind its frames",
     {WAL_FILE_SIZE - 1, ASIS, ASIS, ASIS, ASIS, ASIS, GONE},
     "log-00000000",
     WAL_FILE_SIZE - 1,
     SHORT,
     true},
    {"one made ahead, cut",
     {ASIS, ASIS, ASIS, ASIS, 5, ASIS, GONE},
     "log-00000004",
     5,
     SHORT,
     false},
    {"one made ahead, gone",
     {ASIS, ASIS, ASIS, GONE, ASIS, ASIS, GONE},
     "log-00000003",
     0,
     SHORT,
     false},
    {"a fourth ahead", {ASIS, ASIS, ASIS, ASIS, ASIS, ASIS, 1}, "log-00000003", 0, MISSING, false},
};

static void sizes_set(struct disk_memory *disk, const u64 *sizes, u32 count)
{
    struct failure failure;
    for (u32 i = 0; i < count; i++) {
        char name[DISK_NAME_SIZE_MAX];
        disk_handle handle = -1;
        u64 size = 0;
        (void)snprintf(name, sizeof name, "log-%08x", i);
        const bool is_there = disk_memory_has(disk, name, &size);
        if (sizes[i] == ASIS) assert_true(is_there && size == WAL_FILE_SIZE);
        else if (sizes[i] == GONE && is_there)
            must(disk_remove(&disk->disk, name, &failure), &failure);
        if (sizes[i] == ASIS || sizes[i] == GONE) continue;
        must(disk_open(&disk->disk, name, DISK_CREATE, &handle, &failure), &failure);
        disk_close(&disk->disk, handle);
        disk_memory_resize(disk, name, sizes[i]);
    }
}

static void file_case_run(const struct disk_memory *base, const struct file_case *one)
{
    struct disk_memory disk;
    struct audit_report report;
    struct verify_report verified;
    struct failure failure;
    disk_memory_init(&disk, 1);
    disk_memory_copy(&disk, base);
    sizes_set(&disk, one->sizes, ARRAY_COUNT(one->sizes));
    const enum status status = verify_folder(&disk.disk, NULL, &verified, &failure);
    const bool is_seen = one->file != NULL && !one->is_of_auditor;
    if ((status == STATUS_OK) == is_seen) fail_msg("verify: %s: %s", one->name, failure.message);
    disk_audit(&disk, &report);
    if (report.difference_count != (one->file != NULL)) {
        fail_msg("%s: %llu differences", one->name, (unsigned long long)report.difference_count);
    }
    if (one->file != NULL) {
        audit_is_told(&report, AUDIT_L5, one->what, one->file);
        assert_int_equal(report.kept[0].place.offset, one->offset);
    } else {
        assert_int_equal(report.frames, verified.frames);
    }
    audit_report_free(&report);
    disk_memory_free(&disk);
}

static void test_a_file_of_the_log_that_was_cut_or_is_gone_is_told(void **state)
{
    (void)state;
    struct command_world *world = audit_world_make();
    command_world_close(world);
    audit_log_extend(&world->disk, FRAMES, FRAME_SIZE_MAX - PAGE_SIZE);
    for (u32 i = 0; i < ARRAY_COUNT(file_cases); i++) file_case_run(&world->disk, &file_cases[i]);
    audit_world_end(world);
}

// A log that ends where its file does: the next one was not begun.
static void test_a_log_that_ends_with_a_file(void **state)
{
    (void)state;
    struct command_world *world = audit_world_make();
    command_world_close(world);
    struct audit_report report;
    disk_audit(&world->disk, &report);
    const u64 left = WAL_FILE_SIZE - report.log_bytes;
    audit_report_free(&report);
    audit_log_extend(&world->disk, (u32)(left / (2 * MIB)), (u32)(2 * MIB - PAGE_SIZE));
    const u64 rest = left % (2 * MIB);
    assert_true(rest >= 2 * PAGE_SIZE);
    audit_log_extend(&world->disk, 1, (u32)(rest - PAGE_SIZE));
    disk_audit(&world->disk, &report);
    assert_int_equal(report.difference_count, 0);
    assert_int_equal(report.log_bytes, WAL_FILE_SIZE);
    audit_report_free(&report);
    const struct file_case cut = {
        "cut", {WAL_FILE_SIZE - 1, ASIS, ASIS, ASIS, ASIS, GONE, GONE}, NULL, 0, NULL, false};
    sizes_set(&world->disk, cut.sizes, ARRAY_COUNT(cut.sizes));
    disk_audit(&world->disk, &report);
    audit_is_told(&report, AUDIT_L5, SHORT, "log-00000000");
    audit_report_free(&report);
    audit_world_end(world);
}

// --- backups -------------------------------------------------------------------------------------

#define BODY     PAGE_SIZE
#define MORE     200u // Frames of a later run.
#define OUTCOMES (2 * AUDIT_TREE_LEAVES)

struct copied {
    struct disk_memory source;
    struct disk_memory target;
    struct backup_report report;
};

static enum status backup_try(struct copied *copied, const char *stop_in)
{
    struct failure failure;
    const struct backup_progress progress = {.report = audit_backup_stop, .context = &stop_in};
    return backup_make(&copied->source.disk, &copied->target.disk, 1,
                       stop_in == NULL ? NULL : &progress, &copied->report, &failure);
}

static void backup_must(struct copied *copied)
{
    assert_int_equal(backup_try(copied, NULL), STATUS_OK);
}

// A world with a page of the tree of outcomes, to be copied.
static struct copied *copied_new(bool has_checkpoint)
{
    struct copied *copied = malloc(sizeof *copied);
    assert_non_null(copied);
    struct command_world *world = audit_world_make();
    struct create_result result;
    audit_world_fill(world);
    for (u32 i = 0; i < OUTCOMES; i++) {
        const struct transfer more = {.id = 5000 + i,
                                      .debit_account_id = 1,
                                      .credit_account_id = 2,
                                      .amount = 3,
                                      .ledger = 7,
                                      .code = 1};
        command_world_create(world, COMPAT_CREATE_TRANSFERS, &more, 1, &result);
    }
    if (has_checkpoint) audit_world_close(world);
    else command_world_close(world);
    disk_memory_init(&copied->source, 1);
    disk_memory_init(&copied->target, 1);
    disk_memory_copy(&copied->source, &world->disk);
    audit_world_end(world);
    return copied;
}

static void copied_free(struct copied *copied)
{
    disk_memory_free(&copied->source);
    disk_memory_free(&copied->target);
    free(copied);
}

static void byte_turn(struct disk_memory *disk, const char *name, u64 offset)
{
    u8 byte = 0;
    disk_memory_get(disk, name, offset, &byte, 1);
    byte ^= 1;
    disk_memory_put(disk, name, offset, &byte, 1);
}

static void test_a_backup_is_audited_to_its_end(void **state)
{
    (void)state;
    struct copied *copied = copied_new(true);
    struct audit_report report;
    backup_must(copied);
    disk_audit(&copied->target, &report);
    audit_is_clean(&report);
    assert_true(report.is_backup && report.frames == copied->report.end.sequence);
    const u64 end = report.log_bytes;
    const u64 frames = report.frames;
    audit_report_free(&report);
    // Of a later run that was interrupted there are frames, which are nothing, whatever is in them.
    audit_log_extend(&copied->source, MORE, BODY);
    assert_int_equal(backup_try(copied, "log"), STATUS_CANCELLED);
    struct audit_header behind;
    disk_memory_get(&copied->target, "log-00000000", end, &behind, sizeof behind);
    assert_true(behind.magic == AUDIT_FRAME_MAGIC && behind.sequence == frames);
    for (u32 damaged = 0; damaged < 2; damaged++) {
        disk_audit(&copied->target, &report);
        audit_is_clean(&report);
        assert_true(report.frames == frames && report.log_bytes == end && !report.torn);
        audit_report_free(&report);
        byte_turn(&copied->target, "log-00000000", end + 100);
        // So are whole files, one of which was being made.
        const u64 sizes[] = {ASIS, 5, WAL_FILE_SIZE, GONE, GONE, GONE, 1};
        sizes_set(&copied->target, sizes, ARRAY_COUNT(sizes));
    }
    // The next run goes on.
    backup_must(copied);
    disk_audit(&copied->target, &report);
    audit_is_clean(&report);
    assert_true(report.frames == frames + MORE && report.frames_ahead == MORE);
    audit_report_free(&report);
    byte_turn(&copied->target, "log-00000000", end + 100);
    disk_audit(&copied->target, &report);
    audit_is_told(&report, AUDIT_L5, "the header's checksum does not hold", "log-00000000");
    audit_report_free(&report);
    copied_free(copied);
}

static void test_an_unfinished_backup_is_no_log(void **state)
{
    (void)state;
    struct copied *copied = copied_new(true);
    struct disk_copy copy;
    struct audit_report report;
    struct failure failure = {0};
    assert_int_equal(backup_try(copied, "history"), STATUS_CANCELLED);
    disk_copy_make(&copy, &copied->target.disk, NULL);
    audit_report_init(&report, 1);
    assert_int_equal(audit_run(copy.path, NULL, NULL, &report, &failure), STATUS_INVALID);
    assert_string_equal(failure.message, "the folder is an unfinished backup");
    assert_non_null(strstr(failure.hint, "`tael backup` with the same two folders goes on"));
    assert_int_equal(report.difference_count, 0);
    audit_report_free(&report);
    disk_copy_remove(&copy);
    backup_must(copied);
    disk_audit(&copied->target, &report);
    audit_is_clean(&report);
    audit_report_free(&report);
    copied_free(copied);
}

// Of a backup whose file is damaged what the checkpoint covers is audited, since its end is not
// before that; without one nothing is.
static void test_a_damaged_file_of_a_backup_is_told(void **state)
{
    (void)state;
    for (u32 has_checkpoint = 0; has_checkpoint < 2; has_checkpoint++) {
        struct copied *copied = copied_new(has_checkpoint != 0);
        struct audit_report report;
        audit_log_extend(&copied->source, MORE, BODY);
        backup_must(copied);
        disk_audit(&copied->target, &report);
        assert_int_equal(report.difference_count, 0);
        const u64 covered = report.frames - report.frames_ahead;
        assert_true(report.frames_ahead >= MORE && (covered > 0) == (has_checkpoint != 0));
        audit_report_free(&report);
        const u64 sizes[] = {0, 1, 255, 257};
        for (u32 i = 0; i < sizeof(struct audit_backup_file) + ARRAY_COUNT(sizes); i += 5) {
            struct disk_memory disk;
            const bool is_turned = i < sizeof(struct audit_backup_file);
            disk_memory_init(&disk, 1);
            disk_memory_copy(&disk, &copied->target);
            if (is_turned) byte_turn(&disk, "backup", i);
            else disk_memory_resize(&disk, "backup", sizes[i % ARRAY_COUNT(sizes)]);
            disk_audit(&disk, &report);
            audit_is_told(&report, AUDIT_BYTES,
                          is_turned ? "the checksum of the file does not hold"
                                    : "the file is not of 256 bytes",
                          "backup");
            assert_int_equal(report.difference_count, 1);
            assert_true(report.frames == covered && report.compared == (has_checkpoint != 0));
            audit_report_free(&report);
            disk_memory_free(&disk);
        }
        copied_free(copied);
    }
}

static void test_a_backup_that_does_not_reach_its_end_is_told(void **state)
{
    (void)state;
    struct copied *copied = copied_new(true);
    struct audit_report report;
    static const u8 zeroes[2 * PAGE_SIZE];
    audit_log_extend(&copied->source, MORE, BODY);
    backup_must(copied);
    const struct backup_mark *end = &copied->report.end;
    // The last frame torn, as a crash would leave it; gone; the file with it.
    for (u32 i = 0; i < 3; i++) {
        if (i < 2) {
            disk_memory_put(&copied->target, "log-00000000",
                            end->place_last + (1 - i) * PAGE_SIZE + 1,
                            i == 0 ? (const u8 *)"x" : zeroes, i == 0 ? 1 : PAGE_SIZE - 1);
        } else {
            disk_memory_resize(&copied->target, "log-00000000", end->place_last);
        }
        disk_audit(&copied->target, &report);
        audit_is_told(&report, AUDIT_L5, "the log ends here, but the backup goes on to frame",
                      "log-00000000");
        assert_int_equal(report.kept[report.kept_count - 1].place.offset, end->place_last);
        assert_false(report.torn);
        if (i == 2) audit_is_told(&report, AUDIT_L5, SHORT, "log-00000000");
        assert_int_equal(report.difference_count, i == 2 ? 2 : 1);
        audit_report_free(&report);
    }
    copied_free(copied);
}

// Files of a backup have their size, up to that of the end.
static void test_a_file_of_a_backup_that_was_cut_is_told(void **state)
{
    (void)state;
    struct copied *copied = copied_new(true);
    struct audit_report report;
    backup_must(copied);
    disk_memory_resize(&copied->target, "log-00000000", copied->report.end.place);
    disk_audit(&copied->target, &report);
    audit_is_told(&report, AUDIT_L5, SHORT, "log-00000000");
    assert_int_equal(report.difference_count, 1);
    assert_int_equal(report.kept[0].place.offset, copied->report.end.place);
    audit_report_free(&report);
    copied_free(copied);
}

static void test_pages_that_the_next_run_would_leave_out_are_told(void **state)
{
    (void)state;
    struct copied *copied = copied_new(true);
    struct audit_report report;
    struct audit_backup_file file;
    backup_must(copied);
    disk_memory_get(&copied->target, "backup", 0, &file, sizeof file);
    assert_true(file.tree_pages > 1);
    file.tree_pages--;
    file.checksum = checksum(&file.magic, sizeof file - 16);
    disk_memory_put(&copied->target, "backup", 0, &file, sizeof file);
    disk_audit(&copied->target, &report);
    audit_is_told(&report, AUDIT_BYTES, "tree_pages is 1, less than the checkpoint's 2", "backup");
    assert_int_equal(report.difference_count, 1);
    audit_report_free(&report);
    copied_free(copied);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_of_the_log_that_was_cut_or_is_gone_is_told),
        cmocka_unit_test(test_a_log_that_ends_with_a_file),
        cmocka_unit_test(test_a_backup_is_audited_to_its_end),
        cmocka_unit_test(test_an_unfinished_backup_is_no_log),
        cmocka_unit_test(test_a_damaged_file_of_a_backup_is_told),
        cmocka_unit_test(test_a_backup_that_does_not_reach_its_end_is_told),
        cmocka_unit_test(test_a_file_of_a_backup_that_was_cut_is_told),
        cmocka_unit_test(test_pages_that_the_next_run_would_leave_out_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
