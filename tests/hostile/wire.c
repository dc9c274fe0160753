// SPDX-License-Identifier: Apache-2.0
//
// The hostile side of a port.
#include "wire.h"

#include "base/checksum.h"
#include "base/random.h"
#include "ledger/ledger_types.h"
#include "modules/entity/entity.h"
#include "server/address.h"
#include "server/compat_body.h"
#include "server/compat_client.h"
#include "server/compat_message.h"
#include "server/tael_message.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_NS   (60 * NS_PER_S)
#define POLL_MS   100
#define WORD_SIZE 64u
// Connections that are made before the server is waited for, and how many it has at most.
#define AT_ONCE    64u
#define SERVER_MAX 256u
// Records of the tael port.
#define RAW_TRANSFERS 0x0102u
#define CALENDAR_OPEN 0x0202u
#define ENTITY_LIST   0x0220u

// Fields of a header, of both protocols or of one.
static const struct {
    const char *name;
    u32 offset;
    u32 size;
} fields[] = {
    {"padding", 16, 8},     {"body_padding", 48, 8},
    {"nonce", 64, 8},       {"cluster", 80, 8},
    {"size", 96, 4},        {"epoch", 100, 4},
    {"view", 104, 4},       {"release", 108, 4},
    {"protocol", 112, 2},   {"command", 114, 1},
    {"replica", 115, 1},    {"reserved", 116, 1},
    {"parent", 128, 8},     {"parent_padding", 144, 8},
    {"client", 160, 8},     {"session", 176, 8},
    {"timestamp", 184, 8},  {"request", 192, 4},
    {"operation", 196, 1},  {"reserved_operation", 197, 1},
    {"latency", 200, 4},    {"reserved_2", 204, 1},
    {"command_id", 128, 8}, {"record", 152, 4},
    {"version", 156, 2},    {"flags", 158, 2},
    {"count", 160, 4},      {"status", 164, 4},
    {"position", 168, 8},   {"time", 176, 8},
    {"expires_at", 184, 8}, {"cursor", 192, 8},
    {"principal", 224, 8},  {"reserved_3", 232, 1},
};

void wire_init(struct wire *wire, enum wire_port port, const char *address, u64 seed)
{
    struct random random;
    *wire = (struct wire){.port = port, .address = address, .seed = seed};
    random_init(&random, seed);
    wire->client = random_u64(&random) | 1;
    wire->descriptors = malloc(WIRE_CONNECTIONS_MAX * sizeof *wire->descriptors);
    wire->message = aligned_alloc(PAGE_SIZE, WIRE_MESSAGE_MAX);
    assert(wire->descriptors != NULL && wire->message != NULL);
}

void wire_free(struct wire *wire)
{
    for (u32 i = 0; i < wire->count; i++) {
        if (wire->descriptors[i] >= 0) (void)close(wire->descriptors[i]);
    }
    free(wire->descriptors);
    free(wire->message);
}

// --- connections ---------------------------------------------------------------------------------

bool wire_number(const char *text, const char *word, u32 *out)
{
    const size_t length = strlen(word);
    char *end = NULL;
    if (strncmp(text, word, length) != 0 || text[length] != ' ') return false;
    *out = (u32)strtoul(text + length + 1, &end, 10);
    return end != text + length + 1 && *end == 0;
}

static u32 open_count(const struct wire *wire);

// Waits until the server has let go of all but `most` connections; false when it does not.
static bool crowd_await(const struct wire *wire, u32 most)
{
    const u64 until = compat_client_now() + WAIT_NS;
    while (open_count(wire) > most) {
        if (compat_client_now() >= until) return false;
        (void)poll(NULL, 0, 1);
    }
    return true;
}

// So many at a time as the queue of the kernel has room for: one that it dropped would look made
// from here though the server never heard of it.
static bool wire_connect(struct wire *wire, u32 count, struct failure *failure)
{
    struct address address;
    struct address_places places;
    if (address_parse(wire->address, &address, failure) != STATUS_OK ||
        address_look_up(&address, &places, failure) != STATUS_OK) {
        return false;
    }
    for (u32 i = 0; i < count && wire->count < WIRE_CONNECTIONS_MAX; i++) {
        const int fd = socket(places.items[0].ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 ||
            connect(fd, (const struct sockaddr *)&places.items[0], places.sizes[0]) != 0) {
            failure_set_errno(failure, STATUS_IO, errno, "connection %u", i);
            if (fd >= 0) (void)close(fd);
            return false;
        }
        wire->descriptors[wire->count++] = fd;
        if (wire->count % AT_ONCE == 0 && !crowd_await(wire, SERVER_MAX)) {
            failure_set(failure, STATUS_INVALID, "more than %u connections are open", SERVER_MAX);
            return false;
        }
    }
    return true;
}

// Sends to every connection. One that the server closed takes nothing, which is no failure; nor is
// one whose server reads no more.
static void wire_send(struct wire *wire, const u8 *bytes, u32 size)
{
    for (u32 i = 0; i < wire->count; i++) {
        u32 sent = 0;
        const u64 until = compat_client_now() + WAIT_NS / 30;
        while (wire->descriptors[i] >= 0 && sent < size && compat_client_now() < until) {
            const ssize_t put =
                send(wire->descriptors[i], bytes + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (put >= 0) {
                sent += (u32)put;
                continue;
            }
            if (errno != EAGAIN && errno != EINTR) break;
            struct pollfd ready = {.fd = wire->descriptors[i], .events = POLLOUT};
            (void)poll(&ready, 1, POLL_MS);
        }
    }
}

// Receives so many bytes of a connection. Returns how many came: fewer when it was closed, or
// nothing more came until `until`; then `*is_closed` tells.
static u32 wire_receive(int fd, u8 *out, u32 size, u64 until, bool *is_closed)
{
    u32 got = 0;
    *is_closed = fd < 0;
    while (!*is_closed && got < size) {
        const ssize_t some = recv(fd, out + got, size - got, MSG_DONTWAIT);
        if (some > 0) {
            got += (u32)some;
        } else if (some == 0 || (errno != EAGAIN && errno != EINTR)) {
            *is_closed = true;
        } else {
            if (compat_client_now() >= until) break;
            struct pollfd ready = {.fd = fd, .events = POLLIN};
            (void)poll(&ready, 1, POLL_MS);
        }
    }
    return got;
}

// A whole message; false when the connection was closed or is silent.
static bool message_receive(const struct wire *wire, u8 *out, u64 until, bool *is_closed)
{
    if (wire->count == 0) return false;
    const int fd = wire->descriptors[0];
    if (wire_receive(fd, out, MESSAGE_HEADER_SIZE, until, is_closed) < MESSAGE_HEADER_SIZE) {
        return false;
    }
    struct message_head head;
    memcpy(&head, out, sizeof head);
    if (head.size < MESSAGE_HEADER_SIZE || head.size > COMPAT_MESSAGE_SIZE_MAX) return false;
    const u32 rest = head.size - MESSAGE_HEADER_SIZE;
    return wire_receive(fd, out + MESSAGE_HEADER_SIZE, rest, until, is_closed) == rest;
}

// --- messages ------------------------------------------------------------------------------------

// Makes the checksums right: of the body, then of the header.
static void message_seal(u8 *message, u32 size)
{
    const u128 body = checksum(message + MESSAGE_HEADER_SIZE, size - MESSAGE_HEADER_SIZE);
    memcpy(message + offsetof(struct message_head, checksum_body), &body, sizeof body);
    const u128 head = checksum(message + 16, MESSAGE_HEADER_SIZE - 16);
    memcpy(message, &head, sizeof head);
}

static u32 transfers_put(u8 *body, u32 count)
{
    for (u32 i = 0; i < count; i++) { // Between accounts that are not there: refused, and logged.
        const struct transfer transfer = {.id = ((u128)7 << 64) + i + 1,
                                          .debit_account_id = 77,
                                          .credit_account_id = 78,
                                          .amount = 1,
                                          .ledger = 1,
                                          .code = 1};
        memcpy(body + (size_t)i * sizeof transfer, &transfer, sizeof transfer);
    }
    return count * (u32)sizeof(struct transfer);
}

// A request of the session that makes sense: the word says which.
static bool compat_make(struct wire *wire, const char *what)
{
    struct compat_header *header = (void *)wire->message;
    u8 *body = wire->message + MESSAGE_HEADER_SIZE;
    u32 size = 0;
    *header =
        (struct compat_header){.release = COMPAT_CLIENT_RELEASE, .command = COMPAT_COMMAND_REQUEST};
    header->request.client = wire->client;
    header->request.session = wire->session;
    header->request.parent = wire->parent;
    header->request.request = wire->request + 1;
    if (strcmp(what, "ping") == 0) {
        header->command = COMPAT_COMMAND_PING_CLIENT;
        memset(header->part, 0, sizeof header->part);
        header->ping.client = wire->client;
        header->ping.ping_timestamp = 1;
    } else if (strcmp(what, "register") == 0) {
        memset(&header->request, 0, sizeof header->request);
        header->request.client = wire->client;
        header->request.operation = COMPAT_OPERATION_REGISTER;
        size = COMPAT_REGISTER_REQUEST_SIZE;
        memset(body, 0, size);
    } else if (strcmp(what, "transfers") == 0 || strcmp(what, "full") == 0) {
        const u32 count = strcmp(what, "full") == 0 ? LEDGER_BATCH_EVENTS_MAX : 1;
        header->request.operation = COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS;
        (void)transfers_put(body, count);
        size = compat_body_finish(header->request.operation, body, count);
    } else if (strcmp(what, "lookup") == 0) {
        header->request.operation = COMPAT_OPERATION_BASE + COMPAT_LOOKUP_ACCOUNTS;
        store_u128(body, 1);
        size = compat_body_finish(header->request.operation, body, 1);
    } else {
        return false;
    }
    wire->size = MESSAGE_HEADER_SIZE + size;
    return true;
}

static bool tael_make(struct wire *wire, const char *what)
{
    struct tael_header *header = (void *)wire->message;
    u8 *body = wire->message + MESSAGE_HEADER_SIZE;
    u32 size = 0;
    memset(header, 0, sizeof *header);
    header->head.protocol = TAEL_PROTOCOL;
    header->version = 1;
    header->count = 1;
    header->command_id = wire->seed << 32 | ++wire->request;
    if (strcmp(what, "hello") == 0) {
        const struct tael_hello hello = {.protocol_max = TAEL_PROTOCOL};
        *header = (struct tael_header){.head = {.protocol = TAEL_PROTOCOL, .command = TAEL_HELLO}};
        size = sizeof hello;
        memcpy(body, &hello, size);
    } else if (strcmp(what, "ping") == 0) {
        *header = (struct tael_header){.head = {.protocol = TAEL_PROTOCOL, .command = TAEL_PING}};
    } else if (strcmp(what, "proof") == 0) {
        *header = (struct tael_header){.head = {.protocol = TAEL_PROTOCOL, .command = TAEL_PROOF}};
        size = sizeof(struct tael_proof);
        memset(body, 0, size);
    } else if (strcmp(what, "command") == 0) {
        struct calendar_open open = {.weekend = 96};
        (void)snprintf(open.calendar, sizeof open.calendar, "C%llu",
                       (unsigned long long)(wire->seed % 100000));
        header->head.command = TAEL_COMMAND;
        header->record = CALENDAR_OPEN;
        size = sizeof open;
        memcpy(body, &open, size);
    } else if (strcmp(what, "transfers") == 0 || strcmp(what, "full") == 0) {
        header->head.command = TAEL_COMMAND;
        header->record = RAW_TRANSFERS;
        header->count = strcmp(what, "full") == 0 ? LEDGER_BATCH_EVENTS_MAX : 1;
        size = transfers_put(body, header->count);
    } else if (strcmp(what, "question") == 0) {
        header->head.command = TAEL_QUESTION;
        header->record = ENTITY_LIST;
        header->command_id = 0;
        size = sizeof(struct entity_list);
        memset(body, 0, size);
    } else {
        return false;
    }
    wire->size = MESSAGE_HEADER_SIZE + size;
    return true;
}

struct sending {
    u32 cut;            // Bytes that are sent; the rest is not.
    u32 extra;          // Noise behind.
    u32 drip;           // Bytes a send; 0 all at once.
    bool is_wrong;      // The header's checksum,
    bool is_body_wrong; // or the body's, by a body that is another.
};

// A word `NAME=VALUE` of a send. What is put into the header is sealed behind it.
static bool word_apply(struct wire *wire, const char *word, struct sending *sending)
{
    const char *equals = strchr(word, '=');
    if (strcmp(word, "checksum=wrong") == 0) return sending->is_wrong = true;
    if (strcmp(word, "body=wrong") == 0) return sending->is_body_wrong = true;
    if (equals == NULL) return false;
    const u64 value = strtoull(equals + 1, NULL, 0);
    const size_t length = (size_t)(equals - word);
    if (strncmp(word, "cut", length) == 0) sending->cut = (u32)value;
    else if (strncmp(word, "extra", length) == 0) sending->extra = (u32)value;
    else if (strncmp(word, "drip", length) == 0) sending->drip = (u32)value;
    else if (strncmp(word, "body", length) == 0 || strncmp(word, "noise", length) == 0) {
        struct random random;
        random_init(&random, wire->seed);
        if (value > COMPAT_BODY_SIZE_MAX) return false;
        wire->size = MESSAGE_HEADER_SIZE + (u32)value;
        for (u64 i = 0; i < value; i++) {
            wire->message[MESSAGE_HEADER_SIZE + i] = word[0] == 'b' ? 0 : (u8)random_u64(&random);
        }
    } else {
        for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
            if (strlen(fields[i].name) != length || strncmp(word, fields[i].name, length) != 0) {
                continue;
            }
            memcpy(wire->message + fields[i].offset, &value, fields[i].size);
            return true;
        }
        // "at:12=7": a byte of the body.
        char *end = NULL;
        if (strncmp(word, "at:", 3) != 0) return false;
        const u32 offset = (u32)strtoul(word + 3, &end, 10);
        if (end != equals || offset >= COMPAT_BODY_SIZE_MAX) return false;
        wire->message[MESSAGE_HEADER_SIZE + offset] = (u8)value;
    }
    return true;
}

static bool send_step(struct wire *wire, char *words, struct failure *failure)
{
    char *rest = NULL;
    const char *what = strtok_r(words, " ", &rest);
    struct sending sending = {.cut = U32_MAX};
    bool known = what != NULL &&
                 (wire->port == WIRE_COMPAT ? compat_make(wire, what) : tael_make(wire, what));
    // The size is that of the message unless a word says another.
    char copy[512];
    (void)snprintf(copy, sizeof copy, "%s", rest == NULL ? "" : rest);
    for (u32 pass = 0; pass < 2 && known; pass++) {
        char line[512];
        char *at = NULL;
        (void)snprintf(line, sizeof line, "%s", copy);
        memcpy(wire->message + offsetof(struct message_head, size), &wire->size, 4);
        for (const char *word = strtok_r(line, " ", &at); word != NULL && known;
             word = strtok_r(NULL, " ", &at)) {
            known = word_apply(wire, word, &sending);
        }
    }
    if (!known) {
        failure_set(failure, STATUS_INVALID, "a send that is not known: %s %s", what, copy);
        return false;
    }
    message_seal(wire->message, wire->size);
    if (sending.is_wrong) wire->message[3] ^= 1;
    if (sending.is_body_wrong) wire->message[wire->size - 1] ^= 1;
    u32 size = MIN(wire->size, sending.cut);
    for (u32 i = 0; i < sending.extra; i++) wire->message[size + i] = (u8)(i * 31 + 7);
    size += sending.extra;
    wire->size = size;
    const u32 step = sending.drip == 0 ? MAX(size, 1u) : sending.drip;
    for (u32 at = 0; at < size; at += step)
        wire_send(wire, wire->message + at, MIN(step, size - at));
    return true;
}

// --- steps ---------------------------------------------------------------------------------------

// Makes a session, as an honest client does.
static bool enter(struct wire *wire, struct failure *failure)
{
    _Alignas(16) static u8 answer[COMPAT_MESSAGE_SIZE_MAX];
    bool is_closed = false;
    char words[] = "register";
    char hello[] = "hello";
    const u64 until = compat_client_now() + WAIT_NS;
    if (!send_step(wire, wire->port == WIRE_COMPAT ? words : hello, failure)) return false;
    if (!message_receive(wire, answer, until, &is_closed)) {
        failure_set(failure, STATUS_IO, "it was not let in");
        return false;
    }
    if (wire->port == WIRE_TAEL) {
        const struct tael_header *header = (const void *)answer;
        return header->head.command == TAEL_WELCOME && header->status == 0;
    }
    const struct compat_header *header = (const void *)answer;
    wire->session = header->reply.commit;
    wire->parent = header->reply.context;
    wire->request = 0;
    return header->command == COMPAT_COMMAND_REPLY;
}

static void noise_send(struct wire *wire, u32 size)
{
    struct random random;
    random_init(&random, wire->seed);
    for (u32 i = 0; i < size; i++) wire->message[i] = (u8)random_u64(&random);
    wire_send(wire, wire->message, size);
}

static void wire_shut(struct wire *wire, const char *how)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    for (u32 i = 0; i < wire->count; i++) {
        const int fd = wire->descriptors[i];
        if (fd < 0) continue;
        if (strcmp(how, "half-close") == 0) {
            (void)shutdown(fd, SHUT_WR);
            continue;
        }
        if (strcmp(how, "reset") == 0) {
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        }
        (void)close(fd);
        wire->descriptors[i] = -1;
    }
}

bool wire_step(struct wire *wire, const char *step, struct failure *failure)
{
    char words[512];
    u32 count = 1;
    (void)snprintf(words, sizeof words, "%s", step);
    if (wire_number(step, "connect", &count)) return wire_connect(wire, count, failure);
    if (wire->count == 0 && !wire_connect(wire, 1, failure)) return false;
    if (strcmp(step, "enter") == 0) return enter(wire, failure);
    if (strncmp(step, "send ", 5) == 0) return send_step(wire, words + 5, failure);
    if (strcmp(step, "again") == 0) {
        wire_send(wire, wire->message, wire->size);
        return true;
    }
    u32 times = 0;
    if (wire_number(step, "again", &times)) {
        for (u32 i = 0; i < times; i++) wire_send(wire, wire->message, wire->size);
        return true;
    }
    if (wire_number(step, "noise", &count) && count <= WIRE_MESSAGE_MAX) {
        noise_send(wire, count);
        return true;
    }
    if (wire_number(step, "zeroes", &count) && count <= WIRE_MESSAGE_MAX) {
        memset(wire->message, 0, count);
        wire_send(wire, wire->message, count);
        return true;
    }
    if (strncmp(step, "text ", 5) == 0) {
        wire_send(wire, (const u8 *)step + 5, (u32)strlen(step + 5));
        wire_send(wire, (const u8 *)"\r\n\r\n", 4);
        return true;
    }
    if (strcmp(step, "half-close") == 0 || strcmp(step, "reset") == 0 ||
        strcmp(step, "close") == 0) {
        wire_shut(wire, step);
        return true;
    }
    failure_set(failure, STATUS_INVALID, "a step that is not known: %s", step);
    return false;
}

// --- answers -------------------------------------------------------------------------------------

// What a message is, in the words of the file.
static void answer_name(const struct wire *wire, const u8 *message, char *out, size_t room)
{
    if (wire->port == WIRE_COMPAT) {
        const struct compat_header *header = (const void *)message;
        switch (header->command) {
        case COMPAT_COMMAND_REPLY: (void)snprintf(out, room, "reply"); return;
        case COMPAT_COMMAND_PONG_CLIENT: (void)snprintf(out, room, "pong"); return;
        case COMPAT_COMMAND_EVICTION:
            (void)snprintf(out, room, "eviction %u", header->eviction.reason);
            return;
        default: (void)snprintf(out, room, "command %u", header->command); return;
        }
    }
    const struct tael_header *header = (const void *)message;
    switch (header->head.command) {
    case TAEL_WELCOME:
        (void)snprintf(out, room, "%s", header->status == 0 ? "welcome" : "turned-away");
        return;
    case TAEL_CHALLENGE: (void)snprintf(out, room, "challenge"); return;
    case TAEL_PONG: (void)snprintf(out, room, "pong"); return;
    default: (void)snprintf(out, room, "status %u", header->status); return;
    }
}

bool wire_all_closed(struct wire *wire, u64 until)
{
    u8 bytes[4096];
    for (u32 i = 0; i < wire->count; i++) {
        bool is_closed = false;
        while (!is_closed) {
            const u32 got =
                wire_receive(wire->descriptors[i], bytes, sizeof bytes, until, &is_closed);
            if (got == 0 && !is_closed) return false;
        }
    }
    return true;
}

// How many connections the server has not closed.
static u32 open_count(const struct wire *wire)
{
    u32 count = 0;
    for (u32 i = 0; i < wire->count; i++) {
        u8 byte = 0;
        const ssize_t got = recv(wire->descriptors[i], &byte, 1, MSG_DONTWAIT | MSG_PEEK);
        count += got > 0 || (got < 0 && errno == EAGAIN);
    }
    return count;
}

static bool crowd_expect(const struct wire *wire, u32 most, struct failure *failure)
{
    if (crowd_await(wire, most)) return true;
    const u32 open = open_count(wire);
    failure_set(failure, STATUS_INVALID, "%u connections are open, %u may be", open, most);
    return false;
}

bool wire_expect(struct wire *wire, const char *answer, struct failure *failure)
{
    _Alignas(16) static u8 message[COMPAT_MESSAGE_SIZE_MAX];
    char got[WORD_SIZE] = "nothing";
    const char *wanted = answer;
    bool is_closed = false;
    u32 most = 0;
    const u64 until = compat_client_now() + WAIT_NS;
    if (strcmp(answer, "gone") == 0) return true;
    if (wire_number(answer, "at-most", &most)) return crowd_expect(wire, most, failure);
    if (strcmp(answer, "waits") == 0 || strcmp(answer, "late") == 0) {
        // Nothing comes as long as nothing is missing; whether it stays so is seen at the end.
        if (open_count(wire) == wire->count) return true;
        failure_set(failure, STATUS_INVALID, "a connection was closed");
        return false;
    }
    if (strcmp(answer, "ignored") == 0) {
        char words[] = "send ping";
        if (!wire_step(wire, words, failure)) return false;
        wanted = "pong";
    }
    if (message_receive(wire, message, until, &is_closed)) {
        answer_name(wire, message, got, sizeof got);
    } else if (is_closed) {
        (void)snprintf(got, sizeof got, "closed");
    }
    bool is_right = strcmp(got, wanted) == 0;
    // Who is turned away is told so, and then closed.
    if (is_right && strcmp(got, "turned-away") == 0) {
        is_right = !message_receive(wire, message, until, &is_closed) && is_closed;
    }
    if (is_right) return true;
    failure_set(failure, STATUS_INVALID, "the answer is %s, not %s", got, answer);
    return false;
}
