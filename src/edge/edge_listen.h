// SPDX-License-Identifier: Apache-2.0
//
// The socket that the edge listens on.
#ifndef TAEL_EDGE_EDGE_LISTEN_H
#define TAEL_EDGE_EDGE_LISTEN_H

#include "base/base.h"

// Takes "PORT" of 127.0.0.1, "HOST:PORT" or "[IPV6]:PORT" (port 0 picks one), or "fd:N", a socket
// that listens already, and writes the address as it is. STATUS_INVALID when it is none of these,
// or one that is not of this machine alone and `is_public` is false; STATUS_BUSY, STATUS_IO.
MUST_USE enum status edge_listen(const char *text, bool is_public, int *fd, char *address,
                                 size_t size, struct failure *failure);

#endif
