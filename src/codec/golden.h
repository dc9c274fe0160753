// SPDX-License-Identifier: Apache-2.0
//
// For tests: texts that are printed from tables and checked in.
#ifndef TAEL_CODEC_GOLDEN_H
#define TAEL_CODEC_GOLDEN_H

#include "base/base.h"

// Compares the text with the file at `path`, from the root of the sources; with BLESS=1 in the
// environment writes the file instead. STATUS_INVALID names the first line that differs.
MUST_USE enum status golden_compare(const char *path, const char *text, size_t size,
                                    struct failure *failure);

#endif
