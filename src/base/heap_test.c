// SPDX-License-Identifier: Apache-2.0
//
// The heap beside a plain array: the earliest is first, whatever was inserted and removed before.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/random.h"

#define ROWS 300u

struct plain {
    bool used[ROWS];
    u64 due[ROWS];
    u64 order[ROWS];
};

static u64 plain_first(const struct plain *plain)
{
    u64 best = ROWS;
    for (u64 row = 0; row < ROWS; row++) {
        if (!plain->used[row]) continue;
        if (best == ROWS || plain->due[row] < plain->due[best] ||
            (plain->due[row] == plain->due[best] && plain->order[row] < plain->order[best])) {
            best = row;
        }
    }
    return best;
}

static void check(const struct heap *heap, const struct plain *plain)
{
    u64 first = plain_first(plain);
    if (first == ROWS) {
        assert_null(heap_first(heap));
        return;
    }
    assert_non_null(heap_first(heap));
    assert_int_equal(heap_first(heap)->row, first);
    assert_int_equal(heap_first(heap)->due, plain->due[first]);
}

static void test_against_array(void **state)
{
    (void)state;
    struct random random;
    struct failure failure;
    struct heap heap;
    assert_int_equal(heap_init(&heap, ROWS, &failure), STATUS_OK);
    random_init(&random, 4);
    struct plain plain = {0};
    for (u64 step = 1; step <= 30000; step++) {
        u64 row = random_below(&random, ROWS);
        // Phases that fill, and phases that empty.
        bool insert = random_chance(&random, step / 2000 % 2 == 0 ? 70 : 30);
        if (insert && !plain.used[row]) {
            plain.used[row] = true;
            plain.due[row] = random_below(&random, 50);
            plain.order[row] = step;
            heap_insert(&heap, plain.due[row], step, row);
        } else if (!insert && heap.count > 0) {
            if (random_chance(&random, 50) || !plain.used[row]) row = heap_first(&heap)->row;
            plain.used[row] = false;
            heap_remove(&heap, row);
        }
        assert_int_equal(heap_has(&heap, row), plain.used[row]);
        check(&heap, &plain);
    }
    heap_clear(&heap);
    assert_null(heap_first(&heap));
    for (u64 row = 0; row < ROWS; row++) assert_false(heap_has(&heap, row));
    heap_insert(&heap, 1, 1, 7);
    assert_int_equal(heap_first(&heap)->row, 7);
    heap_free(&heap);
}

// The sequence of pops depends on what is in it alone.
static void test_order_of_pops(void **state)
{
    (void)state;
    struct failure failure;
    struct heap up;
    struct heap down;
    assert_int_equal(heap_init(&up, ROWS, &failure), STATUS_OK);
    assert_int_equal(heap_init(&down, ROWS, &failure), STATUS_OK);
    for (u64 i = 0; i < ROWS; i++) heap_insert(&up, i * 7 % 40, i, i);
    for (u64 i = ROWS; i-- > 0;) heap_insert(&down, i * 7 % 40, i, i);
    while (heap_first(&up) != NULL) {
        u64 row = heap_first(&up)->row;
        assert_int_equal(heap_first(&down)->row, row);
        heap_remove(&up, row);
        heap_remove(&down, row);
    }
    assert_null(heap_first(&down));
    heap_free(&up);
    heap_free(&down);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_array),
        cmocka_unit_test(test_order_of_pops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
