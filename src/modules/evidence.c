// SPDX-License-Identifier: Apache-2.0
//
// The evidence of a refusal as text.
#include "modules/evidence.h"

#include "codec/civil.h"
#include "codec/number.h"
#include "modules/constraint/constraint.h"
#include "modules/module.h"

#include <stdio.h>

void evidence_print(const struct schema_result *result, bool has_dates, u128 number,
                    char out[EVIDENCE_SIZE_MAX])
{
    const i64 day = (i32)number;
    const bool is_day = has_dates && result != NULL && result->unit == UNIT_DAYS && number != 0 &&
                        number <= U32_MAX;
    if (is_day && day >= CIVIL_DAY_MIN && day <= CIVIL_DAY_MAX) {
        char date[CIVIL_DATE_SIZE];
        civil_print_date((i32)day, date);
        (void)snprintf(out, EVIDENCE_SIZE_MAX, "%s", date);
        return;
    }
    const bool is_signed =
        result == schema_find_result(&module_schema_module_result, MODULE_CONSTRAINT_BROKEN) ||
        result == schema_find_result(&module_schema_module_result, MODULE_SUB_LEDGER_BROKEN) ||
        result == schema_find_result(&constraint_schema_constraint_result, CONSTRAINT_IN_BREACH);
    const bool is_negative = is_signed && (i128)number < 0;
    char digits[NUMBER_SIZE_MAX];
    (void)number_print_u128(is_negative ? -number : number, digits);
    (void)snprintf(out, EVIDENCE_SIZE_MAX, "%s%s", is_negative ? "-" : "", digits);
}
