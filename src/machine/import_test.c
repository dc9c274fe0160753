// SPDX-License-Identifier: Apache-2.0
//
// Imports beside the same records commanded one by one in another log: what is refused and why, and
// what stands afterwards, are the same, whatever starts, checkpoints and commands come in between.
#include "base/random.h"
#include "machine/changes.h"
#include "machine/command_world.h"
#include "machine/verify.h"
#include "modules/book/book.h"
#include "modules/constraint/constraint.h"
#include "modules/entity/entity.h"
#include "modules/entry/entry.h"
#include "modules/import/import.h"
#include "modules/principal/principal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define BOOK          100u
#define OTHER_BOOK    101u
#define FIRST_DAY     20454
#define OPEN_DAY      (FIRST_DAY + 9)
#define CLOSED_DAY    (FIRST_DAY + 3)
#define ACCOUNTS      12u
#define LIMITED       4u // The first of them take no debits beyond their credits.
#define ROW_SIZE_MAX  512u
#define ROWS_MAX      8192u
#define ACCOUNT_OPEN  0x0304u
#define ENTRY_POST    0x0401u
#define IMPORT_OPEN_  0x0a01u
#define IMPORT_ROWS_  0x0a02u
#define IMPORT_RUN_   0x0a03u
#define IMPORT_CANCEL 0x0a04u
#define JOB_CANCEL_   0x0801u
#define JOB_COMMIT_   0x0802u

// A record of a row, padded to where the next one of a command would begin.
struct record {
    _Alignas(16) u8 bytes[ROW_SIZE_MAX];
    u32 size;
    u32 line;
};

struct case_ {
    struct command_world world; // That imports.
    struct command_world alone; // That is given each record as a command.
    struct random random;
    struct record *rows;
    u32 count;
    u32 *results; // Of the records alone.
    u128 next_id;
};

static u32 command(struct case_ *one, struct command_world *world, u16 record, const void *body,
                   u32 size)
{
    assert_int_equal(command_world_run(world, one->next_id++, record, body, size, 1), 1);
    return command_world_reply(world, 0).result;
}

static void both(struct case_ *one, u16 record, const void *body, u32 size)
{
    assert_int_equal(command(one, &one->world, record, body, size), MODULE_DONE);
    assert_int_equal(command(one, &one->alone, record, body, size), MODULE_DONE);
}

// An entity whose days are open behind a closed period, two books and their accounts.
static void found(struct case_ *one)
{
    const struct entity_open entity = {
        .entity_id = 1, .name = "e", .jurisdiction = "HK", .currency = "HKD", .day = FIRST_DAY};
    const struct period_close closed = {.entity_id = 1, .through = CLOSED_DAY};
    const struct asset_open asset = {.asset = "HKD", .kind = ASSET_CURRENCY, .scale = 2};
    const struct chart_add code = {.chart = 1, .code = 7, .kind = KIND_ASSET, .name = "c"};
    both(one, 0x0201, &entity, sizeof entity);
    for (i32 day = FIRST_DAY; day < OPEN_DAY; day++) {
        const struct day_close close = {.entity_id = 1, .day = day};
        both(one, 0x0204, &close, sizeof close);
    }
    both(one, 0x0205, &closed, sizeof closed);
    both(one, 0x0301, &asset, sizeof asset);
    both(one, 0x0302, &code, sizeof code);
    for (u32 i = 0; i < 2; i++) {
        const struct book_open book = {
            .book = BOOK + i, .chart = 1, .entity_id = 1, .asset = "HKD", .name = "b"};
        both(one, 0x0303, &book, sizeof book);
        for (u32 k = 0; k < ACCOUNTS; k++) {
            const struct book_account_open account = {
                .account_id = 1 + k,
                .book = BOOK + i,
                .code = 7,
                .flags = k < LIMITED ? BOOK_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS : 0,
                .name = "a"};
            both(one, ACCOUNT_OPEN, &account, sizeof account);
        }
    }
}

static struct case_ *case_begin(u64 seed)
{
    struct case_ *one = aligned_alloc(64, align_up(sizeof *one, 64));
    const struct genesis genesis = command_world_genesis();
    memset(one, 0, sizeof *one);
    command_world_init(&one->world, &genesis);
    command_world_init(&one->alone, &genesis);
    random_init(&one->random, seed);
    one->rows = aligned_alloc(64, ROWS_MAX * sizeof *one->rows);
    one->results = calloc(ROWS_MAX, sizeof *one->results);
    one->next_id = 1;
    found(one);
    return one;
}

static void case_end(struct case_ *one)
{
    command_world_free(&one->world);
    command_world_free(&one->alone);
    free(one->rows);
    free(one->results);
    free(one);
}

// --- rows ----------------------------------------------------------------------------------------

static void row_add(struct case_ *one, const void *head, u32 head_size, const void *items,
                    u32 items_size)
{
    struct record *row = &one->rows[one->count++];
    assert_true(one->count <= ROWS_MAX && head_size + items_size <= ROW_SIZE_MAX);
    memset(row, 0, sizeof *row);
    memcpy(row->bytes, head, head_size);
    memcpy(row->bytes + head_size, items, items_size);
    row->size = head_size + items_size;
    row->line = 2 * one->count + 5; // Not what a counter would give.
}

static void entry_add(struct case_ *one, u128 id, i32 day, u8 nature, const struct entry_leg *legs,
                      u32 count)
{
    const struct entry_post post = {.entry_id = id,
                                    .order_id = 5,
                                    .day = day,
                                    .code = 3,
                                    .nature = nature,
                                    .legs_count = count};
    row_add(one, &post, sizeof post, legs, count * (u32)sizeof *legs);
}

static void plain_add(struct case_ *one, u128 id, i32 day, u128 debit, u128 credit, u128 amount)
{
    const struct entry_leg legs[2] = {
        {.book = BOOK, .side = SIDE_DEBIT, .account_id = debit, .amount = amount},
        {.book = BOOK, .side = SIDE_CREDIT, .account_id = credit, .amount = amount},
    };
    entry_add(one, id, day, ENTRY_DISCRETIONARY, legs, 2);
}

// An entry with, now and then, one thing that a rule refuses.
static void random_entry_add(struct case_ *one)
{
    struct random *random = &one->random;
    struct entry_leg legs[4];
    const u32 count = random_below(random, 3) == 0 ? 4 : 2;
    const u128 amount = random_below(random, 40) == 0 ? U128_MAX / 3 : random_below(random, 100);
    for (u32 i = 0; i < count; i++) {
        legs[i] = (struct entry_leg){
            .book = i < 2 ? BOOK : OTHER_BOOK,
            .side = i % 2 == 0 ? SIDE_DEBIT : SIDE_CREDIT,
            .account_id = random_below(random, 30) == 0 ? 999 : 1 + random_below(random, ACCOUNTS),
            .amount = amount,
        };
    }
    if (random_below(random, 20) == 0) legs[0].amount++;
    if (random_below(random, 40) == 0) legs[1].book = 77;
    const u128 id =
        random_below(random, 10) == 0 ? random_below(random, 1 + one->count) : 1000 + one->count;
    const i32 day =
        random_below(random, 3) == 0 ? FIRST_DAY + (i32)random_below(random, 14) : OPEN_DAY - 1;
    entry_add(one, id, day, ENTRY_DISCRETIONARY, legs, count);
}

static void random_account_add(struct case_ *one)
{
    struct random *random = &one->random;
    const struct book_account_open account = {
        .account_id = random_below(random, 4) == 0 ? random_below(random, ACCOUNTS + 2)
                                                   : 500 + random_below(random, 200),
        .book = random_below(random, 20) == 0 ? 77 : BOOK + (u32)random_below(random, 2),
        .code = random_below(random, 20) == 0 ? 8 : 7,
        .name = "new"};
    row_add(one, &account, sizeof account, "", 0);
}

// Each row as a command of its own in the other log.
static u32 rows_command(struct case_ *one, u16 record)
{
    u32 refused = 0;
    for (u32 i = 0; i < one->count; i++) {
        one->results[i] = command(one, &one->alone, record, one->rows[i].bytes, one->rows[i].size);
        refused += one->results[i] != MODULE_DONE;
    }
    return refused;
}

// --- importing -----------------------------------------------------------------------------------

static u32 import_begin(struct case_ *one, u128 id, u16 kind, bool is_whole)
{
    const struct import_open open = {.import_id = id, .kind = kind, .is_whole = is_whole};
    return command(one, &one->world, IMPORT_OPEN_, &open, sizeof open);
}

// Sends the rows [from, to) as one command.
static u32 rows_send(struct case_ *one, u128 id, u32 from, u32 to)
{
    u8 *body = aligned_alloc(64, 1u << 20);
    struct import_rows rows = {.import_id = id, .first = from, .count = to - from};
    u32 at = sizeof rows;
    for (u32 i = from; i < to; i++) {
        const struct record *row = &one->rows[i];
        const u32 padded = (u32)align_up(row->size, IMPORT_ALIGNMENT);
        const struct import_head head = {.line = row->line, .size = row->size};
        memcpy(body + at, &head, sizeof head);
        memcpy(body + at + sizeof head, row->bytes, padded);
        at += (u32)sizeof head + padded;
    }
    rows.rows_size = at - (u32)sizeof rows;
    memcpy(body, &rows, sizeof rows);
    const u32 result = command(one, &one->world, IMPORT_ROWS_, body, at);
    free(body);
    return result;
}

static u32 import_run(struct case_ *one, u128 id, bool goes_on)
{
    const struct import_run run = {.import_id = id, .goes_on = goes_on};
    return command(one, &one->world, IMPORT_RUN_, &run, sizeof run);
}

static u32 job_settle(struct case_ *one, u16 record, u128 id)
{
    return command(one, &one->world, record, &id, sizeof id);
}

static const struct job_record *job_of(struct case_ *one, u128 id)
{
    const struct module_context context = commit_context(&one->world.node.machine, &job_module);
    return job_find_id(&context, id);
}

static const struct import_row *row_of(const struct case_ *one, u32 row)
{
    const struct module_context context = commit_context(&one->world.node.machine, &import_module);
    return module_record(&context, IMPORT_TABLE_ROWS, row);
}

// Slices until the job stands still; now and then the machine starts again in between.
static void slices_until_still(struct case_ *one, u128 id)
{
    for (u32 i = 0; job_is_runnable(job_of(one, id)); i++) {
        assert_true(i < 200);
        command_world_slice(&one->world);
        const u64 what = random_below(&one->random, 4);
        if (what == 0) assert_true(command_world_restart(&one->world));
        if (what == 1) assert_true(command_world_restart_from_checkpoint(&one->world));
    }
}

// The accounts of both books, and what history has of them, are the same in both logs.
static void states_compare(struct case_ *one)
{
    for (u32 b = 0; b < 2; b++) {
        static u32 rows[2][4096];
        static struct transfer postings[2][8189];
        const u32 count = command_world_accounts(&one->world, BOOK + b, 4096, rows[0]);
        assert_int_equal(command_world_accounts(&one->alone, BOOK + b, 4096, rows[1]), count);
        for (u32 i = 0; i < count; i++) {
            struct account here;
            struct account there;
            ledger_account_view(&one->world.node.machine.ledger, rows[0][i], &here);
            ledger_account_view(&one->alone.node.machine.ledger, rows[1][i], &there);
            here.timestamp = there.timestamp = 0;
            assert_memory_equal(&here, &there, sizeof here);
        }
        const u32 posted = command_world_postings(&one->world, BOOK + b, 0, 8189, postings[0]);
        assert_int_equal(command_world_postings(&one->alone, BOOK + b, 0, 8189, postings[1]),
                         posted);
        for (u32 i = 0; i < posted; i++) {
            postings[0][i].timestamp = postings[1][i].timestamp = 0;
            assert_memory_equal(&postings[0][i], &postings[1][i], sizeof postings[0][i]);
        }
    }
}

static void rows_compare(struct case_ *one, u8 good)
{
    for (u32 i = 0; i < one->count; i++) {
        const struct import_row *row = row_of(one, i);
        assert_int_equal(row->line, one->rows[i].line);
        if (one->results[i] == MODULE_DONE) {
            assert_int_equal(row->status, good);
            continue;
        }
        assert_int_equal(row->status, IMPORT_ROW_REFUSED);
        // What a row before it took: the import knows which one.
        const bool exists = one->results[i] == MODULE_EXISTS ||
                            one->results[i] == MODULE_EXISTS_WITH_DIFFERENT_CONTENT ||
                            one->results[i] == BOOK_ACCOUNT_EXISTS;
        if (row->is_own && row->result == IMPORT_ROW_TWICE) assert_true(exists);
        else assert_int_equal(row->result, one->results[i]);
    }
}

// --- what others see of it -----------------------------------------------------------------------

static struct history_view view_of(struct case_ *one)
{
    const struct machine *machine = &one->world.node.machine;
    struct history_view view =
        history_view_open(&one->world.node.machine.history,
                          (const struct account *)(const void *)machine->ledger.accounts.memory,
                          machine->history.next_row);
    view.sees_modules = true;
    return view;
}

// Of each row that was carried out the stream has the record as it came, in its order, as the
// command of the tick that did it, by the principal of the import, behind what it posted.
static void stream_check(struct case_ *one, u64 first_row, u64 first_position)
{
    struct changes_reader *reader = changes_reader_new(&one->world.node.wal);
    struct history_view view = view_of(one);
    u8 *bytes = aligned_alloc(64, 2 * MIB);
    struct failure failure = {0};
    u32 records = 0;
    u32 postings = 0;
    u64 position = first_position;
    for (u64 from = first_row; from < view.row_end;) {
        struct changes_page page = {.out = bytes, .room = 2 * MIB};
        command_world_must(changes_read(reader, &view, from, 0, &page, &failure), &failure);
        for (u32 at = 0; at < page.size;) {
            const struct change *change = (const void *)(bytes + at);
            at += (u32)align_up(sizeof *change + change->payload_size, CHANGES_ALIGNMENT);
            assert_true(change->principal == one->world.principal);
            assert_true(change->position >= position);
            position = change->position;
            postings += change->kind == CHANGE_KIND_TRANSFER;
            if (change->kind != CHANGE_KIND_RECORD) continue;
            const struct record *row = &one->rows[records++];
            assert_int_equal(change->record, ENTRY_POST);
            assert_int_equal(change->payload_size, row->size);
            assert_memory_equal(change + 1, row->bytes, row->size);
        }
        assert_true(page.next > from);
        from = page.next;
    }
    assert_int_equal(records, one->count);
    assert_true(postings >= records);
    history_view_close(&view);
    changes_reader_free(reader);
    free(bytes);
}

// The rows behind each position from `first` on, where history ended there.
static void positions_check(struct case_ *one, u64 first, const u64 *ends)
{
    struct history_view view = view_of(one);
    struct failure failure = {0};
    for (u64 position = first; position <= one->world.node.machine.position; position++) {
        u64 row = 0;
        command_world_must(past_row_by_position(&one->world.node, &view, position, &row, &failure),
                           &failure);
        assert_int_equal(row, ends[position - first]);
    }
    history_view_close(&view);
}

// The folder is whole, and its log decided again gives the same.
static void folder_check(struct case_ *one)
{
    static struct verify_report report;
    struct disk_memory scratch;
    struct failure failure = {0};
    assert_true(command_world_restart_from_checkpoint(&one->world));
    command_world_close(&one->world);
    disk_memory_init(&scratch, 3);
    command_world_must(verify_folder(&one->world.disk.disk, NULL, &report, &failure), &failure);
    command_world_must(verify_replay(&one->world.disk.disk, &scratch.disk, NULL, &report, &failure),
                       &failure);
    assert_true(report.rows > 5000 && report.roots > 0 && report.replayed_checkpoint);
    disk_memory_free(&scratch);
    command_world_open(&one->world);
}

// --- tests ---------------------------------------------------------------------------------------

static void rows_import(struct case_ *one, u128 id, u16 kind, bool is_whole)
{
    assert_int_equal(import_begin(one, id, kind, is_whole), MODULE_DONE);
    for (u32 from = 0; from < one->count;) {
        const u32 some = from + 1 + (u32)random_below(&one->random, 2000);
        const u32 to = MIN(one->count, some);
        assert_int_equal(rows_send(one, id, from, to), MODULE_DONE);
        from = to;
    }
    assert_int_equal(import_run(one, id, false), MODULE_DONE);
    slices_until_still(one, id);
    assert_int_equal(job_of(one, id)->status, JOB_STATUS_STAGED);
}

static void test_a_part_is_what_the_records_are_alone(void **state)
{
    (void)state;
    for (u64 seed = 1; seed <= 16; seed++) {
        struct case_ *one = case_begin(seed);
        for (u32 i = 0; i < 300; i++) random_entry_add(one);
        const u32 refused = rows_command(one, ENTRY_POST);
        assert_true(refused > 30 && refused < 270);
        rows_import(one, 70, ENTRY_POST, false);
        rows_compare(one, IMPORT_ROW_GOOD);
        assert_int_equal(job_settle(one, JOB_COMMIT_, 70), MODULE_DONE);
        slices_until_still(one, 70);
        const struct job_record *job = job_of(one, 70);
        assert_int_equal(job->status, JOB_STATUS_COMMITTED);
        assert_int_equal(job->refused, refused);
        assert_int_equal(job->done, one->count - refused);
        rows_compare(one, IMPORT_ROW_DONE);
        states_compare(one);
        one->count = 0; // Accounts in the same log, over the rows of the import before.
        for (u32 i = 0; i < 200; i++) random_account_add(one);
        (void)rows_command(one, ACCOUNT_OPEN);
        rows_import(one, 71, ACCOUNT_OPEN, false);
        assert_int_equal(job_settle(one, JOB_COMMIT_, 71), MODULE_DONE);
        slices_until_still(one, 71);
        rows_compare(one, IMPORT_ROW_DONE);
        states_compare(one);
        case_end(one);
    }
}

// A raw transfer between accounts that are not there, which leaves a row and changes nothing.
static void raw_refused(struct case_ *one)
{
    const struct transfer transfer = {.id = 1,
                                      .debit_account_id = 77,
                                      .credit_account_id = 78,
                                      .ledger = 9,
                                      .code = 1,
                                      .amount = 1};
    const struct frame_command entry = {.record = 0x102,
                                        .version = 1,
                                        .body_size = sizeof transfer,
                                        .count = 1,
                                        .command_id = 987654321,
                                        .principal = one->world.principal};
    struct create_result result;
    command_world_frame(&one->world, &entry, &transfer);
    assert_true(one->world.applied.commands[0].has_results);
    memcpy(&result, one->world.reply, sizeof result);
    assert_int_equal(result.status, CREATE_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND);
}

static void test_a_whole_one_is_all_or_nothing(void **state)
{
    (void)state;
    struct case_ *one = case_begin(7);
    // Account 1 takes no debits beyond its credits: in this order it never does.
    for (u32 i = 0; i < 5000; i++) {
        plain_add(one, 1000 + i, FIRST_DAY + 4 + (i32)(i % 5), i % 2 == 0 ? 6 : 1,
                  i % 2 == 0 ? 1 : 6, 1 + i / 2);
    }
    assert_int_equal(rows_command(one, ENTRY_POST), 0);
    rows_import(one, 70, ENTRY_POST, true);
    assert_true(job_of(one, 70)->slices > 2); // More than one slice looks at them.
    assert_int_equal(job_settle(one, JOB_COMMIT_, 70), MODULE_DONE);
    // From here on nobody else changes anything, but raw accounts.
    const struct entity_open entity = {
        .entity_id = 2, .name = "f", .jurisdiction = "HK", .currency = "HKD", .day = OPEN_DAY};
    const struct machine *machine = &one->world.node.machine;
    const u64 first_position = machine->position + 1;
    const u64 first_row = machine->history.next_row;
    u64 ends[64];
    u32 count = 0;
    bool is_raw_tried = false;
    while (job_is_runnable(job_of(one, 70))) {
        if (job_of(one, 70)->argument > 0) {
            assert_int_equal(command(one, &one->world, 0x0201, &entity, sizeof entity),
                             MODULE_HELD_UP);
            ends[count++] = machine->history.next_row;
            if (!is_raw_tried) {
                raw_refused(one);
                ends[count++] = machine->history.next_row;
                is_raw_tried = true;
            }
        }
        command_world_slice(&one->world);
        ends[count++] = machine->history.next_row;
        assert_true(count < ARRAY_COUNT(ends));
    }
    assert_true(count > 8);
    positions_check(one, first_position, ends);
    stream_check(one, first_row, first_position);
    assert_int_equal(job_of(one, 70)->status, JOB_STATUS_COMMITTED);
    assert_int_equal(job_of(one, 70)->postings, 5000);
    rows_compare(one, IMPORT_ROW_DONE);
    states_compare(one);
    assert_int_equal(command(one, &one->world, 0x0201, &entity, sizeof entity), MODULE_DONE);
    folder_check(one);
    // The same file once more: every row was carried out before, by this very content.
    rows_import(one, 71, ENTRY_POST, true);
    assert_int_equal(job_of(one, 71)->refused, 5000);
    assert_int_equal(row_of(one, 4999)->result, MODULE_EXISTS);
    assert_int_equal(job_settle(one, JOB_COMMIT_, 71), MODULE_DONE);
    command_world_slice(&one->world);
    assert_int_equal(job_of(one, 71)->status, JOB_STATUS_FAILED);
    assert_int_equal(job_of(one, 71)->result, IMPORT_ROWS_REFUSED);
    assert_int_equal(job_of(one, 71)->value, 5000);
    assert_int_equal(job_of(one, 71)->limit, one->rows[0].line);
    states_compare(one);
    case_end(one);
}

// A limit that only the rows together break.
static void test_rows_are_judged_behind_those_before_them(void **state)
{
    (void)state;
    struct case_ *one = case_begin(8);
    plain_add(one, 1, OPEN_DAY, 6, 1, 100);
    plain_add(one, 2, OPEN_DAY, 1, 6, 60);
    plain_add(one, 3, OPEN_DAY, 1, 6, 60); // Too much: 40 are left.
    plain_add(one, 4, OPEN_DAY, 1, 6, 40);
    plain_add(one, 1, OPEN_DAY, 6, 7, 1); // The first one's id.
    assert_int_equal(rows_command(one, ENTRY_POST), 2);
    const struct entry_leg legs[2] = {
        {.book = BOOK, .side = SIDE_DEBIT, .account_id = 1, .amount = 1},
        {.book = BOOK, .side = SIDE_CREDIT, .account_id = 6, .amount = 1},
    };
    entry_add(one, 5, OPEN_DAY, ENTRY_FACT, legs, 2);
    one->results[5] = IMPORT_FACT;
    rows_import(one, 70, ENTRY_POST, true);
    rows_compare(one, IMPORT_ROW_GOOD);
    assert_int_equal(row_of(one, 2)->posting_result, CREATE_TRANSFER_EXCEEDS_CREDITS);
    assert_int_equal(row_of(one, 2)->value, 1);
    assert_true(row_of(one, 4)->is_own);
    assert_int_equal(row_of(one, 4)->value, 1);
    assert_int_equal(row_of(one, 4)->limit, one->rows[0].line);
    assert_int_equal(job_settle(one, JOB_COMMIT_, 70), MODULE_DONE);
    command_world_slice(&one->world);
    assert_int_equal(job_of(one, 70)->status, JOB_STATUS_FAILED);
    assert_int_equal(job_of(one, 70)->value, 3);
    assert_int_equal(job_of(one, 70)->limit, one->rows[2].line);
    static struct transfer postings[8];
    assert_int_equal(command_world_postings(&one->world, BOOK, 0, 8, postings), 0);
    rows_import(one, 71, ENTRY_POST, false); // In part.
    assert_int_equal(job_settle(one, JOB_COMMIT_, 71), MODULE_DONE);
    slices_until_still(one, 71);
    states_compare(one);
    case_end(one);
}

// What rows post to an account in all does not come around at 2^128, among the rows alone or behind
// what the account had before.
static void test_sums_of_rows_do_not_come_around(void **state)
{
    (void)state;
    const u128 half = (u128)1 << 127;
    struct case_ *one = case_begin(15);
    plain_add(one, 1, OPEN_DAY, 6, 7, half);
    plain_add(one, 2, OPEN_DAY, 6, 8, half);
    plain_add(one, 3, OPEN_DAY, 9, 7, half);
    plain_add(one, 4, OPEN_DAY, 9, 8, half - 1);
    assert_int_equal(rows_command(one, ENTRY_POST), 2);
    rows_import(one, 70, ENTRY_POST, false);
    rows_compare(one, IMPORT_ROW_GOOD);
    assert_int_equal(row_of(one, 1)->posting_result, CREATE_TRANSFER_OVERFLOWS_DEBITS);
    assert_int_equal(row_of(one, 2)->posting_result, CREATE_TRANSFER_OVERFLOWS_CREDITS);
    assert_int_equal(job_settle(one, JOB_COMMIT_, 70), MODULE_DONE);
    slices_until_still(one, 70);
    states_compare(one);
    one->count = 0;
    plain_add(one, 5, OPEN_DAY, 6, 10, half);
    plain_add(one, 6, OPEN_DAY, 10, 7, half);
    plain_add(one, 7, OPEN_DAY, 10, 9, half - 1);
    assert_int_equal(rows_command(one, ENTRY_POST), 2);
    rows_import(one, 71, ENTRY_POST, false);
    rows_compare(one, IMPORT_ROW_GOOD);
    assert_int_equal(row_of(one, 0)->posting_result, CREATE_TRANSFER_OVERFLOWS_DEBITS);
    assert_int_equal(row_of(one, 1)->posting_result, CREATE_TRANSFER_OVERFLOWS_CREDITS);
    assert_int_equal(job_settle(one, JOB_COMMIT_, 71), MODULE_DONE);
    slices_until_still(one, 71);
    states_compare(one);
    case_end(one);
}

static void test_each_limit_of_an_account_is_told(void **state)
{
    (void)state;
    struct case_ *one = case_begin(16);
    const struct book_account_open account = {.account_id = 500,
                                              .book = BOOK,
                                              .code = 7,
                                              .name = "n",
                                              .flags = ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS};
    both(one, ACCOUNT_OPEN, &account, sizeof account);
    plain_add(one, 1, OPEN_DAY, 1, 6, 1);   // Debits of 1 beyond its credits.
    plain_add(one, 2, OPEN_DAY, 6, 500, 1); // Credits of 500 beyond its debits.
    assert_int_equal(rows_command(one, ENTRY_POST), 2);
    rows_import(one, 70, ENTRY_POST, false);
    rows_compare(one, IMPORT_ROW_GOOD);
    assert_int_equal(row_of(one, 0)->posting_result, CREATE_TRANSFER_EXCEEDS_CREDITS);
    assert_int_equal(row_of(one, 1)->posting_result, CREATE_TRANSFER_EXCEEDS_DEBITS);
    case_end(one);
}

// Rows that are good but for the room: of the sums over accounts, and of what a posting adds to.
static void test_rows_without_room_are_told_so(void **state)
{
    (void)state;
    struct case_ *one = case_begin(17);
    struct machine *machine = &one->world.node.machine;
    struct table *sums =
        &machine->module_tables[module_index(&import_module)].tables[IMPORT_TABLE_SUMS];
    struct table *turnovers = &machine->turnovers.table;
    const struct entry_leg legs[2] = {
        {.book = BOOK, .side = SIDE_DEBIT, .account_id = 6, .amount = 1},
        {.book = BOOK, .side = SIDE_CREDIT, .account_id = 7, .amount = 1},
    };
    plain_add(one, 1, OPEN_DAY, 6, 7, 1);
    entry_add(one, 2, OPEN_DAY, ENTRY_FACT, legs, 2);
    for (u32 i = 0; i < 2; i++) {
        const u128 id = 70 + i;
        struct table *full = i == 0 ? turnovers : sums;
        const u64 capacity = full->capacity;
        assert_int_equal(import_begin(one, id, ENTRY_POST, false), MODULE_DONE);
        assert_int_equal(rows_send(one, id, 0, 2), MODULE_DONE);
        full->capacity = full->count + (i == 1); // A row has two sums.
        assert_int_equal(import_run(one, id, false), MODULE_DONE);
        slices_until_still(one, id);
        full->capacity = capacity;
        assert_int_equal(row_of(one, 0)->result, MODULE_FULL);
        assert_int_equal(row_of(one, 1)->result, i == 0 ? MODULE_FULL : IMPORT_FACT);
        assert_int_equal(job_of(one, id)->refused, 2);
        assert_int_equal(job_settle(one, JOB_COMMIT_, id), MODULE_DONE);
        slices_until_still(one, id);
    }
    case_end(one);
}

// Between the look and the commit, somebody else takes what a row needs.
static void test_what_changed_since_is_seen(void **state)
{
    (void)state;
    for (u32 whole = 0; whole < 2; whole++) {
        struct case_ *one = case_begin(9);
        const struct book_account_freeze freeze = {
            .account_id = 8, .book = BOOK, .sides = FROZEN_DEBITS, .reason = "court"};
        for (u32 i = 0; i < 20; i++) plain_add(one, 1 + i, OPEN_DAY, 6 + i % 4, 10, 5);
        rows_import(one, 70, ENTRY_POST, whole == 1);
        assert_int_equal(job_of(one, 70)->refused, 0);
        both(one, 0x0305, &freeze, sizeof freeze);
        const u32 refused = rows_command(one, ENTRY_POST);
        assert_int_equal(refused, 5);
        assert_int_equal(job_settle(one, JOB_COMMIT_, 70), MODULE_DONE);
        slices_until_still(one, 70);
        static struct transfer postings[32];
        if (whole == 1) {
            assert_int_equal(job_of(one, 70)->status, JOB_STATUS_FAILED);
            assert_int_equal(job_of(one, 70)->result, IMPORT_ROWS_REFUSED);
            assert_int_equal(job_of(one, 70)->limit, one->rows[2].line);
            assert_int_equal(row_of(one, 2)->result, ENTRY_ACCOUNT_FROZEN);
            assert_int_equal(command_world_postings(&one->world, BOOK, 0, 32, postings), 0);
        } else {
            assert_int_equal(job_of(one, 70)->status, JOB_STATUS_COMMITTED);
            assert_int_equal(job_of(one, 70)->refused, refused);
            rows_compare(one, IMPORT_ROW_DONE);
            states_compare(one);
        }
        case_end(one);
    }
}

// What is imported has happened: a constraint that it breaks is in breach, and keeps no row back.
static void test_constraints_keep_no_row_back(void **state)
{
    (void)state;
    const struct cell_open cell = {.cell = 1, .name = "c"};
    const struct cell_add add = {.cell = 1, .book = BOOK, .account_id = 6};
    struct {
        struct constraint_open head;
        struct constraint_term term;
    } limit = {.head = {.constraint = 1, .bound = -12, .name = "l", .terms_count = 1},
               .term = {.cell = 1, .coefficient = -1}};
    for (u32 whole = 0; whole < 2; whole++) {
        struct case_ *one = case_begin(11);
        const struct ledger *ledger = &one->world.node.machine.ledger;
        both(one, 0x0601, &cell, sizeof cell);
        both(one, 0x0602, &add, sizeof add);
        both(one, 0x0604, &limit, sizeof limit);
        for (u32 i = 0; i < 4; i++) plain_add(one, 1 + i, OPEN_DAY, 6, 10, 5);
        rows_import(one, 70, ENTRY_POST, whole == 1);
        assert_int_equal(job_of(one, 70)->refused, 0);
        assert_int_equal(ledger->breaches.count, 0); // Nothing counts yet.
        assert_int_equal(job_settle(one, JOB_COMMIT_, 70), MODULE_DONE);
        slices_until_still(one, 70);
        assert_int_equal(job_of(one, 70)->status, JOB_STATUS_COMMITTED);
        assert_int_equal(job_of(one, 70)->postings, 4);
        assert_int_equal(ledger->breaches.count, 1);
        assert_true(ledger_breach(ledger, 0)->worst == -20);
        assert_true(ledger_breach(ledger, 0)->cured_position == 0);
        assert_int_equal(rows_command(one, ENTRY_POST), 2); // Alone they would be kept back.
        machine_check(&one->world.node.machine);
        case_end(one);
    }
}

static void test_who_may_do_what_and_when(void **state)
{
    (void)state;
    struct case_ *one = case_begin(10);
    const u64 owner = one->world.principal;
    plain_add(one, 1, OPEN_DAY, 6, 7, 1);
    plain_add(one, 2, OPEN_DAY, 6, 7, 1);
    assert_int_equal(import_begin(one, 0, ENTRY_POST, false), IMPORT_ID_MUST_NOT_BE_ZERO);
    assert_int_equal(import_begin(one, 70, 0x0402, false), MODULE_MALFORMED);
    assert_int_equal(rows_send(one, 70, 0, 1), IMPORT_NOT_FOUND);
    assert_int_equal(import_begin(one, 70, ENTRY_POST, false), MODULE_DONE);
    assert_int_equal(import_begin(one, 70, ENTRY_POST, false), IMPORT_EXISTS);
    assert_int_equal(import_begin(one, 71, ENTRY_POST, false), IMPORT_UNDER_WAY);
    assert_int_equal(import_run(one, 70, false), IMPORT_EMPTY);
    assert_int_equal(rows_send(one, 70, 1, 2), IMPORT_ROWS_OUT_OF_TURN);
    one->world.principal = owner + 1;
    assert_int_equal(rows_send(one, 70, 0, 1), IMPORT_NOT_THE_OWNER);
    const u128 id = 70;
    assert_int_equal(command(one, &one->world, IMPORT_CANCEL, &id, sizeof id),
                     IMPORT_NOT_THE_OWNER);
    one->world.principal = 1; // Whose server it is.
    assert_int_equal(command(one, &one->world, IMPORT_CANCEL, &id, sizeof id), MODULE_DONE);
    one->world.principal = owner;
    assert_int_equal(rows_send(one, 70, 0, 1), IMPORT_NOT_OPEN);
    assert_int_equal(import_begin(one, 71, ENTRY_POST, false), MODULE_DONE);
    one->rows[1].bytes[55] = 1; // A reserved byte.
    assert_int_equal(rows_send(one, 71, 0, 2), IMPORT_ROWS_MALFORMED);
    assert_int_equal(command_world_reply(&one->world, 0).evidence[0], 1);
    assert_int_equal(command_world_reply(&one->world, 0).evidence[1], one->rows[1].line);
    one->rows[1].bytes[55] = 0;
    assert_int_equal(rows_send(one, 71, 0, 2), MODULE_DONE);
    assert_int_equal(import_run(one, 71, true), MODULE_DONE);
    assert_int_equal(import_run(one, 71, true), IMPORT_NOT_OPEN);
    assert_int_equal(import_begin(one, 72, ENTRY_POST, false), IMPORT_UNDER_WAY);
    slices_until_still(one, 71);
    assert_int_equal(job_of(one, 71)->status, JOB_STATUS_COMMITTED);
    assert_int_equal(import_begin(one, 72, ENTRY_POST, false), MODULE_DONE);
    case_end(one);
}

// Every way in which the bytes of rows can be none.
static void test_rows_that_are_none_are_refused(void **state)
{
    (void)state;
    struct case_ *one = case_begin(11);
    plain_add(one, 1, OPEN_DAY, 6, 7, 1);
    plain_add(one, 2, OPEN_DAY, 6, 7, 1);
    assert_int_equal(import_begin(one, 70, ENTRY_POST, false), MODULE_DONE);
    const u32 size = one->rows[0].size;
    _Alignas(16) u8 body[2048];
    struct import_rows head = {.import_id = 70, .count = 1};
    struct import_head row = {.line = 3, .size = size};
    const struct {
        u32 count;
        u32 size;
        u64 zero;
        u32 rows_size;
    } wrong[] = {
        {0, size, 0, 16 + size},     {2, size, 0, 16 + size},    {1, size + 16, 0, 16 + size},
        {1, size - 1, 0, 16 + size}, {1, U32_MAX, 0, 16 + size}, {1, 0, 0, 16 + size},
        {1, size, 1, 16 + size},     {1, size, 0, 32 + size},    {1, size, 0, 15},
        {8193, size, 0, 16 + size},  {U32_MAX, size, 0, size},
    };
    for (u32 i = 0; i < ARRAY_COUNT(wrong); i++) {
        memset(body, 0, sizeof body);
        head.count = wrong[i].count;
        head.rows_size = wrong[i].rows_size;
        row.size = wrong[i].size;
        row.zero = wrong[i].zero;
        memcpy(body, &head, sizeof head);
        memcpy(body + sizeof head, &row, sizeof row);
        memcpy(body + sizeof head + sizeof row, one->rows[0].bytes, size);
        assert_int_equal(
            command(one, &one->world, IMPORT_ROWS_, body, (u32)sizeof head + head.rows_size),
            IMPORT_ROWS_MALFORMED);
    }
    assert_int_equal(rows_send(one, 70, 0, 2), MODULE_DONE);
    case_end(one);
}

// Of tables that were made smaller: a job that has no place is not begun, rows that have none are
// not staged, and nothing of the command is done.
static void test_tables_that_are_full_are_told(void **state)
{
    (void)state;
    struct case_ *one = case_begin(12);
    struct machine *machine = &one->world.node.machine;
    struct table *jobs = &machine->module_tables[module_index(&job_module)].tables[JOB_TABLE];
    struct table *rows =
        &machine->module_tables[module_index(&import_module)].tables[IMPORT_TABLE_ROWS];
    const u64 jobs_max = jobs->capacity;
    const u64 rows_max = rows->capacity;
    plain_add(one, 1, OPEN_DAY, 6, 7, 1);
    plain_add(one, 2, OPEN_DAY, 6, 7, 1);
    assert_int_equal(import_begin(one, 70, ENTRY_POST, false), MODULE_DONE);
    rows->capacity = 1;
    assert_int_equal(rows_send(one, 70, 0, 2), MODULE_FULL);
    assert_int_equal(rows->count, 0);
    rows->capacity = 2; // Just enough.
    assert_int_equal(rows_send(one, 70, 0, 2), MODULE_DONE);
    rows->capacity = rows_max;
    jobs->capacity = jobs->count;
    assert_int_equal(import_run(one, 70, true), MODULE_FULL);
    assert_int_equal(jobs->count, jobs->capacity);
    jobs->capacity++;
    assert_int_equal(import_run(one, 70, true), MODULE_DONE);
    jobs->capacity = jobs_max;
    slices_until_still(one, 70);
    assert_int_equal(job_of(one, 70)->status, JOB_STATUS_COMMITTED);
    machine_check(machine);
    case_end(one);
}

static u32 room_of(const struct case_ *one)
{
    return one->world.genesis.accounts_max - (u32)one->world.node.machine.ledger.accounts.count;
}

static void many_accounts_add(struct case_ *one, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        const struct book_account_open account = {
            .account_id = 1000 + i, .book = BOOK, .code = 7, .name = "n"};
        row_add(one, &account, sizeof account, "", 0);
    }
}

// As many accounts as a log has room for, and not one more.
static void test_the_room_of_the_log_is_used_up(void **state)
{
    (void)state;
    for (u32 more = 0; more < 2; more++) {
        struct case_ *one = case_begin(14);
        many_accounts_add(one, room_of(one) + more);
        rows_import(one, 70, ACCOUNT_OPEN, true);
        assert_int_equal(job_of(one, 70)->refused, more);
        if (more == 1) assert_int_equal(row_of(one, one->count - 1)->result, MODULE_FULL);
        assert_int_equal(job_settle(one, JOB_COMMIT_, 70), MODULE_DONE);
        slices_until_still(one, 70);
        assert_int_equal(job_of(one, 70)->status,
                         more == 0 ? JOB_STATUS_COMMITTED : JOB_STATUS_FAILED);
        assert_int_equal(room_of(one), more == 0 ? 0 : one->count - 1);
        case_end(one);
    }
}

// Raw accounts are made meanwhile, and take the room: a good row finds none. What stands before it
// stays, and is told.
static void test_what_finds_no_room_halts(void **state)
{
    (void)state;
    struct case_ *one = case_begin(13);
    many_accounts_add(one, room_of(one) - 8);
    rows_import(one, 70, ACCOUNT_OPEN, true);
    assert_int_equal(job_of(one, 70)->refused, 0);
    assert_int_equal(job_settle(one, JOB_COMMIT_, 70), MODULE_DONE);
    while (job_of(one, 70)->argument <= job_of(one, 70)->total) {
        command_world_slice(&one->world);
    }
    assert_true(job_of(one, 70)->argument < 2ull * one->count);
    struct account raw[64] = {0};
    struct create_result results[64];
    for (u32 i = 0; i < ARRAY_COUNT(raw); i++) {
        raw[i] = (struct account){.id = 1 + i, .ledger = 9, .code = 1};
    }
    command_world_create(&one->world, COMPAT_CREATE_ACCOUNTS, raw, 64, results);
    while (job_is_runnable(job_of(one, 70))) command_world_slice(&one->world);
    const struct job_record *job = job_of(one, 70);
    assert_int_equal(job->status, JOB_STATUS_FAILED);
    assert_int_equal(job->result, IMPORT_HALTED);
    assert_int_equal(job->done + job->refused, one->count);
    assert_int_equal(job->refused, 1);
    // Of the 64, 8 had room that nobody wanted: 56 rows find none, the first of them is told.
    assert_true(job->value == one->rows[one->count - 56].line);
    assert_true(command_world_restart_from_checkpoint(&one->world));
    case_end(one);
}

// A tick that brings other records along than those that came carries none of them out: whoever
// wrote it is not to be followed.
static void test_a_tick_with_other_records_is_damage(void **state)
{
    (void)state;
    for (u32 wrong = 0; wrong < 3; wrong++) {
        struct case_ *one = case_begin(15);
        struct machine *machine = &one->world.node.machine;
        for (u32 i = 0; i < 3; i++) plain_add(one, 1 + i, OPEN_DAY, 6, 7, 5);
        rows_import(one, 70, ENTRY_POST, false);
        assert_int_equal(job_settle(one, JOB_COMMIT_, 70), MODULE_DONE);
        _Alignas(16) u8 body[1024];
        struct failure failure = {0};
        bool alone = false;
        struct frame_command tick = commit_tick(machine, &alone);
        assert_true(alone && tick.body_size > 0 && tick.body_size <= sizeof body);
        command_world_must(commit_tick_body(machine, body, &failure), &failure);
        if (wrong == 0) body[tick.body_size - 16] ^= 1; // An amount of the last one.
        if (wrong == 1) tick.body_size -= 16;
        if (wrong == 2) tick.body_size = 0;
        const struct frame_header header = {
            .sequence = machine->sequence + 1,
            .position = machine->position + 1,
            .timestamp = machine->timestamp + 1,
            .log_id = machine->log_id,
            .epoch = machine->epoch,
            .command_count = 1,
        };
        const u8 *bodies[1] = {body};
        const struct frame_view view = {.header = &header, .commands = &tick, .bodies = bodies};
        one->world.applied.commands[0].reply = one->world.reply;
        assert_int_equal(machine_apply(machine, &view, &one->world.applied, &failure),
                         STATUS_CORRUPT);
        assert_non_null(strstr(failure.message, wrong == 0 ? "not the one that came" : "has rows"));
        case_end(one);
    }
}

// A principal that is closed meanwhile carries out nothing.
static void test_a_closed_principal_s_import_ends(void **state)
{
    (void)state;
    struct case_ *one = case_begin(12);
    const u64 owner = one->world.principal;
    const struct principal_open open = {
        .principal_id = owner, .kind = PRINCIPAL_SERVICE, .name = "migration"};
    const struct principal_close close = {.principal_id = owner};
    one->world.principal = 1;
    assert_int_equal(command(one, &one->world, 0x0501, &open, sizeof open), MODULE_DONE);
    one->world.principal = owner;
    plain_add(one, 1, OPEN_DAY, 6, 7, 1);
    rows_import(one, 70, ENTRY_POST, false);
    assert_int_equal(job_settle(one, JOB_COMMIT_, 70), MODULE_DONE);
    one->world.principal = 1;
    assert_int_equal(command(one, &one->world, 0x0503, &close, sizeof close), MODULE_DONE);
    slices_until_still(one, 70);
    assert_int_equal(job_of(one, 70)->status, JOB_STATUS_FAILED);
    assert_int_equal(job_of(one, 70)->result, MODULE_PRINCIPAL_CLOSED);
    static struct transfer postings[8];
    assert_int_equal(command_world_postings(&one->world, BOOK, 0, 8, postings), 0);
    case_end(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_part_is_what_the_records_are_alone),
        cmocka_unit_test(test_a_whole_one_is_all_or_nothing),
        cmocka_unit_test(test_rows_are_judged_behind_those_before_them),
        cmocka_unit_test(test_rows_without_room_are_told_so),
        cmocka_unit_test(test_each_limit_of_an_account_is_told),
        cmocka_unit_test(test_sums_of_rows_do_not_come_around),
        cmocka_unit_test(test_what_changed_since_is_seen),
        cmocka_unit_test(test_constraints_keep_no_row_back),
        cmocka_unit_test(test_who_may_do_what_and_when),
        cmocka_unit_test(test_rows_that_are_none_are_refused),
        cmocka_unit_test(test_tables_that_are_full_are_told),
        cmocka_unit_test(test_the_room_of_the_log_is_used_up),
        cmocka_unit_test(test_what_finds_no_room_halts),
        cmocka_unit_test(test_a_tick_with_other_records_is_damage),
        cmocka_unit_test(test_a_closed_principal_s_import_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
