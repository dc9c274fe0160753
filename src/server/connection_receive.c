// SPDX-License-Identifier: Apache-2.0
//
// What connections receive: bytes become whole messages.
#include "os/trace.h"
#include "server/connection_internal.h"

#include <errno.h>
#include <sys/socket.h>

// Of a body, so much is read at once: it is summed while it is in the cache.
#define BODY_READ_SIZE (256u * KIB)
// Messages being received at once: of 320 buffers, shared with another port.
#define RECEIVING_MAX 128u
// A message that others wait for is received within this time.
#define WAITED_FOR_NS (2 * NS_PER_S)
// Reads of one connection before the others have their turn.
#define READS_A_TURN 8u

// Ends the connection whose message takes longest to come, if that is too long for one that others
// wait for: who sends slowly never keeps buffers from those who do not.
static void slowest_close(struct connections *connections)
{
    struct connection *slowest = NULL;
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &connections->items[i];
        if (connection->fd < 0 || connection->buffer == NULL) continue;
        if (connections->now < connection->reading_since + WAITED_FOR_NS) continue;
        if (slowest == NULL || connection->reading_since < slowest->reading_since) {
            slowest = connection;
        }
    }
    if (slowest != NULL) {
        connection_close(connections, slowest, "does not finish a message, and others wait");
    }
}

// Handles the whole message of the connection and makes ready for the next.
static void message_handle(struct connections *connections, struct connection *connection)
{
    _Alignas(16) u8 header[MESSAGE_HEADER_SIZE];
    memcpy(header, connection->header, sizeof header);
    struct buffer *buffer = connection->buffer;
    bool passed_over = connection->passed_over;
    connection->buffer = NULL;
    connections->receiving--;
    connection->received = 0;
    connection->checked = false;
    connection->reading_since = 0;
    connections->messages++;
    if (passed_over) buffer_give(connections->pipeline, buffer);
    else connections->handler->message(connections->context, connection, header, buffer);
}

// Hands the whole message over if its body is what was sent. False when the connection was closed
// or must send first.
static bool message_finish(struct connections *connections, struct connection *connection)
{
    if (checksum_end(&connection->sum) != connection_head(connection)->checksum_body) {
        connection_close(connections, connection, "the body's checksum does not match");
        return false;
    }
    message_handle(connections, connection);
    return connection->fd >= 0 && connection->out_count == 0;
}

// Judges the header once it is whole, and the message if that is all of it. False when the
// connection was closed or must wait.
static bool header_handle(struct connections *connections, struct connection *connection)
{
    const char *reason = NULL;
    const struct connection_handler *handler = connections->handler;
    enum connection_verdict verdict =
        handler->judge(connections->context, connection, connection->header, &reason);
    if (verdict == CONNECTION_CLOSE) {
        connection_close(connections, connection, reason);
        return false;
    }
    if (connections->receiving >= RECEIVING_MAX) slowest_close(connections);
    // Half-read messages leave enough buffers for replies.
    if (connections->receiving < RECEIVING_MAX)
        connection->buffer = buffer_take_input(connections->pipeline);
    if (connection->buffer == NULL) {
        connection->paused = true; // Until a buffer is given back.
        connections->paused++;
        connection_watch(connections, connection);
        return false;
    }
    connection->passed_over = verdict == CONNECTION_PASS_OVER;
    if (connection->passed_over) {
        trace(TRACE_WARNING, "%s connection %u: message passed over: %s", handler->name,
              connection->number, reason);
    }
    connections->receiving++;
    checksum_begin(&connection->sum);
    connection->checked = true;
    if (connection_head(connection)->size > MESSAGE_HEADER_SIZE) return true;
    return message_finish(connections, connection);
}

// Takes bytes that were read. False when the connection was closed or must wait; `*taken` then says
// how many were used.
static bool bytes_take(struct connections *connections, struct connection *connection,
                       const u8 *bytes, u32 size, u32 *taken)
{
    *taken = 0;
    while (*taken < size) {
        if (connection->reading_since == 0) connection->reading_since = connections->now;
        if (connection->received < MESSAGE_HEADER_SIZE) {
            u32 take = MIN(size - *taken, MESSAGE_HEADER_SIZE - connection->received);
            memcpy((u8 *)&connection->header + connection->received, bytes + *taken, take);
            connection->received += take;
            *taken += take;
            if (connection->received < MESSAGE_HEADER_SIZE) return true;
            if (!header_handle(connections, connection)) return false;
            continue;
        }
        u32 left = connection_head(connection)->size - connection->received;
        u32 take = MIN(size - *taken, left);
        u8 *to = buffer_body(connection->buffer) + connection->received - MESSAGE_HEADER_SIZE;
        memcpy(to, bytes + *taken, take);
        checksum_update(&connection->sum, to, take);
        connection->received += take;
        *taken += take;
        if (take == left && !message_finish(connections, connection)) return false;
    }
    return true;
}

// Uses what was read ahead. False when the connection was closed or must wait.
static bool staged_take(struct connections *connections, struct connection *connection)
{
    // A header may be whole and have waited for a buffer.
    if (connection->received == MESSAGE_HEADER_SIZE && !connection->checked &&
        !header_handle(connections, connection)) {
        return false;
    }
    u32 taken = 0;
    bool go_on =
        bytes_take(connections, connection, connection->staging, connection->staged, &taken);
    if (connection->fd < 0) return false;
    connection->staged -= taken;
    memmove(connection->staging, connection->staging + taken, connection->staged);
    return go_on;
}

static void connection_closed_by_peer(struct connections *connections,
                                      struct connection *connection)
{
    connection_close(connections, connection,
                     connection->received > 0 ? "ended inside a message" : NULL);
}

// Reads the rest of a large body straight into its place. False when there is no more for now.
static bool body_read(struct connections *connections, struct connection *connection)
{
    u32 left = connection_head(connection)->size - connection->received;
    u8 *to = buffer_body(connection->buffer) + connection->received - MESSAGE_HEADER_SIZE;
    u32 want = (u32)MIN(left, BODY_READ_SIZE);
    ssize_t got = recv(connection->fd, to, want, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) return true;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (got <= 0) {
        connection_closed_by_peer(connections, connection);
        return false;
    }
    checksum_update(&connection->sum, to, (size_t)got);
    connection->received += (u32)got;
    if ((u32)got < left) return (u32)got == want;
    (void)message_finish(connections, connection);
    return false;
}

void connection_read(struct connections *connections, struct connection *connection)
{
    for (u32 i = 0; i < READS_A_TURN; i++) {
        if (!staged_take(connections, connection)) return;
        bool in_body =
            connection->checked &&
            connection_head(connection)->size - connection->received > CONNECTION_STAGING_SIZE;
        if (in_body) {
            if (!body_read(connections, connection)) return;
            continue;
        }
        ssize_t got =
            recv(connection->fd, connection->staging, CONNECTION_STAGING_SIZE, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (got <= 0) {
            connection_closed_by_peer(connections, connection);
            return;
        }
        connection->staged = (u32)got;
        if (!staged_take(connections, connection)) return;
        if ((u32)got < CONNECTION_STAGING_SIZE) return;
    }
}
