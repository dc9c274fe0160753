// SPDX-License-Identifier: Apache-2.0
//
// The pattern of a module, from command to records, postings, refusals and effects, through a log
// on a disk in memory: what it does, that it does nothing when refused, and that replay agrees.
#include "machine/command_world.h"
#include "machine/commit_internal.h"
#include "modules/book/book.h"
#include "modules/constraint/constraint.h"
#include "modules/effect/effect.h"
#include "modules/entity/entity.h"
#include "modules/entry/entry.h"
#include "modules/job/job.h"
#include "modules/sample/sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAYER   1u
#define HOLDER  2u
#define LIMITED 3u // May not be debited beyond its credits.

static const struct table *effects_of(const struct machine *machine)
{
    return &machine->module_tables[module_index(&effect_module)].tables[EFFECT_TABLE_EFFECTS];
}

static u64 effect_count(const struct machine *machine)
{
    return effects_of(machine)->count;
}

static struct command_reply command_run(struct command_world *world, u128 id, u16 record,
                                        const void *body, u32 size)
{
    assert_int_equal(command_world_run(world, id, record, body, size, 1), 1);
    return command_world_reply(world, 0);
}

static u32 open_run(struct command_world *world, u128 id, struct sample_open open)
{
    return command_run(world, id, 0x7f01, &open, sizeof open).result;
}

static struct command_reply put_run(struct command_world *world, u128 id, u128 box_id, u128 amount)
{
    const struct sample_put put = {.box_id = box_id, .amount = amount};
    return command_run(world, id, 0x7f02, &put, sizeof put);
}

static void accounts_make(struct command_world *world)
{
    struct account accounts[3];
    struct create_result results[3];
    for (u32 i = 0; i < 3; i++) {
        accounts[i] = (struct account){.id = i + 1, .ledger = 7, .code = 1};
        if (i + 1 == LIMITED) accounts[i].flags = ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS;
    }
    command_world_create(world, COMPAT_CREATE_ACCOUNTS, accounts, 3, results);
    assert_int_equal(world->node.machine.ledger.accounts.count, 3);
}

static int setup(void **state)
{
    const struct genesis genesis = command_world_genesis();
    struct command_world *world = malloc(sizeof *world);
    assert_non_null(world);
    command_world_init(world, &genesis);
    accounts_make(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    command_world_free(*state);
    free(*state);
    return 0;
}

static const struct sample_open box_one = {
    .box_id = 11, .account_id = PAYER, .box_account_id = HOLDER, .limit = 100};

static void test_commits_postings_records_and_effects(void **state)
{
    struct command_world *world = *state;
    struct machine *machine = &world->node.machine;
    assert_int_equal(open_run(world, 1001, box_one), MODULE_DONE);
    struct command_reply reply = put_run(world, 1002, 11, 40);
    assert_int_equal(reply.result, MODULE_DONE);
    assert_int_equal(reply.position, machine->position);
    assert_true(ledger_account(&machine->ledger, 0)->debits_posted == 40);
    assert_true(ledger_account(&machine->ledger, 1)->credits_posted == 40);
    const struct sample_box *box =
        table_record(&machine->module_tables[module_index(&sample_module)].tables[0], 0);
    assert_true(box->amount == 40 && box->put_count == 1);
    assert_int_equal(effect_count(machine), 1);
    const struct effect *effect = table_record(effects_of(machine), 0);
    assert_int_equal(effect->state, EFFECT_PENDING);
    assert_int_equal(effect->kind, 0x7f0001);
    assert_true(effect->effect == 1 && effect->repeatable);
    assert_true(effect->key == ((u128)7 << 64 | 1)); // The world's log has the id 7.
    assert_true(load_u128(effect->body) == 11 && load_u128(effect->body + 16) == 40);
}

static void test_posting_is_found_by_its_account(void **state)
{
    struct command_world *world = *state;
    struct machine *machine = &world->node.machine;
    assert_int_equal(open_run(world, 1001, box_one), MODULE_DONE);
    assert_int_equal(put_run(world, 1002, 11, 40).result, MODULE_DONE);
    struct history_query *query = NULL;
    struct failure failure;
    command_world_must(history_query_new(&query, &failure), &failure);
    struct history_view view = history_view_open(
        &machine->history, (const struct account *)(const void *)machine->ledger.accounts.memory,
        machine->history.next_row);
    const struct account_filter filter = {
        .account_id = HOLDER, .limit = 10, .flags = ACCOUNT_FILTER_CREDITS};
    struct transfer found[10];
    u32 count = 0;
    command_world_must(
        history_account_transfers(query, &view, &filter, 1, 10, found, &count, NULL, &failure),
        &failure);
    assert_int_equal(count, 1);
    assert_true(found[0].amount == 40 && found[0].debit_account_id == PAYER);
    assert_int_equal(found[0].code, SAMPLE_POSTING_CODE);
    assert_int_equal(found[0].ledger, 7);
    history_view_close(&view);
    history_query_free(query);
}

static void test_refusals_name_value_and_limit_and_change_nothing(void **state)
{
    struct command_world *world = *state;
    struct machine *machine = &world->node.machine;
    struct sample_open open = box_one;
    open.box_id = 0;
    assert_int_equal(open_run(world, 2001, open), SAMPLE_BOX_ID_MUST_NOT_BE_ZERO);
    assert_int_equal(open_run(world, 2002, box_one), MODULE_DONE);
    assert_int_equal(open_run(world, 2003, box_one), SAMPLE_BOX_EXISTS);
    open = box_one;
    open.box_id = 12;
    open.account_id = 77;
    assert_int_equal(open_run(world, 2004, open), SAMPLE_ACCOUNT_NOT_FOUND);
    assert_int_equal(put_run(world, 2005, 13, 1).result, SAMPLE_BOX_NOT_FOUND);
    assert_int_equal(put_run(world, 2006, 11, 0).result, SAMPLE_AMOUNT_MUST_NOT_BE_ZERO);
    assert_int_equal(put_run(world, 2007, 11, 60).result, MODULE_DONE);
    struct command_reply reply = put_run(world, 2008, 11, 41);
    assert_int_equal(reply.result, SAMPLE_LIMIT_EXCEEDED);
    assert_true(reply.evidence[0] == 101 && reply.evidence[1] == 100);
    assert_true(ledger_account(&machine->ledger, 1)->credits_posted == 60);
    assert_int_equal(effect_count(machine), 1);
    assert_int_equal(command_run(world, 2009, 0x7f0f, "", 0).result, MODULE_UNKNOWN);
    assert_int_equal(command_run(world, 2010, 0x7d01, "", 0).result, MODULE_UNKNOWN);
    assert_int_equal(command_run(world, 2011, 0x7f02, "short", 5).result, MODULE_MALFORMED);
}

static void test_a_refused_posting_takes_the_whole_plan_back(void **state)
{
    struct command_world *world = *state;
    struct machine *machine = &world->node.machine;
    const struct sample_open open = {.box_id = 21, .account_id = LIMITED, .box_account_id = HOLDER};
    assert_int_equal(open_run(world, 3001, open), MODULE_DONE);
    struct command_reply reply = put_run(world, 3002, 21, 5);
    assert_int_equal(reply.result, MODULE_POSTING_REFUSED);
    assert_int_equal(reply.posting, 0);
    assert_int_equal(reply.posting_result, CREATE_TRANSFER_EXCEEDS_CREDITS);
    const struct sample_box *box =
        table_record(&machine->module_tables[module_index(&sample_module)].tables[0], 0);
    assert_true(box->amount == 0 && box->put_count == 0);
    assert_int_equal(effect_count(machine), 0);
    assert_true(ledger_account(&machine->ledger, 1)->credits_posted == 0);
}

static void test_a_repeated_command_gets_the_same_reply_once(void **state)
{
    struct command_world *world = *state;
    struct machine *machine = &world->node.machine;
    assert_int_equal(open_run(world, 4001, box_one), MODULE_DONE);
    struct command_reply first = put_run(world, 4002, 11, 10);
    struct command_reply again = put_run(world, 4002, 11, 10);
    assert_memory_equal(&first, &again, sizeof first);
    assert_true(ledger_account(&machine->ledger, 1)->credits_posted == 10);
    assert_int_equal(put_run(world, 4002, 11, 20).result, MODULE_REUSED);
    assert_true(ledger_account(&machine->ledger, 1)->credits_posted == 10);
}

// What is said again under an id is the same only when all of it is.
static void test_an_id_is_of_one_command(void **state)
{
    struct command_world *world = *state;
    struct machine *machine = &world->node.machine;
    assert_int_equal(command_run(world, 1, 0x7d01, "", 0).result, MODULE_UNKNOWN);
    assert_int_equal(command_run(world, 1, 0x7d01, "", 0).result, MODULE_UNKNOWN);
    assert_int_equal(command_run(world, 1, 0x7d02, "", 0).result, MODULE_REUSED); // The record.
    assert_int_equal(open_run(world, 2, box_one), MODULE_DONE);
    world->principal++;
    assert_int_equal(open_run(world, 2, box_one), MODULE_REUSED); // Who asks.
    world->principal--;
    struct sample_open other = box_one;
    other.limit++;
    assert_int_equal(open_run(world, 2, other), MODULE_REUSED); // The content.
    // Another size under the same sum of the content, which nobody finds.
    struct command_note *note = (struct command_note *)machine->notes.memory + 1;
    assert_true(note->command_id == 2 && note->body_size == sizeof box_one);
    note->body_size += 16;
    assert_int_equal(open_run(world, 2, box_one), MODULE_REUSED);
    note->body_size -= 16;
    assert_int_equal(open_run(world, 2, box_one), MODULE_DONE);
}

// What an effect's end leads to has no room: then it has not ended, and its amount is held.
static void test_an_effect_whose_consequence_is_refused_does_not_end(void **state)
{
    struct command_world *world = *state;
    const struct account *payer = ledger_account(&world->node.machine.ledger, 0);
    const struct sample_send send = {.send_id = 3, .box_id = 11, .amount = 5};
    const struct effect_cancel cancel = {.effect = 1, .reason = 1};
    const u16 number = (u16)effect_schema_effect_cancel.number;
    struct table *breaches = &world->node.machine.ledger.breaches;
    const u64 capacity = breaches->capacity;
    assert_int_equal(open_run(world, 1, box_one), MODULE_DONE);
    assert_int_equal(command_run(world, 2, 0x7f04, &send, sizeof send).result, MODULE_DONE);
    const struct effect *effect = table_record(effects_of(&world->node.machine), 0);
    breaches->capacity = 0;
    assert_int_equal(command_run(world, 3, number, &cancel, sizeof cancel).result, MODULE_FULL);
    breaches->capacity = capacity;
    assert_int_equal(effect->state, EFFECT_PENDING);
    assert_true(payer->debits_pending == 5);
    assert_int_equal(command_run(world, 4, number, &cancel, sizeof cancel).result, MODULE_DONE);
    assert_int_equal(effect->state, EFFECT_CANCELLED);
    assert_true(payer->debits_pending == 0);
}

// Of a record that is done there is one row, of one that is refused another with its evidence.
static void test_each_record_leaves_its_rows(void **state)
{
    struct command_world *world = *state;
    struct history *history = &world->node.machine.history;
    struct outcome outcome;
    struct failure failure;
    const u64 first = history->next_row;
    assert_int_equal(open_run(world, 1, box_one), MODULE_DONE);
    assert_true(history->next_row == first + 1);
    assert_int_equal(open_run(world, 2, box_one), SAMPLE_BOX_EXISTS);
    assert_true(history->next_row == first + 3);
    const u8 kinds[] = {OUTCOME_COMMAND, OUTCOME_COMMAND, OUTCOME_EVIDENCE};
    const u8 results[] = {OUTCOME_CREATED, SAMPLE_BOX_EXISTS, OUTCOME_CREATED};
    struct history_set *set = history_set_acquire(history);
    for (u32 i = 0; i < ARRAY_COUNT(kinds); i++) {
        command_world_must(history_row(history, set, first + i, &outcome, &failure), &failure);
        assert_int_equal(outcome.kind, kinds[i]);
        assert_int_equal(outcome.result, results[i]);
    }
    history_set_release(history, set);
}

// Raw transfers, of which one is refused, as a principal gives them.
static void raw_run(struct command_world *world, struct create_result results[2])
{
    const struct transfer transfers[2] = {
        {.id = 900,
         .debit_account_id = 1,
         .credit_account_id = 2,
         .ledger = 7,
         .code = 1,
         .amount = 5},
        {.id = 901,
         .debit_account_id = 1,
         .credit_account_id = 9,
         .ledger = 7,
         .code = 1,
         .amount = 5},
    };
    const struct frame_command entry = {.record = 0x102,
                                        .version = 1,
                                        .body_size = sizeof transfers,
                                        .count = 2,
                                        .command_id = 77,
                                        .principal = world->principal};
    command_world_frame(world, &entry, transfers);
    assert_true(world->applied.commands[0].has_results);
    assert_int_equal(world->applied.commands[0].reply_size, 2 * sizeof *results);
    memcpy(results, world->reply, 2 * sizeof *results);
}

static void test_raw_transfers_that_are_repeated_get_the_same_results(void **state)
{
    struct command_world *world = *state;
    const struct account *debit = ledger_account(&world->node.machine.ledger, 0);
    struct create_result first[2], again[2];
    raw_run(world, first);
    assert_int_equal(first[0].status, U32_MAX);
    assert_int_equal(first[1].status, CREATE_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND);
    for (u32 i = 0; i < 3; i++) {
        raw_run(world, again);
        assert_memory_equal(first, again, sizeof first);
        assert_true(debit->debits_posted == 5);
        // From the log, whose replies nobody waits for; then from what a checkpoint kept.
        assert_true(i == 0 ? command_world_restart(world)
                           : command_world_restart_from_checkpoint(world));
        debit = ledger_account(&world->node.machine.ledger, 0);
    }
}

// A command of three records, of which the second is refused.
static u32 three_run(struct command_world *world, u128 id, struct command_reply replies[3])
{
    const struct sample_put puts[3] = {
        {.box_id = 11, .amount = 60}, {.box_id = 11, .amount = 50}, {.box_id = 11, .amount = 40}};
    u32 count = command_world_run(world, id, 0x7f02, puts, sizeof puts, ARRAY_COUNT(puts));
    for (u32 i = 0; i < 3; i++) replies[i] = command_world_reply(world, i);
    return count;
}

static void test_records_of_a_command_are_decided_one_by_one(void **state)
{
    struct command_world *world = *state;
    struct machine *machine = &world->node.machine;
    struct command_reply replies[3];
    assert_int_equal(open_run(world, 5501, box_one), MODULE_DONE);
    assert_int_equal(three_run(world, 5502, replies), 3);
    assert_int_equal(replies[0].result, MODULE_DONE);
    assert_int_equal(replies[1].result, SAMPLE_LIMIT_EXCEEDED);
    assert_true(replies[1].evidence[0] == 110 && replies[1].evidence[1] == 100);
    assert_int_equal(replies[2].result, MODULE_DONE);
    assert_true(replies[0].timestamp < replies[1].timestamp &&
                replies[1].timestamp < replies[2].timestamp);
    assert_true(ledger_account(&machine->ledger, 1)->credits_posted == 100);
    // Asked again, also behind a start and when the rows are sealed, it is answered the same.
    struct command_reply again[3];
    assert_int_equal(three_run(world, 5502, again), 3);
    assert_memory_equal(replies, again, sizeof replies);
    command_world_close(world);
    command_world_open(world);
    history_rotate(&machine->history);
    struct failure failure;
    command_world_must(node_seal_all(&world->node, &failure), &failure);
    assert_int_equal(three_run(world, 5502, again), 3);
    assert_memory_equal(replies, again, sizeof replies);
    assert_true(ledger_account(&machine->ledger, 1)->credits_posted == 100);
}

static void test_a_command_that_is_not_whole_is_refused_as_one(void **state)
{
    struct command_world *world = *state;
    assert_int_equal(open_run(world, 5601, box_one), MODULE_DONE);
    const struct sample_put puts[2] = {{.box_id = 11, .amount = 1}, {.box_id = 11, .amount = 1}};
    const struct {
        u32 body_size;
        u32 count;
    } wrong[] = {
        {.body_size = sizeof puts, .count = 0}, {.body_size = sizeof puts, .count = 1},
        {.body_size = sizeof puts, .count = 3}, {.body_size = sizeof puts - 1, .count = 2},
        {.body_size = 0, .count = 1},
    };
    for (u32 i = 0; i < ARRAY_COUNT(wrong); i++) {
        assert_int_equal(
            command_world_run(world, 5700 + i, 0x7f02, puts, wrong[i].body_size, wrong[i].count),
            1);
        assert_int_equal(command_world_reply(world, 0).result, MODULE_MALFORMED);
    }
    assert_true(ledger_account(&world->node.machine.ledger, 1)->credits_posted == 0);
}

// Random commands, then the log alone: the same state, and the same replies to what is repeated.
static void test_replay_and_model_agree(void **state)
{
    struct command_world *world = *state;
    u128 model[8] = {0}; // What each box holds.
    u64 seed = 12345;
    struct command_reply first = {0};
    struct sample_put first_put = {0};
    for (u32 i = 0; i < 8; i++) {
        const struct sample_open open = {
            .box_id = 100 + i, .account_id = PAYER, .box_account_id = HOLDER, .limit = 1000};
        assert_int_equal(open_run(world, 5000 + i, open), MODULE_DONE);
    }
    for (u32 i = 0; i < 500; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        u32 box = (u32)(seed >> 60);
        u128 amount = (seed >> 40) % 64;
        struct command_reply reply = put_run(world, 6000 + i, 100 + box, amount);
        if (i == 0) first = reply;
        if (i == 0) first_put = (struct sample_put){.box_id = 100 + box, .amount = amount};
        u32 result = reply.result;
        u32 expected = MODULE_DONE;
        if (box >= 8) expected = SAMPLE_BOX_NOT_FOUND;
        else if (amount == 0) expected = SAMPLE_AMOUNT_MUST_NOT_BE_ZERO;
        else if (model[box] + amount > 1000) expected = SAMPLE_LIMIT_EXCEEDED;
        else model[box] += amount;
        assert_int_equal(result, expected);
    }
    assert_true(command_world_restart(world));
    assert_true(command_world_restart_from_checkpoint(world));
    struct command_reply again = put_run(world, 6000, first_put.box_id, first_put.amount);
    assert_memory_equal(&first, &again, sizeof first);
}

static void test_an_override_makes_a_command_a_refusal(void **state)
{
    struct command_world *world = *state;
    assert_int_equal(open_run(world, 7001, box_one), MODULE_DONE);
    assert_int_equal(put_run(world, 7002, 11, 10).result, MODULE_DONE);
    u64 poison = world->node.machine.position;
    command_world_close(world);
    struct failure failure;
    assert_int_equal(override_append(&world->disk.disk, poison + 9, 1, &failure), STATUS_INVALID);
    command_world_must(override_append(&world->disk.disk, poison, 1, &failure), &failure);
    // As after a recovery that died at this command: the overrides are looked for first.
    struct crash_watch watch = {
        .recovering = 1, .position = poison, .died_at = poison, .attempts = 7};
    world->node.watch = &watch;
    command_world_open(world);
    const struct machine *machine = &world->node.machine;
    assert_true(machine_is_overridden(machine, poison));
    assert_true(ledger_account(&machine->ledger, 1)->credits_posted == 0);
    assert_int_equal(machine->position, poison + 1);
    assert_int_equal(put_run(world, 7003, 11, 5).result, MODULE_DONE);
    assert_true(ledger_account(&machine->ledger, 1)->credits_posted == 5);
}

// Carries out `count` records as one command. Returns how many were refused as full.
static u32 run_until_full(struct command_world *world, u128 id, u16 record, const void *records,
                          size_t size, u32 count)
{
    assert_int_equal(command_world_run(world, id, record, records, count * (u32)size, count),
                     count);
    u32 full = 0;
    for (u32 i = 0; i < count; i++) full += command_world_reply(world, i).result == MODULE_FULL;
    return full;
}

// Opens `count` entities with ids from `first` on. Returns how many were refused as full.
static u32 entities_open(struct command_world *world, u128 id, u128 first, u32 count)
{
    struct entity_open *opens = calloc(count, sizeof *opens);
    assert_non_null(opens);
    for (u32 i = 0; i < count; i++) {
        opens[i] = (struct entity_open){
            .entity_id = first + i, .name = "a", .jurisdiction = "HK", .currency = "HKD", .day = 1};
    }
    const u32 full = run_until_full(world, id, 0x0201, opens, sizeof *opens, count);
    free(opens);
    return full;
}

static void test_a_full_table_refuses_what_is_more(void **state)
{
    struct command_world *world = *state;
    const u32 batch = 8000;
    const struct module_tables *tables =
        &world->node.machine.module_tables[module_index(&entity_module)];
    const u64 capacity = tables->tables[0].capacity;
    u64 made = 0;
    while (made + batch < capacity) {
        assert_int_equal(entities_open(world, 9001 + made, 1 + made, batch), 0);
        made += batch;
    }
    assert_int_equal(entities_open(world, 9001 + made, 1 + made, batch), made + batch - capacity);
    assert_int_equal(tables->tables[0].count, capacity);
    assert_int_equal(entities_open(world, 9000, 1 + capacity, 1), 1);
    assert_true(command_world_restart(world));
    assert_int_equal(tables->tables[0].count, capacity);
    assert_int_equal(entities_open(world, 9000, 1 + capacity, 1), 1);
}

// A plan of the sample module fits a table of this capacity, and none that is smaller by one.
static void room_is_needed(const struct machine *machine, const struct plan *plan, u64 *capacity,
                           u64 enough)
{
    const u64 before = *capacity;
    *capacity = enough;
    assert_true(plan_fits(machine, &sample_module, plan));
    *capacity = enough - 1;
    assert_false(plan_fits(machine, &sample_module, plan));
    *capacity = before;
}

static void test_a_plan_has_room_in_each_table(void **state)
{
    struct command_world *world = *state;
    struct machine *machine = &world->node.machine;
    struct ledger *ledger = &machine->ledger;
    struct table *boxes = machine->module_tables[module_index(&sample_module)].tables;
    struct table *jobs = &machine->module_tables[module_index(&job_module)].tables[JOB_TABLE];
    struct plan *plan = calloc(1, sizeof *plan);
    assert_non_null(plan);
    assert_int_equal(open_run(world, 1, box_one), MODULE_DONE);
    plan->write_count = 3; // The first one replaces a record.
    for (u32 i = 0; i < 3; i++) plan->writes[i].row = i;
    for (u32 i = 0; i < 3; i++) plan->writes[i].size = sample_module.tables[0].record_size;
    room_is_needed(machine, plan, &boxes->capacity, 3);
    plan_clear(plan);
    plan->bulk =
        (struct plan_bulk){.count = 5, .first = 1, .size = sample_module.tables[0].record_size};
    room_is_needed(machine, plan, &boxes->capacity, 6);
    plan_clear(plan);
    plan->has_job = true;
    plan->job.number = 7;
    room_is_needed(machine, plan, &jobs->capacity, 7);
    plan->job.number = (u32)jobs->capacity + 1;
    assert_false(plan_fits(machine, &sample_module, plan));
    plan->has_job = false; // What is left of another plan.
    assert_true(plan_fits(machine, &sample_module, plan));
    plan->account_count = 4;
    room_is_needed(machine, plan, &ledger->accounts.capacity, 3 + 4);
    plan_clear(plan);
    plan->control_count = 2;
    room_is_needed(machine, plan, &machine->sub_ledgers.table.capacity, 2);
    plan_clear(plan);
    plan->change.kind = LEDGER_CHANGE_CELL_OPEN;
    room_is_needed(machine, plan, &ledger->cells.capacity, 1);
    free(plan);
}

// Of postings, holds need room for themselves, and facts for the breaches that they may open.
static void test_a_plan_has_room_for_what_it_posts(void **state)
{
    struct command_world *world = *state;
    struct machine *machine = &world->node.machine;
    struct ledger *ledger = &machine->ledger;
    struct plan *plan = calloc(1, sizeof *plan);
    assert_non_null(plan);
    plan->posting_count = 3;
    room_is_needed(machine, plan, &machine->turnovers.table.capacity, 3 * 4);
    const u64 holds = ledger->holds.capacity;
    const u64 breaches = ledger->breaches.capacity;
    ledger->holds.capacity = 0;
    assert_true(plan_fits(machine, &sample_module, plan));
    for (u32 i = 0; i < 3; i++) plan->postings[i].flags = TRANSFER_PENDING;
    assert_false(plan_fits(machine, &sample_module, plan));
    room_is_needed(machine, plan, &ledger->holds.capacity, 3);
    ledger->holds.capacity = holds;
    plan_clear(plan);
    plan->shortfall_count = 2;
    room_is_needed(machine, plan, &ledger->breaches.capacity, 2 + 1);
    ledger->breaches.capacity = 0;
    assert_false(plan_fits(machine, &sample_module, plan));
    plan_clear(plan);
    plan->is_fact = true; // Moves nothing: what time does must always fit.
    assert_true(plan_fits(machine, &sample_module, plan));
    plan->posting_count = 1;
    room_is_needed(machine, plan, &ledger->breaches.capacity, 1);
    plan_clear(plan);
    plan->is_fact = true;
    plan->change.kind = LEDGER_CHANGE_CELL_ADD;
    room_is_needed(machine, plan, &ledger->breaches.capacity, 1);
    ledger->breaches.capacity = breaches;
    free(plan);
}

// Opens `count` cells with numbers from `first` on. Returns how many were refused as full.
static u32 cells_open(struct command_world *world, u128 id, u32 first, u32 count)
{
    struct cell_open *opens = calloc(count, sizeof *opens);
    assert_non_null(opens);
    for (u32 i = 0; i < count; i++) {
        opens[i] = (struct cell_open){.cell = first + i, .name = "a"};
    }
    const u32 full = run_until_full(world, id, 0x0601, opens, sizeof *opens, count);
    free(opens);
    return full;
}

// The module's records and the ledger's fill up together.
static void test_the_ledger_takes_no_more_cells_than_it_has_room_for(void **state)
{
    struct command_world *world = *state;
    const u32 batch = 8192;
    const struct table *cells = &world->node.machine.ledger.cells;
    for (u32 i = 0; i < LEDGER_CELLS_MAX / batch; i++) {
        assert_int_equal(cells_open(world, 9001 + i, 1 + i * batch, batch - 8), 0);
    }
    const u32 left = LEDGER_CELLS_MAX / batch * 8;
    assert_int_equal(cells_open(world, 8001, LEDGER_CELLS_MAX + 1, left + 3), 3);
    assert_int_equal(cells->count, LEDGER_CELLS_MAX);
    assert_true(command_world_restart_from_checkpoint(world));
    assert_int_equal(cells->count, LEDGER_CELLS_MAX);
    assert_int_equal(cells_open(world, 8002, 2 * LEDGER_CELLS_MAX, 1), 1);
}

// Gives `count` commands that no module knows, with ids from `first` on, some in each frame.
static void unknowns_run(struct command_world *world, u128 first, u32 count)
{
    struct frame_command entries[COMMAND_WORLD_COMMANDS_MAX];
    const void *bodies[COMMAND_WORLD_COMMANDS_MAX];
    for (u32 done = 0; done < count;) {
        const u32 some = MIN(count - done, COMMAND_WORLD_COMMANDS_MAX);
        for (u32 i = 0; i < some; i++) {
            entries[i] = (struct frame_command){
                .record = 0x7d01, .version = 1, .count = 1, .command_id = first + done + i};
            bodies[i] = "";
        }
        command_world_frame_of(world, entries, bodies, some);
        for (u32 i = 0; i < some; i++) {
            assert_int_equal(command_world_reply_of(world, i, 0).result, MODULE_UNKNOWN);
        }
        done += some;
    }
}

static void test_a_command_is_known_as_long_as_its_note_is_kept(void **state)
{
    struct command_world *world = *state;
    assert_int_equal(open_run(world, 1, box_one), MODULE_DONE);
    unknowns_run(world, 2, COMMAND_NOTES_MAX - 1);
    assert_int_equal(open_run(world, 1, box_one), MODULE_DONE);
    assert_true(command_world_restart(world));
    assert_int_equal(open_run(world, 1, box_one), MODULE_DONE);
    unknowns_run(world, 2 + COMMAND_NOTES_MAX, 1); // Takes the place of the first.
    assert_int_equal(put_run(world, 3, 11, 1).result, MODULE_REUSED);
    assert_int_equal(open_run(world, 1, box_one), SAMPLE_BOX_EXISTS);
    assert_int_equal(put_run(world, 2, 11, 10).result, MODULE_DONE); // Its note was the next.
    assert_true(command_world_restart_from_checkpoint(world));
    assert_int_equal(open_run(world, 1, box_one), SAMPLE_BOX_EXISTS);
    assert_int_equal(put_run(world, 2, 11, 10).result, MODULE_DONE);
    assert_int_equal(put_run(world, 4, 11, 10).result, MODULE_REUSED);
    assert_true(ledger_account(&world->node.machine.ledger, 1)->credits_posted == 10);
}

// A server whose disk is full goes on until all memory of live segments is taken; it starts again
// in that state.
static void test_a_start_needs_no_more_memory_than_what_wrote_the_log(void **state)
{
    struct command_world *world = *state;
    struct history *history = &world->node.machine.history;
    assert_int_equal(open_run(world, 8001, box_one), MODULE_DONE);
    world->frame_flags = FRAME_ROTATE;
    for (u32 i = 0; history_can_rotate(history); i++) {
        assert_int_equal(put_run(world, 8002 + i, 11, 10).result, MODULE_DONE);
        assert_true(world->applied.rotated);
    }
    assert_int_equal(history->set->count, HISTORY_LIVE_SEGMENTS_MAX);
    world->disk.capacity = world->disk.used; // Nothing was sealed, and nothing can be.
    command_world_close(world);
    command_world_open(world);
    assert_int_equal(history->set->count, HISTORY_LIVE_SEGMENTS_MAX);
    assert_false(history_can_rotate(history));
    machine_check(&world->node.machine);
    world->disk.capacity = 1ull << 40;
    struct failure failure;
    command_world_must(node_seal_all(&world->node, &failure), &failure);
    assert_true(history_can_rotate(history));
}

static void test_recovery_is_not_tried_for_ever(void **state)
{
    struct command_world *world = *state;
    struct crash_watch watch = {0};
    struct failure failure;
    u32 begun = 0;
    while (begun < 10 && crash_watch_begin(&watch, &world->node.machine, &failure) == STATUS_OK) {
        watch.position = 42; // And here the process dies.
        begun++;
    }
    assert_int_equal(begun, OVERRIDE_ATTEMPTS_MAX);
    assert_non_null(strstr(failure.message, "died 3 times while applying command 42 "));
    // What is refused dies of nothing.
    assert_int_equal(crash_watch_begin(&watch, &world->node.machine, &failure), STATUS_INVALID);
    assert_non_null(strstr(failure.message, "died 3 times while applying command 42 "));
    machine_override(&world->node.machine, 42);
    command_world_must(crash_watch_begin(&watch, &world->node.machine, &failure), &failure);
    crash_watch_end(&watch);
    command_world_must(crash_watch_begin(&watch, &world->node.machine, &failure), &failure);
}

// A recovery that is given up, however often, does not count against the command that it was at.
static void test_recovery_that_is_given_up_has_not_died(void **state)
{
    struct command_world *world = *state;
    struct crash_watch watch = {0};
    struct recovery_report report;
    struct failure failure;
    assert_int_equal(open_run(world, 7001, box_one), MODULE_DONE);
    assert_int_equal(put_run(world, 7002, 11, 10).result, MODULE_DONE);
    const u64 place = world->node.wal.tail.place - PAGE_SIZE; // In the last frame.
    assert_int_equal(put_run(world, 7003, 11, 10).result, MODULE_DONE);
    command_world_close(world);
    disk_memory_rot(&world->disk, "log-00000000", place + 64, 0);
    for (u32 i = 0; i < 2 * OVERRIDE_ATTEMPTS_MAX; i++) {
        world->node.watch = &watch;
        assert_int_equal(
            node_open(&world->node, &world->disk.disk, NULL, 0, NULL, &report, &failure),
            STATUS_CORRUPT);
        assert_true(watch.recovering == 0 && watch.attempts == 0 && watch.position > 0);
    }
    disk_memory_rot(&world->disk, "log-00000000", place + 64, 0);
    // What died before stays counted, until a recovery ends.
    watch = (struct crash_watch){.attempts = 2, .died_at = 5};
    crash_watch_leave(&watch);
    assert_true(watch.attempts == 2 && watch.died_at == 5);
    world->node.watch = &watch;
    command_world_open(world);
    assert_true(watch.recovering == 0 && watch.attempts == 0);
}

// --- records whose frame is on its way -----------------------------------------------------------

#define LEGS_MAX 200u

struct flying {
    _Alignas(PAGE_SIZE) u8 memory[4 * PAGE_SIZE];
    u8 reply[4096];
    const u8 *body;
    struct request_frame request;
};

// Applies a frame of one command that is not in the log yet, as a server does while it is written.
static struct command_reply fly(struct command_world *world, struct flying *flying, u128 id,
                                const void *body, u32 size, u64 *next_place)
{
    struct machine *machine = &world->node.machine;
    struct frame_header *header = (void *)flying->memory;
    struct frame_command *command = (void *)(flying->memory + sizeof *header);
    const u64 head_size = frame_head_size(1);
    // The body ends where the frame does.
    const u64 total = align_up(head_size + size, PAGE_SIZE);
    assert_true(total <= sizeof flying->memory);
    *header = (struct frame_header){.log_id = machine->log_id,
                                    .epoch = machine->epoch,
                                    .sequence = machine->sequence + 1,
                                    .position = machine->position + 1,
                                    .timestamp = machine->timestamp + 1,
                                    .place = *next_place,
                                    .command_count = 1};
    *command = (struct frame_command){.record = 0x0401,
                                      .version = 1,
                                      .count = 1,
                                      .body_size = size,
                                      .body_offset = (u32)(total - align_up(size, 16)),
                                      .command_id = id,
                                      .principal = world->principal};
    memcpy(flying->memory + command->body_offset, body, size);
    flying->body = flying->memory + command->body_offset;
    flying->request = (struct request_frame){.place = header->place,
                                             .size = total,
                                             .parts = {{.data = flying->memory, .size = total}},
                                             .part_count = 1};
    *next_place += total;
    request_source_add(&world->node.source, &flying->request);
    const struct frame_view view = {.header = header, .commands = command, .bodies = &flying->body};
    struct command_reply reply;
    struct failure failure;
    world->applied.commands[0].reply = flying->reply;
    command_world_must(machine_apply(machine, &view, &world->applied, &failure), &failure);
    memcpy(&reply, flying->reply, sizeof reply);
    return reply;
}

static u32 legs_fill(struct entry_leg *legs, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        legs[i] = (struct entry_leg){.book = 8,
                                     .side = i == 0 ? SIDE_CREDIT : SIDE_DEBIT,
                                     .account_id = i == 0 ? 2 : 1,
                                     .amount = i == 0 ? count - 1 : 1};
    }
    return (u32)(sizeof(struct entry_post) + count * sizeof *legs);
}

// What is behind the first one is not in any frame yet, and nobody may look for it there.
static void test_a_longer_record_with_the_id_of_the_last_one_is_another(void **state)
{
    struct command_world *world = *state;
    const struct entity_open entity = {
        .entity_id = 1, .name = "one", .jurisdiction = "HK", .currency = "HKD", .day = 20000};
    const struct asset_open asset = {.asset = "HKD", .kind = ASSET_CURRENCY, .scale = 2};
    const struct chart_add code = {.chart = 1, .code = 1, .kind = KIND_ASSET, .name = "all"};
    const struct book_open book = {
        .book = 8, .chart = 1, .entity_id = 1, .asset = "HKD", .name = "main"};
    struct book_account_open account = {.account_id = 1, .book = 8, .code = 1, .name = "one"};
    assert_int_equal(command_run(world, 1, 0x0201, &entity, sizeof entity).result, MODULE_DONE);
    assert_int_equal(command_run(world, 2, 0x0301, &asset, sizeof asset).result, MODULE_DONE);
    assert_int_equal(command_run(world, 3, 0x0302, &code, sizeof code).result, MODULE_DONE);
    assert_int_equal(command_run(world, 4, 0x0303, &book, sizeof book).result, MODULE_DONE);
    assert_int_equal(command_run(world, 5, 0x0304, &account, sizeof account).result, MODULE_DONE);
    account.account_id = 2;
    assert_int_equal(command_run(world, 6, 0x0304, &account, sizeof account).result, MODULE_DONE);
    struct {
        struct entry_post head;
        struct entry_leg legs[LEGS_MAX];
    } entry = {.head = {.entry_id = 7}};
    struct flying *frames = aligned_alloc(PAGE_SIZE, 3 * sizeof *frames);
    assert_non_null(frames);
    memset(frames, 0, 3 * sizeof *frames);
    u64 place = world->node.wal.tail.place;
    entry.head.legs_count = 2;
    const u32 short_size = legs_fill(entry.legs, 2);
    assert_int_equal(fly(world, &frames[0], 7, &entry, short_size, &place).result, MODULE_DONE);
    assert_int_equal(fly(world, &frames[1], 8, &entry, short_size, &place).result, MODULE_EXISTS);
    entry.head.legs_count = LEGS_MAX;
    const u32 long_size = legs_fill(entry.legs, LEGS_MAX);
    assert_int_equal(fly(world, &frames[2], 9, &entry, long_size, &place).result,
                     MODULE_EXISTS_WITH_DIFFERENT_CONTENT);
    free(frames);
}

// No breach has room any more, and a lease ends all the same: what time does is refused by nothing.
static void test_time_passes_when_breaches_are_full(void **state)
{
    struct command_world *world = *state;
    const struct effect_arm arm = {.reason = 1};
    const struct effect_claim claim = {
        .epoch = 1, .count = 1, .lease_s = 1, .kind = EFFECT_KIND(0x7f, 1)};
    assert_int_equal(open_run(world, 1, box_one), MODULE_DONE);
    assert_int_equal(put_run(world, 2, 11, 5).result, MODULE_DONE);
    const struct command_reply armed =
        command_run(world, 3, (u16)effect_schema_effect_arm.number, &arm, sizeof arm);
    const struct command_reply claimed =
        command_run(world, 4, (u16)effect_schema_effect_claim.number, &claim, sizeof claim);
    assert_true(armed.result == MODULE_DONE && claimed.result == MODULE_DONE);
    const struct effect *effect = table_record(effects_of(&world->node.machine), 0);
    assert_int_equal(effect->state, EFFECT_CLAIMED);
    struct table *breaches = &world->node.machine.ledger.breaches;
    const u64 capacity = breaches->capacity;
    breaches->capacity = 0;
    command_world_tick(world, 2);
    breaches->capacity = capacity;
    assert_int_equal(effect->state, EFFECT_PENDING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commits_postings_records_and_effects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_posting_is_found_by_its_account, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals_name_value_and_limit_and_change_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_refused_posting_takes_the_whole_plan_back, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_raw_transfers_that_are_repeated_get_the_same_results,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_record_leaves_its_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_effect_whose_consequence_is_refused_does_not_end,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_id_is_of_one_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_repeated_command_gets_the_same_reply_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_records_of_a_command_are_decided_one_by_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_command_that_is_not_whole_is_refused_as_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_replay_and_model_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_override_makes_a_command_a_refusal, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_full_table_refuses_what_is_more, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_plan_has_room_in_each_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_plan_has_room_for_what_it_posts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_ledger_takes_no_more_cells_than_it_has_room_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_command_is_known_as_long_as_its_note_is_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_start_needs_no_more_memory_than_what_wrote_the_log,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_recovery_is_not_tried_for_ever, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recovery_that_is_given_up_has_not_died, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_longer_record_with_the_id_of_the_last_one_is_another,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_time_passes_when_breaches_are_full, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
