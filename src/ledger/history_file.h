// SPDX-License-Identifier: Apache-2.0
//
// The files of history to the byte (docs/FORMAT.md, "History"): index pages, row pages, and the
// head of an index file. And what the files of the folder that keep segments share:
//
//   history.c         segments and their sets, the live segment
//   history_find.c    look-ups by id, resolutions, times
//   history_rows.c    rows and their files
//   history_file.c    index files: names, loading
//   history_writer.c  index files: writing
//   history_seal.c    a live segment onto the disk
//   history_merge.c   neighbours into one
//   history_spare.c   files that a merge made superfluous
#ifndef TAEL_LEDGER_HISTORY_FILE_H
#define TAEL_LEDGER_HISTORY_FILE_H

#include "base/checksum.h"
#include "ledger/history.h"

#define HISTORY_PAGE_ENTRIES 509u
#define HISTORY_INDEX_MAGIC  0x5845444e494c4554ull // "TELINDEX"
#define HISTORY_ROWS_PREFIX  "rows-"               // Of a file's name.
#define HISTORY_ROWS_MAGIC   0x53574f524c454154ull // "TAELROWS"
#define HISTORY_FORMAT       3u

struct history_index_page {
    u64 entries[HISTORY_PAGE_ENTRIES];
    u32 count;
    u32 page; // Its own number within the file, so that a misplaced page is noticed.
    u8 checksum[16];
};
static_assert(sizeof(struct history_index_page) == PAGE_SIZE, "one page");

struct history_rows_page {
    u8 checksum[16]; // Over the rest.
    u64 magic;
    u64 first_row;
    u8 reserved[32];
    struct outcome rows[HISTORY_PAGE_ROWS];
};
static_assert(sizeof(struct history_rows_page) == PAGE_SIZE, "one page");

// Page 0 of an index file.
struct history_index_head {
    u8 checksum[16]; // Over the rest of the page.
    u64 magic;
    u32 format;
    u32 section_count;
    u64 first_row;
    u64 row_count;
    u128 id_max;
    u64 timestamp_min;
    u64 timestamp_max;
    u64 meta_offset; // Fences of every section, filter, latest transfers, latest expiries.
    u64 meta_size;
    u64 filter_size;
    u8 meta_checksum[16];
    u8 reserved[8];
    u64 page_first[SECTION_COUNT];
    u64 entry_count[SECTION_COUNT];
};
static_assert(sizeof(struct history_index_head) <= PAGE_SIZE, "one page");

// The name of an index file, and how many pages or fences so much takes.
void history_file_name(char out[DISK_NAME_SIZE_MAX], u64 first_row, u64 row_count);
static inline u64 history_section_pages(u64 entries)
{
    return (entries + HISTORY_PAGE_ENTRIES - 1) / HISTORY_PAGE_ENTRIES;
}
static inline u64 history_fence_count(u64 rows)
{
    return (rows + HISTORY_FENCE_ROWS - 1) / HISTORY_FENCE_ROWS;
}
// The latest timestamps of a segment by HISTORY_FENCE_ROWS rows.
static inline const u64 *history_latest(const struct history_segment *segment,
                                        enum history_order order)
{
    return segment->sealed ? segment->file.latest[order] : segment->live->latest[order];
}
static inline bool outcome_is_in_order(const struct outcome *outcome, enum history_order order)
{
    if (outcome->result != OUTCOME_CREATED) return false;
    return order == ORDER_TRANSFER ? outcome_is_transfer(outcome) : outcome->kind == OUTCOME_EXPIRY;
}
// One of them, which the machine may be writing (struct history_live).
static inline u64 history_fence_read(const u64 *latest, u64 fence)
{
    return __atomic_load_n(&latest[fence], __ATOMIC_RELAXED);
}
// Finds the first fence whose latest timestamp is at least this; `count` when there is none.
static inline u64 history_fence_find(const u64 *latest, u64 count, u64 timestamp)
{
    u64 low = 0;
    u64 high = count;
    while (low < high) {
        u64 middle = (low + high) / 2;
        if (history_fence_read(latest, middle) < timestamp) low = middle + 1;
        else high = middle;
    }
    return low;
}

// What a page of rows is sealed with.
static inline u128 history_rows_page_sum(const struct history_rows_page *page)
{
    return checksum((const u8 *)page + sizeof page->checksum, sizeof *page - sizeof page->checksum);
}
// Whether a page of rows that was read is that page, as it was written.
static inline bool history_rows_page_holds(const struct history_rows_page *page, u64 number)
{
    const u128 sum = history_rows_page_sum(page);
    return memcmp(&sum, page->checksum, sizeof page->checksum) == 0 &&
           page->magic == HISTORY_ROWS_MAGIC && page->first_row == number * HISTORY_PAGE_ROWS;
}

// What an operator can do about a file that is damaged.
#define HISTORY_DAMAGE_HINT                                                                      \
    "history is made from the log: stop the server, remove the checkpoints, rows-*, tree-* and " \
    "index-* "                                                                                   \
    "files, and start it to rebuild them"

// --- rows (history_rows.c) ---

// Writes the rows of a live segment into the rows files and makes them durable. Files are only ever
// extended with whole pages behind every page that a checkpoint relies on.
MUST_USE enum status history_rows_write(struct history *history,
                                        const struct history_segment *segment,
                                        struct failure *failure);
// Closes every file of rows; nobody reads any more.
void history_rows_close(struct history *history);

// --- index files (history_file.c) ---

// Lays fences, filter and latest timestamps out in one block of new memory, which is also how they
// lie in the file; counts of entries are set. The segment's to release.
MUST_USE enum status history_meta_layout(struct history_sealed *file, u64 row_count,
                                         struct failure *failure);
// What an index page is sealed with: its content's checksum tied to its segment, so that a page
// that another file left in recycled blocks is noticed.
static inline u128 history_index_page_sum(const struct history_segment *segment,
                                          const struct history_index_page *page)
{
    u128 sum = checksum(page, offsetof(struct history_index_page, checksum));
    return sum ^ ((u128)segment->first_row << 64 | segment->row_count);
}
// Reads one verified index page.
MUST_USE enum status history_index_page_read(struct history *history,
                                             const struct history_segment *segment, u64 page,
                                             struct history_index_page *out,
                                             struct failure *failure);
// Loads the head and the tables of a sealed file into `segment`.
MUST_USE enum status history_segment_load(struct history *history, struct history_segment *segment,
                                          struct failure *failure);

// --- segments and sets (history.c) ---

// Holds these neighbours of a set instead of the whole, which is released: what works for long must
// not keep live segments, whose memory the input waits for. Returns the set of them alone.
struct history_set *history_set_narrow(struct history *history, struct history_set *set, u32 first,
                                       u32 count);
// Gives back what a segment that nobody holds has, and the segment.
void history_segment_close(struct history *history, struct history_segment *segment);
// Replaces `count` neighbours, the first of them `first`, by one segment.
void history_replace(struct history *history, struct history_segment *first, u32 count,
                     struct history_segment *by);

// --- files that a merge made superfluous (history_spare.c) ---

// A merge made this file superfluous.
void history_retire(struct history *history, const char *name);
// A sealed file was closed by its last reader.
void history_note_closed(struct history *history, const char *name);
// Gives an old file a new life under `name`, if there is one to spare that is not far larger than
// `size`, or removes what has the name: written-over blocks cost the file system nothing, while
// freed ones hold the device up. Files are not cut, so a large one is kept for a large use.
MUST_USE enum status history_spare_take(struct history *history, const char *name, u64 size,
                                        struct failure *failure);

#endif
