// SPDX-License-Identifier: Apache-2.0
//
// Deciding on boxes.
#include "modules/sample/sample.h"
#include "modules/effect/effect.h"

#define SCHEMA_MODULE sample
#define SCHEMA_TABLE  "modules/sample/sample.def"
#include "schema/make_descriptors.h"

enum { TABLE_BOXES, TABLE_SENT };
#define SENT_MAX  65536u
#define BOXES_MAX 4096u
#define BOX_NONE  U64_MAX

static const struct sample_box *box_at(const struct module_context *context, u64 row)
{
    return module_record(context, TABLE_BOXES, row);
}

static u64 box_find(const struct module_context *context, u128 box_id)
{
    for (u64 row = 0; row < module_record_count(context, TABLE_BOXES); row++) {
        if (box_at(context, row)->box_id == box_id) return row;
    }
    return BOX_NONE;
}

static u32 open_decide(const struct module_context *context, const struct sample_open *open,
                       struct plan *plan)
{
    if (open->box_id == 0) return SAMPLE_BOX_ID_MUST_NOT_BE_ZERO;
    if (box_find(context, open->box_id) != BOX_NONE) return SAMPLE_BOX_EXISTS;
    u32 account = ledger_account_row(context->ledger, open->account_id);
    u32 box_account = ledger_account_row(context->ledger, open->box_account_id);
    if (account == U32_MAX || box_account == U32_MAX) {
        plan->evidence[0] = account == U32_MAX ? open->account_id : open->box_account_id;
        return SAMPLE_ACCOUNT_NOT_FOUND;
    }
    const struct sample_box box = {
        .box_id = open->box_id,
        .limit = open->limit,
        .account_row = account,
        .box_account_row = box_account,
    };
    plan_add_write(plan, TABLE_BOXES, module_record_count(context, TABLE_BOXES), &box, sizeof box);
    return MODULE_DONE;
}

static u32 put_decide(const struct module_context *context, const struct sample_put *put,
                      struct plan *plan)
{
    u64 row = box_find(context, put->box_id);
    if (row == BOX_NONE) return SAMPLE_BOX_NOT_FOUND;
    if (put->amount == 0) return SAMPLE_AMOUNT_MUST_NOT_BE_ZERO;
    struct sample_box box = *box_at(context, row);
    u128 amount = box.amount + put->amount;
    if (amount < put->amount || (box.limit != 0 && amount > box.limit)) {
        plan->evidence[0] = amount;
        plan->evidence[1] = box.limit;
        return SAMPLE_LIMIT_EXCEEDED;
    }
    struct plan_posting *posting = plan_add_posting(plan);
    posting->debit_row = box.account_row;
    posting->credit_row = box.box_account_row;
    posting->amount = put->amount;
    posting->code = SAMPLE_POSTING_CODE;
    box.amount = amount;
    box.put_count++;
    plan_add_write(plan, TABLE_BOXES, row, &box, sizeof box);
    struct plan_effect *effect = plan_add_effect(plan, SAMPLE_EFFECT_TOLD);
    store_u128(effect->body, put->box_id);
    store_u128(effect->body + sizeof(u128), put->amount);
    return MODULE_DONE;
}

static u32 send_decide(const struct module_context *context, const struct sample_send *send,
                       struct plan *plan)
{
    const u64 row = box_find(context, send->box_id);
    if (row == BOX_NONE) return SAMPLE_BOX_NOT_FOUND;
    if (send->amount == 0) return SAMPLE_AMOUNT_MUST_NOT_BE_ZERO;
    if (send->send_id == 0) return SAMPLE_SEND_ID_MUST_NOT_BE_ZERO;
    const struct sample_box *box = box_at(context, row);
    const struct sample_sent sent = {
        .send_id = send->send_id, .amount = send->amount, .box_row = row};
    struct plan_posting *posting = plan_add_posting(plan);
    posting->debit_row = box->account_row;
    posting->credit_row = box->box_account_row;
    posting->amount = send->amount;
    posting->code = SAMPLE_POSTING_CODE;
    posting->flags = TRANSFER_PENDING;
    plan->unique_id = send->send_id;
    plan_add_write(plan, TABLE_SENT, module_record_count(context, TABLE_SENT), &sent, sizeof sent);
    struct plan_effect *effect = plan_add_effect(plan, SAMPLE_EFFECT_SEND);
    store_u128(effect->body, send->send_id);
    store_u128(effect->body + sizeof(u128), send->amount);
    return MODULE_DONE;
}

// What was held is posted when it was sent, and released when it was not.
static void sample_settled(const struct module_context *context, const struct effect *effect,
                           struct plan *plan)
{
    if (effect->kind != EFFECT_KIND(sample_module.number, SAMPLE_EFFECT_SEND)) return;
    const u128 send_id = load_u128(effect->body);
    const u64 row = module_find_row(context, TABLE_SENT, send_id);
    assert(row != MODULE_ROW_NONE);
    struct sample_sent sent = *(const struct sample_sent *)module_record(context, TABLE_SENT, row);
    assert(sent.outcome == 0); // An effect ends once.
    const struct sample_box *box = box_at(context, sent.box_row);
    const bool is_done = effect->outcome == EFFECT_OUTCOME_DONE;
    struct plan_posting *posting = plan_add_posting(plan);
    posting->debit_row = box->account_row;
    posting->credit_row = box->box_account_row;
    posting->amount = is_done ? sent.amount : 0;
    posting->pending_id = plan_unique_posting_id(context->ledger, sample_module.number, send_id, 0);
    posting->code = SAMPLE_POSTING_CODE;
    posting->flags = is_done ? TRANSFER_POST_PENDING : TRANSFER_VOID_PENDING;
    sent.outcome = effect->outcome == EFFECT_OUTCOME_NONE ? SAMPLE_CANCELLED : effect->outcome;
    plan_add_write(plan, TABLE_SENT, row, &sent, sizeof sent);
}

static u32 sample_decide(const struct module_context *context, const struct schema_record *record,
                         const void *body, struct plan *plan)
{
    if (record == &sample_schema_sample_open) return open_decide(context, body, plan);
    if (record == &sample_schema_sample_put) return put_decide(context, body, plan);
    assert(record == &sample_schema_sample_send);
    return send_decide(context, body, plan);
}

static void sample_check(const struct module_context *context)
{
    for (u64 row = 0; row < module_record_count(context, TABLE_BOXES); row++) {
        const struct sample_box *box = box_at(context, row);
        assert(box->limit == 0 || box->amount <= box->limit); // B1
        u128 held = 0;
        for (u64 other = 0; other < module_record_count(context, TABLE_BOXES); other++) {
            const struct sample_box *one = box_at(context, other);
            if (one->box_account_row == box->box_account_row) held += one->amount;
        }
        const struct account *account = ledger_account(context->ledger, box->box_account_row);
        assert(held <= account->credits_posted); // B2
        u128 sending = 0;
        for (u64 i = 0; i < module_record_count(context, TABLE_SENT); i++) {
            const struct sample_sent *sent = module_record(context, TABLE_SENT, i);
            const struct sample_box *one = box_at(context, sent->box_row);
            if (one->box_account_row == box->box_account_row && sent->outcome == 0) {
                sending += sent->amount;
            }
        }
        assert(sending <= account->credits_pending); // B3
    }
}

static const struct module_effect_kind effect_kinds[] = {
    {.kind = SAMPLE_EFFECT_TOLD,
     .is_repeatable = true,
     .doc = "Tells what was put into a box: box id and amount, u128 each."},
    {.kind = SAMPLE_EFFECT_SEND, .doc = "Sends an amount: send id and amount, u128 each."},
};

const struct module sample_module = {
    .name = "sample",
    .number = 0x7f,
    .version = 1,
    .schema = &sample_schema,
    .table_count = 2,
    .tables =
        {
            {.record_size = sizeof(struct sample_box), .record_max = BOXES_MAX},
            {.record_size = sizeof(struct sample_sent), .record_max = SENT_MAX, .keyed = true},
        },
    .is_for_tests = true,
    .decide = sample_decide,
    .effect_kinds = effect_kinds,
    .effect_kind_count = ARRAY_COUNT(effect_kinds),
    .settled = sample_settled,
    .check = sample_check,
};
