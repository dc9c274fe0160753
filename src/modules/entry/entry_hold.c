// SPDX-License-Identifier: Apache-2.0
//
// Holds: what an entry would post is set aside, then posted or given up, or its time is over.
//
// A hold is an entry whose postings are pending transfers; the ledger keeps their amounts, and
// their expiry. What the module keeps of it is its name, whose it is, and what became of it. One
// that expired is not written to: that its postings are not held any more says so.
#include "modules/entry/entry_internal.h"
#include "modules/identifier.h"

static u128 posting_id(const struct module_context *context, u128 hold_id, u32 index)
{
    return plan_unique_posting_id(context->ledger, entry_module.number, hold_id, index);
}

static u8 status_of(const struct module_context *context, const struct entry_hold_record *hold)
{
    if (hold->status != HOLD_OPEN) return hold->status;
    const bool is_held =
        ledger_hold(context->ledger, posting_id(context, hold->hold_id, 0)) != NULL;
    return is_held ? HOLD_OPEN : HOLD_EXPIRED;
}

static u32 hold_decide(const struct module_context *context, const struct entry_hold *open,
                       struct plan *plan)
{
    struct entry_draft draft = {
        .context = context,
        .legs = (const struct entry_leg *)(const void *)(open + 1),
        .count = open->legs_count,
        .entry_id = open->entry_id,
        .day = open->day,
        .flags = TRANSFER_PENDING,
        .timeout_s = open->timeout_s,
        .plan = plan,
    };
    if (open->name[0] != 0 && !identifier_is_valid(open->name, sizeof open->name)) {
        return ENTRY_NAME_INVALID;
    }
    const u32 refusal = entry_draft_plan(&draft, open->code);
    if (refusal != MODULE_DONE) return refusal;
    const u64 seconds = 1000000000ull;
    const struct plan_posting *first = &plan->postings[0];
    struct entry_hold_record hold = {
        .hold_id = open->entry_id,
        .owner = context->principal,
        // The first posting's time: what is told, not what decides.
        .expires_at = open->timeout_s == 0 ? 0 : context->timestamp + open->timeout_s * seconds,
        .amount = first->amount,
        .postings = plan->posting_count,
        .debit_row = first->debit_row,
        .credit_row = first->credit_row,
        .code = entry_code(open->code),
        .status = HOLD_OPEN,
    };
    memcpy(hold.name, open->name, sizeof hold.name);
    // A hold that exists is told by its first posting, and nothing is written.
    if (module_find(context, TABLE_HOLDS, hold.hold_id) != NULL) return MODULE_DONE;
    plan_add_write(plan, TABLE_HOLDS, module_record_count(context, TABLE_HOLDS), &hold,
                   sizeof hold);
    return MODULE_DONE;
}

// Finds a hold that is open and this principal's.
static u32 hold_check(const struct module_context *context, u128 hold_id, u128 entry_id,
                      const struct entry_hold_record **out, struct plan *plan)
{
    const struct entry_hold_record *hold = module_find(context, TABLE_HOLDS, hold_id);
    if (entry_id == 0) return ENTRY_ID_MUST_NOT_BE_ZERO;
    plan->evidence[0] = hold_id;
    if (hold == NULL) return ENTRY_HOLD_NOT_FOUND;
    *out = hold;
    plan->evidence[1] = hold->owner;
    if (hold->owner != context->principal) return ENTRY_NOT_THE_HOLDER;
    plan->evidence[1] = hold->resolved_by;
    plan->unique_id = entry_id; // If it is this very entry that resolved it, it exists.
    const u8 status = status_of(context, hold);
    if (status == HOLD_POSTED) return ENTRY_HOLD_POSTED_ALREADY;
    if (status == HOLD_VOIDED) return ENTRY_HOLD_VOIDED_ALREADY;
    if (status == HOLD_EXPIRED) return ENTRY_HOLD_EXPIRED;
    assert(status == HOLD_OPEN);
    plan->evidence[1] = 0;
    plan->unique_id = 0;
    return MODULE_DONE;
}

// The end of a plan that resolves a hold.
static u32 hold_resolve(const struct module_context *context, const struct entry_hold_record *hold,
                        u8 status, u128 entry_id, struct plan *plan)
{
    struct entry_hold_record resolved = *hold;
    resolved.status = status;
    resolved.resolved_by = entry_id;
    plan_add_write(plan, TABLE_HOLDS, module_find_row(context, TABLE_HOLDS, hold->hold_id),
                   &resolved, sizeof resolved);
    plan->unique_id = entry_id;
    plan->has_references = true;
    return MODULE_DONE;
}

// Plans the posting that resolves one of a hold's.
static struct plan_posting *posting_resolve(const struct module_context *context,
                                            const struct entry_hold_record *hold, u32 index,
                                            u16 flags, struct plan *plan)
{
    const u128 id = posting_id(context, hold->hold_id, index);
    const struct hold *held = ledger_hold(context->ledger, id);
    assert(held != NULL); // All of a hold's are opened, resolved and expired together.
    struct plan_posting *posting = plan_add_posting(plan);
    posting->debit_row = held->debit_row;
    posting->credit_row = held->credit_row;
    posting->amount = held->amount;
    posting->pending_id = id;
    posting->flags = flags;
    return posting;
}

static u32 hold_post_decide(const struct module_context *context,
                            const struct entry_hold_post *post, struct plan *plan)
{
    const struct entry_hold_record *hold = NULL;
    const u32 refusal = hold_check(context, post->hold_id, post->entry_id, &hold, plan);
    if (refusal != MODULE_DONE) return refusal;
    plan->evidence[0] = post->amount;
    plan->evidence[1] = hold->postings;
    if (post->amount != 0 && hold->postings > 1) return ENTRY_HOLD_HAS_PARTS;
    plan->evidence[1] = hold->amount;
    if (post->amount > hold->amount) return ENTRY_MORE_THAN_HELD;
    for (u32 i = 0; i < hold->postings; i++) {
        struct plan_posting *posting =
            posting_resolve(context, hold, i, TRANSFER_POST_PENDING, plan);
        if (post->amount != 0) posting->amount = post->amount;
        struct entry_day day;
        const u32 book = ledger_account(context->ledger, posting->debit_row)->ledger;
        u32 stop = entry_account_check(context, posting->debit_row, SIDE_DEBIT, false,
                                       post->entry_id, plan);
        if (stop == MODULE_DONE) {
            stop = entry_account_check(context, posting->credit_row, SIDE_CREDIT, false,
                                       post->entry_id, plan);
        }
        if (stop == MODULE_DONE) {
            stop = entry_day_check(context, book, post->day, post->entry_id, &day, plan);
        }
        if (stop != MODULE_DONE) return stop;
        posting->day = day.day;
        posting->is_dated = day.is_dated;
    }
    return hold_resolve(context, hold, HOLD_POSTED, post->entry_id, plan);
}

static u32 hold_void_decide(const struct module_context *context,
                            const struct entry_hold_void *give, struct plan *plan)
{
    const struct entry_hold_record *hold = NULL;
    const u32 refusal = hold_check(context, give->hold_id, give->entry_id, &hold, plan);
    if (refusal != MODULE_DONE) return refusal;
    for (u32 i = 0; i < hold->postings; i++) {
        (void)posting_resolve(context, hold, i, TRANSFER_VOID_PENDING, plan);
    }
    return hold_resolve(context, hold, HOLD_VOIDED, give->entry_id, plan);
}

u32 entry_hold_decide(const struct module_context *context, const struct schema_record *record,
                      const void *body, struct plan *plan)
{
    if (record == &entry_schema_entry_hold) return hold_decide(context, body, plan);
    if (record == &entry_schema_entry_hold_post) return hold_post_decide(context, body, plan);
    assert(record == &entry_schema_entry_hold_void);
    return hold_void_decide(context, body, plan);
}

u32 entry_hold_ask(const struct module_context *context, const struct hold_list *list,
                   struct module_answer *answer)
{
    const struct ledger *ledger = context->ledger;
    const u64 count = module_record_count(context, TABLE_HOLDS);
    u64 at = load_u64(answer->cursor);
    answer->record = &entry_schema_hold_row;
    for (u32 looks = 0; at < count && looks < ANSWER_LOOKS_MAX; at++, looks++) {
        const struct entry_hold_record *hold = module_record(context, TABLE_HOLDS, at);
        struct hold_row row = {
            .hold_id = hold->hold_id,
            .owner = hold->owner,
            .expires_at = hold->expires_at,
            .book = ledger_account(ledger, hold->debit_row)->ledger,
            .postings = hold->postings,
            .debit_account_id = ledger_account(ledger, hold->debit_row)->id,
            .credit_account_id = ledger_account(ledger, hold->credit_row)->id,
            .amount = hold->amount,
            .resolved_by = hold->resolved_by,
            .status = status_of(context, hold),
        };
        memcpy(row.name, hold->name, sizeof row.name);
        if (list->book != 0 && row.book != list->book) continue;
        if (list->status != HOLDS_ALL && row.status != list->status) continue;
        const bool is_named = list->name[0] != 0;
        if (is_named && memcmp(list->name, row.name, sizeof row.name) != 0) continue;
        if (!answer_add(answer, &row)) break;
    }
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (at < count) store_u64(answer->cursor, at);
    return MODULE_DONE;
}
