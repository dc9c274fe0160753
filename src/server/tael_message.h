// SPDX-License-Identifier: Apache-2.0
//
// Messages of the tael port: the 256-byte header, its checks and its making (docs/PROTOCOL.md).
//
// The first half of the header is that of every protocol of this program (struct message_head); the
// second says which record the body is made of, how many, under which command id, and matches
// answers to questions. Everything is little-endian, without padding.
//
// Guarantees: pure functions; nothing is allocated, no clock is read. Sizes are checked before any
// byte behind the header is looked at.
#ifndef TAEL_SERVER_TAEL_MESSAGE_H
#define TAEL_SERVER_TAEL_MESSAGE_H

#include "base/signature.h"
#include "machine/compat.h"
#include "server/message_head.h"

// Of the header's layout; in `protocol`, which is 0 in the compat one.
#define TAEL_PROTOCOL      1u
#define TAEL_BODY_SIZE_MAX COMPAT_BODY_SIZE_MAX
// Commands and questions of one connection that may be unanswered.
#define TAEL_IN_FLIGHT_MAX 64u

enum tael_kind {
    TAEL_HELLO = 0x41,     // A client names itself; the first message of a connection.
    TAEL_CHALLENGE = 0x42, // It must prove who it is: struct tael_challenge.
    TAEL_PROOF = 0x43,     // It does: struct tael_proof.
    TAEL_WELCOME = 0x44,   // It is let in: struct tael_welcome.
    TAEL_COMMAND = 0x45,   // `count` records, applied each whole or not at all.
    TAEL_REPLY = 0x46,     // What became of them.
    TAEL_QUESTION = 0x47,  // One record of kind query.
    TAEL_ANSWER = 0x48,    // The views that it selects, `count` of them one after the other.
    TAEL_PING = 0x49,
    TAEL_PONG = 0x4a,
};

// Why a message was not carried out. Anything but these is in the body.
enum tael_status {
    TAEL_DONE = 0,
    TAEL_FULL = 1,       // No space on the disk now: ask again.
    TAEL_BUSY = 2,       // More in flight than TAEL_IN_FLIGHT_MAX, or the server stops: ask again.
    TAEL_TABLE_FULL = 3, // A table of the log is at its limit.
    TAEL_UNKNOWN_RECORD = 4, // No module of this log knows the record, or it is no command.
    TAEL_MALFORMED = 5, // The body breaks the record's description; the body of the reply says how.
    TAEL_NOT_PERMITTED = 6, // The principal may not.
    TAEL_REUSED = 7,        // The command id was used with another content.
    TAEL_OVERRIDDEN = 8,    // An operator made the command a refusal.
    TAEL_EXPIRED = 9,       // Its time was over before it was applied.
    TAEL_REFUSED = 10,      // Of a question: the body is one struct command_reply that says why.
};

struct tael_header {
    struct message_head head;
    u128 command_id; // Of a command: chosen by the client, not 0. Of a hello: the client's own id.
    u64 correlation; // The client's; the answer has it again.
    u32 record;      // Its number in the schema.
    u16 version;     // Of the record's description.
    u16 flags;       // Zero.
    u32 count;       // Records in the body.
    u32 status;      // Of an answer: enum tael_status.
    u64 position;    // Of an answer: the state it shows. Of a question: what it must show at least.
    u64 timestamp;   // Of an answer: nanoseconds.
    u64 expires_at;  // Of a command: nanoseconds from which it must not be applied; 0 never.
    // Of an answer that did not fit: where the rest begins; of a question: where to go on. What it
    // says is the server's; zero at the beginning, and when nothing is left.
    u8 cursor[32];
    u64 principal; // Of a command or a question: in whose name; 0: whose the connection is.
    u8 reserved[16];
    u32 limit; // Of a question: views that the answer has at most; 0: as many as find room.
    u32 reserved_2;
};
static_assert(sizeof(struct tael_header) == MESSAGE_HEADER_SIZE, "the header's size");
static_assert(offsetof(struct tael_header, command_id) == 128, "the wire's layout");
static_assert(offsetof(struct tael_header, record) == 152, "the wire's layout");
static_assert(offsetof(struct tael_header, count) == 160, "the wire's layout");
static_assert(offsetof(struct tael_header, position) == 168, "the wire's layout");
static_assert(offsetof(struct tael_header, cursor) == 192, "the wire's layout");
static_assert(offsetof(struct tael_header, principal) == 224, "the wire's layout");

// Body of TAEL_HELLO.
struct tael_hello {
    u64 principal; // Who it wants to be; 0: whom the peer's user id stands for.
    u32 protocol_max;
    u32 reserved;
};
// Body of TAEL_WELCOME.
struct tael_welcome {
    u128 log_id;
    u64 principal;
    u64 position;  // Durable.
    u64 timestamp; // Nanoseconds.
    u32 protocol;
    u32 body_size_max;
    u32 in_flight_max;
    u32 reserved[3];
};
#define TAEL_NONCE_SIZE 32u
// Body of TAEL_CHALLENGE.
struct tael_challenge {
    u8 nonce[TAEL_NONCE_SIZE]; // Random, of this connection.
    u128 log_id;
    u32 protocol;
    u32 reserved[3];
};
// Body of TAEL_PROOF.
struct tael_proof {
    u8 nonce[TAEL_NONCE_SIZE];    // The client's own: neither side alone chooses what is signed.
    u8 signature[SIGNATURE_SIZE]; // Of struct tael_statement, by the principal's key.
};
// What a proof signs: this and nothing else, byte for byte.
struct tael_statement {
    char domain[32];
    u128 log_id;
    u64 principal;
    u32 protocol;
    u32 reserved;
    u8 server_nonce[TAEL_NONCE_SIZE];
    u8 client_nonce[TAEL_NONCE_SIZE];
};
static_assert(sizeof(struct tael_hello) == 16 && sizeof(struct tael_welcome) == 64, "on the wire");
static_assert(sizeof(struct tael_challenge) == 64 && sizeof(struct tael_proof) == 96,
              "on the wire");
static_assert(offsetof(struct tael_statement, client_nonce) + TAEL_NONCE_SIZE == 128 &&
                  sizeof(struct tael_statement) == 128,
              "signed without padding");

// What the principal signs to answer the challenge with a nonce of its own.
struct tael_statement tael_statement_of(const struct tael_challenge *challenge, u64 principal,
                                        const u8 client_nonce[TAEL_NONCE_SIZE]);

// Whether the header has the checksum that it names: then its other fields are what was sent.
bool tael_header_is_whole(const struct tael_header *header);
// The rule that a header breaks first, or NULL. `*fatal` when nothing that comes behind it can be
// trusted.
const char *tael_header_check(const struct tael_header *header, bool *fatal);
// Sets size, checksum_body and checksum; all other fields must be as they will be sent.
void tael_header_seal(struct tael_header *header, const void *body, u32 body_size);
static inline u32 tael_body_size(const struct tael_header *header)
{
    return header->head.size - MESSAGE_HEADER_SIZE;
}
const char *tael_status_text(u32 status);

#endif
