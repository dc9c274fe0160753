// SPDX-License-Identifier: Apache-2.0
//
// Tokens: their text, whose they are, how often they may ask.
#include "edge/edge_caller.h"
#include "edge/edge_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define ZEROES "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
// SHA-256 of 32 zero bytes.
#define ZEROES_HASH "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"

static void test_headers(void **state)
{
    static const struct {
        const char *header;
        bool is_good;
    } rows[] = {
        {"Bearer tael_" ZEROES, true},
        {"bearer  tael_" ZEROES, true},
        {NULL, false},
        {"", false},
        {"Bearer", false},
        {"Bearer ", false},
        {"tael_" ZEROES, false},
        {"Basic tael_" ZEROES, false},
        {"Bearer " ZEROES, false},
        {"Bearer Tael_" ZEROES, false},
        {"Bearer tael_" ZEROES " ", false},
        {"Bearer tael_" ZEROES "A", false},
        {"Bearer tael_A" ZEROES, false},
        {"Bearer tael_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct digest token;
        const char *rule = edge_caller_header(rows[i].header, &token);
        if ((rule == NULL) != rows[i].is_good) fail_msg("row %zu: %s", i, rule);
        if (rule != NULL) continue;
        char hex[65];
        for (u32 j = 0; j < 32; j++) (void)snprintf(hex + (size_t)2 * j, 3, "%02x", token.bytes[j]);
        assert_string_equal(hex, ZEROES_HASH);
    }
}

// What the log said of a token holds for a second, and of that token alone.
static void test_known_callers(void **state)
{
    struct edge_callers callers;
    struct edge_caller out = {0};
    const u64 now = 5 * NS_PER_S;
    (void)state;
    edge_callers_init(&callers);
    struct edge_caller caller = {.principal = 7, .token = {{1, 2, 3}}};
    assert_false(edge_callers_find(&callers, &caller.token, now, &out));
    edge_callers_put(&callers, &caller, now);
    assert_true(edge_callers_find(&callers, &caller.token, now + NS_PER_S - 1, &out));
    assert_int_equal(out.principal, 7);
    assert_false(edge_callers_find(&callers, &caller.token, now + NS_PER_S, &out));
    // Each byte tells it from others, also from those that have its place.
    for (u32 i = 0; i < sizeof caller.token.bytes; i++) {
        struct digest other = caller.token;
        other.bytes[i] ^= 0x80;
        assert_false(edge_callers_find(&callers, &other, now, &out));
    }
    struct edge_caller next = {.principal = 8, .token = caller.token};
    next.token.bytes[31] = 1; // The same place.
    edge_callers_put(&callers, &next, now);
    assert_true(edge_callers_find(&callers, &next.token, now, &out));
    assert_int_equal(out.principal, 8);
    assert_false(edge_callers_find(&callers, &caller.token, now, &out));
    edge_callers_free(&callers);
}

static void test_rates(void **state)
{
    struct edge_rates rates;
    struct digest key = {{1}}, other = {{2}};
    u64 now = 100 * NS_PER_S;
    (void)state;
    edge_rates_init(&rates, 10, 5);
    for (u32 i = 0; i < 5; i++) assert_int_equal(edge_rate_take(&rates, &key, now), 0);
    assert_int_equal(edge_rate_take(&rates, &key, now), 1);
    assert_int_equal(edge_rate_take(&rates, &other, now), 0); // Its own bucket.
    // A tenth of a second is one request.
    assert_int_equal(edge_rate_take(&rates, &key, now + NS_PER_S / 10 - 1), 1);
    assert_int_equal(edge_rate_take(&rates, &key, now + NS_PER_S / 10), 0);
    assert_int_equal(edge_rate_take(&rates, &key, now + NS_PER_S / 10), 1);
    // It is never fuller than full, and a clock that stands still takes nothing away.
    now += 1000000 * NS_PER_S;
    for (u32 i = 0; i < 5; i++) assert_int_equal(edge_rate_take(&rates, &key, now), 0);
    assert_int_equal(edge_rate_take(&rates, &key, now - NS_PER_S), 1);
    edge_rates_free(&rates);
    // One in four seconds of a rate of 1 and a bucket of one: how long to wait is told.
    edge_rates_init(&rates, 1, 1);
    assert_int_equal(edge_rate_take(&rates, &key, now), 0);
    assert_int_equal(edge_rate_take(&rates, &key, now), 1);
    edge_rates_free(&rates);
    edge_rates_init(&rates, 0, 1);
    for (u32 i = 0; i < 100; i++) assert_int_equal(edge_rate_take(&rates, &key, now), 0);
    edge_rates_free(&rates);
}

// More keys than places: the table gives away the one that was quiet longest.
static void test_more_keys_than_places(void **state)
{
    struct edge_rates rates;
    struct digest key = {{0}};
    (void)state;
    edge_rates_init(&rates, 1, 1);
    for (u32 i = 0; i < 100; i++) {
        key.bytes[4] = (u8)i; // All in one set.
        assert_int_equal(edge_rate_take(&rates, &key, NS_PER_S + i), 0);
    }
    assert_int_equal(edge_rate_take(&rates, &key, NS_PER_S + 100), 1);
    key.bytes[4] = 96;
    assert_int_equal(edge_rate_take(&rates, &key, NS_PER_S + 100), 1);
    key.bytes[4] = 95; // It was given away.
    assert_int_equal(edge_rate_take(&rates, &key, NS_PER_S + 100), 0);
    edge_rates_free(&rates);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_known_callers),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_more_keys_than_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
