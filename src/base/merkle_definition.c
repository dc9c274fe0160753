// SPDX-License-Identifier: Apache-2.0
//
// RFC 9162, section 2.1, word for word.
#include "base/merkle_definition.h"

// The largest power of two smaller than `count`, which is 2 at least.
static u64 split(u64 count)
{
    u64 k = 1;
    while (2 * k < count) k *= 2;
    return k;
}

struct digest merkle_definition_root(const struct digest *leaves, u64 count)
{
    if (count == 1) return leaves[0];
    const u64 k = split(count);
    const struct digest left = merkle_definition_root(leaves, k);
    const struct digest right = merkle_definition_root(leaves + k, count - k);
    u8 message[65] = {0x01};
    memcpy(message + 1, left.bytes, 32);
    memcpy(message + 33, right.bytes, 32);
    struct digest out;
    sha256(message, sizeof message, &out);
    return out;
}

u32 merkle_definition_inclusion(const struct digest *leaves, u64 m, u64 n, struct digest *path)
{
    if (n == 1) return 0;
    const u64 k = split(n);
    u32 count = m < k ? merkle_definition_inclusion(leaves, m, k, path)
                      : merkle_definition_inclusion(leaves + k, m - k, n - k, path);
    path[count++] =
        m < k ? merkle_definition_root(leaves + k, n - k) : merkle_definition_root(leaves, k);
    return count;
}

// SUBPROOF(m, D[n], b).
static u32 subproof(const struct digest *leaves, u64 m, u64 n, bool b, struct digest *path)
{
    if (m == n && b) return 0;
    if (m == n) {
        path[0] = merkle_definition_root(leaves, n);
        return 1;
    }
    const u64 k = split(n);
    u32 count =
        m <= k ? subproof(leaves, m, k, b, path) : subproof(leaves + k, m - k, n - k, false, path);
    path[count++] =
        m <= k ? merkle_definition_root(leaves + k, n - k) : merkle_definition_root(leaves, k);
    return count;
}

u32 merkle_definition_consistency(const struct digest *leaves, u64 m, u64 n, struct digest *path)
{
    return subproof(leaves, m, n, true, path);
}
