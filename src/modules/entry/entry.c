// SPDX-License-Identifier: Apache-2.0
//
// Deciding on entries.
#include "modules/entry/entry.h"

#include "modules/book/book.h"
#include "modules/entity/entity.h"

#define SCHEMA_MODULE entry
#define SCHEMA_TABLE  "modules/entry/entry.def"
#include "schema/make_descriptors.h"

#define LEGS_MAX 255u
static_assert(
    offsetof(struct entry_post, entry_id) == offsetof(struct posting_references, id) &&
        offsetof(struct entry_post, order_id) == offsetof(struct posting_references, order_id) &&
        offsetof(struct entry_post, scenario) == offsetof(struct posting_references, scenario) &&
        offsetof(struct entry_post, purpose) == offsetof(struct posting_references, purpose) &&
        offsetof(struct entry_post, day) == offsetof(struct posting_references, day),
    "an entry begins with its references");
static_assert(LEGS_MAX <= PLAN_POSTINGS_MAX, "n legs make at most n - 1 postings");

// An entry being decided.
struct draft {
    const struct module_context *context;
    const struct entry_leg *legs;
    u32 count;
    u128 entry_id;
    i32 day;              // Effective; 0: the open one of each entity.
    u32 rows[LEGS_MAX];   // Of the accounts.
    i32 days[LEGS_MAX];   // Effective.
    bool dated[LEGS_MAX]; // The day is an earlier one than is open.
    u128 left[LEGS_MAX];  // Of the amounts, to be paired.
    struct plan *plan;
};

// Whether the entity of the leg's book takes postings of this effective day; 0 is the open one.
static u32 day_check(struct draft *draft, u32 i)
{
    const i32 day = draft->day;
    const struct book *book = book_find(draft->context, draft->legs[i].book);
    const struct entity *entity = entity_find(draft->context, book->entity_id);
    draft->days[i] = day == 0 ? entity->day : day;
    draft->dated[i] = draft->days[i] < entity->day;
    if (day == 0) return MODULE_DONE;
    const bool is_closed = day <= entity->closed_through;
    if (!is_closed && day <= entity->day) return MODULE_DONE;
    draft->plan->evidence[0] = (u32)day;
    draft->plan->evidence[1] = (u32)(is_closed ? entity->closed_through : entity->day);
    draft->plan->unique_id = draft->entry_id; // Posted before the period was closed, it exists.
    return is_closed ? ENTRY_DAY_IN_CLOSED_PERIOD : ENTRY_DAY_NOT_YET_OPEN;
}

// Finds the account of a leg and checks that it may be posted to.
static u32 leg_check(struct draft *draft, u32 i)
{
    const struct entry_leg *leg = &draft->legs[i];
    const struct ledger *ledger = draft->context->ledger;
    u128 *evidence = draft->plan->evidence;
    evidence[0] = i;
    if (leg->amount == 0) return ENTRY_AMOUNT_MUST_NOT_BE_ZERO;
    assert(leg->side == SIDE_DEBIT || leg->side == SIDE_CREDIT); // The description says so.
    const u32 row = ledger_class_account_row(ledger, leg->book, leg->account_id);
    if (row == U32_MAX) {
        const bool has_book = book_find(draft->context, leg->book) != NULL;
        evidence[0] = has_book ? leg->account_id : leg->book;
        return has_book ? ENTRY_ACCOUNT_NOT_FOUND : ENTRY_BOOK_NOT_FOUND;
    }
    if (account_class(ledger_account(ledger, row)) != BOOK_ACCOUNT_CLASS) {
        return ENTRY_NOT_THE_OWNER; // L11: a module's.
    }
    const struct book_account *known = book_account_find(draft->context, row);
    if (known->owner != draft->context->principal) { // L11
        evidence[0] = leg->account_id;
        evidence[1] = known->owner;
        return ENTRY_NOT_THE_OWNER;
    }
    evidence[0] = leg->account_id;
    evidence[1] = known->frozen;
    if (known->is_closed) return ENTRY_ACCOUNT_CLOSED;
    if ((known->frozen & (leg->side == SIDE_DEBIT ? FROZEN_DEBITS : FROZEN_CREDITS)) != 0) {
        return ENTRY_ACCOUNT_FROZEN;
    }
    draft->rows[i] = row;
    draft->left[i] = leg->amount;
    return day_check(draft, i);
}

// The next leg of this book and side, from `i` on, of which something is left; or `count`.
static u32 leg_next(const struct draft *draft, u32 i, u32 book, u8 side)
{
    while (i < draft->count &&
           (draft->legs[i].book != book || draft->legs[i].side != side || draft->left[i] == 0)) {
        i++;
    }
    return i;
}

static u32 book_balance(const struct draft *draft, u32 book)
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

// Pairs the debits of a book with its credits.
static u32 book_pair(struct draft *draft, u32 book, u16 code)
{
    const u32 refusal = book_balance(draft, book);
    if (refusal != MODULE_DONE) return refusal;
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
        struct plan_posting *posting = plan_add_posting(draft->plan);
        posting->debit_row = draft->rows[debit];
        posting->credit_row = draft->rows[credit];
        posting->amount = amount;
        posting->code = code;
        posting->day = draft->days[debit];
        posting->is_dated = draft->dated[debit];
        draft->left[debit] -= amount;
        draft->left[credit] -= amount;
        debit = leg_next(draft, debit, book, SIDE_DEBIT);
        credit = leg_next(draft, credit, book, SIDE_CREDIT);
    }
    return MODULE_DONE;
}

static u32 post_decide(const struct module_context *context, const struct entry_post *post,
                       struct plan *plan)
{
    struct draft draft = {
        .context = context,
        .legs = (const struct entry_leg *)(const void *)(post + 1),
        .count = post->legs_count,
        .entry_id = post->entry_id,
        .day = post->day,
        .plan = plan,
    };
    const u16 code = post->code == 0 ? ENTRY_CODE_DEFAULT : post->code;
    if (post->entry_id == 0) return ENTRY_ID_MUST_NOT_BE_ZERO;
    plan->evidence[0] = draft.count;
    if (draft.count < 2) return ENTRY_TOO_FEW_LEGS;
    for (u32 i = 0; i < draft.count; i++) {
        const u32 refusal = leg_check(&draft, i);
        if (refusal != MODULE_DONE) return refusal;
    }
    for (u32 i = 0; i < draft.count; i++) {
        if (draft.left[i] == 0) continue; // Of a book that is paired.
        const u32 refusal = book_pair(&draft, draft.legs[i].book, code);
        if (refusal != MODULE_DONE) return refusal;
    }
    plan->unique_id = post->entry_id;
    plan->has_references = true;
    return MODULE_DONE;
}

static u32 entry_decide(const struct module_context *context, const struct schema_record *record,
                        const void *body, struct plan *plan)
{
    if (record == &entry_schema_entry_post) return post_decide(context, body, plan);
    return MODULE_UNKNOWN;
}

const struct module entry_module = {
    .name = "entry",
    .number = 0x04,
    .version = 1,
    .account_class = BOOK_ACCOUNT_CLASS,
    .schema = &entry_schema,
    .decide = entry_decide,
};
