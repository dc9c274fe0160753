// SPDX-License-Identifier: Apache-2.0
//
// Records and their fields as schemas of JSON.
#include "edge/edge_schema.h"

#include "codec/field.h"
#include "codec/number.h"

#include <stdio.h>

#define PATTERN_SIZE 64u

void edge_member(struct json_writer *writer, const char *key, const char *text)
{
    json_write_key(writer, key);
    json_write_text(writer, text);
}

static void number_member(struct json_writer *writer, const char *key, u64 value)
{
    json_write_key(writer, key);
    json_write_u64(writer, value);
}

static void types_member(struct json_writer *writer, const char *first, const char *second)
{
    json_write_key(writer, "type");
    json_write_array_begin(writer);
    json_write_text(writer, first);
    json_write_text(writer, second);
    json_write_array_end(writer);
}

bool edge_field_is_required(const struct schema_field *field)
{
    return (field->flags & FIELD_REQUIRED) != 0 && field->waived_by == NULL &&
           field->initial == NULL;
}

static bool is_wide(const struct schema_field *field)
{
    return schema_type_size(field->type) >= 8 && (field->flags & FIELD_SMALL) == 0;
}

// A moment or a date, which JSON has as ISO 8601.
static bool is_time(const struct schema_field *field)
{
    return (field->unit == UNIT_NANOSECONDS || field->unit == UNIT_DAYS) && field->count == 1;
}

// What a field means, its unit and its bounds, in words.
static void description_write(const struct schema_field *field, struct json_writer *writer)
{
    char text[1024], number[NUMBER_SIZE_MAX];
    struct text out = text_init(text, sizeof text - 1);
    text_append_string(&out, field->doc);
    if (field->unit != UNIT_NONE && !is_time(field) && schema_unit_name(field->unit)[0] != 0) {
        text_append_format(&out, " In %s.", schema_unit_name(field->unit));
    }
    if (field->max != 0 && is_wide(field)) {
        (void)number_print_u128(field->max, number);
        text_append_format(&out, " At most %s.", number);
    }
    if (field->waived_by != NULL) {
        text_append_format(&out, " Required, unless the flag %s is set.", field->waived_by);
    }
    text[MIN(out.size, out.capacity)] = 0;
    edge_member(writer, "description", text);
}

static void names_write(const struct schema_flags *flags, const struct schema_enumeration *values,
                        struct json_writer *writer)
{
    json_write_key(writer, "enum");
    json_write_array_begin(writer);
    for (u32 i = 0; flags != NULL && i < flags->row_count; i++) {
        json_write_text(writer, schema_lower(flags->rows[i].name).text);
    }
    for (u32 i = 0; values != NULL && i < values->row_count; i++) {
        json_write_text(writer, schema_lower(values->rows[i].name).text);
    }
    json_write_array_end(writer);
}

// --- numbers -------------------------------------------------------------------------------------

static void bounds_write(const struct schema_field *field, struct json_writer *writer)
{
    const u64 most = (u64)schema_field_max(field);
    json_write_key(writer, "minimum");
    if (schema_type_is_signed(field->type)) {
        json_write_i64(writer, -(i64)most - (field->max == 0 ? 1 : 0));
    } else {
        json_write_u64(writer, (u64)field->min);
    }
    number_member(writer, "maximum", most);
}

// A number as it is, not as a name or a time.
static void number_write(const struct schema_field *field, enum edge_schema_use use,
                         struct json_writer *writer)
{
    const bool is_signed = schema_type_is_signed(field->type);
    const bool is_nullable = use == EDGE_SCHEMA_ANSWERED && (field->flags & FIELD_NULLABLE) != 0;
    if (field->decimals > 0) {
        edge_member(writer, "type", is_wide(field) ? "string" : "number");
    } else if (!is_wide(field)) {
        if (is_nullable) types_member(writer, "integer", "null");
        else if (use == EDGE_SCHEMA_SENT) types_member(writer, "integer", "string");
        else edge_member(writer, "type", "integer");
        if (schema_type_size(field->type) < 8) bounds_write(field, writer);
        if (use == EDGE_SCHEMA_SENT) edge_member(writer, "pattern", "^-?[0-9]+$");
    } else {
        if (is_nullable) types_member(writer, "string", "null");
        else if (use == EDGE_SCHEMA_SENT) types_member(writer, "string", "integer");
        else edge_member(writer, "type", "string");
        const bool has_max = use != EDGE_SCHEMA_ANSWERED && field->unit == UNIT_MINOR && !is_signed;
        edge_member(writer, "pattern",
                    has_max     ? "^([0-9]{1,39}|max)$"
                    : is_signed ? "^-?[0-9]{1,39}$"
                                : "^[0-9]{1,39}$");
    }
}

static void time_write(const struct schema_field *field, enum edge_schema_use use,
                       struct json_writer *writer)
{
    const bool is_day = field->unit == UNIT_DAYS;
    if (use == EDGE_SCHEMA_ANSWERED) {
        edge_member(writer, "type", "string");
        edge_member(writer, "format", is_day ? "date" : "date-time");
        return;
    }
    if (use == EDGE_SCHEMA_SENT) types_member(writer, "string", "integer");
    else edge_member(writer, "type", "string");
    edge_member(writer, "pattern",
                is_day ? "^([0-9]{4}-[0-9]{2}-[0-9]{2}|-?[0-9]{1,9})$"
                       : "^([0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+Z)?|[0-9]{1,20})$");
}

// --- names, bytes --------------------------------------------------------------------------------

static void flags_write(const struct schema_flags *flags, enum edge_schema_use use,
                        struct json_writer *writer)
{
    if (use == EDGE_SCHEMA_ASKED) edge_member(writer, "type", "array");
    else types_member(writer, "array", "integer");
    json_write_key(writer, "items");
    json_write_object_begin(writer);
    edge_member(writer, "type", "string");
    names_write(flags, NULL, writer);
    json_write_object_end(writer);
    json_write_key(writer, "uniqueItems");
    json_write_bool(writer, true);
}

static void enumeration_write(const struct schema_enumeration *values, enum edge_schema_use use,
                              struct json_writer *writer)
{
    if (use == EDGE_SCHEMA_ASKED) {
        edge_member(writer, "type", "string");
        names_write(NULL, values, writer);
        return;
    }
    // A number that has no name, such as 0 for none.
    json_write_key(writer, "anyOf");
    json_write_array_begin(writer);
    json_write_object_begin(writer);
    edge_member(writer, "type", "string");
    names_write(NULL, values, writer);
    json_write_object_end(writer);
    json_write_object_begin(writer);
    edge_member(writer, "type", "integer");
    json_write_object_end(writer);
    json_write_array_end(writer);
}

static void bytes_write(const struct schema_field *field, u32 size, struct json_writer *writer)
{
    char pattern[PATTERN_SIZE];
    edge_member(writer, "type", "string");
    if (field->flags & FIELD_TEXT) {
        number_member(writer, "maxLength", size);
        return;
    }
    if (field->type == SCHEMA_BLOB) {
        (void)snprintf(pattern, sizeof pattern, "^([0-9a-fA-F]{2})*$");
        number_member(writer, "maxLength", 2ull * size);
    } else {
        (void)snprintf(pattern, sizeof pattern, "^[0-9a-fA-F]{%u}$", 2 * size);
    }
    edge_member(writer, "pattern", pattern);
}

// --- fields and records --------------------------------------------------------------------------

static void shape_write(const struct schema_record *record, const struct schema_field *field,
                        enum edge_schema_use use, struct json_writer *writer)
{
    const struct schema_flags *flags = schema_field_flags(record, field);
    const struct schema_enumeration *values = schema_field_enumeration(record, field);
    if (field->type == SCHEMA_BOOL) edge_member(writer, "type", "boolean");
    else if (field->type == SCHEMA_BYTES) bytes_write(field, field->count, writer);
    else if (field->type == SCHEMA_BLOB) bytes_write(field, field->count_max, writer);
    else if (flags != NULL) flags_write(flags, use, writer);
    else if (values != NULL) enumeration_write(values, use, writer);
    else if (is_time(field)) time_write(field, use, writer);
    else number_write(field, use, writer);
}

void edge_schema_field(const struct schema_record *record, const struct schema_field *field,
                       enum edge_schema_use use, struct json_writer *writer)
{
    json_write_object_begin(writer);
    description_write(field, writer);
    if (field->type == SCHEMA_ARRAY) {
        edge_member(writer, "type", "array");
        number_member(writer, "maxItems", field->count_max);
        json_write_key(writer, "items");
        edge_schema_record(schema_field_item(record, field), use, writer);
    } else if (field->count > 1 && field->type != SCHEMA_BYTES) {
        edge_member(writer, "type", "array");
        number_member(writer, "minItems", field->count);
        number_member(writer, "maxItems", field->count);
        json_write_key(writer, "items");
        json_write_object_begin(writer);
        shape_write(record, field, use, writer);
        json_write_object_end(writer);
    } else {
        shape_write(record, field, use, writer);
    }
    json_write_object_end(writer);
}

static bool same_group(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_left_out(const struct schema_field *field, enum edge_schema_use use)
{
    return schema_field_is_reserved(field) ||
           (use != EDGE_SCHEMA_ANSWERED && (field->flags & FIELD_OUTPUT) != 0);
}

// The fields from `first` on that are of its group, as an object; returns the one behind them.
static u32 members_write(const struct schema_record *record, u32 first, u32 end,
                         enum edge_schema_use use, struct json_writer *writer);

static u32 group_end(const struct schema_record *record, u32 first)
{
    u32 end = first;
    while (end < record->field_count &&
           same_group(record->fields[end].group, record->fields[first].group)) {
        end++;
    }
    return end;
}

static const char *member_name(const struct schema_field *field)
{
    return field->name + (field->group ? strlen(field->group) + 1 : 0);
}

static void object_write(const struct schema_record *record, u32 first, u32 end, bool in_group,
                         enum edge_schema_use use, struct json_writer *writer)
{
    edge_member(writer, "type", "object");
    json_write_key(writer, "additionalProperties");
    json_write_bool(writer, false);
    json_write_key(writer, "properties");
    json_write_object_begin(writer);
    for (u32 i = first; i < end;) {
        const struct schema_field *field = &record->fields[i];
        if (is_left_out(field, use)) {
            i++;
        } else if (field->group != NULL && !in_group) {
            json_write_key(writer, field->group);
            json_write_object_begin(writer);
            i = members_write(record, i, group_end(record, i), use, writer);
            json_write_object_end(writer);
        } else {
            json_write_key(writer, in_group ? member_name(field) : field->name);
            edge_schema_field(record, field, use, writer);
            i++;
        }
    }
    json_write_object_end(writer);
    json_write_key(writer, "required");
    json_write_array_begin(writer);
    for (u32 i = first; i < end;) {
        const struct schema_field *field = &record->fields[i];
        const bool is_group = field->group != NULL && !in_group;
        if (!is_left_out(field, use) &&
            (use == EDGE_SCHEMA_ANSWERED || edge_field_is_required(field))) {
            json_write_text(writer, is_group   ? field->group
                                    : in_group ? member_name(field)
                                               : field->name);
        }
        i = is_group ? group_end(record, i) : i + 1;
    }
    json_write_array_end(writer);
}

static u32 members_write(const struct schema_record *record, u32 first, u32 end,
                         enum edge_schema_use use, struct json_writer *writer)
{
    object_write(record, first, end, true, use, writer);
    return end;
}

void edge_schema_record(const struct schema_record *record, enum edge_schema_use use,
                        struct json_writer *writer)
{
    json_write_object_begin(writer);
    edge_member(writer, "description", record->doc);
    object_write(record, 0, record->field_count, false, use, writer);
    json_write_object_end(writer);
}

// --- examples ------------------------------------------------------------------------------------

static void example_bytes(const struct schema_field *field, u32 size, struct json_writer *writer)
{
    static const char *const texts[][2] = {
        {"currency", "HKD"},     {"jurisdiction", "HK"}, {"calendar", "HK"},
        {"path", "issuer:cash"}, {"name", "treasury"},
    };
    static const char digits[] = "0123456789abcdef";
    char hex[2 * SCHEMA_BYTES_MAX];
    if ((field->flags & FIELD_TEXT) == 0) {
        const u32 count = field->type == SCHEMA_BLOB ? 4 : MIN(2 * size, 2 * SCHEMA_BYTES_MAX);
        for (u32 i = 0; i < count; i++) hex[i] = digits[i % 16];
        json_write_string(writer, hex, count);
        return;
    }
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (strcmp(field->name, texts[i][0]) != 0 || strlen(texts[i][1]) > size) continue;
        json_write_text(writer, texts[i][1]);
        return;
    }
    json_write_string(writer, "example", MIN(size, 7u));
}

static void example_number(const struct schema_field *field, struct json_writer *writer)
{
    u128 value = MAX(field->min, (u128)1);
    if (field->unit == UNIT_MINOR) value = 150;
    if (value > schema_field_max(field)) value = schema_field_max(field);
    if (is_wide(field)) json_write_u128_string(writer, value);
    else json_write_u64(writer, (u64)value);
}

void edge_example_field(const struct schema_record *record, const struct schema_field *field,
                        struct json_writer *writer)
{
    const struct schema_flags *flags = schema_field_flags(record, field);
    const struct schema_enumeration *values = schema_field_enumeration(record, field);
    if (field->type == SCHEMA_ARRAY) {
        json_write_array_begin(writer);
        edge_example_record(schema_field_item(record, field), writer);
        json_write_array_end(writer);
    } else if (field->type == SCHEMA_BOOL) {
        json_write_bool(writer, true);
    } else if (field->type == SCHEMA_BYTES) {
        example_bytes(field, field->count, writer);
    } else if (field->type == SCHEMA_BLOB) {
        example_bytes(field, field->count_max, writer);
    } else if (flags != NULL) {
        json_write_array_begin(writer);
        json_write_array_end(writer);
    } else if (values != NULL) {
        json_write_text(writer, schema_lower(values->rows[0].name).text);
    } else if (field->unit == UNIT_DAYS && field->count == 1) {
        json_write_text(writer, "2026-11-23");
    } else if (field->unit == UNIT_NANOSECONDS && field->count == 1) {
        json_write_text(writer, "2026-11-23T09:30:00Z");
    } else {
        if (field->count > 1) json_write_array_begin(writer);
        for (u32 i = 0; i < field->count; i++) example_number(field, writer);
        if (field->count > 1) json_write_array_end(writer);
    }
}

void edge_example_record(const struct schema_record *record, struct json_writer *writer)
{
    json_write_object_begin(writer);
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        const bool is_given = (field->flags & (FIELD_KEY | FIELD_REQUIRED)) != 0 ||
                              field->type == SCHEMA_ARRAY || strstr(field->name, "account_id");
        if (!is_given || is_left_out(field, EDGE_SCHEMA_SENT)) continue;
        json_write_key(writer, field->name);
        edge_example_field(record, field, writer);
    }
    json_write_object_end(writer);
}
