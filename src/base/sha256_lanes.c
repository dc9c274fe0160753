// SPDX-License-Identifier: Apache-2.0
//
// Sixteen SHA-256 messages side by side, one in each 32-bit lane of an AVX-512 vector.
//
// A round is 18 instructions for sixteen messages (rotates and three-operand logic are one
// instruction each), the schedule 11 a word. On Zen 5 that is 9.3 ns a message's block, against
// 20 ns for two streams of SHA-NI, so the lanes stay. What is known of a block is used: the
// second block of an inner node is one byte of the message, padding and a length, so fourteen of
// its sixteen words are zero and the first schedule steps lose their sums (about 1 ns of 18 a
// node).
#include "base/sha256_internal.h"

#include "base/cpu.h"

#if CPU_X86_64

#include <immintrin.h>

#define LANES __attribute__((target("avx512f,avx512bw,avx512vl")))
#define LANES_INLINE \
    static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vl")))

enum {
    LANE_COUNT = SHA256_LANE_COUNT,
    BLOCK_SIZE = SHA256_BLOCK_SIZE,
    WORD_COUNT = 16, // In a block.
    STATE_COUNT = 8, // Words of state.
    // Truth tables of three-operand logic.
    LOGIC_XOR = 0x96,
    LOGIC_CHOOSE = 0xca,
    LOGIC_MAJORITY = 0xe8,
};

// Word i of the state, or of the schedule, of sixteen messages.
struct state {
    __m512i words[STATE_COUNT];
};
struct block {
    __m512i words[WORD_COUNT];
};

LANES_INLINE __m512i xor_3(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi32(a, b, c, LOGIC_XOR);
}

// A sum that the compiler must not regroup with others: which operand comes last decides the
// length of the dependency chain, and compilers that balance sums lose a third of the speed.
LANES_INLINE __m512i add(__m512i early, __m512i late)
{
    __m512i sum = _mm512_add_epi32(early, late);
    __asm__("" : "+v"(sum));
    return sum;
}

LANES_INLINE __m512i sigma_0(__m512i x)
{
    return xor_3(_mm512_ror_epi32(x, 7), _mm512_ror_epi32(x, 18), _mm512_srli_epi32(x, 3));
}

LANES_INLINE __m512i sigma_1(__m512i x)
{
    return xor_3(_mm512_ror_epi32(x, 17), _mm512_ror_epi32(x, 19), _mm512_srli_epi32(x, 10));
}

LANES_INLINE __m512i big_endian(__m512i x)
{
    return _mm512_shuffle_epi8(
        x, _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203)));
}

// Transposes the 4 x 4 words in each quarter of four vectors.
LANES_INLINE void transpose_quarters(__m512i rows[4])
{
    const __m512i low01 = _mm512_unpacklo_epi32(rows[0], rows[1]);
    const __m512i low23 = _mm512_unpacklo_epi32(rows[2], rows[3]);
    const __m512i high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
    const __m512i high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
    rows[0] = _mm512_unpacklo_epi64(low01, low23);
    rows[1] = _mm512_unpackhi_epi64(low01, low23);
    rows[2] = _mm512_unpacklo_epi64(high01, high23);
    rows[3] = _mm512_unpackhi_epi64(high01, high23);
}

// Sixteen rows of one message's block each become sixteen vectors of one word each.
LANES_INLINE void block_transpose(struct block *block)
{
    __m512i *words = block->words;
    UNROLL for (size_t i = 0; i < WORD_COUNT; i += 4) transpose_quarters(words + i);
    UNROLL for (size_t i = 0; i < 4; i++)
    {
        const __m512i a = _mm512_shuffle_i64x2(words[i], words[4 + i], 0x44);
        const __m512i b = _mm512_shuffle_i64x2(words[8 + i], words[12 + i], 0x44);
        const __m512i c = _mm512_shuffle_i64x2(words[i], words[4 + i], 0xee);
        const __m512i d = _mm512_shuffle_i64x2(words[8 + i], words[12 + i], 0xee);
        words[i] = _mm512_shuffle_i64x2(a, b, 0x88);
        words[4 + i] = _mm512_shuffle_i64x2(a, b, 0xdd);
        words[8 + i] = _mm512_shuffle_i64x2(c, d, 0x88);
        words[12 + i] = _mm512_shuffle_i64x2(c, d, 0xdd);
    }
}

// Loads message i's bytes data[i * stride .. + 64), those in `mask`, the others zero; messages
// from `count` on repeat the last.
LANES_INLINE void block_load(struct block *block, const u8 *data, size_t stride, size_t count,
                             u64 mask)
{
    UNROLL for (size_t i = 0; i < LANE_COUNT; i++)
    {
        const u8 *from = data + MIN(i, count - 1) * stride;
        block->words[i] = big_endian(_mm512_maskz_loadu_epi8(mask, from));
    }
    block_transpose(block);
}

LANES_INLINE void state_begin(struct state *state)
{
    UNROLL for (size_t i = 0; i < STATE_COUNT; i++)
    {
        state->words[i] = _mm512_set1_epi32((int)sha256_initial_words[i]);
    }
}

// Writes the digests of the first `count` messages.
LANES_INLINE void state_store(struct state *state, size_t count, struct digest *out)
{
    __m512i *words = state->words;
    transpose_quarters(words);
    transpose_quarters(words + 4);
    // Quarter q of words[j] and words[4 + j] are the halves of digest 4q + j.
    const __m512i low = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
    const __m512i high = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
    struct digest digests[LANE_COUNT];
    struct digest *to = count == LANE_COUNT ? out : digests;
    UNROLL for (size_t j = 0; j < 4; j++)
    {
        const __m512i first = big_endian(words[j]), second = big_endian(words[4 + j]);
        const __m512i pair01 = _mm512_permutex2var_epi64(first, low, second);
        const __m512i pair23 = _mm512_permutex2var_epi64(first, high, second);
        _mm256_storeu_si256((__m256i *)(void *)&to[j], _mm512_castsi512_si256(pair01));
        _mm256_storeu_si256((__m256i *)(void *)&to[4 + j], _mm512_extracti64x4_epi64(pair01, 1));
        _mm256_storeu_si256((__m256i *)(void *)&to[8 + j], _mm512_castsi512_si256(pair23));
        _mm256_storeu_si256((__m256i *)(void *)&to[12 + j], _mm512_extracti64x4_epi64(pair23, 1));
    }
    if (count != LANE_COUNT) memcpy(out, digests, count * sizeof *out);
}

// One round; `sum` is the word plus the round's constant. The caller renames the words.
LANES_INLINE void round_sum(__m512i a, __m512i b, __m512i c, __m512i *d, __m512i e, __m512i f,
                            __m512i g, __m512i *h, __m512i sum)
{
    const __m512i sum_1 =
        xor_3(_mm512_ror_epi32(e, 6), _mm512_ror_epi32(e, 11), _mm512_ror_epi32(e, 25));
    const __m512i sum_0 =
        xor_3(_mm512_ror_epi32(a, 2), _mm512_ror_epi32(a, 13), _mm512_ror_epi32(a, 22));
    const __m512i chosen = _mm512_ternarylogic_epi32(e, f, g, LOGIC_CHOOSE);
    const __m512i majority = _mm512_ternarylogic_epi32(a, b, c, LOGIC_MAJORITY);
    // The order of the sums keeps both chains, e to e and a to a, at three dependent instructions.
    // The order of the sums keeps both chains, e to e and a to a, at three dependent instructions.
    const __m512i early = add(*h, sum);
    const __m512i first = add(add(early, chosen), sum_1);
    *d = add(add(add(*d, early), chosen), sum_1);
    *h = add(add(first, majority), sum_0);
}

// Round i of sixteen on renamed words.
LANES_INLINE void round_at(struct state *state, size_t i, __m512i sum)
{
    __m512i *s = state->words;
    round_sum(s[(0 - i) & 7], s[(1 - i) & 7], s[(2 - i) & 7], &s[(3 - i) & 7], s[(4 - i) & 7],
              s[(5 - i) & 7], s[(6 - i) & 7], &s[(7 - i) & 7], sum);
}

LANES_INLINE __m512i constant(const u32 *constants, size_t i)
{
    return _mm512_set1_epi32((int)constants[i]);
}

// W[i + 16] in place of W[i], all indices modulo 16.
LANES_INLINE void schedule_at(struct block *block, size_t i)
{
    __m512i *w = block->words;
    const __m512i near = add(add(w[i], w[(i + 9) & 15]), sigma_0(w[(i + 1) & 15]));
    w[i] = add(near, sigma_1(w[(i + 14) & 15]));
}

// Sixteen rounds, the schedule moved on behind each.
LANES_INLINE void rounds_and_schedule(struct state *state, struct block *block,
                                      const u32 *constants)
{
    UNROLL for (size_t i = 0; i < WORD_COUNT; i++)
    {
        round_at(state, i, _mm512_add_epi32(block->words[i], constant(constants, i)));
        schedule_at(block, i);
    }
}

LANES_INLINE void rounds_last(struct state *state, const struct block *block)
{
    const u32 *constants = sha256_round_constants + 3 * (size_t)WORD_COUNT;
    UNROLL for (size_t i = 0; i < WORD_COUNT; i++)
    {
        round_at(state, i, _mm512_add_epi32(block->words[i], constant(constants, i)));
    }
}

LANES_INLINE void state_add(struct state *state, const struct state *before)
{
    UNROLL for (size_t i = 0; i < STATE_COUNT; i++)
    {
        state->words[i] = _mm512_add_epi32(state->words[i], before->words[i]);
    }
}

// `block` is destroyed.
LANES_INLINE void compress(struct state *state, struct block *block)
{
    const struct state before = *state;
    for (size_t i = 0; i < 3; i++) {
        rounds_and_schedule(state, block, sha256_round_constants + i * WORD_COUNT);
    }
    rounds_last(state, block);
    state_add(state, &before);
}

// As `compress` of the block whose word 0 is `head`, word 15 `length`, and all others zero.
LANES_INLINE void compress_sparse(struct state *state, __m512i head, u32 length)
{
    const struct state before = *state;
    const u32 *constants = sha256_round_constants;
    const __m512i last = _mm512_set1_epi32((int)length);
    round_at(state, 0, _mm512_add_epi32(head, constant(constants, 0)));
    UNROLL for (size_t i = 1; i < 15; i++) round_at(state, i, constant(constants, i));
    round_at(state, 15, _mm512_add_epi32(last, constant(constants, 15)));

    // W[16] to W[31], without the terms that are zero.
    struct block block;
    __m512i *w = block.words;
    w[0] = head;
    w[1] = sigma_1(last);
    UNROLL for (size_t i = 2; i < 6; i++) w[i] = sigma_1(w[i - 2]);
    w[6] = _mm512_add_epi32(sigma_1(w[4]), last);
    UNROLL for (size_t i = 7; i < 14; i++) w[i] = _mm512_add_epi32(sigma_1(w[i - 2]), w[i - 7]);
    w[14] = _mm512_add_epi32(_mm512_add_epi32(sigma_1(w[12]), w[7]), sigma_0(last));
    w[15] = _mm512_add_epi32(_mm512_add_epi32(sigma_1(w[13]), w[8]),
                             _mm512_add_epi32(sigma_0(w[0]), last));
    for (size_t i = 1; i < 3; i++) {
        rounds_and_schedule(state, &block, sha256_round_constants + i * WORD_COUNT);
    }
    rounds_last(state, &block);
    state_add(state, &before);
}

// Moves the block's bytes back by one to make room for `prefix`. Returns the byte that falls
// out, as the first of a word.
LANES_INLINE __m512i block_prefix(struct block *block, u32 prefix)
{
    __m512i *w = block->words;
    const __m512i fallen = _mm512_slli_epi32(w[WORD_COUNT - 1], 24);
    UNROLL for (size_t i = WORD_COUNT - 1; i > 0; i--)
    {
        w[i] = _mm512_or_si512(_mm512_srli_epi32(w[i], 8), _mm512_slli_epi32(w[i - 1], 24));
    }
    w[0] = _mm512_or_si512(_mm512_srli_epi32(w[0], 8), _mm512_set1_epi32((int)(prefix << 24)));
    return fallen;
}

LANES void sha256_lanes_chunks(const u8 *data, size_t chunk_size, size_t count, struct digest *out)
{
    assert(count >= 1 && count <= LANE_COUNT);
    struct state state;
    struct block block;
    state_begin(&state);
    const size_t block_count = chunk_size / BLOCK_SIZE;
    for (size_t i = 0; i < block_count; i++) {
        block_load(&block, data + i * BLOCK_SIZE, chunk_size, count, ~(u64)0);
        compress(&state, &block);
    }
    const size_t tail_size = chunk_size % BLOCK_SIZE;
    u8 ends[LANE_COUNT][2 * BLOCK_SIZE];
    size_t end_count = 0;
    for (size_t i = 0; i < count; i++) {
        const u8 *tail = data + i * chunk_size + (chunk_size - tail_size);
        end_count = sha256_pad(ends[i], tail, tail_size, chunk_size);
    }
    for (size_t i = 0; i < end_count; i++) {
        block_load(&block, ends[0] + i * BLOCK_SIZE, sizeof ends[0], count, ~(u64)0);
        compress(&state, &block);
    }
    state_store(&state, count, out);
}

LANES void sha256_lanes_leaves(const u8 *rows, size_t row_size, size_t stride, size_t count,
                               struct digest *out)
{
    assert(count >= 1 && count <= LANE_COUNT);
    assert(row_size <= MERKLE_ROW_SIZE_MAX);
    struct state state;
    struct block block;
    state_begin(&state);
    block_load(&block, rows, stride, count, ((u64)1 << row_size) - 1);
    // The byte after the row ends the message; the length closes the block.
    const u32 end = 0x80000000u >> row_size % 4 * 8;
    const __m512i ends = _mm512_set1_epi32((int)end);
    UNROLL for (size_t i = 0; i < WORD_COUNT; i++)
    {
        const __mmask16 is_end = i == row_size / 4 ? 0xffff : 0;
        block.words[i] = _mm512_mask_or_epi32(block.words[i], is_end, block.words[i], ends);
    }
    (void)block_prefix(&block, 0x00);
    block.words[WORD_COUNT - 1] = _mm512_set1_epi32((int)(1 + row_size) * 8);
    compress(&state, &block);
    state_store(&state, count, out);
}

LANES void sha256_lanes_nodes(const struct digest *children, size_t count, struct digest *out)
{
    assert(count >= 1 && count <= LANE_COUNT);
    struct state state;
    struct block block;
    state_begin(&state);
    block_load(&block, children[0].bytes, 2 * sizeof *children, count, ~(u64)0);
    const __m512i fallen = block_prefix(&block, 0x01);
    compress(&state, &block);
    compress_sparse(&state, _mm512_or_si512(fallen, _mm512_set1_epi32(0x00800000)),
                    (1 + 2 * (u32)sizeof *children) * 8);
    state_store(&state, count, out);
}

size_t sha256_lanes_count(size_t remaining)
{
    if (remaining < SHA256_LANES_COUNT_MIN || !cpu_features()->avx512) return 0;
    return MIN(remaining, SHA256_LANE_COUNT);
}

#else

size_t sha256_lanes_count(size_t remaining)
{
    (void)remaining;
    return 0;
}

void sha256_lanes_chunks(const u8 *data, size_t chunk_size, size_t count, struct digest *out)
{
    (void)data, (void)chunk_size, (void)count, (void)out;
    assert(false); // sha256_lanes_count never offers any.
}

void sha256_lanes_leaves(const u8 *rows, size_t row_size, size_t stride, size_t count,
                         struct digest *out)
{
    (void)rows, (void)row_size, (void)stride, (void)count, (void)out;
    assert(false); // sha256_lanes_count never offers any.
}

void sha256_lanes_nodes(const struct digest *children, size_t count, struct digest *out)
{
    (void)children, (void)count, (void)out;
    assert(false); // sha256_lanes_count never offers any.
}

#endif
