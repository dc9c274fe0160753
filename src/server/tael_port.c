// SPDX-License-Identifier: Apache-2.0
//
// The tael port: who is let in, which commands are logged, what they are answered.
#include "server/tael_port.h"

#include "codec/record_binary.h"
#include "ledger/ledger_schema.h"
#include "machine/commit.h"
#include "os/trace.h"
#include "server/admission.h"
#include "server/connection.h"
#include "server/peer.h"
#include "server/tael_message.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

// Of all connections, unanswered: a subscription of each, and more than there are buffers, so that
// these are what runs out.
#define REQUESTS_MAX (CONNECTIONS_MAX + 512u)
// Whoever has not said hello for so long goes.
#define HELLO_TIMEOUT_NS (20 * NS_PER_S)
// Strangers that may be in the middle of a message, and hold a buffer for it.
#define STRANGERS_READING_MAX 16u
// Copies of replies that sockets do not take now, of all connections.
#define KEPT_MAX (64 * MIB)
static_assert(ADMISSION_SESSIONS_OTHERS < ADMISSION_SESSIONS_ALL &&
                  ADMISSION_SESSIONS_ALL < CONNECTIONS_MAX,
              "places are left for the operator, and for who comes");

// A command or question on its way, until it is answered.
struct request {
    struct connection *connection; // NULL: it is gone, nobody waits.
    bool taken;
    struct buffer *reply;        // Being sent.
    struct pipeline_query query; // Of a question.
    _Alignas(16) struct tael_header cause;
};

// A copy of a reply that the socket does not take now, so that a slow reader holds neither a buffer
// nor a request.
struct kept_reply {
    struct kept_reply *next; // Of the same connection, behind it.
    u32 number;              // The connection's.
    u32 size;
    u8 message[];
};

// Who a connection is.
struct peer {
    struct admission admission;
    u32 in_flight;
    struct kept_reply *kept; // Its replies that wait, in the order in which they are sent,
    struct kept_reply *kept_last;
    u64 kept_bytes;               // and the bytes of them.
    struct request *subscription; // Its question for changes that waits, or NULL.
    u64 strange_since;            // When it was first seen without a welcome; 0: not yet.
};

struct tael_port {
    struct connections connections;
    struct node *node;
    struct pipeline *pipeline;
    struct peer peers[CONNECTIONS_MAX]; // By the connection's number.
    struct request requests[REQUESTS_MAX];
    struct admission_users users;
    u64 kept_bytes; // Of all.
    u64 time;       // Of frames.
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

static struct module_context context_of(const struct tael_port *port)
{
    return commit_context(&port->node->machine, &principal_module);
}

static u64 position_durable(const struct tael_port *port)
{
    struct pipeline_stats stats;
    pipeline_stats(port->pipeline, &stats);
    return stats.position_told;
}

static struct admission_facts facts_of(const struct tael_port *port,
                                       const struct module_context *context)
{
    return (struct admission_facts){
        .context = context,
        .position = position_durable(port),
        .now = port->connections.now,
        .own_user = geteuid(),
    };
}

// Says why somebody is not let in, and ends the connection.
static void turn_away(struct tael_port *port, struct connection *connection,
                      const struct tael_header *header, const char *text)
{
    struct tael_header answer = answer_to(header, TAEL_WELCOME);
    answer.status = TAEL_NOT_PERMITTED;
    answer_small(port, connection, &answer, text, (u32)strlen(text));
    // A socket that takes not even this has closed the connection.
    if (connection->fd >= 0) connection_close(&port->connections, connection, text);
}

static void welcome(struct tael_port *port, struct connection *connection,
                    const struct tael_header *cause)
{
    const struct tael_welcome welcome = {
        .log_id = port->node->wal.tail.log_id,
        .principal = port->peers[connection->number].admission.principal,
        .position = position_durable(port),
        .timestamp = port->node->machine.timestamp,
        .protocol = TAEL_PROTOCOL,
        .body_size_max = TAEL_BODY_SIZE_MAX,
        .in_flight_max = TAEL_IN_FLIGHT_MAX,
    };
    struct tael_header answer = answer_to(cause, TAEL_WELCOME);
    answer_small(port, connection, &answer, &welcome, sizeof welcome);
}

// Lets in who has shown who it is, unless there is no place for it (Q6).
static void session_begin(struct tael_port *port, struct connection *connection,
                          const struct tael_header *cause)
{
    const u64 principal = port->peers[connection->number].admission.principal;
    struct admission_count count = {0};
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        const struct admission *other = &port->peers[i].admission;
        if (other->state != ADMISSION_WELCOME || i == connection->number) continue;
        count.own += other->principal == principal;
        count.others += other->principal != PRINCIPAL_OPERATOR;
        count.all++;
    }
    const char *reason = admission_place(principal, &count);
    if (reason != NULL) turn_away(port, connection, cause, reason);
    else welcome(port, connection, cause);
}

// A challenge that nobody was given before. Of so few bytes the kernel gives all, once it has any.
static struct tael_challenge challenge_make(const struct tael_port *port)
{
    struct tael_challenge fresh = {.log_id = port->node->wal.tail.log_id,
                                   .protocol = TAEL_PROTOCOL};
    const ssize_t got = getrandom(fresh.nonce, sizeof fresh.nonce, 0);
    assert(got == (ssize_t)sizeof fresh.nonce);
    return fresh;
}

static void hello_handle(struct tael_port *port, struct connection *connection,
                         const struct tael_header *header, const u8 *body)
{
    struct admission *admission = &port->peers[connection->number].admission;
    const struct module_context context = context_of(port);
    const struct admission_facts facts = facts_of(port, &context);
    const struct tael_challenge fresh = challenge_make(port);
    struct admission_peer at = {.is_unix = peer_is_unix(connection->fd)};
    struct tael_hello hello;
    assert(tael_body_size(header) == sizeof hello); // header_judge
    memcpy(&hello, body, sizeof hello);
    at.has_user = peer_user(connection->fd, &at.user);
    const char *reason = admission_hello(admission, &port->users, &facts, &at, &hello, &fresh);
    if (reason != NULL) {
        turn_away(port, connection, header, reason);
    } else if (admission->state == ADMISSION_WELCOME) {
        session_begin(port, connection, header);
    } else {
        struct tael_header answer = answer_to(header, TAEL_CHALLENGE);
        answer_small(port, connection, &answer, &admission->challenge, sizeof admission->challenge);
    }
}

static void proof_handle(struct tael_port *port, struct connection *connection,
                         const struct tael_header *header, const u8 *body)
{
    struct admission *admission = &port->peers[connection->number].admission;
    const struct module_context context = context_of(port);
    const struct admission_facts facts = facts_of(port, &context);
    struct tael_proof proof;
    assert(tael_body_size(header) == sizeof proof); // header_judge
    memcpy(&proof, body, sizeof proof);
    const char *reason = admission_proof(admission, &port->users, &facts, &proof);
    if (reason != NULL) turn_away(port, connection, header, reason);
    else session_begin(port, connection, header);
}

// Ends a session whose principal was closed, or has another key now. Whether it did.
static bool session_ends(struct tael_port *port, struct connection *connection)
{
    const struct admission *admission = &port->peers[connection->number].admission;
    const struct module_context context = context_of(port);
    if (admission->state != ADMISSION_WELCOME || admission_stands(admission, &context)) {
        return false;
    }
    connection_close(&port->connections, connection,
                     "its principal was closed, or has another key");
    return true;
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

// Frees the first of the replies that wait of a connection.
static void kept_free(struct tael_port *port, struct peer *peer)
{
    struct kept_reply *kept = peer->kept;
    peer->kept = kept->next;
    peer->kept_bytes -= kept->size;
    port->kept_bytes -= kept->size;
    free(kept);
}

// Ends the connection that keeps the most replies waiting.
static void slowest_close(struct tael_port *port)
{
    struct connection *slowest = NULL;
    u64 most = 0;
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        if (port->peers[i].kept_bytes <= most) continue;
        most = port->peers[i].kept_bytes;
        slowest = &port->connections.items[i];
    }
    assert(slowest != NULL);
    connection_close(&port->connections, slowest, "reads its replies slower than others");
}

// What the socket does not take now waits in memory of its own; the request, and its buffer, are
// free for others.
static void reply_keep(struct tael_port *port, struct request *request, u32 size)
{
    struct connection *connection = request->connection;
    struct peer *peer = &port->peers[connection->number];
    struct kept_reply *kept = malloc(sizeof *kept + size);
    assert(kept != NULL);
    *kept = (struct kept_reply){.number = connection->number, .size = size};
    memcpy(kept->message, request->reply->memory + BUFFER_HEAD_SIZE - MESSAGE_HEADER_SIZE, size);
    if (peer->kept == NULL) peer->kept = kept;
    else peer->kept_last->next = kept;
    peer->kept_last = kept;
    peer->kept_bytes += size;
    port->kept_bytes += size;
    connection_move(connection, request, kept->message, kept);
    request_free(port, request);
    if (port->kept_bytes > KEPT_MAX) slowest_close(port);
}

// Sends what the request's buffer holds as the body, whole or as a copy.
static void request_answer(struct tael_port *port, struct request *request,
                           struct tael_header *header, u32 size)
{
    struct connection *connection = request->connection;
    if (request->reply == NULL) { // There is nothing to say but the header.
        assert(size == 0);
        answer_small(port, connection, header, "", 0);
        request_free(port, request);
        return;
    }
    const u8 *body = buffer_body(request->reply);
    if (MESSAGE_HEADER_SIZE + size <= CONNECTION_SMALL_SIZE_MAX) {
        answer_small(port, connection, header, body, size);
        request_free(port, request);
        return;
    }
    tael_header_seal(header, body, size);
    u8 *message = request->reply->memory + BUFFER_HEAD_SIZE - MESSAGE_HEADER_SIZE;
    memcpy(message, header, sizeof *header);
    const u32 whole = MESSAGE_HEADER_SIZE + size;
    connection_send(&port->connections, connection, message, whole, request);
    // It may be sent, and the request free; or the connection gone, and the request with it.
    if (request->taken && request->connection == connection) reply_keep(port, request, whole);
}

// Whether a message may be in the name that it says (principal.h).
static bool name_is_permitted(const struct tael_port *port, const struct peer *peer,
                              const struct tael_header *header, struct failure *failure)
{
    const u64 own = peer->admission.principal;
    if (header->principal == 0 || header->principal == own) return true;
    struct module_context context = context_of(port);
    context.timestamp = MAX(context.timestamp, port->time);
    if (principal_acts_for(&context, own, header->principal) &&
        principal_is_open(&context, header->principal)) {
        return true;
    }
    (void)failure_set(failure, STATUS_INVALID, "principal %llu may not act for %llu",
                      (unsigned long long)own, (unsigned long long)header->principal);
    return false;
}

// Why a command cannot be logged now, or TAEL_DONE.
static enum tael_status command_judge(struct tael_port *port, const struct peer *peer,
                                      const struct tael_header *header, const u8 *body,
                                      struct failure *failure)
{
    const u32 size = tael_body_size(header);
    const enum status status = commit_command_check(&port->node->machine, header->record, body,
                                                    size, header->count, failure);
    if (status == STATUS_NOT_FOUND) return TAEL_UNKNOWN_RECORD;
    if (status != STATUS_OK) return TAEL_MALFORMED;
    if (!name_is_permitted(port, peer, header, failure)) return TAEL_NOT_PERMITTED;
    if (pipeline_is_full(port->pipeline)) return TAEL_FULL;
    const struct compat_operation *raw = compat_of_record(header->record);
    if (raw != NULL && !pipeline_has_room(port->pipeline, raw, body, size)) return TAEL_TABLE_FULL;
    const struct frame_command entry = {.record = (u16)header->record};
    bool busy = port->connections.draining || peer->in_flight >= TAEL_IN_FLIGHT_MAX ||
                !pipeline_has_place(port->pipeline, &entry);
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
    const u64 own = peer->admission.principal;
    const bool is_own = header->principal == 0 || header->principal == own;
    const struct pipeline_command command = {
        .entry =
            {
                .record = (u16)header->record,
                .version = header->version,
                .body_size = size,
                .count = header->count,
                .principal = is_own ? own : header->principal,
                .through = is_own ? peer->admission.through : COMMAND_THROUGH_DELEGATE,
                .session = is_own ? 0 : own,
                .command_id = header->command_id,
                .correlation = header->correlation,
                .expires_at = header->expires_at,
            },
        .body = buffer,
        .token = (u64)(request - port->requests),
        .lane = 1 + connection->number,
    };
    pipeline_add(port->pipeline, &command);
}

// What became of a command as a whole. One that is not carried out has one reply in all.
static enum tael_status command_status(const struct pipeline_command *command)
{
    if (command->applied.result != COMMAND_DONE) return TAEL_OVERRIDDEN;
    if (command->applied.has_results) return TAEL_DONE;
    struct command_reply reply;
    assert(command->applied.reply_size >= sizeof reply);
    memcpy(&reply, buffer_body(command->reply), sizeof reply);
    switch (reply.result) {
    case MODULE_REUSED: return TAEL_REUSED;
    case MODULE_MALFORMED: return TAEL_MALFORMED;
    case MODULE_UNKNOWN: return TAEL_UNKNOWN_RECORD;
    case MODULE_EXPIRED: return TAEL_EXPIRED;
    case MODULE_PRINCIPAL_CLOSED:
    case MODULE_NOT_DELEGATED: return TAEL_NOT_PERMITTED;
    default: return TAEL_DONE;
    }
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
    header.status = command_status(command);
    u32 size = command->applied.reply_size;
    if (header.status == TAEL_DONE) {
        header.count = size / (command->applied.has_results ? (u32)sizeof(struct create_result)
                                                            : (u32)sizeof(struct command_reply));
    } else {
        const char *text = tael_status_text(header.status);
        size = (u32)strlen(text);
        memcpy(buffer_body(request->reply), text, size);
    }
    request_answer(port, request, &header, size);
}

// --- questions -----------------------------------------------------------------------------------

// The description of a question: a module's, the ledger's, or that for the change stream.
static const struct schema_record *question_record(const struct tael_port *port, u32 number)
{
    u32 view = 0;
    if (number == changes_schema_changes.number) return &changes_schema_changes;
    if (compat_of_question(number, &view) != NULL) {
        return schema_find_record_number(&ledger_schema, number);
    }
    return commit_question(&port->node->machine, number);
}

// Why a question cannot be answered now, or TAEL_DONE.
static enum tael_status question_judge(struct tael_port *port, const struct peer *peer,
                                       const struct tael_header *header, const u8 *body,
                                       struct failure *failure)
{
    const struct schema_record *record = question_record(port, header->record);
    if (record == NULL) return TAEL_UNKNOWN_RECORD;
    u32 size = tael_body_size(header);
    if (header->count != 1 || record_binary_check(record, body, size, failure) != STATUS_OK) {
        return TAEL_MALFORMED;
    }
    if (!name_is_permitted(port, peer, header, failure)) return TAEL_NOT_PERMITTED;
    // Whoever was told a position by this server may ask for it at once; none is waited for.
    bool busy = port->connections.draining || peer->in_flight >= TAEL_IN_FLIGHT_MAX ||
                header->position > port->node->machine.position;
    return busy ? TAEL_BUSY : TAEL_DONE;
}

// Asks for changes. Of a connection one question waits at most: the next one ends the waiting of
// the one before, so that who gave one up need not wait for its end.
static void changes_handle(struct tael_port *port, struct peer *peer, struct request *request,
                           const u8 *body)
{
    struct pipeline_changes *changes = &request->query.changes;
    changes->is_asked = true;
    changes->position_min = request->cause.position;
    memcpy(&changes->question, body, sizeof changes->question);
    const bool goes_on = !is_zero(request->cause.cursor, sizeof request->cause.cursor);
    changes->next = goes_on ? load_u64(request->cause.cursor) : changes->question.row;
    struct request *before = peer->subscription;
    if (changes->question.wait_ms > 0) peer->subscription = request;
    pipeline_ask(port->pipeline, &request->query);
    // Last, since its answer may find that the connection is gone.
    if (changes->question.wait_ms > 0 && before != NULL) {
        pipeline_changes_end(port->pipeline, &before->query);
    }
}

// A list of raw accounts or transfers goes on from a time, which the cursor has: it is put in the
// place of the one that the filter begins at. The header's limit is the filter's when it is less.
static void raw_go_on(const struct tael_header *header, u8 *body)
{
    const u64 time = load_u64(header->cursor);
    const u32 limit = header->limit != 0 ? header->limit : U32_MAX;
    if (header->record == ledger_schema_account_query.number ||
        header->record == ledger_schema_transfer_query.number) {
        struct query_filter *filter = (void *)body;
        filter->limit = MIN(filter->limit, limit);
        if (time == 0) return;
        if (filter->flags & QUERY_FILTER_REVERSED) filter->timestamp_max = time;
        else filter->timestamp_min = time;
    } else if (header->record == ledger_schema_account_transfers.number ||
               header->record == ledger_schema_account_balances.number) {
        struct account_filter *filter = (void *)body;
        filter->limit = MIN(filter->limit, limit);
        if (time == 0) return;
        if (filter->flags & ACCOUNT_FILTER_REVERSED) filter->timestamp_max = time;
        else filter->timestamp_min = time;
    }
}

// The time from which a list goes on that is full; 0 when nothing is left.
static u64 raw_next(const struct pipeline_query *query, u32 count)
{
    const u8 *body = buffer_body(query->body), *views = buffer_body(query->reply);
    u32 limit = 0;
    bool is_reversed = false;
    u64 last = 0;
    switch (query->operation->kind) {
    case COMPAT_KIND_QUERY_ACCOUNTS:
    case COMPAT_KIND_QUERY_TRANSFERS:
        limit = ((const struct query_filter *)(const void *)body)->limit;
        is_reversed =
            ((const struct query_filter *)(const void *)body)->flags & QUERY_FILTER_REVERSED;
        break;
    case COMPAT_KIND_ACCOUNT_TRANSFERS:
    case COMPAT_KIND_ACCOUNT_BALANCES:
        limit = ((const struct account_filter *)(const void *)body)->limit;
        is_reversed =
            ((const struct account_filter *)(const void *)body)->flags & ACCOUNT_FILTER_REVERSED;
        break;
    default: return 0;
    }
    if (count == 0 || count < MIN(limit, compat_results_max(query->operation, 1))) return 0;
    if (query->operation->kind == COMPAT_KIND_ACCOUNT_BALANCES) {
        last = ((const struct account_balance *)(const void *)views)[count - 1].timestamp;
    } else if (query->operation->kind == COMPAT_KIND_QUERY_ACCOUNTS) {
        last = ((const struct account *)(const void *)views)[count - 1].timestamp;
    } else {
        last = ((const struct transfer *)(const void *)views)[count - 1].timestamp;
    }
    return is_reversed ? last - 1 : last + 1;
}

// Takes the buffer over.
static void question_handle(struct tael_port *port, struct connection *connection,
                            const struct tael_header *header, struct buffer *buffer)
{
    struct peer *peer = &port->peers[connection->number];
    struct failure failure = {0};
    enum tael_status status = question_judge(port, peer, header, buffer_body(buffer), &failure);
    const bool is_changes = header->record == changes_schema_changes.number;
    struct buffer *reply = status == TAEL_DONE && !is_changes ? buffer_take(port->pipeline) : NULL;
    const bool is_ready = status == TAEL_DONE && (is_changes || reply != NULL);
    struct request *request = is_ready ? request_take(port) : NULL;
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
    if (is_changes) {
        request->query = (struct pipeline_query){.question = &changes_schema_changes,
                                                 .token = (u64)(request - port->requests)};
        changes_handle(port, peer, request, buffer_body(buffer));
        buffer_give(port->pipeline, buffer);
        return;
    }
    u32 view = 0;
    const struct compat_operation *raw = compat_of_question(header->record, &view);
    if (raw != NULL) raw_go_on(header, buffer_body(buffer));
    request->query = (struct pipeline_query){
        .operation = raw,
        .question = question_record(port, header->record),
        .limit = header->limit,
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
    u32 raw_view = 0, raw_count = 0;
    u64 raw_cursor = 0;
    if (query->operation != NULL) {
        (void)compat_of_question(request->cause.record, &raw_view);
        raw_count = query->reply_size / query->operation->result_size;
        raw_cursor = raw_next(query, raw_count);
    }
    buffer_give(port->pipeline, query->body);
    request->reply = query->reply;
    if (request->connection == NULL) {
        request_free(port, request);
        return;
    }
    // A subscription may have waited for long: nothing goes to whom is not let in any more.
    if (query->changes.is_asked && session_ends(port, request->connection)) {
        if (request->taken) request_free(port, request);
        return;
    }
    struct peer *peer = &port->peers[request->connection->number];
    peer->in_flight--;
    if (peer->subscription == request) peer->subscription = NULL;
    struct failure failure = {0};
    if (query->changes.is_asked && !name_is_permitted(port, peer, &request->cause, &failure)) {
        refuse(port, request->connection, &request->cause, TAEL_NOT_PERMITTED, failure.message);
        request_free(port, request);
        return;
    }
    struct tael_header header = answer_to(&request->cause, TAEL_ANSWER);
    header.position = query->position;
    header.timestamp = query->timestamp;
    header.status = query->result == MODULE_DONE ? TAEL_DONE : TAEL_REFUSED;
    u32 size = query->reply_size;
    if (query->changes.is_asked) {
        header.count = query->answer.count;
        header.record = changes_schema_change.number;
        store_u64(header.cursor, query->changes.next);
        store_u64(header.cursor + sizeof(u64), query->changes.end);
    } else if (query->operation != NULL) {
        header.count = raw_count;
        header.record = raw_view;
        store_u64(header.cursor, raw_cursor);
    } else if (query->result == MODULE_DONE) {
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

// Strangers give way, the one that is there longest first, so that they never keep others out or
// waiting: of all of them, or of those in the middle of a message.
static void stranger_close(struct tael_port *port, bool is_reading)
{
    struct connection *oldest = NULL;
    u32 count = 0;
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &port->connections.items[i];
        if (connection->fd < 0 || port->peers[i].admission.state == ADMISSION_WELCOME) continue;
        if (is_reading && connection->buffer == NULL) continue;
        count++;
        if (oldest == NULL || connection->accepted < oldest->accepted) oldest = connection;
    }
    if (oldest != NULL && (!is_reading || count >= STRANGERS_READING_MAX)) {
        connection_close(&port->connections, oldest, "is not let in yet, and gives way to others");
    }
}

// The rule that the message of one who is not let in breaks, or NULL.
static const char *stranger_rule(const struct tael_header *header, enum admission_state state)
{
    const u8 kind = header->head.command;
    if (state == ADMISSION_STRANGER)
        return kind == TAEL_HELLO ? NULL : "does not begin with a hello";
    if (kind != TAEL_PROOF) return "answers a challenge with something else";
    return tael_body_size(header) == sizeof(struct tael_proof) ? NULL : "a proof of another size";
}

static enum connection_verdict header_judge(void *context, struct connection *connection,
                                            const void *bytes, const char **reason)
{
    struct tael_port *port = context;
    const struct tael_header *header = bytes;
    const u8 kind = header->head.command;
    bool fatal = false;
    *reason = tael_header_check(header, &fatal);
    if (*reason == NULL && kind == TAEL_HELLO &&
        tael_body_size(header) != sizeof(struct tael_hello)) {
        *reason = "a hello of another size";
        fatal = true;
    }
    const enum admission_state state = port->peers[connection->number].admission.state;
    if (state != ADMISSION_WELCOME) {
        // A stranger may say one thing only, and holds a buffer no longer than for its few bytes.
        if (*reason == NULL) *reason = stranger_rule(header, state);
        if (*reason != NULL) return CONNECTION_CLOSE;
        stranger_close(port, true);
        return CONNECTION_TAKE;
    }
    if (*reason == NULL) return CONNECTION_TAKE;
    if (fatal) return CONNECTION_CLOSE;
    // Who waits for an answer is told why there is none.
    return kind == TAEL_COMMAND || kind == TAEL_QUESTION ? CONNECTION_TAKE : CONNECTION_PASS_OVER;
}

static void message_handle(void *context, struct connection *connection, const void *bytes,
                           struct buffer *buffer)
{
    struct tael_port *port = context;
    const struct tael_header *header = bytes;
    const bool is_asked =
        port->peers[connection->number].admission.state == ADMISSION_ASKED; // Else it is in.
    bool fatal = false;
    const char *reason = tael_header_check(header, &fatal);
    if (session_ends(port, connection)) {
        buffer_give(port->pipeline, buffer);
        return;
    }
    if (reason != NULL) {
        buffer_give(port->pipeline, buffer);
        refuse(port, connection, header, TAEL_MALFORMED, reason);
        return;
    }
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
    } else if (header->head.command == TAEL_PROOF && is_asked) {
        proof_handle(port, connection, header, buffer_body(buffer));
    } else if (header->head.command == TAEL_PING) {
        struct tael_header pong = answer_to(header, TAEL_PONG);
        answer_small(port, connection, &pong, NULL, 0);
    }
    buffer_give(port->pipeline, buffer); // Anything else is passed over.
}

static void reply_sent(void *context, const void *owner)
{
    struct tael_port *port = context;
    const size_t at = (uintptr_t)owner - (uintptr_t)port->requests;
    if (at < sizeof port->requests) {
        request_free(port, &port->requests[at / sizeof(struct request)]);
        return;
    }
    struct peer *peer = &port->peers[((const struct kept_reply *)owner)->number];
    assert(peer->kept == owner); // They are sent in their order.
    kept_free(port, peer);
}

static void connection_closed(void *context, struct connection *connection)
{
    struct tael_port *port = context;
    struct peer *peer = &port->peers[connection->number];
    for (u32 i = 0; i < REQUESTS_MAX; i++) {
        struct request *request = &port->requests[i];
        if (!request->taken || request->connection != connection) continue;
        request->connection = NULL;
        // Nobody waits any more.
        if (request->query.changes.is_asked) pipeline_changes_end(port->pipeline, &request->query);
        if (request->reply != NULL) request_free(port, request); // It was being sent.
    }
    while (peer->kept != NULL) kept_free(port, peer);
    *peer = (struct peer){0};
}

static void port_crowded(void *context)
{
    struct tael_port *port = context;
    stranger_close(port, false);
}

static const struct connection_handler handler = {
    .name = "tael",
    .judge = header_judge,
    .message = message_handle,
    .sent = reply_sent,
    .closed = connection_closed,
    .crowded = port_crowded,
};

void tael_port_time(struct tael_port *port, u64 time)
{
    port->time = time;
}

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
    for (u32 i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &port->connections.items[i];
        struct peer *peer = &port->peers[i];
        if (connection->fd < 0 || session_ends(port, connection)) continue;
        if (peer->admission.state == ADMISSION_WELCOME) continue;
        if (peer->strange_since == 0) peer->strange_since = now;
        if (admission_is_late(&peer->admission, now)) {
            connection_close(&port->connections, connection, "does not answer its challenge");
        } else if (now > peer->strange_since + HELLO_TIMEOUT_NS) {
            connection_close(&port->connections, connection, "says no hello");
        }
    }
}

void tael_port_drain(struct tael_port *port)
{
    connections_drain(&port->connections);
}

u32 tael_port_finish(struct tael_port *port)
{
    return connections_finish(&port->connections);
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
