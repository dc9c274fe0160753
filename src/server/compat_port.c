// SPDX-License-Identifier: Apache-2.0
//
// Connections and requests of the compat port.
#include "server/compat_port.h"

#include "base/checksum.h"
#include "server/compat_message.h"
#include "server/trace.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX    256u
#define CLIENTS_MAX        128u // More than sessions, because some are registering or were evicted.
#define RECEIVING_MAX      128u // Messages being read at once; of 320 buffers.
#define STAGING_SIZE       8192u
#define OUTGOING_MAX       8u // Messages that wait for a socket: several clients may share it.
#define MESSAGE_TIMEOUT_NS (20 * NS_PER_S)

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
    struct connection connections[CONNECTIONS_MAX];
    struct client clients[CLIENTS_MAX];
};

// --- sending -------------------------------------------------------------------------------------

static void connection_watch(struct compat_port *port, struct connection *connection)
{
    struct epoll_event event = {.data.ptr = connection};
    if (connection->out_count > 0) event.events = EPOLLOUT;
    else if (!connection->paused) event.events = EPOLLIN;
    (void)epoll_ctl(port->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

static void connection_close(struct compat_port *port, struct connection *connection,
                             const char *reason)
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

static void connection_send(struct compat_port *port, struct connection *connection,
                            const void *data, u32 size, struct client *client)
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

static struct compat_header *small_take(struct connection *connection)
{
    return &connection->small[connection->small_next++ % OUTGOING_MAX];
}

static void evict(struct compat_port *port, struct connection *connection,
                  const struct compat_header *cause, enum compat_eviction_reason reason)
{
    trace(TRACE_WARNING, "compat connection %u: session ended: %s", connection->number,
          compat_eviction_text((u8)reason));
    struct compat_header *header = small_take(connection);
    compat_eviction_make(header, cause, reason);
    connection_send(port, connection, header, sizeof *header, NULL);
}

static struct compat_header *reply_header(const struct buffer *buffer)
{
    return (void *)(buffer->memory + BUFFER_HEAD_SIZE - COMPAT_HEADER_SIZE);
}

static void reply_send(struct compat_port *port, struct client *client)
{
    if (client->connection == NULL) return; // It will ask again.
    connection_send(port, client->connection, reply_header(client->reply), client->reply_size,
                    client);
}

// Keeps and sends the answer to the request that the client executes.
static void client_answer(struct compat_port *port, struct client *client, struct buffer *buffer,
                          u32 body_size, u64 position, u64 timestamp)
{
    const struct compat_reply reply = compat_reply_to(&client->cause, position, timestamp);
    compat_reply_make(reply_header(buffer), &reply, buffer_body(buffer), body_size);
    client->executing = false;
    client->recovered = false;
    client->active = ++port->answers;
    client->context = compat_context(client->request_checksum, position, timestamp);
    client->reply = buffer;
    client->reply_size = COMPAT_HEADER_SIZE + body_size;
    reply_send(port, client);
}

// --- clients -------------------------------------------------------------------------------------

static struct client *client_find(struct compat_port *port, u128 id)
{
    for (u32 i = 0; i < CLIENTS_MAX; i++) {
        if (port->clients[i].id == id) return &port->clients[i];
    }
    return NULL;
}

static bool reply_is_queued(const struct client *client)
{
    if (client->connection == NULL) return false;
    for (u32 i = 0; i < client->connection->out_count; i++) {
        if (client->connection->out[i].client == client) return true;
    }
    return false;
}

// Ends connections that still send the client's last reply, before its buffer goes.
static void reply_unqueue(struct compat_port *port, const struct client *client)
{
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &port->connections[i];
        for (u32 j = 0; connection->fd >= 0 && j < connection->out_count; j++) {
            if (connection->out[j].client != client) continue;
            connection_close(port, connection, "its client went on elsewhere");
        }
    }
}

static void client_forget(struct compat_port *port, struct client *client)
{
    reply_unqueue(port, client);
    buffer_give(port->pipeline, client->reply);
    memset(client, 0, sizeof *client);
}

// A record for a client: its own, a free one, or that of one whose session is gone.
static struct client *client_take(struct compat_port *port, u128 id)
{
    struct client *client = client_find(port, id);
    if (client != NULL) return client;
    for (u32 i = 0; i < CLIENTS_MAX && client == NULL; i++) {
        struct client *other = &port->clients[i];
        if (other->id == 0) client = other;
    }
    for (u32 i = 0; i < CLIENTS_MAX && client == NULL; i++) {
        struct client *other = &port->clients[i];
        if (other->executing || reply_is_queued(other)) continue;
        if (machine_session(port->machine, other->id) != NULL) continue;
        client_forget(port, other);
        client = other;
    }
    if (client == NULL) return NULL;
    client->id = id;
    const struct session *session = machine_session(port->machine, id);
    if (session != NULL) {
        client->session = session->number;
        client->request = session->request;
        client->request_checksum = session->request_checksum;
        client->context =
            compat_context(session->request_checksum, session->position, session->timestamp);
        client->recovered = true;
    }
    return client;
}

// The number of the session that was silent for longest, queries counted, and that no register on
// its way displaces; 0 when there is none.
static u64 session_to_displace(struct compat_port *port)
{
    const struct session *silent = NULL;
    u64 silent_active = 0;
    for (u32 row = 0; row < MACHINE_SESSIONS_MAX; row++) {
        const struct session *session = machine_session_at(port->machine, row);
        if (session->client == 0) continue;
        bool taken = false;
        for (u32 i = 0; i < CLIENTS_MAX; i++) {
            taken = taken || port->clients[i].displaces == session->number;
        }
        const struct client *client = client_find(port, session->client);
        u64 active = client == NULL ? 0 : client->active;
        bool longer = silent == NULL || active < silent_active ||
                      (active == silent_active && session->position < silent->position);
        if (taken || !longer) continue;
        silent = session;
        silent_active = active;
    }
    return silent == NULL ? 0 : silent->number;
}

// Sends the reply to the last request once more; makes it from the log after a restart.
static void reply_again(struct compat_port *port, struct client *client,
                        const struct compat_header *request)
{
    if (client->reply != NULL) {
        if (!reply_is_queued(client)) reply_send(port, client);
        return;
    }
    const struct session *session = machine_session(port->machine, client->id);
    struct buffer *buffer = buffer_take(port->pipeline);
    if (buffer == NULL) return;
    u32 size = 0;
    struct failure failure;
    enum status status =
        machine_reply_again(port->machine, session, buffer_body(buffer), &size, &failure);
    // What was acknowledged cannot be read: the process leaves, as it does with any damage.
    if (status != STATUS_OK) pipeline_fatal(port->pipeline, &failure);
    client->cause = *request;
    client_answer(port, client, buffer, size, session->position, session->timestamp);
}

// --- requests ------------------------------------------------------------------------------------

enum verdict {
    VERDICT_ACCEPT,
    VERDICT_DROP,  // Say nothing: it is a repeat, or out of turn.
    VERDICT_AGAIN, // Send the stored reply.
    VERDICT_EVICT,
};

// The order is the reference's (docs/PROTOCOL.md).
static enum verdict session_judge(const struct compat_port *port, const struct client *client,
                                  const struct compat_header *header,
                                  enum compat_eviction_reason *reason)
{
    const struct compat_request_part *request = &header->request;
    bool registers = request->operation == COMPAT_OPERATION_REGISTER;
    const struct session *session = machine_session(port->machine, request->client);
    if (session == NULL) {
        if (client->executing) return VERDICT_DROP;
        if (registers) return VERDICT_ACCEPT;
        // A session goes when another one comes; that is told once it is durable (L4).
        if (port->registering > 0) return VERDICT_DROP;
        *reason = COMPAT_EVICTION_NO_SESSION;
        return VERDICT_EVICT;
    }
    if (!registers && client->session > request->session) {
        *reason = COMPAT_EVICTION_SESSION_TOO_LOW;
        return VERDICT_EVICT;
    }
    if (!registers && client->session < request->session) return VERDICT_DROP;
    if (session->release != 0 && session->release != header->release) {
        *reason = COMPAT_EVICTION_SESSION_RELEASE_MISMATCH;
        return VERDICT_EVICT;
    }
    if (client->executing || request->request < client->request) return VERDICT_DROP;
    if (request->request == client->request) {
        return client->request_checksum == header->checksum ? VERDICT_AGAIN : VERDICT_DROP;
    }
    // Queries are not logged, so after a restart the session goes on with any later number.
    if (client->recovered) return VERDICT_ACCEPT;
    bool next = request->request == client->request + 1 && request->parent == client->context;
    return next ? VERDICT_ACCEPT : VERDICT_DROP;
}

// What can be told of a request without its session.
static bool request_valid(const struct compat_header *header, const u8 *body,
                          enum compat_eviction_reason *reason)
{
    u32 size = compat_body_size(header);
    if (header->release < COMPAT_RELEASE_MIN) {
        *reason = COMPAT_EVICTION_RELEASE_TOO_LOW;
        return false;
    }
    if (header->release > COMPAT_RELEASE_MAX) {
        *reason = COMPAT_EVICTION_RELEASE_TOO_HIGH;
        return false;
    }
    if (header->request.operation == COMPAT_OPERATION_REGISTER) {
        bool sized = size == COMPAT_REGISTER_REQUEST_SIZE;
        *reason = sized ? COMPAT_EVICTION_INVALID_BODY : COMPAT_EVICTION_INVALID_BODY_SIZE;
        return sized && is_zero(body, size);
    }
    const struct compat_operation *operation = compat_operation(header->request.operation);
    if (operation == NULL) {
        *reason = COMPAT_EVICTION_INVALID_OPERATION;
        return false;
    }
    struct compat_batches batches;
    *reason = COMPAT_EVICTION_INVALID_BODY;
    return compat_decode(operation, body, size, &batches);
}

static void request_log(struct compat_port *port, struct client *client,
                        const struct compat_header *header, struct buffer *buffer)
{
    const struct compat_request_part *request = &header->request;
    bool registers = request->operation == COMPAT_OPERATION_REGISTER;
    u32 size = compat_body_size(header);
    u32 padding = (u32)(align_up(size, PAGE_SIZE) - size);
    memset(buffer_body(buffer) + size, 0, padding);
    const struct pipeline_command command = {
        .entry =
            {
                .record = registers ? COMMAND_REGISTER : COMMAND_COMPAT,
                .version = 1,
                .body_size = size,
                .operation = request->operation,
                .command_id = request->client,
                .request_checksum = header->checksum,
                .session = registers ? client->displaces : request->session,
                .request = request->request,
                .release = registers ? header->release : 0,
            },
        .body = buffer,
        .token = (u64)(client - port->clients),
    };
    pipeline_add(port->pipeline, &command);
}

static void request_ask(struct compat_port *port, struct client *client,
                        const struct compat_header *header, struct buffer *buffer,
                        struct buffer *reply)
{
    client->query = (struct pipeline_query){
        .operation = compat_operation(header->request.operation),
        .body = buffer,
        .body_size = compat_body_size(header),
        .reply = reply,
        .token = (u64)(client - port->clients),
    };
    pipeline_ask(port->pipeline, &client->query);
}

// Whether the tables take what a valid request creates.
static bool create_has_room(const struct compat_port *port,
                            const struct compat_operation *operation,
                            const struct compat_header *header, const struct buffer *buffer)
{
    struct compat_batches batches;
    return compat_decode(operation, buffer_body(buffer), compat_body_size(header), &batches) &&
           pipeline_has_room(port->pipeline, operation, batches.event_count);
}

// Takes the buffer over; the connection may be closed when it returns.
static void request_handle(struct compat_port *port, struct connection *connection,
                           const struct compat_header *header, struct buffer *buffer)
{
    enum compat_eviction_reason reason = COMPAT_EVICTION_INVALID_BODY;
    if (!request_valid(header, buffer_body(buffer), &reason)) {
        buffer_give(port->pipeline, buffer);
        evict(port, connection, header, reason);
        return;
    }
    struct client *client = client_take(port, header->request.client);
    enum verdict verdict =
        client == NULL ? VERDICT_DROP : session_judge(port, client, header, &reason);
    if (client != NULL) client->connection = connection;
    if (verdict == VERDICT_ACCEPT) {
        bool registers = header->request.operation == COMPAT_OPERATION_REGISTER;
        const struct compat_operation *operation = compat_operation(header->request.operation);
        bool logged = registers || compat_is_create(operation);
        struct buffer *reply = logged ? NULL : buffer_take(port->pipeline);
        bool full = !registers && pipeline_is_full(port->pipeline);
        bool room = !logged || registers || create_has_room(port, operation, header, buffer);
        bool refused = logged ? full || !room || pipeline_room(port->pipeline) == 0 : reply == NULL;
        if (!refused && !port->draining) {
            reply_unqueue(port, client);
            buffer_give(port->pipeline, client->reply);
            client->reply = NULL;
            client->executing = true;
            client->request = header->request.request;
            client->request_checksum = header->checksum;
            client->cause = *header;
            if (registers) {
                client->displaces = session_to_displace(port);
                port->registering++;
            }
            if (logged) request_log(port, client, header, buffer);
            else request_ask(port, client, header, buffer, reply);
            return;
        }
        // The protocol has no word for "later": the client asks again by itself.
        if (!room) {
            trace(TRACE_ERROR, "compat connection %u: request dropped: a table is at its limit",
                  connection->number);
        }
        buffer_give(port->pipeline, reply);
        if (pipeline_is_full(port->pipeline)) {
            trace(TRACE_WARNING, "compat connection %u: request dropped: storage is full",
                  connection->number);
        }
    }
    buffer_give(port->pipeline, buffer);
    if (verdict == VERDICT_AGAIN) reply_again(port, client, header);
    if (verdict == VERDICT_EVICT) evict(port, connection, header, reason);
}

void compat_port_command_done(struct compat_port *port, struct pipeline_command *command)
{
    struct client *client = &port->clients[command->token];
    assert(client->executing && client->id == command->entry.command_id);
    if (command->entry.record == COMMAND_REGISTER) {
        client->displaces = 0;
        port->registering--;
    }
    switch (command->applied.result) {
    case COMMAND_DONE:
        if (command->entry.record == COMMAND_REGISTER) {
            client->session = machine_session(port->machine, client->id) == NULL
                                  ? command->applied.position
                                  : machine_session(port->machine, client->id)->number;
        }
        client_answer(port, client, command->reply, command->applied.reply_size,
                      command->applied.position, command->applied.timestamp);
        return;
    case COMMAND_NO_SESSION:
    case COMMAND_OVERRIDDEN: break;
    }
    client->executing = false;
    buffer_give(port->pipeline, command->reply);
    if (client->connection == NULL) return;
    evict(port, client->connection, &client->cause,
          command->applied.result == COMMAND_NO_SESSION ? COMPAT_EVICTION_NO_SESSION
                                                        : COMPAT_EVICTION_INVALID_BODY);
}

void compat_port_query_done(struct compat_port *port, struct pipeline_query *query)
{
    struct client *client = &port->clients[query->token];
    assert(client->executing);
    buffer_give(port->pipeline, query->body);
    client_answer(port, client, query->reply, query->reply_size, query->position, query->timestamp);
}

// --- receiving -----------------------------------------------------------------------------------

static void ping_handle(struct compat_port *port, struct connection *connection,
                        const struct compat_header *header)
{
    if (header->ping.session != 0 && port->registering == 0 &&
        machine_session(port->machine, header->ping.client) == NULL) {
        evict(port, connection, header, COMPAT_EVICTION_NO_SESSION);
        return;
    }
    struct compat_header *pong = small_take(connection);
    compat_pong_make(pong, header);
    connection_send(port, connection, pong, sizeof *pong, NULL);
}

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
    // Checksum what was read while it is in the cache.
    u32 want = MIN(left, 256 * 1024u);
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

static void connection_read(struct compat_port *port, struct connection *connection)
{
    for (u32 turn = 0; turn < 8; turn++) { // Then the others have theirs.
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

// --- connections ---------------------------------------------------------------------------------

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
