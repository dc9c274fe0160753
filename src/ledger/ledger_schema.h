// SPDX-License-Identifier: Apache-2.0
//
// The ledger's tables as descriptors: `ledger_schema` for the whole, `ledger_schema_<name>` for
// each record, set of flags and list of results of ledger.def.
#ifndef TAEL_LEDGER_LEDGER_SCHEMA_H
#define TAEL_LEDGER_LEDGER_SCHEMA_H

#include "ledger/ledger_types.h"
#include "schema/schema.h"

#define SCHEMA_MODULE ledger
#include "schema/pass_extern.h"

#include "ledger/ledger.def"

#include "schema/pass_end.h"
#undef SCHEMA_MODULE

// The modules whose tables this build knows, for verbs that find a record by name.
extern const struct schema_module *const schema_modules[];
extern const u32 schema_module_count;

// The record of any module; null when there is none. Names compare without case, `-` is `_`.
const struct schema_record *schema_modules_find_record(const char *name);
const struct schema_record *schema_modules_find_record_number(u32 number);

// The name of a result in lower case ("exceeds_credits"), or "unknown_<number>" for a number that
// the table does not have (a newer server's).
struct schema_name ledger_result_name(const struct schema_results *results, u32 number);

#endif
