// SPDX-License-Identifier: Apache-2.0
//
// Records as aligned tables, cards and lines. A table is written in two walks over the rows: one
// measures the columns, one writes them; nothing is kept but the widths.
#include "codec/record_text.h"

#define CELL_SIZE_MAX ((size_t)SCHEMA_TEXT_MAX)

struct cell {
    char text[CELL_SIZE_MAX];
    size_t size;
};

static void print_cell(const struct schema_record *record, const struct schema_field *field,
                       u32 options, const void *head, struct cell *cell)
{
    struct text text = text_init(cell->text, sizeof cell->text);
    enum field_style style = options & RECORD_TABLE_EXACT ? FIELD_STYLE_EXACT : FIELD_STYLE_HUMAN;
    field_print(record, field, head, style, &text);
    cell->size = MIN(text.size, text.capacity);
}

static bool is_right_aligned(const struct schema_field *field, u32 options)
{
    const bool is_calendar = field->unit == UNIT_NANOSECONDS || field->unit == UNIT_DAYS;
    return field->type != SCHEMA_BYTES && field->type != SCHEMA_BOOL && !field->enumeration &&
           field->count == 1 && (!is_calendar || (options & RECORD_TABLE_EXACT));
}

// Whether this row is a reason to show the field.
static bool is_shown(const struct schema_field *field, u32 options, const void *head)
{
    if (schema_field_is_reserved(field)) return false;
    if ((options & RECORD_TABLE_DROP_ZERO) == 0 || (field->flags & FIELD_KEY)) return true;
    return !field_is_zero(field, head) && !field_is_none(field, head);
}

static void write_padded(const char *data, size_t size, size_t width, bool right, struct text *out)
{
    size_t own = utf8_width(data, size);
    size_t padding = width > own ? width - own : 0;
    if (right) text_append_repeated(out, ' ', padding);
    text_append(out, data, size);
    if (!right) text_append_repeated(out, ' ', padding);
}

// Ends a line, without blanks at its end.
static void end_line(size_t begin, struct text *out)
{
    while (out->size > begin && out->size <= out->capacity && out->data[out->size - 1] == ' ')
        out->size--;
    text_append_char(out, '\n');
}

struct record_table record_table_init(const struct schema_record *record, u32 options, u32 indent)
{
    struct record_table table = {.record = record, .options = options, .indent = indent};
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        const bool is_key = (field->flags & FIELD_KEY) != 0;
        table.columns[i].width = strlen(field->name);
        table.columns[i].is_shown = is_key || (options & RECORD_TABLE_DROP_ZERO) == 0;
        if (schema_field_is_reserved(field) || (field->flags & FIELD_DETAIL))
            table.columns[i].is_shown = false;
    }
    return table;
}

void record_table_measure(struct record_table *table, const void *head)
{
    const struct schema_record *record = table->record;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        struct record_column *column = &table->columns[i];
        struct cell cell;
        if (schema_field_is_reserved(field) || (field->flags & FIELD_DETAIL)) continue;
        column->is_shown |= is_shown(field, table->options, head);
        print_cell(record, field, table->options, head, &cell);
        column->width = MAX(column->width, utf8_width(cell.text, cell.size));
    }
}

size_t record_table_width(const struct record_table *table)
{
    size_t width = table->indent;
    for (u32 i = 0; i < table->record->field_count; i++) {
        const struct record_column *column = &table->columns[i];
        if (column->is_shown) width += column->width + (width > table->indent ? 2 : 0);
    }
    return width;
}

// The header when `head` is null.
static void write_row(const struct record_table *table, const void *head, struct text *out)
{
    const struct schema_record *record = table->record;
    const size_t begin = out->size;
    bool is_first = true;
    text_append_repeated(out, ' ', table->indent);
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        struct cell cell;
        if (!table->columns[i].is_shown) continue;
        if (!is_first) text_append_string(out, "  ");
        is_first = false;
        if (head) print_cell(record, field, table->options, head, &cell);
        write_padded(head ? cell.text : field->name, head ? cell.size : strlen(field->name),
                     table->columns[i].width, is_right_aligned(field, table->options), out);
    }
    end_line(begin, out);
}

void record_table_write_header(const struct record_table *table, struct text *out)
{
    write_row(table, NULL, out);
}

void record_table_write_row(const struct record_table *table, const void *head, struct text *out)
{
    assert(head);
    write_row(table, head, out);
}

void record_write_table(const struct schema_record *record, u32 options, const void *rows,
                        size_t stride, size_t count, struct text *out)
{
    struct record_table table = record_table_init(record, options, 0);
    for (size_t i = 0; i < count; i++) record_table_measure(&table, (const u8 *)rows + i * stride);
    record_table_write_header(&table, out);
    for (size_t i = 0; i < count; i++)
        record_table_write_row(&table, (const u8 *)rows + i * stride, out);
}

// The name that a line of a card begins with: neighbours of one group share a line.
static const char *line_name(const struct schema_field *field)
{
    return field->group ? field->group : field->name;
}

// How wide the columns of a card are.
struct card {
    size_t names;
    size_t numbers; // Of fields without a group.
    size_t members; // Numbers of fields of a group.
};

static struct card measure_card(const struct schema_record *record, u32 options, const void *head)
{
    struct card card = {0};
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        struct cell cell;
        if (!is_shown(field, options, head)) continue;
        card.names = MAX(card.names, strlen(line_name(field)));
        print_cell(record, field, options, head, &cell);
        size_t *width = field->group ? &card.members : &card.numbers;
        if (is_right_aligned(field, options)) *width = MAX(*width, cell.size);
    }
    return card;
}

void record_write_card(const struct schema_record *record, u32 options, const void *head,
                       struct text *out)
{
    const struct card card = measure_card(record, options, head);
    const char *group = NULL;
    size_t begin = out->size;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        struct cell cell;
        if (!is_shown(field, options, head)) continue;
        const bool goes_on = group && field->group && strcmp(group, field->group) == 0;
        if (!goes_on) {
            if (out->size > begin) end_line(begin, out);
            begin = out->size;
            write_padded(line_name(field), strlen(line_name(field)), card.names + 2, false, out);
        }
        group = field->group;
        if (group) {
            text_append_format(out, "%s%s ", goes_on ? "  " : "", field->name + strlen(group) + 1);
        }
        print_cell(record, field, options, head, &cell);
        write_padded(cell.text, cell.size, group ? card.members : card.numbers,
                     is_right_aligned(field, options), out);
    }
    if (out->size > begin) end_line(begin, out);
}

void record_write_line(const struct schema_record *record, u32 options, const void *head,
                       struct text *out)
{
    bool is_first = true;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        struct cell cell;
        if (!is_shown(field, options, head) || (field->flags & FIELD_DETAIL)) continue;
        print_cell(record, field, options, head, &cell);
        text_append_format(out, "%s%s ", is_first ? "" : ", ", field->name);
        text_append(out, cell.text, cell.size);
        is_first = false;
    }
}
