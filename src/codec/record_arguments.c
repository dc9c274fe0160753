// SPDX-License-Identifier: Apache-2.0
//
// A record from command-line arguments, and the help text that tells how.
#include "codec/number.h"
#include "codec/record_text.h"

#define LINE_WIDTH_MAX 100u
#define DOC_COLUMN     30u

// One argument taken apart; `value` is null when it stands in the next argument.
struct argument {
    const char *name;
    size_t name_size;
    const char *value;
};

// The flag as it is typed: `--debit-account-id`.
static struct schema_name flag_name(const struct schema_field *field)
{
    struct schema_name name = schema_lower(field->name);
    for (char *c = name.text; *c; c++) {
        if (*c == '_') *c = '-';
    }
    return name;
}

static enum status take_apart(const char *text, struct argument *argument, struct failure *failure)
{
    bool is_flag = strncmp(text, "--", 2) == 0;
    argument->name = text + (is_flag ? 2 : 0);
    argument->name_size = strcspn(argument->name, "=");
    argument->value = NULL;
    if (argument->name[argument->name_size] == '=')
        argument->value = argument->name + argument->name_size + 1;
    if (argument->name_size == 0 || (!is_flag && !argument->value)) {
        failure_note(failure, STATUS_INVALID, "%s is neither --field value nor field=value",
                     text_quote(text, strlen(text)).text);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status unknown_field(const struct schema_record *record,
                                 const struct argument *argument, struct failure *failure)
{
    failure_note(failure, STATUS_INVALID, "%s has no field %s", record->name,
                 text_quote(argument->name, argument->name_size).text);
    const struct schema_field *nearest =
        schema_nearest_field(record, argument->name, argument->name_size);
    if (nearest) failure_hint(failure, "did you mean --%s?", flag_name(nearest).text);
    return STATUS_INVALID;
}

static enum status check_required(const struct schema_record *record, const u64 *seen,
                                  struct failure *failure)
{
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        bool given = (seen[i / 64] >> (i % 64) & 1) != 0;
        if (given || (field->flags & FIELD_REQUIRED) == 0) continue;
        failure_note(failure, STATUS_INVALID, "--%s is required and missing",
                     flag_name(field).text);
        failure_hint(failure, "%s: %s", field->name, field->doc);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

enum status record_parse_arguments(const struct schema_record *record, int argc,
                                   const char *const *argv, void *head, struct failure *failure)
{
    u64 seen[SCHEMA_FIELDS_MAX / 64] = {0};
    memset(head, 0, record->size);
    for (int i = 0; i < argc; i++) {
        struct argument argument;
        enum status status = take_apart(argv[i], &argument, failure);
        if (status) return status;
        const struct schema_field *field =
            schema_find_field(record, argument.name, argument.name_size);
        if (!field || schema_field_is_reserved(field))
            return unknown_field(record, &argument, failure);
        size_t index = (size_t)(field - record->fields);
        u64 bit = 1ull << (index % 64);
        if (seen[index / 64] & bit) {
            return failure_set(failure, STATUS_INVALID, "--%s is given twice",
                               flag_name(field).text);
        }
        seen[index / 64] |= bit;
        bool follows = i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0;
        if (!argument.value && follows) argument.value = argv[++i];
        // An empty value is a shell's variable that was not set; only a text may be empty.
        if (!argument.value || (argument.value[0] == 0 && (field->flags & FIELD_TEXT) == 0)) {
            failure_note(failure, STATUS_INVALID, "--%s has no value", flag_name(field).text);
            failure_hint(failure, "%s: %s", field->name, field->doc);
            return STATUS_INVALID;
        }
        status = field_parse(record, field, argument.value, strlen(argument.value), head, failure);
        if (status) return status;
    }
    return check_required(record, seen, failure);
}

// The kind of value, in capitals, as help texts have it.
static const char *placeholder(const struct schema_record *record, const struct schema_field *field)
{
    if (schema_field_flags(record, field)) return "NAME,...";
    if (schema_field_enumeration(record, field)) return "NAME";
    if (field->type == SCHEMA_BYTES) return field->flags & FIELD_TEXT ? "TEXT" : "HEX";
    if (field->count > 1) return "N,...";
    switch (field->unit) {
    case UNIT_NANOSECONDS: return "MOMENT";
    case UNIT_DAYS: return "DATE";
    case UNIT_SECONDS: return "SECONDS";
    case UNIT_MINOR: return "AMOUNT";
    case UNIT_BYTES: return "BYTES";
    default: return "N";
    }
}

static const char *value_note(const struct schema_field *field)
{
    switch (field->unit) {
    case UNIT_NANOSECONDS: return " ISO 8601 or nanoseconds since 1970.";
    case UNIT_DAYS: return " ISO 8601 or days since 1970.";
    case UNIT_BASIS_POINTS: return " Basis points.";
    case UNIT_PARTS_PER_BILLION: return " Parts per billion.";
    default: return "";
    }
}

// Appends words so that no line passes LINE_WIDTH_MAX; the text starts in DOC_COLUMN.
static void append_wrapped(struct text *out, const char *words, size_t *column)
{
    while (*words) {
        size_t size = strcspn(words, " ");
        if (size > 0) {
            bool fresh = *column == DOC_COLUMN;
            if (!fresh && *column + 1 + size > LINE_WIDTH_MAX) {
                text_append_char(out, '\n');
                text_append_repeated(out, ' ', DOC_COLUMN);
                *column = DOC_COLUMN;
                fresh = true;
            }
            if (!fresh) text_append_char(out, ' ');
            text_append(out, words, size);
            *column += size + (fresh ? 0 : 1);
        }
        words += size + (words[size] == ' ' ? 1 : 0);
    }
}

static void append_names(const struct schema_record *record, const struct schema_field *field,
                         struct text *out, size_t *column)
{
    const struct schema_flags *flags = schema_field_flags(record, field);
    const struct schema_enumeration *values = schema_field_enumeration(record, field);
    if (!flags && !values) return;
    u32 count = flags ? flags->row_count : values->row_count;
    append_wrapped(out, flags ? "Any of" : "One of", column);
    for (u32 i = 0; i < count; i++) {
        struct schema_name name = schema_lower(flags ? flags->rows[i].name : values->rows[i].name);
        size_t size = strlen(name.text);
        assert(size + 1 < sizeof name.text);
        memcpy(name.text + size, i + 1 < count ? "," : ".", 2);
        append_wrapped(out, name.text, column);
    }
}

static void print_field_help(const struct schema_record *record, const struct schema_field *field,
                             struct text *out)
{
    const char *value = placeholder(record, field);
    struct schema_name name = flag_name(field);
    size_t column = 4 + strlen(name.text) + 1 + strlen(value);
    text_append_format(out, "  --%s %s", name.text, value);
    if (column + 2 > DOC_COLUMN) {
        text_append_char(out, '\n');
        column = 0;
    }
    text_append_repeated(out, ' ', DOC_COLUMN - column);
    column = DOC_COLUMN;
    append_wrapped(out, field->doc, &column);
    append_wrapped(out, value_note(field), &column);
    append_names(record, field, out, &column);
    if (field->max != 0) {
        char limit[NUMBER_SIZE_MAX + 16] = "At most ";
        size_t size = number_print_u128(field->max, limit + 8);
        memcpy(limit + 8 + size, ".", 2);
        append_wrapped(out, limit, &column);
    }
    append_wrapped(out, field->flags & FIELD_REQUIRED ? "(required)" : "", &column);
    text_append_char(out, '\n');
}

static bool is_argument(const struct schema_field *field)
{
    return !schema_field_is_reserved(field) && field->type != SCHEMA_ARRAY &&
           field->type != SCHEMA_BLOB;
}

void record_print_help(const struct schema_record *record, struct text *out)
{
    bool has_output = false;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        has_output |= is_argument(field) && (field->flags & FIELD_OUTPUT) != 0;
        if (is_argument(field) && (field->flags & FIELD_OUTPUT) == 0)
            print_field_help(record, field, out);
    }
    if (!has_output) return;
    text_append_string(out, "Filled in by the server, and refused where it says so:\n");
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (is_argument(field) && (field->flags & FIELD_OUTPUT) != 0)
            print_field_help(record, field, out);
    }
}
