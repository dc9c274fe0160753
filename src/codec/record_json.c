// SPDX-License-Identifier: Apache-2.0
//
// Records as JSON, both ways, over descriptors.
#include "codec/record_json.h"

#include "codec/civil.h"

#include "codec/field.h"
#include "codec/number.h"

// A string field may be as long as a text, a byte array in hex, or a name; anything longer is
// refused.
#define STRING_SIZE_MAX SCHEMA_TEXT_MAX
static_assert(STRING_SIZE_MAX >= 2 * SCHEMA_BYTES_MAX, "bytes in hex");

// An object that is being read: which fields have come.
struct object {
    const struct schema_record *record;
    struct json_reader *reader;
    u64 seen[SCHEMA_FIELDS_MAX / 64];
    u8 *head;
    size_t end_offset; // Of the closing brace, once it is read.
};

// Tells a program which rule is broken, and by which member; `name` is of `size` bytes.
static void tell(const struct json_reader *reader, enum json_rule rule,
                 const struct schema_field *field, const char *name, size_t size)
{
    struct json_error *error = reader->error;
    if (error == NULL) return;
    error->rule = rule;
    error->field = field;
    size = MIN(size, sizeof error->path - 1);
    memcpy(error->path, name, size);
    error->path[size] = 0;
}

static void tell_field(const struct json_reader *reader, enum json_rule rule,
                       const struct schema_field *field)
{
    tell(reader, rule, field, field->name, strlen(field->name));
}

// Puts the item that a member belongs to in front of its path.
static void tell_item(const struct json_reader *reader, const struct schema_field *field, u32 index)
{
    struct json_error *error = reader->error;
    char path[JSON_PATH_SIZE_MAX];
    if (error == NULL) return;
    struct text text = text_init(path, sizeof path - 1);
    text_append_format(&text, "%s[%u]%s", field->name, index, error->path[0] != 0 ? "." : "");
    text_append_string(&text, error->path);
    path[MIN(text.size, text.capacity)] = 0;
    memcpy(error->path, path, sizeof error->path);
}

static enum status at_value(const struct object *object, const struct json_value *value,
                            struct failure *failure)
{
    return json_failure_at(object->reader, value->offset, failure);
}

// As at_value, after a failure that does not name the field.
static enum status at_field(const struct object *object, const struct schema_field *field,
                            const struct json_value *value, struct failure *failure)
{
    tell_field(object->reader, JSON_RULE_VALUE, field);
    (void)failure_wrap(failure, "%s", field->name);
    return at_value(object, value, failure);
}

static enum status wrong_type(const struct object *object, const struct schema_field *field,
                              const struct json_value *value, const char *wanted,
                              struct failure *failure)
{
    tell_field(object->reader, JSON_RULE_WRONG_TYPE, field);
    failure_note(failure, STATUS_INVALID, "%s: %s is expected, not %s", field->name, wanted,
                 json_token_name(value->token));
    return at_value(object, value, failure);
}

static enum status unknown_field(const struct object *object, const struct json_value *key,
                                 const char *name, size_t size, struct failure *failure)
{
    tell(object->reader, JSON_RULE_UNKNOWN_FIELD, NULL, name, size);
    failure_note(failure, STATUS_INVALID, "%s has no field %s", object->record->name,
                 text_quote(name, size).text);
    const struct schema_field *nearest = schema_nearest_field(object->record, name, size);
    if (nearest) failure_hint(failure, "did you mean %s?", nearest->name);
    return at_value(object, key, failure);
}

static enum status missing_field(const struct object *object, struct failure *failure)
{
    for (u32 i = 0; i < object->record->field_count; i++) {
        const struct schema_field *field = &object->record->fields[i];
        bool seen = (object->seen[i / 64] >> (i % 64) & 1) != 0;
        if (seen || !field_is_required(object->record, field, object->head)) continue;
        tell_field(object->reader, JSON_RULE_MISSING_FIELD, field);
        failure_note(failure, STATUS_INVALID, "%s: the field is required in %s and missing",
                     field->name, object->record->name);
        failure_hint(failure, "%s: %s", field->name, field->doc);
        return json_failure_at(object->reader, object->end_offset, failure);
    }
    return STATUS_OK;
}

// The next member: its field and its value's first token. `*field` is null at the object's end.
static enum status next_member(struct object *object, const struct schema_field **field,
                               struct json_value *value, struct failure *failure)
{
    struct json_value key;
    enum status status = json_next(object->reader, &key, failure);
    if (status) return status;
    if (key.token == JSON_OBJECT_END) {
        *field = NULL;
        object->end_offset = key.offset;
        return missing_field(object, failure);
    }
    assert(key.token == JSON_KEY);
    char name[SCHEMA_NAME_SIZE_MAX];
    size_t size = 0;
    if (!json_string_decode(&key, name, sizeof name, &size))
        return unknown_field(object, &key, key.text, key.size, failure);
    const struct schema_field *found = NULL;
    for (u32 i = 0; i < object->record->field_count && !found; i++) {
        const struct schema_field *candidate = &object->record->fields[i];
        // Exactly the name: a second spelling would be a second key for the same field.
        if (strlen(candidate->name) == size && memcmp(candidate->name, name, size) == 0)
            found = candidate;
    }
    if (!found || schema_field_is_reserved(found))
        return unknown_field(object, &key, name, size, failure);
    size_t index = (size_t)(found - object->record->fields);
    u64 bit = 1ull << (index % 64);
    if (object->seen[index / 64] & bit) {
        tell_field(object->reader, JSON_RULE_DUPLICATE_KEY, found);
        failure_note(failure, STATUS_INVALID, "%s: the key is given twice", found->name);
        return at_value(object, &key, failure);
    }
    object->seen[index / 64] |= bit;
    *field = found;
    return json_next(object->reader, value, failure);
}

// The text of a number or of a string that holds one, in `buffer` if it has escapes.
static enum status number_text(const struct object *object, const struct schema_field *field,
                               const struct json_value *value, char *buffer, size_t capacity,
                               const char **text, size_t *size, struct failure *failure)
{
    *text = value->text;
    *size = value->size;
    if (value->token == JSON_NUMBER) {
        for (size_t i = 0; i < value->size; i++) {
            if (!strchr(".eE", value->text[i])) continue;
            tell_field(object->reader, JSON_RULE_VALUE, field);
            failure_note(failure, STATUS_INVALID,
                         "%s: %s is not written as an integer; only digits are accepted",
                         field->name, text_quote(value->text, value->size).text);
            return at_value(object, value, failure);
        }
        return STATUS_OK;
    }
    if (value->token != JSON_STRING)
        return wrong_type(object, field, value, "a number, or a string of digits,", failure);
    if (!value->is_escaped) return STATUS_OK;
    *text = buffer;
    if (json_string_decode(value, buffer, capacity, size)) return STATUS_OK;
    tell_field(object->reader, JSON_RULE_VALUE, field);
    failure_note(failure, STATUS_INVALID, "%s: is not a decimal number", field->name);
    return at_value(object, value, failure);
}

static enum status read_number(const struct object *object, const struct schema_field *field,
                               u32 element, const struct json_value *value, struct failure *failure)
{
    char buffer[64];
    const char *text = NULL;
    size_t size = 0;
    enum status status =
        number_text(object, field, value, buffer, sizeof buffer, &text, &size, failure);
    if (status) return status;
    if (field_set_number(object->record, field, element, text, size, object->head, failure))
        return at_field(object, field, value, failure);
    return STATUS_OK;
}

// A string of at most STRING_SIZE_MAX bytes, decoded into `buffer`.
static enum status string_text(const struct object *object, const struct schema_field *field,
                               const struct json_value *value, char buffer[STRING_SIZE_MAX],
                               size_t *size, struct failure *failure)
{
    if (value->token != JSON_STRING) return wrong_type(object, field, value, "a string", failure);
    if (json_string_decode(value, buffer, STRING_SIZE_MAX, size)) return STATUS_OK;
    tell_field(object->reader, JSON_RULE_VALUE, field);
    failure_note(failure, STATUS_INVALID, "%s: the string is too long", field->name);
    return at_value(object, value, failure);
}

static enum status read_flags(const struct object *object, const struct schema_field *field,
                              const struct json_value *value, struct failure *failure)
{
    if (value->token == JSON_NUMBER) return read_number(object, field, 0, value, failure);
    if (value->token != JSON_ARRAY_BEGIN)
        return wrong_type(object, field, value, "an array of names", failure);
    for (;;) {
        struct json_value name;
        char text[STRING_SIZE_MAX];
        size_t size = 0;
        enum status status = json_next(object->reader, &name, failure);
        if (status) return status;
        if (name.token == JSON_ARRAY_END) return STATUS_OK;
        status = string_text(object, field, &name, text, &size, failure);
        if (status) return status;
        if (field_add_flag(object->record, field, text, size, object->head, failure))
            return at_field(object, field, &name, failure);
    }
}

static enum status read_numbers(const struct object *object, const struct schema_field *field,
                                const struct json_value *value, struct failure *failure)
{
    if (value->token != JSON_ARRAY_BEGIN)
        return wrong_type(object, field, value, "an array of numbers", failure);
    for (u32 i = 0;; i++) {
        struct json_value element;
        enum status status = json_next(object->reader, &element, failure);
        if (status) return status;
        bool ends = element.token == JSON_ARRAY_END;
        if (ends != (i == field->count)) {
            tell_field(object->reader, JSON_RULE_VALUE, field);
            failure_note(failure, STATUS_INVALID, "%s: the array has not %u numbers", field->name,
                         field->count);
            return at_value(object, &element, failure);
        }
        if (ends) return STATUS_OK;
        status = read_number(object, field, i, &element, failure);
        if (status) return status;
    }
}

// Any field but ARRAY and BLOB.
static enum status read_field(const struct object *object, const struct schema_field *field,
                              const struct json_value *value, struct failure *failure)
{
    char text[STRING_SIZE_MAX];
    size_t size = 0;
    if (field->type == SCHEMA_BYTES) {
        enum status status = string_text(object, field, value, text, &size, failure);
        if (status) return status;
        if (field_set_bytes(object->record, field, text, size, object->head, failure))
            return at_field(object, field, value, failure);
        return STATUS_OK;
    }
    if (field->type == SCHEMA_BOOL) {
        if (value->token != JSON_TRUE && value->token != JSON_FALSE)
            return wrong_type(object, field, value, "true or false", failure);
        field_set(field, 0, object->head, value->token == JSON_TRUE);
        return STATUS_OK;
    }
    if (field->count > 1) return read_numbers(object, field, value, failure);
    if (schema_field_flags(object->record, field)) return read_flags(object, field, value, failure);
    if (schema_field_enumeration(object->record, field) && value->token == JSON_STRING) {
        enum status status = string_text(object, field, value, text, &size, failure);
        if (status) return status;
        if (field_set_name(object->record, field, text, size, object->head, failure))
            return at_field(object, field, value, failure);
        return STATUS_OK;
    }
    const bool is_text = value->token == JSON_STRING;
    if (is_text && (field->unit == UNIT_NANOSECONDS || field->unit == UNIT_DAYS)) {
        enum status status = string_text(object, field, value, text, &size, failure);
        if (status) return status;
        if (size == 0 || field_parse(object->record, field, text, size, object->head, failure)) {
            if (size == 0) (void)failure_set(failure, STATUS_INVALID, "\"\" is no time");
            return at_field(object, field, value, failure);
        }
        return STATUS_OK;
    }
    return read_number(object, field, 0, value, failure);
}

// An item of an array: an object without tails.
static enum status read_item(const struct schema_record *item, struct json_reader *reader, u8 *head,
                             struct failure *failure)
{
    struct object object = {.record = item, .reader = reader, .head = head};
    memset(head, 0, item->size);
    for (;;) {
        const struct schema_field *field = NULL;
        struct json_value value;
        enum status status = next_member(&object, &field, &value, failure);
        if (status || !field) return status;
        status = read_field(&object, field, &value, failure);
        if (status) return status;
    }
}

static enum status read_items(const struct object *object, const struct schema_field *field,
                              const struct json_value *value, size_t capacity, size_t *size,
                              struct failure *failure)
{
    const struct schema_record *item = schema_field_item(object->record, field);
    assert(item);
    if (value->token != JSON_ARRAY_BEGIN)
        return wrong_type(object, field, value, "an array of objects", failure);
    for (u32 count = 0;; count++) {
        struct json_value element;
        enum status status = json_next(object->reader, &element, failure);
        if (status) return status;
        if (element.token == JSON_ARRAY_END) {
            field_set(field, 0, object->head, count);
            return STATUS_OK;
        }
        if (element.token != JSON_OBJECT_BEGIN)
            return wrong_type(object, field, &element, "an object", failure);
        if (count == field->count_max) {
            tell_field(object->reader, JSON_RULE_TOO_MANY, field);
            failure_note(failure, STATUS_INVALID, "%s: more than %u items", field->name,
                         field->count_max);
            return at_value(object, &element, failure);
        }
        if (capacity - *size < item->size) {
            tell_field(object->reader, JSON_RULE_TOO_MANY, field);
            failure_note(failure, STATUS_FULL, "%s: no room for item %u", field->name, count);
            return at_value(object, &element, failure);
        }
        status = read_item(item, object->reader, object->head + *size, failure);
        if (status) {
            tell_item(object->reader, field, count);
            return failure_wrap(failure, "%s[%u]", field->name, count);
        }
        *size += item->size;
    }
}

static enum status read_blob(const struct object *object, const struct schema_field *field,
                             const struct json_value *value, size_t capacity, size_t *size,
                             struct failure *failure)
{
    u8 *at = object->head + *size;
    size_t room = MIN(capacity - *size, (size_t)field->count_max);
    size_t blob_size = 0;
    bool fits = true;
    if (field->flags & FIELD_TEXT) {
        fits = json_string_decode(value, (char *)at, room, &blob_size);
        if (fits && field_check_text((const char *)at, blob_size, failure))
            return at_field(object, field, value, failure);
    } else {
        fits = value->size / 2 <= room;
        if (fits && field_hex_decode(value->text, value->size, at, room, &blob_size, failure))
            return at_field(object, field, value, failure);
    }
    if (!fits) {
        bool rule = room == field->count_max;
        tell_field(object->reader, JSON_RULE_TOO_MANY, field);
        failure_note(failure, rule ? STATUS_INVALID : STATUS_FULL, "%s: more than %zu bytes",
                     field->name, room);
        return at_value(object, value, failure);
    }
    field_set(field, 0, object->head, blob_size);
    *size += blob_size;
    return STATUS_OK;
}

// The members of the object whose opening brace is read.
static enum status read_members(const struct schema_record *record, struct json_reader *reader,
                                void *out, size_t capacity, size_t *size, struct failure *failure)
{
    assert(capacity >= record->size);
    struct object object = {.record = record, .reader = reader, .head = out};
    const struct schema_field *blob = NULL;
    struct json_value blob_value = {0};
    memset(out, 0, record->size);
    *size = record->size;
    for (;;) {
        const struct schema_field *field = NULL;
        struct json_value value;
        enum status status = next_member(&object, &field, &value, failure);
        if (status) return status;
        if (!field) break;
        if (field->type == SCHEMA_ARRAY) {
            status = read_items(&object, field, &value, capacity, size, failure);
        } else if (field->type == SCHEMA_BLOB) {
            // The blob's bytes follow the items, whatever the order of the keys: it is put in last.
            blob = field;
            blob_value = value;
            if (value.token != JSON_STRING)
                return wrong_type(&object, field, &value, "a string", failure);
        } else {
            status = read_field(&object, field, &value, failure);
        }
        if (status) return status;
    }
    return blob ? read_blob(&object, blob, &blob_value, capacity, size, failure) : STATUS_OK;
}

static enum status expect_object(const struct schema_record *record,
                                 const struct json_reader *reader, const struct json_value *value,
                                 struct failure *failure)
{
    if (value->token == JSON_OBJECT_BEGIN) return STATUS_OK;
    tell(reader, JSON_RULE_WRONG_TYPE, NULL, "", 0);
    failure_note(failure, STATUS_INVALID, "%s: an object is expected, not %s", record->name,
                 json_token_name(value->token));
    return json_failure_at(reader, value->offset, failure);
}

enum status record_json_decode(const struct schema_record *record, struct json_reader *reader,
                               void *out, size_t capacity, size_t *size, struct failure *failure)
{
    struct json_value value;
    enum status status = json_next(reader, &value, failure);
    if (status) return status;
    status = expect_object(record, reader, &value, failure);
    if (status) return status;
    return read_members(record, reader, out, capacity, size, failure);
}

enum status record_json_parse(const struct schema_record *record, const char *text,
                              size_t text_size, u32 line_first, void *out, size_t capacity,
                              size_t *size, struct failure *failure)
{
    struct json_reader reader = json_reader_init(text, text_size, line_first);
    enum status status = record_json_decode(record, &reader, out, capacity, size, failure);
    if (status) return status;
    struct json_value end;
    return json_next(&reader, &end, failure);
}

enum status record_json_parse_batch(const struct schema_record *record, const char *text,
                                    size_t text_size, void *out, u32 count_max, u32 *count,
                                    struct failure *failure)
{
    struct json_reader reader = json_reader_init(text, text_size, 1);
    struct json_value value;
    enum status status = json_next(&reader, &value, failure);
    if (status) return status;
    bool is_array = value.token == JSON_ARRAY_BEGIN;
    if (is_array) {
        status = json_next(&reader, &value, failure);
        if (status) return status;
    }
    *count = 0;
    while (value.token != JSON_ARRAY_END && value.token != JSON_END) {
        size_t size = 0;
        status = expect_object(record, &reader, &value, failure);
        if (status) return status;
        if (*count == count_max) {
            tell(&reader, JSON_RULE_TOO_MANY, NULL, "", 0);
            failure_note(failure, STATUS_INVALID, "%s: more than %u in one batch", record->name,
                         count_max);
            return json_failure_at(&reader, value.offset, failure);
        }
        u8 *at = (u8 *)out + (size_t)*count * record->size;
        status = read_members(record, &reader, at, record->size, &size, failure);
        if (status) return is_array ? failure_wrap(failure, "event %u", *count) : status;
        *count += 1;
        status = json_next(&reader, &value, failure);
        if (status) return status;
    }
    return value.token == JSON_END ? STATUS_OK : json_next(&reader, &value, failure);
}

static void write_number(const struct schema_field *field, u128 value, struct json_writer *writer)
{
    bool is_wide = schema_type_size(field->type) >= 8 && (field->flags & FIELD_SMALL) == 0;
    if (field->decimals > 0) {
        char digits[NUMBER_SIZE_MAX + 2];
        struct text text = text_init(digits, sizeof digits);
        field_print_decimal(field, value, &text);
        if (is_wide) {
            json_write_string(writer, digits, text.size);
        } else {
            json_write_numeral(writer, digits, text.size);
        }
    } else if (schema_type_is_signed(field->type)) {
        if (is_wide) {
            json_write_i128_string(writer, (i128)value);
        } else {
            json_write_i64(writer, (i64)(i128)value);
        }
    } else if (is_wide) {
        json_write_u128_string(writer, value);
    } else {
        json_write_u64(writer, (u64)value);
    }
}

static void write_flags(const struct schema_field *field, const struct schema_flags *flags,
                        u64 value, struct json_writer *writer)
{
    if (value & ~schema_flags_mask(flags)) {
        write_number(field, value, writer);
        return;
    }
    json_write_array_begin(writer);
    for (u32 i = 0; i < flags->row_count; i++) {
        if (value >> flags->rows[i].bit & 1)
            json_write_text(writer, schema_lower(flags->rows[i].name).text);
    }
    json_write_array_end(writer);
}

static bool is_calendar(const struct schema_field *field)
{
    return field->unit == UNIT_NANOSECONDS || field->unit == UNIT_DAYS;
}

// A moment or a date as ISO 8601; false when it is out of what that can say.
static bool write_calendar(const struct schema_field *field, u128 value, struct json_writer *writer)
{
    char text[CIVIL_MOMENT_SIZE];
    if (field->unit == UNIT_DAYS) {
        const i128 day = (i128)value;
        if (day < CIVIL_DAY_MIN || day > CIVIL_DAY_MAX) return false;
        civil_print_date((i32)day, text);
    } else {
        if (value > U64_MAX) return false;
        (void)civil_print_moment((u64)value, text);
    }
    json_write_text(writer, text);
    return true;
}

// The value of any field but ARRAY and BLOB.
static void write_field(const struct schema_record *record, const struct schema_field *field,
                        enum record_json_style style, const u8 *head, struct json_writer *writer)
{
    if (field->type == SCHEMA_BOOL) {
        json_write_bool(writer, field_get(field, 0, head) != 0);
        return;
    }
    if (field_is_none(field, head)) {
        json_write_null(writer);
        return;
    }
    if (field->type == SCHEMA_BYTES) {
        if (field->flags & FIELD_TEXT) {
            json_write_string(writer, (const char *)head + field->offset,
                              field_text_size(field, head));
        } else {
            json_write_hex(writer, head + field->offset, field->count);
        }
        return;
    }
    const struct schema_flags *flags = schema_field_flags(record, field);
    if (flags) {
        write_flags(field, flags, (u64)field_get(field, 0, head), writer);
        return;
    }
    const struct schema_enumeration *values = schema_field_enumeration(record, field);
    const struct schema_value *named =
        values ? schema_find_value_number(values, (u32)field_get(field, 0, head)) : NULL;
    if (named && field_get(field, 0, head) == named->number) {
        json_write_text(writer, schema_lower(named->name).text);
        return;
    }
    if (style == RECORD_JSON_CALENDAR && field->count == 1 && is_calendar(field) &&
        write_calendar(field, field_get(field, 0, head), writer)) {
        return;
    }
    if (field->count > 1) json_write_array_begin(writer);
    for (u32 i = 0; i < field->count; i++) write_number(field, field_get(field, i, head), writer);
    if (field->count > 1) json_write_array_end(writer);
}

static bool is_written(const struct schema_field *field, enum record_json_style style,
                       const u8 *head)
{
    if (schema_field_is_reserved(field)) return false;
    if (style != RECORD_JSON_OMIT_ZERO) return true;
    return (field->flags & (FIELD_KEY | FIELD_REQUIRED)) != 0 || !field_is_zero(field, head);
}

static bool same_group(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

// The members of an object that is open; those of a group in an object of their own. What stands
// behind the head begins at `tail`.
static void write_members(const struct schema_record *record, enum record_json_style style,
                          const u8 *head, const u8 *tail, struct json_writer *writer)
{
    const char *group = NULL;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (!is_written(field, style, head)) continue;
        if (!same_group(group, field->group)) {
            if (group) json_write_object_end(writer);
            group = field->group;
            if (group) {
                json_write_key(writer, group);
                json_write_object_begin(writer);
            }
        }
        json_write_key(writer, field->name + (group ? strlen(group) + 1 : 0));
        if (field->type != SCHEMA_ARRAY && field->type != SCHEMA_BLOB) {
            write_field(record, field, style, head, writer);
            continue;
        }
        u32 count = (u32)field_get(field, 0, head);
        assert(count <= field->count_max);
        if (field->type == SCHEMA_ARRAY) {
            const struct schema_record *item = schema_field_item(record, field);
            json_write_array_begin(writer);
            for (u32 j = 0; j < count; j++, tail += item->size) {
                json_write_object_begin(writer);
                write_members(item, style, tail, NULL, writer);
                json_write_object_end(writer);
            }
            json_write_array_end(writer);
        } else if (field->flags & FIELD_TEXT) {
            json_write_string(writer, (const char *)tail, count);
        } else {
            json_write_hex(writer, tail, count);
        }
    }
    if (group) json_write_object_end(writer);
}

void record_json_write(const struct schema_record *record, enum record_json_style style,
                       const void *data, struct json_writer *writer)
{
    json_write_object_begin(writer);
    record_json_write_members(record, style, data, writer);
    json_write_object_end(writer);
}

void record_json_write_members(const struct schema_record *record, enum record_json_style style,
                               const void *data, struct json_writer *writer)
{
    write_members(record, style, data, (const u8 *)data + record->size, writer);
}
