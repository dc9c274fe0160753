// SPDX-License-Identifier: Apache-2.0
//
// Who is let in at the tael port: by the kernel's word on the user at the other end, or by a proof
// of the key that the log knows (docs/PROTOCOL.md, "Who is let in").
//
// Guarantees
//   Q1 A challenge is of one connection, random, answered once and in time, or worth nothing.
//   Q2 Who proves nothing learns nothing: a principal that there is not, is closed or has no key
//      is challenged and refused in the same words, after the same work.
//   Q3 A session is that of an open principal, by the key that it still has: asked again before
//      each message.
//   Q4 Wrong proofs are bounded for each user of the system: the next ones cost nobody anything,
//      and delay no other user.
//   Q5 Nobody is let in by what is not durable yet.
//   Q6 No principal takes the places of others, and all the others together not the operator's.
//
// No sockets here, no clock: the port tells who is at the other end, the time and a random number.
// Cost: a look-up for each message of a session that is not principal 1's; a proof 60 us.
#ifndef TAEL_SERVER_ADMISSION_H
#define TAEL_SERVER_ADMISSION_H

#include "modules/principal/principal.h"
#include "server/tael_message.h"
#include "wal/frame.h"

#include <sys/types.h>

#define ADMISSION_PROOF_TIMEOUT_NS (5 * NS_PER_S)
// Wrong proofs of one user in so long; then there is no challenge until the time is over.
#define ADMISSION_WRONG_MAX       20u
#define ADMISSION_WRONG_WINDOW_NS (10 * NS_PER_S)
#define ADMISSION_USERS_MAX       64u

// Sessions that may be at once (Q6): of one principal, of all principals but 1 together, of all. A
// port has 256 places (CONNECTIONS_MAX). So 64 are left to the operator whatever others do, and 32
// to those who are not let in yet, among whom the one that is there longest gives way; a principal
// that has all of its own leaves 96 to the others. The operator has no bound of its own: it can end
// the server anyway.
#define ADMISSION_SESSIONS_EACH   64u
#define ADMISSION_SESSIONS_OTHERS 160u
#define ADMISSION_SESSIONS_ALL    224u

// Who has how many sessions.
struct admission_count {
    u32 own;    // The principal that is judged;
    u32 others; // all but principal 1;
    u32 all;
};

enum admission_state {
    ADMISSION_STRANGER, // Has said nothing yet.
    ADMISSION_ASKED,    // Was challenged.
    ADMISSION_WELCOME,
};

// Who is at the other end, as the kernel has it.
struct admission_peer {
    bool has_user; // It can be told.
    bool is_unix;  // A unix socket; else TCP.
    uid_t user;
};

// Of one connection. Zero is a stranger.
struct admission {
    enum admission_state state;
    enum command_through through;
    u64 principal;     // Who it is; when asked, who it says to be.
    u64 open_position; // Of the principal's record when it was let in,
    u64 key_position;  // of its key.
    u64 asked_at;      // Nanoseconds of the port's clock.
    struct admission_peer peer;
    struct tael_challenge challenge;
};

// Users who have sent wrong proofs. Zero is none.
struct admission_users {
    struct {
        u64 since; // The first of those counted.
        u32 wrong; // 0: the place is free.
        uid_t user;
    } items[ADMISSION_USERS_MAX];
};

// What the port knows when somebody asks.
struct admission_facts {
    const struct module_context *context; // Of the machine, of any module.
    u64 position;                         // That is durable.
    u64 now;                              // Of the port's clock, nanoseconds.
    uid_t own_user;                       // Of the server.
};

// Judges a hello. NULL: the state is WELCOME, or ASKED, and the challenge to send is there, made
// of `fresh`. Else why the client is turned away.
const char *admission_hello(struct admission *admission, struct admission_users *users,
                            const struct admission_facts *facts, const struct admission_peer *peer,
                            const struct tael_hello *hello, const struct tael_challenge *fresh);
// Judges the proof of one who was ASKED. NULL: it is let in. Else why it is turned away; the
// challenge is gone in any case.
const char *admission_proof(struct admission *admission, struct admission_users *users,
                            const struct admission_facts *facts, const struct tael_proof *proof);
// Judges whether there is a place for one more session of the principal, beside those that there
// are. NULL, or why it is turned away (Q6).
const char *admission_place(u64 principal, const struct admission_count *count);
// Whether a session that was let in still stands (Q3).
bool admission_stands(const struct admission *admission, const struct module_context *context);
// Whether the time to answer the challenge is over.
static inline bool admission_is_late(const struct admission *admission, u64 now)
{
    return admission->state == ADMISSION_ASKED &&
           now > admission->asked_at + ADMISSION_PROOF_TIMEOUT_NS;
}

#endif
