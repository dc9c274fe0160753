// SPDX-License-Identifier: Apache-2.0
//
// Records as bytes: their size, their check, their canonical form.
#include "codec/record_binary.h"

#include "codec/field.h"

u64 record_binary_size(const struct schema_record *record, const void *data)
{
    u64 size = record->size;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (field->type == SCHEMA_ARRAY)
            size += (u64)field_get(field, 0, data) * schema_field_item(record, field)->size;
        if (field->type == SCHEMA_BLOB) size += (u64)field_get(field, 0, data);
    }
    return size;
}

u64 record_binary_size_max(const struct schema_record *record)
{
    u64 size = record->size;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (field->type == SCHEMA_ARRAY)
            size += (u64)field->count_max * schema_field_item(record, field)->size;
        if (field->type == SCHEMA_BLOB) size += field->count_max;
    }
    return size;
}

// Refuses a number; the sentence has it as the field's own text.
static enum status number_refuse(const struct schema_field *field, u128 value, const char *rule,
                                 struct failure *failure)
{
    char digits[48];
    struct text text = text_init(digits, sizeof digits - 1);
    if (schema_type_is_signed(field->type)) text_append_i128(&text, (i128)value);
    else text_append_u128(&text, value);
    digits[text.size] = 0;
    return failure_set(failure, STATUS_INVALID, "%s: %s %s", field->name, digits, rule);
}

static enum status check_number(const struct schema_record *record,
                                const struct schema_field *field, u32 element, const void *head,
                                struct failure *failure)
{
    if (field->enumeration == NULL && field->max == 0) return STATUS_OK;
    u128 value = field_get(field, element, head);
    const struct schema_flags *flags = schema_field_flags(record, field);
    if (flags && (value & ~(u128)schema_flags_mask(flags)) != 0) {
        return number_refuse(field, value, "has bits that are no flags", failure);
    }
    const struct schema_enumeration *values = schema_field_enumeration(record, field);
    if (values && (value > U32_MAX || !schema_find_value_number(values, (u32)value))) {
        return number_refuse(field, value, "is the number of no value", failure);
    }
    if (field->max == 0) return STATUS_OK;
    bool is_negative = schema_type_is_signed(field->type) && (i128)value < 0;
    u128 magnitude = is_negative ? 0 - value : value;
    if (magnitude <= field->max) return STATUS_OK;
    (void)number_refuse(field, value, "is out of range", failure);
    char digits[48];
    struct text text = text_init(digits, sizeof digits - 1);
    text_append_u128(&text, field->max);
    digits[text.size] = 0;
    failure_hint(failure, "at most %s %s", digits, schema_unit_name(field->unit));
    return STATUS_INVALID;
}

static enum status check_head(const struct schema_record *record, const void *head,
                              struct failure *failure)
{
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (schema_field_is_reserved(field)) {
            if (field_is_zero(field, head)) continue;
            return failure_set(failure, STATUS_INVALID, "%s: a reserved field is not zero",
                               field->name);
        }
        if (field->type == SCHEMA_ARRAY || field->type == SCHEMA_BLOB) {
            u32 count = (u32)field_get(field, 0, head);
            if (count <= field->count_max) continue;
            return failure_set(failure, STATUS_INVALID, "%s: %u %s are more than %u", field->name,
                               count, field->type == SCHEMA_ARRAY ? "items" : "bytes",
                               field->count_max);
        }
        if (field->type == SCHEMA_BYTES) {
            if ((field->flags & FIELD_TEXT) == 0) continue;
            const char *text = (const char *)head + field->offset;
            if (field_check_text(text, field_text_size(field, head), failure))
                return failure_wrap(failure, "%s", field->name);
            continue;
        }
        if (field->type == SCHEMA_BOOL && field_get(field, 0, head) > 1) {
            return failure_set(failure, STATUS_INVALID, "%s: neither true nor false", field->name);
        }
        for (u32 j = 0; j < field->count; j++) {
            enum status status = check_number(record, field, j, head, failure);
            if (status) return status;
        }
    }
    return STATUS_OK;
}

static enum status check_tails(const struct schema_record *record, const u8 *data,
                               struct failure *failure)
{
    const u8 *at = data + record->size;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (field->type != SCHEMA_ARRAY && field->type != SCHEMA_BLOB) continue;
        u32 count = (u32)field_get(field, 0, data);
        if (field->type == SCHEMA_BLOB) {
            if ((field->flags & FIELD_TEXT) == 0) continue;
            if (field_check_text((const char *)at, count, failure))
                return failure_wrap(failure, "%s", field->name);
            continue;
        }
        const struct schema_record *item = schema_field_item(record, field);
        for (u32 j = 0; j < count; j++) {
            enum status status = check_head(item, at, failure);
            if (status) return failure_wrap(failure, "%s[%u]", field->name, j);
            at += item->size;
        }
    }
    return STATUS_OK;
}

enum status record_binary_check(const struct schema_record *record, const void *data, size_t size,
                                struct failure *failure)
{
    if (size < record->size) {
        return failure_set(failure, STATUS_INVALID, "%s: %zu bytes are fewer than %u", record->name,
                           size, record->size);
    }
    enum status status = check_head(record, data, failure);
    if (status) return failure_wrap(failure, "%s", record->name);
    u64 expected = record_binary_size(record, data);
    if (size != expected) {
        return failure_set(failure, STATUS_INVALID, "%s: %zu bytes where its counts say %llu",
                           record->name, size, (unsigned long long)expected);
    }
    status = check_tails(record, data, failure);
    return status ? failure_wrap(failure, "%s", record->name) : STATUS_OK;
}

bool record_binary_equal(const struct schema_record *record, const void *a, const void *b)
{
    u64 size = record_binary_size(record, a);
    return size == record_binary_size(record, b) && memcmp(a, b, size) == 0;
}

u64 record_binary_canonical(const struct schema_record *record, const void *data, u8 *out,
                            size_t capacity)
{
    u64 size = record_binary_size(record, data);
    assert(size <= record_binary_size_max(record) && size <= U32_MAX);
    u64 canonical_size = 2 * sizeof(u32) + size;
    if (canonical_size > capacity) return canonical_size;
    store_u32(out, record->number);
    store_u32(out + sizeof(u32), (u32)size);
    memcpy(out + 2 * sizeof(u32), data, size);
    return canonical_size;
}
