// SPDX-License-Identifier: Apache-2.0
//
// From the lines of a file to the records that they mean.
#include "cli/import_file.h"

#include "base/checksum.h"
#include "cli/cli.h"
#include "codec/number.h"
#include "codec/record_json.h"
#include "codec/record_text.h"
#include "modules/book/book.h"
#include "modules/entry/entry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LEGS_MAX 255u

// The last balance of an account that a line had.
struct known_balance {
    u128 account_id;
    u32 book;
    u32 line; // 0: the place is free.
    i32 day;
    i128 balance;
};

struct import_file {
    struct import_file_options options;
    const struct schema_record *record; // That a line is.
    char *text;
    size_t size;
    size_t begin; // Behind a byte-order mark.
    bool is_json;
    struct json_lines lines;
    struct record_csv csv;
    // The leg that was read behind the last one of its entry.
    struct import_leg leg;
    u32 leg_line; // 0: none is there.
    bool leg_is_bad;
    u128 leg_entry; // Of a bad one, as far as it says; 0: it does not.
    struct failure leg_failure;
    // Places of the balances seen, as many as a power of two.
    struct known_balance *known;
    u64 known_count;
    u64 known_places;
};

// --- the text ------------------------------------------------------------------------------------

static void begin_find(struct import_file *file)
{
    static const char mark[] = "\xef\xbb\xbf"; // What some programs begin UTF-8 with.
    if (file->size >= 3 && memcmp(file->text, mark, 3) == 0) file->begin = 3;
    size_t first = file->begin;
    while (first < file->size && memchr(" \t\r\n", file->text[first], 4) != NULL) first++;
    file->is_json = first < file->size && file->text[first] == '{';
}

// Goes behind the lines that have nothing on them. They are no rows: a row has two cells at least.
static void csv_blank_skip(struct csv_reader *reader)
{
    while (reader->offset < reader->size) {
        size_t end = reader->offset;
        if (reader->data[end] == '\r') end++;
        if (end == reader->size || reader->data[end] != '\n') return;
        reader->offset = end + 1;
        reader->line++;
        reader->line_at = reader->offset;
    }
}

static const struct schema_record *line_record(enum import_file_kind kind, bool is_json)
{
    switch (kind) {
    case IMPORT_FILE_ACCOUNTS: return &book_schema_book_account_open;
    case IMPORT_FILE_ENTRIES: return is_json ? &entry_schema_entry_post : &cli_schema_import_leg;
    case IMPORT_FILE_TRANSFERS: return &cli_schema_import_transfer;
    case IMPORT_FILE_BALANCES: return &cli_schema_import_balance;
    }
    return NULL;
}

enum status import_file_open(struct import_file **out, const struct import_file_options *options,
                             struct failure *failure)
{
    struct import_file *file = calloc(1, sizeof *file);
    assert(file != NULL);
    file->options = *options;
    enum status status = cli_input_read(options->path, &file->text, &file->size, failure);
    if (status == STATUS_OK) {
        begin_find(file);
        file->record = line_record(options->kind, file->is_json);
        const char *text = file->text + file->begin;
        const size_t size = file->size - file->begin;
        file->lines = json_lines_init(text, size, 1);
        if (!file->is_json) {
            status = record_csv_begin(&file->csv, file->record, text, size, failure);
            if (status != STATUS_OK) status = failure_wrap(failure, "%s", options->path);
            else csv_blank_skip(&file->csv.reader);
        }
    }
    if (status != STATUS_OK) {
        import_file_close(file);
        return status;
    }
    *out = file;
    return STATUS_OK;
}

void import_file_close(struct import_file *file)
{
    free(file->text);
    free(file->known);
    free(file);
}

void import_file_progress(const struct import_file *file, u64 *done, u64 *total)
{
    *done = file->begin + (file->is_json ? file->lines.offset : file->csv.reader.offset);
    *total = file->size;
}

// --- lines ---------------------------------------------------------------------------------------

// Goes behind the row that begins where the reader is. One with a cell that cannot be read ends
// where the line of that cell does: a quote that is not closed takes no row behind it along.
static void csv_row_skip(struct csv_reader *reader)
{
    struct csv_cell cell = {0};
    struct failure failure;
    while (!csv_is_over(reader)) {
        const struct csv_reader begin = *reader;
        if (csv_next(reader, &cell, &failure) != STATUS_OK) {
            *reader = begin;
            const char *from = reader->data + reader->offset;
            const char *end = memchr(from, '\n', reader->size - reader->offset);
            reader->offset = end == NULL ? reader->size : (size_t)(end + 1 - reader->data);
            reader->line++;
            reader->line_at = reader->offset;
            reader->is_cell_due = false;
            return;
        }
        if (cell.ends_row) return;
    }
}

// The entry that a bad line says it is of, or 0. `reader` is where the line begins.
static u128 entry_guess(const struct import_file *file, struct csv_reader reader)
{
    struct failure failure;
    struct csv_cell cell = {0};
    u128 number = 0;
    for (u32 i = 0; i < file->csv.column_count && !csv_is_over(&reader); i++) {
        if (csv_next(&reader, &cell, &failure) != STATUS_OK) return 0;
        if (strcmp(file->csv.columns[i]->name, "entry_id") == 0) {
            return number_parse_u128(cell.text, cell.size, &number) == NUMBER_OK ? number : 0;
        }
        if (cell.ends_row) return 0;
    }
    return 0;
}

// Reads the record of the next line. False behind the last; a line that is none has a status.
static bool line_next(struct import_file *file, void *out, size_t capacity, u32 *line, size_t *used,
                      enum status *status, struct failure *failure)
{
    if (file->is_json) {
        const char *text = NULL;
        size_t size = 0;
        if (!json_lines_next(&file->lines, true, &text, &size, line)) return false;
        *status = record_json_parse(file->record, text, size, *line, out, capacity, used, failure);
        return true;
    }
    const struct csv_reader before = file->csv.reader;
    bool is_over = false;
    *line = before.line;
    *used = file->record->size;
    *status = record_csv_next(&file->csv, out, &is_over, failure);
    if (*status != STATUS_OK) {
        file->csv.reader = before;
        csv_row_skip(&file->csv.reader);
    }
    csv_blank_skip(&file->csv.reader);
    return !is_over;
}

static void refuse(struct import_file_row *row, const char *format, ...) PRINTF_LIKE(2, 3);
static void refuse(struct import_file_row *row, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    row->is_bad = true;
    (void)failure_set(&row->failure, STATUS_INVALID, "line %u: %s", row->line, text);
}

// --- entries -------------------------------------------------------------------------------------

static struct entry_post *entry_begin(struct import_file_row *row, u128 entry_id, i32 day)
{
    struct entry_post *post = (void *)row->record;
    *post = (struct entry_post){.entry_id = entry_id, .day = day};
    row->size = sizeof *post;
    return post;
}

static void leg_add(struct import_file_row *row, u32 book, u8 side, u128 account_id, u128 amount)
{
    struct entry_post *post = (void *)row->record;
    struct entry_leg *leg = (void *)(row->record + row->size);
    *leg =
        (struct entry_leg){.book = book, .side = side, .account_id = account_id, .amount = amount};
    row->size += (u32)sizeof *leg;
    post->legs_count++;
}

// The book of a row that may leave it out; 0 when nobody says it, and the row is refused.
static u32 book_of(const struct import_file *file, u32 book, struct import_file_row *row)
{
    if (book != 0) return book;
    if (file->options.book == 0) refuse(row, "book: the row has none, and --book is not given");
    return file->options.book;
}

// Reads the next leg, unless it is there.
static bool leg_see(struct import_file *file)
{
    if (file->leg_line != 0) return true;
    size_t used = 0;
    enum status status = STATUS_OK;
    const struct csv_reader before = file->csv.reader;
    if (!line_next(file, &file->leg, sizeof file->leg, &file->leg_line, &used, &status,
                   &file->leg_failure)) {
        file->leg_line = 0;
        return false;
    }
    if (status == STATUS_OK && file->leg.entry_id == 0) {
        status = failure_set(&file->leg_failure, STATUS_INVALID,
                             "line %u: entry_id: an entry's id must not be 0", file->leg_line);
    }
    file->leg_is_bad = status != STATUS_OK;
    file->leg_entry = file->leg_is_bad ? entry_guess(file, before) : file->leg.entry_id;
    return true;
}

static void leg_take(struct import_file *file, struct import_file_row *row)
{
    const struct import_leg *leg = &file->leg;
    const struct entry_post *post = (const void *)row->record;
    const u32 line = file->leg_line;
    file->leg_line = 0;
    if (row->is_bad) return;
    if (leg->day != post->day || leg->order_id != post->order_id ||
        leg->scenario != post->scenario || leg->purpose != post->purpose ||
        leg->code != post->code) {
        refuse(row, "line %u has another day, order, scenario, purpose or code for the same entry",
               line);
        return;
    }
    const u32 book = book_of(file, leg->book, row);
    if (row->is_bad) return;
    if (post->legs_count == LEGS_MAX) {
        refuse(row, "the entry has more than %u legs", LEGS_MAX);
    } else if ((leg->debit == 0) == (leg->credit == 0)) {
        refuse(row, "line %u: one of debit and credit is needed", line);
    } else {
        leg_add(row, book, leg->debit != 0 ? SIDE_DEBIT : SIDE_CREDIT, leg->account_id,
                leg->debit != 0 ? leg->debit : leg->credit);
    }
}

// The lines of one entry. A line that does not even say of which entry it is may be of the one
// before it or of the one behind it: both are left out, since neither would be known to be whole.
static bool legs_next(struct import_file *file, struct import_file_row *row)
{
    if (!leg_see(file)) return false;
    u128 entry_id = file->leg_entry;
    bool is_begun = false;
    row->line = file->leg_line;
    while (leg_see(file)) {
        if (entry_id == 0) entry_id = file->leg_entry;
        if (file->leg_entry != entry_id && file->leg_entry != 0) break;
        if (file->leg_is_bad) {
            if (!row->is_bad) row->failure = file->leg_failure;
            row->is_bad = true;
            if (file->leg_entry == 0) entry_id = 0; // That of the next one.
            file->leg_line = 0;
            continue;
        }
        if (!is_begun) {
            const struct import_leg *leg = &file->leg;
            struct entry_post *post = entry_begin(row, entry_id, leg->day);
            is_begun = true;
            post->order_id = leg->order_id;
            post->scenario = leg->scenario;
            post->purpose = leg->purpose;
            post->code = leg->code;
        }
        leg_take(file, row);
    }
    return true;
}

static void transfer_make(const struct import_file *file, const struct import_transfer *transfer,
                          struct import_file_row *row)
{
    const u32 book = book_of(file, transfer->book, row);
    if (row->is_bad) return;
    struct entry_post *post = entry_begin(row, transfer->id, transfer->day);
    post->order_id = transfer->order_id;
    post->scenario = transfer->scenario;
    post->purpose = transfer->purpose;
    post->code = transfer->code;
    leg_add(row, book, SIDE_DEBIT, transfer->debit_account_id, transfer->amount);
    leg_add(row, book, SIDE_CREDIT, transfer->credit_account_id, transfer->amount);
}

// --- balances ------------------------------------------------------------------------------------

static u64 known_hash(u32 book, u128 account_id)
{
    const struct {
        u128 account_id;
        u128 book;
    } key = {account_id, book};
    return (u64)checksum(&key, sizeof key);
}

static struct known_balance *known_place(struct known_balance *places, u64 count, u32 book,
                                         u128 account_id)
{
    u64 at = known_hash(book, account_id) & (count - 1);
    while (places[at].line != 0 &&
           (places[at].book != book || places[at].account_id != account_id)) {
        at = (at + 1) & (count - 1);
    }
    return &places[at];
}

// The balance of an account that is known so far; of one that is not, a place of its own.
static struct known_balance *known_see(struct import_file *file, u32 book, u128 account_id)
{
    if (2 * (file->known_count + 1) > file->known_places) {
        const u64 places = MAX(2 * file->known_places, (u64)1024);
        struct known_balance *larger = calloc(places, sizeof *larger);
        assert(larger != NULL);
        for (u64 i = 0; i < file->known_places; i++) {
            const struct known_balance *one = &file->known[i];
            if (one->line == 0) continue;
            *known_place(larger, places, one->book, one->account_id) = *one;
        }
        free(file->known);
        file->known = larger;
        file->known_places = places;
    }
    struct known_balance *one = known_place(file->known, file->known_places, book, account_id);
    if (one->line == 0) {
        *one = (struct known_balance){.account_id = account_id, .book = book};
        file->known_count++;
    }
    return one;
}

// The id of the entry by which an account gets its balance of a day: the same for the same, so that
// a file that is imported twice is refused the second time.
static u128 balance_id(u32 book, u128 account_id, i32 day)
{
    struct {
        char what[16];
        u128 account_id;
        u64 book;
        i64 day;
    } key = {.what = "opening balance", .account_id = account_id, .book = book, .day = day};
    return checksum(&key, sizeof key) | 1;
}

// Makes the entry from the balance before to this one. False when there is nothing to post.
static bool balance_make(struct import_file *file, const struct import_balance *balance,
                         struct import_file_row *row)
{
    const u32 book = book_of(file, balance->book, row);
    if (row->is_bad) return true;
    if (balance->debit != 0 && balance->credit != 0) {
        refuse(row, "a balance is a debit or a credit, not both");
    } else if (MAX(balance->debit, balance->credit) >= (u128)1 << 126) {
        refuse(row, "a balance is below 2^126");
    } else if (balance->account_id == file->options.against) {
        refuse(row, "account_id: the account of --against stands against itself");
    }
    if (row->is_bad) return true;
    struct known_balance *known = known_see(file, book, balance->account_id);
    if (known->line != 0 && balance->day <= known->day) {
        refuse(row, "day: line %u has a balance of the same day or a later one for the account",
               known->line);
        return true;
    }
    const i128 now = balance->debit != 0 ? (i128)balance->debit : -(i128)balance->credit;
    const i128 change = now - known->balance;
    known->line = row->line;
    known->day = balance->day;
    known->balance = now;
    if (change == 0) return false;
    const u128 amount = change > 0 ? (u128)change : -(u128)change;
    (void)entry_begin(row, balance_id(book, balance->account_id, balance->day), balance->day);
    leg_add(row, book, change > 0 ? SIDE_DEBIT : SIDE_CREDIT, balance->account_id, amount);
    leg_add(row, book, change > 0 ? SIDE_CREDIT : SIDE_DEBIT, file->options.against, amount);
    return true;
}

// --- rows ----------------------------------------------------------------------------------------

bool import_file_next(struct import_file *file, struct import_file_row *row)
{
    row->is_bad = false;
    row->size = 0;
    if (file->options.kind == IMPORT_FILE_ENTRIES && !file->is_json) return legs_next(file, row);
    for (;;) {
        _Alignas(16) u8 line[sizeof(struct import_transfer)];
        const bool is_made = file->options.kind >= IMPORT_FILE_TRANSFERS;
        void *out = is_made ? line : row->record;
        const size_t capacity = is_made ? sizeof line : sizeof row->record;
        size_t used = 0;
        enum status status = STATUS_OK;
        if (!line_next(file, out, capacity, &row->line, &used, &status, &row->failure)) {
            return false;
        }
        row->is_bad = status != STATUS_OK;
        if (row->is_bad) return true;
        row->size = (u32)used;
        if (file->options.kind == IMPORT_FILE_TRANSFERS) transfer_make(file, out, row);
        if (file->options.kind != IMPORT_FILE_BALANCES || balance_make(file, out, row)) return true;
    }
}
