// SPDX-License-Identifier: Apache-2.0
//
// `tael bench`: workloads, and the course of a run.
//
// Each request waits for the reply before it, as the official load generator does; every result is
// checked. Without --connect it starts a server of its own in a fresh folder, waits until its
// background work is drained, restarts it after a clean stop and after a kill in the middle of a
// load, looks up what was acknowledged, and removes the folder.
#include "cli/bench_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define BATCH       LEDGER_BATCH_EVENTS_MAX
#define TEN_MILLION 10000000

// Each is long enough for three checkpoints.
static const struct bench_plan plans[] = {
    {.workload = {"ordered", TEN_MILLION, 10000, 1, BATCH, "full batches, ids that ascend"}},
    {.workload = {"million-accounts", 8000000, 1000000, 1, BATCH, "ordered, a million accounts"}},
    {.workload = {"ten-million-accounts", 7 * TEN_MILLION, TEN_MILLION, 1, BATCH,
                  "ordered, ten million accounts"}},
    {.workload = {"random-ids", TEN_MILLION, 10000, 1, BATCH, "full batches, random ids"},
     .is_random_ids = true},
    {.workload = {"two-phase", TEN_MILLION, 10000, 1, BATCH, "pending transfers, their posts"},
     .is_two_phase = true},
    {.workload = {"single-1", 100000, 10000, 1, 1, "single transfers, one client"}},
    {.workload = {"single-16", 1600000, 10000, 16, 1, "single transfers, 16 clients"}},
    {.workload = {"hundred-8", 8000000, 10000, 8, 100, "batches of 100, 8 clients"}},
    {.workload = {"query", TEN_MILLION, 10000, 1, BATCH, "questions: idle, loaded, cold"},
     .shape = BENCH_QUERY},
    {.workload = {"mixed", TEN_MILLION, 10000, 4, BATCH, "singles beside one bulk client"},
     .shape = BENCH_MIXED},
};

const struct bench_plan *bench_plan_at(u32 index)
{
    return index < ARRAY_COUNT(plans) ? &plans[index] : NULL;
}

const struct bench_plan *bench_plan_find(const char *name)
{
    for (u32 i = 0; i < ARRAY_COUNT(plans); i++) {
        if (strcmp(plans[i].workload.workload, name) == 0) return &plans[i];
    }
    return NULL;
}

// --- Options ---

static enum status plan_refuse(const char *name, struct failure *failure)
{
    const struct bench_plan *nearest = NULL;
    u32 nearest_distance = U32_MAX;
    for (u32 i = 0; i < ARRAY_COUNT(plans); i++) {
        const char *other = plans[i].workload.workload;
        const u32 distance = schema_edit_distance(other, strlen(other), name, strlen(name));
        if (distance < nearest_distance) nearest = &plans[i];
        nearest_distance = MIN(nearest_distance, distance);
    }
    failure_note(failure, STATUS_INVALID, "there is no workload %s",
                 text_quote(name, strlen(name)).text);
    if (nearest_distance <= 3)
        failure_hint(failure, "did you mean %s?", nearest->workload.workload);
    else failure_hint(failure, "`tael bench --help` lists them");
    return STATUS_INVALID;
}

// Takes what the command line says, and the workload's own numbers where it says nothing.
static enum status options_take(struct bench_run *run, const struct record_arguments *part,
                                struct failure *failure)
{
    run->options = *(const struct bench_options *)part->head;
    struct bench_options *options = &run->options;
    run->plan = bench_plan_find(options->workload);
    if (run->plan == NULL) return plan_refuse(options->workload, failure);
    const struct bench_workload *own = &run->plan->workload;
    if (options->transfers == 0) options->transfers = own->transfers;
    if (options->accounts == 0) options->accounts = own->accounts;
    if (options->clients == 0) options->clients = own->clients;
    if (options->batch == 0) options->batch = own->batch;
    if (run->plan->is_two_phase) {
        // Each batch of pending transfers has a batch of posts.
        const u64 pair = (u64)options->batch * 2;
        const u64 asked = options->transfers;
        options->transfers = MAX(asked / pair, (u64)1) * pair;
        if (options->transfers != asked) {
            (void)fprintf(stderr,
                          "tael bench: two-phase runs %llu transfers instead of %llu: whole "
                          "batches, each with a batch of posts\n",
                          (unsigned long long)options->transfers, (unsigned long long)asked);
        }
    }
    if (!record_is_given(part, offsetof(struct bench_options, seed)) &&
        getrandom(&options->seed, sizeof options->seed, 0) != sizeof options->seed) {
        options->seed = 1;
    }
    run->is_own = options->connect[0] == 0;
    run->client_options = (struct compat_client_options){.cluster = options->cluster,
                                                         .turned_away_max = CLI_TURNED_AWAY_MAX};
    if (run->is_own) return STATUS_OK;
    if (address_parse(options->connect, &run->client_options.address, failure) == STATUS_OK) {
        return STATUS_OK;
    }
    return failure_wrap(failure, "--connect");
}

// --- The course of a run ---

enum status bench_interrupted_set(struct failure *failure)
{
    return failure_set(failure, STATUS_IO, "interrupted");
}

static enum status workload_run(struct bench_run *run, struct failure *failure)
{
    if (bench_accounts_create(run, failure) != STATUS_OK) return failure->status;
    if (run->plan->shape == BENCH_MIXED) return bench_mixed_load(run, failure);
    if (bench_transfers_load(run, failure) != STATUS_OK) return failure->status;
    return run->plan->shape == BENCH_QUERY ? bench_questions_ask(run, failure) : STATUS_OK;
}

static enum status server_open(struct bench_run *run, struct failure *failure)
{
    const char *folder = run->options.folder;
    if (!run->is_own) {
        (void)snprintf(run->server.folder, sizeof run->server.folder, "%s", folder);
        return STATUS_OK;
    }
    if (bench_folder_make(&run->server, folder[0] != 0 ? folder : ".", failure) != STATUS_OK ||
        bench_server_start(&run->server, failure) != STATUS_OK) {
        return failure->status;
    }
    run->client_options.address = run->server.address;
    return STATUS_OK;
}

static void probe_run(struct bench_run *run)
{
    if (run->options.no_probe) return;
    const u64 per_s = bench_probe(&run->content, run->options.transfers);
    u64 *reported = &run->report.head.probe_per_s;
    *reported = *reported == BENCH_NONE ? per_s : (*reported + per_s) / 2;
}

static enum status run_all(struct bench_run *run, struct failure *failure)
{
    int code;
    struct bench_report *report = &run->report.head;
    probe_run(run);
    enum status status = server_open(run, failure);
    if (status == STATUS_OK) status = workload_run(run, failure);
    if (status == STATUS_OK) {
        bench_drain_await(run);
        if (run->server.folder[0] != 0) report->disk_bytes = bench_folder_size(run->server.folder);
        if (run->rss_max > 0) report->rss_bytes = run->rss_max;
        if (run->is_own) status = bench_restarts_measure(run, failure);
    }
    bench_server_stop(&run->server, SIGKILL, &code);
    if (status != STATUS_OK && run->is_own) bench_server_print_log(&run->server);
    if (run->is_own && run->server.folder[0] != 0 && !run->options.keep) {
        bench_folder_remove(run->server.folder);
    }
    if (status != STATUS_OK) return status;
    probe_run(run);
    if (report->probe_per_s != BENCH_NONE) {
        report->probe_ratio =
            (u64)((u128)report->transfers_per_s * 1000 / MAX(report->probe_per_s, (u64)1));
    }
    return STATUS_OK;
}

static int bench_run(const struct cli_call *call)
{
    struct failure failure = {0};
    struct bench_run *run = calloc(1, sizeof *run);
    assert(run != NULL);
    run->server.output = -1;
    const struct record_arguments *part = cli_part(call, &cli_schema_bench_options);
    if (options_take(run, part, &failure) != STATUS_OK) {
        free(run);
        return cli_fail(call->verb->name, &failure);
    }
    run->content = (struct bench_content){
        .seed = run->options.seed,
        .accounts = run->options.accounts,
        .id_base = cli_time_now(),
        .batch = run->options.batch,
        .is_random_ids = run->plan->is_random_ids,
        .is_two_phase = run->plan->is_two_phase,
    };
    run->progress.is_shown = run->options.progress || isatty(STDERR_FILENO);
    bench_report_init(run);
    cli_interrupt_install();
    const enum status status = run_all(run, &failure);
    if (status == STATUS_OK) bench_report_print(run, call->form);
    else (void)cli_fail(call->verb->name, &failure);
    free(run);
    if (status == STATUS_OK) return EXIT_DONE;
    return status == STATUS_CANCELLED ? EXIT_REFUSED : EXIT_ENVIRONMENT;
}

// --- The verb ---

static void workloads_print(struct text *out)
{
    struct record_table table = record_table_init(&cli_schema_bench_workload, 0, 2);
    text_append_char(out, '\n');
    for (u32 i = 0; i < ARRAY_COUNT(plans); i++) record_table_measure(&table, &plans[i].workload);
    record_table_write_header(&table, out);
    for (u32 i = 0; i < ARRAY_COUNT(plans); i++)
        record_table_write_row(&table, &plans[i].workload, out);
}

const struct cli_verb bench_verb = {
    .name = "bench",
    .summary = "load a server and report what it does",
    .about = "Loads a server through the TigerBeetle protocol, checks every result, and "
             "reports rates, latencies, memory, disk and restarts. Without --connect it "
             "starts a server of its own in a fresh folder and removes it afterwards. "
             "Latencies are of a whole request, from its sending to its reply; probe_ratio "
             "is the rate divided by that of a plain loop in memory on the same machine, "
             "before and after the run. With --connect the accounts and transfers that it writes "
             "stay on that server for ever: nothing removes them.",
    .example = "bench single-16 --transfers 100000 --json",
    .exits = "0 done, 1 the server refused or lost something, 2 usage, 3 environment",
    .parts = {&cli_schema_bench_options, &cli_schema_form_options},
    .run = bench_run,
    .help = workloads_print,
};
