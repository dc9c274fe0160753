// SPDX-License-Identifier: Apache-2.0
//
// The model of book_model.h: postings, holds, and plans of them.
#include "modules/book/book_model_internal.h"

// Rules of the ledger on sums, in their order.
static enum create_transfer_result check_sums(const struct book_model *model,
                                              const struct model_posting *posting)
{
    const struct model_account *debit = posting->debit;
    const struct model_account *credit = posting->credit;
    const u128 amount = posting->amount;
    const bool holds = posting->flags == TRANSFER_PENDING;
    if (posting->flags == 0 || holds) {
        if (holds && sum_overflows(debit->debits_held, amount)) {
            return CREATE_TRANSFER_OVERFLOWS_DEBITS_PENDING;
        }
        if (holds && sum_overflows(credit->credits_held, amount)) {
            return CREATE_TRANSFER_OVERFLOWS_CREDITS_PENDING;
        }
        if (sum_overflows(debit->debits, amount)) return CREATE_TRANSFER_OVERFLOWS_DEBITS_POSTED;
        if (sum_overflows(credit->credits, amount)) {
            return CREATE_TRANSFER_OVERFLOWS_CREDITS_POSTED;
        }
        if (sum_overflows(debit->debits_held + debit->debits, amount)) {
            return CREATE_TRANSFER_OVERFLOWS_DEBITS;
        }
        if (sum_overflows(credit->credits_held + credit->credits, amount)) {
            return CREATE_TRANSFER_OVERFLOWS_CREDITS;
        }
    }
    const u128 held = holds ? amount : 0;
    const u128 posted = holds || posting->flags == TRANSFER_VOID_PENDING ? 0 : amount;
    if (!constraint_model_takes(model->constraints, row_of(model, debit), true, posted, held)) {
        return holds ? CREATE_TRANSFER_OVERFLOWS_DEBITS_PENDING
                     : CREATE_TRANSFER_OVERFLOWS_DEBITS_POSTED;
    }
    if (!constraint_model_takes(model->constraints, row_of(model, credit), false, posted, held)) {
        return holds ? CREATE_TRANSFER_OVERFLOWS_CREDITS_PENDING
                     : CREATE_TRANSFER_OVERFLOWS_CREDITS_POSTED;
    }
    return CREATE_TRANSFER_CREATED;
}

u32 model_post(struct book_model *model, const struct model_posting *posting)
{
    const u32 result = (u32)check_sums(model, posting);
    if (result != (u32)CREATE_TRANSFER_CREATED) return result;
    posting->debit->debits_held -= posting->released;
    posting->credit->credits_held -= posting->released;
    if (posting->flags == TRANSFER_PENDING) {
        posting->debit->debits_held += posting->amount;
        posting->credit->credits_held += posting->amount;
    } else if (posting->flags != TRANSFER_VOID_PENDING) {
        posting->debit->debits += posting->amount;
        posting->credit->credits += posting->amount;
    }
    return result;
}

// The first posting whose account breaks its limit, holds included, when all are in.
static struct book_reply check_limits(const struct model_posting *postings, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        const struct model_account *debit = postings[i].debit;
        const struct model_account *credit = postings[i].credit;
        const u128 debits = debit->debits + debit->debits_held;
        const u128 credits = credit->credits + credit->credits_held;
        struct book_reply reply = done();
        if ((debit->flags & 2) && debits > debit->credits) {
            reply = refused(MODULE_POSTING_REFUSED, debits, debit->credits);
            reply.posting_result = CREATE_TRANSFER_EXCEEDS_CREDITS;
        } else if ((credit->flags & 4) && credits > credit->debits) {
            reply = refused(MODULE_POSTING_REFUSED, credits, credit->debits);
            reply.posting_result = CREATE_TRANSFER_EXCEEDS_DEBITS;
        }
        reply.posting = i;
        if (reply.result != MODULE_DONE) return reply;
    }
    return done();
}

void model_keep_posting(struct book_model *model, const struct model_posting *posting)
{
    if (model->posting_count == model->posting_room) {
        model->posting_room = 2 * model->posting_room + 1024;
        model->postings = realloc(model->postings, model->posting_room * sizeof *model->postings);
        if (model->postings == NULL) abort();
    }
    model->postings[model->posting_count++] = *posting;
}

struct book_reply model_post_plan(struct book_model *model, const struct model_posting *postings,
                                  u32 count, bool is_fact)
{
    struct book_reply reply = done();
    const u32 postings_before = model->posting_count;
    const size_t size = model->account_count * sizeof *model->accounts;
    memcpy(model->before, model->accounts, size);
    constraint_model_begin(model->constraints);
    for (u32 i = 0; i < count && reply.result == MODULE_DONE; i++) {
        const u32 result = model_post(model, &postings[i]);
        model_keep_posting(model, &postings[i]);
        if (result == (u32)CREATE_TRANSFER_CREATED) continue;
        reply = refused(MODULE_POSTING_REFUSED, postings[i].amount, 0);
        reply.posting = i;
        reply.posting_result = result;
    }
    if (reply.result == MODULE_DONE) reply = check_limits(postings, count);
    if (reply.result == MODULE_DONE && !is_fact) {
        reply = constraint_model_judge(model->constraints);
    }
    if (reply.result == MODULE_DONE) {
        constraint_model_end(model->constraints);
    } else {
        memcpy(model->accounts, model->before, size);
        model->posting_count = postings_before;
    }
    return reply;
}
