// SPDX-License-Identifier: Apache-2.0
//
// Who asks: from the header Authorization to a principal.
//
// A token is known to the log by its hash (modules/principal). What the log has said of one holds
// for a second, so that what is closed, ended or delegated takes effect within it.
#ifndef TAEL_EDGE_EDGE_CALLER_H
#define TAEL_EDGE_EDGE_CALLER_H

#include "base/sha256.h"

#define EDGE_CALLER_NS NS_PER_S
#define EDGE_CALLERS   4096u // That are known at the same time; each has one place it may be in.

struct edge_caller {
    u64 principal;
    struct digest token; // Its hash: which key the rate is of.
};

// Those of whom the log has said that they may ask.
struct edge_callers {
    struct edge_caller_known {
        struct edge_caller caller;
        u64 until; // By the clock of tael_now.
    } * known;
};

// Takes memory, which edge_callers_free gives back.
void edge_callers_init(struct edge_callers *callers);
void edge_callers_free(struct edge_callers *callers);
// Keeps what the log said at `now`.
void edge_callers_put(struct edge_callers *callers, const struct edge_caller *caller, u64 now);
// Whose a token is; false when that is not known now, and has to be asked.
MUST_USE bool edge_callers_find(const struct edge_callers *callers, const struct digest *token,
                                u64 now, struct edge_caller *out);

// The hash of a header's token. NULL, or why the header has none: to be told to who asks.
const char *edge_caller_header(const char *header, struct digest *token);

#endif
