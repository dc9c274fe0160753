// SPDX-License-Identifier: Apache-2.0
//
// The edge's process: options, the loop, signals, the stop.
//
// The loop waits for libmicrohttpd's descriptor, for those of the clients of the server, for
// signals, and for the next thing that is due; then libmicrohttpd and the clients do what can be
// done without waiting.
#include "edge/edge.h"

#include "edge/edge_bulk.h"
#include "edge/edge_changes.h"
#include "edge/edge_internal.h"
#include "edge/edge_listen.h"
#include "edge/edge_static.h"
#include "os/trace.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define WATCH_NS (250 * NS_PER_MS)
// At the start: whoever is served before the server has let the edge in is told to come again.
#define CORE_WAIT_MS 2000u

static enum status signals_open(struct edge *edge, struct failure *failure)
{
    sigset_t set;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    edge->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (edge->signal_fd >= 0) return STATUS_OK;
    return failure_set_errno(failure, STATUS_IO, errno, "waiting for signals");
}

static void limits_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

// What a file says that can be read again while it runs.
static void files_read_again(struct edge *edge)
{
    struct failure failure;
    if (edge->options->tls_certificate[0] == 0) return;
    if (edge_http_renew(edge, &failure) == STATUS_OK) {
        trace(TRACE_INFO, "edge: the certificate was read again");
    } else {
        trace(TRACE_WARNING, "edge: %s; the certificate stays as it was", failure.message);
    }
}

static void signals_take(struct edge *edge)
{
    struct signalfd_siginfo info;
    while (read(edge->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            files_read_again(edge);
            continue;
        }
        if (edge->is_stopping) continue;
        trace(TRACE_INFO, "edge: stopping on signal %u; %u requests are open", info.ssi_signo,
              edge->request_count);
        edge->is_stopping = true;
        edge_http_quiesce(edge);
    }
}

// Milliseconds until something is due.
static int wait_ms(const struct edge *edge, u64 due)
{
    if (edge->is_resumed) return 0;
    due = MIN(due, edge_core_wake_at(&edge->core));
    u64 wait = due > edge->now ? (due - edge->now + NS_PER_MS - 1) / NS_PER_MS : 0;
    wait = MIN(wait, edge_http_wait_ms(edge));
    return (int)MIN(wait, (u64)60000);
}

static void serve(struct edge *edge)
{
    struct pollfd fds[1 + EDGE_CORE_CLIENTS_MAX + 1 + EDGE_FORMER_MAX];
    u64 watch_at = 0, stop_at = U64_MAX;
    u32 count = 0;
    for (;;) {
        edge->now = tael_now();
        if (count > 0 && fds[0].revents != 0) signals_take(edge);
        if (edge->is_stopping && stop_at == U64_MAX) {
            stop_at = edge->now + edge->options->stop_timeout * NS_PER_S;
            watch_at = 0;
        }
        if (edge->is_stopping && (edge->connection_count == 0 || edge->now >= stop_at)) return;
        edge->is_resumed = false;
        edge_http_run(edge);
        edge_bulk_tick(edge);
        edge_changes_tick(edge);
        edge_core_step(&edge->core, count > 0 ? fds + 1 : NULL, edge->now);
        if (edge->now >= watch_at) {
            edge_http_watch(edge);
            watch_at = edge->now + (edge->is_stopping ? WATCH_NS / 10 : WATCH_NS);
        }
        fds[0] = (struct pollfd){.fd = edge->signal_fd, .events = POLLIN};
        count = 1 + edge_core_poll(&edge->core, fds + 1);
        count += edge_http_poll(edge, fds + count);
        const u64 due = MIN(MIN(watch_at, stop_at), edge_changes_due(edge));
        if (poll(fds, count, wait_ms(edge, due)) < 0) {
            for (u32 i = 0; i < count; i++) fds[i].revents = 0;
        }
    }
}

static enum status options_check(const struct edge_options *options, struct failure *failure)
{
    const bool has_certificate = options->tls_certificate[0] != 0;
    const bool has_key = options->tls_key[0] != 0;
    if (has_certificate != has_key) {
        return failure_set(failure, STATUS_INVALID, "--tls-certificate and --tls-key go together");
    }
    if (options->tls_client_ca[0] != 0 && !has_certificate) {
        return failure_set(failure, STATUS_INVALID, "--tls-client-ca is for --tls-certificate");
    }
    return STATUS_OK;
}

static enum status edge_start(struct edge *edge, struct failure *failure)
{
    const struct edge_options *options = edge->options;
    const struct tael_options core = {
        .address = options->connect,
        .principal = options->principal,
        .key_file =
            options->key_file != NULL && options->key_file[0] != 0 ? options->key_file : NULL,
        .turned_away_max = U32_MAX,
    };
    enum status status = options_check(options, failure);
    if (status == STATUS_OK) status = signals_open(edge, failure);
    if (status == STATUS_OK) {
        status = edge_listen(options->http, options->tls_certificate[0] != 0, &edge->listen_fd,
                             edge->address, sizeof edge->address, failure);
    }
    if (status != STATUS_OK) return status;
    if (getrandom(&edge->request_seed, sizeof edge->request_seed, 0) !=
        (ssize_t)sizeof edge->request_seed) {
        return failure_set_errno(failure, STATUS_IO, errno, "asking for random bytes");
    }
    edge_routes_make(&edge->routes);
    edge_static_make(edge);
    edge_callers_init(&edge->callers);
    edge_rates_init(&edge->rates, options->rate, options->burst);
    edge->scratch = aligned_alloc(16, align_up(EDGE_SCRATCH_SIZE, 16));
    assert(edge->scratch != NULL);
    status = edge_core_open(&edge->core, &core, options->core_connections, failure);
    if (status != STATUS_OK) return status;
    edge_core_await(&edge->core, CORE_WAIT_MS);
    return edge_http_start(edge, failure);
}

enum status edge_run(const struct edge_options *options, struct failure *failure)
{
    struct edge *edge = calloc(1, sizeof *edge);
    assert(edge != NULL);
    edge->options = options;
    edge->signal_fd = -1;
    edge->listen_fd = -1;
    edge->now = tael_now();
    limits_raise();
    const enum status status = edge_start(edge, failure);
    if (status == STATUS_OK) {
        options->ready(options, edge->address);
        serve(edge);
    }
    edge_requests_drop(edge);
    edge_http_stop(edge);
    edge_changes_stop(edge);
    edge_core_close(&edge->core);
    edge_callers_free(&edge->callers);
    edge_static_free(edge);
    edge_rates_free(&edge->rates);
    if (edge->listen_fd >= 0) (void)close(edge->listen_fd);
    if (edge->signal_fd >= 0) (void)close(edge->signal_fd);
    free(edge->scratch);
    free(edge);
    return status;
}
