// SPDX-License-Identifier: Apache-2.0
//
// The connection of a client: made, lost, made again; what is sent over it, and in which order.
#include "client/client_internal.h"
#include "server/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

// --- its end -------------------------------------------------------------------------------------

void client_note(struct tael_client *client, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(client->problem, sizeof client->problem, format, arguments);
    va_end(arguments);
}

// What belongs to a connection is gone with it; what was in flight waits to be sent again.
static void connection_drop(struct tael_client *client)
{
    if (client->fd >= 0) (void)close(client->fd);
    client->fd = -1;
    client->out_done += client->out_count - client->out_first;
    client->out_first = client->out_count = 0;
    client->begin = client->end = client->absorbed = 0;
    client->lent = 0; // Its bytes stay until something is received.
    client->is_header_in = client->is_unread = false;
    client->is_hello_due = client->is_ping_due = client->is_ping_sent = false;
    client->is_challenged = client->is_proof_due = false;
    for (u32 i = 0; i < client->request_max; i++) {
        struct request *request = &client->requests[i];
        if (request->state == REQUEST_GIVEN_UP) request_close(client, request);
        if (request->state != REQUEST_SENT) continue;
        request->state = REQUEST_WAITING;
        request->is_unsure = true;
        client->in_flight--;
    }
    assert(client->in_flight == 0); // T3
}

void client_end(struct tael_client *client)
{
    connection_drop(client);
    client->state = CLIENT_ENDED;
}

// Ends the client when it was turned away too often.
static void turned_away_judge(struct tael_client *client)
{
    // Who was let in before may meet a server that is stopping, and stops to be told so.
    if (client->is_welcomed && client->turned_away_text[0] == 0) return;
    if (client->turned_away < client->turned_away_max) return;
    char place[ADDRESS_TEXT_SIZE];
    (void)address_print(&client->address, place);
    if (client->turned_away_text[0] != 0) {
        (void)snprintf(client->problem, sizeof client->problem,
                       "%s does not let this client in: %s", place, client->turned_away_text);
    } else {
        (void)snprintf(client->problem, sizeof client->problem,
                       "%s takes connections and closes them at once; most likely it is not the "
                       "tael port of a server; what that says on standard error tells why",
                       place);
    }
    client_end(client);
}

void client_lost(struct tael_client *client, u64 now, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(client->lost, sizeof client->lost, format, arguments);
    va_end(arguments);
    memcpy(client->problem, client->lost, sizeof client->problem);
    const bool is_turned_away = client->state == CLIENT_GREETING;
    connection_drop(client);
    client->turned_away = is_turned_away ? client->turned_away + 1 : 0;
    client->state = CLIENT_DOWN;
    client->connect_at = now + client->connect_delay_ns;
    client->connect_delay_ns = MIN(client->connect_delay_ns * 2, CLIENT_DELAY_MAX_NS);
    if (is_turned_away) turned_away_judge(client);
}

// --- its beginning -------------------------------------------------------------------------------

static void connect_begin(struct tael_client *client, u64 now)
{
    struct failure failure;
    client->state = CLIENT_CONNECTING;
    client->heard_at = now;
    client->turned_away_text[0] = 0;
    if (address_connect(&client->places, &client->fd, &failure) != STATUS_OK) {
        client_lost(client, now, "%s", failure.message);
    }
}

static void connect_finish(struct tael_client *client, u64 now)
{
    struct failure failure;
    bool is_made;
    if (address_connected(&client->places, client->fd, &is_made, &failure) != STATUS_OK) {
        client_lost(client, now, "%s", failure.message);
        return;
    }
    if (!is_made) return;
    client->state = CLIENT_GREETING;
    client->heard_at = now;
    client->hello =
        (struct tael_hello){.principal = client->principal, .protocol_max = TAEL_PROTOCOL};
    client->hello_header = (struct tael_header){.head = {.command = TAEL_HELLO}};
    tael_header_seal(&client->hello_header, &client->hello, sizeof client->hello);
    client->is_hello_due = true;
}

void client_judge_silence(struct tael_client *client, u64 now)
{
    const u64 half = client->silence_ns / 2;
    u64 until = client->heard_at + client->silence_ns;
    if (client->state == CLIENT_DOWN || client->state == CLIENT_ENDED) return;
    if (client->state == CLIENT_UP && !client->is_ping_sent) {
        if (now < client->heard_at + half) return;
        // Who was not stepped for long has not listened for long: it asks first.
        client->is_ping_due = client->is_ping_sent = true;
        client->ping_at = now;
        return;
    }
    if (client->state == CLIENT_UP) until = client->ping_at + half;
    if (now < until) return;
    client_lost(client, now, "nothing was heard from the server for %llu ms",
                (unsigned long long)((now - client->heard_at) / NS_PER_MS));
}

void client_advance(struct tael_client *client, u64 now)
{
    if (client->state == CLIENT_DOWN && now >= client->connect_at) connect_begin(client, now);
    if (client->state == CLIENT_CONNECTING) connect_finish(client, now);
}

u64 client_connection_wake_at(const struct tael_client *client)
{
    switch (client->state) {
    case CLIENT_ENDED: return U64_MAX;
    case CLIENT_DOWN: return client->connect_at;
    case CLIENT_CONNECTING:
    case CLIENT_GREETING: return client->heard_at + client->silence_ns;
    case CLIENT_UP: break;
    }
    if (client->is_unread) return 0;
    return (client->is_ping_sent ? client->ping_at : client->heard_at) + client->silence_ns / 2;
}

// --- sending -------------------------------------------------------------------------------------

// Whether a lane may send one more.
static bool lane_is_open(const struct tael_client *client, enum lane lane, u64 now)
{
    const struct lane_state *state = &client->lanes[lane];
    if (now < state->pause_until) return false;
    if (!state->is_probing) return true;
    for (u32 i = 0; i < client->request_max; i++) {
        const struct request *request = &client->requests[i];
        if (request->state == REQUEST_SENT && request->lane == lane) return false;
    }
    return true;
}

// The request to send next, or NULL (T1).
static struct request *request_next(const struct tael_client *client, u64 now)
{
    if (client->state != CLIENT_UP || client->in_flight >= client->welcome.in_flight_max) {
        return NULL;
    }
    bool is_open[LANE_COUNT];
    for (u32 i = 0; i < LANE_COUNT; i++) is_open[i] = lane_is_open(client, (enum lane)i, now);
    struct request *next = NULL;
    for (u32 i = 0; i < client->request_max; i++) {
        struct request *request = &client->requests[i];
        if (request->state != REQUEST_WAITING || !is_open[request->lane]) continue;
        if (next == NULL || request->ticket < next->ticket) next = request;
    }
    return next;
}

bool client_has_more(const struct tael_client *client, u64 now)
{
    return client->out_count > 0 || client->is_hello_due || client->is_proof_due ||
           client->is_ping_due || request_next(client, now) != NULL;
}

// Adds a message to what is being sent; the kernel only reads it.
static void out_add(struct tael_client *client, const struct tael_header *header, const void *body)
{
    assert(client->out_count + 2 <= CLIENT_OUT_MAX);
    client->out[client->out_count++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)header, .iov_len = sizeof *header};
    const u32 size = tael_body_size(header);
    if (size == 0) return;
    client->out[client->out_count++] =
        (struct iovec){.iov_base = (void *)(uintptr_t)body, .iov_len = size};
}

// Fills `out` anew once it is empty.
static void out_fill(struct tael_client *client, u64 now)
{
    assert(client->out_first == client->out_count);
    client->out_first = client->out_count = 0;
    if (client->is_hello_due) {
        client->is_hello_due = false;
        out_add(client, &client->hello_header, &client->hello);
    }
    if (client->is_proof_due) {
        client->is_proof_due = false;
        out_add(client, &client->proof_header, &client->proof);
    }
    if (client->is_ping_due) {
        client->is_ping_due = false;
        client->ping = (struct tael_header){.head = {.command = TAEL_PING}};
        tael_header_seal(&client->ping, NULL, 0);
        out_add(client, &client->ping, NULL);
    }
    while (client->out_count + 2 <= CLIENT_OUT_MAX) {
        struct request *request = request_next(client, now);
        if (request == NULL) return;
        request->state = REQUEST_SENT;
        client->in_flight++;
        out_add(client, &request->header, request->body);
        request->out_end = client->out_done + client->out_count;
    }
}

static void out_advance(struct tael_client *client, size_t sent)
{
    while (client->out_first < client->out_count &&
           sent >= client->out[client->out_first].iov_len) {
        sent -= client->out[client->out_first++].iov_len;
        client->out_done++;
    }
    if (client->out_first == client->out_count) {
        assert(sent == 0);
        client->out_first = client->out_count = 0;
        return;
    }
    struct iovec *part = &client->out[client->out_first];
    part->iov_base = (u8 *)part->iov_base + sent;
    part->iov_len -= sent;
}

void client_send(struct tael_client *client, u64 now)
{
    while (client->state == CLIENT_GREETING || client->state == CLIENT_UP) {
        if (client->out_count == 0) out_fill(client, now);
        if (client->out_count == 0) return;
        const struct msghdr message = {.msg_iov = client->out + client->out_first,
                                       .msg_iovlen = client->out_count - client->out_first};
        const ssize_t sent = sendmsg(client->fd, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EAGAIN) return;
            if (errno == EINTR) continue;
            // The server may have said why before it closed; what it said is received first.
            if (client->state == CLIENT_GREETING && errno == EPIPE) return;
            client_lost(client, now, "sending: %s", strerror(errno));
            return;
        }
        out_advance(client, (size_t)sent);
    }
}
