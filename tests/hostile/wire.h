// SPDX-License-Identifier: Apache-2.0
//
// The hostile side: connections to one of the two ports, on which a line of the file of inputs is
// carried out, step by step, and what the server answers (inputs has the language at its head).
#ifndef TAEL_TESTS_HOSTILE_WIRE_H
#define TAEL_TESTS_HOSTILE_WIRE_H

#include "base/base.h"

#define WIRE_CONNECTIONS_MAX 10000u
#define WIRE_MESSAGE_MAX     (4u * 1024 * 1024)

enum wire_port { WIRE_COMPAT, WIRE_TAEL };

struct wire {
    enum wire_port port;
    const char *address; // "127.0.0.1:N" or "unix:PATH".
    int *descriptors;    // Of the connections; -1: closed by this side.
    u32 count;
    u64 seed; // Of noise and of the client's id.
    // The session, of the first connection.
    u128 client;
    u64 session;
    u128 parent;
    u32 request;
    u8 *message; // The last one sent,
    u32 size;    // and its bytes.
};

// A wire without connections; `message` and `descriptors` are its own memory.
void wire_init(struct wire *wire, enum wire_port port, const char *address, u64 seed);
// Closes every connection.
void wire_free(struct wire *wire);
// The number behind a word: "connect 200". False when the text is another, or no number is there.
MUST_USE bool wire_number(const char *text, const char *word, u32 *out);
// Carries out one step; its text is the caller's. False, with a sentence, when it makes no sense or
// this side cannot do it; what the server refuses is no failure.
MUST_USE bool wire_step(struct wire *wire, const char *step, struct failure *failure);
// Waits for what the server answers and compares it with what must come. False with a sentence.
MUST_USE bool wire_expect(struct wire *wire, const char *answer, struct failure *failure);
// Whether every connection has been closed by the server; waits until `until` (compat_client_now).
MUST_USE bool wire_all_closed(struct wire *wire, u64 until);

#endif
