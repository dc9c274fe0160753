// SPDX-License-Identifier: Apache-2.0
//
// What the files of SHA-256 share: constants, block functions, and sixteen messages side by side.
// Internal to base; everybody else uses base/sha256.h.
#ifndef TAEL_BASE_SHA256_INTERNAL_H
#define TAEL_BASE_SHA256_INTERNAL_H

#include "base/sha256.h"

// Before a loop of at most 16 constant turns over vectors in registers.
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum {
    SHA256_BLOCK_SIZE = 64,
    SHA256_LENGTH_SIZE = 8, // The bit length that closes the last block.
    SHA256_LANE_COUNT = 16,
    // From so many equal messages on, sixteen lanes (some of them idle) beat pairs of streams.
    SHA256_LANES_COUNT_MIN = 7,
};

extern const u32 sha256_round_constants[64];
extern const u32 sha256_initial_words[8];

// Absorbs `block_count` blocks at `data`.
void sha256_compress(u32 state[8], const u8 *data, size_t block_count);
// As sha256_compress for two messages of equal length, interleaved.
void sha256_compress_pair(u32 states[2][8], const u8 *const data[2], size_t block_count);
void sha256_store(const u32 state[8], struct digest *out);

// Writes the last blocks of a message of `size` bytes, of which the last `tail_size` (below 64)
// are at `tail`. Returns their number, 1 or 2.
size_t sha256_pad(u8 blocks[2 * SHA256_BLOCK_SIZE], const u8 *tail, size_t tail_size, u64 size);

// Sixteen messages in the 32-bit lanes of AVX-512 vectors: sha256_lanes_count(remaining) says how
// many to hash this way now, 0 if none. The functions then take that `count`; idle lanes repeat
// the last message. They must not be called without the feature `avx512`.
size_t sha256_lanes_count(size_t remaining);
// As sha256_chunks for `count` chunks, all of `chunk_size` bytes.
void sha256_lanes_chunks(const u8 *data, size_t chunk_size, size_t count, struct digest *out);
// As merkle_leaves for `count` rows.
void sha256_lanes_leaves(const u8 *rows, size_t row_size, size_t stride, size_t count,
                         struct digest *out);
// As merkle_nodes for `count` pairs.
void sha256_lanes_nodes(const struct digest *children, size_t count, struct digest *out);

#endif
