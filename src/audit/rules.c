// SPDX-License-Identifier: Apache-2.0
//
// Rules of accounts and transfers, one after the other.
#include "audit/rules.h"

static bool id_is_possible(u128 id)
{
    return id != 0 && id != U128_MAX;
}

// Of an imported event the client says when it was; of any other nobody but the log.
static bool time_is_possible(bool is_imported, u64 timestamp)
{
    return is_imported ? timestamp > 0 && timestamp <= AUDIT_TIMESTAMP_MAX : timestamp == 0;
}

const char *audit_account_rule(const struct audit_account_record *event)
{
    const u16 limits = AUDIT_ACCOUNT_DEBITS_LIMITED | AUDIT_ACCOUNT_CREDITS_LIMITED;
    const bool is_imported = (event->flags & AUDIT_ACCOUNT_IMPORTED) != 0;
    if (!is_zero(&event->debits_pending, 64) || event->postings != 0 || event->owner_class != 0) {
        return "it has balances, or a field that must be zero";
    }
    if (!id_is_possible(event->id)) return "its id is 0 or 2^128-1";
    if (event->flags & ~AUDIT_ACCOUNT_FLAGS) return "it has a flag that is not known";
    if ((event->flags & limits) == limits) return "it is limited on both sides";
    if (event->ledger == 0 || event->code == 0) return "its ledger or code is 0";
    if (!time_is_possible(is_imported, event->timestamp)) return "it has a time that cannot be";
    return NULL;
}

static const char *single_rule(const struct audit_transfer_record *event)
{
    const u16 closing = AUDIT_TRANSFER_CLOSING_DEBIT | AUDIT_TRANSFER_CLOSING_CREDIT;
    const bool is_pending = (event->flags & AUDIT_TRANSFER_PENDING) != 0;
    const bool is_imported = (event->flags & AUDIT_TRANSFER_IMPORTED) != 0;
    if (!id_is_possible(event->debit_account_id) || !id_is_possible(event->credit_account_id)) {
        return "an id of an account is 0 or 2^128-1";
    }
    if (event->debit_account_id == event->credit_account_id) return "its accounts are the same";
    if (event->pending_id != 0) return "it names a hold, but neither posts nor voids one";
    if (event->timeout != 0 && (!is_pending || is_imported)) {
        return "it has a timeout, but holds nothing, or was imported";
    }
    if ((event->flags & closing) && !is_pending) return "it closes an account, but holds nothing";
    if (event->ledger == 0 || event->code == 0) return "its ledger or code is 0";
    return NULL;
}

static const char *resolution_rule(const struct audit_transfer_record *event)
{
    const u16 both = AUDIT_TRANSFER_POST | AUDIT_TRANSFER_VOID;
    const u16 known = both | AUDIT_TRANSFER_LINKED | AUDIT_TRANSFER_IMPORTED;
    if ((event->flags & both) == both) return "it posts and voids";
    if (event->flags & ~known) return "it has a flag that a post or void cannot have";
    if (!id_is_possible(event->pending_id) || event->pending_id == event->id) {
        return "its hold has the id 0 or 2^128-1, or its own";
    }
    if (event->timeout != 0) return "it has a timeout, but holds nothing";
    return NULL;
}

const char *audit_transfer_rule(const struct audit_transfer_record *event)
{
    const bool is_imported = (event->flags & AUDIT_TRANSFER_IMPORTED) != 0;
    if (!id_is_possible(event->id)) return "its id is 0 or 2^128-1";
    if (event->flags & ~AUDIT_TRANSFER_FLAGS) return "it has a flag that is not known";
    if (!time_is_possible(is_imported, event->timestamp)) return "it has a time that cannot be";
    return event->flags & (AUDIT_TRANSFER_POST | AUDIT_TRANSFER_VOID) ? resolution_rule(event)
                                                                      : single_rule(event);
}
