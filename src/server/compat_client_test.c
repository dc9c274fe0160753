// SPDX-License-Identifier: Apache-2.0
//
// The client against a responder that breaks one rule at a time.
#include "base/base.h"

#include "ledger/ledger_types.h"
#include "server/compat_client.h"
#include "server/compat_stub.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CLUSTER         9
#define WIRE(operation) ((u8)(COMPAT_OPERATION_BASE + (operation)))

static const u64 timeout_ns = 20 * NS_PER_S;

static struct compat_client_options options_to(const struct compat_stub *stub)
{
    struct compat_client_options options = {.cluster = CLUSTER, .resend_ns = 50 * NS_PER_MS};
    struct failure failure;
    char port[12];
    (void)snprintf(port, sizeof port, "%u", compat_stub_port(stub));
    assert_int_equal(address_parse(port, &options.address, &failure), STATUS_OK);
    return options;
}

static void connect_to(struct compat_client *client, const struct compat_stub *stub)
{
    const struct compat_client_options options = options_to(stub);
    struct failure failure;
    if (compat_client_connect(client, &options, timeout_ns, &failure) != STATUS_OK) {
        fail_msg("%s", failure.message);
    }
}

// A body of `count` transfers with ids from `first`.
static u32 transfers_make(u8 *body, u32 count, u64 first)
{
    for (u32 i = 0; i < count; i++) {
        const struct transfer transfer = {
            .id = first + i,
            .debit_account_id = 1 + i % 7,
            .credit_account_id = 8,
            .amount = i + 1,
            .ledger = 2,
            .code = 1,
        };
        memcpy(body + i * sizeof transfer, &transfer, sizeof transfer);
    }
    return compat_body_finish(WIRE(COMPAT_CREATE_TRANSFERS), body, count);
}

static void check_created(const struct compat_answer *answer, u32 count)
{
    assert_int_equal(answer->batches.batch_count, 1);
    assert_int_equal(answer->batches.event_count, count);
    for (u32 i = 0; i < count; i++) {
        assert_int_equal(load_u32(answer->batches.events + 16 * i + 8), U32_MAX);
    }
}

// Sends a ping, which is otherwise due after 30 s, and waits for its pong.
static void ping_await(struct compat_client *client)
{
    struct failure failure;
    const u64 until = compat_client_now() + timeout_ns;
    compat_client_release(client);
    client->ping_at = 0;
    do {
        assert_int_equal(compat_client_step(client, &failure), STATUS_OK);
        compat_client_wait(&client, 1, until);
    } while (client->pong_count == 0 && compat_client_now() < until);
    assert_int_equal(client->pong_count, 1);
}

static void test_batches_of_all_sizes(void **state)
{
    (void)state;
    struct compat_stub *stub = compat_stub_start(CLUSTER, COMPAT_STUB_NONE, 0);
    struct compat_client client;
    connect_to(&client, stub);
    assert_int_equal(client.batch_size_limit, COMPAT_BODY_SIZE_MAX);
    assert_non_null(compat_client_answer(&client));
    u8 *body = malloc(COMPAT_BODY_SIZE_MAX);
    static const u32 counts[] = {8189, 1, 0, 100, 8189, 2};
    u64 first = 1;
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        const u32 size = transfers_make(body, counts[i], first);
        const struct compat_answer *answer;
        struct failure failure;
        assert_int_equal(compat_client_call(&client, WIRE(COMPAT_CREATE_TRANSFERS), body, size,
                                            timeout_ns, &answer, &failure),
                         STATUS_OK);
        check_created(answer, counts[i]);
        assert_true(answer->latency_ns > 0);
        first += counts[i];
    }
    // A full reply of 128-byte results.
    for (u32 i = 0; i < 8189; i++) store_u128(body + 16 * i, 1 + i);
    const u32 size = compat_body_finish(WIRE(COMPAT_LOOKUP_TRANSFERS), body, 8189);
    const struct compat_answer *answer;
    struct failure failure;
    assert_int_equal(compat_client_call(&client, WIRE(COMPAT_LOOKUP_TRANSFERS), body, size,
                                        timeout_ns, &answer, &failure),
                     STATUS_OK);
    assert_int_equal(answer->batches.event_count, 8189);
    assert_int_equal(answer->body_size, COMPAT_BODY_SIZE_MAX);
    for (u32 i = 0; i < 8189; i++) assert_true(load_u128(answer->body + 128 * i) == 1 + i);
    ping_await(&client);
    compat_client_close(&client);
    compat_stub_stop(stub);
    free(body);
}

static void test_queries(void **state)
{
    (void)state;
    struct compat_stub *stub = compat_stub_start(CLUSTER, COMPAT_STUB_NONE, 0);
    struct compat_client client;
    struct failure failure;
    const struct compat_answer *answer;
    connect_to(&client, stub);
    static u8 body[101 * 128];
    u32 size = transfers_make(body, 100, 1);
    assert_int_equal(compat_client_call(&client, WIRE(COMPAT_CREATE_TRANSFERS), body, size,
                                        timeout_ns, &answer, &failure),
                     STATUS_OK);
    // Two filters, each a batch of its own.
    for (u32 i = 0; i < 2; i++) {
        const struct account_filter filter = {.account_id = 1 + i, .limit = 3, .flags = 3};
        memcpy(body + i * sizeof filter, &filter, sizeof filter);
    }
    static const u16 counts[2] = {1, 1};
    size = compat_trailer_write(body, 2 * 128, 128, counts, 2);
    assert_int_equal(compat_client_call(&client, WIRE(COMPAT_GET_ACCOUNT_TRANSFERS), body, size,
                                        timeout_ns, &answer, &failure),
                     STATUS_OK);
    assert_int_equal(answer->batches.batch_count, 2);
    assert_int_equal(compat_batch_count(&answer->batches, 0), 3);
    assert_int_equal(compat_batch_count(&answer->batches, 1), 3);
    // An old operation without a trailer.
    store_u128(body, 5);
    size = compat_body_finish(WIRE(COMPAT_UNBATCHED_LOOKUP_ACCOUNTS), body, 1);
    assert_int_equal(size, 16);
    assert_int_equal(compat_client_call(&client, WIRE(COMPAT_UNBATCHED_LOOKUP_ACCOUNTS), body, size,
                                        timeout_ns, &answer, &failure),
                     STATUS_OK);
    assert_int_equal(answer->batches.event_count, 1);
    compat_client_close(&client);
    compat_stub_stop(stub);
}

// What goes wrong once and is mended: the answer is right, and nothing was applied twice.
static void test_mended_faults(void **state)
{
    (void)state;
    for (enum compat_stub_fault fault = COMPAT_STUB_NONE + 1; fault < COMPAT_STUB_FIRST_ENDING;
         fault++) {
        // Two replies to a register would end the client.
        for (u32 at = fault == COMPAT_STUB_TWICE ? 1 : 0; at <= 2; at++) {
            struct compat_stub *stub = compat_stub_start(CLUSTER, fault, at);
            struct compat_client client;
            connect_to(&client, stub);
            static u8 body[101 * 128];
            for (u32 i = 0; i < 4; i++) {
                const u32 size = transfers_make(body, 100, 1 + 100 * i);
                const struct compat_answer *answer;
                struct failure failure;
                if (compat_client_call(&client, WIRE(COMPAT_CREATE_TRANSFERS), body, size,
                                       timeout_ns, &answer, &failure) != STATUS_OK) {
                    fail_msg("fault %u at %u: %s", fault, at, failure.message);
                }
                check_created(answer, 100);
            }
            const bool breaks = fault >= COMPAT_STUB_CLOSE && fault <= COMPAT_STUB_WRONG_CLUSTER;
            const bool resends = fault == COMPAT_STUB_SILENT || fault == COMPAT_STUB_NO_TIMESTAMP ||
                                 fault == COMPAT_STUB_RESERVED || fault == COMPAT_STUB_OTHER_CLIENT;
            assert_int_equal(compat_stub_connections(stub), breaks ? 2 : 1);
            if (breaks || resends) assert_true(compat_stub_repeats(stub) >= 1);
            compat_client_close(&client);
            compat_stub_stop(stub);
        }
    }
}

static void test_ending_faults(void **state)
{
    (void)state;
    for (enum compat_stub_fault fault = COMPAT_STUB_FIRST_ENDING; fault < COMPAT_STUB_FAULT_COUNT;
         fault++) {
        const bool registers = fault >= COMPAT_STUB_LIMIT_ZERO;
        const enum status expected = fault == COMPAT_STUB_EVICT ? STATUS_CANCELLED : STATUS_INVALID;
        struct compat_stub *stub = compat_stub_start(CLUSTER, fault, registers ? 0 : 1);
        struct compat_client client;
        struct failure failure;
        const struct compat_client_options options = options_to(stub);
        enum status status = compat_client_connect(&client, &options, timeout_ns, &failure);
        if (!registers) {
            assert_int_equal(status, STATUS_OK);
            static u8 body[4 * 128];
            const u32 size = transfers_make(body, 3, 1);
            const struct compat_answer *answer;
            status = compat_client_call(&client, WIRE(COMPAT_CREATE_TRANSFERS), body, size,
                                        timeout_ns, &answer, &failure);
            // It stays ended.
            assert_int_equal(compat_client_step(&client, &failure), expected);
            assert_int_equal(compat_client_submit(&client, WIRE(COMPAT_CREATE_TRANSFERS), body,
                                                  size, U64_MAX, &failure),
                             expected);
            assert_false(compat_client_is_idle(&client));
            compat_client_close(&client);
        }
        if (status != expected) fail_msg("fault %u: %s", fault, status_name(status));
        if (fault == COMPAT_STUB_EVICT) // By what docs/PROTOCOL.md says.
            assert_non_null(strstr(failure.hint, "whose client is not connected"));
        compat_stub_stop(stub);
    }
}

// A server that the test plays itself, which reads when it wants to.
struct played {
    int listener;
    int fd;
    u8 *message; // Header and body.
};

static struct compat_client_options played_begin(struct played *played)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct compat_client_options options = {.cluster = CLUSTER, .resend_ns = 1};
    socklen_t size = sizeof address;
    const int small = 4096;
    played->message = aligned_alloc(16, COMPAT_MESSAGE_SIZE_MAX);
    played->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_non_null(played->message);
    // What the client sends must not fit into what the two sockets hold.
    assert_int_equal(setsockopt(played->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(bind(played->listener, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(played->listener, 4), 0);
    assert_int_equal(getsockname(played->listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(options.address.host, sizeof options.address.host, "127.0.0.1");
    (void)snprintf(options.address.port, sizeof options.address.port, "%u",
                   ntohs(address.sin_port));
    return options;
}

static void played_accept(struct played *played, struct compat_client *client)
{
    struct failure failure;
    while (client->state != COMPAT_CLIENT_UP) {
        compat_client_wait(&client, 1, U64_MAX);
        assert_int_equal(compat_client_step(client, &failure), STATUS_OK);
    }
    played->fd = accept4(played->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(played->fd >= 0);
}

// Reads a whole message, the client sending meanwhile; it must be as it was sealed.
static const struct compat_header *played_read(struct played *played, struct compat_client *client)
{
    const struct compat_header *header = (const void *)played->message;
    struct failure failure;
    u32 size = 0;
    while (size < COMPAT_HEADER_SIZE || size < header->size) {
        const u32 whole = size < COMPAT_HEADER_SIZE ? COMPAT_HEADER_SIZE : header->size;
        const ssize_t got = recv(played->fd, played->message + size, whole - size, MSG_DONTWAIT);
        if (got > 0) size += (u32)got;
        assert_int_equal(compat_client_step(client, &failure), STATUS_OK);
    }
    assert_int_equal(compat_header_check(header), COMPAT_RULE_NONE);
    assert_int_equal(compat_body_check(header, header + 1), COMPAT_RULE_NONE);
    return header;
}

static void played_answer(struct played *played, struct compat_client *client,
                          const struct compat_header *request, const void *body, u32 size)
{
    struct compat_reply fields = compat_reply_to(request, 1 + request->request.request, 1);
    struct compat_header reply;
    struct failure failure;
    compat_reply_make(&reply, &fields, body, size);
    assert_int_equal(send(played->fd, &reply, sizeof reply, MSG_NOSIGNAL), sizeof reply);
    assert_int_equal(send(played->fd, body, size, MSG_NOSIGNAL), size);
    while (compat_client_answer(client) == NULL) {
        assert_int_equal(compat_client_step(client, &failure), STATUS_OK);
    }
    assert_false(compat_client_is_sending(client));
    compat_client_release(client);
}

// A request is answered while it is sent once more: nothing of its body is read any more, and the
// next request arrives whole.
static void test_answered_while_resent(void **state)
{
    enum { COUNT = 8000 };
    (void)state;
    static const struct compat_register_reply limits = {.batch_size_limit = COMPAT_BODY_SIZE_MAX};
    const u8 operation = COMPAT_OPERATION_BASE + COMPAT_SPARSE_CREATE_TRANSFERS;
    struct played played = {.fd = -1};
    const struct compat_client_options options = played_begin(&played);
    struct compat_client client;
    struct failure failure;
    const size_t body_size_max = (COUNT + 1) * sizeof(struct transfer);
    u8 *body = calloc(1, body_size_max);
    u8 results[sizeof(u64) * 4];
    assert_non_null(body);
    const u32 results_size = compat_trailer_write(results, 0, 8, (const u16[]){0}, 1);
    assert_int_equal(compat_client_open(&client, &options, U64_MAX, &failure), STATUS_OK);
    played_accept(&played, &client);
    const struct compat_header registers = *played_read(&played, &client);
    played_answer(&played, &client, &registers, &limits, sizeof limits);
    const u32 size = transfers_make(body, COUNT, 1);
    assert_int_equal(compat_client_submit(&client, operation, body, size, U64_MAX, &failure),
                     STATUS_OK);
    struct compat_header request;
    do { // The register may have been sent more than once.
        request = *played_read(&played, &client);
    } while (request.request.operation != operation);
    while (!compat_client_is_sending(&client)) {
        assert_int_equal(compat_client_step(&client, &failure), STATUS_OK);
    }
    played_answer(&played, &client, &request, results, results_size);
    memset(body, 0xee, size); // It is the caller's again.
    (void)close(played.fd);
    played_accept(&played, &client);
    assert_int_equal(client.connection_count, 2);
    const u32 next = transfers_make(body, 1, 9);
    assert_int_equal(compat_client_submit(&client, operation, body, next, U64_MAX, &failure),
                     STATUS_OK);
    request = *played_read(&played, &client);
    assert_int_equal(request.request.request, 2);
    assert_int_equal(request.size, COMPAT_HEADER_SIZE + next);
    (void)close(played.fd);
    (void)close(played.listener);
    free(played.message);
    free(body);
    compat_client_close(&client);
}

// A ping that is due waits behind a request that the socket does not take: there is nothing to do
// until the socket says so.
static void test_ping_behind_request(void **state)
{
    (void)state;
    struct compat_stub *stub = compat_stub_start(CLUSTER, COMPAT_STUB_NONE, 0);
    struct compat_client client;
    connect_to(&client, stub);
    client.is_ping_due = true;
    client.ping_at = 1;
    assert_true(compat_client_wake_at(&client) > compat_client_now());
    compat_client_release(&client);
    ping_await(&client);
    compat_client_close(&client);
    compat_stub_stop(stub);
}

static void test_deadline(void **state)
{
    (void)state;
    struct compat_stub *stub = compat_stub_start(CLUSTER, COMPAT_STUB_SILENT, 1);
    struct compat_client_options options = options_to(stub);
    options.resend_ns = 300 * NS_PER_MS;
    struct compat_client client;
    struct failure failure;
    assert_int_equal(compat_client_connect(&client, &options, timeout_ns, &failure), STATUS_OK);
    static u8 body[2 * 128];
    const u32 size = transfers_make(body, 1, 1);
    const struct compat_answer *answer;
    assert_int_equal(compat_client_call(&client, WIRE(COMPAT_CREATE_TRANSFERS), body, size,
                                        20 * NS_PER_MS, &answer, &failure),
                     STATUS_TIMEOUT);
    assert_non_null(strstr(failure.message, "no answer from 127.0.0.1"));
    assert_non_null(strstr(failure.hint, "its storage may be full, or a table at its limit"));
    // It is still in flight, and goes on.
    assert_false(compat_client_is_idle(&client));
    client.deadline = compat_client_now() + timeout_ns;
    struct compat_client *waiting = &client;
    while (compat_client_answer(&client) == NULL) {
        compat_client_wait(&waiting, 1, U64_MAX);
        assert_int_equal(compat_client_step(&client, &failure), STATUS_OK);
    }
    assert_int_equal(compat_stub_repeats(stub), 1);
    compat_client_close(&client);

    // Another cluster, and nobody there: the reason is told.
    options.cluster = CLUSTER;
    const u32 port = compat_stub_port(stub);
    compat_stub_stop(stub);
    (void)snprintf(options.address.port, sizeof options.address.port, "%u", port);
    assert_int_equal(compat_client_connect(&client, &options, 200 * NS_PER_MS, &failure),
                     STATUS_TIMEOUT);
    assert_ptr_equal(strstr(failure.message, "connecting: Connection refused; no answer"),
                     failure.message);
    assert_non_null(strstr(failure.hint, "is the server running"));
    (void)snprintf(options.address.host, sizeof options.address.host, "no.such.host.invalid");
    assert_int_equal(compat_client_connect(&client, &options, 200 * NS_PER_MS, &failure),
                     STATUS_NOT_FOUND);
}

// A server that closes connections before there is a session is of another cluster.
static void test_turned_away(void **state)
{
    (void)state;
    for (u32 max = 1; max <= 2; max++) {
        struct compat_stub *stub = compat_stub_start(CLUSTER, COMPAT_STUB_CLOSE, 0);
        struct compat_client_options options = options_to(stub);
        struct compat_client client;
        struct failure failure;
        options.turned_away_max = max;
        // The stub closes once.
        const enum status status = compat_client_connect(&client, &options, timeout_ns, &failure);
        assert_int_equal(status, max == 1 ? STATUS_NOT_FOUND : STATUS_OK);
        if (status == STATUS_OK) {
            assert_int_equal(client.turned_away, 1);
            compat_client_close(&client);
        } else {
            assert_non_null(strstr(failure.message, "takes connections and closes them"));
            assert_non_null(strstr(failure.hint, "not made with --cluster 9"));
        }
        compat_stub_stop(stub);
    }
}

static void test_malformed_body_is_sent(void **state)
{
    (void)state;
    struct compat_stub *stub = compat_stub_start(CLUSTER, COMPAT_STUB_NONE, 0);
    struct compat_client client;
    struct failure failure;
    const struct compat_answer *answer;
    connect_to(&client, stub);
    assert_int_equal(compat_client_call(&client, WIRE(COMPAT_CREATE_TRANSFERS), "abc", 3,
                                        timeout_ns, &answer, &failure),
                     STATUS_CANCELLED);
    compat_client_close(&client);
    compat_stub_stop(stub);
}

enum { LOOP_CLIENTS = 64, LOOP_ROUNDS = 20, LOOP_EVENTS = 50 };

// Many clients in one loop.
static void test_loop(void **state)
{
    (void)state;
    struct compat_stub *stub = compat_stub_start(CLUSTER, COMPAT_STUB_CLOSE, 3);
    const struct compat_client_options options = options_to(stub);
    static struct compat_client clients[LOOP_CLIENTS];
    static struct compat_client *all[LOOP_CLIENTS];
    static u8 bodies[LOOP_CLIENTS][(LOOP_EVENTS + 1) * 128];
    u32 rounds[LOOP_CLIENTS] = {0};
    struct failure failure;
    const u64 deadline = compat_client_now() + timeout_ns;
    for (u32 i = 0; i < LOOP_CLIENTS; i++) {
        all[i] = &clients[i];
        assert_int_equal(compat_client_open(&clients[i], &options, deadline, &failure), STATUS_OK);
    }
    u32 done = 0;
    while (done < LOOP_CLIENTS) {
        compat_client_wait(all, LOOP_CLIENTS, U64_MAX);
        for (u32 i = 0; i < LOOP_CLIENTS; i++) {
            if (rounds[i] > LOOP_ROUNDS || !compat_client_is_due(&clients[i])) continue;
            assert_int_equal(compat_client_step(&clients[i], &failure), STATUS_OK);
            const struct compat_answer *answer = compat_client_answer(&clients[i]);
            if (answer == NULL) continue;
            if (rounds[i] > 0) check_created(answer, LOOP_EVENTS);
            if (rounds[i]++ == LOOP_ROUNDS) {
                compat_client_release(&clients[i]);
                done++;
                continue;
            }
            const u32 size = transfers_make(bodies[i], LOOP_EVENTS, 1);
            assert_int_equal(compat_client_submit(&clients[i], WIRE(COMPAT_CREATE_TRANSFERS),
                                                  bodies[i], size, deadline, &failure),
                             STATUS_OK);
        }
    }
    assert_int_equal(compat_stub_connections(stub), LOOP_CLIENTS + 1);
    for (u32 i = 0; i < LOOP_CLIENTS; i++) compat_client_close(&clients[i]);
    compat_stub_stop(stub);
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port; // Without a host: refused.
    } rows[] = {
        {"3000", "127.0.0.1", "3000"},
        {"example.com:1", "example.com", "1"},
        {"[::1]:65535", "::1", "65535"},
        {"[fe80::1%eth0]:80", "fe80::1%eth0", "80"},
        {"::1:80", NULL, NULL},
        {"[unix]:80", NULL, NULL}, // Would be printed as a socket's path.
        {"[[::1]]:80", NULL, NULL},
        {"[::1:80", NULL, NULL},
        {"a]:80", NULL, NULL},
        {"[]:80", NULL, NULL},
        {"", NULL, NULL},
        {":80", NULL, NULL},
        {"a:", NULL, NULL},
        {"a:0", NULL, NULL},
        {"a:65536", NULL, NULL},
        {"a:123456", NULL, NULL},
        {"a:1x", NULL, NULL},
        {"unix:/run/tael/socket", "/run/tael/socket", ""},
        {"unix:a:1", "a:1", ""},
        {"unix:", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct address address;
        struct failure failure;
        const enum status status = address_parse(rows[i].text, &address, &failure);
        assert_int_equal(status, rows[i].host != NULL ? STATUS_OK : STATUS_INVALID);
        if (status != STATUS_OK) continue;
        assert_string_equal(address.host, rows[i].host);
        assert_string_equal(address.port, rows[i].port);
        char text[ADDRESS_TEXT_SIZE];
        const bool is_short = strcmp(rows[i].text, "3000") == 0;
        assert_string_equal(address_print(&address, text),
                            is_short ? "127.0.0.1:3000" : rows[i].text);
    }
}

// The example of the protocol's description: transfers in batches of 8, 1, 0 and 4.
static void test_reply_decode(void **state)
{
    (void)state;
    const struct compat_operation *operation = compat_operation(WIRE(COMPAT_CREATE_TRANSFERS));
    static u8 request_body[14 * 128], body[15 * 16];
    static const u16 counts[4] = {8, 1, 0, 4};
    static const u8 trailer[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 4, 0,
                                   0,    0,    1,    0,    8,    0,    4, 0};
    struct compat_batches request, out;
    u32 size = compat_trailer_write(request_body, 13 * 128, 128, counts, 4);
    assert_true(compat_decode(operation, request_body, size, &request));
    memcpy(body + 13 * 16, trailer, 16);
    size = 14 * 16;
    assert_true(compat_reply_decode(operation, &request, body, size, &out));
    assert_int_equal(out.event_count, 13);
    for (u32 i = 0; i < 4; i++) assert_int_equal(compat_batch_count(&out, i), counts[i]);
    // Any one byte of the trailer changed, and other sizes.
    for (u32 i = 13 * 16; i < size; i++) {
        body[i] ^= 1;
        assert_false(compat_reply_decode(operation, &request, body, size, &out));
        body[i] ^= 1;
    }
    for (u32 other = 0; other <= sizeof body; other++) {
        if (other == size) continue;
        assert_false(compat_reply_decode(operation, &request, body, other, &out));
    }
    // A look-up without a hit still has its trailer.
    operation = compat_operation(WIRE(COMPAT_LOOKUP_ACCOUNTS));
    size = compat_body_finish(WIRE(COMPAT_LOOKUP_ACCOUNTS), request_body, 1);
    assert_int_equal(size, 32);
    assert_true(compat_decode(operation, request_body, size, &request));
    static u8 none[128];
    memset(none, 0xff, sizeof none);
    memcpy(none + 124, "\x00\x00\x01\x00", 4);
    assert_true(compat_reply_decode(operation, &request, none, 128, &out));
    assert_int_equal(out.event_count, 0);
    assert_false(compat_reply_decode(operation, &request, none, 0, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_reply_decode),
        cmocka_unit_test(test_batches_of_all_sizes),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_mended_faults),
        cmocka_unit_test(test_ending_faults),
        cmocka_unit_test(test_answered_while_resent),
        cmocka_unit_test(test_ping_behind_request),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_turned_away),
        cmocka_unit_test(test_malformed_body_is_sent),
        cmocka_unit_test(test_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
