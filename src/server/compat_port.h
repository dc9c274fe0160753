// SPDX-License-Identifier: Apache-2.0
//
// The compat port: TigerBeetle's client protocol over sockets of this machine (docs/PROTOCOL.md).
//
// One thread owns the port, its connections and the pipeline. A connection is read only while it
// has nothing to send, so a slow reader holds up nobody but itself; a message that does not become
// whole in time ends its connection. Malformed bytes end their connection with a reason in the
// trace and harm nobody else.
//
// Sessions are the machine's; the port keeps what is not logged: the last reply, whether a request
// is being executed, which connection a client speaks through.
#ifndef TAEL_SERVER_COMPAT_PORT_H
#define TAEL_SERVER_COMPAT_PORT_H

#include "server/listener.h"
#include "server/pipeline.h"

struct compat_port;

// Lets clients in through `listener`, which stays the caller's until the port is freed. Connections
// are registered with `epoll_fd`; their events carry pointers that compat_port_event takes.
MUST_USE enum status compat_port_new(struct compat_port **out, struct listener *listener,
                                     int epoll_fd, struct pipeline *pipeline,
                                     struct machine *machine, struct failure *failure);
// Ends every connection.
void compat_port_free(struct compat_port *port);
// Handles what epoll said of one of the port's pointers; false when it is not the port's.
bool compat_port_event(struct compat_port *port, void *pointer, u32 events, u64 now);
// The pipeline's answers.
void compat_port_command_done(struct compat_port *port, struct pipeline_command *command);
void compat_port_query_done(struct compat_port *port, struct pipeline_query *query);
// Reads on from connections that waited for a buffer, as far as there are any; after each round of
// events. True when something was read, so that the pipeline may have more to do.
bool compat_port_resume(struct compat_port *port);
// Once a second or so: ends connections that stand still.
void compat_port_tick(struct compat_port *port, u64 now);
// No new connections and requests from here on.
void compat_port_drain(struct compat_port *port);
// Behind that: sends what sockets take, and ends connections that have everything. How many are
// left.
u32 compat_port_finish(struct compat_port *port);
// Connections that a request can come from.
u32 compat_port_connections(const struct compat_port *port);

#endif
