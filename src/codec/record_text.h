// SPDX-License-Identifier: Apache-2.0
//
// Records as text for people and spreadsheets, over descriptors: command-line arguments, aligned
// tables, cards and CSV.
//
// The text of a value is that of codec/field.h everywhere. Reserved fields are not shown and cannot
// be given. Arrays and blobs are shown as their count and can only be given in JSON. Nothing is
// allocated; writing goes on in a struct text, which tells in the end whether it all fitted.
#ifndef TAEL_CODEC_RECORD_TEXT_H
#define TAEL_CODEC_RECORD_TEXT_H

#include "codec/field.h"
#include "codec/text.h"
#include "schema/schema.h"

// --- Command line ---

// Reads `--field value`, `--field=value` and `field=value`; `-` in a name equals `_`. The caller
// takes its own options out of the vector first. `head` is the record's head and becomes zero where
// nothing is given. STATUS_INVALID, naming argument, value and rule: an unknown field (the nearest
// name as hint), one given twice, one without value, a required one missing, a value that breaks a
// rule.
MUST_USE enum status record_parse_arguments(const struct schema_record *record, int argc,
                                            const char *const *argv, void *head,
                                            struct failure *failure);
// The help text: one entry a field with its value's kind, whether it is required, its bound, what
// it means and the names it takes; the fields that the server fills in stand last. Lines of at most
// 100 columns.
void record_print_help(const struct schema_record *record, struct text *out);

// --- Tables ---

enum record_table_options {
    RECORD_TABLE_DROP_ZERO = 1 << 0, // No column that is zero in all rows (keys stay).
    RECORD_TABLE_EXACT = 1 << 1,     // Moments and dates as numbers.
    RECORD_TABLE_NO_HEADER = 1 << 2,
};
// `count` heads, `stride` bytes apart, as an aligned table: a header row, numbers to the right, the
// rest to the left, two spaces between columns, widths as a terminal counts them.
void record_write_table(const struct schema_record *record, u32 options, const void *rows,
                        size_t stride, size_t count, struct text *out);
// One record as lines of name and value, the names in one column. Options as above.
void record_write_card(const struct schema_record *record, u32 options, const void *head,
                       struct text *out);

// --- CSV (RFC 4180: CRLF, quotes doubled inside quotes) ---
// Arrays and blobs are left out; values are exact, so that what is written can be read back.

// One line of field names; one line of a record's values.
void record_write_csv_header(const struct schema_record *record, struct text *out);
void record_write_csv_row(const struct schema_record *record, const void *head, struct text *out);

#define CSV_CELL_SIZE_MAX 2048u

// A pull reader over a buffer. It accepts LF for CRLF, and a last line without its end; a quote
// inside an unquoted cell, text after a closing quote, a quote that does not end, a lone CR and a
// cell of more than CSV_CELL_SIZE_MAX bytes are refused.
struct csv_reader {
    const char *data;
    size_t size;
    size_t offset;
    u32 line;         // Of the next cell, from 1.
    size_t line_at;   // Offset at which that line begins.
    bool is_cell_due; // After a comma a cell follows, if only an empty one.
};
struct csv_cell {
    char text[CSV_CELL_SIZE_MAX]; // Without its quotes; not terminated.
    size_t size;
    u32 line;   // Where it begins, from 1.
    u32 column; // In code points, from 1.
    bool ends_row;
};
struct csv_reader csv_reader_init(const char *data, size_t size);
// True when no row is left.
bool csv_is_over(const struct csv_reader *reader);
// The next cell; not to be called when csv_is_over. STATUS_INVALID with line and column.
MUST_USE enum status csv_next(struct csv_reader *reader, struct csv_cell *cell,
                              struct failure *failure);

// Records from CSV: the first row names the fields, in any order, each at most once.
struct record_csv {
    const struct schema_record *record;
    struct csv_reader reader;
    u32 column_count;
    const struct schema_field *columns[SCHEMA_FIELDS_MAX];
};
// Reads the header. An unknown or repeated name, and a missing required field, are refused.
MUST_USE enum status record_csv_begin(struct record_csv *csv, const struct schema_record *record,
                                      const char *data, size_t size, struct failure *failure);
// The next row into `head`; `*is_over` instead when there is none. A row of another length, and an
// empty cell of a required field, are refused. Line and column of the cell are named.
MUST_USE enum status record_csv_next(struct record_csv *csv, void *head, bool *is_over,
                                     struct failure *failure);

#endif
