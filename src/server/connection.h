// SPDX-License-Identifier: Apache-2.0
//
// Connections of a port: bytes in, whole messages out; messages in, bytes out. What a message means
// is the port's business.
//
// Every protocol of this program has messages of a 256-byte header and a body of up to a MiB; the
// first half of the header is the same in all (struct message_head). One thread owns the
// connections. A connection is read only while it has nothing to send, so a slow reader holds up
// nobody but itself; a message that does not become whole in time ends its connection. A message
// that finds no buffer waits with its connection until there is one: that is how the wire is
// throttled.
//
// Guarantees: bodies have the checksum that their header names; nothing behind a header is read
// before its size was judged. Cost: bodies are received in place and summed while in the cache.
#ifndef TAEL_SERVER_CONNECTION_H
#define TAEL_SERVER_CONNECTION_H

#include "base/checksum.h"
#include "server/listener.h"
#include "server/message_head.h"
#include "server/pipeline.h"

struct connection;
struct connections;

enum connection_verdict {
    CONNECTION_TAKE,
    CONNECTION_PASS_OVER, // Whole but senseless: the reason is traced, the connection goes on.
    CONNECTION_CLOSE,     // Nothing read from the connection can be trusted any more.
};

// What a port does. `header` is MESSAGE_HEADER_SIZE bytes, aligned to 16.
struct connection_handler {
    const char *name; // In the trace: "compat".
    // Judges a header. Anything but CONNECTION_TAKE comes with a reason; its size must have been
    // found right unless the connection is closed.
    enum connection_verdict (*judge)(void *context, struct connection *connection,
                                     const void *header, const char **reason);
    // Takes a whole message and its buffer over. May close the connection.
    void (*message)(void *context, struct connection *connection, const void *header,
                    struct buffer *buffer);
    // Something of an owner's was sent whole. NULL: nobody asks.
    void (*sent)(void *context, const void *owner);
    // The connection ends: whatever points to it must not any more.
    void (*closed)(void *context, struct connection *connection);
    // All places are taken, and somebody waits: ends a connection if one may go for it. NULL: none.
    void (*crowded)(void *context);
};

#define CONNECTIONS_MAX         256u
#define CONNECTION_STAGING_SIZE 8192u
// Messages that wait for a socket: clients may share it, or have many in flight.
#define CONNECTION_OUTGOING_MAX   80u
#define CONNECTION_SMALL_SIZE_MAX 512u
#define CONNECTION_SMALL_SPACE    (64u * KIB)

// What a connection has to send: whole messages, in order.
struct outgoing {
    const u8 *data;
    u32 size;
    u32 sent;
    const void *owner; // Who must keep the data until it is sent; NULL: the connection.
};

struct connection {
    int fd; // -1: free.
    u32 number;
    void *session;     // The port's own.
    u64 accepted;      // Counts connections: the lower, the longer it is there.
    bool paused;       // Waits for a buffer.
    u64 reading_since; // When the message being read began; 0: none.
    u64 sending_since; // When what is being sent began; 0: nothing is.
    u32 received;      // Bytes of the message.
    bool checked;      // Its header is whole and judged,
    bool passed_over;  // and makes no sense.
    _Alignas(16) u8 header[MESSAGE_HEADER_SIZE];
    struct buffer *buffer; // Holds the body.
    struct checksum_state sum;
    u8 staging[CONNECTION_STAGING_SIZE]; // What was read beyond the message.
    u32 staged;
    struct outgoing out[CONNECTION_OUTGOING_MAX];
    u32 out_count;
    u8 *small; // Copies of small messages: CONNECTION_SMALL_SPACE bytes, or NULL.
    u32 small_size;
};

// Of one port; caller-owned.
struct connections {
    const struct connection_handler *handler;
    void *context; // The handler's.
    struct listener *listener;
    int epoll_fd;
    bool draining;
    bool is_shut; // Nobody can be let in now: it is tried again at the next tick.
    u64 accepted; // So far.
    struct pipeline *pipeline;
    u64 now;
    u32 receiving;   // Connections that hold a buffer,
    u32 paused;      // and that wait for one;
    u32 resume_next; // whose turn it is.
    u64 messages;    // Handed over so far.
    struct connection items[CONNECTIONS_MAX];
};

// Lets clients in through `listener`, which stays the caller's until the connections are freed.
// They are registered with `epoll_fd`; their events carry pointers that connections_event takes.
// On failure nothing is held.
MUST_USE enum status connections_init(struct connections *connections,
                                      const struct connection_handler *handler, void *context,
                                      struct listener *listener, int epoll_fd,
                                      struct pipeline *pipeline, struct failure *failure);
// Ends every connection.
void connections_free(struct connections *connections);
// Handles what epoll said of one of these pointers; false when it is another's.
bool connections_event(struct connections *connections, void *pointer, u32 events, u64 now);
// Reads on from connections that waited for a buffer, as far as there are any; after each round of
// events. True when something was read, so that the pipeline may have more to do.
bool connections_resume(struct connections *connections);
// Once a second or so: ends connections that stand still, and lets in who could not be.
void connections_tick(struct connections *connections, u64 now);
// No new connections from here on.
void connections_drain(struct connections *connections);
// Behind that: sends what sockets take now, and ends the connections that have all that was for
// them; nothing more is read. How many are left: call it again.
u32 connections_finish(struct connections *connections);
// How many there are.
u32 connections_count(const struct connections *connections);

// Ends a connection, with a reason for the trace or NULL, and gives back what it holds.
void connection_close(struct connections *connections, struct connection *connection,
                      const char *reason);
// Sends a message, which stays as it is until it is sent or connections_forget is called with its
// owner (not NULL). The connection may be closed when it returns.
void connection_send(struct connections *connections, struct connection *connection,
                     const void *data, u32 size, const void *owner);
// Sends a copy of a small message (CONNECTION_SMALL_SIZE_MAX bytes). The same.
void connection_send_small(struct connections *connections, struct connection *connection,
                           const void *data, u32 size);
// What is left of an owner's message is sent from another place, where the same bytes are, and is
// another owner's from here on.
void connection_move(struct connection *connection, const void *owner, const void *data,
                     const void *owner_next);
// Whether something of the owner's waits to be sent.
bool connection_is_sending(const struct connection *connection, const void *owner);
// Ends connections that still send something of the owner's, before it goes.
void connections_forget(struct connections *connections, const void *owner);

#endif
