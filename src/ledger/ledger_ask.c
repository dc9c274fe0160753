// SPDX-License-Identifier: Apache-2.0
//
// Questions to a real ledger.
#include "ledger/ledger_ask.h"

#include <stdio.h>
#include <stdlib.h>

// A failure ends the process, or is kept and the answer is empty.
static void answered(struct ledger_ask *ask, u32 *count, const char *what, enum status status,
                     const struct failure *failure)
{
    if (status == STATUS_OK) return;
    if (ask->may_fail) {
        ask->status = status;
        *count = 0;
        return;
    }
    fprintf(stderr, "%s: %s: %s\n", what, status_name(status), failure->message);
    abort();
}

static struct history_view view_open(struct ledger_ask *ask)
{
    return history_view_open(ask->history,
                             (const struct account *)(const void *)ask->ledger->accounts.memory,
                             ask->history->next_row);
}

static bool ask_lookup_account(void *context, u128 id, struct account *out)
{
    struct ledger_ask *ask = context;
    return ledger_lookup_accounts(ask->ledger, &id, 1, out) == 1;
}

static bool ask_lookup_transfer(void *context, u128 id, struct transfer *out)
{
    struct ledger_ask *ask = context;
    struct failure failure;
    u32 count = 0;
    struct history_view view = view_open(ask);
    answered(ask, &count, "lookup", history_lookup_transfers(&view, &id, 1, out, &count, &failure),
             &failure);
    history_view_close(&view);
    return count == 1;
}

static u32 ask_account_transfers(void *context, const struct account_filter *filter, u32 limit_max,
                                 struct transfer *out)
{
    struct ledger_ask *ask = context;
    struct failure failure;
    if (!account_filter_valid(filter)) return 0;
    u32 count = 0;
    u32 row = ledger_account_row(ask->ledger, filter->account_id);
    struct history_view view = view_open(ask);
    answered(ask, &count, "account transfers",
             history_account_transfers(ask->query, &view, filter, row, limit_max, out, &count, NULL,
                                       &failure),
             &failure);
    history_view_close(&view);
    return count;
}

static u32 ask_account_balances(void *context, const struct account_filter *filter, u32 limit_max,
                                struct account_balance *out)
{
    struct ledger_ask *ask = context;
    struct failure failure;
    if (!account_filter_valid(filter)) return 0;
    u32 row = ledger_account_row(ask->ledger, filter->account_id);
    if (row == U32_MAX) return 0;
    if ((ledger_account(ask->ledger, row)->flags & ACCOUNT_HISTORY) == 0) return 0;
    u32 count = 0;
    struct history_view view = view_open(ask);
    answered(ask, &count, "account balances",
             history_account_balances(ask->query, &view, filter, row, limit_max, out, &count, NULL,
                                      &failure),
             &failure);
    history_view_close(&view);
    return count;
}

static u32 ask_query_accounts(void *context, const struct query_filter *filter, u32 limit_max,
                              struct account *out)
{
    struct ledger_ask *ask = context;
    struct failure failure;
    if (!query_filter_valid(filter)) return 0;
    u32 count = 0;
    u32 *rows = malloc(MAX(limit_max, 1) * sizeof *rows);
    if (rows == NULL) abort();
    struct history_view view = view_open(ask);
    answered(
        ask, &count, "query accounts",
        history_query_accounts(ask->query, &view, filter, limit_max, rows, &count, NULL, &failure),
        &failure);
    history_view_close(&view);
    for (u32 i = 0; i < count; i++) ledger_account_view(ask->ledger, rows[i], &out[i]);
    free(rows);
    return count;
}

static u32 ask_query_transfers(void *context, const struct query_filter *filter, u32 limit_max,
                               struct transfer *out)
{
    struct ledger_ask *ask = context;
    struct failure failure;
    if (!query_filter_valid(filter)) return 0;
    u32 count = 0;
    struct history_view view = view_open(ask);
    answered(
        ask, &count, "query transfers",
        history_query_transfers(ask->query, &view, filter, limit_max, out, &count, NULL, &failure),
        &failure);
    history_view_close(&view);
    return count;
}

static u32 ask_change_events(void *context, const struct change_events_filter *filter,
                             u32 limit_max, struct change_event *out)
{
    struct ledger_ask *ask = context;
    struct failure failure;
    if (!change_events_filter_valid(filter)) return 0;
    u32 count = 0;
    struct history_view view = view_open(ask);
    answered(ask, &count, "change events",
             history_change_events(ask->query, &view, filter, limit_max, out, &count, &failure),
             &failure);
    history_view_close(&view);
    return count;
}

static void ask_check(void *context)
{
    const struct ledger_ask *ask = context;
    ledger_check(ask->ledger);
}

void ledger_ask_fill(struct ledger_executor *executor)
{
    executor->lookup_account = ask_lookup_account;
    executor->lookup_transfer = ask_lookup_transfer;
    executor->get_account_transfers = ask_account_transfers;
    executor->get_account_balances = ask_account_balances;
    executor->query_accounts = ask_query_accounts;
    executor->query_transfers = ask_query_transfers;
    executor->get_change_events = ask_change_events;
    executor->check = ask_check;
}
