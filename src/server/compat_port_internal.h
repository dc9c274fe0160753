// SPDX-License-Identifier: Apache-2.0
//
// What the files of the compat port share. Private.
//
//   compat_port.c           connections: accepted, sent to, ended
//   compat_port_receive.c   bytes into whole messages
//   compat_port_request.c   clients: what they ask for, what they are answered
#ifndef TAEL_SERVER_COMPAT_PORT_INTERNAL_H
#define TAEL_SERVER_COMPAT_PORT_INTERNAL_H

#include "base/checksum.h"
#include "server/compat_message.h"
#include "server/compat_port.h"

#define CONNECTIONS_MAX 256u
#define CLIENTS_MAX     128u // More than sessions, because some are registering or were evicted.
#define RECEIVING_MAX   128u // Messages being read at once; of 320 buffers.
#define STAGING_SIZE    8192u
#define OUTGOING_MAX    8u // Messages that wait for a socket: several clients may share it.

// Why a request gets no answer though it is in turn. The protocol has no word for "later": the
// client asks again by itself.
enum dropped_reason {
    DROPPED_FULL,
    DROPPED_ACCOUNTS,
    DROPPED_HOLDS,
    DROPPED_COUNT,
};
// Told at once, then as a count for as long as it goes on: clients ask again and again.
struct dropped {
    u64 quiet_until; // Nothing is told before.
    u32 count;       // Not told yet.
};

// What a connection has to send: whole messages, in order.
struct outgoing {
    const u8 *data;
    u32 size;
    u32 sent;
    struct client *client; // Whose last reply it is, or NULL.
};

struct connection {
    int fd; // -1: free.
    u32 number;
    bool paused;       // Waits for a buffer.
    u64 reading_since; // When the message being read began; 0: none.
    u64 sending_since; // When what is being sent began; 0: nothing is.
    u32 received;      // Bytes of the message.
    bool checked;      // Its header is whole and valid.
    _Alignas(16) struct compat_header header;
    struct buffer *buffer; // Holds the body.
    struct checksum_state sum;
    u8 staging[STAGING_SIZE]; // What was read beyond the message.
    u32 staged;
    struct outgoing out[OUTGOING_MAX];
    u32 out_count;
    // As many as can wait: taken in turns, the oldest is free when another may be sent.
    _Alignas(16) struct compat_header small[OUTGOING_MAX];
    u32 small_next;
};

struct client {
    u128 id; // 0: free.
    u64 session;
    u32 request; // Last answered, or being executed.
    u128 request_checksum;
    u128 context;   // What the next request must name as its parent.
    u64 active;     // When it was answered last; counts answers. 0: not since the start.
    u64 displaces;  // Registering: the session that goes when all are taken.
    bool recovered; // Of a session from the log: its last query is not known.
    bool executing;
    struct buffer *reply; // The last reply: header and body.
    u32 reply_size;
    struct connection *connection;           // Where it spoke last.
    _Alignas(16) struct compat_header cause; // The header of the request being executed.
    struct pipeline_query query;
};

struct compat_port {
    struct compat_listener *listener;
    int epoll_fd;
    bool draining;
    struct pipeline *pipeline;
    struct machine *machine;
    u128 cluster;
    u64 now;
    u32 receiving;   // Connections that hold a buffer,
    u32 paused;      // and that wait for one;
    u32 resume_next; // whose turn it is.
    u32 registering; // Registers that are not durable yet.
    u64 answers;
    struct dropped dropped[DROPPED_COUNT];
    struct connection connections[CONNECTIONS_MAX];
    struct client clients[CLIENTS_MAX];
};

// --- connections (compat_port.c) ---

// Waits for what the connection can do next.
void connection_watch(struct compat_port *port, struct connection *connection);
// Ends it, with a reason for the trace or NULL, and gives back what it holds.
void connection_close(struct compat_port *port, struct connection *connection, const char *reason);
// Sends a message, which stays as it is until it is sent. `client` is whose last reply it is, or
// NULL. The connection may be closed when it returns.
void connection_send(struct compat_port *port, struct connection *connection, const void *data,
                     u32 size, struct client *client);

// --- receiving (compat_port_receive.c) ---

// Reads and handles messages for a while. The connection may be closed when it returns.
void connection_read(struct compat_port *port, struct connection *connection);

// --- requests (compat_port_request.c) ---

// Executes a request, answers it again, evicts its client or drops it. Takes the buffer over; the
// connection may be closed when it returns.
void request_handle(struct compat_port *port, struct connection *connection,
                    const struct compat_header *header, struct buffer *buffer);
// Answers a ping, or evicts its client.
void ping_handle(struct compat_port *port, struct connection *connection,
                 const struct compat_header *header);
// Once a second or so: tells of the requests that were dropped meanwhile.
void dropped_tell(struct compat_port *port);

#endif
