// SPDX-License-Identifier: Apache-2.0
//
// The server's process: its folder, signals, the status file; its ports do the work (ports.h).
#include "server/server.h"

#include "codec/number.h"
#include "codec/text.h"
#include "os/thread.h"
#include "os/trace.h"
#include "server/child.h"
#include "server/owner.h"
#include "server/ports.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

// Between writings of the status file, and between lines on the trace while the log is recovered.
#define STATUS_NS   (NS_PER_S / 5)
#define PROGRESS_NS NS_PER_S
// Work that was held up is tried at once when space seems to return.
#define FULL_OVER_NS (2 * NS_PER_S)
// The status file tells free space in steps of this while there is enough: the files of others
// alone are no reason to write ours.
#define SPACE_STEP (16 * MIB)
// Questions that are answered at the same time; each takes some tens of MiB of address space.
#define QUERY_THREADS 2u
// The process's exit code when its environment failed it (cli/cli.h).
#define EXIT_ENVIRONMENT 3
#define SECONDS_PER_DAY  86400ull

struct server {
    const struct server_options *options;
    struct disk_folder folder;
    struct node node;
    struct crash_watch *watch;
    struct listener compat_listener;
    struct listener listener;
    struct listener http_listener;
    struct child edge;      // Runs when there is an `http_listener`.
    char edge_connect[160]; // Its arguments.
    char edge_status[4160];
    struct ports ports;
    int signal_fd;
    u64 next_status; // By the steady clock, as all times of the server but those of frames.
    bool stopping;
    bool is_copy;               // The folder is a copy, and its log does not say so yet.
    struct pipeline_stats told; // As the status file says.
    bool status_lost;           // The status file could not be written, which the trace said.
    bool full_told;             // The trace said that storage is full,
    u64 full_last;              // and when it last was.
};

// Says in the folder that it is the one that this server writes. What cannot be said leaves it one
// that the next start takes for a copy.
static void owner_tell(struct server *server)
{
    const struct wal_tail *tail = &server->node.wal.tail;
    struct failure failure;
    if (server->is_copy) return;
    if (owner_write(server->folder.folder_fd, tail->log_id, tail->sequence, &failure) ==
        STATUS_OK) {
        return;
    }
    trace(TRACE_WARNING, "%s; the next start will take the folder for a copy", failure.message);
}

// The log says that it is a copy, and that is durable.
static void copy_told(void *context)
{
    struct server *server = context;
    server->is_copy = false;
    owner_tell(server);
}

// The process leaves and recovers from what is on disk: no state that may differ from it is shown.
static void fatal(void *context, const struct failure *failure)
{
    (void)context;
    trace(TRACE_ERROR, "the server leaves: %s", failure->message);
    if (failure->hint[0] != 0) trace(TRACE_ERROR, "hint: %s", failure->hint);
    _exit(EXIT_ENVIRONMENT);
}

static void signal_take(struct server *server)
{
    struct signalfd_siginfo info;
    if (read(server->signal_fd, &info, sizeof info) != (ssize_t)sizeof info) return;
    if (info.ssi_signo == SIGCHLD) {
        child_reap(&server->edge, clock_steady());
        return;
    }
    trace(TRACE_INFO, "stopping on signal %u", info.ssi_signo);
    server->stopping = true;
}

static bool recovery_report(void *context, u64 done, u64 total)
{
    struct server *server = context;
    signal_take(server);
    if (server->stopping) return false;
    u64 now = clock_steady();
    if (now < server->next_status) return true;
    server->next_status = now + PROGRESS_NS;
    trace(TRACE_INFO, "recovering: %llu of about %llu MiB of log applied",
          (unsigned long long)(done / MIB), (unsigned long long)(total / MIB));
    return true;
}

static enum status random_bytes(void *out, size_t size, struct failure *failure)
{
    if (getrandom(out, size, 0) != (ssize_t)size) {
        return failure_set_errno(failure, STATUS_IO, errno, "asking for random bytes");
    }
    return STATUS_OK;
}

// The page of the file `applying`, for whoever dies of it: nothing else reaches a signal's handler.
static _Atomic(const void *) applying_page;

// The page in which the position being applied is noted; it outlives the process, not the machine.
static enum status watch_open(struct server *server, struct failure *failure)
{
    int fd =
        openat(server->folder.folder_fd, "applying", O_RDWR | O_CREAT | O_CLOEXEC, DISK_FILE_MODE);
    if (fd < 0 || ftruncate(fd, (off_t)PAGE_SIZE) != 0) {
        failure_set_errno(failure, STATUS_IO, errno, "opening %s/applying", server->options->data);
        if (fd >= 0) (void)close(fd);
        return STATUS_IO;
    }
    void *memory = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (memory == MAP_FAILED) {
        return failure_set_errno(failure, STATUS_IO, errno, "mapping %s/applying",
                                 server->options->data);
    }
    server->watch = memory;
    server->node.watch = memory;
    atomic_store(&applying_page, memory);
    return STATUS_OK;
}

// Says what the log was forked from: `parent` is its end behind the last frame that both have.
static void fork_tell(const struct wal_tail *parent)
{
    char log_id[NUMBER_SIZE_MAX];
    char head[2 * sizeof parent->previous.bytes + 1] = {0};
    struct text text = text_init(head, sizeof head - 1);
    (void)number_print_u128(parent->log_id, log_id);
    text_append_hex(&text, parent->previous.bytes, sizeof parent->previous.bytes);
    trace(TRACE_INFO, "forked from log %s behind frame %llu, whose header has the hash %s", log_id,
          (unsigned long long)parent->sequence - 1, head);
}

// The log of an earlier epoch, which a copy that is served again goes on from.
static void fork_find(struct server *server)
{
    const struct wal_tail *tail = &server->node.wal.tail;
    const struct wal_bound bound = {U64_MAX, U64_MAX, tail->epoch - 1};
    struct frame_header last;
    struct failure failure;
    if (tail->epoch == 1 ||
        wal_find_last(&server->node.wal, &bound, &last, &failure) != STATUS_OK) {
        return;
    }
    struct wal_tail parent = {.log_id = last.log_id, .sequence = last.sequence + 1};
    sha256(&last, sizeof last, &parent.previous);
    fork_tell(&parent);
}

// A copy goes on under another id in a later epoch, and is disarmed by its first command.
static enum status copy_find(struct server *server, struct failure *failure)
{
    struct wal_tail *tail = &server->node.wal.tail;
    const char *why = owner_differs(server->folder.folder_fd, tail->log_id, tail->sequence);
    if (why == NULL) {
        fork_find(server);
        return STATUS_OK;
    }
    const struct wal_tail parent = *tail;
    enum status status = random_bytes(&tail->log_id, sizeof tail->log_id, failure);
    if (status != STATUS_OK) return status;
    tail->epoch++;
    server->is_copy = true;
    trace(TRACE_WARNING,
          "%s is a copy (%s): it goes on under another log id, in epoch %llu, and no gateway gets "
          "effects from it",
          server->options->data, why, (unsigned long long)tail->epoch);
    fork_tell(&parent);
    trace(TRACE_INFO,
          "hint: when no other copy of it executes effects: tael effect arm --reason N");
    return STATUS_OK;
}

// Whether the wall clock may be that of the log.
static enum status clock_check(const struct server *server, struct failure *failure)
{
    const u64 last = server->node.machine.timestamp;
    const u64 now = clock_wall();
    if (now <= last || now - last <= server->options->clock_jump_max_s * NS_PER_S) return STATUS_OK;
    failure_set(failure, STATUS_INVALID,
                "the clock is %llu days ahead of the last frame of the log",
                (unsigned long long)((now - last) / NS_PER_S / SECONDS_PER_DAY));
    failure_hint(failure, "if the clock is right, start once with --clock-jump-max SECONDS");
    return STATUS_INVALID;
}

// Opens the node. On failure there is none.
static enum status node_start(struct server *server, struct failure *failure)
{
    const struct server_options *options = server->options;
    u128 log_id = 0;
    struct genesis genesis = {
        .cluster = options->cluster,
        .created_at = clock_wall(),
        .accounts_max = options->accounts_max,
        .holds_max = options->holds_max,
        .flags = GENESIS_ARMED,
    };
    enum status status = random_bytes(genesis.hash_key, sizeof genesis.hash_key, failure);
    if (status == STATUS_OK) status = random_bytes(&log_id, sizeof log_id, failure);
    server->next_status = clock_steady() + PROGRESS_NS; // Nothing is said of what takes less.
    const struct recovery_progress progress = {.context = server, .report = recovery_report};
    struct recovery_report report;
    if (status == STATUS_OK) status = watch_open(server, failure);
    if (status == STATUS_OK) {
        status = node_open(&server->node, &server->folder.disk, &genesis, log_id, &progress,
                           &report, failure);
    }
    if (status != STATUS_OK) return status;
    if (report.created) {
        trace(TRACE_INFO, "a new log in %s", options->data);
    } else {
        trace(TRACE_INFO, "recovered from checkpoint %llu and %llu frames behind it%s",
              (unsigned long long)report.checkpoint_sequence, (unsigned long long)report.frames,
              report.torn ? "; an unfinished frame that was never acknowledged was cut" : "");
    }
    if (!report.created) status = copy_find(server, failure);
    if (status == STATUS_OK) {
        owner_tell(server);
        status = clock_check(server, failure);
    }
    if (status != STATUS_OK) node_free(&server->node);
    return status;
}

// A mapped file could not be read: the device failed, or somebody cut the file.
static void bus_error(int number, siginfo_t *info, void *context)
{
    static const char text[] =
        "the server leaves: a file of the data folder cannot be read (device error, or cut)\n";
    static const char applying[] = "the server leaves: the file applying was cut\n";
    const u64 page = align_down((u64)(uintptr_t)info->si_addr, PAGE_SIZE);
    (void)number;
    (void)context;
    if (page == (u64)(uintptr_t)atomic_load(&applying_page)) {
        (void)!write(STDERR_FILENO, applying, sizeof applying - 1);
    } else {
        (void)!write(STDERR_FILENO, text, sizeof text - 1);
    }
    _exit(EXIT_ENVIRONMENT);
}

static enum status signals_start(struct server *server, struct failure *failure)
{
    const struct sigaction on_bus_error = {.sa_sigaction = bus_error, .sa_flags = SA_SIGINFO};
    (void)sigaction(SIGBUS, &on_bus_error, NULL);
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGCHLD);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    server->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (server->signal_fd >= 0) return STATUS_OK;
    return failure_set_errno(failure, STATUS_IO, errno, "waiting for signals");
}

static enum status ports_start(struct server *server, struct failure *failure)
{
    const struct ports_options options = {
        .pipeline =
            {
                .checkpoint_bytes = server->options->checkpoint_bytes,
                .space_reserve = server->options->space_reserve,
                .query_threads = QUERY_THREADS,
            },
        .compat = &server->compat_listener,
        .tael = &server->listener,
        .is_copy = server->is_copy,
        .context = server,
        .copy_told = copy_told,
        .fatal = fatal,
    };
    enum status status = ports_open(&server->ports, &server->node, &options, failure);
    return status == STATUS_OK ? ports_watch(&server->ports, server->signal_fd, failure) : status;
}

// Says on the trace when storage becomes full and when it no longer is; not at each of the moments
// between, when work is tried and finds none.
static void full_tell(struct server *server, const struct pipeline_stats *stats, u64 now)
{
    unsigned long long free_mib = stats->space_free / MIB;
    if (stats->full) {
        server->full_last = now;
        if (server->full_told) return;
        server->full_told = true;
        trace(TRACE_WARNING,
              "storage is full: %llu MiB are free in %s, %llu MiB are needed%s; commands get no "
              "answer until there is space, look-ups and queries go on",
              free_mib, server->options->data,
              (unsigned long long)((stats->space_needed + MIB - 1) / MIB),
              stats->space_free < stats->space_needed ? "" : ", but a write found none");
        trace(TRACE_INFO, "hint: make space%s",
              stats->space_free < stats->space_needed && server->options->space_reserve > 0
                  ? ", or start with a smaller --space-reserve"
                  : "");
    } else if (server->full_told && now - server->full_last >= FULL_OVER_NS) {
        server->full_told = false;
        trace(TRACE_INFO, "there is space again: %llu MiB are free, commands go on", free_mib);
    }
}

// Puts the file that was written in the place of the one that is read. They are exchanged, so that
// no block is freed: a file system that discards freed blocks would hold this thread up. The file
// that was read until now is written over the next time: whoever opened it has until then.
static bool status_swap(int folder)
{
    return renameat2(folder, "status.new", folder, "status", RENAME_EXCHANGE) == 0 ||
           renameat(folder, "status.new", folder, "status") == 0; // There is none yet.
}

// Writes the file and puts it in its place; false with `errno` when that cannot be done.
static bool status_replace(int folder, const char *text, int length)
{
    // To open a pipe would wait for whoever reads from it.
    const int fd = openat(folder, "status.new",
                          O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, DISK_FILE_MODE);
    if (fd < 0) return false;
    const bool written = write(fd, text, (size_t)length) == length && ftruncate(fd, length) == 0;
    const int error = errno;
    (void)close(fd);
    errno = error;
    return written && status_swap(folder);
}

// DIR/status: for scripts and people; its name always stands for a whole one. Never synced.
static void status_write(struct server *server, u64 now)
{
    struct pipeline_stats stats;
    pipeline_stats(server->ports.pipeline, &stats);
    server->next_status = now + STATUS_NS;
    full_tell(server, &stats, now);
    if (!stats.full) stats.space_free = align_down(stats.space_free, SPACE_STEP);
    // NOLINTNEXTLINE: padding that differs costs one more writing of the file.
    if (memcmp(&stats, &server->told, sizeof stats) == 0) return;
    server->told = stats;
    char text[512];
    int length = snprintf(
        text, sizeof text,
        "position %llu\ndurable %llu\nindexed %llu\ncheckpoints %llu\nseals %llu\nmerges %llu\n"
        "filter_bytes %llu\nfull %d\nspace_free %llu\nspace_needed %llu\nidle %d\nconnections %u\n",
        (unsigned long long)stats.position, (unsigned long long)stats.sequence_durable,
        (unsigned long long)stats.sequence_indexed, (unsigned long long)stats.checkpoints,
        (unsigned long long)stats.seals, (unsigned long long)stats.merges,
        (unsigned long long)stats.filter_bytes, stats.full, (unsigned long long)stats.space_free,
        (unsigned long long)stats.space_needed, stats.idle, ports_connections(&server->ports));
    const bool is_written = status_replace(server->folder.folder_fd, text, length);
    if (!is_written && !server->status_lost) {
        trace(TRACE_WARNING, "%s/status cannot be written: %s; what it says is from before",
              server->options->data, strerror(errno));
    }
    server->status_lost = !is_written;
}

// --- the edge ------------------------------------------------------------------------------------

static void edge_prepare(struct server *server)
{
    struct child *child = &server->edge;
    const char *const *flags = server->options->edge_flags;
    const char *const own[] = {
        "tael",
        "edge",
        "--http",
        "fd:3",
        "--http-child",
        "--connect",
        server->edge_connect,
        "--core-status",
        server->edge_status,
    };
    static_assert(CHILD_SOCKET_FD == 3, "as the arguments say");
    u32 count = 0;
    (void)snprintf(server->edge_connect, sizeof server->edge_connect, "%s",
                   server->listener.address);
    (void)snprintf(server->edge_status, sizeof server->edge_status, "%s/status",
                   server->options->data);
    child->name = "the edge";
    child->socket_fd = server->http_listener.fd;
    for (; count < ARRAY_COUNT(own); count++) child->argv[count] = own[count];
    for (; flags != NULL && *flags != NULL; flags++) {
        assert(count < CHILD_ARGUMENTS_MAX);
        child->argv[count++] = *flags;
    }
}

static bool has_edge(const struct server *server)
{
    return server->http_listener.fd >= 0;
}

// What it was asked it answers, with the server's help, before that takes nothing more.
static void edge_stop(struct server *server)
{
    const u64 until = clock_steady() + (server->options->edge_stop_s + 1ull) * NS_PER_S;
    child_end(&server->edge, SIGTERM);
    while (server->edge.pid != 0 && clock_steady() < until) {
        if (ports_round(&server->ports, clock_steady() + STATUS_NS)) signal_take(server);
    }
    if (server->edge.pid == 0) return;
    trace(TRACE_WARNING, "the edge does not stop, and is ended");
    child_end(&server->edge, SIGKILL);
}

static void serve(struct server *server)
{
    while (!server->stopping) {
        if (has_edge(server)) child_tick(&server->edge, clock_steady());
        if (ports_round(&server->ports, server->next_status)) signal_take(server);
        const u64 now = clock_steady();
        if (now >= server->next_status) status_write(server, now);
    }
    if (has_edge(server)) edge_stop(server);
}

static void limits_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); // History keeps its files open.
}

// Takes DIR/socket for the tael port. Where the folder's path is too long for a socket there is
// none, which is told.
static enum status socket_take(struct server *server, struct failure *failure)
{
    char address[128];
    const int size = snprintf(address, sizeof address, "unix:%s/socket", server->options->data);
    if (size >= (int)sizeof address || listener_check(address, failure) != STATUS_OK) {
        trace(TRACE_WARNING,
              "no tael port: the path of %s/socket is too long for a socket; give one with --port",
              server->options->data);
        return STATUS_OK;
    }
    return listener_take(&server->listener, address, failure);
}

// Takes the folder's lock and the ports' addresses. A folder is made only when they are to be
// had.
static enum status places_take(struct server *server, struct failure *failure)
{
    const char *path = server->options->data;
    enum status status = disk_folder_open(&server->folder, path, DISK_FOLDER_OWN, failure);
    const bool is_new = status == STATUS_NOT_FOUND;
    if (status != STATUS_OK && !is_new) return status;
    status = listener_take(&server->compat_listener, server->options->compat, failure);
    if (status != STATUS_OK) return failure_wrap(failure, "--compat-port");
    const char *port = server->options->port;
    if (port != NULL && port[0] != 0) {
        status = listener_take(&server->listener, port, failure);
        if (status == STATUS_OK) status = listener_open_to_all(&server->listener, failure);
        if (status != STATUS_OK) return failure_wrap(failure, "--port");
    }
    const char *http = server->options->http;
    if (http != NULL && http[0] != 0) {
        status = listener_take(&server->http_listener, http, failure);
        if (status != STATUS_OK) return failure_wrap(failure, "--http");
    }
    if (is_new) status = disk_folder_open(&server->folder, path, DISK_FOLDER_MAKE, failure);
    if (status == STATUS_OK && port == NULL) status = socket_take(server, failure);
    if (status == STATUS_OK && has_edge(server) && server->listener.fd < 0) {
        return failure_set(failure, STATUS_INVALID, "--http needs a tael port, and there is none");
    }
    return status;
}

// From a node that is open to a clean stop.
static enum status node_serve(struct server *server, struct failure *failure)
{
    enum status status = ports_start(server, failure);
    if (status == STATUS_OK && has_edge(server)) {
        status = listener_begin(&server->http_listener, failure);
        edge_prepare(server);
    }
    if (status == STATUS_OK) {
        status_write(server, clock_steady());
        server->options->ready(server->options, server->compat_listener.address,
                               server->listener.fd < 0 ? "" : server->listener.address,
                               has_edge(server) ? server->http_listener.address : "");
        thread_hurry();
        serve(server);
        ports_stop(&server->ports);
        owner_tell(server);
        status_write(server, clock_steady());
    }
    ports_free(&server->ports);
    return status;
}

enum status server_run(const struct server_options *options, struct failure *failure)
{
    struct server *server = calloc(1, sizeof *server);
    assert(server != NULL);
    server->options = options;
    server->signal_fd = -1;
    server->ports.epoll_fd = -1;
    server->compat_listener.fd = -1;
    server->listener.fd = -1;
    server->http_listener.fd = -1;
    server->folder.folder_fd = -1;
    server->folder.lock_fd = -1;
    limits_raise();
    enum status status = signals_start(server, failure);
    if (status == STATUS_OK) status = places_take(server, failure);
    if (status == STATUS_OK) status = node_start(server, failure);
    if (status == STATUS_OK) {
        status = node_serve(server, failure);
        node_free(&server->node);
    } else if (status == STATUS_CANCELLED && server->stopping) {
        status = STATUS_OK; // Asked to stop while recovering: the next start begins anew.
    }
    listener_close(&server->compat_listener);
    listener_close(&server->listener);
    listener_close(&server->http_listener);
    if (server->signal_fd >= 0) (void)close(server->signal_fd);
    disk_folder_close(&server->folder);
    free(server);
    return status;
}
