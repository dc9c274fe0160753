// SPDX-License-Identifier: Apache-2.0
//
// The reference of a module's tables, in Markdown.
#include "codec/record_docs.h"

#include "codec/record_binary.h"

// A sentence inside a table: a bar would end the cell.
static void append_cell(struct text *out, const char *words)
{
    for (const char *c = words; *c; c++) {
        if (*c == '|') text_append_char(out, '\\');
        text_append_char(out, *c);
    }
}

static void append_heading(struct text *out, const char *name, const char *doc)
{
    text_append_format(out, "### %s\n\n", name);
    append_cell(out, doc);
    text_append_string(out, "\n\n");
}

static void append_type(const struct schema_field *field, struct text *out)
{
    switch (field->type) {
    case SCHEMA_BYTES:
        text_append_format(out, "%s[%u]", field->flags & FIELD_TEXT ? "text" : "bytes",
                           field->count);
        return;
    case SCHEMA_ARRAY: text_append_format(out, "%s[0..%u]", field->item, field->count_max); return;
    case SCHEMA_BLOB:
        text_append_format(out, "%s[0..%u]", field->flags & FIELD_TEXT ? "text" : "bytes",
                           field->count_max);
        return;
    default: break;
    }
    text_append_string(out, schema_type_name(field->type));
    if (field->count > 1) text_append_format(out, "[%u]", field->count);
}

static void append_notes(const struct schema_field *field, struct text *out)
{
    if (field->flags & FIELD_KEY) text_append_string(out, " Key.");
    if (field->flags & FIELD_REQUIRED) {
        text_append_string(out, " Required");
        if (field->waived_by) text_append_format(out, " without `%s`", field->waived_by);
        text_append_char(out, '.');
    }
    if (field->flags & FIELD_OUTPUT) text_append_string(out, " Filled in by the server.");
    if (field->enumeration) text_append_format(out, " See `%s`.", field->enumeration);
    if (field->min != 0) {
        text_append_string(out, " At least ");
        text_append_u128(out, field->min);
        text_append_char(out, '.');
    }
    if (field->max != 0) {
        text_append_string(out, " At most ");
        text_append_u128(out, field->max);
        text_append_char(out, '.');
    }
    if (field->flags & FIELD_DAY_END)
        text_append_string(out, " On a command line a date is the end of its day.");
    if (field->initial) {
        text_append_format(out, " On a command line %s when not given.", field->initial);
    }
}

void record_docs_record(const struct schema_record *record, struct text *out)
{
    append_heading(out, record->name, record->doc);
    u64 size_max = record_binary_size_max(record);
    text_append_format(out, "Kind: %s. Number: 0x%04x. Size: %u bytes",
                       schema_kind_name(record->kind), record->number, record->size);
    if (size_max > record->size) {
        text_append_format(out, ", with what follows the head at most %llu",
                           (unsigned long long)size_max);
    }
    text_append_string(out, ".");
    if (record->views) text_append_format(out, " Answered by `%s`.", record->views);
    text_append_string(out, "\n\n");
    text_append_string(out, "| offset | field | type | unit | meaning |\n");
    text_append_string(out, "|---:|---|---|---|---|\n");
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        text_append_format(out, "| %u | `%s` | ", field->offset, field->name);
        append_type(field, out);
        text_append_format(out, " | %s | ", schema_unit_name(field->unit));
        append_cell(out, field->doc);
        append_notes(field, out);
        text_append_string(out, " |\n");
    }
    text_append_char(out, '\n');
}

void record_docs_flags(const struct schema_flags *flags, struct text *out)
{
    append_heading(out, flags->name, flags->doc);
    text_append_string(out, "| bit | value | flag | meaning |\n|---:|---:|---|---|\n");
    for (u32 i = 0; i < flags->row_count; i++) {
        const struct schema_flag *row = &flags->rows[i];
        text_append_format(out, "| %u | %llu | `%s` | ", row->bit, 1ull << row->bit,
                           schema_lower(row->name).text);
        append_cell(out, row->doc);
        text_append_string(out, " |\n");
    }
    text_append_char(out, '\n');
}

void record_docs_enumeration(const struct schema_enumeration *enumeration, struct text *out)
{
    append_heading(out, enumeration->name, enumeration->doc);
    text_append_string(out, "| number | value | meaning |\n|---:|---|---|\n");
    for (u32 i = 0; i < enumeration->row_count; i++) {
        const struct schema_value *row = &enumeration->rows[i];
        text_append_format(out, "| %u | `%s` | ", row->number, schema_lower(row->name).text);
        append_cell(out, row->doc);
        text_append_string(out, " |\n");
    }
    text_append_char(out, '\n');
}

void record_docs_results(const struct schema_results *results, struct text *out)
{
    append_heading(out, results->name, results->doc);
    text_append_string(out, "Rules are checked in this order; the first that is broken is the "
                            "answer. After a *transient* refusal a new request may succeed.\n\n");
    text_append_string(out, "| number | result | HTTP | transient | meaning |\n");
    text_append_string(out, "|---:|---|---:|---|---|\n");
    for (u32 i = 0; i < results->row_count; i++) {
        const struct schema_result *row = &results->rows[i];
        text_append_format(out, "| %u | `%s` | %u | %s | ", row->number,
                           schema_lower(row->name).text, row->http_status,
                           row->transient ? "yes" : "");
        append_cell(out, row->sentence);
        text_append_string(out, " |\n");
    }
    text_append_char(out, '\n');
}

static struct schema_name value_name(const struct schema_enumeration *enumeration, u32 number)
{
    const struct schema_value *value = schema_find_value_number(enumeration, number);
    assert(value); // schema_check.
    return schema_lower(value->name);
}

void record_docs_machine(const struct schema_module *module, const struct schema_machine *machine,
                         struct text *out)
{
    const struct schema_enumeration *states = schema_find_enumeration(module, machine->states);
    const struct schema_enumeration *events = schema_find_enumeration(module, machine->events);
    assert(states && events);
    append_heading(out, machine->name, machine->doc);
    text_append_string(out, "What is not in the table is refused.\n\n");
    text_append_string(out, "| state | event | next state | meaning |\n|---|---|---|---|\n");
    for (u32 i = 0; i < machine->row_count; i++) {
        const struct schema_transition *row = &machine->rows[i];
        text_append_format(out, "| `%s` | `%s` | `%s` | ", value_name(states, row->from).text,
                           value_name(events, row->event).text, value_name(states, row->to).text);
        append_cell(out, row->doc ? row->doc : "");
        text_append_string(out, " |\n");
    }
    text_append_char(out, '\n');
}

void record_docs_module(const struct schema_module *module, struct text *out)
{
    text_append_format(out, "# Reference: %s\n\n", module->name);
    text_append_string(out,
                       "Printed from the module's include table; `make bless` renews it. Numbers "
                       "are little-endian,\nrecords have no padding. In JSON, numbers of 64 and "
                       "128 bits are strings of decimal digits, flags are\narrays of names, bytes "
                       "are hexadecimal digits, and reserved fields do not appear.\n\n");
    if (module->record_count > 0) text_append_string(out, "## Records\n\n");
    for (u32 i = 0; i < module->record_count; i++) record_docs_record(module->records[i], out);
    if (module->flags_count > 0) text_append_string(out, "## Flags\n\n");
    for (u32 i = 0; i < module->flags_count; i++) record_docs_flags(module->flags[i], out);
    if (module->enumeration_count > 0) text_append_string(out, "## Values\n\n");
    for (u32 i = 0; i < module->enumeration_count; i++)
        record_docs_enumeration(module->enumerations[i], out);
    if (module->machine_count > 0) text_append_string(out, "## States\n\n");
    for (u32 i = 0; i < module->machine_count; i++)
        record_docs_machine(module, module->machines[i], out);
    if (module->results_count > 0) text_append_string(out, "## Results\n\n");
    for (u32 i = 0; i < module->results_count; i++) record_docs_results(module->results[i], out);
}
