// SPDX-License-Identifier: Apache-2.0
//
// Signatures by libsodium. None of these functions needs sodium_init: they take no random number
// and have one implementation.
#include "base/signature.h"

#include <sodium.h>

static_assert(SIGNATURE_SEED_SIZE == crypto_sign_SEEDBYTES &&
                  SIGNATURE_KEY_SIZE == crypto_sign_PUBLICKEYBYTES &&
                  SIGNATURE_SIZE == crypto_sign_BYTES,
              "Ed25519");

bool signature_key_is_valid(const u8 key[SIGNATURE_KEY_SIZE])
{
    return crypto_core_ed25519_is_valid_point(key) == 1;
}

void signature_key_of(const u8 seed[SIGNATURE_SEED_SIZE], u8 key[SIGNATURE_KEY_SIZE])
{
    u8 expanded[crypto_sign_SECRETKEYBYTES];
    (void)crypto_sign_seed_keypair(key, expanded, seed);
    secret_wipe(expanded, sizeof expanded);
}

void signature_make(const u8 seed[SIGNATURE_SEED_SIZE], const void *message, size_t size,
                    u8 signature[SIGNATURE_SIZE])
{
    u8 expanded[crypto_sign_SECRETKEYBYTES];
    u8 key[SIGNATURE_KEY_SIZE];
    (void)crypto_sign_seed_keypair(key, expanded, seed);
    (void)crypto_sign_detached(signature, NULL, message, size, expanded);
    secret_wipe(expanded, sizeof expanded);
}

bool signature_check(const u8 key[SIGNATURE_KEY_SIZE], const void *message, size_t size,
                     const u8 signature[SIGNATURE_SIZE])
{
    return crypto_sign_verify_detached(signature, message, size, key) == 0;
}

void secret_wipe(void *secret, size_t size)
{
    sodium_memzero(secret, size);
}
