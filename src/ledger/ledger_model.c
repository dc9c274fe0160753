// SPDX-License-Identifier: Apache-2.0
//
// The model: rules in the order of ledger.def, each one line, over arrays.
//
// Accounts and transfers are appended only, so both arrays are in order of time: an imported
// event must lie after the last of its kind. Expiries happen in order too, but an imported transfer
// may lie before one; the array of change events is in order of occurrence and sorted when asked.
#include "ledger/ledger_model.h"

#include <stdlib.h>

enum pending_state {
    STATE_NONE, // Not a pending transfer.
    STATE_PENDING,
    STATE_POSTED,
    STATE_VOIDED,
    STATE_EXPIRED,
};

// The numbers are those of change_event.type.
enum change_type {
    CHANGE_SINGLE_PHASE = 0,
    CHANGE_PENDING = 1,
    CHANGE_POSTED = 2,
    CHANGE_VOIDED = 3,
    CHANGE_EXPIRED = 4,
};

// One transfer as it is kept.
struct kept_transfer {
    struct transfer transfer; // First: its first field is the id.
    enum pending_state state;
    u32 change; // Position of the change event of its creation.
};

// An array that grows, of items whose first field is a u128 id, with a hash from id to position.
// The hash is open addressing and never forgets: a slot may name a position that was cut off or
// given to another id since, so a hit counts only if the item there has the id that is looked for.
struct list {
    size_t item_size;
    u8 *items;
    u32 count;
    u32 capacity;
    u32 *slots; // 0 is empty, else position + 1.
    u32 slots_used;
    u32 slots_capacity; // A power of two.
};

struct ledger_model {
    struct list accounts;  // struct account
    struct list transfers; // struct kept_transfer
    struct list burned;    // u128, ids of transfers that failed for a transient reason
    struct list changes;   // struct change_event
    // What an open chain goes back to.
    struct account *chain_accounts;
    u32 chain_accounts_count;
    u32 chain_transfers_count;
    u32 chain_changes_count;
};

// --- Lists ------------------------------------------------------------------------------------

static void *must_realloc(void *old, size_t size)
{
    void *memory = realloc(old, size);
    if (memory == NULL) abort();
    return memory;
}

static void *list_at(const struct list *list, u32 position)
{
    assert(position < list->count);
    return list->items + (size_t)position * list->item_size;
}

static u32 list_slot(const struct list *list, u128 id, u32 probe)
{
    const u64 mixed = ((u64)id ^ (u64)(id >> 64)) * 0x9e3779b97f4a7c15ull;
    return ((u32)(mixed >> 32) + probe) & (list->slots_capacity - 1);
}

static void list_index(struct list *list, u128 id, u32 position)
{
    for (u32 probe = 0; probe < list->slots_capacity; probe++) {
        u32 *slot = &list->slots[list_slot(list, id, probe)];
        if (*slot != 0) continue;
        *slot = position + 1;
        list->slots_used++;
        return;
    }
    assert(false);
}

static void list_reindex(struct list *list)
{
    list->slots_capacity = 64;
    while (list->slots_capacity < 4 * (list->count + 1)) list->slots_capacity *= 2;
    free(list->slots);
    list->slots = calloc(list->slots_capacity, sizeof *list->slots);
    if (list->slots == NULL) abort();
    list->slots_used = 0;
    for (u32 i = 0; i < list->count; i++) list_index(list, load_u128(list_at(list, i)), i);
}

static void *list_append(struct list *list, const void *item)
{
    if (list->count == list->capacity) {
        list->capacity = MAX(16u, list->capacity * 2);
        list->items = must_realloc(list->items, (size_t)list->capacity * list->item_size);
    }
    if (list->slots == NULL || list->slots_used * 2 >= list->slots_capacity) list_reindex(list);
    list->count++;
    memcpy(list_at(list, list->count - 1), item, list->item_size);
    list_index(list, load_u128(item), list->count - 1);
    return list_at(list, list->count - 1);
}

static void *list_find(const struct list *list, u128 id)
{
    for (u32 probe = 0; probe < list->slots_capacity; probe++) {
        const u32 slot = list->slots[list_slot(list, id, probe)];
        if (slot == 0) return NULL;
        if (slot > list->count) continue;
        void *item = list_at(list, slot - 1);
        if (load_u128(item) == id) return item;
    }
    return NULL;
}

static void list_cut(struct list *list, u32 count)
{
    assert(count <= list->count);
    list->count = count;
}

static void list_free(struct list *list)
{
    free(list->items);
    free(list->slots);
    *list = (struct list){.item_size = list->item_size};
}

static struct account *account_at(const struct ledger_model *model, u32 position)
{
    return list_at(&model->accounts, position);
}

static struct kept_transfer *transfer_at(const struct ledger_model *model, u32 position)
{
    return list_at(&model->transfers, position);
}

static struct account *find_account(const struct ledger_model *model, u128 id)
{
    return list_find(&model->accounts, id);
}

static struct kept_transfer *find_transfer(const struct ledger_model *model, u128 id)
{
    return list_find(&model->transfers, id);
}

// Whether an account, or a transfer, has exactly that timestamp.
static bool account_has_timestamp(const struct ledger_model *model, u64 timestamp)
{
    for (u32 i = 0; i < model->accounts.count; i++) {
        if (account_at(model, i)->timestamp == timestamp) return true;
    }
    return false;
}

static bool transfer_has_timestamp(const struct ledger_model *model, u64 timestamp)
{
    for (u32 i = 0; i < model->transfers.count; i++) {
        if (transfer_at(model, i)->transfer.timestamp == timestamp) return true;
    }
    return false;
}

static u64 last_account_timestamp(const struct ledger_model *model)
{
    if (model->accounts.count == 0) return 0;
    return account_at(model, model->accounts.count - 1)->timestamp;
}

static u64 last_transfer_timestamp(const struct ledger_model *model)
{
    if (model->transfers.count == 0) return 0;
    return transfer_at(model, model->transfers.count - 1)->transfer.timestamp;
}

// --- Life -------------------------------------------------------------------------------------

struct ledger_model *ledger_model_new(void)
{
    struct ledger_model *model = must_realloc(NULL, sizeof *model);
    *model = (struct ledger_model){
        .accounts = {.item_size = sizeof(struct account)},
        .transfers = {.item_size = sizeof(struct kept_transfer)},
        .burned = {.item_size = sizeof(u128)},
        .changes = {.item_size = sizeof(struct change_event)},
    };
    return model;
}

void ledger_model_reset(struct ledger_model *model)
{
    list_free(&model->accounts);
    list_free(&model->transfers);
    list_free(&model->burned);
    list_free(&model->changes);
    assert(model->chain_accounts == NULL);
}

void ledger_model_free(struct ledger_model *model)
{
    ledger_model_reset(model);
    free(model);
}

// --- Chains -----------------------------------------------------------------------------------

static void chain_open(struct ledger_model *model)
{
    assert(model->chain_accounts == NULL);
    const size_t size = model->accounts.count * sizeof(struct account);
    model->chain_accounts = must_realloc(NULL, size + 1);
    if (size > 0) memcpy(model->chain_accounts, model->accounts.items, size);
    model->chain_accounts_count = model->accounts.count;
    model->chain_transfers_count = model->transfers.count;
    model->chain_changes_count = model->changes.count;
}

static void chain_persist(struct ledger_model *model)
{
    assert(model->chain_accounts != NULL);
    free(model->chain_accounts);
    model->chain_accounts = NULL;
}

// Everything is as it was when the chain began, but for ids that are burned: those stay burned.
static void chain_discard(struct ledger_model *model)
{
    for (u32 i = model->chain_transfers_count; i < model->transfers.count; i++) {
        const struct transfer *transfer = &transfer_at(model, i)->transfer;
        if (transfer->flags & (TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING)) {
            find_transfer(model, transfer->pending_id)->state = STATE_PENDING;
        }
    }
    list_cut(&model->transfers, model->chain_transfers_count);
    list_cut(&model->changes, model->chain_changes_count);
    list_cut(&model->accounts, model->chain_accounts_count);
    const size_t size = model->accounts.count * sizeof(struct account);
    if (size > 0) memcpy(model->accounts.items, model->chain_accounts, size);
    chain_persist(model);
}

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
        if (a->timestamp <= last_account_timestamp(model) ||
            transfer_has_timestamp(model, a->timestamp)) {
            return CREATE_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
        }
    }
    assert(a->timestamp > last_account_timestamp(model));
    list_append(&model->accounts, a);
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
    list_append(&model->changes, &event);
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

static bool sum_overflows(u128 a, u128 b)
{
    return a > U128_MAX - b;
}

static bool exceeds_credits(const struct account *a, u128 amount)
{
    return (a->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) &&
           a->debits_pending + a->debits_posted + amount > a->credits_posted;
}

static bool exceeds_debits(const struct account *a, u128 amount)
{
    return (a->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) &&
           a->credits_pending + a->credits_posted + amount > a->debits_posted;
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
    return t->timestamp <= last_transfer_timestamp(model) ||
           account_has_timestamp(model, t->timestamp);
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
    list_append(&model->transfers, &created); // `kept` and `p` may be elsewhere from here on.
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
    if (list_find(&model->burned, t->id) != NULL) return CREATE_TRANSFER_ID_ALREADY_FAILED;

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
    list_append(&model->transfers, &created);
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
        list_append(&model->burned, &((const struct transfer *)batch->events)[i].id);
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
            chain_open(model);
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
                chain_discard(model);
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
            if (!chain_broken) chain_persist(model);
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

static int compare_u64(u64 a, u64 b)
{
    return (a > b) - (a < b);
}

static int compare_expiry(const void *left, const void *right)
{
    const struct transfer *a = &(*(struct kept_transfer *const *)left)->transfer;
    const struct transfer *b = &(*(struct kept_transfer *const *)right)->transfer;
    const int order = compare_u64(expires_at(a), expires_at(b));
    return order != 0 ? order : compare_u64(a->timestamp, b->timestamp);
}

u32 ledger_model_expire(struct ledger_model *model, u64 now, u32 limit)
{
    struct kept_transfer **due = must_realloc(NULL, (model->transfers.count + 1) * sizeof *due);
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

// --- Questions --------------------------------------------------------------------------------

bool ledger_model_lookup_account(const struct ledger_model *model, u128 id, struct account *out)
{
    const struct account *account = find_account(model, id);
    if (account != NULL) *out = *account;
    return account != NULL;
}

bool ledger_model_lookup_transfer(const struct ledger_model *model, u128 id, struct transfer *out)
{
    const struct kept_transfer *kept = find_transfer(model, id);
    if (kept != NULL) *out = kept->transfer;
    return kept != NULL;
}

// 0 is no bound; a bound is a timestamp; the range is not empty.
static bool range_valid(u64 timestamp_min, u64 timestamp_max)
{
    if (timestamp_min > LEDGER_TIMESTAMP_MAX || timestamp_max > LEDGER_TIMESTAMP_MAX) return false;
    return timestamp_max == 0 || timestamp_min <= timestamp_max;
}

static bool range_has(u64 timestamp_min, u64 timestamp_max, u64 timestamp)
{
    return timestamp >= timestamp_min && (timestamp_max == 0 || timestamp <= timestamp_max);
}

static bool account_filter_valid(const struct account_filter *f)
{
    return f->account_id != 0 && f->account_id != U128_MAX &&
           range_valid(f->timestamp_min, f->timestamp_max) && f->limit != 0 &&
           (f->flags & (ACCOUNT_FILTER_DEBITS | ACCOUNT_FILTER_CREDITS)) &&
           f->flags < 2 * ACCOUNT_FILTER_REVERSED && is_zero(f->reserved, sizeof f->reserved);
}

static bool account_filter_matches(const struct account_filter *f, const struct transfer *t)
{
    const bool side =
        ((f->flags & ACCOUNT_FILTER_DEBITS) && t->debit_account_id == f->account_id) ||
        ((f->flags & ACCOUNT_FILTER_CREDITS) && t->credit_account_id == f->account_id);
    return side && range_has(f->timestamp_min, f->timestamp_max, t->timestamp) &&
           (f->user_data_128 == 0 || f->user_data_128 == t->user_data_128) &&
           (f->user_data_64 == 0 || f->user_data_64 == t->user_data_64) &&
           (f->user_data_32 == 0 || f->user_data_32 == t->user_data_32) &&
           (f->code == 0 || f->code == t->code);
}

// The position of row `i` of `count`, from the end if reversed.
static u32 row_position(u32 i, u32 count, bool reversed)
{
    return reversed ? count - 1 - i : i;
}

u32 ledger_model_get_account_transfers(const struct ledger_model *model,
                                       const struct account_filter *filter, u32 limit_max,
                                       struct transfer *out)
{
    if (!account_filter_valid(filter)) return 0;
    const u32 limit = MIN(filter->limit, limit_max);
    const u32 count = model->transfers.count;
    u32 found = 0;
    for (u32 i = 0; i < count && found < limit; i++) {
        const u32 position = row_position(i, count, filter->flags & ACCOUNT_FILTER_REVERSED);
        const struct transfer *t = &transfer_at(model, position)->transfer;
        if (account_filter_matches(filter, t)) out[found++] = *t;
    }
    return found;
}

static struct account_balance balance_after(const struct change_event *event, u128 account_id)
{
    if (event->debit_account_id == account_id) {
        return (struct account_balance){
            .debits_pending = event->debit_account_debits_pending,
            .debits_posted = event->debit_account_debits_posted,
            .credits_pending = event->debit_account_credits_pending,
            .credits_posted = event->debit_account_credits_posted,
            .timestamp = event->timestamp,
        };
    }
    assert(event->credit_account_id == account_id);
    return (struct account_balance){
        .debits_pending = event->credit_account_debits_pending,
        .debits_posted = event->credit_account_debits_posted,
        .credits_pending = event->credit_account_credits_pending,
        .credits_posted = event->credit_account_credits_posted,
        .timestamp = event->timestamp,
    };
}

u32 ledger_model_get_account_balances(const struct ledger_model *model,
                                      const struct account_filter *filter, u32 limit_max,
                                      struct account_balance *out)
{
    const struct account *account = find_account(model, filter->account_id);
    if (account == NULL || !(account->flags & ACCOUNT_HISTORY)) return 0;
    const u32 limit = MIN(MIN(filter->limit, limit_max), model->transfers.count);
    struct transfer *transfers = must_realloc(NULL, (limit + 1) * sizeof *transfers);
    const u32 count = ledger_model_get_account_transfers(model, filter, limit, transfers);
    for (u32 i = 0; i < count; i++) {
        const u32 change = find_transfer(model, transfers[i].id)->change;
        out[i] = balance_after(list_at(&model->changes, change), account->id);
    }
    free(transfers);
    return count;
}

static bool query_filter_valid(const struct query_filter *f)
{
    return range_valid(f->timestamp_min, f->timestamp_max) && f->limit != 0 &&
           f->flags < 2 * QUERY_FILTER_REVERSED && is_zero(f->reserved, sizeof f->reserved);
}

static bool query_filter_matches(const struct query_filter *f, u128 user_data_128, u64 user_data_64,
                                 u32 user_data_32, u32 ledger, u16 code, u64 timestamp)
{
    return range_has(f->timestamp_min, f->timestamp_max, timestamp) &&
           (f->user_data_128 == 0 || f->user_data_128 == user_data_128) &&
           (f->user_data_64 == 0 || f->user_data_64 == user_data_64) &&
           (f->user_data_32 == 0 || f->user_data_32 == user_data_32) &&
           (f->ledger == 0 || f->ledger == ledger) && (f->code == 0 || f->code == code);
}

u32 ledger_model_query_accounts(const struct ledger_model *model, const struct query_filter *filter,
                                u32 limit_max, struct account *out)
{
    if (!query_filter_valid(filter)) return 0;
    const u32 limit = MIN(filter->limit, limit_max);
    const u32 count = model->accounts.count;
    u32 found = 0;
    for (u32 i = 0; i < count && found < limit; i++) {
        const u32 position = row_position(i, count, filter->flags & QUERY_FILTER_REVERSED);
        const struct account *a = account_at(model, position);
        if (query_filter_matches(filter, a->user_data_128, a->user_data_64, a->user_data_32,
                                 a->ledger, a->code, a->timestamp)) {
            out[found++] = *a;
        }
    }
    return found;
}

u32 ledger_model_query_transfers(const struct ledger_model *model,
                                 const struct query_filter *filter, u32 limit_max,
                                 struct transfer *out)
{
    if (!query_filter_valid(filter)) return 0;
    const u32 limit = MIN(filter->limit, limit_max);
    const u32 count = model->transfers.count;
    u32 found = 0;
    for (u32 i = 0; i < count && found < limit; i++) {
        const u32 position = row_position(i, count, filter->flags & QUERY_FILTER_REVERSED);
        const struct transfer *t = &transfer_at(model, position)->transfer;
        if (query_filter_matches(filter, t->user_data_128, t->user_data_64, t->user_data_32,
                                 t->ledger, t->code, t->timestamp)) {
            out[found++] = *t;
        }
    }
    return found;
}

// Both point into one array, so that the address is the order of occurrence.
static int compare_change(const void *left, const void *right)
{
    const struct change_event *a = *(const struct change_event *const *)left;
    const struct change_event *b = *(const struct change_event *const *)right;
    const int order = compare_u64(a->timestamp, b->timestamp);
    return order != 0 ? order : (a > b) - (a < b);
}

u32 ledger_model_get_change_events(const struct ledger_model *model,
                                   const struct change_events_filter *filter, u32 limit_max,
                                   struct change_event *out)
{
    if (!range_valid(filter->timestamp_min, filter->timestamp_max) || filter->limit == 0 ||
        !is_zero(filter->reserved, sizeof filter->reserved)) {
        return 0;
    }
    const u32 limit = MIN(filter->limit, limit_max);
    const u32 count = model->changes.count;
    const struct change_event **order = must_realloc(NULL, (count + 1) * sizeof *order);
    for (u32 i = 0; i < count; i++) order[i] = list_at(&model->changes, i);
    qsort(order, count, sizeof order[0], compare_change);
    u32 found = 0;
    for (u32 i = 0; i < count && found < limit; i++) {
        if (!range_has(filter->timestamp_min, filter->timestamp_max, order[i]->timestamp)) continue;
        out[found++] = *order[i];
    }
    free(order);
    return found;
}

// --- Invariants -------------------------------------------------------------------------------

static void check_ledgers(const struct ledger_model *model)
{
    // Modulo 2^128, like the balances: the sum over accounts may pass it, the difference may not.
    for (u32 i = 0; i < model->accounts.count; i++) {
        const u32 ledger = account_at(model, i)->ledger;
        bool seen = false;
        for (u32 j = 0; j < i && !seen; j++) seen = account_at(model, j)->ledger == ledger;
        if (seen) continue;
        u128 pending = 0;
        u128 posted = 0;
        for (u32 j = i; j < model->accounts.count; j++) {
            const struct account *a = account_at(model, j);
            if (a->ledger != ledger) continue;
            pending += a->debits_pending - a->credits_pending;
            posted += a->debits_posted - a->credits_posted;
        }
        assert(pending == 0 && posted == 0); // L1
    }
}

static void check_account(const struct account *a)
{
    const u16 limits =
        ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS | ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    assert(a->ledger != 0 && a->code != 0 && a->reserved == 0);
    assert((a->flags & limits) != limits);
    assert(!sum_overflows(a->debits_pending, a->debits_posted));
    assert(!sum_overflows(a->credits_pending, a->credits_posted));
    assert(!exceeds_credits(a, 0)); // L2
    assert(!exceeds_debits(a, 0));  // L2
}

// Takes off every account what its transfers put on it; nothing may be left.
static void check_sums(const struct ledger_model *model)
{
    const u32 count = model->accounts.count;
    struct account *left = must_realloc(NULL, (count + 1) * sizeof *left);
    if (count > 0) memcpy(left, model->accounts.items, count * sizeof *left);
    for (u32 i = 0; i < model->transfers.count; i++) {
        const struct kept_transfer *kept = transfer_at(model, i);
        const struct transfer *t = &kept->transfer;
        const struct account *debit_kept = find_account(model, t->debit_account_id);
        const struct account *credit_kept = find_account(model, t->credit_account_id);
        assert(debit_kept != NULL && credit_kept != NULL);
        struct account *debit = &left[debit_kept - (struct account *)model->accounts.items];
        struct account *credit = &left[credit_kept - (struct account *)model->accounts.items];
        // NOLINTNEXTLINE: every account's ledger was copied above.
        assert(debit->ledger == t->ledger && credit->ledger == t->ledger);
        if (kept->state == STATE_PENDING) {
            debit->debits_pending -= t->amount;
            credit->credits_pending -= t->amount;
            if (t->flags & TRANSFER_CLOSING_DEBIT) assert(debit->flags & ACCOUNT_CLOSED);   // L5
            if (t->flags & TRANSFER_CLOSING_CREDIT) assert(credit->flags & ACCOUNT_CLOSED); // L5
        } else if (kept->state == STATE_NONE && !(t->flags & TRANSFER_VOID_PENDING)) {
            debit->debits_posted -= t->amount;
            credit->credits_posted -= t->amount;
        }
    }
    for (u32 i = 0; i < count; i++) {
        assert(left[i].debits_pending == 0 && left[i].credits_pending == 0); // L3
        assert(left[i].debits_posted == 0 && left[i].credits_posted == 0);   // L4
    }
    free(left);
}

static void check_order(const struct ledger_model *model)
{
    u32 next = 0; // The first account that is not older than the transfer.
    for (u32 i = 1; i < model->accounts.count; i++) {
        assert(account_at(model, i - 1)->timestamp < account_at(model, i)->timestamp); // L6
    }
    for (u32 i = 0; i < model->transfers.count; i++) {
        const u64 timestamp = transfer_at(model, i)->transfer.timestamp;
        assert(i == 0 || transfer_at(model, i - 1)->transfer.timestamp < timestamp); // L6
        while (next < model->accounts.count && account_at(model, next)->timestamp < timestamp) {
            next++;
        }
        assert(next == model->accounts.count ||
               account_at(model, next)->timestamp != timestamp); // L6
    }
}

void ledger_model_check(const struct ledger_model *model)
{
    check_ledgers(model);
    for (u32 i = 0; i < model->accounts.count; i++) check_account(account_at(model, i));
    check_sums(model);
    check_order(model);
}

// --- The model as an executor -------------------------------------------------------------------

static void executor_reset(void *context)
{
    ledger_model_reset(context);
}

static void executor_create_accounts(void *context, u64 timestamp, const struct account *events,
                                     u32 count, struct create_result *results)
{
    ledger_model_create_accounts(context, timestamp, events, count, results);
}

static void executor_create_transfers(void *context, u64 timestamp, const struct transfer *events,
                                      u32 count, struct create_result *results)
{
    ledger_model_create_transfers(context, timestamp, events, count, results);
}

static u32 executor_expire(void *context, u64 now, u32 limit)
{
    return ledger_model_expire(context, now, limit);
}

static bool executor_lookup_account(void *context, u128 id, struct account *out)
{
    return ledger_model_lookup_account(context, id, out);
}

static bool executor_lookup_transfer(void *context, u128 id, struct transfer *out)
{
    return ledger_model_lookup_transfer(context, id, out);
}

static u32 executor_get_account_transfers(void *context, const struct account_filter *filter,
                                          u32 limit_max, struct transfer *out)
{
    return ledger_model_get_account_transfers(context, filter, limit_max, out);
}

static u32 executor_get_account_balances(void *context, const struct account_filter *filter,
                                         u32 limit_max, struct account_balance *out)
{
    return ledger_model_get_account_balances(context, filter, limit_max, out);
}

static u32 executor_query_accounts(void *context, const struct query_filter *filter, u32 limit_max,
                                   struct account *out)
{
    return ledger_model_query_accounts(context, filter, limit_max, out);
}

static u32 executor_query_transfers(void *context, const struct query_filter *filter, u32 limit_max,
                                    struct transfer *out)
{
    return ledger_model_query_transfers(context, filter, limit_max, out);
}

static u32 executor_get_change_events(void *context, const struct change_events_filter *filter,
                                      u32 limit_max, struct change_event *out)
{
    return ledger_model_get_change_events(context, filter, limit_max, out);
}

static void executor_check(void *context)
{
    ledger_model_check(context);
}

struct ledger_executor ledger_model_executor(struct ledger_model *model)
{
    return (struct ledger_executor){
        .name = "model",
        .context = model,
        .reset = executor_reset,
        .create_accounts = executor_create_accounts,
        .create_transfers = executor_create_transfers,
        .expire = executor_expire,
        .lookup_account = executor_lookup_account,
        .lookup_transfer = executor_lookup_transfer,
        .get_account_transfers = executor_get_account_transfers,
        .get_account_balances = executor_get_account_balances,
        .query_accounts = executor_query_accounts,
        .query_transfers = executor_query_transfers,
        .get_change_events = executor_get_change_events,
        .check = executor_check,
    };
}
