// SPDX-License-Identifier: Apache-2.0
//
// Verification of a stopped folder without applying it: everything that digests, chains and
// checksums can tell.
//
// Checked: the chain of headers and the digest of every body (L5); positions without gaps, times
// that only grow; that every outcome row belongs to its request in the log; that the outcomes give
// the roots that the headers name; the newest checkpoint's pages, roots and place in the chain;
// every page of the history that it names. Not checked: that the machine decides again as it did
// (that is replay, `tael verify --replay`).
#ifndef TAEL_MACHINE_VERIFY_H
#define TAEL_MACHINE_VERIFY_H

#include "machine/checkpoint.h"

struct verify_report {
    u64 frames;
    u64 commands;
    u64 events;
    u64 log_bytes;
    u64 rows;  // Of history, in sealed segments.
    u64 roots; // Headers whose outcome root was recomputed and agrees.
    u64 segments;
    u64 tables_bytes;
    u64 checkpoint_sequence; // 0: none.
    bool torn;               // The log ends in an unfinished frame that was never acknowledged.
    u128 log_id;
    struct digest head;  // Hash of the last header.
    struct digest state; // State digest of the checkpoint.
};

struct verify_progress {
    void *context;
    // `part` names what is being checked. Returns false to stop (STATUS_CANCELLED).
    bool (*report)(void *context, const char *part, u64 done, u64 total);
};

// Verifies the folder. STATUS_CORRUPT names the first place where something does not hold.
MUST_USE enum status verify_folder(struct disk *disk, const struct verify_progress *progress,
                                   struct verify_report *report, struct failure *failure);

#endif
