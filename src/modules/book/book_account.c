// SPDX-License-Identifier: Apache-2.0
//
// The accounts of books: opened, frozen and thawed, closed and opened again.
//
// A freeze is a bar that somebody puts up for a reason, a closing the end of an account's use; both
// are told by the entry module to whoever posts. An account is its owner's: nobody else but
// principal 1, whose server it is, may stop it.
#include "modules/book/book_internal.h"
#include "modules/identifier.h"
#include "modules/principal/principal.h"

#define SERVER_PRINCIPAL 1u
static_assert(BOOK_OWNER_RULES == PRINCIPAL_NOBODY, "no principal is the owner of rules' accounts");

void book_account_plan(const struct module_context *context, const struct book_account *template,
                       u128 account_id, u16 flags, struct book *book, u64 book_row,
                       struct plan *plan)
{
    struct book_account known = *template;
    u32 row = 0;
    struct account *account = plan_add_account(plan, context->ledger, &row);
    account->id = account_id;
    account->ledger = (u32)book->book;
    account->code = known.code;
    account->flags = flags;
    const u64 known_row = module_record_count(context, TABLE_ACCOUNTS);
    known.row = row;
    known.book = (u32)book->book;
    known.previous = book->account_last;
    plan_add_write(plan, TABLE_ACCOUNTS, known_row, &known, sizeof known);
    book->account_last = (u32)known_row + 1;
    book->accounts++;
    plan_add_write(plan, TABLE_BOOKS, book_row, book, sizeof *book);
}

static u32 account_open_decide(const struct module_context *context,
                               const struct book_account_open *open, struct plan *plan)
{
    const u16 limits =
        BOOK_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS | BOOK_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    if (!identifier_is_valid(open->name, sizeof open->name)) return BOOK_NAME_INVALID;
    if (open->account_id == 0 || open->account_id >= BOOK_SUSPENSE_ID) {
        return BOOK_ACCOUNT_ID_INVALID;
    }
    const u64 book_row = module_find_row(context, TABLE_BOOKS, open->book);
    plan->evidence[0] = open->book;
    if (book_row == MODULE_ROW_NONE) return BOOK_NOT_FOUND;
    struct book book = *(const struct book *)module_record(context, TABLE_BOOKS, book_row);
    plan->evidence[0] = open->code;
    plan->evidence[1] = book.chart;
    if (open->code == 0 || book_code_find(context, book.chart, open->code) == NULL) {
        return BOOK_CODE_NOT_FOUND;
    }
    plan->evidence[0] = open->flags;
    plan->evidence[1] = 0;
    if ((open->flags & limits) == limits) return BOOK_LIMITS_EXCLUDE_EACH_OTHER;
    // Who asks is open: it was let in. Rules are nobody.
    if (open->owner != 0 && open->owner != context->principal && open->owner != BOOK_OWNER_RULES &&
        !principal_is_open(context, open->owner)) {
        plan->evidence[0] = open->owner;
        return BOOK_OWNER_NOT_FOUND;
    }
    if (ledger_class_account_row(context->ledger, open->book, open->account_id) != U32_MAX) {
        plan->evidence[0] = open->account_id;
        return BOOK_ACCOUNT_EXISTS;
    }
    struct book_account known = {
        .owner = open->owner == 0 ? context->principal : open->owner,
        .code = open->code,
    };
    memcpy(known.name, open->name, sizeof known.name);
    book_account_plan(context, &known, open->account_id, open->flags, &book, book_row, plan);
    return MODULE_DONE;
}

// --- freezing and closing ------------------------------------------------------------------------

// An account that a command is about, and what becomes of it.
struct change {
    u64 row; // Of the module's table.
    struct book_account known;
    const struct account *account;
};

// Finds the account and checks what all of these commands have in common.
static u32 change_begin(const struct module_context *context, u32 book, u128 account_id,
                        const char reason[16], struct change *change, struct plan *plan)
{
    if (!identifier_is_valid(reason, sizeof change->known.reason)) return BOOK_REASON_INVALID;
    plan->evidence[0] = book;
    if (book_find(context, book) == NULL) return BOOK_NOT_FOUND;
    plan->evidence[0] = account_id;
    const u32 row = ledger_class_account_row(context->ledger, book, account_id);
    if (row == U32_MAX) return BOOK_ACCOUNT_NOT_FOUND;
    assert(book_account_find(context, row) != NULL); // Those of a book are its own.
    if (account_id == BOOK_SUSPENSE_ID) return BOOK_SUSPENSE_STAYS;
    change->row = module_find_row(context, TABLE_ACCOUNTS, row);
    change->known = *book_account_find(context, row);
    change->account = ledger_account(context->ledger, row);
    plan->evidence[1] = change->known.owner;
    const u64 principal = context->principal;
    if (principal != change->known.owner && principal != SERVER_PRINCIPAL) {
        return BOOK_NOT_THE_OWNER;
    }
    plan->evidence[1] = 0;
    memcpy(change->known.reason, reason, sizeof change->known.reason);
    change->known.since = context->timestamp;
    return MODULE_DONE;
}

static u32 change_end(const struct change *change, struct plan *plan)
{
    plan_add_write(plan, TABLE_ACCOUNTS, change->row, &change->known, sizeof change->known);
    return MODULE_DONE;
}

static u32 freeze_decide(const struct module_context *context,
                         const struct book_account_freeze *freeze, struct plan *plan)
{
    struct change change;
    const u8 sides = freeze->sides == FROZEN_NONE ? FROZEN_BOTH : freeze->sides;
    const u32 refusal =
        change_begin(context, freeze->book, freeze->account_id, freeze->reason, &change, plan);
    if (refusal != MODULE_DONE) return refusal;
    if (change.known.is_closed) return BOOK_ACCOUNT_CLOSED;
    if (change.known.frozen == sides) return BOOK_FROZEN_ALREADY;
    change.known.frozen = sides;
    return change_end(&change, plan);
}

static u32 thaw_decide(const struct module_context *context, const struct book_account_thaw *thaw,
                       struct plan *plan)
{
    struct change change;
    const u32 refusal =
        change_begin(context, thaw->book, thaw->account_id, thaw->reason, &change, plan);
    if (refusal != MODULE_DONE) return refusal;
    if (change.known.frozen == FROZEN_NONE) return BOOK_NOT_FROZEN;
    change.known.frozen = FROZEN_NONE;
    return change_end(&change, plan);
}

static u32 close_decide(const struct module_context *context,
                        const struct book_account_close *close, struct plan *plan)
{
    struct change change;
    const u32 refusal =
        change_begin(context, close->book, close->account_id, close->reason, &change, plan);
    if (refusal != MODULE_DONE) return refusal;
    if (change.known.is_closed) return BOOK_ACCOUNT_CLOSED;
    const struct account *account = change.account;
    plan->evidence[0] = account->debits_posted;
    plan->evidence[1] = account->credits_posted;
    if (account->debits_posted != account->credits_posted) return BOOK_BALANCE_LEFT;
    plan->evidence[0] = account->debits_pending;
    plan->evidence[1] = account->credits_pending;
    if (account->debits_pending != 0 || account->credits_pending != 0) return BOOK_HOLDS_LEFT;
    change.known.is_closed = true;
    return change_end(&change, plan);
}

static u32 reopen_decide(const struct module_context *context,
                         const struct book_account_reopen *reopen, struct plan *plan)
{
    struct change change;
    const u32 refusal =
        change_begin(context, reopen->book, reopen->account_id, reopen->reason, &change, plan);
    if (refusal != MODULE_DONE) return refusal;
    if (!change.known.is_closed) return BOOK_ACCOUNT_NOT_CLOSED;
    change.known.is_closed = false;
    return change_end(&change, plan);
}

u32 book_account_decide(const struct module_context *context, const struct schema_record *record,
                        const void *body, struct plan *plan)
{
    if (record == &book_schema_book_account_open) return account_open_decide(context, body, plan);
    if (record == &book_schema_book_account_freeze) return freeze_decide(context, body, plan);
    if (record == &book_schema_book_account_thaw) return thaw_decide(context, body, plan);
    if (record == &book_schema_book_account_close) return close_decide(context, body, plan);
    assert(record == &book_schema_book_account_reopen);
    return reopen_decide(context, body, plan);
}

// From the newest account to the oldest.
u32 book_account_ask(const struct module_context *context, const struct account_list *list,
                     struct module_answer *answer)
{
    const struct book *book = book_find(context, list->book);
    answer->record = &book_schema_account_row;
    answer->evidence[0] = list->book;
    if (book == NULL) return BOOK_NOT_FOUND;
    u64 next = load_u64(answer->cursor);
    if (next == 0) next = book->account_last;
    memset(answer->cursor, 0, sizeof answer->cursor);
    for (u32 looks = 0; next > 0 && next <= module_record_count(context, TABLE_ACCOUNTS); looks++) {
        const struct book_account *known = module_record(context, TABLE_ACCOUNTS, next - 1);
        if (known->book != list->book) break; // A cursor that this server did not give.
        const bool is_stopped = known->is_closed || known->frozen != FROZEN_NONE;
        const struct account *account = ledger_account(context->ledger, (u32)known->row);
        struct account_row row = {
            .account_id = account->id,
            .owner = known->owner,
            .book = known->book,
            .code = known->code,
            .frozen = known->frozen,
            .is_closed = known->is_closed,
            .since = known->since,
            .limits = account->flags & (BOOK_ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS |
                                        BOOK_ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS),
        };
        memcpy(row.name, known->name, sizeof row.name);
        memcpy(row.reason, known->reason, sizeof row.reason);
        const bool is_wanted = is_stopped || !list->only_stopped;
        if (looks == ANSWER_LOOKS_MAX || (is_wanted && !answer_add(answer, &row))) {
            store_u64(answer->cursor, next);
            break;
        }
        next = known->previous;
    }
    return MODULE_DONE;
}
