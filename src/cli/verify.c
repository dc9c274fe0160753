// SPDX-License-Identifier: Apache-2.0
//
// The verb verify.
#include "machine/verify.h"

#include "cli/cli.h"
#include "os/disk.h"
#include "server/compat_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BAR_WIDTH 30u

struct show {
    u64 next; // When to print again.
    bool on_terminal;
    bool printed;
};

static bool show_progress(void *context, const char *part, u64 done, u64 total)
{
    struct show *show = context;
    u64 now = compat_client_now();
    if (cli_is_interrupted()) return false;
    if (!show->on_terminal || now < show->next) return true;
    show->next = now + NS_PER_S / 5;
    show->printed = true;
    char bar[BAR_WIDTH + 1] = "";
    u64 full = total == 0 ? 0 : MIN(done, total) * BAR_WIDTH / total;
    for (u64 i = 0; i < BAR_WIDTH; i++) bar[i] = i < full ? '#' : '.';
    u64 unit = strcmp(part, "index") == 0 ? 1 : MIB;
    (void)fprintf(stderr, "\rverifying the %-6s [%s] %llu of %llu%s ", part, bar,
                  (unsigned long long)(done / unit), (unsigned long long)(total / unit),
                  unit == 1 ? "" : " MiB");
    return true;
}

static void summary_print(const struct verify_report *report, u64 seconds_ms, enum cli_form form)
{
    struct verify_summary summary = {
        .ok = true,
        .torn = report->torn,
        .replayed_checkpoint = report->replayed_checkpoint,
        .frames = report->frames,
        .commands = report->commands,
        .events = report->events,
        .log_bytes = report->log_bytes,
        .rows = report->rows,
        .roots = report->roots,
        .segments = report->segments,
        .checkpoint = report->checkpoint_sequence,
        .replayed_frames = report->replayed_frames,
        .replayed_roots = report->replayed_roots,
        .seconds = seconds_ms,
        .tree_size = report->tree_size,
        .backup = report->is_backup,
        .log_id = report->log_id,
        .epoch = report->epoch,
        .parent_log_id = report->parent_log_id,
        .parent_sequence = report->parent_sequence,
    };
    memcpy(summary.parent_head, report->parent_head.bytes, sizeof summary.parent_head);
    memcpy(summary.head, report->head.bytes, sizeof summary.head);
    memcpy(summary.tree_root, report->tree_root.bytes, sizeof summary.tree_root);
    memcpy(summary.state, report->state.bytes, sizeof summary.state);
    memcpy(summary.replayed_state, report->replayed_state.bytes, sizeof summary.replayed_state);
    if (form != CLI_TABLE) {
        cli_print_record(&cli_schema_verify_summary, form, &summary);
        return;
    }
    char line[1024];
    struct text out = text_init(line, sizeof line);
    text_append_string(&out, "ok: ");
    record_write_line(&cli_schema_verify_summary, RECORD_TABLE_DROP_ZERO, &summary, &out);
    if (report->torn) {
        text_append_string(&out, "; the log ends in an unfinished frame, never acknowledged");
    }
    assert(!text_overflowed(&out));
    (void)printf("%.*s\n", (int)out.size, line);
}

static int failure_print(const struct failure *failure, enum cli_form form)
{
    const bool differs = failure->status == STATUS_CORRUPT;
    struct verify_failure report = {0};
    cli_text_set(differs ? report.difference : report.error, sizeof report.difference,
                 failure->message);
    if (form != CLI_TABLE) {
        struct cli_rows rows;
        cli_rows_begin(&rows, &cli_schema_verify_failure, form, 0);
        rows.style = RECORD_JSON_OMIT_ZERO; // Scripts see by the key which of the two it is.
        cli_rows_print(&rows, &report);
        cli_rows_end(&rows);
    } else if (differs) {
        (void)printf("differs: %s\n", report.difference);
    }
    if (!differs) {
        const int code = cli_fail("verify", failure);
        return failure->status == STATUS_INVALID ? EXIT_REFUSED : code;
    }
    if (failure->hint[0] != 0) (void)fprintf(stderr, "hint: %s\n", failure->hint);
    return EXIT_REFUSED;
}

// Replays with a scratch folder that is there only meanwhile.
static enum status replay(struct disk *disk, const char *data, const char *scratch_parent,
                          const struct verify_progress *progress, struct verify_report *report,
                          struct failure *failure)
{
    char path[4096];
    size_t size = strlen(data);
    while (size > 1 && data[size - 1] == '/') size--;
    int length = scratch_parent[0] != 0
                     ? snprintf(path, sizeof path, "%s/tael-replay-XXXXXX", scratch_parent)
                     : snprintf(path, sizeof path, "%.*s.replay-XXXXXX", (int)size, data);
    if (length < 0 || (size_t)length >= sizeof path) {
        return failure_set(failure, STATUS_INVALID, "the folder's name is too long");
    }
    if (mkdtemp(path) == NULL) {
        return failure_set_errno(failure, STATUS_IO, errno, "making the folder %s", path);
    }
    struct disk_folder *scratch = malloc(sizeof *scratch);
    assert(scratch != NULL);
    enum status status = disk_folder_open(scratch, path, DISK_FOLDER_OWN, failure);
    if (status == STATUS_OK) {
        status = verify_replay(disk, &scratch->disk, progress, report, failure);
        disk_folder_close(scratch);
    }
    free(scratch);
    cli_folder_remove(path);
    return status;
}

static int verify_run(const struct cli_call *call)
{
    const struct folder_word *word = cli_part(call, &cli_schema_folder_word)->head;
    const struct verify_options *options = cli_part(call, &cli_schema_verify_options)->head;
    struct disk_folder *folder = malloc(sizeof *folder);
    assert(folder != NULL);
    struct failure failure = {0};
    struct verify_report report;
    struct show show = {.next = compat_client_now() + NS_PER_S,
                        .on_terminal = isatty(STDERR_FILENO)};
    const struct verify_progress progress = {.context = &show, .report = show_progress};
    u64 begin = compat_client_now();
    cli_interrupt_install();
    // The lock keeps a server from starting meanwhile, and says so when one runs.
    enum status status = disk_folder_open(folder, word->dir, DISK_FOLDER_CHECK, &failure);
    if (status == STATUS_OK) {
        status = verify_folder(&folder->disk, &progress, &report, &failure);
        if (status == STATUS_OK && options->replay) {
            status =
                replay(&folder->disk, word->dir, options->scratch, &progress, &report, &failure);
        }
        disk_folder_close(folder);
    }
    free(folder);
    if (show.printed) (void)fprintf(stderr, "\r%78s\r", "");
    if (status != STATUS_OK) return failure_print(&failure, call->form);
    summary_print(&report, (compat_client_now() - begin) / NS_PER_MS, call->form);
    return EXIT_DONE;
}

const struct cli_verb verify_verb = {
    .name = "verify",
    .summary = "check a stopped folder: chain, digests, outcomes, index",
    .about = "Checks everything in a stopped data folder that digests, chains and checksums "
             "can tell: every frame of the log and the chain of their headers, that each "
             "outcome in history belongs to its request and that the outcomes give the roots "
             "named in the log, the newest checkpoint, and every page of the index. Prints a "
             "line that begins with `ok`, or with `differs` and the place. Changes nothing.",
    .example = "verify data --replay",
    .exits =
        "0 all holds, 1 something does not (its place is named), or it is an unfinished backup, "
        "2 usage, 3 environment",
    .parts = {&cli_schema_folder_word, &cli_schema_verify_options, &cli_schema_form_options},
    .run = verify_run,
};
