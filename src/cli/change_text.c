// SPDX-License-Identifier: Apache-2.0
//
// Changes as lines of JSON and CSV.
#include "cli/change_text.h"

#include "cli/cli.h"
#include "codec/field.h"
#include "codec/record_binary.h"
#include "ledger/ledger_schema.h"
#include "modules/module.h"

// JSON of a record is so many times as large as its bytes, at most; and a line has this beside.
#define LINE_GROWTH 64u
#define LINE_HEAD   4096u
#define CELL_SIZE   16384u

static void result_name(const struct change *change, const struct schema_record *record, char *out,
                        size_t size)
{
    const struct schema_result *known = NULL;
    if (change->result == 0) {
        cli_text_set(out, size, "done");
        return;
    }
    if (record == &ledger_schema_account) {
        known = schema_find_result(&ledger_schema_create_account_result, change->result);
    } else if (record == &ledger_schema_transfer) {
        known = schema_find_result(&ledger_schema_create_transfer_result, change->result);
    } else if (module_of_record(change->record) != NULL) {
        known = module_result_of(module_of_record(change->record), change->result);
    }
    if (known != NULL) cli_text_set(out, size, schema_lower(known->name).text);
    else (void)snprintf(out, size, "%u", change->result);
}

// What a line says beside the body.
static void head_make(const struct change *change, const struct schema_record *record,
                      struct tail_change *out)
{
    *out = (struct tail_change){
        .row = change->row,
        .position = change->position,
        .timestamp = change->timestamp,
        .principal = change->principal,
        .command_id = change->command_id,
        .released = change->released,
        .held_row = change->held_row,
        .cause_row = change->cause_row,
        .index = change->index,
    };
    const struct schema_value *kind =
        schema_find_value_number(&changes_schema_change_kind, change->kind);
    if (kind != NULL) cli_text_set(out->kind, sizeof out->kind, schema_lower(kind->name).text);
    result_name(change, record, out->result, sizeof out->result);
    if (record != NULL) cli_text_set(out->record, sizeof out->record, record->name);
    else (void)snprintf(out->record, sizeof out->record, "%u", change->record);
}

size_t change_json_size_max(const struct change *change)
{
    return LINE_HEAD + (size_t)change->payload_size * LINE_GROWTH;
}

void change_json_write(const struct change *change, const struct schema_record *record,
                       struct json_writer *writer)
{
    struct tail_change head;
    head_make(change, record, &head);
    json_write_object_begin(writer);
    record_json_write_members(&cli_schema_tail_change, RECORD_JSON_CALENDAR, &head, writer);
    json_write_key(writer, "body");
    if (record != NULL && change->payload_size > 0) {
        record_json_write(record, RECORD_JSON_CALENDAR, change + 1, writer);
    } else if (change->payload_size > 0) {
        json_write_hex(writer, change + 1, change->payload_size);
    } else {
        json_write_null(writer);
    }
    json_write_object_end(writer);
    json_write_line_end(writer);
}

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
    if (has_head) names_write(&line, &cli_schema_tail_change, "change_");
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

static void record_write(const struct tail_change *head, const struct schema_record *record,
                         const u8 *data, struct text *out)
{
    const struct schema_field *array = array_of(record);
    const u32 count = array == NULL ? 1 : (u32)field_get(array, 0, data);
    struct csv_line line = {.out = out};
    const u8 *item = data + record->size;
    for (u32 i = 0; i < count; i++) {
        if (head != NULL) values_write(&line, &cli_schema_tail_change, (const u8 *)head);
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
    struct tail_change head;
    head_make(change, record, &head);
    record_write(&head, record, (const u8 *)(change + 1), out);
}

void change_csv_view(const struct schema_record *record, const void *view, struct text *out)
{
    record_write(NULL, record, view, out);
}
