// SPDX-License-Identifier: Apache-2.0
//
// Who asks: from the header Authorization to a principal.
//
// A token is `tael_` and 43 characters of base64url, 32 random bytes. What is kept of one is its
// SHA-256, so that who reads the file learns no token. Hashes are compared in constant time.
#ifndef TAEL_EDGE_EDGE_CALLER_H
#define TAEL_EDGE_EDGE_CALLER_H

#include "base/sha256.h"

#define EDGE_TOKEN_BYTES 32u
#define EDGE_TOKENS_MAX  65536u

struct edge_caller {
    u64 principal;
    struct digest token; // Its hash: which key the rate is of.
};

struct edge_tokens {
    u32 count;
    struct edge_caller *items;
};

// Reads a file of lines: 64 hexadecimal digits, the SHA-256 of a token's 32 bytes, a blank and the
// principal; blank lines and what is behind a '#' are passed over. NULL gives none. What was there
// before is replaced when the file is right, and stays otherwise.
MUST_USE enum status edge_tokens_read(struct edge_tokens *tokens, const char *path,
                                      struct failure *failure);
void edge_tokens_free(struct edge_tokens *tokens);

// The hash of a header's token. NULL, or why the header has none: to be told to who asks.
const char *edge_caller_header(const char *header, struct digest *token);
// Whose it is; false when it is nobody's. Looks at every one, whichever it is.
MUST_USE bool edge_caller_find(const struct edge_tokens *tokens, const struct digest *token,
                               struct edge_caller *out);

#endif
