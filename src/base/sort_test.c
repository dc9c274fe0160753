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
static u64 entries[COUNT_MAX], scratch[COUNT_MAX + 1], expected[COUNT_MAX], inputs[COUNT_MAX];

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

static void check_merge(size_t run_count, size_t run_size_max, u32 key_mask, u64 seed)
{
    const u64 *runs[MERGE_RUN_COUNT_MAX];
    size_t counts[MERGE_RUN_COUNT_MAX];
    size_t total = 0;
    for (size_t run = 0; run < run_count; run++) {
        runs[run] = &inputs[total];
        counts[run] = test_random(&seed) % (run_size_max + 1);
        for (size_t i = 0; i < counts[run]; i++) {
            // The position among all inputs: ties by run, then within the run.
            inputs[total + i] = (u64)((u32)test_random(&seed) & key_mask) << 32 | (total + i);
        }
        qsort(&inputs[total], counts[run], sizeof *inputs, order_whole);
        for (size_t i = 0; i < counts[run]; i++) {
            inputs[total + i] = inputs[total + i] >> 32 << 32 | (total + i);
        }
        total += counts[run];
    }
    memcpy(expected, inputs, total * sizeof *inputs);
    qsort(expected, total, sizeof *expected, order_whole);
    struct merge_u64 merge;
    merge_u64_begin(&merge, runs, counts, run_count);
    size_t at = 0;
    for (size_t got = 1; got != 0;) {
        const size_t wanted = 1 + test_random(&seed) % 100;
        got = merge_u64_next(&merge, &entries[at], MIN(wanted, COUNT_MAX - at));
        at += got;
        assert_true(got == wanted || at == total);
    }
    assert_true(at == total);
    assert_memory_equal(entries, expected, total * sizeof *entries);
    assert_true(merge_u64_next(&merge, entries, 10) == 0);
}

static void merges_any_runs(void **state)
{
    (void)state;
    u64 seed = 5;
    for (size_t run_count = 1; run_count <= MERGE_RUN_COUNT_MAX; run_count++) {
        for (unsigned round = 0; round < 60; round++) {
            const size_t run_size_max = round < 20 ? 3 : round < 40 ? 100 : 3000;
            check_merge(run_count, run_size_max, round % 3 == 0 ? 7 : 0xffffffffu, seed++);
        }
    }
}

static void merges_extreme_keys(void **state)
{
    (void)state;
    // The largest entry is not mistaken for an exhausted run.
    const u64 first[] = {0, U64_MAX}, second[] = {U64_MAX - 1, U64_MAX};
    const u64 *const runs[] = {first, NULL, second};
    const size_t counts[] = {2, 0, 2};
    const u64 sorted[] = {0, U64_MAX, U64_MAX - 1, U64_MAX};
    struct merge_u64 merge;
    u64 out[5];
    merge_u64_begin(&merge, runs, counts, 3);
    assert_true(merge_u64_next(&merge, out, 0) == 0);
    assert_true(merge_u64_next(&merge, out, 5) == 4);
    assert_memory_equal(out, sorted, sizeof sorted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_any_keys),
        cmocka_unit_test(low_halves_do_not_count),
        cmocka_unit_test(merges_any_runs),
        cmocka_unit_test(merges_extreme_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
