// SPDX-License-Identifier: Apache-2.0
//
// The model: rules in the order of ledger.def, each one line, over arrays.
//
// Accounts and transfers are appended only, so both arrays are in order of time: an imported
// event must lie after the last of its kind. Expiries happen in order too, but an imported transfer
// may lie before one; the array of change events is in order of occurrence and sorted when asked.
#include "ledger/ledger_model_internal.h"

#include <stdlib.h>

// --- Accounts ---------------------------------------------------------------------------------

static u32 create_account_exists(const struct account *a, const struct account *e)
{
    if (a->flags != e->flags) return CREATE_ACCOUNT_EXISTS_WITH_DIFFERENT_FLAGS;
    if (a->user_data_128 != e->user_data_128) {
        return CREATE_ACCOUNT_EXISTS_WITH_DIFFERENT_USER_DATA_128;
    }
    if (a->user_data_64 != e->user_data_64) {
        return CREATE_ACCOUNT_EXISTS_WITH_DIFFERENT_USER_DATA_64;
    }
    if (a->user_data_32 != e->user_data_32) {
        return CREATE_ACCOUNT_EXISTS_WITH_DIFFERENT_USER_DATA_32;
    }
    if (a->ledger != e->ledger) return CREATE_ACCOUNT_EXISTS_WITH_DIFFERENT_LEDGER;
    if (a->code != e->code) return CREATE_ACCOUNT_EXISTS_WITH_DIFFERENT_CODE;
    return CREATE_ACCOUNT_EXISTS;
}

static u32 create_account(struct ledger_model *model, const struct account *a)
{
    const u16 limits =
        ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS | ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;

    if (a->reserved != 0) return CREATE_ACCOUNT_RESERVED_FIELD;
    if (a->flags >= 2 * ACCOUNT_CLOSED) return CREATE_ACCOUNT_RESERVED_FLAG;
    if (a->id == 0) return CREATE_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (a->id == U128_MAX) return CREATE_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;

    const struct account *existing = find_account(model, a->id);
    if (existing != NULL) return create_account_exists(a, existing);

    if ((a->flags & limits) == limits) return CREATE_ACCOUNT_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    if (a->debits_pending != 0) return CREATE_ACCOUNT_DEBITS_PENDING_MUST_BE_ZERO;
    if (a->debits_posted != 0) return CREATE_ACCOUNT_DEBITS_POSTED_MUST_BE_ZERO;
    if (a->credits_pending != 0) return CREATE_ACCOUNT_CREDITS_PENDING_MUST_BE_ZERO;
    if (a->credits_posted != 0) return CREATE_ACCOUNT_CREDITS_POSTED_MUST_BE_ZERO;
    if (a->ledger == 0) return CREATE_ACCOUNT_LEDGER_MUST_NOT_BE_ZERO;
    if (a->code == 0) return CREATE_ACCOUNT_CODE_MUST_NOT_BE_ZERO;
    if (a->flags & ACCOUNT_IMPORTED) {
        if (a->timestamp <= ledger_model_last_account_timestamp(model) ||
            ledger_model_transfer_has_timestamp(model, a->timestamp)) {
            return CREATE_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
        }
    }
    assert(a->timestamp > ledger_model_last_account_timestamp(model));
    ledger_model_list_append(&model->accounts, a);
    return (u32)CREATE_ACCOUNT_CREATED;
}

// --- Transfers --------------------------------------------------------------------------------

// Remembers what happened, with both accounts as they are now.
static void record_change(struct ledger_model *model, u64 timestamp, enum change_type type,
                          const struct transfer *t)
{
    const struct account *debit = find_account(model, t->debit_account_id);
    const struct account *credit = find_account(model, t->credit_account_id);
    const struct change_event event = {
        .transfer_id = t->id,
        .transfer_amount = t->amount,
        .transfer_pending_id = t->pending_id,
        .transfer_user_data_128 = t->user_data_128,
        .transfer_user_data_64 = t->user_data_64,
        .transfer_user_data_32 = t->user_data_32,
        .transfer_timeout = t->timeout,
        .transfer_code = t->code,
        .transfer_flags = t->flags,
        .ledger = t->ledger,
        .type = (u8)type,
        .debit_account_id = debit->id,
        .debit_account_debits_pending = debit->debits_pending,
        .debit_account_debits_posted = debit->debits_posted,
        .debit_account_credits_pending = debit->credits_pending,
        .debit_account_credits_posted = debit->credits_posted,
        .debit_account_user_data_128 = debit->user_data_128,
        .debit_account_user_data_64 = debit->user_data_64,
        .debit_account_user_data_32 = debit->user_data_32,
        .debit_account_code = debit->code,
        .debit_account_flags = debit->flags,
        .credit_account_id = credit->id,
        .credit_account_debits_pending = credit->debits_pending,
        .credit_account_debits_posted = credit->debits_posted,
        .credit_account_credits_pending = credit->credits_pending,
        .credit_account_credits_posted = credit->credits_posted,
        .credit_account_user_data_128 = credit->user_data_128,
        .credit_account_user_data_64 = credit->user_data_64,
        .credit_account_user_data_32 = credit->user_data_32,
        .credit_account_code = credit->code,
        .credit_account_flags = credit->flags,
        .timestamp = timestamp,
        .transfer_timestamp = t->timestamp,
        .debit_account_timestamp = debit->timestamp,
        .credit_account_timestamp = credit->timestamp,
    };
    ledger_model_list_append(&model->changes, &event);
}

static u64 expires_at(const struct transfer *pending)
{
    assert(pending->timeout != 0);
    return pending->timestamp + pending->timeout * NS_PER_S;
}

// `p` is the pending transfer that a post or a void names, else NULL. A post or a void leaves
// fields out to take those of the pending transfer.
static u32 create_transfer_exists(const struct transfer *t, const struct transfer *e,
                                  const struct transfer *p)
{
    struct transfer asked = *t; // As it would have been kept.
    if (p != NULL) {
        if (asked.debit_account_id == 0) asked.debit_account_id = p->debit_account_id;
        if (asked.credit_account_id == 0) asked.credit_account_id = p->credit_account_id;
        if (asked.user_data_128 == 0) asked.user_data_128 = p->user_data_128;
        if (asked.user_data_64 == 0) asked.user_data_64 = p->user_data_64;
        if (asked.user_data_32 == 0) asked.user_data_32 = p->user_data_32;
        if (asked.ledger == 0) asked.ledger = p->ledger;
        if (asked.code == 0) asked.code = p->code;
        const u128 whole = t->flags & TRANSFER_VOID_PENDING ? 0 : U128_MAX;
        if (asked.amount == whole) asked.amount = p->amount;
    }
    // What a balancing transfer moved is within what was asked for.
    const bool balancing = t->flags & (TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT);
    if (balancing && asked.amount > e->amount) asked.amount = e->amount;

    if (asked.debit_account_id != e->debit_account_id) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID;
    }
    if (asked.credit_account_id != e->credit_account_id) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID;
    }
    if (asked.amount != e->amount) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT;
    if (asked.user_data_128 != e->user_data_128) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_128;
    }
    if (asked.user_data_64 != e->user_data_64) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_64;
    }
    if (asked.user_data_32 != e->user_data_32) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_32;
    }
    if (asked.ledger != e->ledger) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER;
    if (asked.code != e->code) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_CODE;
    return CREATE_TRANSFER_EXISTS;
}

static u128 subtract_to_zero(u128 a, u128 b)
{
    return a > b ? a - b : 0;
}

// The rules on what would overflow or exceed, in this order; CREATED if nothing does.
static u32 check_amount(const struct transfer *t, const struct account *debit,
                        const struct account *credit, u128 amount)
{
    if (t->flags & TRANSFER_PENDING) {
        if (sum_overflows(amount, debit->debits_pending)) {
            return CREATE_TRANSFER_OVERFLOWS_DEBITS_PENDING;
        }
        if (sum_overflows(amount, credit->credits_pending)) {
            return CREATE_TRANSFER_OVERFLOWS_CREDITS_PENDING;
        }
    }
    if (sum_overflows(amount, debit->debits_posted)) return CREATE_TRANSFER_OVERFLOWS_DEBITS_POSTED;
    if (sum_overflows(amount, credit->credits_posted)) {
        return CREATE_TRANSFER_OVERFLOWS_CREDITS_POSTED;
    }
    if (sum_overflows(amount, debit->debits_pending + debit->debits_posted)) {
        return CREATE_TRANSFER_OVERFLOWS_DEBITS;
    }
    if (sum_overflows(amount, credit->credits_pending + credit->credits_posted)) {
        return CREATE_TRANSFER_OVERFLOWS_CREDITS;
    }
    if (t->timestamp + t->timeout * NS_PER_S > LEDGER_TIMESTAMP_MAX) {
        return CREATE_TRANSFER_OVERFLOWS_TIMEOUT;
    }
    if (exceeds_credits(debit, amount)) return CREATE_TRANSFER_EXCEEDS_CREDITS;
    if (exceeds_debits(credit, amount)) return CREATE_TRANSFER_EXCEEDS_DEBITS;
    return (u32)CREATE_TRANSFER_CREATED;
}

static bool imported_transfer_regresses(const struct ledger_model *model, const struct transfer *t)
{
    return t->timestamp <= ledger_model_last_transfer_timestamp(model) ||
           ledger_model_account_has_timestamp(model, t->timestamp);
}

static u32 post_or_void(struct ledger_model *model, const struct transfer *t)
{
    const bool post = t->flags & TRANSFER_POST_PENDING;
    const bool is_void = t->flags & TRANSFER_VOID_PENDING;
    const u16 excluded = TRANSFER_PENDING | TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT |
                         TRANSFER_CLOSING_DEBIT | TRANSFER_CLOSING_CREDIT;

    if (post && is_void) return CREATE_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    if (t->flags & excluded) return CREATE_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    if (t->pending_id == 0) return CREATE_TRANSFER_PENDING_ID_MUST_NOT_BE_ZERO;
    if (t->pending_id == U128_MAX) return CREATE_TRANSFER_PENDING_ID_MUST_NOT_BE_INT_MAX;
    if (t->pending_id == t->id) return CREATE_TRANSFER_PENDING_ID_MUST_BE_DIFFERENT;
    if (t->timeout != 0) return CREATE_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER;

    struct kept_transfer *kept = find_transfer(model, t->pending_id);
    if (kept == NULL) return CREATE_TRANSFER_PENDING_TRANSFER_NOT_FOUND;
    if (kept->state == STATE_NONE) return CREATE_TRANSFER_PENDING_TRANSFER_NOT_PENDING;
    const struct transfer *p = &kept->transfer;

    if (t->debit_account_id != 0 && t->debit_account_id != p->debit_account_id) {
        return CREATE_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID;
    }
    if (t->credit_account_id != 0 && t->credit_account_id != p->credit_account_id) {
        return CREATE_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID;
    }
    if (t->ledger != 0 && t->ledger != p->ledger) {
        return CREATE_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_LEDGER;
    }
    if (t->code != 0 && t->code != p->code) {
        return CREATE_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CODE;
    }

    u128 amount = t->amount;
    if (post && amount == U128_MAX) amount = p->amount;
    if (is_void && amount == 0) amount = p->amount;
    if (amount > p->amount) return CREATE_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT;
    if (is_void && amount < p->amount) return CREATE_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT;

    if (kept->state == STATE_POSTED) return CREATE_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED;
    if (kept->state == STATE_VOIDED) return CREATE_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED;
    if (kept->state == STATE_EXPIRED) return CREATE_TRANSFER_PENDING_TRANSFER_EXPIRED;
    if (p->timeout != 0 && expires_at(p) <= t->timestamp) {
        return CREATE_TRANSFER_PENDING_TRANSFER_EXPIRED;
    }

    if ((t->flags & TRANSFER_IMPORTED) && imported_transfer_regresses(model, t)) {
        return CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
    }

    struct account *debit = find_account(model, p->debit_account_id);
    struct account *credit = find_account(model, p->credit_account_id);
    if (post && (debit->flags & ACCOUNT_CLOSED)) {
        return CREATE_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED;
    }
    if (post && (credit->flags & ACCOUNT_CLOSED)) {
        return CREATE_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED;
    }

    debit->debits_pending -= p->amount;
    credit->credits_pending -= p->amount;
    if (post) {
        kept->state = STATE_POSTED;
        debit->debits_posted += amount;
        credit->credits_posted += amount;
    } else {
        kept->state = STATE_VOIDED;
        if (p->flags & TRANSFER_CLOSING_DEBIT) debit->flags &= (u16)~ACCOUNT_CLOSED;
        if (p->flags & TRANSFER_CLOSING_CREDIT) credit->flags &= (u16)~ACCOUNT_CLOSED;
    }

    const struct kept_transfer created = {
        .transfer =
            {
                .id = t->id,
                .debit_account_id = p->debit_account_id,
                .credit_account_id = p->credit_account_id,
                .amount = amount,
                .pending_id = p->id,
                .user_data_128 = t->user_data_128 != 0 ? t->user_data_128 : p->user_data_128,
                .user_data_64 = t->user_data_64 != 0 ? t->user_data_64 : p->user_data_64,
                .user_data_32 = t->user_data_32 != 0 ? t->user_data_32 : p->user_data_32,
                .timeout = 0,
                .ledger = p->ledger,
                .code = p->code,
                .flags = t->flags,
                .timestamp = t->timestamp,
            },
        .state = STATE_NONE,
        .change = model->changes.count,
    };
    ledger_model_list_append(&model->transfers,
                             &created); // `kept` and `p` may be elsewhere from here on.
    record_change(model, t->timestamp, post ? CHANGE_POSTED : CHANGE_VOIDED, &created.transfer);
    return (u32)CREATE_TRANSFER_CREATED;
}

static u32 create_transfer(struct ledger_model *model, const struct transfer *t)
{
    const bool pending = t->flags & TRANSFER_PENDING;

    if (t->flags >= 2 * TRANSFER_IMPORTED) return CREATE_TRANSFER_RESERVED_FLAG;
    if (t->id == 0) return CREATE_TRANSFER_ID_MUST_NOT_BE_ZERO;
    if (t->id == U128_MAX) return CREATE_TRANSFER_ID_MUST_NOT_BE_INT_MAX;

    const struct kept_transfer *existing = find_transfer(model, t->id);
    if (existing != NULL) {
        const struct transfer *e = &existing->transfer;
        if (t->flags != e->flags) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS;
        if (t->pending_id != e->pending_id) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_PENDING_ID;
        if (t->timeout != e->timeout) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT;
        const struct kept_transfer *p = e->pending_id ? find_transfer(model, e->pending_id) : NULL;
        return create_transfer_exists(t, e, p ? &p->transfer : NULL);
    }
    if (ledger_model_list_find(&model->burned, t->id) != NULL)
        return CREATE_TRANSFER_ID_ALREADY_FAILED;

    if (t->flags & (TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING)) return post_or_void(model, t);

    if (t->debit_account_id == 0) return CREATE_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (t->debit_account_id == U128_MAX) {
        return CREATE_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    }
    if (t->credit_account_id == 0) return CREATE_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (t->credit_account_id == U128_MAX) {
        return CREATE_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    }
    if (t->debit_account_id == t->credit_account_id) {
        return CREATE_TRANSFER_ACCOUNTS_MUST_BE_DIFFERENT;
    }
    if (t->pending_id != 0) return CREATE_TRANSFER_PENDING_ID_MUST_BE_ZERO;
    if (!pending && t->timeout != 0) return CREATE_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER;
    if (!pending && (t->flags & (TRANSFER_CLOSING_DEBIT | TRANSFER_CLOSING_CREDIT))) {
        return CREATE_TRANSFER_CLOSING_TRANSFER_MUST_BE_PENDING;
    }
    if (t->ledger == 0) return CREATE_TRANSFER_LEDGER_MUST_NOT_BE_ZERO;
    if (t->code == 0) return CREATE_TRANSFER_CODE_MUST_NOT_BE_ZERO;

    struct account *debit = find_account(model, t->debit_account_id);
    struct account *credit = find_account(model, t->credit_account_id);
    if (debit == NULL) return CREATE_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND;
    if (credit == NULL) return CREATE_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND;
    if (debit->ledger != credit->ledger) return CREATE_TRANSFER_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER;
    if (t->ledger != debit->ledger) {
        return CREATE_TRANSFER_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS;
    }

    if (t->flags & TRANSFER_IMPORTED) {
        if (imported_transfer_regresses(model, t)) {
            return CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
        }
        if (t->timestamp <= debit->timestamp) {
            return CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT;
        }
        if (t->timestamp <= credit->timestamp) {
            return CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT;
        }
        if (t->timeout != 0) return CREATE_TRANSFER_IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO;
    }
    if (debit->flags & ACCOUNT_CLOSED) return CREATE_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED;
    if (credit->flags & ACCOUNT_CLOSED) return CREATE_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED;

    u128 amount = t->amount;
    if (t->flags & TRANSFER_BALANCING_DEBIT) {
        const u128 debits = debit->debits_pending + debit->debits_posted;
        amount = MIN(amount, subtract_to_zero(debit->credits_posted, debits));
    }
    if (t->flags & TRANSFER_BALANCING_CREDIT) {
        const u128 credits = credit->credits_pending + credit->credits_posted;
        amount = MIN(amount, subtract_to_zero(credit->debits_posted, credits));
    }
    const u32 result = check_amount(t, debit, credit, amount);
    if (result != (u32)CREATE_TRANSFER_CREATED) return result;

    if (pending) {
        debit->debits_pending += amount;
        credit->credits_pending += amount;
    } else {
        debit->debits_posted += amount;
        credit->credits_posted += amount;
    }
    if (t->flags & TRANSFER_CLOSING_DEBIT) debit->flags |= ACCOUNT_CLOSED;
    if (t->flags & TRANSFER_CLOSING_CREDIT) credit->flags |= ACCOUNT_CLOSED;

    struct kept_transfer created = {
        .transfer = *t,
        .state = pending ? STATE_PENDING : STATE_NONE,
        .change = model->changes.count,
    };
    created.transfer.amount = amount;
    ledger_model_list_append(&model->transfers, &created);
    record_change(model, t->timestamp, pending ? CHANGE_PENDING : CHANGE_SINGLE_PHASE,
                  &created.transfer);
    return (u32)CREATE_TRANSFER_CREATED;
}

// --- Batches ----------------------------------------------------------------------------------

// What the two kinds of batches have in common, and the numbers in which they differ.
struct batch {
    bool transfers;
    const void *events;
    u32 count;
    u64 timestamp;
    u16 imported_flag;
    u32 imported_expected;
    u32 imported_not_expected;
    u32 imported_out_of_range;
    u32 imported_must_not_advance;
};

static_assert((int)ACCOUNT_LINKED == (int)TRANSFER_LINKED, "one flag for both");
static_assert((int)CREATE_ACCOUNT_LINKED_EVENT_FAILED == (int)CREATE_TRANSFER_LINKED_EVENT_FAILED &&
                  (int)CREATE_ACCOUNT_LINKED_EVENT_CHAIN_OPEN ==
                      (int)CREATE_TRANSFER_LINKED_EVENT_CHAIN_OPEN &&
                  (int)CREATE_ACCOUNT_TIMESTAMP_MUST_BE_ZERO ==
                      (int)CREATE_TRANSFER_TIMESTAMP_MUST_BE_ZERO &&
                  (int)CREATE_ACCOUNT_CREATED == (int)CREATE_TRANSFER_CREATED,
              "one number for both");

static u16 event_flags(const struct batch *batch, u32 i)
{
    if (batch->transfers) return ((const struct transfer *)batch->events)[i].flags;
    return ((const struct account *)batch->events)[i].flags;
}

static u64 event_timestamp(const struct batch *batch, u32 i)
{
    if (batch->transfers) return ((const struct transfer *)batch->events)[i].timestamp;
    return ((const struct account *)batch->events)[i].timestamp;
}

static u64 own_timestamp(const struct batch *batch, u32 i)
{
    return batch->timestamp - batch->count + i + 1;
}

// One event that is not already lost with its chain.
static struct create_result create_event(struct ledger_model *model, const struct batch *batch,
                                         u32 i)
{
    struct create_result result = {.timestamp = own_timestamp(batch, i)};
    const bool imported = event_flags(batch, i) & batch->imported_flag;
    const bool imported_batch = event_flags(batch, 0) & batch->imported_flag;
    u64 timestamp = event_timestamp(batch, i);

    if (imported && !imported_batch) {
        result.status = batch->imported_not_expected;
    } else if (!imported && imported_batch) {
        result.status = batch->imported_expected;
    } else if (!imported && timestamp != 0) {
        result.status = CREATE_ACCOUNT_TIMESTAMP_MUST_BE_ZERO;
    } else if (imported && (timestamp < LEDGER_TIMESTAMP_MIN || timestamp > LEDGER_TIMESTAMP_MAX)) {
        result.status = batch->imported_out_of_range;
    } else if (imported && timestamp >= batch->timestamp) {
        result.status = batch->imported_must_not_advance;
    } else {
        if (!imported) timestamp = result.timestamp;
        u64 existing = 0;
        bool exists;
        if (batch->transfers) {
            struct transfer event = ((const struct transfer *)batch->events)[i];
            event.timestamp = timestamp;
            result.status = create_transfer(model, &event);
            exists = result.status == CREATE_TRANSFER_EXISTS;
            if (exists) existing = find_transfer(model, event.id)->transfer.timestamp;
        } else {
            struct account event = ((const struct account *)batch->events)[i];
            event.timestamp = timestamp;
            result.status = create_account(model, &event);
            exists = result.status == CREATE_ACCOUNT_EXISTS;
            if (exists) existing = find_account(model, event.id)->timestamp;
        }
        if (exists) result.timestamp = existing;
        if (result.status == (u32)CREATE_ACCOUNT_CREATED) result.timestamp = timestamp;
    }
    return result;
}

// A transfer refused for a reason that may pass cannot be tried again under its id: otherwise a
// late retry could succeed after its client has given up.
static void burn_id(struct ledger_model *model, const struct batch *batch, u32 i, u32 status)
{
    if (!batch->transfers) return;
    switch (status) {
    case CREATE_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND:
    case CREATE_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND:
    case CREATE_TRANSFER_PENDING_TRANSFER_NOT_FOUND:
    case CREATE_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED:
    case CREATE_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED:
    case CREATE_TRANSFER_EXCEEDS_CREDITS:
    case CREATE_TRANSFER_EXCEEDS_DEBITS:
        ledger_model_list_append(&model->burned, &((const struct transfer *)batch->events)[i].id);
        break;
    default: break;
    }
}

static void create_batch(struct ledger_model *model, const struct batch *batch,
                         struct create_result *results)
{
    const u32 created = (u32)CREATE_ACCOUNT_CREATED;
    bool in_chain = false;
    bool chain_broken = false;
    u32 chain_start = 0;
    assert(batch->timestamp >= batch->count);

    for (u32 i = 0; i < batch->count; i++) {
        const bool linked = event_flags(batch, i) & ACCOUNT_LINKED;
        const bool last = i == batch->count - 1;
        if (linked && !in_chain) {
            in_chain = true;
            chain_broken = false;
            chain_start = i;
            ledger_model_chain_open(model);
        }

        // An open chain is told before a failed one.
        struct create_result result = {.timestamp = own_timestamp(batch, i)};
        if (linked && last) {
            result.status = CREATE_ACCOUNT_LINKED_EVENT_CHAIN_OPEN;
        } else if (in_chain && chain_broken) {
            result.status = CREATE_ACCOUNT_LINKED_EVENT_FAILED;
        } else {
            result = create_event(model, batch, i);
        }
        results[i] = result;

        if (result.status != created) {
            if (in_chain && !chain_broken) {
                chain_broken = true;
                ledger_model_chain_discard(model);
                for (u32 j = chain_start; j < i; j++) {
                    results[j] = (struct create_result){
                        .timestamp = own_timestamp(batch, j),
                        .status = CREATE_ACCOUNT_LINKED_EVENT_FAILED,
                    };
                }
            }
            burn_id(model, batch, i, result.status);
        }
        if (in_chain && (!linked || last)) {
            if (!chain_broken) ledger_model_chain_persist(model);
            in_chain = false;
        }
    }
    assert(model->chain_accounts == NULL);
}

void ledger_model_create_accounts(struct ledger_model *model, u64 timestamp,
                                  const struct account *events, u32 count,
                                  struct create_result *results)
{
    const struct batch batch = {
        .transfers = false,
        .events = events,
        .count = count,
        .timestamp = timestamp,
        .imported_flag = ACCOUNT_IMPORTED,
        .imported_expected = CREATE_ACCOUNT_IMPORTED_EVENT_EXPECTED,
        .imported_not_expected = CREATE_ACCOUNT_IMPORTED_EVENT_NOT_EXPECTED,
        .imported_out_of_range = CREATE_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE,
        .imported_must_not_advance = CREATE_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE,
    };
    create_batch(model, &batch, results);
}

void ledger_model_create_transfers(struct ledger_model *model, u64 timestamp,
                                   const struct transfer *events, u32 count,
                                   struct create_result *results)
{
    const struct batch batch = {
        .transfers = true,
        .events = events,
        .count = count,
        .timestamp = timestamp,
        .imported_flag = TRANSFER_IMPORTED,
        .imported_expected = CREATE_TRANSFER_IMPORTED_EVENT_EXPECTED,
        .imported_not_expected = CREATE_TRANSFER_IMPORTED_EVENT_NOT_EXPECTED,
        .imported_out_of_range = CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE,
        .imported_must_not_advance = CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE,
    };
    create_batch(model, &batch, results);
}

// --- Expiry -----------------------------------------------------------------------------------

static int compare_expiry(const void *left, const void *right)
{
    const struct transfer *a = &(*(struct kept_transfer *const *)left)->transfer;
    const struct transfer *b = &(*(struct kept_transfer *const *)right)->transfer;
    const int order = compare_u64(expires_at(a), expires_at(b));
    return order != 0 ? order : compare_u64(a->timestamp, b->timestamp);
}

u32 ledger_model_expire(struct ledger_model *model, u64 now, u32 limit)
{
    struct kept_transfer **due =
        ledger_model_realloc(NULL, (model->transfers.count + 1) * sizeof *due);
    u32 due_count = 0;
    for (u32 i = 0; i < model->transfers.count; i++) {
        struct kept_transfer *kept = transfer_at(model, i);
        if (kept->state != STATE_PENDING || kept->transfer.timeout == 0) continue;
        if (expires_at(&kept->transfer) <= now) due[due_count++] = kept;
    }
    qsort(due, due_count, sizeof due[0], compare_expiry);
    const u32 count = MIN(due_count, limit);
    for (u32 i = 0; i < count; i++) {
        const struct transfer *p = &due[i]->transfer;
        struct account *debit = find_account(model, p->debit_account_id);
        struct account *credit = find_account(model, p->credit_account_id);
        due[i]->state = STATE_EXPIRED;
        debit->debits_pending -= p->amount;
        credit->credits_pending -= p->amount;
        if (p->flags & TRANSFER_CLOSING_DEBIT) debit->flags &= (u16)~ACCOUNT_CLOSED;
        if (p->flags & TRANSFER_CLOSING_CREDIT) credit->flags &= (u16)~ACCOUNT_CLOSED;
        record_change(model, now + 1 + i, CHANGE_EXPIRED, p);
    }
    free(due);
    return count;
}
