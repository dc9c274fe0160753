// SPDX-License-Identifier: Apache-2.0
//
// The module name beside its model, on random commands between postings and starts: every reply
// with its evidence, what is found, listed page by page, named by what, and summed, in one turn and
// in many.
//
// name_model [SEED [STEPS]] runs so many steps of that seed alone.
#include "machine/command_world.h"
#include "modules/book/book.h"
#include "modules/entity/entity.h"
#include "modules/entry/entry.h"
#include "modules/name/name_model.h"

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

struct run {
    struct command_world world;
    struct name_model model;
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
    *model = (struct name_model){.entity_id = 1, .assets = {"HKD", "USD"}, .books = {7, 8}};
    const struct entity_open entity = {
        .entity_id = 1, .name = "one", .jurisdiction = "HK", .currency = "HKD", .day = 20000};
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

// Moves an amount between two accounts of one book, or of one ledger number.
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
    struct {
        struct entry_post head;
        struct entry_leg legs[2];
    } entry = {
        .head = {.entry_id = run->next_id++, .legs_count = 2},
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

static void view_compare(const struct run *run, const struct name *view, const struct name *name)
{
    if (memcmp(view->path, name->path, sizeof view->path) != 0 || view->kind != name->kind ||
        view->id != name->id || view->number != name->number ||
        memcmp(view->asset, name->asset, sizeof view->asset) != 0 ||
        view->principal != name->principal || view->status != NAME_STATUS_STANDS) {
        differs(run, "another name in an answer");
    }
}

// Asks page by page and compares with what the model has.
static void views_compare(struct run *run, const struct schema_record *question, const void *body,
                          const struct name *const *expected, u32 count)
{
    struct module_answer answer = {0};
    const u32 room = (u32)random_between(&run->random, 1, 8) * (u32)sizeof(struct name);
    u32 at = 0;
    do {
        if (command_world_ask(&run->world, question, body, room, &answer) != MODULE_DONE) {
            differs(run, "a question is refused");
        }
        const struct name *views = (const void *)run->world.views;
        if (answer.count > count - at) differs(run, "more names in an answer");
        for (u32 i = 0; i < answer.count; i++) view_compare(run, &views[i], expected[at++]);
    } while (!is_zero(answer.cursor, sizeof answer.cursor));
    if (at != count) differs(run, "fewer names in an answer");
}

static void lists_compare(struct run *run)
{
    const struct name **expected = malloc(NAME_MODEL_NAMES_MAX * sizeof *expected);
    struct name_list list = {0};
    struct name_of of = {0};
    assert_non_null(expected);
    u32 count = name_model_list(&run->model, "", expected);
    views_compare(run, &name_schema_name_list, &list, expected, count);
    u128 evidence[2];
    do name_random_path(&run->random, list.prefix);
    while (name_path_check(list.prefix, evidence) != MODULE_DONE);
    count = name_model_list(&run->model, list.prefix, expected);
    views_compare(run, &name_schema_name_list, &list, expected, count);
    if (run->model.count > 0) {
        const struct name *name = &run->model.names[random_below(&run->random, run->model.count)];
        of = (struct name_of){.kind = name->kind, .id = name->id, .number = name->number};
        memcpy(of.asset, name->asset, sizeof of.asset);
        count = name_model_of(&run->model, &of, expected);
        views_compare(run, &name_schema_name_of, &of, expected, count);
    }
    // Whatever stands as a cursor, an answer ends and has nothing that was not asked for.
    struct module_answer answer = {0};
    store_u64(answer.cursor, random_below(&run->random, 400));
    do {
        assert_int_equal(
            command_world_ask(&run->world, &name_schema_name_list, &list, 700, &answer),
            MODULE_DONE);
        const struct name *views = (const void *)run->world.views;
        for (u32 i = 0; i < answer.count; i++) {
            if (!name_is_under(views[i].path, list.prefix))
                differs(run, "a cursor leads elsewhere");
        }
    } while (!is_zero(answer.cursor, sizeof answer.cursor));
    free(expected);
}

static void found_compare(struct run *run)
{
    struct name_find question = {0};
    u128 evidence[2];
    name_random_path(&run->random, question.path);
    struct module_answer answer = {0};
    const u32 result =
        command_world_ask(&run->world, &name_schema_name_find, &question, 1024, &answer);
    const struct name *expected = name_model_find(&run->model, question.path);
    const u32 refusal = name_path_check(question.path, evidence);
    if (result != (refusal != MODULE_DONE ? refusal : expected == NULL ? NAME_NOT_FOUND : 0)) {
        differs(run, "another answer to what a name names");
    }
    if (expected != NULL && result == MODULE_DONE) {
        view_compare(run, (const void *)run->world.views, expected);
    }
}

static void sums_compare(struct run *run)
{
    struct name_balance question = {0};
    u128 evidence[2];
    do name_random_path(&run->random, question.prefix);
    while (name_path_check(question.prefix, evidence) != MODULE_DONE);
    if (random_chance(&run->random, 30)) memset(question.prefix, 0, sizeof question.prefix);
    static const u32 books[] = {7, 8, 900, 901};
    if (random_chance(&run->random, 50)) question.book = books[random_below(&run->random, 4)];
    else memcpy(question.asset, run->model.assets[random_below(&run->random, 2)], 16);
    // In many turns or in one.
    struct module_answer answer = {.looks_max = (u32)random_below(&run->random, 5)};
    if (command_world_ask(&run->world, &name_schema_name_balance, &question, 1024, &answer) !=
        MODULE_DONE) {
        differs(run, "a sum is refused");
    }
    const struct name_balance_row expected = name_model_balance(&run->model, &question);
    const struct name_balance_row *row = (const void *)run->world.views;
    const u64 position = run->world.node.machine.position;
    if (answer.count != 1 || row->accounts != expected.accounts ||
        row->debits_posted != expected.debits_posted ||
        row->credits_posted != expected.credits_posted || row->debits_pending != 0 ||
        row->credits_pending != 0 || row->position_first != position ||
        row->position_last != position) {
        differs(run, "another sum");
    }
}

static void run_seed(struct run *run, u64 seed, u64 steps)
{
    run->seed = seed;
    run->next_id = 1000;
    random_init(&run->random, seed);
    world_make(run);
    for (run->step = 0; run->step < steps; run->step++) {
        if (random_chance(&run->random, 20)) post(run);
        else command_compare(run);
        if (run->step % ASK_EVERY == 0) {
            lists_compare(run);
            for (u32 i = 0; i < 4; i++) sums_compare(run);
        }
        found_compare(run);
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
