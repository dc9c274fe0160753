// SPDX-License-Identifier: Apache-2.0
//
// Jobs and sub-ledgers through a log on a disk in memory: what is done in slices is what would be
// done at once, whatever is started again, given up or commanded in between. The model beside it
// keeps the interest of each loan as an exact fraction and knows no slices.
#include "machine/command_world.h"
#include "modules/accrual/accrual.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define GROUPS    3u
#define BOOK      700u // Of the first group; the others follow.
#define LOANS_MAX 40000u
#define FIRST_DAY 20000
#define SLICES    3u // Of as many loans as many_open opens.

// A loan of the model: its interest is units / (denominator * 365) millionths.
struct model_loan {
    u128 principal;
    u128 units;
    u128 units_staged;
    u32 numerator;
    u32 denominator;
    u32 group;
    i32 through;
    i32 through_staged;
};

struct model {
    struct command_world world;
    struct model_loan loans[LOANS_MAX];
    u32 count;
    u32 total; // Members of the job under way.
    u128 job;  // Its id; 0 none.
    bool holds;
    u8 status;
    u128 next_id;
    u64 seed;
};

static u64 below(struct model *model, u64 bound)
{
    model->seed = model->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (model->seed >> 33) % bound;
}

static u32 run(struct model *model, u16 record, const void *body, u32 size)
{
    assert_int_equal(command_world_run(&model->world, model->next_id++, record, body, size, 1), 1);
    return command_world_reply(&model->world, 0).result;
}

// --- commands, here and in the model -------------------------------------------------------------

static void loans_open(struct model *model, u32 group, u128 principal, u128 step, u32 count,
                       u32 numerator, u32 denominator)
{
    const struct accrual_open open = {
        .loan_id = model->count + 1,
        .group_id = group + 1,
        .principal = principal,
        .principal_step = step,
        .count = count,
        .rate_numerator = numerator,
        .rate_denominator = denominator,
        .day = FIRST_DAY,
    };
    assert_true(model->count + count <= LOANS_MAX);
    assert_int_equal(run(model, 0x7e02, &open, sizeof open), MODULE_DONE);
    for (u32 i = 0; i < count; i++) {
        model->loans[model->count++] = (struct model_loan){
            .principal = principal + i * step,
            .numerator = numerator,
            .denominator = denominator,
            .group = group,
            .through = FIRST_DAY,
        };
    }
}

// Enough loans for SLICES slices, of all groups.
static void many_open(struct model *model)
{
    loans_open(model, 0, 1, 977, 8000, 1, 3);
    loans_open(model, 1, 1000000, 0, 8000, 7, 100);
    loans_open(model, 2, 12345, 1, 1000, 1, 1000000007);
    loans_open(model, 0, (u128)1 << 40, 3, 500, 999999, 1000000);
}

static u32 accrual_begin(struct model *model, i32 day, bool holds)
{
    const struct accrual_run begin = {
        .job_id = model->next_id + 1000000, .day = day, .holds = holds};
    const u32 result = run(model, 0x7e04, &begin, sizeof begin);
    if (model->job != 0) {
        assert_int_equal(result, ACCRUAL_JOB_UNDER_WAY);
        return result;
    }
    assert_int_equal(result, MODULE_DONE);
    model->job = begin.job_id;
    model->total = model->count;
    model->holds = holds;
    model->status = JOB_STATUS_RUNNING;
    for (u32 i = 0; i < model->total; i++) {
        struct model_loan *loan = &model->loans[i];
        loan->through_staged = 0;
        if (loan->through >= day || day - loan->through > 366) continue;
        loan->units_staged =
            loan->units + loan->principal * loan->numerator * 1000000u * (u32)(day - loan->through);
        loan->through_staged = day;
    }
    return result;
}

static void model_settle(struct model *model, bool counts)
{
    for (u32 i = 0; i < model->total; i++) {
        struct model_loan *loan = &model->loans[i];
        if (!counts || loan->through_staged == 0) continue;
        loan->units = loan->units_staged;
        loan->through = loan->through_staged;
    }
    model->job = 0;
}

static const struct job_record *job_now(const struct model *model)
{
    const struct module_context context =
        commit_context(&model->world.node.machine, &accrual_module);
    return job_find_id(&context, model->job);
}

static u32 job_settle(struct model *model, u16 record)
{
    u128 id = model->job;
    const u32 result = run(model, record, &id, sizeof id);
    if (result == MODULE_DONE && record == 0x0801) model_settle(model, false);
    return result;
}

static void tick(struct model *model)
{
    command_world_slice(&model->world);
    if (model->job != 0 && job_now(model)->status == JOB_STATUS_COMMITTED) {
        model_settle(model, true);
    }
}

static void repay(struct model *model, u32 i, u128 amount)
{
    const struct accrual_repay body = {.loan_id = i + 1, .amount = amount};
    assert_int_equal(run(model, 0x7e03, &body, sizeof body), MODULE_DONE);
    model->loans[i].principal -= amount;
}

// --- comparing -----------------------------------------------------------------------------------

static u128 balance(const struct model *model, u32 group, u32 id)
{
    const struct ledger *ledger = &model->world.node.machine.ledger;
    const u32 row = ledger_class_account_row(ledger, BOOK + group, id);
    assert_true(row != U32_MAX);
    const struct account *account = ledger_account(ledger, row);
    return id == ACCRUAL_ACCOUNT_FUNDING || id == ACCRUAL_ACCOUNT_INCOME
               ? account->credits_posted - account->debits_posted
               : account->debits_posted - account->credits_posted;
}

static void compare(const struct model *model)
{
    const struct machine *machine = &model->world.node.machine;
    const struct module_context context = commit_context(machine, &accrual_module);
    u128 principals[GROUPS] = {0};
    u128 interests[GROUPS] = {0};
    assert_int_equal(module_record_count(&context, ACCRUAL_TABLE_LOANS), model->count);
    for (u32 i = 0; i < model->count; i++) {
        const struct model_loan *loan = &model->loans[i];
        const struct accrual_loan real =
            accrual_taken(&context, module_record(&context, ACCRUAL_TABLE_LOANS, i));
        const u64 parts = (u64)loan->denominator * 365;
        assert_true(real.principal == loan->principal && real.through == loan->through);
        assert_true(real.accrued == loan->units / parts);
        assert_true(real.remainder == loan->units % parts);
        principals[loan->group] += loan->principal;
        interests[loan->group] += loan->units / parts;
    }
    for (u32 group = 0; group < GROUPS; group++) {
        assert_true(balance(model, group, ACCRUAL_ACCOUNT_PRINCIPAL) == principals[group]);
        assert_true(balance(model, group, ACCRUAL_ACCOUNT_FUNDING) == principals[group]);
        assert_true(balance(model, group, ACCRUAL_ACCOUNT_RECEIVABLE) ==
                    interests[group] / 1000000);
        assert_true(balance(model, group, ACCRUAL_ACCOUNT_INCOME) == interests[group] / 1000000);
    }
}

// --- tests ---------------------------------------------------------------------------------------

static int setup(void **state)
{
    const struct genesis genesis = command_world_genesis();
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    command_world_init(&model->world, &genesis);
    model->next_id = 1;
    for (u32 i = 0; i < GROUPS; i++) {
        const struct accrual_group group = {
            .group_id = i + 1, .product = i, .entity = 9, .book = BOOK + i};
        assert_int_equal(run(model, 0x7e01, &group, sizeof group), MODULE_DONE);
    }
    *state = model;
    return 0;
}

static int teardown(void **state)
{
    struct model *model = *state;
    command_world_free(&model->world);
    free(model);
    return 0;
}

static void test_slices_do_what_would_be_done_at_once(void **state)
{
    struct model *model = *state;
    many_open(model);
    compare(model);
    const i32 days[] = {FIRST_DAY + 1, FIRST_DAY + 2, FIRST_DAY + 33};
    for (u32 i = 0; i < ARRAY_COUNT(days); i++) {
        (void)accrual_begin(model, days[i], false);
        for (u32 j = 0; j < SLICES; j++) {
            assert_int_equal(job_now(model)->status, JOB_STATUS_RUNNING);
            tick(model);
            compare(model); // Nothing counts yet.
        }
        assert_int_equal(job_now(model)->status, JOB_STATUS_COMMITTING);
        assert_int_equal(job_now(model)->done, model->count);
        tick(model);
        assert_true(model->job == 0);
        compare(model);
    }
}

static void test_a_start_at_every_step_changes_nothing(void **state)
{
    struct model *model = *state;
    struct command_world *world = &model->world;
    many_open(model);
    for (u32 i = 0; i < 2; i++) {
        (void)accrual_begin(model, FIRST_DAY + 1 + (i32)i, true);
        while (job_now(model)->status == JOB_STATUS_RUNNING) {
            const u64 cursor = job_now(model)->cursor;
            assert_true(command_world_restart(world));
            assert_int_equal(job_now(model)->cursor, cursor);
            assert_int_equal(machine_next_tick(&world->node.machine), 0);
            // Its tick is the job's next slice.
            if (i == 0) assert_true(command_world_restart_from_checkpoint(world));
            else tick(model);
            assert_int_equal(job_now(model)->cursor, MIN(cursor + JOB_SLICE_MEMBERS, model->total));
            compare(model);
        }
        assert_int_equal(job_now(model)->status, JOB_STATUS_STAGED);
        assert_true(machine_next_tick(&world->node.machine) != 0);
        assert_true(command_world_restart_from_checkpoint(world));
        compare(model);
        assert_int_equal(job_settle(model, 0x0802), MODULE_DONE);
        assert_true(command_world_restart(world));
        compare(model);
        tick(model);
        assert_true(model->job == 0);
        compare(model);
        assert_true(command_world_restart(world));
        assert_true(command_world_restart_from_checkpoint(world));
        compare(model);
    }
}

static void test_a_job_given_up_in_the_middle_leaves_everything_as_it_was(void **state)
{
    struct model *model = *state;
    many_open(model);
    for (u32 slices = 0; slices <= SLICES; slices++) {
        (void)accrual_begin(model, FIRST_DAY + 5, true);
        for (u32 i = 0; i < slices; i++) tick(model);
        assert_int_equal(job_settle(model, 0x0801), MODULE_DONE);
        compare(model);
        for (u64 row = 0; row < model->world.node.machine.sub_ledgers.table.count; row++) {
            const struct control *control =
                table_record(&model->world.node.machine.sub_ledgers.table, row);
            assert_true(control->staged == 0 && control->job == 0);
        }
        tick(model);
        compare(model);
        assert_true(command_world_restart(&model->world));
    }
    (void)accrual_begin(model, FIRST_DAY + 1, false);
    for (u32 i = 0; i <= SLICES; i++) tick(model);
    assert_true(model->job == 0);
    compare(model);
}

static const struct job_record *job_find_here(const struct model *model, u128 id)
{
    const struct module_context context =
        commit_context(&model->world.node.machine, &accrual_module);
    return job_find_id(&context, id);
}

// The second kind of job beside the first; its conclusion takes several ticks.
static void test_two_jobs_take_turns(void **state)
{
    struct model *model = *state;
    many_open(model);
    (void)accrual_begin(model, FIRST_DAY + 1, false);
    while (model->job != 0) tick(model);
    const u128 tidy = 5000000;
    assert_int_equal(run(model, 0x7e06, &tidy, sizeof tidy), MODULE_DONE);
    (void)accrual_begin(model, FIRST_DAY + 2, false);
    const u128 accrual = model->job;
    for (u32 i = 1; i <= 2 * (SLICES + 1); i++) {
        tick(model);
        assert_int_equal(job_find_here(model, tidy)->slices, (i + 1) / 2);
        assert_int_equal(job_find_here(model, accrual)->slices, i / 2);
        compare(model);
        assert_true(command_world_restart(&model->world));
    }
    assert_int_equal(job_find_here(model, accrual)->status, JOB_STATUS_COMMITTED);
    assert_int_equal(job_find_here(model, tidy)->status, JOB_STATUS_COMMITTING);
    for (u32 i = 1; i < SLICES; i++) {
        assert_int_equal(job_find_here(model, tidy)->status, JOB_STATUS_COMMITTING);
        tick(model);
        compare(model);
    }
    assert_int_equal(job_find_here(model, tidy)->status, JOB_STATUS_COMMITTED);
    assert_true(machine_next_tick(&model->world.node.machine) != 0);
    const struct module_context context =
        commit_context(&model->world.node.machine, &accrual_module);
    // Those behind the run that was taken over before the second accrual was committed.
    for (u64 row = JOB_SLICE_MEMBERS; row < model->count; row++) {
        const struct accrual_loan *loan = module_record(&context, ACCRUAL_TABLE_LOANS, row);
        assert_true(loan->staged_by == 0 && loan->staged == 0);
    }
}

// As a server does it: the copy goes on while slices and the conclusion write what it copies.
static void test_a_checkpoint_is_copied_while_slices_go_on(void **state)
{
    struct model *model = *state;
    struct command_world *world = &model->world;
    struct node *node = &world->node;
    struct failure failure;
    many_open(model);
    assert_true(command_world_restart_from_checkpoint(world));
    for (u32 slices = 1; slices <= SLICES; slices++) {
        (void)accrual_begin(model, FIRST_DAY + (i32)slices, false);
        for (u32 i = 1; i < slices; i++) tick(model);
        world->frame_flags |= FRAME_ROTATE;
        tick(model);
        world->frame_flags = 0;
        command_world_must(node_seal_all(node, &failure), &failure);
        const struct outcome_edge outcomes = node->indexer.outcomes;
        checkpoint_begin(&node->checkpoint, &node->machine, &node->wal.tail);
        while (model->job != 0) tick(model);
        repay(model, slices, 1);
        command_world_must(
            checkpoint_write(&node->checkpoint, &node->machine, &outcomes, NULL, &failure),
            &failure);
        checkpoint_end(&node->checkpoint);
        compare(model);
        assert_true(command_world_restart(world)); // What follows the checkpoint is done again.
        compare(model);
    }
}

// One step of many: what is allowed then, by chance.
static void step(struct model *model)
{
    const bool is_running = model->job != 0 && job_now(model)->status == JOB_STATUS_RUNNING;
    switch (below(model, 10)) {
    case 0:
        if (model->count + 600 > LOANS_MAX) break;
        loans_open(model, (u32)below(model, GROUPS), 1 + below(model, 1 << 30), below(model, 100),
                   1 + (u32)below(model, 600), (u32)below(model, 50), 50 + (u32)below(model, 1000));
        break;
    case 1:
    case 2: {
        const u32 i = (u32)below(model, model->count);
        // Of a member that may not have been looked at yet the interest would be another.
        if ((is_running && i < model->total) || model->loans[i].principal == 0) break;
        repay(model, i, 1 + below(model, (u64)model->loans[i].principal));
        break;
    }
    case 3:
        (void)accrual_begin(model, FIRST_DAY + 1 + (i32)below(model, 400), below(model, 2) == 0);
        break;
    case 4:
        if (model->job != 0) (void)job_settle(model, below(model, 2) == 0 ? 0x0801 : 0x0802);
        break;
    case 5:
        if (below(model, 4) != 0) break;
        if (below(model, 2) == 0 || model->job != 0) {
            assert_true(command_world_restart(&model->world));
        } else {
            assert_true(command_world_restart_from_checkpoint(&model->world));
        }
        break;
    default: tick(model);
    }
}

static void test_random_commands_and_the_model_agree(void **state)
{
    struct model *model = *state;
    model->seed = 20260105;
    many_open(model);
    u32 settled = 0;
    for (u32 i = 0; i < 400; i++) {
        const u128 job = model->job;
        step(model);
        settled += job != 0 && model->job == 0;
        if (i % 8 == 0) compare(model);
    }
    compare(model);
    assert_true(settled > 10);
    assert_true(command_world_restart(&model->world));
    compare(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slices_do_what_would_be_done_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_start_at_every_step_changes_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_a_job_given_up_in_the_middle_leaves_everything_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_jobs_take_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_checkpoint_is_copied_while_slices_go_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_random_commands_and_the_model_agree, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
