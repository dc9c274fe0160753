// SPDX-License-Identifier: Apache-2.0
//
// Turnover: by month from the sums that are kept (ledger/turnover.h), by reference from history.
//
// Cost: a look-up for each code (or account) and month, whatever is posted; so a book of 100,000
// accounts is summed by its codes. An answer is made in turns of so many look-ups.
#include "codec/civil.h"
#include "modules/book/book_internal.h"
#include "modules/entity/entity.h"

// Rows of history that a page of a turnover by reference looks at.
#define REFERENCE_ROWS_MAX 16384u

// --- the months of a question --------------------------------------------------------------------

struct book_period book_period_of(const struct module_context *context, const struct book *book,
                                  i32 from_day, i32 to_day)
{
    const struct entity *entity = entity_find(context, book->entity_id);
    struct book_period period = {.first = turnover_month(entity->first_day),
                                 .open = turnover_month(entity->day)};
    period.to = period.open;
    period.from = from_day == 0 ? period.first : turnover_month(from_day);
    period.from = MIN(MAX(period.from, period.first), period.open + 1);
    if (to_day != 0) period.to = MIN(period.open, turnover_month(to_day));
    return period;
}

u32 book_period_check(i32 from_day, i32 to_day, u128 evidence[2])
{
    evidence[0] = (u32)from_day;
    evidence[1] = (u32)to_day;
    if (from_day != 0 && to_day != 0 && to_day < from_day) return BOOK_RANGE_REVERSED;
    if (!civil_day_is_valid(from_day) || !civil_day_is_valid(to_day)) return BOOK_DAY_OUT_OF_RANGE;
    return MODULE_DONE;
}

// The months that are asked for.
static u32 months_within(const struct book_period *period)
{
    return period->to >= period->from ? period->to - period->from + 1 : 0;
}

// One that would pass 2^128-1 stays there.
static u128 sum_at_most(u128 a, u128 b)
{
    return a + b < a ? U128_MAX : a + b;
}

// Adds the balance of what was debited and credited to one of two sums.
static void side_add(u128 debits, u128 credits, u128 *debit, u128 *credit)
{
    if (debits >= credits) *debit = sum_at_most(*debit, debits - credits);
    else *credit = sum_at_most(*credit, credits - debits);
}

static void turned_add(struct book_turned *turned, const struct turnover *before,
                       const struct turnover *within)
{
    side_add(before->debits, before->credits, &turned->opening_debit, &turned->opening_credit);
    side_add(sum_at_most(before->debits, within->debits),
             sum_at_most(before->credits, within->credits), &turned->closing_debit,
             &turned->closing_credit);
    turned->debits = sum_at_most(turned->debits, within->debits);
    turned->credits = sum_at_most(turned->credits, within->credits);
    turned->count += within->count;
}

// --- of a code -----------------------------------------------------------------------------------

// Look-ups that a code costs, at most: the months before and those asked for.
static u32 code_looks(const struct book_period *period)
{
    return MAX(period->from, period->to + 1) - period->first + 1;
}

static void code_add(const struct module_context *context, const struct book_period *period,
                     u32 book, u16 code, struct book_turned *turned)
{
    const struct turnovers *turnovers = context->turnovers;
    const u128 key = turnover_code_key(book, code, 0);
    const struct turnover before =
        turnover_sum(turnovers, key + period->first, period->from - period->first);
    const struct turnover within =
        turnover_sum(turnovers, key + period->from, months_within(period));
    turned_add(turned, &before, &within);
}

// --- of an account -------------------------------------------------------------------------------

// Whether the way to an account's opening balance is shorter from the one that it has now, back
// through the months since, than from nothing through those before.
static bool is_from_now(const struct book_period *period)
{
    return period->open + 1 - MAX(period->from, period->to + 1) < period->from - period->first;
}

u32 book_turned_looks(const struct book_period *period)
{
    const u32 since = period->open + 1 - MAX(period->from, period->to + 1);
    return months_within(period) + MIN(since, period->from - period->first) + 1;
}

void book_turned_fetch(const struct module_context *context, const struct book_period *period,
                       u32 account_row, bool is_near)
{
    const u32 first = is_from_now(period) ? period->from : period->first;
    const u32 end = is_from_now(period) ? period->open + 1 : MAX(period->from, period->to + 1);
    const u128 key = turnover_account_key(account_row, first);
    turnover_fetch(context->turnovers, key, end - first, is_near);
}

void book_turned_add(const struct module_context *context, const struct book_period *period,
                     u32 account_row, struct book_turned *turned)
{
    const struct turnovers *turnovers = context->turnovers;
    const u128 key = turnover_account_key(account_row, 0);
    const u32 count = months_within(period);
    const struct turnover within = turnover_sum(turnovers, key + period->from, count);
    struct turnover before = {0};
    if (is_from_now(period)) {
        // U1: what was posted to an account of a book is what it turned over in all months.
        const struct account *account = ledger_account(context->ledger, account_row);
        const u32 behind = period->from + count;
        const struct turnover since =
            turnover_sum(turnovers, key + behind, period->open + 1 - behind);
        before.debits = account->debits_posted - since.debits - within.debits;
        before.credits = account->credits_posted - since.credits - within.credits;
    } else {
        before = turnover_sum(turnovers, key + period->first, period->from - period->first);
    }
    turned_add(turned, &before, &within);
}

void book_net(u128 *debit, u128 *credit)
{
    const u128 both = MIN(*debit, *credit);
    *debit -= both;
    *credit -= both;
}

// --- by month ------------------------------------------------------------------------------------

static void row_end(struct turnover_row *row, const struct book_turned *turned)
{
    row->opening_debit = turned->opening_debit;
    row->opening_credit = turned->opening_credit;
    row->closing_debit = turned->closing_debit;
    row->closing_credit = turned->closing_credit;
    book_net(&row->opening_debit, &row->opening_credit);
    book_net(&row->closing_debit, &row->closing_credit);
    row->debits = turned->debits;
    row->credits = turned->credits;
    row->count = turned->count;
}

// The code of the suspense account, which is behind all others and in no chart.
static struct chart_code code_of_suspense(u32 chart)
{
    return (struct chart_code){.chart = chart,
                               .code = BOOK_SUSPENSE_CODE,
                               .kind = KIND_LIABILITY,
                               .name = "suspense",
                               .line = "suspense"};
}

// The first code of a chart that is not below this one.
static struct chart_code code_from(const struct module_context *context, u32 chart, u32 code)
{
    const struct btree *order = module_ordered(context, TABLE_CODES, CODES_BY_CODE);
    const struct chart_code probe = {.chart = chart, .code = (u16)code};
    const u32 row = btree_row(order, btree_lower(order, &probe));
    if (row == BTREE_ROW_NONE) return code_of_suspense(chart);
    const struct chart_code *found = module_record(context, TABLE_CODES, row);
    return found->chart == chart ? *found : code_of_suspense(chart);
}

static bool is_same_group(u8 group, const struct chart_code *a, const struct chart_code *b)
{
    switch ((enum turnover_group)group) {
    case TURNOVER_BY_BOOK: return true;
    case TURNOVER_BY_KIND: return a->kind == b->kind;
    case TURNOVER_BY_LINE:
        return a->kind == b->kind && memcmp(a->line, b->line, sizeof a->line) == 0;
    default: return a->code == b->code;
    }
}

// What a line says of its group, by the first code of it.
static struct turnover_row group_begin(const struct module_context *context,
                                       const struct book *book, u8 group,
                                       const struct chart_code *code)
{
    struct turnover_row row = {.book = (u32)book->book,
                               .scale = book_asset_find(context, book->asset)->scale};
    if (group == TURNOVER_BY_CODE) row.code = code->code;
    if (group != TURNOVER_BY_BOOK) row.kind = code->kind;
    if (group == TURNOVER_BY_CODE) memcpy(row.name, code->name, sizeof code->name);
    if (group == TURNOVER_BY_LINE) memcpy(row.name, code->line, sizeof code->line);
    return row;
}

// The first code of a group that is not below `from`; false when there is none. `of` is any code of
// it; a code is a group of its own.
static bool group_code(const struct module_context *context, u8 group, const struct chart_code *of,
                       u32 from, struct chart_code *out)
{
    const u32 orders[] = {[TURNOVER_BY_CODE] = CODES_BY_CODE,
                          [TURNOVER_BY_KIND] = CODES_BY_KIND,
                          [TURNOVER_BY_LINE] = CODES_BY_LINE,
                          [TURNOVER_BY_BOOK] = CODES_BY_CODE};
    assert(group < ARRAY_COUNT(orders));
    const struct btree *order = module_ordered(context, TABLE_CODES, orders[group]);
    if (from > BOOK_SUSPENSE_CODE) return false;
    struct chart_code probe = *of;
    probe.code = (u16)from;
    const u32 row = btree_row(order, btree_lower(order, &probe));
    if (row != BTREE_ROW_NONE) {
        *out = *(const struct chart_code *)module_record(context, TABLE_CODES, row);
        if (out->chart == of->chart && is_same_group(group, out, of)) return true;
    }
    *out = code_of_suspense(of->chart);
    return is_same_group(group, out, of);
}

// What an answer has between its turns: what the line that is being made sums to.
struct turn {
    struct book_turned turned;
    u64 at;   // The line's first code, or the row of its account plus one; 0 before the first turn.
    u64 next; // The code that is added to it next; 0: it is not begun.
};
static_assert(sizeof(struct turn) <= MODULE_WORK_SIZE, "an answer's work");

static bool has_room(const struct module_answer *answer)
{
    return answer->room - answer->size >= sizeof(struct turnover_row);
}

// The lines of groups of codes, in the order of their first codes; the cursor is such a code.
static void groups_answer(const struct module_context *context, const struct book *book, u8 group,
                          const struct book_period *period, struct module_answer *answer)
{
    struct turn *turn = (void *)answer->work;
    if (turn->at == 0) turn->at = MAX(load_u64(answer->cursor), (u64)1);
    memset(answer->cursor, 0, sizeof answer->cursor);
    u64 looks = 0;
    while (turn->at <= BOOK_SUSPENSE_CODE) {
        const struct chart_code first = code_from(context, book->chart, (u32)turn->at);
        struct chart_code code;
        answer->is_unfinished = looks >= answer->looks_max;
        if (answer->is_unfinished) return;
        looks++;
        turn->at = first.code;
        if (turn->next == 0) {
            const u32 lowest = group == TURNOVER_BY_CODE ? first.code : 1;
            const bool is_any = group_code(context, group, &first, lowest, &code);
            assert(is_any);
            if (code.code != first.code) { // Of a line that is made.
                turn->at++;
                continue;
            }
            if (!has_room(answer)) {
                store_u64(answer->cursor, turn->at);
                return;
            }
            turn->turned = (struct book_turned){0};
            turn->next = first.code;
        }
        if (group_code(context, group, &first, (u32)turn->next, &code)) {
            code_add(context, period, (u32)book->book, code.code, &turn->turned);
            looks += code_looks(period);
            turn->next = code.code + 1u;
            continue;
        }
        struct turnover_row row = group_begin(context, book, group, &first);
        row_end(&row, &turn->turned);
        (void)answer_add(answer, &row);
        turn->next = 0;
        turn->at++;
    }
}

// A line an account, from the newest to the oldest.
static void accounts_answer(const struct module_context *context, const struct book *book,
                            const struct book_period *period, struct module_answer *answer)
{
    struct turn *turn = (void *)answer->work;
    u64 next = turn->at != 0 ? turn->at : load_u64(answer->cursor);
    if (next == 0) next = book->account_last;
    memset(answer->cursor, 0, sizeof answer->cursor);
    u64 looks = 0;
    while (next > 0 && next <= module_record_count(context, TABLE_ACCOUNTS)) {
        const struct book_account *known = module_record(context, TABLE_ACCOUNTS, next - 1);
        if (known->book != (u32)book->book) return; // A cursor that this server did not give.
        turn->at = next;
        answer->is_unfinished = looks >= answer->looks_max;
        if (answer->is_unfinished) return;
        if (!has_room(answer)) {
            store_u64(answer->cursor, next);
            return;
        }
        const struct chart_code *code = book_code_find(context, book->chart, known->code);
        struct turnover_row row = {.book = (u32)book->book,
                                   .scale = book_asset_find(context, book->asset)->scale};
        row.code = known->code;
        row.kind = code == NULL ? KIND_LIABILITY : code->kind;
        row.account_id = ledger_account(context->ledger, (u32)known->row)->id;
        memcpy(row.name, known->name, sizeof row.name);
        struct book_turned turned = {0};
        book_turned_add(context, period, (u32)known->row, &turned);
        row_end(&row, &turned);
        (void)answer_add(answer, &row);
        looks += book_turned_looks(period);
        next = known->previous;
    }
}

static u32 turnover_ask(const struct module_context *context, const struct turnover_list *question,
                        struct module_answer *answer)
{
    const struct book *book = book_find(context, question->book);
    answer->record = &book_schema_turnover_row;
    answer->evidence[0] = question->book;
    if (book == NULL) return BOOK_NOT_FOUND;
    const u32 refusal = book_period_check(question->from_day, question->to_day, answer->evidence);
    if (refusal != MODULE_DONE) return refusal;
    const struct book_period period =
        book_period_of(context, book, question->from_day, question->to_day);
    if (question->group == TURNOVER_BY_ACCOUNT) accounts_answer(context, book, &period, answer);
    else groups_answer(context, book, question->group, &period, answer);
    return MODULE_DONE;
}

// --- by reference --------------------------------------------------------------------------------

// How far a turnover by reference has come.
struct reference_cursor {
    u128 amount;
    u64 row;
    u64 count;
};
static_assert(sizeof(struct reference_cursor) == MODULE_CURSOR_SIZE, "a cursor");

static u32 reference_ask(const struct module_context *context,
                         const struct reference_turnover *question, struct module_answer *answer)
{
    const struct book *book = book_find(context, question->book);
    answer->record = &book_schema_reference_turnover_row;
    answer->evidence[0] = question->book;
    if (book == NULL) return BOOK_NOT_FOUND;
    if (question->order_id == 0 && question->scenario == 0 && question->purpose == 0) {
        return BOOK_REFERENCE_MISSING;
    }
    answer->evidence[0] = question->from_time;
    answer->evidence[1] = question->to_time;
    if (question->to_time != 0 && question->to_time < question->from_time) {
        return BOOK_RANGE_REVERSED;
    }
    const struct reference_turnover_row row = {
        .book = (u32)book->book, .scale = book_asset_find(context, book->asset)->scale};
    (void)answer_add(answer, &row);
    answer->looks = true;
    return MODULE_DONE;
}

enum status book_turnover_look(struct history_query *query, struct history_view *view,
                               const void *body, struct module_answer *answer,
                               struct failure *failure)
{
    const struct reference_turnover *question = body;
    struct reference_turnover_row *row = (struct reference_turnover_row *)(void *)answer->views;
    struct reference_cursor cursor;
    memcpy(&cursor, answer->cursor, sizeof cursor);
    const struct query_filter filter = {
        .user_data_128 = question->order_id,
        .user_data_64 = question->scenario,
        .user_data_32 = question->purpose,
        .ledger = question->book,
        .timestamp_min = question->from_time,
        .timestamp_max = question->to_time,
        .limit = LEDGER_BATCH_EVENTS_MAX,
    };
    struct history_sum sum = {.next = cursor.row, .amount = cursor.amount, .count = cursor.count};
    enum status status =
        history_sum_transfers(query, view, &filter, REFERENCE_ROWS_MAX, &sum, failure);
    if (status != STATUS_OK) return status;
    row->amount = sum.amount;
    row->count = sum.count;
    cursor = (struct reference_cursor){.row = sum.next, .amount = sum.amount, .count = sum.count};
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (!sum.ended) memcpy(answer->cursor, &cursor, sizeof cursor);
    return STATUS_OK;
}

u32 book_turnover_ask(const struct module_context *context, const struct schema_record *question,
                      const void *body, struct module_answer *answer)
{
    if (question == &book_schema_turnover_list) return turnover_ask(context, body, answer);
    assert(question == &book_schema_reference_turnover);
    return reference_ask(context, body, answer);
}
