// SPDX-License-Identifier: Apache-2.0
//
// The clock of frames while the wall clock is set forwards and back.
#include "server/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HOUR  (3600 * NS_PER_S)
#define START (1000 * HOUR)

// Reads once a millisecond of the steady clock for `seconds`, the wall clock being off by `offset`;
// returns the time of frames that passed. It must grow at every reading.
static u64 run(struct frame_clock *clock, u64 seconds, i64 offset)
{
    u64 begin = clock->time;
    for (u64 i = 0; i < seconds * 1000; i++) {
        u64 before = clock->time;
        u64 steady = clock->steady + NS_PER_MS;
        u64 wall = START + steady + (u64)offset;
        assert_true(frame_clock_read(clock, wall, steady) > before);
    }
    return clock->time - begin;
}

static void start(struct frame_clock *clock)
{
    frame_clock_start(clock, START, 0, 5);
    assert_int_equal(clock->time, START);
}

static void test_time_is_the_wall_clocks(void **state)
{
    (void)state;
    struct frame_clock clock;
    start(&clock);
    assert_int_equal(run(&clock, 10, 0), 10 * NS_PER_S);
    assert_int_equal(clock.apart, 0);
    assert_int_equal(frame_clock_read(&clock, START + 10 * NS_PER_S, 10 * NS_PER_S), clock.time);
}

static void test_a_small_step_is_made_up_slowly(void **state)
{
    (void)state;
    struct frame_clock clock;
    start(&clock);
    assert_int_equal(run(&clock, 8, 2 * (i64)NS_PER_S), 9 * NS_PER_S);
    assert_true(clock.is_ahead && !clock.refused);
    assert_int_equal(run(&clock, 8, 2 * (i64)NS_PER_S), 9 * NS_PER_S);
    assert_int_equal(run(&clock, 8, 2 * (i64)NS_PER_S), 8 * NS_PER_S);
    assert_int_equal(run(&clock, 8, 0), 7 * NS_PER_S);
    assert_true(!clock.is_ahead && !clock.refused);
}

static void test_a_jump_is_not_followed(void **state)
{
    (void)state;
    const i64 jumps[] = {3 * (i64)HOUR, -3 * (i64)HOUR};
    for (u32 i = 0; i < ARRAY_COUNT(jumps); i++) {
        struct frame_clock clock;
        start(&clock);
        (void)run(&clock, 300, 0);
        assert_int_equal(run(&clock, 10, jumps[i]), 10 * NS_PER_S);
        assert_true(clock.refused && clock.is_ahead == (jumps[i] > 0));
        // When the wall clock is right again, nothing has to be made up.
        assert_int_equal(run(&clock, 10, 0), 10 * NS_PER_S);
        assert_false(clock.refused);
    }
}

static void test_the_log_may_be_ahead_of_the_wall_clock(void **state)
{
    (void)state;
    struct frame_clock clock;
    frame_clock_start(&clock, START, 0, START + HOUR);
    assert_int_equal(clock.time, START + HOUR);
    assert_int_equal(run(&clock, 10, 0), 10 * NS_PER_S);
    assert_true(clock.refused && !clock.is_ahead);
}

static void test_a_suspended_machine_has_not_been_set(void **state)
{
    (void)state;
    struct frame_clock clock;
    start(&clock);
    assert_int_equal(frame_clock_read(&clock, START + HOUR, HOUR), START + HOUR);
    assert_false(clock.refused);
    assert_int_equal(frame_clock_read(&clock, START + HOUR, HOUR - 1), START + HOUR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_is_the_wall_clocks),
        cmocka_unit_test(test_a_small_step_is_made_up_slowly),
        cmocka_unit_test(test_a_jump_is_not_followed),
        cmocka_unit_test(test_the_log_may_be_ahead_of_the_wall_clock),
        cmocka_unit_test(test_a_suspended_machine_has_not_been_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
