// SPDX-License-Identifier: Apache-2.0
//
// Address space: reserved at once, backed by memory only where it is touched, so that tables grow
// without moving and addresses stay valid for as long as the process lives.
#ifndef TAEL_OS_MEMORY_H
#define TAEL_OS_MEMORY_H

#include "base/base.h"

// Reserves `size` bytes, zeroed on first touch, aligned to 2 MiB. With `huge`, the kernel is asked
// for huge pages, which halve the cost of random look-ups. Fails with STATUS_FULL and gives NULL.
MUST_USE enum status memory_reserve(size_t size, bool huge, void **out, struct failure *failure);
void memory_release(void *memory, size_t size);
// Gives touched pages back; the next touch finds zeroes. `memory` is page-aligned.
void memory_decommit(void *memory, size_t size);

// How often the calling thread touched a page of a map that had to be read from the device first.
u64 memory_major_faults(void);

#endif
