// SPDX-License-Identifier: Apache-2.0
//
// Drives executors through random steps: one to see what it answers, two to see that they agree.
#ifndef TAEL_LEDGER_LEDGER_COMPARE_H
#define TAEL_LEDGER_LEDGER_COMPARE_H

#include <stdio.h>

#include "ledger/ledger_executor.h"
#include "ledger/ledger_names.h"
#include "ledger/ledger_random.h"

#define LEDGER_COMPARE_RESULTS_MAX 128

// How often each result was given, by position in ledger_names' rows, and what was answered.
struct ledger_coverage {
    u64 account_results[LEDGER_COMPARE_RESULTS_MAX];
    u64 transfer_results[LEDGER_COMPARE_RESULTS_MAX];
    u64 expired;
    u64 rows[LEDGER_STEP_GET_CHANGE_EVENTS + 1]; // Rows answered, by kind of step.
};

// A step's whole reply, zeroed before; about 400 KiB.
struct ledger_reply {
    u32 count;
    bool found[LEDGER_RANDOM_BATCH_MAX];
    union {
        struct create_result results[LEDGER_RANDOM_BATCH_MAX];
        struct account accounts[1024];
        struct transfer transfers[1024];
        struct account_balance balances[1024];
        struct change_event changes[1024];
    };
};

// Executes one step. `step->limit` bounds the rows of a query (at most 1,024).
void ledger_compare_execute(const struct ledger_executor *executor, const struct ledger_step *step,
                            struct ledger_reply *reply);

// Counts a reply. Asserts that every status is a row of ledger.def.
void ledger_compare_count(const struct ledger_step *step, const struct ledger_reply *reply,
                          struct ledger_coverage *coverage);

// Gives both the same `steps` steps, compares every reply byte for byte, and every `balances_every`
// steps all accounts; asks both to check themselves then. Both must be in the same state before.
// True if they agree; else prints seed, step, the event or the question and both answers to
// `trace`. `coverage` may be NULL.
MUST_USE bool ledger_compare_run(struct ledger_random *random, const struct ledger_executor *left,
                                 const struct ledger_executor *right, u64 steps, u64 balances_every,
                                 FILE *trace, struct ledger_coverage *coverage);

#endif
