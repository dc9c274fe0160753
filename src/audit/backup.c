// SPDX-License-Identifier: Apache-2.0
//
// Reading the file `backup`, and holding it against the log and the checkpoint.
#include "audit/backup.h"

#include "base/checksum.h"
#include "codec/number.h"

#include <stdio.h>
#include <unistd.h>

#define NAME "backup"

static bool mark_is_possible(const struct audit_mark *mark)
{
    if (mark->sequence == 0) return is_zero(mark, sizeof *mark);
    return mark->place % PAGE_SIZE == 0 && mark->place_last % PAGE_SIZE == 0 &&
           mark->place_last < mark->place && mark->place - mark->place_last <= AUDIT_FRAME_SIZE_MAX;
}

// What of the file does not hold, so that nobody can go by it; `*offset`: where.
static const char *file_damage(const struct audit_backup_file *file, u64 size, u64 *offset)
{
    *offset = 0;
    if (size != sizeof *file) {
        *offset = MIN(size, sizeof *file);
        return "the file is not of 256 bytes";
    }
    if (file->checksum != checksum(&file->magic, sizeof *file - 16)) {
        return "the checksum of the file does not hold";
    }
    if (file->magic != AUDIT_BACKUP_MAGIC || file->format != AUDIT_BACKUP_FORMAT) {
        *offset = offsetof(struct audit_backup_file, magic);
        return "the file has a format that is not known";
    }
    *offset = offsetof(struct audit_backup_file, end);
    if (!mark_is_possible(&file->end)) return "the backup cannot end where the file says";
    *offset = offsetof(struct audit_backup_file, copied);
    if (!mark_is_possible(&file->copied)) return "a copy cannot have come as far as the file says";
    if (file->copied.sequence < file->end.sequence || file->copied.place < file->end.place) {
        return "a copy came less far than the backup's end";
    }
    return NULL;
}

enum status audit_backup_open(struct audit_backup *backup, const struct audit_folder *folder,
                              struct audit_report *report, struct failure *failure)
{
    *backup = (struct audit_backup){.report = report};
    struct audit_backup_file *file = &backup->file;
    int handle = -1;
    u64 size = 0;
    u64 offset = 0;
    size_t done = 0;
    enum status status = audit_file_open(folder, NAME, &handle, failure);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return status;
    status = audit_file_size(handle, &size, failure);
    if (status == STATUS_OK) {
        status = audit_file_read(handle, 0, file, sizeof *file, &done, failure);
    }
    (void)close(handle);
    if (status != STATUS_OK) return status;
    backup->is_found = true;
    report->is_backup = true;
    const char *damage = file_damage(file, MIN(size, done == sizeof *file ? size : done), &offset);
    backup->is_whole = damage == NULL;
    if (damage != NULL) {
        const struct audit_place place = audit_place_file(NAME, offset);
        (void)audit_differ(report, AUDIT_BYTES, &place,
                           "%s: where the log ends is not known, and what no checkpoint covers "
                           "was not audited",
                           damage);
        return STATUS_OK;
    }
    if (file->end.sequence > 0) return STATUS_OK;
    (void)failure_set(failure, STATUS_INVALID, "the folder is an unfinished backup");
    failure_hint(failure, "`tael backup` with the same two folders goes on with it; audit it then");
    return STATUS_INVALID;
}

u64 audit_backup_end(const struct audit_backup *backup, const struct audit_checkpoint *checkpoint)
{
    if (!backup->is_found) return U64_MAX;
    if (backup->is_whole) return backup->file.end.place;
    return checkpoint->is_found ? checkpoint->head.place : 0;
}

// Whether a header, of this hash, is the one that a mark comes behind; tells each field that is
// not.
static void mark_compare(const struct audit_backup *backup, const struct audit_mark *mark,
                         const struct audit_header *header, const struct digest *hash)
{
    const u64 at = (u64)((const u8 *)mark - (const u8 *)&backup->file);
    const struct {
        const char *name;
        size_t offset;
        u128 by_log;
        u128 by_file;
    } fields[] = {
        {"log_id", offsetof(struct audit_mark, log_id), header->log_id, mark->log_id},
        {"epoch", offsetof(struct audit_mark, epoch), header->epoch, mark->epoch},
        {"sequence", offsetof(struct audit_mark, sequence), (u128)header->sequence + 1,
         mark->sequence},
        {"place", offsetof(struct audit_mark, place), (u128)header->place + 256 + header->body_size,
         mark->place},
        {"place_last", offsetof(struct audit_mark, place_last), header->place, mark->place_last},
        {"position", offsetof(struct audit_mark, position),
         (u128)header->position + header->command_count - 1, mark->position},
        {"timestamp", offsetof(struct audit_mark, timestamp), header->timestamp, mark->timestamp},
    };
    for (u32 i = 0; i < ARRAY_COUNT(fields); i++) {
        char texts[2][NUMBER_SIZE_MAX];
        if (fields[i].by_log == fields[i].by_file) continue;
        (void)number_print_u128(fields[i].by_log, texts[0]);
        (void)number_print_u128(fields[i].by_file, texts[1]);
        const struct audit_place place = audit_place_file(NAME, at + fields[i].offset);
        (void)audit_differ(backup->report, AUDIT_L5, &place,
                           "%s is %s by the log, %s in the backup's file", fields[i].name, texts[0],
                           texts[1]);
    }
    if (memcmp(hash, &mark->previous, sizeof *hash) == 0) return;
    const struct audit_place place =
        audit_place_file(NAME, at + offsetof(struct audit_mark, previous));
    (void)audit_differ(backup->report, AUDIT_L5, &place,
                       "previous is not the hash of the header of frame %llu",
                       (unsigned long long)header->sequence);
}

// The frame that the next run goes on behind, when it lies behind the end.
static enum status copied_compare(const struct audit_backup *backup,
                                  const struct audit_folder *folder, struct failure *failure)
{
    const struct audit_mark *copied = &backup->file.copied;
    struct audit_header header = {0};
    struct digest hash;
    struct audit_place place = audit_place_log(copied->place_last, copied->sequence - 1);
    int file = -1;
    size_t done = 0;
    enum status status = audit_file_open(folder, place.file, &file, failure);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
    if (status == STATUS_OK) {
        status = audit_file_read(file, place.offset, &header, sizeof header, &done, failure);
        (void)close(file);
        if (status != STATUS_OK) return status;
    }
    if (header.magic == AUDIT_FRAME_MAGIC &&
        header.checksum == checksum(&header.magic, sizeof header - 16)) {
        sha256(&header, sizeof header, &hash);
        mark_compare(backup, copied, &header, &hash);
        return STATUS_OK;
    }
    (void)audit_differ(
        backup->report, AUDIT_L5, &place,
        "the backup was copied to this frame, behind its end, but no header is here");
    return STATUS_OK;
}

// What the next run goes on from: no less than the checkpoint has.
static void history_compare(const struct audit_backup *backup,
                            const struct audit_checkpoint *checkpoint)
{
    const struct audit_backup_file *file = &backup->file;
    const struct audit_checkpoint_head *head = &checkpoint->head;
    const u64 rows = checkpoint->is_found ? head->next_row : 0;
    const u64 pages = checkpoint->is_found ? head->outcomes.count / AUDIT_TREE_LEAVES : 0;
    struct audit_place place = audit_place_file(NAME, offsetof(struct audit_backup_file, next_row));
    if (file->next_row % AUDIT_PAGE_ROWS != 0 || file->next_row < rows) {
        (void)audit_differ(backup->report, AUDIT_BYTES, &place,
                           "next_row is %llu: no whole page, or less than the checkpoint's %llu",
                           (unsigned long long)file->next_row, (unsigned long long)rows);
    }
    place = audit_place_file(NAME, offsetof(struct audit_backup_file, tree_pages));
    if (file->tree_pages < pages) {
        (void)audit_differ(backup->report, AUDIT_BYTES, &place,
                           "tree_pages is %llu, less than the checkpoint's %llu",
                           (unsigned long long)file->tree_pages, (unsigned long long)pages);
    }
    place = audit_place_file(NAME, offsetof(struct audit_backup_file, zero));
    if (file->zero != 0 || !is_zero(file->reserved, sizeof file->reserved)) {
        (void)audit_differ(backup->report, AUDIT_BYTES, &place, "a field that must be zero is not");
    }
}

enum status audit_backup_compare(const struct audit_backup *backup,
                                 const struct audit_folder *folder, const struct audit_log_end *end,
                                 const struct audit_checkpoint *checkpoint, struct failure *failure)
{
    if (!backup->is_whole) return STATUS_OK;
    const struct audit_mark *mark = &backup->file.end;
    const bool is_empty = end->header.magic == 0;
    const u64 behind = is_empty ? 0 : end->header.place + 256 + end->header.body_size;
    history_compare(backup, checkpoint);
    if (behind < mark->place) {
        const struct audit_place place =
            audit_place_log(behind, is_empty ? 0 : end->header.sequence + 1);
        const struct audit_place to = audit_place_log(mark->place, AUDIT_NONE);
        (void)audit_differ(backup->report, AUDIT_L5, &place,
                           "the log ends here, but the backup goes on to frame %llu: to %s, offset "
                           "%llu",
                           (unsigned long long)mark->sequence - 1, to.file,
                           (unsigned long long)to.offset);
        return STATUS_OK;
    }
    mark_compare(backup, mark, &end->header, &end->hash);
    if (backup->file.copied.sequence > mark->sequence) {
        return copied_compare(backup, folder, failure);
    }
    if (memcmp(&backup->file.copied, mark, sizeof *mark) != 0) {
        const struct audit_place place =
            audit_place_file(NAME, offsetof(struct audit_backup_file, copied));
        (void)audit_differ(backup->report, AUDIT_L5, &place,
                           "the copy ends with the frame with which the backup does, elsewhere");
    }
    return STATUS_OK;
}
