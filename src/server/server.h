// SPDX-License-Identifier: Apache-2.0
//
// The server: one folder, one pipeline, its ports; runs until SIGTERM or SIGINT.
#ifndef TAEL_SERVER_SERVER_H
#define TAEL_SERVER_SERVER_H

#include "base/base.h"

// Options that say what a folder is made with, and were given rather than left to the default.
enum server_given {
    SERVER_GIVEN_CLUSTER = 1 << 0,
    SERVER_GIVEN_ACCOUNTS_MAX = 1 << 1,
    SERVER_GIVEN_HOLDS_MAX = 1 << 2,
};

struct server_options {
    const char *data;              // The folder; made when it is new.
    const char *compat;            // "PORT", "127.0.0.1:PORT" or "unix:PATH"; port 0 picks one.
    const char *port;              // The same of the tael port; "" for none, NULL for DIR/socket.
    const char *http;              // Where the edge speaks HTTP, likewise; "" for nowhere.
    const char *const *edge_flags; // Of the edge, beside where it listens and connects to; NULL
                                   // behind the last. They must stay.
    u32 edge_stop_s;               // How long it has to stop.
    u128 cluster;                  // Of a new log.
    u32 accounts_max;              // Of a new log.
    u32 holds_max;                 // Of a new log.
    u32 given;                     // enum server_given.
    u64 checkpoint_bytes;          // Log between checkpoints, at least.
    u64 space_reserve;             // Free space below which commands are refused.
    u64 clock_jump_max_s; // How far the clock may have jumped forwards since the last frame.
    // Called when the server answers clients, with the addresses that it listens on; `port` and
    // `http` are "" without one.
    void (*ready)(const struct server_options *options, const char *compat, const char *port,
                  const char *http);
    const void *context; // For `ready`.
};

// Looks at the address and the folder and changes nothing: STATUS_INVALID when the address is none,
// or when the folder was made with something else than what was given, or has no log and is not
// empty.
MUST_USE enum status server_options_check(const struct server_options *options,
                                          struct failure *failure);
// Opens, calls `ready`, serves, stops cleanly. STATUS_OK after a clean stop.
MUST_USE enum status server_run(const struct server_options *options, struct failure *failure);

#endif
