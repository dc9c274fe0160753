// SPDX-License-Identifier: Apache-2.0
//
// Problem documents and results, as text; metrics.
#include "edge/edge_problem.h"

#include "edge/edge_metrics.h"
#include "edge/edge_result.h"
#include "ledger/ledger_schema.h"
#include "modules/principal/principal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void expect_problem(const struct edge_problem *problem, const char *text)
{
    char out[4096];
    struct json_writer writer = json_writer_init(out, sizeof out - 1);
    edge_problem_write(problem, &writer);
    out[writer.text.size] = 0;
    assert_string_equal(out, text);
}

static void test_problems_of_the_edge(void **state)
{
    (void)state;
    struct edge_problem problem = edge_problem_make(EDGE_PROBLEM_NOT_FOUND, "there is no %s", "x");
    assert_int_equal(edge_problem_status(&problem), 404);
    expect_problem(&problem, "{\"type\":\"/docs#problem-not-found\",\"title\":\"There is nothing "
                             "under this path.\",\"status\":404,\"detail\":\"there is no x\"}");
    struct failure failure;
    (void)failure_set(&failure, STATUS_INVALID, "line 1, column 4 (byte 3): timeout: too much");
    struct json_error error = {.rule = JSON_RULE_VALUE, .line = 1, .column = 4, .path = "timeout"};
    error.field = schema_find_field(&ledger_schema_transfer, "timeout", 7);
    problem = edge_problem_of_json(&error, &failure);
    expect_problem(
        &problem, "{\"type\":\"/docs#problem-bad-value\",\"title\":\"A member has a value that its "
                  "field does not take.\",\"status\":400,\"detail\":\"line 1, column 4 (byte 3): "
                  "timeout: too much\",\"field\":\"timeout\",\"line\":1,\"column\":4,\"min\":\"0\","
                  "\"max\":\"4294967295\"}");
    error.rule = JSON_RULE_WRONG_TYPE;
    problem = edge_problem_of_json(&error, &failure);
    assert_null(problem.of);
}

// Names are unique, and statuses are those of refusals.
static void test_rows(void **state)
{
    (void)state;
    for (u32 i = 0; i < EDGE_PROBLEM_COUNT; i++) {
        const struct edge_problem_row *row = edge_problem_row((enum edge_problem_kind)i);
        assert_in_range(row->status, 400, 599);
        assert_true(strlen(row->title) > 0 && row->title[strlen(row->title) - 1] == '.');
        for (u32 j = 0; j < i; j++) {
            assert_string_not_equal(row->name, edge_problem_row((enum edge_problem_kind)j)->name);
        }
    }
}

static void expect_result(const struct edge_result *result, const char *text)
{
    char out[1024];
    struct json_writer writer = json_writer_init(out, sizeof out - 1);
    json_write_object_begin(&writer);
    edge_result_write(result, &writer);
    json_write_object_end(&writer);
    out[writer.text.size] = 0;
    assert_string_equal(out, text);
}

static void test_results_of_modules(void **state)
{
    const struct edge_endpoint endpoint = {.module = &principal_module,
                                           .record = &principal_schema_principal_open,
                                           .group = "principal"};
    struct tael_reply reply = {.position = 9, .timestamp = 1000000000};
    (void)state;
    struct edge_result result = edge_result_of_reply(&endpoint, &reply);
    assert_true(result.is_done);
    expect_result(&result,
                  "{\"result\":\"done\",\"number\":0,\"timestamp\":\"1970-01-01T00:00:01Z\"}");
    reply.result = PRINCIPAL_EXISTS;
    reply.evidence[0].low = 7;
    result = edge_result_of_reply(&endpoint, &reply);
    assert_false(result.is_done);
    expect_result(&result,
                  "{\"result\":\"exists\",\"number\":6,\"timestamp\":\"1970-01-01T00:00:01Z\","
                  "\"evidence\":\"7\",\"limit\":\"0\"}");
    struct edge_problem problem = edge_problem_of_result(&endpoint, &result);
    problem.command_id = 5;
    assert_int_equal(edge_problem_status(&problem), 409);
    expect_problem(
        &problem, "{\"type\":\"/docs#result-principal-exists\",\"title\":\"The principal exists.\","
                  "\"status\":409,\"detail\":\"The principal exists.\",\"result\":\"exists\","
                  "\"code\":6,\"evidence\":\"7\",\"limit\":\"0\",\"command_id\":\"5\","
                  "\"position\":\"9\"}");
    // A posting that the ledger refused, and a constraint, whose evidence is signed.
    reply = (struct tael_reply){.result = MODULE_POSTING_REFUSED,
                                .posting = 2,
                                .posting_result = CREATE_TRANSFER_EXCEEDS_CREDITS};
    reply.evidence[0].low = 100;
    reply.evidence[1].low = 50;
    result = edge_result_of_reply(&endpoint, &reply);
    expect_result(&result,
                  "{\"result\":\"posting_refused\",\"number\":200,\"evidence\":\"100\","
                  "\"limit\":\"50\",\"posting\":2,\"posting_result\":\"exceeds_credits\"}");
    reply = (struct tael_reply){.result = MODULE_CONSTRAINT_BROKEN, .posting = 3};
    reply.evidence[0] = (struct tael_u128){.low = U64_MAX - 4, .high = U64_MAX};
    result = edge_result_of_reply(&endpoint, &reply);
    expect_result(&result, "{\"result\":\"constraint_broken\",\"number\":208,\"evidence\":\"-5\","
                           "\"limit\":\"0\",\"constraint\":3}");
    // One that a newer server has.
    reply = (struct tael_reply){.result = 199};
    result = edge_result_of_reply(&endpoint, &reply);
    expect_result(&result, "{\"result\":\"unknown\",\"number\":199}");
    problem = edge_problem_of_result(&endpoint, &result);
    assert_int_equal(edge_problem_status(&problem), 409);
}

static void test_results_of_the_ledger(void **state)
{
    const struct edge_endpoint endpoint = {.record = &ledger_schema_transfer, .group = "ledger"};
    struct tael_create_result raw = {.status = TAEL_CREATED};
    (void)state;
    struct edge_result result = edge_result_of_raw(&endpoint, &raw, 4);
    assert_true(result.is_done && result.result->http_status == 201);
    expect_result(&result, "{\"result\":\"created\",\"number\":4294967295}");
    raw.status = CREATE_TRANSFER_EXISTS;
    assert_true(edge_result_of_raw(&endpoint, &raw, 4).is_done);
    raw.status = CREATE_TRANSFER_EXCEEDS_CREDITS;
    result = edge_result_of_raw(&endpoint, &raw, 4);
    assert_false(result.is_done);
    const struct edge_problem problem = edge_problem_of_result(&endpoint, &result);
    expect_problem(
        &problem,
        "{\"type\":\"/docs#result-create-transfer-exceeds-credits\",\"title\":\"The debit "
        "account has less than the amount.\",\"status\":409,\"detail\":\"The debit account "
        "has less than the amount.\",\"result\":\"exceeds_credits\",\"code\":54,"
        "\"position\":\"4\"}");
}

static void test_metrics(void **state)
{
    static char text[65536];
    static struct edge_metrics metrics;
    struct text out = text_init(text, sizeof text - 1);
    const struct edge_metrics_now now = {.core_status = "position 7\nunknown 8\nfull 1\nidle 0\n"};
    (void)state;
    edge_metrics_count(&metrics, EDGE_CLASS_COMMAND, 201, 90 * NS_PER_US, 10, 20);
    edge_metrics_count(&metrics, EDGE_CLASS_COMMAND, 409, 100 * NS_PER_US, 1, 2);
    edge_metrics_count(&metrics, EDGE_CLASS_COMMAND, 409, 60 * NS_PER_S, 0, 0);
    edge_metrics_write(&metrics, &now, &out);
    text[out.size] = 0;
    static const char *const lines[] = {
        "tael_http_requests_total{class=\"command\",status=\"201\"} 1\n",
        "tael_http_requests_total{class=\"command\",status=\"409\"} 2\n",
        "tael_http_request_seconds_bucket{class=\"command\",le=\"0.0001\"} 2\n",
        "tael_http_request_seconds_bucket{class=\"command\",le=\"30\"} 2\n",
        "tael_http_request_seconds_bucket{class=\"command\",le=\"+Inf\"} 3\n",
        "tael_http_request_seconds_sum{class=\"command\"} 60.000190000\n",
        "tael_http_request_seconds_count{class=\"command\"} 3\n",
        "tael_http_received_bytes_total 11\n",
        "tael_http_sent_bytes_total 22\n",
        "tael_core_position 7\n",
        "tael_core_storage_full 1\n",
        "tael_core_idle 0\n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        if (strstr(text, lines[i]) == NULL) fail_msg("there is no %s", lines[i]);
    }
    assert_null(strstr(text, "unknown"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problems_of_the_edge),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_results_of_modules),
        cmocka_unit_test(test_results_of_the_ledger),
        cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
