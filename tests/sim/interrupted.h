// SPDX-License-Identifier: Apache-2.0
//
// A run of worlds that is interrupted tells how many are done, and how it is gone on with.
#ifndef TAEL_TESTS_SIM_INTERRUPTED_H
#define TAEL_TESTS_SIM_INTERRUPTED_H

#include "codec/text.h"

#include <unistd.h>

// How long a report that a signal asks for may take. It may wait for ever: for a lock of the
// allocator that was held when the signal came.
#define REPORT_SECONDS 20u

struct interrupted {
    const char *program;     // With what chooses its worlds.
    const char *length_name; // The flag for how long a world is,
    u64 length;              // and what it has.
    u64 first;               // Seed of the first world.
    u64 done;                // Worlds that are over.
};

// Tells it in one line. For handlers of signals: it neither allocates nor takes a lock.
static inline void interrupted_tell(const struct interrupted *interrupted)
{
    char line[256];
    struct text out = text_init(line, sizeof line);
    // NOLINTBEGIN(bugprone-signal-handler,cert-sig30-c): they work on the buffer alone.
    text_append_string(&out, "interrupted: ");
    text_append_u128(&out, interrupted->done);
    text_append_string(&out, " worlds done; go on: ");
    text_append_string(&out, interrupted->program);
    text_append_string(&out, " --seed ");
    text_append_u128(&out, interrupted->first + interrupted->done);
    text_append_char(&out, ' ');
    text_append_string(&out, interrupted->length_name);
    text_append_char(&out, ' ');
    text_append_u128(&out, interrupted->length);
    text_append_char(&out, '\n');
    // NOLINTEND(bugprone-signal-handler,cert-sig30-c)
    (void)!write(STDERR_FILENO, line, MIN(out.size, out.capacity));
}

#endif
