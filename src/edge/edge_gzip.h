// SPDX-License-Identifier: Apache-2.0
//
// gzip (RFC 1952) of texts that are made once: deflate with the fixed code (RFC 1951, 3.2.6).
//
// Not the smallest there is, and enough for pages and documents: JSON becomes a seventh or less.
// Cost: some tens of ns a byte.
#ifndef TAEL_EDGE_EDGE_GZIP_H
#define TAEL_EDGE_EDGE_GZIP_H

#include "base/base.h"

// The most that `size` bytes become.
#define EDGE_GZIP_SIZE_MAX(size) ((size) + (size) / 8 + 64)
// Writes the gzip file of `size` bytes; returns its size. `out` has room for EDGE_GZIP_SIZE_MAX.
size_t edge_gzip(const void *data, size_t size, u8 *out);

#endif
