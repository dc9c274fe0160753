// SPDX-License-Identifier: Apache-2.0
//
// Statistics of the hash with fixed keys: avalanche, and buckets taken from low and from high bits.
#include "base/base.h"

#include "base/hash.h"
#include "base/test_levels.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct hash_key key_from(u64 seed)
{
    struct hash_key key;
    for (size_t i = 0; i < 4; i++) key.words[i] = test_random(&seed);
    return key;
}

// Flips each input bit of many ids; each output bit must flip in about half of them.
static void avalanche(void **state)
{
    (void)state;
    enum { SAMPLE_COUNT = 20000 };
    for (unsigned kind = 0; kind < 3; kind++) {
        const struct hash_key key = key_from(10 + kind);
        u64 random = 20;
        static u32 flips[128][64];
        memset(flips, 0, sizeof flips);
        for (u64 sample = 0; sample < SAMPLE_COUNT; sample++) {
            const u128 wide = (u128)test_random(&random) << 64 | test_random(&random);
            const u128 id = kind == 0 ? wide : (u128)sample; // Random, then sequential ids.
            for (unsigned bit = 0; bit < 128; bit++) {
                const u128 other = id ^ (u128)1 << bit;
                const u64 change = kind < 2 ? hash_u128(&key, id) ^ hash_u128(&key, other)
                                            : hash_u64(&key, (u64)id, (u64)(id >> 64)) ^
                                                  hash_u64(&key, (u64)other, (u64)(other >> 64));
                for (unsigned out = 0; out < 64; out++) flips[bit][out] += (u32)(change >> out & 1);
            }
        }
        for (unsigned bit = 0; bit < 128; bit++) {
            for (unsigned out = 0; out < 64; out++) {
                // Six standard deviations of a fair coin are 2.1 %.
                assert_in_range(flips[bit][out], SAMPLE_COUNT * 47 / 100, SAMPLE_COUNT * 53 / 100);
            }
        }
    }
}

enum { BUCKET_COUNT = 4096, KEY_COUNT = 1 << 20 };

enum pattern {
    PATTERN_SEQUENTIAL,
    PATTERN_HIGH_WORD, // Sequential in the high 64 bits.
    PATTERN_STRIDED,
    PATTERN_POWER, // Strides of 2^32.
    PATTERN_TIME,  // Milliseconds in the high bits, random below, as time-ordered ids have.
    PATTERN_RANDOM,
    PATTERN_TAGGED, // hash_u64, sequential under a few tags.
    PATTERN_COUNT,
};

static u64 hash_of(const struct hash_key *key, enum pattern pattern, u64 i, u64 *random)
{
    switch (pattern) {
    case PATTERN_SEQUENTIAL: return hash_u128(key, i);
    case PATTERN_HIGH_WORD: return hash_u128(key, (u128)i << 64);
    case PATTERN_STRIDED: return hash_u128(key, (u128)i * 1000);
    case PATTERN_POWER: return hash_u128(key, (u128)i << 32);
    case PATTERN_TIME: return hash_u128(key, (u128)(i / 100) << 80 | test_random(random));
    case PATTERN_RANDOM: return hash_u128(key, (u128)test_random(random) << 64 | i);
    case PATTERN_TAGGED: return hash_u64(key, i / 4, i % 4);
    case PATTERN_COUNT: break;
    }
    fail();
    return 0;
}

static void assert_uniform(const u32 *buckets)
{
    // Chi-squared over 4,095 degrees of freedom: mean 4,095, standard deviation 90.5.
    const i64 expected = KEY_COUNT / BUCKET_COUNT;
    i64 squares = 0;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        const i64 difference = (i64)buckets[i] - expected;
        squares += difference * difference;
    }
    assert_in_range((u64)(squares / expected), 4095 - 6 * 91, 4095 + 6 * 91);
}

static void buckets_are_uniform(void **state)
{
    (void)state;
    static u32 lowest[BUCKET_COUNT], highest[BUCKET_COUNT], below[BUCKET_COUNT];
    for (enum pattern pattern = 0; pattern < PATTERN_COUNT; pattern++) {
        const struct hash_key key = key_from(40 + pattern);
        u64 random = 50;
        memset(lowest, 0, sizeof lowest);
        memset(highest, 0, sizeof highest);
        memset(below, 0, sizeof below);
        for (u64 i = 0; i < KEY_COUNT; i++) {
            const u64 hash = hash_of(&key, pattern, i, &random);
            lowest[hash % BUCKET_COUNT]++;
            highest[hash >> 52]++;
            below[(u32)hash >> 20]++; // The top of the low half.
        }
        assert_uniform(lowest);
        assert_uniform(highest);
        assert_uniform(below);
    }
}

static int order_u64(const void *a, const void *b)
{
    const u64 x = load_u64(a), y = load_u64(b);
    return (x > y) - (x < y);
}

static void halves_collide_as_random(void **state)
{
    (void)state;
    // 2^20 hashes: no two equal in 64 bits; 32 bits agree in 2^40 / 2 / 2^32 = 128 pairs +- 11.
    static u64 hashes[KEY_COUNT], halves[KEY_COUNT];
    const struct hash_key key = key_from(60);
    for (u64 i = 0; i < KEY_COUNT; i++) hashes[i] = hash_u128(&key, (u128)i * 256);
    for (unsigned half = 0; half < 3; half++) {
        for (size_t i = 0; i < KEY_COUNT; i++) {
            halves[i] = half == 0 ? hashes[i] : half == 1 ? (u32)hashes[i] : hashes[i] >> 32;
        }
        qsort(halves, KEY_COUNT, sizeof *halves, order_u64);
        u64 equal = 0;
        for (size_t i = 1; i < KEY_COUNT; i++) equal += halves[i] == halves[i - 1];
        if (half == 0) {
            assert_true(equal == 0);
        } else {
            assert_in_range(equal, 128 - 70, 128 + 70);
        }
    }
}

static void keys_and_tags_separate(void **state)
{
    (void)state;
    const struct hash_key one = key_from(70), other = key_from(71);
    assert_true(hash_u128(&one, 5) == hash_u128(&one, 5));
    assert_true(hash_u128(&one, 5) != hash_u128(&other, 5));
    assert_true(hash_u64(&one, 5, 0) != hash_u64(&one, 5, 1));
    assert_true(hash_u64(&one, 5, 1) != hash_u64(&one, 1, 5));
    assert_true(hash_u64(&one, 5, 0) != hash_u128(&one, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(avalanche),
        cmocka_unit_test(buckets_are_uniform),
        cmocka_unit_test(halves_collide_as_random),
        cmocka_unit_test(keys_and_tags_separate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
