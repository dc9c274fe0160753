// SPDX-License-Identifier: Apache-2.0
//
// AEGIS-128L with a zero key and nonce, absorbing only: AES-NI and portable.
//
// One step replaces each of the eight 16-byte parts of the state by an AES round of its left
// neighbour xor itself, and xors the two halves of a 32-byte block into parts 0 and 4. The eight
// rounds of a step are independent, so a step costs about one latency of AESENC; wider vectors
// (VAES) would save instructions but not that latency, and are left out: the bulk loop runs at
// the latency bound. The block is given to AESENC as its round key and the old part is xored
// afterwards, which keeps the xor out of the part's own chain.
//
// The ten steps that begin every checksum see no data, so their result is a constant here.
#include "base/checksum.h"

#include "base/cpu.h"

enum {
    PART_COUNT = 8,
    PART_SIZE = 16,
    BLOCK_SIZE = 32,
    FINAL_STEPS = 7,
};

// What `opaque` holds.
struct engine {
    _Alignas(64) u8 parts[PART_COUNT][PART_SIZE];
    u8 pending[BLOCK_SIZE]; // The bytes that do not yet fill a block.
    u64 size;               // Bytes given so far; size % BLOCK_SIZE of them are pending.
};
_Static_assert(sizeof(struct engine) <= sizeof(struct checksum_state), "fits the opaque bytes");

// The state after initialisation with key and nonce zero and ten steps of zero blocks.
_Alignas(64) static const u8 parts_initial[PART_COUNT][PART_SIZE] = {
    {0x72, 0xf2, 0xf4, 0x5d, 0x9e, 0xc7, 0x42, 0x02, 0x3e, 0x84, 0xaa, 0x66, 0xae, 0xfd, 0x35,
     0x92},
    {0x42, 0x07, 0x1d, 0xcd, 0x30, 0x1a, 0xf7, 0xcf, 0x8a, 0x7c, 0x6c, 0x4a, 0x20, 0xf6, 0x30,
     0x65},
    {0xf8, 0x4e, 0xa4, 0xa1, 0xc6, 0xaa, 0x99, 0xce, 0xa5, 0x1d, 0x8b, 0x5c, 0x9c, 0xc3, 0x05,
     0x8f},
    {0x0f, 0xc0, 0x5e, 0x11, 0x17, 0xaf, 0x10, 0x75, 0xa4, 0x11, 0x19, 0xf3, 0x29, 0xc5, 0xa8,
     0xd2},
    {0x57, 0x88, 0x8c, 0x33, 0xd3, 0x16, 0x03, 0x55, 0x36, 0x40, 0x35, 0xc8, 0xf2, 0x1e, 0x79,
     0x86},
    {0x48, 0xfa, 0x4b, 0x5d, 0xd5, 0x70, 0x42, 0xc4, 0x08, 0x4f, 0xe9, 0xf5, 0x15, 0x08, 0xb6,
     0x44},
    {0x0b, 0x99, 0x89, 0xcc, 0x91, 0x05, 0x03, 0x85, 0x03, 0x05, 0xde, 0x7e, 0xf1, 0xa9, 0x8b,
     0xfe},
    {0xb3, 0x0e, 0x75, 0x21, 0x39, 0x0c, 0xcf, 0x8e, 0xcf, 0xe9, 0x4a, 0xf6, 0x87, 0x95, 0x5d,
     0xd7},
};

// The AES S-box (FIPS 197, figure 7).
static const u8 substitution[256] = {
    0x63, 0x7c, 0x77, 0x7b, 0xf2, 0x6b, 0x6f, 0xc5, 0x30, 0x01, 0x67, 0x2b, 0xfe, 0xd7, 0xab, 0x76,
    0xca, 0x82, 0xc9, 0x7d, 0xfa, 0x59, 0x47, 0xf0, 0xad, 0xd4, 0xa2, 0xaf, 0x9c, 0xa4, 0x72, 0xc0,
    0xb7, 0xfd, 0x93, 0x26, 0x36, 0x3f, 0xf7, 0xcc, 0x34, 0xa5, 0xe5, 0xf1, 0x71, 0xd8, 0x31, 0x15,
    0x04, 0xc7, 0x23, 0xc3, 0x18, 0x96, 0x05, 0x9a, 0x07, 0x12, 0x80, 0xe2, 0xeb, 0x27, 0xb2, 0x75,
    0x09, 0x83, 0x2c, 0x1a, 0x1b, 0x6e, 0x5a, 0xa0, 0x52, 0x3b, 0xd6, 0xb3, 0x29, 0xe3, 0x2f, 0x84,
    0x53, 0xd1, 0x00, 0xed, 0x20, 0xfc, 0xb1, 0x5b, 0x6a, 0xcb, 0xbe, 0x39, 0x4a, 0x4c, 0x58, 0xcf,
    0xd0, 0xef, 0xaa, 0xfb, 0x43, 0x4d, 0x33, 0x85, 0x45, 0xf9, 0x02, 0x7f, 0x50, 0x3c, 0x9f, 0xa8,
    0x51, 0xa3, 0x40, 0x8f, 0x92, 0x9d, 0x38, 0xf5, 0xbc, 0xb6, 0xda, 0x21, 0x10, 0xff, 0xf3, 0xd2,
    0xcd, 0x0c, 0x13, 0xec, 0x5f, 0x97, 0x44, 0x17, 0xc4, 0xa7, 0x7e, 0x3d, 0x64, 0x5d, 0x19, 0x73,
    0x60, 0x81, 0x4f, 0xdc, 0x22, 0x2a, 0x90, 0x88, 0x46, 0xee, 0xb8, 0x14, 0xde, 0x5e, 0x0b, 0xdb,
    0xe0, 0x32, 0x3a, 0x0a, 0x49, 0x06, 0x24, 0x5c, 0xc2, 0xd3, 0xac, 0x62, 0x91, 0x95, 0xe4, 0x79,
    0xe7, 0xc8, 0x37, 0x6d, 0x8d, 0xd5, 0x4e, 0xa9, 0x6c, 0x56, 0xf4, 0xea, 0x65, 0x7a, 0xae, 0x08,
    0xba, 0x78, 0x25, 0x2e, 0x1c, 0xa6, 0xb4, 0xc6, 0xe8, 0xdd, 0x74, 0x1f, 0x4b, 0xbd, 0x8b, 0x8a,
    0x70, 0x3e, 0xb5, 0x66, 0x48, 0x03, 0xf6, 0x0e, 0x61, 0x35, 0x57, 0xb9, 0x86, 0xc1, 0x1d, 0x9e,
    0xe1, 0xf8, 0x98, 0x11, 0x69, 0xd9, 0x8e, 0x94, 0x9b, 0x1e, 0x87, 0xe9, 0xce, 0x55, 0x28, 0xdf,
    0x8c, 0xa1, 0x89, 0x0d, 0xbf, 0xe6, 0x42, 0x68, 0x41, 0x99, 0x2d, 0x0f, 0xb0, 0x54, 0xbb, 0x16,
};

// Portable.

struct part {
    u32 columns[4];
};

// Doubles each of the four bytes in GF(2^8).
static u32 column_double(u32 column)
{
    const u32 carries = column >> 7 & 0x01010101u;
    return ((column & 0x7f7f7f7fu) << 1) ^ carries * 0x1bu;
}

static u32 rotate_right(u32 word, unsigned count)
{
    return word >> count | word << (32 - count);
}

// SubBytes, ShiftRows, MixColumns and AddRoundKey.
static struct part aes_round(const struct part *in, const struct part *key)
{
    struct part out;
    for (unsigned c = 0; c < 4; c++) {
        const u32 shifted = (u32)substitution[in->columns[c] & 0xff] |
                            (u32)substitution[in->columns[(c + 1) & 3] >> 8 & 0xff] << 8 |
                            (u32)substitution[in->columns[(c + 2) & 3] >> 16 & 0xff] << 16 |
                            (u32)substitution[in->columns[(c + 3) & 3] >> 24] << 24;
        const u32 doubled = column_double(shifted);
        out.columns[c] = doubled ^ rotate_right(doubled ^ shifted, 8) ^ rotate_right(shifted, 16) ^
                         rotate_right(shifted, 24) ^ key->columns[c];
    }
    return out;
}

static void part_xor(struct part *part, const u8 *bytes)
{
    for (unsigned c = 0; c < 4; c++) part->columns[c] ^= load_u32(bytes + c * sizeof(u32));
}

static void step_portable(struct part parts[PART_COUNT], const u8 *block)
{
    const struct part last = parts[PART_COUNT - 1];
    for (unsigned i = PART_COUNT - 1; i > 0; i--) parts[i] = aes_round(&parts[i - 1], &parts[i]);
    parts[0] = aes_round(&last, &parts[0]);
    part_xor(&parts[0], block);
    part_xor(&parts[4], block + PART_SIZE);
}

static void absorb_portable(u8 bytes[PART_COUNT][PART_SIZE], const u8 *data, size_t block_count)
{
    struct part parts[PART_COUNT];
    memcpy(parts, bytes, sizeof parts);
    for (size_t i = 0; i < block_count; i++) step_portable(parts, data + i * BLOCK_SIZE);
    memcpy(bytes, parts, sizeof parts);
}

// The tag of the state after `size` bytes, none of them pending.
static u128 finish_portable(const u8 bytes[PART_COUNT][PART_SIZE], u64 size)
{
    struct part parts[PART_COUNT];
    memcpy(parts, bytes, sizeof parts);
    u8 lengths[PART_SIZE] = {0};
    store_u64(lengths, size * 8);
    part_xor(&parts[2], lengths);
    u8 block[BLOCK_SIZE];
    memcpy(block, &parts[2], PART_SIZE);
    memcpy(block + PART_SIZE, &parts[2], PART_SIZE);
    part_xor(&parts[2], lengths); // The length enters by the blocks only.

    for (unsigned i = 0; i < FINAL_STEPS; i++) step_portable(parts, block);
    u128 tag = 0;
    for (unsigned i = 0; i < PART_COUNT - 1; i++) tag ^= load_u128(&parts[i]);
    return tag;
}

static u128 checksum_portable(const u8 *data, size_t size)
{
    u8 parts[PART_COUNT][PART_SIZE];
    memcpy(parts, parts_initial, sizeof parts);
    const size_t tail = size % BLOCK_SIZE;
    absorb_portable(parts, data, size / BLOCK_SIZE);
    if (tail != 0) {
        u8 block[BLOCK_SIZE] = {0};
        memcpy(block, data + (size - tail), tail);
        absorb_portable(parts, block, 1);
    }
    return finish_portable((const u8(*)[PART_SIZE])parts, size);
}

// AES-NI.

#if CPU_X86_64

#include <immintrin.h>

#define NATIVE        __attribute__((target("aes,avx2")))
#define NATIVE_INLINE static inline __attribute__((always_inline, target("aes,avx2")))

struct registers {
    __m128i s0, s1, s2, s3, s4, s5, s6, s7;
};

NATIVE_INLINE __m128i load_part(const u8 *bytes)
{
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

NATIVE_INLINE void store_part(u8 *bytes, __m128i part)
{
    _mm_storeu_si128((__m128i *)(void *)bytes, part);
}

NATIVE_INLINE void registers_load(struct registers *r, const u8 parts[PART_COUNT][PART_SIZE])
{
    r->s0 = load_part(parts[0]);
    r->s1 = load_part(parts[1]);
    r->s2 = load_part(parts[2]);
    r->s3 = load_part(parts[3]);
    r->s4 = load_part(parts[4]);
    r->s5 = load_part(parts[5]);
    r->s6 = load_part(parts[6]);
    r->s7 = load_part(parts[7]);
}

NATIVE_INLINE void step_native(struct registers *r, __m128i low, __m128i high)
{
    const __m128i last = r->s7;
    r->s7 = _mm_aesenc_si128(r->s6, r->s7);
    r->s6 = _mm_aesenc_si128(r->s5, r->s6);
    r->s5 = _mm_aesenc_si128(r->s4, r->s5);
    r->s4 = _mm_xor_si128(_mm_aesenc_si128(r->s3, high), r->s4);
    r->s3 = _mm_aesenc_si128(r->s2, r->s3);
    r->s2 = _mm_aesenc_si128(r->s1, r->s2);
    r->s1 = _mm_aesenc_si128(r->s0, r->s1);
    r->s0 = _mm_xor_si128(_mm_aesenc_si128(last, low), r->s0);
}

NATIVE_INLINE void step_block(struct registers *r, const u8 *block)
{
    step_native(r, load_part(block), load_part(block + PART_SIZE));
}

NATIVE_INLINE void absorb_registers(struct registers *r, const u8 *data, size_t block_count)
{
    size_t i = 0;
    for (; i + 4 <= block_count; i += 4) {
        const u8 *block = data + i * BLOCK_SIZE;
        step_block(r, block);
        step_block(r, block + BLOCK_SIZE);
        step_block(r, block + 2 * BLOCK_SIZE);
        step_block(r, block + 3 * BLOCK_SIZE);
    }
    for (; i < block_count; i++) step_block(r, data + i * BLOCK_SIZE);
}

NATIVE_INLINE u128 finish_registers(struct registers *r, u64 size)
{
    const __m128i lengths = _mm_set_epi64x(0, (long long)(size * 8));
    const __m128i block = _mm_xor_si128(r->s2, lengths);
    for (unsigned i = 0; i < FINAL_STEPS; i++) step_native(r, block, block);
    __m128i tag = _mm_xor_si128(_mm_xor_si128(r->s0, r->s1), _mm_xor_si128(r->s2, r->s3));
    tag = _mm_xor_si128(tag, _mm_xor_si128(_mm_xor_si128(r->s4, r->s5), r->s6));
    u8 bytes[PART_SIZE];
    store_part(bytes, tag);
    return load_u128(bytes);
}

NATIVE static void absorb_native(u8 parts[PART_COUNT][PART_SIZE], const u8 *data,
                                 size_t block_count)
{
    struct registers r;
    registers_load(&r, (const u8(*)[PART_SIZE])parts);
    absorb_registers(&r, data, block_count);
    store_part(parts[0], r.s0);
    store_part(parts[1], r.s1);
    store_part(parts[2], r.s2);
    store_part(parts[3], r.s3);
    store_part(parts[4], r.s4);
    store_part(parts[5], r.s5);
    store_part(parts[6], r.s6);
    store_part(parts[7], r.s7);
}

NATIVE static u128 finish_native(const u8 parts[PART_COUNT][PART_SIZE], u64 size)
{
    struct registers r;
    registers_load(&r, parts);
    return finish_registers(&r, size);
}

NATIVE static u128 checksum_native(const u8 *data, size_t size)
{
    struct registers r;
    registers_load(&r, parts_initial);
    const size_t tail = size % BLOCK_SIZE;
    absorb_registers(&r, data, size / BLOCK_SIZE);
    if (tail != 0) {
        u8 block[BLOCK_SIZE] = {0};
        memcpy(block, data + (size - tail), tail);
        step_block(&r, block);
    }
    return finish_registers(&r, size);
}

static bool is_native(void)
{
    return LIKELY(cpu_features()->aes && cpu_features()->avx2);
}

#else

static bool is_native(void)
{
    return false;
}

static void absorb_native(u8 parts[PART_COUNT][PART_SIZE], const u8 *data, size_t block_count)
{
    absorb_portable(parts, data, block_count);
}

static u128 finish_native(const u8 parts[PART_COUNT][PART_SIZE], u64 size)
{
    return finish_portable(parts, size);
}

static u128 checksum_native(const u8 *data, size_t size)
{
    return checksum_portable(data, size);
}

#endif

// The public functions.

static struct engine *engine_of(struct checksum_state *state)
{
    return (struct engine *)(void *)state->opaque;
}

static void absorb(struct engine *engine, const u8 *data, size_t block_count)
{
    if (is_native()) {
        absorb_native(engine->parts, data, block_count);
    } else {
        absorb_portable(engine->parts, data, block_count);
    }
}

u128 checksum(const void *data, size_t size)
{
    assert(data != NULL || size == 0);
    return is_native() ? checksum_native(data, size) : checksum_portable(data, size);
}

void checksum_begin(struct checksum_state *state)
{
    struct engine *engine = engine_of(state);
    memcpy(engine->parts, parts_initial, sizeof engine->parts);
    engine->size = 0;
}

void checksum_update(struct checksum_state *state, const void *data, size_t size)
{
    assert(data != NULL || size == 0);
    if (size == 0) return;
    struct engine *engine = engine_of(state);
    const u8 *bytes = data;
    const size_t pending = engine->size % BLOCK_SIZE;
    engine->size += size;
    if (pending != 0) {
        const size_t taken = MIN(size, BLOCK_SIZE - pending);
        memcpy(engine->pending + pending, bytes, taken);
        if (pending + taken < BLOCK_SIZE) return;
        absorb(engine, engine->pending, 1);
        bytes += taken;
        size -= taken;
    }
    const size_t whole = size - size % BLOCK_SIZE;
    if (whole != 0) absorb(engine, bytes, whole / BLOCK_SIZE);
    memcpy(engine->pending, bytes + whole, size - whole);
}

u128 checksum_end(struct checksum_state *state)
{
    struct engine *engine = engine_of(state);
    const size_t pending = engine->size % BLOCK_SIZE;
    if (pending != 0) {
        memset(engine->pending + pending, 0, BLOCK_SIZE - pending);
        absorb(engine, engine->pending, 1);
    }
    const u8(*parts)[PART_SIZE] = (const u8(*)[PART_SIZE])engine->parts;
    return is_native() ? finish_native(parts, engine->size) : finish_portable(parts, engine->size);
}
