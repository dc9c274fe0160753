// SPDX-License-Identifier: Apache-2.0
//
// Subscriptions to the change stream: libtael and the real port, pipeline and machine in one
// process, over a disk in memory that can be made to wait.
#include "machine/commit.h"
#include "modules/sample/sample.h"
#include "server/pipeline_internal.h"
#include "server/port_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <tael.h>

#include <cmocka.h>

#define TURNS_MAX 20000u
#define QUIET     200u
#define CLIENTS   24u
#define OPEN      0x7f01u
#define PUT       0x7f02u
#define BOX       9u
#define WAIT_MS   60000u
#define SHORT_MS  50u

// A client that is subscribed.
struct subscriber {
    struct tael_client *client;
    struct tael_changes changes;
    u64 ticket;
    u32 answers; // Pages that it got,
    u32 empty;   // those without a change among them,
    u32 seen;    // and changes.
    u64 row;     // Of the last change, plus one.
    u64 position;
    u64 end;
    u64 amount; // Put into the box.
    enum tael_error error;
};

struct world {
    struct port_world server;
    struct tael_client *client; // Gives commands.
    char address[80];
    struct subscriber subscribers[CLIENTS];
    u32 subscriber_count;
    struct tael_answer answer;
    u32 told;
    struct sample_put put;
};

static struct tael_client *client_open(struct world *world)
{
    (void)snprintf(world->address, sizeof world->address, "unix:%s", world->server.path);
    const struct tael_options options = {.address = world->address};
    struct tael_client *client = tael_open(&options);
    assert_non_null(client);
    return client;
}

static int setup(void **state)
{
    struct world *world = aligned_alloc(64, align_up(sizeof *world, 64));
    memset(world, 0, sizeof *world);
    port_world_begin(&world->server);
    world->client = client_open(world);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    for (u32 i = 0; i < world->subscriber_count; i++) tael_close(world->subscribers[i].client);
    tael_close(world->client);
    port_world_end(&world->server);
    free(world);
    return 0;
}

static void turn(struct world *world)
{
    assert_int_equal(tael_step(world->client), TAEL_OK);
    for (u32 i = 0; i < world->subscriber_count; i++) {
        if (world->subscribers[i].client == NULL) continue;
        assert_int_equal(tael_step(world->subscribers[i].client), TAEL_OK);
    }
    port_world_step(&world->server);
}

static void turn_for(struct world *world, u32 turns)
{
    for (u32 i = 0; i < turns; i++) turn(world);
}

// --- subscribers ---------------------------------------------------------------------------------

static void page_told(void *context, const struct tael_answer *answer)
{
    struct subscriber *subscriber = context;
    subscriber->error = answer->error;
    if (answer->error != TAEL_OK) return;
    assert_int_equal(answer->result, TAEL_RESULT_DONE);
    subscriber->answers++;
    subscriber->empty += answer->count == 0;
    subscriber->position = answer->position;
    subscriber->end = tael_changes_end(answer);
    u32 count = 0;
    for (const struct tael_change *change = tael_change_next(answer, NULL); change != NULL;
         change = tael_change_next(answer, change)) {
        assert_true(change->row >= subscriber->row); // None twice, none out of order.
        assert_true(change->position <= answer->position);
        subscriber->row = change->row + 1;
        count++;
        if (change->record != PUT) continue;
        struct sample_put put;
        assert_int_equal(change->payload_size, sizeof put);
        memcpy(&put, change + 1, sizeof put);
        subscriber->amount += (u64)put.amount;
    }
    assert_int_equal(count, answer->count);
    subscriber->seen += count;
    assert_true(tael_changes_next(answer) >= subscriber->row);
    assert_true(tael_changes_next(answer) <= subscriber->end);
    subscriber->changes.row = tael_changes_next(answer);
}

static void page_ask(struct subscriber *subscriber, u32 wait_ms)
{
    subscriber->changes.wait_ms = wait_ms;
    assert_int_equal(tael_submit_changes(subscriber->client, &subscriber->changes, 0, page_told,
                                         subscriber, &subscriber->ticket),
                     TAEL_OK);
}

static struct subscriber *subscriber_add(struct world *world)
{
    assert_true(world->subscriber_count < CLIENTS);
    struct subscriber *subscriber = &world->subscribers[world->subscriber_count++];
    *subscriber = (struct subscriber){.client = client_open(world)};
    return subscriber;
}

static void answers_await(struct world *world, const struct subscriber *subscriber, u32 count)
{
    for (u32 i = 0; subscriber->answers < count; i++) {
        if (i == TURNS_MAX) fail_msg("%u pages of %u", subscriber->answers, count);
        turn(world);
    }
}

// Reads until it waits at the end.
static void catch_up(struct world *world, struct subscriber *subscriber)
{
    do {
        page_ask(subscriber, 0);
        answers_await(world, subscriber, subscriber->answers + 1);
    } while (subscriber->changes.row < subscriber->end);
}

// --- commands ------------------------------------------------------------------------------------

static void command_told(void *context, const struct tael_answer *answer)
{
    struct world *world = context;
    if (answer->error != TAEL_OK) return;
    assert_int_equal(answer->result, TAEL_RESULT_DONE);
    world->answer = *answer;
    world->told++;
}

static void command_submit(struct world *world, u32 record, const void *body, u32 size, u32 count)
{
    const struct tael_command command = {.id = tael_id(world->client),
                                         .record = record,
                                         .version = 1,
                                         .count = count,
                                         .body = body,
                                         .body_size = size};
    assert_int_equal(tael_submit_command(world->client, &command, 0, command_told, world, NULL),
                     TAEL_OK);
}

static void told_await(struct world *world, u32 count)
{
    for (u32 i = 0; world->told < count; i++) {
        if (i == TURNS_MAX) fail_msg("no reply: %s", tael_problem(world->client));
        turn(world);
    }
}

static void put_submit(struct world *world, u64 amount)
{
    world->put = (struct sample_put){.box_id = BOX, .amount = amount};
    command_submit(world, PUT, &world->put, sizeof world->put, 1);
}

static void put_run(struct world *world, u64 amount)
{
    put_submit(world, amount);
    told_await(world, world->told + 1);
}

static void box_open(struct world *world)
{
    const struct sample_open open = {
        .box_id = BOX, .account_id = PORT_WORLD_PAYER, .box_account_id = PORT_WORLD_HOLDER};
    command_submit(world, OPEN, &open, sizeof open, 1);
    told_await(world, world->told + 1);
}

// --- cases ---------------------------------------------------------------------------------------

static void test_everything_from_the_beginning(void **state)
{
    struct world *world = *state;
    box_open(world);
    for (u32 i = 0; i < 5; i++) put_run(world, 10);
    struct subscriber *subscriber = subscriber_add(world);
    catch_up(world, subscriber);
    assert_int_equal(subscriber->seen, 2 + 1 + 5 * 2); // Accounts; the box; postings and puts.
    assert_int_equal(subscriber->amount, 50);
    assert_int_equal(subscriber->changes.row, world->server.node.machine.history.next_row);
}

static void test_who_waits_is_told_at_once(void **state)
{
    struct world *world = *state;
    box_open(world);
    struct subscriber *subscriber = subscriber_add(world);
    catch_up(world, subscriber);
    const u32 answers = subscriber->answers;
    page_ask(subscriber, WAIT_MS);
    turn_for(world, QUIET);
    assert_int_equal(subscriber->answers, answers);
    port_world_buffers_await(&world->server); // It waits without one.
    put_run(world, 7);
    answers_await(world, subscriber, answers + 1);
    assert_int_equal(subscriber->amount, 7);
    assert_int_equal(subscriber->position, world->answer.position);
}

static void test_waiting_has_an_end(void **state)
{
    struct world *world = *state;
    struct subscriber *subscriber = subscriber_add(world);
    catch_up(world, subscriber);
    const u32 answers = subscriber->answers;
    turn_for(world, 20);
    const u64 began = world->server.time;
    page_ask(subscriber, SHORT_MS);
    answers_await(world, subscriber, answers + 1);
    assert_true(world->server.time - began >= SHORT_MS * NS_PER_MS);
    assert_true(world->server.time - began < 2 * SHORT_MS * NS_PER_MS);
    assert_int_equal(subscriber->empty, 1);
    assert_int_equal(subscriber->changes.row, world->server.node.machine.history.next_row);
}

// A refused command leaves rows that are nobody's business: the waiting goes on behind them.
static void test_rows_without_a_change_do_not_end_it(void **state)
{
    struct world *world = *state;
    struct subscriber *subscriber = subscriber_add(world);
    catch_up(world, subscriber);
    const u32 answers = subscriber->answers;
    page_ask(subscriber, WAIT_MS);
    put_run(world, 1); // There is no such box.
    turn_for(world, QUIET);
    assert_int_equal(subscriber->answers, answers);
    box_open(world);
    answers_await(world, subscriber, answers + 1);
    subscriber->changes.flags = TAEL_CHANGES_REFUSED;
    subscriber->changes.row = 2; // Behind the accounts.
    subscriber->row = 0;
    subscriber->seen = 0;
    page_ask(subscriber, 0);
    answers_await(world, subscriber, answers + 2);
    assert_int_equal(subscriber->seen, 3); // The refusal, its evidence, the box.
}

// L4: nothing is told before it is durable.
static void test_nothing_runs_ahead_of_the_log(void **state)
{
    struct world *world = *state;
    box_open(world);
    struct subscriber *waiting = subscriber_add(world);
    struct subscriber *asking = subscriber_add(world);
    catch_up(world, waiting);
    page_ask(waiting, WAIT_MS);
    turn_for(world, 20);
    const u32 waited = waiting->answers;
    port_world_gate_close(&world->server);
    static struct sample_put puts[3000]; // Too large to be written by the server's thread.
    for (u32 i = 0; i < ARRAY_COUNT(puts); i++) {
        puts[i] = (struct sample_put){.box_id = BOX, .amount = 1};
    }
    command_submit(world, PUT, puts, sizeof puts, ARRAY_COUNT(puts));
    for (u32 i = 0; port_world_debits(&world->server) == 0; i++) {
        if (i == TURNS_MAX) fail_msg("the command is not decided");
        turn(world);
    }
    page_ask(asking, 0); // What is durable is told, and nothing more.
    turn_for(world, QUIET);
    assert_int_equal(waiting->answers, waited);
    assert_int_equal(asking->answers, 1);
    assert_int_equal(asking->seen, 3);
    assert_int_equal(asking->amount, 0);
    port_world_gate_open();
    told_await(world, world->told + 1);
    answers_await(world, waiting, waited + 1);
    while (waiting->amount < ARRAY_COUNT(puts)) {
        page_ask(waiting, 0);
        answers_await(world, waiting, waiting->answers + 1);
    }
}

// "Read your own writes": what this client was told is in what it asks for.
static void test_own_writes_are_shown(void **state)
{
    struct world *world = *state;
    box_open(world);
    struct subscriber *subscriber = subscriber_add(world);
    tael_close(subscriber->client);
    subscriber->client = NULL;
    for (u64 i = 1; i <= 20; i++) {
        put_run(world, 1);
        struct subscriber own = {.client = world->client};
        page_ask(&own, 0);
        answers_await(world, &own, 1);
        assert_int_equal(own.amount, i);
        assert_true(own.position >= world->answer.position);
    }
}

static void test_many_wait_and_none_twice(void **state)
{
    struct world *world = *state;
    box_open(world);
    for (u32 i = 0; i < CLIENTS; i++) catch_up(world, subscriber_add(world));
    for (u32 i = 0; i < CLIENTS; i++) page_ask(&world->subscribers[i], WAIT_MS);
    turn_for(world, 20);
    port_world_buffers_await(&world->server);
    for (u32 round = 1; round <= 10; round++) {
        put_run(world, 3);
        for (u32 i = 0; i < CLIENTS; i++) {
            struct subscriber *subscriber = &world->subscribers[i];
            for (u32 j = 0; subscriber->amount < 3ull * round; j++) {
                if (j == TURNS_MAX) fail_msg("%u is not told", i);
                if (tael_open_count(subscriber->client) == 0) page_ask(subscriber, WAIT_MS);
                turn(world);
            }
            assert_int_equal(subscriber->amount, 3 * round);
        }
    }
}

static void test_the_next_question_ends_the_waiting(void **state)
{
    struct world *world = *state;
    struct subscriber *subscriber = subscriber_add(world);
    catch_up(world, subscriber);
    const u32 answers = subscriber->answers;
    page_ask(subscriber, WAIT_MS);
    turn_for(world, 20);
    page_ask(subscriber, WAIT_MS);
    answers_await(world, subscriber, answers + 1);
    turn_for(world, QUIET);
    assert_int_equal(subscriber->answers, answers + 1);
    box_open(world);
    answers_await(world, subscriber, answers + 2);
}

// Who goes leaves nothing behind.
static void test_who_goes_is_forgotten(void **state)
{
    struct world *world = *state;
    for (u32 i = 0; i < CLIENTS; i++) {
        struct subscriber *subscriber = subscriber_add(world);
        catch_up(world, subscriber);
        page_ask(subscriber, WAIT_MS);
        turn_for(world, 5);
        tael_close(subscriber->client);
        subscriber->client = NULL;
    }
    turn_for(world, QUIET);
    assert_int_equal(tael_port_connections(world->server.ports.tael), 1);
    assert_null(world->server.ports.pipeline->waiting_changes);
    box_open(world);
    put_run(world, 1);
}

// Nor who goes while its page is made, which then has nothing to tell.
static void test_who_goes_behind_its_page_is_forgotten(void **state)
{
    struct world *world = *state;
    struct subscriber *subscriber = subscriber_add(world);
    catch_up(world, subscriber);
    page_ask(subscriber, WAIT_MS);
    turn_for(world, QUIET);
    assert_non_null(world->server.ports.pipeline->waiting_changes);
    put_submit(world, 1); // There is no such box: rows without a change.
    for (u32 i = 0; world->server.ports.pipeline->waiting_changes != NULL; i++) {
        if (i == TURNS_MAX) fail_msg("no page is made");
        turn(world);
    }
    tael_close(subscriber->client);
    subscriber->client = NULL;
    turn_for(world, QUIET);
    assert_int_equal(tael_port_connections(world->server.ports.tael), 1);
    assert_null(world->server.ports.pipeline->waiting_changes);
}

// A question that gives way to the next one still shows the position that it was asked for.
static void test_who_gives_way_is_shown_its_position(void **state)
{
    struct world *world = *state;
    box_open(world);
    struct subscriber *subscriber = subscriber_add(world);
    catch_up(world, subscriber);
    const u32 answers = subscriber->answers;
    port_world_gate_close(&world->server);
    static struct sample_put puts[3000]; // Too large to be written by the server's thread.
    for (u32 i = 0; i < ARRAY_COUNT(puts); i++) puts[i] = (struct sample_put){.box_id = BOX};
    const u64 before = world->server.node.machine.position;
    const u32 told = world->told;
    command_submit(world, PUT, puts, sizeof puts, ARRAY_COUNT(puts));
    for (u32 i = 0; world->server.node.machine.position == before; i++) {
        if (i == TURNS_MAX) fail_msg("the command is not decided");
        turn(world);
    }
    const u64 position = world->server.node.machine.position;
    subscriber->changes.wait_ms = WAIT_MS;
    for (u32 i = 0; i < 2; i++) {
        const struct tael_question question = {.record = 0x20,
                                               .version = 1,
                                               .body = &subscriber->changes,
                                               .body_size = sizeof subscriber->changes,
                                               .position = i == 0 ? position : 0};
        assert_int_equal(tael_submit_question(subscriber->client, &question, 0, page_told,
                                              subscriber, &subscriber->ticket),
                         TAEL_OK);
    }
    turn_for(world, QUIET);
    assert_int_equal(subscriber->answers, answers);
    port_world_gate_open();
    answers_await(world, subscriber, answers + 1);
    assert_true(subscriber->position >= position);
    told_await(world, told + 1);
}

// A subscriber goes on where it stood, over kills of the server: each change once.
static void test_goes_on_over_crashes(void **state)
{
    struct world *world = *state;
    box_open(world);
    struct subscriber *subscriber = subscriber_add(world);
    catch_up(world, subscriber);
    u64 put = 0;
    for (u32 round = 0; round < 6; round++) {
        page_ask(subscriber, WAIT_MS);
        turn_for(world, 3 * round);
        put_submit(world, 5);
        put += 5;
        if (round % 2 == 0) turn_for(world, round);
        const u32 told = world->told;
        port_world_crash(&world->server);
        for (u32 i = 0; i < TURNS_MAX && world->told == told && subscriber->amount < put; i++) {
            turn(world);
        }
        while (subscriber->amount < put) {
            const u32 answers = subscriber->answers;
            if (tael_open_count(subscriber->client) == 0) page_ask(subscriber, WAIT_MS);
            answers_await(world, subscriber, answers + 1);
        }
        assert_int_equal(subscriber->amount, put);
        while (tael_open_count(subscriber->client) > 0) {
            assert_int_equal(tael_give_up(subscriber->client, subscriber->ticket, NULL), TAEL_OK);
        }
        for (u32 i = 0; tael_open_count(world->client) > 0; i++) {
            if (i == TURNS_MAX) fail_msg("no reply");
            turn(world);
        }
    }
}

// A server that stops answers who waits, and does not wait for it.
static void test_a_stop_ends_the_waiting(void **state)
{
    struct world *world = *state;
    struct subscriber *subscriber = subscriber_add(world);
    catch_up(world, subscriber);
    page_ask(subscriber, WAIT_MS);
    turn_for(world, 20);
    port_world_stop(&world->server);
    port_world_start(&world->server);
    const u32 answers = subscriber->answers;
    box_open(world);
    for (u32 i = 0; subscriber->seen == 2; i++) {
        if (i == TURNS_MAX) fail_msg("nothing is told");
        if (tael_open_count(subscriber->client) == 0) page_ask(subscriber, WAIT_MS);
        turn(world);
    }
    assert_true(subscriber->answers >= answers);
    assert_int_equal(subscriber->seen, 3);
}

// One that reads nothing holds up nobody else.
static void test_a_slow_one_hurts_nobody(void **state)
{
    struct world *world = *state;
    static struct sample_put puts[3000];
    for (u32 i = 0; i < ARRAY_COUNT(puts); i++) {
        puts[i] = (struct sample_put){.box_id = BOX, .amount = 1};
    }
    box_open(world);
    for (u32 i = 0; i < 4; i++) {
        command_submit(world, PUT, puts, sizeof puts, ARRAY_COUNT(puts));
        told_await(world, world->told + 1);
    }
    struct subscriber *slow = subscriber_add(world);
    for (u32 i = 0; i < 40; i++) { // As many pages of nearly a MiB, none of which is read.
        page_ask(slow, 0);
        if (i == 0) turn_for(world, 20);
    }
    (void)tael_step(slow->client);
    world->subscriber_count--; // It is not stepped any more.
    struct subscriber own = {.client = world->client};
    while (own.amount < 4 * ARRAY_COUNT(puts)) {
        page_ask(&own, 0);
        answers_await(world, &own, own.answers + 1);
    }
    put_run(world, 1);
    world->subscriber_count++;
    port_world_buffers_await(&world->server);
}

static void test_what_is_asked_wrong_is_refused(void **state)
{
    struct world *world = *state;
    const struct {
        struct tael_changes changes;
        const char *text;
    } rows[] = {
        {{.wait_ms = 60001}, "wait_ms"},
        {{.flags = 2}, "flags"},
        {{.reserved = {1, 0}}, "reserved"},
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct tael_question question = {.record = 0x20,
                                               .version = 1,
                                               .body = &rows[i].changes,
                                               .body_size = sizeof rows[i].changes};
        u64 ticket = 0;
        struct tael_answer answer = {.error = TAEL_ERROR_TIMEOUT};
        assert_int_equal(tael_submit_question(world->client, &question, 0, NULL, NULL, &ticket),
                         TAEL_OK);
        for (u32 j = 0; answer.error == TAEL_ERROR_TIMEOUT && j < TURNS_MAX; j++) {
            turn(world);
            (void)tael_await(world->client, ticket, 0, &answer);
        }
        assert_int_equal(answer.error, TAEL_OK);
        assert_int_equal(answer.result, TAEL_RESULT_MALFORMED);
        assert_non_null(strstr(answer.text, rows[i].text));
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_everything_from_the_beginning),
        CASE(test_who_waits_is_told_at_once),
        CASE(test_waiting_has_an_end),
        CASE(test_rows_without_a_change_do_not_end_it),
        CASE(test_nothing_runs_ahead_of_the_log),
        CASE(test_own_writes_are_shown),
        CASE(test_many_wait_and_none_twice),
        CASE(test_the_next_question_ends_the_waiting),
        CASE(test_who_goes_is_forgotten),
        CASE(test_who_goes_behind_its_page_is_forgotten),
        CASE(test_who_gives_way_is_shown_its_position),
        CASE(test_goes_on_over_crashes),
        CASE(test_a_stop_ends_the_waiting),
        CASE(test_a_slow_one_hurts_nobody),
        CASE(test_what_is_asked_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
