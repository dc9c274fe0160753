// SPDX-License-Identifier: Apache-2.0
//
// Operations and multi-batch bodies.
#include "machine/compat.h"

#include "ledger/ledger_schema.h"
#include "ledger/ledger_types.h"

#define ROW(n, what, of, event, result, multi, is_sparse) \
    [n] = {.name = (what),                                \
           .kind = (of),                                  \
           .event_size = (event),                         \
           .result_size = (result),                       \
           .multi_batch = (multi),                        \
           .sparse = (is_sparse)}

static const struct compat_operation operations[COMPAT_OPERATION_COUNT] = {
    ROW(COMPAT_PULSE, "pulse", COMPAT_KIND_NONE, 0, 0, false, false),
    ROW(COMPAT_UNBATCHED_CREATE_ACCOUNTS, "create_accounts (unbatched)",
        COMPAT_KIND_CREATE_ACCOUNTS, 128, 8, false, true),
    ROW(COMPAT_UNBATCHED_CREATE_TRANSFERS, "create_transfers (unbatched)",
        COMPAT_KIND_CREATE_TRANSFERS, 128, 8, false, true),
    ROW(COMPAT_UNBATCHED_LOOKUP_ACCOUNTS, "lookup_accounts (unbatched)",
        COMPAT_KIND_LOOKUP_ACCOUNTS, 16, 128, false, false),
    ROW(COMPAT_UNBATCHED_LOOKUP_TRANSFERS, "lookup_transfers (unbatched)",
        COMPAT_KIND_LOOKUP_TRANSFERS, 16, 128, false, false),
    ROW(COMPAT_UNBATCHED_GET_ACCOUNT_TRANSFERS, "get_account_transfers (unbatched)",
        COMPAT_KIND_ACCOUNT_TRANSFERS, 128, 128, false, false),
    ROW(COMPAT_UNBATCHED_GET_ACCOUNT_BALANCES, "get_account_balances (unbatched)",
        COMPAT_KIND_ACCOUNT_BALANCES, 128, 128, false, false),
    ROW(COMPAT_UNBATCHED_QUERY_ACCOUNTS, "query_accounts (unbatched)", COMPAT_KIND_QUERY_ACCOUNTS,
        64, 128, false, false),
    ROW(COMPAT_UNBATCHED_QUERY_TRANSFERS, "query_transfers (unbatched)",
        COMPAT_KIND_QUERY_TRANSFERS, 64, 128, false, false),
    ROW(COMPAT_GET_CHANGE_EVENTS, "get_change_events", COMPAT_KIND_CHANGE_EVENTS, 64, 384, false,
        false),
    ROW(COMPAT_SPARSE_CREATE_ACCOUNTS, "create_accounts (sparse)", COMPAT_KIND_CREATE_ACCOUNTS, 128,
        8, true, true),
    ROW(COMPAT_SPARSE_CREATE_TRANSFERS, "create_transfers (sparse)", COMPAT_KIND_CREATE_TRANSFERS,
        128, 8, true, true),
    ROW(COMPAT_LOOKUP_ACCOUNTS, "lookup_accounts", COMPAT_KIND_LOOKUP_ACCOUNTS, 16, 128, true,
        false),
    ROW(COMPAT_LOOKUP_TRANSFERS, "lookup_transfers", COMPAT_KIND_LOOKUP_TRANSFERS, 16, 128, true,
        false),
    ROW(COMPAT_GET_ACCOUNT_TRANSFERS, "get_account_transfers", COMPAT_KIND_ACCOUNT_TRANSFERS, 128,
        128, true, false),
    ROW(COMPAT_GET_ACCOUNT_BALANCES, "get_account_balances", COMPAT_KIND_ACCOUNT_BALANCES, 128, 128,
        true, false),
    ROW(COMPAT_QUERY_ACCOUNTS, "query_accounts", COMPAT_KIND_QUERY_ACCOUNTS, 64, 128, true, false),
    ROW(COMPAT_QUERY_TRANSFERS, "query_transfers", COMPAT_KIND_QUERY_TRANSFERS, 64, 128, true,
        false),
    ROW(COMPAT_CREATE_ACCOUNTS, "create_accounts", COMPAT_KIND_CREATE_ACCOUNTS, 128, 16, true,
        false),
    ROW(COMPAT_CREATE_TRANSFERS, "create_transfers", COMPAT_KIND_CREATE_TRANSFERS, 128, 16, true,
        false),
};

#undef ROW

const struct compat_operation *compat_operation(u8 wire)
{
    if (wire < COMPAT_OPERATION_BASE) return NULL;
    u32 number = wire - COMPAT_OPERATION_BASE;
    if (number >= COMPAT_OPERATION_COUNT || operations[number].kind == COMPAT_KIND_NONE)
        return NULL;
    return &operations[number];
}

const struct compat_operation *compat_of_record(u32 record)
{
    static const struct compat_operation accounts = {.name = "account",
                                                     .kind = COMPAT_KIND_CREATE_ACCOUNTS,
                                                     .event_size = sizeof(struct account),
                                                     .result_size = sizeof(struct create_result)};
    static const struct compat_operation transfers = {.name = "transfer",
                                                      .kind = COMPAT_KIND_CREATE_TRANSFERS,
                                                      .event_size = sizeof(struct transfer),
                                                      .result_size = sizeof(struct create_result)};
    if (record == ledger_schema_account.number) return &accounts;
    return record == ledger_schema_transfer.number ? &transfers : NULL;
}

const struct compat_operation *compat_of_question(u32 record, u32 *view)
{
    static const struct {
        const struct schema_record *question;
        enum compat_operation_number operation;
        const struct schema_record *view;
    } rows[] = {
        {&ledger_schema_account_find, COMPAT_UNBATCHED_LOOKUP_ACCOUNTS, &ledger_schema_account},
        {&ledger_schema_transfer_find, COMPAT_UNBATCHED_LOOKUP_TRANSFERS, &ledger_schema_transfer},
        {&ledger_schema_account_transfers, COMPAT_UNBATCHED_GET_ACCOUNT_TRANSFERS,
         &ledger_schema_transfer},
        {&ledger_schema_account_balances, COMPAT_UNBATCHED_GET_ACCOUNT_BALANCES,
         &ledger_schema_account_balance},
        {&ledger_schema_account_query, COMPAT_UNBATCHED_QUERY_ACCOUNTS, &ledger_schema_account},
        {&ledger_schema_transfer_query, COMPAT_UNBATCHED_QUERY_TRANSFERS, &ledger_schema_transfer},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].question->number != record) continue;
        *view = rows[i].view->number;
        return &operations[rows[i].operation];
    }
    return NULL;
}

u32 compat_trailer_size(u32 batch_count, u32 element_size)
{
    u32 bytes = 2 * batch_count + 2;
    return (bytes + element_size - 1) / element_size * element_size;
}

u32 compat_batch_count(const struct compat_batches *batches, u32 index)
{
    assert(index < batches->batch_count);
    if (!batches->multi_batch) return batches->event_count;
    return load_u16(batches->counts_end - 2 * ((size_t)index + 1));
}

// The counts of a trailer: consistent with the payload, padding intact.
static bool trailer_valid(const struct compat_operation *operation, const u8 *body, u32 size,
                          struct compat_batches *out)
{
    if (size < 2) return false;
    out->batch_count = load_u16(body + size - 2);
    out->counts_end = body + size - 2;
    if (out->batch_count == 0) return false;
    u32 trailer = compat_trailer_size(out->batch_count, operation->event_size);
    if (trailer > size) return false;
    const u8 *padding_end = body + size - 2 - 2 * (size_t)out->batch_count;
    for (const u8 *byte = body + size - trailer; byte < padding_end; byte++) {
        if (*byte != 0xFF) return false;
    }
    u64 events = 0;
    for (u32 i = 0; i < out->batch_count; i++) {
        u32 count = compat_batch_count(out, i);
        if (compat_is_query(operation) && count != 1) return false;
        events += count;
    }
    out->event_count = (u32)events;
    return events * operation->event_size == size - trailer;
}

bool compat_decode(const struct compat_operation *operation, const u8 *body, u32 size,
                   struct compat_batches *out)
{
    *out = (struct compat_batches){.events = body, .multi_batch = operation->multi_batch};
    if (size > COMPAT_BODY_SIZE_MAX) return false;
    if (operation->multi_batch) {
        if (!trailer_valid(operation, body, size, out)) return false;
    } else {
        if (size % operation->event_size != 0) return false;
        out->event_count = size / operation->event_size;
        out->batch_count = 1;
        if (compat_is_query(operation) && out->event_count != 1) return false;
    }
    if (compat_is_query(operation)) return out->batch_count <= LEDGER_BATCH_EVENTS_MAX;
    u32 trailer =
        operation->multi_batch ? compat_trailer_size(out->batch_count, operation->result_size) : 0;
    return (u64)out->event_count * operation->result_size + trailer <= COMPAT_BODY_SIZE_MAX;
}

u32 compat_trailer_write(u8 *body, u32 payload_size, u32 element_size, const u16 *counts,
                         u32 batch_count)
{
    u32 trailer = compat_trailer_size(batch_count, element_size);
    u8 *end = body + payload_size + trailer;
    memset(body + payload_size, 0xFF, trailer);
    store_u16(end - 2, (u16)batch_count);
    for (u32 i = 0; i < batch_count; i++) store_u16(end - 2 - 2 * ((size_t)i + 1), counts[i]);
    return payload_size + trailer;
}

u32 compat_results_max(const struct compat_operation *operation, u32 batch_count)
{
    u32 trailer =
        operation->multi_batch ? compat_trailer_size(batch_count, operation->result_size) : 0;
    u32 most = (COMPAT_BODY_SIZE_MAX - trailer) / operation->result_size;
    return MIN(most, LEDGER_BATCH_EVENTS_MAX);
}
