// SPDX-License-Identifier: Apache-2.0
//
// The stub of a server.
#include "client/client_stub.h"

#include "machine/commit.h"
#include "server/clock.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define WAIT_NS  (20 * NS_PER_S)
#define QUIET_MS 30u

// Steps the client and sleeps for a moment. Ends the test when it took too long.
static void turn(const struct client_stub *stub, u64 since)
{
    if (stub->client != NULL) (void)tael_step(stub->client);
    const struct timespec pause = {.tv_nsec = 200000};
    (void)nanosleep(&pause, NULL);
    if (clock_steady() < since + WAIT_NS) return;
    (void)fprintf(stderr, "the client stands still: %s\n",
                  stub->client == NULL ? "" : tael_problem(stub->client));
    abort();
}

void client_stub_open(struct client_stub *stub)
{
    *stub = (struct client_stub){.listener = -1, .fd = -1, .log_id = 7, .in_flight_max = 64};
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    (void)snprintf(place.sun_path, sizeof place.sun_path, "/tmp/tael-stub-%d", (int)getpid());
    (void)snprintf(stub->address, sizeof stub->address, "unix:/tmp/tael-stub-%d", (int)getpid());
    (void)unlink(place.sun_path);
    stub->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = bind(stub->listener, (const struct sockaddr *)&place, sizeof place);
    assert(result == 0);
    result = listen(stub->listener, 16);
    assert(result == 0);
}

void client_stub_close(struct client_stub *stub)
{
    client_stub_hang_up(stub);
    (void)close(stub->listener);
    (void)unlink(stub->address + strlen("unix:"));
}

void client_stub_idle(struct client_stub *stub, u32 milliseconds)
{
    const u64 since = clock_steady();
    while (clock_steady() < since + milliseconds * NS_PER_MS) turn(stub, since);
}

void client_stub_accept(struct client_stub *stub)
{
    const u64 since = clock_steady();
    client_stub_hang_up(stub);
    for (;;) {
        stub->fd = accept4(stub->listener, NULL, NULL, SOCK_CLOEXEC);
        if (stub->fd >= 0) return;
        turn(stub, since);
    }
}

void client_stub_hang_up(struct client_stub *stub)
{
    if (stub->fd >= 0) (void)close(stub->fd);
    stub->fd = -1;
}

// Receives all of it; false when nothing came and `patience` is over.
static bool receive_all(struct client_stub *stub, void *out, size_t size, u64 patience)
{
    const u64 since = clock_steady();
    for (size_t got = 0; got < size;) {
        const ssize_t more = recv(stub->fd, (u8 *)out + got, size - got, MSG_DONTWAIT);
        assert(more != 0 && "the client closed the connection");
        if (more > 0) got += (size_t)more;
        else if (got == 0 && clock_steady() >= since + patience) return false;
        else turn(stub, since);
    }
    return true;
}

const struct tael_header *client_stub_take(struct client_stub *stub, enum tael_kind kind)
{
    bool is_fatal = false;
    const bool is_here = receive_all(stub, &stub->header, sizeof stub->header, U64_MAX / 2);
    assert(is_here);
    const char *rule = tael_header_check(&stub->header, &is_fatal);
    assert(rule == NULL);
    assert(stub->header.head.command == kind);
    const u32 size = tael_body_size(&stub->header);
    const bool is_whole = receive_all(stub, stub->body, size, U64_MAX / 2);
    assert(is_whole);
    assert(checksum(stub->body, size) == stub->header.head.checksum_body);
    return &stub->header;
}

bool client_stub_is_quiet(struct client_stub *stub)
{
    struct tael_header header;
    return !receive_all(stub, &header, sizeof header, QUIET_MS * NS_PER_MS);
}

void client_stub_send_bytes(struct client_stub *stub, const void *bytes, size_t size)
{
    const u64 since = clock_steady();
    for (size_t sent = 0; sent < size;) {
        const ssize_t put =
            send(stub->fd, (const u8 *)bytes + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put > 0) sent += (size_t)put;
        else turn(stub, since);
    }
}

void client_stub_send(struct client_stub *stub, struct tael_header *header, const void *body,
                      u32 size)
{
    tael_header_seal(header, body, size);
    client_stub_send_bytes(stub, header, sizeof *header);
    client_stub_send_bytes(stub, body, size);
}

void client_stub_send_welcome(struct client_stub *stub)
{
    const struct tael_welcome welcome = {
        .log_id = stub->log_id,
        .principal = 1,
        .position = 5,
        .timestamp = 9,
        .protocol = TAEL_PROTOCOL,
        .body_size_max = TAEL_BODY_SIZE_MAX,
        .in_flight_max = stub->in_flight_max,
    };
    struct tael_header header = client_stub_answer(stub, TAEL_WELCOME);
    client_stub_send(stub, &header, &welcome, sizeof welcome);
}

void client_stub_let_in(struct client_stub *stub)
{
    const u64 since = clock_steady();
    client_stub_accept(stub);
    (void)client_stub_take(stub, TAEL_HELLO);
    client_stub_send_welcome(stub);
    while (!tael_is_connected(stub->client)) turn(stub, since);
}

struct tael_header client_stub_answer(const struct client_stub *stub, enum tael_kind kind)
{
    return (struct tael_header){
        .head = {.command = (u8)kind},
        .command_id = stub->header.command_id,
        .correlation = stub->header.correlation,
        .record = stub->header.record,
        .version = stub->header.version,
    };
}

void client_stub_send_done(struct client_stub *stub, u64 position)
{
    static struct command_reply replies[TAEL_BODY_SIZE_MAX / sizeof(struct command_reply)];
    struct tael_header header = client_stub_answer(stub, TAEL_REPLY);
    header.count = stub->header.count;
    header.position = position;
    header.timestamp = 1000 + position;
    for (u32 i = 0; i < header.count; i++) {
        replies[i] = (struct command_reply){.position = position, .timestamp = 1000 + position + i};
    }
    client_stub_send(stub, &header, replies, header.count * (u32)sizeof replies[0]);
}

void client_stub_send_refusal(struct client_stub *stub, enum tael_status status, const char *text)
{
    const bool is_question = stub->header.head.command == TAEL_QUESTION;
    struct tael_header header = client_stub_answer(stub, is_question ? TAEL_ANSWER : TAEL_REPLY);
    header.status = status;
    client_stub_send(stub, &header, text, (u32)strlen(text));
}
