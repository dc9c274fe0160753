// SPDX-License-Identifier: Apache-2.0
//
// Transfers: the rules of ledger.def in their order, and their effect.
//
// A batch runs as a pipeline over its events. Far ahead the id and the accounts are hashed and
// their slots fetched, half way the accounts themselves, and at the end the event is decided and
// applied with everything in cache. Looking ahead reads nothing that deciding may change: accounts
// are not created by transfers, and ids and holds are looked up when their event is decided.
#include "ledger/ledger_internal.h"

#include "ledger/history_query.h"

#define AHEAD_SLOTS    24u // Events between hashing and deciding.
#define AHEAD_ACCOUNTS 12u // Events between fetching accounts and deciding.
#define AHEAD_RING     32u

struct ahead {
    u64 id_hash;
    u64 debit_hash;
    u64 credit_hash;
    u32 debit_row; // Plus one; a candidate by its tag alone. 0: no account has the tag.
    u32 credit_row;
};

struct run {
    struct ledger *ledger;
    const struct ledger_batch *batch;
    const struct ledger_rows *rows; // The batch's; not NULL: it is a plan.
    u64 place_step;                 // From the place of an event to that of the next.
    enum outcome_kind kind;         // Of the rows that events leave.
    struct history_set *set;
    struct failure *failure;
    enum status status; // Of reading old rows; not STATUS_OK ends the batch and the process.
    u64 result_timestamp;
    u32 slot; // Where the id of the event being decided goes.
    struct ahead ring[AHEAD_RING];
};

// --- looking ahead -------------------------------------------------------------------------------

static void older_prefetch(const struct run *run, u64 id_hash)
{
    const struct history *history = run->ledger->history;
    u32 key = (u32)(id_hash >> 32);
    u64 hash = history_filter_hash(history, SECTION_ID, key);
    for (u32 i = 0; i < run->set->count; i++) {
        const struct history_segment *segment = run->set->segments[i];
        if (segment->sealed) {
            filter_prefetch(segment->file.filter, segment->file.filter_size, hash);
        } else {
            __builtin_prefetch(&segment->live->id_slots[id_hash & (HISTORY_ID_SLOTS - 1)]);
        }
    }
}

static inline void ahead_slots(struct run *run, u32 i, struct ahead *ahead)
{
    const struct transfer *transfer = (const struct transfer *)run->batch->events + i;
    const struct ledger *ledger = run->ledger;
    const struct history *history = ledger->history;
    ahead->id_hash = history_hash_id(history, transfer->id);
    history_prefetch_id(history, ahead->id_hash);
    if (UNLIKELY(history->older_ids && transfer->id <= history->older_id_max)) {
        older_prefetch(run, ahead->id_hash);
    }
    if (transfer->flags & (TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING)) {
        ahead->debit_hash = history_hash_id(history, transfer->pending_id);
        index_prefetch(&ledger->hold_index, ahead->debit_hash);
        __builtin_prefetch(&history->active->live
                                ->id_slots[history_hash_resolution(history, transfer->pending_id) &
                                           (HISTORY_ID_SLOTS - 1)],
                           1);
        return;
    }
    if (UNLIKELY(run->rows != NULL)) {
        ahead->debit_row = run->rows[i].debit + 1;
        ahead->credit_row = run->rows[i].credit + 1;
        return;
    }
    ahead->debit_hash = history_hash_id(history, transfer->debit_account_id);
    ahead->credit_hash = history_hash_id(history, transfer->credit_account_id);
    index_prefetch(&ledger->account_index, ahead->debit_hash);
    index_prefetch(&ledger->account_index, ahead->credit_hash);
}

static inline void account_prefetch(const struct ledger *ledger, u32 row)
{
    const struct account *account = ledger_account(ledger, row);
    __builtin_prefetch(account, 1);
    __builtin_prefetch((const u8 *)account + CACHE_LINE_SIZE, 1);
}

static inline void ahead_accounts(const struct run *run, const struct transfer *transfer,
                                  struct ahead *ahead)
{
    const struct ledger *ledger = run->ledger;
    struct index_cursor cursor;
    if (transfer->flags & (TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING)) {
        u32 row = index_first(&ledger->hold_index, ahead->debit_hash, &cursor);
        if (row != 0) {
            const struct hold *hold = hold_at(ledger, row - 1);
            __builtin_prefetch(hold, 1);
            __builtin_prefetch((const u8 *)hold + CACHE_LINE_SIZE, 1);
        }
        return;
    }
    if (LIKELY(run->rows == NULL)) {
        ahead->debit_row = index_first(&ledger->account_index, ahead->debit_hash, &cursor);
        ahead->credit_row = index_first(&ledger->account_index, ahead->credit_hash, &cursor);
    }
    if (ahead->debit_row != 0) account_prefetch(ledger, ahead->debit_row - 1);
    if (ahead->credit_row != 0) account_prefetch(ledger, ahead->credit_row - 1);
}

// The row of an account from its candidate; ROW_NONE when there is none. Of a plan the candidate is
// the account.
static inline u32 account_resolve(const struct run *run, u128 id, u32 candidate)
{
    const struct ledger *ledger = run->ledger;
    if (candidate == 0) return ROW_NONE;
    const struct account *account = ledger_account(ledger, candidate - 1);
    u16 owner_class = account_class(account);
    if (UNLIKELY(run->rows != NULL)) {
        assert(owner_class == run->batch->owner_class); // L11: the machine has looked.
        return candidate - 1;
    }
    if (LIKELY(account->id == id && owner_class == 0)) return candidate - 1;
    return ledger_account_row(ledger, id); // Another account has the same tag.
}

// --- an id that was used -------------------------------------------------------------------------

static enum create_transfer_result exists_post(const struct transfer *t, const struct transfer *e,
                                               const struct transfer *p)
{
    if (t->debit_account_id != 0 && t->debit_account_id != e->debit_account_id) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID;
    }
    if (t->credit_account_id != 0 && t->credit_account_id != e->credit_account_id) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID;
    }
    bool whole = (t->flags & TRANSFER_VOID_PENDING) ? t->amount == 0 : t->amount == U128_MAX;
    if (e->amount != (whole ? p->amount : t->amount)) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT;
    }
    if (e->user_data_128 != (t->user_data_128 == 0 ? p->user_data_128 : t->user_data_128)) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_128;
    }
    if (e->user_data_64 != (t->user_data_64 == 0 ? p->user_data_64 : t->user_data_64)) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_64;
    }
    if (e->user_data_32 != (t->user_data_32 == 0 ? p->user_data_32 : t->user_data_32)) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_32;
    }
    if (t->ledger != 0 && t->ledger != e->ledger) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER;
    }
    if (t->code != 0 && t->code != e->code) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_CODE;
    return CREATE_TRANSFER_EXISTS;
}

static enum create_transfer_result exists_single(const struct transfer *t, const struct transfer *e)
{
    if (t->debit_account_id != e->debit_account_id) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID;
    }
    if (t->credit_account_id != e->credit_account_id) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID;
    }
    // A balancing transfer asks for at most its amount, so any amount it may have moved is the
    // same.
    bool balancing = (t->flags & (TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT)) != 0;
    if (balancing ? t->amount < e->amount : t->amount != e->amount) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_AMOUNT;
    }
    if (t->user_data_128 != e->user_data_128) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_128;
    }
    if (t->user_data_64 != e->user_data_64) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_64;
    }
    if (t->user_data_32 != e->user_data_32) {
        return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_USER_DATA_32;
    }
    if (t->ledger != e->ledger) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_LEDGER;
    if (t->code != e->code) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_CODE;
    return CREATE_TRANSFER_EXISTS;
}

static struct history_view run_view(const struct run *run)
{
    return (struct history_view){
        .history = run->ledger->history,
        .set = run->set,
        .accounts = (const struct account *)run->ledger->accounts.memory,
        .row_end = run->ledger->history->next_row,
    };
}

// Finds the row of a transfer id, plus one; 0 when the id was never used. Sets run->status.
static u64 transfer_row(struct run *run, u128 id, u64 hash, u32 *slot)
{
    const struct history *history = run->ledger->history;
    u32 live = history_live_find(history->active->live, hash, id, slot);
    if (live != 0) return history->active->first_row + live;
    if (!history->older_ids || id > history->older_id_max) return 0;
    u64 row = 0;
    run->status = history_find_older(run->ledger->history, run->set, id, hash, &row, run->failure);
    return row;
}

static enum create_transfer_result transfer_exists(struct run *run, const struct transfer *t,
                                                   u64 row)
{
    const struct history_view view = run_view(run);
    struct outcome outcome;
    run->status = history_row(view.history, view.set, row, &outcome, run->failure);
    if (run->status != STATUS_OK) return CREATE_TRANSFER_EXISTS;
    if (outcome.result != OUTCOME_CREATED) return CREATE_TRANSFER_ID_ALREADY_FAILED;
    struct transfer e;
    run->status = history_transfer(&view, row, &outcome, &e, run->failure);
    if (run->status != STATUS_OK) return CREATE_TRANSFER_EXISTS;
    if (t->flags != e.flags) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_FLAGS;
    if (t->pending_id != e.pending_id) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_PENDING_ID;
    if (t->timeout != e.timeout) return CREATE_TRANSFER_EXISTS_WITH_DIFFERENT_TIMEOUT;
    enum create_transfer_result result;
    if (t->flags & (TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING)) {
        u32 slot = 0;
        u64 hash = history_hash_id(view.history, t->pending_id);
        u64 pending = transfer_row(run, t->pending_id, hash, &slot);
        if (run->status != STATUS_OK) return CREATE_TRANSFER_EXISTS;
        assert(pending != 0);
        struct transfer p;
        run->status = history_row(view.history, view.set, pending - 1, &outcome, run->failure);
        if (run->status != STATUS_OK) return CREATE_TRANSFER_EXISTS;
        run->status = history_transfer(&view, pending - 1, &outcome, &p, run->failure);
        if (run->status != STATUS_OK) return CREATE_TRANSFER_EXISTS;
        result = exists_post(t, &e, &p);
    } else {
        result = exists_single(t, &e);
    }
    if (result == CREATE_TRANSFER_EXISTS) run->result_timestamp = e.timestamp;
    return result;
}

// --- effects -------------------------------------------------------------------------------------

static u64 event_place(const struct run *run, const struct transfer *t)
{
    const struct transfer *first = run->batch->events;
    return run->batch->place + (u64)(t - first) * run->place_step;
}

// Appends the row of a created transfer and takes its id.
static struct outcome *transfer_outcome(struct run *run, const struct transfer *t,
                                        const struct ahead *ahead, u32 debit_row, u32 credit_row,
                                        u128 amount, u16 code, u64 timestamp)
{
    struct ledger *ledger = run->ledger;
    struct outcome *outcome = history_append(ledger->history);
    outcome->id = t->id;
    outcome->amount = amount;
    outcome->timestamp = timestamp;
    outcome->debit_row = debit_row;
    outcome->credit_row = credit_row;
    outcome->flags = t->flags;
    outcome->code = code;
    outcome->kind = (u8)run->kind;
    if (UNLIKELY(run->rows != NULL && run->batch->has_references)) {
        const struct transfer *first = run->batch->events;
        outcome->flags |= OUTCOME_REFERENCES;
        if (run->rows[t - first].is_dated) outcome->flags |= OUTCOME_DATED;
    }
    outcome->result = OUTCOME_CREATED;
    outcome_set_place(outcome, event_place(run, t));
    outcome->pending_distance = 0;
    struct history_segment *active = ledger->history->active;
    if (t->id > active->id_max) active->id_max = t->id;
    history_note_transfer(ledger->history, timestamp);
    key_put(ledger, ahead->id_hash, run->slot);
    ledger->transfer_timestamp_max = timestamp;
    run->result_timestamp = timestamp;
    return outcome;
}

static bool sum_overflows(u128 a, u128 b)
{
    return a + b < a;
}

static u128 at_most(u128 amount, u128 have, u128 used)
{
    u128 available = have > used ? have - used : 0;
    return MIN(amount, available);
}

static bool exceeds_credits(const struct account *debit, u128 amount)
{
    return (debit->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) &&
           debit->debits_pending + debit->debits_posted + amount > debit->credits_posted;
}

static bool exceeds_debits(const struct account *credit, u128 amount)
{
    return (credit->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) &&
           credit->credits_pending + credit->credits_posted + amount > credit->debits_posted;
}

static bool timestamp_is_taken(const struct run *run, u64 timestamp)
{
    return timestamp <= run->ledger->transfer_timestamp_max ||
           ledger_account_has_timestamp(run->ledger, timestamp);
}

static enum create_transfer_result overflow_check(const struct transfer *t,
                                                  const struct account *debit,
                                                  const struct account *credit, u128 amount,
                                                  u64 timestamp)
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
    if (timestamp + (u64)t->timeout * NS_PER_S > LEDGER_TIMESTAMP_MAX) {
        return CREATE_TRANSFER_OVERFLOWS_TIMEOUT;
    }
    return CREATE_TRANSFER_CREATED;
}

static enum create_transfer_result transfer_apply(struct run *run, const struct transfer *t,
                                                  const struct ahead *ahead, u32 debit_row,
                                                  u32 credit_row, u128 amount, u64 timestamp)
{
    struct ledger *ledger = run->ledger;
    struct account *debit = account_at(ledger, debit_row);
    struct account *credit = account_at(ledger, credit_row);
    if (UNLIKELY((debit->reserved | credit->reserved) & ACCOUNT_HAS_CELLS)) {
        const bool is_hold = (t->flags & TRANSFER_PENDING) != 0;
        const struct cell_posting posting = {
            .debit_row = debit_row,
            .credit_row = credit_row,
            .posted = is_hold ? 0 : amount,
            .held = is_hold ? amount : 0,
        };
        const enum create_transfer_result result = cells_post(ledger, &posting);
        if (result != CREATE_TRANSFER_CREATED) return result;
    }
    account_touch(ledger, debit_row);
    account_touch(ledger, credit_row);
    (void)transfer_outcome(run, t, ahead, debit_row, credit_row, amount, t->code, timestamp);
    if (t->flags & TRANSFER_PENDING) {
        debit->debits_pending += amount;
        credit->credits_pending += amount;
        if (t->flags & TRANSFER_CLOSING_DEBIT) debit->flags |= ACCOUNT_CLOSED;
        if (t->flags & TRANSFER_CLOSING_CREDIT) credit->flags |= ACCOUNT_CLOSED;
        const struct hold hold = {
            .id = t->id,
            .amount = amount,
            .user_data_128 = t->user_data_128,
            .user_data_64 = t->user_data_64,
            .timestamp = timestamp,
            .expires_at = t->timeout == 0 ? 0 : timestamp + (u64)t->timeout * NS_PER_S,
            .row = ledger->history->next_row - 1,
            .user_data_32 = t->user_data_32,
            .debit_row = debit_row,
            .credit_row = credit_row,
            .code = t->code,
            .flags = t->flags,
        };
        run->status = hold_open(ledger, &hold, run->failure);
    } else {
        debit->debits_posted += amount;
        credit->credits_posted += amount;
    }
    posting_count(ledger, debit_row, timestamp);
    posting_count(ledger, credit_row, timestamp);
    return CREATE_TRANSFER_CREATED;
}

// --- single-phase and pending transfers ----------------------------------------------------------

static enum create_transfer_result check_fields(const struct transfer *t)
{
    if (t->debit_account_id == 0) return CREATE_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (t->debit_account_id == U128_MAX) {
        return CREATE_TRANSFER_DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    }
    if (t->credit_account_id == 0) return CREATE_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO;
    if (t->credit_account_id == U128_MAX) {
        return CREATE_TRANSFER_CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX;
    }
    if (t->credit_account_id == t->debit_account_id) {
        return CREATE_TRANSFER_ACCOUNTS_MUST_BE_DIFFERENT;
    }
    if (t->pending_id != 0) return CREATE_TRANSFER_PENDING_ID_MUST_BE_ZERO;
    if ((t->flags & TRANSFER_PENDING) == 0) {
        if (t->timeout != 0) return CREATE_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER;
        if (t->flags & (TRANSFER_CLOSING_DEBIT | TRANSFER_CLOSING_CREDIT)) {
            return CREATE_TRANSFER_CLOSING_TRANSFER_MUST_BE_PENDING;
        }
    }
    if (t->ledger == 0) return CREATE_TRANSFER_LEDGER_MUST_NOT_BE_ZERO;
    if (t->code == 0) return CREATE_TRANSFER_CODE_MUST_NOT_BE_ZERO;
    return CREATE_TRANSFER_CREATED;
}

static enum create_transfer_result check_imported(const struct run *run, const struct transfer *t,
                                                  const struct account *debit,
                                                  const struct account *credit, u64 timestamp)
{
    if (timestamp_is_taken(run, timestamp)) {
        return CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
    }
    if (timestamp <= debit->timestamp) {
        return CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT;
    }
    if (timestamp <= credit->timestamp) {
        return CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT;
    }
    if (t->timeout != 0) return CREATE_TRANSFER_IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO;
    return CREATE_TRANSFER_CREATED;
}

static enum create_transfer_result decide_single(struct run *run, const struct transfer *t,
                                                 const struct ahead *ahead, u64 timestamp)
{
    const struct ledger *ledger = run->ledger;
    enum create_transfer_result result = check_fields(t);
    if (UNLIKELY(result != CREATE_TRANSFER_CREATED)) return result;
    u32 debit_row = account_resolve(run, t->debit_account_id, ahead->debit_row);
    if (UNLIKELY(debit_row == ROW_NONE)) return CREATE_TRANSFER_DEBIT_ACCOUNT_NOT_FOUND;
    u32 credit_row = account_resolve(run, t->credit_account_id, ahead->credit_row);
    if (UNLIKELY(credit_row == ROW_NONE)) return CREATE_TRANSFER_CREDIT_ACCOUNT_NOT_FOUND;
    const struct account *debit = ledger_account(ledger, debit_row);
    const struct account *credit = ledger_account(ledger, credit_row);
    if (debit->ledger != credit->ledger) return CREATE_TRANSFER_ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER;
    if (t->ledger != debit->ledger) {
        return CREATE_TRANSFER_TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS;
    }
    if (UNLIKELY(t->flags & TRANSFER_IMPORTED)) {
        result = check_imported(run, t, debit, credit, timestamp);
        if (result != CREATE_TRANSFER_CREATED) return result;
    }
    if (debit->flags & ACCOUNT_CLOSED) return CREATE_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED;
    if (credit->flags & ACCOUNT_CLOSED) return CREATE_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED;
    u128 amount = t->amount;
    if (t->flags & TRANSFER_BALANCING_DEBIT) {
        amount =
            at_most(amount, debit->credits_posted, debit->debits_posted + debit->debits_pending);
    }
    if (t->flags & TRANSFER_BALANCING_CREDIT) {
        amount = at_most(amount, credit->debits_posted,
                         credit->credits_posted + credit->credits_pending);
    }
    result = overflow_check(t, debit, credit, amount, timestamp);
    if (UNLIKELY(result != CREATE_TRANSFER_CREATED)) return result;
    if (LIKELY(run->rows == NULL)) { // Those of a plan are looked at when it is in.
        if (exceeds_credits(debit, amount)) return CREATE_TRANSFER_EXCEEDS_CREDITS;
        if (exceeds_debits(credit, amount)) return CREATE_TRANSFER_EXCEEDS_DEBITS;
    }
    return transfer_apply(run, t, ahead, debit_row, credit_row, amount, timestamp);
}

// --- posts and voids -----------------------------------------------------------------------------

// What is known of a pending transfer, open or not.
struct pending {
    u64 row;      // In history.
    u32 hold_row; // ROW_NONE when it is no longer open.
    u32 debit_row;
    u32 credit_row;
    u128 amount;
    u64 expires_at;
    u16 code;
    u16 flags;
};

// A pending transfer of another class is not there for this one.
static enum create_transfer_result class_check(const struct run *run, u32 debit_row)
{
    return account_class(account_at(run->ledger, debit_row)) == run->batch->owner_class
               ? CREATE_TRANSFER_CREATED
               : CREATE_TRANSFER_PENDING_TRANSFER_NOT_FOUND;
}

static enum create_transfer_result pending_find(struct run *run, const struct transfer *t,
                                                struct pending *pending)
{
    const struct ledger *ledger = run->ledger;
    u64 hash = history_hash_id(ledger->history, t->pending_id);
    u32 hold_row = hold_find(ledger, t->pending_id, hash);
    if (LIKELY(hold_row != ROW_NONE)) {
        const struct hold *hold = hold_at(ledger, hold_row);
        *pending = (struct pending){
            .row = hold->row,
            .hold_row = hold_row,
            .debit_row = hold->debit_row,
            .credit_row = hold->credit_row,
            .amount = hold->amount,
            .expires_at = hold->expires_at,
            .code = hold->code,
            .flags = hold->flags,
        };
        return class_check(run, pending->debit_row);
    }
    u32 slot = 0;
    u64 row = transfer_row(run, t->pending_id, hash, &slot);
    if (row == 0 || run->status != STATUS_OK) return CREATE_TRANSFER_PENDING_TRANSFER_NOT_FOUND;
    struct outcome outcome;
    run->status = history_row(ledger->history, run->set, row - 1, &outcome, run->failure);
    if (run->status != STATUS_OK || outcome.result != OUTCOME_CREATED) {
        return CREATE_TRANSFER_PENDING_TRANSFER_NOT_FOUND;
    }
    if ((outcome.flags & TRANSFER_PENDING) == 0)
        return CREATE_TRANSFER_PENDING_TRANSFER_NOT_PENDING;
    *pending = (struct pending){
        .row = row - 1,
        .hold_row = ROW_NONE,
        .debit_row = outcome.debit_row,
        .credit_row = outcome.credit_row,
        .amount = outcome.amount,
        .code = outcome.code,
        .flags = outcome.flags,
    };
    return class_check(run, pending->debit_row);
}

// Why a pending transfer that is not open is not.
static enum create_transfer_result pending_fate(struct run *run, const struct transfer *t,
                                                const struct pending *pending)
{
    u64 row = 0;
    struct outcome outcome = {0};
    run->status = history_find_resolution(run->ledger->history, run->set, t->pending_id,
                                          pending->row, &row, run->failure);
    if (run->status == STATUS_OK) {
        assert(row != 0);
        run->status = history_row(run->ledger->history, run->set, row - 1, &outcome, run->failure);
    }
    if (outcome.kind == OUTCOME_EXPIRY) return CREATE_TRANSFER_PENDING_TRANSFER_EXPIRED;
    return outcome.flags & TRANSFER_POST_PENDING ? CREATE_TRANSFER_PENDING_TRANSFER_ALREADY_POSTED
                                                 : CREATE_TRANSFER_PENDING_TRANSFER_ALREADY_VOIDED;
}

static enum create_transfer_result check_post_fields(const struct transfer *t)
{
    const u16 both = TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING;
    const u16 others = TRANSFER_PENDING | TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT |
                       TRANSFER_CLOSING_DEBIT | TRANSFER_CLOSING_CREDIT;
    if ((t->flags & both) == both || (t->flags & others) != 0) {
        return CREATE_TRANSFER_FLAGS_ARE_MUTUALLY_EXCLUSIVE;
    }
    if (t->pending_id == 0) return CREATE_TRANSFER_PENDING_ID_MUST_NOT_BE_ZERO;
    if (t->pending_id == U128_MAX) return CREATE_TRANSFER_PENDING_ID_MUST_NOT_BE_INT_MAX;
    if (t->pending_id == t->id) return CREATE_TRANSFER_PENDING_ID_MUST_BE_DIFFERENT;
    if (t->timeout != 0) return CREATE_TRANSFER_TIMEOUT_RESERVED_FOR_PENDING_TRANSFER;
    return CREATE_TRANSFER_CREATED;
}

static enum create_transfer_result check_against_pending(const struct transfer *t,
                                                         const struct pending *pending,
                                                         const struct account *debit,
                                                         const struct account *credit)
{
    if (t->debit_account_id != 0 && t->debit_account_id != debit->id) {
        return CREATE_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID;
    }
    if (t->credit_account_id != 0 && t->credit_account_id != credit->id) {
        return CREATE_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID;
    }
    if (t->ledger != 0 && t->ledger != debit->ledger) {
        return CREATE_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_LEDGER;
    }
    if (t->code != 0 && t->code != pending->code) {
        return CREATE_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_CODE;
    }
    return CREATE_TRANSFER_CREATED;
}

static enum create_transfer_result post_apply(struct run *run, const struct transfer *t,
                                              const struct ahead *ahead,
                                              const struct pending *pending, u128 amount,
                                              u64 timestamp)
{
    struct ledger *ledger = run->ledger;
    const struct hold hold = *hold_at(ledger, pending->hold_row);
    struct account *debit = account_at(ledger, pending->debit_row);
    struct account *credit = account_at(ledger, pending->credit_row);
    if (UNLIKELY((debit->reserved | credit->reserved) & ACCOUNT_HAS_CELLS)) {
        const struct cell_posting posting = {
            .debit_row = pending->debit_row,
            .credit_row = pending->credit_row,
            .posted = t->flags & TRANSFER_POST_PENDING ? amount : 0,
            .released = hold.amount,
        };
        const enum create_transfer_result result = cells_post(ledger, &posting);
        if (result != CREATE_TRANSFER_CREATED) return result;
    }
    account_touch(ledger, pending->debit_row);
    account_touch(ledger, pending->credit_row);
    assert(debit->debits_pending >= hold.amount && credit->credits_pending >= hold.amount); // G1
    debit->debits_pending -= hold.amount;
    credit->credits_pending -= hold.amount;
    if (t->flags & TRANSFER_POST_PENDING) {
        debit->debits_posted += amount;
        credit->credits_posted += amount;
    } else {
        // A void re-opens what the pending transfer closed.
        if (hold.flags & TRANSFER_CLOSING_DEBIT) debit->flags &= (u16)~ACCOUNT_CLOSED;
        if (hold.flags & TRANSFER_CLOSING_CREDIT) credit->flags &= (u16)~ACCOUNT_CLOSED;
    }
    struct outcome *outcome = transfer_outcome(run, t, ahead, pending->debit_row,
                                               pending->credit_row, amount, hold.code, timestamp);
    u64 distance = ledger->history->next_row - 1 - hold.row;
    outcome->pending_distance =
        distance < OUTCOME_PENDING_FAR ? (u32)distance : OUTCOME_PENDING_FAR;
    resolution_put(ledger, t->pending_id);
    hold_close(ledger, pending->hold_row);
    struct ledger_resolved *resolved = run->batch->resolved;
    struct transfer *whole = &resolved->items[resolved->count++];
    *whole = *t;
    whole->user_data_128 = t->user_data_128 != 0 ? t->user_data_128 : hold.user_data_128;
    whole->user_data_64 = t->user_data_64 != 0 ? t->user_data_64 : hold.user_data_64;
    whole->user_data_32 = t->user_data_32 != 0 ? t->user_data_32 : hold.user_data_32;
    posting_count(ledger, pending->debit_row, timestamp);
    posting_count(ledger, pending->credit_row, timestamp);
    return CREATE_TRANSFER_CREATED;
}

static enum create_transfer_result decide_post(struct run *run, const struct transfer *t,
                                               const struct ahead *ahead, u64 timestamp)
{
    enum create_transfer_result result = check_post_fields(t);
    if (result != CREATE_TRANSFER_CREATED) return result;
    struct pending pending;
    result = pending_find(run, t, &pending);
    if (result != CREATE_TRANSFER_CREATED) return result;
    const struct account *debit = account_at(run->ledger, pending.debit_row);
    const struct account *credit = account_at(run->ledger, pending.credit_row);
    result = check_against_pending(t, &pending, debit, credit);
    if (result != CREATE_TRANSFER_CREATED) return result;
    bool is_void = (t->flags & TRANSFER_VOID_PENDING) != 0;
    bool whole = is_void ? t->amount == 0 : t->amount == U128_MAX;
    u128 amount = whole ? pending.amount : t->amount;
    if (amount > pending.amount) return CREATE_TRANSFER_EXCEEDS_PENDING_TRANSFER_AMOUNT;
    if (is_void && amount < pending.amount) {
        return CREATE_TRANSFER_PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT;
    }
    if (pending.hold_row == ROW_NONE) return pending_fate(run, t, &pending);
    if (pending.expires_at != 0 && pending.expires_at <= timestamp) {
        return CREATE_TRANSFER_PENDING_TRANSFER_EXPIRED;
    }
    if (timestamp_is_taken(run, timestamp)) { // Only one that is imported may have it.
        return CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS;
    }
    if (!is_void && (debit->flags & ACCOUNT_CLOSED)) {
        return CREATE_TRANSFER_DEBIT_ACCOUNT_ALREADY_CLOSED;
    }
    if (!is_void && (credit->flags & ACCOUNT_CLOSED)) {
        return CREATE_TRANSFER_CREDIT_ACCOUNT_ALREADY_CLOSED;
    }
    return post_apply(run, t, ahead, &pending, amount, timestamp);
}

// --- events and chains ---------------------------------------------------------------------------

// Rules in the order of ledger.def, from `reserved_flag` on; `timestamp` is the event's.
static enum create_transfer_result transfer_decide(struct run *run, const struct transfer *t,
                                                   const struct ahead *ahead, u64 timestamp)
{
    const u16 known = TRANSFER_LINKED | TRANSFER_PENDING | TRANSFER_POST_PENDING |
                      TRANSFER_VOID_PENDING | TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT |
                      TRANSFER_CLOSING_DEBIT | TRANSFER_CLOSING_CREDIT | TRANSFER_IMPORTED;
    if (UNLIKELY(t->flags & ~known)) return CREATE_TRANSFER_RESERVED_FLAG;
    if (UNLIKELY(t->id == 0)) return CREATE_TRANSFER_ID_MUST_NOT_BE_ZERO;
    if (UNLIKELY(t->id == U128_MAX)) return CREATE_TRANSFER_ID_MUST_NOT_BE_INT_MAX;
    u64 row = transfer_row(run, t->id, ahead->id_hash, &run->slot);
    if (UNLIKELY(run->status != STATUS_OK)) return CREATE_TRANSFER_EXISTS;
    if (UNLIKELY(row != 0)) return transfer_exists(run, t, row - 1);
    if (t->flags & (TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING)) {
        return decide_post(run, t, ahead, timestamp);
    }
    return decide_single(run, t, ahead, timestamp);
}

// The rules that come before the transfer itself is looked at.
static enum create_transfer_result event_decide(struct run *run, u32 i, const struct ahead *ahead,
                                                bool broken)
{
    const struct transfer *events = run->batch->events;
    const struct transfer *t = &events[i];
    u64 timestamp = run->result_timestamp;
    if (UNLIKELY((t->flags & TRANSFER_LINKED) && i == run->batch->count - 1)) {
        return CREATE_TRANSFER_LINKED_EVENT_CHAIN_OPEN;
    }
    if (UNLIKELY(broken)) return CREATE_TRANSFER_LINKED_EVENT_FAILED;
    bool imported = (t->flags & TRANSFER_IMPORTED) != 0;
    if (UNLIKELY(imported != ((events[0].flags & TRANSFER_IMPORTED) != 0))) {
        return imported ? CREATE_TRANSFER_IMPORTED_EVENT_NOT_EXPECTED
                        : CREATE_TRANSFER_IMPORTED_EVENT_EXPECTED;
    }
    if (UNLIKELY(imported)) {
        if (t->timestamp < LEDGER_TIMESTAMP_MIN || t->timestamp > LEDGER_TIMESTAMP_MAX) {
            return CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE;
        }
        if (t->timestamp >= run->batch->timestamp) {
            return CREATE_TRANSFER_IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE;
        }
        timestamp = t->timestamp;
    } else if (UNLIKELY(t->timestamp != 0)) {
        return CREATE_TRANSFER_TIMESTAMP_MUST_BE_ZERO;
    }
    return transfer_decide(run, t, ahead, timestamp);
}

// Leaves the row of a refusal, and burns the id if the reason is transient (L3). A plan's is not:
// its ids are made by the machine, and what was refused may be decided again.
static void event_refuse(struct run *run, u32 i, u32 result, u64 timestamp, u64 id_hash)
{
    struct ledger *ledger = run->ledger;
    const struct transfer *t = (const struct transfer *)run->batch->events + i;
    run->batch->results[i] = (struct create_result){.timestamp = timestamp, .status = result};
    struct outcome *outcome = history_append(ledger->history);
    *outcome = (struct outcome){
        .id = t->id,
        .amount = t->amount,
        .timestamp = timestamp,
        .debit_row = ROW_NONE,
        .credit_row = ROW_NONE,
        .flags = t->flags,
        .code = t->code,
        .kind = (u8)run->kind,
        .result = (u8)result,
    };
    outcome_set_place(outcome, event_place(run, t));
    if (run->rows != NULL || !ledger_result_is_transient(result)) return;
    struct history_segment *active = ledger->history->active;
    u32 slot = 0;
    u32 found = history_live_find(active->live, id_hash, t->id, &slot);
    assert(found == 0);
    key_put(ledger, id_hash, slot);
    if (t->id > active->id_max) active->id_max = t->id;
}

static u64 event_timestamp(const struct ledger_batch *batch, u32 i)
{
    return batch->timestamp - batch->count + i + 1;
}

// Takes the chain back and leaves a refusal for each of its events before `i`.
static void chain_break(struct run *run, u32 chain, u32 i)
{
    scope_rollback(run->ledger, run->batch->resolved);
    for (u32 j = chain; j < i; j++) {
        event_refuse(run, j, CREATE_TRANSFER_LINKED_EVENT_FAILED, event_timestamp(run->batch, j),
                     0);
    }
}

// Whether a plan, all of whose postings are in, breaks a limit or a constraint. Then it is taken
// back, and each posting has its refusal.
static bool plan_is_refused(struct run *run)
{
    struct ledger *ledger = run->ledger;
    const struct ledger_batch *batch = run->batch;
    const enum create_transfer_result result =
        limits_check(ledger, batch->rows, batch->count, batch->refusal);
    if (result == CREATE_TRANSFER_CREATED &&
        (batch->is_fact || constraints_hold(ledger, batch->refusal))) {
        constraints_settle(ledger, batch->timestamp);
        return false;
    }
    scope_rollback(ledger, batch->resolved);
    for (u32 i = 0; i < batch->count; i++) {
        const bool is_first = i == batch->refusal->posting;
        event_refuse(run, i, (u32)(is_first ? result : CREATE_TRANSFER_LINKED_EVENT_FAILED),
                     event_timestamp(batch, i), 0);
    }
    return true;
}

enum status ledger_create_transfers(struct ledger *ledger, const struct ledger_batch *batch,
                                    struct failure *failure)
{
    assert(batch->count <= LEDGER_EVENTS_MAX);
    const struct transfer *events = batch->events;
    const bool is_plan = batch->rows != NULL;
    struct run run = {
        .ledger = ledger,
        .batch = batch,
        .rows = batch->rows,
        .place_step = is_plan ? 0 : sizeof(struct transfer),
        .kind = is_plan ? OUTCOME_POSTING : OUTCOME_TRANSFER,
        .set = history_set_acquire(ledger->history),
        .failure = failure,
    };
    u32 chain = ROW_NONE; // First event of the open chain.
    bool broken = false;
    for (u32 step = 0; step < batch->count + AHEAD_SLOTS && run.status == STATUS_OK; step++) {
        if (step < batch->count) {
            ahead_slots(&run, step, &run.ring[step % AHEAD_RING]);
        }
        u32 half = step - (AHEAD_SLOTS - AHEAD_ACCOUNTS);
        if (half < batch->count) {
            ahead_accounts(&run, &events[half], &run.ring[half % AHEAD_RING]);
        }
        if (step < AHEAD_SLOTS) continue;
        u32 i = step - AHEAD_SLOTS;
        const struct transfer *t = &events[i];
        const struct ahead *ahead = &run.ring[i % AHEAD_RING];
        bool linked = (t->flags & TRANSFER_LINKED) != 0;
        if (UNLIKELY((linked | is_plan) && chain == ROW_NONE)) {
            chain = i;
            scope_begin(ledger, batch->resolved);
        }
        run.result_timestamp = event_timestamp(batch, i);
        enum create_transfer_result result = event_decide(&run, i, ahead, broken);
        if (LIKELY(result == CREATE_TRANSFER_CREATED)) {
            batch->results[i] =
                (struct create_result){.timestamp = run.result_timestamp, .status = (u32)result};
        } else if (run.status == STATUS_OK) {
            if (chain != ROW_NONE && !broken) {
                broken = true;
                chain_break(&run, chain, i);
            }
            event_refuse(&run, i, (u32)result, run.result_timestamp, ahead->id_hash);
        }
        if (UNLIKELY(chain != ROW_NONE &&
                     (!linked || result == CREATE_TRANSFER_LINKED_EVENT_CHAIN_OPEN))) {
            if (!broken && is_plan && run.status == STATUS_OK) broken = plan_is_refused(&run);
            if (!broken) scope_commit(ledger);
            chain = ROW_NONE;
            broken = false;
        }
    }
    history_set_release(ledger->history, run.set);
    return run.status;
}
