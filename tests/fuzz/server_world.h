// SPDX-License-Identifier: Apache-2.0
//
// A server in one process: node, pipeline and both ports over a disk in memory, real sockets, a
// clock that goes on by rounds or when it is told to. Stepped by whoever owns it.
//
// What is not as it must be ends the process, with the place (FUZZ_CHECK).
#ifndef TAEL_TESTS_FUZZ_SERVER_WORLD_H
#define TAEL_TESTS_FUZZ_SERVER_WORLD_H

#include "machine/recovery.h"
#include "os/disk_memory.h"
#include "server/ports.h"

// Rounds of a millisecond at most before a wait is given up: who does not answer is found.
#define WORLD_ROUNDS_MAX 60000u

struct world {
    struct disk_memory disk;
    struct node node;
    struct listener tael_listener;
    struct listener compat_listener;
    struct ports ports; // Its clocks are `now`, its answers pass by here.
    u64 now;            // Nanoseconds, of frames and ports.
    u32 buffers;        // There are, when nothing goes on.
    u32 plain_clients;  // That came since the start.
};

// An empty disk with a new log, served; and the end of it: what is on the disk is verified, and all
// of it replayed to the same state.
void world_begin(struct world *world);
void world_end(struct world *world);
// One round: what sockets and threads have, commands, answers. Waits for so many milliseconds if
// there is nothing.
void world_step(struct world *world, int wait_ms);
// Steps until nothing goes on: no buffer is out, everything is indexed, no job is running.
void world_rest(struct world *world);
// At rest: stops cleanly and starts again, or loses what is not durable. The state is what it was.
void world_restart(struct world *world, bool is_crash);
// At rest: every invariant of machine, ledger and modules (asserts); and what must not change by a
// refusal: a checksum over all tables but those of sessions and notes.
void world_check(struct world *world);
// The latter.
u128 world_state(struct world *world);
// A socket that is connected to a port.
int world_connect(struct world *world, bool is_compat);

#endif
