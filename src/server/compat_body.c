// SPDX-License-Identifier: Apache-2.0
//
// Bodies as a client makes them and takes them apart.
#include "server/compat_body.h"

#include "ledger/ledger_types.h"

u32 compat_body_finish(u8 operation, u8 *body, u32 count)
{
    const struct compat_operation *known = compat_operation(operation);
    assert(known != NULL);
    assert(count <= LEDGER_BATCH_EVENTS_MAX);
    const u32 size = count * known->event_size;
    const u16 counts[1] = {(u16)count};
    return known->multi_batch ? compat_trailer_write(body, size, known->event_size, counts, 1)
                              : size;
}

// The most results that a batch of `count` events can have.
static u32 results_max(const struct compat_operation *operation, const u8 *events, u32 count)
{
    if (!compat_is_query(operation)) return count;
    // The limit lies near the end of each filter.
    static const u32 limit_offsets[] = {
        [COMPAT_KIND_ACCOUNT_TRANSFERS] = offsetof(struct account_filter, limit),
        [COMPAT_KIND_ACCOUNT_BALANCES] = offsetof(struct account_filter, limit),
        [COMPAT_KIND_QUERY_ACCOUNTS] = offsetof(struct query_filter, limit),
        [COMPAT_KIND_QUERY_TRANSFERS] = offsetof(struct query_filter, limit),
        [COMPAT_KIND_CHANGE_EVENTS] = offsetof(struct change_events_filter, limit),
    };
    return load_u32(events + limit_offsets[operation->kind]);
}

bool compat_reply_decode(const struct compat_operation *operation,
                         const struct compat_batches *request, const u8 *body, u32 size,
                         struct compat_batches *out)
{
    const u32 element = operation->result_size;
    *out = (struct compat_batches){.events = body, .multi_batch = operation->multi_batch};
    if (size % element != 0 || size > COMPAT_BODY_SIZE_MAX) return false;
    u32 trailer = 0;
    if (operation->multi_batch) {
        if (size < 2) return false;
        out->counts_end = body + size - 2;
        out->batch_count = load_u16(out->counts_end);
        if (out->batch_count != request->batch_count) return false;
        trailer = compat_trailer_size(out->batch_count, element);
        if (trailer > size) return false;
        for (u32 i = size - trailer; i < size - 2 - 2 * out->batch_count; i++) {
            if (body[i] != 0xFF) return false;
        }
    } else {
        out->batch_count = 1;
        out->event_count = size / element;
    }
    const bool is_dense = compat_is_create(operation) && !operation->sparse;
    const u8 *events = request->events;
    u64 total = 0;
    for (u32 i = 0; i < out->batch_count; i++) {
        const u32 asked = compat_batch_count(request, i);
        const u32 got = compat_batch_count(out, i);
        if (got > results_max(operation, events, asked)) return false;
        if (is_dense && got != asked) return false;
        events += (size_t)asked * operation->event_size;
        total += got;
    }
    out->event_count = (u32)total;
    return total * element == size - trailer;
}
