// SPDX-License-Identifier: Apache-2.0
//
// The operations of the TigerBeetle client protocol and their multi-batch bodies
// (docs/PROTOCOL.md).
//
// A body holds its batches' events in order, then a trailer at its very end: the count of the last
// batch first, the count of the first batch last, then the number of batches, all u16, padded in
// front with 0xFF to a whole number of elements. Old operations carry one batch and no trailer.
#ifndef TAEL_MACHINE_COMPAT_H
#define TAEL_MACHINE_COMPAT_H

#include "base/base.h"

#define COMPAT_BODY_SIZE_MAX      1048320u
#define COMPAT_BATCHES_MAX        65535u // Empty ones take only their two bytes of the trailer.
#define COMPAT_OPERATION_BASE     128u
#define COMPAT_OPERATION_REGISTER 2u // On the wire as it is, not from the base.

enum compat_operation_number {
    COMPAT_PULSE = 0,
    COMPAT_UNBATCHED_CREATE_ACCOUNTS = 1,
    COMPAT_UNBATCHED_CREATE_TRANSFERS = 2,
    COMPAT_UNBATCHED_LOOKUP_ACCOUNTS = 3,
    COMPAT_UNBATCHED_LOOKUP_TRANSFERS = 4,
    COMPAT_UNBATCHED_GET_ACCOUNT_TRANSFERS = 5,
    COMPAT_UNBATCHED_GET_ACCOUNT_BALANCES = 6,
    COMPAT_UNBATCHED_QUERY_ACCOUNTS = 7,
    COMPAT_UNBATCHED_QUERY_TRANSFERS = 8,
    COMPAT_GET_CHANGE_EVENTS = 9,
    COMPAT_SPARSE_CREATE_ACCOUNTS = 10,
    COMPAT_SPARSE_CREATE_TRANSFERS = 11,
    COMPAT_LOOKUP_ACCOUNTS = 12,
    COMPAT_LOOKUP_TRANSFERS = 13,
    COMPAT_GET_ACCOUNT_TRANSFERS = 14,
    COMPAT_GET_ACCOUNT_BALANCES = 15,
    COMPAT_QUERY_ACCOUNTS = 16,
    COMPAT_QUERY_TRANSFERS = 17,
    COMPAT_CREATE_ACCOUNTS = 18,
    COMPAT_CREATE_TRANSFERS = 19,
    COMPAT_OPERATION_COUNT = 20,
};

enum compat_kind {
    COMPAT_KIND_NONE, // Not for clients.
    COMPAT_KIND_CREATE_ACCOUNTS,
    COMPAT_KIND_CREATE_TRANSFERS,
    COMPAT_KIND_LOOKUP_ACCOUNTS,
    COMPAT_KIND_LOOKUP_TRANSFERS,
    COMPAT_KIND_ACCOUNT_TRANSFERS,
    COMPAT_KIND_ACCOUNT_BALANCES,
    COMPAT_KIND_QUERY_ACCOUNTS,
    COMPAT_KIND_QUERY_TRANSFERS,
    COMPAT_KIND_CHANGE_EVENTS,
};

struct compat_operation {
    const char *name;
    enum compat_kind kind;
    u16 event_size;
    u16 result_size;
    bool multi_batch;
    bool sparse; // Creates answer only with refusals: {index u32, result u32}.
};

// The operation of a wire byte, or NULL.
const struct compat_operation *compat_operation(u8 wire);
// The operation by which the tael port makes raw accounts and transfers: a command of so many
// records of the ledger's, without a trailer, answered by one result each. NULL for other records.
const struct compat_operation *compat_of_record(u32 record);
// The operation by which the tael port answers questions for raw accounts and transfers, and the
// record of its views; NULL for other records.
const struct compat_operation *compat_of_question(u32 record, u32 *view);
static inline bool compat_is_create(const struct compat_operation *operation)
{
    return operation->kind == COMPAT_KIND_CREATE_ACCOUNTS ||
           operation->kind == COMPAT_KIND_CREATE_TRANSFERS;
}
// Queries have exactly one filter a batch.
static inline bool compat_is_query(const struct compat_operation *operation)
{
    return operation->kind >= COMPAT_KIND_ACCOUNT_TRANSFERS;
}

// A body taken apart. Points into it.
struct compat_batches {
    const u8 *events;
    const u8 *counts_end; // The number of batches; counts lie before it.
    u32 event_count;      // In all batches.
    u32 batch_count;
    bool multi_batch;
};

// Takes a body apart. False when it is not well-formed for the operation, or when its answer could
// not fit a message.
bool compat_decode(const struct compat_operation *operation, const u8 *body, u32 size,
                   struct compat_batches *out);
// Events of batch `index`.
u32 compat_batch_count(const struct compat_batches *batches, u32 index);
// Bytes of the trailer of a body of `batch_count` batches of elements of `element_size`.
u32 compat_trailer_size(u32 batch_count, u32 element_size);
// Writes the trailer behind `payload_size` bytes of results; `counts` are results a batch. Returns
// the size of the whole body.
u32 compat_trailer_write(u8 *body, u32 payload_size, u32 element_size, const u16 *counts,
                         u32 batch_count);
// The most results that one query of a batch may give, so that the answer fits.
u32 compat_results_max(const struct compat_operation *operation, u32 batch_count);

#endif
