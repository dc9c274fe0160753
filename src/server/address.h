// SPDX-License-Identifier: Apache-2.0
//
// Where a server is: a host and a port, or a unix socket; read, printed, looked up, connected to.
//
// Guarantees: nothing waits but the resolver.
#ifndef TAEL_SERVER_ADDRESS_H
#define TAEL_SERVER_ADDRESS_H

#include "base/base.h"

#include <sys/socket.h>

// A place to connect to.
struct address {
    char host[256]; // Or the path of a unix socket:
    char port[6];   // then this is "".
};
// Reads "HOST:PORT", "[IPV6]:PORT", "PORT" of 127.0.0.1, or "unix:PATH". STATUS_INVALID with the
// rule.
MUST_USE enum status address_parse(const char *text, struct address *out, struct failure *failure);
// Prints it as a person would write it; returns `out`.
#define ADDRESS_TEXT_SIZE 272u
const char *address_print(const struct address *address, char out[ADDRESS_TEXT_SIZE]);

// What an address stands for; a connection is tried at one after the other.
#define ADDRESS_PLACES_MAX 4u
struct address_places {
    struct sockaddr_storage items[ADDRESS_PLACES_MAX];
    socklen_t sizes[ADDRESS_PLACES_MAX];
    u32 count;
    u32 next; // The one to try next, modulo `count`.
};

// Looks an address up, which may take the resolver's time. STATUS_NOT_FOUND when its host has no
// place.
MUST_USE enum status address_look_up(const struct address *address, struct address_places *out,
                                     struct failure *failure);
// Begins to connect to the next place; the socket does not wait. STATUS_IO tells why that cannot
// be; then there is no socket. That the connection is made is told by address_connected.
MUST_USE enum status address_connect(struct address_places *places, int *fd,
                                     struct failure *failure);
// Whether a connection that was begun is made. STATUS_IO when it failed: the socket stays the
// caller's to close. A place that was reached is the next one, too.
MUST_USE enum status address_connected(struct address_places *places, int fd, bool *is_made,
                                       struct failure *failure);

#endif
