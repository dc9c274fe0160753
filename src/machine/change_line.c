// SPDX-License-Identifier: Apache-2.0
//
// A change as a line of JSON.
#include "machine/change_line.h"

#include "ledger/ledger_schema.h"
#include "modules/module.h"

#include <stdio.h>

// JSON of a record is so many times as large as its bytes, at most; and a line has this beside.
#define LINE_GROWTH 64u
#define LINE_HEAD   4096u

const struct schema_record *change_record_of(u32 number)
{
    if (number == changes_schema_change_evidence.number) return &changes_schema_change_evidence;
    const struct schema_record *record = schema_modules_find_record_number(number);
    return record != NULL ? record : module_record_of(number);
}

static void text_set(char *out, size_t size, const char *text)
{
    memcpy(out, text, MIN(strlen(text), size - 1));
}

static void result_name(const struct change *change, const struct schema_record *record, char *out,
                        size_t size)
{
    const struct schema_result *known = NULL;
    if (change->result == 0) {
        text_set(out, size, "done");
        return;
    }
    if (record == &ledger_schema_account) {
        known = schema_find_result(&ledger_schema_create_account_result, change->result);
    } else if (record == &ledger_schema_transfer) {
        known = schema_find_result(&ledger_schema_create_transfer_result, change->result);
    } else if (module_of_record(change->record) != NULL) {
        known = module_result_of(module_of_record(change->record), change->result);
    }
    if (known != NULL) text_set(out, size, schema_lower(known->name).text);
    else (void)snprintf(out, size, "%u", change->result);
}

void change_line_make(const struct change *change, const struct schema_record *record,
                      struct change_line *out)
{
    *out = (struct change_line){
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
    if (kind != NULL) text_set(out->kind, sizeof out->kind, schema_lower(kind->name).text);
    result_name(change, record, out->result, sizeof out->result);
    if (record != NULL) text_set(out->record, sizeof out->record, record->name);
    else (void)snprintf(out->record, sizeof out->record, "%u", change->record);
}

size_t change_json_size_max(const struct change *change)
{
    return LINE_HEAD + (size_t)change->payload_size * LINE_GROWTH;
}

void change_json_write(const struct change *change, const struct schema_record *record,
                       struct json_writer *writer)
{
    struct change_line head;
    change_line_make(change, record, &head);
    json_write_object_begin(writer);
    record_json_write_members(&changes_schema_change_line, RECORD_JSON_CALENDAR, &head, writer);
    json_write_key(writer, "body");
    if (record != NULL && change->payload_size > 0) {
        record_json_write(record, RECORD_JSON_CALENDAR, change + 1, writer);
    } else if (change->payload_size > 0) {
        json_write_hex(writer, change + 1, change->payload_size);
    } else {
        json_write_null(writer);
    }
    json_write_object_end(writer);
}
