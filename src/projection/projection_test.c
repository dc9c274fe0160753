// SPDX-License-Identifier: Apache-2.0
//
// The file of a projection: numbers of every size, transactions that are left open, two writers,
// and the columns of every record. (What is in it is compared with a server by tests/stream.)
#include "projection/projection.h"

#include "ledger/ledger_schema.h"
#include "modules/constraint/constraint.h"
#include "modules/entry/entry.h"
#include "modules/import/import.h"
#include "modules/module.h"
#include "modules/principal/principal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define LOG_ID 7u

struct file {
    char path[64];
    struct projection *projection;
    u64 row;
};

static void must(enum status status, const struct failure *failure)
{
    if (status != STATUS_OK) fail_msg("%s", failure->message);
}

static struct projection *file_open(const struct file *file)
{
    const struct projection_options options = {.path = file->path, .log_id = LOG_ID};
    struct projection *projection = NULL;
    struct failure failure = {0};
    must(projection_open(&projection, &options, &failure), &failure);
    return projection;
}

static int setup(void **state)
{
    struct file *file = calloc(1, sizeof *file);
    assert_non_null(file);
    (void)snprintf(file->path, sizeof file->path, "/tmp/tael-projection-%d", (int)getpid());
    file->projection = file_open(file);
    *state = file;
    return 0;
}

static void file_remove(const struct file *file)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (u32 i = 0; i < ARRAY_COUNT(ends); i++) {
        char path[80];
        (void)snprintf(path, sizeof path, "%s%s", file->path, ends[i]);
        (void)unlink(path);
    }
}

static int teardown(void **state)
{
    struct file *file = *state;
    projection_close(file->projection);
    file_remove(file);
    free(file);
    return 0;
}

static void add(struct file *file, u32 record, enum change_kind kind, const void *payload, u32 size)
{
    struct {
        struct change change;
        _Alignas(16) u8 payload[1024];
    } whole = {.change = {.row = file->row++,
                          .record = record,
                          .kind = (u8)kind,
                          .held_row = U64_MAX,
                          .cause_row = U64_MAX,
                          .payload_size = size}};
    struct failure failure = {0};
    assert_true(size <= sizeof whole.payload);
    memcpy(&whole.change + 1, payload, size);
    must(projection_add(file->projection, &whole.change, &failure), &failure);
}

static void transfer_add(struct file *file, u128 amount)
{
    const struct transfer transfer = {.id = U128_MAX - 1 - file->row,
                                      .debit_account_id = 1,
                                      .credit_account_id = 2,
                                      .amount = amount,
                                      .ledger = 7,
                                      .code = 1};
    add(file, ledger_schema_transfer.number, CHANGE_KIND_TRANSFER, &transfer, sizeof transfer);
}

static void commit(struct file *file)
{
    struct failure failure = {0};
    must(projection_commit(file->projection, file->row, file->row, &failure), &failure);
}

// The first column of the first row of an answer, as text; "" when there is none.
static const char *asked(const struct file *file, const char *sql)
{
    static char text[256];
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    text[0] = 0;
    assert_int_equal(sqlite3_open(file->path, &database), SQLITE_OK);
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK) {
        fail_msg("%s", sqlite3_errmsg(database));
    }
    if (sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0) != NULL) {
        (void)snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(statement, 0));
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(database);
    return text;
}

static void accounts_add(struct file *file)
{
    for (u32 i = 1; i <= 2; i++) {
        const struct account account = {.id = i, .ledger = 7, .code = 1};
        add(file, ledger_schema_account.number, CHANGE_KIND_ACCOUNT, &account, sizeof account);
    }
}

#define DEBITS "SELECT debits_posted FROM balances WHERE account_id = 1"

// Where a number stops fitting, and sums that carry from limb to limb.
static void test_numbers_of_every_size(void **state)
{
    struct file *file = *state;
    accounts_add(file);
    transfer_add(file, INT64_MAX);
    commit(file);
    assert_string_equal(asked(file, "SELECT typeof(amount) FROM transfer"), "integer");
    assert_string_equal(asked(file, DEBITS), "9223372036854775807");
    assert_string_equal(asked(file, "SELECT typeof(id) FROM transfer"), "text");
    transfer_add(file, 1);
    commit(file); // 2^63
    assert_string_equal(asked(file, DEBITS), "000000000000000000009223372036854775808");
    transfer_add(file, (u128)INT64_MAX + 1);
    commit(file); // 2^64
    assert_string_equal(asked(file, "SELECT typeof(amount) FROM transfer ORDER BY amount DESC"),
                        "text");
    assert_string_equal(asked(file, "SELECT amount FROM transfer ORDER BY amount DESC"),
                        "000000000000000000009223372036854775808");
    assert_string_equal(asked(file, DEBITS), "000000000000000000018446744073709551616");
    transfer_add(file, U128_MAX - ((u128)1 << 64));
    commit(file); // 2^128 - 1
    assert_string_equal(asked(file, DEBITS), "340282366920938463463374607431768211455");
    // Where SUM is used, nothing stands rather than a rounded number.
    assert_string_equal(asked(file, "SELECT balance FROM statement ORDER BY \"row\" DESC"), "");
    assert_string_equal(asked(file, "SELECT debit FROM trial_balance"), "");
}

static void test_what_is_not_committed_is_not_there(void **state)
{
    struct file *file = *state;
    accounts_add(file);
    commit(file);
    transfer_add(file, 5);
    assert_int_equal(projection_open_count(file->projection), 1);
    projection_close(file->projection);
    file->projection = file_open(file);
    assert_int_equal(projection_row(file->projection), 2);
    assert_int_equal(projection_count(file->projection), 2);
    assert_string_equal(asked(file, "SELECT count(*) FROM transfer"), "0");
}

static void test_two_writers_are_noticed(void **state)
{
    struct file *file = *state;
    struct file other = *file;
    struct failure failure = {0};
    other.projection = file_open(file);
    accounts_add(file);
    commit(file);
    other.row = 10; // Rows that the file does not have.
    accounts_add(&other);
    assert_int_equal(projection_commit(other.projection, other.row, 1, &failure), STATUS_BUSY);
    assert_non_null(strstr(failure.message, "another process projects into it"));
    projection_close(other.projection);
    assert_string_equal(asked(file, "SELECT count(*) FROM account"), "2");
}

static void test_another_log_is_refused(void **state)
{
    struct file *file = *state;
    const struct projection_options options = {.path = file->path, .log_id = LOG_ID + 1};
    struct projection *projection = NULL;
    struct failure failure = {0};
    assert_int_equal(projection_open(&projection, &options, &failure), STATUS_INVALID);
    assert_non_null(strstr(failure.message, "another log"));
}

static void test_items_have_rows_of_their_own(void **state)
{
    struct file *file = *state;
    struct {
        struct entry_post post;
        struct entry_leg legs[2];
    } entry = {
        .post = {.entry_id = 9, .day = 20811, .legs_count = 2},
        .legs = {{.book = 100, .side = SIDE_DEBIT, .account_id = 1, .amount = 5},
                 {.book = 100, .side = SIDE_CREDIT, .account_id = 2, .amount = 5}},
    };
    add(file, entry_schema_entry_post.number, CHANGE_KIND_RECORD, &entry, sizeof entry);
    commit(file);
    assert_string_equal(asked(file, "SELECT day FROM entry_post"), "2026-12-24");
    assert_string_equal(asked(file, "SELECT group_concat(item || side || account_id || amount) "
                                    "FROM entry_post_legs"),
                        "0debit15,1credit25");
}

// Numbers below zero, however small, and bytes are what they are.
static void test_values_of_every_sort(void **state)
{
    struct file *file = *state;
    struct {
        struct constraint_open open;
        struct constraint_term terms[1];
    } constraint = {.open = {.constraint = 3, .name = "floor", .terms_count = 1},
                    .terms = {{.cell = 4, .coefficient = -3}}};
    const i128 bounds[] = {-5, INT64_MIN, (i128)INT64_MIN - 1, -((i128)1 << 100), 7};
    for (u32 i = 0; i < ARRAY_COUNT(bounds); i++) {
        constraint.open.bound = bounds[i];
        add(file, constraint_schema_constraint_open.number, CHANGE_KIND_RECORD, &constraint,
            sizeof constraint);
    }
    struct {
        struct import_rows rows;
        u8 bytes[24];
    } import = {.rows = {.import_id = 1, .count = 1, .rows_size = 20}, .bytes = {1, 0, 0xfe}};
    add(file, import_schema_import_rows.number, CHANGE_KIND_RECORD, &import,
        sizeof import.rows + import.rows.rows_size);
    const struct principal_key key = {.principal_id = 9, .public_key = {0xab, [31] = 1}};
    add(file, principal_schema_principal_key.number, CHANGE_KIND_RECORD, &key, sizeof key);
    commit(file);
    assert_string_equal(asked(file, "SELECT group_concat(typeof(bound) || bound, ' ') "
                                    "FROM constraint_open"),
                        "integer-5 integer-9223372036854775808 text-9223372036854775809 "
                        "text-1267650600228229401496703205376 integer7");
    assert_string_equal(asked(file, "SELECT sum(coefficient) FROM constraint_open_terms"), "-15");
    assert_string_equal(asked(file, "SELECT hex(rows) FROM import_rows"),
                        "0100FE0000000000000000000000000000000000");
    assert_string_equal(asked(file, "SELECT hex(public_key) FROM principal_key"),
                        "AB00000000000000000000000000000000000000000000000000000000000001");
}

// Who finds the file held by another process waits for it, for as long as is documented, and is
// told; what was there stays.
static void test_a_file_that_another_process_writes_to_is_busy(void **state)
{
    struct file *file = *state;
    sqlite3 *other = NULL;
    const struct change change = {.row = 0,
                                  .record = ledger_schema_account.number,
                                  .kind = CHANGE_KIND_ACCOUNT,
                                  .payload_size = sizeof(struct account)};
    struct failure failure = {0};
    assert_int_equal(sqlite3_open(file->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(projection_add(file->projection, &change, &failure), STATUS_BUSY);
    assert_string_equal(failure.hint, "another process writes to the file");
    (void)sqlite3_close(other);
    accounts_add(file);
    commit(file);
    assert_string_equal(asked(file, "SELECT count(*) FROM account"), "2");
}

static void test_records_that_are_not_known_are_refused(void **state)
{
    struct file *file = *state;
    const struct change change = {.row = 0, .record = 0x6e01};
    struct failure failure = {0};
    assert_int_equal(projection_add(file->projection, &change, &failure), STATUS_UNSUPPORTED);
}

// What a file holds that is given for one of this log's.
static void file_change(struct file *file, const char *sql)
{
    sqlite3 *database = NULL;
    projection_close(file->projection);
    file->projection = NULL;
    assert_int_equal(sqlite3_open(file->path, &database), SQLITE_OK);
    if (sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK) {
        fail_msg("%s", sqlite3_errmsg(database));
    }
    (void)sqlite3_close(database);
}

static void test_files_that_are_not_this_log_s_projection(void **state)
{
    static const struct {
        const char *sql; // Run on the file.
        enum status status;
        const char *text;
    } rows[] = {
        {"UPDATE projection SET format = 2", STATUS_INVALID,
         " has format 2 of the projection, this program writes 1"},
        {"DELETE FROM projection", STATUS_INVALID, " does not say of which log it is"},
        {"UPDATE projection SET log_id = 'seven'", STATUS_INVALID,
         " is a projection of another log"},
        {"ALTER TABLE projection RENAME TO other", STATUS_INVALID,
         " is a database of something else"},
        {"ALTER TABLE account ADD COLUMN later TEXT", STATUS_INVALID,
         " was made by a newer program: table account has columns that this one does not know"},
        {"ALTER TABLE entry_post_legs ADD COLUMN later TEXT", STATUS_INVALID,
         " was made by a newer program: table entry_post_legs has columns that this one does not "
         "know"},
        {"DROP TABLE transfer; CREATE TABLE transfer (id TEXT)", STATUS_INVALID,
         " was made with another description: column transfer.id is TEXT there, not ANY"},
        {"DROP TABLE entry_post; CREATE VIEW entry_post AS SELECT 1 AS one", STATUS_IO,
         ": writing: view \"entry_post\" already exists"},
    };
    struct file *file = *state;
    for (u32 i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct projection_options options = {.path = file->path, .log_id = LOG_ID};
        struct failure failure = {0};
        file_change(file, rows[i].sql);
        if (projection_open(&file->projection, &options, &failure) != rows[i].status ||
            strncmp(failure.message, file->path, strlen(file->path)) != 0 ||
            strcmp(failure.message + strlen(file->path), rows[i].text) != 0) {
            fail_msg("row %u: %s", i, failure.message);
        }
        assert_null(file->projection);
        file_remove(file);
        file->projection = file_open(file);
    }
}

static void test_a_file_that_is_no_database(void **state)
{
    struct file *file = *state;
    const struct projection_options options = {.path = file->path, .log_id = LOG_ID};
    struct failure failure = {0};
    projection_close(file->projection);
    file->projection = NULL;
    file_remove(file);
    FILE *text = fopen(file->path, "w");
    assert_non_null(text);
    for (u32 i = 0; i < 1000; i++) (void)fputs("no database\n", text);
    (void)fclose(text);
    assert_int_equal(projection_open(&file->projection, &options, &failure), STATUS_IO);
    assert_non_null(strstr(failure.message, "file is not a database"));
    assert_string_equal(failure.hint, "give a new file, or one made by project");
    const struct projection_options nowhere = {.path = "/nowhere/file", .log_id = LOG_ID};
    assert_int_equal(projection_open(&file->projection, &nowhere, &failure), STATUS_IO);
    assert_string_equal(failure.message, "/nowhere/file: opening: unable to open database file");
}

// A column that came since is added, in the table of a record and in that of its items.
static void test_a_column_that_came_since_is_added(void **state)
{
    struct file *file = *state;
    file_change(file, "DROP VIEW statement; DROP VIEW posting; DROP VIEW posting_side;"
                      "DROP VIEW balances; DROP VIEW trial_balance; DROP VIEW holds;"
                      "DROP VIEW open_holds; DROP VIEW trial_balance_by_day;"
                      "DROP VIEW turnover_by_day; DROP VIEW business_day;"
                      "ALTER TABLE account DROP COLUMN code;"
                      "ALTER TABLE entry_post_legs DROP COLUMN side");
    file->projection = file_open(file);
    accounts_add(file);
    commit(file);
    assert_string_equal(asked(file, "SELECT count(*) FROM account WHERE code = 1"), "2");
    assert_string_equal(asked(file, "SELECT type FROM pragma_table_info('entry_post_legs') "
                                    "WHERE name = 'side'"),
                        "TEXT");
}

// A record that is malformed is not taken, and the place is told.
static void test_what_is_malformed_is_refused(void **state)
{
    struct file *file = *state;
    const struct change change = {
        .row = 5, .record = ledger_schema_account.number, .payload_size = 1};
    struct failure failure = {0};
    assert_int_equal(projection_add(file->projection, &change, &failure), STATUS_INVALID);
    assert_non_null(strstr(failure.message, "row 5 of history: "));
}

// Every view answers on an empty file, and the indexes can be made.
static void test_views_and_indexes(void **state)
{
    struct file *file = *state;
    static const char *const views[] = {
        "balances", "trial_balance", "trial_balance_by_day", "posting",         "posting_side",
        "holds",    "open_holds",    "business_day",         "turnover_by_day", "statement"};
    struct failure failure = {0};
    must(projection_index(file->projection, &failure), &failure);
    for (u32 i = 0; i < ARRAY_COUNT(views); i++) {
        char sql[128];
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", views[i]);
        assert_string_equal(asked(file, sql), "0");
    }
}

// What every table has is no field of a record: it would be a column twice.
static void test_names_do_not_collide(void **state)
{
    (void)state;
    static const char *const own[] = {"row",        "position",    "asked_by",
                                      "command_id", "event_index", "cause_row"};
    for (u32 i = 0; i < module_count; i++) {
        const struct schema_module *schema = modules[i]->schema;
        for (u32 j = 0; j < schema->record_count; j++) {
            if (schema->records[j]->kind != RECORD_COMMAND) continue;
            for (u32 k = 0; k < ARRAY_COUNT(own); k++) {
                assert_null(schema_find_field(schema->records[j], own[k], strlen(own[k])));
            }
        }
    }
}

// --- what is refused -----------------------------------------------------------------------------

enum refused {
    REFUSED_MEMORY,     // A wish of SQLite for memory.
    REFUSED_ROW_MEMORY, // The same, of adding rows alone.
    REFUSED_CALL,       // A call of SQLite on the file.
    REFUSED_SPACE,      // One that writes, since storage is full.
};

static sqlite3_mem_methods memory; // SQLite's own.
static enum refused refused;
static u64 wishes;    // Of the kind that is refused, so far.
static u64 refuse_at; // Of those; 0 none.

static bool is_refused(bool is_memory, bool writes)
{
    const bool is_kind = is_memory
                             ? refused <= REFUSED_ROW_MEMORY
                             : refused == REFUSED_CALL || (refused == REFUSED_SPACE && writes);
    return is_kind && ++wishes == refuse_at;
}

static void *refusing_malloc(int size)
{
    return is_refused(true, false) ? NULL : memory.xMalloc(size);
}

static void *refusing_realloc(void *old, int size)
{
    return is_refused(true, false) ? NULL : memory.xRealloc(old, size);
}

static void memory_begin(void)
{
    sqlite3_mem_methods refusing;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory), SQLITE_OK);
    refusing = memory;
    refusing.xMalloc = refusing_malloc;
    refusing.xRealloc = refusing_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &refusing), SQLITE_OK);
    // Nothing beside what is asked for: each number that has no room is a wish.
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
}

static ssize_t refusing_read(int fd, void *out, size_t size, off_t offset)
{
    if (!is_refused(false, false)) return pread(fd, out, size, offset);
    errno = EIO;
    return -1;
}

static ssize_t refusing_write(int fd, const void *bytes, size_t size, off_t offset)
{
    if (!is_refused(false, true)) return pwrite(fd, bytes, size, offset);
    errno = refused == REFUSED_SPACE ? ENOSPC : EIO;
    return -1;
}

// SQLite's calls on files are those above, from here on.
static void calls_begin(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pread64", (sqlite3_syscall_ptr)refusing_read),
                     SQLITE_OK);
    assert_int_equal(vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)refusing_write),
                     SQLITE_OK);
}

// Opens the file, whose accounts are there, adds an entry with its legs and a transfer, and commits
// them; makes the indexes. Closes it, however far it came.
static enum status project(const struct file *file, bool *is_committed, struct failure *failure)
{
    const struct projection_options options = {.path = file->path, .log_id = LOG_ID};
    const struct transfer transfer = {.id = U128_MAX - 5,
                                      .debit_account_id = 1,
                                      .credit_account_id = 2,
                                      .amount = (u128)1 << 70,
                                      .ledger = 7,
                                      .code = 1};
    const struct {
        struct entry_post post;
        struct entry_leg legs[2];
    } entry = {
        .post = {.entry_id = 9, .day = 20811, .legs_count = 2},
        .legs = {{.book = 100, .side = SIDE_DEBIT, .account_id = 1, .amount = 5},
                 {.book = 100, .side = SIDE_CREDIT, .account_id = 2, .amount = 5}},
    };
    struct {
        struct change change;
        _Alignas(16) u8 payload[512];
    } rows[2] = {
        {.change = {.row = 2,
                    .record = ledger_schema_transfer.number,
                    .kind = CHANGE_KIND_POST,
                    .command_id = U128_MAX - 6,
                    .released = (u128)1 << 71,
                    .held_row = U64_MAX,
                    .cause_row = U64_MAX,
                    .payload_size = sizeof transfer}},
        {.change = {.row = 3,
                    .record = entry_schema_entry_post.number,
                    .kind = CHANGE_KIND_RECORD,
                    .held_row = U64_MAX,
                    .cause_row = U64_MAX,
                    .payload_size = sizeof entry}},
    };
    struct projection *projection = NULL;
    const u64 at = refuse_at;
    if (refused == REFUSED_ROW_MEMORY) refuse_at = 0; // Not yet.
    memcpy(&rows[0].change + 1, &transfer, sizeof transfer);
    memcpy(&rows[1].change + 1, &entry, sizeof entry);
    *is_committed = false;
    enum status status = projection_open(&projection, &options, failure);
    if (status != STATUS_OK) return status;
    if (refused == REFUSED_ROW_MEMORY) {
        wishes = 0;
        refuse_at = at;
    }
    for (u32 i = 0; i < 2 && status == STATUS_OK; i++) {
        status = projection_add(projection, &rows[i].change, failure);
    }
    if (status == STATUS_OK) status = projection_commit(projection, 4, 4, failure);
    *is_committed = status == STATUS_OK;
    if (status == STATUS_OK) status = projection_index(projection, failure);
    projection_close(projection);
    return status;
}

// A file with two accounts, which is not open: the same one every time.
static void begun_make(void **made)
{
    static u8 bytes[4 * MIB];
    static ssize_t size;
    struct file *file = NULL;
    if (size == 0) {
        assert_int_equal(setup(made), 0);
        file = *made;
        accounts_add(file);
        commit(file);
        projection_close(file->projection);
        const int begun = open(file->path, O_RDONLY | O_CLOEXEC);
        size = read(begun, bytes, sizeof bytes);
        assert_in_range(size, 1, sizeof bytes - 1);
        (void)close(begun);
        return;
    }
    *made = file = calloc(1, sizeof *file);
    assert_non_null(file);
    (void)snprintf(file->path, sizeof file->path, "/tmp/tael-projection-%d", (int)getpid());
    const int begun = open(file->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(begun, bytes, (size_t)size), size);
    (void)close(begun);
}

// One wish is refused: who asked is told, and either all of what was added is there or nothing of
// it, each number as it was. Whether there was such a wish.
static bool refuse(enum refused kind, u64 n, enum status *status)
{
    void *made = NULL;
    struct failure failure = {0};
    bool is_committed = false;
    refused = kind;
    refuse_at = 0;
    begun_make(&made);
    struct file *file = made;
    wishes = 0;
    refuse_at = n;
    *status = project(file, &is_committed, &failure);
    const bool was_refused = wishes >= n;
    refuse_at = 0;
    if (*status != STATUS_OK) assert_true(was_refused && failure.message[0] != 0);
    file->projection = file_open(file);
    const bool is_there = projection_row(file->projection) == 4;
    assert_true(is_there || (!is_committed && projection_row(file->projection) == 2));
    assert_string_equal(asked(file, "SELECT count(*) FROM account WHERE code = 1"), "2");
    assert_string_equal(asked(file, "SELECT count(*) FROM transfer"), is_there ? "1" : "0");
    if (is_there) {
        assert_string_equal(asked(file, "SELECT id || amount || released FROM transfer"),
                            "340282366920938463463374607431768211450"
                            "000000000000000001180591620717411303424"
                            "000000000000000002361183241434822606848");
        assert_string_equal(asked(file, "SELECT command_id || kind FROM transfer"),
                            "340282366920938463463374607431768211449post");
        assert_string_equal(asked(file, "SELECT group_concat(entry_id || item || side || "
                                        "account_id || amount) FROM entry_post_legs "
                                        "NATURAL JOIN entry_post"),
                            "90debit15,91credit25");
    }
    assert_int_equal(teardown(&made), 0);
    return was_refused;
}

static void test_wishes_for_memory_are_refused(void **state)
{
    u32 told = 0;
    enum status status = STATUS_OK;
    (void)state;
    for (u64 n = 1; refuse(REFUSED_MEMORY, n, &status); n += 1 + n / 16) {
        told += status == STATUS_IO;
        assert_true(status == STATUS_OK || status == STATUS_IO);
    }
    assert_true(told > 20);
}

static void test_wishes_for_the_memory_of_rows_are_refused(void **state)
{
    u32 told = 0;
    enum status status = STATUS_OK;
    (void)state;
    for (u64 n = 1; refuse(REFUSED_ROW_MEMORY, n, &status); n += 1 + n / 24) {
        told += status == STATUS_IO;
        assert_true(status == STATUS_OK || status == STATUS_IO);
    }
    assert_true(told > 20);
}

static void test_calls_on_the_file_are_refused(void **state)
{
    u32 told = 0;
    enum status status = STATUS_OK;
    (void)state;
    calls_begin();
    for (u64 n = 1; refuse(REFUSED_CALL, n, &status); n += 1 + n / 24) {
        told += status == STATUS_IO;
        assert_true(status == STATUS_OK || status == STATUS_IO);
    }
    assert_true(told > 5);
    told = 0;
    for (u64 n = 1; refuse(REFUSED_SPACE, n, &status); n++) {
        told += status == STATUS_FULL;
        // Of what readers share SQLite does not say why it cannot be written.
        assert_true(status == STATUS_OK || status == STATUS_FULL || status == STATUS_IO);
    }
    assert_true(told > 5);
}

int main(void)
{
    memory_begin();
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_numbers_of_every_size),
        CASE(test_what_is_not_committed_is_not_there),
        CASE(test_two_writers_are_noticed),
        CASE(test_another_log_is_refused),
        CASE(test_items_have_rows_of_their_own),
        CASE(test_values_of_every_sort),
        CASE(test_a_file_that_another_process_writes_to_is_busy),
        CASE(test_records_that_are_not_known_are_refused),
        CASE(test_files_that_are_not_this_log_s_projection),
        CASE(test_a_file_that_is_no_database),
        CASE(test_a_column_that_came_since_is_added),
        CASE(test_what_is_malformed_is_refused),
        CASE(test_views_and_indexes),
        cmocka_unit_test(test_names_do_not_collide),
        cmocka_unit_test(test_wishes_for_memory_are_refused),
        cmocka_unit_test(test_wishes_for_the_memory_of_rows_are_refused),
        cmocka_unit_test(test_calls_on_the_file_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
