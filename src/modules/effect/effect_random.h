// SPDX-License-Identifier: Apache-2.0
//
// For tests: random commands of three gateways and their owner on effects, as the model has them:
// mostly what makes sense, now and then what does not.
#ifndef TAEL_MODULES_EFFECT_EFFECT_RANDOM_H
#define TAEL_MODULES_EFFECT_EFFECT_RANDOM_H

#include "base/random.h"
#include "modules/effect/effect_model.h"

#define EFFECT_RANDOM_BODY_MAX      128u
#define EFFECT_RANDOM_GATEWAY_FIRST 5u
#define EFFECT_RANDOM_GATEWAYS      3u

struct effect_random {
    const struct effect_model *model;
    struct random *random;
    u32 lease_max_s;
    u64 principal; // Who gives the last record.
    u64 claims[8]; // Numbers of the last claims, a ring.
    u32 claim_count;
};

// The number of a record of a gateway or an owner: 0x0901 to 0x0907.
u16 effect_random_pick(struct effect_random *random);
// Makes a record 0x0901 to 0x0909 and says in random->principal who gives it. Returns its size;
// `out` has EFFECT_RANDOM_BODY_MAX bytes, aligned to 16.
u32 effect_random_record(struct effect_random *random, u16 record, void *out);
// A claim was carried out at this position.
void effect_random_claimed(struct effect_random *random, u64 claim);

#endif
