// SPDX-License-Identifier: Apache-2.0
//
// What plain clients ask for: bodies of the operations that create, out of the random steps of a
// ledger.
#ifndef TAEL_SIM_BATCH_H
#define TAEL_SIM_BATCH_H

#include "ledger/ledger_random.h"
#include "machine/compat.h"

struct batch {
    u8 operation; // The wire's byte.
    bool is_transfers;
    u32 count; // Events.
    u32 size;  // Bytes of the body, of malloc, to be freed by the caller.
    u8 *body;
};

// The events of the next creating step, once or (rarely) many times over, in one batch or in many.
// Steps between are passed over. `step` is scratch.
void batch_make(struct random *random, struct ledger_random *events, struct ledger_step *step,
                struct batch *out);

#endif
