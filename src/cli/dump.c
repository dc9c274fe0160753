// SPDX-License-Identifier: Apache-2.0
//
// The verb dump: log and history of a stopped folder as people read them.
#include "cli/cli.h"
#include "codec/civil.h"
#include "codec/number.h"
#include "codec/record_json.h"
#include "codec/record_text.h"
#include "ledger/history_file.h"
#include "ledger/ledger_schema.h"
#include "machine/checkpoint.h"
#include "os/disk.h"
#include "wal/wal.h"

#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "tael dump DIR [--events] [--history] [--from N] [--limit N] [--json]\n"
    "\n"
    "Prints the log of a data folder: a line a frame, a line a command. History is what the "
    "newest\n"
    "checkpoint holds; a server that stops cleanly leaves all of it there.\n"
    "\n"
    "  --events     print the events of each command too\n"
    "  --history    print the rows of history instead of the log\n"
    "  --from N     begin with frame N, or with row N of history\n"
    "  --limit N    print at most N frames or rows; 1000 when not given\n"
    "  --json       print one JSON object a line\n"
    "\n"
    "Exit code: 0 done, 1 damage was met (its place is named), 2 usage, 3 environment.\n";

struct dump {
    const char *path;
    bool events;
    bool history;
    bool json;
    u64 from;
    u64 limit;
    struct disk_folder folder;
};

static const char *const record_names[] = {
    [COMMAND_GENESIS] = "genesis", [COMMAND_TICK] = "tick",         [COMMAND_REGISTER] = "register",
    [COMMAND_COMPAT] = "compat",   [COMMAND_OVERRIDE] = "override",
};

static const char *const kind_names[] = {
    [OUTCOME_NONE] = "padding",
    [OUTCOME_ACCOUNT] = "account",
    [OUTCOME_TRANSFER] = "transfer",
    [OUTCOME_EXPIRY] = "expiry",
    [OUTCOME_BALANCE_DEBITS] = "balance_debits",
    [OUTCOME_BALANCE_CREDITS] = "balance_credits",
    [OUTCOME_COMMAND] = "command",
    [OUTCOME_POSTING] = "posting",
};

static void digest_text(const struct digest *digest, char out[17])
{
    for (u32 i = 0; i < 8; i++) (void)snprintf(out + 2 * (size_t)i, 3, "%02x", digest->bytes[i]);
}

// --- the log -------------------------------------------------------------------------------------

static void events_print(const struct dump *dump, const struct compat_operation *operation,
                         const struct compat_batches *batches)
{
    const struct schema_record *record = operation->kind == COMPAT_KIND_CREATE_ACCOUNTS
                                             ? &ledger_schema_account
                                             : &ledger_schema_transfer;
    for (u32 i = 0; i < batches->event_count; i++) {
        char buffer[4096];
        const u8 *event = batches->events + (size_t)i * operation->event_size;
        if (dump->json) {
            struct json_writer writer = json_writer_init(buffer, sizeof buffer);
            record_json_write(record, RECORD_JSON_OMIT_ZERO, event, &writer);
            (void)printf("    {\"event\":%.*s}\n", (int)writer.text.size, buffer);
        } else {
            struct text out = text_init(buffer, sizeof buffer);
            record_write_table(record, RECORD_TABLE_DROP_ZERO, event, record->size, 1, &out);
            (void)printf("%.*s", (int)MIN(out.size, sizeof buffer), buffer);
        }
    }
}

static void command_print(const struct dump *dump, const struct frame_view *view, u32 index)
{
    const struct frame_command *command = &view->commands[index];
    u64 position = view->header->position + index;
    const char *name = command->record < ARRAY_COUNT(record_names) && record_names[command->record]
                           ? record_names[command->record]
                           : "module";
    char client[NUMBER_SIZE_MAX];
    (void)number_print_u128(command->command_id, client);
    const struct compat_operation *operation =
        command->record == COMMAND_COMPAT ? compat_operation((u8)command->operation) : NULL;
    struct compat_batches batches = {0};
    bool decoded = operation != NULL &&
                   compat_decode(operation, view->bodies[index], command->body_size, &batches);
    if (dump->json) {
        (void)printf("  {\"position\":%llu,\"record\":\"%s\",\"number\":%u,\"operation\":\"%s\","
                     "\"id\":\"%s\",\"session\":%llu,\"request\":%u,\"events\":%u,\"bytes\":%u}\n",
                     (unsigned long long)position, name, command->record,
                     operation == NULL ? "" : operation->name, client,
                     (unsigned long long)command->session, command->request, batches.event_count,
                     command->body_size);
    } else {
        (void)printf("  %12llu  %-9s %-26s id %s session %llu request %u: %u events, %u bytes\n",
                     (unsigned long long)position, name, operation == NULL ? "" : operation->name,
                     client, (unsigned long long)command->session, command->request,
                     batches.event_count, command->body_size);
    }
    if (dump->events && decoded) events_print(dump, operation, &batches);
}

static void frame_print(const struct dump *dump, const struct frame_view *view)
{
    const struct frame_header *header = view->header;
    char body[17];
    char root[17];
    char moment[CIVIL_MOMENT_SIZE];
    digest_text(&header->body_digest, body);
    digest_text(&header->outcome_root, root);
    (void)civil_print_moment(header->timestamp, moment);
    const char *seal = header->flags & FRAME_SEAL ? " seal" : "";
    const char *rotate = header->flags & FRAME_ROTATE ? " rotate" : "";
    if (dump->json) {
        (void)printf("{\"frame\":%llu,\"place\":%llu,\"position\":%llu,\"timestamp\":\"%llu\","
                     "\"commands\":%u,\"bytes\":%llu,\"flags\":%u,\"body\":\"%s\","
                     "\"outcomes\":\"%s\",\"outcomes_up_to\":%llu}\n",
                     (unsigned long long)header->sequence, (unsigned long long)header->place,
                     (unsigned long long)header->position, (unsigned long long)header->timestamp,
                     header->command_count, (unsigned long long)frame_size(header), header->flags,
                     body, root, (unsigned long long)header->outcome_sequence);
    } else {
        (void)printf(
            "frame %llu at %llu  %s  %u commands, %llu bytes, body %s, outcomes up to %llu "
            "%s%s%s\n",
            (unsigned long long)header->sequence, (unsigned long long)header->place, moment,
            header->command_count, (unsigned long long)frame_size(header), body,
            (unsigned long long)header->outcome_sequence, root, seal, rotate);
    }
    for (u32 i = 0; i < header->command_count; i++) command_print(dump, view, i);
}

static enum status log_print(struct dump *dump, struct failure *failure)
{
    struct wal wal;
    struct wal_reader reader;
    const struct wal_tail from = {0};
    enum status status = wal_init(&wal, &dump->folder.disk, failure);
    if (status != STATUS_OK) return status;
    status = wal_reader_init(&reader, &wal, &from, failure);
    u64 printed = 0;
    bool empty = true;
    while (status == STATUS_OK && printed < dump->limit) {
        struct frame_view view;
        enum wal_end end = WAL_END;
        status = wal_reader_next(&reader, &view, &end, failure);
        if (status != STATUS_OK || end == WAL_END) break;
        empty = false;
        if (end == WAL_TORN) {
            (void)printf("an unfinished frame follows, which was never acknowledged\n");
            break;
        }
        if (view.header->sequence < dump->from) continue;
        frame_print(dump, &view);
        printed++;
    }
    if (status == STATUS_OK && empty && dump->limit > 0) {
        status = failure_set(failure, STATUS_NOT_FOUND, "%s holds no log", dump->path);
    }
    wal.tail.place = reader.tail.place;
    wal_reader_free(&reader);
    wal_free(&wal);
    return status;
}

// --- history -------------------------------------------------------------------------------------

// The row of an account, or a dash where there is none.
static const char *account_row(u32 row, char out[16])
{
    if (row == U32_MAX) return "-";
    (void)snprintf(out, 16, "%u", row);
    return out;
}

static void row_print(const struct dump *dump, u64 number, const struct outcome *row)
{
    char id[NUMBER_SIZE_MAX];
    char amount[NUMBER_SIZE_MAX];
    (void)number_print_u128(row->id, id);
    (void)number_print_u128(row->amount, amount);
    const char *kind = row->kind < ARRAY_COUNT(kind_names) ? kind_names[row->kind] : "unknown";
    const struct schema_results *results = row->kind == OUTCOME_ACCOUNT
                                               ? &ledger_schema_create_account_result
                                               : &ledger_schema_create_transfer_result;
    u32 result = row->result == OUTCOME_CREATED ? U32_MAX : row->result;
    const struct schema_name name = ledger_result_name(results, result);
    if (dump->json) {
        (void)printf("{\"row\":%llu,\"kind\":\"%s\",\"result\":\"%s\",\"id\":\"%s\","
                     "\"amount\":\"%s\",\"timestamp\":\"%llu\",\"debit_row\":%u,\"credit_row\":%u,"
                     "\"code\":%u,\"flags\":%u,\"place\":%llu,\"pending_distance\":%u}\n",
                     (unsigned long long)number, kind, name.text, id, amount,
                     (unsigned long long)row->timestamp, row->debit_row, row->credit_row, row->code,
                     row->flags, (unsigned long long)outcome_place(row), row->pending_distance);
    } else {
        char debit[16];
        char credit[16];
        (void)printf("%12llu  %-15s %-24s id %s amount %s debit row %s credit row %s at %llu\n",
                     (unsigned long long)number, kind, name.text, id, amount,
                     account_row(row->debit_row, debit), account_row(row->credit_row, credit),
                     (unsigned long long)row->timestamp);
    }
}

static enum status history_print(struct dump *dump, struct failure *failure)
{
    struct disk *disk = &dump->folder.disk;
    struct checkpoint_head *head = malloc(sizeof *head);
    struct history_rows_page *page = malloc(sizeof *page);
    assert(head != NULL && page != NULL);
    enum status status = checkpoint_find(disk, head, failure);
    u64 end = status == STATUS_OK ? head->next_row : 0;
    u64 printed = 0;
    for (u64 row = dump->from; row < end && printed < dump->limit && status == STATUS_OK;) {
        u64 number = row / HISTORY_PAGE_ROWS;
        char name[DISK_NAME_SIZE_MAX];
        (void)snprintf(name, sizeof name, "rows-%08llx",
                       (unsigned long long)(number / HISTORY_ROWS_FILE_PAGES));
        disk_handle file = -1;
        status = disk_open(disk, name, DISK_READ_ONLY, &file, failure);
        if (status != STATUS_OK) break;
        status = disk_read(disk, file, number % HISTORY_ROWS_FILE_PAGES * PAGE_SIZE, page,
                           sizeof *page, failure);
        disk_close(disk, file);
        for (; row / HISTORY_PAGE_ROWS == number && row < end && status == STATUS_OK; row++) {
            const struct outcome *outcome = &page->rows[row % HISTORY_PAGE_ROWS];
            if (outcome->kind == OUTCOME_NONE || printed == dump->limit) continue;
            row_print(dump, row, outcome);
            printed++;
        }
    }
    free(page);
    free(head);
    return status;
}

// --- the command line ----------------------------------------------------------------------------

static bool number_option(int argc, char **argv, int *i, u64 *out)
{
    u128 value = 0;
    if (*i + 1 == argc) return false;
    const char *text = argv[++*i];
    if (number_parse_u128(text, strlen(text), &value) != NUMBER_OK || value > U64_MAX) return false;
    *out = (u64)value;
    return true;
}

int dump_main(int argc, char **argv)
{
    struct dump *dump = calloc(1, sizeof *dump);
    assert(dump != NULL);
    dump->limit = 1000;
    const char *wrong = NULL;
    for (int i = 1; i < argc && wrong == NULL; i++) {
        const char *name = argv[i];
        if (cli_is_help(argv[i])) {
            (void)fputs(help, stdout);
            free(dump);
            return EXIT_DONE;
        }
        if (strcmp(argv[i], "--events") == 0) dump->events = true;
        else if (strcmp(argv[i], "--history") == 0) dump->history = true;
        else if (strcmp(argv[i], "--json") == 0) dump->json = true;
        else if (strcmp(argv[i], "--from") == 0) {
            if (!number_option(argc, argv, &i, &dump->from)) wrong = name;
        } else if (strcmp(argv[i], "--limit") == 0) {
            if (!number_option(argc, argv, &i, &dump->limit)) wrong = name;
        } else if (argv[i][0] != '-' && dump->path == NULL) dump->path = argv[i];
        else wrong = name;
    }
    if (wrong != NULL || dump->path == NULL) {
        if (wrong == NULL) (void)fprintf(stderr, "tael dump: which folder?\n\n%s", help);
        else (void)fprintf(stderr, "tael dump: %s is unknown or lacks a number\n\n%s", wrong, help);
        free(dump);
        return EXIT_USAGE;
    }
    struct failure failure = {0};
    enum status status = disk_folder_open(&dump->folder, dump->path, false, true, &failure);
    if (status == STATUS_OK) {
        status = dump->history ? history_print(dump, &failure) : log_print(dump, &failure);
        disk_folder_close(&dump->folder);
    }
    free(dump);
    if (status == STATUS_OK) return EXIT_DONE;
    int code = cli_fail("dump", &failure);
    return status == STATUS_CORRUPT ? EXIT_REFUSED : code;
}
