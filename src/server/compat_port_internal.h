// SPDX-License-Identifier: Apache-2.0
//
// What the files of the compat port share. Private.
//
//   compat_port.c           what connections bring, judged and handed on
//   compat_port_request.c   clients: what they ask for, what they are answered
#ifndef TAEL_SERVER_COMPAT_PORT_INTERNAL_H
#define TAEL_SERVER_COMPAT_PORT_INTERNAL_H

#include "server/compat_message.h"
#include "server/compat_port.h"
#include "server/connection.h"

#define CLIENTS_MAX 128u // More than sessions, because some are registering or were evicted.

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
    struct connections connections;
    struct pipeline *pipeline;
    struct machine *machine;
    u128 cluster;
    u32 registering; // Registers that are not durable yet.
    u64 answers;
    struct dropped dropped[DROPPED_COUNT];
    struct client clients[CLIENTS_MAX];
};

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
