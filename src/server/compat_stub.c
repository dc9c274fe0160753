// SPDX-License-Identifier: Apache-2.0
//
// The stub responder.
#include "server/compat_stub.h"

#include "base/checksum.h"
#include "ledger/ledger_types.h"
#include "server/compat_message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { STUB_CONNECTIONS_MAX = 128, STUB_SESSIONS_MAX = 128, STUB_TRICKLE = 7 };

struct stub_connection {
    int fd; // -1: free.
    u8 *buffer;
    u32 received;
};

struct stub_session {
    u128 client;
    u128 request_checksum;
    struct compat_header reply;
    u8 *body;
};

struct compat_stub {
    pthread_t thread;
    int listener;
    int stop[2]; // A pipe: the thread ends when it can be read.
    u32 port;
    u128 cluster;
    enum compat_stub_fault fault;
    u32 fault_at;
    bool is_fault_done;
    atomic_uint requests, connections_made, repeats;
    u64 timestamp;
    u64 position;
    struct transfer *transfers;
    size_t transfer_count, transfer_capacity;
    struct stub_connection connections[STUB_CONNECTIONS_MAX];
    struct stub_session sessions[STUB_SESSIONS_MAX];
};

// --- What it answers ---

static void transfers_keep(struct compat_stub *stub, const u8 *events, u32 count, u64 first)
{
    if (stub->transfer_count + count > stub->transfer_capacity) {
        stub->transfer_capacity = stub->transfer_capacity * 2 + count;
        stub->transfers =
            realloc(stub->transfers, stub->transfer_capacity * sizeof *stub->transfers);
        assert(stub->transfers != NULL);
    }
    for (u32 i = 0; i < count; i++) {
        struct transfer *transfer = &stub->transfers[stub->transfer_count++];
        memcpy(transfer, events + i * sizeof *transfer, sizeof *transfer);
        transfer->timestamp = first + i;
    }
}

static u32 answer_creates(struct compat_stub *stub, const struct compat_operation *operation,
                          const u8 *events, u32 count, u8 *out)
{
    const u64 first = stub->timestamp + 1;
    stub->timestamp += count;
    if (operation->kind == COMPAT_KIND_CREATE_TRANSFERS) {
        transfers_keep(stub, events, count, first);
    }
    if (operation->sparse) return 0;
    for (u32 i = 0; i < count; i++) {
        const struct create_result result = {.timestamp = first + i, .status = U32_MAX};
        memcpy(out + i * sizeof result, &result, sizeof result);
    }
    return count;
}

static u32 answer_lookups(const struct compat_stub *stub, const struct compat_operation *operation,
                          const u8 *events, u32 count, u8 *out)
{
    u32 found = 0;
    for (u32 i = 0; i < count; i++) {
        const u128 id = load_u128(events + i * sizeof id);
        if (operation->kind == COMPAT_KIND_LOOKUP_ACCOUNTS) {
            const struct account account = {.id = id, .ledger = 2, .code = 1, .timestamp = 1};
            memcpy(out + found++ * sizeof account, &account, sizeof account);
            continue;
        }
        for (size_t row = 0; row < stub->transfer_count; row++) {
            if (stub->transfers[row].id != id) continue;
            memcpy(out + found++ * sizeof(struct transfer), &stub->transfers[row],
                   sizeof(struct transfer));
            break;
        }
    }
    return found;
}

static u32 answer_query(const struct compat_stub *stub, const struct compat_operation *operation,
                        const u8 *event, u8 *out)
{
    if (operation->kind != COMPAT_KIND_ACCOUNT_TRANSFERS) return 0;
    struct account_filter filter;
    memcpy(&filter, event, sizeof filter);
    const u32 limit = MIN(filter.limit, LEDGER_BATCH_EVENTS_MAX);
    u32 found = 0;
    for (size_t row = 0; row < stub->transfer_count && found < limit; row++) {
        const struct transfer *transfer = &stub->transfers[row];
        const u128 id = filter.account_id;
        if (transfer->debit_account_id != id && transfer->credit_account_id != id) continue;
        memcpy(out + found++ * sizeof *transfer, transfer, sizeof *transfer);
    }
    return found;
}

// Writes the reply's body. Returns its size.
static u32 answer(struct compat_stub *stub, const struct compat_operation *operation,
                  const struct compat_batches *batches, u8 *out)
{
    static u16 counts[COMPAT_BODY_SIZE_MAX / 16];
    const u8 *events = batches->events;
    u32 total = 0;
    for (u32 i = 0; i < batches->batch_count; i++) {
        const u32 count = compat_batch_count(batches, i);
        u8 *results = out + (size_t)total * operation->result_size;
        u32 got;
        if (compat_is_create(operation)) {
            got = answer_creates(stub, operation, events, count, results);
        } else if (compat_is_query(operation)) {
            got = answer_query(stub, operation, events, results);
        } else {
            got = answer_lookups(stub, operation, events, count, results);
        }
        counts[i] = (u16)got;
        total += got;
        events += (size_t)count * operation->event_size;
    }
    const u32 size = total * operation->result_size;
    if (!operation->multi_batch) return size;
    return compat_trailer_write(out, size, operation->result_size, counts, batches->batch_count);
}

// --- How it breaks ---

// Changes a reply as the fault says and seals it. Returns the size of the body.
static u32 reply_break(enum compat_stub_fault fault, struct compat_header *reply, u8 *body)
{
    const struct compat_operation *operation = compat_operation(reply->reply.operation);
    u32 size = compat_body_size(reply);
    switch (fault) {
    case COMPAT_STUB_WRONG_CLUSTER: reply->cluster++; break;
    case COMPAT_STUB_NO_TIMESTAMP: reply->reply.timestamp = 0; break;
    case COMPAT_STUB_RESERVED: reply->reserved[3] = 1; break;
    case COMPAT_STUB_OTHER_CLIENT: reply->reply.client++; break;
    case COMPAT_STUB_WRONG_RELEASE: reply->release++; break;
    case COMPAT_STUB_WRONG_NUMBER: reply->reply.request++; break;
    case COMPAT_STUB_WRONG_REQUEST_CHECKSUM: reply->reply.request_checksum++; break;
    case COMPAT_STUB_WRONG_OPERATION: reply->reply.operation++; break;
    case COMPAT_STUB_SECOND_REGISTER:
        reply->reply.operation = COMPAT_OPERATION_REGISTER;
        reply->reply.request = 0;
        break;
    case COMPAT_STUB_UNKNOWN_COMMAND: reply->command = 99; break;
    case COMPAT_STUB_WRONG_PADDING: body[size - 5] = 0; break;
    case COMPAT_STUB_WRONG_BATCH_COUNT: store_u16(body + size - 2, 2); break;
    case COMPAT_STUB_MORE_RESULTS:
    case COMPAT_STUB_FEWER_RESULTS: {
        const u32 count = load_u16(body + size - 4);
        const u16 other = (u16)(fault == COMPAT_STUB_MORE_RESULTS ? count + 1 : count - 1);
        size = compat_trailer_write(body, other * operation->result_size, operation->result_size,
                                    &other, 1);
        break;
    }
    case COMPAT_STUB_LIMIT_ZERO: store_u32(body, 0); break;
    case COMPAT_STUB_LIMIT_HIGH: store_u32(body, COMPAT_BODY_SIZE_MAX + 1); break;
    case COMPAT_STUB_REGISTER_SIZE: size = 0; break;
    default: break;
    }
    compat_header_seal(reply, body, size);
    if (fault == COMPAT_STUB_CORRUPT_HEADER) reply->reply.timestamp ^= 4;
    if (fault == COMPAT_STUB_CORRUPT_BODY) body[0] ^= 4;
    if (fault == COMPAT_STUB_WRONG_SIZE) {
        reply->size = 255;
        reply->checksum = checksum((const u8 *)reply + 16, 240);
    }
    return size;
}

// Sends all of it; the client's socket is read by another thread, so that this ends.
static void send_all(int fd, const void *data, size_t size, size_t piece)
{
    const u8 *at = data;
    while (size > 0) {
        const ssize_t sent = send(fd, at, MIN(size, piece), MSG_NOSIGNAL);
        if (sent < 0) return; // The client has gone.
        at += sent;
        size -= (size_t)sent;
        if (piece == STUB_TRICKLE) {
            const struct timespec pause = {.tv_nsec = 100000};
            (void)nanosleep(&pause, NULL);
        }
    }
}

static void connection_close(struct stub_connection *connection)
{
    (void)close(connection->fd);
    connection->fd = -1;
    connection->received = 0;
}

static void eviction_send(struct stub_connection *connection, const struct compat_header *cause)
{
    struct compat_header eviction;
    compat_eviction_make(&eviction, cause, COMPAT_EVICTION_NO_SESSION);
    send_all(connection->fd, &eviction, sizeof eviction, sizeof eviction);
}

static void pong_send(struct stub_connection *connection, const struct compat_header *request)
{
    struct compat_header ping = {
        .cluster = request->cluster,
        .release = request->release,
        .command = COMPAT_COMMAND_PING_CLIENT,
        .ping = {.client = request->request.client, .ping_timestamp = 1},
    };
    struct compat_header pong;
    compat_pong_make(&pong, &ping);
    send_all(connection->fd, &pong, sizeof pong, sizeof pong);
}

static void reply_send(struct stub_connection *connection, const struct stub_session *session,
                       const struct compat_header *request, enum compat_stub_fault fault)
{
    const u32 size_max = compat_body_size(&session->reply) + 4096;
    u8 *message = malloc(COMPAT_HEADER_SIZE + size_max);
    assert(message != NULL);
    struct compat_header header = session->reply;
    u8 *body = message + COMPAT_HEADER_SIZE;
    memcpy(body, session->body, compat_body_size(&header));
    const u32 size = COMPAT_HEADER_SIZE + reply_break(fault, &header, body);
    memcpy(message, &header, COMPAT_HEADER_SIZE);
    switch (fault) {
    case COMPAT_STUB_SILENT: break;
    case COMPAT_STUB_CLOSE: connection_close(connection); break;
    case COMPAT_STUB_CLOSE_MID_REPLY:
        send_all(connection->fd, message, size / 2, size);
        connection_close(connection);
        break;
    case COMPAT_STUB_EVICT: eviction_send(connection, request); break;
    case COMPAT_STUB_TRICKLE: send_all(connection->fd, message, size, STUB_TRICKLE); break;
    case COMPAT_STUB_PONG_FIRST:
        pong_send(connection, request);
        send_all(connection->fd, message, size, size);
        pong_send(connection, request);
        break;
    default:
        send_all(connection->fd, message, size, size);
        if (fault == COMPAT_STUB_TWICE) send_all(connection->fd, message, size, size);
        break;
    }
    free(message);
}

// --- Sessions ---

static struct stub_session *session_find(struct compat_stub *stub, u128 client)
{
    for (u32 i = 0; i < STUB_SESSIONS_MAX; i++) {
        struct stub_session *session = &stub->sessions[i];
        if (session->client == client) return session;
        if (session->client != 0) continue;
        session->client = client;
        session->body = malloc(COMPAT_BODY_SIZE_MAX);
        assert(session->body != NULL);
        return session;
    }
    assert(false && "more clients than the stub has sessions for");
    return NULL;
}

static void request_take(struct compat_stub *stub, struct stub_connection *connection,
                         const struct compat_header *request, const u8 *body)
{
    struct stub_session *session = session_find(stub, request->request.client);
    const u8 wire = request->request.operation;
    stub->requests++;
    if (session->request_checksum == request->checksum) {
        stub->repeats++;
    } else {
        u32 size = 0;
        if (wire == COMPAT_OPERATION_REGISTER) {
            const struct compat_register_reply reply = {.batch_size_limit = COMPAT_BODY_SIZE_MAX};
            memcpy(session->body, &reply, sizeof reply);
            size = sizeof reply;
        } else {
            // A client goes on from the reply before.
            assert(request->request.parent == session->reply.reply.context);
            assert(request->request.request == session->reply.reply.request + 1);
            const struct compat_operation *operation = compat_operation(wire);
            struct compat_batches batches;
            if (operation == NULL ||
                !compat_decode(operation, body, compat_body_size(request), &batches)) {
                eviction_send(connection, request);
                return;
            }
            size = answer(stub, operation, &batches, session->body);
        }
        const struct compat_reply fields =
            compat_reply_to(request, ++stub->position, ++stub->timestamp);
        compat_reply_make(&session->reply, &fields, session->body, size);
        session->request_checksum = request->checksum;
    }
    enum compat_stub_fault fault = COMPAT_STUB_NONE;
    if (!stub->is_fault_done && request->request.request == stub->fault_at) {
        fault = stub->fault;
        stub->is_fault_done = true;
    }
    reply_send(connection, session, request, fault);
}

// --- Connections ---

static void message_take(struct compat_stub *stub, struct stub_connection *connection)
{
    const struct compat_header *header =
        (const struct compat_header *)(const void *)connection->buffer;
    assert(compat_header_check(header) == COMPAT_RULE_NONE);
    assert(header->cluster == stub->cluster);
    const u8 *body = connection->buffer + COMPAT_HEADER_SIZE;
    assert(compat_body_check(header, body) == COMPAT_RULE_NONE);
    if (header->command == COMPAT_COMMAND_PING_CLIENT) {
        struct compat_header pong;
        compat_pong_make(&pong, header);
        send_all(connection->fd, &pong, sizeof pong, sizeof pong);
        return;
    }
    assert(header->command == COMPAT_COMMAND_REQUEST);
    request_take(stub, connection, header, body);
}

static void connection_read(struct compat_stub *stub, struct stub_connection *connection)
{
    const ssize_t got = recv(connection->fd, connection->buffer + connection->received,
                             COMPAT_MESSAGE_SIZE_MAX - connection->received, 0);
    if (got <= 0) {
        connection_close(connection);
        return;
    }
    connection->received += (u32)got;
    while (connection->fd >= 0 && connection->received >= COMPAT_HEADER_SIZE) {
        const u32 size = load_u32(connection->buffer + 96);
        if (connection->received < size) return;
        message_take(stub, connection);
        if (connection->fd < 0) return;
        connection->received -= size;
        memmove(connection->buffer, connection->buffer + size, connection->received);
    }
}

static void connection_accept(struct compat_stub *stub)
{
    const int fd = accept(stub->listener, NULL, NULL);
    assert(fd >= 0);
    const int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    stub->connections_made++;
    for (u32 i = 0; i < STUB_CONNECTIONS_MAX; i++) {
        struct stub_connection *connection = &stub->connections[i];
        if (connection->fd >= 0) continue;
        connection->fd = fd;
        connection->received = 0;
        if (connection->buffer == NULL) {
            connection->buffer = aligned_alloc(PAGE_SIZE, COMPAT_MESSAGE_SIZE_MAX);
            assert(connection->buffer != NULL);
        }
        return;
    }
    (void)close(fd);
}

static void *stub_run(void *argument)
{
    struct compat_stub *stub = argument;
    for (;;) {
        struct pollfd waiting[STUB_CONNECTIONS_MAX + 2];
        waiting[0] = (struct pollfd){.fd = stub->stop[0], .events = POLLIN};
        waiting[1] = (struct pollfd){.fd = stub->listener, .events = POLLIN};
        for (u32 i = 0; i < STUB_CONNECTIONS_MAX; i++) {
            waiting[i + 2] = (struct pollfd){.fd = stub->connections[i].fd, .events = POLLIN};
        }
        if (poll(waiting, ARRAY_COUNT(waiting), -1) < 0) continue;
        if (waiting[0].revents != 0) return NULL;
        for (u32 i = 0; i < STUB_CONNECTIONS_MAX; i++) {
            struct stub_connection *connection = &stub->connections[i];
            if (waiting[i + 2].revents != 0 && connection->fd == waiting[i + 2].fd) {
                connection_read(stub, connection);
            }
        }
        if (waiting[1].revents != 0) connection_accept(stub);
    }
}

struct compat_stub *compat_stub_start(u128 cluster, enum compat_stub_fault fault, u32 at_request)
{
    struct compat_stub *stub = calloc(1, sizeof *stub + 64);
    assert(stub != NULL);
    stub->cluster = cluster;
    stub->fault = fault;
    stub->fault_at = at_request;
    stub->timestamp = NS_PER_S;
    for (u32 i = 0; i < STUB_CONNECTIONS_MAX; i++) stub->connections[i].fd = -1;
    stub->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int result = bind(stub->listener, (const struct sockaddr *)&address, size);
    assert(result == 0);
    result = listen(stub->listener, 128);
    assert(result == 0);
    result = getsockname(stub->listener, (struct sockaddr *)&address, &size);
    assert(result == 0);
    stub->port = ntohs(address.sin_port);
    result = pipe(stub->stop);
    assert(result == 0);
    result = pthread_create(&stub->thread, NULL, stub_run, stub);
    assert(result == 0);
    return stub;
}

u32 compat_stub_port(const struct compat_stub *stub)
{
    return stub->port;
}

u32 compat_stub_requests(const struct compat_stub *stub)
{
    return stub->requests;
}

u32 compat_stub_connections(const struct compat_stub *stub)
{
    return stub->connections_made;
}

u32 compat_stub_repeats(const struct compat_stub *stub)
{
    return stub->repeats;
}

void compat_stub_stop(struct compat_stub *stub)
{
    ssize_t written = write(stub->stop[1], "", 1);
    assert(written == 1);
    (void)pthread_join(stub->thread, NULL);
    for (u32 i = 0; i < STUB_CONNECTIONS_MAX; i++) {
        if (stub->connections[i].fd >= 0) (void)close(stub->connections[i].fd);
        free(stub->connections[i].buffer);
    }
    for (u32 i = 0; i < STUB_SESSIONS_MAX; i++) free(stub->sessions[i].body);
    (void)close(stub->listener);
    (void)close(stub->stop[0]);
    (void)close(stub->stop[1]);
    free(stub->transfers);
    free(stub);
}
