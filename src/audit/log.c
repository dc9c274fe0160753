// SPDX-License-Identifier: Apache-2.0
//
// Frames read ahead, and what their headers and digests say.
#include "audit/log.h"

#include "base/checksum.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_AHEAD (16 * MIB)
#define SCAN_SIZE  (1 * MIB)

const char *audit_frame_problem_text(enum audit_frame_problem problem)
{
    static const char *const texts[AUDIT_FRAME_PROBLEM_COUNT] = {
        [AUDIT_FRAME_LOG_ID] = "it is of another log, without a later epoch",
        [AUDIT_FRAME_EPOCH] = "its epoch falls",
        [AUDIT_FRAME_POSITION] = "its position leaves a gap",
        [AUDIT_FRAME_TIME] = "its time does not grow",
        [AUDIT_FRAME_CHAIN] = "it does not hang on the header before: `previous` is not its hash",
        [AUDIT_FRAME_RESERVED] = "a field that must be zero is not",
        [AUDIT_FRAME_BODY] = "its body does not have the digest that its header names",
    };
    assert(problem < AUDIT_FRAME_PROBLEM_COUNT);
    return texts[problem];
}

// --- reading -------------------------------------------------------------------------------------

// Makes `log->file` the file of this number; -1 when there is none.
static enum status file_select(struct audit_log *log, u64 number)
{
    if (log->file >= 0 && log->file_number == number) return STATUS_OK;
    if (log->file >= 0) (void)close(log->file);
    log->file = -1;
    log->file_number = number;
    if (number >= AUDIT_LOG_FILES_MAX) return STATUS_OK;
    char name[32];
    (void)snprintf(name, sizeof name, "log-%08x", (u32)number);
    const enum status status = audit_file_open(log->folder, name, &log->file, &log->failure);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

// Reads at a place, not over a file's end; what is not there is zero.
static enum status place_read(struct audit_log *log, u64 place, void *out, size_t size)
{
    assert(place % AUDIT_LOG_FILE_SIZE + size <= AUDIT_LOG_FILE_SIZE);
    enum status status = file_select(log, place / AUDIT_LOG_FILE_SIZE);
    if (status != STATUS_OK) return status;
    const u64 offset = place % AUDIT_LOG_FILE_SIZE;
    const size_t within = (size_t)MIN((u64)size, log->end - MIN(place, log->end));
    size_t done = 0;
    if (log->file >= 0 && within > 0) {
        // The device reads on while what it brought is hashed.
        if (offset % (READ_AHEAD / 2) < size) {
            (void)posix_fadvise(log->file, (off_t)offset, (off_t)READ_AHEAD, POSIX_FADV_WILLNEED);
        }
        status = audit_file_read(log->file, offset, out, within, &done, &log->failure);
    }
    memset((u8 *)out + done, 0, size - done);
    return status;
}

static bool header_is_whole(const struct audit_header *header)
{
    return header->magic == AUDIT_FRAME_MAGIC &&
           header->checksum == checksum(&header->magic, sizeof *header - 16);
}

// Whether a whole header of this log with a later sequence, or this one's in another place, lies
// behind a place, up to the end of the next file: a crash leaves none (FORMAT.md, W-c).
static enum status later_find(struct audit_log *log, u64 place, u8 *scratch, bool *found)
{
    *found = false;
    const u64 end = (place / AUDIT_LOG_FILE_SIZE + 2) * AUDIT_LOG_FILE_SIZE;
    for (u64 at = align_down(place, SCAN_SIZE); at < end && !*found; at += SCAN_SIZE) {
        const enum status status = place_read(log, at, scratch, SCAN_SIZE);
        if (status != STATUS_OK) return status;
        if (log->file < 0) break;
        for (u64 page = 0; page < SCAN_SIZE; page += PAGE_SIZE) {
            struct audit_header header;
            memcpy(&header, scratch + page, sizeof header);
            if (at + page <= place || header.magic != AUDIT_FRAME_MAGIC) continue;
            *found |= header.sequence >= log->sequence && header_is_whole(&header) &&
                      (log->sequence == 0 || header.log_id == log->log_id ||
                       header.epoch > log->epoch); // Of a copy that was served.
        }
    }
    return STATUS_OK;
}

// --- judging -------------------------------------------------------------------------------------

static u64 head_size(const struct audit_header *header)
{
    return align_up(256 * (1 + (u64)header->command_count), PAGE_SIZE);
}

static bool size_is_possible(const struct audit_header *header, u64 place)
{
    const u64 size = 256 + header->body_size;
    return header->command_count <= AUDIT_COMMANDS_MAX &&
           header->body_size < AUDIT_FRAME_SIZE_MAX && size % PAGE_SIZE == 0 &&
           size >= head_size(header) && size <= AUDIT_FRAME_SIZE_MAX &&
           place % AUDIT_LOG_FILE_SIZE + size <= AUDIT_LOG_FILE_SIZE;
}

static void body_digest(const struct audit_header *header, const u8 *bytes, u64 size,
                        struct digest *out)
{
    struct digest digests[1 + AUDIT_FRAME_SIZE_MAX / AUDIT_CHUNK_SIZE];
    const u64 head = head_size(header);
    sha256(bytes + 256, head - 256, &digests[0]);
    sha256_chunks(bytes + head, size - head, AUDIT_CHUNK_SIZE, digests + 1);
    merkle_root(digests, 1 + (size - head + AUDIT_CHUNK_SIZE - 1) / AUDIT_CHUNK_SIZE, out);
}

static u32 header_problems(const struct audit_log *log, const struct audit_header *header)
{
    const bool is_first = log->sequence == 0;
    const bool same_log = is_first || header->log_id == log->log_id || header->epoch > log->epoch;
    const bool same_chain = memcmp(&header->previous, &log->previous, sizeof log->previous) == 0;
    const bool reserved = is_zero(header->reserved, sizeof header->reserved) &&
                          (header->flags | AUDIT_FRAME_FLAGS) == AUDIT_FRAME_FLAGS;
    return (u32)!same_log << AUDIT_FRAME_LOG_ID |
           (u32)(header->epoch < log->epoch) << AUDIT_FRAME_EPOCH |
           (u32)(header->position != log->position) << AUDIT_FRAME_POSITION |
           (u32)(header->timestamp <= log->timestamp) << AUDIT_FRAME_TIME |
           (u32)!same_chain << AUDIT_FRAME_CHAIN | (u32)!reserved << AUDIT_FRAME_RESERVED;
}

// What is damaged at a place where something follows, or NULL when the header can be gone by.
static const char *header_damage(const struct audit_log *log, const struct audit_header *header)
{
    if (is_zero(header, sizeof *header)) return "a frame is missing: later ones follow";
    if (!header_is_whole(header)) return "the header's checksum does not hold";
    if (header->format != AUDIT_FRAME_FORMAT || header->size_of_header != sizeof *header) {
        return "the header has a format that is not known";
    }
    if (header->sequence != log->sequence) return "the header has another frame's sequence";
    if (header->place != log->place) return "the header was written for another place";
    if (!size_is_possible(header, log->place)) return "the header has a size that cannot be";
    return NULL;
}

static void header_pass(struct audit_log *log, const struct audit_header *header,
                        struct audit_frame *frame)
{
    sha256(header, sizeof *header, &frame->hash);
    log->previous = frame->hash;
    log->place += frame->size;
    log->sequence = header->sequence + 1;
    log->position = header->position + header->command_count;
    log->timestamp = header->timestamp;
    log->epoch = header->epoch;
    log->log_id = header->log_id;
}

// Where no header is that can be gone by: an end, a torn one, or damage.
static enum status end_judge(struct audit_log *log, const char *damage, struct audit_frame *frame)
{
    struct audit_header header;
    memcpy(&header, frame->bytes, sizeof header);
    const bool is_nothing = is_zero(frame->bytes, PAGE_SIZE);
    // A whole header that says something else was written like this; a crash does not leave that.
    bool later = header_is_whole(&header);
    frame->state = AUDIT_LOG_DAMAGED;
    frame->damage = damage;
    if (later) return STATUS_OK;
    const enum status status = later_find(log, log->place, frame->bytes, &later);
    if (!later) frame->state = is_nothing ? AUDIT_LOG_END : AUDIT_LOG_TORN;
    return status;
}

static enum status frame_read(struct audit_log *log, struct audit_frame *frame)
{
    struct audit_header header;
    enum status status = place_read(log, log->place, frame->bytes, PAGE_SIZE);
    if (status != STATUS_OK) return status;
    memcpy(&header, frame->bytes, sizeof header);
    const u64 next_file = align_up(log->place, AUDIT_LOG_FILE_SIZE);
    if (next_file != log->place && is_zero(&header, sizeof header)) {
        // What did not fit into the file opens the next one.
        struct audit_header next;
        status = place_read(log, next_file, frame->bytes, PAGE_SIZE);
        if (status != STATUS_OK) return status;
        memcpy(&next, frame->bytes, sizeof next);
        if (header_is_whole(&next) && next.sequence == log->sequence) {
            log->place = next_file;
            header = next;
        }
    }
    *frame =
        (struct audit_frame){.bytes = frame->bytes, .place = log->place, .sequence = log->sequence};
    const char *damage = header_damage(log, &header);
    if (damage != NULL) {
        status = place_read(log, log->place, frame->bytes, PAGE_SIZE);
        return status == STATUS_OK ? end_judge(log, damage, frame) : status;
    }
    frame->size = 256 + header.body_size;
    frame->problems = header_problems(log, &header);
    status =
        place_read(log, log->place + PAGE_SIZE, frame->bytes + PAGE_SIZE, frame->size - PAGE_SIZE);
    if (status != STATUS_OK) return status;
    struct digest digest;
    body_digest(&header, frame->bytes, frame->size, &digest);
    if (memcmp(&digest, &header.body_digest, sizeof digest) != 0) {
        u8 *scratch = malloc(SCAN_SIZE);
        assert(scratch != NULL);
        bool later = false;
        log->sequence++; // Later than this one.
        status = later_find(log, log->place, scratch, &later);
        log->sequence--;
        free(scratch);
        if (status != STATUS_OK) return status;
        frame->problems |= 1u << AUDIT_FRAME_BODY;
        if (!later) frame->state = AUDIT_LOG_TORN;
    }
    header_pass(log, &header, frame);
    return STATUS_OK;
}

// --- the thread ----------------------------------------------------------------------------------

static void *log_thread(void *context)
{
    struct audit_log *log = context;
    for (bool is_over = false; !is_over;) {
        (void)pthread_mutex_lock(&log->mutex);
        while (!log->is_stopping && log->filled - log->taken == AUDIT_LOG_RING) {
            (void)pthread_cond_wait(&log->changed, &log->mutex);
        }
        is_over = log->is_stopping;
        struct audit_frame *frame = &log->ring[log->filled % AUDIT_LOG_RING];
        (void)pthread_mutex_unlock(&log->mutex);
        if (is_over) break;
        const enum status status = frame_read(log, frame);
        (void)pthread_mutex_lock(&log->mutex);
        log->status = status;
        if (status == STATUS_OK) log->filled++;
        is_over = status != STATUS_OK || frame->state != AUDIT_LOG_FRAME;
        (void)pthread_cond_broadcast(&log->changed);
        (void)pthread_mutex_unlock(&log->mutex);
    }
    return NULL;
}

enum status audit_log_start(struct audit_log *log, const struct audit_folder *folder, u64 end,
                            struct failure *failure)
{
    *log = (struct audit_log){.folder = folder, .end = end, .file = -1, .position = 1};
    (void)pthread_mutex_init(&log->mutex, NULL);
    (void)pthread_cond_init(&log->changed, NULL);
    for (u32 i = 0; i < AUDIT_LOG_RING; i++) {
        log->ring[i].bytes = malloc(AUDIT_FRAME_SIZE_MAX);
        assert(log->ring[i].bytes != NULL);
    }
    const int error = pthread_create(&log->thread, NULL, log_thread, log);
    if (error != 0) return failure_set_errno(failure, STATUS_IO, error, "starting a thread");
    log->is_started = true;
    return STATUS_OK;
}

void audit_log_stop(struct audit_log *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    log->is_stopping = true;
    (void)pthread_cond_broadcast(&log->changed);
    (void)pthread_mutex_unlock(&log->mutex);
    if (log->is_started) (void)pthread_join(log->thread, NULL);
    for (u32 i = 0; i < AUDIT_LOG_RING; i++) free(log->ring[i].bytes);
    if (log->file >= 0) (void)close(log->file);
    (void)pthread_cond_destroy(&log->changed);
    (void)pthread_mutex_destroy(&log->mutex);
}

enum status audit_log_next(struct audit_log *log, const struct audit_frame **frame,
                           struct failure *failure)
{
    (void)pthread_mutex_lock(&log->mutex);
    // The one that was handed out last is in the ring until now: `taken` counts those given back.
    if (*frame != NULL) log->taken++;
    (void)pthread_cond_broadcast(&log->changed);
    while (log->filled == log->taken && log->status == STATUS_OK) {
        (void)pthread_cond_wait(&log->changed, &log->mutex);
    }
    const enum status status = log->filled == log->taken ? log->status : STATUS_OK;
    *frame = &log->ring[log->taken % AUDIT_LOG_RING];
    if (status != STATUS_OK) *failure = log->failure;
    (void)pthread_mutex_unlock(&log->mutex);
    return status;
}
