// SPDX-License-Identifier: Apache-2.0
//
// The module name beside its model, on random commands between postings and starts: every reply
// with its evidence, what is found, listed page by page, named by what, and summed, as it stands
// and by months, in one turn and in many.
//
// name_model [SEED [STEPS]] runs so many steps of that seed alone.
#include "base/words.h"
#include "machine/command_world.h"
#include "machine/name_compare.h"
#include "modules/book/book.h"
#include "modules/entity/entity.h"
#include "modules/entry/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS           8u
#define STEPS_OF_A_SEED 3000u
#define ASK_EVERY       20u
#define RESULTS_MAX     256u
#define OWNER           5u
#define SNAPSHOTS_MAX   40u
#define FIRST_DAY       20000

// An entity and its book of HKD.
struct business {
    u128 entity_id;
    u32 book;
    i32 first_day;
    i32 open_day;
};

struct run {
    struct command_world world;
    struct business businesses[2];
    struct name_model model;
    struct name_compare compare;
    struct random random;
    u64 seed;
    u64 step;
    u128 next_id;
    u64 results[RESULTS_MAX];
    struct snapshots *snapshots;
    u64 lines_known; // Of one state, though commands came between.
};

static void differs(const struct run *run, const char *what)
{
    (void)fprintf(stderr, "seed %llu, step %llu: %s\n", (unsigned long long)run->seed,
                  (unsigned long long)run->step, what);
    fail();
}

static struct command_reply give(struct run *run, u16 record, const void *body, u32 size)
{
    assert_int_equal(command_world_run(&run->world, run->next_id++, record, body, size, 1), 1);
    return command_world_reply(&run->world, 0);
}

#define GIVE(run, record, body) \
    assert_int_equal(give(run, (u16)(record).number, &(body), sizeof(body)).result, MODULE_DONE)

// --- what names refer to -------------------------------------------------------------------------

static void account_add(struct run *run, bool is_raw, u32 number, u128 id, const char *asset)
{
    struct name_model_account *account = &run->model.accounts[run->model.account_count++];
    *account = (struct name_model_account){.is_raw = is_raw, .number = number, .id = id};
    memcpy(account->asset, asset, strlen(asset));
    if (is_raw) {
        const struct account event = {.id = id, .ledger = number, .code = 1};
        struct create_result result;
        command_world_create(&run->world, COMPAT_CREATE_ACCOUNTS, &event, 1, &result);
        assert_true(result.status == (u32)CREATE_ACCOUNT_CREATED);
        return;
    }
    const struct book_account_open open = {
        .account_id = id, .book = number, .code = 1, .name = "account"};
    GIVE(run, book_schema_book_account_open, open);
}

static void world_make(struct run *run)
{
    const struct genesis genesis = command_world_genesis();
    command_world_init(&run->world, &genesis);
    struct name_model *model = &run->model;
    *model = (struct name_model){.entity_id = 1,
                                 .first_day = FIRST_DAY,
                                 .open_day = FIRST_DAY + 40,
                                 .assets = {"HKD", "USD"},
                                 .books = {7, 8, 9}};
    for (u32 i = 0; i < 2; i++) {
        const i32 day = FIRST_DAY + 40 * (i32)i;
        run->businesses[i] = (struct business){
            .entity_id = 1 + i, .book = 7 + 2 * i, .first_day = day, .open_day = day};
        const struct entity_open entity = {
            .entity_id = 1 + i, .name = "one", .jurisdiction = "HK", .currency = "HKD", .day = day};
        GIVE(run, entity_schema_entity_open, entity);
    }
    const struct chart_add code = {.chart = 1, .code = 1, .kind = KIND_ASSET, .name = "all"};
    GIVE(run, book_schema_chart_add, code);
    for (u32 i = 0; i < 2; i++) {
        struct asset_open asset = {.kind = ASSET_CURRENCY, .scale = 2};
        struct book_open book = {
            .book = model->books[i], .chart = 1, .entity_id = 1, .name = "book"};
        memcpy(asset.asset, model->assets[i], sizeof asset.asset);
        memcpy(book.asset, model->assets[i], sizeof book.asset);
        GIVE(run, book_schema_asset_open, asset);
        GIVE(run, book_schema_book_open, book);
    }
    const struct book_open other = {
        .book = 9, .chart = 1, .entity_id = 2, .asset = "HKD", .name = "other"};
    GIVE(run, book_schema_book_open, other);
    for (u128 id = 1; id <= 6; id++)
        account_add(run, false, 7 + (u32)id % 2, id, id % 2 == 0 ? "HKD" : "USD");
    for (u128 id = 6; id <= 9; id++) account_add(run, false, 9, id, "HKD");
    for (u128 id = 1; id <= 4; id++) account_add(run, true, 900 + (u32)id % 2, id, "");
}

// Closes some days of an entity, so that months come and go.
static void days_close(struct run *run)
{
    struct business *business = &run->businesses[random_below(&run->random, 2)];
    const u64 count = random_between(&run->random, 1, 9);
    for (u64 i = 0; i < count; i++) {
        const struct day_close close = {.entity_id = business->entity_id,
                                        .day = business->open_day++};
        GIVE(run, entity_schema_day_close, close);
    }
    run->model.open_day = MAX(run->model.open_day, business->open_day);
}

// Moves an amount between two accounts of one book on some day, or of one ledger number.
static void post(struct run *run)
{
    struct name_model_account *accounts = run->model.accounts;
    const u64 count = run->model.account_count;
    struct name_model_account *debit = &accounts[random_below(&run->random, count)];
    struct name_model_account *credit = &accounts[random_below(&run->random, count)];
    const u128 amount = random_between(&run->random, 1, 1000);
    if (debit == credit || debit->is_raw != credit->is_raw || debit->number != credit->number) {
        return;
    }
    debit->debits += amount;
    credit->credits += amount;
    if (debit->is_raw) {
        const struct transfer event = {.id = run->next_id++,
                                       .debit_account_id = debit->id,
                                       .credit_account_id = credit->id,
                                       .amount = amount,
                                       .ledger = debit->number,
                                       .code = 1};
        struct create_result result;
        command_world_create(&run->world, COMPAT_CREATE_TRANSFERS, &event, 1, &result);
        assert_true(result.status == (u32)CREATE_TRANSFER_CREATED);
        return;
    }
    const struct business *business = &run->businesses[debit->number == 9];
    const i32 day =
        (i32)random_between(&run->random, (u64)business->first_day, (u64)business->open_day);
    name_model_turned(&run->model, debit, true, amount, day);
    name_model_turned(&run->model, credit, false, amount, day);
    struct {
        struct entry_post head;
        struct entry_leg legs[2];
    } entry = {
        .head = {.entry_id = run->next_id++, .day = day, .legs_count = 2},
        .legs =
            {{.book = debit->number, .side = SIDE_DEBIT, .account_id = debit->id, .amount = amount},
             {.book = debit->number,
              .side = SIDE_CREDIT,
              .account_id = credit->id,
              .amount = amount}},
    };
    run->world.principal = OWNER;
    GIVE(run, entry_schema_entry_post, entry);
}

// --- comparing -----------------------------------------------------------------------------------

static void command_compare(struct run *run)
{
    _Alignas(16) u8 body[256];
    u32 size = 0;
    const u16 record = name_random_command(&run->model, &run->random, body, &size);
    run->world.principal = OWNER + random_below(&run->random, 2);
    const struct name_model_reply expected =
        name_model_command(&run->model, run->world.principal, record, body);
    const struct command_reply reply = give(run, record, body, size);
    run->results[reply.result]++;
    if (reply.result == expected.result && reply.evidence[0] == expected.evidence[0] &&
        reply.evidence[1] == expected.evidence[1]) {
        return;
    }
    (void)fprintf(stderr, "record %x: model %u (%llu %llu), machine %u (%llu %llu)\n", record,
                  expected.result, (unsigned long long)expected.evidence[0],
                  (unsigned long long)expected.evidence[1], reply.result,
                  (unsigned long long)reply.evidence[0], (unsigned long long)reply.evidence[1]);
    differs(run, "another reply");
}

// What the model says of a question at each position that an answer may be of.
struct snapshots {
    u32 count;
    struct {
        u64 position;
        u32 count;
        struct name_turnover_row lines[NAME_MODEL_NAMES_MAX];
    } items[SNAPSHOTS_MAX];
};

static void snapshot_take(struct run *run, const struct name_turnover *question)
{
    struct snapshots *all = run->snapshots;
    const u64 position = run->world.node.machine.position;
    if (all->count > 0 && all->items[all->count - 1].position == position) return;
    assert_true(all->count < SNAPSHOTS_MAX);
    all->items[all->count].count =
        name_model_turnover(&run->model, question, all->items[all->count].lines);
    all->items[all->count++].position = position;
}

// A line that says that it is of one state is the model's at that position.
static bool line_is_known(const struct snapshots *all, const struct name_turnover_row *row)
{
    if (row->position_first != row->position_last) return true;
    for (u32 i = 0; i < all->count; i++) {
        for (u32 j = 0; all->items[i].position == row->position_first && j < all->items[i].count;
             j++) {
            if (name_compare_line(row, &all->items[i].lines[j])) return true;
        }
    }
    return false;
}

// An answer in pages and turns, between which commands are carried out.
static void turns_compare(struct run *run)
{
    const struct name_turnover question = name_compare_question(&run->compare);
    struct module_answer answer = {.views = run->world.views,
                                   .looks_max = (u32)random_between(&run->random, 1, 30)};
    u32 known = 0;
    run->snapshots->count = 0;
    do {
        answer.room = (u32)random_between(&run->random, 1, 6) * sizeof(struct name_turnover_row);
        answer.size = 0;
        answer.count = 0;
        memset(answer.work, 0, sizeof answer.work);
        do {
            if (random_chance(&run->random, 30)) command_compare(run);
            if (random_chance(&run->random, 10)) post(run);
            snapshot_take(run, &question);
            if (commit_ask(&run->world.node.machine, &name_schema_name_turnover, &question,
                           &answer) != MODULE_DONE) {
                differs(run, "a turnover is refused");
            }
        } while (answer.is_unfinished && run->snapshots->count < SNAPSHOTS_MAX);
        const struct name_turnover_row *rows = (const void *)run->world.views;
        for (u32 i = 0; i < answer.count; i++) {
            known += rows[i].position_first == rows[i].position_last;
            if (!line_is_known(run->snapshots, &rows[i])) differs(run, "a line of no state");
        }
    } while (!is_zero(answer.cursor, sizeof answer.cursor) &&
             run->snapshots->count < SNAPSHOTS_MAX);
    run->lines_known += known;
}

static void compare_differs(void *context, const char *what)
{
    differs(context, what);
}

static void run_seed(struct run *run, u64 seed, u64 steps)
{
    run->seed = seed;
    run->next_id = 1000;
    random_init(&run->random, seed);
    world_make(run);
    run->compare = (struct name_compare){.ask = &run->world.ask,
                                         .model = &run->model,
                                         .random = &run->random,
                                         .differs = compare_differs,
                                         .context = run};
    for (run->step = 0; run->step < steps; run->step++) {
        if (random_chance(&run->random, 1)) days_close(run);
        else if (random_chance(&run->random, 20)) post(run);
        else command_compare(run);
        if (run->step % ASK_EVERY == 0) {
            name_compare_lists(&run->compare);
            for (u32 i = 0; i < 4; i++) name_compare_sums(&run->compare);
            for (u32 i = 0; i < 4; i++) name_compare_turnover(&run->compare);
            for (u32 i = 0; i < 2; i++) turns_compare(run);
        }
        name_compare_found(&run->compare);
        if (random_below(&run->random, 500) == 0 && !command_world_restart(&run->world)) {
            differs(run, "another state behind a start");
        }
        if (random_below(&run->random, 500) == 0 &&
            !command_world_restart_from_checkpoint(&run->world)) {
            differs(run, "another state behind a checkpoint");
        }
    }
    if (!command_world_restart(&run->world)) differs(run, "another state behind a start");
    command_world_free(&run->world);
}

struct plan_of_runs {
    u64 seed_first;
    u64 seed_count;
    u64 steps;
};

static void test_machine_and_model_agree(void **state)
{
    const struct plan_of_runs *plan = *state;
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    run->snapshots = calloc(1, sizeof *run->snapshots);
    assert_non_null(run->snapshots);
    for (u64 i = 0; i < plan->seed_count; i++) run_seed(run, plan->seed_first + i, plan->steps);
    // Every result of a command has come.
    for (u32 result = 0; result <= NAME_TOO_MANY && plan->seed_count > 1; result++) {
        if (run->results[result] == 0) (void)fprintf(stderr, "never given: %u\n", result);
        assert_true(run->results[result] > 0);
    }
    assert_true(run->lines_known > plan->steps / ASK_EVERY);
    free(run->snapshots);
    free(run);
}

static void name_give(struct run *run, const char *path, u128 id)
{
    struct name_set set = {.kind = NAMED_ACCOUNT, .number = 7, .id = id};
    memcpy(set.path, path, strlen(path));
    GIVE(run, name_schema_name_set, set);
}

// The name that the cursor says is gone, and another one has come before it.
static void test_a_page_begins_with_its_line(void **state)
{
    (void)state;
    struct run *run = calloc(1, sizeof *run);
    const struct name_turnover question = {.prefix = "p", .book = 7, .parts = true};
    const struct name_drop drop = {.path = "p:b:m"};
    const u32 room = sizeof(struct name_turnover_row);
    struct module_answer answer = {0};
    assert_non_null(run);
    run->next_id = 1;
    world_make(run);
    name_give(run, "p:a:x", 2);
    name_give(run, "p:b:m", 4);
    const struct name_turnover_row *row = (const void *)run->world.views;
    assert_int_equal(
        command_world_ask(&run->world, &name_schema_name_turnover, &question, room, &answer), 0);
    assert_string_equal(row->path, "p:a");
    name_give(run, "p:b:c", 4);
    name_give(run, "p:b:d", 6);
    GIVE(run, name_schema_name_drop, drop);
    assert_int_equal(
        command_world_ask(&run->world, &name_schema_name_turnover, &question, room, &answer), 0);
    assert_string_equal(row->path, "p:b");
    assert_true(answer.count == 1 && row->accounts == 2);
    assert_true(is_zero(answer.cursor, sizeof answer.cursor));
    command_world_free(&run->world);
    free(run);
}

static void test_description_makes_sense(void **state)
{
    (void)state;
    struct failure failure;
    if (schema_check(&name_schema, &failure) != STATUS_OK) fail_msg("%s", failure.message);
}

int main(int argc, char **argv)
{
    static const char usage[] = "name_model [SEED [STEPS]]";
    struct plan_of_runs plan = {.seed_first = 1, .seed_count = SEEDS, .steps = STEPS_OF_A_SEED};
    if (argc > 1) {
        plan.seed_first = word_number(argc, argv, 1, 1, usage);
        plan.seed_count = 1;
    }
    plan.steps = word_number(argc, argv, 2, plan.steps, usage);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_description_makes_sense),
        cmocka_unit_test(test_a_page_begins_with_its_line),
        cmocka_unit_test_prestate(test_machine_and_model_agree, &plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
