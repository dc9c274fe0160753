// SPDX-License-Identifier: Apache-2.0
//
// base64url without padding (RFC 4648, section 5): one text for the same bytes. And hexadecimal
// digits.
#ifndef TAEL_EDGE_EDGE_BASE64_H
#define TAEL_EDGE_EDGE_BASE64_H

#include "base/base.h"

#define EDGE_BASE64_SIZE(size) (((size)*8 + 5) / 6)

// Writes EDGE_BASE64_SIZE(size) characters and a zero.
void edge_base64_encode(const void *data, size_t size, char *out);
// Reads exactly `size` bytes. False when the text is not their one form.
MUST_USE bool edge_base64_decode(const char *text, size_t text_size, void *out, size_t size);
// The value of a hexadecimal digit, or -1.
static inline int edge_hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

#endif
