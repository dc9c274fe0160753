// SPDX-License-Identifier: Apache-2.0
//
// The file that makes a folder a backup: what it says, what is refused in it, that no reader of the
// log sees anything behind the end that it names. And frames found by their headers.
#include "base/checksum.h"
#include "os/disk_memory.h"
#include "wal/backup_file.h"
#include "wal/wal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FRAMES     40u
#define TIME_STEP  100u
#define EPOCH_LAST 3u

struct fixture {
    struct disk_memory disk;
    struct failure failure;
    struct frame_header headers[FRAMES];
};

static void must(const struct fixture *fixture, enum status status)
{
    if (status != STATUS_OK) fail_msg("%s", fixture->failure.message);
}

// A log of FRAMES frames, the next epoch under another id every 15 of them.
static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct wal wal;
    u8 body[64] = "body";
    assert_non_null(fixture);
    disk_memory_init(&fixture->disk, 1);
    must(fixture, wal_init(&wal, &fixture->disk.disk, &fixture->failure));
    for (u32 i = 0; i < FRAMES; i++) {
        const struct frame_header header = {.position = i + 1, .timestamp = (i + 1) * TIME_STEP};
        const struct frame_command command = {.record = COMMAND_TICK, .version = 1};
        // A frame that does not fit its file opens the next one.
        if (i == 20) wal.tail.place = WAL_FILE_SIZE - PAGE_SIZE;
        wal.tail.epoch = 1 + i / 15;
        wal.tail.log_id = 100 + i / 15;
        must(fixture,
             wal_append_command(&wal, &header, &command, body, sizeof body, &fixture->failure));
        const u64 place = wal.tail.place - 2 * PAGE_SIZE;
        must(fixture,
             wal_read_some(&wal, place, &fixture->headers[i], sizeof header, &fixture->failure));
        assert_true(fixture->headers[i].sequence == i);
    }
    wal_free(&wal);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    disk_memory_free(&fixture->disk);
    free(fixture);
    return 0;
}

static struct backup_mark mark_behind(const struct fixture *fixture, u32 frame)
{
    const struct frame_header *header = &fixture->headers[frame];
    struct backup_mark mark = {
        .log_id = header->log_id,
        .epoch = header->epoch,
        .sequence = frame + 1,
        .place = header->place + frame_size(header),
        .place_last = header->place,
        .position = header->position,
        .timestamp = header->timestamp,
    };
    sha256(header, sizeof *header, &mark.previous);
    return mark;
}

static void test_the_file_is_what_was_written(void **state)
{
    struct fixture *fixture = *state;
    struct disk *disk = &fixture->disk.disk;
    struct backup_file read;
    assert_int_equal(backup_file_read(disk, &read, &fixture->failure), STATUS_NOT_FOUND);
    struct backup_file file = {.end = mark_behind(fixture, 7),
                               .copied = mark_behind(fixture, 9),
                               .next_row = 63,
                               .finished_at = 5};
    must(fixture, backup_file_write(disk, &file, &fixture->failure));
    must(fixture, backup_file_read(disk, &read, &fixture->failure));
    assert_memory_equal(&read, &file, sizeof file);
    for (u64 at = 0; at < sizeof file; at++) {
        disk_memory_rot(&fixture->disk, BACKUP_FILE_NAME, at, (u32)at % 8);
        assert_int_equal(backup_file_read(disk, &read, &fixture->failure), STATUS_CORRUPT);
        disk_memory_rot(&fixture->disk, BACKUP_FILE_NAME, at, (u32)at % 8);
    }
    must(fixture, backup_file_read(disk, &read, &fixture->failure));
}

// Reads to the end. Returns how many frames there are.
// Puts a file there whose checksum is right, whatever it says.
static void file_put(struct fixture *fixture, struct backup_file *file)
{
    const size_t sum_size = sizeof file->checksum;
    const u128 sum = checksum((const u8 *)file + sum_size, sizeof *file - sum_size);
    memcpy(file->checksum, &sum, sum_size);
    disk_memory_put(&fixture->disk, BACKUP_FILE_NAME, 0, file, sizeof *file);
}

static void test_what_contradicts_itself_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct disk *disk = &fixture->disk.disk;
    struct backup_file whole = {.end = mark_behind(fixture, 7), .copied = mark_behind(fixture, 8)};
    must(fixture, backup_file_write(disk, &whole, &fixture->failure));
    must(fixture, backup_file_read(disk, &whole, &fixture->failure));
    for (u32 i = 0; i < 11; i++) {
        struct backup_file file = whole;
        struct backup_file read;
        enum status expected = STATUS_CORRUPT;
        switch (i) {
        case 0: file.magic ^= 1; break;
        case 1:
            file.format++;
            expected = STATUS_UNSUPPORTED;
            break;
        case 2: file.end.place_last = file.end.place; break;
        case 3: file.end.place += 16; break;
        case 4: file.end.place_last += 16; break;
        case 5: file.copied.place_last = file.copied.place; break;
        case 6: file.end.sequence = file.copied.sequence + 1; break;
        case 7: file.copied = mark_behind(fixture, 6), file.copied.sequence = 9; break;
        case 8: file.reserved = 1; break;
        case 9: file.reserved_2[7] = 1; break;
        default: expected = STATUS_OK; break;
        }
        file_put(fixture, &file);
        assert_int_equal(backup_file_read(disk, &read, &fixture->failure), expected);
        struct wal wal;
        assert_int_equal(wal_init(&wal, disk, &fixture->failure), expected);
        if (expected == STATUS_OK) wal_free(&wal);
    }
    disk_memory_rot(&fixture->disk, BACKUP_FILE_NAME, 100, 1);
    assert_int_equal(backup_file_read(disk, &whole, &fixture->failure), STATUS_CORRUPT);
}

// The log of a backup that ends before the file says so is damaged, and told by both places.
static void test_a_log_that_ends_before_its_backup_is_damaged(void **state)
{
    struct fixture *fixture = *state;
    enum { LAST = 12 };
    struct wal wal;
    struct wal_reader reader;
    const struct wal_tail from = {0};
    struct backup_file file = {.end = mark_behind(fixture, LAST),
                               .copied = mark_behind(fixture, LAST)};
    static const u8 nothing[PAGE_SIZE];
    must(fixture, backup_file_write(&fixture->disk.disk, &file, &fixture->failure));
    for (u64 at = file.end.place_last; at < file.end.place; at += PAGE_SIZE) {
        disk_memory_put(&fixture->disk, "log-00000000", at, nothing, PAGE_SIZE);
    }
    must(fixture, wal_init(&wal, &fixture->disk.disk, &fixture->failure));
    must(fixture, wal_reader_init(&reader, &wal, &from, &fixture->failure));
    enum status status = STATUS_OK;
    u32 count = 0;
    for (; status == STATUS_OK; count++) {
        struct frame_view view;
        enum wal_end end = WAL_END;
        status = wal_reader_next(&reader, &view, &end, &fixture->failure);
        if (status == STATUS_OK) assert_int_equal(end, WAL_FRAME);
    }
    assert_int_equal(status, STATUS_CORRUPT);
    assert_int_equal(count, LAST + 1); // The last of them is the failure.
    assert_non_null(strstr(fixture->failure.message, "and the backup goes on to"));
    wal_reader_free(&reader);
    wal_free(&wal);
}

static u32 frames_count(struct fixture *fixture)
{
    struct wal wal;
    struct wal_reader reader;
    const struct wal_tail from = {0};
    u32 count = 0;
    must(fixture, wal_init(&wal, &fixture->disk.disk, &fixture->failure));
    must(fixture, wal_reader_init(&reader, &wal, &from, &fixture->failure));
    for (;;) {
        struct frame_view view;
        enum wal_end end = WAL_END;
        must(fixture, wal_reader_next(&reader, &view, &end, &fixture->failure));
        if (end != WAL_FRAME) {
            assert_int_equal(end, WAL_END);
            break;
        }
        count++;
    }
    u64 extent = 0;
    must(fixture, wal_extent(&wal, &extent, &fixture->failure));
    assert_true(extent == reader.tail.place);
    wal_reader_free(&reader);
    wal_free(&wal);
    return count;
}

static void test_the_log_ends_where_the_file_says(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(frames_count(fixture), FRAMES);
    for (u32 i = 0; i < FRAMES; i++) {
        struct backup_file file = {.end = mark_behind(fixture, i),
                                   .copied = mark_behind(fixture, i)};
        must(fixture, backup_file_write(&fixture->disk.disk, &file, &fixture->failure));
        assert_int_equal(frames_count(fixture), i + 1);
    }
    // What is damaged behind it is not looked at.
    struct backup_file file = {.end = mark_behind(fixture, 8), .copied = mark_behind(fixture, 8)};
    must(fixture, backup_file_write(&fixture->disk.disk, &file, &fixture->failure));
    disk_memory_rot(&fixture->disk, "log-00000000", file.end.place + 40, 1);
    assert_int_equal(frames_count(fixture), 9);
}

static void test_an_unfinished_backup_is_no_log(void **state)
{
    struct fixture *fixture = *state;
    struct wal wal;
    struct backup_file file = {.copied = mark_behind(fixture, 8)};
    must(fixture, backup_file_write(&fixture->disk.disk, &file, &fixture->failure));
    assert_int_equal(wal_init(&wal, &fixture->disk.disk, &fixture->failure), STATUS_INVALID);
    assert_non_null(strstr(fixture->failure.message, "is an unfinished backup"));
    file.end = file.copied;
    must(fixture, backup_file_write(&fixture->disk.disk, &file, &fixture->failure));
    must(fixture, wal_init(&wal, &fixture->disk.disk, &fixture->failure));
    assert_true(wal_is_backup(&wal));
    assert_int_equal(wal_may_append(&wal, &fixture->failure), STATUS_INVALID);
    wal_free(&wal);
}

// The last frame within a bound, compared with looking at all of them.
static void test_frames_are_found_by_their_headers(void **state)
{
    struct fixture *fixture = *state;
    struct wal wal;
    must(fixture, wal_init(&wal, &fixture->disk.disk, &fixture->failure));
    assert_false(wal_is_backup(&wal));
    for (u64 sequence = 0; sequence < FRAMES + 2; sequence += 3) {
        for (u64 time = 0; time < (FRAMES + 2) * TIME_STEP; time += TIME_STEP / 2) {
            for (u64 epoch = 0; epoch <= EPOCH_LAST; epoch++) {
                const struct wal_bound bound = {sequence, time, epoch};
                struct frame_header found;
                u32 count = 0;
                while (count < FRAMES && fixture->headers[count].sequence <= sequence &&
                       fixture->headers[count].timestamp <= time &&
                       fixture->headers[count].epoch <= epoch) {
                    count++;
                }
                const enum status status = wal_find_last(&wal, &bound, &found, &fixture->failure);
                assert_int_equal(status, count == 0 ? STATUS_NOT_FOUND : STATUS_OK);
                if (count == 0) continue;
                assert_memory_equal(&found, &fixture->headers[count - 1], sizeof found);
            }
        }
    }
    wal_free(&wal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_file_is_what_was_written),
        TEST(test_what_contradicts_itself_is_refused),
        TEST(test_a_log_that_ends_before_its_backup_is_damaged),
        TEST(test_the_log_ends_where_the_file_says),
        TEST(test_an_unfinished_backup_is_no_log),
        TEST(test_frames_are_found_by_their_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
