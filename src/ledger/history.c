// SPDX-License-Identifier: Apache-2.0
//
// History: segments and their sets, opening and rotating, the lists of the live segment.
#include "ledger/history.h"

#include "ledger/history_file.h"
#include "os/memory.h"

#include <stdlib.h>

u64 history_segment_end(const struct history_segment *segment)
{
    if (segment->sealed) return segment->first_row + segment->row_count;
    return segment->first_row + __atomic_load_n(&segment->live->row_count, __ATOMIC_RELAXED);
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
    set->number = 0;
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
    set->number = atomic_load_explicit(&history->set_number, memory_order_relaxed) + 1;
    atomic_store_explicit(&history->set_number, set->number, memory_order_relaxed);
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
    if (status == STATUS_OK) status = outcome_tree_init(&history->tree, disk, failure);
    return status;
}

void history_free(struct history *history)
{
    if (history->set != NULL) {
        struct history_set *set = history->set;
        history->set = NULL;
        history_set_release(history, set);
    }
    for (u32 i = 0; i < HISTORY_LIVE_SEGMENTS_MAX; i++) live_free(&history->lives[i]);
    history_rows_close(history);
    outcome_tree_free(&history->tree);
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

void history_rotate(struct history *history)
{
    assert(!history_active_empty(history));
    while (history->next_row % HISTORY_PAGE_ROWS != 0) {
        memset(history_append(history), 0, sizeof(struct outcome));
    }
    struct history_segment *full = history->active;
    if (full->id_max > history->older_id_max) history->older_id_max = full->id_max;
    history->older_ids = history->older_ids || full->id_max > 0;
    history->active = segment_live_new(history);
    set_append(history, history->active);
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
    if (UNLIKELY((outcome->flags & OUTCOME_DATED) != 0)) {
        list_add(live, SECTION_DATED_DEBIT, outcome->debit_row, row);
        list_add(live, SECTION_DATED_CREDIT, outcome->credit_row, row);
    }
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
    case OUTCOME_COMMAND:
    case OUTCOME_EVIDENCE: break;
    }
}
