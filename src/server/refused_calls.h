// SPDX-License-Identifier: Apache-2.0
//
// For tests: a process of which one system call is refused, whichever it is: those on sockets,
// signals, threads and files that the product makes. The program is linked so that it makes them
// through this file (src/server/meson.build); of the C library's own calls none is refused.
#ifndef TAEL_SERVER_REFUSED_CALLS_H
#define TAEL_SERVER_REFUSED_CALLS_H

#include "base/base.h"

#include <stdatomic.h>

struct refused_calls {
    _Atomic u64 calls; // So far, by all threads.
    u64 refuse_at;     // This one is refused, and not carried out; 0 none.
    char name[32];     // Of the one that was refused; empty before.
};

// From here on the calls of this process are counted in `*calls`, which may be shared with another
// process; NULL ends that.
void refused_calls_begin(struct refused_calls *calls);

#endif
