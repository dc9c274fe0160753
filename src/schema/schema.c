// SPDX-License-Identifier: Apache-2.0
//
// Descriptors: look-ups by name and number, names in lower case, nearest names, state machines.
#include "schema/schema.h"

static char fold(char c)
{
    if (c >= 'A' && c <= 'Z') return (char)(c - 'A' + 'a');
    if (c == '-') return '_';
    return c;
}

struct schema_name schema_lower(const char *name)
{
    struct schema_name lower;
    size_t size = strlen(name);
    assert(size < sizeof lower.text);
    for (size_t i = 0; i < size; i++) lower.text[i] = fold(name[i]);
    lower.text[size] = 0;
    return lower;
}

bool schema_name_equal(const char *name, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (name[i] == 0 || fold(name[i]) != fold(text[i])) return false;
    }
    return name[size] == 0;
}

const struct schema_record *schema_find_record(const struct schema_module *module, const char *name)
{
    size_t size = strlen(name);
    for (u32 i = 0; i < module->record_count; i++) {
        if (schema_name_equal(module->records[i]->name, name, size)) return module->records[i];
    }
    return NULL;
}

const struct schema_record *schema_find_record_number(const struct schema_module *module,
                                                      u32 number)
{
    for (u32 i = 0; i < module->record_count; i++) {
        if (module->records[i]->number == number) return module->records[i];
    }
    return NULL;
}

const struct schema_field *schema_find_field(const struct schema_record *record, const char *text,
                                             size_t size)
{
    for (u32 i = 0; i < record->field_count; i++) {
        if (schema_name_equal(record->fields[i].name, text, size)) return &record->fields[i];
    }
    return NULL;
}

const struct schema_flags *schema_find_flags(const struct schema_module *module, const char *name)
{
    size_t size = strlen(name);
    for (u32 i = 0; i < module->flags_count; i++) {
        if (schema_name_equal(module->flags[i]->name, name, size)) return module->flags[i];
    }
    return NULL;
}

const struct schema_enumeration *schema_find_enumeration(const struct schema_module *module,
                                                         const char *name)
{
    size_t size = strlen(name);
    for (u32 i = 0; i < module->enumeration_count; i++) {
        if (schema_name_equal(module->enumerations[i]->name, name, size))
            return module->enumerations[i];
    }
    return NULL;
}

const struct schema_results *schema_find_results(const struct schema_module *module,
                                                 const char *name)
{
    size_t size = strlen(name);
    for (u32 i = 0; i < module->results_count; i++) {
        if (schema_name_equal(module->results[i]->name, name, size)) return module->results[i];
    }
    return NULL;
}

const struct schema_machine *schema_find_machine(const struct schema_module *module,
                                                 const char *name)
{
    size_t size = strlen(name);
    for (u32 i = 0; i < module->machine_count; i++) {
        if (schema_name_equal(module->machines[i]->name, name, size)) return module->machines[i];
    }
    return NULL;
}

const struct schema_flag *schema_find_flag(const struct schema_flags *flags, const char *text,
                                           size_t size)
{
    for (u32 i = 0; i < flags->row_count; i++) {
        if (schema_name_equal(flags->rows[i].name, text, size)) return &flags->rows[i];
    }
    return NULL;
}

const struct schema_value *schema_find_value(const struct schema_enumeration *enumeration,
                                             const char *text, size_t size)
{
    for (u32 i = 0; i < enumeration->row_count; i++) {
        if (schema_name_equal(enumeration->rows[i].name, text, size)) return &enumeration->rows[i];
    }
    return NULL;
}

const struct schema_value *schema_find_value_number(const struct schema_enumeration *enumeration,
                                                    u32 number)
{
    for (u32 i = 0; i < enumeration->row_count; i++) {
        if (enumeration->rows[i].number == number) return &enumeration->rows[i];
    }
    return NULL;
}

const struct schema_result *schema_find_result(const struct schema_results *results, u32 number)
{
    for (u32 i = 0; i < results->row_count; i++) {
        if (results->rows[i].number == number) return &results->rows[i];
    }
    return NULL;
}

const struct schema_result *schema_find_result_name(const struct schema_results *results,
                                                    const char *name)
{
    size_t size = strlen(name);
    for (u32 i = 0; i < results->row_count; i++) {
        if (schema_name_equal(results->rows[i].name, name, size)) return &results->rows[i];
    }
    return NULL;
}

const struct schema_flags *schema_field_flags(const struct schema_record *record,
                                              const struct schema_field *field)
{
    return field->enumeration ? schema_find_flags(record->module, field->enumeration) : NULL;
}

const struct schema_enumeration *schema_field_enumeration(const struct schema_record *record,
                                                          const struct schema_field *field)
{
    return field->enumeration ? schema_find_enumeration(record->module, field->enumeration) : NULL;
}

const struct schema_record *schema_field_item(const struct schema_record *record,
                                              const struct schema_field *field)
{
    return field->item ? schema_find_record(record->module, field->item) : NULL;
}

const struct schema_record *schema_record_views(const struct schema_record *record)
{
    return record->views ? schema_find_record(record->module, record->views) : NULL;
}

u64 schema_flags_mask(const struct schema_flags *flags)
{
    u64 mask = 0;
    for (u32 i = 0; i < flags->row_count; i++) mask |= 1ull << flags->rows[i].bit;
    return mask;
}

static const struct {
    const char *name;
    u32 size;
    bool is_number;
    bool is_signed;
} types[] = {
    [SCHEMA_U8] = {"u8", 1, true, false},        [SCHEMA_U16] = {"u16", 2, true, false},
    [SCHEMA_U32] = {"u32", 4, true, false},      [SCHEMA_U64] = {"u64", 8, true, false},
    [SCHEMA_U128] = {"u128", 16, true, false},   [SCHEMA_I32] = {"i32", 4, true, true},
    [SCHEMA_I64] = {"i64", 8, true, true},       [SCHEMA_I128] = {"i128", 16, true, true},
    [SCHEMA_BOOL] = {"bool", 1, false, false},   [SCHEMA_BYTES] = {"bytes", 1, false, false},
    [SCHEMA_ARRAY] = {"array", 4, false, false}, [SCHEMA_BLOB] = {"blob", 4, false, false},
};

bool schema_type_is_signed(enum schema_type type)
{
    assert((size_t)type < ARRAY_COUNT(types));
    return types[type].is_signed;
}

bool schema_type_is_number(enum schema_type type)
{
    assert((size_t)type < ARRAY_COUNT(types));
    return types[type].is_number;
}

u32 schema_type_size(enum schema_type type)
{
    assert((size_t)type < ARRAY_COUNT(types));
    return types[type].size;
}

const char *schema_type_name(enum schema_type type)
{
    assert((size_t)type < ARRAY_COUNT(types));
    return types[type].name;
}

u128 schema_field_max(const struct schema_field *field)
{
    assert(schema_type_is_number(field->type));
    if (field->max != 0) return field->max;
    u32 bits = 8 * schema_type_size(field->type) - (schema_type_is_signed(field->type) ? 1 : 0);
    return U128_MAX >> (128 - bits);
}

static const char *const unit_names[] = {
    [UNIT_NONE] = "",
    [UNIT_MINOR] = "minor units",
    [UNIT_SECONDS] = "seconds",
    [UNIT_NANOSECONDS] = "nanoseconds",
    [UNIT_DAYS] = "days",
    [UNIT_BYTES] = "bytes",
    [UNIT_COUNT] = "",
    [UNIT_BASIS_POINTS] = "basis points",
    [UNIT_PARTS_PER_BILLION] = "parts per billion",
};

const char *schema_unit_name(enum field_unit unit)
{
    assert((size_t)unit < ARRAY_COUNT(unit_names));
    return unit_names[unit];
}

static const char *const kind_names[] = {
    [RECORD_EVENT] = "event", [RECORD_COMMAND] = "command", [RECORD_RESULT] = "result",
    [RECORD_VIEW] = "view",   [RECORD_QUERY] = "query",     [RECORD_ITEM] = "item",
    [RECORD_STATE] = "state", [RECORD_OPTIONS] = "options",
};

const char *schema_kind_name(enum record_kind kind)
{
    assert((size_t)kind < ARRAY_COUNT(kind_names));
    return kind_names[kind];
}

u32 schema_edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    enum { LETTERS_MAX = 64 };
    a_size = MIN(a_size, LETTERS_MAX);
    b_size = MIN(b_size, LETTERS_MAX);
    // row[j] is the distance from the first i letters of a to the first j letters of b.
    u32 row[LETTERS_MAX + 1];
    for (u32 j = 0; j <= b_size; j++) row[j] = j;
    for (u32 i = 1; i <= a_size; i++) {
        u32 diagonal = row[0];
        row[0] = i;
        for (u32 j = 1; j <= b_size; j++) {
            u32 replaced = diagonal + (fold(a[i - 1]) != fold(b[j - 1]));
            diagonal = row[j];
            row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_size];
}

const struct schema_field *schema_nearest_field(const struct schema_record *record,
                                                const char *text, size_t size)
{
    const struct schema_field *nearest = NULL;
    u32 nearest_distance = UINT32_MAX;
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (schema_field_is_reserved(field)) continue;
        u32 distance = schema_edit_distance(field->name, strlen(field->name), text, size);
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = field;
        }
    }
    return nearest_distance <= MAX(size / 3, 1) ? nearest : NULL;
}

bool schema_machine_next(const struct schema_machine *machine, u32 from, u32 event, u32 *to)
{
    for (u32 i = 0; i < machine->row_count; i++) {
        const struct schema_transition *row = &machine->rows[i];
        if (row->from == from && row->event == event) {
            *to = row->to;
            return true;
        }
    }
    return false;
}
