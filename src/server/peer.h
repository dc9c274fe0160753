// SPDX-License-Identifier: Apache-2.0
//
// Who is at the other end of a socket of this machine, by the word of the kernel.
#ifndef TAEL_SERVER_PEER_H
#define TAEL_SERVER_PEER_H

#include "base/base.h"

#include <sys/types.h>

// The user that owns the other end of a connected socket: a unix socket (SO_PEERCRED, unix(7)), or
// one of 127.0.0.1 (its row of /proc/net/tcp, proc_net(5), while it is established). False when
// that cannot be told; nobody may be let in then.
bool peer_user(int fd, uid_t *user);
// Whether it is a unix socket.
bool peer_is_unix(int fd);

#endif
