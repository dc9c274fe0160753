// SPDX-License-Identifier: Apache-2.0
//
// Finding frames by their headers: by halves of the log, then one by one within a file. Nothing but
// the headers is read, and their checksums alone are looked at.
#include "wal/wal.h"

#include <stdio.h>

// Reads the header at `place`. `*found` is false when there is none there.
static enum status header_at(struct wal *wal, u64 place, struct frame_header *out, bool *found,
                             struct failure *failure)
{
    const enum status status = wal_read_some(wal, place, out, sizeof *out, failure);
    *found = status == STATUS_OK && frame_header_valid(out) && out->place == place;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status wal_tail_check(struct wal *wal, const struct wal_tail *tail, struct failure *failure)
{
    // A frame, and before the beginning of a file what was left of the one before.
    const u64 far = 2 * (u64)FRAME_SIZE_MAX;
    const u64 first = tail->place > far ? tail->place - far : 0;
    for (u64 at = tail->place; at > first;) {
        struct frame_header header;
        struct digest digest;
        at -= PAGE_SIZE;
        const enum status status = wal_read_some(wal, at, &header, sizeof header, failure);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) return status;
        if (status != STATUS_OK || header.magic != FRAME_MAGIC) continue;
        sha256(&header, sizeof header, &digest);
        if (memcmp(&digest, &tail->previous, sizeof digest) == 0) return STATUS_OK;
    }
    const u64 last = MAX(tail->place, 1) - 1;
    char name[DISK_NAME_SIZE_MAX];
    wal_file_name(name, last / WAL_FILE_SIZE);
    failure_set(failure, STATUS_CORRUPT,
                "the log is damaged: %s/%s, before offset %llu: frame %llu, which the checkpoint "
                "comes behind, is not there, or its header is damaged",
                wal->disk->path, name, (unsigned long long)(last % WAL_FILE_SIZE) + 1,
                (unsigned long long)tail->sequence - 1);
    failure_hint(failure, WAL_DAMAGE_HINT);
    return STATUS_CORRUPT;
}

// Where a frame must be that has this position, or one that leads to it, there is none.
static enum status frame_missing(const struct wal *wal, u64 place, u64 position,
                                 struct failure *failure)
{
    char name[DISK_NAME_SIZE_MAX];
    wal_file_name(name, place / WAL_FILE_SIZE);
    failure_set(failure, STATUS_CORRUPT,
                "the log is damaged: %s/%s, offset %llu: the frame on the way to position %llu is "
                "missing",
                wal->disk->path, name, (unsigned long long)(place % WAL_FILE_SIZE),
                (unsigned long long)position);
    failure_hint(failure, WAL_DAMAGE_HINT);
    return STATUS_CORRUPT;
}

// Reads the header at a place that is durable, by any thread. `*is_there`: a frame begins there. A
// file that is gone, or ends before, has none; what the device does not read is a failure.
static enum status durable_header_read(struct wal *wal, u64 place, struct frame_header *out,
                                       bool *is_there, struct failure *failure)
{
    enum status status = wal_read(wal, place, out, sizeof *out, failure);
    *is_there = status == STATUS_OK && frame_header_valid(out) && out->place == place;
    return status == STATUS_NOT_FOUND || status == STATUS_CORRUPT ? STATUS_OK : status;
}

enum status wal_find_position(struct wal *wal, u64 place_end, u64 position,
                              struct frame_header *header, struct failure *failure)
{
    // The last file that begins with this position or an earlier one.
    u64 first = 0;
    u64 end = align_up(place_end, WAL_FILE_SIZE) / WAL_FILE_SIZE;
    enum status status = STATUS_OK;
    bool is_there = false;
    while (end - first > 1) {
        const u64 middle = first + (end - first) / 2;
        const u64 begin = middle * WAL_FILE_SIZE;
        status = durable_header_read(wal, begin, header, &is_there, failure);
        if (status != STATUS_OK) return status;
        if (is_there && header->position <= position) first = middle;
        else end = middle;
    }
    u64 place = first * WAL_FILE_SIZE;
    const u64 file_end = MIN(place + WAL_FILE_SIZE, place_end);
    while (place < file_end) {
        status = durable_header_read(wal, place, header, &is_there, failure);
        if (status != STATUS_OK) return status;
        if (!is_there || header->position > position) break;
        if (position - header->position < header->command_count) return STATUS_OK;
        place += frame_size(header);
    }
    // Behind the last frame of a file there may be nothing; but then there is no next file, since
    // that begins with a later position.
    const bool is_end = place == place_end || place_end % WAL_FILE_SIZE == 0;
    if (file_end < place_end || !is_end) return frame_missing(wal, place, position, failure);
    return failure_set(failure, STATUS_NOT_FOUND, "the log has no command at position %llu",
                       (unsigned long long)position);
}

enum status wal_extent(struct wal *wal, u64 *place, struct failure *failure)
{
    struct frame_header header;
    u64 first = 0; // Holds a frame, unless it is the first file of all.
    u64 end = 1;   // Files from here on hold none, once the search is over.
    bool found = true;
    enum status status = STATUS_OK;
    *place = 0;
    while (status == STATUS_OK && end < WAL_FILES_MAX) {
        status = header_at(wal, end * WAL_FILE_SIZE, &header, &found, failure);
        if (!found) break;
        first = end;
        end *= 2;
    }
    while (status == STATUS_OK && end - first > 1) {
        const u64 middle = first + (end - first) / 2;
        status = header_at(wal, middle * WAL_FILE_SIZE, &header, &found, failure);
        if (found) first = middle;
        else end = middle;
    }
    u64 at = first * WAL_FILE_SIZE;
    while (status == STATUS_OK && at < (first + 1) * WAL_FILE_SIZE) {
        status = header_at(wal, at, &header, &found, failure);
        if (!found) break;
        at += frame_size(&header);
    }
    if (status == STATUS_OK) *place = at;
    return status;
}

static bool is_within(const struct frame_header *header, const struct wal_bound *bound)
{
    return header->sequence <= bound->sequence_max && header->timestamp <= bound->timestamp_max &&
           header->epoch <= bound->epoch_max;
}

enum status wal_find_last(struct wal *wal, const struct wal_bound *bound, struct frame_header *out,
                          struct failure *failure)
{
    u64 place_end = 0;
    struct frame_header header;
    bool found = false;
    enum status status = wal_extent(wal, &place_end, failure);
    u64 first = 0; // The last file that begins within the bound, once the search is over.
    u64 end = align_up(place_end, WAL_FILE_SIZE) / WAL_FILE_SIZE;
    while (status == STATUS_OK && end > first + 1) {
        const u64 middle = first + (end - first) / 2;
        status = header_at(wal, middle * WAL_FILE_SIZE, &header, &found, failure);
        if (found && is_within(&header, bound)) first = middle;
        else end = middle;
    }
    u64 place = first * WAL_FILE_SIZE;
    const u64 file_end = MIN(place + WAL_FILE_SIZE, place_end);
    bool is_found = false;
    while (status == STATUS_OK && place < file_end) {
        status = header_at(wal, place, &header, &found, failure);
        if (!found || !is_within(&header, bound)) break;
        *out = header;
        is_found = true;
        place += frame_size(&header);
    }
    if (status != STATUS_OK || is_found) return status;
    return failure_set(failure, STATUS_NOT_FOUND, "the log in %s has no frame so early",
                       wal->disk->path);
}
