// SPDX-License-Identifier: Apache-2.0
//
// History on disk: writing a live segment as a sealed one, loading sealed ones, merging neighbours.
//
// A sealed file is written under a temporary name, synced and renamed, so a crash leaves either no
// file or a whole one (docs/FORMAT.md, crash cases H-a to H-c). Rows files are only ever extended
// with whole pages behind every page that a checkpoint relies on.
#include "base/checksum.h"
#include "base/sort.h"
#include "ledger/history_file.h"
#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define WRITER_PAGES 256u

// --- a file written page by page ----------------------------------------------------------------

struct writer {
    struct disk *disk;
    disk_handle file;
    u8 *buffer; // WRITER_PAGES pages.
    u32 buffered;
    u64 page; // Next page of the file.
    struct failure *failure;
    enum status status;
};

static void writer_flush(struct writer *writer)
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

static void *writer_page(struct writer *writer)
{
    if (writer->buffered == WRITER_PAGES) writer_flush(writer);
    void *page = writer->buffer + writer->buffered * PAGE_SIZE;
    memset(page, 0, PAGE_SIZE);
    writer->buffered++;
    writer->page++;
    return page;
}

// --- one section --------------------------------------------------------------------------------

struct section_writer {
    struct history *history;
    struct writer *writer;
    struct history_segment *segment; // What is written.
    enum history_section section;
    bool filtered; // Its keys go into the filter.
    struct history_index_page *page;
    u32 *fences;
    u64 fence_count;
};

static struct section_writer section_begin(struct history *history, struct writer *writer,
                                           struct history_segment *segment,
                                           enum history_section section)
{
    segment->file.page_first[section] = writer->page;
    return (struct section_writer){
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

static void section_filter(struct section_writer *section)
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

static void section_page_end(struct section_writer *section)
{
    struct history_index_page *page = section->page;
    if (page == NULL) return;
    section->fences[section->fence_count++] = (u32)(page->entries[0] >> 32);
    if (section->filtered) section_filter(section);
    u128 sum = history_index_page_sum(section->segment, page);
    memcpy(page->checksum, &sum, sizeof page->checksum);
    section->page = NULL;
}

// Where the next entries of the section go; `*room` of them at most (never 0).
static u64 *section_room(struct section_writer *section, u32 *room)
{
    if (section->page == NULL) {
        section->page = writer_page(section->writer);
        section->page->page = (u32)(section->writer->page - 1);
    }
    *room = HISTORY_PAGE_ENTRIES - section->page->count;
    return &section->page->entries[section->page->count];
}

// Entries were put where section_room said.
static void section_added(struct section_writer *section, u32 count)
{
    section->page->count += count;
    if (section->page->count == HISTORY_PAGE_ENTRIES) section_page_end(section);
}

// --- the tables behind the sections -------------------------------------------------------------

// Lays fences, filter and latest timestamps out in one block, which is also how they lie in the
// file.
static enum status meta_layout(struct history_sealed *file, u64 row_count, struct failure *failure)
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

static void head_write(struct writer *writer, const struct history_segment *segment)
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

// Gives an old file a new life under `name`, if there is one to spare: written-over blocks cost the
// file system nothing, while freed ones hold the device up.
static enum status spare_take(struct history *history, const char *name, struct failure *failure)
{
    char spare[DISK_NAME_SIZE_MAX] = "";
    (void)pthread_mutex_lock(&history->mutex);
    if (history->spare_count > 0) {
        memcpy(spare, history->spares[--history->spare_count], sizeof spare);
    }
    (void)pthread_mutex_unlock(&history->mutex);
    if (spare[0] == 0) return disk_remove(history->disk, name, failure);
    return disk_rename(history->disk, spare, name, failure);
}

// Opens the temporary file that becomes `segment`.
static enum status writer_open(struct history *history, struct writer *writer,
                               struct history_segment *segment, struct failure *failure)
{
    *writer = (struct writer){.disk = history->disk, .failure = failure, .page = 1};
    void *buffer = NULL;
    enum status status = memory_reserve(WRITER_PAGES * PAGE_SIZE, false, &buffer, failure);
    if (status != STATUS_OK) return status;
    writer->buffer = buffer;
    char name[DISK_NAME_SIZE_MAX];
    history_file_name(segment->file.name, segment->first_row, segment->row_count);
    (void)snprintf(name, sizeof name, "%.56s.tmp", segment->file.name);
    status = spare_take(history, name, failure);
    if (status == STATUS_OK) {
        status = disk_open(history->disk, name, DISK_CREATE, &writer->file, failure);
    }
    if (status != STATUS_OK) memory_release(buffer, WRITER_PAGES * PAGE_SIZE);
    return status;
}

// Makes the file durable under its name. The segment keeps the handle.
static enum status writer_finish(struct history *history, struct writer *writer,
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

// --- rows ---------------------------------------------------------------------------------------

static enum status rows_write_range(struct history *history, const struct history_live *live,
                                    u64 first_row, u64 first_page, u64 page_count, u8 *buffer,
                                    struct failure *failure)
{
    struct history_rows_file *file = NULL;
    enum status status =
        history_rows_open(history, first_page / HISTORY_ROWS_FILE_PAGES, true, &file, failure);
    if (status != STATUS_OK) return status;
    for (u64 done = 0; done < page_count;) {
        u64 count = MIN(page_count - done, WRITER_PAGES);
        for (u64 i = 0; i < count; i++) {
            struct history_rows_page *page = (void *)(buffer + i * PAGE_SIZE);
            u64 row = (first_page + done + i) * HISTORY_PAGE_ROWS;
            memset(page, 0, offsetof(struct history_rows_page, rows));
            page->magic = HISTORY_ROWS_MAGIC;
            page->first_row = row;
            memcpy(page->rows, live->rows + (row - first_row), sizeof page->rows);
            u128 sum = checksum((const u8 *)page + 16, sizeof *page - 16);
            memcpy(page->checksum, &sum, sizeof page->checksum);
        }
        u64 offset = (first_page + done) % HISTORY_ROWS_FILE_PAGES * PAGE_SIZE;
        status =
            disk_write_one(history->disk, file->handle, offset, buffer, count * PAGE_SIZE, failure);
        if (status != STATUS_OK) return status;
        disk_pace(history->disk, file->handle, offset, count * PAGE_SIZE);
        done += count;
    }
    status = disk_sync(history->disk, file->handle, failure);
    if (status != STATUS_OK) return status;
    return history_rows_read_back(history, first_page, page_count, failure);
}

// Writes the rows of a live segment into the rows files and makes them durable.
static enum status rows_write(struct history *history, const struct history_segment *segment,
                              struct failure *failure)
{
    void *buffer = NULL;
    enum status status = memory_reserve(WRITER_PAGES * PAGE_SIZE, false, &buffer, failure);
    if (status != STATUS_OK) return status;
    u64 page = segment->first_row / HISTORY_PAGE_ROWS;
    u64 end = page + segment->live->row_count / HISTORY_PAGE_ROWS;
    while (page < end && status == STATUS_OK) {
        u64 file_end = (page / HISTORY_ROWS_FILE_PAGES + 1) * HISTORY_ROWS_FILE_PAGES;
        u64 count = MIN(end, file_end) - page;
        status = rows_write_range(history, segment->live, segment->first_row, page, count, buffer,
                                  failure);
        page += count;
    }
    memory_release(buffer, WRITER_PAGES * PAGE_SIZE);
    return status;
}

// --- sealing ------------------------------------------------------------------------------------

enum status history_seal(struct history *history, struct history_segment *segment,
                         struct failure *failure)
{
    struct history_live *live = segment->live;
    assert(live->row_count % HISTORY_PAGE_ROWS == 0);
    enum status status = rows_write(history, segment, failure);
    if (status != STATUS_OK) return status;
    struct history_segment *sealed = calloc(1, sizeof *sealed);
    assert(sealed != NULL);
    sealed->first_row = segment->first_row;
    sealed->row_count = live->row_count;
    sealed->id_max = segment->id_max;
    sealed->timestamp_min = segment->timestamp_min;
    sealed->timestamp_max = segment->timestamp_max;
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        sealed->file.entry_count[i] = atomic_load(&live->lists[i].count);
    }
    struct writer writer;
    status = meta_layout(&sealed->file, sealed->row_count, failure);
    if (status == STATUS_OK) {
        status = writer_open(history, &writer, sealed, failure);
        if (status != STATUS_OK) memory_release(sealed->file.memory, sealed->file.memory_size);
    }
    if (status != STATUS_OK) {
        free(sealed);
        return status;
    }
    for (u32 i = 0; i < ORDER_COUNT; i++) {
        memcpy(sealed->file.latest[i], live->latest[i],
               history_fence_count(sealed->row_count) * sizeof(u64));
    }
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        // Readers scan the list while it is live, so it is sorted in a copy.
        u64 count = sealed->file.entry_count[i];
        struct section_writer section =
            section_begin(history, &writer, sealed, (enum history_section)i);
        u64 *sorted = history->sort_scratch;
        memcpy(sorted, live->lists[i].entries, count * sizeof(u64));
        sort_u64_by_high32(sorted, sorted + HISTORY_LIVE_ROWS_MAX, count);
        for (u64 done = 0; done < count;) {
            u32 room = 0;
            u64 *out = section_room(&section, &room);
            u32 take = (u32)MIN(room, count - done);
            memcpy(out, sorted + done, take * sizeof *out);
            section_added(&section, take);
            done += take;
        }
        section_page_end(&section);
    }
    status = writer_finish(history, &writer, sealed, failure);
    if (status != STATUS_OK) {
        free(sealed);
        return status;
    }
    history_replace(history, segment, 1, sealed);
    return STATUS_OK;
}

// --- loading ------------------------------------------------------------------------------------

static enum status index_damaged(const struct history_segment *segment, u64 offset,
                                 struct failure *failure)
{
    (void)failure_set(failure, STATUS_CORRUPT, "history: %s, offset %llu is damaged",
                      segment->file.name, (unsigned long long)offset);
    failure_hint(failure, "history is made from the log: stop the server, remove the checkpoints, "
                          "rows-* and index-* files, and start it to rebuild them");
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
        failure_hint(failure, "remove checkpoint-*, rows-* and index-*, never log-*, and start "
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
    if (status == STATUS_OK) status = meta_layout(file, segment->row_count, failure);
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

// --- merging ------------------------------------------------------------------------------------

// Reads the entries of one section of one file in order.
struct run {
    const struct history_segment *segment;
    u64 next_page;
    u64 end_page;
    u64 shift; // Added to rows: where the segment begins in the merged one.
    u32 at;
    struct history_index_page page;
};

// The head of a run; U64_MAX behind the last entry (no entry has row 2^32 - 1).
static inline u64 run_head(const struct run *run)
{
    return run->at < run->page.count ? run->page.entries[run->at] + run->shift : U64_MAX;
}

// Loads the page of the run's next entry, if there is one.
static enum status run_refill(struct history *history, struct run *run, struct failure *failure)
{
    while (run->at >= run->page.count && run->next_page < run->end_page) {
        enum status status =
            history_index_page_read(history, run->segment, run->next_page++, &run->page, failure);
        if (status != STATUS_OK) return status;
        run->at = 0;
    }
    return STATUS_OK;
}

static inline enum status run_advance(struct history *history, struct run *run, u64 *head,
                                      struct failure *failure)
{
    run->at++;
    if (UNLIKELY(run->at == run->page.count)) {
        enum status status = run_refill(history, run, failure);
        if (status != STATUS_OK) return status;
    }
    *head = run_head(run);
    return STATUS_OK;
}

static enum status runs_open(struct history *history, struct history_segment *const *group,
                             enum history_section section, struct run *runs, u64 *heads,
                             struct failure *failure)
{
    for (u32 i = 0; i < HISTORY_MERGE_FANIN; i++) {
        const struct history_sealed *file = &group[i]->file;
        runs[i] = (struct run){
            .segment = group[i],
            .next_page = file->page_first[section],
            .end_page =
                file->page_first[section] + history_section_pages(file->entry_count[section]),
            .shift = group[i]->first_row - group[0]->first_row,
        };
        enum status status = run_refill(history, &runs[i], failure);
        if (status != STATUS_OK) return status;
        heads[i] = run_head(&runs[i]);
    }
    return STATUS_OK;
}

// A run that gave the least entry so often in a row is likely to go on: keys that many rows share
// lie behind one another. It is then followed up to the least of the others.
#define MERGE_GALLOP 8u

static inline u64 least_of_others(const u64 *heads, u32 least)
{
    u64 bound = U64_MAX;
    for (u32 i = 0; i < HISTORY_MERGE_FANIN; i++) {
        if (i != least) bound = MIN(bound, heads[i]);
    }
    return bound;
}

// Merges the next entries into `out`, `room` at most. `*count` is less only at the end.
static enum status merge_some(struct history *history, struct run *runs, u64 *heads, u64 *out,
                              u32 room, u32 *count, struct failure *failure)
{
    u32 last = 0;
    u32 wins = 0;
    u32 done = 0;
    enum status status = STATUS_OK;
    while (done < room && status == STATUS_OK) {
        u32 least = 0;
        for (u32 i = 1; i < HISTORY_MERGE_FANIN; i++) {
            if (heads[i] < heads[least]) least = i;
        }
        if (heads[least] == U64_MAX) break;
        out[done++] = heads[least];
        status = run_advance(history, &runs[least], &heads[least], failure);
        wins = least == last ? wins + 1 : 0;
        last = least;
        if (wins < MERGE_GALLOP) continue;
        u64 bound = least_of_others(heads, least);
        while (done < room && heads[least] < bound && status == STATUS_OK) {
            out[done++] = heads[least];
            status = run_advance(history, &runs[least], &heads[least], failure);
        }
        wins = 0;
    }
    *count = done;
    return status;
}

static enum status merge_section(struct history *history, struct history_segment *const *group,
                                 enum history_section index, struct run *runs,
                                 struct section_writer *section, struct failure *failure)
{
    u64 heads[HISTORY_MERGE_FANIN];
    u64 left = section->segment->file.entry_count[index];
    enum status status = runs_open(history, group, index, runs, heads, failure);
    while (left > 0 && status == STATUS_OK) {
        u32 room = 0;
        u32 count = 0;
        u64 *out = section_room(section, &room);
        room = (u32)MIN(room, left);
        status = merge_some(history, runs, heads, out, room, &count, failure);
        if (status == STATUS_OK && count < room) {
            return failure_set(failure, STATUS_CORRUPT, "%s: section %d has too few entries",
                               section->segment->file.name, (int)index);
        }
        section_added(section, count);
        left -= count;
    }
    section_page_end(section);
    return status == STATUS_OK ? section->writer->status : status;
}

// More segments than this are merged even where it does not pay.
#define MERGE_SEGMENTS_MANY 256u

// Finds the cheapest HISTORY_MERGE_FANIN sealed neighbours whose merge is worth its writing: the
// result is at least three times their largest, so that a row is written O(log rows) times.
static bool merge_candidate(const struct history_set *set, u64 boundary, u32 *first)
{
    u64 best = 1ull << 31; // Rows within a segment have 32 bits.
    for (u32 start = 0; start + HISTORY_MERGE_FANIN <= set->count; start++) {
        u64 rows = 0;
        u64 largest = 0;
        bool sealed = true;
        for (u32 j = start; j < start + HISTORY_MERGE_FANIN; j++) {
            sealed = sealed && set->segments[j]->sealed;
            rows += set->segments[j]->row_count;
            largest = MAX(largest, set->segments[j]->row_count);
        }
        if (!sealed || rows >= best) continue;
        u64 row = set->segments[start]->first_row;
        if (boundary > row && boundary < row + rows) continue;
        if (rows < 3 * largest && set->count < MERGE_SEGMENTS_MANY) continue;
        best = rows;
        *first = start;
    }
    return best < 1ull << 31;
}

// The latest timestamp of one order among the first `end` (not 0) rows of a sealed segment: from
// its own fences, and from the rows where `end` lies within a fence's that have one.
static enum status latest_before(struct history *history, const struct history_set *set,
                                 const struct history_segment *segment, enum history_order order,
                                 u64 end, u64 *out, struct failure *failure)
{
    const u64 *latest = segment->file.latest[order];
    u64 fence = (end - 1) / HISTORY_FENCE_ROWS;
    u64 before = fence == 0 ? 0 : latest[fence - 1];
    *out = latest[fence];
    if (*out == before || end == MIN((fence + 1) * HISTORY_FENCE_ROWS, segment->row_count)) {
        return STATUS_OK;
    }
    for (u64 row = end; row-- > fence * HISTORY_FENCE_ROWS;) {
        struct outcome outcome;
        enum status status = history_row(history, set, segment->first_row + row, &outcome, failure);
        if (status != STATUS_OK) return status;
        *out = outcome.timestamp;
        if (outcome_is_in_order(&outcome, order)) return STATUS_OK;
    }
    *out = before;
    return STATUS_OK;
}

// Makes the latest timestamps of a merged segment. They must be exact: its fences lie elsewhere
// than those of its parts, whose rows are whole pages and not whole fences.
static enum status merge_latest(struct history *history, const struct history_set *set,
                                struct history_segment *const *group,
                                struct history_segment *merged, struct failure *failure)
{
    for (u32 order = 0; order < ORDER_COUNT; order++) {
        u32 part = 0;
        u64 carried = 0; // The latest of the parts before this one.
        for (u64 i = 0; i < history_fence_count(merged->row_count); i++) {
            u64 end = MIN((i + 1) * HISTORY_FENCE_ROWS, merged->row_count) + merged->first_row;
            while (end > group[part]->first_row + group[part]->row_count) {
                u64 fences = history_fence_count(group[part]->row_count);
                if (fences > 0) carried = MAX(carried, group[part]->file.latest[order][fences - 1]);
                part++;
            }
            u64 own = 0;
            enum status status = latest_before(history, set, group[part], (enum history_order)order,
                                               end - group[part]->first_row, &own, failure);
            if (status != STATUS_OK) return status;
            merged->file.latest[order][i] = MAX(carried, own);
        }
    }
    return STATUS_OK;
}

static enum status merge_group(struct history *history, const struct history_set *set,
                               struct history_segment *const *group, struct history_segment *merged,
                               struct failure *failure)
{
    const struct history_segment *last = group[HISTORY_MERGE_FANIN - 1];
    merged->first_row = group[0]->first_row;
    merged->row_count = last->first_row + last->row_count - merged->first_row;
    for (u32 i = 0; i < HISTORY_MERGE_FANIN; i++) {
        if (group[i]->id_max > merged->id_max) merged->id_max = group[i]->id_max;
        if (merged->timestamp_min == 0) merged->timestamp_min = group[i]->timestamp_min;
        merged->timestamp_max = MAX(merged->timestamp_max, group[i]->timestamp_max);
        for (u32 j = 0; j < SECTION_COUNT; j++) {
            merged->file.entry_count[j] += group[i]->file.entry_count[j];
        }
    }
    struct writer writer;
    enum status status = meta_layout(&merged->file, merged->row_count, failure);
    if (status != STATUS_OK) return status;
    status = writer_open(history, &writer, merged, failure);
    if (status != STATUS_OK) {
        memory_release(merged->file.memory, merged->file.memory_size);
        return status;
    }
    status = merge_latest(history, set, group, merged, failure);
    struct run *runs = calloc(HISTORY_MERGE_FANIN, sizeof *runs);
    assert(runs != NULL);
    for (u32 i = 0; i < SECTION_COUNT && status == STATUS_OK; i++) {
        struct section_writer section =
            section_begin(history, &writer, merged, (enum history_section)i);
        status = merge_section(history, group, (enum history_section)i, runs, &section, failure);
    }
    free(runs);
    if (status != STATUS_OK) writer.status = status;
    return writer_finish(history, &writer, merged, failure);
}

enum status history_merge(struct history *history, bool *merged_any, struct failure *failure)
{
    *merged_any = false;
    struct history_set *set = history_set_acquire(history);
    u32 first = 0;
    if (!merge_candidate(set, atomic_load(&history->boundary), &first)) {
        history_set_release(history, set);
        return STATUS_OK;
    }
    set = history_set_narrow(history, set, first, HISTORY_MERGE_FANIN);
    struct history_segment *merged = calloc(1, sizeof *merged);
    assert(merged != NULL);
    enum status status = merge_group(history, set, set->segments, merged, failure);
    if (status != STATUS_OK) {
        free(merged);
        history_set_release(history, set);
        return status;
    }
    history_replace(history, set->segments[0], HISTORY_MERGE_FANIN, merged);
    (void)pthread_mutex_lock(&history->mutex);
    for (u32 i = 0; i < HISTORY_MERGE_FANIN; i++) {
        assert(history->retired_count < HISTORY_SEGMENTS_MAX);
        struct history_retired *retired = &history->retired[history->retired_count++];
        *retired = (struct history_retired){.number = history->retired_number++};
        memcpy(retired->name, set->segments[i]->file.name, DISK_NAME_SIZE_MAX);
    }
    (void)pthread_mutex_unlock(&history->mutex);
    history_set_release(history, set);
    *merged_any = true;
    return STATUS_OK;
}

u64 history_retired(struct history *history)
{
    (void)pthread_mutex_lock(&history->mutex);
    u64 number = history->retired_number;
    (void)pthread_mutex_unlock(&history->mutex);
    return number;
}

// Called with the mutex held.
static void spares_gather(struct history *history)
{
    u32 kept = 0;
    for (u32 i = 0; i < history->retired_count; i++) {
        const struct history_retired *retired = &history->retired[i];
        if (retired->unnamed && retired->closed) {
            assert(history->spare_count < HISTORY_SEGMENTS_MAX);
            memcpy(history->spares[history->spare_count++], retired->name, DISK_NAME_SIZE_MAX);
        } else {
            history->retired[kept++] = *retired;
        }
    }
    history->retired_count = kept;
}

void history_discard(struct history *history, u64 number)
{
    (void)pthread_mutex_lock(&history->mutex);
    for (u32 i = 0; i < history->retired_count; i++) {
        if (history->retired[i].number < number) history->retired[i].unnamed = true;
    }
    spares_gather(history);
    (void)pthread_mutex_unlock(&history->mutex);
}

void history_note_closed(struct history *history, const char *name)
{
    (void)pthread_mutex_lock(&history->mutex);
    for (u32 i = 0; i < history->retired_count; i++) {
        if (strcmp(history->retired[i].name, name) == 0) history->retired[i].closed = true;
    }
    spares_gather(history);
    (void)pthread_mutex_unlock(&history->mutex);
}

void history_add_spare(struct history *history, const char *name)
{
    (void)pthread_mutex_lock(&history->mutex);
    // Beyond that it stays for another start to find.
    if (history->spare_count < HISTORY_SEGMENTS_MAX / 2) {
        memcpy(history->spares[history->spare_count++], name, strlen(name) + 1);
    }
    (void)pthread_mutex_unlock(&history->mutex);
}

enum status history_remove_spares(struct history *history, u32 keep, bool *removed,
                                  struct failure *failure)
{
    char spare[DISK_NAME_SIZE_MAX] = "";
    (void)pthread_mutex_lock(&history->mutex);
    if (history->spare_count > keep) {
        memcpy(spare, history->spares[--history->spare_count], sizeof spare);
    }
    (void)pthread_mutex_unlock(&history->mutex);
    *removed = spare[0] != 0;
    return *removed ? disk_remove(history->disk, spare, failure) : STATUS_OK;
}
