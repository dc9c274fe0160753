// SPDX-License-Identifier: Apache-2.0
//
// The tael port: who is let in, which commands are logged, what they are answered.
#include "server/tael_port.h"

#include "codec/record_binary.h"
#include "machine/commit.h"
#include "server/connection.h"
#include "server/peer.h"
#include "server/tael_message.h"
#include "server/trace.h"

#include <stdlib.h>
#include <unistd.h>

#define REQUESTS_MAX 256u // Of all connections, unanswered.
// The principal of whoever runs as the user of the server.
#define PRINCIPAL_OPERATOR 1u

// A command on its way.
struct request {
    struct connection *connection; // NULL: it is gone, nobody waits.
    struct buffer *reply;          // Being sent.
    bool taken;
    struct pipeline_query query; // Of a question.
    _Alignas(16) struct tael_header cause;
};

// Who a connection is.
struct peer {
    bool welcome;
    u64 principal;
    u32 in_flight;
};

struct tael_port {
    struct connections connections;
    struct node *node;
    struct pipeline *pipeline;
    struct peer peers[CONNECTIONS_MAX]; // By the connection's number.
    struct request requests[REQUESTS_MAX];
};

// --- answers -------------------------------------------------------------------------------------

static struct tael_header answer_to(const struct tael_header *cause, enum tael_kind kind)
{
    return (struct tael_header){
        .head = {.command = (u8)kind},
        .command_id = cause->command_id,
        .correlation = cause->correlation,
        .record = cause->record,
        .version = cause->version,
    };
}

// Answers with a body that is small.
static void answer_small(struct tael_port *port, struct connection *connection,
                         struct tael_header *header, const void *body, u32 body_size)
{
    _Alignas(16) u8 message[CONNECTION_SMALL_SIZE_MAX];
    assert(MESSAGE_HEADER_SIZE + body_size <= sizeof message);
    tael_header_seal(header, body, body_size);
    memcpy(message, header, sizeof *header);
    if (body_size > 0) memcpy(message + sizeof *header, body, body_size);
    connection_send_small(&port->connections, connection, message, MESSAGE_HEADER_SIZE + body_size);
}

// Says that a command was not carried out; the text says why.
static void refuse(struct tael_port *port, struct connection *connection,
                   const struct tael_header *cause, enum tael_status status, const char *text)
{
    struct tael_header header = answer_to(cause, TAEL_REPLY);
    header.status = status;
    u32 size = (u32)MIN(strlen(text), CONNECTION_SMALL_SIZE_MAX - MESSAGE_HEADER_SIZE);
    answer_small(port, connection, &header, text, size);
}

// --- sessions ------------------------------------------------------------------------------------

// Whoever is at the other end, by the word of the kernel. 0: not known.
static u64 peer_principal(const struct connection *connection)
{
    uid_t user = 0;
    return peer_user(connection->fd, &user) && user == geteuid() ? PRINCIPAL_OPERATOR : 0;
}

static void hello_handle(struct tael_port *port, struct connection *connection,
                         const struct tael_header *header, const u8 *body)
{
    struct peer *peer = &port->peers[connection->number];
    struct tael_hello hello;
    if (peer->welcome || tael_body_size(header) != sizeof hello) {
        connection_close(&port->connections, connection, "a hello that is none");
        return;
    }
    memcpy(&hello, body, sizeof hello);
    u64 principal = peer_principal(connection);
    if (principal == 0 || (hello.principal != 0 && hello.principal != principal)) {
        connection_close(&port->connections, connection, "is not known as a principal");
        return;
    }
    *peer = (struct peer){.welcome = true, .principal = principal};
    struct pipeline_stats stats;
    pipeline_stats(port->pipeline, &stats);
    const struct tael_welcome welcome = {
        .log_id = port->node->wal.tail.log_id,
        .principal = principal,
        .position = stats.position,
        .protocol = TAEL_PROTOCOL,
        .body_size_max = TAEL_BODY_SIZE_MAX,
        .in_flight_max = TAEL_IN_FLIGHT_MAX,
    };
    struct tael_header answer = answer_to(header, TAEL_WELCOME);
    answer_small(port, connection, &answer, &welcome, sizeof welcome);
}

// --- commands ------------------------------------------------------------------------------------

static struct request *request_take(struct tael_port *port)
{
    for (u32 i = 0; i < REQUESTS_MAX; i++) {
        if (!port->requests[i].taken) return &port->requests[i];
    }
    return NULL;
}

static void request_free(struct tael_port *port, struct request *request)
{
    buffer_give(port->pipeline, request->reply);
    memset(request, 0, sizeof *request);
}

// Sends what the request's buffer holds as the body, whole or as a copy.
static void request_answer(struct tael_port *port, struct request *request,
                           struct tael_header *header, u32 size)
{
    struct connection *connection = request->connection;
    const u8 *body = buffer_body(request->reply);
    if (MESSAGE_HEADER_SIZE + size <= CONNECTION_SMALL_SIZE_MAX) {
        answer_small(port, connection, header, body, size);
        request_free(port, request);
        return;
    }
    tael_header_seal(header, body, size);
    u8 *message = request->reply->memory + BUFFER_HEAD_SIZE - MESSAGE_HEADER_SIZE;
    memcpy(message, header, sizeof *header);
    connection_send(&port->connections, connection, message, MESSAGE_HEADER_SIZE + size, request);
}

// Why a command cannot be logged now, or TAEL_DONE.
static enum tael_status command_judge(struct tael_port *port, const struct peer *peer,
                                      const struct tael_header *header, const u8 *body,
                                      struct failure *failure)
{
    const struct machine *machine = &port->node->machine;
    const struct schema_record *record = commit_record(machine, header->record);
    if (record == NULL) return TAEL_UNKNOWN_RECORD;
    if (commit_check(record, body, tael_body_size(header), header->count, failure) != STATUS_OK) {
        return TAEL_MALFORMED;
    }
    if (pipeline_is_full(port->pipeline)) return TAEL_FULL;
    bool busy = port->connections.draining || peer->in_flight >= TAEL_IN_FLIGHT_MAX ||
                pipeline_room(port->pipeline) == 0;
    return busy ? TAEL_BUSY : TAEL_DONE;
}

// Takes the buffer over.
static void command_handle(struct tael_port *port, struct connection *connection,
                           const struct tael_header *header, struct buffer *buffer)
{
    struct peer *peer = &port->peers[connection->number];
    struct failure failure = {0};
    enum tael_status status = command_judge(port, peer, header, buffer_body(buffer), &failure);
    struct request *request = status == TAEL_DONE ? request_take(port) : NULL;
    if (request == NULL) {
        if (status == TAEL_DONE) status = TAEL_BUSY;
        buffer_give(port->pipeline, buffer);
        refuse(port, connection, header, status,
               failure.message[0] != 0 ? failure.message : tael_status_text(status));
        return;
    }
    u32 size = tael_body_size(header);
    memset(buffer_body(buffer) + size, 0, align_up(size, PAGE_SIZE) - size);
    *request = (struct request){.connection = connection, .taken = true, .cause = *header};
    peer->in_flight++;
    const struct pipeline_command command = {
        .entry =
            {
                .record = (u16)header->record,
                .version = header->version,
                .body_size = size,
                .count = header->count,
                .principal = peer->principal,
                .command_id = header->command_id,
                .correlation = header->correlation,
                .expires_at = header->expires_at,
            },
        .body = buffer,
        .token = (u64)(request - port->requests),
    };
    pipeline_add(port->pipeline, &command);
}

void tael_port_command_done(struct tael_port *port, struct pipeline_command *command)
{
    struct request *request = &port->requests[command->token];
    assert(request->taken);
    struct connection *connection = request->connection;
    request->reply = command->reply;
    if (connection == NULL) {
        request_free(port, request);
        return;
    }
    port->peers[connection->number].in_flight--;
    struct tael_header header = answer_to(&request->cause, TAEL_REPLY);
    header.position = command->applied.position;
    header.timestamp = command->applied.timestamp;
    if (command->applied.result != COMMAND_DONE) header.status = TAEL_OVERRIDDEN;
    header.count = command->applied.reply_size / (u32)sizeof(struct command_reply);
    request_answer(port, request, &header, command->applied.reply_size);
}

// --- questions -----------------------------------------------------------------------------------

// Why a question cannot be answered now, or TAEL_DONE.
static enum tael_status question_judge(struct tael_port *port, const struct peer *peer,
                                       const struct tael_header *header, const u8 *body,
                                       struct failure *failure)
{
    const struct schema_record *record = commit_question(&port->node->machine, header->record);
    if (record == NULL) return TAEL_UNKNOWN_RECORD;
    u32 size = tael_body_size(header);
    if (header->count != 1 || record_binary_check(record, body, size, failure) != STATUS_OK) {
        return TAEL_MALFORMED;
    }
    // Whoever was told a position by this server may ask for it at once; none is waited for.
    bool busy = port->connections.draining || peer->in_flight >= TAEL_IN_FLIGHT_MAX ||
                header->position > port->node->machine.position;
    return busy ? TAEL_BUSY : TAEL_DONE;
}

// Takes the buffer over.
static void question_handle(struct tael_port *port, struct connection *connection,
                            const struct tael_header *header, struct buffer *buffer)
{
    struct peer *peer = &port->peers[connection->number];
    struct failure failure = {0};
    enum tael_status status = question_judge(port, peer, header, buffer_body(buffer), &failure);
    struct buffer *reply = status == TAEL_DONE ? buffer_take(port->pipeline) : NULL;
    struct request *request = reply != NULL ? request_take(port) : NULL;
    if (request == NULL) {
        if (status == TAEL_DONE) status = TAEL_BUSY;
        buffer_give(port->pipeline, reply);
        buffer_give(port->pipeline, buffer);
        refuse(port, connection, header, status,
               failure.message[0] != 0 ? failure.message : tael_status_text(status));
        return;
    }
    *request = (struct request){.connection = connection, .taken = true, .cause = *header};
    peer->in_flight++;
    request->query = (struct pipeline_query){
        .question = commit_question(&port->node->machine, header->record),
        .body = buffer,
        .body_size = tael_body_size(header),
        .reply = reply,
        .token = (u64)(request - port->requests),
    };
    memcpy(request->query.answer.cursor, header->cursor, sizeof header->cursor);
    pipeline_ask(port->pipeline, &request->query);
}

void tael_port_query_done(struct tael_port *port, struct pipeline_query *query)
{
    struct request *request = &port->requests[query->token];
    assert(request->taken && query == &request->query);
    buffer_give(port->pipeline, query->body);
    request->reply = query->reply;
    if (request->connection == NULL) {
        request_free(port, request);
        return;
    }
    port->peers[request->connection->number].in_flight--;
    struct tael_header header = answer_to(&request->cause, TAEL_ANSWER);
    header.position = query->position;
    header.timestamp = query->timestamp;
    header.status = query->result == MODULE_DONE ? TAEL_DONE : TAEL_REFUSED;
    u32 size = query->reply_size;
    if (query->result == MODULE_DONE) {
        header.count = query->answer.count;
        if (query->answer.record != NULL) header.record = query->answer.record->number;
        memcpy(header.cursor, query->answer.cursor, sizeof header.cursor);
    } else {
        struct command_reply reply = {
            .result = query->result,
            .position = query->position,
            .timestamp = query->timestamp,
            .evidence = {query->answer.evidence[0], query->answer.evidence[1]},
        };
        size = sizeof reply;
        memcpy(buffer_body(request->reply), &reply, sizeof reply);
    }
    request_answer(port, request, &header, size);
}

// --- connections ---------------------------------------------------------------------------------

static enum connection_verdict header_judge(void *context, struct connection *connection,
                                            const void *bytes, const char **reason)
{
    const struct tael_port *port = context;
    const struct tael_header *header = bytes;
    bool fatal = false;
    *reason = tael_header_check(header, &fatal);
    if (*reason != NULL) return fatal ? CONNECTION_CLOSE : CONNECTION_PASS_OVER;
    bool welcome = port->peers[connection->number].welcome;
    if (welcome || header->head.command == TAEL_HELLO) return CONNECTION_TAKE;
    *reason = "does not begin with a hello";
    return CONNECTION_CLOSE;
}

static void message_handle(void *context, struct connection *connection, const void *bytes,
                           struct buffer *buffer)
{
    struct tael_port *port = context;
    const struct tael_header *header = bytes;
    if (header->head.command == TAEL_COMMAND) {
        command_handle(port, connection, header, buffer);
        return;
    }
    if (header->head.command == TAEL_QUESTION) {
        question_handle(port, connection, header, buffer);
        return;
    }
    if (header->head.command == TAEL_HELLO) {
        hello_handle(port, connection, header, buffer_body(buffer));
    } else if (header->head.command == TAEL_PING) {
        struct tael_header pong = answer_to(header, TAEL_PONG);
        answer_small(port, connection, &pong, NULL, 0);
    }
    buffer_give(port->pipeline, buffer); // Anything else is passed over.
}

static void reply_sent(void *context, const void *owner)
{
    struct tael_port *port = context;
    const struct request *request = owner;
    request_free(port, &port->requests[request - port->requests]);
}

static void connection_closed(void *context, struct connection *connection)
{
    struct tael_port *port = context;
    for (u32 i = 0; i < REQUESTS_MAX; i++) {
        struct request *request = &port->requests[i];
        if (!request->taken || request->connection != connection) continue;
        request->connection = NULL;
        if (request->reply != NULL) request_free(port, request); // Was being sent.
    }
    port->peers[connection->number] = (struct peer){0};
}

static const struct connection_handler handler = {
    .name = "tael",
    .judge = header_judge,
    .message = message_handle,
    .sent = reply_sent,
    .closed = connection_closed,
};

bool tael_port_event(struct tael_port *port, void *pointer, u32 events, u64 now)
{
    return connections_event(&port->connections, pointer, events, now);
}

bool tael_port_resume(struct tael_port *port)
{
    return connections_resume(&port->connections);
}

void tael_port_tick(struct tael_port *port, u64 now)
{
    connections_tick(&port->connections, now);
}

void tael_port_drain(struct tael_port *port)
{
    connections_drain(&port->connections);
}

u32 tael_port_connections(const struct tael_port *port)
{
    return connections_count(&port->connections);
}

enum status tael_port_new(struct tael_port **out, struct listener *listener, int epoll_fd,
                          struct node *node, struct pipeline *pipeline, struct failure *failure)
{
    struct tael_port *port = calloc(1, sizeof *port);
    assert(port != NULL);
    port->node = node;
    port->pipeline = pipeline;
    enum status status =
        connections_init(&port->connections, &handler, port, listener, epoll_fd, pipeline, failure);
    if (status != STATUS_OK) {
        tael_port_free(port);
        return status;
    }
    *out = port;
    return STATUS_OK;
}

void tael_port_free(struct tael_port *port)
{
    connections_free(&port->connections);
    free(port);
}
