// SPDX-License-Identifier: Apache-2.0
//
// Reversals: an entry's postings the other way round, whole, or what is left, or parts. The mistake
// stays in the books, and so does its correction (nothing is deleted or overwritten).
//
// What an entry posted is read from history, where it never changes; what of it is reversed is kept
// by posting, so that no part is reversed twice. A reversal is an entry too, and can be reversed.
#include "modules/entry/entry_internal.h"

struct draft_reversal {
    const struct module_context *context;
    const struct entry_reverse *reverse;
    const struct entry_part *parts;
    u64 writes; // New records of postings.
    u32 found;  // Of the parts.
    struct plan *plan;
};

// How much of a posting of which so much is left is asked to be reversed.
static u128 part_of(const struct draft_reversal *draft, u32 posting, u128 left)
{
    if (draft->reverse->parts_count == 0) return left;
    for (u32 i = 0; i < draft->reverse->parts_count; i++) {
        if (draft->parts[i].posting == posting) return draft->parts[i].amount;
    }
    return 0;
}

static u32 parts_check(const struct draft_reversal *draft)
{
    for (u32 i = 0; i < draft->reverse->parts_count; i++) {
        const struct entry_part *part = &draft->parts[i];
        draft->plan->evidence[0] = i;
        if (part->amount == 0) return ENTRY_AMOUNT_MUST_NOT_BE_ZERO;
        draft->plan->evidence[0] = part->posting;
        for (u32 j = 0; j < i; j++) {
            if (draft->parts[j].posting == part->posting) return ENTRY_PART_REPEATED;
        }
    }
    return MODULE_DONE;
}

// Plans the reversal of so much of a posting.
static u32 posting_reverse(struct draft_reversal *draft, const struct outcome *outcome, u32 index,
                           u128 amount)
{
    const struct module_context *context = draft->context;
    const struct entry_reverse *reverse = draft->reverse;
    struct plan *plan = draft->plan;
    const u32 book = ledger_account(context->ledger, outcome->debit_row)->ledger;
    struct entry_day day;
    // The sides change places.
    u32 refusal = entry_account_check(context, outcome->credit_row, SIDE_DEBIT, false,
                                      reverse->entry_id, plan);
    if (refusal == MODULE_DONE) {
        refusal = entry_account_check(context, outcome->debit_row, SIDE_CREDIT, false,
                                      reverse->entry_id, plan);
    }
    if (refusal == MODULE_DONE) {
        refusal = entry_day_check(context, book, reverse->day, reverse->entry_id, &day, plan);
    }
    if (refusal != MODULE_DONE) return refusal;
    struct plan_posting *posting = plan_add_posting(plan);
    posting->debit_row = outcome->credit_row;
    posting->credit_row = outcome->debit_row;
    posting->amount = amount;
    posting->code = reverse->code == 0 ? outcome->code : reverse->code;
    posting->day = day.day;
    posting->is_dated = day.is_dated;
    const u64 row = module_find_row(context, TABLE_POSTINGS, outcome->id);
    struct reversed_posting record = {
        .posting_id = outcome->id,
        .entry_id = reverse->reversed_id,
        .amount = outcome->amount,
        .posting = index,
    };
    if (row != MODULE_ROW_NONE) {
        record = *(const struct reversed_posting *)module_record(context, TABLE_POSTINGS, row);
    }
    record.reversal_id = reverse->entry_id;
    record.reversed += amount;
    record.reversals++;
    const u64 next = module_record_count(context, TABLE_POSTINGS) + draft->writes;
    plan_add_write(plan, TABLE_POSTINGS, row == MODULE_ROW_NONE ? next : row, &record,
                   sizeof record);
    draft->writes += row == MODULE_ROW_NONE;
    return MODULE_DONE;
}

// Looks at one posting of the entry.
static u32 posting_look(struct draft_reversal *draft, const struct outcome *outcome, u32 index)
{
    struct plan *plan = draft->plan;
    plan->evidence[0] = draft->reverse->reversed_id;
    plan->evidence[1] = 0;
    if (outcome->flags & TRANSFER_PENDING) return ENTRY_IS_A_HOLD;
    if (outcome->flags & TRANSFER_VOID_PENDING) return ENTRY_NOTHING_TO_REVERSE;
    const struct reversed_posting *before =
        module_find(draft->context, TABLE_POSTINGS, outcome->id);
    const u128 left = outcome->amount - (before == NULL ? 0 : before->reversed);
    const u128 asked = part_of(draft, index, left);
    if (asked == 0) return MODULE_DONE;
    draft->found++;
    plan->evidence[0] = asked;
    plan->evidence[1] = left;
    if (asked <= left) return posting_reverse(draft, outcome, index, asked);
    plan->unique_id = draft->reverse->entry_id; // If this very one did it, it exists.
    return ENTRY_MORE_THAN_LEFT;
}

// Why nothing is reversed, or that it is.
static u32 reversal_end(const struct draft_reversal *draft, u32 postings)
{
    const struct entry_reverse *reverse = draft->reverse;
    struct plan *plan = draft->plan;
    plan->evidence[0] = reverse->reversed_id;
    plan->evidence[1] = 0;
    if (postings == 0) return ENTRY_NOT_FOUND;
    if (draft->found < reverse->parts_count) {
        u32 i = 0;
        while (draft->parts[i].posting < postings) {
            i++;
            assert(i < reverse->parts_count); // One of them was not found.
        }
        plan->evidence[0] = draft->parts[i].posting;
        plan->evidence[1] = postings;
        return ENTRY_PART_NOT_FOUND;
    }
    plan->unique_id = reverse->entry_id;
    if (plan->posting_count == 0) return ENTRY_REVERSED_ALREADY;
    plan->has_references = true;
    if (module_find(draft->context, TABLE_REVERSALS, reverse->entry_id) != NULL) return MODULE_DONE;
    const struct reversal reversal = {
        .reversal_id = reverse->entry_id,
        .entry_id = reverse->reversed_id,
        .timestamp = draft->context->timestamp,
    };
    plan_add_write(plan, TABLE_REVERSALS, module_record_count(draft->context, TABLE_REVERSALS),
                   &reversal, sizeof reversal);
    return MODULE_DONE;
}

u32 entry_reverse_decide(const struct module_context *context, const struct entry_reverse *reverse,
                         struct plan *plan)
{
    struct draft_reversal draft = {
        .context = context,
        .reverse = reverse,
        .parts = (const struct entry_part *)(const void *)(reverse + 1),
        .plan = plan,
    };
    if (reverse->entry_id == 0) return ENTRY_ID_MUST_NOT_BE_ZERO;
    u32 refusal = parts_check(&draft);
    struct module_postings walk = {0};
    struct outcome outcome = {0};
    while (refusal == MODULE_DONE && module_posting_next(context, entry_module.number,
                                                         reverse->reversed_id, &walk, &outcome)) {
        refusal = posting_look(&draft, &outcome, walk.index - 1);
    }
    return refusal == MODULE_DONE ? reversal_end(&draft, walk.index) : refusal;
}
