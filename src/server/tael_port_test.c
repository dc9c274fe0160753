// SPDX-License-Identifier: Apache-2.0
//
// The tael port and the pipeline over a disk in memory that can be made to wait: who is let in,
// what is answered to commands and questions, and to what breaks the protocol, and that nobody
// holds up another or keeps a buffer.
#include "server/port_world.h"

#include "ledger/ledger_schema.h"
#include "machine/commit.h"
#include "modules/entity/entity.h"
#include "modules/name/name.h"
#include "modules/sample/sample.h"
#include "server/connection.h"
#include "server/tael_message.h"

#include <linux/sockios.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define STEPS_QUIET 20u
#define OPEN        0x7f01u
#define PUT         0x7f02u
#define BOX         9u
#define PUTS_MANY   4000u // Records whose replies a socket does not take at once.
#define PUTS_FEW    8u    // And such that are sent from a buffer of their own, though short.
#define PUTS_STOP   8u    // Commands of so many.
#define SLOW        16u // Clients whose unread replies are more than the requests that may be open.

struct world {
    struct port_world server;
    _Alignas(16) u8 body[TAEL_BODY_SIZE_MAX];
};

// One client: a connection, and what it received last.
struct peer {
    int fd;
    u64 sent; // Messages, for the correlation.
    _Alignas(16) struct tael_header answer;
    _Alignas(16) u8 body[TAEL_BODY_SIZE_MAX];
};

static int setup(void **state)
{
    struct world *world = aligned_alloc(64, align_up(sizeof *world, 64));
    port_world_begin(&world->server);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    port_world_end(&world->server);
    free(world);
    return 0;
}

static void step(struct world *world)
{
    port_world_step(&world->server);
}

// --- clients -------------------------------------------------------------------------------------

static struct peer *peer_connect(struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, world->server.path, sizeof world->server.path);
    struct peer *peer = aligned_alloc(64, align_up(sizeof *peer, 64));
    peer->sent = 0;
    peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(peer->fd, (const struct sockaddr *)&address, sizeof address), 0);
    step(world);
    return peer;
}

static void peer_close(struct peer *peer)
{
    (void)close(peer->fd);
    free(peer);
}

static void peer_send_bytes(struct world *world, const struct peer *peer, const void *bytes,
                            size_t size)
{
    u32 turns = 0;
    for (size_t sent = 0; sent < size;) {
        ssize_t put =
            send(peer->fd, (const u8 *)bytes + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put > 0) sent += (size_t)put;
        else if (turns++ == PORT_WORLD_STEPS_MAX) fail_msg("the server does not read");
        else step(world);
    }
}

static void peer_send(struct world *world, struct peer *peer, struct tael_header *header,
                      const void *body, u32 size)
{
    header->correlation = ++peer->sent;
    tael_header_seal(header, body, size);
    peer_send_bytes(world, peer, header, sizeof *header);
    peer_send_bytes(world, peer, body, size);
}

// Receives bytes; false when the connection was closed.
static bool peer_receive_bytes(struct world *world, struct peer *peer, void *out, u32 size)
{
    u32 turns = 0;
    for (u32 got = 0; got < size;) {
        ssize_t more = recv(peer->fd, (u8 *)out + got, size - got, MSG_DONTWAIT);
        if (more == 0) return false;
        if (more > 0) got += (u32)more;
        else if (turns++ == PORT_WORLD_STEPS_MAX) fail_msg("no answer");
        else step(world);
    }
    return true;
}

static void peer_receive(struct world *world, struct peer *peer, enum tael_kind kind)
{
    bool is_fatal = false;
    if (!peer_receive_bytes(world, peer, &peer->answer, sizeof peer->answer)) {
        fail_msg("the connection was closed");
    }
    assert_null(tael_header_check(&peer->answer, &is_fatal));
    u32 size = tael_body_size(&peer->answer);
    assert_true(peer_receive_bytes(world, peer, peer->body, size));
    assert_true(checksum(peer->body, size) == peer->answer.head.checksum_body);
    assert_int_equal(peer->answer.head.command, kind);
}

static bool peer_hears(struct world *world, const struct peer *peer)
{
    u8 byte = 0;
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    return recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void expect_closed(struct world *world, struct peer *peer)
{
    u8 byte = 0;
    assert_false(peer_receive_bytes(world, peer, &byte, 1));
}

static void peer_send_hello(struct world *world, struct peer *peer, struct tael_hello hello)
{
    struct tael_header header = {.head = {.command = TAEL_HELLO}};
    peer_send(world, peer, &header, &hello, sizeof hello);
}

static struct peer *peer_open(struct world *world)
{
    struct peer *peer = peer_connect(world);
    peer_send_hello(world, peer, (struct tael_hello){.protocol_max = TAEL_PROTOCOL});
    peer_receive(world, peer, TAEL_WELCOME);
    assert_int_equal(peer->answer.status, TAEL_DONE);
    return peer;
}

static struct tael_header command_of(u32 record, u128 id, u32 count)
{
    return (struct tael_header){.head = {.command = TAEL_COMMAND},
                                .command_id = id,
                                .record = record,
                                .version = 1,
                                .count = count};
}

static void peer_send_open(struct world *world, struct peer *peer, u128 id, u128 box_id, u128 limit)
{
    const struct sample_open open = {.box_id = box_id,
                                     .account_id = PORT_WORLD_PAYER,
                                     .box_account_id = PORT_WORLD_HOLDER,
                                     .limit = limit};
    struct tael_header header = command_of(OPEN, id, 1);
    peer_send(world, peer, &header, &open, sizeof open);
}

static void peer_send_puts(struct world *world, struct peer *peer, u128 id, u128 amount, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        const struct sample_put put = {.box_id = BOX, .amount = amount};
        memcpy(world->body + (size_t)i * sizeof put, &put, sizeof put);
    }
    struct tael_header header = command_of(PUT, id, count);
    peer_send(world, peer, &header, world->body, count * (u32)sizeof(struct sample_put));
}

// Receives the answer to a command that is done, and gives reply `index`.
static struct command_reply expect_done(struct world *world, struct peer *peer, u32 index)
{
    struct command_reply reply;
    peer_receive(world, peer, TAEL_REPLY);
    if (peer->answer.status != TAEL_DONE) fail_msg("status %u", peer->answer.status);
    assert_int_equal(tael_body_size(&peer->answer), peer->answer.count * sizeof reply);
    assert_true(index < peer->answer.count);
    memcpy(&reply, peer->body + index * sizeof reply, sizeof reply);
    assert_int_equal(reply.position, peer->answer.position);
    return reply;
}

static void expect_refusal(struct world *world, struct peer *peer, enum tael_status status,
                           const char *text)
{
    peer_receive(world, peer, TAEL_REPLY);
    assert_int_equal(peer->answer.status, status);
    assert_int_equal(peer->answer.correlation, peer->sent);
    peer->body[tael_body_size(&peer->answer)] = 0;
    if (strstr((const char *)peer->body, text) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", text, (const char *)peer->body);
    }
}

// Opens the box that puts go into.
static struct peer *peer_open_box(struct world *world, u128 limit)
{
    struct peer *peer = peer_open(world);
    peer_send_open(world, peer, 1, BOX, limit);
    assert_int_equal(expect_done(world, peer, 0).result, MODULE_DONE);
    return peer;
}

static void debits_await(struct world *world, u64 debits)
{
    for (u32 i = 0; port_world_debits(&world->server) < debits; i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("the command is not decided");
        step(world);
    }
}

// --- who is let in -------------------------------------------------------------------------------

static void test_who_runs_the_server_is_let_in(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_connect(world);
    peer_send_hello(world, peer,
                    (struct tael_hello){.principal = 1, .protocol_max = TAEL_PROTOCOL + 7});
    peer_receive(world, peer, TAEL_WELCOME);
    struct tael_welcome welcome;
    assert_int_equal(tael_body_size(&peer->answer), sizeof welcome);
    memcpy(&welcome, peer->body, sizeof welcome);
    assert_true(welcome.log_id == 7);
    assert_int_equal(welcome.principal, 1);
    assert_int_equal(welcome.position, world->server.node.machine.position);
    assert_true(welcome.timestamp > 0 && welcome.timestamp <= world->server.node.machine.timestamp);
    assert_int_equal(welcome.protocol, TAEL_PROTOCOL);
    assert_int_equal(welcome.body_size_max, TAEL_BODY_SIZE_MAX);
    assert_int_equal(welcome.in_flight_max, TAEL_IN_FLIGHT_MAX);
    assert_int_equal(peer->answer.correlation, peer->sent);
    peer_close(peer);
}

static void test_the_welcome_tells_what_is_durable(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 0);
    u64 told = peer->answer.position;
    port_world_gate_close(&world->server);
    peer_send_puts(world, peer, 2, 1, 3000); // Too large to be written by this thread.
    debits_await(world, 1);
    struct peer *other = peer_open(world);
    struct tael_welcome welcome;
    memcpy(&welcome, other->body, sizeof welcome);
    assert_int_equal(welcome.position, told);
    port_world_gate_open();
    assert_int_equal(expect_done(world, peer, 2999).result, MODULE_DONE);
    peer_close(other);
    peer_close(peer);
}

static void test_others_are_told_why_not(void **state)
{
    struct world *world = *state;
    const struct {
        struct tael_hello hello;
        const char *reason;
    } rows[] = {
        {{.protocol_max = 0}, "no version that is spoken here"},
        {{.protocol_max = 1, .reserved = 1}, "reserved field"},
    };
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        struct peer *peer = peer_connect(world);
        peer_send_hello(world, peer, rows[i].hello);
        peer_receive(world, peer, TAEL_WELCOME);
        assert_int_equal(peer->answer.status, TAEL_NOT_PERMITTED);
        peer->body[tael_body_size(&peer->answer)] = 0;
        assert_non_null(strstr((const char *)peer->body, rows[i].reason));
        expect_closed(world, peer);
        peer_close(peer);
    }
    struct peer *peer = peer_open(world);
    peer_send_hello(world, peer, (struct tael_hello){.protocol_max = 1});
    peer_receive(world, peer, TAEL_WELCOME);
    assert_int_equal(peer->answer.status, TAEL_NOT_PERMITTED);
    expect_closed(world, peer);
    peer_close(peer);
    assert_int_equal(tael_port_connections(world->server.ports.tael), 0);
}

static void test_a_stranger_may_say_hello_and_nothing_else(void **state)
{
    struct world *world = *state;
    for (u32 kind = 0; kind < 256; kind++) {
        for (u32 size = 0; size <= 4096; size += 4096) {
            struct peer *peer = peer_connect(world);
            struct tael_header header = {.head = {.command = (u8)kind}, .command_id = 1};
            tael_header_seal(&header, world->body, size);
            peer_send_bytes(world, peer, &header, sizeof header); // The body need not come.
            expect_closed(world, peer);
            peer_close(peer);
        }
    }
    assert_int_equal(port_world_buffers(&world->server), world->server.buffers);
}

static void test_who_says_nothing_goes(void **state)
{
    struct world *world = *state;
    struct peer *silent = peer_connect(world);
    struct peer *peer = peer_open(world);
    tael_port_tick(world->server.ports.tael, world->server.time);
    world->server.time += 19 * NS_PER_S;
    tael_port_tick(world->server.ports.tael, world->server.time);
    assert_int_equal(tael_port_connections(world->server.ports.tael), 2);
    world->server.time += 2 * NS_PER_S;
    tael_port_tick(world->server.ports.tael, world->server.time);
    assert_int_equal(tael_port_connections(world->server.ports.tael), 1);
    expect_closed(world, silent);
    assert_false(peer_hears(world, peer));
    peer_close(silent);
    peer_close(peer);
}

// --- headers -------------------------------------------------------------------------------------

static void test_a_header_that_cannot_be_trusted_ends_the_connection(void **state)
{
    struct world *world = *state;
    for (u32 i = 0; i < 6; i++) {
        struct peer *peer = peer_open(world);
        struct tael_header header = command_of(OPEN, 1, 1);
        u8 body[64] = {0};
        tael_header_seal(&header, body, sizeof body);
        if (i == 1) header.head.size = 255;
        if (i == 2) header.head.size = MESSAGE_HEADER_SIZE + TAEL_BODY_SIZE_MAX + 1;
        if (i == 3) header.head.protocol = 2;
        if (i == 4) header.head.protocol = 0;
        if (i == 0) header.head.checksum++;
        else header.head.checksum = checksum((const u8 *)&header + 16, sizeof header - 16);
        if (i == 5) body[3] = 1;
        peer_send_bytes(world, peer, &header, sizeof header);
        if (i == 5) peer_send_bytes(world, peer, body, sizeof body);
        expect_closed(world, peer);
        peer_close(peer);
    }
}

static void test_a_request_with_an_odd_header_is_told_so(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open(world);
    for (u32 i = 0; i < 20; i++) {
        struct tael_header header = command_of(OPEN, 1, 1);
        if (i >= 13 && i < 18) header = (struct tael_header){.head = {.command = TAEL_QUESTION}};
        const char *text = "a reserved field is not zero";
        switch (i) {
        case 0: header.head.checksum_padding = 1; break;
        case 1: header.head.checksum_body_padding = 1; break;
        case 2: header.head.nonce = 1; break;
        case 3: header.head.cluster = 1; break;
        case 4: header.head.epoch = 1; break;
        case 5: header.head.view = 1; break;
        case 6: header.head.release = 1; break;
        case 7: header.head.replica = 1; break;
        case 8: header.head.reserved[11] = 1; break;
        case 9:
            header.flags = 1;
            header.reserved[15] = 1;
            break;
        case 10: header.limit = 1; break; // Of a command.
        case 11:
            header.command_id = 0;
            text = "a command without an id";
            break;
        case 12: header.cursor[0] = 1; break;
        case 13: header.command_id = 1; break;
        case 14: header.expires_at = 1; break;
        case 15: header.status = 1; break;
        case 16: header.timestamp = 1; break;
        case 17: header.version = 2; break;
        case 18: header.version = 0; break;
        case 19: header.version = 65535; break;
        default: break;
        }
        if (i >= 12) text = "that this kind of message has not";
        if (i >= 17) text = "the version of the record is unknown";
        peer_send(world, peer, &header, world->body, 64);
        expect_refusal(world, peer, TAEL_MALFORMED, text);
    }
    peer_close(peer);
}

static void test_what_makes_no_sense_is_passed_over(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open(world);
    const u8 kinds[] = {0,          1,           0x40,      0x4b,      255, TAEL_WELCOME,
                        TAEL_REPLY, TAEL_ANSWER, TAEL_PONG, TAEL_PROOF};
    for (u32 i = 0; i < ARRAY_COUNT(kinds); i++) {
        struct tael_header header = {.head = {.command = kinds[i]}};
        peer_send(world, peer, &header, world->body, i * 1000);
    }
    struct tael_header odd = {.head = {.command = TAEL_PING, .epoch = 1}};
    peer_send(world, peer, &odd, NULL, 0);
    assert_false(peer_hears(world, peer));
    struct tael_header ping = {.head = {.command = TAEL_PING}};
    peer_send(world, peer, &ping, NULL, 0);
    peer_receive(world, peer, TAEL_PONG);
    assert_int_equal(peer->answer.correlation, peer->sent);
    assert_int_equal(port_world_buffers(&world->server), world->server.buffers);
    peer_close(peer);
}

// --- commands ------------------------------------------------------------------------------------

static void test_commands_are_applied_and_answered(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 100);
    u64 position = peer->answer.position;
    assert_int_equal(peer->answer.count, 1);
    assert_true(peer->answer.command_id == 1);
    assert_int_equal(peer->answer.record, OPEN);
    peer_send_open(world, peer, 2, BOX, 0);
    assert_int_equal(expect_done(world, peer, 0).result, SAMPLE_BOX_EXISTS);
    peer_send_puts(world, peer, 3, 40, 3);
    struct command_reply reply = expect_done(world, peer, 2);
    assert_int_equal(peer->answer.count, 3);
    assert_int_equal(reply.result, SAMPLE_LIMIT_EXCEEDED);
    assert_true(reply.evidence[0] == 120 && reply.evidence[1] == 100);
    memcpy(&reply, peer->body + sizeof reply, sizeof reply);
    assert_int_equal(reply.result, MODULE_DONE);
    assert_int_equal(reply.position, position + 2);
    assert_true(port_world_debits(&world->server) == 80);
    peer_close(peer);
}

static void test_a_malformed_record_is_named_and_nothing_is_logged(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 0);
    u64 position = world->server.node.machine.position;
    struct sample_put puts[3];
    for (u32 i = 0; i < 3; i++) puts[i] = (struct sample_put){.box_id = BOX, .amount = 1};
    struct entity_open opens[3];
    for (u32 i = 0; i < 3; i++) {
        opens[i] = (struct entity_open){.entity_id = 1 + i, .name = "a", .jurisdiction = "HK"};
    }
    opens[1].reserved[3] = 1;
    struct tael_header header = command_of(0x0201, 2, 3);
    peer_send(world, peer, &header, opens, sizeof opens);
    expect_refusal(world, peer, TAEL_MALFORMED,
                   "record 1: entity_open: reserved: a reserved field is not zero");
    header = command_of(PUT, 2, 2);
    peer_send(world, peer, &header, puts, sizeof puts);
    expect_refusal(world, peer, TAEL_MALFORMED, "2 records end at byte 64 of 96");
    header = command_of(PUT, 2, 4);
    peer_send(world, peer, &header, puts, sizeof puts);
    expect_refusal(world, peer, TAEL_MALFORMED, "record 3: ends behind the body");
    header = command_of(PUT, 2, 0);
    peer_send(world, peer, &header, NULL, 0);
    expect_refusal(world, peer, TAEL_MALFORMED, "0 records");
    header = command_of(PUT, 2, COMMAND_RECORDS_MAX + 1);
    peer_send(world, peer, &header, puts, sizeof puts);
    expect_refusal(world, peer, TAEL_MALFORMED, "");
    const u32 unknown[] = {0, 0x7f03, 0x7f99, 0x17f02, 0xff7f0002, 0x20};
    for (u32 i = 0; i < ARRAY_COUNT(unknown); i++) {
        header = command_of(unknown[i], 2, 3);
        peer_send(world, peer, &header, puts, sizeof puts);
        expect_refusal(world, peer, TAEL_UNKNOWN_RECORD, "no module");
    }
    assert_int_equal(world->server.node.machine.position, position);
    header = command_of(PUT, 2, 3);
    peer_send(world, peer, &header, puts, sizeof puts);
    assert_int_equal(expect_done(world, peer, 2).result, MODULE_DONE);
    peer_close(peer);
}

static void test_many_are_in_flight_and_more_are_told_to_come_again(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 0);
    struct peer *other = peer_open(world);
    port_world_gate_close(&world->server);
    u64 before = peer->sent;
    for (u32 i = 0; i < TAEL_IN_FLIGHT_MAX; i++) peer_send_puts(world, peer, 100 + i, 1, 1);
    assert_false(peer_hears(world, peer));
    for (u32 i = 0; i < 3; i++) {
        peer_send_puts(world, peer, 200 + i, 1, 1);
        expect_refusal(world, peer, TAEL_BUSY, "too much");
    }
    peer_send_puts(world, other, 300, 1, 1); // That is each one's own measure.
    assert_false(peer_hears(world, other));
    port_world_gate_open();
    for (u32 i = 0; i < TAEL_IN_FLIGHT_MAX; i++) {
        assert_int_equal(expect_done(world, peer, 0).result, MODULE_DONE);
        assert_int_equal(peer->answer.correlation, before + 1 + i);
        assert_true(peer->answer.command_id == 100 + i);
    }
    assert_int_equal(expect_done(world, other, 0).result, MODULE_DONE);
    peer_send_puts(world, peer, 200, 1, 1);
    assert_int_equal(expect_done(world, peer, 0).result, MODULE_DONE);
    assert_true(port_world_debits(&world->server) == TAEL_IN_FLIGHT_MAX + 2);
    peer_close(other);
    peer_close(peer);
}

static void test_an_id_is_applied_once(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 50);
    struct command_reply first[3], again[3];
    peer_send_puts(world, peer, 2, 20, 3); // The third one is refused, with evidence.
    (void)expect_done(world, peer, 2);
    memcpy(first, peer->body, sizeof first);
    u64 position = peer->answer.position;
    peer_send_puts(world, peer, 2, 20, 3);
    peer_receive(world, peer, TAEL_REPLY);
    memcpy(again, peer->body, sizeof again);
    assert_memory_equal(first, again, sizeof first);
    peer_send_puts(world, peer, 2, 21, 3);
    expect_refusal(world, peer, TAEL_REUSED, "another content");
    peer_send_puts(world, peer, 2, 20, 2);
    expect_refusal(world, peer, TAEL_REUSED, "another content");
    peer_send_open(world, peer, 2, 77, 0);
    expect_refusal(world, peer, TAEL_REUSED, "another content");
    assert_true(port_world_debits(&world->server) == 40);
    peer_close(peer);
    port_world_buffers_await(&world->server);
    port_world_stop(&world->server);
    port_world_start(&world->server);
    peer = peer_open(world);
    peer_send_puts(world, peer, 2, 20, 3);
    peer_receive(world, peer, TAEL_REPLY);
    memcpy(again, peer->body, sizeof again);
    assert_memory_equal(first, again, sizeof first);
    assert_int_equal(first[0].position, position);
    peer_send_puts(world, peer, 2, 21, 3);
    expect_refusal(world, peer, TAEL_REUSED, "another content");
    assert_true(port_world_debits(&world->server) == 40);
    peer_close(peer);
}

static void test_an_id_that_is_still_in_flight_is_applied_once(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 0);
    port_world_gate_close(&world->server);
    for (u32 i = 0; i < 3; i++) peer_send_puts(world, peer, 2, 7, 1);
    assert_false(peer_hears(world, peer));
    port_world_gate_open();
    const struct command_reply first = expect_done(world, peer, 0);
    for (u32 i = 0; i < 2; i++) {
        struct command_reply again;
        peer_receive(world, peer, TAEL_REPLY);
        memcpy(&again, peer->body, sizeof again);
        assert_memory_equal(&first, &again, sizeof first);
    }
    assert_true(port_world_debits(&world->server) == 7);
    peer_close(peer);
}

static void test_a_command_whose_time_is_over_is_not_applied(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 0);
    const struct sample_put put = {.box_id = BOX, .amount = 5};
    struct tael_header header = command_of(PUT, 2, 1);
    header.expires_at = peer->answer.timestamp; // Is past.
    peer_send(world, peer, &header, &put, sizeof put);
    expect_refusal(world, peer, TAEL_EXPIRED, "its time was over");
    peer_send(world, peer, &header, &put, sizeof put);
    expect_refusal(world, peer, TAEL_EXPIRED, "its time was over");
    header = command_of(PUT, 3, 1);
    header.expires_at = world->server.time + 3600 * NS_PER_S;
    peer_send(world, peer, &header, &put, sizeof put);
    assert_int_equal(expect_done(world, peer, 0).result, MODULE_DONE);
    assert_true(port_world_debits(&world->server) == 5);
    peer_close(peer);
}

// --- connections that end, and slow ones ---------------------------------------------------------

static void test_who_goes_while_its_command_is_in_flight_has_it_applied(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 0);
    port_world_gate_close(&world->server);
    for (u32 i = 0; i < 10; i++) peer_send_puts(world, peer, 2 + i, 1, 100);
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    peer_close(peer);
    for (u32 i = 0; tael_port_connections(world->server.ports.tael) > 0; i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("a connection that was closed stays");
        step(world);
    }
    port_world_gate_open();
    port_world_buffers_await(&world->server);
    assert_true(port_world_debits(&world->server) == 1000);
}

static void test_who_goes_inside_a_message_leaves_nothing(void **state)
{
    struct world *world = *state;
    for (u32 size = 100; size < 3000; size += 700) {
        struct peer *peer = peer_open(world);
        struct tael_header header = command_of(PUT, 1, 100);
        tael_header_seal(&header, world->body, 3200);
        peer_send_bytes(world, peer, &header, MIN(size, (u32)sizeof header));
        if (size > sizeof header) peer_send_bytes(world, peer, world->body, size - 256);
        for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
        peer_close(peer);
        port_world_buffers_await(&world->server);
    }
}

static void test_a_slow_reader_holds_up_nobody(void **state)
{
    struct world *world = *state;
    struct peer *slow = peer_open_box(world, 0);
    struct peer *peer = peer_open(world);
    port_world_gate_close(&world->server); // All are in flight before the first reply.
    for (u32 i = 0; i < TAEL_IN_FLIGHT_MAX; i++) {
        peer_send_puts(world, slow, 100 + i, 1, PUTS_MANY);
    }
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    port_world_gate_open();
    port_world_buffers_await(&world->server); // Though nobody reads.
    assert_true(port_world_debits(&world->server) == TAEL_IN_FLIGHT_MAX * PUTS_MANY);
    for (u32 i = 0; i < 100; i++) {
        peer_send_puts(world, peer, 500 + i, 1, 1);
        assert_int_equal(expect_done(world, peer, 0).result, MODULE_DONE);
    }
    for (u32 i = 0; i < TAEL_IN_FLIGHT_MAX; i++) { // It reads at last.
        assert_int_equal(expect_done(world, slow, PUTS_MANY - 1).result, MODULE_DONE);
        assert_true(slow->answer.command_id == 100 + i);
        assert_int_equal(slow->answer.count, PUTS_MANY);
    }
    peer_send_puts(world, slow, 1000, 1, 1);
    assert_int_equal(expect_done(world, slow, 0).result, MODULE_DONE);
    peer_close(peer);
    peer_close(slow);
}

// Leaves the peer with an answer that it does not read, and a command behind it, `id` + 1, that
// waited for a buffer, though there are some again.
static void leave_unread(struct world *world, struct peer *peer, u128 id)
{
    struct pipeline *pipeline = world->server.ports.pipeline;
    struct buffer *all = NULL;
    const u64 before = (u64)port_world_debits(&world->server);
    port_world_gate_close(&world->server);
    peer_send_puts(world, peer, id, 1, PUTS_MANY);
    debits_await(world, before + PUTS_MANY);
    for (struct buffer *buffer = NULL; (buffer = buffer_take(pipeline)) != NULL; all = buffer) {
        buffer->next = all;
    }
    peer_send_puts(world, peer, id + 1, 1, 1);
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    port_world_gate_open();
    for (u32 i = 0; !peer_hears(world, peer); i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("no answer");
    }
    while (all != NULL) {
        struct buffer *buffer = all;
        all = buffer->next;
        buffer_give(pipeline, buffer);
    }
    for (u32 i = 0; i < STEPS_QUIET; i++) step(world);
    assert_true(port_world_debits(&world->server) == before + PUTS_MANY);
}

static void test_who_does_not_read_is_not_read(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 0);
    leave_unread(world, peer, 2);
    assert_int_equal(expect_done(world, peer, PUTS_MANY - 1).result, MODULE_DONE);
    assert_int_equal(expect_done(world, peer, 0).result, MODULE_DONE);
    leave_unread(world, peer, 4);
    assert_int_equal(tael_port_connections(world->server.ports.tael), 1);
    world->server.time += 21 * NS_PER_S;
    step(world); // It had its time.
    assert_int_equal(tael_port_connections(world->server.ports.tael), 0);
    peer_close(peer);
}

// Few bytes, but of many replies: what waits to be read is no request any more.
static void test_slow_readers_hold_no_requests(void **state)
{
    struct world *world = *state;
    struct peer *slow[SLOW];
    struct peer *peer = peer_open_box(world, 0);
    for (u32 i = 0; i < SLOW; i++) slow[i] = peer_open(world);
    for (u32 i = 0; i < SLOW; i++) {
        port_world_gate_close(&world->server);
        for (u32 k = 0; k < TAEL_IN_FLIGHT_MAX; k++) {
            u32 count = k == 0 ? PUTS_MANY : PUTS_FEW;
            peer_send_puts(world, slow[i], 1000 * (i + 1) + k, 1, count);
        }
        for (u32 k = 0; k < STEPS_QUIET; k++) step(world);
        port_world_gate_open();
        port_world_buffers_await(&world->server);
    }
    for (u32 k = 0; k < TAEL_IN_FLIGHT_MAX; k++) peer_send_puts(world, peer, 500 + k, 1, 1);
    for (u32 k = 0; k < TAEL_IN_FLIGHT_MAX; k++) {
        assert_int_equal(expect_done(world, peer, 0).result, MODULE_DONE);
    }
    for (u32 i = 0; i < SLOW; i++) {
        for (u32 k = 0; k < TAEL_IN_FLIGHT_MAX; k++) {
            assert_int_equal(expect_done(world, slow[i], 0).result, MODULE_DONE);
            assert_true(slow[i]->answer.command_id == 1000 * (i + 1) + k);
        }
        peer_close(slow[i]);
    }
    peer_close(peer);
}

static void test_the_slowest_goes_when_too_much_waits(void **state)
{
    struct world *world = *state;
    struct peer *peers[6];
    peers[0] = peer_open_box(world, 0);
    for (u32 i = 1; i < 6; i++) peers[i] = peer_open(world);
    for (u32 i = 0; i < 6; i++) {
        port_world_gate_close(&world->server);
        u32 count = i == 2 ? TAEL_IN_FLIGHT_MAX : TAEL_IN_FLIGHT_MAX - 8;
        for (u32 k = 0; k < count; k++) {
            peer_send_puts(world, peers[i], 100 * (i + 1) + k, 1, PUTS_MANY);
        }
        for (u32 k = 0; k < STEPS_QUIET; k++) step(world);
        port_world_gate_open();
        port_world_buffers_await(&world->server);
    }
    assert_int_equal(tael_port_connections(world->server.ports.tael), 4);
    for (u32 i = 0; i < 6; i++) peer_close(peers[i]);
}

static void test_a_full_disk_refuses_commands_and_goes_on_with_space(void **state)
{
    struct world *world = *state;
    port_world_buffers_await(&world->server);
    port_world_stop(&world->server);
    world->server.space_reserve = GIB;
    port_world_start(&world->server);
    struct peer *peer = peer_open_box(world, 0);
    world->server.disk.capacity = world->server.disk.used + GIB / 2;
    for (u32 i = 0; !pipeline_is_full(world->server.ports.pipeline); i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("the disk is not full");
        step(world);
    }
    peer_send_puts(world, peer, 2, 1, 1);
    expect_refusal(world, peer, TAEL_FULL, "storage is full");
    peer_send_puts(world, peer, 2, 0, 0);
    expect_refusal(world, peer, TAEL_MALFORMED, ""); // What would never do is told first.
    struct tael_header question = {
        .head = {.command = TAEL_QUESTION}, .record = 0x0220, .count = 1};
    u8 all[16] = {0};
    question.version = 1;
    peer_send(world, peer, &question, all, sizeof all);
    peer_receive(world, peer, TAEL_ANSWER);
    assert_int_equal(peer->answer.status, TAEL_DONE);
    world->server.disk.capacity = 1ull << 60;
    for (u32 i = 0; pipeline_is_full(world->server.ports.pipeline); i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("the disk stays full");
        step(world);
    }
    peer_send_puts(world, peer, 2, 1, 1);
    assert_int_equal(expect_done(world, peer, 0).result, MODULE_DONE);
    peer_close(peer);
}

static void test_a_server_that_stops_takes_nothing_more(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 0);
    tael_port_drain(world->server.ports.tael);
    peer_send_puts(world, peer, 2, 1, 1);
    expect_refusal(world, peer, TAEL_BUSY, "");
    struct peer *late = peer_connect(world);
    expect_closed(world, late);
    peer_close(late);
    peer_close(peer);
}

// What a client receives while its server stops, in a thread of its own.
struct listening {
    pthread_t thread;
    int fd;
    u8 *bytes;
    size_t room;
    size_t size;
};

static void *listen_to_the_end(void *context)
{
    struct listening *listening = context;
    ssize_t got = 0;
    while ((got = recv(listening->fd, listening->bytes + listening->size,
                       listening->room - listening->size, 0)) > 0) {
        listening->size += (size_t)got;
    }
    return NULL;
}

// Sends puts whose answers are more than a socket takes, and waits until the server has read them.
static void peer_send_many(struct world *world, struct peer *peer, u128 first)
{
    int unread = 1;
    for (u32 i = 0; i < PUTS_STOP; i++) peer_send_puts(world, peer, first + i, 1, PUTS_MANY);
    for (u32 i = 0; unread > 0; i++) {
        if (i == PORT_WORLD_STEPS_MAX) fail_msg("the server does not read");
        step(world);
        assert_int_equal(ioctl(peer->fd, SIOCOUTQ, &unread), 0);
    }
}

// Who reads has all answers before the server has stopped, beside one who does not read, for whom
// it does not wait for long.
static void test_a_stop_answers_what_was_taken(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 0);
    struct peer *deaf = peer_open(world);
    const size_t answer = sizeof peer->answer + PUTS_MANY * sizeof(struct command_reply);
    struct listening listening = {.fd = peer->fd, .room = 2 * PUTS_STOP * answer};
    listening.bytes = malloc(listening.room);
    assert_non_null(listening.bytes);
    port_world_gate_close(&world->server);
    peer_send_many(world, peer, 100);
    peer_send_many(world, deaf, 200);
    port_world_gate_open();
    assert_int_equal(pthread_create(&listening.thread, NULL, listen_to_the_end, &listening), 0);
    port_world_stop(&world->server);
    assert_int_equal(pthread_join(listening.thread, NULL), 0);
    assert_int_equal(listening.size, PUTS_STOP * answer);
    for (u32 i = 0; i < PUTS_STOP; i++) {
        struct tael_header header;
        memcpy(&header, listening.bytes + i * answer, sizeof header);
        assert_true(header.command_id == 100 + i);
        assert_int_equal(header.status, TAEL_DONE);
    }
    free(listening.bytes);
    peer_close(peer);
    peer_close(deaf);
    port_world_start(&world->server);
    assert_true(port_world_debits(&world->server) == 2 * PUTS_STOP * PUTS_MANY);
}

// --- questions -----------------------------------------------------------------------------------

static void test_questions_are_answered(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open(world);
    const struct entity_open open = {
        .entity_id = 5, .name = "group", .jurisdiction = "HK", .currency = "HKD", .day = 20000};
    struct tael_header header = command_of(0x0201, 1, 1);
    peer_send(world, peer, &header, &open, sizeof open);
    assert_int_equal(expect_done(world, peer, 0).result, MODULE_DONE);
    u64 position = peer->answer.position;
    struct entity_list list = {0};
    const struct tael_header asked = {.head = {.command = TAEL_QUESTION},
                                      .record = 0x0220,
                                      .version = 1,
                                      .count = 1,
                                      .position = position};
    header = asked;
    peer_send(world, peer, &header, &list, sizeof list);
    peer_receive(world, peer, TAEL_ANSWER);
    assert_int_equal(peer->answer.status, TAEL_DONE);
    assert_int_equal(peer->answer.correlation, peer->sent);
    assert_int_equal(peer->answer.count, 1);
    assert_int_equal(peer->answer.record, 0x0210);
    assert_true(peer->answer.position >= position);
    struct entity view;
    memcpy(&view, peer->body, sizeof view);
    assert_true(view.entity_id == 5);
    // At most so many views, and a cursor for the rest.
    const struct entity_open second = {
        .entity_id = 6, .name = "other", .jurisdiction = "HK", .currency = "HKD", .day = 20000};
    header = command_of(0x0201, 2, 1);
    peer_send(world, peer, &header, &second, sizeof second);
    assert_int_equal(expect_done(world, peer, 0).result, MODULE_DONE);
    header = asked;
    header.limit = 1;
    for (u32 i = 0; i < 2; i++) {
        peer_send(world, peer, &header, &list, sizeof list);
        peer_receive(world, peer, TAEL_ANSWER);
        assert_int_equal(peer->answer.count, 1);
        memcpy(&view, peer->body, sizeof view);
        assert_true(view.entity_id == 5 + i);
        assert_int_equal(is_zero(peer->answer.cursor, sizeof peer->answer.cursor), i == 1);
        memcpy(header.cursor, peer->answer.cursor, sizeof header.cursor);
    }
    header = asked;
    header.limit = 2;
    peer_send(world, peer, &header, &list, sizeof list);
    peer_receive(world, peer, TAEL_ANSWER);
    assert_int_equal(peer->answer.count, 2);
    header = asked;
    header.record = 0x0201;
    peer_send(world, peer, &header, &list, sizeof list);
    expect_refusal(world, peer, TAEL_UNKNOWN_RECORD, "no module");
    header = asked;
    peer_send(world, peer, &header, &list, sizeof list - 1);
    expect_refusal(world, peer, TAEL_MALFORMED, "");
    header = asked;
    header.count = 2;
    peer_send(world, peer, &header, &list, sizeof list);
    expect_refusal(world, peer, TAEL_MALFORMED, "");
    header = asked;
    header.position = position + 1000; // Not there yet.
    peer_send(world, peer, &header, &list, sizeof list);
    expect_refusal(world, peer, TAEL_BUSY, "");
    peer_close(peer);
}

// --- questions for raw accounts and transfers ---

#define RAW_COUNT 5u

// Makes accounts 7000 to 7004, and transfers 8000 to 8004 of 10 to 14 from the first to the second.
static void raw_make(struct world *world, struct peer *peer)
{
    struct account accounts[RAW_COUNT] = {0};
    struct transfer transfers[RAW_COUNT] = {0};
    for (u32 i = 0; i < RAW_COUNT; i++) {
        accounts[i] = (struct account){.id = 7000 + i, .ledger = 44, .code = 1};
        if (i == 0) accounts[i].flags = ACCOUNT_HISTORY;
        transfers[i] = (struct transfer){.id = 8000 + i,
                                         .debit_account_id = 7000,
                                         .credit_account_id = 7001,
                                         .amount = 10 + i,
                                         .ledger = 44,
                                         .code = 1};
    }
    struct tael_header header = command_of(ledger_schema_account.number, 500, RAW_COUNT);
    peer_send(world, peer, &header, accounts, sizeof accounts);
    peer_receive(world, peer, TAEL_REPLY);
    assert_int_equal(peer->answer.status, TAEL_DONE);
    header = command_of(ledger_schema_transfer.number, 501, RAW_COUNT);
    peer_send(world, peer, &header, transfers, sizeof transfers);
    peer_receive(world, peer, TAEL_REPLY);
    assert_int_equal(peer->answer.status, TAEL_DONE);
}

// Asks a question of the ledger; how many views there are.
static u32 raw_ask(struct world *world, struct peer *peer, const struct schema_record *question,
                   const void *body, const u8 *cursor, u32 view)
{
    struct tael_header header = {
        .head = {.command = TAEL_QUESTION}, .record = question->number, .version = 1, .count = 1};
    if (cursor != NULL) memcpy(header.cursor, cursor, sizeof header.cursor);
    peer_send(world, peer, &header, body, question->size);
    peer_receive(world, peer, TAEL_ANSWER);
    assert_int_equal(peer->answer.status, TAEL_DONE);
    assert_int_equal(peer->answer.record, view);
    return peer->answer.count;
}

static void test_raw_accounts_and_transfers_are_told(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open(world);
    const u32 account = ledger_schema_account.number, transfer = ledger_schema_transfer.number;
    struct account_find find = {.id = 7001};
    raw_make(world, peer);
    assert_int_equal(raw_ask(world, peer, &ledger_schema_account_find, &find, NULL, account), 1);
    const struct account *told = (const void *)peer->body;
    assert_true(told->id == 7001 && told->credits_posted == 10 + 11 + 12 + 13 + 14);
    find.id = 6999;
    assert_int_equal(raw_ask(world, peer, &ledger_schema_account_find, &find, NULL, account), 0);
    const struct transfer_find of = {.id = 8003};
    assert_int_equal(raw_ask(world, peer, &ledger_schema_transfer_find, &of, NULL, transfer), 1);
    assert_true(((const struct transfer *)(const void *)peer->body)->amount == 13);
    const struct account_balances kept = {.account_id = 7000, .limit = 10, .flags = 3};
    assert_int_equal(raw_ask(world, peer, &ledger_schema_account_balances, &kept, NULL,
                             ledger_schema_account_balance.number),
                     RAW_COUNT);
    assert_true(((const struct account_balance *)(const void *)peer->body)[1].debits_posted == 21);
    // What breaks the description is refused, as of any question.
    struct account_query query = {.ledger = 44, .limit = 2, .flags = 4};
    struct tael_header header = {.head = {.command = TAEL_QUESTION},
                                 .record = ledger_schema_account_query.number,
                                 .version = 1,
                                 .count = 1};
    peer_send(world, peer, &header, &query, sizeof query);
    expect_refusal(world, peer, TAEL_MALFORMED, "flags");
    peer_close(peer);
}

// Pages of two, in both directions, have each row once and in order.
static void test_raw_lists_have_pages(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open(world);
    raw_make(world, peer);
    for (u32 reversed = 0; reversed < 2; reversed++) {
        const struct account_query accounts = {.ledger = 44, .limit = 2, .flags = reversed};
        const struct transfer_query transfers = {.ledger = 44, .limit = 2, .flags = reversed};
        const struct account_transfers of = {
            .account_id = 7001, .limit = 2, .flags = 2 | reversed << 2};
        const struct {
            const struct schema_record *question;
            const void *body;
            u32 first;
        } rows[] = {
            {&ledger_schema_account_query, &accounts, 7000},
            {&ledger_schema_transfer_query, &transfers, 8000},
            {&ledger_schema_account_transfers, &of, 8000},
        };
        for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
            u8 cursor[32] = {0};
            u32 seen = 0, pages = 0;
            do {
                const u32 view =
                    i == 0 ? ledger_schema_account.number : ledger_schema_transfer.number;
                const u32 count =
                    raw_ask(world, peer, rows[i].question, rows[i].body, cursor, view);
                for (u32 j = 0; j < count; j++, seen++) {
                    const u32 at = reversed ? RAW_COUNT - 1 - seen : seen;
                    assert_true(load_u128(peer->body + (size_t)j * 128) == rows[i].first + at);
                }
                memcpy(cursor, peer->answer.cursor, sizeof cursor);
                pages++;
            } while (!is_zero(cursor, sizeof cursor));
            assert_int_equal(seen, RAW_COUNT);
            assert_int_equal(pages, 3);
        }
    }
    peer_close(peer);
}

// Names so many things, of which one is the account that the box holds.
static void names_set(struct world *world, struct peer *peer, u32 count)
{
    struct name_set *sets = (void *)world->body;
    memset(sets, 0, count * sizeof *sets);
    for (u32 i = 0; i < count; i++) {
        (void)snprintf(sets[i].path, sizeof sets[i].path, "g:%03u", i);
        sets[i].kind = i == 0 ? NAMED_RAW_ACCOUNT : NAMED_OTHER;
        sets[i].id = i == 0 ? PORT_WORLD_HOLDER : i;
    }
    struct tael_header header = command_of(name_schema_name_set.number, 900, count);
    peer_send(world, peer, &header, sets, count * (u32)sizeof *sets);
    assert_int_equal(expect_done(world, peer, count - 1).result, MODULE_DONE);
}

static void peer_send_sum(struct world *world, struct peer *peer)
{
    const struct name_balance question = {
        .prefix = "g",
        .book = ledger_account(&world->server.node.machine.ledger, 0)->ledger,
    };
    struct tael_header header = {.head = {.command = TAEL_QUESTION},
                                 .record = name_schema_name_balance.number,
                                 .version = 1,
                                 .count = 1};
    peer_send(world, peer, &header, &question, sizeof question);
}

static struct name_balance_row expect_sum(struct world *world, struct peer *peer)
{
    struct name_balance_row row;
    peer_receive(world, peer, TAEL_ANSWER);
    assert_int_equal(peer->answer.status, TAEL_DONE);
    assert_int_equal(peer->answer.count, 1);
    assert_int_equal(peer->answer.record, name_schema_name_balance_row.number);
    assert_true(is_zero(peer->answer.cursor, sizeof peer->answer.cursor));
    memcpy(&row, peer->body, sizeof row);
    assert_int_equal(row.position_last, peer->answer.position);
    return row;
}

// The world's turns are of two records. What is asked while nothing happens is of one state; a
// command that comes meanwhile is carried out between two turns, and the answer says so.
static void test_a_long_answer_is_made_in_turns(void **state)
{
    struct world *world = *state;
    struct peer *peer = peer_open_box(world, 0);
    struct peer *other = peer_open(world);
    names_set(world, peer, 200);
    peer_send_puts(world, peer, 2, 30, 1);
    assert_int_equal(expect_done(world, peer, 0).result, MODULE_DONE);
    peer_send_sum(world, peer);
    struct name_balance_row row = expect_sum(world, peer);
    assert_int_equal(row.names, 200);
    assert_int_equal(row.accounts, 1);
    assert_true(row.credits_posted == 30 && row.debits_posted == 0);
    assert_int_equal(row.position_first, row.position_last);
    const u64 position = row.position_last;
    peer_send_sum(world, peer);
    peer_send_puts(world, other, 3, 5, 1);
    assert_int_equal(expect_done(world, other, 0).result, MODULE_DONE);
    row = expect_sum(world, peer);
    assert_int_equal(row.names, 200);
    assert_int_equal(row.position_first, position);
    assert_int_equal(row.position_last, position + 1);
    assert_true(row.credits_posted == 30); // It was looked at before.
    // Two at once take turns with each other; who goes away leaves nothing.
    peer_send_sum(world, peer);
    peer_send_sum(world, other);
    step(world);
    peer_close(other);
    row = expect_sum(world, peer);
    assert_true(row.credits_posted == 35);
    port_world_buffers_await(&world->server);
    peer_send_sum(world, peer);
    step(world);
    peer_close(peer);
    port_world_stop(&world->server); // Ends what was begun.
    port_world_start(&world->server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_who_runs_the_server_is_let_in),
        TEST(test_the_welcome_tells_what_is_durable),
        TEST(test_others_are_told_why_not),
        TEST(test_a_stranger_may_say_hello_and_nothing_else),
        TEST(test_who_says_nothing_goes),
        TEST(test_a_header_that_cannot_be_trusted_ends_the_connection),
        TEST(test_a_request_with_an_odd_header_is_told_so),
        TEST(test_what_makes_no_sense_is_passed_over),
        TEST(test_commands_are_applied_and_answered),
        TEST(test_a_malformed_record_is_named_and_nothing_is_logged),
        TEST(test_many_are_in_flight_and_more_are_told_to_come_again),
        TEST(test_an_id_is_applied_once),
        TEST(test_an_id_that_is_still_in_flight_is_applied_once),
        TEST(test_a_command_whose_time_is_over_is_not_applied),
        TEST(test_who_goes_while_its_command_is_in_flight_has_it_applied),
        TEST(test_who_goes_inside_a_message_leaves_nothing),
        TEST(test_a_slow_reader_holds_up_nobody),
        TEST(test_who_does_not_read_is_not_read),
        TEST(test_slow_readers_hold_no_requests),
        TEST(test_the_slowest_goes_when_too_much_waits),
        TEST(test_a_full_disk_refuses_commands_and_goes_on_with_space),
        TEST(test_a_server_that_stops_takes_nothing_more),
        TEST(test_a_stop_answers_what_was_taken),
        TEST(test_questions_are_answered),
        TEST(test_raw_accounts_and_transfers_are_told),
        TEST(test_raw_lists_have_pages),
        TEST(test_a_long_answer_is_made_in_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
