// SPDX-License-Identifier: Apache-2.0
//
// The tael port: commands of the schema over sockets of this machine (docs/PROTOCOL.md).
//
// A connection is one session of one principal, found by who is at the other end of the socket.
// Many of its commands may be in flight; answers come as they are durable, each with the
// correlation of its command. Nothing of a session is kept beyond its connection: a client that
// lost it asks again under the same command ids, and is answered the same.
//
// One thread owns the port, its connections and the pipeline.
#ifndef TAEL_SERVER_TAEL_PORT_H
#define TAEL_SERVER_TAEL_PORT_H

#include "server/listener.h"
#include "server/pipeline.h"

struct tael_port;

// Lets clients in through `listener`, which stays the caller's until the port is freed.
MUST_USE enum status tael_port_new(struct tael_port **out, struct listener *listener, int epoll_fd,
                                   struct node *node, struct pipeline *pipeline,
                                   struct failure *failure);
// Ends every connection.
void tael_port_free(struct tael_port *port);
// The time of frames, from here on: delegations end by it.
void tael_port_time(struct tael_port *port, u64 time);
// Handles what epoll said of one of the port's pointers; false when it is not the port's.
bool tael_port_event(struct tael_port *port, void *pointer, u32 events, u64 now);
// The pipeline's answers to commands and questions of this port.
void tael_port_command_done(struct tael_port *port, struct pipeline_command *command);
void tael_port_query_done(struct tael_port *port, struct pipeline_query *query);
// As those of connections (connection.h).
bool tael_port_resume(struct tael_port *port);
void tael_port_tick(struct tael_port *port, u64 now);
void tael_port_drain(struct tael_port *port);
u32 tael_port_finish(struct tael_port *port);
u32 tael_port_connections(const struct tael_port *port);

#endif
