// SPDX-License-Identifier: Apache-2.0
//
// The verb override: an owner's way past a command that kills the machine.
#include "machine/override.h"

#include "cli/cli.h"

#include <stdlib.h>

// A folder without a log is the wrong one, not a refusal.
static enum status log_check(struct disk *disk, const char *path, struct failure *failure)
{
    struct wal wal;
    struct wal_reader reader;
    struct frame_view view;
    const struct wal_tail from = {0};
    enum wal_end end = WAL_FRAME;
    enum status status = wal_init(&wal, disk, failure);
    if (status != STATUS_OK) return status;
    status = wal_reader_init(&reader, &wal, &from, failure);
    if (status == STATUS_OK) {
        status = wal_reader_next(&reader, &view, &end, failure);
        wal_reader_free(&reader);
    }
    wal_free(&wal);
    if (status != STATUS_OK || end != WAL_END) return status;
    return failure_set(failure, STATUS_NOT_FOUND, "%s holds no log", path);
}

static int override_run(const struct cli_call *call)
{
    const struct folder_word *word = cli_part(call, &cli_schema_folder_word)->head;
    const struct override_options *options = cli_part(call, &cli_schema_override_options)->head;
    struct disk_folder *folder = malloc(sizeof *folder);
    assert(folder != NULL);
    struct failure failure = {0};
    // Only a folder with a log gets a lock.
    enum status status = disk_folder_open(folder, word->dir, DISK_FOLDER_CHECK, &failure);
    if (status == STATUS_OK) {
        status = log_check(&folder->disk, word->dir, &failure);
        disk_folder_close(folder);
    }
    if (status == STATUS_OK) {
        status = disk_folder_open(folder, word->dir, DISK_FOLDER_OWN, &failure);
    }
    if (status == STATUS_OK) {
        status = override_append(&folder->disk, options->position, cli_time_now(), &failure);
        disk_folder_close(folder);
    }
    free(folder);
    if (status != STATUS_OK) {
        const int code = cli_fail(call->verb->name, &failure);
        return status == STATUS_INVALID ? EXIT_REFUSED : code;
    }
    const struct override_report report = {.overridden = options->position};
    if (call->form == CLI_TABLE) {
        (void)printf("command %llu is a refusal from now on\n",
                     (unsigned long long)report.overridden);
    } else {
        cli_print_record(&cli_schema_override_report, call->form, &report);
    }
    return EXIT_DONE;
}

const struct cli_verb override_verb = {
    .name = "override",
    .summary = "make a command that kills the server a refusal",
    .about = "For a server that dies at every start while it applies the command at a "
             "position: appends to the log of the stopped folder DIR an override that makes "
             "this command a refusal, for ever and for everyone who applies this log. "
             "Nothing is removed; `tael dump` shows both. Refused for a command that did not "
             "kill the server: one whose outcome is in a checkpoint or named in the log.",
    .example = "override data --position 1234",
    .exits = "0 done, 1 refused (the reason is printed), 2 usage, 3 environment",
    .parts = {&cli_schema_folder_word, &cli_schema_override_options, &cli_schema_form_options},
    .run = override_run,
};
