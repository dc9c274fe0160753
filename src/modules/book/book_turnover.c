// SPDX-License-Identifier: Apache-2.0
//
// Turnover: by month from the sums that are kept (ledger/turnover.h), by reference from history.
//
// Cost: a look-up for each code (or account) and month, whatever is posted; so a book of 100,000
// accounts is summed by its codes.
#include "codec/civil.h"
#include "modules/book/book_internal.h"
#include "modules/entity/entity.h"

// Rows of history that a page of a turnover by reference looks at.
#define REFERENCE_ROWS_MAX 16384u
#define CODES_MAX          16384u // Of a chart that are seen.

// --- by month ------------------------------------------------------------------------------------

// The months of a question.
struct period {
    u32 first; // The first in which anything of the book may be.
    u32 from;
    u32 to; // Included; before `from` when there is none.
};

static struct period period_of(const struct module_context *context, const struct book *book,
                               const struct turnover_list *question)
{
    const struct entity *entity = entity_find(context, book->entity_id);
    const u32 open = turnover_month(entity->day);
    struct period period = {.first = turnover_month(entity->first_day), .to = open};
    period.from = question->from_day == 0 ? period.first : turnover_month(question->from_day);
    if (question->to_day != 0) period.to = MIN(open, turnover_month(question->to_day));
    return period;
}

// Adds what a code or an account turned over, and its balance before.
static void row_add(const struct module_context *context, const struct period *period, u128 key,
                    struct turnover_row *row)
{
    const u32 before = period->from > period->first ? period->from - period->first : 0;
    const u32 within = period->to >= period->from ? period->to - period->from + 1 : 0;
    const struct turnover opening = turnover_sum(context->turnovers, key + period->first, before);
    const struct turnover turned = turnover_sum(context->turnovers, key + period->from, within);
    // Modulo 2^128, and a side is chosen at the end.
    row->opening_debit += opening.debits - opening.credits;
    row->debits += turned.debits;
    row->credits += turned.credits;
    row->count += turned.count;
}

// A net amount as a debit or a credit: what is above 2^127 is a credit.
static void net_split(u128 net, u128 *debit, u128 *credit)
{
    const bool is_credit = net >> 127 != 0;
    *debit = is_credit ? 0 : net;
    *credit = is_credit ? -net : 0;
}

static void row_end(struct turnover_row *row)
{
    const u128 opening = row->opening_debit;
    net_split(opening, &row->opening_debit, &row->opening_credit);
    net_split(opening + row->debits - row->credits, &row->closing_debit, &row->closing_credit);
}

// The codes of a book's accounts: those of its chart, and behind them that of its suspense account.
struct codes {
    u32 count;
    u32 rows[CODES_MAX]; // Of the module's table; U32_MAX: of the suspense account.
};
static_assert(sizeof(struct codes) <= ANSWER_TASK_SIZE, "room for them");

static struct codes *codes_collect(const struct module_context *context, const struct book *book,
                                   struct module_answer *answer)
{
    struct codes *codes = answer->task;
    const u64 count = module_record_count(context, TABLE_CODES);
    codes->count = 0;
    for (u64 row = 0; row < count && codes->count < CODES_MAX - 1; row++) {
        const struct chart_code *code = module_record(context, TABLE_CODES, row);
        if (code->chart == book->chart && code->code != 0) codes->rows[codes->count++] = (u32)row;
    }
    codes->rows[codes->count++] = U32_MAX;
    return codes;
}

static struct chart_code code_at(const struct module_context *context, const struct codes *codes,
                                 u32 i)
{
    if (codes->rows[i] != U32_MAX) {
        return *(const struct chart_code *)module_record(context, TABLE_CODES, codes->rows[i]);
    }
    return (struct chart_code){
        .code = BOOK_SUSPENSE_CODE, .kind = KIND_LIABILITY, .name = "suspense", .line = "suspense"};
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

// The lines of groups of codes, in the order of their first codes; the cursor is such a code.
static void groups_answer(const struct module_context *context, const struct book *book, u8 group,
                          const struct period *period, struct module_answer *answer)
{
    const struct codes *codes = codes_collect(context, book, answer);
    const u64 from = load_u64(answer->cursor);
    memset(answer->cursor, 0, sizeof answer->cursor);
    for (u32 i = 0; i < codes->count; i++) {
        const struct chart_code first = code_at(context, codes, i);
        bool is_first = i >= from;
        for (u32 j = 0; j < i && is_first && group != TURNOVER_BY_CODE; j++) {
            const struct chart_code before = code_at(context, codes, j);
            is_first = !is_same_group(group, &before, &first);
        }
        if (!is_first) continue;
        struct turnover_row row = group_begin(context, book, group, &first);
        const u32 end = group == TURNOVER_BY_CODE ? i + 1 : codes->count;
        for (u32 j = i; j < end; j++) {
            const struct chart_code code = code_at(context, codes, j);
            if (!is_same_group(group, &code, &first)) continue;
            row_add(context, period, turnover_code_key(row.book, code.code, 0), &row);
        }
        row_end(&row);
        if (answer_add(answer, &row)) continue;
        store_u64(answer->cursor, i);
        return;
    }
}

// A line an account, from the newest to the oldest.
static void accounts_answer(const struct module_context *context, const struct book *book,
                            const struct period *period, struct module_answer *answer)
{
    u64 next = load_u64(answer->cursor);
    if (next == 0) next = book->account_last;
    memset(answer->cursor, 0, sizeof answer->cursor);
    while (next > 0 && next <= module_record_count(context, TABLE_ACCOUNTS)) {
        const struct book_account *known = module_record(context, TABLE_ACCOUNTS, next - 1);
        if (known->book != (u32)book->book) return; // A cursor that this server did not give.
        const struct chart_code *code = book_code_find(context, book->chart, known->code);
        struct turnover_row row = {.book = (u32)book->book,
                                   .scale = book_asset_find(context, book->asset)->scale};
        row.code = known->code;
        row.kind = code == NULL ? KIND_LIABILITY : code->kind;
        row.account_id = ledger_account(context->ledger, (u32)known->row)->id;
        memcpy(row.name, known->name, sizeof row.name);
        row_add(context, period, turnover_account_key((u32)known->row, 0), &row);
        row_end(&row);
        if (!answer_add(answer, &row)) {
            store_u64(answer->cursor, next);
            return;
        }
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
    answer->evidence[0] = (u32)question->from_day;
    answer->evidence[1] = (u32)question->to_day;
    if (question->to_day != 0 && question->to_day < question->from_day) return BOOK_RANGE_REVERSED;
    const bool is_day =
        civil_day_is_valid(question->from_day) && civil_day_is_valid(question->to_day);
    if (!is_day) return BOOK_DAY_OUT_OF_RANGE;
    const struct period period = period_of(context, book, question);
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
    if (question == &book_schema_reference_turnover) return reference_ask(context, body, answer);
    return MODULE_UNKNOWN;
}
