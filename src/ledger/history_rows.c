// SPDX-License-Identifier: Apache-2.0
//
// Rows: in live segments, and in the rows files. A file is written as segments are sealed, mapped,
// and verified page by page as it is first read.
#include "ledger/history_file.h"
#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>

// Pages that are made and written at once.
#define WRITE_PAGES 256u

// --- files ---------------------------------------------------------------------------------------

static void rows_file_close(struct history *history, struct history_rows_file *file)
{
    if (file->map != NULL) {
        disk_unmap(history->disk, file->map, HISTORY_ROWS_FILE_PAGES * PAGE_SIZE);
    }
    disk_close(history->disk, file->handle);
    free(file);
}

static struct history_rows_file *rows_file(struct history *history, u64 file)
{
    return atomic_load_explicit(&history->rows_files[file], memory_order_acquire);
}

// Opens the file of rows `file`, creating it if asked. Any thread.
static enum status rows_open(struct history *history, u64 file, bool create,
                             struct history_rows_file **out, struct failure *failure)
{
    assert(file < HISTORY_ROWS_FILES_MAX);
    *out = rows_file(history, file);
    if (*out != NULL) return STATUS_OK;
    // Opened without the mutex, which the machine takes: creating waits for the device.
    char name[DISK_NAME_SIZE_MAX];
    (void)snprintf(name, sizeof name, HISTORY_ROWS_PREFIX "%08llx", (unsigned long long)file);
    disk_handle handle = -1;
    enum status status = disk_open(history->disk, name, create ? DISK_CREATE : 0, &handle, failure);
    if (status != STATUS_OK) return status;
    struct history_rows_file *rows = calloc(1, sizeof *rows);
    assert(rows != NULL);
    rows->handle = handle;
    rows->map = disk_map(history->disk, handle, HISTORY_ROWS_FILE_PAGES * PAGE_SIZE);
    if (atomic_compare_exchange_strong(&history->rows_files[file], out, rows)) *out = rows;
    else rows_file_close(history, rows); // Another thread was quicker.
    return STATUS_OK;
}

static enum status rows_page_verify(struct history *history, const struct history_rows_file *file,
                                    u64 page, struct failure *failure)
{
    struct history_rows_page bytes;
    u64 offset = page % HISTORY_ROWS_FILE_PAGES * PAGE_SIZE;
    enum status status =
        disk_read(history->disk, file->handle, offset, &bytes, sizeof bytes, failure);
    if (status != STATUS_OK) return status;
    if (!history_rows_page_holds(&bytes, page)) {
        (void)failure_set(failure, STATUS_CORRUPT,
                          "history: rows-%08llx, offset %llu (rows %llu to %llu) is damaged",
                          (unsigned long long)(page / HISTORY_ROWS_FILE_PAGES),
                          (unsigned long long)offset,
                          (unsigned long long)(page * HISTORY_PAGE_ROWS),
                          (unsigned long long)((page + 1) * HISTORY_PAGE_ROWS - 1));
        failure_hint(failure, HISTORY_DAMAGE_HINT);
        return STATUS_CORRUPT;
    }
    return STATUS_OK;
}

static bool page_is_verified(struct history_rows_file *file, u64 page)
{
    u64 at = page % HISTORY_ROWS_FILE_PAGES;
    return (atomic_load_explicit(&file->verified[at / 64], memory_order_relaxed) >> (at % 64)) & 1;
}

// Opens the file of a page and verifies the page if no one did yet.
static enum status rows_page_open(struct history *history, u64 page, struct history_rows_file **out,
                                  struct failure *failure)
{
    enum status status = rows_open(history, page / HISTORY_ROWS_FILE_PAGES, false, out, failure);
    if (status != STATUS_OK || page_is_verified(*out, page)) return status;
    status = rows_page_verify(history, *out, page, failure);
    if (status != STATUS_OK) return status;
    u64 at = page % HISTORY_ROWS_FILE_PAGES;
    atomic_fetch_or_explicit(&(*out)->verified[at / 64], 1ull << (at % 64), memory_order_relaxed);
    return STATUS_OK;
}

// Reads pages of one file back that were just written: readers then find them verified and mapped.
static enum status rows_read_back(struct history *history, u64 first_page, u64 page_count,
                                  struct failure *failure)
{
    struct history_rows_file *file = NULL;
    enum status status = STATUS_OK;
    for (u64 i = 0; i < page_count && status == STATUS_OK; i++) {
        status = rows_page_open(history, first_page + i, &file, failure);
    }
    if (status == STATUS_OK && page_count > 0) {
        disk_populate(history->disk, file->map, first_page % HISTORY_ROWS_FILE_PAGES * PAGE_SIZE,
                      page_count * PAGE_SIZE);
    }
    return status;
}

void history_rows_close(struct history *history)
{
    for (u32 i = 0; i < HISTORY_ROWS_FILES_MAX; i++) {
        struct history_rows_file *file = history->rows_files[i];
        if (file != NULL) rows_file_close(history, file);
    }
}

// --- writing -------------------------------------------------------------------------------------

static enum status rows_write_range(struct history *history, const struct history_live *live,
                                    u64 first_row, u64 first_page, u64 page_count, u8 *buffer,
                                    struct failure *failure)
{
    struct history_rows_file *file = NULL;
    enum status status =
        rows_open(history, first_page / HISTORY_ROWS_FILE_PAGES, true, &file, failure);
    if (status != STATUS_OK) return status;
    for (u64 done = 0; done < page_count;) {
        u64 count = MIN(page_count - done, WRITE_PAGES);
        for (u64 i = 0; i < count; i++) {
            struct history_rows_page *page = (void *)(buffer + i * PAGE_SIZE);
            u64 row = (first_page + done + i) * HISTORY_PAGE_ROWS;
            memset(page, 0, offsetof(struct history_rows_page, rows));
            page->magic = HISTORY_ROWS_MAGIC;
            page->first_row = row;
            memcpy(page->rows, live->rows + (row - first_row), sizeof page->rows);
            const u128 sum = history_rows_page_sum(page);
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
    return rows_read_back(history, first_page, page_count, failure);
}

enum status history_rows_write(struct history *history, const struct history_segment *segment,
                               struct failure *failure)
{
    void *buffer = NULL;
    enum status status = memory_reserve(WRITE_PAGES * PAGE_SIZE, false, &buffer, failure);
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
    memory_release(buffer, WRITE_PAGES * PAGE_SIZE);
    return status;
}

// --- reading -------------------------------------------------------------------------------------

struct history_segment *history_segment_of(const struct history_set *set, u64 row)
{
    u32 low = 0;
    u32 high = set->count;
    while (low + 1 < high) {
        u32 middle = (low + high) / 2;
        if (set->segments[middle]->first_row <= row) low = middle;
        else high = middle;
    }
    assert(set->segments[low]->first_row <= row);
    return set->segments[low];
}

static u64 row_offset(u64 row)
{
    u64 page = row / HISTORY_PAGE_ROWS;
    return page % HISTORY_ROWS_FILE_PAGES * PAGE_SIZE + offsetof(struct history_rows_page, rows) +
           row % HISTORY_PAGE_ROWS * sizeof(struct outcome);
}

enum status history_row(struct history *history, const struct history_set *set, u64 row,
                        struct outcome *out, struct failure *failure)
{
    const struct history_segment *segment = history_segment_of(set, row);
    if (!segment->sealed) {
        assert(row - segment->first_row < HISTORY_LIVE_ROWS_MAX);
        *out = segment->live->rows[row - segment->first_row];
        return STATUS_OK;
    }
    struct history_rows_file *file = NULL;
    enum status status = rows_page_open(history, row / HISTORY_PAGE_ROWS, &file, failure);
    if (status != STATUS_OK) return status;
    if (file->map == NULL) {
        return disk_read(history->disk, file->handle, row_offset(row), out, sizeof *out, failure);
    }
    memcpy(out, file->map + row_offset(row), sizeof *out);
    return STATUS_OK;
}

bool history_row_prefetch(struct history *history, const struct history_set *set, u64 row)
{
    const struct history_segment *segment = history_segment_of(set, row);
    if (!segment->sealed) {
        __builtin_prefetch(&segment->live->rows[row - segment->first_row]);
        return true;
    }
    u64 page = row / HISTORY_PAGE_ROWS;
    struct history_rows_file *file = rows_file(history, page / HISTORY_ROWS_FILE_PAGES);
    if (file == NULL || !page_is_verified(file, page)) return false;
    if (file->map != NULL) __builtin_prefetch(file->map + row_offset(row));
    return true;
}

void history_row_advise(struct history *history, const struct history_set *set, u64 row)
{
    if (!history_segment_of(set, row)->sealed) return;
    u64 page = row / HISTORY_PAGE_ROWS;
    const struct history_rows_file *file = rows_file(history, page / HISTORY_ROWS_FILE_PAGES);
    if (file == NULL) return; // The first read opens it.
    disk_advise(history->disk, file->map, page % HISTORY_ROWS_FILE_PAGES * PAGE_SIZE, PAGE_SIZE);
}
