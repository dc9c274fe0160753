// SPDX-License-Identifier: Apache-2.0
//
// The compat port: what its connections bring, judged and handed on.
#include "server/compat_port_internal.h"

#include <stdlib.h>

static enum connection_verdict header_judge(void *context, struct connection *connection,
                                            const void *bytes, const char **reason)
{
    const struct compat_port *port = context;
    const struct compat_header *header = bytes;
    (void)connection;
    enum compat_rule rule = compat_header_check(header);
    *reason = compat_rule_text(rule);
    if (compat_rule_is_fatal(rule)) return CONNECTION_CLOSE;
    if (header->cluster != port->cluster) {
        *reason = "asks for another cluster";
        return CONNECTION_CLOSE;
    }
    return rule == COMPAT_RULE_NONE ? CONNECTION_TAKE : CONNECTION_PASS_OVER;
}

static void message_handle(void *context, struct connection *connection, const void *bytes,
                           struct buffer *buffer)
{
    struct compat_port *port = context;
    const struct compat_header *header = bytes;
    // A view is never sent to a single server, and is not an answer's business.
    if (header->view == 0 && header->command == COMPAT_COMMAND_REQUEST) {
        request_handle(port, connection, header, buffer);
        return;
    }
    if (header->view == 0 && header->command == COMPAT_COMMAND_PING_CLIENT) {
        ping_handle(port, connection, header);
    }
    buffer_give(port->pipeline, buffer); // Anything else is passed over.
}

static void connection_closed(void *context, struct connection *connection)
{
    struct compat_port *port = context;
    for (u32 i = 0; i < CLIENTS_MAX; i++) {
        if (port->clients[i].connection == connection) port->clients[i].connection = NULL;
    }
}

static bool is_of_client(const struct compat_port *port, const struct connection *connection)
{
    for (u32 i = 0; i < CLIENTS_MAX; i++) {
        if (port->clients[i].connection == connection) return true;
    }
    return false;
}

// Connections on which no client has spoken yet give way, the one that is there longest first, so
// that they never keep others out.
static void port_crowded(void *context)
{
    struct compat_port *port = context;
    struct connection *oldest = NULL;
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &port->connections.items[i];
        if (connection->fd < 0 || is_of_client(port, connection)) continue;
        if (oldest == NULL || connection->accepted < oldest->accepted) oldest = connection;
    }
    if (oldest == NULL) return;
    connection_close(&port->connections, oldest,
                     "no client spoke on it, and it gives way to others");
}

static const struct connection_handler handler = {
    .name = "compat",
    .judge = header_judge,
    .message = message_handle,
    .closed = connection_closed,
    .crowded = port_crowded,
};

bool compat_port_event(struct compat_port *port, void *pointer, u32 events, u64 now)
{
    return connections_event(&port->connections, pointer, events, now);
}

bool compat_port_resume(struct compat_port *port)
{
    return connections_resume(&port->connections);
}

void compat_port_tick(struct compat_port *port, u64 now)
{
    connections_tick(&port->connections, now);
    dropped_tell(port);
}

void compat_port_drain(struct compat_port *port)
{
    connections_drain(&port->connections);
}

u32 compat_port_finish(struct compat_port *port)
{
    return connections_finish(&port->connections);
}

u32 compat_port_connections(const struct compat_port *port)
{
    return connections_count(&port->connections);
}

enum status compat_port_new(struct compat_port **out, struct listener *listener, int epoll_fd,
                            struct pipeline *pipeline, struct machine *machine,
                            struct failure *failure)
{
    struct compat_port *port = calloc(1, sizeof *port);
    assert(port != NULL);
    port->pipeline = pipeline;
    port->machine = machine;
    port->cluster = machine->genesis.cluster;
    enum status status =
        connections_init(&port->connections, &handler, port, listener, epoll_fd, pipeline, failure);
    if (status != STATUS_OK) {
        compat_port_free(port);
        return status;
    }
    *out = port;
    return STATUS_OK;
}

void compat_port_free(struct compat_port *port)
{
    connections_free(&port->connections);
    free(port);
}
