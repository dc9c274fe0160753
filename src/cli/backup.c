// SPDX-License-Identifier: Apache-2.0
//
// The verbs backup and restore: copies of a folder (machine/backup.h).
#include "machine/backup.h"

#include "cli/cli.h"
#include "os/disk.h"
#include "server/compat_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct show {
    u64 next; // When to print again.
    bool printed;
};

struct copy_call {
    const struct cli_call *call;
    const char *dir;
    const char *new;
    struct disk_folder source;
    struct disk_folder target;
    struct show show;
    struct backup_progress progress;
    struct backup_report report;
    struct failure failure;
    u64 begin;
};

static bool show_progress(void *context, const char *part, u64 done, u64 total)
{
    struct show *show = context;
    const u64 now = compat_client_now();
    if (cli_is_interrupted()) return false;
    if (now < show->next) return true;
    char counted[64];
    (void)snprintf(counted, sizeof counted, "of %llu MiB of the %-10s",
                   (unsigned long long)(MAX(done, total) / MIB), part);
    show->next = now + NS_PER_S / 5;
    show->printed = true;
    cli_bar_put(done, MAX(done, total), done / MIB, counted);
    return true;
}

// History may be many files, which are all held open.
static void limits_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static struct copy_call *copy_begin(const struct cli_call *call, const char *dir, const char *new)
{
    struct copy_call *copy = calloc(1, sizeof *copy);
    assert(copy != NULL);
    copy->call = call;
    copy->dir = dir;
    copy->new = new;
    copy->source.folder_fd = copy->source.lock_fd = -1;
    copy->target.folder_fd = copy->target.lock_fd = -1;
    copy->begin = compat_client_now();
    copy->show.next = copy->begin + NS_PER_S;
    copy->progress = (struct backup_progress){.context = &copy->show, .report = show_progress};
    cli_interrupt_install();
    limits_raise();
    return copy;
}

// The path that a folder has or would have; the caller's to free. NULL when there is none.
static char *path_of(const char *folder)
{
    char *path = realpath(folder, NULL);
    if (path != NULL) return path;
    char parent[4096];
    size_t size = strlen(folder);
    if (size >= sizeof parent) return NULL;
    memcpy(parent, folder, size + 1);
    while (size > 0 && parent[size - 1] == '/') size--;
    while (size > 0 && parent[size - 1] != '/') size--;
    if (size == 0) return realpath(".", NULL);
    parent[size] = 0;
    return realpath(parent, NULL);
}

// A copy within the folder that is copied would be one of its files.
static enum status place_check(struct copy_call *copy)
{
    char *dir = path_of(copy->dir);
    char *new = path_of(copy->new);
    const size_t size = dir == NULL ? 0 : strlen(dir);
    const bool is_within = dir != NULL && new != NULL &&strncmp(dir, new, size) == 0 &&
                           (new[size] == 0 || new[size] == '/');
    free(dir);
    free(new);
    if (!is_within) return STATUS_OK;
    return failure_set(&copy->failure, STATUS_INVALID, "%.200s lies in %.200s itself", copy->new,
                       copy->dir);
}

// Opens the folder to copy. A name that is none, or a folder without a log, makes no copy.
static enum status source_open(struct copy_call *copy, enum disk_folder_use use)
{
    const enum status status = disk_folder_open(&copy->source, copy->dir, use, &copy->failure);
    if (status != STATUS_OK) return status;
    if (faccessat(copy->source.folder_fd, "log-00000000", R_OK, 0) == 0) return place_check(copy);
    return failure_set(&copy->failure, STATUS_NOT_FOUND, "%s holds no log", copy->dir);
}

static void report_print(const struct copy_call *copy)
{
    const struct backup_report *report = &copy->report;
    struct restore_report out = {
        .frames = report->frames,
        .frames_before = report->frames_before,
        .segments = report->segments,
        .files = report->files,
        .bytes = report->bytes,
        .sequence = report->end.sequence - 1,
        .position = report->end.position,
        .timestamp = report->end.timestamp,
        .log_id = report->end.log_id,
        .checkpoint = report->checkpoint,
        .seconds = (compat_client_now() - copy->begin) / NS_PER_MS,
    };
    memcpy(out.head, report->end.previous.bytes, sizeof out.head);
    memcpy(out.state, report->state.bytes, sizeof out.state);
    cli_print_record(&cli_schema_restore_report, copy->call->form, &out);
}

// Returns the exit code.
static int copy_end(struct copy_call *copy, enum status status, const char *then)
{
    disk_folder_close(&copy->target);
    disk_folder_close(&copy->source);
    if (copy->show.printed) cli_bar_end();
    int code = EXIT_DONE;
    if (status != STATUS_OK) {
        code = cli_fail(copy->call->verb->name, &copy->failure);
        if (status == STATUS_INVALID || status == STATUS_CORRUPT) code = EXIT_REFUSED;
    } else {
        report_print(copy);
        if (copy->call->form == CLI_TABLE) (void)printf("\n%s\n", then);
    }
    free(copy);
    return code;
}

// What there is of a backup that did not end, unless the failure has a better hint.
static void backup_hint(struct copy_call *copy, enum status status)
{
    if (status == STATUS_OK || copy->failure.hint[0] != 0) return;
    if (copy->report.end.sequence == 0) {
        failure_hint(&copy->failure, "the backup is unfinished: the same command goes on with it");
    } else {
        failure_hint(&copy->failure, "the backup is whole up to frame %llu, as before",
                     (unsigned long long)copy->report.end.sequence - 1);
    }
}

// Opens the folder that becomes a backup, and makes one of it. What is refused since it holds other
// files gets none of ours either: the lock goes again, when it was made by this opening.
static enum status backup_into(struct copy_call *copy)
{
    enum status status =
        disk_folder_open(&copy->target, copy->new, DISK_FOLDER_MAKE, &copy->failure);
    if (status != STATUS_OK) return status;
    status = backup_make(&copy->source.disk, &copy->target.disk, cli_time_now(), &copy->progress,
                         &copy->report, &copy->failure);
    if (status == STATUS_INVALID && copy->target.is_lock_new) {
        (void)unlinkat(copy->target.folder_fd, "lock", 0);
    }
    return status;
}

static int backup_run(const struct cli_call *call)
{
    const struct backup_words *words = cli_part(call, &cli_schema_backup_words)->head;
    struct copy_call *copy = copy_begin(call, words->dir, words->new);
    enum status status = source_open(copy, DISK_FOLDER_LOOK);
    if (status == STATUS_OK) {
        status = backup_into(copy);
        if (copy->target.folder_fd >= 0) backup_hint(copy, status);
    }
    return copy_end(copy, status,
                    "Every frame and page was verified while it was copied; `tael "
                    "verify` reads the copy.");
}

static enum status folder_make(struct copy_call *copy)
{
    if (mkdir(copy->new, 0700) != 0) {
        if (errno != EEXIST) {
            return failure_set_errno(&copy->failure, STATUS_IO, errno, "making %s", copy->new);
        }
        failure_set(&copy->failure, STATUS_INVALID, "%s is there already", copy->new);
        failure_hint(&copy->failure, "a restore makes its folder: give another name, or remove "
                                     "what an earlier one left unfinished");
        return STATUS_INVALID;
    }
    return disk_folder_open(&copy->target, copy->new, DISK_FOLDER_OWN, &copy->failure);
}

static int restore_run(const struct cli_call *call)
{
    const struct restore_words *words = cli_part(call, &cli_schema_restore_words)->head;
    const struct record_arguments *part = cli_part(call, &cli_schema_restore_options);
    const struct restore_options *options = part->head;
    const bool by_sequence = record_is_given(part, offsetof(struct restore_options, to_sequence));
    const bool by_time = record_is_given(part, offsetof(struct restore_options, to_time));
    const struct restore_point point = {
        .sequence_max = by_sequence ? options->to_sequence : U64_MAX,
        .timestamp_max = by_time ? options->to_time : U64_MAX,
    };
    if (by_sequence && by_time) {
        struct failure failure = {0};
        failure_note(&failure, STATUS_INVALID, "--to-sequence and --to-time do not go together");
        return cli_fail(call->verb->name, &failure);
    }
    struct copy_call *copy = copy_begin(call, words->dir, words->new);
    struct frame_header last;
    enum status status = source_open(copy, DISK_FOLDER_CHECK);
    if (status == STATUS_OK) {
        status = restore_plan(&copy->source.disk, &point, &last, &copy->failure);
    }
    if (status == STATUS_OK) {
        status = folder_make(copy);
        if (status == STATUS_OK) {
            status = restore_make(&copy->source.disk, &copy->target.disk, &last, &copy->progress,
                                  &copy->report, &copy->failure);
        }
        if (status != STATUS_OK && status != STATUS_INVALID && status != STATUS_CORRUPT) {
            failure_hint(&copy->failure, "remove the new folder and try again");
        }
    }
    return copy_end(copy, status,
                    "`tael serve` gives the copy a log id of its own, forked from this one, and "
                    "starts it disarmed.");
}

const struct cli_verb backup_verbs[2] = {
    {
        .name = "backup",
        .summary = "copy a folder, also while it is served",
        .about =
            "Makes NEW a backup of the folder DIR as it is now, while a server writes to it or "
            "not; neither waits for the other. Every frame, and every page of the checkpoint "
            "and of history, is verified while it is copied: damage in DIR ends the backup "
            "and is named. Given an earlier backup as NEW, it copies what is new. One that is "
            "interrupted is not taken for a backup by anybody, and one that was whole before "
            "stays so; the same command goes on. `tael restore` makes a folder of a backup "
            "that can be served, as it ended or as it was at any moment before.",
        .example = "backup data /mnt/backup",
        .exits = "0 done, 1 refused (NEW is another's, DIR is damaged), 2 usage, 3 environment",
        .parts = {&cli_schema_backup_words, &cli_schema_form_options},
        .run = backup_run,
    },
    {
        .name = "restore",
        .summary = "a folder from a backup, as of any moment",
        .about = "Copies the log, the checkpoint and the history of DIR, a backup or a folder that "
                 "no server has open, into the folder NEW, which it makes: all of it, or as it was "
                 "behind a frame or at a time. Every frame and page is verified. When the moment "
                 "is before the checkpoint, NEW gets the log alone, and its first start makes the "
                 "rest from it. That start finds out that the folder is a copy: its log takes an "
                 "id of its own and the next epoch, the trace and `tael verify` say what it was "
                 "forked from, and no gateway gets effects from it until an operator arms it "
                 "(`tael effect arm`).",
        .example = "restore backup data --to-time 2026-11-21T09:30:00Z",
        .exits = "0 done, 1 refused (NEW is there already, the log has no such moment, DIR is "
                 "damaged), 2 usage, 3 environment",
        .parts = {&cli_schema_restore_words, &cli_schema_restore_options, &cli_schema_form_options},
        .run = restore_run,
    },
};
