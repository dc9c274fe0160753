// SPDX-License-Identifier: Apache-2.0
//
// The verbs of the modules: one for each command and question that a module describes, with its
// fields as flags. They speak through libtael.
#include "cli/cli.h"
#include "codec/number.h"
#include "codec/record_binary.h"
#include "codec/record_json.h"
#include "ledger/ledger_schema.h"
#include "machine/commit.h"
#include "modules/book/book.h"
#include "modules/entry/entry.h"
#include "modules/evidence.h"
#include "modules/import/import.h"
#include "modules/name/name.h"

#include <stdlib.h>
#include <tael.h>

#define VERBS_MAX     256u
#define NAME_SIZE_MAX 64u

struct call {
    const struct cli_call *cli;
    const struct schema_record *record;
    struct tael_client *client;
    u64 timeout_ms;
    u8 *body; // TAEL_BODY_MAX.
    u32 size;
    u32 count;
    u32 sent; // Records of the commands before.
    u32 refused;
    u32 commands;
    struct cli_rows rows;
};

static int client_fail(const struct call *call)
{
    struct failure failure = {0};
    (void)failure_set(&failure, STATUS_IO, "%s", tael_problem(call->client));
    (void)cli_fail(call->cli->verb->name, &failure);
    return EXIT_ENVIRONMENT;
}

// What the server says of a whole command or question that it does not carry out.
static int refusal_print(const struct call *call, const struct tael_answer *answer)
{
    (void)fprintf(stderr, "tael %s: %s\n", call->cli->verb->name,
                  answer->text[0] != 0 ? answer->text : tael_result_text(answer->result));
    return EXIT_REFUSED;
}

// --- commands ------------------------------------------------------------------------------------

static u128 wide(struct tael_u128 value)
{
    return (u128)value.high << 64 | value.low;
}

static struct record_result result_make(const struct call *call, u32 index,
                                        const struct tael_reply *reply)
{
    struct record_result row = {
        .index = call->sent + index + 1,
        .number = reply->result,
        .position = reply->position,
        .timestamp = reply->timestamp,
        .posting = reply->posting,
    };
    cli_text_set(row.value, sizeof row.value, "0");
    cli_text_set(row.limit, sizeof row.limit, "0");
    if (reply->result == MODULE_DONE) {
        cli_text_set(row.result, sizeof row.result, "done");
        return row;
    }
    const struct module *module = module_of_record(call->record->number);
    const struct schema_result *known = module_result_of(module, reply->result);
    evidence_print(known, call->cli->form == CLI_TABLE, wide(reply->evidence[0]), row.value);
    evidence_print(known, call->cli->form == CLI_TABLE, wide(reply->evidence[1]), row.limit);
    if (known == NULL) {
        (void)snprintf(row.result, sizeof row.result, "unknown result %u", reply->result);
        return row;
    }
    cli_text_set(row.result, sizeof row.result, schema_lower(known->name).text);
    cli_text_set(row.reason, sizeof row.reason, known->sentence);
    if (reply->result == MODULE_CONSTRAINT_BROKEN) {
        (void)snprintf(row.reason, sizeof row.reason,
                       "Constraint %u would be below its bound, or further below it.",
                       reply->posting);
    }
    if (reply->result != MODULE_POSTING_REFUSED) return row;
    const struct schema_result *posting =
        schema_find_result(&ledger_schema_create_transfer_result, reply->posting_result);
    if (posting != NULL) cli_text_set(row.reason, sizeof row.reason, posting->sentence);
    return row;
}

// Sends what the body holds as one command, and prints what became of its records.
static int command_send(struct call *call)
{
    const struct command_id_option *option =
        cli_part(call->cli, &cli_schema_command_id_option)->head;
    struct tael_command command = {
        .id = tael_id(call->client),
        .record = call->record->number,
        .version = 1,
        .count = call->count,
        .body_size = call->size,
        .body = call->body,
    };
    if (option->command_id != 0) {
        // Of a file that takes several commands each has an id of its own.
        const u128 id = option->command_id + call->commands;
        command.id = (struct tael_u128){.low = (u64)id, .high = (u64)(id >> 64)};
    }
    call->commands++;
    struct tael_answer answer;
    if (tael_command(call->client, &command, call->timeout_ms, &answer) != TAEL_OK) {
        return client_fail(call);
    }
    if (answer.result != TAEL_RESULT_DONE) return refusal_print(call, &answer);
    for (u32 i = 0; i < answer.count; i++) {
        const struct record_result row = result_make(call, i, &answer.replies[i]);
        cli_rows_measure(&call->rows, &row);
        const bool is_kept = row.number == MODULE_DONE || answer.replies[i].result == MODULE_EXISTS;
        call->refused += !is_kept;
    }
    for (u32 i = 0; i < answer.count; i++) {
        const struct record_result row = result_make(call, i, &answer.replies[i]);
        cli_rows_print(&call->rows, &row);
    }
    call->sent += call->count;
    call->count = 0;
    call->size = 0;
    return EXIT_DONE;
}

// Puts a record behind those of the body, which is sent before when it has no room.
static int record_add(struct call *call, const u8 *record, size_t size)
{
    const u32 at = (u32)align_up(call->size, TAEL_RECORD_ALIGNMENT);
    if (call->count == COMMAND_RECORDS_MAX || at + size > TAEL_BODY_MAX) {
        const int code = command_send(call);
        if (code != EXIT_DONE) return code;
        return record_add(call, record, size); // Once: the body is empty now.
    }
    memset(call->body + call->size, 0, at - call->size);
    memcpy(call->body + at, record, size);
    call->size = at + (u32)size;
    call->count++;
    return EXIT_DONE;
}

static int file_send(struct call *call, const char *path)
{
    struct failure failure = {0};
    char *text = NULL;
    size_t text_size = 0;
    if (record_is_any_given(cli_part(call->cli, call->record))) {
        (void)failure_set(&failure, STATUS_INVALID, "--from and flags of one %s exclude each other",
                          call->record->name);
        return cli_fail(call->cli->verb->name, &failure);
    }
    if (cli_input_read(path, &text, &text_size, &failure) != STATUS_OK) {
        return cli_fail(call->cli->verb->name, &failure);
    }
    const size_t capacity = align_up(record_binary_size_max(call->record), 16);
    u8 *record = aligned_alloc(16, capacity);
    assert(record != NULL);
    int code = EXIT_DONE;
    // Every line is checked before the first is sent.
    for (u32 pass = 0; pass < 2 && code == EXIT_DONE; pass++) {
        struct json_lines lines = json_lines_init(text, text_size, 1);
        const char *line = NULL;
        size_t size = 0, used = 0;
        u32 number = 0;
        while (code == EXIT_DONE && json_lines_next(&lines, true, &line, &size, &number)) {
            if (record_json_parse(call->record, line, size, number, record, capacity, &used,
                                  &failure) != STATUS_OK) {
                code = cli_fail(call->cli->verb->name, &failure);
            } else if (pass == 1) {
                code = record_add(call, record, used);
            }
        }
    }
    if (code == EXIT_DONE && call->count > 0) code = command_send(call);
    free(record);
    free(text);
    return code;
}

static int command_run(struct call *call)
{
    const struct record_from_option *from =
        cli_part(call->cli, &cli_schema_record_from_option)->head;
    const struct record_arguments *part = cli_part(call->cli, call->record);
    struct failure failure = {0};
    cli_rows_begin(&call->rows, &cli_schema_record_result, call->cli->form, 0);
    call->rows.may_be_cards = true;
    int code;
    if (from->from[0] != 0) {
        code = file_send(call, from->from);
    } else if (record_check_arguments(part, &failure) != STATUS_OK) {
        code = cli_fail(call->cli->verb->name, &failure);
    } else {
        code = record_add(call, part->head, record_binary_size(call->record, part->head));
        if (code == EXIT_DONE) code = command_send(call);
    }
    cli_rows_end(&call->rows);
    return code == EXIT_DONE && call->refused > 0 ? EXIT_REFUSED : code;
}

// --- questions -----------------------------------------------------------------------------------

static int question_refused(const struct call *call, const struct tael_answer *answer)
{
    if (answer->result != TAEL_RESULT_REFUSED) return refusal_print(call, answer);
    const struct module *module = module_of_record(call->record->number);
    const struct schema_result *known = module_result_of(module, answer->replies[0].result);
    const struct tael_u128 *evidence = answer->replies[0].evidence;
    char value[2][EVIDENCE_SIZE_MAX];
    for (u32 i = 0; i < 2; i++) evidence_print(known, true, wide(evidence[i]), value[i]);
    (void)fprintf(stderr, "tael %s: %s", call->cli->verb->name,
                  known == NULL ? "refused" : known->sentence);
    // What is no number, such as a name, is not in the evidence.
    if (wide(evidence[0]) != 0 || wide(evidence[1]) != 0) {
        (void)fprintf(stderr, " (%s%s%s)", value[0], wide(evidence[1]) != 0 ? ", " : "",
                      wide(evidence[1]) != 0 ? value[1] : "");
    }
    (void)fputc('\n', stderr);
    return EXIT_REFUSED;
}

// Gathers the views of all answers, which come in pages. NULL when one is refused or fails; `*code`
// is the exit code then.
static u8 *views_gather(struct call *call, const struct schema_record **view, u32 *count, int *code)
{
    const struct record_arguments *part = cli_part(call->cli, call->record);
    struct tael_question question = {
        .record = call->record->number,
        .version = 1,
        .body_size = (u32)record_binary_size(call->record, part->head),
        .body = part->head,
    };
    u8 *views = NULL;
    size_t size = 0;
    *count = 0;
    for (bool more = true; more;) {
        struct tael_answer answer;
        *code = EXIT_DONE;
        if (tael_ask(call->client, &question, call->timeout_ms, &answer) != TAEL_OK) {
            *code = client_fail(call);
        } else if (answer.result != TAEL_RESULT_DONE) {
            *code = question_refused(call, &answer);
        } else if (!cli_views_check(call->cli->verb->name, &answer, *count > 0 ? *view : NULL)) {
            *code = EXIT_ENVIRONMENT;
        }
        if (*code != EXIT_DONE) {
            free(views);
            return NULL;
        }
        if (*count == 0) *view = module_record_of(answer.record);
        u8 *more_views = realloc(views, MAX(size + answer.body_size, (size_t)1));
        assert(more_views != NULL);
        views = more_views;
        if (answer.body_size > 0) memcpy(views + size, answer.body, answer.body_size);
        size += answer.body_size;
        *count += answer.count;
        more = answer.has_more;
        memcpy(question.cursor, answer.cursor, sizeof question.cursor);
    }
    return views;
}

// --- amounts of postings -------------------------------------------------------------------------

// History does not know how many decimals a book's asset has, nor does a rule, which is of two
// books. Tables get them from the balance of an account in each book; a row's scale stands behind
// it.
struct book_scale {
    u32 book;
    u8 scale;
};

struct scaled {
    struct schema_record record;
    struct schema_field fields[32];
    u32 stride;
    u8 *rows;
    struct book_scale *books; // Asked for already; two a row at most.
    u32 book_count;
};

static bool has_scale_elsewhere(const struct schema_record *view)
{
    return view == &entry_schema_entry_posting || view == &entry_schema_hold_row ||
           view == &entry_schema_rule_row;
}

static struct scaled scaled_init(const struct schema_record *view, u32 count)
{
    struct scaled scaled = {.record = *view};
    assert(view->field_count < ARRAY_COUNT(scaled.fields));
    memcpy(scaled.fields, view->fields, view->field_count * sizeof *view->fields);
    scaled.fields[view->field_count] = (struct schema_field){
        .name = "scale",
        .type = SCHEMA_U8,
        .offset = view->size,
        .size = 1,
        .count = 1,
        .flags = FIELD_DETAIL,
        .doc = "Digits behind the point of the book's asset.",
    };
    scaled.record.field_count++;
    scaled.record.size += 16;
    scaled.stride = (u32)align_up(scaled.record.size, 16);
    scaled.rows = calloc(MAX(count, 1u), scaled.stride);
    scaled.books = calloc(2 * (size_t)MAX(count, 1u), sizeof *scaled.books);
    assert(scaled.rows != NULL && scaled.books != NULL);
    return scaled;
}

static u128 field_of(const struct schema_record *record, const char *name, const void *row)
{
    const struct schema_field *field = schema_find_field(record, name, strlen(name));
    assert(field != NULL);
    return field_get(field, 0, row);
}

// The scale of a book, by any account in it.
static int scale_ask(const struct call *call, struct scaled *scaled, u32 book, u128 account_id,
                     u8 *scale)
{
    for (u32 i = 0; i < scaled->book_count; i++) {
        if (scaled->books[i].book != book) continue;
        *scale = scaled->books[i].scale;
        return EXIT_DONE;
    }
    _Alignas(16) const struct balance balance = {.book = book, .account_id = account_id};
    const struct tael_question question = {.record = book_schema_balance.number,
                                           .version = 1,
                                           .body_size = sizeof balance,
                                           .body = &balance};
    struct tael_answer answer;
    if (tael_ask(call->client, &question, call->timeout_ms, &answer) != TAEL_OK) {
        return client_fail(call);
    }
    if (answer.result != TAEL_RESULT_DONE) return refusal_print(call, &answer);
    if (!cli_views_check(call->cli->verb->name, &answer, &book_schema_trial_balance_row) ||
        answer.count != 1) {
        return EXIT_ENVIRONMENT;
    }
    *scale = (u8)field_of(&book_schema_trial_balance_row, "scale", answer.body);
    scaled->books[scaled->book_count++] = (struct book_scale){.book = book, .scale = *scale};
    return EXIT_DONE;
}

static int row_scale_ask(const struct call *call, struct scaled *scaled,
                         const struct schema_record *view, const u8 *row, u8 *scale)
{
    if (view != &entry_schema_rule_row) {
        return scale_ask(call, scaled, (u32)field_of(view, "book", row),
                         field_of(view, "debit_account_id", row), scale);
    }
    // What is due is in the asset of both; dust is in the one with more decimals.
    u8 other = 0;
    int code = scale_ask(call, scaled, (u32)field_of(view, "a_book", row),
                         field_of(view, "a_account", row), scale);
    if (code == EXIT_DONE) {
        code = scale_ask(call, scaled, (u32)field_of(view, "b_book", row),
                         field_of(view, "b_account", row), &other);
    }
    *scale = MAX(*scale, other);
    return code;
}

// A table of such rows, amounts with the decimals of their books.
static int scaled_print(const struct call *call, const struct schema_record *view, const u8 *views,
                        u32 count)
{
    struct scaled scaled = scaled_init(view, count);
    scaled.record.fields = scaled.fields;
    int code = EXIT_DONE;
    for (u32 i = 0; i < count && code == EXIT_DONE; i++) {
        const u8 *row = views + i * align_up(view->size, 16);
        u8 *out = scaled.rows + (size_t)i * scaled.stride;
        memcpy(out, row, view->size);
        code = row_scale_ask(call, &scaled, view, row, out + view->size);
    }
    if (code == EXIT_DONE) {
        cli_print_rows(&scaled.record, CLI_TABLE, scaled.rows, scaled.stride, count);
    }
    free(scaled.books);
    free(scaled.rows);
    return code;
}

static int question_run(struct call *call)
{
    const struct schema_record *view = NULL;
    struct failure failure = {0};
    u32 count = 0;
    int code = EXIT_DONE;
    if (record_check_arguments(cli_part(call->cli, call->record), &failure) != STATUS_OK) {
        return cli_fail(call->cli->verb->name, &failure);
    }
    u8 *views = views_gather(call, &view, &count, &code);
    if (views == NULL) return code;
    if (view != NULL && call->cli->form == CLI_TABLE && has_scale_elsewhere(view)) {
        code = scaled_print(call, view, views, count);
    } else if (view != NULL) {
        cli_print_rows(view, call->cli->form, views, align_up(view->size, 16), count);
    }
    if (call->cli->form == CLI_TABLE && code == EXIT_DONE) {
        (void)cli_flush(stdout);
        (void)fprintf(stderr, "%u %s\n", count, count == 1 ? "record" : "records");
    }
    free(views);
    return code;
}

// --- names ---------------------------------------------------------------------------------------

// What can stand for a number, and how it is told of.
static const struct {
    const char *refers_to;
    const char *text;
    enum named_kind kind;
} named[] = {
    {"account", "an account in a book", NAMED_ACCOUNT},
    {"book", "a book", NAMED_BOOK},
    {"entity", "an entity", NAMED_ENTITY},
};

// What a name names. Prints why when it cannot be told.
static int name_ask(struct call *call, const struct record_reference *reference, struct name *name)
{
    _Alignas(16) struct name_find find = {0};
    const int size = (int)reference->name_size;
    struct failure failure = {0};
    if (reference->name_size > sizeof find.path) {
        (void)failure_set(&failure, STATUS_INVALID, "@%.*s is longer than %zu bytes", size,
                          reference->name, sizeof find.path);
        return cli_fail(call->cli->verb->name, &failure);
    }
    memcpy(find.path, reference->name, reference->name_size);
    const struct tael_question question = {.record = name_schema_name_find.number,
                                           .version = 1,
                                           .body_size = sizeof find,
                                           .body = &find};
    struct tael_answer answer;
    if (tael_ask(call->client, &question, call->timeout_ms, &answer) != TAEL_OK) {
        return client_fail(call);
    }
    if (answer.result == TAEL_RESULT_DONE) {
        if (!cli_views_check(call->cli->verb->name, &answer, &name_schema_name) ||
            answer.count != 1) {
            return EXIT_ENVIRONMENT;
        }
        memcpy(name, answer.body, sizeof *name);
        return EXIT_DONE;
    }
    if (answer.result != TAEL_RESULT_REFUSED) return refusal_print(call, &answer);
    const struct schema_result *known = module_result_of(&name_module, answer.replies[0].result);
    (void)fprintf(stderr, "tael %s: @%.*s: %s\n", call->cli->verb->name, size, reference->name,
                  known == NULL ? "refused" : known->sentence);
    return EXIT_REFUSED;
}

// Puts the number of what is named where the name stood; of an account, that of its book too.
static enum status number_put(const struct record_reference *reference, const struct name *name,
                              struct failure *failure)
{
    const char *what = "something else";
    u32 wanted = 0;
    for (u32 i = 0; i < ARRAY_COUNT(named); i++) {
        if (strcmp(named[i].refers_to, reference->field->refers_to) == 0) wanted = i;
        if (named[i].kind == name->kind) what = named[i].text;
    }
    if (named[wanted].kind != name->kind) {
        return failure_set(failure, STATUS_INVALID, "@%.*s names %s, not %s",
                           (int)reference->name_size, reference->name, what, named[wanted].text);
    }
    field_set(reference->field, 0, reference->head,
              name->kind == NAMED_BOOK ? name->number : name->id);
    if (name->kind != NAMED_ACCOUNT) return STATUS_OK;
    for (u32 i = 0; i < reference->record->field_count; i++) {
        const struct schema_field *book = &reference->record->fields[i];
        if (book->refers_to == NULL || strcmp(book->refers_to, "book") != 0) continue;
        field_set(book, 0, reference->head, name->number);
    }
    return STATUS_OK;
}

// Finds what the names of the command line name, before anything is sent: what is sent, and logged,
// are the numbers.
static int names_find(struct call *call)
{
    const struct record_references *references = call->cli->references;
    struct name name = {0};
    for (u32 i = 0; i < references->count; i++) {
        const struct record_reference *reference = &references->items[i];
        struct failure failure = {0};
        const int code = name_ask(call, reference, &name);
        if (code != EXIT_DONE) return code;
        if (number_put(reference, &name, &failure) == STATUS_OK) continue;
        return cli_fail(call->cli->verb->name, &failure);
    }
    return EXIT_DONE;
}

// --- running -------------------------------------------------------------------------------------

static int module_run(const struct cli_call *cli)
{
    const struct port_options *port = cli_part(cli, &cli_schema_port_options)->head;
    struct failure failure = {0};
    struct call call = {
        .cli = cli,
        .record = cli->verb->context,
        .timeout_ms = (u64)port->deadline * 1000,
    };
    struct tael_options options;
    if (cli_identity_take(port, &options, &failure) != STATUS_OK) {
        return cli_fail(cli->verb->name, &failure);
    }
    call.client = tael_open(&options);
    call.body = aligned_alloc(16, TAEL_BODY_MAX);
    assert(call.client != NULL && call.body != NULL);
    int code = EXIT_ENVIRONMENT;
    const enum tael_error error = tael_connect(call.client, call.timeout_ms);
    if (error == TAEL_OK) code = names_find(&call);
    else code = cli_port_fail(cli->verb->name, call.client, error == TAEL_ERROR_TIMEOUT);
    if (code == EXIT_DONE && call.record->kind == RECORD_COMMAND) code = command_run(&call);
    else if (code == EXIT_DONE) code = question_run(&call);
    tael_close(call.client);
    free(call.body);
    return code;
}

// --- the verbs -----------------------------------------------------------------------------------

struct module_verbs {
    u32 count;
    struct cli_verb verbs[VERBS_MAX];
    char names[VERBS_MAX][NAME_SIZE_MAX];
    char summaries[VERBS_MAX][256];
};

// "book_account_open" is the verb book and its action account-open.
static void name_make(const struct schema_record *record, char out[NAME_SIZE_MAX])
{
    bool is_first = true;
    (void)snprintf(out, NAME_SIZE_MAX, "%s", record->verb != NULL ? record->verb : record->name);
    for (char *at = out; *at != 0; at++) {
        if (*at != '_') continue;
        *at = is_first ? ' ' : '-';
        is_first = false;
    }
}

// How its sentence begins, without the capital.
static void summary_make(const struct schema_record *record, char out[256])
{
    (void)snprintf(out, 256, "%.*s", (int)strcspn(record->doc, ".:;,"), record->doc);
    if (out[0] >= 'A' && out[0] <= 'Z') out[0] = (char)(out[0] - 'A' + 'a');
}

static struct cli_verb *verb_add(struct module_verbs *all)
{
    assert(all->count < VERBS_MAX);
    struct cli_verb *verb = &all->verbs[all->count];
    *verb =
        (struct cli_verb){.name = all->names[all->count], .summary = all->summaries[all->count]};
    all->count++;
    return verb;
}

// The verb that has the action, made when it is the first one.
static void parent_add(struct module_verbs *all, const char *name)
{
    const size_t size = strcspn(name, " ");
    if (name[size] == 0) return;
    u32 at = 0;
    while (at < all->count &&
           (strncmp(all->names[at], name, size) != 0 || all->names[at][size] != 0))
        at++;
    if (at == all->count) {
        (void)verb_add(all);
        memcpy(all->names[at], name, size);
        all->names[at][size] = 0;
    }
    const size_t used = strlen(all->summaries[at]);
    (void)snprintf(all->summaries[at] + used, sizeof all->summaries[at] - used, "%s%s",
                   used == 0 ? "" : ", ", name + size + 1);
}

static void record_verb_add(struct module_verbs *all, const struct schema_record *record)
{
    char name[NAME_SIZE_MAX];
    name_make(record, name);
    parent_add(all, name);
    const u32 at = all->count;
    struct cli_verb *verb = verb_add(all);
    memcpy(all->names[at], name, sizeof name);
    summary_make(record, all->summaries[at]);
    verb->about =
        record->kind == RECORD_COMMAND
            ? "A command over the tael port: it is carried out whole, or refused with the "
              "rule, the value and the limit. What is done is durable."
            : "A question over the tael port: the answer shows what is durable now.";
    verb->run = module_run;
    verb->exits = "0 done, 1 refused, 2 usage, 3 environment (no server, or one that does not let "
                  "this principal in)";
    verb->context = record;
    verb->takes_names = true;
    u32 part = 0;
    verb->parts[part++] = record;
    if (record->kind == RECORD_COMMAND) {
        verb->parts[part++] = &cli_schema_command_id_option;
        verb->parts[part++] = &cli_schema_record_from_option;
    }
    verb->parts[part++] = &cli_schema_port_options;
    verb->parts[part++] = &cli_schema_form_options;
}

// An action that no command or question is, among those of its verb.
static void own_verb_add(struct module_verbs *all, const struct cli_verb *verb)
{
    parent_add(all, verb->name);
    const u32 at = all->count;
    cli_text_set(all->names[at], NAME_SIZE_MAX, verb->name);
    *verb_add(all) = *verb;
}

// Whether it is no record for a command line: a program fills it in.
static bool is_programs(const struct schema_record *record)
{
    if (record->verb != NULL && record->verb[0] == 0) return true;
    for (u32 i = 0; i < record->field_count; i++) {
        if (record->fields[i].type == SCHEMA_BLOB) return true;
    }
    return false;
}

const struct cli_verb *module_verb_at(u32 index)
{
    static struct module_verbs all;
    const u32 first = all.count == 0 ? 0 : module_count; // They are made once.
    for (u32 i = first; i < module_count; i++) {
        const struct schema_module *schema = modules[i]->schema;
        for (u32 j = 0; j < IMPORT_VERBS_COUNT && modules[i] == &import_module; j++) {
            own_verb_add(&all, &import_verbs[j]);
        }
        for (u32 j = 0; j < schema->record_count && !modules[i]->is_for_tests; j++) {
            const enum record_kind kind = schema->records[j]->kind;
            if ((kind == RECORD_COMMAND || kind == RECORD_QUERY) &&
                !is_programs(schema->records[j])) {
                record_verb_add(&all, schema->records[j]);
            }
        }
        if (modules[i] == &job_module) own_verb_add(&all, &job_wait_verb);
    }
    return index < all.count ? &all.verbs[index] : NULL;
}
