// SPDX-License-Identifier: Apache-2.0
//
// Clients that judge what they are answered.
#include "server_client.h"

#include "fuzz.h"

#include "base/checksum.h"
#include "codec/record_binary.h"
#include "machine/changes.h"
#include "machine/commit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PRINCIPAL_OF_KEY 5u
#define RELEASE          compat_release(0, 17, 9)

void client_init(struct client *client, enum client_kind kind)
{
    memset(client, 0, sizeof *client);
    client->kind = kind;
    client->fd = -1;
    client->out = fuzz_room(CLIENT_OUT_SIZE);
    client->in = fuzz_room(CLIENT_IN_SIZE);
}

void client_close(struct client *client)
{
    if (client->fd >= 0) (void)close(client->fd);
    client->fd = -1;
    client->is_in = false;
    client->is_dirty = false;
    client->is_slow = false;
    client->out_size = 0;
    client->out_sent = 0;
    client->out_let = 0;
    client->in_size = 0;
    client->pending_count = 0;
    client->request_checksum = 0;
}

void client_free(struct client *client)
{
    client_close(client);
    free(client->out);
    free(client->in);
}

// --- sending -------------------------------------------------------------------------------------

bool client_has_room(const struct client *client, size_t size)
{
    return client->pending_count < CLIENT_PENDING_MAX / 2 &&
           CLIENT_OUT_SIZE - client->out_size >= size;
}

static void out_put(struct client *client, const void *bytes, size_t size)
{
    FUZZ_CHECK(CLIENT_OUT_SIZE - client->out_size >= size);
    if (size > 0) memcpy(client->out + client->out_size, bytes, size);
    client->out_size += size;
}

void client_put_bytes(struct client *client, const void *bytes, size_t size)
{
    client->is_dirty = true;
    out_put(client, bytes, size);
}

void client_put_tael(struct clients *clients, struct client *client, struct tael_header *header,
                     const void *body, u32 size)
{
    const u8 kind = header->head.command;
    header->correlation = ++clients->correlation;
    tael_header_seal(header, body, size);
    if (kind == TAEL_COMMAND || kind == TAEL_QUESTION || kind == TAEL_PING) {
        const u32 wait = header->record == changes_schema_changes.number && size >= 12
                             ? load_u32((const u8 *)body + 8)
                             : 0;
        client->pending[client->pending_count++] = (struct pending){
            .correlation = header->correlation,
            .record = header->record,
            .count = header->count,
            .kind = kind,
            .may_wait = wait > 0,
        };
    }
    out_put(client, header, sizeof *header);
    out_put(client, body, size);
}

void client_put_compat(struct client *client, u8 operation, const void *body, u32 size)
{
    const bool registers = operation == COMPAT_OPERATION_REGISTER;
    struct compat_header header = {
        .release = RELEASE,
        .command = COMPAT_COMMAND_REQUEST,
        .request = {.client = client->id,
                    .parent = registers ? 0 : client->parent,
                    .session = registers ? 0 : client->session,
                    .request = registers ? 0 : client->request + 1,
                    .operation = operation},
    };
    FUZZ_CHECK(client->request_checksum == 0);
    compat_header_seal(&header, body, size);
    client->request_checksum = header.checksum;
    out_put(client, &header, sizeof header);
    out_put(client, body, size);
}

static void out_send(struct client *client)
{
    while (client->fd >= 0 && client->out_sent < client->out_let) {
        const ssize_t put = send(client->fd, client->out + client->out_sent,
                                 client->out_let - client->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put <= 0) break; // Whether the server has closed it is seen by reading.
        client->out_sent += (size_t)put;
    }
    if (client->out_sent < client->out_size) return;
    client->out_size = 0;
    client->out_sent = 0;
    client->out_let = 0;
}

// --- receiving: the tael port --------------------------------------------------------------------

// Views lie one behind the other at multiples of 16, as many as the header says.
static void views_check(const struct tael_header *header, const u8 *body, u32 size)
{
    const struct schema_record *record = header->record == changes_schema_change.number
                                             ? &changes_schema_change
                                             : module_record_of(header->record);
    u64 at = 0;
    FUZZ_CHECK(record != NULL || header->count == 0);
    for (u32 i = 0; i < header->count; i++) {
        FUZZ_CHECK(at + record->size <= size);
        at = align_up(at + record_binary_size(record, body + at), 16);
    }
    FUZZ_CHECK(at == size);
}

// Each refusal is one that the module knows; the command's place is one that there is.
static void replies_check(struct client *client, const struct pending *asked,
                          const struct tael_header *header, const u8 *body, u32 size)
{
    FUZZ_CHECK(header->count == asked->count);
    client->is_refused = true;
    if (compat_of_record(asked->record) != NULL) {
        FUZZ_CHECK(size == header->count * sizeof(struct create_result));
        for (u32 i = 0; i < header->count; i++) {
            struct create_result result;
            memcpy(&result, body + i * sizeof result, sizeof result);
            if (result.status == U32_MAX) client->is_refused = false;
        }
        return;
    }
    FUZZ_CHECK(size == header->count * sizeof(struct command_reply));
    for (u32 i = 0; i < header->count; i++) {
        struct command_reply reply;
        memcpy(&reply, body + i * sizeof reply, sizeof reply);
        if (reply.result == MODULE_DONE) client->is_refused = false;
        else FUZZ_CHECK(module_result_of(module_of_record(asked->record), reply.result) != NULL);
        FUZZ_CHECK(reply.position <= header->position && reply.reserved == 0);
    }
}

static void answer_check(struct clients *clients, struct client *client,
                         const struct tael_header *header, const u8 *body, u32 size)
{
    u32 place = 0;
    while (place < client->pending_count &&
           client->pending[place].correlation != header->correlation) {
        place++;
    }
    if (place == client->pending_count && client->is_dirty) return; // To who knows what.
    FUZZ_CHECK(place < client->pending_count);
    const struct pending asked = client->pending[place];
    client->pending[place] = client->pending[--client->pending_count];
    client->answers++;
    // One that waited for changes is answered at any time, between others.
    if (!asked.may_wait) {
        client->answer = *header;
        client->answer_sum = checksum(body, size);
        memcpy(client->answer_body, body, MIN(size, (u32)sizeof client->answer_body));
        client->is_refused = true;
    }
    if (asked.kind == TAEL_PING) {
        FUZZ_CHECK(header->head.command == TAEL_PONG && size == 0);
        return;
    }
    FUZZ_CHECK(header->head.command == TAEL_REPLY || asked.kind == TAEL_QUESTION);
    FUZZ_CHECK(tael_status_text(header->status) != NULL);
    FUZZ_CHECK(header->position <= clients->world->node.machine.position);
    if (header->status == TAEL_REFUSED) {
        FUZZ_CHECK(asked.kind == TAEL_QUESTION && size == sizeof(struct command_reply));
    } else if (header->status != TAEL_DONE) {
        FUZZ_CHECK(size > 0 && size <= 256);
    } else if (asked.kind == TAEL_COMMAND) {
        replies_check(client, &asked, header, body, size);
    } else {
        FUZZ_CHECK(header->head.command == TAEL_ANSWER);
        views_check(header, body, size);
    }
}

// Proves that it is principal 5.
static void challenge_answer(struct clients *clients, struct client *client, const u8 *body)
{
    struct tael_challenge challenge;
    u8 seed[SIGNATURE_SEED_SIZE];
    struct tael_proof proof = {.nonce = "a nonce of the client's own"};
    struct tael_header header = {.head = {.command = TAEL_PROOF}};
    memcpy(&challenge, body, sizeof challenge);
    for (u32 i = 0; i < sizeof seed; i++) seed[i] = (u8)i;
    const struct tael_statement statement =
        tael_statement_of(&challenge, PRINCIPAL_OF_KEY, proof.nonce);
    signature_make(seed, &statement, sizeof statement, proof.signature);
    client_put_tael(clients, client, &header, &proof, sizeof proof);
    client->out_let = client->out_size;
}

static u32 tael_take(struct clients *clients, struct client *client, const u8 *bytes, size_t left)
{
    struct tael_header header;
    bool is_fatal = false;
    if (left < sizeof header) return 0;
    memcpy(&header, bytes, sizeof header);
    FUZZ_CHECK(tael_header_is_whole(&header) && tael_header_check(&header, &is_fatal) == NULL);
    if (left < header.head.size) return 0;
    const u32 size = tael_body_size(&header);
    const u8 *body = bytes + sizeof header;
    FUZZ_CHECK(checksum(body, size) == header.head.checksum_body);
    switch (header.head.command) {
    case TAEL_CHALLENGE:
        FUZZ_CHECK(client->kind != CLIENT_OPERATOR && size == sizeof(struct tael_challenge));
        if (client->kind == CLIENT_KEY) challenge_answer(clients, client, body);
        break;
    case TAEL_WELCOME:
        FUZZ_CHECK(header.status != TAEL_DONE || size == sizeof(struct tael_welcome));
        FUZZ_CHECK(header.status == TAEL_DONE || client->kind != CLIENT_OPERATOR);
        client->is_in = header.status == TAEL_DONE;
        break;
    default: answer_check(clients, client, &header, body, size);
    }
    return header.head.size;
}

// --- receiving: the compat port ------------------------------------------------------------------

static u32 compat_take(struct client *client, const u8 *bytes, size_t left)
{
    struct compat_header header;
    if (left < sizeof header) return 0;
    memcpy(&header, bytes, sizeof header);
    FUZZ_CHECK(compat_header_check(&header) == COMPAT_RULE_NONE);
    if (left < header.size) return 0;
    FUZZ_CHECK(compat_body_check(&header, bytes + sizeof header) == COMPAT_RULE_NONE);
    if (header.command == COMPAT_COMMAND_EVICTION) {
        client->is_dirty = true; // It has to register anew.
        client->request_checksum = 0;
    }
    const bool is_reply = header.command == COMPAT_COMMAND_REPLY;
    FUZZ_CHECK(is_reply || header.command == COMPAT_COMMAND_EVICTION ||
               header.command == COMPAT_COMMAND_PONG_CLIENT);
    if (!is_reply || client->is_dirty) return header.size;
    FUZZ_CHECK(header.reply.client == client->id);
    FUZZ_CHECK(header.reply.request_checksum == client->request_checksum);
    if (header.reply.operation == COMPAT_OPERATION_REGISTER) {
        client->session = header.reply.commit;
        client->is_in = true;
    }
    client->request = header.reply.request;
    client->parent = header.reply.context;
    client->request_checksum = 0;
    client->reply_size = compat_body_size(&header);
    memcpy(client->answer_body, bytes + sizeof header,
           MIN(client->reply_size, (u32)sizeof client->answer_body));
    return header.size;
}

// --- rounds --------------------------------------------------------------------------------------

// The server closed it: it may, who sent nonsense, who is no principal (any more), who was turned
// away.
static void closed_note(struct client *client)
{
    FUZZ_CHECK(client->is_dirty || client->kind == CLIENT_KEY || client->kind == CLIENT_STRANGER);
    client_close(client);
}

static void receive(struct clients *clients, struct client *client)
{
    while (client->fd >= 0 && !client->is_slow) {
        const ssize_t got = recv(client->fd, client->in + client->in_size,
                                 CLIENT_IN_SIZE - client->in_size, MSG_DONTWAIT);
        const bool is_gone = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
        if (!is_gone && got < 0) return;
        if (!is_gone) client->in_size += (size_t)got;
        size_t at = 0;
        for (u32 taken = 1; taken > 0; at += taken) {
            taken = client->kind == CLIENT_PLAIN
                        ? compat_take(client, client->in + at, client->in_size - at)
                        : tael_take(clients, client, client->in + at, client->in_size - at);
        }
        memmove(client->in, client->in + at, client->in_size - at);
        client->in_size -= at;
        if (is_gone) closed_note(client);
    }
}

void clients_step(struct clients *clients, int wait_ms)
{
    for (u32 i = 0; i < clients->count; i++) out_send(&clients->items[i]);
    world_step(clients->world, wait_ms);
    for (u32 i = 0; i < clients->count; i++) receive(clients, &clients->items[i]);
}

static bool is_awaited(const struct client *client)
{
    if (client->fd < 0 || client->is_dirty) return false;
    if (client->out_sent < client->out_size || client->request_checksum != 0) return true;
    for (u32 i = 0; i < client->pending_count; i++) {
        if (!client->pending[i].may_wait) return true;
    }
    return false;
}

void client_await(struct clients *clients, struct client *client)
{
    client->is_slow = false;
    for (u32 i = 0; is_awaited(client); i++) {
        FUZZ_CHECK(i < WORLD_ROUNDS_MAX);
        client->out_let = client->out_size;
        clients_step(clients, i < 4 ? 0 : 1);
    }
}

static void hello_put(struct clients *clients, struct client *client)
{
    const struct tael_hello hello = {.protocol_max = TAEL_PROTOCOL,
                                     .principal =
                                         client->kind == CLIENT_KEY ? PRINCIPAL_OF_KEY : 0};
    struct tael_header header = {.head = {.command = TAEL_HELLO}};
    client_put_tael(clients, client, &header, &hello, sizeof hello);
}

void client_open(struct clients *clients, struct client *client)
{
    static const u8 nothing[COMPAT_REGISTER_REQUEST_SIZE];
    client_close(client);
    client->fd = world_connect(clients->world, client->kind == CLIENT_PLAIN);
    if (client->kind == CLIENT_STRANGER) return;
    if (client->kind == CLIENT_PLAIN) {
        client->id = ++clients->id;
        clients->world->plain_clients++;
        client_put_compat(client, COMPAT_OPERATION_REGISTER, nothing, sizeof nothing);
    } else {
        hello_put(clients, client);
    }
    // Who has a key may be turned away, when its principal is closed by now.
    for (u32 i = 0; client->fd >= 0 && !client->is_in; i++) {
        FUZZ_CHECK(i < WORLD_ROUNDS_MAX);
        client->out_let = client->out_size;
        clients_step(clients, i < 4 ? 0 : 1);
    }
    FUZZ_CHECK(client->is_in || client->kind == CLIENT_KEY);
}
