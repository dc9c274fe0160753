// SPDX-License-Identifier: Apache-2.0
//
// Bodies of the client protocol: what is taken apart, and each rule by which one is not well
// formed. Each body ends where its memory does, or begins where it does, so that a byte beside it
// is not read.
#include "base/base.h"
#include "ledger/ledger.h"
#include "machine/compat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>

#include <cmocka.h>

#define ROOM ((COMPAT_BODY_SIZE_MAX / PAGE_SIZE + 2) * PAGE_SIZE)

// Memory between two pages that nobody may touch.
static int setup(void **state)
{
    u8 *memory = mmap(NULL, ROOM + 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory, PAGE_SIZE, PROT_NONE), 0);
    assert_int_equal(mprotect(memory + PAGE_SIZE + ROOM, PAGE_SIZE, PROT_NONE), 0);
    *state = memory + PAGE_SIZE;
    return 0;
}

static int teardown(void **state)
{
    u8 *memory = *state;
    return munmap(memory - PAGE_SIZE, ROOM + 2 * PAGE_SIZE);
}

static bool decode(enum compat_operation_number number, const u8 *body, u32 size)
{
    struct compat_batches batches;
    const struct compat_operation *operation =
        compat_operation((u8)(COMPAT_OPERATION_BASE + number));
    assert_non_null(operation);
    return compat_decode(operation, body, size, &batches);
}

// A body of batches of so many events, at the end of the room; the size is told.
static u8 *body_make(u8 *room, u32 event_size, const u16 *counts, u32 batches, u32 *size)
{
    u32 events = 0;
    for (u32 i = 0; i < batches; i++) events += counts[i];
    *size = events * event_size + compat_trailer_size(batches, event_size);
    u8 *body = room + ROOM - *size;
    memset(body, 0, events * event_size);
    assert_int_equal(compat_trailer_write(body, events * event_size, event_size, counts, batches),
                     *size);
    return body;
}

static void test_batches_are_told(void **state)
{
    const u16 counts[] = {2, 0, 1};
    struct compat_batches batches;
    u32 size = 0;
    const u8 *body = body_make(*state, 128, counts, 3, &size);
    assert_int_equal(size, 4 * 128);
    assert_true(compat_decode(compat_operation(COMPAT_OPERATION_BASE + COMPAT_CREATE_TRANSFERS),
                              body, size, &batches));
    assert_int_equal(batches.event_count, 3);
    assert_int_equal(batches.batch_count, 3);
    for (u32 i = 0; i < 3; i++) assert_int_equal(compat_batch_count(&batches, i), counts[i]);
    assert_ptr_equal(batches.events, body);
}

static void test_a_trailer_must_be_whole(void **state)
{
    u8 *room = *state;
    const u16 counts[] = {1, 1};
    u32 size = 0;
    u8 *body = body_make(room, 128, counts, 2, &size);
    assert_true(decode(COMPAT_CREATE_TRANSFERS, body, size));
    for (u32 i = 2 * 128; i < size; i++) { // Padding, counts, the number of batches.
        body[i] ^= 1;
        assert_false(decode(COMPAT_CREATE_TRANSFERS, body, size));
        body[i] ^= 1;
    }
    assert_true(decode(COMPAT_CREATE_TRANSFERS, body, size));
    // Neither more events than there are bytes, nor fewer.
    assert_false(decode(COMPAT_CREATE_TRANSFERS, body - 128, size + 128));
    assert_false(decode(COMPAT_CREATE_TRANSFERS, body + 128, size - 128));
    assert_false(decode(COMPAT_CREATE_TRANSFERS, body + 1, size - 1));
    // No bytes at all, and a trailer that would begin before the body.
    memset(room, 0xFF, 256);
    assert_false(decode(COMPAT_CREATE_TRANSFERS, room, 0));
    assert_false(decode(COMPAT_CREATE_TRANSFERS, room, 1));
    assert_false(decode(COMPAT_CREATE_TRANSFERS, room, 128)); // 65,535 batches.
    room[126] = 100;
    room[127] = 0;
    assert_false(decode(COMPAT_CREATE_TRANSFERS, room, 128));
    room[126] = 0;
    assert_false(decode(COMPAT_CREATE_TRANSFERS, room, 128)); // None.
}

static void test_a_query_has_one_filter_a_batch(void **state)
{
    static const u16 counts[][2] = {{1, 1}, {2, 0}, {0, 2}, {0, 0}};
    u32 size = 0;
    for (u32 i = 0; i < ARRAY_COUNT(counts); i++) {
        const u8 *body = body_make(*state, 64, counts[i], 2, &size);
        assert_int_equal(decode(COMPAT_QUERY_ACCOUNTS, body, size), i == 0);
        body = body_make(*state, 16, counts[i], 2, &size);
        assert_true(decode(COMPAT_LOOKUP_ACCOUNTS, body, size)); // Which is none.
    }
}

static void test_bodies_without_a_trailer(void **state)
{
    u8 *end = (u8 *)*state + ROOM;
    for (u32 events = 0; events <= 3; events++) {
        const u32 size = events * 64;
        assert_int_equal(decode(COMPAT_UNBATCHED_QUERY_ACCOUNTS, end - size, size), events == 1);
        assert_true(decode(COMPAT_UNBATCHED_CREATE_ACCOUNTS, end - 2 * size, 2 * size));
        assert_false(decode(COMPAT_UNBATCHED_CREATE_ACCOUNTS, end - 2 * size - 1, 2 * size + 1));
    }
}

// As many events, filters and ids as a message and its answer have room for, and one more.
static void test_sizes_at_their_edges(void **state)
{
    static u16 ones[LEDGER_BATCH_EVENTS_MAX + 1];
    u32 size = 0;
    for (u32 i = 0; i < ARRAY_COUNT(ones); i++) ones[i] = 1;
    for (u16 more = 0; more <= 1; more++) {
        const u16 count = (u16)(LEDGER_BATCH_EVENTS_MAX + more);
        const u8 *body = body_make(*state, 128, &count, 1, &size);
        assert_int_equal(decode(COMPAT_CREATE_TRANSFERS, body, size), more == 0);
        body = body_make(*state, 16, &count, 1, &size);
        assert_int_equal(decode(COMPAT_LOOKUP_ACCOUNTS, body, size), more == 0);
        body = body_make(*state, 64, ones, count, &size);
        assert_int_equal(decode(COMPAT_QUERY_ACCOUNTS, body, size), more == 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_batches_are_told),
        TEST(test_a_trailer_must_be_whole),
        TEST(test_a_query_has_one_filter_a_batch),
        TEST(test_bodies_without_a_trailer),
        TEST(test_sizes_at_their_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
