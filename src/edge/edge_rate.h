// SPDX-License-Identifier: Apache-2.0
//
// How many requests a token may make: a bucket each, which fills in the course of time.
//
// A fixed table; when all places are taken, the one that was quiet longest is given away, which
// is full by then unless more tokens are at work than there are places.
#ifndef TAEL_EDGE_EDGE_RATE_H
#define TAEL_EDGE_EDGE_RATE_H

#include "base/sha256.h"

#define EDGE_RATE_WAYS 4u
#define EDGE_RATE_SETS 4096u

struct edge_rate_bucket {
    struct digest key;
    u64 at;    // When it was last filled, nanoseconds,
    u64 level; // and what it had then, in billionths of a request.
};

struct edge_rates {
    u32 rate;                         // Requests a second; 0: no bound.
    u32 burst;                        // At most in a bucket.
    struct edge_rate_bucket *buckets; // EDGE_RATE_SETS times EDGE_RATE_WAYS.
};

// Takes memory, which edge_rates_free gives back.
void edge_rates_init(struct edge_rates *rates, u32 rate, u32 burst);
void edge_rates_free(struct edge_rates *rates);

// Takes one request from the bucket of a key. Returns 0, or the seconds after which there is one.
u32 edge_rate_take(struct edge_rates *rates, const struct digest *key, u64 now);

#endif
