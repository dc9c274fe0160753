// SPDX-License-Identifier: Apache-2.0
//
// For tests: a disk over another one of which one call fails, whatever it does: reading and asking
// for a size as well as what changes something (disk_memory.h fails those by number).
//
// A test goes through all n in turn: the n-th call fails, the caller gives up, and what is on the
// disk below must be what was promised. It ends with the n that is behind the last call. Where that
// are too many, one call fails on each way through the program (call_paths.h).
#ifndef TAEL_OS_DISK_FAILING_H
#define TAEL_OS_DISK_FAILING_H

#include "os/call_paths.h"
#include "os/disk.h"

struct disk_failing {
    struct disk disk; // First.
    struct disk *under;
    u64 calls;                // So far, of those that have a status.
    u64 fail_at;              // This one fails with STATUS_IO, and is not carried out; 0: none.
    struct call_paths *paths; // Not NULL: the first one that is to be refused fails. NULL then.
};

// `under` stays the caller's and must outlive it. One thread.
void disk_failing_init(struct disk_failing *disk, struct disk *under);

#endif
