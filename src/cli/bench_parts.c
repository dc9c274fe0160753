// SPDX-License-Identifier: Apache-2.0
//
// The parts of a load: accounts, transfers, questions, singles beside a bulk client, a kill.
#include "cli/bench_internal.h"

#include <signal.h>

#define MIXED_TURNS 8u

// Three fields of the report.
#define QUANTILES_SET(head, name, quantiles)  \
    do {                                      \
        (head)->name##_p50 = (quantiles).p50; \
        (head)->name##_p99 = (quantiles).p99; \
        (head)->name##_max = (quantiles).max; \
    } while (0)

static u64 per_s(u64 count, u64 ns)
{
    return (u64)((u128)count * NS_PER_S / MAX(ns, (u64)1));
}

static void rss_sample(void *context)
{
    struct bench_run *run = context;
    run->rss_max = MAX(run->rss_max, bench_server_rss(&run->server));
}

static u64 rss_now(void *context)
{
    const struct bench_run *run = context;
    return bench_server_rss(&run->server);
}

static struct bench_actor actor_make(struct bench_run *run, enum bench_kind kind,
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

static enum status actors_open(struct bench_run *run, struct bench_actor *actors, u32 count,
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
static enum status actors_run(struct bench_run *run, const char *what, struct bench_actor *actors,
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
        loop.windows = run->options.windows == 0 ? NULL : run->report.windows;
        loop.window_count = run->options.windows;
        loop.rss = rss_now;
    }
    run->progress.what = what;
    const u64 stolen_ms = bench_machine_stolen_ms();
    const enum status status = bench_loop_run(&loop, failure);
    bench_progress_clear(&run->progress);
    *elapsed_ns = loop.elapsed_ns;
    if (is_measured) {
        run->report.head.windows_count = loop.window_count;
        run->report.head.stolen_ms = bench_stolen_between(stolen_ms, bench_machine_stolen_ms());
    }
    run->loaded_at = cli_time_now();
    if (status != STATUS_OK) return failure_wrap(failure, "%s", what);
    return STATUS_OK;
}

static void actors_close(struct bench_actor *actors, u32 count)
{
    for (u32 i = 0; i < count; i++) bench_actor_close(&actors[i]);
}

enum status bench_accounts_create(struct bench_run *run, struct failure *failure)
{
    struct bench_source source = {.end = run->content.accounts};
    struct bench_actor actor = actor_make(run, BENCH_ACCOUNTS, &source, LEDGER_BATCH_EVENTS_MAX);
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

enum status bench_transfers_load(struct bench_run *run, struct failure *failure)
{
    struct bench_actor actors[BENCH_CLIENTS_MAX];
    const u32 clients = run->options.clients;
    u64 elapsed;
    run->source.end = run->options.transfers;
    for (u32 i = 0; i < clients; i++) {
        actors[i] = actor_make(run, BENCH_TRANSFERS, &run->source, run->content.batch);
    }
    enum status status = actors_open(run, actors, clients, failure);
    if (status == STATUS_OK) {
        status = actors_run(run, run->plan->workload.workload, actors, clients, true, U64_MAX,
                            &elapsed, failure);
    }
    if (status == STATUS_OK) {
        const struct bench_quantiles quantiles = latencies_join(actors, clients);
        run->report.head.transfers_per_s = per_s(run->options.transfers, elapsed);
        QUANTILES_SET(&run->report.head, batch_ms, quantiles);
    }
    actors_close(actors, clients);
    return status;
}

// --- Questions ---

// Asks `count` questions of one kind; with a bulk client beside them when `is_loaded`.
static enum status questions_run(struct bench_run *run, const char *what, enum bench_kind kind,
                                 bool is_loaded, const char *forgets, u64 count,
                                 struct bench_quantiles *quantiles, struct failure *failure)
{
    struct bench_source source = {.end = count};
    struct bench_actor actors[2];
    const u32 actor_count = is_loaded ? 2 : 1;
    u64 elapsed;
    actors[0] = actor_make(run, kind, &source, 1);
    actors[0].forgets = forgets;
    actors[0].random += cli_time_now();
    actors[1] = actor_make(run, BENCH_TRANSFERS, &run->source, run->content.batch);
    actors[1].is_background = true;
    run->source.end = U64_MAX;
    enum status status = actors_open(run, actors, actor_count, failure);
    if (status == STATUS_OK) {
        status = actors_run(run, what, actors, actor_count, false, U64_MAX, &elapsed, failure);
    }
    if (status == STATUS_OK) *quantiles = bench_latencies_quantiles(&actors[0].latencies);
    actors_close(actors, actor_count);
    return status;
}

enum status bench_questions_ask(struct bench_run *run, struct failure *failure)
{
    enum { IDLE, LOAD, COLD, TIMES };
    struct bench_report *report = &run->report.head;
    struct bench_quantiles lookup, transfers;
    const char *folder = run->server.folder;
    const u64 count = run->options.questions;
    static const char *const names[] = {"questions, idle", "questions, load", "questions, cold"};
    // Fewer under load, because the load beside them fills the disk for as long as they take.
    const u64 counts[] = {count, MAX(count / 5, (u64)1), MAX(count / 10, (u64)1)};
    for (u32 when = IDLE; when < TIMES; when++) {
        if (when == COLD && folder[0] == 0) return STATUS_OK;
        if (when != LOAD) bench_drain_await(run);
        const char *forgets = when == COLD ? folder : NULL;
        if (questions_run(run, names[when], BENCH_LOOKUPS, when == LOAD, forgets, counts[when],
                          &lookup, failure) != STATUS_OK) {
            return failure->status;
        }
        if (questions_run(run, names[when], BENCH_ACCOUNT_TRANSFERS, when == LOAD, forgets,
                          counts[when], &transfers, failure) != STATUS_OK) {
            return failure->status;
        }
        if (when == IDLE) {
            QUANTILES_SET(report, lookup_idle_ms, lookup);
            QUANTILES_SET(report, account_transfers_idle_ms, transfers);
        } else if (when == LOAD) {
            QUANTILES_SET(report, lookup_load_ms, lookup);
            QUANTILES_SET(report, account_transfers_load_ms, transfers);
        } else {
            QUANTILES_SET(report, lookup_cold_ms, lookup);
            QUANTILES_SET(report, account_transfers_cold_ms, transfers);
        }
    }
    return STATUS_OK;
}

// --- Bulk and singles ---

// What a bulk client did, and for how long.
struct bulk {
    u64 transfers, ns;
};

static void mixed_report(struct bench_run *run, const struct bulk *alone, const struct bulk *beside,
                         struct bench_actor *actors)
{
    struct bench_report *report = &run->report.head;
    const u32 clients = run->options.clients;
    u64 singles = 0;
    for (u32 i = 0; i < clients; i++) singles += actors[1 + i].acknowledged;
    const struct bench_quantiles batch = bench_latencies_quantiles(&actors[0].latencies);
    const struct bench_quantiles single = latencies_join(actors + 1, clients);
    report->bulk_alone_per_s = per_s(alone->transfers, alone->ns);
    report->transfers_per_s = per_s(beside->transfers, beside->ns);
    report->bulk_kept = report->transfers_per_s * 1000 / MAX(report->bulk_alone_per_s, (u64)1);
    report->singles_per_s = per_s(singles, beside->ns);
    QUANTILES_SET(report, batch_ms, batch);
    QUANTILES_SET(report, singles_ms, single);
}

// Runs actors up to a number of transfers created, and adds up what was done.
static enum status slice_run(struct bench_run *run, const char *what, struct bench_actor *actors,
                             u32 count, u64 end, struct bulk *bulk, struct failure *failure)
{
    const u64 first = run->source.next;
    u64 elapsed;
    run->source.end = end;
    if (actors_run(run, what, actors, count, false, U64_MAX, &elapsed, failure) != STATUS_OK) {
        return failure->status;
    }
    bulk->transfers += run->source.next - first;
    bulk->ns += elapsed;
    return STATUS_OK;
}

// By turns, so that what the server does in the background falls on both alike.
enum status bench_mixed_load(struct bench_run *run, struct failure *failure)
{
    struct bench_actor alone = actor_make(run, BENCH_TRANSFERS, &run->source, run->content.batch);
    struct bench_actor actors[BENCH_CLIENTS_MAX + 1];
    const u32 count = run->options.clients + 1;
    // Singles take indexes of their own, far behind those of the bulk client.
    struct bench_source singles = {.next = (u64)1 << 40, .end = U64_MAX};
    actors[0] = actor_make(run, BENCH_TRANSFERS, &run->source, run->content.batch);
    for (u32 i = 1; i < count; i++) {
        actors[i] = actor_make(run, BENCH_TRANSFERS, &singles, 1);
        actors[i].is_background = true;
    }
    struct bulk bulk_alone = {0}, bulk_beside = {0};
    enum status status = actors_open(run, &alone, 1, failure);
    if (status == STATUS_OK) status = actors_open(run, actors, count, failure);
    for (u64 i = 0; i < 2 * MIXED_TURNS && status == STATUS_OK; i++) {
        const u64 end = run->options.transfers * (i + 1) / (2 * MIXED_TURNS);
        status = i % 2 == 0 ? slice_run(run, "bulk alone", &alone, 1, end, &bulk_alone, failure)
                            : slice_run(run, "bulk and singles", actors, count, end, &bulk_beside,
                                        failure);
    }
    if (status == STATUS_OK) mixed_report(run, &bulk_alone, &bulk_beside, actors);
    actors_close(&alone, 1);
    actors_close(actors, count);
    return status;
}

// --- A kill ---

enum status bench_burst_and_kill(struct bench_run *run, u64 *last, struct failure *failure)
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
