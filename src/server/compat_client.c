// SPDX-License-Identifier: Apache-2.0
//
// The client of the TigerBeetle protocol.
#include "server/compat_client.h"

#include "codec/number.h"
#include "ledger/ledger_types.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    SOCKET_RECEIVE_SIZE = 4 << 20,
    SOCKET_SEND_SIZE = 2 << 20,
    RECEIVES_A_STEP = 64, // So that one client's flood does not starve the others of a loop.
};
// Room for a whole reply and for pongs around it.
static const u32 buffer_size = COMPAT_MESSAGE_SIZE_MAX + 4096;

static const u64 resend_default_ns = 600 * NS_PER_MS;
static const u64 resend_max_ns = 10 * NS_PER_S;
static const u64 ping_default_ns = 30 * NS_PER_S;
static const u64 connect_delay_min_ns = 20 * NS_PER_MS;
static const u64 connect_delay_max_ns = 1 * NS_PER_S;

static void connect_begin(struct compat_client *client, u64 now);
static void connect_finish(struct compat_client *client, u64 now);
static void send_some(struct compat_client *client, u64 now);
static enum status receive_some(struct compat_client *client, u64 now, struct failure *failure);
static void keep_time(struct compat_client *client, u64 now);

u64 compat_client_now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (u64)time.tv_sec * NS_PER_S + (u64)time.tv_nsec;
}

// --- The session's life ---

// Makes the header of the next request. Everything that C1 needs is fixed here.
static void request_begin(struct compat_client *client, u8 operation, const void *body,
                          u32 body_size, u128 checksum_body, u64 deadline)
{
    assert(!client->is_in_flight);
    const u64 now = compat_client_now();
    const bool registers = operation == COMPAT_OPERATION_REGISTER;
    const u64 latency_us = client->answer.latency_ns / NS_PER_US;
    client->request = (struct compat_header){
        .cluster = client->options.cluster,
        .release = client->options.release,
        .protocol = COMPAT_PROTOCOL,
        .command = COMPAT_COMMAND_REQUEST,
        .request =
            {
                .parent = client->parent,
                .client = client->options.client,
                .session = client->session,
                .request = registers ? 0 : client->request.request.request + 1,
                .operation = operation,
                .previous_request_latency_us = (u32)MIN(latency_us, U32_MAX),
            },
    };
    compat_header_seal_sum(&client->request, checksum_body, body_size);
    client->request_body = body;
    client->is_in_flight = true;
    client->is_request_due = true;
    client->submitted_at = now;
    client->deadline = deadline;
    client->resend_delay_ns = client->options.resend_ns;
    client->resend_at = now + client->resend_delay_ns;
}

static enum status addresses_find(struct compat_client *client, struct failure *failure)
{
    const struct compat_address *address = &client->options.address;
    if (address->port[0] == 0) {
        struct sockaddr_un *place = (struct sockaddr_un *)&client->addresses[0];
        place->sun_family = AF_UNIX;
        memcpy(place->sun_path, address->host, sizeof place->sun_path); // Ends in a zero.
        client->address_sizes[0] = sizeof *place;
        client->address_count = 1;
        return STATUS_OK;
    }
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int error = getaddrinfo(address->host, address->port, &hints, &found);
    if (error != 0) {
        return failure_set(failure, STATUS_NOT_FOUND, "looking up %s: %s", address->host,
                           gai_strerror(error));
    }
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        if (client->address_count == COMPAT_CLIENT_ADDRESSES_MAX) break;
        memcpy(&client->addresses[client->address_count], at->ai_addr, at->ai_addrlen);
        client->address_sizes[client->address_count++] = at->ai_addrlen;
    }
    freeaddrinfo(found);
    assert(client->address_count > 0);
    return STATUS_OK;
}

enum status compat_client_open(struct compat_client *client,
                               const struct compat_client_options *options, u64 deadline,
                               struct failure *failure)
{
    static const struct compat_register_request register_body;
    *client = (struct compat_client){
        .options = *options,
        .state = COMPAT_CLIENT_DOWN,
        .fd = -1,
        .connect_delay_ns = connect_delay_min_ns,
    };
    struct compat_client_options *chosen = &client->options;
    if (chosen->release == 0) chosen->release = COMPAT_CLIENT_RELEASE;
    if (chosen->resend_ns == 0) chosen->resend_ns = resend_default_ns;
    if (chosen->ping_ns == 0) chosen->ping_ns = ping_default_ns;
    if (chosen->client == 0 &&
        getrandom(&chosen->client, sizeof chosen->client, 0) != sizeof chosen->client) {
        return failure_set_errno(failure, STATUS_IO, errno, "choosing a client id");
    }
    if (addresses_find(client, failure) != STATUS_OK) return failure->status;
    client->buffer = aligned_alloc(PAGE_SIZE, align_up(buffer_size, PAGE_SIZE));
    if (client->buffer == NULL) {
        return failure_set(failure, STATUS_FULL, "no memory for a client's buffer");
    }
    const u64 now = compat_client_now();
    client->ping_at = now + chosen->ping_ns;
    request_begin(client, COMPAT_OPERATION_REGISTER, &register_body, sizeof register_body,
                  checksum(&register_body, sizeof register_body), deadline);
    connect_begin(client, now);
    return STATUS_OK;
}

void compat_client_close(struct compat_client *client)
{
    if (client->fd >= 0) (void)close(client->fd);
    free(client->buffer);
    *client = (struct compat_client){.fd = -1, .state = COMPAT_CLIENT_ENDED};
}

// Ends the client for good; it reports the failure from now on.
static enum status client_end(struct compat_client *client, const struct failure *failure)
{
    if (client->fd >= 0) (void)close(client->fd);
    client->fd = -1;
    client->state = COMPAT_CLIENT_ENDED;
    client->failure = *failure;
    return failure->status;
}

// Ends the connection: another is made after a delay, and the request in flight sent over it.
PRINTF_LIKE(3, 4)
static void connection_lost(struct compat_client *client, u64 now, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(client->problem, sizeof client->problem, format, arguments);
    va_end(arguments);
    if (client->fd >= 0) (void)close(client->fd);
    client->fd = -1;
    client->is_turned_away = client->state == COMPAT_CLIENT_UP && client->session == 0;
    client->state = COMPAT_CLIENT_DOWN;
    client->connect_at = now + client->connect_delay_ns;
    client->connect_delay_ns = MIN(client->connect_delay_ns * 2, connect_delay_max_ns);
    client->out_count = 0;
    client->received = client->held; // What was handed out stays.
    client->absorbed = 0;
    client->is_header_in = false;
    client->is_request_due = client->is_in_flight;
}

enum status compat_client_submit_sum(struct compat_client *client, u8 operation, const void *body,
                                     u32 body_size, u128 checksum_body, u64 deadline,
                                     struct failure *failure)
{
    if (client->state == COMPAT_CLIENT_ENDED) {
        *failure = client->failure;
        return failure->status;
    }
    assert(compat_client_is_idle(client));
    assert(operation != COMPAT_OPERATION_REGISTER);
    compat_client_release(client);
    const struct compat_operation *known = compat_operation(operation);
    struct compat_batches batches;
    if (known == NULL || !compat_decode(known, body, body_size, &batches)) {
        batches = (struct compat_batches){0};
    }
    client->request_batches = batches;
    request_begin(client, operation, body, body_size, checksum_body, deadline);
    if (client->state == COMPAT_CLIENT_UP) send_some(client, client->submitted_at);
    return STATUS_OK;
}

enum status compat_client_submit(struct compat_client *client, u8 operation, const void *body,
                                 u32 body_size, u64 deadline, struct failure *failure)
{
    return compat_client_submit_sum(client, operation, body, body_size, checksum(body, body_size),
                                    deadline, failure);
}

// Nothing was heard in time: says what is likely, by how far it went.
static enum status silence_note(const struct compat_client *client, struct failure *failure)
{
    char place[COMPAT_ADDRESS_TEXT_SIZE], cluster[NUMBER_SIZE_MAX];
    failure_note(failure, STATUS_TIMEOUT, "no answer from %s in time%s%s",
                 compat_address_print(&client->options.address, place),
                 client->problem[0] ? "; " : "", client->problem);
    (void)number_print_u128(client->options.cluster, cluster);
    if (client->state != COMPAT_CLIENT_UP && !client->is_turned_away) {
        failure_hint(failure, "is the server running, and is this its client port?");
    } else if (client->session != 0) {
        failure_hint(failure,
                     "if it runs, its storage may be full: then it answers look-ups but no "
                     "creates, and says so on standard error and in DIR/status; what was sent may "
                     "still take effect");
    } else if (client->is_turned_away) {
        failure_hint(failure,
                     "most likely its folder was not made with --cluster %s; what it says on "
                     "standard error tells why it closed the connection",
                     cluster);
    } else {
        failure_hint(failure, "something takes connections there: is it the client port of a "
                              "server, and does that say why on standard error?");
    }
    return STATUS_TIMEOUT;
}

enum status compat_client_step(struct compat_client *client, struct failure *failure)
{
    const u64 now = compat_client_now();
    if (client->state == COMPAT_CLIENT_DOWN && now >= client->connect_at) {
        connect_begin(client, now);
    }
    if (client->state == COMPAT_CLIENT_CONNECTING) connect_finish(client, now);
    if (client->state == COMPAT_CLIENT_UP) {
        keep_time(client, now);
        send_some(client, now);
    }
    if (client->state == COMPAT_CLIENT_UP && client->held == 0) {
        if (receive_some(client, now, failure) != STATUS_OK) return client_end(client, failure);
    }
    if (client->state == COMPAT_CLIENT_ENDED) {
        *failure = client->failure;
        return failure->status;
    }
    if (client->is_in_flight && now >= client->deadline) {
        return silence_note(client, failure);
    }
    return STATUS_OK;
}

const struct compat_answer *compat_client_answer(const struct compat_client *client)
{
    return client->held > 0 ? &client->answer : NULL;
}

static void message_drop(struct compat_client *client, u32 size)
{
    assert(size <= client->received);
    client->received -= size;
    memmove(client->buffer, client->buffer + size, client->received);
    client->absorbed = 0;
    client->is_header_in = false;
}

void compat_client_release(struct compat_client *client)
{
    if (client->held == 0) return;
    message_drop(client, client->held);
    client->held = 0;
}

void compat_client_extend(struct compat_client *client, u64 deadline)
{
    client->deadline = deadline;
}

void compat_client_ping(struct compat_client *client)
{
    client->is_ping_due = true;
}

// --- Connecting ---

static void connect_begin(struct compat_client *client, u64 now)
{
    assert(client->fd < 0);
    const u32 index = client->address_next++ % client->address_count;
    const struct sockaddr_storage *address = &client->addresses[index];
    client->fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        connection_lost(client, now, "making a socket: %s", strerror(errno));
        return;
    }
    const int one = 1, receive_size = SOCKET_RECEIVE_SIZE, send_size = SOCKET_SEND_SIZE;
    // These only change the speed; a unix socket refuses the last two.
    (void)setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_size, sizeof receive_size);
    (void)setsockopt(client->fd, SOL_SOCKET, SO_SNDBUF, &send_size, sizeof send_size);
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(client->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    client->state = COMPAT_CLIENT_CONNECTING;
    const int result =
        connect(client->fd, (const struct sockaddr *)address, client->address_sizes[index]);
    if (result != 0 && errno != EINPROGRESS) {
        connection_lost(client, now, "connecting: %s", strerror(errno));
    }
}

static void connect_finish(struct compat_client *client, u64 now)
{
    struct pollfd waiting = {.fd = client->fd, .events = POLLOUT};
    if (poll(&waiting, 1, 0) <= 0 || waiting.revents == 0) return;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error != 0) {
        connection_lost(client, now, "connecting: %s", strerror(error));
        return;
    }
    client->state = COMPAT_CLIENT_UP;
    client->connection_count++;
    client->address_next--; // It works: come back to it.
    client->received = client->held;
    client->is_request_due = client->is_in_flight;
}

// --- Sending ---

// Makes the next message what is being sent. False when there is none.
static bool out_next(struct compat_client *client, u64 now)
{
    if (client->is_request_due) {
        client->is_request_due = false;
        client->resend_at = now + client->resend_delay_ns;
        if (client->session == 0) client->register_sends++;
        client->out[0] = (struct iovec){&client->request, sizeof client->request};
        // The kernel only reads it.
        client->out[1].iov_base = (void *)(uintptr_t)client->request_body;
        client->out[1].iov_len = compat_body_size(&client->request);
        client->out_count = client->out[1].iov_len > 0 ? 2 : 1;
        return true;
    }
    if (client->is_ping_due) {
        client->is_ping_due = false;
        client->ping_at = now + client->options.ping_ns;
        client->ping = (struct compat_header){
            .cluster = client->options.cluster,
            .release = client->options.release,
            .protocol = COMPAT_PROTOCOL,
            .command = COMPAT_COMMAND_PING_CLIENT,
            .ping = {.client = client->options.client,
                     .ping_timestamp = now,
                     .session = client->session},
        };
        compat_header_seal(&client->ping, NULL, 0);
        client->out[0] = (struct iovec){&client->ping, sizeof client->ping};
        client->out_count = 1;
        return true;
    }
    return false;
}

static void out_advance(struct compat_client *client, size_t sent)
{
    while (client->out_count > 0 && sent >= client->out[0].iov_len) {
        sent -= client->out[0].iov_len;
        client->out[0] = client->out[1];
        client->out_count--;
    }
    assert(client->out_count > 0 || sent == 0);
    if (client->out_count == 0) return;
    client->out[0].iov_base = (u8 *)client->out[0].iov_base + sent;
    client->out[0].iov_len -= sent;
}

static void send_some(struct compat_client *client, u64 now)
{
    while (client->out_count > 0 || out_next(client, now)) {
        const struct msghdr message = {.msg_iov = client->out, .msg_iovlen = client->out_count};
        const ssize_t sent = sendmsg(client->fd, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN) return;
            if (errno == EINTR) continue;
            connection_lost(client, now, "sending: %s", strerror(errno));
            return;
        }
        out_advance(client, (size_t)sent);
    }
}

static void keep_time(struct compat_client *client, u64 now)
{
    if (now >= client->ping_at) client->is_ping_due = client->session != 0;
    if (client->is_in_flight && client->out_count == 0 && now >= client->resend_at) {
        client->is_request_due = true;
        client->resend_delay_ns = MIN(client->resend_delay_ns * 2, resend_max_ns);
    }
}

// --- Receiving ---

static const struct compat_header *header_in(const struct compat_client *client)
{
    return (const struct compat_header *)(const void *)client->buffer;
}

static enum status eviction_take(struct compat_client *client, const struct compat_header *header,
                                 struct failure *failure)
{
    if (header->eviction.client != client->options.client) return STATUS_OK;
    failure_note(failure, STATUS_CANCELLED, "the server ended the session: %s",
                 compat_eviction_text(header->eviction.reason));
    if (header->eviction.reason == COMPAT_EVICTION_NO_SESSION) {
        failure_hint(failure, "a server keeps 64 sessions; the longest silent goes when one "
                              "more registers");
    }
    return STATUS_CANCELLED;
}

static enum status register_take(struct compat_client *client, const struct compat_header *header,
                                 const u8 *body, struct failure *failure)
{
    if (compat_body_size(header) != COMPAT_REGISTER_REPLY_SIZE) {
        return failure_set(failure, STATUS_INVALID, "the reply to a register has %u bytes, not %u",
                           compat_body_size(header), COMPAT_REGISTER_REPLY_SIZE);
    }
    client->batch_size_limit = load_u32(body);
    if (client->batch_size_limit == 0 || client->batch_size_limit > COMPAT_BODY_SIZE_MAX) {
        return failure_set(failure, STATUS_INVALID,
                           "the server's limit of a body is %u bytes, not 1 to %u",
                           client->batch_size_limit, COMPAT_BODY_SIZE_MAX);
    }
    client->session = header->reply.commit;
    return STATUS_OK;
}

// Whether a reply is to the request in flight (C2): `*is_ours` is false for one that came late.
static enum status reply_check(const struct compat_client *client,
                               const struct compat_header *header, bool *is_ours,
                               struct failure *failure)
{
    const struct compat_request_part *request = &client->request.request;
    const struct compat_reply_part *reply = &header->reply;
    *is_ours = false;
    if (reply->client != client->options.client) return STATUS_OK;
    if (header->release != client->options.release) {
        return failure_set(failure, STATUS_INVALID, "a reply to release %#x, not %#x",
                           header->release, client->options.release);
    }
    const bool is_late = reply->request < request->request || !client->is_in_flight;
    if (is_late && reply->operation == COMPAT_OPERATION_REGISTER && client->register_sends < 2) {
        return failure_set(failure, STATUS_INVALID, "a second reply to one register");
    }
    if (reply->request > request->request) {
        return failure_set(failure, STATUS_INVALID, "a reply to request %u, of which %u are sent",
                           reply->request, request->request);
    }
    if (is_late) return STATUS_OK;
    if (reply->request_checksum != client->request.checksum) {
        return failure_set(failure, STATUS_INVALID, "a reply to other bytes of request %u",
                           request->request);
    }
    if (reply->operation != request->operation) {
        return failure_set(failure, STATUS_INVALID, "a reply of operation %u to one of %u",
                           reply->operation, request->operation);
    }
    *is_ours = true;
    return STATUS_OK;
}

static enum status reply_take(struct compat_client *client, u64 now, bool *is_answer,
                              struct failure *failure)
{
    const struct compat_header *header = header_in(client);
    const u8 *body = client->buffer + COMPAT_HEADER_SIZE;
    struct compat_batches batches = {0};
    bool is_ours;
    *is_answer = false;
    if (reply_check(client, header, &is_ours, failure) != STATUS_OK) return failure->status;
    if (!is_ours) return STATUS_OK;
    if (header->reply.operation == COMPAT_OPERATION_REGISTER) {
        if (register_take(client, header, body, failure) != STATUS_OK) return failure->status;
    } else if (client->request_batches.batch_count > 0) {
        const struct compat_operation *operation = compat_operation(header->reply.operation);
        if (!compat_reply_decode(operation, &client->request_batches, body,
                                 compat_body_size(header), &batches)) {
            return failure_set(failure, STATUS_INVALID,
                               "a reply of %u bytes is no answer to %u events in %u batches of %s",
                               compat_body_size(header), client->request_batches.event_count,
                               client->request_batches.batch_count, operation->name);
        }
    }
    client->answer = (struct compat_answer){
        .header = header,
        .body = body,
        .body_size = compat_body_size(header),
        .batches = batches,
        .latency_ns = now - client->submitted_at,
    };
    client->parent = header->reply.context;
    client->is_in_flight = false;
    client->is_request_due = false;
    client->problem[0] = 0;
    *is_answer = true;
    return STATUS_OK;
}

// The header is in: is it one to read on from? False when the connection was ended.
static enum status header_take(struct compat_client *client, u64 now, struct failure *failure)
{
    const struct compat_header *header = header_in(client);
    const enum compat_rule rule = compat_header_check(header);
    if (compat_rule_is_fatal(rule)) {
        connection_lost(client, now, "a message arrived broken: %s", compat_rule_text(rule));
        return STATUS_OK;
    }
    if (rule == COMPAT_RULE_COMMAND ||
        (rule == COMPAT_RULE_NONE && (header->command == COMPAT_COMMAND_REQUEST ||
                                      header->command == COMPAT_COMMAND_PING_CLIENT))) {
        return failure_set(failure, STATUS_INVALID, "the server sent a message of command %u",
                           header->command);
    }
    if (header->cluster != client->options.cluster) {
        connection_lost(client, now, "the server is of another cluster, %llu and not %llu",
                        (unsigned long long)header->cluster,
                        (unsigned long long)client->options.cluster);
        return STATUS_OK;
    }
    client->is_header_in = true;
    client->is_passed_over = rule != COMPAT_RULE_NONE;
    client->absorbed = 0;
    if (client->is_passed_over) {
        (void)snprintf(client->problem, sizeof client->problem, "a message was passed over: %s",
                       compat_rule_text(rule));
    }
    checksum_begin(&client->sum);
    return STATUS_OK;
}

// Takes the first message of the buffer, if it is whole. `*is_answer` when it ends the request.
static enum status message_take(struct compat_client *client, u64 now, bool *is_whole,
                                bool *is_answer, struct failure *failure)
{
    *is_whole = *is_answer = false;
    if (client->received < COMPAT_HEADER_SIZE) return STATUS_OK;
    const struct compat_header *header = header_in(client);
    if (!client->is_header_in) {
        if (header_take(client, now, failure) != STATUS_OK) return failure->status;
        if (client->state != COMPAT_CLIENT_UP) return STATUS_OK;
    }
    const u32 end = MIN(client->received, header->size) - COMPAT_HEADER_SIZE;
    checksum_update(&client->sum, client->buffer + COMPAT_HEADER_SIZE + client->absorbed,
                    end - client->absorbed);
    client->absorbed = end;
    if (client->received < header->size) return STATUS_OK;
    *is_whole = true;
    if (checksum_end(&client->sum) != header->checksum_body) {
        connection_lost(client, now, "a message arrived broken: %s",
                        compat_rule_text(COMPAT_RULE_CHECKSUM_BODY));
        return STATUS_OK;
    }
    client->connect_delay_ns = connect_delay_min_ns;
    enum status status = STATUS_OK;
    if (client->is_passed_over) {
        maybe(header->command == COMPAT_COMMAND_REPLY);
    } else if (header->command == COMPAT_COMMAND_REPLY) {
        status = reply_take(client, now, is_answer, failure);
    } else if (header->command == COMPAT_COMMAND_EVICTION) {
        status = eviction_take(client, header, failure);
    } else if (header->pong.ping_timestamp <= now) {
        client->pong_count++;
        client->pong_latency_ns = now - header->pong.ping_timestamp;
    }
    if (*is_answer) {
        client->held = header->size;
    } else {
        message_drop(client, header->size);
    }
    return status;
}

static enum status receive_some(struct compat_client *client, u64 now, struct failure *failure)
{
    bool is_first = true;
    for (u32 i = 0; i < RECEIVES_A_STEP; i++) {
        bool is_whole = true, is_answer = false;
        while (is_whole && !is_answer && client->state == COMPAT_CLIENT_UP) {
            // The time of an answer is when its last byte was here.
            const u64 time = is_first ? now : compat_client_now();
            if (message_take(client, time, &is_whole, &is_answer, failure) != STATUS_OK) {
                return failure->status;
            }
        }
        if (is_answer || client->state != COMPAT_CLIENT_UP) return STATUS_OK;
        assert(client->received < buffer_size);
        const ssize_t got =
            recv(client->fd, client->buffer + client->received, buffer_size - client->received, 0);
        if (got < 0) {
            if (errno == EAGAIN) return STATUS_OK;
            if (errno == EINTR) continue;
            connection_lost(client, now, "receiving: %s", strerror(errno));
            return STATUS_OK;
        }
        if (got == 0) {
            connection_lost(client, now, "the server closed the connection");
            return STATUS_OK;
        }
        client->received += (u32)got;
        is_first = false;
    }
    return STATUS_OK;
}

// --- Waiting ---

int compat_client_fd(const struct compat_client *client)
{
    return client->fd;
}

short compat_client_events(const struct compat_client *client)
{
    if (client->state == COMPAT_CLIENT_CONNECTING) return POLLOUT;
    if (client->state != COMPAT_CLIENT_UP) return 0;
    const bool sends = client->out_count > 0 || client->is_request_due || client->is_ping_due;
    return (short)((client->held == 0 ? POLLIN : 0) | (sends ? POLLOUT : 0));
}

u64 compat_client_wake_at(const struct compat_client *client)
{
    u64 at = U64_MAX;
    if (client->state == COMPAT_CLIENT_ENDED) return 0;
    if (client->state == COMPAT_CLIENT_DOWN) at = client->connect_at;
    if (client->state == COMPAT_CLIENT_UP) {
        if (client->session != 0) at = client->ping_at;
        if (client->is_in_flight && client->out_count == 0) at = MIN(at, client->resend_at);
    }
    if (client->is_in_flight) at = MIN(at, client->deadline);
    return at;
}

void compat_client_wait(struct compat_client *const *clients, u32 count, u64 until)
{
    assert(count <= COMPAT_CLIENT_WAIT_MAX);
    struct pollfd waiting[COMPAT_CLIENT_WAIT_MAX];
    for (u32 i = 0; i < count; i++) {
        waiting[i] = (struct pollfd){.fd = compat_client_fd(clients[i]),
                                     .events = compat_client_events(clients[i])};
        until = MIN(until, compat_client_wake_at(clients[i]));
    }
    const u64 now = compat_client_now();
    const u64 left = until > now ? until - now : 0;
    const struct timespec limit = {.tv_sec = (time_t)MIN(left / NS_PER_S, 3600u),
                                   .tv_nsec = (long)(left % NS_PER_S)};
    // Interrupted is as good as woken.
    const bool is_any_ready = ppoll(waiting, count, &limit, NULL) > 0;
    const u64 then = compat_client_now();
    for (u32 i = 0; i < count; i++) {
        clients[i]->is_due =
            (is_any_ready && waiting[i].revents != 0) || then >= compat_client_wake_at(clients[i]);
    }
}

// --- One call at a time ---

static enum status answer_await(struct compat_client *client, struct failure *failure)
{
    while (compat_client_answer(client) == NULL) {
        compat_client_wait(&client, 1, U64_MAX);
        if (compat_client_step(client, failure) != STATUS_OK) return failure->status;
    }
    return STATUS_OK;
}

enum status compat_client_connect(struct compat_client *client,
                                  const struct compat_client_options *options, u64 timeout_ns,
                                  struct failure *failure)
{
    const u64 deadline = compat_client_now() + timeout_ns;
    if (compat_client_open(client, options, deadline, failure) != STATUS_OK) {
        return failure->status;
    }
    if (answer_await(client, failure) != STATUS_OK) {
        compat_client_close(client);
        return failure->status;
    }
    return STATUS_OK;
}

enum status compat_client_call(struct compat_client *client, u8 operation, const void *body,
                               u32 body_size, u64 timeout_ns, const struct compat_answer **answer,
                               struct failure *failure)
{
    const u64 deadline = compat_client_now() + timeout_ns;
    if (compat_client_submit(client, operation, body, body_size, deadline, failure) != STATUS_OK) {
        return failure->status;
    }
    if (answer_await(client, failure) != STATUS_OK) return failure->status;
    *answer = compat_client_answer(client);
    return STATUS_OK;
}

enum status compat_client_ping_await(struct compat_client *client, u64 timeout_ns,
                                     struct failure *failure)
{
    assert(!client->is_in_flight);
    const u64 deadline = compat_client_now() + timeout_ns;
    const u64 pongs = client->pong_count;
    compat_client_release(client);
    compat_client_ping(client);
    if (compat_client_step(client, failure) != STATUS_OK) return failure->status;
    while (client->pong_count == pongs) {
        if (compat_client_now() >= deadline) {
            char place[COMPAT_ADDRESS_TEXT_SIZE];
            return failure_set(failure, STATUS_TIMEOUT, "no pong from %s in time%s%s",
                               compat_address_print(&client->options.address, place),
                               client->problem[0] ? "; " : "", client->problem);
        }
        compat_client_wait(&client, 1, deadline);
        if (compat_client_step(client, failure) != STATUS_OK) return failure->status;
    }
    return STATUS_OK;
}

// --- Bodies ---

u32 compat_body_finish(u8 operation, u8 *body, u32 count)
{
    const struct compat_operation *known = compat_operation(operation);
    assert(known != NULL);
    assert(count <= LEDGER_BATCH_EVENTS_MAX);
    const u32 size = count * known->event_size;
    const u16 counts[1] = {(u16)count};
    return known->multi_batch ? compat_trailer_write(body, size, known->event_size, counts, 1)
                              : size;
}

// The most results that a batch of `count` events can have.
static u32 results_max(const struct compat_operation *operation, const u8 *events, u32 count)
{
    if (!compat_is_query(operation)) return count;
    // The limit lies near the end of each filter.
    static const u32 limit_offsets[] = {
        [COMPAT_KIND_ACCOUNT_TRANSFERS] = offsetof(struct account_filter, limit),
        [COMPAT_KIND_ACCOUNT_BALANCES] = offsetof(struct account_filter, limit),
        [COMPAT_KIND_QUERY_ACCOUNTS] = offsetof(struct query_filter, limit),
        [COMPAT_KIND_QUERY_TRANSFERS] = offsetof(struct query_filter, limit),
        [COMPAT_KIND_CHANGE_EVENTS] = offsetof(struct change_events_filter, limit),
    };
    return load_u32(events + limit_offsets[operation->kind]);
}

bool compat_reply_decode(const struct compat_operation *operation,
                         const struct compat_batches *request, const u8 *body, u32 size,
                         struct compat_batches *out)
{
    const u32 element = operation->result_size;
    *out = (struct compat_batches){.events = body, .multi_batch = operation->multi_batch};
    if (size % element != 0 || size > COMPAT_BODY_SIZE_MAX) return false;
    u32 trailer = 0;
    if (operation->multi_batch) {
        if (size < 2) return false;
        out->counts_end = body + size - 2;
        out->batch_count = load_u16(out->counts_end);
        if (out->batch_count != request->batch_count) return false;
        trailer = compat_trailer_size(out->batch_count, element);
        if (trailer > size) return false;
        for (u32 i = size - trailer; i < size - 2 - 2 * out->batch_count; i++) {
            if (body[i] != 0xFF) return false;
        }
    } else {
        out->batch_count = 1;
        out->event_count = size / element;
    }
    const bool is_dense = compat_is_create(operation) && !operation->sparse;
    const u8 *events = request->events;
    u64 total = 0;
    for (u32 i = 0; i < out->batch_count; i++) {
        const u32 asked = compat_batch_count(request, i);
        const u32 got = compat_batch_count(out, i);
        if (got > results_max(operation, events, asked)) return false;
        if (is_dense && got != asked) return false;
        events += (size_t)asked * operation->event_size;
        total += got;
    }
    out->event_count = (u32)total;
    return total * element == size - trailer;
}

// --- Addresses ---

static bool port_is_valid(const char *port)
{
    u32 value = 0;
    const size_t size = strlen(port);
    for (size_t i = 0; i < size; i++) {
        if (port[i] < '0' || port[i] > '9') return false;
        value = value * 10 + (u32)(port[i] - '0');
    }
    return size >= 1 && size <= 5 && value >= 1 && value <= 65535;
}

static enum status unix_address_parse(const char *path, struct compat_address *out,
                                      struct failure *failure)
{
    const size_t size = strlen(path);
    const size_t size_max = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    if (size == 0 || size > size_max) {
        return failure_set(failure, STATUS_INVALID,
                           "the path of a unix socket has 1 to %zu bytes, not %zu", size_max, size);
    }
    *out = (struct compat_address){0};
    memcpy(out->host, path, size);
    return STATUS_OK;
}

const char *compat_address_print(const struct compat_address *address,
                                 char out[COMPAT_ADDRESS_TEXT_SIZE])
{
    const bool is_unix = address->port[0] == 0;
    const bool is_ipv6 = strchr(address->host, ':') != NULL && !is_unix;
    (void)snprintf(out, COMPAT_ADDRESS_TEXT_SIZE, "%s%s%s%s%s",
                   is_unix ? "unix:" : (is_ipv6 ? "[" : ""), address->host, is_ipv6 ? "]" : "",
                   is_unix ? "" : ":", address->port);
    return out;
}

enum status compat_address_parse(const char *text, struct compat_address *out,
                                 struct failure *failure)
{
    const char *host = text, *port;
    size_t host_size;
    if (strncmp(text, "unix:", 5) == 0) return unix_address_parse(text + 5, out, failure);
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        host = "127.0.0.1";
        host_size = strlen(host);
        port = text;
    } else {
        host_size = (size_t)(colon - text);
        port = colon + 1;
        if (host_size >= 2 && host[0] == '[' && host[host_size - 1] == ']') {
            host++;
            host_size -= 2;
        } else if (memchr(host, ':', host_size) != NULL) {
            return failure_set(failure, STATUS_INVALID,
                               "an IPv6 address is written [ADDRESS]:PORT");
        }
    }
    if (strlen(port) > 5 || !port_is_valid(port)) {
        return failure_set(failure, STATUS_INVALID, "\"%.32s\" is no port from 1 to 65535", port);
    }
    if (host_size == 0 || host_size >= sizeof out->host) {
        return failure_set(failure, STATUS_INVALID, "\"%.64s\" names no host", text);
    }
    *out = (struct compat_address){0};
    memcpy(out->host, host, host_size);
    memcpy(out->port, port, strlen(port));
    return STATUS_OK;
}
