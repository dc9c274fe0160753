// SPDX-License-Identifier: Apache-2.0
//
// The generator reaches every rule, the model keeps its invariants under it, and the comparison
// finds a ledger that is wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ledger/ledger_compare.h"
#include "ledger/ledger_model.h"

#define SEEDS           16
#define STEPS_OF_A_SEED 3000

static void print_coverage(struct ledger_result_rows results, const u64 *seen, const char *kind)
{
    for (u32 i = 0; i < results.count; i++) {
        fprintf(stderr, "%-10s %-52s %8llu\n", kind, results.rows[i].name,
                (unsigned long long)seen[i]);
    }
}

static void test_every_result_is_reached(void **state)
{
    (void)state;
    struct ledger_coverage coverage = {0};
    struct ledger_random random;
    struct ledger_step step;
    struct ledger_model *model = ledger_model_new();
    const struct ledger_executor executor = ledger_model_executor(model);
    struct ledger_reply *reply = malloc(sizeof *reply);
    assert_non_null(reply);
    for (u64 seed = 1; seed <= SEEDS; seed++) {
        ledger_model_reset(model);
        ledger_random_init(&random, seed, ledger_random_config_default());
        for (u32 i = 0; i < STEPS_OF_A_SEED; i++) {
            ledger_random_next(&random, &step);
            ledger_compare_execute(&executor, &step, reply);
            ledger_compare_count(&step, reply, &coverage);
            ledger_model_check(model);
        }
    }
    const struct ledger_result_rows accounts = ledger_create_account_results();
    const struct ledger_result_rows transfers = ledger_create_transfer_results();
    if (getenv("LEDGER_COVERAGE") != NULL) {
        print_coverage(accounts, coverage.account_results, "account");
        print_coverage(transfers, coverage.transfer_results, "transfer");
        fprintf(stderr, "expired %llu\n", (unsigned long long)coverage.expired);
    }
    u32 missing = 0;
    for (u32 i = 0; i < accounts.count; i++) {
        if (coverage.account_results[i] != 0) continue;
        fprintf(stderr, "never given: account %s\n", accounts.rows[i].name);
        missing++;
    }
    for (u32 i = 0; i < transfers.count; i++) {
        if (coverage.transfer_results[i] != 0) continue;
        fprintf(stderr, "never given: transfer %s\n", transfers.rows[i].name);
        missing++;
    }
    assert_int_equal(missing, 0);
    assert_true(coverage.expired > 0);
    for (size_t i = 0; i < ARRAY_COUNT(coverage.rows); i++) assert_true(coverage.rows[i] > 0);
    free(reply);
    ledger_model_free(model);
}

static void test_same_seed_same_steps(void **state)
{
    (void)state;
    struct ledger_random left;
    struct ledger_random right;
    struct ledger_step left_step;
    struct ledger_step right_step;
    ledger_random_init(&left, 42, ledger_random_config_default());
    ledger_random_init(&right, 42, ledger_random_config_default());
    u64 timestamp = 0;
    for (u32 i = 0; i < 500; i++) {
        ledger_random_next(&left, &left_step);
        ledger_random_next(&right, &right_step);
        assert_memory_equal(&left_step, &right_step, sizeof left_step);
        if (left_step.timestamp == 0) continue;
        assert_true(left_step.timestamp - left_step.count >= timestamp);
        timestamp = left_step.timestamp + left_step.limit;
    }
}

static void test_model_agrees_with_itself(void **state)
{
    (void)state;
    struct ledger_random random;
    struct ledger_coverage coverage = {0};
    struct ledger_model *left = ledger_model_new();
    struct ledger_model *right = ledger_model_new();
    const struct ledger_executor left_executor = ledger_model_executor(left);
    const struct ledger_executor right_executor = ledger_model_executor(right);
    ledger_random_init(&random, 7, ledger_random_config_default());
    assert_true(
        ledger_compare_run(&random, &left_executor, &right_executor, 1000, 50, stderr, &coverage));
    ledger_model_free(left);
    ledger_model_free(right);
}

// A model with one fault: it forgets to expire.
static u32 faulty_expire(void *context, u64 timestamp, u32 limit)
{
    (void)context;
    (void)timestamp;
    (void)limit;
    return 0;
}

// One that rounds an amount up, once in a thousand.
static void faulty_create_transfers(void *context, u64 timestamp, const struct transfer *events,
                                    u32 count, struct create_result *results)
{
    struct transfer wrong[LEDGER_RANDOM_BATCH_MAX];
    memcpy(wrong, events, count * sizeof *events);
    if (timestamp % 1000 == 0 && wrong[0].amount < U128_MAX) wrong[0].amount++;
    ledger_model_create_transfers(context, timestamp, wrong, count, results);
}

// One that does not see reversed order.
static u32 faulty_query_transfers(void *context, const struct query_filter *filter, u32 limit_max,
                                  struct transfer *out)
{
    struct query_filter wrong = *filter;
    wrong.flags &= ~(u32)QUERY_FILTER_REVERSED;
    return ledger_model_query_transfers(context, &wrong, limit_max, out);
}

static void assert_fault_is_found(const struct ledger_executor *good,
                                  const struct ledger_executor *faulty)
{
    struct ledger_random random;
    char message[4096] = {0};
    FILE *trace = fmemopen(message, sizeof message - 1, "w");
    assert_non_null(trace);
    good->reset(good->context);
    faulty->reset(faulty->context);
    ledger_random_init(&random, 11, ledger_random_config_default());
    assert_false(ledger_compare_run(&random, good, faulty, 20000, 50, trace, NULL));
    (void)fclose(trace);
    assert_non_null(strstr(message, "seed 11"));
    assert_non_null(strstr(message, "faulty"));
    if (getenv("LEDGER_COVERAGE") != NULL) fprintf(stderr, "%s", message);
}

static void test_faults_are_found(void **state)
{
    (void)state;
    struct ledger_model *left = ledger_model_new();
    struct ledger_model *right = ledger_model_new();
    const struct ledger_executor good = ledger_model_executor(left);
    struct ledger_executor faulty = ledger_model_executor(right);
    faulty.name = "faulty";
    faulty.expire = faulty_expire;
    assert_fault_is_found(&good, &faulty);
    faulty = ledger_model_executor(right);
    faulty.name = "faulty";
    faulty.create_transfers = faulty_create_transfers;
    assert_fault_is_found(&good, &faulty);
    faulty = ledger_model_executor(right);
    faulty.name = "faulty";
    faulty.query_transfers = faulty_query_transfers;
    assert_fault_is_found(&good, &faulty);
    ledger_model_free(left);
    ledger_model_free(right);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_result_is_reached),
        cmocka_unit_test(test_same_seed_same_steps),
        cmocka_unit_test(test_model_agrees_with_itself),
        cmocka_unit_test(test_faults_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
