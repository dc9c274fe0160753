// SPDX-License-Identifier: Apache-2.0
//
// Questions about transfers and accounts.
#include "ledger/history_query_internal.h"
#include "os/memory.h"

#include <stdlib.h>

// Transfers that a sum reads at a time.
#define SUM_TRANSFERS 256u

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

struct history_view history_view_open(struct history *history, const struct account *accounts,
                                      u64 row_end)
{
    return (struct history_view){.history = history,
                                 .set = history_set_acquire(history),
                                 .accounts = accounts,
                                 .row_end = row_end};
}

void history_view_close(struct history_view *view)
{
    history_set_release(view->history, view->set);
    view->set = NULL;
}

void history_view_renew(struct history_view *view)
{
    u64 number = atomic_load_explicit(&view->history->set_number, memory_order_relaxed);
    if (view->set->number == number) return;
    history_set_release(view->history, view->set);
    view->set = history_set_acquire(view->history);
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

enum status history_lookup_transfers(struct history_view *view, const u128 *ids, u32 count,
                                     struct transfer *out, u32 *out_count, struct failure *failure)
{
    *out_count = 0;
    for (u32 i = 0; i < count; i++) {
        history_view_renew(view);
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
        if (!history_view_sees(view, &outcome)) continue;
        status = history_transfer(view, found - 1, &outcome, &out[*out_count], failure);
        if (status != STATUS_OK) return status;
        (*out_count)++;
    }
    return STATUS_OK;
}

static bool transfer_matches(const struct transfer *transfer, const struct wanted *wanted)
{
    return (wanted->user_data_128 == 0 || transfer->user_data_128 == wanted->user_data_128) &&
           (wanted->user_data_64 == 0 || transfer->user_data_64 == wanted->user_data_64) &&
           (wanted->user_data_32 == 0 || transfer->user_data_32 == wanted->user_data_32) &&
           (wanted->ledger == 0 || transfer->ledger == wanted->ledger) &&
           (wanted->code == 0 || transfer->code == wanted->code);
}

enum status history_transfers_collect(struct history_query *query, struct history_view *view,
                                      struct selection *selection, const struct wanted *wanted,
                                      bool rows, u32 limit, struct transfer *out, u32 *out_count,
                                      struct failure *failure)
{
    while (*out_count < limit) {
        u32 count = 0;
        enum status status =
            history_selection_next(query, view, selection, limit - *out_count, &count, failure);
        if (status != STATUS_OK || count == 0) return status;
        status = history_chunk_load(query, view, count, failure);
        if (status != STATUS_OK) return status;
        count = history_chunk_keep(query, selection, count);
        bool advised = false;
        for (u32 i = 0; i < count; i++) {
            struct transfer transfer;
            history_view_renew(view);
            if (!history_view_sees(view, &query->outcomes[i])) continue;
            history_chunk_requests_ahead(query, view, i, count, &advised);
            status =
                history_transfer(view, query->rows[i], &query->outcomes[i], &transfer, failure);
            if (status != STATUS_OK) return status;
            // Another value may have the same 32-bit key.
            if (!transfer_matches(&transfer, wanted)) continue;
            if (rows) transfer.id = query->rows[i];
            out[(*out_count)++] = transfer;
        }
    }
    return STATUS_OK;
}

struct selection history_account_selection(const struct history_view *view,
                                           const struct account_filter *filter, u32 account_row)
{
    struct selection selection = {
        .reversed = (filter->flags & ACCOUNT_FILTER_REVERSED) != 0,
        .order = ORDER_TRANSFER,
    };
    bool debits = (filter->flags & ACCOUNT_FILTER_DEBITS) != 0;
    bool credits = (filter->flags & ACCOUNT_FILTER_CREDITS) != 0;
    history_selection_period(&selection, filter->timestamp_min, filter->timestamp_max);
    if (debits) history_condition_add(&selection, SECTION_DEBIT, account_row, credits);
    if (credits) history_condition_add(&selection, SECTION_CREDIT, account_row, false);
    const struct history *history = view->history;
    history_condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_128,
                                filter->user_data_128);
    history_condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_64,
                                filter->user_data_64);
    history_condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_32,
                                filter->user_data_32);
    history_condition_add_value(&selection, history, SECTION_TRANSFER_CODE, filter->code);
    return selection;
}

struct wanted history_account_wanted(const struct account_filter *filter)
{
    return (struct wanted){
        .user_data_128 = filter->user_data_128,
        .user_data_64 = filter->user_data_64,
        .user_data_32 = filter->user_data_32,
        .code = filter->code,
    };
}

enum status history_account_transfers(struct history_query *query, struct history_view *view,
                                      const struct account_filter *filter, u32 account_row,
                                      u32 limit, struct transfer *out, u32 *out_count,
                                      struct history_turn *turn, struct failure *failure)
{
    *out_count = 0;
    if (account_row == U32_MAX) return STATUS_OK;
    history_temperature_begin(query);
    struct selection selection = history_account_selection(view, filter, account_row);
    const struct wanted wanted = history_account_wanted(filter);
    limit = MIN(filter->limit, limit);
    *out_count = history_selection_turn_begin(&selection, turn);
    enum status status = history_transfers_collect(query, view, &selection, &wanted, false, limit,
                                                   out, out_count, failure);
    history_selection_turn_end(&selection, turn, *out_count, *out_count == limit);
    return status;
}

// The transfers that a filter asks for.
static struct selection query_selection(const struct history_view *view,
                                        const struct query_filter *filter, bool reversed)
{
    struct selection selection = {.reversed = reversed, .order = ORDER_TRANSFER};
    const struct history *history = view->history;
    history_selection_period(&selection, filter->timestamp_min, filter->timestamp_max);
    history_condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_128,
                                filter->user_data_128);
    history_condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_64,
                                filter->user_data_64);
    history_condition_add_value(&selection, history, SECTION_TRANSFER_USER_DATA_32,
                                filter->user_data_32);
    history_condition_add_value(&selection, history, SECTION_TRANSFER_LEDGER, filter->ledger);
    history_condition_add_value(&selection, history, SECTION_TRANSFER_CODE, filter->code);
    return selection;
}

static struct wanted query_wanted(const struct query_filter *filter)
{
    return (struct wanted){.user_data_128 = filter->user_data_128,
                           .user_data_64 = filter->user_data_64,
                           .user_data_32 = filter->user_data_32,
                           .ledger = filter->ledger,
                           .code = filter->code};
}

enum status history_query_transfers(struct history_query *query, struct history_view *view,
                                    const struct query_filter *filter, u32 limit,
                                    struct transfer *out, u32 *out_count, struct history_turn *turn,
                                    struct failure *failure)
{
    history_temperature_begin(query);
    struct selection selection =
        query_selection(view, filter, (filter->flags & QUERY_FILTER_REVERSED) != 0);
    const struct wanted wanted = query_wanted(filter);
    limit = MIN(filter->limit, limit);
    *out_count = history_selection_turn_begin(&selection, turn);
    enum status status = history_transfers_collect(query, view, &selection, &wanted, false, limit,
                                                   out, out_count, failure);
    history_selection_turn_end(&selection, turn, *out_count, *out_count == limit);
    return status;
}

enum status history_sum_transfers(struct history_query *query, struct history_view *view,
                                  const struct query_filter *filter, u32 rows_max,
                                  struct history_sum *sum, struct failure *failure)
{
    const u16 unposted = TRANSFER_PENDING | TRANSFER_VOID_PENDING;
    struct selection selection = query_selection(view, filter, false);
    const struct wanted wanted = query_wanted(filter);
    history_temperature_begin(query);
    selection.begun = true;
    selection.next = sum->next;
    for (u32 looked = 0; looked < rows_max && !selection.ended;) {
        struct transfer transfers[SUM_TRANSFERS];
        u32 count = 0;
        enum status status = history_transfers_collect(query, view, &selection, &wanted, false,
                                                       SUM_TRANSFERS, transfers, &count, failure);
        if (status != STATUS_OK) return status;
        for (u32 i = 0; i < count; i++) {
            if ((transfers[i].flags & unposted) != 0) continue;
            const u128 amount = sum->amount + transfers[i].amount;
            sum->amount = amount < sum->amount ? U128_MAX : amount;
            sum->count++;
        }
        looked += MAX(count, 1u);
    }
    sum->next = selection.next;
    sum->ended = selection.ended;
    return STATUS_OK;
}

enum status history_page_transfers(struct history_query *query, struct history_view *view,
                                   const struct query_filter *filter, struct history_page *page,
                                   struct failure *failure)
{
    struct selection selection = query_selection(view, filter, false);
    const struct wanted wanted = query_wanted(filter);
    history_temperature_begin(query);
    selection.begun = true;
    selection.next = page->next;
    page->count = 0;
    while (page->count < page->limit && !selection.ended) {
        struct transfer transfers[SUM_TRANSFERS];
        const u32 limit = MIN(SUM_TRANSFERS, page->limit - page->count);
        u32 count = 0;
        enum status status = history_transfers_collect(query, view, &selection, &wanted, true,
                                                       limit, transfers, &count, failure);
        if (status != STATUS_OK) return status;
        for (u32 i = 0; i < count; i++) page->rows[page->count++] = (u64)transfers[i].id;
    }
    // A full page is the last one when no other row follows.
    struct transfer next;
    u32 more = 0;
    enum status status = STATUS_OK;
    if (!selection.ended) {
        status = history_transfers_collect(query, view, &selection, &wanted, true, 1, &next, &more,
                                           failure);
    }
    page->ended = more == 0;
    page->next = more == 0 ? 0 : (u64)next.id;
    return status;
}

static bool account_matches(const struct account *account, const struct query_filter *filter)
{
    return (filter->user_data_128 == 0 || account->user_data_128 == filter->user_data_128) &&
           (filter->user_data_64 == 0 || account->user_data_64 == filter->user_data_64) &&
           (filter->user_data_32 == 0 || account->user_data_32 == filter->user_data_32) &&
           (filter->ledger == 0 || account->ledger == filter->ledger) &&
           (filter->code == 0 || account->code == filter->code);
}

bool query_filter_takes(const struct query_filter *filter, const struct account *account)
{
    const u64 time = account->timestamp;
    return account_matches(account, filter) && time >= filter->timestamp_min &&
           (filter->timestamp_max == 0 || time <= filter->timestamp_max);
}

enum status history_query_accounts(struct history_query *query, struct history_view *view,
                                   const struct query_filter *filter, u32 limit, u32 *out_rows,
                                   u32 *out_count, struct history_turn *turn,
                                   struct failure *failure)
{
    history_temperature_begin(query);
    struct selection selection = {
        .reversed = (filter->flags & QUERY_FILTER_REVERSED) != 0,
        .order = ORDER_COUNT,
    };
    history_selection_period(&selection, filter->timestamp_min, filter->timestamp_max);
    const struct history *history = view->history;
    history_condition_add_value(&selection, history, SECTION_ACCOUNT_USER_DATA_128,
                                filter->user_data_128);
    history_condition_add_value(&selection, history, SECTION_ACCOUNT_USER_DATA_64,
                                filter->user_data_64);
    history_condition_add_value(&selection, history, SECTION_ACCOUNT_USER_DATA_32,
                                filter->user_data_32);
    history_condition_add_value(&selection, history, SECTION_ACCOUNT_LEDGER, filter->ledger);
    // Every account has a code and a ledger, but only this list has every account, whatever is
    // asked for: its key is the constant 0.
    history_condition_add(&selection, SECTION_ACCOUNT, 0, false);
    history_condition_add_value(&selection, history, SECTION_ACCOUNT_CODE, filter->code);
    limit = MIN(limit, filter->limit);
    *out_count = history_selection_turn_begin(&selection, turn);
    enum status status = STATUS_OK;
    while (*out_count < limit) {
        u32 count = 0;
        status = history_selection_next(query, view, &selection, CHUNK_ROWS, &count, failure);
        if (status != STATUS_OK || count == 0) break;
        status = history_chunk_load(query, view, count, failure);
        if (status != STATUS_OK) break;
        for (u32 i = 0; i < count && *out_count < limit; i++) {
            const struct outcome *outcome = &query->outcomes[i];
            if (outcome->kind != OUTCOME_ACCOUNT || outcome->result != OUTCOME_CREATED) continue;
            if (!in_period(&selection, outcome->timestamp)) continue;
            if (!history_view_sees(view, outcome)) continue;
            if (!account_matches(&view->accounts[outcome->debit_row], filter)) continue;
            out_rows[(*out_count)++] = outcome->debit_row;
        }
    }
    history_selection_turn_end(&selection, turn, *out_count, *out_count == limit);
    return status;
}
