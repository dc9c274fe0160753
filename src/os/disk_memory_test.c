// SPDX-License-Identifier: Apache-2.0
//
// The disk in memory: what a crash keeps, what it may lose, and that each fault happens as asked
// for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "os/disk_memory.h"

static struct failure failure;

static disk_handle file_open(struct disk_memory *disk, const char *name, u32 flags)
{
    disk_handle file = -1;
    assert_int_equal(disk_open(&disk->disk, name, flags, &file, &failure), STATUS_OK);
    return file;
}

static enum status put(struct disk_memory *disk, disk_handle file, u64 offset, u8 byte, size_t size)
{
    u8 *data = malloc(size);
    assert_non_null(data);
    memset(data, byte, size);
    enum status status = disk_write_one(&disk->disk, file, offset, data, size, &failure);
    free(data);
    return status;
}

// The byte that `size` bytes at `offset` all are; 256 when they differ.
static u32 get(struct disk_memory *disk, const char *name, u64 offset, size_t size)
{
    disk_handle file = file_open(disk, name, DISK_READ_ONLY);
    u8 *data = malloc(size);
    assert_non_null(data);
    assert_int_equal(disk_read(&disk->disk, file, offset, data, size, &failure), STATUS_OK);
    u32 byte = data[0];
    for (size_t i = 1; i < size; i++) {
        if (data[i] != byte) byte = 256;
    }
    free(data);
    disk_close(&disk->disk, file);
    return byte;
}

static void test_what_is_synced_stays(void **state)
{
    (void)state;
    struct disk_memory disk;
    disk_memory_init(&disk, 1);
    disk_handle direct = file_open(&disk, "direct", DISK_CREATE);
    assert_int_equal(disk_allocate(&disk.disk, direct, 8 * PAGE_SIZE, &failure), STATUS_OK);
    disk_close(&disk.disk, direct);
    direct = file_open(&disk, "direct", DISK_DURABLE);
    disk_handle cached = file_open(&disk, "cached", DISK_CREATE);
    assert_int_equal(put(&disk, direct, PAGE_SIZE, 1, PAGE_SIZE), STATUS_OK);
    assert_int_equal(put(&disk, cached, 100, 2, 5000), STATUS_OK);
    assert_int_equal(disk_sync(&disk.disk, cached, &failure), STATUS_OK);
    assert_int_equal(put(&disk, cached, 100, 3, 5000), STATUS_OK);
    assert_int_equal(get(&disk, "cached", 100, 5000), 3);
    disk_memory_crash(&disk, DISK_CRASH_LOSE_ALL);
    assert_int_equal(get(&disk, "direct", PAGE_SIZE, PAGE_SIZE), 1);
    assert_int_equal(get(&disk, "direct", 2 * PAGE_SIZE, 6 * PAGE_SIZE), 0);
    assert_int_equal(get(&disk, "cached", 100, 5000), 2);
    assert_int_equal(get(&disk, "cached", 0, 100), 0);
    u64 size = 0;
    assert_true(disk_memory_has(&disk, "cached", &size));
    assert_int_equal(size, 5100);
    disk_memory_free(&disk);
}

static void test_names(void **state)
{
    (void)state;
    struct disk_memory disk;
    u64 size = 0;
    disk_memory_init(&disk, 1);
    disk_handle a = file_open(&disk, "a", DISK_CREATE);
    disk_handle b = file_open(&disk, "b", DISK_CREATE);
    assert_int_equal(put(&disk, a, 0, 1, 10), STATUS_OK);
    assert_int_equal(disk_sync(&disk.disk, a, &failure), STATUS_OK);
    assert_int_equal(put(&disk, b, 0, 2, 10), STATUS_OK);
    assert_int_equal(disk_rename(&disk.disk, "a", "b", &failure), STATUS_OK);
    assert_false(disk_memory_has(&disk, "a", &size));
    assert_int_equal(get(&disk, "b", 0, 10), 1);
    // A handle keeps its file, whatever the names are.
    assert_int_equal(put(&disk, b, 0, 3, 10), STATUS_OK);
    assert_int_equal(get(&disk, "b", 0, 10), 1);
    assert_int_equal(disk_remove(&disk.disk, "b", &failure), STATUS_OK);
    assert_int_equal(disk_remove(&disk.disk, "b", &failure), STATUS_OK);
    disk_handle file = -1;
    assert_int_equal(disk_open(&disk.disk, "b", 0, &file, &failure), STATUS_NOT_FOUND);
    // A removal alone is not durable.
    disk_memory_crash(&disk, DISK_CRASH_LOSE_ALL);
    assert_int_equal(get(&disk, "b", 0, 10), 1);
    assert_int_equal(disk_remove(&disk.disk, "b", &failure), STATUS_OK);
    disk_close(&disk.disk, file_open(&disk, "c", DISK_CREATE));
    disk_memory_crash(&disk, DISK_CRASH_LOSE_ALL);
    assert_false(disk_memory_has(&disk, "b", &size));
    assert_true(disk_memory_has(&disk, "c", &size));
    disk_memory_free(&disk);
}

static void test_space(void **state)
{
    (void)state;
    struct disk_memory disk;
    u64 space = 0;
    disk_memory_init(&disk, 1);
    disk.capacity = 4 * PAGE_SIZE;
    disk_handle file = file_open(&disk, "a", DISK_CREATE);
    assert_int_equal(put(&disk, file, 0, 1, 3 * PAGE_SIZE), STATUS_OK);
    assert_int_equal(put(&disk, file, 3 * PAGE_SIZE, 1, 2 * PAGE_SIZE), STATUS_FULL);
    assert_int_equal(get(&disk, "a", 0, 3 * PAGE_SIZE), 1);
    assert_int_equal(disk_allocate(&disk.disk, file, 5 * PAGE_SIZE, &failure), STATUS_FULL);
    assert_int_equal(disk_free_space(&disk.disk, &space, &failure), STATUS_OK);
    assert_int_equal(space, PAGE_SIZE);
    disk_close(&disk.disk, file);
    assert_int_equal(disk_remove(&disk.disk, "a", &failure), STATUS_OK);
    disk_close(&disk.disk, file_open(&disk, "b", DISK_CREATE)); // The removal is durable now.
    assert_int_equal(disk_free_space(&disk.disk, &space, &failure), STATUS_OK);
    assert_int_equal(space, 4 * PAGE_SIZE);
    assert_true(disk.counts[DISK_COUNT_FULL] == 2);
    disk_memory_free(&disk);
}

// Writes, syncs and renames with faults for a while, from one seed. Returns the disk's counts.
static void churn(u64 seed, u64 counts[DISK_COUNT_KINDS])
{
    struct disk_memory disk;
    struct random random;
    u32 failed = 0; // What fails is counted by the disk.
    disk_memory_init(&disk, seed);
    random_init(&random, seed);
    disk.faults = (struct disk_memory_faults){.write_error_rate = 20000,
                                              .sync_error_rate = 50000,
                                              .read_error_rate = 20000,
                                              .read_rot_rate = 20000,
                                              .misdirected_rate = 20000,
                                              .write_lost_rate = 20000};
    for (u32 round = 0; round < 100; round++) {
        disk.faults.crash_at = disk_memory_operations(&disk) + 1 + random_below(&random, 40);
        for (u32 i = 0; i < 60 && !disk_memory_crashed(&disk); i++) {
            static const char *const names[] = {"a", "b", "c"};
            const char *name = names[random_below(&random, 3)];
            bool direct = random_chance(&random, 30);
            disk_handle file = -1;
            u32 flags = DISK_CREATE | (direct ? DISK_DURABLE : 0);
            if (disk_open(&disk.disk, name, flags, &file, &failure) != STATUS_OK) continue;
            u64 at = random_below(&random, 16) * PAGE_SIZE;
            if (!direct) at += random_below(&random, 99);
            (void)put(&disk, file, at, (u8)i, (1 + random_below(&random, 3)) * PAGE_SIZE);
            if (random_chance(&random, 30))
                failed += STATUS_OK != disk_sync(&disk.disk, file, &failure);
            u8 bytes[600];
            failed += STATUS_OK != disk_read(&disk.disk, file, at, bytes, sizeof bytes, &failure);
            disk_close(&disk.disk, file);
            if (random_chance(&random, 20)) {
                failed += STATUS_OK !=
                          disk_rename(&disk.disk, name, names[random_below(&random, 3)], &failure);
            }
            if (random_chance(&random, 10))
                failed += STATUS_OK != disk_remove(&disk.disk, name, &failure);
        }
        disk_memory_crash(&disk, DISK_CRASH_EACH_PAGE);
    }
    assert_true(failed > 0);
    memcpy(counts, disk.counts, sizeof disk.counts);
    disk_memory_free(&disk);
}

static void test_every_fault_happens_and_repeats(void **state)
{
    (void)state;
    u64 first[DISK_COUNT_KINDS];
    u64 again[DISK_COUNT_KINDS];
    churn(7, first);
    churn(7, again);
    assert_memory_equal(first, again, sizeof first);
    for (u32 i = 0; i < DISK_COUNT_KINDS; i++) {
        if (i == DISK_COUNT_ALLOCATE || i == DISK_COUNT_FULL) continue;
        if (first[i] == 0) fail_msg("%s", disk_memory_count_name((enum disk_memory_count)i));
    }
}

// After a failed sync the pages are not written by the next one that succeeds.
static void test_failed_sync_forgets(void **state)
{
    (void)state;
    u32 lost = 0;
    for (u64 seed = 0; seed < 20; seed++) {
        struct disk_memory disk;
        disk_memory_init(&disk, seed);
        disk_handle file = file_open(&disk, "a", DISK_CREATE);
        assert_int_equal(put(&disk, file, 0, 1, PAGE_SIZE), STATUS_OK);
        assert_int_equal(disk_sync(&disk.disk, file, &failure), STATUS_OK);
        assert_int_equal(put(&disk, file, 0, 2, PAGE_SIZE), STATUS_OK);
        disk.faults.sync_error_rate = 1000000;
        assert_int_equal(disk_sync(&disk.disk, file, &failure), STATUS_IO);
        disk.faults.sync_error_rate = 0;
        assert_int_equal(disk_sync(&disk.disk, file, &failure), STATUS_OK);
        assert_int_equal(get(&disk, "a", 0, PAGE_SIZE), 2);
        disk_memory_crash(&disk, DISK_CRASH_KEEP_ALL);
        lost += get(&disk, "a", 0, PAGE_SIZE) == 1;
        disk_memory_free(&disk);
    }
    assert_true(lost > 2 && lost < 18);
}

static void test_what_is_kept_is_told(void **state)
{
    struct disk_memory disk;
    (void)state;
    disk_memory_init(&disk, 1);
    disk_close(&disk.disk, file_open(&disk, "a", DISK_CREATE));
    const disk_handle plain = file_open(&disk, "a", DISK_READ_ONLY);
    assert_false(disk_is_kept(&disk.disk, "a"));
    const disk_handle keep = file_open(&disk, "a", DISK_READ_ONLY | DISK_KEEP);
    assert_true(disk_is_kept(&disk.disk, "a"));
    assert_false(disk_is_kept(&disk.disk, "b"));
    assert_int_equal(disk_rename(&disk.disk, "a", "b", &failure), STATUS_OK);
    assert_true(disk_is_kept(&disk.disk, "b")); // Under whatever name.
    disk_close(&disk.disk, keep);
    assert_false(disk_is_kept(&disk.disk, "b"));
    disk_close(&disk.disk, plain);
    disk_memory_free(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_synced_stays),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_space),
        cmocka_unit_test(test_every_fault_happens_and_repeats),
        cmocka_unit_test(test_failed_sync_forgets),
        cmocka_unit_test(test_what_is_kept_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
