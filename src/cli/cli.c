// SPDX-License-Identifier: Apache-2.0
//
// What the verbs share.
#include "cli/cli.h"
#include "server/compat_client.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_DEPTH_MAX 4u
#define INPUT_SIZE_MAX   (4 * GIB)

int cli_fail(const char *verb, const struct failure *failure)
{
    (void)fprintf(stderr, "tael %s: %s\n", verb, failure->message);
    if (failure->hint[0] != 0) (void)fprintf(stderr, "hint: %s\n", failure->hint);
    return failure->status == STATUS_INVALID ? EXIT_USAGE : EXIT_ENVIRONMENT;
}

// --- input ---------------------------------------------------------------------------------------

enum status cli_input_read(const char *path, char **text, size_t *size, struct failure *failure)
{
    const bool is_standard = strcmp(path, "-") == 0;
    const struct text_quoted quoted = text_quote(path, strlen(path));
    const char *shown = is_standard ? "standard input" : quoted.text;
    FILE *file = is_standard ? stdin : fopen(path, "re");
    if (file == NULL) {
        return failure_set_errno(failure, STATUS_NOT_FOUND, errno, "opening %s", shown);
    }
    size_t capacity = 0;
    *text = NULL;
    *size = 0;
    while (!feof(file) && !ferror(file) && *size <= INPUT_SIZE_MAX) {
        if (*size == capacity) {
            capacity = MAX(2 * capacity, (size_t)MIB);
            *text = realloc(*text, capacity);
            assert(*text != NULL);
        }
        *size += fread(*text + *size, 1, capacity - *size, file);
    }
    const int error = ferror(file) ? errno : 0;
    const bool is_whole = feof(file) && *size <= INPUT_SIZE_MAX;
    if (file != stdin) (void)fclose(file);
    if (is_whole) return STATUS_OK;
    free(*text);
    *text = NULL;
    if (error != 0) return failure_set_errno(failure, STATUS_IO, error, "reading %s", shown);
    return failure_set(failure, STATUS_INVALID, "%s has more than %llu bytes", shown,
                       (unsigned long long)INPUT_SIZE_MAX);
}

// --- clients -------------------------------------------------------------------------------------

enum status cli_connect(const char *verb, struct compat_client *client,
                        const struct compat_client_options *options, u64 timeout_ns,
                        struct failure *failure)
{
    const u64 now = compat_client_now();
    const u64 deadline = now + timeout_ns;
    u64 say_at = now + NS_PER_S;
    if (compat_client_open(client, options, deadline, failure) != STATUS_OK) {
        return failure->status;
    }
    while (compat_client_answer(client) == NULL) {
        compat_client_wait(&client, 1, say_at);
        if (compat_client_step(client, failure) != STATUS_OK) {
            compat_client_close(client);
            return failure->status;
        }
        if (compat_client_now() < say_at || compat_client_answer(client) != NULL) continue;
        char place[ADDRESS_TEXT_SIZE];
        const char *problem = compat_client_problem(client);
        say_at = U64_MAX;
        (void)fprintf(stderr, "tael %s: waiting for %s, for %llu s at most%s%s\n", verb,
                      address_print(&options->address, place),
                      (unsigned long long)(timeout_ns / NS_PER_S), problem[0] != 0 ? "; " : "",
                      problem);
    }
    return STATUS_OK;
}

// --- interruption --------------------------------------------------------------------------------

static volatile sig_atomic_t interrupted;
static bool is_installed;

static void interrupt_take(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void cli_interrupt_install(void)
{
    const struct sigaction action = {.sa_handler = interrupt_take};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    is_installed = true;
}

// Who does not wait for the signals is ended by them, also while it writes.
static void interrupt_hold(bool is_held)
{
    sigset_t signals;
    if (!is_installed) return;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(is_held ? SIG_BLOCK : SIG_UNBLOCK, &signals, NULL);
}

bool cli_write(FILE *out, const void *data, size_t size)
{
    interrupt_hold(true);
    const bool is_written = fwrite(data, 1, size, out) == size;
    const int error = errno;
    interrupt_hold(false);
    errno = error;
    return is_written;
}

bool cli_flush(FILE *out)
{
    interrupt_hold(true);
    const bool is_out = fflush(out) == 0 && ferror(out) == 0;
    const int error = errno;
    interrupt_hold(false);
    errno = error;
    return is_out;
}

bool cli_is_interrupted(void)
{
    return interrupted != 0;
}

u64 cli_time_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (u64)now.tv_sec * NS_PER_S + (u64)now.tv_nsec;
}

// --- folders -------------------------------------------------------------------------------------

static void files_visit(const char *folder, void (*visit)(const char *path, void *context),
                        void *context, u32 depth)
{
    DIR *entries = opendir(folder);
    if (entries == NULL) return;
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char path[8192];
        const int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof path) continue;
        struct stat about;
        if (lstat(path, &about) != 0) continue;
        if (S_ISDIR(about.st_mode) && depth > 0) files_visit(path, visit, context, depth - 1);
        visit(path, context);
    }
    (void)closedir(entries);
}

static void file_remove(const char *path, void *context)
{
    (void)context;
    (void)remove(path);
}

void cli_files_visit(const char *folder, void (*visit)(const char *path, void *context),
                     void *context)
{
    files_visit(folder, visit, context, FOLDER_DEPTH_MAX);
}

void cli_folder_remove(const char *folder)
{
    cli_files_visit(folder, file_remove, NULL);
    (void)rmdir(folder);
}
