// SPDX-License-Identifier: Apache-2.0
//
// What plain clients ask for.
#include "batch.h"

#include <stdlib.h>
#include <string.h>

// Splits `count` events into batches. Returns how many.
static u32 batches_split(struct random *random, u32 count, u16 *counts, u32 most)
{
    u32 batches = 0;
    // Rarely as many empty ones as there can be.
    if (random_below(random, 200) == 0) {
        batches = (u32)random_below(random, most - 12);
        memset(counts, 0, batches * sizeof *counts);
    }
    while (batches + 1 < most && random_chance(random, 25)) {
        u32 some = (u32)random_below(random, (u64)count + 1);
        counts[batches++] = (u16)some;
        count -= some;
    }
    counts[batches++] = (u16)count;
    return batches;
}

void batch_make(struct random *random, struct ledger_random *events, struct ledger_step *step,
                struct batch *out)
{
    static const u8 operations[2][3] = {
        {COMPAT_CREATE_ACCOUNTS, COMPAT_SPARSE_CREATE_ACCOUNTS, COMPAT_UNBATCHED_CREATE_ACCOUNTS},
        {COMPAT_CREATE_TRANSFERS, COMPAT_SPARSE_CREATE_TRANSFERS,
         COMPAT_UNBATCHED_CREATE_TRANSFERS},
    };
    do {
        ledger_random_next(events, step);
    } while (step->kind > LEDGER_STEP_CREATE_TRANSFERS);
    const bool is_transfers = step->kind == LEDGER_STEP_CREATE_TRANSFERS;
    const u64 which = random_below(random, 4);
    const u32 number = operations[is_transfers][which < 2 ? 0 : which - 1];
    const u32 times = random_below(random, 150) == 0 ? 8000 / step->count : 1;
    const u32 count = step->count * times;
    u8 *body = malloc((size_t)count * sizeof(struct transfer) + 2 * COMPAT_BATCHES_MAX + 4096);
    if (body == NULL) abort();
    for (u32 i = 0; i < times; i++) {
        memcpy(body + (size_t)i * step->count * sizeof(struct transfer), step->transfers,
               step->count * sizeof(struct transfer));
    }
    u32 size = count * (u32)sizeof(struct transfer);
    if (number >= COMPAT_SPARSE_CREATE_ACCOUNTS) {
        u16 counts[COMPAT_BATCHES_MAX];
        const u32 fit = (COMPAT_BODY_SIZE_MAX - size - (u32)sizeof(struct transfer)) / 2 - 1;
        const u32 batches = batches_split(random, count, counts, MIN(fit, COMPAT_BATCHES_MAX));
        size = compat_trailer_write(body, size, sizeof(struct transfer), counts, batches);
    }
    *out = (struct batch){
        .operation = (u8)(COMPAT_OPERATION_BASE + number),
        .is_transfers = is_transfers,
        .count = count,
        .size = size,
        .body = body,
    };
}
