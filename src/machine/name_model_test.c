// SPDX-License-Identifier: Apache-2.0
//
// The module name beside its model, on random commands between postings and starts: every reply
// with its evidence, what is found, listed page by page, named by what, and summed, as it stands
// and by months, in one turn and in many.
//
// name_model [SEED [STEPS]] runs so many steps of that seed alone.
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
#define FIRST_DAY       20000

struct run {
    struct command_world world;
    struct name_model model;
    struct name_compare compare;
    struct random random;
    u64 seed;
    u64 step;
    u128 next_id;
    u64 results[RESULTS_MAX];
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
                                 .open_day = FIRST_DAY,
                                 .assets = {"HKD", "USD"},
                                 .books = {7, 8}};
    const struct entity_open entity = {
        .entity_id = 1, .name = "one", .jurisdiction = "HK", .currency = "HKD", .day = FIRST_DAY};
    GIVE(run, entity_schema_entity_open, entity);
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
    for (u128 id = 1; id <= 6; id++)
        account_add(run, false, 7 + (u32)id % 2, id, id % 2 == 0 ? "HKD" : "USD");
    for (u128 id = 1; id <= 4; id++) account_add(run, true, 900 + (u32)id % 2, id, "");
}

// Closes some days, so that months come and go.
static void days_close(struct run *run)
{
    const u64 count = random_between(&run->random, 1, 5);
    for (u64 i = 0; i < count; i++) {
        const struct day_close close = {.entity_id = 1, .day = run->model.open_day++};
        GIVE(run, entity_schema_day_close, close);
    }
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
    const i32 day = (i32)random_between(&run->random, FIRST_DAY, (u64)run->model.open_day);
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
    for (u64 i = 0; i < plan->seed_count; i++) run_seed(run, plan->seed_first + i, plan->steps);
    // Every result of a command has come.
    for (u32 result = 0; result <= NAME_TOO_MANY && plan->seed_count > 1; result++) {
        if (run->results[result] == 0) (void)fprintf(stderr, "never given: %u\n", result);
        assert_true(run->results[result] > 0);
    }
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
    struct plan_of_runs plan = {.seed_first = 1, .seed_count = SEEDS, .steps = STEPS_OF_A_SEED};
    if (argc > 1) {
        plan.seed_first = strtoull(argv[1], NULL, 10);
        plan.seed_count = 1;
    }
    if (argc > 2) plan.steps = strtoull(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_description_makes_sense),
        cmocka_unit_test_prestate(test_machine_and_model_agree, &plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
