// SPDX-License-Identifier: Apache-2.0
//
// Index files, written page by page.
#include "ledger/history_writer.h"

#include "base/checksum.h"
#include "os/memory.h"

#include <stdio.h>

// Pages that are written at once.
#define WRITER_PAGES 256u

static void writer_flush(struct index_writer *writer)
{
    u64 size = writer->buffered * PAGE_SIZE;
    u64 offset = writer->page * PAGE_SIZE - size;
    writer->buffered = 0; // Also after a failure, so that the pages that follow find room.
    if (size == 0 || writer->status != STATUS_OK) return;
    writer->status =
        disk_write_one(writer->disk, writer->file, offset, writer->buffer, size, writer->failure);
    // Written out as it goes, so that the last sync of a long file holds nobody up.
    if (writer->status == STATUS_OK) disk_pace(writer->disk, writer->file, offset, size);
}

static void *writer_page(struct index_writer *writer)
{
    if (writer->buffered == WRITER_PAGES) writer_flush(writer);
    void *page = writer->buffer + writer->buffered * PAGE_SIZE;
    memset(page, 0, PAGE_SIZE);
    writer->buffered++;
    writer->page++;
    return page;
}

// --- sections ------------------------------------------------------------------------------------

struct index_section index_section_begin(struct history *history, struct index_writer *writer,
                                         struct history_segment *segment,
                                         enum history_section section)
{
    segment->file.page_first[section] = writer->page;
    return (struct index_section){
        .history = history,
        .writer = writer,
        .segment = segment,
        .section = section,
        .filtered = section == SECTION_ID || section == SECTION_RESOLUTION,
        .fences = segment->file.fences[section],
    };
}

// Filters are larger than the cache: what is added to is fetched this many entries ahead.
#define FILTER_AHEAD 8u

static void section_filter(struct index_section *section)
{
    const struct history_index_page *page = section->page;
    struct history_sealed *file = &section->segment->file;
    u64 hashes[HISTORY_PAGE_ENTRIES];
    for (u32 i = 0; i < page->count; i++) {
        hashes[i] =
            history_filter_hash(section->history, section->section, (u32)(page->entries[i] >> 32));
    }
    for (u32 i = 0; i < page->count; i++) {
        u64 ahead = hashes[MIN(i + FILTER_AHEAD, page->count - 1)];
        filter_prefetch(file->filter, file->filter_size, ahead);
        filter_add(file->filter, file->filter_size, hashes[i]);
    }
}

void index_section_end(struct index_section *section)
{
    struct history_index_page *page = section->page;
    if (page == NULL) return;
    section->fences[section->fence_count++] = (u32)(page->entries[0] >> 32);
    if (section->filtered) section_filter(section);
    u128 sum = history_index_page_sum(section->segment, page);
    memcpy(page->checksum, &sum, sizeof page->checksum);
    section->page = NULL;
}

u64 *index_section_room(struct index_section *section, u32 *room)
{
    if (section->page == NULL) {
        section->page = writer_page(section->writer);
        section->page->page = (u32)(section->writer->page - 1);
    }
    *room = HISTORY_PAGE_ENTRIES - section->page->count;
    return &section->page->entries[section->page->count];
}

void index_section_added(struct index_section *section, u32 count)
{
    section->page->count += count;
    if (section->page->count == HISTORY_PAGE_ENTRIES) index_section_end(section);
}

// --- the file ------------------------------------------------------------------------------------

static void head_write(struct index_writer *writer, const struct history_segment *segment)
{
    const struct history_sealed *file = &segment->file;
    u64 meta_page = writer->page;
    for (size_t at = 0; at < file->memory_size; at += PAGE_SIZE) {
        memcpy(writer_page(writer), (const u8 *)file->memory + at,
               MIN(PAGE_SIZE, file->memory_size - at));
    }
    writer_flush(writer);
    u8 bytes[PAGE_SIZE] = {0};
    struct history_index_head head = {
        .magic = HISTORY_INDEX_MAGIC,
        .format = HISTORY_FORMAT,
        .section_count = SECTION_COUNT,
        .first_row = segment->first_row,
        .row_count = segment->row_count,
        .id_max = segment->id_max,
        .timestamp_min = segment->timestamp_min,
        .timestamp_max = segment->timestamp_max,
        .meta_offset = meta_page * PAGE_SIZE,
        .meta_size = file->memory_size,
        .filter_size = file->filter_size,
    };
    u128 sum = checksum(file->memory, file->memory_size);
    memcpy(head.meta_checksum, &sum, sizeof head.meta_checksum);
    memcpy(head.page_first, file->page_first, sizeof head.page_first);
    memcpy(head.entry_count, file->entry_count, sizeof head.entry_count);
    memcpy(bytes, &head, sizeof head);
    sum = checksum(bytes + 16, sizeof bytes - 16);
    memcpy(bytes, &sum, 16);
    if (writer->status == STATUS_OK) {
        writer->status =
            disk_write_one(writer->disk, writer->file, 0, bytes, sizeof bytes, writer->failure);
    }
}

// What the file will have in the end.
static u64 index_file_size(const struct history_sealed *file)
{
    u64 pages = 1 + align_up(file->memory_size, PAGE_SIZE) / PAGE_SIZE;
    for (u32 i = 0; i < SECTION_COUNT; i++) pages += history_section_pages(file->entry_count[i]);
    return pages * PAGE_SIZE;
}

enum status index_writer_open(struct history *history, struct index_writer *writer,
                              struct history_segment *segment, struct failure *failure)
{
    struct history_sealed *file = &segment->file;
    *writer = (struct index_writer){.disk = history->disk, .failure = failure, .page = 1};
    enum status status = history_meta_layout(file, segment->row_count, failure);
    if (status != STATUS_OK) return status;
    void *buffer = NULL;
    status = memory_reserve(WRITER_PAGES * PAGE_SIZE, false, &buffer, failure);
    if (status != STATUS_OK) goto release_meta;
    writer->buffer = buffer;
    char name[DISK_NAME_SIZE_MAX];
    history_file_name(file->name, segment->first_row, segment->row_count);
    (void)snprintf(name, sizeof name, "%.56s.tmp", file->name);
    status = history_spare_take(history, name, index_file_size(file), failure);
    if (status == STATUS_OK) {
        status = disk_open(history->disk, name, DISK_CREATE, &writer->file, failure);
    }
    if (status == STATUS_OK) return STATUS_OK;
    memory_release(buffer, WRITER_PAGES * PAGE_SIZE);
release_meta:
    memory_release(file->memory, file->memory_size);
    return status;
}

enum status index_writer_finish(struct history *history, struct index_writer *writer,
                                struct history_segment *segment, struct failure *failure)
{
    char name[DISK_NAME_SIZE_MAX];
    (void)snprintf(name, sizeof name, "%.56s.tmp", segment->file.name);
    head_write(writer, segment);
    memory_release(writer->buffer, WRITER_PAGES * PAGE_SIZE);
    enum status status = writer->status;
    if (status == STATUS_OK) status = disk_sync(history->disk, writer->file, failure);
    if (status == STATUS_OK) {
        status = disk_rename(history->disk, name, segment->file.name, failure);
    }
    if (status != STATUS_OK) {
        disk_close(history->disk, writer->file);
        memory_release(segment->file.memory, segment->file.memory_size);
        return failure_wrap(failure, "sealing history rows %llu to %llu",
                            (unsigned long long)segment->first_row,
                            (unsigned long long)(segment->first_row + segment->row_count - 1));
    }
    segment->file.file = writer->file;
    segment->sealed = true;
    atomic_fetch_add(&history->filter_bytes, segment->file.filter_size);
    return STATUS_OK;
}
