// SPDX-License-Identifier: Apache-2.0
//
// The model of book_model.h: what is due, conversions, the closing of a year.
#include "modules/book/book_model_internal.h"

// --- rules ---------------------------------------------------------------------------------------

static struct model_rule *find_rule(struct book_model *model, u128 id)
{
    for (u32 i = 0; i < model->rule_count; i++) {
        if (model->rules[i].rule_id == id) return &model->rules[i];
    }
    return NULL;
}

// An account of a book, by which an entry names it.
static struct book_reply look_up(struct book_model *model, u32 book, u128 id,
                                 struct model_account **out)
{
    *out = find_account(model, book, id);
    if (find_book(model, book) == NULL) return refused(ENTRY_BOOK_NOT_FOUND, book, 0);
    if (*out == NULL) return refused(ENTRY_ACCOUNT_NOT_FOUND, id, 0);
    return done();
}

// An account that is for rules and that none has.
static struct book_reply look_up_free(struct book_model *model, u32 book, u128 id,
                                      struct model_account **out)
{
    const struct book_reply reply = look_up(model, book, id, out);
    if (reply.result != MODULE_DONE) return reply;
    if ((*out)->owner != BOOK_OWNER_RULES) {
        return refused(ENTRY_NOT_AN_ACCOUNT_OF_RULES, id, (*out)->owner);
    }
    for (u32 i = 0; i < model->rule_count; i++) {
        const struct model_rule *rule = &model->rules[i];
        if (rule->a != *out && rule->b != *out && rule->dust != *out) continue;
        return refused(ENTRY_ACCOUNT_OF_ANOTHER_RULE, id, rule->rule_id);
    }
    return done();
}

static struct book_reply open_due(struct book_model *model, const u8 *body)
{
    struct due_open open;
    memcpy(&open, body, sizeof open);
    struct model_rule rule = {.rule_id = open.rule_id, .kind = RULE_DUE};
    if (open.rule_id == 0) return refused(ENTRY_ID_MUST_NOT_BE_ZERO, 0, 0);
    if (find_rule(model, open.rule_id) != NULL) return refused(ENTRY_RULE_EXISTS, open.rule_id, 0);
    struct book_reply reply = look_up_free(model, open.a_book, open.a_account, &rule.a);
    if (reply.result != MODULE_DONE) return reply;
    reply = look_up_free(model, open.b_book, open.b_account, &rule.b);
    if (reply.result != MODULE_DONE) return reply;
    const struct book_open *a = find_book(model, open.a_book);
    const struct book_open *b = find_book(model, open.b_book);
    assert(a != NULL && b != NULL);
    if (a->entity_id == b->entity_id) {
        return refused(ENTRY_SAME_ENTITY, open.a_book, open.b_book);
    }
    if (!word_is(WORD(a->asset), WORD(b->asset))) {
        return refused(ENTRY_ASSETS_DIFFER, open.a_book, open.b_book);
    }
    assert(model->rule_count < THINGS_MAX);
    model->rules[model->rule_count++] = rule;
    return done();
}

static u8 scale_of(struct book_model *model, u32 book)
{
    const struct book_open *open = find_book(model, book);
    assert(open != NULL);
    const struct asset_open *asset = find_asset(model, WORD(open->asset));
    assert(asset != NULL);
    return asset->scale;
}

static struct book_reply open_conversion(struct book_model *model, const u8 *body)
{
    struct conversion_open open;
    memcpy(&open, body, sizeof open);
    struct model_rule rule = {
        .rule_id = open.rule_id, .kind = RULE_CONVERSION, .rounding = open.rounding};
    if (open.rule_id == 0) return refused(ENTRY_ID_MUST_NOT_BE_ZERO, 0, 0);
    if (find_rule(model, open.rule_id) != NULL) return refused(ENTRY_RULE_EXISTS, open.rule_id, 0);
    struct book_reply reply = look_up_free(model, open.a_book, open.a_pool, &rule.a);
    if (reply.result != MODULE_DONE) return reply;
    reply = look_up_free(model, open.b_book, open.b_pool, &rule.b);
    if (reply.result != MODULE_DONE) return reply;
    const u8 a = scale_of(model, open.a_book);
    const u8 b = scale_of(model, open.b_book);
    if (a != b && open.dust_account == 0) return refused(ENTRY_DUST_MISSING, a, b);
    if (open.dust_account != 0) {
        const u32 finer = a > b ? open.a_book : open.b_book;
        reply = look_up_free(model, finer, open.dust_account, &rule.dust);
        if (reply.result != MODULE_DONE) return reply;
    }
    if (rule.dust == rule.a || rule.dust == rule.b) {
        return refused(ENTRY_ACCOUNT_OF_ANOTHER_RULE, open.dust_account, open.rule_id);
    }
    if (rule.a == rule.b) {
        return refused(ENTRY_ACCOUNT_OF_ANOTHER_RULE, open.b_pool, open.rule_id);
    }
    assert(model->rule_count < THINGS_MAX);
    model->rules[model->rule_count++] = rule;
    return done();
}

// --- posting by them -----------------------------------------------------------------------------

// What is posted by a rule, whose accounts are found.
struct model_order {
    struct model_rule *rule;
    struct model_account *from;
    struct model_account *to;
    struct model_account *from_pool; // The rule's own beside each.
    struct model_account *to_pool;
    struct model_when from_when;
    struct model_when to_when;
};

// Both records have the same fields in the same places.
static struct book_reply check_order(struct book_model *model, const struct model_act *act,
                                     const struct due_post *post, u8 kind, u8 from_side,
                                     struct model_order *order)
{
    const u64 principal = act->command->principal;
    const u8 to_side = from_side == SIDE_DEBIT ? SIDE_CREDIT : SIDE_DEBIT;
    struct model_rule *rule = find_rule(model, post->rule_id);
    if (post->entry_id == 0) return refused(ENTRY_ID_MUST_NOT_BE_ZERO, 0, 0);
    if (post->amount == 0) return refused(ENTRY_AMOUNT_MUST_NOT_BE_ZERO, 0, 0);
    if (rule == NULL) return refused(ENTRY_RULE_NOT_FOUND, post->rule_id, 0);
    if (rule->kind != kind) return refused(ENTRY_RULE_OF_ANOTHER_KIND, post->rule_id, 0);
    const bool is_a = post->from_book == rule->a->number;
    if (!is_a && post->from_book != rule->b->number) {
        return refused(ENTRY_BOOK_NOT_OF_THE_RULE, post->from_book, 0);
    }
    order->rule = rule;
    order->from_pool = is_a ? rule->a : rule->b;
    order->to_pool = is_a ? rule->b : rule->a;
    const u32 to_book = order->to_pool->number;
    struct book_reply replies[8];
    replies[0] = look_up(model, post->from_book, post->from_account, &order->from);
    if (replies[0].result != MODULE_DONE) return replies[0];
    replies[1] = look_up(model, to_book, post->to_account, &order->to);
    if (replies[1].result != MODULE_DONE) return replies[1];
    replies[2] = model_may_post(order->from, principal, from_side);
    replies[3] = model_may_post(order->to, principal, to_side);
    replies[4] = model_is_open(order->from_pool, to_side);
    replies[5] = model_is_open(order->to_pool, from_side);
    replies[6] = model_day(model, post->from_book, post->day, &order->from_when);
    replies[7] = model_day(model, to_book, post->day, &order->to_when);
    for (u32 i = 2; i < 8; i++) {
        if (replies[i].result != MODULE_DONE) return replies[i];
    }
    return done();
}

static struct book_reply post_due(struct book_model *model, struct model_act *act)
{
    struct due_post post;
    struct model_order order;
    memcpy(&post, act->body, sizeof post);
    const u16 code = post.code == 0 ? 1 : post.code;
    const struct book_reply reply = check_order(model, act, &post, RULE_DUE, SIDE_CREDIT, &order);
    if (reply.result == MODULE_DONE) {
        (void)model_add_posting(act, order.from_pool, order.from, post.amount, code,
                                order.from_when);
        (void)model_add_posting(act, order.to, order.to_pool, post.amount, code, order.to_when);
    }
    return model_finish(model, act, reply);
}

static u128 round_to(u128 amount, u128 unit, u8 rounding)
{
    const u128 down = amount / unit;
    const u128 rest = 2 * (amount % unit); // Units are at most 10^18.
    switch (rounding) {
    case ROUNDING_DOWN: return down;
    case ROUNDING_UP: return down + (rest > 0);
    case ROUNDING_HALF_DOWN: return down + (rest > unit);
    case ROUNDING_HALF_UP: return down + (rest > 0 && rest >= unit);
    default: return down + (rest > unit || (rest == unit && down % 2 == 1));
    }
}

// Plans what goes out of the book with more decimals, and `coarse` into the other.
static struct book_reply plan_coarse(struct model_act *act, const struct model_order *order,
                                     u128 amount, u128 unit, u16 code)
{
    const u128 coarse = round_to(amount, unit, order->rule->rounding);
    struct model_account *dust = order->rule->dust;
    if (coarse == 0) return refused(ENTRY_CONVERTS_TO_NOTHING, amount, unit);
    if (coarse > U128_MAX / unit) return refused(ENTRY_AMOUNTS_OVERFLOW, amount, unit);
    const u128 fine = coarse * unit;
    const u128 left = fine <= amount ? amount - fine : fine - amount;
    if (left > 0) {
        const struct book_reply reply =
            model_is_open(dust, fine <= amount ? SIDE_CREDIT : SIDE_DEBIT);
        if (reply.result != MODULE_DONE) return reply;
    }
    (void)model_add_posting(act, order->from, order->from_pool, MIN(fine, amount), code,
                            order->from_when);
    if (left > 0) {
        (void)model_add_posting(act, fine <= amount ? order->from : dust,
                                fine <= amount ? dust : order->from_pool, left, code,
                                order->from_when);
    }
    (void)model_add_posting(act, order->to_pool, order->to, coarse, code, order->to_when);
    return done();
}

static struct book_reply plan_conversion(struct book_model *model, struct model_act *act,
                                         const struct due_post *post)
{
    struct model_order order;
    const u16 code = post->code == 0 ? 1 : post->code;
    const struct book_reply reply =
        check_order(model, act, post, RULE_CONVERSION, SIDE_DEBIT, &order);
    if (reply.result != MODULE_DONE) return reply;
    const u8 from = scale_of(model, order.from->number);
    const u8 to = scale_of(model, order.to->number);
    u128 unit = 1;
    for (u32 i = MIN(from, to); i < MAX(from, to); i++) unit *= 10;
    if (from > to) return plan_coarse(act, &order, post->amount, unit, code);
    if (post->amount > U128_MAX / unit) return refused(ENTRY_AMOUNTS_OVERFLOW, post->amount, unit);
    (void)model_add_posting(act, order.from, order.from_pool, post->amount, code, order.from_when);
    (void)model_add_posting(act, order.to_pool, order.to, post->amount * unit, code, order.to_when);
    return done();
}

static struct book_reply post_conversion(struct book_model *model, struct model_act *act)
{
    struct due_post post;
    static_assert(sizeof(struct conversion_post) == sizeof post, "the same fields");
    memcpy(&post, act->body, sizeof post);
    return model_finish(model, act, plan_conversion(model, act, &post));
}

// --- the closing of a year -----------------------------------------------------------------------

static i32 days_of(i32 year, u32 month)
{
    static const i32 days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month] + (month == 1 && is_leap);
}

// Whether a day from 0000-01-01 to 9999-12-30 is the last of its month.
static bool is_month_end(i32 day)
{
    i32 last = -719529; // The day before.
    if (day < last || day >= 2932896) return false;
    for (i32 year = 0; year < 10000; year++) {
        for (u32 month = 0; month < 12; month++) {
            last += days_of(year, month);
            if (last >= day) return last == day;
        }
    }
    return false;
}

// What of an account was posted up to a day.
static void sums_then(const struct book_model *model, const struct model_account *account, i32 day,
                      u128 *debits, u128 *credits)
{
    for (u32 i = 0; i < model->posting_count; i++) {
        const struct model_posting *posting = &model->postings[i];
        if (posting->flags == TRANSFER_PENDING || posting->flags == TRANSFER_VOID_PENDING) continue;
        if (posting->when.day > day) continue;
        if (posting->debit == account) *debits += posting->amount;
        if (posting->credit == account) *credits += posting->amount;
    }
}

static struct book_reply plan_year(struct book_model *model, struct model_act *act,
                                   const struct year_close *close)
{
    struct model_account *retained = NULL;
    struct model_when when;
    u32 seen = 0;
    if (close->entry_id == 0) return refused(ENTRY_ID_MUST_NOT_BE_ZERO, 0, 0);
    if (!is_month_end(close->day)) return refused(ENTRY_NOT_A_MONTH_END, of_day(close->day), 0);
    struct book_reply reply = look_up(model, close->book, close->retained_account, &retained);
    if (reply.result != MODULE_DONE) return reply;
    const u32 chart = find_book(model, close->book)->chart;
    const struct chart_add *code = find_code(model, chart, retained->code);
    if (code == NULL || code->kind != KIND_EQUITY) {
        return refused(ENTRY_NOT_EQUITY, close->retained_account, 0);
    }
    reply = model_day(model, close->book, close->day, &when);
    if (reply.result != MODULE_DONE) return reply;
    for (u32 i = model->account_count; i > 0; i--) { // From the newest.
        struct model_account *account = &model->accounts[i - 1];
        u128 debits = 0;
        u128 credits = 0;
        if (account->is_raw || account->number != close->book || seen++ < close->skip) continue;
        code = find_code(model, chart, account->code);
        if (code == NULL || (code->kind != KIND_INCOME && code->kind != KIND_EXPENSE)) continue;
        sums_then(model, account, close->day, &debits, &credits);
        if (debits == credits) continue;
        const bool is_debit = debits > credits;
        reply =
            model_may_post(account, act->command->principal, is_debit ? SIDE_CREDIT : SIDE_DEBIT);
        if (reply.result == MODULE_DONE) {
            reply = model_may_post(retained, act->command->principal,
                                   is_debit ? SIDE_DEBIT : SIDE_CREDIT);
        }
        if (reply.result != MODULE_DONE) return reply;
        (void)model_add_posting(act, is_debit ? retained : account, is_debit ? account : retained,
                                is_debit ? debits - credits : credits - debits,
                                close->code == 0 ? 1 : close->code, when);
    }
    if (act->count == 0) return refused(ENTRY_NOTHING_TO_CLOSE, seen, 0);
    return done();
}

struct book_reply entry_model_rule_run(struct book_model *model, struct model_act *act)
{
    struct year_close close;
    switch (act->command->record) {
    case 0x0406: return open_due(model, act->body);
    case 0x0407: return post_due(model, act);
    case 0x0408: return open_conversion(model, act->body);
    case 0x0409: return post_conversion(model, act);
    default:
        memcpy(&close, act->body, sizeof close);
        return model_finish(model, act, plan_year(model, act, &close));
    }
}
