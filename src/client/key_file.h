// SPDX-License-Identifier: Apache-2.0
//
// Files that hold the secret key of a principal: the 32 bytes of an Ed25519 seed (RFC 8032, 5.1.5)
// as 64 hex digits and a newline. Only its owner may read or write such a file.
//
// Guarantees: what was read of a secret is wiped before a function returns, but for what it gives
// back; no message holds a byte of it.
#ifndef TAEL_CLIENT_KEY_FILE_H
#define TAEL_CLIENT_KEY_FILE_H

#include "base/signature.h"

// Reads the seed, which the caller wipes. STATUS_NOT_FOUND, STATUS_IO; STATUS_INVALID when it is no
// such file, is another user's, or others have rights to it.
MUST_USE enum status key_file_read(const char *path, u8 seed[SIGNATURE_SEED_SIZE],
                                   struct failure *failure);
// Makes a new file, 0600, of a new random key, and tells the public one. STATUS_BUSY when there is
// something at the path; it is left as it is.
MUST_USE enum status key_file_new(const char *path, u8 key[SIGNATURE_KEY_SIZE],
                                  struct failure *failure);
// Random bytes of the system's; no more than a getrandom(2) gives at once, 256.
void secret_random(u8 *out, size_t size);
// Writes a secret to a new file, 0600; `what` is what it holds, for messages. STATUS_BUSY when
// there is something at the path, STATUS_IO: of what was made nothing is left.
MUST_USE enum status secret_file_write(const char *path, const char *what, const u8 *text,
                                       size_t size, struct failure *failure);

#endif
