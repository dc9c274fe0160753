// SPDX-License-Identifier: Apache-2.0
//
// What the model keeps; shared by its state (ledger_model_state.c), its rules (ledger_model.c) and
// its answers (ledger_model_ask.c).
#ifndef TAEL_LEDGER_LEDGER_MODEL_INTERNAL_H
#define TAEL_LEDGER_LEDGER_MODEL_INTERNAL_H

#include "ledger/ledger_model.h"

enum pending_state {
    STATE_NONE, // Not a pending transfer.
    STATE_PENDING,
    STATE_POSTED,
    STATE_VOIDED,
    STATE_EXPIRED,
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

// Memory, or the end of the process.
void *ledger_model_realloc(void *old, size_t size);

// The item at a position that exists.
static inline void *list_at(const struct list *list, u32 position)
{
    assert(position < list->count);
    return list->items + (size_t)position * list->item_size;
}
// The item with this id, or NULL.
void *ledger_model_list_find(const struct list *list, u128 id);

// Appends a copy of an item; returns where it is.
void *ledger_model_list_append(struct list *list, const void *item);

// Items by position, and by id (NULL when there is none); valid until the list grows.
static inline struct account *account_at(const struct ledger_model *model, u32 position)
{
    return list_at(&model->accounts, position);
}
static inline struct kept_transfer *transfer_at(const struct ledger_model *model, u32 position)
{
    return list_at(&model->transfers, position);
}
static inline struct account *find_account(const struct ledger_model *model, u128 id)
{
    return ledger_model_list_find(&model->accounts, id);
}
static inline struct kept_transfer *find_transfer(const struct ledger_model *model, u128 id)
{
    return ledger_model_list_find(&model->transfers, id);
}

// Whether an account, or a transfer, has exactly that timestamp.
bool ledger_model_account_has_timestamp(const struct ledger_model *model, u64 timestamp);
bool ledger_model_transfer_has_timestamp(const struct ledger_model *model, u64 timestamp);
// Of the one created last; 0 when there is none.
u64 ledger_model_last_account_timestamp(const struct ledger_model *model);
u64 ledger_model_last_transfer_timestamp(const struct ledger_model *model);

// Begins a chain; ends it and keeps what it did; or takes it back: then everything is as it was
// when it began, but for ids that are burned, which stay burned.
void ledger_model_chain_open(struct ledger_model *model);
void ledger_model_chain_persist(struct ledger_model *model);
void ledger_model_chain_discard(struct ledger_model *model);

// -1, 0 or 1, for sorting.
static inline int compare_u64(u64 a, u64 b)
{
    return (a > b) - (a < b);
}
// Whether the sum does not fit.
static inline bool sum_overflows(u128 a, u128 b)
{
    return a > U128_MAX - b;
}
// Whether the amount more would break the account's own limit (N2).
static inline bool exceeds_credits(const struct account *a, u128 amount)
{
    return (a->flags & ACCOUNT_DEBITS_MUST_NOT_EXCEED_CREDITS) &&
           a->debits_pending + a->debits_posted + amount > a->credits_posted;
}
static inline bool exceeds_debits(const struct account *a, u128 amount)
{
    return (a->flags & ACCOUNT_CREDITS_MUST_NOT_EXCEED_DEBITS) &&
           a->credits_pending + a->credits_posted + amount > a->debits_posted;
}

#endif
