// SPDX-License-Identifier: Apache-2.0
//
// The file `backup` of a folder: it makes the folder a backup and says where its log ends. To the
// byte in docs/FORMAT.md ("Backups").
//
// Guarantees
//   B1 Everything below the end that the file names is durable and was verified when it was copied.
//   B2 What lies behind that end is nothing: it may be half a frame, or frames of a copy that was
//      interrupted. wal_init reads the file, so that no reader of a log sees it.
//   B3 A folder with the file is never appended to (wal_init tells, node_open and override_append
//      refuse).
#ifndef TAEL_WAL_BACKUP_FILE_H
#define TAEL_WAL_BACKUP_FILE_H

#include "os/disk.h"
#include "wal/frame.h"

#define BACKUP_FILE_NAME   "backup"
#define BACKUP_FILE_FORMAT 1u

// A place between two frames of a log, and what is in front of it. All zero: in front of the first.
struct backup_mark {
    u128 log_id;            // Of the last frame,
    u64 epoch;              // with this epoch.
    u64 sequence;           // Of the next frame.
    u64 place;              // Behind the last frame.
    u64 place_last;         // Of the last frame.
    u64 position;           // Of the last command.
    u64 timestamp;          // Of the last frame.
    struct digest previous; // Hash of the last header.
};
static_assert(sizeof(struct backup_mark) == 96, "backup mark v1");

struct backup_file {
    u8 checksum[16]; // Over the rest.
    u64 magic;
    u32 format;
    u32 reserved;
    struct backup_mark end;    // The backup; sequence 0: it was never finished.
    struct backup_mark copied; // At least `end`: what the next run need not copy again.
    u64 next_row;              // Rows of history below this one are there.
    u64 finished_at;           // When `end` was set, in nanoseconds by the clock of the machine.
    u64 tree_pages;            // So many pages of the tree of outcomes are there.
    u8 reserved_2[8];
};
static_assert(sizeof(struct backup_file) == 256, "backup v1");

// Reads the file. STATUS_NOT_FOUND when there is none, STATUS_CORRUPT, STATUS_UNSUPPORTED.
MUST_USE enum status backup_file_read(struct disk *disk, struct backup_file *out,
                                      struct failure *failure);
// Replaces the file at once, durable on return; checksum, magic and format are filled in.
MUST_USE enum status backup_file_write(struct disk *disk, struct backup_file *file,
                                       struct failure *failure);

#endif
