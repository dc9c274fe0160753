// SPDX-License-Identifier: Apache-2.0
//
// For tests: calls told apart by the way through the program on which they are made, so that on
// each way one is refused, and not each of the thousands that a loop makes.
//
// A test does the same work again and again; in each run one call is refused: the first one that
// comes on a way on which none has been, or the second, fourth, eighth one on a way of which those
// before have been. It ends with the run in which nothing is refused.
#ifndef TAEL_OS_CALL_PATHS_H
#define TAEL_OS_CALL_PATHS_H

#include "base/base.h"

#define CALL_PATHS_MAX 4096u

struct call_path {
    u64 digest; // Of the way; 0 none.
    u32 seen;   // Calls of this run.
    u32 next;   // The one that is to be refused; 0 none.
};

// May be shared by processes that are forks of one. One thread at a time.
struct call_paths {
    struct call_path items[CALL_PATHS_MAX];
    u32 count;
    u32 last; // No later call on a way than this one is refused.
};

// In the beginning. With a `last` of 1 one call is refused on each way.
void call_paths_init(struct call_paths *paths, u32 last);
// Before each run.
void call_paths_begin(struct call_paths *paths);
// Whether the call of whoever asks is to be refused; if so, it never is again.
bool call_paths_refuse(struct call_paths *paths);

#endif
