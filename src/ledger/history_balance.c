// SPDX-License-Identifier: Apache-2.0
//
// Balances as they were: the snapshot before a row, and the postings after it.
#include "ledger/history_query_internal.h"

enum status history_account_state_apply(const struct history_view *view,
                                        struct account_state *state, u64 row,
                                        const struct outcome *outcome, bool debit,
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
        status = history_request_read(view, row, outcome, &request, failure);
        if (status != STATUS_OK) return status;
    }
    u64 row_of_pending = 0;
    struct outcome held;
    status =
        history_pending(view, row, outcome, request.pending_id, &row_of_pending, &held, failure);
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
            if (join.done && !found) break;
            if (!found) continue;
            struct outcome outcome;
            u64 number = segment->first_row + row;
            status = history_row(view->history, view->set, number, &outcome, failure);
            if (status != STATUS_OK) return status;
            status = history_account_state_apply(view, state, number, &outcome,
                                                 outcome.debit_row == account_row, failure);
            if (status != STATUS_OK) return status;
        }
    }
    return STATUS_OK;
}

enum status history_account_state_at(struct history_query *query, const struct history_view *view,
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

enum status history_account_balances(struct history_query *query, struct history_view *view,
                                     const struct account_filter *filter, u32 account_row,
                                     u32 limit, struct account_balance *out, u32 *out_count,
                                     struct history_turn *turn, struct failure *failure)
{
    *out_count = 0;
    if (account_row == U32_MAX) return STATUS_OK;
    history_temperature_begin(query);
    struct selection selection = history_account_selection(view, filter, account_row);
    const struct wanted wanted = history_account_wanted(filter);
    limit = MIN(filter->limit, limit);
    // A balance is as large as a transfer, so the transfers are collected in place.
    static_assert(sizeof(struct account_balance) == sizeof(struct transfer), "shared buffer");
    struct transfer *transfers = (void *)out;
    u32 count = history_selection_turn_begin(&selection, turn);
    enum status status = history_transfers_collect(query, view, &selection, &wanted, true, limit,
                                                   transfers, &count, failure);
    history_selection_turn_end(&selection, turn, count, count == limit);
    *out_count = count;
    if (turn != NULL && turn->more) return status;
    struct account_state state = {0};
    u64 from = 0; // Row plus one up to which the state is rolled; 0: not begun.
    for (u32 i = 0; i < count && status == STATUS_OK; i++) {
        history_view_renew(view);
        u32 at = selection.reversed ? count - 1 - i : i;
        u64 row = (u64)transfers[at].id;
        if (from == 0 || row - from > SNAPSHOT_SEARCH_ROWS) {
            status = history_account_state_at(query, view, account_row, row, &state, failure);
        } else {
            status = state_roll(query, view, account_row, from, row, &state, failure);
        }
        from = row + 1;
        out[at] = (struct account_balance){
            .debits_pending = state.debits_pending,
            .debits_posted = state.debits_posted,
            .credits_pending = state.credits_pending,
            .credits_posted = state.credits_posted,
            .timestamp = transfers[at].timestamp,
        };
    }
    return status;
}
