// SPDX-License-Identifier: Apache-2.0
//
// The model of book_model.h: entries, holds, reversals.
#include "modules/book/book_model_internal.h"

// --- whole records -------------------------------------------------------------------------------

static bool legs_are_whole(const u8 *legs, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        struct entry_leg leg;
        memcpy(&leg, legs + i * sizeof leg, sizeof leg);
        if (leg.side != 1 && leg.side != 2) return false;
        if (!all_zero(leg.reserved, sizeof leg.reserved)) return false;
    }
    return true;
}

static bool post_is_whole(const u8 *body)
{
    struct entry_post post;
    memcpy(&post, body, sizeof post);
    return post.nature <= 1 && all_zero(post.reserved, sizeof post.reserved) &&
           legs_are_whole(body + sizeof post, post.legs_count);
}

static bool hold_is_whole(const u8 *body)
{
    struct entry_hold hold;
    memcpy(&hold, body, sizeof hold);
    return WHOLE(hold.name) && all_zero(hold.reserved, sizeof hold.reserved) &&
           all_zero(hold.reserved_2, sizeof hold.reserved_2) &&
           legs_are_whole(body + sizeof hold, hold.legs_count);
}

static bool reverse_is_whole(const u8 *body)
{
    struct entry_reverse reverse;
    memcpy(&reverse, body, sizeof reverse);
    for (u32 i = 0; i < reverse.parts_count; i++) {
        struct entry_part part;
        memcpy(&part, body + sizeof reverse + i * sizeof part, sizeof part);
        if (!all_zero(part.reserved, sizeof part.reserved)) return false;
    }
    return all_zero(reverse.reserved, sizeof reverse.reserved);
}

static bool conversion_is_whole(const u8 *body)
{
    struct conversion_open open;
    memcpy(&open, body, sizeof open);
    return open.rounding <= 4 && all_zero(open.reserved, sizeof open.reserved);
}

u32 entry_model_record_size(u16 record, const u8 *body, u32 left)
{
    const u32 post = record == 0x0401 ? array_size(64, 48, 255, body, left) : 0;
    const u32 hold = record == 0x0402 ? array_size(112, 48, 255, body, left) : 0;
    const u32 reverse = record == 0x0405 ? array_size(80, 32, 254, body, left) : 0;
    switch (record) {
    case 0x0401: return post > 0 && post_is_whole(body) ? post : 0;
    case 0x0402: return hold > 0 && hold_is_whole(body) ? hold : 0;
    case 0x0403: return left >= 80 ? 80 : 0;
    case 0x0404: return left >= 64 && all_zero(body + 44, 4) ? 64 : 0;
    case 0x0405: return reverse > 0 && reverse_is_whole(body) ? reverse : 0;
    case 0x0406: return left >= 64 && all_zero(body + 56, 8) ? 64 : 0;
    case 0x0408: return left >= 80 && conversion_is_whole(body) ? 80 : 0;
    case 0x040a: return left >= 80 && all_zero(body + 74, 6) ? 80 : 0;
    default: return left >= 128 && all_zero(body + 118, 10) ? 128 : 0;
    }
}

// --- what all of them share ----------------------------------------------------------------------

struct book_reply model_is_open(const struct model_account *account, u8 side)
{
    if (account->is_closed) return refused(ENTRY_ACCOUNT_CLOSED, account->id, 0);
    if (account->frozen & (side == SIDE_DEBIT ? FROZEN_DEBITS : FROZEN_CREDITS)) {
        return refused(ENTRY_ACCOUNT_FROZEN, account->id, account->frozen);
    }
    return done();
}

struct book_reply model_may_post(const struct model_account *account, u64 principal, u8 side)
{
    if (account->owner != principal) {
        return refused(ENTRY_NOT_THE_OWNER, account->id, account->owner);
    }
    return model_is_open(account, side);
}

struct book_reply model_day(struct book_model *model, u32 book, i32 day, struct model_when *when)
{
    const struct model_entity *entity = find_entity(model, find_book(model, book)->entity_id);
    if (day != 0 && day <= entity->closed_through) {
        return refused(ENTRY_DAY_IN_CLOSED_PERIOD, of_day(day), of_day(entity->closed_through));
    }
    if (day != 0 && day > entity->day) {
        return refused(ENTRY_DAY_NOT_YET_OPEN, of_day(day), of_day(entity->day));
    }
    when->day = day == 0 ? entity->day : day;
    when->given = day;
    return done();
}

struct model_posting *model_add_posting(struct model_act *act, struct model_account *debit,
                                        struct model_account *credit, u128 amount, u16 code,
                                        struct model_when when)
{
    struct posting_references references;
    memcpy(&references, act->body, sizeof references);
    assert(act->count < MODEL_POSTINGS_MAX);
    struct model_posting *posting = &act->postings[act->count++];
    *posting = (struct model_posting){
        .debit = debit,
        .credit = credit,
        .amount = amount,
        .code = code,
        .when = when,
        .order_id = references.order_id,
        .scenario = references.scenario,
        .purpose = references.purpose,
    };
    return posting;
}

struct model_posted *model_find_posted(struct book_model *model, u128 entry_id)
{
    for (u32 i = 0; i < model->posted_count; i++) {
        if (model->posted[i].entry_id == entry_id) return &model->posted[i];
    }
    return NULL;
}

// The first field of every record.
static u128 id_of(const u8 *body)
{
    u128 id;
    memcpy(&id, body, sizeof id);
    return id;
}

struct book_reply model_exists(const struct book_model *model, const struct model_act *act,
                               struct book_reply otherwise)
{
    for (u32 i = 0; i < model->posted_count; i++) {
        const struct model_posted *posted = &model->posted[i];
        if (posted->entry_id != id_of(act->body)) continue;
        const bool same = posted->kind == act->command->record && posted->size == act->size &&
                          memcmp(posted->body, act->body, act->size) == 0;
        struct book_reply reply = refused(
            same ? MODULE_EXISTS : MODULE_EXISTS_WITH_DIFFERENT_CONTENT, posted->entry_id, 0);
        reply.is_then = true;
        reply.then_command = posted->command_id;
        reply.then_record = posted->record;
        return reply;
    }
    return otherwise;
}

static void keep(struct book_model *model, const struct model_act *act)
{
    assert(model->posted_count < POSTED_MAX && act->count > 0);
    struct model_posted *posted = &model->posted[model->posted_count++];
    *posted = (struct model_posted){
        .entry_id = id_of(act->body),
        .command_id = act->command->id,
        .kind = act->command->record,
        .record = act->record,
        .size = act->size,
        .reverses_id = act->reverses_id,
        .count = act->count,
    };
    posted->body = malloc(act->size);
    posted->postings = calloc(act->count, sizeof *posted->postings);
    if (posted->body == NULL || posted->postings == NULL) abort();
    memcpy(posted->body, act->body, act->size);
    for (u32 i = 0; i < act->count; i++) posted->postings[i].posting = act->postings[i];
}

// Whether a refusal may hold only since the entry was carried out.
static bool may_be_since(u32 result)
{
    return result == ENTRY_ACCOUNT_CLOSED || result == ENTRY_ACCOUNT_FROZEN ||
           result == ENTRY_DAY_IN_CLOSED_PERIOD || result == ENTRY_DAY_NOT_YET_OPEN ||
           result == ENTRY_HOLD_POSTED_ALREADY || result == ENTRY_HOLD_VOIDED_ALREADY ||
           result == ENTRY_HOLD_EXPIRED || result == ENTRY_REVERSED_ALREADY ||
           result == ENTRY_MORE_THAN_LEFT || result == ENTRY_NOTHING_TO_CLOSE;
}

struct book_reply model_finish(struct book_model *model, struct model_act *act,
                               struct book_reply reply)
{
    if (reply.result == MODULE_DONE || may_be_since(reply.result)) {
        reply = model_exists(model, act, reply);
    }
    if (reply.result != MODULE_DONE) return reply;
    reply = model_post_plan(model, act->postings, act->count, act->is_fact);
    if (reply.result == MODULE_DONE) keep(model, act);
    return reply;
}

// --- entries -------------------------------------------------------------------------------------

// An entry being decided.
struct model_entry {
    u32 count;
    i32 day;
    struct entry_leg legs[255];
    struct model_account *accounts[255]; // Of the legs.
    struct model_when when[255];
    bool is_suspended[255];
    u32 shortfall_count;
    struct {
        const struct model_account *account;
        u128 amount;
        i128 value;
    } shortfalls[255];
    u32 posting_count;
    struct {
        u32 debit; // Legs.
        u32 credit;
        u128 amount;
    } postings[510];
};

// What would be left to an account, as far as the type goes.
static i128 difference(u128 have, u128 used)
{
    const u128 most = U128_MAX >> 1;
    if (have >= used) return (i128)MIN(have - used, most);
    return -(i128)MIN(used - have, most);
}

// What a fact may not post to an account goes to suspense: all legs of the side on which the
// account's limit is broken.
static void suspend(struct model_entry *entry)
{
    bool is_seen[255] = {false};
    for (u32 first = 0; first < entry->count; first++) {
        for (u32 i = 0; i < entry->count; i++) { // The books in the order of their first legs.
            const struct model_account *account = entry->accounts[i];
            assert(account != NULL);
            if (is_seen[i] || entry->legs[i].book != entry->legs[first].book) continue;
            is_seen[i] = true;
            if (entry->is_suspended[i]) continue;
            u128 debits = account->debits;
            u128 credits = account->credits;
            if (entry->legs[i].side == SIDE_DEBIT) debits += account->debits_held;
            else credits += account->credits_held;
            u128 sums[2] = {0, 0};
            bool is_first = true;
            for (u32 j = 0; j < entry->count; j++) {
                if (entry->accounts[j] != account) continue;
                sums[entry->legs[j].side == SIDE_CREDIT] += entry->legs[j].amount;
                is_first = is_first && (j >= i || entry->legs[j].side != entry->legs[i].side);
            }
            debits = sum_overflows(debits, sums[0]) ? U128_MAX : debits + sums[0];
            credits = sum_overflows(credits, sums[1]) ? U128_MAX : credits + sums[1];
            const bool is_debit = entry->legs[i].side == SIDE_DEBIT;
            const bool is_broken = is_debit ? (account->flags & 2) && debits > credits
                                            : (account->flags & 4) && credits > debits;
            if (!is_broken) continue;
            entry->is_suspended[i] = true;
            if (!is_first) continue;
            const u32 place = entry->shortfall_count++;
            entry->shortfalls[place].account = account;
            entry->shortfalls[place].amount = sums[!is_debit];
            entry->shortfalls[place].value =
                is_debit ? difference(credits, debits) : difference(debits, credits);
        }
    }
}

// The postings of an entry whose legs were paired.
static void entry_postings(struct book_model *model, const struct model_entry *entry,
                           struct model_act *act, u16 code, u16 flags)
{
    for (u32 i = 0; i < entry->posting_count; i++) {
        const u32 d = entry->postings[i].debit;
        const u32 c = entry->postings[i].credit;
        struct model_account *suspense = model_suspense(model, entry->legs[d].book);
        struct model_posting *posting =
            model_add_posting(act, entry->is_suspended[d] ? suspense : entry->accounts[d],
                              entry->is_suspended[c] ? suspense : entry->accounts[c],
                              entry->postings[i].amount, code, entry->when[d]);
        posting->flags = flags;
        if (posting->debit != posting->credit) continue;
        posting->debit = entry->accounts[d];
        posting->credit = entry->accounts[c];
        posting->amount = 0;
    }
}

static struct book_reply check_leg(struct book_model *model, struct model_entry *entry, u32 i,
                                   struct model_act *act)
{
    const struct entry_leg *leg = &entry->legs[i];
    struct model_account *account = find_account(model, leg->book, leg->account_id);
    if (leg->amount == 0) return refused(ENTRY_AMOUNT_MUST_NOT_BE_ZERO, i, 0);
    if (find_book(model, leg->book) == NULL) return refused(ENTRY_BOOK_NOT_FOUND, leg->book, 0);
    if (account == NULL) return refused(ENTRY_ACCOUNT_NOT_FOUND, leg->account_id, 0);
    struct book_reply reply = model_may_post(account, act->command->principal, leg->side);
    if (act->is_fact &&
        (reply.result == ENTRY_ACCOUNT_CLOSED || reply.result == ENTRY_ACCOUNT_FROZEN)) {
        reply = done(); // It happened; a closed account does not take it.
        entry->is_suspended[i] = account->is_closed;
    }
    if (reply.result == MODULE_DONE) {
        reply = model_day(model, leg->book, entry->day, &entry->when[i]);
    }
    entry->accounts[i] = account;
    return reply;
}

// Balances one book of an entry and pairs its debits with its credits.
static struct book_reply check_book(struct model_entry *entry, u32 book)
{
    u128 debits = 0;
    u128 credits = 0;
    u128 left[255];
    for (u32 i = 0; i < entry->count; i++) {
        const struct entry_leg *leg = &entry->legs[i];
        left[i] = leg->book == book ? leg->amount : 0;
        u128 *sum = leg->side == SIDE_DEBIT ? &debits : &credits;
        if (sum_overflows(*sum, left[i])) return refused(ENTRY_AMOUNTS_OVERFLOW, book, 0);
        *sum += left[i];
    }
    if (debits != credits) return refused(ENTRY_UNBALANCED, debits, credits);
    for (u32 d = 0; d < entry->count; d++) {
        if (entry->legs[d].side != SIDE_DEBIT) continue;
        for (u32 c = 0; c < entry->count; c++) {
            if (entry->legs[c].side != SIDE_CREDIT || left[d] == 0 || left[c] == 0) continue;
            const u128 amount = left[d] < left[c] ? left[d] : left[c];
            if (entry->legs[d].account_id == entry->legs[c].account_id) {
                return refused(ENTRY_ACCOUNT_AGAINST_ITSELF, entry->legs[d].account_id, 0);
            }
            left[d] -= amount;
            left[c] -= amount;
            entry->postings[entry->posting_count].debit = d;
            entry->postings[entry->posting_count].credit = c;
            entry->postings[entry->posting_count].amount = amount;
            entry->posting_count++;
        }
    }
    return done();
}

// Every rule of the module.
static struct book_reply check_entry(struct book_model *model, struct model_entry *entry,
                                     struct model_act *act)
{
    for (u32 i = 0; i < entry->count; i++) {
        const struct book_reply reply = check_leg(model, entry, i, act);
        if (reply.result != MODULE_DONE) return reply;
    }
    for (u32 i = 0; i < entry->count; i++) {
        bool is_first = true; // Of its book.
        for (u32 j = 0; j < i; j++) {
            is_first = is_first && entry->legs[j].book != entry->legs[i].book;
        }
        if (!is_first) continue;
        const struct book_reply reply = check_book(entry, entry->legs[i].book);
        if (reply.result != MODULE_DONE) return reply;
    }
    return done();
}

static struct book_reply post_entry(struct book_model *model, struct model_act *act)
{
    struct entry_post head;
    struct model_entry entry = {0};
    memcpy(&head, act->body, sizeof head);
    entry.count = head.legs_count;
    entry.day = head.day;
    memcpy(entry.legs, act->body + sizeof head, entry.count * sizeof *entry.legs);
    act->is_fact = head.nature == ENTRY_FACT;
    if (head.entry_id == 0) return refused(ENTRY_ID_MUST_NOT_BE_ZERO, 0, 0);
    if (entry.count < 2) return refused(ENTRY_TOO_FEW_LEGS, entry.count, 0);
    struct book_reply reply = check_entry(model, &entry, act);
    if (reply.result == MODULE_DONE) {
        if (act->is_fact) suspend(&entry);
        entry_postings(model, &entry, act, head.code == 0 ? 1 : head.code, 0);
    }
    reply = model_finish(model, act, reply);
    for (u32 i = 0; i < entry.shortfall_count && reply.result == MODULE_DONE; i++) {
        constraint_model_shortfall(model->constraints, row_of(model, entry.shortfalls[i].account),
                                   entry.shortfalls[i].amount, entry.shortfalls[i].value);
    }
    return reply;
}

// --- holds ---------------------------------------------------------------------------------------

static struct book_reply open_hold(struct book_model *model, struct model_act *act)
{
    struct entry_hold head;
    struct model_entry entry = {0};
    memcpy(&head, act->body, sizeof head);
    entry.count = head.legs_count;
    entry.day = head.day;
    memcpy(entry.legs, act->body + sizeof head, entry.count * sizeof *entry.legs);
    const struct word name = WORD(head.name);
    if (name.text[0] != 0 && !is_identifier(name)) return refused(ENTRY_NAME_INVALID, 0, 0);
    if (head.entry_id == 0) return refused(ENTRY_ID_MUST_NOT_BE_ZERO, 0, 0);
    if (entry.count < 2) return refused(ENTRY_TOO_FEW_LEGS, entry.count, 0);
    struct book_reply reply = check_entry(model, &entry, act);
    if (reply.result == MODULE_DONE) {
        entry_postings(model, &entry, act, head.code == 0 ? 1 : head.code, TRANSFER_PENDING);
    }
    reply = model_finish(model, act, reply);
    if (reply.result != MODULE_DONE) return reply;
    assert(model->hold_count < POSTED_MAX);
    struct model_hold *hold = &model->holds[model->hold_count++];
    *hold = (struct model_hold){.hold_id = head.entry_id,
                                .owner = act->command->principal,
                                .status = HOLD_OPEN,
                                .expires = head.timeout_s > 0};
    memcpy(hold->name, head.name, sizeof hold->name);
    return reply;
}

static struct model_hold *find_hold(struct book_model *model, u128 id)
{
    for (u32 i = 0; i < model->hold_count; i++) {
        if (model->holds[i].hold_id == id) return &model->holds[i];
    }
    return NULL;
}

// Whether a principal may post a hold or give it up.
static struct book_reply check_hold(const struct model_hold *hold, u128 hold_id, u64 principal)
{
    if (hold == NULL) return refused(ENTRY_HOLD_NOT_FOUND, hold_id, 0);
    if (hold->owner != principal) return refused(ENTRY_NOT_THE_HOLDER, hold_id, hold->owner);
    if (hold->status == HOLD_POSTED) {
        return refused(ENTRY_HOLD_POSTED_ALREADY, hold_id, hold->resolved_by);
    }
    if (hold->status == HOLD_VOIDED) {
        return refused(ENTRY_HOLD_VOIDED_ALREADY, hold_id, hold->resolved_by);
    }
    if (hold->status == HOLD_EXPIRED) return refused(ENTRY_HOLD_EXPIRED, hold_id, 0);
    return done();
}

// Plans the post of a hold of which `amount` is posted, 0 for all.
static struct book_reply plan_hold_post(struct book_model *model, struct model_act *act,
                                        const struct entry_hold_post *head)
{
    const struct model_posted *held = model_find_posted(model, head->hold_id);
    const u128 first = held->postings[0].posting.amount;
    if (head->amount != 0 && held->count > 1) {
        return refused(ENTRY_HOLD_HAS_PARTS, head->amount, held->count);
    }
    if (head->amount > first) return refused(ENTRY_MORE_THAN_HELD, head->amount, first);
    for (u32 i = 0; i < held->count; i++) {
        const struct model_posting *of = &held->postings[i].posting;
        struct model_when when = {0};
        struct book_reply reply = model_is_open(of->debit, SIDE_DEBIT);
        if (reply.result == MODULE_DONE) reply = model_is_open(of->credit, SIDE_CREDIT);
        if (reply.result == MODULE_DONE) {
            reply = model_day(model, of->debit->number, head->day, &when);
        }
        if (reply.result != MODULE_DONE) return reply;
        struct model_posting *posting =
            model_add_posting(act, of->debit, of->credit,
                              head->amount == 0 ? of->amount : head->amount, of->code, when);
        posting->flags = TRANSFER_POST_PENDING;
        posting->released = of->amount;
    }
    return done();
}

static struct book_reply post_hold(struct book_model *model, struct model_act *act)
{
    struct entry_hold_post head;
    memcpy(&head, act->body, sizeof head);
    struct model_hold *hold = find_hold(model, head.hold_id);
    if (head.entry_id == 0) return refused(ENTRY_ID_MUST_NOT_BE_ZERO, 0, 0);
    struct book_reply reply = check_hold(hold, head.hold_id, act->command->principal);
    if (reply.result == MODULE_DONE) reply = plan_hold_post(model, act, &head);
    reply = model_finish(model, act, reply);
    if (reply.result != MODULE_DONE) return reply;
    hold->status = HOLD_POSTED;
    hold->resolved_by = head.entry_id;
    return reply;
}

static struct book_reply void_hold(struct book_model *model, struct model_act *act)
{
    struct entry_hold_void head;
    memcpy(&head, act->body, sizeof head);
    struct model_hold *hold = find_hold(model, head.hold_id);
    if (head.entry_id == 0) return refused(ENTRY_ID_MUST_NOT_BE_ZERO, 0, 0);
    struct book_reply reply = check_hold(hold, head.hold_id, act->command->principal);
    if (reply.result == MODULE_DONE) {
        const struct model_posted *held = model_find_posted(model, head.hold_id);
        for (u32 i = 0; i < held->count; i++) {
            const struct model_posting *of = &held->postings[i].posting;
            struct model_posting *posting = model_add_posting(
                act, of->debit, of->credit, of->amount, of->code, (struct model_when){0});
            posting->flags = TRANSFER_VOID_PENDING;
            posting->released = of->amount;
        }
    }
    reply = model_finish(model, act, reply);
    if (reply.result != MODULE_DONE) return reply;
    hold->status = HOLD_VOIDED;
    hold->resolved_by = head.entry_id;
    return reply;
}

void book_model_expire(struct book_model *model)
{
    for (u32 i = 0; i < model->hold_count; i++) {
        struct model_hold *hold = &model->holds[i];
        if (!hold->expires || hold->status != HOLD_OPEN) continue;
        const struct model_posted *held = model_find_posted(model, hold->hold_id);
        for (u32 j = 0; j < held->count; j++) {
            const struct model_posting *posting = &held->postings[j].posting;
            posting->debit->debits_held -= posting->amount;
            posting->credit->credits_held -= posting->amount;
        }
        hold->status = HOLD_EXPIRED;
    }
    constraint_model_end(model->constraints);
}

// --- reversals -----------------------------------------------------------------------------------

// Plans the reversal of an amount of a posting.
static struct book_reply plan_reversal(struct book_model *model, struct model_act *act,
                                       const struct model_shown *shown, u128 amount,
                                       const struct entry_reverse *head)
{
    const struct model_posting *of = &shown->posting;
    const u64 principal = act->command->principal;
    struct model_when when = {0};
    struct book_reply reply = model_may_post(of->credit, principal, SIDE_DEBIT);
    if (reply.result == MODULE_DONE) reply = model_may_post(of->debit, principal, SIDE_CREDIT);
    if (reply.result == MODULE_DONE) {
        reply = model_day(model, of->debit->number, head->day, &when);
    }
    if (reply.result != MODULE_DONE) return reply;
    (void)model_add_posting(act, of->credit, of->debit, amount,
                            head->code == 0 ? of->code : head->code, when);
    return done();
}

static struct book_reply check_parts(const struct entry_part *parts, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        if (parts[i].amount == 0) return refused(ENTRY_AMOUNT_MUST_NOT_BE_ZERO, i, 0);
        for (u32 j = 0; j < i; j++) {
            if (parts[j].posting != parts[i].posting) continue;
            return refused(ENTRY_PART_REPEATED, parts[i].posting, 0);
        }
    }
    return done();
}

// How much of posting `i` of an entry is to be reversed: its part, or what is left.
static u128 asked_of(const struct model_posted *posted, u32 i, const struct entry_part *parts,
                     u32 count)
{
    for (u32 j = 0; j < count; j++) {
        if (parts[j].posting == i) return parts[j].amount;
    }
    if (count > 0) return 0;
    return posted->postings[i].posting.amount - posted->postings[i].reversed;
}

static struct book_reply plan_reversals(struct book_model *model, struct model_act *act,
                                        const struct model_posted *posted,
                                        const struct entry_reverse *head,
                                        const struct entry_part *parts)
{
    if (posted == NULL) return refused(ENTRY_NOT_FOUND, head->reversed_id, 0);
    if (posted->kind == 0x0402) return refused(ENTRY_IS_A_HOLD, head->reversed_id, 0);
    if (posted->kind == 0x0404) return refused(ENTRY_NOTHING_TO_REVERSE, head->reversed_id, 0);
    for (u32 i = 0; i < posted->count; i++) {
        const struct model_shown *shown = &posted->postings[i];
        const u128 asked = asked_of(posted, i, parts, head->parts_count);
        const u128 left = shown->posting.amount - shown->reversed;
        if (asked == 0) continue;
        if (asked > left) return refused(ENTRY_MORE_THAN_LEFT, asked, left);
        const struct book_reply reply = plan_reversal(model, act, shown, asked, head);
        if (reply.result != MODULE_DONE) return reply;
    }
    for (u32 i = 0; i < head->parts_count; i++) {
        if (parts[i].posting < posted->count) continue;
        return refused(ENTRY_PART_NOT_FOUND, parts[i].posting, posted->count);
    }
    if (act->count == 0) return refused(ENTRY_REVERSED_ALREADY, head->reversed_id, 0);
    return done();
}

static struct book_reply reverse_entry(struct book_model *model, struct model_act *act)
{
    struct entry_reverse head;
    struct entry_part parts[254];
    memcpy(&head, act->body, sizeof head);
    memcpy(parts, act->body + sizeof head, head.parts_count * sizeof *parts);
    act->reverses_id = head.reversed_id;
    if (head.entry_id == 0) return refused(ENTRY_ID_MUST_NOT_BE_ZERO, 0, 0);
    struct book_reply reply = check_parts(parts, head.parts_count);
    if (reply.result == MODULE_DONE) {
        reply =
            plan_reversals(model, act, model_find_posted(model, head.reversed_id), &head, parts);
    }
    reply = model_finish(model, act, reply);
    if (reply.result != MODULE_DONE) return reply;
    struct model_posted *posted = model_find_posted(model, head.reversed_id);
    for (u32 i = 0; i < posted->count; i++) {
        const u128 asked = asked_of(posted, i, parts, head.parts_count);
        if (asked == 0) continue;
        posted->postings[i].reversed += asked;
        posted->postings[i].reversal_id = head.entry_id;
    }
    return reply;
}

struct book_reply entry_model_run(struct book_model *model, const struct book_command *command,
                                  u32 record, const u8 *body, u32 size)
{
    struct model_act act = {.command = command, .record = record, .body = body, .size = size};
    switch (command->record) {
    case 0x0401: return post_entry(model, &act);
    case 0x0402: return open_hold(model, &act);
    case 0x0403: return post_hold(model, &act);
    case 0x0404: return void_hold(model, &act);
    case 0x0405: return reverse_entry(model, &act);
    default: return entry_model_rule_run(model, &act);
    }
}
