// SPDX-License-Identifier: Apache-2.0
//
// The compat port: its connections, accepted, sent to and ended.
#include "server/compat_port_internal.h"
#include "server/trace.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_TIMEOUT_NS (20 * NS_PER_S)

// --- sending -------------------------------------------------------------------------------------

void connection_watch(struct compat_port *port, struct connection *connection)
{
    struct epoll_event event = {.data.ptr = connection};
    if (connection->out_count > 0) event.events = EPOLLOUT;
    else if (!connection->paused) event.events = EPOLLIN;
    (void)epoll_ctl(port->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

void connection_close(struct compat_port *port, struct connection *connection, const char *reason)
{
    if (reason != NULL)
        trace(TRACE_WARNING, "compat connection %u: %s", connection->number, reason);
    for (u32 i = 0; i < CLIENTS_MAX; i++) {
        if (port->clients[i].connection == connection) port->clients[i].connection = NULL;
    }
    if (connection->buffer != NULL) port->receiving--;
    if (connection->paused) port->paused--;
    buffer_give(port->pipeline, connection->buffer);
    (void)close(connection->fd);
    u32 number = connection->number;
    memset(connection, 0, offsetof(struct connection, staging));
    connection->fd = -1;
    connection->number = number;
    connection->staged = 0;
    connection->out_count = 0;
}

// Sends as much as the socket takes. False when the connection is gone.
static bool connection_flush(struct compat_port *port, struct connection *connection)
{
    u32 before = connection->out_count;
    while (connection->out_count > 0) {
        struct outgoing *out = &connection->out[0];
        ssize_t put = send(connection->fd, out->data + out->sent, out->size - out->sent,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        if (put < 0) {
            connection_close(port, connection, NULL);
            return false;
        }
        out->sent += (u32)put;
        if (out->sent < out->size) continue;
        connection->out_count--;
        memmove(&connection->out[0], &connection->out[1],
                connection->out_count * sizeof connection->out[0]);
    }
    if (connection->out_count == 0) connection->sending_since = 0;
    else if (connection->sending_since == 0 || before > connection->out_count) {
        connection->sending_since = port->now;
    }
    if (connection->out_count > 0) connection_watch(port, connection);
    return true;
}

void connection_send(struct compat_port *port, struct connection *connection, const void *data,
                     u32 size, struct client *client)
{
    if (connection->out_count == ARRAY_COUNT(connection->out)) {
        connection_close(port, connection, "does not read its replies");
        return;
    }
    connection->out[connection->out_count++] =
        (struct outgoing){.data = data, .size = size, .client = client};
    // What waits already goes when epoll says so; then the connection is read on, too.
    if (connection->out_count == 1) (void)connection_flush(port, connection);
}

// --- events --------------------------------------------------------------------------------------

static void connection_accept(struct compat_port *port)
{
    int fd = accept4(port->listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct connection *connection = NULL;
    for (u32 i = 0; i < CONNECTIONS_MAX && connection == NULL; i++) {
        if (port->connections[i].fd < 0) connection = &port->connections[i];
    }
    if (connection == NULL || port->draining) {
        trace(TRACE_WARNING, "compat: a connection was refused: %s",
              port->draining ? "the server stops" : "too many connections");
        (void)close(fd);
        return;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    connection->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(port->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        connection->fd = -1;
        (void)close(fd);
    }
}

bool compat_port_event(struct compat_port *port, void *pointer, u32 events, u64 now)
{
    port->now = now;
    if (pointer == port) {
        connection_accept(port);
        return true;
    }
    struct connection *connection = pointer;
    if (connection < port->connections || connection >= port->connections + CONNECTIONS_MAX) {
        return false;
    }
    if (connection->fd < 0) return true; // Closed earlier in this round.
    if (connection->out_count > 0) {
        if ((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLOUT)) {
            connection_close(port, connection, NULL);
            return true;
        }
        if (!connection_flush(port, connection) || connection->out_count > 0) return true;
        connection_watch(port, connection);
    }
    if (!connection->paused) {
        connection_read(port, connection);
    } else if (events & (EPOLLERR | EPOLLHUP)) {
        // Nobody is there to answer, and epoll would say so again and again.
        connection_close(port, connection, NULL);
    }
    return true;
}

bool compat_port_resume(struct compat_port *port)
{
    bool resumed = false;
    u32 first = port->resume_next;
    for (u32 i = 0; port->paused > 0 && i < CONNECTIONS_MAX; i++) {
        u32 number = (first + i) % CONNECTIONS_MAX;
        struct connection *connection = &port->connections[number];
        if (connection->fd < 0 || !connection->paused) continue;
        connection->paused = false;
        connection->reading_since = port->now;
        port->paused--;
        connection_read(port, connection);
        if (connection->fd >= 0 && connection->paused) {
            port->resume_next = number; // Its turn is first when there is a buffer.
            break;
        }
        resumed = true;
        if (connection->fd >= 0) connection_watch(port, connection);
    }
    return resumed;
}

void compat_port_tick(struct compat_port *port, u64 now)
{
    port->now = now;
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &port->connections[i];
        if (connection->fd < 0 || connection->paused) continue;
        u64 since =
            connection->out_count > 0 ? connection->sending_since : connection->reading_since;
        if (since != 0 && now > since + MESSAGE_TIMEOUT_NS) {
            connection_close(port, connection,
                             connection->out_count > 0 ? "does not read its replies"
                                                       : "did not finish a message in time");
        }
    }
    dropped_tell(port);
}

void compat_port_drain(struct compat_port *port)
{
    port->draining = true;
}

u32 compat_port_connections(const struct compat_port *port)
{
    u32 count = 0;
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) count += port->connections[i].fd >= 0;
    return count;
}

const char *compat_port_address(const struct compat_port *port)
{
    return port->listener->address;
}

// --- the port ------------------------------------------------------------------------------------

enum status compat_port_new(struct compat_port **out, struct compat_listener *listener,
                            int epoll_fd, struct pipeline *pipeline, struct machine *machine,
                            struct failure *failure)
{
    struct compat_port *port = calloc(1, sizeof *port);
    assert(port != NULL);
    port->listener = listener;
    port->epoll_fd = epoll_fd;
    port->pipeline = pipeline;
    port->machine = machine;
    port->cluster = machine->genesis.cluster;
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        port->connections[i].fd = -1;
        port->connections[i].number = i;
    }
    enum status status = compat_listener_begin(listener, failure);
    if (status == STATUS_OK) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = port};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) != 0) {
            status = failure_set_errno(failure, STATUS_IO, errno, "watching the compat port");
        }
    }
    if (status != STATUS_OK) {
        compat_port_free(port);
        return status;
    }
    *out = port;
    return STATUS_OK;
}

void compat_port_free(struct compat_port *port)
{
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        if (port->connections[i].fd >= 0) connection_close(port, &port->connections[i], NULL);
    }
    free(port);
}
