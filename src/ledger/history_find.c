// SPDX-License-Identifier: Apache-2.0
//
// Finding what happened: transfers by id, what resolved them, times.
#include "base/filter.h"
#include "ledger/history_file.h"

u32 history_live_find(const struct history_live *live, u64 hash, u128 id, u32 *slot)
{
    u32 at = (u32)hash & (HISTORY_ID_SLOTS - 1);
    u32 tag = (u32)(hash >> 32);
    for (;;) {
        u64 entry = live->id_slots[at];
        if (entry == 0) break;
        if ((u32)(entry >> 32) == tag) {
            const struct outcome *row = &live->rows[(u32)entry - 1];
            if (row->id == id && outcome_is_transfer(row)) {
                *slot = at;
                return (u32)entry;
            }
        }
        at = (at + 1) & (HISTORY_ID_SLOTS - 1);
    }
    *slot = at;
    return 0;
}

// Visits the rows of the entries with `key` in a sealed section, in order, until `visit` says no.
// Reads only pages that the fences leave open: mostly one.
static enum status sealed_visit(struct history *history, const struct history_segment *segment,
                                enum history_section section, u32 key,
                                bool (*visit)(void *context, u32 row), void *context,
                                struct failure *failure)
{
    const struct history_sealed *file = &segment->file;
    u64 pages = history_section_pages(file->entry_count[section]);
    if (pages == 0) return STATUS_OK;
    const u32 *fences = file->fences[section];
    // The last page whose first key is below `key`: equal keys may begin in it.
    u64 low = 0;
    u64 high = pages;
    while (low + 1 < high) {
        u64 middle = (low + high) / 2;
        if (fences[middle] < key) low = middle;
        else high = middle;
    }
    struct history_index_page page;
    for (u64 at = low; at < pages && fences[at] <= key; at++) {
        enum status status = history_index_page_read(
            history, segment, file->page_first[section] + at, &page, failure);
        if (status != STATUS_OK) return status;
        for (u32 i = 0; i < page.count; i++) {
            u32 entry_key = (u32)(page.entries[i] >> 32);
            if (entry_key < key) continue;
            if (entry_key > key) return STATUS_OK;
            if (!visit(context, (u32)page.entries[i])) return STATUS_OK;
        }
    }
    return STATUS_OK;
}

struct candidates {
    u32 rows[64];
    u32 count;
};

static bool candidate_add(void *context, u32 row)
{
    struct candidates *candidates = context;
    if (candidates->count == ARRAY_COUNT(candidates->rows)) return false;
    candidates->rows[candidates->count++] = row;
    return true;
}

// Whether a sealed segment may have the key, whose hash for filters this is.
static inline bool sealed_may_have(const struct history_segment *segment, u64 filter_hash)
{
    return filter_has(segment->file.filter, segment->file.filter_size, filter_hash);
}

// Looks one key up in one sealed segment and leaves the rows that may match.
static enum status sealed_candidates(struct history *history, const struct history_segment *segment,
                                     enum history_section section, u64 hash, struct candidates *out,
                                     struct failure *failure)
{
    u32 key = (u32)(hash >> 32);
    out->count = 0;
    enum status status = sealed_visit(history, segment, section, key, candidate_add, out, failure);
    if (status != STATUS_OK) return status;
    if (out->count == ARRAY_COUNT(out->rows)) {
        return failure_set(failure, STATUS_CORRUPT, "%s: more than %zu rows share a key",
                           segment->file.name, ARRAY_COUNT(out->rows));
    }
    return STATUS_OK;
}

// Looks an id up in one sealed segment.
static enum status sealed_find(struct history *history, const struct history_set *set,
                               const struct history_segment *segment, u128 id, u64 hash, u64 *row,
                               struct failure *failure)
{
    struct candidates candidates;
    enum status status =
        sealed_candidates(history, segment, SECTION_ID, hash, &candidates, failure);
    for (u32 i = 0; i < candidates.count && status == STATUS_OK; i++) {
        struct outcome outcome;
        u64 number = segment->first_row + candidates.rows[i];
        status = history_row(history, set, number, &outcome, failure);
        if (status != STATUS_OK) break;
        if (outcome.id != id || !outcome_is_transfer(&outcome)) continue;
        *row = number + 1;
        break;
    }
    return status;
}

enum status history_find_older(struct history *history, const struct history_set *set, u128 id,
                               u64 hash, u64 *row, struct failure *failure)
{
    *row = 0;
    u64 filter_hash = history_filter_hash(history, SECTION_ID, (u32)(hash >> 32));
    for (u32 i = set->count; i-- > 0 && *row == 0;) {
        const struct history_segment *segment = set->segments[i];
        if (segment == history->active || id > segment->id_max) continue;
        if (segment->sealed) {
            if (!sealed_may_have(segment, filter_hash)) continue;
            enum status status = sealed_find(history, set, segment, id, hash, row, failure);
            if (status != STATUS_OK) return status;
        } else {
            u32 slot = 0;
            u32 found = history_live_find(segment->live, hash, id, &slot);
            if (found != 0) *row = segment->first_row + found;
        }
    }
    return STATUS_OK;
}

// As history_live_find, beside the machine that writes: only rows below the end are looked at, and
// those are settled.
static u32 live_find_shared(const struct history_segment *segment, u64 hash, u128 id, u64 row_end)
{
    const struct history_live *live = segment->live;
    u32 at = (u32)hash & (HISTORY_ID_SLOTS - 1);
    for (;; at = (at + 1) & (HISTORY_ID_SLOTS - 1)) {
        u64 entry = __atomic_load_n(&live->id_slots[at], __ATOMIC_RELAXED);
        if (entry == 0) return 0;
        if (entry >> 32 != hash >> 32) continue;
        u32 row = (u32)entry - 1;
        if (segment->first_row + row >= row_end) continue;
        if (live->rows[row].id == id && outcome_is_transfer(&live->rows[row])) return row + 1;
    }
}

enum status history_find_row(struct history *history, const struct history_set *set, u128 id,
                             u64 hash, u64 row_end, u64 *row, struct failure *failure)
{
    *row = 0;
    u64 filter_hash = history_filter_hash(history, SECTION_ID, (u32)(hash >> 32));
    for (u32 i = set->count; i-- > 0 && *row == 0;) {
        const struct history_segment *segment = set->segments[i];
        if (segment->first_row >= row_end) continue;
        if (segment->sealed) {
            if (id > segment->id_max || !sealed_may_have(segment, filter_hash)) continue;
            enum status status = sealed_find(history, set, segment, id, hash, row, failure);
            if (status != STATUS_OK) return status;
        } else {
            u32 found = live_find_shared(segment, hash, id, row_end);
            if (found != 0) *row = segment->first_row + found;
        }
    }
    return STATUS_OK;
}

// Whether this row resolved the pending transfer of row `pending_row`.
static bool resolves(const struct outcome *outcome, u64 number, u64 pending_row)
{
    if (outcome->result != OUTCOME_CREATED || outcome->pending_distance == 0) return false;
    if (!outcome_is_transfer(outcome) && outcome->kind != OUTCOME_EXPIRY) return false;
    // A resolution further than 2^32 rows away is the only one that is far and has this key.
    return outcome->pending_distance == OUTCOME_PENDING_FAR ||
           number - outcome->pending_distance == pending_row;
}

static u64 live_find_resolution(const struct history_segment *segment, u64 hash, u64 pending_row)
{
    const struct history_live *live = segment->live;
    u32 at = (u32)hash & (HISTORY_ID_SLOTS - 1);
    for (; live->id_slots[at] != 0; at = (at + 1) & (HISTORY_ID_SLOTS - 1)) {
        if (live->id_slots[at] >> 32 != hash >> 32) continue;
        u32 row = (u32)live->id_slots[at] - 1;
        if (resolves(&live->rows[row], segment->first_row + row, pending_row)) {
            return segment->first_row + row + 1;
        }
    }
    return 0;
}

enum status history_find_resolution(struct history *history, const struct history_set *set,
                                    u128 pending_id, u64 pending_row, u64 *row,
                                    struct failure *failure)
{
    *row = 0;
    u64 hash = history_hash_resolution(history, pending_id);
    u64 filter_hash = history_filter_hash(history, SECTION_RESOLUTION, (u32)(hash >> 32));
    for (u32 i = set->count; i-- > 0;) {
        const struct history_segment *segment = set->segments[i];
        if (history_segment_end(segment) <= pending_row) break;
        if (!segment->sealed) {
            *row = live_find_resolution(segment, hash, pending_row);
            if (*row != 0) return STATUS_OK;
            continue;
        }
        if (!sealed_may_have(segment, filter_hash)) continue;
        struct candidates candidates;
        enum status status =
            sealed_candidates(history, segment, SECTION_RESOLUTION, hash, &candidates, failure);
        if (status != STATUS_OK) return status;
        for (u32 j = 0; j < candidates.count; j++) {
            struct outcome outcome;
            u64 number = segment->first_row + candidates.rows[j];
            status = history_row(history, set, number, &outcome, failure);
            if (status != STATUS_OK) return status;
            if (!resolves(&outcome, number, pending_row)) continue;
            *row = number + 1;
            return STATUS_OK;
        }
    }
    return STATUS_OK;
}

enum status history_has_timestamp(struct history *history, const struct history_set *set,
                                  u64 timestamp, bool *found, struct failure *failure)
{
    *found = false;
    for (u32 i = 0; i < set->count; i++) {
        const struct history_segment *segment = set->segments[i];
        if (segment->timestamp_min == 0 || timestamp < segment->timestamp_min) continue;
        if (timestamp > segment->timestamp_max) continue;
        u64 rows = history_segment_end(segment) - segment->first_row;
        const u64 *fence = history_latest(segment, ORDER_TRANSFER);
        u64 low = history_fence_find(fence, history_fence_count(rows), timestamp);
        u64 end = MIN((low + 1) * HISTORY_FENCE_ROWS, rows);
        for (u64 row = low * HISTORY_FENCE_ROWS; row < end; row++) {
            struct outcome outcome;
            enum status status =
                history_row(history, set, segment->first_row + row, &outcome, failure);
            if (status != STATUS_OK) return status;
            if (outcome_is_in_order(&outcome, ORDER_TRANSFER) && outcome.timestamp == timestamp) {
                *found = true;
                return STATUS_OK;
            }
        }
    }
    return STATUS_OK;
}
