// SPDX-License-Identifier: Apache-2.0
//
// The file `backup` of a folder that was copied: where its log ends, and what the next run goes on
// from (docs/FORMAT.md, 8).
#ifndef TAEL_AUDIT_BACKUP_H
#define TAEL_AUDIT_BACKUP_H

#include "audit/checkpoint.h"
#include "audit/folder.h"
#include "audit/report.h"

struct audit_backup {
    struct audit_report *report;
    bool is_found; // The folder is a backup,
    bool is_whole; // and its file can be gone by.
    struct audit_backup_file file;
};

// Where the log was found to end: behind this header, of this hash.
struct audit_log_end {
    struct audit_header header; // Zero when there is no frame.
    struct digest hash;
};

// Reads the file, if there is one. STATUS_INVALID, with a hint, when the backup is unfinished: then
// nobody takes it for a log. What is damaged goes to the report.
MUST_USE enum status audit_backup_open(struct audit_backup *backup,
                                       const struct audit_folder *folder,
                                       struct audit_report *report, struct failure *failure);
// The place where the log ends, whatever lies behind; U64_MAX: the folder is no backup. Where the
// file is damaged: what the checkpoint covers, since that has its name only behind the end.
u64 audit_backup_end(const struct audit_backup *backup, const struct audit_checkpoint *checkpoint);
// Compares both marks with the log, and what the next run goes on from with the checkpoint. For a
// log that was followed to its end.
MUST_USE enum status audit_backup_compare(const struct audit_backup *backup,
                                          const struct audit_folder *folder,
                                          const struct audit_log_end *end,
                                          const struct audit_checkpoint *checkpoint,
                                          struct failure *failure);

#endif
