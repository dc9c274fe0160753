// SPDX-License-Identifier: Apache-2.0
//
// A blocked Bloom filter: "certainly not among the keys" for one cache line touched.
//
// A filter is `filter_size` bytes of the caller's, zero at first, best aligned to a cache line. A
// key's hash picks one block of 64 bytes and in each of the block's eight words one bit; the key
// is held to be present if all eight are set. With 16 bits a key, the false-positive rate at
// capacity is about 0.09 % (a Bloom filter without blocks has 0.05 %, at ten more cache misses a
// key); there are no false negatives; keys cannot be removed. The bytes depend on nothing but the
// set of hashes, so a filter may be stored where the hash key is. A look-up in the second-level
// cache costs 3 ns.
#ifndef TAEL_BASE_FILTER_H
#define TAEL_BASE_FILTER_H

#include "base/base.h"

enum {
    FILTER_BLOCK_SIZE = 64,
    FILTER_BITS_PER_KEY = 16,
    FILTER_WORD_COUNT = 8, // In a block.
};

// The size in bytes of a filter for up to `keys` keys, a multiple of FILTER_BLOCK_SIZE, at least
// one block.
static inline size_t filter_size(u64 keys)
{
    assert(keys <= U64_MAX / FILTER_BITS_PER_KEY);
    const u64 size = align_up(keys * (FILTER_BITS_PER_KEY / 8), FILTER_BLOCK_SIZE);
    return size == 0 ? FILTER_BLOCK_SIZE : (size_t)size;
}

// Where the hash's block begins. The product's high half maps the hash evenly on any number of
// blocks; it is decided by the hash's high bits.
static inline size_t filter_block(size_t size, u64 hash)
{
    assert(size >= FILTER_BLOCK_SIZE && size % FILTER_BLOCK_SIZE == 0);
    const u64 block_count = size / FILTER_BLOCK_SIZE;
    return (size_t)((u128)hash * block_count >> 64) * FILTER_BLOCK_SIZE;
}

// Eight numbers of six bits, which pick a bit in each word. Hashes of one block agree in their
// high bits, so all bits are mixed again first: the folded product with an odd constant (2^64
// over the golden ratio).
static inline u64 filter_bits(u64 hash)
{
    const u128 product = (u128)hash * 0x9e3779b97f4a7c15u;
    return (u64)product ^ (u64)(product >> 64);
}

// Adds a key by its hash. More keys than the filter was sized for only raise the rate.
static inline void filter_add(u8 *filter, size_t size, u64 hash)
{
    u8 *block = filter + filter_block(size, hash);
    u64 bits = filter_bits(hash);
    for (size_t i = 0; i < FILTER_WORD_COUNT; i++, bits >>= 6) {
        u8 *word = block + i * sizeof(u64);
        store_u64(word, load_u64(word) | (u64)1 << (bits & 63));
    }
}

// Asks for the block's cache line, for a filter_has or filter_add that follows later.
static inline void filter_prefetch(const u8 *filter, size_t size, u64 hash)
{
    __builtin_prefetch(filter + filter_block(size, hash));
}

// Whether the bits picked in four words from `block` on are all set.
static inline bool filter_half(const u8 *block, u64 bits)
{
    u64 seen = 1;
    for (size_t i = 0; i < FILTER_WORD_COUNT / 2; i++, bits >>= 6) {
        seen &= load_u64(block + i * sizeof(u64)) >> (bits & 63);
    }
    return seen != 0;
}

// False: no key with this hash was added. True: one was, or the filter errs. The first half of
// the block already refuses 97 % of what was not added, so the one branch is mostly foreseen.
static inline bool filter_has(const u8 *filter, size_t size, u64 hash)
{
    const u8 *block = filter + filter_block(size, hash);
    const u64 bits = filter_bits(hash);
    return filter_half(block, bits) &&
           filter_half(block + FILTER_BLOCK_SIZE / 2, bits >> 6 * (FILTER_WORD_COUNT / 2));
}

#endif
