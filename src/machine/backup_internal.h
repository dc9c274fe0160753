// SPDX-License-Identifier: Apache-2.0
//
// A copy in progress: what backup.c, backup_log.c and backup_history.c share.
#ifndef TAEL_MACHINE_BACKUP_INTERNAL_H
#define TAEL_MACHINE_BACKUP_INTERNAL_H

#include "machine/backup.h"

#define BACKUP_CHUNK_PAGES 256u // Of rows, index files and checkpoints, copied at once.
#define BACKUP_CHUNK_SIZE  (BACKUP_CHUNK_PAGES * PAGE_SIZE)

struct backup_copy {
    struct disk *source;
    struct disk *target;
    const struct backup_progress *progress; // Or NULL.
    struct backup_report *report;
    struct failure *failure;
    bool is_backup;           // Else a folder is restored.
    struct backup_file state; // Of a backup: as its file says.
    // The log.
    struct wal wal; // The source's.
    struct wal_reader reader;
    disk_handle log_file; // The target's that is being written; -1: none.
    u64 log_file_number;
    u8 *held; // A frame that was read and is not known to be durable: FRAME_SIZE_MAX.
    u64 held_size;
    struct backup_mark held_mark; // Behind it.
    struct backup_mark mark;      // Behind the last frame that was written.
    // History.
    u64 next_row;   // Rows below it are in the target,
    u64 tree_pages; // and so many pages of the tree of outcomes.
    u8 *chunk;      // BACKUP_CHUNK_SIZE.
    u64 part_done;  // Of the part that is reported, in bytes.
    u64 part_total;
};

#define BACKUP_ANEW_HINT "make another backup, in a new folder"

// The checkpoint that is copied, and what it names, held open so that nobody writes it over.
struct backup_pins {
    bool is_there; // There is a checkpoint.
    char name[DISK_NAME_SIZE_MAX];
    disk_handle file;
    struct checkpoint_head head;
    struct checkpoint_segment *segments;
    disk_handle *index; // Of each segment; -1: the target has it.
};

// Says how far it is. STATUS_CANCELLED when that is the end.
MUST_USE enum status backup_report_progress(struct backup_copy *copy, const char *part, u64 done,
                                            u64 total);

// --- backup_log.c ---

#define BACKUP_LOG_FIRST      "log-00000000"
#define BACKUP_LOG_UNFINISHED "log-00000000.tmp"

// Copies frames until one ends at or behind `place_goal`, or the log ends, or the next one would be
// `sequence_end`. The last one copied was durable.
MUST_USE enum status backup_log_copy(struct backup_copy *copy, u64 place_goal, u64 sequence_end);
// Makes durable what was written.
MUST_USE enum status backup_log_finish(struct backup_copy *copy);

// --- backup_history.c ---

// Whether the target has the rows and the pages of the tree that its file names, by the last ones;
// STATUS_CORRUPT when it has not.
MUST_USE enum status backup_history_check(struct backup_copy *copy);
// Opens the source's newest checkpoint and the index files that it names and the target lacks.
MUST_USE enum status backup_pins_take(struct backup_copy *copy, struct backup_pins *pins);
void backup_pins_release(struct backup_copy *copy, struct backup_pins *pins);
// Copies the rows below the checkpoint's, the index files, and the checkpoint under the temporary
// name `temporary`; all durable.
MUST_USE enum status backup_history_copy(struct backup_copy *copy, struct backup_pins *pins,
                                         char temporary[DISK_NAME_SIZE_MAX]);

#endif
