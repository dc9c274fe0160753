// SPDX-License-Identifier: Apache-2.0
//
// The file of a projection: numbers of every size, transactions that are left open, two writers,
// and the columns of every record. (What is in it is compared with a server by tests/stream.)
#include "projection/projection.h"

#include "ledger/ledger_schema.h"
#include "modules/entry/entry.h"
#include "modules/module.h"

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

static int teardown(void **state)
{
    struct file *file = *state;
    static const char *const ends[] = {"", "-wal", "-shm"};
    projection_close(file->projection);
    for (u32 i = 0; i < ARRAY_COUNT(ends); i++) {
        char path[80];
        (void)snprintf(path, sizeof path, "%s%s", file->path, ends[i]);
        (void)unlink(path);
    }
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
    static char text[128];
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

static void test_records_that_are_not_known_are_refused(void **state)
{
    struct file *file = *state;
    const struct change change = {.row = 0, .record = 0x6e01};
    struct failure failure = {0};
    assert_int_equal(projection_add(file->projection, &change, &failure), STATUS_UNSUPPORTED);
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

// --- memory that is refused ----------------------------------------------------------------------

static sqlite3_mem_methods memory; // SQLite's own.
static u64 wishes;
static u64 refuse_at; // 0: none.

static void *refusing_malloc(int size)
{
    return ++wishes == refuse_at ? NULL : memory.xMalloc(size);
}

static void *refusing_realloc(void *old, int size)
{
    return ++wishes == refuse_at ? NULL : memory.xRealloc(old, size);
}

static void memory_begin(void)
{
    sqlite3_mem_methods refusing;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory), SQLITE_OK);
    refusing = memory;
    refusing.xMalloc = refusing_malloc;
    refusing.xRealloc = refusing_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &refusing), SQLITE_OK);
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
                    .kind = CHANGE_KIND_TRANSFER,
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
    memcpy(&rows[0].change + 1, &transfer, sizeof transfer);
    memcpy(&rows[1].change + 1, &entry, sizeof entry);
    *is_committed = false;
    enum status status = projection_open(&projection, &options, failure);
    if (status != STATUS_OK) return status;
    for (u32 i = 0; i < 2 && status == STATUS_OK; i++) {
        status = projection_add(projection, &rows[i].change, failure);
    }
    if (status == STATUS_OK) status = projection_commit(projection, 4, 4, failure);
    *is_committed = status == STATUS_OK;
    if (status == STATUS_OK) status = projection_index(projection, failure);
    projection_close(projection);
    return status;
}

// Wishes of SQLite for memory are refused: it is told, and either all of what was added is there or
// nothing of it, each number as it was.
static void test_wishes_for_memory_are_refused(void **state)
{
    u32 told = 0;
    bool is_refused = true;
    for (u64 n = 1; is_refused; n += 1 + n / 24) {
        void *made = NULL;
        struct failure failure = {0};
        bool is_committed = false;
        (void)state;
        (void)setup(&made);
        struct file *file = made;
        accounts_add(file);
        commit(file);
        projection_close(file->projection);
        wishes = 0;
        refuse_at = n;
        const enum status status = project(file, &is_committed, &failure);
        is_refused = wishes >= n;
        refuse_at = 0;
        if (status != STATUS_OK) {
            assert_true(is_refused && failure.message[0] != 0);
            told++;
        }
        file->projection = file_open(file);
        const bool is_there = projection_row(file->projection) == 4;
        assert_true(is_there || (!is_committed && projection_row(file->projection) == 2));
        assert_string_equal(asked(file, "SELECT count(*) FROM account WHERE code = 1"), "2");
        assert_string_equal(asked(file, "SELECT count(*) FROM transfer"), is_there ? "1" : "0");
        if (is_there) {
            assert_string_equal(asked(file, "SELECT id || amount FROM transfer"),
                                "340282366920938463463374607431768211450"
                                "000000000000000001180591620717411303424");
            assert_string_equal(asked(file, "SELECT group_concat(entry_id || item || side || "
                                            "account_id || amount) FROM entry_post_legs "
                                            "NATURAL JOIN entry_post"),
                                "90debit15,91credit25");
        }
        assert_int_equal(teardown(&made), 0);
    }
    assert_true(told > 20);
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
        CASE(test_records_that_are_not_known_are_refused),
        CASE(test_views_and_indexes),
        cmocka_unit_test(test_names_do_not_collide),
        cmocka_unit_test(test_wishes_for_memory_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
