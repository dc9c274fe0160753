// SPDX-License-Identifier: Apache-2.0
//
// Verification of a stopped folder: without applying it, by everything that digests, chains and
// checksums can tell (verify_folder); and by applying all of it again (verify_replay).
//
// verify_folder checks the chain of headers and the digest of every body (L5); positions without
// gaps, times that only grow; that every outcome row belongs to its request in the log; that the
// outcomes give the roots that the headers name; the newest checkpoint's pages, roots and place in
// the chain; every page of the history that it names. It costs one reading of everything.
// verify_replay checks that the machine decides again as it did (L4, L6): that the outcomes of each
// frame give the roots that the headers name, and that the state behind the checkpoint's frame is
// the checkpoint's. It costs what posting everything again without a network would, and space for
// history and indexes in a scratch folder. Neither changes anything in the folder.
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
    u64 checkpoint_sequence;   // The first frame that the newest one does not cover; 0: none.
    bool torn;                 // The log ends in an unfinished frame that was never acknowledged.
    u128 log_id;               // Of the last frame.
    u64 epoch;                 // Of the last frame.
    u128 parent_log_id;        // Of a copy that was served: of the log that it was forked from,
    u64 parent_sequence;       // whose frame of this sequence was the last that both have,
    struct digest parent_head; // and the hash of that frame's header. 0: it was never forked.
    bool is_backup;            // The folder is a backup.
    struct digest head;        // Hash of the last header.
    struct digest state;       // State digest of the checkpoint.
    u64 tree_size;             // Leaves of the tree of outcomes that history gives: frames.
    struct digest tree_root;   // Its root; zeroes when it is empty.
    // Of verify_replay.
    u64 replayed_frames;
    u64 replayed_roots;           // Headers whose outcome root is that of the replay.
    bool replayed_checkpoint;     // The checkpoint was compared and agrees.
    struct digest replayed_state; // State digest behind the last frame.
};

struct verify_progress {
    void *context;
    // `part` names what is being checked: "log" and "replay" in bytes, "index" in segments. `total`
    // is 0 when it is not known. Returns false to stop (STATUS_CANCELLED).
    bool (*report)(void *context, const char *part, u64 done, u64 total);
};

// Verifies the folder and fills in all of the report. STATUS_CORRUPT names the first place where
// something does not hold. `progress` may be NULL.
MUST_USE enum status verify_folder(struct disk *disk, const struct verify_progress *progress,
                                   struct verify_report *report, struct failure *failure);

// Replays the log of a folder that verify_folder found whole, with history in the empty folder
// `scratch`, and fills in its part of the report. STATUS_CORRUPT names the first difference, and
// STATUS_FULL comes from the scratch folder. `progress` may be NULL.
MUST_USE enum status verify_replay(struct disk *disk, struct disk *scratch,
                                   const struct verify_progress *progress,
                                   struct verify_report *report, struct failure *failure);

// Says what is to be done about damage (STATUS_CORRUPT): a backup is made anew, and where nothing
// nearer to it gave a hint, what is made from the log is made again.
void verify_damage_hint(bool is_backup, struct failure *failure);

#endif
