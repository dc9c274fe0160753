// SPDX-License-Identifier: Apache-2.0
//
// The list of modules, and the making of plans.
#include "modules/module.h"

#define MODULE(name, number) &name##_module,
const struct module *const modules[] = {
#include "modules/modules.def"
};
#undef MODULE
const u32 module_count = ARRAY_COUNT(modules);

const struct module *module_of_record(u32 record_number)
{
    for (u32 i = 0; i < module_count; i++) {
        if (modules[i]->number == record_number >> 8) return modules[i];
    }
    return NULL;
}

u128 plan_posting_id(const struct ledger *ledger, u128 command_id, u64 position, u32 index)
{
    const struct hash_key *key = &ledger->history->key;
    u64 low = hash_u64(key, hash_u128(key, command_id) ^ position, 2ull * index);
    u64 high = hash_u64(key, low ^ position, 2ull * index + 1);
    return (u128)high << 64 | low;
}

struct plan_posting *plan_add_posting(struct plan *plan)
{
    assert(plan->posting_count < PLAN_POSTINGS_MAX);
    struct plan_posting *posting = &plan->postings[plan->posting_count++];
    *posting = (struct plan_posting){0};
    return posting;
}

struct plan_effect *plan_add_effect(struct plan *plan, u16 kind)
{
    assert(plan->effect_count < PLAN_EFFECTS_MAX);
    struct plan_effect *effect = &plan->effects[plan->effect_count++];
    *effect = (struct plan_effect){.kind = kind};
    return effect;
}

void plan_add_write(struct plan *plan, u32 table, u64 row, const void *record, u32 size)
{
    assert(plan->write_count < PLAN_WRITES_MAX && size <= PLAN_RECORD_SIZE_MAX);
    struct plan_write *write = &plan->writes[plan->write_count++];
    write->table = table;
    write->row = row;
    write->size = size;
    memcpy(write->record, record, size);
}
