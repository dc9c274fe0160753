// SPDX-License-Identifier: Apache-2.0
//
// The simulator's own wishes for memory: a world that does not get what it needs has said nothing
// about the server, and ends.
#ifndef TAEL_SIM_MUST_H
#define TAEL_SIM_MUST_H

#include <stdlib.h>

// The memory, which is there; else the process is left.
static inline void *must(void *memory)
{
    if (memory == NULL) abort();
    return memory;
}

#endif
