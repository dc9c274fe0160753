// SPDX-License-Identifier: Apache-2.0
//
// What the model keeps: lists with a hash from ids, and what a chain goes back to.
#include "ledger/ledger_model_internal.h"

#include <stdlib.h>

// --- Lists ------------------------------------------------------------------------------------

void *ledger_model_realloc(void *old, size_t size)
{
    void *memory = realloc(old, size);
    if (memory == NULL) abort();
    return memory;
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

void *ledger_model_list_append(struct list *list, const void *item)
{
    if (list->count == list->capacity) {
        list->capacity = MAX(16u, list->capacity * 2);
        list->items = ledger_model_realloc(list->items, (size_t)list->capacity * list->item_size);
    }
    if (list->slots == NULL || list->slots_used * 2 >= list->slots_capacity) list_reindex(list);
    list->count++;
    memcpy(list_at(list, list->count - 1), item, list->item_size);
    list_index(list, load_u128(item), list->count - 1);
    return list_at(list, list->count - 1);
}

void *ledger_model_list_find(const struct list *list, u128 id)
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

bool ledger_model_account_has_timestamp(const struct ledger_model *model, u64 timestamp)
{
    for (u32 i = 0; i < model->accounts.count; i++) {
        if (account_at(model, i)->timestamp == timestamp) return true;
    }
    return false;
}

bool ledger_model_transfer_has_timestamp(const struct ledger_model *model, u64 timestamp)
{
    for (u32 i = 0; i < model->transfers.count; i++) {
        if (transfer_at(model, i)->transfer.timestamp == timestamp) return true;
    }
    return false;
}

u64 ledger_model_last_account_timestamp(const struct ledger_model *model)
{
    if (model->accounts.count == 0) return 0;
    return account_at(model, model->accounts.count - 1)->timestamp;
}

u64 ledger_model_last_transfer_timestamp(const struct ledger_model *model)
{
    if (model->transfers.count == 0) return 0;
    return transfer_at(model, model->transfers.count - 1)->transfer.timestamp;
}

// --- Life -------------------------------------------------------------------------------------

struct ledger_model *ledger_model_new(void)
{
    struct ledger_model *model = ledger_model_realloc(NULL, sizeof *model);
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

void ledger_model_chain_open(struct ledger_model *model)
{
    assert(model->chain_accounts == NULL);
    const size_t size = model->accounts.count * sizeof(struct account);
    model->chain_accounts = ledger_model_realloc(NULL, size + 1);
    if (size > 0) memcpy(model->chain_accounts, model->accounts.items, size);
    model->chain_accounts_count = model->accounts.count;
    model->chain_transfers_count = model->transfers.count;
    model->chain_changes_count = model->changes.count;
}

void ledger_model_chain_persist(struct ledger_model *model)
{
    assert(model->chain_accounts != NULL);
    free(model->chain_accounts);
    model->chain_accounts = NULL;
}

void ledger_model_chain_discard(struct ledger_model *model)
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
    ledger_model_chain_persist(model);
}
