// SPDX-License-Identifier: Apache-2.0
//
// `tael bench`: options, the course of a run, and the report.
#include "cli/bench.h"

#include "cli/bench_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum workload_shape {
    SHAPE_LOAD,  // Clients that create transfers.
    SHAPE_QUERY, // The same, then questions: idle, under load, with a cold cache.
    SHAPE_MIXED, // One bulk client alone, then beside clients that send one transfer at a time.
};

struct workload {
    const char *name;
    u64 transfers, accounts;
    u32 clients, batch;
    enum workload_shape shape;
    bool is_random_ids, is_two_phase;
    const char *doc;
};

#define BATCH       LEDGER_BATCH_EVENTS_MAX
#define TEN_MILLION 10000000
#define WINDOWS_MAX 1000
#define MIXED_TURNS 8u

static const struct workload workloads[] = {
    {"ordered", TEN_MILLION, 10000, 1, BATCH, SHAPE_LOAD, false, false,
     "full batches, ids that ascend"},
    {"million-accounts", 4000000, 1000000, 1, BATCH, SHAPE_LOAD, false, false,
     "the same among a million accounts"},
    {"ten-million-accounts", 2 * TEN_MILLION, TEN_MILLION, 1, BATCH, SHAPE_LOAD, false, false,
     "the same among ten million accounts"},
    {"random-ids", TEN_MILLION, 10000, 1, BATCH, SHAPE_LOAD, true, false,
     "full batches, random ids"},
    {"two-phase", TEN_MILLION, 10000, 1, BATCH, SHAPE_LOAD, false, true,
     "a batch of pending transfers, then a batch that posts them"},
    {"single-1", 100000, 10000, 1, 1, SHAPE_LOAD, false, false,
     "one transfer a request, one client"},
    {"single-16", 400000, 10000, 16, 1, SHAPE_LOAD, false, false,
     "one transfer a request, 16 clients"},
    {"hundred-8", 4000000, 10000, 8, 100, SHAPE_LOAD, false, false,
     "100 transfers a request, 8 clients"},
    {"query", TEN_MILLION, 10000, 1, BATCH, SHAPE_QUERY, false, false,
     "look-ups and account transfers: idle, under load, cold cache"},
    {"mixed", TEN_MILLION, 10000, 4, BATCH, SHAPE_MIXED, false, false,
     "single transfers of the clients beside one bulk client"},
};

struct options {
    const struct workload *workload;
    u64 transfers, accounts, seed, questions;
    u64 rate; // Transfers a second; 0: as fast as answers come.
    u32 clients, batch, windows;
    u128 cluster;
    const char *connect; // NULL: an own server.
    const char *folder;  // Where the own server's folder is made; with `connect`, the server's own.
    bool is_json, is_kept, shows_progress, has_probe, has_restart;
};

// What is not known is below zero, and null in the JSON.
struct question_report {
    struct bench_quantiles lookups, account_transfers;
    bool is_known;
};

struct report {
    u64 transfers;
    double transfers_per_s;
    struct bench_quantiles batch;
    double checkpoints, drain_s, rss_bytes, disk_bytes, restart_s, restart_kill_s, stop_s;
    double probe_per_s, probe_ratio;
    double bulk_alone_per_s, singles_per_s;
    struct bench_quantiles singles;
    struct question_report idle, load, cold;
};

struct run {
    struct options options;
    struct bench_content content;
    struct compat_client_options client_options;
    struct bench_server server;
    struct bench_progress progress;
    struct bench_source source; // Transfers created.
    struct report report;
    u64 rss_max;
    struct bench_window windows[WINDOWS_MAX];
    u32 window_count;
    u64 loaded_at; // Realtime clock, when the last answer was here.
    bool is_own;
};

static void help_print(FILE *file)
{
    (void)fputs(
        "Usage: tael bench WORKLOAD [options]\n\n"
        "Loads a server through the TigerBeetle protocol, checks every result, and reports "
        "rates,\nlatencies, memory, disk and restarts. Without --connect it starts a server "
        "of its own in a\nfresh folder and removes it afterwards.\n\n"
        "  WORKLOAD              transfers    accounts  clients  batch\n",
        file);
    for (size_t i = 0; i < ARRAY_COUNT(workloads); i++) {
        const struct workload *row = &workloads[i];
        (void)fprintf(file, "  %-20s %10llu  %10llu  %7u  %5u  %s\n", row->name,
                      (unsigned long long)row->transfers, (unsigned long long)row->accounts,
                      row->clients, row->batch, row->doc);
    }
    (void)fputs(
        "\n"
        "  --transfers N         how many to create\n"
        "  --accounts N          among how many accounts\n"
        "  --clients N           sessions, each with one request in flight (1 to 60)\n"
        "  --batch N             transfers a request (1 to 8189)\n"
        "  --connect HOST:PORT   a server that runs already; its disk and memory are not measured\n"
        "  --folder DIR          where the own server's folder is made (default: here); with\n"
        "                        --connect, the folder of that server, for its status and disk\n"
        "  --cluster N           number of the server's cluster (default 0)\n"
        "  --questions N         of the workload query: how many of each kind (default 1000);\n"
        "                        a fifth under load, a tenth with a cold cache\n"
        "  --seed N              what the random content begins with\n"
        "  --rate N              transfers a second; without it as fast as answers come. "
        "Latencies\n"
        "                        then count from the time at which a request was due\n"
        "  --windows N           reports so many equal parts of the load one by one\n"
        "  --compat              the TigerBeetle protocol (the default)\n"
        "  --no-probe            leaves out the in-memory loop that rates are compared with\n"
        "  --no-restart          leaves out the restarts after a clean stop and after a kill\n"
        "  --keep                leaves the own server's folder where it is\n"
        "  --progress            draws progress even where standard error is no terminal\n"
        "  --json                one JSON object instead of the table\n\n"
        "Latencies are of a whole request, from its sending to its reply. probe_ratio is the rate\n"
        "divided by that of a plain loop in memory on the same machine, before and after the "
        "run.\n\n"
        "Examples:\n"
        "  tael bench ordered\n"
        "  tael bench single-16 --transfers 100000 --json\n"
        "  tael bench ordered --clients 2 --connect 127.0.0.1:3000\n\n"
        "Exit codes: 0 done, 1 the server refused or lost something, 2 usage, 3 environment.\n",
        file);
}

// --- Options ---

static bool number_parse(const char *text, u64 min, u64 max, u64 *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9') return false;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != 0 || value < min || value > max) return false;
    *out = value;
    return true;
}

static const struct workload *workload_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(workloads); i++) {
        if (strcmp(workloads[i].name, name) == 0) return &workloads[i];
    }
    return NULL;
}

static bool usage_error(const char *what, const char *value, const char *rule)
{
    (void)fprintf(stderr, "tael bench: %s \"%s\" %s\n", what, value, rule);
    (void)fprintf(stderr, "hint: `tael bench --help` lists workloads and options\n");
    return false;
}

// Takes a numeric option. `*is_taken` when `name` is one.
static bool option_number(struct options *options, const char *name, const char *value,
                          bool *is_taken)
{
    u64 clients = options->clients, batch = options->batch, cluster = (u64)options->cluster;
    u64 windows = options->windows;
    const struct {
        const char *name;
        u64 min, max;
        u64 *out;
    } rows[] = {
        {"--transfers", 1, 4000000000u, &options->transfers},
        {"--accounts", 2, 4000000000u, &options->accounts},
        {"--clients", 1, BENCH_CLIENTS_MAX, &clients},
        {"--batch", 1, BATCH, &batch},
        {"--cluster", 0, U64_MAX, &cluster},
        {"--questions", 1, 1000000, &options->questions},
        {"--seed", 0, U64_MAX, &options->seed},
        {"--rate", 1, 100000000, &options->rate},
        {"--windows", 1, WINDOWS_MAX, &windows},
    };
    *is_taken = false;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (strcmp(rows[i].name, name) != 0) continue;
        *is_taken = true;
        if (value == NULL) return usage_error("option", name, "needs a number");
        if (number_parse(value, rows[i].min, rows[i].max, rows[i].out)) continue;
        char rule[96];
        (void)snprintf(rule, sizeof rule, "is no number from %llu to %llu (%s)",
                       (unsigned long long)rows[i].min, (unsigned long long)rows[i].max, name);
        return usage_error("value", value, rule);
    }
    options->clients = (u32)clients;
    options->batch = (u32)batch;
    options->windows = (u32)windows;
    options->cluster = cluster;
    return true;
}

static bool options_parse(int argc, char **argv, struct options *out)
{
    struct options options = {.has_probe = true, .has_restart = true, .questions = 1000};
    options.shows_progress = isatty(STDERR_FILENO);
    if (argc < 2 || (options.workload = workload_find(argv[1])) == NULL) {
        return usage_error("workload", argc < 2 ? "" : argv[1], "is unknown");
    }
    options.transfers = options.workload->transfers;
    options.accounts = options.workload->accounts;
    options.clients = options.workload->clients;
    options.batch = options.workload->batch;
    if (getrandom(&options.seed, sizeof options.seed, 0) != sizeof options.seed) options.seed = 1;
    const struct {
        const char *name;
        bool *flag;
        bool value;
    } flags[] = {
        {"--json", &options.is_json, true},
        {"--keep", &options.is_kept, true},
        {"--progress", &options.shows_progress, true},
        {"--no-probe", &options.has_probe, false},
        {"--no-restart", &options.has_restart, false},
    };
    for (int i = 2; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        bool is_taken = strcmp(argv[i], "--compat") == 0;
        for (size_t j = 0; j < ARRAY_COUNT(flags) && !is_taken; j++) {
            if (strcmp(flags[j].name, argv[i]) != 0) continue;
            *flags[j].flag = flags[j].value;
            is_taken = true;
        }
        if (is_taken) continue;
        if (!option_number(&options, argv[i], value, &is_taken)) return false;
        if (!is_taken && strcmp(argv[i], "--connect") == 0) {
            options.connect = value;
            is_taken = true;
        }
        if (!is_taken && strcmp(argv[i], "--folder") == 0) {
            options.folder = value;
            is_taken = true;
        }
        if (!is_taken) return usage_error("option", argv[i], "is unknown");
        if (value == NULL) return usage_error("option", argv[i], "needs a value");
        i++;
    }
    struct compat_address address;
    struct failure failure;
    if (options.connect != NULL &&
        compat_address_parse(options.connect, &address, &failure) != STATUS_OK) {
        return usage_error("address", options.connect, "is not HOST:PORT");
    }
    *out = options;
    return true;
}

// --- Parts of a run ---

static u64 realtime_now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_REALTIME, &time);
    return (u64)time.tv_sec * NS_PER_S + (u64)time.tv_nsec;
}

static double seconds_since(u64 began_at)
{
    return (double)(compat_client_now() - began_at) / 1e9;
}

static void rss_sample(void *context)
{
    struct run *run = context;
    run->rss_max = MAX(run->rss_max, bench_server_rss(&run->server));
}

static u64 rss_now(void *context)
{
    const struct run *run = context;
    return bench_server_rss(&run->server);
}

static struct bench_actor actor_make(struct run *run, enum bench_kind kind,
                                     struct bench_source *source, u32 batch)
{
    return (struct bench_actor){
        .kind = kind,
        .content = &run->content,
        .source = source,
        .seen = run->source.next,
        .batch = batch,
        .random = run->content.seed + 77,
    };
}

static enum status actors_open(struct run *run, struct bench_actor *actors, u32 count,
                               struct failure *failure)
{
    for (u32 i = 0; i < count; i++) {
        if (bench_actor_open(&actors[i], &run->client_options, failure) != STATUS_OK) {
            return failure->status;
        }
    }
    return STATUS_OK;
}

// With `is_measured`, at the rate asked for and in windows.
static enum status actors_run(struct run *run, const char *what, struct bench_actor *actors,
                              u32 count, bool is_measured, u64 until, u64 *elapsed_ns,
                              struct failure *failure)
{
    struct bench_actor *all[BENCH_CLIENTS_MAX + 1];
    for (u32 i = 0; i < count; i++) all[i] = &actors[i];
    struct bench_loop loop = {
        .actors = all,
        .count = count,
        .until = until,
        .progress = &run->progress,
        .tick = run->is_own ? rss_sample : NULL,
        .context = run,
    };
    if (is_measured) {
        loop.rate = run->options.rate;
        loop.windows = run->options.windows == 0 ? NULL : run->windows;
        loop.window_count = run->options.windows;
        loop.rss = rss_now;
    }
    run->progress.what = what;
    const enum status status = bench_loop_run(&loop, failure);
    bench_progress_clear(&run->progress);
    *elapsed_ns = loop.elapsed_ns;
    if (is_measured) run->window_count = loop.window_count;
    run->loaded_at = realtime_now();
    if (status != STATUS_OK) return failure_wrap(failure, "%s", what);
    return STATUS_OK;
}

static void actors_close(struct bench_actor *actors, u32 count)
{
    for (u32 i = 0; i < count; i++) bench_actor_close(&actors[i]);
}

static enum status accounts_create(struct run *run, struct failure *failure)
{
    struct bench_source source = {.end = run->content.accounts};
    struct bench_actor actor = actor_make(run, BENCH_ACCOUNTS, &source, BATCH);
    u64 elapsed;
    enum status status = actors_open(run, &actor, 1, failure);
    if (status == STATUS_OK) {
        status = actors_run(run, "accounts", &actor, 1, false, U64_MAX, &elapsed, failure);
    }
    actors_close(&actor, 1);
    return status;
}

// Joins the latencies of several actors into those of the first.
static struct bench_quantiles latencies_join(struct bench_actor *actors, u32 count)
{
    for (u32 i = 1; i < count; i++) {
        const struct bench_latencies *other = &actors[i].latencies;
        for (size_t j = 0; j < other->count; j++) {
            bench_latencies_add(&actors[0].latencies, (u64)other->values[j] * 100);
        }
    }
    return bench_latencies_quantiles(&actors[0].latencies);
}

// Creates transfers up to `end` with clients of the workload's batch.
static enum status transfers_load(struct run *run, const char *what, u32 clients, u64 end,
                                  double *per_s, struct bench_quantiles *quantiles,
                                  struct failure *failure)
{
    struct bench_actor actors[BENCH_CLIENTS_MAX];
    const u64 first = run->source.next;
    u64 elapsed;
    run->source.end = end;
    for (u32 i = 0; i < clients; i++) {
        actors[i] = actor_make(run, BENCH_TRANSFERS, &run->source, run->content.batch);
    }
    enum status status = actors_open(run, actors, clients, failure);
    if (status == STATUS_OK) {
        status = actors_run(run, what, actors, clients, true, U64_MAX, &elapsed, failure);
    }
    if (status == STATUS_OK) {
        *per_s = (double)(end - first) * 1e9 / (double)elapsed;
        *quantiles = latencies_join(actors, clients);
    }
    actors_close(actors, clients);
    return status;
}

// Asks both kinds of questions; with a bulk client beside them when `is_loaded`.
static enum status questions_ask(struct run *run, const char *what, bool is_loaded,
                                 const char *forgets, u64 count, struct question_report *report,
                                 struct failure *failure)
{
    enum status status = STATUS_OK;
    for (u32 kind = 0; kind < 2 && status == STATUS_OK; kind++) {
        struct bench_source source = {.end = count};
        struct bench_actor actors[2];
        u64 elapsed;
        actors[0] =
            actor_make(run, kind == 0 ? BENCH_LOOKUPS : BENCH_ACCOUNT_TRANSFERS, &source, 1);
        actors[0].forgets = forgets;
        actors[0].random += realtime_now();
        actors[1] = actor_make(run, BENCH_TRANSFERS, &run->source, run->content.batch);
        actors[1].is_background = true;
        run->source.end = U64_MAX;
        const u32 actor_count = is_loaded ? 2 : 1;
        status = actors_open(run, actors, actor_count, failure);
        if (status == STATUS_OK) {
            status = actors_run(run, what, actors, actor_count, false, U64_MAX, &elapsed, failure);
        }
        if (status == STATUS_OK) {
            const struct bench_quantiles quantiles =
                bench_latencies_quantiles(&actors[0].latencies);
            *(kind == 0 ? &report->lookups : &report->account_transfers) = quantiles;
            report->is_known = true;
        }
        actors_close(actors, actor_count);
    }
    return status;
}

// Runs actors up to a number of transfers created, and adds up what was done and how long it took.
static enum status slice_run(struct run *run, const char *what, struct bench_actor *actors,
                             u32 count, u64 end, u64 *transfers, u64 *elapsed_ns,
                             struct failure *failure)
{
    const u64 first = run->source.next;
    u64 elapsed;
    run->source.end = end;
    if (actors_run(run, what, actors, count, false, U64_MAX, &elapsed, failure) != STATUS_OK) {
        return failure->status;
    }
    *transfers += run->source.next - first;
    *elapsed_ns += elapsed;
    return STATUS_OK;
}

// The bulk client alone and beside clients of single transfers, by turns, so that what the server
// does in the background falls on both alike.
static enum status mixed_load(struct run *run, struct failure *failure)
{
    const struct options *options = &run->options;
    struct report *report = &run->report;
    struct bench_actor alone = actor_make(run, BENCH_TRANSFERS, &run->source, run->content.batch);
    struct bench_actor actors[BENCH_CLIENTS_MAX + 1];
    const u32 count = options->clients + 1;
    // Singles take indexes of their own, far behind those of the bulk client.
    struct bench_source singles = {.next = (u64)1 << 40, .end = U64_MAX};
    actors[0] = actor_make(run, BENCH_TRANSFERS, &run->source, run->content.batch);
    for (u32 i = 1; i < count; i++) {
        actors[i] = actor_make(run, BENCH_TRANSFERS, &singles, 1);
        actors[i].is_background = true;
    }
    u64 alone_count = 0, alone_ns = 0, beside_count = 0, beside_ns = 0;
    enum status status = actors_open(run, &alone, 1, failure);
    if (status == STATUS_OK) status = actors_open(run, actors, count, failure);
    for (u64 i = 0; i < 2 * MIXED_TURNS && status == STATUS_OK; i++) {
        const u64 end = options->transfers * (i + 1) / (2 * MIXED_TURNS);
        status = i % 2 == 0 ? slice_run(run, "bulk alone", &alone, 1, end, &alone_count, &alone_ns,
                                        failure)
                            : slice_run(run, "bulk and singles", actors, count, end, &beside_count,
                                        &beside_ns, failure);
    }
    if (status == STATUS_OK) {
        u64 single_count = 0;
        for (u32 i = 1; i < count; i++) single_count += actors[i].acknowledged;
        report->bulk_alone_per_s = (double)alone_count * 1e9 / (double)alone_ns;
        report->transfers_per_s = (double)beside_count * 1e9 / (double)beside_ns;
        report->batch = bench_latencies_quantiles(&actors[0].latencies);
        report->singles_per_s = (double)single_count * 1e9 / (double)beside_ns;
        report->singles = latencies_join(actors + 1, options->clients);
    }
    actors_close(&alone, 1);
    actors_close(actors, count);
    return status;
}

// Waits until the server's status says that nothing is left to do. It is written within a second of
// a change, so what stays as it is for longer was so from the beginning.
static void drain_await(struct run *run)
{
    static const u64 limit_ns = 600 * NS_PER_S, unknown_ns = 3 * NS_PER_S;
    static const u64 quiet_ns = 500 * NS_PER_MS; // Idle for a moment is not drained.
    const u64 began_at = compat_client_now();
    u64 idle_since = 0;
    const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    struct bench_status status;
    if (run->server.folder[0] == 0) return;
    while (!cli_is_interrupted() && compat_client_now() - began_at < limit_ns) {
        const bool is_known = bench_status_read(run->server.folder, run->loaded_at, &status);
        const bool is_unchanged = compat_client_now() - began_at > unknown_ns && !status.is_fresh;
        if (!is_known && is_unchanged) return;
        const bool is_idle = is_known && status.is_idle && (status.is_fresh || is_unchanged);
        if (!is_idle) idle_since = 0;
        if (is_idle && idle_since == 0) idle_since = compat_client_now();
        if (is_idle && compat_client_now() - idle_since >= quiet_ns) {
            const u64 idle_at = MAX(status.written_at, run->loaded_at);
            run->report.drain_s = (double)(idle_at - run->loaded_at) / 1e9;
            run->report.checkpoints = (double)status.checkpoints;
            return;
        }
        rss_sample(run);
        (void)nanosleep(&pause, NULL);
    }
}

// --- Restarts ---

// Starts the server and looks transfers up. `*seconds` is until the first answer.
static enum status restart(struct run *run, const u64 *indexes, u32 count, double *seconds,
                           struct failure *failure)
{
    const u64 began_at = compat_client_now();
    if (bench_server_start(&run->server, failure) != STATUS_OK) return failure->status;
    run->client_options.address = run->server.address;
    struct compat_client client;
    if (compat_client_connect(&client, &run->client_options, 60 * NS_PER_S, failure) != STATUS_OK) {
        return failure->status;
    }
    const u8 operation = COMPAT_OPERATION_BASE + COMPAT_LOOKUP_TRANSFERS;
    enum status status = STATUS_OK;
    for (u32 i = 0; i < count && status == STATUS_OK; i++) {
        const struct compat_answer *answer;
        struct transfer expected, got;
        u8 body[32];
        bench_transfer(&run->content, indexes[i], &expected);
        store_u128(body, expected.id);
        const u32 size = compat_body_finish(operation, body, 1);
        status =
            compat_client_call(&client, operation, body, size, 60 * NS_PER_S, &answer, failure);
        if (status != STATUS_OK) break;
        if (i == 0) *seconds = seconds_since(began_at);
        memset(&got, 0, sizeof got);
        if (answer->batches.event_count == 1) memcpy(&got, answer->batches.events, sizeof got);
        const bool is_verbatim = bench_is_verbatim(&run->content, indexes[i]);
        if (is_verbatim) expected.timestamp = got.timestamp;
        if (got.id != expected.id || (is_verbatim && memcmp(&got, &expected, sizeof got) != 0)) {
            status = failure_set(failure, STATUS_CANCELLED,
                                 "transfer %llu was acknowledged and is not there after a restart",
                                 (unsigned long long)indexes[i]);
        }
    }
    compat_client_close(&client);
    return status;
}

// Loads for a moment and kills the server with a request in flight. `*last` is the index of the
// last transfer that was acknowledged.
static enum status burst_and_kill(struct run *run, u64 *last, struct failure *failure)
{
    struct bench_actor actor = actor_make(run, BENCH_TRANSFERS, &run->source, run->content.batch);
    u64 elapsed;
    int code;
    actor.is_background = true;
    run->source.end = U64_MAX;
    enum status status = actors_open(run, &actor, 1, failure);
    if (status == STATUS_OK) {
        const u64 until = compat_client_now() + 300 * NS_PER_MS;
        status = actors_run(run, "burst", &actor, 1, false, until, &elapsed, failure);
    }
    if (status == STATUS_OK) status = bench_actor_fire(&actor, failure);
    bench_server_stop(&run->server, SIGKILL, &code);
    *last = actor.last_index;
    actors_close(&actor, 1);
    return status;
}

static enum status restarts_measure(struct run *run, struct failure *failure)
{
    int code;
    u64 indexes[2] = {0};
    const u64 began_at = compat_client_now();
    bench_server_stop(&run->server, SIGTERM, &code);
    run->report.stop_s = seconds_since(began_at);
    if (code != 0) {
        return failure_set(failure, STATUS_CANCELLED, "the server ended with code %d", code);
    }
    if (!run->options.has_restart) return STATUS_OK;
    if (restart(run, indexes, 1, &run->report.restart_s, failure) != STATUS_OK) {
        return failure_wrap(failure, "after a clean stop");
    }
    if (burst_and_kill(run, &indexes[1], failure) != STATUS_OK) return failure->status;
    if (restart(run, indexes, 2, &run->report.restart_kill_s, failure) != STATUS_OK) {
        return failure_wrap(failure, "after a kill");
    }
    bench_server_stop(&run->server, SIGTERM, &code);
    return STATUS_OK;
}

// --- The course of a run ---

static enum status workload_run(struct run *run, struct failure *failure)
{
    const struct options *options = &run->options;
    struct report *report = &run->report;
    if (accounts_create(run, failure) != STATUS_OK) return failure->status;
    if (options->workload->shape == SHAPE_MIXED) return mixed_load(run, failure);
    if (transfers_load(run, options->workload->name, options->clients, options->transfers,
                       &report->transfers_per_s, &report->batch, failure) != STATUS_OK) {
        return failure->status;
    }
    if (options->workload->shape != SHAPE_QUERY) return STATUS_OK;
    drain_await(run);
    const u64 count = options->questions;
    if (questions_ask(run, "questions, idle", false, NULL, count, &report->idle, failure) !=
        STATUS_OK) {
        return failure->status;
    }
    // Fewer, because the load beside them fills the disk for as long as they take.
    if (questions_ask(run, "questions, load", true, NULL, MAX(count / 5, (u64)1), &report->load,
                      failure) != STATUS_OK) {
        return failure->status;
    }
    if (run->server.folder[0] == 0) return STATUS_OK;
    drain_await(run);
    return questions_ask(run, "questions, cold", false, run->server.folder, MAX(count / 10, (u64)1),
                         &report->cold, failure);
}

static enum status server_open(struct run *run, struct failure *failure)
{
    const struct options *options = &run->options;
    run->is_own = options->connect == NULL;
    if (!run->is_own) {
        if (options->folder != NULL) {
            (void)snprintf(run->server.folder, sizeof run->server.folder, "%s", options->folder);
        }
        return compat_address_parse(options->connect, &run->client_options.address, failure);
    }
    const char *parent = options->folder != NULL ? options->folder : ".";
    if (bench_folder_make(&run->server, parent, failure) != STATUS_OK) return failure->status;
    if (bench_server_start(&run->server, failure) != STATUS_OK) return failure->status;
    run->client_options.address = run->server.address;
    return STATUS_OK;
}

static void probe_run(struct run *run)
{
    if (!run->options.has_probe) return;
    const double per_s = bench_probe(&run->content, run->options.transfers);
    struct report *report = &run->report;
    report->probe_per_s = report->probe_per_s < 0 ? per_s : (report->probe_per_s + per_s) / 2;
}

static enum status run_all(struct run *run, struct failure *failure)
{
    int code;
    probe_run(run);
    enum status status = server_open(run, failure);
    if (status == STATUS_OK) status = workload_run(run, failure);
    if (status == STATUS_OK) {
        drain_await(run);
        if (run->server.folder[0] != 0) {
            run->report.disk_bytes = (double)bench_folder_size(run->server.folder);
        }
        if (run->rss_max > 0) run->report.rss_bytes = (double)run->rss_max;
        if (run->is_own) status = restarts_measure(run, failure);
    }
    bench_server_stop(&run->server, SIGKILL, &code);
    if (status != STATUS_OK && run->is_own) bench_server_print_log(&run->server);
    if (run->is_own && run->server.folder[0] != 0 && !run->options.is_kept) {
        bench_folder_remove(run->server.folder);
    }
    if (status != STATUS_OK) return status;
    probe_run(run);
    if (run->report.probe_per_s > 0) {
        run->report.probe_ratio = run->report.transfers_per_s / run->report.probe_per_s;
    }
    return STATUS_OK;
}

// --- The report ---

static void json_number(const char *key, double value, const char *format)
{
    char text[64];
    (void)snprintf(text, sizeof text, format, value);
    (void)printf(", \"%s\": %s", key, value < 0 ? "null" : text);
}

static void json_quantiles(const char *key, const struct bench_quantiles *quantiles)
{
    (void)printf(", \"%s\": {\"p50\": %.4f, \"p99\": %.4f, \"max\": %.4f}", key, quantiles->p50_ms,
                 quantiles->p99_ms, quantiles->max_ms);
}

static void json_questions(const char *key, const struct question_report *report)
{
    if (!report->is_known) return;
    (void)printf(", \"%s\": {\"count\": %llu", key, (unsigned long long)report->lookups.count);
    json_quantiles("lookup_ms", &report->lookups);
    json_quantiles("account_transfers_ms", &report->account_transfers);
    (void)printf("}");
}

static void report_json(const struct run *run)
{
    const struct report *report = &run->report;
    (void)printf("{\"workload\": \"%s\", \"transfers\": %llu, \"accounts\": %llu, \"clients\": %u, "
                 "\"batch\": %u",
                 run->options.workload->name, (unsigned long long)report->transfers,
                 (unsigned long long)run->options.accounts, run->options.clients,
                 run->options.batch);
    json_number("transfers_per_s", report->transfers_per_s, "%.0f");
    json_quantiles("batch_ms", &report->batch);
    json_number("checkpoints", report->checkpoints, "%.0f");
    json_number("drain_s", report->drain_s, "%.3f");
    json_number("rss_bytes", report->rss_bytes, "%.0f");
    json_number("disk_bytes", report->disk_bytes, "%.0f");
    json_number("restart_s", report->restart_s, "%.3f");
    json_number("restart_kill_s", report->restart_kill_s, "%.3f");
    json_number("stop_s", report->stop_s, "%.3f");
    json_number("probe_per_s", report->probe_per_s, "%.0f");
    json_number("probe_ratio", report->probe_ratio, "%.3f");
    if (run->options.workload->shape == SHAPE_MIXED) {
        json_number("bulk_alone_per_s", report->bulk_alone_per_s, "%.0f");
        json_number("bulk_kept", report->transfers_per_s / report->bulk_alone_per_s, "%.3f");
        json_number("singles_per_s", report->singles_per_s, "%.0f");
        json_quantiles("singles_ms", &report->singles);
    }
    json_questions("questions_idle", &report->idle);
    json_questions("questions_load", &report->load);
    json_questions("questions_cold", &report->cold);
    for (u32 i = 0; i < run->window_count; i++) {
        const struct bench_window *window = &run->windows[i];
        (void)printf("%s{\"transfers\": %llu", i == 0 ? ", \"windows\": [" : ", ",
                     (unsigned long long)window->transfers);
        json_number("seconds", (double)window->elapsed_ns / 1e9, "%.3f");
        json_quantiles("batch_ms", &window->batch);
        json_number("rss_bytes", (double)window->rss, "%.0f");
        (void)printf("}%s", i + 1 == run->window_count ? "]" : "");
    }
    (void)printf("}\n");
}

// 1234567 as "1,234,567".
static const char *grouped(double value, char out[32])
{
    char digits[32];
    const int count = snprintf(digits, sizeof digits, "%.0f", value);
    char *to = out;
    for (int i = 0; i < count; i++) {
        if (i > 0 && (count - i) % 3 == 0) *to++ = ',';
        *to++ = digits[i];
    }
    *to = 0;
    return out;
}

static void row_number(const char *name, double value, const char *unit)
{
    char text[32];
    if (value >= 0) (void)printf("%-26s %16s %s\n", name, grouped(value, text), unit);
}

static void row_decimal(const char *name, double value, const char *unit)
{
    if (value >= 0) (void)printf("%-26s %16.3f %s\n", name, value, unit);
}

static void row_quantiles(const char *name, const struct bench_quantiles *quantiles)
{
    (void)printf("%-26s %16.3f ms p50 %12.3f ms p99 %12.3f ms max\n", name, quantiles->p50_ms,
                 quantiles->p99_ms, quantiles->max_ms);
}

static void row_questions(const char *when, const struct question_report *report)
{
    char name[64];
    if (!report->is_known) return;
    (void)snprintf(name, sizeof name, "look-up, %s", when);
    row_quantiles(name, &report->lookups);
    (void)snprintf(name, sizeof name, "account transfers, %s", when);
    row_quantiles(name, &report->account_transfers);
}

static void report_table(const struct run *run)
{
    const struct report *report = &run->report;
    const struct options *options = &run->options;
    (void)printf("%-26s %16s %s\n", "workload", options->workload->name, options->workload->doc);
    row_number("transfers", (double)report->transfers, "");
    row_number("accounts", (double)options->accounts, "");
    row_number("clients", options->clients, "");
    row_number("batch", options->batch, "");
    row_number("rate", report->transfers_per_s, "transfers/s");
    row_quantiles("request", &report->batch);
    if (options->workload->shape == SHAPE_MIXED) {
        row_number("bulk alone", report->bulk_alone_per_s, "transfers/s");
        row_decimal("bulk kept", 100 * report->transfers_per_s / report->bulk_alone_per_s, "%");
        row_number("singles", report->singles_per_s, "transfers/s");
        row_quantiles("single", &report->singles);
    }
    row_questions("idle", &report->idle);
    row_questions("load", &report->load);
    row_questions("cold", &report->cold);
    row_number("checkpoints", report->checkpoints, "");
    row_decimal("drained after", report->drain_s, "s");
    row_number("resident memory", report->rss_bytes, "bytes");
    row_number("on disk", report->disk_bytes, "bytes");
    row_decimal("stopped after", report->stop_s, "s");
    row_decimal("answers after restart", report->restart_s, "s");
    row_decimal("answers after kill", report->restart_kill_s, "s");
    row_number("probe in memory", report->probe_per_s, "transfers/s");
    row_decimal("rate / probe", report->probe_ratio, "");
    if (run->window_count == 0) return;
    (void)printf("\n%6s %14s %14s %10s %10s %10s %12s\n", "window", "transfers", "transfers/s",
                 "p50 ms", "p99 ms", "max ms", "memory MiB");
    for (u32 i = 0; i < run->window_count; i++) {
        const struct bench_window *window = &run->windows[i];
        char count[32], rate[32];
        (void)printf("%6u %14s %14s %10.3f %10.3f %10.3f %12.1f\n", i + 1,
                     grouped((double)window->transfers, count),
                     grouped((double)window->transfers * 1e9 / (double)window->elapsed_ns, rate),
                     window->batch.p50_ms, window->batch.p99_ms, window->batch.max_ms,
                     (double)window->rss / (double)MIB);
    }
}

int bench_main(int argc, char **argv)
{
    static struct run run;
    struct failure failure;
    for (int i = 1; i < argc; i++) {
        if (!cli_is_help(argv[i])) continue;
        help_print(stdout);
        return 0;
    }
    run = (struct run){.server.output = -1};
    if (!options_parse(argc, argv, &run.options)) return 2;
    struct options *options = &run.options;
    const struct workload *workload = options->workload;
    if (workload->is_two_phase) {
        // Each batch of pending transfers has a batch of posts.
        const u64 pair = (u64)options->batch * 2;
        options->transfers = MAX(options->transfers / pair, (u64)1) * pair;
    }
    run.report = (struct report){
        .transfers = options->transfers,
        .checkpoints = -1,
        .drain_s = -1,
        .rss_bytes = -1,
        .disk_bytes = -1,
        .restart_s = -1,
        .restart_kill_s = -1,
        .stop_s = -1,
        .probe_per_s = -1,
        .probe_ratio = -1,
    };
    run.content = (struct bench_content){
        .seed = options->seed,
        .accounts = options->accounts,
        .id_base = realtime_now(),
        .batch = options->batch,
        .is_random_ids = workload->is_random_ids,
        .is_two_phase = workload->is_two_phase,
    };
    run.client_options = (struct compat_client_options){.cluster = options->cluster};
    run.progress.is_shown = options->shows_progress;
    cli_interrupt_install();
    const enum status status = run_all(&run, &failure);
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "tael bench: %s\n", failure.message);
        if (failure.hint[0] != 0) (void)fprintf(stderr, "hint: %s\n", failure.hint);
        return status == STATUS_CANCELLED ? 1 : 3;
    }
    if (options->is_json) {
        report_json(&run);
    } else {
        report_table(&run);
    }
    return 0;
}
