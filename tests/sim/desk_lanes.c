// SPDX-License-Identifier: Apache-2.0
//
// The lanes of the world of modules: which commands come next, and which model each belongs to. The
// lane of books is here, since all others stand on it.
#include "desk_internal.h"
#include "must.h"

#include "modules/constraint/constraint_model.h"
#include "modules/principal/principal.h"

#include <stdlib.h>
#include <string.h>

#define OWNERS_FIRST 5u // Principals of the lane of books, as its generator has them.
#define OWNERS_COUNT 2u

#define PAST_ASKED 6u // Moments.

#define BASE_BOOKS      3u // Two of one asset and two entities; one of another, with more decimals.
#define BASE_ENTITIES   2u
#define BASE_CODES      4u
#define BASE_CELLS      4u
#define BASE_CONVERSION 7u    // As the generator numbers them.
#define BASE_ACCOUNTS   6u    // Of each book; the last two are of rules.
#define BASE_DAY        20024 // That of the generator; three days later a month ends.

void desk_command_set(struct desk *desk, struct desk_command *out, u16 record, const void *body,
                      u32 size)
{
    *out = (struct desk_command){.id = desk->next_id++,
                                 .principal = OWNERS_FIRST,
                                 .count = 1,
                                 .size = size,
                                 .record = record};
    out->body = must(malloc(size + 1));
    memcpy(out->body, body, size);
}

// --- the beginning -------------------------------------------------------------------------------

struct desk_command *desk_setup_add(struct desk *desk, u16 record, const void *body, u32 size)
{
    assert(desk->setup_count < DESK_SETUP_MAX);
    struct desk_command *command = &desk->setup[desk->setup_count++];
    desk_command_set(desk, command, record, body, size);
    return command;
}

static void owners_setup(struct desk *desk)
{
    for (u64 id = OWNERS_FIRST; id < OWNERS_FIRST + OWNERS_COUNT; id++) {
        const struct principal_open open = {
            .principal_id = id, .kind = PRINCIPAL_PERSON, .name = "owner"};
        desk_setup_add(desk, 0x0501, &open, sizeof open)->principal = PRINCIPAL_OPERATOR;
        book_model_principal(desk->books, id);
    }
}

// Adds a command of several records of one size.
static void setup_add_all(struct desk *desk, u16 record, const void *body, u32 size, u32 count)
{
    desk_setup_add(desk, record, body, size * count)->count = count;
}

// Of what is rare with random ids: rules between books, an account that is in cells.
static void limits_setup(struct desk *desk)
{
    struct cell_open cells[BASE_CELLS] = {0};
    struct cell_add members[BASE_CELLS] = {0};
    const u32 pool = desk->book_random.ids_max + 1;
    const struct due_open rule = {
        .rule_id = 1, .a_account = pool, .b_account = pool, .a_book = 1, .b_book = 2};
    const struct conversion_open conversion = {.rule_id = BASE_CONVERSION,
                                               .a_pool = pool + 1,
                                               .b_pool = pool,
                                               .dust_account = pool + 1,
                                               .a_book = 1,
                                               .b_book = 3};
    for (u32 i = 0; i < BASE_CELLS; i++) {
        cells[i] = (struct cell_open){.cell = i + 1, .name = "a"};
        members[i] = (struct cell_add){.account_id = 1, .cell = i + 1, .book = 1};
    }
    desk_setup_add(desk, 0x0406, &rule, sizeof rule);
    desk_setup_add(desk, 0x0408, &conversion, sizeof conversion);
    setup_add_all(desk, 0x0601, cells, sizeof cells[0], BASE_CELLS);
    setup_add_all(desk, 0x0602, members, sizeof members[0], BASE_CELLS);
}

// Entities, charts, books and accounts as the generator would make them in time, so that a short
// world has postings. On some accounts limits.
static void books_setup(struct desk *desk)
{
    struct entity_open entities[BASE_ENTITIES] = {0};
    struct chart_add codes[BASE_CODES] = {0};
    struct book_open books[BASE_BOOKS] = {0};
    struct book_account_open accounts[BASE_BOOKS][BASE_ACCOUNTS] = {0};
    const struct asset_open fund = {.asset = "fund-1", .kind = ASSET_FUND_UNIT, .scale = 4};
    const char hkd[sizeof fund.asset] = "HKD";
    for (u32 i = 0; i < BASE_CODES; i++) {
        static const u8 kinds[BASE_CODES] = {KIND_ASSET, KIND_INCOME, KIND_EXPENSE, KIND_EQUITY};
        codes[i] =
            (struct chart_add){.chart = 1, .code = (u16)(i + 1), .kind = kinds[i], .name = "a"};
    }
    for (u32 i = 0; i < BASE_ENTITIES; i++) {
        entities[i] = (struct entity_open){.entity_id = i + 1,
                                           .day = BASE_DAY + 3 * (i32)i,
                                           .name = "a",
                                           .jurisdiction = "HK",
                                           .currency = "HKD"};
    }
    for (u32 i = 0; i < BASE_BOOKS; i++) {
        books[i] = (struct book_open){
            .book = i + 1, .chart = 1, .entity_id = i % BASE_ENTITIES + 1, .name = "a"};
        memcpy(books[i].asset, i < 2 ? hkd : fund.asset, sizeof books[i].asset);
        for (u32 j = 0; j < BASE_ACCOUNTS; j++) {
            const bool is_of_rules = j + 2 >= BASE_ACCOUNTS;
            const u32 rule = desk->book_random.ids_max + 1 + j + 2 - BASE_ACCOUNTS;
            const u64 flags = 1 + random_below(&desk->random, 2);
            accounts[i][j] = (struct book_account_open){.account_id = is_of_rules ? rule : j + 1,
                                                        .owner = is_of_rules ? BOOK_OWNER_RULES : 0,
                                                        .book = i + 1,
                                                        .code = (u16)(j % BASE_CODES + 1),
                                                        .flags = j == 2 ? (u16)(2 * flags) : 0,
                                                        .name = "a"};
        }
    }
    desk_setup_add(desk, 0x0301, &fund, sizeof fund);
    setup_add_all(desk, 0x0302, codes, sizeof codes[0], BASE_CODES);
    setup_add_all(desk, 0x0201, entities, sizeof entities[0], BASE_ENTITIES);
    setup_add_all(desk, 0x0303, books, sizeof books[0], BASE_BOOKS);
    for (u32 i = 0; i < BASE_BOOKS; i++) {
        setup_add_all(desk, 0x0304, accounts[i], sizeof accounts[0][0], BASE_ACCOUNTS);
    }
    limits_setup(desk);
    book_random_grow_up(&desk->book_random);
}

// --- books ---------------------------------------------------------------------------------------

static void books_differ(void *context, const char *what)
{
    desk_fail(context, CHECK_BOOKS, "%s", what);
}

static void cells_differ(void *context, const char *what)
{
    desk_fail(context, CHECK_CELLS, "%s", what);
}

// Settles a breach of an account, as far as the model knows; the generator hardly meets one.
static bool settle_next(struct desk *desk, struct desk_command *out)
{
    const struct constraint_model *limits = book_model_constraints(desk->books);
    struct breach_view breach;
    for (u32 i = 0; constraint_model_breach_view(limits, i, &breach); i++) {
        if (breach.book == 0 || breach.cured_at != 0) continue;
        const struct breach_settle settle = {.breach = breach.breach};
        desk_command_set(desk, out, 0x0607, &settle, sizeof settle);
        return true;
    }
    return false;
}

// Closes the period of an entity as far as its days are closed. Likewise.
static bool period_next(struct desk *desk, struct desk_command *out)
{
    struct entity entity;
    const u32 one = (u32)random_below(&desk->random, 8);
    if (!book_model_entity(desk->books, one, &entity)) return false;
    const struct period_close close = {.entity_id = entity.entity_id, .through = entity.day - 1};
    desk_command_set(desk, out, 0x0205, &close, sizeof close);
    return true;
}

static bool books_next(struct desk *desk, struct desk_command *out)
{
    struct book_step *step = &desk->step;
    const u64 sort = random_below(&desk->random, 200);
    if (sort < 4 && settle_next(desk, out)) return true;
    if (sort >= 4 && sort < 7 && period_next(desk, out)) return true;
    do {
        book_random_next(&desk->book_random, step);
    } while (step->kind == BOOK_STEP_RESTART || step->kind == BOOK_STEP_CHECKPOINT);
    switch (step->kind) {
    case BOOK_STEP_EXPIRE: desk->leaps = true; return false;
    case BOOK_STEP_RAW_ACCOUNTS:
        desk_command_set(desk, out, 0x0101, step->accounts,
                         step->account_count * (u32)sizeof(struct account));
        out->count = step->account_count;
        return true;
    case BOOK_STEP_RAW_TRANSFER:
        desk_command_set(desk, out, 0x0102, &step->transfer, sizeof step->transfer);
        return true;
    default: break;
    }
    const struct book_command *command = &step->command;
    desk_command_set(desk, out, command->record, command->body, command->size);
    out->count = command->count;
    out->id = command->id;
    out->principal = command->principal;
    return true;
}

static void raw_expect(struct desk *desk, const struct desk_command *command,
                       struct desk_expected *out)
{
    u32 results[BOOK_RANDOM_ACCOUNTS_MAX] = {0};
    struct account accounts[BOOK_RANDOM_ACCOUNTS_MAX];
    struct transfer transfer;
    out->is_raw = true;
    out->count = command->count;
    assert(command->count <= BOOK_RANDOM_ACCOUNTS_MAX);
    memcpy(accounts, command->body, command->record == 0x0101 ? command->size : 0);
    if (command->record == 0x0101 && accounts[0].ledger == DESK_FOREIGN_FIRST) {
        for (u32 i = 0; i < out->count; i++) results[i] = (u32)CREATE_ACCOUNT_CREATED;
    } else if (command->record == 0x0101) {
        book_model_raw_accounts(desk->books, accounts, command->count, results);
    } else {
        memcpy(&transfer, command->body, sizeof transfer);
        results[0] = book_model_raw_transfer(desk->books, &transfer);
    }
    for (u32 i = 0; i < out->count; i++) out->replies[i].result = results[i];
}

static void books_expect(struct desk *desk, const struct desk_command *command,
                         struct desk_expected *out)
{
    const struct book_command asked = {.id = command->id,
                                       .principal = command->principal,
                                       .record = command->record,
                                       .count = command->count,
                                       .size = command->size,
                                       .body = command->body};
    bool is_repeated = false;
    out->count = book_model_command(desk->books, &asked, out->replies, &is_repeated);
    assert(!is_repeated); // Those do not come here.
}

// What is known of some moments that are over.
static void past_compare(struct world *world)
{
    struct desk *desk = world->desk;
    for (u32 i = 0; i < PAST_ASKED && desk->past_count > 0; i++) {
        const u64 kept = MIN(desk->past_count, (u64)DESK_PAST_MAX);
        const struct desk_past *past = &desk->past[random_below(&desk->random, kept)];
        const struct balance question = {.account_id = past->account.id,
                                         .book = past->account.ledger,
                                         .position = past->position};
        const struct trial_balance_row *row = (const void *)desk->ask.views;
        struct module_answer answer = {0};
        desk->checks[CHECK_PAST]++;
        const u32 result =
            node_ask(&desk->ask, &book_schema_balance, &question, NODE_ASK_SPACE, &answer);
        if (result == MODULE_DONE && answer.count == 1 &&
            row->debits_posted == past->account.debits_posted &&
            row->credits_posted == past->account.credits_posted &&
            row->debits_pending == past->account.debits_pending &&
            row->credits_pending == past->account.credits_pending) {
            continue;
        }
        desk_fail(world, CHECK_PAST, "account %llu on %u had another balance at position %llu",
                  (unsigned long long)past->account.id, past->account.ledger,
                  (unsigned long long)past->position);
    }
}

static void books_compare(struct world *world, bool is_whole, bool has_history)
{
    struct desk *desk = world->desk;
    struct book_compare *compare = &desk->compare;
    desk->checks[CHECK_BOOKS]++;
    desk->checks[CHECK_CELLS]++;
    book_compare_accounts(compare);
    compare->differs = cells_differ;
    book_compare_cells(compare);
    compare->differs = books_differ;
    if (!is_whole) return;
    book_compare_answers(compare);
    if (!has_history) return;
    book_compare_cursors(compare); // Pages behind the first one are of a position in the log.
    past_compare(world);
    book_compare_entries(compare);
    for (u32 i = 1; i < desk->book_random.numbers_max + 4; i++) {
        book_compare_history(compare, i);
    }
}

// --- all of them ---------------------------------------------------------------------------------

void desk_lanes_init(struct world *world)
{
    struct desk *desk = world->desk;
    desk->books = book_model_new(4096);
    book_random_init(&desk->book_random, random_u64(&desk->random));
    desk->compare = (struct book_compare){.ask = &desk->ask,
                                          .model = desk->books,
                                          .random = &desk->random,
                                          .foreign_first = DESK_FOREIGN_FIRST,
                                          .foreign_end = DESK_FOREIGN_END,
                                          .differs = books_differ,
                                          .context = world};
    owners_setup(desk);
    desk_models_init(world);
    if (random_chance(&desk->random, 80)) books_setup(desk);
}

void desk_lanes_free(struct desk *desk)
{
    book_model_free(desk->books);
}

bool desk_lanes_next(struct world *world, struct desk_command *out)
{
    struct desk *desk = world->desk;
    if (random_chance(&desk->random, desk->lane_percent)) return desk_models_next(world, out);
    return books_next(desk, out);
}

// Why a command is refused before its module sees it; MODULE_DONE when it is not.
static u32 whole_refusal(const struct desk *desk, const struct desk_command *command, u64 now)
{
    const struct principal_model_caller caller = {.principal = command->principal,
                                                  .delegate = command->delegate};
    const u32 refusal = principal_model_refusal(&desk->principals, &caller);
    if (refusal != MODULE_DONE) return refusal;
    if (command->count != 1) return MODULE_MALFORMED;
    return command->expires_at != 0 && now >= command->expires_at ? MODULE_EXPIRED : MODULE_DONE;
}

void desk_lanes_expect(struct world *world, const struct desk_command *command, u64 now,
                       struct desk_expected *out)
{
    struct desk *desk = world->desk;
    switch (command->record >> 8) {
    case 0x01: raw_expect(desk, command, out); break;
    case 0x05:
    case 0x07:
    case 0x08:
    case 0x09:
    case 0x0a:
    case 0x7e:
    case 0x7f:
        out->count = 1;
        out->replies[0].result = whole_refusal(desk, command, now);
        if (out->replies[0].result != MODULE_DONE) break;
        desk_models_expect(world, command, now, out);
        break;
    default: books_expect(desk, command, out); break;
    }
    desk_models_posted(desk, command, out);
}

void desk_lanes_tick(struct world *world, u64 now)
{
    struct desk *desk = world->desk;
    if (desk->has_leapt) book_model_expire(desk->books);
    desk->has_leapt = false;
    desk_models_tick(desk, now);
    world->counts[WORLD_JOBS_ENDED] = 0;
    for (u32 i = 0; i < desk->loans.job_count; i++) {
        const bool has_failed = desk->loans.jobs[i].result == MODULE_PRINCIPAL_CLOSED;
        world->counts[WORLD_JOBS_ENDED] += has_failed;
    }
}

void desk_lanes_remember(struct world *world)
{
    struct desk *desk = world->desk;
    const u32 count = book_model_account_count(desk->books);
    if (desk->has_leapt || count == 0 || !random_chance(&desk->random, 20)) return;
    const u32 row = (u32)random_below(&desk->random, count);
    desk->past[desk->past_count++ % DESK_PAST_MAX] = (struct desk_past){
        .position = world->oracle.position, .account = book_model_account(desk->books, row)};
}

void desk_lanes_compare(struct world *world, struct node *node, bool is_whole, bool has_history)
{
    struct desk *desk = world->desk;
    struct node *before = desk->ask.node;
    const u32 rate = world->disk.faults.read_error_rate;
    world->disk.faults.read_error_rate = 0;
    desk->ask.node = node;
    // Between a leap and its tick what has expired is not told yet.
    if (!desk->has_leapt) {
        books_compare(world, is_whole, has_history);
        desk_models_compare(world, is_whole);
    }
    desk->ask.node = before;
    world->disk.faults.read_error_rate = rate;
}
