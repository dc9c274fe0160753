// SPDX-License-Identifier: Apache-2.0
//
// Records from command-line arguments, and the help text that tells how.
#include "codec/number.h"
#include "codec/record_text.h"

#include <stdio.h>

#define LINE_WIDTH_MAX 80u
#define DOC_COLUMN     30u

// What the arguments are read into.
struct line {
    struct record_arguments *parts;
    u32 part_count;
    const char *command;
};

// A field of one of the parts; `part` is null when there is none.
struct place {
    struct record_arguments *part;
    const struct schema_field *field;
};

// One argument taken apart; `value` is null when it has none.
struct argument {
    const char *text;
    const char *name; // Without its dashes.
    size_t name_size;
    const char *value;
    bool is_flag;
};

struct schema_name record_flag_name(const struct schema_field *field)
{
    const bool is_word = (field->flags & FIELD_WORD) != 0;
    const struct schema_name lower =
        schema_lower(is_word && field->value ? field->value : field->name);
    struct schema_name name = {{0}};
    struct text out = text_init(name.text, sizeof name.text - 1);
    if (!is_word) text_append_string(&out, "--");
    for (const char *c = lower.text; *c; c++) {
        static const char small[] = "abcdefghijklmnopqrstuvwxyz_";
        static const char capital[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-";
        const char *at = is_word || *c == '_' ? strchr(small, *c) : NULL;
        if (at != NULL) text_append_char(&out, capital[at - small]);
        else text_append_char(&out, *c);
    }
    assert(!text_overflowed(&out));
    return name;
}

static size_t field_index(const struct record_arguments *part, const struct schema_field *field)
{
    return (size_t)(field - part->record->fields);
}

static bool is_given(const struct record_arguments *part, const struct schema_field *field)
{
    const size_t index = field_index(part, field);
    return (part->given[index / 64] >> (index % 64) & 1) != 0;
}

static bool is_argument(const struct schema_field *field)
{
    if (schema_field_is_reserved(field) || field->type == SCHEMA_BLOB) return false;
    if (field->flags & FIELD_OUTPUT) return false;
    return field->type != SCHEMA_ARRAY || (field->flags & FIELD_WORD);
}

bool record_is_flag(const struct schema_field *field)
{
    return is_argument(field) && (field->flags & FIELD_WORD) == 0;
}

static struct argument take_apart(const char *text)
{
    struct argument argument = {.text = text, .is_flag = strncmp(text, "--", 2) == 0};
    argument.name = text + (argument.is_flag ? 2 : 0);
    argument.name_size = strcspn(argument.name, "=");
    if (argument.name[argument.name_size] == '=')
        argument.value = argument.name + argument.name_size + 1;
    return argument;
}

// The field that is typed with this name.
static struct place find_flag(const struct line *line, const struct argument *argument)
{
    if (!argument->is_flag && !argument->value) return (struct place){0};
    for (u32 i = 0; i < line->part_count; i++) {
        const struct schema_field *field =
            schema_find_field(line->parts[i].record, argument->name, argument->name_size);
        if (field && record_is_flag(field)) return (struct place){&line->parts[i], field};
    }
    return (struct place){0};
}

// The first field that satisfies the flags and is not given yet; an array takes more than one.
static struct place find_open(const struct line *line, u32 flags)
{
    for (u32 i = 0; i < line->part_count; i++) {
        struct record_arguments *part = &line->parts[i];
        for (u32 j = 0; j < part->record->field_count; j++) {
            const struct schema_field *field = &part->record->fields[j];
            const bool is_open = field->type == SCHEMA_ARRAY || !is_given(part, field);
            if (is_argument(field) && (field->flags & flags) && is_open)
                return (struct place){part, field};
        }
    }
    return (struct place){0};
}

static const struct schema_field *find_nearest(const struct line *line,
                                               const struct argument *argument)
{
    const struct schema_field *nearest = NULL;
    u32 nearest_distance = UINT32_MAX;
    for (u32 i = 0; i < line->part_count; i++) {
        const struct schema_field *field =
            schema_nearest_field(line->parts[i].record, argument->name, argument->name_size);
        if (!field || !record_is_flag(field)) continue;
        const u32 distance = schema_edit_distance(field->name, strlen(field->name), argument->name,
                                                  argument->name_size);
        if (distance < nearest_distance) nearest = field;
        nearest_distance = MIN(nearest_distance, distance);
    }
    return nearest;
}

static enum status refuse_flag(const struct line *line, const struct argument *argument,
                               struct failure *failure)
{
    // As it was typed: the quotes are left out.
    const size_t size = (size_t)(argument->name - argument->text) + argument->name_size;
    struct text_quoted name = text_quote(argument->text, size);
    name.text[strlen(name.text) - 1] = 0;
    failure_note(failure, STATUS_INVALID, "%s is no flag of %s", name.text + 1, line->command);
    const struct schema_field *nearest = find_nearest(line, argument);
    const struct place missing = find_open(line, FIELD_REQUIRED);
    if (nearest) {
        failure_hint(failure, "did you mean %s?", record_flag_name(nearest).text);
    } else if (argument->text[0] != '-' && missing.part) {
        failure_hint(failure, "did you mean %s %s?", record_flag_name(missing.field).text,
                     name.text + 1);
    }
    return STATUS_INVALID;
}

static enum status refuse_empty(const struct schema_field *field, struct failure *failure)
{
    failure_note(failure, STATUS_INVALID, "%s needs a value", record_flag_name(field).text);
    failure_hint(failure, "%s: %s", record_flag_name(field).text, field->doc);
    return STATUS_INVALID;
}

// Notes a name that stands for the number of a field.
static enum status take_name(struct record_references *references,
                             const struct schema_record *record, const struct schema_field *field,
                             u8 *head, const char *name, size_t size, struct failure *failure)
{
    if (references == NULL || references->count == RECORD_REFERENCES_MAX) {
        return failure_set(failure, STATUS_INVALID,
                           references == NULL ? "a number is due here, not a name"
                                              : "there are too many names");
    }
    if (size == 0) return failure_set(failure, STATUS_INVALID, "no name follows the @");
    references->items[references->count++] = (struct record_reference){
        .record = record, .field = field, .head = head, .name = name, .name_size = (u32)size};
    return STATUS_OK;
}

static bool refers_to(const struct schema_field *field, const char *what)
{
    return field->refers_to != NULL && strcmp(field->refers_to, what) == 0;
}

// The field of a record that refers to this, or null.
static const struct schema_field *find_reference(const struct schema_record *record,
                                                 const char *what)
{
    for (u32 i = 0; i < record->field_count; i++) {
        if (refers_to(&record->fields[i], what)) return &record->fields[i];
    }
    return NULL;
}

// An item that begins with the name of an account. A name has colons itself, so the fields behind
// it are taken from the end.
static enum status take_named_item(struct record_references *references,
                                   const struct schema_record *item, const char *value, u8 *out,
                                   struct failure *failure)
{
    const struct schema_field *account = find_reference(item, "account");
    size_t end = strlen(value);
    if (account == NULL) {
        return failure_set(failure, STATUS_INVALID, "a number is due here, not a name");
    }
    for (u32 i = item->field_count; i-- > 0;) {
        const struct schema_field *field = &item->fields[i];
        if (schema_field_is_reserved(field) || field->refers_to != NULL) continue;
        size_t begin = end;
        while (begin > 0 && value[begin - 1] != ':') begin--;
        if (begin == 0 || begin == end) {
            return failure_set(failure, STATUS_INVALID,
                               "%s is missing: fields are parted by colons", field->name);
        }
        const enum status status =
            field_parse(item, field, value + begin, end - begin, out, failure);
        if (status != STATUS_OK) return failure_wrap(failure, "%s", field->name);
        end = begin - 1;
    }
    return take_name(references, item, account, out, value + 1, end == 0 ? 0 : end - 1, failure);
}

// An item of several fields is typed as one word, its fields in their order with colons between
// them; the last one may have colons of its own.
static enum status take_item(const struct schema_record *item, const char *value, u8 *out,
                             struct failure *failure)
{
    const struct schema_field *last = NULL;
    for (u32 i = 0; i < item->field_count; i++) {
        if (!schema_field_is_reserved(&item->fields[i])) last = &item->fields[i];
    }
    for (const struct schema_field *field = item->fields;; field++) {
        if (schema_field_is_reserved(field)) continue;
        const size_t size = field == last ? strlen(value) : strcspn(value, ":");
        if (size == 0 || (field != last && value[size] == 0)) {
            const struct schema_field *missing = size == 0 ? field : field + 1;
            while (schema_field_is_reserved(missing)) missing++;
            return failure_set(failure, STATUS_INVALID,
                               "%s is missing: fields are parted by colons", missing->name);
        }
        const enum status status = field_parse(item, field, value, size, out, failure);
        if (status != STATUS_OK) {
            return field == item->fields ? status : failure_wrap(failure, "%s", field->name);
        }
        if (field == last) return STATUS_OK;
        value += size + 1;
    }
}

static enum status take_value(const struct place *place, const char *value, struct failure *failure)
{
    struct record_arguments *part = place->part;
    const struct schema_field *field = place->field;
    const size_t index = field_index(part, field);
    part->given[index / 64] |= 1ull << (index % 64);
    const struct schema_record *record = part->record;
    u8 *head = part->head;
    if (field->type == SCHEMA_ARRAY) {
        const u32 count = (u32)field_get(field, 0, head);
        if (count == field->count_max) {
            return failure_set(failure, STATUS_INVALID, "more than %u %s", field->count_max,
                               field->name);
        }
        field_set(field, 0, head, count + 1);
        const struct schema_record *item = schema_field_item(record, field);
        head += record->size + (size_t)count * item->size;
        memset(head, 0, item->size);
        if (value[0] == 0) return refuse_empty(field, failure);
        const enum status status =
            value[0] == '@' ? take_named_item(part->references, item, value, head, failure)
                            : take_item(item, value, head, failure);
        return status == STATUS_OK
                   ? STATUS_OK
                   : failure_wrap(failure, "%s", record_flag_name(place->field).text);
    }
    // An empty value is a shell's variable that was not set; only a record's text may be empty.
    if (value[0] == 0 && (!(field->flags & FIELD_TEXT) || record->kind == RECORD_OPTIONS))
        return refuse_empty(place->field, failure);
    const bool is_name = field->refers_to != NULL && value[0] == '@';
    const enum status status =
        is_name ? take_name(part->references, record, field, head, value + 1, strlen(value) - 1,
                            failure)
                : field_parse(record, field, value, strlen(value), head, failure);
    return status ? failure_wrap(failure, "%s", record_flag_name(place->field).text) : STATUS_OK;
}

static enum status take_word(const struct line *line, const struct argument *argument,
                             struct failure *failure)
{
    const struct place place = find_open(line, FIELD_WORD);
    if (place.part) return take_value(&place, argument->text, failure);
    for (u32 i = 0; i < line->part_count; i++) {
        for (u32 j = 0; j < line->parts[i].record->field_count; j++) {
            if ((line->parts[i].record->fields[j].flags & FIELD_WORD) == 0) continue;
            return failure_set(failure, STATUS_INVALID, "%s is one word too many",
                               text_quote(argument->text, strlen(argument->text)).text);
        }
    }
    return refuse_flag(line, argument, failure);
}

// What stands where nothing is given.
static void set_initial(struct record_arguments *part)
{
    memset(part->head, 0, part->record->size);
    memset(part->given, 0, sizeof part->given);
    for (u32 i = 0; i < part->record->field_count; i++) {
        const struct schema_field *field = &part->record->fields[i];
        struct failure failure;
        if (!field->initial) continue;
        const enum status status = field_parse(part->record, field, field->initial,
                                               strlen(field->initial), part->head, &failure);
        assert(status == STATUS_OK); // The module's test parses them all.
    }
}

// The name of an account tells its book, which is not given a second time then.
static enum status books_are_given(struct record_arguments *part, struct failure *failure)
{
    for (u32 i = 0; part->references != NULL && i < part->references->count; i++) {
        const struct record_reference *reference = &part->references->items[i];
        if (reference->head != part->head || !refers_to(reference->field, "account")) continue;
        const struct schema_field *book = find_reference(part->record, "book");
        if (book == NULL) continue;
        if (is_given(part, book)) {
            return failure_set(failure, STATUS_INVALID, "%s is told by the name of the account",
                               record_flag_name(book).text);
        }
        const size_t index = field_index(part, book);
        part->given[index / 64] |= 1ull << (index % 64);
    }
    return STATUS_OK;
}

enum status record_parse_arguments(struct record_arguments *parts, u32 part_count,
                                   const char *command, int argc, const char *const *argv,
                                   struct failure *failure)
{
    const struct line line = {.parts = parts, .part_count = part_count, .command = command};
    for (u32 i = 0; i < part_count; i++) set_initial(&parts[i]);
    for (int i = 0; i < argc; i++) {
        struct argument argument = take_apart(argv[i]);
        const struct place place = find_flag(&line, &argument);
        enum status status = STATUS_OK;
        if (!place.part) {
            // A word may have an equals sign in it, as names of files do.
            bool is_flag = argv[i][0] == '-' && argv[i][1] != 0;
            status = is_flag ? refuse_flag(&line, &argument, failure)
                             : take_word(&line, &argument, failure);
            if (status) return status;
            continue;
        }
        if (is_given(place.part, place.field)) {
            return failure_set(failure, STATUS_INVALID, "%s is given twice",
                               record_flag_name(place.field).text);
        }
        if (!argument.value && place.field->type == SCHEMA_BOOL) argument.value = "true";
        bool follows = i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0;
        if (!argument.value && follows) argument.value = argv[++i];
        if (!argument.value) return refuse_empty(place.field, failure);
        status = take_value(&place, argument.value, failure);
        if (status) return status;
    }
    for (u32 i = 0; i < part_count; i++) {
        const enum status status = books_are_given(&parts[i], failure);
        if (status) return status;
    }
    return STATUS_OK;
}

enum status record_check_arguments(const struct record_arguments *part, struct failure *failure)
{
    const struct schema_field *first = NULL;
    u32 count = 0;
    char names[256];
    struct text out = text_init(names, sizeof names - 1);
    for (u32 i = 0; i < part->record->field_count; i++) {
        const struct schema_field *field = &part->record->fields[i];
        const bool is_required = field_is_required(part->record, field, part->head);
        if (!is_required || field->initial || is_given(part, field)) continue;
        if (count++ > 0) text_append_string(&out, ", ");
        else first = field;
        text_append_string(&out, record_flag_name(field).text);
    }
    if (count == 0) return STATUS_OK;
    names[MIN(out.size, out.capacity)] = 0;
    failure_note(failure, STATUS_INVALID, "%s %s missing", names, count == 1 ? "is" : "are");
    if (count == 1) failure_hint(failure, "%s: %s", names, first->doc);
    return STATUS_INVALID;
}

bool record_is_given(const struct record_arguments *part, size_t offset)
{
    for (u32 i = 0; i < part->record->field_count; i++) {
        const struct schema_field *field = &part->record->fields[i];
        if (field->offset == offset) return is_given(part, field);
    }
    assert(false); // No field begins there.
    return false;
}

bool record_is_any_given(const struct record_arguments *part)
{
    return !is_zero(part->given, sizeof part->given);
}

const char *record_value_name(const struct schema_record *record, const struct schema_field *field)
{
    if (field->value) return field->value;
    if (field->refers_to) return "N|@NAME";
    if (field->type == SCHEMA_BOOL) return "";
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

void record_print_usage(const struct schema_record *record, struct text *out)
{
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        const bool is_word = is_argument(field) && (field->flags & FIELD_WORD);
        if (!is_word && ((field->flags & FIELD_REQUIRED) == 0 || field->initial)) continue;
        const bool is_needed = (field->flags & FIELD_REQUIRED) != 0;
        text_append_format(out, is_needed ? " %s" : " [%s", record_flag_name(field).text);
        if (!is_word) text_append_format(out, " %s", record_value_name(record, field));
        if (field->type == SCHEMA_ARRAY) text_append_string(out, "...");
        if (!is_needed) text_append_char(out, ']');
    }
}

static const char *value_note(const struct schema_field *field)
{
    switch (field->unit) {
    case UNIT_NANOSECONDS:
        return field->flags & FIELD_DAY_END
                   ? " ISO 8601 (a date is the end of that day) or nanoseconds since 1970."
                   : " ISO 8601 or nanoseconds since 1970.";
    case UNIT_DAYS: return " ISO 8601 or days since 1970.";
    case UNIT_BASIS_POINTS: return " Basis points.";
    case UNIT_PARTS_PER_BILLION: return " Parts per billion.";
    default: return "";
    }
}

static void append_wrapped(struct text *out, const char *words, size_t *column)
{
    text_append_wrapped(out, words, DOC_COLUMN, LINE_WIDTH_MAX, column);
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

// "1 to 60.", "At least 1.", "At most 60."; a bound that nobody meets is left out.
static void append_bounds(const struct schema_field *field, struct text *out, size_t *column)
{
    char words[2 * NUMBER_SIZE_MAX + 16];
    char limit[NUMBER_SIZE_MAX];
    struct text text = text_init(words, sizeof words - 1);
    const u128 max = field->max > 1000000000000u ? 0 : field->max;
    if (field->min == 0 && max == 0) return;
    if (max == 0) text_append_string(&text, "At least ");
    if (field->min != 0) {
        (void)number_print_u128(field->min, limit);
        text_append_string(&text, limit);
    }
    if (max != 0) {
        (void)number_print_u128(max, limit);
        text_append_format(&text, field->min == 0 ? "At most %s" : " to %s", limit);
    }
    text_append_char(&text, '.');
    words[text.size] = 0;
    append_wrapped(out, words, column);
}

static void print_field_help(const struct schema_record *record, const struct schema_field *field,
                             struct text *out)
{
    const struct schema_name name = record_flag_name(field);
    const char *value = field->flags & FIELD_WORD ? "" : record_value_name(record, field);
    size_t column = 2 + strlen(name.text) + strlen(value) + (value[0] ? 1 : 0);
    text_append_format(out, "  %s%s%s", name.text, value[0] ? " " : "", value);
    if (column + 2 > DOC_COLUMN) {
        text_append_char(out, '\n');
        column = 0;
    }
    text_append_repeated(out, ' ', DOC_COLUMN - column);
    column = DOC_COLUMN;
    append_wrapped(out, field->doc, &column);
    append_wrapped(out, value_note(field), &column);
    append_names(record, field, out, &column);
    append_bounds(field, out, &column);
    if (field->initial) {
        append_wrapped(out, field->initial, &column);
        append_wrapped(out, "when not given.", &column);
    } else if (field->waived_by) {
        struct schema_name waived;
        (void)snprintf(waived.text, sizeof waived.text, "%.90s)", field->waived_by);
        append_wrapped(out, "(required without", &column);
        append_wrapped(out, waived.text, &column);
    } else if (field->flags & FIELD_REQUIRED) {
        append_wrapped(out, "(required)", &column);
    }
    text_append_char(out, '\n');
}

void record_print_help(const struct schema_record *record, struct text *out)
{
    for (u32 i = 0; i < record->field_count; i++) {
        if (is_argument(&record->fields[i])) print_field_help(record, &record->fields[i], out);
    }
}
