// SPDX-License-Identifier: Apache-2.0
//
// History: what became of every event, for ever, and how to find it again.
//
// An event leaves one outcome row of 64 bytes; the request itself stays in the log and the row says
// where. Rows are numbered from 0. A *segment* covers a range of rows with sorted lists of 8-byte
// entries (32-bit key, row within the segment) a section, and a filter over ids. The newest
// segment is *live*: in memory, appended by the machine. When it has HISTORY_SEGMENT_ROWS rows it
// is *sealed*: sorted, written and from then on read from disk. Eight neighbours of a level are
// merged into one of the next.
//
// Guarantees
//   H1 An id is found if and only if it was used, at every moment (live table, then filters).
//   H2 A sealed file is complete, checksummed by page and never changed.
//   H3 A reader that holds a set sees the same segments until it lets go.
//   H4 Nothing here decides: every file is a function of the log and can be made anew from it.
// Costs: 2 bytes of memory a key for filters, 4 bytes a page for fences; on disk 65 bytes a row and
// 8 bytes a key.
//
// Threads: the machine's thread appends rows and keys; the history thread indexes committed frames
// (history_index_row) in order; one thread seals; one merges; any number query.
#ifndef TAEL_LEDGER_HISTORY_H
#define TAEL_LEDGER_HISTORY_H

#include "base/filter.h"
#include "base/hash.h"
#include "ledger/ledger_types.h"
#include "ledger/outcome_tree.h"
#include "os/disk.h"

#include <pthread.h>
#include <stdatomic.h>

#define HISTORY_SEGMENT_ROWS (1u << 19)
// A posting leaves a row and may add two balance snapshots of two rows, and takes two keys at most.
#define HISTORY_POSTING_ROWS_MAX 5u
#define HISTORY_POSTING_KEYS_MAX 2u
// A frame is full of events, or of modules' commands and what became of their records (two rows
// each), behind a tick: as many expiries as a batch has, and what modules plan when time passes. An
// expiry takes one key.
#define HISTORY_COMMANDS_ROWS_MAX \
    (HISTORY_POSTING_ROWS_MAX * LEDGER_EVENTS_MAX + 2u * LEDGER_BATCH_EVENTS_MAX)
#define HISTORY_FRAME_ROWS_MAX   \
    (HISTORY_COMMANDS_ROWS_MAX + \
     HISTORY_POSTING_ROWS_MAX * (LEDGER_BATCH_EVENTS_MAX + LEDGER_PULSE_POSTINGS_MAX))
#define HISTORY_FRAME_KEYS_MAX                                                    \
    (HISTORY_POSTING_KEYS_MAX * (LEDGER_EVENTS_MAX + LEDGER_PULSE_POSTINGS_MAX) + \
     LEDGER_BATCH_EVENTS_MAX)
#define HISTORY_PAGE_ROWS 63u
// A segment may grow to this while sealing lags; then input waits.
#define HISTORY_LIVE_ROWS_MAX     (2u * HISTORY_SEGMENT_ROWS)
#define HISTORY_LIVE_SEGMENTS_MAX 4u
#define HISTORY_ID_SLOTS          (1u << 21)
#define HISTORY_KEYS_MAX          (HISTORY_ID_SLOTS - HISTORY_ID_SLOTS / 8)
#define HISTORY_FENCE_ROWS        256u
#define HISTORY_SEGMENTS_MAX      4096u
#define HISTORY_MERGE_FANIN       8u
#define HISTORY_ROWS_FILE_PAGES   65536u
#define HISTORY_ROWS_FILES_MAX    65536u
// A full balance snapshot follows every so many postings of an account, so that a past balance is
// a walk of at most that many postings.
#define HISTORY_BALANCE_INTERVAL 32u

enum outcome_kind {
    OUTCOME_NONE = 0, // Padding up to a page.
    OUTCOME_ACCOUNT = 1,
    OUTCOME_TRANSFER = 2,
    OUTCOME_EXPIRY = 3,
    OUTCOME_BALANCE_DEBITS = 4, // Always followed by OUTCOME_BALANCE_CREDITS.
    OUTCOME_BALANCE_CREDITS = 5,
    OUTCOME_COMMAND = 6, // A record of a module's command, the `amount`-th; result is its own.
    OUTCOME_POSTING = 7, // A transfer that a module planned: it has no request of its own.
    // Behind the row of a command that was refused: the value and the limit in the places of id and
    // amount; when a posting was refused, which one and why, in those of the account rows.
    OUTCOME_EVIDENCE = 8,
};

#define OUTCOME_CREATED   255u // The result of what was done; refusals have their number.
#define OUTCOME_LEAF_SIZE 54u
// Of a posting, among its flags: its record begins with struct posting_references; its effective
// day is an earlier one than was open when it was made.
#define OUTCOME_REFERENCES  0x8000u
#define OUTCOME_DATED       0x4000u
#define OUTCOME_PENDING_FAR U32_MAX
#define OUTCOME_PLACE_UNIT  16u

// One row. The first OUTCOME_LEAF_SIZE bytes are the leaf of the Merkle log (L5).
struct outcome {
    u128 id;        // The event's; of an expiry, the pending transfer's.
    u128 amount;    // What moved, was held or was released.
    u64 timestamp;  // The event's.
    u32 debit_row;  // Account row; of OUTCOME_ACCOUNT, the account's own.
    u32 credit_row; // Account row.
    u16 flags;      // The event's; of an expiry, those of the pending transfer; OUTCOME_ ones.
    u16 code;       // The posting's.
    u8 kind;        // enum outcome_kind.
    u8 result;      // OUTCOME_CREATED, or the number of the refusal.
    u16 place_high; // Where the request is in the log, in units of 16 bytes: 48 bits.
    u32 place_low;
    u32 pending_distance; // Rows back to the pending transfer; 0 none; OUTCOME_PENDING_FAR: by id.
};
static_assert(sizeof(struct outcome) == 64, "an outcome is one cache line");
static_assert(offsetof(struct outcome, place_high) == OUTCOME_LEAF_SIZE, "the leaf comes first");

// Where in the log the request is; places are multiples of OUTCOME_PLACE_UNIT below 2^52.
static inline u64 outcome_place(const struct outcome *row)
{
    return (((u64)row->place_high << 32) | row->place_low) * OUTCOME_PLACE_UNIT;
}
static inline void outcome_set_place(struct outcome *row, u64 place)
{
    u64 units = place / OUTCOME_PLACE_UNIT;
    assert(place % OUTCOME_PLACE_UNIT == 0 && units < (1ull << 48));
    row->place_high = (u16)(units >> 32);
    row->place_low = (u32)units;
}
// Shows what a posting refers to in the places of a transfer's user data.
static inline void posting_refer(struct transfer *posting, const struct posting_references *to)
{
    posting->user_data_128 = to->order_id;
    posting->user_data_64 = to->scenario;
    posting->user_data_32 = to->purpose;
}
// A transfer, whoever asked for it.
static inline bool outcome_is_transfer(const struct outcome *row)
{
    return row->kind == OUTCOME_TRANSFER || row->kind == OUTCOME_POSTING;
}
// A snapshot of balances is two rows: debits pending and posted, credits pending and posted, in the
// places of id and amount.

enum history_section {
    SECTION_ID,         // Transfers by id, refused for transient reasons included.
    SECTION_RESOLUTION, // Posts, voids and expiries by the id of the pending transfer.
    SECTION_DEBIT,      // Postings by the row of the debit account.
    SECTION_CREDIT,
    SECTION_BALANCE, // Balance snapshots by the row of the account.
    SECTION_TRANSFER_USER_DATA_128,
    SECTION_TRANSFER_USER_DATA_64,
    SECTION_TRANSFER_USER_DATA_32,
    SECTION_TRANSFER_LEDGER,
    SECTION_TRANSFER_CODE,
    SECTION_ACCOUNT, // Every account, under key 0.
    SECTION_ACCOUNT_USER_DATA_128,
    SECTION_ACCOUNT_USER_DATA_64,
    SECTION_ACCOUNT_USER_DATA_32,
    SECTION_ACCOUNT_LEDGER,
    SECTION_ACCOUNT_CODE,
    SECTION_DATED_DEBIT, // Postings of an earlier effective day by the row of the debit account.
    SECTION_DATED_CREDIT,
    SECTION_COUNT,
};

// What happens in order of time. Transfers do (an imported one lies behind the last), expiries do,
// but not both together: an imported transfer may be dated before an expiry that happened earlier.
enum history_order {
    ORDER_TRANSFER,
    ORDER_EXPIRY,
    ORDER_COUNT,
};

// Entries of a section: key in the high 32 bits, row within the segment in the low ones.
struct history_list {
    u64 *entries;
    _Atomic u32 count;
};

struct history_live {
    struct outcome *rows;
    u64 *id_slots; // Tag in the high 32 bits, row + 1 in the low ones; linear probing.
    // Of each HISTORY_FENCE_ROWS rows, the latest timestamp up to there. Of the last ones it may be
    // that of a row which whoever looks does not see yet.
    u64 *latest[ORDER_COUNT];
    struct history_list lists[SECTION_COUNT];
    // Both are written by the machine alone, while others may look (history_live_count_set,
    // history_live_latest_set): what these see is as of any moment behind the frame that they know,
    // and bounded by its rows.
    u32 row_count;
    u32 key_count; // Used id slots.
    bool taken;
};

struct history_sealed {
    disk_handle file;
    u64 page_first[SECTION_COUNT]; // Page of the file where the section begins.
    u64 entry_count[SECTION_COUNT];
    u32 *fences[SECTION_COUNT]; // First key of each page.
    u8 *filter;
    size_t filter_size;
    u64 *latest[ORDER_COUNT]; // As of a live segment.
    void *memory;             // Holds fences, filter and latest timestamps.
    size_t memory_size;
    char name[DISK_NAME_SIZE_MAX];
};

struct history_segment {
    u32 references; // Sets that list it; guarded by the history's mutex.
    bool sealed;
    u64 first_row;
    u64 row_count;     // Of a sealed segment; a live one has live->row_count.
    u128 id_max;       // Over transfers with a key in it.
    u64 timestamp_max; // Over created transfers.
    u64 timestamp_min;
    struct history_live *live;
    struct history_sealed file;
};

// The segments at one moment, in order of rows.
struct history_set {
    u64 number; // Of its publication; 0 for a part of a set.
    u32 references;
    u32 count;
    struct history_segment *segments[];
};

struct history_frame {
    u128 log_id;
    u64 epoch;
    u64 sequence;
    u64 position; // Of its first command.
    u64 timestamp;
    struct digest header; // SHA-256 of its header.
};

// How the requests that rows point to are read: the log's reader, given by the layer above.
struct history_log {
    void *context;
    // Reads `size` bytes at `place`, from memory while the frame is not durable yet.
    enum status (*read)(void *context, u64 place, void *out, size_t size, struct failure *);
    // Say that bytes will be read soon: brings them towards the processor if they are in memory;
    // starts reading them from the device. Neither waits.
    void (*prefetch)(void *context, u64 place, size_t size);
    void (*advise)(void *context, u64 place, size_t size);
    // What the frame at a place says of itself; it is durable.
    enum status (*frame)(void *context, u64 place, struct history_frame *out, struct failure *);
};

struct history_rows_file {
    disk_handle handle;
    const u8 *map; // The whole file, or NULL.
    _Atomic u64 verified[HISTORY_ROWS_FILE_PAGES / 64];
};

// A file that a merge made superfluous. It is spare once no checkpoint names it and no reader holds
// it.
struct history_retired {
    char name[DISK_NAME_SIZE_MAX];
    u64 number;
    bool unnamed; // By any checkpoint.
    bool closed;
};

struct history {
    struct disk *disk;
    struct history_log log;
    struct hash_key key;
    struct hash_key resolution_key;
    pthread_mutex_t mutex;
    pthread_cond_t live_free; // A live buffer was given back.
    struct history_set *set;
    _Atomic u64 set_number; // Of `set`.
    struct history_segment *active;
    u64 next_row; // First row of nothing yet; the machine's.
    struct history_live lives[HISTORY_LIVE_SEGMENTS_MAX];
    _Atomic(struct history_rows_file *) rows_files[HISTORY_ROWS_FILES_MAX];
    u128 older_id_max; // Over all segments but the active one; the machine's.
    bool older_ids;    // Any key in them.
    u64 *sort_scratch; // The sealing thread's: twice a list.
    struct outcome_tree tree;
    _Atomic u64 filter_bytes;
    atomic_bool no_merges; // The program is about to stop.
    _Atomic u64 boundary;  // A row that no merge crosses: a checkpoint's next one; 0 none.
    // Files that a merge made superfluous; kept until no checkpoint names them.
    struct history_retired retired[HISTORY_SEGMENTS_MAX];
    u32 retired_count;
    u64 retired_number; // Of the next file to retire.
    // Files that nothing names any more, to be written over.
    char spares[HISTORY_SEGMENTS_MAX][DISK_NAME_SIZE_MAX];
    u32 spare_count;
};

// Opens an empty history. The caller then registers sealed segments (history_adopt), and starts the
// first live one (history_start).
MUST_USE enum status history_init(struct history *history, struct disk *disk,
                                  const struct hash_key *key, const struct history_log *log,
                                  struct failure *failure);
void history_free(struct history *history);
// Opens a sealed segment that a checkpoint names. In order of rows.
MUST_USE enum status history_adopt(struct history *history, u64 first_row, u64 row_count,
                                   struct failure *failure);
// Starts the live segment behind all adopted ones; `next_row` is the checkpoint's.
MUST_USE enum status history_start(struct history *history, u64 next_row, struct failure *failure);

// The segments as they are now; none of them goes away before the release. Any thread.
struct history_set *history_set_acquire(struct history *history);
void history_set_release(struct history *history, struct history_set *set);

// --- the machine's thread -----------------------------------------------------------------------

// Rows that the live segment has from here on.
static inline void history_live_count_set(struct history_live *live, u32 row_count)
{
    __atomic_store_n(&live->row_count, row_count, __ATOMIC_RELAXED);
}
// The latest timestamp of an order up to the end of a fence.
static inline void history_live_latest_set(struct history_live *live, u32 order, u32 fence,
                                           u64 timestamp)
{
    __atomic_store_n(&live->latest[order][fence], timestamp, __ATOMIC_RELAXED);
}
// The next row, to be filled in by the caller; input is stopped before a segment is full.
static inline struct outcome *history_append(struct history *history)
{
    struct history_live *live = history->active->live;
    assert(live->row_count < HISTORY_LIVE_ROWS_MAX);
    struct outcome *row = &live->rows[live->row_count];
    history_live_count_set(live, live->row_count + 1);
    u32 fence = (live->row_count - 1) / HISTORY_FENCE_ROWS;
    if ((live->row_count - 1) % HISTORY_FENCE_ROWS == 0) {
        for (u32 i = 0; i < ORDER_COUNT; i++) {
            history_live_latest_set(live, i, fence, fence == 0 ? 0 : live->latest[i][fence - 1]);
        }
    }
    history->next_row++;
    return row;
}
// The row appended last is the latest transfer so far, for look-ups by time.
static inline void history_note_transfer(struct history *history, u64 timestamp)
{
    struct history_segment *segment = history->active;
    u32 fence = (segment->live->row_count - 1) / HISTORY_FENCE_ROWS;
    history_live_latest_set(segment->live, ORDER_TRANSFER, fence, timestamp);
    segment->timestamp_max = timestamp;
    if (segment->timestamp_min == 0) segment->timestamp_min = timestamp;
}
// The row appended last is the latest expiry so far.
static inline void history_note_expiry(struct history *history, u64 timestamp)
{
    struct history_live *live = history->active->live;
    history_live_latest_set(live, ORDER_EXPIRY, (live->row_count - 1) / HISTORY_FENCE_ROWS,
                            timestamp);
}

// Fetches the slot of an id that will be looked up soon.
static inline void history_prefetch_id(const struct history *history, u64 hash)
{
    __builtin_prefetch(&history->active->live->id_slots[hash & (HISTORY_ID_SLOTS - 1)], 1);
}
// Finds the slot of an id in one live segment: `*slot` is where it is or would go. `hash` from
// history_hash_id. Returns row within the segment plus one, or 0.
u32 history_live_find(const struct history_live *live, u64 hash, u128 id, u32 *slot);
// Puts a key into the slot found, for the row appended last. Returns nothing; the table has room
// for every key of a full segment.
static inline void history_live_put(struct history_live *live, u64 hash, u32 slot,
                                    u32 row_in_segment)
{
    assert(live->id_slots[slot] == 0);
    assert(live->key_count < HISTORY_KEYS_MAX);
    __atomic_store_n(&live->id_slots[slot], (hash >> 32) << 32 | (u64)(row_in_segment + 1),
                     __ATOMIC_RELAXED);
    live->key_count++;
}
static inline u64 history_hash_id(const struct history *history, u128 id)
{
    return hash_u128(&history->key, id);
}
static inline u64 history_hash_resolution(const struct history *history, u128 pending_id)
{
    return hash_u128(&history->resolution_key, pending_id);
}
// Finds the row of a transfer id in every segment but the active one (H1). `*row` is the row plus
// one, or 0. Reads from disk when a filter says maybe.
MUST_USE enum status history_find_older(struct history *history, const struct history_set *set,
                                        u128 id, u64 hash, u64 *row, struct failure *failure);
// The same over every segment and for any thread: rows from `row_end` on are not seen.
MUST_USE enum status history_find_row(struct history *history, const struct history_set *set,
                                      u128 id, u64 hash, u64 row_end, u64 *row,
                                      struct failure *failure);
// Finds the row that posted, voided or expired the pending transfer of row `pending_row`.
MUST_USE enum status history_find_resolution(struct history *history, const struct history_set *set,
                                             u128 pending_id, u64 pending_row, u64 *row,
                                             struct failure *failure);
// Whether a created transfer has exactly this timestamp.
MUST_USE enum status history_has_timestamp(struct history *history, const struct history_set *set,
                                           u64 timestamp, bool *found, struct failure *failure);
// Ends the active segment, which is not empty, at a frame's end, pads it to a page and starts the
// next. Waits for a buffer if sealing lags: that is how input is throttled.
void history_rotate(struct history *history);
static inline bool history_active_full(const struct history *history)
{
    return history->active->live->row_count >= HISTORY_SEGMENT_ROWS;
}
// Whether the active segment takes one more frame, whatever is in it.
static inline bool history_active_has_room(const struct history *history)
{
    const struct history_live *live = history->active->live;
    return live->row_count + HISTORY_FRAME_ROWS_MAX + HISTORY_PAGE_ROWS <= HISTORY_LIVE_ROWS_MAX &&
           live->key_count + HISTORY_FRAME_KEYS_MAX <= HISTORY_KEYS_MAX;
}
static inline bool history_active_empty(const struct history *history)
{
    return history->active->live->row_count == 0;
}
// Whether history_rotate would find a buffer without waiting.
bool history_can_rotate(struct history *history);

// --- the history thread -------------------------------------------------------------------------

// Adds the entries of one committed row to the lists of its segment. `record` is the request (an
// account or a transfer with its inherited fields resolved), or NULL for rows without one.
void history_index_row(struct history *history, struct history_segment *segment, u32 row_in_segment,
                       const void *record, u32 ledger);

// --- the sealing and merging threads ------------------------------------------------------------

// Writes a live segment whose rows are all indexed, swaps it for the sealed one and gives its
// buffers back. The log must be durable up to its last row.
MUST_USE enum status history_seal(struct history *history, struct history_segment *segment,
                                  struct failure *failure);
// Merges one group of neighbours if there is one. `*merged` says so. The old files stay until
// history_discard.
MUST_USE enum status history_merge(struct history *history, bool *merged, struct failure *failure);
// Keeps merges off a row, so that the segments below it stay a list of their own; 0 ends that.
// Called before any segment behind the row is sealed.
static inline void history_set_boundary(struct history *history, u64 row)
{
    atomic_store(&history->boundary, row);
}
// Ends the merge that runs, with STATUS_CANCELLED, and every later one: for a stop that does not
// wait.
static inline void history_end_merges(struct history *history)
{
    atomic_store(&history->no_merges, true);
}
// The number of the next file to retire; taken when a checkpoint takes its list of segments.
u64 history_retired(struct history *history);
// No checkpoint names retired files below `number` any more: the one taken with it is durable.
void history_discard(struct history *history, u64 number);
// Takes a file that nothing names to be written over or removed later; for a start that finds some.
void history_add_spare(struct history *history, const char *name);
// Whether spare files are left to be removed.
bool history_has_spares(struct history *history);
// Removes one spare file if there are more than `keep`; `*removed` says so. For idle times: freeing
// blocks may hold the device up.
MUST_USE enum status history_remove_spares(struct history *history, u32 keep, bool *removed,
                                           struct failure *failure);

// --- readers ------------------------------------------------------------------------------------

// The row behind the last one of a segment; the segment that a row lies in.
u64 history_segment_end(const struct history_segment *segment);
struct history_segment *history_segment_of(const struct history_set *set, u64 row);
// Reads a row that is committed and, for other threads than the machine's, durable.
MUST_USE enum status history_row(struct history *history, const struct history_set *set, u64 row,
                                 struct outcome *out, struct failure *failure);
// Whether the row was read before, or is in a live segment: then it is likely, and no more, that
// reading it again waits for nothing. If so, brings it towards the processor.
bool history_row_prefetch(struct history *history, const struct history_set *set, u64 row);
// Starts reading a row from the device.
void history_row_advise(struct history *history, const struct history_set *set, u64 row);

// What a filter is asked with. It is made from the 32-bit key, so that filters are built from the
// entries alone; the keys that collide cost a look at the section.
static inline u64 history_filter_hash(const struct history *history, enum history_section section,
                                      u32 key)
{
    return hash_u64(&history->key, key, section);
}

// The key under which a value is listed in a section.
u32 history_key(const struct history *history, enum history_section section, u128 value);

#endif
