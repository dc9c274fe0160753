// SPDX-License-Identifier: Apache-2.0
//
// The generator of effect_random.h.
#include "modules/effect/effect_random.h"

static u32 below(struct effect_random *random, u32 limit)
{
    return (u32)random_below(random->random, limit);
}

static u64 some_effect(struct effect_random *random)
{
    if (below(random, 20) == 0) return below(random, 3) == 0 ? 0 : random->model->planned + 1;
    return random->model->planned == 0 ? 1 : 1 + below(random, (u32)random->model->planned);
}

// An effect, and the claim that it is in, often.
static u64 some_held(struct effect_random *random, u64 *claim)
{
    u64 number = some_effect(random);
    for (u32 i = 0; i < 20 && below(random, 8) != 0; i++) {
        const bool is_there = number > 0 && number <= random->model->planned;
        if (is_there && random->model->effects[number - 1].claim != 0) break;
        number = some_effect(random);
    }
    const bool is_there = number > 0 && number <= random->model->planned;
    *claim = is_there ? random->model->effects[number - 1].claim : 1;
    if (below(random, 10) == 0) *claim = random->claims[below(random, 8)];
    if (is_there && *claim != 0 && below(random, 10) != 0) {
        random->principal = random->model->effects[number - 1].gateway;
    }
    return number;
}

// An effect of which nobody knows what became, often.
static u64 some_unknown(struct effect_random *random)
{
    u64 number = some_effect(random);
    for (u32 i = 0; i < 20 && below(random, 8) != 0; i++) {
        const bool is_there = number > 0 && number <= random->model->planned;
        if (is_there && random->model->effects[number - 1].state == EFFECT_UNKNOWN) break;
        number = some_effect(random);
    }
    return number;
}

static u64 some_epoch(struct effect_random *random)
{
    return below(random, 30) == 0 ? random->model->epoch - 1 + below(random, 3)
                                  : random->model->epoch;
}

static u32 some_kind(struct effect_random *random)
{
    static const u32 kinds[] = {0x7f0001, 0x7f0002, 0x7f0001, 0x7f0002, 0x7f0002, 0, 0x7f0003};
    return kinds[below(random, below(random, 8) == 0 ? 7 : 5)];
}

u32 effect_random_record(struct effect_random *random, u16 record, void *out)
{
    u64 claim = 0;
    const u32 lease_s = below(random, 20) == 0 ? 0 : 1 + below(random, random->lease_max_s);
    const u32 reason = below(random, 10);
    memset(out, 0, EFFECT_RANDOM_BODY_MAX);
    random->principal = EFFECT_RANDOM_GATEWAY_FIRST + below(random, EFFECT_RANDOM_GATEWAYS);
    switch (record) {
    case 0x0901: {
        struct effect_claim *body = out;
        *body = (struct effect_claim){.epoch = some_epoch(random),
                                      .count = below(random, 8),
                                      .lease_s = lease_s,
                                      .kind = some_kind(random)};
        if (below(random, 3) == 0) body->more_kinds[below(random, 7)] = some_kind(random);
        return sizeof *body;
    }
    case 0x0902: {
        struct effect_attempt *body = out;
        body->effect = some_held(random, &claim);
        body->claim = claim;
        body->epoch = some_epoch(random);
        return sizeof *body;
    }
    case 0x0903: {
        struct effect_settle *body = out;
        body->effect = some_held(random, &claim);
        body->claim = claim;
        body->epoch = some_epoch(random);
        body->outcome = (u8)below(random, 4);
        body->code = below(random, 600);
        body->answer[below(random, 64)] = (u8)below(random, 256);
        return sizeof *body;
    }
    case 0x0904: {
        struct effect_renew *body = out;
        body->effect = some_held(random, &claim);
        body->claim = claim;
        body->epoch = some_epoch(random);
        body->lease_s = lease_s;
        return sizeof *body;
    }
    case 0x0905: {
        struct effect_release *body = out;
        body->effect = some_held(random, &claim);
        body->claim = claim;
        body->epoch = some_epoch(random);
        return sizeof *body;
    }
    case 0x0906: {
        struct effect_resolve *body = out;
        *body = (struct effect_resolve){.effect = some_unknown(random),
                                        .outcome = (u8)below(random, 4),
                                        .reason = reason,
                                        .reference = below(random, 1000)};
        return sizeof *body;
    }
    case 0x0907: {
        struct effect_cancel *body = out;
        *body = (struct effect_cancel){.effect = some_effect(random), .reason = reason};
        return sizeof *body;
    }
    case 0x0908: ((struct effect_arm *)out)->reason = reason; return sizeof(struct effect_arm);
    default: break;
    }
    ((struct effect_disarm *)out)->reason = reason;
    ((struct effect_disarm *)out)->copied = below(random, 4) == 0;
    return sizeof(struct effect_disarm);
}

u16 effect_random_pick(struct effect_random *random)
{
    static const u16 records[] = {0x0901, 0x0902, 0x0902, 0x0903, 0x0903,
                                  0x0904, 0x0905, 0x0906, 0x0907};
    return records[below(random, ARRAY_COUNT(records))];
}

void effect_random_claimed(struct effect_random *random, u64 claim)
{
    random->claims[random->claim_count++ % ARRAY_COUNT(random->claims)] = claim;
}
