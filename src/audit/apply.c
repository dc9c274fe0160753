// SPDX-License-Identifier: Apache-2.0
//
// One row applied to the books: what its event asked for, what moved, what is held.
#include "audit/rules.h"
#include "audit/walk_internal.h"
#include "codec/number.h"

#include <stdio.h>
#include <stdlib.h>

// A number as text, for a message.
struct number {
    char text[NUMBER_SIZE_MAX];
};

static struct number number_of(u128 value)
{
    struct number out = {.text = ""};
    (void)number_print_u128(value, out.text);
    return out;
}

// --- balances ------------------------------------------------------------------------------------

// The accounts of the row taken last; false, and told, when there is none of a row.
static bool accounts_of(struct audit_walk *walk, const struct audit_row *row,
                        struct audit_account **debit, struct audit_account **credit)
{
    *debit = audit_account_at(&walk->books, row->debit_row);
    *credit = audit_account_at(&walk->books, row->credit_row);
    if (*debit != NULL && *credit != NULL) return true;
    walk_differ(walk, AUDIT_OUTCOME, "account row %u does not exist yet",
                *debit == NULL ? row->debit_row : row->credit_row);
    return false;
}

// What a posting changes of one side of both accounts: debits of the one, credits of the other, by
// the same amounts, so that books balance behind every row when both are of one ledger (L1).
static void balances_move(struct audit_walk *walk, struct audit_account *debit,
                          struct audit_account *credit, u128 released, u128 held, u128 posted)
{
    bool fits = audit_sum_subtract(&debit->debits_pending, released);
    fits &= audit_sum_subtract(&credit->credits_pending, released);
    fits &= audit_sum_add(&debit->debits_pending, held);
    fits &= audit_sum_add(&credit->credits_pending, held);
    fits &= audit_sum_add(&debit->debits_posted, posted);
    fits &= audit_sum_add(&credit->credits_posted, posted);
    fits &= audit_account_fits(debit) && audit_account_fits(credit);
    debit->postings++;
    credit->postings++;
    if (!fits) {
        walk_differ(walk, AUDIT_L1, "a sum of account %s or %s would fall below 0 or pass 2^128-1",
                    number_of(debit->id).text, number_of(credit->id).text);
    }
    if (debit->ledger != credit->ledger) {
        walk_differ(walk, AUDIT_L1, "account %s is of ledger %u, account %s of ledger %u",
                    number_of(debit->id).text, debit->ledger, number_of(credit->id).text,
                    credit->ledger);
    }
}

// Of what took effect each is later than the one before, what was imported included.
static void time_note(struct audit_walk *walk, const struct audit_row *row, u64 *latest)
{
    if (row->timestamp <= *latest) {
        walk_differ(walk, AUDIT_OUTCOME, "the time of %s, %llu, is not later than %llu before",
                    number_of(row->id).text, (unsigned long long)row->timestamp,
                    (unsigned long long)*latest);
    }
    *latest = MAX(*latest, row->timestamp);
}

static void closed_check(struct audit_walk *walk, const struct audit_row *row,
                         const struct audit_account *debit, const struct audit_account *credit)
{
    if (((debit->flags | credit->flags) & AUDIT_ACCOUNT_CLOSED) == 0) return;
    walk_differ(walk, AUDIT_OUTCOME, "transfer %s is of account %s, which is closed",
                number_of(row->id).text,
                number_of(debit->flags & AUDIT_ACCOUNT_CLOSED ? debit->id : credit->id).text);
}

static void limit_check(struct audit_walk *walk, const struct audit_account *account)
{
    if (audit_account_within_limit(account)) return;
    walk_differ(walk, AUDIT_L2,
                "account %s of ledger %u breaks its limit: debits %s held and %s posted, credits "
                "%s held and %s posted",
                number_of(account->id).text, account->ledger,
                number_of(account->debits_pending).text, number_of(account->debits_posted).text,
                number_of(account->credits_pending).text, number_of(account->credits_posted).text);
}

// What a balancing transfer moves: the amount, or what is left on that side.
static u128 at_most(u128 amount, u128 have, u128 posted, u128 pending)
{
    const u128 used = posted + pending;
    const u128 left = have > used ? have - used : 0;
    return MIN(amount, left);
}

static u128 single_amount(const struct audit_transfer_record *event,
                          const struct audit_account *debit, const struct audit_account *credit)
{
    u128 amount = event->amount;
    if (event->flags & AUDIT_TRANSFER_BALANCING_DEBIT) {
        amount =
            at_most(amount, debit->credits_posted, debit->debits_posted, debit->debits_pending);
    }
    if (event->flags & AUDIT_TRANSFER_BALANCING_CREDIT) {
        amount =
            at_most(amount, credit->debits_posted, credit->credits_posted, credit->credits_pending);
    }
    return amount;
}

static void amount_check(struct audit_walk *walk, const struct audit_row *row, u128 amount)
{
    if (row->amount == amount) return;
    walk_differ(walk, AUDIT_OUTCOME, "transfer %s moves %s by its event, %s in history",
                number_of(row->id).text, number_of(amount).text, number_of(row->amount).text);
}

// --- holds ---------------------------------------------------------------------------------------

static void closing_apply(u16 flags, bool closes, struct audit_account *debit,
                          struct audit_account *credit)
{
    const u16 bits[2] = {AUDIT_TRANSFER_CLOSING_DEBIT, AUDIT_TRANSFER_CLOSING_CREDIT};
    struct audit_account *const accounts[2] = {debit, credit};
    for (u32 i = 0; i < 2; i++) {
        if ((flags & bits[i]) == 0) continue;
        accounts[i]->flags = (u16)(closes ? accounts[i]->flags | AUDIT_ACCOUNT_CLOSED
                                          : accounts[i]->flags & ~AUDIT_ACCOUNT_CLOSED);
    }
}

// The open hold that the row ends, copied; false, and told, when there is none. `id` is the hold's,
// or 0 where nothing but the row says which one it is.
static bool hold_take(struct audit_walk *walk, const struct audit_row *row, u128 id,
                      struct audit_hold *out)
{
    const u64 number = walk_row_number(walk);
    const struct audit_hold *hold = NULL;
    if (row->pending_distance == AUDIT_DISTANCE_FAR) {
        hold = audit_hold_far(&walk->books, number, row->debit_row, row->credit_row, id);
    } else if (row->pending_distance != 0 && row->pending_distance <= number) {
        hold = audit_hold_at(&walk->books, number - row->pending_distance);
    }
    if (hold == NULL) {
        walk_differ(walk, AUDIT_OUTCOME, "%s ends a hold that is not open",
                    number_of(row->id).text);
        return false;
    }
    *out = *hold;
    audit_hold_remove(&walk->books, hold->row - 1);
    if (out->debit_row != row->debit_row || out->credit_row != row->credit_row) {
        walk_differ(walk, AUDIT_OUTCOME, "%s names other accounts than the hold %s that it ends",
                    number_of(row->id).text, number_of(out->id).text);
    }
    return true;
}

// Ends a hold: posts an amount of it, or nothing, and gives the rest back.
static void hold_end(struct audit_walk *walk, const struct audit_hold *hold, u128 posted,
                     bool is_post)
{
    struct audit_account *debit = audit_account_at(&walk->books, hold->debit_row);
    struct audit_account *credit = audit_account_at(&walk->books, hold->credit_row);
    assert(debit != NULL && credit != NULL); // They were there when it was made.
    balances_move(walk, debit, credit, hold->amount, 0, posted);
    if (!is_post) closing_apply(hold->flags, false, debit, credit);
}

// --- rows ----------------------------------------------------------------------------------------

static void account_note(struct audit_walk *walk, const struct audit_row *row,
                         const struct audit_account *account)
{
    time_note(walk, row, &walk->account_time_max);
    walk->status = audit_ids_add(
        &walk->account_ids,
        walk_account_hash(walk, account->owner_class, account->ledger, account->id), walk->failure);
}

void apply_account(struct audit_walk *walk, const struct audit_row *row,
                   const struct audit_account_record *event)
{
    if (row->debit_row != walk->books.account_count) {
        walk_differ(walk, AUDIT_OUTCOME, "account %s has row %u, the next one is %llu",
                    number_of(row->id).text, row->debit_row,
                    (unsigned long long)walk->books.account_count);
        walk->is_lost = true;
        return;
    }
    const char *rule = audit_account_rule(event);
    if (rule != NULL) {
        walk_differ(walk, AUDIT_OUTCOME, "account %s took effect against a rule: %s",
                    number_of(row->id).text, rule);
    }
    struct audit_account *account = audit_account_add(&walk->books);
    account->id = event->id;
    account->user_data_128 = event->user_data_128;
    account->user_data_64 = event->user_data_64;
    account->user_data_32 = event->user_data_32;
    account->ledger = event->ledger;
    account->code = event->code;
    account->flags = event->flags;
    account->timestamp = row->timestamp;
    account_note(walk, row, account);
}

static void touched_add(struct audit_walk *walk, u32 account)
{
    struct audit_plan *plan = &walk->plan;
    if (plan->touched_count == plan->touched_capacity) {
        plan->touched_capacity = MAX(1024, 2 * plan->touched_capacity);
        plan->touched = realloc(plan->touched, plan->touched_capacity * sizeof *plan->touched);
        assert(plan->touched != NULL);
    }
    plan->touched[plan->touched_count++] = account;
}

// A module makes accounts by rules of its own: what is not in the row is taken from the checkpoint,
// so of it only the balances, the id, the code and the time are audited.
void apply_planned_account(struct audit_walk *walk, const struct audit_row *row)
{
    struct audit_account_record record;
    if (row->result != AUDIT_CREATED || walk->status != STATUS_OK) return;
    walk->status = audit_checkpoint_account(walk->checkpoint, walk->books.account_count, &record,
                                            walk->failure);
    if (walk->status != STATUS_OK) return;
    if (row->debit_row != walk->books.account_count) {
        walk_differ(walk, AUDIT_OUTCOME, "account %s has row %u, the next one is %llu",
                    number_of(row->id).text, row->debit_row,
                    (unsigned long long)walk->books.account_count);
        walk->is_lost = true;
        return;
    }
    struct audit_account *account = audit_account_add(&walk->books);
    account->id = row->id;
    account->user_data_128 = record.user_data_128;
    account->user_data_64 = record.user_data_64;
    account->user_data_32 = record.user_data_32;
    account->ledger = record.ledger;
    account->code = row->code;
    account->flags = row->flags;
    account->timestamp = row->timestamp;
    account->owner_class = record.owner_class & AUDIT_CLASS_MASK;
    walk->report->accounts_of_modules++;
    account_note(walk, row, account);
    touched_add(walk, row->debit_row);
}

static void hold_open(struct audit_walk *walk, const struct audit_row *row,
                      const struct audit_transfer_record *event, u128 amount, bool is_planned)
{
    const struct audit_hold hold = {
        .id = row->id,
        .amount = amount,
        .user_data_128 = event->user_data_128,
        .user_data_64 = event->user_data_64,
        .user_data_32 = event->user_data_32,
        .row = walk_row_number(walk) + 1,
        .timestamp = row->timestamp,
        .expires_at = event->timeout == 0 ? 0 : row->timestamp + event->timeout * NS_PER_S,
        .debit_row = row->debit_row,
        .credit_row = row->credit_row,
        .code = row->code,
        .flags = row->flags & AUDIT_POSTING_FLAGS,
        .is_planned = is_planned,
    };
    audit_hold_add(&walk->books, &hold);
}

static void apply_single(struct audit_walk *walk, const struct audit_row *row,
                         const struct audit_transfer_record *event, struct audit_account *debit,
                         struct audit_account *credit)
{
    if (debit->id != event->debit_account_id || credit->id != event->credit_account_id) {
        walk_differ(walk, AUDIT_OUTCOME,
                    "transfer %s is of accounts %s and %s by its event, of %s and %s in history",
                    number_of(row->id).text, number_of(event->debit_account_id).text,
                    number_of(event->credit_account_id).text, number_of(debit->id).text,
                    number_of(credit->id).text);
    }
    if (debit->ledger != event->ledger || row->code != event->code) {
        walk_differ(walk, AUDIT_OUTCOME, "transfer %s has another ledger or code than its event",
                    number_of(row->id).text);
    }
    closed_check(walk, row, debit, credit);
    const u64 room = AUDIT_TIMESTAMP_MAX - MIN(row->timestamp, AUDIT_TIMESTAMP_MAX);
    const bool is_before_accounts =
        row->timestamp <= debit->timestamp || row->timestamp <= credit->timestamp;
    if (is_before_accounts || event->timeout > room / NS_PER_S) {
        walk_differ(walk, AUDIT_OUTCOME,
                    "transfer %s is not later than its accounts, or expires behind all time",
                    number_of(row->id).text);
    }
    const u128 amount = single_amount(event, debit, credit);
    amount_check(walk, row, amount);
    const bool is_pending = (event->flags & AUDIT_TRANSFER_PENDING) != 0;
    balances_move(walk, debit, credit, 0, is_pending ? amount : 0, is_pending ? 0 : amount);
    if (!is_pending) return;
    hold_open(walk, row, event, amount, false);
    closing_apply(event->flags, true, debit, credit);
}

static void apply_resolution(struct audit_walk *walk, const struct audit_row *row,
                             const struct audit_transfer_record *event)
{
    struct audit_hold hold;
    if (!hold_take(walk, row, event->pending_id, &hold)) return;
    const bool is_post = (event->flags & AUDIT_TRANSFER_POST) != 0;
    if (hold.id != event->pending_id) {
        walk_differ(walk, AUDIT_OUTCOME, "transfer %s ends hold %s by its event, %s in history",
                    number_of(row->id).text, number_of(event->pending_id).text,
                    number_of(hold.id).text);
    }
    if (hold.expires_at != 0 && hold.expires_at <= row->timestamp && !hold.is_planned) {
        walk_differ(walk, AUDIT_OUTCOME, "transfer %s ends hold %s, which had expired",
                    number_of(row->id).text, number_of(hold.id).text);
    }
    const struct audit_account *debit = audit_account_at(&walk->books, hold.debit_row);
    const struct audit_account *credit = audit_account_at(&walk->books, hold.credit_row);
    if ((event->debit_account_id != 0 && event->debit_account_id != debit->id) ||
        (event->credit_account_id != 0 && event->credit_account_id != credit->id) ||
        (event->ledger != 0 && event->ledger != debit->ledger) ||
        (event->code != 0 && event->code != hold.code)) {
        walk_differ(walk, AUDIT_OUTCOME,
                    "transfer %s names other accounts, ledger or code than hold %s has",
                    number_of(row->id).text, number_of(hold.id).text);
    }
    if (is_post) closed_check(walk, row, debit, credit);
    const bool is_whole = event->amount == (is_post ? U128_MAX : 0);
    const u128 amount = is_whole ? hold.amount : event->amount;
    amount_check(walk, row, amount);
    if (amount > hold.amount || (!is_post && amount != hold.amount) || row->code != hold.code) {
        walk_differ(walk, AUDIT_OUTCOME, "transfer %s ends hold %s with another amount or code",
                    number_of(row->id).text, number_of(hold.id).text);
    }
    hold_end(walk, &hold, is_post ? MIN(amount, hold.amount) : 0, is_post);
}

void apply_transfer(struct audit_walk *walk, const struct audit_row *row,
                    const struct audit_transfer_record *event)
{
    struct audit_account *debit = NULL;
    struct audit_account *credit = NULL;
    walk->report->transfers++;
    time_note(walk, row, &walk->transfer_time_max);
    const char *rule = audit_transfer_rule(event);
    if (rule != NULL) {
        walk_differ(walk, AUDIT_OUTCOME, "transfer %s took effect against a rule: %s",
                    number_of(row->id).text, rule);
    }
    if (!accounts_of(walk, row, &debit, &credit)) return;
    if (debit->owner_class != 0 || credit->owner_class != 0) {
        walk_differ(walk, AUDIT_L11, "transfer %s of a plain client is of an account of a module",
                    number_of(row->id).text);
    }
    if (event->flags & (AUDIT_TRANSFER_POST | AUDIT_TRANSFER_VOID)) {
        apply_resolution(walk, row, event);
    } else {
        apply_single(walk, row, event, debit, credit);
    }
    limit_check(walk, debit);
    limit_check(walk, credit);
}

// It was due, at no earlier tick, and in its turn: by when it was due, then by when it was made.
static void expiry_check(struct audit_walk *walk, const struct audit_hold *hold)
{
    if (hold->expires_at == 0 || hold->expires_at > walk->header->timestamp) {
        walk_differ(walk, AUDIT_OUTCOME, "hold %s expired before its time",
                    number_of(hold->id).text);
        return;
    }
    if (hold->expires_at <= walk->expired_through) {
        walk_differ(walk, AUDIT_OUTCOME, "hold %s was due at %llu, before a tick at %llu",
                    number_of(hold->id).text, (unsigned long long)hold->expires_at,
                    (unsigned long long)walk->expired_through);
    }
    const bool is_in_turn =
        hold->expires_at > walk->expiry_due ||
        (hold->expires_at == walk->expiry_due && hold->timestamp > walk->expiry_time);
    if (!is_in_turn) {
        walk_differ(walk, AUDIT_OUTCOME, "hold %s expired out of its turn",
                    number_of(hold->id).text);
    }
    walk->expiry_due = hold->expires_at;
    walk->expiry_time = hold->timestamp;
}

void apply_expiry(struct audit_walk *walk, const struct audit_row *row)
{
    struct audit_hold hold;
    walk->report->expiries++;
    if (!hold_take(walk, row, row->id, &hold)) return;
    if (hold.id != row->id || hold.amount != row->amount) {
        walk_differ(walk, AUDIT_OUTCOME, "the expiry of %s is of a hold of another id or amount",
                    number_of(row->id).text);
    }
    if (!hold.is_planned) expiry_check(walk, &hold);
    hold_end(walk, &hold, 0, false);
}

void apply_posting(struct audit_walk *walk, const struct audit_row *row,
                   const struct audit_references *references)
{
    struct audit_account *debit = NULL;
    struct audit_account *credit = NULL;
    walk->report->postings++;
    time_note(walk, row, &walk->transfer_time_max);
    if (!accounts_of(walk, row, &debit, &credit)) return;
    if (debit->owner_class != credit->owner_class) {
        walk_differ(walk, AUDIT_L11, "posting %s is of accounts %s and %s, of classes %u and %u",
                    number_of(row->id).text, number_of(debit->id).text, number_of(credit->id).text,
                    debit->owner_class, credit->owner_class);
    }
    touched_add(walk, row->debit_row);
    touched_add(walk, row->credit_row);
    if (row->flags & (AUDIT_TRANSFER_POST | AUDIT_TRANSFER_VOID)) {
        struct audit_hold hold;
        if (!hold_take(walk, row, 0, &hold)) return;
        const bool is_post = (row->flags & AUDIT_TRANSFER_POST) != 0;
        if (row->amount > hold.amount || (!is_post && row->amount != hold.amount)) {
            walk_differ(walk, AUDIT_OUTCOME, "posting %s ends a hold with another amount",
                        number_of(row->id).text);
        }
        if (is_post) closed_check(walk, row, debit, credit);
        hold_end(walk, &hold, is_post ? MIN(row->amount, hold.amount) : 0, is_post);
        return;
    }
    closed_check(walk, row, debit, credit);
    const bool is_pending = (row->flags & AUDIT_TRANSFER_PENDING) != 0;
    balances_move(walk, debit, credit, 0, is_pending ? row->amount : 0,
                  is_pending ? 0 : row->amount);
    if (!is_pending) return;
    struct audit_transfer_record event = {0};
    if (references != NULL) {
        event.user_data_128 = references->order_id;
        event.user_data_64 = references->scenario;
        event.user_data_32 = references->purpose;
    }
    hold_open(walk, row, &event, row->amount, true);
    closing_apply(row->flags, true, debit, credit);
}

// The class of the accounts that a module makes and posts to (FORMAT.md, 3). False where the module
// alone does not tell: the records of effects post in the name of who planned them.
static bool class_of(u64 module, u16 *owner_class)
{
    switch (module) {
    case AUDIT_MODULE_BOOK:
    case AUDIT_MODULE_ENTRY:
    case AUDIT_MODULE_CONSTRAINT: *owner_class = AUDIT_MODULE_BOOK; return true;
    case AUDIT_MODULE_ENTITY:
    case AUDIT_MODULE_PRINCIPAL:
    case AUDIT_MODULE_NAME:
    case AUDIT_MODULE_ACCRUAL: *owner_class = (u16)module; return true;
    case AUDIT_MODULE_SAMPLE: *owner_class = 0; return true;
    default: return false;
    }
}

// L11: what a module makes and posts to is its own. One module may have plain clients' accounts, in
// logs made for tests alone.
static void owner_check(struct audit_walk *walk, const struct audit_account *account, u64 module)
{
    const bool is_made_for_tests = (walk->genesis.flags & AUDIT_GENESIS_TESTS) != 0;
    u16 owner_class = account->owner_class;
    const bool is_its = !class_of(module, &owner_class) || owner_class == account->owner_class;
    if (is_its && (account->owner_class != 0 || is_made_for_tests)) return;
    char who[32] = "a module";
    if (module != AUDIT_NONE) (void)snprintf(who, sizeof who, "module %u", (u32)module);
    walk_differ(walk, AUDIT_L11, "%s uses account %s of ledger %u, which is of class %u", who,
                number_of(account->id).text, account->ledger, account->owner_class);
}

void apply_plan_end(struct audit_walk *walk, u64 module)
{
    struct audit_plan *plan = &walk->plan;
    for (u64 i = 0; i < plan->touched_count; i++) {
        const struct audit_account *account = &walk->books.accounts[plan->touched[i]];
        limit_check(walk, account);
        owner_check(walk, account, module);
    }
    plan->touched_count = 0;
    plan->created = 0;
    plan->refused = 0;
}

// --- snapshots -----------------------------------------------------------------------------------

void apply_snapshot(struct audit_walk *walk, const struct audit_row *cause,
                    const struct audit_row *debits, const struct audit_row *credits)
{
    walk->report->snapshots++;
    struct audit_account *account = audit_account_at(&walk->books, debits->debit_row);
    if (account == NULL || credits->debit_row != debits->debit_row) {
        walk_differ(walk, AUDIT_OUTCOME, "a snapshot of two accounts, or of none");
        return;
    }
    const u128 by_log[4] = {account->debits_pending, account->debits_posted,
                            account->credits_pending, account->credits_posted};
    const u128 by_row[4] = {debits->id, debits->amount, credits->id, credits->amount};
    static const char *const names[4] = {"debits_pending", "debits_posted", "credits_pending",
                                         "credits_posted"};
    for (u32 i = 0; i < 4; i++) {
        if (by_log[i] == by_row[i]) continue;
        walk_differ(walk, AUDIT_OUTCOME,
                    "account %s of ledger %u: %s is %s by the log, %s in this snapshot",
                    number_of(account->id).text, account->ledger, names[i],
                    number_of(by_log[i]).text, number_of(by_row[i]).text);
    }
    if (debits->timestamp != cause->timestamp || credits->timestamp != cause->timestamp ||
        debits->flags != account->flags || credits->flags != account->flags) {
        walk_differ(walk, AUDIT_OUTCOME,
                    "account %s has other flags than its snapshot, or its time",
                    number_of(account->id).text);
    }
    if (account->postings != AUDIT_SNAPSHOT_POSTINGS) {
        walk_differ(walk, AUDIT_OUTCOME, "account %s has a snapshot behind %u postings, not %u",
                    number_of(account->id).text, account->postings, AUDIT_SNAPSHOT_POSTINGS);
    }
    account->postings = 0;
}

void apply_snapshots_end(struct audit_walk *walk, const struct audit_row *row)
{
    const u32 rows[2] = {row->debit_row, row->credit_row};
    for (u32 i = 0; i < 2; i++) {
        struct audit_account *account = audit_account_at(&walk->books, rows[i]);
        if (account == NULL || account->postings < AUDIT_SNAPSHOT_POSTINGS) continue;
        walk_differ(walk, AUDIT_OUTCOME, "account %s has no snapshot behind %u postings",
                    number_of(account->id).text, account->postings);
        account->postings = 0; // Told once.
    }
}
