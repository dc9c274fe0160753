// SPDX-License-Identifier: Apache-2.0
//
// The verb restore: a copy of a stopped folder, which `tael serve` then finds to be one.
//
// Copied is what a log is made of: log-*, checkpoint-*, rows-*, tree-*, index-*. The first log file
// gets its name last: a folder without it is served by nobody, so half a copy is never taken for a
// log.
#include "cli/cli.h"
#include "os/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_SIZE MIB

static const char log_first[] = "log-00000000";
static const char log_unfinished[] = "log-00000000.tmp";

struct restore {
    const struct restore_words *words;
    struct disk_folder source;
    int target; // The new folder.
    u8 *buffer; // COPY_SIZE.
    struct restore_report report;
};

static bool is_copied(const char *name)
{
    static const char *const prefixes[] = {"log-", "checkpoint-", "rows-", "tree-", "index-"};
    const size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, ".tmp") == 0) return false;
    if (strcmp(name, "checkpoint-spare") == 0) return false;
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
    }
    return false;
}

static bool bytes_copy(struct restore *restore, int from, int to)
{
    for (;;) {
        const ssize_t got = read(from, restore->buffer, COPY_SIZE);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got == 0 && fsync(to) == 0;
        for (ssize_t done = 0; done < got;) {
            const ssize_t put = write(to, restore->buffer + done, (size_t)(got - done));
            if (put < 0 && errno == EINTR) continue;
            if (put <= 0) return false;
            done += put;
        }
        restore->report.bytes += (u64)got;
    }
}

static enum status file_copy(struct restore *restore, const char *name, struct failure *failure)
{
    const bool is_first = strcmp(name, log_first) == 0;
    const int from = openat(restore->source.folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    const int to = from < 0 ? -1
                            : openat(restore->target, is_first ? log_unfinished : name,
                                     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, DISK_FILE_MODE);
    const bool is_copied_whole = to >= 0 && bytes_copy(restore, from, to);
    const int error = errno;
    if (from >= 0) (void)close(from);
    if (to >= 0) (void)close(to);
    restore->report.files++;
    if (is_copied_whole) return STATUS_OK;
    return failure_set_errno(failure, STATUS_IO, error, "copying %s", name);
}

static enum status files_copy(struct restore *restore, struct failure *failure)
{
    DIR *directory = opendir(restore->words->dir);
    enum status status = STATUS_OK;
    if (directory == NULL) {
        return failure_set_errno(failure, STATUS_IO, errno, "reading %s", restore->words->dir);
    }
    for (const struct dirent *entry = NULL;
         status == STATUS_OK && (entry = readdir(directory)) != NULL;) {
        if (is_copied(entry->d_name)) status = file_copy(restore, entry->d_name, failure);
    }
    (void)closedir(directory);
    if (status != STATUS_OK) return status;
    const bool is_named =
        fsync(restore->target) == 0 &&
        renameat(restore->target, log_unfinished, restore->target, log_first) == 0 &&
        fsync(restore->target) == 0;
    if (is_named) return STATUS_OK;
    return failure_set_errno(failure, STATUS_IO, errno, "finishing %s", restore->words->new);
}

static enum status folder_restore(struct restore *restore, struct failure *failure)
{
    const char *new = restore->words->new;
    enum status status =
        disk_folder_open(&restore->source, restore->words->dir, DISK_FOLDER_CHECK, failure);
    if (status != STATUS_OK) return status;
    if (faccessat(restore->source.folder_fd, log_first, R_OK, 0) != 0) {
        status = failure_set(failure, STATUS_NOT_FOUND, "%s holds no log", restore->words->dir);
    } else if (mkdir(new, 0700) != 0) {
        status = errno == EEXIST ? failure_set(failure, STATUS_INVALID, "%s is there already", new)
                                 : failure_set_errno(failure, STATUS_IO, errno, "making %s", new);
    } else {
        restore->target = open(new, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        status = restore->target < 0
                     ? failure_set_errno(failure, STATUS_IO, errno, "opening %s", new)
                     : files_copy(restore, failure);
        if (status != STATUS_OK) failure_hint(failure, "remove the new folder and try again");
    }
    if (restore->target >= 0) (void)close(restore->target);
    disk_folder_close(&restore->source);
    return status;
}

static int restore_run(const struct cli_call *call)
{
    struct restore *restore = calloc(1, sizeof *restore);
    struct failure failure = {0};
    assert(restore != NULL);
    restore->words = cli_part(call, &cli_schema_restore_words)->head;
    restore->target = -1;
    restore->buffer = malloc(COPY_SIZE);
    assert(restore->buffer != NULL);
    const enum status status = folder_restore(restore, &failure);
    const struct restore_report report = restore->report;
    free(restore->buffer);
    free(restore);
    if (status != STATUS_OK) {
        const int code = cli_fail(call->verb->name, &failure);
        return status == STATUS_INVALID ? EXIT_REFUSED : code;
    }
    if (call->form == CLI_TABLE) {
        (void)printf("%llu files, %llu MiB; `tael serve` gives the copy a log id of its own and "
                     "starts it disarmed\n",
                     (unsigned long long)report.files, (unsigned long long)(report.bytes / MIB));
    } else {
        cli_print_record(&cli_schema_restore_report, call->form, &report);
    }
    return EXIT_DONE;
}

const struct cli_verb restore_verb = {
    .name = "restore",
    .summary = "copy a stopped folder or a backup",
    .about = "Copies the log, the checkpoint and the history of the folder DIR, which no server "
             "has open, into the folder NEW, which it makes. The first start of a server on NEW "
             "finds out that it is a copy: its log takes an id of its own and the next epoch, and "
             "no gateway gets effects from it until an operator arms it (`tael effect arm`).",
    .example = "restore backup data",
    .exits = "0 done, 1 refused (the new folder is there already), 2 usage, 3 environment",
    .parts = {&cli_schema_restore_words, &cli_schema_form_options},
    .run = restore_run,
};
