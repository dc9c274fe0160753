// SPDX-License-Identifier: Apache-2.0
//
// Checksum against known tags and against a naive AEGIS-128L that derives its own S-box.
#include "base/base.h"

#include "base/checksum.h"
#include "base/test_levels.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

// The model: AES in GF(2^8) from its definition, the state of AEGIS from its specification.

static u8 naive_multiply(u8 a, u8 b)
{
    u8 product = 0;
    for (unsigned i = 0; i < 8; i++) {
        if (b >> i & 1) product = (u8)(product ^ a);
        a = (u8)(a << 1 ^ (a >> 7) * 0x1b);
    }
    return product;
}

static u8 naive_substitute(u8 value)
{
    u8 inverse = 0;
    for (unsigned candidate = 0; candidate < 256; candidate++) {
        if (naive_multiply(value, (u8)candidate) == 1) inverse = (u8)candidate;
    }
    unsigned result = 0x63;
    for (unsigned i = 0; i < 5; i++) result ^= (inverse << i | inverse >> (8 - i)) & 0xff;
    return (u8)result;
}

static u8 naive_box[256];

static void naive_round(const u8 in[16], const u8 key[16], u8 out[16])
{
    for (unsigned column = 0; column < 4; column++) {
        for (unsigned row = 0; row < 4; row++) {
            u8 sum = key[4 * column + row];
            for (unsigned i = 0; i < 4; i++) {
                static const u8 factors[4] = {2, 3, 1, 1};
                const unsigned from = (row + i) & 3;
                sum ^= naive_multiply(naive_box[in[4 * ((column + from) & 3) + from]], factors[i]);
            }
            out[4 * column + row] = sum;
        }
    }
}

static void naive_step(u8 state[8][16], const u8 low[16], const u8 high[16])
{
    u8 next[8][16];
    for (unsigned i = 0; i < 8; i++) naive_round(state[(i + 7) & 7], state[i], next[i]);
    for (unsigned i = 0; i < 16; i++) {
        next[0][i] ^= low[i];
        next[4][i] ^= high[i];
    }
    memcpy(state, next, sizeof next);
}

static u128 naive_checksum(const u8 *data, size_t size)
{
    // Fibonacci numbers modulo 256.
    u8 fibonacci[32] = {0, 1};
    for (unsigned i = 2; i < 32; i++) fibonacci[i] = (u8)(fibonacci[i - 1] + fibonacci[i - 2]);
    const u8 *c0 = fibonacci, *c1 = fibonacci + 16;
    static const u8 zero[16];
    const u8 *initial[8] = {zero, c1, c0, c1, zero, c0, c1, c0};
    u8 state[8][16];
    for (unsigned i = 0; i < 8; i++) memcpy(state[i], initial[i], 16);
    for (unsigned i = 0; i < 10; i++) naive_step(state, zero, zero);
    for (size_t at = 0; at < size; at += 32) {
        u8 block[32] = {0};
        memcpy(block, data + at, MIN(size - at, 32));
        naive_step(state, block, block + 16);
    }
    u8 closing[16] = {0};
    store_u64(closing, (u64)size * 8);
    for (unsigned i = 0; i < 16; i++) closing[i] ^= state[2][i];
    for (unsigned i = 0; i < 7; i++) naive_step(state, closing, closing);
    u128 tag = 0;
    for (unsigned i = 0; i < 7; i++) tag ^= load_u128(state[i]);
    return tag;
}

static int setup(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) naive_box[i] = naive_substitute((u8)i);
    return 0;
}

static void assert_tag(u128 tag, const char *hex)
{
    char text[33];
    u8 bytes[16];
    store_u128(bytes, tag);
    for (unsigned i = 0; i < 16; i++) (void)snprintf(text + 2 * (size_t)i, 3, "%02x", bytes[i]);
    assert_string_equal(text, hex);
}

static void known_tags(void **state)
{
    (void)state;
    static const u8 zeros[16];
    assert_tag(checksum(NULL, 0), "83cc600dc4e3e7e62d4055826174f149");
    assert_tag(checksum(zeros, 16), "f72ad48dd05dd1656133101cd4be3a26");
    assert_tag(naive_checksum(NULL, 0), "83cc600dc4e3e7e62d4055826174f149");
}

enum { DATA_SIZE = 70000 };
static u8 data[DATA_SIZE];

static void data_fill(u64 seed)
{
    for (size_t i = 0; i < DATA_SIZE; i++) data[i] = (u8)test_random(&seed);
}

static void every_small_size(void **state)
{
    (void)state;
    data_fill(1);
    for (size_t size = 0; size <= 300; size++) {
        const size_t offset = size % 7; // No alignment is asked.
        assert_true(checksum(data + offset, size) == naive_checksum(data + offset, size));
    }
    assert_true(checksum(data, 4099) == naive_checksum(data, 4099));
}

static void pieces_equal_whole(void **state)
{
    (void)state;
    data_fill(2);
    u64 random = 3;
    for (unsigned round = 0; round < 400; round++) {
        const size_t size = test_random(&random) % (round < 200 ? 300 : DATA_SIZE);
        const size_t piece_max = 1 + test_random(&random) % (round & 1 ? 70 : 5000);
        struct checksum_state running = {0};
        checksum_begin(&running);
        checksum_update(&running, NULL, 0);
        for (size_t at = 0; at < size;) {
            const size_t wanted = test_random(&random) % (piece_max + 1);
            const size_t piece = MIN(size - at, wanted);
            checksum_update(&running, data + at, piece);
            at += piece;
        }
        struct checksum_state copy = running;
        assert_true(checksum_end(&running) == checksum(data, size));
        checksum_update(&copy, "x", 1);
        assert_true(checksum_end(&copy) != checksum(data, size));
    }
}

static void every_bit_counts(void **state)
{
    (void)state;
    data_fill(4);
    const size_t size = 100;
    const u128 before = checksum(data, size);
    for (size_t bit = 0; bit < size * 8; bit++) {
        data[bit / 8] ^= (u8)(1u << bit % 8);
        assert_true(checksum(data, size) != before);
        data[bit / 8] ^= (u8)(1u << bit % 8);
    }
    // Padding is not data: a zero byte more is another checksum.
    memset(data, 0, size);
    for (size_t i = 0; i < size; i++) assert_true(checksum(data, i) != checksum(data, i + 1));
}

int main(int count, char **arguments)
{
    (void)count;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_tags),
        cmocka_unit_test(every_small_size),
        cmocka_unit_test(pieces_equal_whole),
        cmocka_unit_test(every_bit_counts),
    };
    return test_levels_next(cmocka_run_group_tests(tests, setup, NULL), arguments);
}
