// SPDX-License-Identifier: Apache-2.0
//
// The socket that a port listens on: an address is taken before a data folder is made or
// changed, and clients are let in when there is somebody to answer them.
//
// Between the two a client is refused, as while no server runs. A unix socket takes its path over
// only from a socket that nobody listens on any more, and removes only what it made.
#ifndef TAEL_SERVER_LISTENER_H
#define TAEL_SERVER_LISTENER_H

#include "base/base.h"

#include <sys/types.h>

// Caller-owned; the fields are private but `fd`.
struct listener {
    int fd;            // -1: none.
    char address[128]; // "127.0.0.1:3000" or "unix:PATH"; its port is known after taking it.
    char path[108];    // Of a unix socket that was made; else "".
    dev_t device;      // What was made at `path`.
    ino_t inode;
};

// Whether the text is an address that could be taken; takes none. STATUS_INVALID with the rule.
MUST_USE enum status listener_check(const char *address, struct failure *failure);
// Takes `address`: "PORT" or "127.0.0.1:PORT" (0 picks one) or "unix:PATH". STATUS_INVALID when it
// is none of these, STATUS_BUSY when it or its path is somebody else's. On failure nothing is held.
MUST_USE enum status listener_take(struct listener *listener, const char *address,
                                   struct failure *failure);
// Of a unix socket: every user of the system may connect to it. For a port that asks who they are.
MUST_USE enum status listener_open_to_all(struct listener *listener, struct failure *failure);
// Lets clients connect. STATUS_BUSY when another process took the path meanwhile.
MUST_USE enum status listener_begin(struct listener *listener, struct failure *failure);
// Gives the address back; also after a failure, and twice.
void listener_close(struct listener *listener);

#endif
