// SPDX-License-Identifier: Apache-2.0
//
// For tests: a process of which one system call is refused, whichever it is: those on sockets,
// signals, threads and files that the product makes. The program is linked so that it makes them
// through this file (src/os/meson.build); of the C library's own calls none is refused.
//
// Which one: the first on a way through the program on which none was refused (os/call_paths.h).
#ifndef TAEL_OS_REFUSED_CALLS_H
#define TAEL_OS_REFUSED_CALLS_H

#include "os/call_paths.h"

#include <stdatomic.h>

struct refused_calls {
    struct call_paths paths;
    atomic_flag is_locked; // By a thread that looks at them.
    char name[32];         // Of the call that was refused; empty before.
};

// In the beginning of a number of processes.
void refused_calls_init(struct refused_calls *calls);
// From here on a call of this process may be refused. `*calls` may be shared with other processes,
// of which one at a time makes calls; NULL ends that.
void refused_calls_begin(struct refused_calls *calls);

#endif
