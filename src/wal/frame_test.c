// SPDX-License-Identifier: Apache-2.0
//
// The digest of a frame does not depend on how its body is cut into parts, and depends on every
// byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "wal/frame.h"

// As frame.h says it, the plainest way.
static void digest_plainly(const u8 *head, size_t head_size, const u8 *body, size_t size,
                           struct digest *out)
{
    struct digest leaves[FRAME_SIZE_MAX / FRAME_CHUNK_SIZE + 2];
    size_t count = 0;
    sha256(head, head_size, &leaves[count++]);
    for (size_t at = 0; at < size; at += FRAME_CHUNK_SIZE) {
        sha256(body + at, MIN(FRAME_CHUNK_SIZE, size - at), &leaves[count++]);
    }
    merkle_root(leaves, count, out);
}

static void test_digest_of_parts(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 5);
    u8 *body = malloc(FRAME_SIZE_MAX);
    assert_non_null(body);
    for (size_t i = 0; i < FRAME_SIZE_MAX; i++) body[i] = (u8)random_u64(&random);
    const u8 *head = body + 7;
    static const size_t sizes[] = {0, PAGE_SIZE, FRAME_CHUNK_SIZE, 5 * FRAME_CHUNK_SIZE,
                                   FRAME_SIZE_MAX - PAGE_SIZE};
    for (u32 i = 0; i < 60; i++) {
        size_t size = i < ARRAY_COUNT(sizes)
                          ? sizes[i]
                          : (size_t)random_below(&random, MIB / PAGE_SIZE) * PAGE_SIZE;
        struct frame_part parts[8];
        u32 count = 0;
        size_t left = size;
        while (left > 0 && count < ARRAY_COUNT(parts) - 1 && random_chance(&random, 80)) {
            size_t take = (size_t)random_between(&random, 1, left / PAGE_SIZE) * PAGE_SIZE;
            parts[count++] = (struct frame_part){.data = body + (size - left), .size = take};
            left -= take;
        }
        if (left > 0) parts[count++] = (struct frame_part){body + (size - left), left};
        struct digest wanted;
        struct digest got;
        digest_plainly(head, 3840, body, size, &wanted);
        frame_digest(head, 3840, parts, count, &got);
        assert_memory_equal(&wanted, &got, sizeof got);
        if (size == 0) continue;
        u8 *byte = &body[random_below(&random, size)];
        *byte ^= 1;
        frame_digest(head, 3840, parts, count, &got);
        assert_memory_not_equal(&wanted, &got, sizeof got);
        *byte ^= 1;
    }
    free(body);
}

static void test_header_checksum(void **state)
{
    (void)state;
    struct frame_header header = {
        .magic = FRAME_MAGIC, .format = FRAME_FORMAT, .size_of_header = sizeof header};
    assert_false(frame_header_valid(&header));
    frame_header_seal(&header);
    assert_true(frame_header_valid(&header));
    for (size_t i = 0; i < sizeof header; i++) {
        ((u8 *)&header)[i] ^= 0x10;
        assert_false(frame_header_valid(&header));
        ((u8 *)&header)[i] ^= 0x10;
    }
    header.magic++;
    frame_header_seal(&header);
    assert_false(frame_header_valid(&header));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest_of_parts),
        cmocka_unit_test(test_header_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
