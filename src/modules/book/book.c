// SPDX-License-Identifier: Apache-2.0
//
// Deciding on assets, charts, books and accounts.
#include "modules/book/book_internal.h"

#include "modules/entity/entity.h"
#include "modules/identifier.h"
#include "money/currency.h"

#define SCHEMA_MODULE book
#define SCHEMA_TABLE  "modules/book/book.def"
#include "schema/make_descriptors.h"

#define ASSETS_MAX   65536u
#define CODES_MAX    (1u << 20)
#define BOOKS_MAX    (1u << 20)
#define ACCOUNTS_MAX (1u << 26)

static_assert((int)BOOK_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS ==
                      (int)ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS &&
                  (int)BOOK_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS ==
                      (int)ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS,
              "limits are the ledger's");

static u64 code_key(u32 chart, u16 code)
{
    return (u64)chart << 16 | code;
}

// --- the orders of codes -------------------------------------------------------------------------

// By chart and code; by chart, class and code; by chart, class, line and code. The code 0, which
// stands for the chart, is in none.
static u64 code_head(const void *record)
{
    const struct chart_code *code = record;
    return code_key(code->chart, code->code);
}

static u64 kind_head(const void *record)
{
    const struct chart_code *code = record;
    return (u64)code->chart << 8 | code->kind;
}

static int code_compare(const void *a, const void *b)
{
    const u16 left = ((const struct chart_code *)a)->code;
    const u16 right = ((const struct chart_code *)b)->code;
    return (left > right) - (left < right);
}

static int line_compare(const void *a, const void *b)
{
    const struct chart_code *left = a;
    const struct chart_code *right = b;
    const int order = memcmp(left->line, right->line, sizeof left->line);
    return order != 0 ? order : code_compare(a, b);
}

static bool is_code(const void *record)
{
    return ((const struct chart_code *)record)->code != 0;
}

static const struct module_order codes_by_code = {.order = {.head = code_head}, .has = is_code};
static const struct module_order codes_by_kind = {
    .order = {.head = kind_head, .compare = code_compare}, .has = is_code};
static const struct module_order codes_by_line = {
    .order = {.head = kind_head, .compare = line_compare}, .has = is_code};

// --- looking up ----------------------------------------------------------------------------------

const struct book *book_find(const struct module_context *context, u32 number)
{
    const struct module_context own = module_context_of(context, &book_module);
    return module_find(&own, TABLE_BOOKS, number);
}

const struct asset *book_asset_find(const struct module_context *context, const char asset[16])
{
    const struct module_context own = module_context_of(context, &book_module);
    return module_find(&own, TABLE_ASSETS, load_u128(asset));
}

const struct chart_code *book_code_find(const struct module_context *context, u32 chart, u16 code)
{
    const struct module_context own = module_context_of(context, &book_module);
    return module_find(&own, TABLE_CODES, code_key(chart, code));
}

const struct book_account *book_account_at(const struct module_context *own, u64 row)
{
    return module_record(own, TABLE_ACCOUNTS, row);
}

const struct book_account *book_account_find(const struct module_context *context, u32 row)
{
    const struct module_context own = module_context_of(context, &book_module);
    return module_find(&own, TABLE_ACCOUNTS, row);
}

bool book_account_is_open(const struct book_account *known, bool is_debit)
{
    return !known->is_closed && (known->frozen & (is_debit ? FROZEN_DEBITS : FROZEN_CREDITS)) == 0;
}

// --- commands ------------------------------------------------------------------------------------

// The codes of ISO 4217 that are metals: silver, gold, platinum, palladium.
static bool is_metal(const struct currency *currency)
{
    return currency->number == 961 || currency->number == 959 || currency->number == 962 ||
           currency->number == 964;
}

// Currencies are those of ISO 4217 with its decimals; what is none must not look like one.
static u32 currency_check(const struct asset_open *open, struct plan *plan)
{
    const size_t size = strnlen(open->asset, sizeof open->asset);
    const struct currency *currency = currency_find(open->asset, size);
    if (open->kind != ASSET_CURRENCY) {
        const bool is_free = currency == NULL || (open->kind == ASSET_METAL && is_metal(currency));
        return is_free ? MODULE_DONE : BOOK_ASSET_IS_A_CURRENCY;
    }
    if (currency == NULL) return BOOK_CURRENCY_UNKNOWN;
    if (currency->minor_digits == open->scale) return MODULE_DONE;
    plan->evidence[0] = open->scale;
    plan->evidence[1] = currency->minor_digits;
    return BOOK_CURRENCY_SCALE_DIFFERS;
}

static u32 asset_open_decide(const struct module_context *context, const struct asset_open *open,
                             struct plan *plan)
{
    if (!identifier_is_valid(open->asset, sizeof open->asset)) return BOOK_ASSET_INVALID;
    if (open->name[0] != 0 && !identifier_is_valid(open->name, sizeof open->name)) {
        return BOOK_NAME_INVALID;
    }
    const u32 refusal = currency_check(open, plan);
    if (refusal != MODULE_DONE) return refusal;
    if (book_asset_find(context, open->asset) != NULL) return BOOK_ASSET_EXISTS;
    struct asset asset = {.kind = open->kind, .scale = open->scale};
    memcpy(asset.asset, open->asset, sizeof asset.asset);
    memcpy(asset.name, open->name, sizeof asset.name);
    plan_add_write(plan, TABLE_ASSETS, module_record_count(context, TABLE_ASSETS), &asset,
                   sizeof asset);
    return MODULE_DONE;
}

static u32 chart_add_decide(const struct module_context *context, const struct chart_add *add,
                            struct plan *plan)
{
    if (!identifier_is_valid(add->name, sizeof add->name) ||
        (add->line[0] != 0 && !identifier_is_valid(add->line, sizeof add->line))) {
        return BOOK_NAME_INVALID;
    }
    if (add->chart == 0) return BOOK_CHART_MUST_NOT_BE_ZERO;
    if (add->code == 0) return BOOK_CODE_MUST_NOT_BE_ZERO;
    assert(add->code < BOOK_SUSPENSE_CODE); // The description says so.
    if (book_code_find(context, add->chart, add->code) != NULL) return BOOK_CODE_EXISTS;
    struct chart_code code = {
        .key = code_key(add->chart, add->code),
        .chart = add->chart,
        .code = add->code,
        .kind = add->kind,
        .contra = add->contra,
    };
    memcpy(code.name, add->name, sizeof code.name);
    if (add->line[0] != 0) memcpy(code.line, add->line, sizeof code.line);
    else memcpy(code.line, add->name, sizeof code.line);
    plan_add_write(plan, TABLE_CODES, module_record_count(context, TABLE_CODES), &code,
                   sizeof code);
    // A chart exists with its first code: the code 0 stands for the chart.
    if (book_code_find(context, add->chart, 0) != NULL) return MODULE_DONE;
    const struct chart_code chart = {.key = code_key(add->chart, 0), .chart = add->chart};
    plan_add_write(plan, TABLE_CODES, module_record_count(context, TABLE_CODES) + 1, &chart,
                   sizeof chart);
    return MODULE_DONE;
}

static u32 book_open_decide(const struct module_context *context, const struct book_open *open,
                            struct plan *plan)
{
    if (!identifier_is_valid(open->name, sizeof open->name)) return BOOK_NAME_INVALID;
    if (open->book == 0) return BOOK_NUMBER_MUST_NOT_BE_ZERO;
    plan->evidence[0] = open->book;
    if (book_find(context, open->book) != NULL) return BOOK_EXISTS;
    if (ledger_number_class(context->ledger, open->book) != LEDGER_NUMBER_FREE) {
        return BOOK_NUMBER_IS_RAW;
    }
    if (entity_find(context, open->entity_id) == NULL) {
        plan->evidence[0] = open->entity_id;
        return BOOK_ENTITY_NOT_FOUND;
    }
    plan->evidence[0] = 0;
    if (book_asset_find(context, open->asset) == NULL) return BOOK_ASSET_NOT_FOUND;
    if (book_code_find(context, open->chart, 0) == NULL) {
        plan->evidence[0] = open->chart;
        return BOOK_CHART_NOT_FOUND;
    }
    struct book book = {.book = open->book, .entity_id = open->entity_id, .chart = open->chart};
    memcpy(book.asset, open->asset, sizeof book.asset);
    memcpy(book.name, open->name, sizeof book.name);
    const struct book_account suspense = {.code = BOOK_SUSPENSE_CODE, .name = "suspense"};
    book_account_plan(context, &suspense, BOOK_SUSPENSE_ID, 0, &book,
                      module_record_count(context, TABLE_BOOKS), plan);
    return MODULE_DONE;
}

static u32 book_decide(const struct module_context *context, const struct schema_record *record,
                       const void *body, struct plan *plan)
{
    if (record == &book_schema_asset_open) return asset_open_decide(context, body, plan);
    if (record == &book_schema_chart_add) return chart_add_decide(context, body, plan);
    if (record == &book_schema_book_open) return book_open_decide(context, body, plan);
    return book_account_decide(context, record, body, plan);
}

// --- questions -----------------------------------------------------------------------------------

static u32 chart_list_ask(const struct module_context *context, const struct chart_list *list,
                          struct module_answer *answer)
{
    u64 row = load_u64(answer->cursor);
    const u64 count = module_record_count(context, TABLE_CODES);
    answer->record = &book_schema_chart_code;
    for (u32 looks = 0; row < count && looks < ANSWER_LOOKS_MAX; row++, looks++) {
        const struct chart_code *code = module_record(context, TABLE_CODES, row);
        if (code->code == 0 || (list->chart != 0 && code->chart != list->chart)) continue;
        if (!answer_add(answer, code)) break;
    }
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (row < count) store_u64(answer->cursor, row);
    return MODULE_DONE;
}

static u32 book_list_ask(const struct module_context *context, const struct book_list *list,
                         struct module_answer *answer)
{
    u64 row = load_u64(answer->cursor);
    const u64 count = module_record_count(context, TABLE_BOOKS);
    answer->record = &book_schema_book;
    for (u32 looks = 0; row < count && looks < ANSWER_LOOKS_MAX; row++, looks++) {
        const struct book *book = module_record(context, TABLE_BOOKS, row);
        if (list->entity_id != 0 && book->entity_id != list->entity_id) continue;
        if (!answer_add(answer, book)) break;
    }
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (row < count) store_u64(answer->cursor, row);
    return MODULE_DONE;
}

static u32 book_ask(const struct module_context *context, const struct schema_record *question,
                    const void *body, struct module_answer *answer)
{
    if (question == &book_schema_asset_list) {
        answer->record = &book_schema_asset;
        answer_rows(context, TABLE_ASSETS, answer);
        return MODULE_DONE;
    }
    if (question == &book_schema_chart_list) return chart_list_ask(context, body, answer);
    if (question == &book_schema_book_list) return book_list_ask(context, body, answer);
    if (question == &book_schema_account_list) return book_account_ask(context, body, answer);
    return book_past_ask(context, question, body, answer);
}

// --- invariants ----------------------------------------------------------------------------------

static void book_check(const struct module_context *context)
{
    u64 accounts = 0;
    for (u64 row = 0; row < module_record_count(context, TABLE_BOOKS); row++) {
        const struct book *book = module_record(context, TABLE_BOOKS, row);
        accounts += book->accounts;
        u32 count = 0;
        for (u64 next = book->account_last; next > 0; count++) {
            const struct book_account *known = module_record(context, TABLE_ACCOUNTS, next - 1);
            const struct account *account = ledger_account(context->ledger, (u32)known->row);
            assert(known->book == book->book && account->ledger == book->book); // K1
            assert(account_class(account) == BOOK_ACCOUNT_CLASS);
            const bool is_suspense = account->id == BOOK_SUSPENSE_ID;
            assert(is_suspense || book_code_find(context, book->chart, known->code) != NULL); // K2
            assert(!known->is_closed || account->debits_posted == account->credits_posted);   // K3
            assert(!known->is_closed ||
                   (account->debits_pending == 0 && account->credits_pending == 0)); // K3
            next = known->previous;
        }
        assert(count == book->accounts); // K1
    }
    assert(accounts == module_record_count(context, TABLE_ACCOUNTS)); // K1
    turnovers_check(context->turnovers, context->ledger, BOOK_ACCOUNT_CLASS);
}

const struct module book_module = {
    .name = "book",
    .number = 0x03,
    .version = 1,
    .account_class = BOOK_ACCOUNT_CLASS,
    .schema = &book_schema,
    .table_count = 4,
    .tables =
        {
            {.record_size = sizeof(struct asset), .record_max = ASSETS_MAX, .keyed = true},
            {.record_size = sizeof(struct chart_code),
             .record_max = CODES_MAX,
             .keyed = true,
             .orders = {&codes_by_code, &codes_by_kind, &codes_by_line}},
            {.record_size = sizeof(struct book), .record_max = BOOKS_MAX, .keyed = true},
            {.record_size = sizeof(struct book_account), .record_max = ACCOUNTS_MAX, .keyed = true},
        },
    .decide = book_decide,
    .ask = book_ask,
    .look = book_past_look,
    .check = book_check,
};
