// SPDX-License-Identifier: Apache-2.0
//
// Balances, trial balances and statements, of now and of any moment.
//
// A moment has two sides: what was known (up to a position or a time), and the effective day up to
// which postings count. `ask` says which rows of accounts and of history are meant, `look` reads
// what they were. The end of an effective day is the row at which it was closed, and the postings
// that were dated back to it later, none of which lies behind the closing of its period.
#include "codec/civil.h"
#include "modules/book/book_internal.h"
#include "modules/entity/entity.h"

#include <stdlib.h>

#define ROWS_MAX 256u  // Accounts of a page that history answers.
#define DAYS_MAX 4096u // Business days of a page of a statement.

// What `look` needs to know.
struct task {
    struct history_moment moment;
    struct history_statement statement;
    u64 position;  // What all pages of a statement show.
    u8 scale;      // Of its asset.
    bool windowed; // The statement has more days than there is room for.
    u32 row_count;
    u32 rows[ROWS_MAX]; // Of the accounts whose views are there, in their order.
    struct history_day days[DAYS_MAX];
};
static_assert(sizeof(struct task) <= ANSWER_TASK_SIZE, "a question's room");

// Where a statement goes on.
struct statement_cursor {
    u64 row;
    u64 dated_row;
    i32 dated_day;
    i32 day_min;  // By day: of the days that there was room for.
    u64 position; // What all pages show; 0: there was none yet.
};
static_assert(sizeof(struct statement_cursor) == MODULE_CURSOR_SIZE, "a cursor");

// Where a trial balance goes on.
struct balances_cursor {
    u64 next;     // Row of the account, plus one.
    u64 position; // What all of its pages show.
    u64 reserved[2];
};
static_assert(sizeof(struct balances_cursor) == MODULE_CURSOR_SIZE, "a cursor");

// --- balances ------------------------------------------------------------------------------------

static struct trial_balance_row balance_row(const struct module_context *context,
                                            const struct book *book, u32 row)
{
    const struct account *account = ledger_account(context->ledger, row);
    struct trial_balance_row out = {
        .code = account->code,
        .book = account->ledger,
        .account_id = account->id,
        .debits_posted = account->debits_posted,
        .credits_posted = account->credits_posted,
        .debits_pending = account->debits_pending,
        .credits_pending = account->credits_pending,
    };
    if (book == NULL) return out; // A raw one.
    const struct book_account *known = book_account_find(context, row);
    const struct chart_code *code = book_code_find(context, book->chart, known->code);
    out.kind = code == NULL ? KIND_LIABILITY : code->kind;
    out.scale = book_asset_find(context, book->asset)->scale;
    out.owner = known->owner;
    memcpy(out.name, known->name, sizeof out.name);
    return out;
}

static void balance_net(struct trial_balance_row *row)
{
    const u128 debits = row->debits_posted;
    const u128 credits = row->credits_posted;
    row->debit = debits > credits ? debits - credits : 0;
    row->credit = credits > debits ? credits - debits : 0;
}

// The end of an effective day of a book's entity; 0 is the open day, which is never over.
static struct history_moment moment_of_day(const struct module_context *context,
                                           const struct book *book, i32 day)
{
    if (day == 0) return history_moment_of(U64_MAX);
    const struct entity *entity = entity_find(context, book->entity_id);
    if (day >= entity->day) return history_moment_of(U64_MAX);
    if (day < entity->first_day) return history_moment_of(0);
    const struct business_day *closed = entity_closed_day_before(context, book->entity_id, day);
    return (struct history_moment){
        .row_end = closed == NULL ? 0 : closed->row_end,
        .dated_end = entity_final_row(context, book->entity_id, day),
        .day = day,
        .day_row = U64_MAX,
    };
}

// The row of an account of a book or, `*book` being NULL, of a raw ledger number.
static u32 account_resolve(const struct module_context *context, u32 number, u128 account_id,
                           const struct book **book, u32 *row, u128 evidence[2])
{
    const struct ledger *ledger = context->ledger;
    *book = book_find(context, number);
    evidence[0] = number;
    if (*book != NULL) {
        *row = ledger_class_account_row(ledger, number, account_id);
    } else {
        if (ledger_number_class(ledger, number) != 0) return BOOK_NOT_FOUND;
        *row = ledger_account_row(ledger, account_id);
        if (*row != U32_MAX && ledger_account(ledger, *row)->ledger != number) *row = U32_MAX;
    }
    evidence[0] = account_id;
    return *row == U32_MAX ? BOOK_ACCOUNT_NOT_FOUND : MODULE_DONE;
}

static u32 balance_ask(const struct module_context *context, const struct balance *question,
                       struct module_answer *answer)
{
    const struct book *book = NULL;
    u32 row = 0;
    const u32 refusal = account_resolve(context, question->book, question->account_id, &book, &row,
                                        answer->evidence);
    answer->record = &book_schema_trial_balance_row;
    if (refusal != MODULE_DONE) return refusal;
    answer->evidence[0] = question->book;
    if (book == NULL && question->day != 0) return BOOK_RAW_HAS_NO_DAYS;
    struct trial_balance_row view = balance_row(context, book, row);
    balance_net(&view);
    memset(answer->cursor, 0, sizeof answer->cursor);
    (void)answer_add(answer, &view); // There is room for one.
    answer->looks = question->day != 0 || question->time != 0 || question->position != 0;
    if (!answer->looks) return MODULE_DONE;
    struct task *task = answer->task;
    task->moment = moment_of_day(context, book, question->day);
    task->row_count = 1;
    task->rows[0] = row;
    answer->position = question->position;
    answer->time = question->time;
    return MODULE_DONE;
}

// From the newest account to the oldest. All pages are of the position that the first one shows, so
// that they balance, whatever is posted between them.
static u32 trial_balance_ask(const struct module_context *context,
                             const struct trial_balance *question, struct module_answer *answer)
{
    const struct book *book = book_find(context, question->book);
    answer->evidence[0] = question->book;
    answer->record = &book_schema_trial_balance_row;
    if (book == NULL) return BOOK_NOT_FOUND;
    struct balances_cursor cursor;
    memcpy(&cursor, answer->cursor, sizeof cursor);
    u64 next = cursor.next;
    if (next == 0) next = book->account_last;
    const u64 position = question->position != 0 ? question->position : cursor.position;
    answer->looks = question->day != 0 || question->time != 0 || position != 0;
    struct task *task = answer->task;
    if (answer->looks) {
        task->moment = moment_of_day(context, book, question->day);
        task->row_count = 0;
        answer->position = position;
        answer->time = question->time;
    }
    memset(answer->cursor, 0, sizeof answer->cursor);
    while (next > 0 && next <= module_record_count(context, TABLE_ACCOUNTS)) {
        const struct book_account *known = module_record(context, TABLE_ACCOUNTS, next - 1);
        if (known->book != question->book) break; // A cursor that this server did not give.
        struct trial_balance_row row = balance_row(context, book, (u32)known->row);
        balance_net(&row);
        const bool has_room = !answer->looks || task->row_count < ROWS_MAX;
        if (!has_room || !answer_add(answer, &row)) {
            cursor = (struct balances_cursor){
                .next = next, .position = position != 0 ? position : context->position};
            memcpy(answer->cursor, &cursor, sizeof cursor);
            break;
        }
        if (answer->looks) task->rows[task->row_count++] = (u32)known->row;
        next = known->previous;
    }
    return MODULE_DONE;
}

// Puts the balances of the moment into the views that are there.
static enum status balances_look(struct history_query *query, struct history_view *view,
                                 struct module_answer *answer, struct failure *failure)
{
    const struct task *task = answer->task;
    struct trial_balance_row *rows = (struct trial_balance_row *)(void *)answer->views;
    assert(answer->count == task->row_count);
    for (u32 i = 0; i < task->row_count; i++) {
        struct account_state state;
        history_view_renew(view);
        enum status status =
            history_state_at(query, view, task->rows[i], &task->moment, &state, failure);
        if (status != STATUS_OK) return status;
        rows[i].debits_posted = state.debits_posted;
        rows[i].credits_posted = state.credits_posted;
        rows[i].debits_pending = state.debits_pending;
        rows[i].credits_pending = state.credits_pending;
        balance_net(&rows[i]);
    }
    return STATUS_OK;
}

// --- statements ----------------------------------------------------------------------------------

// The business days that a page needs: from the one before `day` or, by rows, from the one of `row`
// on. `*day_max` is brought to the last one that there is room for.
static void days_collect(const struct module_context *context, const struct book *book, i32 day,
                         u64 row, struct task *task)
{
    const struct entity *entity = entity_find(context, book->entity_id);
    struct history_statement *statement = &task->statement;
    const struct business_day *closed = NULL;
    if (!statement->by_day) {
        closed = entity_closed_day_of_row(context, book->entity_id, row);
    } else {
        if (day != 0) closed = entity_closed_day_before(context, book->entity_id, day - 1);
        if (closed == NULL) closed = entity_closed_day(context, book->entity_id, entity->first_day);
    }
    for (; closed != NULL; closed = entity_closed_day(context, book->entity_id, closed->next)) {
        if (statement->day_count == DAYS_MAX) {
            // The page ends with the days that it knows.
            const struct history_day *last = &task->days[DAYS_MAX - 1];
            task->windowed = !statement->by_day || last->day < statement->day_max;
            statement->day_max = MIN(statement->day_max, last->day);
            statement->row_end = last->row_end;
            return;
        }
        task->days[statement->day_count++] =
            (struct history_day){.row_end = closed->row_end, .day = closed->day};
        if (statement->by_day && closed->day > statement->day_max) return;
    }
    statement->open_day = entity->day;
}

static u32 statement_check(const struct statement *question, const struct book *book,
                           struct module_answer *answer)
{
    const bool by_day = question->from_day != 0 || question->to_day != 0;
    const bool by_time = question->from_time != 0 || question->to_time != 0;
    answer->evidence[0] = question->book;
    if (by_day && by_time) return BOOK_DAYS_AND_TIMES;
    const bool is_reversed = (question->to_day != 0 && question->to_day < question->from_day) ||
                             (question->to_time != 0 && question->to_time < question->from_time);
    answer->evidence[0] = by_day ? (u32)question->from_day : question->from_time;
    answer->evidence[1] = by_day ? (u32)question->to_day : question->to_time;
    if (is_reversed) return BOOK_RANGE_REVERSED;
    const bool is_day =
        civil_day_is_valid(question->from_day) && civil_day_is_valid(question->to_day);
    if (book != NULL && !is_day) return BOOK_DAY_OUT_OF_RANGE;
    answer->evidence[0] = question->book;
    answer->evidence[1] = 0;
    return by_day && book == NULL ? BOOK_RAW_HAS_NO_DAYS : MODULE_DONE;
}

static u32 statement_ask(const struct module_context *context, const struct statement *question,
                         struct module_answer *answer)
{
    const struct book *book = NULL;
    u32 row = 0;
    answer->record = &book_schema_statement_line;
    u32 refusal = account_resolve(context, question->book, question->account_id, &book, &row,
                                  answer->evidence);
    if (refusal == MODULE_DONE) refusal = statement_check(question, book, answer);
    if (refusal != MODULE_DONE) return refusal;
    struct statement_cursor cursor;
    memcpy(&cursor, answer->cursor, sizeof cursor);
    const u64 position = question->position != 0 ? question->position : cursor.position;
    struct task *task = answer->task;
    task->position = position != 0 ? position : context->position;
    task->windowed = false;
    task->scale = book == NULL ? 0 : book_asset_find(context, book->asset)->scale;
    task->statement = (struct history_statement){
        .account_row = row,
        .by_day = question->from_day != 0 || question->to_day != 0,
        .days = task->days,
        .day_min = MAX(question->from_day, cursor.day_min),
        .day_max = question->to_day == 0 ? INT32_MAX - 1 : question->to_day,
        .dated_end = U64_MAX,
        .row_end = U64_MAX,
        .at = {.row = cursor.row, .dated_row = cursor.dated_row, .dated_day = cursor.dated_day},
    };
    if (book != NULL) {
        days_collect(context, book, task->statement.day_min, cursor.row, task);
        task->statement.dated_end =
            entity_final_row(context, book->entity_id, task->statement.day_max);
    }
    answer->looks = true;
    answer->position = position;
    answer->time = question->time;
    return MODULE_DONE;
}

static u8 line_kind(const struct outcome *outcome)
{
    if (outcome->kind == OUTCOME_EXPIRY) return STATEMENT_HOLD_EXPIRED;
    if (outcome->flags & TRANSFER_PENDING) return STATEMENT_HELD;
    if (outcome->flags & TRANSFER_POST_PENDING) return STATEMENT_HOLD_POSTED;
    if (outcome->flags & TRANSFER_VOID_PENDING) return STATEMENT_HOLD_VOIDED;
    return STATEMENT_POSTED;
}

static u128 distance(u128 a, u128 b)
{
    return a > b ? a - b : b - a;
}

// The balances behind a line.
static void line_balance(struct statement_line *out, const struct account_state *state)
{
    const u128 debits = state->debits_posted;
    const u128 credits = state->credits_posted;
    out->balance_debit = debits > credits ? debits - credits : 0;
    out->balance_credit = credits > debits ? credits - debits : 0;
    out->debits_pending = state->debits_pending;
    out->credits_pending = state->credits_pending;
}

static struct statement_line line_view(const struct history_view *view,
                                       const struct statement *question, u8 scale,
                                       const struct account_state *before,
                                       const struct history_line *line)
{
    const struct outcome *outcome = &line->outcome;
    const u32 other = line->is_debit ? outcome->credit_row : outcome->debit_row;
    struct statement_line out = {
        .day = line->day,
        .kind = line_kind(outcome),
        .scale = scale,
        .code = outcome->code,
        .book = question->book,
        .purpose = line->transfer.user_data_32,
        .row = line->row,
        .timestamp = outcome->timestamp,
        .entry_id = line->id,
        .account_id = view->accounts[other].id,
        .debit = line->after.debits_posted - before->debits_posted,
        .credit = line->after.credits_posted - before->credits_posted,
        .held = distance(line->after.debits_pending, before->debits_pending) +
                distance(line->after.credits_pending, before->credits_pending),
        .order_id = line->transfer.user_data_128,
        .scenario = line->transfer.user_data_64,
    };
    line_balance(&out, &line->after);
    return out;
}

// The rows between two times, where a cursor did not say the first. They may end before the days do
// that there was room for.
static enum status statement_rows(struct history_view *view, const struct statement *question,
                                  bool begun, struct task *task, struct failure *failure)
{
    struct history_statement *statement = &task->statement;
    u64 row_end = view->row_end;
    enum status status = STATUS_OK;
    if (question->from_time != 0 && !begun) {
        status = history_row_by_time(view, question->from_time - 1, &statement->at.row, failure);
    }
    if (status == STATUS_OK && question->to_time != 0) {
        status = history_row_by_time(view, question->to_time, &row_end, failure);
    }
    if (statement->by_day || row_end > statement->row_end) return status;
    statement->row_end = row_end;
    task->windowed = false;
    return status;
}

// Keeps where the next page goes on: within the days of this one, or behind them.
static void statement_leave(const struct task *task, u8 out[MODULE_CURSOR_SIZE])
{
    const struct history_statement *statement = &task->statement;
    struct statement_cursor cursor = {.row = statement->at.row,
                                      .dated_row = statement->at.dated_row,
                                      .dated_day = statement->at.dated_day,
                                      .day_min = statement->by_day ? statement->day_min : 0,
                                      .position = task->position};
    if (task->windowed && statement->at.ended && statement->by_day) {
        cursor = (struct statement_cursor){.day_min = statement->day_max + 1,
                                           .position = task->position};
    } else if (task->windowed && statement->at.ended) {
        cursor.row = MAX(statement->at.row, statement->row_end);
    }
    memcpy(out, &cursor, sizeof cursor);
}

static enum status statement_look(struct history_query *query, struct history_view *view,
                                  const struct statement *question, struct module_answer *answer,
                                  struct failure *failure)
{
    struct task *task = answer->task;
    struct history_statement *statement = &task->statement;
    struct statement_cursor cursor;
    memcpy(&cursor, answer->cursor, sizeof cursor);
    const bool begun = cursor.position != 0;
    memset(answer->cursor, 0, sizeof answer->cursor);
    enum status status = statement_rows(view, question, begun, task, failure);
    if (status != STATUS_OK) return status;
    // The opening line, as many lines as there is room for, and the closing one, now or on a page
    // of its own.
    const u32 room = (answer->room - answer->size) / (u32)sizeof(struct statement_line);
    struct history_line *lines = malloc(HISTORY_LINES_MAX * sizeof *lines);
    assert(lines != NULL && room > 0);
    struct account_state state;
    u32 count = 0;
    status = history_statement_next(query, view, statement, begun ? room : room - 1, &state, lines,
                                    &count, failure);
    if (status == STATUS_OK) {
        struct statement_line edge = {
            .kind = STATEMENT_OPENING,
            .day = question->from_day,
            .scale = task->scale,
            .book = question->book,
        };
        line_balance(&edge, &state);
        if (!begun) (void)answer_add(answer, &edge);
        for (u32 i = 0; i < count; i++) {
            const struct statement_line one =
                line_view(view, question, task->scale, &state, &lines[i]);
            (void)answer_add(answer, &one);
            state = lines[i].after;
        }
        edge.kind = STATEMENT_CLOSING;
        edge.day = question->to_day;
        line_balance(&edge, &state);
        const bool is_last = statement->at.ended && !task->windowed;
        if (!is_last || !answer_add(answer, &edge)) statement_leave(task, answer->cursor);
    }
    free(lines);
    return status;
}

// --- both ----------------------------------------------------------------------------------------

u32 book_past_ask(const struct module_context *context, const struct schema_record *question,
                  const void *body, struct module_answer *answer)
{
    if (question == &book_schema_trial_balance) return trial_balance_ask(context, body, answer);
    if (question == &book_schema_balance) return balance_ask(context, body, answer);
    if (question == &book_schema_statement) return statement_ask(context, body, answer);
    return book_turnover_ask(context, question, body, answer);
}

enum status book_past_look(struct history_query *query, struct history_view *view,
                           const struct schema_record *question, const void *body,
                           struct module_answer *answer, struct failure *failure)
{
    if (question == &book_schema_statement) {
        return statement_look(query, view, body, answer, failure);
    }
    if (question == &book_schema_reference_turnover) {
        return book_turnover_look(query, view, body, answer, failure);
    }
    return balances_look(query, view, answer, failure);
}
