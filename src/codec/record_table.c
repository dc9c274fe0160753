// SPDX-License-Identifier: Apache-2.0
//
// Records as aligned tables and cards. A table is written in two walks over the rows: one measures
// the columns, one writes them; nothing is kept but the widths.
#include "codec/record_text.h"

#define CELL_SIZE_MAX 2048u

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

static bool is_right_aligned(const struct schema_field *field)
{
    return field->type != SCHEMA_BYTES && !field->enumeration && field->count == 1;
}

static bool is_column(const struct schema_field *field, u32 options, const u8 *rows, size_t stride,
                      size_t count)
{
    if (schema_field_is_reserved(field)) return false;
    if ((options & RECORD_TABLE_DROP_ZERO) == 0 || (field->flags & FIELD_KEY)) return true;
    for (size_t i = 0; i < count; i++) {
        if (!field_is_zero(field, rows + i * stride)) return true;
    }
    return false;
}

// `width` 0 for a column that is not shown.
static void write_padded(const struct schema_field *field, const char *data, size_t size,
                         size_t width, bool is_last, struct text *out)
{
    size_t own = utf8_width(data, size);
    size_t padding = width > own ? width - own : 0;
    bool right = is_right_aligned(field);
    if (right) text_append_repeated(out, ' ', padding);
    text_append(out, data, size);
    // No blanks at the end of a line.
    if (!right && !is_last) text_append_repeated(out, ' ', padding);
}

void record_write_table(const struct schema_record *record, u32 options, const void *rows,
                        size_t stride, size_t count, struct text *out)
{
    size_t widths[SCHEMA_FIELDS_MAX] = {0};
    u32 last = 0;
    struct cell cell;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (!is_column(field, options, rows, stride, count)) continue;
        last = i;
        widths[i] = options & RECORD_TABLE_NO_HEADER ? 1 : strlen(field->name);
        for (size_t row = 0; row < count; row++) {
            print_cell(record, field, options, (const u8 *)rows + row * stride, &cell);
            widths[i] = MAX(widths[i], utf8_width(cell.text, cell.size));
        }
    }
    // Row 0 is the header.
    for (size_t row = options & RECORD_TABLE_NO_HEADER ? 1 : 0; row <= count; row++) {
        bool is_first = true;
        for (u32 i = 0; i < record->field_count; i++) {
            const struct schema_field *field = &record->fields[i];
            if (widths[i] == 0) continue;
            if (!is_first) text_append_string(out, "  ");
            is_first = false;
            const char *data = field->name;
            size_t size = strlen(field->name);
            if (row > 0) {
                print_cell(record, field, options, (const u8 *)rows + (row - 1) * stride, &cell);
                data = cell.text;
                size = cell.size;
            }
            write_padded(field, data, size, widths[i], i == last, out);
        }
        text_append_char(out, '\n');
    }
}

void record_write_card(const struct schema_record *record, u32 options, const void *head,
                       struct text *out)
{
    size_t width = 0;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (is_column(field, options, head, 0, 1)) width = MAX(width, strlen(field->name));
    }
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (!is_column(field, options, head, 0, 1)) continue;
        struct cell cell;
        print_cell(record, field, options, head, &cell);
        text_append_string(out, field->name);
        if (cell.size > 0) {
            text_append_repeated(out, ' ', width - strlen(field->name) + 2);
            text_append(out, cell.text, cell.size);
        }
        text_append_char(out, '\n');
    }
}
