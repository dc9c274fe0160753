// SPDX-License-Identifier: Apache-2.0
//
// The filter never forgets a key, and errs at its stated rate at capacity.
#include "base/base.h"

#include "base/filter.h"
#include "base/hash.h"
#include "base/test_levels.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void sizes(void **state)
{
    (void)state;
    assert_int_equal(filter_size(0), 64);
    assert_int_equal(filter_size(1), 64);
    assert_int_equal(filter_size(32), 64);
    assert_int_equal(filter_size(33), 128);
    assert_int_equal(filter_size(524288), 1 << 20);
    for (u64 keys = 0; keys < 3000; keys++) {
        assert_true(filter_size(keys) % 64 == 0 && filter_size(keys) * 8 >= keys * 16);
    }
}

static void rate_at(u64 keys)
{
    struct hash_key key;
    u64 random = 7;
    for (size_t i = 0; i < 4; i++) key.words[i] = test_random(&random);
    const size_t size = filter_size(keys);
    u8 *filter = calloc(1, size);
    assert_non_null(filter);
    for (u64 i = 0; i < keys; i++) {
        const u64 hash = hash_u128(&key, i);
        filter_prefetch(filter, size, hash);
        filter_add(filter, size, hash);
        assert_true(filter_has(filter, size, hash));
    }
    for (u64 i = 0; i < keys; i++) assert_true(filter_has(filter, size, hash_u128(&key, i)));
    enum { PROBE_COUNT = 4 << 20 };
    u64 wrong = 0;
    for (u64 i = 0; i < PROBE_COUNT; i++)
        wrong += filter_has(filter, size, hash_u128(&key, keys + i));
    assert_in_range(wrong, 1, PROBE_COUNT / 500); // At most 0.2 %.
    free(filter);
}

static void rates_at_capacity(void **state)
{
    (void)state;
    rate_at(8192);
    rate_at(524288);
    rate_at(1000003);
}

static void empty_filter_has_nothing(void **state)
{
    (void)state;
    u8 filter[128] = {0};
    u64 random = 1;
    for (unsigned i = 0; i < 10000; i++) {
        assert_false(filter_has(filter, sizeof filter, test_random(&random)));
    }
    filter_add(filter, sizeof filter, 0);
    filter_add(filter, sizeof filter, U64_MAX);
    assert_true(filter_has(filter, sizeof filter, 0));
    assert_true(filter_has(filter, sizeof filter, U64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(rates_at_capacity),
        cmocka_unit_test(empty_filter_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
