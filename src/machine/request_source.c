// SPDX-License-Identifier: Apache-2.0
//
// Requests from the log or from the frames on their way to it.
#include "machine/request_source.h"

void request_source_init(struct request_source *source, struct wal *wal)
{
    memset(source, 0, sizeof *source);
    source->wal = wal;
    atomic_store(&source->durable, U64_MAX);
}

static const struct request_frame *frame_of(const struct request_source *source, u64 place)
{
    for (u64 i = source->first; i < source->next; i++) {
        const struct request_frame *frame = &source->frames[i % REQUEST_SOURCE_FRAMES_MAX];
        if (place >= frame->place && place < frame->place + frame->size) return frame;
    }
    return NULL;
}

static void copy_from(const struct request_frame *frame, u64 place, void *out, size_t size)
{
    u64 offset = place - frame->place;
    u8 *bytes = out;
    for (u32 i = 0; i < frame->part_count && size > 0; i++) {
        const struct frame_part *part = &frame->parts[i];
        if (offset >= part->size) {
            offset -= part->size;
            continue;
        }
        size_t take = MIN(size, part->size - offset);
        memcpy(bytes, part->data + offset, take);
        bytes += take;
        size -= take;
        offset = 0;
    }
    assert(size == 0);
}

static enum status source_read(void *context, u64 place, void *out, size_t size,
                               struct failure *failure)
{
    struct request_source *source = context;
    if (place < atomic_load_explicit(&source->durable, memory_order_acquire)) {
        return wal_read(source->wal, place, out, size, failure);
    }
    // History, which is read from files, may say anything of where a request is.
    const struct request_frame *frame = frame_of(source, place);
    if (frame == NULL || size > frame->place + frame->size - place) {
        return failure_set(failure, STATUS_CORRUPT, "there is no request at place %llu of the log",
                           (unsigned long long)place);
    }
    copy_from(frame, place, out, size);
    return STATUS_OK;
}

static void source_prefetch(void *context, u64 place, size_t size)
{
    struct request_source *source = context;
    wal_prefetch(source->wal, place, size);
}

static void source_advise(void *context, u64 place, size_t size)
{
    struct request_source *source = context;
    wal_advise(source->wal, place, size);
}

static enum status source_frame(void *context, u64 place, struct history_frame *out,
                                struct failure *failure)
{
    struct request_source *source = context;
    struct frame_header header;
    // Any thread asks; what it may know of is durable, whatever the place is that it was told.
    if (place >= atomic_load_explicit(&source->durable, memory_order_acquire)) {
        return failure_set(failure, STATUS_CORRUPT, "there is no frame at place %llu of the log",
                           (unsigned long long)place);
    }
    enum status status = wal_read(source->wal, place, &header, sizeof header, failure);
    if (status != STATUS_OK) return status;
    if (!frame_header_valid(&header) || header.place != place) {
        return failure_set(failure, STATUS_CORRUPT, "there is no frame at place %llu of the log",
                           (unsigned long long)place);
    }
    *out = (struct history_frame){
        .log_id = header.log_id,
        .epoch = header.epoch,
        .sequence = header.sequence,
        .position = header.position,
        .timestamp = header.timestamp,
    };
    sha256(&header, sizeof header, &out->header);
    return STATUS_OK;
}

struct history_log request_source_log(struct request_source *source)
{
    return (struct history_log){
        .context = source,
        .read = source_read,
        .prefetch = source_prefetch,
        .advise = source_advise,
        .frame = source_frame,
    };
}

void request_source_add(struct request_source *source, const struct request_frame *frame)
{
    u64 durable = atomic_load_explicit(&source->durable, memory_order_acquire);
    while (source->first < source->next) {
        const struct request_frame *first =
            &source->frames[source->first % REQUEST_SOURCE_FRAMES_MAX];
        if (first->place + first->size > durable) break;
        source->first++;
    }
    assert(source->next - source->first < REQUEST_SOURCE_FRAMES_MAX);
    source->frames[source->next++ % REQUEST_SOURCE_FRAMES_MAX] = *frame;
}

void request_source_durable(struct request_source *source, u64 place)
{
    atomic_store_explicit(&source->durable, place, memory_order_release);
}
