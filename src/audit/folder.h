// SPDX-License-Identifier: Apache-2.0
//
// The files of a data folder, read and never written, by the system's own calls.
#ifndef TAEL_AUDIT_FOLDER_H
#define TAEL_AUDIT_FOLDER_H

#include "base/base.h"

struct audit_folder {
    const char *path; // As it was given; the caller's.
    int directory;
    int lock; // -1: the folder has none.
};

// Opens a folder. STATUS_BUSY when a server, which holds the lock, works on it; while it is open
// none starts. Give it to audit_folder_close, after a failure too.
MUST_USE enum status audit_folder_open(struct audit_folder *folder, const char *path,
                                       struct failure *failure);
void audit_folder_close(struct audit_folder *folder);

// Opens a file for reading. STATUS_NOT_FOUND when there is none, STATUS_IO when it is no regular
// file. The caller closes it (close).
MUST_USE enum status audit_file_open(const struct audit_folder *folder, const char *name, int *file,
                                     struct failure *failure);
// Reads up to `size` bytes; `*done` is less only where the file ends.
MUST_USE enum status audit_file_read(int file, u64 offset, void *out, size_t size, size_t *done,
                                     struct failure *failure);
// The size of an open file.
MUST_USE enum status audit_file_size(int file, u64 *size, struct failure *failure);
// The greatest number, in so many hex digits, of the files named `prefix` and such a number; false
// when there is none.
MUST_USE enum status audit_folder_newest(const struct audit_folder *folder, const char *prefix,
                                         u32 digits, u64 *number, bool *found,
                                         struct failure *failure);

#endif
