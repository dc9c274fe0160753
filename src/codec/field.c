// SPDX-License-Identifier: Apache-2.0
//
// One field of a record: get, set, parse from text, print as text.
#include "codec/field.h"

#include "codec/civil.h"
#include "codec/number.h"

u128 field_get(const struct schema_field *field, u32 element, const void *head)
{
    assert(element < field->count);
    const u8 *at = (const u8 *)head + field->offset + element * schema_type_size(field->type);
    switch (field->type) {
    case SCHEMA_BOOL:
    case SCHEMA_BYTES:
    case SCHEMA_U8: return *at;
    case SCHEMA_U16: return load_u16(at);
    case SCHEMA_ARRAY:
    case SCHEMA_BLOB:
    case SCHEMA_U32: return load_u32(at);
    case SCHEMA_U64: return load_u64(at);
    case SCHEMA_U128:
    case SCHEMA_I128: return load_u128(at);
    case SCHEMA_I32: return (u128)(i128)(i32)load_u32(at);
    case SCHEMA_I64: return (u128)(i128)(i64)load_u64(at);
    }
    assert(false);
    return 0;
}

void field_set(const struct schema_field *field, u32 element, void *head, u128 value)
{
    assert(element < field->count);
    u32 size = schema_type_size(field->type);
    // Little-endian: the low bytes come first.
    memcpy((u8 *)head + field->offset + element * size, &value, size);
    assert(field_get(field, element, head) == value);
}

bool field_is_zero(const struct schema_field *field, const void *head)
{
    return is_zero((const u8 *)head + field->offset, field->size);
}

bool field_is_none(const struct schema_field *field, const void *head)
{
    return (field->flags & FIELD_NULLABLE) != 0 &&
           field_get(field, 0, head) == U128_MAX >> (128 - 8 * schema_type_size(field->type));
}

bool field_is_required(const struct schema_record *record, const struct schema_field *field,
                       const void *head)
{
    if ((field->flags & FIELD_REQUIRED) == 0) return false;
    if (!field->waived_by) return true;
    const struct schema_field *of = schema_find_field(record, "flags", 5);
    assert(of); // The module's test checks it.
    const struct schema_flags *flags = schema_field_flags(record, of);
    const struct schema_flag *flag =
        schema_find_flag(flags, field->waived_by, strlen(field->waived_by));
    return ((u64)field_get(of, 0, head) >> flag->bit & 1) == 0;
}

static enum status refuse(const char *text, size_t size, const char *rule, struct failure *failure)
{
    return failure_set(failure, STATUS_INVALID, "%s %s", text_quote(text, size).text, rule);
}

static enum status refuse_range(const struct schema_field *field, const char *text, size_t size,
                                struct failure *failure)
{
    char limit[NUMBER_SIZE_MAX];
    (void)number_print_u128(schema_field_max(field), limit);
    const char *unit = schema_unit_name(field->unit);
    const char *space = unit[0] ? " " : "";
    if (schema_type_is_signed(field->type)) {
        char lowest[NUMBER_SIZE_MAX];
        (void)number_print_u128(schema_field_max(field) + (field->max == 0 ? 1 : 0), lowest);
        return failure_set(failure, STATUS_INVALID, "%s is not between -%s and %s%s%s",
                           text_quote(text, size).text, lowest, limit, space, unit);
    }
    if (size > 0 && text[0] == '-') return refuse(text, size, "is negative", failure);
    return failure_set(failure, STATUS_INVALID, "%s is more than %s%s%s",
                       text_quote(text, size).text, limit, space, unit);
}

static enum status refuse_small(const struct schema_field *field, const char *text, size_t size,
                                struct failure *failure)
{
    char least[NUMBER_SIZE_MAX];
    (void)number_print_u128(field->min, least);
    return failure_set(failure, STATUS_INVALID, "%s is less than %s", text_quote(text, size).text,
                       least);
}

// What is no decimal number: an amount with a point is likely to be in major units.
static enum status refuse_text(const struct schema_field *field, const char *text, size_t size,
                               enum number_error error, struct failure *failure)
{
    bool is_fraction = field->unit == UNIT_MINOR && size > 0;
    for (size_t i = size > 0 && text[0] == '-' ? 1 : 0; i < size; i++)
        is_fraction &= (text[i] >= '0' && text[i] <= '9') || text[i] == '.' || text[i] == ',';
    if (error == NUMBER_NOT_DECIMAL && is_fraction && size > 1) {
        return refuse(text, size, "is not a whole number of minor units, such as 150 for 1.50",
                      failure);
    }
    return refuse(text, size, number_error_text(error), failure);
}

static enum status set_signed(const struct schema_field *field, u32 element, const char *text,
                              size_t size, void *head, struct failure *failure)
{
    i128 value = 0;
    enum number_error error = number_parse_i128(text, size, &value);
    if (error == NUMBER_TOO_LARGE) return refuse_range(field, text, size, failure);
    if (error) return refuse_text(field, text, size, error, failure);
    u128 magnitude = value < 0 ? 0 - (u128)value : (u128)value;
    // Without a `max` the type's own smallest number is allowed too.
    u128 limit = schema_field_max(field) + (field->max == 0 && value < 0 ? 1 : 0);
    if (magnitude > limit) return refuse_range(field, text, size, failure);
    field_set(field, element, head, (u128)value);
    return STATUS_OK;
}

// The largest amount has a name: it stands for all of something.
static bool is_amount_max(const struct schema_field *field, const char *text, size_t size)
{
    return field->unit == UNIT_MINOR && !schema_type_is_signed(field->type) && size == 3 &&
           memcmp(text, "max", 3) == 0;
}

enum status field_set_number(const struct schema_record *record, const struct schema_field *field,
                             u32 element, const char *text, size_t size, void *head,
                             struct failure *failure)
{
    assert(schema_type_is_number(field->type));
    if (schema_type_is_signed(field->type))
        return set_signed(field, element, text, size, head, failure);
    if (field->decimals > 0 || (field->flags & FIELD_NULLABLE))
        return failure_set(failure, STATUS_INVALID, "it is only printed");
    if (is_amount_max(field, text, size)) {
        field_set(field, element, head, schema_field_max(field));
        return STATUS_OK;
    }
    u128 value = 0;
    enum number_error error = number_parse_u128(text, size, &value);
    if (error == NUMBER_NOT_DECIMAL && size > 1 && text[0] == '-') {
        u128 magnitude;
        if (number_parse_u128(text + 1, size - 1, &magnitude) == NUMBER_OK)
            return refuse_range(field, text, size, failure);
    }
    if (error && error != NUMBER_TOO_LARGE) return refuse_text(field, text, size, error, failure);
    if (error == NUMBER_TOO_LARGE || value > schema_field_max(field))
        return refuse_range(field, text, size, failure);
    if (value < field->min) return refuse_small(field, text, size, failure);
    const struct schema_flags *flags = schema_field_flags(record, field);
    if (flags && (value & ~(u128)schema_flags_mask(flags)) != 0)
        return refuse(text, size, "has bits that are no flags", failure);
    const struct schema_enumeration *values = schema_field_enumeration(record, field);
    if (values && !schema_find_value_number(values, (u32)value))
        return refuse(text, size, "is the number of no value", failure);
    field_set(field, element, head, value);
    return STATUS_OK;
}

// The flag that is nearest, or all of them when none is near.
static void hint_flags(const struct schema_flags *flags, const char *text, size_t size,
                       struct failure *failure)
{
    const struct schema_flag *nearest = NULL;
    u32 nearest_distance = (u32)MIN(size / 3, (size_t)3) + 1;
    char names[200];
    struct text list = text_init(names, sizeof names - 1);
    for (u32 i = 0; i < flags->row_count; i++) {
        const char *name = flags->rows[i].name;
        const u32 distance = schema_edit_distance(name, strlen(name), text, size);
        if (distance < nearest_distance) nearest = &flags->rows[i];
        nearest_distance = MIN(nearest_distance, distance);
        text_append_format(&list, "%s%s", i > 0 ? ", " : "", schema_lower(name).text);
    }
    names[MIN(list.size, list.capacity)] = 0;
    if (nearest) failure_hint(failure, "the nearest flag is %s", schema_lower(nearest->name).text);
    else failure_hint(failure, "its flags are %s", names);
}

enum status field_add_flag(const struct schema_record *record, const struct schema_field *field,
                           const char *text, size_t size, void *head, struct failure *failure)
{
    const struct schema_flags *flags = schema_field_flags(record, field);
    assert(flags);
    const struct schema_flag *flag = schema_find_flag(flags, text, size);
    if (!flag) {
        (void)refuse(text, size, "is not a flag", failure);
        hint_flags(flags, text, size, failure);
        return STATUS_INVALID;
    }
    u64 bit = 1ull << flag->bit;
    u64 value = (u64)field_get(field, 0, head);
    if (value & bit) return refuse(text, size, "is given twice", failure);
    field_set(field, 0, head, value | bit);
    return STATUS_OK;
}

enum status field_set_name(const struct schema_record *record, const struct schema_field *field,
                           const char *text, size_t size, void *head, struct failure *failure)
{
    const struct schema_enumeration *values = schema_field_enumeration(record, field);
    assert(values);
    const struct schema_value *value = schema_find_value(values, text, size);
    if (!value) {
        (void)refuse(text, size, "is not one of its values", failure);
        char names[160];
        struct text list = text_init(names, sizeof names - 1);
        for (u32 i = 0; i < values->row_count; i++) {
            if (i > 0) text_append_string(&list, ", ");
            text_append_string(&list, schema_lower(values->rows[i].name).text);
        }
        names[MIN(list.size, list.capacity)] = 0;
        failure_hint(failure, "its values are %s", names);
        return STATUS_INVALID;
    }
    field_set(field, 0, head, value->number);
    return STATUS_OK;
}

enum status field_hex_decode(const char *text, size_t size, u8 *out, size_t capacity,
                             size_t *out_size, struct failure *failure)
{
    for (size_t i = 0; i < size; i++) {
        if (text_hex_digit(text[i]) < 0)
            return refuse(text, size, "is not made of hexadecimal digits", failure);
    }
    if (size % 2 != 0)
        return refuse(text, size, "has an odd number of hexadecimal digits", failure);
    if (size / 2 > capacity) {
        return failure_set(failure, STATUS_INVALID, "%zu bytes are more than %zu", size / 2,
                           capacity);
    }
    for (size_t i = 0; i < size / 2; i++)
        out[i] = (u8)(text_hex_digit(text[2 * i]) << 4 | text_hex_digit(text[2 * i + 1]));
    *out_size = size / 2;
    return STATUS_OK;
}

enum status field_check_text(const char *text, size_t size, struct failure *failure)
{
    if (!utf8_is_valid(text, size))
        return failure_set(failure, STATUS_INVALID, "the text is not UTF-8");
    if (size > 0 && memchr(text, 0, size))
        return failure_set(failure, STATUS_INVALID, "the text has a zero in it");
    return STATUS_OK;
}

enum status field_set_bytes(const struct schema_record *record, const struct schema_field *field,
                            const char *text, size_t size, void *head, struct failure *failure)
{
    assert(field->type == SCHEMA_BYTES);
    u8 *at = (u8 *)head + field->offset;
    if (field->flags & FIELD_TEXT) {
        // Of options a zero stays behind the text, so that it is a string; they may be names of
        // files, which are bytes of any kind.
        const bool is_option = record->kind == RECORD_OPTIONS;
        const u32 limit = field->count - (is_option ? 1 : 0);
        if (!is_option && field_check_text(text, size, failure)) return failure->status;
        if (size > limit) {
            return failure_set(failure, STATUS_INVALID,
                               "a text of %zu bytes is longer than %u bytes", size, limit);
        }
        memset(at, 0, field->count);
        if (size > 0) memcpy(at, text, size);
        return STATUS_OK;
    }
    size_t decoded = 0;
    enum status status = field_hex_decode(text, size, at, field->count, &decoded, failure);
    if (status) return status;
    if (decoded != field->count) {
        return failure_set(failure, STATUS_INVALID, "%zu bytes where %u are expected", decoded,
                           field->count);
    }
    return STATUS_OK;
}

// The end of the item of a list that begins at `begin`.
static size_t item_end(const char *text, size_t size, size_t begin)
{
    size_t end = begin;
    while (end < size && text[end] != ',' && text[end] != '|') end++;
    return end;
}

static enum status parse_flags(const struct schema_record *record, const struct schema_field *field,
                               const char *text, size_t size, void *head, struct failure *failure)
{
    if (text[0] >= '0' && text[0] <= '9')
        return field_set_number(record, field, 0, text, size, head, failure);
    for (size_t begin = 0; begin <= size;) {
        size_t end = item_end(text, size, begin);
        enum status status =
            field_add_flag(record, field, text + begin, end - begin, head, failure);
        if (status) return status;
        begin = end + 1;
    }
    return STATUS_OK;
}

static enum status parse_numbers(const struct schema_record *record,
                                 const struct schema_field *field, const char *text, size_t size,
                                 void *head, struct failure *failure)
{
    size_t begin = 0;
    for (u32 i = 0; i < field->count; i++) {
        size_t end = item_end(text, size, begin);
        if (begin > size || (i + 1 == field->count && end < size)) {
            return failure_set(failure, STATUS_INVALID, "%s has not %u numbers",
                               text_quote(text, size).text, field->count);
        }
        enum status status =
            field_set_number(record, field, i, text + begin, end - begin, head, failure);
        if (status) return status;
        begin = end + 1;
    }
    return STATUS_OK;
}

// True when the text is no number, so that it is read as a date.
static bool is_calendar(const struct schema_field *field, const char *text, size_t size)
{
    if (field->unit != UNIT_NANOSECONDS && field->unit != UNIT_DAYS) return false;
    for (size_t i = text[0] == '-' ? 1 : 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return true;
    }
    return false;
}

static enum status parse_calendar(const struct schema_field *field, const char *text, size_t size,
                                  void *head, struct failure *failure)
{
    char digits[NUMBER_SIZE_MAX];
    size_t digits_size = 0;
    u64 moment = 0;
    i32 day = 0;
    struct civil_error error = {0};
    const bool is_moment = field->unit == UNIT_NANOSECONDS;
    if (is_moment ? civil_parse_moment(text, size, &moment, &error)
                  : civil_parse_date(text, size, &day, &error)) {
        const bool is_day_end = (field->flags & FIELD_DAY_END) != 0 && !memchr(text, 'T', size);
        if (is_day_end) moment += MIN(NS_PER_DAY - 1, U64_MAX - moment);
        digits_size =
            is_moment ? number_print_u128(moment, digits) : number_print_i128(day, digits);
    } else {
        return failure_set(failure, STATUS_INVALID, "%s is no %s: at character %zu %s",
                           text_quote(text, size).text,
                           is_moment ? "moment such as 2026-11-21 or 2026-11-21T09:30:00Z, nor "
                                       "nanoseconds since 1970"
                                     : "date such as 2026-11-21, nor days since 1970",
                           utf8_count(text, error.offset) + 1, error.rule);
    }
    if (schema_type_is_signed(field->type))
        return set_signed(field, 0, digits, digits_size, head, failure);
    u128 value = 0;
    if (number_parse_u128(digits, digits_size, &value) || value > schema_field_max(field))
        return refuse(text, size, "is out of range", failure);
    field_set(field, 0, head, value);
    return STATUS_OK;
}

static enum status parse_bool(const struct schema_field *field, const char *text, size_t size,
                              void *head, struct failure *failure)
{
    const bool is_true = size == 4 && memcmp(text, "true", 4) == 0;
    if (!is_true && (size != 5 || memcmp(text, "false", 5) != 0))
        return refuse(text, size, "is neither true nor false", failure);
    field_set(field, 0, head, is_true);
    return STATUS_OK;
}

enum status field_parse(const struct schema_record *record, const struct schema_field *field,
                        const char *text, size_t size, void *head, struct failure *failure)
{
    assert(!schema_field_is_reserved(field));
    if (field->type == SCHEMA_ARRAY || field->type == SCHEMA_BLOB)
        return failure_set(failure, STATUS_INVALID, "it can only be given in JSON");
    memset((u8 *)head + field->offset, 0, field->size);
    if (size == 0) return STATUS_OK;
    if (field->type == SCHEMA_BYTES)
        return field_set_bytes(record, field, text, size, head, failure);
    if (field->type == SCHEMA_BOOL) return parse_bool(field, text, size, head, failure);
    if (schema_field_flags(record, field))
        return parse_flags(record, field, text, size, head, failure);
    bool is_name = text[0] < '0' || text[0] > '9';
    if (is_name && schema_field_enumeration(record, field))
        return field_set_name(record, field, text, size, head, failure);
    if (field->count > 1) return parse_numbers(record, field, text, size, head, failure);
    if (is_calendar(field, text, size)) return parse_calendar(field, text, size, head, failure);
    return field_set_number(record, field, 0, text, size, head, failure);
}

size_t field_text_size(const struct schema_field *field, const void *head)
{
    const u8 *at = (const u8 *)head + field->offset;
    size_t size = field->count;
    while (size > 0 && at[size - 1] == 0) size--;
    return size;
}

static void print_flags(const struct schema_flags *flags, u64 value, enum field_style style,
                        struct text *out)
{
    if (value & ~schema_flags_mask(flags)) {
        text_append_u128(out, value);
        return;
    }
    if (value == 0 && style == FIELD_STYLE_EXACT) text_append_char(out, '0');
    bool first = true;
    for (u32 i = 0; i < flags->row_count; i++) {
        if ((value >> flags->rows[i].bit & 1) == 0) continue;
        if (!first) text_append_char(out, '|');
        text_append_string(out, schema_lower(flags->rows[i].name).text);
        first = false;
    }
}

static void print_bytes(const struct schema_field *field, const void *head, enum field_style style,
                        struct text *out)
{
    const char *at = (const char *)head + field->offset;
    size_t size = field_text_size(field, head);
    if ((field->flags & FIELD_TEXT) && utf8_is_valid(at, size) &&
        !memchr(at, 0, MAX(size, 1) - 1)) {
        text_append(out, at, size);
    } else {
        const u32 most = style == FIELD_STYLE_HUMAN ? 8 : field->count;
        text_append_hex(out, at, MIN(field->count, most));
        if (field->count > most) text_append_string(out, "\u2026"); // An ellipsis.
    }
}

// 1234567 as "1,234,567".
static void print_grouped(u128 value, struct text *out)
{
    char digits[NUMBER_SIZE_MAX];
    const size_t size = number_print_u128(value, digits);
    for (size_t i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0) text_append_char(out, ',');
        text_append_char(out, digits[i]);
    }
}

static void print_decimals(u128 value, u32 decimals, struct text *out)
{
    u128 unit = 1;
    for (u32 i = 0; i < decimals; i++) unit *= 10;
    text_append_u128(out, value / unit);
    if (unit > 1) text_append_char(out, '.');
    for (unit /= 10; unit > 0; unit /= 10) text_append_u128(out, value / unit % 10);
}

void field_print_decimal(const struct schema_field *field, u128 value, struct text *out)
{
    print_decimals(value, field->decimals, out);
}

// How many digits of an amount are behind the point: what the record's field `scale` says.
static u32 amount_decimals(const struct schema_record *record, const struct schema_field *field,
                           const void *head)
{
    const u32 scale_max = 18;
    if (field->unit != UNIT_MINOR) return 0;
    const struct schema_field *scale = schema_find_field(record, "scale", 5);
    return scale == NULL ? 0 : (u32)MIN(field_get(scale, 0, head), scale_max);
}

// True when the number was printed as a moment or a date.
static bool print_calendar(const struct schema_field *field, u128 value, struct text *out)
{
    if (field->unit == UNIT_NANOSECONDS && value <= U64_MAX) {
        char moment[CIVIL_MOMENT_SIZE];
        if (value != 0) text_append(out, moment, civil_print_moment((u64)value, moment));
        return true;
    }
    i128 day = (i128)value;
    if (field->unit == UNIT_DAYS && day >= CIVIL_DAY_MIN && day <= CIVIL_DAY_MAX) {
        char date[CIVIL_DATE_SIZE];
        civil_print_date((i32)day, date);
        text_append_string(out, date);
        return true;
    }
    return false;
}

void field_print(const struct schema_record *record, const struct schema_field *field,
                 const void *head, enum field_style style, struct text *out)
{
    if (field->type == SCHEMA_BYTES) {
        print_bytes(field, head, style, out);
        return;
    }
    if (field->type == SCHEMA_BOOL) {
        text_append_string(out, field_get(field, 0, head) != 0 ? "true" : "false");
        return;
    }
    if (field_is_none(field, head)) return;
    const struct schema_flags *flags = schema_field_flags(record, field);
    if (flags) {
        print_flags(flags, (u64)field_get(field, 0, head), style, out);
        return;
    }
    const struct schema_enumeration *values = schema_field_enumeration(record, field);
    const struct schema_value *named =
        values ? schema_find_value_number(values, (u32)field_get(field, 0, head)) : NULL;
    if (named && field_get(field, 0, head) == named->number) {
        text_append_string(out, schema_lower(named->name).text);
        return;
    }
    for (u32 i = 0; i < field->count; i++) {
        u128 value = field_get(field, i, head);
        if (i > 0) text_append_char(out, '|');
        if (style == FIELD_STYLE_HUMAN && print_calendar(field, value, out)) continue;
        bool is_much = field->unit == UNIT_COUNT || field->unit == UNIT_BYTES;
        if (schema_type_is_signed(field->type)) {
            text_append_i128(out, (i128)value);
        } else if (is_much && field->decimals == 0 && style == FIELD_STYLE_HUMAN) {
            print_grouped(value, out);
        } else if (style == FIELD_STYLE_HUMAN && field->unit == UNIT_MINOR) {
            print_decimals(value, amount_decimals(record, field, head), out);
        } else {
            field_print_decimal(field, value, out);
        }
    }
}
