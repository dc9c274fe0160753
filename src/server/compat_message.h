// SPDX-License-Identifier: Apache-2.0
//
// Messages of the TigerBeetle client protocol: the 256-byte header, its checks and its making.
//
// A message is a header and a body of `size - 256` bytes. The header's first half is common, the
// second belongs to the command. Everything is little-endian, without padding; u128 fields lie at
// multiples of 16, so a header must lie at one too when it is used as the struct below.
//
// Guarantees: pure functions, nothing is allocated, no clock is read. Sizes are checked before any
// byte behind the header is looked at. What the server decides about sessions is not here.
// Cost: sealing or checking a header is one checksum of 240 bytes, about 16 ns; a body is as fast
// as base/checksum.h.
#ifndef TAEL_SERVER_COMPAT_MESSAGE_H
#define TAEL_SERVER_COMPAT_MESSAGE_H

#include "base/base.h"
#include "machine/compat.h"

#define COMPAT_HEADER_SIZE      256u
#define COMPAT_MESSAGE_SIZE_MAX (COMPAT_HEADER_SIZE + COMPAT_BODY_SIZE_MAX) // 1 MiB.

#define COMPAT_PROTOCOL 0u // The only version of the header's layout.
// The clients that are served: 0.16.4, the oldest that 0.17 serves, to any of 0.17.
#define COMPAT_RELEASE_MIN compat_release(0, 16, 4)
#define COMPAT_RELEASE_MAX compat_release(0, 17, 255)

#define COMPAT_REGISTER_REQUEST_SIZE 256u
#define COMPAT_REGISTER_REPLY_SIZE   64u

// Byte 114 of a header. Others travel between replicas only.
enum compat_command {
    COMPAT_COMMAND_PING_CLIENT = 3,
    COMPAT_COMMAND_PONG_CLIENT = 4,
    COMPAT_COMMAND_REQUEST = 5,
    COMPAT_COMMAND_REPLY = 8,
    COMPAT_COMMAND_EVICTION = 18,
};

// Why a server ends a session. The client's process reports it and cannot go on.
enum compat_eviction_reason {
    COMPAT_EVICTION_NO_SESSION = 1,
    COMPAT_EVICTION_RELEASE_TOO_LOW = 2,
    COMPAT_EVICTION_RELEASE_TOO_HIGH = 3,
    COMPAT_EVICTION_INVALID_OPERATION = 4,
    COMPAT_EVICTION_INVALID_BODY = 5,
    COMPAT_EVICTION_INVALID_BODY_SIZE = 6,
    COMPAT_EVICTION_SESSION_TOO_LOW = 7,
    COMPAT_EVICTION_SESSION_RELEASE_MISMATCH = 8,
};

struct compat_request_part {
    u128 parent; // The context of the reply before; 0 when registering.
    u128 parent_padding;
    u128 client;              // Random, chosen by the client; not 0.
    u64 session;              // That of the register's reply; 0 when registering.
    u64 timestamp;            // Zero.
    u32 request;              // Counts from 1 in a session; 0 when registering.
    u8 operation;             // 2 for register, else 128 + enum compat_operation_number.
    u8 reserved_operation[3]; // Zero.
    u32 previous_request_latency_us;
    u8 reserved[52];
};

struct compat_reply_part {
    u128 request_checksum; // The request's header checksum.
    u128 request_checksum_padding;
    u128 context; // The next request's parent.
    u128 context_padding;
    u128 client;
    u64 op;        // The position of the command; above 0, but for queries it may repeat.
    u64 commit;    // Equal to op. Of a register, the session's number.
    u64 timestamp; // Not 0.
    u32 request;   // The request's.
    u8 operation;  // The request's.
    u8 reserved[19];
};

struct compat_ping_part {
    u128 client;
    u64 ping_timestamp;
    u64 session; // 0 before release 0.17.6.
    u8 reserved[96];
};

struct compat_pong_part {
    u64 ping_timestamp; // The ping's.
    u8 reserved[120];
};

struct compat_eviction_part {
    u128 client;
    u8 reserved[111];
    u8 reason; // enum compat_eviction_reason.
};

struct compat_header {
    u128 checksum; // Of the bytes from 16 to 256.
    u128 checksum_padding;
    u128 checksum_body; // Of the body; of no bytes when there is none.
    u128 checksum_body_padding;
    u128 nonce;   // Zero.
    u128 cluster; // Chosen when the server's log was made.
    u32 size;     // Of header and body.
    u32 epoch;    // Zero.
    u32 view;     // Zero here: there are no replicas to change.
    u32 release;  // Of the client's software; a server echoes it.
    u16 protocol; // COMPAT_PROTOCOL.
    u8 command;   // enum compat_command.
    u8 replica;   // Zero.
    u8 reserved[12];
    union {
        struct compat_request_part request;
        struct compat_reply_part reply;
        struct compat_ping_part ping;
        struct compat_pong_part pong;
        struct compat_eviction_part eviction;
        u8 part[128];
    };
};

static_assert(sizeof(struct compat_header) == COMPAT_HEADER_SIZE, "the header's size");
static_assert(offsetof(struct compat_header, checksum_body) == 32, "the wire's layout");
static_assert(offsetof(struct compat_header, nonce) == 64, "the wire's layout");
static_assert(offsetof(struct compat_header, cluster) == 80, "the wire's layout");
static_assert(offsetof(struct compat_header, size) == 96, "the wire's layout");
static_assert(offsetof(struct compat_header, epoch) == 100, "the wire's layout");
static_assert(offsetof(struct compat_header, view) == 104, "the wire's layout");
static_assert(offsetof(struct compat_header, release) == 108, "the wire's layout");
static_assert(offsetof(struct compat_header, protocol) == 112, "the wire's layout");
static_assert(offsetof(struct compat_header, command) == 114, "the wire's layout");
static_assert(offsetof(struct compat_header, replica) == 115, "the wire's layout");
static_assert(offsetof(struct compat_header, reserved) == 116, "the wire's layout");
static_assert(offsetof(struct compat_header, request.parent) == 128, "the wire's layout");
static_assert(offsetof(struct compat_header, request.client) == 160, "the wire's layout");
static_assert(offsetof(struct compat_header, request.session) == 176, "the wire's layout");
static_assert(offsetof(struct compat_header, request.timestamp) == 184, "the wire's layout");
static_assert(offsetof(struct compat_header, request.request) == 192, "the wire's layout");
static_assert(offsetof(struct compat_header, request.operation) == 196, "the wire's layout");
static_assert(offsetof(struct compat_header, request.previous_request_latency_us) == 200,
              "the wire's layout");
static_assert(offsetof(struct compat_header, request.reserved) == 204, "the wire's layout");
static_assert(offsetof(struct compat_header, reply.request_checksum) == 128, "the wire's layout");
static_assert(offsetof(struct compat_header, reply.context) == 160, "the wire's layout");
static_assert(offsetof(struct compat_header, reply.client) == 192, "the wire's layout");
static_assert(offsetof(struct compat_header, reply.op) == 208, "the wire's layout");
static_assert(offsetof(struct compat_header, reply.commit) == 216, "the wire's layout");
static_assert(offsetof(struct compat_header, reply.timestamp) == 224, "the wire's layout");
static_assert(offsetof(struct compat_header, reply.request) == 232, "the wire's layout");
static_assert(offsetof(struct compat_header, reply.operation) == 236, "the wire's layout");
static_assert(offsetof(struct compat_header, reply.reserved) == 237, "the wire's layout");
static_assert(offsetof(struct compat_header, ping.client) == 128, "the wire's layout");
static_assert(offsetof(struct compat_header, ping.ping_timestamp) == 144, "the wire's layout");
static_assert(offsetof(struct compat_header, ping.session) == 152, "the wire's layout");
static_assert(offsetof(struct compat_header, pong.ping_timestamp) == 128, "the wire's layout");
static_assert(offsetof(struct compat_header, eviction.client) == 128, "the wire's layout");
static_assert(offsetof(struct compat_header, eviction.reason) == 255, "the wire's layout");
static_assert(sizeof(struct compat_request_part) == 128, "half a header");
static_assert(sizeof(struct compat_reply_part) == 128, "half a header");
static_assert(sizeof(struct compat_ping_part) == 128, "half a header");
static_assert(sizeof(struct compat_pong_part) == 128, "half a header");
static_assert(sizeof(struct compat_eviction_part) == 128, "half a header");

// Bodies of the operation register.
struct compat_register_request {
    u32 batch_size_limit; // Zero.
    u8 reserved[252];
};
struct compat_register_reply {
    u32 batch_size_limit; // The largest body that the server takes, 1 to COMPAT_BODY_SIZE_MAX.
    u8 reserved[60];
};
static_assert(sizeof(struct compat_register_request) == COMPAT_REGISTER_REQUEST_SIZE,
              "on the wire");
static_assert(sizeof(struct compat_register_reply) == COMPAT_REGISTER_REPLY_SIZE, "on the wire");

// --- Checks ---

// The rule that a header breaks first, in the order in which they are checked. Behind
// COMPAT_RULE_IGNORE the bytes are whole but their sense is not known: the message is passed over
// and the connection goes on. Before it, nothing read from the connection can be trusted any more.
enum compat_rule {
    COMPAT_RULE_NONE = 0,
    COMPAT_RULE_CHECKSUM, // The header's checksum.
    COMPAT_RULE_SIZE,     // Below 256 or above 1 MiB.
    COMPAT_RULE_CHECKSUM_BODY,
    COMPAT_RULE_IGNORE, // Not a rule: where the first kind ends.
    COMPAT_RULE_PADDING,
    COMPAT_RULE_NONCE,
    COMPAT_RULE_EPOCH,
    COMPAT_RULE_PROTOCOL,
    COMPAT_RULE_RESERVED,
    COMPAT_RULE_COMMAND,
    COMPAT_RULE_RELEASE,   // Zero.
    COMPAT_RULE_REPLICA,   // Not zero.
    COMPAT_RULE_BODY_SIZE, // A body where the command has none.
    COMPAT_RULE_CLIENT,    // Zero.
    COMPAT_RULE_PARENT,    // Of a register: not zero.
    COMPAT_RULE_SESSION,   // Of a register: not zero; of others: zero.
    COMPAT_RULE_REQUEST,   // Of a register: not zero; of others: zero.
    COMPAT_RULE_TIMESTAMP, // Of a request: not zero; of a reply: zero.
    COMPAT_RULE_OP,        // Of a reply: zero, or not equal to commit.
    COMPAT_RULE_REASON,    // Of an eviction: unknown.
    COMPAT_RULE_COUNT,
};

// Checks everything about a header that can be told from it alone: not its cluster, its release's
// range, its view, its session, its operation, nor the body.
MUST_USE enum compat_rule compat_header_check(const struct compat_header *header);
// Checks the body of a header that was checked. `body` has `header->size - 256` bytes.
MUST_USE enum compat_rule compat_body_check(const struct compat_header *header, const void *body);
// Whether the connection must be closed.
static inline bool compat_rule_is_fatal(enum compat_rule rule)
{
    return rule != COMPAT_RULE_NONE && rule < COMPAT_RULE_IGNORE;
}
// "the header's checksum does not match", ...
const char *compat_rule_text(enum compat_rule rule);
const char *compat_eviction_text(u8 reason);

// Bytes behind the header; the header's size must have been checked.
static inline u32 compat_body_size(const struct compat_header *header)
{
    return header->size - COMPAT_HEADER_SIZE;
}

// --- Making ---

// Sets size, checksum_body and checksum; all other fields must be as they will be sent. `body` may
// be NULL when `body_size` is 0.
void compat_header_seal(struct compat_header *header, const void *body, u32 body_size);
// The same when the body's checksum is known already.
void compat_header_seal_sum(struct compat_header *header, u128 checksum_body, u32 body_size);

// What a reply says. The same fields give the same bytes, so a reply can be made again from what a
// session keeps.
struct compat_reply {
    u128 cluster;
    u128 client;
    u128 request_checksum;
    u64 position;  // Of the command: op and commit. Above 0.
    u64 timestamp; // Above 0.
    u32 request;
    u32 release; // The client's.
    u8 operation;
};
// The reply's fields as far as a request gives them; position and timestamp are the caller's.
struct compat_reply compat_reply_to(const struct compat_header *request, u64 position,
                                    u64 timestamp);
// Makes the header of a reply, sealed. `body` must be final.
void compat_reply_make(struct compat_header *out, const struct compat_reply *reply,
                       const void *body, u32 body_size);
// The context that the reply to a request carries, which the next request must name as its parent:
// a function of the request and its position alone. Not 0.
u128 compat_context(u128 request_checksum, u64 position, u64 timestamp);

// The answer to a ping, sealed.
void compat_pong_make(struct compat_header *out, const struct compat_header *ping);
// The end of the session that sent `cause`, a request or a ping; sealed.
void compat_eviction_make(struct compat_header *out, const struct compat_header *cause,
                          enum compat_eviction_reason reason);
// The client of a request or a ping.
u128 compat_header_client(const struct compat_header *header);

// --- Releases: major u16, minor u8, patch u8 from the top ---

// The number of a release; minor and patch are below 256.
static inline u32 compat_release(u32 major, u32 minor, u32 patch)
{
    return major << 16 | minor << 8 | patch;
}

#endif
