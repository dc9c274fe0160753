// SPDX-License-Identifier: Apache-2.0
//
// The verb dump: log and history of a stopped folder as people read them. For a table everything is
// read twice: once to measure the columns, once to print.
#include "cli/cli.h"
#include "codec/record_binary.h"
#include "codec/record_json.h"
#include "ledger/history_file.h"
#include "ledger/ledger_schema.h"
#include "machine/checkpoint.h"
#include "machine/commit.h"
#include "modules/module.h"
#include "os/disk.h"
#include "wal/wal.h"

#include <stdlib.h>

// One event or record as a line of JSON: of the largest record less than half.
#define EVENT_SIZE_MAX MIB

struct dump {
    const char *path;
    const struct dump_options *options;
    enum cli_form form;
    bool measures; // This walk prints nothing.
    struct cli_rows frames;
    struct cli_rows rows; // Commands, or rows of history.
    struct disk_folder folder;
};

// What cli.def says of these must be so.
static_assert((int)DUMP_FRAME_SEAL == FRAME_SEAL && (int)DUMP_FRAME_GENESIS == FRAME_GENESIS &&
                  (int)DUMP_FRAME_ROTATE == FRAME_ROTATE && (int)DUMP_FRAME_OWNER == FRAME_OWNER,
              "flags of frames");
static_assert((int)DUMP_COMMAND_GENESIS == COMMAND_GENESIS &&
                  (int)DUMP_COMMAND_TICK == COMMAND_TICK &&
                  (int)DUMP_COMMAND_REGISTER == COMMAND_REGISTER &&
                  (int)DUMP_COMMAND_COMPAT == COMMAND_COMPAT &&
                  (int)DUMP_COMMAND_OVERRIDE == COMMAND_OVERRIDE &&
                  (int)DUMP_COMMAND_MODULE == COMMAND_MODULES,
              "records of commands");
static_assert((int)DUMP_ROW_ACCOUNT == OUTCOME_ACCOUNT &&
                  (int)DUMP_ROW_TRANSFER == OUTCOME_TRANSFER &&
                  (int)DUMP_ROW_EXPIRY == OUTCOME_EXPIRY &&
                  (int)DUMP_ROW_BALANCE_DEBITS == OUTCOME_BALANCE_DEBITS &&
                  (int)DUMP_ROW_BALANCE_CREDITS == OUTCOME_BALANCE_CREDITS &&
                  (int)DUMP_ROW_COMMAND == OUTCOME_COMMAND &&
                  (int)DUMP_ROW_POSTING == OUTCOME_POSTING &&
                  (int)DUMP_ROW_EVIDENCE == OUTCOME_EVIDENCE,
              "kinds of rows");

// Measures a row in the first walk for a table, and prints it in the other.
static void row_take(const struct dump *dump, struct cli_rows *rows, const void *head)
{
    if (dump->measures) cli_rows_measure(rows, head);
    else cli_rows_print(rows, head);
}

// --- the log -------------------------------------------------------------------------------------

// One event, or record of a module, as an object.
static void event_json(const struct schema_record *record, const struct dump_event *place,
                       const u8 *event)
{
    char *line = malloc(EVENT_SIZE_MAX);
    assert(line != NULL);
    struct json_writer writer = json_writer_init(line, EVENT_SIZE_MAX);
    json_write_object_begin(&writer);
    record_json_write_members(&cli_schema_dump_event, RECORD_JSON_ALL, place, &writer);
    json_write_key(&writer, "event");
    record_json_write(record, RECORD_JSON_OMIT_ZERO, event, &writer);
    json_write_object_end(&writer);
    json_write_line_end(&writer);
    assert(!text_overflowed(&writer.text));
    (void)fwrite(line, 1, writer.text.size, stdout);
    free(line);
}

static void events_json(const struct schema_record *record, u64 position,
                        const struct compat_batches *batches)
{
    for (u32 i = 0; i < batches->event_count; i++) {
        const struct dump_event place = {.position = position, .index = i};
        event_json(record, &place, batches->events + (size_t)i * record->size);
    }
}

// The records of a module's command, which have heads and tails: objects in a table, too.
static void records_print(const struct dump *dump, const struct schema_record *record, u64 position,
                          const struct frame_command *command, const u8 *body)
{
    u64 at = 0;
    for (u32 i = 0; i < command->count; i++) {
        const struct dump_event place = {.position = position, .index = i};
        if (dump->form == CLI_TABLE) (void)fputs("        ", stdout);
        event_json(record, &place, body + at);
        at = align_up(at + record_binary_size(record, body + at), COMMAND_RECORD_ALIGNMENT);
    }
}

static void events_print(const struct dump *dump, const struct compat_operation *operation,
                         u64 position, const struct compat_batches *batches)
{
    const struct schema_record *record = operation->kind == COMPAT_KIND_CREATE_ACCOUNTS
                                             ? &ledger_schema_account
                                             : &ledger_schema_transfer;
    if (dump->form == CLI_JSON) {
        events_json(record, position, batches);
        return;
    }
    struct cli_rows rows;
    cli_rows_begin(&rows, record, CLI_TABLE, 8);
    for (u32 i = 0; i < batches->event_count; i++)
        cli_rows_measure(&rows, batches->events + (size_t)i * record->size);
    for (u32 i = 0; i < batches->event_count; i++)
        cli_rows_print(&rows, batches->events + (size_t)i * record->size);
    cli_rows_end(&rows);
}

static void command_take(struct dump *dump, const struct frame_view *view, u32 index)
{
    const struct frame_command *command = &view->commands[index];
    const bool is_module = command->record >= COMMAND_MODULES;
    struct dump_command row = {
        .position = view->header->position + index,
        .frame = view->header->sequence,
        .record = is_module ? DUMP_COMMAND_MODULE : command->record,
        .number = command->record,
        .bytes = command->body_size,
        .id = command->command_id,
        .session = command->session,
        .request = command->request,
    };
    const u8 *body = view->bodies[index];
    const struct compat_operation *raw = is_module ? compat_of_record(command->record) : NULL;
    const struct schema_record *record =
        is_module && raw == NULL ? module_record_of(command->record) : NULL;
    const struct compat_operation *operation =
        command->record == COMMAND_COMPAT ? compat_operation((u8)command->operation) : raw;
    struct compat_batches batches = {0};
    struct failure failure;
    bool decoded = false;
    if (raw != NULL) {
        decoded = command->body_size == (u64)command->count * raw->event_size;
        batches.events = body;
        batches.event_count = decoded ? command->count : 0;
    } else if (operation != NULL) {
        decoded = compat_decode(operation, body, command->body_size, &batches);
    }
    if (operation != NULL) cli_text_set(row.operation, sizeof row.operation, operation->name);
    if (record != NULL) cli_text_set(row.operation, sizeof row.operation, record->name);
    row.events = record != NULL ? command->count : batches.event_count;
    row_take(dump, &dump->rows, &row);
    if (!dump->options->events || dump->measures) return;
    if (decoded && batches.event_count > 0) {
        events_print(dump, operation, row.position, &batches);
    } else if (record != NULL && commit_check(record, body, command->body_size, command->count,
                                              &failure) == STATUS_OK) {
        records_print(dump, record, row.position, command, body);
    }
}

static void frame_take(struct dump *dump, const struct frame_view *view)
{
    const struct frame_header *header = view->header;
    struct dump_frame row = {
        .frame = header->sequence,
        .place = header->place,
        .position = header->position,
        .timestamp = header->timestamp,
        .commands = header->command_count,
        .flags = header->flags,
        .bytes = frame_size(header),
        .outcomes_up_to = header->outcome_sequence,
    };
    memcpy(row.body, header->body_digest.bytes, sizeof row.body);
    memcpy(row.outcomes, header->outcome_root.bytes, sizeof row.outcomes);
    // CSV has one kind of row; a command names its frame.
    if (dump->form != CLI_CSV) row_take(dump, &dump->frames, &row);
    for (u32 i = 0; i < header->command_count; i++) command_take(dump, view, i);
}

static enum status log_walk(struct dump *dump, struct failure *failure)
{
    struct wal wal;
    struct wal_reader reader;
    const struct wal_tail from = {0};
    enum status status = wal_init(&wal, &dump->folder.disk, failure);
    if (status != STATUS_OK) return status;
    status = wal_reader_init(&reader, &wal, &from, failure);
    u64 taken = 0;
    bool empty = true;
    while (status == STATUS_OK && taken < dump->options->limit) {
        struct frame_view view;
        enum wal_end end = WAL_END;
        status = wal_reader_next(&reader, &view, &end, failure);
        if (status != STATUS_OK || end == WAL_END) break;
        empty = false;
        if (end == WAL_TORN) {
            if (!dump->measures) {
                (void)fputs("an unfinished frame follows, which was never acknowledged\n", stderr);
            }
            break;
        }
        if (view.header->sequence < dump->options->from) continue;
        frame_take(dump, &view);
        taken++;
    }
    if (status == STATUS_OK && empty) {
        status = failure_set(failure, STATUS_NOT_FOUND, "%s holds no log", dump->path);
    }
    wal.tail.place = reader.tail.place;
    wal_reader_free(&reader);
    wal_free(&wal);
    return status;
}

// --- history -------------------------------------------------------------------------------------

// The names of the results of a kind of row; NULL when it has none.
static const struct schema_results *results_of(u8 kind)
{
    switch (kind) {
    case OUTCOME_ACCOUNT: return &ledger_schema_create_account_result;
    case OUTCOME_TRANSFER:
    case OUTCOME_EXPIRY:
    case OUTCOME_POSTING: return &ledger_schema_create_transfer_result;
    default: return NULL;
    }
}

// What became of a record of a module's command.
static void module_result_set(const struct outcome *outcome, char *out, size_t size)
{
    const struct module *module = module_of_record(outcome->code);
    const struct schema_result *result =
        module == NULL ? NULL : module_result_of(module, outcome->result);
    if (outcome->result == OUTCOME_CREATED) cli_text_set(out, size, "done");
    else if (result != NULL) cli_text_set(out, size, schema_lower(result->name).text);
    else (void)snprintf(out, size, "%u", outcome->result);
}

static void outcome_take(struct dump *dump, u64 number, const struct outcome *outcome)
{
    struct dump_row row = {
        .row = number,
        .kind = outcome->kind,
        .id = outcome->id,
        .amount = outcome->amount,
        .debit_row = outcome->debit_row,
        .credit_row = outcome->credit_row,
        .timestamp = outcome->timestamp,
        .code = outcome->code,
        .flags = outcome->flags,
        .pending_distance = outcome->pending_distance,
        .place = outcome_place(outcome),
    };
    const struct schema_results *results = results_of(outcome->kind);
    const u32 result = outcome->result == OUTCOME_CREATED ? U32_MAX : outcome->result;
    if (results != NULL) {
        cli_text_set(row.result, sizeof row.result, ledger_result_name(results, result).text);
    } else if (outcome->kind == OUTCOME_COMMAND) {
        module_result_set(outcome, row.result, sizeof row.result);
    }
    row_take(dump, &dump->rows, &row);
}

static enum status history_walk(struct dump *dump, struct failure *failure)
{
    struct disk *disk = &dump->folder.disk;
    struct checkpoint_head *head = malloc(sizeof *head);
    struct history_rows_page *page = malloc(sizeof *page);
    assert(head != NULL && page != NULL);
    enum status status = checkpoint_find(disk, head, failure);
    u64 end = status == STATUS_OK ? head->next_row : 0;
    u64 taken = 0;
    const u64 limit = dump->options->limit;
    for (u64 row = dump->options->from; row < end && taken < limit && status == STATUS_OK;) {
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
        if (status == STATUS_OK && !history_rows_page_holds(page, number)) {
            status = failure_set(failure, STATUS_CORRUPT, "history: %s, page %llu is damaged", name,
                                 (unsigned long long)(number % HISTORY_ROWS_FILE_PAGES));
            failure_hint(failure, HISTORY_DAMAGE_HINT);
        }
        for (; row / HISTORY_PAGE_ROWS == number && row < end && status == STATUS_OK; row++) {
            const struct outcome *outcome = &page->rows[row % HISTORY_PAGE_ROWS];
            if (outcome->kind == OUTCOME_NONE || taken == limit) continue;
            outcome_take(dump, row, outcome);
            taken++;
        }
    }
    free(page);
    free(head);
    return status;
}

// --- the verb ------------------------------------------------------------------------------------

static enum status dump_walk(struct dump *dump, struct failure *failure)
{
    return dump->options->history ? history_walk(dump, failure) : log_walk(dump, failure);
}

static enum status dump_print(struct dump *dump, struct failure *failure)
{
    enum status status = STATUS_OK;
    const bool has_frames = !dump->options->history && dump->form != CLI_CSV;
    struct cli_rows *rows = &dump->rows;
    cli_rows_begin(rows, dump->options->history ? &cli_schema_dump_row : &cli_schema_dump_command,
                   dump->form, has_frames ? 4 : 0);
    rows->may_be_cards = dump->options->history;
    // The session tells the client, too: it is the position of its register.
    rows->spare = dump->options->history ? NULL : "id";
    if (has_frames) cli_rows_begin(&dump->frames, &cli_schema_dump_frame, dump->form, 0);
    if (dump->form == CLI_TABLE) {
        dump->measures = true;
        status = dump_walk(dump, failure);
        dump->measures = false;
    }
    // Damage is told behind what stands in front of it.
    if (status == STATUS_OK || status == STATUS_CORRUPT) {
        if (has_frames) cli_rows_header(&dump->frames);
        cli_rows_header(rows);
        status = dump_walk(dump, failure);
    }
    if (has_frames) cli_rows_end(&dump->frames);
    cli_rows_end(rows);
    return status;
}

static int dump_run(const struct cli_call *call)
{
    struct failure failure = {0};
    const struct folder_word *word = cli_part(call, &cli_schema_folder_word)->head;
    const struct dump_options *options = cli_part(call, &cli_schema_dump_options)->head;
    if (options->events && (call->form == CLI_CSV || options->history)) {
        (void)failure_set(&failure, STATUS_INVALID, "--events and %s exclude each other",
                          options->history ? "--history" : "--csv");
        if (!options->history) {
            failure_hint(&failure, "accounts and transfers have other columns; --json has both");
        }
        return cli_fail(call->verb->name, &failure);
    }
    struct dump *dump = calloc(1, sizeof *dump);
    assert(dump != NULL);
    *dump = (struct dump){.path = word->dir, .options = options, .form = call->form};
    enum status status = disk_folder_open(&dump->folder, dump->path, DISK_FOLDER_LOOK, &failure);
    if (status == STATUS_OK) {
        status = dump_print(dump, &failure);
        disk_folder_close(&dump->folder);
    }
    free(dump);
    if (status == STATUS_OK) return EXIT_DONE;
    const int code = cli_fail(call->verb->name, &failure);
    return status == STATUS_CORRUPT ? EXIT_REFUSED : code;
}

const struct cli_verb dump_verb = {
    .name = "dump",
    .summary = "print log and history of a stopped folder",
    .about = "Prints the log of a data folder: its frames, and behind each its commands. JSON is "
             "an object a line: a frame has `frame` without `record`, a command `record`, an "
             "event or a record of a module `event`, and the position of its command; of a frame "
             "it also has what a table "
             "leaves out, its place and digests. CSV has the commands. A table that would be wider "
             "than the terminal leaves out the ids of commands. History is what the newest "
             "checkpoint holds; a server that stops cleanly leaves all of it there.",
    .example = "dump data --from 20 --limit 10 --events",
    .exits = "0 done, 1 damage was met (its place is named), 2 usage, 3 environment",
    .parts = {&cli_schema_folder_word, &cli_schema_dump_options, &cli_schema_form_options},
    .run = dump_run,
};
