// SPDX-License-Identifier: Apache-2.0
//
// Change events: what happened, and how it left both accounts.
//
// What happened is told in order of time, and how balances went is known in order of rows. The two
// differ only where a transfer was imported, so the answer is chosen by merging transfers and
// expiries (each are in order) by their times, and then made by walking its rows upwards, every
// posting between them applied.
#include "ledger/history_query_internal.h"

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
    return history_account_state_at(query, view, account_row, row - 1, *out, failure);
}

static u8 change_event_type(const struct outcome *outcome)
{
    if (outcome->kind == OUTCOME_EXPIRY) return CHANGE_EXPIRED;
    if (outcome->flags & TRANSFER_PENDING) return CHANGE_PENDING;
    if (outcome->flags & TRANSFER_POST_PENDING) return CHANGE_POSTED;
    if (outcome->flags & TRANSFER_VOID_PENDING) return CHANGE_VOIDED;
    return CHANGE_SINGLE_PHASE;
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
    struct outcome held;
    enum status status =
        history_pending(view, row, outcome, outcome->id, &row_of_pending, &held, failure);
    if (status != STATUS_OK) return status;
    return history_transfer(view, row_of_pending, &held, transfer, failure);
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
        status = history_account_state_apply(view, states[i], row, outcome, i == 0, failure);
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
static enum status stream_fill(struct history_query *query, struct history_view *view,
                               struct event_stream *stream, struct failure *failure)
{
    stream->at = 0;
    stream->count = 0;
    while (stream->count == 0) {
        u32 count = 0;
        enum status status =
            history_selection_next(query, view, &stream->selection, CHUNK_ROWS, &count, failure);
        if (status != STATUS_OK || count == 0) return status;
        status = history_chunk_load(query, view, count, failure);
        if (status != STATUS_OK) return status;
        for (u32 i = 0; i < count; i++) {
            const struct outcome *outcome = &query->outcomes[i];
            if (!outcome_is_in_order(outcome, stream->selection.order)) continue;
            if (!in_period(&stream->selection, outcome->timestamp)) continue;
            if (!history_view_sees(view, outcome)) continue;
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
static enum status events_choose(struct history_query *query, struct history_view *view,
                                 const struct change_events_filter *filter, u32 limit, u32 *count,
                                 struct failure *failure)
{
    *count = 0;
    for (u32 i = 0; i < ORDER_COUNT; i++) {
        struct event_stream *stream = &query->streams[i];
        stream->selection = (struct selection){.order = (enum history_order)i};
        history_selection_period(&stream->selection, filter->timestamp_min, filter->timestamp_max);
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
            status = history_account_state_apply(view, state, row, &outcome, debit, failure);
            if (status != STATUS_OK) return status;
        }
    }
    return STATUS_OK;
}

enum status history_change_events(struct history_query *query, struct history_view *view,
                                  const struct change_events_filter *filter, u32 limit,
                                  struct change_event *out, u32 *out_count, struct failure *failure)
{
    u32 count = 0;
    limit = MIN(MIN(limit, filter->limit), LEDGER_CHANGE_EVENTS_MAX);
    *out_count = 0;
    history_temperature_begin(query);
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
        history_view_renew(view);
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
