// SPDX-License-Identifier: Apache-2.0
//
// Tokens: made, written, and known by their hash.
#include "client/token_file.h"

#include "client/key_file.h"
#include "codec/base64url.h"

bool token_hash(const char *text, size_t size, struct digest *out)
{
    u8 secret[TOKEN_SECRET_SIZE];
    const size_t prefix = sizeof TOKEN_PREFIX - 1;
    if (size != TOKEN_TEXT_SIZE || memcmp(text, TOKEN_PREFIX, prefix) != 0) return false;
    const bool is_token = base64url_decode(text + prefix, size - prefix, secret, sizeof secret);
    if (is_token) sha256(secret, sizeof secret, out);
    secret_wipe(secret, sizeof secret);
    return is_token;
}

enum status token_file_new(const char *path, struct digest *hash, struct failure *failure)
{
    u8 secret[TOKEN_SECRET_SIZE];
    char text[TOKEN_TEXT_SIZE + 1] = TOKEN_PREFIX;
    const size_t prefix = sizeof TOKEN_PREFIX - 1;
    secret_random(secret, sizeof secret);
    base64url_encode(secret, sizeof secret, text + prefix);
    sha256(secret, sizeof secret, hash);
    text[TOKEN_TEXT_SIZE] = '\n';
    const enum status status =
        secret_file_write(path, "token", (const u8 *)text, sizeof text, failure);
    secret_wipe(secret, sizeof secret);
    secret_wipe(text, sizeof text);
    return status;
}
