// SPDX-License-Identifier: Apache-2.0
//
// Reading and replacing the file `backup`.
#include "wal/backup_file.h"

#include "base/checksum.h"

#define BACKUP_MAGIC   0x554b434142454154ull // "TAEBACKU"
#define TEMPORARY_NAME "backup.tmp"

static u128 file_sum(const struct backup_file *file)
{
    return checksum((const u8 *)file + sizeof file->checksum, sizeof *file - sizeof file->checksum);
}

static bool mark_is_possible(const struct backup_mark *mark)
{
    if (mark->sequence == 0) return is_zero(mark, sizeof *mark);
    return mark->place_last < mark->place && mark->place - mark->place_last <= FRAME_SIZE_MAX &&
           mark->place % PAGE_SIZE == 0 && mark->place_last % PAGE_SIZE == 0;
}

enum status backup_file_read(struct disk *disk, struct backup_file *out, struct failure *failure)
{
    disk_handle handle = -1;
    enum status status = disk_open(disk, BACKUP_FILE_NAME, DISK_READ_ONLY, &handle, failure);
    if (status != STATUS_OK) return status;
    status = disk_read(disk, handle, 0, out, sizeof *out, failure);
    disk_close(disk, handle);
    if (status != STATUS_OK) return status;
    const u128 sum = file_sum(out);
    if (memcmp(&sum, out->checksum, sizeof sum) != 0 || out->magic != BACKUP_MAGIC) {
        failure_set(failure, STATUS_CORRUPT, "%s/%s is damaged", disk->path, BACKUP_FILE_NAME);
        failure_hint(failure, "the backup cannot say where it ends: make another one");
        return STATUS_CORRUPT;
    }
    if (out->format != BACKUP_FILE_FORMAT) {
        return failure_set(failure, STATUS_UNSUPPORTED, "%s/%s has format %u; this binary reads %u",
                           disk->path, BACKUP_FILE_NAME, out->format, BACKUP_FILE_FORMAT);
    }
    if (mark_is_possible(&out->end) && mark_is_possible(&out->copied) &&
        out->end.sequence <= out->copied.sequence && out->end.place <= out->copied.place &&
        out->reserved == 0 && is_zero(out->reserved_2, sizeof out->reserved_2)) {
        return STATUS_OK;
    }
    failure_set(failure, STATUS_CORRUPT, "%s/%s contradicts itself", disk->path, BACKUP_FILE_NAME);
    failure_hint(failure, "the backup cannot say where it ends: make another one");
    return STATUS_CORRUPT;
}

enum status backup_file_write(struct disk *disk, struct backup_file *file, struct failure *failure)
{
    disk_handle handle = -1;
    assert(mark_is_possible(&file->end) && mark_is_possible(&file->copied));
    assert(file->end.sequence <= file->copied.sequence && file->reserved == 0);
    file->magic = BACKUP_MAGIC;
    file->format = BACKUP_FILE_FORMAT;
    const u128 sum = file_sum(file);
    memcpy(file->checksum, &sum, sizeof file->checksum);
    enum status status = disk_open(disk, TEMPORARY_NAME, DISK_CREATE, &handle, failure);
    if (status != STATUS_OK) return status;
    status = disk_write_one(disk, handle, 0, file, sizeof *file, failure);
    if (status == STATUS_OK) status = disk_sync(disk, handle, failure);
    disk_close(disk, handle);
    if (status == STATUS_OK) {
        status = disk_rename(disk, TEMPORARY_NAME, BACKUP_FILE_NAME, failure);
    }
    return status;
}
