// SPDX-License-Identifier: Apache-2.0
//
// Sizes of the log's files.
#include "audit/log_files.h"

#include <stdio.h>
#include <unistd.h>

// The size of a file; `*is_there`: there is one.
static enum status size_ask(const struct audit_folder *folder, u64 number, u64 *size,
                            bool *is_there, struct failure *failure)
{
    char name[32];
    int file = -1;
    *size = 0;
    *is_there = false;
    (void)snprintf(name, sizeof name, "log-%08x", (u32)number);
    enum status status = audit_file_open(folder, name, &file, failure);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return status;
    *is_there = true;
    status = audit_file_size(file, size, failure);
    (void)close(file);
    return status;
}

enum status audit_log_extent(const struct audit_folder *folder, u64 *bytes, struct failure *failure)
{
    *bytes = 0;
    for (u64 number = 0; number < AUDIT_LOG_FILES_MAX; number++) {
        u64 size = 0;
        bool is_there = false;
        const enum status status = size_ask(folder, number, &size, &is_there, failure);
        if (status != STATUS_OK || !is_there) return status;
        *bytes += size;
    }
    return STATUS_OK;
}

// The first file below `end` that is shorter than it was made; `end` when there is none.
static enum status short_find(const struct audit_folder *folder, u64 end, u64 *number, u64 *size,
                              struct failure *failure)
{
    for (*number = 0; *number < end; (*number)++) {
        bool is_there = false;
        const enum status status = size_ask(folder, *number, size, &is_there, failure);
        if (status != STATUS_OK || *size < AUDIT_LOG_FILE_SIZE) return status;
    }
    return STATUS_OK;
}

// The last file that holds anything; 0 when none behind the first one does. One that is empty was
// being made.
static enum status last_find(const struct audit_folder *folder, u64 *last, struct failure *failure)
{
    bool is_found = false;
    u64 size = 0;
    *last = 0;
    enum status status = audit_folder_newest(folder, "log-", 8, last, &is_found, failure);
    if (status != STATUS_OK || !is_found) return status;
    *last = MIN(*last, AUDIT_LOG_FILES_MAX);
    while (*last > 0) {
        status = size_ask(folder, *last, &size, &is_found, failure);
        if (status != STATUS_OK || size > 0) break;
        (*last)--;
    }
    return status;
}

enum status audit_log_files_check(const struct audit_folder *folder,
                                  const struct audit_log_tail *tail, struct audit_report *report,
                                  struct failure *failure)
{
    const u64 current = tail->place / AUDIT_LOG_FILE_SIZE;
    u64 whole = align_up(tail->place, AUDIT_LOG_FILE_SIZE) / AUDIT_LOG_FILE_SIZE;
    u64 last = 0;
    u64 number = 0;
    u64 size = 0;
    enum status status = STATUS_OK;
    if (!tail->is_backup) status = last_find(folder, &last, failure);
    whole = MAX(whole, last);
    if (status == STATUS_OK) status = short_find(folder, whole, &number, &size, failure);
    if (status != STATUS_OK) return status;
    if (number < whole) {
        const struct audit_place place =
            audit_place_log(number * AUDIT_LOG_FILE_SIZE + size, tail->sequence);
        (void)audit_differ(report, AUDIT_L5, &place,
                           "the file ends here, or is gone: it had its %llu bytes before a frame "
                           "or the file behind it was there",
                           (unsigned long long)AUDIT_LOG_FILE_SIZE);
    } else if (last > current + AUDIT_LOG_FILES_AHEAD) {
        const struct audit_place place =
            audit_place_log((current + 1) * AUDIT_LOG_FILE_SIZE, tail->sequence);
        (void)audit_differ(report, AUDIT_L5, &place,
                           "a frame is missing: log-%08x is there, which is made when the log has "
                           "come further",
                           (u32)last);
    }
    return STATUS_OK;
}
