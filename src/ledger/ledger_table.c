// SPDX-License-Identifier: Apache-2.0
//
// Reads the notation of ledger_table.h and runs it against an executor.
//
// A row is split into words; each kind of row takes the words that it knows and complains of the
// rest. Fields of records are set by name through a table of offsets, so that `max` and wrong
// widths behave alike everywhere.
#include "ledger/ledger_table.h"

#include <stdlib.h>

#define WORDS_MAX   64
#define LINE_MAX    512
#define BATCH_MAX   64
#define ANSWERS_MAX 256
#define KNOWN_MAX   512

// A row, cut into words.
struct row {
    char text[LINE_MAX];
    const char *words[WORDS_MAX];
    u32 count;
    u32 next;
};

// The timestamp of something that was created.
struct known {
    char kind; // 'A' or 'T'
    u128 id;
    u64 timestamp;
};

struct runner {
    const struct ledger_executor *executor;
    const char *file;
    FILE *trace;
    struct ledger_table_report *report;
    u32 line;
    u64 now; // The last timestamp that was used.
    struct known known[KNOWN_MAX];
    u32 known_count;
    // The batch that is being collected.
    bool batch_open;
    char batch_kind; // 'A', 'T', or 0 as long as there is no row.
    u32 batch_count;
    struct account accounts[BATCH_MAX];
    struct transfer transfers[BATCH_MAX];
    const struct ledger_result_row *expected[BATCH_MAX];
    u64 expected_at[BATCH_MAX]; // The timestamp of the result if it is given, else 0.
    u32 lines[BATCH_MAX];
};

struct flag_word {
    const char *word;
    u32 bit;
};

struct field_word {
    const char *word;
    size_t offset;
    size_t size;
};

#define FIELD_WORD(word, record, field)                                              \
    {                                                                                \
        word, offsetof(struct record, field), sizeof(((struct record *)NULL)->field) \
    }

static const struct flag_word account_flag_words[] = {
    {"linked", ACCOUNT_LINKED},
    {"dr<=cr", ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS},
    {"cr<=dr", ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS},
    {"history", ACCOUNT_HISTORY},
    {"imported", ACCOUNT_IMPORTED},
    {"closed", ACCOUNT_CLOSED},
    {NULL, 0},
};

static const struct flag_word transfer_flag_words[] = {
    {"linked", TRANSFER_LINKED},
    {"pending", TRANSFER_PENDING},
    {"post", TRANSFER_POST_PENDING},
    {"void", TRANSFER_VOID_PENDING},
    {"balancing_debit", TRANSFER_BALANCING_DEBIT},
    {"balancing_credit", TRANSFER_BALANCING_CREDIT},
    {"closing_debit", TRANSFER_CLOSING_DEBIT},
    {"closing_credit", TRANSFER_CLOSING_CREDIT},
    {"imported", TRANSFER_IMPORTED},
    {NULL, 0},
};

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

static const struct field_word account_field_words[] = {
    FIELD_WORD("dp", account, debits_pending),  FIELD_WORD("dpo", account, debits_posted),
    FIELD_WORD("cp", account, credits_pending), FIELD_WORD("cpo", account, credits_posted),
    FIELD_WORD("u128", account, user_data_128), FIELD_WORD("u64", account, user_data_64),
    FIELD_WORD("u32", account, user_data_32),   FIELD_WORD("reserved", account, reserved),
    FIELD_WORD("ts", account, timestamp),       {NULL, 0, 0},
};

static const struct field_word transfer_field_words[] = {
    FIELD_WORD("amount", transfer, amount),      FIELD_WORD("pid", transfer, pending_id),
    FIELD_WORD("u128", transfer, user_data_128), FIELD_WORD("u64", transfer, user_data_64),
    FIELD_WORD("u32", transfer, user_data_32),   FIELD_WORD("timeout", transfer, timeout),
    FIELD_WORD("ts", transfer, timestamp),       {NULL, 0, 0},
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

// --- Messages -----------------------------------------------------------------------------------

static void complain(struct runner *runner, u32 line, const char *what, const char *expected,
                     const char *found)
{
    runner->report->failures++;
    fprintf(runner->trace, "%s:%u: %s: expected %s, found %s\n", runner->file, line, what, expected,
            found);
}

static void complain_word(struct runner *runner, const char *what, const char *word)
{
    runner->report->failures++;
    fprintf(runner->trace, "%s:%u: %s: %s\n", runner->file, runner->line, what,
            word != NULL ? word : "the row ends");
}

struct text {
    char bytes[2048];
    size_t size;
};

static void text_add(struct text *text, const char *bytes)
{
    const size_t size = MIN(strlen(bytes), sizeof text->bytes - 1 - text->size);
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = 0;
}

static void text_add_number(struct text *text, u128 number)
{
    char digits[40];
    size_t start = sizeof digits - 1;
    digits[start] = 0;
    do {
        digits[--start] = (char)('0' + (int)(number % 10));
        number /= 10;
    } while (number != 0);
    text_add(text, digits + start);
}

static void text_add_balances(struct text *text, u128 dp, u128 dpo, u128 cp, u128 cpo)
{
    text_add_number(text, dp);
    text_add(text, "/");
    text_add_number(text, dpo);
    text_add(text, "/");
    text_add_number(text, cp);
    text_add(text, "/");
    text_add_number(text, cpo);
}

// --- Words --------------------------------------------------------------------------------------

static void row_cut(struct row *row, const char *line, size_t size)
{
    row->count = 0;
    row->next = 0;
    size = MIN(size, (size_t)LINE_MAX - 1);
    memcpy(row->text, line, size);
    row->text[size] = 0;
    char *comment = strchr(row->text, '#');
    if (comment != NULL) *comment = 0;
    char *rest = NULL;
    for (char *word = strtok_r(row->text, " \t\r", &rest); word != NULL && row->count < WORDS_MAX;
         word = strtok_r(NULL, " \t\r", &rest)) {
        row->words[row->count++] = word;
    }
}

static const char *row_peek(const struct row *row)
{
    return row->next < row->count ? row->words[row->next] : NULL;
}

static const char *row_take(struct row *row)
{
    const char *word = row_peek(row);
    if (word != NULL) row->next++;
    return word;
}

static bool row_take_if(struct row *row, const char *word)
{
    const char *next = row_peek(row);
    if (next == NULL || strcmp(next, word) != 0) return false;
    row->next++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Whether the word is a letter and a number: A1, Tmax.
static bool is_name(const char *word, char letter)
{
    return word != NULL && word[0] == letter && (is_digit(word[1]) || strcmp(word + 1, "max") == 0);
}

// Reads digits; moves `*at` past them. False if there are none.
static bool parse_digits(const char **at, u128 *value)
{
    if (!is_digit(**at)) return false;
    *value = 0;
    while (is_digit(**at)) {
        const u128 digit = (u8)(**at - '0');
        *value = *value * 10 + digit;
        (*at)++;
    }
    return true;
}

static const struct known *find_known(const struct runner *runner, char kind, u128 id)
{
    for (u32 i = runner->known_count; i > 0; i--) {
        const struct known *known = &runner->known[i - 1];
        if (known->kind == kind && known->id == id) return known;
    }
    return NULL;
}

// Numbers and times, as ledger_table.h has them. `size` is the width in bytes.
static bool parse_value(const struct runner *runner, const char *word, size_t size, u128 *value)
{
    const u128 max = size == 16 ? U128_MAX : (((u128)1 << (8 * size)) - 1);
    const char *at = word;
    if (at == NULL) return false;
    if (strncmp(at, "max", 3) == 0) {
        *value = max;
        at += 3;
    } else if (*at == '@') {
        const char kind = at[1];
        u128 id;
        if (kind != 'A' && kind != 'T') return false;
        at += 2;
        if (!parse_digits(&at, &id)) return false;
        const struct known *known = find_known(runner, kind, id);
        if (known == NULL) return false;
        *value = known->timestamp;
    } else {
        if (word[0] >= 'A' && word[0] <= 'Z' && is_name(word, word[0])) at++; // T1 as a value.
        if (strcmp(at, "max") == 0) {
            *value = max;
            return true;
        }
        if (!parse_digits(&at, value)) return false;
        if (*at == '^') {
            u128 exponent;
            at++;
            if (!parse_digits(&at, &exponent) || exponent > 127) return false;
            *value = (u128)1 << (int)exponent;
        }
    }
    if (strcmp(at, "s") == 0) {
        *value *= NS_PER_S;
        at += 1;
    } else if (strcmp(at, "ms") == 0) {
        *value *= NS_PER_MS;
        at += 2;
    } else if (strcmp(at, "ns") == 0) {
        at += 2;
    }
    if (*at == '+' || *at == '-') {
        const bool minus = *at == '-';
        u128 offset;
        at++;
        if (!parse_digits(&at, &offset)) return false;
        *value = minus ? *value - offset : *value + offset;
    }
    return *at == 0 && *value <= max;
}

// The next word as a number of `size` bytes; complains and gives 0 if it is none.
static u128 row_take_value(struct runner *runner, struct row *row, size_t size)
{
    const char *word = row_take(row);
    u128 value = 0;
    if (!parse_value(runner, word, size, &value)) {
        complain_word(runner, "not a number", word);
        return 0;
    }
    return value;
}

static bool take_flag(struct row *row, const struct flag_word *words, u32 *flags)
{
    for (; words->word != NULL; words++) {
        if (row_take_if(row, words->word)) {
            *flags |= words->bit;
            return true;
        }
    }
    return false;
}

static bool take_field(struct runner *runner, struct row *row, const struct field_word *words,
                       void *record)
{
    for (; words->word != NULL; words++) {
        if (row_take_if(row, words->word)) {
            const u128 value = row_take_value(runner, row, words->size);
            memcpy((u8 *)record + words->offset, &value, words->size);
            return true;
        }
    }
    return false;
}

// A name's number: of `A7` 7.
static u128 take_name(struct runner *runner, struct row *row, size_t size)
{
    return row_take_value(runner, row, size);
}

static bool take_ledger_and_code(struct runner *runner, struct row *row, u32 *ledger, u16 *code)
{
    if (is_name(row_peek(row), 'L')) {
        *ledger = (u32)take_name(runner, row, sizeof *ledger);
        return true;
    }
    if (is_name(row_peek(row), 'C')) {
        *code = (u16)take_name(runner, row, sizeof *code);
        return true;
    }
    return false;
}

// True at the end of the row or at `->`, which is taken.
static bool row_done(struct row *row)
{
    return row_peek(row) == NULL || row_take_if(row, "->");
}

static struct account parse_account(struct runner *runner, struct row *row)
{
    struct account account = {0};
    u32 flags = 0;
    while (!row_done(row)) {
        if (is_name(row_peek(row), 'A')) {
            account.id = take_name(runner, row, sizeof account.id);
        } else if (row_take_if(row, "flags")) {
            flags |= (u16)row_take_value(runner, row, sizeof account.flags);
        } else if (!take_ledger_and_code(runner, row, &account.ledger, &account.code) &&
                   !take_flag(row, account_flag_words, &flags) &&
                   !take_field(runner, row, account_field_words, &account)) {
            complain_word(runner, "not a word of an account", row_take(row));
        }
    }
    account.flags = (u16)flags;
    return account;
}

static struct transfer parse_transfer(struct runner *runner, struct row *row)
{
    struct transfer transfer = {0};
    u32 flags = 0;
    u32 accounts = 0;
    bool named = false;
    while (!row_done(row)) {
        if (is_name(row_peek(row), 'A')) {
            const u128 id = take_name(runner, row, sizeof id);
            if (accounts == 0) transfer.debit_account_id = id;
            if (accounts == 1) transfer.credit_account_id = id;
            accounts++;
        } else if (is_name(row_peek(row), 'T')) {
            // The first is the transfer, a second stands after `post` or `void`.
            const u128 id = take_name(runner, row, sizeof id);
            if (!named) transfer.id = id;
            if (named) transfer.pending_id = id;
            named = true;
        } else if (row_take_if(row, "flags")) {
            flags |= (u16)row_take_value(runner, row, sizeof transfer.flags);
        } else if (!take_ledger_and_code(runner, row, &transfer.ledger, &transfer.code) &&
                   !take_flag(row, transfer_flag_words, &flags) &&
                   !take_field(runner, row, transfer_field_words, &transfer)) {
            complain_word(runner, "not a word of a transfer", row_take(row));
        }
    }
    transfer.flags = (u16)flags;
    return transfer;
}

// --- Batches ------------------------------------------------------------------------------------

static struct ledger_result_rows results_of(char kind)
{
    return kind == 'A' ? ledger_create_account_results() : ledger_create_transfer_results();
}

static void remember(struct runner *runner, char kind, u128 id, u64 timestamp)
{
    if (runner->known_count == KNOWN_MAX) {
        complain_word(runner, "too many names in one table", "");
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
        const struct known *known = find_known(runner, runner->batch_kind, id);
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
        complain(runner, runner->lines[i], "result", expected->name,
                 found != NULL ? found->name : "a number that is no result");
        return;
    }
    const u64 given = runner->expected_at[i];
    const u64 timestamp = given != 0 ? given : expected_timestamp(runner, i, result->status);
    if (result->timestamp != timestamp || result->reserved != 0) {
        struct text wanted = {0};
        struct text got = {0};
        text_add_number(&wanted, timestamp);
        text_add_number(&got, result->timestamp);
        complain(runner, runner->lines[i], "timestamp of the result", wanted.bytes, got.bytes);
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
        complain_word(runner, "does not fit into the batch", row_peek(row));
        return;
    }
    const u32 i = runner->batch_count++;
    runner->batch_kind = kind;
    runner->lines[i] = runner->line;
    if (kind == 'A') runner->accounts[i] = parse_account(runner, row);
    if (kind == 'T') runner->transfers[i] = parse_transfer(runner, row);
    const char *name = row_take(row);
    runner->expected[i] = name != NULL ? ledger_result_find_name(results_of(kind), name) : NULL;
    if (runner->expected[i] == NULL) complain_word(runner, "not a result", name);
    runner->expected_at[i] = 0;
    if (row_take_if(row, "at"))
        runner->expected_at[i] = (u64)row_take_value(runner, row, sizeof(u64));
    if (row_peek(row) != NULL) complain_word(runner, "after the result", row_peek(row));
    if (!runner->batch_open) run_batch(runner);
}

// --- Other rows ---------------------------------------------------------------------------------

static void run_expire(struct runner *runner, struct row *row)
{
    u32 limit = 10;
    while (!row_done(row)) {
        if (row_take_if(row, "limit")) {
            limit = (u32)row_take_value(runner, row, sizeof limit);
        } else {
            complain_word(runner, "not a word of expire", row_take(row));
        }
    }
    const u128 expected = row_take_value(runner, row, sizeof(u32));
    const u32 count = runner->executor->expire(runner->executor->context, runner->now, limit);
    runner->now += limit;
    if (runner->executor->check != NULL) runner->executor->check(runner->executor->context);
    if (count != expected) {
        struct text wanted = {0};
        struct text got = {0};
        text_add_number(&wanted, expected);
        text_add_number(&got, count);
        complain(runner, runner->line, "expired", wanted.bytes, got.bytes);
    }
}

static void describe_account(struct text *text, const struct account *a)
{
    text_add_balances(text, a->debits_pending, a->debits_posted, a->credits_pending,
                      a->credits_posted);
    text_add(text, a->flags & ACCOUNT_CLOSED ? " closed" : " open");
}

static void run_balance(struct runner *runner, struct row *row)
{
    struct account expected = parse_account(runner, row);
    struct account found = {0};
    struct text wanted = {0};
    struct text got = {0};
    describe_account(&wanted, &expected);
    if (runner->executor->lookup_account(runner->executor->context, expected.id, &found)) {
        describe_account(&got, &found);
    } else {
        text_add(&got, "no account");
    }
    if (strcmp(wanted.bytes, got.bytes) != 0) {
        complain(runner, runner->line, "balance", wanted.bytes, got.bytes);
    }
}

// Says which byte of a record differs; the struct tells which field that is.
static void compare_records(struct runner *runner, const char *what, const void *expected,
                            const void *found, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const u8 wanted_byte = ((const u8 *)expected)[i];
        const u8 got_byte = ((const u8 *)found)[i];
        if (wanted_byte == got_byte) continue;
        struct text wanted = {0};
        struct text got = {0};
        text_add_number(&wanted, wanted_byte);
        text_add_number(&got, got_byte);
        text_add(&got, " at byte ");
        text_add_number(&got, i);
        complain(runner, runner->line, what, wanted.bytes, got.bytes);
        return;
    }
}

static void run_record(struct runner *runner, struct row *row)
{
    const struct ledger_executor *executor = runner->executor;
    if (is_name(row_peek(row), 'A')) {
        struct account expected = parse_account(runner, row);
        struct account found = {0};
        const struct known *known = find_known(runner, 'A', expected.id);
        if (expected.timestamp == 0 && known != NULL) expected.timestamp = known->timestamp;
        executor->lookup_account(executor->context, expected.id, &found);
        compare_records(runner, "account", &expected, &found, sizeof found);
    } else {
        struct transfer expected = parse_transfer(runner, row);
        struct transfer found = {0};
        const struct known *known = find_known(runner, 'T', expected.id);
        if (expected.timestamp == 0 && known != NULL) expected.timestamp = known->timestamp;
        executor->lookup_transfer(executor->context, expected.id, &found);
        compare_records(runner, "transfer", &expected, &found, sizeof found);
    }
}

static void run_missing(struct runner *runner, struct row *row)
{
    const struct ledger_executor *executor = runner->executor;
    while (row_peek(row) != NULL) {
        const char *word = row_peek(row);
        const bool is_account = is_name(word, 'A');
        const u128 id = take_name(runner, row, sizeof id);
        struct account account;
        struct transfer transfer;
        const bool found = is_account ? executor->lookup_account(executor->context, id, &account)
                                      : executor->lookup_transfer(executor->context, id, &transfer);
        if (found) complain(runner, runner->line, word, "none", "one");
    }
}

// Compares the words that are left, joined by blanks, with what was found.
static void check_answer(struct runner *runner, struct row *row, const char *what,
                         const struct text *got)
{
    struct text wanted = {0};
    while (row_peek(row) != NULL) {
        if (wanted.size > 0) text_add(&wanted, " ");
        text_add(&wanted, row_take(row));
    }
    const char *found = got->size > 0 ? got->bytes : "none";
    if (strcmp(wanted.bytes, found) != 0) {
        complain(runner, runner->line, what, wanted.bytes, found);
    }
}

static void answer_name(struct text *text, const char *letter, u128 id)
{
    if (text->size > 0) text_add(text, " ");
    text_add(text, letter);
    text_add_number(text, id);
}

static struct account_filter parse_account_filter(struct runner *runner, struct row *row)
{
    struct account_filter filter = {.limit = 100};
    u32 ledger = 0;
    while (!row_done(row)) {
        if (is_name(row_peek(row), 'A')) {
            filter.account_id = take_name(runner, row, sizeof filter.account_id);
        } else if (row_take_if(row, "flags")) {
            filter.flags |= (u32)row_take_value(runner, row, sizeof filter.flags);
        } else if (!take_ledger_and_code(runner, row, &ledger, &filter.code) &&
                   !take_flag(row, account_filter_flag_words, &filter.flags) &&
                   !take_field(runner, row, account_filter_field_words, &filter)) {
            complain_word(runner, "not a word of an account filter", row_take(row));
        }
    }
    return filter;
}

static void run_account_transfers(struct runner *runner, struct row *row)
{
    const struct account_filter filter = parse_account_filter(runner, row);
    struct transfer found[ANSWERS_MAX];
    struct text got = {0};
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

static void run_account_balances(struct runner *runner, struct row *row)
{
    const struct account_filter filter = parse_account_filter(runner, row);
    struct account_balance found[ANSWERS_MAX];
    struct text got = {0};
    const u32 count = runner->executor->get_account_balances(runner->executor->context, &filter,
                                                             ANSWERS_MAX, found);
    for (u32 i = 0; i < count; i++) {
        const struct account_balance *balance = &found[i];
        answer_name(&got, "T", transfer_at(runner, balance->timestamp));
        text_add(&got, "=");
        text_add_balances(&got, balance->debits_pending, balance->debits_posted,
                          balance->credits_pending, balance->credits_posted);
        if (!is_zero(balance->reserved, sizeof balance->reserved)) text_add(&got, " reserved");
    }
    check_answer(runner, row, "balances", &got);
}

static void run_query(struct runner *runner, struct row *row)
{
    const bool accounts = row_take_if(row, "accounts");
    struct query_filter filter = {.limit = 100};
    struct text got = {0};
    if (!accounts && !row_take_if(row, "transfers")) {
        complain_word(runner, "accounts or transfers?", row_peek(row));
        return;
    }
    while (!row_done(row)) {
        if (row_take_if(row, "flags")) {
            filter.flags |= (u32)row_take_value(runner, row, sizeof filter.flags);
        } else if (!take_ledger_and_code(runner, row, &filter.ledger, &filter.code) &&
                   !take_flag(row, query_filter_flag_words, &filter.flags) &&
                   !take_field(runner, row, query_filter_field_words, &filter)) {
            complain_word(runner, "not a word of a query", row_take(row));
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

static void run_changes(struct runner *runner, struct row *row)
{
    struct change_events_filter filter = {.limit = 100};
    struct text got = {0};
    while (!row_done(row)) {
        if (!take_field(runner, row, change_events_filter_field_words, &filter)) {
            complain_word(runner, "not a word of changes", row_take(row));
        }
    }
    struct change_event *found = calloc(ANSWERS_MAX, sizeof *found);
    if (found == NULL) abort();
    const u32 count =
        runner->executor->get_change_events(runner->executor->context, &filter, ANSWERS_MAX, found);
    for (u32 i = 0; i < count; i++) {
        answer_name(&got, "T", found[i].transfer_id);
        text_add(&got, ":");
        text_add(&got,
                 found[i].type < ARRAY_COUNT(change_types) ? change_types[found[i].type] : "?");
    }
    free(found);
    check_answer(runner, row, "changes", &got);
}

// Reads dp/dpo/cp/cpo into the balances of an account.
static void take_balances(struct runner *runner, struct row *row, struct account *account)
{
    u128 *const parts[] = {&account->debits_pending, &account->debits_posted,
                           &account->credits_pending, &account->credits_posted};
    const char *word = row_take(row);
    const char *at = word;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        if (at == NULL || !parse_digits(&at, parts[i]) || *at != (i < 3 ? '/' : 0)) {
            complain_word(runner, "not balances", word);
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

static void run_change(struct runner *runner, struct row *row)
{
    const struct ledger_executor *executor = runner->executor;
    struct transfer transfer = {0};
    struct account debit = {0};
    struct account credit = {0};
    const u128 id = take_name(runner, row, sizeof id);
    const bool known =
        executor->lookup_transfer(executor->context, id, &transfer) &&
        executor->lookup_account(executor->context, transfer.debit_account_id, &debit) &&
        executor->lookup_account(executor->context, transfer.credit_account_id, &credit);
    if (!known) {
        complain_word(runner, "no transfer of that id", "");
        return;
    }
    u8 type = 0;
    u64 timestamp = transfer.timestamp;
    debit.flags &= (u16)~ACCOUNT_CLOSED;
    credit.flags &= (u16)~ACCOUNT_CLOSED;
    while (row_peek(row) != NULL) {
        bool is_type = false;
        for (u8 i = 0; i < ARRAY_COUNT(change_types) && !is_type; i++) {
            is_type = row_take_if(row, change_types[i]);
            if (is_type) type = i;
        }
        if (is_type) continue;
        if (row_take_if(row, "amount")) {
            transfer.amount = row_take_value(runner, row, sizeof transfer.amount);
        } else if (row_take_if(row, "ts")) {
            timestamp = (u64)row_take_value(runner, row, sizeof timestamp);
        } else if (row_take_if(row, "dr")) {
            take_balances(runner, row, &debit);
        } else if (row_take_if(row, "cr")) {
            take_balances(runner, row, &credit);
        } else if (row_take_if(row, "dr_closed")) {
            debit.flags |= ACCOUNT_CLOSED;
        } else if (row_take_if(row, "cr_closed")) {
            credit.flags |= ACCOUNT_CLOSED;
        } else {
            complain_word(runner, "not a word of a change", row_take(row));
        }
    }
    struct change_event found;
    if (!find_change(runner, id, type, &found)) {
        complain(runner, runner->line, "change", change_types[type], "none");
        return;
    }
    const struct change_event expected =
        expected_change(&transfer, &debit, &credit, type, timestamp);
    compare_records(runner, "change", &expected, &found, sizeof found);
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
    const u128 time = row_take_value(runner, row, sizeof(u64));
    const u64 now = relative ? runner->now + (u64)time : (u64)time;
    if (now < runner->now) complain_word(runner, "the clock goes back", "");
    runner->now = now;
}

static void run_row(struct runner *runner, struct row *row)
{
    const char *kind = row_take(row);
    if (kind == NULL) return;
    const bool is_account = strcmp(kind, "account") == 0;
    const bool is_transfer = strcmp(kind, "transfer") == 0;
    if (!is_account && !is_transfer && strcmp(kind, "table") != 0) runner->report->rows++;
    if (runner->batch_open && !is_account && !is_transfer && strcmp(kind, "end") != 0) {
        complain_word(runner, "not in a batch", kind);
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
        run_account_transfers(runner, row);
    } else if (strcmp(kind, "balances") == 0) {
        run_account_balances(runner, row);
    } else if (strcmp(kind, "query") == 0) {
        run_query(runner, row);
    } else if (strcmp(kind, "changes") == 0) {
        run_changes(runner, row);
    } else if (strcmp(kind, "change") == 0) {
        run_change(runner, row);
    } else {
        complain_word(runner, "not a kind of row", kind);
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
        row_cut(&row, line, size);
        run_row(runner, &row);
        line += end != NULL ? size + 1 : size;
    }
    if (runner->batch_open) complain_word(runner, "a batch without end", "");
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
