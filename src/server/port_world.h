// SPDX-License-Identifier: Apache-2.0
//
// A server with a tael port for tests: the real port, pipeline and machine over a disk in memory
// that can be made to wait, stepped by the test. Its log accepts the sample module and has the
// accounts PORT_WORLD_PAYER and PORT_WORLD_HOLDER.
//
// What is not as it must be ends the process with a message.
#ifndef TAEL_SERVER_PORT_WORLD_H
#define TAEL_SERVER_PORT_WORLD_H

#include "os/disk_memory.h"
#include "server/ports.h"

#define PORT_WORLD_STEPS_MAX 20000u // Of a millisecond, before a test gives up.
#define PORT_WORLD_PAYER     1u
#define PORT_WORLD_HOLDER    2u

// Caller-owned.
struct port_world {
    struct disk_memory disk;
    struct disk_operations operations; // Those of the disk, but for the gate.
    struct node node;
    struct ports ports; // Only that of tael; its clocks are `time`, its answers pass by here.
    struct listener listener;
    char path[64];
    u64 space_reserve;
    u64 time;
    u32 raw_done;                // Commands of no port that were answered.
    u32 buffers;                 // There are, when nothing goes on.
    struct frame_command logged; // The last command of a module.
};

// Makes a new disk, opens a log on it and makes the accounts.
void port_world_begin(struct port_world *world);
// Waits until every buffer is given back, stops the server cleanly and frees everything.
void port_world_end(struct port_world *world);
// Opens what is on the disk and serves it at `path`; and stops.
void port_world_start(struct port_world *world);
void port_world_stop(struct port_world *world);
// Ends the server as it stands, loses what is not durable, and starts again.
void port_world_crash(struct port_world *world);
// One round of the server, a millisecond later.
void port_world_step(struct port_world *world);
// From here on writes wait, once the log has its files; and they go on.
void port_world_gate_close(struct port_world *world);
void port_world_gate_open(void);
// Buffers that are free; and waits until all are.
u32 port_world_buffers(struct port_world *world);
void port_world_buffers_await(struct port_world *world);
// What the payer was debited so far.
u128 port_world_debits(const struct port_world *world);

#endif
