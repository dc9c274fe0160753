// SPDX-License-Identifier: Apache-2.0
//
// The ledger's descriptors, and the list of the modules that have some.
#include "ledger/ledger_schema.h"

#include <stdio.h>

#define SCHEMA_MODULE ledger
#define SCHEMA_TABLE  "ledger/ledger.def"
#include "schema/make_descriptors.h"

const struct schema_module *const schema_modules[] = {&ledger_schema};
const u32 schema_module_count = ARRAY_COUNT(schema_modules);

const struct schema_record *schema_modules_find_record(const char *name)
{
    for (u32 i = 0; i < schema_module_count; i++) {
        const struct schema_record *record = schema_find_record(schema_modules[i], name);
        if (record) return record;
    }
    return NULL;
}

const struct schema_record *schema_modules_find_record_number(u32 number)
{
    for (u32 i = 0; i < schema_module_count; i++) {
        const struct schema_record *record = schema_find_record_number(schema_modules[i], number);
        if (record) return record;
    }
    return NULL;
}

struct schema_name ledger_result_name(const struct schema_results *results, u32 number)
{
    const struct schema_result *result = schema_find_result(results, number);
    if (result) return schema_lower(result->name);
    struct schema_name unknown = {{0}};
    (void)snprintf(unknown.text, sizeof unknown.text, "unknown_%u", number);
    return unknown;
}
