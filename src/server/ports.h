// SPDX-License-Identifier: Apache-2.0
//
// Both ports above one pipeline: what a server does between a node that is open and a stop.
//
// One thread owns it all, and turns round after round: what sockets say, frames, answers, clocks.
// Nothing here asks for signals or touches the folder but through the node's disk, so that the
// simulator turns the same rounds (tests/sim).
#ifndef TAEL_SERVER_PORTS_H
#define TAEL_SERVER_PORTS_H

#include "server/clock.h"
#include "server/compat_port.h"
#include "server/tael_port.h"

#include <sys/epoll.h>

#define PORTS_EVENTS_MAX 64u // Handled in one round.

struct ports_options {
    struct pipeline_options pipeline;
    struct listener *compat; // Taken by the caller, and closed by it when the ports are freed.
    struct listener *tael;   // The same; without a descriptor there is no tael port.
    bool is_copy;            // The log must say first that it is one.
    void *context;           // Of these two:
    void (*copy_told)(void *context); // It says so, and that is durable.
    // As that of struct pipeline_callbacks: does not return.
    void (*fatal)(void *context, const struct failure *failure);
};

// Caller-owned, and stays where it is while it is open; the fields are private but for reading.
struct ports {
    struct ports_options options;
    struct node *node;
    struct pipeline *pipeline;
    struct compat_port *compat;
    struct tael_port *tael; // NULL: none.
    struct frame_clock clock;
    int epoll_fd;
    int watched_fd; // -1: none.
    struct epoll_event events[PORTS_EVENTS_MAX];
    u32 event_count; // That no turn has handled.
    u64 next_tick;   // By the steady clock.
    u64 wait;        // How long there is nothing to do.
};

// Starts the pipeline over an open node, and lets clients in. Time goes on behind the last frame.
// On failure nothing is left.
MUST_USE enum status ports_open(struct ports *ports, struct node *node,
                                const struct ports_options *options, struct failure *failure);
// Has ports_round tell when this descriptor of the caller's can be read.
MUST_USE enum status ports_watch(struct ports *ports, int fd, struct failure *failure);
// One round: waits for something to do, at most until `until` by the steady clock, and does it.
// Whether the watched descriptor can be read.
bool ports_round(struct ports *ports, u64 until);
// The two halves of a round, for callers with clocks of their own: waits so many milliseconds at
// most; and does what there is to do, at `now` of the steady clock, with `time` for frames. A
// `struct ports` that such a caller fills in itself may lack one of the ports.
void ports_await(struct ports *ports, int milliseconds);
bool ports_turn(struct ports *ports, u64 now, u64 time);
// Takes no more, answers what was taken, and leaves a checkpoint; on full storage neither is
// certain. Answers go to those who read them: a connection that has all of its own ends, and one
// that does not take them within a second ends without; what a command did is durable, and it may
// be asked again. What the system has of an answer is the system's to deliver.
void ports_stop(struct ports *ports);
// Ends connections and threads; also when nothing was opened.
void ports_free(struct ports *ports);
// Connections of both.
u32 ports_connections(const struct ports *ports);

#endif
