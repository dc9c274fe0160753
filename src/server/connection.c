// SPDX-License-Identifier: Apache-2.0
//
// Connections: accepted, sent to and ended.
#include "os/trace.h"
#include "server/connection_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_TIMEOUT_NS (20 * NS_PER_S)

// --- sending -------------------------------------------------------------------------------------

void connection_watch(struct connections *connections, struct connection *connection)
{
    struct epoll_event event = {.data.ptr = connection};
    if (connection->out_count > 0) event.events = EPOLLOUT;
    else if (!connection->paused) event.events = EPOLLIN;
    (void)epoll_ctl(connections->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

void connection_close(struct connections *connections, struct connection *connection,
                      const char *reason)
{
    if (reason != NULL) {
        trace(TRACE_WARNING, "%s connection %u: %s", connections->handler->name, connection->number,
              reason);
    }
    connections->handler->closed(connections->context, connection);
    if (connection->buffer != NULL) connections->receiving--;
    if (connection->paused) connections->paused--;
    buffer_give(connections->pipeline, connection->buffer);
    (void)close(connection->fd);
    u32 number = connection->number;
    memset(connection, 0, offsetof(struct connection, staging));
    connection->fd = -1;
    connection->number = number;
    connection->staged = 0;
    connection->out_count = 0;
    free(connection->small);
    connection->small = NULL;
    connection->small_size = 0;
}

// Sends as much as the socket takes. False when the connection is gone.
static bool connection_flush(struct connections *connections, struct connection *connection)
{
    u32 before = connection->out_count;
    while (connection->out_count > 0) {
        struct outgoing *out = &connection->out[0];
        ssize_t put = send(connection->fd, out->data + out->sent, out->size - out->sent,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
        if (put < 0) {
            connection_close(connections, connection, NULL);
            return false;
        }
        out->sent += (u32)put;
        if (out->sent < out->size) continue;
        const void *owner = out->owner;
        connection->out_count--;
        memmove(&connection->out[0], &connection->out[1],
                connection->out_count * sizeof connection->out[0]);
        if (owner != NULL && connections->handler->sent != NULL) {
            connections->handler->sent(connections->context, owner);
        }
    }
    if (connection->out_count == 0) connection->sending_since = 0;
    else if (connection->sending_since == 0 || before > connection->out_count) {
        connection->sending_since = connections->now;
    }
    if (connection->out_count > 0) connection_watch(connections, connection);
    return true;
}

void connection_send(struct connections *connections, struct connection *connection,
                     const void *data, u32 size, const void *owner)
{
    if (connection->out_count == ARRAY_COUNT(connection->out)) {
        connection_close(connections, connection, "does not read its replies");
        return;
    }
    connection->out[connection->out_count++] =
        (struct outgoing){.data = data, .size = size, .owner = owner};
    // What waits already goes when epoll says so; then the connection is read on, too.
    if (connection->out_count == 1) (void)connection_flush(connections, connection);
}

void connection_send_small(struct connections *connections, struct connection *connection,
                           const void *data, u32 size)
{
    assert(size <= CONNECTION_SMALL_SIZE_MAX);
    if (connection->small == NULL) connection->small = malloc(CONNECTION_SMALL_SPACE);
    assert(connection->small != NULL);
    if (connection->out_count == 0) connection->small_size = 0;
    if (connection->small_size + size > CONNECTION_SMALL_SPACE) {
        connection_close(connections, connection, "does not read its replies");
        return;
    }
    u8 *copy = connection->small + connection->small_size;
    memcpy(copy, data, size);
    connection->small_size += size;
    struct outgoing *last =
        connection->out_count == 0 ? NULL : &connection->out[connection->out_count - 1];
    if (last != NULL && last->data + last->size == copy) last->size += size; // Sent with it.
    else connection_send(connections, connection, copy, size, NULL);
}

void connection_move(struct connection *connection, const void *owner, const void *data,
                     const void *owner_next)
{
    assert(owner != NULL && owner_next != NULL);
    for (u32 i = 0; i < connection->out_count; i++) {
        struct outgoing *out = &connection->out[i];
        if (out->owner != owner) continue;
        out->data = data;
        out->owner = owner_next;
    }
}

bool connection_is_sending(const struct connection *connection, const void *owner)
{
    for (u32 i = 0; i < connection->out_count; i++) {
        if (connection->out[i].owner == owner) return true;
    }
    return false;
}

void connections_forget(struct connections *connections, const void *owner)
{
    assert(owner != NULL);
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &connections->items[i];
        if (connection->fd < 0 || !connection_is_sending(connection, owner)) continue;
        connection_close(connections, connection, "its client went on elsewhere");
    }
}

// --- events --------------------------------------------------------------------------------------

static struct connection *place_find(struct connections *connections)
{
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        if (connections->items[i].fd < 0) return &connections->items[i];
    }
    return NULL;
}

// Whether who wants to come in is looked at.
static void listener_watch(struct connections *connections, bool is_watched)
{
    struct epoll_event event = {.events = is_watched ? EPOLLIN : 0, .data.ptr = connections};
    connections->is_shut = !is_watched;
    (void)epoll_ctl(connections->epoll_fd, EPOLL_CTL_MOD, connections->listener->fd, &event);
}

static void connection_accept(struct connections *connections)
{
    int fd = accept4(connections->listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
        // Whoever waits there goes on waiting, and epoll would say so again and again.
        trace(TRACE_WARNING, "%s: connections wait to be let in: %s", connections->handler->name,
              strerror(errno));
        listener_watch(connections, false);
        return;
    }
    struct connection *connection = place_find(connections);
    if (connection == NULL && connections->handler->crowded != NULL) {
        connections->handler->crowded(connections->context);
        connection = place_find(connections);
    }
    if (connection == NULL || connections->draining) {
        trace(TRACE_WARNING, "%s: a connection was refused: %s", connections->handler->name,
              connections->draining ? "the server stops" : "too many connections");
        (void)close(fd);
        return;
    }
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    connection->fd = fd;
    connection->accepted = ++connections->accepted;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(connections->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        connection->fd = -1;
        (void)close(fd);
    }
}

bool connections_event(struct connections *connections, void *pointer, u32 events, u64 now)
{
    connections->now = now;
    if (pointer == connections) {
        connection_accept(connections);
        return true;
    }
    struct connection *connection = pointer;
    if (connection < connections->items || connection >= connections->items + CONNECTIONS_MAX) {
        return false;
    }
    if (connection->fd < 0) return true; // Closed earlier in this round.
    if (connection->out_count > 0) {
        if ((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLOUT)) {
            connection_close(connections, connection, NULL);
            return true;
        }
        if (!connection_flush(connections, connection) || connection->out_count > 0) return true;
        connection_watch(connections, connection);
    }
    if (!connection->paused) {
        connection_read(connections, connection);
    } else if (events & (EPOLLERR | EPOLLHUP)) {
        // Nobody is there to answer, and epoll would say so again and again.
        connection_close(connections, connection, NULL);
    }
    return true;
}

bool connections_resume(struct connections *connections)
{
    bool resumed = false;
    u32 first = connections->resume_next;
    for (u32 i = 0; connections->paused > 0 && i < CONNECTIONS_MAX; i++) {
        u32 number = (first + i) % CONNECTIONS_MAX;
        struct connection *connection = &connections->items[number];
        if (connection->fd < 0 || !connection->paused || connection->out_count > 0) continue;
        connection->paused = false;
        connection->reading_since = connections->now;
        connections->paused--;
        const u64 messages = connections->messages;
        connection_read(connections, connection);
        resumed = resumed || connections->messages > messages;
        if (connection->fd >= 0 && connection->paused) {
            connections->resume_next = number; // Its turn is first when there is a buffer.
            break;
        }
        if (connection->fd >= 0) connection_watch(connections, connection);
    }
    return resumed;
}

void connections_tick(struct connections *connections, u64 now)
{
    connections->now = now;
    if (connections->is_shut) listener_watch(connections, true);
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &connections->items[i];
        if (connection->fd < 0) continue;
        // One that waits for a buffer is not to blame for that.
        if (connection->paused && connection->out_count == 0) continue;
        u64 since =
            connection->out_count > 0 ? connection->sending_since : connection->reading_since;
        if (since != 0 && now > since + MESSAGE_TIMEOUT_NS) {
            connection_close(connections, connection,
                             connection->out_count > 0 ? "does not read its replies"
                                                       : "did not finish a message in time");
        }
    }
}

void connections_drain(struct connections *connections)
{
    connections->draining = true;
}

u32 connections_finish(struct connections *connections)
{
    u32 left = 0;
    assert(connections->draining);
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &connections->items[i];
        if (connection->fd < 0 || !connection_flush(connections, connection)) continue;
        if (connection->out_count > 0) left++;
        else connection_close(connections, connection, NULL);
    }
    return left;
}

u32 connections_count(const struct connections *connections)
{
    u32 count = 0;
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) count += connections->items[i].fd >= 0;
    return count;
}

enum status connections_init(struct connections *connections,
                             const struct connection_handler *handler, void *context,
                             struct listener *listener, int epoll_fd, struct pipeline *pipeline,
                             struct failure *failure)
{
    memset(connections, 0, sizeof *connections);
    connections->handler = handler;
    connections->context = context;
    connections->listener = listener;
    connections->epoll_fd = epoll_fd;
    connections->pipeline = pipeline;
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        connections->items[i].fd = -1;
        connections->items[i].number = i;
    }
    enum status status = listener_begin(listener, failure);
    if (status != STATUS_OK) return status;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connections};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener->fd, &event) != 0) {
        return failure_set_errno(failure, STATUS_IO, errno, "watching the %s port", handler->name);
    }
    return STATUS_OK;
}

void connections_free(struct connections *connections)
{
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &connections->items[i];
        if (connection->fd >= 0) connection_close(connections, connection, NULL);
    }
}
