// SPDX-License-Identifier: Apache-2.0
//
// Records as CSV, both ways (RFC 4180).
#include "codec/record_text.h"

static bool is_column(const struct schema_field *field)
{
    return !schema_field_is_reserved(field) && field->type != SCHEMA_ARRAY &&
           field->type != SCHEMA_BLOB;
}

static void write_cell(const char *data, size_t size, struct text *out)
{
    bool is_plain = true;
    for (size_t i = 0; i < size; i++) is_plain &= !memchr(",\"\r\n", data[i], 4);
    if (is_plain) {
        text_append(out, data, size);
        return;
    }
    text_append_char(out, '"');
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '"') text_append_char(out, '"');
        text_append_char(out, data[i]);
    }
    text_append_char(out, '"');
}

void record_write_csv_header(const struct schema_record *record, struct text *out)
{
    bool is_first = true;
    for (u32 i = 0; i < record->field_count; i++) {
        if (!is_column(&record->fields[i])) continue;
        if (!is_first) text_append_char(out, ',');
        is_first = false;
        text_append_string(out, record->fields[i].name);
    }
    text_append_string(out, "\r\n");
}

void record_write_csv_row(const struct schema_record *record, const void *head, struct text *out)
{
    bool is_first = true;
    for (u32 i = 0; i < record->field_count; i++) {
        if (!is_column(&record->fields[i])) continue;
        if (!is_first) text_append_char(out, ',');
        is_first = false;
        char cell[CSV_CELL_SIZE_MAX];
        struct text text = text_init(cell, sizeof cell);
        field_print(record, &record->fields[i], head, FIELD_STYLE_EXACT, &text);
        write_cell(cell, MIN(text.size, text.capacity), out);
    }
    text_append_string(out, "\r\n");
}

struct csv_reader csv_reader_init(const char *data, size_t size)
{
    return (struct csv_reader){.data = data, .size = size, .line = 1};
}

bool csv_is_over(const struct csv_reader *reader)
{
    return reader->offset == reader->size && !reader->is_cell_due;
}

static u32 column_of(const struct csv_reader *reader, size_t offset)
{
    return 1 + (u32)utf8_count(reader->data + reader->line_at, offset - reader->line_at);
}

static enum status refuse(const struct csv_reader *reader, const char *sentence,
                          struct failure *failure)
{
    return failure_set(failure, STATUS_INVALID, "line %u, column %u: %s", reader->line,
                       column_of(reader, reader->offset), sentence);
}

static const char too_long[] = "the cell is longer than 4096 bytes";
static_assert(CSV_CELL_SIZE_MAX == 4096, "as it says");

static bool at(const struct csv_reader *reader, char c)
{
    return reader->offset < reader->size && reader->data[reader->offset] == c;
}

static bool add(struct csv_cell *cell, char c)
{
    if (cell->size == sizeof cell->text) return false;
    cell->text[cell->size++] = c;
    return true;
}

// The inside of quotes, the closing one included. Line ends belong to the cell.
static enum status read_quoted(struct csv_reader *reader, struct csv_cell *cell,
                               struct failure *failure)
{
    struct csv_reader opening = *reader;
    reader->offset++;
    while (reader->offset < reader->size) {
        char c = reader->data[reader->offset];
        if (c == '"') {
            reader->offset++;
            if (!at(reader, '"')) return STATUS_OK;
        }
        if (!add(cell, c)) return refuse(&opening, too_long, failure);
        reader->offset++;
        if (c == '\n') {
            reader->line++;
            reader->line_at = reader->offset;
        }
    }
    return refuse(&opening, "the quote that begins here does not end", failure);
}

static enum status read_plain(struct csv_reader *reader, struct csv_cell *cell,
                              struct failure *failure)
{
    struct csv_reader opening = *reader;
    while (reader->offset < reader->size) {
        char c = reader->data[reader->offset];
        if (c == ',' || c == '\n' || c == '\r') return STATUS_OK;
        if (c == '"')
            return refuse(reader, "a quote stands inside a cell that is not quoted", failure);
        if (!add(cell, c)) return refuse(&opening, too_long, failure);
        reader->offset++;
    }
    return STATUS_OK;
}

enum status csv_next(struct csv_reader *reader, struct csv_cell *cell, struct failure *failure)
{
    assert(!csv_is_over(reader));
    cell->size = 0;
    cell->line = reader->line;
    cell->column = column_of(reader, reader->offset);
    cell->ends_row = true;
    reader->is_cell_due = false;
    enum status status =
        at(reader, '"') ? read_quoted(reader, cell, failure) : read_plain(reader, cell, failure);
    if (status) return status;
    if (reader->offset == reader->size) return STATUS_OK;
    if (at(reader, ',')) {
        reader->offset++;
        reader->is_cell_due = true;
        cell->ends_row = false;
        return STATUS_OK;
    }
    if (at(reader, '\r')) {
        reader->offset++;
        if (!at(reader, '\n'))
            return refuse(reader, "a carriage return stands without a line feed", failure);
    }
    if (!at(reader, '\n')) return refuse(reader, "text follows the closing quote", failure);
    reader->offset++;
    reader->line++;
    reader->line_at = reader->offset;
    return STATUS_OK;
}

static enum status check_required(const struct record_csv *csv, struct failure *failure)
{
    for (u32 i = 0; i < csv->record->field_count; i++) {
        const struct schema_field *field = &csv->record->fields[i];
        if ((field->flags & FIELD_REQUIRED) == 0 || field->waived_by) continue;
        bool found = false;
        for (u32 j = 0; j < csv->column_count; j++) found |= csv->columns[j] == field;
        if (found) continue;
        return failure_set(failure, STATUS_INVALID,
                           "line 1: %s: the column is required in %s and missing", field->name,
                           csv->record->name);
    }
    return STATUS_OK;
}

static enum status add_column(struct record_csv *csv, const struct csv_cell *cell,
                              struct failure *failure)
{
    const struct schema_field *field = schema_find_field(csv->record, cell->text, cell->size);
    if (!field || !is_column(field)) {
        failure_note(failure, STATUS_INVALID, "line %u, column %u: %s has no field %s", cell->line,
                     cell->column, csv->record->name, text_quote(cell->text, cell->size).text);
        const struct schema_field *nearest =
            schema_nearest_field(csv->record, cell->text, cell->size);
        if (nearest && !field) failure_hint(failure, "did you mean %s?", nearest->name);
        return STATUS_INVALID;
    }
    for (u32 i = 0; i < csv->column_count; i++) {
        if (csv->columns[i] != field) continue;
        return failure_set(failure, STATUS_INVALID,
                           "line %u, column %u: %s: the column is given twice", cell->line,
                           cell->column, field->name);
    }
    assert(csv->column_count < SCHEMA_FIELDS_MAX);
    csv->columns[csv->column_count++] = field;
    return STATUS_OK;
}

enum status record_csv_begin(struct record_csv *csv, const struct schema_record *record,
                             const char *data, size_t size, struct failure *failure)
{
    *csv = (struct record_csv){.record = record, .reader = csv_reader_init(data, size)};
    if (csv_is_over(&csv->reader))
        return failure_set(failure, STATUS_INVALID, "line 1: the row of names is missing");
    for (;;) {
        struct csv_cell cell;
        enum status status = csv_next(&csv->reader, &cell, failure);
        if (status) return status;
        status = add_column(csv, &cell, failure);
        if (status) return status;
        if (cell.ends_row) return check_required(csv, failure);
    }
}

static enum status refuse_length(const struct record_csv *csv, const struct csv_cell *cell,
                                 u32 count, struct failure *failure)
{
    return failure_set(failure, STATUS_INVALID,
                       "line %u, column %u: the row has %s than %u cells, as the first row has",
                       cell->line, cell->column, count > csv->column_count ? "more" : "fewer",
                       csv->column_count);
}

// What a row's flags might have waived: whether it has a column, and one that is not empty.
static enum status check_waived(const struct record_csv *csv, const u64 *filled, u32 line,
                                const void *head, struct failure *failure)
{
    for (u32 i = 0; i < csv->record->field_count; i++) {
        const struct schema_field *field = &csv->record->fields[i];
        bool found = false, is_filled = false;
        if (!field->waived_by || !field_is_required(csv->record, field, head)) continue;
        for (u32 j = 0; j < csv->column_count; j++) {
            if (csv->columns[j] != field) continue;
            found = true;
            is_filled = (filled[j / 64] >> (j % 64) & 1) != 0;
        }
        if (is_filled) continue;
        failure_note(failure, STATUS_INVALID, "line %u: %s: the %s is required and %s", line,
                     field->name, found ? "cell" : "column", found ? "empty" : "missing");
        failure_hint(failure, "%s: %s", field->name, field->doc);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

enum status record_csv_next(struct record_csv *csv, void *head, bool *is_over,
                            struct failure *failure)
{
    *is_over = csv_is_over(&csv->reader);
    if (*is_over) return STATUS_OK;
    const u32 line = csv->reader.line;
    u64 filled[SCHEMA_FIELDS_MAX / 64] = {0};
    memset(head, 0, csv->record->size);
    for (u32 i = 0;; i++) {
        struct csv_cell cell;
        enum status status = csv_next(&csv->reader, &cell, failure);
        if (status) return status;
        if (i == csv->column_count) return refuse_length(csv, &cell, i + 1, failure);
        const struct schema_field *field = csv->columns[i];
        if (cell.size > 0) filled[i / 64] |= 1ull << (i % 64);
        if (cell.size == 0 && (field->flags & FIELD_REQUIRED) && !field->waived_by) {
            return failure_set(failure, STATUS_INVALID,
                               "line %u, column %u: %s: the cell is required and empty", cell.line,
                               cell.column, field->name);
        }
        status = field_parse(csv->record, field, cell.text, cell.size, head, failure);
        if (status) {
            return failure_wrap(failure, "line %u, column %u: %s", cell.line, cell.column,
                                field->name);
        }
        if (!cell.ends_row) continue;
        if (i + 1 < csv->column_count) return refuse_length(csv, &cell, i + 1, failure);
        return check_waived(csv, filled, line, head, failure);
    }
}
