// SPDX-License-Identifier: Apache-2.0
//
// For tests: roots and paths of Merkle trees by the recursive definitions of RFC 9162, section 2.1,
// word for word, over an array of leaf hashes. Slow, and obvious.
#ifndef TAEL_BASE_MERKLE_DEFINITION_H
#define TAEL_BASE_MERKLE_DEFINITION_H

#include "base/sha256.h"

// 2.1.1: MTH(D[count]); `count` is 1 at least.
struct digest merkle_definition_root(const struct digest *leaves, u64 count);
// 2.1.3.1: PATH(m, D[n]). `path` has room for it; returns its length.
u32 merkle_definition_inclusion(const struct digest *leaves, u64 m, u64 n, struct digest *path);
// 2.1.4.1: PROOF(m, D[n]), 0 < m <= n. Likewise.
u32 merkle_definition_consistency(const struct digest *leaves, u64 m, u64 n, struct digest *path);

#endif
