// SPDX-License-Identifier: Apache-2.0
//
// libtael against a server that a test plays: what is sent, what is believed, what is tried again,
// and what is told when it goes wrong.
#include "base/random.h"
#include "client/client_stub.h"
#include "machine/commit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>

#define RECORD       0x7f01u
#define ANSWERS_MAX  256u
#define QUERY_RECORD 0x7f10u

// What callbacks were told.
struct told {
    u32 count;
    struct tael_answer answers[ANSWERS_MAX]; // Their pointers are past.
    char text[64];                           // Of the last one.
    u8 body[4096];
};

struct world {
    struct client_stub stub;
    struct tael_client *client;
    struct told told;
    _Alignas(16) u8 body[64];
};

static void told_add(void *context, const struct tael_answer *answer)
{
    struct told *told = context;
    assert_true(told->count < ANSWERS_MAX);
    told->answers[told->count++] = *answer;
    (void)snprintf(told->text, sizeof told->text, "%s", answer->text);
    if (answer->body_size > 0 && answer->body_size <= sizeof told->body) {
        memcpy(told->body, answer->body, answer->body_size);
    }
}

static void client_make(struct world *world, struct tael_options options)
{
    options.address = world->stub.address;
    world->client = world->stub.client = tael_open(&options);
    assert_non_null(world->client);
}

static int setup(void **state)
{
    struct world *world = aligned_alloc(64, align_up(sizeof *world, 64));
    memset(world, 0, sizeof *world);
    client_stub_open(&world->stub);
    client_make(world, (struct tael_options){0});
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    tael_close(world->client);
    client_stub_close(&world->stub);
    free(world);
    return 0;
}

// Another client in the place of the world's.
static void client_replace(struct world *world, struct tael_options options)
{
    tael_close(world->client);
    client_stub_hang_up(&world->stub);
    client_stub_close(&world->stub);
    client_stub_open(&world->stub);
    client_make(world, options);
}

static struct tael_command command_make(struct world *world, u64 id)
{
    return (struct tael_command)
    {
        .id = {.low = id}, .record = RECORD
        , .version = 1, .count = 1, .body_size = sizeof world->body, .body = world->body
    };
}

static u64 submit(struct world *world, u64 id, u64 timeout_ms)
{
    u64 ticket = 0;
    const struct tael_command command = command_make(world, id);
    assert_int_equal(
        tael_submit_command(world->client, &command, timeout_ms, told_add, &world->told, &ticket),
        TAEL_OK);
    return ticket;
}

static u64 submit_question(struct world *world, u64 position)
{
    u64 ticket = 0;
    const struct tael_question question = {
        .record = QUERY_RECORD, .version = 1, .position = position};
    assert_int_equal(
        tael_submit_question(world->client, &question, 0, told_add, &world->told, &ticket),
        TAEL_OK);
    return ticket;
}

static void told_await(struct world *world, u32 count)
{
    for (u32 i = 0; world->told.count < count; i++) {
        if (i == 5000) fail_msg("%u answers, not %u", world->told.count, count);
        client_stub_idle(&world->stub, 1);
    }
    assert_int_equal(world->told.count, count);
}

// Waits until the client has ended, and looks at what it says.
static void end_await(struct world *world, const char *part)
{
    for (u32 i = 0; tael_step(world->client) != TAEL_ERROR_ENDED; i++) {
        if (i == 5000) fail_msg("the client does not end: %s", tael_problem(world->client));
        client_stub_idle(&world->stub, 1);
    }
    if (strstr(tael_problem(world->client), part) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", part, tael_problem(world->client));
    }
    const struct tael_command command = command_make(world, 99);
    assert_int_equal(tael_submit_command(world->client, &command, 0, told_add, &world->told, NULL),
                     TAEL_ERROR_ENDED);
    assert_int_equal(tael_fd(world->client), -1);
}

// --- the way that it goes ------------------------------------------------------------------------

static void test_a_command_is_sent_and_answered(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    u64 ticket = submit(world, 42, 0); // Before there is a connection.
    client_stub_let_in(stub);
    struct tael_server server;
    assert_true(tael_server(world->client, &server));
    assert_int_equal(server.log_id.low, 7);
    assert_int_equal(server.principal, 1);
    assert_int_equal(tael_position(world->client), 5);
    const struct tael_header *header = client_stub_take(stub, TAEL_COMMAND);
    assert_true(header->command_id == 42);
    assert_int_equal(header->record, RECORD);
    assert_int_equal(header->version, 1);
    assert_int_equal(header->count, 1);
    assert_memory_equal(stub->body, world->body, sizeof world->body);
    client_stub_send_done(stub, 6);
    told_await(world, 1);
    const struct tael_answer *answer = &world->told.answers[0];
    assert_int_equal(answer->ticket, ticket);
    assert_int_equal(answer->error, TAEL_OK);
    assert_int_equal(answer->result, TAEL_RESULT_DONE);
    assert_int_equal(answer->count, 1);
    assert_int_equal(answer->body_size, sizeof(struct tael_reply));
    assert_int_equal(answer->position, 6);
    assert_int_equal(answer->timestamp, 1006);
    assert_false(answer->maybe_applied);
    assert_false(answer->has_more);
    assert_int_equal(tael_position(world->client), 6);
    assert_int_equal(tael_open_count(world->client), 0);
}

static void test_answers_come_in_any_order(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    struct tael_header headers[64];
    u64 tickets[64];
    for (u32 i = 0; i < 64; i++) tickets[i] = submit(world, 100 + i, 0);
    const struct tael_command command = command_make(world, 1);
    assert_int_equal(tael_submit_command(world->client, &command, 0, told_add, NULL, NULL),
                     TAEL_ERROR_CROWDED);
    assert_string_equal(tael_problem(world->client), "64 requests are open, as many as may be");
    for (u32 i = 0; i < 64; i++) {
        headers[i] = *client_stub_take(stub, TAEL_COMMAND);
        assert_true(headers[i].command_id == 100 + i); // In the order of submission.
    }
    for (u32 i = 64; i-- > 0;) {
        stub->header = headers[i];
        client_stub_send_done(stub, 64 - i);
    }
    told_await(world, 64);
    for (u32 i = 0; i < 64; i++) {
        assert_int_equal(world->told.answers[i].ticket, tickets[63 - i]);
    }
    assert_int_equal(tael_position(world->client), 64);
}

static void test_what_the_server_does_not_take_waits_in_the_client(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    stub->in_flight_max = 2;
    for (u32 i = 0; i < 5; i++) (void)submit(world, 1 + i, 0);
    client_stub_let_in(stub);
    struct tael_header first = *client_stub_take(stub, TAEL_COMMAND);
    (void)client_stub_take(stub, TAEL_COMMAND);
    assert_true(client_stub_is_quiet(stub));
    stub->header = first;
    for (u32 i = 0; i < 4; i++) {
        client_stub_send_done(stub, 6 + i);
        if (i < 3) assert_true(client_stub_take(stub, TAEL_COMMAND)->command_id == 3 + i);
    }
    told_await(world, 4);
}

static void test_messages_are_taken_in_pieces(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    for (u32 i = 0; i < 3; i++) (void)submit(world, 1 + i, 0);
    struct {
        struct tael_header header;
        struct command_reply reply;
    } messages[3];
    for (u32 i = 0; i < 3; i++) {
        (void)client_stub_take(stub, TAEL_COMMAND);
        messages[i].header = client_stub_answer(stub, TAEL_REPLY);
        messages[i].header.count = 1;
        messages[i].reply = (struct command_reply){.result = i, .position = 10 + i};
        tael_header_seal(&messages[i].header, &messages[i].reply, sizeof messages[i].reply);
    }
    const size_t piece = 97;
    for (size_t at = 0; at < sizeof messages; at += piece) {
        client_stub_send_bytes(stub, (const u8 *)messages + at, MIN(piece, sizeof messages - at));
        client_stub_idle(stub, 1);
    }
    told_await(world, 3);
    struct tael_reply reply;
    memcpy(&reply, world->told.body, sizeof reply);
    assert_int_equal(reply.result, 2);
    assert_int_equal(reply.position, 12);
}

static void test_bodies_may_be_as_large_as_a_message(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    u8 *body = malloc(TAEL_BODY_MAX);
    for (u32 i = 0; i < TAEL_BODY_MAX; i++) body[i] = (u8)(i * 7);
    struct tael_command command = command_make(world, 1);
    command.body = body;
    command.body_size = TAEL_BODY_MAX;
    command.count = TAEL_BODY_MAX / 128;
    for (u32 i = 0; i < 3; i++) {
        assert_int_equal(
            tael_submit_command(world->client, &command, 0, told_add, &world->told, NULL), TAEL_OK);
        command.id.low++;
    }
    for (u32 i = 0; i < 3; i++) {
        (void)client_stub_take(stub, TAEL_COMMAND);
        assert_memory_equal(stub->body, body, TAEL_BODY_MAX);
        client_stub_send_done(stub, 6 + i);
    }
    told_await(world, 3);
    assert_int_equal(world->told.answers[2].count, TAEL_BODY_MAX / 128);
    (void)submit_question(world, 0);
    (void)client_stub_take(stub, TAEL_QUESTION);
    struct tael_header header = client_stub_answer(stub, TAEL_ANSWER);
    header.count = 1000;
    client_stub_send(stub, &header, body, TAEL_BODY_MAX);
    told_await(world, 4);
    assert_int_equal(world->told.answers[3].body_size, TAEL_BODY_MAX);
    command.body_size = TAEL_BODY_MAX + 1;
    assert_int_equal(tael_submit_command(world->client, &command, 0, told_add, NULL, NULL),
                     TAEL_ERROR_ARGUMENT);
    free(body);
}

static void test_a_question_is_answered_by_views(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    (void)submit_question(world, TAEL_POSITION_SEEN);
    const struct tael_header *header = client_stub_take(stub, TAEL_QUESTION);
    assert_int_equal(header->position, 5);
    assert_int_equal(header->record, QUERY_RECORD);
    assert_true(header->command_id == 0);
    struct tael_header answer = client_stub_answer(stub, TAEL_ANSWER);
    answer.count = 3;
    answer.record = 0x7f03; // Of the views.
    answer.position = 77;
    memset(answer.cursor, 8, sizeof answer.cursor);
    const u8 views[48] = {1, 2, 3};
    client_stub_send(stub, &answer, views, sizeof views);
    told_await(world, 1);
    const struct tael_answer *told = &world->told.answers[0];
    assert_int_equal(told->count, 3);
    assert_int_equal(told->record, 0x7f03);
    assert_int_equal(told->body_size, sizeof views);
    assert_null(told->replies);
    assert_true(told->has_more);
    assert_memory_equal(world->told.body, views, sizeof views);
    struct tael_question more = {
        .record = QUERY_RECORD, .version = 1, .position = TAEL_POSITION_SEEN};
    memcpy(more.cursor, told->cursor, sizeof more.cursor);
    assert_int_equal(tael_submit_question(world->client, &more, 0, told_add, &world->told, NULL),
                     TAEL_OK);
    header = client_stub_take(stub, TAEL_QUESTION);
    assert_int_equal(header->position, 77);
    assert_memory_equal(header->cursor, answer.cursor, sizeof answer.cursor);
    answer = client_stub_answer(stub, TAEL_ANSWER);
    client_stub_send(stub, &answer, NULL, 0);
    told_await(world, 2);
    assert_false(world->told.answers[1].has_more);
}

// --- what breaks the wire ------------------------------------------------------------------------

enum fault {
    FAULT_HEADER,
    FAULT_BODY,
    FAULT_SIZE,
    FAULT_RESERVED,
    FAULT_UNKNOWN_KIND,
    FAULT_CLIENT_KIND,
    FAULT_SECOND_WELCOME,
    FAULT_CORRELATION,
    FAULT_TWICE,
    FAULT_COMMAND_ID,
    FAULT_RECORD,
    FAULT_ANSWER_TO_COMMAND,
    FAULT_MORE_REPLIES,
    FAULT_COUNT_OF_REPLIES,
    FAULT_CLOSED,
    FAULT_CLOSED_IN_HEADER,
    FAULT_CLOSED_IN_BODY,
    FAULT_COUNT,
};

// Answers the command taken last, wrongly. The text that the client should find.
static const char *answer_wrongly(struct client_stub *stub, enum fault fault)
{
    struct tael_header header = client_stub_answer(stub, TAEL_REPLY);
    struct command_reply replies[2] = {{.position = 6}, {.position = 6}};
    u32 size = sizeof replies[0];
    const char *text = "the server broke the protocol";
    header.count = 1;
    switch (fault) {
    case FAULT_UNKNOWN_KIND: header.head.command = 0x60; break;
    case FAULT_CLIENT_KIND: header.head.command = TAEL_COMMAND; break;
    case FAULT_SECOND_WELCOME: header.head.command = TAEL_WELCOME; break;
    case FAULT_CORRELATION: header.correlation += TAEL_OPEN_MAX; break;
    case FAULT_COMMAND_ID: header.command_id++; break;
    case FAULT_RECORD: header.record++; break;
    case FAULT_ANSWER_TO_COMMAND: header.head.command = TAEL_ANSWER; break;
    case FAULT_MORE_REPLIES: header.count = 2; break;
    case FAULT_COUNT_OF_REPLIES: size = sizeof replies; break;
    case FAULT_RESERVED: header.head.epoch = 1; break;
    default: break;
    }
    tael_header_seal(&header, replies, size);
    switch (fault) {
    case FAULT_HEADER: header.position ^= 1; break;
    case FAULT_BODY: replies[0].timestamp ^= 1; break;
    case FAULT_SIZE:
        header.head.size = 255;
        header.head.checksum = checksum((const u8 *)&header + 16, sizeof header - 16);
        break;
    default: break;
    }
    u8 message[sizeof header + sizeof replies];
    memcpy(message, &header, sizeof header);
    memcpy(message + sizeof header, replies, sizeof replies);
    size += (u32)sizeof header;
    if (fault == FAULT_UNKNOWN_KIND || fault == FAULT_RESERVED || fault <= FAULT_SIZE) {
        text = "a message arrived broken";
    }
    if (fault >= FAULT_CLOSED) {
        size = fault == FAULT_CLOSED ? 0 : fault == FAULT_CLOSED_IN_HEADER ? 100 : 300;
        text = fault == FAULT_CLOSED ? "closed the connection" : "inside a message";
    }
    client_stub_send_bytes(stub, message, size);
    if (fault == FAULT_TWICE) client_stub_send_bytes(stub, message, size);
    if (fault >= FAULT_CLOSED) client_stub_hang_up(stub);
    return text;
}

static void test_what_breaks_the_wire_ends_the_connection_and_it_is_tried_again(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    for (u32 fault = 0; fault < FAULT_COUNT; fault++) {
        client_stub_let_in(stub);
        u32 before = world->told.count;
        (void)submit(world, 1000 + 2 * fault, 0);
        (void)submit(world, 1001 + 2 * fault, 0);
        const struct tael_header first = *client_stub_take(stub, TAEL_COMMAND);
        (void)client_stub_take(stub, TAEL_COMMAND);
        stub->header = first;
        const char *text = answer_wrongly(stub, (enum fault)fault);
        for (u32 i = 0; tael_is_connected(world->client); i++) {
            if (i == 5000) fail_msg("fault %u is believed", fault);
            client_stub_idle(stub, 1);
        }
        if (strstr(tael_problem(world->client), text) == NULL) {
            fail_msg("fault %u: \"%s\"", fault, tael_problem(world->client));
        }
        client_stub_let_in(stub);
        if (fault != FAULT_TWICE) { // Once it was right.
            const struct tael_header *again = client_stub_take(stub, TAEL_COMMAND);
            assert_memory_equal(again, &first, sizeof first);
            client_stub_send_done(stub, 6);
        }
        (void)client_stub_take(stub, TAEL_COMMAND);
        client_stub_send_done(stub, 7);
        told_await(world, before + 2);
        client_stub_hang_up(stub);
    }
}

// Headers of a server gone wild, with checksums that hold: each is believed, or ends the connection
// or the client, and what was asked is answered in the end.
static void test_wild_headers_do_no_harm(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    struct random random;
    random_init(&random, 7);
    client_replace(world, (struct tael_options){.open_max = TAEL_OPEN_MAX});
    u32 asked = 0;
    for (u32 round = 0; round < 60; round++) {
        client_stub_let_in(stub);
        (void)submit(world, 1 + round, TAEL_FOREVER);
        asked++;
        (void)client_stub_take(stub, TAEL_COMMAND); // Of this round, or one before.
        for (u32 i = 0; i < 20 && tael_is_connected(world->client); i++) {
            struct tael_header header = client_stub_answer(stub, TAEL_REPLY);
            u8 *bytes = (u8 *)&header;
            const u32 changes = (u32)random_below(&random, 4);
            for (u32 k = 0; k < changes; k++) {
                // Behind the fields that every header has zero, mostly.
                const u32 at = 112 + (u32)random_below(&random, sizeof header - 112);
                bytes[at] = (u8)random_u64(&random);
            }
            header.head.protocol = TAEL_PROTOCOL;
            const u32 size = (u32)random_below(&random, 200);
            const u8 body[200] = {0};
            header.head.size = MESSAGE_HEADER_SIZE + size;
            header.head.checksum_body = checksum(body, size);
            header.head.checksum = checksum(bytes + 16, sizeof header - 16);
            struct sockaddr_un place;
            socklen_t place_size = sizeof place;
            if (getpeername(stub->fd, (struct sockaddr *)&place, &place_size) != 0) break;
            (void)!send(stub->fd, &header, sizeof header, MSG_NOSIGNAL);
            (void)!send(stub->fd, body, size, MSG_NOSIGNAL);
            client_stub_idle(stub, 1);
        }
        client_stub_hang_up(stub);
        client_stub_idle(stub, 1);
    }
    client_stub_let_in(stub);
    const u32 open = tael_open_count(world->client);
    for (u32 i = 0; i < open; i++) {
        (void)client_stub_take(stub, TAEL_COMMAND);
        client_stub_send_done(stub, 6);
    }
    told_await(world, asked);
    for (u32 i = 0; i < asked; i++) assert_int_equal(world->told.answers[i].error, TAEL_OK);
}

static void test_a_broken_welcome_is_tried_again(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_accept(stub);
    (void)client_stub_take(stub, TAEL_HELLO);
    struct tael_header header = client_stub_answer(stub, TAEL_WELCOME);
    client_stub_send(stub, &header, "short", 5);
    client_stub_accept(stub);
    (void)client_stub_take(stub, TAEL_HELLO);
    header = client_stub_answer(stub, TAEL_PONG); // Not before the welcome.
    client_stub_send(stub, &header, NULL, 0);
    client_stub_let_in(stub);
}

static void test_silence_is_asked_and_then_ends_the_connection(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_replace(world, (struct tael_options){.silence_ms = 400});
    client_stub_let_in(stub);
    (void)client_stub_take(stub, TAEL_PING);
    struct tael_header pong = client_stub_answer(stub, TAEL_PONG);
    client_stub_send(stub, &pong, NULL, 0);
    (void)client_stub_take(stub, TAEL_PING);
    while (tael_is_connected(world->client)) client_stub_idle(stub, 1);
    assert_non_null(strstr(tael_problem(world->client), "nothing was heard"));
    client_stub_accept(stub);
    (void)client_stub_take(stub, TAEL_HELLO);
    client_stub_accept(stub); // Nor is a welcome waited for any longer.
}

// --- refusals ------------------------------------------------------------------------------------

static void test_refusals_are_told_with_their_text(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    const enum tael_status rows[] = {TAEL_TABLE_FULL,    TAEL_UNKNOWN_RECORD, TAEL_MALFORMED,
                                     TAEL_NOT_PERMITTED, TAEL_REUSED,         TAEL_OVERRIDDEN,
                                     TAEL_EXPIRED};
    client_stub_let_in(stub);
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        (void)submit(world, 1 + i, 0);
        (void)client_stub_take(stub, TAEL_COMMAND);
        client_stub_send_refusal(stub, rows[i], "odd\nlength"); // And nothing is aligned.
        told_await(world, 1 + i);
        const struct tael_answer *answer = &world->told.answers[i];
        assert_int_equal(answer->error, TAEL_OK);
        assert_int_equal(answer->result, (u32)rows[i]);
        assert_int_equal(answer->count, 0);
        assert_null(answer->replies);
        assert_false(answer->maybe_applied);
        assert_string_equal(world->told.text, "odd length");
    }
    (void)submit_question(world, 0);
    (void)client_stub_take(stub, TAEL_QUESTION);
    client_stub_send_refusal(stub, TAEL_UNKNOWN_RECORD, "no such question");
    told_await(world, 1 + ARRAY_COUNT(rows));
    assert_string_equal(world->told.text, "no such question");
    (void)submit_question(world, 0);
    (void)client_stub_take(stub, TAEL_QUESTION);
    struct tael_header header = client_stub_answer(stub, TAEL_ANSWER);
    const struct command_reply reply = {.result = 12, .evidence = {3, 4}};
    header.status = TAEL_REFUSED;
    client_stub_send(stub, &header, &reply, sizeof reply);
    told_await(world, 2 + ARRAY_COUNT(rows));
    assert_int_equal(world->told.answers[1 + ARRAY_COUNT(rows)].result, TAEL_RESULT_REFUSED);
    assert_int_equal(world->told.answers[1 + ARRAY_COUNT(rows)].count, 1);
    assert_memory_equal(world->told.body, &reply, sizeof reply);
}

static void test_busy_and_full_are_tried_again_in_order(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    const enum tael_status rows[] = {TAEL_BUSY, TAEL_FULL};
    struct tael_header headers[3];
    client_stub_let_in(stub);
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        for (u32 k = 0; k < 3; k++) (void)submit(world, 10 * i + 1 + k, 0);
        for (u32 k = 0; k < 3; k++) headers[k] = *client_stub_take(stub, TAEL_COMMAND);
        for (u32 k = 0; k < 3; k++) {
            stub->header = headers[k];
            client_stub_send_refusal(stub, rows[i], "later");
        }
        // One at a time, until one goes through.
        for (u32 k = 0; k < 3; k++) {
            assert_memory_equal(client_stub_take(stub, TAEL_COMMAND), &headers[0],
                                sizeof headers[0]);
            assert_true(client_stub_is_quiet(stub));
            if (k < 2) client_stub_send_refusal(stub, rows[i], "later");
        }
        client_stub_send_done(stub, 6);
        for (u32 k = 1; k < 3; k++) {
            assert_memory_equal(client_stub_take(stub, TAEL_COMMAND), &headers[k],
                                sizeof headers[k]);
            client_stub_send_done(stub, 6 + k);
        }
        told_await(world, 3 * (i + 1));
        for (u32 k = 0; k < 3; k++) {
            assert_int_equal(world->told.answers[3 * i + k].result, TAEL_RESULT_DONE);
        }
    }
}

static void test_questions_pass_commands_that_wait_for_space(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    (void)submit(world, 1, 0);
    (void)client_stub_take(stub, TAEL_COMMAND);
    for (u32 i = 0; i < 6; i++) { // Until the pause is long.
        client_stub_send_refusal(stub, TAEL_FULL, "full");
        (void)client_stub_take(stub, TAEL_COMMAND);
    }
    client_stub_send_refusal(stub, TAEL_FULL, "full");
    client_stub_idle(stub, 2);
    (void)submit(world, 2, 0);
    (void)submit_question(world, 0);
    (void)client_stub_take(stub, TAEL_QUESTION);
    struct tael_header answer = client_stub_answer(stub, TAEL_ANSWER);
    client_stub_send(stub, &answer, NULL, 0);
    told_await(world, 1);
}

static void test_what_is_busy_at_the_deadline_was_not_applied(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    // At the deadline a command may be on its way once more, which is in doubt; rarely each time.
    bool is_in_doubt = true;
    for (u32 i = 0; i < 20 && is_in_doubt; i++) {
        world->told.count = 0;
        const u64 ticket = submit(world, 1 + i, 50);
        while (world->told.count == 0) {
            struct tael_header header;
            if (recv(stub->fd, &header, sizeof header, MSG_PEEK | MSG_DONTWAIT) > 0) {
                (void)client_stub_take(stub, TAEL_COMMAND);
                client_stub_send_refusal(stub, TAEL_BUSY, "later");
            }
            client_stub_idle(stub, 1);
        }
        is_in_doubt = world->told.answers[0].error == TAEL_ERROR_TIMEOUT;
        assert_true(world->told.answers[0].maybe_applied == is_in_doubt);
        if (is_in_doubt) assert_int_equal(tael_give_up(world->client, ticket, NULL), TAEL_OK);
    }
    assert_int_equal(world->told.answers[0].error, TAEL_OK);
    assert_int_equal(world->told.answers[0].result, TAEL_RESULT_BUSY);
    assert_int_equal(tael_open_count(world->client), 0);
}

static void test_what_was_sent_before_and_is_busy_now_is_in_doubt(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    u64 ticket = submit(world, 1, 200);
    (void)client_stub_take(stub, TAEL_COMMAND);
    client_stub_hang_up(stub);
    client_stub_let_in(stub);
    (void)client_stub_take(stub, TAEL_COMMAND);
    client_stub_send_refusal(stub, TAEL_FULL, "full");
    while (world->told.count == 0) {
        struct tael_header header;
        if (recv(stub->fd, &header, sizeof header, MSG_PEEK | MSG_DONTWAIT) > 0) {
            (void)client_stub_take(stub, TAEL_COMMAND);
            client_stub_send_refusal(stub, TAEL_FULL, "full");
        }
        client_stub_idle(stub, 1);
    }
    assert_int_equal(world->told.answers[0].error, TAEL_ERROR_TIMEOUT);
    assert_true(world->told.answers[0].maybe_applied);
    bool maybe_applied = false;
    assert_int_equal(tael_give_up(world->client, ticket, &maybe_applied), TAEL_OK);
    assert_true(maybe_applied);
}

static void test_who_wants_no_retry_is_told_at_once(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_replace(world, (struct tael_options){.flags = TAEL_OPTION_NO_RETRY});
    client_stub_let_in(stub);
    (void)submit(world, 1, 0);
    (void)client_stub_take(stub, TAEL_COMMAND);
    client_stub_hang_up(stub);
    client_stub_let_in(stub);
    (void)client_stub_take(stub, TAEL_COMMAND);
    client_stub_send_refusal(stub, TAEL_FULL, "no space");
    told_await(world, 1);
    assert_int_equal(world->told.answers[0].result, TAEL_RESULT_FULL);
    assert_true(world->told.answers[0].maybe_applied); // The first sending was lost.
    assert_string_equal(world->told.text, "no space");
    (void)submit(world, 2, 0);
    (void)client_stub_take(stub, TAEL_COMMAND);
    client_stub_send_refusal(stub, TAEL_BUSY, "");
    told_await(world, 2);
    assert_int_equal(world->told.answers[1].result, TAEL_RESULT_BUSY);
    assert_false(world->told.answers[1].maybe_applied);
}

// --- the end -------------------------------------------------------------------------------------

static void test_who_is_turned_away_gives_up(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    (void)submit(world, 1, 0);
    for (u32 i = 0; i < 5; i++) {
        client_stub_accept(stub);
        (void)client_stub_take(stub, TAEL_HELLO);
        client_stub_hang_up(stub);
    }
    end_await(world, "closes them at once");
    told_await(world, 1);
    assert_int_equal(world->told.answers[0].error, TAEL_ERROR_ENDED);
    assert_false(world->told.answers[0].maybe_applied);
    assert_int_equal(tael_wake_at(world->client), UINT64_MAX);
    assert_int_equal(tael_connect(world->client, 1000), TAEL_ERROR_ENDED);
}

static void test_who_is_turned_away_is_told_why(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_replace(world, (struct tael_options){.turned_away_max = 2, .principal = 12});
    for (u32 i = 0; i < 2; i++) {
        client_stub_accept(stub);
        (void)client_stub_take(stub, TAEL_HELLO);
        struct tael_hello hello;
        memcpy(&hello, stub->body, sizeof hello);
        assert_int_equal(hello.principal, 12);
        assert_int_equal(hello.protocol_max, TAEL_PROTOCOL);
        struct tael_header header = client_stub_answer(stub, TAEL_WELCOME);
        header.status = TAEL_NOT_PERMITTED;
        client_stub_send(stub, &header, "nobody here knows you", 21);
        client_stub_hang_up(stub);
    }
    end_await(world, "does not let this client in: nobody here knows you");
}

static void test_who_was_let_in_waits_while_the_server_stops(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    (void)submit(world, 1, 0);
    for (u32 i = 0; i < 7; i++) client_stub_accept(stub);
    client_stub_let_in(stub);
    (void)client_stub_take(stub, TAEL_COMMAND);
    client_stub_send_done(stub, 6);
    told_await(world, 1);
}

static void test_another_version_ends_the_client(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_accept(stub);
    (void)client_stub_take(stub, TAEL_HELLO);
    struct tael_header header = client_stub_answer(stub, TAEL_WELCOME);
    tael_header_seal(&header, NULL, 0);
    header.head.protocol = 2;
    header.head.checksum = checksum((const u8 *)&header + 16, sizeof header - 16);
    client_stub_send_bytes(stub, &header, sizeof header);
    end_await(world, "speaks version 2 of the protocol, not 1");
}

static void test_another_log_ends_the_client(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    (void)submit(world, 1, 0);
    (void)client_stub_take(stub, TAEL_COMMAND);
    stub->log_id = 8;
    client_stub_accept(stub);
    (void)client_stub_take(stub, TAEL_HELLO);
    client_stub_send_welcome(stub);
    end_await(world, "has another log than before");
    told_await(world, 1);
    assert_int_equal(world->told.answers[0].error, TAEL_ERROR_ENDED);
    assert_true(world->told.answers[0].maybe_applied);
}

static void test_odd_limits_end_the_client(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    stub->in_flight_max = 0;
    client_stub_accept(stub);
    (void)client_stub_take(stub, TAEL_HELLO);
    client_stub_send_welcome(stub);
    end_await(world, "other limits");
}

static void test_addresses_and_options_are_checked(void **state)
{
    (void)state;
    const struct {
        struct tael_options options;
        const char *problem;
    } rows[] = {
        {{.address = NULL}, "no address"},
        {{.address = "host:0"}, "no port"},
        {{.address = "unix:"}, "unix socket"},
        {{.address = "1", .open_max = TAEL_OPEN_MAX + 1}, "out of its range"},
        {{.address = "1", .flags = 8}, "out of its range"},
        {{.address = "1", .reserved = 1}, "out of its range"},
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        struct tael_client *client = tael_open(&rows[i].options);
        assert_int_equal(tael_connect(client, 1000), TAEL_ERROR_ENDED);
        assert_non_null(strstr(tael_problem(client), rows[i].problem));
        tael_close(client);
    }
    tael_close(NULL);
}

// --- deadlines -----------------------------------------------------------------------------------

static void test_a_late_answer_comes_to_who_waits_on(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    u64 ticket = submit(world, 1, 10);
    (void)client_stub_take(stub, TAEL_COMMAND);
    told_await(world, 1);
    assert_int_equal(world->told.answers[0].error, TAEL_ERROR_TIMEOUT);
    assert_int_equal(world->told.answers[0].ticket, ticket);
    assert_true(world->told.answers[0].maybe_applied);
    assert_non_null(strstr(tael_problem(world->client), "no answer from unix:"));
    assert_int_equal(tael_open_count(world->client), 1);
    client_stub_idle(stub, 20);
    assert_int_equal(tael_wait_on(world->client, ticket, 10), TAEL_OK);
    told_await(world, 2);
    assert_int_equal(world->told.answers[1].error, TAEL_ERROR_TIMEOUT);
    client_stub_send_done(stub, 6);
    told_await(world, 3);
    assert_int_equal(world->told.answers[2].error, TAEL_OK);
    assert_int_equal(tael_wait_on(world->client, ticket, 10), TAEL_ERROR_ARGUMENT);
}

static void test_a_late_answer_is_passed_over_after_giving_up(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    stub->in_flight_max = 1;
    client_stub_let_in(stub);
    bool maybe_applied = false;
    u64 first = submit(world, 1, 0), second = submit(world, 2, 0);
    (void)client_stub_take(stub, TAEL_COMMAND);
    assert_int_equal(tael_give_up(world->client, first, &maybe_applied), TAEL_OK);
    assert_true(maybe_applied);
    assert_int_equal(tael_give_up(world->client, first, NULL), TAEL_ERROR_ARGUMENT);
    assert_int_equal(tael_give_up(world->client, second, &maybe_applied), TAEL_OK);
    assert_false(maybe_applied); // It was not sent.
    (void)submit(world, 3, 0);
    assert_true(client_stub_is_quiet(stub)); // The first one is still the server's.
    client_stub_send_done(stub, 6);
    assert_true(client_stub_take(stub, TAEL_COMMAND)->command_id == 3);
    client_stub_send_done(stub, 7);
    told_await(world, 1);
    assert_int_equal(tael_position(world->client), 7);
}

static void test_what_was_given_up_is_not_sent_again(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    u64 first = submit(world, 1, 0);
    (void)submit(world, 2, 0);
    (void)client_stub_take(stub, TAEL_COMMAND);
    (void)client_stub_take(stub, TAEL_COMMAND);
    assert_int_equal(tael_give_up(world->client, first, NULL), TAEL_OK);
    client_stub_let_in(stub);
    assert_true(client_stub_take(stub, TAEL_COMMAND)->command_id == 2);
    assert_true(client_stub_is_quiet(stub));
}

static void test_giving_up_while_sending_ends_the_connection(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_replace(world, (struct tael_options){.open_max = 40});
    client_stub_let_in(stub);
    u8 *body = calloc(1, TAEL_BODY_MAX);
    struct tael_command command = command_make(world, 1);
    command.body = body;
    command.body_size = TAEL_BODY_MAX;
    u64 tickets[8];
    for (u32 i = 0; i < 8; i++) { // More than a socket takes.
        command.id.low = 1 + i;
        assert_int_equal(
            tael_submit_command(world->client, &command, 0, told_add, &world->told, &tickets[i]),
            TAEL_OK);
    }
    client_stub_idle(stub, 5);
    memset(body, 1, 1); // What is given up is the caller's again; the first seven are, too.
    for (u32 i = 0; i < 8; i++) {
        assert_int_equal(tael_give_up(world->client, tickets[i], NULL), TAEL_OK);
    }
    assert_false(tael_is_connected(world->client));
    assert_non_null(strstr(tael_problem(world->client), "given up while it was being sent"));
    free(body);
    client_stub_let_in(stub);
    (void)submit(world, 9, 0);
    assert_true(client_stub_take(stub, TAEL_COMMAND)->command_id == 9);
}

// Something takes the connection, and says nothing: there is no more to tell.
static void test_silence_is_told_at_the_deadline(void **state)
{
    struct world *world = *state;
    tael_close(world->client);
    client_make(world, (struct tael_options){0});
    assert_int_equal(tael_connect(world->client, 50), TAEL_ERROR_TIMEOUT);
    const char *problem = tael_problem(world->client);
    static const char end[] = " in time";
    assert_true(strlen(problem) > strlen(end));
    assert_string_equal(problem + strlen(problem) - strlen(end), end);
}

static void test_nobody_there_is_told_at_the_deadline(void **state)
{
    struct world *world = *state;
    tael_close(world->client);
    client_make(world, (struct tael_options){0});
    client_stub_close(&world->stub);
    assert_int_equal(tael_connect(world->client, 50), TAEL_ERROR_TIMEOUT);
    assert_non_null(strstr(tael_problem(world->client), "in time; "));
    const struct tael_command command = command_make(world, 1);
    struct tael_answer answer;
    assert_int_equal(tael_command(world->client, &command, 20, &answer), TAEL_ERROR_TIMEOUT);
    assert_false(answer.maybe_applied);
    assert_int_equal(tael_await(world->client, answer.ticket, 0, &answer), TAEL_ERROR_TIMEOUT);
    assert_int_equal(tael_await(world->client, answer.ticket, 20, &answer), TAEL_ERROR_TIMEOUT);
    u64 ticket = answer.ticket;
    client_stub_open(&world->stub); // Now there is somebody.
    world->stub.client = world->client;
    client_stub_let_in(&world->stub);
    (void)client_stub_take(&world->stub, TAEL_COMMAND);
    client_stub_send_done(&world->stub, 6);
    assert_int_equal(tael_await(world->client, ticket, 1000, &answer), TAEL_OK);
    assert_int_equal(answer.replies[0].position, 6);
    assert_int_equal(tael_await(world->client, ticket, 1000, &answer), TAEL_ERROR_ARGUMENT);
}

// --- answers that are fetched --------------------------------------------------------------------

static void test_answers_are_kept_until_they_are_fetched(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    u64 tickets[4];
    for (u32 i = 0; i < 4; i++) {
        const struct tael_command command = command_make(world, 1 + i);
        assert_int_equal(tael_submit_command(world->client, &command, 0, NULL, NULL, &tickets[i]),
                         TAEL_OK);
    }
    for (u32 i = 0; i < 4; i++) {
        (void)client_stub_take(stub, TAEL_COMMAND);
        if (i == 2) client_stub_send_refusal(stub, TAEL_MALFORMED, "why");
        else client_stub_send_done(stub, 6 + i);
    }
    client_stub_idle(stub, 20); // All of them are in, and nobody waited.
    assert_int_equal(tael_open_count(world->client), 4);
    assert_int_equal(tael_give_up(world->client, tickets[3], NULL), TAEL_OK);
    for (u32 i = 3; i-- > 0;) {
        struct tael_answer answer;
        assert_int_equal(tael_await(world->client, tickets[i], 0, &answer), TAEL_OK);
        assert_int_equal(answer.ticket, tickets[i]);
        assert_string_equal(answer.text, i == 2 ? "why" : "");
        if (i != 2) assert_int_equal(answer.replies[0].position, 6 + i);
    }
    assert_int_equal(tael_open_count(world->client), 0);
}

static void test_what_is_awaited_is_not_copied(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_stub_let_in(stub);
    const struct tael_command command = command_make(world, 1);
    u64 tickets[2];
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(tael_submit_command(world->client, &command, 0, NULL, NULL, &tickets[i]),
                         TAEL_OK);
    }
    (void)tael_step(world->client);
    stub->client = NULL; // Both answers are in the socket before it looks.
    for (u32 i = 0; i < 2; i++) {
        (void)client_stub_take(stub, TAEL_COMMAND);
        client_stub_send_done(stub, 6 + i);
    }
    struct tael_answer first, second;
    assert_int_equal(tael_await(world->client, tickets[0], 1000, &first), TAEL_OK);
    assert_int_equal(tael_wake_at(world->client), 0); // The second one is here already.
    assert_int_equal(first.replies[0].position, 6);
    assert_int_equal(tael_wait(world->client, 10000), TAEL_OK);
    assert_int_equal(tael_await(world->client, tickets[1], 0, &second), TAEL_OK);
    assert_int_equal(second.replies[0].position, 7);
    stub->client = world->client;
}

// --- callbacks -----------------------------------------------------------------------------------

struct relay {
    struct world *world;
    u32 left;
    u64 other; // A ticket to give up.
};

static void relay_told(void *context, const struct tael_answer *answer)
{
    struct relay *relay = context;
    struct tael_client *client = relay->world->client;
    struct tael_answer other;
    assert_int_equal(answer->error, TAEL_OK);
    assert_int_equal(tael_step(client), TAEL_ERROR_ARGUMENT);
    assert_int_equal(tael_wait(client, 0), TAEL_ERROR_ARGUMENT);
    assert_int_equal(tael_connect(client, 1), TAEL_ERROR_ARGUMENT);
    assert_int_equal(tael_await(client, answer->ticket, 0, &other), TAEL_ERROR_ARGUMENT);
    const struct tael_command command = command_make(relay->world, relay->left);
    assert_int_equal(tael_command(client, &command, 0, &other), TAEL_ERROR_ARGUMENT);
    assert_int_equal(answer->replies[0].position, 100 - relay->left);
    if (relay->other != 0) {
        assert_int_equal(tael_give_up(client, relay->other, NULL), TAEL_OK);
        relay->other = 0;
    }
    if (--relay->left == 0) return;
    assert_int_equal(tael_submit_command(client, &command, 0, relay_told, relay, NULL), TAEL_OK);
}

static void test_a_callback_may_submit_and_give_up(void **state)
{
    struct world *world = *state;
    struct client_stub *stub = &world->stub;
    client_replace(world, (struct tael_options){.open_max = 2});
    client_stub_let_in(stub);
    struct relay relay = {.world = world, .left = 5};
    const struct tael_command command = command_make(world, 50);
    assert_int_equal(tael_submit_command(world->client, &command, 0, relay_told, &relay, NULL),
                     TAEL_OK);
    relay.other = submit(world, 51, 0);
    (void)client_stub_take(stub, TAEL_COMMAND);
    const struct tael_header first = stub->header;
    (void)client_stub_take(stub, TAEL_COMMAND);
    const struct tael_header other = stub->header;
    stub->header = first;
    for (u32 left = 5; left > 0; left--) {
        client_stub_send_done(stub, 100 - left);
        if (left > 1) (void)client_stub_take(stub, TAEL_COMMAND);
    }
    client_stub_idle(stub, 10);
    assert_int_equal(relay.left, 0);
    stub->header = other;
    client_stub_send_done(stub, 200);
    client_stub_idle(stub, 10);
    assert_int_equal(world->told.count, 0);
    assert_true(tael_is_connected(world->client));
}

// --- ids and arguments ---------------------------------------------------------------------------

static void test_ids_grow(void **state)
{
    struct world *world = *state;
    struct tael_u128 last = {0};
    for (u32 i = 0; i < 20000; i++) {
        const struct tael_u128 id = tael_id(world->client);
        assert_true(id.high > last.high || (id.high == last.high && id.low > last.low));
        last = id;
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    u64 milliseconds = (u64)now.tv_sec * 1000 + (u64)now.tv_nsec / NS_PER_MS;
    assert_true(milliseconds - (last.high >> 16) < 10000);
}

static void test_arguments_are_checked(void **state)
{
    struct world *world = *state;
    const struct tael_command good = command_make(world, 1);
    struct tael_command rows[5] = {good, good, good, good, good};
    rows[0].id.low = 0;
    rows[1].count = 0;
    rows[2].reserved = 1;
    rows[3].body = NULL;
    rows[4].body_size = TAEL_BODY_MAX + 1;
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        struct tael_answer answer;
        assert_int_equal(tael_command(world->client, &rows[i], 0, &answer), TAEL_ERROR_ARGUMENT);
        assert_int_equal(answer.error, TAEL_ERROR_ARGUMENT);
        assert_true(tael_problem(world->client)[0] != 0);
    }
    struct tael_question questions[2] = {{.reserved = 1}, {.body_size = 1}};
    for (u32 i = 0; i < ARRAY_COUNT(questions); i++) {
        struct tael_answer answer;
        assert_int_equal(tael_ask(world->client, &questions[i], 0, &answer), TAEL_ERROR_ARGUMENT);
    }
    assert_int_equal(tael_open_count(world->client), 0);
    struct tael_answer answer;
    u64 ticket = submit(world, 1, 0);
    assert_int_equal(tael_await(world->client, ticket, 0, &answer), TAEL_ERROR_ARGUMENT);
    assert_int_equal(tael_await(world->client, 0, 0, &answer), TAEL_ERROR_ARGUMENT);
    assert_int_equal(tael_await(world->client, ticket + 1, 0, &answer), TAEL_ERROR_ARGUMENT);
    assert_string_equal(tael_error_text(TAEL_ERROR_CROWDED), "too many requests are open");
    assert_string_equal(tael_error_text((enum tael_error)99), "unknown");
    assert_string_equal(tael_result_text(TAEL_RESULT_BUSY), "too much is in flight");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_command_is_sent_and_answered),
        TEST(test_answers_come_in_any_order),
        TEST(test_what_the_server_does_not_take_waits_in_the_client),
        TEST(test_messages_are_taken_in_pieces),
        TEST(test_bodies_may_be_as_large_as_a_message),
        TEST(test_a_question_is_answered_by_views),
        TEST(test_what_breaks_the_wire_ends_the_connection_and_it_is_tried_again),
        TEST(test_wild_headers_do_no_harm),
        TEST(test_a_broken_welcome_is_tried_again),
        TEST(test_silence_is_asked_and_then_ends_the_connection),
        TEST(test_refusals_are_told_with_their_text),
        TEST(test_busy_and_full_are_tried_again_in_order),
        TEST(test_questions_pass_commands_that_wait_for_space),
        TEST(test_what_is_busy_at_the_deadline_was_not_applied),
        TEST(test_what_was_sent_before_and_is_busy_now_is_in_doubt),
        TEST(test_who_wants_no_retry_is_told_at_once),
        TEST(test_who_is_turned_away_gives_up),
        TEST(test_who_is_turned_away_is_told_why),
        TEST(test_who_was_let_in_waits_while_the_server_stops),
        TEST(test_another_version_ends_the_client),
        TEST(test_another_log_ends_the_client),
        TEST(test_odd_limits_end_the_client),
        TEST(test_addresses_and_options_are_checked),
        TEST(test_a_late_answer_comes_to_who_waits_on),
        TEST(test_a_late_answer_is_passed_over_after_giving_up),
        TEST(test_what_was_given_up_is_not_sent_again),
        TEST(test_giving_up_while_sending_ends_the_connection),
        TEST(test_silence_is_told_at_the_deadline),
        TEST(test_nobody_there_is_told_at_the_deadline),
        TEST(test_answers_are_kept_until_they_are_fetched),
        TEST(test_what_is_awaited_is_not_copied),
        TEST(test_a_callback_may_submit_and_give_up),
        TEST(test_ids_grow),
        TEST(test_arguments_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
