// SPDX-License-Identifier: Apache-2.0
//
// Tokens, by which their bearers are known over HTTP (RFC 6750): `tael_` and 32 random bytes in
// base64url (RFC 4648, section 5) without padding. The log knows a token by the SHA-256 of the
// bytes.
//
// Guarantees: as those of client/key_file.h.
#ifndef TAEL_CLIENT_TOKEN_FILE_H
#define TAEL_CLIENT_TOKEN_FILE_H

#include "base/sha256.h"

#define TOKEN_PREFIX      "tael_"
#define TOKEN_SECRET_SIZE 32u
#define TOKEN_TEXT_SIZE   48u // The prefix, and 43 characters.

// Makes a new file, 0600, of a new random token and a newline, and tells its hash. STATUS_BUSY when
// there is something at the path; it is left as it is.
MUST_USE enum status token_file_new(const char *path, struct digest *hash, struct failure *failure);
// The hash of a token from its text. False when it is none: another prefix or length, a character
// that base64url has not, or bits behind the last byte.
MUST_USE bool token_hash(const char *text, size_t size, struct digest *out);

#endif
