// SPDX-License-Identifier: Apache-2.0
//
// Signatures: Ed25519 (RFC 8032) as libsodium has it, and memory that held a secret
// (docs/decisions/libsodium.md).
//
// Guarantees: pure functions of their arguments; nothing is allocated, no clock, file or random
// number is read. Signing takes the same time for every seed; checking has no secret.
// Cost: about 25 us to sign, 60 us to check.
#ifndef TAEL_BASE_SIGNATURE_H
#define TAEL_BASE_SIGNATURE_H

#include "base/base.h"

#define SIGNATURE_SEED_SIZE 32u // The secret key, as RFC 8032, 5.1.5, begins with it.
#define SIGNATURE_KEY_SIZE  32u // The public key.
#define SIGNATURE_SIZE      64u

// Whether these bytes are a key that a seed can have: a point of the curve in its one canonical
// form, of the large prime order. One of low order would check signatures that nobody made.
bool signature_key_is_valid(const u8 key[SIGNATURE_KEY_SIZE]);
// The public key of a seed.
void signature_key_of(const u8 seed[SIGNATURE_SEED_SIZE], u8 key[SIGNATURE_KEY_SIZE]);
// Signs; what the secret was expanded to is wiped.
void signature_make(const u8 seed[SIGNATURE_SEED_SIZE], const void *message, size_t size,
                    u8 signature[SIGNATURE_SIZE]);
// Whether the owner of the key has signed the message. Each signature has one form that is right.
bool signature_check(const u8 key[SIGNATURE_KEY_SIZE], const void *message, size_t size,
                     const u8 signature[SIGNATURE_SIZE]);
// Writes zeroes over a secret, which no compiler leaves out.
void secret_wipe(void *secret, size_t size);

#endif
