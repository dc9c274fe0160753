// SPDX-License-Identifier: Apache-2.0
//
// The verb export: everything of one kind as a file, from the change stream or from a question.
//
// Memory is bounded by a page. With --out the file has its name once it is whole, and not before.
#include "cli/change_text.h"
#include "cli/stream.h"
#include "codec/record_binary.h"
#include "ledger/ledger_schema.h"
#include "modules/module.h"
#include "modules/sample/sample.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRESS_NS (NS_PER_S / 2)
#define ROW_SIZE    (16u * MIB) // Of the lines of one record in CSV, at most.

struct export
{
    const struct export_options *options;
    const char *verb;
    bool is_csv;
    const struct schema_record *record; // Of the stream; or NULL:
    const struct schema_record *question;
    struct cli_stream stream;
    FILE *out;
    char path[4200]; // Of the file until it is whole; "" is standard output.
    char *buffer;
    size_t capacity;
    u64 count;
    u64 told_at;
    bool shows_progress;
    bool has_header;
    int code;
};

// Names that people use for records of the stream.
static const char *const spelled[][2] = {
    {"accounts", "account"}, {"transfers", "transfer"}, {"entries", "entry_post"}};

static void *buffer_see(struct export *export, size_t size)
{
    if (size > export->capacity) {
        export->buffer = realloc(export->buffer, size);
        export->capacity = size;
        assert(export->buffer != NULL);
    }
    return export->buffer;
}

static void progress_show(struct export *export, bool is_last)
{
    const u64 now = tael_now();
    if (!export->shows_progress || (!is_last && now - export->told_at < PROGRESS_NS)) return;
    export->told_at = now;
    (void)fprintf(stderr, "\r%llu records%s", (unsigned long long)export->count,
                  is_last ? "\n" : "");
}

// False when the output takes no more.
static bool put(struct export *export, const char *data, size_t size)
{
    if (fwrite(data, 1, size, export->out) == size) return true;
    struct failure failure = {0};
    if (errno == EPIPE && export->path[0] == 0) return false; // Nobody reads any more.
    (void)failure_set_errno(&failure, STATUS_IO, errno, "writing the output");
    export->code = cli_fail(export->verb, &failure);
    return false;
}

static bool header_put(struct export *export, const struct schema_record *record)
{
    if (!export->is_csv || export->has_header || record == NULL) return true;
    export->has_header = true;
    struct text text = text_init(buffer_see(export, MIB), MIB);
    change_csv_header(record, export->record != NULL, &text);
    assert(!text_overflowed(&text));
    return put(export, text.data, text.size);
}

// --- the stream ----------------------------------------------------------------------------------

static bool change_put(struct export *export, const struct change *change)
{
    struct failure failure = {0};
    const struct schema_record *record = export->record;
    if (record_binary_check(record, change + 1, change->payload_size, &failure) != STATUS_OK) {
        export->code = cli_fail(export->verb, &failure);
        return false;
    }
    export->count++;
    if (export->is_csv) {
        struct text text = text_init(buffer_see(export, ROW_SIZE), ROW_SIZE);
        change_csv_row(change, record, &text);
        assert(!text_overflowed(&text));
        return put(export, text.data, text.size);
    }
    const size_t most = change_json_size_max(change);
    struct json_writer writer = json_writer_init(buffer_see(export, most), most);
    change_json_write(change, record, &writer);
    json_write_line_end(&writer);
    assert(!text_overflowed(&writer.text));
    return put(export, writer.text.data, writer.text.size);
}

static bool stream_export(struct export *export)
{
    if (!header_put(export, export->record)) return false;
    for (;;) {
        const enum cli_stream_result result = cli_stream_next(&export->stream, &export->code);
        if (result == CLI_STREAM_END) return true;
        if (result != CLI_STREAM_PAGE) return false;
        for (const struct change *change = cli_stream_change(&export->stream, NULL); change != NULL;
             change = cli_stream_change(&export->stream, change)) {
            if (change->record != export->record->number) continue;
            if (!change_put(export, change)) return false;
        }
        progress_show(export, false);
    }
}

// --- questions -----------------------------------------------------------------------------------

// The fields of the question, from "book=100,day=2026-12-31".
static enum status question_fill(const struct export *export, u8 *body, struct failure *failure)
{
    const struct schema_record *question = export->question;
    const char *at = export->options->with;
    u64 given = 0;
    while (*at != 0) {
        const size_t size = strcspn(at, ",");
        const size_t name = strcspn(at, "=,");
        const struct schema_field *field = schema_find_field(question, at, name);
        if (name == size || field == NULL || schema_field_is_reserved(field)) {
            return failure_set(failure, STATUS_INVALID, "--with: %s has no field like that: %s",
                               question->name, text_quote(at, size).text);
        }
        enum status status =
            field_parse(question, field, at + name + 1, size - name - 1, body, failure);
        if (status != STATUS_OK) return failure_wrap(failure, "--with %s", field->name);
        given |= 1ull << (field - question->fields);
        at += size + (at[size] == ',');
    }
    for (u32 i = 0; i < question->field_count; i++) {
        if ((question->fields[i].flags & FIELD_REQUIRED) == 0 || (given >> i & 1)) continue;
        (void)failure_set(failure, STATUS_INVALID, "%s wants --with %s=VALUE", question->name,
                          question->fields[i].name);
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static bool views_put(struct export *export, const struct tael_answer *answer)
{
    const struct schema_record *view = module_record_of(answer->record);
    const u8 *at = answer->body;
    if (!header_put(export, view)) return false;
    for (u32 i = 0; i < answer->count && view != NULL; i++) {
        struct text text = text_init(buffer_see(export, ROW_SIZE), ROW_SIZE);
        if (export->is_csv) {
            change_csv_view(view, at, &text);
        } else {
            struct json_writer writer = json_writer_init(text.data, text.capacity);
            record_json_write(view, RECORD_JSON_CALENDAR, at, &writer);
            json_write_line_end(&writer);
            text = writer.text;
        }
        assert(!text_overflowed(&text));
        export->count++;
        if (!put(export, text.data, text.size)) return false;
        at += align_up(view->size, 16);
    }
    progress_show(export, false);
    return true;
}

static bool question_export(struct export *export, const u8 *body)
{
    struct tael_question question = {
        .record = export->question->number,
        .version = 1,
        .body_size = export->question->size,
        .body = body,
    };
    for (bool more = true; more;) {
        struct tael_answer answer;
        struct failure failure = {0};
        if (cli_is_interrupted()) return false;
        if (tael_ask(export->stream.client, &question, export->stream.timeout_ms, &answer) !=
            TAEL_OK) {
            (void)failure_set(&failure, STATUS_IO, "%s", tael_problem(export->stream.client));
            export->code = cli_fail(export->verb, &failure);
            return false;
        }
        if (answer.result != TAEL_RESULT_DONE) {
            (void)fprintf(stderr, "tael %s: %s\n", export->verb,
                          answer.result == TAEL_RESULT_REFUSED
                              ? "the question was refused: look at what it asks for"
                              : answer.text);
            export->code = EXIT_REFUSED;
            return false;
        }
        if (!cli_views_check(export->verb, &answer, NULL)) {
            export->code = EXIT_ENVIRONMENT;
            return false;
        }
        if (!views_put(export, &answer)) return false;
        more = answer.has_more;
        memcpy(question.cursor, answer.cursor, sizeof question.cursor);
    }
    return true;
}

// --- the verb ------------------------------------------------------------------------------------

static enum status what_find(struct export *export, struct failure *failure)
{
    const char *what = export->options->what;
    for (u32 i = 0; i < ARRAY_COUNT(spelled); i++) {
        if (schema_name_equal(spelled[i][0], what, strlen(what))) what = spelled[i][1];
    }
    export->record = cli_stream_record_named(what);
    for (u32 i = 0; i < module_count && export->record == NULL; i++) {
        const struct schema_record *record = schema_find_record(modules[i]->schema, what);
        if (record != NULL && record->kind == RECORD_QUERY) export->question = record;
    }
    if (export->record != NULL || export->question != NULL) return STATUS_OK;
    (void)failure_set(failure, STATUS_INVALID, "there is nothing called %s",
                      text_quote(what, strlen(what)).text);
    failure_hint(failure, "`tael export --help` tells what there is");
    return STATUS_INVALID;
}

static enum status options_check(struct export *export, struct failure *failure)
{
    const char *format = export->options->format;
    export->is_csv = strcmp(format, "csv") == 0;
    if (!export->is_csv && strcmp(format, "ndjson") != 0) {
        return failure_set(failure, STATUS_INVALID, "--format is csv or ndjson, not %s",
                           text_quote(format, strlen(format)).text);
    }
    enum status status = what_find(export, failure);
    if (status == STATUS_OK && export->record != NULL && export->options->with[0] != 0) {
        return failure_set(failure, STATUS_INVALID, "--with is for questions, and %s is a record",
                           export->record->name);
    }
    return status;
}

static enum status out_open(struct export *export, struct failure *failure)
{
    export->out = stdout;
    if (export->options->out[0] == 0) return STATUS_OK;
    (void)snprintf(export->path, sizeof export->path, "%s.part-%d", export->options->out,
                   (int)getpid());
    export->out = fopen(export->path, "we");
    if (export->out != NULL) return STATUS_OK;
    return failure_set_errno(failure, STATUS_IO, errno, "making %s", export->path);
}

// Gives the file its name, or removes it. Returns the exit code.
static int out_close(struct export *export, bool is_whole)
{
    struct failure failure = {0};
    progress_show(export, true);
    if (!is_whole && export->code == EXIT_DONE && (cli_is_interrupted() || export->path[0] != 0)) {
        (void)failure_set(&failure, STATUS_IO, "interrupted; what was written is not whole");
        export->code = cli_fail(export->verb, &failure);
    }
    if (export->path[0] == 0) return export->code;
    errno = 0;
    const bool is_written = fflush(export->out) == 0 && fsync(fileno(export->out)) == 0;
    const bool is_closed = fclose(export->out) == 0;
    if (is_whole && is_written && is_closed && rename(export->path, export->options->out) == 0) {
        return export->code;
    }
    if (is_whole) {
        (void)failure_set_errno(&failure, STATUS_IO, errno, "writing %s", export->options->out);
        export->code = cli_fail(export->verb, &failure);
    }
    (void)unlink(export->path);
    return export->code;
}

static int export_run(const struct cli_call *call)
{
    const struct port_options *port = cli_part(call, &cli_schema_port_options)->head;
    struct export export = {
        .options = cli_part(call, &cli_schema_export_options)->head,
        .verb = call->verb->name,
        .shows_progress = isatty(STDERR_FILENO),
    };
    struct failure failure = {0};
    _Alignas(16) u8 body[4096] = {0};
    enum status status = options_check(&export, &failure);
    if (status == STATUS_OK && export.question != NULL) {
        assert(export.question->size <= sizeof body);
        status = question_fill(&export, body, &failure);
    }
    if (status != STATUS_OK) return cli_fail(export.verb, &failure);
    int code = EXIT_DONE;
    if (!cli_stream_open(&export.stream, export.verb, port, 0, 0, false, &code)) return code;
    if (out_open(&export, &failure) != STATUS_OK) {
        cli_stream_close(&export.stream);
        return cli_fail(export.verb, &failure);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    const bool is_whole =
        export.question != NULL ? question_export(&export, body) : stream_export(&export);
    code = out_close(&export, is_whole);
    cli_stream_close(&export.stream);
    free(export.buffer);
    return code;
}

static void what_list(struct text *out)
{
    text_append_string(out, "\nWhat there is: accounts, transfers, entries;\n");
    for (u32 i = 0; i < module_count; i++) {
        const struct schema_module *schema = modules[i]->schema;
        size_t column = 0;
        if (modules[i] == &sample_module) continue;
        for (u32 j = 0; j < schema->record_count; j++) {
            const enum record_kind kind = schema->records[j]->kind;
            if (kind != RECORD_COMMAND && kind != RECORD_QUERY) continue;
            text_append_wrapped(out, column == 0 ? "  " : " ", 2, 78, &column);
            text_append_wrapped(out, schema->records[j]->name, 2, 78, &column);
        }
        if (column > 0) text_append_char(out, '\n');
    }
}

const struct cli_verb export_verb = {
    .name = "export",
    .summary = "write everything of one kind as CSV or NDJSON",
    .about = "Writes all accounts, transfers or entries, or all of any record that modules carried "
             "out, in the order in which they took effect; or the answer to a question. CSV (RFC "
             "4180) has a header line, and a record with an array a line an item. Accounts are "
             "shown as they were made: trial_balance has balances, and so has `tael project`.",
    .example = "export transfers --format csv --out transfers.csv",
    .exits = "0 it is whole, 1 refused, 2 usage, 3 no server, no space, or interrupted",
    .parts = {&cli_schema_export_options, &cli_schema_port_options, &cli_schema_json_option},
    .run = export_run,
    .help = what_list,
};
