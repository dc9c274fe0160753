// SPDX-License-Identifier: Apache-2.0
//
// Cursors and their intersection.
//
// Seeking gallops (steps of 1, 2, 4, ... then a binary search), so a join costs in proportion to
// its shortest list times the logarithm of the gaps, whichever list that is.
#include "ledger/history_cursor.h"

// The first entry of a sealed section whose key is at least `key`.
static enum status lower_bound(struct history_cursor *cursor, u64 key, u64 *out,
                               struct failure *failure)
{
    const struct history_sealed *file = &cursor->segment->file;
    u64 pages = history_section_pages(file->entry_count[cursor->section]);
    const u32 *fences = file->fences[cursor->section];
    u64 low = 0;
    u64 high = pages;
    while (low < high) {
        u64 middle = (low + high) / 2;
        if (fences[middle] < key) low = middle + 1;
        else high = middle;
    }
    // Pages from `low` on begin at or above the key; the page before may end with it.
    if (low == 0) {
        *out = 0;
        return STATUS_OK;
    }
    enum status status = history_index_page_read(cursor->history, cursor->segment,
                                                 file->page_first[cursor->section] + low - 1,
                                                 &cursor->page, failure);
    if (status != STATUS_OK) return status;
    cursor->page_loaded = low;
    u32 at = 0;
    u32 end = cursor->page.count;
    while (at < end) {
        u32 middle = (at + end) / 2;
        if (cursor->page.entries[middle] >> 32 < key) at = middle + 1;
        else end = middle;
    }
    *out = (low - 1) * HISTORY_PAGE_ENTRIES + at;
    return STATUS_OK;
}

static void open_live(struct history_cursor *cursor, u32 key, u64 row_end, u32 *matches)
{
    const struct history_list *list = &cursor->segment->live->lists[cursor->section];
    u32 count = atomic_load_explicit(&list->count, memory_order_acquire);
    u64 limit = row_end - cursor->segment->first_row;
    u64 found = 0;
    for (u32 i = 0; i < count; i++) {
        u64 entry = list->entries[i];
        if (entry >> 32 != key || (u32)entry >= limit) continue;
        matches[found++] = (u32)entry;
    }
    cursor->matches = matches;
    cursor->count = found;
}

enum status history_cursor_open(struct history_cursor *cursor, struct history *history,
                                const struct history_segment *segment, enum history_section section,
                                u32 key, bool reversed, u64 row_end, u32 *matches,
                                struct failure *failure)
{
    cursor->history = history;
    cursor->segment = segment;
    cursor->section = section;
    cursor->reversed = reversed;
    cursor->matches = NULL;
    cursor->position = 0;
    cursor->count = 0;
    cursor->page_loaded = 0;
    if (!segment->sealed) {
        if (row_end > segment->first_row) open_live(cursor, key, row_end, matches);
        return STATUS_OK;
    }
    enum status status = lower_bound(cursor, key, &cursor->low, failure);
    if (status != STATUS_OK) return status;
    u64 end = 0;
    status = lower_bound(cursor, (u64)key + 1, &end, failure);
    if (status != STATUS_OK) return status;
    end = MIN(end, segment->file.entry_count[section]);
    cursor->count = end - MIN(cursor->low, end);
    return STATUS_OK;
}

static enum status value_at(struct history_cursor *cursor, u64 position, u32 *value,
                            struct failure *failure)
{
    u64 at = cursor->reversed ? cursor->count - 1 - position : position;
    u32 row = 0;
    if (cursor->segment->sealed) {
        u64 entry = cursor->low + at;
        u64 page = entry / HISTORY_PAGE_ENTRIES;
        if (cursor->page_loaded != page + 1) {
            enum status status = history_index_page_read(
                cursor->history, cursor->segment,
                cursor->segment->file.page_first[cursor->section] + page, &cursor->page, failure);
            if (status != STATUS_OK) return status;
            cursor->page_loaded = page + 1;
        }
        row = (u32)cursor->page.entries[entry % HISTORY_PAGE_ENTRIES];
    } else {
        row = cursor->matches[at];
    }
    *value = cursor->reversed ? ~row : row;
    return STATUS_OK;
}

enum status history_cursor_seek(struct history_cursor *cursor, u32 target, u32 *value, bool *done,
                                struct failure *failure)
{
    *done = true;
    if (cursor->position >= cursor->count) return STATUS_OK;
    enum status status = value_at(cursor, cursor->position, value, failure);
    if (status != STATUS_OK) return status;
    *done = false;
    if (*value >= target) return STATUS_OK;
    u64 low = cursor->position; // Its value is below the target.
    u64 step = 1;
    u64 high = cursor->count;
    while (low + step < cursor->count) {
        status = value_at(cursor, low + step, value, failure);
        if (status != STATUS_OK) return status;
        if (*value >= target) {
            high = low + step;
            break;
        }
        low += step;
        step *= 2;
    }
    while (low + 1 < high) {
        u64 middle = (low + high) / 2;
        status = value_at(cursor, middle, value, failure);
        if (status != STATUS_OK) return status;
        if (*value < target) low = middle;
        else high = middle;
    }
    cursor->position = high;
    *done = high == cursor->count;
    return *done ? STATUS_OK : value_at(cursor, high, value, failure);
}

void history_join_range(struct history_join *join, bool reversed, u64 low, u64 high)
{
    memset(join, 0, sizeof *join);
    join->done = low >= high;
    if (join->done) return;
    join->next = reversed ? ~(u32)(high - 1) : (u32)low;
    join->limit = reversed ? ~(u32)low + 1 : (u32)high;
    // ~0 + 1 wraps to 0 for row 0 backwards: every value is below the limit then.
    maybe(join->limit == 0);
}

static enum status group_seek(struct history_group *group, u32 target, u32 *value, bool *done,
                              struct failure *failure)
{
    *done = true;
    for (u32 i = 0; i < group->count; i++) {
        u32 one = 0;
        bool one_done = false;
        enum status status =
            history_cursor_seek(group->cursors[i], target, &one, &one_done, failure);
        if (status != STATUS_OK) return status;
        if (one_done) continue;
        if (*done || one < *value) *value = one;
        *done = false;
    }
    return STATUS_OK;
}

enum status history_join_next(struct history_join *join, bool reversed, u32 *row, bool *found,
                              struct failure *failure)
{
    *found = false;
    if (join->done) return STATUS_OK;
    u32 target = join->next;
    u32 agreed = 0;
    u32 at = 0;
    for (u32 leaps = 0; agreed < join->count; leaps++) {
        if (leaps == HISTORY_JOIN_LEAPS_MAX) {
            join->next = target;
            return STATUS_OK;
        }
        u32 value = 0;
        enum status status = group_seek(&join->groups[at], target, &value, &join->done, failure);
        if (status != STATUS_OK || join->done) return status;
        assert(value >= target);
        agreed = value == target ? agreed + 1 : 1;
        target = value;
        at = (at + 1) % join->count;
    }
    if (join->limit != 0 && target >= join->limit) {
        join->done = true;
        return STATUS_OK;
    }
    *row = reversed ? ~target : target;
    *found = true;
    join->done = target == U32_MAX || (join->limit != 0 && target + 1 >= join->limit);
    join->next = target + 1;
    return STATUS_OK;
}
