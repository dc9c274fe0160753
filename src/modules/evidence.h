// SPDX-License-Identifier: Apache-2.0
//
// The evidence of a refusal as text: the value that broke a rule, and the limit that it broke.
#ifndef TAEL_MODULES_EVIDENCE_H
#define TAEL_MODULES_EVIDENCE_H

#include "schema/schema.h"

#define EVIDENCE_SIZE_MAX 48u

// Prints a number of the evidence of `result` (NULL: one that this program does not know) and
// terminates: signed where constraints and sub-ledgers have signed ones; with `has_dates`, days as
// dates of ISO 8601.
void evidence_print(const struct schema_result *result, bool has_dates, u128 number,
                    char out[EVIDENCE_SIZE_MAX]);

#endif
