// SPDX-License-Identifier: Apache-2.0
//
// Clients of the compat port: whether it is their turn, what they ask for, what they are answered.
#include "os/trace.h"
#include "server/compat_port_internal.h"

// Between two lines of the trace about requests that were dropped for the same reason.
#define DROPPED_QUIET_NS NS_PER_S

static const struct {
    enum trace_level level;
    const char *text;
} dropped_reasons[] = {
    [DROPPED_FULL] = {TRACE_WARNING, "storage is full"},
    [DROPPED_ACCOUNTS] = {TRACE_ERROR, "the log takes no more accounts (--accounts-max)"},
    [DROPPED_HOLDS] = {TRACE_ERROR, "the log takes no more open pending transfers (--holds-max)"},
};

// --- answers -------------------------------------------------------------------------------------

static void evict(struct compat_port *port, struct connection *connection,
                  const struct compat_header *cause, enum compat_eviction_reason reason)
{
    trace(TRACE_WARNING, "compat connection %u: session ended: %s", connection->number,
          compat_eviction_text((u8)reason));
    struct compat_header header;
    compat_eviction_make(&header, cause, reason);
    connection_send_small(&port->connections, connection, &header, sizeof header);
}

static struct compat_header *reply_header(const struct buffer *buffer)
{
    return (void *)(buffer->memory + BUFFER_HEAD_SIZE - COMPAT_HEADER_SIZE);
}

static void reply_send(struct compat_port *port, struct client *client)
{
    if (client->connection == NULL) return; // It will ask again.
    connection_send(&port->connections, client->connection, reply_header(client->reply),
                    client->reply_size, client);
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
    return client->connection != NULL && connection_is_sending(client->connection, client);
}

static void client_forget(struct compat_port *port, struct client *client)
{
    connections_forget(&port->connections, client);
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

// How good a session is to go when one more comes: the silent ones whose client is not connected
// first, then the longest silent, queries counted.
struct silence {
    bool connected;
    u64 active; // As of struct client.
    u64 position;
};

static bool silence_longer(const struct silence *a, const struct silence *b)
{
    if (a->connected != b->connected) return b->connected;
    if (a->active != b->active) return a->active < b->active;
    return a->position < b->position;
}

// The number of the session that goes first and that no register on its way displaces; 0 when there
// is none.
static u64 session_to_displace(struct compat_port *port)
{
    u64 number = 0;
    struct silence longest = {0};
    for (u32 row = 0; row < MACHINE_SESSIONS_MAX; row++) {
        const struct session *session = machine_session_at(port->machine, row);
        if (session->client == 0) continue;
        bool taken = false;
        for (u32 i = 0; i < CLIENTS_MAX; i++) {
            taken = taken || port->clients[i].displaces == session->number;
        }
        const struct client *client = client_find(port, session->client);
        const struct silence silence = {
            .connected = client != NULL && client->connection != NULL,
            .active = client == NULL ? 0 : client->active,
            .position = session->position,
        };
        if (taken || (number != 0 && !silence_longer(&silence, &longest))) continue;
        number = session->number;
        longest = silence;
    }
    return number;
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

static void request_dropped(struct compat_port *port, const struct connection *connection,
                            enum dropped_reason reason)
{
    struct dropped *dropped = &port->dropped[reason];
    if (port->connections.now < dropped->quiet_until) {
        dropped->count++;
        return;
    }
    dropped->quiet_until = port->connections.now + DROPPED_QUIET_NS;
    trace(dropped_reasons[reason].level, "compat connection %u: request dropped: %s",
          connection->number, dropped_reasons[reason].text);
}

void dropped_tell(struct compat_port *port)
{
    for (u32 i = 0; i < DROPPED_COUNT; i++) {
        struct dropped *dropped = &port->dropped[i];
        if (dropped->count == 0 || port->connections.now < dropped->quiet_until) continue;
        trace(dropped_reasons[i].level, "compat: %u more requests dropped: %s", dropped->count,
              dropped_reasons[i].text);
        dropped->count = 0;
        dropped->quiet_until = port->connections.now + DROPPED_QUIET_NS;
    }
}

// Executes a request of a client whose turn it is, and takes the buffer over. False when there is
// no room for it now.
static bool request_execute(struct compat_port *port, const struct connection *connection,
                            struct client *client, const struct compat_header *header,
                            struct buffer *buffer)
{
    bool registers = header->request.operation == COMPAT_OPERATION_REGISTER;
    const struct compat_operation *operation = compat_operation(header->request.operation);
    bool logged = registers || compat_is_create(operation);
    struct buffer *reply = NULL;
    if (port->connections.draining) return false;
    if (logged && !registers) {
        if (pipeline_is_full(port->pipeline)) {
            request_dropped(port, connection, DROPPED_FULL);
            return false;
        }
        if (!pipeline_has_room(port->pipeline, operation, buffer_body(buffer),
                               compat_body_size(header))) {
            bool accounts = operation->kind == COMPAT_KIND_CREATE_ACCOUNTS;
            request_dropped(port, connection, accounts ? DROPPED_ACCOUNTS : DROPPED_HOLDS);
            return false;
        }
    }
    if (logged && pipeline_room(port->pipeline) == 0) return false;
    if (!logged) {
        reply = buffer_take(port->pipeline);
        if (reply == NULL) return false;
    }
    connections_forget(&port->connections, client);
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
    return true;
}

void request_handle(struct compat_port *port, struct connection *connection,
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
    if (verdict == VERDICT_ACCEPT && request_execute(port, connection, client, header, buffer)) {
        return;
    }
    buffer_give(port->pipeline, buffer);
    if (verdict == VERDICT_AGAIN) reply_again(port, client, header);
    if (verdict == VERDICT_EVICT) evict(port, connection, header, reason);
}

void ping_handle(struct compat_port *port, struct connection *connection,
                 const struct compat_header *header)
{
    if (header->ping.session != 0 && port->registering == 0 &&
        machine_session(port->machine, header->ping.client) == NULL) {
        evict(port, connection, header, COMPAT_EVICTION_NO_SESSION);
        return;
    }
    struct compat_header pong;
    compat_pong_make(&pong, header);
    connection_send_small(&port->connections, connection, &pong, sizeof pong);
}

// --- what the pipeline answers -------------------------------------------------------------------

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
