// SPDX-License-Identifier: Apache-2.0
//
// The tables of src/ledger/tables against the model, and that no result is left without a row.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/ledger_model.h"
#include "ledger/ledger_table.h"

static const char *const table_files[] = {
    "accounts.txt", "transfers.txt", "two_phase.txt", "amounts.txt",
    "chains.txt",   "imported.txt",  "queries.txt",   "precedence.txt",
};

static void run_all(struct ledger_table_report *report)
{
    struct ledger_model *model = ledger_model_new();
    const struct ledger_executor executor = ledger_model_executor(model);
    for (size_t i = 0; i < ARRAY_COUNT(table_files); i++) {
        ledger_table_run_file(&executor, table_files[i], stderr, report);
    }
    ledger_model_free(model);
}

static u32 count_missing(struct ledger_result_rows results, const u32 *seen, const char *kind)
{
    u32 missing = 0;
    assert_true(results.count <= LEDGER_TABLE_RESULTS_MAX);
    for (u32 i = 0; i < results.count; i++) {
        if (seen[i] > 0) continue;
        fprintf(stderr, "no row of the tables expects %s %s\n", kind, results.rows[i].name);
        missing++;
    }
    return missing;
}

static void test_tables_hold(void **state)
{
    (void)state;
    struct ledger_table_report report = {0};
    run_all(&report);
    fprintf(stderr, "%u tables, %u rows\n", report.tables, report.rows);
    assert_int_equal(report.failures, 0);
    assert_true(report.tables > 0);
}

static void test_every_result_has_a_row(void **state)
{
    (void)state;
    struct ledger_table_report report = {0};
    run_all(&report);
    const u32 missing =
        count_missing(ledger_create_account_results(), report.account_results, "account") +
        count_missing(ledger_create_transfer_results(), report.transfer_results, "transfer");
    assert_int_equal(missing, 0);
}

// A harness that never complains would pass everything: each of these rows must be complained of.
static void test_harness_complains(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "account A1 L1 C1 -> exists",
        "account A1 L1 C1 -> nonsense",
        "account A1 L1 C1 colour 3 -> created",
        "account A0 L1 C1 -> created",
        "account A1 L1 C1 -> created\nbalance A1 dp 1",
        "account A1 L1 C1 -> created\nbalance A1 closed",
        "account A1 L1 C1 -> created\nrecord A1 L1 C2",
        "account A1 L1 C1 -> created\nmissing A1",
        "account A1 L1 C1 -> created\nquery accounts -> none",
        "account A1 L1 C1 -> created\nquery accounts -> A1 A2",
        "query transfers limit -> none",
        "changes -> T1:pending",
        "change T1 pending",
        "record T1 A1 A2",
        "expire -> 1",
        "clock 5s\nclock 4s",
        "batch\nbalance A1\nend",
        "batch",
        "colour",
    };
    struct ledger_model *model = ledger_model_new();
    const struct ledger_executor executor = ledger_model_executor(model);
    FILE *trace = fopen("/dev/null", "w");
    assert_non_null(trace);
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        struct ledger_table_report report = {0};
        ledger_table_run(&executor, "wrong", wrong[i], trace, &report);
        if (report.failures == 0) fprintf(stderr, "not complained of: %s\n", wrong[i]);
        assert_true(report.failures > 0);
    }
    (void)fclose(trace);
    ledger_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_hold),
        cmocka_unit_test(test_every_result_has_a_row),
        cmocka_unit_test(test_harness_complains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
