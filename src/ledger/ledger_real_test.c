// SPDX-License-Identifier: Apache-2.0
//
// The real ledger: every table, and random steps beside the model, with segments of history that
// end early so that everything is looked for in live, sealed and merged ones. LEDGER_EVENTS=n in
// the environment runs at least n random events instead of the usual number.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ledger/ledger_compare.h"
#include "ledger/ledger_model.h"
#include "ledger/ledger_real_executor.h"
#include "ledger/ledger_table.h"

#define EVENTS          1000000
#define STEPS_OF_A_SEED 3000

static const char *const table_files[] = {
    "accounts.txt", "transfers.txt", "two_phase.txt", "amounts.txt",
    "chains.txt",   "imported.txt",  "queries.txt",   "precedence.txt",
};

static void run_tables(u32 rotate_every)
{
    struct ledger_table_report report = {0};
    struct ledger_real *real = ledger_real_new(rotate_every, rotate_every);
    const struct ledger_executor executor = ledger_real_executor(real);
    for (size_t i = 0; i < ARRAY_COUNT(table_files); i++) {
        ledger_table_run_file(&executor, table_files[i], stderr, &report);
    }
    assert_int_equal(report.failures, 0);
    assert_true(report.tables > 0);
    ledger_real_free(real);
}

static void test_tables_hold(void **state)
{
    (void)state;
    run_tables(0);
}

static void test_tables_hold_over_segments(void **state)
{
    (void)state;
    run_tables(1);
    run_tables(3);
}

// Configurations that differ in what they stress.
static struct ledger_random_config config_of(u64 seed)
{
    struct ledger_random_config config = ledger_random_config_default();
    switch (seed % 4) {
    case 0: break;
    case 1: // Long histories of few accounts: snapshots, long walks.
        config.batch_max = LEDGER_RANDOM_BATCH_MAX;
        config.accounts_window = 6;
        config.invalid_percent = 4;
        break;
    case 2: // Few refusals, from the beginning of time.
        config.timestamp_start = 0;
        config.invalid_percent = 1;
        config.imported_percent = 2;
        config.question_percent = 40;
        break;
    default: // Chains and imports.
        config.chain_percent = 40;
        config.imported_percent = 50;
        break;
    }
    return config;
}

static void test_agrees_with_model(void **state)
{
    (void)state;
    const char *wanted = getenv("LEDGER_EVENTS");
    const u64 events_wanted = wanted != NULL ? strtoull(wanted, NULL, 10) : EVENTS;
    const char *first = getenv("LEDGER_SEED");
    struct ledger_coverage coverage = {0};
    struct ledger_real_counts counts = {0};
    u64 events = 0;
    for (u64 seed = first != NULL ? strtoull(first, NULL, 10) : 1; events < events_wanted; seed++) {
        static const u32 rotations[] = {0, 7, 40, 150, 1};
        struct ledger_random random;
        struct ledger_model *model = ledger_model_new();
        struct ledger_real *real = ledger_real_new(seed, rotations[seed % ARRAY_COUNT(rotations)]);
        const struct ledger_executor left = ledger_model_executor(model);
        const struct ledger_executor right = ledger_real_executor(real);
        ledger_random_init(&random, seed, config_of(seed));
        assert_true(
            ledger_compare_run(&random, &left, &right, STEPS_OF_A_SEED, 100, stderr, &coverage));
        const struct ledger_real_counts seen = ledger_real_counts(real);
        events += seen.rows;
        counts.rotated += seen.rotated;
        counts.sealed += seen.sealed;
        counts.merged += seen.merged;
        ledger_real_free(real);
        ledger_model_free(model);
    }
    if (getenv("LEDGER_COVERAGE") != NULL) {
        fprintf(stderr, "events %llu rotated %llu sealed %llu merged %llu expired %llu\n",
                (unsigned long long)events, (unsigned long long)counts.rotated,
                (unsigned long long)counts.sealed, (unsigned long long)counts.merged,
                (unsigned long long)coverage.expired);
    }
    assert_true(counts.sealed > 0 && counts.merged > 0 && coverage.expired > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_hold),
        cmocka_unit_test(test_tables_hold_over_segments),
        cmocka_unit_test(test_agrees_with_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
