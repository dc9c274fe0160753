// SPDX-License-Identifier: Apache-2.0
//
// tael import accounts, entries, transfers, balances: a file becomes an import (docs/JOBS.md).
// The other actions of the verb are the module's commands and questions (module_verbs.c).
//
// Rows are read, sent and looked at by the server while nothing counts; what is refused is told,
// and only then they are carried out, if that is asked for.
#include "modules/import/import.h"
#include "cli/cli.h"
#include "cli/import_file.h"

#include <errno.h>
#include <stdlib.h>
#include <tael.h>
#include <unistd.h>

#define BATCH_BYTES  (1000u * KIB) // Of rows that are sent together.
#define PROGRESS_NS  (NS_PER_S / 4)
#define PROBLEMS_MAX 65536u // Of lines that are none: of more only the number is told.

struct call {
    const struct cli_call *cli;
    const struct import_options *options;
    bool is_whole;
    FILE *refused; // What --refused names, or NULL.
    const char *verb;
    enum import_file_kind kind;
    struct tael_client *client;
    u64 timeout_ms;
    struct import_file *file;
    struct import_rows *batch; // With its rows behind it.
    u64 sent;                  // Rows.
    u64 told_at;
    struct import_problem *problems;
    u32 problem_count; // That are kept,
    u64 unreadable;    // of as many.
    struct job_record job;
};

// --- asking --------------------------------------------------------------------------------------

static int fail_by_client(const struct call *call)
{
    struct failure failure = {0};
    (void)failure_set(&failure, STATUS_IO, "%s", tael_problem(call->client));
    return cli_fail(call->verb, &failure);
}

static void refusal_print(const struct call *call, const struct module *module,
                          const struct tael_reply *reply)
{
    const struct schema_result *result = module_result_of(module, reply->result);
    (void)fprintf(stderr, "tael %s: %s\n", call->verb,
                  result == NULL ? "refused by a rule that this program does not know"
                                 : result->sentence);
}

// Gives a command of one record. Returns the exit code; what is refused is told.
static int command(const struct call *call, const struct module *module, u32 record,
                   const void *body, u32 size)
{
    const struct tael_command command = {.id = tael_id(call->client),
                                         .record = record,
                                         .version = 1,
                                         .count = 1,
                                         .body = body,
                                         .body_size = size};
    struct tael_answer answer;
    if (tael_command(call->client, &command, call->timeout_ms, &answer) != TAEL_OK) {
        return fail_by_client(call);
    }
    if (answer.result != TAEL_RESULT_DONE) {
        (void)fprintf(stderr, "tael %s: %s\n", call->verb,
                      answer.text[0] != 0 ? answer.text : tael_result_text(answer.result));
        return EXIT_REFUSED;
    }
    if (answer.replies[0].result == TAEL_RECORD_DONE) return EXIT_DONE;
    refusal_print(call, module, &answer.replies[0]);
    return EXIT_REFUSED;
}

static int job_command(const struct call *call, u32 record)
{
    const u128 id = call->options->id;
    return command(call, &job_module, record, &id, sizeof id);
}

// --- rows ----------------------------------------------------------------------------------------

static void progress_show(struct call *call)
{
    u64 done = 0;
    u64 total = 0;
    const u64 now = tael_now();
    if (now - call->told_at < PROGRESS_NS) return;
    call->told_at = now;
    import_file_progress(call->file, &done, &total);
    cli_bar_put(done, total, call->sent, "rows sent");
}

static int batch_send(struct call *call)
{
    struct import_rows *batch = call->batch;
    if (batch->count == 0) return EXIT_DONE;
    const int code = command(call, &import_module, import_schema_import_rows.number, batch,
                             (u32)sizeof *batch + batch->rows_size);
    call->sent += batch->count;
    *batch = (struct import_rows){.import_id = call->options->id, .first = call->sent};
    return code;
}

static int row_add(struct call *call, const struct import_file_row *row)
{
    struct import_rows *batch = call->batch;
    const struct import_head head = {.line = row->line, .size = row->size};
    const u32 padded = (u32)align_up(row->size, IMPORT_ALIGNMENT);
    if (batch->rows_size + sizeof head + padded > BATCH_BYTES || batch->count == PLAN_BULK_MAX) {
        const int code = batch_send(call);
        if (code != EXIT_DONE) return code;
        progress_show(call);
    }
    u8 *at = (u8 *)(batch + 1) + batch->rows_size;
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, row->record, row->size);
    memset(at + sizeof head + row->size, 0, padded - row->size);
    batch->rows_size += (u32)sizeof head + padded;
    batch->count++;
    return EXIT_DONE;
}

static void unreadable_note(struct call *call, const struct import_file_row *row)
{
    call->unreadable++;
    if (call->problem_count == PROBLEMS_MAX) return;
    struct import_problem *problem = &call->problems[call->problem_count++];
    *problem = (struct import_problem){.line = row->line};
    cli_text_set(problem->rule, sizeof problem->rule, "unreadable");
    cli_text_set(problem->reason, sizeof problem->reason, row->failure.message);
}

static int rows_send(struct call *call)
{
    struct import_file_row *row = malloc(sizeof *row);
    int code = EXIT_DONE;
    assert(row != NULL);
    *call->batch = (struct import_rows){.import_id = call->options->id};
    while (code == EXIT_DONE && import_file_next(call->file, row)) {
        if (row->is_bad) unreadable_note(call, row);
        else code = row_add(call, row);
        if (!cli_is_interrupted()) continue;
        (void)fprintf(stderr, "\ntael %s: interrupted; nothing was carried out\n", call->verb);
        code = EXIT_ENVIRONMENT;
    }
    if (code == EXIT_DONE) code = batch_send(call);
    cli_bar_end();
    free(row);
    return code;
}

// --- what is refused -----------------------------------------------------------------------------

static struct import_problem problem_make(const struct import_refused_row *row)
{
    struct import_problem problem = {.line = row->line, .value = row->value, .limit = row->limit};
    cli_text_set(problem.rule, sizeof problem.rule, row->name);
    cli_text_set(problem.reason, sizeof problem.reason, row->reason);
    return problem;
}

// Asks for the refused rows page by page and hands them on.
static int refused_ask(const struct call *call,
                       void (*tell)(void *context, const struct import_problem *problem),
                       void *context)
{
    const struct import_refused ask = {.import_id = call->options->id};
    struct tael_question question = {.record = import_schema_import_refused.number,
                                     .version = 1,
                                     .body_size = sizeof ask,
                                     .body = &ask,
                                     .position = TAEL_POSITION_SEEN};
    for (bool has_more = true; has_more;) {
        struct tael_answer answer;
        if (tael_ask(call->client, &question, call->timeout_ms, &answer) != TAEL_OK) {
            return fail_by_client(call);
        }
        if (answer.result != TAEL_RESULT_DONE) {
            if (answer.result == TAEL_RESULT_REFUSED)
                refusal_print(call, &import_module, &answer.replies[0]);
            return EXIT_REFUSED;
        }
        if (!cli_views_check(call->verb, &answer, &import_schema_import_refused_row)) {
            return EXIT_ENVIRONMENT;
        }
        const u32 stride = (u32)align_up(sizeof(struct import_refused_row), 16);
        for (u32 i = 0; i < answer.count; i++) {
            struct import_refused_row row;
            memcpy(&row, (const u8 *)answer.body + (size_t)i * stride, sizeof row);
            const struct import_problem problem = problem_make(&row);
            tell(context, &problem);
        }
        has_more = answer.has_more;
        memcpy(question.cursor, answer.cursor, sizeof question.cursor);
    }
    return EXIT_DONE;
}

// Keeps what is printed, as long as there is room.
struct problem_list {
    struct import_problem *items; // PROBLEMS_MAX.
    u32 count;
    u64 all;
};

static void problem_keep(void *context, const struct import_problem *problem)
{
    struct problem_list *list = context;
    list->all++;
    if (list->count < PROBLEMS_MAX) list->items[list->count++] = *problem;
}

static int problem_compare(const void *a, const void *b)
{
    const u32 left = ((const struct import_problem *)a)->line;
    const u32 right = ((const struct import_problem *)b)->line;
    return left < right ? -1 : left > right;
}

struct problem_file {
    FILE *out;
    char line[4096];
};

static void problem_write(void *context, const struct import_problem *problem)
{
    struct problem_file *file = context;
    struct text text = text_init(file->line, sizeof file->line);
    record_write_csv_row(&cli_schema_import_problem, problem, &text);
    (void)cli_write(file->out, text.data, MIN(text.size, text.capacity));
}

// Hands all of them on: those that were no rows, and those that a rule refuses.
static int problems_tell(const struct call *call,
                         void (*tell)(void *context, const struct import_problem *problem),
                         void *context)
{
    for (u32 i = 0; i < call->problem_count; i++) tell(context, &call->problems[i]);
    return call->job.refused == 0 ? EXIT_DONE : refused_ask(call, tell, context);
}

static int problems_print(const struct call *call)
{
    struct problem_list list = {.items = malloc(PROBLEMS_MAX * sizeof *list.items)};
    assert(list.items != NULL);
    const int code = problems_tell(call, problem_keep, &list);
    qsort(list.items, list.count, sizeof *list.items, problem_compare);
    if (code == EXIT_DONE) {
        cli_print_rows(&cli_schema_import_problem, call->cli->form, list.items, sizeof *list.items,
                       list.count);
    }
    if (list.all > list.count) {
        (void)fprintf(stderr, "tael %s: %llu more; --refused FILE has them\n", call->verb,
                      (unsigned long long)(list.all - list.count));
    }
    free(list.items);
    return code;
}

// Makes the file before anything is sent: who cannot be told what is refused imports nothing.
static int refused_open(struct call *call)
{
    const char *path = call->options->refused;
    struct failure failure = {0};
    if (path[0] == 0) return EXIT_DONE;
    call->refused = fopen(path, "we");
    if (call->refused != NULL) return EXIT_DONE;
    (void)failure_set_errno(&failure, STATUS_IO, errno, "making %s", path);
    return cli_fail(call->verb, &failure);
}

// Writes the problems into the file, over what was there. A pipe has them once more.
static int problems_write(const struct call *call)
{
    struct problem_file file = {.out = call->refused};
    struct failure failure = {0};
    // Neither is possible of a pipe or a device.
    if (fseek(file.out, 0, SEEK_SET) != 0 || ftruncate(fileno(file.out), 0) != 0)
        clearerr(file.out);
    struct text header = text_init(file.line, sizeof file.line);
    record_write_csv_header(&cli_schema_import_problem, &header);
    (void)cli_write(file.out, header.data, header.size);
    const int code = problems_tell(call, problem_write, &file);
    if (cli_flush(file.out)) return code;
    (void)failure_set_errno(&failure, STATUS_IO, errno, "writing %s", call->options->refused);
    return cli_fail(call->verb, &failure);
}

static int problems_show(const struct call *call)
{
    if (call->refused != NULL) return problems_write(call);
    return call->unreadable + call->job.refused > 0 ? problems_print(call) : EXIT_DONE;
}

// --- the course of it ----------------------------------------------------------------------------

static const char *status_text(u8 status)
{
    for (u32 i = 0; i < job_schema_job_status.row_count; i++) {
        if (job_schema_job_status.rows[i].number == status) {
            return job_schema_job_status.rows[i].name;
        }
    }
    return "UNKNOWN";
}

static void report_print(const struct call *call)
{
    struct import_report report = {
        .job_id = call->options->id,
        .rows = call->sent + call->unreadable,
        .unreadable = call->unreadable,
        .refused = call->job.refused,
        .good = call->job.done,
        .postings = call->job.postings,
    };
    const struct schema_name status = schema_lower(status_text(call->job.status));
    cli_text_set(report.status, sizeof report.status, status.text);
    cli_print_record(&cli_schema_import_report, call->cli->form, &report);
}

// Waits until the job stands still, or is interrupted: then nothing more is asked for.
static int job_wait(struct call *call)
{
    const u128 id = call->options->id;
    const int code = cli_job_wait(call->verb, call->client, id, call->timeout_ms, &call->job);
    const bool may_go_on = job_is_runnable(&call->job) || call->job.status == JOB_STATUS_STAGED;
    if (code != EXIT_DONE || !cli_is_interrupted() || !may_go_on) return code;
    (void)fprintf(stderr,
                  "tael %s: interrupted; the import goes on: `tael job wait` waits for it\n",
                  call->verb);
    return EXIT_ENVIRONMENT;
}

// Settles the job that was looked at. One that is whole and has bad rows is given up.
static int settle(struct call *call)
{
    const bool has_bad = call->unreadable + call->job.refused > 0;
    const u64 refused = call->job.refused;
    int code = EXIT_DONE;
    if (call->job.status == JOB_STATUS_STAGED && has_bad && call->is_whole) {
        code = job_command(call, job_schema_job_cancel.number);
    } else if (call->job.status == JOB_STATUS_STAGED && call->options->commit) {
        code = job_command(call, job_schema_job_commit.number);
    } else {
        return EXIT_DONE;
    }
    if (code == EXIT_DONE) code = job_wait(call);
    // What changed since they were looked at may have refused some more.
    if (code == EXIT_DONE && call->job.refused > refused) code = problems_show(call);
    return code;
}

// Opens the import and sends its rows. When that fails it is given up.
static int send(struct call *call)
{
    const struct import_open open = {
        .import_id = call->options->id,
        .kind = call->kind == IMPORT_FILE_ACCOUNTS ? IMPORT_ACCOUNTS : IMPORT_ENTRIES,
        .is_whole = call->is_whole,
    };
    const u128 id = call->options->id;
    int code = command(call, &import_module, import_schema_import_open.number, &open, sizeof open);
    if (code != EXIT_DONE) return code;
    code = rows_send(call);
    if (code == EXIT_DONE && call->sent > 0) return EXIT_DONE;
    (void)command(call, &import_module, import_schema_import_cancel.number, &id, sizeof id);
    (void)problems_show(call);
    if (code != EXIT_DONE) return code;
    (void)fprintf(stderr, "tael %s: no row to import\n", call->verb);
    return EXIT_REFUSED;
}

static int import(struct call *call)
{
    const struct import_run run = {.import_id = call->options->id};
    int code = send(call);
    if (code == EXIT_DONE) {
        code = command(call, &import_module, import_schema_import_run.number, &run, sizeof run);
    }
    if (code == EXIT_DONE) code = job_wait(call);
    if (code == EXIT_DONE) code = problems_show(call);
    if (code == EXIT_DONE) code = settle(call);
    if (call->job.number != 0) report_print(call); // However far it came.
    if (code != EXIT_DONE) return code;
    const bool ended_well =
        call->job.status == JOB_STATUS_COMMITTED || call->job.status == JOB_STATUS_STAGED;
    return ended_well && call->unreadable + call->job.refused == 0 ? EXIT_DONE : EXIT_REFUSED;
}

static int import_run(const struct cli_call *cli)
{
    const struct port_options *port = cli_part(cli, &cli_schema_port_options)->head;
    struct call call = {
        .cli = cli,
        .options = cli_part(cli, &cli_schema_import_options)->head,
        .verb = cli->verb->name,
        .timeout_ms = (u64)port->deadline * 1000,
    };
    const enum import_file_kind *own = cli->verb->context;
    call.kind = *own;
    // A balance is posted as the difference to the one before, which must be there too.
    call.is_whole = call.options->whole || call.kind == IMPORT_FILE_BALANCES;
    struct import_file_options file = {.kind = call.kind, .path = call.options->file};
    if (call.kind != IMPORT_FILE_ACCOUNTS) {
        const struct import_book *book = cli_part(cli, &cli_schema_import_book)->head;
        file.book = book->book;
    }
    if (call.kind == IMPORT_FILE_BALANCES) {
        const struct import_opening *opening = cli_part(cli, &cli_schema_import_opening)->head;
        file.against = opening->against;
    }
    struct failure failure = {0};
    struct tael_options options;
    if (cli_identity_take(port, &options, &failure) != STATUS_OK ||
        import_file_open(&call.file, &file, &failure) != STATUS_OK) {
        return cli_fail(call.verb, &failure);
    }
    int code = refused_open(&call);
    if (code != EXIT_DONE) {
        import_file_close(call.file);
        return code;
    }
    call.client = tael_open(&options);
    call.batch = aligned_alloc(64, align_up(sizeof *call.batch + BATCH_BYTES, 64));
    call.problems = malloc(PROBLEMS_MAX * sizeof *call.problems);
    assert(call.client != NULL && call.batch != NULL && call.problems != NULL);
    cli_interrupt_install();
    const enum tael_error error = tael_connect(call.client, call.timeout_ms);
    code = error == TAEL_OK ? import(&call)
                            : cli_port_fail(call.verb, call.client, error == TAEL_ERROR_TIMEOUT);
    tael_close(call.client);
    if (call.refused != NULL) (void)fclose(call.refused); // It is written.
    import_file_close(call.file);
    free(call.batch);
    free(call.problems);
    return code;
}

#define ABOUT                                                                                     \
    "The rows are sent to the server, which looks at each as if it were commanded behind those "  \
    "before it; what is refused is printed with its line and the rule. Nothing counts yet: then " \
    "the import waits for `tael job commit` or `tael job cancel`, or goes on by itself with "     \
    "--commit. With --whole all rows are carried out or none; else those that are good. A line "  \
    "that cannot be read is refused as a row is. "
#define EXITS                                                                                \
    "0 every row is good, and carried out if --commit is given; 1 rows are refused, or the " \
    "import "                                                                                \
    "is; 2 usage; 3 no server, no file, or interrupted"

static const enum import_file_kind kinds[] = {IMPORT_FILE_ACCOUNTS, IMPORT_FILE_ENTRIES,
                                              IMPORT_FILE_TRANSFERS, IMPORT_FILE_BALANCES};

const struct cli_verb import_verbs[IMPORT_VERBS_COUNT] = {
    {
        .name = "import accounts",
        .summary = "opens accounts from a file",
        .about = ABOUT "The columns are the fields of `tael book account-open`: account_id, book, "
                       "code, name, and if wanted owner and flags.",
        .example = "import accounts accounts.csv --id 1 --whole --commit",
        .exits = EXITS,
        .parts = {&cli_schema_import_options, &cli_schema_port_options, &cli_schema_form_options},
        .run = import_run,
        .context = &kinds[IMPORT_FILE_ACCOUNTS],
    },
    {
        .name = "import entries",
        .summary = "posts entries from a file",
        .about = ABOUT "In CSV each line is a leg: entry_id, day, account_id, debit or credit, and "
                       "if wanted book, order_id, scenario, purpose, code; lines of one entry "
                       "stand together, and an entry with a line that cannot be read is left out. "
                       "In NDJSON each line is an entry, as `tael entry post` takes it.",
        .example = "import entries journal.csv --id 2 --book 100",
        .exits = EXITS,
        .parts = {&cli_schema_import_options, &cli_schema_import_book, &cli_schema_port_options,
                  &cli_schema_form_options},
        .run = import_run,
        .context = &kinds[IMPORT_FILE_ENTRIES],
    },
    {
        .name = "import transfers",
        .summary = "posts transfers from a file",
        .about = ABOUT "Each line has id, day, debit_account_id, credit_account_id, amount, and if "
                       "wanted book, order_id, scenario, purpose, code; it becomes an entry of two "
                       "legs with this id and this day.",
        .example = "import transfers payments.ndjson --id 3 --book 100 --commit",
        .exits = EXITS,
        .parts = {&cli_schema_import_options, &cli_schema_import_book, &cli_schema_port_options,
                  &cli_schema_form_options},
        .run = import_run,
        .context = &kinds[IMPORT_FILE_TRANSFERS],
    },
    {
        .name = "import balances",
        .summary = "gives accounts the balances that a file has",
        .about = ABOUT "Each line has account_id, day, debit or credit, and if wanted book: the "
                       "balance at the end of the day. The first one of an account is posted "
                       "against --against, of each later one the difference, with that day as its "
                       "effective day; so each day's trial balance is the file's. They are carried "
                       "out whole or not at all. The entries' ids follow from book, account and "
                       "day: the same file is not posted twice.",
        .example = "import balances b.csv --id 4 --book 100 --against 3999",
        .exits = EXITS,
        .parts = {&cli_schema_import_options, &cli_schema_import_book, &cli_schema_import_opening,
                  &cli_schema_port_options, &cli_schema_form_options},
        .run = import_run,
        .context = &kinds[IMPORT_FILE_BALANCES],
    },
};
