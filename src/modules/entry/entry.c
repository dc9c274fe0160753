// SPDX-License-Identifier: Apache-2.0
//
// Deciding on entries.
#include "modules/entry/entry_internal.h"

#include "modules/book/book.h"
#include "modules/entity/entity.h"

#define SCHEMA_MODULE entry
#define SCHEMA_TABLE  "modules/entry/entry.def"
#include "schema/make_descriptors.h"

static_assert(
    offsetof(struct entry_post, entry_id) == offsetof(struct posting_references, id) &&
        offsetof(struct entry_post, order_id) == offsetof(struct posting_references, order_id) &&
        offsetof(struct entry_post, scenario) == offsetof(struct posting_references, scenario) &&
        offsetof(struct entry_post, purpose) == offsetof(struct posting_references, purpose) &&
        offsetof(struct entry_post, day) == offsetof(struct posting_references, day),
    "an entry begins with its references");
static_assert(ENTRY_LEGS_MAX <= PLAN_POSTINGS_MAX, "n legs make at most n - 1 postings");

u32 entry_day_check(const struct module_context *context, u32 book_number, i32 day, u128 entry_id,
                    struct entry_day *out, struct plan *plan)
{
    const struct book *book = book_find(context, book_number);
    const struct entity *entity = entity_find(context, book->entity_id);
    out->day = day == 0 ? entity->day : day;
    out->is_dated = out->day < entity->day;
    if (day == 0) return MODULE_DONE;
    const bool is_closed = day <= entity->closed_through;
    if (!is_closed && day <= entity->day) return MODULE_DONE;
    plan->evidence[0] = (u32)day;
    plan->evidence[1] = (u32)(is_closed ? entity->closed_through : entity->day);
    plan->unique_id = entry_id; // Posted before the period was closed, it exists.
    return is_closed ? ENTRY_DAY_IN_CLOSED_PERIOD : ENTRY_DAY_NOT_YET_OPEN;
}

u32 entry_account_check(const struct module_context *context, u32 row, u8 side, bool is_fact,
                        u128 entry_id, struct plan *plan)
{
    const struct account *account = ledger_account(context->ledger, row);
    plan->evidence[0] = account->id;
    plan->evidence[1] = 0;
    if (account_class(account) != BOOK_ACCOUNT_CLASS)
        return ENTRY_NOT_THE_OWNER; // L11: a module's.
    const struct book_account *known = book_account_find(context, row);
    plan->evidence[1] = known->owner;
    if (known->owner != context->principal) return ENTRY_NOT_THE_OWNER; // L11
    // A freeze does not stop what happened, and a closed account does not take it.
    return is_fact ? MODULE_DONE : entry_account_is_open(context, row, side, entry_id, plan);
}

u32 entry_account_is_open(const struct module_context *context, u32 row, u8 side, u128 entry_id,
                          struct plan *plan)
{
    const struct book_account *known = book_account_find(context, row);
    plan->evidence[0] = ledger_account(context->ledger, row)->id;
    plan->evidence[1] = known->is_closed ? 0 : known->frozen;
    if (book_account_is_open(known, side == SIDE_DEBIT)) return MODULE_DONE;
    plan->unique_id = entry_id; // Posted before the account was stopped, it exists.
    return known->is_closed ? ENTRY_ACCOUNT_CLOSED : ENTRY_ACCOUNT_FROZEN;
}

u32 entry_account_row(const struct module_context *context, u32 book, u128 account_id, u32 *row,
                      struct plan *plan)
{
    *row = ledger_class_account_row(context->ledger, book, account_id);
    if (*row != U32_MAX) return MODULE_DONE;
    const bool has_book = book_find(context, book) != NULL;
    plan->evidence[0] = has_book ? account_id : book;
    plan->evidence[1] = 0;
    return has_book ? ENTRY_ACCOUNT_NOT_FOUND : ENTRY_BOOK_NOT_FOUND;
}

// Finds the account of a leg and checks that it may be posted to.
static u32 leg_check(struct entry_draft *draft, u32 i)
{
    const struct entry_leg *leg = &draft->legs[i];
    u128 *evidence = draft->plan->evidence;
    evidence[0] = i;
    evidence[1] = 0;
    if (leg->amount == 0) return ENTRY_AMOUNT_MUST_NOT_BE_ZERO;
    assert(leg->side == SIDE_DEBIT || leg->side == SIDE_CREDIT); // The description says so.
    u32 row = 0;
    u32 refusal = entry_account_row(draft->context, leg->book, leg->account_id, &row, draft->plan);
    if (refusal == MODULE_DONE) {
        refusal = entry_account_check(draft->context, row, leg->side, draft->is_fact,
                                      draft->entry_id, draft->plan);
    }
    if (refusal != MODULE_DONE) return refusal;
    draft->is_suspended[i] = draft->is_fact && book_account_find(draft->context, row)->is_closed;
    draft->rows[i] = row;
    draft->left[i] = leg->amount;
    return entry_day_check(draft->context, leg->book, draft->day, draft->entry_id, &draft->days[i],
                           draft->plan);
}

// The next leg of this book and side, from `i` on, of which something is left; or `count`.
static u32 leg_next(const struct entry_draft *draft, u32 i, u32 book, u8 side)
{
    while (i < draft->count &&
           (draft->legs[i].book != book || draft->legs[i].side != side || draft->left[i] == 0)) {
        i++;
    }
    return i;
}

static u32 book_balance(const struct entry_draft *draft, u32 book)
{
    u128 sums[2] = {0, 0};
    for (u32 i = 0; i < draft->count; i++) {
        if (draft->legs[i].book != book) continue;
        u128 *sum = &sums[draft->legs[i].side == SIDE_CREDIT];
        if (*sum + draft->left[i] < *sum) {
            draft->plan->evidence[0] = book;
            draft->plan->evidence[1] = 0;
            return ENTRY_AMOUNTS_OVERFLOW;
        }
        *sum += draft->left[i];
    }
    draft->plan->evidence[0] = sums[0];
    draft->plan->evidence[1] = sums[1];
    return sums[0] == sums[1] ? MODULE_DONE : ENTRY_UNBALANCED;
}

// When the limit of a leg's account is broken on the leg's side by all legs together: those of that
// side go to suspense, and the plan tells their sum. Looked at for the first such leg of an
// account.
static void leg_suspend(struct entry_draft *draft, u32 first)
{
    const struct ledger *ledger = draft->context->ledger;
    const u32 row = draft->rows[first];
    const u8 side = draft->legs[first].side;
    const u16 flags = ledger_account(ledger, row)->flags;
    const u16 limit = side == SIDE_DEBIT ? ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS
                                         : ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    if ((flags & limit) == 0 || draft->is_suspended[first]) return;
    u128 sums[2] = {0, 0}; // Within those of the book, which do not overflow.
    for (u32 i = 0; i < draft->count; i++) {
        if (draft->rows[i] != row) continue;
        sums[draft->legs[i].side == SIDE_CREDIT] += draft->legs[i].amount;
    }
    const i128 left = ledger_account_left(ledger, row, sums[0], sums[1]);
    if (left >= 0) return;
    for (u32 i = first; i < draft->count; i++) {
        draft->is_suspended[i] |= draft->rows[i] == row && draft->legs[i].side == side;
    }
    struct plan_shortfall *shortfall = plan_add_shortfall(draft->plan);
    shortfall->account_row = row;
    shortfall->amount = sums[side == SIDE_CREDIT];
    shortfall->value = left;
}

// Plans the posting of a debit and a credit leg.
static void legs_post(struct entry_draft *draft, u32 debit, u32 credit, u128 amount, u16 code)
{
    const u32 suspense = draft->is_suspended[debit] || draft->is_suspended[credit]
                             ? ledger_class_account_row(draft->context->ledger,
                                                        draft->legs[debit].book, BOOK_SUSPENSE_ID)
                             : U32_MAX;
    const u32 debit_row = draft->is_suspended[debit] ? suspense : draft->rows[debit];
    const u32 credit_row = draft->is_suspended[credit] ? suspense : draft->rows[credit];
    const bool is_nothing = debit_row == credit_row;
    struct plan_posting *posting = plan_add_posting(draft->plan);
    posting->debit_row = is_nothing ? draft->rows[debit] : debit_row;
    posting->credit_row = is_nothing ? draft->rows[credit] : credit_row;
    posting->amount = is_nothing ? 0 : amount;
    posting->code = code;
    posting->day = draft->days[debit].day;
    posting->is_dated = draft->days[debit].is_dated;
    posting->flags = draft->flags;
    posting->timeout_s = draft->timeout_s;
}

// Pairs the debits of a book with its credits.
static u32 book_pair(struct entry_draft *draft, u32 book, u16 code)
{
    const u32 refusal = book_balance(draft, book);
    if (refusal != MODULE_DONE) return refusal;
    for (u32 i = 0; i < draft->count && draft->is_fact; i++) {
        if (draft->legs[i].book == book) leg_suspend(draft, i);
    }
    u32 debit = leg_next(draft, 0, book, SIDE_DEBIT);
    u32 credit = leg_next(draft, 0, book, SIDE_CREDIT);
    while (debit < draft->count) {
        assert(credit < draft->count); // They balance.
        if (draft->rows[debit] == draft->rows[credit]) {
            draft->plan->evidence[0] = draft->legs[debit].account_id;
            draft->plan->evidence[1] = 0;
            return ENTRY_ACCOUNT_AGAINST_ITSELF;
        }
        const u128 amount = MIN(draft->left[debit], draft->left[credit]);
        legs_post(draft, debit, credit, amount, code);
        draft->left[debit] -= amount;
        draft->left[credit] -= amount;
        debit = leg_next(draft, debit, book, SIDE_DEBIT);
        credit = leg_next(draft, credit, book, SIDE_CREDIT);
    }
    return MODULE_DONE;
}

u32 entry_draft_plan(struct entry_draft *draft, u16 code)
{
    struct plan *plan = draft->plan;
    if (draft->entry_id == 0) return ENTRY_ID_MUST_NOT_BE_ZERO;
    plan->evidence[0] = draft->count;
    if (draft->count < 2) return ENTRY_TOO_FEW_LEGS;
    for (u32 i = 0; i < draft->count; i++) {
        const u32 refusal = leg_check(draft, i);
        if (refusal != MODULE_DONE) return refusal;
    }
    for (u32 i = 0; i < draft->count; i++) {
        if (draft->left[i] == 0) continue; // Of a book that is paired.
        const u32 refusal = book_pair(draft, draft->legs[i].book, entry_code(code));
        if (refusal != MODULE_DONE) return refusal;
    }
    plan->unique_id = draft->entry_id;
    plan->has_references = true;
    plan->is_fact = draft->is_fact;
    return MODULE_DONE;
}

static u32 post_decide(const struct module_context *context, const struct entry_post *post,
                       struct plan *plan)
{
    struct entry_draft draft = {
        .context = context,
        .legs = (const struct entry_leg *)(const void *)(post + 1),
        .count = post->legs_count,
        .entry_id = post->entry_id,
        .day = post->day,
        .is_fact = post->nature == ENTRY_FACT,
        .plan = plan,
    };
    return entry_draft_plan(&draft, post->code);
}

static u32 entry_decide(const struct module_context *context, const struct schema_record *record,
                        const void *body, struct plan *plan)
{
    if (record == &entry_schema_entry_post) return post_decide(context, body, plan);
    if (record == &entry_schema_entry_reverse) return entry_reverse_decide(context, body, plan);
    if (record == &entry_schema_year_close) return entry_year_decide(context, body, plan);
    const u32 result = entry_rule_decide(context, record, body, plan);
    if (result != MODULE_UNKNOWN) return result;
    return entry_hold_decide(context, record, body, plan);
}

static u32 entry_ask(const struct module_context *context, const struct schema_record *question,
                     const void *body, struct module_answer *answer)
{
    if (question == &entry_schema_hold_list) return entry_hold_ask(context, body, answer);
    if (question == &entry_schema_rule_list) return entry_rule_ask(context, answer);
    return entry_find_ask(context, question, body, answer);
}

// --- invariants ----------------------------------------------------------------------------------

static void entry_check(const struct module_context *context)
{
    for (u64 row = 0; row < module_record_count(context, TABLE_HOLDS); row++) {
        const struct entry_hold_record *hold = module_record(context, TABLE_HOLDS, row);
        const u128 id =
            plan_unique_posting_id(context->ledger, entry_module.number, hold->hold_id, 0);
        const bool is_open = ledger_hold(context->ledger, id) != NULL;
        assert(hold->status == HOLD_OPEN || !is_open);                         // J1
        assert(hold->status != HOLD_OPEN || is_open || hold->expires_at != 0); // J1
    }
    for (u64 row = 0; row < module_record_count(context, TABLE_POSTINGS); row++) {
        const struct reversed_posting *posting = module_record(context, TABLE_POSTINGS, row);
        assert(posting->reversed > 0 && posting->reversed <= posting->amount); // J2
        assert(module_find(context, TABLE_REVERSALS, posting->reversal_id) != NULL);
    }
    entry_rule_check(context);
}

const struct module entry_module = {
    .name = "entry",
    .number = 0x04,
    .version = 1,
    .account_class = BOOK_ACCOUNT_CLASS,
    .schema = &entry_schema,
    .table_count = 4,
    .tables =
        {
            {.record_size = sizeof(struct entry_hold_record),
             .record_max = HOLDS_MAX,
             .keyed = true},
            {.record_size = sizeof(struct reversal), .record_max = REVERSALS_MAX, .keyed = true},
            {.record_size = sizeof(struct reversed_posting),
             .record_max = REVERSALS_MAX,
             .keyed = true},
            {.record_size = sizeof(struct entry_rule),
             .record_max = RULES_MAX,
             .keyed = true,
             .orders = {&entry_rules_by_a, &entry_rules_by_b, &entry_rules_by_dust}},
        },
    .decide = entry_decide,
    .ask = entry_ask,
    .look = entry_find_look,
    .check = entry_check,
};
