// SPDX-License-Identifier: Apache-2.0
//
// Stable sorting of 8-byte entries by their high 32 bits (a key above, what it points at below):
// how the lists of index segments are made.
//
// No allocation: scratch is the caller's. Cost on one core of a 2024 server (Zen 5,
// bench-primitives): 3 to 4 ns an entry for 524,288 random keys.
#ifndef TAEL_BASE_SORT_H
#define TAEL_BASE_SORT_H

#include "base/base.h"

// Sorts `count` (below 2^32) entries by their high 32 bits; equal keys keep their order. `scratch`
// has room for `count` entries and must not overlap `entries`; its content is lost. Keys that
// agree in some bytes cost fewer passes: keys below 2^16 half as many.
void sort_u64_by_high32(u64 *entries, u64 *scratch, size_t count);

#endif
