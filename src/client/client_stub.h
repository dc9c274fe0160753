// SPDX-License-Identifier: Apache-2.0
//
// The server's end of a client's connection, played by a test: it says what the test says, right or
// wrong. Nothing runs by itself: what waits steps the client meanwhile.
#ifndef TAEL_CLIENT_CLIENT_STUB_H
#define TAEL_CLIENT_CLIENT_STUB_H

#include "base/checksum.h"
#include "server/tael_message.h"

#include <tael.h>

struct client_stub {
    char address[80]; // "unix:PATH", for the client.
    int listener;
    int fd; // -1: no connection.
    u128 log_id;
    u32 in_flight_max;
    struct tael_client *client;               // Stepped by what waits.
    _Alignas(16) struct tael_header header;   // Of the message taken last,
    _Alignas(16) u8 body[TAEL_BODY_SIZE_MAX]; // and its body.
};

// Listens on a path of this process.
void client_stub_open(struct client_stub *stub);
void client_stub_close(struct client_stub *stub);
// Steps the client for a while in which nothing happens here.
void client_stub_idle(struct client_stub *stub, u32 milliseconds);
// Waits for the client's connection; its hello is not taken yet.
void client_stub_accept(struct client_stub *stub);
// Ends the connection.
void client_stub_hang_up(struct client_stub *stub);
// Waits for a whole message, of this kind.
const struct tael_header *client_stub_take(struct client_stub *stub, enum tael_kind kind);
// Whether nothing came in a while.
bool client_stub_is_quiet(struct client_stub *stub);
// Accepts, takes the hello, sends the welcome and waits until the client has it.
void client_stub_let_in(struct client_stub *stub);
void client_stub_send_welcome(struct client_stub *stub);
// The header of an answer to the message taken last.
struct tael_header client_stub_answer(const struct client_stub *stub, enum tael_kind kind);
// Seals and sends a message; and bytes as they are.
void client_stub_send(struct client_stub *stub, struct tael_header *header, const void *body,
                      u32 size);
void client_stub_send_bytes(struct client_stub *stub, const void *bytes, size_t size);
// Answers the command taken last: `count` replies at that position.
void client_stub_send_done(struct client_stub *stub, u64 position);
// Refuses what was taken last.
void client_stub_send_refusal(struct client_stub *stub, enum tael_status status, const char *text);

#endif
