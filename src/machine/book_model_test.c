// SPDX-License-Identifier: Apache-2.0
//
// The modules entity, book and entry beside their model, on random commands: every reply, every
// account, what is asked, and the state digest over starts.
//
// book_model [SEED [STEPS]] runs so many steps of that seed alone.
#include "base/words.h"
#include "codec/record_binary.h"
#include "codec/text.h"
#include "machine/book_compare.h"
#include "machine/command_world.h"
#include "modules/book/book_random.h"
#include "modules/constraint/constraint_model.h"
#include "modules/principal/principal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS           12u
#define STEPS_OF_A_SEED 8000u
#define RESULTS_MAX     256u
#define ASK_EVERY       100u

// The replies to a command, whole.
struct kept {
    u128 id;
    u32 count;
    struct command_reply replies[BOOK_MODEL_RECORDS_MAX];
};

// A command that the model has decided, and what it said.
struct waiting {
    struct book_command command;
    u32 count;
    bool is_repeated;
    struct book_reply expected[BOOK_MODEL_RECORDS_MAX];
    _Alignas(16) u8 body[BOOK_RANDOM_BODY_MAX];
};

struct run {
    struct command_world world;
    struct book_model *model;
    struct book_random random;
    struct book_compare compare;
    struct book_step step;
    u64 replies;
    // How often each result came, by the index of the record's module.
    u64 results[MACHINE_MODULES_MAX][RESULTS_MAX];
    struct book_reply expected[BOOK_MODEL_RECORDS_MAX];
    struct kept *kept; // Of each command.
    u32 kept_count;
    u64 timestamp; // The last that a reply had.
    struct waiting waiting[COMMAND_WORLD_COMMANDS_MAX];
    u32 waiting_count;
};

struct plan_of_runs {
    u64 seed_first;
    u64 seed_count;
    u64 steps;
};

// --- messages ------------------------------------------------------------------------------------

static void print_evidence(const char *who, u32 result, u32 posting, u32 posting_result,
                           const u128 evidence[2])
{
    char text[128];
    struct text out = text_init(text, sizeof text - 1);
    text_append_u128(&out, evidence[0]);
    text_append_char(&out, ' ');
    text_append_u128(&out, evidence[1]);
    text[out.size] = 0;
    (void)fprintf(stderr, "  %s: result %u, posting %u (%u), evidence %s\n", who, result, posting,
                  posting_result, text);
}

static void differs(const struct run *run, const char *what)
{
    (void)fprintf(stderr, "seed %llu, step %llu: %s\n", (unsigned long long)run->random.seed,
                  (unsigned long long)run->random.steps, what);
    fail();
}

// --- commands ------------------------------------------------------------------------------------

// When a record was carried out: one of an earlier command, or of this one.
static u64 done_at(const struct run *run, const struct waiting *waiting, u32 index, u128 command_id,
                   u32 record)
{
    for (u32 i = 0; i < run->kept_count; i++) {
        if (run->kept[i].id == command_id) return run->kept[i].replies[record].timestamp;
    }
    assert_true(command_id == waiting->command.id);
    return command_world_reply_of(&run->world, index, record).timestamp;
}

static void reply_compare(struct run *run, struct waiting *waiting, u32 index, u32 i,
                          const u8 *body)
{
    const struct command_reply reply = command_world_reply_of(&run->world, index, i);
    struct book_reply *expected = &waiting->expected[i];
    const u16 number = waiting->command.record;
    const struct module *module = module_of_record(number);
    if (expected->is_then) {
        expected->evidence[1] =
            done_at(run, waiting, index, expected->then_command, expected->then_record);
    }
    if (module != NULL && reply.result < RESULTS_MAX) {
        run->results[module_index(module)][reply.result]++;
    }
    run->replies++;
    if (reply.result == expected->result && reply.posting == expected->posting &&
        reply.posting_result == expected->posting_result && reply.reserved == 0 &&
        reply.evidence[0] == expected->evidence[0] && reply.evidence[1] == expected->evidence[1]) {
        return;
    }
    const struct schema_record *record = commit_record(&run->world.node.machine, number);
    if (record != NULL && expected->result < MODULE_FULL) book_compare_print(record, body);
    print_evidence("model", expected->result, expected->posting, expected->posting_result,
                   expected->evidence);
    print_evidence("machine", reply.result, reply.posting, reply.posting_result, reply.evidence);
    differs(run, "another reply");
}

// A repeated command has the whole reply of then; a new one has its own position.
static void reply_keep(struct run *run, u128 id, u32 index, u32 count)
{
    const u64 position = run->world.applied.commands[index].position;
    struct kept *kept = &run->kept[run->kept_count++];
    u64 timestamp = run->timestamp;
    kept->id = id;
    kept->count = count;
    for (u32 i = 0; i < count; i++) {
        kept->replies[i] = command_world_reply_of(&run->world, index, i);
        if (kept->replies[i].position != position) differs(run, "another position");
        if (kept->replies[i].timestamp <= timestamp) differs(run, "timestamps do not rise");
        timestamp = kept->replies[i].timestamp;
    }
    run->timestamp = timestamp;
}

static void reply_compare_kept(const struct run *run, u128 id, u32 index, u32 count)
{
    for (u32 i = 0; i < run->kept_count; i++) {
        const struct kept *kept = &run->kept[i];
        if (kept->id != id) continue;
        if (kept->count == count && memcmp(kept->replies, run->world.applied.commands[index].reply,
                                           count * sizeof kept->replies[0]) == 0) {
            return;
        }
        break;
    }
    differs(run, "another reply to a repeated command");
}

static void waiting_compare(struct run *run, u32 index)
{
    struct waiting *waiting = &run->waiting[index];
    const struct book_command *command = &waiting->command;
    if (command_world_reply_count(&run->world, index) != waiting->count) {
        differs(run, "another number of replies");
    }
    u32 at = 0;
    for (u32 i = 0; i < waiting->count; i++) {
        reply_compare(run, waiting, index, i, command->body + at);
        const u32 result = waiting->expected[i].result;
        if (result >= MODULE_MALFORMED && result <= MODULE_REUSED) continue; // Of all as one.
        const struct schema_record *record =
            commit_record(&run->world.node.machine, command->record);
        at += (u32)align_up(record_binary_size(record, command->body + at), BOOK_MODEL_ALIGNMENT);
    }
    if (waiting->is_repeated) reply_compare_kept(run, command->id, index, waiting->count);
    else if (waiting->expected[0].result != MODULE_REUSED) {
        reply_keep(run, command->id, index, waiting->count);
    }
}

// Gives the commands that wait to the machine, in one frame.
static void frame_run(struct run *run)
{
    struct frame_command entries[COMMAND_WORLD_COMMANDS_MAX];
    const void *bodies[COMMAND_WORLD_COMMANDS_MAX];
    if (run->waiting_count == 0) return;
    for (u32 i = 0; i < run->waiting_count; i++) {
        const struct book_command *command = &run->waiting[i].command;
        entries[i] = (struct frame_command){
            .record = command->record,
            .version = 1,
            .body_size = command->size,
            .count = command->count,
            .command_id = command->id,
            .principal = command->principal,
        };
        bodies[i] = command->body;
    }
    command_world_frame_of(&run->world, entries, bodies, run->waiting_count);
    for (u32 i = 0; i < run->waiting_count; i++) waiting_compare(run, i);
    run->waiting_count = 0;
}

// Decides in the model; the machine follows with the frame. Every second run has frames of one.
static void run_command(struct run *run)
{
    struct waiting *waiting = &run->waiting[run->waiting_count++];
    waiting->command = run->step.command;
    waiting->command.body = waiting->body;
    memcpy(waiting->body, run->step.command.body, waiting->command.size);
    waiting->count =
        book_model_command(run->model, &waiting->command, waiting->expected, &waiting->is_repeated);
    const u32 most = run->random.seed % 2 == 0 ? 1 : COMMAND_WORLD_COMMANDS_MAX;
    if (run->waiting_count == most) frame_run(run);
}

// --- raw accounts --------------------------------------------------------------------------------

static void run_raw_accounts(struct run *run)
{
    const struct book_step *step = &run->step;
    u32 expected[BOOK_RANDOM_ACCOUNTS_MAX];
    struct create_result results[BOOK_RANDOM_ACCOUNTS_MAX];
    if (book_model_room(run->model) < step->account_count) return; // The port would not log it.
    book_model_raw_accounts(run->model, step->accounts, step->account_count, expected);
    command_world_create(&run->world, COMPAT_CREATE_ACCOUNTS, step->accounts, step->account_count,
                         results);
    for (u32 i = 0; i < step->account_count; i++) {
        if (results[i].status == expected[i]) continue;
        (void)fprintf(stderr, "  raw account %u: model %u, machine %u\n", i, expected[i],
                      results[i].status);
        differs(run, "another result of a raw account");
    }
}

static void run_raw_transfer(struct run *run)
{
    struct create_result result;
    const u32 expected = book_model_raw_transfer(run->model, &run->step.transfer);
    command_world_create(&run->world, COMPAT_CREATE_TRANSFERS, &run->step.transfer, 1, &result);
    if (result.status == expected) return;
    (void)fprintf(stderr, "  raw transfer: model %u, machine %u\n", expected, result.status);
    differs(run, "another result of a raw transfer");
}

// --- state ---------------------------------------------------------------------------------------

static void compare_differs(void *context, const char *what)
{
    differs(context, what);
}

// --- runs ----------------------------------------------------------------------------------------

static void run_expire(struct run *run)
{
    book_model_expire(run->model);
    command_world_tick(&run->world, BOOK_RANDOM_EXPIRY_S);
}

static void run_step(struct run *run)
{
    book_random_next(&run->random, &run->step);
    bool same = true;
    if (run->step.kind != BOOK_STEP_COMMAND) frame_run(run);
    switch (run->step.kind) {
    case BOOK_STEP_COMMAND: run_command(run); break;
    case BOOK_STEP_RAW_ACCOUNTS: run_raw_accounts(run); break;
    case BOOK_STEP_RAW_TRANSFER: run_raw_transfer(run); break;
    case BOOK_STEP_RESTART: same = command_world_restart(&run->world); break;
    case BOOK_STEP_EXPIRE: run_expire(run); break;
    case BOOK_STEP_CHECKPOINT: same = command_world_restart_from_checkpoint(&run->world); break;
    }
    if (!same) differs(run, "another state behind a start");
    if (run->random.steps % ASK_EVERY == 0) frame_run(run);
    if (run->waiting_count > 0) return;
    book_compare_accounts(&run->compare);
    if (run->random.steps % ASK_EVERY != 0 && same && run->step.kind < BOOK_STEP_RESTART) return;
    book_compare_answers(&run->compare);
    book_compare_entries(&run->compare);
    book_compare_cursors(&run->compare);
    for (u32 i = 1; i < run->random.numbers_max + 4; i++) book_compare_history(&run->compare, i);
}

// Opens a principal that may own accounts, in both.
static void principal_open(struct run *run, u64 principal)
{
    const struct principal_open open = {
        .principal_id = principal, .kind = PRINCIPAL_PERSON, .name = "owner"};
    const u64 before = run->world.principal;
    run->world.principal = PRINCIPAL_OPERATOR;
    (void)command_world_run(&run->world, U128_MAX - principal, 0x0501, &open, sizeof open, 1);
    assert_int_equal(command_world_reply(&run->world, 0).result, MODULE_DONE);
    run->world.principal = before;
    book_model_principal(run->model, principal);
}

// Room for accounts that is soon taken in every third run.
static void run_seed(struct run *run, u64 seed, u64 steps)
{
    struct genesis genesis = command_world_genesis();
    genesis.accounts_max = seed % 3 == 0 ? 40 : 4096;
    command_world_init(&run->world, &genesis);
    run->model = book_model_new(genesis.accounts_max);
    run->kept = malloc(steps * sizeof *run->kept);
    assert_non_null(run->kept);
    run->kept_count = 0;
    run->timestamp = 0;
    book_random_init(&run->random, seed);
    run->compare = (struct book_compare){.ask = &run->world.ask,
                                         .model = run->model,
                                         .random = &run->random.random,
                                         .differs = compare_differs,
                                         .context = run};
    principal_open(run, 5);
    principal_open(run, 6);
    for (u64 i = 0; i < steps; i++) run_step(run);
    frame_run(run);
    book_compare_accounts(&run->compare);
    if (!command_world_restart(&run->world)) differs(run, "another state behind a start");
    command_world_free(&run->world);
    book_model_free(run->model);
    free(run->kept);
}

// Questions alone are refused with these (past_test.c, book/tables/past.txt,
// entry/tables/found.txt, constraint/tables/history.txt).
static bool is_of_questions(const struct schema_module *schema, u32 result)
{
    if (schema == &entry_schema) {
        return result == ENTRY_REFERENCE_MISSING || result == ENTRY_RANGE_REVERSED;
    }
    if (schema == &constraint_schema) return result == CONSTRAINT_RANGE_REVERSED;
    return schema == &book_schema &&
           (result == BOOK_DAYS_AND_TIMES || result == BOOK_RANGE_REVERSED ||
            result == BOOK_RAW_HAS_NO_DAYS || result == BOOK_DAY_OUT_OF_RANGE ||
            result == BOOK_REFERENCE_MISSING);
}

// Every result that the modules have must have come.
static u32 count_missing(const struct run *run)
{
    u32 missing = 0;
    for (u32 i = 0; i < module_count; i++) {
        const struct schema_module *schema = modules[i]->schema;
        if (schema != &entity_schema && schema != &book_schema && schema != &entry_schema &&
            schema != &constraint_schema) {
            continue;
        }
        for (u32 j = 0; j < schema->results[0]->row_count; j++) {
            const struct schema_result *result = &schema->results[0]->rows[j];
            if (run->results[i][result->number] > 0) continue;
            if (is_of_questions(schema, result->number)) continue;
            (void)fprintf(stderr, "never given: %s of %s\n", result->name, modules[i]->name);
            missing++;
        }
    }
    return missing;
}

static void print_coverage(const struct run *run)
{
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = 0; j < RESULTS_MAX; j++) {
            if (run->results[i][j] == 0) continue;
            const struct schema_result *result =
                schema_find_result(modules[i]->schema->results[0], j);
            (void)fprintf(stderr, "%-8s %3u %-28s %8llu\n", modules[i]->name, j,
                          result == NULL ? "" : result->name,
                          (unsigned long long)run->results[i][j]);
        }
    }
}

static void test_machine_and_model_agree(void **state)
{
    const struct plan_of_runs *plan = *state;
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    for (u64 i = 0; i < plan->seed_count; i++) run_seed(run, plan->seed_first + i, plan->steps);
    if (getenv("BOOK_COVERAGE") != NULL) print_coverage(run);
    if (plan->seed_count > 1) {
        assert_int_equal(count_missing(run), 0);
        assert_true(run->replies > plan->steps);
    }
    free(run);
}

static void test_same_seed_same_steps(void **state)
{
    (void)state;
    struct book_random *left = malloc(sizeof *left);
    struct book_random *right = malloc(sizeof *right);
    struct book_step steps[2];
    assert_true(left != NULL && right != NULL);
    book_random_init(left, 42);
    book_random_init(right, 42);
    for (u32 i = 0; i < 500; i++) {
        book_random_next(left, &steps[0]);
        book_random_next(right, &steps[1]);
        if (steps[0].command.size > 0) {
            assert_memory_equal(left->body, right->body, steps[0].command.size);
        }
        steps[0].command.body = NULL;
        steps[1].command.body = NULL;
        assert_memory_equal(&steps[0], &steps[1], sizeof steps[0]);
    }
    free(left);
    free(right);
}

int main(int argc, char **argv)
{
    static const char usage[] = "book_model [SEED [STEPS]]";
    struct plan_of_runs plan = {.seed_first = 1, .seed_count = SEEDS, .steps = STEPS_OF_A_SEED};
    if (argc > 1) {
        plan.seed_first = word_number(argc, argv, 1, 1, usage);
        plan.seed_count = 1;
    }
    plan.steps = word_number(argc, argv, 2, plan.steps, usage);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_machine_and_model_agree, &plan),
        cmocka_unit_test(test_same_seed_same_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
