// SPDX-License-Identifier: Apache-2.0
//
// The order of an audit: where a backup ends, the checkpoint's head, the log with its rows, what
// adds up at the end, the checkpoint's tables.
#include "audit/audit.h"

#include "audit/backup.h"
#include "audit/log_files.h"
#include "audit/walk.h"

#include <stdlib.h>

#define REPORT_FRAMES 16u

struct audit {
    struct audit_folder folder;
    struct audit_backup backup;
    struct audit_checkpoint checkpoint;
    struct audit_log log;
    struct audit_log_end end; // Of the frames so far.
    struct audit_walk walk;
};

// The log ends here; whether it may.
static enum status end_check(struct audit *audit, const struct audit_frame *frame,
                             struct audit_report *report, struct failure *failure)
{
    const struct audit_place place = audit_place_log(frame->place, frame->sequence);
    if (frame->state == AUDIT_LOG_DAMAGED) {
        (void)audit_differ(report, AUDIT_L5, &place, "%s: what lies behind was not audited",
                           frame->damage);
        return STATUS_OK;
    }
    const struct audit_log_tail tail = {.place = report->log_bytes,
                                        .sequence = frame->sequence,
                                        .is_backup = audit->backup.is_found};
    report->torn = frame->state == AUDIT_LOG_TORN && !tail.is_backup;
    const u64 covered = audit->checkpoint.is_found ? audit->checkpoint.head.sequence : 0;
    if (report->frames < covered) {
        (void)audit_differ(report, AUDIT_L5, &place,
                           "the log ends here, but the checkpoint covers the frames before %llu",
                           (unsigned long long)covered);
    }
    if (audit->walk.heads != NULL) audit_heads_end(audit->walk.heads, report);
    enum status status = audit_log_files_check(&audit->folder, &tail, report, failure);
    if (status == STATUS_OK) {
        status = audit_backup_compare(&audit->backup, &audit->folder, &audit->end,
                                      &audit->checkpoint, failure);
    }
    return status;
}

static enum status log_walk(struct audit *audit, const struct audit_progress *progress,
                            struct audit_report *report, struct failure *failure)
{
    u64 extent = 0;
    enum status status = audit_log_extent(&audit->folder, &extent, failure);
    const struct audit_frame *frame = NULL;
    while (status == STATUS_OK) {
        status = audit_log_next(&audit->log, &frame, failure);
        if (status != STATUS_OK) break;
        if (frame->state != AUDIT_LOG_FRAME) {
            status = end_check(audit, frame, report, failure);
            break;
        }
        status = audit_walk_frame(&audit->walk, frame);
        memcpy(&audit->end.header, frame->bytes, sizeof audit->end.header);
        audit->end.hash = frame->hash;
        if (status == STATUS_OK && report->frames % REPORT_FRAMES == 1 && progress != NULL &&
            !progress->report(progress->context, "log", frame->place, extent)) {
            status = failure_set(failure, STATUS_CANCELLED, "stopped");
        }
    }
    if (status == STATUS_OK && report->frames == 0 && report->difference_count == 0) {
        status =
            failure_set(failure, STATUS_NOT_FOUND, "there is no log in %s", audit->folder.path);
    }
    return status;
}

static enum status folder_open(struct audit *audit, const char *path, struct audit_report *report,
                               struct failure *failure)
{
    enum status status = audit_folder_open(&audit->folder, path, failure);
    if (status == STATUS_OK) {
        status = audit_backup_open(&audit->backup, &audit->folder, report, failure);
    }
    if (status == STATUS_OK) {
        status = audit_checkpoint_open(&audit->checkpoint, &audit->folder, report, failure);
    }
    return status;
}

enum status audit_run(const char *path, struct audit_heads *heads,
                      const struct audit_progress *progress, struct audit_report *report,
                      struct failure *failure)
{
    struct audit *audit = calloc(1, sizeof *audit);
    assert(audit != NULL);
    audit->checkpoint.file = -1;
    enum status status = folder_open(audit, path, report, failure);
    if (status == STATUS_OK) {
        struct audit_walk *walk = &audit->walk;
        status = audit_walk_init(walk, &audit->folder, &audit->checkpoint, heads, progress, report,
                                 failure);
        if (status == STATUS_OK) {
            const u64 end = audit_backup_end(&audit->backup, &audit->checkpoint);
            status = audit_log_start(&audit->log, &audit->folder, end, failure);
            if (status == STATUS_OK) status = log_walk(audit, progress, report, failure);
            audit_log_stop(&audit->log);
        }
        if (status == STATUS_OK) status = audit_walk_end(walk);
        if (status == STATUS_OK && audit->checkpoint.is_found) {
            // Balances are compared when every frame that the checkpoint covers was applied.
            const bool is_whole =
                !walk->is_lost && report->frames >= audit->checkpoint.head.sequence;
            const struct audit_given given = {.books = &walk->books,
                                              .tree = &walk->tree,
                                              .segments = walk->segments,
                                              .segment_count = walk->segment_count};
            status = audit_checkpoint_compare(&audit->checkpoint, is_whole ? &given : NULL,
                                              progress, failure);
        }
        report->tree_size = walk->tree.range.count;
        if (report->tree_size > 0) merkle_range_root(&walk->tree.range, &report->tree_root);
        audit_walk_free(walk);
    }
    audit_checkpoint_close(&audit->checkpoint);
    audit_folder_close(&audit->folder);
    free(audit);
    return status;
}
