// SPDX-License-Identifier: Apache-2.0
//
// A client of the TigerBeetle protocol over TCP or a unix socket, for the command line, the load
// generator and tests.
//
// A client is one session: it registers, then has at most one request in flight. It can be driven
// from a loop over many clients (compat_client_step and what follows it), or one call at a time
// (compat_client_connect, compat_client_call).
//
// Guarantees
//   C1 A request is sent with the same bytes until it is answered, over as many connections as it
//      takes, so that the server applies it once.
//   C2 A reply is handed out only if its checksums hold and it answers the request in flight:
//      client, number, checksum, operation, release and cluster agree, and its body is what the
//      operation answers with, as many batches as were asked and not more results than can be.
//   C3 What breaks the wire (a checksum, a size, the cluster) ends the connection and it is tried
//      again; what has no sense here (a header's fields) is passed over; what shows that the server
//      speaks another language ends the client.
// A deadline that passes does not tell whether the request was applied: it stays in flight.
//
// Cost: one sendmsg a request and no copy of a body, in either direction. A body's checksum is
// computed when it is submitted, a reply's while it is received. One allocation of 1 MiB a client,
// of which only what replies need is touched.
//
// Not safe for use by several threads at once; different clients are independent.
#ifndef TAEL_SERVER_COMPAT_CLIENT_H
#define TAEL_SERVER_COMPAT_CLIENT_H

#include "base/base.h"
#include "base/checksum.h"
#include "machine/compat.h"
#include "server/address.h"
#include "server/compat_body.h"
#include "server/compat_message.h"

#include <sys/uio.h>

#define COMPAT_CLIENT_RELEASE compat_release(0, 17, 9)

struct compat_client_options {
    struct address address;
    u128 cluster;
    u128 client;   // 0: a random one.
    u32 release;   // 0: COMPAT_CLIENT_RELEASE.
    u64 resend_ns; // Without an answer for this long, a request is sent again, then after twice
                   // that, up to 10 s. 0: 600 ms.
    u64 ping_ns;   // Between pings. 0: 30 s.
    // So many connections in a row that are made and ended before there is a session end the
    // client: a server of another cluster does that, and has no other word for it. 0: no limit.
    u32 turned_away_max;
};

// An answer. Points into the client; valid until the next submit, release or close.
struct compat_answer {
    const struct compat_header *header; // Of a reply.
    const u8 *body;
    u32 body_size;
    struct compat_batches batches; // Of an operation's reply: the results, by batch. `events` are
                                   // results. Zero when the request's body was not well-formed.
    u64 latency_ns;                // From submit to the last byte of the reply.
};

enum compat_client_state {
    COMPAT_CLIENT_DOWN,       // Without a connection; the next try is due at `connect_at`.
    COMPAT_CLIENT_CONNECTING, // Waits until the connection is made.
    COMPAT_CLIENT_UP,
    COMPAT_CLIENT_ENDED, // By eviction, by a server that turned it away (turned_away_max), or by
                         // one that speaks another language.
};

// Caller-owned; the fields are private.
struct compat_client {
    struct compat_client_options options;
    struct address_places places;

    enum compat_client_state state;
    int fd;
    u64 connect_at;
    u64 connect_delay_ns;
    u32 connection_count;
    u32 turned_away;        // Connections, the last ones, that were made and ended unregistered.
    char problem[160];      // Why the last connection ended, or "".
    struct failure failure; // Why it ended, if it did.

    // The session.
    u64 session; // 0: not registered.
    u128 parent;
    u32 batch_size_limit;
    u32 register_sends;

    // The request in flight.
    struct compat_header request;
    const u8 *request_body;
    struct compat_batches request_batches; // Zero when it is not well-formed.
    bool is_in_flight;
    bool is_request_due; // It must be sent, or sent again.
    u64 submitted_at;
    u64 deadline;
    u64 resend_at;
    u64 resend_delay_ns;

    // What is being sent: the request or a ping.
    struct iovec out[2];
    u32 out_count;
    struct compat_header ping;
    bool is_ping_due;
    u64 ping_at;
    u64 pong_count;
    u64 foreign_count; // Messages to other clients, which were passed over.

    // What is being received.
    u8 *buffer;
    u32 received;
    u32 absorbed;      // Bytes of the body that the checksum has seen.
    bool is_header_in; // The header was checked.
    bool is_passed_over;
    struct checksum_state sum;
    u32 held;    // Bytes of an answer that was handed out.
    bool is_due; // The last wait found something to do.
    struct compat_answer answer;
};

// Nanoseconds of the monotonic clock, which all deadlines here are of.
u64 compat_client_now(void);

// --- From a loop ---

// Begins a session: looks the host up (which may take the resolver's time), starts to connect and
// to register, for which `deadline` is. STATUS_NOT_FOUND when the host has no address, STATUS_FULL
// without memory; then nothing is held.
MUST_USE enum status compat_client_open(struct compat_client *client,
                                        const struct compat_client_options *options, u64 deadline,
                                        struct failure *failure);
// Closes the connection and gives the memory back. The server keeps the session.
void compat_client_close(struct compat_client *client);

// Whether a request can be submitted: registered, nothing in flight, not ended.
static inline bool compat_client_is_idle(const struct compat_client *client)
{
    return client->session != 0 && !client->is_in_flight && client->state != COMPAT_CLIENT_ENDED;
}
// Starts a request and sends what the socket takes at once. The client must be idle (asserted).
// `operation` is the wire's byte. The body is the caller's, and must stay as it is until the
// answer; it is sent as given, even if it is not well-formed (then the reply's body is not
// checked). Drops the answer before. Fails as compat_client_step does.
MUST_USE enum status compat_client_submit(struct compat_client *client, u8 operation,
                                          const void *body, u32 body_size, u64 deadline,
                                          struct failure *failure);
// The same with the body's checksum computed by the caller beforehand.
MUST_USE enum status compat_client_submit_sum(struct compat_client *client, u8 operation,
                                              const void *body, u32 body_size, u128 checksum_body,
                                              u64 deadline, struct failure *failure);
// Sends, receives, connects and keeps time, as far as it goes without waiting. STATUS_OK whether or
// not there is progress. STATUS_TIMEOUT when the deadline of the request in flight has passed: it
// stays in flight. STATUS_CANCELLED after an eviction, STATUS_NOT_FOUND when `turned_away_max`
// connections in a row were ended before there was a session, and STATUS_INVALID when the server
// breaks the protocol: the client has ended (COMPAT_CLIENT_ENDED), and says so each time.
MUST_USE enum status compat_client_step(struct compat_client *client, struct failure *failure);
// The answer to the last request, or NULL while there is none. The register has one too.
const struct compat_answer *compat_client_answer(const struct compat_client *client);
// Drops the answer, so that pongs and evictions are received again while no request is in flight.
void compat_client_release(struct compat_client *client);

// What to wait for with poll(2) before the next step: the descriptor (-1 when there is none) and
// POLLIN, POLLOUT.
int compat_client_fd(const struct compat_client *client);
short compat_client_events(const struct compat_client *client);
// Why the last connection ended or was not made, "" when none has.
const char *compat_client_problem(const struct compat_client *client);
// The moment at which a step is due even if nothing happens.
u64 compat_client_wake_at(const struct compat_client *client);
// Waits until a step is due for one of `count` clients, or `until` has come.
#define COMPAT_CLIENT_WAIT_MAX 1024u
void compat_client_wait(struct compat_client *const *clients, u32 count, u64 until);
// Whether the last wait found that a step is due; others need none.
static inline bool compat_client_is_due(const struct compat_client *client)
{
    return client->is_due;
}
// Whether a part of a request or a ping is still to be sent.
static inline bool compat_client_is_sending(const struct compat_client *client)
{
    return client->out_count > 0 || client->is_request_due;
}

// --- One call at a time ---

// Opens and registers. Fails as compat_client_open and compat_client_step do: STATUS_NOT_FOUND is
// for a host without an address and for a server that turned the client away; STATUS_TIMEOUT tells
// why the last connection failed, and what is likely: a server of another cluster closes the
// connection, and has no other word for it. On failure nothing is held.
MUST_USE enum status compat_client_connect(struct compat_client *client,
                                           const struct compat_client_options *options,
                                           u64 timeout_ns, struct failure *failure);
// Sends a request and waits for the answer, which is valid as struct compat_answer states. Fails as
// compat_client_step does.
MUST_USE enum status compat_client_call(struct compat_client *client, u8 operation,
                                        const void *body, u32 body_size, u64 timeout_ns,
                                        const struct compat_answer **answer,
                                        struct failure *failure);
#endif
