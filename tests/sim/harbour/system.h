// SPDX-License-Identifier: Apache-2.0
//
// What the program asks of the system, answered by a host and a network of the simulator.
//
// The linker puts these functions in the place of the C library's (meson.build has their names), in
// this program alone. While there is no simulated system, and for descriptors that are not its own,
// they are the C library's.
#ifndef TAEL_SIM_SYSTEM_H
#define TAEL_SIM_SYSTEM_H

#include "host.h"
#include "network.h"

struct simulated {
    struct host host;
    struct network network;
    struct random random; // What the program asks the kernel for.
    u32 user;             // Of whoever makes sockets now, from the world.
    // A line of the program's trace. NULL: nobody listens.
    void (*traced)(void *context, const char *line);
    void *context;
};

// Answers for this one from here on; NULL: the C library does. One at a time.
void simulated_set(struct simulated *simulated);
// The context of the one that answers.
void *simulated_context(void);

#endif
