// SPDX-License-Identifier: Apache-2.0
//
// Folders with one thing wrong at a time: at least one for each difference that the auditor can
// tell, with the place, the value and the account that it must name.
//
// Damage is a bit or a file; lies have every checksum, digest and root around them made right again
// (forge.h), so that nothing but recomputing finds them.
#include "audit/audit.h"
#include "audit/forge.h"
#include "audit/ids.h"
#include "audit/rules.h"
#include "audit/worlds_test.h"
#include "base/checksum.h"
#include "base/random.h"
#include "machine/command_world.h"
#include "os/disk_copy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// --- what is changed -----------------------------------------------------------------------------

enum target {
    NOTHING,
    // Rows of history: of a transfer, one that was refused, an account, an expiry, by id; of a
    // record by its command's id; the n-th posting of a module, snapshot; one by its number.
    TRANSFER,
    REFUSED,
    ACCOUNT,
    EXPIRY,
    RECORD,
    RECORD_REFUSED,
    POSTING,
    DEBITS,
    CREDITS,
    ROW,
    // The log: events by id, frames by sequence, the first command of a frame, that of an id.
    EVENT,
    ACCOUNT_EVENT,
    HEADER,
    COMMAND,
    COMMAND_OF,
    // The checkpoint: its head, records by their row, the n-th open hold.
    HEAD,
    ACCOUNT_RECORD,
    HOLD,
    CONTROL,
    LOAN,
    GROUP,
    // The file of a backup.
    BACKUP_FILE,
};

struct edit {
    enum target target;
    u64 which;
    u32 offset;
    u32 size;
    bool adds;
    u128 value;
};

#define FIELD_OF(type, field) offsetof(struct type, field), sizeof(((struct type *)NULL)->field)
#define SET(target, which, type, field, value)             \
    {                                                      \
        target, which, FIELD_OF(type, field), false, value \
    }
#define ADD(target, which, type, field, value)            \
    {                                                     \
        target, which, FIELD_OF(type, field), true, value \
    }
#define ROW_SET(target, id, field, value) SET(target, id, audit_row, field, value)
#define ROW_ADD(target, id, field, value) ADD(target, id, audit_row, field, value)
#define EVENT_SET(id, field, value)       SET(EVENT, id, audit_transfer_record, field, value)
#define MADE_SET(id, field, value)        SET(ACCOUNT_EVENT, id, audit_account_record, field, value)
#define HEADER_SET(n, field, value)       SET(HEADER, n, audit_header, field, value)
#define HEADER_ADD(n, field, value)       ADD(HEADER, n, audit_header, field, value)
#define HEAD_SET(field, value)            SET(HEAD, 0, audit_checkpoint_head, field, value)
#define HEAD_ADD(field, value)            ADD(HEAD, 0, audit_checkpoint_head, field, value)
#define KEPT_ADD(n, field, value)         ADD(ACCOUNT_RECORD, n, audit_account_record, field, value)
#define KEPT_SET(n, field, value)         SET(ACCOUNT_RECORD, n, audit_account_record, field, value)
#define HOLD_ADD(field, value)            ADD(HOLD, 0, audit_hold_record, field, value)
#define ENTRY_SET(n, field, value)        SET(COMMAND, n, audit_command, field, value)
#define BACKUP_SET(field, value)          SET(BACKUP_FILE, 0, audit_backup_file, field, value)
#define BACKUP_ADD(field, value)          ADD(BACKUP_FILE, 0, audit_backup_file, field, value)
#define ASKED_SET(id, field, value)       SET(COMMAND_OF, id, audit_command, field, value)

// What is made right again behind the change.
enum seal { SEAL_NOT, SEAL_HEADER, SEAL_HEAD, SEAL_ROWS, SEAL_CHECKPOINT, SEAL_BACKUP, SEAL_ALL };

// Which of the tables a lie is in; those of modules are of the world that modules made, those of
// backups of a backup into which a later run was interrupted.
enum group { LOG, ROWS, HOLDS, CHECKPOINT, MODULES, BACKUP };

struct lie {
    enum group group;
    const char *name;
    enum seal seal;
    struct edit edits[5];
    enum audit_promise promise;
    const char *what;
    const char *file;
    void (*plant)(struct forge *forge); // What edits cannot say.
};

static struct audit_row *row_nth(const struct forge *forge, u8 kind, u64 n)
{
    for (u64 i = 0; i < forge->head->next_row; i++) {
        struct audit_row *row = forge_row(forge, i);
        if (row->kind == kind && n-- == 0) return row;
    }
    fail_msg("no row of kind %u", kind);
    return NULL;
}

static struct audit_command *command_first(const struct forge *forge, u64 sequence)
{
    return (struct audit_command *)(void *)(forge_header(forge, sequence) + 1);
}

static struct audit_command *command_of(const struct forge *forge, u128 id)
{
    for (u64 i = 0;; i++) {
        struct audit_command *command = command_first(forge, i);
        if (command->command_id == id && command->record >= AUDIT_COMMAND_MODULES) return command;
    }
}

static struct audit_hold_record *hold_nth(const struct forge *forge, u64 n)
{
    for (u64 i = 0; i < forge->head->hold_count; i++) {
        struct audit_hold_record *record =
            forge_record(forge, AUDIT_TABLE_HOLDS, i, sizeof(struct audit_hold_record));
        if (record->open && n-- == 0) return record;
    }
    fail();
    return NULL;
}

static void *target_of(const struct forge *forge, enum target target, u64 which)
{
    switch (target) {
    case TRANSFER: return forge_row_of(forge, AUDIT_ROW_TRANSFER, which, true);
    case REFUSED: return forge_row_of(forge, AUDIT_ROW_TRANSFER, which, false);
    case ACCOUNT: return forge_row_of(forge, AUDIT_ROW_ACCOUNT, which, true);
    case EXPIRY: return forge_row_of(forge, AUDIT_ROW_EXPIRY, which, true);
    case RECORD: return forge_row_of(forge, AUDIT_ROW_RECORD, which, true);
    case RECORD_REFUSED: return forge_row_of(forge, AUDIT_ROW_RECORD, which, false);
    case POSTING: return row_nth(forge, AUDIT_ROW_POSTING, which);
    case DEBITS: return row_nth(forge, AUDIT_ROW_DEBITS, which);
    case CREDITS: return row_nth(forge, AUDIT_ROW_CREDITS, which);
    case ROW: return forge_row(forge, which);
    case EVENT: return forge_event(forge, target_of(forge, TRANSFER, which));
    case ACCOUNT_EVENT: return forge_event(forge, target_of(forge, ACCOUNT, which));
    case HEADER: return forge_header(forge, which);
    case COMMAND: return command_first(forge, which);
    case COMMAND_OF: return command_of(forge, which);
    case HEAD: return forge->head;
    case ACCOUNT_RECORD:
        return forge_record(forge, AUDIT_TABLE_ACCOUNTS, which,
                            sizeof(struct audit_account_record));
    case HOLD: return hold_nth(forge, which);
    case CONTROL:
        return forge_record(forge, AUDIT_TABLE_CONTROLS, which,
                            sizeof(struct audit_control_record));
    case LOAN:
        return forge_record(forge, AUDIT_TABLE_LOANS, which, sizeof(struct audit_loan_record));
    case GROUP:
        return forge_record(forge, AUDIT_TABLE_GROUPS, which, sizeof(struct audit_group_record));
    case BACKUP_FILE: return forge->backup;
    case NOTHING: break;
    }
    fail();
    return NULL;
}

static void header_seal(struct audit_header *header)
{
    header->checksum = checksum(&header->magic, sizeof *header - 16);
}

static void head_seal(struct forge *forge)
{
    forge->head->checksum = checksum(&forge->head->magic, sizeof *forge->head - 16);
}

// All targets are found before any is changed: what is changed may be what they are found by.
static void edits_make(struct forge *forge, const struct lie *lie)
{
    u8 *targets[ARRAY_COUNT(lie->edits)] = {NULL};
    for (u32 i = 0; i < ARRAY_COUNT(lie->edits); i++) {
        const struct edit *edit = &lie->edits[i];
        if (edit->target != NOTHING) targets[i] = target_of(forge, edit->target, edit->which);
    }
    for (u32 i = 0; i < ARRAY_COUNT(lie->edits); i++) {
        const struct edit *edit = &lie->edits[i];
        if (edit->target == NOTHING) continue;
        u128 value = 0;
        const size_t size = MIN(edit->size, sizeof value);
        memcpy(&value, targets[i] + edit->offset, size);
        value = edit->adds ? value + edit->value : edit->value;
        memcpy(targets[i] + edit->offset, &value, size);
        if (lie->seal == SEAL_HEADER) header_seal((struct audit_header *)(void *)targets[i]);
    }
}

// --- what edits cannot say -----------------------------------------------------------------------

static void plant_header_gone(struct forge *forge)
{
    memset(forge_header(forge, 2), 0, 256);
}
static void plant_log_cut(struct forge *forge)
{
    const struct audit_header *last = forge_header(forge, forge->head->sequence - 1);
    memset(forge->log.bytes + last->place, 0, 256 + last->body_size);
}
static void page_seal(struct audit_rows_page *page)
{
    page->checksum = checksum(&page->magic, sizeof *page - 16);
}
static void plant_page_magic(struct forge *forge)
{
    struct audit_rows_page *page = (struct audit_rows_page *)(void *)forge->rows.bytes;
    page->magic++;
    page_seal(page);
}
static void plant_page_zero(struct forge *forge)
{
    struct audit_rows_page *page = (struct audit_rows_page *)(void *)forge->rows.bytes;
    page->reserved[31] = 1;
    page_seal(page);
}
static void plant_page_moved(struct forge *forge)
{
    struct audit_rows_page *page = (struct audit_rows_page *)(void *)forge->rows.bytes;
    page->first_row += AUDIT_PAGE_ROWS;
    page_seal(page);
}
static void plant_padding(struct forge *forge)
{
    forge_row(forge, forge->head->next_row - 1)->id = 1;
}
static void plant_table_long(struct forge *forge)
{
    forge->head->tables[forge->head->table_count - 1].page_count += 1000;
    forge->head->digests_page += 1000;
}
static void plant_table_behind(struct forge *forge)
{
    forge->head->tables[AUDIT_TABLES_MAX - 1].id = 1;
}
static void plant_table_root(struct forge *forge)
{
    forge->head->tables[0].root.bytes[0] ^= 1;
}
static void plant_override(struct forge *forge)
{
    forge->head->override_count = 1;
    forge->head->overrides[0] = 1000;
}
static void plant_genesis_for_tests(struct forge *forge)
{
    // Of a log that is not made for tests: whoever asks must have been opened.
    const struct audit_command *command = command_first(forge, 0);
    struct audit_genesis *genesis =
        (struct audit_genesis *)(void *)(forge->log.bytes + command->body_offset);
    genesis->flags = 0;
    memcpy(forge->head->genesis, genesis, sizeof *genesis);
}
// Delegate, for whom, and expires_at, of the delegation by which command 10 was given.
static u64 *delegation_of(struct forge *forge)
{
    struct audit_command *command = command_of(forge, 12);
    return (u64 *)(void *)((u8 *)command - sizeof(struct audit_header) + command->body_offset);
}
static void plant_delegation_over(struct forge *forge)
{
    const u8 *command = (const u8 *)command_of(forge, 10);
    const struct audit_header *header = (const void *)(command - sizeof(struct audit_header));
    delegation_of(forge)[2] = header->timestamp;
}
static void plant_delegation_of_another(struct forge *forge)
{
    delegation_of(forge)[1] = 6; // That for all stays ended.
}
static void plant_delegate_closed(struct forge *forge)
{
    delegation_of(forge)[0] = 9;
    command_of(forge, 10)->session = 9;
}
struct segment_entry {
    u64 first_row;
    u64 row_count;
};
static struct segment_entry *segments_of(struct forge *forge, u32 count)
{
    // The file may end within the list's page.
    const u64 at = forge->head->lists_page * PAGE_SIZE;
    forge->checkpoint.bytes = realloc(forge->checkpoint.bytes, at + PAGE_SIZE);
    assert_non_null(forge->checkpoint.bytes);
    forge->checkpoint.size = at + PAGE_SIZE;
    forge->head = (struct audit_checkpoint_head *)(void *)forge->checkpoint.bytes;
    struct segment_entry *list = (struct segment_entry *)(void *)(forge->checkpoint.bytes + at);
    // The leaves of the tree stand behind them.
    const size_t leaves = forge->head->outcomes.count * sizeof(struct audit_tree_leaf);
    memmove(list + count, list + forge->head->segment_count, leaves);
    forge->head->segment_count = count;
    return list;
}
static void plant_segments_bit(struct forge *forge)
{
    forge->checkpoint.bytes[forge->head->lists_page * PAGE_SIZE] ^= 1;
}
static void plant_segments_short(struct forge *forge)
{
    struct segment_entry *list = segments_of(forge, 1);
    list->row_count -= AUDIT_PAGE_ROWS;
}
static void plant_segments_cut(struct forge *forge)
{
    struct segment_entry *list = segments_of(forge, 2);
    list[1].first_row = AUDIT_PAGE_ROWS;
    list[1].row_count = list[0].row_count - AUDIT_PAGE_ROWS;
    list[0].row_count = AUDIT_PAGE_ROWS;
}
static void plant_leaf(struct forge *forge)
{
    forge_leaves(forge)[1].root.bytes[5] ^= 1;
}
static void plant_leaf_row(struct forge *forge)
{
    forge_leaves(forge)[2].end_row++;
}
static void plant_leaf_place(struct forge *forge)
{
    forge_leaves(forge)[2].place += PAGE_SIZE;
}
// One posting holds, the other one posts more than that.
static void plant_hold_of_module(struct forge *forge)
{
    u32 numbers[2] = {0};
    u32 count = 0;
    for (u32 i = 0; count < 2; i++) {
        if (forge_row(forge, i)->kind == AUDIT_ROW_POSTING) numbers[count++] = i;
    }
    struct audit_row *hold = forge_row(forge, numbers[0]);
    struct audit_row *post = forge_row(forge, numbers[1]);
    hold->flags = AUDIT_TRANSFER_PENDING;
    post->flags = AUDIT_TRANSFER_POST;
    post->amount = hold->amount + 1;
    post->pending_distance = numbers[1] - numbers[0];
}
// The last table becomes one of more records than there can be, with pages for them.
static void plant_table_huge(struct forge *forge)
{
    struct audit_checkpoint_head *head = forge->head;
    struct audit_table *table = &head->tables[head->table_count - 1];
    assert_int_equal(table->id, AUDIT_TABLE_GROUPS);
    const u64 pages = ((1u << 20) + 64) / 64;
    const u64 digests = (table->page_first + pages) * sizeof(struct digest);
    u8 lists[PAGE_SIZE];
    memcpy(lists, segments_of(forge, 1), sizeof lists);
    head = forge->head;
    table = &head->tables[head->table_count - 1];
    table->record_count = (1u << 20) + 1;
    head->digests_page += pages - table->page_count;
    table->page_count = pages;
    head->lists_page = head->digests_page + align_up(digests, PAGE_SIZE) / PAGE_SIZE;
    const u64 size = (head->lists_page + 1) * PAGE_SIZE;
    u8 *bytes = calloc(size, 1);
    assert_non_null(bytes);
    memcpy(bytes, forge->checkpoint.bytes, MIN(size, forge->checkpoint.size));
    free(forge->checkpoint.bytes);
    forge->checkpoint.bytes = bytes;
    forge->checkpoint.size = size;
    forge->head = (struct audit_checkpoint_head *)(void *)bytes;
    memcpy(bytes + forge->head->lists_page * PAGE_SIZE, lists, sizeof lists);
}

// A later header, of another log and a later epoch, and a frame before it that is damaged: as of a
// copy that was served.
static void plant_fork(struct forge *forge)
{
    for (u64 i = 5; i < forge->head->sequence; i++) {
        struct audit_header *header = forge_header(forge, i);
        header->log_id++;
        header->epoch++;
    }
    forge_seal(forge);
    for (u64 i = 3; i < 5; i++) forge_header(forge, i)->timestamp++;
}
// The mark of a frame that lies behind the backup's end.
static void plant_copied(struct forge *forge)
{
    const u64 sequence = forge->backup->end.sequence + 5;
    const struct audit_header *header = forge_header(forge, sequence);
    forge->backup->copied = (struct audit_mark){
        .log_id = header->log_id,
        .epoch = header->epoch,
        .sequence = sequence + 1,
        .place = header->place + 256 + header->body_size,
        .place_last = header->place,
        .position = header->position + header->command_count - 1,
        .timestamp = header->timestamp,
    };
    sha256(header, sizeof *header, &forge->backup->copied.previous);
}
static void plant_copied_late(struct forge *forge)
{
    plant_copied(forge);
    forge->backup->copied.timestamp++;
}
static void plant_copied_nowhere(struct forge *forge)
{
    plant_copied(forge);
    forge->backup->copied.place_last += PAGE_SIZE;
}

static void plant_time_within(struct forge *forge)
{
    // Later than the frame before, but not than its forty transfers.
    forge_header(forge, 4)->timestamp = forge_header(forge, 3)->timestamp + 5;
}

#define NONE                       \
    {                              \
        NOTHING, 0, 0, 0, false, 0 \
    }
#define LIE(group, name, seal, promise, file, what, plant, ...) \
    {group, name, seal, {__VA_ARGS__}, promise, what, file, plant},
static const struct lie lies[] = {
#include "audit/lies.def"
};
#undef LIE

// --- audits --------------------------------------------------------------------------------------

static void seal(struct forge *forge, enum seal how)
{
    switch (how) {
    case SEAL_NOT:
    case SEAL_HEADER: break;
    case SEAL_HEAD: head_seal(forge); break;
    case SEAL_ROWS: forge_seal_rows(forge); break;
    case SEAL_CHECKPOINT: forge_seal_checkpoint(forge); break;
    case SEAL_BACKUP: forge_seal_backup(forge); break;
    case SEAL_ALL: forge_seal(forge); break;
    }
}

static void lie_audit(struct disk *disk, const struct lie *lie, struct audit_report *report)
{
    struct disk_copy copy;
    struct forge forge;
    disk_copy_make(&copy, disk, "index-");
    forge_load(&forge, copy.path);
    edits_make(&forge, lie);
    if (lie->plant != NULL) lie->plant(&forge);
    seal(&forge, lie->seal);
    forge_save(&forge);
    audit_folder_whole(copy.path, report);
    disk_copy_remove(&copy);
}

static void lies_audit(struct disk *disk, enum group group)
{
    u32 count = 0;
    for (u32 i = 0; i < ARRAY_COUNT(lies); i++) {
        struct audit_report report;
        if (lies[i].group != group) continue;
        lie_audit(disk, &lies[i], &report);
        if (report.difference_count == 0) fail_msg("not found: %s", lies[i].name);
        audit_is_told(&report, lies[i].promise, lies[i].what, lies[i].file);
        audit_report_free(&report);
        count++;
    }
    assert_true(count > 0);
}

// The forger's own hand leaves no trace: what is told below is what was planted.
static void test_what_is_sealed_again_is_clean(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct audit_report report;
    const struct lie nothing = {.seal = SEAL_ALL};
    lie_audit(&worlds->plain->disk.disk, &nothing, &report);
    audit_is_clean(&report);
    audit_report_free(&report);
    lie_audit(&worlds->modules->disk.disk, &nothing, &report);
    audit_is_clean(&report);
    audit_report_free(&report);
}

static void test_lies_of_the_log_are_told(void **state)
{
    const struct audit_worlds *worlds = *state;
    lies_audit(&worlds->plain->disk.disk, LOG);
}

static void test_lies_of_rows_are_told(void **state)
{
    const struct audit_worlds *worlds = *state;
    lies_audit(&worlds->plain->disk.disk, ROWS);
}

static void test_lies_of_holds_and_snapshots_are_told(void **state)
{
    const struct audit_worlds *worlds = *state;
    lies_audit(&worlds->plain->disk.disk, HOLDS);
}

static void test_lies_of_the_checkpoint_are_told(void **state)
{
    const struct audit_worlds *worlds = *state;
    lies_audit(&worlds->plain->disk.disk, CHECKPOINT);
}

static void test_lies_of_modules_are_told(void **state)
{
    const struct audit_worlds *worlds = *state;
    lies_audit(&worlds->modules->disk.disk, MODULES);
}

static void test_lies_of_a_backup_are_told(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct disk_memory backup;
    struct audit_report report;
    audit_world_backup(worlds->plain, &backup);
    const struct lie nothing = {.seal = SEAL_BACKUP};
    const struct lie copied = {.seal = SEAL_BACKUP, .plant = plant_copied};
    lie_audit(&backup.disk, &nothing, &report);
    audit_is_clean(&report);
    audit_report_free(&report);
    lie_audit(&backup.disk, &copied, &report);
    audit_is_clean(&report);
    audit_report_free(&report);
    lies_audit(&backup.disk, BACKUP);
    disk_memory_free(&backup);
}

// --- whatever is changed -------------------------------------------------------------------------

#define CHANGES 120u

// Any byte of rows, events and tables, with all around it made right again: the audit ends, and
// says something or nothing. Sanitizers look on.
static void test_an_audit_of_anything_ends(void **state)
{
    const struct audit_worlds *worlds = *state;
    struct random random;
    random_init(&random, 7);
    for (u32 i = 0; i < CHANGES; i++) {
        struct command_world *world = i % 2 == 0 ? worlds->plain : worlds->modules;
        struct disk_copy copy;
        struct forge forge;
        struct audit_report report;
        disk_copy_make(&copy, &world->disk.disk, "index-");
        forge_load(&forge, copy.path);
        for (u32 j = 0; j < 1 + i % 4; j++) {
            u8 *row = (u8 *)forge_row(&forge, random_below(&random, forge.head->next_row));
            row[random_below(&random, sizeof(struct audit_row))] = (u8)random_u64(&random);
            u8 *table = forge.checkpoint.bytes + AUDIT_HEAD_PAGES * PAGE_SIZE;
            const u64 size = (forge.head->digests_page - AUDIT_HEAD_PAGES) * PAGE_SIZE;
            table[random_below(&random, size)] ^= (u8)random_u64(&random);
        }
        forge_seal(&forge);
        forge_save(&forge);
        audit_folder_whole(copy.path, &report);
        audit_report_free(&report);
        disk_copy_remove(&copy);
    }
}

// --- ids beyond what is told ---------------------------------------------------------------------

#define TWICE 4200u // More than there is room for suspicions.

static bool ids_stop(void *context, const char *part, u64 done, u64 total)
{
    (void)context;
    assert_true(done <= total);
    return strcmp(part, "ids") != 0;
}

static void test_more_ids_than_can_be_told_are_told_so(void **state)
{
    (void)state;
    struct command_world *world = audit_world_make();
    struct create_result *results = calloc(TWICE, sizeof *results);
    struct transfer *transfers = calloc(TWICE, sizeof *transfers);
    if (results == NULL || transfers == NULL) abort();
    const struct account accounts[] = {{.id = 1, .ledger = 7, .code = 1},
                                       {.id = 2, .ledger = 7, .code = 1}};
    command_world_create(world, COMPAT_CREATE_ACCOUNTS, accounts, 2, results);
    for (u32 half = 0; half < 2; half++) {
        for (u32 i = 0; i < TWICE; i++) {
            transfers[i] = (struct transfer){.id = 1 + i + half * TWICE,
                                             .debit_account_id = 1,
                                             .credit_account_id = 2,
                                             .amount = 1,
                                             .ledger = 7,
                                             .code = 1};
        }
        command_world_create(world, COMPAT_CREATE_TRANSFERS, transfers, TWICE, results);
    }
    audit_world_close(world);
    struct disk_copy copy;
    struct forge forge;
    struct audit_report report;
    disk_copy_make(&copy, &world->disk.disk, "index-");
    forge_load(&forge, copy.path);
    for (u64 i = 0; i < forge.head->next_row; i++) {
        struct audit_row *row = forge_row(&forge, i);
        if (row->kind != AUDIT_ROW_TRANSFER || row->id <= TWICE) continue;
        forge_event(&forge, row)->id -= TWICE;
        row->id -= TWICE;
    }
    forge_seal(&forge);
    forge_save(&forge);
    audit_folder_whole(copy.path, &report);
    audit_is_told(&report, AUDIT_L3, "was used before, by row", "rows-00000000");
    assert_int_equal(report.difference_count, AUDIT_SUSPECTS_MAX + 1);
    audit_report_free(&report);
    // The second reading can be stopped.
    const struct audit_progress progress = {.report = ids_stop};
    struct failure failure = {0};
    audit_report_init(&report, 1);
    assert_int_equal(audit_run(copy.path, NULL, &progress, &report, &failure), STATUS_CANCELLED);
    audit_report_free(&report);
    disk_copy_remove(&copy);
    audit_world_end(world);
    free(results);
    free(transfers);
}

// --- rules ---------------------------------------------------------------------------------------

static void test_each_rule_of_an_account(void **state)
{
    (void)state;
    const struct audit_account_record good = {.id = 1, .ledger = 7, .code = 1};
    const struct {
        struct audit_account_record event;
        const char *rule;
    } rows[] = {
        {{.id = 1, .ledger = 7, .code = 1}, NULL},
        {{.id = 1, .ledger = 7, .code = 1, .flags = 16, .timestamp = 5}, NULL},
        {{.id = 0, .ledger = 7, .code = 1}, "its id is 0"},
        {{.id = U128_MAX, .ledger = 7, .code = 1}, "its id is 0"},
        {{.id = 1, .ledger = 7, .code = 1, .flags = 64}, "a flag that is not known"},
        {{.id = 1, .ledger = 7, .code = 1, .flags = 6}, "limited on both sides"},
        {{.id = 1, .code = 1}, "its ledger or code"},
        {{.id = 1, .ledger = 7}, "its ledger or code"},
        {{.id = 1, .ledger = 7, .code = 1, .timestamp = 5}, "a time that cannot be"},
        {{.id = 1, .ledger = 7, .code = 1, .flags = 16}, "a time that cannot be"},
        {{.id = 1, .ledger = 7, .code = 1, .credits_pending = 1}, "balances"},
        {{.id = 1, .ledger = 7, .code = 1, .postings = 1}, "a field that must be zero"},
        {{.id = 1, .ledger = 7, .code = 1, .owner_class = 1}, "a field that must be zero"},
    };
    assert_null(audit_account_rule(&good));
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *rule = audit_account_rule(&rows[i].event);
        if (rows[i].rule == NULL) assert_null(rule);
        else if (rule == NULL || strstr(rule, rows[i].rule) == NULL) fail_msg("%s", rows[i].rule);
    }
}

// A plain transfer, with more to say of it.
#define SINGLE(...)                                                                     \
    {                                                                                   \
        .id = 1, .debit_account_id = 1, .credit_account_id = 2, .ledger = 7, .code = 1, \
        __VA_ARGS__                                                                     \
    }
#define POST(...)                                                           \
    {                                                                       \
        .id = 1, .pending_id = 2, .flags = AUDIT_TRANSFER_POST, __VA_ARGS__ \
    }

static void test_each_rule_of_a_transfer(void **state)
{
    (void)state;
    const u16 imported = AUDIT_TRANSFER_IMPORTED;
    const struct {
        struct audit_transfer_record event;
        const char *rule;
    } rows[] = {
        {SINGLE(.amount = 5), NULL},
        {SINGLE(.flags = imported, .timestamp = 9), NULL},
        {SINGLE(.flags = AUDIT_TRANSFER_PENDING, .timeout = 9), NULL},
        {SINGLE(.flags = AUDIT_TRANSFER_PENDING | AUDIT_TRANSFER_CLOSING_DEBIT), NULL},
        {{.debit_account_id = 1, .credit_account_id = 2, .ledger = 7, .code = 1}, "its id is 0"},
        {SINGLE(.flags = 512), "a flag that is not known"},
        {SINGLE(.timestamp = 9), "a time that cannot be"},
        {SINGLE(.flags = imported), "a time that cannot be"},
        {SINGLE(.flags = imported, .timestamp = 1ull << 63), "a time that cannot be"},
        {{.id = 1, .credit_account_id = 2, .ledger = 7, .code = 1}, "an id of an account"},
        {{.id = 1, .debit_account_id = 1, .credit_account_id = U128_MAX, .ledger = 7, .code = 1},
         "an id of an account"},
        {{.id = 1, .debit_account_id = 2, .credit_account_id = 2, .ledger = 7, .code = 1},
         "its accounts are the same"},
        {SINGLE(.pending_id = 9), "it names a hold"},
        {SINGLE(.timeout = 9), "a timeout"},
        {SINGLE(.flags = AUDIT_TRANSFER_PENDING | imported, .timestamp = 9, .timeout = 9),
         "a timeout"},
        {SINGLE(.flags = AUDIT_TRANSFER_CLOSING_CREDIT), "it closes an account"},
        {{.id = 1, .debit_account_id = 1, .credit_account_id = 2, .code = 1}, "its ledger or code"},
        {{.id = 1, .debit_account_id = 1, .credit_account_id = 2, .ledger = 7},
         "its ledger or code"},
        {POST(.amount = 5), NULL},
        {{.id = 1, .pending_id = 2, .flags = 12}, "posts and voids"},
        {{.id = 1, .pending_id = 2, .flags = 6}, "a post or void cannot have"},
        {{.id = 1, .pending_id = 0, .flags = 4}, "its hold has the id"},
        {{.id = 1, .pending_id = U128_MAX, .flags = 8}, "its hold has the id"},
        {{.id = 1, .pending_id = 1, .flags = 8}, "its hold has the id"},
        {POST(.timeout = 5), "a timeout"},
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *rule = audit_transfer_rule(&rows[i].event);
        if (rows[i].rule == NULL && rule != NULL) fail_msg("row %u: %s", i, rule);
        if (rows[i].rule == NULL) continue;
        if (rule == NULL || strstr(rule, rows[i].rule) == NULL) fail_msg("%u: %s", i, rows[i].rule);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_sealed_again_is_clean),
        cmocka_unit_test(test_lies_of_the_log_are_told),
        cmocka_unit_test(test_lies_of_rows_are_told),
        cmocka_unit_test(test_lies_of_holds_and_snapshots_are_told),
        cmocka_unit_test(test_lies_of_the_checkpoint_are_told),
        cmocka_unit_test(test_lies_of_modules_are_told),
        cmocka_unit_test(test_lies_of_a_backup_are_told),
        cmocka_unit_test(test_an_audit_of_anything_ends),
        cmocka_unit_test(test_more_ids_than_can_be_told_are_told_so),
        cmocka_unit_test(test_each_rule_of_an_account),
        cmocka_unit_test(test_each_rule_of_a_transfer),
    };
    return cmocka_run_group_tests(tests, audit_worlds_setup, audit_worlds_teardown);
}
