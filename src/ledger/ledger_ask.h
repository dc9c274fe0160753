// SPDX-License-Identifier: Apache-2.0
//
// Questions to a real ledger and its history, as the functions of an executor. Tests only; a
// failure of the environment aborts unless it is expected.
#ifndef TAEL_LEDGER_LEDGER_ASK_H
#define TAEL_LEDGER_LEDGER_ASK_H

#include "ledger/history_query.h"
#include "ledger/ledger.h"
#include "ledger/ledger_executor.h"

// The first member of the executor's context. All rows are seen, so all must be indexed.
struct ledger_ask {
    const struct ledger *ledger;
    struct history *history;
    struct history_query *query;
    bool may_fail;      // A failure is kept in `status` and answers with nothing.
    enum status status; // The last failure; whoever asks sets it back.
};

// Sets every function that asks and `check`; the others are left.
void ledger_ask_fill(struct ledger_executor *executor);

#endif
