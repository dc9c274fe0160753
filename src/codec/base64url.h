// SPDX-License-Identifier: Apache-2.0
//
// base64url without padding (RFC 4648, section 5): one text for the same bytes.
#ifndef TAEL_CODEC_BASE64URL_H
#define TAEL_CODEC_BASE64URL_H

#include "base/base.h"

#define BASE64URL_SIZE(size) (((size)*8 + 5) / 6)

// Writes BASE64URL_SIZE(size) characters and a zero.
void base64url_encode(const void *data, size_t size, char *out);
// Reads exactly `size` bytes. False when the text is not their one form.
MUST_USE bool base64url_decode(const char *text, size_t text_size, void *out, size_t size);

#endif
