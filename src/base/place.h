// SPDX-License-Identifier: Apache-2.0
//
// Places of the log as people are told them: a place is the number of a file times its size, and an
// offset in it (docs/FORMAT.md, section 1).
#ifndef TAEL_BASE_PLACE_H
#define TAEL_BASE_PLACE_H

#include "base/base.h"

#include <stdio.h>

#define PLACE_FILE_SIZE (64 * MIB)

// "log-00000001, offset 4096".
struct place_text {
    char text[48];
};

// The place as text.
static inline struct place_text place_text(u64 place)
{
    struct place_text out;
    (void)snprintf(out.text, sizeof out.text, "log-%08llx, offset %llu",
                   (unsigned long long)(place / PLACE_FILE_SIZE),
                   (unsigned long long)(place % PLACE_FILE_SIZE));
    return out;
}

#endif
