// SPDX-License-Identifier: Apache-2.0
//
// Changes as lines of CSV.
#include "cli/change_text.h"

#include "cli/cli.h"
#include "codec/field.h"
#include "codec/record_binary.h"
#include "ledger/ledger_schema.h"
#include "modules/module.h"

#define CELL_SIZE 16384u

// --- CSV (RFC 4180) ------------------------------------------------------------------------------

struct csv_line {
    struct text *out;
    bool is_begun;
};

static void cell_write(struct csv_line *line, const char *data, size_t size)
{
    if (line->is_begun) text_append_char(line->out, ',');
    line->is_begun = true;
    bool is_quoted = false;
    for (size_t i = 0; i < size; i++) is_quoted = is_quoted || strchr(",\"\r\n", data[i]) != NULL;
    if (!is_quoted) {
        text_append(line->out, data, size);
        return;
    }
    text_append_char(line->out, '"');
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '"') text_append_char(line->out, '"');
        text_append_char(line->out, data[i]);
    }
    text_append_char(line->out, '"');
}

static void line_end(struct csv_line *line)
{
    text_append_string(line->out, "\r\n");
    line->is_begun = false;
}

// What a line of CSV has of a field: nothing of what is reserved; arrays have lines, not cells.
static bool is_cell(const struct schema_field *field)
{
    return !schema_field_is_reserved(field) && field->type != SCHEMA_ARRAY &&
           field->type != SCHEMA_BLOB;
}

static void names_write(struct csv_line *line, const struct schema_record *record,
                        const char *prefix)
{
    for (u32 i = 0; i < record->field_count; i++) {
        if (!is_cell(&record->fields[i])) continue;
        char name[2 * SCHEMA_NAME_SIZE_MAX + 2];
        const int size = snprintf(name, sizeof name, "%s%s", prefix, record->fields[i].name);
        cell_write(line, name, (size_t)size);
    }
}

static void values_write(struct csv_line *line, const struct schema_record *record, const u8 *head)
{
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (!is_cell(field)) continue;
        char cell[CELL_SIZE];
        struct text text = text_init(cell, sizeof cell);
        const bool is_time = field->unit == UNIT_NANOSECONDS || field->unit == UNIT_DAYS;
        field_print(record, field, head, is_time ? FIELD_STYLE_HUMAN : FIELD_STYLE_EXACT, &text);
        assert(!text_overflowed(&text));
        cell_write(line, cell, text.size);
    }
}

static const struct schema_field *array_of(const struct schema_record *record)
{
    for (u32 i = 0; record != NULL && i < record->field_count; i++) {
        if (record->fields[i].type == SCHEMA_ARRAY) return &record->fields[i];
    }
    return NULL;
}

void change_csv_header(const struct schema_record *record, bool has_head, struct text *out)
{
    struct csv_line line = {.out = out};
    char prefix[SCHEMA_NAME_SIZE_MAX + 1];
    const struct schema_field *array = array_of(record);
    // A name that both have is the record's; the change's has its own in front.
    if (has_head) names_write(&line, &changes_schema_change_line, "change_");
    names_write(&line, record, "");
    if (array != NULL) {
        (void)snprintf(prefix, sizeof prefix, "%s_", array->name);
        char name[SCHEMA_NAME_SIZE_MAX + 8];
        const int size = snprintf(name, sizeof name, "%sitem", prefix);
        cell_write(&line, name, (size_t)size);
        names_write(&line, schema_field_item(record, array), prefix);
    }
    line_end(&line);
}

static void record_write(const struct change_line *head, const struct schema_record *record,
                         const u8 *data, struct text *out)
{
    const struct schema_field *array = array_of(record);
    const u32 count = array == NULL ? 1 : (u32)field_get(array, 0, data);
    struct csv_line line = {.out = out};
    const u8 *item = data + record->size;
    for (u32 i = 0; i < count; i++) {
        if (head != NULL) values_write(&line, &changes_schema_change_line, (const u8 *)head);
        values_write(&line, record, data);
        if (array != NULL) {
            char number[16];
            const int size = snprintf(number, sizeof number, "%u", i);
            cell_write(&line, number, (size_t)size);
            values_write(&line, schema_field_item(record, array), item);
            item += schema_field_item(record, array)->size;
        }
        line_end(&line);
    }
}

void change_csv_row(const struct change *change, const struct schema_record *record,
                    struct text *out)
{
    struct change_line head;
    change_line_make(change, record, &head);
    record_write(&head, record, (const u8 *)(change + 1), out);
}

void change_csv_view(const struct schema_record *record, const void *view, struct text *out)
{
    record_write(NULL, record, view, out);
}
