// SPDX-License-Identifier: Apache-2.0
//
// The rows of command_table.h, run against a world.
#include "machine/command_table_internal.h"

#include "codec/record_binary.h"
#include "codec/record_json.h"
#include "ledger/ledger_names.h"
#include "ledger/ledger_schema.h"

#include <stdlib.h>

#define LEFT_OUT    U32_MAX
#define NEXT_ID     1000000u // Ids of commands that are given none.
#define NEXT_NUMBER 1000001u // The first `next` of a table.
#define LISTED_MAX  64u      // Accounts or postings that one row lists.

// --- results -------------------------------------------------------------------------------------

static const struct {
    const char *name;
    u32 number;
} shared_results[] = {
    {"done", MODULE_DONE},
    {"posting_refused", MODULE_POSTING_REFUSED},
    {"full", MODULE_FULL},
    {"malformed", MODULE_MALFORMED},
    {"unknown", MODULE_UNKNOWN},
    {"reused", MODULE_REUSED},
    {"exists", MODULE_EXISTS},
    {"exists_with_different_content", MODULE_EXISTS_WITH_DIFFERENT_CONTENT},
    {"expired", MODULE_EXPIRED},
    {"constraint_broken", MODULE_CONSTRAINT_BROKEN},
    {"principal_closed", MODULE_PRINCIPAL_CLOSED},
    {"not_delegated", MODULE_NOT_DELEGATED},
    {"sub_ledger_broken", MODULE_SUB_LEDGER_BROKEN},
    {"held_up", MODULE_HELD_UP},
};

// A module's own name goes before one that all share: its `exists` is another one.
static bool result_find(const struct schema_module *schema, const char *text, size_t size,
                        u32 *number)
{
    for (u32 i = 0; schema != NULL && i < schema->results_count; i++) {
        for (u32 j = 0; j < schema->results[i]->row_count; j++) {
            *number = schema->results[i]->rows[j].number;
            if (schema_name_equal(schema->results[i]->rows[j].name, text, size)) return true;
        }
    }
    for (u32 i = 0; i < ARRAY_COUNT(shared_results); i++) {
        *number = shared_results[i].number;
        if (schema_name_equal(shared_results[i].name, text, size)) return true;
    }
    return false;
}

static void result_print(const struct schema_module *schema, u32 number, struct text *out)
{
    for (u32 i = 0; i < ARRAY_COUNT(shared_results); i++) {
        if (shared_results[i].number != number) continue;
        text_append_string(out, shared_results[i].name);
        return;
    }
    for (u32 i = 0; schema != NULL && i < schema->results_count; i++) {
        const struct schema_result *result = schema_find_result(schema->results[i], number);
        if (result == NULL) continue;
        text_append_string(out, schema_lower(result->name).text);
        return;
    }
    text_append_format(out, "result %u", number);
}

// A reply as a row has it.
struct reply_text {
    char bytes[256];
};

static struct reply_text reply_print(const struct schema_module *schema,
                                     const struct command_reply *reply)
{
    struct reply_text printed = {{0}};
    struct text text = text_init(printed.bytes, sizeof printed.bytes - 1);
    result_print(schema, reply->result, &text);
    if (reply->result == MODULE_POSTING_REFUSED) {
        const struct ledger_result_row *row =
            ledger_result_find(ledger_create_transfer_results(), reply->posting_result);
        text_append_format(&text, " %u %s", reply->posting,
                           row == NULL ? "?" : schema_lower(row->name).text);
    } else if (reply->result == MODULE_CONSTRAINT_BROKEN && reply->posting_result == 0) {
        text_append_format(&text, " %u", reply->posting);
    } else if (reply->posting != 0 || reply->posting_result != 0) {
        text_append_format(&text, " (posting %u, %u)", reply->posting, reply->posting_result);
    }
    for (u32 i = 0; i < 2; i++) {
        if (is_zero(&reply->evidence[i], (2 - i) * sizeof(u128))) break;
        text_append_char(&text, ' ');
        if (reply->result == MODULE_CONSTRAINT_BROKEN) {
            text_append_i128(&text, (i128)reply->evidence[i]);
        } else {
            text_append_u128(&text, reply->evidence[i]);
        }
    }
    return printed;
}

// Takes the result and its evidence, to the end of the row, as what is expected of a reply.
static bool take_result(struct table_runner *runner, const struct schema_module *schema,
                        struct expected *expected)
{
    struct command_reply *reply = &expected->reply;
    const char *word = "the row ends";
    size_t size = strlen(word);
    *expected = (struct expected){.line = runner->line};
    if (!table_word(runner, &word, &size) || !result_find(schema, word, size, &reply->result)) {
        table_complain_text(runner, "not a result", word, size);
        return false;
    }
    if (reply->result == MODULE_POSTING_REFUSED) {
        reply->posting = (u32)table_number(runner, U32_MAX);
        char name[SCHEMA_NAME_SIZE_MAX] = {0};
        if (table_word(runner, &word, &size)) memcpy(name, word, MIN(size, sizeof name - 1));
        const struct ledger_result_row *row =
            ledger_result_find_name(ledger_create_transfer_results(), name);
        if (row == NULL) {
            table_complain_text(runner, "not a result of create_transfer", word, size);
            return false;
        }
        reply->posting_result = row->number;
    }
    if (reply->result == MODULE_CONSTRAINT_BROKEN) {
        reply->posting = (u32)table_number(runner, U32_MAX);
    }
    for (u32 i = 0; i < 2 && !table_row_is_done(runner); i++) {
        expected->is_then = i == 1 && table_word_if(runner, "then");
        if (!expected->is_then) reply->evidence[i] = table_signed(runner);
    }
    expected->valid = true;
    return true;
}

// A record of a business module, or of the ledger.
static const struct schema_record *record_find(const char *name)
{
    for (u32 i = 0; i < module_count; i++) {
        const struct schema_record *record = schema_find_record(modules[i]->schema, name);
        if (record != NULL) return record;
    }
    return schema_find_record(&ledger_schema, name);
}

static void count_result(struct table_runner *runner, u32 record_number, u32 result)
{
    const struct module *module = module_of_record(record_number);
    if (module == NULL || result >= COMMAND_TABLE_RESULTS_MAX) return;
    runner->report->results[module_index(module)][result]++;
}

// --- commands ------------------------------------------------------------------------------------

static void command_begin(struct table_runner *runner)
{
    runner->record = NULL;
    runner->command_id = runner->next_id++;
    runner->body_size = 0;
    runner->count = 0;
    runner->claimed_size = LEFT_OUT;
    runner->claimed_count = LEFT_OUT;
    runner->world->expires_at = 0;
    runner->expected_count = 0;
}

static bool reply_equal(const struct command_reply *a, const struct command_reply *b)
{
    return a->result == b->result && a->posting == b->posting &&
           a->posting_result == b->posting_result && a->reserved == b->reserved &&
           a->evidence[0] == b->evidence[0] && a->evidence[1] == b->evidence[1];
}

static u32 replies_get(struct table_runner *runner, u16 number, struct command_reply *replies)
{
    const u32 size = runner->claimed_size != LEFT_OUT ? runner->claimed_size : runner->body_size;
    const u32 count = runner->claimed_count != LEFT_OUT ? runner->claimed_count : runner->count;
    const u32 got =
        command_world_run(runner->world, runner->command_id, number, runner->body, size, count);
    assert(got <= BATCH_MAX);
    for (u32 i = 0; i < got; i++) replies[i] = command_world_reply(runner->world, i);
    return got;
}

// When the record of this number and key was carried out; 0 when it was not.
static u64 done_at(const struct table_runner *runner, u32 number, u128 key)
{
    for (u32 i = 0; i < runner->done_count; i++) {
        if (runner->done[i].number == number && runner->done[i].key == key) {
            return runner->done[i].timestamp;
        }
    }
    return 0;
}

static void done_keep(struct table_runner *runner, u32 number, u32 i,
                      const struct command_reply *reply)
{
    if (reply->result != MODULE_DONE || runner->record == NULL) return;
    assert(runner->done_count < DONE_MAX);
    runner->done[runner->done_count++] = (struct done){
        .number = number, .key = runner->expected[i].key, .timestamp = reply->timestamp};
}

static void check_reply(struct table_runner *runner, u32 number, u32 i,
                        const struct command_reply *reply)
{
    struct expected *expected = &runner->expected[i];
    const struct module *module = module_of_record(number);
    const struct schema_module *schema = module == NULL ? NULL : module->schema;
    if (!expected->valid) return; // Complained of when it was read.
    if (expected->is_then) {
        expected->reply.evidence[1] = done_at(runner, number, expected->reply.evidence[0]);
    }
    if (reply_equal(&expected->reply, reply)) {
        count_result(runner, number, reply->result);
        return;
    }
    const struct reply_text wanted = reply_print(schema, &expected->reply);
    const struct reply_text got = reply_print(schema, reply);
    table_complain(runner, expected->line, "result", wanted.bytes, got.bytes);
}

// Runs what was collected, twice.
static void command_end(struct table_runner *runner, u16 number)
{
    struct command_reply replies[BATCH_MAX];
    struct command_reply again[BATCH_MAX];
    const u32 got = replies_get(runner, number, replies);
    const u64 position = runner->world->node.machine.position;
    if (got != runner->expected_count) {
        table_complain_text(runner, "there are not as many replies as are expected", "", 0);
        return;
    }
    for (u32 i = 0; i < got; i++) {
        check_reply(runner, number, i, &replies[i]);
        done_keep(runner, number, i, &replies[i]);
        if (i > 0 && replies[i].timestamp <= replies[i - 1].timestamp) {
            table_complain_text(runner, "timestamps of the replies do not rise", "", 0);
        }
    }
    if (replies[0].result == MODULE_REUSED) return;
    const u32 got_again = replies_get(runner, number, again);
    if (got_again != got || memcmp(replies, again, got * sizeof *again) != 0) {
        table_complain_text(runner, "the repeated command has another reply", "", 0);
    }
    if (replies[0].position > position) {
        table_complain_text(runner, "the position of the reply is ahead", "", 0);
    }
}

// Takes `id 7` and the like, to `->` or the end; `byte` changes the record of `size` bytes.
static bool take_options(struct table_runner *runner, u8 *record, u32 size)
{
    while (!table_row_is_done(runner)) {
        if (table_word_if(runner, "->")) return true;
        if (table_word_if(runner, "id")) {
            runner->command_id = table_number(runner, U128_MAX);
        } else if (table_word_if(runner, "size")) {
            runner->claimed_size = (u32)table_number(runner, BODY_MAX);
        } else if (table_word_if(runner, "expires")) {
            runner->world->expires_at =
                runner->world->timestamp + (u64)table_number(runner, U32_MAX);
        } else if (table_word_if(runner, "count")) {
            runner->claimed_count = (u32)table_number(runner, U32_MAX - 1);
        } else if (size > 0 && table_word_if(runner, "byte")) {
            const u32 offset = (u32)table_number(runner, size - 1);
            record[offset] = (u8)table_number(runner, 255);
        } else {
            const char *word = NULL;
            size_t word_size = 0;
            (void)table_word(runner, &word, &word_size);
            table_complain_text(runner, "not a word of this row", word, word_size);
        }
    }
    return false;
}

// Parses members into a record; the failure's words have no line of their own.
static bool parse(struct table_runner *runner, const struct schema_record *record,
                  const char *members, void *out, size_t capacity, u32 *size)
{
    struct failure failure;
    size_t whole = 0;
    if (record_json_parse(record, members, strlen(members), runner->line, out, capacity, &whole,
                          &failure) != STATUS_OK) {
        table_complain_text(runner, failure.message, "", 0);
        return false;
    }
    *size = (u32)whole;
    return true;
}

static void run_command(struct table_runner *runner, const struct schema_record *record)
{
    const u32 from = (u32)align_up(runner->body_size, COMMAND_RECORD_ALIGNMENT);
    u32 size = 0;
    if (!runner->batch_open) command_begin(runner);
    const u32 at = runner->batch_open ? from : 0;
    if ((runner->record != NULL && runner->record != record) || runner->count == BATCH_MAX) {
        table_complain_text(runner, "does not fit into the batch", record->name,
                            strlen(record->name));
        return;
    }
    runner->record = record;
    memset(runner->body + at, 0, BODY_MAX - at);
    if (!table_members_given(runner, record, runner->merged)) return;
    if (!parse(runner, record, runner->merged, runner->body + at, BODY_MAX - at, &size)) return;
    runner->body_size = at + size;
    runner->count++;
    if (take_options(runner, runner->body + at, size)) {
        struct expected *expected = &runner->expected[runner->expected_count++];
        (void)take_result(runner, record->module, expected);
        expected->key = load_u128(runner->body + at);
    } else if (!runner->batch_open) {
        table_complain_text(runner, "the row expects nothing", "", 0);
        return;
    }
    if (!runner->batch_open) command_end(runner, (u16)record->number);
}

static void run_batch(struct table_runner *runner)
{
    command_begin(runner);
    runner->batch_open = true;
    if (take_options(runner, NULL, 0)) table_complain_text(runner, "the batch has rows", "", 0);
}

static void run_end(struct table_runner *runner)
{
    if (!runner->batch_open || runner->record == NULL) {
        runner->batch_open = false;
        table_complain_text(runner, "there is no batch", "", 0);
        return;
    }
    runner->batch_open = false;
    if (table_word_if(runner, "->")) {
        runner->expected_count = 1;
        (void)take_result(runner, runner->record->module, &runner->expected[0]);
    }
    command_end(runner, (u16)runner->record->number);
}

// One command of so many equal records, all of which must be done; given once.
static void run_many(struct table_runner *runner)
{
    const u32 count = (u32)table_number(runner, COMMAND_RECORDS_MAX);
    const char *word = "the row ends";
    size_t word_size = strlen(word);
    char name[SCHEMA_NAME_SIZE_MAX] = {0};
    u32 size = 0;
    if (table_word(runner, &word, &word_size)) memcpy(name, word, MIN(word_size, sizeof name - 1));
    const struct schema_record *record = record_find(name);
    if (record == NULL || record->kind != RECORD_COMMAND) {
        table_complain_text(runner, "not a command", word, word_size);
        return;
    }
    command_begin(runner);
    memset(runner->body, 0, BODY_MAX);
    if (!table_members_given(runner, record, runner->merged)) return;
    if (!parse(runner, record, runner->merged, runner->body, BODY_MAX, &size)) return;
    const u32 step = (u32)align_up(size, COMMAND_RECORD_ALIGNMENT);
    if (count == 0 || (u64)step * count > BODY_MAX) {
        table_complain_text(runner, "too many, or none", "", 0);
        return;
    }
    for (u32 i = 1; i < count; i++) {
        memcpy(runner->body + (size_t)i * step, runner->body, size);
    }
    const u32 got = command_world_run(runner->world, runner->command_id, (u16)record->number,
                                      runner->body, step * (count - 1) + size, count);
    u32 done = 0;
    for (u32 i = 0; i < got; i++) done += command_world_reply(runner->world, i).result == 0;
    if (done != count) table_complain_text(runner, "not all of them were done", "", 0);
}

static void run_record(struct table_runner *runner)
{
    const u16 number = (u16)table_number(runner, UINT16_MAX);
    const struct module *module = module_of_record(number);
    command_begin(runner);
    runner->count = 1;
    runner->expected_count = 1;
    if (!take_options(runner, NULL, 0)) {
        table_complain_text(runner, "the row expects nothing", "", 0);
        return;
    }
    (void)take_result(runner, module == NULL ? NULL : module->schema, &runner->expected[0]);
    command_end(runner, number);
}

static void run_given(struct table_runner *runner)
{
    const char *word = "the row ends";
    size_t size = strlen(word);
    const struct schema_record *record = NULL;
    char name[SCHEMA_NAME_SIZE_MAX] = {0};
    if (table_word(runner, &word, &size)) {
        memcpy(name, word, MIN(size, sizeof name - 1));
        record = record_find(name);
    }
    if (record == NULL || runner->given_count == GIVEN_MAX) {
        table_complain_text(runner, "nothing can be given of", word, size);
        return;
    }
    char *members = malloc(MEMBERS_MAX);
    assert(members != NULL);
    // The newest is found first.
    memmove(runner->given + 1, runner->given, runner->given_count * sizeof *runner->given);
    runner->given_count++;
    runner->given[0] = (struct given){.record = record, .members = members};
    if (!table_members(runner, record, members)) memcpy(members, "{}", 3);
}

// --- raw accounts and transfers ------------------------------------------------------------------

static void run_raw(struct table_runner *runner, bool is_account)
{
    const struct schema_record *record =
        is_account ? &ledger_schema_account : &ledger_schema_transfer;
    const struct ledger_result_rows rows =
        is_account ? ledger_create_account_results() : ledger_create_transfer_results();
    _Alignas(16) u8 event[sizeof(struct transfer)];
    struct create_result result;
    char name[SCHEMA_NAME_SIZE_MAX] = {0};
    const char *word = "the row ends";
    size_t word_size = strlen(word);
    u32 size = 0;
    if (!table_members_given(runner, record, runner->merged)) return;
    if (!parse(runner, record, runner->merged, event, sizeof event, &size)) return;
    if (table_word_if(runner, "->") && table_word(runner, &word, &word_size)) {
        memcpy(name, word, MIN(word_size, sizeof name - 1));
    }
    const struct ledger_result_row *expected = ledger_result_find_name(rows, name);
    if (expected == NULL) {
        table_complain_text(runner, "not a result", word, word_size);
        return;
    }
    command_world_create(runner->world,
                         is_account ? COMPAT_CREATE_ACCOUNTS : COMPAT_CREATE_TRANSFERS, event, 1,
                         &result);
    const struct ledger_result_row *found = ledger_result_find(rows, result.status);
    if (found == expected) return;
    table_complain(runner, runner->line, "result", schema_lower(expected->name).text,
                   found == NULL ? "?" : schema_lower(found->name).text);
}

// --- questions -----------------------------------------------------------------------------------

// Asks again, each answer with room for one view; the views must be the same.
static void ask_by_cursor(struct table_runner *runner, const struct schema_record *question,
                          const void *body, const struct module_answer *whole)
{
    struct module_answer answer = {0};
    const u32 size = (u32)align_up(whole->record->size, 16);
    for (u32 i = 0; i <= whole->count; i++) {
        const u32 result = command_world_ask(runner->world, question, body, size, &answer);
        if (i == 0 && whole->count == 0 && answer.count == 0 && result == MODULE_DONE) return;
        const bool more = !is_zero(answer.cursor, sizeof answer.cursor);
        if (result != MODULE_DONE || answer.count != 1 || i == whole->count ||
            memcmp(answer.views, runner->views + (u64)i * size, size) != 0 ||
            more != (i + 1 < whole->count)) {
            table_complain_text(runner, "view by view the answer is another", "", 0);
            return;
        }
        if (!more) return;
    }
}

static void run_ask(struct table_runner *runner)
{
    const char *word = "the row ends";
    size_t size = strlen(word);
    char name[SCHEMA_NAME_SIZE_MAX] = {0};
    if (table_word(runner, &word, &size)) memcpy(name, word, MIN(size, sizeof name - 1));
    const struct schema_record *question = record_find(name);
    if (question == NULL || question->kind != RECORD_QUERY ||
        commit_question(&runner->world->node.machine, question->number) != question) {
        table_complain_text(runner, "not a question", word, size);
        return;
    }
    _Alignas(16) u8 body[PLAN_RECORD_SIZE_MAX];
    u32 body_size = 0;
    if (!table_members_given(runner, question, runner->merged)) return;
    if (!parse(runner, question, runner->merged, body, sizeof body, &body_size)) return;
    // What the port would refuse is not asked.
    struct failure failure = {0};
    if (record_binary_check(question, body, body_size, &failure) != STATUS_OK) {
        table_complain_text(runner, failure.message, word, size);
        return;
    }
    if (!table_word_if(runner, "->") || table_row_is_done(runner)) {
        table_complain_text(runner, "the row expects nothing", "", 0);
        return;
    }
    struct expected expected = {0};
    const bool by_count = *runner->at >= '0' && *runner->at <= '9';
    const u32 count = by_count ? (u32)table_number(runner, U32_MAX) : 0;
    if (!by_count && !take_result(runner, question->module, &expected)) return;
    struct module_answer answer = {0};
    struct command_reply found = {0};
    found.result =
        command_world_ask(runner->world, question, body, (u32)COMMAND_WORLD_SPACE, &answer);
    if (found.result != MODULE_DONE) memcpy(found.evidence, answer.evidence, sizeof found.evidence);
    count_result(runner, question->number, found.result);
    if (!reply_equal(&expected.reply, &found)) {
        table_complain(runner, runner->line, "answer",
                       reply_print(question->module, &expected.reply).bytes,
                       reply_print(question->module, &found).bytes);
        return;
    }
    if (found.result != MODULE_DONE) return;
    if (answer.count != count) {
        char digits[2][16];
        (void)snprintf(digits[0], sizeof digits[0], "%u", count);
        (void)snprintf(digits[1], sizeof digits[1], "%u", answer.count);
        table_complain(runner, runner->line, "views", digits[0], digits[1]);
    }
    runner->view_record = answer.record;
    runner->view_count = answer.count;
    runner->view_next = 0;
    memcpy(runner->views, answer.views, answer.size);
    ask_by_cursor(runner, question, body, &answer);
}

// The member of a view that is not as it should be, or NULL.
static const struct schema_field *view_differs(const struct schema_record *record,
                                               const char *members, const u8 *expected,
                                               const u8 *found)
{
    for (u32 i = 0; i < record->field_count; i++) {
        const struct schema_field *field = &record->fields[i];
        if (!members_has(members, field->name, strlen(field->name))) continue;
        if (memcmp(expected + field->offset, found + field->offset, field->size) != 0) return field;
    }
    return NULL;
}

static void run_view(struct table_runner *runner)
{
    const struct schema_record *record = runner->view_record;
    if (record == NULL || runner->view_next == runner->view_count) {
        table_complain_text(runner, "there are no more views", "", 0);
        return;
    }
    _Alignas(16) u8 expected[PAGE_SIZE];
    u32 size = 0;
    const u8 *found = runner->views + runner->view_next++ * align_up(record->size, 16);
    if (!table_members(runner, record, runner->members)) return;
    if (!parse(runner, record, runner->members, expected, sizeof expected, &size)) return;
    const struct schema_field *field = view_differs(record, runner->members, expected, found);
    if (field == NULL) return;
    struct json_writer writer = json_writer_init(runner->merged, MEMBERS_MAX - 1);
    record_json_write(record, RECORD_JSON_OMIT_ZERO, found, &writer);
    runner->merged[MIN(writer.text.size, MEMBERS_MAX - 1)] = 0;
    table_complain(runner, runner->line, field->name, runner->members, runner->merged);
}

// Behind the views of an answer.
static void views_end(struct table_runner *runner)
{
    if (runner->view_next > 0 && runner->view_next < runner->view_count) {
        table_complain_text(runner, "the answer above has more views", "", 0);
    }
    runner->view_record = NULL;
    runner->view_next = 0;
    runner->view_count = 0;
}

// --- accounts ------------------------------------------------------------------------------------

// Takes 7/1 or 1. The account's row, or U32_MAX.
static u32 take_account(struct table_runner *runner)
{
    const char *word = "the row ends";
    size_t size = strlen(word);
    const struct ledger *ledger = &runner->world->node.machine.ledger;
    u128 number = 0;
    u128 id = 0;
    if (table_word(runner, &word, &size)) {
        const char *slash = memchr(word, '/', size);
        const size_t first = slash == NULL ? size : (size_t)(slash - word);
        if (slash == NULL && table_number_parse(word, size, &id)) {
            return ledger_account_row(ledger, id);
        }
        if (slash != NULL && table_number_parse(word, first, &number) && number <= U32_MAX &&
            table_number_parse(slash + 1, size - first - 1, &id)) {
            return ledger_class_account_row(ledger, (u32)number, id);
        }
    }
    table_complain_text(runner, "not an account", word, size);
    return U32_MAX;
}

static struct reply_text balance_print(const struct account *account)
{
    struct reply_text printed = {{0}};
    struct text text = text_init(printed.bytes, sizeof printed.bytes - 1);
    const u128 sums[] = {account->debits_pending, account->debits_posted, account->credits_pending,
                         account->credits_posted};
    for (u32 i = 0; i < ARRAY_COUNT(sums); i++) {
        if (i > 0) text_append_char(&text, '/');
        text_append_u128(&text, sums[i]);
    }
    return printed;
}

static void run_balance(struct table_runner *runner)
{
    const u32 row = take_account(runner);
    struct account expected = {0};
    while (!table_row_is_done(runner)) {
        const char *word = NULL;
        size_t size = 0;
        if (table_word_if(runner, "dp")) {
            expected.debits_pending = table_number(runner, U128_MAX);
        } else if (table_word_if(runner, "dpo")) {
            expected.debits_posted = table_number(runner, U128_MAX);
        } else if (table_word_if(runner, "cp")) {
            expected.credits_pending = table_number(runner, U128_MAX);
        } else if (table_word_if(runner, "cpo")) {
            expected.credits_posted = table_number(runner, U128_MAX);
        } else if (table_word(runner, &word, &size)) {
            table_complain_text(runner, "not a word of this row", word, size);
        }
    }
    if (row == U32_MAX) {
        table_complain(runner, runner->line, "balance", balance_print(&expected).bytes,
                       "no account");
        return;
    }
    const struct account *account = ledger_account(&runner->world->node.machine.ledger, row);
    const struct reply_text wanted = balance_print(&expected);
    const struct reply_text got = balance_print(account);
    if (strcmp(wanted.bytes, got.bytes) != 0) {
        table_complain(runner, runner->line, "balance", wanted.bytes, got.bytes);
    }
}

static void run_missing(struct table_runner *runner)
{
    if (table_row_is_done(runner)) table_complain_text(runner, "the row ends", "", 0);
    while (!table_row_is_done(runner)) {
        if (take_account(runner) == U32_MAX) continue;
        table_complain(runner, runner->line, "account", "none", "one");
    }
}

// --- history -------------------------------------------------------------------------------------

// What is left of the row, its blanks made one, compared with what was found.
static void compare_rest(struct table_runner *runner, const char *what, struct text *found)
{
    struct text expected = text_init(runner->members, MEMBERS_MAX - 1);
    const char *word = NULL;
    size_t size = 0;
    while (table_word(runner, &word, &size)) {
        if (expected.size > 0) text_append_char(&expected, ' ');
        text_append(&expected, word, size);
    }
    if (found->size == 0) text_append_string(found, "none");
    runner->members[MIN(expected.size, MEMBERS_MAX - 1)] = 0;
    found->data[MIN(found->size, MEMBERS_MAX - 1)] = 0;
    if (strcmp(runner->members, found->data) == 0) return;
    table_complain(runner, runner->line, what, runner->members, found->data);
}

static void run_accounts(struct table_runner *runner)
{
    const u32 number = (u32)table_number(runner, U32_MAX);
    u32 rows[LISTED_MAX];
    struct text found = text_init(runner->merged, MEMBERS_MAX - 1);
    if (!table_word_if(runner, "->")) table_complain_text(runner, "the row expects nothing", "", 0);
    const u32 count = command_world_accounts(runner->world, number, LISTED_MAX, rows);
    for (u32 i = 0; i < count; i++) {
        const u128 id = ledger_account(&runner->world->node.machine.ledger, rows[i])->id;
        if (i > 0) text_append_char(&found, ' ');
        if (U128_MAX - id < 100) text_append_format(&found, "max-%u", (u32)(U128_MAX - id));
        else text_append_u128(&found, id);
    }
    compare_rest(runner, "accounts", &found);
}

static void run_postings(struct table_runner *runner)
{
    const u32 number = (u32)table_number(runner, U32_MAX);
    u16 code = 0;
    u32 limit = LISTED_MAX;
    if (table_word_if(runner, "code")) code = (u16)table_number(runner, UINT16_MAX);
    if (table_word_if(runner, "last")) limit = (u32)table_number(runner, LISTED_MAX);
    if (!table_word_if(runner, "->")) table_complain_text(runner, "the row expects nothing", "", 0);
    struct transfer transfers[LISTED_MAX];
    struct text found = text_init(runner->merged, MEMBERS_MAX - 1);
    const u32 count = command_world_postings(runner->world, number, code, limit, transfers);
    for (u32 i = count; i > 0; i--) { // The oldest first.
        if (i < count) text_append_char(&found, ' ');
        text_append_u128(&found, transfers[i - 1].debit_account_id);
        text_append_char(&found, '>');
        text_append_u128(&found, transfers[i - 1].credit_account_id);
        text_append_char(&found, '=');
        text_append_u128(&found, transfers[i - 1].amount);
    }
    compare_rest(runner, "postings", &found);
}

// --- tables --------------------------------------------------------------------------------------

static void run_row(struct table_runner *runner);

static void run_restart(struct table_runner *runner, bool from_checkpoint)
{
    const bool same = from_checkpoint ? command_world_restart_from_checkpoint(runner->world)
                                      : command_world_restart(runner->world);
    if (!same) table_complain_text(runner, "the state is another behind a start", "", 0);
}

static void world_drop(struct table_runner *runner)
{
    if (runner->world == NULL) return;
    command_world_free(runner->world);
    free(runner->world);
    runner->world = NULL;
    for (u32 i = 0; i < runner->given_count; i++) free(runner->given[i].members);
    runner->given_count = 0;
}

static void table_end(struct table_runner *runner)
{
    if (runner->batch_open) table_complain_text(runner, "the batch does not end", "", 0);
    runner->batch_open = false;
    if (runner->world == NULL) return;
    run_restart(runner, false);
    run_restart(runner, true);
    world_drop(runner);
}

// The size of a line without its comment; a `#` in a string begins none.
static size_t row_size(const char *line, size_t size)
{
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        if (line[i] == '"' && (i == 0 || line[i - 1] != '\\')) in_string = !in_string;
        if (line[i] == '#' && !in_string) return i;
    }
    return size;
}

// Runs the line at `*text`, and moves behind it.
static void run_line(struct table_runner *runner, const char **text)
{
    const size_t size = strcspn(*text, "\n");
    runner->line++;
    runner->at = *text;
    runner->end = *text + row_size(*text, size);
    *text += size + ((*text)[size] != 0);
    run_row(runner);
}

// An empty log, and what is common to the tables of the file.
static void table_begin(struct table_runner *runner, u32 accounts_max)
{
    struct genesis genesis = command_world_genesis();
    genesis.accounts_max = accounts_max;
    runner->world = malloc(sizeof *runner->world);
    assert(runner->world != NULL);
    command_world_init(runner->world, &genesis);
    runner->next_id = NEXT_ID;
    runner->next_number = NEXT_NUMBER;
    runner->done_count = 0;
    const u32 line = runner->line;
    const char *at = runner->at;
    const char *end = runner->end;
    const char *text = runner->common;
    runner->line = runner->common_line;
    while (text < runner->common_end) run_line(runner, &text);
    runner->line = line;
    runner->at = at;
    runner->end = end;
}

static void run_room(struct table_runner *runner)
{
    const u32 accounts_max = (u32)table_number(runner, 4096);
    world_drop(runner);
    table_begin(runner, accounts_max);
}

static void run_slices(struct table_runner *runner)
{
    const u32 count = table_row_is_done(runner) ? 1 : (u32)table_number(runner, 1000);
    for (u32 i = 0; i < count; i++) command_world_slice(runner->world);
}

static void run_principal(struct table_runner *runner)
{
    runner->world->principal = (u64)table_number(runner, U64_MAX);
    runner->world->delegate = 0;
    if (!table_word_if(runner, "through")) return;
    runner->world->delegate = (u64)table_number(runner, U64_MAX);
}

static bool run_word(struct table_runner *runner, const char *name)
{
    if (strcmp(name, "principal") == 0) {
        run_principal(runner);
    } else if (strcmp(name, "given") == 0) {
        run_given(runner);
    } else if (strcmp(name, "batch") == 0) {
        run_batch(runner);
    } else if (strcmp(name, "record") == 0) {
        run_record(runner);
    } else if (strcmp(name, "account") == 0 || strcmp(name, "transfer") == 0) {
        run_raw(runner, name[0] == 'a');
    } else if (strcmp(name, "ask") == 0) {
        run_ask(runner);
    } else if (strcmp(name, "balance") == 0) {
        run_balance(runner);
    } else if (strcmp(name, "missing") == 0) {
        run_missing(runner);
    } else if (strcmp(name, "accounts") == 0) {
        run_accounts(runner);
    } else if (strcmp(name, "postings") == 0) {
        run_postings(runner);
    } else if (strcmp(name, "restart") == 0 || strcmp(name, "checkpoint") == 0) {
        run_restart(runner, name[0] == 'c');
    } else if (strcmp(name, "tick") == 0) {
        command_world_tick(runner->world, (u64)table_number(runner, 1000000));
    } else if (strcmp(name, "pass") == 0) {
        runner->world->timestamp += (u64)table_number(runner, U32_MAX) * NS_PER_S;
    } else if (strcmp(name, "many") == 0) {
        run_many(runner);
    } else if (strcmp(name, "epoch") == 0) {
        runner->world->node.wal.tail.epoch = (u64)table_number(runner, U64_MAX);
    } else if (strcmp(name, "room") == 0) {
        run_room(runner);
    } else if (strcmp(name, "slice") == 0) {
        run_slices(runner);
    } else {
        return false;
    }
    return true;
}

static void run_row(struct table_runner *runner)
{
    const char *word = NULL;
    size_t size = 0;
    char name[SCHEMA_NAME_SIZE_MAX] = {0};
    const u32 failures = runner->report->failures;
    if (!table_word(runner, &word, &size)) return;
    memcpy(name, word, MIN(size, sizeof name - 1));
    if (strcmp(name, "common") == 0 && runner->world == NULL && runner->common == NULL) {
        runner->common = runner->end + strcspn(runner->end, "\n");
        runner->common_line = runner->line - 1; // Of the line that ends there.
        runner->common_open = true;
        return;
    }
    if (strcmp(name, "table") == 0) {
        if (runner->common_open) runner->common_end = word;
        runner->common_open = false;
        table_end(runner);
        table_begin(runner, command_world_genesis().accounts_max);
        runner->report->tables++;
        return;
    }
    if (runner->common_open) return; // Run by each table.
    if (runner->world == NULL) {
        table_complain_text(runner, "a row before the first table", word, size);
        return;
    }
    runner->report->rows++;
    const struct schema_record *record = record_find(name);
    const bool is_command = record != NULL && record->kind == RECORD_COMMAND;
    if (runner->batch_open && !is_command && strcmp(name, "end") != 0) {
        table_complain_text(runner, "not in a batch", word, size);
        return;
    }
    if (strcmp(name, "view") == 0) {
        run_view(runner);
    } else {
        views_end(runner);
        if (strcmp(name, "end") == 0) run_end(runner);
        else if (is_command) run_command(runner, record);
        else if (!run_word(runner, name)) table_complain_text(runner, "not a row", word, size);
    }
    if (!table_row_is_done(runner) && runner->report->failures == failures) {
        table_complain_text(runner, "behind the row", runner->at,
                            (size_t)(runner->end - runner->at));
    }
}

void command_table_run(const char *file, const char *text, FILE *trace,
                       struct command_table_report *report)
{
    struct table_runner *runner = calloc(1, sizeof *runner);
    assert(runner != NULL);
    runner->file = file;
    runner->trace = trace;
    runner->report = report;
    runner->body = aligned_alloc(16, BODY_MAX);
    runner->views = aligned_alloc(16, COMMAND_WORLD_SPACE);
    runner->members = malloc(MEMBERS_MAX);
    runner->merged = malloc(MEMBERS_MAX);
    assert(runner->body != NULL && runner->views != NULL && runner->members != NULL &&
           runner->merged != NULL);
    while (*text != 0) run_line(runner, &text);
    views_end(runner);
    table_end(runner);
    free(runner->body);
    free(runner->views);
    free(runner->members);
    free(runner->merged);
    free(runner);
}

void command_table_run_file(const char *name, FILE *trace, struct command_table_report *report)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/src/modules/%s", TAEL_SOURCE_DIRECTORY, name);
    FILE *stream = fopen(path, "rbe");
    if (stream == NULL) {
        (void)fprintf(trace, "%s: cannot be read\n", path);
        report->failures++;
        return;
    }
    char *text = calloc(1, MIB);
    assert(text != NULL);
    const size_t size = fread(text, 1, MIB - 1, stream);
    (void)fclose(stream);
    if (size == MIB - 1) {
        (void)fprintf(trace, "%s: is too long\n", path);
        report->failures++;
    }
    command_table_run(name, text, trace, report);
    free(text);
}
