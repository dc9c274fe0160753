// SPDX-License-Identifier: Apache-2.0
//
// A table a record: its columns from the descriptors, its rows from changes.
#include "projection/projection_internal.h"

#include "codec/civil.h"
#include "codec/field.h"
#include "codec/number.h"
#include "codec/record_binary.h"
#include "ledger/ledger_schema.h"

#include <stdio.h>

#define CELL_SIZE 4096u
// Digits of the largest number of 128 bits.
#define WIDE_DIGITS 39

// --- columns -------------------------------------------------------------------------------------

// What every table has beside the fields of its record.
static const struct {
    const char *name;
    const char *type;
    const char *doc;
} shared[] = {
    {"row", "INTEGER PRIMARY KEY", "Row of history: the order in which it took effect."},
    {"position", "INTEGER", "Of its command in the log."},
    {"timestamp", "INTEGER", "When it took effect, nanoseconds since 1970 UTC."},
    {"asked_by", "INTEGER", "Who asked for it; 0 is a plain client, or time."},
    {"command_id", "ANY", "Of its command; of a plain client its client."},
    {"event_index", "INTEGER", "Which event or record of its command it is."},
    {"cause_row", "INTEGER", "Of what a module made: the row of its record."},
};
// And the table of transfers.
static const struct {
    const char *name;
    const char *type;
    const char *doc;
} of_transfers[] = {
    {"kind", "TEXT", "transfer, hold, post, void or expiry."},
    {"released", "ANY", "Of a post, a void and an expiry: the whole amount of the hold."},
    {"held_row", "INTEGER", "Of those: the row of the hold."},
};

static bool is_transfer(const struct schema_record *record)
{
    return record == &ledger_schema_transfer;
}

// Whether a field is a column. Balances change; the file has views for them.
static bool is_column(const struct schema_field *field)
{
    return !schema_field_is_reserved(field) && (field->flags & FIELD_OUTPUT) == 0 &&
           field->type != SCHEMA_ARRAY && strcmp(field->name, "timestamp") != 0;
}

// The type of a column. ANY keeps what it is given: INTEGER, or TEXT where that has no room.
static const char *type_of(const struct schema_record *record, const struct schema_field *field)
{
    const bool is_text = (field->flags & FIELD_TEXT) != 0;
    if (field->type == SCHEMA_BYTES || field->type == SCHEMA_BLOB) return is_text ? "TEXT" : "BLOB";
    if (schema_field_enumeration(record, field) != NULL || field->count > 1) return "TEXT";
    if (field->unit == UNIT_DAYS) return "TEXT";
    const u32 size = schema_type_size(field->type);
    return size == 16 || (size == 8 && !schema_type_is_signed(field->type)) ? "ANY" : "INTEGER";
}

struct column_list {
    struct text *out;
    bool is_first;
};

static void column_print(struct column_list *list, const char *name, const char *type,
                         const char *doc)
{
    text_append_format(list->out, "  %s \"%s\" %s -- ", list->is_first ? " " : ",", name, type);
    text_append_string(list->out, doc);
    text_append_char(list->out, '\n');
    list->is_first = false;
}

static void fields_print(struct column_list *list, const struct schema_record *record)
{
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (!is_column(field)) continue;
        column_print(list, field->name, type_of(record, field), field->doc);
    }
}

static void table_print(const struct schema_record *record, struct text *out)
{
    struct column_list list = {.out = out, .is_first = true};
    text_append_format(out, "CREATE TABLE \"%s\" ( -- ", record->name);
    text_append_string(out, record->doc);
    text_append_char(out, '\n');
    for (u32 i = 0; i < ARRAY_COUNT(shared); i++) {
        column_print(&list, shared[i].name, shared[i].type, shared[i].doc);
    }
    for (u32 i = 0; i < ARRAY_COUNT(of_transfers) && is_transfer(record); i++) {
        column_print(&list, of_transfers[i].name, of_transfers[i].type, of_transfers[i].doc);
    }
    fields_print(&list, record);
    text_append_string(out, ") STRICT");
}

static void items_print(const struct schema_record *record, const struct schema_field *array,
                        struct text *out)
{
    const struct schema_record *item = schema_field_item(record, array);
    struct column_list list = {.out = out, .is_first = true};
    text_append_format(out, "CREATE TABLE \"%s_%s\" ( -- ", record->name, array->name);
    text_append_string(out, item->doc);
    text_append_char(out, '\n');
    column_print(&list, "row", "INTEGER", "Row of the record that it is part of.");
    column_print(&list, "item", "INTEGER", "Its place there, from 0.");
    fields_print(&list, item);
    text_append_string(out, "  , PRIMARY KEY (\"row\", item)\n) STRICT, WITHOUT ROWID");
}

// --- opening -------------------------------------------------------------------------------------

// The first row of the answer to a question with these texts in it; the second may be NULL.
// `statement` is to be finalized, whatever the status.
static enum status question_run(const struct projection *projection, const char *sql,
                                const char *first, const char *second, sqlite3_stmt **statement,
                                bool *is_row, struct failure *failure)
{
    *statement = NULL;
    *is_row = false;
    enum status status = projection_prepare(projection, sql, statement, failure);
    if (status != STATUS_OK) return status;
    if (sqlite3_bind_text(*statement, 1, first, -1, SQLITE_TRANSIENT) != SQLITE_OK ||
        (second != NULL &&
         sqlite3_bind_text(*statement, 2, second, -1, SQLITE_TRANSIENT) != SQLITE_OK)) {
        return projection_failure(projection, "reading", failure);
    }
    return projection_read(projection, *statement, is_row, failure);
}

// The type that the file has for a column: in `out`, when it is found.
static enum status column_find(const struct projection *projection, const char *table,
                               const char *column, bool *found, char out[32],
                               struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    enum status status =
        question_run(projection, "SELECT type FROM pragma_table_info(?1) WHERE name = ?2", table,
                     column, &statement, found, failure);
    if (*found) {
        const char *type = (const char *)sqlite3_column_text(statement, 0);
        if (type == NULL) status = projection_failure(projection, "reading", failure);
        else (void)snprintf(out, 32, "%s", type);
    }
    (void)sqlite3_finalize(statement);
    return status;
}

static enum status count_read(const struct projection *projection, const char *sql,
                              const char *argument, i64 *out, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    bool is_row = false;
    const enum status status =
        question_run(projection, sql, argument, NULL, &statement, &is_row, failure);
    assert(status != STATUS_OK || is_row); // A count has one.
    if (is_row) *out = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return status;
}

// A column that a newer description has is added; of older rows it is NULL.
static enum status column_see(const struct projection *projection, const char *table,
                              const struct schema_record *record, const struct schema_field *field,
                              struct failure *failure)
{
    char type[32];
    bool found = false;
    enum status status = column_find(projection, table, field->name, &found, type, failure);
    if (status != STATUS_OK) return status;
    if (!found) {
        char sql[512];
        (void)snprintf(sql, sizeof sql, "ALTER TABLE \"%s\" ADD COLUMN \"%s\" %s", table,
                       field->name, type_of(record, field));
        return projection_run(projection, sql, failure);
    }
    if (strcmp(type, type_of(record, field)) == 0) return STATUS_OK;
    (void)failure_set(failure, STATUS_INVALID,
                      "%s was made with another description: column %s.%s is %s there, not %s",
                      projection->path, table, field->name, type, type_of(record, field));
    failure_hint(failure, "project into a new file");
    return STATUS_INVALID;
}

// The file's table against the description. `own` are the columns that are not the record's.
static enum status table_compare(const struct projection *projection, const char *table,
                                 const struct schema_record *record, u32 own,
                                 struct failure *failure)
{
    u32 columns = own;
    enum status status = STATUS_OK;
    for (u32 i = 0; i < record->field_count && status == STATUS_OK; i++) {
        if (!is_column(&record->fields[i])) continue;
        columns++;
        status = column_see(projection, table, record, &record->fields[i], failure);
    }
    i64 there = 0;
    if (status == STATUS_OK) {
        status = count_read(projection, "SELECT count(*) FROM pragma_table_info(?1)", table, &there,
                            failure);
    }
    if (status != STATUS_OK || there == (i64)columns) return status;
    (void)failure_set(failure, STATUS_INVALID,
                      "%s was made by a newer program: table %s has columns that this one does "
                      "not know",
                      projection->path, table);
    failure_hint(failure, "use that program, or project into a new file");
    return STATUS_INVALID;
}

// Makes a table, or compares it. `name` is it, `record` describes its fields.
static enum status table_see(const struct projection *projection, const char *name,
                             const struct schema_record *record, u32 own, const struct text *sql,
                             struct failure *failure)
{
    i64 there = 0;
    enum status status = count_read(
        projection, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1", name,
        &there, failure);
    if (status != STATUS_OK) return status;
    if (there == 1) return table_compare(projection, name, record, own, failure);
    return projection_run(projection, sql->data, failure);
}

static enum status insert_prepare(const struct projection *projection, const char *name,
                                  const struct schema_record *record, u32 own,
                                  const char *const *own_names, sqlite3_stmt **out,
                                  struct failure *failure)
{
    char sql[16384];
    struct text text = text_init(sql, sizeof sql - 1);
    text_append_format(&text, "INSERT INTO \"%s\" (", name);
    u32 count = 0;
    for (u32 i = 0; i < own; i++) {
        text_append_format(&text, "%s\"%s\"", count++ > 0 ? ", " : "", own_names[i]);
    }
    for (u32 i = 0; i < record->field_count; i++) {
        if (!is_column(&record->fields[i])) continue;
        text_append_format(&text, "%s\"%s\"", count++ > 0 ? ", " : "", record->fields[i].name);
    }
    text_append_string(&text, ") VALUES (");
    for (u32 i = 0; i < count; i++) text_append_string(&text, i > 0 ? ", ?" : "?");
    text_append_char(&text, ')');
    assert(!text_overflowed(&text));
    sql[text.size] = 0;
    return projection_prepare(projection, sql, out, failure);
}

enum status projection_table_open(struct projection *projection, const struct schema_record *record,
                                  struct failure *failure)
{
    static char sql[PROJECTION_SQL_MAX];
    const char *names[ARRAY_COUNT(shared) + ARRAY_COUNT(of_transfers)];
    u32 own = 0;
    for (u32 i = 0; i < ARRAY_COUNT(shared); i++) names[own++] = shared[i].name;
    for (u32 i = 0; i < ARRAY_COUNT(of_transfers) && is_transfer(record); i++) {
        names[own++] = of_transfers[i].name;
    }
    assert(projection->table_count < PROJECTION_TABLES_MAX);
    struct projection_table *table = &projection->tables[projection->table_count++];
    *table = (struct projection_table){.record = record};
    struct text text = text_init(sql, sizeof sql - 1);
    table_print(record, &text);
    assert(!text_overflowed(&text));
    sql[text.size] = 0;
    enum status status = table_see(projection, record->name, record, own, &text, failure);
    if (status == STATUS_OK) {
        status =
            insert_prepare(projection, record->name, record, own, names, &table->insert, failure);
    }
    for (u32 i = 0; i < record->field_count && status == STATUS_OK; i++) {
        const struct schema_field *field = &record->fields[i];
        if (field->type != SCHEMA_ARRAY) continue;
        char name[2 * SCHEMA_NAME_SIZE_MAX];
        static const char *const of_items[] = {"row", "item"};
        (void)snprintf(name, sizeof name, "%s_%s", record->name, field->name);
        table->array = field;
        text = text_init(sql, sizeof sql - 1);
        items_print(record, field, &text);
        assert(!text_overflowed(&text));
        sql[text.size] = 0;
        const struct schema_record *item = schema_field_item(record, field);
        status = table_see(projection, name, item, ARRAY_COUNT(of_items), &text, failure);
        if (status != STATUS_OK) break;
        status = insert_prepare(projection, name, item, ARRAY_COUNT(of_items), of_items,
                                &table->insert_item, failure);
    }
    return status;
}

void projection_table_close(struct projection_table *table)
{
    (void)sqlite3_finalize(table->insert);
    (void)sqlite3_finalize(table->insert_item);
}

struct projection_table *projection_table_of(struct projection *projection, u32 number)
{
    for (u32 i = 0; i < projection->table_count; i++) {
        if (projection->tables[i].record->number == number) return &projection->tables[i];
    }
    return NULL;
}

// --- rows ----------------------------------------------------------------------------------------

// The values of a row, given from the first to the last.
struct values {
    const struct projection *projection;
    sqlite3_stmt *statement;
    struct failure *failure;
    int count;
    enum status status; // Of those that need memory.
};

static void null_give(struct values *values)
{
    (void)sqlite3_bind_null(values->statement, ++values->count);
}

static void integer_give(struct values *values, i64 value)
{
    (void)sqlite3_bind_int64(values->statement, ++values->count, value);
}

// What is not there would be NULL, which is another value.
static void given(struct values *values, int result)
{
    if (result == SQLITE_OK) return;
    values->status = projection_failure(values->projection, "writing", values->failure);
}

static void text_give(struct values *values, const char *text, u64 size)
{
    given(values,
          sqlite3_bind_text(values->statement, ++values->count, text, (int)size, SQLITE_TRANSIENT));
}

static void bytes_give(struct values *values, const void *bytes, u64 size)
{
    given(values, sqlite3_bind_blob(values->statement, ++values->count, bytes, (int)size,
                                    SQLITE_TRANSIENT));
}

static enum status values_write(const struct values *values)
{
    if (values->status != STATUS_OK) return values->status;
    return projection_step(values->projection, values->statement, values->failure);
}

// A number as INTEGER where it has 63 bits; else as TEXT: an amount with zeros in front, so that it
// sorts behind every INTEGER and among its like, anything else plain.
static void unsigned_give(struct values *values, u128 value, bool is_amount)
{
    if (value <= INT64_MAX) {
        integer_give(values, (i64)value);
        return;
    }
    char digits[NUMBER_SIZE_MAX];
    char text[WIDE_DIGITS + 1];
    const size_t size = number_print_u128(value, digits);
    const size_t zeros = is_amount ? WIDE_DIGITS - size : 0;
    memset(text, '0', zeros);
    memcpy(text + zeros, digits, size);
    text_give(values, text, zeros + size);
}

static void printed_give(struct values *values, const struct schema_record *record,
                         const struct schema_field *field, const void *head)
{
    char cell[CELL_SIZE];
    struct text text = text_init(cell, sizeof cell);
    field_print(record, field, head,
                field->unit == UNIT_DAYS ? FIELD_STYLE_HUMAN : FIELD_STYLE_EXACT, &text);
    assert(!text_overflowed(&text));
    text_give(values, cell, text.size);
}

static void field_give(struct values *values, const struct schema_record *record,
                       const struct schema_field *field, const u8 *head)
{
    if (field->type == SCHEMA_BYTES && (field->flags & FIELD_TEXT) == 0) {
        bytes_give(values, head + field->offset, field->count);
        return;
    }
    const bool is_named =
        field->enumeration != NULL && schema_field_enumeration(record, field) != NULL;
    if (field->type == SCHEMA_BYTES || is_named || field->count > 1 || field->unit == UNIT_DAYS) {
        printed_give(values, record, field, head);
        return;
    }
    if ((field->flags & FIELD_NULLABLE) != 0 && field_is_none(field, head)) {
        null_give(values);
        return;
    }
    const u128 value = field_get(field, 0, head);
    if (schema_type_is_signed(field->type) && (i128)value < 0) {
        if ((i128)value >= INT64_MIN) integer_give(values, (i64)(i128)value);
        else printed_give(values, record, field, head);
        return;
    }
    unsigned_give(values, value, field->unit == UNIT_MINOR);
}

// The fields of a record. `tail` is what stands behind the head.
static void fields_give(struct values *values, const struct schema_record *record, const u8 *head,
                        const u8 *tail)
{
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (!is_column(field)) continue;
        if (field->type != SCHEMA_BLOB) {
            field_give(values, record, field, head);
            continue;
        }
        const u64 size = (u64)field_get(field, 0, head);
        if (field->flags & FIELD_TEXT) text_give(values, (const char *)tail, size);
        else bytes_give(values, tail, size);
    }
}

static void row_give(struct values *values, u64 row)
{
    if (row == U64_MAX) null_give(values);
    else integer_give(values, (i64)row);
}

static const char *kind_name(u8 kind)
{
    switch ((enum change_kind)kind) {
    case CHANGE_KIND_HOLD: return "hold";
    case CHANGE_KIND_POST: return "post";
    case CHANGE_KIND_VOID: return "void";
    case CHANGE_KIND_EXPIRY: return "expiry";
    default: return "transfer";
    }
}

static enum status items_add(const struct projection *projection,
                             const struct projection_table *table, const struct change *change,
                             struct failure *failure)
{
    const u8 *head = (const u8 *)(change + 1);
    const struct schema_record *item = schema_field_item(table->record, table->array);
    const u32 count = (u32)field_get(table->array, 0, head);
    const u8 *at = head + table->record->size;
    for (u32 i = 0; i < count; i++, at += item->size) {
        struct values values = {projection, table->insert_item, failure, 0, STATUS_OK};
        row_give(&values, change->row);
        integer_give(&values, i);
        fields_give(&values, item, at, NULL);
        enum status status = values_write(&values);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status projection_table_add(struct projection *projection,
                                 const struct projection_table *table, const struct change *change,
                                 struct failure *failure)
{
    const struct schema_record *record = table->record;
    const u8 *head = (const u8 *)(change + 1);
    struct values values = {projection, table->insert, failure, 0, STATUS_OK};
    enum status status = record_binary_check(record, head, change->payload_size, failure);
    if (status != STATUS_OK) {
        return failure_wrap(failure, "row %llu of history", (unsigned long long)change->row);
    }
    row_give(&values, change->row);
    integer_give(&values, (i64)change->position);
    integer_give(&values, (i64)change->timestamp);
    integer_give(&values, (i64)change->principal);
    unsigned_give(&values, change->command_id, false);
    integer_give(&values, change->index);
    row_give(&values, change->cause_row);
    if (is_transfer(record)) {
        const char *kind = kind_name(change->kind);
        text_give(&values, kind, strlen(kind));
        unsigned_give(&values, change->released, true);
        row_give(&values, change->held_row);
    }
    u64 items = 0; // Bytes of them.
    if (table->array != NULL) {
        items =
            (u64)field_get(table->array, 0, head) * schema_field_item(record, table->array)->size;
    }
    fields_give(&values, record, head, head + record->size + items);
    status = values_write(&values);
    if (status != STATUS_OK || table->array == NULL) return status;
    return items_add(projection, table, change, failure);
}
