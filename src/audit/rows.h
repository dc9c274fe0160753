// SPDX-License-Identifier: Apache-2.0
//
// The rows of history in order, a block of pages at a time.
#ifndef TAEL_AUDIT_ROWS_H
#define TAEL_AUDIT_ROWS_H

#include "audit/folder.h"
#include "audit/report.h"

struct audit_rows {
    const struct audit_folder *folder;
    struct audit_report *report;
    u64 next; // The row to be read.
    u64 end;  // Behind the last one that the checkpoint covers.
    struct audit_rows_page *pages;
    u64 page_first;
    u64 page_count; // That are loaded.
    int file;       // -1: there is none of that number.
    u64 file_number;
    bool is_told; // Damage went to the report before.
};

// Rows from 0 to `end`. Damaged pages go to the report, once. Give it to audit_rows_free.
void audit_rows_init(struct audit_rows *rows, const struct audit_folder *folder,
                     struct audit_report *report, u64 end);
void audit_rows_free(struct audit_rows *rows);
// The next row without passing it; NULL behind the last one. Valid until the next call.
MUST_USE enum status audit_rows_peek(struct audit_rows *rows, const struct audit_row **row,
                                     struct failure *failure);
// A row some way ahead, or NULL when it is not at hand.
static inline const struct audit_row *audit_rows_ahead(const struct audit_rows *rows, u32 distance)
{
    const u64 row = rows->next + distance;
    const u64 page = row / AUDIT_PAGE_ROWS;
    if (row >= rows->end || page < rows->page_first ||
        page >= rows->page_first + rows->page_count) {
        return NULL;
    }
    return &rows->pages[page - rows->page_first].rows[row % AUDIT_PAGE_ROWS];
}

#endif
