// SPDX-License-Identifier: Apache-2.0
//
// What a node answers, beside what the model knows.
#include "machine/book_compare.h"

#include "codec/record_json.h"
#include "ledger/ledger_schema.h"
#include "modules/constraint/constraint_model.h"

#include <stdio.h>

#define LISTED_MAX 300u // Accounts or postings of a ledger number that are compared.

static void differs(const struct book_compare *compare, const char *what)
{
    compare->differs(compare->context, what);
}

void book_compare_print(const struct schema_record *record, const void *body)
{
    char text[32768];
    struct json_writer writer = json_writer_init(text, sizeof text - 1);
    record_json_write(record, RECORD_JSON_OMIT_ZERO, body, &writer);
    text[MIN(writer.text.size, sizeof text - 1)] = 0;
    (void)fprintf(stderr, "  %s %s\n", record->name, text);
}

// Whether an account is one that the model knows of.
static bool is_known(const struct book_compare *compare, u32 number)
{
    return number < compare->foreign_first || number >= compare->foreign_end;
}

void book_compare_accounts(struct book_compare *compare)
{
    const struct ledger *ledger = &compare->ask->node->machine.ledger;
    u32 i = 0;
    for (u32 row = 0; row < ledger->accounts.count; row++) {
        struct account account = *ledger_account(ledger, row);
        if (!is_known(compare, account.ledger)) continue;
        if (i == book_model_account_count(compare->model)) {
            differs(compare, "another number of accounts");
        }
        const struct account expected = book_model_account(compare->model, i++);
        account.reserved = 0;
        account.timestamp = 0;
        if (memcmp(&expected, &account, sizeof account) == 0) continue;
        book_compare_print(&ledger_schema_account, &expected);
        book_compare_print(&ledger_schema_account, &account);
        differs(compare, "another account");
    }
    if (i != book_model_account_count(compare->model)) {
        differs(compare, "another number of accounts");
    }
}

// Asks; the views are in the asker.
static u32 ask(struct book_compare *compare, const struct schema_record *question, const void *body)
{
    struct module_answer answer = {0};
    const u32 result = node_ask(compare->ask, question, body, (u32)NODE_ASK_SPACE, &answer);
    if (result != MODULE_DONE) differs(compare, "a question is refused");
    if (!is_zero(answer.cursor, sizeof answer.cursor)) differs(compare, "an answer without end");
    return answer.count;
}

static void entities_compare(struct book_compare *compare)
{
    struct entity expected;
    const struct entity_list all = {0};
    struct entity *views = (void *)compare->ask->views;
    u32 i = 0;
    const u32 count = ask(compare, &entity_schema_entity_list, &all);
    for (; i < count && book_model_entity(compare->model, i, &expected); i++) {
        if (views[i].opened_at == 0) differs(compare, "an entity without a moment");
        views[i].opened_at = 0;
        if (memcmp(&views[i], &expected, sizeof expected) != 0) differs(compare, "another entity");
    }
    if (i < count || book_model_entity(compare->model, i, &expected))
        differs(compare, "other entities");
}

static void calendars_compare(struct book_compare *compare)
{
    struct calendar expected;
    struct calendar_exception day;
    const struct calendar_list all = {0};
    u32 i = 0;
    const u32 count = ask(compare, &entity_schema_calendar_list, &all);
    for (; i < count && book_model_calendar(compare->model, i, &expected); i++) {
        const struct calendar *views = (const void *)compare->ask->views;
        if (memcmp(&views[i], &expected, sizeof expected) != 0)
            differs(compare, "another calendar");
    }
    if (i < count || book_model_calendar(compare->model, i, &expected)) {
        differs(compare, "other calendars");
    }
    for (i = 0; book_model_calendar(compare->model, i, &expected); i++) {
        struct calendar_days question = {0};
        memcpy(question.calendar, expected.calendar, sizeof question.calendar);
        const u32 days = ask(compare, &entity_schema_calendar_days, &question);
        struct calendar_exception *views = (void *)compare->ask->views;
        u32 j = 0;
        for (; j < days && book_model_calendar_day(compare->model, expected.calendar, j, &day);
             j++) {
            views[j].key = 0;
            if (memcmp(&views[j], &day, sizeof day) != 0)
                differs(compare, "another day of a calendar");
        }
        if (j < days || book_model_calendar_day(compare->model, expected.calendar, j, &day)) {
            differs(compare, "other days of a calendar");
        }
    }
}

static void closed_days_compare(struct book_compare *compare)
{
    struct entity entity;
    struct business_day expected;
    for (u32 i = 0; book_model_entity(compare->model, i, &entity); i++) {
        const struct day_list question = {.entity_id = entity.entity_id};
        const u32 count = ask(compare, &entity_schema_day_list, &question);
        struct business_day *views = (void *)compare->ask->views;
        u64 row_end = 0;
        u32 j = 0;
        for (; j < count && book_model_closed_day(compare->model, entity.entity_id, j, &expected);
             j++) {
            if (views[j].row_end <= row_end) differs(compare, "rows of closed days do not rise");
            if (views[j].closed_at == 0) differs(compare, "a closed day without a moment");
            row_end = views[j].row_end;
            views[j].key = 0;
            views[j].closed_at = 0;
            views[j].row_end = 0;
            views[j].final_row = 0;
            if (memcmp(&views[j], &expected, sizeof expected) != 0) {
                differs(compare, "another closed day");
            }
        }
        if (j < count || book_model_closed_day(compare->model, entity.entity_id, j, &expected)) {
            differs(compare, "other closed days");
        }
    }
}

static void assets_compare(struct book_compare *compare)
{
    struct asset expected;
    const struct asset_list all = {0};
    const struct asset *views = (const void *)compare->ask->views;
    u32 i = 0;
    const u32 count = ask(compare, &book_schema_asset_list, &all);
    for (; i < count && book_model_asset(compare->model, i, &expected); i++) {
        if (memcmp(&views[i], &expected, sizeof expected) != 0) differs(compare, "another asset");
    }
    if (i < count || book_model_asset(compare->model, i, &expected))
        differs(compare, "other assets");
}

static void codes_compare(struct book_compare *compare)
{
    struct chart_code expected;
    const struct chart_list all = {0};
    struct chart_code *views = (void *)compare->ask->views;
    u32 i = 0;
    const u32 count = ask(compare, &book_schema_chart_list, &all);
    for (; i < count && book_model_chart_code(compare->model, i, &expected); i++) {
        views[i].key = 0;
        if (memcmp(&views[i], &expected, sizeof expected) != 0) differs(compare, "another code");
    }
    if (i < count || book_model_chart_code(compare->model, i, &expected))
        differs(compare, "other codes");
}

static void trial_balance_compare(struct book_compare *compare, u32 book)
{
    struct trial_balance_row expected;
    const struct trial_balance question = {.book = book};
    const struct trial_balance_row *views = (const void *)compare->ask->views;
    u32 i = 0;
    const u32 count = ask(compare, &book_schema_trial_balance, &question);
    for (; i < count && book_model_trial_balance(compare->model, book, i, &expected); i++) {
        if (memcmp(&views[i], &expected, sizeof expected) != 0) {
            book_compare_print(&book_schema_trial_balance_row, &expected);
            book_compare_print(&book_schema_trial_balance_row, &views[i]);
            differs(compare, "another row of a trial balance");
        }
    }
    if (i < count || book_model_trial_balance(compare->model, book, i, &expected)) {
        differs(compare, "other rows of a trial balance");
    }
}

static void account_list_compare(struct book_compare *compare, u32 book, bool only_stopped)
{
    struct account_row expected;
    const struct account_list question = {.book = book, .only_stopped = only_stopped};
    struct account_row *views = (void *)compare->ask->views;
    u32 i = 0;
    const u32 count = ask(compare, &book_schema_account_list, &question);
    for (;
         i < count && book_model_account_row_view(compare->model, book, only_stopped, i, &expected);
         i++) {
        views[i].since = views[i].since > 0;
        if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
        book_compare_print(&book_schema_account_row, &expected);
        book_compare_print(&book_schema_account_row, &views[i]);
        differs(compare, "another account of a book");
    }
    if (i < count ||
        book_model_account_row_view(compare->model, book, only_stopped, i, &expected)) {
        differs(compare, "other accounts of a book");
    }
}

static void holds_compare(struct book_compare *compare)
{
    struct hold_row expected;
    const struct hold_list all = {0};
    struct hold_row *views = (void *)compare->ask->views;
    u32 i = 0;
    const u32 count = ask(compare, &entry_schema_hold_list, &all);
    for (; i < count && book_model_hold(compare->model, i, &expected); i++) {
        views[i].expires_at = views[i].expires_at > 0;
        if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
        book_compare_print(&entry_schema_hold_row, &expected);
        book_compare_print(&entry_schema_hold_row, &views[i]);
        differs(compare, "another hold");
    }
    if (i < count || book_model_hold(compare->model, i, &expected)) differs(compare, "other holds");
}

static void rules_compare(struct book_compare *compare)
{
    struct rule_row expected;
    const struct rule_list all = {0};
    const struct rule_row *views = (const void *)compare->ask->views;
    u32 i = 0;
    const u32 count = ask(compare, &entry_schema_rule_list, &all);
    for (; i < count && book_model_rule(compare->model, i, &expected); i++) {
        if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
        book_compare_print(&entry_schema_rule_row, &expected);
        book_compare_print(&entry_schema_rule_row, &views[i]);
        differs(compare, "another rule");
    }
    if (i < count || book_model_rule(compare->model, i, &expected)) differs(compare, "other rules");
}

// Some entries, from their postings to what reversed them.
void book_compare_entries(struct book_compare *compare)
{
    struct entry_posting expected;
    for (u32 k = 0; k < BOOK_COMPARE_ENTRIES; k++) {
        const u64 draw = random_u64(compare->random);
        const struct entry_show question = {.entry_id = book_model_entry_any(compare->model, draw)};
        if (question.entry_id == 0) return;
        struct entry_posting *views = (void *)compare->ask->views;
        u32 i = 0;
        const u32 count = ask(compare, &entry_schema_entry_show, &question);
        for (;
             i < count && book_model_entry_posting(compare->model, question.entry_id, i, &expected);
             i++) {
            if (views[i].timestamp == 0) differs(compare, "a posting without a moment");
            views[i].timestamp = 0;
            if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
            book_compare_print(&entry_schema_entry_posting, &expected);
            book_compare_print(&entry_schema_entry_posting, &views[i]);
            differs(compare, "another posting of an entry");
        }
        if (i < count ||
            book_model_entry_posting(compare->model, question.entry_id, i, &expected)) {
            differs(compare, "other postings of an entry");
        }
    }
}

static void books_compare(struct book_compare *compare)
{
    struct book expected;
    const struct book_list all = {0};
    struct book *views = (void *)compare->ask->views;
    u32 i = 0;
    const u32 count = ask(compare, &book_schema_book_list, &all);
    for (; i < count && book_model_book(compare->model, i, &expected); i++) {
        views[i].account_last = 0;
        if (memcmp(&views[i], &expected, sizeof expected) != 0) differs(compare, "another book");
    }
    if (i < count || book_model_book(compare->model, i, &expected)) differs(compare, "other books");
    for (i = 0; book_model_book(compare->model, i, &expected); i++) {
        trial_balance_compare(compare, (u32)expected.book);
        account_list_compare(compare, (u32)expected.book, false);
        account_list_compare(compare, (u32)expected.book, true);
    }
}

void book_compare_cells(struct book_compare *compare)
{
    struct cell_view expected;
    const struct cell_list all = {0};
    const struct constraint_model *model = book_model_constraints(compare->model);
    const struct cell_view *views = (const void *)compare->ask->views;
    u32 i = 0;
    const u32 count = ask(compare, &constraint_schema_cell_list, &all);
    for (; i < count && constraint_model_cell(model, i, &expected); i++) {
        if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
        book_compare_print(&constraint_schema_cell_view, &expected);
        book_compare_print(&constraint_schema_cell_view, &views[i]);
        differs(compare, "another cell");
    }
    if (i < count || constraint_model_cell(model, i, &expected)) differs(compare, "other cells");
}

static void constraints_compare(struct book_compare *compare)
{
    struct constraint_view expected;
    const struct constraint_list all = {0};
    const struct constraint_model *model = book_model_constraints(compare->model);
    struct constraint_view *views = (void *)compare->ask->views;
    u32 i = 0;
    const u32 count = ask(compare, &constraint_schema_constraint_list, &all);
    for (; i < count && constraint_model_constraint(model, i, &expected); i++) {
        if (views[i].since == 0) differs(compare, "a constraint without a moment");
        views[i].since = 0;
        if (memcmp(&views[i], &expected, sizeof expected) == 0) continue;
        book_compare_print(&constraint_schema_constraint_view, &expected);
        book_compare_print(&constraint_schema_constraint_view, &views[i]);
        differs(compare, "another constraint");
    }
    if (i < count || constraint_model_constraint(model, i, &expected)) {
        differs(compare, "other constraints");
    }
}

static void breaches_compare(struct book_compare *compare)
{
    struct breach_view expected;
    const struct breach_list all = {0};
    const struct constraint_model *model = book_model_constraints(compare->model);
    struct breach_view *views = (void *)compare->ask->views;
    u64 opened_at = 0;
    u32 i = 0;
    const u32 count = ask(compare, &constraint_schema_breach_list, &all);
    for (; i < count && constraint_model_breach_view(model, i, &expected); i++) {
        struct breach_view *view = &views[i];
        if (view->opened_at < opened_at || view->opened_position == 0 ||
            (view->cured_at == 0) != (view->cured_position == 0) ||
            (view->cured_at != 0 && view->cured_at <= view->opened_at)) {
            differs(compare, "moments of a breach");
        }
        opened_at = view->opened_at;
        view->opened_at = 0;
        view->opened_position = 0;
        view->cured_at = view->cured_at > 0;
        view->cured_position = 0;
        if (memcmp(view, &expected, sizeof expected) == 0) continue;
        book_compare_print(&constraint_schema_breach_view, &expected);
        book_compare_print(&constraint_schema_breach_view, view);
        differs(compare, "another breach");
    }
    if (i < count || constraint_model_breach_view(model, i, &expected)) {
        differs(compare, "other breaches");
    }
}

// The next breach of a constraint from `i` on, or the count when there is none.
static u32 breach_next(const struct breach_view *breaches, u32 count, u32 i, u32 constraint)
{
    while (i < count && breaches[i].constraint != constraint) i++;
    return i;
}

// The history of a constraint tells of its breaches what their list tells, and ends as it stands.
static void history_compare(struct book_compare *compare, const struct constraint_view *now,
                            const struct breach_view *breaches, u32 breach_count)
{
    const struct constraint_history question = {.constraint = now->constraint};
    const struct constraint_span *spans = (const void *)compare->ask->views;
    struct constraint_span last = {0};
    struct module_answer answer = {0};
    u32 breach = breach_next(breaches, breach_count, 0, now->constraint);
    do {
        if (node_ask(compare->ask, &constraint_schema_constraint_history, &question,
                     (u32)NODE_ASK_SPACE, &answer) != MODULE_DONE) {
            differs(compare, "a history is refused");
        }
        for (u32 i = 0; i < answer.count; i++) {
            const struct constraint_span *span = &spans[i];
            const bool was_breached = last.state == CONSTRAINT_STATE_BREACHED;
            const bool is_breached = span->state == CONSTRAINT_STATE_BREACHED;
            const bool is_in_order =
                span->from_at > last.last_at && span->from_position >= last.last_position &&
                span->headroom == span->value - span->bound &&
                span->least_headroom <= span->headroom && (span->least_headroom < 0) == is_breached;
            if (!is_in_order) differs(compare, "a span of a history");
            if (was_breached && !is_breached) {
                if (breaches[breach].cured_at != span->from_at ||
                    breaches[breach].cured_position != span->from_position) {
                    differs(compare, "a cure in a history");
                }
                breach = breach_next(breaches, breach_count, breach + 1, now->constraint);
            }
            if (is_breached &&
                (breach == breach_count || span->least_value < breaches[breach].worst ||
                 (!was_breached && breaches[breach].opened_at != span->from_at))) {
                differs(compare, "a breach in a history");
            }
            last = *span;
        }
    } while (!is_zero(answer.cursor, sizeof answer.cursor));
    const u32 open = breach + (last.state == CONSTRAINT_STATE_BREACHED);
    const bool is_as_now = last.state == now->state && last.bound == now->bound &&
                           (last.state == CONSTRAINT_STATE_CLOSED || last.value == now->value);
    if (!is_as_now || breach_next(breaches, breach_count, open, now->constraint) != breach_count) {
        differs(compare, "the end of a history");
    }
}

static void histories_compare(struct book_compare *compare)
{
    struct constraint_view now;
    const struct breach_list all = {0};
    const struct constraint_model *model = book_model_constraints(compare->model);
    const u32 count = ask(compare, &constraint_schema_breach_list, &all);
    struct breach_view *breaches = malloc(MAX(count, 1u) * sizeof *breaches);
    if (breaches == NULL) abort();
    memcpy(breaches, compare->ask->views, count * sizeof *breaches);
    for (u32 i = 0; constraint_model_constraint(model, i, &now); i++) {
        history_compare(compare, &now, breaches, count);
    }
    free(breaches);
}

// What history's lists have on a ledger number.
void book_compare_history(struct book_compare *compare, u32 number)
{
    const struct ledger *ledger = &compare->ask->node->machine.ledger;
    struct transfer postings[LISTED_MAX];
    struct transfer expected;
    u32 rows[LISTED_MAX];
    u32 row = 0;
    u32 i = 0;
    const u32 accounts = node_ask_accounts(compare->ask, number, LISTED_MAX, rows);
    for (; row < ledger->accounts.count && i < LISTED_MAX; row++) {
        if (ledger_account(ledger, row)->ledger != number) continue;
        if (i == accounts || rows[i++] != row) differs(compare, "other accounts in a list");
    }
    if (i != accounts) differs(compare, "more accounts in a list");
    const u32 count = node_ask_postings(compare->ask, number, 0, LISTED_MAX, postings);
    for (i = 0; i < count && book_model_posting(compare->model, number, i, &expected); i++) {
        postings[i].id = 0;
        postings[i].timestamp = 0;
        postings[i].pending_id = 0;
        postings[i].timeout = 0;
        postings[i].flags &= (u16)~TRANSFER_LINKED;
        if (memcmp(&postings[i], &expected, sizeof expected) != 0) {
            book_compare_print(&ledger_schema_transfer, &expected);
            book_compare_print(&ledger_schema_transfer, &postings[i]);
            differs(compare, "another posting");
        }
    }
    if (i < count || (i < LISTED_MAX && book_model_posting(compare->model, number, i, &expected))) {
        differs(compare, "another number of postings");
    }
}

// Whether the model's trial balance has this row.
static bool has_balance(const struct book_compare *compare, u32 book,
                        const struct trial_balance_row *row)
{
    struct trial_balance_row expected;
    for (u32 i = 0; book_model_trial_balance(compare->model, book, i, &expected); i++) {
        if (memcmp(&expected, row, sizeof expected) == 0) return true;
    }
    return false;
}

// Whatever a client gives as a cursor, the answer comes to an end and is of what was asked.
static void cursor_try(struct book_compare *compare, const struct schema_record *question,
                       const void *body, u32 book)
{
    struct module_answer answer = {0};
    const u64 row = random_below(compare->random, 200);
    store_u64(answer.cursor, row);
    for (u32 i = 0; i < 1000; i++) {
        if (node_ask(compare->ask, question, body, 600, &answer) != MODULE_DONE) {
            differs(compare, "a cursor is refused");
        }
        const struct trial_balance_row *views = (const void *)compare->ask->views;
        for (u32 j = 0; book != 0 && j < answer.count; j++) {
            if (!has_balance(compare, book, &views[j]))
                differs(compare, "a cursor leads to another book");
        }
        if (is_zero(answer.cursor, sizeof answer.cursor)) return;
    }
    differs(compare, "a cursor leads nowhere");
}

void book_compare_cursors(struct book_compare *compare)
{
    struct entity entity;
    struct calendar calendar;
    struct book book;
    const struct asset_list nothing = {0};
    cursor_try(compare, &entity_schema_entity_list, &nothing, 0);
    cursor_try(compare, &entity_schema_calendar_list, &nothing, 0);
    cursor_try(compare, &book_schema_asset_list, &nothing, 0);
    cursor_try(compare, &book_schema_chart_list, &nothing, 0);
    cursor_try(compare, &book_schema_book_list, &nothing, 0);
    cursor_try(compare, &constraint_schema_cell_list, &nothing, 0);
    cursor_try(compare, &constraint_schema_constraint_list, &nothing, 0);
    cursor_try(compare, &constraint_schema_breach_list, &nothing, 0);
    if (book_model_entity(compare->model, 0, &entity)) {
        const struct entity_list one = {.entity_id = entity.entity_id};
        const struct day_list days = {.entity_id = entity.entity_id};
        cursor_try(compare, &entity_schema_entity_list, &one, 0);
        cursor_try(compare, &entity_schema_day_list, &days, 0);
    }
    if (book_model_calendar(compare->model, 0, &calendar)) {
        struct calendar_days days = {0};
        memcpy(days.calendar, calendar.calendar, sizeof days.calendar);
        cursor_try(compare, &entity_schema_calendar_days, &days, 0);
    }
    for (u32 i = 0; book_model_book(compare->model, i, &book); i++) {
        const struct trial_balance question = {.book = (u32)book.book};
        cursor_try(compare, &book_schema_trial_balance, &question, (u32)book.book);
    }
}

void book_compare_answers(struct book_compare *compare)
{
    entities_compare(compare);
    calendars_compare(compare);
    closed_days_compare(compare);
    assets_compare(compare);
    codes_compare(compare);
    books_compare(compare);
    holds_compare(compare);
    rules_compare(compare);
    book_compare_cells(compare);
    constraints_compare(compare);
    breaches_compare(compare);
    histories_compare(compare);
}
