// SPDX-License-Identifier: Apache-2.0
//
// The load generator against a responder in this process: options, every workload, its JSON, and
// what it says when the server misbehaves. (That it measures a real server is tests/e2e's.)
#include "base/base.h"

#include "cli/bench_internal.h"
#include "codec/json.h"
#include "server/compat_stub.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGUMENTS_MAX = 24, OUTPUT_MAX = 1 << 16 };

// Runs the program with the words of `line`; gives what it wrote to standard output.
static int run(const char *line, char *output)
{
    static char words[1024];
    const char *argv[ARGUMENTS_MAX + 1] = {NULL};
    int argc = 0;
    (void)snprintf(words, sizeof words, "%s", line);
    char *rest = NULL;
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        assert_true(argc < ARGUMENTS_MAX);
        argv[argc++] = word;
    }
    FILE *file = tmpfile();
    (void)fflush(stdout);
    const int saved = dup(STDOUT_FILENO);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    const int code = cli_main(argc, argv);
    (void)fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    (void)close(saved);
    rewind(file);
    const size_t size = fread(output, 1, OUTPUT_MAX - 1, file);
    output[size] = 0;
    (void)fclose(file);
    return code;
}

static void test_usage(void **state)
{
    (void)state;
    static char output[OUTPUT_MAX];
    static const char *const refused[] = {
        "bench",
        "bench no-such-workload",
        "bench ordered --no-such-option",
        "bench ordered --transfers",
        "bench ordered --transfers x",
        "bench ordered --transfers 0",
        "bench ordered --transfers -1",
        "bench ordered --batch 8190",
        "bench ordered --clients 61",
        "bench ordered --accounts 1",
        "bench ordered --connect",
        "bench ordered --connect nowhere",
    };
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        assert_int_equal(run(refused[i], output), 2);
        assert_string_equal(output, "");
    }
    assert_int_equal(run("bench --help", output), 0);
    assert_non_null(strstr(output, "tael bench WORKLOAD [FLAGS]: load a server"));
    assert_int_equal(run("bench ordered --no-probe --connect no.such.host.invalid:1", output), 3);
}

// The names of an object's members, in order, and that it is JSON.
static u32 json_keys(const char *text, char names[][32], u32 capacity)
{
    struct json_reader reader = json_reader_init(text, strlen(text), 1);
    struct json_value value;
    struct failure failure;
    u32 count = 0;
    assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(value.token, JSON_OBJECT_BEGIN);
    for (;;) {
        assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
        if (value.token != JSON_KEY) break;
        assert_true(count < capacity);
        (void)snprintf(names[count++], 32, "%.*s", (int)value.size, value.text);
        assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
        assert_int_equal(json_skip(&reader, &value, &failure), STATUS_OK);
    }
    assert_int_equal(value.token, JSON_OBJECT_END);
    assert_int_equal(json_next(&reader, &value, &failure), STATUS_OK);
    assert_int_equal(value.token, JSON_END);
    return count;
}

static void test_workloads(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "ordered --transfers 20000 --accounts 9000",
        "ordered --transfers 20000 --clients 2 --batch 1000",
        "million-accounts --transfers 10000 --accounts 100",
        "ten-million-accounts --transfers 10000 --accounts 100",
        "random-ids --transfers 10000 --accounts 100",
        "two-phase --transfers 3000 --batch 100 --clients 3",
        "single-1 --transfers 300",
        "single-16 --transfers 3000",
        "hundred-8 --transfers 30000",
        "query --transfers 20000 --questions 50",
        "mixed --transfers 40000",
    };
    static const char *const expected[] = {
        "workload",        "transfers", "accounts",    "clients", "batch",
        "transfers_per_s", "batch_ms",  "checkpoints", "drain_s", "rss_bytes",
        "disk_bytes",      "restart_s", "probe_ratio",
    };
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        static char output[OUTPUT_MAX], line[512];
        char names[64][32];
        struct compat_stub *stub = compat_stub_start(5, COMPAT_STUB_CLOSE, 2);
        (void)snprintf(line, sizeof line,
                       "bench %s --compat --cluster 5 --connect 127.0.0.1:%u --json", lines[i],
                       compat_stub_port(stub));
        assert_int_equal(run(line, output), 0);
        const u32 count = json_keys(output, names, ARRAY_COUNT(names));
        for (size_t j = 0; j < ARRAY_COUNT(expected); j++) {
            bool is_there = false;
            for (u32 k = 0; k < count; k++) is_there |= strcmp(names[k], expected[j]) == 0;
            if (!is_there) fail_msg("%s: no %s", lines[i], expected[j]);
        }
        compat_stub_stop(stub);
    }
}

static void test_table(void **state)
{
    (void)state;
    static char output[OUTPUT_MAX], line[256];
    struct compat_stub *stub = compat_stub_start(0, COMPAT_STUB_NONE, 0);
    (void)snprintf(line, sizeof line, "bench ordered --transfers 12345 --no-probe --connect %u",
                   compat_stub_port(stub));
    assert_int_equal(run(line, output), 0);
    assert_non_null(strstr(output, "\ntransfers  "));
    assert_non_null(strstr(output, "  12,345\n"));
    assert_non_null(strstr(output, "\nbatch_ms  "));
    assert_null(strstr(output, "probe"));
    compat_stub_stop(stub);
}

// The number behind each `"key": ` of a JSON text, in order.
static u32 json_numbers(const char *text, const char *key, double *out, u32 capacity)
{
    char pattern[64];
    u32 count = 0;
    (void)snprintf(pattern, sizeof pattern, "\"%s\":", key);
    for (const char *at = text; (at = strstr(at, pattern)) != NULL;) {
        at += strlen(pattern);
        assert_true(count < capacity);
        out[count++] = strtod(at, NULL);
    }
    return count;
}

// At a rate, a run takes as long as it must; its windows add up to the whole.
static void test_rate_and_windows(void **state)
{
    (void)state;
    static char output[OUTPUT_MAX], line[256];
    double transfers[8] = {0}, seconds[8] = {0}, per_s[8] = {0};
    struct compat_stub *stub = compat_stub_start(0, COMPAT_STUB_NONE, 0);
    (void)snprintf(line, sizeof line,
                   "bench hundred-8 --transfers 40000 --rate 20000 --windows 4 --no-probe --json "
                   "--connect %u",
                   compat_stub_port(stub));
    assert_int_equal(run(line, output), 0);
    const u32 windows = json_numbers(output, "transfers", transfers, ARRAY_COUNT(transfers)) - 1;
    assert_int_equal(json_numbers(output, "seconds", seconds, ARRAY_COUNT(seconds)), windows);
    assert_in_range(windows, 1, 4); // A window ends at a tick: a machine that stalls skips some.
    double sum = 0, total = 0;
    for (u32 i = 0; i < windows; i++) {
        sum += transfers[1 + i];
        total += seconds[i];
    }
    assert_true(sum == transfers[0]);
    assert_int_equal(json_numbers(output, "transfers_per_s", per_s, ARRAY_COUNT(per_s)),
                     1 + windows);
    // 400 requests, of which the first goes at once.
    assert_true(per_s[0] <= 20000.0 * 400 / 399 + 1);
    assert_true(total >= 40000 / per_s[0] - 0.01);
    compat_stub_stop(stub);
}

static void test_server_misbehaves(void **state)
{
    (void)state;
    static char output[OUTPUT_MAX], line[256];
    struct compat_stub *stub = compat_stub_start(0, COMPAT_STUB_EVICT, 1);
    (void)snprintf(line, sizeof line, "bench ordered --transfers 100 --no-probe --connect %u",
                   compat_stub_port(stub));
    assert_int_equal(run(line, output), 1);
    compat_stub_stop(stub);
}

static void test_content(void **state)
{
    (void)state;
    struct bench_content content = {.seed = 3, .accounts = 10, .id_base = 1000, .batch = 4};
    struct transfer transfer, again, before = {0};
    for (u64 i = 0; i < 10000; i++) {
        bench_transfer(&content, i, &transfer);
        bench_transfer(&content, i, &again);
        assert_memory_equal(&transfer, &again, sizeof transfer);
        assert_true(transfer.id > before.id);
        assert_true(transfer.debit_account_id >= 1 && transfer.debit_account_id <= 10);
        assert_true(transfer.credit_account_id >= 1 && transfer.credit_account_id <= 10);
        assert_true(transfer.debit_account_id != transfer.credit_account_id);
        assert_true(transfer.amount >= 1 && transfer.amount <= 10000);
        assert_int_equal(transfer.ledger, 2);
        assert_true(transfer.code >= 1);
        before = transfer;
    }
    content.is_two_phase = true;
    for (u64 i = 0; i < 4; i++) {
        bench_transfer(&content, 8 + i, &before);
        bench_transfer(&content, 12 + i, &transfer);
        assert_true(bench_is_verbatim(&content, 8 + i) && !bench_is_verbatim(&content, 12 + i));
        assert_int_equal(before.flags, TRANSFER_PENDING);
        assert_int_equal(transfer.flags, TRANSFER_POST_PENDING);
        assert_true(transfer.pending_id == before.id);
    }
}

static void test_latencies(void **state)
{
    (void)state;
    struct bench_latencies latencies = {0};
    for (u64 i = 1000; i >= 1; i--) bench_latencies_add(&latencies, i * NS_PER_MS);
    const struct bench_quantiles quantiles = bench_latencies_quantiles(&latencies);
    assert_int_equal(quantiles.p50, 500 * 10000);
    assert_in_range(quantiles.p99, 990 * 10000, 991 * 10000);
    assert_int_equal(quantiles.max, 1000 * 10000);
    bench_latencies_free(&latencies);
}

static void test_stolen_time(void **state)
{
    (void)state;
    const u64 tick_ms = 1000 / (u64)sysconf(_SC_CLK_TCK);
    assert_int_equal(bench_stolen_parse("cpu  1 2 3 4 5 6 7 80 9 10\n"), 80 * tick_ms);
    assert_int_equal(bench_stolen_parse("cpu  1 2 3 4 5 6 7 0"), 0);
    static const char *const unknown[] = {"", "cpu", "cpu  1 2 3 4 5 6 7\n", "intr 1 2 3 4 5 6 7 8",
                                          "cpu  1 2 3 4 5 6 7 99999999999999999999 0"};
    for (size_t i = 0; i < ARRAY_COUNT(unknown); i++)
        assert_true(bench_stolen_parse(unknown[i]) == BENCH_NONE);
    assert_int_equal(bench_stolen_between(5, 12), 7);
    assert_int_equal(bench_stolen_between(12, 5), 0);
    assert_true(bench_stolen_between(BENCH_NONE, 5) == BENCH_NONE);
    assert_true(bench_stolen_between(5, BENCH_NONE) == BENCH_NONE);
    // In a report, none is no number.
    static const struct bench_window window = {.stolen_ms = BENCH_NONE};
    static char text[1024];
    struct json_writer writer = json_writer_init(text, sizeof text - 1);
    record_json_write(&cli_schema_bench_window, RECORD_JSON_ALL, &window, &writer);
    assert_non_null(strstr(text, "\"stolen_ms\":null"));
}

static void test_status_file(void **state)
{
    (void)state;
    struct bench_server server = {0};
    struct bench_status status;
    struct failure failure;
    assert_int_equal(bench_folder_make(&server, "/tmp", &failure), STATUS_OK);
    assert_false(bench_status_read(server.folder, 0, &status));
    char path[8192];
    (void)snprintf(path, sizeof path, "%s/status", server.folder);
    FILE *file = fopen(path, "we");
    (void)fputs("position 12\ndurable 11\nindexed 10\nnew 1\ncheckpoints 3\nmerges 4\nidle 1\n",
                file);
    (void)fclose(file);
    assert_true(bench_status_read(server.folder, 1, &status));
    assert_true(status.is_fresh && status.is_idle);
    assert_int_equal(status.position, 12);
    assert_int_equal(status.indexed, 10);
    assert_int_equal(status.checkpoints, 3);
    assert_true(bench_status_read(server.folder, U64_MAX, &status));
    assert_false(status.is_fresh);
    assert_true(bench_folder_size(server.folder) > 0);
    bench_folder_forget(server.folder);
    bench_folder_remove(server.folder);
    struct stat about;
    assert_int_not_equal(stat(server.folder, &about), 0);
}

// The exit code of a load that is interrupted as soon as it looks: of a server here, or of one of
// its own, which is this program and never ready (main).
static int interrupted_run(bool is_here)
{
    static char output[OUTPUT_MAX], line[256];
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) { // That it was interrupted stays with a process.
        struct compat_stub *stub = is_here ? compat_stub_start(0, COMPAT_STUB_NONE, 0) : NULL;
        int size = snprintf(line, sizeof line, "bench ordered --no-probe --folder /tmp");
        if (is_here) (void)snprintf(line + size, 64, " --connect %u", compat_stub_port(stub));
        cli_interrupt_install();
        (void)raise(SIGINT);
        _exit(run(line, output));
    }
    int code = -1;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code));
    return WEXITSTATUS(code);
}

// An interrupt is neither a refusal nor a loss, wherever it comes.
static void test_interrupted(void **state)
{
    (void)state;
    assert_int_equal(interrupted_run(false), EXIT_ENVIRONMENT);
    assert_int_equal(interrupted_run(true), EXIT_ENVIRONMENT);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "serve") == 0) {
        (void)pause();
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_latencies),
        cmocka_unit_test(test_stolen_time),
        cmocka_unit_test(test_status_file),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_rate_and_windows),
        cmocka_unit_test(test_server_misbehaves),
        cmocka_unit_test(test_workloads),
        cmocka_unit_test(test_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
