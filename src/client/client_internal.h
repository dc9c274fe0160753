// SPDX-License-Identifier: Apache-2.0
//
// What the files of libtael share. Private.
//
//   client.c             the client's life, requests, waiting: the public functions
//   client_connection.c  connecting, sending, keeping time
//   client_proof.c       proving who it is
//   client_receive.c     receiving: what the server says is checked and handed out
//
// Invariants
//   T1 A request is in one state. Only one that waits is sent, the lowest number of its lane first.
//   T2 Its header and its body's checksum are fixed when it is submitted, so that it is sent with
//      the same bytes each time.
//   T3 `in_flight` counts the requests in states SENT and GIVEN_UP: those that the server may
//      answer over this connection. Without a connection it is 0.
//   T4 What is being sent (`out`) points into requests that are SENT; one of them that is given up
//      ends the connection.
//   T5 While an answer is lent to the caller, nothing is received.
#ifndef TAEL_CLIENT_CLIENT_INTERNAL_H
#define TAEL_CLIENT_CLIENT_INTERNAL_H

#include "base/checksum.h"
#include "server/address.h"
#include "server/tael_message.h"

#include <sys/uio.h>
#include <tael.h>

#define CLIENT_MESSAGE_SIZE_MAX (MESSAGE_HEADER_SIZE + TAEL_BODY_SIZE_MAX)
// Room for a whole message and for what was read behind it.
#define CLIENT_BUFFER_SIZE (CLIENT_MESSAGE_SIZE_MAX + 64u * KIB)
#define CLIENT_TEXT_SIZE   512u
// Headers and bodies that are handed to the kernel at once.
#define CLIENT_OUT_MAX         64u
#define CLIENT_DELAY_MIN_NS    (20 * NS_PER_MS) // Between connections, at first.
#define CLIENT_DELAY_MAX_NS    (1 * NS_PER_S)
#define CLIENT_PAUSE_MIN_NS    (5 * NS_PER_MS) // Before what was refused is tried again, at first.
#define CLIENT_PAUSE_MAX_NS    (500 * NS_PER_MS)
#define CLIENT_TIMEOUT_MS      30000u
#define CLIENT_SILENCE_MS      20000u
#define CLIENT_TURNED_AWAY_MAX 5u

enum request_state {
    REQUEST_FREE,
    REQUEST_WAITING,  // To be sent, or sent again.
    REQUEST_SENT,     // Over this connection, and not answered.
    REQUEST_GIVEN_UP, // The same, and nobody cares.
    REQUEST_ANSWERED, // The answer waits to be fetched.
};

// Requests of one lane do not overtake each other when they are tried again.
enum lane {
    LANE_COMMANDS,
    LANE_QUESTIONS,
    LANE_COUNT,
};

struct request {
    _Alignas(16) struct tael_header header; // As it is sent.
    const void *body;
    enum request_state state;
    enum lane lane;
    u64 ticket; // Also the correlation: (number of the submission) * TAEL_OPEN_MAX + slot.
    tael_callback *callback;
    void *context;
    u64 submitted_at;
    u64 deadline;              // U64_MAX: none, or the callback was told.
    u64 out_end;               // It is sent whole when `out_done` is this.
    bool is_unsure;            // Was sent over a connection that was lost before an answer.
    enum tael_result refused;  // FULL or BUSY: the last word of the server; it is tried again.
    struct tael_answer answer; // While ANSWERED; points to `kept`, or to what is lent.
    void *kept;                // Body and text of an answer that nobody was waiting for.
};

struct lane_state {
    bool is_probing; // One is in flight at a time, until one goes through.
    u64 pause_ns;
    u64 pause_until;
};

enum client_state {
    CLIENT_DOWN,       // Without a connection; the next try is due at `connect_at`.
    CLIENT_CONNECTING, // Waits until the connection is made,
    CLIENT_GREETING,   // until the server lets it in.
    CLIENT_UP,
    CLIENT_ENDED,
};

struct tael_client {
    struct address address;
    struct address_places places;
    u64 principal;
    char *key_file; // Or NULL.
    tael_sign *sign;
    void *sign_context;
    u64 timeout_ms;
    u64 silence_ns;
    u32 turned_away_max;
    bool is_retrying;

    enum client_state state;
    int fd;
    u64 connect_at;
    u64 connect_delay_ns;
    u32 turned_away;                // Connections, the last ones, that ended before a welcome.
    char turned_away_text[160];     // What the server said then, or "".
    char lost[CLIENT_TEXT_SIZE];    // Why the last connection ended, or "".
    char problem[CLIENT_TEXT_SIZE]; // What tael_problem says.
    bool is_welcomed;               // At least once; then this is the last one:
    struct tael_welcome welcome;
    u64 position;
    u128 last_id;

    struct request *requests;
    u32 request_max;
    u32 open_count;
    u64 submitted; // So far.
    u32 in_flight;
    struct lane_state lanes[LANE_COUNT];
    u64 awaited; // The ticket that tael_await waits for, or 0.
    bool is_in_callback;

    // What is being sent.
    struct iovec out[CLIENT_OUT_MAX];
    u32 out_first;
    u32 out_count;
    u64 out_done; // Parts that went before out[out_first], over all connections.
    _Alignas(16) struct tael_header hello_header;
    struct tael_hello hello;
    _Alignas(16) struct tael_header ping;
    _Alignas(16) struct tael_header proof_header;
    struct tael_proof proof;
    bool is_hello_due;
    bool is_challenged; // On this connection.
    bool is_proof_due;
    bool is_ping_due;
    bool is_ping_sent; // And nothing was heard since:
    u64 ping_at;

    // What is being received.
    u8 *buffer;
    u32 begin;         // Where the message begins,
    u32 end;           // and where what was read ends.
    u32 absorbed;      // Bytes of the body that the checksum has seen.
    bool is_header_in; // The header is checked; it is here:
    _Alignas(16) struct tael_header header;
    struct checksum_state sum;
    u64 heard_at;
    u32 lent;                    // Bytes of the buffer that an answer points to.
    void *kept;                  // What else one points to.
    bool is_unread;              // The buffer may hold more messages.
    char text[CLIENT_TEXT_SIZE]; // Of a refusal.
};

// Sets what tael_problem says.
void client_note(struct tael_client *client, const char *format, ...) PRINTF_LIKE(2, 3);
// Ends the connection: another is made after a delay, and what is in flight sent over it. The text
// says why.
void client_lost(struct tael_client *client, u64 now, const char *format, ...) PRINTF_LIKE(3, 4);
// Ends the client for good; what was noted last says why.
void client_end(struct tael_client *client);
// Makes a request free again.
void request_close(struct tael_client *client, struct request *request);
// Whether a part of it is still to be sent.
static inline bool request_is_going_out(const struct tael_client *client,
                                        const struct request *request)
{
    return request->out_end > client->out_done;
}
// Whether the request may have been applied, or become so, for all that the client knows.
static inline bool request_is_unsure(const struct request *request)
{
    const bool is_sent = request->state == REQUEST_SENT || request->state == REQUEST_GIVEN_UP;
    return request->lane == LANE_COMMANDS && (is_sent || request->is_unsure);
}
// Hands an answer out: to the callback, or keeps it for tael_await; the request is closed then, but
// for a timeout. `lent` are the bytes of the message that it points to, or 0. False when there is
// no memory to keep it: nothing has changed.
MUST_USE bool request_answer(struct tael_client *client, struct request *request,
                             const struct tael_answer *answer, u32 lent);

// Connects as far as it goes without waiting.
void client_advance(struct tael_client *client, u64 now);
// Sends what the socket takes.
void client_send(struct tael_client *client, u64 now);
// Receives as far as it goes without waiting, or until an answer is lent.
void client_receive(struct tael_client *client, u64 now);
// Whether there is a key to prove with.
static inline bool client_has_key(const struct tael_client *client)
{
    return client->key_file != NULL || client->sign != NULL;
}
// Takes the options that say how to prove who the client is. False, and noted, when they are none.
bool client_key_take(struct tael_client *client, const struct tael_options *options);
// Answers a challenge: the proof is due to be sent then, or the client is ended.
void client_prove(struct tael_client *client, const struct tael_challenge *challenge);
// After receiving: asks whether there is anybody when nothing was heard, and gives up in the end.
void client_judge_silence(struct tael_client *client, u64 now);
// When the connection wants a step even if nothing happens.
u64 client_connection_wake_at(const struct tael_client *client);
// Whether there is something to send now.
bool client_has_more(const struct tael_client *client, u64 now);

// 128 bits as the public header has them, and as they are here.
static inline struct tael_u128 u128_out(u128 value)
{
    return (struct tael_u128){.low = (u64)value, .high = (u64)(value >> 64)};
}
// The other way.
static inline u128 u128_in(struct tael_u128 value)
{
    return (u128)value.high << 64 | value.low;
}

#endif
