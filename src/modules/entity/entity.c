// SPDX-License-Identifier: Apache-2.0
//
// Deciding on legal entities.
#include "modules/entity/entity.h"

#include "modules/identifier.h"
#include "money/currency.h"

#define SCHEMA_MODULE entity
#define SCHEMA_TABLE  "modules/entity/entity.def"
#include "schema/make_descriptors.h"

enum { TABLE_ENTITIES };
#define ENTITIES_MAX 65536u

const struct entity *entity_find(const struct module_context *context, u128 entity_id)
{
    const struct module_context own = module_context_of(context, &entity_module);
    return module_find(&own, TABLE_ENTITIES, entity_id);
}

// Two capitals, or two, a hyphen and one to three capitals or digits (ISO 3166-1 and -2).
static bool is_jurisdiction(const char *text, size_t room)
{
    const size_t size = strnlen(text, room);
    if (size != 2 && (size < 4 || size > 6 || text[2] != '-')) return false;
    for (size_t i = 0; i < size; i++) {
        const bool is_capital = text[i] >= 'A' && text[i] <= 'Z';
        const bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (i != 2 && !is_capital && (i < 2 || !is_digit)) return false;
    }
    return true;
}

static u32 open_decide(const struct module_context *context, const struct entity_open *open,
                       struct plan *plan)
{
    if (open->entity_id == 0) return ENTITY_ID_MUST_NOT_BE_ZERO;
    if (!identifier_is_valid(open->name, sizeof open->name)) return ENTITY_NAME_INVALID;
    if (!is_jurisdiction(open->jurisdiction, sizeof open->jurisdiction)) {
        return ENTITY_JURISDICTION_INVALID;
    }
    const size_t currency_size = strnlen(open->currency, sizeof open->currency);
    if (currency_find(open->currency, currency_size) == NULL) return ENTITY_CURRENCY_UNKNOWN;
    if (entity_find(context, open->entity_id) != NULL) {
        plan->evidence[0] = open->entity_id;
        return ENTITY_EXISTS;
    }
    struct entity entity = {
        .entity_id = open->entity_id,
        .first_day = open->day,
        .day = open->day,
        .opened_at = context->timestamp,
    };
    memcpy(entity.name, open->name, sizeof entity.name);
    memcpy(entity.jurisdiction, open->jurisdiction, sizeof entity.jurisdiction);
    memcpy(entity.currency, open->currency, sizeof entity.currency);
    plan_add_write(plan, TABLE_ENTITIES, module_record_count(context, TABLE_ENTITIES), &entity,
                   sizeof entity);
    return MODULE_DONE;
}

static u32 entity_decide(const struct module_context *context, const struct schema_record *record,
                         const void *body, struct plan *plan)
{
    if (record == &entity_schema_entity_open) return open_decide(context, body, plan);
    return MODULE_UNKNOWN;
}

static u32 entity_ask(const struct module_context *context, const struct schema_record *question,
                      const void *body, struct module_answer *answer)
{
    assert(question == &entity_schema_entity_list);
    const struct entity_list *list = body;
    answer->record = &entity_schema_entity;
    if (list->entity_id == 0) {
        answer_rows(context, TABLE_ENTITIES, answer);
        return MODULE_DONE;
    }
    const struct entity *entity = entity_find(context, list->entity_id);
    answer->evidence[0] = list->entity_id;
    if (entity == NULL) return ENTITY_NOT_FOUND;
    (void)answer_add(answer, entity);
    return MODULE_DONE;
}

static void entity_check(const struct module_context *context)
{
    for (u64 row = 0; row < module_record_count(context, TABLE_ENTITIES); row++) {
        const struct entity *entity = module_record(context, TABLE_ENTITIES, row);
        assert(entity->day >= entity->first_day); // N1
        assert(module_find_row(context, TABLE_ENTITIES, entity->entity_id) == row);
    }
}

const struct module entity_module = {
    .name = "entity",
    .number = 0x02,
    .version = 1,
    .account_class = 0x02,
    .schema = &entity_schema,
    .table_count = 1,
    .tables = {{.record_size = sizeof(struct entity), .record_max = ENTITIES_MAX, .keyed = true}},
    .decide = entity_decide,
    .ask = entity_ask,
    .check = entity_check,
};
