// SPDX-License-Identifier: Apache-2.0
//
// The server: one folder, one pipeline, its ports; runs until SIGTERM or SIGINT.
#ifndef TAEL_SERVER_SERVER_H
#define TAEL_SERVER_SERVER_H

#include "base/base.h"

struct server_options {
    const char *data;     // The folder; made when it is new.
    const char *compat;   // "PORT", "127.0.0.1:PORT" or "unix:PATH"; port 0 picks one.
    u128 cluster;         // Of a new log.
    u32 accounts_max;     // Of a new log.
    u32 holds_max;        // Of a new log.
    u64 checkpoint_bytes; // Log between checkpoints, at least.
    u64 space_reserve;    // Free space below which commands are refused.
    u64 clock_jump_max_s; // How far the clock may have jumped forwards since the last frame.
    bool json;            // The line that says `ready` is a JSON object.
};

// Sets every option but `data`.
void server_options_default(struct server_options *options);
// Opens, prints one line starting `ready` on standard output (with `json` an object whose member
// `ready` is true), serves, stops cleanly. STATUS_OK after a clean stop.
MUST_USE enum status server_run(const struct server_options *options, struct failure *failure);

#endif
