// SPDX-License-Identifier: Apache-2.0
//
// The client of the TigerBeetle protocol.
#include "codec/number.h"
#include "server/compat_client_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static const u64 resend_default_ns = 600 * NS_PER_MS;
static const u64 resend_max_ns = 10 * NS_PER_S;
static const u64 ping_default_ns = 30 * NS_PER_S;
static const u64 connect_delay_max_ns = 1 * NS_PER_S;

static void connect_begin(struct compat_client *client, u64 now);
static void connect_finish(struct compat_client *client, u64 now);
static void send_some(struct compat_client *client, u64 now);
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

enum status compat_client_open(struct compat_client *client,
                               const struct compat_client_options *options, u64 deadline,
                               struct failure *failure)
{
    static const struct compat_register_request register_body;
    *client = (struct compat_client){
        .options = *options,
        .state = COMPAT_CLIENT_DOWN,
        .fd = -1,
        .connect_delay_ns = CONNECT_DELAY_MIN_NS,
    };
    struct compat_client_options *chosen = &client->options;
    if (chosen->release == 0) chosen->release = COMPAT_CLIENT_RELEASE;
    if (chosen->resend_ns == 0) chosen->resend_ns = resend_default_ns;
    if (chosen->ping_ns == 0) chosen->ping_ns = ping_default_ns;
    if (chosen->client == 0 &&
        getrandom(&chosen->client, sizeof chosen->client, 0) != sizeof chosen->client) {
        return failure_set_errno(failure, STATUS_IO, errno, "choosing a client id");
    }
    if (address_look_up(&chosen->address, &client->places, failure) != STATUS_OK) {
        return failure->status;
    }
    client->buffer = aligned_alloc(PAGE_SIZE, align_up(RECEIVE_BUFFER_SIZE, PAGE_SIZE));
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

void compat_client_lost(struct compat_client *client, u64 now, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(client->problem, sizeof client->problem, format, arguments);
    va_end(arguments);
    if (client->fd >= 0) (void)close(client->fd);
    client->fd = -1;
    const bool is_turned_away = client->state == COMPAT_CLIENT_UP && client->session == 0;
    client->turned_away = is_turned_away ? client->turned_away + 1 : 0;
    client->state = COMPAT_CLIENT_DOWN;
    client->connect_at = now + client->connect_delay_ns;
    client->connect_delay_ns = MIN(client->connect_delay_ns * 2, connect_delay_max_ns);
    client->out_count = 0;
    client->received = client->held; // What was handed out stays.
    client->absorbed = 0;
    client->is_header_in = false;
    client->is_request_due = client->is_in_flight;
}

void compat_client_unsend(struct compat_client *client, u64 now)
{
    const struct iovec *out = &client->out[0];
    if (client->out_count == 0 || out->iov_len == 0) return;
    const u8 *ping = (const u8 *)&client->ping;
    const u8 *at = out->iov_base;
    if (at >= ping && at < ping + sizeof client->ping) return;
    if (at == (const u8 *)&client->request && out->iov_len == sizeof client->request) {
        client->out_count = 0;
        return;
    }
    compat_client_lost(client, now, "a request was answered while it was being sent again");
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

// The server closes connections before there is a session: another cluster, or too many of them.
static void turned_away_hint(const struct compat_client *client, struct failure *failure)
{
    char cluster[NUMBER_SIZE_MAX];
    (void)number_print_u128(client->options.cluster, cluster);
    failure_hint(failure,
                 "most likely its folder was not made with --cluster %s; what it says on standard "
                 "error tells why it closed the connection",
                 cluster);
}

static enum status turned_away_note(const struct compat_client *client, struct failure *failure)
{
    char place[ADDRESS_TEXT_SIZE];
    failure_note(failure, STATUS_NOT_FOUND, "%s takes connections and closes them at once",
                 address_print(&client->options.address, place));
    turned_away_hint(client, failure);
    return STATUS_NOT_FOUND;
}

// Nothing was heard in time: says what is likely, by how far it went.
static enum status silence_note(const struct compat_client *client, struct failure *failure)
{
    char place[ADDRESS_TEXT_SIZE];
    // Without a connection its end is the reason; with one it is past.
    const bool is_first = client->state != COMPAT_CLIENT_UP && client->problem[0] != 0;
    failure_note(failure, STATUS_TIMEOUT, "%s%sno answer from %s in time%s%s",
                 is_first ? client->problem : "", is_first ? "; " : "",
                 address_print(&client->options.address, place),
                 !is_first && client->problem[0] ? "; " : "", is_first ? "" : client->problem);
    if (client->session != 0) {
        failure_hint(
            failure,
            "if it runs, its standard error and DIR/status say more: its storage may be full, or a "
            "table at its limit (docs/OPERATING.md, \"Limits\"); then look-ups may be "
            "answered, and creates not; what was sent may still take effect");
    } else if (client->state != COMPAT_CLIENT_UP && client->turned_away == 0) {
        failure_hint(failure, "is the server running, and is this its client port?");
    } else if (client->turned_away > 0) {
        turned_away_hint(client, failure);
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
        if (compat_client_receive(client, now, failure) != STATUS_OK)
            return client_end(client, failure);
    }
    if (client->state == COMPAT_CLIENT_ENDED) {
        *failure = client->failure;
        return failure->status;
    }
    if (client->options.turned_away_max > 0 &&
        client->turned_away >= client->options.turned_away_max) {
        (void)turned_away_note(client, failure);
        return client_end(client, failure);
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

void compat_client_drop(struct compat_client *client, u32 size)
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
    compat_client_drop(client, client->held);
    client->held = 0;
}

// --- Connecting ---

static void connect_begin(struct compat_client *client, u64 now)
{
    assert(client->fd < 0);
    struct failure failure;
    client->state = COMPAT_CLIENT_CONNECTING;
    if (address_connect(&client->places, &client->fd, &failure) != STATUS_OK) {
        compat_client_lost(client, now, "%s", failure.message);
    }
}

static void connect_finish(struct compat_client *client, u64 now)
{
    struct failure failure;
    bool is_made;
    if (address_connected(&client->places, client->fd, &is_made, &failure) != STATUS_OK) {
        compat_client_lost(client, now, "%s", failure.message);
        return;
    }
    if (!is_made) return;
    client->state = COMPAT_CLIENT_UP;
    client->connection_count++;
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
            compat_client_lost(client, now, "sending: %s", strerror(errno));
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

const char *compat_client_problem(const struct compat_client *client)
{
    return client->problem;
}

u64 compat_client_wake_at(const struct compat_client *client)
{
    u64 at = U64_MAX;
    if (client->state == COMPAT_CLIENT_ENDED) return 0;
    if (client->state == COMPAT_CLIENT_DOWN) at = client->connect_at;
    if (client->state == COMPAT_CLIENT_UP) {
        // One that is due goes behind what is being sent, which waits for the socket.
        if (client->session != 0 && !client->is_ping_due) at = client->ping_at;
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
