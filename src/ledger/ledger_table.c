// SPDX-License-Identifier: Apache-2.0
//
// Reads the notation of ledger_table.h and runs it against an executor.
//
// A row is split into words; each kind of row takes the words that it knows and complains of the
// rest.
#include "ledger/ledger_table.h"

#include "ledger/ledger_table_internal.h"

#include <stdlib.h>

// --- Batches ------------------------------------------------------------------------------------

static struct ledger_result_rows results_of(char kind)
{
    return kind == 'A' ? ledger_create_account_results() : ledger_create_transfer_results();
}

static void remember(struct runner *runner, char kind, u128 id, u64 timestamp)
{
    if (runner->known_count == KNOWN_MAX) {
        ledger_table_complain_word(runner, "too many names in one table", "");
        return;
    }
    runner->known[runner->known_count++] =
        (struct known){.kind = kind, .id = id, .timestamp = timestamp};
}

// The timestamp that a result must carry.
static u64 expected_timestamp(const struct runner *runner, u32 i, u32 status)
{
    const bool is_account = runner->batch_kind == 'A';
    const u128 id = is_account ? runner->accounts[i].id : runner->transfers[i].id;
    const u64 own = runner->now - runner->batch_count + i + 1;
    if (status == (u32)CREATE_TRANSFER_CREATED) {
        const u64 given =
            is_account ? runner->accounts[i].timestamp : runner->transfers[i].timestamp;
        return given != 0 ? given : own;
    }
    if (status == (u32)(is_account ? (int)CREATE_ACCOUNT_EXISTS : (int)CREATE_TRANSFER_EXISTS)) {
        const struct known *known = ledger_table_known_find(runner, runner->batch_kind, id);
        return known != NULL ? known->timestamp : 0;
    }
    return own;
}

static void check_result(struct runner *runner, u32 i, const struct create_result *result)
{
    const bool is_account = runner->batch_kind == 'A';
    const struct ledger_result_rows results = results_of(runner->batch_kind);
    const struct ledger_result_row *expected = runner->expected[i];
    const struct ledger_result_row *found = ledger_result_find(results, result->status);
    runner->report->rows++;
    if (expected == NULL) return; // Complained of when it was read.
    if (found != expected) {
        ledger_table_complain(runner, runner->lines[i], "result", expected->name,
                              found != NULL ? found->name : "a number that is no result");
        return;
    }
    const u64 given = runner->expected_at[i];
    const u64 timestamp = given != 0 ? given : expected_timestamp(runner, i, result->status);
    if (result->timestamp != timestamp || result->reserved != 0) {
        struct answer wanted = {0};
        struct answer got = {0};
        ledger_table_answer_add_number(&wanted, timestamp);
        ledger_table_answer_add_number(&got, result->timestamp);
        ledger_table_complain(runner, runner->lines[i], "timestamp of the result", wanted.bytes,
                              got.bytes);
        return;
    }
    u32 *seen = is_account ? runner->report->account_results : runner->report->transfer_results;
    seen[expected - results.rows]++;
    if (result->status == (u32)CREATE_TRANSFER_CREATED) {
        const u128 id = is_account ? runner->accounts[i].id : runner->transfers[i].id;
        remember(runner, runner->batch_kind, id, timestamp);
    }
}

static void run_batch(struct runner *runner)
{
    const struct ledger_executor *executor = runner->executor;
    struct create_result results[BATCH_MAX] = {0};
    const u32 count = runner->batch_count;
    runner->now += count;
    if (runner->batch_kind == 'A') {
        executor->create_accounts(executor->context, runner->now, runner->accounts, count, results);
    } else {
        executor->create_transfers(executor->context, runner->now, runner->transfers, count,
                                   results);
    }
    if (executor->check != NULL) executor->check(executor->context);
    for (u32 i = 0; i < count; i++) check_result(runner, i, &results[i]);
    runner->batch_kind = 0;
    runner->batch_count = 0;
}

static void run_event(struct runner *runner, struct row *row, char kind)
{
    if (runner->batch_count == BATCH_MAX ||
        (runner->batch_count > 0 && runner->batch_kind != kind)) {
        ledger_table_complain_word(runner, "does not fit into the batch",
                                   ledger_table_row_peek(row));
        return;
    }
    const u32 i = runner->batch_count++;
    runner->batch_kind = kind;
    runner->lines[i] = runner->line;
    if (kind == 'A') runner->accounts[i] = ledger_table_row_take_account(runner, row);
    if (kind == 'T') runner->transfers[i] = ledger_table_row_take_transfer(runner, row);
    const char *name = ledger_table_row_take(row);
    runner->expected[i] = name != NULL ? ledger_result_find_name(results_of(kind), name) : NULL;
    if (runner->expected[i] == NULL) ledger_table_complain_word(runner, "not a result", name);
    runner->expected_at[i] = 0;
    if (ledger_table_row_take_if(row, "at"))
        runner->expected_at[i] = (u64)ledger_table_row_take_value(runner, row, sizeof(u64));
    if (ledger_table_row_peek(row) != NULL)
        ledger_table_complain_word(runner, "after the result", ledger_table_row_peek(row));
    if (!runner->batch_open) run_batch(runner);
}

// --- Other rows ---------------------------------------------------------------------------------

static void run_expire(struct runner *runner, struct row *row)
{
    u32 limit = 10;
    while (!ledger_table_row_is_done(row)) {
        if (ledger_table_row_take_if(row, "limit")) {
            limit = (u32)ledger_table_row_take_value(runner, row, sizeof limit);
        } else {
            ledger_table_complain_word(runner, "not a word of expire", ledger_table_row_take(row));
        }
    }
    const u128 expected = ledger_table_row_take_value(runner, row, sizeof(u32));
    const u32 count = runner->executor->expire(runner->executor->context, runner->now, limit);
    runner->now += limit;
    if (runner->executor->check != NULL) runner->executor->check(runner->executor->context);
    if (count != expected) {
        struct answer wanted = {0};
        struct answer got = {0};
        ledger_table_answer_add_number(&wanted, expected);
        ledger_table_answer_add_number(&got, count);
        ledger_table_complain(runner, runner->line, "expired", wanted.bytes, got.bytes);
    }
}

static void describe_account(struct answer *text, const struct account *a)
{
    ledger_table_answer_add_balances(text, a->debits_pending, a->debits_posted, a->credits_pending,
                                     a->credits_posted);
    ledger_table_answer_add(text, a->flags & ACCOUNT_CLOSED ? " closed" : " open");
}

static void run_balance(struct runner *runner, struct row *row)
{
    struct account expected = ledger_table_row_take_account(runner, row);
    struct account found = {0};
    struct answer wanted = {0};
    struct answer got = {0};
    describe_account(&wanted, &expected);
    if (runner->executor->lookup_account(runner->executor->context, expected.id, &found)) {
        describe_account(&got, &found);
    } else {
        ledger_table_answer_add(&got, "no account");
    }
    if (strcmp(wanted.bytes, got.bytes) != 0) {
        ledger_table_complain(runner, runner->line, "balance", wanted.bytes, got.bytes);
    }
}

static void run_record(struct runner *runner, struct row *row)
{
    const struct ledger_executor *executor = runner->executor;
    if (ledger_table_word_is_name(ledger_table_row_peek(row), 'A')) {
        struct account expected = ledger_table_row_take_account(runner, row);
        struct account found = {0};
        const struct known *known = ledger_table_known_find(runner, 'A', expected.id);
        if (expected.timestamp == 0 && known != NULL) expected.timestamp = known->timestamp;
        executor->lookup_account(executor->context, expected.id, &found);
        ledger_table_compare_records(runner, "account", &expected, &found, sizeof found);
    } else {
        struct transfer expected = ledger_table_row_take_transfer(runner, row);
        struct transfer found = {0};
        const struct known *known = ledger_table_known_find(runner, 'T', expected.id);
        if (expected.timestamp == 0 && known != NULL) expected.timestamp = known->timestamp;
        executor->lookup_transfer(executor->context, expected.id, &found);
        ledger_table_compare_records(runner, "transfer", &expected, &found, sizeof found);
    }
}

static void run_missing(struct runner *runner, struct row *row)
{
    const struct ledger_executor *executor = runner->executor;
    while (ledger_table_row_peek(row) != NULL) {
        const char *word = ledger_table_row_peek(row);
        const bool is_account = ledger_table_word_is_name(word, 'A');
        const u128 id = ledger_table_row_take_value(runner, row, sizeof id);
        struct account account;
        struct transfer transfer;
        const bool found = is_account ? executor->lookup_account(executor->context, id, &account)
                                      : executor->lookup_transfer(executor->context, id, &transfer);
        if (found) ledger_table_complain(runner, runner->line, word, "none", "one");
    }
}

static void run_table(struct runner *runner)
{
    runner->executor->reset(runner->executor->context);
    runner->report->tables++;
    runner->now = 0;
    runner->known_count = 0;
}

static void run_clock(struct runner *runner, struct row *row, bool relative)
{
    const u128 time = ledger_table_row_take_value(runner, row, sizeof(u64));
    const u64 now = relative ? runner->now + (u64)time : (u64)time;
    if (now < runner->now) ledger_table_complain_word(runner, "the clock goes back", "");
    runner->now = now;
}

static void run_row(struct runner *runner, struct row *row)
{
    const char *kind = ledger_table_row_take(row);
    if (kind == NULL) return;
    const bool is_account = strcmp(kind, "account") == 0;
    const bool is_transfer = strcmp(kind, "transfer") == 0;
    if (!is_account && !is_transfer && strcmp(kind, "table") != 0) runner->report->rows++;
    if (runner->batch_open && !is_account && !is_transfer && strcmp(kind, "end") != 0) {
        ledger_table_complain_word(runner, "not in a batch", kind);
        return;
    }
    if (is_account) {
        run_event(runner, row, 'A');
    } else if (is_transfer) {
        run_event(runner, row, 'T');
    } else if (strcmp(kind, "batch") == 0) {
        runner->batch_open = true;
    } else if (strcmp(kind, "end") == 0) {
        runner->batch_open = false;
        if (runner->batch_count > 0) run_batch(runner);
    } else if (strcmp(kind, "table") == 0) {
        run_table(runner);
    } else if (strcmp(kind, "clock") == 0) {
        run_clock(runner, row, false);
    } else if (strcmp(kind, "tick") == 0) {
        run_clock(runner, row, true);
    } else if (strcmp(kind, "expire") == 0) {
        run_expire(runner, row);
    } else if (strcmp(kind, "balance") == 0) {
        run_balance(runner, row);
    } else if (strcmp(kind, "record") == 0) {
        run_record(runner, row);
    } else if (strcmp(kind, "missing") == 0) {
        run_missing(runner, row);
    } else if (strcmp(kind, "transfers") == 0) {
        ledger_table_run_account_transfers(runner, row);
    } else if (strcmp(kind, "balances") == 0) {
        ledger_table_run_account_balances(runner, row);
    } else if (strcmp(kind, "query") == 0) {
        ledger_table_run_query(runner, row);
    } else if (strcmp(kind, "changes") == 0) {
        ledger_table_run_changes(runner, row);
    } else if (strcmp(kind, "change") == 0) {
        ledger_table_run_change(runner, row);
    } else {
        ledger_table_complain_word(runner, "not a kind of row", kind);
    }
}

void ledger_table_run(const struct ledger_executor *executor, const char *file, const char *text,
                      FILE *trace, struct ledger_table_report *report)
{
    struct runner *runner = calloc(1, sizeof *runner);
    if (runner == NULL) abort();
    runner->executor = executor;
    runner->file = file;
    runner->trace = trace;
    runner->report = report;
    executor->reset(executor->context);
    const char *line = text;
    while (*line != 0) {
        const char *end = strchr(line, '\n');
        const size_t size = end != NULL ? (size_t)(end - line) : strlen(line);
        struct row row;
        runner->line++;
        ledger_table_row_cut(&row, line, size);
        run_row(runner, &row);
        line += end != NULL ? size + 1 : size;
    }
    if (runner->batch_open) ledger_table_complain_word(runner, "a batch without end", "");
    free(runner);
}

void ledger_table_run_file(const struct ledger_executor *executor, const char *name, FILE *trace,
                           struct ledger_table_report *report)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/src/ledger/tables/%s", TAEL_SOURCE_DIRECTORY, name);
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        fprintf(trace, "%s: cannot be read\n", path);
        report->failures++;
        return;
    }
    const size_t capacity = MIB;
    char *text = calloc(capacity, 1);
    if (text == NULL) abort();
    const size_t size = fread(text, 1, capacity - 1, stream);
    if (size == capacity - 1) {
        fprintf(trace, "%s: too long\n", path);
        report->failures++;
    }
    (void)fclose(stream);
    ledger_table_run(executor, name, text, trace, report);
    free(text);
}
