// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 of one message and of chunks: SHA-NI (one and two streams) and portable. Sixteen
// streams are in sha256_lanes.c, trees in merkle.c.
//
// A stream of SHA-NI is bound by the latency of SHA256RNDS2, so two independent ones interleaved
// take little longer than one. Sixteen lanes of AVX-512 are faster than both where the processor
// has them (measured by bench-primitives), even if only half of the lanes are in use.
#include "base/sha256.h"

#include "base/cpu.h"
#include "base/sha256_internal.h"

enum { BLOCK_SIZE = SHA256_BLOCK_SIZE };

const u32 sha256_round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

const u32 sha256_initial_words[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

// Portable.

static u32 rotate_right(u32 word, unsigned count)
{
    return word >> count | word << (32 - count);
}

// W[i + 16] in place of W[i], all indices modulo 16.
static u32 schedule(u32 words[16], unsigned i)
{
    const u32 after = words[(i + 1) & 15], before = words[(i + 14) & 15];
    const u32 sigma0 = rotate_right(after, 7) ^ rotate_right(after, 18) ^ after >> 3;
    const u32 sigma1 = rotate_right(before, 17) ^ rotate_right(before, 19) ^ before >> 10;
    return words[i & 15] += sigma0 + sigma1 + words[(i + 9) & 15];
}

static void compress_portable(u32 state[8], const u8 *data, size_t block_count)
{
    for (size_t block = 0; block < block_count; block++) {
        u32 words[16];
        for (unsigned i = 0; i < 16; i++) {
            words[i] = __builtin_bswap32(load_u32(data + block * BLOCK_SIZE + 4 * (size_t)i));
        }
        u32 a = state[0], b = state[1], c = state[2], d = state[3];
        u32 e = state[4], f = state[5], g = state[6], h = state[7];
        for (unsigned i = 0; i < 64; i++) {
            const u32 word = i < 16 ? words[i] : schedule(words, i);
            const u32 sum1 = rotate_right(e, 6) ^ rotate_right(e, 11) ^ rotate_right(e, 25);
            const u32 chosen = (e & f) ^ (~e & g);
            const u32 first = h + sum1 + chosen + sha256_round_constants[i] + word;
            const u32 sum0 = rotate_right(a, 2) ^ rotate_right(a, 13) ^ rotate_right(a, 22);
            const u32 majority = (a & b) ^ (a & c) ^ (b & c);
            h = g;
            g = f;
            f = e;
            e = d + first;
            d = c;
            c = b;
            b = a;
            a = first + sum0 + majority;
        }
        state[0] += a;
        state[1] += b;
        state[2] += c;
        state[3] += d;
        state[4] += e;
        state[5] += f;
        state[6] += g;
        state[7] += h;
    }
}

// SHA-NI.

#if CPU_X86_64

#include <immintrin.h>

#define NATIVE        __attribute__((target("sha,sse4.1")))
#define NATIVE_INLINE static inline __attribute__((always_inline, target("sha,sse4.1")))

// One message: its state as the instructions want it, and sixteen words of its schedule.
struct stream {
    __m128i abef, cdgh;
    __m128i w0, w1, w2, w3;
};

NATIVE_INLINE __m128i load_vector(const void *bytes)
{
    return _mm_loadu_si128((const __m128i *)bytes);
}

NATIVE_INLINE void stream_load_state(struct stream *s, const u32 state[8])
{
    const __m128i cdab = _mm_shuffle_epi32(load_vector(state), 0xb1);
    const __m128i efgh = _mm_shuffle_epi32(load_vector(state + 4), 0x1b);
    s->abef = _mm_alignr_epi8(cdab, efgh, 8);
    s->cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
}

NATIVE_INLINE void stream_store_state(const struct stream *s, u32 state[8])
{
    const __m128i feba = _mm_shuffle_epi32(s->abef, 0x1b);
    const __m128i dchg = _mm_shuffle_epi32(s->cdgh, 0xb1);
    const __m128i dcba = _mm_blend_epi16(feba, dchg, 0xf0);
    const __m128i hgfe = _mm_alignr_epi8(dchg, feba, 8);
    _mm_storeu_si128((__m128i *)(void *)state, dcba);
    _mm_storeu_si128((__m128i *)(void *)(state + 4), hgfe);
}

NATIVE_INLINE void stream_load_block(struct stream *s, const u8 *block)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    s->w0 = _mm_shuffle_epi8(load_vector(block), big_endian);
    s->w1 = _mm_shuffle_epi8(load_vector(block + 16), big_endian);
    s->w2 = _mm_shuffle_epi8(load_vector(block + 32), big_endian);
    s->w3 = _mm_shuffle_epi8(load_vector(block + 48), big_endian);
}

// Four rounds with the words in w0.
NATIVE_INLINE void stream_rounds(struct stream *s, const u32 *constants)
{
    const __m128i sums = _mm_add_epi32(s->w0, load_vector(constants));
    s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, sums);
    s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(sums, 0x0e));
}

// Moves the schedule on by four words.
NATIVE_INLINE void stream_schedule(struct stream *s)
{
    const __m128i middle = _mm_alignr_epi8(s->w3, s->w2, 4);
    const __m128i partial = _mm_add_epi32(_mm_sha256msg1_epu32(s->w0, s->w1), middle);
    const __m128i next = _mm_sha256msg2_epu32(partial, s->w3);
    s->w0 = s->w1;
    s->w1 = s->w2;
    s->w2 = s->w3;
    s->w3 = next;
}

NATIVE_INLINE void stream_shift(struct stream *s)
{
    s->w0 = s->w1;
    s->w1 = s->w2;
    s->w2 = s->w3;
}

NATIVE static void compress_native(u32 state[8], const u8 *data, size_t block_count)
{
    struct stream s;
    stream_load_state(&s, state);
    for (size_t block = 0; block < block_count; block++) {
        const __m128i abef = s.abef, cdgh = s.cdgh;
        const u32 *constants = sha256_round_constants;
        stream_load_block(&s, data + block * BLOCK_SIZE);
        UNROLL for (unsigned i = 0; i < 12; i++)
        {
            stream_rounds(&s, constants + 4 * (size_t)i);
            stream_schedule(&s);
        }
        UNROLL for (unsigned i = 12; i < 16; i++)
        {
            stream_rounds(&s, constants + 4 * (size_t)i);
            stream_shift(&s);
        }
        s.abef = _mm_add_epi32(s.abef, abef);
        s.cdgh = _mm_add_epi32(s.cdgh, cdgh);
    }
    stream_store_state(&s, state);
}

// Two messages of `block_count` blocks each.
NATIVE static void compress_pair_native(u32 states[2][8], const u8 *const data[2],
                                        size_t block_count)
{
    struct stream s, t;
    stream_load_state(&s, states[0]);
    stream_load_state(&t, states[1]);
    for (size_t block = 0; block < block_count; block++) {
        const __m128i s_abef = s.abef, s_cdgh = s.cdgh, t_abef = t.abef, t_cdgh = t.cdgh;
        const u32 *constants = sha256_round_constants;
        stream_load_block(&s, data[0] + block * BLOCK_SIZE);
        stream_load_block(&t, data[1] + block * BLOCK_SIZE);
        UNROLL for (unsigned i = 0; i < 12; i++)
        {
            stream_rounds(&s, constants + 4 * (size_t)i);
            stream_rounds(&t, constants + 4 * (size_t)i);
            stream_schedule(&s);
            stream_schedule(&t);
        }
        UNROLL for (unsigned i = 12; i < 16; i++)
        {
            stream_rounds(&s, constants + 4 * (size_t)i);
            stream_rounds(&t, constants + 4 * (size_t)i);
            stream_shift(&s);
            stream_shift(&t);
        }
        s.abef = _mm_add_epi32(s.abef, s_abef);
        s.cdgh = _mm_add_epi32(s.cdgh, s_cdgh);
        t.abef = _mm_add_epi32(t.abef, t_abef);
        t.cdgh = _mm_add_epi32(t.cdgh, t_cdgh);
    }
    stream_store_state(&s, states[0]);
    stream_store_state(&t, states[1]);
}

#else

static void compress_native(u32 state[8], const u8 *data, size_t block_count)
{
    compress_portable(state, data, block_count);
}

static void compress_pair_native(u32 states[2][8], const u8 *const data[2], size_t block_count)
{
    compress_portable(states[0], data[0], block_count);
    compress_portable(states[1], data[1], block_count);
}

#endif

// Messages.

void sha256_compress(u32 state[8], const u8 *data, size_t block_count)
{
    if (LIKELY(cpu_features()->sha)) {
        compress_native(state, data, block_count);
    } else {
        compress_portable(state, data, block_count);
    }
}

void sha256_compress_pair(u32 states[2][8], const u8 *const data[2], size_t block_count)
{
    if (LIKELY(cpu_features()->sha)) {
        compress_pair_native(states, data, block_count);
    } else {
        compress_portable(states[0], data[0], block_count);
        compress_portable(states[1], data[1], block_count);
    }
}

void sha256_store(const u32 state[8], struct digest *out)
{
    for (size_t i = 0; i < 8; i++) store_u32(out->bytes + 4 * i, __builtin_bswap32(state[i]));
}

size_t sha256_pad(u8 blocks[2 * SHA256_BLOCK_SIZE], const u8 *tail, size_t tail_size, u64 size)
{
    assert(tail_size < BLOCK_SIZE);
    const size_t count = tail_size + 1 + SHA256_LENGTH_SIZE <= BLOCK_SIZE ? 1 : 2;
    const size_t end = count * BLOCK_SIZE;
    if (tail_size != 0) memcpy(blocks, tail, tail_size);
    blocks[tail_size] = 0x80;
    memset(blocks + tail_size + 1, 0, end - tail_size - 1 - SHA256_LENGTH_SIZE);
    store_u64(blocks + end - SHA256_LENGTH_SIZE, __builtin_bswap64(size * 8));
    return count;
}

void sha256_begin(struct sha256_state *state)
{
    memcpy(state->words, sha256_initial_words, sizeof state->words);
    state->size = 0;
}

void sha256_update(struct sha256_state *state, const void *data, size_t size)
{
    assert(data != NULL || size == 0);
    if (size == 0) return;
    const u8 *bytes = data;
    const size_t pending = state->size % BLOCK_SIZE;
    state->size += size;
    if (pending != 0) {
        const size_t taken = MIN(size, BLOCK_SIZE - pending);
        memcpy(state->pending + pending, bytes, taken);
        if (pending + taken < BLOCK_SIZE) return;
        sha256_compress(state->words, state->pending, 1);
        bytes += taken;
        size -= taken;
    }
    const size_t whole = size - size % BLOCK_SIZE;
    if (whole != 0) sha256_compress(state->words, bytes, whole / BLOCK_SIZE);
    memcpy(state->pending, bytes + whole, size - whole);
}

void sha256_end(struct sha256_state *state, struct digest *out)
{
    u8 blocks[2 * BLOCK_SIZE];
    const size_t tail_size = state->size % BLOCK_SIZE;
    const size_t count = sha256_pad(blocks, state->pending, tail_size, state->size);
    sha256_compress(state->words, blocks, count);
    sha256_store(state->words, out);
}

void sha256(const void *data, size_t size, struct digest *out)
{
    struct sha256_state state;
    sha256_begin(&state);
    sha256_update(&state, data, size);
    sha256_end(&state, out);
}

// Two chunks of `chunk_size` bytes, one after the other at `data`.
static void chunk_pair(const u8 *data, size_t chunk_size, struct digest *out)
{
    u32 states[2][8];
    u8 blocks[2][2 * BLOCK_SIZE];
    const size_t tail_size = chunk_size % BLOCK_SIZE;
    const u8 *bodies[2] = {data, data + chunk_size};
    const u8 *ends[2] = {blocks[0], blocks[1]};
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        memcpy(states[i], sha256_initial_words, sizeof states[i]);
        count = sha256_pad(blocks[i], bodies[i] + (chunk_size - tail_size), tail_size, chunk_size);
    }
    sha256_compress_pair(states, bodies, chunk_size / BLOCK_SIZE);
    sha256_compress_pair(states, ends, count);
    for (size_t i = 0; i < 2; i++) sha256_store(states[i], &out[i]);
}

void sha256_chunks(const void *data, size_t size, size_t chunk_size, struct digest *out)
{
    assert(chunk_size > 0);
    if (size == 0) return;
    assert(data != NULL);
    const u8 *bytes = data;
    const size_t whole_count = size / chunk_size;
    size_t i = 0;
    for (size_t taken; (taken = sha256_lanes_count(whole_count - i)) != 0; i += taken) {
        sha256_lanes_chunks(bytes + i * chunk_size, chunk_size, taken, &out[i]);
    }
    for (; i + 2 <= whole_count; i += 2) chunk_pair(bytes + i * chunk_size, chunk_size, &out[i]);
    for (; i < whole_count; i++) sha256(bytes + i * chunk_size, chunk_size, &out[i]);
    if (size % chunk_size != 0) sha256(bytes + i * chunk_size, size % chunk_size, &out[i]);
}
