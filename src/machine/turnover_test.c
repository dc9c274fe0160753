// SPDX-License-Identifier: Apache-2.0
//
// Turnover of a chart of many codes: none is left out, and an answer is the same in however many
// turns it is made; and the closing of a year of many accounts, in as many commands as it takes.
#include "machine/command_world.h"
#include "modules/book/book.h"
#include "modules/entity/entity.h"
#include "modules/entry/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BOOK      7u
#define CODES     20000u
#define BATCH     4000u // Codes that one command adds.
#define LINE_SIZE 3u    // Codes that are reported in one line.
#define FIRST_DAY 20000
#define FAR_DAY   2932896 // 9999-12-31
#define AMOUNT    100u

static void run(struct command_world *world, u32 record, const void *body, u32 size, u32 count)
{
    static u128 id;
    assert_int_equal(command_world_run(world, ++id, (u16)record, body, size, count), count);
    for (u32 i = 0; i < count; i++) {
        assert_int_equal(command_world_reply(world, i).result, MODULE_DONE);
    }
}

// From the last code to the first; code n is of the line (n - 1) / LINE_SIZE and, by the parity of
// that, an asset or an expense.
static void codes_add(struct command_world *world)
{
    struct chart_add *adds = calloc(BATCH, sizeof *adds);
    assert_non_null(adds);
    for (u32 done = 0; done < CODES; done += BATCH) {
        for (u32 i = 0; i < BATCH; i++) {
            const u32 code = CODES - done - i;
            const u32 line = (code - 1) / LINE_SIZE;
            adds[i] = (struct chart_add){
                .chart = 1,
                .code = (u16)code,
                .kind = line % 2 == 0 ? KIND_ASSET : KIND_EXPENSE,
            };
            (void)snprintf(adds[i].name, sizeof adds[i].name, "code%u", code);
            (void)snprintf(adds[i].line, sizeof adds[i].line, "line%u", line);
        }
        run(world, book_schema_chart_add.number, adds, BATCH * sizeof *adds, BATCH);
    }
    free(adds);
}

// A book in which the account of the last code is debited and that of the first one credited.
static void found(struct command_world *world)
{
    const struct entity_open entity = {
        .entity_id = 1, .name = "e", .jurisdiction = "HK", .currency = "HKD", .day = FIRST_DAY};
    const struct asset_open asset = {.asset = "HKD", .kind = ASSET_CURRENCY, .scale = 2};
    const struct book_open book = {
        .book = BOOK, .chart = 1, .entity_id = 1, .asset = "HKD", .name = "b"};
    run(world, entity_schema_entity_open.number, &entity, sizeof entity, 1);
    run(world, book_schema_asset_open.number, &asset, sizeof asset, 1);
    codes_add(world);
    run(world, book_schema_book_open.number, &book, sizeof book, 1);
    for (u32 i = 0; i < 2; i++) {
        const struct book_account_open account = {
            .book = BOOK, .account_id = 1 + i, .code = i == 0 ? CODES : 1, .name = "a"};
        run(world, book_schema_book_account_open.number, &account, sizeof account, 1);
    }
    struct {
        struct entry_post post;
        struct entry_leg legs[2];
    } entry = {
        .post = {.entry_id = 1, .legs_count = 2},
        .legs = {{.book = BOOK, .side = SIDE_DEBIT, .account_id = 1, .amount = AMOUNT},
                 {.book = BOOK, .side = SIDE_CREDIT, .account_id = 2, .amount = AMOUNT}},
    };
    run(world, entry_schema_entry_post.number, &entry, sizeof entry, 1);
}

struct lines {
    u32 count;
    u32 capacity;
    struct turnover_row *rows;
};

// All pages of an answer, in turns of so many looks.
static void ask(struct command_world *world, u32 group, i32 from_day, u32 looks_max,
                struct lines *out)
{
    const struct turnover_list question = {.book = BOOK, .group = (u8)group, .from_day = from_day};
    struct module_answer answer = {.looks_max = looks_max};
    out->count = 0;
    do {
        assert_int_equal(command_world_ask(world, &book_schema_turnover_list, &question,
                                           NODE_ASK_SPACE, &answer),
                         MODULE_DONE);
        assert_true(answer.count > 0 && out->count + answer.count <= out->capacity);
        memcpy(out->rows + out->count, world->views, answer.size);
        out->count += answer.count;
    } while (!is_zero(answer.cursor, sizeof answer.cursor));
}

static void lines_check(const struct lines *lines, u32 group)
{
    const u32 counts[] = {[TURNOVER_BY_CODE] = CODES + 1,
                          [TURNOVER_BY_KIND] = 3,
                          [TURNOVER_BY_LINE] = (CODES + LINE_SIZE - 1) / LINE_SIZE + 1,
                          [TURNOVER_BY_BOOK] = 1,
                          [TURNOVER_BY_ACCOUNT] = 3};
    u128 debits = 0;
    u128 credits = 0;
    assert_int_equal(lines->count, counts[group]);
    for (u32 i = 0; i < lines->count; i++) {
        const struct turnover_row *row = &lines->rows[i];
        char name[sizeof row->name] = "";
        debits += row->debits;
        credits += row->credits;
        if (group != TURNOVER_BY_LINE && group != TURNOVER_BY_CODE) continue;
        const bool by_line = group == TURNOVER_BY_LINE;
        if (i + 1 == lines->count) (void)snprintf(name, sizeof name, "suspense");
        else (void)snprintf(name, sizeof name, by_line ? "line%u" : "code%u", by_line ? i : i + 1);
        assert_string_equal(row->name, name);
    }
    assert_true(debits == AMOUNT && credits == AMOUNT);
}

static void test_no_code_is_left_out(void **state)
{
    (void)state;
    static struct command_world world;
    const struct genesis genesis = command_world_genesis();
    struct lines whole = {.capacity = CODES + 2};
    struct lines parts = whole;
    whole.rows = calloc(whole.capacity, sizeof *whole.rows);
    parts.rows = calloc(parts.capacity, sizeof *parts.rows);
    assert_true(whole.rows != NULL && parts.rows != NULL);
    command_world_init(&world, &genesis);
    found(&world);
    assert_true(command_world_restart_from_checkpoint(&world));
    for (u32 group = TURNOVER_BY_CODE; group <= TURNOVER_BY_ACCOUNT; group++) {
        ask(&world, group, 0, U32_MAX, &whole);
        lines_check(&whole, group);
        for (u32 looks_max = 1; looks_max < 3000; looks_max += 997) {
            ask(&world, group, 0, looks_max, &parts);
            assert_int_equal(parts.count, whole.count);
            assert_memory_equal(parts.rows, whole.rows, whole.count * sizeof *whole.rows);
        }
    }
    command_world_free(&world);
    free(whole.rows);
    free(parts.rows);
}

// Nothing is behind the open month, and no month there is looked up.
static void test_a_far_month_opens_with_all_that_was(void **state)
{
    (void)state;
    static struct command_world world;
    const struct genesis genesis = command_world_genesis();
    struct lines lines = {.capacity = CODES + 2};
    lines.rows = calloc(lines.capacity, sizeof *lines.rows);
    assert_non_null(lines.rows);
    command_world_init(&world, &genesis);
    found(&world);
    ask(&world, TURNOVER_BY_CODE, FAR_DAY, U32_MAX, &lines);
    assert_int_equal(lines.count, CODES + 1);
    assert_true(lines.rows[0].opening_credit == AMOUNT && lines.rows[0].credits == 0);
    assert_true(lines.rows[0].closing_credit == AMOUNT);
    assert_true(lines.rows[CODES - 1].opening_debit == AMOUNT);
    command_world_free(&world);
    free(lines.rows);
}

// --- the closing of a year -----------------------------------------------------------------------

#define YEAR_ACCOUNTS 6000u
#define YEAR_DAYS     60u
#define MONTH_END     20027 // 2024-10-31; FIRST_DAY is the 4th.
#define MONTHS_BEHIND 2u
#define LOOKS_MAX     8192u // Of one command: accounts and months.

// Accounts of expenses in the book, the first of which has a balance of the first month.
static void year_found(struct command_world *world)
{
    struct book_account_open *opens = calloc(YEAR_ACCOUNTS / 2, sizeof *opens);
    const struct chart_add equity = {
        .chart = 1, .code = CODES + 1, .kind = KIND_EQUITY, .name = "equity"};
    const struct book_account_open retained = {
        .book = BOOK, .account_id = 3, .code = CODES + 1, .name = "retained"};
    assert_non_null(opens);
    run(world, book_schema_chart_add.number, &equity, sizeof equity, 1);
    run(world, book_schema_book_account_open.number, &retained, sizeof retained, 1);
    for (u32 done = 0; done < 2; done++) {
        for (u32 i = 0; i < YEAR_ACCOUNTS / 2; i++) {
            opens[i] = (struct book_account_open){.book = BOOK,
                                                  .account_id = 100 + done * YEAR_ACCOUNTS + i,
                                                  .code = LINE_SIZE + 1,
                                                  .name = "a"};
        }
        run(world, book_schema_book_account_open.number, opens, YEAR_ACCOUNTS / 2 * sizeof *opens,
            YEAR_ACCOUNTS / 2);
    }
    free(opens);
    struct {
        struct entry_post post;
        struct entry_leg legs[2];
    } entry = {
        .post = {.entry_id = 2, .legs_count = 2},
        .legs = {{.book = BOOK, .side = SIDE_DEBIT, .account_id = 100, .amount = AMOUNT},
                 {.book = BOOK, .side = SIDE_CREDIT, .account_id = 1, .amount = AMOUNT}},
    };
    run(world, entry_schema_entry_post.number, &entry, sizeof entry, 1);
    for (u32 i = 0; i < YEAR_DAYS; i++) {
        const struct day_close close = {.entity_id = 1, .day = FIRST_DAY + (i32)i};
        run(world, entity_schema_day_close.number, &close, sizeof close, 1);
    }
}

// However many months are behind, a command looks at so much and tells where to go on.
static void test_a_closing_of_a_year_looks_at_so_much(void **state)
{
    (void)state;
    static struct command_world world;
    struct genesis genesis = command_world_genesis();
    genesis.accounts_max = 2 * YEAR_ACCOUNTS;
    command_world_init(&world, &genesis);
    found(&world);
    year_found(&world);
    struct year_close close = {
        .entry_id = 3, .book = BOOK, .day = MONTH_END, .retained_account = 3};
    const u64 accounts = YEAR_ACCOUNTS + 4; // Two, the retained earnings, suspense.
    u32 commands = 1;
    for (;; commands++) {
        assert_int_equal(command_world_run(&world, 1000000 + commands,
                                           (u16)entry_schema_year_close.number, &close,
                                           sizeof close, 1),
                         1);
        const struct command_reply reply = command_world_reply(&world, 0);
        if (reply.result == MODULE_DONE) break;
        assert_int_equal(reply.result, ENTRY_NOTHING_TO_CLOSE);
        const u64 looked = (u64)reply.evidence[0] - close.skip;
        assert_true(looked > 0 && looked * (1 + MONTHS_BEHIND) < LOOKS_MAX + 1 + MONTHS_BEHIND);
        assert_int_equal(reply.evidence[0] + reply.evidence[1], accounts);
        assert_true(reply.evidence[1] > 0);
        close.skip = (u32)reply.evidence[0];
    }
    assert_int_equal(commands, 3);
    command_world_free(&world);
}

#define CLOSED_MAX 255u // Accounts that one command closes.
#define CLOSED_ALL 300u
#define NEWEST     (100u + YEAR_ACCOUNTS + YEAR_ACCOUNTS / 2 - 1) // The id of the last account.

// Posts an expense of the year to `count` accounts, from the one of an id downwards.
static void expenses_post(struct command_world *world, u128 entry_id, u32 newest, u32 count)
{
    static struct {
        struct entry_post post;
        struct entry_leg legs[CLOSED_ALL];
    } entry;
    assert_true(count < CLOSED_MAX);
    entry.post =
        (struct entry_post){.entry_id = entry_id, .day = MONTH_END, .legs_count = (u16)(count + 1)};
    for (u32 i = 0; i < count; i++) {
        entry.legs[i] = (struct entry_leg){
            .book = BOOK, .side = SIDE_DEBIT, .account_id = newest - i, .amount = AMOUNT};
    }
    entry.legs[count] = (struct entry_leg){
        .book = BOOK, .side = SIDE_CREDIT, .account_id = 1, .amount = count * AMOUNT};
    run(world, entry_schema_entry_post.number, &entry,
        (u32)(sizeof entry.post + (count + 1) * sizeof *entry.legs), 1);
}

// What is debited to retained earnings once so many commands have closed what they could.
static u128 retained_debits(struct command_world *world, u128 entry_id)
{
    const struct year_close close = {
        .entry_id = entry_id, .book = BOOK, .day = MONTH_END, .retained_account = 3};
    run(world, entry_schema_year_close.number, &close, sizeof close, 1);
    const struct ledger *ledger = &world->node.machine.ledger;
    const u32 row = ledger_class_account_row(ledger, BOOK, 3);
    return ledger_account(ledger, row)->debits_posted;
}

static void test_a_command_closes_so_many_accounts(void **state)
{
    (void)state;
    static struct command_world world;
    struct genesis genesis = command_world_genesis();
    genesis.accounts_max = 2 * YEAR_ACCOUNTS;
    command_world_init(&world, &genesis);
    found(&world);
    year_found(&world);
    expenses_post(&world, 10, NEWEST, CLOSED_ALL / 2);
    expenses_post(&world, 11, NEWEST - CLOSED_ALL / 2, CLOSED_ALL / 2);
    assert_true(retained_debits(&world, 20) == CLOSED_MAX * AMOUNT);
    assert_true(retained_debits(&world, 21) == CLOSED_ALL * AMOUNT);
    command_world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_code_is_left_out),
        cmocka_unit_test(test_a_far_month_opens_with_all_that_was),
        cmocka_unit_test(test_a_closing_of_a_year_looks_at_so_much),
        cmocka_unit_test(test_a_command_closes_so_many_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
