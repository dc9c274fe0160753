// SPDX-License-Identifier: Apache-2.0
//
// The files of the log by their sizes alone: one that was cut, or is gone, where no frame tells of
// it (docs/FORMAT.md, 7, W-h).
#ifndef TAEL_AUDIT_LOG_FILES_H
#define TAEL_AUDIT_LOG_FILES_H

#include "audit/folder.h"
#include "audit/report.h"

// How many bytes of log there may be: whole files, up to the first that is missing.
MUST_USE enum status audit_log_extent(const struct audit_folder *folder, u64 *bytes,
                                      struct failure *failure);

// Where the log was found to end.
struct audit_log_tail {
    u64 place;      // Behind the last frame.
    u64 sequence;   // Of the frame that would be next.
    bool is_backup; // Nothing is made ahead, and what lies behind the end is nothing.
};
// Tells the first file that is shorter than it was made, or gone, though a frame stood in it or a
// file behind it is there; and a file that is made only when the log has come further. For a log
// that ends, torn or not, without a trace of a later frame.
MUST_USE enum status audit_log_files_check(const struct audit_folder *folder,
                                           const struct audit_log_tail *tail,
                                           struct audit_report *report, struct failure *failure);

#endif
