// SPDX-License-Identifier: Apache-2.0
//
// The ledger's state: tables, holds, the scope of a chain, accounts, expiry. Transfers are decided
// in ledger_transfer.c.
#include "ledger/ledger_internal.h"

#include "base/sort.h"
#include "os/memory.h"

#include <stdlib.h>

enum status ledger_init(struct ledger *ledger, const struct ledger_limits *limits,
                        struct history *history, struct failure *failure)
{
    memset(ledger, 0, sizeof *ledger);
    ledger->history = history;
    void *undo = NULL;
    enum status status =
        table_init(&ledger->accounts, sizeof(struct account), limits->accounts_max, failure);
    if (status == STATUS_OK) {
        status = table_init(&ledger->holds, sizeof(struct hold), limits->holds_max, failure);
    }
    if (status == STATUS_OK) status = index_init(&ledger->account_index, 0, failure);
    if (status == STATUS_OK) status = index_init(&ledger->number_index, 0, failure);
    if (status == STATUS_OK) status = index_init(&ledger->hold_index, 0, failure);
    if (status == STATUS_OK) status = heap_init(&ledger->expiries, limits->holds_max, failure);
    if (status == STATUS_OK) {
        status = memory_reserve(sizeof *ledger->undo, false, &undo, failure);
    }
    ledger->undo = undo;
    if (status == STATUS_OK) status = cells_init(ledger, limits, failure);
    if (status == STATUS_OK) status = constraints_init(ledger, failure);
    return status;
}

void ledger_free(struct ledger *ledger)
{
    table_free(&ledger->accounts);
    table_free(&ledger->holds);
    index_free(&ledger->account_index);
    index_free(&ledger->number_index);
    index_free(&ledger->hold_index);
    heap_free(&ledger->expiries);
    memory_release(ledger->undo, sizeof *ledger->undo);
    cells_free(ledger);
    constraints_free(ledger);
    memset(ledger, 0, sizeof *ledger);
}

bool ledger_result_is_transient(u32 result)
{
    switch ((enum create_transfer_result)result) {
    case CREATE_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND:
    case CREATE_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND:
    case CREATE_TRANSFER_PENDING_TRANSFER_NOT_FOUND:
    case CREATE_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED:
    case CREATE_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED:
    case CREATE_TRANSFER_EXCEEDS_CREDITS:
    case CREATE_TRANSFER_EXCEEDS_DEBITS: return true;
    default: return false;
    }
}

// --- the scope of a chain ------------------------------------------------------------------------

void scope_begin(struct ledger *ledger, const struct ledger_resolved *resolved)
{
    struct ledger_undo *undo = ledger->undo;
    const struct history_segment *active = ledger->history->active;
    assert(!undo->active);
    undo->active = true;
    undo->count = 0;
    undo->account_timestamp_max = ledger->account_timestamp_max;
    undo->transfer_timestamp_max = ledger->transfer_timestamp_max;
    undo->next_row = ledger->history->next_row;
    undo->row_count = active->live->row_count;
    undo->latest_transfer =
        active->live->latest[ORDER_TRANSFER][undo->row_count / HISTORY_FENCE_ROWS];
    undo->timestamp_min = active->timestamp_min;
    undo->timestamp_max = active->timestamp_max;
    undo->id_max = active->id_max;
    undo->resolved_count = resolved == NULL ? 0 : resolved->count;
}

void scope_commit(struct ledger *ledger)
{
    assert(ledger->undo->active);
    ledger->undo->active = false;
}

static void index_insert_again(struct index *index, u64 hash, u32 row)
{
    // The key was in the index a moment ago, so there is room for it.
    struct failure failure;
    enum status status = index_insert(index, hash, row, &failure);
    assert(status == STATUS_OK);
}

static void account_unindex(struct ledger *ledger, u32 row);

static void undo_one(struct ledger *ledger, const struct undo_entry *entry)
{
    switch (entry->kind) {
    case UNDO_ACCOUNT: {
        struct account *account = account_at(ledger, entry->row);
        if (UNLIKELY(account_has_cells(account))) {
            cells_take_back(ledger, entry->row, &entry->account, account);
        }
        *account = entry->account;
        break;
    }
    case UNDO_ACCOUNT_CREATE:
        assert(entry->row == ledger->accounts.count - 1);
        account_unindex(ledger, entry->row);
        memset(account_at(ledger, entry->row), 0, sizeof(struct account));
        ledger->accounts.count--;
        break;
    case UNDO_HOLD_OPEN: {
        // The record goes back to how it was: free, or not yet part of the table.
        struct hold *hold = hold_at(ledger, entry->row);
        if (hold->expires_at != 0) heap_remove(&ledger->expiries, entry->row);
        index_remove(&ledger->hold_index, history_hash_id(ledger->history, hold->id), entry->row);
        *hold = entry->hold;
        if (entry->hold.next_free == ROW_NONE) {
            memset(hold, 0, sizeof *hold);
            ledger->holds.count--;
        } else {
            ledger->hold_free = entry->row + 1;
        }
        break;
    }
    case UNDO_HOLD_CLOSE: {
        struct hold *hold = hold_at(ledger, entry->row);
        assert(ledger->hold_free == entry->row + 1);
        ledger->hold_free = hold->next_free;
        *hold = entry->hold;
        index_insert_again(&ledger->hold_index, history_hash_id(ledger->history, hold->id),
                           entry->row);
        if (hold->expires_at != 0) {
            heap_insert(&ledger->expiries, hold->expires_at, hold->timestamp, entry->row);
        }
        break;
    }
    case UNDO_KEY: {
        struct history_live *live = ledger->history->active->live;
        assert(live->id_slots[entry->row] != 0);
        __atomic_store_n(&live->id_slots[entry->row], 0, __ATOMIC_RELAXED);
        live->key_count--;
        break;
    }
    }
}

void scope_rollback(struct ledger *ledger, struct ledger_resolved *resolved)
{
    struct ledger_undo *undo = ledger->undo;
    struct history_segment *active = ledger->history->active;
    assert(undo->active);
    while (undo->count > 0) undo_one(ledger, &undo->entries[--undo->count]);
    ledger->account_timestamp_max = undo->account_timestamp_max;
    ledger->transfer_timestamp_max = undo->transfer_timestamp_max;
    ledger->history->next_row = undo->next_row;
    history_live_count_set(active->live, undo->row_count);
    history_live_latest_set(active->live, ORDER_TRANSFER, undo->row_count / HISTORY_FENCE_ROWS,
                            undo->latest_transfer);
    active->timestamp_min = undo->timestamp_min;
    active->timestamp_max = undo->timestamp_max;
    active->id_max = undo->id_max;
    if (resolved != NULL) resolved->count = undo->resolved_count;
    constraints_forget(ledger);
    undo->active = false;
}

void resolution_put(struct ledger *ledger, u128 pending_id)
{
    const struct history_live *live = ledger->history->active->live;
    u64 hash = history_hash_resolution(ledger->history, pending_id);
    u32 slot = (u32)hash & (HISTORY_ID_SLOTS - 1);
    while (live->id_slots[slot] != 0) slot = (slot + 1) & (HISTORY_ID_SLOTS - 1);
    key_put(ledger, hash, slot);
}

void balances_snapshot(struct ledger *ledger, u32 account_row, u64 timestamp)
{
    struct account *account = account_at(ledger, account_row);
    *account_postings(account) = 0;
    struct outcome *debits = history_append(ledger->history);
    *debits = (struct outcome){
        .id = account->debits_pending,
        .amount = account->debits_posted,
        .timestamp = timestamp,
        .debit_row = account_row,
        .credit_row = ROW_NONE,
        .flags = account->flags,
        .kind = OUTCOME_BALANCE_DEBITS,
        .result = OUTCOME_CREATED,
    };
    struct outcome *credits = history_append(ledger->history);
    *credits = *debits;
    credits->id = account->credits_pending;
    credits->amount = account->credits_posted;
    credits->kind = OUTCOME_BALANCE_CREDITS;
}

// --- holds ---------------------------------------------------------------------------------------

enum status hold_open(struct ledger *ledger, const struct hold *hold, struct failure *failure)
{
    u32 row = 0;
    struct hold before = {.next_free = ROW_NONE};
    if (ledger->hold_free != 0) {
        row = ledger->hold_free - 1;
        table_touch(&ledger->holds, row);
        before = *hold_at(ledger, row);
        ledger->hold_free = before.next_free;
    } else {
        if (ledger->holds.count == ledger->holds.capacity) {
            return failure_set(failure, STATUS_FULL, "more than %llu pending transfers are open",
                               (unsigned long long)ledger->holds.capacity);
        }
        row = (u32)ledger->holds.count++;
        table_touch(&ledger->holds, row);
    }
    if (ledger->undo->active) undo_push(ledger, UNDO_HOLD_OPEN, row)->hold = before;
    struct hold *record = hold_at(ledger, row);
    *record = *hold;
    record->next_free = 0;
    record->open = 1;
    if (hold->expires_at != 0) {
        heap_insert(&ledger->expiries, hold->expires_at, hold->timestamp, row);
    }
    return index_insert(&ledger->hold_index, history_hash_id(ledger->history, hold->id), row,
                        failure);
}

void hold_close(struct ledger *ledger, u32 row)
{
    struct hold *hold = hold_at(ledger, row);
    assert(hold->open == 1);
    table_touch(&ledger->holds, row);
    if (ledger->undo->active) undo_push(ledger, UNDO_HOLD_CLOSE, row)->hold = *hold;
    if (hold->expires_at != 0) heap_remove(&ledger->expiries, row);
    index_remove(&ledger->hold_index, history_hash_id(ledger->history, hold->id), row);
    memset(hold, 0, sizeof *hold);
    hold->next_free = ledger->hold_free;
    ledger->hold_free = row + 1;
}

u32 hold_find(const struct ledger *ledger, u128 id, u64 hash)
{
    struct index_cursor cursor;
    for (u32 row = index_first(&ledger->hold_index, hash, &cursor); row != 0;
         row = index_next(&cursor)) {
        if (hold_at(ledger, row - 1)->id == id) return row - 1;
    }
    return ROW_NONE;
}

const struct hold *ledger_hold(const struct ledger *ledger, u128 id)
{
    const u32 row = hold_find(ledger, id, history_hash_id(ledger->history, id));
    return row == ROW_NONE ? NULL : hold_at(ledger, row);
}

bool ledger_has_room(const struct ledger *ledger, u64 accounts, u64 holds)
{
    return ledger->accounts.count + accounts <= ledger->accounts.capacity &&
           ledger->hold_index.count + holds <= ledger->holds.capacity;
}

u64 ledger_next_expiry(const struct ledger *ledger)
{
    const struct heap_item *first = heap_first(&ledger->expiries);
    return first == NULL ? U64_MAX : first->due;
}

static void hold_expire(struct ledger *ledger, u32 row, u64 timestamp, u64 place)
{
    const struct hold hold = *hold_at(ledger, row);
    account_touch(ledger, hold.debit_row);
    account_touch(ledger, hold.credit_row);
    struct account *debit = account_at(ledger, hold.debit_row);
    struct account *credit = account_at(ledger, hold.credit_row);
    assert(debit->debits_pending >= hold.amount && credit->credits_pending >= hold.amount); // G1
    if (UNLIKELY((debit->reserved | credit->reserved) & ACCOUNT_HAS_CELLS)) {
        const struct cell_posting posting = {
            .debit_row = hold.debit_row, .credit_row = hold.credit_row, .released = hold.amount};
        const enum create_transfer_result result = cells_post(ledger, &posting);
        assert(result == CREATE_TRANSFER_CREATED); // What is released makes no sum larger.
        constraints_settle(ledger, timestamp);
    }
    debit->debits_pending -= hold.amount;
    credit->credits_pending -= hold.amount;
    if (hold.flags & TRANSFER_CLOSING_DEBIT) debit->flags &= (u16)~ACCOUNT_CLOSED;
    if (hold.flags & TRANSFER_CLOSING_CREDIT) credit->flags &= (u16)~ACCOUNT_CLOSED;
    struct outcome *outcome = history_append(ledger->history);
    u64 distance = ledger->history->next_row - 1 - hold.row;
    *outcome = (struct outcome){
        .id = hold.id,
        .amount = hold.amount,
        .timestamp = timestamp,
        .debit_row = hold.debit_row,
        .credit_row = hold.credit_row,
        .flags = hold.flags,
        .code = hold.code,
        .kind = OUTCOME_EXPIRY,
        .result = OUTCOME_CREATED,
        .pending_distance = distance < OUTCOME_PENDING_FAR ? (u32)distance : OUTCOME_PENDING_FAR,
    };
    outcome_set_place(outcome, place);
    history_note_expiry(ledger->history, timestamp);
    resolution_put(ledger, hold.id);
    hold_close(ledger, row);
    posting_count(ledger, hold.debit_row, timestamp);
    posting_count(ledger, hold.credit_row, timestamp);
}

u32 ledger_expire(struct ledger *ledger, u64 now, u64 place, u32 limit)
{
    assert(!ledger->undo->active);
    u32 count = 0;
    while (count < limit) {
        const struct heap_item *first = heap_first(&ledger->expiries);
        if (first == NULL || first->due > now) break;
        count++;
        hold_expire(ledger, (u32)first->row, now + count, place);
    }
    return count;
}

// --- accounts ------------------------------------------------------------------------------------

// Under which hash an account is found: raw ones by their id, others by ledger number and id.
static u64 account_hash(const struct ledger *ledger, u16 owner_class, u32 number, u128 id)
{
    u64 hash = history_hash_id(ledger->history, id);
    return owner_class == 0 ? hash : hash_u64(&ledger->history->key, hash, number);
}

// Raw: `number` is 0, as no account's is.
static u32 account_find(const struct ledger *ledger, u32 number, u128 id, u64 hash)
{
    struct index_cursor cursor;
    for (u32 row = index_first(&ledger->account_index, hash, &cursor); row != 0;
         row = index_next(&cursor)) {
        const struct account *account = account_at(ledger, row - 1);
        u32 own = account_class(account) == 0 ? 0 : account->ledger;
        if (account->id == id && own == number) return row - 1;
    }
    return ROW_NONE;
}

u32 ledger_account_row(const struct ledger *ledger, u128 id)
{
    return account_find(ledger, 0, id, account_hash(ledger, 0, 0, id));
}

u32 ledger_class_account_row(const struct ledger *ledger, u32 number, u128 id)
{
    return account_find(ledger, number, id, account_hash(ledger, 1, number, id));
}

static u64 number_hash(const struct ledger *ledger, u32 number)
{
    return hash_u64(&ledger->history->resolution_key, number, 0);
}

// The first account on a ledger number, or ROW_NONE.
static u32 number_first(const struct ledger *ledger, u32 number)
{
    struct index_cursor cursor;
    for (u32 row = index_first(&ledger->number_index, number_hash(ledger, number), &cursor);
         row != 0; row = index_next(&cursor)) {
        if (account_at(ledger, row - 1)->ledger == number) return row - 1;
    }
    return ROW_NONE;
}

u32 ledger_number_class(const struct ledger *ledger, u32 number)
{
    u32 first = number_first(ledger, number);
    return first == ROW_NONE ? LEDGER_NUMBER_FREE : account_class(account_at(ledger, first));
}

static u64 account_hash_of(const struct ledger *ledger, const struct account *account)
{
    return account_hash(ledger, account_class(account), account->ledger, account->id);
}

// `hash` is the account's.
static enum status account_index(struct ledger *ledger, u32 row, u64 hash, struct failure *failure)
{
    const struct account *account = account_at(ledger, row);
    enum status status = index_insert(&ledger->account_index, hash, row, failure);
    // Neighbours are mostly on the same ledger.
    if (status != STATUS_OK ||
        (row > 0 && account_at(ledger, row - 1)->ledger == account->ledger) ||
        number_first(ledger, account->ledger) != ROW_NONE) {
        return status;
    }
    return index_insert(&ledger->number_index, number_hash(ledger, account->ledger), row, failure);
}

static void account_unindex(struct ledger *ledger, u32 row)
{
    const struct account *account = account_at(ledger, row);
    index_remove(&ledger->account_index, account_hash_of(ledger, account), row);
    if (number_first(ledger, account->ledger) == row) {
        index_remove(&ledger->number_index, number_hash(ledger, account->ledger), row);
    }
}

u32 ledger_lookup_accounts(const struct ledger *ledger, const u128 *ids, u32 count,
                           struct account *out)
{
    u32 found = 0;
    for (u32 i = 0; i < count; i++) {
        u32 row = ledger_account_row(ledger, ids[i]);
        if (row != ROW_NONE) ledger_account_view(ledger, row, &out[found++]);
    }
    return found;
}

bool ledger_account_has_timestamp(const struct ledger *ledger, u64 timestamp)
{
    u64 low = 0;
    u64 high = ledger->accounts.count;
    if (timestamp > ledger->account_timestamp_max) return false; // Of most, without a search.
    while (low < high) {
        u64 middle = (low + high) / 2;
        if (ledger_account(ledger, (u32)middle)->timestamp < timestamp) low = middle + 1;
        else high = middle;
    }
    return low < ledger->accounts.count && ledger_account(ledger, (u32)low)->timestamp == timestamp;
}

static enum create_account_result account_exists(const struct account *a, const struct account *e)
{
    if (a->flags != (e->flags)) return CREATE_ACCOUNT_EXISTS_WITH_DIFFERENT_FLAGS;
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

struct account_decision {
    enum create_account_result result;
    u64 timestamp; // The event's, or that of the existing account.
    enum status status;
};

static enum create_account_result
account_insert(struct ledger *ledger, const struct account *account, u16 owner_class, u64 hash,
               u64 timestamp, struct account_decision *decision, struct failure *failure)
{
    if (ledger->accounts.count == ledger->accounts.capacity) {
        decision->status = failure_set(failure, STATUS_FULL, "more than %llu accounts",
                                       (unsigned long long)ledger->accounts.capacity);
        return CREATE_ACCOUNT_CREATED;
    }
    u32 row = (u32)ledger->accounts.count++;
    table_touch(&ledger->accounts, row);
    struct account *record = account_at(ledger, row);
    *record = *account;
    record->timestamp = timestamp;
    account_set_class(record, owner_class);
    decision->status = account_index(ledger, row, hash, failure);
    if (ledger->undo->active) (void)undo_push(ledger, UNDO_ACCOUNT_CREATE, row);
    ledger->account_timestamp_max = timestamp;
    return CREATE_ACCOUNT_CREATED;
}

// Whether accounts of this class may be on a ledger number: it is either clients' or modules'.
static bool number_is_open(const struct ledger *ledger, u32 number, u16 owner_class)
{
    // The last account made is mostly on the same one.
    u64 count = ledger->accounts.count;
    u32 first = count > 0 && account_at(ledger, (u32)count - 1)->ledger == number
                    ? (u32)count - 1
                    : number_first(ledger, number);
    return first == ROW_NONE ||
           (account_class(account_at(ledger, first)) == 0) == (owner_class == 0);
}

// Rules in the order of ledger.def, from `reserved_field` on.
static enum create_account_result account_decide(struct ledger *ledger,
                                                 const struct history_set *set,
                                                 const struct account *account, u16 owner_class,
                                                 u64 timestamp, struct account_decision *decision,
                                                 struct failure *failure)
{
    const u16 known = ACCOUNT_LINKED | ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS |
                      ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS | ACCOUNT_HISTORY | ACCOUNT_IMPORTED |
                      ACCOUNT_CLOSED;
    const u16 limits =
        ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS | ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS;
    if (account->reserved != 0) return CREATE_ACCOUNT_RESERVED_FIELD;
    if (account->flags & ~known) return CREATE_ACCOUNT_RESERVED_FLAG;
    if (account->id == 0) return CREATE_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (account->id == U128_MAX) return CREATE_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    u64 hash = account_hash(ledger, owner_class, account->ledger, account->id);
    u32 row = account_find(ledger, owner_class == 0 ? 0 : account->ledger, account->id, hash);
    if (row != ROW_NONE) {
        enum create_account_result result = account_exists(account, account_at(ledger, row));
        if (result == CREATE_ACCOUNT_EXISTS)
            decision->timestamp = account_at(ledger, row)->timestamp;
        return result;
    }
    if ((account->flags & limits) == limits) return CREATE_ACCOUNT_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    if (account->debits_pending != 0) return CREATE_ACCOUNT_DEBITS_PENDING_MUST_BE_ZERO;
    if (account->debits_posted != 0) return CREATE_ACCOUNT_DEBITS_POSTED_MUST_BE_ZERO;
    if (account->credits_pending != 0) return CREATE_ACCOUNT_CREDITS_PENDING_MUST_BE_ZERO;
    if (account->credits_posted != 0) return CREATE_ACCOUNT_CREDITS_POSTED_MUST_BE_ZERO;
    if (account->ledger == 0) return CREATE_ACCOUNT_LEDGER_MUST_NOT_BE_ZERO;
    if (!number_is_open(ledger, account->ledger, owner_class)) {
        return CREATE_ACCOUNT_LEDGER_MUST_NOT_BE_ZERO;
    }
    if (account->code == 0) return CREATE_ACCOUNT_CODE_MUST_NOT_BE_ZERO;
    if (account->flags & ACCOUNT_IMPORTED) {
        bool taken = timestamp <= ledger->account_timestamp_max;
        if (!taken && timestamp <= ledger->transfer_timestamp_max) {
            decision->status =
                history_has_timestamp(ledger->history, set, timestamp, &taken, failure);
        }
        if (taken) return CREATE_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
        if (decision->status != STATUS_OK) return CREATE_ACCOUNT_CREATED;
        decision->timestamp = timestamp;
    }
    return account_insert(ledger, account, owner_class, hash, timestamp, decision, failure);
}

static void account_outcome(struct ledger *ledger, const struct account *account, u64 place,
                            u32 result, u64 timestamp)
{
    bool created = result == (u32)CREATE_ACCOUNT_CREATED;
    struct outcome *outcome = history_append(ledger->history);
    *outcome = (struct outcome){
        .id = account->id,
        .timestamp = timestamp,
        .debit_row = created ? (u32)ledger->accounts.count - 1 : ROW_NONE,
        .credit_row = ROW_NONE,
        .flags = account->flags,
        .code = account->code,
        .kind = OUTCOME_ACCOUNT,
        .result = (u8)result,
    };
    outcome_set_place(outcome, place);
}

static u64 account_place(const struct ledger_batch *batch, u32 i)
{
    return batch->owner_class == 0 ? batch->place + i * sizeof(struct account) : batch->place;
}

enum status ledger_create_accounts(struct ledger *ledger, const struct ledger_batch *batch,
                                   struct failure *failure)
{
    assert(batch->count <= LEDGER_EVENTS_MAX);
    const struct account *events = batch->events;
    struct history_set *set = history_set_acquire(ledger->history);
    struct account_decision decision = {0};
    u32 chain = ROW_NONE; // First event of the open chain.
    bool broken = false;
    for (u32 i = 0; i < batch->count && decision.status == STATUS_OK; i++) {
        const struct account *account = &events[i];
        u64 timestamp = batch->timestamp - batch->count + i + 1;
        bool linked = (account->flags & ACCOUNT_LINKED) != 0;
        bool imported = (account->flags & ACCOUNT_IMPORTED) != 0;
        decision.timestamp = timestamp;
        if (linked && chain == ROW_NONE) {
            chain = i;
            scope_begin(ledger, NULL);
        }
        enum create_account_result result;
        if (linked && i == batch->count - 1) {
            result = CREATE_ACCOUNT_LINKED_EVENT_CHAIN_OPEN;
        } else if (broken) {
            result = CREATE_ACCOUNT_LINKED_EVENT_FAILED;
        } else if (imported != ((events[0].flags & ACCOUNT_IMPORTED) != 0)) {
            result = imported ? CREATE_ACCOUNT_IMPORTED_EVENT_NOT_EXPECTED
                              : CREATE_ACCOUNT_IMPORTED_EVENT_EXPECTED;
        } else if (!imported && account->timestamp != 0) {
            result = CREATE_ACCOUNT_TIMESTAMP_MUST_BE_ZERO;
        } else if (imported && (account->timestamp < LEDGER_TIMESTAMP_MIN ||
                                account->timestamp > LEDGER_TIMESTAMP_MAX)) {
            result = CREATE_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE;
        } else if (account->timestamp >= batch->timestamp) { // Of others it is 0.
            result = CREATE_ACCOUNT_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE;
        } else {
            result = account_decide(ledger, set, account, batch->owner_class,
                                    imported ? account->timestamp : timestamp, &decision, failure);
        }
        if (result != CREATE_ACCOUNT_CREATED && chain != ROW_NONE && !broken) {
            broken = true;
            scope_rollback(ledger, NULL);
            for (u32 j = chain; j < i; j++) {
                u64 before = batch->timestamp - batch->count + j + 1;
                batch->results[j] = (struct create_result){
                    .timestamp = before, .status = CREATE_ACCOUNT_LINKED_EVENT_FAILED};
                account_outcome(ledger, &events[j], account_place(batch, j),
                                CREATE_ACCOUNT_LINKED_EVENT_FAILED, before);
            }
        }
        batch->results[i] =
            (struct create_result){.timestamp = decision.timestamp, .status = (u32)result};
        account_outcome(ledger, account, account_place(batch, i), (u32)result, decision.timestamp);
        if (chain != ROW_NONE && (!linked || result == CREATE_ACCOUNT_LINKED_EVENT_CHAIN_OPEN)) {
            if (!broken) scope_commit(ledger);
            chain = ROW_NONE;
            broken = false;
        }
    }
    history_set_release(ledger->history, set);
    return decision.status;
}

// --- saving, loading, checking -------------------------------------------------------------------

void ledger_save(const struct ledger *ledger, struct ledger_state *out)
{
    *out = (struct ledger_state){
        .account_timestamp_max = ledger->account_timestamp_max,
        .transfer_timestamp_max = ledger->transfer_timestamp_max,
        .account_count = ledger->accounts.count,
        .hold_count = ledger->holds.count,
        .hold_free = ledger->hold_free,
    };
}

enum status ledger_load(struct ledger *ledger, const struct ledger_state *state,
                        struct failure *failure)
{
    ledger->account_timestamp_max = state->account_timestamp_max;
    ledger->transfer_timestamp_max = state->transfer_timestamp_max;
    ledger->accounts.count = state->account_count;
    ledger->holds.count = state->hold_count;
    ledger->hold_free = state->hold_free;
    for (u32 row = 0; row < state->account_count; row++) {
        u64 hash = account_hash_of(ledger, account_at(ledger, row));
        enum status status = account_index(ledger, row, hash, failure);
        if (status != STATUS_OK) return status;
    }
    heap_clear(&ledger->expiries);
    for (u32 row = 0; row < state->hold_count; row++) {
        const struct hold *hold = hold_at(ledger, row);
        if (hold->open == 0) continue;
        u64 hash = history_hash_id(ledger->history, hold->id);
        enum status status = index_insert(&ledger->hold_index, hash, row, failure);
        if (status != STATUS_OK) return status;
        if (hold->expires_at != 0) {
            heap_insert(&ledger->expiries, hold->expires_at, hold->timestamp, row);
        }
    }
    return cells_load(ledger, failure);
}

// L1: on each ledger, debits minus credits over its accounts are 0, modulo 2^128.
static void check_ledger_sums(const struct ledger *ledger)
{
    u64 count = ledger->accounts.count;
    // Accounts by ledger number, then the sorter's scratch.
    u64 *entries = malloc(MAX(2 * count, 1) * sizeof *entries);
    assert(entries != NULL);
    for (u32 row = 0; row < count; row++) {
        entries[row] = (u64)ledger_account(ledger, row)->ledger << 32 | row;
    }
    sort_u64_by_high32(entries, entries + count, count);
    u128 posted = 0;
    u128 pending = 0;
    for (u64 i = 0; i < count; i++) {
        const struct account *account = ledger_account(ledger, (u32)entries[i]);
        posted += account->debits_posted - account->credits_posted;
        pending += account->debits_pending - account->credits_pending;
        bool last = i + 1 == count || entries[i + 1] >> 32 != entries[i] >> 32;
        if (last) assert(posted == 0 && pending == 0);
    }
    free(entries);
}

static u32 account_row(const struct ledger *ledger, const struct account *account)
{
    return account_class(account) == 0
               ? ledger_account_row(ledger, account->id)
               : ledger_class_account_row(ledger, account->ledger, account->id);
}

void ledger_check(const struct ledger *ledger)
{
    u128 held_debits = 0;
    u128 held = 0;
    u64 previous = 0;
    for (u32 row = 0; row < ledger->accounts.count; row++) {
        const struct account *a = ledger_account(ledger, row);
        assert(a->timestamp > previous); // G2
        previous = a->timestamp;
        if (a->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) {
            assert(a->debits_pending + a->debits_posted <= a->credits_posted); // L2
        }
        if (a->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) {
            assert(a->credits_pending + a->credits_posted <= a->debits_posted); // L2
        }
        assert(account_row(ledger, a) == row);
        held_debits += a->debits_pending;
    }
    check_ledger_sums(ledger);
    u64 with_expiry = 0;
    for (u32 row = 0; row < ledger->holds.count; row++) {
        const struct hold *hold = (const struct hold *)ledger->holds.memory + row;
        if (hold->open == 0) continue;
        held += hold->amount;
        with_expiry += hold->expires_at != 0;
        assert(heap_has(&ledger->expiries, row) == (hold->expires_at != 0));
    }
    assert(held == held_debits); // G1, summed
    assert(with_expiry == ledger->expiries.count);
    ledger_check_cells(ledger);
}
