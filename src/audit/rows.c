// SPDX-License-Identifier: Apache-2.0
//
// Pages of rows, read and checked.
#include "audit/rows.h"

#include "base/checksum.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK_PAGES 64u

void audit_rows_init(struct audit_rows *rows, const struct audit_folder *folder,
                     struct audit_report *report, u64 end)
{
    *rows = (struct audit_rows){
        .folder = folder, .report = report, .end = end, .file = -1, .file_number = U64_MAX};
    rows->pages = malloc(BLOCK_PAGES * sizeof *rows->pages);
    assert(rows->pages != NULL);
}

void audit_rows_free(struct audit_rows *rows)
{
    if (rows->file >= 0) (void)close(rows->file);
    free(rows->pages);
    rows->pages = NULL;
}

static enum status file_select(struct audit_rows *rows, u64 number, struct failure *failure)
{
    if (rows->file_number == number) return STATUS_OK;
    if (rows->file >= 0) (void)close(rows->file);
    rows->file = -1;
    rows->file_number = number;
    char name[32];
    (void)snprintf(name, sizeof name, "rows-%08x", (u32)number);
    const enum status status = audit_file_open(rows->folder, name, &rows->file, failure);
    if (status != STATUS_NOT_FOUND || rows->is_told) {
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    const struct audit_place place = audit_place_file(name, 0);
    (void)audit_differ(rows->report, AUDIT_BYTES, &place, "the file is missing");
    return STATUS_OK;
}

// What the file does not have of a page was taken as zeroes, which may be what was there.
static void page_check(struct audit_rows *rows, const struct audit_rows_page *page, u64 number,
                       bool is_whole)
{
    const char *what = NULL;
    if (page->checksum != checksum(&page->magic, sizeof *page - 16)) {
        what = "the checksum of a page of rows does not hold";
    } else if (page->magic != AUDIT_ROWS_MAGIC) {
        what = "a page of rows has another magic";
    } else if (page->first_row != number * AUDIT_PAGE_ROWS) {
        what = "a page of rows is another one's";
    } else if (!is_zero(page->reserved, sizeof page->reserved)) {
        what = "a field of a page of rows that must be zero is not";
    } else if (!is_whole) {
        what = "the file ends within a page of rows";
    }
    if (what == NULL) return;
    struct audit_place place = audit_place_row(number * AUDIT_PAGE_ROWS, AUDIT_NONE);
    place.offset = number % AUDIT_ROWS_FILE_PAGES * PAGE_SIZE;
    (void)audit_differ(rows->report, AUDIT_BYTES, &place, "%s", what);
}

static enum status block_load(struct audit_rows *rows, u64 page, struct failure *failure)
{
    enum status status = file_select(rows, page / AUDIT_ROWS_FILE_PAGES, failure);
    if (status != STATUS_OK) return status;
    const u64 last = (rows->end + AUDIT_PAGE_ROWS - 1) / AUDIT_PAGE_ROWS;
    const u64 in_file = AUDIT_ROWS_FILE_PAGES - page % AUDIT_ROWS_FILE_PAGES;
    u64 count = MIN(BLOCK_PAGES, last - page);
    count = MIN(count, in_file);
    size_t done = 0;
    if (rows->file >= 0) {
        const u64 offset = page % AUDIT_ROWS_FILE_PAGES * PAGE_SIZE;
        (void)posix_fadvise(rows->file, (off_t)offset, (off_t)(8 * BLOCK_PAGES * PAGE_SIZE),
                            POSIX_FADV_WILLNEED);
        status =
            audit_file_read(rows->file, offset, rows->pages, count * PAGE_SIZE, &done, failure);
    }
    memset((u8 *)rows->pages + done, 0, count * PAGE_SIZE - done);
    rows->page_first = page;
    rows->page_count = count;
    for (u64 i = 0; i < count && status == STATUS_OK && !rows->is_told; i++) {
        page_check(rows, &rows->pages[i], page + i, done >= (i + 1) * PAGE_SIZE);
    }
    return status;
}

enum status audit_rows_peek(struct audit_rows *rows, const struct audit_row **row,
                            struct failure *failure)
{
    *row = NULL;
    if (rows->next >= rows->end) return STATUS_OK;
    const u64 page = rows->next / AUDIT_PAGE_ROWS;
    if (page < rows->page_first || page >= rows->page_first + rows->page_count) {
        const enum status status = block_load(rows, page, failure);
        if (status != STATUS_OK) return status;
    }
    *row = &rows->pages[page - rows->page_first].rows[rows->next % AUDIT_PAGE_ROWS];
    return STATUS_OK;
}
