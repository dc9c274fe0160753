// SPDX-License-Identifier: Apache-2.0
//
// The file of a projection: opening, transactions, what was reached.
#include "projection/projection_internal.h"

#include "codec/number.h"
#include "ledger/ledger_schema.h"
#include "modules/module.h"
#include "modules/sample/sample.h"

#include <stdio.h>
#include <stdlib.h>

// Of the tables that are not a record's; in the file.
#define FILE_FORMAT 1
#define BUSY_MS     5000

enum status projection_failure(const struct projection *projection, const char *what,
                               struct failure *failure)
{
    const int code = sqlite3_errcode(projection->database) & 0xff;
    const enum status status = code == SQLITE_FULL   ? STATUS_FULL
                               : code == SQLITE_BUSY ? STATUS_BUSY
                                                     : STATUS_IO;
    (void)failure_set(failure, status, "%s: %s: %s", projection->path, what,
                      sqlite3_errmsg(projection->database));
    if (status == STATUS_BUSY) failure_hint(failure, "another process writes to the file");
    if (code == SQLITE_NOTADB) failure_hint(failure, "give a new file, or one made by project");
    return status;
}

enum status projection_run(const struct projection *projection, const char *sql,
                           struct failure *failure)
{
    if (sqlite3_exec(projection->database, sql, NULL, NULL, NULL) == SQLITE_OK) return STATUS_OK;
    return projection_failure(projection, "writing", failure);
}

enum status projection_prepare(const struct projection *projection, const char *sql,
                               sqlite3_stmt **out, struct failure *failure)
{
    if (sqlite3_prepare_v3(projection->database, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) ==
        SQLITE_OK) {
        return STATUS_OK;
    }
    return projection_failure(projection, "preparing", failure);
}

enum status projection_step(const struct projection *projection, sqlite3_stmt *statement,
                            struct failure *failure)
{
    const int result = sqlite3_step(statement);
    enum status status = STATUS_OK;
    if (result != SQLITE_DONE) status = projection_failure(projection, "writing", failure);
    (void)sqlite3_reset(statement);
    return status;
}

enum status projection_read(const struct projection *projection, sqlite3_stmt *statement,
                            bool *is_row, struct failure *failure)
{
    const int result = sqlite3_step(statement);
    *is_row = result == SQLITE_ROW;
    if (result == SQLITE_ROW || result == SQLITE_DONE) return STATUS_OK;
    return projection_failure(projection, "reading", failure);
}

// --- opening -------------------------------------------------------------------------------------

static enum status tables_open(struct projection *projection, struct failure *failure)
{
    enum status status = projection_table_open(projection, &ledger_schema_account, failure);
    if (status == STATUS_OK) {
        status = projection_table_open(projection, &ledger_schema_transfer, failure);
    }
    for (u32 i = 0; i < module_count; i++) {
        const struct schema_module *schema = modules[i]->schema;
        if (modules[i] == &sample_module) continue; // Made when one of its records comes.
        for (u32 j = 0; j < schema->record_count && status == STATUS_OK; j++) {
            if (schema->records[j]->kind != RECORD_COMMAND) continue;
            status = projection_table_open(projection, schema->records[j], failure);
        }
    }
    return status;
}

// Whether the file has a table of what it is. STATUS_INVALID when it has others only.
static enum status self_find(const struct projection *projection, bool *found,
                             struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    i64 all = 0;
    enum status status =
        projection_prepare(projection,
                           "SELECT count(*), count(*) FILTER (WHERE name = 'projection') "
                           "FROM sqlite_schema",
                           &statement, failure);
    if (status == STATUS_OK) status = projection_read(projection, statement, found, failure);
    if (status == STATUS_OK) {
        all = sqlite3_column_int64(statement, 0);
        *found = sqlite3_column_int64(statement, 1) == 1;
    }
    (void)sqlite3_finalize(statement);
    if (status != STATUS_OK || *found || all == 0) return status;
    (void)failure_set(failure, STATUS_INVALID, "%s is a database of something else",
                      projection->path);
    failure_hint(failure, "give a new file, or one made by project");
    return STATUS_INVALID;
}

static enum status self_take(struct projection *projection, sqlite3_stmt *row, u128 *log_id,
                             struct failure *failure)
{
    const int format = sqlite3_column_int(row, 3);
    if (format != FILE_FORMAT) {
        return failure_set(failure, STATUS_INVALID,
                           "%s has format %d of the projection, this program writes %d",
                           projection->path, format, FILE_FORMAT);
    }
    const char *digits = (const char *)sqlite3_column_text(row, 0);
    if (digits == NULL) return projection_failure(projection, "reading", failure);
    if (number_parse_u128(digits, strlen(digits), log_id) != NUMBER_OK) *log_id = 0;
    projection->row = (u64)sqlite3_column_int64(row, 1);
    projection->count = (u64)sqlite3_column_int64(row, 2);
    return STATUS_OK;
}

// What the file says of itself: log, row, count.
static enum status self_read(struct projection *projection, u128 *log_id, struct failure *failure)
{
    sqlite3_stmt *statement = NULL;
    bool is_row = false;
    enum status status =
        projection_prepare(projection, "SELECT log_id, next_row, changes, format FROM projection",
                           &statement, failure);
    if (status == STATUS_OK) status = projection_read(projection, statement, &is_row, failure);
    if (status == STATUS_OK && !is_row) {
        status = failure_set(failure, STATUS_INVALID, "%s does not say of which log it is",
                             projection->path);
        failure_hint(failure, "project into a new file");
    }
    if (status == STATUS_OK) status = self_take(projection, statement, log_id, failure);
    (void)sqlite3_finalize(statement);
    return status;
}

static enum status self_make(struct projection *projection, u128 log_id, struct failure *failure)
{
    char digits[NUMBER_SIZE_MAX];
    char sql[1024];
    const size_t size = number_print_u128(log_id, digits);
    (void)snprintf(sql, sizeof sql,
                   "CREATE TABLE projection ( -- Of which log this is, and how far.\n"
                   "  one INTEGER PRIMARY KEY CHECK (one = 1),\n"
                   "  log_id TEXT NOT NULL,\n"
                   "  next_row INTEGER NOT NULL, -- Everything below is here.\n"
                   "  position INTEGER NOT NULL, -- The commands that it shows.\n"
                   "  changes INTEGER NOT NULL,\n"
                   "  format INTEGER NOT NULL\n"
                   ") STRICT;\n"
                   "INSERT INTO projection VALUES (1, '%.*s', 0, 0, 0, %d)",
                   (int)size, digits, FILE_FORMAT);
    return projection_run(projection, sql, failure);
}

static enum status self_see(struct projection *projection, u128 log_id, struct failure *failure)
{
    u128 there = 0;
    bool found = false;
    enum status status = self_find(projection, &found, failure);
    if (status != STATUS_OK) return status;
    if (!found) return self_make(projection, log_id, failure);
    status = self_read(projection, &there, failure);
    if (status != STATUS_OK || there == log_id) return status;
    (void)failure_set(failure, STATUS_INVALID, "%s is a projection of another log",
                      projection->path);
    failure_hint(failure, "a log's projection goes into a file of its own");
    return STATUS_INVALID;
}

// Everything that is made at an opening is made in one transaction.
static enum status file_see(struct projection *projection, u128 log_id, struct failure *failure)
{
    enum status status = projection_run(projection, "BEGIN IMMEDIATE", failure);
    if (status == STATUS_OK) status = self_see(projection, log_id, failure);
    if (status == STATUS_OK) status = tables_open(projection, failure);
    if (status == STATUS_OK) status = projection_views_make(projection, failure);
    if (status == STATUS_OK) return projection_run(projection, "COMMIT", failure);
    (void)sqlite3_exec(projection->database, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static enum status statements_prepare(struct projection *projection, struct failure *failure)
{
    enum status status =
        projection_prepare(projection, "BEGIN IMMEDIATE", &projection->begin, failure);
    if (status == STATUS_OK) {
        status = projection_prepare(projection, "COMMIT", &projection->commit, failure);
    }
    if (status != STATUS_OK) return status;
    return projection_prepare(projection,
                              "UPDATE projection SET next_row = ?1, position = ?2, changes = ?3 "
                              "WHERE next_row = ?4",
                              &projection->reach, failure);
}

enum status projection_open(struct projection **out, const struct projection_options *options,
                            struct failure *failure)
{
    struct projection *projection = calloc(1, sizeof *projection);
    assert(projection != NULL);
    (void)snprintf(projection->path, sizeof projection->path, "%s", options->path);
    enum status status = STATUS_OK;
    if (sqlite3_open(options->path, &projection->database) != SQLITE_OK) {
        status = projection_failure(projection, "opening", failure);
    }
    if (status == STATUS_OK) {
        (void)sqlite3_busy_timeout(projection->database, BUSY_MS);
        // Readers are not held up, and a kill at any time leaves what was committed.
        status = projection_run(projection,
                                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
                                "PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY",
                                failure);
    }
    if (status == STATUS_OK) status = file_see(projection, options->log_id, failure);
    if (status == STATUS_OK) status = statements_prepare(projection, failure);
    if (status != STATUS_OK) {
        projection_close(projection);
        return status;
    }
    *out = projection;
    return STATUS_OK;
}

void projection_close(struct projection *projection)
{
    if (projection == NULL) return;
    for (u32 i = 0; i < projection->table_count; i++) {
        projection_table_close(&projection->tables[i]);
    }
    (void)sqlite3_finalize(projection->begin);
    (void)sqlite3_finalize(projection->commit);
    (void)sqlite3_finalize(projection->reach);
    (void)sqlite3_close(projection->database);
    free(projection);
}

u64 projection_row(const struct projection *projection)
{
    return projection->row;
}

u64 projection_count(const struct projection *projection)
{
    return projection->count;
}

u64 projection_open_count(const struct projection *projection)
{
    return projection->open_count;
}

// --- changes -------------------------------------------------------------------------------------

static enum status transaction_begin(struct projection *projection, struct failure *failure)
{
    if (projection->is_open) return STATUS_OK;
    enum status status = projection_step(projection, projection->begin, failure);
    projection->is_open = status == STATUS_OK;
    return status;
}

enum status projection_add(struct projection *projection, const struct change *change,
                           struct failure *failure)
{
    const struct projection_table *table = projection_table_of(projection, change->record);
    const struct schema_record *record = table == NULL ? module_record_of(change->record) : NULL;
    if (record != NULL && record->kind == RECORD_COMMAND) {
        enum status status = transaction_begin(projection, failure);
        if (status == STATUS_OK) status = projection_table_open(projection, record, failure);
        if (status != STATUS_OK) return status;
        table = projection_table_of(projection, change->record);
    }
    if (table == NULL) {
        (void)failure_set(failure, STATUS_UNSUPPORTED,
                          "row %llu of history is record %u, which this program does not know",
                          (unsigned long long)change->row, change->record);
        failure_hint(failure, "use the program of the server's version");
        return STATUS_UNSUPPORTED;
    }
    enum status status = transaction_begin(projection, failure);
    if (status == STATUS_OK) status = projection_table_add(projection, table, change, failure);
    if (status != STATUS_OK) return status;
    projection->count++;
    projection->open_count++;
    return STATUS_OK;
}

enum status projection_commit(struct projection *projection, u64 next, u64 position,
                              struct failure *failure)
{
    if (next == projection->row && projection->open_count == 0) return STATUS_OK;
    enum status status = transaction_begin(projection, failure);
    if (status != STATUS_OK) return status;
    sqlite3_stmt *reach = projection->reach;
    (void)sqlite3_bind_int64(reach, 1, (i64)next);
    (void)sqlite3_bind_int64(reach, 2, (i64)position);
    (void)sqlite3_bind_int64(reach, 3, (i64)projection->count);
    (void)sqlite3_bind_int64(reach, 4, (i64)projection->row);
    status = projection_step(projection, reach, failure);
    if (status != STATUS_OK) return status;
    if (sqlite3_changes(projection->database) != 1) { // Somebody else was there.
        return failure_set(failure, STATUS_BUSY, "%s: another process projects into it",
                           projection->path);
    }
    status = projection_step(projection, projection->commit, failure);
    if (status != STATUS_OK) return status;
    projection->is_open = false;
    projection->open_count = 0;
    projection->row = next;
    return STATUS_OK;
}
