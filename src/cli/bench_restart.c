// SPDX-License-Identifier: Apache-2.0
//
// What a server does behind a load: its background work, stops and starts.
#include "cli/bench_internal.h"

#include <signal.h>
#include <time.h>

u64 bench_ms_since(u64 began_at)
{
    return (compat_client_now() - began_at) / NS_PER_MS;
}

// The status is written within a second of a change, so what stays as it is for longer was so from
// the beginning.
void bench_drain_await(struct bench_run *run)
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
            run->report.head.drain_s = (idle_at - run->loaded_at) / NS_PER_MS;
            run->report.head.checkpoints = status.checkpoints;
            return;
        }
        run->rss_max = MAX(run->rss_max, bench_server_rss(&run->server));
        (void)nanosleep(&pause, NULL);
    }
}

// --- Restarts ---

// Starts the server and looks transfers up. `*ms` is until the first answer.
static enum status restart(struct bench_run *run, const u64 *indexes, u32 count, u64 *ms,
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
        if (i == 0) *ms = bench_ms_since(began_at);
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

enum status bench_restarts_measure(struct bench_run *run, struct failure *failure)
{
    int code;
    u64 indexes[2] = {0};
    const u64 began_at = compat_client_now();
    bench_server_stop(&run->server, SIGTERM, &code);
    run->report.head.stop_s = bench_ms_since(began_at);
    if (code != 0) {
        return failure_set(failure, STATUS_CANCELLED, "the server ended with code %d", code);
    }
    if (run->options.no_restart) return STATUS_OK;
    if (restart(run, indexes, 1, &run->report.head.restart_s, failure) != STATUS_OK) {
        return failure_wrap(failure, "after a clean stop");
    }
    if (bench_burst_and_kill(run, &indexes[1], failure) != STATUS_OK) return failure->status;
    if (restart(run, indexes, 2, &run->report.head.restart_kill_s, failure) != STATUS_OK) {
        return failure_wrap(failure, "after a kill");
    }
    bench_server_stop(&run->server, SIGTERM, &code);
    return STATUS_OK;
}
