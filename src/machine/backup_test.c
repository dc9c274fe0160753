// SPDX-License-Identifier: Apache-2.0
//
// Backups and restored folders of a world that goes on meanwhile: every state digest was noted when
// the frame was applied, and each copy is decided again from its log and compared with it.
#include "base/checksum.h"
#include "base/random.h"
#include "ledger/history_file.h"
#include "machine/backup.h"
#include "machine/command_world.h"
#include "machine/log_fixture.h"
#include "machine/verify.h"
#include "wal/backup_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FRAMES_MAX   4096u
#define FRAMES_FIRST 3u // Behind the genesis, a session and the accounts.
#define ACCOUNTS     20u

struct test {
    struct command_world world;
    struct disk_memory vault; // The backup.
    struct random random;
    struct digest states[FRAMES_MAX]; // Behind each frame.
    u64 times[FRAMES_MAX];            // Of each.
    u64 frames;
    u64 next_id;
    struct backup_report report;
    struct failure failure;
    bool goes_on; // The world does, while it is copied.
    u32 reports;
};

static void note(struct test *test)
{
    const struct node *node = &test->world.node;
    struct wal_tail tail = node->wal.tail;
    assert_true(tail.sequence <= FRAMES_MAX);
    machine_state_digest(&test->world.node.machine, &test->states[tail.sequence - 1]);
    test->times[tail.sequence - 1] = test->world.timestamp;
    test->frames = tail.sequence;
}

static void accounts_make(struct test *test)
{
    struct account accounts[ACCOUNTS] = {0};
    struct create_result results[ACCOUNTS];
    for (u32 i = 0; i < ACCOUNTS; i++) {
        accounts[i] = (struct account){.id = i + 1, .ledger = 1, .code = 1};
    }
    command_world_create(&test->world, COMPAT_CREATE_ACCOUNTS, accounts, ACCOUNTS, results);
    note(test);
}

static void transfers_make(struct test *test)
{
    struct transfer transfers[64] = {0};
    struct create_result results[64];
    const u32 count = 1 + (u32)random_below(&test->random, 64);
    for (u32 i = 0; i < count; i++) {
        const u128 debit = 1 + random_below(&test->random, ACCOUNTS);
        const bool is_pending = random_chance(&test->random, 30);
        transfers[i] = (struct transfer){
            .id = ++test->next_id,
            .debit_account_id = debit,
            .credit_account_id = debit % ACCOUNTS + 1,
            .amount = 1 + random_below(&test->random, 1000),
            .ledger = 1,
            .code = 1,
            .flags = is_pending ? TRANSFER_PENDING : 0,
            .timeout = is_pending ? 1 + (u32)random_below(&test->random, 100) : 0,
        };
    }
    command_world_create(&test->world, COMPAT_CREATE_TRANSFERS, transfers, count, results);
    note(test);
}

static void checkpoint_take(struct test *test)
{
    struct failure failure;
    bool merged = false;
    assert_true(command_world_restart_from_checkpoint(&test->world));
    note(test);
    command_world_must(history_merge(&test->world.node.machine.history, &merged, &failure),
                       &failure);
}

static void step(struct test *test)
{
    if (random_chance(&test->random, 25)) {
        command_world_tick(&test->world, 1 + random_below(&test->random, 50));
        note(test);
    } else {
        transfers_make(test);
    }
}

static void steps(struct test *test, u32 count)
{
    for (u32 i = 0; i < count; i++) step(test);
}

static int setup(void **state)
{
    struct test *test = calloc(1, sizeof *test);
    assert_non_null(test);
    const struct genesis genesis = command_world_genesis();
    command_world_init(&test->world, &genesis);
    disk_memory_init(&test->vault, 2);
    random_init(&test->random, 3);
    accounts_make(test);
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct test *test = *state;
    command_world_free(&test->world);
    disk_memory_free(&test->vault);
    free(test);
    return 0;
}

// While something is copied the world takes frames and checkpoints, so that files are replaced, and
// those that were are written over.
static bool world_goes_on(void *context, const char *part, u64 done, u64 total)
{
    struct test *test = context;
    (void)part;
    assert_true(total == 0 || done <= total);
    test->reports++;
    if (!test->goes_on) return true;
    steps(test, 2);
    checkpoint_take(test);
    return true;
}

static enum status backup(struct test *test)
{
    const struct backup_progress progress = {.context = test, .report = world_goes_on};
    return backup_make(&test->world.disk.disk, &test->vault.disk, 1, &progress, &test->report,
                       &test->failure);
}

static void must(const struct test *test, enum status status)
{
    command_world_must(status, &test->failure);
}

// The folder is whole up to a frame of the world, in its log and in everything made from it.
// Returns that frame's sequence.
static u64 folder_check(struct test *test, struct disk_memory *folder)
{
    struct disk_memory scratch;
    struct verify_report report;
    disk_memory_init(&scratch, 9);
    must(test, verify_folder(&folder->disk, NULL, &report, &test->failure));
    must(test, verify_replay(&folder->disk, &scratch.disk, NULL, &report, &test->failure));
    disk_memory_free(&scratch);
    assert_false(report.torn);
    assert_true(report.frames > 0 && report.frames <= test->frames);
    assert_memory_equal(&report.replayed_state, &test->states[report.frames - 1],
                        sizeof report.replayed_state);
    return report.frames - 1;
}

// A folder made from `source` as of a point is the world as it was behind the frame `expected`, by
// its replay and by a start; and goes on.
static void restore_check(struct test *test, struct disk_memory *source, struct restore_point point,
                          u64 expected)
{
    struct disk_memory folder;
    struct frame_header last;
    struct backup_report report;
    struct recovery_report recovered;
    struct node *node = calloc(1, sizeof *node);
    struct digest state;
    assert_non_null(node);
    disk_memory_init(&folder, 4);
    must(test, restore_plan(&source->disk, &point, &last, &test->failure));
    assert_true(last.sequence == expected);
    must(test, restore_make(&source->disk, &folder.disk, &last, NULL, &report, &test->failure));
    assert_true(report.end.sequence == expected + 1 && report.end.timestamp == last.timestamp);
    assert_true(report.checkpoint <= expected + 1);
    assert_true(folder_check(test, &folder) == expected);
    must(test, node_open(node, &folder.disk, NULL, 0, NULL, &recovered, &test->failure));
    machine_check(&node->machine);
    machine_state_digest(&node->machine, &state);
    assert_memory_equal(&state, &test->states[expected], sizeof state);
    assert_true(recovered.checkpoint_sequence == report.checkpoint);
    node_free(node);
    free(node);
    disk_memory_free(&folder);
}

static struct restore_point at_sequence(u64 sequence)
{
    return (struct restore_point){.sequence_max = sequence, .timestamp_max = U64_MAX};
}

static struct restore_point at_time(u64 time)
{
    return (struct restore_point){.sequence_max = U64_MAX, .timestamp_max = time};
}

static void test_a_backup_is_the_world_as_it_was(void **state)
{
    struct test *test = *state;
    // With a log alone, with a checkpoint at its end, with frames behind it, and nothing new.
    for (u32 round = 0; round < 12; round++) {
        const u64 before = test->report.end.sequence;
        const u64 bytes = test->report.bytes;
        if (round % 3 != 0) steps(test, 5);
        if (round % 3 == 1) checkpoint_take(test);
        must(test, backup(test));
        assert_true(test->report.end.sequence == test->frames);
        assert_true(test->report.frames_before == before);
        assert_true(test->report.frames == test->frames - before);
        assert_true(folder_check(test, &test->vault) == test->frames - 1);
        if (round % 3 == 0 && round > 0) assert_true(test->report.bytes == 0 && bytes > 0);
    }
    assert_true(test->report.checkpoint > 0);
}

static void test_every_moment_can_be_restored(void **state)
{
    struct test *test = *state;
    steps(test, 20);
    checkpoint_take(test);
    steps(test, 20);
    must(test, backup(test));
    command_world_close(&test->world);
    for (u64 i = FRAMES_FIRST; i < test->frames; i += 1 + i % 3) {
        restore_check(test, &test->vault, at_sequence(i), i);
        restore_check(test, &test->world.disk, at_sequence(i), i);
        restore_check(test, &test->vault, at_time(test->times[i]), i);
        restore_check(test, &test->vault, at_time(test->times[i] - 1), i - 1);
    }
    restore_check(test, &test->vault, at_time(U64_MAX - 1), test->frames - 1);
    restore_check(test, &test->vault, at_sequence(U64_MAX), test->frames - 1);
    // Of a moment that is none, what there is is told.
    struct frame_header last;
    struct restore_point point = at_sequence(test->frames);
    char text[64];
    assert_int_equal(restore_plan(&test->vault.disk, &point, &last, &test->failure),
                     STATUS_INVALID);
    (void)snprintf(text, sizeof text, "has frames 0 to %llu, not %llu",
                   (unsigned long long)test->frames - 1, (unsigned long long)test->frames);
    assert_non_null(strstr(test->failure.message, text));
    point = at_time(999);
    assert_int_equal(restore_plan(&test->vault.disk, &point, &last, &test->failure),
                     STATUS_INVALID);
    assert_non_null(
        strstr(test->failure.message, "begins at 1970-01-01T00:00:00.000001000Z, later"));
    command_world_open(&test->world);
}

static void test_the_world_goes_on_meanwhile(void **state)
{
    struct test *test = *state;
    steps(test, 70);
    checkpoint_take(test);
    for (u32 round = 0; round < 6; round++) {
        const u64 before = test->frames;
        test->goes_on = true;
        test->reports = 0;
        must(test, backup(test));
        test->goes_on = false;
        assert_true(test->reports > 0 && test->frames > before);
        assert_true(test->report.end.sequence >= before);
        assert_true(test->report.checkpoint > 0);
        assert_true(folder_check(test, &test->vault) == test->report.end.sequence - 1);
    }
}

// Every operation of the disk that takes the backup fails once, and the power fails within it once.
// What was whole stays so, what was not is told by all, and the next run goes on.
static void test_a_backup_survives_the_end_of_any_run(void **state)
{
    struct test *test = *state;
    u64 whole = 0; // Frames that the backup has; 0: it never was whole.
    u32 ends = 0;
    for (u32 sweep = 0; sweep < 4; sweep++) {
        const bool is_crash = sweep % 2 == 0;
        steps(test, 4);
        checkpoint_take(test);
        if (sweep > 1) steps(test, 3);
        for (u64 i = 1;; i++) {
            const u64 at = disk_memory_operations(&test->vault) + i;
            *(is_crash ? &test->vault.faults.crash_at : &test->vault.faults.error_at) = at;
            const enum status status = backup(test);
            test->vault.faults = (struct disk_memory_faults){0};
            const bool is_done = status == STATUS_OK && !disk_memory_crashed(&test->vault);
            if (!is_done) disk_memory_crash(&test->vault, DISK_CRASH_EACH_PAGE);
            ends += !is_done;
            struct wal wal;
            u64 size = 0;
            const enum status look = wal_init(&wal, &test->vault.disk, &test->failure);
            if (!disk_memory_has(&test->vault, BACKUP_FILE_NAME, &size)) {
                // The file that says what it is comes before everything else.
                assert_true(whole == 0 && look == STATUS_OK);
                assert_false(disk_memory_has(&test->vault, "log-00000000", &size));
                wal_free(&wal);
            } else if (look == STATUS_OK) {
                wal_free(&wal);
                const u64 now = folder_check(test, &test->vault) + 1;
                assert_true(now == whole || now == test->frames);
                whole = now;
            } else {
                assert_true(whole == 0 && look == STATUS_INVALID);
                assert_non_null(strstr(test->failure.message, "an unfinished backup"));
            }
            if (is_done) break;
        }
        assert_true(whole == test->frames);
    }
    assert_true(ends > 60);
}

static void test_a_full_disk_ends_a_run(void **state)
{
    struct test *test = *state;
    steps(test, 10);
    checkpoint_take(test);
    u64 whole = 0;
    for (u32 round = 0; round < 3; round++) {
        u32 refused = 0;
        for (u64 room = 0;; room += round == 0 ? 8 * MIB : 16 * KIB) {
            test->vault.capacity = test->vault.used + room % (65 * MIB);
            const enum status status = backup(test);
            test->vault.capacity = 1ull << 60;
            if (status == STATUS_OK) break;
            refused++;
            assert_int_equal(status, STATUS_FULL);
            if (whole > 0) assert_true(folder_check(test, &test->vault) + 1 == whole);
        }
        assert_true(refused > 0);
        whole = test->frames;
        assert_true(folder_check(test, &test->vault) + 1 == whole);
        steps(test, 5);
        checkpoint_take(test);
    }
}

// The server died while it wrote a frame: its header came, its body did not. It was never
// acknowledged, so there is no such moment; the last one is that of the frame before.
static void test_an_unfinished_frame_is_no_moment(void **state)
{
    struct test *test = *state;
    steps(test, 5);
    checkpoint_take(test);
    steps(test, 3);
    transfers_make(test);
    const u64 last = test->frames - 2;
    struct frame_header found;
    struct wal wal;
    must(test, wal_init(&wal, &test->world.disk.disk, &test->failure));
    const struct wal_bound any = {U64_MAX, U64_MAX, U64_MAX};
    must(test, wal_find_last(&wal, &any, &found, &test->failure));
    wal_free(&wal);
    assert_true(found.sequence == last + 1);
    command_world_close(&test->world);
    disk_memory_rot(&test->world.disk, "log-00000000", found.place + PAGE_SIZE, 1);
    restore_check(test, &test->world.disk, at_sequence(U64_MAX), last);
    restore_check(test, &test->world.disk, at_time(test->times[last + 1]), last);
    restore_check(test, &test->world.disk, at_sequence(last), last);
    struct restore_point point = at_sequence(last + 1);
    char text[64];
    assert_int_equal(restore_plan(&test->world.disk.disk, &point, &found, &test->failure),
                     STATUS_INVALID);
    (void)snprintf(text, sizeof text, "has frames 0 to %llu, not %llu", (unsigned long long)last,
                   (unsigned long long)last + 1);
    assert_non_null(strstr(test->failure.message, text));
    command_world_open(&test->world);
}

struct files {
    char names[32][DISK_NAME_SIZE_MAX];
    u32 count;
};

static bool file_visit(void *context, const char *name)
{
    struct files *files = context;
    assert_true(files->count < ARRAY_COUNT(files->names));
    (void)snprintf(files->names[files->count++], DISK_NAME_SIZE_MAX, "%s", name);
    return true;
}

// A flipped bit in the page of a file, in the middle of what is copied of it.
static void test_damage_is_named_and_not_copied(void **state)
{
    struct test *test = *state;
    steps(test, 10);
    checkpoint_take(test);
    must(test, backup(test));
    const u64 whole = test->frames;
    steps(test, 90); // More than a page of the tree of outcomes.
    checkpoint_take(test);
    struct files files = {0};
    must(test, disk_list(&test->world.disk.disk, file_visit, &files, &test->failure));
    u32 kinds[5] = {0};
    for (u32 i = 0; i < files.count; i++) {
        static const char *const prefixes[] = {"log-00000000", "rows-", "index-", "checkpoint-",
                                               "tree-"};
        const char *name = files.names[i];
        u32 kind = 0;
        while (kind < 5 && strncmp(name, prefixes[kind], strlen(prefixes[kind])) != 0) kind++;
        if (kind == 5 || strcmp(name, "checkpoint-spare") == 0) continue;
        u64 size = 0;
        assert_true(disk_memory_has(&test->world.disk, name, &size));
        // Where it is new: a frame before the last ones, the last page of rows, the first page of a
        // section, the first of a table, the first of the tree.
        const u64 offsets[] = {test->world.node.wal.tail.place - 40 * KIB + 100,
                               size - PAGE_SIZE + 77, PAGE_SIZE + 77,
                               CHECKPOINT_HEAD_PAGES * PAGE_SIZE + 77, 77};
        const u64 offset = offsets[kind];
        u64 there = 0;
        if (kind == 2 && disk_memory_has(&test->vault, name, &there)) continue; // It is not.
        disk_memory_rot(&test->world.disk, name, offset, 3);
        assert_int_equal(backup(test), STATUS_CORRUPT);
        char text[DISK_NAME_SIZE_MAX + 32];
        (void)snprintf(text, sizeof text, "%s, offset ", name);
        assert_non_null(strstr(test->failure.message, text));
        const u64 named = strtoull(strstr(test->failure.message, text) + strlen(text), NULL, 10);
        assert_true(named <= offset && offset - named < (kind == 0 ? 32 * KIB : PAGE_SIZE));
        assert_true(folder_check(test, &test->vault) + 1 == whole);
        disk_memory_rot(&test->world.disk, name, offset, 3);
        kinds[kind]++;
    }
    assert_true(kinds[0] == 1 && kinds[1] == 1 && kinds[2] > 0 && kinds[3] == 1 && kinds[4] == 1);
    must(test, backup(test));
    assert_true(folder_check(test, &test->vault) + 1 == test->frames);
}

static enum status backup_of(struct test *test, struct disk_memory *source)
{
    return backup_make(&source->disk, &test->vault.disk, 1, NULL, &test->report, &test->failure);
}

// A log that is read may have a last frame that is nowhere but in the page cache: what is in the
// backup is in the source, too, when the power fails behind it (B4).
static void test_what_is_copied_is_durable_in_the_source(void **state)
{
    struct test *test = *state;
    struct disk_memory source;
    struct verify_report report;
    disk_handle from = -1;
    disk_handle to = -1;
    steps(test, 5);
    disk_memory_init(&source, 8);
    const u64 size = test->world.node.wal.tail.place;
    u8 *bytes = malloc(size);
    assert_non_null(bytes);
    struct disk *disk = &test->world.disk.disk;
    must(test, disk_open(disk, "log-00000000", DISK_READ_ONLY, &from, &test->failure));
    must(test, disk_read(disk, from, 0, bytes, size, &test->failure));
    disk_close(disk, from);
    must(test, disk_open(&source.disk, "log-00000000", DISK_CREATE, &to, &test->failure));
    must(test, disk_allocate(&source.disk, to, WAL_FILE_SIZE, &test->failure));
    must(test, disk_write_one(&source.disk, to, 0, bytes, size, &test->failure)); // No sync.
    disk_close(&source.disk, to);
    free(bytes);
    must(test, backup_of(test, &source));
    assert_true(test->report.end.sequence == test->frames);
    disk_memory_crash(&source, DISK_CRASH_LOSE_ALL);
    must(test, verify_folder(&source.disk, NULL, &report, &test->failure));
    assert_true(report.frames == test->frames);
    disk_memory_free(&source);
}

// What is to be done about a backup is another one, whatever of it is damaged.
static void test_a_damaged_backup_is_to_be_made_anew(void **state)
{
    struct test *test = *state;
    struct verify_report report;
    steps(test, 40);
    checkpoint_take(test);
    must(test, backup(test));
    static const char *const names[] = {"log-00000000", "rows-00000000", BACKUP_FILE_NAME};
    for (u32 i = 0; i < ARRAY_COUNT(names); i++) {
        disk_memory_rot(&test->vault, names[i], 40, 1);
        if (verify_folder(&test->vault.disk, NULL, &report, &test->failure) != STATUS_CORRUPT ||
            strstr(test->failure.message, names[i]) == NULL ||
            strstr(test->failure.hint, "make another backup, in a new folder") == NULL) {
            fail_msg("%s: %s; %s", names[i], test->failure.message, test->failure.hint);
        }
        if (i < 2) { // Its file is read before anything is restored.
            struct restore_point point = {.sequence_max = U64_MAX, .timestamp_max = U64_MAX};
            struct disk_memory new;
            struct frame_header last;
            disk_memory_init(&new, 10);
            enum status status = restore_plan(&test->vault.disk, &point, &last, &test->failure);
            if (status == STATUS_OK) {
                status = restore_make(&test->vault.disk, &new.disk, &last, NULL, &test->report,
                                      &test->failure);
            }
            assert_int_equal(status, STATUS_CORRUPT);
            assert_non_null(strstr(test->failure.hint, "make another backup, in a new folder"));
            disk_memory_free(&new);
        }
        disk_memory_rot(&test->vault, names[i], 40, 1);
    }
    must(test, verify_folder(&test->vault.disk, NULL, &report, &test->failure));
}

// Where no checkpoint says how far the log goes, damage is not taken for its end.
static void test_damage_is_not_the_end_of_a_log(void **state)
{
    struct test *test = *state;
    struct frame_header last;
    struct backup_report report;
    steps(test, 10);
    u64 places[4] = {0};
    const u64 frames[4] = {0, 1, 6, test->frames - 2};
    struct wal wal;
    must(test, wal_init(&wal, &test->world.disk.disk, &test->failure));
    for (u32 i = 0; i < 4; i++) {
        const struct wal_bound bound = {frames[i], U64_MAX, U64_MAX};
        must(test, wal_find_last(&wal, &bound, &last, &test->failure));
        places[i] = last.place;
    }
    wal_free(&wal);
    for (u32 i = 0; i < 4; i++) {
        struct restore_point point = at_sequence(U64_MAX);
        char text[64];
        disk_memory_rot(&test->world.disk, "log-00000000", places[i] + 60, 1); // Of the header.
        (void)snprintf(text, sizeof text, "log-00000000, offset %llu: frame %llu ",
                       (unsigned long long)places[i], (unsigned long long)frames[i]);
        assert_int_equal(backup(test), STATUS_CORRUPT);
        assert_non_null(strstr(test->failure.message, text));
        assert_int_equal(restore_plan(&test->world.disk.disk, &point, &last, &test->failure),
                         STATUS_CORRUPT);
        assert_non_null(strstr(test->failure.message, text));
        point = at_time(test->times[test->frames - 1]);
        assert_int_equal(restore_plan(&test->world.disk.disk, &point, &last, &test->failure),
                         STATUS_CORRUPT);
        point = at_sequence(test->frames - 1);
        assert_int_equal(restore_plan(&test->world.disk.disk, &point, &last, &test->failure),
                         STATUS_CORRUPT);
        if (i > 1) { // What is before it can be had.
            struct disk_memory folder;
            point = at_sequence(frames[i] - 1);
            disk_memory_init(&folder, 7);
            must(test, restore_plan(&test->world.disk.disk, &point, &last, &test->failure));
            must(test, restore_make(&test->world.disk.disk, &folder.disk, &last, NULL, &report,
                                    &test->failure));
            assert_true(folder_check(test, &folder) == frames[i] - 1);
            disk_memory_free(&folder);
        }
        disk_memory_rot(&test->world.disk, "log-00000000", places[i] + 60, 1);
    }
    must(test, backup(test));
}

static void test_what_is_another_log_is_refused(void **state)
{
    struct test *test = *state;
    steps(test, 5);
    must(test, backup(test));
    const u64 whole = test->frames;
    // One that was never the same.
    struct command_world *other = calloc(1, sizeof *other);
    assert_non_null(other);
    struct genesis genesis = command_world_genesis();
    genesis.hash_key[0]++;
    command_world_init(other, &genesis);
    assert_int_equal(backup_of(test, &other->disk), STATUS_INVALID);
    assert_non_null(strstr(test->failure.message, "a backup of another log"));
    command_world_free(other);
    free(other);
    // One that was the same, and went another way.
    struct disk_memory forked;
    struct frame_header last;
    struct backup_report report;
    const struct restore_point point = at_sequence(whole - 3);
    command_world_close(&test->world);
    disk_memory_init(&forked, 5);
    must(test, restore_plan(&test->world.disk.disk, &point, &last, &test->failure));
    must(test,
         restore_make(&test->world.disk.disk, &forked.disk, &last, NULL, &report, &test->failure));
    assert_int_equal(backup_of(test, &forked), STATUS_INVALID); // Shorter.
    assert_true(folder_check(test, &test->vault) + 1 == whole);
    disk_memory_free(&forked);
    command_world_open(&test->world);
    // A folder with other files, and one that is served.
    assert_int_equal(
        backup_make(&test->vault.disk, &test->world.disk.disk, 1, NULL, &report, &test->failure),
        STATUS_INVALID);
    assert_non_null(strstr(test->failure.message, "no backup but holds other files"));
    struct node *node = calloc(1, sizeof *node);
    struct recovery_report recovered;
    assert_non_null(node);
    assert_int_equal(node_open(node, &test->vault.disk, NULL, 0, NULL, &recovered, &test->failure),
                     STATUS_INVALID);
    free(node);
    assert_non_null(strstr(test->failure.message, "is a backup, which is only read"));
    assert_int_equal(override_append(&test->vault.disk, 3, 1, &test->failure), STATUS_INVALID);
    // A backup of a backup is one, of the same end.
    struct disk_memory second;
    disk_memory_init(&second, 6);
    must(test, backup_make(&test->vault.disk, &second.disk, 1, NULL, &report, &test->failure));
    assert_true(folder_check(test, &second) + 1 == whole);
    disk_memory_free(&second);
}

// What a backup needs of a folder, and of what it is to go on with, is told when it is not there;
// nothing is copied then.
static void test_what_cannot_be_gone_on_with_is_refused(void **state)
{
    struct test *test = *state;
    struct disk_memory empty;
    struct backup_file file;
    disk_memory_init(&empty, 5);
    assert_int_equal(backup_of(test, &empty), STATUS_NOT_FOUND);
    assert_non_null(strstr(test->failure.message, "holds no log"));
    assert_int_equal(backup_file_read(&test->vault.disk, &file, &test->failure), STATUS_NOT_FOUND);
    disk_memory_free(&empty);
    steps(test, 5);
    must(test, backup(test));
    steps(test, 5);
    // The last frame that was copied is another one now, or its file is gone.
    must(test, backup_file_read(&test->vault.disk, &file, &test->failure));
    const u64 last = file.copied.place_last;
    const u64 frame = file.copied.sequence - 1;
    char text[96];
    (void)snprintf(text, sizeof text, "no longer has frame %llu, to which it was copied",
                   (unsigned long long)frame);
    disk_memory_rot(&test->vault, "log-00000000", last + 40, 1);
    assert_int_equal(backup(test), STATUS_CORRUPT);
    assert_non_null(strstr(test->failure.message, text));
    assert_string_equal(test->failure.hint, "make another backup, in a new folder");
    disk_memory_rot(&test->vault, "log-00000000", last + 40, 1);
    must(test, disk_rename(&test->vault.disk, "log-00000000", "lost+found", &test->failure));
    assert_int_equal(backup(test), STATUS_CORRUPT);
    assert_non_null(strstr(test->failure.message, text));
    must(test, disk_rename(&test->vault.disk, "lost+found", "log-00000000", &test->failure));
    // Rows are copied by pages: no run ends within one.
    file.next_row++;
    must(test, backup_file_write(&test->vault.disk, &file, &test->failure));
    assert_int_equal(backup(test), STATUS_CORRUPT);
    assert_non_null(strstr(test->failure.message, "/backup contradicts itself"));
    file.next_row--;
    must(test, backup_file_write(&test->vault.disk, &file, &test->failure));
    must(test, backup(test));
    assert_true(folder_check(test, &test->vault) + 1 == test->frames);
    // Nor does a folder of nothing restore to anything.
    struct frame_header header;
    const struct restore_point point = at_sequence(1);
    disk_memory_init(&empty, 5);
    assert_int_equal(restore_plan(&empty.disk, &point, &header, &test->failure), STATUS_NOT_FOUND);
    disk_memory_free(&empty);
}

// Of one who can make the file's checksum right: what the next run goes on from is compared with
// what is there, and nothing is written behind it.
static void test_a_file_that_lies_is_nothing_to_go_on_from(void **state)
{
    static const struct {
        size_t offset;
        u64 added;
        const char *what;
    } lies[] = {
#define COPIED(field) offsetof(struct backup_file, copied.field)
        {COPIED(log_id), 1, "backup contradicts itself"},
        {COPIED(epoch), 1, "backup contradicts itself"},
        {COPIED(sequence), 1, "backup contradicts itself"},
        {COPIED(place), PAGE_SIZE, "backup contradicts itself"},
        {COPIED(place), FRAME_SIZE_MAX, "backup contradicts itself"},
        {COPIED(position), 1, "backup contradicts itself"},
        {COPIED(timestamp), 1, "backup contradicts itself"},
        {COPIED(place_last), -(u64)PAGE_SIZE, "a backup of another log"},
        {COPIED(previous), 1, "a backup of another log"},
        {offsetof(struct backup_file, next_row), 1, "backup contradicts itself"},
        {offsetof(struct backup_file, next_row), HISTORY_PAGE_ROWS, "does not have the history"},
        {offsetof(struct backup_file, next_row), (u64)HISTORY_PAGE_ROWS << 40,
         "does not have the history"},
        {offsetof(struct backup_file, tree_pages), 1, "does not have the history"},
        {offsetof(struct backup_file, tree_pages), (u64)1 << 40, "does not have the history"},
#undef COPIED
    };
    struct test *test = *state;
    struct backup_file file;
    steps(test, 2 * OUTCOME_PAGE_LEAVES);
    checkpoint_take(test);
    must(test, backup(test));
    const u64 whole = test->frames;
    disk_memory_get(&test->vault, BACKUP_FILE_NAME, 0, &file, sizeof file);
    assert_true(file.next_row > 0 && file.tree_pages > 0);
    steps(test, 2 * OUTCOME_PAGE_LEAVES);
    checkpoint_take(test);
    for (u32 i = 0; i < ARRAY_COUNT(lies); i++) {
        struct backup_file lie = file;
        u64 *word = (u64 *)(void *)((u8 *)&lie + lies[i].offset);
        *word += lies[i].added;
        const u128 sum = checksum(&lie.magic, sizeof lie - sizeof lie.checksum);
        memcpy(lie.checksum, &sum, sizeof sum);
        disk_memory_put(&test->vault, BACKUP_FILE_NAME, 0, &lie, sizeof lie);
        const enum status status = backup(test);
        assert_true(status == STATUS_CORRUPT || status == STATUS_INVALID);
        if (strstr(test->failure.message, lies[i].what) == NULL) {
            fail_msg("lie %u: %s", i, test->failure.message);
        }
        disk_memory_put(&test->vault, BACKUP_FILE_NAME, 0, &file, sizeof file);
        assert_true(folder_check(test, &test->vault) + 1 == whole);
    }
    must(test, backup(test));
    assert_true(folder_check(test, &test->vault) + 1 == test->frames);
}

// In the fixture's log command 7 could be overridden (override_test.c).
static void test_no_moment_is_between_a_death_and_its_override(void **state)
{
    struct log_fixture *fixture = NULL;
    void *made = NULL;
    (void)state;
    assert_int_equal(log_fixture_setup(&made), 0);
    fixture = made;
    struct frame_header last;
    struct disk_memory target;
    struct backup_report report;
    log_fixture_cut(&fixture->disk, 7);
    struct restore_point point = at_sequence(U64_MAX);
    log_fixture_must(restore_plan(&fixture->disk.disk, &point, &last, &fixture->failure), fixture);
    const u64 held = last.sequence; // The last one: that of command 7.
    log_fixture_must(override_append(&fixture->disk.disk, 7, 1, &fixture->failure), fixture);
    point = at_sequence(held);
    assert_int_equal(restore_plan(&fixture->disk.disk, &point, &last, &fixture->failure),
                     STATUS_INVALID);
    assert_non_null(strstr(fixture->failure.message, "command 7 killed the server"));
    point = at_sequence(held - 1);
    log_fixture_must(restore_plan(&fixture->disk.disk, &point, &last, &fixture->failure), fixture);
    point = at_sequence(held + 1);
    log_fixture_must(restore_plan(&fixture->disk.disk, &point, &last, &fixture->failure), fixture);
    disk_memory_init(&target, 1);
    log_fixture_must(
        restore_make(&fixture->disk.disk, &target.disk, &last, NULL, &report, &fixture->failure),
        fixture);
    struct recovery_report recovered;
    log_fixture_must(
        node_open(&fixture->node, &target.disk, NULL, 0, NULL, &recovered, &fixture->failure),
        fixture);
    assert_true(machine_is_overridden(&fixture->node.machine, 7));
    node_free(&fixture->node);
    disk_memory_free(&target);
    (void)log_fixture_teardown(&made);
}

// Until the first log file has its name, nobody takes the folder for one; then it is whole.
static void test_half_a_restored_folder_is_none(void **state)
{
    struct test *test = *state;
    steps(test, 5);
    checkpoint_take(test);
    must(test, backup(test));
    const struct restore_point point = at_sequence(U64_MAX);
    struct frame_header last;
    must(test, restore_plan(&test->vault.disk, &point, &last, &test->failure));
    for (u64 i = 1;; i++) {
        struct disk_memory folder;
        struct backup_report report;
        u64 size = 0;
        disk_memory_init(&folder, i);
        folder.faults.crash_at = i;
        const enum status status =
            restore_make(&test->vault.disk, &folder.disk, &last, NULL, &report, &test->failure);
        const bool is_crashed = disk_memory_crashed(&folder);
        if (is_crashed) disk_memory_crash(&folder, DISK_CRASH_EACH_PAGE);
        assert_true((status == STATUS_OK) == !is_crashed);
        if (disk_memory_has(&folder, "log-00000000", &size)) {
            assert_true(folder_check(test, &folder) + 1 == test->frames);
        }
        disk_memory_free(&folder);
        if (!is_crashed) break;
        assert_true(i < 1000);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_backup_is_the_world_as_it_was),
        TEST(test_every_moment_can_be_restored),
        TEST(test_an_unfinished_frame_is_no_moment),
        TEST(test_the_world_goes_on_meanwhile),
        TEST(test_a_backup_survives_the_end_of_any_run),
        TEST(test_a_full_disk_ends_a_run),
        TEST(test_damage_is_named_and_not_copied),
        TEST(test_what_is_copied_is_durable_in_the_source),
        TEST(test_a_damaged_backup_is_to_be_made_anew),
        TEST(test_damage_is_not_the_end_of_a_log),
        TEST(test_what_is_another_log_is_refused),
        TEST(test_what_cannot_be_gone_on_with_is_refused),
        TEST(test_a_file_that_lies_is_nothing_to_go_on_from),
        cmocka_unit_test(test_no_moment_is_between_a_death_and_its_override),
        TEST(test_half_a_restored_folder_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
