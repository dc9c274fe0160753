// SPDX-License-Identifier: Apache-2.0
//
// What the files that run tables share. Private.
//
//   ledger_table.c        batches and rows
//   ledger_table_ask.c    rows that ask
//   ledger_table_words.c  words of rows, messages
#ifndef TAEL_LEDGER_LEDGER_TABLE_INTERNAL_H
#define TAEL_LEDGER_LEDGER_TABLE_INTERNAL_H

#include "ledger/ledger_table.h"

#define WORDS_MAX 64
#define LINE_MAX  512
#define BATCH_MAX 64
#define KNOWN_MAX 512

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

// --- messages (ledger_table_words.c) ---

// Counts a failure and says what was expected, and what was found.
void ledger_table_complain(struct runner *runner, u32 line, const char *what, const char *expected,
                           const char *found);
// Counts a failure and says what is wrong with a word of the row; NULL: that it ended.
void ledger_table_complain_word(struct runner *runner, const char *what, const char *word);
// Says which byte of a record differs; the struct tells which field that is.
void ledger_table_compare_records(struct runner *runner, const char *what, const void *expected,
                                  const void *found, size_t size);

// What an executor answered, as a row has it. What does not fit is left out.
struct answer {
    char bytes[2048];
    size_t size;
};
void ledger_table_answer_add(struct answer *text, const char *bytes);
void ledger_table_answer_add_number(struct answer *text, u128 number);
// "dp/dpo/cp/cpo".
void ledger_table_answer_add_balances(struct answer *text, u128 dp, u128 dpo, u128 cp, u128 cpo);

// --- words (ledger_table_words.c) ---

// Cuts a line into words; a comment is none.
void ledger_table_row_cut(struct row *row, const char *line, size_t size);
// The next word, or NULL at the end; the second takes it, the third takes it if it is this.
const char *ledger_table_row_peek(const struct row *row);
const char *ledger_table_row_take(struct row *row);
bool ledger_table_row_take_if(struct row *row, const char *word);
// True at the end of the row or at `->`, which is taken.
bool ledger_table_row_is_done(struct row *row);
// Whether the word is a letter and a number: A1, Tmax.
bool ledger_table_word_is_name(const char *word, char letter);
// Reads digits; moves `*at` past them. False if there are none.
bool ledger_table_parse_digits(const char **at, u128 *value);
// The next word as a number of `size` bytes, that of a name included; complains and gives 0 if it
// is none.
u128 ledger_table_row_take_value(struct runner *runner, struct row *row, size_t size);
// Take a word that sets a flag, a field and its value, a ledger or a code. False when the next is
// none.
bool ledger_table_row_take_flag(struct row *row, const struct flag_word *words, u32 *flags);
bool ledger_table_row_take_field(struct runner *runner, struct row *row,
                                 const struct field_word *words, void *record);
bool ledger_table_row_take_ledger_or_code(struct runner *runner, struct row *row, u32 *ledger,
                                          u16 *code);
// Take the words of a record, to the end of the row or past `->`.
struct account ledger_table_row_take_account(struct runner *runner, struct row *row);
struct transfer ledger_table_row_take_transfer(struct runner *runner, struct row *row);
// What was created last with this kind and id, or NULL.
const struct known *ledger_table_known_find(const struct runner *runner, char kind, u128 id);

// --- rows that ask (ledger_table_ask.c) ---

// Each compares the answer with the rest of its row.
void ledger_table_run_account_transfers(struct runner *runner, struct row *row);
void ledger_table_run_account_balances(struct runner *runner, struct row *row);
void ledger_table_run_query(struct runner *runner, struct row *row);
void ledger_table_run_changes(struct runner *runner, struct row *row);
void ledger_table_run_change(struct runner *runner, struct row *row);

#endif
