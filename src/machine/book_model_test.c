// SPDX-License-Identifier: Apache-2.0
//
// The modules entity, book and entry beside their model, on random commands: every reply, every
// account, what is asked, and the state digest over starts.
//
// book_model [SEED [STEPS]] runs so many steps of that seed alone.
#include "codec/record_binary.h"
#include "codec/record_json.h"
#include "ledger/ledger_schema.h"
#include "machine/command_world.h"
#include "modules/book/book_random.h"
#include "modules/constraint/constraint_model.h"
#include "modules/principal/principal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS           12u
#define STEPS_OF_A_SEED 8000u
#define RESULTS_MAX     256u
#define ASK_EVERY       100u
#define ENTRIES_ASKED   12u
#define LISTED_MAX      300u // Accounts or postings of a ledger number that are compared.

// The replies to a command, whole.
struct kept {
    u128 id;
    u32 count;
    struct command_reply replies[BOOK_MODEL_RECORDS_MAX];
};

// A command that the model has decided, and what it said.
struct waiting {
    struct book_command command;
    u32 count;
    bool is_repeated;
    struct book_reply expected[BOOK_MODEL_RECORDS_MAX];
    _Alignas(16) u8 body[BOOK_RANDOM_BODY_MAX];
};

struct run {
    struct command_world world;
    struct book_model *model;
    struct book_random random;
    struct book_step step;
    u64 replies;
    // How often each result came, by the index of the record's module.
    u64 results[MACHINE_MODULES_MAX][RESULTS_MAX];
    struct book_reply expected[BOOK_MODEL_RECORDS_MAX];
    struct kept *kept; // Of each command.
    u32 kept_count;
    u64 timestamp; // The last that a reply had.
    struct waiting waiting[COMMAND_WORLD_COMMANDS_MAX];
    u32 waiting_count;
};

struct plan_of_runs {
    u64 seed_first;
    u64 seed_count;
    u64 steps;
};

// --- messages ------------------------------------------------------------------------------------

static void print_record(const struct schema_record *record, const u8 *body)
{
    char text[32768];
    struct json_writer writer = json_writer_init(text, sizeof text - 1);
    record_json_write(record, RECORD_JSON_OMIT_ZERO, body, &writer);
    text[MIN(writer.text.size, sizeof text - 1)] = 0;
    (void)fprintf(stderr, "  %s %s\n", record->name, text);
}

static void print_evidence(const char *who, u32 result, u32 posting, u32 posting_result,
                           const u128 evidence[2])
{
    char text[128];
    struct text out = text_init(text, sizeof text - 1);
    text_append_u128(&out, evidence[0]);
    text_append_char(&out, ' ');
    text_append_u128(&out, evidence[1]);
    text[out.size] = 0;
    (void)fprintf(stderr, "  %s: result %u, posting %u (%u), evidence %s\n", who, result, posting,
                  posting_result, text);
}

static void differs(const struct run *run, const char *what)
{
    (void)fprintf(stderr, "seed %llu, step %llu: %s\n", (unsigned long long)run->random.seed,
                  (unsigned long long)run->random.steps, what);
    fail();
}

// --- commands ------------------------------------------------------------------------------------

// When a record was carried out: one of an earlier command, or of this one.
static u64 done_at(const struct run *run, const struct waiting *waiting, u32 index, u128 command_id,
                   u32 record)
{
    for (u32 i = 0; i < run->kept_count; i++) {
        if (run->kept[i].id == command_id) return run->kept[i].replies[record].timestamp;
    }
    assert_true(command_id == waiting->command.id);
    return command_world_reply_of(&run->world, index, record).timestamp;
}

static void reply_compare(struct run *run, struct waiting *waiting, u32 index, u32 i,
                          const u8 *body)
{
    const struct command_reply reply = command_world_reply_of(&run->world, index, i);
    struct book_reply *expected = &waiting->expected[i];
    const u16 number = waiting->command.record;
    const struct module *module = module_of_record(number);
    if (expected->is_then) {
        expected->evidence[1] =
            done_at(run, waiting, index, expected->then_command, expected->then_record);
    }
    if (module != NULL && reply.result < RESULTS_MAX) {
        run->results[module_index(module)][reply.result]++;
    }
    run->replies++;
    if (reply.result == expected->result && reply.posting == expected->posting &&
        reply.posting_result == expected->posting_result && reply.reserved == 0 &&
        reply.evidence[0] == expected->evidence[0] && reply.evidence[1] == expected->evidence[1]) {
        return;
    }
    const struct schema_record *record = commit_record(&run->world.node.machine, number);
    if (record != NULL && expected->result < MODULE_FULL) print_record(record, body);
    print_evidence("model", expected->result, expected->posting, expected->posting_result,
                   expected->evidence);
    print_evidence("machine", reply.result, reply.posting, reply.posting_result, reply.evidence);
    differs(run, "another reply");
}

// A repeated command has the whole reply of then; a new one has its own position.
static void reply_keep(struct run *run, u128 id, u32 index, u32 count)
{
    const u64 position = run->world.applied.commands[index].position;
    struct kept *kept = &run->kept[run->kept_count++];
    u64 timestamp = run->timestamp;
    kept->id = id;
    kept->count = count;
    for (u32 i = 0; i < count; i++) {
        kept->replies[i] = command_world_reply_of(&run->world, index, i);
        if (kept->replies[i].position != position) differs(run, "another position");
        if (kept->replies[i].timestamp <= timestamp) differs(run, "timestamps do not rise");
        timestamp = kept->replies[i].timestamp;
    }
    run->timestamp = timestamp;
}

static void reply_compare_kept(const struct run *run, u128 id, u32 index, u32 count)
{
    for (u32 i = 0; i < run->kept_count; i++) {
        const struct kept *kept = &run->kept[i];
        if (kept->id != id) continue;
        if (kept->count == count && memcmp(kept->replies, run->world.applied.commands[index].reply,
                                           count * sizeof kept->replies[0]) == 0) {
            return;
        }
        break;
    }
    differs(run, "another reply to a repeated command");
}

static void waiting_compare(struct run *run, u32 index)
{
    struct waiting *waiting = &run->waiting[index];
    const struct book_command *command = &waiting->command;
    if (command_world_reply_count(&run->world, index) != waiting->count) {
        differs(run, "another number of replies");
    }
    u32 at = 0;
    for (u32 i = 0; i < waiting->count; i++) {
        reply_compare(run, waiting, index, i, command->body + at);
        const u32 result = waiting->expected[i].result;
        if (result >= MODULE_MALFORMED && result <= MODULE_REUSED) continue; // Of all as one.
        const struct schema_record *record =
            commit_record(&run->world.node.machine, command->record);
        at += (u32)align_up(record_binary_size(record, command->body + at), BOOK_MODEL_ALIGNMENT);
    }
    if (waiting->is_repeated) reply_compare_kept(run, command->id, index, waiting->count);
    else if (waiting->expected[0].result != MODULE_REUSED) {
        reply_keep(run, command->id, index, waiting->count);
    }
}

// Gives the commands that wait to the machine, in one frame.
static void frame_run(struct run *run)
{
    struct frame_command entries[COMMAND_WORLD_COMMANDS_MAX];
    const void *bodies[COMMAND_WORLD_COMMANDS_MAX];
    if (run->waiting_count == 0) return;
    for (u32 i = 0; i < run->waiting_count; i++) {
        const struct book_command *command = &run->waiting[i].command;
        entries[i] = (struct frame_command){
            .record = command->record,
            .version = 1,
            .body_size = command->size,
            .count = command->count,
            .command_id = command->id,
            .principal = command->principal,
        };
        bodies[i] = command->body;
    }
    command_world_frame_of(&run->world, entries, bodies, run->waiting_count);
    for (u32 i = 0; i < run->waiting_count; i++) waiting_compare(run, i);
    run->waiting_count = 0;
}

// Decides in the model; the machine follows with the frame. Every second run has frames of one.
static void run_command(struct run *run)
{
    struct waiting *waiting = &run->waiting[run->waiting_count++];
    waiting->command = run->step.command;
    waiting->command.body = waiting->body;
    memcpy(waiting->body, run->step.command.body, waiting->command.size);
    waiting->count =
        book_model_command(run->model, &waiting->command, waiting->expected, &waiting->is_repeated);
    const u32 most = run->random.seed % 2 == 0 ? 1 : COMMAND_WORLD_COMMANDS_MAX;
    if (run->waiting_count == most) frame_run(run);
}

// --- raw accounts --------------------------------------------------------------------------------

static void run_raw_accounts(struct run *run)
{
    const struct book_step *step = &run->step;
    u32 expected[BOOK_RANDOM_ACCOUNTS_MAX];
    struct create_result results[BOOK_RANDOM_ACCOUNTS_MAX];
    if (book_model_room(run->model) < step->account_count) return; // The port would not log it.
    book_model_raw_accounts(run->model, step->accounts, step->account_count, expected);
    command_world_create(&run->world, COMPAT_CREATE_ACCOUNTS, step->accounts, step->account_count,
                         results);
    for (u32 i = 0; i < step->account_count; i++) {
        if (results[i].status == expected[i]) continue;
        (void)fprintf(stderr, "  raw account %u: model %u, machine %u\n", i, expected[i],
                      results[i].status);
        differs(run, "another result of a raw account");
    }
}

static void run_raw_transfer(struct run *run)
{
    struct create_result result;
    const u32 expected = book_model_raw_transfer(run->model, &run->step.transfer);
    command_world_create(&run->world, COMPAT_CREATE_TRANSFERS, &run->step.transfer, 1, &result);
    if (result.status == expected) return;
    (void)fprintf(stderr, "  raw transfer: model %u, machine %u\n", expected, result.status);
    differs(run, "another result of a raw transfer");
}

// --- state ---------------------------------------------------------------------------------------

static void accounts_compare(const struct run *run)
{
    const struct ledger *ledger = &run->world.node.machine.ledger;
    if (ledger->accounts.count != book_model_account_count(run->model)) {
        differs(run, "another number of accounts");
    }
    for (u32 row = 0; row < ledger->accounts.count; row++) {
        const struct account expected = book_model_account(run->model, row);
        struct account account = *ledger_account(ledger, row);
        account.reserved = 0;
        account.timestamp = 0;
        if (memcmp(&expected, &account, sizeof account) != 0) differs(run, "another account");
    }
}

// Asks; the views are in world->views.
static u32 ask(struct run *run, const struct schema_record *question, const void *body)
{
    struct module_answer answer = {0};
    const u32 result =
        command_world_ask(&run->world, question, body, (u32)COMMAND_WORLD_SPACE, &answer);
    if (result != MODULE_DONE) differs(run, "a question is refused");
    assert_true(is_zero(answer.cursor, sizeof answer.cursor));
    return answer.count;
}

static void entities_compare(struct run *run)
{
    struct entity expected;
    const struct entity_list all = {0};
    struct entity *views = (void *)run->world.views;
    u32 i = 0;
    const u32 count = ask(run, &entity_schema_entity_list, &all);
    for (; i < count && book_model_entity(run->model, i, &expected); i++) {
        assert_true(views[i].opened_at > 0);
        views[i].opened_at = 0;
        if (memcmp(&views[i], &expected, sizeof expected) != 0) differs(run, "another entity");
    }
    if (i < count || book_model_entity(run->model, i, &expected)) differs(run, "other entities");
}

static void calendars_compare(struct run *run)
{
    struct calendar expected;
    struct calendar_exception day;
    const struct calendar_list all = {0};
    u32 i = 0;
    const u32 count = ask(run, &entity_schema_calendar_list, &all);
    for (; i < count && book_model_calendar(run->model, i, &expected); i++) {
        const struct calendar *views = (const void *)run->world.views;
        if (memcmp(&views[i], &expected, sizeof expected) != 0) differs(run, "another calendar");
    }
    if (i < count || book_model_calendar(run->model, i, &expected)) {
        differs(run, "other calendars");
    }
    for (i = 0; book_model_calendar(run->model, i, &expected); i++) {
        struct calendar_days question = {0};
        memcpy(question.calendar, expected.calendar, sizeof question.calendar);
        const u32 days = ask(run, &entity_schema_calendar_days, &question);
        struct calendar_exception *views = (void *)run->world.views;
        u32 j = 0;
        for (; j < days && book_model_calendar_day(run->model, expected.calendar, j, &day); j++) {
            views[j].key = 0;
            if (memcmp(&views[j], &day, sizeof day) != 0) differs(run, "another day of a calendar");
        }
        if (j < days || book_model_calendar_day(run->model, expected.calendar, j, &day)) {
            differs(run, "other days of a calendar");
        }
    }
}

static void closed_days_compare(struct run *run)
{
    struct entity entity;
    struct business_day expected;
    for (u32 i = 0; book_model_entity(run->model, i, &entity); i++) {
        const struct day_list question = {.entity_id = entity.entity_id};
        const u32 count = ask(run, &entity_schema_day_list, &question);
        struct business_day *views = (void *)run->world.views;
        u64 row_end = 0;
        u32 j = 0;
        for (; j < count && book_model_closed_day(run->model, entity.entity_id, j, &expected);
             j++) {
            if (views[j].row_end <= row_end) differs(run, "rows of closed days do not rise");
            assert_true(views[j].closed_at > 0);
            row_end = views[j].row_end;
            views[j].key = 0;
            views[j].closed_at = 0;
            views[j].row_end = 0;
            views[j].final_row = 0;
            if (memcmp(&views[j], &expected, sizeof expected) != 0) {
                differs(run, "another closed day");
            }
        }
        if (j < count || book_model_closed_day(run->model, entity.entity_id, j, &expected)) {
            differs(run, "other closed days");
        }
    }
}

static void assets_compare(struct run *run)
{
    struct asset expected;
    const struct asset_list all = {0};
    const struct asset *views = (const void *)run->world.views;
    u32 i = 0;
    const u32 count = ask(run, &book_schema_asset_list, &all);
    for (; i < count && book_model_asset(run->model, i, &expected); i++) {
        if (memcmp(&views[i], &expected, sizeof expected) != 0) differs(run, "another asset");
    }
    if (i < count || book_model_asset(run->model, i, &expected)) differs(run, "other assets");
}

static void codes_compare(struct run *run)
{
    struct chart_code expected;
    const struct chart_list all = {0};
    struct chart_code *views = (void *)run->world.views;
    u32 i = 0;
    const u32 count = ask(run, &book_schema_chart_list, &all);
    for (; i < count && book_model_chart_code(run->model, i, &expected); i++) {
        views[i].key = 0;
        if (memcmp(&views[i], &expected, sizeof expected) != 0) differs(run, "another code");
    }
    if (i < count || book_model_chart_code(run->model, i, &expected)) differs(run, "other codes");
}

static void trial_balance_compare(struct run *run, u32 book)
{
    struct trial_balance_row expected;
    const struct trial_balance question = {.book = book};
    const struct trial_balance_row *views = (const void *)run->world.views;
    u32 i = 0;
    const u32 count = ask(run, &book_schema_trial_balance, &question);
    for (; i < count && book_model_trial_balance(run->model, book, i, &expected); i++) {
        if (memcmp(&views[i], &expected, sizeof expected) != 0) {
            print_record(&book_schema_trial_balance_row, (const u8 *)&expected);
            print_record(&book_schema_trial_balance_row, (const u8 *)&views[i]);
            differs(run, "another row of a trial balance");
        }
    }
    if (i < count || book_model_trial_balance(run->model, book, i, &expected)) {
        differs(run, "other rows of a trial balance");
    }
}

static void account_list_compare(struct run *run, u32 book, bool only_stopped)
{
    struct account_row expected;
    const struct account_list question = {.book = book, .only_stopped = only_stopped};
    struct account_row *views = (void *)run->world.views;
    u32 i = 0;
    const u32 count = ask(run, &book_schema_account_list, &question);
    for (; i < count && book_model_account_row_view(run->model, book, only_stopped, i, &expected);
         i++) {
        views[i].since = views[i].since > 0;
        if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
        print_record(&book_schema_account_row, (const u8 *)&expected);
        print_record(&book_schema_account_row, (const u8 *)&views[i]);
        differs(run, "another account of a book");
    }
    if (i < count || book_model_account_row_view(run->model, book, only_stopped, i, &expected)) {
        differs(run, "other accounts of a book");
    }
}

static void holds_compare(struct run *run)
{
    struct hold_row expected;
    const struct hold_list all = {0};
    struct hold_row *views = (void *)run->world.views;
    u32 i = 0;
    const u32 count = ask(run, &entry_schema_hold_list, &all);
    for (; i < count && book_model_hold(run->model, i, &expected); i++) {
        views[i].expires_at = views[i].expires_at > 0;
        if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
        print_record(&entry_schema_hold_row, (const u8 *)&expected);
        print_record(&entry_schema_hold_row, (const u8 *)&views[i]);
        differs(run, "another hold");
    }
    if (i < count || book_model_hold(run->model, i, &expected)) differs(run, "other holds");
}

static void rules_compare(struct run *run)
{
    struct rule_row expected;
    const struct rule_list all = {0};
    const struct rule_row *views = (const void *)run->world.views;
    u32 i = 0;
    const u32 count = ask(run, &entry_schema_rule_list, &all);
    for (; i < count && book_model_rule(run->model, i, &expected); i++) {
        if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
        print_record(&entry_schema_rule_row, (const u8 *)&expected);
        print_record(&entry_schema_rule_row, (const u8 *)&views[i]);
        differs(run, "another rule");
    }
    if (i < count || book_model_rule(run->model, i, &expected)) differs(run, "other rules");
}

// Some entries, from their postings to what reversed them.
static void entries_compare(struct run *run)
{
    struct entry_posting expected;
    for (u32 k = 0; k < ENTRIES_ASKED; k++) {
        const u64 draw = random_u64(&run->random.random);
        const struct entry_show question = {.entry_id = book_model_entry_any(run->model, draw)};
        if (question.entry_id == 0) return;
        struct entry_posting *views = (void *)run->world.views;
        u32 i = 0;
        const u32 count = ask(run, &entry_schema_entry_show, &question);
        for (; i < count && book_model_entry_posting(run->model, question.entry_id, i, &expected);
             i++) {
            assert_true(views[i].timestamp > 0);
            views[i].timestamp = 0;
            if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
            print_record(&entry_schema_entry_posting, (const u8 *)&expected);
            print_record(&entry_schema_entry_posting, (const u8 *)&views[i]);
            differs(run, "another posting of an entry");
        }
        if (i < count || book_model_entry_posting(run->model, question.entry_id, i, &expected)) {
            differs(run, "other postings of an entry");
        }
    }
}

static void books_compare(struct run *run)
{
    struct book expected;
    const struct book_list all = {0};
    struct book *views = (void *)run->world.views;
    u32 i = 0;
    const u32 count = ask(run, &book_schema_book_list, &all);
    for (; i < count && book_model_book(run->model, i, &expected); i++) {
        views[i].account_last = 0;
        if (memcmp(&views[i], &expected, sizeof expected) != 0) differs(run, "another book");
    }
    if (i < count || book_model_book(run->model, i, &expected)) differs(run, "other books");
    for (i = 0; book_model_book(run->model, i, &expected); i++) {
        trial_balance_compare(run, (u32)expected.book);
        account_list_compare(run, (u32)expected.book, false);
        account_list_compare(run, (u32)expected.book, true);
    }
}

static void cells_compare(struct run *run)
{
    struct cell_view expected;
    const struct cell_list all = {0};
    const struct constraint_model *model = book_model_constraints(run->model);
    const struct cell_view *views = (const void *)run->world.views;
    u32 i = 0;
    const u32 count = ask(run, &constraint_schema_cell_list, &all);
    for (; i < count && constraint_model_cell(model, i, &expected); i++) {
        if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
        print_record(&constraint_schema_cell_view, (const u8 *)&expected);
        print_record(&constraint_schema_cell_view, (const u8 *)&views[i]);
        differs(run, "another cell");
    }
    if (i < count || constraint_model_cell(model, i, &expected)) differs(run, "other cells");
}

static void constraints_compare(struct run *run)
{
    struct constraint_view expected;
    const struct constraint_list all = {0};
    const struct constraint_model *model = book_model_constraints(run->model);
    struct constraint_view *views = (void *)run->world.views;
    u32 i = 0;
    const u32 count = ask(run, &constraint_schema_constraint_list, &all);
    for (; i < count && constraint_model_constraint(model, i, &expected); i++) {
        assert_true(views[i].since > 0);
        views[i].since = 0;
        if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
        print_record(&constraint_schema_constraint_view, (const u8 *)&expected);
        print_record(&constraint_schema_constraint_view, (const u8 *)&views[i]);
        differs(run, "another constraint");
    }
    if (i < count || constraint_model_constraint(model, i, &expected)) {
        differs(run, "other constraints");
    }
}

static void breaches_compare(struct run *run)
{
    struct breach_view expected;
    const struct breach_list all = {0};
    const struct constraint_model *model = book_model_constraints(run->model);
    struct breach_view *views = (void *)run->world.views;
    u64 opened_at = 0;
    u32 i = 0;
    const u32 count = ask(run, &constraint_schema_breach_list, &all);
    for (; i < count && constraint_model_breach_view(model, i, &expected); i++) {
        struct breach_view *view = &views[i];
        assert_true(view->opened_at >= opened_at && view->opened_position > 0);
        assert_true((view->cured_at == 0) == (view->cured_position == 0));
        assert_true(view->cured_at == 0 || view->cured_at > view->opened_at);
        opened_at = view->opened_at;
        view->opened_at = 0;
        view->opened_position = 0;
        view->cured_at = view->cured_at > 0;
        view->cured_position = 0;
        if (memcmp(view, &expected, sizeof expected) == 0) continue;
        print_record(&constraint_schema_breach_view, (const u8 *)&expected);
        print_record(&constraint_schema_breach_view, (const u8 *)view);
        differs(run, "another breach");
    }
    if (i < count || constraint_model_breach_view(model, i, &expected)) {
        differs(run, "other breaches");
    }
}

// What history's lists have on a ledger number.
static void history_compare(struct run *run, u32 number)
{
    struct transfer postings[LISTED_MAX];
    struct transfer expected;
    u32 rows[LISTED_MAX];
    u32 row = 0;
    u32 i = 0;
    const u32 accounts = command_world_accounts(&run->world, number, LISTED_MAX, rows);
    for (; row < book_model_account_count(run->model) && i < LISTED_MAX; row++) {
        if (book_model_account(run->model, row).ledger != number) continue;
        if (i == accounts || rows[i++] != row) differs(run, "other accounts in a list");
    }
    if (i != accounts) differs(run, "more accounts in a list");
    const u32 count = command_world_postings(&run->world, number, 0, LISTED_MAX, postings);
    for (i = 0; i < count && book_model_posting(run->model, number, i, &expected); i++) {
        postings[i].id = 0;
        postings[i].timestamp = 0;
        postings[i].pending_id = 0;
        postings[i].timeout = 0;
        postings[i].flags &= (u16)~TRANSFER_LINKED;
        if (memcmp(&postings[i], &expected, sizeof expected) != 0) {
            print_record(&ledger_schema_transfer, (const u8 *)&expected);
            print_record(&ledger_schema_transfer, (const u8 *)&postings[i]);
            differs(run, "another posting");
        }
    }
    if (i < count || (i < LISTED_MAX && book_model_posting(run->model, number, i, &expected))) {
        differs(run, "another number of postings");
    }
}

// Whether the model's trial balance has this row.
static bool has_balance(const struct run *run, u32 book, const struct trial_balance_row *row)
{
    struct trial_balance_row expected;
    for (u32 i = 0; book_model_trial_balance(run->model, book, i, &expected); i++) {
        if (memcmp(&expected, row, sizeof expected) == 0) return true;
    }
    return false;
}

// Whatever a client gives as a cursor, the answer comes to an end and is of what was asked.
static void cursor_try(struct run *run, const struct schema_record *question, const void *body,
                       u32 book)
{
    struct module_answer answer = {0};
    const u64 row = random_below(&run->random.random, 200);
    store_u64(answer.cursor, row);
    for (u32 i = 0; i < 1000; i++) {
        if (command_world_ask(&run->world, question, body, 600, &answer) != MODULE_DONE) {
            differs(run, "a cursor is refused");
        }
        const struct trial_balance_row *views = (const void *)run->world.views;
        for (u32 j = 0; book != 0 && j < answer.count; j++) {
            if (!has_balance(run, book, &views[j])) differs(run, "a cursor leads to another book");
        }
        if (is_zero(answer.cursor, sizeof answer.cursor)) return;
    }
    differs(run, "a cursor leads nowhere");
}

static void cursors_try(struct run *run)
{
    struct entity entity;
    struct calendar calendar;
    struct book book;
    const struct asset_list nothing = {0};
    cursor_try(run, &entity_schema_entity_list, &nothing, 0);
    cursor_try(run, &entity_schema_calendar_list, &nothing, 0);
    cursor_try(run, &book_schema_asset_list, &nothing, 0);
    cursor_try(run, &book_schema_chart_list, &nothing, 0);
    cursor_try(run, &book_schema_book_list, &nothing, 0);
    cursor_try(run, &constraint_schema_cell_list, &nothing, 0);
    cursor_try(run, &constraint_schema_constraint_list, &nothing, 0);
    cursor_try(run, &constraint_schema_breach_list, &nothing, 0);
    if (book_model_entity(run->model, 0, &entity)) {
        const struct entity_list one = {.entity_id = entity.entity_id};
        const struct day_list days = {.entity_id = entity.entity_id};
        cursor_try(run, &entity_schema_entity_list, &one, 0);
        cursor_try(run, &entity_schema_day_list, &days, 0);
    }
    if (book_model_calendar(run->model, 0, &calendar)) {
        struct calendar_days days = {0};
        memcpy(days.calendar, calendar.calendar, sizeof days.calendar);
        cursor_try(run, &entity_schema_calendar_days, &days, 0);
    }
    for (u32 i = 0; book_model_book(run->model, i, &book); i++) {
        const struct trial_balance question = {.book = (u32)book.book};
        cursor_try(run, &book_schema_trial_balance, &question, (u32)book.book);
    }
}

// --- runs ----------------------------------------------------------------------------------------

static void run_expire(struct run *run)
{
    book_model_expire(run->model);
    command_world_tick(&run->world, BOOK_RANDOM_EXPIRY_S);
}

static void run_step(struct run *run)
{
    book_random_next(&run->random, &run->step);
    bool same = true;
    if (run->step.kind != BOOK_STEP_COMMAND) frame_run(run);
    switch (run->step.kind) {
    case BOOK_STEP_COMMAND: run_command(run); break;
    case BOOK_STEP_RAW_ACCOUNTS: run_raw_accounts(run); break;
    case BOOK_STEP_RAW_TRANSFER: run_raw_transfer(run); break;
    case BOOK_STEP_RESTART: same = command_world_restart(&run->world); break;
    case BOOK_STEP_EXPIRE: run_expire(run); break;
    case BOOK_STEP_CHECKPOINT: same = command_world_restart_from_checkpoint(&run->world); break;
    }
    if (!same) differs(run, "another state behind a start");
    if (run->random.steps % ASK_EVERY == 0) frame_run(run);
    if (run->waiting_count > 0) return;
    accounts_compare(run);
    if (run->random.steps % ASK_EVERY != 0 && same && run->step.kind < BOOK_STEP_RESTART) return;
    entities_compare(run);
    calendars_compare(run);
    closed_days_compare(run);
    assets_compare(run);
    codes_compare(run);
    books_compare(run);
    holds_compare(run);
    rules_compare(run);
    entries_compare(run);
    cells_compare(run);
    constraints_compare(run);
    breaches_compare(run);
    cursors_try(run);
    for (u32 i = 1; i < run->random.numbers_max + 4; i++) history_compare(run, i);
}

// Opens a principal that may own accounts, in both.
static void principal_open(struct run *run, u64 principal)
{
    const struct principal_open open = {
        .principal_id = principal, .kind = PRINCIPAL_PERSON, .name = "owner"};
    const u64 before = run->world.principal;
    run->world.principal = PRINCIPAL_OPERATOR;
    (void)command_world_run(&run->world, U128_MAX - principal, 0x0501, &open, sizeof open, 1);
    assert_int_equal(command_world_reply(&run->world, 0).result, MODULE_DONE);
    run->world.principal = before;
    book_model_principal(run->model, principal);
}

// Room for accounts that is soon taken in every third run.
static void run_seed(struct run *run, u64 seed, u64 steps)
{
    struct genesis genesis = command_world_genesis();
    genesis.accounts_max = seed % 3 == 0 ? 40 : 4096;
    command_world_init(&run->world, &genesis);
    run->model = book_model_new(genesis.accounts_max);
    run->kept = malloc(steps * sizeof *run->kept);
    assert_non_null(run->kept);
    run->kept_count = 0;
    run->timestamp = 0;
    book_random_init(&run->random, seed);
    principal_open(run, 5);
    principal_open(run, 6);
    for (u64 i = 0; i < steps; i++) run_step(run);
    frame_run(run);
    accounts_compare(run);
    if (!command_world_restart(&run->world)) differs(run, "another state behind a start");
    command_world_free(&run->world);
    book_model_free(run->model);
    free(run->kept);
}

// Questions alone are refused with these (past_test.c, book/tables/past.txt,
// entry/tables/found.txt).
static bool is_of_questions(const struct schema_module *schema, u32 result)
{
    if (schema == &entry_schema) {
        return result == ENTRY_REFERENCE_MISSING || result == ENTRY_RANGE_REVERSED;
    }
    return schema == &book_schema &&
           (result == BOOK_DAYS_AND_TIMES || result == BOOK_RANGE_REVERSED ||
            result == BOOK_RAW_HAS_NO_DAYS || result == BOOK_DAY_OUT_OF_RANGE ||
            result == BOOK_REFERENCE_MISSING);
}

// Every result that the modules have must have come.
static u32 count_missing(const struct run *run)
{
    u32 missing = 0;
    for (u32 i = 0; i < module_count; i++) {
        const struct schema_module *schema = modules[i]->schema;
        if (schema != &entity_schema && schema != &book_schema && schema != &entry_schema &&
            schema != &constraint_schema) {
            continue;
        }
        for (u32 j = 0; j < schema->results[0]->row_count; j++) {
            const struct schema_result *result = &schema->results[0]->rows[j];
            if (run->results[i][result->number] > 0) continue;
            if (is_of_questions(schema, result->number)) continue;
            (void)fprintf(stderr, "never given: %s of %s\n", result->name, modules[i]->name);
            missing++;
        }
    }
    return missing;
}

static void print_coverage(const struct run *run)
{
    for (u32 i = 0; i < module_count; i++) {
        for (u32 j = 0; j < RESULTS_MAX; j++) {
            if (run->results[i][j] == 0) continue;
            const struct schema_result *result =
                schema_find_result(modules[i]->schema->results[0], j);
            (void)fprintf(stderr, "%-8s %3u %-28s %8llu\n", modules[i]->name, j,
                          result == NULL ? "" : result->name,
                          (unsigned long long)run->results[i][j]);
        }
    }
}

static void test_machine_and_model_agree(void **state)
{
    const struct plan_of_runs *plan = *state;
    struct run *run = calloc(1, sizeof *run);
    assert_non_null(run);
    for (u64 i = 0; i < plan->seed_count; i++) run_seed(run, plan->seed_first + i, plan->steps);
    if (getenv("BOOK_COVERAGE") != NULL) print_coverage(run);
    if (plan->seed_count > 1) {
        assert_int_equal(count_missing(run), 0);
        assert_true(run->replies > plan->steps);
    }
    free(run);
}

static void test_same_seed_same_steps(void **state)
{
    (void)state;
    struct book_random *left = malloc(sizeof *left);
    struct book_random *right = malloc(sizeof *right);
    struct book_step steps[2];
    assert_true(left != NULL && right != NULL);
    book_random_init(left, 42);
    book_random_init(right, 42);
    for (u32 i = 0; i < 500; i++) {
        book_random_next(left, &steps[0]);
        book_random_next(right, &steps[1]);
        if (steps[0].command.size > 0) {
            assert_memory_equal(left->body, right->body, steps[0].command.size);
        }
        steps[0].command.body = NULL;
        steps[1].command.body = NULL;
        assert_memory_equal(&steps[0], &steps[1], sizeof steps[0]);
    }
    free(left);
    free(right);
}

int main(int argc, char **argv)
{
    struct plan_of_runs plan = {.seed_first = 1, .seed_count = SEEDS, .steps = STEPS_OF_A_SEED};
    if (argc > 1) {
        plan.seed_first = strtoull(argv[1], NULL, 10);
        plan.seed_count = 1;
    }
    if (argc > 2) plan.steps = strtoull(argv[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_machine_and_model_agree, &plan),
        cmocka_unit_test(test_same_seed_same_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
