// SPDX-License-Identifier: Apache-2.0
//
// The rows of the RESULTS tables of ledger.def with their names, for tables, traces and coverage.
#ifndef TAEL_LEDGER_LEDGER_NAMES_H
#define TAEL_LEDGER_LEDGER_NAMES_H

#include "ledger/ledger_types.h"

struct ledger_result_row {
    u32 number;
    u32 http_status;
    const char *name; // As in ledger.def, upper case without prefix.
    const char *sentence;
    bool transient; // The id of a transfer refused for this reason cannot be used again.
};

struct ledger_result_rows {
    const struct ledger_result_row *rows; // In order of precedence; `created` is the last.
    u32 count;
};

// All results of an operation.
struct ledger_result_rows ledger_create_account_results(void);
struct ledger_result_rows ledger_create_transfer_results(void);

// The row with that number, or NULL.
const struct ledger_result_row *ledger_result_find(struct ledger_result_rows results, u32 number);
// The row with that name in upper or lower case, or NULL.
const struct ledger_result_row *ledger_result_find_name(struct ledger_result_rows results,
                                                        const char *name);

#endif
