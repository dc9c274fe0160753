// SPDX-License-Identifier: Apache-2.0
//
// The closing of a year: the balances that income and expenses have at the end of a month go to
// retained earnings, as an entry of that day (IAS 1.106: the result is part of equity).
//
// What they had then is what they have now less what the months behind turned over, so nothing of
// history is read.
#include "codec/civil.h"
#include "modules/entity/entity.h"
#include "modules/entry/entry_internal.h"

// Accounts that one command closes, and how much it looks at: accounts, and for each the months
// behind the one that is closed.
#define CLOSED_MAX 255u
#define LOOKS_MAX  8192u

// What an account had at the end of a month.
struct sums {
    u128 debits;
    u128 credits;
};

static struct sums sums_then(const struct module_context *context, u32 row, u32 month,
                             u32 open_month)
{
    const struct account *account = ledger_account(context->ledger, row);
    const struct turnover later =
        turnover_sum(context->turnovers, turnover_account_key(row, month + 1), open_month - month);
    return (struct sums){.debits = account->debits_posted - later.debits,
                         .credits = account->credits_posted - later.credits};
}

struct closing {
    const struct module_context *context;
    const struct year_close *close;
    const struct book *book;
    struct entry_day day;
    u32 retained_row;
    u32 open_month;
    struct plan *plan;
};

static u32 account_close(const struct closing *closing, u32 row)
{
    struct plan *plan = closing->plan;
    const u32 month = turnover_month(closing->close->day);
    const struct sums then = sums_then(closing->context, row, month, closing->open_month);
    if (then.debits == then.credits) return MODULE_DONE;
    const bool is_debit = then.debits > then.credits;
    const u128 id = closing->close->entry_id;
    // What is a debit is credited, and the result is debited with it.
    u32 refusal = entry_account_check(closing->context, row, is_debit ? SIDE_CREDIT : SIDE_DEBIT,
                                      false, id, plan);
    if (refusal == MODULE_DONE) {
        refusal = entry_account_check(closing->context, closing->retained_row,
                                      is_debit ? SIDE_DEBIT : SIDE_CREDIT, false, id, plan);
    }
    if (refusal != MODULE_DONE) return refusal;
    struct plan_posting *posting = plan_add_posting(plan);
    posting->debit_row = is_debit ? closing->retained_row : row;
    posting->credit_row = is_debit ? row : closing->retained_row;
    posting->amount = is_debit ? then.debits - then.credits : then.credits - then.debits;
    posting->code = entry_code(closing->close->code);
    posting->day = closing->day.day;
    posting->is_dated = closing->day.is_dated;
    return MODULE_DONE;
}

// Closes accounts of income and expenses from the newest on. `*left` is how many of the book lie
// behind those that were looked at; there is one of these at least.
static u32 accounts_close(const struct closing *closing, u32 *left)
{
    const struct module_context own = module_context_of(closing->context, &book_module);
    const u32 looks_each = 1 + closing->open_month - turnover_month(closing->close->day);
    u32 seen = 0;
    u32 looks = 0;
    *left = closing->book->accounts;
    for (u64 next = closing->book->account_last; next > 0; seen++) {
        const struct book_account *known = book_account_at(&own, next - 1);
        if (looks >= LOOKS_MAX) return MODULE_DONE;
        if (closing->plan->posting_count == CLOSED_MAX) return MODULE_DONE;
        (*left)--;
        next = known->previous;
        if (seen < closing->close->skip) continue;
        looks += looks_each;
        const struct chart_code *code =
            book_code_find(closing->context, closing->book->chart, known->code);
        if (code == NULL || (code->kind != KIND_INCOME && code->kind != KIND_EXPENSE)) continue;
        const u32 refusal = account_close(closing, (u32)known->row);
        if (refusal != MODULE_DONE) return refusal;
    }
    return MODULE_DONE;
}

u32 entry_year_decide(const struct module_context *context, const struct year_close *close,
                      struct plan *plan)
{
    struct closing closing = {.context = context, .close = close, .plan = plan};
    if (close->entry_id == 0) return ENTRY_ID_MUST_NOT_BE_ZERO;
    plan->evidence[0] = (u32)close->day;
    if (!civil_day_is_valid(close->day) || !civil_day_is_valid(close->day + 1) ||
        turnover_month(close->day) == turnover_month(close->day + 1)) {
        return ENTRY_NOT_A_MONTH_END;
    }
    u32 refusal = entry_account_row(context, close->book, close->retained_account,
                                    &closing.retained_row, plan);
    if (refusal != MODULE_DONE) return refusal;
    closing.book = book_find(context, close->book);
    const struct book_account *retained = book_account_find(context, closing.retained_row);
    const struct chart_code *code = book_code_find(context, closing.book->chart, retained->code);
    plan->evidence[0] = close->retained_account;
    if (code == NULL || code->kind != KIND_EQUITY) return ENTRY_NOT_EQUITY;
    refusal =
        entry_day_check(context, close->book, close->day, close->entry_id, &closing.day, plan);
    if (refusal != MODULE_DONE) return refusal;
    closing.open_month = turnover_month(entity_find(context, closing.book->entity_id)->day);
    u32 left = 0;
    refusal = accounts_close(&closing, &left);
    if (refusal != MODULE_DONE) return refusal;
    plan->unique_id = close->entry_id;
    plan->evidence[0] = closing.book->accounts - left; // To skip, when any are left.
    plan->evidence[1] = left;
    if (plan->posting_count == 0) return ENTRY_NOTHING_TO_CLOSE;
    plan->has_references = true;
    return MODULE_DONE;
}
