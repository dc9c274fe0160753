// SPDX-License-Identifier: Apache-2.0
//
// The log over files.
#include "wal/wal.h"

#include "os/memory.h"
#include "wal/backup_file.h"

#include <stdio.h>

#define PREWRITE_SIZE (256 * KIB)

void wal_file_name(char out[DISK_NAME_SIZE_MAX], u64 number)
{
    (void)snprintf(out, DISK_NAME_SIZE_MAX, "log-%08llx", (unsigned long long)number);
}

// Where the log ends if the folder is a backup.
static enum status end_find(struct wal *wal, struct failure *failure)
{
    struct backup_file backup;
    wal->end = U64_MAX;
    enum status status = backup_file_read(wal->disk, &backup, failure);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return status;
    wal->end = backup.end.place;
    if (backup.end.sequence > 0) return STATUS_OK;
    failure_set(failure, STATUS_INVALID, "%s is an unfinished backup", wal->disk->path);
    failure_hint(failure, "`tael backup` with the same two folders goes on with it");
    return STATUS_INVALID;
}

enum status wal_init(struct wal *wal, struct disk *disk, struct failure *failure)
{
    memset(wal, 0, sizeof *wal);
    wal->disk = disk;
    wal->write_file = -1;
    wal->scan_file = -1;
    (void)pthread_mutex_init(&wal->mutex, NULL);
    void *memory = NULL;
    enum status status =
        memory_reserve(WAL_FILES_MAX * sizeof *wal->read_files, false, &memory, failure);
    wal->read_files = memory;
    if (status == STATUS_OK) status = end_find(wal, failure);
    if (status != STATUS_OK) wal_free(wal);
    return status;
}

enum status wal_may_append(const struct wal *wal, struct failure *failure)
{
    if (!wal_is_backup(wal)) return STATUS_OK;
    failure_set(failure, STATUS_INVALID, "%s is a backup, which is only read", wal->disk->path);
    failure_hint(failure, "`tael restore %.120s NEW` makes a folder of it that can be served",
                 wal->disk->path);
    return STATUS_INVALID;
}

void wal_free(struct wal *wal)
{
    if (wal->read_files == NULL) return;
    if (wal->write_file >= 0) disk_close(wal->disk, wal->write_file);
    if (wal->scan_file >= 0) disk_close(wal->disk, wal->scan_file);
    for (u64 i = 0; i < wal->read_end; i++) {
        struct wal_file *file = &wal->read_files[i];
        if (file->map != NULL) disk_unmap(wal->disk, file->map, WAL_FILE_SIZE);
        if (file->handle != 0) disk_close(wal->disk, file->handle - 1);
    }
    memory_release(wal->read_files, WAL_FILES_MAX * sizeof *wal->read_files);
    (void)pthread_mutex_destroy(&wal->mutex);
    memset(wal, 0, sizeof *wal);
    wal->write_file = -1;
    wal->scan_file = -1;
}

u64 wal_place(u64 place, u64 size)
{
    assert(size <= FRAME_SIZE_MAX && size % PAGE_SIZE == 0 && place % PAGE_SIZE == 0);
    u64 left = WAL_FILE_SIZE - place % WAL_FILE_SIZE;
    return left >= size ? place : place + left;
}

bool wal_is_prepared(struct wal *wal, u64 number)
{
    (void)pthread_mutex_lock(&wal->mutex);
    bool done = number < wal->prepared;
    (void)pthread_mutex_unlock(&wal->mutex);
    return done;
}

// Writes zeroes over the blocks, so that an append changes data alone: it then never waits for the
// file system's journal, which others may hold up for tens of milliseconds (removing a file does).
static enum status file_prewrite(struct wal *wal, disk_handle handle, struct failure *failure)
{
    void *zeroes = NULL;
    enum status status = memory_reserve(PREWRITE_SIZE, false, &zeroes, failure);
    if (status != STATUS_OK) return status;
    for (u64 at = 0; at < WAL_FILE_SIZE && status == STATUS_OK; at += PREWRITE_SIZE) {
        status = disk_write_one(wal->disk, handle, at, zeroes, PREWRITE_SIZE, failure);
    }
    if (status == STATUS_OK) status = disk_sync(wal->disk, handle, failure);
    memory_release(zeroes, PREWRITE_SIZE);
    return status;
}

static enum status read_open(struct wal *wal, u64 number, struct failure *failure);

// STATUS_FULL when one more file would leave less than `reserve` bytes.
static enum status space_check(struct wal *wal, u64 reserve, struct failure *failure)
{
    u64 space = 0;
    enum status status = disk_free_space(wal->disk, &space, failure);
    if (status != STATUS_OK || space >= reserve + WAL_FILE_SIZE) return status;
    return failure_set(failure, STATUS_FULL, "%llu bytes are free, of which %llu are kept",
                       (unsigned long long)space, (unsigned long long)reserve);
}

static enum status file_prepare(struct wal *wal, u64 number, u64 reserve, struct failure *failure)
{
    if (wal_is_prepared(wal, number)) return STATUS_OK;
    char name[DISK_NAME_SIZE_MAX];
    wal_file_name(name, number);
    disk_handle handle = -1;
    enum status status = disk_open(wal->disk, name, DISK_CREATE | DISK_UNCACHED, &handle, failure);
    if (status != STATUS_OK) return status;
    u64 size = 0;
    status = disk_size(wal->disk, handle, &size, failure);
    // A file that is there has its space, and may hold frames: it is never written over.
    if (status == STATUS_OK && size < WAL_FILE_SIZE) {
        if (reserve > 0) status = space_check(wal, reserve, failure);
        if (status == STATUS_OK) status = disk_allocate(wal->disk, handle, WAL_FILE_SIZE, failure);
        if (status == STATUS_OK && size == 0) status = file_prewrite(wal, handle, failure);
    }
    disk_close(wal->disk, handle);
    if (status != STATUS_OK) return failure_wrap(failure, "reserving space for the log (%s)", name);
    (void)pthread_mutex_lock(&wal->mutex);
    wal->prepared = MAX(wal->prepared, number + 1);
    (void)pthread_mutex_unlock(&wal->mutex);
    return STATUS_OK;
}

enum status wal_prepare(struct wal *wal, u64 reserve, struct failure *failure)
{
    u64 number = __atomic_load_n(&wal->tail.place, __ATOMIC_RELAXED) / WAL_FILE_SIZE;
    enum status status = STATUS_OK;
    for (u64 i = 0; i <= WAL_FILES_AHEAD && status == STATUS_OK; i++) {
        if (i > WAL_FILES_NEEDED && !wal_is_prepared(wal, number + i)) {
            u64 space = 0;
            status = disk_free_space(wal->disk, &space, failure);
            if (status != STATUS_OK || space < reserve + WAL_SPACE_AMPLE) break;
        }
        status = file_prepare(wal, number + i, reserve, failure);
    }
    for (; wal->populated < number && status == STATUS_OK; wal->populated++) {
        status = read_open(wal, wal->populated, failure);
        disk_populate(wal->disk, wal->read_files[wal->populated].map, 0, WAL_FILE_SIZE);
    }
    return status;
}

// Opens the file that holds `place` for appending.
static enum status write_file_open(struct wal *wal, u64 place, struct failure *failure)
{
    u64 number = place / WAL_FILE_SIZE;
    if (wal->write_file >= 0 && wal->write_file_number == number) return STATUS_OK;
    if (number >= WAL_FILES_MAX) {
        return failure_set(failure, STATUS_FULL, "the log has reached its limit of %llu bytes",
                           (unsigned long long)(WAL_FILES_MAX * WAL_FILE_SIZE));
    }
    enum status status = file_prepare(wal, number, 0, failure);
    if (status != STATUS_OK) return status;
    if (wal->write_file >= 0) disk_close(wal->disk, wal->write_file);
    wal->write_file = -1;
    char name[DISK_NAME_SIZE_MAX];
    wal_file_name(name, number);
    status = disk_open(wal->disk, name, DISK_DURABLE, &wal->write_file, failure);
    if (status != STATUS_OK) return status;
    wal->write_file_number = number;
    return STATUS_OK;
}

enum status wal_append(struct wal *wal, struct wal_frame *frame, struct failure *failure)
{
    struct frame_header *header = (void *)frame->head;
    struct iovec iovecs[1 + ARRAY_COUNT(frame->parts)];
    u64 size = frame->head_size;
    iovecs[0] = (struct iovec){.iov_base = frame->head, .iov_len = frame->head_size};
    for (u32 i = 0; i < frame->part_count; i++) {
        union {
            const u8 *constant;
            void *base;
        } pointer = {.constant = frame->parts[i].data}; // A write does not change it.
        assert(frame->parts[i].size % PAGE_SIZE == 0);
        iovecs[i + 1] = (struct iovec){.iov_base = pointer.base, .iov_len = frame->parts[i].size};
        size += frame->parts[i].size;
    }
    assert(header->place == wal_place(wal->tail.place, size));
    enum status status = write_file_open(wal, header->place, failure);
    if (status != STATUS_OK) return status;
    header->magic = FRAME_MAGIC;
    header->format = FRAME_FORMAT;
    header->size_of_header = sizeof *header;
    // Who decides the frame meanwhile has set them, and reads them now.
    if (header->log_id != wal->tail.log_id) header->log_id = wal->tail.log_id;
    if (header->epoch != wal->tail.epoch) header->epoch = wal->tail.epoch;
    assert(header->sequence == wal->tail.sequence);
    header->body_size = size - sizeof *header;
    header->previous = wal->tail.previous;
    frame_digest(frame->head + sizeof *header, frame->head_size - sizeof *header, frame->parts,
                 frame->part_count, &header->body_digest);
    frame_header_seal(header);
    status = disk_write(wal->disk, wal->write_file, header->place % WAL_FILE_SIZE, iovecs,
                        frame->part_count + 1, failure);
    if (status != STATUS_OK) {
        return failure_wrap(failure, "writing frame %llu", (unsigned long long)header->sequence);
    }
    sha256(header, sizeof *header, &wal->tail.previous);
    wal->tail.sequence++;
    __atomic_store_n(&wal->tail.place, header->place + size, __ATOMIC_RELAXED);
    return STATUS_OK;
}

enum status wal_append_command(struct wal *wal, const struct frame_header *header,
                               const struct frame_command *command, const void *body, u32 size,
                               struct failure *failure)
{
    assert(size > 0 && size <= PAGE_SIZE);
    void *memory = NULL;
    enum status status = memory_reserve(2 * PAGE_SIZE, false, &memory, failure);
    if (status != STATUS_OK) return status;
    u8 *pages = memory;
    struct frame_header *out = memory;
    struct frame_command *entry = (void *)(pages + sizeof *out);
    *out = (struct frame_header){
        .sequence = wal->tail.sequence,
        .position = header->position,
        .timestamp = header->timestamp,
        .place = wal_place(wal->tail.place, 2 * PAGE_SIZE),
        .command_count = 1,
        .flags = header->flags,
    };
    *entry = *command;
    entry->body_size = size;
    entry->body_offset = PAGE_SIZE;
    memcpy(pages + PAGE_SIZE, body, size);
    struct wal_frame frame = {
        .head = pages,
        .head_size = PAGE_SIZE,
        .parts = {{.data = pages + PAGE_SIZE, .size = PAGE_SIZE}},
        .part_count = 1,
    };
    status = wal_append(wal, &frame, failure);
    memory_release(memory, 2 * PAGE_SIZE);
    return status;
}

// --- random reads -------------------------------------------------------------------------------

// Opens a file for random reads, unless another thread was quicker.
static enum status read_open(struct wal *wal, u64 number, struct failure *failure)
{
    enum status status = STATUS_OK;
    assert(number < WAL_FILES_MAX);
    struct wal_file *file = &wal->read_files[number];
    (void)pthread_mutex_lock(&wal->mutex);
    if (file->map == NULL && file->handle == 0) {
        char name[DISK_NAME_SIZE_MAX];
        wal_file_name(name, number);
        disk_handle handle = -1;
        status = disk_open(wal->disk, name, DISK_READ_ONLY, &handle, failure);
        if (status == STATUS_OK) {
            const u8 *map = disk_map(wal->disk, handle, WAL_FILE_SIZE);
            if (map != NULL) disk_close(wal->disk, handle);
            else atomic_store_explicit(&file->handle, handle + 1, memory_order_release);
            atomic_store_explicit(&file->map, map, memory_order_release);
            wal->read_end = MAX(wal->read_end, number + 1);
        }
    }
    (void)pthread_mutex_unlock(&wal->mutex);
    return status;
}

static const u8 *read_map(struct wal *wal, u64 place)
{
    return atomic_load_explicit(&wal->read_files[place / WAL_FILE_SIZE].map, memory_order_acquire);
}

enum status wal_read(struct wal *wal, u64 place, void *out, size_t size, struct failure *failure)
{
    const u64 offset = place % WAL_FILE_SIZE;
    if (place / WAL_FILE_SIZE >= WAL_FILES_MAX || size > WAL_FILE_SIZE - offset) {
        return failure_set(failure, STATUS_CORRUPT,
                           "%zu bytes at place %llu of the log are not in one of its files", size,
                           (unsigned long long)place);
    }
    struct wal_file *file = &wal->read_files[place / WAL_FILE_SIZE];
    const u8 *map = atomic_load_explicit(&file->map, memory_order_acquire);
    if (map == NULL && atomic_load_explicit(&file->handle, memory_order_acquire) == 0) {
        enum status status = read_open(wal, place / WAL_FILE_SIZE, failure);
        if (status != STATUS_OK) return status;
        map = atomic_load_explicit(&file->map, memory_order_acquire);
    }
    if (map == NULL) {
        disk_handle handle = atomic_load_explicit(&file->handle, memory_order_acquire) - 1;
        return disk_read(wal->disk, handle, offset, out, size, failure);
    }
    memcpy(out, map + offset, size);
    return STATUS_OK;
}

void wal_prefetch(struct wal *wal, u64 place, size_t size)
{
    const u8 *map = read_map(wal, place);
    if (map == NULL) return;
    for (size_t at = 0; at < size; at += CACHE_LINE_SIZE) {
        __builtin_prefetch(map + place % WAL_FILE_SIZE + at);
    }
}

void wal_advise(struct wal *wal, u64 place, size_t size)
{
    struct failure failure; // The read that follows will say what is wrong.
    if (read_map(wal, place) == NULL &&
        read_open(wal, place / WAL_FILE_SIZE, &failure) != STATUS_OK) {
        return;
    }
    disk_advise(wal->disk, read_map(wal, place), place % WAL_FILE_SIZE, size);
}

// --- reading back -------------------------------------------------------------------------------

enum status wal_reader_init(struct wal_reader *reader, struct wal *wal, const struct wal_tail *from,
                            struct failure *failure)
{
    memset(reader, 0, sizeof *reader);
    reader->wal = wal;
    reader->tail = *from;
    void *buffer = NULL;
    enum status status = memory_reserve(FRAME_SIZE_MAX, true, &buffer, failure);
    reader->buffer = buffer;
    return status;
}

void wal_reader_free(struct wal_reader *reader)
{
    memory_release(reader->buffer, FRAME_SIZE_MAX);
    reader->buffer = NULL;
}

// Opens the file `number` for reading back.
static enum status scan_open(struct wal *wal, u64 number, struct failure *failure)
{
    if (wal->scan_file >= 0 && wal->scan_number == number) return STATUS_OK;
    if (wal->scan_file >= 0 && wal->is_scanned_once && number > wal->scan_number) {
        disk_forget(wal->disk, wal->scan_file, 0, WAL_FILE_SIZE);
    }
    if (wal->scan_file >= 0) disk_close(wal->disk, wal->scan_file);
    wal->scan_file = -1;
    wal->scan_number = number;
    char name[DISK_NAME_SIZE_MAX];
    wal_file_name(name, number);
    return disk_open(wal->disk, name, DISK_READ_ONLY, &wal->scan_file, failure);
}

// Reads up to `size` bytes at `place`; short at the end of what exists.
static enum status read_some(struct wal *wal, u64 place, u8 *out, size_t size, size_t *got,
                             struct failure *failure)
{
    *got = 0;
    if (place >= wal->end) return STATUS_OK;
    size = (size_t)MIN((u64)size, wal->end - place);
    enum status status = scan_open(wal, place / WAL_FILE_SIZE, failure);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return status;
    u64 file_size = 0;
    status = disk_size(wal->disk, wal->scan_file, &file_size, failure);
    if (status != STATUS_OK) return status;
    u64 offset = place % WAL_FILE_SIZE;
    if (offset >= file_size) return STATUS_OK;
    *got = MIN(size, MIN(file_size, WAL_FILE_SIZE) - offset);
    return disk_read(wal->disk, wal->scan_file, offset, out, *got, failure);
}

// A header that says that the frame at a place was once complete.
struct witness {
    u64 sequence; // Of its frame; 0: there is none.
    u64 at;       // Where it lies.
};

// Looks for a header of this log that can only be there when what is at `place` was complete, or
// was written elsewhere: one of a later frame, or one of this frame in another place. From `place`
// to the end of the file after its own.
static enum status witness_find(struct wal_reader *reader, u64 place, struct witness *out,
                                struct failure *failure)
{
    const struct wal_tail *tail = &reader->tail;
    *out = (struct witness){0};
    u64 end = (place / WAL_FILE_SIZE + 2) * WAL_FILE_SIZE;
    for (u64 at = place; at < end;) {
        size_t got = 0;
        size_t want = MIN(FRAME_SIZE_MAX, WAL_FILE_SIZE - at % WAL_FILE_SIZE);
        enum status status = read_some(reader->wal, at, reader->buffer, want, &got, failure);
        if (status != STATUS_OK) return status;
        for (size_t i = 0; i + sizeof(struct frame_header) <= got; i += PAGE_SIZE) {
            struct frame_header header;
            memcpy(&header, reader->buffer + i, sizeof header);
            // A log whose first frame is damaged has an id that is not known yet.
            // A copy that is served has another id from some frame on, and a later epoch.
            bool ours =
                tail->sequence == 0 || header.log_id == tail->log_id || header.epoch > tail->epoch;
            if (header.magic != FRAME_MAGIC || !ours || !frame_header_valid(&header)) continue;
            bool misplaced = header.sequence == tail->sequence && header.place != at + i;
            if (header.sequence <= tail->sequence && !misplaced) continue;
            *out = (struct witness){.sequence = header.sequence, .at = at + i};
            return STATUS_OK;
        }
        at += want;
    }
    return STATUS_OK;
}

// The size of the file `number`; 0 when there is none.
static enum status scan_size(struct wal *wal, u64 number, u64 *size, struct failure *failure)
{
    *size = 0;
    enum status status = scan_open(wal, number, failure);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return status;
    return disk_size(wal->disk, wal->scan_file, size, failure);
}

// File `number` is shorter than it was made, or gone, though it had its whole size before `later`.
static enum status file_short(const struct wal *wal, u64 number, u64 size, const char *later,
                              struct failure *failure)
{
    char name[DISK_NAME_SIZE_MAX];
    wal_file_name(name, number);
    failure_set(failure, STATUS_CORRUPT,
                "the log is damaged: %s/%s ends at offset %llu, or is gone: it had its %llu bytes "
                "before %s was there",
                wal->disk->path, name, (unsigned long long)size, (unsigned long long)WAL_FILE_SIZE,
                later);
    failure_hint(failure, WAL_DAMAGE_HINT);
    return STATUS_CORRUPT;
}

enum status wal_files_check(struct wal *wal, u64 place, struct failure *failure)
{
    for (u64 i = 0; i < place / WAL_FILE_SIZE; i++) {
        u64 size = 0;
        const enum status status = scan_size(wal, i, &size, failure);
        if (status != STATUS_OK) return status;
        if (size < WAL_FILE_SIZE) return file_short(wal, i, size, "the file behind it", failure);
    }
    return STATUS_OK;
}

// A backup says where its log ends: frames that are not there up to it are gone.
static enum status end_check(const struct wal_reader *reader, struct failure *failure)
{
    if (reader->tail.place >= reader->wal->end) return STATUS_OK;
    failure_set(failure, STATUS_CORRUPT,
                "the log is damaged: frame %llu is missing at %s, and the backup goes on to %s",
                (unsigned long long)reader->tail.sequence, place_text(reader->tail.place).text,
                place_text(reader->wal->end).text);
    failure_hint(failure, "make another backup, or restore what is before by --to-sequence");
    return STATUS_CORRUPT;
}

// A file has its whole size before the first frame goes into it, and before the next file is made:
// one that is shorter, or gone, and held a frame or has a file behind it, was cut or removed, and
// frames may be gone that left no trace. Looks at the tail's file and those that are made ahead.
static enum status cut_check(struct wal_reader *reader, struct failure *failure)
{
    struct wal *wal = reader->wal;
    if (wal_is_backup(wal)) return end_check(reader, failure);
    const u64 first = reader->tail.place / WAL_FILE_SIZE;
    u64 sizes[2 + WAL_FILES_AHEAD];
    u32 needed = reader->tail.place % WAL_FILE_SIZE > 0 ? 1 : 0; // So many must be whole.
    for (u32 i = 0; i < ARRAY_COUNT(sizes); i++) {
        enum status status = scan_size(wal, first + i, &sizes[i], failure);
        if (status != STATUS_OK) return status;
        if (sizes[i] > 0) needed = MAX(needed, i);
    }
    u32 at = 0;
    while (at < needed && sizes[at] >= WAL_FILE_SIZE) at++;
    char name[DISK_NAME_SIZE_MAX];
    if (at == needed && sizes[ARRAY_COUNT(sizes) - 1] > 0) {
        // So far ahead a file is made only once the log has come further.
        char far[DISK_NAME_SIZE_MAX];
        wal_file_name(name, first + 1);
        wal_file_name(far, first + ARRAY_COUNT(sizes) - 1);
        failure_set(failure, STATUS_CORRUPT,
                    "the log is damaged: %s/%s, offset 0: frame %llu is missing, though %s is "
                    "there, which is made when it is",
                    wal->disk->path, name, (unsigned long long)reader->tail.sequence, far);
        failure_hint(failure, WAL_DAMAGE_HINT);
        return STATUS_CORRUPT;
    }
    if (at == needed) return STATUS_OK;
    char later[64];
    (void)snprintf(later, sizeof later, "frame %llu or the file behind it",
                   (unsigned long long)reader->tail.sequence);
    return file_short(wal, first + at, sizes[at], later, failure);
}

// The frame at `place` is not whole: torn tail, or damage?
static enum status judge(struct wal_reader *reader, u64 place, const char *what, enum wal_end *end,
                         struct failure *failure)
{
    struct witness witness;
    enum status status = witness_find(reader, place, &witness, failure);
    if (status == STATUS_OK && witness.sequence == 0) status = cut_check(reader, failure);
    if (status != STATUS_OK) return status;
    if (witness.sequence == 0) {
        *end = WAL_TORN;
        return STATUS_OK;
    }
    char name[DISK_NAME_SIZE_MAX];
    char other_name[DISK_NAME_SIZE_MAX];
    wal_file_name(name, place / WAL_FILE_SIZE);
    wal_file_name(other_name, witness.at / WAL_FILE_SIZE);
    failure_set(failure, STATUS_CORRUPT,
                "the log is damaged: %s/%s, offset %llu: frame %llu %s, though frame %llu is in "
                "%s at %llu",
                reader->wal->disk->path, name, (unsigned long long)(place % WAL_FILE_SIZE),
                (unsigned long long)reader->tail.sequence, what,
                (unsigned long long)witness.sequence, other_name,
                (unsigned long long)(witness.at % WAL_FILE_SIZE));
    failure_hint(failure, WAL_DAMAGE_HINT);
    return STATUS_CORRUPT;
}

static bool commands_valid(const struct frame_header *header, const u8 *frame)
{
    const struct frame_command *commands = (const void *)(frame + sizeof *header);
    u64 size = frame_size(header);
    u64 head = frame_head_size(header->command_count);
    for (u32 i = 0; i < header->command_count; i++) {
        const struct frame_command *command = &commands[i];
        if (command->body_offset % FRAME_BODY_ALIGNMENT != 0) return false;
        if (command->body_size > 0 && command->body_offset < head) return false;
        if ((u64)command->body_offset + command->body_size > size) return false;
    }
    return true;
}

// Whether a frame uses nothing that this format leaves zero.
static bool fields_known(const struct frame_header *header, const struct frame_command *commands)
{
    const u32 flags = FRAME_SEAL | FRAME_GENESIS | FRAME_ROTATE | FRAME_OWNER;
    bool known =
        (header->flags & ~flags) == 0 && is_zero(header->reserved, sizeof header->reserved);
    for (u32 i = 0; i < header->command_count && known; i++) {
        known = commands[i].version == 1 && commands[i].flags == 0 &&
                commands[i].signature_scheme == 0 &&
                is_zero(commands[i].signature, sizeof commands[i].signature) &&
                is_zero(commands[i].reserved, sizeof commands[i].reserved);
    }
    return known;
}

// Whether the header continues the chain of the reader.
static bool continues(const struct wal_reader *reader, const struct frame_header *header, u64 place)
{
    const struct wal_tail *tail = &reader->tail;
    bool first = tail->sequence == 0;
    return header->sequence == tail->sequence && header->place == place &&
           (first || header->log_id == tail->log_id || header->epoch > tail->epoch) &&
           header->epoch >= tail->epoch &&
           memcmp(&header->previous, &tail->previous, sizeof tail->previous) == 0;
}

static enum status body_check(struct wal_reader *reader, const struct frame_header *header,
                              bool *whole, struct failure *failure)
{
    *whole = false;
    u64 size = frame_size(header);
    u64 head = frame_head_size(header->command_count);
    if (size > FRAME_SIZE_MAX || size % PAGE_SIZE != 0 || head > size ||
        header->command_count > FRAME_COMMANDS_MAX) {
        return STATUS_OK;
    }
    size_t got = 0;
    enum status status = read_some(reader->wal, header->place, reader->buffer, size, &got, failure);
    if (status != STATUS_OK || got != size) return status;
    struct frame_part part = {.data = reader->buffer + head, .size = size - head};
    struct digest digest;
    frame_digest(reader->buffer + sizeof *header, head - sizeof *header, &part, 1, &digest);
    // The header was read a second time; it must be the one that was verified.
    *whole = memcmp(header, reader->buffer, sizeof *header) == 0 &&
             memcmp(&digest, &header->body_digest, sizeof digest) == 0 &&
             commands_valid(header, reader->buffer);
    return STATUS_OK;
}

static enum status frame_next(struct wal_reader *reader, struct frame_view *view, enum wal_end *end,
                              struct failure *failure)
{
    u64 place = reader->tail.place;
    size_t got = 0;
    u8 page[PAGE_SIZE];
    struct frame_header header;
    enum status status = read_some(reader->wal, place, page, sizeof page, &got, failure);
    if (status != STATUS_OK) return status;
    if (got < sizeof page) memset(&header, 0, sizeof header);
    else memcpy(&header, page, sizeof header);
    // A file's rest too small for the next frame stays zero, and the frame opens the next file.
    if (is_zero(&header, sizeof header) && place % WAL_FILE_SIZE != 0) {
        u64 next = (place / WAL_FILE_SIZE + 1) * WAL_FILE_SIZE;
        struct frame_header other;
        status = read_some(reader->wal, next, page, sizeof page, &got, failure);
        if (status != STATUS_OK) return status;
        if (got == sizeof page) memcpy(&other, page, sizeof other);
        if (got == sizeof page && frame_header_valid(&other) && continues(reader, &other, next)) {
            header = other;
            place = next;
        }
    }
    if (is_zero(&header, sizeof header)) {
        status = judge(reader, place, "is missing", end, failure);
        if (status == STATUS_OK && *end == WAL_TORN) *end = WAL_END;
        return status;
    }
    if (!frame_header_valid(&header)) {
        return judge(reader, place, "has a damaged header", end, failure);
    }
    if (header.format != FRAME_FORMAT) {
        return failure_set(failure, STATUS_UNSUPPORTED,
                           "frame %llu has format %u; this binary reads %u",
                           (unsigned long long)header.sequence, header.format, FRAME_FORMAT);
    }
    if (!continues(reader, &header, place)) {
        return judge(reader, place, "does not follow the frame before it", end, failure);
    }
    bool whole = false;
    status = body_check(reader, &header, &whole, failure);
    if (status != STATUS_OK) return status;
    if (!whole) return judge(reader, place, "has a damaged body", end, failure);
    const struct frame_header *kept = (const void *)reader->buffer;
    if (!fields_known(kept, (const void *)(reader->buffer + sizeof *kept))) {
        return failure_set(failure, STATUS_UNSUPPORTED,
                           "frame %llu uses fields that this binary does not know",
                           (unsigned long long)kept->sequence);
    }
    sha256(kept, sizeof *kept, &reader->tail.previous);
    reader->tail.log_id = kept->log_id;
    reader->tail.epoch = kept->epoch;
    reader->tail.sequence = kept->sequence + 1;
    reader->tail.place = kept->place + frame_size(kept);
    view->header = kept;
    view->commands = (const void *)(reader->buffer + sizeof *kept);
    for (u32 i = 0; i < kept->command_count; i++) {
        reader->bodies[i] = reader->buffer + view->commands[i].body_offset;
    }
    view->bodies = reader->bodies;
    *end = WAL_FRAME;
    return STATUS_OK;
}

enum status wal_read_some(struct wal *wal, u64 place, void *out, size_t size,
                          struct failure *failure)
{
    size_t got = 0;
    enum status status = read_some(wal, place, out, size, &got, failure);
    if (status == STATUS_OK && got < size) {
        return failure_set(failure, STATUS_NOT_FOUND, "the log ends before place %llu",
                           (unsigned long long)place);
    }
    return status;
}

enum status wal_reader_next(struct wal_reader *reader, struct frame_view *view, enum wal_end *end,
                            struct failure *failure)
{
    enum status status = frame_next(reader, view, end, failure);
    // What looks torn is looked at twice before it is cut: the device may have read it wrongly.
    if (status == STATUS_OK && *end == WAL_TORN) status = frame_next(reader, view, end, failure);
    return status;
}

// Makes bytes of the log durable zeroes; `zeroes` has as many.
static enum status bytes_clear(struct wal *wal, u64 place, const u8 *zeroes, size_t size,
                               struct failure *failure)
{
    char name[DISK_NAME_SIZE_MAX];
    wal_file_name(name, place / WAL_FILE_SIZE);
    disk_handle handle = -1;
    enum status status = disk_open(wal->disk, name, 0, &handle, failure);
    if (status != STATUS_OK) return status;
    status = disk_write_one(wal->disk, handle, place % WAL_FILE_SIZE, zeroes, size, failure);
    if (status == STATUS_OK) status = disk_sync(wal->disk, handle, failure);
    disk_close(wal->disk, handle);
    return status;
}

enum status wal_reader_cut(struct wal_reader *reader, struct failure *failure)
{
    struct wal *wal = reader->wal;
    wal->tail = reader->tail;
    u64 place = reader->tail.place;
    wal->populated = align_up(place, WAL_FILE_SIZE) / WAL_FILE_SIZE;
    // The unfinished frame is in the tail's file, or opened the next one.
    u64 end = (place / WAL_FILE_SIZE + 2) * WAL_FILE_SIZE;
    while (place < end) {
        size_t got = 0;
        u64 want = MIN(FRAME_SIZE_MAX, WAL_FILE_SIZE - place % WAL_FILE_SIZE);
        enum status status = read_some(wal, place, reader->buffer, want, &got, failure);
        if (status == STATUS_OK && !is_zero(reader->buffer, got)) {
            memset(reader->buffer, 0, got);
            status = bytes_clear(wal, place, reader->buffer, got, failure);
            if (status != STATUS_OK) return failure_wrap(failure, "cutting the torn tail");
        }
        if (status != STATUS_OK) return status;
        place += want;
    }
    return STATUS_OK;
}
