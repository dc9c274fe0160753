// SPDX-License-Identifier: Apache-2.0
//
// Checks that the tables of a module make sense together. Runs in tests; the tables are constant.
#include "schema/schema.h"

// Sets the failure when a rule does not hold; the macro keeps each rule on a line of its own.
#define RULE(condition, ...)                                                        \
    do {                                                                            \
        if (!(condition)) return failure_set(failure, STATUS_INVALID, __VA_ARGS__); \
    } while (0)

static bool name_is_whole(const char *name)
{
    size_t size = name ? strlen(name) : 0;
    if (size == 0 || size >= SCHEMA_NAME_SIZE_MAX) return false;
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return true;
}

static bool doc_is_sentence(const char *doc)
{
    size_t size = doc ? strlen(doc) : 0;
    return size > 1 && doc[size - 1] == '.';
}

static enum status check_tail(const struct schema_record *record, const struct schema_field *field,
                              struct failure *failure)
{
    const char *of = record->name;
    RULE(field->count_max > 0, "%s.%s: a tail has a largest size", of, field->name);
    if (field->type == SCHEMA_BLOB) return STATUS_OK;
    const struct schema_record *item = schema_field_item(record, field);
    RULE(item, "%s.%s: there is no record named %s", of, field->name, field->item);
    RULE(item->kind == RECORD_ITEM, "%s.%s: %s is not an item", of, field->name, item->name);
    // So that items can be read in place.
    RULE(record->size % 16 == 0 && item->size % 16 == 0,
         "%s.%s: head and item are multiples of 16 bytes", of, field->name);
    for (u32 i = 0; i < item->field_count; i++) {
        RULE(item->fields[i].type != SCHEMA_ARRAY && item->fields[i].type != SCHEMA_BLOB,
             "%s.%s: the item has a tail of its own", of, field->name);
    }
    return STATUS_OK;
}

static enum status check_enumeration(const struct schema_record *record,
                                     const struct schema_field *field, struct failure *failure)
{
    const char *of = record->name;
    const struct schema_flags *flags = schema_field_flags(record, field);
    const struct schema_enumeration *enumeration = schema_field_enumeration(record, field);
    RULE(flags || enumeration, "%s.%s: there is no table named %s", of, field->name,
         field->enumeration);
    RULE(!flags || !enumeration, "%s.%s: %s names two tables", of, field->name, field->enumeration);
    RULE(schema_type_is_number(field->type) && field->count == 1 && field->max == 0 &&
             field->min == 0,
         "%s.%s: a field of names is one number without a bound", of, field->name);
    RULE(field->type == (flags ? flags->type : enumeration->type),
         "%s.%s: its type is not that of %s", of, field->name, field->enumeration);
    const bool is_asked = record->kind == RECORD_COMMAND || record->kind == RECORD_QUERY;
    RULE(!is_asked || flags || field->flags & FIELD_REQUIRED ||
             schema_find_value_number(enumeration, 0),
         "%s.%s: what need not be given has a value 0 in %s", of, field->name, field->enumeration);
    return STATUS_OK;
}

// What says how a field is printed or typed.
static enum status check_form(const struct schema_record *record, u32 index,
                              struct failure *failure)
{
    const char *of = record->name;
    const struct schema_field *field = &record->fields[index];
    const bool is_number = schema_type_is_number(field->type);
    const bool is_plain = is_number && !schema_type_is_signed(field->type) && !field->enumeration;
    const bool is_read = record->kind != RECORD_VIEW && record->kind != RECORD_ITEM;
    RULE(!is_number || field->min <= schema_field_max(field), "%s.%s: min is more than max", of,
         field->name);
    RULE(is_plain || (field->flags & (FIELD_SMALL | FIELD_NULLABLE)) == 0,
         "%s.%s: only an unsigned number is small or none", of, field->name);
    RULE(field->decimals == 0 || (is_plain && field->decimals <= 9),
         "%s.%s: at most nine digits of an unsigned number stand behind the point", of,
         field->name);
    RULE(!is_read || (field->decimals == 0 && !field->group && !(field->flags & FIELD_NULLABLE)),
         "%s.%s: what has a point, a group or none is only printed", of, field->name);
    RULE((field->flags & FIELD_DAY_END) == 0 || field->unit == UNIT_NANOSECONDS,
         "%s.%s: only a moment is the end of a day", of, field->name);
    RULE((field->flags & FIELD_WORD) == 0 || record->kind == RECORD_OPTIONS ||
             record->kind == RECORD_COMMAND || record->kind == RECORD_QUERY,
         "%s.%s: words are for what a command line fills in", of, field->name);
    if (field->group) {
        const size_t size = strlen(field->group);
        RULE(strncmp(field->name, field->group, size) == 0 && field->name[size] == '_' &&
                 field->name[size + 1] != 0,
             "%s.%s: its name does not begin with its group", of, field->name);
    }
    return STATUS_OK;
}

static enum status check_waived(const struct schema_record *record,
                                const struct schema_field *field, struct failure *failure)
{
    const struct schema_field *of = schema_find_field(record, "flags", 5);
    const struct schema_flags *flags = of ? schema_field_flags(record, of) : NULL;
    RULE(field->flags & FIELD_REQUIRED, "%s.%s: what is not required is not waived", record->name,
         field->name);
    RULE(flags && schema_find_flag(flags, field->waived_by, strlen(field->waived_by)),
         "%s.%s: there is no flag named %s", record->name, field->name, field->waived_by);
    return STATUS_OK;
}

static enum status check_field(const struct schema_record *record, u32 index,
                               struct failure *failure)
{
    const char *of = record->name;
    const struct schema_field *field = &record->fields[index];
    RULE(name_is_whole(field->name), "%s: row %u has no proper name", of, index);
    RULE(doc_is_sentence(field->doc), "%s.%s: its doc is not a sentence", of, field->name);
    for (u32 i = 0; i < index; i++) {
        const char *other = record->fields[i].name;
        RULE(!schema_name_equal(other, field->name, strlen(field->name)), "%s.%s: twice", of,
             field->name);
    }
    RULE(field->size == field->count * schema_type_size(field->type),
         "%s.%s: size and count differ", of, field->name);
    if (schema_field_is_reserved(field)) {
        RULE(field->flags == FIELD_RESERVED && field->unit == UNIT_NONE && field->max == 0 &&
                 !field->enumeration && !field->initial && !field->group,
             "%s.%s: a reserved field means nothing else", of, field->name);
    }
    if (field->flags & FIELD_TEXT) {
        RULE(field->type == SCHEMA_BYTES || field->type == SCHEMA_BLOB,
             "%s.%s: text is made of bytes", of, field->name);
    }
    if (field->type == SCHEMA_BYTES) {
        const u32 limit = field->flags & FIELD_TEXT ? SCHEMA_TEXT_MAX : SCHEMA_BYTES_MAX;
        RULE(field->count <= limit || schema_field_is_reserved(field), "%s.%s: more than %u bytes",
             of, field->name, limit);
    }
    if (schema_type_is_number(field->type)) {
        struct schema_field plain = {.type = field->type};
        RULE(field->max <= schema_field_max(&plain), "%s.%s: max is more than the type holds", of,
             field->name);
    } else {
        RULE(field->max == 0 && field->min == 0, "%s.%s: only a number has a bound", of,
             field->name);
    }
    RULE(!field->refers_to || (schema_type_is_number(field->type) &&
                               !schema_type_is_signed(field->type) && field->count == 1),
         "%s.%s: only an unsigned number refers to something", of, field->name);
    enum status status = check_form(record, index, failure);
    if (!status && field->waived_by) status = check_waived(record, field, failure);
    if (status) return status;
    if (field->enumeration) return check_enumeration(record, field, failure);
    if (field->type == SCHEMA_ARRAY || field->type == SCHEMA_BLOB)
        return check_tail(record, field, failure);
    return STATUS_OK;
}

static enum status check_record(const struct schema_module *module, u32 index,
                                struct failure *failure)
{
    const struct schema_record *record = module->records[index];
    RULE(name_is_whole(record->name), "record %u has no proper name", index);
    const char *of = record->name;
    RULE(doc_is_sentence(record->doc), "%s: its doc is not a sentence", of);
    RULE(record->module == module, "%s: belongs to another module", of);
    RULE(record->field_count > 0 && record->field_count <= SCHEMA_FIELDS_MAX,
         "%s: has no fields, or more than %u", of, SCHEMA_FIELDS_MAX);
    for (u32 i = 0; i < index; i++) {
        RULE(module->records[i]->number != record->number, "%s: its number is that of %s", of,
             module->records[i]->name);
        RULE(!schema_name_equal(module->records[i]->name, of, strlen(of)), "%s: twice", of);
    }
    RULE(!record->views || (record->kind == RECORD_QUERY && schema_record_views(record)),
         "%s: there is no record named %s for its views, or it asks nothing", of, record->views);
    u32 offset = 0, arrays = 0, blobs = 0;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        enum status status = check_field(record, i, failure);
        if (status) return status;
        RULE(field->offset == offset, "%s.%s: a gap lies before it", of, field->name);
        offset += field->size;
        RULE(field->type != SCHEMA_ARRAY || blobs == 0, "%s.%s: the array follows the blob", of,
             field->name);
        arrays += field->type == SCHEMA_ARRAY;
        blobs += field->type == SCHEMA_BLOB;
    }
    RULE(offset == record->size, "%s: its fields do not add up to its size", of);
    RULE(arrays <= 1 && blobs <= 1, "%s: more than one array or blob", of);
    return STATUS_OK;
}

static enum status check_flags(const struct schema_flags *flags, struct failure *failure)
{
    RULE(name_is_whole(flags->name), "flags without a proper name");
    RULE(doc_is_sentence(flags->doc), "%s: its doc is not a sentence", flags->name);
    RULE(schema_type_is_number(flags->type) && !schema_type_is_signed(flags->type) &&
             flags->type != SCHEMA_U128,
         "%s: flags are u8 to u64", flags->name);
    for (u32 i = 0; i < flags->row_count; i++) {
        const struct schema_flag *row = &flags->rows[i];
        RULE(name_is_whole(row->name), "%s: row %u has no proper name", flags->name, i);
        RULE(doc_is_sentence(row->doc), "%s.%s: its doc is not a sentence", flags->name, row->name);
        RULE(row->bit < 8 * schema_type_size(flags->type), "%s.%s: no such bit", flags->name,
             row->name);
        for (u32 j = 0; j < i; j++) {
            RULE(flags->rows[j].bit != row->bit, "%s.%s: its bit is that of %s", flags->name,
                 row->name, flags->rows[j].name);
            RULE(!schema_name_equal(flags->rows[j].name, row->name, strlen(row->name)),
                 "%s.%s: twice", flags->name, row->name);
        }
    }
    return STATUS_OK;
}

static enum status check_values(const struct schema_enumeration *table, struct failure *failure)
{
    RULE(name_is_whole(table->name), "an enumeration without a proper name");
    RULE(doc_is_sentence(table->doc), "%s: its doc is not a sentence", table->name);
    struct schema_field plain = {.type = table->type};
    RULE(schema_type_is_number(table->type) && !schema_type_is_signed(table->type),
         "%s: an enumeration is unsigned", table->name);
    for (u32 i = 0; i < table->row_count; i++) {
        const struct schema_value *row = &table->rows[i];
        RULE(name_is_whole(row->name), "%s: row %u has no proper name", table->name, i);
        RULE(doc_is_sentence(row->doc), "%s.%s: its doc is not a sentence", table->name, row->name);
        RULE(row->number <= schema_field_max(&plain), "%s.%s: more than its type holds",
             table->name, row->name);
        for (u32 j = 0; j < i; j++) {
            RULE(table->rows[j].number != row->number, "%s.%s: its number is that of %s",
                 table->name, row->name, table->rows[j].name);
            RULE(!schema_name_equal(table->rows[j].name, row->name, strlen(row->name)),
                 "%s.%s: twice", table->name, row->name);
        }
    }
    return STATUS_OK;
}

static enum status check_results(const struct schema_results *results, struct failure *failure)
{
    RULE(name_is_whole(results->name), "results without a proper name");
    RULE(doc_is_sentence(results->doc), "%s: its doc is not a sentence", results->name);
    for (u32 i = 0; i < results->row_count; i++) {
        const struct schema_result *row = &results->rows[i];
        RULE(name_is_whole(row->name), "%s: row %u has no proper name", results->name, i);
        RULE(doc_is_sentence(row->sentence), "%s.%s: has no sentence", results->name, row->name);
        RULE(row->http_status >= 200 && row->http_status < 600, "%s.%s: no such HTTP status",
             results->name, row->name);
        for (u32 j = 0; j < i; j++) {
            RULE(results->rows[j].number != row->number, "%s.%s: its number is that of %s",
                 results->name, row->name, results->rows[j].name);
            RULE(!schema_name_equal(results->rows[j].name, row->name, strlen(row->name)),
                 "%s.%s: twice", results->name, row->name);
        }
    }
    return STATUS_OK;
}

static enum status check_machine(const struct schema_module *module,
                                 const struct schema_machine *machine, struct failure *failure)
{
    RULE(name_is_whole(machine->name), "a machine without a proper name");
    const char *of = machine->name;
    RULE(doc_is_sentence(machine->doc), "%s: its doc is not a sentence", of);
    const struct schema_enumeration *states = schema_find_enumeration(module, machine->states);
    const struct schema_enumeration *events = schema_find_enumeration(module, machine->events);
    RULE(states, "%s: there is no enumeration named %s", of, machine->states);
    RULE(events, "%s: there is no enumeration named %s", of, machine->events);
    for (u32 i = 0; i < machine->row_count; i++) {
        const struct schema_transition *row = &machine->rows[i];
        RULE(schema_find_value_number(states, row->from), "%s: row %u: no state %u", of, i,
             row->from);
        RULE(schema_find_value_number(events, row->event), "%s: row %u: no event %u", of, i,
             row->event);
        RULE(schema_find_value_number(states, row->to), "%s: row %u: no state %u", of, i, row->to);
        for (u32 j = 0; j < i; j++) {
            RULE(machine->rows[j].from != row->from || machine->rows[j].event != row->event,
                 "%s: row %u answers the same state and event as row %u", of, i, j);
        }
    }
    return STATUS_OK;
}

enum status schema_check(const struct schema_module *module, struct failure *failure)
{
    enum status status = STATUS_OK;
    for (u32 i = 0; i < module->flags_count && !status; i++)
        status = check_flags(module->flags[i], failure);
    for (u32 i = 0; i < module->enumeration_count && !status; i++)
        status = check_values(module->enumerations[i], failure);
    for (u32 i = 0; i < module->results_count && !status; i++)
        status = check_results(module->results[i], failure);
    for (u32 i = 0; i < module->machine_count && !status; i++)
        status = check_machine(module, module->machines[i], failure);
    for (u32 i = 0; i < module->record_count && !status; i++)
        status = check_record(module, i, failure);
    return status ? failure_wrap(failure, "module %s", module->name) : STATUS_OK;
}
