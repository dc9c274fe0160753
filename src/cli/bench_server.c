// SPDX-License-Identifier: Apache-2.0
//
// The server under load: started, measured, stopped and removed.
#include "cli/bench_internal.h"
#include "codec/number.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const u64 ready_timeout_ns = 300 * NS_PER_S;

enum status bench_folder_make(struct bench_server *server, const char *parent,
                              struct failure *failure)
{
    const int length =
        snprintf(server->folder, sizeof server->folder, "%s/tael-bench-XXXXXX", parent);
    if (length < 0 || (size_t)length >= sizeof server->folder) {
        return failure_set(failure, STATUS_INVALID, "the folder's name is too long");
    }
    if (mkdtemp(server->folder) == NULL) {
        const int error = errno;
        server->folder[0] = 0;
        return failure_set_errno(failure, STATUS_IO, error, "making a folder in %s", parent);
    }
    return STATUS_OK;
}

static void log_name(const char *folder, char out[8192])
{
    (void)snprintf(out, 8192, "%s.log", folder);
}

void bench_folder_remove(const char *folder)
{
    char path[8192];
    cli_folder_remove(folder);
    log_name(folder, path);
    (void)remove(path);
}

void bench_server_print_log(const struct bench_server *server)
{
    char path[8192], text[4096];
    log_name(server->folder, path);
    FILE *file = fopen(path, "re");
    if (file == NULL) return;
    if (fseek(file, -(long)sizeof text, SEEK_END) != 0) rewind(file);
    const size_t size = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    if (size > 0) (void)fprintf(stderr, "the server said:\n%.*s", (int)size, text);
}

static void file_add_size(const char *path, void *context)
{
    u64 *sum = context;
    struct stat about;
    if (lstat(path, &about) == 0) *sum += (u64)about.st_blocks * 512;
}

u64 bench_folder_size(const char *folder)
{
    u64 sum = 0;
    cli_files_visit(folder, file_add_size, &sum);
    return sum;
}

static void file_forget(const char *path, void *context)
{
    (void)context;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    (void)close(fd);
}

void bench_folder_forget(const char *folder)
{
    cli_files_visit(folder, file_forget, NULL);
}

// The number behind a line's first word, if that is `name`. What follows the number is left alone.
static bool line_number(const char *line, const char *name, u64 *out)
{
    size_t size = strlen(name);
    if (strncmp(line, name, size) != 0 || strchr(" \t", line[size]) == NULL) return false;
    const char *at = line + size + strspn(line + size, " \t");
    u128 value = 0;
    if (number_parse_u128(at, strspn(at, "0123456789"), &value) != NUMBER_OK || value > U64_MAX) {
        return false;
    }
    *out = (u64)value;
    return true;
}

bool bench_status_read(const char *folder, u64 after, struct bench_status *out)
{
    char path[8192], line[128];
    (void)snprintf(path, sizeof path, "%s/status", folder);
    *out = (struct bench_status){0};
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    struct stat about;
    if (fstat(fileno(file), &about) == 0) {
        const u64 at = (u64)about.st_mtim.tv_sec * NS_PER_S + (u64)about.st_mtim.tv_nsec;
        out->is_fresh = at >= after;
        out->written_at = at;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        u64 is_idle = out->is_idle;
        (void)(line_number(line, "position", &out->position) ||
               line_number(line, "durable", &out->durable) ||
               line_number(line, "indexed", &out->indexed) ||
               line_number(line, "checkpoints", &out->checkpoints) ||
               line_number(line, "merges", &out->merges) || line_number(line, "idle", &is_idle));
        out->is_idle = is_idle != 0;
    }
    (void)fclose(file);
    return true;
}

u64 bench_server_rss(const struct bench_server *server)
{
    char path[64], line[256];
    if (server->process <= 0) return 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)server->process);
    FILE *file = fopen(path, "re");
    if (file == NULL) return 0;
    u64 kib = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (line_number(line, "RssAnon:", &kib)) break;
    }
    (void)fclose(file);
    return kib * 1024;
}

u64 bench_stolen_parse(const char *line)
{
    const char *at = line;
    for (u32 i = 0; i < 8; i++) { // "cpu user nice system idle iowait irq softirq steal"
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    u128 ticks = 0;
    const long ticks_per_s = sysconf(_SC_CLK_TCK);
    if (strncmp(line, "cpu ", 4) != 0 || ticks_per_s <= 0 ||
        number_parse_u128(at, strspn(at, "0123456789"), &ticks) != NUMBER_OK ||
        ticks > U64_MAX / 1000) {
        return BENCH_NONE;
    }
    return (u64)ticks * 1000 / (u64)ticks_per_s;
}

u64 bench_machine_stolen_ms(void)
{
    char line[256];
    FILE *file = fopen("/proc/stat", "re");
    if (file == NULL) return BENCH_NONE;
    const bool is_read = fgets(line, sizeof line, file) != NULL;
    (void)fclose(file);
    return is_read ? bench_stolen_parse(line) : BENCH_NONE;
}

u64 bench_stolen_between(u64 before_ms, u64 after_ms)
{
    if (before_ms == BENCH_NONE || after_ms == BENCH_NONE) return BENCH_NONE;
    return after_ms > before_ms ? after_ms - before_ms : 0;
}

// In the child: becomes the server.
static void server_become(const char *folder, const int output[2])
{
    static char serve[] = "serve", data[] = "--data", port[] = "--compat-port", zero[] = "0";
    static char name[] = "tael", self[] = "/proc/self/exe";
    char place[4096];
    memcpy(place, folder, sizeof place);
    char *const arguments[] = {name, serve, data, place, port, zero, NULL};
    // It must not outlive the measurement.
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    // Signals of the terminal are for the parent, which stops it.
    (void)setpgid(0, 0);
    char path[8192];
    log_name(folder, path);
    const int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0) _exit(127);
    if (dup2(output[1], STDOUT_FILENO) < 0) _exit(127);
    (void)close(output[0]);
    (void)close(output[1]);
    (void)execv(self, arguments);
    _exit(127);
}

// Takes the address from a line "ready ... compat=ADDRESS ...".
static bool ready_parse(const char *line, struct address *out)
{
    static const char key[] = "compat=";
    struct failure failure;
    char text[300];
    if (strncmp(line, "ready", 5) != 0) return false;
    const char *at = strstr(line, key);
    if (at == NULL) return false;
    at += sizeof key - 1;
    const size_t size = strcspn(at, " \t\r\n");
    if (size >= sizeof text) return false;
    memcpy(text, at, size);
    text[size] = 0;
    return address_parse(text, out, &failure) == STATUS_OK;
}

static enum status ready_await(struct bench_server *server, struct failure *failure)
{
    char line[1024];
    size_t size = 0;
    const u64 deadline = compat_client_now() + ready_timeout_ns;
    while (compat_client_now() < deadline && !cli_is_interrupted()) {
        struct pollfd waiting = {.fd = server->output, .events = POLLIN};
        if (poll(&waiting, 1, 100) <= 0) continue;
        if (size == sizeof line - 1) size = 0; // No line of ours is that long.
        const ssize_t got = read(server->output, line + size, 1);
        if (got <= 0)
            return failure_set(failure, STATUS_IO, "the server ended before it was ready");
        if (line[size++] != '\n') continue;
        line[size] = 0;
        if (ready_parse(line, &server->address)) return STATUS_OK;
        size = 0;
    }
    if (cli_is_interrupted()) return bench_interrupted_set(failure);
    return failure_set(failure, STATUS_TIMEOUT, "the server did not become ready");
}

enum status bench_server_start(struct bench_server *server, struct failure *failure)
{
    int output[2];
    if (pipe2(output, O_CLOEXEC) != 0) {
        return failure_set_errno(failure, STATUS_IO, errno, "making a pipe");
    }
    server->process = fork();
    if (server->process < 0) {
        server->process = 0;
        (void)close(output[0]);
        (void)close(output[1]);
        return failure_set_errno(failure, STATUS_IO, errno, "starting the server");
    }
    if (server->process == 0) server_become(server->folder, output);
    (void)close(output[1]);
    server->output = output[0];
    if (ready_await(server, failure) != STATUS_OK) {
        int code;
        bench_server_stop(server, SIGKILL, &code);
        return failure_wrap(failure, "starting `tael serve --data %s`", server->folder);
    }
    return STATUS_OK;
}

void bench_server_stop(struct bench_server *server, int signal_number, int *code)
{
    int state = 0;
    *code = 0;
    if (server->process <= 0) return;
    (void)kill(server->process, signal_number);
    while (waitpid(server->process, &state, 0) < 0 && errno == EINTR) {
    }
    *code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
    server->process = 0;
    (void)close(server->output);
    server->output = -1;
}
