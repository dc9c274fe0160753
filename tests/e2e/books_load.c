// SPDX-License-Identifier: Apache-2.0
//
// A load of modules' commands of which the truth is known.
#include "books_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <tael_records.h>

#define BOOK       900u
#define WAIT_MS    5u
#define SETUP_SIDE 2u

struct entry {
    struct tael_entry_post head;
    struct tael_entry_leg legs[2];
};
static_assert(sizeof(struct entry) <= sizeof((struct books_slot *)NULL)->body, "it fits");

static _Noreturn void die(const struct books_load *books, const char *what)
{
    (void)fprintf(stderr, "books: %s: %s\n", what, tael_problem(books->client));
    exit(1);
}

void books_load_init(struct books_load *books, const char *address)
{
    *books = (struct books_load){0};
    (void)snprintf(books->address, sizeof books->address, "%s", address);
    const struct tael_options options = {.address = books->address,
                                         .open_max = BOOKS_LOAD_IN_FLIGHT + 1,
                                         .turned_away_max = 1000000};
    books->client = tael_open(&options);
    if (books->client == NULL) load_die("no client", NULL);
    for (u32 i = 0; i < BOOKS_LOAD_IN_FLIGHT; i++) books->slots[i].books = books;
}

void books_load_free(struct books_load *books)
{
    tael_close(books->client);
}

// One command of the set-up, which must be carried out.
static void command_do(struct books_load *books, u32 record, const void *body, u32 size)
{
    struct tael_answer answer;
    const struct tael_command command = {.id = tael_id(books->client),
                                         .record = record,
                                         .version = 1,
                                         .count = 1,
                                         .body = body,
                                         .body_size = size};
    if (tael_command(books->client, &command, LOAD_TIMEOUT_NS / NS_PER_MS, &answer) != TAEL_OK) {
        die(books, "setting up");
    }
    if (answer.result != TAEL_RESULT_DONE || answer.replies[0].result != TAEL_RECORD_DONE) {
        (void)fprintf(stderr, "books: record %x: result %u, %u\n", record, (u32)answer.result,
                      answer.result == TAEL_RESULT_DONE ? answer.replies[0].result : 0);
        exit(1);
    }
}

void books_load_set_up(struct books_load *books)
{
    if (books->is_set_up) return;
    books->is_set_up = true;
    const struct tael_entity_open entity = {.entity_id = {1, 0},
                                            .name = "books",
                                            .jurisdiction = "HK",
                                            .currency = "HKD",
                                            .day = 20000};
    const struct tael_asset_open asset = {.asset = "HKD", .kind = 1, .scale = 2};
    const struct tael_chart_add codes[] = {{.chart = 1, .code = 1000, .kind = 1, .name = "bank"},
                                           {.chart = 1, .code = 2000, .kind = 2, .name = "due"}};
    const struct tael_book_open book = {
        .book = BOOK, .chart = 1, .entity_id = {1, 0}, .asset = "HKD", .name = "book"};
    command_do(books, TAEL_RECORD_ENTITY_OPEN, &entity, sizeof entity);
    command_do(books, TAEL_RECORD_ASSET_OPEN, &asset, sizeof asset);
    for (u32 i = 0; i < SETUP_SIDE; i++) {
        command_do(books, TAEL_RECORD_CHART_ADD, &codes[i], sizeof codes[i]);
    }
    command_do(books, TAEL_RECORD_BOOK_OPEN, &book, sizeof book);
    for (u32 i = 0; i < SETUP_SIDE; i++) {
        struct tael_book_account_open account = {
            .account_id = {i + 1, 0}, .book = BOOK, .code = (u16)(1000 * (i + 1)), .name = "a"};
        account.name[0] = (char)('a' + i);
        command_do(books, TAEL_RECORD_BOOK_ACCOUNT_OPEN, &account, sizeof account);
    }
}

// --- entries -------------------------------------------------------------------------------------

static void entry_submit(struct books_slot *slot);

static void entry_answered(void *context, const struct tael_answer *answer)
{
    struct books_slot *slot = context;
    struct books_load *books = slot->books;
    if (answer->error != TAEL_OK || answer->result != TAEL_RESULT_DONE) die(books, "an entry");
    // One that took effect before, under another command, would be told so.
    if (answer->replies[0].result != TAEL_RECORD_DONE) {
        (void)fprintf(stderr, "books: an entry: result %u\n", answer->replies[0].result);
        exit(1);
    }
    books->answered++;
    u128 id = 0;
    memcpy(&id, slot->body, sizeof id); // It is the first of an entry's fields.
    books->moved_answered += 1 + (u64)id % 97;
    books->timestamp = MAX(books->timestamp, answer->replies[0].timestamp);
    memset(slot->body, 0, sizeof slot->body);
    if (!books->is_held) entry_submit(slot);
}

static void entry_submit(struct books_slot *slot)
{
    struct books_load *books = slot->books;
    const u64 id = ++books->submitted;
    const u64 amount = 1 + id % 97;
    struct entry entry = {.head = {.entry_id = {id, 0}, .legs_count = 2},
                          .legs = {{.book = BOOK, .side = 1, .account_id = {1, 0}},
                                   {.book = BOOK, .side = 2, .account_id = {2, 0}}}};
    for (u32 i = 0; i < 2; i++) entry.legs[i].amount = (struct tael_u128){amount, 0};
    memcpy(slot->body, &entry, sizeof entry);
    books->moved += amount;
    const struct tael_command command = {.id = tael_id(books->client),
                                         .record = TAEL_RECORD_ENTRY_POST,
                                         .version = 1,
                                         .count = 1,
                                         .body = slot->body,
                                         .body_size = sizeof entry};
    if (tael_submit_command(books->client, &command, TAEL_FOREVER, entry_answered, slot, NULL) !=
        TAEL_OK) {
        die(books, "submitting");
    }
}

void books_load_step(struct books_load *books)
{
    books->is_held = false;
    for (u32 i = 0; i < BOOKS_LOAD_IN_FLIGHT; i++) {
        if (is_zero(books->slots[i].body, sizeof books->slots[i].body)) {
            entry_submit(&books->slots[i]);
        }
    }
    if (tael_step(books->client) != TAEL_OK) die(books, "the client");
}

void books_load_run(struct books_load *books, u64 until)
{
    do {
        books_load_step(books);
        if (tael_wait(books->client, 1) != TAEL_OK) die(books, "the client");
    } while (tael_now() < until);
}

static void balance_check(struct books_load *books, u64 account, u128 least)
{
    struct tael_answer answer;
    const struct tael_balance asked = {.account_id = {account, 0}, .book = BOOK};
    const struct tael_question question = {.record = TAEL_RECORD_BALANCE,
                                           .version = 1,
                                           .body = &asked,
                                           .body_size = sizeof asked,
                                           .position = TAEL_POSITION_SEEN};
    if (tael_ask(books->client, &question, LOAD_TIMEOUT_NS / NS_PER_MS, &answer) != TAEL_OK ||
        answer.result != TAEL_RESULT_DONE || answer.count != 1) {
        die(books, "asking for a balance");
    }
    const struct tael_trial_balance_row *row = answer.body;
    const struct tael_u128 sum = account == 1 ? row->debits_posted : row->credits_posted;
    const u128 moved = (u128)sum.high << 64 | sum.low;
    if (moved >= least && moved <= books->moved) return;
    (void)fprintf(stderr, "books: after %llu entries account %llu has %llu, not %llu\n",
                  (unsigned long long)books->submitted, (unsigned long long)account,
                  (unsigned long long)sum.low, (unsigned long long)books->moved);
    exit(1);
}

void books_load_check(struct books_load *books)
{
    const u64 until = tael_now() + LOAD_TIMEOUT_NS;
    books->is_held = true;
    while (tael_open_count(books->client) > 0) {
        if (tael_now() > until) die(books, "no answers");
        if (tael_wait(books->client, WAIT_MS) != TAEL_OK) die(books, "the client");
    }
    if (books->answered != books->submitted) die(books, "answers are missing");
    balance_check(books, 1, books->moved);
    balance_check(books, 2, books->moved);
}

void books_load_go_on(struct books_load *books, const struct books_load *from)
{
    assert(from->answered == from->submitted);
    books->submitted = from->submitted;
    books->answered = from->answered;
    books->moved = from->moved;
    books->moved_answered = from->moved_answered;
    books->is_set_up = from->is_set_up;
}

void books_load_check_copy(struct books_load *books)
{
    struct books_load fresh;
    books_load_init(&fresh, books->address);
    fresh.submitted = books->submitted;
    fresh.moved = books->moved;
    balance_check(&fresh, 1, books->moved_answered);
    balance_check(&fresh, 2, books->moved_answered);
    books_load_free(&fresh);
}
