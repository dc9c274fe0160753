// SPDX-License-Identifier: Apache-2.0
//
// Copies of a folder: a backup, taken while a server writes to the folder and continued later, and
// the folder of a past moment, made from a stopped one or from a backup.
//
// Both are one copy. Frames are copied through the reader of the log, which looks at each header's
// checksum and place in the chain and at each body's digest; a page of the checkpoint, of rows or
// of an index file is copied when its digest or checksum holds. Why nothing needs to stop, and what
// the file `backup` says, is in docs/decisions/backup.md and wal/backup_file.h.
//
// Guarantees
//   B4 What is copied was durable in the source, and is durable when the copy says that it is done.
//   B5 A backup that was whole stays whole, whenever and however a later run into it ends.
//   B6 Nothing is changed in the source.
// Cost: one reading of what is not there yet, its SHA-256, and two frames of memory; of index files
// and the checkpoint those that are new, whole.
#ifndef TAEL_MACHINE_BACKUP_H
#define TAEL_MACHINE_BACKUP_H

#include "machine/checkpoint.h"
#include "wal/backup_file.h"

struct backup_progress {
    void *context;
    // `part` names what is being copied: "log", "history" or "checkpoint"; done and total in bytes,
    // 0 when the total is not known. Returns false to stop (STATUS_CANCELLED).
    bool (*report)(void *context, const char *part, u64 done, u64 total);
};

struct backup_report {
    u64 files;              // That were written to.
    u64 bytes;              // That were copied, each verified.
    u64 frames;             // Of them, whole frames of the log.
    u64 frames_before;      // Were there: the backup was continued.
    u64 segments;           // Index files that were copied.
    struct backup_mark end; // Where the copy ends.
    u64 checkpoint;         // The first frame that its checkpoint does not cover; 0: it has none.
    struct digest state;    // State digest of the checkpoint.
};

// Makes `target`, an empty folder or a backup of the same log, a backup of `source` as it is at
// some moment behind the call; `now` in nanoseconds is noted. STATUS_INVALID, and nothing is
// changed, when the target holds anything else, or a backup whose last frame `source` does not
// have. STATUS_CORRUPT names what is damaged in the source, and STATUS_FULL comes from the target;
// a backup that was whole still is, and report->end tells its end. `progress` may be NULL.
MUST_USE enum status backup_make(struct disk *source, struct disk *target, u64 now,
                                 const struct backup_progress *progress,
                                 struct backup_report *report, struct failure *failure);

// A past moment: the end of its last frame, of those up to both bounds.
struct restore_point {
    u64 sequence_max;  // U64_MAX: any.
    u64 timestamp_max; // U64_MAX: any; nanoseconds.
};

// Finds out which frame of `source`, which nobody writes to, is the last of that moment, by headers
// alone. STATUS_INVALID when the log has no such frame, naming what it has, or when the moment lies
// between a command that killed the server and its override. With sequence_max U64_MAX any later
// frame is within the bound; else the log must have that very frame. STATUS_CORRUPT for damage that
// may be why the log seems to end there, not for what lies behind the frame that was asked for.
MUST_USE enum status restore_plan(struct disk *source, const struct restore_point *point,
                                  struct frame_header *last, struct failure *failure);
// Makes `target`, an empty folder, one that can be served: the log up to the frame `last` of
// restore_plan, and the newest checkpoint with its history unless it is later. The first log file
// has its name when everything is there. Failures as of backup_make.
MUST_USE enum status restore_make(struct disk *source, struct disk *target,
                                  const struct frame_header *last,
                                  const struct backup_progress *progress,
                                  struct backup_report *report, struct failure *failure);

#endif
