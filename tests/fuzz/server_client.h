// SPDX-License-Identifier: Apache-2.0
//
// Clients of a world's server, of both ports: what they send goes out byte by byte as far as it is
// let, what they receive is judged by docs/PROTOCOL.md: every answer is whole, is to something that
// was asked on this connection, and says no more than was asked; nobody who keeps to the protocol
// is cut off or left without an answer.
#ifndef TAEL_TESTS_FUZZ_SERVER_CLIENT_H
#define TAEL_TESTS_FUZZ_SERVER_CLIENT_H

#include "server_message.h"
#include "server_world.h"

#include "server/compat_message.h"
#include "server/tael_message.h"

#define CLIENT_PENDING_MAX 256u
#define CLIENT_OUT_SIZE    (1u << 20)
#define CLIENT_IN_SIZE     (2u << 20)

enum client_kind {
    CLIENT_OPERATOR, // Principal 1, by its user.
    CLIENT_KEY,      // Principal 5, by its key.
    CLIENT_STRANGER, // Says what it likes.
    CLIENT_PLAIN,    // Of the compat port.
};

// Asked and not answered.
struct pending {
    u64 correlation;
    u32 record;
    u32 count;
    u8 kind;       // enum tael_kind.
    bool may_wait; // A question for changes that waits for them.
};

struct client {
    enum client_kind kind;
    int fd;        // -1: closed.
    bool is_dirty; // Sent what makes no sense: it may be cut off, or be left without answers.
    bool is_slow;  // Does not read.
    bool is_in;    // Was let in; or has a session.
    u8 *out;
    size_t out_size;
    size_t out_sent;
    size_t out_let; // So many bytes may go.
    u8 *in;
    size_t in_size;
    struct pending pending[CLIENT_PENDING_MAX];
    u32 pending_count;
    u64 answers;
    // The last answer to a command, or to a question that does not wait for changes,
    struct tael_header answer;
    u128 answer_sum; // the checksum of its body,
    bool is_refused; // whether nothing of it was carried out,
    u8 answer_body[1024];
    // and of the compat port.
    u128 id;
    u64 session;
    u32 request;
    u128 parent;
    u128 request_checksum; // Of the one that is not answered; 0: there is none.
    u32 reply_size;
};

struct clients {
    struct world *world;
    struct client *items;
    u32 count;
    u64 correlation; // The last one that was used,
    u64 id;          // and id of a client.
};

// Makes a client that is not connected, to be given to client_free.
void client_init(struct client *client, enum client_kind kind);
// Closes it and frees its memory.
void client_free(struct client *client);
// Connects, and is let in or gets a session. What was closed is opened anew.
void client_open(struct clients *clients, struct client *client);
// Cuts the connection; what was not sent or answered is forgotten.
void client_close(struct client *client);
// Puts a sealed message behind what is to be sent. A valid command, question or ping is expected to
// be answered.
void client_put_tael(struct clients *clients, struct client *client, struct tael_header *header,
                     const void *body, u32 size);
// Any bytes; the client is dirty from there on.
void client_put_bytes(struct client *client, const void *bytes, size_t size);
// The next request of a session, which must be answered before another one is put.
void client_put_compat(struct client *client, u8 operation, const void *body, u32 size);
// One round: clients send what they may, the server runs, clients receive.
void clients_step(struct clients *clients, int wait_ms);
// Steps until everything is sent and answered that must be.
void client_await(struct clients *clients, struct client *client);
// Room for so many bytes and one more question; else it is to be waited for.
bool client_has_room(const struct client *client, size_t size);

#endif
