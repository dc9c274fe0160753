// SPDX-License-Identifier: Apache-2.0
//
// The log on a disk in memory: what was appended is read back, a torn tail is cut wherever it tore,
// damage before the tail is refused by name, files are crossed, a full disk changes nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "os/disk_failing.h"
#include "os/disk_memory.h"
#include "os/memory.h"
#include "wal/wal.h"

#define LOG_ID ((u128)0x1122334455667788ull << 64 | 1)

struct fixture {
    struct disk_memory disk;
    struct disk *through; // The disk that the log is opened on: that one, or one over it.
    struct wal wal;
    struct wal_reader reader;
    struct failure failure;
    u64 sequence;      // Of the next frame.
    u64 damage_offset; // A byte of the next frames to change before they are written; 0 none.
    u8 *buffer;        // FRAME_SIZE_MAX.
};

static void must(const struct fixture *fixture, enum status status)
{
    if (status != STATUS_OK) fail_msg("%s", fixture->failure.message);
}

static void wal_begin(struct fixture *fixture)
{
    assert_int_equal(wal_init(&fixture->wal, fixture->through, &fixture->failure), STATUS_OK);
}

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    void *buffer = NULL;
    assert_non_null(fixture);
    disk_memory_init(&fixture->disk, 1);
    fixture->through = &fixture->disk.disk;
    assert_int_equal(memory_reserve(FRAME_SIZE_MAX, false, &buffer, &fixture->failure), STATUS_OK);
    fixture->buffer = buffer;
    wal_begin(fixture);
    fixture->wal.tail = (struct wal_tail){.log_id = LOG_ID, .epoch = 1};
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    wal_free(&fixture->wal);
    disk_memory_free(&fixture->disk);
    memory_release(fixture->buffer, FRAME_SIZE_MAX);
    free(fixture);
    return 0;
}

// The body of frame `sequence`: one command of `size` bytes that can be told from others.
static u8 body_byte(u64 sequence, u64 at)
{
    return (u8)(sequence * 31 + at * 7 + at / 251 + 1);
}

// Appends one frame of one command; its size is two pages or more. Returns what became of it.
static enum status append(struct fixture *fixture, u32 body_size)
{
    struct wal *wal = &fixture->wal;
    u64 size = PAGE_SIZE + align_up(body_size, PAGE_SIZE);
    memset(fixture->buffer, 0, size);
    struct frame_header *header = (void *)fixture->buffer;
    struct frame_command *command = (void *)(fixture->buffer + sizeof *header);
    *header = (struct frame_header){
        .sequence = fixture->sequence,
        .position = fixture->sequence + 1,
        .timestamp = fixture->sequence + 1,
        .command_count = 1,
        .place = wal_place(wal->tail.place, size),
    };
    *command = (struct frame_command){
        .record = COMMAND_COMPAT, .version = 1, .body_size = body_size, .body_offset = PAGE_SIZE};
    for (u64 i = 0; i < body_size; i++) {
        fixture->buffer[PAGE_SIZE + i] = body_byte(fixture->sequence, i);
    }
    if (fixture->damage_offset != 0) fixture->buffer[fixture->damage_offset] ^= 1;
    struct wal_frame frame = {
        .head = fixture->buffer,
        .head_size = PAGE_SIZE,
        .parts = {{.data = fixture->buffer + PAGE_SIZE, .size = size - PAGE_SIZE}},
        .part_count = 1,
    };
    enum status status = wal_append(wal, &frame, &fixture->failure);
    if (status == STATUS_OK) fixture->sequence++;
    return status;
}

static void append_some(struct fixture *fixture, u32 count, u32 body_size)
{
    for (u32 i = 0; i < count; i++) assert_int_equal(append(fixture, body_size), STATUS_OK);
}

// Reads frames from the beginning. Returns how many there are; `*status` and `*end` are of the end.
static u64 read_all(struct fixture *fixture, enum status *status, enum wal_end *end)
{
    const struct wal_tail tail = {0};
    u64 count = 0;
    assert_int_equal(wal_reader_init(&fixture->reader, &fixture->wal, &tail, &fixture->failure),
                     STATUS_OK);
    for (;;) {
        struct frame_view view;
        *status = wal_reader_next(&fixture->reader, &view, end, &fixture->failure);
        if (*status != STATUS_OK || *end != WAL_FRAME) return count;
        assert_int_equal(view.header->sequence, count);
        assert_int_equal(view.header->position, count + 1);
        assert_int_equal(view.header->command_count, 1);
        for (u64 i = 0; i < view.commands[0].body_size; i++) {
            if (view.bodies[0][i] != body_byte(count, i))
                fail_msg("byte %llu", (unsigned long long)i);
        }
        count++;
    }
}

// Closes the log, lets the power fail, and opens it again. Returns how many frames are there.
static u64 reopen(struct fixture *fixture, enum wal_end *end)
{
    enum status status = STATUS_OK;
    wal_free(&fixture->wal);
    disk_memory_crash(&fixture->disk, DISK_CRASH_LOSE_ALL);
    wal_begin(fixture);
    u64 count = read_all(fixture, &status, end);
    assert_int_equal(status, STATUS_OK);
    assert_int_equal(wal_reader_cut(&fixture->reader, &fixture->failure), STATUS_OK);
    wal_reader_free(&fixture->reader);
    fixture->sequence = fixture->wal.tail.sequence;
    assert_int_equal(fixture->sequence, count);
    return count;
}

static void test_append_and_reopen(void **state)
{
    struct fixture *fixture = *state;
    enum wal_end end = WAL_FRAME;
    append_some(fixture, 3, 100);
    append_some(fixture, 2, 300 * 1000); // More than one chunk of the digest.
    assert_int_equal(reopen(fixture, &end), 5);
    assert_int_equal(end, WAL_END);
    append_some(fixture, 2, 5000);
    assert_int_equal(reopen(fixture, &end), 7);
    u8 bytes[100];
    u64 place = PAGE_SIZE; // The first frame's body.
    assert_int_equal(wal_read(&fixture->wal, place, bytes, sizeof bytes, &fixture->failure),
                     STATUS_OK);
    for (u64 i = 0; i < sizeof bytes; i++) assert_int_equal(bytes[i], body_byte(0, i));
    // What history says of places is read from files, too.
    const u64 places[] = {WAL_FILE_SIZE - 99, (u64)WAL_FILES_MAX * WAL_FILE_SIZE, U64_MAX - 50};
    for (u32 i = 0; i < ARRAY_COUNT(places); i++) {
        assert_int_equal(wal_read(&fixture->wal, places[i], bytes, sizeof bytes, &fixture->failure),
                         STATUS_CORRUPT);
        assert_non_null(strstr(fixture->failure.message, "are not in one of its files"));
    }
    assert_int_equal(
        wal_read(&fixture->wal, WAL_FILE_SIZE - 100, bytes, sizeof bytes, &fixture->failure),
        STATUS_OK);
}

static void test_empty_log(void **state)
{
    struct fixture *fixture = *state;
    enum wal_end end = WAL_FRAME;
    assert_int_equal(reopen(fixture, &end), 0);
    assert_int_equal(end, WAL_END);
}

static void test_files_are_crossed(void **state)
{
    struct fixture *fixture = *state;
    enum wal_end end = WAL_FRAME;
    const u32 body = 3 * MIB; // 21 frames a file, and a rest that stays empty.
    append_some(fixture, 43, body);
    assert_int_equal(fixture->wal.tail.place / WAL_FILE_SIZE, 2);
    assert_int_equal(reopen(fixture, &end), 43);
    append_some(fixture, 20, body);
    assert_int_equal(reopen(fixture, &end), 63);
    // Exactly full: frames of 4 MiB leave no rest.
    while (fixture->wal.tail.place % WAL_FILE_SIZE != 0) {
        u64 left = WAL_FILE_SIZE - fixture->wal.tail.place % WAL_FILE_SIZE;
        append_some(fixture, 1, (u32)(MIN(left, FRAME_SIZE_MAX) - PAGE_SIZE));
    }
    u64 count = fixture->sequence;
    assert_int_equal(reopen(fixture, &end), count);
    append_some(fixture, 1, 100);
    assert_int_equal(reopen(fixture, &end), count + 1);
}

// Frame n has the position n + 1.
static enum status find(struct fixture *fixture, u64 position)
{
    struct frame_header header = {0};
    const enum status status = wal_find_position(&fixture->wal, fixture->wal.tail.place, position,
                                                 &header, &fixture->failure);
    if (status == STATUS_OK) assert_int_equal(header.position, position);
    return status;
}

static void expect_missing(struct fixture *fixture, u64 position, const char *words)
{
    assert_int_equal(find(fixture, position), STATUS_CORRUPT);
    if (strstr(fixture->failure.message, words) == NULL) fail_msg("%s", fixture->failure.message);
}

// In files with a rest that stays empty, and in full ones.
static void test_a_position_is_found_or_its_frame_is_missing(void **state)
{
    struct fixture *fixture = *state;
    append_some(fixture, 43, 3 * MIB);
    while (fixture->wal.tail.place % WAL_FILE_SIZE != 0) {
        u64 left = WAL_FILE_SIZE - fixture->wal.tail.place % WAL_FILE_SIZE;
        append_some(fixture, 1, (u32)(MIN(left, FRAME_SIZE_MAX) - PAGE_SIZE));
    }
    const u64 full = fixture->sequence;
    for (u64 i = 1; i <= full; i++) assert_int_equal(find(fixture, i), STATUS_OK);
    assert_int_equal(find(fixture, full + 1), STATUS_NOT_FOUND);
    append_some(fixture, 2, 100);
    for (u64 i = full; i <= full + 2; i++) assert_int_equal(find(fixture, i), STATUS_OK);
    assert_int_equal(find(fixture, full + 3), STATUS_NOT_FOUND);
    // The second frame of the first file, and the first one of each other.
    const u64 frame = 3 * MIB + PAGE_SIZE;
    disk_memory_rot(&fixture->disk, "log-00000000", frame, 0);
    disk_memory_rot(&fixture->disk, "log-00000001", 0, 0);
    disk_memory_rot(&fixture->disk, "log-00000003", 0, 0);
    assert_int_equal(find(fixture, 1), STATUS_OK);
    expect_missing(fixture, 2, "log-00000000, offset 3149824: the frame on the way to position 2 ");
    expect_missing(fixture, 21, "log-00000000, offset 3149824: ");
    expect_missing(fixture, 22, "log-00000000, offset 3149824: ");
    assert_int_equal(find(fixture, 43), STATUS_OK);
    assert_int_equal(find(fixture, full), STATUS_OK);
    expect_missing(fixture, full + 1, "log-00000003, offset 0: ");
}

// What the disk does not read is no damage: the operator is not sent for a backup.
static void test_a_position_that_cannot_be_read_is_no_damage(void **state)
{
    struct fixture *fixture = *state;
    append_some(fixture, 43, 3 * MIB);
    assert_int_equal(find(fixture, 43), STATUS_OK);
    struct disk_failing failing = {0};
    disk_failing_init(&failing, &fixture->disk.disk);
    fixture->wal.disk = &failing.disk;
    const u64 positions[] = {1, 21, 22, 43};
    for (u32 i = 0; i < ARRAY_COUNT(positions); i++) {
        failing.fail_at = 0;
        assert_int_equal(find(fixture, positions[i]), STATUS_OK); // Opens what is still to be.
        failing.calls = 0;
        assert_int_equal(find(fixture, positions[i]), STATUS_OK);
        const u64 calls = failing.calls;
        assert_true(calls > 1);
        for (u64 n = 1; n <= calls; n++) {
            failing.calls = 0;
            failing.fail_at = n;
            assert_int_equal(find(fixture, positions[i]), STATUS_IO);
            assert_non_null(strstr(fixture->failure.message, "a simulated error of "));
        }
    }
    fixture->wal.disk = &fixture->disk.disk;
}

struct finder {
    struct wal *wal;
    u64 place_end;
    u64 first; // Of the positions that are asked for.
    u64 end;
    u64 found;
};

static void *finder_run(void *context)
{
    struct finder *finder = context;
    for (u32 round = 0; round < 200; round++) {
        for (u64 i = finder->first; i < finder->end; i++) {
            struct frame_header header = {0};
            struct failure failure;
            const enum status status =
                wal_find_position(finder->wal, finder->place_end, i, &header, &failure);
            finder->found += status == STATUS_OK && header.position == i;
        }
    }
    return NULL;
}

// Two threads answer questions, each about another file.
static void test_positions_are_found_by_two_threads_at_once(void **state)
{
    struct fixture *fixture = *state;
    append_some(fixture, 43, 3 * MIB);
    struct finder finders[2];
    pthread_t threads[2];
    for (u32 i = 0; i < 2; i++) {
        finders[i] = (struct finder){.wal = &fixture->wal,
                                     .place_end = fixture->wal.tail.place,
                                     .first = i == 0 ? 1 : 22,
                                     .end = i == 0 ? 22 : 43};
        assert_int_equal(pthread_create(&threads[i], NULL, finder_run, &finders[i]), 0);
    }
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(finders[i].found, 200 * 21);
    }
}

// Flips one bit of each sector in turn of the last frame: it is cut, whatever was hit, and the log
// goes on from the frame before.
static void test_torn_tail(void **state)
{
    struct fixture *fixture = *state;
    enum wal_end end = WAL_FRAME;
    append_some(fixture, 3, 100);
    const u32 body = 20 * 1000;
    const u64 size = PAGE_SIZE + align_up(body, PAGE_SIZE);
    u64 place = fixture->wal.tail.place;
    for (u64 at = 0; at < size; at += DISK_SECTOR_SIZE) {
        append_some(fixture, 1, body);
        assert_int_equal(fixture->wal.tail.place, place + size);
        disk_memory_rot(&fixture->disk, "log-00000000", place + at + at / DISK_SECTOR_SIZE % 200,
                        at / DISK_SECTOR_SIZE % 8);
        assert_int_equal(reopen(fixture, &end), 3);
        assert_int_equal(end, WAL_TORN);
        assert_int_equal(fixture->wal.tail.place, place);
        // Nothing is left of it.
        assert_int_equal(reopen(fixture, &end), 3);
        assert_int_equal(end, WAL_END);
    }
    append_some(fixture, 1, 10);
    assert_int_equal(reopen(fixture, &end), 4);
}

// The power fails within the write, which is torn at random: the frame is there whole or not at
// all.
static void test_power_fails_within_append(void **state)
{
    struct fixture *fixture = *state;
    u32 kept = 0;
    u32 torn = 0;
    append_some(fixture, 2, 100);
    assert_int_equal(wal_prepare(&fixture->wal, 0, &fixture->failure), STATUS_OK);
    for (u32 i = 0; i < 200; i++) {
        enum wal_end end = WAL_FRAME;
        u64 before = fixture->sequence;
        fixture->disk.faults.crash_at = disk_memory_operations(&fixture->disk) + 1;
        assert_int_equal(append(fixture, 5000), STATUS_IO);
        assert_true(disk_memory_crashed(&fixture->disk));
        u64 count = reopen(fixture, &end);
        assert_true(count == before || count == before + 1);
        kept += count > before;
        torn += end == WAL_TORN;
        append_some(fixture, 1, 3000);
    }
    assert_true(kept > 10 && torn > 10);
}

// Opens the log, cuts its torn tail, appends a frame and reads back; stops at the first failure.
// `*is_appended` says whether the frame was acknowledged.
static enum status open_and_append(struct fixture *fixture, bool *is_appended)
{
    struct failure *failure = &fixture->failure;
    const struct wal_tail from = {0};
    u8 bytes[100];
    enum status status = wal_init(&fixture->wal, fixture->through, failure);
    if (status != STATUS_OK) return status;
    status = wal_reader_init(&fixture->reader, &fixture->wal, &from, failure);
    for (enum wal_end end = WAL_FRAME; status == STATUS_OK && end == WAL_FRAME;) {
        struct frame_view view;
        status = wal_reader_next(&fixture->reader, &view, &end, failure);
    }
    if (status == STATUS_OK) status = wal_reader_cut(&fixture->reader, failure);
    wal_reader_free(&fixture->reader);
    if (status == STATUS_OK) {
        fixture->sequence = fixture->wal.tail.sequence;
        status = wal_prepare(&fixture->wal, 1, failure);
    }
    if (status == STATUS_OK) status = append(fixture, 5000);
    *is_appended = status == STATUS_OK;
    if (status == STATUS_OK) {
        status = wal_read(&fixture->wal, PAGE_SIZE, bytes, sizeof bytes, failure);
        for (u64 i = 0; status == STATUS_OK && i < sizeof bytes; i++) {
            assert_int_equal(bytes[i], body_byte(0, i));
        }
    }
    if (status == STATUS_OK) {
        u64 extent = 0;
        status = wal_extent(&fixture->wal, &extent, failure);
        if (status == STATUS_OK) assert_int_equal(extent, fixture->wal.tail.place);
    }
    return status;
}

// Calls of the disk fail one by one, those that read included, over a log whose last frame is torn:
// what fails says so, and nothing that was acknowledged is lost or changed.
static void test_calls_of_the_disk_fail_one_by_one(void **state)
{
    struct disk_failing failing = {0};
    u64 failed = 0;
    (void)state;
    // Behind the first ones most are alike: a new file is written in many pieces.
    for (u64 n = 1; failing.calls + 1 >= n; n += n < 40 ? 1 : 7) {
        void *made = NULL;
        bool is_appended = false;
        enum wal_end end = WAL_FRAME;
        assert_int_equal(setup(&made), 0);
        struct fixture *fixture = made;
        append_some(fixture, 3, 5000);
        const u64 torn = fixture->wal.tail.place;
        append_some(fixture, 1, 5000);
        disk_memory_rot(&fixture->disk, "log-00000000", torn + PAGE_SIZE, 0);
        wal_free(&fixture->wal);
        disk_failing_init(&failing, &fixture->disk.disk);
        failing.fail_at = n;
        fixture->through = &failing.disk;
        const enum status status = open_and_append(fixture, &is_appended);
        if (status != STATUS_OK) {
            assert_int_equal(status, STATUS_IO);
            assert_non_null(strstr(fixture->failure.message, "a simulated error of "));
            failed++;
        }
        fixture->through = &fixture->disk.disk;
        const u64 count = reopen(fixture, &end);
        if (is_appended) assert_int_equal(count, 4);
        else assert_true(count == 3 || count == 4);
        assert_int_equal(teardown(&made), 0);
    }
    assert_true(failed > 20);
}

static void expect_damage(struct fixture *fixture, const char *words)
{
    enum wal_end end = WAL_FRAME;
    enum status status = STATUS_OK;
    (void)read_all(fixture, &status, &end);
    wal_reader_free(&fixture->reader);
    assert_int_equal(status, STATUS_CORRUPT);
    if (strstr(fixture->failure.message, words) == NULL) fail_msg("%s", fixture->failure.message);
    assert_true(fixture->failure.hint[0] != 0);
}

static void test_damage_before_the_tail(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        u64 frame;
        u64 offset; // Within it.
        const char *words;
    } rows[] = {
        {0, 40, "log-00000000, offset 0: frame 0 has a damaged header, though frame"},
        {2, 0, "log-00000000, offset 16384: frame 2 has a damaged header, though frame"},
        {2, 300, "offset 16384: frame 2 has a damaged body, though frame"},
        {2, PAGE_SIZE + 50, "offset 16384: frame 2 has a damaged body, though frame"},
        {3, 2 * PAGE_SIZE - 1, "offset 24576: frame 3 has a damaged body, though frame"},
    };
    append_some(fixture, 5, 100);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        u64 at = rows[i].frame * 2 * PAGE_SIZE + rows[i].offset;
        disk_memory_rot(&fixture->disk, "log-00000000", at, 3);
        expect_damage(fixture, rows[i].words);
        disk_memory_rot(&fixture->disk, "log-00000000", at, 3);
    }
    // A frame that was never written, though the disk said so.
    fixture->disk.faults.write_lost_rate = 1000000;
    append_some(fixture, 1, 100);
    fixture->disk.faults.write_lost_rate = 0;
    append_some(fixture, 1, 100);
    expect_damage(fixture,
                  "offset 40960: frame 5 is missing, though frame 6 is in log-00000000 at 49152");
}

// A file that lost its end, or is gone: no frame behind it tells, but its size does.
static void test_a_file_that_was_cut(void **state)
{
    struct fixture *fixture = *state;
    struct disk_memory *disk = &fixture->disk;
    enum wal_end end = WAL_FRAME;
    append_some(fixture, 5, 100);
    must(fixture, wal_prepare(&fixture->wal, 0, &fixture->failure));
    assert_int_equal(reopen(fixture, &end), 5);
    const u64 cuts[] = {4 * 2 * PAGE_SIZE, 2 * PAGE_SIZE + 1, 5 * 2 * PAGE_SIZE, PAGE_SIZE, 0};
    for (size_t i = 0; i < ARRAY_COUNT(cuts); i++) {
        disk_memory_resize(disk, "log-00000000", cuts[i]);
        expect_damage(fixture, "log-00000000 ends at offset ");
    }
    disk_memory_resize(disk, "log-00000000", WAL_FILE_SIZE);
    must(fixture, disk_remove(&disk->disk, "log-00000000", &fixture->failure));
    expect_damage(fixture, "log-00000000 ends at offset 0, or is gone");
}

// The last frame is in the second file; of those that are made ahead the last may be unfinished.
static void test_a_file_in_the_middle_that_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct disk_memory *disk = &fixture->disk;
    enum wal_end end = WAL_FRAME;
    append_some(fixture, 23, 3 * MIB);
    must(fixture, wal_prepare(&fixture->wal, 0, &fixture->failure));
    assert_int_equal(reopen(fixture, &end), 23);
    disk_memory_resize(disk, "log-00000004", 4096);
    assert_int_equal(reopen(fixture, &end), 23);
    must(fixture, disk_remove(&disk->disk, "log-00000004", &fixture->failure));
    assert_int_equal(reopen(fixture, &end), 23);
    must(fixture, wal_prepare(&fixture->wal, 0, &fixture->failure));
    disk_memory_resize(disk, "log-00000001", 0);
    disk_memory_resize(disk, "log-00000001", WAL_FILE_SIZE); // Zeroes in place of all it had.
    expect_damage(fixture, "log-00000001, offset 0: frame 21 is missing, though log-00000004");
    disk_memory_resize(disk, "log-00000001", 0);
    expect_damage(fixture, "log-00000001 ends at offset 0, or is gone");
    must(fixture, disk_remove(&disk->disk, "log-00000001", &fixture->failure));
    expect_damage(fixture, "log-00000001 ends at offset 0, or is gone");
}

// Files that a start does not read, since its checkpoint comes behind them: each is looked at.
static void test_files_before_a_place_are_there(void **state)
{
    struct fixture *fixture = *state;
    struct wal *wal = &fixture->wal;
    append_some(fixture, 43, 3 * MIB);
    const u64 place = wal->tail.place;
    assert_int_equal(place / WAL_FILE_SIZE, 2);
    must(fixture, wal_files_check(wal, place, &fixture->failure));
    static const struct {
        const char *name;
        u64 size;
        const char *words; // NULL: the file does not lie before the place.
    } rows[] = {
        {"log-00000002", 0, NULL},
        {"log-00000001", 5000, "/log-00000001 ends at offset 5000, or is gone"},
        {"log-00000001", WAL_FILE_SIZE - 1, "/log-00000001 ends at offset 67108863, or is gone"},
        {"log-00000000", WAL_FILE_SIZE - PAGE_SIZE, "/log-00000000 ends at offset 67104768, or"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        disk_memory_resize(&fixture->disk, rows[i].name, rows[i].size);
        const enum status status = wal_files_check(wal, place, &fixture->failure);
        if (rows[i].words == NULL
                ? status != STATUS_OK
                : status != STATUS_CORRUPT || !strstr(fixture->failure.message, rows[i].words)) {
            fail_msg("row %zu: %d, %s", i, status, fixture->failure.message);
        }
        disk_memory_resize(&fixture->disk, rows[i].name, WAL_FILE_SIZE);
    }
    must(fixture, disk_remove(&fixture->disk.disk, "log-00000001", &fixture->failure));
    assert_int_equal(wal_files_check(wal, place, &fixture->failure), STATUS_CORRUPT);
    assert_non_null(strstr(fixture->failure.message, "/log-00000001 ends at offset 0, or is gone"));
    assert_non_null(strstr(fixture->failure.hint, "restore this file from a backup"));
    must(fixture, wal_files_check(wal, WAL_FILE_SIZE, &fixture->failure));
}

// Copies the header page of a frame to another place of the file.
static void page_copy(struct fixture *fixture, u64 from, u64 to)
{
    u8 page[PAGE_SIZE];
    struct disk *disk = &fixture->disk.disk;
    disk_handle file = -1;
    must(fixture, disk_open(disk, "log-00000000", 0, &file, &fixture->failure));
    must(fixture, disk_read(disk, file, from, page, sizeof page, &fixture->failure));
    must(fixture, disk_write_one(disk, file, to, page, sizeof page, &fixture->failure));
    disk_close(disk, file);
}

// The last frame or the one before it, written over by the disk: a torn tail would have neither a
// later header in its place nor its own in another.
static void test_a_misdirected_frame_is_no_torn_tail(void **state)
{
    struct fixture *fixture = *state;
    append_some(fixture, 5, 100);
    page_copy(fixture, 4 * 8192, 3 * 8192);
    disk_memory_rot(&fixture->disk, "log-00000000", 4 * 8192, 0);
    expect_damage(fixture, "frame 3 does not follow the frame before it, though frame 4 is in "
                           "log-00000000 at 24576");
    page_copy(fixture, 3 * 8192, 20 * 8192);
    disk_memory_rot(&fixture->disk, "log-00000000", 3 * 8192, 0);
    expect_damage(fixture, "though frame 4 is in log-00000000 at 163840");
}

// A frame whose digests are right and that says impossible things of itself is no frame: the last
// one is cut as torn.
static void test_frames_that_cannot_be_are_none(void **state)
{
    struct fixture *fixture = *state;
    static const u64 fields[] = {
        256 + 12, // A body that is not aligned.
        256 + 11, // One that is longer than the frame.
        256 + 15, // One that begins behind it.
    };
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        append_some(fixture, 2, 100);
        fixture->damage_offset = fields[i];
        append_some(fixture, 1, 100);
        fixture->damage_offset = 0;
        enum wal_end end = WAL_FRAME;
        enum status status = STATUS_OK;
        assert_int_equal(read_all(fixture, &status, &end), 2);
        wal_reader_free(&fixture->reader);
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(end, WAL_TORN);
        void *next = fixture;
        teardown(&next);
        setup(&next);
        fixture = next;
    }
    *state = fixture;
}

// Positions are looked for and frames are counted on a disk of which each call fails once: what is
// not read is told, and is neither the end of the log nor damage.
static void test_what_cannot_be_read_is_not_the_end(void **state)
{
    struct fixture *fixture = *state;
    struct disk_failing failing = {0};
    append_some(fixture, 22, 3 * MIB); // Two files.
    const u64 end = fixture->wal.tail.place;
    const u64 count = fixture->sequence;
    u64 failed[3] = {0};
    for (u64 n = 1; n < 120; n++) {
        struct wal wal;
        struct frame_header header;
        u64 extent = 0;
        disk_failing_init(&failing, &fixture->disk.disk);
        must(fixture, wal_init(&wal, &failing.disk, &fixture->failure));
        failing.fail_at = failing.calls + n;
        enum status status = wal_extent(&wal, &extent, &fixture->failure);
        if (status == STATUS_OK) assert_true(extent == end);
        else assert_int_equal(status, STATUS_IO);
        failed[0] += status != STATUS_OK;
        failing.fail_at = failing.calls + n;
        const struct wal_bound bound = {20, U64_MAX, U64_MAX};
        status = wal_find_last(&wal, &bound, &header, &fixture->failure);
        if (status == STATUS_OK) assert_true(header.sequence == 20);
        else assert_int_equal(status, STATUS_IO);
        failed[1] += status != STATUS_OK;
        failing.fail_at = failing.calls + n;
        status = wal_find_position(&wal, end, count / 2, &header, &fixture->failure);
        if (status == STATUS_OK) assert_true(header.position == count / 2);
        else assert_int_equal(status, STATUS_IO);
        failed[2] += status != STATUS_OK;
        wal_free(&wal);
    }
    assert_true(failed[0] > 4 && failed[1] > 8 && failed[2] > 4);
}

// Whole, and of this format's number, but with a field that must be zero: of a later binary.
static void test_fields_that_must_be_zero_are_refused(void **state)
{
    struct fixture *fixture = *state;
    static const u64 fields[] = {
        256 + 4,   // The command's flags.
        256 + 2,   // Its version.
        256 + 84,  // Its signature scheme.
        256 + 104, // Its signature.
        256 + 172, // What is reserved.
    };
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        fixture->damage_offset = fields[i];
        append_some(fixture, 1, 100);
        fixture->damage_offset = 0;
        enum wal_end end = WAL_FRAME;
        enum status status = STATUS_OK;
        assert_int_equal(read_all(fixture, &status, &end), 0);
        wal_reader_free(&fixture->reader);
        assert_int_equal(status, STATUS_UNSUPPORTED);
        void *next = fixture;
        teardown(&next);
        setup(&next);
        fixture = next;
    }
    *state = fixture;
}

// The last frame of a file is lost: the frames of the next file tell.
static void test_damage_at_the_end_of_a_file(void **state)
{
    struct fixture *fixture = *state;
    append_some(fixture, 23, 3 * MIB);
    u64 last = 20 * (3 * MIB + PAGE_SIZE);
    disk_memory_rot(&fixture->disk, "log-00000000", last + 10, 0);
    expect_damage(fixture, "log-00000000, offset 62996480: frame 20 has a damaged header");
    disk_memory_rot(&fixture->disk, "log-00000000", last + 10, 0);
    disk_memory_rot(&fixture->disk, "log-00000001", 10, 0);
    expect_damage(fixture, "frame 21");
}

static void test_misread_header_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    append_some(fixture, 20, 100);
    fixture->disk.faults.read_rot_rate = 100000;
    u32 noticed = 0;
    for (u32 i = 0; i < 50; i++) {
        enum wal_end end = WAL_FRAME;
        enum status status = STATUS_OK;
        u64 count = read_all(fixture, &status, &end); // Whatever is read is right.
        wal_reader_free(&fixture->reader);
        noticed += status == STATUS_CORRUPT || count < 20;
    }
    assert_true(noticed > 10);
}

static void test_full_disk(void **state)
{
    struct fixture *fixture = *state;
    enum wal_end end = WAL_FRAME;
    append_some(fixture, 21, 3 * MIB); // The next one needs another file.
    fixture->disk.capacity = fixture->disk.used + MIB;
    struct wal_tail before = fixture->wal.tail;
    for (u32 i = 0; i < 3; i++) {
        assert_int_equal(append(fixture, 3 * MIB), STATUS_FULL);
        assert_int_equal(wal_prepare(&fixture->wal, 0, &fixture->failure), STATUS_FULL);
        assert_memory_equal(&before, &fixture->wal.tail, sizeof before);
    }
    fixture->disk.capacity = 1ull << 60;
    append_some(fixture, 2, 3 * MIB);
    assert_int_equal(reopen(fixture, &end), 23);
}

// Files for speed are made while there is ample space; then one that the log needs, and nothing
// that others could do with.
static void test_short_of_space_one_file_is_made_ahead(void **state)
{
    struct fixture *fixture = *state;
    append_some(fixture, 2, 100);
    fixture->disk.capacity = fixture->disk.used + WAL_SPACE_AMPLE;
    assert_int_equal(wal_prepare(&fixture->wal, 0, &fixture->failure), STATUS_OK);
    assert_true(wal_is_prepared(&fixture->wal, 1));
    assert_false(wal_is_prepared(&fixture->wal, 2));
    fixture->disk.capacity = fixture->disk.used + WAL_SPACE_AMPLE;
    assert_int_equal(wal_prepare(&fixture->wal, 1, &fixture->failure), STATUS_OK);
    assert_false(wal_is_prepared(&fixture->wal, 2));
    assert_int_equal(wal_prepare(&fixture->wal, 0, &fixture->failure), STATUS_OK);
    assert_true(wal_is_prepared(&fixture->wal, 2));
    assert_false(wal_is_prepared(&fixture->wal, 3));
    fixture->disk.capacity = 1ull << 60;
    assert_int_equal(wal_prepare(&fixture->wal, 0, &fixture->failure), STATUS_OK);
    assert_true(wal_is_prepared(&fixture->wal, 3));
    assert_false(wal_is_prepared(&fixture->wal, 4));
}

static void test_other_format_is_refused(void **state)
{
    struct fixture *fixture = *state;
    append_some(fixture, 2, 100);
    disk_handle file = -1;
    struct frame_header header;
    struct failure *failure = &fixture->failure;
    struct disk *disk = &fixture->disk.disk;
    assert_int_equal(disk_open(disk, "log-00000000", 0, &file, failure), STATUS_OK);
    assert_int_equal(disk_read(disk, file, 0, &header, sizeof header, failure), STATUS_OK);
    header.format = FRAME_FORMAT + 1;
    frame_header_seal(&header);
    assert_int_equal(disk_write_one(disk, file, 0, &header, sizeof header, failure), STATUS_OK);
    disk_close(disk, file);
    enum wal_end end = WAL_FRAME;
    enum status status = STATUS_OK;
    assert_int_equal(read_all(fixture, &status, &end), 0);
    wal_reader_free(&fixture->reader);
    assert_int_equal(status, STATUS_UNSUPPORTED);
}

// A whole frame of another log, at the right place, does not continue this one.
static void test_frame_of_another_log(void **state)
{
    struct fixture *fixture = *state;
    enum wal_end end = WAL_FRAME;
    append_some(fixture, 3, 100);
    fixture->wal.tail.log_id = LOG_ID + 1;
    append_some(fixture, 1, 100);
    assert_int_equal(reopen(fixture, &end), 3);
    assert_int_equal(end, WAL_TORN);
}

// A copy that is served goes on under another id in a later epoch; damage to its first frame is no
// torn tail, and the log that it was copied from does not continue it.
static void test_a_copy_goes_on_under_another_id(void **state)
{
    struct fixture *fixture = *state;
    enum wal_end end = WAL_FRAME;
    append_some(fixture, 3, 100);
    fixture->wal.tail.log_id = LOG_ID + 1;
    fixture->wal.tail.epoch = 2;
    append_some(fixture, 2, 100);
    const u64 at = 3 * 2 * PAGE_SIZE + 300;
    disk_memory_rot(&fixture->disk, "log-00000000", at, 3);
    expect_damage(fixture, "offset 24576: frame 3 has a damaged body, though frame 4");
    disk_memory_rot(&fixture->disk, "log-00000000", at, 3);
    assert_int_equal(reopen(fixture, &end), 5);
    assert_int_equal(end, WAL_END);
    assert_true(fixture->wal.tail.log_id == LOG_ID + 1 && fixture->wal.tail.epoch == 2);
    fixture->wal.tail.log_id = LOG_ID;
    fixture->wal.tail.epoch = 1;
    append_some(fixture, 1, 100);
    assert_int_equal(reopen(fixture, &end), 5);
    assert_int_equal(end, WAL_TORN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_append_and_reopen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_are_crossed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_position_that_cannot_be_read_is_no_damage, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_positions_are_found_by_two_threads_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_position_is_found_or_its_frame_is_missing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_torn_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_power_fails_within_append, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls_of_the_disk_fail_one_by_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_before_the_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_at_the_end_of_a_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_was_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_in_the_middle_that_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_before_a_place_are_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_misdirected_frame_is_no_torn_tail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_frames_that_cannot_be_are_none, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_read_is_not_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields_that_must_be_zero_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_misread_header_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_of_space_one_file_is_made_ahead, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_other_format_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_frame_of_another_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_copy_goes_on_under_another_id, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
