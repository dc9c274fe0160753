// SPDX-License-Identifier: Apache-2.0
//
// The verb project: the change stream into relational tables.
#include "cli/stream.h"
#include "projection/projection.h"

#include <stdlib.h>
#include <unistd.h>

// A transaction is closed when it has so many changes, or what there is is in.
#define TRANSACTION_CHANGES 100000u
#define PROGRESS_NS         (NS_PER_S / 2)
#define TARGET              "sqlite:"

struct project {
    const struct project_options *options;
    struct cli_stream stream;
    struct projection *projection;
    u64 first_count; // Changes that were in the file.
    u64 position;
    u64 told_at;
    bool is_indexed;
    bool shows_progress;
};

static void progress_show(struct project *project, bool is_last)
{
    const u64 now = tael_now();
    if (!project->shows_progress || (!is_last && now - project->told_at < PROGRESS_NS)) return;
    project->told_at = now;
    (void)fprintf(stderr, "\r%llu changes, row %llu of %llu%s",
                  (unsigned long long)projection_count(project->projection),
                  (unsigned long long)project->stream.next, (unsigned long long)project->stream.end,
                  is_last ? "\n" : "");
}

static enum status page_take(struct project *project, struct failure *failure)
{
    struct projection *projection = project->projection;
    if (project->stream.end < projection_row(projection)) { // A log never gets shorter.
        (void)failure_set(failure, STATUS_CORRUPT,
                          "the file has rows up to %llu, and the server's history ends at %llu: "
                          "it serves an older copy of the log",
                          (unsigned long long)projection_row(projection),
                          (unsigned long long)project->stream.end);
        return STATUS_CORRUPT;
    }
    for (const struct change *change = cli_stream_change(&project->stream, NULL); change != NULL;
         change = cli_stream_change(&project->stream, change)) {
        enum status status = projection_add(projection, change, failure);
        if (status != STATUS_OK) return status;
    }
    const struct cli_stream *stream = &project->stream;
    project->position = stream->answer.position;
    const bool is_all = stream->next >= stream->end;
    if (!is_all && projection_open_count(projection) < TRANSACTION_CHANGES) return STATUS_OK;
    enum status status = projection_commit(projection, stream->next, project->position, failure);
    if (status != STATUS_OK || !is_all || project->is_indexed) return status;
    project->is_indexed = true;
    return projection_index(projection, failure);
}

static int report_print(const struct project *project, const struct cli_call *call)
{
    const struct project_report report = {
        .changes = projection_count(project->projection) - project->first_count,
        .changes_all = projection_count(project->projection),
        .next_row = projection_row(project->projection),
        .position = project->position,
    };
    cli_print_record(&cli_schema_project_report, call->form, &report);
    return EXIT_DONE;
}

static int stream_take(struct project *project, const struct cli_call *call)
{
    struct failure failure = {0};
    int code = EXIT_DONE;
    for (;;) {
        const enum cli_stream_result result = cli_stream_next(&project->stream, &code);
        if (result == CLI_STREAM_FAILED) return code;
        if (result != CLI_STREAM_PAGE) break;
        if (page_take(project, &failure) != STATUS_OK) {
            (void)cli_fail(call->verb->name, &failure);
            return EXIT_ENVIRONMENT;
        }
        progress_show(project, false);
    }
    // Interrupted between pages: what was read is kept.
    if (projection_open_count(project->projection) > 0 &&
        projection_commit(project->projection, project->stream.next, project->position, &failure) !=
            STATUS_OK) {
        (void)cli_fail(call->verb->name, &failure);
        return EXIT_ENVIRONMENT;
    }
    progress_show(project, true);
    return report_print(project, call);
}

static enum status options_check(const struct project *project, struct failure *failure)
{
    const struct project_options *options = project->options;
    if (strncmp(options->to, TARGET, strlen(TARGET)) != 0 || options->to[strlen(TARGET)] == 0) {
        return failure_set(failure, STATUS_INVALID, "--to is sqlite:FILE, not %s",
                           text_quote(options->to, strlen(options->to)).text);
    }
    if (strcmp(options->indexes, "live") == 0 || strcmp(options->indexes, "after") == 0) {
        return STATUS_OK;
    }
    return failure_set(failure, STATUS_INVALID, "--indexes is live or after, not %s",
                       text_quote(options->indexes, strlen(options->indexes)).text);
}

static int project_run(const struct cli_call *call)
{
    const struct port_options *port = cli_part(call, &cli_schema_port_options)->head;
    struct project project = {
        .options = cli_part(call, &cli_schema_project_options)->head,
        .shows_progress = isatty(STDERR_FILENO),
    };
    struct failure failure = {0};
    if (options_check(&project, &failure) != STATUS_OK) {
        return cli_fail(call->verb->name, &failure);
    }
    int code = EXIT_DONE;
    struct tael_server server;
    if (!cli_stream_open(&project.stream, call->verb->name, port, 0, 0, project.options->follow,
                         &code)) {
        return code;
    }
    if (!cli_stream_server(&project.stream, &server, &code)) {
        cli_stream_close(&project.stream);
        return code;
    }
    const struct projection_options options = {
        .path = project.options->to + strlen(TARGET),
        .log_id = (u128)server.log_id.high << 64 | server.log_id.low,
    };
    enum status status = projection_open(&project.projection, &options, &failure);
    if (status == STATUS_OK && strcmp(project.options->indexes, "live") == 0) {
        project.is_indexed = true;
        status = projection_index(project.projection, &failure);
    }
    if (status == STATUS_OK) {
        project.first_count = projection_count(project.projection);
        project.stream.changes.row = projection_row(project.projection);
        project.stream.next = project.stream.changes.row;
        code = stream_take(&project, call);
    } else {
        (void)cli_fail(call->verb->name, &failure);
        code = status == STATUS_INVALID ? EXIT_REFUSED : EXIT_ENVIRONMENT;
    }
    projection_close(project.projection);
    cli_stream_close(&project.stream);
    return code;
}

const struct cli_verb project_verb = {
    .name = "project",
    .summary = "write what takes effect into SQL tables",
    .about = "Reads the change stream into a file of SQLite: a table a record, the items of arrays "
             "in tables of their own, and views for balances, statements, holds and turnover "
             "(docs/SQL.md). Each change is in the file once, however often this is stopped or "
             "killed and started again: it goes on where the file ends. A file belongs to one "
             "log. Others may read it meanwhile.",
    .example = "project --to sqlite:books.db",
    .exits = "0 everything is in, or interrupted; 1 the file is of another log or program, 2 "
             "usage, 3 no server, or the file failed",
    .parts = {&cli_schema_project_options, &cli_schema_port_options, &cli_schema_form_options},
    .run = project_run,
};
