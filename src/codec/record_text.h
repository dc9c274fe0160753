// SPDX-License-Identifier: Apache-2.0
//
// Records as text for people and spreadsheets, over descriptors: command-line arguments, aligned
// tables, cards and CSV.
//
// The text of a value is that of codec/field.h everywhere. Reserved fields are not shown and cannot
// be given. Arrays and blobs are shown as their count and can only be given in JSON, or as words of
// a command line. Nothing is allocated; writing goes on in a struct text, which tells in the end
// whether it all fitted.
#ifndef TAEL_CODEC_RECORD_TEXT_H
#define TAEL_CODEC_RECORD_TEXT_H

#include "codec/field.h"
#include "codec/text.h"
#include "schema/schema.h"

// --- Command line ---

// A name that was typed where a number is due: `@` and a path. Nothing here knows what it names:
// the number is left 0, and whoever can find out sets it.
struct record_reference {
    const struct schema_record *record; // That has the field: a part's, or that of an item.
    const struct schema_field *field;   // What it refers to (schema_field.refers_to).
    void *head;                         // Where the number goes.
    const char *name;                   // In the argument, without the `@`; not terminated.
    u32 name_size;
};
#define RECORD_REFERENCES_MAX 512u
struct record_references {
    u32 count;
    struct record_reference items[RECORD_REFERENCES_MAX];
};

// One record that a command line fills in; a command line has several.
struct record_arguments {
    const struct schema_record *record;
    void *head; // Room for the largest record of this kind (record_binary_size_max).
    struct record_references *references; // Where names are put; NULL: they are refused.
    u64 given[SCHEMA_FIELDS_MAX / 64];    // Out, a bit a field: see record_is_given.
};
// Reads `--field value`, `--field=value`, `field=value`, `--switch` of a bool, and words, which go
// to the FIELD_WORD fields in their order; one that is an array takes all that are left, each a
// value of its item's fields with colons between them. `-` in a name equals `_`. Names are unique
// among the parts. Where a field refers to something, `@NAME` may stand for its number; of an
// account that is its book's too (which must not be given then), and in an item `@NAME` stands for
// both and the other fields follow: @issuer:cash:debit:100.
// Each head becomes what is given, `initial` where nothing is, and zero. STATUS_INVALID, naming
// flag, value and rule: a flag that `command` has not (the nearest as hint), a field given twice,
// one without value, a word too many, a value that breaks a rule.
MUST_USE enum status record_parse_arguments(struct record_arguments *parts, u32 part_count,
                                            const char *command, int argc, const char *const *argv,
                                            struct failure *failure);
// STATUS_INVALID, naming them, when required fields were not given and have no `initial`.
MUST_USE enum status record_check_arguments(const struct record_arguments *part,
                                            struct failure *failure);
// Whether the field at `offset` of the head, or any field, was given.
bool record_is_given(const struct record_arguments *part, size_t offset);
bool record_is_any_given(const struct record_arguments *part);
// What must be given, as a line that shows how to call has it: "DIR", "--id N".
void record_print_usage(const struct schema_record *record, struct text *out);
// The help text: one entry a field with its value's kind, whether it is required, its bounds, what
// it means, what stands there when it is not given, and the names it takes. Fields that the server
// fills in are no flags. Lines of at most 80 columns.
void record_print_help(const struct schema_record *record, struct text *out);
// Whether a command line may have the field as a flag, and not as a word or not at all.
bool record_is_flag(const struct schema_field *field);
// The field as it is typed: `--debit-account-id`, of a word what stands for its value: `DIR`.
struct schema_name record_flag_name(const struct schema_field *field);
// The kind of its value, in capitals, as help has it: "AMOUNT"; of a bool "".
const char *record_value_name(const struct schema_record *record, const struct schema_field *field);

// --- Tables ---

enum record_table_options {
    RECORD_TABLE_DROP_ZERO = 1 << 0, // No column that is zero or none in all rows (keys stay).
    RECORD_TABLE_EXACT = 1 << 1,     // Moments and dates as numbers, digests whole.
};
// An aligned table: a header row, numbers to the right, the rest to the left, two spaces between
// columns, widths as a terminal counts them. Every row is measured before the first is written;
// nothing is kept of one but widths. FIELD_DETAIL fields are no columns.
struct record_table {
    const struct schema_record *record;
    u32 options;
    u32 indent; // Blanks before each line.
    struct record_column {
        size_t width;
        bool is_shown;
    } columns[SCHEMA_FIELDS_MAX];
};
struct record_table record_table_init(const struct schema_record *record, u32 options, u32 indent);
void record_table_measure(struct record_table *table, const void *head);
// Columns of a terminal that its lines take.
size_t record_table_width(const struct record_table *table);
void record_table_write_header(const struct record_table *table, struct text *out);
void record_table_write_row(const struct record_table *table, const void *head, struct text *out);
// The whole table of `count` heads, `stride` bytes apart.
void record_write_table(const struct schema_record *record, u32 options, const void *rows,
                        size_t stride, size_t count, struct text *out);
// One record as lines of name and value, both aligned as in a table; a group has one line.
void record_write_card(const struct schema_record *record, u32 options, const void *head,
                       struct text *out);
// One record as "name value, name value", without an end of line.
void record_write_line(const struct schema_record *record, u32 options, const void *head,
                       struct text *out);

// --- CSV (RFC 4180: CRLF, quotes doubled inside quotes) ---
// Arrays and blobs are left out; values are exact, so that what is written can be read back.

// One line of field names; one line of a record's values.
void record_write_csv_header(const struct schema_record *record, struct text *out);
void record_write_csv_row(const struct schema_record *record, const void *head, struct text *out);

#define CSV_CELL_SIZE_MAX ((u32)SCHEMA_TEXT_MAX)

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
// Reads the header. An unknown or repeated name, and a missing required field that no flag waives,
// are refused.
MUST_USE enum status record_csv_begin(struct record_csv *csv, const struct schema_record *record,
                                      const char *data, size_t size, struct failure *failure);
// The next row into `head`; `*is_over` instead when there is none. A row of another length, and an
// empty cell of a required field, are refused; of one that a flag waives also a missing column, as
// the row's flags say. Line and column of the cell are named.
MUST_USE enum status record_csv_next(struct record_csv *csv, void *head, bool *is_over,
                                     struct failure *failure);

#endif
