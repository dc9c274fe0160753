// SPDX-License-Identifier: Apache-2.0
//
// C declarations from descriptors.
#include "codec/record_header.h"

#include <stdio.h>

static const char *type_name(enum schema_type type)
{
    switch (type) {
    case SCHEMA_U8: return "uint8_t";
    case SCHEMA_U16: return "uint16_t";
    case SCHEMA_U32:
    case SCHEMA_ARRAY:
    case SCHEMA_BLOB: return "uint32_t";
    case SCHEMA_U64: return "uint64_t";
    case SCHEMA_U128:
    case SCHEMA_I128: return "struct tael_u128"; // Of I128: two's complement.
    case SCHEMA_I32: return "int32_t";
    case SCHEMA_I64: return "int64_t";
    case SCHEMA_BOOL: return "bool";
    case SCHEMA_BYTES: return "uint8_t";
    }
    return "";
}

static void comment_print(const char *indent, const char *text, struct text *out)
{
    const size_t columns = 100;
    const size_t before = strlen(indent) + 3;
    text_append_format(out, "%s//", indent);
    size_t column = before - 1;
    while (*text != 0) {
        const size_t size = strcspn(text, " ");
        if (column + 1 + size > columns) {
            text_append_format(out, "\n%s//", indent);
            column = before - 1;
        }
        text_append_char(out, ' ');
        text_append(out, text, size);
        column += size + 1;
        text += size;
        text += strspn(text, " ");
    }
    text_append_char(out, '\n');
}

// The name in capitals, as the macro or enumerator that it is.
static void upper_print(const char *name, struct text *out)
{
    for (; *name != 0; name++) {
        char letter = *name;
        if (letter >= 'a' && letter <= 'z') letter = (char)(letter - 'a' + 'A');
        text_append_char(out, letter);
    }
}

static void field_print_declaration(const struct schema_field *field, struct text *out)
{
    const bool is_tail = field->type == SCHEMA_ARRAY || field->type == SCHEMA_BLOB;
    const bool is_text = field->type == SCHEMA_BYTES && (field->flags & FIELD_TEXT) != 0;
    comment_print("    ", field->doc, out);
    text_append_format(out, "    %s %s", is_text ? "char" : type_name(field->type), field->name);
    if (is_tail) text_append_string(out, field->type == SCHEMA_ARRAY ? "_count" : "_size");
    if (!is_tail && field->count > 1) text_append_format(out, "[%u]", field->count);
    text_append_string(out, ";\n");
}

static void record_print(const struct schema_record *record, struct text *out)
{
    text_append_char(out, '\n');
    comment_print("", record->doc, out);
    if (record->kind == RECORD_COMMAND || record->kind == RECORD_QUERY ||
        record->kind == RECORD_VIEW || record->kind == RECORD_STATE) {
        text_append_string(out, "#define TAEL_RECORD_");
        upper_print(record->name, out);
        text_append_format(out, " 0x%04xu\n", record->number);
    }
    text_append_format(out, "struct tael_%s {\n", record->name);
    for (u32 i = 0; i < record->field_count; i++) {
        field_print_declaration(&record->fields[i], out);
    }
    text_append_string(out, "};\n");
    text_append_format(out, "TAEL_LAYOUT(sizeof(struct tael_%s) == %u);\n", record->name,
                       record->size);
}

// The beginning of an enumeration, and one of its values up to what it equals.
static void enum_begin(const char *name, const char *doc, struct text *out)
{
    text_append_char(out, '\n');
    comment_print("", doc, out);
    text_append_format(out, "enum tael_%s {\n", name);
}

static void enumerator_begin(const char *enumeration, const char *name, const char *doc,
                             struct text *out)
{
    comment_print("    ", doc, out);
    text_append_string(out, "    TAEL_");
    upper_print(enumeration, out);
    text_append_char(out, '_');
    upper_print(name, out);
    text_append_string(out, " = ");
}

static void enumeration_print(const struct schema_enumeration *enumeration, struct text *out)
{
    enum_begin(enumeration->name, enumeration->doc, out);
    for (u32 i = 0; i < enumeration->row_count; i++) {
        enumerator_begin(enumeration->name, enumeration->rows[i].name, enumeration->rows[i].doc,
                         out);
        text_append_format(out, "%u,\n", enumeration->rows[i].number);
    }
    text_append_string(out, "};\n");
}

static void flags_print(const struct schema_flags *flags, struct text *out)
{
    enum_begin(flags->name, flags->doc, out);
    for (u32 i = 0; i < flags->row_count; i++) {
        enumerator_begin(flags->name, flags->rows[i].name, flags->rows[i].doc, out);
        text_append_format(out, "1 << %u,\n", flags->rows[i].bit);
    }
    text_append_string(out, "};\n");
}

static void results_print(const struct schema_results *results, struct text *out)
{
    enum_begin(results->name, results->doc, out);
    for (u32 i = 0; i < results->row_count; i++) {
        enumerator_begin(results->name, results->rows[i].name, results->rows[i].sentence, out);
        text_append_format(out, "%u,\n", results->rows[i].number);
    }
    text_append_string(out, "};\n");
}

void record_header_module(const struct schema_module *module, struct text *out)
{
    text_append_format(out, "\n// --- %s ---\n", module->name);
    for (u32 i = 0; i < module->enumeration_count; i++) {
        enumeration_print(module->enumerations[i], out);
    }
    for (u32 i = 0; i < module->flags_count; i++) flags_print(module->flags[i], out);
    for (u32 i = 0; i < module->results_count; i++) results_print(module->results[i], out);
    // Items before what has them.
    for (u32 pass = 0; pass < 2; pass++) {
        for (u32 i = 0; i < module->record_count; i++) {
            const struct schema_record *record = module->records[i];
            if ((record->kind == RECORD_ITEM) == (pass == 0)) record_print(record, out);
        }
    }
}
