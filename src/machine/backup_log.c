// SPDX-License-Identifier: Apache-2.0
//
// Copying the log, frame by frame.
//
// A frame that was read is held back until the next one was: the writer writes a frame when the one
// before is durable. At the end of the log there is no next one, and the copy makes the frame
// durable itself.
#include "machine/backup_internal.h"

#include <stdio.h>

#define PACE_SIZE      (8 * MIB)
#define FRAMES_BETWEEN 64u // Between two reports of the progress.
// Files of the log between two notes of how far a backup came.
#define FILES_BETWEEN 16u

static enum status file_close(struct backup_copy *copy)
{
    if (copy->log_file < 0) return STATUS_OK;
    const enum status status = disk_sync(copy->target, copy->log_file, copy->failure);
    disk_forget(copy->target, copy->log_file, 0, WAL_FILE_SIZE);
    disk_close(copy->target, copy->log_file);
    copy->log_file = -1;
    return status;
}

enum status backup_log_finish(struct backup_copy *copy)
{
    return file_close(copy);
}

// Opens the target's file `number`, with its space, and makes the one before durable.
static enum status file_open(struct backup_copy *copy, u64 number)
{
    if (copy->log_file >= 0 && copy->log_file_number == number) return STATUS_OK;
    enum status status = file_close(copy);
    if (status == STATUS_OK && copy->is_backup && copy->mark.sequence > 0 &&
        number % FILES_BETWEEN == 0) {
        copy->state.copied = copy->mark;
        status = backup_file_write(copy->target, &copy->state, copy->failure);
    }
    if (status != STATUS_OK) return status;
    char name[DISK_NAME_SIZE_MAX];
    wal_file_name(name, number);
    const bool is_unfinished = number == 0 && !copy->is_backup;
    status = disk_open(copy->target, is_unfinished ? BACKUP_LOG_UNFINISHED : name, DISK_CREATE,
                       &copy->log_file, copy->failure);
    if (status != STATUS_OK) return status;
    copy->log_file_number = number;
    copy->report->files++;
    u64 size = 0;
    status = disk_size(copy->target, copy->log_file, &size, copy->failure);
    if (status == STATUS_OK && size < WAL_FILE_SIZE) {
        status = disk_allocate(copy->target, copy->log_file, WAL_FILE_SIZE, copy->failure);
    }
    return status;
}

// Writes the frame that is held back.
static enum status held_write(struct backup_copy *copy)
{
    if (copy->held_size == 0) return STATUS_OK;
    const u64 place = copy->held_mark.place_last;
    enum status status = file_open(copy, place / WAL_FILE_SIZE);
    if (status != STATUS_OK) return status;
    const u64 offset = place % WAL_FILE_SIZE;
    const u64 end = offset + copy->held_size;
    status = disk_write_one(copy->target, copy->log_file, offset, copy->held, copy->held_size,
                            copy->failure);
    if (status != STATUS_OK) return status;
    if (end / PACE_SIZE > offset / PACE_SIZE) {
        disk_pace(copy->target, copy->log_file, (end / PACE_SIZE - 1) * PACE_SIZE, PACE_SIZE);
    }
    copy->mark = copy->held_mark;
    copy->report->frames++;
    copy->report->bytes += copy->held_size;
    copy->held_size = 0;
    return STATUS_OK;
}

static void held_set(struct backup_copy *copy, const struct frame_header *header)
{
    copy->held_size = frame_size(header);
    assert(copy->held_size <= FRAME_SIZE_MAX);
    memcpy(copy->held, copy->reader.buffer, copy->held_size);
    copy->held_mark = (struct backup_mark){
        .log_id = header->log_id,
        .epoch = header->epoch,
        .sequence = copy->reader.tail.sequence,
        .place = copy->reader.tail.place,
        .place_last = header->place,
        .position = header->position + header->command_count - 1,
        .timestamp = header->timestamp,
        .previous = copy->reader.tail.previous,
    };
}

// Makes the frame that is held back durable in the source: behind it the log ends.
static enum status source_sync(struct backup_copy *copy)
{
    if (copy->held_size == 0) return STATUS_OK;
    char name[DISK_NAME_SIZE_MAX];
    disk_handle file = -1;
    wal_file_name(name, copy->held_mark.place_last / WAL_FILE_SIZE);
    enum status status = disk_open(copy->source, name, DISK_READ_ONLY, &file, copy->failure);
    if (status != STATUS_OK) return status;
    status = disk_sync(copy->source, file, copy->failure);
    disk_close(copy->source, file);
    return status;
}

// A frame that is read while it is written looks damaged when the next one is there a moment later:
// by then it is whole, so that the second look decides.
static enum status frame_read(struct backup_copy *copy, struct frame_view *view, enum wal_end *end)
{
    enum status status = wal_reader_next(&copy->reader, view, end, copy->failure);
    if (status != STATUS_CORRUPT) return status;
    return wal_reader_next(&copy->reader, view, end, copy->failure);
}

enum status backup_log_copy(struct backup_copy *copy, u64 place_goal, u64 sequence_end)
{
    const u64 begin = copy->reader.tail.place;
    const u64 total = place_goal == U64_MAX ? 0 : place_goal - MIN(begin, place_goal);
    u64 frames = 0;
    while (copy->mark.place < place_goal && copy->mark.sequence < sequence_end) {
        struct frame_view view;
        enum wal_end end = WAL_END;
        enum status status = STATUS_OK;
        if (copy->reader.tail.sequence < sequence_end) status = frame_read(copy, &view, &end);
        if (status == STATUS_OK && end != WAL_FRAME) {
            status = source_sync(copy);
            return status == STATUS_OK ? held_write(copy) : status;
        }
        if (status == STATUS_OK) status = held_write(copy);
        if (status != STATUS_OK) return status;
        held_set(copy, view.header);
        if (++frames % FRAMES_BETWEEN != 0) continue;
        status = backup_report_progress(copy, "log",
                                        copy->mark.place - MIN(begin, copy->mark.place), total);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}
