// SPDX-License-Identifier: Apache-2.0
//
// A keyed 64-bit hash of ids, for tables and filters.
//
// Clients choose ids, so the hash must not be steerable: without the key nobody may find many ids
// that share a slot. Two rounds of a 64 x 64 -> 128-bit multiplication with secret key words:
//
//   product = (low + key[0]) * (high + key[1])                    128 bits, modulo 2^64 each sum
//   folded  = (product.low ^ key[2]) * (product.high ^ key[3])    128 bits
//   hash    = folded.low ^ folded.high
//
// The first round is the hash NH of UMAC (Black, Halevi, Krawczyk, Krovetz, Rogaway, "UMAC: Fast
// and secure message authentication", CRYPTO 1999, section 4): for any two different ids chosen
// without the key, the products are equal with probability at most 2^-64 over the key. The
// second only has to spread the product over 64 bits; folding the halves of a product makes each
// bit of the result depend on all bits of both factors, and its key keeps the factors from being
// known, zero among them. Every bit of the hash is usable: high bits and low bits alike.
//
// It is not a digest: hashes must not be shown to those who choose ids, because who sees enough of
// them may solve for the key. It is a format: the key is in a log's genesis, and the keys and
// filters of index files are made of these hashes (docs/FORMAT.md, section 5), so that recovery
// makes the same files again. The bounds hold for random keys; a regular one (all zero, repeating
// digits) is legal and visibly weak, so a simulation that wants the same hashes again fills the key
// from a seeded generator.
//
// Cost: two multiplications, 2.5 ns of latency, 0.6 ns when hashes are independent.
#ifndef TAEL_BASE_HASH_H
#define TAEL_BASE_HASH_H

#include "base/base.h"

// Four random words, from the system's source once a log.
struct hash_key {
    u64 words[4];
};

// The hash of a 128-bit id.
static inline u64 hash_u128(const struct hash_key *key, u128 value)
{
    const u64 low = (u64)value + key->words[0];
    const u64 high = (u64)(value >> 64) + key->words[1];
    const u128 product = (u128)low * high;
    const u128 folded =
        (u128)((u64)product ^ key->words[2]) * ((u64)(product >> 64) ^ key->words[3]);
    return (u64)folded ^ (u64)(folded >> 64);
}

// The hash of a 64-bit value. Values under different tags hash independently of each other and of
// hash_u128, which uses the key's words in the other order.
static inline u64 hash_u64(const struct hash_key *key, u64 value, u64 tag)
{
    const u128 product = (u128)(value + key->words[2]) * (tag + key->words[3]);
    const u128 folded =
        (u128)((u64)product ^ key->words[0]) * ((u64)(product >> 64) ^ key->words[1]);
    return (u64)folded ^ (u64)(folded >> 64);
}

#endif
