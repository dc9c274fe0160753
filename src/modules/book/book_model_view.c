// SPDX-License-Identifier: Apache-2.0
//
// The model of book_model.h: what can be read.
#include "modules/book/book_model_internal.h"

u32 book_model_account_count(const struct book_model *model)
{
    return model->account_count;
}

struct account book_model_account(const struct book_model *model, u32 row)
{
    const struct model_account *account = &model->accounts[row];
    return (struct account){
        .id = account->id,
        .debits_pending = account->debits_held,
        .debits_posted = account->debits,
        .credits_pending = account->credits_held,
        .credits_posted = account->credits,
        .ledger = account->number,
        .code = account->code,
        .flags = account->flags,
    };
}

u32 book_model_account_row(const struct book_model *model, u32 book, u128 account_id)
{
    for (u32 i = 0; i < model->account_count; i++) {
        const struct model_account *account = &model->accounts[i];
        if (!account->is_raw && account->number == book && account->id == account_id) return i;
    }
    return U32_MAX;
}

bool book_model_has_book(const struct book_model *model, u32 book)
{
    return find_book(model, book) != NULL;
}

const struct constraint_model *book_model_constraints(const struct book_model *model)
{
    return model->constraints;
}

u32 book_model_room(const struct book_model *model)
{
    return model->accounts_max - model->account_count;
}

bool book_model_posting(const struct book_model *model, u32 number, u32 i, struct transfer *out)
{
    for (u32 j = model->posting_count; j > 0; j--) {
        const struct model_posting *posting = &model->postings[j - 1];
        if (posting->debit->number != number || i-- > 0) continue;
        *out = (struct transfer){
            .debit_account_id = posting->debit->id,
            .credit_account_id = posting->credit->id,
            .amount = posting->amount,
            .user_data_128 = posting->order_id,
            .user_data_64 = posting->scenario,
            .user_data_32 = posting->purpose,
            .ledger = number,
            .code = posting->code,
            .flags = posting->flags,
        };
        return true;
    }
    return false;
}

bool book_model_entity(const struct book_model *model, u32 i, struct entity *out)
{
    if (i >= model->entity_count) return false;
    const struct entity_open *open = &model->entities[i].open;
    *out = (struct entity){.entity_id = open->entity_id,
                           .first_day = open->day,
                           .day = model->entities[i].day,
                           .closed_through = model->entities[i].closed_through};
    memcpy(out->calendar, open->calendar, sizeof out->calendar);
    memcpy(out->name, open->name, sizeof out->name);
    memcpy(out->jurisdiction, open->jurisdiction, sizeof out->jurisdiction);
    memcpy(out->currency, open->currency, sizeof out->currency);
    return true;
}

bool book_model_calendar(const struct book_model *model, u32 i, struct calendar *out)
{
    if (i >= model->calendar_count) return false;
    *out = (struct calendar){.weekend = model->calendars[i].weekend};
    memcpy(out->calendar, model->calendars[i].calendar, sizeof out->calendar);
    return true;
}

bool book_model_calendar_day(const struct book_model *model, const char calendar[16], u32 i,
                             struct calendar_exception *out)
{
    for (u32 j = 0; j < model->mark_count; j++) {
        const struct model_mark *mark = &model->marks[j];
        if (memcmp(mark->calendar, calendar, 16) != 0 || i-- > 0) continue;
        *out = (struct calendar_exception){.day = mark->day.day, .kind = mark->day.kind};
        memcpy(out->calendar, calendar, sizeof out->calendar);
        return true;
    }
    return false;
}

bool book_model_closed_day(const struct book_model *model, u128 entity_id, u32 i,
                           struct business_day *out)
{
    for (u32 j = 0; j < model->closed_count; j++) {
        const struct model_closed *closed = &model->closed[j];
        if (closed->entity_id != entity_id || i-- > 0) continue;
        *out =
            (struct business_day){.entity_id = entity_id, .day = closed->day, .next = closed->next};
        return true;
    }
    return false;
}

bool book_model_asset(const struct book_model *model, u32 i, struct asset *out)
{
    if (i >= model->asset_count) return false;
    const struct asset_open *open = &model->assets[i];
    *out = (struct asset){.kind = open->kind, .scale = open->scale};
    memcpy(out->asset, open->asset, sizeof out->asset);
    memcpy(out->name, open->name, sizeof out->name);
    return true;
}

bool book_model_chart_code(const struct book_model *model, u32 i, struct chart_code *out)
{
    if (i >= model->code_count) return false;
    const struct chart_add *add = &model->codes[i];
    *out = (struct chart_code){
        .chart = add->chart, .code = add->code, .kind = add->kind, .contra = add->contra};
    memcpy(out->name, add->name, sizeof out->name);
    memcpy(out->line, add->line[0] != 0 ? add->line : add->name, sizeof out->line);
    return true;
}

bool book_model_book(const struct book_model *model, u32 i, struct book *out)
{
    if (i >= model->book_count) return false;
    const struct book_open *open = &model->books[i];
    *out = (struct book){.book = open->book, .entity_id = open->entity_id, .chart = open->chart};
    memcpy(out->asset, open->asset, sizeof out->asset);
    memcpy(out->name, open->name, sizeof out->name);
    for (u32 j = 0; j < model->account_count; j++) {
        const struct model_account *account = &model->accounts[j];
        out->accounts += !account->is_raw && account->number == open->book;
    }
    return true;
}

bool book_model_trial_balance(const struct book_model *model, u32 book, u32 i,
                              struct trial_balance_row *out)
{
    const struct book_open *open = find_book(model, book);
    for (u32 j = model->account_count; j > 0; j--) { // The newest is first.
        const struct model_account *account = &model->accounts[j - 1];
        if (account->is_raw || account->number != book || i-- > 0) continue;
        const struct chart_add *code = find_code(model, open->chart, account->code);
        const u128 debits = account->debits;
        const u128 credits = account->credits;
        *out = (struct trial_balance_row){
            .code = account->code,
            .kind = code == NULL ? KIND_LIABILITY : code->kind,
            .scale = find_asset(model, WORD(open->asset))->scale,
            .book = book,
            .owner = account->owner,
            .account_id = account->id,
            .debit = debits > credits ? debits - credits : 0,
            .credit = credits > debits ? credits - debits : 0,
            .debits_posted = debits,
            .credits_posted = credits,
            .debits_pending = account->debits_held,
            .credits_pending = account->credits_held,
        };
        memcpy(out->name, account->name, sizeof out->name);
        return true;
    }
    return false;
}

bool book_model_account_row_view(const struct book_model *model, u32 book, bool only_stopped, u32 i,
                                 struct account_row *out)
{
    for (u32 j = model->account_count; j > 0; j--) { // The newest is first.
        const struct model_account *account = &model->accounts[j - 1];
        if (account->is_raw || account->number != book) continue;
        if (only_stopped && !account->is_closed && account->frozen == 0) continue;
        if (i-- > 0) continue;
        *out = (struct account_row){
            .account_id = account->id,
            .owner = account->owner,
            .book = book,
            .code = account->code,
            .frozen = account->frozen,
            .is_closed = account->is_closed,
            .since = account->has_since,
            .limits = account->flags,
        };
        memcpy(out->name, account->name, sizeof out->name);
        memcpy(out->reason, account->reason, sizeof out->reason);
        return true;
    }
    return false;
}

bool book_model_hold(const struct book_model *model, u32 i, struct hold_row *out)
{
    if (i >= model->hold_count) return false;
    const struct model_hold *hold = &model->holds[i];
    const struct model_posted *posted = NULL;
    for (u32 j = 0; j < model->posted_count; j++) {
        if (model->posted[j].entry_id == hold->hold_id) posted = &model->posted[j];
    }
    assert(posted != NULL);
    const struct model_posting *first = &posted->postings[0].posting;
    *out = (struct hold_row){
        .hold_id = hold->hold_id,
        .owner = hold->owner,
        .expires_at = hold->expires,
        .book = first->debit->number,
        .postings = posted->count,
        .debit_account_id = first->debit->id,
        .credit_account_id = first->credit->id,
        .amount = first->amount,
        .resolved_by = hold->resolved_by,
        .status = hold->status,
    };
    memcpy(out->name, hold->name, sizeof out->name);
    return true;
}

bool book_model_rule(const struct book_model *model, u32 i, struct rule_row *out)
{
    if (i >= model->rule_count) return false;
    const struct model_rule *rule = &model->rules[i];
    *out = (struct rule_row){
        .rule_id = rule->rule_id,
        .kind = rule->kind,
        .rounding = rule->rounding,
        .a_book = rule->a->number,
        .b_book = rule->b->number,
        .a_account = rule->a->id,
        .b_account = rule->b->id,
    };
    const struct model_account *a = rule->a;
    if (rule->kind == RULE_DUE && a->debits > a->credits) out->due_to_a = a->debits - a->credits;
    if (rule->kind == RULE_DUE && a->credits > a->debits) out->due_to_b = a->credits - a->debits;
    if (rule->dust == NULL) return true;
    out->dust_account = rule->dust->id;
    if (rule->dust->credits > rule->dust->debits) {
        out->dust = rule->dust->credits - rule->dust->debits;
    }
    return true;
}

u128 book_model_entry_any(const struct book_model *model, u64 draw)
{
    return model->posted_count == 0 ? 0 : model->posted[draw % model->posted_count].entry_id;
}

bool book_model_entry_posting(const struct book_model *model, u128 entry_id, u32 i,
                              struct entry_posting *out)
{
    for (u32 j = 0; j < model->posted_count; j++) {
        const struct model_posted *posted = &model->posted[j];
        if (posted->entry_id != entry_id || i >= posted->count) continue;
        const struct model_shown *shown = &posted->postings[i];
        *out = (struct entry_posting){
            .entry_id = entry_id,
            .posting = i,
            .book = shown->posting.debit->number,
            .day = shown->posting.when.given,
            .code = shown->posting.code,
            .flags = shown->posting.flags,
            .debit_account_id = shown->posting.debit->id,
            .credit_account_id = shown->posting.credit->id,
            .amount = shown->posting.amount,
            .reversed = shown->reversed,
            .reversal_id = shown->reversal_id,
            .reverses_id = posted->reverses_id,
            .order_id = shown->posting.order_id,
            .scenario = shown->posting.scenario,
            .purpose = shown->posting.purpose,
        };
        return true;
    }
    return false;
}
