// SPDX-License-Identifier: Apache-2.0
//
// The names of the results: a pass over ledger.def that keeps the RESULTS tables only.
#include "ledger/ledger_names.h"

#include <strings.h>

#define RESULTS(table, ...) static const struct ledger_result_row table##_rows[] = {
#define RESULT(prefix, row, number_of_row, http, ...) \
    {.number = (u32)(number_of_row), .http_status = (http), .name = #row, __VA_ARGS__},
#define END_RESULTS(table) \
    }                      \
    ;
#include "schema/pass_rest.h"

#include "ledger/ledger.def"

#include "schema/pass_end.h"

struct ledger_result_rows ledger_create_account_results(void)
{
    return (struct ledger_result_rows){
        .rows = create_account_result_rows,
        .count = (u32)ARRAY_COUNT(create_account_result_rows),
    };
}

struct ledger_result_rows ledger_create_transfer_results(void)
{
    return (struct ledger_result_rows){
        .rows = create_transfer_result_rows,
        .count = (u32)ARRAY_COUNT(create_transfer_result_rows),
    };
}

const struct ledger_result_row *ledger_result_find(struct ledger_result_rows results, u32 number)
{
    for (u32 i = 0; i < results.count; i++) {
        if (results.rows[i].number == number) return &results.rows[i];
    }
    return NULL;
}

const struct ledger_result_row *ledger_result_find_name(struct ledger_result_rows results,
                                                        const char *name)
{
    for (u32 i = 0; i < results.count; i++) {
        if (strcasecmp(results.rows[i].name, name) == 0) return &results.rows[i];
    }
    return NULL;
}
