// SPDX-License-Identifier: Apache-2.0
//
// Principals a second time: a naive model, written apart, against the machine on random commands,
// each reply and view, and the state digest over starts. Every result comes at least once.
//
//   principal_model [SEED [STEPS]]    one seed
#include "base/random.h"
#include "base/signature.h"
#include "machine/command_world.h"
#include "modules/book/book.h"
#include "modules/principal/principal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS           12u
#define STEPS_OF_A_SEED 1500u
#define IDS             9u // From 0 on.
#define KEYS            60u
#define USERS           5u
#define RESULTS_MAX     256u

// A principal as the model has it.
struct person {
    bool exists;
    bool is_closed;
    u32 key; // Number of one, or 0.
    u32 user;
    u8 kind;
    u32 keys_had;
    u64 opened; // Positions.
    u64 keyed;
};

struct run {
    struct command_world world;
    struct random random;
    u64 seed;
    u64 step;
    struct person people[IDS];
    u64 order[IDS]; // Who was opened first, second, ...
    u32 count;
    u64 key_owner[KEYS]; // For ever; 0 is nobody.
    u64 user_owner[USERS];
    u32 results[RESULTS_MAX];
    u128 command_id;
};

static u32 below(struct run *run, u32 limit)
{
    return (u32)random_below(&run->random, limit);
}

// Key 0 is none, the last two are no keys.
static void key_make(u32 number, u8 key[SIGNATURE_KEY_SIZE])
{
    u8 seed[SIGNATURE_SEED_SIZE] = {(u8)number, 3};
    memset(key, 0, SIGNATURE_KEY_SIZE);
    if (number == 0) return;
    if (number < KEYS - 2) signature_key_of(seed, key);
    else key[0] = (u8)(number - (KEYS - 2) + 1); // 1 is of order 1, 2 is not on the curve.
}

static bool key_is_bad(u32 number)
{
    return number >= KEYS - 2;
}

// --- the model -----------------------------------------------------------------------------------

static u32 judge_open(const struct run *run, u64 caller, const struct principal_open *open, u32 key)
{
    if (caller != 1) return PRINCIPAL_NOT_PERMITTED;
    if (open->principal_id < 2) return PRINCIPAL_ID_INVALID;
    if (open->name[0] != 'n') return PRINCIPAL_NAME_INVALID;
    if (key_is_bad(key)) return PRINCIPAL_KEY_INVALID;
    if (open->user == 65534 || open->user == 4294967295u) return PRINCIPAL_USER_INVALID;
    if (run->people[open->principal_id].exists) return PRINCIPAL_EXISTS;
    if (key != 0 && run->key_owner[key] != 0) return PRINCIPAL_KEY_IN_USE;
    if (open->user != 0 && run->user_owner[open->user] != 0) return PRINCIPAL_USER_IN_USE;
    return MODULE_DONE;
}

static u32 model_open(struct run *run, u64 caller, const struct principal_open *open, u32 key,
                      u64 position)
{
    const u32 result = judge_open(run, caller, open, key);
    if (result != MODULE_DONE) return result;
    run->people[open->principal_id] = (struct person){.exists = true,
                                                      .key = key,
                                                      .user = open->user,
                                                      .kind = open->kind,
                                                      .keys_had = key != 0,
                                                      .opened = position,
                                                      .keyed = key != 0 ? position : 0};
    run->order[run->count++] = open->principal_id;
    if (key != 0) run->key_owner[key] = open->principal_id;
    if (open->user != 0) run->user_owner[open->user] = open->principal_id;
    return MODULE_DONE;
}

static u32 model_key(struct run *run, u64 caller, u64 id, u32 key, u64 position)
{
    if (caller != 1 && caller != id) return PRINCIPAL_NOT_PERMITTED;
    if (id < 2) return PRINCIPAL_ID_INVALID;
    if (key_is_bad(key)) return PRINCIPAL_KEY_INVALID;
    struct person *person = &run->people[id];
    if (!person->exists) return PRINCIPAL_NOT_FOUND;
    if (key != 0 && run->key_owner[key] != 0 && run->key_owner[key] != id) {
        return PRINCIPAL_KEY_IN_USE;
    }
    const bool is_new = key != 0 && run->key_owner[key] == 0;
    if (is_new && caller != 1 && person->keys_had > 16) return PRINCIPAL_KEYS_TOO_MANY;
    if (is_new) {
        run->key_owner[key] = id;
        person->keys_had++;
    }
    person->key = key;
    person->keyed = position;
    return MODULE_DONE;
}

static u32 model_close(struct run *run, u64 caller, u64 id, bool closes, u64 position)
{
    struct person *person = &run->people[id];
    if (caller != 1) return PRINCIPAL_NOT_PERMITTED;
    if (id < 2) return PRINCIPAL_ID_INVALID;
    if (!person->exists) return PRINCIPAL_NOT_FOUND;
    if (closes && person->is_closed) return PRINCIPAL_IS_CLOSED;
    if (!closes && !person->is_closed) return PRINCIPAL_IS_OPEN;
    person->is_closed = closes;
    if (!closes) person->opened = position;
    return MODULE_DONE;
}

// --- steps ---------------------------------------------------------------------------------------

// Gives a command, and compares what becomes of it.
static void command_run(struct run *run, u64 caller, u16 record, const void *body, u32 size,
                        u32 expected)
{
    run->world.principal = caller;
    (void)command_world_run(&run->world, ++run->command_id, record, body, size, 1);
    const struct command_reply reply = command_world_reply(&run->world, 0);
    run->results[expected]++;
    if (reply.result == expected) return;
    fail_msg("seed %llu, step %llu, record %x: the model says %u, the machine %u",
             (unsigned long long)run->seed, (unsigned long long)run->step, record, expected,
             reply.result);
}

static u64 pick_caller(struct run *run)
{
    return below(run, 3) > 0 ? 1 : below(run, IDS);
}

static u32 pick_key(struct run *run)
{
    if (below(run, 8) == 0) return 0;
    return below(run, 10) == 0 ? KEYS - 1 - below(run, 2) : below(run, KEYS);
}

static void step_open(struct run *run, u64 caller, bool is_closed)
{
    const u32 key = pick_key(run);
    struct principal_open open = {
        .principal_id = below(run, IDS),
        .user = below(run, USERS),
        .kind = (u8)(1 + below(run, 3)),
        .name = "name",
    };
    if (below(run, 20) == 0) open.user = below(run, 2) == 0 ? 65534 : 4294967295u;
    if (below(run, 20) == 0) memcpy(open.name, "a b", 4);
    key_make(key, open.public_key);
    const u64 position = run->world.node.machine.position + 1;
    const u32 expected =
        is_closed ? (u32)MODULE_PRINCIPAL_CLOSED : model_open(run, caller, &open, key, position);
    command_run(run, caller, 0x0501, &open, sizeof open, expected);
}

static void step_key(struct run *run, u64 caller, bool is_closed)
{
    struct principal_key key = {.principal_id = below(run, IDS)};
    // Its own, mostly, and new ones, so that some run out of them.
    if (caller > 1 && below(run, 4) > 0) key.principal_id = caller;
    const u32 number = pick_key(run);
    key_make(number, key.public_key);
    const u64 position = run->world.node.machine.position + 1;
    const u32 expected = is_closed ? (u32)MODULE_PRINCIPAL_CLOSED
                                   : model_key(run, caller, key.principal_id, number, position);
    command_run(run, caller, 0x0502, &key, sizeof key, expected);
}

static void step_close(struct run *run, u64 caller, bool is_closed, bool closes)
{
    const struct principal_close close = {.principal_id = below(run, IDS)};
    const u64 position = run->world.node.machine.position + 1;
    const u32 expected = is_closed ? (u32)MODULE_PRINCIPAL_CLOSED
                                   : model_close(run, caller, close.principal_id, closes, position);
    command_run(run, caller, closes ? 0x0503 : 0x0504, &close, sizeof close, expected);
}

static void compare_person(const struct run *run, u64 id, const struct principal *found)
{
    const struct person *person = &run->people[id];
    u8 key[SIGNATURE_KEY_SIZE];
    key_make(person->key, key);
    assert_true(found->principal_id == id);
    assert_memory_equal(found->public_key, key, sizeof key);
    assert_int_equal(found->user, person->user);
    assert_int_equal(found->kind, person->kind);
    assert_int_equal(found->status, person->is_closed ? PRINCIPAL_CLOSED : PRINCIPAL_OPEN);
    assert_int_equal(found->open_position, person->opened);
    assert_int_equal(found->key_position, person->keyed);
    assert_int_equal(found->keys, person->keys_had);
}

// Compares the list, in pages, and what others are told of principals.
static void compare_all(struct run *run)
{
    struct module_answer answer = {0};
    const struct principal_list list = {0};
    u32 at = 0;
    const u32 room = (1 + below(run, 3)) * (u32)sizeof(struct principal);
    do {
        assert_int_equal(
            command_world_ask(&run->world, &principal_schema_principal_list, &list, room, &answer),
            MODULE_DONE);
        for (u32 i = 0; i < answer.count; i++) {
            const struct principal *found = (const void *)run->world.views;
            assert_true(at < run->count);
            compare_person(run, run->order[at++], &found[i]);
        }
    } while (!is_zero(answer.cursor, sizeof answer.cursor));
    assert_int_equal(at, run->count);
    const struct module_context context = commit_context(&run->world.node.machine, &book_module);
    for (u64 id = 0; id < IDS; id++) {
        const struct person *person = &run->people[id];
        assert_int_equal(principal_is_open(&context, id),
                         id == 1 || (person->exists && !person->is_closed));
        assert_int_equal(principal_is_closed(&context, id), person->exists && person->is_closed);
    }
    for (u32 user = 1; user < USERS; user++) {
        const struct principal *found = principal_of_user(&context, user);
        assert_true((found == NULL ? 0 : found->principal_id) == run->user_owner[user]);
    }
}

static void step(struct run *run)
{
    const u64 caller = pick_caller(run);
    const bool is_closed = run->people[caller].is_closed;
    switch (below(run, 6)) {
    case 0: step_open(run, caller, is_closed); break;
    case 1: step_close(run, caller, is_closed, below(run, 3) > 0); break;
    case 2: step_close(run, caller, is_closed, false); break;
    default: step_key(run, caller, is_closed); break;
    }
    if (below(run, 10) == 0) compare_all(run);
    if (below(run, 200) == 0) assert_true(command_world_restart(&run->world));
    if (below(run, 200) == 0) assert_true(command_world_restart_from_checkpoint(&run->world));
}

static void run_seed(struct run *run, u64 seed, u64 steps)
{
    const struct genesis genesis = command_world_genesis();
    command_world_init(&run->world, &genesis);
    random_init(&run->random, seed);
    run->seed = seed;
    run->count = 0;
    run->command_id = 0;
    memset(run->people, 0, sizeof run->people);
    memset(run->key_owner, 0, sizeof run->key_owner);
    memset(run->user_owner, 0, sizeof run->user_owner);
    for (run->step = 0; run->step < steps; run->step++) step(run);
    compare_all(run);
    command_world_free(&run->world);
}

struct plan_of_runs {
    u64 first;
    u64 count;
    u64 steps;
};

static void test_machine_and_model_agree(void **state)
{
    const struct plan_of_runs *plan = *state;
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    for (u64 i = 0; i < plan->count; i++) run_seed(run, plan->first + i, plan->steps);
    u32 missing = 0;
    for (u32 i = 0; plan->count > 1 && i < principal_schema.results[0]->row_count; i++) {
        const struct schema_result *result = &principal_schema.results[0]->rows[i];
        if (run->results[result->number] > 0) continue;
        (void)fprintf(stderr, "never given: %s\n", result->name);
        missing++;
    }
    assert_int_equal(missing, 0);
    if (plan->count > 1) assert_true(run->results[MODULE_PRINCIPAL_CLOSED] > 0);
    free(run);
}

int main(int argc, char **argv)
{
    struct plan_of_runs plan = {.first = 1, .count = SEEDS, .steps = STEPS_OF_A_SEED};
    if (argc > 1) {
        plan.first = strtoull(argv[1], NULL, 10);
        plan.count = 1;
    }
    if (argc > 2) plan.steps = strtoull(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_machine_and_model_agree, &plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
