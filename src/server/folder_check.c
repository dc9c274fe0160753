// SPDX-License-Identifier: Apache-2.0
//
// What is in the data folder, looked at before it is opened, made or changed.
#include "codec/number.h"
#include "machine/recovery.h"
#include "server/listener.h"
#include "server/server.h"
#include "wal/backup_file.h"

#include <dirent.h>
#include <stdio.h>

// The first file of a log; it is never removed (docs/FORMAT.md).
static const char log_first[] = "log-00000000";
// Its name until everything of a restored folder is there.
static const char log_unfinished[] = "log-00000000.tmp";

struct contents {
    bool has_log;
    bool is_backup;
    bool is_unfinished; // A restore that did not end.
    u32 others;         // Files that no start of a server leaves behind when it fails,
    char name[256];     // one of them, the first by name.
};

// What a server makes before its log, and what a file system has from its beginning.
static bool is_left_by_start(const char *name)
{
    static const char *const names[] = {".",          "..",       "lock",      "status",
                                        "status.new", "applying", "lost+found"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0) return true;
    }
    return false;
}

// Nothing is found in a folder that is not there or cannot be read; opening it tells.
static struct contents contents_read(const char *path)
{
    struct contents contents = {0};
    DIR *directory = opendir(path);
    if (directory == NULL) return contents;
    for (const struct dirent *entry = NULL; (entry = readdir(directory)) != NULL;) {
        if (strcmp(entry->d_name, log_first) == 0) contents.has_log = true;
        if (strcmp(entry->d_name, log_unfinished) == 0) contents.is_unfinished = true;
        if (strcmp(entry->d_name, BACKUP_FILE_NAME) == 0) contents.is_backup = true;
        if (is_left_by_start(entry->d_name)) continue;
        if (contents.others++ == 0 || strcmp(entry->d_name, contents.name) < 0) {
            (void)snprintf(contents.name, sizeof contents.name, "%s", entry->d_name);
        }
    }
    (void)closedir(directory);
    return contents;
}

// False when there is none or it cannot be read, which opening the folder tells.
static bool genesis_find(const char *path, struct genesis *out)
{
    struct disk_folder folder;
    struct wal wal;
    struct failure failure;
    bool found = false;
    if (disk_folder_open(&folder, path, DISK_FOLDER_LOOK, &failure) != STATUS_OK) return false;
    enum status status = wal_init(&wal, &folder.disk, &failure);
    if (status == STATUS_OK) {
        status = recovery_genesis_read(&wal, out, &found, &failure);
        wal_free(&wal);
    }
    disk_folder_close(&folder);
    return status == STATUS_OK && found;
}

static enum status genesis_compare(const struct server_options *options,
                                   const struct genesis *genesis, struct failure *failure)
{
    const struct {
        const char *flag;
        enum server_given given;
        u128 asked, made;
    } rows[] = {
        {"--cluster", SERVER_GIVEN_CLUSTER, options->cluster, genesis->cluster},
        {"--accounts-max", SERVER_GIVEN_ACCOUNTS_MAX, options->accounts_max, genesis->accounts_max},
        {"--holds-max", SERVER_GIVEN_HOLDS_MAX, options->holds_max, genesis->holds_max},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if ((options->given & rows[i].given) == 0 || rows[i].asked == rows[i].made) continue;
        char asked[NUMBER_SIZE_MAX];
        char made[NUMBER_SIZE_MAX];
        (void)number_print_u128(rows[i].asked, asked);
        (void)number_print_u128(rows[i].made, made);
        failure_note(failure, STATUS_INVALID, "%s %s was given, but %.200s was made with %s",
                     rows[i].flag, asked, options->data, made);
        failure_hint(failure, "it cannot be changed: leave %s out, or give a new folder",
                     rows[i].flag);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

enum status server_options_check(const struct server_options *options, struct failure *failure)
{
    if (listener_check(options->compat, failure) != STATUS_OK) {
        return failure_wrap(failure, "--compat-port");
    }
    if (options->port != NULL && options->port[0] != 0 &&
        listener_check(options->port, failure) != STATUS_OK) {
        return failure_wrap(failure, "--port");
    }
    const struct contents contents = contents_read(options->data);
    if (contents.is_backup) {
        failure_note(failure, STATUS_INVALID, "%.120s is a backup, which is not served",
                     options->data);
        failure_hint(failure, "`tael restore %.80s NEW` makes a folder of it that can be",
                     options->data);
        return STATUS_INVALID;
    }
    if (!contents.has_log && contents.is_unfinished) {
        failure_note(failure, STATUS_INVALID, "%.120s is an unfinished restore", options->data);
        failure_hint(failure, "remove the folder, and restore again");
        return STATUS_INVALID;
    }
    if (!contents.has_log && contents.others > 0) {
        char more[32] = "";
        if (contents.others > 1)
            (void)snprintf(more, sizeof more, " and %u more", contents.others - 1);
        failure_note(failure, STATUS_INVALID,
                     "%.120s holds no log (%s) but other files: \"%.100s\"%s", options->data,
                     log_first, contents.name, more);
        failure_hint(failure, "a new log is made in a folder that is new or empty; give one, or "
                              "bring the log's files back if they were here");
        return STATUS_INVALID;
    }
    struct genesis genesis;
    if (!contents.has_log || !genesis_find(options->data, &genesis)) return STATUS_OK;
    return genesis_compare(options, &genesis, failure);
}
