// SPDX-License-Identifier: Apache-2.0
//
// History: segments and their sets, the live segment, look-ups by id, rows.
#include "ledger/history.h"

#include "base/checksum.h"
#include "ledger/history_file.h"
#include "os/memory.h"

#include <stdio.h>
#include <stdlib.h>

void history_file_name(char out[DISK_NAME_SIZE_MAX], u64 first_row, u64 row_count)
{
    (void)snprintf(out, DISK_NAME_SIZE_MAX, "index-%016llx-%010llx", (unsigned long long)first_row,
                   (unsigned long long)row_count);
}

u64 history_segment_end(const struct history_segment *segment)
{
    return segment->first_row + (segment->sealed ? segment->row_count : segment->live->row_count);
}

u32 history_key(const struct history *history, enum history_section section, u128 value)
{
    switch (section) {
    case SECTION_DEBIT:
    case SECTION_CREDIT:
    case SECTION_BALANCE:
    case SECTION_ACCOUNT: return (u32)value;
    case SECTION_ID: return (u32)(hash_u128(&history->key, value) >> 32);
    case SECTION_RESOLUTION: return (u32)(hash_u128(&history->resolution_key, value) >> 32);
    case SECTION_TRANSFER_USER_DATA_128:
    case SECTION_ACCOUNT_USER_DATA_128:
        return (u32)(hash_u128(&history->key, value ^ (u128)section) >> 32);
    default: return (u32)(hash_u64(&history->key, (u64)value, section) >> 32);
    }
}

// --- sets ---------------------------------------------------------------------------------------

struct history_set *history_set_acquire(struct history *history)
{
    (void)pthread_mutex_lock(&history->mutex);
    struct history_set *set = history->set;
    set->references++;
    (void)pthread_mutex_unlock(&history->mutex);
    return set;
}

static void live_give_back(struct history *history, struct history_live *live)
{
    // Zero the id table before the buffer can be taken again; the rest is overwritten.
    memset(live->id_slots, 0, HISTORY_ID_SLOTS * sizeof(u64));
    live->row_count = 0;
    live->key_count = 0;
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        atomic_store_explicit(&live->lists[i].count, 0, memory_order_relaxed);
    }
    (void)pthread_mutex_lock(&history->mutex);
    live->taken = false;
    (void)pthread_cond_broadcast(&history->live_free);
    (void)pthread_mutex_unlock(&history->mutex);
}

void history_segment_close(struct history *history, struct history_segment *segment)
{
    if (segment->sealed) {
        disk_close(history->disk, segment->file.file);
        history_note_closed(history, segment->file.name);
        atomic_fetch_sub(&history->filter_bytes, segment->file.filter_size);
        memory_release(segment->file.memory, segment->file.memory_size);
    } else {
        live_give_back(history, segment->live);
    }
    free(segment);
}

// Lets go of a set under the mutex; returns the segments that nobody holds any more in `dead`.
static u32 set_unreference(struct history_set *set, struct history_segment **dead)
{
    u32 count = 0;
    assert(set->references > 0);
    if (--set->references > 0) return 0;
    for (u32 i = 0; i < set->count; i++) {
        assert(set->segments[i]->references > 0);
        if (--set->segments[i]->references == 0) dead[count++] = set->segments[i];
    }
    free(set);
    return count;
}

void history_set_release(struct history *history, struct history_set *set)
{
    struct history_segment *few[64];
    (void)pthread_mutex_lock(&history->mutex);
    u32 size = set->count;
    struct history_segment **dead = size <= ARRAY_COUNT(few) ? few : malloc(size * sizeof *dead);
    assert(dead != NULL);
    u32 count = set_unreference(set, dead);
    (void)pthread_mutex_unlock(&history->mutex);
    for (u32 i = 0; i < count; i++) history_segment_close(history, dead[i]);
    if (dead != few) free(dead);
}

static struct history_set *set_new(u32 count)
{
    struct history_set *set = malloc(sizeof *set + count * sizeof set->segments[0]);
    assert(set != NULL);
    set->references = 1;
    set->count = count;
    return set;
}

struct history_set *history_set_narrow(struct history *history, struct history_set *set, u32 first,
                                       u32 count)
{
    assert(first + count <= set->count);
    struct history_set *part = set_new(count);
    (void)pthread_mutex_lock(&history->mutex);
    for (u32 i = 0; i < count; i++) {
        part->segments[i] = set->segments[first + i];
        part->segments[i]->references++;
    }
    (void)pthread_mutex_unlock(&history->mutex);
    history_set_release(history, set);
    return part;
}

// Publishes a set built from the current one. Takes over `set`.
static void set_publish(struct history *history, struct history_set *set)
{
    for (u32 i = 0; i < set->count; i++) set->segments[i]->references++;
    struct history_set *old = history->set;
    history->set = set;
    (void)pthread_mutex_unlock(&history->mutex);
    if (old != NULL) history_set_release(history, old);
}

static void set_append(struct history *history, struct history_segment *segment)
{
    (void)pthread_mutex_lock(&history->mutex);
    u32 count = history->set == NULL ? 0 : history->set->count;
    assert(count < HISTORY_SEGMENTS_MAX);
    struct history_set *set = set_new(count + 1);
    for (u32 i = 0; i < count; i++) set->segments[i] = history->set->segments[i];
    set->segments[count] = segment;
    set_publish(history, set);
}

void history_replace(struct history *history, struct history_segment *first, u32 count,
                     struct history_segment *by)
{
    (void)pthread_mutex_lock(&history->mutex);
    const struct history_set *old = history->set;
    struct history_set *set = set_new(old->count - count + 1);
    u32 at = 0;
    while (at < old->count && old->segments[at] != first) at++;
    assert(at + count <= old->count);
    for (u32 i = 0; i < at; i++) set->segments[i] = old->segments[i];
    set->segments[at] = by;
    for (u32 i = at + count; i < old->count; i++) {
        set->segments[i - count + 1] = old->segments[i];
    }
    set_publish(history, set);
}

// --- opening ------------------------------------------------------------------------------------

static enum status live_init(struct history_live *live, struct failure *failure)
{
    void *memory = NULL;
    enum status status =
        memory_reserve(HISTORY_LIVE_ROWS_MAX * sizeof(struct outcome), true, &memory, failure);
    if (status != STATUS_OK) return status;
    live->rows = memory;
    status = memory_reserve(HISTORY_ID_SLOTS * sizeof(u64), true, &memory, failure);
    if (status != STATUS_OK) return status;
    live->id_slots = memory;
    for (u32 i = 0; i < ORDER_COUNT; i++) {
        status = memory_reserve(history_fence_count(HISTORY_LIVE_ROWS_MAX) * sizeof(u64), false,
                                &memory, failure);
        if (status != STATUS_OK) return status;
        live->latest[i] = memory;
    }
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        status = memory_reserve(HISTORY_LIVE_ROWS_MAX * sizeof(u64), false, &memory, failure);
        if (status != STATUS_OK) return status;
        live->lists[i].entries = memory;
    }
    return STATUS_OK;
}

static void live_free(struct history_live *live)
{
    memory_release(live->rows, HISTORY_LIVE_ROWS_MAX * sizeof(struct outcome));
    memory_release(live->id_slots, HISTORY_ID_SLOTS * sizeof(u64));
    for (u32 i = 0; i < ORDER_COUNT; i++) {
        memory_release(live->latest[i], history_fence_count(HISTORY_LIVE_ROWS_MAX) * sizeof(u64));
    }
    for (u32 i = 0; i < SECTION_COUNT; i++) {
        memory_release(live->lists[i].entries, HISTORY_LIVE_ROWS_MAX * sizeof(u64));
    }
}

enum status history_init(struct history *history, struct disk *disk, const struct hash_key *key,
                         const struct history_log *log, struct failure *failure)
{
    memset(history, 0, sizeof *history);
    history->disk = disk;
    history->log = *log;
    history->key = *key;
    for (u32 i = 0; i < ARRAY_COUNT(key->words); i++) {
        history->resolution_key.words[i] = key->words[(i + 1) % ARRAY_COUNT(key->words)];
    }
    (void)pthread_mutex_init(&history->mutex, NULL);
    (void)pthread_cond_init(&history->live_free, NULL);
    for (u32 i = 0; i < HISTORY_LIVE_SEGMENTS_MAX; i++) {
        enum status status = live_init(&history->lives[i], failure);
        if (status != STATUS_OK) return status;
    }
    void *scratch = NULL;
    enum status status =
        memory_reserve(2 * HISTORY_LIVE_ROWS_MAX * sizeof(u64), false, &scratch, failure);
    history->sort_scratch = scratch;
    return status;
}

static void rows_file_close(struct history *history, struct history_rows_file *file)
{
    if (file->map != NULL) {
        disk_unmap(history->disk, file->map, HISTORY_ROWS_FILE_PAGES * PAGE_SIZE);
    }
    disk_close(history->disk, file->handle);
    free(file);
}

void history_free(struct history *history)
{
    if (history->set != NULL) {
        struct history_set *set = history->set;
        history->set = NULL;
        history_set_release(history, set);
    }
    for (u32 i = 0; i < HISTORY_LIVE_SEGMENTS_MAX; i++) live_free(&history->lives[i]);
    for (u32 i = 0; i < HISTORY_ROWS_FILES_MAX; i++) {
        struct history_rows_file *file = history->rows_files[i];
        if (file != NULL) rows_file_close(history, file);
    }
    memory_release(history->sort_scratch, 2 * HISTORY_LIVE_ROWS_MAX * sizeof(u64));
    (void)pthread_mutex_destroy(&history->mutex);
    (void)pthread_cond_destroy(&history->live_free);
    memset(history, 0, sizeof *history);
}

enum status history_adopt(struct history *history, u64 first_row, u64 row_count,
                          struct failure *failure)
{
    struct history_segment *segment = calloc(1, sizeof *segment);
    assert(segment != NULL);
    segment->sealed = true;
    segment->first_row = first_row;
    segment->row_count = row_count;
    enum status status = history_segment_load(history, segment, failure);
    if (status != STATUS_OK) {
        free(segment);
        return status;
    }
    if (segment->id_max > history->older_id_max) history->older_id_max = segment->id_max;
    history->older_ids = history->older_ids || segment->id_max > 0;
    set_append(history, segment);
    return STATUS_OK;
}

static struct history_segment *segment_live_new(struct history *history)
{
    struct history_segment *segment = calloc(1, sizeof *segment);
    assert(segment != NULL);
    segment->first_row = history->next_row;
    (void)pthread_mutex_lock(&history->mutex);
    for (;;) {
        for (u32 i = 0; i < HISTORY_LIVE_SEGMENTS_MAX && segment->live == NULL; i++) {
            if (!history->lives[i].taken) segment->live = &history->lives[i];
        }
        if (segment->live != NULL) break;
        (void)pthread_cond_wait(&history->live_free, &history->mutex);
    }
    segment->live->taken = true;
    (void)pthread_mutex_unlock(&history->mutex);
    return segment;
}

enum status history_start(struct history *history, u64 next_row, struct failure *failure)
{
    if (next_row % HISTORY_PAGE_ROWS != 0) {
        return failure_set(failure, STATUS_CORRUPT, "history begins at row %llu, not at a page",
                           (unsigned long long)next_row);
    }
    history->next_row = next_row;
    history->active = segment_live_new(history);
    set_append(history, history->active);
    return STATUS_OK;
}

bool history_can_rotate(struct history *history)
{
    bool can = false;
    (void)pthread_mutex_lock(&history->mutex);
    for (u32 i = 0; i < HISTORY_LIVE_SEGMENTS_MAX; i++) can = can || !history->lives[i].taken;
    (void)pthread_mutex_unlock(&history->mutex);
    return can;
}

enum status history_rotate(struct history *history, struct failure *failure)
{
    (void)failure;
    assert(!history_active_empty(history));
    while (history->next_row % HISTORY_PAGE_ROWS != 0) {
        memset(history_append(history), 0, sizeof(struct outcome));
    }
    struct history_segment *full = history->active;
    if (full->id_max > history->older_id_max) history->older_id_max = full->id_max;
    history->older_ids = history->older_ids || full->id_max > 0;
    history->active = segment_live_new(history);
    set_append(history, history->active);
    return STATUS_OK;
}

// --- ids ----------------------------------------------------------------------------------------

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

void history_live_put(struct history_live *live, u64 hash, u32 slot, u32 row_in_segment)
{
    assert(live->id_slots[slot] == 0);
    assert(live->key_count < HISTORY_ID_SLOTS - HISTORY_ID_SLOTS / 8);
    __atomic_store_n(&live->id_slots[slot], (hash >> 32) << 32 | (u64)(row_in_segment + 1),
                     __ATOMIC_RELAXED);
    live->key_count++;
}

// Where the entries with `key` begin in a sealed section, as an index of entries: reads at most the
// one page that the fences leave open.
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
        u64 low = 0;
        u64 high = history_fence_count(rows);
        while (low < high) {
            u64 middle = (low + high) / 2;
            if (fence[middle] < timestamp) low = middle + 1;
            else high = middle;
        }
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

// --- indexing -----------------------------------------------------------------------------------

static inline void list_add(struct history_live *live, enum history_section section, u32 key,
                            u32 row)
{
    struct history_list *list = &live->lists[section];
    u32 count = atomic_load_explicit(&list->count, memory_order_relaxed);
    assert(count < HISTORY_LIVE_ROWS_MAX);
    list->entries[count] = (u64)key << 32 | row;
    atomic_store_explicit(&list->count, count + 1, memory_order_release);
}

static void index_value(struct history *history, struct history_live *live,
                        enum history_section section, u128 value, u32 row)
{
    if (value == 0) return; // 0 means "any" in every filter, so it is never looked for.
    list_add(live, section, history_key(history, section, value), row);
}

static void index_transfer(struct history *history, struct history_live *live,
                           const struct outcome *outcome, u32 row, const struct transfer *transfer,
                           u32 ledger)
{
    list_add(live, SECTION_ID, (u32)(history_hash_id(history, outcome->id) >> 32), row);
    if (outcome->result != OUTCOME_CREATED) return; // Only the burned id.
    list_add(live, SECTION_DEBIT, outcome->debit_row, row);
    list_add(live, SECTION_CREDIT, outcome->credit_row, row);
    if (outcome->pending_distance != 0) {
        index_value(history, live, SECTION_RESOLUTION, transfer->pending_id, row);
    }
    index_value(history, live, SECTION_TRANSFER_USER_DATA_128, transfer->user_data_128, row);
    index_value(history, live, SECTION_TRANSFER_USER_DATA_64, transfer->user_data_64, row);
    index_value(history, live, SECTION_TRANSFER_USER_DATA_32, transfer->user_data_32, row);
    index_value(history, live, SECTION_TRANSFER_LEDGER, ledger, row);
    index_value(history, live, SECTION_TRANSFER_CODE, outcome->code, row);
}

static void index_account(struct history *history, struct history_live *live, u32 row,
                          const struct account *account)
{
    list_add(live, SECTION_ACCOUNT, 0, row);
    index_value(history, live, SECTION_ACCOUNT_USER_DATA_128, account->user_data_128, row);
    index_value(history, live, SECTION_ACCOUNT_USER_DATA_64, account->user_data_64, row);
    index_value(history, live, SECTION_ACCOUNT_USER_DATA_32, account->user_data_32, row);
    index_value(history, live, SECTION_ACCOUNT_LEDGER, account->ledger, row);
    index_value(history, live, SECTION_ACCOUNT_CODE, account->code, row);
}

void history_index_row(struct history *history, struct history_segment *segment, u32 row_in_segment,
                       const void *record, u32 ledger)
{
    struct history_live *live = segment->live;
    const struct outcome *outcome = &live->rows[row_in_segment];
    switch ((enum outcome_kind)outcome->kind) {
    case OUTCOME_TRANSFER:
    case OUTCOME_POSTING: {
        // Refusals that burned the id are indexed; the machine leaves NULL for the others.
        if (record != NULL) {
            index_transfer(history, live, outcome, row_in_segment, record, ledger);
        }
        break;
    }
    case OUTCOME_ACCOUNT:
        if (outcome->result == OUTCOME_CREATED) {
            index_account(history, live, row_in_segment, record);
        }
        break;
    case OUTCOME_EXPIRY:
        list_add(live, SECTION_DEBIT, outcome->debit_row, row_in_segment);
        list_add(live, SECTION_CREDIT, outcome->credit_row, row_in_segment);
        index_value(history, live, SECTION_RESOLUTION, outcome->id, row_in_segment);
        break;
    case OUTCOME_BALANCE_DEBITS:
        list_add(live, SECTION_BALANCE, outcome->debit_row, row_in_segment);
        break;
    case OUTCOME_NONE:
    case OUTCOME_BALANCE_CREDITS:
    case OUTCOME_COMMAND: break;
    }
}

// --- rows ---------------------------------------------------------------------------------------

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

static struct history_rows_file *rows_file(struct history *history, u64 file)
{
    return atomic_load_explicit(&history->rows_files[file], memory_order_acquire);
}

enum status history_rows_open(struct history *history, u64 file, bool create,
                              struct history_rows_file **out, struct failure *failure)
{
    assert(file < HISTORY_ROWS_FILES_MAX);
    *out = rows_file(history, file);
    if (*out != NULL) return STATUS_OK;
    // Opened without the mutex, which the machine takes: creating waits for the device.
    char name[DISK_NAME_SIZE_MAX];
    (void)snprintf(name, sizeof name, "rows-%08llx", (unsigned long long)file);
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
    u128 sum = checksum((const u8 *)&bytes + 16, sizeof bytes - 16);
    if (memcmp(&sum, bytes.checksum, 16) != 0 || bytes.magic != HISTORY_ROWS_MAGIC ||
        bytes.first_row != page * HISTORY_PAGE_ROWS) {
        (void)failure_set(failure, STATUS_CORRUPT,
                          "history: rows-%08llx, offset %llu (rows %llu to %llu) is damaged",
                          (unsigned long long)(page / HISTORY_ROWS_FILE_PAGES),
                          (unsigned long long)offset,
                          (unsigned long long)(page * HISTORY_PAGE_ROWS),
                          (unsigned long long)((page + 1) * HISTORY_PAGE_ROWS - 1));
        failure_hint(failure,
                     "history is made from the log: stop the server, remove the "
                     "checkpoints, rows-* and index-* files, and start it to rebuild them");
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
    enum status status =
        history_rows_open(history, page / HISTORY_ROWS_FILE_PAGES, false, out, failure);
    if (status != STATUS_OK || page_is_verified(*out, page)) return status;
    status = rows_page_verify(history, *out, page, failure);
    if (status != STATUS_OK) return status;
    u64 at = page % HISTORY_ROWS_FILE_PAGES;
    atomic_fetch_or_explicit(&(*out)->verified[at / 64], 1ull << (at % 64), memory_order_relaxed);
    return STATUS_OK;
}

enum status history_rows_read_back(struct history *history, u64 first_page, u64 page_count,
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
