// SPDX-License-Identifier: Apache-2.0
//
// The words of a table's rows: numbers, names, flags, fields by name through a table of offsets, so
// that `max` and wrong widths behave alike everywhere. And what is said of rows that do not hold.
#include "codec/number.h"
#include "ledger/ledger_table_internal.h"

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

// --- Messages -----------------------------------------------------------------------------------

void ledger_table_complain(struct runner *runner, u32 line, const char *what, const char *expected,
                           const char *found)
{
    runner->report->failures++;
    fprintf(runner->trace, "%s:%u: %s: expected %s, found %s\n", runner->file, line, what, expected,
            found);
}

void ledger_table_complain_word(struct runner *runner, const char *what, const char *word)
{
    runner->report->failures++;
    fprintf(runner->trace, "%s:%u: %s: %s\n", runner->file, runner->line, what,
            word != NULL ? word : "the row ends");
}

void ledger_table_answer_add(struct answer *text, const char *bytes)
{
    const size_t size = MIN(strlen(bytes), sizeof text->bytes - 1 - text->size);
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
    text->bytes[text->size] = 0;
}

void ledger_table_answer_add_number(struct answer *text, u128 number)
{
    char digits[NUMBER_SIZE_MAX];
    (void)number_print_u128(number, digits);
    ledger_table_answer_add(text, digits);
}

void ledger_table_answer_add_balances(struct answer *text, u128 dp, u128 dpo, u128 cp, u128 cpo)
{
    ledger_table_answer_add_number(text, dp);
    ledger_table_answer_add(text, "/");
    ledger_table_answer_add_number(text, dpo);
    ledger_table_answer_add(text, "/");
    ledger_table_answer_add_number(text, cp);
    ledger_table_answer_add(text, "/");
    ledger_table_answer_add_number(text, cpo);
}

void ledger_table_compare_records(struct runner *runner, const char *what, const void *expected,
                                  const void *found, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const u8 wanted_byte = ((const u8 *)expected)[i];
        const u8 got_byte = ((const u8 *)found)[i];
        if (wanted_byte == got_byte) continue;
        struct answer wanted = {0};
        struct answer got = {0};
        ledger_table_answer_add_number(&wanted, wanted_byte);
        ledger_table_answer_add_number(&got, got_byte);
        ledger_table_answer_add(&got, " at byte ");
        ledger_table_answer_add_number(&got, i);
        ledger_table_complain(runner, runner->line, what, wanted.bytes, got.bytes);
        return;
    }
}

// --- Words --------------------------------------------------------------------------------------

void ledger_table_row_cut(struct row *row, const char *line, size_t size)
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

const char *ledger_table_row_peek(const struct row *row)
{
    return row->next < row->count ? row->words[row->next] : NULL;
}

const char *ledger_table_row_take(struct row *row)
{
    const char *word = ledger_table_row_peek(row);
    if (word != NULL) row->next++;
    return word;
}

bool ledger_table_row_take_if(struct row *row, const char *word)
{
    const char *next = ledger_table_row_peek(row);
    if (next == NULL || strcmp(next, word) != 0) return false;
    row->next++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool ledger_table_word_is_name(const char *word, char letter)
{
    return word != NULL && word[0] == letter && (is_digit(word[1]) || strcmp(word + 1, "max") == 0);
}

bool ledger_table_parse_digits(const char **at, u128 *value)
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

const struct known *ledger_table_known_find(const struct runner *runner, char kind, u128 id)
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
        if (!ledger_table_parse_digits(&at, &id)) return false;
        const struct known *known = ledger_table_known_find(runner, kind, id);
        if (known == NULL) return false;
        *value = known->timestamp;
    } else {
        if (word[0] >= 'A' && word[0] <= 'Z' && ledger_table_word_is_name(word, word[0]))
            at++; // T1 as a value.
        if (strcmp(at, "max") == 0) {
            *value = max;
            return true;
        }
        if (!ledger_table_parse_digits(&at, value)) return false;
        if (*at == '^') {
            u128 exponent;
            at++;
            if (!ledger_table_parse_digits(&at, &exponent) || exponent > 127) return false;
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
        if (!ledger_table_parse_digits(&at, &offset)) return false;
        *value = minus ? *value - offset : *value + offset;
    }
    return *at == 0 && *value <= max;
}

u128 ledger_table_row_take_value(struct runner *runner, struct row *row, size_t size)
{
    const char *word = ledger_table_row_take(row);
    u128 value = 0;
    if (!parse_value(runner, word, size, &value)) {
        ledger_table_complain_word(runner, "not a number", word);
        return 0;
    }
    return value;
}

bool ledger_table_row_take_flag(struct row *row, const struct flag_word *words, u32 *flags)
{
    for (; words->word != NULL; words++) {
        if (ledger_table_row_take_if(row, words->word)) {
            *flags |= words->bit;
            return true;
        }
    }
    return false;
}

bool ledger_table_row_take_field(struct runner *runner, struct row *row,
                                 const struct field_word *words, void *record)
{
    for (; words->word != NULL; words++) {
        if (ledger_table_row_take_if(row, words->word)) {
            const u128 value = ledger_table_row_take_value(runner, row, words->size);
            memcpy((u8 *)record + words->offset, &value, words->size);
            return true;
        }
    }
    return false;
}

bool ledger_table_row_take_ledger_or_code(struct runner *runner, struct row *row, u32 *ledger,
                                          u16 *code)
{
    if (ledger_table_word_is_name(ledger_table_row_peek(row), 'L')) {
        *ledger = (u32)ledger_table_row_take_value(runner, row, sizeof *ledger);
        return true;
    }
    if (ledger_table_word_is_name(ledger_table_row_peek(row), 'C')) {
        *code = (u16)ledger_table_row_take_value(runner, row, sizeof *code);
        return true;
    }
    return false;
}

bool ledger_table_row_is_done(struct row *row)
{
    return ledger_table_row_peek(row) == NULL || ledger_table_row_take_if(row, "->");
}

struct account ledger_table_row_take_account(struct runner *runner, struct row *row)
{
    struct account account = {0};
    u32 flags = 0;
    while (!ledger_table_row_is_done(row)) {
        if (ledger_table_word_is_name(ledger_table_row_peek(row), 'A')) {
            account.id = ledger_table_row_take_value(runner, row, sizeof account.id);
        } else if (ledger_table_row_take_if(row, "flags")) {
            flags |= (u16)ledger_table_row_take_value(runner, row, sizeof account.flags);
        } else if (!ledger_table_row_take_ledger_or_code(runner, row, &account.ledger,
                                                         &account.code) &&
                   !ledger_table_row_take_flag(row, account_flag_words, &flags) &&
                   !ledger_table_row_take_field(runner, row, account_field_words, &account)) {
            ledger_table_complain_word(runner, "not a word of an account",
                                       ledger_table_row_take(row));
        }
    }
    account.flags = (u16)flags;
    return account;
}

struct transfer ledger_table_row_take_transfer(struct runner *runner, struct row *row)
{
    struct transfer transfer = {0};
    u32 flags = 0;
    u32 accounts = 0;
    bool named = false;
    while (!ledger_table_row_is_done(row)) {
        if (ledger_table_word_is_name(ledger_table_row_peek(row), 'A')) {
            const u128 id = ledger_table_row_take_value(runner, row, sizeof id);
            if (accounts == 0) transfer.debit_account_id = id;
            if (accounts == 1) transfer.credit_account_id = id;
            accounts++;
        } else if (ledger_table_word_is_name(ledger_table_row_peek(row), 'T')) {
            // The first is the transfer, a second stands after `post` or `void`.
            const u128 id = ledger_table_row_take_value(runner, row, sizeof id);
            if (!named) transfer.id = id;
            if (named) transfer.pending_id = id;
            named = true;
        } else if (ledger_table_row_take_if(row, "flags")) {
            flags |= (u16)ledger_table_row_take_value(runner, row, sizeof transfer.flags);
        } else if (!ledger_table_row_take_ledger_or_code(runner, row, &transfer.ledger,
                                                         &transfer.code) &&
                   !ledger_table_row_take_flag(row, transfer_flag_words, &flags) &&
                   !ledger_table_row_take_field(runner, row, transfer_field_words, &transfer)) {
            ledger_table_complain_word(runner, "not a word of a transfer",
                                       ledger_table_row_take(row));
        }
    }
    transfer.flags = (u16)flags;
    return transfer;
}
