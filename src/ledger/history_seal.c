// SPDX-License-Identifier: Apache-2.0
//
// Sealing: a live segment becomes rows in their files and a sorted index file.
#include "base/sort.h"
#include "ledger/history_writer.h"

#include <stdlib.h>

enum status history_seal(struct history *history, struct history_segment *segment,
                         struct failure *failure)
{
    struct history_live *live = segment->live;
    assert(live->row_count % HISTORY_PAGE_ROWS == 0);
    enum status status = history_rows_write(history, segment, failure);
    if (status == STATUS_OK) {
        status = outcome_tree_write(&history->tree, segment->first_row + live->row_count, failure);
    }
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
    struct index_writer writer;
    status = index_writer_open(history, &writer, sealed, failure);
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
        struct index_section section =
            index_section_begin(history, &writer, sealed, (enum history_section)i);
        u64 *sorted = history->sort_scratch;
        memcpy(sorted, live->lists[i].entries, count * sizeof(u64));
        sort_u64_by_high32(sorted, sorted + HISTORY_LIVE_ROWS_MAX, count);
        for (u64 done = 0; done < count;) {
            u32 room = 0;
            u64 *out = index_section_room(&section, &room);
            u32 take = (u32)MIN(room, count - done);
            memcpy(out, sorted + done, take * sizeof *out);
            index_section_added(&section, take);
            done += take;
        }
        index_section_end(&section);
    }
    status = index_writer_finish(history, &writer, sealed, failure);
    if (status != STATUS_OK) {
        free(sealed);
        return status;
    }
    history_replace(history, segment, 1, sealed);
    return STATUS_OK;
}
