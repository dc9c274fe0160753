// SPDX-License-Identifier: Apache-2.0
//
// Merkle trees of RFC 9162, section 2.1: leaves, nodes, roots, and a growing range of leaves.
//
// The recursive definition (split at the largest power of two smaller than n) is the same tree
// as: level by level, hash neighbours in pairs and carry an odd last one up unchanged. Levels are
// wide, so they are hashed many nodes at a time.
#include "base/sha256.h"

#include "base/sha256_internal.h"

enum {
    LEAF_PREFIX = 0x00,
    NODE_PREFIX = 0x01,
    BLOCK_SIZE = SHA256_BLOCK_SIZE,
};

// The whole message of a leaf in its one block.
static void leaf_block(u8 block[BLOCK_SIZE], const u8 *row, size_t row_size)
{
    u8 message[1 + MERKLE_ROW_SIZE_MAX] = {LEAF_PREFIX};
    u8 blocks[2 * BLOCK_SIZE];
    if (row_size != 0) memcpy(message + 1, row, row_size);
    const size_t count = sha256_pad(blocks, message, 1 + row_size, 1 + row_size);
    assert(count == 1);
    memcpy(block, blocks, BLOCK_SIZE);
}

void merkle_leaves(const void *rows, size_t row_size, size_t stride, size_t count,
                   struct digest *out)
{
    assert(row_size <= MERKLE_ROW_SIZE_MAX);
    assert(rows != NULL || count == 0);
    const u8 *bytes = rows;
    size_t i = 0;
    for (size_t taken; (taken = sha256_lanes_count(count - i)) != 0; i += taken) {
        sha256_lanes_leaves(bytes + i * stride, row_size, stride, taken, &out[i]);
    }
    while (i < count) {
        const size_t pair = MIN(count - i, 2);
        u8 blocks[2][BLOCK_SIZE];
        u32 states[2][8];
        for (size_t j = 0; j < pair; j++) {
            leaf_block(blocks[j], bytes + (i + j) * stride, row_size);
            memcpy(states[j], sha256_initial_words, sizeof states[j]);
        }
        if (pair == 2) {
            sha256_compress_pair(states, (const u8 *const[2]){blocks[0], blocks[1]}, 1);
        } else {
            sha256_compress(states[0], blocks[0], 1);
        }
        for (size_t j = 0; j < pair; j++, i++) sha256_store(states[j], &out[i]);
    }
}

// The two blocks of a node.
static void node_blocks(u8 blocks[2 * BLOCK_SIZE], const struct digest *left,
                        const struct digest *right)
{
    enum { SIZE = 1 + 2 * sizeof(struct digest) };
    blocks[0] = NODE_PREFIX;
    memcpy(blocks + 1, left->bytes, sizeof left->bytes);
    memcpy(blocks + 1 + sizeof left->bytes, right->bytes, sizeof right->bytes);
    blocks[SIZE] = 0x80;
    memset(blocks + SIZE + 1, 0, 2 * BLOCK_SIZE - SIZE - 1 - sizeof(u16));
    store_u16(blocks + 2 * BLOCK_SIZE - sizeof(u16), __builtin_bswap16(SIZE * 8));
}

static void node_hash(const struct digest *left, const struct digest *right, struct digest *out)
{
    u8 blocks[2 * BLOCK_SIZE];
    u32 state[8];
    node_blocks(blocks, left, right);
    memcpy(state, sha256_initial_words, sizeof state);
    sha256_compress(state, blocks, 2);
    sha256_store(state, out);
}

void merkle_nodes(const struct digest *children, size_t count, struct digest *out)
{
    if (count == 0) return;
    assert(children != NULL);
    // Each step reads all its children before it writes, and writes below what is still to read:
    // so `out` may be `children`.
    size_t i = 0;
    for (size_t taken; (taken = sha256_lanes_count(count - i)) != 0; i += taken) {
        sha256_lanes_nodes(&children[2 * i], taken, &out[i]);
    }
    for (; i + 2 <= count; i += 2) {
        u8 blocks[2][2 * BLOCK_SIZE];
        u32 states[2][8];
        for (size_t j = 0; j < 2; j++) {
            const struct digest *left = &children[2 * (i + j)];
            node_blocks(blocks[j], left, left + 1);
            memcpy(states[j], sha256_initial_words, sizeof states[j]);
        }
        sha256_compress_pair(states, (const u8 *const[2]){blocks[0], blocks[1]}, 2);
        for (size_t j = 0; j < 2; j++) sha256_store(states[j], &out[i + j]);
    }
    if (i < count) node_hash(&children[2 * i], &children[2 * i + 1], &out[i]);
}

void merkle_root(struct digest *digests, size_t count, struct digest *out)
{
    assert(count >= 1);
    while (count > 1) {
        const size_t pair_count = count / 2;
        merkle_nodes(digests, pair_count, digests);
        if (count % 2 == 1) digests[pair_count] = digests[count - 1];
        count = pair_count + count % 2;
    }
    memmove(out, digests, sizeof *out);
}

void merkle_range_append(struct merkle_range *range, const struct digest *leaf_hash,
                         struct digest *completed)
{
    assert(range->count < U64_MAX);
    // As adding one to a binary number: complete subtrees of equal size merge and carry.
    struct digest carry = *leaf_hash;
    unsigned level = 0;
    for (; range->count >> level & 1; level++) {
        if (completed != NULL) completed[level] = carry;
        node_hash(&range->peaks[level], &carry, &carry);
    }
    if (completed != NULL) completed[level] = carry;
    range->peaks[level] = carry;
    range->count++;
}

u32 merkle_path(struct digest *digests, size_t count, size_t index, struct digest *path)
{
    assert(index < count);
    u32 length = 0;
    while (count > 1) {
        // An odd last one has no sibling and moves up unchanged.
        const size_t sibling = index ^ 1;
        if (sibling < count) path[length++] = digests[sibling];
        const size_t pair_count = count / 2;
        merkle_nodes(digests, pair_count, digests);
        if (count % 2 == 1) digests[pair_count] = digests[count - 1];
        count = pair_count + count % 2;
        index /= 2;
    }
    return length;
}

void merkle_range_root(const struct merkle_range *range, struct digest *out)
{
    if (range->count == 0) {
        sha256(NULL, 0, out);
        return;
    }
    // The smallest subtree is the rightmost; larger ones join from the left.
    unsigned level = (unsigned)__builtin_ctzll(range->count);
    struct digest root = range->peaks[level];
    for (level++; level < 64; level++) {
        if (range->count >> level & 1) node_hash(&range->peaks[level], &root, &root);
    }
    *out = root;
}
