// SPDX-License-Identifier: Apache-2.0
//
// Headers of the TigerBeetle client protocol.
#include "server/compat_message.h"

#include "base/checksum.h"

static const char *const rule_texts[COMPAT_RULE_COUNT] = {
    [COMPAT_RULE_NONE] = "the message is whole",
    [COMPAT_RULE_CHECKSUM] = "the header's checksum does not match",
    [COMPAT_RULE_SIZE] = "the size is not between 256 bytes and 1 MiB",
    [COMPAT_RULE_CHECKSUM_BODY] = "the body's checksum does not match",
    [COMPAT_RULE_IGNORE] = "",
    [COMPAT_RULE_PADDING] = "padding is not zero",
    [COMPAT_RULE_NONCE] = "the nonce is not zero",
    [COMPAT_RULE_EPOCH] = "the epoch is not zero",
    [COMPAT_RULE_PROTOCOL] = "the version of the protocol is unknown",
    [COMPAT_RULE_RESERVED] = "reserved bytes are not zero",
    [COMPAT_RULE_COMMAND] = "the command is unknown",
    [COMPAT_RULE_RELEASE] = "the release is zero",
    [COMPAT_RULE_REPLICA] = "the replica is not zero",
    [COMPAT_RULE_BODY_SIZE] = "there is a body, and the command has none",
    [COMPAT_RULE_CLIENT] = "the client is zero",
    [COMPAT_RULE_PARENT] = "a register has a parent",
    [COMPAT_RULE_SESSION] = "a register has a session, or another request has none",
    [COMPAT_RULE_REQUEST] = "a register has a request number, or another request has none",
    [COMPAT_RULE_TIMESTAMP] = "a request has a timestamp, or a reply has none",
    [COMPAT_RULE_OP] = "a reply's op is zero or not its commit",
    [COMPAT_RULE_REASON] = "the reason of the eviction is unknown",
};

const char *compat_rule_text(enum compat_rule rule)
{
    assert((size_t)rule < ARRAY_COUNT(rule_texts));
    return rule_texts[rule];
}

const char *compat_eviction_text(u8 reason)
{
    switch (reason) {
    case COMPAT_EVICTION_NO_SESSION: return "no session";
    case COMPAT_EVICTION_RELEASE_TOO_LOW: return "the client's release is too old";
    case COMPAT_EVICTION_RELEASE_TOO_HIGH: return "the client's release is too new";
    case COMPAT_EVICTION_INVALID_OPERATION: return "unknown operation";
    case COMPAT_EVICTION_INVALID_BODY: return "the body is not well-formed";
    case COMPAT_EVICTION_INVALID_BODY_SIZE: return "the body has a wrong size";
    case COMPAT_EVICTION_SESSION_TOO_LOW: return "a newer session has taken its place";
    case COMPAT_EVICTION_SESSION_RELEASE_MISMATCH: return "the session has another release";
    default: return "unknown reason";
    }
}

// --- Checks ---

static enum compat_rule request_check(const struct compat_header *header)
{
    const struct compat_request_part *request = &header->request;
    const bool registers = request->operation == COMPAT_OPERATION_REGISTER;
    if (request->parent_padding != 0) return COMPAT_RULE_PADDING;
    if (!is_zero(request->reserved_operation, sizeof request->reserved_operation) ||
        !is_zero(request->reserved, sizeof request->reserved)) {
        return COMPAT_RULE_RESERVED;
    }
    if (header->release == 0) return COMPAT_RULE_RELEASE;
    if (header->replica != 0) return COMPAT_RULE_REPLICA;
    if (request->client == 0) return COMPAT_RULE_CLIENT;
    if (registers && request->parent != 0) return COMPAT_RULE_PARENT;
    if (registers != (request->session == 0)) return COMPAT_RULE_SESSION;
    if (registers != (request->request == 0)) return COMPAT_RULE_REQUEST;
    if (request->timestamp != 0) return COMPAT_RULE_TIMESTAMP;
    return COMPAT_RULE_NONE;
}

static enum compat_rule reply_check(const struct compat_header *header)
{
    const struct compat_reply_part *reply = &header->reply;
    const bool registers = reply->operation == COMPAT_OPERATION_REGISTER;
    if (reply->request_checksum_padding != 0 || reply->context_padding != 0) {
        return COMPAT_RULE_PADDING;
    }
    if (!is_zero(reply->reserved, sizeof reply->reserved)) return COMPAT_RULE_RESERVED;
    if (header->release == 0) return COMPAT_RULE_RELEASE;
    if (reply->client == 0) return COMPAT_RULE_CLIENT;
    if (registers != (reply->request == 0)) return COMPAT_RULE_REQUEST;
    if (reply->timestamp == 0) return COMPAT_RULE_TIMESTAMP;
    if (reply->op == 0 || reply->op != reply->commit) return COMPAT_RULE_OP;
    return COMPAT_RULE_NONE;
}

static enum compat_rule ping_check(const struct compat_header *header)
{
    if (!is_zero(header->ping.reserved, sizeof header->ping.reserved)) return COMPAT_RULE_RESERVED;
    if (header->release == 0) return COMPAT_RULE_RELEASE;
    if (header->replica != 0) return COMPAT_RULE_REPLICA;
    if (header->size != COMPAT_HEADER_SIZE) return COMPAT_RULE_BODY_SIZE;
    if (header->ping.client == 0) return COMPAT_RULE_CLIENT;
    return COMPAT_RULE_NONE;
}

static enum compat_rule pong_check(const struct compat_header *header)
{
    if (!is_zero(header->pong.reserved, sizeof header->pong.reserved)) return COMPAT_RULE_RESERVED;
    if (header->release == 0) return COMPAT_RULE_RELEASE;
    if (header->size != COMPAT_HEADER_SIZE) return COMPAT_RULE_BODY_SIZE;
    return COMPAT_RULE_NONE;
}

static enum compat_rule eviction_check(const struct compat_header *header)
{
    const struct compat_eviction_part *eviction = &header->eviction;
    if (!is_zero(eviction->reserved, sizeof eviction->reserved)) return COMPAT_RULE_RESERVED;
    if (header->release == 0) return COMPAT_RULE_RELEASE;
    if (header->size != COMPAT_HEADER_SIZE) return COMPAT_RULE_BODY_SIZE;
    if (eviction->client == 0) return COMPAT_RULE_CLIENT;
    if (eviction->reason == 0 || eviction->reason > COMPAT_EVICTION_SESSION_RELEASE_MISMATCH) {
        return COMPAT_RULE_REASON;
    }
    return COMPAT_RULE_NONE;
}

// The checksum of everything in a header behind the checksum itself.
static u128 header_checksum(const struct compat_header *header)
{
    return checksum((const u8 *)header + sizeof header->checksum,
                    sizeof *header - sizeof header->checksum);
}

enum compat_rule compat_header_check(const struct compat_header *header)
{
    if (header->checksum != header_checksum(header)) return COMPAT_RULE_CHECKSUM;
    if (header->size < COMPAT_HEADER_SIZE || header->size > COMPAT_MESSAGE_SIZE_MAX) {
        return COMPAT_RULE_SIZE;
    }
    if (header->checksum_padding != 0 || header->checksum_body_padding != 0) {
        return COMPAT_RULE_PADDING;
    }
    if (header->nonce != 0) return COMPAT_RULE_NONCE;
    if (header->epoch != 0) return COMPAT_RULE_EPOCH;
    if (header->protocol != COMPAT_PROTOCOL) return COMPAT_RULE_PROTOCOL;
    if (!is_zero(header->reserved, sizeof header->reserved)) return COMPAT_RULE_RESERVED;
    switch (header->command) {
    case COMPAT_COMMAND_REQUEST: return request_check(header);
    case COMPAT_COMMAND_REPLY: return reply_check(header);
    case COMPAT_COMMAND_PING_CLIENT: return ping_check(header);
    case COMPAT_COMMAND_PONG_CLIENT: return pong_check(header);
    case COMPAT_COMMAND_EVICTION: return eviction_check(header);
    default: return COMPAT_RULE_COMMAND;
    }
}

enum compat_rule compat_body_check(const struct compat_header *header, const void *body)
{
    assert(header->size >= COMPAT_HEADER_SIZE && header->size <= COMPAT_MESSAGE_SIZE_MAX);
    if (header->checksum_body != checksum(body, compat_body_size(header))) {
        return COMPAT_RULE_CHECKSUM_BODY;
    }
    return COMPAT_RULE_NONE;
}

// --- Making ---

void compat_header_seal_sum(struct compat_header *header, u128 checksum_body, u32 body_size)
{
    assert(body_size <= COMPAT_BODY_SIZE_MAX);
    header->size = COMPAT_HEADER_SIZE + body_size;
    header->checksum_body = checksum_body;
    header->checksum = header_checksum(header);
}

void compat_header_seal(struct compat_header *header, const void *body, u32 body_size)
{
    compat_header_seal_sum(header, checksum(body, body_size), body_size);
}

struct compat_reply compat_reply_to(const struct compat_header *request, u64 position,
                                    u64 timestamp)
{
    assert(request->command == COMPAT_COMMAND_REQUEST);
    return (struct compat_reply){
        .cluster = request->cluster,
        .client = request->request.client,
        .request_checksum = request->checksum,
        .position = position,
        .timestamp = timestamp,
        .request = request->request.request,
        .release = request->release,
        .operation = request->request.operation,
    };
}

u128 compat_context(u128 request_checksum, u64 position, u64 timestamp)
{
    u8 bytes[32];
    store_u128(bytes, request_checksum);
    store_u64(bytes + 16, position);
    store_u64(bytes + 24, timestamp);
    const u128 context = checksum(bytes, sizeof bytes);
    return context != 0 ? context : 1;
}

void compat_reply_make(struct compat_header *out, const struct compat_reply *reply,
                       const void *body, u32 body_size)
{
    assert(reply->position > 0);
    assert(reply->timestamp > 0);
    *out = (struct compat_header){
        .cluster = reply->cluster,
        .release = reply->release,
        .protocol = COMPAT_PROTOCOL,
        .command = COMPAT_COMMAND_REPLY,
        .reply =
            {
                .request_checksum = reply->request_checksum,
                .context =
                    compat_context(reply->request_checksum, reply->position, reply->timestamp),
                .client = reply->client,
                .op = reply->position,
                .commit = reply->position,
                .timestamp = reply->timestamp,
                .request = reply->request,
                .operation = reply->operation,
            },
    };
    compat_header_seal(out, body, body_size);
}

void compat_pong_make(struct compat_header *out, const struct compat_header *ping)
{
    assert(ping->command == COMPAT_COMMAND_PING_CLIENT);
    struct compat_header pong = {
        .cluster = ping->cluster,
        .release = ping->release,
        .protocol = COMPAT_PROTOCOL,
        .command = COMPAT_COMMAND_PONG_CLIENT,
        .pong = {.ping_timestamp = ping->ping.ping_timestamp},
    };
    compat_header_seal(&pong, NULL, 0);
    *out = pong;
}

u128 compat_header_client(const struct compat_header *header)
{
    if (header->command == COMPAT_COMMAND_PING_CLIENT) return header->ping.client;
    assert(header->command == COMPAT_COMMAND_REQUEST);
    return header->request.client;
}

void compat_eviction_make(struct compat_header *out, const struct compat_header *cause,
                          enum compat_eviction_reason reason)
{
    struct compat_header eviction = {
        .cluster = cause->cluster,
        .release = cause->release,
        .protocol = COMPAT_PROTOCOL,
        .command = COMPAT_COMMAND_EVICTION,
        .eviction = {.client = compat_header_client(cause), .reason = (u8)reason},
    };
    compat_header_seal(&eviction, NULL, 0);
    *out = eviction;
}
