// SPDX-License-Identifier: Apache-2.0
//
// What this machine does in memory with the plainest loop: the measure beside the server's rate.
#include "cli/bench_internal.h"

#include "base/hash.h"
#include "os/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

// Open addressing with linear probing, sized at the beginning.
struct probe_table {
    u32 *rows; // The row plus one; 0 is empty.
    u64 mask;
    size_t size;
};

struct probe {
    struct hash_key key;
    struct probe_table account_table, id_table;
    struct account *accounts;
    struct transfer *history;
    size_t accounts_size, history_size;
    u64 count; // Rows of history.
};

static void *reserve(size_t size)
{
    void *memory = NULL;
    struct failure failure;
    const enum status status = memory_reserve(size, true, &memory, &failure);
    assert(status == STATUS_OK);
    return memory;
}

static struct probe_table table_make(u64 entries)
{
    u64 slots = 1024;
    while (slots < entries * 2) slots *= 2;
    const size_t size = slots * sizeof(u32);
    return (struct probe_table){.rows = reserve(size), .mask = slots - 1, .size = size};
}

static u64 account_row(const struct probe *probe, u128 id)
{
    u64 slot = hash_u128(&probe->key, id) & probe->account_table.mask;
    for (;; slot = (slot + 1) & probe->account_table.mask) {
        const u32 row = probe->account_table.rows[slot];
        if (row == 0) return U64_MAX;
        if (probe->accounts[row - 1].id == id) return row - 1;
    }
}

// The slot for a new id, or U64_MAX when the id is known.
static u64 id_slot(const struct probe *probe, u128 id)
{
    u64 slot = hash_u128(&probe->key, id) & probe->id_table.mask;
    for (;; slot = (slot + 1) & probe->id_table.mask) {
        const u32 row = probe->id_table.rows[slot];
        if (row == 0) return slot;
        if (probe->history[row - 1].id == id) return U64_MAX;
    }
}

static void probe_apply(struct probe *probe, const struct transfer *transfers, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        const struct transfer *transfer = &transfers[i];
        const u64 slot = id_slot(probe, transfer->id);
        const u64 debit = account_row(probe, transfer->debit_account_id);
        const u64 credit = account_row(probe, transfer->credit_account_id);
        if (slot == U64_MAX || debit == U64_MAX || credit == U64_MAX) continue;
        probe->accounts[debit].debits_posted += transfer->amount;
        probe->accounts[credit].credits_posted += transfer->amount;
        probe->history[probe->count] = *transfer;
        probe->history[probe->count].timestamp = probe->count + 1;
        probe->id_table.rows[slot] = (u32)++probe->count;
    }
}

static void accounts_fill(struct probe *probe, u64 accounts)
{
    for (u64 row = 0; row < accounts; row++) {
        bench_account(row, &probe->accounts[row]);
        const u64 mask = probe->account_table.mask;
        u64 slot = hash_u128(&probe->key, probe->accounts[row].id) & mask;
        while (probe->account_table.rows[slot] != 0) slot = (slot + 1) & mask;
        probe->account_table.rows[slot] = (u32)(row + 1);
    }
}

u64 bench_probe(const struct bench_content *content, u64 transfers)
{
    static const u64 transfers_max = 10000000; // 1.3 GB of history.
    // It only knows plain transfers.
    struct bench_content plain = *content;
    plain.is_two_phase = false;
    transfers = MIN(transfers, transfers_max);
    struct probe probe = {
        .key = {{0x6a09e667f3bcc908ull, 0xbb67ae8584caa73bull, 0x3c6ef372fe94f82bull,
                 0xa54ff53a5f1d36f1ull}},
        .accounts_size = content->accounts * sizeof(struct account),
        .history_size = transfers * sizeof(struct transfer),
        .account_table = table_make(content->accounts),
        .id_table = table_make(transfers),
    };
    probe.accounts = reserve(probe.accounts_size);
    probe.history = reserve(probe.history_size);
    struct transfer *batch =
        aligned_alloc(PAGE_SIZE, align_up(LEDGER_BATCH_EVENTS_MAX * sizeof *batch, PAGE_SIZE));
    assert(batch != NULL);
    accounts_fill(&probe, content->accounts);
    u64 ns = 0;
    for (u64 first = 0; first < transfers; first += LEDGER_BATCH_EVENTS_MAX) {
        const u32 count = (u32)MIN(LEDGER_BATCH_EVENTS_MAX, transfers - first);
        for (u32 i = 0; i < count; i++) bench_transfer(&plain, first + i, &batch[i]);
        const u64 began_at = compat_client_now();
        probe_apply(&probe, batch, count);
        ns += compat_client_now() - began_at;
    }
    assert(probe.count == transfers);
    free(batch);
    memory_release(probe.accounts, probe.accounts_size);
    memory_release(probe.history, probe.history_size);
    memory_release(probe.account_table.rows, probe.account_table.size);
    memory_release(probe.id_table.rows, probe.id_table.size);
    return (u64)((u128)transfers * NS_PER_S / MAX(ns, (u64)1));
}
