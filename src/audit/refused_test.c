// SPDX-License-Identifier: Apache-2.0
//
// What the system refuses the auditor: a call on each way on which it makes one. It says so, tells
// nothing that differs, and leaves no file open. (The program is linked so that its calls may be
// refused: os/refused_calls.h.)
#include "audit/audit.h"
#include "audit/ids.h"
#include "audit/worlds_test.h"
#include "machine/command_world.h"
#include "os/disk_copy.h"
#include "os/refused_calls.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static u32 files_open(void)
{
    u32 count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory) != NULL) count++;
    (void)closedir(directory);
    return count;
}

// A status that says what was refused.
static void is_told(enum status status, const struct failure *failure)
{
    if (status == STATUS_IO && failure->error_number != 0) return;
    fail_msg("%d: %s", status, failure->message);
}

// Audits of a folder of which nothing is wrong, each with a call that is refused. How many were.
static u32 audits_refuse(struct disk *disk)
{
    static struct refused_calls refused;
    struct disk_copy copy;
    u32 count = 0;
    refused_calls_init(&refused);
    disk_copy_make(&copy, disk, "index-");
    const u32 files = files_open();
    for (bool was_refused = true; was_refused;) {
        struct audit_report report;
        struct failure failure = {0};
        audit_report_init(&report, 10);
        refused_calls_begin(&refused);
        const enum status status = audit_run(copy.path, NULL, NULL, &report, &failure);
        refused_calls_begin(NULL);
        was_refused = refused.name[0] != 0;
        count += was_refused;
        assert_int_equal(report.difference_count, 0);
        assert_int_equal(files_open(), files);
        if (status == STATUS_OK) audit_is_clean(&report);
        else is_told(status, &failure);
        assert_true(was_refused == (status != STATUS_OK));
        audit_report_free(&report);
    }
    disk_copy_remove(&copy);
    return count;
}

static void test_audits_are_refused(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct disk_memory backup;
    audit_world_backup(worlds->plain, &backup);
    assert_true(audits_refuse(&worlds->plain->disk.disk) > 20);
    assert_true(audits_refuse(&worlds->modules->disk.disk) > 20);
    assert_true(audits_refuse(&backup.disk) > 20);
    disk_memory_free(&backup);
}

static void folder_remove(const char *path)
{
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (const struct dirent *entry = NULL; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] != '.') (void)unlinkat(dirfd(directory), entry->d_name, 0);
    }
    (void)closedir(directory);
    assert_int_equal(rmdir(path), 0);
}

// More ids than a run has room for go to a file.
static void test_the_file_of_ids_is_refused(void **state)
{
    static struct refused_calls refused;
    char folder[] = "/tmp/tael-ids-XXXXXX";
    u32 count = 0;
    (void)state;
    refused_calls_init(&refused);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(setenv("TMPDIR", folder, 1), 0);
    const u32 files = files_open();
    for (bool was_refused = true; was_refused;) {
        static u64 suspects[AUDIT_SUSPECTS_MAX];
        struct hash_key key = {{0}};
        struct audit_ids ids;
        struct failure failure = {0};
        u32 found = 0;
        refused_calls_begin(&refused);
        enum status status = audit_key_draw(&key, &failure);
        audit_ids_init(&ids, &key, 512);
        for (u64 i = 0; i < 5000 && status == STATUS_OK; i++) {
            status = audit_ids_add(&ids, audit_ids_hash(&ids, i == 4000 ? 7 : i), &failure);
        }
        if (status == STATUS_OK) status = audit_ids_suspects(&ids, suspects, &found, &failure);
        refused_calls_begin(NULL);
        was_refused = refused.name[0] != 0;
        count += was_refused;
        if (status != STATUS_OK) is_told(status, &failure);
        else assert_true(found == 1 && suspects[0] == audit_ids_hash(&ids, 7));
        audit_ids_free(&ids);
        assert_int_equal(files_open(), files);
    }
    assert_true(count >= 4);
    folder_remove(folder); // A file whose removal was refused is there.
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audits_are_refused),
        cmocka_unit_test(test_the_file_of_ids_is_refused),
    };
    return cmocka_run_group_tests(tests, audit_worlds_setup, audit_worlds_teardown);
}
