// SPDX-License-Identifier: Apache-2.0
//
// How the system schedules the calling thread. Wishes: where the system does not know or grant one,
// nothing changes.
#ifndef TAEL_OS_THREAD_H
#define TAEL_OS_THREAD_H

#include "base/base.h"

// Asks to run at once on waking; for threads that a reply waits for.
void thread_hurry(void);
// Asks to come after other threads, by this many steps of nice(2); for work in the background.
void thread_give_way(int nice);
// Leaves the processor to others for about so long, at most a second.
void thread_pause(u64 nanoseconds);

#endif
