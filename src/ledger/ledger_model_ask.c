// SPDX-License-Identifier: Apache-2.0
//
// Questions to the model, its invariants, and the model as an executor. Every question is a walk
// over the arrays.
#include "ledger/ledger_model_internal.h"

#include <stdlib.h>

// --- Questions --------------------------------------------------------------------------------

bool ledger_model_lookup_account(const struct ledger_model *model, u128 id, struct account *out)
{
    const struct account *account = find_account(model, id);
    if (account != NULL) *out = *account;
    return account != NULL;
}

bool ledger_model_lookup_transfer(const struct ledger_model *model, u128 id, struct transfer *out)
{
    const struct kept_transfer *kept = find_transfer(model, id);
    if (kept != NULL) *out = kept->transfer;
    return kept != NULL;
}

// 0 is no bound; a bound is a timestamp; the range is not empty.
static bool range_valid(u64 timestamp_min, u64 timestamp_max)
{
    if (timestamp_min > LEDGER_TIMESTAMP_MAX || timestamp_max > LEDGER_TIMESTAMP_MAX) return false;
    return timestamp_max == 0 || timestamp_min <= timestamp_max;
}

static bool range_has(u64 timestamp_min, u64 timestamp_max, u64 timestamp)
{
    return timestamp >= timestamp_min && (timestamp_max == 0 || timestamp <= timestamp_max);
}

static bool account_filter_valid(const struct account_filter *f)
{
    return f->account_id != 0 && f->account_id != U128_MAX &&
           range_valid(f->timestamp_min, f->timestamp_max) && f->limit != 0 &&
           (f->flags & (ACCOUNT_FILTER_DEBITS | ACCOUNT_FILTER_CREDITS)) &&
           f->flags < 2 * ACCOUNT_FILTER_REVERSED && is_zero(f->reserved, sizeof f->reserved);
}

static bool account_filter_matches(const void *filter, const struct transfer *t)
{
    const struct account_filter *f = filter;
    const bool side =
        ((f->flags & ACCOUNT_FILTER_DEBITS) && t->debit_account_id == f->account_id) ||
        ((f->flags & ACCOUNT_FILTER_CREDITS) && t->credit_account_id == f->account_id);
    return side && range_has(f->timestamp_min, f->timestamp_max, t->timestamp) &&
           (f->user_data_128 == 0 || f->user_data_128 == t->user_data_128) &&
           (f->user_data_64 == 0 || f->user_data_64 == t->user_data_64) &&
           (f->user_data_32 == 0 || f->user_data_32 == t->user_data_32) &&
           (f->code == 0 || f->code == t->code);
}

// The position of row `i` of `count`, from the end if reversed.
static u32 row_position(u32 i, u32 count, bool reversed)
{
    return reversed ? count - 1 - i : i;
}

// The transfers that match a filter, `limit` at most.
static u32 transfers_matching(const struct ledger_model *model, const void *filter,
                              bool (*matches)(const void *filter, const struct transfer *transfer),
                              bool reversed, u32 limit, struct transfer *out)
{
    const u32 count = model->transfers.count;
    u32 found = 0;
    for (u32 i = 0; i < count && found < limit; i++) {
        const u32 position = row_position(i, count, reversed);
        const struct transfer *t = &transfer_at(model, position)->transfer;
        if (matches(filter, t)) out[found++] = *t;
    }
    return found;
}

u32 ledger_model_get_account_transfers(const struct ledger_model *model,
                                       const struct account_filter *filter, u32 limit_max,
                                       struct transfer *out)
{
    if (!account_filter_valid(filter)) return 0;
    return transfers_matching(model, filter, account_filter_matches,
                              filter->flags & ACCOUNT_FILTER_REVERSED,
                              MIN(filter->limit, limit_max), out);
}

static struct account_balance balance_after(const struct change_event *event, u128 account_id)
{
    if (event->debit_account_id == account_id) {
        return (struct account_balance){
            .debits_pending = event->debit_account_debits_pending,
            .debits_posted = event->debit_account_debits_posted,
            .credits_pending = event->debit_account_credits_pending,
            .credits_posted = event->debit_account_credits_posted,
            .timestamp = event->timestamp,
        };
    }
    assert(event->credit_account_id == account_id);
    return (struct account_balance){
        .debits_pending = event->credit_account_debits_pending,
        .debits_posted = event->credit_account_debits_posted,
        .credits_pending = event->credit_account_credits_pending,
        .credits_posted = event->credit_account_credits_posted,
        .timestamp = event->timestamp,
    };
}

u32 ledger_model_get_account_balances(const struct ledger_model *model,
                                      const struct account_filter *filter, u32 limit_max,
                                      struct account_balance *out)
{
    const struct account *account = find_account(model, filter->account_id);
    if (account == NULL || !(account->flags & ACCOUNT_HISTORY)) return 0;
    const u32 limit = MIN(MIN(filter->limit, limit_max), model->transfers.count);
    struct transfer *transfers = ledger_model_realloc(NULL, (limit + 1) * sizeof *transfers);
    const u32 count = ledger_model_get_account_transfers(model, filter, limit, transfers);
    for (u32 i = 0; i < count; i++) {
        const u32 change = find_transfer(model, transfers[i].id)->change;
        out[i] = balance_after(list_at(&model->changes, change), account->id);
    }
    free(transfers);
    return count;
}

static bool query_filter_valid(const struct query_filter *f)
{
    return range_valid(f->timestamp_min, f->timestamp_max) && f->limit != 0 &&
           f->flags < 2 * QUERY_FILTER_REVERSED && is_zero(f->reserved, sizeof f->reserved);
}

static bool query_filter_matches(const struct query_filter *f, u128 user_data_128, u64 user_data_64,
                                 u32 user_data_32, u32 ledger, u16 code, u64 timestamp)
{
    return range_has(f->timestamp_min, f->timestamp_max, timestamp) &&
           (f->user_data_128 == 0 || f->user_data_128 == user_data_128) &&
           (f->user_data_64 == 0 || f->user_data_64 == user_data_64) &&
           (f->user_data_32 == 0 || f->user_data_32 == user_data_32) &&
           (f->ledger == 0 || f->ledger == ledger) && (f->code == 0 || f->code == code);
}

u32 ledger_model_query_accounts(const struct ledger_model *model, const struct query_filter *filter,
                                u32 limit_max, struct account *out)
{
    if (!query_filter_valid(filter)) return 0;
    const u32 limit = MIN(filter->limit, limit_max);
    const u32 count = model->accounts.count;
    u32 found = 0;
    for (u32 i = 0; i < count && found < limit; i++) {
        const u32 position = row_position(i, count, filter->flags & QUERY_FILTER_REVERSED);
        const struct account *a = account_at(model, position);
        if (query_filter_matches(filter, a->user_data_128, a->user_data_64, a->user_data_32,
                                 a->ledger, a->code, a->timestamp)) {
            out[found++] = *a;
        }
    }
    return found;
}

static bool query_filter_matches_transfer(const void *filter, const struct transfer *t)
{
    return query_filter_matches(filter, t->user_data_128, t->user_data_64, t->user_data_32,
                                t->ledger, t->code, t->timestamp);
}

u32 ledger_model_query_transfers(const struct ledger_model *model,
                                 const struct query_filter *filter, u32 limit_max,
                                 struct transfer *out)
{
    if (!query_filter_valid(filter)) return 0;
    return transfers_matching(model, filter, query_filter_matches_transfer,
                              filter->flags & QUERY_FILTER_REVERSED, MIN(filter->limit, limit_max),
                              out);
}

// Both point into one array, so that the address is the order of occurrence.
static int compare_change(const void *left, const void *right)
{
    const struct change_event *a = *(const struct change_event *const *)left;
    const struct change_event *b = *(const struct change_event *const *)right;
    const int order = compare_u64(a->timestamp, b->timestamp);
    return order != 0 ? order : (a > b) - (a < b);
}

u32 ledger_model_get_change_events(const struct ledger_model *model,
                                   const struct change_events_filter *filter, u32 limit_max,
                                   struct change_event *out)
{
    if (!range_valid(filter->timestamp_min, filter->timestamp_max) || filter->limit == 0 ||
        !is_zero(filter->reserved, sizeof filter->reserved)) {
        return 0;
    }
    const u32 limit = MIN(filter->limit, limit_max);
    const u32 count = model->changes.count;
    const struct change_event **order = ledger_model_realloc(NULL, (count + 1) * sizeof *order);
    for (u32 i = 0; i < count; i++) order[i] = list_at(&model->changes, i);
    qsort(order, count, sizeof order[0], compare_change);
    u32 found = 0;
    for (u32 i = 0; i < count && found < limit; i++) {
        if (!range_has(filter->timestamp_min, filter->timestamp_max, order[i]->timestamp)) continue;
        out[found++] = *order[i];
    }
    free(order);
    return found;
}

// --- Invariants -------------------------------------------------------------------------------

static void check_ledgers(const struct ledger_model *model)
{
    // Modulo 2^128, like the balances: the sum over accounts may pass it, the difference may not.
    for (u32 i = 0; i < model->accounts.count; i++) {
        const u32 ledger = account_at(model, i)->ledger;
        bool seen = false;
        for (u32 j = 0; j < i && !seen; j++) seen = account_at(model, j)->ledger == ledger;
        if (seen) continue;
        u128 pending = 0;
        u128 posted = 0;
        for (u32 j = i; j < model->accounts.count; j++) {
            const struct account *a = account_at(model, j);
            if (a->ledger != ledger) continue;
            pending += a->debits_pending - a->credits_pending;
            posted += a->debits_posted - a->credits_posted;
        }
        assert(pending == 0 && posted == 0); // N1
    }
}

static void check_account(const struct account *a)
{
    const u16 limits =
        ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS | ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    assert(a->ledger != 0 && a->code != 0 && a->reserved == 0);
    assert((a->flags & limits) != limits);
    assert(!sum_overflows(a->debits_pending, a->debits_posted));
    assert(!sum_overflows(a->credits_pending, a->credits_posted));
    assert(!exceeds_credits(a, 0)); // N2
    assert(!exceeds_debits(a, 0));  // N2
}

// Takes off every account what its transfers put on it; nothing may be left.
static void check_sums(const struct ledger_model *model)
{
    const u32 count = model->accounts.count;
    struct account *left = ledger_model_realloc(NULL, (count + 1) * sizeof *left);
    if (count > 0) memcpy(left, model->accounts.items, count * sizeof *left);
    for (u32 i = 0; i < model->transfers.count; i++) {
        const struct kept_transfer *kept = transfer_at(model, i);
        const struct transfer *t = &kept->transfer;
        const struct account *debit_kept = find_account(model, t->debit_account_id);
        const struct account *credit_kept = find_account(model, t->credit_account_id);
        assert(debit_kept != NULL && credit_kept != NULL);
        struct account *debit = &left[debit_kept - (struct account *)model->accounts.items];
        struct account *credit = &left[credit_kept - (struct account *)model->accounts.items];
        // NOLINTNEXTLINE: every account's ledger was copied above.
        assert(debit->ledger == t->ledger && credit->ledger == t->ledger);
        if (kept->state == STATE_PENDING) {
            debit->debits_pending -= t->amount;
            credit->credits_pending -= t->amount;
            if (t->flags & TRANSFER_CLOSING_DEBIT) assert(debit->flags & ACCOUNT_CLOSED);   // N5
            if (t->flags & TRANSFER_CLOSING_CREDIT) assert(credit->flags & ACCOUNT_CLOSED); // N5
        } else if (kept->state == STATE_NONE && !(t->flags & TRANSFER_VOID_PENDING)) {
            debit->debits_posted -= t->amount;
            credit->credits_posted -= t->amount;
        }
    }
    for (u32 i = 0; i < count; i++) {
        assert(left[i].debits_pending == 0 && left[i].credits_pending == 0); // N3
        assert(left[i].debits_posted == 0 && left[i].credits_posted == 0);   // N4
    }
    free(left);
}

static void check_order(const struct ledger_model *model)
{
    u32 next = 0; // The first account that is not older than the transfer.
    for (u32 i = 1; i < model->accounts.count; i++) {
        assert(account_at(model, i - 1)->timestamp < account_at(model, i)->timestamp); // N6
    }
    for (u32 i = 0; i < model->transfers.count; i++) {
        const u64 timestamp = transfer_at(model, i)->transfer.timestamp;
        assert(i == 0 || transfer_at(model, i - 1)->transfer.timestamp < timestamp); // N6
        while (next < model->accounts.count && account_at(model, next)->timestamp < timestamp) {
            next++;
        }
        assert(next == model->accounts.count ||
               account_at(model, next)->timestamp != timestamp); // N6
    }
}

void ledger_model_check(const struct ledger_model *model)
{
    check_ledgers(model);
    for (u32 i = 0; i < model->accounts.count; i++) check_account(account_at(model, i));
    check_sums(model);
    check_order(model);
}

// --- The model as an executor -------------------------------------------------------------------

static void executor_reset(void *context)
{
    ledger_model_reset(context);
}

static void executor_create_accounts(void *context, u64 timestamp, const struct account *events,
                                     u32 count, struct create_result *results)
{
    ledger_model_create_accounts(context, timestamp, events, count, results);
}

static void executor_create_transfers(void *context, u64 timestamp, const struct transfer *events,
                                      u32 count, struct create_result *results)
{
    ledger_model_create_transfers(context, timestamp, events, count, results);
}

static u32 executor_expire(void *context, u64 now, u32 limit)
{
    return ledger_model_expire(context, now, limit);
}

static bool executor_lookup_account(void *context, u128 id, struct account *out)
{
    return ledger_model_lookup_account(context, id, out);
}

static bool executor_lookup_transfer(void *context, u128 id, struct transfer *out)
{
    return ledger_model_lookup_transfer(context, id, out);
}

static u32 executor_get_account_transfers(void *context, const struct account_filter *filter,
                                          u32 limit_max, struct transfer *out)
{
    return ledger_model_get_account_transfers(context, filter, limit_max, out);
}

static u32 executor_get_account_balances(void *context, const struct account_filter *filter,
                                         u32 limit_max, struct account_balance *out)
{
    return ledger_model_get_account_balances(context, filter, limit_max, out);
}

static u32 executor_query_accounts(void *context, const struct query_filter *filter, u32 limit_max,
                                   struct account *out)
{
    return ledger_model_query_accounts(context, filter, limit_max, out);
}

static u32 executor_query_transfers(void *context, const struct query_filter *filter, u32 limit_max,
                                    struct transfer *out)
{
    return ledger_model_query_transfers(context, filter, limit_max, out);
}

static u32 executor_get_change_events(void *context, const struct change_events_filter *filter,
                                      u32 limit_max, struct change_event *out)
{
    return ledger_model_get_change_events(context, filter, limit_max, out);
}

static void executor_check(void *context)
{
    ledger_model_check(context);
}

struct ledger_executor ledger_model_executor(struct ledger_model *model)
{
    return (struct ledger_executor){
        .name = "model",
        .context = model,
        .reset = executor_reset,
        .create_accounts = executor_create_accounts,
        .create_transfers = executor_create_transfers,
        .expire = executor_expire,
        .lookup_account = executor_lookup_account,
        .lookup_transfer = executor_lookup_transfer,
        .get_account_transfers = executor_get_account_transfers,
        .get_account_balances = executor_get_account_balances,
        .query_accounts = executor_query_accounts,
        .query_transfers = executor_query_transfers,
        .get_change_events = executor_get_change_events,
        .check = executor_check,
    };
}
