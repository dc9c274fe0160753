// SPDX-License-Identifier: Apache-2.0
//
// The tables of the business modules hold, no result of theirs is left without a row, and the
// harness complains of what is wrong. `command_table entry/tables/entries.txt` runs that table
// alone.
#include "machine/command_table.h"
#include "modules/import/import.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const table_files[] = {
    "entity/tables/entity.txt",
    "tree/tables/tree.txt",
    "entity/tables/calendars.txt",
    "entity/tables/days.txt",
    "book/tables/assets.txt",
    "book/tables/books.txt",
    "book/tables/past.txt",
    "book/tables/status.txt",
    "entry/tables/entries.txt",
    "entry/tables/entry_ids.txt",
    "entry/tables/entry_days.txt",
    "entry/tables/facts.txt",
    "entry/tables/holds.txt",
    "entry/tables/reversals.txt",
    "entry/tables/found.txt",
    "entry/tables/rules.txt",
    "constraint/tables/cells.txt",
    "constraint/tables/constraints.txt",
    "constraint/tables/breaches.txt",
    "constraint/tables/history.txt",
    "name/tables/names.txt",
    "name/tables/lists.txt",
    "name/tables/balances.txt",
    "name/tables/turnover.txt",
    "principal/tables/delegations.txt",
    "principal/tables/principals.txt",
    "principal/tables/tokens.txt",
    "effect/tables/states.txt",
    "effect/tables/claims.txt",
    "effect/tables/arming.txt",
    "effect/tables/places.txt",
    "job/tables/jobs.txt",
    "import/tables/imports.txt",
    "accrual/tables/loans.txt",
    "sample/tables/boxes.txt",
};

static void test_tables_hold(void **state)
{
    struct command_table_report *report = *state;
    for (size_t i = 0; i < ARRAY_COUNT(table_files); i++) {
        command_table_run_file(table_files[i], stderr, report);
    }
    (void)fprintf(stderr, "%u tables, %u rows\n", report->tables, report->rows);
    assert_int_equal(report->failures, 0);
    assert_true(report->tables > 0);
}

static u32 count_seen(const struct command_table_report *report, const struct module *module,
                      const struct schema_result *result)
{
    assert_true(result->number > 0 && result->number < MODULE_POSTING_REFUSED);
    const u32 seen = report->results[module_index(module)][result->number];
    if (seen == 0) {
        (void)fprintf(stderr, "no row of the tables expects %s of %s\n", result->name,
                      module->name);
    }
    return seen;
}

// Behind test_tables_hold: every result of a module has a row, and each that all of them share.
static void test_every_result_has_a_row(void **state)
{
    const struct command_table_report *report = *state;
    u32 missing = 0;
    u32 shared[COMMAND_TABLE_RESULTS_MAX] = {0};
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = MODULE_POSTING_REFUSED; j < COMMAND_TABLE_RESULTS_MAX; j++) {
            shared[j] += report->results[i][j];
        }
        missing += report->results[i][MODULE_DONE] == 0;
        for (u32 j = 0; j < modules[i]->schema->results_count; j++) {
            const struct schema_results *results = modules[i]->schema->results[j];
            // No command is refused by these (machine/import_test.c).
            if (results == &import_schema_import_job_result) continue;
            for (u32 k = 0; k < results->row_count; k++) {
                missing += count_seen(report, modules[i], &results->rows[k]) == 0;
            }
        }
    }
    for (u32 j = 0; j < module_schema_module_result.row_count; j++) {
        const struct schema_result *result = &module_schema_module_result.rows[j];
        // Questions alone are refused by the future (past_test.c).
        if (shared[result->number] > 0 || result->number == MODULE_IN_THE_FUTURE) continue;
        (void)fprintf(stderr, "no row of the tables expects %s\n", result->name);
        missing++;
    }
    assert_int_equal(missing, 0);
}

#define GIVEN                                                                                   \
    "table t\ngiven entity_open {\"entity_id\": 1, \"name\": \"T\", \"jurisdiction\": \"HK\", " \
    "\"currency\": \"HKD\", \"day\": 1}\n"

// A harness that never complains would pass everything: each of these must be complained of.
static void test_harness_complains(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "entity_open {} -> done",
        "table t\ncolour",
        "table t\nentity_open {\"entity_id\": 1} -> done",
        GIVEN "entity_open {} -> exists",
        GIVEN "entity_open {} -> nonsense",
        GIVEN "entity_open {} -> done 1",
        GIVEN "entity_open {} -> done 0 0 0",
        GIVEN "entity_open {}",
        GIVEN "entity_open {} colour -> done",
        GIVEN "entity_open {\"colour\": 1} -> done",
        GIVEN "entity_open {\"entity_id\": 2^128} -> done",
        GIVEN "entity_open {\"day\": 2026-02-29} -> done",
        GIVEN "entity_open {} expires 1 -> done",
        GIVEN "entity_open {} -> done\nentity_open {} -> exists then",
        GIVEN "entity_open {} -> done\nentity_open {} -> exists 1 then",
        GIVEN "entity_open {\"entity_id\": next} -> done\n"
              "entity_open {\"entity_id\": next} -> exists 1000001",
        GIVEN "entity_open {\"entity_id\": 1 -> done",
        GIVEN "entity_open {} -> done\nentity_open {} -> exists 2",
        GIVEN "entity_open {} -> done\nask entity_list -> 2",
        GIVEN "entity_open {} -> done\nask entity_list -> 1\nview {\"day\": 2}",
        GIVEN "entity_open {} -> done\nask entity_list -> 1\nview {}\nview {}",
        GIVEN "entity_open {} -> done\nentity_open {\"entity_id\": 2} -> done\n"
              "ask entity_list -> 2\nview {}",
        GIVEN "ask entity_open -> 1",
        GIVEN "ask entity_list",
        GIVEN "ask entity_list {\"entity_id\": 9} -> not_found",
        GIVEN "batch\nentity_open {} -> done",
        GIVEN "batch\nentity_open {} -> exists\nend",
        GIVEN "batch\nentity_open {}\nend",
        GIVEN "batch\nask entity_list -> 0\nend",
        GIVEN "end",
        GIVEN "account {\"id\": 1, \"ledger\": 1, \"code\": 1} -> exists",
        GIVEN "account {\"id\": 1, \"ledger\": 1, \"code\": 1} -> created\nbalance 1 dpo 1",
        GIVEN "account {\"id\": 1, \"ledger\": 1, \"code\": 1} -> created\nmissing 1",
        GIVEN "balance 1/1",
        GIVEN "accounts 1 -> 1",
        GIVEN "accounts 1",
        GIVEN "account {\"id\": 1, \"ledger\": 1, \"code\": 1} -> created\naccounts 1 -> none",
        GIVEN "postings 1 -> 1>2=3",
        GIVEN "postings 1 colour 1 -> none",
        GIVEN "missing x",
        GIVEN "record 511 -> unknown 1",
        "common\nentity_open {} -> done\ntable t",
        GIVEN "principal x",
        GIVEN "many 2 entity_open {}",
        GIVEN "many 2 colour {}",
        GIVEN "pass x",
        GIVEN "epoch x",
        GIVEN "slice x",
        GIVEN "given colour {}",
    };
    FILE *trace = fopen("/dev/null", "we");
    assert_non_null(trace);
    struct command_table_report *report = malloc(sizeof *report);
    assert_non_null(report);
    for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
        memset(report, 0, sizeof *report);
        command_table_run("wrong", wrong[i], trace, report);
        if (report->failures == 0) (void)fprintf(stderr, "not complained of: %s\n", wrong[i]);
        assert_true(report->failures > 0);
    }
    free(report);
    (void)fclose(trace);
}

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct command_table_report));
    return *state == NULL;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

// Runs the tables that are named and says whether all of them hold.
static int run_named(char **names, int count)
{
    struct command_table_report *report = calloc(1, sizeof *report);
    assert(report != NULL);
    for (int i = 0; i < count; i++) command_table_run_file(names[i], stderr, report);
    const bool hold = report->failures == 0 && report->tables > 0;
    (void)fprintf(stderr, "%u tables, %u rows\n", report->tables, report->rows);
    free(report);
    return !hold;
}

int main(int argc, char **argv)
{
    if (argc > 1) return run_named(argv + 1, argc - 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_hold),
        cmocka_unit_test(test_every_result_has_a_row),
        cmocka_unit_test(test_harness_complains),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
