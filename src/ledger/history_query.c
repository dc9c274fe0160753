// SPDX-License-Identifier: Apache-2.0
//
// Queries over segments.
#include "ledger/history_query.h"

#include "ledger/history_cursor.h"
#include "os/memory.h"

#include <stdlib.h>

#define CURSORS_MAX 8u
#define CHUNK_ROWS  1024u
// What is read is brought towards the processor this many reads ahead.
#define PREFETCH_AHEAD 8u
// Whether a read waited for the device is looked at after each of the first ones, then after so
// many.
#define FIRST_READS 4u
#define WARM_READS  32u

struct account_state {
    u32 account_row_plus_one;
    bool closed;
    u128 debits_pending;
    u128 debits_posted;
    u128 credits_pending;
    u128 credits_posted;
};
// At least twice the accounts of an answer.
#define STATES_COUNT 16384u

// The conditions of a query: lists that must be joined, and what the record must say.
struct condition {
    enum history_section section;
    u32 key;
    bool or_next; // This condition or the next one.
};

struct selection {
    struct condition conditions[CURSORS_MAX];
    u32 condition_count;
    bool reversed;
    enum history_order order; // By which times bound the rows; ORDER_COUNT: judged one by one.
    u64 timestamp_min;
    u64 timestamp_max;
    // Where the walk stands.
    u32 segment; // Visited so far.
    bool open;
    struct history_join join;
};

// A row that is part of an answer of change events.
struct event_row {
    u64 row;
    struct outcome outcome;
};

// The transfers, or the expiries, of a period, a chunk at a time.
struct event_stream {
    struct selection selection;
    struct event_row events[CHUNK_ROWS];
    u32 count;
    u32 at;
};

struct history_query {
    struct history_cursor cursors[CURSORS_MAX];
    u32 *matches[CURSORS_MAX];
    u64 rows[CHUNK_ROWS];
    struct outcome outcomes[CHUNK_ROWS];
    // What is in memory is just read. Once anything had to be waited for, the question is cold: the
    // reads of a chunk are then all started before the first is waited for, so that it costs a few
    // turns of the device and not one a row.
    bool cold;
    u64 major_faults; // Of this thread when the question began.
    struct event_stream streams[ORDER_COUNT];
    struct event_row events[LEDGER_CHANGE_EVENTS_MAX];
    // Balances on the way, of the accounts of an answer of change events: open addressing by row.
    struct account_state *states;
};

enum status history_query_new(struct history_query **out, struct failure *failure)
{
    struct history_query *query = calloc(1, sizeof *query);
    assert(query != NULL);
    void *memory = NULL;
    for (u32 i = 0; i < CURSORS_MAX; i++) {
        enum status status =
            memory_reserve(HISTORY_LIVE_ROWS_MAX * sizeof(u32), false, &memory, failure);
        if (status != STATUS_OK) {
            history_query_free(query);
            return status;
        }
        query->matches[i] = memory;
    }
    enum status status =
        memory_reserve(STATES_COUNT * sizeof(struct account_state), false, &memory, failure);
    if (status != STATUS_OK) {
        history_query_free(query);
        return status;
    }
    query->states = memory;
    *out = query;
    return STATUS_OK;
}

void history_query_free(struct history_query *query)
{
    if (query == NULL) return;
    for (u32 i = 0; i < CURSORS_MAX; i++) {
        memory_release(query->matches[i], HISTORY_LIVE_ROWS_MAX * sizeof(u32));
    }
    memory_release(query->states, STATES_COUNT * sizeof(struct account_state));
    free(query);
}

static bool timestamps_valid(u64 min, u64 max)
{
    return min <= LEDGER_TIMESTAMP_MAX && max <= LEDGER_TIMESTAMP_MAX && (max == 0 || min <= max);
}

bool account_filter_valid(const struct account_filter *filter)
{
    const u32 known = ACCOUNT_FILTER_DEBITS | ACCOUNT_FILTER_CREDITS | ACCOUNT_FILTER_REVERSED;
    return filter->account_id != 0 && filter->account_id != U128_MAX && filter->limit != 0 &&
           (filter->flags & (ACCOUNT_FILTER_DEBITS | ACCOUNT_FILTER_CREDITS)) != 0 &&
           (filter->flags & ~known) == 0 && is_zero(filter->reserved, sizeof filter->reserved) &&
           timestamps_valid(filter->timestamp_min, filter->timestamp_max);
}

bool query_filter_valid(const struct query_filter *filter)
{
    return filter->limit != 0 && (filter->flags & ~(u32)QUERY_FILTER_REVERSED) == 0 &&
           is_zero(filter->reserved, sizeof filter->reserved) &&
           timestamps_valid(filter->timestamp_min, filter->timestamp_max);
}

bool change_events_filter_valid(const struct change_events_filter *filter)
{
    return filter->limit != 0 && is_zero(filter->reserved, sizeof filter->reserved) &&
           timestamps_valid(filter->timestamp_min, filter->timestamp_max);
}

// --- transfers -----------------------------------------------------------------------------------

// The row of the pending transfer that a post, a void or an expiry refers to.
static enum status pending_row(const struct history_view *view, u64 row,
                               const struct outcome *outcome, u128 pending_id, u64 *out,
                               struct failure *failure)
{
    assert(outcome->pending_distance != 0);
    if (outcome->pending_distance != OUTCOME_PENDING_FAR) {
        *out = row - outcome->pending_distance;
        return STATUS_OK;
    }
    u64 found = 0;
    enum status status =
        history_find_older(view->history, view->set, pending_id,
                           history_hash_id(view->history, pending_id), &found, failure);
    if (status == STATUS_OK && found == 0) {
        status = failure_set(failure, STATUS_CORRUPT,
                             "history: the pending transfer of row %llu is not to be found",
                             (unsigned long long)row);
    }
    *out = found - 1;
    return status;
}

// Reads the request of a row from the log, which must hold that transfer there.
static enum status request_read(const struct history_view *view, u64 row,
                                const struct outcome *outcome, struct transfer *out,
                                struct failure *failure)
{
    const struct history_log *log = &view->history->log;
    u64 place = outcome_place(outcome);
    enum status status = log->read(log->context, place, out, sizeof *out, failure);
    if (status != STATUS_OK || out->id == outcome->id) return status;
    return failure_set(failure, STATUS_CORRUPT,
                       "history: row %llu points to place %llu of the log, which holds another "
                       "transfer",
                       (unsigned long long)row, (unsigned long long)place);
}

// Completes the request of a row to the transfer as it became.
static enum status transfer_complete(const struct history_view *view, u64 row,
                                     const struct outcome *outcome, struct transfer *transfer,
                                     struct failure *failure)
{
    const struct account *debit = &view->accounts[outcome->debit_row];
    transfer->debit_account_id = debit->id;
    transfer->credit_account_id = view->accounts[outcome->credit_row].id;
    transfer->amount = outcome->amount;
    transfer->timestamp = outcome->timestamp;
    transfer->ledger = debit->ledger;
    transfer->code = outcome->code;
    if (outcome->pending_distance == 0) return STATUS_OK;
    if (transfer->user_data_128 != 0 && transfer->user_data_64 != 0 &&
        transfer->user_data_32 != 0) {
        return STATUS_OK;
    }
    u64 row_of_pending = 0;
    enum status status =
        pending_row(view, row, outcome, transfer->pending_id, &row_of_pending, failure);
    if (status != STATUS_OK) return status;
    struct outcome pending_outcome;
    status = history_row(view->history, view->set, row_of_pending, &pending_outcome, failure);
    if (status != STATUS_OK) return status;
    struct transfer pending;
    status = request_read(view, row_of_pending, &pending_outcome, &pending, failure);
    if (status != STATUS_OK) return status;
    if (transfer->user_data_128 == 0) transfer->user_data_128 = pending.user_data_128;
    if (transfer->user_data_64 == 0) transfer->user_data_64 = pending.user_data_64;
    if (transfer->user_data_32 == 0) transfer->user_data_32 = pending.user_data_32;
    return STATUS_OK;
}

// A posting of a module says everything in its row, but for the pending transfer that it resolves.
static enum status posting_make(const struct history_view *view, u64 row,
                                const struct outcome *outcome, struct transfer *out,
                                struct failure *failure)
{
    const struct account *debit = &view->accounts[outcome->debit_row];
    *out = (struct transfer){
        .id = outcome->id,
        .debit_account_id = debit->id,
        .credit_account_id = view->accounts[outcome->credit_row].id,
        .amount = outcome->amount,
        .ledger = debit->ledger,
        .code = outcome->code,
        .flags = outcome->flags,
        .timestamp = outcome->timestamp,
    };
    if (outcome->pending_distance == 0) return STATUS_OK;
    // A module resolves only what it holds, and never so late that the distance does not fit.
    assert(outcome->pending_distance != OUTCOME_PENDING_FAR);
    struct outcome held;
    enum status status =
        history_row(view->history, view->set, row - outcome->pending_distance, &held, failure);
    out->pending_id = held.id;
    return status;
}

enum status history_transfer(const struct history_view *view, u64 row,
                             const struct outcome *outcome, struct transfer *out,
                             struct failure *failure)
{
    assert(outcome_is_transfer(outcome) && outcome->result == OUTCOME_CREATED);
    if (outcome->kind == OUTCOME_POSTING) return posting_make(view, row, outcome, out, failure);
    enum status status = request_read(view, row, outcome, out, failure);
    if (status != STATUS_OK) return status;
    return transfer_complete(view, row, outcome, out, failure);
}

static void temperature_begin(struct history_query *query)
{
    query->cold = false;
    query->major_faults = memory_major_faults();
}

// Whether read `index` of a chunk is one at which to look, and the question is cold.
static bool found_cold(struct history_query *query, u32 index)
{
    if (index > FIRST_READS && index % WARM_READS != 0) return false;
    if (!query->cold) query->cold = memory_major_faults() != query->major_faults;
    return query->cold;
}

// Loads the outcome of each row of the chunk.
static enum status chunk_load(struct history_query *query, const struct history_view *view,
                              u32 count, struct failure *failure)
{
    bool advised = false;
    for (u32 i = 0; i < count; i++) {
        u32 ahead = MIN(i + PREFETCH_AHEAD, count - 1);
        bool near = history_row_prefetch(view->history, view->set, query->rows[ahead]);
        if (!near) query->cold = true;
        if (!advised && (!near || found_cold(query, i))) {
            for (u32 j = i; j < count; j++) {
                history_row_advise(view->history, view->set, query->rows[j]);
            }
            advised = true;
        }
        enum status status =
            history_row(view->history, view->set, query->rows[i], &query->outcomes[i], failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status history_lookup_transfers(struct history_query *query, const struct history_view *view,
                                     const u128 *ids, u32 count, struct transfer *out,
                                     u32 *out_count, struct failure *failure)
{
    (void)query;
    *out_count = 0;
    for (u32 i = 0; i < count; i++) {
        u64 hash = history_hash_id(view->history, ids[i]);
        u64 found = 0;
        enum status status = history_find_row(view->history, view->set, ids[i], hash, view->row_end,
                                              &found, failure);
        if (status != STATUS_OK) return status;
        if (found == 0) continue;
        struct outcome outcome;
        status = history_row(view->history, view->set, found - 1, &outcome, failure);
        if (status != STATUS_OK) return status;
        if (outcome.result != OUTCOME_CREATED) continue; // The id was burned.
        status = history_transfer(view, found - 1, &outcome, &out[*out_count], failure);
        if (status != STATUS_OK) return status;
        (*out_count)++;
    }
    return STATUS_OK;
}

// --- selection -----------------------------------------------------------------------------------

static void condition_add(struct selection *selection, enum history_section section, u32 key,
                          bool or_next)
{
    assert(selection->condition_count < CURSORS_MAX);
    selection->conditions[selection->condition_count++] =
        (struct condition){.section = section, .key = key, .or_next = or_next};
}

static void condition_add_value(struct selection *selection, const struct history *history,
                                enum history_section section, u128 value)
{
    if (value == 0) return;
    condition_add(selection, section, history_key(history, section, value), false);
}

// The rows of a segment that can hold what the period asks for, as [low, high).
static void period_rows(const struct selection *selection, const struct history_segment *segment,
                        u64 rows, u64 *low, u64 *high)
{
    *low = 0;
    *high = rows;
    if (selection->order == ORDER_COUNT) return;
    const u64 *fence = history_latest(segment, selection->order);
    u64 count = history_fence_count(rows);
    u64 first = 0;
    u64 end = count;
    while (first < end) {
        u64 middle = (first + end) / 2;
        if (fence[middle] < selection->timestamp_min) first = middle + 1;
        else end = middle;
    }
    *low = MIN(first * HISTORY_FENCE_ROWS, rows);
    end = count;
    while (first < end) {
        u64 middle = (first + end) / 2;
        if (fence[middle] <= selection->timestamp_max) first = middle + 1;
        else end = middle;
    }
    *high = MIN((first + 1) * HISTORY_FENCE_ROWS, rows);
}

static enum status selection_open_segment(struct history_query *query,
                                          const struct history_view *view,
                                          struct selection *selection,
                                          const struct history_segment *segment,
                                          struct failure *failure)
{
    u64 rows = MIN(history_segment_end(segment), view->row_end) - segment->first_row;
    u64 low = 0;
    u64 high = 0;
    period_rows(selection, segment, rows, &low, &high);
    history_join_range(&selection->join, selection->reversed, low, high);
    for (u32 i = 0; i < selection->condition_count && !selection->join.done; i++) {
        const struct condition *condition = &selection->conditions[i];
        enum status status = history_cursor_open(
            &query->cursors[i], view->history, segment, condition->section, condition->key,
            selection->reversed, view->row_end, query->matches[i], failure);
        if (status != STATUS_OK) return status;
        bool continues = i > 0 && selection->conditions[i - 1].or_next;
        if (!continues) selection->join.groups[selection->join.count++].count = 0;
        struct history_group *group = &selection->join.groups[selection->join.count - 1];
        group->cursors[group->count++] = &query->cursors[i];
    }
    return STATUS_OK;
}

// Fills the chunk with the next rows that may match. `*count` is 0 at the end.
static enum status selection_next(struct history_query *query, const struct history_view *view,
                                  struct selection *selection, u32 limit, u32 *count,
                                  struct failure *failure)
{
    *count = 0;
    limit = MIN(limit, CHUNK_ROWS);
    while (*count < limit) {
        if (selection->open) {
            u32 at = selection->segment - 1;
            u32 index = selection->reversed ? view->set->count - 1 - at : at;
            u32 row = 0;
            bool found = false;
            enum status status =
                history_join_next(&selection->join, selection->reversed, &row, &found, failure);
            if (status != STATUS_OK) return status;
            if (found) query->rows[(*count)++] = view->set->segments[index]->first_row + row;
            else selection->open = false;
            continue;
        }
        if (selection->segment == view->set->count) break;
        u32 at = selection->segment++;
        u32 index = selection->reversed ? view->set->count - 1 - at : at;
        const struct history_segment *segment = view->set->segments[index];
        if (segment->first_row >= view->row_end) continue;
        enum status status = selection_open_segment(query, view, selection, segment, failure);
        if (status != STATUS_OK) return status;
        selection->open = true;
    }
    return STATUS_OK;
}

static bool in_period(const struct selection *selection, u64 timestamp)
{
    return timestamp >= selection->timestamp_min && timestamp <= selection->timestamp_max;
}

static void selection_period(struct selection *selection, u64 min, u64 max)
{
    selection->timestamp_min = min == 0 ? LEDGER_TIMESTAMP_MIN : min;
    selection->timestamp_max = max == 0 ? LEDGER_TIMESTAMP_MAX : max;
}

// Keeps the rows of the chunk that are transfers of the period.
static u32 chunk_keep(struct history_query *query, const struct selection *selection, u32 count)
{
    u32 kept = 0;
    for (u32 i = 0; i < count; i++) {
        const struct outcome *outcome = &query->outcomes[i];
        if (!outcome_is_in_order(outcome, ORDER_TRANSFER) ||
            !in_period(selection, outcome->timestamp))
            continue;
        query->rows[kept] = query->rows[i];
        query->outcomes[kept] = *outcome;
        kept++;
    }
    return kept;
}

// Called before the request of row `index` of the chunk is read: brings those behind it nearer.
static void chunk_requests_ahead(struct history_query *query, const struct history_view *view,
                                 u32 index, u32 count, bool *advised)
{
    const struct history_log *log = &view->history->log;
    if (!*advised && found_cold(query, index)) {
        for (u32 i = index; i < count; i++) {
            log->advise(log->context, outcome_place(&query->outcomes[i]), sizeof(struct transfer));
        }
        *advised = true;
    }
    u32 ahead = MIN(index + PREFETCH_AHEAD, count - 1);
    log->prefetch(log->context, outcome_place(&query->outcomes[ahead]), sizeof(struct transfer));
}

static bool matches_user_data(const struct transfer *transfer, u128 user_data_128, u64 user_data_64,
                              u32 user_data_32, u16 code)
{
    return (user_data_128 == 0 || transfer->user_data_128 == user_data_128) &&
           (user_data_64 == 0 || transfer->user_data_64 == user_data_64) &&
           (user_data_32 == 0 || transfer->user_data_32 == user_data_32) &&
           (code == 0 || transfer->code == code);
}

// What the records of a selection must say, beyond the keys of the lists.
struct wanted {
    u128 user_data_128;
    u64 user_data_64;
    u32 user_data_32;
    u32 ledger;
    u16 code;
};

// Collects whole transfers (and their rows, unless NULL) until the limit.
static enum status transfers_collect(struct history_query *query, const struct history_view *view,
                                     struct selection *selection, const struct wanted *wanted,
                                     u32 limit, struct transfer *out, u64 *out_rows, u32 *out_count,
                                     struct failure *failure)
{
    *out_count = 0;
    while (*out_count < limit) {
        u32 count = 0;
        enum status status =
            selection_next(query, view, selection, limit - *out_count, &count, failure);
        if (status != STATUS_OK || count == 0) return status;
        status = chunk_load(query, view, count, failure);
        if (status != STATUS_OK) return status;
        count = chunk_keep(query, selection, count);
        bool advised = false;
        for (u32 i = 0; i < count; i++) {
            struct transfer transfer;
            chunk_requests_ahead(query, view, i, count, &advised);
            status =
                history_transfer(view, query->rows[i], &query->outcomes[i], &transfer, failure);
            if (status != STATUS_OK) return status;
            if (!matches_user_data(&transfer, wanted->user_data_128, wanted->user_data_64,
                                   wanted->user_data_32, wanted->code) ||
                (wanted->ledger != 0 && transfer.ledger != wanted->ledger)) {
                continue; // Another value with the same 32-bit key.
            }
            if (out_rows != NULL) out_rows[*out_count] = query->rows[i];
            out[(*out_count)++] = transfer;
        }
    }
    return STATUS_OK;
}

static struct selection account_selection(const struct history_view *view,
                                          const struct account_filter *filter, u32 account_row)
{
    struct selection selection = {
        .reversed = (filter->flags & ACCOUNT_FILTER_REVERSED) != 0,
        .order = ORDER_TRANSFER,
    };
    bool debits = (filter->flags & ACCOUNT_FILTER_DEBITS) != 0;
    bool credits = (filter->flags & ACCOUNT_FILTER_CREDITS) != 0;
    selection_period(&selection, filter->timestamp_min, filter->timestamp_max);
    if (debits) condition_add(&selection, SECTION_DEBIT, account_row, credits);
    if (credits) condition_add(&selection, SECTION_CREDIT, account_row, false);
    const struct history *history = view->history;
    condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_128, filter->user_data_128);
    condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_64, filter->user_data_64);
    condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_32, filter->user_data_32);
    condition_add_value(&selection, history, SECTION_TRANSFER_CODE, filter->code);
    return selection;
}

enum status history_account_transfers(struct history_query *query, const struct history_view *view,
                                      const struct account_filter *filter, u32 account_row,
                                      u32 limit, struct transfer *out, u32 *out_count,
                                      struct failure *failure)
{
    *out_count = 0;
    if (account_row == U32_MAX) return STATUS_OK;
    temperature_begin(query);
    struct selection selection = account_selection(view, filter, account_row);
    const struct wanted wanted = {.user_data_128 = filter->user_data_128,
                                  .user_data_64 = filter->user_data_64,
                                  .user_data_32 = filter->user_data_32,
                                  .code = filter->code};
    return transfers_collect(query, view, &selection, &wanted, MIN(filter->limit, limit), out, NULL,
                             out_count, failure);
}

enum status history_query_transfers(struct history_query *query, const struct history_view *view,
                                    const struct query_filter *filter, u32 limit,
                                    struct transfer *out, u32 *out_count, struct failure *failure)
{
    temperature_begin(query);
    struct selection selection = {
        .reversed = (filter->flags & QUERY_FILTER_REVERSED) != 0,
        .order = ORDER_TRANSFER,
    };
    selection_period(&selection, filter->timestamp_min, filter->timestamp_max);
    const struct history *history = view->history;
    condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_128, filter->user_data_128);
    condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_64, filter->user_data_64);
    condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_32, filter->user_data_32);
    condition_add_value(&selection, history, SECTION_TRANSFER_LEDGER, filter->ledger);
    condition_add_value(&selection, history, SECTION_TRANSFER_CODE, filter->code);
    const struct wanted wanted = {.user_data_128 = filter->user_data_128,
                                  .user_data_64 = filter->user_data_64,
                                  .user_data_32 = filter->user_data_32,
                                  .ledger = filter->ledger,
                                  .code = filter->code};
    return transfers_collect(query, view, &selection, &wanted, MIN(filter->limit, limit), out, NULL,
                             out_count, failure);
}

static bool account_matches(const struct account *account, const struct query_filter *filter)
{
    return (filter->user_data_128 == 0 || account->user_data_128 == filter->user_data_128) &&
           (filter->user_data_64 == 0 || account->user_data_64 == filter->user_data_64) &&
           (filter->user_data_32 == 0 || account->user_data_32 == filter->user_data_32) &&
           (filter->ledger == 0 || account->ledger == filter->ledger) &&
           (filter->code == 0 || account->code == filter->code);
}

enum status history_query_accounts(struct history_query *query, const struct history_view *view,
                                   const struct query_filter *filter, u32 limit, u32 *out_rows,
                                   u32 *out_count, struct failure *failure)
{
    temperature_begin(query);
    struct selection selection = {
        .reversed = (filter->flags & QUERY_FILTER_REVERSED) != 0,
        .order = ORDER_COUNT,
    };
    selection_period(&selection, filter->timestamp_min, filter->timestamp_max);
    const struct history *history = view->history;
    condition_add_value(&selection, history, SECTION_ACCOUNT_USER_DATA_128, filter->user_data_128);
    condition_add_value(&selection, history, SECTION_ACCOUNT_USER_DATA_64, filter->user_data_64);
    condition_add_value(&selection, history, SECTION_ACCOUNT_USER_DATA_32, filter->user_data_32);
    condition_add_value(&selection, history, SECTION_ACCOUNT_LEDGER, filter->ledger);
    // Every account has a code and a ledger, but only this list has every account, whatever is
    // asked for: its key is the constant 0.
    condition_add(&selection, SECTION_ACCOUNT, 0, false);
    condition_add_value(&selection, history, SECTION_ACCOUNT_CODE, filter->code);
    limit = MIN(limit, filter->limit);
    *out_count = 0;
    while (*out_count < limit) {
        u32 count = 0;
        enum status status = selection_next(query, view, &selection, CHUNK_ROWS, &count, failure);
        if (status != STATUS_OK || count == 0) return status;
        status = chunk_load(query, view, count, failure);
        if (status != STATUS_OK) return status;
        for (u32 i = 0; i < count && *out_count < limit; i++) {
            const struct outcome *outcome = &query->outcomes[i];
            if (outcome->kind != OUTCOME_ACCOUNT || outcome->result != OUTCOME_CREATED) continue;
            if (!in_period(&selection, outcome->timestamp)) continue;
            if (!account_matches(&view->accounts[outcome->debit_row], filter)) continue;
            out_rows[(*out_count)++] = outcome->debit_row;
        }
    }
    return STATUS_OK;
}

// --- balances as they were -----------------------------------------------------------------------

// Applies one posting to the state of one of its accounts.
static enum status state_apply(const struct history_view *view, struct account_state *state,
                               u64 row, const struct outcome *outcome, bool debit,
                               struct failure *failure)
{
    u128 *pending = debit ? &state->debits_pending : &state->credits_pending;
    u128 *posted = debit ? &state->debits_posted : &state->credits_posted;
    u16 closing = debit ? TRANSFER_CLOSING_DEBIT : TRANSFER_CLOSING_CREDIT;
    if (outcome->kind == OUTCOME_EXPIRY) {
        *pending -= outcome->amount;
        if (outcome->flags & closing) state->closed = false;
        return STATUS_OK;
    }
    if (outcome->flags & TRANSFER_PENDING) {
        *pending += outcome->amount;
        if (outcome->flags & closing) state->closed = true;
        return STATUS_OK;
    }
    if (outcome->pending_distance == 0) {
        *posted += outcome->amount;
        return STATUS_OK;
    }
    struct transfer request = {0};
    enum status status = STATUS_OK;
    if (outcome->pending_distance == OUTCOME_PENDING_FAR) {
        status = request_read(view, row, outcome, &request, failure);
        if (status != STATUS_OK) return status;
    }
    u64 row_of_pending = 0;
    status = pending_row(view, row, outcome, request.pending_id, &row_of_pending, failure);
    if (status != STATUS_OK) return status;
    struct outcome held;
    status = history_row(view->history, view->set, row_of_pending, &held, failure);
    if (status != STATUS_OK) return status;
    *pending -= held.amount;
    if (outcome->flags & TRANSFER_POST_PENDING) *posted += outcome->amount;
    else if (held.flags & closing) state->closed = false;
    return STATUS_OK;
}

// The latest snapshot of an account at or before `row`: its row plus one, or 0.
static enum status snapshot_find(struct history_query *query, const struct history_view *view,
                                 u32 account_row, u64 row, u64 *out, struct failure *failure)
{
    *out = 0;
    for (u32 i = view->set->count; i-- > 0;) {
        const struct history_segment *segment = view->set->segments[i];
        if (segment->first_row > row) continue;
        struct history_cursor *cursor = &query->cursors[CURSORS_MAX - 1];
        enum status status =
            history_cursor_open(cursor, view->history, segment, SECTION_BALANCE, account_row, true,
                                view->row_end, query->matches[CURSORS_MAX - 1], failure);
        if (status != STATUS_OK) return status;
        u64 within = MIN(row - segment->first_row, U32_MAX);
        u32 value = 0;
        bool done = false;
        status = history_cursor_seek(cursor, ~(u32)within, &value, &done, failure);
        if (status != STATUS_OK) return status;
        if (done) continue;
        *out = segment->first_row + (u32)~value + 1;
        return STATUS_OK;
    }
    return STATUS_OK;
}

static enum status snapshot_load(const struct history_view *view, u64 row,
                                 struct account_state *state, struct failure *failure)
{
    struct outcome debits;
    struct outcome credits;
    enum status status = history_row(view->history, view->set, row, &debits, failure);
    if (status == STATUS_OK) {
        status = history_row(view->history, view->set, row + 1, &credits, failure);
    }
    if (status != STATUS_OK) return status;
    assert(debits.kind == OUTCOME_BALANCE_DEBITS && credits.kind == OUTCOME_BALANCE_CREDITS);
    state->debits_pending = debits.id;
    state->debits_posted = debits.amount;
    state->credits_pending = credits.id;
    state->credits_posted = credits.amount;
    state->closed = (debits.flags & ACCOUNT_CLOSED) != 0;
    return STATUS_OK;
}

// Applies the postings of an account in rows (from, to] to its state; `from` is a row plus one.
static enum status state_roll(struct history_query *query, const struct history_view *view,
                              u32 account_row, u64 from, u64 to, struct account_state *state,
                              struct failure *failure)
{
    for (u32 i = 0; i < view->set->count; i++) {
        const struct history_segment *segment = view->set->segments[i];
        u64 end = history_segment_end(segment);
        if (end <= from || segment->first_row > to) continue;
        struct history_join join;
        u64 low = from > segment->first_row ? from - segment->first_row : 0;
        history_join_range(&join, false, low, MIN(end, to + 1) - segment->first_row);
        struct history_group *group = &join.groups[0];
        join.count = 1;
        for (u32 j = 0; j < 2; j++) {
            struct history_cursor *cursor = &query->cursors[CURSORS_MAX - 3 + j];
            enum status status = history_cursor_open(
                cursor, view->history, segment, j == 0 ? SECTION_DEBIT : SECTION_CREDIT,
                account_row, false, view->row_end, query->matches[CURSORS_MAX - 3 + j], failure);
            if (status != STATUS_OK) return status;
            group->cursors[group->count++] = cursor;
        }
        for (;;) {
            u32 row = 0;
            bool found = false;
            enum status status = history_join_next(&join, false, &row, &found, failure);
            if (status != STATUS_OK) return status;
            if (!found) break;
            struct outcome outcome;
            u64 number = segment->first_row + row;
            status = history_row(view->history, view->set, number, &outcome, failure);
            if (status != STATUS_OK) return status;
            status = state_apply(view, state, number, &outcome, outcome.debit_row == account_row,
                                 failure);
            if (status != STATUS_OK) return status;
        }
    }
    return STATUS_OK;
}

// The state of an account right after row `row`.
static enum status state_at(struct history_query *query, const struct history_view *view,
                            u32 account_row, u64 row, struct account_state *state,
                            struct failure *failure)
{
    u64 snapshot = 0;
    enum status status = snapshot_find(query, view, account_row, row, &snapshot, failure);
    if (status != STATUS_OK) return status;
    memset(state, 0, sizeof *state);
    state->account_row_plus_one = account_row + 1;
    if (snapshot != 0) {
        status = snapshot_load(view, snapshot - 1, state, failure);
        if (status != STATUS_OK) return status;
    }
    return state_roll(query, view, account_row, snapshot, row, state, failure);
}

// Rows this far apart are worth the look for a snapshot between them.
#define SNAPSHOT_SEARCH_ROWS 8192u

enum status history_account_balances(struct history_query *query, const struct history_view *view,
                                     const struct account_filter *filter, u32 account_row,
                                     u32 limit, struct account_balance *out, u32 *out_count,
                                     struct failure *failure)
{
    *out_count = 0;
    if (account_row == U32_MAX) return STATUS_OK;
    temperature_begin(query);
    struct selection selection = account_selection(view, filter, account_row);
    const struct wanted wanted = {.user_data_128 = filter->user_data_128,
                                  .user_data_64 = filter->user_data_64,
                                  .user_data_32 = filter->user_data_32,
                                  .code = filter->code};
    limit = MIN(filter->limit, limit);
    // A balance is as large as a transfer, so the transfers are collected in place.
    static_assert(sizeof(struct account_balance) == sizeof(struct transfer), "shared buffer");
    u64 *rows = malloc(MAX(limit, 1) * sizeof *rows);
    assert(rows != NULL);
    u32 count = 0;
    enum status status = transfers_collect(query, view, &selection, &wanted, limit,
                                           (struct transfer *)(void *)out, rows, &count, failure);
    struct account_state state = {0};
    u64 from = 0; // Row plus one up to which the state is rolled; 0: not begun.
    for (u32 i = 0; i < count && status == STATUS_OK; i++) {
        u32 at = selection.reversed ? count - 1 - i : i;
        if (from == 0 || rows[at] - from > SNAPSHOT_SEARCH_ROWS) {
            status = state_at(query, view, account_row, rows[at], &state, failure);
        } else {
            status = state_roll(query, view, account_row, from, rows[at], &state, failure);
        }
        from = rows[at] + 1;
        u64 timestamp = ((const struct transfer *)(const void *)out)[at].timestamp;
        out[at] = (struct account_balance){
            .debits_pending = state.debits_pending,
            .debits_posted = state.debits_posted,
            .credits_pending = state.credits_pending,
            .credits_posted = state.credits_posted,
            .timestamp = timestamp,
        };
    }
    free(rows);
    if (status == STATUS_OK) *out_count = count;
    return status;
}

// --- change events -------------------------------------------------------------------------------
//
// What happened is told in order of time, and how balances went is known in order of rows. The two
// differ only where a transfer was imported, so the answer is chosen by merging transfers and
// expiries (each are in order) by their times, and then made by walking its rows upwards, every
// posting between them applied.

// The slot of an account among the states kept from event to event; its own or a free one.
static struct account_state *states_slot(struct history_query *query, u32 account_row)
{
    u32 at = account_row * 2654435761u % STATES_COUNT;
    while (query->states[at].account_row_plus_one != 0 &&
           query->states[at].account_row_plus_one != account_row + 1) {
        at = (at + 1) % STATES_COUNT;
    }
    return &query->states[at];
}

// The state of an account before `row` is applied.
static enum status states_get(struct history_query *query, const struct history_view *view,
                              u32 account_row, u64 row, struct account_state **out,
                              struct failure *failure)
{
    *out = states_slot(query, account_row);
    if ((*out)->account_row_plus_one != 0) return STATUS_OK;
    if (row == 0) {
        (*out)->account_row_plus_one = account_row + 1;
        return STATUS_OK;
    }
    return state_at(query, view, account_row, row - 1, *out, failure);
}

static u8 change_event_type(const struct outcome *outcome)
{
    if (outcome->kind == OUTCOME_EXPIRY) return 4;
    if (outcome->flags & TRANSFER_PENDING) return 1;
    if (outcome->flags & TRANSFER_POST_PENDING) return 2;
    if (outcome->flags & TRANSFER_VOID_PENDING) return 3;
    return 0;
}

// The transfer that an event is about: of an expiry, the pending one.
static enum status change_event_transfer(const struct history_view *view, u64 row,
                                         const struct outcome *outcome, struct transfer *transfer,
                                         struct failure *failure)
{
    if (outcome_is_transfer(outcome)) {
        return history_transfer(view, row, outcome, transfer, failure);
    }
    u64 row_of_pending = 0;
    enum status status = pending_row(view, row, outcome, outcome->id, &row_of_pending, failure);
    if (status != STATUS_OK) return status;
    struct outcome held;
    status = history_row(view->history, view->set, row_of_pending, &held, failure);
    if (status != STATUS_OK) return status;
    status = history_transfer(view, row_of_pending, &held, transfer, failure);
    return status;
}

static enum status change_event_make(struct history_query *query, const struct history_view *view,
                                     u64 row, const struct outcome *outcome,
                                     struct change_event *event, struct failure *failure)
{
    struct transfer transfer;
    enum status status = change_event_transfer(view, row, outcome, &transfer, failure);
    if (status != STATUS_OK) return status;
    struct account_state *states[2];
    const u32 account_rows[2] = {outcome->debit_row, outcome->credit_row};
    for (u32 i = 0; i < 2; i++) {
        status = states_get(query, view, account_rows[i], row, &states[i], failure);
        if (status != STATUS_OK) return status;
        status = state_apply(view, states[i], row, outcome, i == 0, failure);
        if (status != STATUS_OK) return status;
    }
    const struct account *debit = &view->accounts[account_rows[0]];
    const struct account *credit = &view->accounts[account_rows[1]];
    u16 debit_closed = states[0]->closed ? ACCOUNT_CLOSED : 0;
    u16 credit_closed = states[1]->closed ? ACCOUNT_CLOSED : 0;
    *event = (struct change_event){
        .transfer_id = transfer.id,
        .transfer_amount = outcome->amount,
        .transfer_pending_id = transfer.pending_id,
        .transfer_user_data_128 = transfer.user_data_128,
        .transfer_user_data_64 = transfer.user_data_64,
        .transfer_user_data_32 = transfer.user_data_32,
        .transfer_timeout = transfer.timeout,
        .transfer_code = transfer.code,
        .transfer_flags = transfer.flags,
        .ledger = debit->ledger,
        .type = change_event_type(outcome),
        .debit_account_id = debit->id,
        .debit_account_debits_pending = states[0]->debits_pending,
        .debit_account_debits_posted = states[0]->debits_posted,
        .debit_account_credits_pending = states[0]->credits_pending,
        .debit_account_credits_posted = states[0]->credits_posted,
        .debit_account_user_data_128 = debit->user_data_128,
        .debit_account_user_data_64 = debit->user_data_64,
        .debit_account_user_data_32 = debit->user_data_32,
        .debit_account_code = debit->code,
        .debit_account_flags = (u16)((debit->flags & ~ACCOUNT_CLOSED) | debit_closed),
        .credit_account_id = credit->id,
        .credit_account_debits_pending = states[1]->debits_pending,
        .credit_account_debits_posted = states[1]->debits_posted,
        .credit_account_credits_pending = states[1]->credits_pending,
        .credit_account_credits_posted = states[1]->credits_posted,
        .credit_account_user_data_128 = credit->user_data_128,
        .credit_account_user_data_64 = credit->user_data_64,
        .credit_account_user_data_32 = credit->user_data_32,
        .credit_account_code = credit->code,
        .credit_account_flags = (u16)((credit->flags & ~ACCOUNT_CLOSED) | credit_closed),
        .timestamp = outcome->timestamp,
        .transfer_timestamp = transfer.timestamp,
        .debit_account_timestamp = debit->timestamp,
        .credit_account_timestamp = credit->timestamp,
    };
    return STATUS_OK;
}

// Fills the stream with the next events of its order. None are left when its count stays 0.
static enum status stream_fill(struct history_query *query, const struct history_view *view,
                               struct event_stream *stream, struct failure *failure)
{
    stream->at = 0;
    stream->count = 0;
    while (stream->count == 0) {
        u32 count = 0;
        enum status status =
            selection_next(query, view, &stream->selection, CHUNK_ROWS, &count, failure);
        if (status != STATUS_OK || count == 0) return status;
        status = chunk_load(query, view, count, failure);
        if (status != STATUS_OK) return status;
        for (u32 i = 0; i < count; i++) {
            const struct outcome *outcome = &query->outcomes[i];
            if (!outcome_is_in_order(outcome, stream->selection.order)) continue;
            if (!in_period(&stream->selection, outcome->timestamp)) continue;
            stream->events[stream->count++] =
                (struct event_row){.row = query->rows[i], .outcome = *outcome};
        }
    }
    return STATUS_OK;
}

static bool event_earlier(const struct event_row *a, const struct event_row *b)
{
    if (a->outcome.timestamp != b->outcome.timestamp) {
        return a->outcome.timestamp < b->outcome.timestamp;
    }
    return a->row < b->row;
}

// Chooses the events of the answer, in order of time.
static enum status events_choose(struct history_query *query, const struct history_view *view,
                                 const struct change_events_filter *filter, u32 limit, u32 *count,
                                 struct failure *failure)
{
    *count = 0;
    for (u32 i = 0; i < ORDER_COUNT; i++) {
        struct event_stream *stream = &query->streams[i];
        stream->selection = (struct selection){.order = (enum history_order)i};
        selection_period(&stream->selection, filter->timestamp_min, filter->timestamp_max);
        enum status status = stream_fill(query, view, stream, failure);
        if (status != STATUS_OK) return status;
    }
    struct event_stream *transfers = &query->streams[ORDER_TRANSFER];
    struct event_stream *expiries = &query->streams[ORDER_EXPIRY];
    while (*count < limit && transfers->count + expiries->count > 0) {
        bool transfer = expiries->count == 0 ||
                        (transfers->count > 0 && event_earlier(&transfers->events[transfers->at],
                                                               &expiries->events[expiries->at]));
        struct event_stream *stream = transfer ? transfers : expiries;
        query->events[(*count)++] = stream->events[stream->at++];
        if (stream->at < stream->count || *count == limit) continue;
        enum status status = stream_fill(query, view, stream, failure);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

// Applies the postings in rows [from, to) to the accounts that have a state.
static enum status states_roll(struct history_query *query, const struct history_view *view,
                               u64 from, u64 to, struct failure *failure)
{
    for (u64 row = from; row < to; row++) {
        struct outcome outcome;
        enum status status = history_row(view->history, view->set, row, &outcome, failure);
        if (status != STATUS_OK) return status;
        if (!outcome_is_in_order(&outcome, ORDER_TRANSFER) &&
            !outcome_is_in_order(&outcome, ORDER_EXPIRY)) {
            continue;
        }
        for (u32 i = 0; i < 2; i++) {
            bool debit = i == 0;
            struct account_state *state =
                states_slot(query, debit ? outcome.debit_row : outcome.credit_row);
            if (state->account_row_plus_one == 0) continue;
            status = state_apply(view, state, row, &outcome, debit, failure);
            if (status != STATUS_OK) return status;
        }
    }
    return STATUS_OK;
}

enum status history_change_events(struct history_query *query, const struct history_view *view,
                                  const struct change_events_filter *filter, u32 limit,
                                  struct change_event *out, u32 *out_count, struct failure *failure)
{
    u32 count = 0;
    limit = MIN(MIN(limit, filter->limit), LEDGER_CHANGE_EVENTS_MAX);
    *out_count = 0;
    temperature_begin(query);
    enum status status = events_choose(query, view, filter, limit, &count, failure);
    if (status != STATUS_OK) return status;
    memset(query->states, 0, STATES_COUNT * sizeof *query->states);
    u64 next = U64_MAX; // The states are those before this row.
    u32 at[ORDER_COUNT] = {0};
    for (u32 done = 0; done < count; done++) {
        // Transfers are in order of rows and so are expiries: the lower of their next ones.
        u32 best = U32_MAX;
        for (u32 i = 0; i < ORDER_COUNT; i++) {
            while (at[i] < count &&
                   !outcome_is_in_order(&query->events[at[i]].outcome, (enum history_order)i)) {
                at[i]++;
            }
            if (at[i] == count) continue;
            if (best == U32_MAX || query->events[at[i]].row < query->events[at[best]].row) best = i;
        }
        u32 index = at[best]++;
        const struct event_row *event = &query->events[index];
        if (next > event->row || event->row - next > SNAPSHOT_SEARCH_ROWS) {
            memset(query->states, 0, STATES_COUNT * sizeof *query->states);
        } else {
            status = states_roll(query, view, next, event->row, failure);
        }
        if (status == STATUS_OK) {
            status =
                change_event_make(query, view, event->row, &event->outcome, &out[index], failure);
        }
        if (status != STATUS_OK) return status;
        next = event->row + 1;
    }
    *out_count = count;
    return STATUS_OK;
}
