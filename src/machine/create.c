// SPDX-License-Identifier: Apache-2.0
//
// Batches of raw accounts and transfers, applied and answered.
#include "machine/create.h"

// Keeps the refusals of one batch, as {index, result}. Returns how many bytes.
static u32 sparse_write(u8 *out, const struct create_result *results, u32 count, bool transfers)
{
    u32 size = 0;
    const u32 created = transfers ? (u32)CREATE_TRANSFER_CREATED : (u32)CREATE_ACCOUNT_CREATED;
    for (u32 i = 0; i < count; i++) {
        if (results[i].status == created) continue;
        store_u32(out + size, i);
        store_u32(out + size + 4, results[i].status);
        size += 8;
    }
    return size;
}

u32 create_reply(const struct compat_operation *operation, const struct compat_batches *batches,
                 const struct create_result *results, u8 *reply)
{
    u16 counts[COMPAT_BATCHES_MAX];
    u32 size = 0;
    u32 event = 0;
    bool transfers = operation->kind == COMPAT_KIND_CREATE_TRANSFERS;
    assert(batches->batch_count <= ARRAY_COUNT(counts));
    for (u32 i = 0; i < batches->batch_count; i++) {
        u32 count = compat_batch_count(batches, i);
        u32 bytes = 0;
        if (operation->sparse) {
            bytes = sparse_write(reply + size, results + event, count, transfers);
        } else {
            bytes = count * (u32)sizeof *results;
            if ((const void *)(reply + size) != (const void *)(results + event)) {
                memcpy(reply + size, results + event, bytes);
            }
        }
        counts[i] = (u16)(bytes / operation->result_size);
        size += bytes;
        event += count;
    }
    if (!operation->multi_batch) return size;
    return compat_trailer_write(reply, size, operation->result_size, counts, batches->batch_count);
}

enum status create_apply(struct machine *machine, const struct compat_operation *operation,
                         const struct compat_batches *batches, u64 place,
                         struct applied_frame *frame, struct applied_command *applied,
                         struct failure *failure)
{
    bool dense = !operation->sparse && applied->reply != NULL;
    struct create_result *results =
        dense ? (struct create_result *)(void *)applied->reply : machine->results;
    u32 event = 0;
    enum status status = STATUS_OK;
    for (u32 i = 0; i < batches->batch_count && status == STATUS_OK; i++) {
        u32 count = compat_batch_count(batches, i);
        u64 offset = (u64)event * operation->event_size;
        applied->timestamp += count;
        const struct ledger_batch batch = {
            .events = batches->events + offset,
            .count = count,
            .timestamp = applied->timestamp,
            .place = place + offset,
            .results = results + event,
            .resolved = &frame->resolved,
        };
        status = operation->kind == COMPAT_KIND_CREATE_ACCOUNTS
                     ? ledger_create_accounts(&machine->ledger, &batch, failure)
                     : ledger_create_transfers(&machine->ledger, &batch, failure);
        event += count;
    }
    if (status == STATUS_OK && applied->reply != NULL) {
        applied->reply_size = create_reply(operation, batches, results, applied->reply);
    }
    return status;
}

enum status create_results_again(struct machine *machine, u64 first_row, u32 count,
                                 struct create_result *results, struct failure *failure)
{
    struct history_set *set = history_set_acquire(&machine->history);
    enum status status = STATUS_OK;
    u32 found = 0;
    for (u64 row = first_row; found < count && status == STATUS_OK; row++) {
        struct outcome outcome;
        status = history_row(&machine->history, set, row, &outcome, failure);
        if (outcome.kind != OUTCOME_TRANSFER && outcome.kind != OUTCOME_ACCOUNT) continue;
        results[found++] = (struct create_result){
            .timestamp = outcome.timestamp,
            .status = outcome.result == OUTCOME_CREATED ? U32_MAX : outcome.result,
        };
    }
    history_set_release(&machine->history, set);
    return status;
}
