// SPDX-License-Identifier: Apache-2.0
//
// A load of modules' commands of which the truth is known: the tael port's half of load.h.
//
// Entries move 1 + id modulo 97 from account 1 to account 2 of a book, with ids that count up, many
// in flight, sent again by libtael itself. Once all are answered the balances are the sums over all
// ids if and only if each took effect once. Whatever is not as it must be ends the process with a
// message.
#ifndef TAEL_TESTS_E2E_BOOKS_LOAD_H
#define TAEL_TESTS_E2E_BOOKS_LOAD_H

#include "load.h"

#include <tael.h>

#define BOOKS_LOAD_IN_FLIGHT 32u

struct books_load;
struct books_slot {
    struct books_load *books;
    u8 body[256]; // Of its entry, while that is in flight.
};

struct books_load {
    struct tael_client *client;
    char address[120];
    u64 submitted;
    u64 answered;
    u128 moved;          // The sum over the entries submitted,
    u128 moved_answered; // and over those answered.
    u64 timestamp;       // Of the last one answered.
    bool is_held;        // Nothing more is submitted.
    bool is_set_up;
    struct books_slot slots[BOOKS_LOAD_IN_FLIGHT];
};

// A client of the tael port at `address`; nothing is sent yet.
void books_load_init(struct books_load *books, const char *address);
void books_load_free(struct books_load *books);
// Opens entity, asset, chart, book and accounts, once, and waits until it is done.
void books_load_set_up(struct books_load *books);
// Goes on with what another client knew of the same folder, all of it answered.
void books_load_go_on(struct books_load *books, const struct books_load *from);
// Submits entries as long as there is room, and does what needs no waiting.
void books_load_step(struct books_load *books);
// Submits entries as long as there is room, and takes answers, until `until` by tael_now().
void books_load_run(struct books_load *books, u64 until);
// Submits nothing more and waits until everything is answered; LOAD_TIMEOUT_NS at most. Then the
// two balances must be what was moved.
void books_load_check(struct books_load *books);
// For a client that may not send again what was in flight, since the folder has become a copy: the
// balances, asked by a new client, must be between what was answered and what was submitted.
void books_load_check_copy(struct books_load *books);

#endif
