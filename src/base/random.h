// SPDX-License-Identifier: Apache-2.0
//
// A small random generator for tests and simulations: the same seed gives the same numbers on every
// machine and for ever.
//
// The generator is xoshiro256** (Blackman and Vigna, "Scrambled Linear Pseudorandom Number
// Generators", 2018), seeded through splitmix64. Not for secrets: its output can be predicted.
#ifndef TAEL_BASE_RANDOM_H
#define TAEL_BASE_RANDOM_H

#include "base/base.h"

struct random {
    u64 state[4];
};

// `value` turned left by 1 to 63 bits.
static inline u64 random_rotate_left(u64 value, unsigned bits)
{
    assert(bits > 0 && bits < 64);
    return (value << bits) | (value >> (64 - bits));
}

// Any seed is good, 0 too.
static inline void random_init(struct random *random, u64 seed)
{
    for (size_t i = 0; i < ARRAY_COUNT(random->state); i++) {
        seed += 0x9e3779b97f4a7c15ull;
        u64 word = seed;
        word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ull;
        word = (word ^ (word >> 27)) * 0x94d049bb133111ebull;
        random->state[i] = word ^ (word >> 31);
    }
}

// The next 64 bits (xoshiro256**).
static inline u64 random_u64(struct random *random)
{
    u64 *state = random->state;
    const u64 result = random_rotate_left(state[1] * 5, 7) * 9;
    const u64 shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = random_rotate_left(state[3], 45);
    return result;
}

// The next 128 bits, high half first.
static inline u128 random_u128(struct random *random)
{
    const u128 high = random_u64(random);
    return (high << 64) | random_u64(random);
}

// A number in [0, bound); `bound` is above 0. The bias, below bound / 2^64, does not matter here.
static inline u64 random_below(struct random *random, u64 bound)
{
    assert(bound > 0);
    return (u64)(((u128)random_u64(random) * bound) >> 64);
}

// A number in [min, max], both included.
static inline u64 random_between(struct random *random, u64 min, u64 max)
{
    assert(min <= max);
    assert(max - min < U64_MAX);
    return min + random_below(random, max - min + 1);
}

// True in `percent` of 100 calls.
static inline bool random_chance(struct random *random, u32 percent)
{
    assert(percent <= 100);
    return random_below(random, 100) < percent;
}

#endif
