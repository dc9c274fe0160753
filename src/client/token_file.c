// SPDX-License-Identifier: Apache-2.0
//
// Tokens: made, written, and known by their hash.
#include "client/token_file.h"

#include "client/key_file.h"

#include <sodium.h>

// Of base64url: libsodium reads a letter whose highest bit is set as the letter.
static bool is_character(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool token_hash(const char *text, size_t size, struct digest *out)
{
    u8 secret[TOKEN_SECRET_SIZE + 1];
    size_t got = 0;
    const size_t prefix = sizeof TOKEN_PREFIX - 1;
    if (size != TOKEN_TEXT_SIZE || memcmp(text, TOKEN_PREFIX, prefix) != 0) return false;
    for (size_t i = prefix; i < size; i++) {
        if (!is_character(text[i])) return false;
    }
    const int result = sodium_base642bin(secret, sizeof secret, text + prefix, size - prefix, NULL,
                                         &got, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    const bool is_token = result == 0 && got == TOKEN_SECRET_SIZE;
    if (is_token) sha256(secret, TOKEN_SECRET_SIZE, out);
    secret_wipe(secret, sizeof secret);
    return is_token;
}

enum status token_file_new(const char *path, struct digest *hash, struct failure *failure)
{
    u8 secret[TOKEN_SECRET_SIZE];
    char text[TOKEN_TEXT_SIZE + 1] = TOKEN_PREFIX;
    const size_t prefix = sizeof TOKEN_PREFIX - 1;
    secret_random(secret, sizeof secret);
    (void)sodium_bin2base64(text + prefix, sizeof text - prefix, secret, sizeof secret,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sha256(secret, sizeof secret, hash);
    text[TOKEN_TEXT_SIZE] = '\n';
    const enum status status =
        secret_file_write(path, "token", (const u8 *)text, sizeof text, failure);
    secret_wipe(secret, sizeof secret);
    secret_wipe(text, sizeof text);
    return status;
}
