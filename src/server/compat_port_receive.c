// SPDX-License-Identifier: Apache-2.0
//
// What connections of the compat port receive: bytes become whole messages, checked.
#include "server/compat_port_internal.h"
#include "server/trace.h"

#include <errno.h>
#include <sys/socket.h>

// Of a body, so much is read at once: it is summed while it is in the cache.
#define BODY_READ_SIZE (256u * KIB)
// Reads of one connection before the others have their turn.
#define READS_A_TURN 8u

// Handles the whole message of the connection and makes ready for the next.
static void message_handle(struct compat_port *port, struct connection *connection)
{
    _Alignas(16) struct compat_header header = connection->header;
    struct buffer *buffer = connection->buffer;
    connection->buffer = NULL;
    port->receiving--;
    connection->received = 0;
    connection->checked = false;
    connection->reading_since = 0;
    if (header.view != 0) { // Never sent to a single server; not an answer's business.
        buffer_give(port->pipeline, buffer);
        return;
    }
    switch (header.command) {
    case COMPAT_COMMAND_REQUEST: request_handle(port, connection, &header, buffer); return;
    case COMPAT_COMMAND_PING_CLIENT: ping_handle(port, connection, &header); break;
    default: break; // Passed over.
    }
    buffer_give(port->pipeline, buffer);
}

// Hands the whole message over if its body is what was sent. False when the connection was closed
// or must send first.
static bool message_finish(struct compat_port *port, struct connection *connection)
{
    if (checksum_end(&connection->sum) != connection->header.checksum_body) {
        connection_close(port, connection, compat_rule_text(COMPAT_RULE_CHECKSUM_BODY));
        return false;
    }
    message_handle(port, connection);
    return connection->fd >= 0 && connection->out_count == 0;
}

// Judges the header once it is whole, and the message if that is all of it. False when the
// connection was closed or must wait.
static bool header_handle(struct compat_port *port, struct connection *connection)
{
    enum compat_rule rule = compat_header_check(&connection->header);
    if (compat_rule_is_fatal(rule)) {
        connection_close(port, connection, compat_rule_text(rule));
        return false;
    }
    if (connection->header.cluster != port->cluster) {
        connection_close(port, connection, "asks for another cluster");
        return false;
    }
    // Half-read messages leave enough buffers for replies.
    if (port->receiving < RECEIVING_MAX) connection->buffer = buffer_take(port->pipeline);
    if (connection->buffer == NULL) {
        connection->paused = true; // Until a buffer is given back.
        port->paused++;
        connection_watch(port, connection);
        return false;
    }
    if (rule != COMPAT_RULE_NONE) {
        // Whole but senseless: the reason is traced and the connection goes on behind it.
        trace(TRACE_WARNING, "compat connection %u: message passed over: %s", connection->number,
              compat_rule_text(rule));
        connection->header.command = 0;
    }
    port->receiving++;
    checksum_begin(&connection->sum);
    connection->checked = true;
    if (connection->header.size > COMPAT_HEADER_SIZE) return true;
    return message_finish(port, connection);
}

// Takes bytes that were read. False when the connection was closed or must wait; `*taken` then says
// how many were used.
static bool bytes_take(struct compat_port *port, struct connection *connection, const u8 *bytes,
                       u32 size, u32 *taken)
{
    *taken = 0;
    while (*taken < size) {
        if (connection->reading_since == 0) connection->reading_since = port->now;
        if (connection->received < COMPAT_HEADER_SIZE) {
            u32 take = MIN(size - *taken, COMPAT_HEADER_SIZE - connection->received);
            memcpy((u8 *)&connection->header + connection->received, bytes + *taken, take);
            connection->received += take;
            *taken += take;
            if (connection->received < COMPAT_HEADER_SIZE) return true;
            if (!header_handle(port, connection)) return false;
            continue;
        }
        u32 left = connection->header.size - connection->received;
        u32 take = MIN(size - *taken, left);
        u8 *to = buffer_body(connection->buffer) + connection->received - COMPAT_HEADER_SIZE;
        memcpy(to, bytes + *taken, take);
        checksum_update(&connection->sum, to, take);
        connection->received += take;
        *taken += take;
        if (take == left && !message_finish(port, connection)) return false;
    }
    return true;
}

// Uses what was read ahead. False when the connection was closed or must wait.
static bool staged_take(struct compat_port *port, struct connection *connection)
{
    // A header may be whole and have waited for a buffer.
    if (connection->received == COMPAT_HEADER_SIZE && !connection->checked &&
        !header_handle(port, connection)) {
        return false;
    }
    u32 taken = 0;
    bool go_on = bytes_take(port, connection, connection->staging, connection->staged, &taken);
    if (connection->fd < 0) return false;
    connection->staged -= taken;
    memmove(connection->staging, connection->staging + taken, connection->staged);
    return go_on;
}

static void connection_closed_by_peer(struct compat_port *port, struct connection *connection)
{
    connection_close(port, connection, connection->received > 0 ? "ended inside a message" : NULL);
}

// Reads the rest of a large body straight into its place. False when there is no more for now.
static bool body_read(struct compat_port *port, struct connection *connection)
{
    u32 left = connection->header.size - connection->received;
    u8 *to = buffer_body(connection->buffer) + connection->received - COMPAT_HEADER_SIZE;
    u32 want = (u32)MIN(left, BODY_READ_SIZE);
    ssize_t got = recv(connection->fd, to, want, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) return true;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    if (got <= 0) {
        connection_closed_by_peer(port, connection);
        return false;
    }
    checksum_update(&connection->sum, to, (size_t)got);
    connection->received += (u32)got;
    if ((u32)got < left) return (u32)got == want;
    (void)message_finish(port, connection);
    return false;
}

void connection_read(struct compat_port *port, struct connection *connection)
{
    for (u32 i = 0; i < READS_A_TURN; i++) {
        if (!staged_take(port, connection)) return;
        bool in_body =
            connection->checked && connection->header.size - connection->received > STAGING_SIZE;
        if (in_body) {
            if (!body_read(port, connection)) return;
            continue;
        }
        ssize_t got = recv(connection->fd, connection->staging, STAGING_SIZE, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (got <= 0) {
            connection_closed_by_peer(port, connection);
            return;
        }
        connection->staged = (u32)got;
        if (!staged_take(port, connection)) return;
        if ((u32)got < STAGING_SIZE) return;
    }
}
