// SPDX-License-Identifier: Apache-2.0
//
// The past beside a list of everything that moved: balances, trial balances and statements at
// random positions, times and effective days, over days and periods that close, starts, segments
// that are sealed, raw holds that are posted, voided and expire.
//
// The list has what each command asked for, leg by leg, when the machine said that it was done. A
// balance is its sum.
#include "base/random.h"
#include "base/words.h"
#include "machine/command_world.h"
#include "modules/book/book.h"
#include "modules/entity/entity.h"
#include "modules/entry/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FIRST_DAY      20454 // 2026-01-01, a Thursday.
#define ENTITIES       2u
#define BOOKS          3u // The first two of the first entity.
#define ACCOUNTS       4u // Of each book, and of the raw number.
#define RAW_NUMBER     9u
#define STEPS          1500u
#define MOVES_MAX      20000u
#define QUESTIONS      120u
#define ASK_EVERY      300u
#define LEGS_MAX       6u
#define HOLDS_MAX      32u
#define VIEWS_MAX      4096u
#define ACCOUNTS_TOTAL ((BOOKS + 1) * ACCOUNTS)

// What one command did to one account.
struct move {
    u32 account; // Index.
    i32 day;     // 0 of a raw one.
    u64 position;
    u64 end; // The machine's time behind the command.
    u128 id;
    u128 order_id;
    u128 debit;
    u128 credit;
    i128 held_debit;
    i128 held_credit;
};

struct open_hold {
    u128 id;
    u32 debit;
    u32 credit;
    u128 amount;
    u64 expires_at; // 0 never.
};

struct past {
    struct command_world world;
    struct random random;
    u64 seed;
    u128 next_id;
    i32 day[ENTITIES]; // Open.
    i32 closed[ENTITIES];
    struct move *moves;
    u32 move_count;
    struct open_hold holds[HOLDS_MAX];
    u32 hold_count;
    u8 *views;
    u32 view_count;
    u64 questions;
    u64 dated;    // Entries that were dated back.
    u64 lines;    // Of statements by day that were.
    bool is_busy; // Entries are posted between the pages of an answer.
};

static u32 entity_of(u32 book)
{
    return book < 2 ? 0 : 1;
}
static u32 number_of(u32 account)
{
    return account / ACCOUNTS == BOOKS ? RAW_NUMBER : 100 + account / ACCOUNTS;
}
static u128 id_of(u32 account)
{
    return 1000 + account;
}

static void differs(const struct past *past, const char *what)
{
    (void)fprintf(stderr, "seed %llu, position %llu: %s\n", (unsigned long long)past->seed,
                  (unsigned long long)past->world.node.machine.position, what);
    fail();
}

// --- commands ------------------------------------------------------------------------------------

static u32 command(struct past *past, u16 record, const void *body, u32 size)
{
    (void)command_world_run(&past->world, past->next_id++, record, body, size, 1);
    return command_world_reply(&past->world, 0).result;
}

static void must(struct past *past, u16 record, const void *body, u32 size)
{
    if (command(past, record, body, size) != MODULE_DONE) differs(past, "a command is refused");
}

static void found(struct past *past)
{
    const struct calendar_open calendar = {.calendar = "HK", .weekend = 96};
    must(past, 0x0202, &calendar, sizeof calendar);
    for (u32 i = 0; i < ENTITIES; i++) {
        struct entity_open entity = {.entity_id = i + 1,
                                     .name = "trading",
                                     .jurisdiction = "HK",
                                     .currency = "HKD",
                                     .day = FIRST_DAY};
        // The second one has business on all days.
        if (i == 0) memcpy(entity.calendar, "HK", 2);
        must(past, 0x0201, &entity, sizeof entity);
        past->day[i] = FIRST_DAY;
        past->closed[i] = FIRST_DAY - 1;
    }
    const struct asset_open asset = {.asset = "HKD", .kind = ASSET_CURRENCY, .scale = 2};
    must(past, 0x0301, &asset, sizeof asset);
    const struct chart_add code = {.chart = 1, .code = 10, .kind = KIND_ASSET, .name = "bank"};
    must(past, 0x0302, &code, sizeof code);
    for (u32 i = 0; i < BOOKS; i++) {
        const struct book_open book = {.book = 100 + i,
                                       .chart = 1,
                                       .entity_id = entity_of(i) + 1,
                                       .asset = "HKD",
                                       .name = "main"};
        must(past, 0x0303, &book, sizeof book);
        for (u32 j = 0; j < ACCOUNTS; j++) {
            const struct book_account_open account = {
                .account_id = id_of(i * ACCOUNTS + j), .book = 100 + i, .code = 10, .name = "bank"};
            must(past, 0x0304, &account, sizeof account);
        }
    }
    struct account raw[ACCOUNTS] = {0};
    struct create_result results[ACCOUNTS];
    for (u32 i = 0; i < ACCOUNTS; i++) {
        raw[i].id = id_of(BOOKS * ACCOUNTS + i);
        raw[i].ledger = RAW_NUMBER;
        raw[i].code = 1;
    }
    command_world_create(&past->world, COMPAT_CREATE_ACCOUNTS, raw, ACCOUNTS, results);
}

static struct move *move_add(struct past *past, u32 account, i32 day, u128 id)
{
    assert_true(past->move_count < MOVES_MAX);
    struct move *move = &past->moves[past->move_count++];
    *move = (struct move){.account = account, .day = day, .id = id};
    move->position = past->world.node.machine.position;
    move->end = past->world.node.machine.timestamp;
    return move;
}

static u32 below(struct past *past, u32 limit)
{
    return (u32)random_below(&past->random, limit);
}

// An entry of the books of one entity or of both, mostly of the open day.
static void step_entry(struct past *past)
{
    _Alignas(16) u8 body[sizeof(struct entry_post) + LEGS_MAX * sizeof(struct entry_leg)];
    struct entry_post post = {.entry_id = past->next_id++, .order_id = below(past, 5)};
    struct entry_leg legs[LEGS_MAX] = {0};
    u32 accounts[LEGS_MAX];
    const u32 pairs = 1 + below(past, LEGS_MAX / 2);
    for (u32 i = 0; i < pairs; i++) {
        const u32 book = below(past, BOOKS);
        const u128 amount = 1 + below(past, 1000);
        const u32 debit = below(past, ACCOUNTS);
        const u32 credit = (debit + 1 + below(past, ACCOUNTS - 1)) % ACCOUNTS;
        for (u32 j = 0; j < 2; j++) {
            struct entry_leg *leg = &legs[2 * i + j];
            accounts[2 * i + j] = book * ACCOUNTS + (j == 0 ? debit : credit);
            leg->book = 100 + book;
            leg->side = (u8)(j == 0 ? SIDE_DEBIT : SIDE_CREDIT);
            leg->account_id = id_of(accounts[2 * i + j]);
            leg->amount = amount;
        }
    }
    if (below(past, 3) == 0) post.day = past->day[0] - (i32)below(past, 12);
    post.legs_count = (u16)(2 * pairs);
    memcpy(body, &post, sizeof post);
    memcpy(body + sizeof post, legs, 2 * pairs * sizeof legs[0]);
    const u32 size = (u32)(sizeof post + 2 * pairs * sizeof legs[0]);
    if (command(past, 0x0401, body, size) != MODULE_DONE) return; // A closed period, itself.
    past->dated += post.day != 0;
    for (u32 i = 0; i < 2 * pairs; i++) {
        const u32 entity = entity_of(accounts[i] / ACCOUNTS);
        struct move *move = move_add(past, accounts[i],
                                     post.day == 0 ? past->day[entity] : post.day, post.entry_id);
        if (legs[i].side == SIDE_DEBIT) move->debit = legs[i].amount;
        else move->credit = legs[i].amount;
        move->order_id = post.order_id;
    }
}

static void step_day(struct past *past)
{
    const u32 entity = below(past, ENTITIES);
    const struct day_close close = {.entity_id = entity + 1, .day = past->day[entity]};
    must(past, 0x0204, &close, sizeof close);
    past->day[entity]++;
    // 1970-01-01 was a Thursday.
    while (entity == 0 && (past->day[0] + 3) % 7 >= 5) past->day[0]++;
    if (below(past, 4) != 0) return;
    const i32 open = past->day[entity] - past->closed[entity] - 1;
    if (open <= 0) return;
    const struct period_close period = {
        .entity_id = entity + 1, .through = past->closed[entity] + 1 + (i32)below(past, (u32)open)};
    must(past, 0x0205, &period, sizeof period);
    past->closed[entity] = period.through;
}

static void hold_end(struct past *past, u32 index, u128 id, u128 posted)
{
    const struct open_hold hold = past->holds[index];
    struct move *debit = move_add(past, hold.debit, 0, id);
    struct move *credit = move_add(past, hold.credit, 0, id);
    debit->held_debit = -(i128)hold.amount;
    debit->debit = posted;
    credit->held_credit = -(i128)hold.amount;
    credit->credit = posted;
    past->holds[index] = past->holds[--past->hold_count];
}

// A raw transfer: of one phase, a hold, its post or its void.
static void step_raw(struct past *past)
{
    const u32 debit = BOOKS * ACCOUNTS + below(past, ACCOUNTS);
    const u32 first = BOOKS * ACCOUNTS;
    const u32 credit = first + (debit - first + 1 + below(past, ACCOUNTS - 1)) % ACCOUNTS;
    struct transfer transfer = {.id = past->next_id++,
                                .debit_account_id = id_of(debit),
                                .credit_account_id = id_of(credit),
                                .amount = 1 + below(past, 1000),
                                .ledger = RAW_NUMBER,
                                .code = 1};
    const u32 kind = below(past, 4);
    const u32 index = past->hold_count == 0 ? 0 : below(past, past->hold_count);
    const bool ends = kind >= 2 && past->hold_count > 0;
    if (ends) {
        transfer.pending_id = past->holds[index].id;
        transfer.flags = kind == 2 ? TRANSFER_POST_PENDING : TRANSFER_VOID_PENDING;
        transfer.amount = kind == 2 ? 1 : 0;
        transfer.debit_account_id = 0;
        transfer.credit_account_id = 0;
        transfer.ledger = 0;
        transfer.code = 0;
    } else if (kind == 1 && past->hold_count < HOLDS_MAX) {
        transfer.flags = TRANSFER_PENDING;
        transfer.timeout = below(past, 3);
    }
    struct create_result result;
    command_world_create(&past->world, COMPAT_CREATE_TRANSFERS, &transfer, 1, &result);
    if (result.status != U32_MAX) differs(past, "a raw transfer is refused");
    if (ends) {
        hold_end(past, index, transfer.id, transfer.amount);
        return;
    }
    struct move *left = move_add(past, debit, 0, transfer.id);
    struct move *right = move_add(past, credit, 0, transfer.id);
    if (transfer.flags == 0) {
        left->debit = transfer.amount;
        right->credit = transfer.amount;
        return;
    }
    left->held_debit = (i128)transfer.amount;
    right->held_credit = (i128)transfer.amount;
    past->holds[past->hold_count++] = (struct open_hold){
        .id = transfer.id,
        .debit = debit,
        .credit = credit,
        .amount = transfer.amount,
        .expires_at =
            transfer.timeout == 0 ? 0 : result.timestamp + transfer.timeout * 1000000000ull,
    };
}

// Time passes; what is due expires.
static void step_tick(struct past *past)
{
    past->world.timestamp += below(past, 1500) * 1000000ull;
    command_world_tick(&past->world, 0);
    for (u32 i = past->hold_count; i-- > 0;) {
        const struct open_hold hold = past->holds[i];
        if (hold.expires_at == 0 || hold.expires_at > past->world.timestamp) continue;
        hold_end(past, i, hold.id, 0);
    }
}

// --- the list's answers --------------------------------------------------------------------------

// What is known, and up to which effective day it counts.
struct moment {
    u64 position; // U64_MAX: all.
    u64 time;
    i32 day_max;
};

struct sums {
    u128 debit;
    u128 credit;
    i128 held_debit;
    i128 held_credit;
};

static bool counts(const struct move *move, u32 account, const struct moment *moment)
{
    return move->account == account && move->position <= moment->position &&
           move->end <= moment->time && move->day <= moment->day_max;
}

static struct sums sums_at(const struct past *past, u32 account, const struct moment *moment)
{
    struct sums sums = {0};
    for (u32 i = 0; i < past->move_count; i++) {
        const struct move *move = &past->moves[i];
        if (!counts(move, account, moment)) continue;
        sums.debit += move->debit;
        sums.credit += move->credit;
        sums.held_debit += move->held_debit;
        sums.held_credit += move->held_credit;
    }
    return sums;
}

// --- questions -----------------------------------------------------------------------------------

// Asks for all pages, `room` bytes each; the views are in past->views.
static void ask(struct past *past, const struct schema_record *question, const void *body, u32 room,
                u32 view_size)
{
    struct module_answer answer = {.looks_max = (u32)below(past, 8)};
    past->view_count = 0;
    for (u32 page = 0; page < VIEWS_MAX; page++) {
        const u32 result = command_world_ask(&past->world, question, body, room, &answer);
        if (result != MODULE_DONE) {
            (void)fprintf(stderr, "%s: result %u\n", question->name, result);
            differs(past, "a question is refused");
        }
        assert_true(past->view_count + answer.count <= VIEWS_MAX);
        memcpy(past->views + (size_t)past->view_count * view_size, past->world.views, answer.size);
        past->view_count += answer.count;
        if (is_zero(answer.cursor, sizeof answer.cursor)) return;
        if (past->is_busy) step_entry(past);
    }
    differs(past, "an answer has no end");
}

// Some moment of the past, known by a position, by a time, or now.
static struct moment moment_any(struct past *past)
{
    struct moment moment = {.position = U64_MAX, .time = U64_MAX, .day_max = INT32_MAX};
    const struct move *move = &past->moves[below(past, past->move_count)];
    const u32 kind = below(past, 3);
    if (kind == 1) moment.position = move->position - below(past, 2);
    if (kind == 2) moment.time = move->end;
    return moment;
}

static void balance_compare(const struct past *past, u32 account, const struct moment *moment,
                            const struct trial_balance_row *view)
{
    const struct sums sums = sums_at(past, account, moment);
    if (view->account_id != id_of(account)) differs(past, "the balance of another account");
    if (view->debits_posted == sums.debit && view->credits_posted == sums.credit &&
        view->debits_pending == (u128)sums.held_debit &&
        view->credits_pending == (u128)sums.held_credit) {
        return;
    }
    (void)fprintf(stderr,
                  "account %u, position %llu, time %llu, day %d: %llu - %llu, expected %llu - "
                  "%llu\n",
                  account, (unsigned long long)moment->position, (unsigned long long)moment->time,
                  moment->day_max, (unsigned long long)view->debits_posted,
                  (unsigned long long)view->credits_posted, (unsigned long long)sums.debit,
                  (unsigned long long)sums.credit);
    differs(past, "another balance");
}

static u64 as_asked(u64 value)
{
    return value == U64_MAX ? 0 : value;
}

static i32 day_any(struct past *past)
{
    return FIRST_DAY - 3 + (i32)below(past, (u32)(past->day[0] - FIRST_DAY) + 6);
}

static void try_balance(struct past *past)
{
    const u32 account = below(past, ACCOUNTS_TOTAL);
    struct moment moment = moment_any(past);
    struct balance question = {.account_id = id_of(account),
                               .book = number_of(account),
                               .position = as_asked(moment.position),
                               .time = as_asked(moment.time)};
    if (account < BOOKS * ACCOUNTS && below(past, 3) > 0) {
        question.day = day_any(past);
        moment.day_max = question.day;
    }
    ask(past, &book_schema_balance, &question, 4096, sizeof(struct trial_balance_row));
    assert_int_equal(past->view_count, 1);
    balance_compare(past, account, &moment, (const void *)past->views);
}

static void try_trial_balance(struct past *past)
{
    const u32 book = below(past, BOOKS);
    struct moment moment = moment_any(past);
    struct trial_balance question = {
        .book = 100 + book, .position = as_asked(moment.position), .time = as_asked(moment.time)};
    if (below(past, 3) > 0) {
        question.day = day_any(past);
        moment.day_max = question.day;
    }
    // All pages show what the first one does, whatever is posted meanwhile.
    moment.position = MIN(moment.position, past->world.node.machine.position);
    past->is_busy = true;
    ask(past, &book_schema_trial_balance, &question, below(past, 2) == 0 ? 450 : 8192,
        sizeof(struct trial_balance_row));
    past->is_busy = false;
    assert_int_equal(past->view_count, ACCOUNTS + 1); // And the suspense account.
    const struct trial_balance_row *views = (const void *)past->views;
    u128 debits = 0;
    u128 credits = 0;
    for (u32 i = 0; i < ACCOUNTS; i++) {
        balance_compare(past, book * ACCOUNTS + ACCOUNTS - 1 - i, &moment, &views[i]);
        debits += views[i].debit;
        credits += views[i].credit;
    }
    if (debits != credits) differs(past, "a trial balance does not balance");
}

// Whether a move is one that a statement has: of the moment, but not of the one before it.
static bool is_within(const struct move *move, u32 account, const struct moment *before,
                      const struct moment *moment)
{
    return counts(move, account, moment) && !counts(move, account, before);
}

// Every entry of the list has a line, on its day, and every line an entry.
static void lines_compare(const struct past *past, u32 account, const struct moment *before,
                          const struct moment *moment)
{
    const struct statement_line *lines = (const void *)past->views;
    const u32 count = past->view_count;
    for (u32 i = 0; i < past->move_count; i++) {
        const struct move *move = &past->moves[i];
        if (!is_within(move, account, before, moment)) continue;
        bool is_found = false;
        for (u32 j = 1; j + 1 < count && !is_found; j++) {
            is_found = lines[j].entry_id == move->id && lines[j].day == move->day;
        }
        if (!is_found) differs(past, "a statement lacks a line");
    }
    for (u32 j = 1; j + 1 < count; j++) {
        bool is_found = false;
        for (u32 i = 0; i < past->move_count && !is_found; i++) {
            is_found = lines[j].entry_id == past->moves[i].id &&
                       is_within(&past->moves[i], account, before, moment);
        }
        if (!is_found) differs(past, "a statement has a line too many");
    }
}

// Lines follow from each other, in their order, and begin and end as the list says.
static void statement_compare(const struct past *past, u32 account, bool by_day,
                              const struct moment *before, const struct moment *moment)
{
    const struct statement_line *lines = (const void *)past->views;
    const u32 count = past->view_count;
    const struct sums opening = sums_at(past, account, before);
    const struct sums closing = sums_at(past, account, moment);
    u128 debit = opening.debit;
    u128 credit = opening.credit;
    assert_true(count >= 2);
    assert_int_equal(lines[0].kind, STATEMENT_OPENING);
    assert_int_equal(lines[count - 1].kind, STATEMENT_CLOSING);
    for (u32 i = 0; i < count; i++) {
        debit += lines[i].debit;
        credit += lines[i].credit;
        // Modulo 2^128.
        if (lines[i].balance_debit - lines[i].balance_credit != debit - credit) {
            differs(past, "a line has another balance");
        }
        if (i < 2 || i + 1 == count) continue;
        const bool same = lines[i - 1].day == lines[i].day || !by_day;
        const bool follows = (same && lines[i - 1].row < lines[i].row) ||
                             (by_day && lines[i - 1].day < lines[i].day);
        if (!follows) differs(past, "lines out of order");
    }
    if (debit != closing.debit || credit != closing.credit) {
        differs(past, "a statement has another sum");
    }
    if (lines[count - 1].debits_pending != (u128)closing.held_debit ||
        lines[count - 1].credits_pending != (u128)closing.held_credit) {
        differs(past, "a statement ends with other holds");
    }
    lines_compare(past, account, before, moment);
}

static u32 room_any(struct past *past)
{
    return (u32)sizeof(struct statement_line) * (1 + below(past, 40));
}

static void try_statement_by_day(struct past *past)
{
    const u32 account = below(past, BOOKS * ACCOUNTS);
    struct moment moment = moment_any(past);
    const u64 asked = moment.position;
    moment.position = MIN(asked, past->world.node.machine.position);
    struct moment before = moment;
    const i32 from = day_any(past);
    const i32 to = day_any(past);
    moment.day_max = MAX(from, to);
    before.day_max = from - 1;
    const struct statement question = {.account_id = id_of(account),
                                       .book = number_of(account),
                                       .from_day = from,
                                       .to_day = moment.day_max,
                                       .position = as_asked(asked),
                                       .time = as_asked(moment.time)};
    past->is_busy = true;
    ask(past, &book_schema_statement, &question, room_any(past), sizeof(struct statement_line));
    past->is_busy = false;
    past->lines += past->view_count - 2;
    statement_compare(past, account, true, &before, &moment);
}

static void try_statement_by_time(struct past *past)
{
    const u32 account = below(past, ACCOUNTS_TOTAL);
    const u64 one = past->moves[below(past, past->move_count)].end;
    // Up to some moment, or to a time that never comes.
    const bool is_open = below(past, 4) == 0;
    const u64 other =
        is_open ? U64_MAX - below(past, 2) : past->moves[below(past, past->move_count)].end;
    const struct moment before = {
        .position = U64_MAX, .time = MIN(one, other), .day_max = INT32_MAX};
    const struct moment moment = {
        .position = U64_MAX, .time = MAX(one, other), .day_max = INT32_MAX};
    const struct statement question = {.account_id = id_of(account),
                                       .book = number_of(account),
                                       .from_time = before.time + 1,
                                       .to_time = moment.time};
    if (one == other) return;
    ask(past, &book_schema_statement, &question, room_any(past), sizeof(struct statement_line));
    statement_compare(past, account, false, &before, &moment);
}

// 2026 by months, until the middle of it.
static u32 month_of(i32 day)
{
    static const i32 days[] = {31, 28, 31, 30, 31, 30};
    u32 month = 0;
    for (i32 left = day - FIRST_DAY; left >= days[month]; month++) left -= days[month];
    return month;
}

// What the list has of an account, or of a whole book, in some months.
static struct sums turnover_at(const struct past *past, u32 account, bool of_book, u32 from, u32 to)
{
    struct sums sums = {0};
    for (u32 i = 0; i < past->move_count; i++) {
        const struct move *move = &past->moves[i];
        const bool is_its =
            of_book ? move->account / ACCOUNTS == account / ACCOUNTS : move->account == account;
        if (!is_its || move->day == 0) continue;
        if (month_of(move->day) < from || month_of(move->day) > to) continue;
        sums.debit += move->debit;
        sums.credit += move->credit;
    }
    return sums;
}

static void turnover_compare(const struct past *past, u32 account, bool of_book, u32 from, u32 to,
                             const struct turnover_row *row)
{
    const struct sums within = turnover_at(past, account, of_book, from, to);
    const struct sums closing = turnover_at(past, account, of_book, 0, to);
    const struct sums before = turnover_at(past, account, of_book, 0, from - 1);
    const u128 opening = from == 0 ? 0 : before.debit - before.credit;
    if (row->debits != within.debit || row->credits != within.credit ||
        row->opening_debit - row->opening_credit != opening ||
        row->closing_debit - row->closing_credit != closing.debit - closing.credit) {
        differs(past, "another turnover");
    }
}

static void try_turnover(struct past *past)
{
    const u32 book = below(past, BOOKS);
    const u32 open = month_of(past->day[entity_of(book)]);
    const u32 from = below(past, open + 1);
    const u32 to = from + below(past, open + 1 - from);
    struct turnover_list question = {.book = 100 + book,
                                     .from_day = FIRST_DAY + 7 + 31 * (i32)from,
                                     .to_day = FIRST_DAY + 7 + 31 * (i32)to,
                                     .group = TURNOVER_BY_ACCOUNT};
    assert_int_equal(month_of(question.from_day), from);
    const struct turnover_row *rows = (const void *)past->views;
    ask(past, &book_schema_turnover_list, &question, 500, sizeof *rows);
    assert_int_equal(past->view_count, ACCOUNTS + 1);
    for (u32 i = 0; i < ACCOUNTS; i++) {
        turnover_compare(past, book * ACCOUNTS + ACCOUNTS - 1 - i, false, from, to, &rows[i]);
    }
    // All accounts have one code, and what a book debits it credits.
    for (u32 group = TURNOVER_BY_CODE; group <= TURNOVER_BY_BOOK; group++) {
        question.group = (u8)group;
        ask(past, &book_schema_turnover_list, &question, 4096, sizeof *rows);
        assert_int_equal(past->view_count, group == TURNOVER_BY_BOOK ? 1 : 2);
        turnover_compare(past, book * ACCOUNTS, true, from, to, &rows[0]);
    }
}

static void try_reference(struct past *past)
{
    const struct reference_turnover question = {.order_id = 1 + below(past, 4),
                                                .book = 100 + below(past, BOOKS),
                                                .to_time = 0 - (u64)below(past, 3)};
    u128 expected = 0;
    for (u32 i = 0; i < past->move_count; i++) {
        const struct move *move = &past->moves[i];
        const bool is_its = number_of(move->account) == question.book && move->day != 0;
        if (is_its && move->order_id == question.order_id) expected += move->debit;
    }
    ask(past, &book_schema_reference_turnover, &question, 4096,
        sizeof(struct reference_turnover_row));
    const struct reference_turnover_row *rows = (const void *)past->views;
    if (rows[past->view_count - 1].amount != expected) differs(past, "another sum of an order");
}

// What has not happened yet is not told, whatever it may be later.
static void try_the_future(struct past *past)
{
    const struct machine *machine = &past->world.node.machine;
    struct module_answer answer = {0};
    struct balance question = {.account_id = id_of(0), .book = number_of(0)};
    question.position = machine->position + 1;
    assert_int_equal(
        command_world_ask(&past->world, &book_schema_balance, &question, 4096, &answer),
        MODULE_IN_THE_FUTURE);
    assert_true(answer.evidence[0] == machine->position + 1);
    assert_true(answer.evidence[1] == machine->position);
    question.position = machine->position;
    question.time = machine->timestamp + 1;
    assert_int_equal(
        command_world_ask(&past->world, &book_schema_balance, &question, 4096, &answer),
        MODULE_IN_THE_FUTURE);
    assert_true(answer.evidence[0] == machine->timestamp + 1);
    assert_true(answer.evidence[1] == machine->timestamp);
}

static void questions_try(struct past *past)
{
    try_the_future(past);
    for (u32 i = 0; i < QUESTIONS; i++) {
        switch (below(past, 6)) {
        case 4: try_turnover(past); break;
        case 5: try_reference(past); break;
        case 0: try_balance(past); break;
        case 1: try_trial_balance(past); break;
        case 2: try_statement_by_day(past); break;
        default: try_statement_by_time(past); break;
        }
        past->questions++;
    }
}

// --- runs ----------------------------------------------------------------------------------------

static void run_seed(struct past *past, u64 seed)
{
    const struct genesis genesis = command_world_genesis();
    command_world_init(&past->world, &genesis);
    random_init(&past->random, seed);
    past->seed = seed;
    past->next_id = 1;
    past->move_count = 0;
    past->hold_count = 0;
    found(past);
    step_raw(past);
    for (u32 i = 1; i <= STEPS; i++) {
        const u32 kind = below(past, 100);
        if (kind < 60) step_entry(past);
        else if (kind < 75) step_raw(past);
        else if (kind < 83) step_tick(past);
        else if (kind < 86) step_day(past);
        else if (kind == 86 && !command_world_restart_from_checkpoint(&past->world)) {
            differs(past, "another state behind a start");
        }
        // No port logs a command without a body, but the machine refuses it, which leaves rows.
        else if (kind < 90 && command(past, 0x0401, "", 0) != MODULE_MALFORMED) {
            differs(past, "a command without a body is carried out");
        }
        if (i % ASK_EVERY == 0) questions_try(past);
    }
    command_world_free(&past->world);
}

static void test_the_past_is_what_it_was(void **state)
{
    const u64 *seeds = *state;
    struct past *past = calloc(1, sizeof *past);
    assert_non_null(past);
    past->moves = calloc(MOVES_MAX, sizeof *past->moves);
    const size_t views_size = VIEWS_MAX * sizeof(struct statement_line);
    past->views = calloc(views_size, 1);
    assert_true(past->moves != NULL && past->views != NULL);
    for (u64 seed = seeds[0]; seed < seeds[1]; seed++) run_seed(past, seed);
    if (seeds[1] - seeds[0] > 1) { // What it is for did happen.
        assert_true(past->dated > STEPS / 10);
        assert_true(past->lines > QUESTIONS);
    }
    free(past->views);
    free(past->moves);
    free(past);
}

int main(int argc, char **argv)
{
    u64 seeds[2] = {1, 5};
    if (argc > 1) {
        seeds[0] = word_number(argc, argv, 1, 1, "machine-past [SEED]");
        seeds[1] = seeds[0] + 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_the_past_is_what_it_was, seeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
