// SPDX-License-Identifier: Apache-2.0
//
// How many requests a token may make.
#include "edge/edge_rate.h"

#include <stdlib.h>

void edge_rates_init(struct edge_rates *rates, u32 rate, u32 burst)
{
    *rates = (struct edge_rates){.rate = rate, .burst = MAX(burst, 1u)};
    rates->buckets = calloc((size_t)EDGE_RATE_SETS * EDGE_RATE_WAYS, sizeof *rates->buckets);
    assert(rates->buckets != NULL);
}

void edge_rates_free(struct edge_rates *rates)
{
    free(rates->buckets);
    *rates = (struct edge_rates){0};
}

static struct edge_rate_bucket *bucket_find(struct edge_rates *rates, const struct digest *key,
                                            u64 now)
{
    const u32 set = load_u32(key->bytes) % EDGE_RATE_SETS;
    struct edge_rate_bucket *ways = &rates->buckets[(size_t)set * EDGE_RATE_WAYS];
    struct edge_rate_bucket *oldest = ways;
    for (u32 i = 0; i < EDGE_RATE_WAYS; i++) {
        if (memcmp(&ways[i].key, key, sizeof *key) == 0) return &ways[i];
        if (ways[i].at < oldest->at) oldest = &ways[i];
    }
    *oldest = (struct edge_rate_bucket){.key = *key, .at = now, .level = rates->burst * NS_PER_S};
    return oldest;
}

u32 edge_rate_take(struct edge_rates *rates, const struct digest *key, u64 now)
{
    if (rates->rate == 0) return 0;
    struct edge_rate_bucket *bucket = bucket_find(rates, key, now);
    const u64 most = rates->burst * NS_PER_S;
    const u64 gone = now > bucket->at ? now - bucket->at : 0;
    // From empty it is full after most / rate nanoseconds.
    const u64 level =
        gone >= most / rates->rate ? most : MIN(most, bucket->level + gone * rates->rate);
    bucket->at = now;
    bucket->level = level;
    if (level >= NS_PER_S) {
        bucket->level -= NS_PER_S;
        return 0;
    }
    const u64 wait_ns = (NS_PER_S - level + rates->rate - 1) / rates->rate;
    return (u32)((wait_ns + NS_PER_S - 1) / NS_PER_S);
}
