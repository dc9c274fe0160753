// SPDX-License-Identifier: Apache-2.0
//
// Index files: their names, how they lie in memory, loading them.
#include "ledger/history_file.h"

#include "os/memory.h"

#include <stdio.h>

void history_file_name(char out[DISK_NAME_SIZE_MAX], u64 first_row, u64 row_count)
{
    (void)snprintf(out, DISK_NAME_SIZE_MAX, "index-%016llx-%010llx", (unsigned long long)first_row,
                   (unsigned long long)row_count);
}

enum status history_meta_layout(struct history_sealed *file, u64 row_count, struct failure *failure)
{
    u64 fences = 0;
    for (u32 i = 0; i < SECTION_COUNT; i++) fences += history_section_pages(file->entry_count[i]);
    u64 keys = file->entry_count[SECTION_ID] + file->entry_count[SECTION_RESOLUTION];
    file->filter_size = filter_size(MAX(keys, 1));
    size_t fence_size = align_up(fences * sizeof(u32), CACHE_LINE_SIZE);
    file->memory_size =
        fence_size + file->filter_size + ORDER_COUNT * history_fence_count(row_count) * sizeof(u64);
    void *memory = NULL;
    enum status status = memory_reserve(file->memory_size, true, &memory, failure);
    if (status != STATUS_OK) return status;
    file->memory = memory;
    u32 *fence = memory;
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        file->fences[i] = fence;
        fence += history_section_pages(file->entry_count[i]);
    }
    file->filter = (u8 *)memory + fence_size;
    for (u32 i = 0; i < ORDER_COUNT; i++) {
        file->latest[i] =
            (u64 *)(void *)(file->filter + file->filter_size) + i * history_fence_count(row_count);
    }
    return STATUS_OK;
}

static enum status index_damaged(const struct history_segment *segment, u64 offset,
                                 struct failure *failure)
{
    (void)failure_set(failure, STATUS_CORRUPT, "history: %s, offset %llu is damaged",
                      segment->file.name, (unsigned long long)offset);
    failure_hint(failure, HISTORY_DAMAGE_HINT);
    return STATUS_CORRUPT;
}

enum status history_index_page_read(struct history *history, const struct history_segment *segment,
                                    u64 page, struct history_index_page *out,
                                    struct failure *failure)
{
    enum status status =
        disk_read(history->disk, segment->file.file, page * PAGE_SIZE, out, sizeof *out, failure);
    if (status != STATUS_OK) return status;
    u128 sum = history_index_page_sum(segment, out);
    if (memcmp(&sum, out->checksum, sizeof out->checksum) != 0 || out->page != page ||
        out->count > HISTORY_PAGE_ENTRIES) {
        return index_damaged(segment, page * PAGE_SIZE, failure);
    }
    return STATUS_OK;
}

static enum status head_load(struct history *history, struct history_segment *segment,
                             struct history_index_head *head, struct failure *failure)
{
    u8 bytes[PAGE_SIZE];
    struct history_sealed *file = &segment->file;
    enum status status = disk_read(history->disk, file->file, 0, bytes, sizeof bytes, failure);
    if (status != STATUS_OK) return status;
    memcpy(head, bytes, sizeof *head);
    u128 sum = checksum(bytes + 16, sizeof bytes - 16);
    if (memcmp(&sum, head->checksum, sizeof head->checksum) != 0 ||
        head->magic != HISTORY_INDEX_MAGIC || head->first_row != segment->first_row ||
        head->row_count != segment->row_count) {
        return index_damaged(segment, 0, failure);
    }
    if (head->format != HISTORY_FORMAT || head->section_count != SECTION_COUNT) {
        failure_note(failure, STATUS_UNSUPPORTED, "%s has format %u; this binary reads %u",
                     file->name, head->format, HISTORY_FORMAT);
        failure_hint(failure,
                     "remove checkpoint-*, rows-*, tree-* and index-*, never log-*, and start "
                     "again: they are made from the log, which takes a while");
        return STATUS_UNSUPPORTED;
    }
    segment->id_max = head->id_max;
    segment->timestamp_min = head->timestamp_min;
    segment->timestamp_max = head->timestamp_max;
    memcpy(file->page_first, head->page_first, sizeof file->page_first);
    memcpy(file->entry_count, head->entry_count, sizeof file->entry_count);
    return STATUS_OK;
}

enum status history_segment_load(struct history *history, struct history_segment *segment,
                                 struct failure *failure)
{
    struct history_sealed *file = &segment->file;
    history_file_name(file->name, segment->first_row, segment->row_count);
    enum status status = disk_open(history->disk, file->name, DISK_READ_ONLY, &file->file, failure);
    if (status != STATUS_OK) return failure_wrap(failure, "loading history");
    struct history_index_head head;
    status = head_load(history, segment, &head, failure);
    if (status == STATUS_OK) status = history_meta_layout(file, segment->row_count, failure);
    if (status != STATUS_OK) {
        disk_close(history->disk, file->file);
        return status;
    }
    if (file->memory_size != head.meta_size || file->filter_size != head.filter_size) {
        status = index_damaged(segment, 0, failure);
    } else {
        status = disk_read(history->disk, file->file, head.meta_offset, file->memory,
                           file->memory_size, failure);
    }
    if (status == STATUS_OK) {
        u128 sum = checksum(file->memory, file->memory_size);
        if (memcmp(&sum, head.meta_checksum, sizeof head.meta_checksum) != 0) {
            status = index_damaged(segment, head.meta_offset, failure);
        }
    }
    if (status != STATUS_OK) {
        memory_release(file->memory, file->memory_size);
        disk_close(history->disk, file->file);
        return status;
    }
    atomic_fetch_add(&history->filter_bytes, file->filter_size);
    return STATUS_OK;
}
