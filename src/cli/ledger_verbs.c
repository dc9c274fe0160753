// SPDX-License-Identifier: Apache-2.0
//
// The verbs account, transfer and query: a client of the compat port whose flags and output are
// made from the schema.
#include "cli/cli.h"
#include "codec/civil.h"
#include "codec/number.h"
#include "codec/record_json.h"
#include "codec/record_text.h"
#include "ledger/ledger_schema.h"
#include "server/compat_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARGUMENTS_MAX   256
#define OUTPUT_SIZE_MAX (64 * MIB)
#define INPUT_SIZE_MAX  (64 * MIB)

// One thing that can be done: its words, the record of its flags, the wire's operation, what it
// answers with.
struct action {
    const char *verb;
    const char *name;
    u8 operation;                       // enum compat_operation_number.
    const struct schema_record *input;  // NULL: ids.
    const struct schema_record *output; // NULL: results of creates.
    const struct schema_results *results;
    const char *summary;
};

static const struct action actions[] = {
    {"account", "create", COMPAT_CREATE_ACCOUNTS, &ledger_schema_account, NULL,
     &ledger_schema_create_account_result, "create an account, or many with --from"},
    {"account", "show", COMPAT_LOOKUP_ACCOUNTS, NULL, &ledger_schema_account, NULL,
     "look accounts up by id"},
    {"transfer", "create", COMPAT_CREATE_TRANSFERS, &ledger_schema_transfer, NULL,
     &ledger_schema_create_transfer_result, "make a transfer, or many with --from"},
    {"transfer", "show", COMPAT_LOOKUP_TRANSFERS, NULL, &ledger_schema_transfer, NULL,
     "look transfers up by id"},
    {"query", "accounts", COMPAT_QUERY_ACCOUNTS, &ledger_schema_query_filter,
     &ledger_schema_account, NULL, "accounts by what they say"},
    {"query", "transfers", COMPAT_QUERY_TRANSFERS, &ledger_schema_query_filter,
     &ledger_schema_transfer, NULL, "transfers by what they say"},
    {"query", "account-transfers", COMPAT_GET_ACCOUNT_TRANSFERS, &ledger_schema_account_filter,
     &ledger_schema_transfer, NULL, "transfers of one account"},
    {"query", "account-balances", COMPAT_GET_ACCOUNT_BALANCES, &ledger_schema_account_filter,
     &ledger_schema_account_balance, NULL,
     "balances of one account after each of its transfers (accounts with the flag history)"},
    {"query", "changes", COMPAT_GET_CHANGE_EVENTS, &ledger_schema_change_events_filter,
     &ledger_schema_change_event, NULL, "what happened, with both accounts after each event"},
};

struct options {
    struct compat_client_options client;
    u64 timeout_ns;
    enum cli_form form;
    const char *from;
    const char *rest[ARGUMENTS_MAX]; // Everything that is not an option of the program.
    int rest_count;
};

// --- help ----------------------------------------------------------------------------------------

static const char common_help[] =
    "  --connect HOST:PORT  the server, or a port alone, or unix:PATH; 127.0.0.1:3000 when not "
    "given\n"
    "  --cluster N          its cluster; 0 when not given\n"
    "  --deadline SECONDS   give up after this long; 10 when not given\n"
    "  --json               print one JSON object a line\n"
    "  --csv                print CSV\n"
    "\n"
    "Exit code: 0 done, 1 refused (the reason is printed), 2 usage, 3 no answer.\n";

static void verb_help(const char *verb, FILE *out)
{
    (void)fprintf(out, "tael %s ACTION [FLAGS]\n\n", verb);
    for (size_t i = 0; i < ARRAY_COUNT(actions); i++) {
        if (strcmp(actions[i].verb, verb) != 0) continue;
        (void)fprintf(out, "  %-18s %s\n", actions[i].name, actions[i].summary);
    }
    (void)fprintf(out, "\n%s\n`tael %s ACTION --help` tells an action's flags.\n", common_help,
                  verb);
}

static void action_help(const struct action *action)
{
    static const char *const examples[][2] = {
        {"account create", "tael account create --id 1 --ledger 700 --code 10"},
        {"account show", "tael account show 1 2"},
        {"transfer create", "tael transfer create --id 1 --debit-account-id 1 "
                            "--credit-account-id 2 --amount 100 --ledger 700 --code 1"},
        {"transfer show", "tael transfer show 1 --json"},
        {"query accounts", "tael query accounts --ledger 700 --limit 10"},
        {"query transfers", "tael query transfers --code 1 --limit 10 --flags reversed"},
        {"query account-transfers", "tael query account-transfers --account-id 1 --limit 10"},
        {"query account-balances", "tael query account-balances --account-id 1 --limit 10 --csv"},
        {"query changes", "tael query changes --timestamp-min 2026-11-01 --limit 100 --json"},
    };
    (void)printf("tael %s %s: %s\n\n", action->verb, action->name, action->summary);
    for (size_t i = 0; i < ARRAY_COUNT(examples); i++) {
        char words[64];
        (void)snprintf(words, sizeof words, "%s %s", action->verb, action->name);
        if (strcmp(words, examples[i][0]) == 0) (void)printf("  %s\n\n", examples[i][1]);
    }
    if (action->input == NULL) {
        (void)printf("  ID ...               decimal numbers\n");
    } else {
        char text[16384];
        struct text out = text_init(text, sizeof text);
        record_print_help(action->input, &out);
        (void)printf("%.*s\n", (int)MIN(out.size, sizeof text), text);
    }
    if (action->input == &ledger_schema_account_filter) {
        (void)printf("Without debits or credits among the flags, both are meant.\n\n");
    }
    if (action->results != NULL) {
        (void)printf(
            "  --from FILE          read many from a file: JSON objects, one a line, or CSV whose "
            "first\n"
            "                       row names the fields; - is standard input\n");
    }
    (void)printf("%s", common_help);
}

// --- the command line ----------------------------------------------------------------------------

static enum status option_number(const char *name, const char *text, u128 max, u128 *out,
                                 struct failure *failure)
{
    enum number_error error = number_parse_u128(text, strlen(text), out);
    if (error == NUMBER_OK && *out > max) error = NUMBER_TOO_LARGE;
    if (error == NUMBER_OK) return STATUS_OK;
    return failure_set(failure, STATUS_INVALID, "%s: \"%s\" %s", name, text,
                       number_error_text(error));
}

static enum status option_take(struct options *options, const char *name, const char *value,
                               struct failure *failure)
{
    u128 number = 0;
    enum status status = STATUS_OK;
    if (strcmp(name, "--connect") == 0) {
        return compat_address_parse(value, &options->client.address, failure);
    }
    if (strcmp(name, "--cluster") == 0) {
        return option_number(name, value, U128_MAX, &options->client.cluster, failure);
    }
    if (strcmp(name, "--deadline") == 0) {
        status = option_number(name, value, 86400, &number, failure);
        options->timeout_ns = (u64)number * NS_PER_S;
        return status;
    }
    assert(strcmp(name, "--from") == 0);
    options->from = value;
    return STATUS_OK;
}

static enum status options_parse(int argc, char **argv, struct options *options,
                                 struct failure *failure)
{
    static const char *const with_value[] = {"--connect", "--cluster", "--deadline", "--from"};
    options->timeout_ns = 10 * NS_PER_S;
    enum status status = compat_address_parse("127.0.0.1:3000", &options->client.address, failure);
    for (int i = 0; i < argc && status == STATUS_OK; i++) {
        const char *name = NULL;
        for (size_t j = 0; j < ARRAY_COUNT(with_value); j++) {
            if (strcmp(argv[i], with_value[j]) == 0) name = with_value[j];
        }
        if (strcmp(argv[i], "--json") == 0) options->form = CLI_JSON;
        else if (strcmp(argv[i], "--csv") == 0) options->form = CLI_CSV;
        else if (name != NULL && i + 1 == argc) {
            status = failure_set(failure, STATUS_INVALID, "%s needs a value", name);
        } else if (name != NULL) {
            status = option_take(options, name, argv[++i], failure);
        } else if (options->rest_count == ARGUMENTS_MAX) {
            status = failure_set(failure, STATUS_INVALID, "more than %d arguments", ARGUMENTS_MAX);
        } else {
            options->rest[options->rest_count++] = argv[i];
        }
    }
    return status;
}

// --- output --------------------------------------------------------------------------------------

static char *output_buffer(void)
{
    char *buffer = malloc(OUTPUT_SIZE_MAX);
    assert(buffer != NULL);
    return buffer;
}

static int records_print(const struct schema_record *record, enum cli_form form, const u8 *rows,
                         u32 count)
{
    char *buffer = output_buffer();
    struct text out = text_init(buffer, OUTPUT_SIZE_MAX);
    if (form == CLI_TABLE) {
        if (count > 0) {
            record_write_table(record, RECORD_TABLE_DROP_ZERO, rows, record->size, count, &out);
        }
    } else if (form == CLI_CSV) {
        record_write_csv_header(record, &out);
        for (u32 i = 0; i < count; i++) {
            record_write_csv_row(record, rows + (size_t)i * record->size, &out);
        }
    } else {
        for (u32 i = 0; i < count; i++) {
            struct json_writer writer =
                json_writer_init(buffer + out.size, OUTPUT_SIZE_MAX - out.size);
            record_json_write(record, RECORD_JSON_ALL, rows + (size_t)i * record->size, &writer);
            json_write_line_end(&writer);
            out.size += writer.text.size;
        }
    }
    bool fits = out.size <= OUTPUT_SIZE_MAX;
    if (fits) (void)fwrite(buffer, 1, out.size, stdout);
    (void)fflush(stdout);
    if (form == CLI_TABLE) {
        (void)fprintf(stderr, "%u %s\n", count, count == 1 ? "record" : "records");
    }
    free(buffer);
    return fits ? EXIT_DONE : EXIT_ENVIRONMENT;
}

// The number of created is the same in both tables.
static bool is_created(u32 number)
{
    return number == (u32)CREATE_TRANSFER_CREATED;
}

// How wide ids are, as wide as their heading at least.
static int ids_width(const u8 *events, u32 count)
{
    size_t width = 2;
    for (u32 i = 0; i < count; i++) {
        char id[NUMBER_SIZE_MAX];
        size_t size = number_print_u128(load_u128(events + (size_t)i * 128), id);
        width = MAX(width, size);
    }
    return (int)width;
}

// Prints what became of each event. Returns how many were refused.
static u32 results_print(const struct action *action, enum cli_form form, const u8 *events,
                         const struct create_result *results, u32 count, bool header)
{
    u32 refused = 0;
    const int width = form == CLI_TABLE ? ids_width(events, count) : 0;
    if (form == CLI_CSV && header) (void)printf("id,result,number,timestamp\r\n");
    if (form == CLI_TABLE && header) {
        (void)printf("%*s  %-30s  %s\n", width, "id", "timestamp", "result");
    }
    for (u32 i = 0; i < count; i++) {
        char id[48];
        (void)number_print_u128(load_u128(events + (size_t)i * 128), id);
        const struct create_result *result = &results[i];
        const struct schema_name name = ledger_result_name(action->results, result->status);
        unsigned long long timestamp = result->timestamp;
        bool created = is_created(result->status);
        refused += !created && strcmp(name.text, "exists") != 0;
        if (form == CLI_JSON) {
            (void)printf("{\"id\":\"%s\",\"result\":\"%s\",\"number\":%u,\"timestamp\":\"%llu\"}\n",
                         id, name.text, result->status, timestamp);
        } else if (form == CLI_CSV) {
            (void)printf("%s,%s,%u,%llu\r\n", id, name.text, result->status, timestamp);
        } else {
            char moment[CIVIL_MOMENT_SIZE];
            (void)civil_print_moment(result->timestamp, moment);
            const struct schema_result *row = schema_find_result(action->results, result->status);
            (void)printf("%*s  %-30s  %s", width, id, moment, name.text);
            if (!created && row != NULL) (void)printf(": %s", row->sentence);
            (void)printf("\n");
        }
    }
    return refused;
}

// --- calls ---------------------------------------------------------------------------------------

struct call {
    const struct action *action;
    const struct options *options;
    struct compat_client *client;
    u8 *body; // COMPAT_BODY_SIZE_MAX.
    u32 sent; // Events so far.
    u32 refused;
};

static enum status call_make(struct call *call, u32 count, struct compat_batches *answer,
                             struct failure *failure)
{
    u8 wire = (u8)(COMPAT_OPERATION_BASE + call->action->operation);
    const struct compat_operation *operation = compat_operation(wire);
    u32 size = count * operation->event_size;
    if (operation->multi_batch) size = compat_body_finish(wire, call->body, count);
    const struct compat_answer *got = NULL;
    enum status status = compat_client_call(call->client, wire, call->body, size,
                                            call->options->timeout_ns, &got, failure);
    if (status == STATUS_OK) *answer = got->batches;
    return status;
}

static enum status events_send(struct call *call, u32 count, struct failure *failure)
{
    struct compat_batches answer;
    enum status status = call_make(call, count, &answer, failure);
    if (status != STATUS_OK) return status;
    call->refused +=
        results_print(call->action, call->options->form, call->body, (const void *)answer.events,
                      MIN(answer.event_count, count), call->sent == 0);
    call->sent += count;
    return STATUS_OK;
}

static enum status input_read(const char *path, char **text, size_t *size, struct failure *failure)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (file == NULL) return failure_set(failure, STATUS_NOT_FOUND, "cannot open %s", path);
    *text = malloc(INPUT_SIZE_MAX);
    assert(*text != NULL);
    *size = fread(*text, 1, INPUT_SIZE_MAX, file);
    bool more = !feof(file);
    int error = ferror(file) ? errno : 0;
    if (file != stdin) (void)fclose(file);
    if (!more) return STATUS_OK;
    free(*text);
    *text = NULL;
    if (error != 0) return failure_set_errno(failure, STATUS_IO, error, "reading %s", path);
    return failure_set(failure, STATUS_INVALID, "%s has more than %llu bytes", path,
                       (unsigned long long)INPUT_SIZE_MAX);
}

static bool is_blank(char character)
{
    return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

// The next event of a file of JSON objects, one a line. False at its end.
static bool json_event_next(struct json_lines *lines, const struct schema_record *record, void *out,
                            enum status *status, struct failure *failure)
{
    const char *line = NULL;
    size_t size = 0;
    size_t used = 0;
    u32 number = 0;
    if (!json_lines_next(lines, true, &line, &size, &number)) return false;
    *status = record_json_parse(record, line, size, number, out, record->size, &used, failure);
    return true;
}

// Sends the events of a file, a full batch at a time: JSON when it begins with a brace, else CSV.
// Every line is checked before the first is sent.
static enum status events_from(struct call *call, const char *path, struct failure *failure)
{
    const struct schema_record *record = call->action->input;
    char *text = NULL;
    size_t size = 0;
    enum status status = input_read(path, &text, &size, failure);
    struct record_csv *csv = calloc(1, sizeof *csv);
    assert(csv != NULL);
    size_t begin = 0;
    while (status == STATUS_OK && begin < size && is_blank(text[begin])) begin++;
    bool is_json = begin == size || (status == STATUS_OK && text[begin] == '{');
    for (u32 pass = 0; pass < 2 && status == STATUS_OK; pass++) {
        struct json_lines lines = json_lines_init(text, size, 1);
        u32 count = 0;
        if (!is_json) status = record_csv_begin(csv, record, text, size, failure);
        while (status == STATUS_OK) {
            u8 *event = call->body + (size_t)count * record->size;
            bool is_over = false;
            if (is_json) is_over = !json_event_next(&lines, record, event, &status, failure);
            else status = record_csv_next(csv, event, &is_over, failure);
            if (is_over) break;
            if (status != STATUS_OK || pass == 0) continue;
            if (++count < LEDGER_BATCH_EVENTS_MAX) continue;
            status = events_send(call, count, failure);
            count = 0;
        }
        if (status == STATUS_OK && count > 0) status = events_send(call, count, failure);
    }
    free(csv);
    free(text);
    return status;
}

static enum status ids_parse(struct call *call, u32 *count, struct failure *failure)
{
    const struct options *options = call->options;
    *count = 0;
    if (options->rest_count == 0) {
        return failure_set(failure, STATUS_INVALID, "give one id at least");
    }
    if (options->from != NULL) {
        return failure_set(failure, STATUS_INVALID, "--from is for creating");
    }
    for (int i = 0; i < options->rest_count; i++) {
        u128 id = 0;
        if (strncmp(options->rest[i], "--", 2) == 0) {
            (void)failure_set(failure, STATUS_INVALID, "%s is no flag of this action",
                              options->rest[i]);
            failure_hint(failure, "ids stand alone: tael %s show 1 2", call->action->verb);
            return STATUS_INVALID;
        }
        enum status status = option_number("id", options->rest[i], U128_MAX, &id, failure);
        if (status != STATUS_OK) return status;
        store_u128(call->body + (size_t)(*count)++ * sizeof id, id);
    }
    return STATUS_OK;
}

// Checks the command line and makes the body of a single request, before there is a connection.
static enum status body_make(struct call *call, u32 *count, struct failure *failure)
{
    const struct action *action = call->action;
    const struct options *options = call->options;
    if (action->input == NULL) return ids_parse(call, count, failure);
    *count = 1;
    if (options->from != NULL) {
        if (action->results == NULL) {
            return failure_set(failure, STATUS_INVALID, "--from is for creating");
        }
        if (options->rest_count > 0) {
            return failure_set(failure, STATUS_INVALID, "--from and %s exclude each other",
                               options->rest[0]);
        }
        return STATUS_OK;
    }
    struct record_arguments part = {.record = action->input, .head = call->body};
    char command[64];
    (void)snprintf(command, sizeof command, "tael %s %s", action->verb, action->name);
    enum status status =
        record_parse_arguments(&part, 1, command, options->rest_count, options->rest, failure);
    if (status == STATUS_OK) status = record_check_arguments(&part, failure);
    if (status == STATUS_OK && action->input == &ledger_schema_account_filter) {
        // Without a side the server answers with nothing.
        struct account_filter *filter = (void *)call->body;
        const u32 sides = ACCOUNT_FILTER_DEBITS | ACCOUNT_FILTER_CREDITS;
        if ((filter->flags & sides) == 0) filter->flags |= sides;
    }
    return status;
}

// Says which ids of a look-up have no record: answers are in the order of the ids, without those.
static void missing_print(const struct call *call, u32 count, const struct compat_batches *answer)
{
    const u32 size = call->action->output->size;
    u32 found = 0;
    for (u32 i = 0; i < count; i++) {
        const u128 id = load_u128(call->body + (size_t)i * sizeof id);
        if (found < answer->event_count && load_u128(answer->events + (size_t)found * size) == id) {
            found++;
            continue;
        }
        char text[NUMBER_SIZE_MAX];
        (void)number_print_u128(id, text);
        (void)fprintf(stderr, "tael %s: no %s has the id %s\n", call->action->verb,
                      call->action->verb, text);
    }
}

static int call_run(struct call *call, u32 count, struct failure *failure)
{
    const struct action *action = call->action;
    enum status status = STATUS_OK;
    int code = EXIT_DONE;
    if (action->results != NULL) {
        status = call->options->from != NULL ? events_from(call, call->options->from, failure)
                                             : events_send(call, count, failure);
        if (call->refused > 0) code = EXIT_REFUSED;
    } else {
        struct compat_batches answer;
        status = call_make(call, count, &answer, failure);
        if (status == STATUS_OK) {
            code = records_print(action->output, call->options->form, answer.events,
                                 answer.event_count);
            if (action->input == NULL && answer.event_count < count) {
                missing_print(call, count, &answer);
                code = EXIT_REFUSED;
            }
        }
    }
    return status == STATUS_OK ? code : cli_fail(action->verb, failure);
}

static int action_run(const struct action *action, const struct options *options)
{
    struct call call = {.action = action, .options = options};
    struct failure failure = {0};
    call.body = calloc(1, COMPAT_BODY_SIZE_MAX + 256);
    call.client = calloc(1, sizeof *call.client);
    assert(call.body != NULL && call.client != NULL);
    u32 count = 0;
    int code = EXIT_DONE;
    enum status status = body_make(&call, &count, &failure);
    if (status == STATUS_OK) {
        status =
            compat_client_connect(call.client, &options->client, options->timeout_ns, &failure);
        if (status == STATUS_OK) {
            code = call_run(&call, count, &failure);
            compat_client_close(call.client);
        }
    }
    if (status != STATUS_OK) code = cli_fail(action->verb, &failure);
    free(call.client);
    free(call.body);
    return code;
}

static int verb_main(int argc, char **argv)
{
    const char *verb = argv[0];
    if (argc < 2 || cli_is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        verb_help(verb, argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_DONE;
    }
    const struct action *action = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(actions); i++) {
        if (strcmp(actions[i].verb, verb) == 0 && strcmp(actions[i].name, argv[1]) == 0) {
            action = &actions[i];
        }
    }
    if (action == NULL) {
        (void)fprintf(stderr, "tael %s: no action %s\nhint: `tael %s --help` lists them\n", verb,
                      argv[1], verb);
        return EXIT_USAGE;
    }
    for (int i = 2; i < argc; i++) {
        if (cli_is_help(argv[i])) {
            action_help(action);
            return EXIT_DONE;
        }
    }
    struct options *options = calloc(1, sizeof *options);
    assert(options != NULL);
    struct failure failure = {0};
    int code = options_parse(argc - 2, argv + 2, options, &failure) == STATUS_OK
                   ? action_run(action, options)
                   : cli_fail(verb, &failure);
    free(options);
    return code;
}

int account_main(int argc, char **argv)
{
    return verb_main(argc, argv);
}

int transfer_main(int argc, char **argv)
{
    return verb_main(argc, argv);
}

int query_main(int argc, char **argv)
{
    return verb_main(argc, argv);
}

void ledger_verbs_flags(void (*visit)(void *context, const char *verb, const char *action,
                                      const char *flag),
                        void *context)
{
    static const char *const common[] = {"connect", "cluster", "deadline", "json", "csv", "help"};
    for (size_t i = 0; i < ARRAY_COUNT(actions); i++) {
        const struct action *action = &actions[i];
        for (size_t j = 0; j < ARRAY_COUNT(common); j++) {
            visit(context, action->verb, action->name, common[j]);
        }
        if (action->results != NULL) visit(context, action->verb, action->name, "from");
        for (u32 j = 0; action->input != NULL && j < action->input->field_count; j++) {
            const struct schema_field *field = &action->input->fields[j];
            if (schema_field_is_reserved(field)) continue;
            visit(context, action->verb, action->name, field->name);
        }
    }
}
