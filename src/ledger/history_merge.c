// SPDX-License-Identifier: Apache-2.0
//
// Merging: neighbours on disk become one, so that a question has few segments to ask.
#include "ledger/history_writer.h"

#include <stdlib.h>

// --- entries -------------------------------------------------------------------------------------

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
                                 struct index_section *section, struct failure *failure)
{
    u64 heads[HISTORY_MERGE_FANIN];
    u64 left = section->segment->file.entry_count[index];
    enum status status = runs_open(history, group, index, runs, heads, failure);
    while (left > 0 && status == STATUS_OK) {
        if (atomic_load_explicit(&history->no_merges, memory_order_relaxed)) {
            return failure_set(failure, STATUS_CANCELLED, "the program stops");
        }
        u32 room = 0;
        u32 count = 0;
        u64 *out = index_section_room(section, &room);
        room = (u32)MIN(room, left);
        status = merge_some(history, runs, heads, out, room, &count, failure);
        if (status == STATUS_OK && count < room) {
            return failure_set(failure, STATUS_CORRUPT, "%s: section %d has too few entries",
                               section->segment->file.name, (int)index);
        }
        index_section_added(section, count);
        left -= count;
    }
    index_section_end(section);
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
    struct index_writer writer;
    enum status status = index_writer_open(history, &writer, merged, failure);
    if (status != STATUS_OK) return status;
    status = merge_latest(history, set, group, merged, failure);
    struct run *runs = calloc(HISTORY_MERGE_FANIN, sizeof *runs);
    assert(runs != NULL);
    for (u32 i = 0; i < SECTION_COUNT && status == STATUS_OK; i++) {
        struct index_section section =
            index_section_begin(history, &writer, merged, (enum history_section)i);
        status = merge_section(history, group, (enum history_section)i, runs, &section, failure);
    }
    free(runs);
    if (status != STATUS_OK) writer.status = status;
    return index_writer_finish(history, &writer, merged, failure);
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
    for (u32 i = 0; i < HISTORY_MERGE_FANIN; i++) {
        history_retire(history, set->segments[i]->file.name);
    }
    history_set_release(history, set);
    *merged_any = true;
    return STATUS_OK;
}
