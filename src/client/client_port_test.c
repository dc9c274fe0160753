// SPDX-License-Identifier: Apache-2.0
//
// libtael and the real port, pipeline and machine in one process, over a disk in memory: each
// command is applied exactly once, whatever happens to connections, the server and the disk.
#include "machine/commit.h"
#include "modules/entity/entity.h"
#include "modules/sample/sample.h"
#include "server/port_world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <tael.h>

#include <cmocka.h>

#define TURNS_MAX   20000u
#define OPEN        0x7f01u
#define PUT         0x7f02u
#define BOX         9u
#define PUTS_MAX    512u
#define ENTITY_OPEN 0x0201u
#define ENTITY_LIST 0x0220u

struct world;
// A command that puts 1 into the box.
struct put {
    struct world *world;
    struct sample_put body;
    u64 ticket;
    u32 told;   // Times that it was answered,
    u32 result; // enum tael_result,
    u32 record; // and that of its record.
    u32 timeouts;
};

struct world {
    struct port_world server;
    struct tael_client *client;
    char address[80];
    struct put puts[PUTS_MAX];
    u32 put_count;
    u32 answered;
    pthread_t thread; // Of a server that runs by itself, for calls that wait:
    bool is_running;
    atomic_bool stopping;
};

// --- the server by itself ------------------------------------------------------------------------

static void *server_run(void *argument)
{
    struct world *world = argument;
    while (!world->stopping) port_world_step(&world->server);
    return NULL;
}

static void server_begin(struct world *world)
{
    world->stopping = false;
    assert_int_equal(pthread_create(&world->thread, NULL, server_run, world), 0);
    world->is_running = true;
}

static void server_pause(struct world *world)
{
    if (!world->is_running) return;
    world->stopping = true;
    assert_int_equal(pthread_join(world->thread, NULL), 0);
    world->is_running = false;
}

static void client_make(struct world *world, struct tael_options options)
{
    tael_close(world->client);
    (void)snprintf(world->address, sizeof world->address, "unix:%s", world->server.path);
    options.address = world->address;
    world->client = tael_open(&options);
    assert_non_null(world->client);
}

static int setup(void **state)
{
    struct world *world = aligned_alloc(64, align_up(sizeof *world, 64));
    memset(world, 0, sizeof *world);
    port_world_begin(&world->server);
    client_make(world, (struct tael_options){0});
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    server_pause(world);
    tael_close(world->client);
    port_world_end(&world->server);
    free(world);
    return 0;
}

static void turn(struct world *world)
{
    if (tael_step(world->client) != TAEL_OK) fail_msg("%s", tael_problem(world->client));
    port_world_step(&world->server);
}

static void turn_for(struct world *world, u32 turns)
{
    for (u32 i = 0; i < turns; i++) turn(world);
}

// --- commands ------------------------------------------------------------------------------------

static struct tael_command command_make(struct world *world, u32 record, const void *body, u32 size)
{
    return (struct tael_command){.id = tael_id(world->client),
                                 .record = record,
                                 .version = 1,
                                 .count = 1,
                                 .body = body,
                                 .body_size = size};
}

static void put_told(void *context, const struct tael_answer *answer)
{
    struct put *put = context;
    assert_int_equal(answer->ticket, put->ticket);
    if (answer->error == TAEL_ERROR_TIMEOUT) {
        put->timeouts++;
        return;
    }
    assert_int_equal(answer->error, TAEL_OK);
    put->told++;
    put->result = answer->result;
    put->world->answered++;
    if (answer->result != TAEL_RESULT_DONE) return;
    assert_int_equal(answer->count, 1);
    put->record = answer->replies[0].result;
    // One that was sent again has the position that it had.
    assert_true(answer->replies[0].position <= answer->position);
}

static struct put *put_submit(struct world *world, u64 timeout_ms)
{
    assert_true(world->put_count < PUTS_MAX);
    struct put *put = &world->puts[world->put_count++];
    *put = (struct put){.world = world, .body = {.box_id = BOX, .amount = 1}};
    const struct tael_command command = command_make(world, PUT, &put->body, sizeof put->body);
    assert_int_equal(
        tael_submit_command(world->client, &command, timeout_ms, put_told, put, &put->ticket),
        TAEL_OK);
    return put;
}

static void answered_await(struct world *world, u32 count)
{
    for (u32 i = 0; world->answered < count; i++) {
        if (i == TURNS_MAX) {
            fail_msg("%u of %u answers: %s", world->answered, count, tael_problem(world->client));
        }
        turn(world);
    }
}

// Every put was answered once and applied once.
static void puts_check(const struct world *world)
{
    for (u32 i = 0; i < world->put_count; i++) {
        assert_int_equal(world->puts[i].told, 1);
        assert_int_equal(world->puts[i].result, TAEL_RESULT_DONE);
        assert_int_equal(world->puts[i].record, TAEL_RECORD_DONE);
    }
    assert_true(port_world_debits(&world->server) == world->put_count);
}

static void answer_note(void *context, const struct tael_answer *answer)
{
    *(struct tael_answer *)context = *answer;
}

static void box_open(struct world *world, u128 limit)
{
    struct tael_answer answer = {.error = TAEL_ERROR_MEMORY};
    const struct sample_open open = {.box_id = BOX,
                                     .account_id = PORT_WORLD_PAYER,
                                     .box_account_id = PORT_WORLD_HOLDER,
                                     .limit = limit};
    const struct tael_command command = command_make(world, OPEN, &open, sizeof open);
    assert_int_equal(tael_submit_command(world->client, &command, 0, answer_note, &answer, NULL),
                     TAEL_OK);
    for (u32 i = 0; answer.error != TAEL_OK; i++) {
        if (i == TURNS_MAX) fail_msg("%s", tael_problem(world->client));
        turn(world);
    }
    assert_int_equal(answer.result, TAEL_RESULT_DONE);
}

// --- tests ---------------------------------------------------------------------------------------

static void test_calls_wait_for_their_answers(void **state)
{
    struct world *world = *state;
    struct tael_answer answer;
    server_begin(world);
    assert_int_equal(tael_connect(world->client, 10000), TAEL_OK);
    struct tael_server server;
    assert_true(tael_server(world->client, &server));
    assert_int_equal(server.principal, 1);
    assert_int_equal(server.in_flight_max, 64);
    struct entity_open opens[3];
    for (u32 i = 0; i < 3; i++) {
        opens[i] = (struct entity_open){.entity_id = 1 + i,
                                        .name = "group",
                                        .jurisdiction = "HK",
                                        .currency = "HKD",
                                        .day = 20000};
    }
    memcpy(opens[1].currency, "XXQ", 3);
    struct tael_command command = command_make(world, ENTITY_OPEN, opens, sizeof opens);
    command.count = 3;
    assert_int_equal(tael_command(world->client, &command, 10000, &answer), TAEL_OK);
    assert_int_equal(answer.result, TAEL_RESULT_DONE);
    assert_int_equal(answer.count, 3);
    assert_int_equal(answer.replies[0].result, TAEL_RECORD_DONE);
    assert_int_equal(answer.replies[1].result, ENTITY_CURRENCY_UNKNOWN);
    assert_int_equal(answer.replies[2].result, TAEL_RECORD_DONE);
    assert_true(answer.replies[2].timestamp > answer.replies[0].timestamp);
    const u64 position = answer.position;
    assert_int_equal(tael_position(world->client), position);
    const struct entity_list list = {0};
    struct tael_question question = {.record = ENTITY_LIST,
                                     .version = 1,
                                     .body = &list,
                                     .body_size = sizeof list,
                                     .position = TAEL_POSITION_SEEN};
    assert_int_equal(tael_ask(world->client, &question, 10000, &answer), TAEL_OK);
    assert_int_equal(answer.result, TAEL_RESULT_DONE);
    assert_int_equal(answer.count, 2);
    assert_int_equal(answer.record, 0x0210);
    assert_true(answer.position >= position);
    const struct entity *entities = answer.body;
    assert_true(entities[0].entity_id == 1 && entities[1].entity_id == 3);
    question.record = ENTITY_OPEN;
    assert_int_equal(tael_ask(world->client, &question, 10000, &answer), TAEL_OK);
    assert_int_equal(answer.result, TAEL_RESULT_UNKNOWN_RECORD);
    opens[2].reserved[0] = 1;
    command.id = tael_id(world->client);
    assert_int_equal(tael_command(world->client, &command, 10000, &answer), TAEL_OK);
    assert_int_equal(answer.result, TAEL_RESULT_MALFORMED);
    assert_string_equal(answer.text,
                        "record 2: entity_open: reserved: a reserved field is not zero");
    question.record = ENTITY_LIST;
    question.position = position + 1000; // Nobody was told that.
    // It is told to come again until its deadline, which a slow machine may pass before that.
    enum tael_error error = TAEL_ERROR_TIMEOUT;
    for (u64 deadline_ms = 50; error == TAEL_ERROR_TIMEOUT; deadline_ms *= 2) {
        error = tael_ask(world->client, &question, deadline_ms, &answer);
    }
    assert_int_equal(error, TAEL_OK);
    assert_int_equal(answer.result, TAEL_RESULT_BUSY);
    server_pause(world);
}

static void test_the_same_command_gets_the_same_answer(void **state)
{
    struct world *world = *state;
    struct tael_answer answer;
    struct tael_reply first, again;
    box_open(world, 1);
    server_begin(world);
    struct sample_put put = {.box_id = BOX, .amount = 2};
    const struct tael_command command = command_make(world, PUT, &put, sizeof put);
    assert_int_equal(tael_command(world->client, &command, 10000, &answer), TAEL_OK);
    first = answer.replies[0];
    assert_int_equal(first.result, SAMPLE_LIMIT_EXCEEDED);
    assert_int_equal(first.evidence[0].low, 2);
    assert_int_equal(first.evidence[1].low, 1);
    client_make(world, (struct tael_options){0}); // Another client, in another life.
    assert_int_equal(tael_command(world->client, &command, 10000, &answer), TAEL_OK);
    again = answer.replies[0];
    assert_memory_equal(&first, &again, sizeof first);
    put.amount = 1;
    assert_int_equal(tael_command(world->client, &command, 10000, &answer), TAEL_OK);
    assert_int_equal(answer.result, TAEL_RESULT_REUSED);
    assert_false(answer.maybe_applied);
    server_pause(world);
}

// Raw accounts and transfers in batches: results as the ledger gives them, the same for the same
// command after the server has died.
static void test_raw_batches_are_answered_event_by_event(void **state)
{
    struct world *world = *state;
    struct tael_answer answer;
    struct tael_create_result first[3];
    const struct tael_u128 one = {.low = 1001};
    const struct tael_u128 two = {.low = 1002};
    const struct tael_account accounts[2] = {
        {.id = one, .ledger = 7, .code = 1},
        {.id = two, .ledger = 7, .code = 1, .flags = ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS},
    };
    struct tael_transfer transfers[3] = {
        {.id = one, .debit_account_id = one, .credit_account_id = two},
        {.id = two, .debit_account_id = two, .credit_account_id = one},
        {.id = one, .debit_account_id = one, .credit_account_id = two},
    };
    for (u32 i = 0; i < 3; i++) {
        transfers[i].amount.low = i == 1 ? 11 : 10;
        transfers[i].ledger = 7;
        transfers[i].code = 1;
    }
    server_begin(world);
    struct tael_command command =
        command_make(world, TAEL_RECORD_ACCOUNT, accounts, sizeof accounts);
    command.count = 2;
    assert_int_equal(tael_command(world->client, &command, 10000, &answer), TAEL_OK);
    assert_int_equal(answer.result, TAEL_RESULT_DONE);
    assert_null(answer.replies);
    assert_int_equal(answer.results[0].status, TAEL_CREATED);
    assert_int_equal(answer.results[1].status, TAEL_CREATED);
    command = command_make(world, TAEL_RECORD_TRANSFER, transfers, sizeof transfers);
    command.count = 3;
    assert_int_equal(tael_command(world->client, &command, 10000, &answer), TAEL_OK);
    assert_int_equal(answer.result, TAEL_RESULT_DONE);
    assert_int_equal(answer.count, 3);
    assert_int_equal(answer.results[0].status, TAEL_CREATED);
    assert_int_equal(answer.results[1].status, CREATE_TRANSFER_EXCEEDS_CREDITS);
    assert_int_equal(answer.results[2].status, CREATE_TRANSFER_EXISTS);
    assert_int_equal(answer.results[2].timestamp, answer.results[0].timestamp);
    memcpy(first, answer.results, sizeof first);
    server_pause(world);
    port_world_crash(&world->server);
    client_make(world, (struct tael_options){0});
    server_begin(world);
    assert_int_equal(tael_command(world->client, &command, 10000, &answer), TAEL_OK);
    assert_int_equal(answer.count, 3);
    assert_memory_equal(first, answer.results, sizeof first);
    command.count = 2; // Of three.
    command.id = tael_id(world->client);
    assert_int_equal(tael_command(world->client, &command, 10000, &answer), TAEL_OK);
    assert_int_equal(answer.result, TAEL_RESULT_MALFORMED);
    assert_string_equal(answer.text,
                        "2 records in 384 bytes; 1 to 8189 of 128 bytes each are expected");
    server_pause(world);
}

static void test_more_than_the_server_takes_wait_and_go_in_order(void **state)
{
    struct world *world = *state;
    client_make(world, (struct tael_options){.open_max = 300});
    box_open(world, 0);
    for (u32 i = 0; i < 300; i++) (void)put_submit(world, 0);
    answered_await(world, 300);
    puts_check(world);
}

// Clients beside the world's own.
static void others_open(struct world *world, struct tael_client **others, u32 count)
{
    const struct tael_options options = {.address = world->address};
    for (u32 i = 0; i < count; i++) {
        others[i] = tael_open(&options);
        assert_non_null(others[i]);
    }
}

static void others_step(struct tael_client **others, u32 count)
{
    for (u32 i = 0; i < count; i++) assert_int_equal(tael_step(others[i]), TAEL_OK);
}

static void others_submit(struct world *world, struct tael_client **others, u32 count, u32 puts)
{
    struct tael_client *own = world->client;
    for (u32 i = 0; i < count; i++) {
        world->client = others[i];
        for (u32 k = 0; k < puts; k++) (void)put_submit(world, 0);
    }
    world->client = own;
}

static void others_await(struct world *world, struct tael_client **others, u32 count)
{
    for (u32 i = 0; world->answered < world->put_count; i++) {
        if (i == TURNS_MAX) fail_msg("%u answers", world->answered);
        others_step(others, count);
        turn(world);
    }
    puts_check(world);
    for (u32 i = 0; i < count; i++) tael_close(others[i]);
}

static void test_several_clients_share_the_server(void **state)
{
    struct world *world = *state;
    struct tael_client *others[8];
    box_open(world, 0);
    others_open(world, others, 8);
    others_submit(world, others, 8, 60);
    others_await(world, others, 8);
}

// All that comes in between two looks of the server: more than it has buffers for.
static void test_what_comes_in_leaves_room_for_answers(void **state)
{
    struct world *world = *state;
    struct tael_client *others[8];
    struct tael_server server;
    box_open(world, 0);
    others_open(world, others, 8);
    for (u32 i = 0; i < 8; i++) {
        for (u32 k = 0; !tael_server(others[i], &server); k++) {
            if (k == TURNS_MAX) fail_msg("client %u is not let in", i);
            others_step(others, 8);
            turn(world);
        }
    }
    others_submit(world, others, 8, 64);
    for (u32 i = 0; i < 100; i++) others_step(others, 8); // As much as the sockets take.
    others_await(world, others, 8);
}

static void test_lost_connections_change_nothing(void **state)
{
    struct world *world = *state;
    client_make(world, (struct tael_options){.open_max = 256});
    box_open(world, 0);
    for (u32 round = 0; round < 20; round++) {
        for (u32 i = 0; i < 12; i++) (void)put_submit(world, 0);
        turn_for(world, round % 5);
        // The wire is cut at any byte.
        (void)shutdown(tael_fd(world->client), round % 2 == 0 ? SHUT_RDWR : SHUT_WR);
    }
    answered_await(world, world->put_count);
    puts_check(world);
}

static void test_a_server_that_dies_answers_when_it_is_back(void **state)
{
    struct world *world = *state;
    client_make(world, (struct tael_options){.open_max = 400});
    box_open(world, 0);
    for (u32 round = 0; round < 8; round++) {
        port_world_gate_close(&world->server);
        for (u32 i = 0; i < 50; i++) {
            (void)put_submit(world, 0);
            if (i % 16 == 0) turn(world);
        }
        turn_for(world, 10); // They are sent, and some decided.
        assert_true(world->answered < world->put_count);
        port_world_crash(&world->server);
    }
    answered_await(world, world->put_count);
    puts_check(world);
}

static void test_a_clean_restart_is_not_noticed(void **state)
{
    struct world *world = *state;
    client_make(world, (struct tael_options){.open_max = 256});
    box_open(world, 0);
    for (u32 round = 0; round < 3; round++) {
        for (u32 i = 0; i < 70; i++) (void)put_submit(world, 0);
        turn_for(world, 3);
        port_world_stop(&world->server);
        for (u32 i = 0; i < 20; i++) (void)tael_wait(world->client, 1);
        port_world_start(&world->server);
    }
    answered_await(world, world->put_count);
    puts_check(world);
}

static void test_a_full_disk_is_waited_for(void **state)
{
    struct world *world = *state;
    port_world_stop(&world->server);
    world->server.space_reserve = GIB;
    port_world_start(&world->server);
    box_open(world, 0);
    world->server.disk.capacity = world->server.disk.used + GIB / 2;
    for (u32 i = 0; !pipeline_is_full(world->server.ports.pipeline); i++) {
        if (i == TURNS_MAX) fail_msg("the disk is not full");
        turn(world);
    }
    for (u32 i = 0; i < 30; i++) (void)put_submit(world, 0);
    struct put *hasty = put_submit(world, 30);
    for (u32 i = 0; hasty->told == 0; i++) {
        if (i == TURNS_MAX) fail_msg("the hasty one is not told");
        turn(world);
    }
    assert_int_equal(world->answered, 1); // The others wait.
    assert_int_equal(hasty->result, TAEL_RESULT_FULL);
    // Questions go on.
    struct tael_answer answer = {.error = TAEL_ERROR_MEMORY};
    const struct entity_list list = {0};
    const struct tael_question question = {
        .record = ENTITY_LIST, .version = 1, .body = &list, .body_size = sizeof list};
    assert_int_equal(tael_submit_question(world->client, &question, 0, answer_note, &answer, NULL),
                     TAEL_OK);
    for (u32 i = 0; answer.error != TAEL_OK && i < TURNS_MAX; i++) turn(world);
    assert_int_equal(answer.result, TAEL_RESULT_DONE);
    world->server.disk.capacity = 1ull << 60;
    answered_await(world, world->put_count);
    assert_true(port_world_debits(&world->server) == 30); // The hasty one never.
}

static void test_a_deadline_that_passes_is_not_the_end(void **state)
{
    struct world *world = *state;
    box_open(world, 0);
    port_world_gate_close(&world->server);
    struct put *put = put_submit(world, 10);
    struct put *other = put_submit(world, 10);
    for (u32 i = 0; put->timeouts == 0 || other->timeouts == 0; i++) {
        if (i == TURNS_MAX) fail_msg("no deadline passes");
        turn(world);
    }
    assert_int_equal(tael_wait_on(world->client, put->ticket, 1000), TAEL_OK);
    bool maybe_applied = false;
    assert_int_equal(tael_give_up(world->client, other->ticket, &maybe_applied), TAEL_OK);
    assert_true(maybe_applied);
    port_world_gate_open();
    answered_await(world, 1);
    for (u32 i = 0; port_world_debits(&world->server) < 2; i++) { // Both are applied.
        if (i == TURNS_MAX) fail_msg("what was given up is not applied");
        turn(world);
    }
    turn_for(world, 20);
    assert_int_equal(put->told, 1);
    assert_int_equal(other->told, 0);
    assert_true(port_world_debits(&world->server) == 2);
}

static void test_a_large_command_is_answered_in_pieces(void **state)
{
    struct world *world = *state;
    box_open(world, 0);
    const u32 count = COMMAND_RECORDS_MAX;
    struct sample_put *puts = calloc(count, sizeof *puts);
    for (u32 i = 0; i < count; i++) puts[i] = (struct sample_put){.box_id = BOX, .amount = 1};
    struct tael_answer answers[20];
    for (u32 i = 0; i < 20; i++) {
        struct tael_command command =
            command_make(world, PUT, puts, count * (u32)sizeof(struct sample_put));
        command.count = count;
        answers[i] = (struct tael_answer){.error = TAEL_ERROR_MEMORY};
        assert_int_equal(
            tael_submit_command(world->client, &command, 0, answer_note, &answers[i], NULL),
            TAEL_OK);
    }
    for (u32 i = 0; answers[19].error != TAEL_OK; i++) {
        if (i == TURNS_MAX) fail_msg("%s", tael_problem(world->client));
        turn(world);
    }
    for (u32 i = 0; i < 20; i++) {
        assert_int_equal(answers[i].error, TAEL_OK);
        assert_int_equal(answers[i].count, count);
    }
    assert_true(port_world_debits(&world->server) == 20ull * count);
    free(puts);
}

static void test_another_principal_is_told_so(void **state)
{
    struct world *world = *state;
    client_make(world, (struct tael_options){.principal = 2});
    for (u32 i = 0; tael_step(world->client) != TAEL_ERROR_ENDED; i++) {
        if (i == TURNS_MAX) fail_msg("it is let in");
        port_world_step(&world->server);
    }
    assert_non_null(strstr(tael_problem(world->client),
                           "asks for a proof, and no key was given (principal 2)"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_calls_wait_for_their_answers),
        TEST(test_the_same_command_gets_the_same_answer),
        TEST(test_raw_batches_are_answered_event_by_event),
        TEST(test_more_than_the_server_takes_wait_and_go_in_order),
        TEST(test_several_clients_share_the_server),
        TEST(test_what_comes_in_leaves_room_for_answers),
        TEST(test_lost_connections_change_nothing),
        TEST(test_a_server_that_dies_answers_when_it_is_back),
        TEST(test_a_clean_restart_is_not_noticed),
        TEST(test_a_full_disk_is_waited_for),
        TEST(test_a_deadline_that_passes_is_not_the_end),
        TEST(test_a_large_command_is_answered_in_pieces),
        TEST(test_another_principal_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
