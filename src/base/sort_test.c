// SPDX-License-Identifier: Apache-2.0
//
// Sorting and merging against an obvious model: the order of (key, position) pairs.
#include "base/base.h"

#include "base/sort.h"
#include "base/test_levels.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { COUNT_MAX = 60000 };
static u64 entries[COUNT_MAX], scratch[COUNT_MAX + 1], expected[COUNT_MAX];

// Low halves are positions, so the stable order by key is the order of whole entries.
static int order_whole(const void *a, const void *b)
{
    const u64 x = load_u64(a), y = load_u64(b);
    return (x > y) - (x < y);
}

static void check_sort(size_t count, u32 key_mask, u64 seed)
{
    for (size_t i = 0; i < count; i++) {
        entries[i] = (u64)((u32)test_random(&seed) & key_mask) << 32 | i;
    }
    memcpy(expected, entries, sizeof entries);
    qsort(expected, count, sizeof *expected, order_whole);
    scratch[count] = 0x5eed;
    sort_u64_by_high32(entries, scratch, count);
    assert_memory_equal(entries, expected, count * sizeof *entries);
    assert_true(scratch[count] == 0x5eed);
}

static void sorts_any_keys(void **state)
{
    (void)state;
    // Masks leave 0 to 4 bytes that differ, so each number of passes occurs.
    static const u32 masks[] = {0xffffffffu, 0,         0xff,        0xff00u,
                                0xffffu,     0xff0000u, 0xffffffu,   0xff000000u,
                                0x00ffff00u, 0x1u,      0x80000000u, 0xff00ff00u};
    for (size_t m = 0; m < ARRAY_COUNT(masks); m++) {
        for (size_t count = 0; count <= 300; count += 1 + count / 20) {
            check_sort(count, masks[m], count + m);
        }
        check_sort(COUNT_MAX, masks[m], 100 + m);
    }
}

static void low_halves_do_not_count(void **state)
{
    (void)state;
    u64 small[] = {(u64)1 << 32 | 9, (u64)1 << 32 | 3, 7, 5};
    const u64 sorted[] = {7, 5, (u64)1 << 32 | 9, (u64)1 << 32 | 3};
    sort_u64_by_high32(small, scratch, ARRAY_COUNT(small));
    assert_memory_equal(small, sorted, sizeof sorted);
    for (size_t i = 0; i < 1000; i++) entries[i] = (u64)(i % 2) << 32 | (1000 - i);
    sort_u64_by_high32(entries, scratch, 1000);
    for (size_t i = 0; i < 1000; i++) {
        const u64 position = i < 500 ? 2 * i : 2 * (i - 500) + 1;
        assert_true(entries[i] == ((u64)(i / 500) << 32 | (1000 - position)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_any_keys),
        cmocka_unit_test(low_halves_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
