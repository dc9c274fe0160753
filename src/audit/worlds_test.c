// SPDX-License-Identifier: Apache-2.0
//
// Worlds in which every kind of row comes up.
#include "audit/worlds_test.h"

#include "machine/backup.h"
#include "machine/command_world.h"
#include "modules/accrual/accrual.h"
#include "modules/principal/principal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMIT     50u
#define BODY_SIZE PAGE_SIZE
#define MORE      200u // Frames; a copy can be interrupted after some of them.

// --- worlds --------------------------------------------------------------------------------------

struct command_world *audit_world_make(void)
{
    struct command_world *world = malloc(sizeof *world);
    assert_non_null(world);
    const struct genesis genesis = command_world_genesis();
    command_world_init(world, &genesis);
    return world;
}

void audit_world_end(struct command_world *world)
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

// Rows of every kind that plain clients cause: snapshots, refusals, chains, holds that were posted
// in part, voided, expired at two ticks, and one that is open; an account that was imported.
void audit_world_fill(struct command_world *world)
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
    struct transfer plain[AUDIT_PLAIN_COUNT];
    for (u32 i = 0; i < AUDIT_PLAIN_COUNT; i++) plain[i] = transfer_of(100 + i, 1, 2, 100 + i, 0);
    command_world_create(world, COMPAT_CREATE_TRANSFERS, plain, AUDIT_PLAIN_COUNT, results);
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
        transfer_of(26, 1, 2, 3, TRANSFER_PENDING),
        transfer_of(27, 1, 2, 4, TRANSFER_PENDING),
        transfer_of(40, 1, 2, 1, TRANSFER_LINKED), // One that does not.
        transfer_of(41, 1, 2, 1, 0),
    };
    some[5].pending_id = 20;
    some[5].ledger = 0;
    some[5].code = 0;
    some[7].pending_id = 22;
    some[7].ledger = 0;
    some[7].code = 0;
    some[8].timeout = 1;
    some[13].timeout = 1;
    some[14].timeout = 50;
    command_world_create(world, COMPAT_CREATE_TRANSFERS, some, ARRAY_COUNT(some), results);
    assert_int_equal(results[2].status, CREATE_TRANSFER_EXCEEDS_CREDITS);
    assert_true(results[7].status == U32_MAX && results[10].status == U32_MAX);
    command_world_tick(world, 10);
    command_world_tick(world, 90);
    const struct account imported = {
        .id = 6, .ledger = 7, .code = 1, .flags = ACCOUNT_IMPORTED, .timestamp = world->timestamp};
    command_world_create(world, COMPAT_CREATE_ACCOUNTS, &imported, 1, results);
    assert_true(results[0].status == U32_MAX);
}

static void module_must(struct command_world *world, u128 id, u16 record, const void *body,
                        u32 size)
{
    (void)command_world_run(world, id, record, body, size, 1);
    assert_int_equal(command_world_reply(world, 0).result, MODULE_DONE);
}

// Loans, whose sum a control account has, a job that adds interest, raw transfers of a principal,
// one who was closed, one who acts for others.
void audit_world_fill_modules(struct command_world *world)
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
    struct create_result result;
    const struct transfer behind = transfer_of(600, 1, 2, 1, 0);
    command_world_create(world, COMPAT_CREATE_TRANSFERS, &behind, 1, &result);
    assert_int_equal(result.status, U32_MAX);
    const struct transfer raw[] = {transfer_of(601, 1, 2, 1, 0), transfer_of(602, 1, 2, 1, 0)};
    const struct frame_command raw_entry = {.record = 0x102,
                                            .version = 1,
                                            .body_size = sizeof raw,
                                            .count = 2,
                                            .command_id = 4,
                                            .principal = world->principal};
    command_world_frame(world, &raw_entry, raw);
    const struct principal_open principal = {
        .principal_id = 9, .user = 1009, .kind = PRINCIPAL_SERVICE, .name = "clerk"};
    const struct principal_close closing = {.principal_id = 9};
    const u64 principal_before = world->principal;
    world->principal = PRINCIPAL_OPERATOR;
    module_must(world, 5, 0x501, &principal, sizeof principal);
    module_must(world, 6, 0x503, &closing, sizeof closing);
    const struct principal_open other = {
        .principal_id = 10, .user = 1010, .kind = PRINCIPAL_SERVICE, .name = "porter"};
    module_must(world, 8, 0x501, &other, sizeof other);
    const struct principal_delegate delegate = {.delegate_id = 10};
    const struct principal_delegate_end delegate_end = {.delegate_id = 10};
    module_must(world, 9, 0x507, &delegate, sizeof delegate);
    module_must(world, 11, 0x508, &delegate_end, sizeof delegate_end);
    module_must(world, 12, 0x507, &delegate, sizeof delegate);
    world->principal = principal_before;
    world->delegate = 10;
    const struct accrual_group second = {.group_id = 2, .product = 2, .entity = 1, .book = 701};
    module_must(world, 10, 0x7e01, &second, sizeof second);
    world->delegate = 0;
    // Refused, with evidence: there is such a group.
    (void)command_world_run(world, 7, 0x7e01, &group, sizeof group, 1);
    assert_true(command_world_reply(world, 0).result != MODULE_DONE);
}

void audit_world_close(struct command_world *world)
{
    assert_true(command_world_restart_from_checkpoint(world));
    command_world_close(world);
}

int audit_worlds_setup(void **state)
{
    struct audit_worlds *worlds = malloc(sizeof *worlds);
    assert_non_null(worlds);
    worlds->plain = audit_world_make();
    audit_world_fill(worlds->plain);
    audit_world_close(worlds->plain);
    worlds->modules = audit_world_make();
    audit_world_fill(worlds->modules);
    audit_world_fill_modules(worlds->modules);
    audit_world_close(worlds->modules);
    *state = worlds;
    return 0;
}

int audit_worlds_teardown(void **state)
{
    struct audit_worlds *worlds = *state;
    audit_world_end(worlds->plain);
    audit_world_end(worlds->modules);
    free(worlds);
    return 0;
}

// --- logs that go on -----------------------------------------------------------------------------

static void must(enum status status, const struct failure *failure)
{
    if (status != STATUS_OK) fail_msg("%s", failure->message);
}

static void frame_append(struct wal *wal, u8 *head, const u8 *body, u32 size, u64 *position,
                         u64 *timestamp)
{
    struct failure failure;
    struct frame_header *header = (void *)head;
    struct frame_command *entry = (void *)(head + sizeof *header);
    memset(head, 0, PAGE_SIZE);
    *header = (struct frame_header){.sequence = wal->tail.sequence,
                                    .position = ++*position,
                                    .timestamp = ++*timestamp,
                                    .place = wal_place(wal->tail.place, PAGE_SIZE + size),
                                    .command_count = 1,
                                    .outcome_sequence = wal->tail.sequence};
    *entry = (struct frame_command){
        .record = 0x7e01, .version = 1, .body_size = size, .body_offset = PAGE_SIZE};
    struct wal_frame frame = {.head = head,
                              .head_size = PAGE_SIZE,
                              .parts = {{.data = body, .size = size}},
                              .part_count = 1};
    must(wal_append(wal, &frame, &failure), &failure);
    must(wal_prepare(wal, 0, &failure), &failure);
}

void audit_log_extend(struct disk_memory *disk, u32 frames, u32 size)
{
    const struct wal_tail from = {0};
    struct wal wal;
    struct wal_reader reader;
    struct frame_view view;
    struct failure failure;
    enum wal_end end = WAL_FRAME;
    u64 position = 0;
    u64 timestamp = 0;
    must(wal_init(&wal, &disk->disk, &failure), &failure);
    must(wal_reader_init(&reader, &wal, &from, &failure), &failure);
    while (end == WAL_FRAME) {
        must(wal_reader_next(&reader, &view, &end, &failure), &failure);
        if (end != WAL_FRAME) break;
        position = view.header->position + view.header->command_count - 1;
        timestamp = view.header->timestamp + view.header->body_size; // Behind all that it gave.
    }
    must(wal_reader_cut(&reader, &failure), &failure);
    wal_reader_free(&reader);
    u8 *bytes = aligned_alloc(PAGE_SIZE, PAGE_SIZE + size);
    assert_non_null(bytes);
    memset(bytes + PAGE_SIZE, 0, size);
    must(wal_prepare(&wal, 0, &failure), &failure);
    for (u32 i = 0; i < frames; i++) {
        frame_append(&wal, bytes, bytes + PAGE_SIZE, size, &position, &timestamp);
    }
    free(bytes);
    wal_free(&wal);
}

bool audit_backup_stop(void *context, const char *part, u64 done, u64 total)
{
    const char *const *in = context;
    (void)done;
    (void)total;
    return strcmp(part, *in) != 0;
}

void audit_world_backup(const struct command_world *world, struct disk_memory *backup)
{
    const char *part = "log";
    const struct backup_progress interrupted = {.report = audit_backup_stop, .context = &part};
    struct disk_memory source;
    struct backup_report report;
    struct failure failure;
    disk_memory_init(&source, 1);
    disk_memory_init(backup, 1);
    disk_memory_copy(&source, &world->disk);
    must(backup_make(&source.disk, &backup->disk, 1, NULL, &report, &failure), &failure);
    audit_log_extend(&source, MORE, BODY_SIZE);
    const u64 end = report.end.place;
    assert_int_equal(backup_make(&source.disk, &backup->disk, 2, &interrupted, &report, &failure),
                     STATUS_CANCELLED);
    assert_int_equal(report.end.place, end);
    struct frame_header header;
    disk_memory_get(backup, "log-00000000", end, &header, sizeof header);
    assert_true(frame_header_valid(&header));
    disk_memory_free(&source);
}

// --- audits --------------------------------------------------------------------------------------

void audit_folder_whole(const char *path, struct audit_report *report)
{
    struct failure failure = {0};
    audit_report_init(report, LIMIT);
    const enum status status = audit_run(path, NULL, NULL, report, &failure);
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

void audit_is_clean(const struct audit_report *report)
{
    differences_print(report);
    assert_int_equal(report->difference_count, 0);
    assert_true(report->compared);
}

void audit_is_told(const struct audit_report *report, enum audit_promise promise, const char *what,
                   const char *file)
{
    for (u64 i = 0; i < report->kept_count; i++) {
        const struct audit_difference *kept = &report->kept[i];
        if (kept->promise != promise || strstr(kept->what, what) == NULL) continue;
        if (file == NULL ? kept->place.file[0] != 0
                         : strncmp(kept->place.file, file, strlen(file)) != 0) {
            continue;
        }
        // A row of history has its number, and what is in the log its frame.
        assert_true(kept->place.row != AUDIT_NONE || strncmp(kept->place.file, "rows-", 5) != 0 ||
                    promise == AUDIT_BYTES);
        assert_true(kept->place.frame != AUDIT_NONE || strncmp(kept->place.file, "log-", 4) != 0);
        return;
    }
    differences_print(report);
    fail_msg("nothing says [%s] %s, of %s", audit_promise_name(promise), what, file);
}
