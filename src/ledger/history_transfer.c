// SPDX-License-Identifier: Apache-2.0
//
// The transfer of a row, made whole from its request in the log.
#include "ledger/history_query_internal.h"

#include "base/place.h"

enum status history_pending(const struct history_view *view, u64 row, const struct outcome *outcome,
                            u128 pending_id, u64 *out_row, struct outcome *out,
                            struct failure *failure)
{
    assert(outcome->pending_distance != 0);
    *out_row = row - outcome->pending_distance;
    if (outcome->pending_distance == OUTCOME_PENDING_FAR) {
        u64 found = 0;
        enum status status =
            history_find_older(view->history, view->set, pending_id,
                               history_hash_id(view->history, pending_id), &found, failure);
        if (status != STATUS_OK) return status;
        if (found == 0) {
            failure_note(failure, STATUS_CORRUPT,
                         "history: the pending transfer of row %llu is not to be found",
                         (unsigned long long)row);
            return STATUS_CORRUPT;
        }
        *out_row = found - 1;
    }
    return history_row(view->history, view->set, *out_row, out, failure);
}

// Whether a request says what its row does, as far as rows repeat it. No digest is at hand for one
// request: those of the log are of whole frames.
static bool request_is_of(const struct history_view *view, const struct outcome *outcome,
                          const struct transfer *request)
{
    if (request->id != outcome->id || request->flags != outcome->flags) return false;
    const bool is_imported = (request->flags & TRANSFER_IMPORTED) != 0;
    if (request->timestamp != (is_imported ? outcome->timestamp : 0)) return false;
    if ((request->flags & TRANSFER_PENDING) == 0 && request->timeout != 0) return false;
    const u128 debit = view->accounts[outcome->debit_row].id;
    const u128 credit = view->accounts[outcome->credit_row].id;
    const u32 ledger = view->accounts[outcome->debit_row].ledger;
    const bool ends = (request->flags & (TRANSFER_POST_PENDING | TRANSFER_VOID_PENDING)) != 0;
    if (ends) { // What is 0 is the pending transfer's.
        return (request->debit_account_id == 0 || request->debit_account_id == debit) &&
               (request->credit_account_id == 0 || request->credit_account_id == credit) &&
               (request->ledger == 0 || request->ledger == ledger) &&
               (request->code == 0 || request->code == outcome->code) && request->pending_id != 0;
    }
    const u16 balancing = TRANSFER_BALANCING_DEBIT | TRANSFER_BALANCING_CREDIT;
    return request->debit_account_id == debit && request->credit_account_id == credit &&
           request->ledger == ledger && request->code == outcome->code &&
           request->pending_id == 0 &&
           ((request->flags & balancing) != 0 || request->amount == outcome->amount);
}

enum status history_request_read(const struct history_view *view, u64 row,
                                 const struct outcome *outcome, struct transfer *out,
                                 struct failure *failure)
{
    const struct history_log *log = &view->history->log;
    u64 place = outcome_place(outcome);
    enum status status = log->read(log->context, place, out, sizeof *out, failure);
    if (status != STATUS_OK || request_is_of(view, outcome, out)) return status;
    return failure_set(failure, STATUS_CORRUPT,
                       "history: row %llu points to %s, which holds another transfer",
                       (unsigned long long)row, place_text(place).text);
}

// Completes the request of a row to the transfer as it became.
static enum status transfer_complete(const struct history_view *view, u64 row,
                                     const struct outcome *outcome, struct transfer *transfer,
                                     struct failure *failure)
{
    const struct account *debit = &view->accounts[outcome->debit_row];
    transfer->debit_account_id = debit->id;
    transfer->credit_account_id = view->accounts[outcome->credit_row].id;
    transfer->amount = outcome->amount;
    transfer->timestamp = outcome->timestamp;
    transfer->ledger = debit->ledger;
    transfer->code = outcome->code;
    if (outcome->pending_distance == 0) return STATUS_OK;
    if (transfer->user_data_128 != 0 && transfer->user_data_64 != 0 &&
        transfer->user_data_32 != 0) {
        return STATUS_OK;
    }
    u64 row_of_pending = 0;
    struct outcome held;
    struct transfer pending;
    enum status status =
        history_pending(view, row, outcome, transfer->pending_id, &row_of_pending, &held, failure);
    if (status == STATUS_OK && held.id != transfer->pending_id) {
        status = failure_set(failure, STATUS_CORRUPT,
                             "history: row %llu ends another pending transfer than its request, %s",
                             (unsigned long long)row, place_text(outcome_place(outcome)).text);
    }
    if (status == STATUS_OK) {
        status = history_request_read(view, row_of_pending, &held, &pending, failure);
    }
    if (status != STATUS_OK) return status;
    if (transfer->user_data_128 == 0) transfer->user_data_128 = pending.user_data_128;
    if (transfer->user_data_64 == 0) transfer->user_data_64 = pending.user_data_64;
    if (transfer->user_data_32 == 0) transfer->user_data_32 = pending.user_data_32;
    return STATUS_OK;
}

enum status history_references_read(const struct history_view *view, const struct outcome *outcome,
                                    struct posting_references *out, struct failure *failure)
{
    *out = (struct posting_references){0};
    if ((outcome->flags & OUTCOME_REFERENCES) == 0) return STATUS_OK;
    const struct history_log *log = &view->history->log;
    return log->read(log->context, outcome_place(outcome), out, sizeof *out, failure);
}

// A posting of a module says everything in its row, but for what it refers to and the pending
// transfer that it resolves.
static enum status posting_make(const struct history_view *view, u64 row,
                                const struct outcome *outcome, struct transfer *out,
                                struct failure *failure)
{
    const struct account *debit = &view->accounts[outcome->debit_row];
    *out = (struct transfer){
        .id = outcome->id,
        .debit_account_id = debit->id,
        .credit_account_id = view->accounts[outcome->credit_row].id,
        .amount = outcome->amount,
        .ledger = debit->ledger,
        .code = outcome->code,
        .flags = outcome->flags & (u16) ~(OUTCOME_REFERENCES | OUTCOME_DATED),
        .timestamp = outcome->timestamp,
    };
    struct posting_references references;
    enum status status = history_references_read(view, outcome, &references, failure);
    posting_refer(out, &references);
    if (status != STATUS_OK || outcome->pending_distance == 0) return status;
    // A module resolves only what it holds, and never so late that the distance does not fit.
    assert(outcome->pending_distance != OUTCOME_PENDING_FAR);
    struct outcome held;
    status = history_row(view->history, view->set, row - outcome->pending_distance, &held, failure);
    out->pending_id = held.id;
    return status;
}

enum status history_transfer(const struct history_view *view, u64 row,
                             const struct outcome *outcome, struct transfer *out,
                             struct failure *failure)
{
    assert(outcome_is_transfer(outcome) && outcome->result == OUTCOME_CREATED);
    if (outcome->kind == OUTCOME_POSTING) return posting_make(view, row, outcome, out, failure);
    enum status status = history_request_read(view, row, outcome, out, failure);
    if (status != STATUS_OK) return status;
    return transfer_complete(view, row, outcome, out, failure);
}

enum status history_change(const struct history_view *view, u64 row, const struct outcome *outcome,
                           struct transfer *out, u64 *held_row, u128 *released,
                           struct failure *failure)
{
    enum status status = STATUS_OK;
    *held_row = U64_MAX;
    *released = 0;
    if (outcome_is_transfer(outcome)) status = history_transfer(view, row, outcome, out, failure);
    if (status != STATUS_OK || outcome->pending_distance == 0) return status;
    const bool is_expiry = outcome->kind == OUTCOME_EXPIRY;
    struct outcome held;
    status = history_pending(view, row, outcome, is_expiry ? outcome->id : out->pending_id,
                             held_row, &held, failure);
    if (status != STATUS_OK) return status;
    *released = held.amount;
    return is_expiry ? history_transfer(view, *held_row, &held, out, failure) : STATUS_OK;
}
