// SPDX-License-Identifier: Apache-2.0
//
// The list of modules, and the making of plans.
#include "modules/module.h"

#define SCHEMA_MODULE module
#define SCHEMA_TABLE  "modules/module.def"
#include "schema/make_descriptors.h"

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

u32 module_index(const struct module *module)
{
    u32 index = 0;
    while (modules[index] != module) index++;
    return index;
}

struct module_context module_context_of(const struct module_context *context,
                                        const struct module *module)
{
    struct module_context other = *context;
    other.own = &context->all[module_index(module)];
    return other;
}

u64 module_key_hash(const struct ledger *ledger, u128 key)
{
    return hash_u128(&ledger->history->key, key);
}

u64 module_find_row(const struct module_context *context, u32 table, u128 key)
{
    struct index_cursor cursor;
    const struct index *index = &context->own->indexes[table];
    for (u32 row = index_first(index, module_key_hash(context->ledger, key), &cursor); row != 0;
         row = index_next(&cursor)) {
        if (load_u128(module_record(context, table, row - 1)) == key) return row - 1;
    }
    return MODULE_ROW_NONE;
}

const void *module_find(const struct module_context *context, u32 table, u128 key)
{
    u64 row = module_find_row(context, table, key);
    return row == MODULE_ROW_NONE ? NULL : module_record(context, table, row);
}

u64 module_find_ordered(const struct module_context *context, u32 table, u32 order,
                        const void *probe)
{
    const u32 row = btree_find(module_ordered(context, table, order), probe);
    return row == BTREE_ROW_NONE ? MODULE_ROW_NONE : row;
}

const struct schema_record *module_record_of(u32 record_number)
{
    const struct module *module = module_of_record(record_number);
    return module == NULL ? NULL : schema_find_record_number(module->schema, record_number);
}

const struct schema_result *module_result_of(const struct module *module, u32 result)
{
    const struct schema_result *shared = schema_find_result(&module_schema_module_result, result);
    if (shared != NULL) return shared;
    for (u32 i = 0; i < module->schema->results_count; i++) {
        const struct schema_result *own = schema_find_result(module->schema->results[i], result);
        if (own != NULL) return own;
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

u128 plan_unique_posting_id(const struct ledger *ledger, u16 module_number, u128 unique_id,
                            u32 index)
{
    return history_posting_id(ledger->history, module_number, unique_id, index);
}

u128 history_posting_id(const struct history *history, u16 module_number, u128 unique_id, u32 index)
{
    const struct hash_key *key = &history->resolution_key;
    u64 name = (u64)module_number << 32 | index;
    u64 low = hash_u64(key, hash_u128(key, unique_id), 2 * name);
    u64 high = hash_u64(key, low, 2 * name + 1);
    return (u128)high << 64 | low;
}

struct account *plan_add_account(struct plan *plan, const struct ledger *ledger, u32 *row)
{
    assert(plan->account_count < PLAN_ACCOUNTS_MAX);
    *row = (u32)ledger->accounts.count + plan->account_count;
    struct account *account = &plan->accounts[plan->account_count++];
    *account = (struct account){0};
    return account;
}

struct plan_posting *plan_add_posting(struct plan *plan)
{
    assert(plan->posting_count < PLAN_POSTINGS_MAX);
    struct plan_posting *posting = &plan->postings[plan->posting_count++];
    *posting = (struct plan_posting){0};
    return posting;
}

struct plan_shortfall *plan_add_shortfall(struct plan *plan)
{
    assert(plan->shortfall_count < PLAN_SHORTFALLS_MAX);
    struct plan_shortfall *shortfall = &plan->shortfalls[plan->shortfall_count++];
    *shortfall = (struct plan_shortfall){0};
    return shortfall;
}

u32 plan_add_control(struct plan *plan, const struct module_context *context,
                     const struct plan_control *control)
{
    assert(plan->control_count < PLAN_CONTROLS_MAX && control->scale > 0);
    plan->controls[plan->control_count] = *control;
    return (u32)context->controls->count + plan->control_count++;
}

void *plan_add_bulk(struct plan *plan, u32 table, u64 first, u32 count, u32 size)
{
    assert(plan->bulk.count == 0 && count <= PLAN_BULK_MAX && size <= PLAN_RECORD_SIZE_MAX);
    plan->bulk.table = table;
    plan->bulk.first = first;
    plan->bulk.count = count;
    plan->bulk.size = size;
    return plan->bulk.records;
}

struct plan_effect *plan_add_effect(struct plan *plan, u16 kind)
{
    assert(plan->effect_count < PLAN_EFFECTS_MAX);
    struct plan_effect *effect = &plan->effects[plan->effect_count++];
    *effect = (struct plan_effect){.kind = kind};
    return effect;
}

bool answer_add(struct module_answer *answer, const void *view)
{
    u32 size = answer->record->size;
    if (answer->size + size > answer->room) return false;
    memcpy(answer->views + answer->size, view, size);
    u32 next = (u32)align_up(answer->size + size, 16);
    memset(answer->views + answer->size + size, 0, next - answer->size - size);
    answer->size = next;
    answer->count++;
    return true;
}

void answer_rows(const struct module_context *context, u32 table, struct module_answer *answer)
{
    u64 row = load_u64(answer->cursor);
    const u64 count = module_record_count(context, table);
    while (row < count && answer_add(answer, module_record(context, table, row))) row++;
    memset(answer->cursor, 0, sizeof answer->cursor);
    if (row < count) store_u64(answer->cursor, row);
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

// The next row that is not a balance.
static enum status row_next(const struct module_context *context, const struct history_set *set,
                            struct module_postings *walk, struct outcome *out)
{
    struct history *history = context->ledger->history;
    enum status status = STATUS_OK;
    do {
        assert(walk->row < history->next_row);
        status = history_row(history, set, walk->row++, out, context->facts->failure);
    } while (status == STATUS_OK &&
             (out->kind == OUTCOME_BALANCE_DEBITS || out->kind == OUTCOME_BALANCE_CREDITS));
    return status;
}

bool module_posting_next(const struct module_context *context, u16 module_number, u128 unique_id,
                         struct module_postings *walk, struct outcome *out)
{
    struct history *history = context->ledger->history;
    struct module_facts *facts = context->facts;
    struct history_set *set = history_set_acquire(history);
    enum status status = STATUS_OK;
    bool is_found = walk->row != 0;
    if (!is_found) {
        const u128 id = plan_unique_posting_id(context->ledger, module_number, unique_id, 0);
        status = history_find_row(history, set, id, history_hash_id(history, id), history->next_row,
                                  &walk->row, facts->failure);
        is_found = status == STATUS_OK && walk->row != 0;
        if (is_found) walk->row--;
    }
    if (is_found) status = row_next(context, set, walk, out);
    history_set_release(history, set);
    if (status != STATUS_OK) facts->status = status;
    if (status != STATUS_OK || !is_found || out->kind != OUTCOME_POSTING) return false;
    walk->index++;
    return true;
}
