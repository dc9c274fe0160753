// SPDX-License-Identifier: Apache-2.0
//
// The verbs account, transfer and query: a client of the compat port whose flags and output are the
// ledger's own records.
#include "cli/cli.h"
#include "cli/ledger_events.h"
#include "codec/number.h"
#include "ledger/ledger_schema.h"
#include "server/compat_client.h"

#include <stdlib.h>

#define RESULTS_MAX 128u

// The wire's operation, what it answers with. What it asks with is the first part of the verb: a
// record of the ledger, or ids.
struct action {
    u8 operation;                         // enum compat_operation_number.
    const struct schema_record *output;   // NULL: results of creates.
    const struct schema_results *results; // Of creates.
};

struct call {
    const struct cli_call *cli;
    const struct action *action;
    const struct schema_record *input;
    struct compat_client client;
    u64 timeout_ns;
    u8 *body;                    // COMPAT_BODY_SIZE_MAX and a trailer.
    struct ledger_events events; // Of --from; else its text is NULL.
    u32 refused;                 // Events.
    u32 tally[RESULTS_MAX];      // Events by the row of their result; the last: of no row.
    struct cli_rows results;     // Of creates, printed batch by batch.
};

// What fails once there is something to connect to is not the command line's fault: a server that
// breaks the protocol gives STATUS_INVALID too.
static int server_fail(const struct call *call, const struct failure *failure)
{
    (void)cli_fail(call->cli->verb->name, failure);
    return EXIT_ENVIRONMENT;
}

static enum status request_send(struct call *call, u8 number, u32 count,
                                struct compat_batches *answer, struct failure *failure)
{
    const u8 wire = (u8)(COMPAT_OPERATION_BASE + number);
    const struct compat_operation *operation = compat_operation(wire);
    u32 size = count * operation->event_size;
    if (operation->multi_batch) size = compat_body_finish(wire, call->body, count);
    const struct compat_answer *got = NULL;
    enum status status =
        compat_client_call(&call->client, wire, call->body, size, call->timeout_ns, &got, failure);
    if (status == STATUS_OK) *answer = got->batches;
    return status;
}

// --- creating ------------------------------------------------------------------------------------

static struct event_result result_make(const struct call *call, u32 index,
                                       const struct create_result *result)
{
    struct event_result row = {
        .id = load_u128(call->body + (size_t)index * call->input->size),
        .number = result->status,
        .timestamp = result->timestamp,
    };
    const struct schema_name name = ledger_result_name(call->action->results, result->status);
    const struct schema_result *known = schema_find_result(call->action->results, result->status);
    cli_text_set(row.result, sizeof row.result, name.text);
    // Its number is the same for accounts.
    const bool is_created = result->status == (u32)CREATE_TRANSFER_CREATED;
    if (known != NULL && !is_created) {
        cli_text_set(row.reason, sizeof row.reason, known->sentence);
    }
    return row;
}

// Sends the events of the body and prints what became of each.
static enum status events_send(void *context, u32 count, struct failure *failure)
{
    struct call *call = context;
    struct compat_batches answer;
    enum status status = request_send(call, call->action->operation, count, &answer, failure);
    if (status != STATUS_OK) return status;
    const struct create_result *results = (const void *)answer.events;
    assert(answer.event_count == count); // C2 of the client.
    for (u32 i = 0; i < count; i++) {
        const struct event_result row = result_make(call, i, &results[i]);
        cli_rows_measure(&call->results, &row);
        const bool is_kept =
            results[i].status == (u32)CREATE_TRANSFER_CREATED || strcmp(row.result, "exists") == 0;
        const struct schema_results *rows = call->action->results;
        const struct schema_result *known = schema_find_result(rows, results[i].status);
        call->refused += !is_kept;
        call->tally[known != NULL ? (size_t)(known - rows->rows) : RESULTS_MAX - 1]++;
    }
    for (u32 i = 0; i < count; i++) {
        const struct event_result row = result_make(call, i, &results[i]);
        cli_rows_print(&call->results, &row);
    }
    return STATUS_OK;
}

// How many came to which result, in the order of precedence.
static void summary_print(const struct call *call)
{
    const struct schema_results *rows = call->action->results;
    const char *separator = " ";
    assert(rows->row_count < RESULTS_MAX);
    (void)fflush(stdout);
    (void)fprintf(stderr, "tael %s: %u refused;", call->cli->verb->name, call->refused);
    for (u32 i = 0; i < RESULTS_MAX; i++) {
        if (call->tally[i] == 0) continue;
        const char *name = i < rows->row_count ? rows->rows[i].name : "UNKNOWN";
        (void)fprintf(stderr, "%s%u %s", separator, call->tally[i], schema_lower(name).text);
        separator = ", ";
    }
    (void)fprintf(stderr, "%s\n", separator[0] == ' ' ? " nothing was answered" : "");
}

// Measures what is known of the rows before any is answered; the result stands for one of usual
// length.
static enum status rows_measure(void *context, u32 count, struct failure *failure)
{
    struct call *call = context;
    struct event_result row = {.result = "credit_account_not_found", .timestamp = cli_time_now()};
    (void)failure;
    for (u32 i = 0; i < count; i++) {
        row.id = load_u128(call->body + (size_t)i * call->input->size);
        cli_rows_measure(&call->results, &row);
    }
    return STATUS_OK;
}

// The header and the rows of a batch are printed before the next batch is answered, so the file is
// walked once more for a table, whose rows are to line up in all batches.
static enum status file_send(struct call *call, struct failure *failure)
{
    cli_rows_show_all(&call->results);
    if (call->cli->form == CLI_TABLE &&
        ledger_events_send(&call->events, call->body, rows_measure, call, failure) != STATUS_OK) {
        return failure->status;
    }
    return ledger_events_send(&call->events, call->body, events_send, call, failure);
}

static int events_create(struct call *call, struct failure *failure)
{
    cli_rows_begin(&call->results, &cli_schema_event_result, call->cli->form, 0);
    call->results.may_be_cards = true;
    const enum status status =
        call->events.text != NULL ? file_send(call, failure) : events_send(call, 1, failure);
    cli_rows_end(&call->results);
    if (call->events.text != NULL) summary_print(call);
    if (status != STATUS_OK) return server_fail(call, failure);
    return call->refused > 0 ? EXIT_REFUSED : EXIT_DONE;
}

// --- asking --------------------------------------------------------------------------------------

// Says which ids of a look-up have no record: answers are in the order of the ids, without those.
static void missing_print(const struct call *call, u32 count, const struct compat_batches *answer)
{
    const struct schema_record *output = call->action->output;
    u32 found = 0;
    for (u32 i = 0; i < count; i++) {
        const u128 id = load_u128(call->body + (size_t)i * sizeof id);
        if (found < answer->event_count &&
            load_u128(answer->events + (size_t)found * output->size) == id) {
            found++;
            continue;
        }
        char text[NUMBER_SIZE_MAX];
        (void)number_print_u128(id, text);
        (void)fprintf(stderr, "tael %s: no %s has the id %s\n", call->cli->verb->name, output->name,
                      text);
    }
}

// A number of a record by its field's name; 0 when it has none.
static u64 number_of(const struct schema_record *record, const char *name, const void *head)
{
    const struct schema_field *field = schema_find_field(record, name, strlen(name));
    return field == NULL ? 0 : (u64)field_get(field, 0, head);
}

// An answer that is as long as it may be is likely not to be all: says how to ask for the rest.
static void rest_print(const struct call *call, const struct compat_batches *answer)
{
    const struct compat_operation *operation =
        compat_operation((u8)(COMPAT_OPERATION_BASE + call->action->operation));
    const u32 most = compat_results_max(operation, 1);
    const u64 limit = number_of(call->input, "limit", call->body);
    if (limit == 0 || answer->event_count < MIN(limit, most)) return;
    const struct schema_record *output = call->action->output;
    const struct schema_field *flags = schema_find_field(call->input, "flags", 5);
    const struct schema_flag *reversed =
        flags == NULL ? NULL
                      : schema_find_flag(schema_field_flags(call->input, flags), "reversed", 8);
    const bool is_reversed =
        reversed != NULL && (number_of(call->input, "flags", call->body) >> reversed->bit & 1) != 0;
    const u64 last = number_of(output, "timestamp",
                               answer->events + (size_t)(answer->event_count - 1) * output->size);
    (void)fflush(stdout);
    (void)fprintf(stderr, "tael %s: %u is the most that %s; --timestamp-%s %llu goes on%s\n",
                  call->cli->verb->name, answer->event_count,
                  limit >= most ? "one answer holds" : "--limit asks for",
                  is_reversed ? "max" : "min",
                  (unsigned long long)(is_reversed ? last - 1 : last + 1),
                  limit >= most ? "" : ", --limit N asks for more");
}

static struct change_row change_make(const struct change_event *event)
{
    struct change_row row = {
        .timestamp = event->timestamp,
        .transfer = event->transfer_id,
        .pending = event->transfer_pending_id,
        .amount = event->transfer_amount,
        .debit = event->debit_account_id,
        .debits = event->debit_account_debits_posted,
        .credit = event->credit_account_id,
        .credits = event->credit_account_credits_posted,
        .ledger = event->ledger,
        .code = event->transfer_code,
    };
    const struct schema_value *type =
        schema_find_value_number(&ledger_schema_change_type, event->type);
    if (type != NULL) cli_text_set(row.type, sizeof row.type, schema_lower(type->name).text);
    return row;
}

// Both accounts whole would be many columns: a table has the sums that the event changed.
static void changes_print(const struct change_event *events, u32 count)
{
    struct change_row *rows = calloc(MAX(count, 1u), sizeof *rows);
    assert(rows != NULL);
    for (u32 i = 0; i < count; i++) rows[i] = change_make(&events[i]);
    cli_print_rows(&cli_schema_change_row, CLI_TABLE, rows, sizeof *rows, count);
    free(rows);
}

// Of an account that is not there, or keeps no balances, the server answers with nothing: says so.
static int nothing_explain(struct call *call, struct failure *failure)
{
    const char *verb = call->cli->verb->name;
    const u128 id = ((const struct account_filter *)(const void *)call->body)->account_id;
    char text[NUMBER_SIZE_MAX];
    struct compat_batches answer;
    (void)number_print_u128(id, text);
    memcpy(call->body, &id, sizeof id);
    if (request_send(call, COMPAT_LOOKUP_ACCOUNTS, 1, &answer, failure) != STATUS_OK) {
        return server_fail(call, failure);
    }
    if (answer.event_count == 0) {
        (void)fprintf(stderr, "tael %s: no account has the id %s\n", verb, text);
        return EXIT_DONE;
    }
    struct account account;
    memcpy(&account, answer.events, sizeof account);
    if (call->action->output == &ledger_schema_account_balance &&
        (account.flags & ACCOUNT_HISTORY) == 0) {
        (void)fprintf(stderr,
                      "tael %s: account %s was created without the flag history: its balances "
                      "are not kept\n",
                      verb, text);
    }
    return EXIT_DONE;
}

static int records_ask(struct call *call, u32 count, struct failure *failure)
{
    const struct schema_record *output = call->action->output;
    const enum cli_form form = call->cli->form;
    struct compat_batches answer;
    if (request_send(call, call->action->operation, count, &answer, failure) != STATUS_OK) {
        return server_fail(call, failure);
    }
    if (output == &ledger_schema_change_event && form == CLI_TABLE) {
        changes_print((const void *)answer.events, answer.event_count);
    } else {
        cli_print_rows(output, form, answer.events, output->size, answer.event_count);
    }
    if (form == CLI_TABLE) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "%u %s\n", answer.event_count,
                      answer.event_count == 1 ? "record" : "records");
    }
    if (call->input == &cli_schema_id_words && answer.event_count < count) {
        missing_print(call, count, &answer);
        return EXIT_REFUSED;
    }
    rest_print(call, &answer);
    if (answer.event_count == 0 && call->input == &ledger_schema_account_filter)
        return nothing_explain(call, failure);
    return EXIT_DONE;
}

// --- from the command line to a request ----------------------------------------------------------

// The events of a file instead of one of the command line.
static enum status file_read(struct call *call, const char *path, struct failure *failure)
{
    if (record_is_any_given(cli_part(call->cli, call->input))) {
        return failure_set(failure, STATUS_INVALID, "--from and flags of one %s exclude each other",
                           call->input->name);
    }
    return ledger_events_read(&call->events, call->input, path, failure);
}

// Makes the body of a single request from what the command line says.
static enum status body_make(struct call *call, u32 *count, struct failure *failure)
{
    const struct record_arguments *part = cli_part(call->cli, call->input);
    *count = 1;
    if (call->input == &cli_schema_id_words) {
        const struct id_words *words = part->head;
        *count = words->ids_count;
        memcpy(call->body, (const u8 *)part->head + sizeof *words, *count * sizeof(struct id_word));
        return STATUS_OK;
    }
    memcpy(call->body, part->head, call->input->size);
    const u64 max = number_of(call->input, "timestamp_max", call->body);
    if (max != 0 && number_of(call->input, "timestamp_min", call->body) > max) {
        return failure_set(failure, STATUS_INVALID,
                           "--timestamp-min is later than --timestamp-max");
    }
    if (call->input == &ledger_schema_account_filter) {
        // Without a side the server answers with nothing.
        struct account_filter *filter = (void *)call->body;
        const u32 sides = ACCOUNT_FILTER_DEBITS | ACCOUNT_FILTER_CREDITS;
        if ((filter->flags & sides) == 0) filter->flags |= sides;
    }
    return record_check_arguments(part, failure);
}

static int call_run(struct call *call, struct failure *failure)
{
    const char *verb = call->cli->verb->name;
    const struct client_options *client = cli_part(call->cli, &cli_schema_client_options)->head;
    const bool creates = call->action->results != NULL;
    struct compat_client_options options = {.cluster = client->cluster,
                                            .turned_away_max = CLI_TURNED_AWAY_MAX};
    const char *from = "";
    u32 count = 0;
    call->timeout_ns = client->deadline * NS_PER_S;
    if (address_parse(client->connect, &options.address, failure) != STATUS_OK) {
        (void)failure_wrap(failure, "--connect");
        return cli_fail(verb, failure);
    }
    if (creates) {
        const struct from_option *option = cli_part(call->cli, &cli_schema_from_option)->head;
        from = option->from;
    }
    // What is wrong with what is sent is told before there is a connection.
    const enum status status =
        from[0] != 0 ? file_read(call, from, failure) : body_make(call, &count, failure);
    if (status != STATUS_OK) return cli_fail(verb, failure);
    if (cli_connect(verb, &call->client, &options, call->timeout_ns, failure) != STATUS_OK) {
        return server_fail(call, failure);
    }
    const int code = creates ? events_create(call, failure) : records_ask(call, count, failure);
    compat_client_close(&call->client);
    return code;
}

static int ledger_run(const struct cli_call *cli)
{
    struct failure failure = {0};
    struct call *call = calloc(1, sizeof *call);
    assert(call != NULL);
    *call = (struct call){
        .cli = cli,
        .action = cli->verb->context,
        .input = cli->verb->parts[0],
        .body = calloc(1, COMPAT_BODY_SIZE_MAX + 256),
    };
    assert(call->body != NULL);
    const int code = call_run(call, &failure);
    ledger_events_free(&call->events);
    free(call->body);
    free(call);
    return code;
}

// --- the actions ---------------------------------------------------------------------------------

static const char exits[] = "0 done, 1 refused (the reason is printed), 2 usage, 3 no answer";

// The order of both is that of help.
static const struct action actions[] = {
    {COMPAT_CREATE_ACCOUNTS, NULL, &ledger_schema_create_account_result},
    {COMPAT_LOOKUP_ACCOUNTS, &ledger_schema_account, NULL},
    {COMPAT_CREATE_TRANSFERS, NULL, &ledger_schema_create_transfer_result},
    {COMPAT_LOOKUP_TRANSFERS, &ledger_schema_transfer, NULL},
    {COMPAT_QUERY_ACCOUNTS, &ledger_schema_account, NULL},
    {COMPAT_QUERY_TRANSFERS, &ledger_schema_transfer, NULL},
    {COMPAT_GET_ACCOUNT_TRANSFERS, &ledger_schema_transfer, NULL},
    {COMPAT_GET_ACCOUNT_BALANCES, &ledger_schema_account_balance, NULL},
    {COMPAT_GET_CHANGE_EVENTS, &ledger_schema_change_event, NULL},
};

const struct cli_verb ledger_verbs[LEDGER_VERBS_COUNT] = {
    {.name = "account", .summary = "create and show accounts"},
    {
        .name = "account create",
        .summary = "create an account, or many with --from",
        .about = "Creates an account of a ledger. Ledger and code are numbers of your own, for a "
                 "book and for a kind of account; limits and history of balances are flags.",
        .example = "account create --id 1 --ledger 700 --code 10",
        .exits = exits,
        .parts = {&ledger_schema_account, &cli_schema_from_option, &cli_schema_client_options,
                  &cli_schema_form_options},
        .run = ledger_run,
        .context = &actions[0],
    },
    {
        .name = "account show",
        .summary = "look accounts up by id",
        .about = "Shows accounts with their balances as they are now.",
        .example = "account show 1 2",
        .exits = exits,
        .parts = {&cli_schema_id_words, &cli_schema_client_options, &cli_schema_form_options},
        .run = ledger_run,
        .context = &actions[1],
    },
    {.name = "transfer", .summary = "make and show transfers"},
    {
        .name = "transfer create",
        .summary = "make a transfer, or many with --from",
        .about = "Moves an amount, in the smallest unit of what the ledger counts, from the "
                 "debit account to the credit account. With --flags pending it is held until "
                 "another transfer posts or voids it (--pending-id, --flags post_pending or "
                 "void_pending). The amount must be given, 0 too, except for a void. Of a "
                 "post, --amount max posts all that is held; less posts a part and releases "
                 "the rest.",
        .example = "transfer create --id 1 --debit-account-id 1 --credit-account-id 2 \\\n"
                   "      --amount 100 "
                   "--ledger 700 --code 1",
        .exits = exits,
        .parts = {&ledger_schema_transfer, &cli_schema_from_option, &cli_schema_client_options,
                  &cli_schema_form_options},
        .run = ledger_run,
        .context = &actions[2],
    },
    {
        .name = "transfer show",
        .summary = "look transfers up by id",
        .about = "Shows transfers as they were made.",
        .example = "transfer show 1 --json",
        .exits = exits,
        .parts = {&cli_schema_id_words, &cli_schema_client_options, &cli_schema_form_options},
        .run = ledger_run,
        .context = &actions[3],
    },
    {.name = "query", .summary = "ask for accounts, transfers, balances, changes"},
    {
        .name = "query accounts",
        .summary = "accounts by what they say",
        .about = "Finds accounts that have all that is given, oldest first.",
        .example = "query accounts --ledger 700 --limit 10",
        .exits = exits,
        .parts = {&ledger_schema_query_filter, &cli_schema_client_options,
                  &cli_schema_form_options},
        .run = ledger_run,
        .context = &actions[4],
    },
    {
        .name = "query transfers",
        .summary = "transfers by what they say",
        .about = "Finds transfers that have all that is given, oldest first.",
        .example = "query transfers --code 1 --limit 10 --flags reversed",
        .exits = exits,
        .parts = {&ledger_schema_query_filter, &cli_schema_client_options,
                  &cli_schema_form_options},
        .run = ledger_run,
        .context = &actions[5],
    },
    {
        .name = "query account-transfers",
        .summary = "transfers of one account",
        .about = "Finds the transfers of an account, oldest first; without debits or credits "
                 "among the flags, both.",
        .example = "query account-transfers --account-id 1 --limit 10",
        .exits = exits,
        .parts = {&ledger_schema_account_filter, &cli_schema_client_options,
                  &cli_schema_form_options},
        .run = ledger_run,
        .context = &actions[6],
    },
    {
        .name = "query account-balances",
        .summary = "the balances of one account as they changed",
        .about = "Shows how the balances of an account changed, oldest first; of accounts that "
                 "were created with the flag history. Without debits or credits among the "
                 "flags, both are meant. As with TigerBeetle, expiries of pending transfers do "
                 "not appear here; `tael query changes` has them.",
        .example = "query account-balances --account-id 1 --limit 10 --csv",
        .exits = exits,
        .parts = {&ledger_schema_account_filter, &cli_schema_client_options,
                  &cli_schema_form_options},
        .run = ledger_run,
        .context = &actions[7],
    },
    {
        .name = "query changes",
        .summary = "what happened, with both accounts after each event",
        .about = "Lists postings in the order of time. The table has what moved, and the posted "
                 "debits of the account that was debited and the posted credits of the other "
                 "behind it; JSON and CSV have all of both accounts.",
        .example = "query changes --timestamp-min 2026-11-01 --json",
        .exits = exits,
        .parts = {&ledger_schema_change_events_filter, &cli_schema_client_options,
                  &cli_schema_form_options},
        .run = ledger_run,
        .context = &actions[8],
    },
};
