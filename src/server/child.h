// SPDX-License-Identifier: Apache-2.0
//
// A process that the server starts and watches over: the edge.
//
// When it ends it is started again, after a pause that doubles from a tenth of a second up to half
// a minute while it lives for less than that, and the trace says so each time. The server goes on
// whatever becomes of it. One thread.
#ifndef TAEL_SERVER_CHILD_H
#define TAEL_SERVER_CHILD_H

#include "base/base.h"

#include <sys/types.h>

#define CHILD_ARGUMENTS_MAX 64u
#define CHILD_SOCKET_FD     3 // Under which the process has the socket.

struct child {
    const char *name;                          // On the trace.
    const char *argv[CHILD_ARGUMENTS_MAX + 1]; // This very program is started with them.
    int socket_fd;                             // That it gets.
    pid_t pid;                                 // 0: it does not run.
    u64 started;                               // By the steady clock,
    u64 start_at;                              // and when it is started next; U64_MAX: not again.
    u64 pause;
};

// Starts it when that is due.
void child_tick(struct child *child, u64 now);
// Looks whether it has ended; to be called after SIGCHLD.
void child_reap(struct child *child, u64 now);
// Asks it to end (SIGTERM), or ends it (SIGKILL), and does not start it again.
void child_end(struct child *child, int number);

#endif
