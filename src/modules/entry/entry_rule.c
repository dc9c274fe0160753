// SPDX-License-Identifier: Apache-2.0
//
// Rules that post: what entities owe each other, and amounts between books of other decimals.
//
// The accounts of a rule are nobody's but the rule's (BOOK_OWNER_RULES), so that its two sides
// cannot come apart: due-from and due-to are posted by one command, and a conversion puts what it
// rounds into the dust account of the finer book, where it shows.
#include "modules/entity/entity.h"
#include "modules/entry/entry_internal.h"
#include "money/amount.h"

// --- rules by their accounts ---------------------------------------------------------------------

static u64 a_head(const void *record)
{
    return ((const struct entry_rule *)record)->a_row;
}

static u64 b_head(const void *record)
{
    return ((const struct entry_rule *)record)->b_row;
}

static u64 dust_head(const void *record)
{
    return ((const struct entry_rule *)record)->dust_row;
}

static bool has_dust(const void *record)
{
    return ((const struct entry_rule *)record)->dust_row != U32_MAX;
}

const struct module_order entry_rules_by_a = {.order = {.head = a_head}};
const struct module_order entry_rules_by_b = {.order = {.head = b_head}};
const struct module_order entry_rules_by_dust = {.order = {.head = dust_head}, .has = has_dust};

// The rule that has an account, or NULL.
static const struct entry_rule *rule_of_account(const struct module_context *context, u32 row)
{
    const struct entry_rule probe = {.a_row = row, .b_row = row, .dust_row = row};
    for (u32 order = RULES_BY_A; order <= RULES_BY_DUST; order++) {
        const u64 rule = module_find_ordered(context, TABLE_RULES, order, &probe);
        if (rule != MODULE_ROW_NONE) return module_record(context, TABLE_RULES, rule);
    }
    return NULL;
}

// --- rules ---------------------------------------------------------------------------------------

// Finds an account that is for rules and that no rule has.
static u32 rule_account(const struct module_context *context, u32 book, u128 account_id, u32 *row,
                        struct plan *plan)
{
    const u32 refusal = entry_account_row(context, book, account_id, row, plan);
    if (refusal != MODULE_DONE) return refusal;
    const struct book_account *known = book_account_find(context, *row);
    plan->evidence[0] = account_id;
    plan->evidence[1] = known == NULL ? 0 : known->owner;
    if (known == NULL || known->owner != BOOK_OWNER_RULES) return ENTRY_NOT_AN_ACCOUNT_OF_RULES;
    plan->evidence[1] = 0;
    const struct entry_rule *rule = rule_of_account(context, *row);
    if (rule == NULL) return MODULE_DONE;
    plan->evidence[1] = rule->rule_id;
    return ENTRY_ACCOUNT_OF_ANOTHER_RULE;
}

static u32 rule_add(const struct module_context *context, const struct entry_rule *rule,
                    struct plan *plan)
{
    plan_add_write(plan, TABLE_RULES, module_record_count(context, TABLE_RULES), rule,
                   sizeof *rule);
    return MODULE_DONE;
}

static u32 rule_is_new(const struct module_context *context, u128 rule_id, struct plan *plan)
{
    if (rule_id == 0) return ENTRY_ID_MUST_NOT_BE_ZERO;
    plan->evidence[0] = rule_id;
    return module_find(context, TABLE_RULES, rule_id) != NULL ? ENTRY_RULE_EXISTS : MODULE_DONE;
}

static u32 due_open_decide(const struct module_context *context, const struct due_open *open,
                           struct plan *plan)
{
    struct entry_rule rule = {
        .rule_id = open->rule_id,
        .kind = RULE_DUE,
        .a_book = open->a_book,
        .b_book = open->b_book,
        .dust_row = U32_MAX,
    };
    u32 refusal = rule_is_new(context, open->rule_id, plan);
    if (refusal == MODULE_DONE) {
        refusal = rule_account(context, open->a_book, open->a_account, &rule.a_row, plan);
    }
    if (refusal == MODULE_DONE) {
        refusal = rule_account(context, open->b_book, open->b_account, &rule.b_row, plan);
    }
    if (refusal != MODULE_DONE) return refusal;
    const struct book *a = book_find(context, open->a_book);
    const struct book *b = book_find(context, open->b_book);
    plan->evidence[0] = open->a_book;
    plan->evidence[1] = open->b_book;
    if (a->entity_id == b->entity_id) return ENTRY_SAME_ENTITY;
    if (memcmp(a->asset, b->asset, sizeof a->asset) != 0) return ENTRY_ASSETS_DIFFER;
    return rule_add(context, &rule, plan);
}

static u8 scale_of(const struct module_context *context, u32 book)
{
    return book_asset_find(context, book_find(context, book)->asset)->scale;
}

static u32 conversion_open_decide(const struct module_context *context,
                                  const struct conversion_open *open, struct plan *plan)
{
    struct entry_rule rule = {
        .rule_id = open->rule_id,
        .kind = RULE_CONVERSION,
        .a_book = open->a_book,
        .b_book = open->b_book,
        .dust_row = U32_MAX,
        .rounding = open->rounding,
    };
    u32 refusal = rule_is_new(context, open->rule_id, plan);
    if (refusal == MODULE_DONE) {
        refusal = rule_account(context, open->a_book, open->a_pool, &rule.a_row, plan);
    }
    if (refusal == MODULE_DONE) {
        refusal = rule_account(context, open->b_book, open->b_pool, &rule.b_row, plan);
    }
    if (refusal != MODULE_DONE) return refusal;
    const u8 a = scale_of(context, open->a_book);
    const u8 b = scale_of(context, open->b_book);
    plan->evidence[0] = a;
    plan->evidence[1] = b;
    if (a != b && open->dust_account == 0) return ENTRY_DUST_MISSING;
    if (open->dust_account != 0) {
        refusal = rule_account(context, a > b ? open->a_book : open->b_book, open->dust_account,
                               &rule.dust_row, plan);
    }
    const bool is_pool = rule.dust_row == rule.a_row || rule.dust_row == rule.b_row;
    if (refusal == MODULE_DONE && (rule.a_row == rule.b_row || is_pool)) {
        plan->evidence[0] = is_pool ? open->dust_account : open->b_pool;
        plan->evidence[1] = open->rule_id;
        return ENTRY_ACCOUNT_OF_ANOTHER_RULE;
    }
    return refusal == MODULE_DONE ? rule_add(context, &rule, plan) : refusal;
}

// --- posting by them -----------------------------------------------------------------------------

// What both commands that post by a rule say.
struct order {
    u128 entry_id;
    i32 day;
    u32 from_book;
    u128 rule_id;
    u128 from_account;
    u128 to_account;
    u128 amount;
    u16 code;
    // Found:
    const struct entry_rule *rule;
    u32 from_row;
    u32 to_row;
    u32 from_rule_row; // The rule's own account in the book that it comes from,
    u32 to_rule_row;   // and in the other.
    u32 to_book;
    struct entry_day from_day;
    struct entry_day to_day;
};

// What a command says, a struct due_post or conversion_post.
#define ORDER_OF(post)                        \
    ((struct order){                          \
        .entry_id = (post)->entry_id,         \
        .day = (post)->day,                   \
        .from_book = (post)->from_book,       \
        .rule_id = (post)->rule_id,           \
        .from_account = (post)->from_account, \
        .to_account = (post)->to_account,     \
        .amount = (post)->amount,             \
        .code = (post)->code,                 \
    })

static u32 order_check(const struct module_context *context, struct order *order, u8 kind,
                       u8 from_side, struct plan *plan)
{
    if (order->entry_id == 0) return ENTRY_ID_MUST_NOT_BE_ZERO;
    if (order->amount == 0) return ENTRY_AMOUNT_MUST_NOT_BE_ZERO;
    const struct entry_rule *rule = module_find(context, TABLE_RULES, order->rule_id);
    plan->evidence[0] = order->rule_id;
    if (rule == NULL) return ENTRY_RULE_NOT_FOUND;
    if (rule->kind != kind) return ENTRY_RULE_OF_ANOTHER_KIND;
    plan->evidence[0] = order->from_book;
    const bool is_a = order->from_book == rule->a_book;
    if (!is_a && order->from_book != rule->b_book) return ENTRY_BOOK_NOT_OF_THE_RULE;
    order->rule = rule;
    order->from_rule_row = is_a ? rule->a_row : rule->b_row;
    order->to_rule_row = is_a ? rule->b_row : rule->a_row;
    order->to_book = is_a ? rule->b_book : rule->a_book;
    const u8 to_side = from_side == SIDE_DEBIT ? SIDE_CREDIT : SIDE_DEBIT;
    const u128 id = order->entry_id;
    u32 refusal =
        entry_account_row(context, order->from_book, order->from_account, &order->from_row, plan);
    if (refusal == MODULE_DONE) {
        refusal =
            entry_account_row(context, order->to_book, order->to_account, &order->to_row, plan);
    }
    if (refusal == MODULE_DONE) {
        refusal = entry_account_check(context, order->from_row, from_side, false, id, plan);
    }
    if (refusal == MODULE_DONE) {
        refusal = entry_account_check(context, order->to_row, to_side, false, id, plan);
    }
    if (refusal == MODULE_DONE) {
        refusal = entry_account_is_open(context, order->from_rule_row, to_side, id, plan);
    }
    if (refusal == MODULE_DONE) {
        refusal = entry_account_is_open(context, order->to_rule_row, from_side, id, plan);
    }
    if (refusal == MODULE_DONE) {
        refusal =
            entry_day_check(context, order->from_book, order->day, id, &order->from_day, plan);
    }
    if (refusal == MODULE_DONE) {
        refusal = entry_day_check(context, order->to_book, order->day, id, &order->to_day, plan);
    }
    return refusal;
}

static void order_post(const struct order *order, bool in_from, u32 debit_row, u32 credit_row,
                       u128 amount, struct plan *plan)
{
    const struct entry_day *day = in_from ? &order->from_day : &order->to_day;
    struct plan_posting *posting = plan_add_posting(plan);
    posting->debit_row = debit_row;
    posting->credit_row = credit_row;
    posting->amount = amount;
    posting->code = entry_code(order->code);
    posting->day = day->day;
    posting->is_dated = day->is_dated;
}

static u32 order_end(const struct order *order, struct plan *plan)
{
    plan->unique_id = order->entry_id;
    plan->has_references = true;
    return MODULE_DONE;
}

static u32 due_post_decide(const struct module_context *context, const struct due_post *post,
                           struct plan *plan)
{
    struct order order = ORDER_OF(post);
    const u32 refusal = order_check(context, &order, RULE_DUE, SIDE_CREDIT, plan);
    if (refusal != MODULE_DONE) return refusal;
    order_post(&order, true, order.from_rule_row, order.from_row, order.amount, plan);
    order_post(&order, false, order.to_row, order.to_rule_row, order.amount, plan);
    return order_end(&order, plan);
}

static u128 power_of_ten(u32 exponent)
{
    u128 power = 1;
    for (u32 i = 0; i < exponent; i++) power *= 10;
    return power;
}

// From many decimals to few: what is rounded is the dust account's, of the finer book.
static u32 convert_to_coarse(const struct module_context *context, struct order *order, u128 unit,
                             struct plan *plan)
{
    const enum rounding roundings[] = {ROUND_DOWN, ROUND_UP, ROUND_HALF_DOWN, ROUND_HALF_UP,
                                       ROUND_HALF_EVEN};
    assert(order->rule->rounding < ARRAY_COUNT(roundings)); // The description says so.
    u128 coarse = 0;
    const bool overflows =
        amount_scale(order->amount, rate_make(1, unit), roundings[order->rule->rounding], &coarse);
    assert(!overflows); // It is smaller than the amount, but for rounding up of less than a unit.
    plan->evidence[0] = order->amount;
    plan->evidence[1] = unit;
    if (coarse == 0) return ENTRY_CONVERTS_TO_NOTHING;
    const u128 fine = coarse * unit; // Modulo 2^128: rounded up it may pass.
    const bool is_less = fine / unit == coarse && fine <= order->amount;
    if (!is_less && fine < order->amount) return ENTRY_AMOUNTS_OVERFLOW;
    const u128 dust = is_less ? order->amount - fine : fine - order->amount;
    if (dust > 0) {
        const u32 refusal =
            entry_account_is_open(context, order->rule->dust_row,
                                  is_less ? SIDE_CREDIT : SIDE_DEBIT, order->entry_id, plan);
        if (refusal != MODULE_DONE) return refusal;
    }
    const u32 pool = order->from_rule_row;
    order_post(order, true, order->from_row, pool, is_less ? fine : order->amount, plan);
    if (dust > 0 && is_less) {
        order_post(order, true, order->from_row, order->rule->dust_row, dust, plan);
    } else if (dust > 0) {
        order_post(order, true, order->rule->dust_row, pool, dust, plan);
    }
    order_post(order, false, order->to_rule_row, order->to_row, coarse, plan);
    return order_end(order, plan);
}

static u32 conversion_post_decide(const struct module_context *context,
                                  const struct conversion_post *post, struct plan *plan)
{
    struct order order = ORDER_OF(post);
    const u32 refusal = order_check(context, &order, RULE_CONVERSION, SIDE_DEBIT, plan);
    if (refusal != MODULE_DONE) return refusal;
    const u8 from = scale_of(context, order.from_book);
    const u8 to = scale_of(context, order.to_book);
    if (from > to) return convert_to_coarse(context, &order, power_of_ten(from - to), plan);
    const u128 unit = power_of_ten(to - from);
    plan->evidence[0] = order.amount;
    plan->evidence[1] = unit;
    if (order.amount > U128_MAX / unit) return ENTRY_AMOUNTS_OVERFLOW;
    order_post(&order, true, order.from_row, order.from_rule_row, order.amount, plan);
    order_post(&order, false, order.to_rule_row, order.to_row, order.amount * unit, plan);
    return order_end(&order, plan);
}

u32 entry_rule_decide(const struct module_context *context, const struct schema_record *record,
                      const void *body, struct plan *plan)
{
    if (record == &entry_schema_due_open) return due_open_decide(context, body, plan);
    if (record == &entry_schema_due_post) return due_post_decide(context, body, plan);
    if (record == &entry_schema_conversion_open) return conversion_open_decide(context, body, plan);
    if (record == &entry_schema_conversion_post) return conversion_post_decide(context, body, plan);
    return MODULE_UNKNOWN;
}

// --- questions -----------------------------------------------------------------------------------

u32 entry_rule_ask(const struct module_context *context, struct module_answer *answer)
{
    const struct ledger *ledger = context->ledger;
    const u64 count = module_record_count(context, TABLE_RULES);
    u64 at = load_u64(answer->cursor);
    answer->record = &entry_schema_rule_row;
    for (; at < count; at++) {
        const struct entry_rule *rule = module_record(context, TABLE_RULES, at);
        const struct account *a = ledger_account(ledger, rule->a_row);
        struct rule_row row = {
            .rule_id = rule->rule_id,
            .kind = rule->kind,
            .rounding = rule->rounding,
            .a_book = rule->a_book,
            .b_book = rule->b_book,
            .a_account = a->id,
            .b_account = ledger_account(ledger, rule->b_row)->id,
        };
        if (rule->kind == RULE_DUE) {
            const bool to_a = a->debits_posted > a->credits_posted;
            row.due_to_a = to_a ? a->debits_posted - a->credits_posted : 0;
            row.due_to_b = to_a ? 0 : a->credits_posted - a->debits_posted;
        }
        if (rule->dust_row != U32_MAX) {
            const struct account *dust = ledger_account(ledger, rule->dust_row);
            row.dust_account = dust->id;
            // Rounded up more than down it is a debit; shown as none.
            if (dust->credits_posted > dust->debits_posted) {
                row.dust = dust->credits_posted - dust->debits_posted;
            }
        }
        if (!answer_add(answer, &row)) break;
    }
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (at < count) store_u64(answer->cursor, at);
    return MODULE_DONE;
}

void entry_rule_check(const struct module_context *context)
{
    for (u64 i = 0; i < module_record_count(context, TABLE_RULES); i++) {
        const struct entry_rule *rule = module_record(context, TABLE_RULES, i);
        const struct account *a = ledger_account(context->ledger, rule->a_row);
        const struct account *b = ledger_account(context->ledger, rule->b_row);
        if (rule->kind != RULE_DUE) continue;
        assert(a->debits_posted == b->credits_posted); // J3
        assert(a->credits_posted == b->debits_posted); // J3
    }
}
