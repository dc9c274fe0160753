// SPDX-License-Identifier: Apache-2.0
//
// Rows of tables that ask: transfers and balances of an account, queries, changes.
#include "ledger/ledger_table_internal.h"

#include <stdlib.h>

#define ANSWERS_MAX 256

static const struct flag_word account_filter_flag_words[] = {
    {"debits", ACCOUNT_FILTER_DEBITS},
    {"credits", ACCOUNT_FILTER_CREDITS},
    {"reversed", ACCOUNT_FILTER_REVERSED},
    {NULL, 0},
};

static const struct flag_word query_filter_flag_words[] = {
    {"reversed", QUERY_FILTER_REVERSED},
    {NULL, 0},
};

static const struct field_word account_filter_field_words[] = {
    FIELD_WORD("u128", account_filter, user_data_128),
    FIELD_WORD("u64", account_filter, user_data_64),
    FIELD_WORD("u32", account_filter, user_data_32),
    FIELD_WORD("reserved", account_filter, reserved[57]),
    FIELD_WORD("from", account_filter, timestamp_min),
    FIELD_WORD("to", account_filter, timestamp_max),
    FIELD_WORD("limit", account_filter, limit),
    {NULL, 0, 0},
};

static const struct field_word query_filter_field_words[] = {
    FIELD_WORD("u128", query_filter, user_data_128),
    FIELD_WORD("u64", query_filter, user_data_64),
    FIELD_WORD("u32", query_filter, user_data_32),
    FIELD_WORD("reserved", query_filter, reserved[5]),
    FIELD_WORD("from", query_filter, timestamp_min),
    FIELD_WORD("to", query_filter, timestamp_max),
    FIELD_WORD("limit", query_filter, limit),
    {NULL, 0, 0},
};

static const struct field_word change_events_filter_field_words[] = {
    FIELD_WORD("reserved", change_events_filter, reserved[43]),
    FIELD_WORD("from", change_events_filter, timestamp_min),
    FIELD_WORD("to", change_events_filter, timestamp_max),
    FIELD_WORD("limit", change_events_filter, limit),
    {NULL, 0, 0},
};

// By change_event.type.
static const char *const change_types[] = {"single", "pending", "posted", "voided", "expired"};

// Compares the words that are left, joined by blanks, with what was found.
static void check_answer(struct runner *runner, struct row *row, const char *what,
                         const struct answer *got)
{
    struct answer wanted = {0};
    while (ledger_table_row_peek(row) != NULL) {
        if (wanted.size > 0) ledger_table_answer_add(&wanted, " ");
        ledger_table_answer_add(&wanted, ledger_table_row_take(row));
    }
    const char *found = got->size > 0 ? got->bytes : "none";
    if (strcmp(wanted.bytes, found) != 0) {
        ledger_table_complain(runner, runner->line, what, wanted.bytes, found);
    }
}

static void answer_name(struct answer *text, const char *letter, u128 id)
{
    if (text->size > 0) ledger_table_answer_add(text, " ");
    ledger_table_answer_add(text, letter);
    ledger_table_answer_add_number(text, id);
}

static struct account_filter parse_account_filter(struct runner *runner, struct row *row)
{
    struct account_filter filter = {.limit = 100};
    u32 ledger = 0;
    while (!ledger_table_row_is_done(row)) {
        if (ledger_table_word_is_name(ledger_table_row_peek(row), 'A')) {
            filter.account_id = ledger_table_row_take_value(runner, row, sizeof filter.account_id);
        } else if (ledger_table_row_take_if(row, "flags")) {
            filter.flags |= (u32)ledger_table_row_take_value(runner, row, sizeof filter.flags);
        } else if (!ledger_table_row_take_ledger_or_code(runner, row, &ledger, &filter.code) &&
                   !ledger_table_row_take_flag(row, account_filter_flag_words, &filter.flags) &&
                   !ledger_table_row_take_field(runner, row, account_filter_field_words, &filter)) {
            ledger_table_complain_word(runner, "not a word of an account filter",
                                       ledger_table_row_take(row));
        }
    }
    return filter;
}

void ledger_table_run_account_transfers(struct runner *runner, struct row *row)
{
    const struct account_filter filter = parse_account_filter(runner, row);
    struct transfer found[ANSWERS_MAX];
    struct answer got = {0};
    const u32 count = runner->executor->get_account_transfers(runner->executor->context, &filter,
                                                              ANSWERS_MAX, found);
    for (u32 i = 0; i < count; i++) answer_name(&got, "T", found[i].id);
    check_answer(runner, row, "transfers", &got);
}

// The name of the transfer with that timestamp.
static u128 transfer_at(const struct runner *runner, u64 timestamp)
{
    for (u32 i = 0; i < runner->known_count; i++) {
        const struct known *known = &runner->known[i];
        if (known->kind == 'T' && known->timestamp == timestamp) return known->id;
    }
    return 0;
}

void ledger_table_run_account_balances(struct runner *runner, struct row *row)
{
    const struct account_filter filter = parse_account_filter(runner, row);
    struct account_balance found[ANSWERS_MAX];
    struct answer got = {0};
    const u32 count = runner->executor->get_account_balances(runner->executor->context, &filter,
                                                             ANSWERS_MAX, found);
    for (u32 i = 0; i < count; i++) {
        const struct account_balance *balance = &found[i];
        answer_name(&got, "T", transfer_at(runner, balance->timestamp));
        ledger_table_answer_add(&got, "=");
        ledger_table_answer_add_balances(&got, balance->debits_pending, balance->debits_posted,
                                         balance->credits_pending, balance->credits_posted);
        if (!is_zero(balance->reserved, sizeof balance->reserved))
            ledger_table_answer_add(&got, " reserved");
    }
    check_answer(runner, row, "balances", &got);
}

void ledger_table_run_query(struct runner *runner, struct row *row)
{
    const bool accounts = ledger_table_row_take_if(row, "accounts");
    struct query_filter filter = {.limit = 100};
    struct answer got = {0};
    if (!accounts && !ledger_table_row_take_if(row, "transfers")) {
        ledger_table_complain_word(runner, "accounts or transfers?", ledger_table_row_peek(row));
        return;
    }
    while (!ledger_table_row_is_done(row)) {
        if (ledger_table_row_take_if(row, "flags")) {
            filter.flags |= (u32)ledger_table_row_take_value(runner, row, sizeof filter.flags);
        } else if (!ledger_table_row_take_ledger_or_code(runner, row, &filter.ledger,
                                                         &filter.code) &&
                   !ledger_table_row_take_flag(row, query_filter_flag_words, &filter.flags) &&
                   !ledger_table_row_take_field(runner, row, query_filter_field_words, &filter)) {
            ledger_table_complain_word(runner, "not a word of a query", ledger_table_row_take(row));
        }
    }
    void *context = runner->executor->context;
    if (accounts) {
        struct account found[ANSWERS_MAX];
        const u32 count = runner->executor->query_accounts(context, &filter, ANSWERS_MAX, found);
        for (u32 i = 0; i < count; i++) answer_name(&got, "A", found[i].id);
    } else {
        struct transfer found[ANSWERS_MAX];
        const u32 count = runner->executor->query_transfers(context, &filter, ANSWERS_MAX, found);
        for (u32 i = 0; i < count; i++) answer_name(&got, "T", found[i].id);
    }
    check_answer(runner, row, "query", &got);
}

void ledger_table_run_changes(struct runner *runner, struct row *row)
{
    struct change_events_filter filter = {.limit = 100};
    struct answer got = {0};
    while (!ledger_table_row_is_done(row)) {
        if (!ledger_table_row_take_field(runner, row, change_events_filter_field_words, &filter)) {
            ledger_table_complain_word(runner, "not a word of changes", ledger_table_row_take(row));
        }
    }
    struct change_event *found = calloc(ANSWERS_MAX, sizeof *found);
    if (found == NULL) abort();
    const u32 count =
        runner->executor->get_change_events(runner->executor->context, &filter, ANSWERS_MAX, found);
    for (u32 i = 0; i < count; i++) {
        answer_name(&got, "T", found[i].transfer_id);
        ledger_table_answer_add(&got, ":");
        ledger_table_answer_add(
            &got, found[i].type < ARRAY_COUNT(change_types) ? change_types[found[i].type] : "?");
    }
    free(found);
    check_answer(runner, row, "changes", &got);
}

// Reads dp/dpo/cp/cpo into the balances of an account.
static void take_balances(struct runner *runner, struct row *row, struct account *account)
{
    u128 *const parts[] = {&account->debits_pending, &account->debits_posted,
                           &account->credits_pending, &account->credits_posted};
    const char *word = ledger_table_row_take(row);
    const char *at = word;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (at == NULL || !ledger_table_parse_digits(&at, parts[i]) || *at != (i < 3 ? '/' : 0)) {
            ledger_table_complain_word(runner, "not balances", word);
            return;
        }
        at++;
    }
}

// What the event must be: the transfer and the accounts as they are, but for what the row gives.
static struct change_event expected_change(const struct transfer *t, const struct account *debit,
                                           const struct account *credit, u8 type, u64 timestamp)
{
    return (struct change_event){
        .transfer_id = t->id,
        .transfer_amount = t->amount,
        .transfer_pending_id = t->pending_id,
        .transfer_user_data_128 = t->user_data_128,
        .transfer_user_data_64 = t->user_data_64,
        .transfer_user_data_32 = t->user_data_32,
        .transfer_timeout = t->timeout,
        .transfer_code = t->code,
        .transfer_flags = t->flags,
        .ledger = t->ledger,
        .type = type,
        .debit_account_id = debit->id,
        .debit_account_debits_pending = debit->debits_pending,
        .debit_account_debits_posted = debit->debits_posted,
        .debit_account_credits_pending = debit->credits_pending,
        .debit_account_credits_posted = debit->credits_posted,
        .debit_account_user_data_128 = debit->user_data_128,
        .debit_account_user_data_64 = debit->user_data_64,
        .debit_account_user_data_32 = debit->user_data_32,
        .debit_account_code = debit->code,
        .debit_account_flags = debit->flags,
        .credit_account_id = credit->id,
        .credit_account_debits_pending = credit->debits_pending,
        .credit_account_debits_posted = credit->debits_posted,
        .credit_account_credits_pending = credit->credits_pending,
        .credit_account_credits_posted = credit->credits_posted,
        .credit_account_user_data_128 = credit->user_data_128,
        .credit_account_user_data_64 = credit->user_data_64,
        .credit_account_user_data_32 = credit->user_data_32,
        .credit_account_code = credit->code,
        .credit_account_flags = credit->flags,
        .timestamp = timestamp,
        .transfer_timestamp = t->timestamp,
        .debit_account_timestamp = debit->timestamp,
        .credit_account_timestamp = credit->timestamp,
    };
}

static bool find_change(struct runner *runner, u128 id, u8 type, struct change_event *out)
{
    const struct change_events_filter filter = {.limit = ANSWERS_MAX};
    bool found = false;
    struct change_event *events = calloc(ANSWERS_MAX, sizeof *events);
    if (events == NULL) abort();
    const u32 count = runner->executor->get_change_events(runner->executor->context, &filter,
                                                          ANSWERS_MAX, events);
    for (u32 i = 0; i < count && !found; i++) {
        found = events[i].transfer_id == id && events[i].type == type;
        if (found) *out = events[i];
    }
    free(events);
    return found;
}

void ledger_table_run_change(struct runner *runner, struct row *row)
{
    const struct ledger_executor *executor = runner->executor;
    struct transfer transfer = {0};
    struct account debit = {0};
    struct account credit = {0};
    const u128 id = ledger_table_row_take_value(runner, row, sizeof id);
    const bool known =
        executor->lookup_transfer(executor->context, id, &transfer) &&
        executor->lookup_account(executor->context, transfer.debit_account_id, &debit) &&
        executor->lookup_account(executor->context, transfer.credit_account_id, &credit);
    if (!known) {
        ledger_table_complain_word(runner, "no transfer of that id", "");
        return;
    }
    u8 type = 0;
    u64 timestamp = transfer.timestamp;
    debit.flags &= (u16)~ACCOUNT_CLOSED;
    credit.flags &= (u16)~ACCOUNT_CLOSED;
    while (ledger_table_row_peek(row) != NULL) {
        bool is_type = false;
        for (u8 i = 0; i < ARRAY_COUNT(change_types) && !is_type; i++) {
            is_type = ledger_table_row_take_if(row, change_types[i]);
            if (is_type) type = i;
        }
        if (is_type) continue;
        if (ledger_table_row_take_if(row, "amount")) {
            transfer.amount = ledger_table_row_take_value(runner, row, sizeof transfer.amount);
        } else if (ledger_table_row_take_if(row, "ts")) {
            timestamp = (u64)ledger_table_row_take_value(runner, row, sizeof timestamp);
        } else if (ledger_table_row_take_if(row, "dr")) {
            take_balances(runner, row, &debit);
        } else if (ledger_table_row_take_if(row, "cr")) {
            take_balances(runner, row, &credit);
        } else if (ledger_table_row_take_if(row, "dr_closed")) {
            debit.flags |= ACCOUNT_CLOSED;
        } else if (ledger_table_row_take_if(row, "cr_closed")) {
            credit.flags |= ACCOUNT_CLOSED;
        } else {
            ledger_table_complain_word(runner, "not a word of a change",
                                       ledger_table_row_take(row));
        }
    }
    struct change_event found;
    if (!find_change(runner, id, type, &found)) {
        ledger_table_complain(runner, runner->line, "change", change_types[type], "none");
        return;
    }
    const struct change_event expected =
        expected_change(&transfer, &debit, &credit, type, timestamp);
    ledger_table_compare_records(runner, "change", &expected, &found, sizeof found);
}
